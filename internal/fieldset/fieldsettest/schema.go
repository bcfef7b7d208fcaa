// Package fieldsettest reads schemas for tests in the form of structured-merge-diff, which is what upstream's scenarios of
// apply are written in. In comes such a schema as a tree, out comes the fieldset.Schema of one of its types:
//
//	types:
//	- name: ports
//	  list: {elementType: {namedType: port}, elementRelationship: associative, keys: [port, protocol]}
//
// No file but tests may import the package. Schemas that it returns do not change and may be used concurrently.
package fieldsettest

import (
	"fmt"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// place is one type, or one use of a type with a default or another relationship of its elements.
type place struct {
	atom    fieldset.Atom
	fields  map[string]*place
	element *place // what every field of a map is that has no name of its own
	items   *place
	value   any
}

func (p *place) Atom() fieldset.Atom { return p.atom }

func (p *place) Field(name string) (fieldset.Schema, bool) {
	if f := p.fields[name]; f != nil {
		return f, true
	}
	if p.element != nil {
		return p.element, false
	}
	return nil, false
}

func (p *place) Items() fieldset.Schema {
	if p.items == nil {
		return nil
	}
	return p.items
}

func (p *place) Default() any { return p.value }

// reader holds the types that are read, those that are being read included, since types may be recursive.
type reader struct {
	given map[string]map[string]any
	read  map[string]*place
}

// Schema returns the type of that name. The error names a type that is missing.
func Schema(schema map[string]any, name string) (fieldset.Schema, error) {
	r := &reader{given: map[string]map[string]any{}, read: map[string]*place{}}
	for _, t := range tree.List(schema, "types") {
		r.given[tree.Text(t, "name")] = tree.Object(t)
	}
	p, err := r.named(name)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// named returns a type by its name.
func (r *reader) named(name string) (*place, error) {
	if p := r.read[name]; p != nil {
		return p, nil
	}
	given := r.given[name]
	if given == nil {
		return nil, fmt.Errorf("there is no type %q", name)
	}
	p := new(place)
	r.read[name] = p
	return p, r.fill(p, given)
}

// use returns the place of a reference: a named type or one that stands there, perhaps with its elements related otherwise.
func (r *reader) use(ref map[string]any) (*place, error) {
	name := tree.Text(ref, "namedType")
	relationship := tree.Text(ref, "elementRelationship")
	if name == "" {
		p := new(place)
		err := r.fill(p, ref)
		if relationship != "" {
			p.relate(relationship)
		}
		return p, err
	}
	p, err := r.named(name)
	if err != nil || relationship == "" {
		return p, err
	}
	if own := name + " " + relationship; r.read[own] == nil {
		other := *p
		r.read[own] = &other
		other.relate(relationship)
	}
	return r.read[name+" "+relationship], nil
}

// relate says how the elements of a map or, where it is none, of a list are owned.
func (p *place) relate(relationship string) {
	switch {
	case p.atom.Map != fieldset.NoMap && relationship == "atomic":
		p.atom.Map = fieldset.Atomic
	case p.atom.Map != fieldset.NoMap:
		p.atom.Map = fieldset.Granular
	case relationship == "atomic":
		p.atom.List = fieldset.AtomicList
	case len(p.atom.Keys) > 0:
		p.atom.List = fieldset.Keyed
	default:
		p.atom.List = fieldset.SetList
	}
}

// scalars are the names of scalars.
var scalars = map[string]fieldset.Scalar{
	"untyped": fieldset.AnyScalar, "numeric": fieldset.Number, "string": fieldset.Text, "boolean": fieldset.Bool,
}

// fill reads what a type says of scalars, lists and maps.
func (r *reader) fill(p *place, given map[string]any) (err error) {
	p.atom.Scalar = scalars[tree.Text(given, "scalar")]
	if list := tree.Object(given, "list"); list != nil {
		p.atom.List = fieldset.SetList
		for _, k := range tree.List(list, "keys") {
			p.atom.Keys, p.atom.List = append(p.atom.Keys, k.(string)), fieldset.Keyed
		}
		if tree.Text(list, "elementRelationship") == "atomic" {
			p.atom.List = fieldset.AtomicList
		}
		if p.items, err = r.use(tree.Object(list, "elementType")); err != nil {
			return err
		}
	}
	m := tree.Object(given, "map")
	if m == nil {
		return nil
	}
	p.atom.Map = fieldset.Granular
	if tree.Text(m, "elementRelationship") == "atomic" {
		p.atom.Map = fieldset.Atomic
	}
	if element := tree.Object(m, "elementType"); element != nil {
		if p.element, err = r.use(element); err != nil {
			return err
		}
		name := tree.Text(element, "namedType")
		p.atom.Untold = m["fields"] == nil && (name == "__untyped_deduced_" || name == "" && tree.Text(element, "scalar") == "untyped")
	}
	for _, f := range tree.List(m, "fields") {
		field, err := r.use(tree.Object(f, "type"))
		if err != nil {
			return err
		}
		if value := tree.At(f, "default"); value != nil {
			other := *field
			field, other.value = &other, value
		}
		if p.fields == nil {
			p.fields = map[string]*place{}
		}
		p.fields[tree.Text(f, "name")] = field
	}
	return nil
}
