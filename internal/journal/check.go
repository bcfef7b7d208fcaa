package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"sort"
	"strconv"

	"apichain/internal/store"
)

// What is done with a folder that nobody has: look whether it is whole, show what is in it, make a backup. Each takes the
// lock while it reads.

// withFolder does something with the folder dir while it is locked.
func withFolder(dir string, do func(*folder) error) error {
	fs, err := openFolder(dir, false)
	if err != nil {
		return err
	}
	return withFS(fs, dir, do)
}

// withFS does something with a folder that is at dir.
func withFS(fs FS, dir string, do func(*folder) error) error {
	lock, err := fs.Lock()
	if err != nil {
		return err
	}
	f, err := list(fs, dir)
	if err == nil && f.empty() {
		// A backup that nobody has opened yet.
		err = f.adopt()
	}
	if err == nil && f.empty() {
		err = errors.New(dir + ": there are no files of a journal")
	}
	if err == nil {
		err = do(f)
	}
	// The lock file stays: to remove it would give two processes a lock of their own.
	return errors.Join(err, lock.Close())
}

// state is a visitor that has what the folder holds, by bucket and key.
type state struct {
	// keep says that the encodings are wanted; else they are nil.
	keep    bool
	buckets map[string]map[string][]byte
	rev     int64
}

// objects is of visitor: an object is as good as the commit that made it.
func (s *state) objects(of []change) error { return s.commit(of) }

// complete is of visitor.
func (s *state) complete(rev int64) { s.rev = rev }

// commit is of visitor.
func (s *state) commit(of []change) error {
	for i := range of {
		c := &of[i]
		b := s.buckets[string(c.bucket)]
		if c.kind == store.Deleted {
			delete(b, string(c.key))
			continue
		}
		// What Load would refuse is refused here, too.
		if _, ok := parseMeta(string(c.meta)); !ok {
			return errForm
		}
		if b == nil {
			if s.buckets == nil {
				s.buckets = map[string]map[string][]byte{}
			}
			b = map[string][]byte{}
			s.buckets[string(c.bucket)] = b
		}
		var raw []byte
		if s.keep {
			raw = bytes.Clone(c.raw)
		}
		b[string(c.key)] = raw
	}
	return nil
}

// count returns how many objects there are.
func (s *state) count() (n int) {
	for _, b := range s.buckets {
		n += len(b)
	}
	return n
}

