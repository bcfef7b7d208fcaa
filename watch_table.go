package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"apichain/admin"
	"apichain/internal/api"
)

// watchRow is one open watch with the exchange that serves it.
type watchRow struct {
	*api.Watch
	x     *exchange
	stuck atomic.Bool // the progress watch found it in the same write twice

	lastSeq uint32 // the progress watch's
}

// watchStateName is the name of a state of Watch in the admin API.
func watchStateName(state int32) string {
	return [...]string{"initial", "live", "ending"}[state]
}

// watchStuck is the state of a watch whose client takes nothing.
const watchStuck = "stuck"

// watchTable is the open watches: it observes them for the resources. The zero value is ready,
// but for faults.
type watchTable struct {
	faults *faultControl
	mu     sync.Mutex
	rows   map[*api.Watch]*watchRow
}

// WatchBegins puts the watch into the table, where faults find it. Its own fault it has from the
// filter, or from rules that came since.
func (t *watchTable) WatchBegins(ctx context.Context, w *api.Watch) {
	r := &watchRow{Watch: w, x: exchangeFrom(ctx)}
	if f := r.x.fault.Load(); f != nil {
		f.attachTo(r)
	}
	t.mu.Lock()
	if t.rows == nil {
		t.rows = map[*api.Watch]*watchRow{}
	}
	t.rows[w] = r
	t.mu.Unlock()
	t.faults.applyToWatch(r)
}

// WatchEnds takes the watch out of the table. While a row is here its exchange may be told to
// end, and the exchange ends after this.
func (t *watchTable) WatchEnds(w *api.Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, w)
}

// list is every open watch, oldest first. Rows are read under the lock, which holds
// WatchEnds, and with it the end of the exchange, up.
func (t *watchTable) list() []admin.Watch {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]admin.Watch, 0, len(t.rows))
	for _, r := range t.sortedLocked() {
		out = append(out, r.shown())
	}
	return out
}

// each calls f for every open watch, oldest first, which cannot end meanwhile: f must be
// short.
func (t *watchTable) each(f func(*watchRow)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.sortedLocked() {
		f(r)
	}
}

func (t *watchTable) sortedLocked() []*watchRow {
	return slices.SortedFunc(maps.Values(t.rows), func(a, b *watchRow) int { return cmp.Compare(a.x.id, b.x.id) })
}

// look finds the watches whose client has taken nothing since the last look.
func (t *watchTable) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		seq := r.x.writing.seq.Load()
		r.stuck.Store(seq%2 == 1 && seq == r.lastSeq)
		r.lastSeq = seq
	}
}

func (r *watchRow) shown() admin.Watch {
	x := r.x
	a := admin.Watch{
		ID: fmt.Sprint(x.id), AuditID: shownText(x.auditID[0]), Listener: x.chain.listener, Resource: r.Resource, Namespace: shownText(r.Namespace), Selector: shownText(r.Selector),
		AgeSeconds: time.Since(x.received).Seconds(), StartRevision: r.Start, SentRevision: r.Sent.Load(), CurrentRevision: r.Current(), Lag: r.Lag(),
		Bytes: r.Bytes.Load(), Events: r.Events.Load(), Bookmarks: r.Bookmarks.Load(), State: watchStateName(r.State.Load()),
	}
	if r.stuck.Load() {
		a.State = watchStuck
	}
	if u := x.shownUser(); u != nil {
		a.User = shownText(u.Name)
	}
	if at := r.LastSend.Load(); at > 0 {
		a.LastSend = admin.Time(time.Unix(0, at))
	}
	return a
}
