package conversion

import (
	"testing"

	"apichain/internal/tree"
)

// TestRestoreMetadata: of metadata a webhook may change labels and annotations alone. The rows are those of upstream's
// TestRestoreObjectMeta.
func TestRestoreMetadata(t *testing.T) {
	const many = `"labels":{"a":"A","b":"B"},"annotations":{"a":"1","b":"2"}`
	for _, c := range []struct{ what, original, converted, want string }{
		{"no converted metadata", `{"metadata":{},"spec":{}}`, `{"spec":{}}`, ""},
		{"invalid converted metadata", `{"metadata":{},"spec":{}}`, `{"metadata":[],"spec":{}}`, ""},
		{"no original metadata", `{"spec":{}}`, `{"metadata":{},"spec":{}}`, `{"metadata":{},"spec":{}}`},
		{"nothing changed", `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`, `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`, `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`},
		{"all changed", `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`,
			`{"metadata":{"foo":"abc","labels":{"a":"AA","b":"B"},"annotations":{"a":"1","b":"22"}},"spec":{}}`,
			`{"metadata":{"foo":"bar","labels":{"a":"AA","b":"B"},"annotations":{"a":"1","b":"22"}},"spec":{}}`},
		{"added", `{"metadata":{"foo":"bar"},"spec":{}}`, `{"metadata":{"foo":"abc",` + many + `},"spec":{}}`, `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`},
		{"added to null", `{"metadata":{"foo":"bar","labels":null,"annotations":null},"spec":{}}`, `{"metadata":{"foo":"abc",` + many + `},"spec":{}}`, `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`},
		{"removed", `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`, `{"metadata":{"foo":"abc"},"spec":{}}`, `{"metadata":{"foo":"bar"},"spec":{}}`},
		{"made null", `{"metadata":{"foo":"bar",` + many + `},"spec":{}}`, `{"metadata":{"foo":"abc","labels":null,"annotations":null},"spec":{}}`, `{"metadata":{"foo":"bar"},"spec":{}}`},
		{"null in them", `{"metadata":{"foo":"bar"},"spec":{}}`, `{"metadata":{"labels":{"a":null,"b":"B"},"annotations":{"a":null,"b":"22"}},"spec":{}}`, ""},
		{"a bad key", `{"metadata":{}}`, `{"metadata":{"labels":{"some/non-qualified/label":"x"}}}`, ""},
		{"a bad key of an annotation", `{"metadata":{}}`, `{"metadata":{"annotations":{"some/non-qualified/label":"x"}}}`, ""},
		{"a bad value", `{"metadata":{}}`, `{"metadata":{"labels":{"foo":"üäö"}}}`, ""},
		// What is stored is not looked at again.
		{"bad as it was", `{"metadata":{"labels":{"-":"üäö"}}}`, `{"metadata":{"labels":{"-":"üäö"}}}`, `{"metadata":{"labels":{"-":"üäö"}}}`},
	} {
		original, converted := parsed(t, c.original), parsed(t, c.converted)
		err := restoreMetadata(original, converted)
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", c.what, err)
		}
		if err == nil && !tree.Equal(converted, parsed(t, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.what, tree.AppendJSON(nil, converted), c.want)
		}
		if !tree.Equal(original, parsed(t, c.original)) {
			t.Errorf("%s: the original is now %v", c.what, original)
		}
		// They share nothing: what becomes of one does not show in the other.
		if m := tree.Metadata(converted); err == nil && m["labels"] != nil {
			tree.Object(m, "labels")["later"] = "x"
			if tree.At(original, "metadata", "labels", "later") != nil {
				t.Errorf("%s: they share labels", c.what)
			}
		}
	}
}

// FuzzAnswer: whatever a webhook answers is refused with an error, or is objects of the wanted version and of the same
// identity.
func FuzzAnswer(f *testing.F) {
	const good = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","response":{"uid":"u","result":{"status":"Success"},"convertedObjects":[
	{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"name":"a","namespace":"default","uid":"u-a","labels":{"x":"y"}}}]}}`
	for _, text := range []string{good, "", "{}", "[]", "null", "a: b", `{"response":{"convertedObjects":[null]}}`, `{"response":[]}`, "\x00", `{"apiVersion":"a/b/c"}`} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	original := widget(f, "a")
	f.Fuzz(func(t *testing.T, body []byte, v1 bool) {
		c := &converter{version: "v1beta1"}
		if v1 {
			c.version = "v1"
		}
		a, err := c.readAnswer(body)
		if err != nil || a.check(c.version, "u") != nil {
			return
		}
		for i, given := range a.objects {
			obj, err := checked(original, given, "example.com/v2", place{"x", i, len(a.objects) > 1})
			if err != nil {
				continue
			}
			m := tree.Metadata(obj)
			for _, name := range []string{"name", "namespace", "uid", "finalizers", "generation"} {
				if !tree.Equal(m[name], tree.At(original, "metadata", name)) {
					t.Errorf("%s has become %v", name, m[name])
				}
			}
			if tree.Text(obj, "apiVersion") != "example.com/v2" || tree.Text(obj, "kind") != "Widget" {
				t.Errorf("%v", obj)
			}
		}
	})
}
