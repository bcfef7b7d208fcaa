package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// converting stands for the webhooks: objects of gears have spec.size in v1, and spec.dimension in v2 and v3.
type converting struct {
	mu sync.Mutex
	// asked has what was asked for: "v2<v1/a v1/b".
	asked []string
	// fail returns what is wrong with an object, and whether it is what the webhook says; nil: nothing is.
	fail func(name, to string) (answered bool, err error)
	// change may change a converted object; nil: nothing is changed.
	change func(obj map[string]any)
	// wait is called before each answer, if it is not nil.
	wait func()
	// dropped are the definitions that convert no more, and made how many converters there were.
	dropped []string
	made    int
}

func (c *converting) Converter(crd map[string]any) api.Converter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made++; tree.Text(crd, "spec", "conversion", "strategy") != "Webhook" {
		panic("a definition that wants no webhook")
	}
	return c
}

func (c *converting) Drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = append(c.dropped, name)
}

// set changes how it fails and what it does to objects.
func (c *converting) set(fail func(name, to string) (bool, error), change func(obj map[string]any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail, c.change = fail, change
}

// taken returns what was asked since the last time.
func (c *converting) taken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.Join(c.asked, "; ")
	c.asked = nil
	return text
}

func (c *converting) Convert(ctx context.Context, objs []map[string]any, apiVersion string) (out []map[string]any, answered bool, err error) {
	c.mu.Lock()
	fail, change, wait := c.fail, c.change, c.wait
	to := strings.TrimPrefix(apiVersion, "example.com/")
	text := to + "<"
	for i, o := range objs {
		if i > 0 {
			text += " "
		}
		text += strings.TrimPrefix(tree.Text(o, "apiVersion"), "example.com/") + "/" + tree.Name(o)
		if tree.At(o, "metadata", "resourceVersion") != nil {
			text += "!" // upstream shows none
		}
	}
	c.asked = append(c.asked, text)
	c.mu.Unlock()
	if wait != nil {
		wait()
	}
	for _, o := range objs {
		if fail != nil {
			if answered, err := fail(tree.Name(o), to); err != nil {
				return nil, answered, err
			}
		}
		o = tree.Copy(o).(map[string]any)
		o["apiVersion"] = apiVersion
		from, into := "size", "dimension"
		if to == "v1" {
			from, into = into, from
		}
		if spec := tree.Object(o, "spec"); spec[from] != nil {
			spec[into] = spec[from]
			delete(spec, from)
		}
		if change != nil {
			change(o)
		}
		out = append(out, o)
	}
	return out, true, ctx.Err()
}

// gearsDefinition defines gears in v1, v2 and v3, of which one is stored.
func gearsDefinition(stored, conversion string) map[string]any {
	var versions []string
	for v, size := range map[string]string{"v1": "size", "v2": "dimension", "v3": "dimension"} {
		versions = append(versions, strings.NewReplacer("NAME", v, "SIZE", size, "STORED", fmt.Sprint(v == stored)).Replace(`{"name":"NAME","served":true,"storage":STORED,
		"subresources":{"status":{},"scale":{"specReplicasPath":".spec.SIZE","statusReplicasPath":".status.n"}},"selectableFields":[{"jsonPath":".spec.SIZE"}],
		"additionalPrinterColumns":[{"name":"Of NAME","type":"integer","jsonPath":".spec.SIZE"}],
		"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"SIZE":{"type":"integer","maximum":100},
		"by-NAME":{"type":"string","default":"NAME"},"color":{"type":"string"}}},"status":{"type":"object","properties":{"n":{"type":"integer"}}}}}}}`))
	}
	slices.Sort(versions)
	return apitest.DefinitionOf("gears", "Gear", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, apitestTree(conversion), "spec", "conversion")
	}, apitest.Versions(versions...))
}

// apitestTree reads JSON.
func apitestTree(text string) map[string]any {
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		panic(err)
	}
	return obj
}

const (
	byHook  = `{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"https://localhost/convert"}}}`
	byOther = `{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"https://localhost/other"}}}`
	gears1  = "/apis/example.com/v1/namespaces/default/gears"
	gears2  = "/apis/example.com/v2/namespaces/default/gears"
	gears3  = "/apis/example.com/v3/namespaces/default/gears"
)

// gearOf is an object in v1, and in v2.
func gearOf(name string, size int, more ...string) string {
	return fmt.Sprintf(`{"kind":"Gear","apiVersion":"example.com/v1","metadata":{"name":%q%s},"spec":{"size":%d}}`, name, strings.Join(more, ""), size)
}

func gear2Of(name string, size int) string {
	return strings.NewReplacer("/v1", "/v2", "size", "dimension").Replace(gearOf(name, size))
}

