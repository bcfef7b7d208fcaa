package kinds

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestDecoding: the types of the table tell which values Go would merge, and which fields there are.
func TestDecoding(t *testing.T) {
	table := kindsForTest(t)
	for _, tc := range []struct{ group, kind, in, want, problems string }{
		{"", "ConfigMap", `{"data":{"a":"1"},"metadata":{"name":"a","labels":{"x":"1"}},"data":{"b":"2"},"foo":1,"metadata":{"labels":{"y":"2"},"annotations":{}}}`,
			`{"data":{"a":"1","b":"2"},"foo":1,"metadata":{"annotations":{},"labels":{"x":"1","y":"2"},"name":"a"}}`, `duplicate field "data"|unknown field "foo"|duplicate field "metadata"`},
		{"", "Service", `{"spec":{"ports":[{"port":1,"x":1}],"selector":{"a":"1"}},"spec":{"selector":{"b":"2","b":"3"},"type":"ClusterIP"}}`,
			`{"spec":{"ports":[{"port":1,"x":1}],"selector":{"a":"1","b":"3"},"type":"ClusterIP"}}`, `unknown field "spec.ports[0].x"|duplicate field "spec"|duplicate field "spec.selector.b"`},
		// What decodes itself is not looked into: a schema that may be a boolean, a JSON value.
		{"apiextensions.k8s.io", "CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"default":{"a":1,"a":2},"additionalProperties":{"x":1,"x":2},"properties":{"p":{"y":1},"p":{}}}}}]}}`,
			`{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"additionalProperties":{"x":2},"default":{"a":2},"properties":{"p":{}}}}}]}}`,
			`unknown field "spec.versions[0].schema.openAPIV3Schema.properties.p.y"|duplicate field "spec.versions[0].schema.openAPIV3Schema.properties.p"`},
	} {
		typ := table.Kind(tc.group, "v1", tc.kind).Type
		v, problems := tree.ParseJSONTyped(tc.in, typ.Decoding())
		if got := string(tree.AppendJSON(nil, v)); got != tc.want || strings.Join(problems, "|") != tc.problems {
			t.Errorf("%s %s\n got %s, %q\nwant %s, %s", tc.kind, tc.in, got, problems, tc.want, tc.problems)
		}
	}
}
