package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// Repair gives up what cannot be read, and loses nothing that can be loaded:
//
//	a torn tail                        is cut, as Load does
//	a snapshot that Load passes over   is put aside
//	anything else                      the newest state that can be reached becomes a snapshot that is alone
//
// The state that can be reached is that of a whole snapshot and of the journals behind it up to the first damage. Only if
// no snapshot is whole, the readable objects of the newest are taken. What is behind a damage is not applied even if it can
// be read: it was written by those who knew what is lost. Everything that is not used is kept beside, under a name that
// ends with ".cut".
//
// Clients have seen revisions that are lost. So the new snapshot has one that is beyond all there can have been: they
// are told that theirs has expired, and list again.

// Repair makes the folder dir one that Load takes, and says in Report.Done what it did and what is lost. The report is of
// the folder as it is then. Without damage it does nothing.
func Repair(dir string) (report *Report, err error) {
	err = withFolder(dir, func(f *folder) error {
		report, err = f.repair()
		return err
	})
	return report, err
}

// repair repairs the folder.
func (f *folder) repair() (*Report, error) {
	// All files are read before any is touched: a disk that cannot be read leaves everything as it is.
	before, err := f.check(&state{})
	if err != nil || before.Whole() {
		return before, err
	}
	r := &repairer{folder: f, before: before}
	if err := r.run(); err != nil {
		return nil, err
	}
	now, err := list(f.fs, f.dir)
	if err != nil {
		return nil, err
	}
	after, err := now.check(&state{})
	if err != nil {
		return nil, err
	}
	after.Done = r.done
	return after, nil
}

// repairer repairs a folder of which a check has found damage.
type repairer struct {
	*folder
	before *Report
	done   []string
}

