package main

import (
	"io"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"apichain/admin"
	"apichain/internal/etcd"
	"apichain/internal/journal"
	"apichain/internal/metrics"
)

// What the metrics and the admin endpoint show of what keeps the objects. The numbers are those that the rooms
// count themselves (Stats), but for the requests to etcd by resource, which are upstream's families.

// Backup writes the whole store of one moment as a folder has it.
func (s source) Backup(w io.Writer) error {
	_, err := journal.Backup(s.p.store, w)
	return err
}

// fsyncBounds are the buckets of the time that a flush to the disk takes, in microseconds: from a disk with a cache that
// keeps to one that is busy.
var fsyncBounds = []int64{50, 100, 250, 500, 1e3, 25e2, 5e3, 1e4, 25e3, 5e4, 1e5, 25e4, 5e5, 1e6, 5e6}

// flushed returns what is told of each flush of the folder.
func (k *kept) flushed() func(time.Duration) {
	k.fsyncs = metrics.NewHistogram(fsyncBounds, inSeconds)
	return func(took time.Duration) { k.fsyncs.Observe(took.Microseconds()) }
}

// keeping returns what keeps the objects, as the page of the store shows it.
func (p *program) keeping() admin.Keeping {
	k := admin.Keeping{Backend: p.kept.kind, Where: p.kept.where, ReadOnly: p.opt.storage.readOnly}
	if p.kept.journal != nil {
		showJournal(&k, p.kept.journal.Stats())
	}
	if p.kept.etcd != nil {
		showEtcd(&k, p.kept.etcd.Stats(), p.store.Revision())
	}
	return k
}

// showJournal puts what is known of a folder into a page.
func showJournal(k *admin.Keeping, s journal.Stats) {
	k.DurableRevision, k.QueuedWrites, k.QueuedBytes, k.Error = &s.DurableRevision, s.QueuedRecords, s.QueuedBytes, s.Error
	if s.Fsyncs > 0 {
		k.TookNs = &admin.Percentiles{P50: int64(s.FsyncP50), P99: int64(s.FsyncP99)}
	}
	k.Journal = &admin.Journal{
		Bytes: s.JournalBytes, SegmentRevision: s.SegmentRevision, Fsyncs: s.Fsyncs,
		SnapshotRevision: s.SnapshotRevision, SnapshotBytes: s.SnapshotBytes, SnapshotAt: admin.Time(s.SnapshotTime),
	}
	if !s.SnapshotTime.IsZero() {
		k.Journal.SnapshotMs = ms(s.SnapshotTook)
	}
}

// showEtcd puts what is known of etcd into a page. What this store shows at revision shown is kept.
func showEtcd(k *admin.Keeping, s etcd.Stats, shown int64) {
	k.DurableRevision = &shown
	k.Etcd = &admin.Etcd{
		Server: s.Server, Lag: max(s.Wanted-s.Applied, 0), HeardAt: admin.Time(s.Heard), Restarts: s.Restarts, Reloads: s.Reloads,
		Skipped: s.Skipped, Leases: s.Leases,
	}
	var wrong []string
	for _, m := range s.Members {
		k.Etcd.Members = append(k.Etcd.Members, admin.Member{
			URL: m.URL, Version: m.Version, Bytes: m.Size, Leader: m.Leader, Error: m.Err,
		})
		if m.Err != "" {
			wrong = append(wrong, m.URL+": "+m.Err)
		}
	}
	k.Error = strings.Join(wrong, "; ")
	for _, o := range s.Operations {
		took := &admin.Percentiles{P50: int64(o.P50), P99: int64(o.P99)}
		k.Etcd.Operations = append(k.Etcd.Operations, admin.Operation{Name: o.Name, Count: o.Count, TookNs: took})
		// Of all writes updates are the most.
		if o.Name == "update" || o.Name == "create" && k.TookNs == nil {
			k.TookNs = took
		}
	}
}

// etcdRequests counts the requests to etcd by operation and resource, as upstream does. The zero value is
// ready, and its methods may be called concurrently. Both labels are of few values: the operations that the room
// has, and the resources that are served.
type etcdRequests struct {
	mu sync.Mutex
	by map[etcdKey]*etcdSeries
}

// etcdKey is what a series is of: an operation, by upstream's name, and a bucket, which may be "".
type etcdKey struct{ operation, bucket string }

// etcdSeries is what is counted of them.
type etcdSeries struct {
	took        *metrics.Histogram
	all, failed metrics.Counter
}

// etcdBounds are upstream's buckets of the time that a request to etcd takes, in microseconds.
var etcdBounds = []int64{5e3, 25e3, 5e4, 1e5, 2e5, 4e5, 6e5, 8e5, 1e6, 125e4, 15e5, 2e6, 3e6, 4e6, 5e6, 6e6, 8e6, 1e7, 15e6, 2e7, 3e7, 45e6, 6e7}

