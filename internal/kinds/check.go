package kinds

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// The strict decoding of objects, done to trees: what upstream gets by unmarshalling JSON
// into a struct and marshalling it again. Three things come of that:
//
//   - unknown fields go, and their paths are what a request's fieldValidation tells or
//     refuses;
//   - a value of a wrong type is an error, in the words of encoding/json;
//   - what is left is as the struct would write it: nulls and the empty values that omitempty
//     leaves out are left out, times are in UTC, a null in a list is the zero value. So equal
//     objects are equal trees, and a write that changes nothing is seen to change nothing.
//
// An object in which all is well is the common case and must cost one walk and no
// allocation. So paths are not built while walking: the walk keeps its steps in a fieldPath
// on the stack, and text is made of them only where there is something to tell.
//
//	{"spec":{"ports":[{"port":80,"prot":"TCP"}]}}   unknown: spec.ports[0].prot
//
// A map has no order, so the walk comes by errors in any; the one with the least path is kept (but
// see endsDecoding) in order that the same object is always refused with the same words.

// maxUnknown bounds how many unknown fields are told: they become a header or a message.
const maxUnknown = 100

// Prune removes the fields of obj that the type does not have, and returns their paths, at
// most a hundred, in order. It is for bodies that are not the objects of a kind: those of
// subresources, options. See Shape.Prune for what else holds.
func Prune(t *Type, obj map[string]any) (unknown []string, err error) {
	var p pruner
	var at fieldPath
	p.object(&at, t, obj)
	// Members of a map come in any order, and answers must not. (Which hundred of even more
	// are told does depend on that order.)
	if len(p.unknown) > 1 {
		slices.SortFunc(p.unknown, comparePaths)
	}
	return p.unknown, p.err
}

// pruner collects what a walk over one object finds.
type pruner struct {
	unknown []string
	// lenient is above 0 where unknown fields go without being told.
	lenient int
	// err is the error whose path, errAt, comes first; errEnds is endsDecoding of its field.
	err     error
	errAt   string
	errEnds bool
}

// fieldPath is where a walk is, as steps from the object down. The first steps are kept in
// place, and it is no part of the pruner, whose unknown fields are handed out: so it stays on
// the stack, and the walk allocates nothing.
type fieldPath struct {
	steps [16]pathStep
	// more are the steps below those; its length is beyond depth after a pop.
	more  []pathStep
	depth int
}

// pathStep is a field or a key of a map by its name, or an element of a list by its index.
type pathStep struct {
	name  string
	index int // or stepField, stepKey
}

const (
	stepField = -1
	stepKey   = -2
)

// push goes down a step.
func (at *fieldPath) push(name string, index int) {
	if step := (pathStep{name, index}); at.depth < len(at.steps) {
		at.steps[at.depth] = step
	} else {
		// What a pop has left behind is overwritten here.
		at.more = append(at.more[:at.depth-len(at.steps)], step)
	}
	at.depth++
}

// pop goes up a step.
func (at *fieldPath) pop() { at.depth-- }

// object checks the members of an object of type t.
func (p *pruner) object(at *fieldPath, t *Type, obj map[string]any) {
	for k, v := range obj {
		f := t.ByName[k]
		if f == nil {
			delete(obj, k)
			if p.lenient == 0 && len(p.unknown) < maxUnknown {
				at.push(k, stepField)
				p.unknown = append(p.unknown, at.text(true))
				at.pop()
			}
			continue
		}
		if v == nil {
			// A null leaves a Go field as it is, which here is absent, but for what is written
			// as null.
			if !f.alwaysWritten() || f.empty() != nil {
				delete(obj, k)
			}
			continue
		}
		// Most fields are strings that are well, and need not be gone into.
		if f.Kind == FieldString && !f.IsList && !f.IsMap {
			if s, ok := v.(string); ok && (s != "" || f.Required || f.pointer) {
				continue
			}
		}
		at.push(k, stepField)
		if n, changed := p.field(at, t, f, v); changed {
			v, obj[k] = n, n
		}
		if v == nil {
			delete(obj, k)
		}
		switch {
		case f.pointer || !isEmpty(v):
		case f.nullable && at.depth == 1: // who sends an empty one owns it: see Shape.DropEmpty
		case f.nullable:
			obj[k] = nil
		case f.emptyAsks && at.depth <= 2: // of the object itself
		case !f.alwaysWritten():
			delete(obj, k)
		}
		at.pop()
	}
}

