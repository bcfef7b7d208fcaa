package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"apichain/internal/store"
)

// The segment is the newest journal, which commits are written to. A commit is encoded when it is appended, into a queue;
// Sync writes the whole queue at once and flushes it: however many commits wait, it is one write and one flush. So the
// file has the commits in their order, and four places in it say how far they have come:
//
//	synced ≤ written ≤ taken ≤ appended
//
//	appended   its bytes are in the queue, or further
//	taken      they were handed to the disk
//	written    the operating system has them: a crash of the process leaves them there
//	synced     the disk has them
//
// Nothing is done twice: after the first error of the disk the journal refuses everything with that error, since
// nobody knows what the disk has of what was written. It cuts the file where what was acknowledged ends, so that
// commits which were refused do not come back by a restart; where that fails as well, they may.
//
// Locks: writing, then flushing, then mu, all of them after that of the store. In the mode Always a flush holds the first
// two, so that nothing is written while it is not known whether what is before is on the disk. In the other modes a
// flush leaves writers alone.

// Append queues a commit for the next Sync. It copies what it needs. The error is that of an earlier Sync, or says that
// this commit cannot be kept.
func (j *Journal) Append(commit []store.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if j.readOnly {
		return errReadOnly
	}
	// Reading relies on it, to find what is missing.
	for i, e := range commit {
		if e.Event.Rev != j.appended.rev+1+int64(i) {
			return fmt.Errorf("journal: revision %d cannot come after %d", e.Event.Rev, j.appended.rev+int64(i))
		}
	}
	var flags uint32
	// What is before is on the disk when this is written: Sync writes nothing before the flush before has succeeded.
	if len(j.queue) == 0 && (j.mode == Always || j.synced.at == j.taken.at) {
		flags = flagSynced
	}
	if err := j.queueRecord(flags, commit); err != nil {
		return err
	}
	j.appended.rev += int64(len(commit))
	j.fresh = true
	return nil
}

// queueRecord appends a record to the queue, which for no commit says only that what is before it is synced. The caller
// holds j.mu.
func (j *Journal) queueRecord(flags uint32, commit []store.Entry) error {
	// The body is encoded in place, behind room for its header.
	start := len(j.queue)
	var room [headerBytes]byte
	j.queue = append(j.queue, room[:]...)
	if len(commit) > 0 {
		j.queue = appendBody(j.queue, commit)
	}
	if size := len(j.queue) - start - headerBytes; size > maxBody {
		j.queue = j.queue[:start:start]
		return fmt.Errorf("journal: a commit of %d bytes is larger than a record can be", size)
	}
	j.chain.seal(j.queue[start:], flags)
	j.appended.at = j.chain.at
	j.records++
	return nil
}

// Sync writes what was appended and, if the mode is Always, flushes it. It returns the revision up to which everything
// is kept as the mode says. After an error all further calls return the same one.
func (j *Journal) Sync() (kept int64, err error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if err := j.write(); err != nil {
		return 0, err
	}
	if j.mode == Always {
		if err := j.flush(); err != nil {
			return 0, err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	// Run may be at work, and has been told before then.
	if j.before+j.written.at > j.limit {
		select {
		case j.grown <- struct{}{}:
		default:
		}
	}
	return j.written.rev, nil
}

// spareBytes is how large a queue may be whose room is used again: a big commit's is let go.
const spareBytes = 4 << 20

// write writes the queue to the segment. The caller holds j.writing.
func (j *Journal) write() error {
	j.mu.Lock()
	if j.err != nil || len(j.queue) == 0 {
		defer j.mu.Unlock()
		return j.err
	}
	// Who appends from here on begins a new queue, in the room of the one before.
	queue := j.queue
	j.queue, j.spare, j.records = j.spare[:0], nil, 0
	before := j.written.at
	j.taken = j.appended
	to := j.taken
	j.mu.Unlock()

	_, err := j.segment.Write(queue)
	if err != nil {
		// A part of it may be there, with whole commits, all of which will be refused.
		err = j.fail(err)
		j.cut(before)
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.written = to
	if cap(queue) <= spareBytes {
		j.spare = queue
	}
	return nil
}

// flush flushes what was written, and the name of the segment if it is new. In the mode Always the caller holds j.writing.
func (j *Journal) flush() error {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	to, from, err := j.written, j.synced, j.err
	j.mu.Unlock()
	if err != nil || to == from && !j.unnamed {
		return err
	}
	began := time.Now()
	err = j.segment.Sync()
	took := time.Since(began)
	// What is in a file without a name is lost.
	if err == nil && j.unnamed {
		err = j.fs.Sync()
	}
	if err != nil {
		// In the other modes all that was written was acknowledged.
		if err = j.fail(err); j.mode == Always {
			j.cut(from.at)
		}
		return err
	}
	// What was written meanwhile, in the other modes, is for the next flush.
	j.unnamed = false
	j.observe(took)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.synced = to
	j.fsyncs.add(took)
	return nil
}

// fail makes err the error of everything from now on, unless there is one, and returns that. Clients are told of it, so
// that the file is for the log alone.
func (j *Journal) fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if !errors.Is(err, fs.ErrClosed) {
		j.log.Error("Nothing is kept any more, until a restart has looked at the folder", "error", err)
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	j.err = fmt.Errorf("journal: nothing is kept any more: %w", err)
	j.queue, j.spare, j.records = nil, nil, 0
	return j.err
}

// cut ends the segment where what was acknowledged ends, after a failure. It may fail as well: then a restart cuts what is
// torn, and may find whole commits that were refused. The caller holds j.writing.
func (j *Journal) cut(acknowledged int64) {
	if j.segment.Truncate(acknowledged) == nil {
		_ = j.segment.Sync() // there is nothing left to do about it
	}
}

// flushAtIntervals flushes in the background until Close. An error is that of the next Append or Sync.
func (j *Journal) flushAtIntervals() {
	ctx, stop := context.WithCancel(context.Background())
	j.background.stop = stop
	j.background.done.Go(func() {
		tick := time.NewTicker(time.Duration(j.mode))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = j.flush() // who commits next gets it
			}
		}
	})
}

// Close flushes everything that was appended, says so at the end of the journal, and gives the folder free. Afterwards
// nothing can be appended. The error is that of the disk, also one that Sync has returned.
func (j *Journal) Close() error {
	if j.background.stop != nil {
		j.background.stop()
		j.background.done.Wait()
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	var err error
	// It was never loaded, or is closed already, without a segment.
	if j.segment != nil {
		if err = j.finish(); err == nil {
			_ = j.fail(fs.ErrClosed)
		}
		err = errors.Join(err, j.segment.Close())
		j.segment = nil
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
		j.lock = nil
	}
	return err
}

// finish flushes what was appended, and behind it a record that says so: what is damaged in front of it later was not
// torn. The caller holds j.writing.
func (j *Journal) finish() error {
	// The record must not be written before what it speaks of is on the disk.
	for range 2 {
		if err := j.write(); err != nil {
			return err
		}
		if err := j.flush(); err != nil {
			return err
		}
		j.mu.Lock()
		if j.fresh {
			_ = j.queueRecord(flagSynced, nil) // it has no size that could be refused
		}
		j.fresh = false
		j.mu.Unlock()
	}
	return nil
}
