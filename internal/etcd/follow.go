package etcd

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// One watch of the prefix brings everything. It begins after the revision that was applied last, and so
// does the next one after it has broken, at another member: nothing is missed or repeated.
// States of following:
//
//	watching → broken: pause, next member, watching from applied+1
//	         → history gone (compacted, or another cluster): load anew, watching from there
//
// A watch says nothing when nothing happens, and when it is broken in a way that nobody notices. Two
// things tell these apart: HTTP/2 pings the connection, and now and then somebody asks the leader
// for the newest revision (newest.go). When the watch is behind, it is asked for its progress, and
// when it stays behind without a word it counts as broken.
//
// etcd answers that question only if the watch has been sent everything and the revision of its
// start has come. So a watch at the newest revision has nothing to say, which is no failure.

// Why a watch ended that must not go on where it was, and why one is broken.
var (
	errHistory = errors.New("the history is gone")
	errStalled = errors.New("the watch brings nothing though there is something")
	// errReached ends one that was to get so far.
	errReached = errors.New("the watch has got to its revision")
)

const (
	// askAgain is when a watch is asked again that has not answered, and askSoon when it has not
	// got far enough.
	askAgain = 100 * time.Millisecond
	askSoon  = 10 * time.Millisecond
)

// Follow implements store.Shared.
func (b *Backend) Follow(ctx context.Context, into *store.Feed) {
	for failed := 0; ctx.Err() == nil; {
		before := b.applied.Load()
		_, number := b.c.server()
		err := b.watch(ctx, into, 0)
		if ctx.Err() != nil {
			return
		}
		b.restarts.Add(1)
		if errors.Is(err, errHistory) {
			b.log.Warn("the watch of etcd cannot go on, everything is loaded anew", "revision", before, "error", err)
			b.reload(ctx, into)
			failed = 0
			continue
		}
		if failed++; b.applied.Load() > before {
			failed = 1
		}
		// Told once, and not again each second while etcd is away.
		level := slog.LevelDebug
		if failed == 1 {
			level = slog.LevelWarn
		}
		b.log.Log(ctx, level, "the watch of etcd is taken up again", "server", b.c.servers[number%uint64(len(b.c.servers))],
			"revision", b.applied.Load(), "error", err)
		b.c.leave(number)
		// Each member gets its chance before anybody waits.
		if n := (failed - 1) / len(b.c.servers); n > 0 {
			_ = pause(ctx, n)
		}
	}
}

// reload loads everything anew, until it succeeds or ctx ends. What the store has stays meanwhile.
func (b *Backend) reload(ctx context.Context, into *store.Feed) {
	for n := 1; ctx.Err() == nil; n++ {
		err := b.load(ctx, into)
		if err == nil {
			b.reloads.Add(1)
			return
		}
		b.log.Warn("loading from etcd failed", "error", err)
		_ = pause(ctx, n)
	}
}

// watching is a watch under way, and what it knows of itself. One goroutine uses it.
type watching struct {
	b    *Backend
	into *store.Feed
	s    *stream
	// start is where it began, and part the events of a revision that may not be complete: more
	// fragments come.
	start int64
	part  []wire.Event
	// until is the revision at which it ends, 0 for none.
	until int64
	// again runs while an answer about progress is awaited; asked says that it does.
	again *time.Timer
	asked bool
	// number is that of the server, which is no longer in use when another call has failed there.
	number uint64
	// heard is when the watch told something last.
	heard time.Time
}

// watch follows by one watch until it ends, and returns why: errReached where it has got to a revision, 0 for none.
func (b *Backend) watch(ctx context.Context, into *store.Feed, until int64) error {
	// A watch begins where the last one was, whatever that one has left in part.
	w := &watching{b: b, into: into, start: b.applied.Load() + 1, until: until, heard: time.Now(), again: time.NewTimer(time.Hour)}
	defer w.again.Stop()
	server, number := b.c.server()
	w.number = number
	s, err := b.c.open(ctx, server, wire.MethodWatch, &wire.WatchRequest{Create: &wire.WatchCreate{
		Key: []byte(b.prefix + "/"), RangeEnd: []byte(b.prefix + "0"), StartRevision: w.start, ProgressNotify: true, Fragment: true,
	}})
	if err != nil {
		return err
	}
	w.s = s
	// One goroutine reads, so that a question can be sent while nothing comes. It ends before this
	// function does: closing the stream ends its recv, and done what it has to hand over.
	answers, ended := make(chan *wire.WatchResponse, 16), make(chan error, 1)
	var reader sync.WaitGroup
	defer reader.Wait()
	done := make(chan struct{})
	defer close(done)
	defer s.close()
	reader.Go(func() {
		for {
			a := new(wire.WatchResponse)
			if err := s.recv(a); err != nil {
				ended <- err
				return
			}
			select {
			case answers <- a:
			case <-done:
				return
			}
		}
	})
	return w.loop(ctx, answers, ended)
}

