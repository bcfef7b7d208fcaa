package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkRouting is the cost of a lookup by how much is registered, beside
// http.ServeMux with the same patterns. hot asks for one path, as a busy client does;
// spread for 64 of them in turn, from all over what is registered. Ours is find alone,
// and values is find with the parameters made readable, which is what ServeMux does.
// ServeMux ends at 1,000: it compares each new pattern with many before it, and takes
// minutes for 100,000.
func BenchmarkRouting(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		noop := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		c, m, std := newContainer("core"), newMux("core"), http.NewServeMux()
		ws := &WebService{Root: "/api/v1"}
		for i := range n {
			item, static := fmt.Sprintf("/namespaces/{ns}/things%05d/{name}", i), fmt.Sprintf("/things%05d", i)
			ws.Routes = append(ws.Routes, Route{Method: "GET", Path: item, Handler: noop}, Route{Method: "GET", Path: static, Handler: noop})
			if n <= 1000 {
				std.Handle("GET /api/v1"+item, noop)
				std.Handle("GET /api/v1"+static, noop)
				std.Handle(fmt.Sprintf("/healthz/check%05d", i), noop)
				std.Handle(fmt.Sprintf("/debug/part%05d/", i), noop)
			}
			if err := m.handle(fmt.Sprintf("/healthz/check%05d", i), noop, true, "x"); err != nil {
				b.Fatal(err)
			}
			if err := m.handlePrefix(fmt.Sprintf("/debug/part%05d/", i), noop, true, "x"); err != nil {
				b.Fatal(err)
			}
		}
		if err := c.add(ws, "x"); err != nil {
			b.Fatal(err)
		}
		paths := map[string]string{
			"params": "/api/v1/namespaces/default/things%05d/one", "static": "/api/v1/things%05d",
			"exact": "/healthz/check%05d", "prefix": "/debug/part%05d/below/it",
		}
		route := func(r *http.Request) bool {
			rt, _ := c.find(r)
			return rt != nil
		}
		path := func(r *http.Request) bool { return m.find(r.URL.Path) != nil }
		stdlib := func(r *http.Request) bool {
			std.ServeHTTP(nil, r)
			return true
		}
		for _, row := range []struct {
			name, path string
			find       func(*http.Request) bool
		}{
			{"container", "params", route},
			{"container-values", "params", func(r *http.Request) bool {
				rt, _ := c.find(r)
				rt.setPathValues(r)
				return true
			}},
			{"container", "static", route},
			{"mux", "exact", path},
			{"mux", "prefix", path},
			{"ServeMux", "params", stdlib},
			{"ServeMux", "static", stdlib},
			{"ServeMux", "exact", stdlib},
			{"ServeMux", "prefix", stdlib},
		} {
			if row.name == "ServeMux" && n > 1000 {
				continue
			}
			for _, mode := range []string{"hot", "spread"} {
				b.Run(fmt.Sprintf("%d/%s-%s/%s", n, row.name, row.path, mode), func(b *testing.B) {
					var reqs [64]*http.Request
					for i := range reqs {
						at := n / 2
						if mode == "spread" {
							at = i * (n - 1) / (len(reqs) - 1)
						}
						reqs[i] = httptest.NewRequest("GET", fmt.Sprintf(paths[row.path], at), nil)
						if mode == "hot" {
							reqs[i] = reqs[0]
						}
					}
					row.find(reqs[0]) // compiles
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						if !row.find(reqs[i%len(reqs)]) {
							b.Fatal("not found")
						}
					}
				})
			}
		}
	}
}
