package api

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// TestPatchTypes: which patches a resource takes. One without a type, and one for which nothing
// says how lists merge, are refused before the body is read.
func TestPatchTypes(t *testing.T) {
	const unknown = "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: "
	const custom, builtin = unknown + jsonPatchType + ", " + mergePatchType, unknown + jsonPatchType + ", " + mergePatchType + ", " + strategicPatchType
	const apply = "; server-side apply (application/apply-patch+yaml) is not served yet"
	for _, c := range []struct{ contentType, custom, builtin string }{
		{jsonPatchType, "<nil>", "<nil>"},
		{mergePatchType, "<nil>", "<nil>"},
		{strategicPatchType, custom, "<nil>"},
		{applyPatchType, custom + apply, builtin + apply},
		{"application/json", custom, builtin},
		{"", custom, builtin},
	} {
		p := newSteps(t)
		q := p.call("patch", "a", "")
		if got := brief(q.checkPatchType(c.contentType)); got != c.custom {
			t.Errorf("%q of a custom resource\n got %s\nwant %s", c.contentType, got, c.custom)
		}
		p.Type = &kinds.Type{}
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
		apply, err := q.readPatch(q.patchType())
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		// Each attempt applies it once more, to an object of its own.
		for range 3 {
			next, err := apply(parsed(t, `{"spec":{"n":1},"status":{}}`))
			got := brief(err)
			if err == nil {
				got = text(next)
			}
			if got != c.want {
				t.Errorf("%s %s\n got %s\nwant %s", c.contentType, c.body, got, c.want)
			}
		}
	}
	for body, want := range map[string]string{
		`[]`: "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
		`{`:  "400 BadRequest: error decoding patch: unexpected end of JSON input",
	} {
		q, _ := newSteps(t).request("patch", "a", "", "", mergePatchType, body)
		if _, err := q.readPatch(mergePatchType); brief(err) != want {
			t.Errorf("%s\n got %s\nwant %s", body, brief(err), want)
		}
	}
}

// TestRepeatedKeys: fieldValidation decides.
func TestRepeatedKeys(t *testing.T) {
	for strict, want := range map[string]string{
		"Ignore": "<nil>", "Warn": "<nil>",
		"Strict": `422 Invalid:  "" is invalid: patch: Invalid value: "a.b": strict decoding error: duplicate field "a.b"`,
	} {
		p := newSteps(t)
		q := p.call("patch", "a", "")
		q.strict = strict
		if got := brief(q.repeatedKeys([]string{"a.b", "c"})); got != want {
			t.Errorf("%s\n got %s\nwant %s", strict, got, want)
		}
		if got := strings.Join(p.warnings, "|"); got != map[string]string{"Warn": `duplicate field "a.b"|duplicate field "c"`}[strict] {
			t.Errorf("%s: warnings %s", strict, got)
		}
	}
}

// TestCheckPatched: what a patch may not make of an object. Kind and version may go: they come
// back.
func TestCheckPatched(t *testing.T) {
	const identity = `"kind":"Widget","apiVersion":"example.com/v1"`
	for _, c := range []struct {
		next            string
		custom, builtin string
	}{
		{`{` + identity + `,"metadata":{"name":"a"},"spec":2}`, "<nil>", "<nil>"},
		{`{"metadata":{"name":"a","namespace":"default","uid":"u"}}`, "<nil>", "<nil>"},
		{`{}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided", ""},
		{`{"metadata":null}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided", ""},
		{`{"metadata":[]}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"metadata\":[]}": json: cannot unmarshal array into Go struct field Widget.metadata of type v1.ObjectMeta`, ""},
		{`{"kind":"Gadget"}`, `422 Invalid: Widget.example.com "a" is invalid: kind: Invalid value: "Gadget": must be Widget`,
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"kind\":\"Gadget\"}": the object is no longer a Widget of example.com/v1`},
		{`{"apiVersion":"v2"}`, `400 BadRequest: the API version in the data (v2) does not match the expected API version (example.com/v1)`,
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v2\",\"kind\":\"Widget\"}": the object is no longer a Widget of example.com/v1`},
		{`{"apiVersion":null}`, `400 BadRequest: the API version in the data (<nil>) does not match the expected API version (example.com/v1)`,
			`422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":null,\"kind\":\"Widget\"}": the object is no longer a Widget of example.com/v1`},
		{`{"metadata":{"name":"b"}}`, "400 BadRequest: the name of the object (b) does not match the name on the URL (a)", ""},
		{`{"metadata":{"name":"a","namespace":"b"}}`, "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request", ""},
		{`{"metadata":{"name":"a","uid":"x"}}`, `422 Invalid: Widget.example.com "a" is invalid: metadata.uid: Invalid value: "x": field is immutable`, ""},
		{`{"metadata":{"name":"a"},"unfit":1}`, `422 Invalid:  "" is invalid: patch: Invalid value: ` +
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
			err := w.checkPatched()
			if got := brief(err); got != want {
				t.Errorf("%s, custom %v\n got %s\nwant %s", c.next, custom, got, want)
			}
			if err == nil && (w.next["kind"] != "Widget" || w.next["apiVersion"] != "example.com/v1") {
				t.Errorf("%s became %s", c.next, text(w.next))
			}
		}
	}
	// One error of the uid is one text and two causes (upstream).
	p := newSteps(t)
	p.put(p.Bucket, "default/a", widgetA)
	var e *status.Error
	if err := p.change("", `{"metadata":{"name":"a","uid":"x"}}`).checkPatched(); !errors.As(err, &e) || len(e.Details.Causes) != 2 {
		t.Error(err)
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
		if got := brief(q.prunePatched(obj, p.Prune)); got != c.want || strings.Join(p.warnings, "|") != c.warnings || text(obj) != `{"spec":1}` {
			t.Errorf("%s: %s, warnings %q\n got %s\nwant %s", strict, text(obj), p.warnings, got, c.want)
		}
		if err := q.prunePatched(parsed(t, `{"spec":1}`), p.Prune); err != nil {
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
	// An apply is refused for what it is, whatever its options say.
	q, _ = newSteps(t).request("patch", "a", "", "force=true&dryRun=x", applyPatchType, "{}")
	if got := brief(q.patch()); !strings.HasPrefix(got, "415 ") {
		t.Errorf("an apply: %s", got)
	}
}
