package api_test

import (
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
)

// TestWithoutLifecycle: what upstream's admission plugin NamespaceLifecycle refuses passes where it is off.
func TestWithoutLifecycle(t *testing.T) {
	const spaces = "/api/v1/namespaces"
	configMap := `{"metadata":{"name":"a"}}`
	for _, off := range []bool{false, true} {
		// No controllers: nobody empties the namespace that is being deleted.
		s := apitest.Start(t, apitest.Config{Empty: true, Extend: func(a *api.API) {
			a.Config.NoNamespaceLifecycle = off
		}})
		ask := func(method, path, body string, refused int, passes bool, code int) {
			t.Helper()
			if !passes {
				code = refused
			}
			s.Must(code, method, path, body, "Content-Type: application/json")
		}
		for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease", "going"} {
			ask("POST", spaces, `{"metadata":{"name":"`+name+`"}}`, 0, true, 201)
		}
		ask("DELETE", spaces+"/going", "", 0, true, 200)
		ask("POST", spaces+"/missing/configmaps", configMap, 404, off, 201)
		ask("GET", spaces+"/missing/configmaps/a", "", 404, off, 200)
		ask("POST", spaces+"/going/configmaps", configMap, 403, off, 201)
		ask("PATCH", spaces+"/missing/configmaps/a?dryRun=All", `{}`, 415, true, 415)
		ask("POST", spaces+"/missing/serviceaccounts/x/token", `{"spec":{}}`, 404, off, 404)
		for _, name := range []string{"default", "kube-system", "kube-public"} {
			ask("DELETE", spaces+"/"+name, "", 403, off, 200)
		}
		ask("DELETE", spaces+"/kube-node-lease", "", 0, true, 200)
	}
}

// TestNamespaceSubresources: a write of the status or of the finalizers in the spec stores the
// metadata that it says with it, and nothing else; both are checked.
func TestNamespaceSubresources(t *testing.T) {
	a := asker{startClients(t), t}
	const path = "/api/v1/namespaces"
	a.ask("POST", path, `{"metadata":{"name":"n","namespace":"dropped"},"spec":{"finalizers":["x.io/a"]},"status":{"phase":"Terminating"}}`, 201)
	now := a.ask("GET", path+"/n", "", 200)
	a.want(now, `["x.io/a","kubernetes"]`, "spec", "finalizers")
	a.want(now, `{"phase":"Active"}`, "status")
	a.want(now, `null`, "metadata", "namespace")

	now = a.ask("PUT", path+"/n/status", `{"metadata":{"name":"n","labels":{"a":"b"},"finalizers":["x.io/z"]},"spec":{"finalizers":["y.io/b"]},
		"status":{"phase":"Active","conditions":[{"type":"a","status":"True"}]}}`, 200)
	a.want(now, `{"a":"b","kubernetes.io/metadata.name":"n"}`, "metadata", "labels")
	a.want(now, `["x.io/z"]`, "metadata", "finalizers")
	a.want(now, `["x.io/a","kubernetes"]`, "spec", "finalizers")
	a.want(now, `{"conditions":[{"lastTransitionTime":null,"status":"True","type":"a"}],"phase":"Active"}`, "status")
	// Without a phase it is Active (upstream's default).
	a.want(a.ask("PUT", path+"/n/status?dryRun=All", `{"metadata":{"name":"n"}}`, 200), `{"phase":"Active"}`, "status")
	a.want(a.ask("PUT", path+"/n/status", `{"metadata":{"name":"n"},"status":{"phase":"Gone"}}`, 422),
		`"Namespace \"n\" is invalid: status.Phase: Invalid value: \"Gone\": may only be 'Active' if `+"`deletionTimestamp`"+` is empty"`, "message")

	a.want(a.ask("PUT", path+"/n/finalize", `{"metadata":{"name":"n"},"spec":{"finalizers":["plain","kubernetes"]}}`, 422),
		`"Namespace \"n\" is invalid: spec.finalizers[0]: Invalid value: \"plain\": name is neither a standard finalizer name nor is it fully qualified"`, "message")
	now = a.ask("PUT", path+"/n/finalize", `{"metadata":{"name":"n","annotations":{"c":"d"}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}}`, 200)
	a.want(now, `["kubernetes"]`, "spec", "finalizers")
	a.want(now, `{"kubernetes.io/metadata.name":"n"}`, "metadata", "labels")
	a.want(now, `{"c":"d"}`, "metadata", "annotations")
	a.want(now, `null`, "metadata", "finalizers")
	a.want(now, `"Active"`, "status", "phase")
}
