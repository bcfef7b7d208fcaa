package discovery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// document returns a document of a catalog by path, in the aggregated form if aggregated, as a tree.
func document(t testing.TB, c *Catalog, path string, aggregated bool) map[string]any {
	t.Helper()
	accept := "Accept: application/json"
	if aggregated {
		accept = "Accept: " + AggregatedType
	}
	w := fetch(t, c, path, accept)
	doc, repeated, err := tree.ParseJSONObject(w.Body.Bytes())
	if err != nil || w.Code != 200 || len(repeated) > 0 || !bytes.HasSuffix(w.Body.Bytes(), []byte("}\n")) {
		t.Fatalf("%s: %d %v %q %q", path, w.Code, err, repeated, w.Body)
	}
	return doc
}

// TestDocumentsOfCustom: every document of a group of definitions, byte for byte, by what the
// definition has.
func TestDocumentsOfCustom(t *testing.T) {
	const all = `["delete","deletecollection","get","list","patch","create","update","watch"]`
	hash := func(version string) string {
		return `"storageVersionHash":"` + storageVersionHash("a.io", version, "W") + `"`
	}
	head := func(gv string) string {
		return `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"` + gv + `","resources":[`
	}
	for _, c := range []struct{ what, crd, path, want string }{
		{"the least", `"versions":[{"name":"v1","served":true,"storage":true}]`, "/apis/a.io/v1",
			head("a.io/v1") + `{"name":"ws","singularName":"w","namespaced":false,"kind":"W","verbs":` + all + `,` + hash("v1") + `}]}`},
		{"status", `"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}}}]`, "/apis/a.io/v1",
			head("a.io/v1") + `{"name":"ws","singularName":"w","namespaced":false,"kind":"W","verbs":` + all + `,` + hash("v1") + `},` +
				`{"name":"ws/status","singularName":"","namespaced":false,"kind":"W","verbs":["get","patch","update"]}]}`},
		{"the version that is not stored", `"scope":"Namespaced","versions":[{"name":"v1","served":true,"storage":true},{"name":"v2","served":true}]`, "/apis/a.io/v2",
			head("a.io/v2") + `{"name":"ws","singularName":"w","namespaced":true,"kind":"W","verbs":` + all + `,` + hash("v1") + `}]}`},
		{"the group", `"versions":[{"name":"v1beta1","served":true},{"name":"v1","served":true,"storage":true},{"name":"v3"}]`, "/apis/a.io",
			`{"kind":"APIGroup","apiVersion":"v1","name":"a.io","versions":[{"groupVersion":"a.io/v1","version":"v1"},{"groupVersion":"a.io/v1beta1","version":"v1beta1"}],` +
				`"preferredVersion":{"groupVersion":"a.io/v1","version":"v1"}}`},
		{"the list of groups", `"versions":[{"name":"v1","served":true,"storage":true}]`, "/apis",
			`{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"a.io","versions":[{"groupVersion":"a.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"a.io/v1","version":"v1"}}]}`},
		{"no core group", `"versions":[{"name":"v1","served":true,"storage":true}]`, "/api",
			`{"kind":"APIVersions","versions":[],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":""}]}`},
	} {
		var cat Catalog
		cat.SetServers(nil, "", nil)
		cat.SetCustom("a.io", []*Definition{definitionOf(t, `{"spec":{"group":"a.io","names":{"plural":"ws","singular":"w","kind":"W"},`+c.crd+`}}`)})
		if got := fetch(t, &cat, c.path).Body.String(); got != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// TestAggregatedOfCustom: the aggregated form of a group of definitions, byte for byte.
func TestAggregatedOfCustom(t *testing.T) {
	var c Catalog
	c.SetServers(nil, "", nil)
	c.SetCustom("a.io", []*Definition{definitionOf(t, `{"spec":{"group":"a.io","scope":"Namespaced","names":{"plural":"ws","singular":"w","kind":"W","shortNames":["x"],"categories":["all"]},
"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"scale":{"specReplicasPath":".n"},"status":{}}},{"name":"v1beta1","served":true}]}}`)})
	const resource = `{"resource":"ws","responseKind":{"group":"a.io","version":"VERSION","kind":"W"},"scope":"Namespaced","singularResource":"w",` +
		`"verbs":["delete","deletecollection","get","list","patch","create","update","watch"],"shortNames":["x"],"categories":["all"]`
	want := `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[{"metadata":{"name":"a.io"},"versions":[` +
		`{"version":"v1","resources":[` + strings.Replace(resource, "VERSION", "v1", 1) + `,"subresources":[` +
		`{"subresource":"status","responseKind":{"group":"a.io","version":"v1","kind":"W"},"verbs":["get","patch","update"]},` +
		`{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},"verbs":["get","patch","update"]}]}],"freshness":"Current"},` +
		`{"version":"v1beta1","resources":[` + strings.Replace(resource, "VERSION", "v1beta1", 1) + `}],"freshness":"Current"}]}]}` + "\n"
	if got := fetch(t, &c, "/apis", "Accept: "+AggregatedType).Body.String(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := fetch(t, &c, "/api", "Accept: "+AggregatedType).Body.String(); got != `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[]}`+"\n" {
		t.Errorf("without a core group: %s", got)
	}
}

// randomCatalog returns a catalog of the small table, with definitions in some of few groups, and
// their number.
func randomCatalog(random *rand.Rand) (*Catalog, int) {
	c := testCatalog()
	n := 0
	for _, group := range []string{"a.io", "b.io", "events.k8s.io", "c.example"} {
		var docs []*Definition
		for i := range random.IntN(4) {
			var versions []string
			for _, v := range []string{"v1", "v2", "v1beta1", "v1alpha1"} {
				if random.IntN(2) == 0 {
					versions = append(versions, v+[]string{"", "+", "-"}[random.IntN(3)])
				}
			}
			docs = append(docs, testCRD(group, fmt.Sprintf("things%d", i), fmt.Sprintf("Thing%d", i), versions...))
			n++
		}
		c.SetCustom(group, docs)
	}
	return c, n
}

// plainOf returns the resources of a version in the plain form, by what the aggregated form has.
func plainOf(group, version string, aggregated any) []string {
	var out []string
	add := func(name, singular string, of any, verbs any, scope bool, more string) {
		kind := tree.Object(of, "responseKind")
		gv := ""
		if g, v := tree.Text(kind, "group"), tree.Text(kind, "version"); (g != group || v != version) && v != "" {
			gv = g + "/" + v + " "
		}
		out = append(out, fmt.Sprintf("%s %s %s%s %v %v %s", name, singular, gv, tree.Text(kind, "kind"), verbs, scope, more))
	}
	for _, r := range tree.List(aggregated, "resources") {
		name, scope := tree.Text(r, "resource"), tree.Text(r, "scope") == "Namespaced"
		add(name, tree.Text(r, "singularResource"), r, tree.At(r, "verbs"), scope, fmt.Sprint(tree.At(r, "shortNames"), tree.At(r, "categories")))
		for _, s := range tree.List(r, "subresources") {
			add(name+"/"+tree.Text(s, "subresource"), "", s, tree.At(s, "verbs"), scope, fmt.Sprint(nil, nil))
		}
	}
	return out
}

// TestFormsAgree: whatever is served, the aggregated form has the same groups, versions and resources
// as the plain documents, in the same order.
func TestFormsAgree(t *testing.T) {
	const seed = 11
	random := rand.New(rand.NewPCG(seed, 1))
	resources := 0
	for round := range 60 {
		c, _ := randomCatalog(random)
		var fromGroups, fromItems []string
		for _, g := range tree.List(document(t, c, "/apis", false), "groups") {
			text := tree.Text(g, "name")
			for _, v := range tree.List(g, "versions") {
				text += " " + tree.Text(v, "version")
			}
			fromGroups = append(fromGroups, text)
			preferred, versions := tree.Text(g, "preferredVersion", "version"), tree.List(g, "versions")
			if preferred != tree.Text(versions[0], "version") {
				t.Errorf("seed %d, round %d: %s prefers %s", seed, round, text, preferred)
			}
			one := document(t, c, "/apis/"+tree.Text(g, "name"), false)
			delete(one, "kind")
			delete(one, "apiVersion")
			if !tree.Equal(one, g) {
				t.Errorf("seed %d, round %d: alone %v, in the list %v", seed, round, one, g)
			}
		}
		items := tree.List(document(t, c, "/apis", true), "items")
		for _, item := range append(items, tree.List(document(t, c, "/api", true), "items")...) {
			group := tree.Text(item, "metadata", "name")
			text, path := group, "/apis/"+group+"/"
			if group == "" {
				path = "/api/"
			}
			for _, v := range tree.List(item, "versions") {
				version := tree.Text(v, "version")
				text += " " + version
				var plain []string
				for _, r := range tree.List(document(t, c, path+version, false), "resources") {
					gv := ""
					if tree.At(r, "group") != nil || tree.At(r, "version") != nil {
						gv = tree.Text(r, "group") + "/" + tree.Text(r, "version") + " "
					}
					plain = append(plain, fmt.Sprintf("%s %s %s%s %v %v %s", tree.Text(r, "name"), tree.Text(r, "singularName"), gv, tree.Text(r, "kind"),
						tree.At(r, "verbs"), tree.At(r, "namespaced") == true, fmt.Sprint(tree.At(r, "shortNames"), tree.At(r, "categories"))))
				}
				// A subresource is behind its resource in one form; in the other, sorted, another
				// resource may be in between.
				want := plainOf(group, version, v)
				if slices.Sort(plain); !slices.Equal(plain, slices.Sorted(slices.Values(want))) {
					t.Errorf("seed %d, round %d: %s%s:\nplain      %q\naggregated %q", seed, round, path, version, plain, want)
				}
				resources += len(plain)
			}
			if group != "" {
				fromItems = append(fromItems, text)
			}
		}
		if !slices.Equal(fromGroups, fromItems) {
			t.Errorf("seed %d, round %d:\nplain      %q\naggregated %q", seed, round, fromGroups, fromItems)
		}
	}
	if resources < 500 {
		t.Errorf("compared %d resources only", resources)
	}
}

// TestDocumentsByModel: which groups and versions there are, and in which order, as a plain walk
// over the definitions finds out.
func TestDocumentsByModel(t *testing.T) {
	const seed = 23
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range 100 {
		var c Catalog
		c.SetServers(nil, "", nil)
		type model struct{ group, version, plural string }
		var want []model
		for _, group := range []string{"b.io", "a.io", "c.io"} {
			var docs []*Definition
			for i := range random.IntN(3) {
				var versions []string
				for _, v := range []string{"v1", "v2beta1", "odd"} {
					switch random.IntN(3) {
					case 0:
						versions = append(versions, v)
						want = append(want, model{group, v, fmt.Sprintf("things%d", i)})
					case 1:
						versions = append(versions, v+"-")
					}
				}
				docs = append(docs, testCRD(group, fmt.Sprintf("things%d", i), fmt.Sprintf("Thing%d", i), versions...))
			}
			c.SetCustom(group, docs)
		}
		order := []string{"v1", "v2beta1", "odd"}
		slices.SortFunc(want, func(a, b model) int {
			return cmp.Or(strings.Compare(a.group, b.group), cmp.Compare(slices.Index(order, a.version), slices.Index(order, b.version)), strings.Compare(a.plural, b.plural))
		})
		var got []model
		for _, g := range tree.List(document(t, &c, "/apis", true), "items") {
			for _, v := range tree.List(g, "versions") {
				for _, r := range tree.List(v, "resources") {
					got = append(got, model{tree.Text(g, "metadata", "name"), tree.Text(v, "version"), tree.Text(r, "resource")})
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d:\n got %v\nwant %v", seed, round, got, want)
		}
	}
}

// TestDocumentsKept: a change of a group makes its documents anew, and no other group's; what is
// asked twice is encoded once.
func TestDocumentsKept(t *testing.T) {
	c := testCatalog()
	one, two := testCRD("a.io", "ones", "One", "v1"), testCRD("b.io", "twos", "Two", "v1")
	c.SetCustom("a.io", []*Definition{one})
	c.SetCustom("b.io", []*Definition{two})
	a, b := c.group("a.io").encoded(), c.group("b.io").encoded()
	if c.group("a.io").encoded() != a {
		t.Error("encoded twice")
	}
	if again := c.roots(); again != c.roots() {
		t.Error("the lists are made twice")
	}
	c.SetCustom("a.io", []*Definition{one, testCRD("a.io", "threes", "Three", "v1")})
	if c.group("a.io").encoded() == a || c.group("b.io").encoded() != b {
		t.Errorf("the changed group is kept: %v, the other is: %v", c.group("a.io").encoded() == a, c.group("b.io").encoded() == b)
	}
	// An unchanged definition keeps what it has encoded, even when its group is made anew.
	if v := one.version("v1"); v.plain == nil || &v.plain[0] != &one.encoded("v1").plain[0] {
		t.Error("the definition is encoded again")
	}
	if c.group("nowhere.io") != nil || c.group("c.io") != nil {
		t.Error("a group that there is not")
	}
}

// TestResourceForm: the encoded form of a resource is that of its fields, in upstream's order, and
// what may be empty is left out.
func TestResourceForm(t *testing.T) {
	full := resource{"ws", "w", true, "g", "v", "W", []string{"get"}, []string{"x"}, []string{"all"}, "h"}
	const want = `{"name":"ws","singularName":"w","namespaced":true,"group":"g","version":"v","kind":"W","verbs":["get"],"shortNames":["x"],"categories":["all"],"storageVersionHash":"h"}`
	if got := string(appendDocument([]byte(nil), full)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	var back resource
	if err := json.Unmarshal([]byte(want), &back); err != nil || fmt.Sprint(back) != fmt.Sprint(full) {
		t.Errorf("%+v, %v", back, err)
	}
	if got := string(appendResources([]byte("x"), nil)); got != "x" {
		t.Errorf("no resources: %s", got)
	}
	if got := string(appendComma([]byte("["))) + string(appendComma([]byte("[1"))); got != "[[1," {
		t.Errorf("commas: %s", got)
	}
}

// TestNamesAreEscaped: a group or version may have any text in a table; the documents stay JSON.
func TestNamesAreEscaped(t *testing.T) {
	odd := "a\"<\\\u2028"
	table := &kinds.Table{
		Kinds:  []*kinds.Row{{Group: odd, Version: odd, Kind: odd, Plural: odd, Singular: odd, Verbs: []string{odd}, Server: "core"}},
		Groups: map[string]kinds.Group{odd: {Priority: 1, VersionPriority: 1}},
	}
	var c Catalog
	c.SetServers(GroupsOf(table, "core"), odd, table)
	for _, aggregated := range []bool{false, true} {
		for _, root := range []string{"/api", "/apis"} {
			doc := string(tree.AppendJSON(nil, document(t, &c, root, aggregated)))
			if root == "/apis" && !strings.Contains(doc, string(tree.AppendJSONString(nil, odd))) {
				t.Errorf("%s: %s", root, doc)
			}
		}
	}
	list := tree.List(document(t, &c, "/apis", false), "groups")
	if len(list) != 1 || tree.Text(list[0], "name") != odd || tree.Text(list[0], "preferredVersion", "groupVersion") != odd+"/"+odd {
		t.Errorf("%v", list)
	}
}
