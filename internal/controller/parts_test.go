package controller

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestStartTwice: a server that finds the objects of an earlier start in its store writes none of
// them again; with a new CA it writes that, and nothing else.
func TestStartTwice(t *testing.T) {
	r := newRoom(t, 10_000)
	own := Own{Host: "127.0.0.1", Port: 6443, CA: "one"}
	start := func() int64 {
		t.Helper()
		before := r.api.Store.Revision()
		if _, err := Start(t.Context(), r.api, own); err != nil {
			t.Fatal(err)
		}
		return r.api.Store.Revision() - before
	}
	// Four namespaces, two objects in each, Service, Endpoints and EndpointSlice, and the ServiceCIDR.
	if n := start(); n != 4+4*2+4 {
		t.Errorf("the first start writes %d times", n)
	}
	if n := start(); n != 0 {
		t.Errorf("the second start writes %d times", n)
	}
	own.CA = "two"
	if n := start(); n != 4 {
		t.Errorf("a start with another CA writes %d times", n)
	}
	for _, ns := range initialNamespaces {
		o := r.at("configmaps", ns+"/"+rootCAName)
		if o == nil || tree.Text(o.Decode(), "data", "ca.crt") != "two" {
			t.Errorf("%s has another CA", ns)
		}
	}
}

// TestService: what leads clients inside to the server; the two objects share nothing. But for the
// Service without an address of its own they are the real server's.
func TestService(t *testing.T) {
	if got := (Own{Port: 6443}).service(); got != nil {
		t.Errorf("without an address: %v", got)
	}
	const service = "{kind: Service, apiVersion: v1, metadata: {name: kubernetes, namespace: default, labels: {component: apiserver, provider: kubernetes}}, " +
		"spec: {type: ClusterIP, sessionAffinity: None, ipFamilyPolicy: SingleStack, "
	for _, tt := range []struct {
		own  Own
		spec string
	}{
		{Own{Host: "10.0.0.1", Port: 6443}, "ports: [{name: https, port: 443, protocol: TCP, targetPort: 6443}]}}"},
		{Own{Host: "192.0.2.2", Port: 16443, Services: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}, "clusterIP: 10.0.0.1, " +
			"ports: [{name: https, port: 443, protocol: TCP, targetPort: 16443}]}}"},
		{Own{Host: "10.0.0.1", Port: 6443, Services: []netip.Prefix{netip.MustParsePrefix("fd00::/108"), netip.MustParsePrefix("10.0.0.0/24")}},
			"clusterIP: 'fd00::1', ports: [{name: https, port: 443, protocol: TCP, targetPort: 6443}]}}"},
	} {
		all := tt.own.service()
		want := []map[string]any{
			object(t, "%s", service+tt.spec),
			object(t, "{kind: Endpoints, apiVersion: v1, metadata: {name: kubernetes, namespace: default, "+
				"labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}, "+
				"subsets: [{addresses: [{ip: %s}], ports: [{name: https, port: %d, protocol: TCP}]}]}", tt.own.Host, tt.own.Port),
		}
		for i := range want {
			if !tree.Equal(all[i], want[i]) {
				t.Errorf("%v, want %v", all[i], want[i])
			}
		}
		tree.Set(all[0], "x", "metadata", "name")
		if tree.Text(all[1], "metadata", "name") != "kubernetes" {
			t.Error("the objects share their metadata")
		}
	}
}

// TestDefinitionsOnly: what upstream leaves to kube-controller-manager is left alone, and definitions are
// emptied as everywhere.
func TestDefinitionsOnly(t *testing.T) {
	c := newControllers(nil, "")
	c.definitionsOnly = true
	for _, why := range []taskKind{taskNamespace, taskOwner, taskDependent, taskDefinition} {
		c.add(why, place{nil, "x"})
	}
	if len(c.queue) != 1 || c.queue[0].why != taskDefinition {
		t.Errorf("queued: %v", c.queue)
	}
}

