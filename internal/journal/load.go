package journal

import (
	"context"
	"errors"
	"slices"

	"apichain/internal/store"
)

// Loading is one way through the folder with a store at its end: nothing is decoded but keys and metas, and texts are
// copied once, by the store. Only when all of it was read is the folder touched: a torn tail is cut, and what was read
// is flushed, since a process before may have been killed between its write and its flush.

// Load feeds what the folder has, as store.Backend says. A torn tail of the newest journal is cut, with a line in the
// log. Anything else that cannot be believed is a *Damage, and nothing is changed. What was read is on the disk, and
// commits may be appended, when it returns without an error.
func (j *Journal) Load(ctx context.Context, into *store.Feed) error { return j.load(ctx, into) }

// load is Load, into anything.
func (j *Journal) load(ctx context.Context, into target) error {
	p := &replay{folder: j.folder, visitor: &feeder{into: into, names: map[string]string{}}}
	if err := p.run(ctx); err != nil {
		return err
	}
	if j.readOnly {
		j.passOver(p)
		return nil
	}
	if err := j.resume(p); err != nil {
		return err
	}
	if j.mode > 0 {
		j.flushAtIntervals()
	}
	return nil
}

// passOver notes what was read, of a folder that is left as it is.
func (j *Journal) passOver(p *replay) {
	if t := p.tail; t != nil {
		j.log.Warn("Passed over the torn end of the journal", "file", t.Path, "offset", t.Offset, "bytes", t.Bytes, "reason", t.Reason)
	}
	j.appended = place{p.end.at, p.rev}
	j.taken, j.written, j.synced = j.appended, j.appended, j.appended
	j.count(p)
}

// count notes how much there is to read without another snapshot: all that is behind the newest one.
func (j *Journal) count(p *replay) {
	newest, at := j.folder.snapshots[len(j.folder.snapshots)-1], p.rev
	if n := len(j.folder.journals); n > 0 {
		at = j.folder.journals[n-1]
	}
	j.stats.SegmentRevision, j.stats.SnapshotRevision = at, newest
	for i := range p.reports {
		r := &p.reports[i]
		switch {
		case r.Name == snapshotName(newest):
			j.stats.SnapshotBytes = r.Bytes
		case r.Kind == kindJournal && r.Name >= journalName(newest) && r.Name != journalName(at):
			j.before += r.Bytes
		}
	}
}

// resume opens the newest journal for writing where what was read ends, or begins the one of a backup that is alone.
func (j *Journal) resume(p *replay) (err error) {
	// at is where the newest journal begins.
	at := p.rev
	if n := len(j.folder.journals); n > 0 {
		at = j.folder.journals[n-1]
		j.segment, err = j.fs.Append(journalName(at))
	} else {
		var line firstLine
		if line, err = j.newSegment(at); err == nil {
			j.segment, err = j.use(at)
		}
		p.end, j.folder.journals = line.begin(), []int64{at}
	}
	if err != nil {
		return err
	}
	if t := p.tail; t != nil {
		if err := j.segment.Truncate(t.Offset); err != nil {
			return err
		}
		j.log.Warn("Cut the torn end of the journal", "file", t.Path, "offset", t.Offset, "bytes", t.Bytes, "reason", t.Reason)
	}
	// What was read may be in the memory of the operating system alone, if the process before was killed.
	if err := errors.Join(j.segment.Sync(), j.fs.Sync()); err != nil {
		return err
	}
	// Commits go on behind the last whole record, chained to it.
	j.chain = p.end
	j.appended = place{p.end.at, p.rev}
	j.taken, j.written, j.synced = j.appended, j.appended, j.appended
	j.count(p)
	j.limit = j.least
	return nil
}

// target is a store.Feed.
type target interface {
	Object(store.Write)
	Complete(rev int64)
	Apply(rev int64, writes []store.Write)
}

// feeder is the visitor that fills a store.
type feeder struct {
	into   target
	writes []store.Write
	drafts []store.Draft
	// names has the buckets that were met, so that each has one text.
	names map[string]string
}

// decode returns the writes of changes, which are valid until the next call.
func (f *feeder) decode(of []change) ([]store.Write, error) {
	f.writes = f.writes[:0]
	f.drafts = slices.Grow(f.drafts[:0], len(of))[:len(of)]
	for i := range of {
		name, ok := f.names[string(of[i].bucket)]
		if !ok {
			name = string(of[i].bucket)
			f.names[name] = name
		}
		w, ok := of[i].write(name, &f.drafts[i])
		if !ok {
			return nil, errForm
		}
		f.writes = append(f.writes, w)
	}
	return f.writes, nil
}

// objects is of visitor.
func (f *feeder) objects(of []change) error {
	writes, err := f.decode(of)
	for _, w := range writes {
		f.into.Object(w)
	}
	return err
}

// complete is of visitor.
func (f *feeder) complete(rev int64) { f.into.Complete(rev) }

// commit is of visitor: what was made together becomes visible together.
func (f *feeder) commit(of []change) error {
	writes, err := f.decode(of)
	if len(writes) > 0 {
		f.into.Apply(writes[len(writes)-1].Rev, writes)
	}
	return err
}
