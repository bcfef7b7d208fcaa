package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"time"

	"apichain/internal/store"
)

// A snapshot is written from trees that never change, beside everything else: under a name that nobody reads, flushed,
// renamed, and the folder flushed. So there is all of it or nothing, wherever a crash comes. It is written a little
// at a time: one flush of all of it would hold up the flushes of the journal on the same disk.

const (
	// recordBytes is how much of a snapshot is one record.
	recordBytes = 256 << 10
	// flushBytes is how much of it is flushed at once: little more than what the journal itself may have to flush.
	flushBytes = 512 << 10
	// pauses is how often the disk is left to others for as long as a part of that size has taken.
	pauses = 4
)

// snapshotWriter writes the records of a snapshot.
type snapshotWriter struct {
	w     io.Writer
	chain chain
	// record has room for a header and for the number of its changes, and the changes behind.
	record  []byte
	changes uint32
	objects uint64
	bytes   int64
}

// newSnapshot begins a snapshot in w.
func newSnapshot(w io.Writer, kind string, rev int64) (*snapshotWriter, error) {
	text, line := newFirstLine(kind, rev)
	s := &snapshotWriter{w: w, chain: line.begin(), record: make([]byte, headerBytes+4, recordBytes+recordBytes/4)}
	return s, s.write(text)
}

// write writes to the file and counts.
func (s *snapshotWriter) write(b []byte) error {
	n, err := s.w.Write(b)
	s.bytes += int64(n)
	return err
}

// object adds an object.
func (s *snapshotWriter) object(bucket string, o *store.Object) error {
	kind := o.EventKind()
	s.record = appendChange(s.record, kind, bucket, o)
	return s.added()
}

// added ends the record once it is large enough.
func (s *snapshotWriter) added() error {
	s.changes++
	if len(s.record) < recordBytes {
		return nil
	}
	return s.flush()
}

// flush writes the record, and begins the next one.
func (s *snapshotWriter) flush() error {
	if s.changes == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(s.record[headerBytes:], s.changes)
	s.chain.seal(s.record, 0)
	err := s.write(s.record)
	s.objects += uint64(s.changes)
	s.record, s.changes = s.record[:headerBytes+4], 0
	return err
}

// end writes what is left and the end, without which it is no snapshot.
func (s *snapshotWriter) end() error {
	if err := s.flush(); err != nil {
		return err
	}
	end := binary.AppendUvarint(make([]byte, headerBytes, headerBytes+binary.MaxVarintLen64), s.objects)
	s.chain.seal(end, flagEnd)
	return s.write(end)
}

// objectsOf returns what adds the objects of the holdings to a snapshot.
func objectsOf(all []store.Holding) func(*snapshotWriter) error {
	return func(s *snapshotWriter) error {
		for _, h := range all {
			for o := range h.Now.Scan("", "") {
				if err := s.object(h.Bucket.Name, o); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// nothing adds nothing to a snapshot.
func nothing(*snapshotWriter) error { return nil }

// writeSnapshot writes a whole snapshot to w, whose objects are added by add, and returns its size.
func writeSnapshot(w io.Writer, kind string, rev int64, add func(*snapshotWriter) error) (bytes int64, err error) {
	s, err := newSnapshot(w, kind, rev)
	if err == nil {
		err = add(s)
	}
	if err == nil {
		err = s.end()
	}
	return s.bytes, err
}

// Backup writes the newest state of s to w, and returns its revision. A folder that has nothing but that in a file, of
// any name, is one that Open takes. It may be called while s is used, whatever its backend is.
func Backup(s *store.Store, w io.Writer) (rev int64, err error) {
	rev, all := s.Snapshots()
	_, err = writeSnapshot(w, kindBackup, rev, objectsOf(all))
	return rev, err
}

// snapshot puts a snapshot into the folder; ctx ends it early. After an error there is none, unless only the last flush of
// the folder has failed.
func (f *folder) snapshot(ctx context.Context, kind string, rev int64, add func(*snapshotWriter) error) (bytes int64, err error) {
	err = writeWhole(f.fs, snapshotName(rev), func(file File) (err error) {
		bytes, err = writeSnapshot(&paced{ctx: ctx, f: file, began: time.Now()}, kind, rev, add)
		return err
	})
	if err == nil {
		f.snapshots = append(f.snapshots, rev)
	}
	return bytes, err
}

// writeWhole puts a file into a folder that is on the disk when it gets its name.
func writeWhole(fs FS, name string, write func(File) error) error {
	f, err := fs.Create(name + unfinished)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// The room on the disk may be what is missing.
		return errors.Join(err, fs.Remove(name+unfinished))
	}
	// Only now is there anything for readers, and all of it.
	if err := fs.Rename(name+unfinished, name); err != nil {
		return err
	}
	return fs.Sync()
}

// paced is a file that is written in the background: it is flushed little by little, and after each part the disk and the
// processor are left to others for several times as long as it has taken.
type paced struct {
	ctx context.Context
	f   File
	// dirty is how much was written since the last flush, which was at began.
	dirty int
	began time.Time
}

// Write returns the error of the context once that is done.
func (p *paced) Write(b []byte) (int, error) {
	// The server ends: it does not wait for a snapshot, which the next one can make.
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.f.Write(b)
	// Requests that wait for a processor come first.
	runtime.Gosched()
	if p.dirty += n; err != nil || p.dirty < flushBytes {
		return n, err
	}
	if err := p.f.Sync(); err != nil {
		return n, err
	}
	pause := time.NewTimer(pauses * time.Since(p.began))
	defer pause.Stop()
	select {
	case <-p.ctx.Done():
	case <-pause.C:
	}
	p.dirty, p.began = 0, time.Now()
	return n, nil
}
