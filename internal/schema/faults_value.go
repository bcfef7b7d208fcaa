package schema

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The checks of one value, each with the messages of upstream's validator, and their count.
//
// The count is what upstream calls the match count of a result. It grows by one for each group of
// checks that applies to a kind of value, whether or not the checks find something, and by one
// more where the type is right; the counts of fields, items and alternatives are added:
//
//	1      the type is asked for, and one more if it is right
//	2      alternatives, whether there are any or not
//	1      text, and one more for a known format
//	2      a number
//	2      a list, and the counts of its items
//	1      the enum, whether there is one or not
//	1      an object, and the counts of its fields
//	1      the value itself
//
// It does not measure how right a value is. It only has to come out as upstream's does, because by
// it upstream chooses the alternative whose errors the client sees (faults_alternatives.go).

// valueFaults runs the checks of v in upstream's order: type, alternatives, text, format, number,
// list, enum, object. It returns the count of v and all below it.
func (f *faults) valueFaults(n *schemaNode, v, old any, had bool) (good int) {
	r := n.rules
	if r == nil {
		r = noRules()
	}
	if v == nil {
		// Nothing else is asked of null, as in schemaCheck.
		if f.typeOf(n, r, v) {
			good++
		}
		f.enum(r, v)
		return good
	}
	// A format alone makes upstream look at the type as well.
	if n.types != 0 || r.format != "" {
		good++
		if f.typeOf(n, r, v) {
			good++
		}
	}
	good += 2 + f.junctors(r, v)
	switch v := v.(type) {
	case string:
		good++
		f.text(r, v)
		if r.formatOK != nil {
			good++
			if !r.formatOK(v) {
				f.typed(r.format, v)
			}
		}
	case int64, float64:
		good += 2
		f.number(n, r, v)
	case []any:
		good += 2 + f.list(n, r, v, old, had)
	}
	good++
	f.enum(r, v)
	if o, ok := v.(map[string]any); ok {
		good += 1 + f.object(n, r, o, old, had)
	}
	return good + 1
}

// typeOf checks the type and reports whether it is right. The names of types in messages are those
// of JSON Schema; only where the schema has a format do they become those of formats, since
// upstream then compares formats and not types.
func (f *faults) typeOf(n *schemaNode, r *schemaRules, v any) bool {
	if v == nil {
		// A schema without a type allows null, nullable or not.
		if n.types != 0 && !n.nullable {
			f.typed(n.types.String()+r.typeName, "null")
			return false
		}
		return true
	}
	if n.typeOK(v) {
		return true
	}
	want, is := n.types.String()+r.typeName, tree.TypeName(v)
	switch v.(type) {
	case int64:
		is = "integer"
	case bool:
		is = "boolean"
	case defaultOverflow:
		is = "too many values by default"
	}
	// Lists have no format, so upstream stays with the type.
	if _, ok := v.([]any); r.format != "" && is != "string" && !ok {
		want = r.format
		switch is {
		case "integer":
			is = "int64"
		case "number":
			is = "float64"
		case "boolean", "object":
			is = ""
		}
	}
	f.typed(want, is)
	return false
}

// enum checks that v is a value of the enum; null never is, even if the enum lists it. The message
// shows the values in the CRD's order, those that are no texts as JSON.
func (f *faults) enum(r *schemaRules, v any) {
	if r.enum == nil || v != nil && r.inEnum(v) || f.full() {
		return
	}
	supported := make([]string, len(r.enum))
	for i, e := range r.enum {
		if s, ok := e.(string); ok {
			supported[i] = s
		} else {
			supported[i] = string(tree.AppendJSON(nil, e))
		}
	}
	f.add(field.NotSupported(f.field(), v, supported...))
}

// text reports the first thing wrong with the length or the characters of a text; a longer text
// is not also matched against the pattern.
func (f *faults) text(r *schemaRules, s string) {
	switch {
	case r.tooLong(s):
		f.add(field.TooLong(f.field(), int(r.maxLength)))
	case r.tooShort(s):
		f.invalid(s, "should be at least %d chars long", r.minLength)
	case r.pattern != nil && !r.pattern.MatchString(s):
		f.invalid(s, "should match '%s'", r.pattern)
	}
}

