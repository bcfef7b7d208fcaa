package fieldset

import (
	"slices"

	"apichain/internal/tree"
)

// Two objects are compared in one walk, which makes one slice of nodes for all three sets: a mark has a bit for each. What is
// the same on both sides leaves no node, and costs no memory: of the fields of a map only those are sorted and looked at
// that are no equal scalars.
//
//	before            after
//	replicas: 3       replicas: 5       Modified .replicas
//	labels: {a: x}    labels: {b: x}    Removed .labels.a, Added .labels.b
//	ports:            ports:            Added .ports[port=80], .ports[port=80].port, and .ports
//	                  - port: 80
//
// So what has come or gone counts with all that is in it, and itself. A list or map that was empty and still is counts as
// one value, as does what is owned as a whole. Where a place allows several sorts, and the value has become another, it
// is compared as each of them.
//
// Elements that are there twice are compared as one value. Where only one side has an element twice, that side has
// nothing but the element, and the other has what is in it.

// Comparison is how two objects differ.
type Comparison struct {
	// Removed is what only the old one has, Added what only the new one has, Modified what both have and is not the same.
	Removed, Modified, Added Set
}

// IsEmpty reports whether the objects are the same.
func (c Comparison) IsEmpty() bool {
	return c.Removed.IsEmpty() && c.Modified.IsEmpty() && c.Added.IsEmpty()
}

// Filtered returns c with each of its sets filtered.
func (c Comparison) Filtered(f *Filter) Comparison {
	return Comparison{f.Apply(c.Removed), f.Apply(c.Modified), f.Apply(c.Added)}
}

// The marks of a comparison.
const (
	removed mark = 1 << iota
	modified
	added
)

// absent is the value of a place where there is none, which null is not.
type absent struct{}

// Compare returns how next differs from old, which are both of the place s. The error is Errors, for what both sides
// have in a form that the place does not allow and for elements that cannot be told apart; what is the same is not looked at.
func Compare(old, next any, s Schema) (Comparison, error) {
	var c comparer
	c.compare(old, next, s)
	if err := c.errs.Err(); err != nil {
		return Comparison{}, err
	}
	return Comparison{c.pick(removed), c.pick(modified), c.pick(added)}, nil
}

// comparer makes the nodes of a comparison in order.
type comparer struct{ builder }

// at compares what both sides have for e. extra is a mark that its node has in any case.
func (c *comparer) at(e Element, l, r any, place Schema, extra mark) {
	at, n := c.open(e), len(c.errs)
	itself := c.compare(l, r, place)
	c.nodes[at].mark = itself | extra
	c.nodes = closed(c.nodes, at)
	c.errs[n:].Under(e)
}

// compare appends how what is in l and r differs, and returns the mark of the place itself.
func (c *comparer) compare(l, r any, s Schema) mark {
	atom := atomOf(s)
	al, ar := atom.For(l), atom.For(r)
	// What is not there has any form.
	if l == any(absent{}) {
		al = ar
	} else if r == any(absent{}) {
		ar = al
	}
	var itself mark
	asMap := al.Map != NoMap || ar.Map != NoMap
	asScalar := al.Map == NoMap && al.Scalar != NoScalar || ar.Map == NoMap && ar.Scalar != NoScalar
	asList := al.Map == NoMap && al.Scalar == NoScalar || ar.Map == NoMap && ar.Scalar == NoScalar
	if asMap {
		itself |= c.maps(l, r, max(al.Map, ar.Map), s)
	}
	if asScalar {
		itself |= c.scalars(l, r, max(al.Scalar, ar.Scalar))
	}
	if asList {
		if max(al.List, ar.List) == NoList {
			c.errs = append(c.errs, Errorf("schema error: invalid atom: inlined")...)
			return 0
		}
		itself |= c.lists(l, r, atom, s)
	}
	return itself
}

// leaf returns the mark of a place that is compared as one value.
func leaf(l, r any) mark {
	switch {
	case l == any(absent{}):
		return added
	case r == any(absent{}):
		return removed
	case !tree.Equal(l, r):
		return modified
	}
	return 0
}

// whole returns the mark of a place that is compared by its parts: it has come or gone, or has none of its own.
func whole(l, r any) mark {
	if l == any(absent{}) || r == any(absent{}) {
		return leaf(l, r)
	}
	return 0
}

// scalars compares two values of which at least one must be of the sort.
func (c *comparer) scalars(l, r any, s Scalar) mark {
	var errs [2]Errors
	for i, side := range [...]struct {
		v      any
		prefix string
	}{{l, "lhs: "}, {r, "rhs: "}} {
		if side.v != any(absent{}) {
			errs[i] = s.Check(side.v, side.prefix)
		}
	}
	if len(errs[0]) > 0 && len(errs[1]) > 0 {
		c.errs = append(append(c.errs, errs[0]...), errs[1]...)
		return whole(l, r)
	}
	return leaf(l, r)
}

