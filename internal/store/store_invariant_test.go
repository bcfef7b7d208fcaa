package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The store among its users at once: what holds at every moment, whoever looks.

// TestTransfersAreWhole: writers move amounts between accounts, two changes in a commit, and
// whoever reads a state or follows the log by whole commits finds the same sum.
func TestTransfersAreWhole(t *testing.T) {
	const accounts, writerCount, transfers, each = 8, 4, 150, 100
	s := storeOf(1 << 20)
	b := s.Bucket("accounts")
	key := func(i int) string { return fmt.Sprintf("a%d", i) }
	for i := range accounts {
		mustCommit(t, s, Change{Bucket: b, Key: key(i), Next: numbered(each)})
	}
	opened := s.Revision()
	c, err := b.Watch(opened)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(sn Snapshot) (total int) {
		for o := range sn.Scan("", "") {
			total += number(o)
		}
		return total
	}

	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writerCount {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for n := 0; n < transfers; {
				sn := b.Now()
				i, j := r.IntN(accounts), r.IntN(accounts)
				from, to := sn.Get(key(i)), sn.Get(key(j))
				if i == j {
					continue
				}
				_, err := s.Commit(context.Background(),
					Change{Bucket: b, Key: from.Key, Expect: from.Rev, Next: numbered(number(from) - 1)},
					Change{Bucket: b, Key: to.Key, Expect: to.Rev, Next: numbered(number(to) + 1)})
				var conflict *Conflict
				switch {
				case err == nil:
					n++
				case !errors.As(err, &conflict):
					t.Error(err)
					return
				case conflict.Current == nil || conflict.Current.Rev == sn.Get(conflict.Key).Rev:
					t.Errorf("a conflict about %s, which is as it was: %v", conflict.Key, err)
					return
				}
			}
		})
	}
	for range 2 {
		reading.Go(func() {
			for last := int64(0); ; {
				sn := b.Now()
				if got := sum(sn); got != accounts*each {
					t.Errorf("at revision %d the sum is %d", sn.Rev, got)
					return
				}
				if sn.Rev < last {
					t.Errorf("revision %d after %d", sn.Rev, last)
					return
				}
				last = sn.Rev
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()

	if got, want := s.Revision(), opened+2*writerCount*transfers; got != want {
		t.Errorf("the revision is %d, want %d: one for each change", got, want)
	}
	// The log has every transfer: two events with revisions that follow each other, one
	// less and one more.
	events, _, err := c.Next(nil, math.MaxInt)
	if err != nil || len(events) != 2*writerCount*transfers {
		t.Fatalf("%d events (%v)", len(events), err)
	}
	for i := 0; i < len(events); i += 2 {
		from, to := events[i], events[i+1]
		if from.Rev != opened+int64(i)+1 || to.Rev != from.Rev+1 {
			t.Fatalf("events %d have the revisions %d and %d", i, from.Rev, to.Rev)
		}
		if number(from.Object)-number(from.Prev) != -1 || number(to.Object)-number(to.Prev) != 1 {
			t.Fatalf("event %d is no transfer: %s %s", i, from.Object.Line, to.Object.Line)
		}
		// In the past too, between the two changes as well.
		if i%100 == 0 {
			whole, err := b.At(to.Rev)
			half, errHalf := b.At(from.Rev)
			if err != nil || errHalf != nil || sum(whole) != accounts*each || sum(half) != accounts*each-1 {
				t.Fatalf("at %d: %d (%v), at %d: %d (%v)", from.Rev, sum(half), errHalf, to.Rev, sum(whole), err)
			}
		}
	}
}

// TestCountersLoseNothing: everybody counts up one object with what it was expected, and
// every count is there in the end.
func TestCountersLoseNothing(t *testing.T) {
	const users, counts = 6, 80
	s := storeOf(16)
	b := s.Bucket("counters")
	mustCommit(t, s, Change{Bucket: b, Key: "n", Next: numbered(0)})
	conflicts := make([]int, users)
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for n := 0; n < counts; {
				sn := b.Now()
				was := sn.Get("n")
				objs, err := s.Commit(context.Background(), Change{Bucket: b, Key: "n", Expect: was.Rev, Next: numbered(number(was) + 1)})
				if err != nil {
					conflicts[u]++
					continue
				}
				if n++; number(objs[0]) != number(was)+1 || objs[0].Rev <= was.Rev {
					t.Errorf("after %s: %s", was.Line, objs[0].Line)
					return
				}
			}
		})
	}
	wg.Wait()
	sn := b.Now()
	if got := number(sn.Get("n")); got != users*counts {
		t.Errorf("the counter is at %d, want %d", got, users*counts)
	}
	if got := s.Revision(); got != 2+users*counts {
		t.Errorf("the revision is %d: a conflict took one", got)
	}
	if events, _, _ := s.Window(); events != 16 {
		t.Errorf("the log has %d events", events)
	}
}

