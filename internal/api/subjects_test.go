package api_test

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What every kind does alike, and the few things in which kinds differ, as a table: where their
// objects live, which updates they take, and what a delete answers.

// subject is a kind as tests of all verbs use it.
type subject struct {
	apiVersion, kind string
	path             string // of a collection
	resource         string // as messages name it
	// spec is what an object has beside its metadata, and changed is a merge patch of it.
	spec, changed string
	// blind updates need no resource version; an upsert may create.
	blind, upsert bool
	// counted kinds have a generation.
	counted bool
	// custom kinds take no strategic merge patch.
	custom bool
	// object says that a delete answers the object instead of a Status, deleted or not.
	object bool
}

const (
	eventBody   = `"involvedObject":{"kind":"Pod","name":"p","namespace":"default"},"reason":"A","firstTimestamp":"2020-01-01T00:00:00Z","lastTimestamp":"2020-01-01T00:00:00Z","count":1,"type":"Normal"`
	newerBody   = `"regarding":{"kind":"Pod","name":"p","namespace":"default"},"reason":"A","action":"Do","reportingController":"example.com/c","reportingInstance":"i","eventTime":"2020-01-01T00:00:00.000000Z","type":"Normal"`
	serviceBody = `"spec":{"clusterIP":"None","ports":[{"port":80}]}`
	serviceMore = `"spec":{"sessionAffinity":"ClientIP"}`
	apiBody     = `"spec":{"group":"a.example.org","version":"NAME","groupPriorityMinimum":100,"versionPriority":10}`
	inDefault   = "/namespaces/default/"
)

var subjects = []subject{
	{apiVersion: "v1", kind: "ConfigMap", path: mapsPath, resource: "configmaps", spec: `"data":{"k":"1"}`, changed: `"data":{"k":"2"}`, blind: true},
	{apiVersion: "v1", kind: "Secret", path: "/api/v1" + inDefault + "secrets", resource: "secrets", spec: `"data":{"k":"MQ=="}`, changed: `"data":{"k":"Mg=="}`, blind: true},
	{apiVersion: "v1", kind: "ServiceAccount", path: "/api/v1" + inDefault + "serviceaccounts", resource: "serviceaccounts", spec: `"automountServiceAccountToken":true`, changed: `"automountServiceAccountToken":false`, blind: true, object: true},
	{apiVersion: "v1", kind: "Service", path: "/api/v1" + inDefault + "services", resource: "services", spec: serviceBody, changed: serviceMore, blind: true, upsert: true, object: true},
	{apiVersion: "v1", kind: "Endpoints", path: "/api/v1" + inDefault + "endpoints", resource: "endpoints", spec: `"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1}]}]`, changed: `"subsets":[{"addresses":[{"ip":"10.0.0.2"}],"ports":[{"port":1}]}]`, blind: true, upsert: true},
	{apiVersion: "v1", kind: "Node", path: "/api/v1/nodes", resource: "nodes", spec: `"spec":{"podCIDR":"10.0.0.0/24"}`, changed: `"spec":{"unschedulable":true}`, blind: true},
	{apiVersion: "v1", kind: "Event", path: "/api/v1" + inDefault + "events", resource: "events", spec: eventBody, changed: `"count":2`, blind: true, upsert: true},
	{apiVersion: "events.k8s.io/v1", kind: "Event", path: "/apis/events.k8s.io/v1" + inDefault + "events", resource: "events.events.k8s.io", spec: newerBody, changed: `"series":{"count":2,"lastObservedTime":"2026-01-02T03:04:05.000000Z"}`, blind: true, upsert: true},
	{apiVersion: "coordination.k8s.io/v1", kind: "Lease", path: "/apis/coordination.k8s.io/v1" + inDefault + "leases", resource: "leases.coordination.k8s.io", spec: `"spec":{"holderIdentity":"a"}`, changed: `"spec":{"holderIdentity":"b"}`, upsert: true},
	{apiVersion: "example.com/v1", kind: "Widget", path: widgetsPath, resource: "widgets.example.com", spec: `"spec":{"size":1}`, changed: `"spec":{"size":2}`, counted: true, custom: true},
	{apiVersion: "example.com/v1", kind: "Globe", path: "/apis/example.com/v1/globes", resource: "globes.example.com", spec: `"spec":{"size":1}`, changed: `"spec":{"size":2}`, counted: true, custom: true},
}

