package journal

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"apichain/internal/store"
)

// The journal is bounded by snapshots: when it is larger than the objects there are, so that writing them costs no more
// than what was written already. A snapshot at revision r goes through these steps, and a crash after any of them
// leaves a folder that has everything:
//
//	a journal is made beside, and flushed             r is not known yet
//	nobody commits:  everything up to r is flushed,   the old journal is complete
//	                 the new one gets its name, r.journal
//	commits go on in it                               the first flush of it flushes the name, too
//	the snapshot is written beside, flushed, renamed  reading begins with the one before, until the window has left that
//	what is before it goes, snapshots first           once no watch can begin there

// pruneInterval is how often it is looked for generations that no watch reaches any more.
const pruneInterval = 10 * time.Second

// Run writes snapshots of s, whose backend the journal is, and removes what they make needless, until ctx ends or the
// journal has failed; a snapshot that was begun is given up then. It must have returned before the store is closed. A snapshot that
// fails is told to the log and tried again when the journal has grown some more: the journal has everything.
func (j *Journal) Run(ctx context.Context, s *store.Store) {
	tick := time.NewTicker(pruneInterval)
	defer tick.Stop()
	for {
		if j.due(s) {
			j.checkpoint(ctx, s)
		}
		// After a failure nothing is removed any more, until a restart has proved what is there.
		if j.Err() != nil {
			return
		}
		if err := j.prune(s); err != nil {
			j.log.Warn("Old files of the journal stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-j.grown:
		case <-tick.C:
		}
	}
}

// due reports whether it is time for a snapshot, and else sets the size of the journal at which to ask again.
func (j *Journal) due(s *store.Store) bool {
	var live int64
	for _, b := range s.Buckets() {
		now := b.Now()
		live += now.Bytes()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.limit = max(j.limit, j.least, live)
	return j.err == nil && j.before+j.written.at > j.limit && j.written.rev > j.stats.SnapshotRevision
}

// checkpoint makes a snapshot, and tells the log.
func (j *Journal) checkpoint(ctx context.Context, s *store.Store) {
	began := time.Now()
	rev, bytes, err := j.snapshot(ctx, s)
	if err != nil {
		// Not at once again: what is wrong with the disk may last.
		j.mu.Lock()
		j.limit = j.before + j.written.at + j.least
		j.mu.Unlock()
		if ctx.Err() == nil {
			j.log.Warn("No snapshot was made: the journal grows on", "error", err)
		}
		return
	}
	took := time.Since(began)
	j.mu.Lock()
	j.before, j.limit = 0, j.least
	j.stats.SnapshotRevision, j.stats.SnapshotBytes, j.stats.SnapshotTime, j.stats.SnapshotTook = rev, bytes, time.Now(), took
	j.mu.Unlock()
	j.log.Info("Wrote a snapshot", slog.Int64("revision", rev), slog.Int64("bytes", bytes), slog.Duration("took", took))
}

// snapshot begins a new journal and writes a snapshot of what is before it.
func (j *Journal) snapshot(ctx context.Context, s *store.Store) (rev, bytes int64, err error) {
	next, err := j.newSegment(s.Revision())
	if err != nil {
		return 0, 0, err
	}
	// Much may have been written since the last flush, and nobody is to wait for that.
	if err := j.flushBeside(); err != nil {
		return 0, 0, err
	}
	var old File
	rev, all, err := s.Checkpoint(func(rev int64) (err error) {
		old, err = j.rotate(rev, next)
		return err
	})
	if err == nil && old != nil {
		err = old.Close()
	}
	// The new journal must be there when the snapshot is: without it, what is behind the snapshot would be missing.
	if err = cmp.Or(err, j.flushBeside()); err != nil {
		return 0, 0, err
	}
	bytes, err = j.folder.snapshot(ctx, kindSnapshot, rev, objectsOf(all))
	return rev, bytes, err
}

// flushBeside flushes while others commit.
func (j *Journal) flushBeside() error {
	if j.mode == Always {
		j.writing.Lock()
		defer j.writing.Unlock()
	}
	return j.flush()
}

// nextName is the name of a journal that is not in use yet.
const nextName = "next.journal" + unfinished

// newSegment makes an empty journal beside, for what comes after revision rev or a later one.
func (j *Journal) newSegment(rev int64) (firstLine, error) {
	text, line := newFirstLine(kindJournal, rev)
	f, err := j.fs.Create(nextName)
	if err != nil {
		return line, err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	return line, errors.Join(err, f.Close())
}

// use gives the journal that was made beside its name, and opens it for writing.
func (j *Journal) use(rev int64) (File, error) {
	if err := j.fs.Rename(nextName, journalName(rev)); err != nil {
		return nil, err
	}
	return j.fs.Append(journalName(rev))
}

// rotate goes on in the journal that was made beside, which begins with line, and returns the one before, to be
// closed. Everything up to rev is flushed then. It is called while nobody commits. Without a commit since the last
// rotation it does nothing.
func (j *Journal) rotate(rev int64, line firstLine) (old File, err error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if err := j.write(); err != nil {
		return nil, err
	}
	if err := j.flush(); err != nil {
		return nil, err
	}
	j.flushing.Lock()
	defer j.flushing.Unlock()
	if newest := j.folder.journals[len(j.folder.journals)-1]; newest == rev {
		return nil, nil
	}
	// Everything up to rev is on the disk: from here on what is not in the old journal is in the new one.
	next, err := j.use(rev)
	if err != nil {
		// The name may be there, or come back after a crash: nothing may be written to the old one any more.
		return nil, j.fail(err)
	}
	old, j.segment, j.unnamed = j.segment, next, true
	j.folder.journals = append(j.folder.journals, rev)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before += j.written.at
	j.chain = line.begin()
	j.appended = place{j.chain.at, rev}
	j.taken, j.written, j.synced = j.appended, j.appended, j.appended
	j.stats.SegmentRevision = rev
	return old, nil
}

// prune removes the generations that no watch of s can begin in: all before the newest snapshot that is not newer than
// the oldest revision of the window.
func (j *Journal) prune(s *store.Store) error {
	// What a snapshot that has failed in the end has left counts, too.
	f, err := list(j.fs, j.dir)
	if err != nil {
		return err
	}
	_, _, oldest := s.Window()
	n, _ := slices.BinarySearch(f.snapshots, oldest+1)
	if n == 0 || len(f.journals) == 0 || f.snapshots[n-1] <= min(f.snapshots[0], f.journals[0]) {
		return nil
	}
	keep := f.snapshots[n-1]
	// What stays must be on the disk before what goes has gone; and a snapshot must not be there without its journal,
	// since reading would begin with it.
	for _, old := range []struct {
		revs []int64
		name func(int64) string
	}{{f.snapshots, snapshotName}, {f.journals, journalName}} {
		if err := f.fs.Sync(); err != nil {
			return err
		}
		for _, rev := range old.revs {
			if rev < keep {
				if err := f.fs.Remove(old.name(rev)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
