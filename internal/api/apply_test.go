package api_test

import (
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestApplyOverHTTP: what an apply answers, step by step: each begins with what the one before has left.
func TestApplyOverHTTP(t *testing.T) {
	c := startClients(t)
	const apply = "Content-Type: " + apitest.ApplyPatch
	config := func(data string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":` + data + `}`
	}
	for _, s := range []struct {
		what, query, body string
		code              int
		message           string // a part of it
		data              string
		managers          string
	}{
		{"a dry run", "fieldManager=x&dryRun=All", config(`{"k":"1"}`), 201, "", `{"k":"1"}`, "x"},
		{"no manager", "", config(`{}`), 422, "fieldManager: Required value: is required for apply patch", "", ""},
		{"another kind", "fieldManager=x", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}`, 400, "invalid object type: /v1, Kind=Secret", "", ""},
		{"an unknown field", "fieldManager=x", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"foo":1}`, 500, ".foo: field not declared in schema", "", ""},
		{"a uid of nothing", "fieldManager=x", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"u"}}`, 409, "uid mismatch", "", ""},
		{"another name", "fieldManager=x", strings.Replace(config(`{}`), `"a"`, `"b"`, 1), 400, "does not match the name on the URL", "", ""},
		{"no YAML", "fieldManager=x", "a: b: c", 400, "error encoding patch: ", "", ""},
		{"create", "fieldManager=x", config(`{"k":"1","l":"1"}`), 201, "", `{"k":"1","l":"1"}`, "x"},
		{"again", "fieldManager=x", config(`{"k":"1","l":"1"}`), 200, "", `{"k":"1","l":"1"}`, "x"},
		{"a conflict", "fieldManager=y", config(`{"k":"2"}`), 409, `Apply failed with 1 conflict: conflict with "x": .data.k`, "", ""},
		{"the same", "fieldManager=y", config(`{"k":"1"}`), 200, "", `{"k":"1","l":"1"}`, "y x"},
		{"less", "fieldManager=x", config(`{"k":"1"}`), 200, "", `{"k":"1"}`, "y x"},
		{"force", "fieldManager=y&force=true", config(`{"k":"2"}`), 200, "", `{"k":"2"}`, "y"},
		{"a key twice, strict", "fieldManager=y&fieldValidation=Strict", config(`{"k":"2","k":"3"}`), 400, `error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:`, "", ""},
		{"an old version", "fieldManager=y", strings.Replace(config(`{"k":"2","n":"1"}`), `"name"`, `"resourceVersion":"1","name"`, 1), 409, "the object has been modified", "", ""},
	} {
		code, got := c.Try("PATCH", mapsPath+"/a?"+s.query, s.body, apply)
		if code != s.code || !strings.Contains(tree.Text(got, "message"), s.message) {
			t.Fatalf("%s: %d %v", s.what, code, got)
		}
		if code >= 400 {
			continue
		}
		var managers []string
		for _, e := range tree.List(got, "metadata", "managedFields") {
			managers = append(managers, tree.Text(e, "manager"))
		}
		// Entries of one second are in the order of names; those without a time come first.
		if data := string(tree.AppendJSON(nil, got["data"])); data != s.data || len(managers) != len(strings.Fields(s.managers)) {
			t.Fatalf("%s: %s, owned by %q", s.what, data, managers)
		}
	}
	// An apply that changes nothing writes nothing.
	before := c.Store.Revision()
	c.Must(200, "PATCH", mapsPath+"/a?fieldManager=y", config(`{"k":"2"}`), apply)
	if now := c.Store.Revision(); now != before {
		t.Errorf("%d writes", now-before)
	}
}

// TestManagers: the manager of a write is what it says it is, or how its client calls itself.
func TestManagers(t *testing.T) {
	c := startClients(t)
	for i, s := range []struct{ query, agent, want string }{
		{"?fieldManager=me", "User-Agent: curl/8", "me"}, {"", "User-Agent: curl/8", "curl"}, {"", "User-Agent: plain", "plain"},
		{"", "User-Agent: " + strings.Repeat("x", 200), strings.Repeat("x", 128)}, {"", "User-Agent: /1", "unknown"},
	} {
		body := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m` + itoa(i) + `"},"data":{"a":"b"}}`
		got := c.Must(201, "POST", mapsPath+s.query, body, s.agent)
		if list := tree.List(got, "metadata", "managedFields"); len(list) != 1 || tree.Text(list[0], "manager") != s.want {
			t.Errorf("%v: %v", s, list)
		}
	}
}
