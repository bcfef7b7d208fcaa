package request

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

// naiveResolve is the grammar of Resolve written for a list of segments, with everything
// looked at from the whole path. It knows no query and no selectors.
func naiveResolve(method, path string) (want Info, failed bool) {
	other := Info{Path: path, Verb: strings.ToLower(method)}
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	r := Info{IsResourceRequest: true, Path: path, APIPrefix: parts[0]}
	switch {
	case parts[0] == "api" && len(parts) >= 3:
		parts = parts[1:]
	case parts[0] == "apis" && len(parts) >= 3:
		other.APIPrefix = "apis"
		r.APIGroup = parts[1]
		if parts = parts[2:]; r.APIGroup == "" {
			return other, false
		}
	default:
		return other, false
	}
	if r.APIVersion = parts[0]; r.APIVersion == "" || len(parts) < 2 {
		return other, false
	}
	parts = parts[1:]
	r.Verb = map[string]string{"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
	if parts[0] == "watch" || parts[0] == "proxy" {
		if len(parts) == 1 {
			return other, true
		}
		r.Verb, parts = parts[0], parts[1:]
	}
	if parts[0] == "namespaces" && len(parts) > 1 {
		if r.Namespace = parts[1]; r.Namespace == "" {
			return other, false
		}
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		} else {
			parts = parts[:min(len(parts), 3)]
		}
	}
	interpreted := parts[:min(len(parts), 3)]
	if r.Verb == "proxy" {
		interpreted = parts[:min(len(parts), 2)]
	}
	for i, field := range []*string{&r.Resource, &r.Name, &r.Subresource} {
		if i < len(interpreted) {
			if *field = interpreted[i]; *field == "" {
				return other, false
			}
		}
	}
	if r.Name == "" {
		switch r.Verb {
		case "get":
			r.Verb = "list"
		case "delete":
			r.Verb = "deletecollection"
		}
	}
	return r, false
}

// TestResolveModel: random paths of words that mean something, and of few that do not, are
// what the model says.
func TestResolveModel(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	words := []string{"", "api", "apis", "v1", "watch", "proxy", "namespaces", "ns", "pods", "status", "finalize", "x"}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "Get"}
	heads := [][]string{{}, {"api", "v1"}, {"api", "v1"}, {"apis", "g", "v1"}, {"apis", "g", "v1"}, {"apis", "g"}}
	resources, failures := 0, 0
	for range 60_000 {
		parts := append([]string{}, heads[r.IntN(len(heads))]...)
		for range r.IntN(7) {
			parts = append(parts, words[r.IntN(len(words))])
		}
		path := "/" + strings.Join(parts, "/") + []string{"", "", "/"}[r.IntN(3)]
		method := methods[r.IntN(len(methods))]
		var got Info
		err := got.Resolve(method, path, "")
		want, failed := naiveResolve(method, path)
		if (err != nil) != failed || got != want {
			t.Fatalf("%s %s: error %v, want one: %t\n got %+v\nwant %+v", method, path, err, failed, got, want)
		}
		if got.IsResourceRequest {
			resources++
		}
		if failed {
			failures++
		}
	}
	if resources < 10_000 || failures < 300 {
		t.Errorf("only %d resources and %d failures", resources, failures)
	}
}

func TestSegments(t *testing.T) {
	s := segments{rest: "a//bc", more: true}
	for i, want := range []struct {
		segment string
		more    bool
	}{{"a", true}, {"", true}, {"bc", false}, {"", false}, {"", false}} {
		if !s.at(want.segment) || s.at(want.segment+"x") {
			t.Errorf("segment %d is not at %q", i, want.segment)
		}
		if got := s.next(); got != want.segment || s.more != want.more {
			t.Errorf("segment %d: %q, more %t, want %q, %t", i, got, s.more, want.segment, want.more)
		}
	}
	if s := (segments{rest: "watcher/pods"}); s.at("watch") {
		t.Error("a segment is not another one that it begins with")
	}
}

// TestQueryValue: a parameter reads as net/url reads it, however it is escaped.
func TestQueryValue(t *testing.T) {
	for _, query := range []string{
		"", "&", "=", "watch", "watch=", "watch=1", "watch=1&watch=2", "watch=a=b", "WATCH=1", "watch=+", "watch=%2B", "watch=%20x",
		"wa%74ch=1", "%77%61%74%63%68=1", "watch%=1", "watch=%", "watch=%&watch=2", "watch=1;x", "a=1;watch=2", "a=;&watch=2", "watch;=1&watch=2",
		"watch%3D1", "%zz&watch=1", "a&b&watch=c&d", "=watch", "watc=1&watchh=2", "w%61tc=1", "watch=%e9", "watch=%C3%A9",
	} {
		values, _ := url.ParseQuery(query)
		got, ok := queryValue(query, "watch")
		if got != values.Get("watch") || ok != values.Has("watch") {
			t.Errorf("%q: got %q, %t; net/url reads %q", query, got, ok, values["watch"])
		}
	}
}

// TestResolveForgets: an Info that is used again keeps nothing of the request before.
func TestResolveForgets(t *testing.T) {
	full := Info{IsResourceRequest: true, Path: "p", Verb: "v", APIPrefix: "a", APIGroup: "g", APIVersion: "v", Namespace: "n",
		Resource: "r", Subresource: "s", Name: "n", FieldSelector: "f", LabelSelector: "l"}
	for _, path := range []string{"/healthz", "/api/v1/watch", "/api/v1/pods", "/apis/g", "/apis/g/v/x"} {
		var want Info
		got := full
		wantErr := want.Resolve("POST", path, "")
		if err := got.Resolve("POST", path, ""); (err == nil) != (wantErr == nil) || got != want {
			t.Errorf("%s: got %+v (%v), want %+v (%v)", path, got, err, want, wantErr)
		}
	}
}
