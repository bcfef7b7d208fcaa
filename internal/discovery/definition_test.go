package discovery

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// definitionOf returns a definition from its JSON.
func definitionOf(t testing.TB, text string) *Definition {
	t.Helper()
	crd, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return NewDefinition([]byte(text), crd)
}

// TestNewDefinition: what becomes of each part of a definition, and that one which says little or
// nonsense has less to show.
func TestNewDefinition(t *testing.T) {
	const wished, given = `"names":{"plural":"ws","singular":"w","kind":"W","listKind":"Ws","shortNames":["a","b"],"categories":["all"]}`,
		`"acceptedNames":{"plural":"gs","singular":"g","kind":"G","listKind":"GList","shortNames":["c"]}`
	for _, c := range []struct{ what, crd, want string }{
		{"nothing", `{}`, ``},
		{"no versions", `{"spec":{"group":"g.io",` + wished + `}}`, ``},
		{"names that are asked for", `{"spec":{"group":"g.io","scope":"Namespaced",` + wished + `,"versions":[{"name":"v1","served":true,"storage":true}]}}`,
			`v1 g.io ws w W Ws [a b] [all] namespaced served stored`},
		{"names that are given", `{"spec":{"group":"g.io","scope":"Cluster",` + wished + `,"versions":[{"name":"v1","served":true}]},"status":{` + given + `}}`,
			`v1 g.io gs g G GList [c] [] served`},
		{"no list kind", `{"spec":{"group":"g.io","names":{"plural":"ws","kind":"W"},"versions":[{"name":"v1"}]}}`,
			`v1 g.io ws W WList [] []`},
		{"subresources", `{"spec":{"versions":[{"name":"v1","subresources":{"status":{}}},{"name":"v2","subresources":{"scale":{"specReplicasPath":".x"},"status":{}}},` +
			`{"name":"v3","subresources":{"status":null,"scale":null}},{"name":"v4","subresources":{"other":{}}}]}}`,
			"v1 List [] [] status=/v1\nv2 List [] [] status=/v2 scale=autoscaling/v1 Scale\nv3 List [] []\nv4 List [] []"},
		{"several versions", `{"spec":{"versions":[{"name":"v2","served":true},{"name":"v1","served":true,"storage":true},{"name":"v0"}]}}`,
			"v2 List [] [] served\nv1 List [] [] served stored\nv0 List [] []"},
		{"deleted", `{"metadata":{"deletionTimestamp":"2024-01-01T00:00:00Z"},"spec":{"versions":[{"name":"v1","served":true}]}}`,
			`v1 List [] [] served terminating`},
		{"nonsense", `{"metadata":[],"spec":{"group":7,"scope":true,"names":"x","versions":[7,{"name":[]},null,{"name":"v1","served":"yes","storage":1,"subresources":[]}]}}`,
			"List [] [] stored\nList [] [] stored\nList [] [] stored\nv1 List [] []"},
		{"list of odd names", `{"spec":{"names":{"shortNames":["a",7,null,"b"],"categories":"all"},"versions":[{"name":"v1"}]}}`,
			`v1 List [a b] []`},
	} {
		d := definitionOf(t, c.crd)
		var got []string
		for _, v := range d.versions {
			r := v.row
			text := fmt.Sprintf("%s %s %s %s %s %s %v %v", r.Version, r.Group, r.Plural, r.Singular, r.Kind, r.ListKind, r.ShortNames, r.Categories)
			for _, s := range r.Subresources {
				text += fmt.Sprintf(" %s=%s/%s %s", s.Name, s.Group, s.Version, s.Kind)
				if !slices.Equal(s.Verbs, []string{"get", "patch", "update"}) {
					t.Errorf("%s: %s has the verbs %q", c.what, s.Name, s.Verbs)
				}
			}
			if r.Namespaced {
				text += " namespaced"
			}
			if v.served {
				text += " served"
			}
			if d.storage == r.Version {
				text += " stored"
			}
			if d.terminating {
				text += " terminating"
			}
			if r.HasStatus != strings.Contains(text, " status=") || !r.HasGeneration || r.Type() != nil ||
				!slices.Equal(r.Verbs, customVerbs) {
				t.Errorf("%s: %+v", c.what, r)
			}
			got = append(got, strings.Join(strings.Fields(text), " "))
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, text, c.want)
		}
	}
}

// TestDefinitionRows: each version has a row of its own, and none shares what another appended.
func TestDefinitionRows(t *testing.T) {
	d := testCRD("example.com", "widgets", "Widget", "v2+", "v1", "v0-")
	for _, name := range []string{"v2", "v1", "v0"} {
		row := d.Row(name)
		if row == nil || row.Version != name || row.Qualified() != "widgets.example.com" || d.Row(name) != row {
			t.Errorf("%s: %+v", name, row)
		}
	}
	if d.Row("v3") != nil || d.Row("") != nil {
		t.Error("a version that there is not")
	}
	if a, b := len(d.Row("v2").Subresources), len(d.Row("v1").Subresources); a != 2 || b != 0 {
		t.Errorf("%d and %d subresources", a, b)
	}
	d.Row("v2").Columns = []kinds.Column{{Name: "X"}}
	if d.Row("v1").Columns != nil {
		t.Error("the columns of one version are those of another")
	}
}

