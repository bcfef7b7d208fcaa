package openapi

import (
	"strings"

	"apichain/internal/tree"
)

// What refers to what. References are followed by name within the document:
//
//	paths ──> parameters, schemas ──> definitions ──> definitions …
//
// and no further: a shared response is no path's (upstream), and another document's address leads nowhere here. Down
// one value it goes by recursion, since Read has bounded its depth; from one to the next by a list, since a chain of
// references may be as long as the document, and may be a circle.

// walk calls visit for v, if it is an object of a shape, and for all such objects below it, outer ones first.
// Objects of the same shape come in no order. visit may change members, but for those that are walked into next.
func walk(v any, kind string, visit func(object map[string]any, shape string)) {
	// A kind may be of several forms; the value says which it is.
	for one := range strings.SplitSeq(kind, "|") {
		element, isList := strings.CutPrefix(one, "[]")
		entry, isMap := strings.CutPrefix(one, "{}")
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if isList {
					walk(e, element, visit)
				}
			}
		case map[string]any:
			s, ok := shapes[one]
			if isMap {
				s = shape{other: entry}
			} else if ok {
				// Before its members, so that visit may take some away.
				visit(v, one)
			} else {
				continue
			}
			for name, e := range v {
				// What is of any kind may look like a reference, and is none: a default, an example, an extension.
				if below := s.kindOf(name); isMap || below != "any" && below != "" {
					if isMap {
						below = entry
					}
					walk(e, below, visit)
				}
			}
		}
	}
}

// The beginnings of references within a document.
const (
	toDefinition = "#/definitions/"
	toParameter  = "#/parameters/"
)

// used returns the names of the definitions that the paths of the document refer to, directly or through others.
func (d Document) used() map[string]bool {
	definitions, parameters := map[string]bool{}, map[string]bool{}
	// What is referred to waits for its turn: a chain may be as long as the document, and a stack may not.
	type waiting struct {
		v    any
		kind string
	}
	next := []waiting{{d.part("paths"), "paths"}}
	visit := func(object map[string]any, _ string) {
		ref := tree.Text(object, "$ref")
		if name, ok := strings.CutPrefix(ref, toDefinition); ok && !definitions[name] {
			definitions[name] = true
			next = append(next, waiting{d.part("definitions")[name], "schema"})
		}
		if name, ok := strings.CutPrefix(ref, toParameter); ok && !parameters[name] {
			parameters[name] = true
			next = append(next, waiting{d.part("parameters")[name], "parameter"})
		}
	}
	for len(next) > 0 {
		last := next[len(next)-1]
		next = next[:len(next)-1]
		walk(last.v, last.kind, visit)
	}
	return definitions
}

// Filter takes away all paths that do not begin with one of the prefixes, and the definitions that only those
// used. A definition that no path has used before stays.
func (d Document) Filter(prefixes ...string) {
	d.keepPaths(func(path string) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(path, prefix) {
				return true
			}
		}
		return false
	})
}

// keepPaths takes away all paths that are not to be kept, as Filter does.
func (d Document) keepPaths(keep func(path string) bool) {
	paths := d.part("paths")
	// Before anything goes, to know which definitions nobody has used anyway.
	before := d.used()
	for path := range paths {
		// Extensions of paths are of all of them.
		if !isExtension(path) && !keep(path) {
			delete(paths, path)
		}
	}
	after := d.used()
	definitions := d.part("definitions")
	for name := range definitions {
		// Formerly used, and now not: those that go.
		if before[name] && !after[name] {
			delete(definitions, name)
		}
	}
	// As a document without any would be read.
	if len(definitions) == 0 {
		delete(d, "definitions")
	}
}
