package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Watch is one watch under way, as others may see it. Who serves it moves the counts; any
// goroutine may load them.
type Watch struct {
	Resource, Namespace string
	Selector            string // the selectors as a query has them
	Start               int64  // it sends the events after this revision
	// Lag returns the number of events in the log that the watch has not taken yet, and current the
	// newest revision of its resource. Both may be called from any goroutine.
	Lag, Current func() int64

	Sent      atomic.Int64 // revision up to which events are sent, or seen and not selected
	Bytes     atomic.Int64
	Events    atomic.Int64
	Bookmarks atomic.Int64
	LastSend  atomic.Int64 // Unix nanoseconds, 0 for never
	State     atomic.Int32 // WatchInitial, WatchLive or WatchEnding

	// Tap is what may end the watch before its client does; nil: nothing. It may be put there at
	// any time.
	Tap atomic.Pointer[Tap]

	serving *watching
}

// The states of a watch.
const (
	WatchInitial int32 = iota // it sends the objects that it begins with
	WatchLive
	WatchEnding // what it sends now is the last
)

// Expire sends the event of a watch whose revision is no longer in the log. It may be called
// from Tap.Ended only, in the watch's own goroutine.
func (w *Watch) Expire(rev int64) { w.serving.expired(&store.Expired{Asked: rev, Oldest: rev + 1}) }

// Observer is told of each watch when it begins, before anything is sent, and when it ends. Both are
// called in the goroutine of the watch's request, whose context is ctx.
type Observer interface {
	WatchBegins(ctx context.Context, w *Watch)
	WatchEnds(w *Watch)
}

// Tap may end a watch before its client does, as fault injection wants it. All methods are called
// in the watch's own goroutine.
type Tap interface {
	Due() bool // asked before each object: true ends the watch without it
	Sent()     // told after each object
	Ended()    // told once, when the watch has ended
}

// watching is a watch under way.
type watching struct {
	*Call
	ListOptions
	seen    Watch
	cursor  *store.Cursor
	line    []byte // for what is not sent as it is stored
	defined bool   // a table's columns have been sent
	failed  bool   // the client has gone
}

// watch streams events, each a line of JSON, until the client goes, the time is over, or
// the log no longer has what the client has not seen.
func (q *Call) watch() error {
	o, err := q.listOptions(true)
	if err != nil {
		return err
	}
	if q.form.kind == formPartialList {
		q.form.kind = formPartial
	}
	w := &watching{Call: q, ListOptions: o}
	if q.name != "" { // the deprecated path of one object
		if name, given := o.fields.Name(); !o.fields.Empty() && (!given || name != q.name) {
			return status.BadRequest("fieldSelector metadata.name doesn't match requested name")
		}
		w.fields.Terms = append(w.fields.Terms, selector.Term{Field: "metadata.name", Value: q.name, Equal: true, Index: selector.AtName})
	}
	var initial *store.Snapshot
	start := o.Revision
	withState := o.Revision <= 0 || o.initial != nil && *o.initial
	if o.initial != nil && !*o.initial && o.Revision <= 0 {
		withState = false
	}
	if o.Revision > 0 && withState {
		if err := q.await(o.Revision); err != nil {
			return err
		}
	}
	if withState {
		sn := q.Bucket.Now()
		initial, start = &sn, sn.Rev
	} else if start <= 0 {
		start = q.api.Store.Revision()
	}
	cur, err := q.Bucket.Watch(start)
	h := q.w.Header()
	h["Content-Type"] = []string{"application/json"}
	q.w.WriteHeader(http.StatusOK)
	if q.req.Method == http.MethodHead {
		return nil // there is nothing to wait for
	}
	if err != nil {
		w.expired(err)
		return nil
	}
	w.cursor = cur
	w.seen.Resource, w.seen.Namespace, w.seen.Selector, w.seen.Start = q.Bucket.Name, q.namespace, w.selectorText(), start
	w.seen.Lag, w.seen.Current, w.seen.serving = cur.Lag, q.Bucket.Head, w
	w.seen.Sent.Store(start)
	w.begin()
	defer w.end()
	w.run(initial, start)
	return nil
}

