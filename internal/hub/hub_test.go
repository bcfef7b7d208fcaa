package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// newTestHub has the topics many (on demand), a, b and c, and no stamps.
func newTestHub(first int64) *Hub {
	return New(first, func() int64 { return 0 }, "many", "a", "b", "c")
}

func (h *Hub) fill(topic string, n int) {
	for i := range n {
		h.Add(topic, topic, i)
	}
}

// shown is an event as the tables below have it: its id, or what a reader is told.
func shown(e Event) string {
	switch item := e.Item.(type) {
	case Missed:
		if item.Events == nil {
			return "missed:?"
		}
		return fmt.Sprint("missed:", *item.Events)
	case End:
		return "end:" + string(item)
	}
	return fmt.Sprint(e.ID)
}

// readAll is everything that a reader has now.
func readAll(r *Reader) string {
	var out []string
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		out = append(out, shown(e))
	}
	return strings.Join(out, " ")
}

// open opens a reader of topics, separated by spaces; after 0 is of what comes from now on.
func (h *Hub) open(topics string, after int64) *Reader {
	if after == 0 {
		return h.Open(strings.Fields(topics), nil)
	}
	return h.Open(strings.Fields(topics), &after)
}

// TestMissed: how many are missing is exact, or not known where other topics have lost some too.
func TestMissed(t *testing.T) {
	h := newTestHub(1)
	h.fill("a", 10)         // 1 to 10
	h.fill("b", Kept)       // 11 to 10010
	h.fill("a", Kept-3)     // 7 of the first go
	h.fill("c", 1)          // 20008
	const last = 2*Kept + 8 //
	for _, c := range []struct {
		topics string
		after  int64
		want   string // how it begins
	}{
		{"a", 1, "missed:6 8"}, {"a", 6, "missed:1 8"}, {"a", 7, "8"}, {"a", 9, "10"}, {"a", last, ""},
		{"a c", 2, "missed:5 8"}, {"b", 1, "11"}, {"b", 10009, "10010"}, {"c", 1, "20008"}, {"c", last, ""},
		{"a", last + 1, "missed:? 8"}, {"c", last + 1, "missed:? 20008"}, {"b", -5, "missed:? 11"},
	} {
		got := readAll(h.open(c.topics, c.after))
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want+" ")) {
			t.Errorf("%s after %d: %.40s, want %s", c.topics, c.after, got, c.want)
		}
	}
	h.fill("b", 5)
	if got := readAll(h.open("a", 3)); !strings.HasPrefix(got, "missed:? 8 ") {
		t.Errorf("with other losses: %.40s", got)
	}
	if got := readAll(h.open("a b", 3)); !strings.HasPrefix(got, "missed:9 8 ") {
		t.Errorf("with all losses: %.40s", got)
	}
	// A reader that is there knows exactly, whatever others lose.
	r := h.open("a", 0)
	h.fill("a", Kept+2)
	h.fill("b", Kept+2)
	if got := readAll(r); got != "missed:2 end:slow" {
		t.Errorf("too slow: %.40s", got)
	}
	h.Close()
	zero := int64(0)
	r = h.Open([]string{"c"}, &zero)
	if got := readAll(r); got != "missed:? 20008 end:stopping" {
		t.Errorf("at the end: %.60s", got)
	}
	if got := readAll(r); got != "" {
		t.Errorf("after the end: %.60s", got)
	}
}