// loop handles what a watch brings, and what it is to be asked.
func (w *watching) loop(ctx context.Context, answers <-chan *wire.WatchResponse, ended <-chan error) error {
	check := time.NewTicker(min(w.b.silence, w.b.stalled) / 4)
	defer check.Stop()
	for {
		select {
		case a := <-answers:
			if err := w.handle(ctx, a); err != nil {
				return err
			}
			if w.until > 0 && w.b.applied.Load() >= w.until {
				return errReached
			}
		case err := <-ended:
			// What came before the end counts.
			for len(answers) > 0 {
				if err := w.handle(ctx, <-answers); err != nil {
					return err
				}
			}
			return err
		case <-w.b.ask:
			// One question at a time: its answer, or again, sees to the rest.
			if !w.asked {
				w.askProgress()
			}
		case <-w.again.C:
			if w.asked = false; w.isBehind() {
				w.askProgress()
			}
		case now := <-check.C:
			if err := w.check(ctx, now); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isBehind reports whether there is more than the watch has brought.
func (w *watching) isBehind() bool { return w.b.wanted.Load() > w.b.applied.Load() }

// askProgress asks how far the watch is.
func (w *watching) askProgress() {
	w.s.send(&wire.WatchRequest{Progress: &wire.Empty{}})
	w.asked = true
	w.again.Reset(askAgain)
}

// check looks whether the watch is broken without saying so.
func (w *watching) check(ctx context.Context, now time.Time) error {
	if !w.isBehind() {
		w.b.behind.Store(0)
		if now.Sub(w.heard) > w.b.silence {
			w.heard = now
			// Nobody waits for the answer: it sets wanted.
			_, _ = w.b.board()
		}
		return nil
	}
	if !w.asked {
		w.askProgress()
	}
	limit := w.b.stalled
	// Where another call has failed there is little to wait for.
	if _, number := w.b.c.server(); number != w.number {
		limit /= 4
	}
	if since := time.Unix(0, w.b.behind.Load()); now.Sub(since) <= limit || now.Sub(w.heard) <= limit {
		return nil
	}
	// What was wanted may be of a cluster that is no more: it is asked again.
	if rev, err := w.b.askNewest(ctx); err == nil {
		w.b.wanted.Store(rev)
	}
	if w.isBehind() {
		return errStalled
	}
	return nil
}

// handle does what an answer says. The error ends the watch.
func (w *watching) handle(ctx context.Context, a *wire.WatchResponse) error {
	w.heard = time.Now()
	w.b.heard.Store(w.heard.UnixNano())
	// Before anything else: what another cluster says must not reach the store.
	if a.Header != nil && a.Header.ClusterID != w.b.cluster.Load() {
		return errors.Join(errHistory, errors.New("etcd is another cluster"))
	}
	switch {
	case a.CompactRevision != 0, a.Canceled && strings.Contains(a.CancelReason, "compacted"):
		return errors.Join(errHistory, errors.New(wire.TextCompacted))
	case a.Canceled:
		return &Error{Code: wire.Canceled, Message: a.CancelReason}
	case a.Created:
		return w.created(ctx, headRevision(a.Header))
	case len(a.Events) > 0 || len(w.part) > 0:
		return w.events(a)
	}
	// Everything up to the header's revision has been told.
	if rev := headRevision(a.Header); rev > w.b.applied.Load() {
		w.apply(rev, nil)
	}
	// It is answered. What is missing still is asked for in a moment: the member may be behind itself.
	if w.asked = w.asked && w.isBehind(); w.asked {
		w.again.Reset(askSoon)
	}
	return nil
}

// created looks at the revision of the member on which the watch was begun: one that is behind may
// be late, or a cluster that has lost what it had.
func (w *watching) created(ctx context.Context, rev int64) error {
	if rev >= w.start-1 || w.b.conf.ReadOnly {
		return nil
	}
	newest, err := w.b.askNewest(ctx)
	if err == nil && newest < w.start-1 {
		err = errors.Join(errHistory, errors.New("etcd has gone back to an older revision"))
	}
	return err
}

// events applies the events of an answer. Those of its last revision wait for the next fragment, if
// there is one, since the other writes of the same transaction may be in it.
func (w *watching) events(a *wire.WatchResponse) error {
	events := append(w.part, a.Events...)
	w.part = nil
	if a.Fragment && len(events) > 0 {
		// Whatever is before the last revision is whole, and need not wait in memory.
		last := len(events) - 1
		for last > 0 && revisionOf(&events[last-1]) == revisionOf(&events[last]) {
			last--
		}
		events, w.part = events[:last], events[last:]
	}
	if len(events) == 0 {
		return nil
	}
	rev := revisionOf(&events[len(events)-1])
	if first := revisionOf(&events[0]); first <= w.b.applied.Load() {
		return errors.Join(errHistory, errors.New("etcd repeats a revision"))
	}
	w.apply(rev, events)
	return nil
}

// revisionOf returns the revision of an event.
func revisionOf(e *wire.Event) int64 {
	if e.KV == nil {
		return 0
	}
	return e.KV.ModRevision
}

// apply makes events visible, which are all up to rev.
func (w *watching) apply(rev int64, events []wire.Event) {
	writes := make([]store.Write, 0, len(events))
	for i := range events {
		if wr, ok := w.b.writeOf(&events[i]); ok {
			writes = append(writes, wr)
		}
	}
	w.into.Apply(rev, writes)
	// After the store has it: who sees applied finds the writes.
	w.b.applied.Store(rev)
	if w.b.want(rev) == rev {
		w.b.behind.Store(0)
	}
}

// writeOf returns the write that an event is; ok is false for what is no object. A value that cannot be
// read takes the place of the object that was there: for readers it is a deletion.
func (b *Backend) writeOf(e *wire.Event) (w store.Write, ok bool) {
	if e.Type != wire.EventDelete {
		return b.decode(e.KV)
	}
	// It may have been one of those that nobody saw: the store leaves out a deletion of nothing.
	path := strings.TrimPrefix(string(e.KV.Key), b.prefix)
	b.skipped.remove(path)
	bucket, key, ok := b.codec.Place(path)
	return store.Write{Bucket: bucket, Key: key, Rev: e.KV.ModRevision}, ok
}
