package cel

import (
	"math"
	"sync"

	"apichain/internal/cel/syntax"
)

// A Program is a tree of closures, each of which takes the frame of an evaluation and returns a value. Planning decides once what
// can be decided once: where a variable is, which field of a schema a name means, which function a call calls, what is constant.
// Nothing is looked up by name while it runs but the keys of the objects themselves.
//
// Costs are counted in the frame while the closures run, where and when upstream's tracker counts them: a look at a variable 1,
// each field or index 1, a call what its row says, a new list 10, a map 30, a message 40. A branch that did not run costs nothing,
// a constant neither. When the count is over the limit the frame is halted: every closure returns an error from then on, loops
// stop, && and || absorb nothing, and what Eval returns is ErrBudget.
//
// Costs leave out what a call does inside: size("...") of a megabyte is 1. Therefore a frame also has steps, of which a limit buys
// many more than any honest expression takes; calls that go through long strings and lists use them up. Out of steps is out of
// budget.

// A word on where time goes, since this is the only part of CEL that runs for each request. A rule is a handful of closures; a
// frame comes from a pool; a Value is passed in registers or on the stack. What costs is a look into a map of a tree, and that
// is done once for each step of a path. The forms that most rules have, fields of a schema compared with ints and short
// strings, have closures of their own (fields, ints, equality), which do what the general ones do and count the same: a test
// compares their answers with upstream's, which has no such forms.

// Limit bounds an evaluation.
// The zero Limit allows nothing: any expression that costs something is out of budget.
type Limit struct {
	// Cost is what an evaluation may cost. Kubernetes has 1,000,000 for one expression. One that costs more is ErrBudget.
	Cost uint64
	// Done interrupts an evaluation when it is closed: ErrInterrupted, noticed every 100 iterations of comprehensions. nil never is.
	Done <-chan struct{}
}

// NoLimit is the Cost of a Limit for expressions that somebody trusted has written.
const NoLimit = math.MaxUint64

// stepsPerCost is how many steps a unit of cost buys: pairs of values compared, or 16 bytes of a string gone through, of which
// the slowest functions do a hundred million a second. The limit of Kubernetes is a second or two, at most.
const stepsPerCost = 20

// firstSteps are for the house: an expression with a small limit may still look at an object of the largest size a few times.
const firstSteps = 2_000_000

// Program is an expression that can be evaluated. It is immutable and may be used concurrently. It is what cel-go's Program is
// with OptOptimize, OptTrackCost and a CostLimit: there is no way to evaluate here that does not count.
type Program struct {
	run       runner
	variables int
	locals    int
	frames    sync.Pool // of *frame
}

// runner is what a node of an expression has become.
type runner func(f *frame) Value

// frame is the state of one evaluation.
// It is used by one goroutine at a time. Between two evaluations it is in the pool, and points at nothing that a
// request has brought.
type frame struct {
	vars   []Value
	locals []Value // of comprehensions, by the slots that the planner gave them
	cost   uint64
	limit  uint64
	steps  int64
	done   <-chan struct{}
	rounds uint // of comprehensions, to look at done at times
	// halted is set once and for all: whoever loops looks at it, and whoever would absorb an error passes it on.
	halted error
	spent  uint64         // the cost when it was halted
	args   [2]Value       // of a call whose cost is asked
	sorted map[string]any // the last large map that was gone through, with its keys in order
	keys   []string
}

// Program plans c. An error is one that upstream reports when it makes a program: a constant that cannot be converted, or a
// regular expression that does not compile.
func (c *Checked) Program() (*Program, error) {
	p := &planner{checked: c, functions: c.env.functions}
	root := p.plan(c.AST.Root)
	if p.err != nil {
		return nil, p.err
	}
	program := &Program{run: p.observed(root), locals: p.slots}
	// Evaluations are given a value for each variable of the Env, used or not, so that one slice serves all
	// programs of an Env.
	for e := c.env; e != nil; e = e.parent {
		program.variables = max(program.variables, e.first+len(e.variables))
	}
	program.frames.New = func() any { return &frame{locals: make([]Value, program.locals)} }
	return program, nil
}

