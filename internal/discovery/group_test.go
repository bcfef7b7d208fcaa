package discovery

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/strategy"
)

// TestVersionRank: which names are versions, and how they rank. The rules are those of Kubernetes'
// version priority: v, a number without leading zeros, and alpha or beta with a number.
func TestVersionRank(t *testing.T) {
	for name, want := range map[string][3]int{
		"v1":                 {3, 1, 0},
		"v10":                {3, 10, 0},
		"v999999999":         {3, 999999999, 0},
		"v1beta1":            {2, 1, 1},
		"v2beta10":           {2, 2, 10},
		"v1alpha1":           {1, 1, 1},
		"v11alpha22":         {1, 11, 22},
		"":                   {},
		"v":                  {},
		"1":                  {},
		"V1":                 {},
		"v0":                 {},
		"v01":                {},
		"v1beta":             {},
		"v1beta0":            {},
		"v1beta01":           {},
		"v1gamma1":           {},
		"v1beta1x":           {},
		"v1betaalpha1":       {},
		"v1.1":               {},
		"v-1":                {},
		"v+1":                {},
		"v1 ":                {},
		"v1234567890":        {}, // more digits than fit are no number
		"v1beta1234567890":   {},
		"v99999999999999999": {},
	} {
		if got := versionRank(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// FuzzCompareVersions: any three names are in one order, equal only if they are the same, and a
// stable version is above all that are not.
func FuzzCompareVersions(f *testing.F) {
	for _, s := range []string{"v1", "v2beta1", "v1alpha3", "foo", "", "v01", "v1234567890", "vv1", "v1beta1\x00"} {
		f.Add(s, "v1", "v1beta1")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, ba := CompareVersions(a, b), CompareVersions(b, a)
		if ab != -ba || (ab == 0) != (a == b) {
			t.Errorf("%q and %q: %d and %d", a, b, ab, ba)
		}
		if bc, ac := CompareVersions(b, c), CompareVersions(a, c); ab <= 0 && bc <= 0 && ac > 0 {
			t.Errorf("%q <= %q <= %q, but the first is greater than the last", a, b, c)
		}
		if ra, rb := versionRank(a), versionRank(b); ra[0] > rb[0] && ab <= 0 {
			t.Errorf("%q is not above %q", a, b)
		}
	})
}

// TestLeadingNumber: the number in front, what is left, and what is no number.
func TestLeadingNumber(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		rest string
	}{
		{"", -1, ""}, {"x", -1, "x"}, {"0", -1, "0"}, {"01", -1, "01"},
		{"1", 1, ""}, {"12x3", 12, "x3"}, {"123456789", 123456789, ""}, {"1234567890", 123456789, "0"},
		{"-1", -1, "-1"}, {"٣", -1, "٣"},
	} {
		if n, rest := leadingNumber(c.in); n != c.n || rest != c.rest {
			t.Errorf("%q: %d and %q, want %d and %q", c.in, n, rest, c.n, c.rest)
		}
	}
}

// shownGroups returns groups as texts: NAME/PRIORITY VERSION/PRIORITY(RESOURCES)...
func shownGroups(groups []Group) (out []string) {
	for _, g := range groups {
		text := fmt.Sprintf("%s/%d", g.Name, g.priority)
		for _, v := range g.Versions {
			text += fmt.Sprintf(" %s/%d", v.Version, v.priority)
			for _, r := range v.resources {
				text += "(" + r.Name + ")"
			}
		}
		out = append(out, text)
	}
	return out
}

// readGroups is the way back from shownGroups.
func readGroups(t testing.TB, texts ...string) (out []Group) {
	t.Helper()
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, text := range texts {
		words := strings.Fields(text)
		name, priority, _ := strings.Cut(words[0], "/")
		g := Group{Name: name, priority: number(priority)}
		for _, word := range words[1:] {
			word, resource, _ := strings.Cut(strings.TrimSuffix(word, ")"), "(")
			version, priority, _ := strings.Cut(word, "/")
			v := Version{Version: version, priority: number(priority)}
			if resource != "" {
				v.resources = append(v.resources, resourceNamed(resource))
			}
			g.Versions = append(g.Versions, v)
		}
		out = append(out, g)
	}
	return out
}

func resourceNamed(name string) resource { return resource{Name: name} }

// TestOrderGroups: how parts of a group are merged and what is in front of what.
func TestOrderGroups(t *testing.T) {
	for _, c := range []struct {
		what     string
		in, want []string
	}{
		{"nothing", nil, nil},
		{"names among equals", []string{"b/5 v1/1", "a/5 v1/1", "/5 v1/1"}, []string{"/5 v1/1", "a/5 v1/1", "b/5 v1/1"}},
		{"priorities before names", []string{"a/1 v1/1", "b/9 v1/1"}, []string{"b/9 v1/1", "a/1 v1/1"}},
		{"versions by priority, then age", []string{"a/1 v1/1 v2/1 v1beta1/9 v3alpha1/1"}, []string{"a/1 v1beta1/9 v2/1 v1/1 v3alpha1/1"}},
		{"parts", []string{"a/1 v1/1(x)", "b/5 v1/1", "a/9 v2/1(y)"}, []string{"a/9 v2/1(y) v1/1(x)", "b/5 v1/1"}},
		{"the first of a version counts", []string{"a/1 v1/1(x)", "a/1 v1/9(y)"}, []string{"a/1 v1/1(x)"}},
		{"the highest priority counts", []string{"a/9 v1/1", "a/1 v2/1", "b/5 v1/1"}, []string{"a/9 v2/1 v1/1", "b/5 v1/1"}},
		{"no versions", []string{"a/1", "b/2 v1/1"}, []string{"b/2 v1/1", "a/1"}},
	} {
		in := readGroups(t, c.in...)
		before := shownGroups(in)
		if got := shownGroups(orderGroups(in)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		if after := shownGroups(in); !slices.Equal(after, before) {
			t.Errorf("%s: the groups are now %q", c.what, after)
		}
	}
}

// TestOrderGroupsProperties: the order in which groups come does not matter, unless two have the
// same version; ordering twice is ordering once; and nothing gets lost.
func TestOrderGroupsProperties(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range 300 {
		var groups []Group
		versions := map[string]bool{}
		for i := range 1 + random.IntN(6) {
			g := Group{Name: "g" + strconv.Itoa(random.IntN(4)), priority: random.IntN(3)}
			for j := range random.IntN(3) {
				v := fmt.Sprintf("v%d", 1+3*i+j)
				versions[g.Name+"/"+v] = true
				g.Versions = append(g.Versions, Version{Version: v, priority: random.IntN(3)})
			}
			groups = append(groups, g)
		}
		want := shownGroups(orderGroups(groups))
		random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		once := orderGroups(groups)
		if got := shownGroups(once); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: %q, want %q", seed, round, got, want)
		}
		if got := shownGroups(orderGroups(once)); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: again: %q, want %q", seed, round, got, want)
		}
		n := 0
		for i := range once {
			n += len(once[i].Versions)
			if i > 0 && once[i-1].compare(&once[i]) >= 0 {
				t.Errorf("seed %d, round %d: %q", seed, round, want)
			}
		}
		if n != len(versions) {
			t.Errorf("seed %d, round %d: %d versions, want %d", seed, round, n, len(versions))
		}
	}
}

