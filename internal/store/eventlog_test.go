package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// sameText says whether two strings are the same memory.
func sameText(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

// takeAll is what a cursor has now: kind, key and revision of each event.
func takeAll(t *testing.T, c *Cursor) string {
	t.Helper()
	var b strings.Builder
	for {
		events, wait, err := c.Next(nil, 3)
		if err != nil {
			return strings.TrimSpace(b.String() + err.Error())
		}
		for _, e := range events {
			fmt.Fprintf(&b, "%c%s@%d ", e.Kind, e.Object.Key, e.Rev)
			if e.Object.Rev != e.Rev || (e.Prev == nil) != (e.Kind == Added) {
				t.Errorf("event %d has %v after %v", e.Rev, e.Object, e.Prev)
			}
		}
		if wait != nil {
			return strings.TrimSpace(b.String())
		}
	}
}

func TestCursorFrom(t *testing.T) {
	s := storeOf(6)
	b, other := s.Bucket("things"), s.Bucket("others")
	write := func(b *Bucket, key string) {
		mustCommit(t, s, Change{Bucket: b, Key: key, Expect: -1, Next: numbered(1)})
	}
	write(b, "boot") // 2
	early, err := b.Watch(1)
	if err != nil {
		t.Fatal(err)
	}
	s.ExpireHistory()
	write(b, "a")                                            // 3
	write(b, "a")                                            // 4
	write(other, "x")                                        // 5
	mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: 4}) // 6
	write(b, "a")                                            // 7
	tests := []struct {
		rev  int64
		want string
	}{
		{0, "revision 0 is no longer kept: the oldest is 2"},
		{1, "revision 1 is no longer kept: the oldest is 2"},
		{2, "Aa@3 Ma@4 Da@6 Aa@7"}, {3, "Ma@4 Da@6 Aa@7"}, {4, "Da@6 Aa@7"},
		{5, "Da@6 Aa@7"}, {6, "Aa@7"}, {7, ""}, {8, ""},
	}
	for _, tt := range tests {
		c, err := b.Watch(tt.rev)
		if err != nil {
			var expired *Expired
			if !errors.As(err, &expired) || err.Error() != tt.want {
				t.Errorf("from %d: %v, want %s", tt.rev, err, tt.want)
			}
			continue
		}
		if want := int64(len(strings.Fields(tt.want))); c.Lag() != want {
			t.Errorf("from %d: the lag is %d, want %d", tt.rev, c.Lag(), want)
		}
		if got := takeAll(t, c); got != tt.want || c.Lag() != 0 {
			t.Errorf("from %d: %s, want %s; the lag is %d", tt.rev, got, tt.want, c.Lag())
		}
		if c.rev.Load() != max(tt.rev, 7) {
			t.Errorf("from %d: it is at %d", tt.rev, c.rev.Load())
		}
	}
	// A cursor of before the window goes on.
	if got := takeAll(t, early); got != "Aboot@2 Aa@3 Ma@4 Da@6 Aa@7" {
		t.Errorf("the early one took %s", got)
	}
}

// A revision that is not there yet is waited for: only what follows it is sent.
func TestCursorFromTheFuture(t *testing.T) {
	s := storeOf(100)
	b := s.Bucket("things")
	c, err := b.Watch(4)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // 2 to 6
		mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(i)})
	}
	if got := takeAll(t, c); got != "Ma@5 Ma@6" {
		t.Errorf("it took %s", got)
	}
}

// A cursor that the log has gone past is told; one of a bucket without events is not.
func TestCursorFallsOut(t *testing.T) {
	s := storeOf(4)
	b, quiet := s.Bucket("things"), s.Bucket("quiet")
	slow, _ := b.Watch(1)
	edge, _ := b.Watch(1)
	idle, _ := quiet.Watch(1)
	for i := range 4 {
		mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(i)}) // 2 to 5
	}
	if events, _, err := edge.Next(nil, 1); len(events) != 1 || err != nil {
		t.Fatalf("%d events, %v", len(events), err)
	}
	mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(9)}) // 6 drops 2
	if slow.Lag() != 5 {
		t.Errorf("the lag is %d", slow.Lag())
	}
	if got := takeAll(t, slow); got != "revision 1 is no longer kept: the oldest is 2" {
		t.Errorf("the slow one took %s", got)
	}
	if got := takeAll(t, edge); got != "Ma@3 Ma@4 Ma@5 Ma@6" {
		t.Errorf("the one at the edge took %s", got)
	}
	if got := takeAll(t, idle); got != "" {
		t.Errorf("the idle one took %s", got)
	}
	if _, err := quiet.Watch(1); err != nil {
		t.Errorf("a bucket that lost nothing: %v", err)
	}
	if _, err := b.Watch(1); err == nil {
		t.Error("a watch began before what was dropped")
	}
	if events, _, oldest := s.Window(); events != 4 || oldest != 2 {
		t.Errorf("%d events from %d", events, oldest)
	}
}

