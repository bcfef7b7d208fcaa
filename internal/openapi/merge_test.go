package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// Documents in these tests are words: what they refer to is behind >, separated by commas.
//
//	/a>T,p     a path with an operation whose body is the definition T, and the shared parameter p (small letters)
//	T=x>U      a definition with the description x and a property of the type U
//	T=x@k,j    a definition of the kinds k and j of g/v1
//	p=x>T      a shared parameter with the description x and a schema of the type T

// document returns the document of words; "" has nothing, not even paths.
func document(words string) Document {
	d := Document{}
	schemaOf := func(name string) any { return map[string]any{"$ref": "#/definitions/" + name} }
	for word := range strings.FieldsSeq(words) {
		word, refs, _ := strings.Cut(word, ">")
		name, description, _ := strings.Cut(word, "=")
		description, kinds, _ := strings.Cut(description, "@")
		names := strings.FieldsFunc(refs, func(r rune) bool { return r == ',' })
		switch {
		case strings.HasPrefix(name, "/"):
			parameters := []any{}
			for _, ref := range names {
				if isDefinition(ref) {
					parameters = append(parameters, map[string]any{"name": "body", "in": "body", "schema": schemaOf(ref)})
				} else {
					parameters = append(parameters, map[string]any{"$ref": "#/parameters/" + ref})
				}
			}
			d.make("paths")[name] = map[string]any{"post": map[string]any{"description": description, "parameters": parameters}}
		case isDefinition(name):
			schema := map[string]any{"description": description}
			for _, ref := range names {
				tree.Set(schema, schemaOf(ref), "properties", "p"+strings.TrimRight(ref, "_v234"))
			}
			for kind := range strings.FieldsFuncSeq(kinds, func(r rune) bool { return r == ',' }) {
				list, _ := schema[kindsKey].([]any)
				schema[kindsKey] = append(list, map[string]any{"group": "g", "version": "v1", "kind": kind})
			}
			d.make("definitions")[name] = schema
		default:
			d.make("parameters")[name] = map[string]any{"name": name[:1], "in": "query", "description": description, "schema": schemaOf(refs)}
		}
	}
	return d
}

// isDefinition tells definitions from parameters.
func isDefinition(name string) bool { return name[0] >= 'A' && name[0] <= 'Z' }

