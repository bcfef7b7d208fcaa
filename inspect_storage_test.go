package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/etcd"
	"apichain/internal/journal"
	"apichain/internal/metrics"
)

// metricsPage is what write writes, without the lines of HELP.
func metricsPage(t testing.TB, write func(*metrics.Writer)) string {
	t.Helper()
	var b strings.Builder
	e := metrics.NewWriter(&b)
	write(e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.DeleteFunc(strings.SplitAfter(b.String(), "\n"), func(l string) bool { return strings.HasPrefix(l, "# HELP") }), "")
}

// TestEtcdRequests: requests are counted by operation and resource in upstream's families, with its labels and buckets;
// a failure is counted twice, and there is no series of failures without one.
func TestEtcdRequests(t *testing.T) {
	var r etcdRequests
	r.observe("update", "deployments.apps", 4*time.Millisecond, nil)
	r.observe("update", "deployments.apps", 70*time.Millisecond, errors.New("no"))
	r.observe("create", "configmaps", time.Minute+1, nil)
	r.observe("list", "", -time.Second, nil)
	got := metricsPage(t, r.writeMetrics)
	for _, want := range []string{
		"# TYPE etcd_request_duration_seconds histogram\n" + `etcd_request_duration_seconds_bucket{group="",operation="create",resource="configmaps",le="0.005"} 0` + "\n",
		`etcd_request_duration_seconds_bucket{group="",operation="create",resource="configmaps",le="60"} 1` + "\n",
		`etcd_request_duration_seconds_bucket{group="apps",operation="update",resource="deployments",le="0.005"} 1` + "\n",
		`etcd_request_duration_seconds_bucket{group="apps",operation="update",resource="deployments",le="0.1"} 2` + "\n",
		`etcd_request_duration_seconds_sum{group="apps",operation="update",resource="deployments"} 0.074` + "\n",
		`etcd_request_duration_seconds_count{group="",operation="list",resource=""} 1` + "\n",
		"# TYPE etcd_requests_total counter\n" + `etcd_requests_total{group="",operation="create",resource="configmaps"} 1` + "\n" +
			`etcd_requests_total{group="",operation="list",resource=""} 1` + "\n" + `etcd_requests_total{group="apps",operation="update",resource="deployments"} 2` + "\n",
		"# TYPE etcd_request_errors_total counter\n" + `etcd_request_errors_total{group="apps",operation="update",resource="deployments"} 1` + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "etcd_request_errors_total{"); n != 1 {
		t.Errorf("%d series of failures", n)
	}
	if n := strings.Count(got, `operation="list",resource="",le=`); n != len(etcdBounds)+1 {
		t.Errorf("%d buckets, upstream has 23", n-1)
	}
	var none etcdRequests
	if got := metricsPage(t, none.writeMetrics); strings.Count(got, "\n") != 3 {
		t.Errorf("without a request: %s", got)
	}
}

