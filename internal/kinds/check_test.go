package kinds

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// kindsForTest is the embedded table.
func kindsForTest(t testing.TB) *Table {
	t.Helper()
	table, err := Load(nil)
	if err == nil {
		err = table.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// shapeForTest is the shape of a kind, by "group/version kind".
func shapeForTest(t testing.TB, table *Table, name string) Shape {
	t.Helper()
	gv, kind, _ := strings.Cut(name, " ")
	group, version := SplitAPIVersion(gv)
	row := table.Kind(group, version, kind)
	if row == nil {
		t.Fatalf("there is no %s", name)
	}
	return Shape{row}
}

func objectForTest(t testing.TB, text string) map[string]any {
	t.Helper()
	o, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func sameJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	if g, w := string(tree.AppendJSON(nil, got)), string(tree.AppendJSON(nil, any(objectForTest(t, want)))); g != w {
		t.Errorf("%s: got %s\nwant %s", what, g, w)
	}
}

// TestPruneUnknown: fields that a kind does not have go, wherever they are, and are told
// in order; what upstream's types would not write goes without a word.
func TestPruneUnknown(t *testing.T) {
	table := kindsForTest(t)
	for _, c := range []struct{ kind, in, out, unknown string }{
		{"v1 ConfigMap", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}}`, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}}`, ""},
		{"v1 ConfigMap", `{"spec":{},"metadata":{"unk":1,"labels":{"a":"b"}},"Data":{}}`, `{"metadata":{"labels":{"a":"b"}}}`, "Data metadata.unk spec"},
		{"v1 ConfigMap", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"K","name":"n","uid":"u","x":1}],"managedFields":[{"fieldsV1":{"f:a":{}},"time":null,"y":[]}]}}`,
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"K","name":"n","uid":"u"}],"managedFields":[{"fieldsV1":{"f:a":{}}}]}}`, "metadata.managedFields[0].y metadata.ownerReferences[0].x"},
		{"v1 ConfigMap", `{"data":null,"metadata":{"creationTimestamp":null,"labels":null}}`, `{"metadata":{}}`, ""},
		{"v1 ConfigMap", `{"data":{},"binaryData":{},"immutable":false,"metadata":{"name":"","finalizers":[],"generation":0}}`, `{"immutable":false,"metadata":{}}`, ""},
		{"discovery.k8s.io/v1 EndpointSlice", `{"addressType":"","endpoints":[],"ports":null}`, `{"addressType":"","endpoints":[],"ports":null}`, ""},
		{"v1 ConfigMap", `{"data":{"a":null,"b":""}}`, `{"data":{"a":"","b":""}}`, ""},
		{"v1 Secret", `{"data":{"a":null,"b":"","c":"YQ==","d":"Y\nQ==","e":"YR=="}}`, `{"data":{"a":"","b":"","c":"YQ==","d":"YQ==","e":"YQ=="}}`, ""},
		{"v1 Service", `{"spec":{"ports":[{"port":1,"x":1},{"port":0,"y":2,"name":"","targetPort":"http"}],"z":3},"status":{"loadBalancer":{"ingress":[{"ports":[{"q":1}]}]}}}`,
			`{"spec":{"ports":[{"port":1},{"port":0,"targetPort":"http"}]},"status":{"loadBalancer":{"ingress":[{"ports":[{}]}]}}}`, "spec.ports[0].x spec.ports[1].y spec.z status.loadBalancer.ingress[0].ports[0].q"},
		{"v1 Service", `{"spec":{"ports":[null],"externalIPs":["a",null]}}`, `{"spec":{"ports":[{}],"externalIPs":["a",""]}}`, ""},
		{"v1 Node", `{"status":{"capacity":{"cpu":2,"memory":"1Gi","x":0.5,"z":null},"daemonEndpoints":{"kubeletEndpoint":{"Port":1,"port":2}}}}`,
			`{"status":{"capacity":{"cpu":"2","memory":"1Gi","x":"500m","z":"0"},"daemonEndpoints":{"kubeletEndpoint":{"Port":1}}}}`, "status.daemonEndpoints.kubeletEndpoint.port"},
		{"v1 Event", `{"firstTimestamp":"2024-01-01T02:00:00+02:00","eventTime":"2024-01-01T02:00:00.000001+02:00","lastTimestamp":"2024-01-01T00:00:00.5Z","reportingComponent":"","source":{}}`,
			`{"firstTimestamp":"2024-01-01T00:00:00Z","eventTime":"2024-01-01T00:00:00.000001Z","lastTimestamp":"2024-01-01T00:00:00Z","reportingComponent":"","source":{}}`, ""},
		{"authentication.k8s.io/v1 TokenReview", `{"status":{"user":{"extra":{"a":["b",null],"c":null}}}}`, `{"status":{"user":{"extra":{"a":["b",""],"c":[]}}}}`, ""},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"properties":{"a":{"items":{"type":"string","unk":1},"default":{"any":[null]},"enum":[null,1,"x"]},
			"b":{"items":[{"unk":1}],"additionalProperties":false,"dependencies":{"p":["q"],"r":{"unk":2}}},"":{"bad":1}}}}}]}}`,
			`{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"properties":{"a":{"items":{"type":"string"},"default":{"any":[null]},"enum":[null,1,"x"]},"b":{"items":[{}],"additionalProperties":false,"dependencies":{"p":["q"],"r":{}}},"":{}}}}}]}}`,
			"spec.versions[0].schema.openAPIV3Schema.properties..bad"},
	} {
		obj := objectForTest(t, c.in)
		unknown, err := shapeForTest(t, table, c.kind).Prune(obj)
		if err != nil || strings.Join(unknown, " ") != c.unknown {
			t.Errorf("%s %s: unknown %q, error %v, want %q", c.kind, c.in, unknown, err, c.unknown)
		}
		sameJSON(t, c.in, any(obj), c.out)
	}
}

// TestPruneManyUnknown: all go, a hundred are told, and indices are in the order of numbers.
func TestPruneManyUnknown(t *testing.T) {
	table := kindsForTest(t)
	var ports []any
	for range 12 {
		ports = append(ports, map[string]any{"port": int64(1), "x": nil, "y": true})
	}
	obj := map[string]any{"spec": map[string]any{"ports": ports}}
	unknown, err := shapeForTest(t, table, "v1 Service").Prune(obj)
	if err != nil || len(unknown) != 24 || unknown[2] != "spec.ports[1].x" || unknown[23] != "spec.ports[11].y" {
		t.Errorf("got %q, %v", unknown, err)
	}
	many := map[string]any{}
	for i := range 500 {
		many[fmt.Sprint("f", i)] = int64(i)
	}
	if unknown, err = shapeForTest(t, table, "v1 ConfigMap").Prune(many); err != nil || len(unknown) != maxUnknown || len(many) != 0 {
		t.Errorf("told %d, %d are left, %v", len(unknown), len(many), err)
	}
}

// TestPruneTypes: values of wrong types are refused in the words of encoding/json; of
// several, the first by its path.
func TestPruneTypes(t *testing.T) {
	table := kindsForTest(t)
	const into = "json: cannot unmarshal "
	for _, c := range []struct{ kind, in, want string }{
		{"v1 ConfigMap", `{"data":"x"}`, into + "string into Go struct field ConfigMap.data of type map[string]string"},
		{"v1 ConfigMap", `{"data":[]}`, into + "array into Go struct field ConfigMap.data of type map[string]string"},
		{"v1 ConfigMap", `{"data":{"k":1}}`, into + "number into Go struct field ConfigMap.data of type string"},
		{"v1 ConfigMap", `{"metadata":{"labels":{"k":true}},"data":1}`, into + "number into Go struct field ConfigMap.data of type map[string]string"},
		{"v1 ConfigMap", `{"metadata":{"labels":{"k":true}}}`, into + "bool into Go struct field ObjectMeta.metadata.labels of type string"},
		{"v1 ConfigMap", `{"metadata":[]}`, into + "array into Go struct field ConfigMap.metadata of type v1.ObjectMeta"},
		{"v1 ConfigMap", `{"immutable":"true"}`, into + "string into Go struct field ConfigMap.immutable of type bool"},
		{"v1 ConfigMap", `{"kind":1}`, into + "number into Go struct field ConfigMap.kind of type string"},
		{"v1 ConfigMap", `{"metadata":{"generation":1.5}}`, into + "number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64"},
		{"v1 ConfigMap", `{"metadata":{"creationTimestamp":"x"}}`, "parsing time \"x\" as"},
		// The error of a type that unmarshals itself goes first, of several that of the least path.
		{"v1 ConfigMap", `{"data":5,"metadata":{"annotations":5,"creationTimestamp":"x","uid":5}}`, "parsing time \"x\" as"},
		{"v1 ConfigMap", `{"metadata":{"annotations":5,"creationTimestamp":7,"deletionTimestamp":"x"}}`, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"},
		{"v1 ConfigMap", `{"metadata":{"uid":5}}`, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.uid of type types.UID"},
		{"v1 ConfigMap", `{"metadata":{"creationTimestamp":1}}`, into + "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"},
		{"v1 Secret", `{"data":{"k":"a"}}`, "illegal base64 data at input byte "},
		{"v1 Secret", `{"data":{"k":"===="}}`, "illegal base64 data at input byte 0"},
		{"v1 Secret", `{"data":{"k":"YQ==YQ=="}}`, "illegal base64 data at input byte 4"},
		{"v1 Secret", `{"data":{"k":7}}`, into + "number into Go struct field Secret.data of type []uint8"},
		{"v1 Service", `{"spec":{"ports":{}}}`, into + "object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"},
		{"v1 Service", `{"spec":{"ports":[{"port":"80"}]}}`, into + "string into Go struct field ServicePort.spec.ports.port of type int32"},
		{"v1 Service", `{"spec":{"ports":[{"port":2147483648}]}}`, into + "number 2147483648 into Go struct field ServicePort.spec.ports.port of type int32"},
		{"v1 Service", `{"spec":{"ports":[{"targetPort":true}]}}`, into + "bool into Go struct field ServicePort.spec.ports.targetPort of type int32"},
		{"v1 Service", `{"spec":{"ports":[1]}}`, into + "number into Go struct field ServiceSpec.spec.ports of type v1.ServicePort"},
		{"v1 Service", `{"spec":{"externalIPs":[1]}}`, into + "number into Go struct field ServiceSpec.spec.externalIPs of type string"},
		{"v1 Node", `{"status":{"capacity":{"cpu":"1Em"}}}`, "unable to parse quantity's suffix"},
		{"v1 Node", `{"status":{"capacity":{"cpu":""}}}`, "quantities must match the regular expression"},
		{"v1 Node", `{"status":{"capacity":{"cpu":{}}}}`, into + "object into Go struct field NodeStatus.status.capacity of type string"},
		{"authentication.k8s.io/v1 TokenReview", `{"status":{"user":{"extra":{"a":"b"}}}}`, into + "string into Go struct field UserInfo.status.user.extra of type []string"},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"additionalItems":1}}}]}}`, "boolean or JSON schema expected"},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"enum":1}}}]}}`, into + "number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.enum of type []v1.JSON"},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"maximum":"1"}}}]}}`, into + "string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.maximum of type float64"},
		{"coordination.k8s.io/v1 Lease", `{"spec":{"renewTime":"2024-01-01T00:00:00Z"}}`, "parsing time"},
	} {
		_, err := shapeForTest(t, table, c.kind).Prune(objectForTest(t, c.in))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.kind, c.in, err, c.want)
		}
	}
}

