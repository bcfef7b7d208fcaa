package schema

import (
	"bytes"

	"apichain/internal/tree"
)

// Members of lists that are sets or maps. In a set no two items are equal; in a map, which is a
// list of objects, no two have the same keys, and a key that is absent is a value like any other.
// Numbers are the same if both are written with a fraction or both without (1 and 1.0 differ), but in
// objects, and where a map has several keys, by value (upstream). The questions are asked in three places: the quick
// check asks whether any member is repeated, the slow one which, and an update which item of
// the old list one of the new list corresponds to.
//
// With the keys name and port the items {name: a, port: 1} and {name: a} are different members, and
// {name: a} and {name: a, size: 2} are the same.

// pairwise is the length of a list up to which comparing each pair of items is quicker than
// making a text of each: it allocates nothing.
const pairwise = 12

// hasDuplicates reports whether a list that is a set or a map repeats a member, or, as a map, has
// an item that is no object and so has no keys. Null passes: the type of the items decides it.
func (n *schemaNode) hasDuplicates(list []any) bool {
	if n.list == listMap {
		for _, e := range list {
			if _, ok := e.(map[string]any); !ok && e != nil {
				return true
			}
		}
	}
	if len(list) <= pairwise {
		for i, e := range list {
			for _, before := range list[:i] {
				if n.same(e, before) {
					return true
				}
			}
		}
		return false
	}
	return len(n.duplicates(list)) > 0
}

// same reports whether two items are the same member, as comparing their identity does.
func (n *schemaNode) same(a, b any) bool {
	if n.list == listSet {
		return sameValue(a, b)
	}
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	for _, k := range n.keys {
		v, inX := x[k]
		w, inY := y[k]
		if inX != inY || len(n.keys) == 1 && !sameValue(v, w) || len(n.keys) > 1 && !sameJSON(v, w) {
			return false
		}
	}
	return true
}

// sameValue compares two items of a set, or two keys of items.
func sameValue(a, b any) bool {
	switch a.(type) {
	case map[string]any, []any:
		return sameJSON(a, b)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// sameJSON reports whether two values are written alike.
func sameJSON(a, b any) bool {
	// Nearly always they are texts, of which no copy need be made.
	if s, ok := a.(string); ok {
		t, ok := b.(string)
		return ok && s == t
	}
	return bytes.Equal(tree.AppendJSON(nil, a), tree.AppendJSON(nil, b))
}

// identity appends to b a text that two items share only if they are the same member: of a set that
// of the item, of a map that of its keys, each with a comma behind it. JSON has no comma outside
// of brackets and quotes, so an absent key cannot be mistaken for a present one.
func (n *schemaNode) identity(b []byte, e any) []byte {
	if n.list == listSet {
		return valueIdentity(b, e)
	}
	o, _ := e.(map[string]any)
	for _, k := range n.keys {
		v, there := o[k]
		switch {
		case there && len(n.keys) == 1:
			b = valueIdentity(b, v)
		case there:
			b = tree.AppendJSON(b, v)
		}
		b = append(b, ',')
	}
	return b
}

// valueIdentity appends a text that two values share only if sameValue says that they are the same.
func valueIdentity(b []byte, v any) []byte {
	if f, ok := v.(float64); ok {
		b = append(b, '.')
		if f == 0 {
			v = 0.0 // which -0 equals
		}
	}
	return tree.AppendJSON(b, v)
}

// duplicates returns the indexes of the items that repeat a member, of each member only the first
// that does: of [a, b, a, a] it is 2. Upstream reports them so.
func (n *schemaNode) duplicates(list []any) (indexes []int) {
	if len(list) < 2 {
		return nil
	}
	seen := make(map[string]int, len(list))
	var id []byte
	for i, e := range list {
		id = n.identity(id[:0], e)
		times := seen[string(id)]
		seen[string(id)] = times + 1
		if times == 1 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// finder returns a function that finds the item of an old list with the same keys as a given
// one. Only items of maps correspond, and only by all of their keys; for other lists, and when there was no old list, the
// function finds nothing. Of old items that repeat their keys the last is found. The function is
// not safe for concurrent use.
func (n *schemaNode) finder(old []any, had bool) func(any) (any, bool) {
	if !had || n.list != listMap || len(old) == 0 {
		return func(any) (any, bool) { return nil, false }
	}
	byKey := make(map[string]any, len(old))
	var id []byte
	for _, e := range old {
		id = n.identity(id[:0], e)
		byKey[string(id)] = e
	}
	return func(e any) (any, bool) {
		if !n.keyed(e) {
			return nil, false
		}
		id = n.identity(id[:0], e)
		v, ok := byKey[string(id)]
		return v, ok
	}
}

// keyed reports whether an item has every key, as a scalar. One that has not corresponds to none.
func (n *schemaNode) keyed(e any) bool {
	o, _ := e.(map[string]any)
	for _, k := range n.keys {
		switch o[k].(type) {
		case nil, map[string]any, []any:
			return false
		}
	}
	return true
}