// TestOnDemand: the topic is recorded while somebody reads it and a Linger longer, and what went
// by unrecorded is announced.
func TestOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub(1000)
		check := func(what string, r *Reader, want string) {
			t.Helper()
			if got := readAll(r); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			r.Close()
		}
		h.fill("many", 3) // nobody reads: no ids
		h.fill("a", 2)    // 1000, 1001
		check("other topics", h.open("a b", 1000), "1001")
		if h.Recording() {
			t.Error("it is recorded, and nobody reads it")
		}
		check("what nobody read", h.open("a many", 1000), "missed:? 1001")
		if !h.Recording() {
			t.Error("it is not recorded any more as soon as its reader has gone")
		}

		time.Sleep(Linger - 1)
		h.fill("many", 2) // 1002, 1003
		check("within the time", h.open("many", 1001), "missed:? 1002 1003")
		check("behind the first", h.open("many", 1002), "1003")

		// Two readers: the time begins when the second has gone.
		one, two := h.open("many", 0), h.open("many", 0)
		one.Close()
		time.Sleep(2 * Linger)
		h.fill("many", 1) // 1004
		check("the second", two, "1004")

		time.Sleep(Linger)
		h.fill("many", 1) // finds that nobody has come back
		if h.Recording() || len(h.onDemand.events) > 0 {
			t.Errorf("after the time: recording %t, %d events", h.Recording(), len(h.onDemand.events))
		}
		h.fill("a", 1) // 1005
		check("other topics over the gap, whose losses may be theirs", h.open("a", 1000), "1001 1005")
		check("over the gap", h.open("many", 1004), "missed:?")
		h.fill("many", 1) // 1006
		check("the gap is not forgotten", h.open("many", 1005), "missed:? 1006")
		check("but lies before what is recorded", h.open("many", 1006), "")
	})
}

// TestReady: a reader that has found nothing gets one token for what comes in its topics, and none
// for other topics or before it has looked.
func TestReady(t *testing.T) {
	h := newTestHub(1)
	r := h.open("a b", 0)
	token := func() bool {
		select {
		case <-r.Ready():
			return true
		default:
			return false
		}
	}
	if h.fill("a", 1); token() {
		t.Error("a token before Next has found nothing")
	}
	if got := readAll(r); got != "1" {
		t.Fatalf("got %q", got)
	}
	if h.fill("c", 5); token() {
		t.Error("a token for another topic")
	}
	if h.fill("b", 3); !token() || token() {
		t.Error("three events want one token")
	}
	if got := readAll(r); got != "7 8 9" {
		t.Errorf("got %q", got)
	}
	if h.Close(); !token() {
		t.Error("no token at the end")
	}
	if r.Stopped().Err() == nil {
		t.Error("Stopped has not ended")
	}
	if got := readAll(r); got != "end:stopping" {
		t.Errorf("got %q", got)
	}
	h.Close()
	h.fill("a", 1)
	if _, ok := r.Next(); ok {
		t.Error("an event after the end")
	}
}

// TestOldestID: it is the least id of the reader's topics when it was opened, and stays.
func TestOldestID(t *testing.T) {
	h := newTestHub(1)
	if got := h.open("a", 0).OldestID(); got != nil {
		t.Errorf("of nothing: %d", *got)
	}
	h.fill("b", 1)
	h.fill("a", Kept+2) // 2 and 3 go
	r := h.open("a", 0)
	for topics, want := range map[string]int64{"a": 4, "b": 1, "a b": 1, "b a": 1, "c a": 4} {
		if got := h.open(topics, 0).OldestID(); got == nil || *got != want {
			t.Errorf("%s: got %v, want %d", topics, got, want)
		}
	}
	h.fill("a", 1)
	if got := *r.OldestID(); got != 4 {
		t.Errorf("it has changed to %d", got)
	}
}

// TestStamps: an event has the stamp of its moment, and what it was added with.
func TestStamps(t *testing.T) {
	var n int64
	h := New(1, func() int64 { n += 10; return n }, "many", "a")
	r := h.open("a", 0)
	h.Add("many", "dropped, so without a stamp", nil)
	h.Add("a", "name", "item")
	h.Add("a", "another", nil)
	one, _ := r.Next()
	two, _ := r.Next()
	if one.ID != 1 || one.Stamp != 10 || one.Name != "name" || one.Item != "item" || time.Since(one.At) > time.Minute || two.Stamp != 20 {
		t.Errorf("got %+v and %+v", one, two)
	}
}

