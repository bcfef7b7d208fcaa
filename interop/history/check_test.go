package history

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestGoodHistories: nothing is said against what a correct server has shown, however its answers were lost and
// whether or not a watch was there to tell of deletions.
func TestGoodHistories(t *testing.T) {
	for seed := range uint64(50) {
		h := simulate(seed, 2000)
		unwatched := h.clone()
		unwatched.Watches = nil
		for name, h := range map[string]History{"watched": h, "unwatched": unwatched} {
			for _, f := range Check(h) {
				t.Errorf("seed %d, %s: %v", seed, name, f)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// find returns the operations that are as wanted.
func find(h History, want func(*Op) bool) (all []*Op) {
	for _, op := range h.Ops {
		if want(op) {
			all = append(all, op)
		}
	}
	return all
}

func written(op *Op) bool {
	return op.Outcome == OK && (op.Verb == Create || op.Verb == Update)
}

// events calls f with each event of each watch until it says that it has done its work.
func events(h History, f func(w *Watch, i int) bool) bool {
	for _, w := range h.Watches {
		for i := range w.Events {
			if f(w, i) {
				return true
			}
		}
	}
	return false
}

// remove removes an event.
func remove(w *Watch, i int) bool { w.Events = slices.Delete(w.Events, i, i+1); return true }

// spoils are what makes a history bad, and as what it must be found. spoil says whether the history has what it takes.
var spoils = []struct {
	name  string
	want  []Kind // any of them
	spoil func(h *History) bool
}{
	{"a read of what was replaced", []Kind{Lost}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return op.Outcome == OK && op.Verb == Get }) {
			for _, old := range find(*h, func(o *Op) bool { return written(o) && o.Key == op.Key && o.Rev < op.Rev }) {
				if next := find(*h, func(o *Op) bool { return written(o) && o.Expect == old.Rev && o.End < op.Start }); len(next) > 0 {
					op.Rev, op.Value = old.Rev, old.Value
					return true
				}
			}
		}
		return false
	}},
	{"an object that is read as absent", []Kind{Lost}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return op.Outcome == OK && op.Verb == Get }) {
			alone := find(*h, func(o *Op) bool {
				return o.Key == op.Key && o.Verb == Delete && o.Start <= op.End && (o.End >= op.Start || o.Outcome == Unknown)
			})
			known := find(*h, func(o *Op) bool { return o.Value == op.Value && o.Outcome == OK && o.End < op.Start })
			if len(alone) == 0 && len(known) > 0 {
				op.Outcome, op.Reason, op.Rev = Refused, Absent, 0
				return true
			}
		}
		return false
	}},
	{"a value from nowhere", []Kind{Phantom}, func(h *History) bool {
		op := find(*h, func(op *Op) bool { return op.Outcome == OK && op.Verb == Get })[0]
		op.Value, op.Rev = "nobody's", op.Rev+1000000
		return true
	}},
	{"a refused write that has happened", []Kind{Phantom}, func(h *History) bool {
		for _, op := range find(*h, written) {
			if events(*h, func(w *Watch, i int) bool { return w.Events[i].Value == op.Value }) {
				op.Outcome, op.Reason = Refused, Conflict
				return true
			}
		}
		return false
	}},
	{"a deletion by nobody", []Kind{Phantom, Forked}, func(h *History) bool {
		for i, op := range h.Ops {
			if op.Verb == Delete && op.Outcome == OK {
				twin := find(*h, func(o *Op) bool {
					return o.Verb == Delete && o.Key == op.Key && o.Expect == op.Expect && o.Outcome != Refused
				})
				if len(twin) == 1 && events(*h, func(w *Watch, i int) bool {
					e := w.Events[i]
					was := find(*h, func(o *Op) bool { return o.Rev == op.Expect && written(o) })
					return e.Type == Deleted && len(was) > 0 && e.Value == was[0].Value
				}) {
					h.Ops = slices.Delete(h.Ops, i, i+1)
					return true
				}
			}
		}
		return false
	}},
	{"two updates of one version", []Kind{Forked}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return written(op) && op.Verb == Update }) {
			if next := find(*h, func(o *Op) bool { return written(o) && o.Verb == Update && o.Expect == op.Rev }); len(next) > 0 {
				next[0].Expect = op.Expect
				return true
			}
		}
		return false
	}},
	{"two creations", []Kind{Forked}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return written(op) && op.Verb == Update }) {
			op.Verb, op.Expect = Create, 0
			return true
		}
		return false
	}},
	{"one revision twice", []Kind{Forked}, func(h *History) bool {
		ops := find(*h, func(op *Op) bool { return written(op) && op.Verb == Update })
		ops[1].Key, ops[1].Rev = ops[0].Key, ops[0].Rev
		return true
	}},
	{"a write that is older than one before it", []Kind{Backwards}, func(h *History) bool {
		*h = History{Ops: []*Op{
			{Verb: Create, Key: "n/a", Value: "a", Outcome: OK, Rev: 10, Start: 1, End: 2},
			{Verb: Create, Key: "n/b", Value: "b", Outcome: OK, Rev: 9, Start: 3, End: 4},
		}}
		return true
	}},
	{"a list at a revision that is past", []Kind{Backwards}, func(h *History) bool {
		ops := find(*h, func(op *Op) bool { return op.Verb == List && op.Outcome == OK && op.Rev > 10 })
		ops[len(ops)-1].Rev = 3
		return true
	}},
	{"a list without an object", []Kind{Torn, Lost}, func(h *History) bool {
		ops := find(*h, func(op *Op) bool { return op.Verb == List && len(op.Items) > 0 })
		for key := range ops[len(ops)/2].Items {
			delete(ops[len(ops)/2].Items, key)
			break
		}
		return true
	}},
	{"a list with an object of before", []Kind{Torn}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return op.Verb == List }) {
			for key, item := range op.Items {
				if by := find(*h, func(o *Op) bool { return written(o) && o.Rev == item.Rev && o.Verb == Update }); len(by) > 0 {
					if was := find(*h, func(o *Op) bool { return written(o) && o.Rev == by[0].Expect }); len(was) > 0 {
						op.Items[key] = Item{was[0].Value, was[0].Rev}
						return true
					}
				}
			}
		}
		return false
	}},
	{"seen before it was written", []Kind{Future}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool { w.Events[i].At = 0; return w.Events[i].Type != Bookmark })
	}},
	{"a conflict with nothing", []Kind{Unfounded}, func(h *History) bool {
		for _, op := range find(*h, func(op *Op) bool { return op.Outcome == OK && op.Verb == Get }) {
			others := find(*h, func(o *Op) bool { return o.Key == op.Key && o.Expect == op.Rev })
			known := find(*h, func(o *Op) bool { return o.Value == op.Value && o.Outcome == OK && o.End < op.Start })
			if len(others) == 0 && len(known) > 0 {
				refused := &Op{Verb: Update, Key: op.Key, Value: "refused", Expect: op.Rev, Start: op.Start, End: op.End}
				refused.Outcome, refused.Reason = Refused, Conflict
				h.Ops = append(h.Ops, refused)
				return true
			}
		}
		return false
	}},
	{"exists, and never was", []Kind{Unfounded}, func(h *History) bool {
		h.Ops = append(h.Ops, &Op{Verb: Create, Key: "n0/other", Value: "refused", Outcome: Refused, Reason: Exists})
		return true
	}},
	{"two events in the wrong order", []Kind{Unordered}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			if i == 0 || w.Events[i].Type == Bookmark || w.Events[i-1].Type == Bookmark {
				return false
			}
			w.Events[i], w.Events[i-1] = w.Events[i-1], w.Events[i]
			return true
		})
	}},
	{"an event twice", []Kind{Unordered}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			w.Events = slices.Insert(w.Events, i, w.Events[i])
			return w.Events[i].Type != Bookmark
		})
	}},
	{"an event of the wrong type", []Kind{Unordered}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			is := w.Events[i].Type == Modified
			if is {
				w.Events[i].Type = Added
			}
			return is
		})
	}},
	{"an event of another namespace", []Kind{Phantom}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			w.Scope = "n" + string('0'+'1'-w.Scope[1])
			return w.Events[i].Type != Bookmark
		})
	}},
	{"an event is missing", []Kind{Missed, Forked}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			return i+1 < len(w.Events) && w.Events[i].Type != Bookmark && remove(w, i)
		})
	}},
	{"a deletion that no watch tells", []Kind{Missed, Unordered}, func(h *History) bool {
		var gone Event
		events(*h, func(w *Watch, i int) bool {
			gone = w.Events[i]
			again := find(*h, func(op *Op) bool { return written(op) && op.Key == gone.Key && op.Rev > gone.Rev })
			seen := slices.ContainsFunc(w.Events[:i], func(e Event) bool { return e.Key == gone.Key && e.Value == gone.Value })
			return gone.Type == Deleted && seen && len(again) > 0 && w.Events[len(w.Events)-1].Rev > again[0].Rev
		})
		for events(*h, func(w *Watch, i int) bool {
			return w.Events[i].Rev == gone.Rev && w.Events[i].Type == Deleted && remove(w, i)
		}) {
		}
		return gone.Type == Deleted
	}},
	{"a bookmark that says too much", []Kind{Missed}, func(h *History) bool {
		return events(*h, func(w *Watch, i int) bool {
			if i == 0 || w.Events[i-1].Type == Bookmark || w.Events[i].Type == Bookmark {
				return false
			}
			w.Events = slices.Insert(w.Events, i, Event{Type: Bookmark, Rev: w.Events[i].Rev, At: w.Events[i].At})
			return true
		})
	}},
	{"the last events never come", []Kind{Late}, func(h *History) bool {
		for _, w := range h.Watches {
			last := len(w.Events) - 1
			for last >= 0 && w.Events[last].Type == Bookmark {
				last--
			}
			if w.Through != 0 && last > 0 {
				w.Events = w.Events[:last]
				for last > 0 && w.Events[last-1].Rev >= w.Through {
					last--
					w.Events = w.Events[:last]
				}
				return true
			}
		}
		return false
	}},
	{"a watch that is told that it is too old", []Kind{Expired}, func(h *History) bool {
		h.Watches[0].Expired = true
		return true
	}},
	{"a value that is written twice", []Kind{Misuse}, func(h *History) bool {
		ops := find(*h, written)
		ops[1].Value = ops[0].Value
		return true
	}},
}

