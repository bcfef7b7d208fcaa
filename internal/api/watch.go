package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
)

// A watch streams events, each a line of JSON, from a revision on. It is the goroutine of its
// request with a cursor in the log of events: it takes what has come, writes it, and waits for
// more. It holds nobody up, and has no queue that could grow; one that is too slow finds that
// the log has gone on without it.
//
//	Initial ──────────────► Live ──────────────────────► Ending ──► ended
//	objects that are there  events and bookmarks         the events that are
//	(only where wanted)                                  in the log already
//
// It ends in one of these ways, which clients see differently:
//
//	the time is over, or the definition changed   Ending; then the stream ends in order
//	its revision is expired, or of no write       at once; an ERROR event with 410
//	the log has dropped what was not sent yet     Ending; an ERROR event with 410
//	the request has ended (a stop, a fault)       at once, in order
//	the client has gone, or the tap says so       at once; nothing more is written
//
// A bookmark says how far a watch has come, so that a client of a quiet resource can go on
// later from a revision that the log still has. One is due every Config.Bookmarks, and shortly
// before the time is over. It is sent only when the log has nothing more, since it must never
// say more than what has been sent; so each is behind all events up to its revision.
//
// What the lines look like, and who encodes them, is in watch_form.go.

// Watch is one watch under way, as others may see it. Who serves it moves the counts; any
// goroutine may load them.
type Watch struct {
	// Resource and Namespace say what is watched; Namespace is "" for all.
	Resource, Namespace string
	// Selector is the selectors as a query has them, "" for none.
	Selector string
	// Start is the revision after which it sends events.
	Start int64
	// Lag returns the number of events in the log that the watch has not taken yet, and Current the
	// newest revision of its resource. Both may be called from any goroutine.
	Lag, Current func() int64

	// Sent is the revision up to which events are sent, or seen and not selected.
	Sent atomic.Int64
	// Bytes and Events count what was written; a bookmark is an event.
	Bytes     atomic.Int64
	Events    atomic.Int64
	Bookmarks atomic.Int64
	// LastSend is in Unix nanoseconds, 0 for never.
	LastSend atomic.Int64
	// State is WatchInitial, WatchLive or WatchEnding.
	State atomic.Int32

	// Tap is what may end the watch before its client does; nil means nothing. It may be put
	// there at any time, and is asked from the next object on.
	Tap atomic.Pointer[Tap]

	watcher *watcher
}

// The states of a watch, in the order in which it has them. It may end in any.
const (
	// WatchInitial is the state of a watch that sends the objects that it begins with.
	WatchInitial int32 = iota
	WatchLive
	// WatchEnding says that what it sends now is the last.
	WatchEnding
)

// Expire sends the event of a watch whose revision is no longer in the log. It may be called
// from Tap.Ended only, in the watch's own goroutine.
func (w *Watch) Expire(rev int64) { w.watcher.fail(&store.Expired{Asked: rev, Oldest: rev + 1}) }

// Observer is told of each watch when it begins, before anything of it but the header is sent,
// and when it ends. Both are called in the goroutine of the watch's request, whose context is
// ctx.
type Observer interface {
	WatchBegins(ctx context.Context, w *Watch)
	WatchEnds(w *Watch)
}

// Tap may end a watch before its client does, as fault injection wants it. All methods are called
// in the watch's own goroutine.
type Tap interface {
	// Due is asked before each object: true ends the watch without it.
	Due() bool
	// Sent is told after each object.
	Sent()
	// Ended is told once, when the watch has ended and the observer knows.
	Ended()
}

// watcher serves one watch.
type watcher struct {
	*Call
	listOptions

	// record is what others see of the watch.
	record Watch

	// cursor is where the watch is in the log.
	cursor *store.Cursor
	// end is when its time is over.
	end time.Time
	// timer fires when a bookmark is due, and at the end.
	timer *time.Timer

	// line is a buffer for what is not sent as it is stored.
	line []byte
	// formName names the form of the events to those who want the same one.
	formName string

	// columnsSent says that an event has defined the columns of the table.
	columnsSent bool
	// closed says that nothing more can be sent: a write has failed, or the tap ended the watch.
	closed bool
}

// watch serves a watch until it ends. Its errors are those of a request that cannot be a
// watch; what goes wrong later is in the stream, as the header is out by then.
func (q *Call) watch() error {
	w := &watcher{Call: q}
	if err := q.readListOptions(&w.listOptions, true); err != nil {
		return err
	}
	// Events are single objects, also to who asks for a list of them.
	if q.form.kind == formPartialList {
		q.form.kind = formPartial
	}
	if err := w.selectName(); err != nil {
		return err
	}
	initial, start, err := w.begin()
	if err == nil {
		w.cursor, err = q.Bucket.Watch(start)
	}
	contentType := q.form.contentType()
	if q.form.protobuf {
		contentType += ";stream=watch"
	}
	q.w.Header()["Content-Type"] = []string{contentType}
	q.w.WriteHeader(http.StatusOK)
	// HEAD gets the header, and there is nothing to wait for.
	if q.req.Method == http.MethodHead {
		return nil
	}
	if err != nil {
		w.fail(err)
		return nil
	}
	w.formName = q.form.name()
	r := &w.record
	r.Resource, r.Namespace, r.Selector, r.Start = q.Bucket.Name, q.namespace, w.selectorText(), start
	r.Lag, r.Current, r.watcher = w.cursor.Lag, q.Bucket.Head, w
	r.Sent.Store(start)
	w.observe()
	defer w.unobserve()
	w.run(initial)
	return nil
}