// TestDefaults: those of the table and no others; and that there is nothing to do twice.
func TestDefaults(t *testing.T) {
	table := kindsForTest(t)
	for _, c := range []struct{ kind, in, out string }{
		{"v1 ConfigMap", `{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a"}}`},
		{"v1 Secret", `{}`, `{"metadata":{},"type":"Opaque"}`},
		{"v1 Secret", `{"type":"x","stringData":{"a":"b","c":""},"data":{"a":"eA==","d":"eQ=="}}`, `{"metadata":{},"type":"x","data":{"a":"Yg==","c":"","d":"eQ=="}}`},
		{"v1 Secret", `{"stringData":{"a":"b"}}`, `{"metadata":{},"type":"Opaque","data":{"a":"Yg=="}}`},
		{"v1 Secret", `{"stringData":{}}`, `{"metadata":{},"type":"Opaque"}`},
		{"v1 Service", `{}`, `{"metadata":{},"spec":{"type":"ClusterIP","sessionAffinity":"None"},"status":{"loadBalancer":{}}}`},
		{"v1 Service", `{"spec":{"type":"NodePort","ports":[{"port":80},{"port":53,"protocol":"UDP","targetPort":"dns"},{"port":1,"targetPort":0},{}]}}`,
			`{"metadata":{},"spec":{"type":"NodePort","sessionAffinity":"None","ports":[{"port":80,"protocol":"TCP","targetPort":80},{"port":53,"protocol":"UDP","targetPort":"dns"},{"port":1,"protocol":"TCP","targetPort":1},{"port":0,"protocol":"TCP","targetPort":0}]},"status":{"loadBalancer":{}}}`},
		{"v1 Namespace", `{"metadata":{"name":"a","labels":{"x":"y","kubernetes.io/metadata.name":"z"}}}`, `{"metadata":{"name":"a","labels":{"x":"y","kubernetes.io/metadata.name":"a"}},"spec":{},"status":{"phase":"Active"}}`},
		{"v1 Namespace", `{"metadata":{"generateName":"a"},"status":{"phase":"Terminating"}}`, `{"metadata":{"generateName":"a"},"spec":{},"status":{"phase":"Terminating"}}`},
		{"v1 Endpoints", `{"subsets":[{"ports":[{"port":1}]}]}`, `{"metadata":{},"subsets":[{"ports":[{"port":1,"protocol":"TCP"}]}]}`},
		{"discovery.k8s.io/v1 EndpointSlice", `{"endpoints":[{"deprecatedTopology":{"a":"b"}}]}`,
			`{"metadata":{},"addressType":"","endpoints":[{"addresses":null,"conditions":{}}],"ports":null}`},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{}}`,
			`{"metadata":{},"spec":{"group":"","names":{"kind":"","plural":""},"scope":"","versions":null},"status":{"acceptedNames":{"kind":"","plural":""},"conditions":null,"storedVersions":null}}`},
		{"v1 Event", `{"series":{},"related":{}}`, `{"metadata":{},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,
			"reportingComponent":"","reportingInstance":"","series":{"lastObservedTime":null},"related":{}}`},
		{"coordination.k8s.io/v1 Lease", `{"spec":{"strategy":"x","preferredHolder":"y","holderIdentity":"z"}}`, `{"metadata":{},"spec":{"holderIdentity":"z"}}`},
		{"v1 ServiceAccount", `{"secrets":[{"name":"a","namespace":"b","uid":"c"},{"kind":"d"}]}`, `{"secrets":[{"name":"a"},{}]}`},
	} {
		obj, shape := objectForTest(t, c.in), shapeForTest(t, table, c.kind)
		shape.SetDefaults(obj)
		shape.Reduce(obj)
		sameJSON(t, c.kind+" "+c.in, any(obj), c.out)
		shape.SetDefaults(obj)
		sameJSON(t, "again: "+c.kind+" "+c.in, any(obj), c.out)
	}
}

// TestInitialize: what a new object begins with is its own, and not the table's.
func TestInitialize(t *testing.T) {
	shape := shapeForTest(t, kindsForTest(t), "v1 Namespace")
	for in, out := range map[string]string{
		`{}`: `{"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}`,
		`{"spec":{"finalizers":["a/b"]},"status":{"phase":"x"}}`:             `{"spec":{"finalizers":["a/b","kubernetes"]},"status":{"phase":"Active"}}`,
		`{"spec":{"finalizers":["kubernetes","a"]},"status":{"phase":null}}`: `{"spec":{"finalizers":["kubernetes","a"]},"status":{"phase":"Active"}}`,
	} {
		obj := objectForTest(t, in)
		shape.Initialize(obj)
		sameJSON(t, in, any(obj), out)
		tree.List(obj, "spec", "finalizers")[0] = "changed"
	}
	if keeps := shape.Row.Kept; !reflect.DeepEqual(keeps, [][]string{{"spec", "finalizers"}}) {
		t.Errorf("kept are %q", keeps)
	}
}

