package cel

import (
	"math"
	"slices"

	"apichain/internal/cel/syntax"
)

// A static estimate is the sum of what the nodes of an expression cost, each at least and at most. What a loop or the traversal of a
// string costs depends on sizes, and those come from three places: literals say their own, calls say that of their result, and the
// rest is looked up by the path of a value: self.list.all(x, x.name == "") compares a string at self, list, @items, name, and the
// schema says how long that may be. A size of which nothing is known is anything up to 2^64-1, and so is what depends on it.
//
// A comprehension costs what its range costs, and for each item at most what condition and step cost; within it its variables have the
// path of the range with @items, @keys, @values or @indices behind it. What a list made by a comprehension holds is known by what its
// step puts into it.
//
// Numbers never overflow: they stay at the greatest. What is refused as too expensive depends on each of them, so that everything
// here, also what looks odd, is as upstream's estimator has it.

// The units of cost.
const (
	nameCost      = 1    // an identifier or a select
	listCost      = 10   // a literal of a list
	mapCost       = 30   // a literal of a map
	messageCost   = 40   // the building of a message
	TextFactor    = 0.1  // a byte or a rune of text that is gone through
	PatternFactor = 0.25 // a byte of a regular expression, for each unit of the text that it is matched against
)

// UnknownRange returns the range of a size or a cost of which nothing is known.
func UnknownRange() Range { return Range{Max: math.MaxUint64} }

// Estimate returns the least and the most that an evaluation may cost. It does not change c.
// It is Cost of checker/cost.go with the estimators of Kubernetes' libraries, and presence tests that are free. It
// ends for every expression that was checked, in time by its length: nothing is evaluated.
func (c *Checked) Estimate() Range {
	e := &estimator{checked: c, nodes: make([]sizes, len(c.Types))}
	return e.cost(c.AST.Root)
}

// estimator is the state of one Estimate. It reads the Checked, and writes to nothing but its own notes.
type estimator struct {
	checked *Checked
	nodes   []sizes    // by the ID of a node, noted while costs are summed up
	locals  []measured // variables of comprehensions, the innermost last
}

// sizes are what is known of a node once its cost is known.
type sizes struct {
	path  []string   // how it is reached from a variable, nil for what is not
	size  *Range     // how many runes, bytes, items or entries it has, nil where nothing was noted
	items *itemSizes // those of what it holds, nil where nothing is known
}

// itemSizes are the sizes of the keys, or indices, and of the values of a list or a map.
// Of what + or a ternary made they are those of both sides.
type itemSizes struct {
	kind       Kind
	key, value Range
}

// union returns what two alternatives have in common, nil if nothing is known of one.
func (s *itemSizes) union(o *itemSizes) *itemSizes {
	if s == nil || o == nil {
		return nil
	}
	return &itemSizes{s.kind, s.key.Union(o.key), s.value.Union(o.value)}
}

// measured is a variable of a comprehension with what is known of its values.
// A copy of what is known of an expression, taken when the variable is declared: what is noted of the expression
// later is not seen through the variable.
type measured struct {
	name  string
	path  []string
	size  *Range
	items *itemSizes
}

// local returns what is known of a variable of a comprehension, nil for a name that is none.
//
//go:noinline
func (e *estimator) local(name string) *measured {
	for i := len(e.locals) - 1; i >= 0; i-- {
		if e.locals[i].name == name {
			return &e.locals[i]
		}
	}
	return nil
}

