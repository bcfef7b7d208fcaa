package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// faults collects what is wrong with an object, walking it as schemaCheck does, with the
// path of each place. Two things follow upstream to the letter because clients show them:
// the order of the checks of one value, and of a failed anyOf or oneOf the errors of the
// alternative that came furthest, by upstream's way of counting.
type faults struct {
	errs  []field.Error
	base  string // the field of the value that is walked, "" for a whole object
	path  []byte // from there: spec.list[0].x
	bytes int    // of errs
	left  int    // as schemaCheck.left
}

const (
	maxFaults     = 500
	maxFaultBytes = 1 << 20
)

func newFaults() *faults { return &faults{left: schemaMaxSteps} }

// whole is everything wrong with a value, and what is wrong with its lists and embedded
// resources, which is looked at apart.
func (f *faults) whole(n *schemaNode, v, old any, had bool) {
	f.embedded(n, v)
	f.value(n, v, old, had)
	before := newFaults()
	if had {
		before.lists(n, old)
	}
	if len(before.errs) == 0 {
		f.lists(n, v)
	}
}

func (f *faults) full() bool {
	f.left--
	return f.left < 0 || len(f.errs) >= maxFaults || f.bytes > maxFaultBytes
}

// add adds an error once: alternatives often find the same.
func (f *faults) add(e field.Error) {
	if !f.full() && !slices.Contains(f.errs, e) {
		f.errs = append(f.errs, e)
		f.bytes += len(e.Field) + len(e.Message)
	}
}

// field is the path of the current place in the object.
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

// about starts a message about the current place.
func (f *faults) about() string { return string(f.path) + " in body " }

func (f *faults) invalid(value any, format string, args ...any) {
	if !f.full() {
		f.add(field.Invalid(f.field(), value, f.about()+fmt.Sprintf(format, args...)))
	}
}

// plain is an error that names its place in the text only.
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

// typed is an error of type.
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

// in goes to a field of the current place, and to one of its items.
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

// value adds what is wrong with v and gives upstream's count of the checks that went well.
func (f *faults) value(n *schemaNode, v, old any, had bool) (good int) {
	if f.full() || had && f.equal(v, old) {
		return 0
	}
	return f.checks(n, v, old, had)
}

