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
	var w walker
	nodes, _ := w.compare(nil, old, next, s)
	if err := w.errs.Err(); err != nil {
		return Comparison{}, err
	}
	// Most comparisons find one sort of difference, so two of three sets need no memory.
	var has mark
	for i := range nodes {
		has |= nodes[i].mark
	}
	var sets [3]Set
	for i, m := range [...]mark{removed, modified, added} {
		if has&m == 0 {
			continue
		}
		// The last set is made where the nodes are, which is most often the only one.
		room := nodes[:0]
		if has &^= m; has != 0 {
			room = make([]node, 0, len(nodes))
		}
		sets[i] = Set{picked(room, nodes, m)}
	}
	return Comparison{sets[0], sets[1], sets[2]}, nil
}

// picked appends to out the nodes that have the mark, as members, and the way to them. out may be the beginning of nodes,
// since it does not become longer than what of them has been looked at.
func picked(out, nodes []node, m mark) []node {
	for len(nodes) > 0 {
		n, at := nodes[0], len(out)
		out = append(out, node{n.text, 1, n.kind, marked(n.mark&m != 0)})
		out = closed(picked(out, nodes[1:n.size], m), at)
		nodes = nodes[n.size:]
	}
	return out
}

// at appends how what both sides have for e differs. extra is a mark that its node has in any case.
func (w *walker) at(out []node, e Element, l, r any, place Schema, extra mark) []node {
	at, n := len(out), len(w.errs)
	out, itself := w.compare(open(out, e), l, r, place)
	out[at].mark = itself | extra
	// Only errors that were found below this step get it before their paths.
	w.errs = w.errs[:n+len(w.errs[n:].Under(e, &w.text))]
	return closed(out, at)
}

// compare appends how what is in l and r differs, and returns the mark of the place itself.
func (w *walker) compare(out []node, l, r any, s Schema) (_ []node, itself mark) {
	atom := atomOf(s)
	al, ar := atom.For(l), atom.For(r)
	// What is not there has any form.
	// So a value that has come is walked by its own sort, and all in it counts as added.
	if l == any(absent{}) {
		al = ar
	} else if r == any(absent{}) {
		ar = al
	}
	sl, sr := al.sort(), ar.sort()
	if sl == noSort || sr == noSort {
		w.errs = append(w.errs, Errorf("schema error: invalid atom: inlined")...)
		return out, 0
	}
	// One place may be walked twice where its value has changed its sort: upstream compares it as each of them, and the marks
	// add up.
	if sl == mapSort || sr == mapSort {
		out, itself = w.compareMaps(out, l, r, atom.Map, s)
	}
	if sl == scalarSort || sr == scalarSort {
		itself |= w.compareScalars(l, r, atom.Scalar)
	}
	if sl == listSort || sr == listSort {
		var m mark
		out, m = w.compareLists(out, l, r, atom, s)
		itself |= m
	}
	return out, itself
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

// partly returns the mark of a place that is compared by its parts: it has come or gone, or has none of its own.
func partly(l, r any) mark {
	if l == any(absent{}) || r == any(absent{}) {
		return leaf(l, r)
	}
	return 0
}

// compareScalars compares two values of which at least one must be of the sort.
func (w *walker) compareScalars(l, r any, s Scalar) mark {
	left, right := s.Check(l, "lhs: "), s.Check(r, "rhs: ")
	// One side that fits is enough: what is stored may be of another time.
	if len(left) > 0 && len(right) > 0 {
		w.errs = append(append(w.errs, left...), right...)
		return partly(l, r)
	}
	return leaf(l, r)
}

// compareMaps compares two maps field by field, where what is no map has no fields.
func (w *walker) compareMaps(out []node, l, r any, sort Map, s Schema) ([]node, mark) {
	lm, _ := l.(map[string]any)
	rm, _ := r.(map[string]any)
	if sort == Atomic || len(lm) == 0 && len(rm) == 0 {
		return out, leaf(l, r)
	}
	// Only what may differ is sorted.
	var room [roomForFields]string
	names, common := room[:0], 0
	for name, lv := range lm {
		rv, ok := rm[name]
		if ok {
			common++
		}
		if !ok || !sameScalar(lv, rv) {
			names = append(names, name)
		}
	}
	// Where all of the new map is in the old one there is nothing to look for.
	if common < len(rm) {
		for name := range rm {
			if _, ok := lm[name]; !ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		place, _ := s.Field(name)
		out = w.at(out, Field(name), valueOf(lm, name), valueOf(rm, name), place, 0)
	}
	return out, partly(l, r)
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

// compareLists compares two lists element by element, where what is no list has no elements.
func (w *walker) compareLists(out []node, l, r any, atom Atom, s Schema) ([]node, mark) {
	ll, _ := l.([]any)
	rl, _ := r.([]any)
	if atom.List == AtomicList || len(ll) == 0 && len(rl) == 0 {
		return out, leaf(l, r)
	}
	// Keys cost an allocation each; a list that has not changed, the most common one, pays for none.
	if tree.Equal(l, r) {
		return out, 0
	}
	place := s.Items()
	var roomL, roomR [roomForItems]item
	li := w.items(roomL[:0], ll, atom.Keys, place)
	ri := w.items(roomR[:0], rl, atom.Keys, place)
	for len(li) > 0 || len(ri) > 0 {
		e := least(li, ri)
		n, m := count(li, e), count(ri, e)
		out = w.compareItems(out, e, ll, li[:n], rl, ri[:m], place)
		li, ri = li[n:], ri[m:]
	}
	return out, partly(l, r)
}

// least returns the first element of two sorted sequences, of which one is not empty.
func least(l, r []item) Element {
	if len(r) == 0 || len(l) > 0 && l[0].Compare(r[0].Element) < 0 {
		return l[0].Element
	}
	return r[0].Element
}

// compareItems compares the elements of two lists that are e, l of ll and r of rl.
func (w *walker) compareItems(out []node, e Element, ll []any, l []item, rl []any, r []item, place Schema) []node {
	var lv, rv any = absent{}, absent{}
	if len(l) > 0 {
		lv = ll[l[0].at]
	}
	if len(r) > 0 {
		rv = rl[r[0].at]
	}
	switch twiceL, twiceR := len(l) > 1, len(r) > 1; {
	case twiceL && twiceR:
		if !slices.EqualFunc(l, r, func(x, y item) bool { return tree.Equal(ll[x.at], rl[y.at]) }) {
			out = append(out, node{e.text, 1, e.kind, modified})
		}
		return out
	case twiceL && len(r) == 0:
		return append(out, node{e.text, 1, e.kind, removed})
	case twiceR && len(l) == 0:
		return append(out, node{e.text, 1, e.kind, added})
	case twiceL:
		return w.at(out, e, absent{}, rv, place, removed)
	case twiceR:
		return w.at(out, e, lv, absent{}, place, added)
	}
	return w.at(out, e, lv, rv, place, 0)
}