// TestDefinitionVerbs: while it is deleted, a resource cannot be written to; its subresources and
// its row do not change.
func TestDefinitionVerbs(t *testing.T) {
	for _, terminating := range []bool{false, true} {
		d := testCRD("example.com", "widgets", "Widget", "v1+")
		d.terminating = terminating
		var got []string
		for _, r := range d.resources(d.versions[0]) {
			got = append(got, r.Name+"="+strings.Join(r.Verbs, ","))
		}
		verbs := "delete,deletecollection,get,list,patch,create,update,watch"
		if terminating {
			verbs = "delete,deletecollection,get,list,watch"
		}
		if want := []string{"widgets=" + verbs, "widgets/status=get,patch,update", "widgets/scale=get,patch,update"}; !slices.Equal(got, want) {
			t.Errorf("terminating %v: %q", terminating, got)
		}
		if !slices.Equal(d.Row("v1").Verbs, customVerbs) {
			t.Errorf("terminating %v: the row has %q", terminating, d.Row("v1").Verbs)
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(customVerbs)), kinds.AllVerbs) {
		t.Errorf("%q are not all verbs", customVerbs)
	}
}

// TestStorageHashOfVersions: all versions show the hash of the stored one, because their objects are
// the same.
func TestStorageHashOfVersions(t *testing.T) {
	d := testCRD("example.com", "widgets", "Widget", "v2", "v1", "v1beta1")
	want := storageVersionHash("example.com", "v2", "Widget")
	for _, v := range d.versions {
		if got := d.resources(v)[0].StorageHash; got != want {
			t.Errorf("%s: %s, want %s", v.row.Version, got, want)
		}
	}
	if other := testCRD("example.com", "widgets", "Widget", "v1", "v2"); other.resources(other.versions[0])[0].StorageHash == want {
		t.Error("another stored version has the same hash")
	}
}

// TestDigest: the same bytes have the same digest and others another, whoever asks first.
func TestDigest(t *testing.T) {
	a, b := definitionOf(t, `{"spec":{"group":"a.io"}}`), definitionOf(t, `{"spec":{"group":"b.io"}}`)
	again := definitionOf(t, `{"spec":{"group":"a.io"}}`)
	var all sync.WaitGroup
	digests := make([]string, 16)
	for i := range digests {
		all.Go(func() { digests[i] = string(a.digest()) })
	}
	all.Wait()
	if len(slices.Compact(digests)) != 1 || len(digests[0]) != 64 {
		t.Errorf("digests %x", digests)
	}
	if string(again.digest()) != digests[0] || string(b.digest()) == digests[0] {
		t.Error("a digest is not that of the bytes")
	}
}

// TestEncodedOnce: the encoded resources of a version are made once, and each version has its own.
func TestEncodedOnce(t *testing.T) {
	d := testCRD("example.com", "widgets", "Widget", "v1+", "v2")
	var all sync.WaitGroup
	got := make([]*definitionVersion, 16)
	for i := range got {
		all.Go(func() { got[i] = d.encoded("v1") })
	}
	all.Wait()
	for _, v := range got {
		if v != got[0] || &v.plain[0] != &got[0].plain[0] {
			t.Fatal("encoded twice")
		}
	}
	if v1, v2 := string(got[0].plain), string(d.encoded("v2").plain); !strings.Contains(v1, "widgets/status") ||
		strings.Contains(v2, "widgets/status") {
		t.Errorf("v1: %s\nv2: %s", v1, v2)
	}
}

// TestSpecimen: the definition by which the renderer is told apart is complete: it has all that a
// rendering can depend on.
func TestSpecimen(t *testing.T) {
	d := definitionOf(t, specimen)
	row := d.Row("v1")
	if row.Plural != "specimens" || row.ListKind != "SpecimenList" || !row.Namespaced || len(row.Subresources) != 2 ||
		!d.versions[0].served {
		t.Errorf("%+v", row)
	}
	doc, _, err := tree.ParseJSONObject(renderCustom(testKinds(), "specimen", "v1", []*Definition{d}))
	if err != nil {
		t.Fatal(err)
	}
	embedded := tree.Object(doc, "components", "schemas", "specimen.v1.Specimen", "properties", "a", "properties")
	if embedded["metadata"] == nil || len(tree.Object(doc, "paths")) != 5 {
		t.Errorf("embedded %v, %d paths", embedded, len(tree.Object(doc, "paths")))
	}
	// It tells tables apart.
	if a, b := rendererHash(testKinds()), rendererHash(testKinds()); a != b || a == rendererHash(nil) {
		t.Errorf("hashes %s, %s and %s", a, b, rendererHash(nil))
	}
	changed := testKinds()
	changed.Type("autoscaling.Scale").Doc = "Something else."
	if rendererHash(changed) == rendererHash(testKinds()) {
		t.Error("another type has the same hash")
	}
}

// TestDefinitionShares: a definition keeps nothing of the tree that it was made of.
func TestDefinitionShares(t *testing.T) {
	const text = `{"spec":{"group":"g.io","names":{"plural":"ws","kind":"W","shortNames":["a"]},"versions":[{"name":"v1","served":true}]}}`
	crd, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDefinition([]byte(text), crd)
	tree.List(crd, "spec", "names", "shortNames")[0] = "b"
	tree.Set(crd, "x", "spec", "group")
	clear(tree.List(crd, "spec", "versions")[0].(map[string]any))
	if want := definitionOf(t, text); !reflect.DeepEqual(d.Row("v1"), want.Row("v1")) {
		t.Errorf("%+v, want %+v", d.Row("v1"), want.Row("v1"))
	}
}
