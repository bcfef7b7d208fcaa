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
	deadline, again := time.Now().Add(20*time.Second), time.NewTicker(20*time.Millisecond)
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
