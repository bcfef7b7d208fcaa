package cel

import (
	"math"
	"reflect"
	"slices"

	"apichain/internal/cel/syntax"
)

// A comprehension has a slot for its accumulator and one for each of its variables. Comprehensions within one another have other
// slots; those that follow one another share them.

// pending is the kind of an accumulator that nobody has looked at: what it begins with is evaluated when somebody does, since that
// may cost. What begins with a literal begins at once.
const pending Kind = 255

// fold is a planned comprehension.
// (evalFold in interpreter/interpretable.go.) It holds no state of an evaluation: that is in the frame, by the
// slots.
type fold struct {
	over, init, condition, step, result runner
	first                               *Value // what the accumulator begins with, if that is constant
	accumulator, var1, var2             int
	both                                bool
	gathers                             bool // no expression can name the accumulator
	ends                                ending
	end, asking                         uint64 // what ends it, as the number of a bool, and what it costs to ask
	predicate                           runner // of all and exists: what the accumulator becomes if it is a bool that does not end it
}

// ending says when a comprehension ends before its list does.
type ending uint8

const (
	whenAsked ending = iota // when the condition is false
	never                   // the condition is true
	atOnce                  // when the accumulator is a certain bool: all and exists, whose conditions need not be run for that
)

// planFold plans what macros over lists and maps expand to.
func (p *planner) planFold(e *syntax.Expr) planned {
	x := e.Fold
	var f fold
	init := p.plan(x.Init)
	f.first, f.init = init.constant, p.observed(init)
	over := p.plan(x.Range)
	f.over, f.both = p.observed(over), x.Var2 != ""

	// The scope is what the checker had: the accumulator around the variables of a round, the variables hidden
	// from the result.
	outside := len(p.scope)
	f.accumulator = p.bind(x.Accumulator, f.init, init.constant != nil)
	f.var1 = p.bind(x.Var, nil, true)
	if f.both {
		f.var2 = p.bind(x.Var2, nil, true)
	}
	f.condition = p.observed(p.plan(x.Condition))
	f.gathers = x.Accumulator == syntax.Accumulator
	f.ends, f.end, f.asking = whenEnded(x)
	// An accumulator that is not evaluated yet has no value that could end it.
	if init.constant == nil && f.ends == atOnce {
		f.ends = whenAsked
	}
	if s := x.Step; f.ends == atOnce && s.Kind == syntax.Call && s.Name == [...]string{"_&&_", "_||_"}[f.end] && len(s.Args) == 2 &&
		s.Args[0].Kind == syntax.Ident && s.Args[0].Name == x.Accumulator {
		nodes := []planned{p.plan(s.Args[0]), p.plan(s.Args[1])}
		f.step, f.predicate = p.logical(nodes, f.end == 1), p.observed(nodes[1])
	} else {
		f.step = p.observed(p.plan(s))
		if f.ends == atOnce {
			f.ends = whenAsked
		}
	}
	// The result sees the accumulator alone.
	p.scope = p.scope[:outside+1]
	f.result = p.observed(p.plan(x.Result))
	p.scope = p.scope[:outside]
	return planned{run: f.run}
}

// whenEnded tells by the forms of the macros when a comprehension ends.
// It recognizes what the macros write (parser/macro.go): true; @not_strictly_false(accumulator) of all, and that
// of !accumulator of exists. asking is what the condition would have cost: a name and one or two calls. Any other
// condition is run.
func whenEnded(x *syntax.Comprehension) (ends ending, end, asking uint64) {
	accumulator := func(e *syntax.Expr) bool { return e.Kind == syntax.Ident && e.Name == x.Accumulator }
	switch c := x.Condition; {
	case c.Kind == syntax.Literal && c.Value == true:
		return never, 0, 0
	case c.Kind != syntax.Call || c.Name != "@not_strictly_false" || len(c.Args) != 1:
	case accumulator(c.Args[0]):
		return atOnce, 0, 2
	case c.Args[0].Kind == syntax.Call && c.Args[0].Name == "!_" && accumulator(c.Args[0].Args[0]):
		return atOnce, 1, 3
	}
	return whenAsked, 0, 0
}

// bind gives a variable a slot.
func (p *planner) bind(name string, begin runner, begun bool) int {
	slot := 0
	if n := len(p.scope); n > 0 {
		slot = p.scope[n-1].slot + 1
	}
	l := bound{name: name, slot: slot}
	if !begun {
		// It may be evaluated within comprehensions that are further in, whose slots its own comprehensions would take.
		// What is inside is put back afterwards, as if nothing had been evaluated.
		l.begin = func(f *frame) Value {
			inner := slices.Clone(f.locals[slot:])
			v := begin(f)
			copy(f.locals[slot:], inner)
			return v
		}
	}
	p.scope = append(p.scope, l)
	p.slots = max(p.slots, slot+1)
	return slot
}

// run evaluates the comprehension.
func (x *fold) run(f *frame) Value {
	over := x.over(f)
	if over.kind == Error {
		return over
	}
	if over.kind != List && over.kind != Map {
		if x.both {
			return Failf("unsupported comprehension range type: %s", goType(over))
		}
		return Failf("got '%s', expected iterable type", goType(over))
	}
	// Range before accumulator: it is what upstream evaluates first, and an error in it is the result.
	f.locals[x.accumulator] = x.begin()
	if over.kind == List {
		x.list(f, over)
	} else {
		// With one variable a map is gone through by its keys.
		each := func(key, value Value) bool {
			f.locals[x.var1] = key
			if x.both {
				f.locals[x.var2] = value
			}
			return x.round(f)
		}
		if tree, ok := over.ref.(map[string]any); ok && len(tree) >= much && (over.typ == nil || over.typ.Kind != Object) {
			f.largeMap(over, tree, each)
		} else {
			over.Entries(each)
		}
	}
	if f.halted != nil {
		return Fail(f.halted)
	}
	// The result may be the accumulator itself, which nobody adds to from now on.
	return closed(x.result(f))
}

