package fieldset

// Each operation on two sets is a walk along both at once. Where one of them has an element that the other lacks, the
// operation keeps its whole subtree or drops it; where both have it, the operation says of what the member is, and what
// is below is walked in the same way. A node that is left without members is taken back.
//
//	            only in a   only in b   member of a and b   below a member of b
//	union       keep        keep        a or b              walk
//	intersect   drop        drop        a and b             walk
//	difference  keep        drop        a and not b         walk
//	recursive   keep        drop        a and not b         drop

// operation is a row of the table above.
// A new set operation is a row here, not a walk of its own.
type operation struct {
	keepA, keepB bool
	mark         func(a, b mark) mark
	deep         bool
}

// Union returns what is in s or in o.
func (s Set) Union(o Set) Set {
	switch {
	case s.IsEmpty():
		return o
	case o.IsEmpty():
		return s
	}
	op := operation{keepA: true, keepB: true, mark: func(a, b mark) mark { return a | b }}
	return Set{op.merge(make([]node, 0, len(s.nodes)+len(o.nodes)), s, o)}
}

// UnionOf returns what is in any of the sets. It takes them by halves, so that many of them cost no more than all that is in them, by
// the logarithm of their number.
// The order of the sets does not matter, and none of them changes.
func UnionOf(sets []Set) Set {
	switch n := len(sets); n {
	case 0:
		return Set{}
	case 1:
		return sets[0]
	default:
		return UnionOf(sets[:n/2]).Union(UnionOf(sets[n/2:]))
	}
}

// Intersection returns what is in both s and o.
func (s Set) Intersection(o Set) Set {
	op := operation{mark: func(a, b mark) mark { return a & b }}
	return op.shrink(s, o)
}

// Difference returns what is in s and not in o. What is below a member of o stays.
func (s Set) Difference(o Set) Set {
	op := operation{keepA: true, mark: func(a, b mark) mark { return a &^ b }}
	return op.shrink(s, o)
}

// RecursiveDifference returns what is in s, and neither in o nor below a member of o.
func (s Set) RecursiveDifference(o Set) Set {
	op := operation{keepA: true, mark: func(a, b mark) mark { return a &^ b }, deep: true}
	return op.shrink(s, o)
}

// shrink is merge for an operation that never has more than s, and has all or nothing where no member of s is one of o.
func (op *operation) shrink(s, o Set) Set {
	switch {
	// The first walk allocates nothing, and most often finds that there is nothing to do: who owns what is mostly apart.
	case meets(s, o, op.deep):
		return Set{op.merge(make([]node, 0, len(s.nodes)), s, o)}
	case op.keepA:
		return s
	}
	return Set{}
}

// meets reports whether a member of a is one of b or, if deep is set, below one.
func meets(a, b Set, deep bool) bool {
	for i, j := 0, 0; i < len(a.nodes) && j < len(b.nodes); {
		x, y := &a.nodes[i], &b.nodes[j]
		c := x.element().Compare(y.element())
		if c == 0 && (y.mark != 0 && (deep || x.mark != 0) || meets(a.below(i), b.below(j), deep)) {
			return true
		}
		// Whole subtrees are passed over: what only one side has can meet nothing.
		if c <= 0 {
			i += int(x.size)
		}
		if c >= 0 {
			j += int(y.size)
		}
	}
	return false
}

// Meets reports whether s and o have a member in common. It does not allocate.
func (s Set) Meets(o Set) bool { return meets(s, o, false) }

// HasAll reports whether each member of o is one of s. It does not allocate.
func (s Set) HasAll(o Set) bool {
	i := 0
	for j := 0; j < len(o.nodes); j += int(o.nodes[j].size) {
		y := &o.nodes[j]
		// Both are sorted, so what is behind in s is never asked for again.
		for i < len(s.nodes) && s.nodes[i].element().Compare(y.element()) < 0 {
			i += int(s.nodes[i].size)
		}
		if i == len(s.nodes) || s.nodes[i].element() != y.element() || y.mark&^s.nodes[i].mark != 0 || !s.below(i).HasAll(o.below(j)) {
			return false
		}
	}
	return true
}

// merge appends to out what the operation makes of a and b.
func (op *operation) merge(out []node, a, b Set) []node {
	i, j := 0, 0
	for i < len(a.nodes) && j < len(b.nodes) {
		x, y := &a.nodes[i], &b.nodes[j]
		switch c := x.element().Compare(y.element()); {
		case c < 0:
			out = keep(out, op.keepA, a.nodes[i:i+int(x.size)])
			i += int(x.size)
			continue
		case c > 0:
			out = keep(out, op.keepB, b.nodes[j:j+int(y.size)])
			j += int(y.size)
			continue
		case x.kind == Any:
			// These are patterns, not sets (filter.go).
			out = append(out, a.nodes[i:i+int(x.size)]...)
		case !op.deep || y.mark == 0:
			// The size is not known until all that is below has been merged; closed sets it, or takes the node back.
			at := len(out)
			out = append(out, node{x.text, 1, x.kind, op.mark(x.mark, y.mark)})
			out = closed(op.merge(out, a.below(i), b.below(j)), at)
		}
		i, j = i+int(x.size), j+int(y.size)
	}
	return keep(keep(out, op.keepA, a.nodes[i:]), op.keepB, b.nodes[j:])
}

// keep appends nodes to out if it shall.
func keep(out []node, shall bool, nodes []node) []node {
	if shall {
		return append(out, nodes...)
	}
	return out
}

// closed sets the size of the node at index at, all of whose subtree is behind it in nodes, or takes back a node that
// is no member and has none below it.
func closed(nodes []node, at int) []node {
	if len(nodes) == at+1 && nodes[at].mark == 0 {
		return nodes[:at]
	}
	nodes[at].size = int32(len(nodes) - at)
	return nodes
}

// Leaves returns those members of s that have no other below them.
func (s Set) Leaves() Set {
	out := append([]node(nil), s.nodes...)
	for i := range out {
		out[i].mark = marked(out[i].size == 1)
	}
	return Set{out}
}