// number checks v, an int64 or a float64: its range, then each of the schema's bounds, both whether the
// type can hold the bound and whether v obeys it.
func (f *faults) number(n *schemaNode, r *schemaRules, v any) {
	i, whole := v.(int64)
	d, _ := tree.Float(v)
	if whole && !intInRange(i, n.types, r.format) || !whole && !numberInRange(d, n.types, r.format) {
		f.outOfType("Checked", n, r)
	}
	for _, name := range []string{boundMultiple, boundMinimum, boundMaximum} {
		if slices.Contains(r.badBounds, name) {
			f.outOfType(name, n, r)
		}
		switch {
		case name == boundMultiple && !r.isMultiple(v):
			f.notMultiple(r, v)
		case name == boundMinimum && !r.aboveMinimum(v):
			f.invalid(v, "should be greater than %s%v", orEqual(r.exclusiveMin), r.shownBound(v, name, *r.minimum))
		case name == boundMaximum && !r.belowMaximum(v):
			f.invalid(v, "should be less than %s%v", orEqual(r.exclusiveMax), r.shownBound(v, name, *r.maximum))
		}
	}
}

// notMultiple adds the error of a value that is no multiple. Of a factor that is not positive, it is
// the factor that the error shows as the wrong value.
func (f *faults) notMultiple(r *schemaRules, v any) {
	factor := r.shownBound(v, boundMultiple, *r.multiple)
	if d, _ := tree.Float(factor); d > 0 {
		f.invalid(v, "should be a multiple of %v", factor)
		return
	}
	detail := fmt.Sprintf("factor MultipleOf declared for %s must be positive: %v", f.path, factor)
	f.add(field.Invalid(f.field(), factor, detail))
}

// orEqual returns what a message adds about a bound that may be reached.
func orEqual(exclusive bool) string {
	if exclusive {
		return ""
	}
	return "or equal to "
}

// shownBound returns a bound as it is compared with the value beside it: 1000000, not 1e+06, with an
// integer.
func (r *schemaRules) shownBound(v any, name string, bound float64) any {
	if _, b, ok := r.integers(v, name, bound); ok {
		return b
	}
	return bound
}

// outOfType adds an error about a number that the type or format cannot hold. what says which: the
// checked value or a bound of the schema.
func (f *faults) outOfType(what string, n *schemaNode, r *schemaRules) {
	format := "(default format)"
	if r.format != "" {
		format = "with format " + r.format
	}
	f.plain("%s value must be of type %s %s in %s", what, n.types, format, f.path)
}

// tooMany adds an error about a list or an object that is too large.
func (f *faults) tooMany(size int, limit int64) {
	f.add(field.TooMany(f.field(), size, int(limit)))
}

// list checks the items of a list, then their number. Whether members are repeated is not asked
// here: upstream does that in a walk of its own.
func (f *faults) list(n *schemaNode, r *schemaRules, list []any, old any, had bool) (good int) {
	if n.items != nil {
		was, _ := old.([]any)
		find := n.finder(was, had)
		for i, e := range list {
			outer := f.at(i)
			before, ok := find(e)
			good += f.value(n.items, e, before, ok)
			f.path = f.path[:outer]
		}
	}
	if int64(len(list)) < r.minItems {
		f.invalid(int64(len(list)), "should have at least %d items", r.minItems)
	}
	if r.maxItems >= 0 && int64(len(list)) > r.maxItems {
		f.tooMany(len(list), r.maxItems)
	}
	return good
}

// object checks the number of the fields, then each of them in the order of their names, then
// whether required ones are missing.
func (f *faults) object(n *schemaNode, r *schemaRules, o map[string]any, old any, had bool) (good int) {
	if size := int64(len(o)); size < r.minProperties {
		f.invalid(size, "should have at least %d properties", r.minProperties)
	}
	if size := int64(len(o)); r.maxProperties >= 0 && size > r.maxProperties {
		f.tooMany(len(o), r.maxProperties)
	}
	was, _ := old.(map[string]any)
	for _, name := range tree.SortedKeys(o) {
		if f.full() {
			break
		}
		child, _ := n.child(name)
		if child == nil {
			if n.extra == extraForbidden {
				// The error belongs to the object; the dot is there even at the root.
				f.add(field.Invalid(f.field(), name, string(f.path)+"."+name+" in body is a forbidden property"))
			}
			continue
		}
		outer := f.in(name)
		before, ok := was[name]
		good += f.value(child, o[name], before, ok && had)
		f.path = f.path[:outer]
	}
	for _, name := range r.required {
		if _, there := o[name]; !there {
			outer := f.in(name)
			f.add(field.Required(f.field(), ""))
			f.path = f.path[:outer]
		}
	}
	return good
}
