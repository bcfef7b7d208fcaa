// Package workload is concurrent clients of a Kubernetes-style API, ours or any other, that record all they do and see
// as a history (see the package history). They are plain net/http and nothing of client-go: what is checked is what was
// on the wire, and no request is sent twice without being recorded twice.
//
// In goes where the servers are and how many clients of which kind there are; out come the history and what failed.
// Servers may be killed, paused and cut off meanwhile: that is what it is for. Run is called once a workload; everything
// that it starts has ended when it returns.
//
//	w := workload.Workload{Servers: []string{url}, Name: "kills", Writers: 4, Readers: 2, Watchers: 2}
//	result, err := w.Run(ctx) // until ctx ends, and then until all watches have seen all
//	faults := history.Check(result.History)
package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"apichain/interop/history"
)

// The objects are config maps, of a few names in a few namespaces, so that clients meet. A writer reads an object or
// remembers it from before, creates it if it is not there, and updates or deletes it at the revision that it knows, which
// may be overtaken by then. Readers get, list, list with pages, list what may be old and list by the events of a watch. A watcher lists once and then
// watches; it goes on from the last revision that it has seen, at whatever server answers, and lists again only when
// it is told that its revision is too old.

// Workload says who does what. Servers and Name are needed.
type Workload struct {
	// Servers are base URLs of servers of the same data. Client number i begins with server i and goes
	// on to the next one when the one that it has does not answer.
	Servers []string
	// Token is sent as bearer token unless it is "".
	Token string
	// Name begins the names of the namespaces and of all values.
	Name string
	// Writers, Readers and Watchers are how many clients there are of each kind.
	Writers, Readers, Watchers int
	// Namespaces is how many there are, 2 if it is 0; and Keys how many names in each, 10 if it is 0.
	Namespaces, Keys int
	// Padding is how many bytes an object has beside its value.
	Padding int
	// Pace is the least time between two requests of a client; 0 is as fast as it goes.
	Pace time.Duration
	// Patience is how long an answer may take, 5 s if it is 0.
	Patience time.Duration

	recorder *history.Recorder
	values   atomic.Int64
	settled  []chan struct{} // a namespace each, closed when marks has its last revision
	marks    []int64
	mu       sync.Mutex
	failures []Failure
	expired  atomic.Int64
	resumed  atomic.Int64
}

// Failure is a request that got no answer, or one of the 500s.
type Failure struct {
	Client, Server, What string
	Start, End           time.Time
	Err                  error
}

// String is the failure in a line.
func (f Failure) String() string {
	took := f.End.Sub(f.Start).Round(time.Millisecond)
	return fmt.Sprintf("%s at %s: %s [%s, %v]: %v", f.Client, f.Server, f.What, f.Start.Format("15:04:05.000"), took, f.Err)
}

// Result is what came of a workload.
type Result struct {
	History  history.History
	Failures []Failure
	// Resumed is how many watches went on where another one had ended, and Expired how many were told to list again.
	Resumed, Expired int
}

// Count is how many writes have an outcome.
func (r *Result) Count(o history.Outcome) (n int) {
	for _, op := range r.History.Ops {
		if op.Outcome == o && (op.Verb == history.Create || op.Verb == history.Update || op.Verb == history.Delete) {
			n++
		}
	}
	return n
}

// String says what the history has.
func (r *Result) String() string {
	events := 0
	for _, w := range r.History.Watches {
		events += len(w.Events)
	}
	return fmt.Sprintf("writes: %d acknowledged, %d refused, %d unknown; %d operations in all; ",
		r.Count(history.OK), r.Count(history.Refused), r.Count(history.Unknown), len(r.History.Ops)) +
		fmt.Sprintf("%d watches, of which %d resumed and %d expired, with %d events; %d requests failed",
			len(r.History.Watches), r.Resumed, r.Expired, events, len(r.Failures))
}

// Run makes the namespaces, has all clients work until ctx ends, and then lists all once more and waits until each watcher
// has seen the last write. It returns an error if it cannot begin or if servers do not answer at the end.
func (w *Workload) Run(ctx context.Context) (*Result, error) {
	w.recorder = history.NewRecorder()
	if w.Namespaces == 0 {
		w.Namespaces = 2
	}
	if w.Keys == 0 {
		w.Keys = 10
	}
	if w.Patience == 0 {
		w.Patience = 5 * time.Second
	}
	w.marks = make([]int64, w.Namespaces)
	for range w.Namespaces {
		w.settled = append(w.settled, make(chan struct{}))
	}
	// What must also be done when the work is over has a time of its own.
	finish, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	first := w.client("first", 0)
	defer first.close()
	for i := range w.Namespaces {
		if err := first.makeNamespace(finish, w.namespace(i)); err != nil {
			return nil, err
		}
	}
	var working, watching sync.WaitGroup
	for i := range w.Watchers {
		watching.Go(func() { w.watcher(finish, i) })
	}
	for i := range w.Writers {
		working.Go(func() { w.writer(ctx, i) })
	}
	for i := range w.Readers {
		working.Go(func() { w.reader(ctx, i) })
	}
	working.Wait()
	err := w.settle(finish, first)
	if err != nil {
		cancel()
	} else {
		late := time.AfterFunc(time.Minute, cancel)
		defer late.Stop()
	}
	watching.Wait()
	h := w.recorder.History()
	return &Result{History: h, Failures: w.failures, Resumed: int(w.resumed.Load()), Expired: int(w.expired.Load())}, err
}

