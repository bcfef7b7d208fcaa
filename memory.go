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

const (
	// quietTick is how often giveBack looks.
	quietTick = 5 * time.Second
	// quietBytes is how much may be allocated in a tick while the server counts as quiet: probes,
	// bookmarks and the admin page are less.
	quietBytes = 4 << 20
	// worthBytes is how much must have been allocated for a collection to be worth its time.
	worthBytes = 16 << 20
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
	quiet, history := quietness{last: read(), returned: read()}, history{age: p.opt.watch.windowAge}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if forget := history.past(now, p.store.Revision()); forget > 0 {
				quiet.freed(uint64(p.store.Forget(forget)))
			}
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
