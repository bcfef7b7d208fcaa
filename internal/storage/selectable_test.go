package storage

import (
	"reflect"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestSelectableFields: a field is named by its path, and one of two versions is there once.
func TestSelectableFields(t *testing.T) {
	obj, _, err := tree.ParseJSONObject([]byte(`{"versions":[
		{"selectableFields":[{"jsonPath":".spec.color"},{"jsonPath":".spec.deep.size"},{"jsonPath":".spec['a-b']"},{}]},
		{"selectableFields":[{"jsonPath":".spec.new"},{"jsonPath":".spec.color"},{"jsonPath":".spec.list[0]"}]}, {}]}`))
	if err != nil {
		t.Fatal(err)
	}
	versions := obj["versions"].([]any)
	want := []kinds.Selectable{
		{Label: "spec.color", Path: []string{"spec", "color"}}, {Label: "spec.deep.size", Path: []string{"spec", "deep", "size"}},
		{Label: "spec['a-b']", Path: []string{"spec", "a-b"}},
	}
	if got := SelectableFields(tree.Object(versions[0])); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	want = append(want, kinds.Selectable{Label: "spec.new", Path: []string{"spec", "new"}})
	if got := AllSelectableFields(versions); !reflect.DeepEqual(got, want) {
		t.Errorf("of all: %v", got)
	}
	if all := AllSelectableFields(nil); all == nil || len(all) != 0 {
		t.Errorf("of no versions: %#v", all)
	}
}