// Only who has nothing to take waits, and one commit wakes all.
func TestCursorWakes(t *testing.T) {
	s := storeOf(100)
	b := s.Bucket("things")
	c, _ := b.Watch(1)
	_, wait, _ := c.Next(nil, 10)
	d, _ := b.Watch(1)
	if _, again, _ := d.Next(nil, 10); again != wait {
		t.Error("two that wait have two channels")
	}
	mustCommit(t, s, Change{Bucket: s.Bucket("others"), Key: "a", Next: numbered(1)})
	select {
	case <-wait:
		t.Error("an event of another bucket woke it")
	default:
	}
	mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)}, Change{Bucket: b, Key: "b", Next: numbered(1)})
	<-wait
	if b.log.ch.Load() != nil {
		t.Error("there is a channel while nobody waits")
	}
	into := make([]*Event, 0, 8)
	into, wait, _ = c.Next(into, 1)
	if len(into) != 1 || wait != nil {
		t.Errorf("%d events, and to wait: %v", len(into), wait != nil)
	}
	into, wait, _ = c.Next(into, 1)
	if len(into) != 2 || into[0].Rev != 3 && into[1].Rev != 4 || wait != nil {
		t.Errorf("%d events, and to wait: %v", len(into), wait != nil)
	}
	if into, wait, _ = c.Next(into, 1); len(into) != 2 || wait == nil {
		t.Errorf("%d events, and to wait: %v", len(into), wait != nil)
	}
}

// chargeOf is what the log holds, by looking: each text once, but not those that are only
// held by the tree.
func chargeOf(s *Store) (n int64) {
	lines := map[*Object]bool{}
	for i := range s.log.len() {
		e := s.log.at(i).Event
		lines[e.Object] = true
		if e.Prev != nil {
			lines[e.Prev] = true
		}
		n += eventCost
	}
	for o := range lines {
		n += int64(len(o.Line))
	}
	return n
}

// The log is within its bounds after every commit, and what it says of itself is right.
func TestWindowBounds(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limits := Window{Events: 40, Bytes: math.MaxInt64}
		if seed%2 == 1 {
			limits = Window{Events: math.MaxInt, Bytes: 20_000}
		}
		s := New(limits)
		var buckets []*Bucket
		for i := range 3 {
			buckets = append(buckets, s.Bucket(fmt.Sprint("bucket-", i)))
		}
		for range 1500 {
			var cs []Change
			for _, b := range buckets[:1+rng.IntN(3)] {
				c := Change{Bucket: b, Key: fmt.Sprint(rng.IntN(8)), Expect: -1}
				sn := b.Now()
				if rng.IntN(4) > 0 || sn.Get(c.Key) == nil {
					d := Encode(configMapOf("ns", c.Key, rng.IntN(2000)), nil)
					c.Next = &d
				}
				cs = append(cs, c)
			}
			mustCommit(t, s, cs...)
			events, bytes, oldest := s.Window()
			if want := chargeOf(s); bytes != want {
				t.Fatalf("seed %d, revision %d: %d bytes are charged, and %d held", seed, s.Revision(), bytes, want)
			}
			if events > limits.Events || events > 1 && bytes > limits.Bytes {
				t.Fatalf("%d events of %d bytes are kept", events, bytes)
			}
			if first := s.log.at(0).Event.Rev; oldest != 0 && oldest != first-1 || events == 0 {
				t.Fatalf("the oldest is %d, and the first event has %d", oldest, first)
			}
		}
		total := 0
		for _, b := range buckets {
			total += b.log.events.len()
		}
		if total != s.log.len() {
			t.Errorf("the buckets have %d events, the store %d", total, s.log.len())
		}
	}
}

// The newest event stays however large it is: else nobody would ever be sent it.
func TestWindowKeepsTheNewest(t *testing.T) {
	s := New(Window{Events: 0, Bytes: 10})
	b := s.Bucket("things")
	c, _ := b.Watch(1)
	mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)})
	if got := takeAll(t, c); got != "Aa@2" {
		t.Errorf("it took %s", got)
	}
	mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(1)})
	if got := takeAll(t, c); got != "Ma@3" {
		t.Errorf("it took %s", got)
	}
}

// A watcher that never reads costs nothing: what it did not take goes with the window.
func TestStuckCursorHoldsNothing(t *testing.T) {
	const limit = 1 << 20
	s := New(Window{Events: math.MaxInt, Bytes: limit})
	b := s.Bucket("things")
	stuck := make([]*Cursor, 100)
	for i := range stuck {
		stuck[i], _ = b.Watch(1)
	}
	d := Encode(configMapOf("ns", "a", 10_000), nil)
	used := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := used()
	for range 3000 { // 30 MB of events
		mustCommit(t, s, Change{Bucket: b, Key: "ns/a", Expect: -1, Next: &d})
	}
	if grown := used() - before; grown > 4*limit {
		t.Errorf("the heap grew by %d bytes with a window of %d", grown, limit)
	}
	for _, c := range stuck {
		if _, _, err := c.Next(nil, 1); err == nil || c.Lag() != 3000 {
			t.Fatalf("the lag is %d, the error %v", c.Lag(), err)
		}
	}
	runtime.KeepAlive(s)
}

