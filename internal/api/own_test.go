package api

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"apichain/internal/request"
	"apichain/internal/tree"
)

// without returns JSON, which may be of several objects, with no owners in it.
func without(t *testing.T, text []byte) string {
	t.Helper()
	v, _, err := tree.ParseJSON(text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "managedFields")
			for _, e := range v {
				strip(e)
			}
		case []any:
			for _, e := range v {
				strip(e)
			}
		}
	}
	strip(v)
	return string(tree.AppendJSON(nil, v))
}

// TestOmitManagedFields: a get and a list say in each form what they say otherwise, but for owners; and what is no boolean is refused.
func TestOmitManagedFields(t *testing.T) {
	s := newWidgetServer(t)
	s.addMaps(readMaps, "a", "b")
	s.must(200, "PUT "+readMaps+"/a", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"l":"1"}},"data":{"managedFields":"[{}]"}}`)
	s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":1}}`)
	for _, path := range []string{readMaps, readMaps + "/a", readWidgets, readWidgets + "/w", strings.Replace(readWidgets, "v1", "v1beta1", 1)} {
		isList := strings.Count(path, "/") == strings.Count(readMaps, "/") || strings.HasSuffix(path, "widgets")
		partial := "PartialObjectMetadata"
		if isList {
			partial += "List"
		}
		for _, accept := range []string{"application/json", "application/yaml", request.Protobuf, "application/json;as=Table;v=v1;g=meta.k8s.io",
			"application/json;as=" + partial + ";v=v1;g=meta.k8s.io", request.Protobuf + ";as=" + partial + ";v=v1;g=meta.k8s.io"} {
			get := func(query string) []byte {
				w := s.ask("GET "+path+query, "", "Accept", accept)
				if w.Code != 200 && w.Code != 406 {
					t.Fatalf("%s as %s: %d %s", path, accept, w.Code, w.Body)
				}
				return w.Body.Bytes()
			}
			full := get("?includeObject=Object")
			for _, no := range []string{"0", "false"} {
				if got := get("?includeObject=Object&omitManagedFields=" + no); !bytes.Equal(got, full) {
					t.Errorf("%s as %s differs with %s", path, accept, no)
				}
			}
			for _, yes := range []string{"", "=", "=1", "=true"} {
				got := get("?includeObject=Object&omitManagedFields" + yes)
				if bytes.Contains(got, []byte("FieldsV1")) || bytes.Contains(full, []byte("FieldsV1")) != (len(got) < len(full)) {
					t.Errorf("%s as %s: %s", path, accept, got)
				}
				if strings.HasPrefix(accept, "application/json") {
					if was, is := without(t, full), without(t, got); strings.ReplaceAll(is, " ", "") != strings.ReplaceAll(was, " ", "") {
						t.Errorf("%s as %s:\n got %s\nwant %s", path, accept, is, was)
					}
				}
			}
		}
	}
	if got := s.must(200, "GET "+readMaps+"/a?omitManagedFields", ""); tree.Text(got, "data", "managedFields") != "[{}]" {
		t.Errorf("what is called the same has gone: %v", got)
	}
	for _, verb := range []string{"GET " + readMaps + "/a?", "GET " + readMaps + "?", "GET " + readMaps + "?watch=1&"} {
		const want = `400 BadRequest: omitManagedFields must be true or false, not "yes"`
		if got := s.refusal(s.ask(verb+"omitManagedFields=yes", "")); got != want {
			t.Errorf("%s: %s", verb, got)
		}
	}
	// A write answers all of the object.
	got := s.must(200, "PATCH "+readMaps+"/a?omitManagedFields=true", `{"data":{"x":"y"}}`)
	if len(tree.List(got, "metadata", "managedFields")) != 1 {
		t.Errorf("a write answers %v", got)
	}
}

// TestOmitManagedFieldsWatched: the lines of a watch are in each form those of another one, but for owners; both share what was
// encoded for others of theirs alone.
func TestOmitManagedFieldsWatched(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a")
	s.must(200, "PUT "+readMaps+"/a", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}`)
	s.must(200, "DELETE "+readMaps+"/a", "")
	r := s.Builtin("", "v1", "ConfigMap")
	for _, f := range append(readForms(), form{protobuf: true}) {
		for _, e := range s.events("configmaps", base) {
			for _, kind := range []byte{e.Kind, 'M'} {
				for _, rev := range []int64{e.Rev, e.Rev + 1} {
					less := f
					less.ownerless = true
					// Of a table the first event is encoded for one watch alone.
					w, _ := watcherOf(r, f, "", true)
					o, _ := watcherOf(r, less, "", true)
					full := bytes.Clone(w.encodeEvent(e, kind, e.Object, rev))
					name := fmt.Sprintf("%q %c at %d", less.name(), kind, rev-base)
					for range 2 {
						got := o.encodeEvent(e, kind, e.Object, rev)
						if bytes.Contains(got, []byte("FieldsV1")) || bytes.Contains(full, []byte("FieldsV1")) != (len(got) < len(full)) {
							t.Errorf("%s: %s beside %s", name, got, full)
						}
						if !f.protobuf && (without(t, got) != without(t, full) || got[len(got)-1] != '\n') {
							t.Errorf("%s:\n got %s\nwant %s", name, got, full)
						}
					}
				}
			}
		}
	}
}

// TestTypesWaitForTheirUse: the API is made without the fields of any type; those of most kinds are never needed.
func TestTypesWaitForTheirUse(t *testing.T) {
	s := newReadServer(t, 100)
	of := func(r *Resource) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if r.Type() == nil {
			t.Fatal("no type")
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	r := s.Builtin("apps", "v1", "DaemonSet")
	if first, second := of(r), of(r); first < 100 || second > 50 {
		t.Errorf("%d allocations for the type, then %d", first, second)
	}
}
