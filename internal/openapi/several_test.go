package openapi

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// What holds for any documents: of few names, so that they collide everywhere, made at random from a seed.

// randomWords returns a document as document takes it, of paths that begin with prefix.
func randomWords(r *rand.Rand, prefix string) string {
	var out []string
	refs := func(of ...string) string {
		var some []string
		for _, name := range of {
			if r.IntN(3) == 0 {
				some = append(some, name)
			}
		}
		return strings.Join(some, ",")
	}
	names := []string{"A", "B", "C", "A_v2", "B_v2", "A_v3"}
	for i := range 1 + r.IntN(4) {
		out = append(out, fmt.Sprintf("%s%d>%s", prefix, i, refs(append(names, "p", "q", "p_v2")...)))
	}
	for _, name := range names {
		if r.IntN(3) > 0 {
			out = append(out, fmt.Sprintf("%s=%d>%s", name, r.IntN(3), refs("A", "B", "C")))
		}
	}
	for _, name := range []string{"p", "q", "p_v2"} {
		if r.IntN(3) > 0 {
			out = append(out, fmt.Sprintf("%s=%d>%s", name, r.IntN(3), names[r.IntN(len(names))]))
		}
	}
	return strings.Join(out, " ")
}

// meaning returns what a path comes to: its text with what it refers to put in the place of names, depth deep.
func meaning(d Document, v any, depth int) string {
	ref := tree.Text(v, "$ref")
	if ref != "" && depth == 0 {
		return "…"
	}
	switch part, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/"), "/"); {
	case ref != "" && d.part(part)[name] == nil:
		return "nothing"
	case ref != "":
		return meaning(d, d.part(part)[name], depth-1)
	}
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for _, key := range tree.SortedKeys(v) {
			out = append(out, key+":"+meaning(d, v[key], depth))
		}
		return "{" + strings.Join(out, " ") + "}"
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, meaning(d, e, depth))
		}
		return "[" + strings.Join(out, " ") + "]"
	}
	return fmt.Sprint(v)
}

// TestMergeMeansTheSame: whatever is merged, paths that were there mean what they meant, and those that come mean the
// same one reference deep: of what is the same by name and text in both, there is one (upstream), so further below
// they may mean what the first document says.
func TestMergeMeansTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	for range 500 {
		first, second := randomWords(r, "/a"), randomWords(r, "/b")
		d, source := document(first), document(second)
		d.Merge(document(second))
		for path, item := range document(first).part("paths") {
			// Names that the first document refers to without having them may be the second's.
			if was, is := meaning(document(first), item, 5), meaning(d, d.part("paths")[path], 5); was != is && !strings.Contains(was, "nothing") {
				t.Fatalf("%s | %s\n%s was %s\n is %s", first, second, path, was, is)
			}
		}
		for path, item := range source.part("paths") {
			if was, is := meaning(source, item, 1), meaning(d, d.part("paths")[path], 1); was != is && !strings.Contains(was, "nothing") {
				t.Fatalf("%s | %s\n%s was %s\n is %s", first, second, path, was, is)
			}
		}
	}
}

// TestMergeAgain: a document that is merged a second time adds nothing, nor does one with itself, as
// TestMergeSpecsIgnorePathConflictsWithKubeSpec of kube-openapi has it.
func TestMergeAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 2))
	for range 500 {
		first, second := randomWords(r, "/a"), randomWords(r, "/b")
		d := document(first)
		d.Merge(document(first))
		if got := textOf(d); got != textOf(document(first)) {
			t.Fatalf("%s with itself is %s", first, got)
		}
		d.Merge(document(second))
		once := textOf(d)
		d.Merge(document(second))
		if twice := textOf(d); twice != once {
			t.Fatalf("%s | %s, twice\n is %s\nonce %s", first, second, twice, once)
		}
	}
}

// TestSameBytes: the same documents make the same bytes, in whatever order maps are gone through.
func TestSameBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 3))
	for range 50 {
		in := []string{randomWords(r, "/a"), randomWords(r, "/b"), randomWords(r, "/a")}
		seen := map[string]bool{}
		for range 8 {
			d := document(in[0])
			d.Merge(document(in[1]))
			d.Merge(document(in[2]))
			d.Filter("/a1", "/b")
			merged := textOf(d)
			v3, err := d.ToV3()
			if err != nil {
				t.Fatal(err)
			}
			seen[merged+textOf(v3)] = true
		}
		if len(seen) != 1 {
			t.Fatalf("%q make %d documents", in, len(seen))
		}
	}
}

// TestFilterAgain: filtering twice is filtering once, and nothing that is left refers to what went.
func TestFilterAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 4))
	for range 500 {
		in := randomWords(r, "/a")
		d := document(in)
		d.Filter("/a0", "/a1")
		once := textOf(d)
		d.Filter("/a0", "/a1")
		if textOf(d) != once {
			t.Fatalf("%s: filtered once %s, twice %s", in, once, textOf(d))
		}
		for name := range d.used() {
			if d.part("definitions")[name] == nil && document(in).part("definitions")[name] != nil {
				t.Fatalf("%s: %s has gone, and is used in %s", in, name, once)
			}
		}
	}
}

