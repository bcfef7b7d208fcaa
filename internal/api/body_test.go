package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// TestReadBody: sizes around the limit, with a length that is said, none, or a wrong one, and in
// pieces of any size.
func TestReadBody(t *testing.T) {
	const tooLarge = "413 RequestEntityTooLarge: Request entity too large: limit is 3145728"
	for _, size := range []int{0, 1, 511, 512, 513, maxKeptBody, maxKeptBody + 1, maxBody - 1, maxBody, maxBody + 1} {
		for _, length := range []int64{-1, 0, int64(size)} {
			for name, in := range map[string]func(io.Reader) io.Reader{
				"whole":             func(r io.Reader) io.Reader { return r },
				"data with the end": iotest.DataErrReader,
				"halves":            iotest.HalfReader,
			} {
				s := &API{}
				content := bytes.Repeat([]byte("x"), size)
				req := &http.Request{ContentLength: length, Body: io.NopCloser(in(bytes.NewReader(content)))}
				b, err := s.readBody(req)
				switch {
				case size > maxBody:
					if brief(err) != tooLarge {
						t.Errorf("%d bytes of %d, %s: %v", size, length, name, err)
					}
				case err != nil || !bytes.Equal(*b, content):
					t.Errorf("%d bytes of %d, %s: %v", size, length, name, err)
				}
			}
		}
	}
	// What says that it is too large is not read.
	if _, err := new(API).readBody(&http.Request{ContentLength: maxBody + 1, Body: io.NopCloser(iotest.ErrReader(errors.New("read")))}); brief(err) != tooLarge {
		t.Error(err)
	}
	if b, err := new(API).readBody(&http.Request{}); err != nil || len(*b) != 0 {
		t.Errorf("no body: %v, %v", b, err)
	}
	// A failure of the chain goes on to the client as it is; any other is the client's.
	timeout := &status.Error{Code: 504, Reason: "Timeout", Message: "late"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("reading: %w", timeout), "504 Timeout: late"},
		{io.ErrUnexpectedEOF, "400 BadRequest: the body could not be read: unexpected EOF"},
	} {
		body := io.MultiReader(strings.NewReader("{"), iotest.ErrReader(c.err))
		if _, err := new(API).readBody(&http.Request{ContentLength: -1, Body: io.NopCloser(body)}); brief(err) != c.want {
			t.Errorf("got %s, want %s", brief(err), c.want)
		}
	}
}

// TestBodyReuse: a buffer that has been given back shows nothing of the body before.
func TestBodyReuse(t *testing.T) {
	s := &API{}
	for i := range 200 {
		want := strings.Repeat(string(rune('a'+i%26)), (i*37)%900)
		b, err := s.readBody(&http.Request{ContentLength: -1, Body: io.NopCloser(strings.NewReader(want))})
		if err != nil || string(*b) != want {
			t.Fatalf("round %d: %q, %v", i, *b, err)
		}
		s.putBody(b)
	}
}

// TestLargeBuffers: the buffer of a large body is not kept.
func TestLargeBuffers(t *testing.T) {
	s := &API{}
	for range 20 {
		large := make([]byte, maxKeptBody+1)
		s.putBody(&large)
		if kept := s.bodies.Get(); kept != nil {
			t.Fatalf("%d bytes are kept", cap(*kept.(*[]byte)))
		}
	}
}

