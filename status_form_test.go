package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// TestStatusForms: a failure is in protobuf for who prefers that, wherever it comes from and whatever
// form the answer would have had; and says then what it says in JSON.
func TestStatusForms(t *testing.T) {
	r := startProgram(t, nil)
	definition := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",` +
		`"names":{"kind":"Widget","plural":"widgets"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`
	if got, err := r.send(r.client("https"), "https", http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", strings.NewReader(definition),
		"Content-Type: application/json"); err != nil || got.status != http.StatusCreated {
		t.Fatal(err, got.status, got.body)
	}
	const (
		maps    = "/api/v1/namespaces/default/configmaps"
		widgets = "/apis/example.com/v1/namespaces/default/widgets"
		partial = ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	)
	for _, c := range []struct {
		method, path, body, accept string
		status                     int
		protobuf                   bool
	}{
		{"GET", maps + "/none", "", request.Protobuf, 404, true},
		{"GET", maps + "/none", "", request.Protobuf + ",application/json", 404, true},
		{"GET", maps + "/none", "", "application/json," + request.Protobuf, 404, false},
		{"GET", maps + "/none", "", "*/*," + request.Protobuf + ";q=0.1", 404, false},
		{"GET", maps + "/none", "", request.Protobuf + partial + ",application/json", 404, false},
		{"GET", widgets + "/none", "", request.Protobuf + ",application/json", 404, true},
		{"GET", widgets + "/none", "", request.Protobuf, 406, true},
		{"GET", widgets + "/none", "", request.Protobuf + partial, 404, false},
		{"GET", "/apis/coordination.k8s.io/v1/nobody", "", request.Protobuf, 404, true},
		{"GET", "/nobody", "", request.Protobuf, 404, false}, // text
		{"POST", maps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"_"}}`, request.Protobuf, 422, true},
		{"GET", maps + "?watch=1&resourceVersion=x", "", request.Protobuf, 500, true},
	} {
		ask := func(accept string) reply {
			header := []string{"Content-Type: application/json"}
			if accept != "" {
				header = append(header, "Accept: "+accept)
			}
			got, err := r.send(r.client("https"), "https", c.method, c.path, strings.NewReader(c.body), header...)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		got := ask(c.accept)
		if is := got.header.Get("Content-Type") == request.Protobuf; got.status != c.status || is != c.protobuf {
			t.Errorf("%s %s as %s: %d %v", c.method, c.path, c.accept, got.status, got.header)
			continue
		} else if !is || c.status == 406 {
			continue
		}
		_, kind, raw, _, err := kinds.DecodeEnvelope([]byte(got.body))
		if err != nil || kind != "Status" {
			t.Fatalf("%v %q", err, kind)
		}
		message, err := kinds.DecodeProtobuf(raw, r.program.kinds.Answer("", "v1", "Status"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{}
		if err := json.Unmarshal([]byte(ask("").body), &want); err != nil {
			t.Fatal(err)
		}
		if message["message"] != want["message"] || message["reason"] != want["reason"] || len(tree.List(message, "details", "causes")) != len(tree.List(want, "details", "causes")) {
			t.Errorf("%s %s as %s: %v, want %v", c.method, c.path, c.accept, message, want)
		}
	}
}
