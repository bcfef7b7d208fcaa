package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// ownEntries are the entries of managedFields of all objects of a program but for those of who calls itself client, as
// testdata/managers.txt has them.
func ownEntries(r *running, client string) (all []string) {
	for _, b := range r.store.Buckets() {
		now := b.Now()
		for o := range now.Scan("", "") {
			obj := o.Decode()
			name, ns := o.Name(), o.Namespace()
			if b.Name == "leases.coordination.k8s.io" {
				name = "SERVER" // it has the host's name
			}
			if ns == "" {
				ns = "-"
			}
			list, _, _ := tree.ParseJSONObject(fmt.Appendf(nil, `{"l":%s}`, tree.AppendJSON(nil, tree.At(obj, "metadata", "managedFields"))))
			for _, e := range tree.List(list, "l") {
				sub := "-"
				if s := tree.Text(e, "subresource"); s != "" {
					sub = s
				}
				if manager := tree.Text(e, "manager"); manager != client {
					all = append(all, fmt.Sprintf("%s %s %s %s %s %s %s %s", obj["kind"], ns, name, manager, tree.Text(e, "operation"), tree.Text(e, "apiVersion"), sub,
						tree.AppendJSON(nil, tree.At(e, "fieldsV1"))))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestManagersOfOwnWrites: what a server writes without a request belongs to whom upstream writes the same as, field by
// field: testdata/managers.txt is what kube-apiserver 1.37.2 and its kube-controller-manager have made of the same.
func TestManagersOfOwnWrites(t *testing.T) {
	want, err := os.ReadFile("testdata/managers.txt")
	if err != nil {
		t.Fatal(err)
	}
	o, f := newOptions()
	clients := filepath.Join(t.TempDir(), "clients.crt")
	put(t, clients, certPEM(newTestCA(t, nil).cert))
	args := []string{"--client-ca-file=" + clients, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv"}
	if wrong, err := o.parse(f, args); err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	o.cluster.upstream = true
	r := launchOptions(t, nil, o, f)
	r.awaitReady(t)
	for path, body := range map[string]string{
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions": widgetCRD,
		"/apis/apiregistration.k8s.io/v1/apiservices":             `{"kind":"APIService","metadata":{"name":"v1.remote.example.com"},"spec":{"group":"remote.example.com","version":"v1","groupPriorityMinimum":10,"versionPriority":10,"insecureSkipTLSVerify":true,"service":{"name":"s","namespace":"default"}}}`,
		"/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas":       `{"kind":"FlowSchema","metadata":{"name":"mine"},"spec":{"priorityLevelConfiguration":{"name":"nowhere"},"matchingPrecedence":500,"distinguisherMethod":{"type":"ByUser"}}}`,
		"/api/v1/namespaces":                    `{"kind":"Namespace","metadata":{"name":"going"}}`,
		"/api/v1/namespaces/default/configmaps": `{"kind":"ConfigMap","metadata":{"name":"mine"},"data":{"a":"b"}}`,
	} {
		if got, err := r.send(r.client("http"), "http", "POST", path, strings.NewReader(body), "Content-Type: application/json", "User-Agent: client/1"); err != nil || got.status != 201 {
			t.Fatalf("%s: %d %v %s", path, got.status, err, got.body)
		}
	}
	held := `{"kind":"ConfigMap","metadata":{"name":"held","finalizers":["x.io/a"]}}`
	if got, err := r.send(r.client("http"), "http", "POST", "/api/v1/namespaces/going/configmaps", strings.NewReader(held), "Content-Type: application/json", "User-Agent: client/1"); err != nil || got.status != 201 {
		t.Fatal(got.status, err, got.body)
	}
	if got, err := r.send(r.client("http"), "http", "DELETE", "/api/v1/namespaces/going", nil, "User-Agent: client/1"); err != nil || got.status != 200 {
		t.Fatal(got.status, err, got.body)
	}
	// Conditions come when the controllers have looked.
	deadline, again := time.Now().Add(time.Minute), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for {
		got := strings.Join(ownEntries(r, "client"), "\n") + "\n"
		if got == string(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("owners differ from the recorded ones:\n%s", lineDiff(string(want), got))
		}
		<-again.C
	}
}

// lineDiff is what the one text has and the other has not.
func lineDiff(want, got string) string {
	var b strings.Builder
	for _, c := range []struct{ sign, has, lacks string }{{"- ", want, got}, {"+ ", got, want}} {
		for line := range strings.Lines(c.has) {
			if !strings.Contains(c.lacks, line) {
				b.WriteString(c.sign + line)
			}
		}
	}
	return b.String()
}

// TestFixturesAreOwned: by a manager of their own, whatever the manifests say; a second reading changes nothing.
func TestFixturesAreOwned(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	put(t, file, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, managedFields: [{manager: liar, operation: Update, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {f:data: {}}}]}\ndata: {b: c}\n---\n"+
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"))
	r := startProgram(t, nil, "--fixtures="+file)
	var got []string
	for _, line := range ownEntries(r, "client") {
		if strings.HasPrefix(line, "ConfigMap default a ") {
			got = append(got, line)
		}
	}
	if want := `ConfigMap default a apichain-fixtures Update v1 - {"f:data":{".":{},"f:b":{}}}`; len(got) != 1 || got[0] != want {
		t.Errorf("owners are %q, want %q", got, want)
	}
}

// TestWithoutManagedFields: --managed-fields=off writes no owners, of what the program writes itself either, drops those that a
// client sends, and offers no server-side apply.
func TestWithoutManagedFields(t *testing.T) {
	r := startProgram(t, nil, "--managed-fields=off", "--listen-admin=127.0.0.1:0")
	send := func(method, path, media, body string) reply {
		t.Helper()
		got, err := r.send(r.client("http"), "http", method, path, strings.NewReader(body), "Content-Type: "+media)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const maps = "/api/v1/namespaces/default/configmaps"
	if got := send("POST", maps+"?fieldManager=m", "application/json", `{"metadata":{"name":"a","managedFields":[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{}}}]},"data":{"b":"c"}}`); got.status != 201 {
		t.Fatal(got.status, got.body)
	}
	if got := send("PATCH", maps+"/a", "application/merge-patch+json", `{"data":{"b":"d"}}`); got.status != 200 || strings.Contains(got.body, "managedFields") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := send("PATCH", maps+"/a?fieldManager=m", "application/apply-patch+yaml", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`); got.status != 415 || strings.Contains(got.body, "apply-patch") {
		t.Errorf("an apply: %d %s", got.status, got.body)
	}
	if got := ownEntries(r, "client"); len(got) > 0 {
		t.Errorf("owned are %q", got)
	}
	if got := r.look("/admin/v1/owners?resource=configmaps&name=a", nil); got.status != 200 || !strings.HasSuffix(got.body, `"total":0,"items":[]}`+"\n") {
		t.Errorf("owners: %d %s", got.status, got.body)
	}
}