// TestReadObject: media types and bodies that are no objects, in upstream's words.
func TestReadObject(t *testing.T) {
	const unrecognized = "400 BadRequest: the object provided is unrecognized (must be of type Widget): "
	const noJSON = unrecognized + "couldn't get version/kind; json parse error: "
	const unsupported = "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: "
	const all = unsupported + "application/json, application/yaml, application/vnd.kubernetes.protobuf"
	for _, c := range []struct{ contentType, body, want, problems string }{
		{"", `{"a":1}`, `{"a":1}`, ""},
		{"application/json", `{"a":1}`, `{"a":1}`, ""},
		{"application/json; charset=utf-8", ` {"a":{}} `, `{"a":{}}`, ""},
		{"application/json", `{"a":1,"b":{"c":1,"c":2},"a":2}`, `{"a":2,"b":{"c":2}}`, `duplicate field "b.c"|duplicate field "a"`},
		{"application/yaml", "a: 1\nb:\n- x\n", `{"a":1,"b":["x"]}`, ""},
		{"text/yaml", "a: 1\n", all, ""},
		{"Application/YAML; Charset=UTF-8", "a: &x [yes, 0777]\nb: *x\n", `{"a":[true,511],"b":[true,511]}`, ""},
		{"APPLICATION/JSON", `{"a":1}`, `{"a":1}`, ""},
		{"application/json; charset", `{"a":1}`, all, ""},
		{"application/json, application/yaml", `{"a":1}`, all, ""},
		{"application/json", "null", "{}", ""},
		{"application/yaml", "# nothing\n", "{}", ""},
		{"application/yaml", "a: *x\n", unrecognized + "yaml: unknown anchor 'x' referenced (613a202a780a)", ""},
		{"application/yaml", "a: 1\nb: c: d\n", unrecognized + "yaml: line 2: mapping values are not allowed in this context (613a20310a623a20633a20640a)", ""},
		{"application/json", `{"kind":1}`, noJSON + `json: cannot unmarshal number into Go struct field .kind of type string ({"kind":1})`, ""},
		{"application/json", `{"apiVersion":{}}`, noJSON + `json: cannot unmarshal object into Go struct field .apiVersion of type string ({"apiVersion":{}})`, ""},
		{"application/json", "  ", noJSON + "unexpected end of JSON input (2020)", ""},
		{"application/yaml", "a: 1\na: 2\n", `{"a":2}`, `line 2: key "a" already set in map`},
		{"application/yaml", `{"a":1}`, `{"a":1}`, ""},
		{"application/yaml", "- a\n", noJSON + "json: cannot unmarshal array into Go value of type " + kindFields + " (2d20610a)", ""},
		{"application/yaml", "text", noJSON + "json: cannot unmarshal string into Go value of type " + kindFields + " (74657874)", ""},
		{"application/json", `[1]`, noJSON + "json: cannot unmarshal array into Go value of type " + kindFields + " (5b315d)", ""},
		{"application/json", `{"a":`, noJSON + `unexpected end of JSON input ({"a":)`, ""},
		{"application/json", `{"a":` + strings.Repeat(" ", 40), noJSON + `unexpected end of JSON input ({"a":` + strings.Repeat(" ", 25) + ` ...)`, ""},
		// Nothing is nothing, whatever it is said to be.
		{"application/json", "", "null", ""},
		{"text/html", "", "null", ""},
		{"text/html", " \n\t ", all, ""},
		{"text/html", "{}", all, ""},
		{";", "{}", all, ""},
		{"application/vnd.kubernetes.protobuf", "k8s\x00", unsupported + "application/json, application/yaml; " + protobufAdvice, ""},
	} {
		q, _ := newSteps(t).request("create", "", "", "", c.contentType, c.body)
		typ := &kinds.Type{}
		if c.contentType == protobufMedia {
			typ = nil
		}
		obj, notes, err := q.readObject(typ, "Widget")
		problems := notes.problems
		got := brief(err)
		if err == nil {
			if got = text(obj); obj == nil {
				got = "null"
			}
		}
		if got != c.want || strings.Join(problems, "|") != c.problems {
			t.Errorf("%s %q: problems %q\n got %s\nwant %s", c.contentType, c.body, problems, got, c.want)
		}
	}
	q, _ := newSteps(t).request("create", "", "", "", "", `{"a":1}`)
	q.req.Header["Content-Type"] = []string{""}
	if obj, _, err := q.readObject(&kinds.Type{}, "Widget"); err != nil || text(obj) != `{"a":1}` {
		t.Errorf("an empty Content-Type: %v, %v", obj, err)
	}
	// Of a kind with types protobuf is read, and what is none is refused like other bodies.
	q, _ = newSteps(t).request("create", "", "", "", protobufMedia, "k9s\x00")
	if _, _, err := q.readObject(&kinds.Type{}, "Widget"); !strings.HasPrefix(brief(err), unrecognized) || !strings.HasSuffix(brief(err), " (6b397300)") {
		t.Error(brief(err))
	}
}

// TestReadObjectWithoutKind: an object of a custom kind must say it.
func TestReadObjectWithoutKind(t *testing.T) {
	for _, c := range []struct{ contentType, body, strict, want string }{
		{"application/json", `{"a":1}`, "Warn", `the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{"a":1}' ({"a":1})`},
		{"application/json", `{"Kind":"Widget"}`, "Strict", `the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{"Kind":"Widget"}' ({"Kind":"Widget"})`},
		{"application/yaml", "# c", "Warn", `the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '# c' (232063)`},
		{"application/yaml", "# c", "Ignore", `Widget in version "v1" cannot be handled as a Widget: Object 'Kind' is missing in 'null'`},
		{"application/json", `{"b": 1,"a":2}`, "Ignore", `Widget in version "v1" cannot be handled as a Widget: Object 'Kind' is missing in '{"b": 1,"a":2}'`},
		{"application/yaml", "b: 1\na: 2", "Ignore", `Widget in version "v1" cannot be handled as a Widget: Object 'Kind' is missing in '{"a":2,"b":1}'`},
		{"application/json", "null", "Ignore", `Widget in version "v1" cannot be handled as a Widget: Object 'Kind' is missing in 'null'`},
	} {
		q, _ := newSteps(t).request("create", "", "", "", c.contentType, c.body)
		q.strict = c.strict
		if _, _, err := q.readObject(nil, "Widget"); brief(err) != "400 BadRequest: "+c.want {
			t.Errorf("%s with %s\n got %s\nwant %s", c.body, c.strict, brief(err), c.want)
		}
	}
}

