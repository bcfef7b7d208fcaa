// Package journal keeps the commits of a store in a folder on a disk, so that a restart finds them. It is a
// store.Journal: the store orders the commits and shows them when Sync has returned.
//
//	j, err := journal.Open(dir, journal.Options{})   // locks the folder
//	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
//	err = s.Open(ctx, j)                             // loads what there is
//	go j.Run(ctx, s)                                 // snapshots, so that the journal does not grow for ever
//	...
//	err = s.Close()                                  // when Run has returned
//
// What goes in are events, what comes out are writes for a store.Feed; the package knows nothing of kinds. One process
// has a folder at a time. Check, Repair, Dump and Copy are for a folder that nobody has; Backup is for a store that runs.
//
// Append and Sync are called as store.Journal says; Stats and Err may be called at any time. The package is internal to
// this program; the format of the files is kept readable (see format.go).
package journal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"apichain/internal/store"
)

// A journal goes through these states, and never back:
//
//	Open      the folder is locked, and is one that can be read
//	Load      everything is read, and the newest journal open behind the last whole record
//	          commits: Append, Sync, and snapshots by Run beside
//	failed    from the first error of the disk on: everything is refused with it
//	Close     the folder is free
//
// The files are: this one has what a journal is and how it begins; load.go and replay.go read a folder (folder.go), whose
// files are of format.go and change.go, by read.go; segment.go writes commits, snapshot.go and run.go snapshots; check.go
// and repair.go are for folders that nobody has.

// Sync says when the journal is flushed to the disk: above zero, at this interval. Then a crash of the machine, though not
// of the process, loses what was acknowledged within about that time; what is left is whole all the same, and ends with
// some commit. Snapshots are flushed in all modes.
type Sync time.Duration

const (
	// Always flushes before a commit is shown: what was acknowledged survives a crash of the machine.
	Always Sync = 0
	// Never leaves it to the operating system: what was acknowledged survives a crash of the process alone.
	Never Sync = -1
)

// Options of a Journal. The zero value is ready.
type Options struct {
	// Sync is when commits are flushed to the disk.
	Sync Sync
	// First is the revision at which an empty folder begins; 0 is 1.
	First int64
	// SegmentBytes is how many bytes are written at least before a snapshot; 0 is 16 MiB. Above that, it is made when
	// they are more than the objects there are.
	SegmentBytes int64
	// Log gets a line for what Load cuts, for each snapshot, and for one that fails; nil discards them.
	Log *slog.Logger
	// FS is the folder; nil is the one on the disk.
	FS FS
	// Observe is told how long each flush of commits took. It must not wait, and not call the journal; nil: nobody is.
	Observe func(took time.Duration)
}

// Journal is a store.Journal in a folder. Make one with Open.
type Journal struct {
	// What Open was given. least is Options.SegmentBytes, and observe is never nil.
	dir     string
	fs      FS
	log     *slog.Logger
	mode    Sync
	least   int64
	observe func(time.Duration)

	// folder has the names of the files. After Load it belongs to Run.
	folder *folder
	// lock holds the folder, nil once it was given back.
	lock io.Closer
	// grown has one element when the journal may have become large enough for a snapshot.
	grown chan struct{}

	// writing is held by who writes to the segment or puts another in its place.
	writing sync.Mutex
	// flushing is held by who flushes the segment or closes one.
	flushing sync.Mutex
	// segment is the file that is written. It changes under both locks above.
	segment File
	// unnamed says that the name of the segment is not on the disk yet. It is guarded by flushing.
	unnamed bool

	// mu guards the fields below, and is never held for the disk.
	mu sync.Mutex
	// queue has the records that are not taken yet, and spare is room for the next ones.
	queue, spare []byte
	// records is how many are in the queue.
	records int
	// chain is where the next record goes; fresh says that something was appended since Load.
	chain chain
	fresh bool
	// The four say how far the segment has come, see segment.go.
	appended place
	taken    place
	written  place
	synced   place
	// before is how many bytes the journals since the newest snapshot have, but for the segment; limit is how many they
	// may all have until the next snapshot.
	before, limit int64
	fsyncs        durations
	// stats has what changes seldom; the rest is added when it is asked for.
	stats Stats
	// err is why nothing is kept any more. It is set once.
	err error

	// background ends the flushes at intervals, and is done when they have ended.
	background struct {
		stop context.CancelFunc
		done sync.WaitGroup
	}
}

// place is how far the segment has come: behind its byte at, and with the commit of rev.
type place struct{ at, rev int64 }

var _ store.Journal = (*Journal)(nil)

// Open makes the folder dir if it is missing, with access for its owner alone, and takes it for this process until
// Close. A backup that is alone in it becomes its first snapshot; an empty folder gets an empty one. The error names
// the folder or file: it is held by another process, was written by a newer program, or is damaged (a *Damage). What is
// behind the first lines of files is read by Load.
func Open(dir string, o Options) (*Journal, error) {
	folder := o.FS
	if folder == nil {
		var err error
		if folder, err = openFolder(dir, true); err != nil {
			return nil, err
		}
	}
	j := &Journal{dir: dir, fs: folder, log: o.Log, mode: o.Sync, grown: make(chan struct{}, 1)}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.observe = o.Observe; j.observe == nil {
		j.observe = func(time.Duration) {}
	}
	j.least = o.SegmentBytes
	if j.least <= 0 {
		j.least = 16 << 20
	}
	// Before anything is read: who has the folder may be writing to it.
	var err error
	if j.lock, err = folder.Lock(); err != nil {
		return nil, err
	}
	if err := j.prepare(max(o.First, 1)); err != nil {
		return nil, errors.Join(err, j.lock.Close())
	}
	return j, nil
}

// prepare makes the folder one that can be loaded, or says why it cannot be.
func (j *Journal) prepare(first int64) (err error) {
	if j.folder, err = list(j.fs, j.dir); err != nil {
		return err
	}
	if err := j.folder.checkVersions(); err != nil {
		return err
	}
	if err := j.folder.clean(); err != nil {
		return err
	}
	if j.folder.empty() {
		if err := j.folder.adopt(); err != nil {
			return err
		}
	}
	if !j.folder.empty() {
		return nil
	}
	// A new folder begins as a backup of nothing does.
	_, err = j.folder.snapshot(context.Background(), kindBackup, first, nothing)
	return err
}
