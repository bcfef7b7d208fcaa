package tree

import (
	"slices"
	"strings"
	"testing"
)

// testStruct is a JSONType of fields by their names; testMap one of any keys.
type testStruct map[string]JSONType

func (s testStruct) Member(key string) (JSONType, bool, bool) {
	member, known := s[key]
	_, leaf := member.(testLeaf)
	if l, ok := member.(testList); ok {
		return l.JSONType, true, false
	}
	if leaf {
		return nil, true, false
	}
	return member, known, known
}

type testMap struct{ values JSONType }

func (m testMap) Member(string) (JSONType, bool, bool) { return m.values, true, false }

// testLeaf stands for a field that is no object, testList for one that is a list of objects.
type (
	testLeaf struct{ JSONType }
	testList struct{ JSONType }
)

// testType is much like an object of Kubernetes.
var testType = testStruct{
	"kind": testLeaf{}, "metadata": testStruct{"name": testLeaf{}, "labels": testMap{}}, "data": testMap{}, "raw": testLeaf{},
	"spec": testStruct{"size": testLeaf{}, "ports": testList{testStruct{"port": testLeaf{}}}, "parts": testMap{testStruct{"a": testLeaf{}, "b": testLeaf{}}}},
}

// TestParseJSONTyped: what comes again is merged as Go merges it, and problems are in the order of
// the text.
func TestParseJSONTyped(t *testing.T) {
	for _, tc := range []struct{ in, want, problems string }{
		{`{"kind":"A"}`, `{"kind":"A"}`, ""},
		{`{"data":{"a":"1"},"data":{"b":"2"}}`, `{"data":{"a":"1","b":"2"}}`, `duplicate field "data"`},
		{`{"data":{"a":"1","c":"1"},"data":{"a":"2"},"data":{"d":"3"}}`, `{"data":{"a":"2","c":"1","d":"3"}}`, `duplicate field "data"`},
		{`{"data":{"a":"1"},"data":null}`, `{"data":null}`, `duplicate field "data"`},
		{`{"data":{"a":"1","a":"2"}}`, `{"data":{"a":"2"}}`, `duplicate field "data.a"`},
		{`{"metadata":{"name":"a","labels":{"x":"1"}},"metadata":{"labels":{"y":"2"}}}`, `{"metadata":{"labels":{"x":"1","y":"2"},"name":"a"}}`, `duplicate field "metadata"`},
		{`{"spec":{"size":1,"size":2},"spec":{"size":3}}`, `{"spec":{"size":3}}`, `duplicate field "spec.size"|duplicate field "spec"`},
		// Values of a map and elements of a list are replaced.
		{`{"spec":{"parts":{"p":{"a":1},"p":{"b":2}}}}`, `{"spec":{"parts":{"p":{"b":2}}}}`, `duplicate field "spec.parts.p"`},
		{`{"spec":{"ports":[{"port":1}],"ports":[{"port":2,"port":3}]}}`, `{"spec":{"ports":[{"port":3}]}}`, `duplicate field "spec.ports"|duplicate field "spec.ports[0].port"`},
		{`{"raw":{"a":1,"a":2},"raw":{"b":{"c":1,"c":2}}}`, `{"raw":{"b":{"c":2}}}`, `duplicate field "raw"`},
		// Unknown fields are told once, and nothing of what is in them.
		{`{"foo":{"a":1,"a":2},"spec":{"bar":1,"size":1,"size":2},"data":{"x":"1"},"data":{}}`, `{"data":{"x":"1"},"foo":{"a":2},"spec":{"bar":1,"size":2}}`,
			`unknown field "foo"|unknown field "spec.bar"|duplicate field "spec.size"|duplicate field "data"`},
		{`{"foo":1,"foo":2,"Kind":"x","kind":"y"}`, `{"Kind":"x","foo":2,"kind":"y"}`, `unknown field "foo"|unknown field "Kind"`},
		{`{"spec":{"ports":[{"x":1},{"x":2,"x":3}]}}`, `{"spec":{"ports":[{"x":1},{"x":3}]}}`, `unknown field "spec.ports[0].x"|unknown field "spec.ports[1].x"`},
		// Values of wrong types are what they are.
		{`{"metadata":[{"x":1}],"spec":"text","data":{"a":1},"data":[]}`, `{"data":[],"metadata":[{"x":1}],"spec":"text"}`, `unknown field "metadata[0].x"|duplicate field "data"`},
		{`[]`, `[]`, ""},
	} {
		v, problems := ParseJSONTyped(tc.in, testType)
		if got := string(AppendJSON(nil, v)); got != tc.want || strings.Join(problems, "|") != tc.problems {
			t.Errorf("%s\n got %s, %q\nwant %s, %s", tc.in, got, problems, tc.want, tc.problems)
		}
	}
	many := "{" + strings.Repeat(`"data":{},`, 500)
	for i := range 500 {
		many += `"x` + strings.Repeat("y", i) + `":1,`
	}
	if _, problems := ParseJSONTyped(many+`"kind":"A"}`, testType); len(problems) != maxRepeated || slices.Index(problems, `duplicate field "data"`) != 0 {
		t.Errorf("%d problems, the first %q", len(problems), problems[0])
	}
}