// did notes what was done, for Report.Done.
func (r *repairer) did(format string, args ...any) {
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

// run chooses what to do.
func (r *repairer) run() error {
	way, err := r.farthest()
	if err != nil {
		return err
	}
	if way == nil || way.broken {
		return r.rebuild(way)
	}
	// The folder keeps what that way goes through; the rest would only be in its way.
	for _, f := range r.before.Files {
		switch {
		case f.Missing, f.Damage == nil && f.Name >= snapshotName(way.base)[:20]:
			continue
		case way.tail != nil && f.Name == filepath.Base(way.tail.Path):
			err = r.cutTail(way.tail, f.Name)
		default:
			err = r.putAside(f.Name)
		}
		if err != nil {
			return err
		}
	}
	r.did("Nothing that was complete is lost; watches begin at revision %d.", way.base)
	return r.fs.Sync()
}

// way is what comes of reading the snapshot at base and the journals behind it.
type way struct {
	base int64
	*state
	// reached is the revision of the state. tail is what is torn behind it, nil for nothing; broken says that damage is.
	reached int64
	tail    *Damage
	broken  bool
}

// farthest returns the way that reaches the newest revision, of several the one that begins first, so that watches have
// their past. It returns nil if no snapshot is whole.
func (r *repairer) farthest() (best *way, err error) {
	for _, rev := range slices.Backward(r.snapshots) {
		s := &state{keep: true}
		p := &replay{folder: r.folder, visitor: s}
		if err := p.snapshot(context.Background(), rev, false); !isDamage(err) {
			return nil, err
		} else if err != nil {
			continue
		}
		journals := r.journalsFrom(rev)
		err := p.follow(context.Background(), journals)
		if !isDamage(err) {
			return nil, err
		}
		if best == nil || p.rev >= best.reached {
			// What was written behind the newest snapshot is there, or it is a backup.
			_, ends := slices.BinarySearch(r.journals, r.snapshots[len(r.snapshots)-1])
			ends = ends || len(journals) == 0 && p.reports[0].Kind == kindBackup
			best = &way{rev, s, p.rev, p.tail, err != nil || !ends}
		}
	}
	return best, nil
}

// journalsFrom returns the journals that begin at a revision or later.
func (r *repairer) journalsFrom(rev int64) []int64 {
	from, _ := slices.BinarySearch(r.journals, rev)
	return r.journals[from:]
}

// cutTail cuts a torn tail and keeps its bytes.
func (r *repairer) cutTail(d *Damage, name string) error {
	kept := r.free(name)
	err := writeWhole(r.fs, kept, func(to File) error {
		from, err := r.fs.Open(name)
		if err != nil {
			return err
		}
		if _, err = io.CopyN(io.Discard, from, d.Offset); err == nil {
			_, err = io.Copy(to, from)
		}
		return errors.Join(err, from.Close())
	})
	if err != nil {
		return err
	}
	f, err := r.fs.Append(name)
	if err != nil {
		return err
	}
	if err = f.Truncate(d.Offset); err == nil {
		err = f.Sync()
	}
	r.did("The end of %s was torn: %d bytes from offset %d on are cut, and kept in %s.", name, d.Bytes, d.Offset, kept)
	return errors.Join(err, f.Close())
}

// putAside gives a file the name of something cut.
func (r *repairer) putAside(name string) error {
	kept := r.free(name)
	if err := r.fs.Rename(name, kept); err != nil {
		return err
	}
	r.did("%s is now %s.", name, kept)
	return nil
}

// free returns a name for what is cut of a file, or for all of it, that no earlier repair has used.
func (r *repairer) free(name string) string {
	kept := name + cutSuffix
	for n := 2; slices.Contains(r.others, kept); n++ {
		kept = fmt.Sprint(name, ".", n, cutSuffix)
	}
	r.others = append(r.others, kept)
	return kept
}

// rebuild makes a snapshot of what can be reached, and puts aside everything else. A crash between leaves a folder of which
// the same is made again.
func (r *repairer) rebuild(from *way) (err error) {
	if from == nil {
		if from, err = r.salvage(); err != nil {
			return err
		}
	}
	// The new snapshot is there before anything goes.
	rev, err := r.beyond(from.reached)
	if err != nil {
		return err
	}
	if _, err := r.folder.snapshot(context.Background(), kindBackup, rev, from.addTo); err != nil {
		return err
	}
	r.did("What was written after revision %d is lost. %s has its %d objects.", from.reached, snapshotName(rev), from.count())
	for _, f := range r.before.Files {
		if !f.Missing && f.Name != snapshotName(rev) {
			if err := r.putAside(f.Name); err != nil {
				return err
			}
		}
	}
	return r.fs.Sync()
}

// salvage returns the state of the readable records of the newest snapshot and the journals behind it.
func (r *repairer) salvage() (*way, error) {
	s := &state{keep: true}
	p := &replay{folder: r.folder, visitor: s}
	if n := len(r.snapshots); n > 0 {
		p.rev = r.snapshots[n-1]
		err := r.each(snapshotName(p.rev), func(of []change) { _ = s.commit(of) }) // what has not the form of one is not taken
		if err != nil {
			return nil, err
		}
		r.did("Of %s, %d objects could be read; the others are lost.", snapshotName(p.rev), s.count())
	} else {
		p.rev = r.journals[0]
		r.did("There is no snapshot: objects that were not written since are lost.")
	}
	// Where the next journal does not fit, the one before is asked for its end; here that is the snapshot.
	p.reports = []FileReport{{Name: snapshotName(p.rev)}}
	if err := p.follow(context.Background(), r.journalsFrom(p.rev)); !isDamage(err) {
		return nil, err
	}
	return &way{state: s, reached: p.rev, broken: true}, nil
}

// each calls do with the changes of each record of a file that can be read, whatever is between them.
func (r *repairer) each(name string, do func([]change)) error {
	in, err := open(r.fs, r.dir, name)
	if err != nil {
		if isDamage(err) {
			// Without its first line, nothing of a file can be told from anything else.
			return nil
		}
		return err
	}
	defer in.close()
	var changes []change
	for {
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if !isDamage(err) {
			return err
		}
		// The next record is taken by its own checksum; what is between is passed over.
		if err != nil {
			if more, err := in.seek(0); !more {
				return err
			}
			continue
		}
		if changes, err = parseBody(changes[:0], rec.body); err == nil {
			do(changes)
		}
	}
}

// beyond returns a revision that nobody can have seen, unless reached is the newest there was: behind all that can be
// read, with one more for each record that may have been in what cannot.
func (r *repairer) beyond(reached int64) (int64, error) {
	newest, lost := reached, int64(0)
	for _, f := range r.before.Files {
		if f.Damage != nil {
			lost += f.Damage.Bytes
		}
	}
	for _, rev := range slices.Concat(r.snapshots, r.journals) {
		newest = max(newest, rev)
	}
	for _, rev := range r.journals {
		err := r.each(journalName(rev), func(of []change) {
			for i := range of {
				newest = max(newest, of[i].rev)
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return newest + lost/headerBytes + 1, nil
}
