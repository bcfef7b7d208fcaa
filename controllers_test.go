package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/controller"
	"apichain/internal/tree"
)

// clients is a running program and a client of it, for tests of what many requests make.
type clients struct {
	*running
	kind string
	c    *http.Client
}

// startClients runs a program and makes a client of a kind.
func startClients(t testing.TB, kind string, args ...string) *clients {
	t.Helper()
	r := startProgram(t, nil, args...)
	return &clients{r, kind, r.client(kind)}
}

// try sends a request; body is a string or a value to encode. A status 0 is no answer.
func (c *clients) try(method, path string, body any, header ...string) (int, map[string]any) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		in = strings.NewReader(string(tree.AppendJSON(nil, b)))
	}
	if method == "PATCH" && len(header) == 0 {
		header = []string{"Content-Type: " + api.MergePatchType}
	}
	got, err := c.send(c.c, c.kind, method, path, in, header...)
	if err != nil || got.err != nil {
		return 0, nil
	}
	obj, _, err := tree.ParseJSONObject([]byte(got.body))
	if err != nil {
		obj = map[string]any{"text": got.body}
	}
	return got.status, obj
}

// must is try for a request that has to be answered with a status.
func (c *clients) must(want int, method, path string, body any, header ...string) map[string]any {
	c.t.Helper()
	code, obj := c.try(method, path, body, header...)
	if code != want {
		text, _ := json.Marshal(obj)
		c.t.Fatalf("%s %s: got %d, want %d: %s", method, path, code, want, text)
	}
	return obj
}

// soon asks again and again until what is so, for at most a second: so long may take what
// the server does by itself. A machine that is busy gets more.
func (c *clients) soon(what string, is func() bool) {
	c.t.Helper()
	const limit, last = time.Second, 20 * time.Second
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !is(); <-tick.C {
		if time.Since(begun) > last {
			c.t.Fatalf("not within %v: %s", last, what)
		}
		if took := time.Since(begun); took > limit && !c.busy() {
			c.t.Fatalf("not within a second: %s", what)
		}
	}
}

// busy reports whether a request for nothing takes longer than it should: then times say
// nothing about the program.
func (c *clients) busy() bool {
	begun := time.Now()
	c.try("GET", "/version", nil)
	return time.Since(begun) > 10*time.Millisecond
}

// missing and there are for soon.
func (c *clients) missing(path string) func() bool {
	return func() bool { code, _ := c.try("GET", path, nil); return code == 404 }
}

func (c *clients) there(path string) func() bool {
	return func() bool { code, _ := c.try("GET", path, nil); return code == 200 }
}

// mapObject is one to send; more is set in its metadata.
func mapObject(name string, more ...map[string]any) map[string]any {
	m := map[string]any{"name": name}
	for _, set := range more {
		for k, v := range set {
			m[k] = v
		}
	}
	return map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": m}
}

// owned is metadata with owners.
func ownedBy(refs ...any) map[string]any { return map[string]any{"ownerReferences": refs} }

// ref is a reference to an object that was answered; more are fields of it.
func ref(obj map[string]any, more ...string) map[string]any {
	r := map[string]any{"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": tree.Name(obj), "uid": tree.Text(obj, "metadata", "uid")}
	for _, f := range more {
		r[f] = true
	}
	return r
}

func held(by ...any) map[string]any { return map[string]any{"finalizers": by} }

// release takes all finalizers of an object away.
func (c *clients) release(path string) {
	c.t.Helper()
	c.must(200, "PATCH", path, `{"metadata":{"finalizers":null}}`)
}

// revision is what an object was written at.
func revision(obj map[string]any) string { return tree.Text(obj, "metadata", "resourceVersion") }

// definition is a CustomResourceDefinition of a kind in example.com, with a schema of spec;
// change may change it.
func definitionOf(plural, kind, scope string, change ...func(crd map[string]any)) map[string]any {
	text := `{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"` + plural + `.example.com"},"spec":{"group":"example.com","scope":"` + scope + `",
	"names":{"plural":"` + plural + `","kind":"` + kind + `"},"versions":[` + version("v1", true, "size:integer", "color:string") + `]}}`
	crd, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		panic(err)
	}
	for _, f := range change {
		f(crd)
	}
	return crd
}

