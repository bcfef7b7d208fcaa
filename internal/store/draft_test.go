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

// textAt is the JSON of a draft at a revision.
func textAt(d *Draft, rev int64) string {
	return string(d.JSON[:d.RevisionAt]) + fmt.Sprint(rev) + string(d.JSON[d.RevisionAt:])
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
	tests := []struct{ name, obj, want string }{
		{"nothing", `{}`, `{"metadata":{"resourceVersion":"42"}}`},
		{"no metadata, keys on both sides", `{"z":1,"a":2}`, `{"a":2,"metadata":{"resourceVersion":"42"},"z":1}`},
		{"metadata null", `{"metadata":null}`, `{"metadata":{"resourceVersion":"42"}}`},
		{"metadata of a wrong type", `{"metadata":[1]}`, `{"metadata":{"resourceVersion":"42"}}`},
		{"the last key", `{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a","resourceVersion":"42"}}`},
		{"the first key", `{"metadata":{"uid":"u"}}`, `{"metadata":{"resourceVersion":"42","uid":"u"}}`},
		{"between", `{"metadata":{"uid":"u","name":"a"}}`, `{"metadata":{"name":"a","resourceVersion":"42","uid":"u"}}`},
		{"a value of its own", `{"metadata":{"resourceVersion":"7","uid":"u"}}`, `{"metadata":{"resourceVersion":"42","uid":"u"}}`},
		{"a value of a wrong type", `{"metadata":{"resourceVersion":{"x":1}}}`, `{"metadata":{"resourceVersion":"42"}}`},
		{"the same words elsewhere", `{"data":{"resourceVersion":"1"},"metadata":{"labels":{"resourceVersion":""}}}`,
			`{"data":{"resourceVersion":"1"},"metadata":{"labels":{"resourceVersion":""},"resourceVersion":"42"}}`},
		{"escapes", `{"<k>":"\n\"é","metadata":{}}`, `{"\u003ck\u003e":"\n\"é","metadata":{"resourceVersion":"42"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obj := mustObject(t, tt.obj)
			d := Encode(obj, nil)
			if got := textAt(&d, 42); got != tt.want {
				t.Errorf("with a revision\n got %s\nwant %s", got, tt.want)
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
		if got, want := textAt(&d, 99), string(tree.AppendJSON(nil, obj)); got != want {
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
		if got := textAt(&d, 5); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		o := newObject(Added, "k", 5, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
		if string(o.Raw()) != want || !d.Same(o) {
			t.Fatalf("the object of %s is %s", want, o.Raw())
		}
	})
}

func TestObjectMeta(t *testing.T) {
	tests := []struct {
		name, obj string
		fields    []string
		want      *Meta
	}{
		{"none", `{}`, nil, &Meta{}},
		{"all", `{"metadata":{"uid":"u-1","deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["a","b"],
			"labels":{"x":"1","y":""},"ownerReferences":[
			{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u-2","controller":true,"blockOwnerDeletion":true},
			{"apiVersion":"a/v1","kind":"B","name":"b","uid":"u-3","controller":false}]}}`,
			[]string{"Running", ""},
			&Meta{UID: "u-1", Deleting: true, Finalizers: 2,
				Labels: map[string]string{"x": "1", "y": ""}, Fields: []string{"Running", ""},
				Owners: []Owner{{"v1", "Pod", "p", "u-2", true}, {"a/v1", "B", "b", "u-3", false}}}},
		{"wrong types", `{"metadata":{"uid":1,"deletionTimestamp":null,"finalizers":{},
			"labels":{"x":1,"y":"2"},"ownerReferences":[1]}}`, nil,
			&Meta{Labels: map[string]string{"y": "2"}, Owners: []Owner{{}}}},
		{"metadata of a wrong type", `{"metadata":"x"}`, nil, &Meta{}},
		{"empty", `{"metadata":{"labels":{},"ownerReferences":[],"finalizers":[]}}`, []string{}, &Meta{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Encode(mustObject(t, tt.obj), tt.fields).Meta
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
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
