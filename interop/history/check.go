package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A check goes through the history three times. First the versions of each object are put together from all that anybody
// has seen (versions.go), and what cannot follow what is said then. Second it is noted when somebody had seen which
// version and which revision: from then on nobody who asks for the newest may be shown less. Third each operation and
// each watch is held against that:
//
//	get      not before what was known when it began, not after what was begun when it ended
//	list     the state at its revision, which is not before the newest that was known
//	write    at a revision after all that were known
//	refused  for a version that there was between its start and its end
//	watch    all changes of its namespace from its start to its last revision (watch.go)
//
// A version that is known after one operation and begun before another one, that is all that linearizability asks of
// objects whose order of versions is known.

// Fault is something that one correct server cannot have shown.
type Fault struct {
	Kind Kind
	Text string // who contradicts whom
}

// String is the fault in a line.
func (f Fault) String() string { return string(f.Kind) + ": " + f.Text }

// Kind is a kind of fault.
type Kind string

// The kinds of faults.
const (
	// Lost is a read that shows less than what had been acknowledged or seen when it began.
	Lost Kind = "lost"
	// Future is something seen before anybody began to write it.
	Future Kind = "future"
	// Phantom is something seen that nobody wrote, or whose write was refused.
	Phantom Kind = "phantom"
	// Forked is two pasts: two versions at one revision, or a write over something else than it expected.
	Forked Kind = "forked"
	// Backwards is a revision that is not newer than one that was known when the operation began.
	Backwards Kind = "backwards"
	// Torn is a list that was never the state, least of all at its revision.
	Torn Kind = "torn"
	// Unfounded is a refusal without its reason.
	Unfounded Kind = "unfounded"
	// Unordered is an event that is not newer than the one before, or that does not follow from it.
	Unordered Kind = "unordered"
	// Missed is a write that a watch has not told, and has told a later one.
	Missed Kind = "missed"
	// Late is a write that a watch has not told although the client waited for it.
	Late Kind = "late"
	// Expired is a watch that ended with 410 although its revision was within reach.
	Expired Kind = "expired"
	// Misuse is a fault of the clients: they do not do what the check relies on.
	Misuse Kind = "misuse"
)

// most is how many faults are told: what follows a real one says little more.
const most = 50

// Check says what is wrong with a history, in no particular order and not more than 50 faults: none if all is well.
func Check(h History) []Fault {
	c := &checker{
		History: h, objects: map[string]*object{}, writers: map[string]*Op{}, revs: map[string]int64{}, deletions: map[string]map[int64]*Op{},
	}
	c.collectDeletions()
	c.collectAll()
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		c.order(c.objects[key])
	}
	c.sight()
	for _, op := range h.Ops {
		c.op(op)
	}
	c.watches()
	return c.faults
}

type checker struct {
	History
	objects   map[string]*object
	writers   map[string]*Op           // by value
	revs      map[string]int64         // where a value was seen
	deletions map[string]map[int64]*Op // that were not refused: by key and expected revision
	revisions timeline                 // what was the newest revision that somebody knew
	faults    []Fault
}

func (c *checker) fault(kind Kind, format string, args ...any) {
	if len(c.faults) < most {
		c.faults = append(c.faults, Fault{kind, fmt.Sprintf(format, args...)})
	}
}

// collectDeletions finds the deletion of each version, if there is one that was not refused: rather one that has
// happened than one that may have, and the one that began first.
func (c *checker) collectDeletions() {
	for _, op := range c.Ops {
		if (op.Verb == Delete || op.Verb == Update) && op.Expect == 0 {
			c.fault(Misuse, "it expects no revision: %v", op)
		}
		if op.Verb != Delete || op.Outcome == Refused {
			continue
		}
		of := c.deletions[op.Key]
		if of == nil {
			of = map[int64]*Op{}
			c.deletions[op.Key] = of
		}
		old := of[op.Expect]
		switch {
		case old == nil, old.Outcome == Unknown && op.Outcome == OK:
			of[op.Expect] = op
		case old.Outcome == OK && op.Outcome == OK:
			c.fault(Forked, "deleted twice: %v; %v", old, op)
		case old.Outcome == op.Outcome && op.Start < old.Start:
			of[op.Expect] = op
		}
	}
}

