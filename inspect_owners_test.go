package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"apichain/admin"
	"apichain/internal/tree"
)

// ownedObject is an object with the entries of managedFields that are given as JSON.
func ownedObject(t testing.TB, entries string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(`{"metadata":{"name":"a","managedFields":` + entries + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// shownOwners are rows as "manager/operation/apiVersion/subresource path", one a line.
func shownOwners(rows []admin.Owner) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s/%s/%s/%s %s\n", r.Manager, r.Operation, r.APIVersion, r.Subresource, r.Path)
	}
	return b.String()
}

// carOwners are three managers of a deployment: helm has applied it, kubectl has edited it, a controller scales it.
const carOwners = `[
	{"manager":"helm","operation":"Apply","apiVersion":"apps/v1","time":"2026-11-20T01:02:03Z","fieldsType":"FieldsV1","fieldsV1":{
		"f:metadata":{"f:labels":{"f:app":{}},"f:finalizers":{".":{},"v:\"x.io/a\"":{},"v:\"x.io/b\"":{}}},
		"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{}}}}}}}},
	{"manager":"autoscaler","operation":"Update","apiVersion":"apps/v1","subresource":"scale","time":"2026-11-21T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{
		"f:spec":{"f:replicas":{}}}},
	{"manager":"kubectl","operation":"Update","apiVersion":"apps/v1beta1","fieldsType":"FieldsV1","fieldsV1":{
		"f:metadata":{"f:labels":{".":{},"f:team":{}}},
		"f:spec":{"f:selector":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}}}},"f:hosts":{"v:\"secret-1\"":{},"v:\"secret-2\"":{}}}}}]`

