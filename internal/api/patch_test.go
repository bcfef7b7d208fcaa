package api

import (
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestPatchTypes: which patches a resource takes. One without a type, and one for which nothing
// says how lists merge, are refused before the body is read.
func TestPatchTypes(t *testing.T) {
	const unknown = "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: "
	const merge, apply = unknown + jsonPatchType + ", " + mergePatchType, ", " + applyPatchType
	const custom, builtin = merge + apply, merge + ", " + strategicPatchType + apply
	const route = "415 UnsupportedMediaType: 415: Unsupported Media Type"
	for _, c := range []struct{ contentType, custom, builtin string }{
		{jsonPatchType, "<nil>", "<nil>"},
		{mergePatchType, "<nil>", "<nil>"},
		{strategicPatchType, custom, "<nil>"},
		{applyPatchType, "<nil>", "<nil>"},
		{"application/apply-patch+json", custom, route},
		{applyPatchType + " ", custom, builtin},
		{"application/json", custom, route},
		{"", custom, route},
		{strings.ToUpper(mergePatchType), custom, route},
		{"application/json, " + mergePatchType, custom, builtin},
	} {
		p := newSteps(t)
		q := p.call("patch", "a", "")
		if got := brief(q.checkPatchType(c.contentType)); got != c.custom {
			t.Errorf("%q of a custom resource\n got %s\nwant %s", c.contentType, got, c.custom)
		}
		p.Body = kinds.Known(&kinds.Type{})
		if got := brief(q.checkPatchType(c.contentType)); got != c.builtin {
			t.Errorf("%q of a built-in kind\n got %s\nwant %s", c.contentType, got, c.builtin)
		}
	}
}

// TestReadPatch: what a body does to an object, and how it is refused: a merge patch when it is
// read, the operations of a JSON patch when they are applied.
func TestReadPatch(t *testing.T) {
	const rejected = "422 Invalid: the server rejected our request due to an error in our request"
	for _, c := range []struct{ contentType, body, want string }{
		{mergePatchType, `{"spec":{"n":2},"status":null}`, `{"spec":{"n":2}}`},
		{mergePatchType, `{}`, `{"spec":{"n":1},"status":{}}`},
		{jsonPatchType, `[{"op":"replace","path":"/spec/n","value":2}]`, `{"spec":{"n":2},"status":{}}`},
		{jsonPatchType, `[]`, `{"spec":{"n":1},"status":{}}`},
		{jsonPatchType, `[{"op":"test","path":"/spec/n","value":9}]`, rejected},
		{jsonPatchType, `[{"op":"replace","path":"","value":[1]}]`, rejected},
		{jsonPatchType, `[{"op":"replace","path":"","value":{"x":1}}]`, `{"x":1}`},
	} {
		q, _ := newSteps(t).request("patch", "a", "", "", c.contentType, c.body)
		patch, err := q.readPatch()
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		// Each attempt applies it once more, to an object of its own.
		for range 3 {
			next, _, err := patch.apply(parsed(t, `{"spec":{"n":1},"status":{}}`))
			got := brief(err)
			if err == nil {
				got = text(next)
			}
			if got != c.want {
				t.Errorf("%s %s\n got %s\nwant %s", c.contentType, c.body, got, c.want)
			}
		}
	}
	// A body that is no JSON is refused when it is read, another value where it is applied.
	for _, contentType := range []string{jsonPatchType, mergePatchType, strategicPatchType} {
		for _, body := range []string{"", "{", "[", "x", "{}x", "[][]", "\x00"} {
			p := newSteps(t)
			p.Body = kinds.Known(&kinds.Type{})
			q, _ := p.request("patch", "a", "", "", contentType, body)
			if _, err := q.readPatch(); brief(err) != "400 BadRequest: invalid JSON patch" {
				t.Errorf("%s %q: %s", contentType, body, brief(err))
			}
		}
	}
	const noObject = "json: cannot unmarshal array into Go value of type map[string]interface {}"
	for _, c := range []struct{ contentType, body, want string }{
		{mergePatchType, "[]", "400 BadRequest: error decoding patch: " + noObject},
		{strategicPatchType, "[]", "400 BadRequest: " + noObject},
		{strategicPatchType, "7", "400 BadRequest: " + strings.Replace(noObject, "array", "number", 1)},
		{mergePatchType, "null", "400 BadRequest: Invalid JSON Patch"},
		{strategicPatchType, "null", "<nil>"},
		{jsonPatchType, "null", "<nil>"},
	} {
		p := newSteps(t)
		p.Body = kinds.Known(&kinds.Type{})
		q, _ := p.request("patch", "a", "", "", c.contentType, c.body)
		patch, err := q.readPatch()
		if err != nil {
			t.Fatalf("%s %s: %v", c.contentType, c.body, err)
		}
		if _, _, err := patch.apply(map[string]any{}); brief(err) != c.want {
			t.Errorf("%s %s\n got %s\nwant %s", c.contentType, c.body, brief(err), c.want)
		}
	}
}

// TestPatchProblems: what strict checking finds in a patch goes with what it finds in the result, and
// the message shows what each language of patches shows.
func TestPatchProblems(t *testing.T) {
	for _, c := range []struct{ contentType, body, want, warnings string }{
		{mergePatchType, `{"spec":1,"spec":2,"unknown":3}`, `"{\"spec\":2,\"unknown\":3}": strict decoding error: duplicate field "spec", unknown field "unknown"`,
			`duplicate field "spec"|unknown field "unknown"`},
		{strategicPatchType, `{"spec":1,"spec":2,"unknown":{"a":[null]}}`, `"map[spec:2 unknown:map[a:[<nil>]]]": strict decoding error: duplicate field "spec", unknown field "unknown"`,
			`duplicate field "spec"|unknown field "unknown"`},
		{jsonPatchType, `[{"op":"add","path":"/spec","value":2,"foo":1},{"op":"add","path":"/unknown","value":3}]`,
			`"{\"spec\":2,\"unknown\":3}": strict decoding error: json patch unknown field "[0].foo", unknown field "unknown"`,
			`json patch unknown field "[0].foo"|unknown field "unknown"`},
	} {
		for strict, want := range map[string]string{"Ignore": "<nil>", "Warn": "<nil>", "Strict": `422 Invalid:  "" is invalid: patch: Invalid value: ` + c.want} {
			p := newSteps(t)
			p.Body = kinds.Known(&kinds.Type{})
			q, _ := p.request("patch", "a", "", "", c.contentType, c.body)
			patch, err := q.readPatch()
			if err != nil {
				t.Fatal(err)
			}
			q.strict = strict
			next, problems, err := patch.apply(map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(q.prunePatched(&patch, next, problems, p.Prune)); got != want {
				t.Errorf("%s, %s\n got %s\nwant %s", c.body, strict, got, want)
			}
			if got := strings.Join(p.warnings, "|"); strict == "Warn" && got != c.warnings || strict != "Warn" && got != "" {
				t.Errorf("%s, %s: warnings %s", c.body, strict, got)
			}
		}
	}
}

// TestCheckPatched: what a patch may not make of an object. The kind of a built-in object may go: it
// comes back.
func TestCheckPatched(t *testing.T) {
	const identity = `"kind":"Widget","apiVersion":"example.com/v1"`
	kindless := func(doc string) string {
		return `422 Invalid:  "" is invalid: patch: Invalid value: ` + strconv.Quote(doc) + `: Object 'Kind' is missing in '` + doc + `'`
	}
	for _, c := range []struct {
		next            string
		custom, builtin string
	}{
		{`{` + identity + `,"metadata":{"name":"a"},"spec":2}`, "<nil>", "<nil>"},
		{`{"apiVersion":"example.com/v1","metadata":{"name":"a","namespace":"default","uid":"u"}}`, kindless(
			`{"apiVersion":"example.com/v1","metadata":{"name":"a","namespace":"default","uid":"u"}}`), "<nil>"},
		{`{"kind":"Widget","metadata":{"name":"a"}}`, "500 InternalError: Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'", "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{`{}`, kindless(`{}`), "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{`{"kind":"","metadata":null}`, kindless(`{"kind":"","metadata":null}`), "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{`{"kind":"Widget","metadata":null}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided", ""},
		{`{"kind":"Widget","metadata":[]}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"kind\":\"Widget\",\"metadata\":[]}": json: cannot unmarshal array into Go value of type v1.ObjectMeta`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{`{"kind":5}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"kind\":5}": couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string`, ""},
		{`{"kind":"Gadget"}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided", ""},
		{`{"kind":"Gadget","apiVersion":"example.com/v1"}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided",
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Gadget\"}": ` +
				`no kind "Gadget" is registered for version "example.com/v1" in scheme "pkg/runtime/scheme.go:111"`},
		{`{"apiVersion":"v2"}`, kindless(`{"apiVersion":"v2"}`),
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v2\"}": no kind "Widget" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"`},
		{`{"apiVersion":null}`, kindless(`{"apiVersion":null}`), "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{`{"apiVersion":5}`,
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":5}": couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of type string`, ""},
		{`{` + identity + `,"metadata":{"name":"b"}}`, "400 BadRequest: the name of the object (b) does not match the name on the URL (a)", ""},
		{`{` + identity + `,"metadata":{"name":"a","namespace":"b"}}`, "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request", ""},
		{`{` + identity + `,"metadata":{"name":"a"},"unfit":1}`, `422 Invalid:  "" is invalid: patch: Invalid value: ` +
			`"{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\"},\"unfit\":1}": unfit is unfit`, ""},
	} {
		for _, custom := range []bool{true, false} {
			p := newSteps(t)
			p.custom = custom
			p.put(p.Bucket, "default/a", widgetA)
			w := p.change("", c.next)
			want := c.custom
			if !custom && c.builtin != "" {
				want = c.builtin
			}
			err := w.checkPatched(&patcher{}, nil)
			if got := brief(err); got != want {
				t.Errorf("%s, custom %v\n got %s\nwant %s", c.next, custom, got, want)
			}
			if err == nil && (w.next["kind"] != "Widget" || w.next["apiVersion"] != "example.com/v1") {
				t.Errorf("%s became %s", c.next, text(w.next))
			}
		}
	}
}

// TestPrunePatched: what the type does not have goes, in each way of saying so.
func TestPrunePatched(t *testing.T) {
	for strict, c := range map[string]struct{ want, warnings string }{
		"Ignore": {"<nil>", ""},
		"Warn":   {"<nil>", `unknown field "unknown"`},
		// The message shows the object as it was patched, unknown fields and all.
		"Strict": {`422 Invalid:  "" is invalid: patch: Invalid value: "{\"spec\":1,\"unknown\":2}": strict decoding error: unknown field "unknown"`, ""},
	} {
		p := newSteps(t)
		q := p.call("patch", "a", "")
		q.strict = strict
		obj := parsed(t, `{"spec":1,"unknown":2}`)
		if got := brief(q.prunePatched(&patcher{}, obj, nil, p.Prune)); got != c.want || strings.Join(p.warnings, "|") != c.warnings || text(obj) != `{"spec":1}` {
			t.Errorf("%s: %s, warnings %q\n got %s\nwant %s", strict, text(obj), p.warnings, got, c.want)
		}
		if err := q.prunePatched(&patcher{}, parsed(t, `{"spec":1}`), nil, p.Prune); err != nil {
			t.Errorf("%s: %v", strict, err)
		}
	}
}

// TestPatch: how often it is tried, and what a resource version in it asks for.
func TestPatch(t *testing.T) {
	const stale = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`
	for _, c := range []struct {
		what, contentType, body string
		overtakings, attempts   int
		want                    string
	}{
		{"a change", mergePatchType, `{"spec":{"m":2}}`, 0, 1, "<nil>"},
		{"overtaken", mergePatchType, `{"spec":{"m":2}}`, patchTries, patchTries + 1, "<nil>"},
		{"overtaken too often", mergePatchType, `{"spec":{"m":2}}`, 1000, patchTries + 1, stale},
		{"JSON patch, overtaken", jsonPatchType, `[{"op":"add","path":"/spec/m","value":2}]`, patchTries, patchTries + 1, "<nil>"},
		{"JSON patch, overtaken too often", jsonPatchType, `[{"op":"add","path":"/spec/m","value":2}]`, 1000, patchTries + 1, stale},
		{"at the version", mergePatchType, `{"metadata":{"resourceVersion":"REV"},"spec":{"m":2}}`, 0, 1, "<nil>"},
		// The second attempt finds another version than the patch asks for, and is the last.
		{"at the version, overtaken", mergePatchType, `{"metadata":{"resourceVersion":"REV"},"spec":{"m":2}}`, 1, 1, stale},
		{"at another version", mergePatchType, `{"metadata":{"resourceVersion":"1"},"spec":{"m":2}}`, 0, 0, stale},
		// Unlike in an update 0 is a version that nothing has.
		{"at version 0, which is none", mergePatchType, `{"metadata":{"resourceVersion":"0"},"spec":{"m":2}}`, 0, 1, "<nil>"},
		{"at none", mergePatchType, `{"metadata":{"resourceVersion":null},"spec":{"m":2}}`, 0, 1, "<nil>"},
		{"at no number", mergePatchType, `{"metadata":{"resourceVersion":"x"},"spec":{"m":2}}`, 0, 0, `500: strconv.ParseUint: parsing "x": invalid syntax`},
		{"missing", mergePatchType, `{"spec":{"m":2}}`, -1, 0, `404 NotFound: widgets.example.com "a" not found`},
	} {
		p := newSteps(t)
		body := c.body
		if c.overtakings >= 0 {
			body = strings.Replace(body, "REV", strconv.FormatInt(p.put(p.Bucket, "default/a", widgetA).Rev, 10), 1)
		}
		attempts := 0
		p.prepare = func(*Call, map[string]any, map[string]any) error {
			if attempts++; attempts <= c.overtakings {
				p.put(p.Bucket, "default/a", strings.Replace(widgetA, `"n":1`, `"n":`+strconv.Itoa(100+attempts), 1))
			}
			return nil
		}
		q, w := p.request("patch", "a", "", "", c.contentType, body)
		err := q.patch()
		if brief(err) != c.want || attempts != c.attempts {
			t.Errorf("%s: %d attempts\n got %s\nwant %s", c.what, attempts, brief(err), c.want)
		}
		if err != nil {
			continue
		}
		// It is applied to what the last one of the others has written.
		n := int64(1)
		if c.overtakings > 0 {
			n = int64(100 + c.overtakings)
		}
		if spec := tree.Object(p.stored(), "spec"); spec["m"] != int64(2) || spec["n"] != n || text(parsed(t, w.Body.String())) != text(p.stored()) {
			t.Errorf("%s: stored %s, answered %s", c.what, text(p.stored()), w.Body)
		}
	}
	q, _ := newSteps(t).request("patch", "", "", "", mergePatchType, "{}")
	if got := brief(q.patch()); got != "400 BadRequest: name must be provided" {
		t.Errorf("of a collection: %s", got)
	}
	// Where nobody keeps owners, an apply is refused for what it is, whatever its options say.
	p := newSteps(t)
	p.api.Config.NoManagedFields = true
	q, _ = p.request("patch", "a", "", "force=true&dryRun=x", applyPatchType, "{}")
	if got := brief(q.patch()); !strings.HasPrefix(got, "415 ") || strings.Contains(got, applyPatchType) {
		t.Errorf("an apply: %s", got)
	}
}
