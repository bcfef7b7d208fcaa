package schema

import (
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The walks that upstream makes beside its validator: over lists that are sets or maps, whose
// members must differ, and over embedded resources, which must be resources. Both are walks of
// their own because their errors stand before or after all others, and both go only where the
// structural part of the schema leads, never into alternatives.

// lists adds the repeated members of lists that are sets or maps, at any depth of v. There is a
// quirk of upstream's paths in it: fields of additionalProperties are shown in brackets, m[key]. An
// unknown field is not looked into, nor is what a preserved one holds.
func (f *faults) lists(n *schemaNode, v any) {
	if n == nil || f.full() {
		return
	}
	switch v := v.(type) {
	case []any:
		f.listMembers(n, v)
		if n.items == nil {
			return
		}
		for i, e := range v {
			outer := f.at(i)
			f.lists(n.items, e)
			f.path = f.path[:outer]
		}
	case map[string]any:
		for _, name := range tree.SortedKeys(v) {
			child, _ := n.child(name)
			outer := f.inField(n, name)
			f.lists(child, v[name])
			f.path = f.path[:outer]
		}
	}
}

// listMembers adds the repeated members of one list. Members of a map are shown by their keys.
func (f *faults) listMembers(n *schemaNode, list []any) {
	if n.list == listAtomic {
		return
	}
	if n.list == listMap {
		for i, e := range list {
			if _, ok := e.(map[string]any); !ok && e != nil {
				// It has no keys; without them no member can be told from another.
				outer := f.at(i)
				f.add(field.Invalid(f.field(), e, "must be an object for an array of list-type map"))
				f.path = f.path[:outer]
				return
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
}

// inField moves to a field of n's object as these walks write it: in brackets, m[key], where it is
// none of the named ones. It returns the length to which the caller has to cut the path back.
func (f *faults) inField(n *schemaNode, name string) (outer int) {
	if n.fields[name] != nil {
		return f.in(name)
	}
	outer = len(f.path)
	f.path = append(append(append(f.path, '['), name...), ']')
	return outer
}

// embedded adds what keeps embedded resources, at any depth of v, from being resources. Old
// values do not matter: upstream does not tolerate these errors in parts that did not change.
func (f *faults) embedded(n *schemaNode, v any) {
	if n == nil || !n.embeds || f.full() {
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
		if n.embedded {
			f.typeAndMeta(v)
		}
		for _, name := range tree.SortedKeys(v) {
			child, _ := n.child(name)
			outer := f.inField(n, name)
			f.embedded(child, v[name])
			f.path = f.path[:outer]
		}
	}
}

// typeAndMeta says what embeddedOK and metadataOK have against an embedded resource, field by field.
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
			// A group and a version; which ones there are is not asked.
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
	if m := tree.Object(o, "metadata"); m != nil && f.metadata != nil {
		f.addAll(f.metadata(f.field(), m))
	}
}
