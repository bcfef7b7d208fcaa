package admin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestKeepingText: what is said below the table of the store of each way to keep it.
func TestKeepingText(t *testing.T) {
	rev := int64(7)
	for _, c := range []struct {
		k    Keeping
		want string
	}{
		{Keeping{}, "nothing is kept: the objects are gone with the process\n"},
		{Keeping{Backend: "memory"}, "nothing is kept: the objects are gone with the process\n"},
		{Keeping{Backend: "journal", Where: "/data", DurableRevision: &rev, QueuedWrites: 3, TookNs: &Percentiles{P50: 1e6, P99: 25e5}, Error: "no space left",
			Journal: &Journal{Bytes: 3 << 20, SnapshotRevision: 5, SnapshotBytes: 1024}},
			"kept in journal /data up to revision 7, in 1.00ms (99%: 2.50ms); 3 writes wait\n3MiB since the snapshot of revision 5, which has 1KiB\nerror: no space left\n"},
		{Keeping{Backend: "journal", Where: "/data", ReadOnly: true, Journal: &Journal{}},
			"kept in journal /data, read-only; 0 writes wait\n0B since the snapshot of revision 0, which has 0B\n"},
		{Keeping{Backend: "etcd", Where: "a,b", Etcd: &Etcd{Server: "b", Lag: 4, Skipped: Map[int]{"x": 1, "encrypted": 2}}},
			"kept in etcd a,b; 0 writes wait\nthe watch of b is 4 revisions behind; it was taken up again 0 times, 0 times with all there is\nvalues that are not served: 1 x, 2 encrypted\n"},
	} {
		var b strings.Builder
		if c.k.text(&b); b.String() != c.want {
			t.Errorf("got %q\nwant %q", b.String(), c.want)
		}
	}
}

// TestBackup: it is what the program writes, with a name to keep it by; one that fails on the way breaks the
// connection off, and a parameter is refused.
func TestBackup(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	w := ask(t, h, "/admin/v1/backup")
	if w.Code != 200 || w.Body.String() != "the backup" || w.Header().Get("Content-Disposition") != `attachment; filename="apichain-20261123T052307Z.backup"` {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	checkHeader(t, w.Header(), formBinary)
	if w = ask(t, h, "HEAD /admin/v1/backup"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
	if w = ask(t, h, "/admin/v1/backup?x=1"); w.Code != 400 {
		t.Errorf("with a parameter: %d", w.Code)
	}
	src.metrics = errors.New("no space left")
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("a failure on the way: %v", v)
		}
	}()
	ask(t, h, "/admin/v1/backup")
	t.Error("a failure on the way is an answer")
}
