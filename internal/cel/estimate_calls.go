package cel

import (
	"math"

	"apichain/internal/cel/syntax"
)

// What a call costs is up to its overloads. A library says it with the overload or the function; the operators and functions of the
// standard library are a few sorts that differ in what they go through: nothing, one text or list, two, or the shorter of two. If
// several overloads are left, the call costs at least what the cheapest and at most what the dearest of them does.

// call returns what a call costs with its arguments: what any of its overloads may cost.
// (costCall in checker/cost.go.) What it notes of the result, whoever is around the call may ask for: its size,
// the sizes of its items, and for an index its path.
func (e *estimator) call(x *syntax.Expr) Range {
	if x.Name == "dyn" {
		// It changes what the checker thinks, and nothing else.
		sum := e.cost(x.Args[0]).Plus(Exactly(1))
		e.setSize(x, e.size(x.Args[0]))
		e.setItems(x, e.items(x.Args[0]))
		return sum
	}
	// Arguments before the receiver, as upstream: the path of one may share its memory with that of the other.
	c := estimatedCall{estimator: e, expr: x, costs: make([]Range, len(x.Args)), nodes: make([]Node, 0, len(x.Args)+1)}
	if x.Operand != nil {
		c.nodes = append(c.nodes, nil)
	}
	for i, a := range x.Args {
		c.costs[i] = e.cost(a)
		c.arguments = c.arguments.Plus(c.costs[i])
		c.nodes = append(c.nodes, e.node(a))
	}
	var receiver Range
	if x.Operand != nil {
		receiver = e.cost(x.Operand)
		c.nodes[0] = e.node(x.Operand)
	}
	// Of several overloads the cost is anything that one of them may cost, and so is the size of the result.
	// As with lists, the first of the union is what decides.
	sum := Range{Min: math.MaxUint64}
	var size *Range
	for _, o := range e.checked.Refs[x.ID].Overloads {
		cost, result := c.overload(o)
		sum = sum.Union(cost)
		switch {
		case result != nil && size != nil:
			union := size.Union(*result)
			size = &union
		case result != nil:
			size = result
		}
		// What is in a list or a map has a path of its own.
		if o.ID == "index_list" || o.ID == "index_map" {
			step := "@items"
			if o.ID == "index_map" {
				step = "@values"
			}
			size = nil
			if items := e.items(x.Args[0]); items != nil {
				size = &items.value
			}
			e.nodes[x.ID].path = append(e.path(x.Args[0]), step)
		}
		// What no overload says, the path of the result may.
		if size == nil {
			size = e.size(x)
		}
	}
	e.setSize(x, size)
	return receiver.Plus(sum)
}

// estimatedCall is a call whose arguments are estimated.
type estimatedCall struct {
	*estimator
	expr      *syntax.Expr
	nodes     []Node  // the receiver and the arguments
	costs     []Range // of the arguments, without the receiver
	arguments Range   // their sum
}

// overload returns the cost of a call of one overload with the arguments, and the size of its result. The rows of libraries say
// their own; those of the standard library are here, since some need more than sizes.
func (c *estimatedCall) overload(o *Overload) (Range, *Range) {
	// The overload's own word goes before that of its function.
	// Where neither has one, the standard library's rules below are asked, and where those do not know the ID
	// either, it is 1.
	estimate := o.Estimate
	if f := c.env().functions[c.expr.Name]; estimate == nil && f != nil {
		estimate = f.Estimate
	}
	if estimate != nil {
		cost, size := estimate(c.nodes)
		return cost.Plus(c.arguments), size
	}
	switch o.ID {
	case "logical_or", "logical_and":
		// The right side may not be needed.
		return Range{c.costs[0].Min, c.costs[0].Plus(c.costs[1]).Max}, nil
	case "conditional":
		// One of two is evaluated, and the result is as large as either.
		size := c.nodes[1].Size().Union(c.nodes[2].Size())
		c.setItems(c.expr, c.items(c.expr.Args[1]).union(c.items(c.expr.Args[2])))
		return c.costs[0].Plus(c.costs[1].Union(c.costs[2])), &size
	case "add_list":
		// It is made of both without a copy.
		size := c.concatenated()
		return c.arguments.Plus(Exactly(1)), &size
	case "add_string", "add_bytes":
		size := c.concatenated()
		return c.arguments.Plus(size.Scale(TextFactor)), &size
	case "equals":
		return c.arguments.Plus(c.equal()), nil
	case "not_equals", "less_string", "greater_string", "less_equals_string", "greater_equals_string",
		"less_bytes", "greater_bytes", "less_equals_bytes", "greater_equals_bytes":
		return c.arguments.Plus(compared(c.nodes)), nil
	}
	cost, size := traversed(o.ID, c.nodes)
	return cost.Plus(c.arguments), size
}

