package fieldset

// What a schema makes of a set that was made without it, or with another.

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
			// A field that the schema names cannot come without what is around it; the entry of a map can, and stays a mere way.
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
// This is how the sets of old entries follow a schema in which a granular place has become atomic; upstream calls it to
// reconcile.
func (s Set) Whole(schema Schema) Set {
	if !hasParts(s, schema) {
		return s
	}
	return Set{whole(make([]node, 0, len(s.nodes)), s, schema)}
}

// hasParts reports whether s, which is below a place, has parts of what is owned as a whole.
func hasParts(s Set, schema Schema) bool {
	for i := 0; i < len(s.nodes) && schema != nil; i += int(s.nodes[i].size) {
		// A node without any below it is a member, and whole already.
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
				// The nodes below are not copied, which is all that makes the place whole.
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