// TestOneCreatorWins: of those who create one name at once exactly one does, and the others
// are told of its object.
func TestOneCreatorWins(t *testing.T) {
	s := storeOf(1000)
	b := s.Bucket("things")
	for round := range 50 {
		key := fmt.Sprintf("k%d", round)
		var mu sync.Mutex
		var won []*Object
		var lost []*Conflict
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				objs, err := s.Commit(context.Background(), Change{Bucket: b, Key: key, Next: numbered(i)})
				mu.Lock()
				defer mu.Unlock()
				var conflict *Conflict
				if err == nil {
					won = append(won, objs[0])
				} else if errors.As(err, &conflict) {
					lost = append(lost, conflict)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || len(lost) != 4 {
			t.Fatalf("%s: %d created it, %d did not", key, len(won), len(lost))
		}
		for _, l := range lost {
			if l.Current != won[0] || l.Key != key || l.Bucket != b {
				t.Fatalf("%s: told of %v, want %s", key, l.Current, won[0].Line)
			}
		}
	}
}

// TestCommitOfManyBuckets: a commit over resources shows in each of them, in the order of
// its changes, and watchers of all resources get it in that order.
func TestCommitOfManyBuckets(t *testing.T) {
	s := storeOf(100)
	var cs []Change
	for i, name := range []string{"c", "a", "b", "a", "c"} {
		cs = append(cs, Change{Bucket: s.Bucket(name), Key: fmt.Sprintf("k%d", i), Next: numbered(i)})
	}
	_, wait, ok := s.After(1, 10)
	if !ok || wait == nil {
		t.Fatal("nothing to wait for in an empty store")
	}
	objs := mustCommit(t, s, cs...)
	select {
	case <-wait:
	default:
		t.Error("who waits for all resources was not woken")
	}
	for i, o := range objs {
		if o.Rev != int64(i+2) || o.Key != cs[i].Key || number(o) != i {
			t.Errorf("object %d is %s at %d", i, o.Key, o.Rev)
		}
	}
	for name, want := range map[string]string{"a": "k1=1@3 k3=3@5", "b": "k2=2@4", "c": "k0=0@2 k4=4@6", "d": ""} {
		sn := s.Bucket(name).Now()
		if got := stateOf(sn); got != want || sn.Rev != 6 {
			t.Errorf("%s is %s at %d, want %s", name, got, sn.Rev, want)
		}
	}
	for max := 1; max <= 6; max++ {
		var got []string
		for rev := int64(1); rev < 6; {
			events, _, ok := s.After(rev, max)
			if !ok || len(events) == 0 || len(events) > max {
				t.Fatalf("%d events after %d, at most %d were asked for", len(events), rev, max)
			}
			for _, k := range events {
				got = append(got, fmt.Sprintf("%s/%s@%d", k.Bucket.Name, k.Event.Object.Key, k.Event.Rev))
				rev = k.Event.Rev
			}
		}
		if want := "c/k0@2 a/k1@3 b/k2@4 a/k3@5 c/k4@6"; strings.Join(got, " ") != want {
			t.Errorf("by %d: got %s, want %s", max, strings.Join(got, " "), want)
		}
	}
}

// TestFailedCommitLeavesNoTrace: whatever makes a commit of several changes fail, readers,
// watchers, revision and window are as before.
func TestFailedCommitLeavesNoTrace(t *testing.T) {
	backend := &failingBackend{}
	s := openOf(t, Window{Events: 100, Bytes: math.MaxInt64}, backend)
	a, b := s.Bucket("a"), s.Bucket("b")
	mustCommit(t, s, Change{Bucket: a, Key: "x", Next: numbered(1)}, Change{Bucket: b, Key: "y", Next: numbered(2)})
	c, err := a.Watch(s.Revision())
	if err != nil {
		t.Fatal(err)
	}
	_, wait, _ := c.Next(nil, 10)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	good := Change{Bucket: a, Key: "new", Next: numbered(3)}
	state := func() string {
		events, bytes, oldest := s.Window()
		return fmt.Sprintf("%s|%s|%d|%d %d %d|%d %d|%d", stateOf(a.Now()), stateOf(b.Now()), s.Revision(), events, bytes, oldest, a.Head(), b.Head(), c.Lag())
	}
	before := state()
	for name, fail := range map[string]struct {
		ctx  context.Context
		bad  Change
		want string
	}{
		"the last one is in conflict":     {context.Background(), Change{Bucket: b, Key: "y", Expect: 99, Next: numbered(0)}, `b "y" is at revision 3`},
		"the last one is there":           {context.Background(), Change{Bucket: b, Key: "y", Next: numbered(0)}, `b "y" is at revision 3`},
		"the last one is not there":       {context.Background(), Change{Bucket: b, Key: "z", Expect: -1}, `b "z" does not exist`},
		"the same key twice":              {context.Background(), Change{Bucket: a, Key: "new", Next: numbered(0)}, `a "new" is twice in one commit`},
		"a context that is done":          {cancelled, Change{Bucket: b, Key: "z", Next: numbered(0)}, "context canceled"},
		"the same key twice, one deleted": {context.Background(), Change{Bucket: a, Key: "new", Expect: -1}, `a "new" does not exist`},
	} {
		objs, err := s.Commit(fail.ctx, good, fail.bad)
		if err == nil || err.Error() != fail.want || objs != nil {
			t.Errorf("%s: got %v and %d objects, want %s", name, err, len(objs), fail.want)
		}
		if got := state(); got != before {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, before)
		}
		select {
		case <-wait:
			t.Errorf("%s: a watcher was woken", name)
		default:
		}
	}
	backend.fail = errors.New("disk full")
	if _, err := s.Commit(context.Background(), good); err != backend.fail || state() != before {
		t.Errorf("a backend that fails: %v, %s", err, state())
	}
	backend.fail = nil
	if objs := mustCommit(t, s, good); objs[0].Rev != 4 {
		t.Errorf("the next commit has revision %d", objs[0].Rev)
	}
	select {
	case <-wait:
	default:
		t.Error("the next commit wakes nobody")
	}
}

