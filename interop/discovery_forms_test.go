package interop

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints"

	"apichain/internal/discovery"
	"apichain/internal/tree"
)

// TestPlainDiscoveryByBoth: what is made of the plain document of another server, for the aggregated form, is what
// k8s.io/apiserver makes of it, also where that is an error.
func TestPlainDiscoveryByBoth(t *testing.T) {
	refused := 0
	for seed := range uint64(2000) {
		a := author{rand.New(rand.NewPCG(seed, 15))}
		list := metav1.APIResourceList{GroupVersion: "g/v1"}
		text := func(of ...any) string { return a.one(of...).(string) }
		for range a.IntN(7) {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: text("a", "b", "a/status", "b/scale", "c/status", "a/x/y", "/", "c", ""), SingularName: text("", "one"), Namespaced: a.IntN(8) > 0,
				Group: text("", "autoscaling"), Version: text("", "v1"), Kind: text("", "A", "B"), Verbs: []metav1.Verbs{nil, {}, {"get", "list"}}[a.IntN(3)],
				ShortNames: [][]string{nil, {"s"}}[a.IntN(2)], Categories: [][]string{nil, {"all"}}[a.IntN(2)],
			})
		}
		in, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		want, wrong := endpoints.ConvertGroupVersionIntoToDiscovery(list.APIResources)
		got, err := discovery.ReadRemoteVersion(in)
		if (err != nil) != (wrong != nil) {
			t.Fatalf("%s: %v, upstream says %v", in, err, wrong)
		}
		if err != nil {
			refused++
			continue
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		theirs, _, _ := tree.ParseJSON(b)
		ours, _, _ := tree.ParseJSON(got)
		if len(got) == 0 {
			ours = nil
		}
		if x, y := string(tree.AppendJSON(nil, theirs)), string(tree.AppendJSON(nil, ours)); x != y {
			t.Fatalf("of %s\ntheirs %s\nours   %s", in, x, y)
		}
	}
	if refused == 0 {
		t.Error("none was refused")
	}
}
