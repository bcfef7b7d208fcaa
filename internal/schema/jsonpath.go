package schema

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// JSONPath as upstream has it in CRDs, for printer columns and selectable fields: that of kubectl
// (client-go), between braces that the CRD leaves out. A path is a list of nodes, each of which makes of
// a list of values another:
//
//	.name  ['name']        the field of each object; what has none is left out (name may escape by \)
//	.*                     all fields of objects and all items of lists
//	[0] [-1]               an item; [1:3] [:-1] [::2] a range of them, with a step; [*] all
//	[0,2] ['a','b']        a union: the values of each part, one part after the other
//	..                     each value and all below it, outer ones first, but for numbers, booleans and ""
//	[?(@.a=="x")]          the items of lists for which a comparison holds (== != < <= > >=), or which
//	                       have what the path leads to, where there is none
//	"x" 'x' 1 1.5 true     itself, in the place of what was there
//	@ $                    nothing: they stand for the current values
//
// A column shows the first value of the result. The result of a path that fails is none, and much
// fails: an index that is out of range, an index or filter of what is no list, a comparison of a text
// with a number or of an integer with a fraction. Where upstream takes the order of a Go map, which is
// random, this takes that of the names, so that a column shows the same each time. Three more things
// differ: a text has no parts for *, upstream has its bytes; a path may be at most maxPathLength long;
// and its evaluation stops, as if it failed, after maxPathSteps values, because .. in .. multiplies.
//
// This file holds what a compiled path is and how it is followed; jsonpath_parse.go reads it.

// CompileJSONPath compiles a path, without braces, into a function that finds the first value at it in
// an object. found is false where there is none; a null that is there is found. The value is a part of
// the object, not a copy. The function may be called concurrently. The error says what is wrong with
// the path and at which byte.
func CompileJSONPath(path string) (func(obj any) (value any, found bool), error) {
	if len(path) > maxPathLength {
		return nil, fmt.Errorf("%s: is longer than %d bytes", cutText(path), maxPathLength)
	}
	nodes, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	if names, ok := fieldNames(nodes); ok {
		return func(obj any) (any, bool) { return findField(obj, names) }, nil
	}
	return func(obj any) (any, bool) {
		e := pathEvaluation{left: maxPathSteps}
		found, ok := e.all([]any{obj}, nodes)
		if !ok || len(found) == 0 {
			return nil, false
		}
		return found[0], true
	}, nil
}

// Bounds of a path, in bytes, and with it of the recursion that reads and follows it, and of the values
// that are met when it is followed.
const (
	maxPathLength = 4096
	maxPathSteps  = 1 << 16
)

// FieldPath returns the names in a path that leads through fields only, as those of selectable fields
// do: .spec.a and .spec['a']. Of any other it returns nil.
func FieldPath(path string) []string {
	nodes, err := parsePath(path)
	if err != nil || len(path) > maxPathLength {
		return nil
	}
	names, _ := fieldNames(nodes)
	return names
}

// fieldNames returns the names of nodes that are all fields; ok is false where some are not.
func fieldNames(nodes []pathNode) (names []string, ok bool) {
	for _, n := range nodes {
		if n.kind != nodeField {
			return nil, false
		}
		names = append(names, n.name)
	}
	return names, true
}

