package api

import (
	"strconv"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// newScaled returns widgets that have a scale: at spec.n, status.s and status.selector.
func newScaled(t testing.TB) *steps {
	p := newSteps(t)
	p.api.Kinds = kindTable(t)
	p.scale = &scalePaths{spec: []string{"spec", "n"}, status: []string{"status", "s"}, selector: []string{"status", "selector"}}
	return p
}

// TestScaleRead: a Scale has what the object has at the paths, and nothing but metadata besides.
func TestScaleRead(t *testing.T) {
	const head = `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"a"},`
	const none = `500 InternalError: Internal error occurred: the spec replicas field ".spec.n" does not exist`
	for obj, want := range map[string]string{
		`{"metadata":{"name":"a"},"spec":{"n":3},"status":{"s":2,"selector":"app=x"}}`:                    head + `"spec":{"replicas":3},"status":{"replicas":2,"selector":"app=x"}}`,
		`{"metadata":{"name":"a"},"spec":{"n":0}}`:                                                        head + `"spec":{},"status":{"replicas":0}}`,
		`{"metadata":{"name":"a"},"spec":{"n":3},"status":{"s":"2","selector":""}}`:                       "500: .status.s accessor error: 2 is of the type string, expected int64",
		`{"metadata":{"name":"a"},"spec":{"n":3},"status":null}`:                                          head + `"spec":{"replicas":3},"status":{"replicas":0}}`,
		`{"metadata":{"name":"a"},"spec":{"n":3},"status":{"selector":5}}`:                                "500: .status.selector accessor error: 5 is of the type int64, expected string",
		`{"metadata":{"name":"a","labels":{"a":"b"},"generation":7,"finalizers":["x/y"]},"spec":{"n":1}}`: head + `"spec":{"replicas":1},"status":{"replicas":0}}`,
		`{"metadata":{"name":"a"},"spec":{}}`:                                                             none,
		`{"metadata":{"name":"a"},"spec":{"n":"3"}}`:                                                      "500: .spec.n accessor error: 3 is of the type string, expected int64",
		`{"metadata":{"name":"a"},"spec":[]}`:                                                             "500: .spec.n accessor error: [] is of the type []interface {}, expected map[string]interface{}",
		`{"metadata":{"name":"a"}}`:                                                                       none,
	} {
		p := newScaled(t)
		scale, err := scaleView{p.call("get", "a", "scale")}.read(parsed(t, obj))
		got := brief(err)
		if err == nil {
			got = text(scale)
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", obj, got, want)
		}
	}
	p := newScaled(t)
	scale, _ := scaleView{p.call("get", "a", "scale")}.read(parsed(t, `{"metadata":{"name":"a","namespace":"default","uid":"u","resourceVersion":"4","creationTimestamp":"c"},"spec":{"n":1}}`))
	if got := text(scale["metadata"]); got != `{"creationTimestamp":"c","name":"a","namespace":"default","resourceVersion":"4","uid":"u"}` {
		t.Error(got)
	}
}

// TestScaleRoundTrip: what is written through the view is what is read through it, and the rest
// of the object stays.
func TestScaleRoundTrip(t *testing.T) {
	p := newScaled(t)
	old := p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u"},"spec":{"n":1,"other":true},"status":{"s":9}}`)
	v := scaleView{p.call("update", "a", "scale")}
	for _, n := range []int64{0, 1, 5, 1<<31 - 1} {
		obj := old.Decode()
		scale, err := v.read(obj)
		if err != nil {
			t.Fatal(err)
		}
		tree.Set(scale, n, "spec", "replicas")
		if err := v.write(old, obj, scale); err != nil {
			t.Fatal(err)
		}
		again, err := v.read(obj)
		if shown, _ := tree.At(again, "spec", "replicas").(int64); err != nil || shown != n || tree.At(again, "status", "replicas") != int64(9) || tree.At(obj, "spec", "other") != true {
			t.Errorf("%d: %s of %s, %v", n, text(again), text(obj), err)
		}
	}
}

// TestScaleWrite: what a Scale may not say. Its resource version is looked at before its uid.
func TestScaleWrite(t *testing.T) {
	const stale = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`
	const other = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/default/a, ResourceVersion: 0, ` +
		`AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: u`
	for scale, want := range map[string]string{
		`{"spec":{"replicas":2}}`:  "<nil>",
		`{"spec":{"replicas":-1}}`: "<nil>", // which the check of the object refuses
		`{"spec":{}}`:              "<nil>",
		`{"metadata":{"uid":"u","resourceVersion":"REV"},"spec":{"replicas":2}}`:  "<nil>",
		`{"metadata":{"uid":"x","resourceVersion":"REV"},"spec":{"replicas":-1}}`: other,
		`{"metadata":{"uid":"x","resourceVersion":"1"},"spec":{"replicas":-1}}`:   stale,
		`{"metadata":{"resourceVersion":"0"},"spec":{"replicas":2}}`:              `422 Invalid: widgets.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`,
		`{"metadata":{"resourceVersion":"no number"}}`:                            `500: strconv.ParseUint: parsing "no number": invalid syntax`,
		`{"spec":{"replicas":-2147483648}}`:                                       `400 BadRequest: the spec replicas field ".spec.n" cannot be empty`,
	} {
		p := newScaled(t)
		old := p.put(p.Bucket, "default/a", widgetA)
		obj := old.Decode()
		scale := strings.Replace(scale, "REV", strconv.FormatInt(old.Rev, 10), 1)
		err := scaleView{p.call("update", "a", "scale")}.write(old, obj, parsed(t, scale))
		if got := brief(err); got != want {
			t.Errorf("%s\n got %s\nwant %s", scale, got, want)
		}
		if err != nil && text(obj) != text(old.Decode()) {
			t.Errorf("%s was refused and has written %s", scale, text(obj))
		}
	}
}

// TestServeScale: reads and writes through the subresource, and what is asked first.
func TestServeScale(t *testing.T) {
	const missing = `404 NotFound: widgets.example.com "a" not found`
	const noReplicas = `500 InternalError: Internal error occurred: the spec replicas field ".spec.n" does not exist`
	const bare = `{"metadata":{"name":"a","uid":"u"},"spec":{}}`
	for _, c := range []struct {
		what, verb, stored, contentType, query, body string
		overtakings                                  int
		want                                         string
		replicas                                     int64
	}{
		{what: "read", verb: "get", stored: widgetA, want: "<nil>", replicas: 1},
		{what: "read without replicas", verb: "get", stored: bare, want: noReplicas},
		{what: "read a missing one", verb: "get", want: missing},
		{what: "delete", verb: "delete", stored: widgetA, want: `405 MethodNotAllowed: delete is not supported on resources of kind "widgets.example.com"`},
		{what: "put", verb: "update", stored: widgetA, body: `{"metadata":{"name":"a"},"spec":{"replicas":5}}`, want: "<nil>", replicas: 5},
		{what: "put of nothing but a name", verb: "update", stored: widgetA, body: `{"metadata":{"name":"a"}}`, want: "<nil>"},
		{what: "put where there are no replicas", verb: "update", stored: bare, body: `{"metadata":{"name":"a"},"spec":{"replicas":5}}`, want: "<nil>", replicas: 5},
		{what: "put, overtaken", verb: "update", stored: widgetA, body: `{"metadata":{"name":"a"},"spec":{"replicas":5}}`, overtakings: patchTries, want: "<nil>", replicas: 5},
		{what: "put, overtaken too often", verb: "update", stored: widgetA, body: `{"metadata":{"name":"a"},"spec":{"replicas":5}}`, overtakings: 1000,
			want: `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`},
		{what: "put to a missing one, with bad options", verb: "update", query: "dryRun=x", want: `422 Invalid: UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"`},
		{what: "put of another name", verb: "update", stored: widgetA, body: `{"metadata":{"name":"b"}}`, want: "400 BadRequest: the name of the object (b) does not match the name on the URL (a)"},
		{what: "put without a name", verb: "update", stored: widgetA, body: `{"spec":{"replicas":5}}`, want: "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{what: "put of another namespace", verb: "update", stored: widgetA, body: `{"metadata":{"name":"a","namespace":"b"}}`, want: "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"},
		{what: "put of another version", verb: "update", stored: widgetA, body: `{"apiVersion":"autoscaling/v2","kind":"Scale","metadata":{"name":"a"}}`, want: `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		{what: "put of nothing", verb: "update", stored: widgetA, want: `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		{what: "patch", verb: "patch", stored: widgetA, contentType: mergePatchType, body: `{"spec":{"replicas":6}}`, want: "<nil>", replicas: 6},
		{what: "JSON patch", verb: "patch", stored: widgetA, contentType: jsonPatchType, body: `[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":7}]`, want: "<nil>", replicas: 7},
		{what: "patch where there are no replicas", verb: "patch", stored: bare, contentType: mergePatchType, body: `{"spec":{"replicas":6}}`, want: "<nil>", replicas: 6},
		{what: "patch of nothing where there are no replicas", verb: "patch", stored: bare, contentType: mergePatchType, body: `{"status":{"replicas":6}}`, want: `400 BadRequest: the spec replicas field ".spec.n" cannot be empty`},
		{what: "JSON patch where there are no replicas", verb: "patch", stored: bare, contentType: jsonPatchType, body: `[{"op":"test","path":"/spec/replicas","value":-2147483648},{"op":"replace","path":"/spec/replicas","value":7}]`, want: "<nil>", replicas: 7},
		{what: "patch to none", verb: "patch", stored: widgetA, contentType: mergePatchType, body: `{"spec":{"replicas":null}}`, want: "<nil>"},
		{what: "patch, overtaken", verb: "patch", stored: widgetA, contentType: mergePatchType, body: `{"spec":{"replicas":6}}`, overtakings: patchTries, want: "<nil>", replicas: 6},
		{what: "apply, with force", verb: "patch", stored: widgetA, contentType: applyPatchType, query: "force=1",
			want: `422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch`},
	} {
		p := newScaled(t)
		if c.stored != "" {
			p.put(p.Bucket, "default/a", c.stored)
		}
		attempts := 0
		p.prepare = func(*Call, map[string]any, map[string]any) error {
			if attempts++; attempts <= c.overtakings {
				p.put(p.Bucket, "default/a", c.stored)
			}
			return nil
		}
		q, w := p.request(c.verb, "a", "scale", c.query, c.contentType, c.body)
		err := q.serveScale()
		if got := brief(err); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.what, got, c.want)
		}
		if err != nil {
			continue
		}
		got := parsed(t, w.Body.String())
		// No replicas are left out.
		shown, _ := tree.At(got, "spec", "replicas").(int64)
		if shown != c.replicas || got["kind"] != "Scale" || tree.At(p.stored(), "spec", "n") != c.replicas {
			t.Errorf("%s: %s, stored %s", c.what, w.Body, text(p.stored()))
		}
		if tree.Text(got, "metadata", "resourceVersion") != tree.Text(p.stored(), "metadata", "resourceVersion") {
			t.Errorf("%s: %s, stored %s", c.what, w.Body, text(p.stored()))
		}
	}
}

// TestScaleDry: nothing is stored, and the answer has the replicas that were asked for.
func TestScaleDry(t *testing.T) {
	p := newScaled(t)
	old := p.put(p.Bucket, "default/a", widgetA)
	q, w := p.request("update", "a", "scale", "dryRun=All", "", `{"metadata":{"name":"a"},"spec":{"replicas":5}}`)
	if err := q.serveScale(); err != nil {
		t.Fatal(err)
	}
	got := parsed(t, w.Body.String())
	if tree.At(got, "spec", "replicas") != int64(5) || p.api.Store.Revision() != old.Rev || tree.At(p.stored(), "spec", "n") != int64(1) {
		t.Errorf("%s, stored %s", w.Body, text(p.stored()))
	}
}