// startConverting returns a server with gears that are stored in v1, and the webhook.
func startConverting(t testing.TB) (*apitest.Server, *converting) {
	hook := &converting{}
	s := apitest.Start(t, apitest.Config{Converters: hook})
	s.Must(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", gearsDefinition("v1", byHook))
	return s, hook
}

const gearsDefinitionPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.example.com"

// redefine changes the definition of gears.
func redefine(s *apitest.Server, stored, conversion string) {
	crd := gearsDefinition(stored, conversion)
	tree.Set(crd, apitest.Revision(s.Must(200, "GET", gearsDefinitionPath, nil)), "metadata", "resourceVersion")
	s.Must(200, "PUT", gearsDefinitionPath, crd)
}

// texts returns the specs of a list, by name.
func specsOf(list map[string]any) string {
	var out []string
	for _, o := range tree.List(list, "items") {
		out = append(out, tree.Text(o, "metadata", "name")+string(tree.AppendJSON(nil, tree.At(o, "spec"))))
	}
	return strings.Join(out, " ")
}

// TestConvertedReads: every read in another version than the stored one asks the webhook once for all that it needs and that was
// not asked before, and shows, selects and prints what it answers; a read of the stored version asks nobody.
func TestConvertedReads(t *testing.T) {
	s, hook := startConverting(t)
	for i, name := range []string{"a", "b", "c"} {
		s.Must(201, "POST", gears1, gearOf(name, i+1, `,"labels":{"l":"`+name+`"}`))
	}
	asks := func(what, path, spec, asked string, header ...string) map[string]any {
		t.Helper()
		got := s.Must(200, "GET", path, nil, header...)
		if text := hook.taken(); text != asked {
			t.Errorf("%s: the webhook was asked %q, want %q", what, text, asked)
		}
		if text := specsOf(got); spec != "" && text != spec {
			t.Errorf("%s: %s, want %s", what, text, spec)
		}
		return got
	}
	asks("the stored version", gears1, `a{"by-v1":"v1","size":1} b{"by-v1":"v1","size":2} c{"by-v1":"v1","size":3}`, "")
	// What v1 has by default is no field of v2, and what v2 has by default is not filled in by a read.
	got := asks("one", gears2+"/b", "", "v2<v1/b")
	if text := string(tree.AppendJSON(nil, got["spec"])); text != `{"dimension":2}` || tree.Text(got, "apiVersion") != "example.com/v2" ||
		apitest.Revision(got) != apitest.Revision(s.Must(200, "GET", gears1+"/b", nil)) {
		t.Errorf("one: %v", got)
	}
	asks("again", gears2+"/b", "", "")
	asks("a page", gears2+"?limit=2", `a{"dimension":1} b{"dimension":2}`, "v2<v1/a")
	asks("all", gears2, `a{"dimension":1} b{"dimension":2} c{"dimension":3}`, "v2<v1/c")
	asks("all again", gears2, `a{"dimension":1} b{"dimension":2} c{"dimension":3}`, "")
	asks("everywhere", "/apis/example.com/v2/gears", `a{"dimension":1} b{"dimension":2} c{"dimension":3}`, "")
	asks("another version", gears3, "", "v3<v1/a v1/b v1/c")
	asks("by a field", gears2+"?fieldSelector=spec.dimension%3D2", `b{"dimension":2}`, "")
	asks("by a label", gears2+"?labelSelector=l%3Dc", `c{"dimension":3}`, "")
	s.Must(400, "GET", gears2+"?fieldSelector=spec.size%3D2", nil)
	// Of an object that is written anew alone.
	s.Must(200, "PATCH", gears1+"/b", `{"spec":{"size":20}}`)
	asks("after a change", gears2, `a{"dimension":1} b{"dimension":20} c{"dimension":3}`, "v2<v1/b")
	s.Must(200, "PATCH", gears1+"/b", `{"spec":{"size":21}}`)
	asks("by another name", gears2+"?fieldSelector=metadata.name%3Da", `a{"dimension":1}`, "")
	asks("by name", gears2+"?fieldSelector=metadata.name%3Db", `b{"dimension":21}`, "v2<v1/b")
	asks("its scale", gears2+"/b/scale", "", "")
	table := asks("a table", gears2+"?limit=1", "", "", "Accept: application/json;as=Table;v=v1;g=meta.k8s.io")
	if text := fmt.Sprint(tree.At(tree.List(table, "rows")[0], "cells"), tree.At(tree.List(table, "columnDefinitions")[1], "name")); text != "[a 1]Of v2" {
		t.Errorf("a table: %s", text)
	}
	yaml := text(s, "GET", gears2+"/a", "Accept: application/yaml")
	if !strings.Contains(yaml, "dimension: 1\n") {
		t.Errorf("in YAML: %s", yaml)
	}
	if m := asks("metadata", gears2, "", "", "Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"); len(tree.List(m, "items")) != 3 {
		t.Errorf("metadata: %v", m)
	}
	// A page of what is selected may be followed by more.
	if page := asks("a page of the selected", gears2+"?labelSelector=l&limit=2", `a{"dimension":1} b{"dimension":21}`, ""); tree.Text(page, "metadata", "continue") == "" {
		t.Errorf("no next page: %v", page["metadata"])
	}
}

// text returns the text of an answer.
func text(s *apitest.Server, method, path string, header ...string) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer admin-token")
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	s.ServeHTTP(w, r)
	return w.Body.String()
}

