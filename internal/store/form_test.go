package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"
)

// view is what a test sees objects by. Views are told by their pointers, so they have a size.
type view struct{ name string }

// newEvent commits one write and returns its event.
func newEvent(t testing.TB, s *Store, n int) *Event {
	t.Helper()
	b := s.Bucket("things")
	c, err := b.Watch(s.Revision())
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(n)})
	events, _, err := c.Next(nil, 1)
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	return events[0]
}

// formsOf is the keys of what an event keeps.
func formsOf(e *Event) (keys []FormKey) {
	if forms := e.forms.Load(); forms != nil {
		for _, f := range *forms {
			if f.text.Load() != nil {
				keys = append(keys, f.key)
			}
		}
	}
	return keys
}

// Each of these keys is a form of its own; asked again, each gives what was made first.
func TestFormKeys(t *testing.T) {
	s := storeOf(10)
	e := newEvent(t, s, 1)
	if e.forms.Load() != nil || s.forms.kept.len() != 0 {
		t.Error("a commit made forms")
	}
	v1, v2 := &view{"v"}, &view{"v"}
	keys := []FormKey{
		{},
		{View: v1}, {View: v2}, {View: "v"},
		{Form: "Table v1 Metadata"}, {Form: "Table v1 Object"}, {View: v1, Form: "Table v1 Metadata"},
		{Kind: Added}, {Kind: Deleted}, {Form: "Table v1 Metadata", Kind: Deleted},
		{At: 1}, {At: 2}, {View: v1, Form: "Table v1 Metadata", Kind: Added, At: 1},
	}
	made := 0
	for range 3 {
		for i, key := range keys {
			got := e.Form(key, func() []byte {
				made++
				return fmt.Append(nil, "form ", i)
			})
			if want := fmt.Sprint("form ", i); string(got) != want {
				t.Errorf("%+v is %s, want %s", key, got, want)
			}
		}
	}
	if made != len(keys) {
		t.Errorf("%d were made of %d", made, len(keys))
	}
	// Another event shares nothing.
	if got := newEvent(t, s, 2).Form(keys[0], func() []byte { return []byte("other") }); string(got) != "other" {
		t.Errorf("the form of another event is %s", got)
	}
	// A view is its pointer, not what it points to, and may be any comparable.
	if got := e.Form(FormKey{View: &view{"v"}}, func() []byte { return nil }); got != nil {
		t.Errorf("a view that was not there has %s", got)
	}
}

// An empty text is a text: it is not made again.
func TestFormOfNothing(t *testing.T) {
	e := newEvent(t, storeOf(10), 1)
	made := 0
	for range 3 {
		if got := e.Form(FormKey{}, func() []byte { made++; return nil }); len(got) != 0 {
			t.Errorf("nothing became %q", got)
		}
	}
	if made != 1 {
		t.Errorf("nothing was made %d times", made)
	}
}

// An event that a caller made, as for an object that is there already, keeps nothing.
func TestFormOfAForeignEvent(t *testing.T) {
	e := &Event{Kind: Added, Rev: 7}
	for want := range 3 {
		if got := e.Form(FormKey{}, func() []byte { return fmt.Append(nil, want) }); string(got) != fmt.Sprint(want) {
			t.Errorf("got %s, want %d", got, want)
		}
	}
}

// What a caller appends to a form is its own.
func TestFormsAreNotExtended(t *testing.T) {
	e := newEvent(t, storeOf(10), 1)
	encode := func() []byte { return append(make([]byte, 0, 64), "text"...) }
	one := append(e.Form(FormKey{}, encode), " of one"...)
	two := append(e.Form(FormKey{}, encode), " of another"...)
	if got := string(one) + "," + string(two); got != "text of one,text of another" {
		t.Errorf("got %s", got)
	}
}

