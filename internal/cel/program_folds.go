package cel

import (
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
type fold struct {
	over, init, condition, step, result runner
	first                               *Value // what the accumulator begins with, if that is constant
	accumulator, var1, var2             int
	both                                bool
}

// planFold plans what macros over lists and maps expand to.
func (p *planner) planFold(e *syntax.Expr) planned {
	x := e.Fold
	var f fold
	init := p.plan(x.Init)
	f.first, f.init = init.constant, p.observed(init)
	over := p.plan(x.Range)
	f.over, f.both = p.observed(over), x.Var2 != ""

	outside := len(p.scope)
	f.accumulator = p.bind(x.Accumulator, f.init, init.constant != nil)
	f.var1 = p.bind(x.Var, nil, true)
	if f.both {
		f.var2 = p.bind(x.Var2, nil, true)
	}
	f.condition = p.observed(p.plan(x.Condition))
	f.step = p.observed(p.plan(x.Step))
	// The result sees the accumulator alone.
	p.scope = p.scope[:outside+1]
	f.result = p.observed(p.plan(x.Result))
	p.scope = p.scope[:outside]
	return planned{run: f.run}
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
	f.locals[x.accumulator] = x.begin()
	if over.kind == List {
		tree, _ := over.ref.([]any)
		items := over.cursor()
		for i, n := 0, over.Len(); i < n; i++ {
			var item Value
			if tree != nil {
				item = f.read(tree[i], over.typ.item())
			} else {
				item = items.next()
			}
			if !x.both {
				f.locals[x.var1] = item
			} else {
				f.locals[x.var1], f.locals[x.var2] = IntOf(int64(i)), item
			}
			if !x.round(f) {
				break
			}
		}
	} else {
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
	return closed(x.result(f))
}

// largeMap goes through a map whose keys take long to sort. Those of the last one are kept, since a comprehension within another
// often has the same map again.
func (f *frame) largeMap(over Value, tree map[string]any, each func(key, value Value) bool) {
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
	if c := x.condition(f); c == False {
		return false
	}
	f.locals[x.accumulator] = x.step(f)
	return !f.interrupted()
}

// begin returns what the accumulator begins with. Empty lists and maps may be added to in place from here on, for the expression
// has no name for them.
func (x *fold) begin() Value {
	switch {
	case x.first == nil:
		return Value{kind: pending}
	case x.first.kind == List && x.first.Len() == 0:
		return Value{kind: List, ref: &growing{}}
	case x.first.kind == Map && x.first.Len() == 0:
		return Value{kind: Map, ref: &mapping{open: true}}
	}
	return *x.first
}

// closed returns what a comprehension has gathered as a value that never changes.
func closed(v Value) Value {
	switch ref := v.ref.(type) {
	case *growing:
		return ListValue(ref.items)
	case *mapping:
		if ref.open {
			ref.open = false
		}
	}
	return v
}