// TestConvertedWrites: what is written in one version is checked by it, completed by it, and stored in the storage version,
// with that one's defaults; the answer is what a read shows. As upstream the webhook is asked on the way in and on the way out.
func TestConvertedWrites(t *testing.T) {
	s, hook := startConverting(t)
	stored := func(want string) {
		t.Helper()
		o := apitest.Stored(s.Store, "gears.example.com", "default/a").Decode()
		if got := tree.Text(o, "apiVersion") + string(tree.AppendJSON(nil, o["spec"])); got != want {
			t.Errorf("stored is %s, want %s", got, want)
		}
	}
	writes := func(code int, method, path, body, spec, asked string, header ...string) map[string]any {
		t.Helper()
		got := s.Must(code, method, path, body, header...)
		if text := string(tree.AppendJSON(nil, got["spec"])); text != spec {
			t.Errorf("%s %s is answered %s, want %s", method, path, text, spec)
		}
		if text := hook.taken(); text != asked {
			t.Errorf("%s %s: the webhook was asked %q, want %q", method, path, text, asked)
		}
		return got
	}
	const dry = "?dryRun=All"
	writes(201, "POST", gears2+dry, gear2Of("a", 1), `{"dimension":1}`, "v1<v2/a; v2<v1/a")
	s.Must(404, "GET", gears1+"/a", nil)
	writes(201, "POST", gears2, gear2Of("a", 1), `{"dimension":1}`, "v1<v2/a; v2<v1/a")
	stored(`example.com/v1{"by-v1":"v1","size":1}`)
	writes(200, "GET", gears2+"/a", "", `{"dimension":1}`, "")
	writes(200, "PATCH", gears2+"/a"+dry, `{"spec":{"dimension":9}}`, `{"dimension":9}`, "v1<v2/a; v2<v1/a")
	writes(200, "PATCH", gears2+"/a", `{"spec":{"dimension":2}}`, `{"dimension":2}`, "v1<v2/a; v2<v1/a")
	stored(`example.com/v1{"by-v1":"v1","size":2}`)
	// As upstream: one that changes nothing gets the defaults of v2, counts as a change by them, and loses them on its way.
	if got := writes(200, "PATCH", gears2+"/a", `{"spec":{"dimension":2}}`, `{"dimension":2}`, "v1<v2/a; v2<v1/a"); tree.At(got, "metadata", "generation") != int64(3) {
		t.Errorf("generation: %v", got["metadata"])
	}
	got := s.Must(422, "PATCH", gears2+"/a", `{"spec":{"dimension":1000}}`)
	if !strings.Contains(tree.Text(got, "message"), "spec.dimension in body should be less than or equal to 100") || hook.taken() != "" {
		t.Errorf("too large: %v", got)
	}
	s.Must(422, "PATCH", gears2+"/a?fieldValidation=Strict", `{"spec":{"size":1}}`)
	hook.taken()
	got = s.Must(200, "PATCH", gears2+"/a/status", `{"status":{"n":4},"spec":{"dimension":77}}`)
	if asked := hook.taken(); asked != "v1<v2/a; v2<v1/a" || tree.At(got, "status", "n") != int64(4) || tree.At(got, "spec", "dimension") != int64(2) {
		t.Errorf("the status: %v, asked %s", got, asked)
	}
	got = s.Must(200, "PATCH", gears2+"/a/scale", `{"spec":{"replicas":7}}`)
	if asked := hook.taken(); asked != "v1<v2/a; v2<v1/a" || tree.At(got, "spec", "replicas") != int64(7) || tree.At(got, "status", "replicas") != int64(4) {
		t.Errorf("the scale: %v, asked %s", got, asked)
	}
	stored(`example.com/v1{"by-v1":"v1","size":7}`)
	now := s.Must(200, "GET", gears2+"/a", nil)
	tree.Set(now, int64(8), "spec", "dimension")
	writes(200, "PUT", gears2+"/a", string(tree.AppendJSON(nil, now)), `{"dimension":8}`, "v1<v2/a; v2<v1/a")
	s.Must(409, "PUT", gears2+"/a", now)
	// A deletion that is held is a write.
	writes(200, "PATCH", gears2+"/a", `{"metadata":{"finalizers":["example.com/x"]}}`, `{"dimension":8}`, "v1<v2/a; v2<v1/a")
	got = s.Must(200, "DELETE", gears2+"/a", nil)
	if asked := hook.taken(); asked != "v1<v2/a" || tree.Text(got, "apiVersion") != "example.com/v2" || tree.Text(got, "metadata", "deletionTimestamp") == "" {
		t.Errorf("held: %v, asked %s", got, asked)
	}
	s.Must(200, "PATCH", gears2+"/a", `{"metadata":{"finalizers":null}}`)
	s.Must(404, "GET", gears1+"/a", nil)
	for _, name := range []string{"a", "b"} {
		s.Must(201, "POST", gears1, gearOf(name, 1))
	}
	hook.taken()
	if got := specsOf(s.Must(200, "DELETE", gears2, nil)); got != `a{"dimension":1} b{"dimension":1}` || hook.taken() != "v2<v1/a v1/b" {
		t.Errorf("the collection: %s", got)
	}
	if got := names(s.Must(200, "GET", gears1, nil)); got != "" {
		t.Errorf("left are %s", got)
	}
	// A name that is taken is tried with another one, which the webhook is asked for again.
	got = s.Must(201, "POST", gears2, `{"kind":"Gear","apiVersion":"example.com/v2","metadata":{"generateName":"g-"},"spec":{"dimension":1}}`)
	if !strings.HasPrefix(tree.Name(got), "g-") || tree.At(got, "spec", "dimension") != int64(1) {
		t.Errorf("a generated name: %v", got)
	}
}

