package schema

import (
	"slices"
	"strconv"
)

// Pruning removes the fields that a schema has no place for. What is unknown is decided by
// the structural part of the schema alone, never by an alternative of anyOf and the like:
//
//	type: object
//	properties:
//	  spec:
//	    type: object
//	    properties:
//	      size: {type: integer}
//	      free: {type: object, x-kubernetes-preserve-unknown-fields: true,
//	             properties: {size: {type: object}}}
//
// Of {"spec": {"size": 1, "colour": "red", "free": {"x": {"y": 1}, "size": {"y": 1}}}} the fields
// spec.colour and spec.free.size.y go. Preserving unknown fields keeps x and all in it, but
// a field that is named, here spec.free.size, has a schema again, which prunes.
//
// Some surprises, all of them upstream's:
//
//   - a value whose schema knows no fields, a text for example, loses all of them when it is an
//     object; that it has the wrong type is for Validate to say;
//   - a list that preserves unknown fields hands that down to its items, an object does not;
//   - the metadata of embedded resources are not looked at, nor those of the object itself: the caller
//     prunes them, as for all kinds.
//
// hasUnknown asks whether there is anything to prune, which there seldom is, and schemaPruner
// repeats the walk with paths. The two must agree: what the first does not find stays.

// Prune removes the unknown fields of obj in place and returns their paths, sorted as upstream
// sorts them: spec.list[0].x. A field inside of a removed one is not listed. apiVersion, kind
// and metadata of obj are left alone. The error is always nil; the resource API's interface for
// kinds has it.
func (s *Schema) Prune(obj map[string]any) (unknown []string, err error) {
	if !s.root.objectHasUnknown(obj, true, false) {
		return nil, nil
	}
	p := schemaPruner{}
	p.object(obj, s.root, true, false)
	slices.Sort(p.unknown)
	return p.unknown, nil
}

// isTypeOrMeta reports whether a field of this name belongs to every resource.
func isTypeOrMeta(name string) bool {
	return name == "apiVersion" || name == "kind" || name == "metadata"
}

// hasUnknown reports whether v has a field, at any depth, that Prune would remove. A nil node
// is the schema of a value that has no fields. keep is set for the items of a list that
// preserves unknown fields: they do as well.
func (n *schemaNode) hasUnknown(v any, keep bool) bool {
	switch v := v.(type) {
	case map[string]any:
		return n.objectHasUnknown(v, n != nil && n.embedded, keep)
	case []any:
		if n == nil {
			// Without a schema the items have none, and nothing is preserved.
			for _, e := range v {
				if n.hasUnknown(e, false) {
					return true
				}
			}
			return false
		}
		if keep = keep || n.preserve; keep && n.items == nil {
			return false
		}
		for _, e := range v {
			if n.items.hasUnknown(e, keep) {
				return true
			}
		}
	}
	return false
}

// objectHasUnknown is hasUnknown for an object; resource says that it is a whole object, whose
// apiVersion, kind and metadata are known without being in the schema.
func (n *schemaNode) objectHasUnknown(o map[string]any, resource, keep bool) bool {
	// With few fields in the schema it is quicker to look each of them up in the object. With
	// additionalProperties every field is known and each has to be looked into.
	if n != nil && n.extra == extraUnknown && !n.sparse(len(o)) {
		return n.hasUnknownByCount(o, resource, keep)
	}
	for name, e := range o {
		if resource && isTypeOrMeta(name) {
			continue
		}
		switch child, known := n.child(name); {
		case known:
			// keep ends here: a field with a schema prunes again.
			if child.hasUnknown(e, false) {
				return true
			}
		case n == nil || !keep && !n.preserve:
			return true
		}
	}
	return false
}

// hasUnknownByCount answers as objectHasUnknown does, for a schema without
// additionalProperties: it goes through the fields of the schema, and if that finds as many as the
// object has, none is unknown. No map is iterated over.
func (n *schemaNode) hasUnknownByCount(o map[string]any, resource, keep bool) bool {
	found := 0
	if resource {
		for _, name := range [...]string{"apiVersion", "kind", "metadata"} {
			if _, there := o[name]; there {
				found++
			}
		}
	}
	for i := range n.order {
		f := &n.order[i]
		// Those were counted above, whether the schema names them or not.
		if resource && f.meta {
			continue
		}
		if e, there := o[f.name]; there {
			if found++; f.node.hasUnknown(e, false) {
				return true
			}
		}
	}
	return found != len(o) && !keep && !n.preserve
}

// schemaPruner removes what hasUnknown found, on the same ways through the object, and notes the
// paths of what it removes.
type schemaPruner struct {
	path    []byte // of the current place; each step cuts it back to what it was
	unknown []string
}

// value prunes inside of v, whose schema is n.
func (p *schemaPruner) value(v any, n *schemaNode, keep bool) {
	switch v := v.(type) {
	case map[string]any:
		p.object(v, n, n != nil && n.embedded, keep)
	case []any:
		var items *schemaNode
		if n != nil {
			items = n.items
			if keep = keep || n.preserve; keep && items == nil {
				return
			}
		}
		// Items are never removed, only their fields: the others would move.
		outer := len(p.path)
		for i, e := range v {
			p.path = append(strconv.AppendInt(append(p.path, '['), int64(i), 10), ']')
			p.value(e, items, keep)
			p.path = p.path[:outer]
		}
	}
}

// object prunes the fields of o. Deleting from a map while it is iterated over is safe in Go, and
// nothing is added.
func (p *schemaPruner) object(o map[string]any, n *schemaNode, resource, keep bool) {
	outer := len(p.path)
	for name, e := range o {
		p.step(name)
		switch child, known := n.child(name); {
		case resource && isTypeOrMeta(name):
			// First, since a schema that names metadata has no say in it either.
		case known:
			p.value(e, child, false)
		case n == nil || !keep && !n.preserve:
			p.unknown = append(p.unknown, string(p.path))
			delete(o, name)
		}
		p.path = p.path[:outer]
	}
}

// step appends the name of a field to the path.
func (p *schemaPruner) step(name string) {
	if len(p.path) > 0 {
		p.path = append(p.path, '.')
	}
	p.path = append(p.path, name...)
}