// TestScanAgainstSort: scan, remaining and count over keys with odd bytes, against the same
// made of a sorted list.
func TestScanAgainstSort(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	letters := []string{"a", "b", "-", "/", ".", "é", "\xff", "\x00", "\xff\xff"}
	word := func(most int) string {
		var b strings.Builder
		for range r.IntN(most + 1) {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	for range 20 {
		s := storeOf(4)
		b := s.Bucket("things")
		model := map[string]bool{}
		for range r.IntN(150) {
			key := word(4)
			if model[key] && r.IntN(2) == 0 {
				mustCommit(t, s, Change{Bucket: b, Key: key, Expect: -1})
				delete(model, key)
				continue
			}
			mustCommit(t, s, Change{Bucket: b, Key: key, Expect: -1, Next: numbered(1)})
			model[key] = true
		}
		sn := b.Now()
		size := int64(0)
		for key := range model {
			size += int64(len(sn.Get(key).Raw()))
		}
		if sn.Count() != len(model) || sn.Bytes() != size {
			t.Fatalf("%d objects of %d bytes, want %d of %d", sn.Count(), sn.Bytes(), len(model), size)
		}
		for range 60 {
			prefix, from := word(2), word(3)
			var want, got []string
			for key := range model {
				if strings.HasPrefix(key, prefix) && key >= from {
					want = append(want, key)
				}
			}
			slices.Sort(want)
			for o := range sn.Scan(prefix, from) {
				got = append(got, o.Key)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("scan(%q, %q): got %q, want %q", prefix, from, got, want)
			}
			if n := sn.Remaining(prefix, from); n != len(want) {
				t.Fatalf("remaining(%q, %q): got %d, want %d of %q", prefix, from, n, len(want), slices.Sorted(func(yield func(string) bool) {
					for key := range model {
						if !yield(key) {
							return
						}
					}
				}))
			}
			// A scan may end at any object.
			if len(want) > 0 {
				stop, n := r.IntN(len(want)), 0
				for range sn.Scan(prefix, from) {
					if n == stop {
						break
					}
					n++
				}
				if n != stop {
					t.Fatalf("a scan that was to end at %d ended at %d", stop, n)
				}
			}
		}
	}
}

// TestCursorsShareNothing: each of many cursors of one bucket, with its own pace, gets every
// event once and in order.
func TestCursorsShareNothing(t *testing.T) {
	const writes = 200
	s := storeOf(2 * writes)
	b, other := s.Bucket("things"), s.Bucket("others")
	done := make(chan struct{})
	var reading sync.WaitGroup
	for pace := 1; pace <= 4; pace++ {
		c, err := b.Watch(s.Revision())
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			for seen := 0; seen < writes; {
				events, wait, err := c.Next(nil, pace)
				if err != nil || len(events) > pace {
					t.Errorf("by %d: %d events (%v)", pace, len(events), err)
					return
				}
				for _, e := range events {
					if number(e.Object) != seen || e.Rev != c.rev.Load() && len(events) == 1 {
						t.Errorf("by %d: got number %d as the event %d", pace, number(e.Object), seen)
						return
					}
					seen++
				}
				if wait != nil {
					select {
					case <-wait:
					case <-done:
						if c.Lag() == 0 {
							if seen != writes {
								t.Errorf("by %d: only %d events", pace, seen)
							}
							return
						}
					}
				}
			}
		})
	}
	for i := range writes {
		mustCommit(t, s, Change{Bucket: b, Key: fmt.Sprint(i % 7), Expect: -1, Next: numbered(i)})
		if i%50 == 0 {
			mustCommit(t, s, Change{Bucket: other, Key: fmt.Sprint(i), Next: numbered(i)}) // moves the window, wakes nobody here
		}
	}
	close(done)
	reading.Wait()
}