// TestCheckKind: which kinds and versions a body may say, and that it says the path's afterwards.
func TestCheckKind(t *testing.T) {
	const wrongVersion = "400 BadRequest: the API version in the data (%s) does not match the expected API version (example.com/v1)"
	const cannot = `400 BadRequest: %s in version "%s" cannot be handled as a Widget: `
	for _, c := range []struct{ body, custom, builtin string }{
		{`{"kind":"Widget","apiVersion":"example.com/v1"}`, "<nil>", "<nil>"},
		{`{"kind":"Widget"}`, fmt.Sprintf(wrongVersion, ""), "<nil>"},
		{`{"apiVersion":"example.com/v1"}`, "-", "<nil>"}, // readObject refuses it
		{`{}`, "-", "<nil>"},
		{`{"Kind":"Widget","APIVERSION":"example.com/v1"}`, "-", "<nil>"},
		{`{"Kind":"Gadget"}`, "-", fmt.Sprintf(cannot, "Gadget", "v1") + `no kind "Gadget" is registered for version "example.com/v1" in scheme "pkg/runtime/scheme.go:111"`},
		{`{"kind":"Gadget","apiVersion":"example.com/v1"}`, `422 Invalid: Gadget.example.com "" is invalid: kind: Invalid value: "Gadget": must be Widget`,
			fmt.Sprintf(cannot, "Gadget", "v1") + `no kind "Gadget" is registered for version "example.com/v1" in scheme "pkg/runtime/scheme.go:111"`},
		// A version that is served, and one that nobody knows.
		{`{"kind":"Widget","apiVersion":"example.com/v2"}`, fmt.Sprintf(wrongVersion, "example.com/v2"),
			fmt.Sprintf(cannot, "Widget", "v2") + "converting (v2.Widget) to (example.Widget): unknown conversion"},
		// What is stored as the same can be converted, but is not of this version.
		{`{"kind":"Widget","apiVersion":"other.com/v1"}`, fmt.Sprintf(wrongVersion, "other.com/v1"), fmt.Sprintf(wrongVersion, "other.com/v1")},
		{`{"kind":"Widget","apiVersion":"example.com/v9"}`, fmt.Sprintf(wrongVersion, "example.com/v9"),
			fmt.Sprintf(cannot, "Widget", "v9") + `no kind "Widget" is registered for version "example.com/v9" in scheme "pkg/runtime/scheme.go:111"`},
		{`{"apiVersion":"v9"}`, "-", fmt.Sprintf(cannot, "Widget", "v9") + `no kind "Widget" is registered for version "v9" in scheme "pkg/runtime/scheme.go:111"`},
	} {
		for _, custom := range []bool{true, false} {
			p := newSteps(t)
			p.custom = custom
			p.api.builtin = map[kinds.Key]*Resource{
				kinds.NewKey("example.com", "v2", "Widget"): {Bucket: p.api.Store.Bucket("others")}, kinds.NewKey("other.com", "v1", "Widget"): {Bucket: p.Bucket}}
			want := c.custom
			if !custom && c.builtin != "" {
				want = c.builtin
			}
			if want == "-" {
				continue
			}
			obj := parsed(t, c.body)
			err := p.call("create", "", "").checkKind(obj)
			if got := brief(err); got != want {
				t.Errorf("%.60s, custom %v\n got %s\nwant %s", c.body, custom, got, want)
			}
			if err == nil && (obj["kind"] != "Widget" || obj["apiVersion"] != "example.com/v1") {
				t.Errorf("%.60s became %s", c.body, text(obj))
			}
		}
	}
}

