// Package tree holds objects as trees of plain Go values. It reads and writes them as
// JSON and YAML, and reaches into them by path.
//
// A tree is made of map[string]any, []any, string, bool, int64, float64 and nil, which is
// what upstream's unstructured objects are made of; a part that is only carried along may be a Raw. A number is an int64 if its text is an
// integer that an int64 can hold, and a float64 otherwise; so 1 and 1.0 are different
// values that Equal takes for the same. No function here knows a kind or a schema: an
// object of any group goes through the same code.
//
// In come the bodies of requests, the files that an operator names and what the store
// kept; out go trees and text. Nothing in the package has state, so any number of
// goroutines may call it at once, also with the same tree while nobody changes that tree.
// Only Set and Metadata change one. A tree that the store has given out is shared with
// every reader: Copy it first.
//
// The package is internal and promises no compatibility. In short:
//
//	obj, repeated, err := tree.ParseJSONObject(body)
//	name := tree.Text(obj, "metadata", "name")
//	tree.Set(obj, int64(3), "spec", "replicas")
//	body = tree.AppendJSON(body[:0], obj)
package tree

import (
	"slices"
	"strconv"
)

// Reading a path never fails. Clients send anything, so a step may find a list where an
// object should be, or nothing; then the answer is the zero value of what was asked for.
// Text(pod, "spec", "nodeName") is "" for a pod without a node, for one whose spec is
// null, and for one whose nodeName is 7. Code that must tell these apart uses At, and
// code that must refuse the last one has a schema do it first.
//
// A path has the keys of objects only. Elements of lists have no path here, because a
// list's index means nothing to the rules of objects; callers range over List.
//
// These are called from some two thousand places, most of which are about one request in a thousand: in
// line they would be a fifth of a megabyte of the program, and spare a write less than a microsecond.

// At returns v[path[0]][path[1]]..., and v itself without a path. It returns nil if a key
// is missing or a value on the way is no object, so nil does not tell an absent key from
// a null. The value is part of v, not a copy.
//
//go:noinline
func At(v any, path ...string) any {
	for _, key := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[key]
	}
	return v
}

// Text returns the string at path, and "" if there is none.
//
//go:noinline
func Text(v any, path ...string) string {
	s, _ := At(v, path...).(string)
	return s
}

// Object returns the object at path, and nil if there is none. A nil map may be read and
// ranged over, but not written to: use Set for that.
//
//go:noinline
func Object(v any, path ...string) map[string]any {
	o, _ := At(v, path...).(map[string]any)
	return o
}

// List returns the list at path, and nil if there is none. Of a Raw it is what that says.
//
//go:noinline
func List(v any, path ...string) []any {
	l, _ := Expand(At(v, path...)).([]any)
	return l
}

// Set puts value at path, which must have at least one key. It makes the objects that are
// missing on the way, and replaces whatever else stands there, a string or a null, by an
// object. The tree keeps value itself.
//
//go:noinline
func Set(v map[string]any, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		o, ok := v[key].(map[string]any)
		if !ok {
			o = map[string]any{}
			v[key] = o
		}
		v = o
	}
	v[path[len(path)-1]] = value
}

// Metadata returns obj's metadata for writing. If it is missing or no object, an empty one
// is put in its place, so the caller must own obj.
//
//go:noinline
func Metadata(obj map[string]any) map[string]any {
	m, ok := obj["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		obj["metadata"] = m
	}
	return m
}

// Name returns obj's metadata.name, and "" for an object that has only a generateName.
//
//go:noinline
func Name(obj map[string]any) string { return Text(obj, "metadata", "name") }

// Strings returns the strings in list, in order. Elements of other types are left out; the
// result is nil if nothing remains.
//
//go:noinline
func Strings(list []any) []string {
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Float returns the number v as a float64, and false if v is no number. An int64 beyond
// 2^53 is rounded.
func Float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// True reports whether v is the boolean true. The string "true" is not.
//
//go:noinline
func True(v any) bool { b, _ := v.(bool); return b }

// SortedKeys returns the keys of o in the order of their bytes, which is the order that
// AppendJSON and AppendYAML write them in.
func SortedKeys(o map[string]any) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Copy returns a deep copy of v: maps and lists are new, strings are shared because they
// cannot change. A nil map or list becomes an empty one.
func Copy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, e := range v {
			o[k] = Copy(e)
		}
		return o
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = Copy(e)
		}
		return a
	}
	return v
}

// Equal reports whether two trees are the same. An int64 equals the float64 that is written
// like it, as a client may write a replica count as 3 or as 3.0; lists differ if their
// order does; a key with null differs from a missing one.
//
//go:noinline
func Equal(a, b any) bool { return equal(a, b, nil, sameNumber) }

// Identical is Equal but for numbers, of which an int64 and a float64 always differ: as
// upstream compares custom objects before they are stored.
func Identical(a, b any) bool { return equal(a, b, nil, sameType) }

// IdenticalWithin is Identical with a budget for callers that compare every level of a tree
// with all that is below it, which costs the square of the depth. Each pair of values takes
// one of *steps. When none is left the answer is false, whatever the values are, and *steps
// stays negative.
func IdenticalWithin(a, b any, steps *int) bool { return equal(a, b, steps, sameType) }

// sameNumber compares two scalars. Where integers are closer than the float64s there, those
// are the same that AppendJSON writes alike, so that a tree equals what is read of its text:
// 2^53+1 differs from the float64 2^53, to which it would be rounded.
func sameNumber(a, b any) bool {
	n, isInt := a.(int64)
	f, isFloat := b.(float64)
	if !isInt || !isFloat {
		f, isFloat = a.(float64)
		n, isInt = b.(int64)
	}
	if !isInt || !isFloat {
		return a == b
	}
	const exact = 1 << 53
	return float64(n) == f && (-exact <= n && n < exact || string(appendJSONFloat(nil, f)) == strconv.FormatInt(n, 10))
}

// sameType compares two scalars, of which those of different types differ.
func sameType(a, b any) bool { return a == b }

// equal compares for all of them, without a bound if steps is nil; scalar compares what is no
// object and no list.
func equal(a, b any, steps *int, scalar func(a, b any) bool) bool {
	if steps != nil {
		if *steps--; *steps < 0 {
			return false
		}
	}
	if ra, ok := a.(Raw); ok {
		if rb, ok := b.(Raw); ok && ra == rb {
			return true
		}
		a = Expand(a)
	}
	if _, ok := b.(Raw); ok {
		b = Expand(b)
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			// The key must be looked for: a missing one would read as null.
			if w, ok := b[k]; !ok || !equal(v, w, steps, scalar) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i], steps, scalar) {
				return false
			}
		}
		return true
	}
	// a is a scalar here. Comparing interfaces whose common type is a map or a slice would
	// panic, so the types decide first.
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return scalar(a, b)
}