// Many watchers want several forms of several events at once: each form is made once, and
// everybody gets it.
func TestFormsAtOnce(t *testing.T) {
	s := storeOf(1000)
	const watchers, kinds = 16, 5
	var events []*Event
	for i := range 40 {
		events = append(events, newEvent(t, s, i))
	}
	made := make([]atomic.Int64, len(events)*kinds)
	var wg sync.WaitGroup
	for w := range watchers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			for i, e := range events {
				for _, k := range rng.Perm(kinds) {
					got := e.Form(FormKey{Kind: byte(k)}, func() []byte {
						made[i*kinds+k].Add(1)
						return fmt.Append(nil, e.Rev, " ", k)
					})
					if want := fmt.Sprint(e.Rev, " ", k); string(got) != want {
						t.Errorf("got %s, want %s", got, want)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range made {
		if n := made[i].Load(); n != 1 {
			t.Errorf("form %d of event %d was made %d times", i%kinds, i/kinds, n)
		}
	}
	if n := s.forms.kept.len(); n != len(events)*kinds {
		t.Errorf("%d are kept of %d", n, len(events)*kinds)
	}
}

// While one watcher encodes, who wants the same form waits for it, and who wants another, or
// that form of another event, does not.
func TestFormUnderWay(t *testing.T) {
	s := storeOf(10)
	e, other := newEvent(t, s, 1), newEvent(t, s, 2)
	began, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if got := e.Form(FormKey{}, func() []byte { close(began); <-goOn; return []byte("slow") }); string(got) != "slow" {
			t.Errorf("the first got %s", got)
		}
	})
	<-began
	for range 3 {
		wg.Go(func() {
			if got := e.Form(FormKey{}, func() []byte { return []byte("made again") }); string(got) != "slow" {
				t.Errorf("who waited got %s", got)
			}
		})
	}
	if got := e.Form(FormKey{Kind: Added}, func() []byte { return []byte("another form") }); string(got) != "another form" {
		t.Errorf("another form is %s", got)
	}
	if got := other.Form(FormKey{}, func() []byte { return []byte("another event") }); string(got) != "another event" {
		t.Errorf("that of another event is %s", got)
	}
	close(goOn)
	wg.Wait()
}

// An encoding that panics leaves nothing behind: it is tried again by who comes next, and
// then charged once.
func TestFormThatPanics(t *testing.T) {
	s := storeOf(10)
	e := newEvent(t, s, 1)
	for range 2 {
		func() {
			defer func() {
				if got := recover(); got != "cannot be shown" {
					t.Errorf("recovered %v", got)
				}
			}()
			e.Form(FormKey{}, func() []byte { panic("cannot be shown") })
		}()
		if len(formsOf(e)) != 0 || s.forms.kept.len() != 0 || s.forms.bytes != 0 {
			t.Errorf("it kept %v", formsOf(e))
		}
	}
	for range 2 {
		if got := e.Form(FormKey{}, func() []byte { return []byte("text") }); string(got) != "text" {
			t.Errorf("afterwards it is %s", got)
		}
	}
	if n := s.forms.kept.len(); n != 1 || s.forms.bytes != int64(len("text")+formCost) {
		t.Errorf("%d are kept in %d bytes", n, s.forms.bytes)
	}
}

// What is kept, against a list of what was made: the oldest go first, by number or by bytes,
// and what was let go is made again.
func TestFormBounds(t *testing.T) {
	for name, size := range map[string]func(*rand.Rand) int{
		"small":  func(r *rand.Rand) int { return r.IntN(100) },
		"large":  func(r *rand.Rand) int { return r.IntN(formBytes / 20) },
		"varied": func(r *rand.Rand) int { return []int{10, 1000, formBytes / 3, 2 * formBytes}[r.IntN(4)] },
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOf(1000)
			var events []*Event
			for i := range 200 {
				events = append(events, newEvent(t, s, i))
			}
			rng := rand.New(rand.NewPCG(11, 12))
			room := make([]byte, 2*formBytes)
			type made struct {
				e     *Event
				key   FormKey
				bytes int64
			}
			var model []made
			bytes := int64(0)
			for range 5000 {
				e, key := events[rng.IntN(len(events))], FormKey{Kind: byte(rng.IntN(12))}
				was := slices.ContainsFunc(model, func(m made) bool { return m.e == e && m.key == key })
				n := size(rng)
				again := false
				e.Form(key, func() []byte { again = true; return room[:n:n] })
				if again == was {
					t.Fatalf("kept %v, and made again %v", was, again)
				}
				if !again {
					continue
				}
				model = append(model, made{e, key, int64(n) + formCost})
				for bytes += int64(n) + formCost; len(model) > 1 && (len(model) > formsKept || bytes > formBytes); model = model[1:] {
					bytes -= model[0].bytes
				}
				if s.forms.bytes != bytes || s.forms.kept.len() != len(model) {
					t.Fatalf("%d of %d bytes are kept, want %d of %d", s.forms.kept.len(), s.forms.bytes, len(model), bytes)
				}
			}
			total := 0
			for _, e := range events {
				total += len(formsOf(e))
			}
			if total != len(model) {
				t.Errorf("the events have %d forms, want %d", total, len(model))
			}
			if len(model) == 0 || name == "small" && len(model) != formsKept || name != "small" && len(model) == formsKept {
				t.Errorf("the other bound was tried: %d are kept", len(model))
			}
		})
	}
}