// cost returns what x costs with everything below it, and notes its sizes.
func (e *estimator) cost(x *syntax.Expr) Range {
	switch x.Kind {
	case syntax.Ident:
		// A variable of a comprehension stands for the way to it: x of self.list.all(x, …) is self, list, @items.
		if v := e.local(x.Name); v != nil {
			e.nodes[x.ID].path = v.path
		} else {
			e.nodes[x.ID].path = []string{x.Name}
		}
		return Exactly(nameCost)
	case syntax.Select:
		return e.selection(x)
	case syntax.Call:
		return e.call(x)
	case syntax.List:
		return e.list(x)
	case syntax.Map:
		return e.mapping(x)
	case syntax.Struct:
		// A message has no size, and its fields' sizes are forgotten: whoever selects one of them asks the schema.
		sum := Exactly(messageCost)
		for _, entry := range x.Entries {
			sum = sum.Plus(e.cost(entry.Value))
		}
		return sum
	case syntax.Fold:
		// What cel.bind becomes goes over nothing, never: it has a name for its accumulator that macros of loops have not.
		if r, c := x.Fold.Range, x.Fold.Condition; r.Kind == syntax.List && len(r.Args) == 0 && c.Kind == syntax.Literal &&
			c.Value == false && x.Fold.Accumulator != "__result__" {
			return e.bind(x)
		}
		return e.comprehension(x)
	}
	return Range{}
}

// selection is a.b, and has(a.b), which costs what a costs.
//
// Paths are appended to without a copy, as upstream does: the paths of two fields of a variable of a comprehension may share their
// memory, and then the one that is made later is that of both.
func (e *estimator) selection(x *syntax.Expr) Range {
	sum := e.cost(x.Operand)
	if x.Test {
		return sum
	}
	// The field of what can be anything costs nothing more.
	switch e.checked.Types[x.Operand.ID].Kind {
	case Map, Object, Param:
		sum = sum.Plus(Exactly(nameCost))
	}
	e.nodes[x.ID].path = append(e.path(x.Operand), x.Name)
	return sum
}

// list is [a, b]: what its items cost, and what the list does. The items are of any of their sizes.
func (e *estimator) list(x *syntax.Expr) Range {
	var sum Range
	// The least of nothing is the greatest number, so that the first item that is united with it decides.
	items := Range{Min: math.MaxUint64}
	if len(x.Args) == 0 {
		items.Min = 0
	}
	for _, item := range x.Args {
		sum = sum.Plus(e.cost(item))
		items = items.Union(e.sizeOrUnknown(item))
	}
	// An index is an int: its size is 1, as that of all scalars.
	e.nodes[x.ID].items = &itemSizes{List, Exactly(1), items}
	return sum.Plus(Exactly(listCost))
}

// mapping is {a: b}, as a list is.
func (e *estimator) mapping(x *syntax.Expr) Range {
	var sum Range
	keys, values := Range{Min: math.MaxUint64}, Range{Min: math.MaxUint64}
	if len(x.Entries) == 0 {
		keys.Min, values.Min = 0, 0
	}
	for _, entry := range x.Entries {
		sum = sum.Plus(e.cost(entry.Key)).Plus(e.cost(entry.Value))
		keys = keys.Union(e.sizeOrUnknown(entry.Key))
		values = values.Union(e.sizeOrUnknown(entry.Value))
	}
	e.nodes[x.ID].items = &itemSizes{Map, keys, values}
	return sum.Plus(Exactly(mapCost))
}

// comprehension is the cost of the range, and that of condition and step for each of its items.
func (e *estimator) comprehension(x *syntax.Expr) Range {
	f := x.Fold
	sum := e.cost(f.Range).Plus(e.cost(f.Init))
	// Order of what is declared: accumulator first, as it is the one that the result still sees.
	scope := len(e.locals)
	// Inside, the accumulator is as large as what it begins with, whatever the steps make of it: a list that map() fills is empty.
	e.assign(f.Accumulator, f.Init)
	if f.Var2 != "" {
		e.iterate(f.Var, f.Range, true)
		e.iterate(f.Var2, f.Range, false)
	} else {
		e.iterate(f.Var, f.Range, e.container(f.Range) != List)
	}
	// Condition before step: the second may have what the first is the path of.
	loop := e.cost(f.Condition)
	loop = e.cost(f.Step).Plus(loop)
	e.locals = e.locals[:scope+1]
	sum = sum.Plus(e.cost(f.Result))
	e.locals = e.locals[:scope]

	// Behind it, a list or map has as many items as the range, and a scalar the size of the one it began with.
	// A list of which nothing is known may have 2^64-1 items, and so the loop costs up to that: such a rule is
	// refused when the definition is made, with the advice to bound the list.
	count := e.sizeOrUnknown(f.Range)
	sum = sum.Plus(count.Times(loop))
	switch f.Init.Kind {
	case syntax.Literal:
		e.setSize(x, e.size(f.Init))
	case syntax.List, syntax.Map:
		e.setSize(x, &count)
		if items := e.items(f.Step); items != nil {
			e.nodes[x.ID].items = items
		}
	}
	return sum
}