// startSubjects runs a server that serves all subjects.
func startSubjects(t *testing.T) *clients {
	t.Helper()
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", definitionsPath, definitionOf("globes", "Globe", "Cluster"))
	return c
}

// each runs a test for every subject, each with a server of its own.
func each(t *testing.T, test func(t *testing.T, c *clients, s subject)) {
	t.Helper()
	for _, s := range subjects {
		t.Run(s.resource, func(t *testing.T) { test(t, startSubjects(t), s) })
	}
}

// body is an object of the kind with the metadata and the contents, as JSON.
func (s *subject) body(meta, contents string) string {
	return fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{%s},%s}`, s.kind, s.apiVersion, meta, contents)
}

// named is an object as it is sent first.
func (s *subject) named(name string) string { return s.body(`"name":"`+name+`"`, s.spec) }

// group is the API group, and plural the name of the resource without it.
func (s *subject) group() string {
	group, _, ok := strings.Cut(s.apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

func (s *subject) plural() string { return s.path[strings.LastIndexByte(s.path, '/')+1:] }

// names is the names of a list's items, without those that the server itself has made.
func names(list map[string]any) string {
	var out []string
	for _, item := range tree.List(list, "items") {
		if name := tree.Name(item.(map[string]any)); name != "kube-root-ca.crt" && name != "default" && name != "kubernetes" {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// generation is an object's, 0 without one.
func generation(obj map[string]any) int64 {
	n, _ := tree.At(obj, "metadata", "generation").(int64)
	return n
}

// want is the generation of a kind that counts, or none.
func (s *subject) want(n int64) int64 {
	if s.counted {
		return n
	}
	return 0
}

// TestLifeOfEveryKind: an object of each kind is made, read, changed in every way and deleted,
// with the same rules for versions and generations.
func TestLifeOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		item := s.path + "/a"
		if e := c.Must(404, "GET", item, nil); tree.Text(e, "message") != s.resource+` "a" not found` || tree.Text(e, "details", "kind") != s.plural() || tree.Text(e, "details", "group") != s.group() {
			t.Errorf("of none: %v", e)
		}
		made := c.Must(201, "POST", s.path, s.named("a"))
		if len(tree.Text(made, "metadata", "uid")) != 36 || tree.Text(made, "metadata", "creationTimestamp") == "" || revision(made) != fmt.Sprint(c.Store.Revision()) {
			t.Errorf("made: %v, the store is at %d", made["metadata"], c.Store.Revision())
		}
		if made["kind"] != s.kind || made["apiVersion"] != s.apiVersion || generation(made) != s.want(1) {
			t.Errorf("made: %v", made)
		}
		if got := c.Must(200, "GET", item, nil); !tree.Equal(got, made) {
			t.Errorf("read %v, made %v", got, made)
		}
		if e := c.Must(409, "POST", s.path, s.named("a")); tree.Text(e, "reason") != "AlreadyExists" || tree.Text(e, "message") != s.resource+` "a" already exists` {
			t.Errorf("made twice: %v", e)
		}

		// What changes nothing is not written, however it is sent.
		before := c.Store.Revision()
		for what, same := range map[string]map[string]any{
			"PUT": c.Must(200, "PUT", item, made), "a merge patch": c.Must(200, "PATCH", item, "{"+s.spec+"}"), "a JSON patch": c.Must(200, "PATCH", item, "[]", "Content-Type: "+apitest.JSONPatch),
		} {
			if !tree.Equal(same, made) {
				t.Errorf("%s of the same: %v, was %v", what, same, made)
			}
		}
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes of nothing", now-before)
		}

		changed := c.Must(200, "PATCH", item, "{"+s.changed+"}")
		if revision(changed) == revision(made) || generation(changed) != s.want(2) || tree.Text(changed, "metadata", "uid") != tree.Text(made, "metadata", "uid") {
			t.Errorf("changed: %v, was %v", changed["metadata"], made["metadata"])
		}
		labelled := c.Must(200, "PATCH", item, `[{"op":"add","path":"/metadata/labels","value":{"l":"v"}}]`, "Content-Type: "+apitest.JSONPatch)
		if tree.Text(labelled, "metadata", "labels", "l") != "v" || generation(labelled) != s.want(2) {
			t.Errorf("labelled: %v", labelled["metadata"])
		}
		strategic := map[bool]int{false: 200, true: 415}[s.custom]
		c.Must(strategic, "PATCH", item, `{"metadata":{"annotations":{"x":"y"}}}`, "Content-Type: "+apitest.StrategicPatch)

		// An update says which state it replaces, where the kind wants to know.
		if e := c.Must(409, "PUT", item, made); tree.Text(e, "reason") != "Conflict" || tree.Text(e, "details", "name") != "a" {
			t.Errorf("an update of the past: %v", e)
		}
		code, put := c.Try("PUT", item, s.named("a"))
		if want := map[bool]int{true: 200, false: 422}[s.blind]; code != want {
			t.Errorf("an update of whatever is there: %d %v, want %d", code, put, want)
		}
		if code == 200 && (tree.Object(put, "metadata", "labels") != nil || tree.Text(put, "metadata", "creationTimestamp") != tree.Text(made, "metadata", "creationTimestamp")) {
			t.Errorf("replaced by %v", put)
		}
		code, put = c.Try("PUT", s.path+"/b", s.named("b"))
		if want := map[bool]int{true: 201, false: 404}[s.upsert]; code != want {
			t.Errorf("an update of none: %d %v, want %d", code, put, want)
		}

		answer := c.Must(200, "DELETE", item, nil)
		switch {
		case s.object && (answer["kind"] != s.kind || tree.Name(answer) != "a"):
			t.Errorf("deleted: %v", answer)
		case !s.object && (answer["status"] != "Success" || tree.Text(answer, "details", "name") != "a" || tree.Text(answer, "details", "kind") != s.plural() || tree.Text(answer, "details", "uid") != tree.Text(made, "metadata", "uid")):
			t.Errorf("deleted: %v", answer)
		}
		c.Must(404, "DELETE", item, nil)
		c.Must(404, "PATCH", item, `{}`)
		again := c.Must(201, "POST", s.path, s.named("a"))
		if tree.Text(again, "metadata", "uid") == tree.Text(made, "metadata", "uid") || generation(again) != s.want(1) {
			t.Errorf("another of the name: %v", again["metadata"])
		}
	})
}

// TestCollectionsOfEveryKind: lists select, sort and count; a collection's deletion takes what its
// selectors select.
func TestCollectionsOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		empty := c.Must(200, "GET", s.path+"?labelSelector=n", nil)
		if items, ok := empty["items"].([]any); !ok || len(items) != 0 || empty["kind"] != s.kind+"List" || empty["apiVersion"] != s.apiVersion {
			t.Errorf("empty: %v", empty)
		}
		for _, name := range []string{"c", "a", "d", "b"} {
			c.Must(201, "POST", s.path, s.body(`"name":"`+name+`","labels":{"n":"`+name+`","all":"yes"}`, s.spec))
		}
		for query, want := range map[string]string{
			"?labelSelector=all%3Dyes":                                   "a b c d",
			"?labelSelector=n%20in%20(a,d,x)":                            "a d",
			"?labelSelector=n%20notin%20(a,d),all":                       "b c",
			"?labelSelector=n!%3Da,all":                                  "b c d",
			"?labelSelector=!n,all":                                      "",
			"?labelSelector=all&fieldSelector=metadata.name%3Dc":         "c",
			"?labelSelector=all&fieldSelector=metadata.name!%3Dc":        "a b d",
			"?fieldSelector=metadata.name%3Da,metadata.name%3Db":         "",
			"?labelSelector=all&limit=2":                                 "a b",
			"?labelSelector=all&limit=-2":                                "a b c d",
			"?labelSelector=all&limit=0":                                 "a b c d",
			"?labelSelector=all&resourceVersion=0":                       "a b c d",
			"?labelSelector=all&resourceVersion=0&limit=1":               "a",
			"?labelSelector=all&timeoutSeconds=5&pretty=true&unknown=no": "a b c d",
		} {
			list := c.Must(200, "GET", s.path+query, nil)
			if got := names(list); got != want || revision(list) != fmt.Sprint(c.Store.Revision()) {
				t.Errorf("%s: %q at %s, want %q", query, got, revision(list), want)
			}
		}
		page := c.Must(200, "GET", s.path+"?limit=3", nil)
		rest := int64(len(tree.List(c.Must(200, "GET", s.path, nil), "items")) - 3) // the server has made some of its own
		if got, left := tree.At(page, "metadata", "remainingItemCount"), tree.Text(page, "metadata", "continue"); left == "" || got != rest {
			t.Errorf("a page of three: %v", page["metadata"])
		}
		if got := c.Must(200, "GET", s.path+"?limit=3&labelSelector=all", nil); tree.At(got, "metadata", "remainingItemCount") != nil {
			t.Errorf("nobody knows how many are selected: %v", got["metadata"])
		}
		if s.path != "/api/v1/nodes" && s.kind != "Globe" {
			all := strings.Replace(s.path, inDefault, "/", 1)
			if got := names(c.Must(200, "GET", all+"?labelSelector=all", nil)); got != "a b c d" {
				t.Errorf("of all namespaces: %s", got)
			}
			if got := names(c.Must(200, "GET", all+"?labelSelector=all&fieldSelector=metadata.namespace%3Dkube-system", nil)); got != "" {
				t.Errorf("of another namespace: %s", got)
			}
			if code, e := c.Try("POST", all, s.named("e")); code != map[bool]int{true: 404, false: 405}[s.custom] {
				t.Errorf("made in no namespace: %d %v", code, e)
			}
			if code, e := c.Try("DELETE", all, nil); code != map[bool]int{true: 404, false: 405}[s.custom] {
				t.Errorf("deleted in all namespaces: %d %v", code, e)
			}
		}
		for _, step := range []struct{ query, taken, left string }{
			{"?labelSelector=n%3Da&dryRun=All", "a", "a b c d"},
			{"?labelSelector=none", "", "a b c d"},
			{"?labelSelector=n%3Da", "a", "b c d"},
			{"?fieldSelector=metadata.name%3Dd", "d", "b c"},
			{"", "b c", ""},
		} {
			taken := c.Must(200, "DELETE", s.path+step.query, nil)
			if got, left := names(taken), names(c.Must(200, "GET", s.path, nil)); got != step.taken || left != step.left || taken["kind"] != s.kind+"List" {
				t.Errorf("DELETE %s: took %q and left %q, want %q and %q", step.query, got, left, step.taken, step.left)
			}
		}
	})
}

// TestMethodsOfEveryKind: what no operation is for is refused, and nothing happens.
func TestMethodsOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		c.Must(201, "POST", s.path, s.named("a"))
		before := c.Store.Revision()
		for _, row := range []struct {
			method, path    string
			builtin, custom int
		}{
			{"PUT", s.path, 405, 400}, // a custom resource takes it, and misses the name
			{"PATCH", s.path, 405, 400},
			{"OPTIONS", s.path, 405, 405},
			{"OPTIONS", s.path + "/a", 405, 405},
			{"TRACE", s.path + "/a", 405, 405},
			{"GET", s.path + "/a/none", 404, 404},
			{"PUT", s.path + "/a/none", 404, 404},
			{"DELETE", s.path + "/a/none", 404, 404},
			{"GET", s.path + "s", 404, 404},
			{"GET", strings.Replace(s.path, "/v1", "/v1alpha9", 1), 404, 404},
			{"POST", s.path + "/a/status", map[bool]int{true: 405, false: 404}[s.kind == "Node" || s.kind == "Service"], 405},
			{"DELETE", s.path + "/a/status", map[bool]int{true: 405, false: 404}[s.kind == "Node" || s.kind == "Service"], 405},
		} {
			want := row.builtin
			if s.custom {
				want = row.custom
			}
			if code, e := c.Try(row.method, row.path, s.named("a"), "Content-Type: application/json"); code != want {
				t.Errorf("%s %s: %d %v, want %d", row.method, row.path, code, e, want)
			}
		}
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes", now-before)
		}
	})
}