// TestReportProblems: a wrong type goes before all else; the rest is as fieldValidation asks, the
// repeated keys first. Of options upstream names no kind.
func TestReportProblems(t *testing.T) {
	for _, c := range []struct {
		kind, strict   string
		err            error
		problems       []string
		want, warnings string
	}{
		{"Widget", "Warn", nil, nil, "<nil>", ""},
		{"Widget", "Strict", nil, nil, "<nil>", ""},
		{"Widget", "Ignore", nil, []string{"twice"}, "<nil>", ""},
		{"Widget", "Warn", nil, []string{"twice"}, "<nil>", `twice|unknown field "spec.x"`},
		{"Widget", "Strict", nil, []string{"twice"}, `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: strict decoding error: twice, unknown field "spec.x"`, ""},
		{"DeleteOptions", "Strict", nil, []string{"twice"}, `400 BadRequest: strict decoding error: twice, unknown field "spec.x"`, ""},
		{"Widget", "Ignore", errors.New("unfit"), []string{"twice"}, `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: unfit`, ""},
		{"Widget", "Warn", errors.New("unfit"), []string{"twice"}, `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: unfit`, ""},
	} {
		p := newSteps(t)
		q := p.call("create", "", "")
		q.strict = c.strict
		var unknown []string
		if c.problems != nil {
			unknown = []string{"spec.x"}
		}
		err := q.reportProblems(c.kind, "v1", &bodyNotes{problems: c.problems}, unknown, c.err)
		if got := brief(err); got != c.want || strings.Join(p.warnings, "|") != c.warnings {
			t.Errorf("%+v: warnings %q\n got %s\nwant %s", c, p.warnings, got, c.want)
		}
	}
}

// TestProblemsInOrder: those of a text that is read as into a Go struct come in its order, each unknown
// field once and without what is in it; those of any other text come before the unknown fields.
func TestProblemsInOrder(t *testing.T) {
	const body = `{"u":{"a":1,"a":2},"kind":"x","kind":"y","spec":{"v":1,"w":[{"a":1,"a":2}]},"u":3,"uv":1,"uv":2}`
	_, repeated, _ := tree.ParseJSONObject([]byte(body))
	for i := range repeated {
		repeated[i] = duplicateField(repeated[i])
	}
	n := bodyNotes{problems: repeated, text: []byte(body)}
	if got := strings.Join(n.all([]string{"spec.v", "u", "z"}), ", "); got != `unknown field "u", duplicate field "kind", unknown field "spec.v", `+
		`duplicate field "spec.w[0].a", duplicate field "uv", unknown field "z"` {
		t.Error(got)
	}
	n.text = nil
	if got := strings.Join(n.all([]string{"z"}), ", "); got != strings.Join(append(repeated, unknownField("z")), ", ") {
		t.Error(got)
	}
}

// TestReadNew: the parts together: a body of nothing is refused here, and what the type does not
// have is gone.
func TestReadNew(t *testing.T) {
	for body, want := range map[string]string{
		`{"kind":"Widget","spec":1}`:                    `{"apiVersion":"example.com/v1","kind":"Widget","spec":1}`,
		`{"kind":"Widget","unknown":1}`:                 `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "unknown"`,
		`{"kind":"Widget","kind":"Widget","unknown":1}`: `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: strict decoding error: duplicate field "kind", unknown field "unknown"`,
		`{"kind":"Widget","unfit":1,"unknown":1}`:       `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: unfit is unfit`,
		``: `400 BadRequest: the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`,
	} {
		q, _ := newSteps(t).request("create", "", "", "", "", body)
		q.strict = "Strict"
		obj, err := q.readNew()
		got := brief(err)
		if err == nil {
			got = text(obj)
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
}

// TestConfigurationIsYAML: what JSON has and YAML has not is refused, whichever of the two reads the body.
func TestConfigurationIsYAML(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"b\u003c"}`:        `{"a":"b\u003c"}`,
		"{\t\"a\":\t\"b\"}":      `{"a":"b"}`,
		"{\"a\":\"\u00e4\"}":     `{"a":"ä"}`,
		`{"a":"\u00e4"}`:         `{"a":"ä"}`,
		`{"a":1e400}`:            `{"a":"1e400"}`,
		`{"a":"\\/"}`:            `{"a":"\\/"}`,
		`{"a":"\/"}`:             "found unknown escape character",
		`{"a":"\ud83d\ude00"}`:   "found invalid Unicode character escape code",
		`{"a":"\uD800"}`:         "found invalid Unicode character escape code",
		"{\"a\":\"\x7f\"}":       "control characters are not allowed",
		"{\"a\":\"\xff\"}":       "invalid leading UTF-8 octet",
		`{"a":"` + "\x00" + `"}`: "control characters are not allowed",
	} {
		c, err := readConfiguration([]byte(text))
		if err != nil {
			if !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), "error decoding patch: error converting YAML to JSON: yaml: ") {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
		} else if got := string(tree.AppendJSON(nil, c.object)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