// TestDefaultsComeBack: what every namespace has is there again when somebody deletes it, and the
// CA when somebody changes it; what is added to them stays.
func TestDefaultsComeBack(t *testing.T) {
	r := ready(t)
	account, ca := r.at("serviceaccounts", "default/default"), r.at("configmaps", "default/"+rootCAName)
	if account == nil || ca == nil {
		t.Fatal("a namespace has not got what every namespace has")
	}
	r.erase("ServiceAccount", "default", "default", "")
	r.erase("ConfigMap", "default", rootCAName, "")
	r.follow()
	if a, c := r.at("serviceaccounts", "default/default"), r.at("configmaps", "default/"+rootCAName); a == nil || c == nil || a == account || c == ca {
		t.Errorf("they do not come back: %v %v", a, c)
	}
	r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: %s, namespace: default, labels: {a: b}}, data: {ca.crt: other, more: x}}", rootCAName)
	r.apply("{kind: ServiceAccount, apiVersion: v1, metadata: {name: default, namespace: default, labels: {a: b}}}")
	r.follow()
	obj := r.at("configmaps", "default/"+rootCAName).Decode()
	if !tree.Equal(obj["data"], map[string]any{"ca.crt": "the CA"}) || tree.Text(obj, "metadata", "labels", "a") != "b" {
		t.Errorf("the CA is %v", obj)
	}
	if obj := r.at("serviceaccounts", "default/default").Decode(); tree.Text(obj, "metadata", "labels", "a") != "b" {
		t.Errorf("the account is %v", obj)
	}
}

// TestEmptying: a namespace goes with its last object, whatever order these go in, and no object of
// another namespace does.
func TestEmptying(t *testing.T) {
	r := ready(t)
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: gone}}")
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: gone2}}")
	for _, ns := range []string{"gone", "gone2"} {
		for i := range 3 {
			r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: c%d, namespace: %s, finalizers: [x.io/hold]}}", i, ns)
		}
		r.apply("{kind: Secret, apiVersion: v1, metadata: {name: s, namespace: %s}}", ns)
	}
	r.follow()
	r.erase("Namespace", "gone", "gone", "")
	r.follow()
	if !r.terminating["gone"] || r.terminating["gone2"] || r.at("secrets", "gone/s") != nil || r.at("serviceaccounts", "gone/default") != nil {
		t.Errorf("terminating %v", r.terminating)
	}
	maps := r.api.Builtin("", "v1", "ConfigMap")
	for _, i := range []int{1, 0, 2} {
		if r.at("namespaces", "gone") == nil {
			t.Fatalf("the namespace has gone before c%d", i)
		}
		o := r.at("configmaps", fmt.Sprintf("gone/c%d", i))
		if o == nil || !o.Meta.Deleting {
			t.Fatalf("c%d is not being deleted", i)
		}
		if err := r.removeFinalizer(t.Context(), maps, o, "x.io/hold"); err != nil {
			t.Fatal(err)
		}
		r.follow()
	}
	if r.at("namespaces", "gone") != nil || len(r.terminating) > 0 {
		t.Errorf("the namespace is left; terminating %v", r.terminating)
	}
	if rows := r.api.Store.Bucket("configmaps").Now(); r.at("secrets", "gone2/s") == nil || rows.Count() != 1+3+1 { // default: the CA; gone2: three and the CA
		t.Errorf("%d ConfigMaps are left", rows.Count())
	}
}