// TestStoredInOlderVersions: after another version is stored, what was stored before is converted for it, and what is
// written anew is not; of a list those objects alone are asked for that are not in its version (upstream's
// TestGetObjectsToConvert). That versions were stored is kept.
func TestStoredInOlderVersions(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("one", 1))
	redefine(s, "v2", byHook)
	s.Must(201, "POST", gears2, gear2Of("two", 2))
	redefine(s, "v3", byHook)
	s.Must(201, "POST", gears3, strings.Replace(gear2Of("three", 3), "/v2", "/v3", 1))
	hook.taken()
	for path, want := range map[string]string{
		gears1: "v1<v3/three v2/two", gears2: "v2<v1/one v3/three", gears3: "v3<v1/one v2/two",
	} {
		list := s.Must(200, "GET", path, nil)
		if got := hook.taken(); got != want || len(tree.List(list, "items")) != 3 {
			t.Errorf("%s: asked %s, want %s", path, got, want)
		}
	}
	// A migration writes each object as it is.
	for _, name := range []string{"one", "two", "three"} {
		s.Must(200, "PATCH", gears3+"/"+name, `{}`)
		if got := tree.Text(apitest.Stored(s.Store, "gears.example.com", "default/"+name).Decode(), "apiVersion"); got != "example.com/v3" {
			t.Errorf("%s is stored in %s", name, got)
		}
	}
	hook.taken()
	if got := specsOf(s.Must(200, "GET", gears3, nil)); hook.taken() != "" || !strings.HasPrefix(got, `one{"by-v3":"v3","dimension":1}`) {
		t.Errorf("after the migration: %s", got)
	}
	if got := tree.At(s.Must(200, "GET", gearsDefinitionPath, nil), "status", "storedVersions"); !tree.Equal(got, []any{"v1", "v2", "v3"}) {
		t.Errorf("stored versions: %v", got)
	}
	// What looks objects up sees them in the storage version.
	if got := s.API.Get("gears.example.com", "default", "one"); tree.Text(got, "apiVersion") != "example.com/v3" {
		t.Errorf("looked up: %v", got)
	}
}

// TestLookups: who looks an object up that cannot be converted finds none, and finds the others.
func TestLookups(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("bad", 1))
	s.Must(201, "POST", gears1, gearOf("good", 1))
	redefine(s, "v2", byHook)
	hook.set(failsFor("bad", true), nil)
	if s.API.Get("gears.example.com", "default", "bad") != nil || s.API.Get("gears.example.com", "default", "good") == nil ||
		s.API.Get("gears.example.com", "default", "none") != nil {
		t.Error("one")
	}
	if all := s.API.List("gears.example.com", "default"); len(all) != 1 || tree.Name(all[0]) != "good" || tree.Text(all[0], "apiVersion") != "example.com/v2" {
		t.Errorf("all: %v", all)
	}
}

// failsFor lets a webhook fail for the objects whose names begin so.
func failsFor(prefix string, answered bool) func(name, to string) (bool, error) {
	return func(name, _ string) (bool, error) {
		if strings.HasPrefix(name, prefix) {
			return answered, errors.New("no " + prefix)
		}
		return true, nil
	}
}

