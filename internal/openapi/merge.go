package openapi

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"apichain/internal/tree"
)

// Merging two documents. What the first has, it keeps; what the second has of the same name and is another thing
// gets another name, unless it is a path, which clients ask the first for anyway:
//
//	                 the same in both                       another in the second
//	a path           that of the first                      that of the first
//	a definition     one, of the kinds of both              NAME_v2, _v3, …, or one of these that is the same
//	a parameter      one                                    the same way
//
// The same are definitions that differ in nothing but the kinds that they are of (x-kubernetes-group-version-kind).

// kindsKey is the extension that says which kinds a definition is of.
const kindsKey = "x-kubernetes-group-version-kind"

// Merge adds the paths of source with what they use to d. source must not be used after. A document without paths
// adds nothing. Kinds of a definition that no list says are not added: Read has refused these.
func (d Document) Merge(source Document) {
	if source.part("paths") == nil {
		return
	}
	paths := d.make("paths")
	// First, so that a definition that goes with its path is no conflict, and takes no name.
	source.keepPaths(func(path string) bool { return paths[path] == nil })
	// All of it is there already, or is nobody's.
	if len(source.part("paths")) == 0 {
		return
	}
	same := map[string]func(a, b any) bool{"definitions": sameDefinition, "parameters": tree.Equal}
	for _, part := range []string{"definitions", "parameters"} {
		// Definitions before parameters: a parameter that refers to a renamed definition is another one than that of d.
		source.rename(part, renames(d.part(part), source.part(part), same[part]))
	}
	for name, v := range source.part("definitions") {
		definitions := d.make("definitions")
		// It is the same, since what is not has another name by now.
		if have, ok := definitions[name]; ok {
			mergeKinds(have, v)
		} else {
			definitions[name] = v
		}
	}
	for name, v := range source.part("parameters") {
		// Also those that no path uses: a document says which of them it shares.
		if parameters := d.make("parameters"); parameters[name] == nil {
			parameters[name] = v
		}
	}
	for path, v := range source.part("paths") {
		// Extensions of paths are about the whole of a document, and d has its own.
		if !isExtension(path) {
			paths[path] = v
		}
	}
}

// make returns a member of the document that is an object by names, and adds an empty one if there is none.
func (d Document) make(name string) map[string]any {
	if d.part(name) == nil {
		d[name] = map[string]any{}
	}
	return d.part(name)
}

// renames returns the new names of what source has under names that dest has for something else. They are free
// in both, or have the same in dest.
func renames(dest, source map[string]any, same func(a, b any) bool) map[string]string {
	out, taken := map[string]string{}, map[string]bool{}
	// In order, so that of two that could have a name it is always the same one that gets it.
	for _, name := range slices.Sorted(maps.Keys(source)) {
		v := source[name]
		have, found := dest[name]
		// What nobody has, or has alike, keeps its name.
		if !found || same(have, v) {
			continue
		}
		i, to := 1, name
		// Up to one that is the same, for whoever is merged twice, or a name that is free.
		for found && !same(have, v) {
			i++
			to = name + "_v" + strconv.Itoa(i)
			have, found = dest[to]
		}
		// The first gap in dest may be taken by the source itself; what dest has behind the gap is not compared (upstream).
		for !found && (source[to] != nil || taken[to] || dest[to] != nil) {
			i++
			to = name + "_v" + strconv.Itoa(i)
		}
		out[name] = to
		taken[to] = true
	}
	return out
}

// rename gives definitions or parameters, which of the two says part, other names, and all references to them.
func (d Document) rename(part string, names map[string]string) {
	if len(names) == 0 {
		return
	}
	// The whole texts, so that a name that another one begins with is not touched.
	refs, renamed := map[string]string{}, map[string]any{}
	for from, to := range names {
		refs["#/"+part+"/"+from] = "#/" + part + "/" + to
	}
	for name, v := range d.part(part) {
		if to, ok := names[name]; ok {
			name = to
		}
		renamed[name] = v
	}
	d[part] = renamed
	// In one walk for all names, so that what was changed is not changed again.
	walk(map[string]any(d), "document", func(object map[string]any, _ string) {
		if to, ok := refs[tree.Text(object, "$ref")]; ok {
			object["$ref"] = to
		}
	})
}

// sameDefinition reports whether two definitions are the same but for the kinds they are of.
func sameDefinition(a, b any) bool {
	x, isObject := a.(map[string]any)
	y, both := b.(map[string]any)
	if !isObject || !both {
		return false
	}
	return tree.Equal(withoutKinds(x), withoutKinds(y))
}

// withoutKinds returns a definition without the kinds it is of. The definition itself stays as it is.
func withoutKinds(definition map[string]any) map[string]any {
	// Most have none, and need no copy.
	if definition[kindsKey] != nil {
		definition = maps.Clone(definition)
		delete(definition, kindsKey)
	}
	return definition
}

// kindsOf returns the kinds that a definition is of, each with group/version.kind, by which they are ordered.
func kindsOf(definition any) (map[string]any, error) {
	v, ok := tree.At(definition, kindsKey), false
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New(kindsKey + " must be a list")
	}
	kinds := make(map[string]any, len(list))
	for _, e := range list {
		if _, ok := e.(map[string]any); !ok {
			return nil, errors.New(kindsKey + " must be a list of objects")
		}
		kinds[kindKey(e)] = e
	}
	return kinds, nil
}

// kindKey returns group/version.kind of one kind of a definition.
func kindKey(kind any) string {
	return fmt.Sprintf("%v/%v.%v", tree.At(kind, "group"), tree.At(kind, "version"), tree.At(kind, "kind"))
}

// mergeKinds adds the kinds of a definition to those of another. The list is sorted if that changes it (upstream).
func mergeKinds(to, from any) {
	have, err := kindsOf(to)
	more, other := kindsOf(from)
	// Read has refused these; a document that was made otherwise is left as it is.
	if err != nil || other != nil {
		return
	}
	list := tree.List(to, kindsKey)
	before := len(list)
	// In the order of its list: who has none takes it as it is.
	for _, kind := range tree.List(from, kindsKey) {
		key := kindKey(kind)
		if _, ok := have[key]; !ok && more[key] != nil {
			list = append(slices.Clip(list), kind)
			// One that the second has twice is added once.
			delete(more, key)
		}
	}
	if len(list) == before {
		return
	}
	if before > 0 {
		slices.SortStableFunc(list, func(a, b any) int { return cmp.Compare(kindKey(a), kindKey(b)) })
	}
	// A new list, since the old one may be shown elsewhere.
	to.(map[string]any)[kindsKey] = list
}