// bind is cel.bind(name, init, result), which is written as a comprehension over nothing.
// Unlike a loop it is paid for once, and its result is as large as its result is.
func (e *estimator) bind(x *syntax.Expr) Range {
	f := x.Fold
	sum := e.cost(f.Range).Plus(e.cost(f.Init))
	scope := len(e.locals)
	e.assign(f.Accumulator, f.Init)
	sum = sum.Plus(e.cost(f.Result))
	e.locals = e.locals[:scope]
	e.setSize(x, e.size(f.Result))
	e.setItems(x, e.items(f.Result))
	return sum
}

// assign declares a variable that is the value of an expression, with its path and its sizes.
func (e *estimator) assign(name string, x *syntax.Expr) {
	path := e.path(x)
	items := e.items(x)
	e.locals = append(e.locals, measured{name, path, e.size(x), items})
}

// iterate declares a variable that goes through the keys, or indices, of a range, or through its values.
func (e *estimator) iterate(name string, over *syntax.Expr, keys bool) {
	var size *Range
	if items := e.items(over); items != nil {
		size = &items.value
		if keys {
			size = &items.key
		}
	}
	step := "@values"
	switch list := e.container(over) == List; {
	case keys && list:
		step = "@indices"
	case keys:
		step = "@keys"
	case list:
		step = "@items"
	}
	e.locals = append(e.locals, measured{name: name, path: append(e.path(over), step), size: size})
}

// container returns whether x is a list or a map, or something else.
func (e *estimator) container(x *syntax.Expr) Kind {
	if items := e.items(x); items != nil {
		return items.kind
	}
	return e.checked.Types[x.ID].plain()
}

// path returns how x is reached, nil where it is made by the expression itself.
func (e *estimator) path(x *syntax.Expr) []string {
	if x.Kind == syntax.Ident {
		if v := e.local(x.Name); v != nil {
			return v.path
		}
	}
	return e.nodes[x.ID].path
}

// items returns what is known of what x holds, nil where nothing is.
//
//go:noinline
func (e *estimator) items(x *syntax.Expr) *itemSizes {
	if items := e.nodes[x.ID].items; items != nil {
		return items
	}
	if x.Kind == syntax.Ident {
		if v := e.local(x.Name); v != nil {
			return v.items
		}
	}
	return nil
}

// setItems and setSize note what is known, and leave a note alone if nothing is.
func (e *estimator) setItems(x *syntax.Expr, items *itemSizes) {
	if items != nil {
		e.nodes[x.ID].items = items
	}
}

// setSize notes the size of x, if it is known.
func (e *estimator) setSize(x *syntax.Expr, size *Range) {
	if size != nil {
		e.nodes[x.ID].size = size
	}
}

// sizeOrUnknown returns how long x may be.
func (e *estimator) sizeOrUnknown(x *syntax.Expr) Range {
	if size := e.size(x); size != nil {
		return *size
	}
	return UnknownRange()
}

// size returns how long x may be, nil where nothing is known: what is noted, what a literal says, what its path leads to, 1 for what
// has no length, and what is known of a variable, in this order.
// (computeSize in checker/cost.go.) What a path says is noted on the node, since the memory of a path may become
// that of another.
func (e *estimator) size(x *syntax.Expr) *Range {
	if size := e.nodes[x.ID].size; size != nil {
		return size
	}
	if n, ok := literalSize(x); ok {
		return &Range{n, n}
	}
	if size := e.declared(e.path(x)); size != nil {
		e.nodes[x.ID].size = size
		return size
	}
	if e.checked.Types[x.ID].scalar() {
		return &Range{1, 1}
	}
	if x.Kind == syntax.Ident {
		if v := e.local(x.Name); v != nil {
			return v.size
		}
	}
	return nil
}

