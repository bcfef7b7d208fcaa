package journal

import (
	"fmt"
	"strings"
)

// What Check, Repair and Copy tell of a folder, for people (String) and for programs.

// Report says what is in a folder, and what is wrong with it.
type Report struct {
	// Files are those that count, in the order in which Load reads them: by revision, a snapshot before its journal.
	Files []FileReport
	// Revision is that of the newest commit which can be loaded, Objects how many objects there are then.
	Revision int64
	Objects  int
	// Done says what Repair did and what was lost with it, a sentence each.
	Done []string
}

// FileReport says what is in a file.
type FileReport struct {
	Name string
	// Kind is "journal", "snapshot" or "backup", which is a snapshot that may be alone; "" when the first line cannot be read.
	Kind string
	// Revision is that of the snapshot or of the last whole commit of the journal.
	Revision int64
	// Records are those that are whole, Bytes is the size of the file.
	Records int
	Bytes   int64
	// Missing says that there is no such file, and should be.
	Missing bool
	// Damage is the first thing that is wrong, nil for a whole file.
	Damage *Damage
}

// Whole reports whether Load would take the folder as it is, with nothing to cut.
func (r *Report) Whole() bool {
	for i := range r.Files {
		if r.Files[i].Damage != nil {
			return false
		}
	}
	return true
}

// String returns a line for each file, one for the whole, and one for each thing done.
func (r *Report) String() string {
	var b strings.Builder
	for i := range r.Files {
		f := &r.Files[i]
		fmt.Fprintf(&b, "%s: %d records, %d bytes, up to revision %d", f.Name, f.Records, f.Bytes, f.Revision)
		if f.Damage != nil {
			fmt.Fprintf(&b, ": %s", f.Damage.Reason)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d objects at revision %d\n", r.Objects, r.Revision)
	for _, done := range r.Done {
		b.WriteString(done + "\n")
	}
	return b.String()
}
