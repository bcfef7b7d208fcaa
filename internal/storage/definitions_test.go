package storage

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// definition returns a definition of v1 with a spec, and with the rest of it.
func definition(spec, rest string) string {
	return `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},` +
		`"spec":{"group":"example.com",` +
		`"names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},"scope":"Namespaced"` + spec + `}` + rest + `}`
}

// TestDefinitionShapes: what all versions have alike stands once in a value, and in each of them when it
// is read.
func TestDefinitionShapes(t *testing.T) {
	c := New(table(t), Options{Protobuf: true})
	for _, row := range []struct{ what, versions, stored string }{
		{"one version", `[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}},"additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":".a"}]}]`,
			`"version":"v1","versions":[{"name":"v1","served":true,"storage":true}],"validation":{"openAPIV3Schema":{"type":"object"}},` +
				`"additionalPrinterColumns":[{"name":"A","type":"string","JSONPath":".a"}]`},
		{"two that are alike in a part", `[{"name":"v2","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}},"subresources":{"status":{}},"selectableFields":[{"jsonPath":".a"}]},` +
			`{"name":"v1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"subresources":{"status":{}}}]`,
			`"version":"v2","subresources":{"status":{}},"versions":[{"name":"v2","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}},"selectableFields":[{"jsonPath":".a"}]},` +
				`{"name":"v1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]`},
	} {
		obj := object(t, []byte(definition(`,"conversion":{"strategy":"None"},"versions":`+row.versions, "")))
		d := store.Encode(obj, nil)
		value, err := c.Encode(definitions, "widgets.example.com", &d)
		if err != nil {
			t.Fatal(err)
		}
		got := object(t, value)
		want := object(t, []byte(definition(`,"conversion":{"strategy":"None"},"preserveUnknownFields":false,`+row.stored, "")))
		want["apiVersion"] = "apiextensions.k8s.io/v1beta1"
		if !tree.Identical(got, want) {
			t.Errorf("%s is\n%s\nwant\n%s", row.what, value, tree.AppendJSON(nil, want))
		}
		back := object(t, []byte(decoded(t, c, definitions, string(value))))
		if !tree.Identical(tree.At(back, "spec"), tree.At(obj, "spec")) {
			t.Errorf("%s is read as\n%s\nwant\n%s", row.what, tree.AppendJSON(nil, back), tree.AppendJSON(nil, obj))
		}
	}
}

// TestOldDefinitions: v1beta1 has defaults of its own, and what is no definition has the shape of none.
func TestOldDefinitions(t *testing.T) {
	c := New(table(t), Options{})
	const head = `{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},` +
		`"spec":`
	got := object(t, []byte(decoded(t, c, definitions, head+`{"group":"example.com","version":"v1",`+
		`"names":{"plural":"widgets","kind":"Widget"},`+
		`"conversion":{"strategy":"Webhook","webhookClientConfig":{"url":"https://a"}}}}`)))
	for path, want := range map[string]any{
		"scope": "Namespaced", "preserveUnknownFields": true, "names.singular": "widget", "names.listKind": "WidgetList",
		"versions":           []any{map[string]any{"name": "v1", "served": true, "storage": true}},
		"conversion.webhook": map[string]any{"clientConfig": map[string]any{"url": "https://a"}, "conversionReviewVersions": []any{"v1beta1"}},
	} {
		if v := tree.At(got, append([]string{"spec"}, strings.Split(path, ".")...)...); !tree.Identical(v, want) {
			t.Errorf("%s is %s, want %s", path, tree.AppendJSON(nil, v), tree.AppendJSON(nil, want))
		}
	}
	for _, text := range []string{
		`7}`, `{"versions":7}}`, `{"versions":[7],"validation":{}}}`, `{"versions":[{"additionalPrinterColumns":[7]}]}}`, `{"conversion":[]}}`,
	} {
		if _, err := c.Decode(definitions, "", []byte(head+text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	// What has no versions is written as it is.
	d := store.Encode(map[string]any{"spec": map[string]any{}}, nil)
	if value, err := c.Encode(definitions, "", &d); err != nil || !strings.Contains(string(value), `"spec":{}`) {
		t.Errorf("a definition without versions is written as %s, %v", value, err)
	}
}

// TestLearning: objects have the values of the fields that the definition names which was read last.
func TestLearning(t *testing.T) {
	c := New(table(t), Options{})
	const widget = `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"a":"x","b":7}}`
	check := func(want ...string) {
		t.Helper()
		if d, err := c.Decode("widgets.example.com", "a", []byte(widget)); err != nil || !slices.Equal(d.Meta.Fields, want) {
			t.Errorf("the values are %v, want %v, %v", d.Meta.Fields, want, err)
		}
	}
	learn := func(versions string) {
		t.Helper()
		decoded(t, c, definitions, definition(`,"versions":[`+versions+`]`, ""))
	}
	check()
	learn(`{"name":"v1","served":true,"storage":true,"selectableFields":[{"jsonPath":".spec.b"}]},` +
		`{"name":"v2","served":true,"storage":false,"selectableFields":[{"jsonPath":".spec.a"}]}`)
	check("7", "x")
	learn(`{"name":"v1","served":true,"storage":true,"selectableFields":[{"jsonPath":".spec.a"},{"jsonPath":".spec.c"}]}`)
	check("x", "")
	learn(`{"name":"v1","served":true,"storage":true}`)
	check()
	// One of the writer's own need not be decoded.
	d := store.Encode(object(t, []byte(definition(`,"versions":[{"name":"v1","selectableFields":[{"jsonPath":".spec.b"}]}]`, ""))), nil)
	c.Seen("configmaps", &d)
	check()
	c.Seen(definitions, &d)
	check("7")
}
