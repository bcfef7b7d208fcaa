package webhook

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestReinvocation: who is asked again, and in which order. The rows were compared with kube-apiserver; each of the four webhooks of a
// row wants to be asked again (!) or not, and changes the object (its letter in capitals) or not.
func TestReinvocation(t *testing.T) {
	s := start(t, nil)
	for _, letter := range []string{"a", "b", "c", "d"} {
		s.says(letter, `{"allowed":true}`)
		// Each change is another one, so that the second is a change as well.
		s.patches(strings.ToUpper(letter), `[{"op":"add","path":"/metadata/labels","value":{"`+letter+`":"1"}}]`)
	}
	for _, c := range []struct{ hooks, asked string }{
		{"a b c d", "a b c d"},
		{"A b c d", "A b c d"},
		{"a! B! c! d", "a B c d a"},
		{"A! B! c! d", "A B c d A B c"},
		{"a! b! c! D", "a b c D a b c"},
		{"a! B c! D!", "a B c D a c"},
		{"A! b C d!", "A b C d A d"},
		{"a b c D!", "a b c D"},
	} {
		var hooks []any
		for h := range strings.SplitSeq(c.hooks, " ") {
			path, wants := strings.CutSuffix(h, "!")
			more := ""
			if wants {
				more = again[1:]
			}
			hooks = append(hooks, s.hookOf(strings.ToLower(path), path, more))
		}
		s.configure("Mutating", "rounds", hooks...)
		s.mu.Lock()
		s.asked = nil
		s.mu.Unlock()
		s.Must(201, "POST", apitest.MapsPath, `{"metadata":{"generateName":"m-"}}`)
		s.mu.Lock()
		got := strings.Join(s.asked, " ")
		s.mu.Unlock()
		if got != c.asked {
			t.Errorf("%s: asked %s, want %s", c.hooks, got, c.asked)
		}
		s.unconfigure()
	}
}

// TestReinvocationByPlugin: what a plugin of the server makes of the object after a webhook's change is a change too.
func TestReinvocationByPlugin(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.patches("bare", `[{"op":"replace","path":"/spec/tolerations","value":[]}]`)
	s.configure("Mutating", "rounds", s.hookOf("a", "bare", again[1:]), s.hookOf("b", "ok", again[1:]))
	got := s.Must(201, "POST", "/api/v1/namespaces/default/pods", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`)
	asked, _ := s.look()
	if strings.Join(asked, " ") != "bare bare ok ok" || len(tree.List(got, "spec", "tolerations")) != 0 {
		t.Errorf("asked %q, tolerations %v", asked, tree.List(got, "spec", "tolerations"))
	}
}

// TestSideBySide: validating webhooks are asked at the same time, and the client gets one of the refusals.
func TestSideBySide(t *testing.T) {
	s := start(t, nil)
	var all sync.WaitGroup
	all.Add(3)
	meet := func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait() // for the others, who would never come one after another
		body, _ := io.ReadAll(r.Body)
		review, _, _ := tree.ParseJSONObject(body)
		_, _ = io.WriteString(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"`+tree.Text(review, "request", "uid")+`","allowed":false,"status":{"message":"mine"}}}`)
	}
	var hooks []any
	for _, name := range []string{"a", "b", "c"} {
		s.does(name, meet)
		hooks = append(hooks, s.hookOf(name, name, ""))
	}
	s.configure("Validating", "side", hooks...)
	got := s.Must(400, "POST", apitest.MapsPath, apitest.MapObject("m"))
	if !strings.HasSuffix(message(got), ".example.com\" denied the request: mine") {
		t.Error(message(got))
	}
}

// TestPatchesOfCustom: what comes of patches to custom objects. The rows were compared with kube-apiserver.
func TestPatchesOfCustom(t *testing.T) {
	s := start(t, nil)
	s.Must(201, "POST", apitest.DefinitionsPath, apitest.DefinitionOf("widgets", "Widget", "Namespaced"))
	for _, c := range []struct {
		patch string
		code  int
		want  string // the spec, or what is said
	}{
		{`[{"op":"add","path":"/spec/color","value":"blue"}]`, 201, `{"color":"blue","size":1}`},
		{`[{"op":"add","path":"/spec/nope","value":1}]`, 201, `{"size":1}`},
		{`[{"op":"add","path":"/status","value":{"n":1}}]`, 201, `{"size":1}`},
		{`[{"op":"add","path":"/spec/size","value":"x"}]`, 422, `spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"`},
		{`[{"op":"replace","path":"/kind","value":"Other"}]`, 422, `Other.example.com "w" is invalid: kind: Invalid value: "Other": must be Widget`},
		{`[{"op":"remove","path":"/kind"}]`, 500, `Internal error occurred: Object 'Kind' is missing in '{"apiVersion":"example.com/v1"`},
		{`[{"op":"replace","path":"/apiVersion","value":"example.com/v2"}]`, 201, `{"size":1}`},
		{`[{"op":"remove","path":"/apiVersion"}]`, 500, `/, Kind=Widget is unstructured and is not suitable for converting to "example.com/v1"`},
		{`[{"op":"add","path":"/metadata/labels","value":"x"}]`, 422, `Widget.example.com "w" is invalid: metadata: Invalid value: `},
		{`[{"op":"replace","path":"","value":[]}]`, 500, `Internal error occurred: ` + noKind},
	} {
		s.patches("patch", c.patch)
		s.configure("Mutating", "patch", s.hookOf("p", "patch", `"rules":[{"operations":["CREATE"],"apiGroups":["example.com"],"apiVersions":["v1"],"resources":["widgets"]}]`))
		code, got := s.Try("POST", apitest.WidgetsPath, `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w"},"spec":{"size":1}}`)
		shown := message(got)
		if code == 201 {
			shown = string(tree.AppendJSON(nil, got["spec"]))
		}
		if code != c.code || !strings.Contains(shown, c.want) || got["status"] != nil && code == 201 {
			t.Errorf("%s:\n got %d %s\nwant %d %s", c.patch, code, shown, c.code, c.want)
		}
		s.unconfigure()
		s.Must(200, "DELETE", apitest.WidgetsPath, nil)
	}
}