// isEmpty reports whether v is what omitempty leaves out.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// field checks the value v of a field f of type t. It returns the value to have instead, and
// whether there is one; members and elements are replaced in place.
func (p *pruner) field(at *fieldPath, t *Type, f *Field, v any) (any, bool) {
	if !f.IsMap {
		return p.listOrValue(at, t, f, v)
	}
	m, ok := v.(map[string]any)
	if !ok {
		p.wrongType(at, t, f, v, "map[string]"+goType(f, false))
		return nil, false
	}
	for k, e := range m {
		// Labels and data are maps of many strings, which are well as they are.
		if s, ok := e.(string); ok && s != "" && f.Kind == FieldString && !f.IsList {
			continue
		}
		at.push(k, stepKey)
		if n, changed := p.listOrValue(at, t, f, e); changed {
			m[k] = n
		}
		at.pop()
	}
	return nil, false
}

// listOrValue checks a value that is a list where f is one, else a single value.
func (p *pruner) listOrValue(at *fieldPath, t *Type, f *Field, v any) (any, bool) {
	if !f.IsList {
		return p.value(at, t, f, v)
	}
	l, ok := v.([]any)
	if !ok {
		// What is kept as text was written here.
		if _, isRaw := v.(tree.Raw); isRaw {
			return nil, false
		}
		// A null comes here only as a list in a map: that key has an empty list then.
		if v == nil {
			return []any{}, true
		}
		p.wrongType(at, t, f, v, goType(f, false))
		return nil, false
	}
	for i, e := range l {
		if s, ok := e.(string); ok && s != "" && f.Kind == FieldString {
			continue
		}
		at.push("", i)
		if n, changed := p.value(at, t, f, e); changed {
			l[i] = n
		}
		at.pop()
	}
	return nil, false
}

// value checks a single value. A null here is an element of a list or a map, and upstream has
// the zero value in its place.
func (p *pruner) value(at *fieldPath, t *Type, f *Field, v any) (any, bool) {
	if v == nil {
		return zeroOf(f.Kind)
	}
	// A case that returns nothing to have instead accepts; those that leave the switch refuse.
	switch f.Kind {
	case FieldString:
		if _, ok := v.(string); ok {
			return nil, false
		}
	case FieldBool:
		if _, ok := v.(bool); ok {
			return nil, false
		}
	case FieldInt32:
		if n, ok := v.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return nil, false
		}
	case FieldInt64:
		if _, ok := v.(int64); ok {
			return nil, false
		}
	case FieldDouble:
		// A number without a fraction was read as an integer, and is written as one.
		switch v.(type) {
		case int64, float64:
			return nil, false
		}
	case FieldRaw:
		return nil, false
	case FieldMessage:
		return p.message(at, t, f, v)
	case FieldIntOrString:
		if n, ok := v.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return nil, false
		}
		if _, ok := v.(string); ok {
			return nil, false
		}
	case FieldQuantity:
		// A number is read as the text that it is.
		switch v.(type) {
		case int64, float64:
			return quantity.Canonical(cellText(v)), true
		}
		return p.formatted(at, t, f, v)
	default:
		return p.formatted(at, t, f, v)
	}
	p.wrongType(at, t, f, v, goType(f, true))
	return nil, false
}

// formatted checks a string that has a form, and returns it in upstream's.
func (p *pruner) formatted(at *fieldPath, t *Type, f *Field, v any) (any, bool) {
	s, ok := v.(string)
	if !ok {
		p.wrongType(at, t, f, v, goType(f, true))
		return nil, false
	}
	form, err := canonical(f.Kind, s)
	if err != nil {
		p.fail(at, f, err)
	}
	if form == s {
		return nil, false
	}
	return form, true
}

// zeroOf returns the zero value of a kind as JSON has it, and whether it takes the place of
// a null. Raw JSON and zero times are written as null, so theirs stays.
func zeroOf(kind FieldKind) (any, bool) {
	switch kind {
	case FieldBool:
		return false, true
	case FieldInt32, FieldInt64, FieldDouble, FieldIntOrString:
		return int64(0), true
	case FieldQuantity:
		return "0", true
	case FieldMessage:
		return map[string]any{}, true
	case FieldRaw, FieldTime, FieldMicroTime:
		return nil, false
	}
	return "", true
}

