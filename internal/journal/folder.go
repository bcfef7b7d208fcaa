package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A folder is generations of files, named by the revision at which each begins, in 20 digits:
//
//	00000000000000001000.snapshot    all objects at 1000
//	00000000000000001000.journal     the commits 1001 to 2000
//	00000000000000002000.snapshot    all objects at 2000
//	00000000000000002000.journal     the commits since
//
// Reading begins with the oldest snapshot and goes through all journals behind it, so that watches know what was
// written after it. The newest snapshot may be missing, since its journal is begun first, and old journals may still be
// there without their snapshots, which go first. A backup, or the empty snapshot of a new folder, may be alone.
// Names that end with ".tmp" are of what was not finished.

// folder is the names in a folder, at path dir.
type folder struct {
	fs  FS
	dir string
	// snapshots and journals are the revisions of those that are there, the oldest first.
	snapshots, journals []int64
	// others are the names of all other files.
	others []string
}

// snapshotName and journalName return the names of the files that begin at a revision. They sort as their revisions do.
//
//go:noinline
func snapshotName(rev int64) string { return fmt.Sprintf("%020d.%s", rev, kindSnapshot) }
//go:noinline
func journalName(rev int64) string  { return fmt.Sprintf("%020d.%s", rev, kindJournal) }

const (
	// unfinished ends the name of a file that is being written.
	unfinished = ".tmp"
	// cutSuffix ends the name of what Repair has cut.
	cutSuffix = ".cut"
)

// list reads the names in a folder.
func list(fs FS, dir string) (*folder, error) {
	names, err := fs.List()
	if err != nil {
		return nil, err
	}
	f := &folder{fs: fs, dir: dir}
	for _, name := range names {
		digits, _, _ := strings.Cut(name, ".")
		rev, err := strconv.ParseInt(digits, 10, 64)
		switch {
		// By any other spelling of the number it is not ours.
		case err == nil && name == snapshotName(rev):
			f.snapshots = append(f.snapshots, rev)
		case err == nil && name == journalName(rev):
			f.journals = append(f.journals, rev)
		default:
			f.others = append(f.others, name)
		}
	}
	slices.Sort(f.snapshots)
	slices.Sort(f.journals)
	return f, nil
}

// empty reports whether there is nothing to load.
func (f *folder) empty() bool { return len(f.snapshots) == 0 && len(f.journals) == 0 }

// files returns the revisions of the oldest snapshot, where reading begins, and of the journals from there on. The error
// says what of them is missing.
func (f *folder) files() (snapshot int64, journals []int64, err error) {
	if len(f.snapshots) == 0 {
		return 0, nil, &Damage{Path: filepath.Join(f.dir, journalName(f.journals[0])), Reason: "it has no snapshot before it"}
	}
	// Journals that are older are of a generation whose snapshot was removed, and are to be removed as well.
	snapshot = f.snapshots[0]
	from, _ := slices.BinarySearch(f.journals, snapshot)
	journals = f.journals[from:]
	if len(journals) > 0 && journals[0] != snapshot {
		return 0, nil, f.missing(snapshot)
	}
	// Of those between, each begins where the one before ends, which is seen when they are read. The newest could be missing
	// unnoticed: but a snapshot has a journal, unless it is a backup and alone.
	newest := f.snapshots[len(f.snapshots)-1]
	if _, ok := slices.BinarySearch(f.journals, newest); !ok && len(f.snapshots)+len(journals) > 1 {
		return 0, nil, f.missing(newest)
	}
	return snapshot, journals, nil
}

// missing returns the damage of a journal that is not there.
func (f *folder) missing(rev int64) *Damage {
	return &Damage{Path: filepath.Join(f.dir, journalName(rev)), Reason: "it is missing: what was written after its revision is not here"}
}

// checkVersions reads the first lines of all files: a program must not touch a folder that a newer one has written.
func (f *folder) checkVersions() error {
	var names []string
	for _, rev := range f.snapshots {
		names = append(names, snapshotName(rev))
	}
	for _, rev := range f.journals {
		names = append(names, journalName(rev))
	}
	for _, name := range names {
		r, err := open(f.fs, f.dir, name)
		if err != nil {
			return err
		}
		r.close()
	}
	return nil
}

// adopt gives the backup that is alone in a folder the name of a snapshot. It does nothing when there is none, and
// refuses to choose between several.
func (f *folder) adopt() error {
	var found []string
	var rev int64
	for _, name := range f.others {
		if strings.HasSuffix(name, cutSuffix) || strings.HasSuffix(name, unfinished) {
			continue
		}
		if ours, err := f.ours(name); err != nil {
			return err
		} else if !ours {
			continue
		}
		r, err := open(f.fs, f.dir, name)
		if err != nil {
			return err
		}
		r.close()
		found, rev = append(found, name), r.revision
	}
	switch {
	case len(found) == 0:
		return nil
	case len(found) > 1:
		return fmt.Errorf("%s: there is more than one backup (%s): leave the one to begin with", f.dir, strings.Join(found, ", "))
	}
	if err := f.fs.Rename(found[0], snapshotName(rev)); err != nil {
		return err
	}
	f.snapshots = []int64{rev}
	return f.fs.Sync()
}

// ours reports whether a file begins as those of a journal do.
func (f *folder) ours(name string) (bool, error) {
	file, err := f.fs.Open(name)
	if err != nil {
		return false, err
	}
	begin := make([]byte, len(magic)+1)
	_, err = io.ReadFull(file, begin)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return bytes.Equal(begin, []byte(magic+" ")), errors.Join(err, file.Close())
}

// clean removes what was not finished.
func (f *folder) clean() error {
	for _, name := range f.others {
		if strings.HasSuffix(name, unfinished) {
			if err := f.fs.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}