// env returns the Env that the expression was checked against.
func (c *estimatedCall) env() *Env { return c.checked.env }

// concatenated returns the size of a sum of two lists or texts, and notes those of its items.
// Where one of the two is of unknown items, the sum is too, although the other could be told.
func (c *estimatedCall) concatenated() Range {
	c.setItems(c.expr, c.items(c.expr.Args[0]).union(c.items(c.expr.Args[1])))
	return c.nodes[0].Size().Plus(c.nodes[1].Size())
}

// equal is the cost of ==, on which libraries have a word if both sides are of a type of theirs.
func (c *estimatedCall) equal() Range {
	if t := c.nodes[0].Type(); t.Name == c.nodes[1].Type().Name {
		for _, l := range c.env().options.Libraries {
			if l.Equality == nil {
				continue
			}
			if cost, ok := l.Equality(t, c.nodes[0], c.nodes[1]); ok {
				return cost
			}
		}
	}
	return compared(c.nodes)
}

// compared returns what it costs to compare two values: as much as the shorter one is long, and 1 for scalars.
// (The case of comparisons in functionCost.) The least is 1 unless one is surely empty: the evaluator may find
// both empty and cost 0, which upstream does not mind.
func compared(nodes []Node) Range {
	size := Range{Max: min(nodes[0].Size().Max, nodes[1].Size().Max)}
	if size.Max > 0 {
		size.Min = 1
	}
	return size.Scale(TextFactor)
}

// traversed returns what a call costs that goes through texts or lists, and the size of its result; 1 for any other.
// They are upstream's figures (functionCost in checker/cost.go), and the counterparts of what the rows of
// standard.go cost at run time: a size there is what was there, here what could be.
func traversed(id string, nodes []Node) (Range, *Range) {
	switch id {
	case "string_format":
		return nodes[0].Size().Scale(TextFactor), nil
	case "string_to_bytes":
		// A rune has up to four bytes.
		size := nodes[0].Size()
		return size.Scale(TextFactor), &Range{size.Min, size.Max * 4}
	case "bytes_to_string":
		size := nodes[0].Size()
		return size.Scale(TextFactor), &Range{size.Min / 4, size.Max}
	case "strings_quote":
		// Two quotes, and each rune may need a backslash.
		size := nodes[0].Size()
		return size.Scale(TextFactor), &Range{size.Min + 2, size.Max*2 + 2}
	case "starts_with_string", "ends_with_string":
		return nodes[1].Size().Scale(TextFactor), nil
	case "in_list":
		// Each item is compared, whatever that costs.
		return nodes[1].Size().Scale(1), nil
	case "matches", "matches_string":
		// An empty text may be expensive to match too.
		text := nodes[0].Size().Plus(Exactly(1)).Scale(TextFactor)
		return text.Times(nodes[1].Size().Scale(PatternFactor)), nil
	case "contains_string":
		return nodes[0].Size().Scale(TextFactor).Times(nodes[1].Size().Scale(TextFactor)), nil
	}
	return Exactly(1), nil
}
