package api

import (
	"time"

	"apichain/internal/store"
)

// Watches of objects that a webhook converts. What is new is converted many events at a time, in the goroutine of
// the watch: others wait for no more than that both convert the same object once.
//
// An event that cannot be converted is not passed over. Upstream's watches are served from a cache for each version,
// which stands still meanwhile, and so does this one: it sends what was before, tries again and again, and goes on
// where it was once the webhook is back. Unlike upstream's it does not stand still for ever, since the webhook may be
// there and refuse just this object, which may have gone from the store since: then it ends with the error, and the
// client lists again.

const (
	// firstRetry is how long a watch waits before it asks a webhook again, and twice as long each time after that, in all
	// longestStall.
	firstRetry   = 500 * time.Millisecond
	longestStall = 30 * time.Second
)

// convertedEvents sends events of the log in the watch's version. It returns false when the watch has ended.
func (w *watcher) convertedEvents(events []*store.Event) bool {
	objs := w.toConvert(events)
	wait, waited := firstRetry, time.Duration(0)
	for next := 0; ; wait *= 2 {
		bad := w.show(w.req.Context(), objs[2*next:])
		for next < len(events) && w.isShown(objs[2*next]) && w.isShown(objs[2*next+1]) {
			w.convertedEvent(events[next], objs[2*next], objs[2*next+1])
			w.record.Sent.Store(events[next].Rev)
			next++
		}
		switch {
		case w.closed:
			return false
		case next == len(events):
			return true
		case w.req.Context().Err() != nil:
			return false
		case waited >= longestStall && len(bad) > 0:
			w.record.State.Store(WatchEnding)
			w.fail(w.unlistable(bad[:1]))
			return false
		}
		// What was before must not wait too.
		_ = w.flush()
		if !w.stall(wait) {
			return false
		}
		waited += wait
	}
}

// toConvert returns the two objects of each event, of which those are nil that the watch need not look at.
func (w *watcher) toConvert(events []*store.Event) []*store.Object {
	objs := make([]*store.Object, 2*len(events))
	candidate := w.candidate()
	for i, e := range events {
		if w.namespace != "" && e.Object.Namespace() != w.namespace || !candidate(e.Object) {
			continue
		}
		objs[2*i] = e.Object
		// Without selectors nobody asks what was there before.
		if !w.all() {
			objs[2*i+1] = e.Prev
		}
	}
	return objs
}

// isShown reports whether the watch has an object, or need not have it.
func (w *watcher) isShown(o *store.Object) bool { return o == nil || w.asStored(o) }

// convertedEvent sends an event whose objects are those given; nil for one that the watch does not look at.
func (w *watcher) convertedEvent(e *store.Event, o, prev *store.Object) {
	if o == nil {
		return
	}
	if kind, seen := w.transition(&store.Event{Kind: e.Kind, Rev: e.Rev, Object: o, Prev: prev}); seen != nil {
		w.send(e, kind, seen, e.Rev)
	}
}

// stall waits before a webhook is asked again. It returns false when the watch has ended meanwhile.
func (w *watcher) stall(wait time.Duration) bool {
	left := time.Until(w.end)
	t := time.NewTimer(min(wait, left))
	defer t.Stop()
	select {
	case <-t.C:
		if wait < left {
			return true
		}
	case <-w.retired:
	case <-w.req.Context().Done():
	}
	w.record.State.Store(WatchEnding)
	return false
}
