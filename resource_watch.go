package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// watchOptions bound the event log and its readers.
type watchOptions struct {
	windowEvents int
	windowBytes  int
	slow         time.Duration
	bookmarks    time.Duration // between two bookmarks; upstream's minute, shorter in tests
}

func (o *watchOptions) register(f *flags) {
	f.in("watches")
	f.int(&o.windowEvents, "watch-window-events", 100_000, "events kept for watches to begin at, of all resources together; what is older is 410")
	f.int(&o.windowBytes, "watch-window-bytes", 64<<20, "bytes of events kept")
	f.duration(&o.slow, "watch-slow-timeout", 10*time.Second, "time after which a watch is cut whose client takes nothing")
	o.bookmarks = time.Minute
}

func (o *watchOptions) check(p *problems) {
	if o.windowEvents < 1 {
		p.add("watch-window-events", "must be above 0, is %d", o.windowEvents)
	}
	if o.windowBytes < 1 {
		p.add("watch-window-bytes", "must be above 0, is %d", o.windowBytes)
	}
	if o.slow < time.Millisecond {
		p.add("watch-slow-timeout", "must be at least 1ms, is %v", o.slow)
	}
}

// watching is a watch under way.
type watching struct {
	*call
	listOptions
	row     *watchRow
	cursor  *store.Cursor
	line    []byte // for what is not sent as it is stored
	defined bool   // a table's columns have been sent
	failed  bool   // the client has gone
}

// watch streams events, each a line of JSON, until the client goes, the time is over, or
// the log no longer has what the client has not seen.
func (q *call) watch() error {
	o, err := q.listOptions(true)
	if err != nil {
		return err
	}
	if q.form.kind == formPartialList {
		q.form.kind = formPartial
	}
	w := &watching{call: q, listOptions: o}
	if q.name != "" { // the deprecated path of one object
		if name, given := o.fields.Name(); !o.fields.Empty() && (!given || name != q.name) {
			return status.BadRequest("fieldSelector metadata.name doesn't match requested name")
		}
		w.fields.Terms = append(w.fields.Terms, selector.Term{Field: "metadata.name", Value: q.name, Equal: true, Index: selector.AtName})
	}
	var initial *store.Snapshot
	start := o.revision
	withState := o.revision <= 0 || o.initial != nil && *o.initial
	if o.initial != nil && !*o.initial && o.revision <= 0 {
		withState = false
	}
	if o.revision > 0 && withState {
		if err := q.await(o.revision); err != nil {
			return err
		}
	}
	if withState {
		sn := q.bucket.Now()
		initial, start = &sn, sn.Rev
	} else if start <= 0 {
		start = q.rest.store.Revision()
	}
	cur, err := q.bucket.Watch(start)
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
	w.row = &watchRow{x: exchangeFrom(q.req.Context()), bucket: q.bucket, namespace: q.namespace, selector: w.selectorText(), startRevision: start, lag: cur.Lag}
	w.row.sent.Store(start)
	w.begin()
	defer w.end()
	w.run(initial, start)
	return nil
}

// begin puts the watch into the table, where faults find it. Its own it has from the
// filter, or from rules that came since.
func (w *watching) begin() {
	x := w.row.x
	if f := x.fault.Load(); f != nil {
		f.arm(x)
	}
	w.rest.watches.add(w.row)
	w.rest.program.faults.take(x)
}

func (w *watching) end() {
	w.rest.watches.remove(w.row)
	if f := w.row.x.fault.Load(); f != nil {
		f.end(w)
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
	if x := exchangeFrom(ctx); x != nil && x.until > 0 && x.received.Add(x.until).Before(end) {
		end = x.received.Add(x.until) // when its context ends
	}
	if initial != nil {
		for o := range w.selected(&w.listOptions, initial.Scan(w.prefix(), "")) {
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
		w.row.sent.Store(start)
	}
	_ = w.flush()
	w.row.state.Store(watchLive)
	timer := time.NewTimer(w.nextWake(end))
	defer timer.Stop()
	var room [64]*store.Event
	retired, last := w.retired, false
	due := limit <= bookmarkBeforeEnd // a bookmark
	for !w.failed {
		reached := w.rest.store.Revision()
		events, changed, err := w.cursor.Next(room[:0], len(room))
		if err != nil {
			w.row.state.Store(watchEnding)
			w.expired(err)
			return
		}
		if len(events) > 0 {
			for _, e := range events {
				w.event(e)
			}
			w.row.sent.Store(events[len(events)-1].Rev)
			_ = w.flush()
			if ctx.Err() != nil || w.row.lastSend.Load() >= end.UnixNano() {
				return // it may never be idle
			}
			continue
		}
		if last {
			return
		}
		reached = max(reached, w.row.sent.Load()) // an event is in the log a moment before the store says its revision
		w.row.sent.Store(reached)
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
			w.row.state.Store(watchEnding)
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
	return min(left, w.rest.limits.bookmarks)
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

// object sends one object, unless a fault has ended the watch.
func (w *watching) object(kind byte, o *store.Object, rev int64) {
	f := w.row.x.fault.Load()
	if f != nil && f.due.Load() {
		w.failed = true
		return
	}
	w.show(kind, o, rev)
	if f != nil {
		f.sent(w.row.x)
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
	w.row.bytes.Add(int64(n))
	w.row.events.Add(1)
	w.failed = w.failed || err != nil
}

func (w *watching) flush() error {
	err := flush(w.w)
	w.row.lastSend.Store(time.Now().UnixNano())
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
	obj := map[string]any{"kind": w.kind, "apiVersion": w.apiVersion(), "metadata": m}
	switch w.form.kind {
	case formTable:
		obj = w.asTable([]map[string]any{obj}, map[string]any{"resourceVersion": m["resourceVersion"]}, !w.defined)
		w.defined = true
	case formPartial:
		obj = w.partial(obj)
	}
	w.row.bookmarks.Add(1)
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
	_ = flush(w.w)
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