// Eval evaluates an expression with the values of the Env's variables in their order, and returns the value, which may be an
// error, and what it has cost. Nothing is allocated for the evaluation itself.
func (p *Program) Eval(vars []Value, l Limit) (Value, uint64) {
	if len(vars) < p.variables {
		return Failf("%d variables are given, %d are needed", len(vars), p.variables), 0
	}
	f := p.frames.Get().(*frame)
	f.vars, f.cost, f.limit, f.done, f.rounds, f.halted = vars, 0, l.Cost, l.Done, 0, nil
	// Without a limit there are no steps to run out of; with one, the product must not overflow.
	f.steps = math.MaxInt64
	if l.Cost < math.MaxInt64/stepsPerCost-firstSteps {
		f.steps = int64(l.Cost)*stepsPerCost + firstSteps
	}
	v := p.run(f)
	cost, halted := f.cost, f.halted
	if halted != nil {
		cost = f.spent
	}
	// What the frame points at is not kept alive by the pool.
	f.vars, f.done, f.sorted, f.keys = nil, nil, nil, nil
	// Most evaluations never set args, and to clear ten words takes time that they would notice.
	if f.args[0].kind != Error {
		f.args = [2]Value{}
	}
	clear(f.locals)
	p.frames.Put(f)
	if halted != nil {
		return Fail(halted), cost
	}
	return v, cost
}

// spend adds to the cost and returns v, or the end of the evaluation. The cost may end up above the limit, by that of the last
// call.
func (f *frame) spend(n uint64, v Value) Value {
	f.cost += n
	if f.cost > f.limit {
		return f.halt(ErrBudget)
	}
	return v
}

// halt ends the evaluation.
//
//go:noinline
func (f *frame) halt(err error) Value {
	if f.halted == nil {
		f.halted, f.spent = err, f.cost
	}
	return Fail(f.halted)
}

// interrupted reports whether the evaluation is to end. It counts the rounds of comprehensions.
// A hundred rounds is InterruptCheckFrequency of Kubernetes' programs.
func (f *frame) interrupted() bool {
	if f.steps < 0 {
		f.halt(ErrBudget)
	}
	if f.halted != nil {
		return true
	}
	f.rounds++
	if f.done == nil || f.rounds%100 != 0 {
		return false
	}
	select {
	case <-f.done:
		f.halt(ErrInterrupted)
		return true
	default:
		return false
	}
}

// planner makes closures of an expression. An error ends it: what it returns then is never run.
type planner struct {
	checked   *Checked
	functions map[string]*Function
	scope     []bound
	slots     int // the most slots that are in use at once
	err       error
}

// bound is a variable of a comprehension with its slot. Where begin is not nil the value is what begin returns until somebody has
// given it another.
type bound struct {
	name  string
	slot  int
	begin runner
}

// planned is a planned expression: one of the three. An attribute is not a closure yet, since a field may be added to it.
type planned struct {
	constant  *Value
	attribute *attribute
	run       runner
	item      runner // of a list that is written with one item: that
}

// plan returns the plan of e.
// Each node is planned once, in the order in which upstream plans (interpreter/planner.go), so that of several
// errors the same is the first.
func (p *planner) plan(e *syntax.Expr) planned {
	if p.err != nil {
		return constantNode(Value{})
	}
	switch e.Kind {
	case syntax.Literal:
		return constantNode(untyped(e.Value))
	case syntax.Ident:
		return p.planIdent(e)
	case syntax.Select:
		return p.planSelect(e)
	case syntax.Call:
		return p.planCall(e)
	case syntax.List:
		return p.planList(e)
	case syntax.Map:
		return p.planMap(e)
	case syntax.Struct:
		return p.planStruct(e)
	}
	return p.planFold(e)
}

// constantNode returns the plan of what is known before anything is evaluated. It costs nothing.
func constantNode(v Value) planned { return planned{constant: &v} }

// observed returns the closure of a node whose cost counts.
func (p *planner) observed(n planned) runner {
	switch {
	case n.constant != nil:
		v := *n.constant
		return func(*frame) Value { return v }
	case n.attribute != nil:
		return n.attribute.observed()
	}
	return n.run
}

