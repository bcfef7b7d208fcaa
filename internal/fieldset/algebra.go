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
		if c <= 0 {
			i += int(x.size)
		}
		if c >= 0 {
			j += int(y.size)
		}
	}
	return false
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

// MembersNamed returns s and, as members of it, the fields on the way to members which the schema names.
func (s Set) MembersNamed(schema Schema) Set {
	out := append([]node(nil), s.nodes...)
	nameMembers(out, schema)
	return Set{out}
}

// nameMembers is MembersNamed for nodes, which it changes, and the place that they are below.
func nameMembers(nodes []node, schema Schema) {
	if schema == nil {
		return
	}
	atom := schema.Atom()
	for i := 0; i < len(nodes); i += int(nodes[i].size) {
		var place Schema
		switch {
		case nodes[i].kind == FieldKind && atom.Map != NoMap:
			var named bool
			place, named = schema.Field(nodes[i].text)
			nodes[i].mark |= marked(named)
		case nodes[i].kind == KeyKind && atom.List != NoList:
			place = schema.Items()
		}
		nameMembers(nodes[i+1:i+int(nodes[i].size)], place)
	}
}

// Whole returns s as it is under a schema which owns as a whole some maps and lists that s has parts of: each of them is a
// member, and nothing in it is. Of what may be of several sorts the first of map, scalar and list counts, and what is
// below a map whose fields nobody has told is left alone. Nothing is copied where there is no such part.
func (s Set) Whole(schema Schema) Set {
	if !hasParts(s, schema) {
		return s
	}
	return Set{whole(make([]node, 0, len(s.nodes)), s, schema)}
}

// hasParts reports whether s, which is below a place, has parts of what is owned as a whole.
func hasParts(s Set, schema Schema) bool {
	for i := 0; i < len(s.nodes) && schema != nil; i += int(s.nodes[i].size) {
		if s.nodes[i].size == 1 {
			continue
		}
		if place := partOf(schema, s.nodes[i].text); isWhole(place) || hasParts(s.below(i), place) {
			return true
		}
	}
	return false
}

// whole appends what Whole makes of s, which is below a place; without a place, all of it.
func whole(out []node, s Set, schema Schema) []node {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		n, at := s.nodes[i], len(out)
		out = append(out, n)
		if n.size > 1 {
			if place := partOf(schema, n.text); isWhole(place) {
				out[at].mark = member
			} else {
				out = whole(out, s.below(i), place)
			}
		}
		out = closed(out, at)
	}
	return out
}

// isWhole reports whether a place is owned as a whole.
func isWhole(place Schema) bool {
	switch atom := atomOf(place); atom.sort() {
	case mapSort:
		return atom.Map == Atomic && !atom.Untold
	case listSort:
		return atom.List == AtomicList
	}
	return false
}

// partOf returns the place of a part of a place, the field of that name of a map or an element of a list; nil where a place has none
// that anybody has told of.
func partOf(schema Schema, name string) Schema {
	switch atom := atomOf(schema); atom.sort() {
	case mapSort:
		if atom.Map == Granular && !atom.Untold {
			place, _ := schema.Field(name)
			return place
		}
	case listSort:
		if atom.List != AtomicList {
			return schema.Items()
		}
	}
	return nil
}
