package apitest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The objects that tests send, and what they look at in a store. The builders give trees of their
// own each time, which a test may change; more is what a test wants in the metadata besides:
//
//	MapObject("a", OwnedBy(Ref(owner)), Held("example.com/x"))
//
// The kinds of DefinitionOf have a spec with a size and a color. What ends in Manifest is a text, as
// a fixture or a snapshot has it.

// Paths that many tests send to.
const (
	DefinitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	MapsPath        = "/api/v1/namespaces/default/configmaps"
	NamespacesPath  = "/api/v1/namespaces"
	WidgetsPath     = "/apis/example.com/v1/namespaces/default/widgets"
)

// The media types of patches, and of bodies in protobuf.
const (
	JSONPatch      = "application/json-patch+json"
	MergePatch     = "application/merge-patch+json"
	StrategicPatch = "application/strategic-merge-patch+json"
	ApplyPatch     = "application/apply-patch+yaml"
	Protobuf       = "application/vnd.kubernetes.protobuf"
)

// Names that the server gives.
const (
	// RootCAName is the config map in each namespace by which clients trust the server.
	RootCAName = "kube-root-ca.crt"
	// DefinitionsBucket is the bucket of CustomResourceDefinitions in the store.
	DefinitionsBucket = "customresourcedefinitions.apiextensions.k8s.io"
)

// MapObject returns a config map to send; more is set in its metadata.
func MapObject(name string, more ...map[string]any) map[string]any {
	m := map[string]any{"name": name}
	for _, set := range more {
		for k, v := range set {
			m[k] = v
		}
	}
	return map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": m}
}

// Namespace returns a namespace to send.
func Namespace(name string, more ...map[string]any) map[string]any {
	obj := MapObject(name, more...)
	obj["kind"] = "Namespace"
	return obj
}

// Custom returns an object of a kind of DefinitionOf.
func Custom(kind, name string, more ...map[string]any) map[string]any {
	obj := MapObject(name, more...)
	obj["kind"], obj["apiVersion"] = kind, "example.com/v1"
	return obj
}

// OwnedBy returns metadata with owners, as Ref makes them or as a test has written them itself.
func OwnedBy(refs ...any) map[string]any { return map[string]any{"ownerReferences": refs} }

// Held returns metadata with finalizers. Those of domains hold an object until a test releases it;
// the server's own are taken away by its controllers.
func Held(by ...any) map[string]any { return map[string]any{"finalizers": by} }

// Ref returns a reference to an object that was answered; more are fields of it that are true.
func Ref(obj map[string]any, more ...string) map[string]any {
	r := map[string]any{
		"apiVersion": obj["apiVersion"], "kind": obj["kind"],
		"name": tree.Name(obj), "uid": tree.Text(obj, "metadata", "uid"),
	}
	for _, f := range more {
		r[f] = true
	}
	return r
}

// Revision returns what an object was written at, or what a list shows, as text; "" if the object
// was not written, as after a dry run.
func Revision(obj map[string]any) string { return tree.Text(obj, "metadata", "resourceVersion") }

// DefinitionOf returns a CustomResourceDefinition of a kind in example.com, with a schema of spec;
// change may change it.
func DefinitionOf(plural, kind, scope string, change ...func(crd map[string]any)) map[string]any {
	crd := object(`{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1",
	"metadata":{"name":"` + plural + `.example.com"},
	"spec":{"group":"example.com","scope":"` + scope + `","names":{"plural":"` + plural + `","kind":"` + kind + `"},
	"versions":[` + Version("v1", true, "size:integer", "color:string") + `]}}`)
	for _, f := range change {
		f(crd)
	}
	return crd
}

// Version returns a version of a definition whose spec has the fields, as name:type.
func Version(name string, storage bool, fields ...string) string {
	var props []string
	for _, f := range fields {
		field, typ, _ := strings.Cut(f, ":")
		props = append(props, `"`+field+`":{"type":"`+typ+`"}`)
	}
	spec := `{"type":"object","properties":{` + strings.Join(props, ",") + `}}`
	return `{"name":"` + name + `","served":true,"storage":` + fmt.Sprint(storage) +
		`,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":` + spec + `}}},"subresources":{"status":{}}}`
}

