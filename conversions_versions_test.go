package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/etcd/etcdtest"
	"apichain/internal/tree"
)

// Upstream's integration test of conversion webhooks, row by row, over HTTP through the whole chain: a definition of
// three versions that are served, of which the last has other fields, and one that is not served; webhooks that convert,
// change metadata, and fail.

const multisPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/multiversion.stable.example.com"

// multiVersions are the versions that are served.
var multiVersions = []string{"v1beta1", "v1alpha1", "v1beta2"}

// multis is the definition under test.
type multis struct {
	*clients
	hook *conversionWebhook
	ns   string
}

// define stores the definition with a storage version and a conversion; unserved are versions that are not served.
func (m *multis) define(stored, conversion string, unserved ...string) {
	m.t.Helper()
	version := func(name, suffix string) string {
		isServed := name != "v1alpha2"
		for _, u := range unserved {
			isServed = isServed && u != name
		}
		return strings.NewReplacer("NAME", name, "SUFFIX", suffix, "SERVED", fmt.Sprint(isServed), "STORED", fmt.Sprint(name == stored)).Replace(
			`{"name":"NAME","served":SERVED,"storage":STORED,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.num.num1","statusReplicasPath":".status.num.num2"}},
			"schema":{"openAPIV3Schema":{"type":"object","properties":{"contentSUFFIX":{"type":"object","properties":{"key":{"type":"string"}}},
			"numSUFFIX":{"type":"object","properties":{"num1":{"type":"integer"},"num2":{"type":"integer"}}},
			"defaults":{"type":"object","properties":{"v1alpha1":{"type":"boolean"},"v1alpha2":{"type":"boolean"},"v1beta1":{"type":"boolean"},"v1beta2":{"type":"boolean"},"NAME":{"type":"boolean","default":true}}}}}}}`)
	}
	var versions []any
	for _, v := range [][2]string{{"v1beta1", ""}, {"v1alpha1", ""}, {"v1beta2", "v2"}, {"v1alpha2", ""}} {
		versions = append(versions, decoded(m.t, version(v[0], v[1])))
	}
	crd := map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "multiversion.stable.example.com"},
		"spec": map[string]any{"group": "stable.example.com", "scope": "Namespaced", "versions": versions, "conversion": decoded(m.t, conversion),
			"names": map[string]any{"plural": "multiversion", "singular": "multiversion", "kind": "MultiVersion", "listKind": "MultiVersionList", "shortNames": []any{"mv"}, "categories": []any{"all"}}}}
	if code, was := m.Try("GET", multisPath, nil); code == 200 {
		tree.Set(crd, revision(was), "metadata", "resourceVersion")
		m.Must(200, "PUT", multisPath, crd)
		return
	}
	m.Must(201, "POST", definitionsPath, crd)
}

// path returns the path of an object, or with "" of all.
func (m *multis) path(version, name string) string {
	return strings.TrimSuffix("/apis/stable.example.com/"+version+"/namespaces/"+m.ns+"/multiversion/"+name, "/")
}

// fixture is an object in a version.
func (m *multis) fixture(version, name string) map[string]any {
	suffix := ""
	if version == "v1beta2" {
		suffix = "v2"
	}
	return map[string]any{"apiVersion": "stable.example.com/" + version, "kind": "MultiVersion", "metadata": map[string]any{"name": name, "namespace": m.ns},
		"content" + suffix: map[string]any{"key": "value"}, "num" + suffix: map[string]any{"num1": int64(1), "num2": int64(1000000)}}
}

// verify reports what of an object is not as a version has it.
func (m *multis) verify(version string, obj map[string]any) {
	m.t.Helper()
	want := m.fixture(version, tree.Name(obj))
	got := map[string]any{}
	for k, v := range obj {
		if k != "defaults" {
			got[k] = v
		}
	}
	got["metadata"] = want["metadata"]
	if !tree.Equal(got, want) {
		m.t.Errorf("in %s: %v, want %v", version, got, want)
	}
}

// stored returns an object as it is stored.
func (m *multis) stored(name string) map[string]any {
	return apitest.Stored(m.store, "multiversion.stable.example.com", m.ns+"/"+name).Decode()
}

// nontrivial converts as upstream's webhook does.
func nontrivial(obj map[string]any, to string) error {
	from := tree.Text(obj, "apiVersion")
	rename := func(a, b string) {
		for _, f := range []string{"num", "content"} {
			if v, ok := obj[f+a]; ok {
				delete(obj, f+a)
				obj[f+b] = v
			}
		}
	}
	if strings.HasSuffix(from, "alpha2") || strings.HasSuffix(to, "alpha2") {
		return errors.New("cannot convert from " + from + " to " + to)
	}
	switch isNew := strings.HasSuffix(from, "/v1beta2"); {
	case isNew && !strings.HasSuffix(to, "/v1beta2"):
		rename("v2", "")
	case !isNew && strings.HasSuffix(to, "/v1beta2"):
		rename("", "v2")
	}
	return nil
}

