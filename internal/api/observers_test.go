package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// What others see of a watch, and how they may end it.

// countingTap ends a watch before an object, and counts what it is told. onEnd is called at the end.
type countingTap struct {
	most              int // objects that are let through
	asked, sent, ends int
	onEnd             func()
}

func (p *countingTap) Due() bool {
	p.asked++
	return p.sent == p.most
}
func (p *countingTap) Sent() { p.sent++ }
func (p *countingTap) Ended() {
	if p.ends++; p.onEnd != nil {
		p.onEnd()
	}
}

// TestTap: a watch ends in front of the object that its tap says, be it one of the state or one
// that comes, and the tap may say that the window has passed.
func TestTap(t *testing.T) {
	for _, expire := range []bool{false, true} {
		for most := range 5 {
			synctest.Test(t, func(t *testing.T) {
				r := newReviewed(t)
				for _, name := range []string{"a", "b"} {
					r.widget(name, "")
				}
				p := &countingTap{most: most}
				var tap api.Tap = p
				// The tap is put there before the first object, as the program does when a watch begins.
				taken := &tapper{tap: tap, p: p, expire: expire}
				r.p.API.Config.Observer = taken
				s := &stream{steps: []func(){func() { r.widget("c", "") }, func() { r.widget("d", "") }, func() {}, func() {}}}
				lines := r.follow(s, reviewWidgets+"?watch=1&timeoutSeconds=5")
				var got []string
				for _, e := range lines {
					got = append(got, strings.TrimSpace(tree.Text(e, "type")+" "+tree.Text(e, "object", "metadata", "name")))
				}
				want := []string{"ADDED a", "ADDED b", "ADDED c", "ADDED d"}[:min(most, 4)]
				if expire {
					want = append(want[:len(want):len(want)], "ERROR")
				}
				if strings.Join(got, ", ") != strings.Join(want, ", ") {
					t.Errorf("%d are let through, expire %t: %q, want %q", most, expire, got, want)
				}
				if p.ends != 1 || p.sent != min(most, 4) || p.asked != min(most+1, 4) {
					t.Errorf("%d are let through: %+v", most, p)
				}
				if taken.began != 1 || taken.ended != 1 {
					t.Errorf("began %d times and ended %d times", taken.began, taken.ended)
				}
			})
		}
	}
}

// tapper is an observer that puts a tap into every watch.
type tapper struct {
	tap          api.Tap
	p            *countingTap
	expire       bool
	began, ended int
}

func (o *tapper) WatchBegins(_ context.Context, w *api.Watch) {
	o.began++
	if o.expire {
		o.p.onEnd = func() { w.Expire(w.Sent.Load()) }
	}
	w.Tap.Store(&o.tap)
}
func (o *tapper) WatchEnds(*api.Watch) { o.ended++ }

// TestWatchCounts: what an observer sees of a watch is what the client has got.
func TestWatchCounts(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", `,"labels":{"n":"1"}`)
	r.widget("other", "")
	start := r.p.Store.Revision()
	type seen struct {
		state                      int32
		sent, lag, current         int64
		events, bookmarks          int64
		bytes                      int64
		resource, ns, selector, at string
	}
	look := func() seen {
		list := r.p.Watching.List()
		if len(list) != 1 {
			t.Fatalf("%d watches", len(list))
		}
		w := list[0]
		return seen{w.State.Load(), w.Sent.Load(), w.Lag(), w.Current(), w.Events.Load(), w.Bookmarks.Load(), w.Bytes.Load(), w.Resource, w.Namespace, w.Selector, fmt.Sprint(w.Start)}
	}
	var looks []seen
	var bytes int64
	note := func(do func()) func() {
		return func() {
			looks = append(looks, look())
			do()
		}
	}
	s := &stream{}
	s.steps = []func(){
		note(func() { r.widget("b", `,"labels":{"n":"2"}`) }),
		note(func() { r.widget("none", "") }), // which the watch does not select
		note(func() {
			r.run([]reviewCase{{"PATCH", reviewWidgets + "/b", reviewMerge, `{"metadata":{"labels":null}}`, 200, ""}})
		}),
		note(func() { s.leave() }),
	}
	lines := r.follow(s, reviewWidgets+"?watch=1&allowWatchBookmarks=true&labelSelector=n")
	for _, line := range lines {
		bytes += int64(len(tree.AppendJSON(nil, line))) + 1
	}
	if len(looks) != 4 {
		t.Fatalf("%d looks of %d lines", len(looks), len(lines))
	}
	first, last := looks[0], looks[3]
	if first.state != api.WatchInitial || first.events != 2 || first.bookmarks != 1 || first.sent != start || first.lag != 0 {
		t.Errorf("with the state sent: %+v", first)
	}
	for i, l := range looks {
		if l.resource != "widgets.example.com" || l.ns != "default" || l.selector != "labelSelector=n" || l.at != fmt.Sprint(start) {
			t.Errorf("look %d: %+v", i, l)
		}
		if i > 0 && (l.state != api.WatchLive || l.sent < looks[i-1].sent || l.bytes < looks[i-1].bytes || l.current != l.sent) {
			t.Errorf("look %d: %+v after %+v", i, l, looks[i-1])
		}
	}
	// a, the bookmark, b, and b again as it leaves the selection.
	if last.events != 4 || last.bytes != bytes || len(lines) != 4 {
		t.Errorf("at last %+v, and %d bytes in %d lines", last, bytes, len(lines))
	}
	if rest := r.p.Watching.List(); len(rest) != 0 {
		t.Errorf("%d watches are left", len(rest))
	}
}

// failingWriter takes some writes and then none.
type failingWriter struct {
	sink
	most, taken int
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.taken == w.most {
		return 0, errors.New("the client has gone")
	}
	w.taken++
	return len(b), nil
}

// TestClientsThatGo: a watch whose client takes no more ends, in its state or behind it, and
// nobody sees it any more.
func TestClientsThatGo(t *testing.T) {
	for most := range 6 {
		r := newReviewed(t)
		for _, name := range []string{"a", "b", "c"} {
			r.widget(name, "")
		}
		w := &failingWriter{sink: sink{h: http.Header{}}, most: most}
		var all sync.WaitGroup
		all.Go(func() {
			r.p.ServeHTTP(w, administrator(t.Context(), "GET", reviewWidgets+"?watch=1", ""))
		})
		// Those that are still there see changes until they cannot take one.
		for i := 0; i < 3; i++ {
			r.widget("later-"+itoa(i), "")
		}
		all.Wait()
		if w.taken != most || w.status != 200 {
			t.Errorf("%d lines of %d were taken, status %d", w.taken, most, w.status)
		}
		if rest := r.p.Watching.List(); len(rest) != 0 {
			t.Errorf("%d watches are left", len(rest))
		}
	}
}