// TestUnconvertible: what a client is told of objects that cannot be converted, in each verb, and that nothing is written then.
func TestUnconvertible(t *testing.T) {
	s, hook := startConverting(t)
	for _, name := range []string{"a", "bad1", "bad2", "c"} {
		s.Must(201, "POST", gears1, gearOf(name, 1, `,"labels":{"l":"`+name+`"}`))
	}
	before, contents := s.Store.Revision(), apitest.Contents(s.Store)
	hook.set(failsFor("bad", true), nil)
	corrupt := func(prefix, name string) string {
		return fmt.Sprintf("StorageError: corrupt object, Code: 7, Key: %s/example.com/gears/default/%s, ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision=%d: no bad",
			prefix, name, apitest.Stored(s.Store, "gears.example.com", "default/"+name).Rev)
	}
	for _, r := range []struct{ method, path, body string }{
		{"GET", gears2 + "/bad1", ""}, {"GET", gears2 + "/bad1/scale", ""}, {"DELETE", gears2 + "/bad1", ""}, {"PATCH", gears2 + "/bad1", `{"spec":{"dimension":2}}`},
		{"PATCH", gears2 + "/bad1/status", `{"status":{"n":2}}`}, {"PATCH", gears2 + "/bad1/scale", `{"spec":{"replicas":2}}`},
		{"PUT", gears2 + "/bad1", strings.Replace(gear2Of("bad1", 1), `"name"`, `"resourceVersion":"1","name"`, 1)},
	} {
		e := s.Must(500, r.method, r.path, r.body)
		if why := corrupt("", "bad1"); tree.Text(e, "message") != "Internal error occurred: "+why || tree.Text(e, "reason") != "InternalError" ||
			tree.Text(tree.List(e, "details", "causes")[0], "message") != why {
			t.Errorf("%s %s: %v", r.method, r.path, e)
		}
	}
	for _, query := range []string{"", "?labelSelector=l%3Da", "?limit=4", "?labelSelector=l&limit=4"} {
		e := s.Must(500, "GET", gears2+query, nil)
		causes := tree.List(e, "details", "causes")
		if tree.Text(e, "message") != "failed to read one or more gears.example.com from the storage: "+corrupt("/registry", "bad1")+" (and 1 more)" ||
			tree.Text(e, "reason") != "StorageReadError" || tree.Text(e, "details", "name") != "list" || len(causes) != 2 ||
			tree.Text(causes[1], "message") != corrupt("/registry", "bad2") || tree.Text(causes[1], "field") != "/registry/example.com/gears/default/bad2" {
			t.Errorf("%s: %v", query, e)
		}
	}
	s.Must(500, "DELETE", gears2, nil)
	// A page in front of it, and objects that are chosen by name.
	for query, want := range map[string]string{"?limit=1": "a", "?fieldSelector=metadata.name%3Dc": "c"} {
		if got := names(s.Must(200, "GET", gears2+query, nil)); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
	s.Must(200, "GET", gears2+"/a", nil)
	s.Must(200, "GET", gears1, nil)
	for _, r := range []struct{ method, path, body string }{{"POST", gears2, gear2Of("bad3", 1)}, {"POST", gears2 + "?dryRun=All", gear2Of("bad3", 1)}} {
		if e := s.Must(500, r.method, r.path, r.body); tree.Text(e, "message") != "no bad" || e["reason"] != nil {
			t.Errorf("%s: %v", r.method, e)
		}
	}
	if s.Store.Revision() != before {
		t.Error("something was written")
	}
	apitest.SameContents(t, apitest.Contents(s.Store), contents)
	// What was written but cannot be shown is written all the same (upstream).
	hook.set(func(_, to string) (bool, error) {
		if to == "v2" {
			return true, errors.New("no v2")
		}
		return true, nil
	}, nil)
	s.Must(500, "POST", gears2, gear2Of("d", 1))
	s.Must(200, "GET", gears1+"/d", nil)
	// A webhook that is not there is asked once for all.
	hook.set(failsFor("", false), nil)
	hook.taken()
	e := s.Must(500, "GET", gears3, nil)
	if got := hook.taken(); strings.Contains(got, ";") || len(tree.List(e, "details", "causes")) != 5 {
		t.Errorf("away: asked %s, %v", got, e)
	}
}

// TestManyUnconvertible: of very many objects that cannot be converted a hundred are told of, and the webhook is not asked
// for all the others.
func TestManyUnconvertible(t *testing.T) {
	s, hook := startConverting(t)
	for i := range 1200 {
		name := fmt.Sprintf("good-%04d", i)
		if i%2 == 1 {
			name = fmt.Sprintf("bad-%04d", i)
		}
		s.Must(201, "POST", gears1, gearOf(name, 1))
	}
	hook.set(failsFor("bad", true), nil)
	e := s.Must(500, "GET", gears2, nil)
	causes := tree.List(e, "details", "causes")
	if len(causes) != 101 || tree.Text(causes[100], "reason") != "FieldValueTooMany" || !strings.HasSuffix(tree.Text(e, "message"), " (and 99 more)") {
		t.Errorf("%d causes: %.300s", len(causes), tree.Text(e, "message"))
	}
	if n := strings.Count(hook.taken(), ";") + 1; n > 210 {
		t.Errorf("the webhook was asked %d times", n)
	}
	// What was converted on the way is kept.
	hook.set(nil, nil)
	s.Must(200, "GET", gears2, nil)
	for _, review := range strings.Split(hook.taken(), "; ") {
		if n := strings.Count(review, " ") + 1; n > 500 {
			t.Errorf("a review of %d objects", n)
		}
	}
}

// TestMetadataOfViews: labels that a webhook changes are those that a version selects by.
func TestMetadataOfViews(t *testing.T) {
	s, hook := startConverting(t)
	hook.set(nil, func(obj map[string]any) {
		tree.Set(obj, map[string]any{"version": strings.TrimPrefix(tree.Text(obj, "apiVersion"), "example.com/")}, "metadata", "labels")
	})
	s.Must(201, "POST", gears1, gearOf("a", 1, `,"labels":{"version":"v1"}`))
	for path, query := range map[string]string{gears1: "v1", gears2: "v2", gears3: "v3"} {
		if got := names(s.Must(200, "GET", path+"?labelSelector=version%3D"+query, nil)); got != "a" {
			t.Errorf("%s by its own label: %q", path, got)
		}
		if got := names(s.Must(200, "GET", path+"?labelSelector=version!%3D"+query, nil)); got != "" {
			t.Errorf("%s by another label: %q", path, got)
		}
	}
}

// TestViewsOfRedefined: with its definition what was converted for it goes, and its webhook when it asks for none, or ends.
func TestViewsOfRedefined(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("a", 1))
	s.Must(200, "GET", gears2, nil)
	hook.taken()
	// Labels of a definition change nothing.
	s.Must(200, "PATCH", gearsDefinitionPath, `{"metadata":{"labels":{"a":"b"}}}`)
	s.Must(200, "GET", gears2, nil)
	if got := hook.taken(); got != "" || hook.made != 1 {
		t.Errorf("after a label: asked %s, %d made", got, hook.made)
	}
	redefine(s, "v1", byOther)
	hook.set(nil, func(obj map[string]any) { tree.Set(obj, "new", "spec", "color") })
	if got := s.Must(200, "GET", gears2+"/a", nil); hook.taken() != "v2<v1/a" || tree.Text(got, "spec", "color") != "new" || hook.made != 2 {
		t.Errorf("after another webhook: %v", got)
	}
	redefine(s, "v1", `{"strategy":"None"}`)
	if got := s.Must(200, "GET", gears2+"/a", nil); hook.taken() != "" || string(tree.AppendJSON(nil, got["spec"])) != `{}` || len(hook.dropped) != 1 {
		t.Errorf("without a webhook: %v", got)
	}
	redefine(s, "v1", byHook)
	s.Must(200, "GET", gears2, nil)
	// One that ends converts until its objects are gone.
	s.Must(200, "PATCH", gears2+"/a", `{"metadata":{"finalizers":["example.com/x"]}}`)
	s.Must(200, "DELETE", gearsDefinitionPath, nil)
	if got := s.Must(200, "GET", gears2+"/a", nil); tree.Text(got, "spec", "color") != "new" {
		t.Errorf("while its definition ends: %v", got)
	}
	s.Release(gears2 + "/a")
	s.Soon("the definition goes", s.Missing(gearsDefinitionPath))
	s.Soon("its webhook goes", func() bool {
		hook.mu.Lock()
		defer hook.mu.Unlock()
		return len(hook.dropped) == 2
	})
}