// addTo adds all objects to a snapshot, sorted.
func (s *state) addTo(w *snapshotWriter) error {
	for _, bucket := range sortedKeys(s.buckets) {
		of := s.buckets[bucket]
		for _, key := range sortedKeys(of) {
			w.record = append(w.record, of[key]...)
			if err := w.added(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortedKeys returns the keys of a map, sorted: what is written of a state is the same each time.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Check reads the folder dir and says what is wrong with it. It changes nothing, but for a backup that is alone, which
// gets the name of a snapshot. It takes memory for all keys, and none for the objects. The error says why it cannot be
// read: it is held, of a newer version, or the disk fails.
func Check(dir string) (report *Report, err error) {
	err = withFolder(dir, func(f *folder) error {
		report, err = f.check(&state{})
		return err
	})
	return report, err
}

// check reads everything into s and then what is not needed for that.
func (f *folder) check(s *state) (*Report, error) {
	// First as Load would: what comes of it is what a start would find.
	p := &replay{folder: f, visitor: s}
	var d *Damage
	if err := p.run(context.Background()); errors.As(err, &d) {
		p.note(d)
	} else if err != nil {
		return nil, err
	}
	// What Load would not read is looked at, too: it may become what reading begins with.
	report := &Report{Revision: p.rev, Objects: s.count()}
	if err := p.rest(); err != nil {
		return nil, err
	}
	report.Files = p.reports
	sort.Slice(report.Files, func(i, j int) bool {
		a, b := &report.Files[i], &report.Files[j]
		// Of one revision, the snapshot is first.
		return cmp.Or(cmp.Compare(a.Name[:20], b.Name[:20]), cmp.Compare(b.Name, a.Name)) < 0
	})
	return report, nil
}

// note reports a damage that no file which was read has: a file is missing.
func (p *replay) note(d *Damage) {
	for i := range p.reports {
		if p.reports[i].Damage == d {
			return
		}
	}
	p.reports = append(p.reports, FileReport{Name: filepath.Base(d.Path), Missing: true, Damage: d})
}

// rest reads the files that were not read, each for itself.
func (p *replay) rest() error {
	q := &replay{folder: p.folder, visitor: &state{}}
	was := func(name string) bool {
		return slices.ContainsFunc(p.reports, func(r FileReport) bool { return r.Name == name })
	}
	for _, rev := range p.snapshots {
		if !was(snapshotName(rev)) {
			if err := q.snapshot(context.Background(), rev, false); !isDamage(err) {
				return err
			}
		}
	}
	for _, rev := range p.journals {
		if !was(journalName(rev)) {
			q.rev = rev
			if err := q.journal(context.Background(), rev, false); !isDamage(err) {
				return err
			}
		}
	}
	p.reports = append(p.reports, q.reports...)
	return nil
}

// isDamage reports whether there is no error but damage.
func isDamage(err error) bool {
	var d *Damage
	return err == nil || errors.As(err, &d)
}

// Copy writes the newest state of the folder dir to file as Backup does, whole or not at all. A torn tail, which Load
// would cut, is left out; anything else that cannot be believed is the error. It takes memory for all objects, and
// replaces a file that is there.
func Copy(dir, file string) (report *Report, err error) {
	err = withFolder(dir, func(f *folder) error {
		s := &state{keep: true}
		p := &replay{folder: f, visitor: s}
		if err := p.run(context.Background()); err != nil {
			return err
		}
		report = &Report{Files: p.reports, Revision: p.rev, Objects: s.count()}
		to, err := openFolder(filepath.Dir(file), false)
		if err != nil {
			return err
		}
		return writeWhole(to, filepath.Base(file), func(w File) error {
			_, err := writeSnapshot(w, kindBackup, p.rev, s.addTo)
			return err
		})
	})
	return report, err
}

// Dump writes what is in the folder dir as lines of JSON: first the objects of the oldest snapshot, with SNAPSHOT as
// type, then each change since in order. After a damage it ends, with that as the error; a torn tail is left out.
//
//	{"revision":7,"type":"MODIFIED","bucket":"configmaps","key":"ns/a","object":{...}}
//	{"revision":8,"type":"DELETED","bucket":"configmaps","key":"ns/a"}
func Dump(dir string, w io.Writer) error {
	return withFolder(dir, func(f *folder) error { return f.dump(w) })
}

// dump writes what is in the folder.
func (f *folder) dump(w io.Writer) error {
	d := &dumper{w: bufio.NewWriterSize(w, recordBytes)}
	p := &replay{folder: f, visitor: d}
	return errors.Join(p.run(context.Background()), d.w.Flush())
}

// dumper is the visitor that writes lines.
type dumper struct {
	w    *bufio.Writer
	line []byte
}

// objects is of visitor.
func (d *dumper) objects(of []change) error {
	for i := range of {
		d.write("SNAPSHOT", &of[i])
	}
	return nil
}

// complete is of visitor.
func (d *dumper) complete(int64) {}

// commit is of visitor.
func (d *dumper) commit(of []change) error {
	for i := range of {
		d.write(store.EventType(of[i].kind), &of[i])
	}
	return nil
}

// write writes a line. An error of the writer is that of its Flush.
func (d *dumper) write(kind string, c *change) {
	bucket, _ := json.Marshal(string(c.bucket)) // a string always can be
	key, _ := json.Marshal(string(c.key))
	b := append(d.line[:0], `{"revision":`...)
	b = strconv.AppendInt(b, c.rev, 10)
	b = append(append(append(b, `,"type":"`...), kind...), `","bucket":`...)
	b = append(append(append(b, bucket...), `,"key":`...), key...)
	if c.kind != store.Deleted {
		b = append(append(b, `,"object":`...), c.json[:c.revisionAt]...)
		b = append(strconv.AppendInt(b, c.rev, 10), c.json[c.revisionAt:]...)
	}
	d.line = append(b, "}\n"...)
	_, _ = d.w.Write(d.line)
}
