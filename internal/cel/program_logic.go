package cel

import "unicode/utf8"

// && and || may not need all that they are given, and == and != take any two values. Rules have more of these four than of all other
// operators, and most are of two bools, numbers or short texts: those have a way of their own, with the same result at the same cost.

// logical plans && and ||. The second is not evaluated if the first decides; an error counts only if neither does.
// (evalOr and evalAnd in interpreter/interpretable.go.) The calls themselves cost nothing. Of two errors the first
// is the result; what is no bool is an error of its own. Once the frame is halted nothing is absorbed.
func (p *planner) logical(nodes []planned, decides bool) runner {
	terms := make([]runner, len(nodes))
	for i, n := range nodes {
		terms[i] = p.observed(n)
	}
	// rest goes on after what the first terms were: failed is the first that was no bool, unless ok.
	rest := func(f *frame, failed Value, ok bool, terms []runner) Value {
		for _, term := range terms {
			v := term(f)
			switch {
			case v.kind == Bool && v.Bool() == decides:
				return v
			// Neutral: true for &&, false for ||.
			case v.kind == Bool:
			case f.halted != nil:
				return v
			case ok:
				failed, ok = NoSuchOverload(v), false
			}
		}
		if !ok {
			return failed
		}
		return BoolOf(!decides)
	}
	if len(terms) != 2 {
		return func(f *frame) Value { return rest(f, Value{}, true, terms) }
	}
	// The parser makes pairs, so that this is nearly always the form.
	first, second := terms[0], terms[1]
	return func(f *frame) Value {
		a := first(f)
		switch {
		case a.kind == Bool && a.Bool() == decides:
			return a
		case a.kind != Bool && f.halted != nil:
			return a
		// The first is no bool. The second is still evaluated, since it may decide alone.
		case a.kind != Bool:
			return rest(f, NoSuchOverload(a), false, terms[1:])
		}
		b := second(f)
		if b.kind != Bool && f.halted == nil {
			return NoSuchOverload(b)
		}
		return b
	}
}

// equality plans == and !=. != of what cannot be compared is true.
// Equality never fails for values of different types: they differ. What fails is what contains an error, or a list
// of a schema beside something else; see value_equal.go.
func (p *planner) equality(nodes []planned, differ bool) runner {
	left, right := p.observed(nodes[0]), p.observed(nodes[1])
	c := &callee{Function: &Function{}, cost: lesserSize, strings: 16}
	// One difference between == and !=: the cost of values of libraries. It is upstream's, and looks like an
	// oversight.
	if !differ {
		c.cost = sameCost
	}
	return func(f *frame) Value {
		a, b := left(f), right(f)
		// Most are of scalars, which are the same at a glance.
		if a.kind == b.kind && f.halted == nil && f.steps > 0 {
			switch a.kind {
			case Bool, Int, Uint:
				// Comparing takes a step for each pair of values, here as in equal, so that a loop of comparisons
				// is bounded alike.
				f.steps--
				return f.spend(1, BoolOf((a.num == b.num) != differ))
			case String:
				// Long ones go the general way, which takes steps for their length.
				if s, t := a.Str(), b.Str(); len(s) < much && len(t) < much {
					f.steps--
					return f.spend(lesserText(s, t), BoolOf((s == t) != differ))
				}
			}
		}
		switch {
		case a.kind == Error:
			return c.pay(f, a, a, b, 2)
		case b.kind == Error:
			return c.pay(f, b, a, b, 2)
		}
		if f.halted != nil || !c.look(f, a) || !c.look(f, b) {
			return f.halt(ErrBudget)
		}
		v := equal(a, b, &f.steps)
		if f.steps < 0 {
			return f.halt(ErrBudget)
		}
		if differ {
			v = BoolOf(v != True)
		} else if a.kind == Opaque && !a.IsOptional() {
			// Whatever size the value of a library has: upstream asks one for ==, and its size for !=.
			return f.spend(1, v)
		}
		return c.pay(f, v, a, b, 2)
	}
}

// lesserText is lesserSize of strings.
// Up to ten code points are one unit, so that short texts, which names are, are not counted.
func lesserText(s, t string) uint64 {
	switch n := min(len(s), len(t)); {
	case n == 0:
		return 0
	case n <= 10:
		return 1
	case s == t:
		return Tenth(uint64(utf8.RuneCountInString(s)))
	}
	return Tenth(uint64(min(utf8.RuneCountInString(s), utf8.RuneCountInString(t))))
}

// sameCost is lesserSize but for values of libraries, which cost 1 to compare, but not where they are to differ.
// Owned values have sizes, which != goes by.
func sameCost(args []Value, result Value) uint64 {
	if _, ok := args[0].ref.(Owned); ok && args[0].kind == Opaque {
		return 1
	}
	return lesserSize(args, result)
}

// planIn plans in, which looks at the items of a list one by one, or for a key of a map.
// Its steps are taken item by item while it looks, unlike those of calls, which are taken before.
func (p *planner) planIn(c callee, nodes []planned) planned {
	if n, ok := p.membership(c, nodes); ok {
		return n
	}
	left, right := p.observed(nodes[0]), p.observed(nodes[1])
	return planned{run: func(f *frame) Value {
		a, b := left(f), right(f)
		switch {
		case a.kind == Error:
			return c.pay(f, a, a, b, 2)
		case b.kind == Error:
			return c.pay(f, b, a, b, 2)
		case f.halted != nil:
			return Fail(f.halted)
		}
		if c.cost != nil {
			f.args = [2]Value{a, b}
			if !c.affordable(f, f.args[:]) {
				return f.halt(ErrBudget)
			}
		}
		return c.pay(f, contained(a, b, &f.steps), a, b, 2)
	}}
}
