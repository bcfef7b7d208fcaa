package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"apichain/internal/request"
)

// benchServer is a program with its objects made and no listener.
func benchServer(t testing.TB, args ...string) *program {
	p := newTestProgram(t, append([]string{"--token-auth-file=testdata/tokens.csv"}, args...)...)
	if err := p.bootstrap(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends one request through the TLS listener's chain and keeps nothing of the answer.
func (p *program) ask(w *sink, method, path, contentType, body string, accept ...string) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header["Authorization"] = []string{"Bearer admin-token"}
	if contentType != "" {
		r.Header["Content-Type"] = []string{contentType}
	}
	if accept != nil {
		r.Header["Accept"] = accept
	}
	w.status = 0
	clear(w.h)
	p.chain("https").ServeHTTP(w, r)
	return w.status
}

// benchMap is a config map with about 1 KiB of data.
func benchMap(name, more string) string {
	return fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"labels":{"app":"bench","n":"1"}},"data":{"payload":%q,"more":%q}}`, name, strings.Repeat("x", 1024), more)
}

const benchDefinition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
 "names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{
 "spec":{"type":"object","required":["size"],"properties":{"size":{"type":"integer","minimum":0,"maximum":100},"color":{"type":"string","enum":["red","green"],"default":"red"},"payload":{"type":"string","maxLength":4096},
 "list":{"type":"array","maxItems":10,"items":{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z]+$"}}}}}},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}`

func benchObjectOf(name string, size int) string {
	return fmt.Sprintf(`{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":%q,"labels":{"app":"bench"}},"spec":{"size":%d,"payload":%q,"list":[{"name":"a"},{"name":"b"}]}}`, name, size, strings.Repeat("x", 1024))
}

// BenchmarkResource is the cost of the REST verbs in process, through the whole chain of
// the TLS listener, on objects of about 1.2 KB.
func BenchmarkResource(b *testing.B) {
	const maps, widgets = "/api/v1/namespaces/default/configmaps", "/apis/example.com/v1/namespaces/default/widgets"
	p := benchServer(b)
	w := &sink{h: http.Header{}}
	want := func(b *testing.B, code int, got int) {
		if got != code {
			b.Fatalf("status %d, want %d", got, code)
		}
	}
	want(b, 201, p.ask(w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", benchDefinition))
	for _, k := range []struct {
		name, path string
		object     func(name string, n int) string
	}{
		{"ConfigMap", maps, func(name string, n int) string { return benchMap(name, fmt.Sprint(n)) }},
		{"Widget", widgets, func(name string, n int) string { return benchObjectOf(name, n%100) }},
	} {
		n := 0
		want(b, 201, p.ask(w, "POST", k.path, "application/json", k.object("one", 1)))
		b.Run(k.name+"/get", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				want(b, 200, p.ask(w, "GET", k.path+"/one", "", ""))
			}
		})
		b.Run(k.name+"/create", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n++
				want(b, 201, p.ask(w, "POST", k.path, "application/json", k.object(fmt.Sprint("o-", n), n)))
			}
		})
		b.Run(k.name+"/update", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n++
				sn := p.store.Bucket(map[string]string{maps: "configmaps", widgets: "widgets.example.com"}[k.path]).Now()
				rev := fmt.Sprint(sn.Get("default/one").Rev)
				body := strings.Replace(k.object("one", n), `"metadata":{`, `"metadata":{"resourceVersion":"`+rev+`",`, 1)
				want(b, 200, p.ask(w, "PUT", k.path+"/one", "application/json", body))
			}
		})
		b.Run(k.name+"/merge-patch", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n++
				want(b, 200, p.ask(w, "PATCH", k.path+"/one", "application/merge-patch+json", fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, n)))
			}
		})
		b.Run(k.name+"/create and delete", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				want(b, 201, p.ask(w, "POST", k.path, "application/json", k.object("gone", 1)))
				want(b, 200, p.ask(w, "DELETE", k.path+"/gone", "", ""))
			}
		})
	}
}

// BenchmarkList is the cost of a list of 10,000 objects in process, beside writing as many
// bytes in pieces of 64 KiB.
func BenchmarkList(b *testing.B) {
	const maps = "/api/v1/namespaces/default/configmaps"
	p := benchServer(b)
	w := &sink{h: http.Header{}}
	for i := range 10_000 {
		p.ask(w, "POST", maps, "application/json", benchMap(fmt.Sprintf("o-%05d", i), strings.Repeat("y", 200)))
	}
	for name, query := range map[string]string{"whole": "", "page of 500": "?limit=500", "selected": "?labelSelector=app%3Dbench"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.n = 0
				if got := p.ask(w, "GET", maps+query, "", ""); got != 200 {
					b.Fatal(got)
				}
			}
			b.SetBytes(int64(w.n))
		})
	}
	b.Run("protobuf", func(b *testing.B) {
		for b.Loop() {
			w.n = 0
			if got := p.ask(w, "GET", maps, "", "", request.Protobuf); got != 200 {
				b.Fatal(got)
			}
		}
		b.SetBytes(int64(w.n))
	})
	b.Run("bytes alone", func(b *testing.B) {
		piece := bytes.Repeat([]byte("x"), 256<<10)
		for b.Loop() {
			for n := 0; n < w.n; n += len(piece) {
				_, _ = io.Discard.Write(piece)
			}
		}
	})
}
