package managed

import (
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// oneVersion has one version, of which nothing is known.
type oneVersion struct{}

func (oneVersion) Schema(string) (fieldset.Schema, bool) { return fieldset.Deduced(), true }
func (oneVersion) Convert(obj map[string]any, _, _ string) (map[string]any, error) {
	return obj, nil
}
func (oneVersion) Reset(string) *fieldset.Filter { return nil }

// BenchmarkUpdate is what owners cost a create and an update of a config map.
func BenchmarkUpdate(b *testing.B) {
	object := func(n string) map[string]any {
		return map[string]any{"kind": "ConfigMap", "apiVersion": "v1",
			"metadata": map[string]any{"name": "a", "namespace": "b", "uid": "u", "labels": map[string]any{"app": "bench", "n": "1"}},
			"data":     map[string]any{"payload": "x", "more": n}}
	}
	w := Writer{Manager: "bench", Version: "v1", Kind: "ConfigMap", Versions: oneVersion{}, Empty: emptyMap}
	live := object("1")
	w.Update(nil, live)
	list := tree.At(live, "metadata", "managedFields")
	next := object("2")
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			delete(tree.Metadata(next), "managedFields")
			w.Update(nil, next)
		}
	})
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tree.Metadata(live)["managedFields"] = list
			delete(tree.Metadata(next), "managedFields")
			w.Update(live, next)
		}
	})
	b.Run("patch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tree.Metadata(live)["managedFields"], tree.Metadata(next)["managedFields"] = list, list
			w.Update(live, next)
		}
	})
}