// message checks an object, or what may stand in place of it.
func (p *pruner) message(at *fieldPath, t *Type, f *Field, v any) (any, bool) {
	if f.Alternative != "" {
		// Upstream's types for "schema or bool" and the like unmarshal themselves, and do
		// so leniently: unknown fields below them go untold.
		p.lenient++
		defer func() { p.lenient-- }()
	}
	switch v := v.(type) {
	case map[string]any:
		p.object(at, f.Message, v)
		return nil, false
	case bool:
		if f.Alternative == "bool" {
			return nil, false
		}
	case []any:
		if len(v) > 0 && (f.Alternative == "list" || f.Alternative == "strings") {
			return p.listOrValue(at, t, f.alternative(), v)
		}
	}
	switch f.Alternative {
	case "list", "strings":
		// Their types take whatever they do not know for nothing.
		return nil, true
	case "bool":
		p.fail(at, f, jsonError("boolean or JSON schema expected"))
	default:
		p.wrongType(at, t, f, v, goType(f, true))
	}
	return nil, false
}

// wrongType keeps the error of a value that is not of a field's type, typ in Go's words.
func (p *pruner) wrongType(at *fieldPath, t *Type, f *Field, v any, typ string) {
	found := tree.TypeName(v)
	// encoding/json shows the number where it is one that does not fit an integer.
	integer := f.Kind == FieldInt32 || f.Kind == FieldInt64
	if found == "number" && integer && !strings.HasPrefix(typ, "[]") && !strings.HasPrefix(typ, "map") {
		found += " " + string(tree.AppendJSON(nil, v))
	}
	structName := t.Schema[strings.LastIndexByte(t.Schema, '.')+1:]
	where := structName + "." + at.text(false)
	p.fail(at, f, &TypeError{found: found, where: where, typ: typ, value: v, itself: endsDecoding(f)})
}

// fail keeps an error of the value of f at the path, unless the one that is kept comes first.
func (p *pruner) fail(at *fieldPath, f *Field, err error) {
	path, ends := at.text(true), endsDecoding(f)
	switch {
	case p.err == nil || ends && !p.errEnds:
	case ends == p.errEnds && comparePaths(path, p.errAt) < 0:
	default:
		return
	}
	p.err, p.errAt, p.errEnds = err, path, ends
}

// endsDecoding reports whether an error of a field ends upstream's decoding and is the one that is told:
// that of a type which unmarshals itself. After any other the decoder goes on.
func endsDecoding(f *Field) bool {
	return f.Kind == FieldTime || f.Kind == FieldMicroTime || f.Kind == FieldQuantity || f.Kind == FieldIntOrString || f.Alternative != ""
}

// step returns the step of that position.
func (at *fieldPath) step(i int) pathStep {
	if i < len(at.steps) {
		return at.steps[i]
	}
	return at.more[i-len(at.steps)]
}

// text returns the path as messages have it: spec.ports[0].port. Without all it is that of
// encoding/json, which names fields only: no indices, and no keys of maps.
func (at *fieldPath) text(all bool) string {
	var b []byte
	for i := range at.depth {
		switch s := at.step(i); {
		case s.index >= 0 && all:
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		case s.index == stepField || s.index == stepKey && all:
			if len(b) > 0 {
				b = append(b, '.')
			}
			b = append(b, s.name...)
		}
	}
	return string(b)
}

// comparePaths compares paths by their texts, but indices by their numbers: a[2] is before
// a[10]. It returns a number below, equal to or above 0, as strings.Compare does.
func comparePaths(a, b string) int {
	for {
		i := strings.IndexByte(a, '[')
		if i < 0 || i >= len(b) || a[:i+1] != b[:i+1] {
			return strings.Compare(a, b)
		}
		a, b = a[i+1:], b[i+1:]
		i, j := strings.IndexByte(a, ']'), strings.IndexByte(b, ']')
		if i < 0 || j < 0 {
			// Not an index after all: a key may have a bracket in it.
			return strings.Compare(a, b)
		}
		if i != j {
			// Indices have no leading zeros, so the one with fewer digits is less.
			return i - j
		}
		if c := strings.Compare(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
}
