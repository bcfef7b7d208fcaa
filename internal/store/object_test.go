package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"apichain/internal/tree"
)

// configMapOf is a config map with about size bytes of data.
func configMapOf(namespace, name string, size int) map[string]any {
	data := map[string]any{}
	for i := 0; size > 0; i++ {
		data[fmt.Sprintf("key-%d", i)] = strings.Repeat("x", min(size, 200))
		size -= 200
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		"metadata": map[string]any{
			"name": name, "namespace": namespace, "uid": "11111111-2222-3333-4444-555555555555",
			"creationTimestamp": "2026-01-02T03:04:05Z", "resourceVersion": "17",
			"labels": map[string]any{"app": "demo", "tier": "back"},
		},
	}
}

func mustObject(t testing.TB, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return obj
}

// A draft is the object's JSON with the revision wherever it belongs.
func TestEncodeDraft(t *testing.T) {
	tests := []struct{ name, obj, with, without string }{
		{"nothing", `{}`, `{"metadata":{"resourceVersion":"42"}}`, `{"metadata":{}}`},
		{"no metadata, keys on both sides", `{"z":1,"a":2}`,
			`{"a":2,"metadata":{"resourceVersion":"42"},"z":1}`, `{"a":2,"metadata":{},"z":1}`},
		{"metadata null", `{"metadata":null}`, `{"metadata":{"resourceVersion":"42"}}`, `{"metadata":{}}`},
		{"metadata of a wrong type", `{"metadata":[1]}`, `{"metadata":{"resourceVersion":"42"}}`, `{"metadata":{}}`},
		{"the last key", `{"metadata":{"name":"a"}}`,
			`{"metadata":{"name":"a","resourceVersion":"42"}}`, `{"metadata":{"name":"a"}}`},
		{"the first key", `{"metadata":{"uid":"u"}}`,
			`{"metadata":{"resourceVersion":"42","uid":"u"}}`, `{"metadata":{"uid":"u"}}`},
		{"between", `{"metadata":{"uid":"u","name":"a"}}`,
			`{"metadata":{"name":"a","resourceVersion":"42","uid":"u"}}`, `{"metadata":{"name":"a","uid":"u"}}`},
		{"a value of its own", `{"metadata":{"resourceVersion":"7","uid":"u"}}`,
			`{"metadata":{"resourceVersion":"42","uid":"u"}}`, `{"metadata":{"uid":"u"}}`},
		{"a value of a wrong type", `{"metadata":{"resourceVersion":{"x":1}}}`,
			`{"metadata":{"resourceVersion":"42"}}`, `{"metadata":{}}`},
		{"the same words elsewhere", `{"data":{"resourceVersion":"1"},"metadata":{"labels":{"resourceVersion":""}}}`,
			`{"data":{"resourceVersion":"1"},"metadata":{"labels":{"resourceVersion":""},"resourceVersion":"42"}}`,
			`{"data":{"resourceVersion":"1"},"metadata":{"labels":{"resourceVersion":""}}}`},
		{"escapes", `{"<k>":"\n\"é","metadata":{}}`,
			`{"\u003ck\u003e":"\n\"é","metadata":{"resourceVersion":"42"}}`, `{"\u003ck\u003e":"\n\"é","metadata":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obj := mustObject(t, tt.obj)
			d := Encode(obj, nil)
			if got := string(d.withRevision(42)); got != tt.with {
				t.Errorf("with a revision\n got %s\nwant %s", got, tt.with)
			}
			if got := string(d.withoutRevision()); got != tt.without {
				t.Errorf("without\n got %s\nwant %s", got, tt.without)
			}
			if !tree.Equal(obj, mustObject(t, tt.obj)) {
				t.Errorf("the object was changed: %s", tree.AppendJSON(nil, obj))
			}
		})
	}
}

// Objects larger than the room on the stack are no different.
func TestEncodeDraftOfEverySize(t *testing.T) {
	for _, size := range []int{0, 100, 3000, 3700, 3900, 4100, 5000, 100_000} {
		obj := configMapOf("ns", "a", size)
		d := Encode(obj, nil)
		tree.Set(obj, "99", "metadata", "resourceVersion")
		if got, want := string(d.withRevision(99)), string(tree.AppendJSON(nil, obj)); got != want {
			t.Errorf("%d bytes: the draft is not the object", size)
		}
	}
}

// What the draft says is what tree.AppendJSON says of the same object.
func FuzzEncodeDraft(f *testing.F) {
	f.Add(`{"a":[1,2.5,true,null],"metadata":{"name":"x","resourceVersion":"1","labels":{"a":"b"}}}`)
	f.Add(`{"metadata":[]}`)
	f.Add(`{"metadata":{"ownerReferences":[{"uid":1},2],"labels":{"a":1},"finalizers":"x"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		obj, _, err := tree.ParseJSONObject([]byte(text))
		if err != nil {
			return
		}
		d := Encode(obj, []string{"f"})
		if _, ok := obj["metadata"].(map[string]any); !ok {
			obj["metadata"] = map[string]any{}
		}
		tree.Set(obj, "5", "metadata", "resourceVersion")
		want := string(tree.AppendJSON(nil, obj))
		if got := string(d.withRevision(5)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		o := newObject(Added, "k", 5, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
		if string(o.Raw()) != want || !d.Same(o) {
			t.Fatalf("the object of %s is %s", want, o.Raw())
		}
		delete(obj["metadata"].(map[string]any), "resourceVersion")
		if got, want := string(d.withoutRevision()), string(tree.AppendJSON(nil, obj)); got != want {
			t.Fatalf("without a revision %s\nwant %s", got, want)
		}
	})
}

func TestObjectMeta(t *testing.T) {
	tests := []struct {
		name, obj string
		fields    []string
		want      Meta
	}{
		{"none", `{}`, nil, Meta{}},
		{"all", `{"metadata":{"uid":"u-1","generation":3,"deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["a","b"],
			"labels":{"x":"1","y":""},"ownerReferences":[
			{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u-2","controller":true,"blockOwnerDeletion":true},
			{"apiVersion":"a/v1","kind":"B","name":"b","uid":"u-3","controller":false}]}}`,
			[]string{"Running", ""},
			Meta{UID: "u-1", generation: 3, Deleting: true, Finalizers: 2,
				Labels: map[string]string{"x": "1", "y": ""}, Fields: []string{"Running", ""},
				Owners: []Owner{{"v1", "Pod", "p", "u-2", true, true}, {"a/v1", "B", "b", "u-3", false, false}}}},
		{"wrong types", `{"metadata":{"uid":1,"generation":"3","deletionTimestamp":null,"finalizers":{},
			"labels":{"x":1,"y":"2"},"ownerReferences":[1]}}`, nil,
			Meta{Labels: map[string]string{"y": "2"}, Owners: []Owner{{}}}},
		{"metadata of a wrong type", `{"metadata":"x"}`, nil, Meta{}},
		{"empty", `{"metadata":{"labels":{},"ownerReferences":[],"finalizers":[]}}`, []string{}, Meta{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Encode(mustObject(t, tt.obj), tt.fields).Meta
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

// The strings of a parsed object are parts of the body's text; a stored object must not
// keep that alive.
func TestObjectMetaHoldsNoBody(t *testing.T) {
	obj := mustObject(t, `{"metadata":{"uid":"u","labels":{"key":"value"},"ownerReferences":[{"uid":"owner"}]}}`)
	own := map[*byte]bool{}
	note := func(s string) { own[unsafe.StringData(s)] = true }
	note(tree.Text(obj, "metadata", "uid"))
	for k, v := range tree.Object(obj, "metadata", "labels") {
		note(k)
		note(v.(string))
	}
	note(tree.Text(tree.List(obj, "metadata", "ownerReferences")[0], "uid"))
	field := strings.Clone("field")
	note(field)
	m := Encode(obj, []string{field}).Meta
	kept := []string{m.UID, m.Fields[0], m.Owners[0].UID}
	for k, v := range m.Labels {
		kept = append(kept, k, v)
	}
	for _, s := range kept {
		if own[unsafe.StringData(s)] {
			t.Errorf("%q is a part of the body", s)
		}
	}
}

func TestObjectLine(t *testing.T) {
	tests := []struct {
		kind                     byte
		key, namespace, name     string
		rev                      int64
		line, before, after, raw string
	}{
		{Added, "ns/a", "ns", "a", 1, `{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1"}}`},
		{Modified, "a", "", "a", 1234567890123, `{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"1234567890123"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1234567890123"}}`},
		{Deleted, "ns/", "ns", "", 10, `{"type":"DELETED","object":{"metadata":{"resourceVersion":"10"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"10"}}`},
	}
	d := Encode(map[string]any{}, nil)
	for _, tt := range tests {
		o := newObject(tt.kind, tt.key, tt.rev, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
		before, after := o.SplitAtRevision()
		got := []string{o.Namespace(), o.Name(), string(o.Line), string(before), string(after), string(o.Raw())}
		want := []string{tt.namespace, tt.name, tt.line + "\n", tt.before, tt.after, tt.raw}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%c %s\n got %q\nwant %q", tt.kind, tt.key, got, want)
		}
		if cap(o.Line) != len(o.Line) {
			t.Errorf("%c: a line of %d bytes takes %d", tt.kind, len(o.Line), cap(o.Line))
		}
		if got := tree.Text(o.Decode(), "metadata", "resourceVersion"); got != fmt.Sprint(tt.rev) {
			t.Errorf("%c: decoded, the revision is %q", tt.kind, got)
		}
	}
}

// A write that would change nothing but the revision is told from one that does.
func TestDraftSame(t *testing.T) {
	d := Encode(configMapOf("ns", "a", 300), nil)
	o := newObject(Added, "ns/a", 123, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
	again := o.Decode()
	if same := Encode(again, nil); !same.Same(o) {
		t.Error("what was read differs from what was written")
	}
	for _, path := range [][]string{{"data", "key-0"}, {"apiVersion"}, {"metadata", "name"}, {"metadata", "zone"}} {
		other := o.Decode()
		tree.Set(other, "other", path...)
		if d := Encode(other, nil); d.Same(o) {
			t.Errorf("%v: a change was not seen", path)
		}
	}
}