// Versions puts other versions into a definition.
func Versions(texts ...string) func(crd map[string]any) {
	return func(crd map[string]any) {
		var list []any
		for _, text := range texts {
			list = append(list, object(text))
		}
		tree.Set(crd, list, "spec", "versions")
	}
}

// object reads JSON that a test has written.
func object(text string) map[string]any {
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		panic(err)
	}
	return obj
}

// WidgetDefinition is the definition of a kind whose objects have a size beside their metadata.
const WidgetDefinition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
 "metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
 "names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},
 "versions":[{"name":"v1","served":true,"storage":true,
  "schema":{"openAPIV3Schema":{"type":"object","properties":{"size":{"type":"string"}}}}}]}}`

// MapManifest returns the text of a config map with one value.
func MapManifest(ns, name, value string) string {
	const text = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":%q,"name":%q},"data":{"value":%q}}`
	return fmt.Sprintf(text, ns, name, value)
}

// WidgetManifest returns the text of an object of WidgetDefinition.
func WidgetManifest(ns, name, size string) string {
	return fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"namespace":%q,"name":%q},"size":%q}`, ns, name, size)
}

// Apply writes a manifest as a client would, with all checks but authorization, and fails the test
// where that is refused. What it returns is as stored and must not be changed.
func Apply(t testing.TB, a *api.API, manifest string) *store.Object {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := a.Apply(context.Background(), obj)
	if err != nil {
		t.Fatalf("%s: %v", manifest, err)
	}
	return o
}

// Remove takes an object out of a store, whatever holds it: no resource is asked, and finalizers
// count for nothing. Watches and controllers see it.
func Remove(t testing.TB, s *store.Store, resource, key string) {
	t.Helper()
	if _, err := s.Commit(context.Background(), store.Change{Bucket: s.Bucket(resource), Key: key, Expect: -1}); err != nil {
		t.Fatal(err)
	}
}

// Stored returns an object as it is stored, nil if there is none.
func Stored(s *store.Store, resource, key string) *store.Object {
	sn := s.Bucket(resource).Now()
	return sn.Get(key)
}

// Contents returns all objects without their revisions, by resource and key, as they are after one
// commit: two states are alike if nothing but the times of the writes differs.
func Contents(s *store.Store) map[string]string {
	out := map[string]string{}
	_, all := s.Snapshots()
	for _, h := range all {
		for o := range h.Now.Scan("", "") {
			// The revision is the one thing in which two writes of the same object differ.
			before, after := o.SplitAtRevision()
			out[h.Bucket.Name+" "+o.Key] = string(before) + string(after)
		}
	}
	return out
}

// Files makes a directory with these files, by names that may have folders, for the time of a test.
func Files(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// SameContents compares what Contents has returned, and shows each object that is missing, is too
// many, or differs.
func SameContents(t testing.TB, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s\n got %s\nwant %s", key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s is there: %s", key, got[key])
		}
	}
}

// Main runs the tests of a package, and fails if a goroutine of this program's own is left after
// them: everything that a test starts ends with it.
func Main(m *testing.M) {
	code := m.Run()
	// What was told to end may still be ending.
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		left := leftOver()
		if left == "" {
			os.Exit(code)
		}
		if time.Now().After(deadline) {
			fmt.Printf("goroutines are left:\n%s\n", left)
			os.Exit(1)
		}
	}
}

// leftOver returns the stacks of the goroutines that run code of this module or of net/http, but
// for the one that asks.
func leftOver() string {
	buf := make([]byte, 1<<20)
	var left []string
	// The first stack is the one that asks.
	for i, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if i > 0 && (strings.Contains(stack, "apichain/") || strings.Contains(stack, "net/http.")) && !strings.Contains(stack, "testing.(*F)") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
