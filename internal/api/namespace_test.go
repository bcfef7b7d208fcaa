package api_test

import "testing"

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