// TestFixturesInDocuments: the objects of a document and their places, and what is wrong with each.
func TestFixturesInDocuments(t *testing.T) {
	for _, c := range []struct {
		doc   string
		where string // of the objects
		wrong string
	}{
		{"kind: A\napiVersion: v1\nmetadata: {name: a}", "f", ""},
		{"kind: A\napiVersion: v1\nmetadata: {generateName: a-}", "f", ""},
		{"", "", ""},
		{"# nothing", "", ""},
		{"null", "", ""},
		{"text", "", "f is no object"},
		{"[]", "", "f is no object"},
		{"kind: A\nmetadata: {name: a}", "f", "f has no apiVersion"},
		{"apiVersion: v1\nmetadata: {name: a}", "f", "f has no kind"},
		{"{}", "f", "f has no apiVersion; f has no kind; f has no metadata.name"},
		{"kind: A\napiVersion: v1\nmetadata: {name: 7}", "f", "f has no metadata.name"},
		{"kind: List\napiVersion: v1\nitems: []", "", ""},
		{"kind: List\napiVersion: v1\nitems: [{kind: A, apiVersion: v1, metadata: {name: a}}, 7, {kind: B}]", "f, item 1; f, item 3",
			"f, item 2 is no object; f, item 3 has no apiVersion; f, item 3 has no metadata.name"},
		{"kind: PodList\napiVersion: v1\nitems: [{apiVersion: v1, kind: List, items: [{kind: A, apiVersion: v1, metadata: {name: a}}]}]", "f, item 1, item 1", ""},
		{"kind: Basket\napiVersion: v1\nmetadata: {name: a}\nitems: [apple]", "f", ""},
		{"kind: List\napiVersion: v1\nmetadata: {name: a}\nitems: none", "f", ""},
	} {
		doc, _, err := tree.ParseYAMLObject([]byte(c.doc))
		if err != nil {
			t.Fatal(err)
		}
		all, bad := fixturesIn(doc, "f")
		var where, wrong []string
		for _, f := range all {
			where = append(where, f.where)
		}
		for _, err := range bad {
			wrong = append(wrong, err.Error())
		}
		if strings.Join(where, "; ") != c.where || strings.Join(wrong, "; ") != c.wrong {
			t.Errorf("%q: at %q, wrong %q; want %q, %q", c.doc, where, wrong, c.where, c.wrong)
		}
	}
}

// TestFixtureFiles: which files of a directory are manifests, and that a file is one whatever it
// is called.
func TestFixtureFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yml", "c.json", "d.txt", "e.YAML", "yaml", ".yaml", "f.yaml.bak"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "g.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := fixtureFiles(dir)
	var want []string
	for _, name := range []string{".yaml", "a.yml", "b.yaml", "c.json"} {
		want = append(want, filepath.Join(dir, name))
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	for _, name := range []string{"d.txt", "yaml"} {
		path := filepath.Join(dir, name)
		if got, err := fixtureFiles(path); err != nil || !slices.Equal(got, []string{path}) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):   filepath.Join(dir, "none") + ": no such file or directory",
		filepath.Join(dir, "g.yaml"): filepath.Join(dir, "g.yaml") + ": no *.yaml, *.yml or *.json file in the directory",
	} {
		if _, err := fixtureFiles(path); err == nil || unreadable(err).Error() != want {
			t.Errorf("%s: %v, want %s", path, unreadable(err), want)
		}
	}
	if err := unreadable(errors.New("x")); err.Error() != "x" {
		t.Errorf("%v", err)
	}
	if err := unreadable(&fs.PathError{Op: "open", Path: "p", Err: fs.ErrPermission}); !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "open") {
		t.Errorf("%v", err)
	}
}

// TestFixtureName: who is meant, shortened so that a line stays a line.
func TestFixtureName(t *testing.T) {
	for manifest, want := range map[string]string{
		"{kind: A, metadata: {name: a}}":                "A a",
		"{kind: A, metadata: {name: a, namespace: ns}}": "A ns/a",
		"{kind: A, metadata: {generateName: a-}}":       "A ",
		"{metadata: {name: a}}":                         " a",
		"{kind: " + strings.Repeat("x", 300) + "}":      strings.Repeat("x", 256) + "…",
	} {
		if got := fixtureName(object(t, "%s", manifest)); got != want {
			t.Errorf("%s: %q, want %q", manifest, got, want)
		}
	}
}