// TestFrozen: upstream's texts for changes of what is immutable.
func TestFrozen(t *testing.T) {
	table := kindsForTest(t)
	const detail = ": Forbidden: field is immutable when `immutable` is set"
	for _, c := range []struct{ kind, old, new, want string }{
		{"v1 ConfigMap", `{"data":{"a":"b"}}`, `{}`, ""},
		{"v1 ConfigMap", `{"immutable":false,"data":{"a":"b"}}`, `{"immutable":true}`, ""},
		{"v1 ConfigMap", `{"immutable":true,"data":{"a":"b"}}`, `{"immutable":true,"data":{"a":"b"},"metadata":{"labels":{"a":"b"}}}`, ""},
		{"v1 ConfigMap", `{"immutable":true,"data":{"a":"b"}}`, `{"immutable":true,"data":{"a":"c"},"binaryData":{"x":""}}`, "data" + detail + " binaryData" + detail},
		{"v1 ConfigMap", `{"immutable":true}`, `{"immutable":false,"data":{"a":"c"}}`, "immutable" + detail + " data" + detail},
		{"v1 Secret", `{"immutable":true,"type":"a"}`, `{"type":"a"}`, "immutable" + detail},
		{"v1 Service", `{"immutable":true}`, `{}`, ""},
	} {
		var got []string
		for _, e := range shapeForTest(t, table, c.kind).Validate(objectForTest(t, c.new), objectForTest(t, c.old), false) {
			got = append(got, e.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s to %s: got %q, want %q", c.kind, c.old, c.new, got, c.want)
		}
	}
	if errs := shapeForTest(t, table, "v1 Secret").Validate(map[string]any{"immutable": true}, nil, false); errs != nil {
		t.Errorf("creating: %v", errs)
	}
}

// TestEventShapes: the two shapes of an event tell the same, and both ways undo each other.
func TestEventShapes(t *testing.T) {
	table := kindsForTest(t)
	core, events := shapeForTest(t, table, "v1 Event").Row, shapeForTest(t, table, "events.k8s.io/v1 Event").Row
	stored := `{"apiVersion":"v1","kind":"Event","metadata":{"name":"a"},"involvedObject":{"kind":"Pod"},"message":"m","reason":"r","source":{"component":"c"},"firstTimestamp":"2024-01-01T00:00:00Z","lastTimestamp":"2024-01-01T00:00:01Z",
		"count":3,"type":"Normal","eventTime":"2024-01-01T00:00:00.000000Z","series":{"count":2,"lastObservedTime":null},"action":"x","related":{"kind":"Node"},"reportingComponent":"rc","reportingInstance":"ri"}`
	other := `{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"a"},"regarding":{"kind":"Pod"},"note":"m","reason":"r","deprecatedSource":{"component":"c"},"deprecatedFirstTimestamp":"2024-01-01T00:00:00Z","deprecatedLastTimestamp":"2024-01-01T00:00:01Z",
		"deprecatedCount":3,"type":"Normal","eventTime":"2024-01-01T00:00:00.000000Z","series":{"count":2,"lastObservedTime":null},"action":"x","related":{"kind":"Node"},"reportingController":"rc","reportingInstance":"ri"}`
	for row, shape := range map[*Row]string{core: stored, events: other} {
		if unknown, err := (Shape{row}).Prune(objectForTest(t, shape)); err != nil || unknown != nil {
			t.Errorf("%s: unknown %q, %v", row.Group, unknown, err)
		}
		if names := slices.Sorted(maps.Keys(row.Type().ByName)); len(names) != 17 && row == core || len(names) != len(core.Type().ByName) {
			t.Errorf("%s: fields %q", row.Group, names)
		}
		obj := objectForTest(t, shape)
		row.ToStored(obj)
		sameJSON(t, "stored", any(obj), stored)
		row.FromStored(obj)
		sameJSON(t, "shown", any(obj), shape)
	}
}

const benchConfigMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"default","uid":"5f0c2c8a-6d0a-4d3c-9d36-0d5b3c4a1f7e","resourceVersion":"1234","creationTimestamp":"2024-05-01T10:00:00Z",
"labels":{"app":"web","tier":"front"},"annotations":{"example.com/owner":"team"}},"data":{"a":"%s","b":"%s","c":"%s","d":"%s"}}`

func benchObject(t testing.TB) map[string]any {
	fill := strings.Repeat("x", 160)
	return objectForTest(t, fmt.Sprintf(benchConfigMap, fill, fill, fill, fill))
}

// TestCheckAllocates: nothing, for an object in which all is well.
func TestCheckAllocates(t *testing.T) {
	table := kindsForTest(t)
	shape, obj := shapeForTest(t, table, "v1 ConfigMap"), benchObject(t)
	if n := testing.AllocsPerRun(100, func() {
		if unknown, err := shape.Prune(obj); unknown != nil || err != nil {
			t.Error(unknown, err)
		}
		shape.SetDefaults(obj)
		shape.Validate(obj, nil, false)
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

func BenchmarkCheckConfigMap(b *testing.B) {
	shape, obj := shapeForTest(b, kindsForTest(b), "v1 ConfigMap"), benchObject(b)
	b.ReportAllocs()
	for b.Loop() {
		if unknown, err := shape.Prune(obj); unknown != nil || err != nil {
			b.Fatal(unknown, err)
		}
		shape.SetDefaults(obj)
		shape.Validate(obj, obj, false)
	}
}

func treeOf(t testing.TB, text string) map[string]any {
	t.Helper()
	o, repeated, err := tree.ParseJSONObject([]byte(text))
	if err != nil || repeated != nil {
		t.Fatalf("%.1000s: %v %v", text, err, repeated)
	}
	return o
}