// begin shows the watch to the observer.
func (w *watching) begin() {
	if o := w.api.Config.Observer; o != nil {
		o.WatchBegins(w.req.Context(), &w.seen)
	}
}

// end takes the watch from the observer, and lets the tap do what is left to do.
func (w *watching) end() {
	if o := w.api.Config.Observer; o != nil {
		o.WatchEnds(&w.seen)
	}
	if tap := w.seen.Tap.Load(); tap != nil {
		(*tap).Ended()
	}
}

// run sends what there is and then what comes.
func (w *watching) run(initial *store.Snapshot, start int64) {
	ctx := w.req.Context()
	limit := w.timeout
	if limit == 0 {
		limit = 1800*time.Second + rand.N(1800*time.Second)
	}
	end := time.Now().Add(limit)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	if initial != nil {
		for o := range w.selected(&w.ListOptions, initial.Scan(w.Prefix(), "")) {
			if w.object('A', o, o.Rev); w.failed {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if w.bookmark && (w.initial == nil || *w.initial) {
			w.sendBookmark(start, true)
		}
		w.seen.Sent.Store(start)
	}
	_ = w.flush()
	w.seen.State.Store(WatchLive)
	timer := time.NewTimer(w.nextWake(end))
	defer timer.Stop()
	var room [64]*store.Event
	retired, last := w.retired, false
	due := limit <= bookmarkBeforeEnd // a bookmark
	for !w.failed {
		reached := w.api.Store.Revision()
		events, changed, err := w.cursor.Next(room[:0], len(room))
		if err != nil {
			w.seen.State.Store(WatchEnding)
			w.expired(err)
			return
		}
		if len(events) > 0 {
			for _, e := range events {
				w.event(e)
			}
			w.seen.Sent.Store(events[len(events)-1].Rev)
			_ = w.flush()
			if ctx.Err() != nil || w.seen.LastSend.Load() >= end.UnixNano() {
				return // it may never be idle
			}
			continue
		}
		if last {
			return
		}
		reached = max(reached, w.seen.Sent.Load()) // an event is in the log a moment before the store says its revision
		w.seen.Sent.Store(reached)
		if due && w.bookmark {
			w.sendBookmark(reached, false)
			_ = w.flush()
		}
		due = false
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-retired:
			retired, last = nil, true // but for what came before, as the ends of a deleted definition's objects
		case now := <-timer.C:
			due, last = true, !now.Before(end)
			timer.Reset(w.nextWake(end))
		}
		if last {
			w.seen.State.Store(WatchEnding)
		}
	}
}

// bookmarkBeforeEnd is how long before a watch's time is over it gets its last bookmark
// (upstream).
const bookmarkBeforeEnd = 2 * time.Second

// nextWake is the time until the next bookmark or the end.
func (w *watching) nextWake(end time.Time) time.Duration {
	left := time.Until(end)
	if left > bookmarkBeforeEnd {
		left -= bookmarkBeforeEnd
	}
	return min(left, w.api.Config.Bookmarks)
}

// event sends one event as this watch sees it: an object that begins to match its
// selectors is added, one that no longer does is deleted.
func (w *watching) event(e *store.Event) {
	o, kind := e.Object, e.Kind
	if w.namespace != "" && o.Namespace() != w.namespace {
		return
	}
	if !w.labels.Empty() || !w.fields.Empty() {
		before := e.Prev != nil && w.selects(e.Prev)
		now := e.Kind != 'D' && w.selects(o)
		switch {
		case now && !before:
			kind = 'A'
		case now:
			kind = 'M'
		case before && e.Kind == 'D':
			kind = 'D'
		case before:
			w.object('D', e.Prev, e.Rev) // its last matching state, at the revision of the change (upstream)
			return
		default:
			return
		}
	}
	w.object(kind, o, e.Rev)
}

// object sends one object, unless the tap has ended the watch.
func (w *watching) object(kind byte, o *store.Object, rev int64) {
	tap := w.seen.Tap.Load()
	if tap != nil && (*tap).Due() {
		w.failed = true
		return
	}
	w.show(kind, o, rev)
	if tap != nil {
		(*tap).Sent()
	}
}

// show sends one object in the form that is wanted.
func (w *watching) show(kind byte, o *store.Object, rev int64) {
	asIs := w.form.kind == formObject && w.asStored(o)
	switch {
	case asIs && kind == o.EventKind() && rev == o.Rev:
		w.write(o.Line)
		return
	case asIs && rev == o.Rev:
		w.line = append(w.line[:0], store.EventHead(kind)...)
		w.line = append(append(w.line, o.Raw()...), "}\n"...)
		w.write(w.line)
		return
	}
	obj := w.decode(o)
	tree.Metadata(obj)["resourceVersion"] = strconv.FormatInt(rev, 10)
	switch w.form.kind {
	case formTable:
		obj = w.asTable([]map[string]any{obj}, map[string]any{"resourceVersion": strconv.FormatInt(rev, 10)}, !w.defined)
		w.defined = true
	case formPartial:
		obj = w.partial(obj)
	}
	w.send(store.EventHead(kind), obj)
}

func (w *watching) send(head string, obj map[string]any) {
	w.line = append(w.line[:0], head...)
	w.line = append(tree.AppendJSON(w.line, obj), "}\n"...)
	w.write(w.line)
}

func (w *watching) write(b []byte) {
	n, err := w.w.Write(b)
	w.seen.Bytes.Add(int64(n))
	w.seen.Events.Add(1)
	w.failed = w.failed || err != nil
}

func (w *watching) flush() error {
	err := http.NewResponseController(w.w).Flush()
	w.seen.LastSend.Store(time.Now().UnixNano())
	w.failed = w.failed || err != nil && !errors.Is(err, http.ErrNotSupported)
	return err
}

// sendBookmark says how far the watch has come. The first one may also say that the state
// is complete.
func (w *watching) sendBookmark(rev int64, complete bool) {
	m := map[string]any{"resourceVersion": strconv.FormatInt(rev, 10)}
	if complete {
		m["annotations"] = map[string]any{"k8s.io/initial-events-end": "true"}
	}
	obj := map[string]any{"kind": w.Kind, "apiVersion": w.apiVersion(), "metadata": m}
	switch w.form.kind {
	case formTable:
		obj = w.asTable([]map[string]any{obj}, map[string]any{"resourceVersion": m["resourceVersion"]}, !w.defined)
		w.defined = true
	case formPartial:
		obj = w.partial(obj)
	}
	w.seen.Bookmarks.Add(1)
	w.send(`{"type":"BOOKMARK","object":`, obj)
}

// expired tells a client that the log no longer has what it asks for: in the stream, as
// upstream does.
func (w *watching) expired(err error) {
	message := "too old resource version"
	var old *store.Expired
	if errors.As(err, &old) {
		message = fmt.Sprintf("too old resource version: %d (%d)", old.Asked, old.Oldest)
	}
	status := map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "message": message, "reason": "Expired", "code": int64(http.StatusGone)}
	w.line = append(append(w.line[:0], `{"type":"ERROR","object":`...), tree.AppendJSON(nil, status)...)
	_, _ = w.w.Write(append(w.line, "}\n"...))
	_ = http.NewResponseController(w.w).Flush()
}

// selectorText is the selectors as a query says them.
func (w *watching) selectorText() string {
	var parts []string
	if !w.labels.Empty() {
		parts = append(parts, "labelSelector="+w.labels.String())
	}
	if !w.fields.Empty() {
		parts = append(parts, "fieldSelector="+w.fields.String())
	}
	return strings.Join(parts, "&")
}
