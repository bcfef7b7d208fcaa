package patch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// Configure returns live with a configuration merged into it by the schema, as an admission policy does it: nobody comes to own what it
// says, and nothing is removed. Both are objects of the schema; neither is changed, and the result has parts of both, so who changes it
// in place copies it before. The error is in upstream's words: the configuration does not fit the schema, or it has something in it that
// is owned as a whole, which it would replace while its author means to add to it; or live does not fit the schema.
func Configure(live, config map[string]any, s fieldset.Schema) (map[string]any, error) {
	if err := Validate(config, s, false); err != nil {
		return nil, fmt.Errorf("failed to convert patch object to typed object: %w", err)
	}
	w := wholes{}
	if w.find(nil, config, s); len(w.paths) > 0 {
		return nil, errors.New("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: " + strings.Join(w.paths, ", "))
	}
	if err := Validate(live, s, true); err != nil {
		return nil, fmt.Errorf("failed to convert original object to typed object: %w", err)
	}
	merged, _ := merge(live, config, s)
	if !nestsWithin(merged, tree.MaxDepth) {
		return nil, errPatchDepth
	}
	return merged.(map[string]any), nil // of two maps in a place for maps
}

// mostPaths is how many bytes of paths are told, and one path more: a long name may be above many of them.
const mostPaths = 1 << 20

// wholes finds what is owned as a whole. The zero value has found nothing.
type wholes struct {
	// paths are as messages have them, in the order of names: .spec.selector, .spec.items[0].args.
	paths []string
	text  int
}

// find looks at a value and below it, but not below fields that the schema does not name (upstream).
func (w *wholes) find(path []byte, v any, s fieldset.Schema) {
	if w.text > mostPaths {
		return
	}
	atom := s.Atom().For(v)
	switch v := v.(type) {
	case map[string]any:
		w.add(path, atom.Map == fieldset.Atomic)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if place, named := s.Field(name); named {
				w.find(append(path, fieldset.Field(name).String()...), v[name], place)
			}
		}
	case []any:
		w.add(path, atom.List == fieldset.AtomicList)
		for i := range v {
			w.find(append(path, fieldset.Index(i).String()...), v[i], s.Items())
		}
	}
}

// add notes a path, if what is there is owned as a whole.
func (w *wholes) add(path []byte, whole bool) {
	if whole {
		w.paths, w.text = append(w.paths, string(path)), w.text+len(path)
	}
}
