package discovery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// operationsOf returns the operations of a document, one a line, sorted: METHOD PATH ID
// action GROUP/VERSION/KIND CODES.
func operationsOf(doc map[string]any) (out []string) {
	for path, item := range tree.Object(doc, "paths") {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			gvk := tree.Object(op, "x-kubernetes-group-version-kind")
			kind := ""
			if gvk != nil {
				kind = fmt.Sprintf(" %s %s/%s/%s", tree.Text(op, "x-kubernetes-action"), tree.Text(gvk, "group"), tree.Text(gvk, "version"), tree.Text(gvk, "kind"))
			}
			codes := slices.Sorted(maps.Keys(tree.Object(op, "responses")))
			out = append(out, fmt.Sprintf("%s %s %s%s %s", method, path, tree.Text(op, "operationId"), kind, strings.Join(codes, ",")))
		}
	}
	slices.Sort(out)
	return out
}

// rendered returns the document of a version that has only the rows, as a tree.
func rendered(t testing.TB, group, version string, rows ...*kinds.Row) map[string]any {
	t.Helper()
	table := testKinds()
	table.Kinds = rows
	w := newOpenAPIWriter(newSchemaWriter(table, openAPI3, group+"/"+version), group, version)
	w.addKinds()
	doc, _, err := tree.ParseJSONObject(w.document(information(), map[string]any{}))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// renderedCustom returns the document of a version of definitions, as a tree.
func renderedCustom(t testing.TB, group, version string, definitions ...*Definition) map[string]any {
	t.Helper()
	doc, _, err := tree.ParseJSONObject(renderCustom(testKinds(), group, version, definitions))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOperationsOfKinds: all operations of a resource in namespaces, of one of the cluster, of one
// that is only created, and of a subresource with a kind of its own.
func TestOperationsOfKinds(t *testing.T) {
	object := testKinds().Kind("", "v1", "Event").Type()
	for _, c := range []struct {
		what string
		row  *kinds.Row
		want string
	}{
		{"in namespaces", &kinds.Row{Group: "apps", Version: "v1", Kind: "Job", ListKind: "JobList", Plural: "jobs", Namespaced: true, Verbs: kinds.AllVerbs, Body: kinds.Known(object)}, `
delete /apis/apps/v1/namespaces/{namespace}/jobs deleteAppsV1CollectionNamespacedJob deletecollection apps/v1/Job 200,401
delete /apis/apps/v1/namespaces/{namespace}/jobs/{name} deleteAppsV1NamespacedJob delete apps/v1/Job 200,202,401
get /apis/apps/v1/ getAppsV1APIResources 200,401
get /apis/apps/v1/jobs listAppsV1JobForAllNamespaces list apps/v1/Job 200,401
get /apis/apps/v1/namespaces/{namespace}/jobs listAppsV1NamespacedJob list apps/v1/Job 200,401
get /apis/apps/v1/namespaces/{namespace}/jobs/{name} readAppsV1NamespacedJob get apps/v1/Job 200,401
get /apis/apps/v1/watch/jobs watchAppsV1JobListForAllNamespaces watchlist apps/v1/Job 200,401
get /apis/apps/v1/watch/namespaces/{namespace}/jobs watchAppsV1NamespacedJobList watchlist apps/v1/Job 200,401
get /apis/apps/v1/watch/namespaces/{namespace}/jobs/{name} watchAppsV1NamespacedJob watch apps/v1/Job 200,401
patch /apis/apps/v1/namespaces/{namespace}/jobs/{name} patchAppsV1NamespacedJob patch apps/v1/Job 200,201,401
post /apis/apps/v1/namespaces/{namespace}/jobs createAppsV1NamespacedJob post apps/v1/Job 200,201,202,401
put /apis/apps/v1/namespaces/{namespace}/jobs/{name} replaceAppsV1NamespacedJob put apps/v1/Job 200,201,401`},
		{"of the cluster", &kinds.Row{Version: "v1", Kind: "Node", ListKind: "NodeList", Plural: "nodes", Verbs: []string{"get", "list", "update", "watch"}, Body: kinds.Known(object)}, `
get /api/v1/ getCoreV1APIResources 200,401
get /api/v1/nodes listCoreV1Node list /v1/Node 200,401
get /api/v1/nodes/{name} readCoreV1Node get /v1/Node 200,401
get /api/v1/watch/nodes watchCoreV1NodeList watchlist /v1/Node 200,401
get /api/v1/watch/nodes/{name} watchCoreV1Node watch /v1/Node 200,401
put /api/v1/nodes/{name} replaceCoreV1Node put /v1/Node 200,201,401`},
		{"only created", &kinds.Row{Group: "authorization.k8s.io", Version: "v1", Kind: "Review", Plural: "reviews", Namespaced: true, Verbs: []string{"create"}, Body: kinds.Known(object)}, `
get /apis/authorization.k8s.io/v1/ getAuthorizationV1APIResources 200,401
post /apis/authorization.k8s.io/v1/namespaces/{namespace}/reviews createAuthorizationV1NamespacedReview post authorization.k8s.io/v1/Review 200,201,202,401`},
		{"subresources", &kinds.Row{Version: "v1", Kind: "Thing", Plural: "things", Namespaced: true, Verbs: []string{"get"}, Body: kinds.Known(object), Subresources: []kinds.Subresource{
			{Name: "status", Version: "v1", Kind: "Thing", Verbs: []string{"get", "patch", "update"}},
			{Name: "token", Group: "authentication.k8s.io", Version: "v1", Kind: "TokenRequest", Verbs: []string{"create"}, Body: kinds.Known(object)},
		}}, `
get /api/v1/ getCoreV1APIResources 200,401
get /api/v1/namespaces/{namespace}/things/{name} readCoreV1NamespacedThing get /v1/Thing 200,401
get /api/v1/namespaces/{namespace}/things/{name}/status readCoreV1NamespacedThingStatus get /v1/Thing 200,401
patch /api/v1/namespaces/{namespace}/things/{name}/status patchCoreV1NamespacedThingStatus patch /v1/Thing 200,201,401
post /api/v1/namespaces/{namespace}/things/{name}/token createCoreV1NamespacedThingToken post authentication.k8s.io/v1/TokenRequest 200,201,202,401
put /api/v1/namespaces/{namespace}/things/{name}/status replaceCoreV1NamespacedThingStatus put /v1/Thing 200,201,401`},
		{"nothing but watches", &kinds.Row{Version: "v1", Kind: "Thing", Plural: "things", Verbs: []string{"watch"}, Body: kinds.Known(object)}, `
get /api/v1/ getCoreV1APIResources 200,401
get /api/v1/watch/things watchCoreV1ThingList watchlist /v1/Thing 200,401
get /api/v1/watch/things/{name} watchCoreV1Thing watch /v1/Thing 200,401`},
		{"connections", &kinds.Row{Version: "v1", Kind: "Pod", Plural: "pods", Namespaced: true, Body: kinds.Known(object), Subresources: []kinds.Subresource{
			{Name: "exec", Version: "v1", Kind: "PodExecOptions", Verbs: []string{"create", "get"}},
			{Name: "proxy", Version: "v1", Kind: "PodProxyOptions", Verbs: []string{"create", "delete", "get", "patch", "update"}},
			{Name: "log", Version: "v1", Kind: "Pod", Verbs: []string{"get"}},
		}}, `
delete /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1DeleteNamespacedPodProxy connect /v1/PodProxyOptions 200,401
delete /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1DeleteNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
get /api/v1/ getCoreV1APIResources 200,401
get /api/v1/namespaces/{namespace}/pods/{name}/exec connectCoreV1GetNamespacedPodExec connect /v1/PodExecOptions 200,401
get /api/v1/namespaces/{namespace}/pods/{name}/log readCoreV1NamespacedPodLog get /v1/Pod 200,401
get /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1GetNamespacedPodProxy connect /v1/PodProxyOptions 200,401
get /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1GetNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
head /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1HeadNamespacedPodProxy connect /v1/PodProxyOptions 200,401
head /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1HeadNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
options /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1OptionsNamespacedPodProxy connect /v1/PodProxyOptions 200,401
options /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1OptionsNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
patch /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1PatchNamespacedPodProxy connect /v1/PodProxyOptions 200,401
patch /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1PatchNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
post /api/v1/namespaces/{namespace}/pods/{name}/exec connectCoreV1PostNamespacedPodExec connect /v1/PodExecOptions 200,401
post /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1PostNamespacedPodProxy connect /v1/PodProxyOptions 200,401
post /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1PostNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401
put /api/v1/namespaces/{namespace}/pods/{name}/proxy connectCoreV1PutNamespacedPodProxy connect /v1/PodProxyOptions 200,401
put /api/v1/namespaces/{namespace}/pods/{name}/proxy/{path} connectCoreV1PutNamespacedPodProxyWithPath connect /v1/PodProxyOptions 200,401`},
	} {
		got, want := operationsOf(rendered(t, c.row.Group, c.row.Version, c.row)), strings.Split(c.want, "\n")[1:]
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestOperationsOfCustom: a custom resource has the operations that a built-in one with the same row
// would have, but for the paths of watches and discovery, strategic merge patches, creates by patch, and
// the kind of its scale.
func TestOperationsOfCustom(t *testing.T) {
	d := testCRD("example.com", "widgets", "Widget", "v1+")
	row := *d.Row("v1")
	row.Body = testKinds().Kind("", "v1", "Event").Body
	custom, builtin := renderedCustom(t, "example.com", "v1", d), rendered(t, "example.com", "v1", &row)
	want := slices.DeleteFunc(operationsOf(builtin), func(op string) bool {
		return strings.Contains(op, "/watch/") || strings.Contains(op, "/v1/ ")
	})
	for i, op := range want {
		op = strings.Replace(op, "autoscaling/v1/Scale", "example.com/v1/Widget", 1)
		if strings.HasPrefix(op, "patch ") {
			op = strings.Replace(op, "200,201", "200", 1)
		}
		want[i] = op
	}
	if got := operationsOf(custom); !slices.Equal(got, want) || len(got) != 14 {
		t.Errorf("%d operations:\n%s\nwant\n%s", len(got), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, strategic := range map[string]map[string]any{"custom": custom, "built-in": builtin} {
		collection := tree.Object(strategic, "paths", "/apis/example.com/v1/namespaces/{namespace}/widgets", "delete")
		if (collection["requestBody"] == nil) != (path == "custom") {
			t.Errorf("%s: the body of deletecollection is %v", path, collection["requestBody"])
		}
		for _, at := range []string{"/widgets/{name}", "/widgets/{name}/status", "/widgets/{name}/scale"} {
			content := tree.Object(strategic, "paths", "/apis/example.com/v1/namespaces/{namespace}"+at, "patch", "requestBody", "content")
			want := []string{"application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"}
			if path == "built-in" {
				want = append(want, "application/strategic-merge-patch+json")
			}
			if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, want) {
				t.Errorf("%s %s: %q", path, at, got)
			}
		}
	}
	// Operations of the deleted definition's resource are fewer; what is left is the same.
	d.terminating = true
	left := operationsOf(renderedCustom(t, "example.com", "v1", d))
	for _, op := range left {
		if !slices.Contains(operationsOf(custom), op) {
			t.Errorf("while it is deleted: %s", op)
		}
	}
	if len(left) != 14-3 {
		t.Errorf("%d operations are left:\n%s", len(left), strings.Join(left, "\n"))
	}
}

// namesOfParameters returns the names of parameters, those that are written out with a + in front.
func namesOfParameters(list []any) (out []string) {
	for _, p := range list {
		if name, ok := strings.CutPrefix(tree.Text(p, "$ref"), "#/components/parameters/"); ok {
			out = append(out, name)
		} else {
			out = append(out, "+"+tree.Text(p, "name"))
		}
	}
	return out
}

// TestParameters: the parameters of each verb, and of each form of path; every reference leads to one
// that says where it stands, of which type it is and what it means.
func TestParameters(t *testing.T) {
	object := testKinds().Kind("", "v1", "Event").Type()
	doc := rendered(t, "apps", "v1", &kinds.Row{Group: "apps", Version: "v1", Kind: "Job", Plural: "jobs", Namespaced: true, Verbs: kinds.AllVerbs, Body: kinds.Known(object)})
	const root = "/apis/apps/v1"
	const collection, item = root + "/namespaces/{namespace}/jobs", root + "/namespaces/{namespace}/jobs/{name}"
	list := "allowWatchBookmarks continue fieldSelector labelSelector limit resourceVersion resourceVersionMatch sendInitialEvents shardSelector timeoutSeconds watch"
	for _, c := range []struct{ path, method, want string }{
		{collection, "parameters", "namespace pretty"},
		{item, "parameters", "name namespace pretty"},
		// The only operation of a path leaves it all that it has.
		{root + "/jobs", "parameters", strings.Replace(list, "resourceVersion ", "pretty resourceVersion ", 1)},
		{root + "/jobs", "get", ""},
		{collection, "get", list},
		{collection, "post", "+dryRun +fieldManager +fieldValidation"},
		{collection, "delete", "continue +dryRun fieldSelector gracePeriodSeconds ignoreStoreReadErrorWithClusterBreakingPotential labelSelector limit orphanDependents " +
			"propagationPolicy resourceVersion resourceVersionMatch sendInitialEvents shardSelector timeoutSeconds"},
		{item, "get", ""},
		{item, "put", "+dryRun +fieldManager +fieldValidation"},
		{item, "patch", "+dryRun +fieldManager +fieldValidation +force"},
		{item, "delete", "+dryRun gracePeriodSeconds ignoreStoreReadErrorWithClusterBreakingPotential orphanDependents propagationPolicy"},
	} {
		at := []string{"paths", c.path, c.method}
		if c.method != "parameters" {
			at = append(at, "parameters")
		}
		if got := strings.Join(namesOfParameters(tree.List(doc, at...)), " "); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
	for name, p := range tree.Object(doc, "components", "parameters") {
		in := "query"
		if name == "name" || name == "namespace" {
			in = "path"
		}
		if tree.Text(p, "name") != name || tree.Text(p, "in") != in || (tree.At(p, "required") == true) != (in == "path") ||
			tree.Text(p, "description") == "" {
			t.Errorf("%s: %v", name, p)
		}
	}
	for name, typ := range map[string]string{
		"watch": "boolean", "limit": "integer", "timeoutSeconds": "integer", "gracePeriodSeconds": "integer", "allowWatchBookmarks": "boolean",
		"sendInitialEvents": "boolean", "force": "boolean", "orphanDependents": "boolean", "dryRun": "string", "continue": "string", "pretty": "string",
	} {
		if got := tree.Text(openAPI3.parameter(name), "schema", "type"); got != typ {
			t.Errorf("%s is of type %q", name, got)
		}
	}
	used := map[string]bool{"pretty": true, "{name}": true, "{namespace}": true, "{path}": true}
	for _, names := range append(slices.Collect(maps.Values(connectParameters)), listParameters, collectionParameters, patchParameters) {
		for _, name := range names {
			if used[name] = true; queryParameters[name].typ == "" {
				t.Errorf("nothing is said of %s", name)
			}
		}
	}
	for name := range queryParameters {
		if !used[name] {
			t.Errorf("no operation has the parameter %s", name)
		}
	}
}

// TestParametersInPath: a path and a query may have a parameter of the same name each, and the path's is first.
func TestParametersInPath(t *testing.T) {
	used := map[string]bool{}
	path := operations{"get": {parameters: []string{"path", "{path}", "{name}"}, codes: []string{"200"}}}.item(openAPI3, used)
	if got := jsonText(path["parameters"]); got != `[{"$ref":"#/components/parameters/name"},{"$ref":"#/components/parameters/path-in-path"},{"$ref":"#/components/parameters/path"}]` {
		t.Error(got)
	}
	for key, in := range map[string]string{"name": "path", "path-in-path": "path", "path": "query"} {
		if p := openAPI3.components(used)[key]; tree.Text(p, "in") != in {
			t.Errorf("%s: %v", key, p)
		}
	}
}

// TestBodiesAndAnswers: which component each operation takes and gives.
func TestBodiesAndAnswers(t *testing.T) {
	table := testKinds()
	service := *table.Kind("", "v1", "Service")
	event := *table.Kind("", "v1", "Event")
	const core, meta = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."
	component := func(v any) string {
		content := tree.Object(v, "content")
		ref := cmp.Or(tree.Text(content, "*/*", "schema", "$ref"), tree.Text(content, "application/json", "schema", "$ref"))
		return strings.TrimPrefix(ref, "#/components/schemas/")
	}
	doc := rendered(t, "", "v1", &service, &event)
	for _, c := range []struct{ path, method, body, answer string }{
		{"/api/v1/namespaces/{namespace}/services", "get", "", core + "ServiceList"},
		{"/api/v1/services", "get", "", core + "ServiceList"},
		{"/api/v1/namespaces/{namespace}/services", "post", core + "Service", core + "Service"},
		{"/api/v1/namespaces/{namespace}/services", "delete", meta + "DeleteOptions", meta + "Status"},
		{"/api/v1/namespaces/{namespace}/services/{name}", "get", "", core + "Service"},
		{"/api/v1/namespaces/{namespace}/services/{name}", "put", core + "Service", core + "Service"},
		{"/api/v1/namespaces/{namespace}/services/{name}", "patch", "", core + "Service"},
		// A service is answered when it is deleted; an event is not.
		{"/api/v1/namespaces/{namespace}/services/{name}", "delete", meta + "DeleteOptions", core + "Service"},
		{"/api/v1/namespaces/{namespace}/events/{name}", "delete", meta + "DeleteOptions", meta + "Status"},
		{"/api/v1/namespaces/{namespace}/services/{name}/status", "put", core + "Service", core + "Service"},
		{"/api/v1/namespaces/{namespace}/services/{name}/scale", "get", "", "io.k8s.api.autoscaling.v1.Scale"},
		{"/api/v1/", "get", "", meta + "APIResourceList"},
	} {
		op := tree.Object(doc, "paths", c.path, c.method)
		if body, answer := component(op["requestBody"]), component(tree.At(op, "responses", "200")); body != c.body || answer != c.answer {
			t.Errorf("%s %s: takes %q, gives %q; want %q and %q", c.method, c.path, body, answer, c.body, c.answer)
		}
		for code, r := range tree.Object(op, "responses") {
			if code == "401" {
				if tree.Text(r, "description") != "Unauthorized" || tree.At(r, "content") != nil {
					t.Errorf("%s %s: 401 is %v", c.method, c.path, r)
				}
			} else if component(r) != c.answer || tree.Text(r, "description") == "" {
				t.Errorf("%s %s: %s is %v", c.method, c.path, code, r)
			}
		}
		// A write must have a body, a deletion may.
		if required := tree.At(op, "requestBody", "required") == true; required != slices.Contains([]string{"post", "put", "patch"}, c.method) {
			t.Errorf("%s %s: a body is required: %v", c.method, c.path, required)
		}
	}
	patch := tree.Object(doc, "paths", "/api/v1/namespaces/{namespace}/services/{name}", "patch", "requestBody", "content")
	for typ, v := range patch {
		if tree.Text(v, "schema", "$ref") != "#/components/schemas/"+meta+"Patch" {
			t.Errorf("%s: %v", typ, v)
		}
	}
}

// TestDescriptions: what people read of each operation.
func TestDescriptions(t *testing.T) {
	row := &kinds.Row{Kind: "Thing", Plural: "things"}
	sub := &kinds.Subresource{Name: "scale", Kind: "Scale"}
	for _, c := range []struct{ verb, want, ofSub string }{
		{"get", "read Thing", "read the scale of things"},
		{"list", "list or watch objects of kind Thing", "list or watch objects of kind Scale"},
		{"create", "create Thing", "create the scale of things"},
		{"update", "replace Thing", "replace the scale of things"},
		{"patch", "change parts of Thing", "change parts of the scale of things"},
		{"delete", "delete Thing", "delete the scale of things"},
		{"deletecollection", "delete all selected objects of kind Thing", "delete all selected objects of kind Scale"},
	} {
		if got := describeVerb(c.verb, described{row: row}); got != c.want {
			t.Errorf("%s: %q", c.verb, got)
		}
		if got := describeVerb(c.verb, described{row: row, sub: sub}); got != c.ofSub {
			t.Errorf("%s of a subresource: %q", c.verb, got)
		}
	}
	for verb := range verbForms {
		if !slices.Contains(kinds.AllVerbs, verb) {
			t.Errorf("%s is no verb", verb)
		}
	}
	if len(verbForms) != len(kinds.AllVerbs)-1 {
		t.Errorf("%d forms of %d verbs", len(verbForms), len(kinds.AllVerbs))
	}
}

// TestDiscoveryDocumentsInOpenAPI: the documents of the discovery paths, whose types are written by
// hand, describe the documents that are served: every field that is sent is a property, and every
// required one is sent.
func TestDiscoveryDocumentsInOpenAPI(t *testing.T) {
	table, err := kinds.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Catalog{}
	c.SetServers(GroupsOf(table, "core"), "10.0.0.1:6443", table)
	for _, row := range []struct{ key, path, kind string }{
		{"api", "/api", "APIVersions"},
		{"apis", "/apis", "APIGroupList"},
		{"apis/events.k8s.io", "/apis/events.k8s.io", "APIGroup"},
		{"api/v1", "/api/v1", "APIResourceList"},
		{"apis/events.k8s.io/v1", "/apis/events.k8s.io/v1", "APIResourceList"},
	} {
		doc := openAPI(t, c, row.key)
		op := tree.Object(doc, "paths", row.path+"/", "get")
		ref := tree.Text(op, "responses", "200", "content", "application/json", "schema", "$ref")
		if want := "#/components/schemas/" + metaSchemas + row.kind; ref != want {
			t.Errorf("%s answers %s, want %s", row.path, ref, want)
			continue
		}
		var check func(at string, schema any, v any)
		check = func(at string, schema any, v any) {
			if all := tree.List(schema, "allOf"); len(all) == 1 {
				schema = all[0]
			}
			if ref := tree.Text(schema, "$ref"); ref != "" {
				schema = tree.At(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
			switch v := v.(type) {
			case map[string]any:
				for key, e := range v {
					property := tree.Object(schema, "properties", key)
					if property == nil {
						t.Errorf("%s: %s.%s is no property", row.path, at, key)
						continue
					}
					check(at+"."+key, property, e)
				}
				for _, name := range tree.List(schema, "required") {
					if _, sent := v[name.(string)]; !sent {
						t.Errorf("%s: %s has no %s", row.path, at, name)
					}
				}
			case []any:
				for _, e := range v {
					check(at+"[]", tree.At(schema, "items"), e)
				}
			default:
				text, _ := json.Marshal(v)
				typ := map[byte]string{'"': "string", 't': "boolean", 'f': "boolean"}[text[0]]
				if tree.Text(schema, "type") != typ {
					t.Errorf("%s: %s is %s, and said to be %v", row.path, at, text, schema)
				}
			}
		}
		check("", map[string]any{"$ref": ref}, document(t, c, row.path, false))
	}
}