// A watcher is woken once what it is woken for can be read.
func TestWokenWatcherReads(t *testing.T) {
	s := storeOf(1000)
	b := s.Bucket("things")
	c, _ := b.Watch(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for i := range 500 {
			_, _ = s.Commit(context.Background(), Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(i)})
		}
	})
	for last := int64(1); last < 501; {
		events, wait, err := c.Next(nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			last = e.Rev
			if sn := b.Now(); sn.Rev < e.Rev || sn.Get("a").Rev < e.Rev {
				t.Fatalf("event %d is not in the state of %d", e.Rev, sn.Rev)
			}
		}
		if wait != nil {
			<-wait
			if s.Revision() < last {
				t.Fatalf("it was woken at %d with the revision %d", last, s.Revision())
			}
		}
	}
}

// A store begins at revision 1, which no event has: from before it there is no more to be had
// than from it.
func TestAfterTheBeginning(t *testing.T) {
	s := storeOf(10)
	for _, rev := range []int64{0, 1, 2, 9} {
		if events, wait, ok := s.After(rev, 10); !ok || len(events) != 0 || wait == nil {
			t.Errorf("after %d of an empty store: %d events, %v", rev, len(events), ok)
		}
	}
	for i := range 3 {
		mustCommit(t, s, Change{Bucket: s.Bucket("things"), Key: "a", Expect: -1, Next: numbered(i)}) // 2 to 4
	}
	for rev, want := range map[int64]int{0: 3, 1: 3, 2: 2, 3: 1, 4: 0, 5: 0, 99: 0} {
		events, wait, ok := s.After(rev, 10)
		if !ok || len(events) != want || (wait == nil) != (want > 0) {
			t.Errorf("after %d: %d events, want %d (%v)", rev, len(events), want, ok)
		}
	}
}

// Who is behind the log over all buckets is told, even when its own bucket has lost nothing.
func TestAfterTheWindow(t *testing.T) {
	s := storeOf(3)
	for i := range 5 { // 2 to 6, of which 4 to 6 are kept
		mustCommit(t, s, Change{Bucket: s.Bucket(fmt.Sprint("b", i)), Key: "a", Next: numbered(i)})
	}
	for rev, want := range map[int64]string{0: "lost", 1: "lost", 2: "lost", 3: "4 5 6", 4: "5 6", 5: "6", 6: ""} {
		events, _, ok := s.After(rev, 10)
		var got []string
		for _, k := range events {
			got = append(got, fmt.Sprint(k.Event.Rev))
		}
		if !ok {
			got = []string{"lost"}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %d: %v, want %s", rev, got, want)
		}
	}
}

// TestForget: the events up to a revision go, of all buckets, and what they were charged for with
// them; what is newer stays, and the newest of all in any case.
func TestForget(t *testing.T) {
	s := storeOf(100)
	a, b := s.Bucket("a"), s.Bucket("b")
	write := func(of *Bucket, key string) int64 {
		return mustCommit(t, s, Change{Bucket: of, Key: key, Expect: -1, Next: numbered(1)})[0].Rev
	}
	first := write(a, "x")
	second := write(b, "x")
	third := write(a, "x")
	last := write(b, "y")
	_, before, _ := s.Window()
	if got := s.Forget(first-1, 0); got != 0 {
		t.Errorf("nothing is that old, and %d bytes are gone", got)
	}
	freed := s.Forget(second, 0)
	events, bytes, oldest := s.Window()
	if freed <= 0 || events != 2 || bytes != before-freed || oldest != second {
		t.Errorf("%d events of %d bytes from %d, %d bytes are gone of %d", events, bytes, oldest, freed, before)
	}
	var old *Expired
	if _, err := a.Watch(first - 1); !errors.As(err, &old) {
		t.Errorf("a watch from before: %v", err)
	}
	if c, err := a.Watch(second); err != nil {
		t.Error(err)
	} else if events, _, err := c.Next(nil, 9); err != nil || len(events) != 1 || events[0].Rev != third {
		t.Errorf("the watch gets %v, %v", events, err)
	}
	// As long as the log is charged for more: of two events of one size the older one goes.
	if freed := s.Forget(last, bytes); freed != 0 {
		t.Errorf("%d bytes are gone of as many as may be", freed)
	}
	s.Forget(third, bytes-1)
	if events, left, oldest := s.Window(); events != 1 || left >= bytes || oldest != third {
		t.Errorf("%d events of %d bytes from %d are left", events, left, oldest)
	}
	s.Forget(last, 0)
	if events, _, _ := s.Window(); events != 1 {
		t.Errorf("%d events are left", events)
	}
	if sn := b.Now(); sn.Count() != 2 {
		t.Errorf("%d objects", sn.Count())
	}
}
