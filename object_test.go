package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"
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
	obj, _, err := parseJSONObject([]byte(text))
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
			d := encodeDraft(obj, nil)
			if got := string(d.withRevision(42)); got != tt.with {
				t.Errorf("with a revision\n got %s\nwant %s", got, tt.with)
			}
			if got := string(d.withoutRevision()); got != tt.without {
				t.Errorf("without\n got %s\nwant %s", got, tt.without)
			}
			if !deepEqual(obj, mustObject(t, tt.obj)) {
				t.Errorf("the object was changed: %s", appendJSON(nil, obj))
			}
		})
	}
}

// Objects larger than the room on the stack are no different.
func TestEncodeDraftOfEverySize(t *testing.T) {
	for _, size := range []int{0, 100, 3000, 3700, 3900, 4100, 5000, 100_000} {
		obj := configMapOf("ns", "a", size)
		d := encodeDraft(obj, nil)
		setMember(obj, "99", "metadata", "resourceVersion")
		if got, want := string(d.withRevision(99)), string(appendJSON(nil, obj)); got != want {
			t.Errorf("%d bytes: the draft is not the object", size)
		}
	}
}

// What the draft says is what appendJSON says of the same object.
func FuzzEncodeDraft(f *testing.F) {
	f.Add(`{"a":[1,2.5,true,null],"metadata":{"name":"x","resourceVersion":"1","labels":{"a":"b"}}}`)
	f.Add(`{"metadata":[]}`)
	f.Add(`{"metadata":{"ownerReferences":[{"uid":1},2],"labels":{"a":1},"finalizers":"x"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		obj, _, err := parseJSONObject([]byte(text))
		if err != nil {
			return
		}
		d := encodeDraft(obj, []string{"f"})
		if _, ok := obj["metadata"].(map[string]any); !ok {
			obj["metadata"] = map[string]any{}
		}
		setMember(obj, "5", "metadata", "resourceVersion")
		want := string(appendJSON(nil, obj))
		if got := string(d.withRevision(5)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		o := newObject(eventAdded, "k", 5, d.json[:d.hole], d.json[d.hole:], d.meta)
		if string(o.raw()) != want || !d.same(o) {
			t.Fatalf("the object of %s is %s", want, o.raw())
		}
		delete(obj["metadata"].(map[string]any), "resourceVersion")
		if got, want := string(d.withoutRevision()), string(appendJSON(nil, obj)); got != want {
			t.Fatalf("without a revision %s\nwant %s", got, want)
		}
	})
}

func TestObjectMeta(t *testing.T) {
	tests := []struct {
		name, obj string
		fields    []string
		want      objectMeta
	}{
		{"none", `{}`, nil, objectMeta{}},
		{"all", `{"metadata":{"uid":"u-1","generation":3,"deletionTimestamp":"2026-01-02T03:04:05Z","finalizers":["a","b"],
			"labels":{"x":"1","y":""},"ownerReferences":[
			{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u-2","controller":true,"blockOwnerDeletion":true},
			{"apiVersion":"a/v1","kind":"B","name":"b","uid":"u-3","controller":false}]}}`,
			[]string{"Running", ""},
			objectMeta{uid: "u-1", generation: 3, deleting: true, finalizers: 2,
				labels: map[string]string{"x": "1", "y": ""}, fields: []string{"Running", ""},
				owners: []ownerRef{{"v1", "Pod", "p", "u-2", true, true}, {"a/v1", "B", "b", "u-3", false, false}}}},
		{"wrong types", `{"metadata":{"uid":1,"generation":"3","deletionTimestamp":null,"finalizers":{},
			"labels":{"x":1,"y":"2"},"ownerReferences":[1]}}`, nil,
			objectMeta{labels: map[string]string{"y": "2"}, owners: []ownerRef{{}}}},
		{"metadata of a wrong type", `{"metadata":"x"}`, nil, objectMeta{}},
		{"empty", `{"metadata":{"labels":{},"ownerReferences":[],"finalizers":[]}}`, []string{}, objectMeta{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := encodeDraft(mustObject(t, tt.obj), tt.fields).meta
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
	note(textAt(obj, "metadata", "uid"))
	for k, v := range objectAt(obj, "metadata", "labels") {
		note(k)
		note(v.(string))
	}
	note(textAt(listAt(obj, "metadata", "ownerReferences")[0], "uid"))
	field := strings.Clone("field")
	note(field)
	m := encodeDraft(obj, []string{field}).meta
	kept := []string{m.uid, m.fields[0], m.owners[0].uid}
	for k, v := range m.labels {
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
		{eventAdded, "ns/a", "ns", "a", 1, `{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1"}}`},
		{eventModified, "a", "", "a", 1234567890123, `{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"1234567890123"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1234567890123"}}`},
		{eventDeleted, "ns/", "ns", "", 10, `{"type":"DELETED","object":{"metadata":{"resourceVersion":"10"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"10"}}`},
	}
	d := encodeDraft(map[string]any{}, nil)
	for _, tt := range tests {
		o := newObject(tt.kind, tt.key, tt.rev, d.json[:d.hole], d.json[d.hole:], d.meta)
		before, after := o.around()
		got := []string{o.namespace(), o.name(), string(o.line), string(before), string(after), string(o.raw())}
		want := []string{tt.namespace, tt.name, tt.line + "\n", tt.before, tt.after, tt.raw}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%c %s\n got %q\nwant %q", tt.kind, tt.key, got, want)
		}
		if cap(o.line) != len(o.line) {
			t.Errorf("%c: a line of %d bytes takes %d", tt.kind, len(o.line), cap(o.line))
		}
		if got := textAt(o.decode(), "metadata", "resourceVersion"); got != fmt.Sprint(tt.rev) {
			t.Errorf("%c: decoded, the revision is %q", tt.kind, got)
		}
	}
}

// A write that would change nothing but the revision is told from one that does.
func TestDraftSame(t *testing.T) {
	d := encodeDraft(configMapOf("ns", "a", 300), nil)
	o := newObject(eventAdded, "ns/a", 123, d.json[:d.hole], d.json[d.hole:], d.meta)
	again := o.decode()
	if same := encodeDraft(again, nil); !same.same(o) {
		t.Error("what was read differs from what was written")
	}
	for _, path := range [][]string{{"data", "key-0"}, {"apiVersion"}, {"metadata", "name"}, {"metadata", "zone"}} {
		other := o.decode()
		setMember(other, "other", path...)
		if d := encodeDraft(other, nil); d.same(o) {
			t.Errorf("%v: a change was not seen", path)
		}
	}
}