// maps compares two maps field by field, where what is no map has no fields.
func (c *comparer) maps(l, r any, sort Map, s Schema) mark {
	lm, _ := l.(map[string]any)
	rm, _ := r.(map[string]any)
	if sort == Atomic || len(lm) == 0 && len(rm) == 0 {
		return leaf(l, r)
	}
	// Only what may differ is sorted.
	first, common := len(c.keys), 0
	for name, lv := range lm {
		rv, ok := rm[name]
		if ok {
			common++
		}
		if !ok || !sameScalar(lv, rv) {
			c.keys = append(c.keys, name)
		}
	}
	if common < len(rm) {
		for name := range rm {
			if _, ok := lm[name]; !ok {
				c.keys = append(c.keys, name)
			}
		}
	}
	slices.Sort(c.keys[first:])
	for i := first; i < len(c.keys); i++ {
		name := c.keys[i]
		place, _ := s.Field(name)
		c.at(Field(name), valueOf(lm, name), valueOf(rm, name), place, 0)
	}
	c.keys = c.keys[:first]
	return whole(l, r)
}

// valueOf returns a field of m, absent if m does not have it.
func valueOf(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return absent{}
}

// sameScalar reports whether l and r are the same scalar of the same type. It may be asked of maps and lists.
func sameScalar(l, r any) bool {
	switch l := l.(type) {
	case string:
		r, ok := r.(string)
		return ok && l == r
	case map[string]any, []any:
		return false
	}
	switch r.(type) {
	case map[string]any, []any:
		return false
	}
	return l == r
}

// lists compares two lists element by element, where what is no list has no elements.
func (c *comparer) lists(l, r any, atom Atom, s Schema) mark {
	ll, _ := l.([]any)
	rl, _ := r.([]any)
	if atom.List == AtomicList || len(ll) == 0 && len(rl) == 0 {
		return leaf(l, r)
	}
	if tree.Equal(l, r) {
		return 0
	}
	items, first := s.Items(), len(c.items)
	c.appendItems(ll, atom.Keys, items)
	middle := len(c.items)
	c.appendItems(rl, atom.Keys, items)
	for i, j, end := first, middle, len(c.items); i < middle || j < end; {
		e := least(c.items[i:middle], c.items[j:end])
		n, m := count(c.items[i:middle], e), count(c.items[j:end], e)
		c.elements(e, ll, c.items[i:i+n], rl, c.items[j:j+m], items)
		i, j = i+n, j+m
	}
	c.items = c.items[:first]
	return whole(l, r)
}

// least returns the first element of two sorted sequences, of which one is not empty.
func least(l, r []item) Element {
	if len(r) == 0 || len(l) > 0 && l[0].Compare(r[0].Element) < 0 {
		return l[0].Element
	}
	return r[0].Element
}

// count returns how many items at the beginning are e.
func count(items []item, e Element) int {
	n := 0
	for n < len(items) && items[n].Element == e {
		n++
	}
	return n
}

// elements compares the elements of two lists that are e, l of ll and r of rl.
func (c *comparer) elements(e Element, ll []any, l []item, rl []any, r []item, place Schema) {
	var lv, rv any = absent{}, absent{}
	if len(l) > 0 {
		lv = ll[l[0].at]
	}
	if len(r) > 0 {
		rv = rl[r[0].at]
	}
	switch {
	case len(l) < 2 && len(r) < 2:
		c.at(e, lv, rv, place, 0)
	case len(l) >= 2 && len(r) >= 2:
		same := slices.EqualFunc(l, r, func(x, y item) bool { return tree.Equal(ll[x.at], rl[y.at]) })
		if !same {
			c.nodes = append(c.nodes, node{e.text, 1, e.kind, modified})
		}
	case len(l) >= 2 && len(r) == 0:
		c.nodes = append(c.nodes, node{e.text, 1, e.kind, removed})
	case len(l) >= 2:
		c.at(e, absent{}, rv, place, removed)
	case len(l) == 0:
		c.nodes = append(c.nodes, node{e.text, 1, e.kind, added})
	default:
		c.at(e, lv, absent{}, place, added)
	}
}

// pick returns the set of the nodes that have the mark.
func (c *comparer) pick(m mark) Set {
	n := 0
	for i := range c.nodes {
		if c.nodes[i].mark&m != 0 {
			n++
		}
	}
	if n == 0 {
		return Set{}
	}
	return Set{pick(make([]node, 0, len(c.nodes)), Set{c.nodes}, m)}
}

// pick appends to out the nodes of s that have the mark, as members, and the way to them.
func pick(out []node, s Set, m mark) []node {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		at, n := len(out), s.nodes[i]
		out = append(out, node{n.text, 1, n.kind, marked(n.mark&m != 0)})
		out = closed(pick(out, s.below(i), m), at)
	}
	return out
}