// TestEtcdMetrics: the sizes of members that have answered, and the state of the watch.
func TestEtcdMetrics(t *testing.T) {
	got := metricsPage(t, func(e *metrics.Writer) {
		writeEtcd(e, etcd.Stats{
			Members: []etcd.Member{{Version: "3.7.3", Size: 4096}, {Err: "refused"}, {Version: "3.7.3", Size: 8192, Err: "was there once"}},
			Applied: 7, Wanted: 9, Restarts: 2, Reloads: 1, Skipped: map[string]int{"not served": 3, "encrypted": 4},
		})
	})
	want := `# TYPE apiserver_storage_size_bytes gauge
apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 4096
apiserver_storage_size_bytes{storage_cluster_id="etcd-2"} 8192
# TYPE apichain_etcd_lag_revisions gauge
apichain_etcd_lag_revisions 2
# TYPE apichain_etcd_watch_restarts_total counter
apichain_etcd_watch_restarts_total 2
# TYPE apichain_etcd_reloads_total counter
apichain_etcd_reloads_total 1
# TYPE apichain_etcd_skipped_values gauge
apichain_etcd_skipped_values{reason="encrypted"} 4
apichain_etcd_skipped_values{reason="not served"} 3
`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestJournalMetrics: the state of a folder, and the times of its flushes.
func TestJournalMetrics(t *testing.T) {
	var k kept
	flushed := k.flushed()
	flushed(300 * time.Microsecond)
	flushed(2 * time.Second)
	got := metricsPage(t, func(e *metrics.Writer) {
		writeJournal(e, journal.Stats{Revision: 9, DurableRevision: 8, QueuedRecords: 2, QueuedBytes: 30, JournalBytes: 400, SnapshotRevision: 5, SnapshotBytes: 60, Error: "full"}, k.fsyncs)
	})
	for _, want := range []string{
		"apichain_journal_revision 9", "apichain_journal_durable_revision 8", "apichain_journal_queued_records 2", "apichain_journal_queued_bytes 30",
		"apichain_journal_bytes 400", "apichain_journal_snapshot_revision 5", "apichain_journal_snapshot_bytes 60", "apichain_journal_failed 1",
		`apichain_journal_fsync_duration_seconds_bucket{le="0.00025"} 0`, `apichain_journal_fsync_duration_seconds_bucket{le="0.0005"} 1`,
		`apichain_journal_fsync_duration_seconds_bucket{le="5"} 2`, "apichain_journal_fsync_duration_seconds_count 2",
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if got := metricsPage(t, func(e *metrics.Writer) { writeJournal(e, journal.Stats{}, k.fsyncs) }); !strings.Contains(got, "\napichain_journal_failed 0\n") {
		t.Errorf("one that is well: %s", got)
	}
}

// TestKeepingShown: what the page shows of each backend, and what is null of what has not happened.
func TestKeepingShown(t *testing.T) {
	at := time.Unix(1e9, 0)
	var young admin.Keeping
	showJournal(&young, journal.Stats{})
	if young.TookNs != nil || young.Journal.SnapshotMs != nil || young.Journal.SnapshotAt != admin.Time(time.Time{}) || *young.DurableRevision != 0 {
		t.Errorf("a folder at the start: %+v %+v", young, young.Journal)
	}
	var old admin.Keeping
	showJournal(&old, journal.Stats{
		DurableRevision: 8, QueuedRecords: 2, QueuedBytes: 3, Error: "full", Fsyncs: 4, FsyncP50: 5, FsyncP99: 6,
		JournalBytes: 7, SegmentRevision: 1, SnapshotRevision: 9, SnapshotBytes: 10, SnapshotTime: at, SnapshotTook: 1500 * time.Microsecond,
	})
	want := admin.Journal{Bytes: 7, SegmentRevision: 1, Fsyncs: 4, SnapshotRevision: 9, SnapshotBytes: 10, SnapshotAt: admin.Time(at)}
	if ms := old.Journal.SnapshotMs; ms == nil || *ms != 1.5 {
		t.Errorf("a snapshot took %v", ms)
	}
	old.Journal.SnapshotMs = nil
	if *old.Journal != want || *old.TookNs != (admin.Percentiles{P50: 5, P99: 6}) || *old.DurableRevision != 8 || old.QueuedWrites != 2 || old.QueuedBytes != 3 || old.Error != "full" {
		t.Errorf("a folder later: %+v %+v", old, *old.Journal)
	}

	var k admin.Keeping
	showEtcd(&k, etcd.Stats{
		Server: "b", Members: []etcd.Member{{URL: "a", Err: "refused"}, {URL: "b", Version: "3.7.3", Size: 5, Leader: true}, {URL: "c", Err: "too slow"}},
		Applied: 9, Wanted: 7, Skipped: map[string]int{"encrypted": 1}, Leases: 2,
		Operations: []etcd.Operation{{Name: "create", Count: 1, P50: 1, P99: 2}, {Name: "get", Count: 5, P50: 9, P99: 9}, {Name: "update", Count: 2, P50: 3, P99: 4}},
	}, 6)
	if *k.DurableRevision != 6 || k.Error != "a: refused; c: too slow" || *k.TookNs != (admin.Percentiles{P50: 3, P99: 4}) {
		t.Errorf("etcd: %+v", k)
	}
	if e := k.Etcd; e.Server != "b" || e.Lag != 0 || len(e.Members) != 3 || e.Members[1] != (admin.Member{URL: "b", Version: "3.7.3", Bytes: 5, Leader: true}) ||
		fmt.Sprint(e.Skipped) != "map[encrypted:1]" || e.Leases != 2 || len(e.Operations) != 3 || e.Operations[1].Count != 5 {
		t.Errorf("etcd: %+v", e)
	}
	showEtcd(&k, etcd.Stats{Applied: 3, Wanted: 7, Operations: []etcd.Operation{{Name: "create", P50: 1}}}, 3)
	if k.Etcd.Lag != 4 || k.Error != "" {
		t.Errorf("behind: %+v %+v", k, k.Etcd)
	}
}
