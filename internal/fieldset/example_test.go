package fieldset_test

import (
	"fmt"

	"apichain/internal/fieldset"
)

// Two managers own parts of a service. One of them goes on with what it alone has.
func Example() {
	helm, err := fieldset.Parse([]byte(`{"f:spec":{"f:ports":{"k:{\"port\":80}":{".":{},"f:name":{}}},"f:selector":{}}}`))
	if err != nil {
		fmt.Println(err)
	}
	kubectl := fieldset.New(fieldset.Fields("spec", "selector"), fieldset.Fields("spec", "type"))
	fmt.Print(helm.Difference(kubectl))
	fmt.Println(string(helm.Intersection(kubectl).AppendJSON(nil)))
	path := fieldset.Fields("spec", "selector")
	fmt.Println(helm.Has(path), kubectl.Has(path))
	// Output:
	// .spec.ports[port=80]
	// .spec.ports[port=80].name
	// {"f:spec":{"f:selector":{}}}
	// true true
}

// An update is counted by what it has changed.
func ExampleCompare() {
	before := map[string]any{"replicas": int64(3), "labels": map[string]any{"app": "a", "tier": "web"}}
	after := map[string]any{"replicas": int64(5), "labels": map[string]any{"app": "a"}}
	c, err := fieldset.Compare(before, after, fieldset.Deduced())
	fmt.Print("removed ", c.Removed, "modified ", c.Modified)
	fmt.Println("added", c.Added.Len(), err)
	// Output:
	// removed .labels.tier
	// modified .replicas
	// added 0 <nil>
}