// TestMergeLeavesOthersAlone: what was taken from a document before stays as it was: a merge makes new lists of kinds.
func TestMergeLeavesOthersAlone(t *testing.T) {
	d := document("/a>T T=t@A")
	kinds := tree.List(d.part("definitions")["T"], kindsKey)
	before := slices.Clone(kinds)
	source := document("/b>T T=t@C,B")
	theirs := tree.List(source.part("definitions")["T"], kindsKey)
	theirBefore := slices.Clone(theirs)
	d.Merge(source)
	if !tree.Equal(kinds, before) || !tree.Equal(theirs, theirBefore) {
		t.Errorf("lists have become %v and %v", kinds, theirs)
	}
	if got := words(d); got != "/a>T /b>T T=t@A,B,C" {
		t.Error(got)
	}
	// Comparing takes the kinds out of neither.
	a, b := map[string]any{kindsKey: []any{}}, map[string]any{kindsKey: []any{}, "x": int64(1)}
	x, y := maps.Clone(a), maps.Clone(b)
	if sameDefinition(a, b) || !tree.Equal(a, x) || !tree.Equal(b, y) {
		t.Errorf("%v and %v have changed", a, b)
	}
}

// hostile are documents that cost little to send.
func hostile(n int) map[string]string {
	var chain, circle, wide, fan strings.Builder
	for i := range n {
		fmt.Fprintf(&chain, `"D%d":{"$ref":"#/definitions/D%d"},`, i, i+1)
		fmt.Fprintf(&circle, `"D%d":{"items":{"$ref":"#/definitions/D%d"},"allOf":[{"$ref":"#/definitions/D%d"}]},`, i, (i+1)%n, n-1-i)
		fmt.Fprintf(&wide, `"/a%d":{"get":{"parameters":[{"name":"body","schema":{"$ref":"#/definitions/D0"}}]}},`, i)
		// Put in the place of names, this has 2^n parts.
		fmt.Fprintf(&fan, `"D%d":{"properties":{"a":{"$ref":"#/definitions/D%d"},"b":{"$ref":"#/definitions/D%d"}}},`, i, i+1, i+1)
	}
	path := `"paths":{"/a":{"get":{"parameters":[{"name":"body","schema":{"$ref":"#/definitions/D0"}},{"$ref":"#/parameters/p"}]}}},`
	parameters := `"parameters":{"p":{"$ref":"#/parameters/q"},"q":{"$ref":"#/parameters/p"}}`
	deep := strings.Repeat(`{"properties":{"a":`, 400) + `{"$ref":"#/definitions/D0"}` + strings.Repeat("}}", 400)
	return map[string]string{
		"chain":       `{` + path + parameters + `,"definitions":{` + chain.String() + `"x":{}}}`,
		"circle":      `{` + path + parameters + `,"definitions":{` + circle.String() + `"x":{}}}`,
		"fan":         `{` + path + parameters + `,"definitions":{` + fan.String() + `"x":{}}}`,
		"wide":        `{"paths":{` + wide.String() + `"/b":{}},"definitions":{"D0":{}}}`,
		"deep":        `{` + path + parameters + `,"definitions":{"D0":` + deep + `}}`,
		"itself":      `{` + path + parameters + `,"definitions":{"D0":{"$ref":"#/definitions/D0"}}}`,
		"nobody":      `{` + path + `"definitions":{"D1":{}}}`,
		"odd":         `{"paths":{"/a":{"get":{"parameters":[{"$ref":"#/definitions/"},{"$ref":"#"},{"$ref":"#/parameters/"}]}}},"definitions":{"":{"$ref":"#/definitions/"}}}`,
		"odd names":   `{"paths":{"/":{},"//":{},"/{":{}},"definitions":{"a/b~1":{},"_v2":{},"\u0000":{"$ref":"#/definitions/\u0000"}}}`,
		"many kinds":  `{` + path + `"definitions":{"D0":{"` + kindsKey + `":[` + strings.Repeat("{},", n) + `{"kind":{"a":[1]}}]}}}`,
		"other names": `{` + path + `"definitions":{"D0":{"description":"x"},"D0_v2":{},"D0_v3":{"description":"z"}}}`,
	}
}

// TestHostile: documents of any form are worked on in about the time it takes to read them, and without recursion that
// follows references.
func TestHostile(t *testing.T) {
	const n = 5_000
	for what, text := range hostile(n) {
		began := time.Now()
		for _, other := range []string{
			`{"paths":{"/z":{}},"definitions":{"D0":{"description":"z"}},"parameters":{"p":{"description":"z"}}}`, text,
		} {
			d, err := Read([]byte(other))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			d.Merge(mustRead(t, text))
			size := len(d.part("paths"))
			if d.Filter("/"); len(d.part("paths")) != size {
				t.Errorf("%s: paths have gone", what)
			}
			if _, err := d.ToV3(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		// A minute says nothing of a slow machine, and 2^n would take longer than there is.
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s takes %v", what, took)
		}
	}
}

// TestNamesThatAreTaken: a name is looked for in a time that grows with the names there are, not with their square.
func TestNamesThatAreTaken(t *testing.T) {
	const n = 20_000
	dest, source := document("/a>T T=t"), document("/b>T T=x")
	for i := 2; i < n; i++ {
		name := fmt.Sprintf("T_v%d", i)
		if i%2 == 0 {
			dest.make("definitions")[name] = map[string]any{"description": name}
		} else {
			source.make("definitions")[name] = map[string]any{"description": name}
		}
	}
	// The first that is free in dest is the source's own, so it is looked for behind all of both.
	dest.Merge(source)
	want := fmt.Sprintf("T_v%d", n)
	if got := tree.Text(dest.part("definitions")[want], "description"); got != "x" || len(dest.part("definitions")) != n {
		t.Errorf("%s is %q of %d definitions", want, got, len(dest.part("definitions")))
	}
	refs := tree.List(dest.part("paths")["/b"], "post", "parameters")
	if got := tree.Text(refs[0], "schema", "$ref"); got != toDefinition+want {
		t.Errorf("the path refers to %s", got)
	}
}
