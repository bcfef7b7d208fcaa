package fieldset

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a value by its schema, in upstream's words.
type Error struct {
	// Path is where the value is, as messages have it, "" for the object.
	Path    string
	Message string
}

// Error returns the message behind the path, or by itself where it is about all of the object.
func (e Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Errors is all that is wrong with an object.
// The order is that in which they were found, and upstream's where the walk takes names sorted.
type Errors []Error

// Error returns one error by itself, several below each other.
func (errs Errors) Error() string {
	if len(errs) == 1 {
		return errs[0].Error()
	}
	var b strings.Builder
	b.WriteString("errors:")
	for _, e := range errs {
		b.WriteString("\n  " + e.Error())
	}
	return b.String()
}

// Err returns errs as an error, nil where there are none.
func (errs Errors) Err() error {
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// mostText is how many bytes the paths of errors have together, but for the first. A long name above many faults would be in each of
// their paths: an object of 300 kB could cost gigabytes.
const mostText = 1 << 20

// Under returns errs, changed to say that they are below e: the first, and of the others as many as there is room for. text is how
// long the paths are already in all that is looked at, and grows.
func (errs Errors) Under(e Element, text *int) Errors {
	if len(errs) == 0 {
		return errs
	}
	step := e.String()
	// The first error is always told with all of its path: without it nobody could find the fault.
	for i := range errs {
		if *text += len(step); *text > mostText && i > 0 {
			return errs[:i]
		}
		errs[i].Path = step + errs[i].Path
	}
	return errs
}

// Errorf returns one error of the place itself.
//
//go:noinline
func Errorf(format string, args ...any) Errors {
	return Errors{{Message: fmt.Sprintf(format, args...)}}
}

// atomOf returns what is said of a place; of none, nothing is.
func atomOf(s Schema) Atom {
	if s == nil {
		return Atom{}
	}
	return s.Atom()
}

// For returns what a says of v: of one sort alone where v is of a sort that a allows, and all of a otherwise.
// A null is of no sort, so all that is allowed comes back, and sort says which counts.
func (a Atom) For(v any) Atom {
	// Numbers are int64 or float64 in a tree: upstream calls both numeric.
	switch v.(type) {
	case map[string]any:
		if a.Map != NoMap {
			return Atom{Map: a.Map, Untold: a.Untold}
		}
	case []any:
		if a.List != NoList {
			return Atom{List: a.List, Keys: a.Keys}
		}
	case string, bool, int64, float64:
		if a.Scalar != NoScalar {
			return Atom{Scalar: a.Scalar}
		}
	}
	return a
}

// The sorts of values, in the order in which a place that allows several is taken where the value does not tell.
const (
	noSort = iota
	mapSort
	scalarSort
	listSort
)

// sort returns the first sort that a allows.
func (a Atom) sort() int {
	switch {
	case a.Map != NoMap:
		return mapSort
	case a.Scalar != NoScalar:
		return scalarSort
	case a.List != NoList:
		return listSort
	}
	return noSort
}

// Check returns what is wrong with v where s is said of scalars; prefix begins the message. A null is right anywhere, and so is nothing.
func (s Scalar) Check(v any, prefix string) Errors {
	var isNumber, isText, isBool bool
	switch v.(type) {
	case nil, absent:
		return nil
	case int64, float64:
		isNumber = true
	case string:
		isText = true
	case bool:
		isBool = true
	}
	switch {
	case s == Number && !isNumber:
		return Errorf("%sexpected numeric (int or float), got %T", prefix, v)
	// Each sort has its own way to show what it got, with Go's syntax: these are upstream's texts to the letter.
	case s == Text && !isText:
		return Errorf("%sexpected string, got &value.valueUnstructured{Value:%#v}", prefix, v)
	case s == Bool && !isBool:
		return Errorf("%sexpected boolean, got &{%v}", prefix, v)
	case s == AnyScalar && !isNumber && !isText && !isBool:
		return Errorf("%sexpected any scalar, got &{%v}", prefix, v)
	}
	return nil
}
