package schema

import "apichain/internal/tree"

// Defaulting fills in what an object leaves out. A default is given to a field that is missing
// from an object that is there; an object that is missing stays missing unless it has a default
// of its own. With
//
//	spec:
//	  type: object
//	  properties:
//	    strategy: {type: object, properties: {kind: {type: string, default: Rolling}}}
//	    size: {type: integer, default: 1}
//
// {"spec": {}} gets size but no strategy, and {"spec": {"strategy": {}}} gets both defaults.
//
// An explicit null counts as missing where the schema does not allow null (upstream drops such
// nulls before it defaults): it becomes the default, or it goes. Items of lists are the
// exception: a null item without a default stays, because removing it would move the others, and
// Validate refuses it.
//
// Defaults were completed when the schema was compiled, so that a copied one is not walked.
// Doing all of it a second time changes nothing.

// SetDefaults fills in the defaults of obj in place. Every default is copied: the object may be
// changed afterwards. At most schemaMaxDefaults values are added; when the defaults of the items
// of long lists would make an object larger, the rest of the defaults become a value that
// Validate refuses, so that the caller must validate what it has defaulted.
func (s *Schema) SetDefaults(obj map[string]any) {
	d := defaulter{left: schemaMaxDefaults}
	d.object(obj, s.root)
}

// SetDefaultsOnly is SetDefaults, but leaves nulls where they are that the schema neither allows nor has a default for: Validate refuses
// them.
func (s *Schema) SetDefaultsOnly(obj map[string]any) {
	d := defaulter{left: schemaMaxDefaults, keepsNulls: true}
	d.object(obj, s.root)
}

// DropNulls removes the nulls of obj that the schema neither allows nor has a default for, in place.
// SetDefaults does so too; this is for an object whose defaults are not those of the schema.
func (s *Schema) DropNulls(obj map[string]any) {
	d := defaulter{nullsOnly: true}
	d.object(obj, s.root)
}

// defaultOverflow stands in an object for a default that would have made it too large. It is of no
// JSON type, so no schema accepts it; Validate's error says "too many values by default".
type defaultOverflow struct{}

// defaulter fills in defaults; left counts down the values that it may still add, and is
// negative once there were too many. With nullsOnly it removes nulls and adds nothing, with keepsNulls it removes none.
type defaulter struct {
	left                  int
	nullsOnly, keepsNulls bool
}

// fill fills in the defaults inside of v, whose schema is n, and returns v. Nothing happens to a
// value whose schema is nil.
func (d *defaulter) fill(v any, n *schemaNode) any {
	if n == nil {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		d.object(v, n)
	case []any:
		if n.items == nil {
			break
		}
		for i, e := range v {
			if e == nil {
				// An item is never removed: the others would move.
				if n.items.def != nil && !n.items.nullable && !d.nullsOnly {
					v[i] = d.copy(n.items)
				}
				continue
			}
			d.fill(e, n.items)
		}
	}
	return v
}

// object fills in the fields of o, on the cheaper of two ways: through the fields that the schema
// knows, or through those of the object and then those that have a default.
func (d *defaulter) object(o map[string]any, n *schemaNode) {
	// The first needs no iteration over a map, but misses the fields of additionalProperties.
	if n.additional == nil && !n.sparse(len(o)) {
		for i := range n.order {
			f := &n.order[i]
			if e, there := o[f.name]; there {
				d.field(o, f.name, e, f.node)
			} else if f.node.def != nil && !d.nullsOnly {
				o[f.name] = d.copy(f.node)
			}
		}
		return
	}
	for name, e := range o {
		if child, _ := n.child(name); child != nil {
			d.field(o, name, e, child)
		}
	}
	if d.nullsOnly {
		return
	}
	// Afterwards: what is added now is complete and need not be filled, and adding while
	// iterating over the map could meet it.
	for i := range n.defaults {
		f := &n.defaults[i]
		if _, there := o[f.name]; !there {
			o[f.name] = d.copy(f.node)
		}
	}
}

// field deals with a field that o has: a value is filled, a null that may not be one is replaced
// by the default or removed.
func (d *defaulter) field(o map[string]any, name string, e any, n *schemaNode) {
	switch {
	case e != nil:
		d.fill(e, n)
	case n.nullable:
		// A null that is meant: not even the default replaces it.
	case n.def == nil:
		if !d.keepsNulls {
			delete(o, name)
		}
	case d.nullsOnly:
	default:
		o[name] = d.copy(n)
	}
}

// copy returns a copy of the default of n, or defaultOverflow when it would be too much.
func (d *defaulter) copy(n *schemaNode) any {
	if d.left -= n.defValues; d.left < 0 {
		return defaultOverflow{}
	}
	return tree.Copy(n.def)
}
