package schema

import (
	"slices"
	"strconv"

	"apichain/internal/tree"
)

// Prune removes the fields that the schema has no place for and returns their paths,
// sorted (as upstream gives them). apiVersion, kind and metadata of the object itself are
// left alone; in an embedded resource metadata keeps the fields every object has. The
// error is always nil.
func (s *Schema) Prune(obj map[string]any) (unknown []string, err error) {
	if !s.root.foreignFields(obj, true, false) {
		return nil, nil
	}
	p := schemaPruner{}
	p.object(obj, s.root, true, false)
	slices.Sort(p.unknown)
	return p.unknown, nil
}

// isTypeOrMeta says whether a field belongs to every resource.
func isTypeOrMeta(name string) bool {
	return name == "apiVersion" || name == "kind" || name == "metadata"
}

// metadataKeys is the fields of metadata.
var metadataKeys = map[string]bool{
	"name": true, "generateName": true, "namespace": true, "selfLink": true, "uid": true, "resourceVersion": true,
	"generation": true, "creationTimestamp": true, "deletionTimestamp": true, "deletionGracePeriodSeconds": true,
	"labels": true, "annotations": true, "ownerReferences": true, "finalizers": true, "managedFields": true,
}

// foreign says whether v has a field that prune would remove. A nil node is the schema of
// a value that has no fields. keep is set for the items of a list that preserves unknown
// fields: they do as well.
func (n *schemaNode) foreign(v any, keep bool) bool {
	switch v := v.(type) {
	case map[string]any:
		return n.foreignFields(v, n != nil && n.embedded, keep)
	case []any:
		if n == nil {
			for _, e := range v {
				if n.foreign(e, false) {
					return true
				}
			}
			return false
		}
		if keep = keep || n.preserve; keep && n.items == nil {
			return false
		}
		for _, e := range v {
			if n.items.foreign(e, keep) {
				return true
			}
		}
	}
	return false
}

func (n *schemaNode) foreignFields(o map[string]any, resource, keep bool) bool {
	if n != nil && n.extra == extraUnknown && !n.sparse(len(o)) {
		return n.foreignAmong(o, resource, keep)
	}
	for name, e := range o {
		if resource && isTypeOrMeta(name) {
			if n.embedded && name == "metadata" && foreignMetadata(e) {
				return true
			}
			continue
		}
		switch child, known := n.child(name); {
		case known:
			if child.foreign(e, false) {
				return true
			}
		case n == nil || !keep && !n.preserve:
			return true
		}
	}
	return false
}

// foreignAmong goes through the fields of the schema: if that finds all that there are,
// none is unknown.
func (n *schemaNode) foreignAmong(o map[string]any, resource, keep bool) bool {
	found := 0
	if resource {
		for _, name := range [...]string{"apiVersion", "kind", "metadata"} {
			e, there := o[name]
			if there {
				found++
			}
			if n.embedded && name == "metadata" && foreignMetadata(e) {
				return true
			}
		}
	}
	for i := range n.order {
		f := &n.order[i]
		if resource && f.meta {
			continue
		}
		if e, there := o[f.name]; there {
			if found++; f.node.foreign(e, false) {
				return true
			}
		}
	}
	return found != len(o) && !keep && !n.preserve
}

func foreignMetadata(v any) bool {
	o, _ := v.(map[string]any)
	for name := range o {
		if !metadataKeys[name] {
			return true
		}
	}
	return false
}

// schemaPruner does what foreign found to be necessary.
type schemaPruner struct {
	path    []byte
	unknown []string
}

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
		outer := len(p.path)
		for i, e := range v {
			p.path = append(strconv.AppendInt(append(p.path, '['), int64(i), 10), ']')
			p.value(e, items, keep)
			p.path = p.path[:outer]
		}
	}
}

func (p *schemaPruner) object(o map[string]any, n *schemaNode, resource, keep bool) {
	outer := len(p.path)
	for name, e := range o {
		p.step(name)
		switch child, known := n.child(name); {
		case resource && isTypeOrMeta(name):
			if m, ok := e.(map[string]any); ok && n.embedded && name == "metadata" {
				p.metadata(m)
			}
		case known:
			p.value(e, child, false)
		case n == nil || !keep && !n.preserve:
			p.unknown = append(p.unknown, string(p.path))
			delete(o, name)
		}
		p.path = p.path[:outer]
	}
}

func (p *schemaPruner) metadata(m map[string]any) {
	outer := len(p.path)
	for name := range m {
		if !metadataKeys[name] {
			p.step(name)
			p.unknown = append(p.unknown, string(p.path))
			p.path = p.path[:outer]
			delete(m, name)
		}
	}
}

func (p *schemaPruner) step(name string) {
	if len(p.path) > 0 {
		p.path = append(p.path, '.')
	}
	p.path = append(p.path, name...)
}

// SetDefaults fills in the defaults of missing fields whose object is there, and deals with
// nulls where the schema does not allow one: they become the default, or go.
//
// Defaults of the items of long lists can multiply an object. Beyond schemaMaxDefaults
// values a defaultOverflow is put in, which validate refuses.
func (s *Schema) SetDefaults(obj map[string]any) {
	d := defaulter{left: schemaMaxDefaults}
	d.object(obj, s.root)
}

// defaultOverflow stands in an object where its defaults became too many.
type defaultOverflow struct{}

// defaulter counts down the values that may still be added.
type defaulter struct{ left int }

// fill fills v, which is or becomes a part of an object, and gives what to put there.
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
				if n.items.def != nil && !n.items.nullable {
					v[i] = d.copy(n.items)
				}
				continue
			}
			d.fill(e, n.items)
		}
	}
	return v
}

func (d *defaulter) object(o map[string]any, n *schemaNode) {
	if n.additional == nil && !n.sparse(len(o)) {
		for i := range n.order {
			f := &n.order[i]
			if e, there := o[f.name]; there {
				d.field(o, f.name, e, f.node)
			} else if f.node.def != nil {
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
	for i := range n.defaults {
		f := &n.defaults[i]
		if _, there := o[f.name]; !there {
			o[f.name] = d.copy(f.node)
		}
	}
}

// field deals with a field that is there.
func (d *defaulter) field(o map[string]any, name string, e any, n *schemaNode) {
	switch {
	case e != nil:
		d.fill(e, n)
	case n.nullable:
	case n.def == nil:
		delete(o, name)
	default:
		o[name] = d.copy(n)
	}
}

func (d *defaulter) copy(n *schemaNode) any {
	if d.left -= n.defValues; d.left < 0 {
		return defaultOverflow{}
	}
	return tree.Copy(n.def)
}