// fail keeps the first error.
func (p *planner) fail(err error) planned {
	if p.err == nil {
		p.err = err
	}
	return constantNode(Value{})
}

// planList plans [a, ?b]. One of constants is a constant, and costs nothing.
func (p *planner) planList(e *syntax.Expr) planned {
	nodes, constant := make([]planned, len(e.Args)), true
	items := make([]runner, len(e.Args))
	for i, a := range e.Args {
		nodes[i] = p.plan(a)
		constant = constant && nodes[i].constant != nil
		items[i] = p.observed(nodes[i])
	}
	optional := make([]bool, len(items))
	for _, i := range e.Optional {
		optional[i] = true
	}
	// An item that is an error is the list's value: a list holds none. The rest is not evaluated, nor paid for.
	build := func(f *frame) Value {
		list := make([]Value, 0, len(items))
		for i, item := range items {
			v := item(f)
			if v.kind == Error {
				return v
			}
			if optional[i] {
				if !v.IsOptional() {
					return Failf("cannot initialize optional list element from non-optional value %v", v)
				}
				var ok bool
				if v, ok = v.Optional(); !ok {
					continue
				}
			}
			list = append(list, v)
		}
		return ListValue(list)
	}
	// What is made with the program is shared by all its evaluations, which is possible since values never change
	// (decOptimize in interpreter/decorators.go).
	if constant {
		return constantNode(build(nil))
	}
	n := planned{run: func(f *frame) Value { return f.spend(10, build(f)) }}
	if len(items) == 1 && !optional[0] {
		n.item = items[0]
	}
	return n
}

// planMap plans {a: b, ?c: d}, as planList. Of a key that is there twice the last value counts.
func (p *planner) planMap(e *syntax.Expr) planned {
	keys, values, constant := make([]runner, len(e.Entries)), make([]runner, len(e.Entries)), true
	for i, entry := range e.Entries {
		key, value := p.plan(entry.Key), p.plan(entry.Value)
		constant = constant && key.constant != nil && value.constant != nil
		keys[i], values[i] = p.observed(key), p.observed(value)
	}
	build := func(f *frame) Value {
		m := &mapping{keys: make([]Value, 0, len(keys)), values: make([]Value, 0, len(keys))}
		for i := range keys {
			key := keys[i](f)
			if key.kind == Error {
				return key
			}
			value := values[i](f)
			if value.kind == Error {
				return value
			}
			if e.Entries[i].Optional {
				if !value.IsOptional() {
					return Failf("cannot initialize optional entry '%v' from non-optional value %v", key, value)
				}
				var ok bool
				if value, ok = value.Optional(); !ok {
					m.remove(key)
					continue
				}
			}
			m.put(key, value)
		}
		return Value{kind: Map, ref: m}
	}
	if constant {
		return constantNode(build(nil))
	}
	return planned{run: func(f *frame) Value { return f.spend(30, build(f)) }}
}

// planStruct plans Name{field: a, ?field: b}.
// A field that is set to null counts as set.
func (p *planner) planStruct(e *syntax.Expr) planned {
	values := make([]runner, len(e.Entries))
	for i, entry := range e.Entries {
		values[i] = p.observed(p.plan(entry.Value))
	}
	t := p.checked.Types[e.ID]
	build := func(f *frame) Value {
		b := &built{}
		for i, entry := range e.Entries {
			v := values[i](f)
			if v.kind == Error {
				return v
			}
			if entry.Optional {
				if !v.IsOptional() {
					return Failf("cannot initialize optional entry '%s' from non-optional value %v", entry.Field, v)
				}
				var ok bool
				if v, ok = v.Optional(); !ok {
					continue
				}
			}
			b.names, b.values = append(b.names, entry.Field), append(b.values, v)
		}
		if v, ok := wellKnownValue(e.Name, b, &f.steps); ok {
			if f.steps < 0 {
				return f.halt(ErrBudget)
			}
			return v
		}
		return Value{kind: Object, ref: b, typ: t}
	}
	return planned{run: func(f *frame) Value { return f.spend(40, build(f)) }}
}