// TestAgainstLists adds events at random to a hub and to plain lists, with readers that come,
// read and resume in between, and compares what each reader gets with its list. Nothing is lost,
// since no ring is filled.
func TestAgainstLists(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	topics := []string{"a", "b", "c"}
	h := newTestHub(1)
	var all []Event
	type reader struct {
		*Reader
		topics []string
		id     int64 // it has read up to here
	}
	choose := func() []string {
		out := slices.Clone(topics)
		random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out[:1+random.IntN(len(out))]
	}
	var readers []*reader
	for step := range 20_000 {
		switch n := random.IntN(10); {
		case n < 5:
			topic := topics[random.IntN(len(topics))]
			all = append(all, Event{ID: int64(len(all) + 1), Name: topic, Item: step})
			h.Add(topic, topic, step)
		case n == 5 && len(readers) < 20:
			of := choose()
			if id := random.Int64N(int64(len(all) + 1)); id > 0 {
				readers = append(readers, &reader{h.Open(of, &id), of, id})
			} else {
				readers = append(readers, &reader{h.Open(of, nil), of, int64(len(all))})
			}
		case n == 6 && len(readers) > 10:
			i := random.IntN(len(readers))
			readers[i].Close()
			readers = slices.Delete(readers, i, i+1)
		case len(readers) > 0:
			r := readers[random.IntN(len(readers))]
			i := slices.IndexFunc(all, func(e Event) bool { return e.ID > r.id && slices.Contains(r.topics, e.Name) })
			got, ok := r.Next()
			if ok != (i >= 0) || ok && (got.ID != all[i].ID || got.Name != all[i].Name || got.Item != all[i].Item) {
				t.Fatalf("seed %d, step %d: %v after %d got %+v %t, want event %d of %d", seed, step, r.topics, r.id, got, ok, i, len(all))
			}
			r.id = max(r.id, got.ID)
		}
	}
	if h.Readers() != len(readers) {
		t.Errorf("%d readers, want %d", h.Readers(), len(readers))
	}
}

// TestAtOnce: many add while many read; each reader gets each event of its topics once, in order.
func TestAtOnce(t *testing.T) {
	const writers, each = 4, 500
	h := newTestHub(1)
	var readers, all sync.WaitGroup
	for _, topics := range []string{"a", "b", "a b", "c a", "many"} {
		r := h.open(topics, 0)
		readers.Go(func() {
			defer r.Close()
			seen, last := map[string]int{}, int64(0)
			for {
				e, ok := r.Next()
				if !ok {
					<-r.Ready()
					continue
				}
				if end, ended := e.Item.(End); ended {
					if end != Stopping {
						t.Errorf("%s: ended %s", topics, end)
					}
					break
				}
				if e.ID <= last {
					t.Errorf("%s: %d after %d", topics, e.ID, last)
				}
				last = e.ID
				seen[e.Name]++
			}
			for _, topic := range strings.Fields(topics) {
				if seen[topic] != writers*each {
					t.Errorf("%s: %d events of %s, want %d", topics, seen[topic], topic, writers*each)
				}
				delete(seen, topic)
			}
			if len(seen) > 0 {
				t.Errorf("%s: got %v besides", topics, seen)
			}
		})
	}
	for range writers {
		all.Go(func() {
			for range each {
				for _, topic := range []string{"a", "b", "c", "many"} {
					h.Add(topic, topic, nil)
				}
			}
		})
	}
	all.Wait()
	h.Close()
	readers.Wait()
	if n := h.Readers(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

// TestAddAllocates nothing once a ring is full.
func TestAddAllocates(t *testing.T) {
	h := newTestHub(1)
	h.fill("a", Kept)
	r := h.open("a", 0)
	defer r.Close()
	if n := testing.AllocsPerRun(1000, func() { h.Add("a", "a", nil) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}
