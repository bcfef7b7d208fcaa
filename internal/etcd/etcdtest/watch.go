package etcdtest

import (
	"slices"

	"apichain/internal/etcd/wire"
)

// A stream has one goroutine that sends and one that reads. The sender brings each watch up to
// the newest revision whenever something was written, and only then answers what was read, so
// that an answer to a question about progress is true: everything before it was sent.

// watch is a watch of a stream; next is the first revision that it was not sent.
type watch struct {
	wire.WatchCreate
	id   int64
	next int64
}

// maxBatch is how many events an answer has, give or take those of one revision: a watch that
// begins in the past gets several.
const maxBatch = 1000

// watch serves the stream of a client's watches.
func (m *Member) watch(c *call) error {
	m.mu.Lock()
	cut := m.cut
	m.streams++
	m.mu.Unlock()
	requests, read := make(chan *wire.WatchRequest), make(chan struct{})
	defer func() {
		_ = c.r.Body.Close() // ends the reader
		<-read
		m.mu.Lock()
		m.streams--
		m.mu.Unlock()
	}()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		defer close(read)
		defer close(requests)
		for {
			body, err := wire.ReadFrame(c.r.Body, 1<<20)
			if err != nil {
				return
			}
			in := new(wire.WatchRequest)
			if wire.Parse(body, in) != nil {
				return
			}
			select {
			case requests <- in:
			case <-ended:
				return
			}
		}
	}()
	return m.sendWatches(c, requests, cut)
}

// sendWatches is the sender of a stream.
func (m *Member) sendWatches(c *call, requests <-chan *wire.WatchRequest, cut <-chan struct{}) error {
	var watches []*watch
	for {
		m.mu.Lock()
		muted, noLeader, look := m.muted, m.noQuorum && c.r.Header.Get("Hasleader") == "true", m.look
		m.mu.Unlock()
		if noLeader {
			return &failure{wire.Unavailable, wire.TextNoLeader}
		}
		m.c.mu.Lock()
		wake, in := m.c.wake, requests
		var answers []*wire.WatchResponse
		if muted {
			// It reads nothing either: a question stays one.
			wake, in = nil, nil
		} else {
			watches, answers = m.bring(watches)
		}
		m.c.mu.Unlock()
		for _, a := range answers {
			if err := m.sendFragments(c, a); err != nil {
				return err
			}
		}
		if len(answers) > 0 {
			continue // there may be more
		}
		select {
		case r, ok := <-in:
			if !ok {
				return nil
			}
			var a *wire.WatchResponse
			if watches, a = m.answer(watches, r); a != nil {
				if err := c.send(a); err != nil {
					return err
				}
			}
		case <-wake:
		case <-look:
		case <-cut:
			return errLost
		case <-c.r.Context().Done():
			return c.r.Context().Err()
		}
	}
}

// bring returns what each watch is to be sent next, and the watches without those that this ends. The
// caller holds the lock of the cluster.
func (m *Member) bring(watches []*watch) (left []*watch, answers []*wire.WatchResponse) {
	for _, w := range watches {
		if w.next < m.c.compacted {
			answers = append(answers, &wire.WatchResponse{
				Header: m.c.header(m.c.rev), WatchID: w.id, Canceled: true, CompactRevision: m.c.compacted, CancelReason: wire.TextCompacted,
			})
			continue
		}
		left = append(left, w)
		if w.next > m.c.rev {
			continue
		}
		a := &wire.WatchResponse{Header: m.c.header(m.c.rev), WatchID: w.id}
		from, _ := slices.BinarySearchFunc(m.c.history, w.next, func(e wire.Event, rev int64) int { return int(e.KV.ModRevision - rev) })
		w.next = m.c.rev + 1
		for _, e := range m.c.history[from:] {
			if n := len(a.Events); n >= maxBatch && a.Events[n-1].KV.ModRevision != e.KV.ModRevision {
				w.next = e.KV.ModRevision
				break
			}
			if key := string(e.KV.Key); key >= string(w.Key) && (key < string(w.RangeEnd) || key == string(w.Key)) {
				a.Events = append(a.Events, e)
			}
		}
		if len(a.Events) > 0 {
			answers = append(answers, a)
		}
	}
	return left, answers
}

// answer returns the answer to a request, nil for none, and the watches that there are then. All of
// them have been sent everything.
func (m *Member) answer(watches []*watch, r *wire.WatchRequest) ([]*watch, *wire.WatchResponse) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	a := &wire.WatchResponse{Header: m.c.header(m.c.rev)}
	switch {
	case r.Create != nil:
		w := &watch{WatchCreate: *r.Create, id: int64(len(watches)), next: r.Create.StartRevision}
		if w.next == 0 {
			w.next = m.c.rev + 1
		}
		a.WatchID, a.Created = w.id, true
		return append(watches, w), a
	case r.Cancel != nil:
		a.WatchID, a.Canceled = r.Cancel.WatchID, true
		return slices.DeleteFunc(watches, func(w *watch) bool { return w.id == r.Cancel.WatchID }), a
	case r.Progress != nil:
		// As etcd since 3.5.8: no answer as long as a watch waits for a revision to come, or has
		// not everything.
		for _, w := range watches {
			if w.StartRevision > m.c.rev || w.next <= m.c.rev {
				return watches, nil
			}
		}
		a.WatchID = -1
		return watches, a
	}
	return watches, nil
}

// sendFragments sends an answer, in parts if it is large.
func (m *Member) sendFragments(c *call, a *wire.WatchResponse) error {
	events := a.Events
	for {
		size, n := 0, 0
		for n < len(events) && (n == 0 || size < m.FragmentBytes) {
			size += len(events[n].KV.Key) + len(events[n].KV.Value) + 32
			n++
		}
		part := *a
		part.Events, events = events[:n], events[n:]
		part.Fragment = len(events) > 0
		if err := c.send(&part); err != nil {
			return err
		}
		if !part.Fragment {
			return nil
		}
	}
}