// version is a version of a definition whose spec has the fields, as name:type.
func version(name string, storage bool, fields ...string) string {
	var props []string
	for _, f := range fields {
		field, typ, _ := strings.Cut(f, ":")
		props = append(props, `"`+field+`":{"type":"`+typ+`"}`)
	}
	is := "false"
	if storage {
		is = "true"
	}
	return `{"name":"` + name + `","served":true,"storage":` + is + `,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{` + strings.Join(props, ",") + `}}}}},"subresources":{"status":{}}}`
}

// versions puts other versions into a definition.
func versions(texts ...string) func(crd map[string]any) {
	return func(crd map[string]any) {
		var list []any
		for _, text := range texts {
			v, _, err := tree.ParseJSONObject([]byte(text))
			if err != nil {
				panic(err)
			}
			list = append(list, v)
		}
		tree.Set(crd, list, "spec", "versions")
	}
}

const (
	definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	mapsPath        = "/api/v1/namespaces/default/configmaps"
)

// custom is an object of a kind of definitionOf.
func custom(kind, name string, more ...map[string]any) map[string]any {
	obj := mapObject(name, more...)
	obj["kind"], obj["apiVersion"] = kind, "example.com/v1"
	return obj
}

// TestStartingState: what is there before the first request, and is put right by whoever
// has broken it.
func TestStartingState(t *testing.T) {
	c := startClients(t, "https")
	for _, ns := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		space := c.must(200, "GET", "/api/v1/namespaces/"+ns, nil)
		if tree.Text(space, "status", "phase") != "Active" || tree.At(space, "metadata", "labels", "kubernetes.io/metadata.name") != ns {
			t.Errorf("%s: %v", ns, space)
		}
		c.must(200, "GET", "/api/v1/namespaces/"+ns+"/serviceaccounts/default", nil)
		root := c.must(200, "GET", "/api/v1/namespaces/"+ns+"/configmaps/"+controller.RootCAName, nil)
		if tree.Text(root, "data", "ca.crt") != string(c.certs.CAPEM()) {
			t.Errorf("%s: another CA", ns)
		}
	}
	service := c.must(200, "GET", "/api/v1/namespaces/default/services/kubernetes", nil)
	ends := c.must(200, "GET", "/api/v1/namespaces/default/endpoints/kubernetes", nil)
	port := tree.At(tree.List(service, "spec", "ports")[0], "port")
	if port != tree.At(tree.List(tree.List(ends, "subsets")[0], "ports")[0], "port") || !strings.HasSuffix(c.url("https", ""), ":"+string(tree.AppendJSON(nil, port))) {
		t.Errorf("%v %v, listening at %s", service, ends, c.url("https", ""))
	}
}

// TestFollowersOfTheLog: who acts on the log of events does all it should, however fast that goes on.
func TestFollowersOfTheLog(t *testing.T) {
	// A log of few events goes on without the controllers, and without who follows the
	// definitions: they look at everything again.
	c := startClients(t, "http", "--watch-window-events=8")
	owner := c.must(201, "POST", mapsPath, mapObject("owner"))
	done := make(chan struct{})
	for w := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 50 {
				c.try("POST", mapsPath, mapObject("d-"+strconv.Itoa(w)+"-"+strconv.Itoa(i), ownedBy(ref(owner))))
			}
		}()
	}
	for range 4 {
		await(t, "a writer", done)
	}
	c.must(201, "POST", "/api/v1/namespaces", map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": "late"}})
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.must(200, "DELETE", mapsPath+"/owner", nil)
	c.soon("the dependents are collected", func() bool {
		return len(tree.List(c.must(200, "GET", mapsPath, nil), "items")) == 1 // the CA
	})
	c.soon("the namespace is furnished", c.there("/api/v1/namespaces/late/serviceaccounts/default"))
	c.must(201, "POST", "/apis/example.com/v1/namespaces/late/widgets", custom("Widget", "w"))
}