// The checks of upstream's test, by its names.

func (m *multis) validateStorageVersion(conversion string) {
	for _, v := range multiVersions {
		m.Must(201, "POST", m.path(v, ""), m.fixture(v, "storageversion-"+v))
		m.define("v1beta2", conversion)
		m.Must(200, "GET", m.path(v, "storageversion-"+v), nil)
		m.define("v1beta1", conversion)
	}
}

func (m *multis) validateServed(conversion string) {
	for _, v := range multiVersions {
		m.Must(201, "POST", m.path(v, ""), m.fixture(v, "served-"+v))
		stored := "v1beta1"
		m.define(stored, conversion, v)
		m.Must(404, "GET", m.path(v, "served-"+v), nil)
		m.define(stored, conversion)
		m.Must(200, "GET", m.path(v, "served-"+v), nil)
	}
}

func (m *multis) validateMixedStorageVersions(versions ...string) func(string) {
	return func(conversion string) {
		for _, v := range versions {
			m.define(v, conversion)
			m.Must(201, "POST", m.path(v, ""), m.fixture(v, "mixed-"+v))
		}
		for _, v := range multiVersions {
			first := m.Must(200, "GET", m.path(v, "mixed-"+versions[0]), nil)
			for _, other := range versions[1:] {
				o := m.Must(200, "GET", m.path(v, "mixed-"+other), nil)
				o["metadata"] = first["metadata"]
				if !tree.Equal(o, first) {
					m.t.Errorf("in %s, stored as %s: %v, want %v", v, other, o, first)
				}
			}
		}
		m.define("v1beta1", conversion)
	}
}

func (m *multis) validateNonTrivialConverted(string) {
	for _, created := range multiVersions {
		obj, name := m.fixture(created, "converted-"+created), "converted-"+created
		obj["garbage"] = "foo"
		m.Must(201, "POST", m.path(created, ""), obj)
		m.verify("v1beta1", m.stored(name))
		for _, v := range multiVersions {
			m.verify(v, m.Must(200, "GET", m.path(v, name), nil))
		}
		for _, sub := range []string{"", "/status"} {
			m.Must(200, "PATCH", m.path(created, name)+sub, `{"metadata":{"annotations":{"main":"true"}}}`)
			m.verify("v1beta1", m.stored(name))
		}
	}
}

func (m *multis) validateNonTrivialConvertedList(string) {
	for _, v := range multiVersions {
		m.Must(201, "POST", m.path(v, ""), m.fixture(v, "listed-"+v))
	}
	for _, v := range multiVersions {
		items := tree.List(m.Must(200, "GET", m.path(v, ""), nil), "items")
		if len(items) != len(multiVersions) {
			m.t.Errorf("in %s: %d items", v, len(items))
		}
		for _, o := range items {
			m.verify(v, o.(map[string]any))
		}
	}
}

func (m *multis) validateDefaulting(string) {
	for _, created := range multiVersions {
		name := "defaulting-" + created
		obj := m.fixture(created, name)
		obj["defaults"] = map[string]any{}
		got := tree.Object(m.Must(201, "POST", m.path(created, ""), obj), "defaults")
		// In the version of the request, and in the storage version when it is read back.
		if want := map[string]any{created: true, "v1beta1": true}; !tree.Equal(got, want) {
			m.t.Errorf("created in %s: %v", created, got)
		}
		for _, v := range multiVersions {
			got := tree.Object(m.Must(200, "GET", m.path(v, name), nil), "defaults")
			if want := map[string]any{created: true, "v1beta1": true}; !tree.Equal(got, want) {
				m.t.Errorf("created in %s, read in %s: %v", created, v, got)
			}
		}
	}
}

func (m *multis) validateObjectMetaMutation(string) {
	check := func(obj map[string]any, changed bool) {
		m.t.Helper()
		meta := tree.Metadata(obj)
		if (tree.At(meta, "labels", "from") != nil) != changed || (tree.At(meta, "annotations", "to") != nil) != changed ||
			meta["finalizers"] != nil || meta["garbage"] != nil || meta["ownerReferences"] != nil || tree.At(meta, "generation") == int64(42) || revision(obj) == "42" {
			m.t.Errorf("changed %t: %v", changed, meta)
		}
	}
	check(m.Must(201, "POST", m.path("v1beta1", ""), m.fixture("v1beta1", "mutation-a")), false)
	check(m.Must(200, "GET", m.path("v1beta2", "mutation-a"), nil), true)
	check(m.Must(201, "POST", m.path("v1beta2", ""), m.fixture("v1beta2", "mutation-b")), true)
	for _, o := range tree.List(m.Must(200, "GET", m.path("v1beta2", ""), nil), "items") {
		check(o.(map[string]any), true)
	}
}

