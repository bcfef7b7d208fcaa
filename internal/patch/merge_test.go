package patch

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// mergePatchCases are documents, patches and results.
var mergePatchCases = []struct{ doc, patch, want string }{
	// RFC 7396, section 3.
	{`{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"}`,
		`{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}`,
		`{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}`},

	// RFC 7396, appendix A: those whose patch and document are objects.
	{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
	{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
	{`{"a":"b"}`, `{"a":null}`, `{}`},
	{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
	{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
	{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
	{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
	{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
	{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
	{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},

	{`{}`, `{}`, `{}`},
	{`{"a":1}`, `{}`, `{"a":1}`},
	{`{}`, `{"a":null}`, `{}`},
	{`{}`, `{"a":{"b":null,"c":{"d":null,"e":1}}}`, `{"a":{"c":{"e":1}}}`},
	{`{"a":1}`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
	{`{"a":[{"b":1}]}`, `{"a":{"b":null}}`, `{"a":{}}`},
	{`{"a":null}`, `{"a":{"b":null}}`, `{"a":{}}`},
	{`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":1}}`},
	{`{"a":{"b":1}}`, `{"a":[]}`, `{"a":[]}`},
	// In a list the nulls stay, and of the objects in it those members go, but in the place of an object.
	{`{"a":1}`, `{"a":[null,{"b":null,"c":[{"d":null}]}]}`, `{"a":[null,{"c":[{}]}]}`},
	{`{"a":[{"b":1}]}`, `{"a":[{"b":null}]}`, `{"a":[{}]}`},
	{`{}`, `{"a":{"b":[{"c":null}]}}`, `{"a":{"b":[{}]}}`},
	{`{"a":1,"b":"x","c":true,"d":1.5}`, `{"a":"1","b":false,"c":9007199254740993,"d":{}}`, `{"a":"1","b":false,"c":9007199254740993,"d":{}}`},
}

func TestMergePatch(t *testing.T) {
	for _, c := range mergePatchCases {
		patch := patchObject(t, c.patch)
		got := Merge(patchObject(t, c.doc), patch)
		if b := string(tree.AppendJSON(nil, got)); b != tidyJSON(t, c.want) {
			t.Errorf("%s with %s: %s, want %s", c.doc, c.patch, b, c.want)
		}
		// A second time nothing changes, whatever becomes of the first result.
		scribbleOver(got)
		if b := string(tree.AppendJSON(nil, patch)); b != tidyJSON(t, c.patch) {
			t.Errorf("%s: changed to %s", c.patch, b)
		}
		if again := Merge(patchObject(t, c.want), patch); !tree.Equal(again, patchJSON(t, c.want)) {
			t.Errorf("%s twice with %s: %s", c.doc, c.patch, tree.AppendJSON(nil, again))
		}
	}
	if got := Merge(nil, map[string]any{"a": nil, "b": int64(1)}); !tree.Equal(got, map[string]any{"b": int64(1)}) {
		t.Errorf("no document: %v", got)
	}
}

// scribbleOver changes every part of v that can change.
func scribbleOver(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			scribbleOver(e)
		}
		v["scribble"] = true
	case []any:
		for i, e := range v {
			scribbleOver(e)
			v[i] = "scribble"
		}
	}
}

// TestMergePatchListForObject: the nulls of a list that takes the place of an object stay; the second
// time it takes that of a list.
func TestMergePatchListForObject(t *testing.T) {
	patch := patchObject(t, `{"a":[null,{"b":null}]}`)
	got := Merge(patchObject(t, `{"a":{"b":1}}`), patch)
	if b := string(tree.AppendJSON(nil, got)); b != `{"a":[null,{"b":null}]}` {
		t.Error(b)
	}
	if b := string(tree.AppendJSON(nil, Merge(got, patch))); b != `{"a":[null,{}]}` {
		t.Error("again:", b)
	}
}

// randomMergeValue is a value that nests at most depth deep, with few keys, so that two of
// them have much in common.
func randomMergeValue(r *rand.Rand, depth int, nulls bool) any {
	switch n := r.Intn(10); {
	case n < 5 && depth > 0:
		o := map[string]any{}
		for range r.Intn(4) {
			o[string(rune('a'+r.Intn(4)))] = randomMergeValue(r, depth-1, nulls)
		}
		return o
	case n < 7 && depth > 0:
		l := []any{}
		for range r.Intn(3) {
			l = append(l, randomMergeValue(r, depth-1, nulls))
		}
		return l
	case n == 7 && nulls:
		return nil
	case n == 8:
		return string(rune('a' + r.Intn(3)))
	}
	return int64(r.Intn(3))
}

func randomMergeObject(r *rand.Rand, nulls bool) map[string]any {
	for {
		if o, ok := randomMergeValue(r, 4, nulls).(map[string]any); ok {
			return o
		}
	}
}

// mergePatchBetween is the patch that makes b of a, where b has no nulls.
func mergePatchBetween(a, b map[string]any) map[string]any {
	patch := map[string]any{}
	for k := range a {
		if _, ok := b[k]; !ok {
			patch[k] = nil
		}
	}
	for k, v := range b {
		old, isOld := a[k].(map[string]any)
		set, isSet := v.(map[string]any)
		switch {
		case isOld && isSet:
			if p := mergePatchBetween(old, set); len(p) > 0 {
				patch[k] = p
			}
		case !tree.Equal(a[k], v):
			patch[k] = v
		}
	}
	return patch
}

func TestMergePatchProperties(t *testing.T) {
	const seed = 7396
	r := rand.New(rand.NewSource(seed))
	for i := range 3000 {
		a, b := randomMergeObject(r, true), randomMergeObject(r, false)
		patch := mergePatchBetween(a, b)
		if got := Merge(tree.Copy(a).(map[string]any), patch); !tree.Equal(got, b) {
			t.Fatalf("seed %d, round %d: %s with %s: %s, want %s", seed, i, tree.AppendJSON(nil, a), tree.AppendJSON(nil, patch), tree.AppendJSON(nil, got), tree.AppendJSON(nil, b))
		}
		// A patch has its effect at once, but for TestMergePatchListForObject: another time changes
		// nothing.
		p := randomMergeObject(r, true)
		once := Merge(Merge(tree.Copy(a).(map[string]any), p), p)
		twice := Merge(tree.Copy(once).(map[string]any), p)
		if !tree.Equal(once, twice) {
			t.Fatalf("seed %d, round %d: %s with %s: %s, then %s", seed, i, tree.AppendJSON(nil, a), tree.AppendJSON(nil, p), tree.AppendJSON(nil, once), tree.AppendJSON(nil, twice))
		}
		// Without types and directives a strategic patch is a merge patch, but for nulls
		// in lists of new objects.
		q := randomMergeObject(r, false)
		merged := Merge(tree.Copy(a).(map[string]any), q)
		if got, err := Strategic(tree.Copy(a).(map[string]any), q, nil); err != nil || !tree.Equal(got, merged) {
			t.Fatalf("seed %d, round %d: %s with %s: %s, %v", seed, i, tree.AppendJSON(nil, a), tree.AppendJSON(nil, q), tree.AppendJSON(nil, got), err)
		}
	}
}

func TestMergePatchDeep(t *testing.T) {
	deep := strings.Repeat(`{"a":`, tree.MaxDepth-1) + `{"b":null,"c":1}` + strings.Repeat("}", tree.MaxDepth-1)
	start := time.Now()
	got := Merge(patchObject(t, `{"a":{"d":1}}`), patchObject(t, deep))
	if !nestsWithin(got, tree.MaxDepth) || tree.Object(got, "a")["d"] != int64(1) {
		t.Error("a deep patch is not applied")
	}
	if took := time.Since(start); took > patchBombLimit {
		t.Errorf("took %v", took)
	}
}

func FuzzMergePatch(f *testing.F) {
	for _, c := range mergePatchCases {
		f.Add([]byte(c.doc), []byte(c.patch))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		if len(doc) > 1<<16 || len(patch) > 1<<16 {
			return
		}
		d, _, err := tree.ParseJSONObject(doc)
		if err != nil {
			return
		}
		p, _, err := tree.ParseJSONObject(patch)
		if err != nil {
			return
		}
		before := tree.Copy(p)
		got := Merge(d, p)
		if !tree.Equal(before, p) {
			t.Fatal("the patch changed")
		}
		checkPatchEncodable(t, got)
	})
}
