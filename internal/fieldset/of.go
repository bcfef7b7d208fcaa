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
	b := builder{nodes: make([]node, 0, 32)}
	b.of(v, s)
	if err := b.errs.Err(); err != nil {
		return Set{}, err
	}
	return Set{b.nodes}, nil
}

// builder makes the nodes of sets in order.
type builder struct {
	nodes []node
	errs  Errors
	// keys and items are memory for the fields and elements of those maps and lists that are being walked, the outer
	// ones first.
	keys  []string
	items []item
}

// item is an element of a list.
type item struct {
	Element
	at int
}

// open appends a node for e and returns its index, for closed when all that is below it is there.
func (b *builder) open(e Element) int {
	b.nodes = append(b.nodes, node{e.text, 1, e.kind, 0})
	return len(b.nodes) - 1
}

// of appends what is below the place of v and reports whether the place itself is a member.
func (b *builder) of(v any, s Schema) bool {
	atom := atomOf(s).For(v)
	switch {
	case atom.Map != NoMap:
		if m, ok := v.(map[string]any); ok && atom.Map == Granular {
			b.ofMap(m, s)
		}
		return atom.Map == Atomic
	case atom.Scalar != NoScalar:
		return true
	case atom.List != NoList:
		if list, ok := v.([]any); ok && atom.List != AtomicList {
			b.ofList(list, atom.Keys, s.Items())
		}
		return atom.List == AtomicList
	}
	b.errs = append(b.errs, Errorf("schema error: invalid atom: inlined")...)
	return false
}

// ofMap appends what m has.
func (b *builder) ofMap(m map[string]any, s Schema) {
	first := len(b.keys)
	b.keys = appendKeys(b.keys, m)
	for i := first; i < len(b.keys); i++ {
		name := b.keys[i]
		v := m[name]
		place, named := s.Field(name)
		at := b.open(Field(name))
		itself := b.of(v, place)
		b.nodes[at].mark = marked(itself || !named || v == nil || isEmptyMap(v))
		b.nodes = closed(b.nodes, at)
	}
	b.keys = b.keys[:first]
}

// appendKeys appends the keys of m in order.
func appendKeys(keys []string, m map[string]any) []string {
	first := len(keys)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys[first:])
	return keys
}

func isEmptyMap(v any) bool {
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}

// ofList appends what list has.
func (b *builder) ofList(list []any, keys []string, items Schema) {
	first := len(b.items)
	b.appendItems(list, keys, items)
	for i := first; i < len(b.items); i++ {
		it := b.items[i]
		at := b.open(it.Element)
		if twice := i+1 < len(b.items) && b.items[i+1].Element == it.Element; twice {
			for i+1 < len(b.items) && b.items[i+1].Element == it.Element {
				i++
			}
		} else {
			b.of(list[it.at], items)
		}
		b.nodes[at].mark = member
		b.nodes = closed(b.nodes, at)
	}
	b.items = b.items[:first]
}

// appendItems appends the elements of list in the order of sets, those that are the same in the order of the list.
func (b *builder) appendItems(list []any, keys []string, items Schema) {
	first := len(b.items)
	for i, v := range list {
		e, err := KeyOf(v, keys, items)
		if err != nil {
			b.errs = append(b.errs, Errorf("element %v: %v", i, err)...)
			continue
		}
		b.items = append(b.items, item{e, i})
	}
	slices.SortStableFunc(b.items[first:], func(x, y item) int { return x.Compare(y.Element) })
}
