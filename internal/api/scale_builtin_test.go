package api

import (
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// scaledA is an object whose scale is that of a built-in kind.
const scaledA = `{"metadata":{"name":"a","uid":"u"},"spec":{"replicas":1,"selector":{"matchLabels":{"c":"d","a":"b"},` +
	`"matchExpressions":[{"key":"x","operator":"NotIn","values":["z","y"]}]}},"status":{"replicas":2}}`

// TestBuiltinScale: what v1.37.2 answers to writes of the scale of a Deployment, and what is stored then. The
// uid is looked at first, then the number, and the resource version last.
func TestBuiltinScale(t *testing.T) {
	const stale = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`
	const negative = `422 Invalid: Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`
	for _, c := range []struct {
		what, verb, contentType, body, want string
		replicas                            int64
	}{
		{"read", "get", "", "", "<nil>", 1},
		{"put", "update", "", `{"metadata":{"name":"a"},"spec":{"replicas":5}}`, "<nil>", 5},
		{"put of its version", "update", "", `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"a","resourceVersion":"0"},"spec":{"replicas":4}}`, "<nil>", 4},
		{"put of nothing", "update", "", `{"metadata":{"name":"a"}}`, "<nil>", 0},
		{"put of another version", "update", "", `{"apiVersion":"apps/v1","kind":"Scale","metadata":{"name":"a"}}`,
			`400 BadRequest: Scale in version "v1" cannot be handled as a Scale: no kind "Scale" is registered for version "apps/v1" in scheme "pkg/runtime/scheme.go:111"`, 0},
		{"put of a text", "update", "", `{"metadata":{"name":"a"},"spec":{"replicas":"x"}}`,
			`400 BadRequest: Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32`, 0},
		{"put of less than none", "update", "", `{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"replicas":-1}}`, negative, 0},
		{"put after others", "update", "", `{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"replicas":3}}`, stale, 0},
		{"put to another one", "update", "", `{"metadata":{"name":"a","uid":"x"},"spec":{"replicas":-1}}`,
			`409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/default/a, ResourceVersion: 0, ` +
				`AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: u`, 0},
		{"patch", "patch", mergePatchType, `{"spec":{"replicas":7}}`, "<nil>", 7},
		{"patch to none", "patch", mergePatchType, `{"spec":{"replicas":null}}`, "<nil>", 0},
		{"patch to less", "patch", jsonPatchType, `[{"op":"replace","path":"/spec/replicas","value":-1}]`, negative, 0},
	} {
		p := newScaled(t)
		p.scale = builtinScale(&kinds.Row{Group: "apps"})
		p.put(p.Bucket, "default/a", scaledA)
		q, w := p.request(c.verb, "a", "scale", "", c.contentType, c.body)
		err := q.serveScale()
		if got := brief(err); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.what, got, c.want)
		}
		if err != nil {
			continue
		}
		got := parsed(t, w.Body.String())
		shown, _ := tree.At(got, "spec", "replicas").(int64)
		stored, _ := tree.At(p.stored(), "spec", "replicas").(int64)
		if shown != c.replicas || stored != c.replicas || tree.Text(got, "status", "selector") != "a=b,c=d,x notin (y,z)" ||
			tree.At(got, "status", "replicas") != int64(2) {
			t.Errorf("%s: %s, stored %s", c.what, w.Body, text(p.stored()))
		}
	}
}

// TestBuiltinScaleSelectors: the selector of the core group is a map, and one that cannot be read is the
// client's 400.
func TestBuiltinScaleSelectors(t *testing.T) {
	for _, c := range []struct{ group, selector, want string }{
		{"", `{"z":"1","a":"b"}`, "a=b,z=1"}, {"", `{}`, ""}, {"apps", `{}`, ""}, {"apps", `null`, ""},
		{"apps", `{"matchLabels":{"a b":"c"}}`, "400 BadRequest: key: Invalid value"},
	} {
		p := newScaled(t)
		p.scale = builtinScale(&kinds.Row{Group: c.group})
		obj := parsed(t, `{"metadata":{"name":"a"},"spec":{"replicas":1,"selector":`+c.selector+`}}`)
		scale, err := scaleView{p.call("get", "a", "scale")}.read(obj)
		if got := tree.Text(scale, "status", "selector"); err == nil && got != c.want || err != nil && !strings.HasPrefix(brief(err), c.want) {
			t.Errorf("%s: %q, %v", c.selector, got, err)
		}
	}
}

// TestBumpByStrategy: a kind may have its own idea of a change, which writes of the status are not asked about.
func TestBumpByStrategy(t *testing.T) {
	for _, c := range []struct {
		sub     string
		changes bool
		want    int64
	}{{"", true, 4}, {"", false, 3}, {"scale", true, 4}, {"status", true, 4}, {"status", false, 4}} {
		p := newScaled(t)
		p.HasGeneration = true
		p.Changes = func(_, _ map[string]any) bool { return c.changes }
		old := p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","generation":3},"spec":{"n":1}}`)
		w := write{Call: p.call("update", "a", c.sub), old: old, was: old.Decode(), next: old.Decode()}
		tree.Set(w.next, int64(2), "spec", "n")
		if w.bump(); tree.At(w.next, "metadata", "generation") != c.want {
			t.Errorf("%q, %v: %s", c.sub, c.changes, text(w.next))
		}
	}
}
