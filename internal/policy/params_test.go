package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestSeen: an object is decoded once a revision, and is another one in another form.
func TestSeen(t *testing.T) {
	s := start(t)
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
	r := s.API.Builtin("", "v1", "ConfigMap")
	stored := func() *store.Object {
		sn := r.Bucket.Now()
		return sn.Get("default/m")
	}
	seen := func() map[string]any {
		obj, err := s.p.seen.of(t.Context(), r, stored())
		if err != nil {
			t.Fatal(err)
		}
		return obj
	}
	first := seen()
	first["mark"] = "same"
	if seen()["mark"] != "same" {
		t.Error("decoded twice")
	}
	s.Must(200, "PATCH", apitest.MapsPath+"/m", `{"data":{"a":"b"}}`)
	if obj := seen(); obj["mark"] != nil || tree.Text(obj, "data", "a") != "b" {
		t.Errorf("after a write: %v", obj)
	}
	if n, size := len(s.p.seen.all), len(stored().Line); n != 1 || s.p.seen.size != size {
		t.Errorf("%d objects of %d bytes, the only one has %d", n, s.p.seen.size, size)
	}
}

// TestSeenBounded: neither many objects nor large ones are kept beyond what there may be.
func TestSeenBounded(t *testing.T) {
	for _, c := range []struct {
		what      string
		n, size   int
		kept, sum int
	}{
		{"as many as may be", mostSeen, 1, mostSeen, mostSeen},
		{"one more", mostSeen + 1, 1, 1, 1},
		{"as much as may be", 8, mostSeenSize / 8, 8, mostSeenSize},
		{"more than that", 9, mostSeenSize / 8, 1, mostSeenSize / 8},
		{"one that is too large", 1, mostSeenSize + 1, 0, 0},
	} {
		var s objects
		for i := range c.n {
			s.keep(place{nil, fmt.Sprint(i)}, decoded{size: c.size})
		}
		if len(s.all) != c.kept || s.size != c.sum {
			t.Errorf("%s: %d of %d bytes are kept, want %d of %d", c.what, len(s.all), s.size, c.kept, c.sum)
		}
		// In the place of itself an object takes no more.
		s.keep(place{nil, fmt.Sprint(c.n - 1)}, decoded{size: c.size})
		if len(s.all) != c.kept || s.size != c.sum {
			t.Errorf("%s, again: %d of %d bytes are kept, want %d of %d", c.what, len(s.all), s.size, c.kept, c.sum)
		}
	}
}

// TestParamsEnd: parameters are not read any more when the time of the request is over.
func TestParamsEnd(t *testing.T) {
	s := start(t)
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ref := newParamRef(map[string]any{"selector": map[string]any{}, "parameterNotFoundAction": "Allow"})
	all, err := s.p.params(ctx, s.API.Builtin("", "v1", "ConfigMap"), ref, "default")
	if err != context.Canceled || all != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// TestParamsOfDefinition: parameters of a custom kind count from the answer of each write on, whatever becomes of their definition; the
// policy fails while there is none, and works again behind a new one.
func TestParamsOfDefinition(t *testing.T) {
	s := start(t)
	s.put("p", `{"paramKind":{"apiVersion":"rules.example.com/v1","kind":"Limit"},"validations":[{"expression":"object.data.a == params.spec.a"}]}`,
		`{"paramRef":{"name":"l","namespace":"default","parameterNotFoundAction":"Allow"}}`)
	const limits = "/apis/rules.example.com/v1/namespaces/default/limits"
	try := func(what string, code int, says string) {
		t.Helper()
		got, e := s.Try("POST", apitest.MapsPath+"?dryRun=All", `{"metadata":{"name":"m"},"data":{"a":"x"}}`)
		if got != code || !strings.Contains(tree.Text(e, "message"), says) {
			t.Errorf("%s: %d %s, want %d %s", what, got, tree.Text(e, "message"), code, says)
		}
	}
	const none = "failed to configure policy: failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=Limit'"
	try("without the kind", 422, none)
	for range 2 {
		s.Must(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"metadata":{"name":"limits.rules.example.com"},"spec":{
			"group":"rules.example.com","scope":"Namespaced","names":{"plural":"limits","kind":"Limit"},
			"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
		s.Soon("the kind is served", func() bool { code, _ := s.Try("GET", limits, nil); return code == 200 })
		try("without parameters", 201, "")
		s.Must(201, "POST", limits, `{"apiVersion":"rules.example.com/v1","kind":"Limit","metadata":{"name":"l"},"spec":{"a":"x"}}`)
		try("as they allow", 201, "")
		s.Must(200, "PATCH", limits+"/l", `{"spec":{"a":"y"}}`, "Content-Type: "+apitest.MergePatch)
		try("as they do not", 422, "failed expression: object.data.a == params.spec.a")
		s.Must(200, "DELETE", limits+"/l", nil)
		try("without them again", 201, "")
		s.Must(200, "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/limits.rules.example.com", nil)
		s.Soon("the definition is gone", func() bool { code, _ := s.Try("GET", limits, nil); return code == 404 })
		try("without the kind again", 422, none)
	}
}