// selectName makes a watch at the deprecated path of one object one that selects the object.
// It returns the 400 for a field selector that can never select it.
func (w *watcher) selectName() error {
	if w.name == "" {
		return nil
	}
	if name, given := w.listOptions.fields.Name(); !w.listOptions.fields.Empty() && (!given || name != w.name) {
		return status.BadRequest("fieldSelector metadata.name doesn't match requested name")
	}
	term := selector.Term{Field: "metadata.name", Value: w.name, Equal: true, Index: selector.AtName}
	w.listOptions.fields.Terms = append(w.listOptions.fields.Terms, term)
	return nil
}

// begin returns the state that the watch begins with, nil for none, and the revision after
// which it sends events. A watch begins with the state if it does not say where it begins,
// unless sendInitialEvents says otherwise. The error is a 504 for a state that does not come
// in time, and upstream's 500 where nobody can say what the present state is.
//
// A watch without state whose revision is not there yet is 410 at once, where upstream lets it
// wait: the revision can only be of another process, perhaps one whose clock was ahead, and the
// client would hear nothing while its objects go.
func (w *watcher) begin() (initial *store.Snapshot, start int64, err error) {
	withState := w.Revision <= 0
	if w.sendInitial != nil {
		withState = *w.sendInitial
	}
	switch {
	case w.Revision < 0:
		// Where it does not say where it begins, it begins now.
		if err := w.reachPresent(); err != nil {
			return nil, 0, err
		}
		if !withState {
			return nil, w.api.Store.Revision(), nil
		}
		sn := w.Bucket.Now()
		return &sn, sn.Rev, nil
	case withState:
		if w.Revision > 0 {
			if err := w.await(w.Revision); err != nil {
				return nil, 0, err
			}
		}
		sn := w.Bucket.Now()
		return &sn, sn.Rev, nil
	case w.Revision > 0:
		s := w.api.Store
		// The client may have it from another process over the same objects.
		if s.IsShared() && w.Revision > s.Revision() {
			if err := w.reachPresent(); err != nil {
				return nil, 0, err
			}
		}
		// An event can be seen a moment before the store says its revision: only what is beyond
		// all commits that have begun was never shown to anybody.
		if w.Revision > s.Revision() {
			if now := s.Settled(); w.Revision > now {
				return nil, 0, status.Expired(fmt.Sprintf("Too large resource version: %d, current: %d", w.Revision, now))
			}
		}
		return nil, w.Revision, nil
	}
	return nil, w.api.Store.Revision(), nil
}

// reachPresent is consistent for a watch, which may wait as long as it may last.
func (w *watcher) reachPresent() error {
	ctx, cancel := context.WithTimeout(w.req.Context(), cmp.Or(w.timeout, shortestWatch))
	defer cancel()
	return w.consistentBy(ctx)
}

// observe shows the watch to the observer.
func (w *watcher) observe() {
	if o := w.api.Config.Observer; o != nil {
		o.WatchBegins(w.req.Context(), &w.record)
	}
}

// unobserve takes the watch from the observer, and lets the tap do what is left to do. In this
// order: while the observer has the watch, its request must not end.
func (w *watcher) unobserve() {
	if o := w.api.Config.Observer; o != nil {
		o.WatchEnds(&w.record)
	}
	if tap := w.record.Tap.Load(); tap != nil {
		(*tap).Ended()
	}
}

// selectorText returns the selectors as a query says them.
func (w *watcher) selectorText() string {
	var parts []string
	if !w.labels.Empty() {
		parts = append(parts, "labelSelector="+w.labels.String())
	}
	if !w.listOptions.fields.Empty() {
		parts = append(parts, "fieldSelector="+w.listOptions.fields.String())
	}
	return strings.Join(parts, "&")
}

// shortestWatch is how long a watch lasts at least whose client does not say; at random it is
// up to twice as long, so that clients which came together do not come back together. Both are
// upstream's.
const shortestWatch = 1800 * time.Second

// bookmarkBeforeEnd is how long before a watch's time is over it gets its last bookmark
// (upstream).
const bookmarkBeforeEnd = 2 * time.Second

