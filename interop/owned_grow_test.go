package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The objects of the comparison are grown from testdata/owned_kinds.yaml, whose head says how it is read. A grower with the same
// seed grows the same.

// ownedKind is a row of the file.
type ownedKind struct {
	Path   string // of the collection
	Object object
	Status object // of the status subresource; nil: there is none
	Scale  bool   // there is a scale subresource
	Also   *ownedKind
}

// plural is what the kind is called in reports.
func (k *ownedKind) plural() string { return k.Path[strings.LastIndex(k.Path, "/")+1:] }

// builtin says whether the kind is not one of a definition.
func (k *ownedKind) builtin() bool { return !strings.Contains(k.Path, "example.com") }

// ownedKinds reads the file. The metadata that every kind has is added to each.
func ownedKinds(t *testing.T) (kinds []*ownedKind) {
	t.Helper()
	b, err := os.ReadFile(testdata(t, "owned_kinds.yaml"))
	if err == nil {
		err = yaml.Unmarshal(b, &kinds)
	}
	if err != nil {
		t.Fatal(err)
	}
	var meta object
	if err := yaml.Unmarshal([]byte(ownedMetadata), &meta); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		for _, k := range []*ownedKind{k, k.Also} {
			if k != nil {
				m := k.Object["metadata!"].(object)
				maps.Copy(m, meta)
			}
		}
	}
	return kinds
}

// ownedMetadata is grown in each object.
const ownedMetadata = `
labels~: {a~: '|x|z', example.com/b~: '|x|z', c~: one}
annotations~: {a~: '|x|z', example.com/note~: '|x|z'}
finalizers~: ['?', example.com/a, example.com/b]
ownerReferences~: ['?', {apiVersion!: v1, kind!: Node, name!: a, uid!: u-1, controller~: '|true|false'}, {apiVersion!: v1, kind!: Node, name!: b, uid!: u-2, blockOwnerDeletion~: true}]
`

// grower makes choices.
type grower struct {
	*rand.Rand
	name string // stands for NAME
}

// chance is true so often.
func (g *grower) chance(of float64) bool { return g.Float64() < of }

// pick is one of a list.
func pick[T any](g *grower, list ...T) T { return list[g.IntN(len(list))] }

// whole grows an object that a client would create, part one that says something of it.
func (g *grower) whole(template object) object { return g.grow(template, 1).(object) }
func (g *grower) part(template object) object  { return g.grow(template, 0.4).(object) }

// grow grows a value: keys without a mark are there with a chance.
func (g *grower) grow(template any, chance float64) any {
	switch v := template.(type) {
	case map[string]any:
		out := object{}
		for _, k := range keys(v) {
			name, c := k, chance
			switch {
			case strings.HasSuffix(k, "!"):
				name, c = k[:len(k)-1], 1
			case strings.HasSuffix(k, "~"):
				name, c = k[:len(k)-1], 0.5
			}
			if g.chance(c) {
				out[name] = g.grow(v[k], chance)
			}
		}
		return out
	case []any:
		out := []any{}
		some := len(v) > 0 && (v[0] == "?" || v[0] == "+")
		for i, item := range v {
			if some && (i == 0 || g.chance(0.4)) {
				continue
			}
			out = append(out, g.grow(item, chance))
		}
		if len(out) == 0 && len(v) > 0 && v[0] == "+" {
			out = append(out, g.grow(v[1], chance))
		}
		if some && g.chance(0.2) {
			g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		}
		return out
	case string: // a choice is written in YAML, too
		if rest, ok := strings.CutPrefix(v, "|"); ok {
			var out any
			if err := yaml.Unmarshal([]byte(pick(g, strings.Split(rest, "|")...)), &out); err != nil {
				panic(err) // of the file
			}
			return out
		}
		return strings.ReplaceAll(v, "NAME", g.name)
	}
	return template
}

// merged is an object with another's values put over it, as a client does that changes what it has read. Lists are replaced.
func merged(into, from object) object {
	out := maps.Clone(into)
	if out == nil {
		out = object{}
	}
	for k, v := range from {
		a, isMap := v.(object)
		if b, wasMap := out[k].(object); isMap && wasMap {
			out[k] = merged(b, a)
		} else {
			out[k] = v
		}
	}
	return out
}

// pruned is an object without some of what a template says need not be there.
func (g *grower) pruned(o object, template object) object {
	out := maps.Clone(o)
	for _, k := range keys(template) {
		name := strings.TrimRight(k, "!~")
		if _, ok := out[name]; !ok {
			continue
		}
		if strings.HasSuffix(k, "~") && g.chance(0.25) {
			delete(out, name)
			continue
		}
		if inner, ok := out[name].(object); ok {
			if of, ok := template[k].(object); ok {
				out[name] = g.pruned(inner, of)
			}
		}
	}
	return out
}

// pointers are JSON pointers to everything in a value that is no map, and to some maps and lists.
func (g *grower) pointers(v any, at string) (all []string) {
	switch v := v.(type) {
	case object:
		if len(v) == 0 || at != "" && g.chance(0.1) {
			all = append(all, at)
		}
		for _, k := range keys(v) {
			all = append(all, g.pointers(v[k], at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k))...)
		}
		return all
	case []any:
		all = append(all, at)
		for i := range v {
			all = append(all, g.pointers(v[i], fmt.Sprint(at, "/", i))...)
		}
		return all
	}
	return []string{at}
}

// jsonPatch is a patch of an object that is there: it removes something, or gives it the value that it has elsewhere.
func (g *grower) jsonPatch(live, next object) []object {
	var ops []object
	for range 1 + g.IntN(2) {
		from := live
		if g.chance(0.5) {
			from = next
		}
		all := slices.DeleteFunc(g.pointers(from, ""), func(p string) bool {
			return strings.HasPrefix(p, "/metadata/managedFields") || p == "/metadata/uid" || p == "/metadata/resourceVersion" || p == "/metadata/creationTimestamp" || p == ""
		})
		if len(all) == 0 {
			continue
		}
		p := pick(g, all...)
		if from := pointed(next, p); from != nil && g.chance(0.7) {
			ops = append(ops, object{"op": pick(g, "add", "replace"), "path": p, "value": from})
		} else {
			ops = append(ops, object{"op": "remove", "path": p})
		}
	}
	return ops
}

// pointed is the value at a JSON pointer, or nil.
func pointed(v any, pointer string) any {
	for _, name := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch at := v.(type) {
		case object:
			v = at[name]
		case []any:
			var i int
			if n, _ := fmt.Sscan(name, &i); n != 1 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// text is a value as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of this package
	}
	return string(b)
}