// expectFailure returns a check that a create in another version fails with a text.
func (m *multis) expectFailure(want string) func(string) {
	return func(string) {
		if e := m.Must(500, "POST", m.path("v1beta2", ""), m.fixture("v1beta2", "mutation-x")); !strings.Contains(tree.Text(e, "message"), want) {
			m.t.Errorf("%v, want %s", e, want)
		}
		m.Must(404, "GET", m.path("v1beta1", "mutation-x"), nil)
	}
}

// mutateMetadata changes everything of metadata, of which labels and annotations alone may be.
func mutateMetadata(obj map[string]any, to string) error {
	m := tree.Metadata(obj)
	if !strings.Contains(tree.Name(obj), "mutation") {
		return nontrivial(obj, to)
	}
	from := tree.Text(obj, "apiVersion")
	m["annotations"] = map[string]any{"from": from, "to": to}
	m["labels"] = map[string]any{"from": strings.Replace(from, "/", ".", 1), "to": strings.Replace(to, "/", ".", 1)}
	m["generation"], m["resourceVersion"], m["finalizers"], m["garbage"] = 42, "42", []any{"foo"}, "foo"
	m["ownerReferences"] = []any{map[string]any{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1234"}}
	return nontrivial(obj, to)
}

// TestConversionIntegration is upstream's TestWebhookConverter: each webhook, asked by both versions of reviews, with its checks.
func TestConversionIntegration(t *testing.T) {
	m := &multis{clients: startClients(t, "https"), hook: startConversionWebhook(t)}
	answers := func(objects []any, result map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var review conversionReview
			_ = json.NewDecoder(r.Body).Decode(&review)
			_ = json.NewEncoder(w).Encode(map[string]any{"kind": review.Kind, "apiVersion": review.APIVersion,
				"response": map[string]any{"uid": review.Request.UID, "convertedObjects": objects, "result": result}})
		}
	}
	type check = func(string)
	for i, c := range []struct {
		group   string
		convert func(map[string]any, string) error
		handle  http.HandlerFunc
		checks  []check
	}{
		{"noop", func(map[string]any, string) error { return nil }, nil, []check{m.validateStorageVersion, m.validateServed, m.validateMixedStorageVersions("v1alpha1", "v1beta1")}},
		{"nontrivial", nontrivial, nil, []check{m.validateStorageVersion, m.validateServed, m.validateMixedStorageVersions("v1alpha1", "v1beta1", "v1beta2"),
			m.validateNonTrivialConverted, m.validateNonTrivialConvertedList, m.validateDefaulting}},
		{"metadata-mutating", mutateMetadata, nil, []check{m.validateObjectMetaMutation}},
		{"metadata-uid-mutating", func(obj map[string]any, _ string) error { tree.Metadata(obj)["uid"] = "42"; return nil }, nil, []check{m.expectFailure("must have the same UID")}},
		{"empty-response", nil, answers([]any{}, map[string]any{"status": "Success"}), []check{m.expectFailure("returned 0 objects, expected 1")}},
		{"failure-message", nil, answers([]any{}, map[string]any{"status": "Failure", "message": "custom webhook conversion error"}), []check{m.expectFailure("custom webhook conversion error")}},
		{"unhandled", nil, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nil", 400) }, []check{m.expectFailure("the server rejected our request")}},
	} {
		for j, versions := range []string{`"v1","v1beta1"`, `"v1beta1","v1"`} {
			conversion := m.hook.conversion(versions)
			m.hook.set(c.convert, c.handle)
			m.define("v1beta1", conversion)
			for k, check := range c.checks {
				m.ns = fmt.Sprintf("ns-%d-%d-%d", i, j, k)
				m.Must(201, "POST", "/api/v1/namespaces", apitest.Namespace(m.ns))
				check(conversion)
				if t.Failed() {
					t.Fatalf("%s, %s, check %d", c.group, versions, k)
				}
			}
		}
	}
}

// TestConversionOfUnusedVersions: a version that is neither served nor stored is never asked for (upstream's
// TestWebhookNotCalledForUnusedVersions, but for server-side apply).
func TestConversionOfUnusedVersions(t *testing.T) {
	m := &multis{clients: startClients(t, "https"), hook: startConversionWebhook(t), ns: "default"}
	m.define("v1alpha2", `{"strategy":"None"}`)
	m.Must(201, "POST", m.path("v1beta1", ""), m.fixture("v1beta1", "marker"))
	m.define("v1beta1", `{"strategy":"None"}`)
	marker := m.fixture("v1alpha1", "marker")
	tree.Set(marker, revision(m.Must(200, "GET", m.path("v1alpha1", "marker"), nil)), "metadata", "resourceVersion")
	m.Must(200, "PUT", m.path("v1alpha1", "marker"), marker)
	m.hook.set(func(obj map[string]any, to string) error {
		if strings.HasSuffix(to, "v1alpha2") {
			t.Error("the webhook is asked for v1alpha2")
		}
		return nontrivial(obj, to)
	}, nil)
	m.define("v1beta1", m.hook.conversion(`"v1","v1beta1"`))
	for _, v := range multiVersions {
		m.verify(v, m.Must(200, "GET", m.path(v, "marker"), nil))
		m.Must(200, "PATCH", m.path(v, "marker"), `{"metadata":{"annotations":{"by":"`+v+`"}}}`)
	}
}

// TestConversionExplained: an explanation names the definition whose webhook would convert, beside those of admission, and asks nobody.
func TestConversionExplained(t *testing.T) {
	hook := startConversionWebhook(t)
	r := startProgram(t, nil)
	r.clients("http").Must(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", convertedDefinition("v1", hook.conversion(`"v1"`)))
	r.clients("http").Soon("gears are served", func() bool { return r.get("http", gearsV2).status == 200 })
	for request, want := range map[string]string{
		"GET " + gearsV1:          "",
		"POST " + gearsV1:         "",
		"GET " + gearsV2 + "/a":   "gears.example.com for objects of v1",
		"PATCH " + gearsV2 + "/a": "gears.example.com for objects of v1",
		"GET /api/v1/pods":        "",
	} {
		if e := r.mustExplain(t, request, "listener=http"); !e.ReachesHandler || strings.Join(e.Webhooks, ", ") != want {
			t.Errorf("%s: %q, want %q", request, e.Webhooks, want)
		}
	}
	if asked := hook.taken(); len(asked) > 0 {
		t.Errorf("the webhook was asked %v", asked)
	}
}

// TestConversionAfterRestart: objects that were stored in another version are converted by the process that comes after; and
// with the webhook away what is stored as it is asked for is served.
func TestConversionAfterRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	hook := startConversionWebhook(t)
	first := startKept(t, dir)
	first.Must(201, "POST", definitionsPath, convertedDefinition("v1", hook.conversion(`"v1"`)))
	first.Must(201, "POST", gearsV1, gear("old", 1))
	crd := decoded(t, convertedDefinition("v2", hook.conversion(`"v1"`)))
	tree.Set(crd, revision(first.Must(200, "GET", definitionsPath+"/gears.example.com", nil)), "metadata", "resourceVersion")
	first.Must(200, "PUT", definitionsPath+"/gears.example.com", crd)
	first.Must(201, "POST", gearsV1, gear("new", 2))
	first.stop()
	hook.taken()

	second := startKept(t, dir)
	if got := tree.At(second.Must(200, "GET", gearsV2+"/new", nil), "spec", "dimension"); got != int64(2) || len(hook.taken()) != 0 {
		t.Errorf("stored in the version: %v, asked %v", got, hook.taken())
	}
	list := tree.List(second.Must(200, "GET", gearsV2, nil), "items")
	if asked := fmt.Sprint(hook.taken()); len(list) != 2 || tree.At(list[1], "spec", "dimension") != int64(1) || asked != "[v2<v1/old]" {
		t.Errorf("stored in an older one: %v, asked %s", list, asked)
	}
	hook.Close()
	second.Must(200, "GET", gearsV2+"/new", nil)
	second.Must(200, "GET", gearsV2, nil) // from what was converted before
	e := second.Must(500, "GET", gearsV1, nil)
	if !strings.Contains(tree.Text(e, "message"), "conversion webhook for example.com/v2, Kind=Gear failed: Post ") || len(tree.List(e, "details", "causes")) != 1 {
		t.Errorf("away: %v", e)
	}
	page := second.get("http", "/metrics").body
	for _, want := range []string{
		`apiserver_crd_conversion_webhook_duration_seconds_count{crd_name="gears.example.com",from_version="v1",succeeded="true",to_version="v2"} 1`,
		`apiserver_conversion_webhook_request_total{failure_type="conversion_webhook_call_failure",result="failure"} `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	// Discovery and OpenAPI have both versions.
	if group := second.Must(200, "GET", "/apis/example.com", nil); len(tree.List(group, "versions")) != 2 {
		t.Errorf("the group: %v", group)
	}
	second.Must(200, "GET", "/openapi/v3/apis/example.com/v1", nil)
	if resources := second.Must(200, "GET", "/apis/example.com/v1", nil); len(tree.List(resources, "resources")) != 3 {
		t.Errorf("the resources of v1: %v", resources)
	}
}

// TestSlowConversion: while a webhook hangs, its own requests wait and no others: not reads of the stored version, not writes
// of it, not its watches; a request that a watch of the other version waits for is none. Its time is a part of the request's own.
func TestSlowConversion(t *testing.T) {
	c := startClients(t, "https")
	hook := startConversionWebhook(t)
	c.Must(201, "POST", definitionsPath, convertedDefinition("v1", hook.conversion(`"v1"`)))
	c.Must(201, "POST", gearsV1, gear("a", 1))
	let, entered := make(chan struct{}), make(chan struct{}, 1)
	hook.set(func(obj map[string]any, to string) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-let
		return resize(obj, to)
	}, nil)
	slow := c.Watch(t, gearsV2+"?watch=true")
	var all sync.WaitGroup
	all.Go(func() { c.Must(200, "GET", gearsV2+"/a", nil) })
	<-entered
	quick := c.Watch(t, gearsV1+"?watch=true")
	if e := quick.Next(); tree.Name(e.Obj) != "a" {
		t.Errorf("%v", e)
	}
	begun := time.Now()
	for i := range 20 {
		c.Must(201, "POST", gearsV1, gear(fmt.Sprint("b", i), i))
		if e := quick.Next(); tree.Name(e.Obj) != fmt.Sprint("b", i) {
			t.Errorf("%v", e)
		}
	}
	c.Must(200, "GET", gearsV1, nil)
	if took := time.Since(begun); took > 25*time.Second {
		t.Errorf("it took %v", took)
	}
	close(let)
	all.Wait()
	for range 21 {
		if e := slow.Next(); e.Type != "ADDED" || tree.Text(e.Obj, "apiVersion") != "example.com/v2" {
			t.Errorf("%v", e)
		}
	}
}

// TestConversionOverEtcd: two programs on one etcd convert each other's objects, whichever version is stored at the time.
func TestConversionOverEtcd(t *testing.T) {
	etcd, hook := etcdtest.Start(t, 1), startConversionWebhook(t)
	one, two := startShared(t, etcd), startShared(t, etcd)
	one.Must(201, "POST", definitionsPath, convertedDefinition("v1", hook.conversion(`"v1"`)))
	made := one.Must(201, "POST", gearsV1, gear("old", 1))
	two.Soon("the definition is there", two.There(gearsV2))
	if got := tree.At(two.Must(200, "GET", gearsV2+"/old", nil), "spec", "dimension"); got != int64(1) {
		t.Errorf("read by the other: %v", got)
	}
	watched := two.Watch(t, gearsV2+"?watch=true&resourceVersion="+revision(made))
	one.Must(201, "POST", gearsV1, gear("new", 2))
	if e := watched.Next(); tree.Name(e.Obj) != "new" || tree.At(e.Obj, "spec", "dimension") != int64(2) {
		t.Errorf("watched by the other: %v", e)
	}
	crd := decoded(t, convertedDefinition("v2", hook.conversion(`"v1"`)))
	tree.Set(crd, revision(one.Must(200, "GET", definitionsPath+"/gears.example.com", nil)), "metadata", "resourceVersion")
	one.Must(200, "PUT", definitionsPath+"/gears.example.com", crd)
	watched.Ended() // the other knows, too
	stored := func() string {
		return string(etcd.Get("/registry/example.com/gears/default/old").Value)
	}
	if text := stored(); !strings.Contains(text, `"apiVersion":"example.com/v1"`) {
		t.Errorf("before it is written again: %s", text)
	}
	two.Must(200, "PATCH", gearsV1+"/old", `{"spec":{"size":3}}`)
	if text := stored(); !strings.Contains(text, `"apiVersion":"example.com/v2"`) || !strings.Contains(text, `"dimension":3`) {
		t.Errorf("after that: %s", text)
	}
	for _, c := range []*clients{one, two} {
		if got := tree.At(c.Must(200, "GET", gearsV1+"/old", nil), "spec", "size"); got != int64(3) {
			t.Errorf("read again: %v", got)
		}
	}
}