// TestNamespaceOfConverted: a namespace is emptied in the storage version, so that it ends though the webhook is away.
func TestNamespaceOfConverted(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", "/api/v1/namespaces", apitest.Namespace("short"))
	s.Must(201, "POST", "/apis/example.com/v1/namespaces/short/gears", gearOf("a", 1))
	hook.set(failsFor("", false), nil)
	s.Must(200, "DELETE", "/api/v1/namespaces/short", nil)
	s.Soon("the namespace goes", s.Missing("/api/v1/namespaces/short"))
	if got := hook.taken(); got != "" {
		t.Errorf("asked %s", got)
	}
}

// TestAskedOnce: of many who want the same object at the same time one asks the webhook; the failure of who asks is not that
// of the others.
func TestAskedOnce(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("a", 1))
	entered, let := make(chan struct{}, 100), make(chan struct{})
	hook.wait = func() { entered <- struct{}{}; <-let }
	var all sync.WaitGroup
	get := func() {
		all.Go(func() { s.Must(200, "GET", gears2+"/a", nil) })
	}
	get()
	<-entered
	for range 10 {
		get()
	}
	close(let)
	all.Wait()
	if got := hook.taken(); got != "v2<v1/a" {
		t.Errorf("asked %s", got)
	}

	// The first one's client goes.
	s.Must(200, "PATCH", gears1+"/a", `{"spec":{"size":2}}`)
	let = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() {
		res, err := s.Send(ctx, "GET", gears2+"/a", nil)
		if err != nil || res.StatusCode != 500 {
			t.Errorf("a client that has gone: %v, %v", res, err)
		}
	})
	<-entered
	get()
	cancel()
	close(let)
	all.Wait()
}

// TestRedefinedWhileRead: while the definition changes in every way, requests see objects of their version, whole, or are told
// that the object cannot be read; afterwards nothing of the old is shown.
func TestRedefinedWhileRead(t *testing.T) {
	s, _ := startConverting(t)
	for i := range 20 {
		s.Must(201, "POST", gears1, gearOf(fmt.Sprint("g", i), i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i, path := range []string{gears1, gears2, gears3, gears2} {
		field := []string{"size", "dimension", "dimension", "dimension"}[i]
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				code, list := s.Try("GET", path+[]string{"", "?limit=7", "?labelSelector=a!%3Db"}[n%3], nil)
				if code != 200 {
					t.Errorf("%s: %d %v", path, code, list)
				}
				for _, o := range tree.List(list, "items") {
					v := tree.Text(o, "apiVersion")
					// With the strategy None the number is pruned: what is shown is never another version's.
					if v != strings.Split(path, "/")[2]+"/"+strings.Split(path, "/")[3] || tree.At(o, "spec", map[string]string{"size": "dimension", "dimension": "size"}[field]) != nil {
						t.Errorf("%s: %v", path, o)
					}
				}
				if code, e := s.Try("PATCH", path+fmt.Sprint("/g", n%20), fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, n)); code != 200 && code != 409 {
					t.Errorf("a write in %s: %d %v", path, code, e)
				}
			}
		})
	}
	for i := range 30 {
		redefine(s, []string{"v1", "v2", "v3"}[i%3], []string{byHook, byOther}[i%2])
	}
	cancel()
	all.Wait()
	for i := range 20 {
		if got := s.Must(200, "GET", gears2+fmt.Sprint("/g", i), nil); tree.At(got, "spec", "dimension") != int64(i) {
			t.Errorf("in the end: %v", got)
		}
	}
}