// findField is the result of fields only, which is nearly every path, without making lists.
func findField(v any, names []string) (any, bool) {
	for _, name := range names {
		o, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = o[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// cutText quotes a path for an error, or its beginning when it is long.
func cutText(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strconv.Quote(s)
}

// pathNode is one node of a compiled path. Which fields count depends on the kind.
type pathNode struct {
	kind nodeKind
	name string // of a nodeField
	// from, to and step are of a nodeItems. An index has a to that is derived from it.
	from, to, step pathBound
	derived        bool
	parts          [][]pathNode // of a nodeUnion
	left, right    []pathNode   // of a nodeFilter
	op             string       // of a nodeFilter; "" asks for no more than that left is there
	value          any          // of a nodeValue: a string, int64, float64 or bool
}

// nodeKind says what a node makes of values.
type nodeKind uint8

const (
	nodeField nodeKind = iota
	nodeEach
	nodeItems
	nodeUnion
	nodeDescent
	nodeFilter
	nodeValue
	nodeFailure // a word that means nothing: the path can be read and never followed
)

// pathBound is a number of a range; known is false where it is left out.
type pathBound struct {
	n     int
	known bool
}

// pathEvaluation follows the nodes of one path; left counts down the values that it may still meet.
type pathEvaluation struct{ left int }

// all follows nodes from values. After a failure it returns what upstream has at that moment, which a
// filter looks at all the same.
func (e *pathEvaluation) all(values []any, nodes []pathNode) (found []any, ok bool) {
	for i := range nodes {
		if e.left -= len(values) + 1; e.left < 0 {
			return nil, false
		}
		if values, ok = e.node(values, &nodes[i]); !ok {
			return values, false
		}
	}
	return values, true
}

// node makes of values what one node makes of them.
func (e *pathEvaluation) node(values []any, n *pathNode) (found []any, ok bool) {
	switch n.kind {
	case nodeValue:
		if _, isText := n.value.(string); isText {
			return []any{n.value}, true
		}
		for range values {
			found = append(found, n.value)
		}
		return found, true
	case nodeField:
		for _, v := range values {
			if o, isObject := v.(map[string]any); isObject {
				if v, there := o[n.name]; there {
					found = append(found, v)
				}
			}
		}
		return found, true
	case nodeEach:
		for _, v := range values {
			found = append(found, childrenOf(v)...)
		}
		return found, true
	case nodeDescent:
		return e.descend(nil, values)
	case nodeUnion:
		for _, part := range n.parts {
			more, ok := e.all(values, part)
			if !ok {
				return values, false
			}
			found = append(found, more...)
		}
		return found, true
	case nodeItems:
		return n.items(values)
	case nodeFilter:
		return e.filter(values, n)
	}
	return values, false
}

// childrenOf returns the fields of an object, by name, or the items of a list.
func childrenOf(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		children := make([]any, 0, len(v))
		for _, name := range tree.SortedKeys(v) {
			children = append(children, v[name])
		}
		return children
	}
	return nil
}

// descend appends values and all below them. A text that is not empty counts as having parts, which
// are its bytes; these have none.
func (e *pathEvaluation) descend(found, values []any) (_ []any, ok bool) {
	for _, v := range values {
		if e.left--; e.left < 0 {
			return nil, false
		}
		children := childrenOf(v)
		if s, isText := v.(string); len(children) == 0 && (!isText || s == "") {
			continue
		}
		if found, ok = e.descend(append(found, v), children); !ok {
			return nil, false
		}
	}
	return found, true
}

// items returns the items of lists that an index or a range takes. Upstream ends with the first list in
// which a range is empty, and keeps what it had by then.
func (n *pathNode) items(values []any) (found []any, ok bool) {
	for _, v := range values {
		if v == nil {
			continue
		}
		list, isList := v.([]any)
		if !isList {
			return values, false
		}
		from, to := n.from.n, len(list)
		if from < 0 {
			from += len(list)
		}
		if n.to.known {
			to = n.to.n
		}
		if to < 0 || to == 0 && n.derived {
			to += len(list)
		}
		switch {
		case from == to:
			return found, true
		case from < 0 || from >= len(list) || to < 0 || to > len(list) || from > to || n.step.known && n.step.n <= 0:
			return values, false
		}
		for i := from; i < to; i += max(n.step.n, 1) {
			found = append(found, list[i])
		}
	}
	return found, true
}

// filter returns the items of lists for which a filter holds.
func (e *pathEvaluation) filter(values []any, n *pathNode) (found []any, ok bool) {
	for _, v := range values {
		list, isList := v.([]any)
		if !isList {
			return values, false
		}
		for _, item := range list {
			holds, ok := e.holds(item, n)
			if !ok {
				return values, false
			}
			if holds {
				found = append(found, item)
			}
		}
	}
	return found, true
}

// holds reports whether a filter holds for one item.
func (e *pathEvaluation) holds(item any, n *pathNode) (holds, ok bool) {
	left, ok := e.all([]any{item}, n.left)
	if n.op == "" {
		return len(left) > 0, e.left >= 0
	}
	if !ok || len(left) > 1 {
		return false, false
	}
	if len(left) == 0 {
		return false, true
	}
	right, ok := e.all([]any{item}, n.right)
	if !ok || len(right) > 1 {
		return false, false
	}
	return len(right) == 1 && compares(left[0], n.op, right[0]), len(right) == 0 || canCompare(left[0], n.op, right[0])
}

// canCompare reports whether an operator has an answer for two values: both are texts, integers,
// fractions, or booleans, of which none is less than another. Of an operator that there is not it has
// none.
func canCompare(a any, op string, b any) bool {
	isOrder := op == "<" || op == "<=" || op == ">" || op == ">="
	if !isOrder && op != "==" && op != "!=" {
		return false
	}
	switch a.(type) {
	case bool:
		_, ok := b.(bool)
		return ok && !isOrder
	case string:
		_, ok := b.(string)
		return ok
	case int64:
		_, ok := b.(int64)
		return ok
	case float64:
		_, ok := b.(float64)
		return ok
	}
	return false
}

// compares returns that answer.
func compares(a any, op string, b any) bool {
	if !canCompare(a, op, b) {
		return false
	}
	if op == "==" || op == "!=" {
		return (a == b) == (op == "==")
	}
	order := 0
	switch a := a.(type) {
	case string:
		order = strings.Compare(a, b.(string))
	case int64:
		order = cmp.Compare(a, b.(int64))
	case float64:
		order = cmp.Compare(a, b.(float64))
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}
