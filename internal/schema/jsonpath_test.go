package schema

import (
	"reflect"
	"strings"
	"testing"
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
		find, err := CompileJSONPath(row.path)
		if err != nil {
			t.Errorf("%s: %v", row.path, err)
			continue
		}
		got, found := find(obj)
		if !reflect.DeepEqual(got, row.want) || found != (row.want != nil) && row.path != ".spec.n" {
			t.Errorf("%s: got %v (%v), want %v", row.path, got, found, row.want)
		}
	}
	if find, err := CompileJSONPath("."); err != nil {
		t.Error(err)
	} else if got, _ := find(obj); !reflect.DeepEqual(got, any(obj)) {
		t.Errorf("the object itself: %v", got)
	}
}

func TestJSONPathRefused(t *testing.T) {
	for _, path := range []string{"", "spec", ".spec.", ".spec..a", ".a[", ".a[x]", ".a[1", ".a['b", ".a['b'", ".a[?(@.b]", ".a[?(@.b==)]", ".a[?(b)]", ".a[?(@.b==zzz)]", ".a[1:x]", ".a[]", ".a]b[",
		".a[?(@[?(@.b)])]", "." + strings.Repeat("a", maxPathLength), strings.Repeat("[?(@", 900)} {
		if _, err := CompileJSONPath(path); err == nil && path != ".a]b[" {
			t.Errorf("%.50s is taken", path)
		}
	}
}