// TestConvertedWatch: events are in the version of the watch, whatever it selects by and in whatever form; a bookmark is too.
func TestConvertedWatch(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("a", 1, `,"labels":{"l":"x"}`))
	rev := s.Must(200, "GET", gears1, nil)
	state := s.Watch(t, gears2+"?watch=true&limit=1&allowWatchBookmarks=true&timeoutSeconds=1")
	all := s.Watch(t, gears2+"?watch=true&resourceVersion="+apitest.Revision(rev))
	big := s.Watch(t, gears2+"?watch=true&fieldSelector=spec.dimension%3D5&resourceVersion="+apitest.Revision(rev))
	table := func() *apitest.Watch { return s.Watch(t, gears2+"?watch=true&resourceVersion="+apitest.Revision(rev)) }()
	shown := func(e apitest.Event) string {
		return fmt.Sprint(e.Type, " ", tree.Text(e.Obj, "apiVersion"), " ", tree.Text(e.Obj, "metadata", "name"), string(tree.AppendJSON(nil, e.Obj["spec"])))
	}
	next := func(w *apitest.Watch, want string) {
		t.Helper()
		if got := shown(w.Next()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	next(state, `ADDED example.com/v2 a{"dimension":1}`)
	next(state, `BOOKMARK example.com/v2 null`)
	s.Must(200, "PATCH", gears1+"/a", `{"spec":{"size":5}}`)
	s.Must(201, "POST", gears2, gear2Of("b", 5))
	s.Must(200, "PATCH", gears1+"/a", `{"spec":{"size":6}}`)
	deleted := s.Must(200, "GET", gears1+"/b", nil)
	s.Must(200, "DELETE", gears1+"/b", nil)
	for _, w := range []*apitest.Watch{all, table} {
		next(w, `MODIFIED example.com/v2 a{"dimension":5}`)
		next(w, `ADDED example.com/v2 b{"dimension":5}`)
		next(w, `MODIFIED example.com/v2 a{"dimension":6}`)
		e := w.Next()
		if shown(e) != `DELETED example.com/v2 b{"dimension":5}` || e.Revision() <= apitestRevision(deleted) {
			t.Errorf("%s at %d", shown(e), e.Revision())
		}
	}
	next(big, `ADDED example.com/v2 a{"dimension":5}`)
	next(big, `ADDED example.com/v2 b{"dimension":5}`)
	next(big, `DELETED example.com/v2 a{"dimension":5}`)
	next(big, `DELETED example.com/v2 b{"dimension":5}`)
	if asked := hook.taken(); strings.Count(asked, "v1/a") > 4 {
		t.Errorf("objects were converted for each watch: %s", asked)
	}
	redefine(s, "v1", byOther)
	all.Ended()
}

func apitestRevision(obj map[string]any) int64 { return apitest.Event{Obj: obj}.Revision() }

// TestWatchStandsStill: an event that cannot be converted is waited for, and nothing behind it is sent before; what was before
// it is. Once the webhook is back, nothing has been missed.
func TestWatchStandsStill(t *testing.T) {
	s, hook := startConverting(t)
	s.Must(201, "POST", gears1, gearOf("a", 1))
	w := s.Watch(t, gears2+"?watch=true")
	w.Next()
	tried := make(chan struct{}, 1000)
	hook.set(func(name, _ string) (bool, error) {
		if name == "bad" {
			tried <- struct{}{}
			return false, errors.New("away")
		}
		return true, nil
	}, nil)
	s.Must(201, "POST", gears1, gearOf("b", 1))
	if e := w.Next(); tree.Name(e.Obj) != "b" {
		t.Errorf("%v", e)
	}
	s.Must(201, "POST", gears1, gearOf("bad", 1))
	s.Must(201, "POST", gears1, gearOf("c", 1))
	<-tried
	<-tried
	// Another watch, in another version, hears of all meanwhile.
	other := s.Watch(t, gears1+"?watch=true")
	for range 4 {
		other.Next()
	}
	hook.set(nil, nil)
	for _, want := range []string{"bad", "c"} {
		if e := w.Next(); e.Type != "ADDED" || tree.Name(e.Obj) != want || tree.Text(e.Obj, "apiVersion") != "example.com/v2" {
			t.Errorf("%v, want %s", e, want)
		}
	}
}

// TestWatchGivesUp: a watch does not stand still for ever. It ends with the error, so that its client lists again; one that
// cannot begin says so too, and one whose definition changes ends.
func TestWatchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hook := startConverting(t)
		s.Must(201, "POST", gears1, gearOf("a", 1))
		rev := apitest.Revision(s.Must(200, "GET", gears1, nil))
		hook.set(failsFor("bad", true), nil)
		s.Must(201, "POST", gears1, gearOf("bad", 1))
		begun := time.Now()
		got := text(s, "GET", gears2+"?watch=true&resourceVersion="+rev)
		if took := time.Since(begun); took < 30*time.Second || took > 40*time.Second {
			t.Errorf("it took %v", took)
		}
		if !strings.HasPrefix(got, `{"type":"ERROR","object":{"kind":"Status"`) || !strings.Contains(got, "object not decodable") || !strings.Contains(got, `"code":500`) {
			t.Errorf("in the end: %s", got)
		}
		if got := text(s, "GET", gears2+"?watch=true"); !strings.HasPrefix(got, `{"type":"ERROR","object":{"kind":"Status"`) || !strings.Contains(got, "StorageReadError") {
			t.Errorf("its beginning: %s", got)
		}
		if got := text(s, "GET", gears2+"?watch=true&timeoutSeconds=3&resourceVersion="+rev); got != "" {
			t.Errorf("one whose time is over: %s", got)
		}
		ended := make(chan string)
		go func() { ended <- text(s, "GET", gears2+"?watch=true&resourceVersion="+rev) }()
		synctest.Wait()
		redefine(s, "v1", byOther)
		if got := <-ended; got != "" {
			t.Errorf("one whose definition changes: %s", got)
		}
	})
}

