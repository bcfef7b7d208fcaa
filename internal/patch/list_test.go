package patch

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestMergePatchAppendixA: all rows of RFC 7396, appendix A, as members of a document: so
// also those whose target or patch is no object are reached.
func TestMergePatchAppendixA(t *testing.T) {
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, ``}, // a null takes the member away
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		want := `{"y":1}`
		if c.want != "" {
			want = `{"x":` + c.want + `,"y":1}`
		}
		got := Merge(patchObject(t, `{"x":`+c.target+`,"y":1}`), patchObject(t, `{"x":`+c.patch+`}`))
		if b := string(tree.AppendJSON(nil, got)); b != tidyJSON(t, want) {
			t.Errorf("%s with %s: got %s, want %s", c.target, c.patch, b, want)
		}
	}
}

// arranged is the rule of a merged list's order, told the plain way: each element that only
// the list had goes before the first element of the patch that it stood before.
func arranged(list, patch []any) []any {
	ahead := map[int][]any{}
	var behind []any
	for i, v := range list {
		if slices.Contains(patch, v) {
			continue
		}
		j := slices.IndexFunc(patch, func(p any) bool { return slices.Index(list, p) > i })
		if j < 0 {
			behind = append(behind, v)
		} else {
			ahead[j] = append(ahead[j], v)
		}
	}
	out := []any{}
	for j, p := range patch {
		out = append(append(out, ahead[j]...), p)
	}
	return append(out, behind...)
}

// someTexts returns some of the letters a to f, each once, in any order.
func someTexts(r *rand.Rand) []any {
	out := []any{}
	for _, i := range r.Perm(6)[:r.Intn(7)] {
		out = append(out, string(rune('a'+i)))
	}
	return out
}

// TestSetsAgainstModel: sets of scalars and lists of objects are merged into the order that
// the rule says, and deletions are what is left out of it.
func TestSetsAgainstModel(t *testing.T) {
	const seed = 2718
	r, pod := rand.New(rand.NewSource(seed)), patchPodType()
	named := func(texts []any) []any {
		out := []any{}
		for _, s := range texts {
			out = append(out, map[string]any{"name": s})
		}
		return out
	}
	for round := range 5000 {
		list, set, gone := someTexts(r), someTexts(r), someTexts(r)
		want := arranged(list, set)
		wantLeft := slices.DeleteFunc(slices.Clone(want), func(v any) bool { return slices.Contains(gone, v) })
		doc := map[string]any{
			"metadata": map[string]any{"finalizers": slices.Clone(list)},
			"spec":     map[string]any{"containers": named(list)},
		}
		got, err := Strategic(doc, map[string]any{
			"metadata": map[string]any{"finalizers": set, "$deleteFromPrimitiveList/finalizers": gone},
			"spec":     map[string]any{"containers": named(set)},
		}, pod)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		}
		if l := tree.List(got, "metadata", "finalizers"); !tree.Equal(l, wantLeft) {
			t.Fatalf("seed %d, round %d: %v with %v without %v: got %v, want %v", seed, round, list, set, gone, l, wantLeft)
		}
		if l := tree.List(got, "spec", "containers"); !tree.Equal(l, named(want)) {
			t.Fatalf("seed %d, round %d: %v with %v: got %v, want %v", seed, round, list, set, l, want)
		}
	}
}

// TestIdentities: values have one identity where they are equal, and only there.
func TestIdentities(t *testing.T) {
	values := []any{
		nil, true, false, int64(0), int64(1), float64(0), 1.5, float64(1), "", "1", "true", "null", "[]", "{}", `{"a":1}`,
		[]any{}, []any{int64(1)}, []any{"1"}, map[string]any{}, map[string]any{"a": int64(1)}, map[string]any{"a": float64(1)},
		int64(1) << 53, float64(1 << 53), 1e300, -1.5,
	}
	for _, a := range values {
		for _, b := range values {
			if same := identity(a) == identity(b); same != tree.Equal(a, b) {
				t.Errorf("%T %v and %T %v: the same is %v", a, a, b, b, same)
			}
		}
	}
	// Beyond 53 bits an integer is not taken for the float next to it.
	if identity(int64(1)<<53+1) == identity(float64(1<<53)) {
		t.Error("two numbers have one identity")
	}
}

