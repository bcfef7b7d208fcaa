package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory goes back when the server is quiet. A burst of writes leaves two things behind: garbage, which
// the collector of Go looks at two minutes later and hands to the system slowly, and the events of the
// watch window, which watches may still want. The first is collected and returned as soon as the burst is
// over. The second is kept for --watch-window-age, as upstream keeps its history until the next compaction
// of etcd, and then goes too, however little it is.
//
// Of a burst the window may be most of the memory, the texts of objects that were deleted long since among
// it. Who has lost a connection is back within seconds, and a client that takes nothing is cut after ten, so
// events that are older than freshTime are kept only as far as a share of --watch-window-bytes goes. A watch
// that would begin before what is left is answered as one before the window: 410, and the client lists.

const (
	// quietTick is how often giveBack looks.
	quietTick = 5 * time.Second
	// quietBytes is how much may be allocated in a tick while the server counts as quiet: probes,
	// bookmarks and the admin page are less.
	quietBytes = 4 << 20
	// worthBytes is how much must have been allocated for a collection to be worth its time.
	worthBytes = 16 << 20
	// freshTime is how long events are kept as far as the whole window reaches, and oldShare is the part of
	// its bytes for which they are kept beyond.
	freshTime = 30 * time.Second
	oldShare  = 16
)

// giveBack looks after the memory until ctx ends.
func (p *program) giveBack(ctx context.Context) {
	t := time.NewTicker(quietTick)
	defer t.Stop()
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	read := func() uint64 {
		metrics.Read(allocated)
		// A later Go may not know the name any more; its kind is bad then.
		if allocated[0].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return allocated[0].Value.Uint64()
	}
	quiet, bounds := quietness{last: read(), returned: read()}, p.pastBounds()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			quiet.freed(uint64(p.forget(bounds, now)))
			if quiet.due(read()) {
				debug.FreeOSMemory()
			}
		}
	}
}

// quietness finds the moments when a burst is over. Its numbers are the bytes that were allocated since
// the start: at the last look, and when memory was given back last.
type quietness struct{ last, returned uint64 }

// due reports whether little was allocated since the last look and much since memory was given back,
// which it takes to be now then.
func (q *quietness) due(allocated uint64) bool {
	calm, much := allocated-q.last < quietBytes, allocated-q.returned >= worthBytes
	q.last = allocated
	if calm && much {
		q.returned = allocated
	}
	return calm && much
}

// freed says that bytes which were allocated before have become garbage since.
func (q *quietness) freed(bytes uint64) { q.returned -= min(bytes, q.returned) }

// pastBounds returns for how many bytes events are kept, the youngest first.
func (p *program) pastBounds() []pastBound {
	o := &p.opt.watch
	return []pastBound{
		{history{age: min(freshTime, o.windowAge)}, int64(o.windowBytes) / oldShare},
		{history{age: o.windowAge}, 0},
	}
}

// forget drops the events that are older and more than bounds let, and returns how many bytes they were
// charged for.
func (p *program) forget(bounds []pastBound, now time.Time) (bytes int64) {
	for i := range bounds {
		if rev := bounds[i].past(now, p.store.Revision()); rev > 0 {
			bytes += p.store.Forget(rev, bounds[i].bytes)
		}
	}
	return bytes
}

// pastBound says for how many bytes events are kept that are older than its history's age.
type pastBound struct {
	history
	bytes int64
}

// history remembers where the store was at some moments, so that events need no time of their own.
type history struct {
	age   time.Duration
	marks []mark // oldest first, an eighth of age apart
	done  int64  // what past has returned last
}

// mark is a moment and the revision of the store then.
type mark struct {
	at  time.Time
	rev int64
}

// past returns the revision up to which all events are older than age, 0 where no further ones are.
func (h *history) past(now time.Time, rev int64) (forget int64) {
	for len(h.marks) > 0 && now.Sub(h.marks[0].at) >= h.age {
		forget, h.done = h.marks[0].rev, h.marks[0].rev
		h.marks = h.marks[1:]
	}
	// A revision has one mark, the first: while nothing is written there is nothing to wait for.
	last := mark{rev: h.done}
	if n := len(h.marks); n > 0 {
		last = h.marks[n-1]
	}
	if rev != last.rev && now.Sub(last.at) >= h.age/8 {
		h.marks = append(h.marks, mark{now, rev})
	}
	return forget
}
