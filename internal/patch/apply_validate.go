package patch

import (
	"maps"
	"slices"

	"apichain/internal/fieldset"
)

// What is applied has to fit the schema before anything is merged: a field that the schema does not declare has no owner,
// and two elements of a list with one key cannot be told apart. The messages are upstream's, the Go syntax in them
// included, since clients show them and people search for them:
//
//	.spec.foo: field not declared in schema
//	.spec.replicas: expected numeric (int or float), got string
//	.spec.ports: duplicate entries for key [name="a"]
//
// An object is valid far more often than not. So the first walk takes fields as they come, and only where it finds a
// fault a second one takes them in the order of their names, which upstream leaves to chance.

// Invalid is the error of an object that does not fit its schema.
type Invalid struct {
	// Live tells that it is the object that is there, and not the one that is applied.
	Live bool
	fieldset.Errors
}

// Validate says what in an object does not fit the schema, as an *Invalid, and nil where all does. An object that is
// live may have several elements with one key: such objects have been stored, and must stay usable.
// The object is not changed. Paths are told up to a bound, see fieldset.Errors.Under.
func Validate(object any, s fieldset.Schema, live bool) error {
	w := validator{duplicates: live}
	// The first walk only asks whether; its errors are in the order of a Go map, and are thrown away.
	if len(w.value(object, s)) == 0 {
		return nil
	}
	w.inOrder, w.text = true, 0
	return &Invalid{Live: live, Errors: w.value(object, s)}
}

// validator walks an object. Each of its methods returns what is wrong with a part of it; who walks a part puts its own
// step before the paths of that.
type validator struct {
	duplicates, inOrder bool
	text                int // bytes of paths so far
}

// value checks a value against what the schema says of its sort.
func (w *validator) value(v any, s fieldset.Schema) fieldset.Errors {
	atom := s.Atom().For(v)
	switch {
	case atom.Map != fieldset.NoMap:
		if m, ok := v.(map[string]any); ok {
			return w.fields(m, s)
		} else if v != nil {
			return fieldset.Errorf("expected map, got &{%v}", numbers(v))
		}
	case atom.Scalar != fieldset.NoScalar:
		// Numbers are shown as floats, and made so only where something is wrong.
		if errs := atom.Scalar.Check(v, ""); len(errs) > 0 {
			return atom.Scalar.Check(numbers(v), "")
		}
	case atom.List != fieldset.NoList:
		if list, ok := v.([]any); ok {
			return w.items(list, atom, s.Items())
		} else if v != nil {
			return fieldset.Errorf("expected list, got &{%v}", numbers(v))
		}
	default:
		return fieldset.Errorf("schema error: invalid atom: inlined")
	}
	return nil
}

// fields checks each field of a map up to the first that the schema does not have, where upstream stops.
func (w *validator) fields(m map[string]any, s fieldset.Schema) (errs fieldset.Errors) {
	field := func(name string) (known bool) {
		place, _ := s.Field(name)
		// A map whose fields are not declared one by one has a place for any name; here the name is simply not known.
		if place == nil {
			errs = append(errs, fieldset.Errorf("field not declared in schema").Under(fieldset.Field(name), &w.text)...)
			return false
		}
		errs = append(errs, w.value(m[name], place).Under(fieldset.Field(name), &w.text)...)
		return true
	}
	if w.inOrder {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !field(name) {
				break
			}
		}
		return errs
	}
	for name := range m {
		if !field(name) {
			break
		}
	}
	return errs
}

// items checks the elements of a list. Nothing is said of those behind one that has no key.
func (w *validator) items(list []any, atom fieldset.Atom, place fieldset.Schema) (errs fieldset.Errors) {
	var seen index
	for i, item := range list {
		step := fieldset.Index(i)
		if atom.List != fieldset.AtomicList {
			var err error
			// Without a key there is no path for what is wrong in the element, so it is told by its index and ends the list.
			if step, err = fieldset.KeyOf(item, atom.Keys, place); err != nil {
				return append(errs, fieldset.Errorf("element %d: %v", i, err)...)
			}
			// Each twin behind the first is told once more.
			if !w.duplicates && seen.find(step) >= 0 {
				errs = append(errs, fieldset.Errorf("duplicate entries for key %v", step)...)
			}
			seen.add(step)
		}
		errs = append(errs, w.value(item, place).Under(step, &w.text)...)
	}
	return errs
}

// numbers returns v as upstream shows it, which decodes each number of what is applied as a float.
func numbers(v any) any {
	switch v := v.(type) {
	// The walk copies what it changes, since v is part of the object of a request.
	case int64:
		return float64(v)
	case []any:
		v = slices.Clone(v)
		for i := range v {
			v[i] = numbers(v[i])
		}
		return v
	case map[string]any:
		v = maps.Clone(v)
		for k := range v {
			v[k] = numbers(v[k])
		}
		return v
	}
	return v
}
