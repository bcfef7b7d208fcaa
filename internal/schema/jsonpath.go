package schema

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// JSONPath, the part of it that CRDs use for printer columns, selectable fields and the scale
// subresource. Its grammar; nothing may stand between the parts but where blanks are named:
//
//	path    = step { step } | "."                       "." alone is the object itself
//	step    = "." name | [ "." ] "[" choice "]"
//	choice  = quoted | "*" | integer | range | filter
//	name    = "*" | one or more of: any byte but "." and "[", or "\" and any byte
//	quoted  = "'" ... "'" | '"' ... '"'                 with "\" before a byte that is meant as it is
//	range   = [ integer ] ":" [ integer ]               from, and up to but without
//	filter  = "?(" "@" path [ op literal ] ")"          path without a filter; blanks around op
//	op      = "==" | "!=" | "<=" | ">=" | "<" | ">"
//	literal = quoted | number | "true" | "false"
//
// An integer below zero counts from the end of a list. "*" stands for all items of a list or all
// fields of an object, and so does a filter for those that it holds of. Some paths:
//
//	.metadata.annotations.example\.com/owner
//	.spec.ports[0].name
//	.status.conditions[?(@.type=="Ready")].status
//	.spec.args[-2:]
//
// What upstream (kubectl's JSONPath, without its braces) does and this does not: ".." for any depth,
// unions [0,1], ranges with a step [0:4:2], filters inside of filters. Such a path is an error here
// when it is compiled. Upstream finds all values and a column shows the first; here the first is
// found and no more. Where the steps leave a choice of fields, upstream takes the order of a Go map,
// which is random; here it is the order of their names, so that a column shows the same each time.
// Upstream fails while it follows a path, and shows no value, where a filter meets an object or
// compares a text with a number; here a filter also chooses among fields, and such values differ.
//
// This file holds what a compiled path is and how it is followed; jsonpath_parse.go reads it.

// CompileJSONPath compiles a path into a function that finds the first value at it in an object, in
// the order of lists and by name in objects. found is false where there is none; a null that is there
// is found. The value is a part of the object, not a copy. The function may be called concurrently.
// The error says what is wrong with the path and at which byte.
func CompileJSONPath(path string) (func(obj any) (value any, found bool), error) {
	if path == "" || path[0] != '.' && path[0] != '[' {
		return nil, fmt.Errorf("%s: must begin with a dot", cutText(path))
	}
	if len(path) > maxPathLength {
		return nil, fmt.Errorf("%s: is longer than %d bytes", cutText(path), maxPathLength)
	}
	p := pathParser{text: path}
	steps, err := p.steps()
	if err != nil {
		return nil, err
	}
	return func(obj any) (any, bool) { return findPath(obj, steps) }, nil
}

// maxPathLength bounds a path, in bytes, and with it the depth of the recursion that follows it.
const maxPathLength = 4096

// DotPath returns the names in a path of names only, as those of the scale subresource and of
// selectable fields are: .spec.replicas. It knows no escapes.
func DotPath(path string) []string { return strings.Split(strings.TrimPrefix(path, "."), ".") }

// cutText quotes a path for an error, or its beginning when it is long.
func cutText(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strconv.Quote(s)
}

// pathStep is one step of a compiled path. Which fields count depends on the kind.
type pathStep struct {
	kind   stepKind
	name   string      // of a stepField
	from   int         // of a stepIndex and a stepRange
	to     int         // of a stepRange that is not open
	open   bool        // of a stepRange: it goes to the end
	filter *pathFilter // of a stepFilter
}

// stepKind says where a step leads. The first two lead to one value, the others to any number.
type stepKind uint8

const (
	stepField stepKind = iota
	stepIndex
	stepRange
	stepEach
	stepFilter
)

// pathFilter decides which items a step goes on with: those in which the value at path compares with
// value as op says. Without an op the value only has to be there.
type pathFilter struct {
	path  []pathStep
	op    string
	value any // a string, a float64 or a bool
}

// findPath follows steps from v and returns the first value at their end. A step that v has no place
// for ends the search: nothing in a JSONPath of a CRD is an error when it is followed.
func findPath(v any, steps []pathStep) (any, bool) {
	for i, s := range steps {
		switch s.kind {
		case stepField:
			o, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = o[s.name]; !ok {
				return nil, false
			}
		case stepIndex:
			// What is no list has no items, and the index is out of range.
			list, _ := v.([]any)
			at := s.from
			if at < 0 {
				at += len(list)
			}
			if at < 0 || at >= len(list) {
				return nil, false
			}
			v = list[at]
		default:
			// The rest of the steps is tried below each value that this one leads to.
			return findAmong(v, s, steps[i+1:])
		}
	}
	return v, true
}

// findAmong returns the first value at the end of rest below one of the parts of v that a step
// chooses. A range chooses among items only.
func findAmong(v any, s pathStep, rest []pathStep) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if s.kind == stepRange {
			return nil, false
		}
		for _, k := range tree.SortedKeys(v) {
			if s.kind == stepFilter && !s.filter.holds(v[k]) {
				continue
			}
			if found, ok := findPath(v[k], rest); ok {
				return found, true
			}
		}
	case []any:
		for _, e := range s.chosen(v) {
			if s.kind == stepFilter && !s.filter.holds(e) {
				continue
			}
			if found, ok := findPath(e, rest); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// chosen returns the part of a list that a range covers; for other steps all of it. A range that does
// not lie within the list covers nothing, as upstream has it: of three items [1:9] has none.
func (s pathStep) chosen(list []any) []any {
	if s.kind != stepRange {
		return list
	}
	from, to := s.from, s.to
	if from < 0 {
		from += len(list)
	}
	switch {
	case s.open:
		to = len(list)
	case to < 0:
		to += len(list)
	}
	if from < 0 || from >= to || to > len(list) {
		return nil
	}
	return list[from:to]
}

// holds reports whether the filter takes an item. Values that cannot be compared, such as a text and
// a number, are different and neither is less.
func (f *pathFilter) holds(item any) bool {
	v, found := findPath(item, f.path)
	// What is not there differs from nothing: != does not hold of it either (upstream).
	if f.op == "" || !found {
		return found
	}
	order, ok := comparePathValues(v, f.value)
	if !ok {
		return f.op == "!="
	}
	switch f.op {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// comparePathValues compares a value of an object with a literal and returns -1, 0 or 1; ok is false
// where they cannot be compared. Of two booleans that differ the first counts as greater, so that
// only == and != say something about them.
func comparePathValues(a, b any) (order int, ok bool) {
	if s, isText := a.(string); isText {
		t, isText := b.(string)
		return strings.Compare(s, t), isText
	}
	if bound, isNumber := tree.Float(b); isNumber {
		// A literal is a float64; large integers are compared with it without losing digits.
		_, isNumber = tree.Float(a)
		return compareNumber(a, bound), isNumber
	}
	x, isBool := a.(bool)
	y, areBool := b.(bool)
	if isBool && areBool && x == y {
		return 0, true
	}
	return 1, isBool && areBool
}
