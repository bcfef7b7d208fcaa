package api_test

import (
	"net/http"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// definitionsRoot is where definitions are.
const definitionsRoot = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// conditionsOf writes the conditions of a definition as type=status reason, in their order.
func conditionsOf(crd map[string]any) string {
	var out []string
	for _, c := range tree.List(crd, "status", "conditions") {
		out = append(out, tree.Text(c, "type")+"="+tree.Text(c, "status")+" "+tree.Text(c, "reason"))
	}
	return strings.Join(out, ", ")
}

// definitionBody is a definition of things; more are other members of its spec.
func definitionBody(plural, group, kind, annotation, more string) string {
	return `{"metadata":{"name":"` + plural + "." + group + `","annotations":{"api-approved.kubernetes.io":"` + annotation + `"}},"spec":{"group":"` + group +
		`","scope":"Namespaced","names":{"plural":"` + plural + `","kind":"` + kind + `","shortNames":["` + plural[:1] + `"]},` + more +
		`"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`
}

// TestApprovedDefinitions: a group of Kubernetes says in a condition who has approved it, and an update
// may say otherwise.
func TestApprovedDefinitions(t *testing.T) {
	a := asker{startClients(t), t}
	const established = "NamesAccepted=True NoConflicts, Established=True InitialNamesAccepted, KubernetesAPIApprovalPolicyConformant="
	crd := a.ask("POST", definitionsRoot, definitionBody("things", "a.k8s.io", "Thing", "https://x/y", ""), 201)
	if got, want := conditionsOf(crd), established+"True ApprovedAnnotation"; got != want {
		t.Errorf("approved: %s, want %s", got, want)
	}
	patch := func(code int, body string) map[string]any {
		return a.Must(code, "PATCH", definitionsRoot+"/things.a.k8s.io", body, "Content-Type: "+apitest.MergePatch)
	}
	crd = patch(200, `{"metadata":{"annotations":{"api-approved.kubernetes.io":"unapproved, yet"}}}`)
	if got, want := conditionsOf(crd), established+"False UnapprovedAnnotation"; got != want {
		t.Errorf("unapproved: %s, want %s", got, want)
	}
	patch(422, `{"metadata":{"annotations":null}}`)
}

// TestUntrustedWebhook: a definition whose webhook could never be trusted is not served until that is
// mended.
func TestUntrustedWebhook(t *testing.T) {
	a := asker{startClients(t), t}
	const webhook = `"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"https://a","caBundle":"anVuaw=="}}},`
	crd := a.ask("POST", definitionsRoot, definitionBody("things", "example.com", "Thing", "", webhook), 201)
	if got := conditionsOf(crd); !strings.Contains(got, "NamesAccepted=True NoConflicts, Established=False InvalidCABundle") {
		t.Errorf("at first: %s", got)
	}
	a.ask("GET", "/apis/example.com/v1/things", "", 404)
	crd = a.Must(200, "PATCH", definitionsRoot+"/things.example.com",
		`{"spec":{"conversion":{"webhook":{"clientConfig":{"caBundle":null}}}}}`, "Content-Type: "+apitest.MergePatch)
	if got := conditionsOf(crd); !strings.Contains(got, "Established=True InitialNamesAccepted") {
		t.Errorf("then: %s", got)
	}
	a.ask("GET", "/apis/example.com/v1/things", "", 200)
}

// TestNamesStayClaimed: a definition keeps the names that it has while it asks for one that is taken,
// so that nobody else gets them.
func TestNamesStayClaimed(t *testing.T) {
	a := asker{startClients(t), t}
	a.ask("POST", definitionsRoot, definitionBody("apples", "example.com", "Apple", "", ""), 201)
	a.ask("POST", definitionsRoot, definitionBody("berries", "example.com", "Berry", "", ""), 201)
	crd := a.Must(200, "PATCH", definitionsRoot+"/apples.example.com", `{"spec":{"names":{"shortNames":["x","berries"]}}}`, "Content-Type: "+apitest.MergePatch)
	if got := conditionsOf(crd); got != "NamesAccepted=False ShortNamesConflict, Established=True InitialNamesAccepted" {
		t.Errorf("who asks for a taken name: %s", got)
	}
	a.want(crd, `["a"]`, "status", "acceptedNames", "shortNames")
	// It has asked for another one, and still has this.
	other := a.ask("POST", definitionsRoot, definitionBody("avocados", "example.com", "Avocado", "", ""), 201)
	if got := conditionsOf(other); got != "NamesAccepted=False ShortNamesConflict, Established=False NotAccepted" {
		t.Errorf("who asks for its name: %s", got)
	}
	a.want(other, `{"plural":"avocados","singular":"avocado","kind":"Avocado","listKind":"AvocadoList"}`, "status", "acceptedNames")
}

// TestStatusOfDefinitions: what a client writes into the status stays, also stored versions that the
// spec does not have; with none, the storage version is put in.
func TestStatusOfDefinitions(t *testing.T) {
	a := asker{startClients(t), t}
	a.ask("POST", definitionsRoot, definitionBody("things", "example.com", "Thing", "", ""), 201)
	patch := func(code int, body string) map[string]any {
		return a.Must(code, "PATCH", definitionsRoot+"/things.example.com/status", body, "Content-Type: "+apitest.MergePatch)
	}
	a.want(patch(200, `{"status":{"storedVersions":["v1","v9"]}}`), `["v1","v9"]`, "status", "storedVersions")
	a.want(patch(200, `{"status":{"storedVersions":[]}}`), `["v1"]`, "status", "storedVersions")
	patch(422, `{"status":{"acceptedNames":{"plural":"Bad"}}}`)
	crd := patch(200, `{"metadata":{"labels":{"a":"b"}},"status":{"conditions":[{"type":"Foo","status":"True","reason":"R","message":"m","lastTransitionTime":"2020-01-01T00:00:00Z"}]}}`)
	if got := conditionsOf(crd); got != "Foo=True R" || tree.Text(crd, "metadata", "labels", "a") != "b" {
		t.Errorf("%s, %v", got, crd["metadata"])
	}
}

// TestDefinitionWarnings: a format that nobody knows is told when it comes, not with each write after.
func TestDefinitionWarnings(t *testing.T) {
	a := asker{startClients(t), t}
	const path, versions = definitionsRoot + "/things.example.com", `{"spec":{"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":` +
		`{"type":"object","properties":{"a":{"type":"string","format":"FORMAT"}}}}}]}}`
	a.ask("POST", definitionsRoot, definitionBody("things", "example.com", "Thing", "", ""), 201)
	for _, row := range []struct{ body, want string }{
		{strings.Replace(versions, "FORMAT", "foo", 1), `299 - "unrecognized format \"foo\""`},
		{strings.Replace(versions, "FORMAT", "foo", 1), ""},
		{`{"metadata":{"labels":{"a":"b"}}}`, ""},
		{strings.Replace(versions, "FORMAT", "bar", 1), `299 - "unrecognized format \"bar\""`},
	} {
		w, err := a.Send(t.Context(), "PATCH", path, strings.NewReader(row.body), "Content-Type: "+apitest.MergePatch)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		if got := strings.Join(w.Header["Warning"], "; "); w.StatusCode != http.StatusOK || got != row.want {
			t.Errorf("%s: %d %q, want %q", row.body, w.StatusCode, got, row.want)
		}
	}
}

// TestPreconditionsOfHeldKinds: kinds whose deletion is put off look at the preconditions themselves, and
// say so in words of their own (kube-apiserver v1.37.2).
func TestPreconditionsOfHeldKinds(t *testing.T) {
	a := asker{startClients(t), t}
	crd := a.ask("POST", definitionsRoot, definitionBody("things", "example.com", "Thing", "", ""), 201)
	namespace := a.ask("POST", "/api/v1/namespaces", `{"metadata":{"name":"n"}}`, 201)
	for _, row := range []struct {
		path, options, want string
		obj                 map[string]any
	}{
		{definitionsRoot + "/things.example.com", `{"uid":"x"}`,
			`customresourcedefinitions.apiextensions.k8s.io "things.example.com": precondition failed: UID in precondition: x, UID in object meta: UID`, crd},
		{"/api/v1/namespaces/n", `{"uid":"x"}`, `namespaces "n": Precondition failed: UID in precondition: x, UID in object meta: UID`, namespace},
		{"/api/v1/namespaces/n", `{"resourceVersion":"1"}`,
			`namespaces "n": Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: REVISION`, namespace},
	} {
		want := strings.NewReplacer("UID in object meta: UID", "UID in object meta: "+tree.Text(row.obj, "metadata", "uid"),
			"REVISION", tree.Text(row.obj, "metadata", "resourceVersion")).Replace("Operation cannot be fulfilled on " + row.want)
		got := a.ask("DELETE", row.path, `{"preconditions":`+row.options+`}`, 409)
		if tree.Text(got, "message") != want {
			t.Errorf("got  %s\nwant %s", tree.Text(got, "message"), want)
		}
	}
}