// TestNoWebhooks: a server that asks none serves the stored version alone.
func TestNoWebhooks(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	s.Must(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", gearsDefinition("v1", byHook))
	s.Must(201, "POST", gears1, gearOf("a", 1))
	s.Must(200, "GET", gears1+"/a", nil)
	if e := s.Must(500, "POST", gears2, gear2Of("b", 1)); tree.Text(e, "message") != "conversion webhooks are not called by this server" {
		t.Errorf("%v", e)
	}
	redefine(s, "v1", `{"strategy":"None"}`)
	s.Must(200, "GET", gears2+"/a", nil)
}

// TestTimeInConversion: what a request has waited for the webhook is a part of its time of its own.
func TestTimeInConversion(t *testing.T) {
	var mu sync.Mutex
	spent := map[request.Part]int{}
	hook := &converting{}
	s := apitest.Start(t, apitest.Config{Converters: hook, Spent: func(in request.Part, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		spent[in]++
	}})
	s.Must(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", gearsDefinition("v1", byHook))
	s.Must(201, "POST", gears1, gearOf("a", 1))
	for range 2 {
		s.Must(200, "GET", gears2+"/a", nil)
	}
	s.Must(201, "POST", gears2, gear2Of("b", 1))
	mu.Lock()
	defer mu.Unlock()
	if len(spent) != 1 || spent[request.InConversion] != 3 {
		t.Errorf("spent %v", spent)
	}
}

// TestGetBesideColdList: who wants one object of a long list that is being converted waits for no more than a review.
func TestGetBesideColdList(t *testing.T) {
	s, hook := startConverting(t)
	for i := range 1001 {
		s.Must(201, "POST", gears1, gearOf(fmt.Sprintf("g%04d", i), 1))
	}
	entered, let := make(chan struct{}), make(chan struct{})
	var asks atomic.Int32
	hook.wait = func() {
		if asks.Add(1) == 1 {
			close(entered)
			<-let
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		if n := len(tree.List(s.Must(200, "GET", gears2, nil), "items")); n != 1001 {
			t.Errorf("%d items", n)
		}
	})
	<-entered
	s.Must(200, "GET", gears2+"/g1000", nil) // though the list has not come so far
	close(let)
	all.Wait()
	// The list takes no look at what others have converted since it began.
	if asked := hook.taken(); strings.Count(asked, "; ") != 3 || strings.Count(asked, "g0000") != 1 {
		t.Errorf("asked %d times", strings.Count(asked, "; ")+1)
	}
}

// TestEventsOfOneObject: an object that is what an event wrote and what the next one replaced is converted once, at once.
func TestEventsOfOneObject(t *testing.T) {
	s, hook := startConverting(t)
	var took []time.Duration
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.Must(201, "POST", gears1, gearOf(name, 1))
		rev := apitest.Revision(s.Must(200, "GET", gears1, nil))
		for i := range 5 {
			s.Must(200, "PATCH", gears1+"/"+name, fmt.Sprintf(`{"spec":{"size":%d}}`, i+10))
		}
		w := s.Watch(t, gears2+"?watch=true&labelSelector=none!%3Dx&fieldSelector=metadata.name%3D"+name+"&resourceVersion="+rev)
		begun := time.Now()
		for i := range 5 {
			if e := w.Next(); e.Type != "MODIFIED" || tree.At(e.Obj, "spec", "dimension") != int64(i+10) {
				t.Errorf("%v", e)
			}
		}
		took = append(took, time.Since(begun))
		if asked, want := hook.taken(), "v2<"+strings.TrimSpace(strings.Repeat("v1/"+name+" ", 6)); asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	}
	// A busy machine may take as long as a wait for the next try, but not each time.
	if slices.Min(took) > 400*time.Millisecond {
		t.Errorf("they took %v", took)
	}
}
