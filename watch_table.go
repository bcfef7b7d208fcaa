package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"apichain/admin"
	"apichain/internal/store"
)

// watchRow is one open watch as the admin API shows it. What serves the watch sets the
// plain fields before it adds the row, and moves the atomic ones as it goes.
type watchRow struct {
	x                   *exchange
	bucket              *store.Bucket
	namespace, selector string       // selector as query text: selector.Labels=…&selector.Fields=…
	startRevision       int64        // it sends the events after this one
	lag                 func() int64 // events not taken yet; called from any goroutine

	sent      atomic.Int64 // revision up to which events are sent, or seen and not selected
	bytes     atomic.Int64
	events    atomic.Int64
	bookmarks atomic.Int64
	lastSend  atomic.Int64 // Unix nanoseconds, 0 for never
	state     atomic.Int32 // a watchState
	stuck     atomic.Bool  // the progress watch found it in the same write twice

	lastSeq uint32 // the progress watch's
}

// The states of a watch.
const (
	watchInitial int32 = iota // sends the objects it begins with
	watchLive
	watchStuck  // its client takes nothing
	watchEnding // what it sends now is the last
)

func watchStateName(state int32) string {
	return [...]string{"initial", "live", "stuck", "ending"}[state]
}

// watchTable is the open watches. The zero value is ready.
type watchTable struct {
	mu   sync.Mutex
	rows map[*watchRow]struct{}
}

func (t *watchTable) add(r *watchRow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[*watchRow]struct{}{}
	}
	t.rows[r] = struct{}{}
}

// remove must be called before the row's exchange ends: while a row is here its exchange
// may be told to end.
func (t *watchTable) remove(r *watchRow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rows, r)
}

// list is every open watch, oldest first. Rows are read under the lock, which holds
// remove, and with it the end of the exchange, up.
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
	return slices.SortedFunc(maps.Keys(t.rows), func(a, b *watchRow) int { return cmp.Compare(a.x.id, b.x.id) })
}

// look finds the watches whose client has taken nothing since the last look.
func (t *watchTable) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.rows {
		seq := r.x.writing.seq.Load()
		r.stuck.Store(seq%2 == 1 && seq == r.lastSeq)
		r.lastSeq = seq
	}
}

func (r *watchRow) shown() admin.Watch {
	x := r.x
	a := admin.Watch{
		ID: fmt.Sprint(x.id), AuditID: shownText(x.auditID[0]), Listener: x.chain.listener, Resource: r.bucket.Name, Namespace: shownText(r.namespace), Selector: shownText(r.selector),
		AgeSeconds: time.Since(x.received).Seconds(), StartRevision: r.startRevision, SentRevision: r.sent.Load(), CurrentRevision: r.bucket.Head(), Lag: r.lag(),
		Bytes: r.bytes.Load(), Events: r.events.Load(), Bookmarks: r.bookmarks.Load(), State: watchStateName(r.state.Load()),
	}
	if r.stuck.Load() {
		a.State = watchStateName(watchStuck)
	}
	if u := x.shownUser(); u != nil {
		a.User = shownText(u.Name)
	}
	if at := r.lastSend.Load(); at > 0 {
		a.LastSend = admin.Time(time.Unix(0, at))
	}
	return a
}