// TestRetainKeysAgainstModel: what is left is what was there or is set, and is to be kept.
func TestRetainKeysAgainstModel(t *testing.T) {
	const seed = 31415
	r := rand.New(rand.NewSource(seed))
	for round := range 3000 {
		doc, patch, want := map[string]any{}, map[string]any{}, map[string]any{}
		keep := someTexts(r)
		for _, k := range someTexts(r) {
			doc[k.(string)] = "old"
		}
		refused := false
		for _, k := range someTexts(r) {
			// A null is no setting, so it may be for a member that is not kept.
			if patch[k.(string)] = "new"; r.Intn(3) == 0 {
				patch[k.(string)] = nil
			} else if !slices.Contains(keep, k) {
				refused = true
			}
		}
		for _, k := range keep {
			k := k.(string)
			switch v, set := patch[k]; {
			case set && v != nil:
				want[k] = v
			case !set && doc[k] != nil:
				want[k] = doc[k]
			}
		}
		patch["$retainKeys"] = keep
		text := fmt.Sprintf("%s with %s", tree.AppendJSON(nil, doc), tree.AppendJSON(nil, patch))
		got, err := Strategic(doc, patch, nil)
		switch {
		case refused && (err == nil || err.Error() != "invalid patch format of retainKeys"):
			t.Fatalf("seed %d, round %d: %s: %v, want a refusal", seed, round, text, err)
		case !refused && (err != nil || !tree.Equal(got, want)):
			t.Fatalf("seed %d, round %d: %s: got %s, %v, want %s", seed, round, text, tree.AppendJSON(nil, got), err, tree.AppendJSON(nil, want))
		}
	}
}

// TestFieldRules: which rules hold for a member, by name, in embedded types and in maps.
func TestFieldRules(t *testing.T) {
	pod := patchPodType()
	spec := pod.ByName["spec"].Message
	volume := spec.ByName["volumes"].Message
	for _, c := range []struct {
		rules  fieldRules
		name   string
		want   string // the field's name, "-" for none
		merges string
	}{
		{fieldRules{def: pod}, "spec", "spec", ""},
		{fieldRules{def: pod}, "none", "-", ""},
		{fieldRules{def: spec}, "containers", "containers", "merge"},
		{fieldRules{def: spec}, "volumes", "volumes", "merge"}, // which has retainKeys as well
		{fieldRules{def: spec}, "strategy", "strategy", ""},    // which has retainKeys alone
		{fieldRules{def: spec}, "whole", "whole", "replace"},
		{fieldRules{def: volume}, "emptyDir", "emptyDir", ""}, // of the embedded type
		{fieldRules{def: volume}, "", "-", ""},                // the embedding field itself is no member
		{fieldRules{}, "spec", "-", ""},
		{rulesInside(nil), "spec", "-", ""},
		{rulesInside(spec.ByName["byName"]), "any name at all", "", ""},
		{rulesInside(spec.ByName["containers"]), "env", "env", "merge"},
	} {
		f, got := c.rules.field(c.name), "-"
		if f != nil {
			got = f.Name
		}
		if got != c.want || strategyOf(f) != c.merges {
			t.Errorf("%q: got the field %q, strategy %q, want %q, %q", c.name, got, strategyOf(f), c.want, c.merges)
		}
	}
	// A map's values have the type of the map, and are no maps themselves.
	inside := rulesInside(&kinds.Field{Name: "m", IsMap: true, IsList: true, Strategy: "merge"})
	if f := inside.field("k"); f == nil || f.IsMap || !f.IsList || f.Strategy != "" {
		t.Errorf("the values of a map of lists: %+v", f)
	}
}
