package main

import (
	"sync"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/api"
	"apichain/internal/request"
)

// watchOf is an open watch of a test: its request is at the handler.
func watchOf(p *program, id uint64, resource string) *watchRow {
	x := &exchange{chain: p.chain("https"), id: id, acting: &request.User{Name: "alice"}, received: time.Now().Add(-93 * time.Second)}
	x.auditID[0] = "audit\xff"
	x.at.Store(1000)
	w := &api.Watch{Resource: resource, Namespace: "default", Selector: "labelSelector=app=web", Start: 1002, Lag: func() int64 { return 2 }, Current: p.store.Bucket(resource).Head}
	p.watchTable.WatchBegins(x, w)
	p.watchTable.mu.Lock()
	defer p.watchTable.mu.Unlock()
	return p.watchTable.rows[w]
}

// Rows come oldest first, with what the watch has done so far, and go.
func TestWatchTable(t *testing.T) {
	p := newTestProgram(t)
	second, first := watchOf(p, 392, "configmaps"), watchOf(p, 391, "widgets.example.com")
	first.Sent.Store(1040)
	first.Bytes.Add(18211)
	first.Events.Add(38)
	first.Bookmarks.Add(1)
	sent := time.Date(2026, 11, 23, 5, 23, 5, 100e6, time.UTC)
	first.LastSend.Store(sent.UnixNano())
	first.State.Store(api.WatchLive)
	second.stuck.Store(true)

	rows := source{p}.Watches()
	if len(rows) != 2 || rows[0].ID != "391" || rows[1].ID != "392" {
		t.Fatalf("rows %+v", rows)
	}
	if age := rows[0].AgeSeconds; age < 93 || age > 120 {
		t.Errorf("age %v", age)
	}
	want := admin.Watch{
		ID: "391", AuditID: "audit\uFFFD", User: "alice", Listener: "https", Resource: "widgets.example.com", Namespace: "default", Selector: "labelSelector=app=web", AgeSeconds: rows[0].AgeSeconds,
		StartRevision: 1002, SentRevision: 1040, CurrentRevision: p.store.Bucket("widgets.example.com").Head(), Lag: 2, Bytes: 18211, Events: 38, Bookmarks: 1, LastSend: rows[0].LastSend, State: "live",
	}
	if rows[0] != want || rows[0].LastSend.String() != "2026-11-23T05:23:05.100Z" {
		t.Errorf("row\n got %+v\nwant %+v", rows[0], want)
	}
	if rows[1].State != "stuck" || !rows[1].LastSend.IsZero() {
		t.Errorf("row %+v", rows[1])
	}
	p.watchTable.WatchEnds(first.Watch)
	p.watchTable.WatchEnds(first.Watch)
	if rows := p.watchTable.list(); len(rows) != 1 || rows[0].ID != "392" {
		t.Errorf("after it went: %+v", rows)
	}
}

func TestWatchStates(t *testing.T) {
	for state, want := range map[int32]string{api.WatchInitial: "initial", api.WatchLive: "live", api.WatchEnding: "ending"} {
		if got := watchStateName(state); got != want {
			t.Errorf("%d is %s, want %s", state, got, want)
		}
	}
}

// Watches come, go and move while the table is read.
func TestWatchTableAmongWatches(t *testing.T) {
	p := newTestProgram(t)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				w := watchOf(p, uint64(n*1000+i), "configmaps")
				w.Sent.Add(1)
				w.State.Store(api.WatchEnding)
				p.watchTable.WatchEnds(w.Watch)
			}
		})
	}
	all.Go(func() {
		for range 200 {
			p.watchTable.list()
		}
	})
	all.Wait()
	if rows := p.watchTable.list(); len(rows) != 0 {
		t.Errorf("left: %+v", rows)
	}
}
