package schema

import (
	"fmt"
	"slices"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What is wrong with an object, in upstream's words. The walk is that of schemaCheck with the
// path of each place; it is made only for objects that schemaCheck refused.
//
// Clients show the messages and people search for them, so they follow upstream to the letter,
// and so does their order: values first, then embedded resources, then repeated members of lists;
// within one value the checks in the order of valueFaults (faults_value.go). Two habits of
// upstream's validator look like mistakes and are kept:
//
//   - many messages repeat the path inside of the text, "spec.size in body should be ...", and
//     those about alternatives have no field at all but "<nil>";
//   - of a failed anyOf or oneOf the errors of only one alternative are shown, the one with the
//     highest count of checks. The methods therefore return such counts (good), which are of no
//     other use.
//
// The number of errors and their size are bounded: beyond the bounds the walk stops, and what it
// has found is the answer.

// faults collects the errors of one value. newFaults makes one; it is used for a single walk.
type faults struct {
	errs  []field.Error
	bytes int // of errs, for the bound
	left  int // steps, counted down as in schemaCheck

	// base is the path of the value that is walked in the object that the client sent, "" for the
	// whole object. Fields of errors begin with it, the paths in messages do not.
	base string
	// path is where the walk is, from there: spec.list[0].x. Every step cuts it back to the
	// length it had.
	path []byte
	// metadata is Schema.MetadataErrors, or nil.
	metadata func(string, map[string]any) []field.Error
}

// Bounds of what one value may have wrong with it.
const (
	maxFaults     = 500
	maxFaultBytes = 1 << 20
)

// newFaults returns a collector without errors that may make as many steps as a whole object.
func newFaults() *faults { return &faults{left: schemaMaxSteps} }

// whole collects everything that is wrong with v: the walk that validates, and after it the walks
// that upstream makes over embedded resources and over the members of lists. old is what stood in
// its place before, if had.
func (f *faults) whole(n *schemaNode, v, old any, had bool) {
	f.value(n, v, old, had)
	f.embedded(n, v)
	f.members(n, v, old, had)
}

// members collects the repeated members of lists. Members that were repeated before the update
// excuse all that are repeated after it, wherever they are (upstream).
func (f *faults) members(n *schemaNode, v, old any, had bool) {
	before := newFaults()
	if had {
		before.lists(n, old)
	}
	if len(before.errs) == 0 {
		f.lists(n, v)
	}
}

// full takes one step and reports whether the walk has to end: there are too many errors, they
// are too large, or there are no steps left.
//
//go:noinline
func (f *faults) full() bool {
	f.left--
	return f.left < 0 || len(f.errs) >= maxFaults || f.bytes > maxFaultBytes
}

// add adds an error unless it is there already: alternatives often find the same.
//
//go:noinline
func (f *faults) add(e field.Error) {
	if !f.full() && !slices.Contains(f.errs, e) {
		f.errs = append(f.errs, e)
		f.bytes += len(e.Field) + len(e.Message)
	}
}

// addAll adds errors that another walk has collected.
func (f *faults) addAll(errs []field.Error) {
	for _, e := range errs {
		f.add(e)
	}
}

// field returns the path of the current place in the object that the client sent, in the form of
// an error's field; that of a whole object is "<nil>".
//
//go:noinline
func (f *faults) field() string {
	switch {
	case len(f.path) == 0 && f.base == "":
		return field.None
	case len(f.path) == 0:
		return f.base
	case f.base == "":
		return string(f.path)
	case f.path[0] == '[':
		return f.base + string(f.path)
	}
	return f.base + "." + string(f.path)
}

// about returns the beginning of a message about the current place.
func (f *faults) about() string { return string(f.path) + " in body " }

// invalid adds an error about the current place and its value. The message is not formatted when
// there is no room for it.
func (f *faults) invalid(value any, format string, args ...any) {
	if !f.full() {
		f.add(field.Invalid(f.field(), value, f.about()+fmt.Sprintf(format, args...)))
	}
}

// plain adds an error that names its place in the text only. Its field is the base, and its value
// is an empty text, as upstream has it for errors that it cannot assign to a field.
func (f *faults) plain(format string, args ...any) {
	if f.full() {
		return
	}
	at := field.None
	if f.base != "" {
		at = f.base
	}
	f.add(field.Invalid(at, "", fmt.Sprintf(format, args...)))
}

// typed adds an error of the reason FieldValueTypeInvalid: the current place must be of the type want.
// The parameter is holds what it is instead: the name of the other type, which stands for the
// value in the message, or the value itself where want is a format.
func (f *faults) typed(want string, is any) {
	if f.full() {
		return
	}
	detail := f.about() + "must be of type " + want
	if s, ok := is.(string); ok {
		detail += ": " + strconv.Quote(s)
	}
	e := field.Invalid(f.field(), is, detail)
	e.Reason = "FieldValueTypeInvalid"
	f.add(e)
}

// in moves to a field of the current place and returns the length to which the caller has to cut
// the path back afterwards. at does the same for an item of a list.
func (f *faults) in(name string) (outer int) {
	outer = len(f.path)
	if outer > 0 {
		f.path = append(f.path, '.')
	}
	f.path = append(f.path, name...)
	return outer
}

func (f *faults) at(i int) (outer int) {
	outer = len(f.path)
	f.path = append(strconv.AppendInt(append(f.path, '['), int64(i), 10), ']')
	return outer
}

// value collects what is wrong with v and returns upstream's count of its checks. A value that is
// equal to the old one is tolerated whatever is wrong with it, and counts for nothing.
func (f *faults) value(n *schemaNode, v, old any, had bool) (good int) {
	if f.full() || had && n.equal(v, old, &f.left) {
		return 0
	}
	return f.valueFaults(n, v, old, had)
}

// equal reports whether a value is the old one, as far as upstream can tell by the schema: objects are
// compared field by field, and a field that the schema does not name, though it preserves it, makes
// them differ; lists of type map are compared member by member, in any order; all other lists as they
// are.
//
// Each level of an object that differs only far inside is compared again with all that is below it, so
// that a deep object would otherwise cost the square of its size: the steps that are left are shared,
// and without any nothing is equal, which ends the walk soon.
func (n *schemaNode) equal(v, old any, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		was, ok := old.(map[string]any)
		if !ok || len(v) != len(was) {
			return false
		}
		for name, e := range v {
			child, _ := n.child(name)
			before, there := was[name]
			if child == nil || !there || !child.equal(e, before, left) {
				return false
			}
		}
		return true
	case []any:
		was, ok := old.([]any)
		if !ok || len(v) != len(was) {
			return false
		}
		if n.list != listMap || n.items == nil {
			break
		}
		find := n.finder(was, true)
		for _, e := range v {
			if before, found := find(e); !found || !n.items.equal(e, before, left) {
				return false
			}
		}
		return true
	}
	return tree.IdenticalWithin(v, old, left)
}