// sight notes who has seen which version and which revision, when.
func (c *checker) sight() {
	see := func(key string, rev int64, at time.Duration) {
		o := c.objects[key]
		i, ok := o.index[rev]
		if !ok {
			return // a phantom, which is said already
		}
		o.seen.add(at, int64(i))
		if by := o.versions[i].by; by != nil && by.Start > at {
			c.fault(Future, "%s was seen at %d after %v, before it was written: %v", key, rev, at, by)
		}
	}
	for _, op := range c.Ops {
		if op.Outcome != OK {
			continue
		}
		c.revisions.add(op.End, op.Rev)
		switch op.Verb {
		case List:
			for key, item := range op.Items {
				see(key, item.Rev, op.End)
			}
		case Delete:
			o := c.objects[op.Key]
			if i, ok := o.index[op.Expect]; ok { // the version after it is that it is gone
				o.seen.add(op.End, int64(i)+1)
			}
		default:
			see(op.Key, op.Rev, op.End)
		}
	}
	for _, w := range c.Watches {
		for _, e := range w.Events {
			c.revisions.add(e.At, e.Rev)
			if e.Type != Bookmark {
				see(e.Key, e.Rev, e.At)
			}
		}
	}
	c.revisions.finish()
	for _, o := range c.objects {
		o.seen.finish()
	}
}

// op checks what an operation says against what was known when it began.
func (c *checker) op(op *Op) {
	o := c.objects[op.Key]
	switch {
	case op.Outcome == Unknown:
	case op.Outcome == Refused:
		c.refused(o, op)
	case op.Verb == List:
		c.list(op)
	case op.Verb == Get:
		if first := int64(o.index[op.Rev]); !op.MayBeOld && first < o.seen.before(op.Start) {
			c.fault(Lost, "there was more: %v; it misses %v", op, o.versions[first+1].by)
		}
	case op.Verb == Delete:
		if _, ok := o.index[op.Expect]; !ok {
			c.fault(Phantom, "what it deleted was never there: %v", op)
		}
	default:
		// It is the newest now, and its revision is.
		if i := int64(o.index[op.Rev]); i <= o.seen.before(op.Start) {
			c.fault(Lost, "it is older than what had been seen before: %v", op)
		}
		if known := c.revisions.before(op.Start); op.Rev <= known {
			c.fault(Backwards, "%d was known: %v", known, op)
		}
	}
}

// refused checks that there was a version that it was refused for.
func (c *checker) refused(o *object, op *Op) {
	if op.MayBeOld || op.Reason == "" {
		return
	}
	first, last := o.possible(op.Start, op.End)
	for _, v := range o.versions[first : last+1] {
		if op.Reason == Absent && v.gone || op.Reason == Exists && !v.gone || op.Reason == Conflict && v.rev != op.Expect {
			return
		}
	}
	newest := o.versions[len(o.versions)-1]
	for _, w := range o.unsettled {
		fits := w.Verb == Create && newest.gone || w.Verb == Update && w.Expect == newest.from
		if fits && last == len(o.versions)-1 && w.Start <= op.End && op.Reason != Absent {
			return
		}
	}
	v, kind := o.versions[first], Unfounded
	if op.Reason == Absent && op.Verb == Get {
		kind = Lost
	}
	c.fault(kind, "there was %q at %d (gone: %v), by %v: %v", v.value, v.rev, v.gone, v.by, op)
}

// list checks that a list is the state at its revision, and is new enough.
func (c *checker) list(op *Op) {
	if known := c.revisions.before(op.Start); !op.MayBeOld && op.Rev < known {
		c.fault(Backwards, "%d was known: %v", known, op)
	}
	for _, key := range c.keysOf(op.Key) {
		o := c.objects[key]
		item, there := op.Items[key]
		first, last := o.as(op.Rev)
		shown := -1
		for i := first; i <= last; i++ {
			if v := o.versions[i]; v.gone != there && (!there || v.rev == item.Rev) {
				shown = i
			}
		}
		v := o.versions[first]
		if shown < 0 {
			c.fault(Torn, "%s is %q at %d (gone: %v), the list has it as %q at %d: %v", key, v.value, v.rev, v.gone, item.Value, item.Rev, op)
		} else if !op.MayBeOld && int64(shown) < o.seen.before(op.Start) {
			c.fault(Lost, "%s is in it as %q at %d, and there was more, by %v: %v", key, v.value, v.rev, o.versions[shown+1].by, op)
		}
	}
}

// keysOf are the keys of a namespace.
func (c *checker) keysOf(namespace string) (keys []string) {
	for key := range c.objects {
		if strings.HasPrefix(key, namespace+"/") {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, cmp.Compare)
	return keys
}