// TestResourcesOf: a row as resources, with a group and version only where the kind is another's.
func TestResourcesOf(t *testing.T) {
	some, few := []string{"get", "list"}, []string{"get"}
	row := &kinds.Row{
		Group: "apps.example", Version: "v1", Kind: "Thing", Plural: "things", Singular: "thing",
		ShortNames: []string{"th"}, Categories: []string{"all"}, Namespaced: true, Verbs: some,
		Subresources: []kinds.Subresource{
			{Name: "status", Group: "apps.example", Version: "v1", Kind: "Thing", Verbs: few},
			{Name: "scale", Group: "autoscaling", Version: "v1", Kind: "Scale", Verbs: few},
			{Name: "older", Group: "apps.example", Version: "v1beta1", Kind: "Thing", Verbs: few},
			{Name: "bind", Group: "", Version: "v1", Kind: "Binding", Verbs: few},
		},
	}
	got := string(appendResources(nil, resourcesOf(row, few, "hash=")))
	want := `{"name":"things","singularName":"thing","namespaced":true,"kind":"Thing","verbs":["get"],"shortNames":["th"],"categories":["all"],"storageVersionHash":"hash="},` +
		`{"name":"things/status","singularName":"","namespaced":true,"kind":"Thing","verbs":["get"]},` +
		`{"name":"things/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get"]},` +
		`{"name":"things/older","singularName":"","namespaced":true,"group":"apps.example","version":"v1beta1","kind":"Thing","verbs":["get"]},` +
		// The name of the core group is empty, and so is left out.
		`{"name":"things/bind","singularName":"","namespaced":true,"version":"v1","kind":"Binding","verbs":["get"]}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	bare := resourcesOf(&kinds.Row{Plural: "nodes", Kind: "Node"}, nil, "")
	if got := string(appendResources(nil, bare)); got != `{"name":"nodes","singularName":"","namespaced":false,"kind":"Node","verbs":null}` {
		t.Errorf("nothing but names: %s", got)
	}
}

// TestStorageHashes: the hashes are those that a kube-apiserver lists.
func TestStorageHashes(t *testing.T) {
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ group, version, kind, want string }{
		{"", "v1", "ConfigMap", "qFsyl6wFWjQ="},
		{"", "v1", "Event", "r2yiGXH7wu8="},
		{"", "v1", "Service", "0/CO1lhkEBI="},
		{"", "v1", "Namespace", "Q3oi5N2YM8M="},
		{"", "v1", "Secret", "S6u1pOWzb84="},
		{"", "v1", "ServiceAccount", "pbx9ZvyFpBE="},
		{"events.k8s.io", "v1", "Event", "r2yiGXH7wu8="},                           // stored as the core group's
		{"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "jfWCUB31mvA="}, // still of v1beta1
		{"certificates.k8s.io", "v1", "ClusterTrustBundle", "v5yhuVertL4="},
		{"autoscaling", "v1", "HorizontalPodAutoscaler", "qwQve8ut294="}, // stored as v2
		{"", "v1", "ComponentStatus", ""},
		{"coordination.k8s.io", "v1", "Lease", "gqkMMb/YqFM="},
		{"authentication.k8s.io", "v1", "TokenReview", ""}, // not stored
	} {
		row := table.Kind(c.group, c.version, c.kind)
		if row == nil {
			t.Errorf("no %s", c.kind)
		} else if got := storageHash(table, row); got != c.want {
			t.Errorf("%s/%s %s: %q, want %q", c.group, c.version, c.kind, got, c.want)
		}
	}
}

// TestGroupsOfAllKinds: each kind of the table is in the documents of its server and of no other,
// sorted, and its group has the priority of the table.
func TestGroupsOfAllKinds(t *testing.T) {
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	where := map[string][]string{}
	for _, server := range []string{"core", "extensions", "aggregator", "other"} {
		for _, g := range GroupsOf(table, server) {
			if want, _ := table.Group(g.Name); g.priority != want.Priority {
				t.Errorf("%s has the priority %d", g.Name, g.priority)
			}
			for _, v := range g.Versions {
				if !slices.IsSortedFunc(v.resources, func(a, b resource) int { return cmp.Compare(a.Name, b.Name) }) {
					t.Errorf("%s/%s: not sorted", g.Name, v.Version)
				}
				for _, r := range v.resources {
					if !slices.IsSorted(r.Verbs) || len(r.Verbs) == 0 {
						t.Errorf("%s: verbs %q", r.Name, r.Verbs)
					}
					if !strings.Contains(r.Name, "/") {
						key := g.Name + "/" + v.Version + " " + r.Kind
						where[key] = append(where[key], server)
					}
				}
			}
		}
	}
	for _, row := range table.Kinds {
		if got := where[row.Group+"/"+row.Version+" "+row.Kind]; !slices.Equal(got, []string{row.Server}) {
			t.Errorf("%s is served by %q, want %s", row.Kind, got, row.Server)
		}
	}
	if len(where) != len(table.Kinds) {
		t.Errorf("%d kinds, want %d", len(where), len(table.Kinds))
	}
}
