package fieldset

import (
	"slices"
)

// The set of an object is what somebody owns who has written all of it: each scalar, each list and map that is owned as a
// whole, each element of a list whose elements are told apart, each field that the schema does not name, and what is
// null or an empty map. A map that has fields, and a list that has elements, is not owned by itself.
//
//	replicas: 3            .replicas
//	selector: {app: x}     .selector               atomic
//	ports:                 .ports[port=80]         an element, and its fields
//	- port: 80             .ports[port=80].port
//	labels: {}             .labels                 an empty map
//	args: []                                       an empty list of elements: nothing to own
//
// An element that is there twice is owned once, without what is in either.

// Of returns the set of v, which is of the place s. The error is Errors: what cannot be told apart, or has no schema.
// Other than by that, v is not checked.
func Of(v any, s Schema) (Set, error) {
	var w walker
	nodes, _ := w.of(nil, v, s)
	if err := w.errs.Err(); err != nil {
		return Set{}, err
	}
	return Set{nodes}, nil
}

// The fields of a map and the elements of a list are sorted in a slice of the function that walks it, which is on the stack
// where there is room for them. So a set costs the memory of its nodes, and the texts of keys.
const (
	roomForFields = 16
	roomForItems  = 8
)

// walker walks objects and keeps what is wrong with them, whose paths have text bytes.
type walker struct {
	errs Errors
	text int
}

// open appends a node for e, for closed when all that is below it is there.
func open(out []node, e Element) []node {
	if out == nil {
		out = make([]node, 0, 16)
	}
	return append(out, node{e.text, 1, e.kind, 0})
}

// of appends what is below the place of v, and returns the mark of the place itself.
func (w *walker) of(out []node, v any, s Schema) ([]node, mark) {
	atom := atomOf(s).For(v)
	switch {
	case atom.Map != NoMap:
		if m, ok := v.(map[string]any); ok && atom.Map == Granular {
			out = w.ofMap(out, m, s)
		}
		return out, marked(atom.Map == Atomic)
	case atom.Scalar != NoScalar:
		return out, member
	case atom.List != NoList:
		if list, ok := v.([]any); ok && atom.List != AtomicList {
			out = w.ofList(out, list, atom.Keys, s.Items())
		}
		return out, marked(atom.List == AtomicList)
	}
	w.errs = append(w.errs, Errorf("schema error: invalid atom: inlined")...)
	return out, 0
}

// ofMap appends what m has.
func (w *walker) ofMap(out []node, m map[string]any, s Schema) []node {
	var room [roomForFields]string
	names := room[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, at := m[name], len(out)
		place, named := s.Field(name)
		var itself mark
		out, itself = w.of(open(out, Field(name)), v, place)
		// A field without a name in the schema is owned itself, as the entry of a map is; so is what has nothing in it that could
		// be.
		out[at].mark = itself | marked(!named || v == nil || isEmptyMap(v))
		out = closed(out, at)
	}
	return out
}

func isEmptyMap(v any) bool {
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}

// ofList appends what list has.
func (w *walker) ofList(out []node, list []any, keys []string, items Schema) []node {
	var room [roomForItems]item
	sorted := w.items(room[:0], list, keys, items)
	for len(sorted) > 0 {
		it, n, at := sorted[0], count(sorted, sorted[0].Element), len(out)
		out = open(out, it.Element)
		// Of twins nobody could say whose field it is.
		if n == 1 {
			out, _ = w.of(out, list[it.at], items)
		}
		out[at].mark = member
		out, sorted = closed(out, at), sorted[n:]
	}
	return out
}

// item is an element of a list, and where it is.
type item struct {
	Element
	at int
}

// items appends the elements of list in the order of sets, those that are the same in the order of the list.
func (w *walker) items(out []item, list []any, keys []string, place Schema) []item {
	for i, v := range list {
		e, err := KeyOf(v, keys, place)
		if err != nil {
			// The walk goes on, so that all that is wrong is told at once.
			w.errs = append(w.errs, Errorf("element %v: %v", i, err)...)
			continue
		}
		out = append(out, item{e, i})
	}
	slices.SortStableFunc(out, func(x, y item) int { return x.Compare(y.Element) })
	return out
}

// count returns how many items at the beginning are e.
func count(items []item, e Element) int {
	n := 0
	for n < len(items) && items[n].Element == e {
		n++
	}
	return n
}
