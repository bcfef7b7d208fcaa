package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/admin"
)

// nearProgram has routes of every kind on every server, and custom resources.
func nearProgram(t testing.TB) *program {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	extendEverywhere(p, nothing)
	p.applied(t, widgetCRD)
	p.applied(t, clusterCRD)
	p.api.Customs.Follow()
	return p
}

// text is a near miss as "ROUTE what want/got".
func nearText(m admin.NearMiss) string {
	return fmt.Sprintf("%s %s %s/%s", m.Route, m.Lacks.What, m.Lacks.Want, m.Lacks.Got)
}

// TestNearMisses: one of each kind, for each kind of route, and those that are none. The
// first is the nearest.
func TestNearMisses(t *testing.T) {
	p := nearProgram(t)
	for _, row := range []struct{ request, header, want string }{ // want "" is none, "* ..." is in any place
		// method
		{"DELETE /of/core/v1/things", "", "core:container:GET:/of/core/v1/things method GET/DELETE"},
		{"PATCH /api/v1/namespaces/a/configmaps", "", "core:container:DELETE:/api/v1/namespaces/{namespace}/configmaps method DELETE/PATCH"},
		{"PUT /apis/example.com/v1/globes", "", "extensions:container:DELETE:/apis/example.com/v1/globes method DELETE/PUT"}, // its own handler refuses it
		{"POST /version", "", "aggregator:container:GET:/version method GET/POST"},

		// content type: of a container's, and of a handler that refuses in its own words
		{"POST /of/core/v1/things", "Content-Type: text/plain", "core:container:POST:/of/core/v1/things content-type application/json/text/plain"},
		{"POST /api/v1/namespaces/a/configmaps", "Content-Type: text/plain", "core:container:POST:/api/v1/namespaces/{namespace}/configmaps content-type application/json, application/yaml, application/vnd.kubernetes.protobuf/text/plain"},
		{"PATCH /apis/example.com/v1/globes/a", "Content-Type: application/strategic-merge-patch+json", "extensions:container:PATCH:/apis/example.com/v1/globes/{name} content-type application/json-patch+json, application/merge-patch+json/application/strategic-merge-patch+json"},
		{"PATCH /api/v1/namespaces/a/configmaps/b", "Content-Type: application/strategic-merge-patch+json", ""},
		{"POST /apis/example.com/v1/globes", "Content-Type: application/yaml", ""},

		// accept
		{"GET /of/core/v1/things/a", "Accept: image/png", "core:container:GET:/of/core/v1/things/{name} accept application/json, text/plain/image/png"},
		{"GET /api/v1/namespaces/a/configmaps", "Accept: image/png", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps accept application/json, application/yaml/image/png"},
		{"GET /apis/example.com/v1/globes/a", "Accept: image/png", "extensions:container:GET:/apis/example.com/v1/globes/{name} accept application/json, application/yaml/image/png"},
		{"GET /api/v1/namespaces/a/configmaps", "Accept: application/yaml", ""},
		{"GET /version", "Accept: text/html", "aggregator:container:GET:/version accept application/json/text/html"},

		// two things at once
		{"PUT /of/core/v1/things/a/part", "Content-Type: text/html; Accept: image/png", ""},
		{"POST /version", "Accept: image/png", ""},

		// version
		{"GET /api/v2/namespaces/a/configmaps", "", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps version v1/v2"},
		{"GET /apis/example.com/v2/globes/a", "", "extensions:container:GET:/apis/example.com/v1/globes/{name} version v1/v2"},
		{"GET /apis/example.com/v1beta2/globes/a", "", "extensions:container:GET:/apis/example.com/v1beta1/globes/{name} version v1beta1/v1beta2"},
		{"GET /of/core/v2/things", "", "core:container:GET:/of/core/v1/things version v1/v2"},

		// a segment that differs
		{"GET /api/v1/namespaces/a/configmap", "", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps segment configmaps/configmap"},
		{"GET /apis/example.con/v1/globes/a", "", "extensions:container:GET:/apis/example.com/v1/globes/{name} segment example.com/example.con"},
		{"GET /api/example.com/v1/globes/a", "", "extensions:container:GET:/apis/example.com/v1/globes/{name} segment apis/api"},
		{"PATCH /apis/example.com/v1/globes/a/stats", "", "extensions:container:PATCH:/apis/example.com/v1/globes/{name}/status segment status/stats"},
		{"GET /of/core/exat", "", "core:exact:*:/of/core/exact segment exact/exat"},
		{"GET /of/core/belove/a", "", "core:prefix:*:/of/core/below/ segment below/belove"},
		{"GET /of/core/above/a", "", ""}, // a prefix is near what is like it alone
		{"GET /of/core/v1/file/a/b/c", "", "core:container:GET:/of/core/v1/files/{path:*} segment files/file"},
		{"GET /readyzz", "", "aggregator:exact:*:/readyz segment readyz/readyzz"},
		{"GET /nothing-like-it", "", ""},

		// one that is missing
		{"GET /apis/example.com/globes/a", "", "extensions:container:GET:/apis/example.com/v1/globes/{name} segment v1/"},
		{"GET /namespaces/a/configmaps", "", ""}, // two
		{"PUT /api/v1/configmaps/a", "", "core:container:PUT:/api/v1/namespaces/{name} segment namespaces/configmaps"},
		{"GET /of/core", "", "core:exact:*:/of/core/exact segment exact/"},
		{"GET /of/exact", "", "aggregator:exact:*:/of/aggregator/exact segment aggregator/"},
		{"PUT /of/core/v1/things/part", "Content-Type: text/plain", "* core:container:PUT:/of/core/v1/things/{name}/part segment {name}/"},

		// one too many
		{"PUT /api/v1/namespaces/a/configmaps/b/c", "", "core:container:PUT:/api/v1/namespaces/{namespace}/configmaps/{name} segment /c"},
		{"GET /apis/example.com/v1/namespaces/globes/a", "", "extensions:container:GET:/apis/example.com/v1/globes/{name} segment /namespaces"},
		{"GET /of/core/exact/x", "", "core:exact:*:/of/core/exact segment /x"},
		{"GET /api/v1//namespaces/a/configmaps", "", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps segment //"},

		// a trailing slash
		{"GET /of/core/exact/", "", "core:exact:*:/of/core/exact segment //"},
		{"GET /of/core/slash/x", "", "core:exact:*:/of/core/slash/ segment /x"},
		{"GET /of/core/slash", "", "core:exact:*:/of/core/slash/ segment //"},
		{"GET /of/core/below", "", "core:prefix:*:/of/core/below/ segment //"},

		// nothing is missing, or nothing can be said
		{"GET /version", "", ""},
		{"GET /of/core/below/x", "", ""},
		{"OPTIONS *", "", ""},
	} {
		var parameters []string
		for _, h := range strings.Split(row.header, "; ") {
			if h != "" {
				parameters = append(parameters, "header="+h)
			}
		}
		e := p.mustExplain(t, row.request, append(parameters, "listener=http")...)
		var got []string
		for _, m := range e.NearMisses {
			got = append(got, nearText(m))
			if !strings.Contains(m.RegisteredAt, ".go:") || len(got) > 5 {
				t.Errorf("%s: %+v", row.request, m)
			}
		}
		if want, anywhere := strings.CutPrefix(row.want, "* "); anywhere {
			row.want, got[0] = want, got[max(slices.Index(got, want), 0)]
		}
		if row.want == "" && len(got) > 0 || row.want != "" && (len(got) == 0 || !strings.HasPrefix(got[0], row.want)) {
			t.Errorf("%s %s: got\n%s\nwant %q", row.request, row.header, strings.Join(got, "\n"), row.want)
		}
	}
}

// TestNearMissesLackOneThing: of 2,000 requests, whatever is near takes the request as soon
// as it has the one thing, unless another route is in front.
func TestNearMissesLackOneThing(t *testing.T) {
	p := nearProgram(t)
	q := newQuestions(p, 11)
	kinds, tried := map[string]int{}, 0
	byID := map[string]*route{}
	for _, s := range p.servers {
		for _, r := range s.routes() {
			byID[r.id()] = r
		}
	}
	for range 2000 {
		ask := q.question().ExplainRequest
		ask.Listener, ask.User, ask.Groups = "http", "", nil
		ask.Headers = slices.DeleteFunc(ask.Headers, func(h string) bool {
			return !strings.HasPrefix(h, "Accept") && !strings.HasPrefix(h, "Content-Type")
		})
		ask.Path, _, _ = strings.Cut(ask.Path, "?")
		if strings.ContainsAny(ask.Path, "%;é:") {
			continue
		}
		e, err := source{p}.Explain(ask)
		if err != nil {
			continue
		}
		for _, m := range e.NearMisses {
			kinds[m.Lacks.What]++
			tried++
			if !repaired(p, ask, m, byID[m.Route]) {
				t.Errorf("%+v is near %+v, but does not take it when it has that", ask, m)
			}
		}
	}
	t.Logf("%d near misses: %v", tried, kinds)
	for _, what := range []string{"method", "segment", "version", "content-type", "accept"} {
		if kinds[what] == 0 {
			t.Errorf("none lacks %s", what)
		}
	}
}

// repaired reports whether the request goes to the route, or to another one with its
// pattern, when it has what it lacks.
func repaired(p *program, q admin.ExplainRequest, m admin.NearMiss, want *route) bool {
	lines := func(name, value string) []string {
		kept := slices.DeleteFunc(slices.Clone(q.Headers), func(h string) bool { return strings.HasPrefix(h, name+":") })
		return append(kept, name+": "+value)
	}
	first, _, _ := strings.Cut(m.Lacks.Want, ", ")
	takes := func(q admin.ExplainRequest) bool {
		e, err := source{p}.Explain(q)
		switch last := e.Steps; {
		case err != nil:
			return false
		case e.Route != nil:
			return e.Route.ID == m.Route && len(e.NearMisses) == 0 || standsBefore(p, routeOf(p, e.Route.ID), want)
		default: // a web service that owns the path
			s := last[len(last)-1]
			return s.Stage == "container" && standsBefore(p, &route{server: s.Name, kind: kindContainer, static: 1 << 10}, want)
		}
	}
	switch m.Lacks.What {
	case "method":
		q.Method = m.Lacks.Want
		return takes(q)
	case "content-type":
		q.Headers = lines("Content-Type", first)
		return takes(q)
	case "accept":
		q.Headers = lines("Accept", first)
		return takes(q)
	}
	// Where the segment belongs is not said, so every place is tried.
	segments, got, put := strings.Split(q.Path, "/"), m.Lacks.Got, m.Lacks.Want
	if strings.HasPrefix(put, "{") {
		put = "x"
	}
	var paths [][]string
	for i := 1; i <= len(segments); i++ {
		if got == "" {
			paths = append(paths, slices.Insert(slices.Clone(segments), i, strings.TrimSuffix(put, "/")))
		}
		if i < len(segments) && (segments[i] == got || got == "/" && segments[i] == "") {
			next := slices.Clone(segments)
			next[i] = put
			paths = append(paths, next)
			if put == "" {
				paths = append(paths, slices.Delete(slices.Clone(segments), i, i+1))
			}
		}
	}
	return slices.ContainsFunc(paths, func(s []string) bool {
		fixed := q
		fixed.Path = strings.Join(s, "/")
		return takes(fixed)
	})
}

func routeOf(p *program, id string) *route {
	for _, s := range p.servers {
		for _, r := range s.routes() {
			if r.id() == id {
				return r
			}
		}
	}
	return nil
}

// standsBefore reports whether a takes what both could take: its server is asked before, or
// its container before the mux, or it is the more exact one of them.
func standsBefore(p *program, a, b *route) bool {
	at := func(r *route) int {
		return slices.IndexFunc(p.servers, func(s *Server) bool { return s.name == r.server })
	}
	switch {
	case a == nil || b == nil || at(a) != at(b):
		return a != nil && b != nil && at(a) < at(b)
	case a.kind == kindContainer:
		return b.kind != kindContainer || a.before(b) < 0
	}
	return a.kind == b.kind && len(a.pattern) > len(b.pattern) || a.kind == kindExact && b.kind == kindPrefix
}

// TestNearMissesOfManyDefinitions: with 10,000 custom resources near misses are found in a
// few milliseconds, the nearest first, and no routes are made that would stay.
func TestNearMissesOfManyDefinitions(t *testing.T) {
	p := manyResources(t)
	var best time.Duration = time.Hour
	for request, want := range map[string]string{
		"GET /apis/g7.example.com/v1/namespaces/a/widgets07":   "extensions:container:GET:/apis/g7.example.com/v1/namespaces/{namespace}/widgets107 segment widgets107/widgets07",
		"GET /apis/g7.example.com/v2/namespaces/a/widgets107":  "extensions:container:GET:/apis/g7.example.com/v1/namespaces/{namespace}/widgets107 version v1/v2",
		"GET /apis/g7.exampel.com/v1/namespaces/a/widgets107":  "extensions:container:GET:/apis/g7.example.com/v1/namespaces/{namespace}/widgets107 segment g7.example.com/g7.exampel.com",
		"GET /apis/one.example.com/v1/namespaces/a/widgets17x": "extensions:container:GET:/apis/one.example.com/v1/namespaces/{namespace}/widgets17 segment widgets17/widgets17x",
	} {
		for range 5 {
			began := time.Now()
			e := p.mustExplain(t, request, "listener=http")
			best = min(best, time.Since(began))
			if len(e.NearMisses) == 0 || nearText(e.NearMisses[0]) != want {
				t.Fatalf("%s: %+v, want %s", request, e.NearMisses, want)
			}
		}
	}
	t.Logf("at best %v", best)
	if best > 100*time.Millisecond {
		t.Errorf("takes %v", best)
	}
	for r := range p.api.Customs.All {
		if r.Routes.Load() != nil {
			t.Fatalf("the routes of %s are kept", r.Plural)
		}
	}
}

// manyResources is a program with 10,000 custom resources, half of them in one group.
func manyResources(t testing.TB) *program {
	p := newTestProgram(t)
	serveWidgets(t, p, 10_001, func(i int) (plural, group string) {
		switch {
		case i == 10_000: // TestNearMissesOfManyDefinitions asks for this one in the large group
			return "widgets17", "one.example.com"
		case i%2 == 1:
			return fmt.Sprintf("widgets%d", i), fmt.Sprintf("g%d.example.com", i%100)
		}
		return fmt.Sprintf("widgets%d", i), "one.example.com"
	})
	return p
}

// BenchmarkExplain is the cost of an explanation: of what is found, what is not, and what
// is not among 10,000 custom resources.
func BenchmarkExplain(b *testing.B) {
	few, many := nearProgram(b), manyResources(b)
	for _, row := range []struct {
		name, path string
		p          *program
	}{{"found", "/version", few}, {"not-found", "/apis/example.com/v1/namespaces/a/widget", few}, {"many", "/apis/one.example.com/v1/namespaces/a/widgets17x", many}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				row.p.mustExplain(b, "GET "+row.path, "listener=http")
			}
		})
	}
}

// BenchmarkDirector is the walk along the whole delegation chain, to a route of the last
// server and to none.
func BenchmarkDirector(b *testing.B) {
	p := nearProgram(b)
	for _, row := range []struct{ name, path string }{{"first", "/of/aggregator/exact"}, {"last", "/of/extensions/exact"}, {"none", "/none"}} {
		b.Run(row.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, row.path, nil)
			b.ReportAllocs()
			for b.Loop() {
				p.outermost.find(r, nil)
			}
		})
	}
}
