package store

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestOwnersAreFound: the owners of an object are found in its text, and nothing else is taken for them.
func TestOwnersAreFound(t *testing.T) {
	const list = `[{"fieldsV1":{"f:managedFields":{},"k:{\"name\":\"]\\\\\"}":{}},"manager":"a"}]`
	for _, tt := range []struct{ name, object, want string }{
		{"none", `{"metadata":{"name":"a"}}`, ""},
		{"some", `{"metadata":{"managedFields":` + list + `,"name":"a"}}`, list},
		{"no name", `{"metadata":{"managedFields":` + list + `}}`, list},
		{"with owner references", `{"metadata":{"managedFields":` + list + `,"ownerReferences":[{"kind":"[{\""}]}}`, list},
		{"empty", `{"metadata":{"managedFields":[]}}`, `[]`},
		{"in data", `{"data":{"managedFields":[1]},"metadata":{"name":"a"}}`, ""},
		{"at the top", `{"managedFields":[1],"metadata":{"name":"a"}}`, ""},
		{"in a text", `{"data":{"a":"\"managedFields\":["},"metadata":{"name":"a"}}`, ""},
		{"a label", `{"metadata":{"labels":{"managedFields":"x"},"name":"a"}}`, ""},
		{"behind", `{"metadata":{"name":"a"},"spec":{"managedFields":[1]}}`, ""},
		{"both", `{"data":{"managedFields":[1]},"metadata":{"managedFields":` + list + `,"name":"a"},"spec":{"managedFields":[1]}}`, list},
		{"no list", `{"metadata":{"managedFields":"x","name":"a"}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			obj, _, err := tree.ParseJSONObject([]byte(tt.object))
			if err != nil {
				t.Fatal(err)
			}
			d := Encode(obj, nil)
			o := newObject(Added, "a", 17, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
			if got := string(o.Owned()); got != tt.want {
				t.Errorf("owners %s, want %s", got, tt.want)
			}
			decoded := o.Decode()
			tree.Set(obj, "17", "metadata", "resourceVersion")
			if !tree.Equal(decoded, obj) {
				t.Errorf("decoded %v, want %v", decoded, obj)
			}
			if raw, isRaw := tree.At(decoded, "metadata", "managedFields").(tree.Raw); isRaw != (tt.want != "") || string(raw) != tt.want {
				t.Errorf("decoded owners are %v", raw)
			}
			// The other form is the object without them, as it would have been written.
			if tt.want != "" {
				delete(tree.Metadata(obj), "managedFields")
			}
			before, after := o.AroundOwners()
			if got, want := string(before)+string(after), string(tree.AppendJSON(nil, obj)); got != want {
				t.Errorf("without owners\n%s, want\n%s", got, want)
			}
			// What was decoded is encoded as it was.
			if again := Encode(decoded, nil); string(again.JSON) != string(d.JSON) {
				t.Errorf("encoded again\n%s, want\n%s", again.JSON, d.JSON)
			}
		})
	}
}

// FuzzOwners: whatever the text is, what is found is in it, and looking for it ends.
func FuzzOwners(f *testing.F) {
	f.Add([]byte(`{"metadata":{"managedFields":[{}],"resourceVersion":"`), 5)
	f.Add([]byte(`"managedFields":["\"]"`), 22)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		if at < 0 || at > len(text) {
			return
		}
		key, from, to := Owners(text, at)
		if to == 0 && key == 0 && from == 0 {
			return
		}
		if !strings.HasPrefix(string(text[key:]), ownersKey) || from <= key || to <= from || to > at || text[from] != '[' {
			t.Errorf("%q: %d, %d, %d", text, key, from, to)
		}
	})
}

// BenchmarkDecode reads an object with owners, of which nothing is read.
func BenchmarkDecode(b *testing.B) {
	entry := `{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{}}},"manager":"curl","operation":"Update","time":"2026-01-01T00:00:00Z"}`
	for _, n := range []int{0, 1, 5} {
		m := map[string]any{"name": "a", "namespace": "b", "uid": "c"}
		if n > 0 {
			m["managedFields"] = tree.Raw("[" + strings.Repeat(entry+",", n-1) + entry + "]")
		}
		d := Encode(map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": m, "data": map[string]any{"a": "b"}}, nil)
		o := newObject(Added, "b/a", 17, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
		b.Run(strings.Repeat("x", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				o.Decode()
			}
		})
	}
}
