package schema

import (
	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// How custom objects are owned: a compiled schema as a fieldset.Schema, as upstream has it by way of the OpenAPI v3 that it
// publishes for a definition. Three things follow from that way:
//
//   - an object that names no fields takes any, although pruning leaves none; one below a schema with
//     x-kubernetes-preserve-unknown-fields does, even if it names some;
//   - a schema without a type, such as that of an int-or-string, is of scalars, lists and objects alike;
//   - an embedded resource, as the whole object, has kind, apiVersion and the metadata of every object, whatever the
//     definition says of them. A definition without a schema says nothing of metadata either.
//
// Objects and lists that nothing is said of are fieldset.Deduced.

// Owned says how the objects are owned. Any number of goroutines may use it.
func (s *Schema) Owned() fieldset.Schema { return ownedNode{s.root} }

// owned notes what the schema s of a node says of ownership alone.
func (c *schemaCompiler) owned(n *schemaNode, s map[string]any) {
	n.open = c.open || n.preserve
	n.whole = tree.Text(s, "x-kubernetes-map-type") == "atomic"
	format := tree.Text(s, "format")
	n.lax = format != "" && format != "byte"
}

// ownedNode is how the values of a node are owned.
type ownedNode struct{ *schemaNode }

// Atom implements fieldset.Schema.
func (n ownedNode) Atom() fieldset.Atom {
	a := fieldset.Atom{}
	switch n.types {
	case typeInteger, typeNumber:
		a.Scalar = fieldset.Number
	case typeBoolean:
		a.Scalar = fieldset.Bool
	case typeString:
		if a.Scalar = fieldset.Text; n.lax {
			a.Scalar = fieldset.AnyScalar
		}
	case typeArray:
		n.list.owned(&a, n.keys)
	case typeObject:
		n.mapOwned(&a)
	default:
		a.Scalar = fieldset.AnyScalar
		n.list.owned(&a, n.keys)
		n.mapOwned(&a)
	}
	return a
}

// owned says in an atom how a list is owned.
func (k listKind) owned(a *fieldset.Atom, keys []string) {
	switch k {
	case listAtomic:
		a.List = fieldset.AtomicList
	case listSet:
		a.List = fieldset.SetList
	case listMap:
		a.List, a.Keys = fieldset.Keyed, keys
	}
}

// mapOwned says in an atom how an object is owned.
func (n ownedNode) mapOwned(a *fieldset.Atom) {
	if a.Map = fieldset.Granular; n.whole {
		a.Map = fieldset.Atomic
	}
	if e := n.additional; !n.names() {
		a.Untold = e == nil && n.deduces() || e != nil && (e.types == typeString && e.lax || ownedNode{e}.anyType())
	}
}

// anyType reports whether the schema has no type of upstream's, as that of an int-or-string.
func (n ownedNode) anyType() bool { return n.types&(n.types-1) != 0 || n.types == 0 }

// deduces reports whether fields may be there of which nothing is said.
func (n ownedNode) deduces() bool {
	return n.extra == extraAllowed || n.extra == extraUnknown && (n.open || !n.names())
}

// names reports whether the schema names any field of the object.
func (n ownedNode) names() bool { return len(n.fields) > 0 || n.resource != nil }

// Field implements fieldset.Schema.
func (n ownedNode) Field(name string) (fieldset.Schema, bool) {
	if n.resource != nil {
		switch name {
		case "metadata":
			if n.resource.Metadata == nil {
				return fieldset.Deduced(), true
			}
			return n.resource.Metadata, true
		case "apiVersion", "kind":
			return ownedName{}, true
		}
	}
	switch child := n.fields[name]; {
	case child != nil:
		return ownedNode{child}, true
	case n.additional != nil:
		return ownedNode{n.additional}, false
	case n.deduces():
		return fieldset.Deduced(), false
	}
	return nil, false
}

// Items implements fieldset.Schema.
func (n ownedNode) Items() fieldset.Schema {
	switch {
	case n.types != typeArray && !n.anyType():
		return nil
	case n.items == nil:
		return fieldset.Deduced()
	}
	return ownedNode{n.items}
}

// Default implements fieldset.Schema.
func (n ownedNode) Default() any { return n.def }

// ownedName is how the apiVersion and the kind of a resource are owned.
type ownedName struct{}

// Atom, Field, Items and Default implement fieldset.Schema.
func (ownedName) Atom() fieldset.Atom                  { return fieldset.Atom{Scalar: fieldset.Text} }
func (ownedName) Field(string) (fieldset.Schema, bool) { return nil, false }
func (ownedName) Items() fieldset.Schema               { return nil }
func (ownedName) Default() any                         { return nil }