// TestSpoiledHistories: each kind of fault is found in histories that are good but for it.
func TestSpoiledHistories(t *testing.T) {
	for _, tt := range spoils {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := 0
			for seed := range uint64(10) {
				h := simulate(seed, 2000)
				if !tt.spoil(&h) {
					continue
				}
				found++
				faults := Check(h)
				if !slices.ContainsFunc(faults, func(f Fault) bool { return slices.Contains(tt.want, f.Kind) }) {
					t.Errorf("seed %d: not found: %v", seed, faults)
				}
			}
			if found < 3 {
				t.Errorf("only %d histories could be spoiled", found)
			}
		})
	}
}

// TestUnknownOutcomes: a write whose answer was lost may have happened or not, then or later, and what is seen settles it.
func TestUnknownOutcomes(t *testing.T) {
	at := func(start, end time.Duration, op Op) *Op {
		op.Key, op.Start, op.End = "n/a", start, end
		return &op
	}
	base := []*Op{
		at(0, 1, Op{Verb: Create, Value: "a", Outcome: OK, Rev: 5}),
		at(2, 3, Op{Verb: Update, Value: "b", Expect: 5, Outcome: Unknown}),
		at(2, 3, Op{Verb: Delete, Expect: 5, Outcome: Unknown}),
	}
	read := func(start time.Duration, value string, rev int64) *Op {
		return at(start, start+1, Op{Verb: Get, Value: value, Outcome: OK, Rev: rev})
	}
	absent := func(start time.Duration) *Op {
		return at(start, start+1, Op{Verb: Get, Outcome: Refused, Reason: Absent})
	}
	for name, tt := range map[string]struct {
		then []*Op
		want Kind
	}{
		"neither":                  {[]*Op{read(10, "a", 5)}, ""},
		"the update":               {[]*Op{read(10, "b", 6)}, ""},
		"the update, later":        {[]*Op{read(10, "a", 5), read(20, "b", 6)}, ""},
		"the update, and not":      {[]*Op{read(10, "b", 6), read(20, "a", 5)}, Lost},
		"the update, before":       {[]*Op{read(0, "b", 6)}, Future},
		"the deletion":             {[]*Op{absent(10)}, ""},
		"the deletion, later":      {[]*Op{read(10, "a", 5), absent(20)}, ""},
		"the deletion, and a new":  {[]*Op{at(20, 21, Op{Verb: Create, Value: "c", Outcome: OK, Rev: 8}), read(30, "c", 8)}, ""},
		"an older create, later":   {[]*Op{at(20, 21, Op{Verb: Create, Value: "c", Outcome: OK, Rev: 4})}, Lost},
		"exists":                   {[]*Op{at(20, 21, Op{Verb: Create, Value: "c", Outcome: Refused, Reason: Exists})}, ""},
		"a conflict":               {[]*Op{at(20, 21, Op{Verb: Update, Value: "c", Expect: 5, Outcome: Refused, Reason: Conflict})}, ""},
		"an update of the old":     {[]*Op{at(20, 21, Op{Verb: Update, Value: "c", Expect: 5, Outcome: OK, Rev: 9})}, ""},
		"the update, and another":  {[]*Op{at(20, 21, Op{Verb: Update, Value: "c", Expect: 5, Outcome: OK, Rev: 9}), read(30, "b", 6)}, Forked},
		"the deletion and another": {[]*Op{at(20, 21, Op{Verb: Update, Value: "c", Expect: 5, Outcome: OK, Rev: 9}), absent(30)}, Lost},
	} {
		faults := Check(History{Ops: append(slices.Clone(base), tt.then...)})
		if tt.want == "" && len(faults) > 0 || tt.want != "" && !slices.ContainsFunc(faults, func(f Fault) bool { return f.Kind == tt.want }) {
			t.Errorf("%s: want %q, got %v", name, tt.want, faults)
		}
	}
}

// TestRecorder: what several clients record at a time is all there, and reads as what it was.
func TestRecorder(t *testing.T) {
	r := NewRecorder()
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 100 {
				began := r.Now()
				op := Op{Client: "c", Verb: Update, Key: "n/a", Value: fmt.Sprint(i, j), Expect: 1, MayBeOld: true, Start: began, End: r.Now()}
				op.Outcome, op.Reason = Refused, Conflict
				r.Add(op)
				r.AddWatch(Watch{Client: "w", Scope: "n", From: 7, Start: began, End: r.Now()})
			}
		})
	}
	clients.Wait()
	h := r.History()
	if len(h.Ops) != 800 || len(h.Watches) != 800 {
		t.Errorf("%d operations, %d watches", len(h.Ops), len(h.Watches))
	}
	if s := h.Ops[0].String(); !strings.Contains(s, "if at 1 (may be old)") || !strings.HasSuffix(s, "refused: conflict") {
		t.Error(s)
	}
	if s := h.Watches[0].String(); !strings.Contains(s, "w watch n from 7") {
		t.Error(s)
	}
}