// inSeconds converts microseconds.
func inSeconds(v int64) float64 { return float64(v) / 1e6 }

// observe counts one request.
func (r *etcdRequests) observe(operation, bucket string, took time.Duration, err error) {
	key := etcdKey{operation, bucket}
	r.mu.Lock()
	s := r.by[key]
	if s == nil {
		if r.by == nil {
			r.by = map[etcdKey]*etcdSeries{}
		}
		s = &etcdSeries{took: metrics.NewHistogram(etcdBounds, inSeconds)}
		r.by[key] = s
	}
	r.mu.Unlock()
	s.took.Observe(took.Microseconds())
	s.all.Inc()
	if err != nil {
		s.failed.Inc()
	}
}

// writeMetrics writes the three families that upstream has of them.
func (r *etcdRequests) writeMetrics(e *metrics.Writer) {
	r.mu.Lock()
	by := maps.Clone(r.by)
	r.mu.Unlock()
	var keys []etcdKey
	for k := range by {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := &keys[i], &keys[j]
		return a.operation < b.operation || a.operation == b.operation && a.bucket < b.bucket
	})
	labels := func(k etcdKey) []string {
		resource, group, _ := strings.Cut(k.bucket, ".")
		return []string{"group", group, "operation", k.operation, "resource", resource}
	}
	e.Family("etcd_request_duration_seconds", "histogram", "Time of requests to etcd, by operation and resource.")
	for _, k := range keys {
		e.Histogram(by[k].took, labels(k)...)
	}
	e.Family("etcd_requests_total", "counter", "Requests to etcd, by operation and resource.")
	for _, k := range keys {
		e.Number(by[k].all.Value(), labels(k)...)
	}
	e.Family("etcd_request_errors_total", "counter", "Requests to etcd that failed, by operation and resource.")
	for _, k := range keys {
		if n := by[k].failed.Value(); n > 0 {
			e.Number(n, labels(k)...)
		}
	}
}

// writeKept writes what is known of what keeps the objects; nothing of memory.
func (p *program) writeKept(e *metrics.Writer) {
	if j := p.kept.journal; j != nil {
		writeJournal(e, j.Stats(), p.kept.fsyncs)
	}
	if b := p.kept.etcd; b != nil {
		p.kept.asked.writeMetrics(e)
		writeEtcd(e, b.Stats())
	}
}

// writeJournal writes the families of a folder, which upstream has no names for.
func writeJournal(e *metrics.Writer, s journal.Stats, fsyncs *metrics.Histogram) {
	e.Single("apichain_journal_revision", "gauge", "Revision of the last commit that was written.", float64(s.Revision))
	e.Single("apichain_journal_durable_revision", "gauge", "Revision up to which everything is on the disk.", float64(s.DurableRevision))
	e.Single("apichain_journal_queued_records", "gauge", "Commits that wait to be written.", float64(s.QueuedRecords))
	e.Single("apichain_journal_queued_bytes", "gauge", "Bytes of those commits.", float64(s.QueuedBytes))
	e.Single("apichain_journal_bytes", "gauge", "Bytes written since the newest snapshot.", float64(s.JournalBytes))
	e.Family("apichain_journal_fsync_duration_seconds", "histogram", "Time of flushes to the disk.")
	e.Histogram(fsyncs)
	e.Single("apichain_journal_snapshot_revision", "gauge", "Revision of the newest snapshot.", float64(s.SnapshotRevision))
	e.Single("apichain_journal_snapshot_bytes", "gauge", "Size of the newest snapshot.", float64(s.SnapshotBytes))
	failed := 0.0
	if s.Error != "" {
		failed = 1
	}
	e.Single("apichain_journal_failed", "gauge", "Whether nothing is kept any more, 1 or 0.", failed)
}

// writeEtcd writes upstream's family of the database of etcd, and ours of its watch.
func writeEtcd(e *metrics.Writer, s etcd.Stats) {
	e.Family("apiserver_storage_size_bytes", "gauge", "Size of the database file of a member of etcd.")
	for i, m := range s.Members {
		if m.Version != "" {
			e.Number(float64(m.Size), "storage_cluster_id", "etcd-"+strconv.Itoa(i))
		}
	}
	e.Single("apichain_etcd_lag_revisions", "gauge", "Revisions that are known to exist and that the watch has not brought yet.",
		float64(max(s.Wanted-s.Applied, 0)))
	e.Single("apichain_etcd_watch_restarts_total", "counter", "How often the watch was taken up again.", float64(s.Restarts))
	e.Single("apichain_etcd_reloads_total", "counter", "How often all was read anew.", float64(s.Reloads))
	e.Family("apichain_etcd_skipped_values", "gauge", "Values in etcd that are not served, by reason.")
	for _, reason := range slices.Sorted(maps.Keys(s.Skipped)) {
		e.Number(float64(s.Skipped[reason]), "reason", reason)
	}
}
