package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestVersionsServed: which resources a definition has, which of them requests reach, and how each
// is stored.
func TestVersionsServed(t *testing.T) {
	s, _ := testAPI(t, nil)
	v := func(name string, served, storage bool) string {
		return fmt.Sprintf(`{"name":%q,"served":%v,"storage":%v}`, name, served, storage)
	}
	for _, c := range []struct {
		what     string
		webhook  bool
		versions []string
		want     string
	}{
		{"one", false, []string{v("v1", true, true)}, "v1"},
		{"two", false, []string{v("v1beta1", true, false), v("v1", true, true)}, "v1beta1>v1 v1"},
		{"unserved and not stored", false, []string{v("v1alpha1", false, false), v("v1", true, true)}, "v1"},
		{"unserved and stored", false, []string{v("v1", true, false), v("v2", false, true)}, "v1>v2 (v2)"},
		{"nothing served", false, []string{v("v1", false, true), v("v2", false, false)}, "(v1)"},
		{"webhook", true, []string{v("v1", true, false), v("v2", true, true)}, "v1>v2 v2"},
	} {
		crd := definitionText(t, "widgets", "Widget", c.versions...)
		tree.Set(crd, tree.Object(crd, "spec", "names"), "status", "acceptedNames")
		if c.webhook {
			tree.Set(crd, "Webhook", "spec", "conversion", "strategy")
		}
		var got []string
		for _, r := range s.Customs.resources(crd, crd, newDoc(crd), func() map[string]any { return crd }) {
			text := r.Version
			if r.storageVersion != "" {
				text += ">" + r.storageVersion
				if s := r.shapes[r.storageVersion]; s == nil || s == r.shape {
					t.Errorf("%s: %s has no shape to store by", c.what, r.Version)
				}
			}
			if r.unserved {
				text = "(" + text + ")"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// TestDeprecation: the warning of a deprecated version names the best newer version that is served
// and not deprecated, by the order of Kubernetes' versions.
func TestDeprecation(t *testing.T) {
	row := func(version string) *kinds.Row {
		return &kinds.Row{Group: "example.com", Version: version, Kind: "Widget"}
	}
	// A version is its name and marks: - not served, ~ deprecated.
	parse := func(text string) (out []any) {
		for word := range strings.FieldsSeq(text) {
			out = append(out, map[string]any{
				"name": strings.Trim(word, "-~"), "served": !strings.Contains(word, "-"), "deprecated": strings.Contains(word, "~"),
			})
		}
		return out
	}
	const alpha = "example.com/v1alpha1 Widget is deprecated"
	for _, c := range []struct{ versions, want string }{
		{"v1alpha1", ""},
		{"v1alpha1~", alpha},
		{"v1alpha1~ v1", alpha + "; use example.com/v1 Widget"},
		{"v1alpha1~ v1 v2", alpha + "; use example.com/v2 Widget"},
		{"v1alpha1~ v2 v1", alpha + "; use example.com/v2 Widget"},
		{"v1alpha1~ v1beta2 v1beta1", alpha + "; use example.com/v1beta2 Widget"},
		{"v1alpha1~ v2- v1", alpha + "; use example.com/v1 Widget"},
		{"v1alpha1~ v2~ v1", alpha + "; use example.com/v1 Widget"},
		{"v1alpha1~ v2~ v1-", alpha},
		{"v1alpha1~ foo", alpha},
	} {
		versions := parse(c.versions)
		if got := deprecationOf(row("v1alpha1"), versions[0], versions); got != c.want {
			t.Errorf("%s: %q, want %q", c.versions, got, c.want)
		}
	}
	// The newest has nothing to use instead.
	versions := parse("v2~ v1")
	if got := deprecationOf(row("v2"), versions[0], versions); got != "example.com/v2 Widget is deprecated" {
		t.Errorf("the newest: %q", got)
	}
	// A text of its own counts as it is, and only if it is one.
	for given, want := range map[any]string{"use gadgets": "use gadgets", "": "", 3: "example.com/v2 Widget is deprecated"} {
		versions[0].(map[string]any)["deprecationWarning"] = given
		if got := deprecationOf(row("v2"), versions[0], versions); got != want {
			t.Errorf("given %v: %q, want %q", given, got, want)
		}
	}
}

// TestSelectableFieldsOfVersions: all versions keep the values of all fields, in one order, and each
// hides those that it does not have.
func TestSelectableFieldsOfVersions(t *testing.T) {
	s, _ := testAPI(t, nil)
	if _, _, err := s.Apply(t.Context(), parsed(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}`)); err != nil {
		t.Fatal(err)
	}
	v := func(name string, storage bool, paths ...string) string {
		var fields []string
		for _, p := range paths {
			fields = append(fields, fmt.Sprintf(`{"jsonPath":%q}`, p))
		}
		// Fields that differ are looked for in schemas that differ (upstream).
		const spec = `{"type":"object","description":%q,"properties":{"spec":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"integer"}}}}}`
		return fmt.Sprintf(`{"name":%q,"served":true,"storage":%v,"selectableFields":[%s],"schema":{"openAPIV3Schema":`+spec+`}}`, name, storage, strings.Join(fields, ","), name)
	}
	apply(t, s, definitionText(t, "widgets", "Widget", v("v1beta1", false, ".spec.b", ".spec.a"), v("v1", true, ".spec.a", ".spec.c"), v("v2", false)))
	for version, want := range map[string][]string{
		"v1beta1": {"spec.b", "spec.a", "-spec.c"},
		"v1":      {"-spec.b", "spec.a", "spec.c"},
		"v2":      {"-spec.b", "-spec.a", "-spec.c"},
	} {
		r := s.Customs.Lookup("example.com", version, "widgets")
		var got []string
		for _, f := range r.fields {
			got = append(got, map[bool]string{true: "-"}[f.Hidden]+f.Label)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
		// No hidden field can be told by what a selector can say.
		for i, label := range kinds.FieldLabels(r.fields) {
			if r.fields[i].Hidden == (label == r.fields[i].Label) {
				t.Errorf("%s: %s is known as %q", version, r.fields[i].Label, label)
			}
		}
		// The values are kept for all of them, whichever version writes.
		q := s.Internal(r, "create", "default", "w-"+version, "")
		obj := parsed(t, `{"apiVersion":"example.com/`+version+`","kind":"Widget","metadata":{"name":"w-`+version+`"},"spec":{"a":"x","b":"y","c":3}}`)
		if o, err := q.Insert(obj); err != nil || !slices.Equal(o.Meta.Fields, []string{"y", "x", "3"}) {
			t.Errorf("%s keeps %v, %v", version, o, err)
		}
	}
	if got := fieldsAmong(nil, nil); len(got) != 0 {
		t.Errorf("among none: %v", got)
	}
}

// TestScalePaths: each path as its names, nil for one that is not given.
func TestScalePaths(t *testing.T) {
	for text, want := range map[string]scalePaths{
		`{}`:                                   {},
		`{"specReplicasPath":".spec.n"}`:       {spec: []string{"spec", "n"}},
		`{"statusReplicasPath":".status.a.b"}`: {status: []string{"status", "a", "b"}},
		`{"specReplicasPath":".spec.n","statusReplicasPath":".status.n","labelSelectorPath":".status.s"}`: {
			spec: []string{"spec", "n"}, status: []string{"status", "n"}, selector: []string{"status", "s"}},
		`{"labelSelectorPath":"."}`: {},
		`{"labelSelectorPath":7}`:   {},
	} {
		if got := scalePathsOf(parsed(t, text)); !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, want %+v", text, *got, want)
		}
	}
}

// TestCustomPrune: metadata is pruned as of every kind, the rest by the schema, and the paths of
// metadata come first.
func TestCustomPrune(t *testing.T) {
	s, _ := testAPI(t, nil)
	crd := definitionText(t, "widgets", "Widget",
		`{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"a":{"type":"string"}}}}}`)
	r := s.Customs.OfDefinition(crd, "v1")
	for _, c := range []struct {
		obj, left string
		unknown   []string
		err       string
	}{
		{`{"a":"x"}`, `{"a":"x"}`, nil, ""},
		{`{"a":"x","b":1}`, `{"a":"x"}`, []string{"b"}, ""},
		{`{"b":1,"metadata":{"name":"n","zone":"z"}}`, `{"metadata":{"name":"n"}}`, []string{"metadata.zone", "b"}, ""},
		{`{"metadata":null,"a":"x"}`, `{"metadata":null,"a":"x"}`, nil, ""},
		{`{"metadata":[],"a":"x"}`, ``, nil, "json: cannot unmarshal array into Go value of type v1.ObjectMeta"},
		{`{"metadata":"n"}`, ``, nil, "json: cannot unmarshal string into Go value of type v1.ObjectMeta"},
		{`{"a":7}`, `{"a":7}`, nil, ""},
	} {
		obj := parsed(t, c.obj)
		unknown, err := r.shape.Prune(obj)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.obj, err, c.err)
			}
			continue
		}
		if m := tree.Object(obj, "metadata"); len(m) == 0 && !strings.Contains(c.left, `"metadata":{`) {
			delete(obj, "metadata")
		}
		want := parsed(t, c.left)
		if m := tree.Object(want, "metadata"); len(m) == 0 {
			delete(want, "metadata")
		}
		if err != nil || !slices.Equal(unknown, c.unknown) || !tree.Equal(obj, want) {
			t.Errorf("%s: %v, %q, %v", c.obj, obj, unknown, err)
		}
	}
}