// run sends what there is and then what comes.
func (w *watcher) run(initial *store.Snapshot) {
	limit := w.timeout
	if limit == 0 {
		limit = shortestWatch + rand.N(shortestWatch)
	}
	w.end = time.Now().Add(limit)
	// The server may have a limit of its own, and ends the request then: the bookmark comes
	// before that.
	if deadline, ok := w.req.Context().Deadline(); ok && deadline.Before(w.end) {
		w.end = deadline
	}
	if initial != nil && !w.sendState(initial) {
		return
	}
	// The header goes out even where nothing follows it yet: the client waits for it.
	_ = w.flush()
	w.record.State.Store(WatchLive)
	w.timer = time.NewTimer(w.untilWake())
	defer w.timer.Stop()
	woken := byEvent
	// One that is so short has no time before its last bookmark.
	if limit <= bookmarkBeforeEnd {
		woken = forBookmark
	}
	w.follow(woken)
}

// sendState sends the objects of a snapshot that are selected, and the bookmark behind them,
// if the client wants any, that says the state is complete. It returns false when the watch
// has ended.
func (w *watcher) sendState(initial *store.Snapshot) bool {
	items := w.selected(&w.listOptions, initial.Scan(w.prefix(), ""))
	if w.webhook != nil {
		all := w.listOptions
		all.limit = 0 // it means nothing to a watch
		// The client waits for the header, and the webhook may take its time.
		_ = w.flush()
		var err error
		if items, err = w.showSelected(&all, initial.Scan(w.prefix(), "")); err != nil {
			w.fail(err)
			return false
		}
	}
	for o := range items {
		w.send(nil, store.Added, o, o.Rev)
		if w.closed {
			return false
		}
	}
	// A request that has ended is told nothing more, least of all that the state is complete:
	// some of it may not have reached the client.
	if w.req.Context().Err() != nil {
		return false
	}
	if w.bookmarks {
		w.sendBookmark(initial.Rev, true)
	}
	return true
}

// wakeup says why a watch goes on after it was idle.
type wakeup int

const (
	// byEvent says that the log may have an event, and forBookmark that a bookmark is due.
	byEvent wakeup = iota
	forBookmark
	// forLast says that the watch is to end after what is in the log by now.
	forLast
	// byEndOfRequest says that it is to end at once.
	byEndOfRequest
)

// follow sends what comes into the log until the watch ends. woken is what there is to do
// first.
func (w *watcher) follow(woken wakeup) {
	var room [64]*store.Event
	for !w.closed {
		// The revision is read before the log: all events up to it are in the log then, and
		// when that has nothing more, they have been sent.
		reached := w.api.Store.Revision()
		events, changed, err := w.cursor.Next(room[:0], len(room))
		switch {
		case err != nil:
			w.record.State.Store(WatchEnding)
			w.fail(err)
			return
		case len(events) > 0:
			// What is to do for woken waits till nothing comes.
			if !w.sendEvents(events) {
				return
			}
			continue
		case woken == forLast:
			return
		}
		w.caughtUp(reached, woken == forBookmark)
		if woken = w.idle(changed); woken == byEndOfRequest {
			return
		}
	}
}

// sendEvents sends events of the log. It returns false when the request has ended or the time
// is over: a watch that always has something to send is never idle, and would not see either.
func (w *watcher) sendEvents(events []*store.Event) bool {
	if w.webhook != nil {
		if !w.convertedEvents(events) {
			return false
		}
	} else {
		for _, e := range events {
			w.event(e)
		}
	}
	w.record.Sent.Store(events[len(events)-1].Rev)
	_ = w.flush()
	return w.req.Context().Err() == nil && w.record.LastSend.Load() < w.end.UnixNano()
}

// caughtUp notes that everything up to a revision was sent, and says so to the client if a
// bookmark is due.
func (w *watcher) caughtUp(reached int64, bookmarkDue bool) {
	// An event is in the log a moment before the store says its revision.
	reached = max(reached, w.record.Sent.Load())
	w.record.Sent.Store(reached)
	if bookmarkDue && w.bookmarks {
		w.sendBookmark(reached, false)
		_ = w.flush()
	}
}

// idle waits until there is something to do, and says what. changed is closed when the log has
// another event.
func (w *watcher) idle(changed <-chan struct{}) wakeup {
	select {
	case <-changed:
		return byEvent
	case <-w.req.Context().Done():
		return byEndOfRequest
	case <-w.retired:
		// What came before is still sent: a definition that is deleted takes its objects along,
		// and the watch shows their ends.
	case now := <-w.timer.C:
		w.timer.Reset(w.untilWake())
		if now.Before(w.end) {
			return forBookmark
		}
	}
	w.record.State.Store(WatchEnding)
	return forLast
}

// untilWake returns the time until the next bookmark or the end.
func (w *watcher) untilWake() time.Duration {
	left := time.Until(w.end)
	if left > bookmarkBeforeEnd {
		left -= bookmarkBeforeEnd
	}
	return min(left, w.api.Config.Bookmarks)
}

// flush hands what is written to the client. A writer that cannot do that sends it when it
// likes.
func (w *watcher) flush() error {
	err := http.NewResponseController(w.w).Flush()
	w.record.LastSend.Store(time.Now().UnixNano())
	w.closed = w.closed || err != nil && !errors.Is(err, http.ErrNotSupported)
	return err
}