// TestOwnersOfAnObject: every field with all its managers, by field; the values of lists are names in metadata alone.
func TestOwnersOfAnObject(t *testing.T) {
	const all = `helm/Apply/apps/v1/ .metadata.finalizers
helm/Apply/apps/v1/ .metadata.finalizers[="x.io/a"]
helm/Apply/apps/v1/ .metadata.finalizers[="x.io/b"]
kubectl/Update/apps/v1beta1/ .metadata.labels
helm/Apply/apps/v1/ .metadata.labels.app
kubectl/Update/apps/v1beta1/ .metadata.labels.team
kubectl/Update/apps/v1beta1/ .spec.hosts[=REDACTED]
helm/Apply/apps/v1/ .spec.replicas
autoscaler/Update/apps/v1/scale .spec.replicas
helm/Apply/apps/v1/ .spec.selector
kubectl/Update/apps/v1beta1/ .spec.selector
helm/Apply/apps/v1/ .spec.template.spec.containers[name="a"]
helm/Apply/apps/v1/ .spec.template.spec.containers[name="a"].image
kubectl/Update/apps/v1beta1/ .spec.template.spec.containers[name="a"].image
helm/Apply/apps/v1/ .spec.template.spec.containers[name="a"].name
`
	grep := func(words ...string) string {
		var b strings.Builder
		for line := range strings.Lines(all) {
			for _, word := range words {
				if strings.Contains(line, word) {
					b.WriteString(line)
					break
				}
			}
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		q    admin.OwnersRequest
		want string
	}{
		"all":            {admin.OwnersRequest{}, all},
		"one field":      {admin.OwnersRequest{Paths: []string{".spec.replicas"}}, grep(".replicas")},
		"a field below":  {admin.OwnersRequest{Paths: []string{".spec.template*", ".none"}}, grep(".template")},
		"no such field":  {admin.OwnersRequest{Paths: []string{".spec"}}, ""},
		"no value":       {admin.OwnersRequest{Paths: []string{`.spec.hosts[="secret-1"]`, `.spec.hosts[="secret*`}}, ""},
		"helm takes":     {admin.OwnersRequest{Force: "helm"}, "autoscaler/Update/apps/v1/scale .spec.replicas\n" + grep("kubectl/Update/apps/v1beta1/ .spec.selector", "v1beta1/ .spec.template")},
		"scaler takes":   {admin.OwnersRequest{Force: "autoscaler"}, grep("helm/Apply/apps/v1/ .spec.replicas")},
		"kubectl takes":  {admin.OwnersRequest{Force: "kubectl"}, grep("v1/ .spec.selector", "helm/Apply/apps/v1/ .spec.template.spec.containers[name=\"a\"].image")},
		"helm takes one": {admin.OwnersRequest{Force: "helm", Paths: []string{".spec.r*"}}, "autoscaler/Update/apps/v1/scale .spec.replicas\n"},
	} {
		rows, complete, err := ownersOf(ownedObject(t, carOwners), &c.q)
		if got := shownOwners(rows); got != c.want || !complete || err != nil {
			t.Errorf("%s: %v %t\n%swant\n%s", name, err, complete, got, c.want)
		}
		for _, r := range rows {
			when := map[string]string{"helm": "2026-11-20T01:02:03.000Z", "autoscaler": "2026-11-21T00:00:00.000Z"}[r.Manager]
			if r.Changed.String() != when || r.ID != r.Manager+":"+r.Operation+":"+r.APIVersion+":"+r.Subresource+":"+r.Path {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	_, _, err := ownersOf(ownedObject(t, carOwners), &admin.OwnersRequest{Force: "Helm"})
	if err == nil || err.Code != 400 || !strings.Contains(err.Message, `"Helm" owns nothing of the object: its managers are autoscaler, helm, kubectl`) {
		t.Errorf("a manager that is not there: %v", err)
	}
	if _, _, err := ownersOf(map[string]any{}, &admin.OwnersRequest{Force: "x"}); err == nil || !strings.HasSuffix(err.Message, "its managers are nobody") {
		t.Errorf("nobody: %v", err)
	}
}

// TestOwnersOfWhatever: what is no list of entries has no rows, and what is more than anybody reads is cut.
func TestOwnersOfWhatever(t *testing.T) {
	for _, entries := range []string{`null`, `[]`, `{}`, `7`, `[7,null,"x",[]]`, `[{"manager":7,"fieldsV1":7}]`, `[{"fieldsV1":{"x":{}}}]`, `[{"time":"yesterday"}]`} {
		if rows, complete, err := ownersOf(ownedObject(t, entries), &admin.OwnersRequest{}); len(rows) > 0 || !complete || err != nil {
			t.Errorf("%s: %v %t %v", entries, rows, complete, err)
		}
	}
	var wide, deep, values strings.Builder
	for i := range 3 * mostOwned {
		fmt.Fprintf(&wide, `,"f:n%d":{}`, i)
		fmt.Fprintf(&values, `,"v:%d":{}`, i)
	}
	deep.WriteString(strings.Repeat(`{".":{},"f:deeper":`, 900) + "{}" + strings.Repeat("}", 900))
	entry := func(fields string) string { return `[{"manager":"m","operation":"Update","fieldsV1":` + fields + `}]` }
	for name, c := range map[string]struct {
		fields   string
		paths    []string
		rows     int
		complete bool
	}{
		"wide":            {"{" + wide.String()[1:] + "}", nil, mostOwned, false},
		"wide, of one":    {"{" + wide.String()[1:] + "}", []string{".n29999", ".n2"}, 2, true},
		"deep":            {deep.String(), nil, 293, true}, // the rest is cut and alike
		"values":          {`{"f:spec":{"f:l":{` + values.String()[1:] + "}}}", nil, 1, true},
		"values of names": {`{"f:metadata":{"f:l":{` + values.String()[1:] + "}}}", nil, mostOwned, false},
	} {
		rows, complete, err := ownersOf(ownedObject(t, entry(c.fields)), &admin.OwnersRequest{Paths: c.paths})
		if len(rows) != c.rows || complete != c.complete || err != nil {
			t.Errorf("%s: %d rows %t %v, want %d", name, len(rows), complete, err, c.rows)
		}
		for _, r := range rows {
			if len(r.Path) > 2100 {
				t.Fatalf("%s: a path of %d bytes", name, len(r.Path))
			}
		}
	}
}

// TestOwnersOverHTTP: an object by each name of its resource, what is not there, and the subcommand.
func TestOwnersOverHTTP(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	entries := `[{"manager":"m","operation":"Update","apiVersion":"v1","time":"2026-11-20T01:02:03Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{}}}}]`
	object := func(kind, meta string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":%q,"metadata":{%s,"creationTimestamp":"2026-01-02T03:04:05Z","managedFields":%s}}`, kind, meta, entries)
	}
	var snapshot struct{ Items []json.RawMessage }
	r.look("/admin/v1/snapshot", &snapshot)
	for _, o := range []string{object("ConfigMap", `"name":"x","namespace":"default","uid":"1"`), object("ConfigMap", `"name":"y","namespace":"kube-public","uid":"2"`), object("Namespace", `"name":"n","uid":"3"`)} {
		snapshot.Items = append(snapshot.Items, json.RawMessage(o))
	}
	body, _ := json.Marshal(map[string]any{"kind": "List", "apiVersion": "v1", "items": snapshot.Items})
	if got := r.change("PUT", "/admin/v1/snapshot", string(body), "If-Match: *"); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	const rows = "m/Update/v1/ .data\nm/Update/v1/ .data.a\n"
	for query, want := range map[string]string{
		"resource=configmaps&name=x":                  "200 configmaps default/x\n" + rows,
		"resource=configmap&name=x&namespace=default": "200 configmaps default/x\n" + rows,
		"resource=cm&name=y&namespace=kube-public":    "200 configmaps kube-public/y\n" + rows,
		"resource=ConfigMap&name=x&path=.data.a":      "200 configmaps default/x\nm/Update/v1/ .data.a\n",
		"resource=namespaces&name=n":                  "200 namespaces /n\n" + rows,
		"resource=ns&name=n&namespace=ignored":        "200 namespaces /n\n" + rows,
		"resource=configmaps&name=y":                  `404 configmaps "y" not found`,
		"resource=configmaps&name=x&namespace=none":   `404 configmaps "x" not found`,
		"resource=configmaps.apps&name=x":             `404 no resource "configmaps.apps" is served here`,
		"resource=widgets&name=x":                     `404 no resource "widgets" is served here`,
		"resource=deployments.apps&name=x":            `404 deployments.apps "x" not found`,
		"resource=deploy&name=x":                      `404 deployments.apps "x" not found`,
		"resource=ev.events.k8s.io&name=x":            `404 no resource "ev.events.k8s.io" is served here`,
		"resource=cm&name=x&force=nobody":             `400 query parameter force: "nobody" owns nothing of the object: its managers are m`,
		"resource=cm&name=x&force=m":                  "200 configmaps default/x\n",
		"resource=cm&name=x&manager=other":            "200 configmaps default/x\n",
	} {
		var answer struct {
			Resource, Namespace, Name, Message string
			Complete                           bool
			Items                              []struct{ Manager, Operation, APIVersion, Subresource, Path string }
		}
		got := r.look("/admin/v1/owners?"+query, &answer)
		text := fmt.Sprint(got.status, " ", answer.Message)
		if got.status == 200 {
			text = fmt.Sprintf("200 %s %s/%s\n", answer.Resource, answer.Namespace, answer.Name)
			for _, o := range answer.Items {
				text += shownOwners([]admin.Owner{{Manager: o.Manager, Operation: o.Operation, APIVersion: o.APIVersion, Subresource: o.Subresource, Path: o.Path}})
			}
		}
		if text != want {
			t.Errorf("%s: %s\nwant %s", query, text, want)
		}
	}
	at := "--admin=" + r.url("admin", "")
	got := inspect(t, "", "owners", "cm/y", "-n", "kube-public", "--path=data", at)
	if lines := strings.Split(got.out, "\n"); got.code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[1], ".data    m        Update     v1") || !strings.HasPrefix(lines[2], ".data.a  m") {
		t.Errorf("the subcommand: %+v", got)
	}
	if got := inspect(t, "", "owners", "cm/z", at); got.code != 1 || got.errs != "apichain: configmaps \"z\" not found\n" {
		t.Errorf("the subcommand, of nothing: %+v", got)
	}
}
