package journal

import (
	"slices"
	"time"
)

// Stats says how a journal is. Times are zero for what has not happened in this process.
type Stats struct {
	// QueuedRecords and QueuedBytes are what was appended and is not written yet.
	QueuedRecords int   `json:"queuedRecords"`
	QueuedBytes   int64 `json:"queuedBytes"`
	// Revision is that of the last commit written, DurableRevision of the last one flushed to the disk.
	Revision        int64 `json:"revision"`
	DurableRevision int64 `json:"durableRevision"`
	// Fsyncs is how many flushes there were; FsyncP50 and FsyncP99 are how long the newest of them took.
	Fsyncs   int64         `json:"fsyncs"`
	FsyncP50 time.Duration `json:"fsyncP50"`
	FsyncP99 time.Duration `json:"fsyncP99"`
	// JournalBytes is how much was written since the newest snapshot, SegmentRevision where the newest file begins.
	JournalBytes    int64 `json:"journalBytes"`
	SegmentRevision int64 `json:"segmentRevision"`
	// The four below are of the newest snapshot: when it was complete, and how long it took.
	SnapshotRevision int64         `json:"snapshotRevision"`
	SnapshotBytes    int64         `json:"snapshotBytes"`
	SnapshotTime     time.Time     `json:"snapshotTime"`
	SnapshotTook     time.Duration `json:"snapshotTook"`
	// Error is why nothing is kept any more, "" while all is well.
	Error string `json:"error,omitempty"`
}

// fsyncsKept is of how many flushes the durations are known.
const fsyncsKept = 512

// durations has the newest fsyncsKept of count durations.
type durations struct {
	ring  [fsyncsKept]time.Duration
	count int64
}

// add notes a duration.
func (d *durations) add(took time.Duration) {
	d.ring[d.count%fsyncsKept] = took
	d.count++
}

// quantiles returns the median and the 99th percentile of those that are kept, zero without any. They are few enough
// to be sorted each time somebody asks, which is seldom.
func (d *durations) quantiles() (p50, p99 time.Duration) {
	known := slices.Clone(d.ring[:min(d.count, fsyncsKept)])
	if len(known) == 0 {
		return 0, 0
	}
	slices.Sort(known)
	return known[len(known)/2], known[len(known)*99/100]
}

// Stats returns how the journal is. It may be called concurrently, and waits for no disk.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	st := j.stats
	st.QueuedRecords, st.QueuedBytes = j.records, int64(len(j.queue))
	st.Revision, st.DurableRevision = j.written.rev, j.synced.rev
	st.JournalBytes = j.before + j.written.at
	st.Fsyncs = j.fsyncs.count
	st.FsyncP50, st.FsyncP99 = j.fsyncs.quantiles()
	if j.err != nil {
		st.Error = j.err.Error()
	}
	return st
}

// Err returns why nothing is kept any more, nil while all is well. It may be called concurrently.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}
