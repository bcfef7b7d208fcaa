package store

import (
	"cmp"
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

// accepted is a write that a writer was told is done.
type accepted struct {
	bucket, key string
	expect      int64 // what it was conditional on; -1 for a blind one
	rev         int64
	remove      bool
	number      int
}

// checkHistory says what is wrong with what writers were told: revisions are all
// different and each of them was given to a write, and of each key every conditional write
// expects what the write before it left.
func checkHistory(writes []accepted, from, to int64) error {
	slices.SortFunc(writes, func(a, b accepted) int { return cmp.Compare(a.rev, b.rev) })
	if int64(len(writes)) != to-from {
		return fmt.Errorf("%d writes for the revisions %d to %d", len(writes), from+1, to)
	}
	last := map[string]int64{} // 0: not there
	for i, w := range writes {
		if w.rev != from+1+int64(i) {
			return fmt.Errorf("write %d has the revision %d", i, w.rev)
		}
		id := w.bucket + " " + w.key
		if w.expect >= 0 && w.expect != last[id] {
			return fmt.Errorf("%s: the write %d expected %d, and there was %d", id, w.rev, w.expect, last[id])
		}
		if w.remove && last[id] == 0 {
			return fmt.Errorf("%s: %d deleted what was not there", id, w.rev)
		}
		if last[id] = w.rev; w.remove {
			last[id] = 0
		}
	}
	return nil
}

func TestHistoryChecker(t *testing.T) {
	w := func(key string, expect, rev int64, remove bool) accepted {
		return accepted{bucket: "b", key: key, expect: expect, rev: rev, remove: remove}
	}
	tests := []struct {
		name   string
		writes []accepted
		good   bool
	}{
		{"a chain", []accepted{w("a", 2, 3, false), w("a", 0, 2, false), w("a", 3, 4, true), w("a", 0, 5, false)}, true},
		{"blind", []accepted{w("a", -1, 2, false), w("a", -1, 3, false)}, true},
		{"a lost update", []accepted{w("a", 0, 2, false), w("a", 2, 3, false), w("a", 2, 4, false)}, false},
		{"created twice", []accepted{w("a", 0, 2, false), w("a", 0, 3, false)}, false},
		{"deleted twice", []accepted{w("a", 0, 2, false), w("a", -1, 3, true), w("a", -1, 4, true)}, false},
		{"one revision twice", []accepted{w("a", 0, 2, false), w("b", 0, 2, false)}, false},
		{"a gap", []accepted{w("a", 0, 2, false), w("b", 0, 4, false)}, false},
	}
	for _, tt := range tests {
		to := int64(0)
		for _, w := range tt.writes {
			to = max(to, w.rev)
		}
		if err := checkHistory(tt.writes, 1, to); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// writers write random things to the buckets at the same time, each n times, and return
// what they were told.
func writers(t *testing.T, s *Store, buckets []*Bucket, count, n int) []accepted {
	var mu sync.Mutex
	var all []accepted
	var wg sync.WaitGroup
	for w := range count {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 77))
			var mine []accepted
			for i := range n {
				var cs []Change
				var told []accepted
				for range 1 + rng.IntN(10)/8*2 { // now and then several at once
					c, a := randomWrite(rng, buckets, w*n+i)
					cs, told = append(cs, c), append(told, a)
				}
				objs, err := s.Commit(context.Background(), cs...)
				var conflict *Conflict
				switch {
				case errors.As(err, &conflict):
					continue
				case err != nil && strings.Contains(err.Error(), "twice"):
					continue
				case err != nil:
					t.Error(err)
					return
				}
				for k, o := range objs {
					told[k].rev = o.Rev
				}
				mine = append(mine, told...)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	wg.Wait()
	return all
}

func randomWrite(rng *rand.Rand, buckets []*Bucket, number int) (Change, accepted) {
	c := Change{Bucket: buckets[rng.IntN(len(buckets))], Key: fmt.Sprint("k", rng.IntN(12))}
	sn := c.Bucket.Now()
	if o := sn.Get(c.Key); o != nil {
		c.Expect = o.Rev
	}
	if rng.IntN(5) == 0 {
		c.Expect = -1
	}
	if c.Expect == 0 || rng.IntN(3) > 0 {
		c.Next = numbered(number)
	}
	return c, accepted{bucket: c.Bucket.Name, key: c.Key, expect: c.Expect, remove: c.Next == nil, number: number}
}

// replay is the state of one bucket at every revision: of each, what stateOf says.
func replay(writes []accepted, bucket string) (at func(rev int64) string) {
	return func(rev int64) string {
		state := map[string]string{}
		for _, w := range writes {
			if w.bucket == bucket && w.rev <= rev {
				if state[w.key] = fmt.Sprintf("%s=%d@%d", w.key, w.number, w.rev); w.remove {
					delete(state, w.key)
				}
			}
		}
		return stateText(state)
	}
}

func stateText(state map[string]string) string {
	keys := make([]string, 0, len(state))
	for k := range state {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = state[k]
	}
	return strings.Join(texts, " ")
}

// follower is a client as an informer is one: it lists, watches, and begins again where it
// was when it is cut, and anew when that has expired.
type follower struct {
	b        *Bucket
	rng      *rand.Rand
	slow     bool
	state    map[string]string
	rev      int64
	lists    int
	seen     []int64 // revisions of events since the last list
	listedAt int64
}

func (f *follower) list() {
	sn := f.b.Now()
	f.state, f.rev, f.listedAt, f.seen = map[string]string{}, sn.Rev, sn.Rev, nil
	for o := range sn.Scan("", "") {
		f.state[o.Key] = fmt.Sprintf("%s=%d@%d", o.Key, number(o), o.Rev)
	}
	f.lists++
}

// run follows until done is closed and all was taken.
func (f *follower) run(done <-chan struct{}) error {
	f.list()
	for {
		c, err := f.b.Watch(f.rev)
		if err != nil {
			f.list()
			continue
		}
		for cut := 1 + f.rng.IntN(50); cut > 0; cut-- {
			events, wait, err := c.Next(nil, 1+f.rng.IntN(20))
			if err != nil {
				var expired *Expired
				if !errors.As(err, &expired) {
					return err
				}
				f.list()
				break
			}
			for _, e := range events {
				if err := f.apply(e); err != nil {
					return err
				}
			}
			if wait == nil {
				continue
			}
			select {
			case <-wait:
			case <-done:
				if c.Lag() == 0 {
					return nil
				}
			}
			if f.slow { // let others write
				for range 200 {
					f.b.store.Bucket("x").Now()
				}
			}
		}
	}
}

// apply refuses what a correct log does not send: something old, or what does not follow
// from what was sent before.
func (f *follower) apply(e *Event) error {
	if e.Rev <= f.rev {
		return fmt.Errorf("event %d after %d", e.Rev, f.rev)
	}
	before := ""
	if e.Prev != nil {
		before = fmt.Sprintf("%s=%d@%d", e.Prev.Key, number(e.Prev), e.Prev.Rev)
	}
	if f.state[e.Object.Key] != before {
		return fmt.Errorf("event %d replaces %q, and %q is there", e.Rev, before, f.state[e.Object.Key])
	}
	if f.state[e.Object.Key] = fmt.Sprintf("%s=%d@%d", e.Object.Key, number(e.Object), e.Rev); e.Kind == Deleted {
		delete(f.state, e.Object.Key)
	}
	f.rev, f.seen = e.Rev, append(f.seen, e.Rev)
	return nil
}

// pageReader lists in pages at a fixed revision, while writers go on, and returns the
// states it found by revision.
func pageReader(b *Bucket, done <-chan struct{}) (map[int64]string, error) {
	states := map[int64]string{}
	for {
		first := b.Now()
		state, from := map[string]string{}, ""
		for {
			sn, err := b.At(first.Rev)
			var expired *Expired
			if errors.As(err, &expired) {
				break
			}
			if err != nil {
				return nil, err
			}
			n, more := 0, false
			for o := range sn.Scan("", from) {
				if n == 3 {
					from, more = o.Key, true
					break
				}
				state[o.Key] = fmt.Sprintf("%s=%d@%d", o.Key, number(o), o.Rev)
				n++
			}
			if !more {
				states[first.Rev] = stateText(state)
				break
			}
		}
		select {
		case <-done:
			return states, nil
		default:
		}
	}
}

// Writers, followers and readers of pages at the same time: the history is one that a
// store may have, every follower ends with the state and got each event once, and pages
// show the state of their revision.
func TestHistory(t *testing.T) {
	for _, window := range []int{math.MaxInt, 50} {
		t.Run(fmt.Sprint("window ", window), func(t *testing.T) {
			s := storeOf(window)
			buckets := []*Bucket{s.Bucket("one"), s.Bucket("two")}
			done := make(chan struct{})
			var wg sync.WaitGroup
			followers := make([]*follower, 8)
			for i := range followers {
				f := &follower{b: buckets[i%2], rng: rand.New(rand.NewPCG(uint64(i), 3)), slow: i%4 > 1}
				followers[i] = f
				wg.Go(func() {
					if err := f.run(done); err != nil {
						t.Errorf("follower %d: %v", i, err)
					}
				})
			}
			pages := make([]map[int64]string, 2)
			for i := range pages {
				wg.Go(func() {
					var err error
					if pages[i], err = pageReader(buckets[i], done); err != nil {
						t.Errorf("pages %d: %v", i, err)
					}
				})
			}
			writes := writers(t, s, buckets, 4, 400)
			close(done)
			wg.Wait()
			if err := checkHistory(writes, 1, s.Revision()); err != nil {
				t.Fatal(err)
			}
			for i, b := range buckets {
				at := replay(writes, b.Name)
				if got, want := stateOf(b.Now()), at(s.Revision()); got != want {
					t.Errorf("%s is %s, want %s", b.Name, got, want)
				}
				for rev, got := range pages[i] {
					if want := at(rev); got != want {
						t.Errorf("the pages of %s at %d show %s, want %s", b.Name, rev, got, want)
					}
				}
			}
			for i, f := range followers {
				checkFollower(t, i, f, writes)
				if window == math.MaxInt && f.lists != 1 {
					t.Errorf("follower %d listed %d times", i, f.lists)
				}
			}
		})
	}
}

func checkFollower(t *testing.T, i int, f *follower, writes []accepted) {
	t.Helper()
	if got, want := stateText(f.state), stateOf(f.b.Now()); got != want {
		t.Errorf("follower %d has %s, want %s", i, got, want)
	}
	var want []int64
	for _, w := range writes {
		if w.bucket == f.b.Name && w.rev > f.listedAt {
			want = append(want, w.rev)
		}
	}
	if !slices.Equal(f.seen, want) {
		t.Errorf("follower %d saw %d events after %d, want %d", i, len(f.seen), f.listedAt, len(want))
	}
}

// A watch from each revision of a history sees exactly what is later.
func TestWatchFromEveryRevision(t *testing.T) {
	s := storeOf(math.MaxInt)
	buckets := []*Bucket{s.Bucket("one"), s.Bucket("two")}
	writes := writers(t, s, buckets, 3, 100)
	if err := checkHistory(writes, 1, s.Revision()); err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		for rev := int64(1); rev <= s.Revision(); rev++ {
			sn, err := b.At(rev)
			if err != nil {
				t.Fatal(err)
			}
			f := &follower{b: b, state: map[string]string{}, rev: rev, listedAt: rev}
			for o := range sn.Scan("", "") {
				f.state[o.Key] = fmt.Sprintf("%s=%d@%d", o.Key, number(o), o.Rev)
			}
			c, err := b.Watch(rev)
			if err != nil {
				t.Fatal(err)
			}
			events, _, err := c.Next(nil, math.MaxInt)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if err := f.apply(e); err != nil {
					t.Fatalf("from %d: %v", rev, err)
				}
			}
			checkFollower(t, int(rev), f, writes)
		}
	}
}