// list goes through a list.
func (x *fold) list(f *frame, over Value) {
	// The most frequent of ranges: a list of a tree, whose items are read one by one, and not kept.
	if tree, ok := over.ref.([]any); ok && !x.both {
		t := over.typ.item()
		for _, item := range tree {
			f.locals[x.var1] = f.read(item, t)
			if !x.round(f) {
				return
			}
		}
		return
	}
	// Lists of all other forms, ropes among them, in one walk.
	items := over.cursor()
	for i, n := 0, over.Len(); i < n; i++ {
		item := items.next()
		if !x.both {
			f.locals[x.var1] = item
		} else {
			f.locals[x.var1], f.locals[x.var2] = IntOf(int64(i)), item
		}
		// The steps for decoding it are taken afterwards.
		if item.kind == Bytes {
			f.hash(item) // those of a tree were decoded
		}
		if !x.round(f) {
			return
		}
	}
}

// largeMap goes through a map whose keys take long to sort. Those of the last one are kept, since a comprehension within another
// often has the same map again.
func (f *frame) largeMap(over Value, tree map[string]any, each func(key, value Value) bool) {
	// The same map by its address: a tree does not change while an evaluation looks at it.
	if p := reflect.ValueOf(tree).Pointer(); f.sorted == nil || p != reflect.ValueOf(f.sorted).Pointer() {
		if f.steps -= int64(4 * len(tree)); f.steps < 0 {
			f.halt(ErrBudget)
			return
		}
		f.sorted, f.keys = tree, sortedKeys(tree)
	}
	item := over.typ.item()
	for _, k := range f.keys {
		if !each(StringOf(k), f.read(tree[k], item)) {
			return
		}
	}
}

// round does one iteration, and reports whether there is to be another.
func (x *fold) round(f *frame) bool {
	switch x.ends {
	case whenAsked:
		if x.condition(f).isFalse() {
			return false
		}
	case atOnce:
		if f.cost += x.asking; f.cost > f.limit {
			f.cost = f.limit + 1
			f.halt(ErrBudget)
			return false
		}
		switch v := &f.locals[x.accumulator]; {
		case v.kind != Bool:
		// The bool that ends it: false for all, true for exists.
		case v.num == x.end:
			return false
		default:
			// The step is && or || of the accumulator, which is looked at once more, and this.
			if f.cost++; f.cost > f.limit {
				f.halt(ErrBudget)
				return false
			}
			// true && predicate is the predicate, if that is a bool; all that is left to do is to refuse what is
			// none.
			said := x.predicate(f)
			if said.kind != Bool && f.halted == nil {
				said = NoSuchOverload(said)
			}
			f.locals[x.accumulator] = said
			return !f.interrupted()
		}
	}
	// An accumulator that is an error stays one only if the step passes it on: + does, && and || may absorb it.
	f.locals[x.accumulator] = x.step(f)
	return !f.interrupted()
}

// begin returns what the accumulator begins with. Empty lists and maps may be added to in place from here on, if the expression
// has no name for them, as it has where cel.bind gave it one.
func (x *fold) begin() Value {
	switch {
	case x.first == nil:
		return Value{kind: pending}
	case !x.gathers:
	case x.first.kind == List && x.first.Len() == 0:
		// Room for two items in the same allocation: most lists that a rule makes are that short.
		g := &growing{}
		g.items = g.few[:0]
		return Value{kind: List, ref: g}
	case x.first.kind == Map && x.first.Len() == 0:
		return Value{kind: Map, ref: &mapping{open: true}}
	}
	return *x.first
}

// gathering returns the closure of + for an accumulator and one item, as map and filter have it, or 1, as exists_one has it; nil for
// any other call. otherwise adds what turns out to be something else.
// It is what map, filter and exists_one do in each round; without it n rounds would copy n lists. The cost is that
// of the general way to the unit: 1 for the look at the accumulator, 10 for the list of one item, 1 for the sum.
func (c *callee) gathering(nodes []planned, otherwise runner) runner {
	if c.name != "_+_" || c.cost != nil {
		return nil
	}
	a := nodes[0].attribute
	if a == nil || !a.local || len(a.steps) > 0 {
		return nil
	}
	slot, item, one := a.slot, nodes[1].item, nodes[1].constant
	if one != nil && one.kind == Int && one.num == 1 {
		return func(f *frame) Value {
			n := &f.locals[slot]
			if n.kind != Int || n.num == math.MaxInt64 || f.cost+2 > f.limit {
				return otherwise(f)
			}
			f.cost += 2
			return Value{kind: Int, num: n.num + 1}
		}
	}
	if item == nil {
		return nil
	}
	return func(f *frame) Value {
		list := f.locals[slot]
		g, ok := list.ref.(*growing)
		if !ok || g.done {
			return otherwise(f)
		}
		// The accumulator, the list that is not made, and the sum, each at its time.
		// One after the other, since a budget may end between them, and what has been spent until then is told.
		f.spend(1, list)
		if v := f.spend(10, item(f)); v.kind != Error {
			g.items = append(g.items, v)
		} else {
			list = v
		}
		return f.spend(1, list)
	}
}

// closed returns what a comprehension has gathered as a value that never changes.
// From here on whoever adds to it gets a copy, or a rope.
func closed(v Value) Value {
	switch ref := v.ref.(type) {
	case *growing:
		ref.done = true
	case *mapping:
		if ref.open {
			ref.open = false
		}
	}
	return v
}