// scalar says whether all values of t are of the same size. An optional is as scalar as what it may hold.
func (t *Type) scalar() bool {
	if t, ok := t.inner(); ok {
		return t.scalar()
	}
	switch t.plain() {
	case Bool, Double, Duration, Int, Timestamp, Uint:
		return true
	}
	return false
}

// literalSize returns the size of a literal: of a text in runes, of a list or a map in items, and 1 for what has no length.
func literalSize(x *syntax.Expr) (n uint64, ok bool) {
	switch x.Kind {
	case syntax.Literal:
		switch v := x.Value.(type) {
		case string:
			return uint64(len([]rune(v))), true
		case []byte:
			return uint64(len(v)), true
		}
		return 1, true
	case syntax.List:
		return uint64(len(x.Args)), true
	case syntax.Map:
		return uint64(len(x.Entries)), true
	}
	return 0, false
}

// declared returns what the types of the Env say of the place that a path leads to. The first name of a path is not looked at, if the
// Env does not ask for it: all variables are taken for the root.
func (e *estimator) declared(path []string) *Range {
	t := e.checked.env.root
	if len(path) == 0 || t == nil {
		return nil
	}
	if origin := e.checked.env.origin; origin != "" && path[0] != origin {
		return nil
	}
	// A step that the type knows nothing of leads nowhere, also if it is one that a value of that type may take.
	for _, name := range path[1:] {
		field := t.Fields[name]
		switch {
		case (name == "@items" || name == "@values") && (t.Kind == List || t.Kind == Map):
			t = t.Params[len(t.Params)-1]
		case name == "@keys" && t.Kind == Map:
			t = t.Params[0]
		case field != nil:
			t = field.Type
		case t.Kind == Map && t.Named:
			t = t.Params[1]
		default:
			return nil
		}
	}
	// Only lists and maps may be without a bound; what has no length has none, and no size. As Kubernetes' estimator has it
	// (k8s.io/apiextensions-apiserver, schema/cel/compilation.go, sizeEstimator): there the bound of what has no length is 0.
	if t.Max == Unbounded && t.Kind != List && t.Kind != Map {
		return &Range{}
	}
	return &Range{Max: t.Max}
}

// node is an argument of a call as the estimates of libraries see it.
type node struct {
	estimator *estimator
	expr      *syntax.Expr // nil for the items of a list
	typ       *Type
	path      []string
	size      *Range
}

// node returns x as an argument.
func (e *estimator) node(x *syntax.Expr) *node {
	// Size and path are those of now: a library that keeps the node sees what was known when the call was
	// estimated.
	return &node{e, x, e.checked.Types[x.ID], e.path(x), e.size(x)}
}

// Type returns the type that the checker found.
func (n *node) Type() *Type { return n.typ }

// Known is false where nothing is known of the size.
func (n *node) Known() bool { return n.size != nil }

// Size returns how long the value may be.
func (n *node) Size() Range {
	if n.size != nil {
		return *n.size
	}
	return UnknownRange()
}

// Item returns the items of a list as a node, whose path is a copy: nothing appends to that of the list.
func (n *node) Item() Node {
	if len(n.typ.Params) == 0 || n.typ.Kind == Wrapper {
		return nil
	}
	item := &node{estimator: n.estimator, typ: n.typ.Params[0]}
	if n.path != nil {
		item.path = append(slices.Clone(n.path), "@items")
		item.size = n.estimator.declared(item.path)
	}
	return item
}

// Literal returns the value of a literal.
func (n *node) Literal() (any, bool) {
	if n.expr == nil || n.expr.Kind != syntax.Literal {
		return nil, false
	}
	return n.expr.Value, true
}