// equal is tree.Equal, as long as there are steps left: each level of an object that
// differs far inside is compared again.
func (f *faults) equal(a, b any) bool {
	if f.left--; f.left < 0 {
		return false
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, there := b[k]; !there || !f.equal(v, w) {
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
			if !f.equal(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return tree.Equal(a, b)
}

// checks runs the checks in upstream's order: type, alternatives, text, format, number,
// list, enum, object.
func (f *faults) checks(n *schemaNode, v, old any, had bool) (good int) {
	r := n.rules
	if r == nil {
		r = &schemaRules{minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minProperties: -1, maxProperties: -1}
	}
	if v == nil {
		if f.typeOf(n, r, v) {
			good++
		}
		f.enum(r, v)
		return good
	}
	if n.types != 0 || r.format != "" {
		good++
		if f.typeOf(n, r, v) {
			good++
		}
	}
	good += 2 + f.junctors(r, v, old, had)
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

func (f *faults) typeOf(n *schemaNode, r *schemaRules, v any) bool {
	if v == nil {
		if n.types != 0 && !n.nullable {
			f.typed(n.types.String(), "null")
			return false
		}
		return true
	}
	if n.typeOK(v) {
		return true
	}
	want, is := n.types.String(), tree.TypeName(v)
	switch v.(type) {
	case int64:
		is = "integer"
	case bool:
		is = "boolean"
	case defaultOverflow:
		is = "too many values by default"
	}
	if _, ok := v.([]any); r.format != "" && is != "string" && !ok {
		// Upstream tells the formats apart where there is one, and a format is all that
		// integers and numbers have.
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

// text reports the first thing wrong with the length or the letters.
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

func (f *faults) number(n *schemaNode, r *schemaRules, v any) {
	i, whole := v.(int64)
	d, _ := tree.Float(v)
	if whole && !intInRange(i, n.types, r.format) || !whole && !numberInRange(d, n.types, r.format) {
		f.outOfType("Checked", n, r)
	}
	for _, name := range r.badBounds {
		f.outOfType(name, n, r)
	}
	if !r.isMultiple(v) {
		if *r.multiple <= 0 {
			f.add(field.Invalid(f.field(), *r.multiple, fmt.Sprintf("factor MultipleOf declared for %s must be positive: %v", f.path, *r.multiple)))
		} else {
			f.invalid(v, "should be a multiple of %v", shownBound(v, *r.multiple))
		}
	}
	if !r.aboveMinimum(v) {
		f.invalid(v, "should be greater than %s%v", orEqual(r.above), shownBound(v, *r.minimum))
	}
	if !r.belowMaximum(v) {
		f.invalid(v, "should be less than %s%v", orEqual(r.below), shownBound(v, *r.maximum))
	}
}

func orEqual(excluded bool) string {
	if excluded {
		return ""
	}
	return "or equal to "
}

// shownBound shows the bound of an integer as an integer: 1000000, not 1e+06.
func shownBound(v any, bound float64) any {
	if _, ok := v.(int64); ok && isWhole(bound) {
		return int64(bound)
	}
	return bound
}

func (f *faults) outOfType(what string, n *schemaNode, r *schemaRules) {
	format := "(default format)"
	if r.format != "" {
		format = "with format " + r.format
	}
	f.plain("%s value must be of type %s %s in %s", what, n.types, format, f.path)
}

func (f *faults) tooMany(size int, limit int64) {
	f.add(field.TooMany(f.field(), size, int(limit)))
}

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

// finder gives a function that finds the old item with the same keys.
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
		id = n.identity(id[:0], e)
		v, ok := byKey[string(id)]
		return v, ok
	}
}

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
				f.add(field.Invalid(f.field(), name, string(f.path)+"."+name+" in body is a forbidden property"))
			}
			continue
		}
		outer := f.in(name)
		before, ok := was[name]
		good += f.value(child, o[name], before, ok && had && !n.atomic)
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

// junctors adds the failures of allOf, anyOf, oneOf and not.
func (f *faults) junctors(r *schemaRules, v, old any, had bool) (good int) {
	if r.any != nil {
		valid, best, count := f.alternatives(r.any, v, old, had, true)
		if valid == 0 {
			f.plain("%q must validate at least one schema (anyOf)", f.path)
			f.addAll(best)
		}
		good += count
	}
	if r.one != nil {
		// What is tolerated in one alternative must not make it the second valid one.
		valid, best, count := f.alternatives(r.one, v, nil, false, false)
		switch {
		case valid == 0:
			f.plain("%q must validate one and only one schema (oneOf). Found none valid", f.path)
			f.addAll(best)
		case valid > 1:
			f.plain("%q must validate one and only one schema (oneOf). Found %d valid alternatives", f.path, valid)
			count = 0
		}
		good += count
	}
	failed := 0
	for _, n := range r.all {
		errs, count := f.branch(n, v, old, had)
		good += count
		if len(errs) > 0 {
			failed++
			f.addAll(errs)
		}
	}
	if failed > 0 {
		none := ""
		if failed == len(r.all) {
			none = ". None validated"
		}
		f.plain("%q must validate all the schemas (allOf)%s", f.path, none)
	}
	if r.not != nil {
		q := schemaCheck{left: f.left}
		if q.node(r.not, v) {
			f.plain("%q must not validate the schema (not)", f.path)
		}
		f.left = q.left
	}
	return good
}

// alternatives tries each schema: how many hold (at most one where one is enough), and of
// those that fail the errors of the one that came furthest; count is upstream's.
func (f *faults) alternatives(nodes []*schemaNode, v, old any, had, enough bool) (valid int, best []field.Error, count int) {
	furthest := -1
	for _, n := range nodes {
		errs, good := f.branch(n, v, old, had)
		switch {
		case len(errs) == 0 && f.left >= 0:
			if valid++; valid == 1 {
				best, count = nil, good
			}
			if enough {
				return valid, nil, count
			}
		case valid == 0 && good > furthest:
			furthest, best, count = good, errs, good
		}
	}
	return valid, best, count
}

// branch is the errors of one alternative, and its count.
func (f *faults) branch(n *schemaNode, v, old any, had bool) (errs []field.Error, good int) {
	b := faults{base: f.base, path: f.path, left: f.left, bytes: f.bytes}
	good = b.value(n, v, old, had)
	f.left = b.left
	return b.errs, good
}

func (f *faults) addAll(errs []field.Error) {
	for _, e := range errs {
		f.add(e)
	}
}

// lists adds the repeated members of lists that are sets or maps.
func (f *faults) lists(n *schemaNode, v any) {
	if n == nil || f.full() {
		return
	}
	switch v := v.(type) {
	case []any:
		if f.listMembers(n, v) && n.items != nil {
			for i, e := range v {
				outer := f.at(i)
				f.lists(n.items, e)
				f.path = f.path[:outer]
			}
		}
	case map[string]any:
		for _, name := range tree.SortedKeys(v) {
			outer := len(f.path)
			if child := n.fields[name]; child != nil {
				f.in(name)
				f.lists(child, v[name])
			} else if n.additional != nil {
				f.path = append(append(append(f.path, '['), name...), ']')
				f.lists(n.additional, v[name])
			}
			f.path = f.path[:outer]
		}
	}
}

func (f *faults) listMembers(n *schemaNode, list []any) bool {
	if n.list == listAtomic {
		return true
	}
	if n.list == listMap {
		for i, e := range list {
			if _, ok := e.(map[string]any); !ok && e != nil {
				outer := f.at(i)
				f.add(field.Invalid(f.field(), e, "must be an object for an array of list-type map"))
				f.path = f.path[:outer]
				return true
			}
		}
	}
	for _, i := range n.duplicates(list) {
		shown := list[i]
		if n.list == listMap {
			keys := map[string]any{}
			o, _ := shown.(map[string]any)
			for _, k := range n.keys {
				if v, there := o[k]; there {
					keys[k] = v
				}
			}
			shown = keys
		}
		outer := f.at(i)
		f.add(field.Duplicate(f.field(), shown))
		f.path = f.path[:outer]
	}
	return true
}

// embedded adds what keeps embedded resources from being resources.
func (f *faults) embedded(n *schemaNode, v any) {
	if n == nil || f.full() {
		return
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			outer := f.at(i)
			f.embedded(n.items, e)
			f.path = f.path[:outer]
		}
	case map[string]any:
		if n.embedded && !embeddedOK(v) {
			f.typeAndMeta(v)
		}
		for _, name := range tree.SortedKeys(v) {
			child, _ := n.child(name)
			outer := f.in(name)
			f.embedded(child, v[name])
			f.path = f.path[:outer]
		}
	}
}

func (f *faults) typeAndMeta(o map[string]any) {
	for _, name := range []string{"apiVersion", "kind"} {
		outer := f.in(name)
		value, there := o[name]
		s, isText := value.(string)
		switch {
		case !there:
			f.add(field.Required(f.field(), ""))
		case !isText:
			f.add(field.Invalid(f.field(), value, "must be a string"))
		case s == "":
			f.add(field.Invalid(f.field(), s, "must not be empty"))
		case name == "apiVersion":
			if strings.Count(s, "/") > 1 {
				f.add(field.Invalid(f.field(), s, "unexpected GroupVersion string: "+s))
			}
		case !isKindName(s):
			f.add(field.Invalid(f.field(), s, "may have mixed case, but should otherwise match: "+LabelWords(s)))
		}
		f.path = f.path[:outer]
	}
	if metadata, there := o["metadata"]; there {
		if _, ok := metadata.(map[string]any); !ok {
			outer := f.in("metadata")
			f.add(field.Invalid(f.field(), metadata, "must be an object"))
			f.path = f.path[:outer]
		}
	}
}
