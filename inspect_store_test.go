package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/store"
)

// change sends a PUT or POST to the admin listener.
func (r *running) change(method, path, body string, header ...string) reply {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url("admin", path), strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range append([]string{"Content-Type: application/json"}, header...) {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
}

// TestStoreOverHTTP: a test keeps the state of a real program, spoils it, and has it back,
// by snapshot and by reset; each change is logged and audited, and nothing that is refused
// is done.
func TestStoreOverHTTP(t *testing.T) {
	dir := t.TempDir()
	policy, audit := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: None\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0", "--audit-policy-file="+policy, "--audit-log-path="+audit)
	r.applied(t, configMap("default", "kept", "1"))
	var store struct {
		Generation, Revision int64
		Resources            []struct {
			Resource       string
			Objects, Bytes int
			Warnings       []string
		}
		Window struct{ Events, Bytes, OldestRevision int64 }
	}
	find := func(resource string) (objects, bytes int) {
		r.look("/admin/v1/store", &store)
		for _, s := range store.Resources {
			if s.Resource == resource && s.Warnings != nil {
				return s.Objects, s.Bytes
			}
		}
		return 0, 0
	}
	before, bytes := find("configmaps")
	if before == 0 || bytes < 100 || store.Revision != r.store.Revision() || store.Window.Events == 0 || store.Window.Bytes == 0 || store.Window.OldestRevision == 0 {
		t.Errorf("store %+v", store)
	}
	want := r.held()
	kept := r.look("/admin/v1/snapshot", nil)
	if kept.status != 200 || kept.header.Get("Content-Type") != "application/json" || kept.header.Get("ETag") == "" || kept.header.Get("Content-Length") != fmt.Sprint(len(kept.body)) {
		t.Errorf("snapshot: %d %v", kept.status, kept.header)
	}

	r.applied(t, configMap("default", "new", "2"))
	r.applied(t, configMap("default", "kept", "spoiled"))
	if now, _ := find("configmaps"); now != before+1 {
		t.Errorf("%d objects, want %d", now, before+1)
	}
	for header, want := range map[string]int{"Accept: application/json": 428, `If-Match: "1"`: 412, "Content-Type: text/plain": 415, "Origin: http://evil.example": 403, "Accept: text/plain": 406} {
		if got := r.change("PUT", "/admin/v1/snapshot", kept.body, header); got.status != want {
			t.Errorf("%s: %d %s, want %d", header, got.status, got.body, want)
		}
	}
	if _, spoiled := r.held()["configmaps default/new"]; !spoiled {
		t.Error("a refused change was done")
	}
	var w struct{ Generation, Revision, Created, Updated, Deleted, Unchanged int64 }
	got := r.change("PUT", "/admin/v1/snapshot", kept.body, "If-Match: "+r.look("/admin/v1/store", nil).header.Get("ETag"))
	if err := json.Unmarshal([]byte(got.body), &w); err != nil || got.status != 200 || w.Deleted != 1 || w.Updated != 1 || w.Created != 0 || w.Generation == 0 || w.Revision < store.Revision {
		t.Errorf("load: %d %s", got.status, got.body)
	}
	apitest.SameContents(t, r.held(), want)

	got = r.change("POST", "/admin/v1/reset", "{}", "User-Agent: curl/8")
	if err := json.Unmarshal([]byte(got.body), &w); err != nil || got.status != 200 || w.Deleted == 0 {
		t.Errorf("reset: %d %s", got.status, got.body)
	}
	if r.stored("configmaps", "default/kept") != nil {
		t.Error("reset kept what came after ready")
	}
	r.stopAndLook()
	log, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	var changes []string
	for line := range strings.Lines(string(log)) {
		var e struct {
			Verb, RequestURI, Level, Stage, AuditID string
			User                                    struct{ Username string }
			ResponseStatus                          struct{ Code int }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.ResponseStatus.Code == 200 {
			changes = append(changes, fmt.Sprint(e.Verb, " ", e.RequestURI, " ", e.Level, " ", e.Stage, " ", e.User.Username))
			if !r.err.has(e.AuditID) {
				t.Errorf("the log has no %s", e.AuditID)
			}
		}
	}
	if got, want := strings.Join(changes, "; "), "put /admin/v1/snapshot Metadata ResponseComplete system:unsecured; post /admin/v1/reset Metadata ResponseComplete system:unsecured"; got != want {
		t.Errorf("audited\n got %s\nwant %s", got, want)
	}
}

// The watch of a client who was there before a load sees it as events.
func TestLoadIsSeenByWatches(t *testing.T) {
	p := readyProgram(t)
	text := p.snapshotText(t)
	p.applied(t, configMap("a", "one", "changed"))
	b := p.store.Bucket("configmaps")
	c, err := b.Watch(p.store.Revision())
	if err != nil {
		t.Fatal(err)
	}
	_, changed, err := c.Next(nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	w, refused := p.restorer.Load(context.Background(), text)
	if refused != nil {
		t.Fatal(refused)
	}
	await(t, "the event", changed)
	events, _, err := c.Next(nil, 10)
	if err != nil || len(events) != 1 || events[0].Kind != store.Modified || events[0].Rev != w.Revision || !strings.Contains(string(events[0].Object.Raw()), `"value":"1"`) {
		t.Errorf("events %v, %v", events, err)
	}
}