// words returns a document as document takes it, sorted.
func words(d Document) string {
	var out []string
	ref := func(v any) string { s := tree.Text(v, "$ref"); return s[strings.LastIndex(s, "/")+1:] }
	for path, item := range d.part("paths") {
		var refs []string
		for _, p := range tree.List(item, "post", "parameters") {
			refs = append(refs, ref(p)+ref(tree.At(p, "schema")))
		}
		out = append(out, word(path, tree.Text(item, "post", "description"), nil, refs))
	}
	for name, schema := range d.part("definitions") {
		var refs, kinds []string
		for _, p := range tree.SortedKeys(tree.Object(schema, "properties")) {
			refs = append(refs, ref(tree.At(schema, "properties", p)))
		}
		for _, kind := range tree.List(schema, kindsKey) {
			kinds = append(kinds, tree.Text(kind, "kind"))
		}
		out = append(out, word(name, tree.Text(schema, "description"), kinds, refs))
	}
	for name, p := range d.part("parameters") {
		out = append(out, word(name, tree.Text(p, "description"), nil, []string{ref(tree.At(p, "schema"))}))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func word(name, description string, kinds, refs []string) string {
	if description != "" || len(kinds) > 0 {
		name += "=" + description
	}
	if len(kinds) > 0 {
		name += "@" + strings.Join(kinds, ",")
	}
	if refs = slices.DeleteFunc(refs, func(s string) bool { return s == "" }); len(refs) > 0 {
		name += ">" + strings.Join(refs, ",")
	}
	return name
}

// TestFilter: TestFilterSpecs and TestFilterSpecsWithUnusedDefinitions of kube-openapi's aggregator, and more.
func TestFilter(t *testing.T) {
	for _, c := range []struct{ what, in, keep, want string }{
		{"definitions of other paths go, with what only they refer to",
			"/a>T /b>U T=t U=u>O O=o", "/a", "/a>T T=t"},
		{"those that a parameter refers to stay",
			"/a>p /b>U p=p>D D=d>C C=c U=u", "/a", "/a>p C=c D=d>C p=p>D"},
		{"the parameters stay, but not what only they refer to",
			"/a>T /b>p p=p>D D=d T=t", "/a", "/a>T T=t p=p>D"},
		{"those that nobody has used stay",
			"/a>T /b>U T=t U=u N=n", "/a", "/a>T N=n T=t"},
		{"shared ones stay", "/a>T /b>T T=t>S S=s", "/b", "/b>T S=s T=t>S"},
		{"circles", "/a>T /b>U T=t>V V=v>T U=u>U", "/a", "/a>T T=t>V V=v>T"},
		{"several prefixes", "/a>T /b>U /c>V T=t U=u V=v", "/a /c", "/a>T /c>V T=t V=v"},
		{"the path itself is not below itself", "/apis/g/v1>T /apis/g/v1/a>T /apis/g/v10/a>T T=t", "/apis/g/v1/", "/apis/g/v1/a>T T=t"},
		{"nothing is left", "/a>T T=t N=n", "/b", "N=n"},
		{"no paths", "T=t", "/a", "T=t"},
		{"what there is not is referred to", "/a>T,p /b>U", "/a", "/a>T,p"},
	} {
		d := document(c.in)
		d.Filter(strings.Fields(c.keep)...)
		if got := words(d); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// TestMerge: the tests of kube-openapi's aggregator for merging with renames, with the name of each, and more. The first
// of the documents is merged with the second, then with the third.
func TestMerge(t *testing.T) {
	for _, c := range []struct{ what, documents, want string }{
		{"MergeSpecsSimple", "/a>T,p T=t p=p>T | /b>U,q U=u>O O=o q=q>U", "/a>T,p /b>U,q O=o T=t U=u>O p=p>T q=q>U"},
		{"MergeSpecsEmptyDefinitions", "/a | /b>T T=t", "/a /b>T T=t"},
		{"MergeSpecsEmptyDefinitions, the other way", "/b>T T=t | /a", "/a /b>T T=t"},
		{"MergeSpecsEmptyPaths", " | /b>T T=t", "/b>T T=t"},
		{"MergeSpecsEmptyPaths, the other way", "/b>T T=t | T=x U=u", "/b>T T=t"},
		{"MergeSpecsReuseModel", "/a>T,p T=t p=p>T | /b>T,p T=t p=p>T", "/a>T,p /b>T,p T=t p=p>T"},
		{"MergeSpecsRenameModel", "/a>T,p T=t p=p>T | /b>T,p T=x p=x>T", "/a>T,p /b>T_v2,p_v2 T=t T_v2=x p=p>T p_v2=x>T_v2"},
		{"MergeSpecsRenameModelWithExistingV2InDestination", "/a>T /c>T_v2 T=t T_v2=v | /b>T T=x", "/a>T /b>T_v3 /c>T_v2 T=t T_v2=v T_v3=x"},
		{"MergeSpecsMultipleRenamesOfModelsAndLateConflict",
			"/a>T,p /c>T_v3,p_v3 T=t T_v3=v p=p>T p_v3=v>T_v3 | /b>T,p /d>T_v2,p_v2 T=x T_v2=y p=x>T p_v2=y>T_v2",
			"/a>T,p /b>T_v4,p_v4 /c>T_v3,p_v3 /d>T_v2,p_v2 T=t T_v2=y T_v3=v T_v4=x p=p>T p_v2=y>T_v2 p_v3=v>T_v3 p_v4=x>T_v4"},
		{"MergeSpecsRenameModelWithExistingV2InSource", "/a>T T=t | /b>T /c>T_v2 T=x T_v2=y", "/a>T /b>T_v3 /c>T_v2 T=t T_v2=y T_v3=x"},
		{"TwoMergeSpecsFirstTwoSchemasHaveSameDefinition", "/a>T T=t | /b>T T=t | /c>T T=x", "/a>T /b>T /c>T_v2 T=t T_v2=x"},
		{"TwoMergeSpecsLastTwoSchemasHaveSameDefinition", "/a>T T=t | /b>T T=x | /c>T T=x", "/a>T /b>T_v2 /c>T_v2 T=t T_v2=x"},
		{"SafeMergeSpecsReuseModel", "/a>T T=t | /b>T,U T=t U=u", "/a>T /b>T,U T=t U=u"},
		{"MergeSpecsIgnorePathConflicts", "/a=a>T T=t | /a=b>T,U /b>T T=t U=u", "/a=a>T /b>T T=t"},
		{"MergeSpecsIgnorePathConflictsAllConflicting", "/a=a>T T=t | /a=b>U U=u N=n", "/a=a>T T=t"},
		{"a conflict of a definition that goes with its path is none", "/a>T T=t | /a>T /b>U T=x U=u", "/a>T /b>U T=t U=u"},
		{"a path that begins as another", "/a/b>T T=t | /a>U /a/b>V U=u V=v", "/a/b>T /a>U T=t U=u"},
		{"references within what is renamed", "/a>T T=t U=u | /b>T T=x>U,T U=y>T", "/a>T /b>T_v2 T=t T_v2=x>T_v2,U_v2 U=u U_v2=y>T_v2"},
		{"kinds of both", "/a>T T=t@A,B | /b>T T=t@B,C", "/a>T /b>T T=t@A,B,C"},
		{"kinds of the second", "/a>T T=t | /b>T T=t@B,A", "/a>T /b>T T=t@B,A"},
		{"another of other kinds", "/a>T T=t@A | /b>T T=x@A", "/a>T /b>T_v2 T=t@A T_v2=x@A"},
		{"kinds of one that is renamed already", "/a>T /c>T_v2 T=t T_v2=x@A | /b>T T=x@B", "/a>T /b>T_v2 /c>T_v2 T=t T_v2=x@A,B"},
		{"two whose names would be the same", "/a>T T=t T_v2=v | /b>T,T_v2 T=x T_v2=y", "/a>T /b>T_v3,T_v2_v2 T=t T_v2=v T_v2_v2=y T_v3=x"},
		{"nothing", " | ", ""},
		{"a circle of parameters", "/a>p p=p>T T=t | /b>p p=x>T T=t", "/a>p /b>p_v2 T=t p=p>T p_v2=x>T"},
	} {
		var d Document
		for i, part := range strings.Split(c.documents, "|") {
			if i == 0 {
				d = document(part)
				continue
			}
			d.Merge(document(part))
		}
		if got := words(d); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// TestMergeKinds: TestMergedGVKs of kube-openapi. Kinds that are no list of objects are refused when a document is read.
func TestMergeKinds(t *testing.T) {
	list := func(kinds string) any {
		if kinds == "-" {
			return nil
		}
		out := []any{}
		for group := range strings.FieldsSeq(kinds) {
			out = append(out, map[string]any{"group": "group" + group, "version": "v1", "kind": map[string]string{"1": "Foo", "2": "Bar", "3": "Abc", "4": "Abc"}[group]})
		}
		return out
	}
	for what, c := range map[string]struct{ first, second, want string }{
		"nil": {"-", "-", "-"}, "first only": {"1 2", "-", "1 2"}, "second only": {"-", "1 2", "1 2"}, "both": {"1 2", "3", "1 2 3"},
		"equal, different order": {"1 2 3", "3 2 1", "1 2 3"}, "ordered": {"3 1 4", "2", "1 2 3 4"},
		"not ordered when not changed": {"3 1 4", "", "3 1 4"}, "empty": {"", "", ""}, "overlapping": {"1 2", "2 3", "1 2 3"},
	} {
		a, b := map[string]any{}, map[string]any{}
		if v := list(c.first); v != nil {
			a[kindsKey] = v
		}
		if v := list(c.second); v != nil {
			b[kindsKey] = v
		}
		mergeKinds(a, b)
		if got := fmt.Sprint(a[kindsKey]); got != fmt.Sprint(list(c.want)) {
			t.Errorf("%s: %s", what, got)
		}
	}
	for _, kinds := range []string{`42`, `[42]`, `{}`, `[[]]`, `"x"`, `[null]`} {
		if _, err := Read([]byte(`{"paths":{},"definitions":{"T":{"` + kindsKey + `":` + kinds + `}}}`)); err == nil {
			t.Errorf("kinds %s are taken", kinds)
		}
	}
}

// TestSameDefinition: TestDeepEqualDefinitionsModuloGVKs of kube-openapi.
func TestSameDefinition(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{}`, `{}`, true}, {`null`, `{}`, false}, {`{}`, `{"KINDS":[1]}`, true}, {`{"x-a":1}`, `{"x-a":1,"KINDS":true}`, true},
		{`{"x-a":1,"KINDS":false}`, `{"x-a":1,"KINDS":true}`, true}, {`{"x-a":1,"KINDS":false}`, `{"x-a":2,"KINDS":true}`, false},
		{`{"x-a":1,"x-b":1,"KINDS":1}`, `{"x-a":1,"KINDS":1}`, false}, {`{"id":"a"}`, `{}`, false}, {`{"type":"a"}`, `{"type":"b"}`, false},
		{`{"maximum":1}`, `{"maximum":1.0}`, true},
	} {
		read := func(s string) any {
			v, _, err := tree.ParseJSON([]byte(strings.ReplaceAll(s, "KINDS", kindsKey)))
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if sameDefinition(read(c.a), read(c.b)) != c.same || sameDefinition(read(c.b), read(c.a)) != c.same {
			t.Errorf("%s and %s: not %v", c.a, c.b, c.same)
		}
	}
}

// everyReference is a document with a reference at every place that can have one: TestMergeSpecReplacesAllPossibleRefs
// of kube-openapi.
const everyReference = `{"swagger":"2.0","paths":{"/b":{"parameters":[PARAMETER],"get":{"parameters":[PARAMETER,{"name":"body","in":"body","schema":SCHEMA}],
"responses":{"default":{"schema":SCHEMA},"200":{"description":"a","schema":{"items":SCHEMA}}}},"put":{"parameters":[PARAMETER]},"post":{"parameters":[PARAMETER]},
"patch":{"parameters":[PARAMETER]},"delete":{"parameters":[PARAMETER]},"options":{"parameters":[PARAMETER]},"head":{"parameters":[PARAMETER]}}},
"parameters":{"p":{"in":"body","name":"body","description":"x","schema":{"allOf":[SCHEMA]}}},"responses":{"r":{"description":"a","schema":SCHEMA}},
"definitions":{"T":{"description":"x"},"U":{"properties":{"a":SCHEMA,"b":{"properties":{"c":SCHEMA}}},"patternProperties":{"a":SCHEMA},"definitions":{"a":SCHEMA},
"additionalProperties":SCHEMA,"additionalItems":SCHEMA,"items":SCHEMA,"allOf":[SCHEMA],"anyOf":[SCHEMA],"oneOf":[SCHEMA],"not":SCHEMA},"V":{"items":[SCHEMA,SCHEMA]}}}`

func TestMergeRenamesEveryReference(t *testing.T) {
	fill := func(name, parameter string) string {
		return strings.NewReplacer("PARAMETER", `{"$ref":"#/parameters/`+parameter+`"}`, "SCHEMA", `{"$ref":"#/definitions/`+name+`"}`).
			Replace(everyReference)
	}
	read := func(text string) Document {
		d, err := Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := document("/a>T,p T=t p=p>T")
	d.Merge(read(fill("T", "p")))
	want := read(fill("T_v2", "p_v2"))
	for _, part := range []string{"paths", "definitions", "parameters"} {
		for name, v := range want.part(part) {
			if name == "T" || name == "p" {
				name += "_v2"
			}
			if got := d.part(part)[name]; !tree.Equal(got, v) {
				t.Errorf("%s.%s:\n got %s\nwant %s", part, name, tree.AppendJSON(nil, got), tree.AppendJSON(nil, v))
			}
		}
	}
	if !maps.EqualFunc(d.part("definitions")["T"].(map[string]any), map[string]any{"description": "t"}, tree.Equal) {
		t.Error("the first one has changed")
	}
}