// Room that a text does not use is held all the same, and counts.
func TestFormChargesItsRoom(t *testing.T) {
	s := storeOf(10)
	newEvent(t, s, 1).Form(FormKey{}, func() []byte { return make([]byte, 10, 5000) })
	if s.forms.bytes != 5000+formCost {
		t.Errorf("%d bytes are charged", s.forms.bytes)
	}
}

// Watchers at different places go on while forms come and go: everybody gets the right text
// of each event, and the books are right at the end.
func TestFormsUnderPressure(t *testing.T) {
	s := storeOf(1000)
	var events []*Event
	for i := range 100 {
		events = append(events, newEvent(t, s, i))
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 13))
			for range 400 {
				e, k := events[rng.IntN(len(events))], rng.IntN(3)
				want := strings.Repeat(fmt.Sprint(e.Rev, ".", k, " "), 10_000)
				if got := e.Form(FormKey{Kind: byte(k)}, func() []byte { return []byte(want) }); string(got) != want {
					t.Errorf("a wrong text for %d.%d", e.Rev, k)
					return
				}
			}
		})
	}
	wg.Wait()
	total, bytes := 0, int64(0)
	for _, e := range events {
		total += len(formsOf(e))
	}
	for i := range s.forms.kept.len() {
		bytes += s.forms.kept.at(i).bytes
	}
	if total != s.forms.kept.len() || bytes != s.forms.bytes || bytes > formBytes {
		t.Errorf("%d forms are kept and %d known, in %d bytes of which %d are known", total, s.forms.kept.len(), bytes, s.forms.bytes)
	}
}

// An event that has left the log, and its forms, go when nobody has it, however little is
// encoded afterwards.
func TestFormsGoWithTheirEvent(t *testing.T) {
	s := storeOf(2)
	e := newEvent(t, s, 1)
	e.Form(FormKey{Form: "a"}, func() []byte { return make([]byte, 1000) })
	f, event := weak.Make(e.find(FormKey{Form: "a"})), weak.Make(e)
	runtime.GC()
	if event.Value() == nil || f.Value() == nil || len(e.Form(FormKey{Form: "a"}, func() []byte { return nil })) != 1000 {
		t.Error("an event of the log has lost its form")
	}
	for i := range 2 {
		newEvent(t, s, i)
	}
	e = nil
	runtime.GC()
	if event.Value() != nil || f.Value() != nil {
		t.Errorf("the event is held: %v, its form: %v", event.Value() != nil, f.Value() != nil)
	}
	// What is still charged goes in its turn.
	late := newEvent(t, s, 9)
	for i := range formsKept {
		late.Form(FormKey{At: int64(i)}, func() []byte { return nil })
	}
	if n := len(formsOf(late)); n != formsKept || s.forms.bytes != formsKept*formCost {
		t.Errorf("%d forms in %d bytes", n, s.forms.bytes)
	}
	runtime.KeepAlive(s)
}

// A form that is kept costs nothing to get.
func TestFormAllocations(t *testing.T) {
	e := newEvent(t, storeOf(10), 1)
	v, n := &view{"v"}, 0
	get := func() {
		e.Form(FormKey{View: v, Form: "Table v1 Metadata", Kind: Modified, At: 7}, func() []byte { n++; return []byte("text") })
	}
	get()
	if got := testing.AllocsPerRun(100, get); got != 0 || n != 1 {
		t.Errorf("%v allocations, made %d times", got, n)
	}
}

// BenchmarkForm is a form that is kept, beside one that has to be made, and kept in the place of
// another.
func BenchmarkForm(b *testing.B) {
	v, text := &view{"v"}, make([]byte, 1000)
	b.Run("kept", func(b *testing.B) {
		e := newEvent(b, storeOf(10), 1)
		b.ReportAllocs()
		for b.Loop() {
			e.Form(FormKey{View: v, Form: "Table v1 Metadata", Kind: Modified}, func() []byte { return text })
		}
	})
	b.Run("made", func(b *testing.B) {
		s, i := storeOf(4096), 0
		var events []*Event
		for n := range 2 * formsKept {
			events = append(events, newEvent(b, s, n))
		}
		b.ReportAllocs()
		for b.Loop() {
			i++
			events[i%len(events)].Form(FormKey{View: v, Form: "Table v1 Metadata", Kind: Modified}, func() []byte { return text })
		}
	})
}
