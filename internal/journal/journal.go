package journal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"apichain/internal/store"
)

// Sync says when the journal is flushed to the disk: above zero, at this interval.
type Sync time.Duration

const (
	// Always flushes before a commit is shown: what was acknowledged survives a crash of the machine.
	Always Sync = 0
	// Never leaves it to the operating system: what was acknowledged survives a crash of the process alone.
	Never Sync = -1
)

// ParseSync reads "always", "never" or a duration above zero, as a flag has it.
func ParseSync(s string) (Sync, error) { return 0, errors.New("not built yet") }

// Options of a Journal. The zero value is ready.
type Options struct {
	// Sync is when commits are flushed to the disk.
	Sync Sync
	// First is the revision at which an empty folder begins; 0 is 1.
	First int64
	// SegmentBytes is how long the journal grows at least before a snapshot; 0 is 16 MiB.
	SegmentBytes int64
	// Log gets a line for what Load cuts, and for each snapshot; nil discards them.
	Log *slog.Logger
	// FS is the folder; nil is the one on the disk.
	FS FS
}

// Journal is a store.Journal in a folder.
type Journal struct{}

var errTODO = errors.New("not built yet")

// FS is a folder.
type FS interface{}

// Stats says how the journal is.
type Stats struct {
	// QueuedRecords and QueuedBytes are what was appended and is not written yet.
	QueuedRecords int   `json:"queuedRecords"`
	QueuedBytes   int64 `json:"queuedBytes"`
	// Revision is that of the last commit written, DurableRevision of the last one flushed to the disk.
	Revision        int64 `json:"revision"`
	DurableRevision int64 `json:"durableRevision"`
	// FsyncP50 and FsyncP99 are of the newest flushes, Fsyncs is how many there were.
	Fsyncs   int64         `json:"fsyncs"`
	FsyncP50 time.Duration `json:"fsyncP50"`
	FsyncP99 time.Duration `json:"fsyncP99"`
	// JournalBytes is how much was written since the newest snapshot, SegmentRevision where the segment begins.
	JournalBytes    int64 `json:"journalBytes"`
	SegmentRevision int64 `json:"segmentRevision"`
	// The Snapshot fields are of the newest one: its revision, its size, when it was complete and how long it took;
	// the last two are zero for one of an earlier process.
	SnapshotRevision int64         `json:"snapshotRevision"`
	SnapshotBytes    int64         `json:"snapshotBytes"`
	SnapshotTime     time.Time     `json:"snapshotTime"`
	SnapshotTook     time.Duration `json:"snapshotTook"`
	// Error is why nothing is kept any more, "" while all is well.
	Error string `json:"error,omitempty"`
}

// Open takes the folder dir.
func Open(dir string, o Options) (*Journal, error) { return nil, errTODO }

// Load is of store.Backend.
func (j *Journal) Load(ctx context.Context, into *store.Feed) error { return errTODO }

// Sync is of store.Journal.
func (j *Journal) Sync() (kept int64, err error) { return 0, errTODO }

// Close is of store.Backend.
func (j *Journal) Close() error { return errTODO }

// Run writes snapshots of s until ctx ends.
func (j *Journal) Run(ctx context.Context, s *store.Store) {}

// Stats may be called concurrently.
func (j *Journal) Stats() Stats { return Stats{} }

// Err returns why nothing is kept any more, nil while all is well.
func (j *Journal) Err() error { return nil }

// Backup writes a snapshot of s to w.
func Backup(s *store.Store, w io.Writer) (rev int64, err error) { return 0, errTODO }

// Copy writes what is in the folder dir, which nobody holds, to file as Backup does.
func Copy(dir, file string) (*Report, error) { return nil, errTODO }

// Check reads the folder dir, which nobody holds, and changes nothing.
func Check(dir string) (*Report, error) { return nil, errTODO }

// Repair makes the folder dir, which nobody holds, one that Load takes.
func Repair(dir string) (*Report, error) { return nil, errTODO }

// Dump writes all records of the folder dir as JSON lines.
func Dump(dir string, w io.Writer) error { return errTODO }
