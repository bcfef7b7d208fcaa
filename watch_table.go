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

// The open watches, as the program knows them. internal/api serves a watch and knows no exchange;
// what it tells the table when one begins and ends (api.Observer) joins the two, for the admin page
// of watches, for fault injection, which must find watches that have begun before its rules, and
// for the progress check.

// watchRow is one open watch with the exchange that serves it.
type watchRow struct {
	*api.Watch
	x *exchange
	// stuck is set when the progress check has found it in the same write twice; lastSeq is the
	// number of that write, or of the last one, and the check's own.
	stuck   atomic.Bool
	lastSeq uint32
}

// watchStateName returns the name of a state of Watch in the admin API.
func watchStateName(state int32) string {
	return [...]string{"initial", "live", "ending"}[state]
}

// watchStuck is the state of a watch whose client takes nothing.
const watchStuck = "stuck"

// watchTable is the api.Observer of the program. The zero value is ready, but for faults.
type watchTable struct {
	faults *faultControl

	mu   sync.Mutex
	rows map[*api.Watch]*watchRow // open ones; nil before the first
}

var _ api.Observer = (*watchTable)(nil)

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
	// Rules that were set since the filter ran did not find it in the table: they are asked now.
	t.faults.applyToWatch(r)
}

// WatchEnds takes the watch out of the table. While a row is here its exchange may be told to
// end, and the exchange ends after this.
func (t *watchTable) WatchEnds(w *api.Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, w)
}

// list returns every open watch, oldest first. Rows are read under the lock, which holds
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

// sortedLocked returns the rows in the order of their requests.
func (t *watchTable) sortedLocked() []*watchRow {
	return slices.SortedFunc(maps.Values(t.rows), func(a, b *watchRow) int { return cmp.Compare(a.x.id, b.x.id) })
}

// look finds the watches whose client has taken nothing since the last look. The progress check
// calls it at each tick.
func (t *watchTable) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		// Odd while a write is under way; each begins and ends with a number of its own.
		seq := r.x.writing.seq.Load()
		r.stuck.Store(seq%2 == 1 && seq == r.lastSeq)
		r.lastSeq = seq
	}
}

// shown returns the row of the admin page. The caller holds the lock of the table.
func (r *watchRow) shown() admin.Watch {
	x := r.x
	a := admin.Watch{
		ID: fmt.Sprint(x.id), AuditID: shownText(x.auditID[0]), Listener: x.chain.listener,
		Resource: r.Resource, Namespace: shownText(r.Namespace), Selector: shownText(r.Selector),
		State: watchStateName(r.State.Load()), AgeSeconds: time.Since(x.received).Seconds(),
		StartRevision: r.Start, SentRevision: r.Sent.Load(), CurrentRevision: r.Current(), Lag: r.Lag(),
		Bytes: r.Bytes.Load(), Events: r.Events.Load(), Bookmarks: r.Bookmarks.Load(),
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