func (w *Workload) namespace(i int) string { return fmt.Sprintf("%s-%d", w.Name, i) }

// key is the key of an object, of those that there may be.
func (w *Workload) key() string {
	return fmt.Sprintf("%s/k%d", w.namespace(rand.IntN(w.Namespaces)), rand.IntN(w.Keys))
}

// value is one that nobody else writes.
func (w *Workload) value() string { return fmt.Sprintf("%s-%d", w.Name, w.values.Add(1)) }

// settle writes the last object of each namespace, which is what watchers wait for, and one more, which tells them even if
// the last one has reached them before it was known to be the last. Then it lists each namespace at each server.
func (w *Workload) settle(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := range w.Namespaces {
		for _, name := range []string{"last", "after"} {
			var op history.Op
			for attempt := 0; op.Outcome != history.OK; attempt++ {
				op = history.Op{Verb: history.Create, Key: fmt.Sprintf("%s/k-%s-%d", w.namespace(i), name, attempt), Value: w.value()}
				if op = c.write(ctx, op); op.Outcome != history.OK && !c.wait(ctx, 10*time.Millisecond) {
					return fmt.Errorf("%s: the last write: %w", w.namespace(i), errors.Join(c.failed, ctx.Err()))
				}
			}
			if name == "last" {
				w.marks[i] = op.Rev
				close(w.settled[i])
			}
		}
	}
	for s := range w.Servers {
		for i := range w.Namespaces {
			for c.server = s; c.list(ctx, w.namespace(i), "").Outcome != history.OK || c.server != s; c.server = s {
				if !c.wait(ctx, 10*time.Millisecond) {
					return fmt.Errorf("%s: the last list: %w", w.Servers[s], errors.Join(c.failed, ctx.Err()))
				}
			}
		}
	}
	return nil
}

// writer creates, updates and deletes until ctx ends.
func (w *Workload) writer(ctx context.Context, n int) {
	c := w.client(fmt.Sprint("writer-", n), n)
	defer c.close()
	known := map[string]int64{} // 0 is that it is not there
	for c.wait(ctx, w.Pace) {
		key := w.key()
		rev, ok := known[key]
		if !ok || rand.IntN(4) == 0 {
			op := c.get(ctx, key)
			if op.Outcome == history.Unknown {
				continue
			}
			rev = op.Rev
		}
		op := history.Op{Key: key, Verb: history.Update, Expect: rev}
		switch {
		case rev == 0:
			op.Verb = history.Create
		case rand.IntN(7) == 0:
			op.Verb = history.Delete
		}
		if op.Verb != history.Delete {
			op.Value = w.value()
		}
		if op = c.write(ctx, op); op.Outcome == history.OK {
			known[key] = op.Rev
		} else {
			delete(known, key)
		}
	}
}

// reader gets and lists until ctx ends.
func (w *Workload) reader(ctx context.Context, n int) {
	c := w.client(fmt.Sprint("reader-", n), n)
	defer c.close()
	for c.wait(ctx, w.Pace) {
		namespace := w.namespace(rand.IntN(w.Namespaces))
		switch rand.IntN(7) {
		case 0:
			c.list(ctx, namespace, "")
		case 1:
			c.list(ctx, namespace, "resourceVersion=0")
		case 2:
			c.list(ctx, namespace, "limit=3")
		case 3:
			c.watchList(ctx, namespace)
		default:
			c.get(ctx, w.key())
		}
	}
}

// begins lists what a watcher watches, in one of both ways.
func (w *Workload) begins(ctx context.Context, c *client, n int) history.Op {
	if n/w.Namespaces%2 == 0 {
		return c.list(ctx, w.namespace(n%w.Namespaces), "")
	}
	return c.watchList(ctx, w.namespace(n%w.Namespaces))
}

// watcher watches a namespace until it has seen its last write, or until ctx ends.
func (w *Workload) watcher(ctx context.Context, n int) {
	c := w.client(fmt.Sprint("watcher-", n), n)
	defer c.close()
	of := n % w.Namespaces
	rev, listed := int64(0), false
	for c.wait(ctx, time.Millisecond) {
		if rev == 0 {
			op := w.begins(ctx, c, n)
			if op.Outcome == history.OK {
				rev, listed = op.Rev, true
			}
			continue
		}
		watch, err := c.watch(ctx, of, rev)
		if err != nil && len(watch.Events) == 0 && !watch.Expired {
			continue // none has begun, or nobody can say
		}
		w.recorder.AddWatch(watch)
		if !listed && !watch.Expired {
			w.resumed.Add(1)
		}
		listed = false
		if len(watch.Events) > 0 {
			rev = watch.Events[len(watch.Events)-1].Rev
		}
		if watch.Expired {
			rev = 0
			w.expired.Add(1)
		}
		if watch.Through != 0 {
			return
		}
	}
	// It has waited in vain: what it must have seen says the check.
	select {
	case <-w.settled[of]:
		now := w.recorder.Now()
		w.recorder.AddWatch(history.Watch{Client: c.name, Scope: w.namespace(of), From: rev, Start: now, End: now, Through: w.marks[of]})
	default:
	}
}
