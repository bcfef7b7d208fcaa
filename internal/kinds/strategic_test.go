package kinds_test

import (
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// strategicKindCases are strategic merges of real kinds: document, patch, result.
var strategicKindCases = []struct{ kind, doc, patch, want string }{
	{"v1 ConfigMap", `{"data":{"a":"1","b":"2"}}`, `{"data":{"b":null,"c":"3"}}`, `{"data":{"a":"1","c":"3"}}`},
	{"v1 ConfigMap", `{"data":{"a":"1"}}`, `{"data":{"$patch":"replace","c":"3"}}`, `{"data":{"c":"3"}}`},
	{"v1 ConfigMap", `{"metadata":{"finalizers":["a/b"]}}`, `{"metadata":{"finalizers":["c/d"]}}`, `{"metadata":{"finalizers":["c/d","a/b"]}}`},
	{"v1 ConfigMap", `{"metadata":{"finalizers":["a/b","c/d"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["a/b"]}}`, `{"metadata":{"finalizers":["c/d"]}}`},
	{"v1 ConfigMap", `{"metadata":{"ownerReferences":[{"uid":"1","name":"a"},{"uid":"2","name":"b"}]}}`, `{"metadata":{"ownerReferences":[{"uid":"2","name":"c"}]}}`,
		`{"metadata":{"ownerReferences":[{"uid":"1","name":"a"},{"uid":"2","name":"c"}]}}`},
	{"v1 ConfigMap", `{"metadata":{"ownerReferences":[{"uid":"1","name":"a"},{"uid":"2","name":"b"}]}}`, `{"metadata":{"ownerReferences":[{"uid":"1","$patch":"delete"}]}}`,
		`{"metadata":{"ownerReferences":[{"uid":"2","name":"b"}]}}`},
	{"v1 ConfigMap", `{"metadata":{"labels":{"a":"1"}}}`, `{"metadata":{"labels":null,"annotations":{"b":"2"}}}`, `{"metadata":{"annotations":{"b":"2"}}}`},
	{"v1 Service", `{"spec":{"ports":[{"port":80,"name":"http"},{"port":443,"name":"https"}]}}`, `{"spec":{"ports":[{"port":443,"name":"tls"}]}}`,
		`{"spec":{"ports":[{"port":80,"name":"http"},{"port":443,"name":"tls"}]}}`},
	{"v1 Service", `{"spec":{"ports":[{"port":80}]}}`, `{"spec":{"ports":[{"port":80,"$patch":"delete"},{"port":81}]}}`, `{"spec":{"ports":[{"port":81}]}}`},
	{"v1 Service", `{"spec":{"externalIPs":["1.1.1.1","2.2.2.2"],"selector":{"a":"b"}}}`, `{"spec":{"externalIPs":["3.3.3.3"],"selector":{"c":"d"}}}`,
		`{"spec":{"externalIPs":["3.3.3.3"],"selector":{"a":"b","c":"d"}}}`},
	{"v1 Service", `{"status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1"}]}}}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"}]}}}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"}]}}}`},
	{"v1 ServiceAccount", `{"secrets":[{"name":"a"}],"imagePullSecrets":[{"name":"x"}]}`, `{"secrets":[{"name":"b"}],"imagePullSecrets":[{"name":"y"}]}`,
		`{"secrets":[{"name":"b"},{"name":"a"}],"imagePullSecrets":[{"name":"y"}]}`},
	{"v1 Node", `{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Disk","status":"False"}],"addresses":[{"type":"InternalIP","address":"1"}]}}`,
		`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`,
		`{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Disk","status":"False"}],"addresses":[{"type":"InternalIP","address":"1"}]}}`},
	{"v1 Node", `{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}`, `{"spec":{"taints":[{"key":"b","effect":"NoExecute"}]}}`, `{"spec":{"taints":[{"key":"b","effect":"NoExecute"}]}}`},
	{"v1 Node", `{"spec":{"podCIDR":"a","podCIDRs":["a"]}}`, `{"spec":{"podCIDRs":["b"]}}`, `{"spec":{"podCIDR":"a","podCIDRs":["b","a"]}}`},
	{"v1 Namespace", `{"status":{"conditions":[{"type":"A","status":"True"}]}}`, `{"status":{"conditions":[{"type":"B","status":"True"}]}}`,
		`{"status":{"conditions":[{"type":"B","status":"True"},{"type":"A","status":"True"}]}}`},
}

// TestStrategicPatchOfKinds: the strategies and merge keys of the real types.
func TestStrategicPatchOfKinds(t *testing.T) {
	table := kinds.KindsForTest(t)
	for _, row := range strategicKindCases {
		changes := kinds.TreeOf(t, row.patch)
		got, err := patch.Strategic(kinds.TreeOf(t, row.doc), changes, kinds.ShapeForTest(t, table, row.kind).Row.Type())
		if err != nil {
			t.Errorf("%s %s: %v", row.kind, row.patch, err)
			continue
		}
		kinds.SameJSON(t, row.kind+" "+row.patch, any(got), row.want)
		kinds.SameJSON(t, "the patch", any(changes), row.patch)
	}
}

// TestStrategicPatchOfEveryType: an empty patch changes nothing, and an object patched with
// itself stays as it is but for the order of its merged lists.
func TestStrategicPatchOfEveryType(t *testing.T) {
	kinds.EachType(t, 2, func(d *kinds.Type, m *kinds.ObjectMaker) {
		obj := m.Object(d, "", 3)
		distinct(obj, new(int))
		want := string(tree.AppendJSON(nil, any(obj)))
		got, err := patch.Strategic(tree.Copy(obj).(map[string]any), map[string]any{}, d)
		if err != nil || string(tree.AppendJSON(nil, any(got))) != want {
			t.Errorf("%s: an empty patch: %v %.500s", d.Name, err, tree.AppendJSON(nil, any(got)))
		}
		got, err = patch.Strategic(tree.Copy(obj).(map[string]any), obj, d)
		if err != nil {
			// Neither may a patch be of what upstream knows only as raw JSON.
			if !strings.Contains(err.Error(), "does not contain declared merge key") && !strings.Contains(err.Error(), "unable to find api field") {
				t.Errorf("%s: %v", d.Name, err)
			}
			return // the maker leaves keys out
		}
		if g := string(tree.AppendJSON(nil, any(got))); g != want {
			t.Errorf("%s with itself:\ngot  %.1500s\nwant %.1500s", d.Name, g, want)
		}
	})
}

// distinct makes all texts and numbers of an object different, so that no two elements of a
// list are the same.
func distinct(v any, n *int) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range tree.SortedKeys(v) {
			if k != "any" && k != "raw" {
				v[k] = distinct(v[k], n)
			}
		}
	case []any:
		for i := range v {
			v[i] = distinct(v[i], n)
		}
	case string:
		*n++
		return v + strconv.Itoa(*n)
	case int64:
		*n++
		return v + int64(*n)
	}
	return v
}
