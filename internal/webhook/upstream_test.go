package webhook

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/backend"
	"apichain/internal/tree"
)

// Upstream's tables of plugin/webhook/testing/testcase.go, asked over HTTP: each row is an update of a config map or a custom
// object with the label KIND.name by which webhooks of one configuration are asked. Its reviews are of v1beta1, as there.

// upstreamAnswers are those of upstream's webhook for tests.
func (s *served) upstreamAnswers() {
	for path, more := range map[string]string{
		"allow":             `{"allowed":true,"auditAnnotations":{"key1":"value1"}}`,
		"disallow":          `{"allowed":false,"status":{"code":403}}`,
		"disallowReason":    `{"allowed":false,"status":{"code":403,"message":"you shall not pass"}}`,
		"shouldNotBeCalled": `{"allowed":false,"status":{"code":403,"message":"doesn't expect labels to match object selector"}}`,
		"invalidAnnotation": `{"allowed":true,"auditAnnotations":{"invalid*key":"value1"}}`,
		"noop":              `{"allowed":true}`,
		"removeLabel":       `{"allowed":true,"patchType":"JSONPatch","patch":"W3sib3AiOiAicmVtb3ZlIiwgInBhdGgiOiAiL21ldGFkYXRhL2xhYmVscy9yZW1vdmUifV0=","auditAnnotations":{"key1":"value1"}}`,
	} {
		s.says(path, more)
	}
	s.patches("addLabel", `[{"op": "add", "path": "/metadata/labels/added", "value": "test"}]`)
	s.patches("invalidPatch", `[{`)
	s.patches("invalidMutation", `[{"op": "add", "CORRUPTED_KEY":}]`)
	s.does("internalErr", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "webhook internal server error", 500) })
	s.does("nonStatusError", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s.does("nilResponse", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
}

// upstreamRow is a row: webhooks NAME=PATH, with more JSON behind a blank, and what the client and the audit log see.
type upstreamRow struct {
	name   string
	hooks  []string
	custom bool
	dry    bool
	// labels, as key=value, is one that the object is sent with; left are all that it has afterwards.
	labels, left string
	code         int
	contains     string
	// asked are the paths that are asked, sorted.
	asked string
	notes map[string]string
}

const (
	ignore   = `,"failurePolicy":"Ignore"`
	fail     = `,"failurePolicy":"Fail"`
	onCreate = `,"rules":[{"operations":["CREATE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}]`
	exempt   = `,"namespaceSelector":{"matchExpressions":[{"key":"runlevel","operator":"In","values":["1"]}]}`
	exempt2  = `,"namespaceSelector":{"matchExpressions":[{"key":"runlevel","operator":"NotIn","values":["0"]}]}`
	absent   = `,"objectSelector":{"matchLabels":{"label":"nonexistent"}}`
	removes  = `,"objectSelector":{"matchLabels":{"remove":"me"}}`
	some     = `,"sideEffects":"Some"`
	again    = `,"reinvocationPolicy":"IfNeeded"`
	noCA     = `,"clientConfig":{"url":"https://127.0.0.1:1/x","caBundle":"Z2FyYmFnZQ=="}`
)

// run runs a row with a configuration of a kind.
func (s *served) run(t *testing.T, kind string, r *upstreamRow) {
	t.Helper()
	path, object := apitest.MapsPath, apitest.MapObject("o")
	if r.custom {
		path, object = apitest.WidgetsPath, apitest.Custom("Widget", "o")
	}
	labels := map[string]any{"object.name": "o"}
	if k, v, ok := strings.Cut(r.labels, "="); ok {
		labels[k] = v
	}
	tree.Set(object, labels, "metadata", "labels")
	made := s.Must(201, "POST", path, object)
	var hooks []any
	isOld := false
	for _, h := range r.hooks {
		head, more, _ := strings.Cut(h, " ")
		name, answer, _ := strings.Cut(head, "=")
		hooks = append(hooks, s.hookOf(name, answer, `"admissionReviewVersions":["v1beta1"]`+more))
		isOld = isOld || strings.Contains(more, `"Some"`) || strings.Contains(more, noCA) || strings.Contains(more, `"Unknown"`) // which v1 does not take
	}
	if isOld {
		s.keep(kind, "test-webhooks", hooks...)
	} else {
		s.configure(kind, "test-webhooks", hooks...)
	}
	query := ""
	if r.dry {
		query = "?dryRun=All"
	}
	s.look()
	tree.Set(object, tree.At(made, "metadata", "resourceVersion"), "metadata", "resourceVersion")
	code, got := s.Try("PUT", path+"/o"+query, object)
	notes := s.noted()
	asked, _ := s.look()
	if code != max(r.code, 200) || !strings.Contains(message(got), r.contains) {
		t.Errorf("%s, %s: %d %s, want %d %s", kind, r.name, code, message(got), r.code, r.contains)
	}
	if joined := strings.Join(asked, " "); joined != r.asked {
		t.Errorf("%s, %s: asked %s, want %s", kind, r.name, joined, r.asked)
	}
	if left := string(tree.AppendJSON(nil, tree.At(got, "metadata", "labels"))); r.left != "" && left != r.left {
		t.Errorf("%s, %s: labels %s, want %s", kind, r.name, left, r.left)
	}
	for k, want := range r.notes {
		if kind == "Mutating" {
			k = strings.Replace(k, "failed-open.validating.", "failed-open.mutation.", 1)
		}
		if notes[k] != want {
			t.Errorf("%s, %s: annotation %s is %q, want %q", kind, r.name, k, notes[k], want)
		}
		delete(notes, k)
	}
	for k, v := range notes {
		if !strings.HasPrefix(k, "mutation.webhook.admission.k8s.io/") && r.notes != nil {
			t.Errorf("%s, %s: annotation %s is %q", kind, r.name, k, v)
		}
	}
	s.unconfigure()
	s.Must(200, "DELETE", path+"/o", nil)
}

// opened are the annotations of webhooks A, B and C that let a write pass.
func opened() map[string]string {
	const key = "failed-open.validating.webhook.admission.k8s.io/round_0_index_"
	return map[string]string{key + "0": "internalerr-a.example.com", key + "1": "internalerr-b.example.com", key + "2": "internalerr-c.example.com"}
}

// said is the annotation of a mutating webhook.
func said(name, more string) string {
	return `{"configuration":"test-webhooks",` + strings.Replace(more, "NAME", `"webhook":"`+name+`.example.com"`, 1) + `}`
}

// TestUpstreamRows: rows that hold for both kinds.
func TestUpstreamRows(t *testing.T) {
	s := start(t, nil)
	s.upstreamAnswers()
	s.Must(201, "POST", apitest.DefinitionsPath, apitest.DefinitionOf("widgets", "Widget", "Namespaced"))
	key1 := func(name string) map[string]string { return map[string]string{name + ".example.com/key1": "value1"} }
	three := func(more string) []string {
		return []string{"internalerr-a=internalErr " + more, "internalerr-b=internalErr " + more, "internalerr-c=internalErr " + more}
	}
	const all = "internalErr internalErr internalErr"
	for _, r := range []upstreamRow{
		{name: "no match", hooks: []string{"nomatch=disallow " + onCreate}, notes: map[string]string{}},
		{name: "match & allow", hooks: []string{"allow=allow"}, asked: "allow", notes: key1("allow")},
		{name: "match & disallow", hooks: []string{"disallow=disallow"}, asked: "disallow", code: 403, contains: "without explanation"},
		{name: "match & disallow ii", hooks: []string{"disallow=disallowReason"}, asked: "disallowReason", code: 403, contains: "you shall not pass"},
		{name: "namespaceSelector exempts the namespace", hooks: []string{"disallow=disallow " + exempt}},
		{name: "namespaceSelector exempts the namespace ii", hooks: []string{"disallow=disallow " + exempt2}},
		{name: "match & fail (but allow because fail open)", hooks: three(ignore), asked: all, notes: opened()},
		{name: "match & fail (fail closed by default)", hooks: three(""), code: 500},
		{name: "match & fail (fail closed)", hooks: three(fail), code: 500},
		{name: "match & invalid client config", hooks: []string{"bad=x " + noCA}, code: 500, contains: "could not get REST client"},
		{name: "match & non-status error", hooks: []string{"non=nonStatusError"}, asked: "nonStatusError", code: 500, contains: "failed to call webhook"},
		{name: "absent response and fail open", hooks: []string{"nil=nilResponse " + ignore}, asked: "nilResponse",
			notes: map[string]string{"failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "nil.example.com"}},
		{name: "absent response and fail closed", hooks: []string{"nil=nilResponse " + fail}, asked: "nilResponse", code: 500, contains: "webhook response was absent"},
		{name: "no match dry run", hooks: []string{"nomatch=allow " + onCreate + some}, dry: true},
		{name: "match dry run side effects Unknown", hooks: []string{"allow=allow " + strings.Replace(some, "Some", "Unknown", 1)}, dry: true, code: 400, contains: "does not support dry run"},
		{name: "match dry run side effects None", hooks: []string{"allow=allow"}, dry: true, asked: "allow", notes: key1("allow")},
		{name: "match dry run side effects Some", hooks: []string{"allow=allow " + some}, dry: true, code: 400, contains: "does not support dry run"},
		{name: "match dry run side effects NoneOnDryRun", hooks: []string{`allow=allow ,"sideEffects":"NoneOnDryRun"`}, dry: true, asked: "allow", notes: key1("allow")},
		{name: "illegal annotation format", hooks: []string{"bad=invalidAnnotation"}, asked: "invalidAnnotation", notes: map[string]string{}},
		{name: "objectSelector does not match", hooks: []string{"allow=allow", "never=shouldNotBeCalled " + absent}, asked: "allow", notes: key1("allow")},
		{name: "objectSelector does not match a custom object's labels", custom: true, hooks: []string{"allow=allow", "never=shouldNotBeCalled " + absent}, asked: "allow", notes: key1("allow")},
	} {
		for _, kind := range []string{"Validating", "Mutating"} {
			row := r
			if row.code == 500 && len(row.hooks) == 3 { // the first failure of mutating ones is the last
				row.asked = map[string]string{"Validating": all, "Mutating": "internalErr"}[kind]
			}
			s.run(t, kind, &row)
		}
	}
}

// TestUpstreamMutations: rows of mutating webhooks.
func TestUpstreamMutations(t *testing.T) {
	s := start(t, nil)
	s.upstreamAnswers()
	s.Must(201, "POST", apitest.DefinitionsPath, apitest.DefinitionOf("widgets", "Widget", "Namespaced"))
	const (
		remove, name       = `"patch":[{"op":"remove","path":"/metadata/labels/remove"}],"patchType":"JSONPatch",NAME`, `{"object.name":"o"}`
		add, added         = `"patch":[{"op":"add","path":"/metadata/labels/added","value":"test"}],"patchType":"JSONPatch",NAME`, `{"added":"test","object.name":"o"}`
		mutation, patching = "mutation.webhook.admission.k8s.io/round_0_index_", "patch.webhook.admission.k8s.io/round_0_index_"
	)
	removed := map[string]string{mutation + "0": said("remove", `"mutated":true,NAME`), patching + "0": said("remove", remove), "remove.example.com/key1": "value1"}
	addedNotes := map[string]string{mutation + "0": said("add", `"mutated":true,NAME`), patching + "0": said("add", add)}
	for _, r := range []upstreamRow{
		{name: "match & remove label", hooks: []string{"remove=removeLabel"}, labels: "remove=me", left: name, asked: "removeLabel", notes: removed},
		{name: "match & add label", hooks: []string{"add=addLabel"}, left: added, asked: "addLabel", notes: addedNotes},
		{name: "match CRD & add label", custom: true, hooks: []string{"add=addLabel"}, left: added, asked: "addLabel", notes: addedNotes},
		{name: "match CRD & remove label", custom: true, hooks: []string{"remove=removeLabel"}, labels: "remove=me", left: name, asked: "removeLabel", notes: removed},
		{name: "match & invalid mutation", hooks: []string{"bad=invalidMutation"}, code: 500, contains: "invalid character", asked: "invalidMutation",
			notes: map[string]string{mutation + "0": said("bad", `"mutated":false,NAME`)}},
		{name: "match & invalid patch", hooks: []string{"bad=invalidPatch"}, code: 500, contains: "unexpected end of JSON input", asked: "invalidPatch",
			notes: map[string]string{mutation + "0": said("bad", `"mutated":false,NAME`)}},
		{name: "match & invalid patch fail open", hooks: []string{"bad=invalidPatch " + ignore}, asked: "invalidPatch",
			notes: map[string]string{mutation + "0": said("bad", `"mutated":false,NAME`), "failed-open." + mutation + "0": "bad.example.com"}},
		{name: "match & invalid client config", hooks: []string{"bad=x " + noCA}, code: 500, contains: "could not get REST client",
			notes: map[string]string{mutation + "0": said("bad", `"mutated":false,NAME`)}},
		{name: "match & non-status error", hooks: []string{"non=nonStatusError"}, code: 500, contains: "failed to call webhook", asked: "nonStatusError",
			notes: map[string]string{mutation + "0": said("non", `"mutated":false,NAME`)}},
		{name: "match & remove label dry run unsupported", dry: true, hooks: []string{"remove=removeLabel " + some}, code: 400, contains: "does not support dry run",
			notes: map[string]string{mutation + "0": said("remove", `"mutated":false,NAME`)}},
		{name: "match & never reinvoke policy", hooks: []string{`add=addLabel ,"reinvocationPolicy":"Never"`}, left: added, asked: "addLabel", notes: addedNotes},
		{name: "match & never reinvoke policy (by default)", hooks: []string{"add=addLabel"}, left: added, asked: "addLabel", notes: addedNotes},
		{name: "match & no reinvoke", hooks: []string{"noop=noop"}, left: name, asked: "noop", notes: map[string]string{mutation + "0": said("noop", `"mutated":false,NAME`)}},
		// Of an update the labels of before count too, so what is gone is looked for in one that is new.
	} {
		s.run(t, "Mutating", &r)
	}
	// The first webhook adds the label that the second wants to be absent, and removes the one that a third wants.
	for _, path := range []string{apitest.MapsPath, apitest.WidgetsPath} {
		object := apitest.MapObject("n", map[string]any{"labels": map[string]any{"remove": "me"}})
		if path == apitest.WidgetsPath {
			object = apitest.Custom("Widget", "n", map[string]any{"labels": map[string]any{"remove": "me"}})
		}
		s.configure("Mutating", "test-webhooks", s.hookOf("remove", "removeLabel", removes[1:]), s.hookOf("never", "shouldNotBeCalled", removes[1:]))
		got := s.Must(201, "POST", path, object)
		if asked, _ := s.look(); !slices.Equal(asked, []string{"removeLabel"}) || len(tree.Object(got, "metadata", "labels")) > 0 {
			t.Errorf("first removes labels, second is not called: asked %q, %v", asked, got)
		}
		s.unconfigure()
	}
	// The second changes the object, so the first is asked again; its patch changes nothing any more.
	s.configure("Mutating", "test-webhooks", s.hookOf("add", "addLabel", again[1:]), s.hookOf("remove", "removeLabel", again[1:]))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("r", map[string]any{"labels": map[string]any{"remove": "me"}}))
	notes := s.noted()
	if asked, _ := s.look(); strings.Join(asked, " ") != "addLabel addLabel removeLabel" {
		t.Errorf("reinvoke if needed: asked %q", asked)
	}
	for k, want := range map[string]string{
		mutation + "0": said("add", `"mutated":true,NAME`), mutation + "1": said("remove", `"mutated":true,NAME`), patching + "0": said("add", add), patching + "1": said("remove", remove),
		strings.Replace(mutation, "round_0", "round_1", 1) + "0": said("add", `"mutated":false,NAME`),
	} {
		if notes[k] != want {
			t.Errorf("reinvoke if needed: annotation %s is %q, want %q", k, notes[k], want)
		}
	}
}

// TestUpstreamPanics: what panics in a call is an error of a validating webhook, by its failure policy.
func TestUpstreamPanics(t *testing.T) {
	s := start(t, func(context.Context, *backend.Backend) error { panic("Start panicking!") })
	for _, c := range []struct {
		more     string
		code     int
		contains string
	}{
		{"", 500, "ValidatingAdmissionWebhook/a.example.com has panicked: Start panicking!"},
		{fail[1:], 500, " has panicked: Start panicking!"},
		{ignore[1:], 201, ""},
	} {
		hooks := []any{s.hookOf("a", "x", c.more)}
		if c.more != "" {
			hooks = append(hooks, s.hookOf("b", "x", c.more), s.hookOf("c", "x", c.more))
		}
		s.configure("Validating", "test-webhooks", hooks...)
		if code, got := s.Try("POST", apitest.MapsPath, apitest.MapObject("p")); code != c.code || !strings.Contains(message(got), c.contains) {
			t.Errorf("%s: %d %s", c.more, code, message(got))
		}
		if notes := s.noted(); c.code == 201 && len(notes) != 3 {
			t.Errorf("%s: %v", c.more, notes)
		}
		s.unconfigure()
	}
}
