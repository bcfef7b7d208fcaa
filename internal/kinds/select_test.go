package kinds

import (
	"strings"
	"testing"

	"apichain/internal/quantity"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// fieldIndex returns which of the stored kind's selectable fields a label selects by; false
// for a label that a kind does not know.
func fieldIndex(k *Row, label string) (int, bool) {
	for i := range k.Fields {
		if k.Fields[i].Label == label {
			return k.Fields[i].Index, true
		}
	}
	return 0, false
}

// fieldValues returns the values of a kind's selectable fields in an object of its stored
// shape, in order, as a store keeps them.
func fieldValues(k *Row, obj map[string]any) []string {
	var values []string
	for i := range k.Fields {
		values = append(values, k.Fields[i].Value(obj))
	}
	return values
}

// TestKindFieldValues: what objects of built-in kinds are selected by, with upstream's words
// for what is not there.
func TestKindFieldValues(t *testing.T) {
	table := kindsForTest(t)
	for _, row := range []struct{ kind, obj, good, bad string }{
		{"v1 Namespace", `{"status":{"phase":"Active"}}`, "status.phase=Active status.phase!=Terminating", "status.phase=Terminating status.phase= status.phase!=Active"},
		{"v1 Namespace", `{}`, "status.phase= status.phase!=Active", "status.phase=Active"},
		{"v1 Secret", `{"type":"Opaque"}`, "type=Opaque", "type=opaque type="},
		{"v1 Service", `{"spec":{"clusterIP":"10.0.0.1","type":"ClusterIP"}}`, "spec.clusterIP=10.0.0.1 spec.type=ClusterIP spec.type=ClusterIP,spec.clusterIP=10.0.0.1", "spec.type=NodePort spec.type=ClusterIP,spec.clusterIP=None"},
		{"v1 Node", `{"spec":{"unschedulable":true}}`, "spec.unschedulable=true spec.unschedulable!=false", "spec.unschedulable=false spec.unschedulable="},
		{"v1 Node", `{}`, "spec.unschedulable=false", "spec.unschedulable=true spec.unschedulable="},
		{"v1 Node", `{"spec":{"unschedulable":false}}`, "spec.unschedulable=false", "spec.unschedulable=true"},
		{"v1 Event", `{"involvedObject":{"kind":"Pod","namespace":"n","name":"p","uid":"u","apiVersion":"v1","resourceVersion":"7","fieldPath":"f"},"reason":"R","type":"Normal","source":{"component":"c"}}`,
			"involvedObject.kind=Pod involvedObject.namespace=n involvedObject.name=p involvedObject.uid=u involvedObject.apiVersion=v1 involvedObject.resourceVersion=7 involvedObject.fieldPath=f reason=R type=Normal source=c reportingComponent=",
			"involvedObject.kind=pod source=d type=Warning reason="},
		{"v1 Event", `{"reportingComponent":"rc"}`, "source=rc reportingComponent=rc", "source= reportingComponent=c"},
		{"v1 Event", `{"reportingComponent":"rc","source":{"component":"c"}}`, "source=c reportingComponent=rc", "source=rc"},
		{"events.k8s.io/v1 Event", `{"involvedObject":{"kind":"Pod","name":"p"},"reportingComponent":"rc","reason":"R"}`, "regarding.kind=Pod regarding.name=p regarding.uid= reportingController=rc reason=R", "regarding.kind=Node reportingController=x"},
	} {
		k := shapeForTest(t, table, row.kind).Row
		values := fieldValues(k.stored, treeOf(t, row.obj))
		for i, list := range []string{row.good, row.bad} {
			for text := range strings.FieldsSeq(list) {
				f, err := selector.ParseFields(text)
				if err != nil {
					t.Fatal(err)
				}
				got := true
				for _, term := range f.Terms {
					at, known := fieldIndex(k, term.Field)
					if !known {
						t.Errorf("%s does not know %s", row.kind, term.Field)
						continue
					}
					got = got && (values[at] == term.Value) == term.Equal
				}
				if got != (i == 0) {
					t.Errorf("%s %s by %s: %v of %q", row.kind, row.obj, text, got, values)
				}
			}
		}
	}
	for kind, labels := range map[string]string{
		"v1 ConfigMap": "data type", "v1 Secret": "data", "v1 Node": "status.phase", "events.k8s.io/v1 Event": "involvedObject.kind source reportingComponent", "v1 Event": "regarding.kind reportingController",
	} {
		for label := range strings.FieldsSeq(labels) {
			if i, known := fieldIndex(shapeForTest(t, table, kind).Row, label); known {
				t.Errorf("%s knows %s, as %d", kind, label, i)
			}
		}
	}
}

// TestKindBodies: which types of bodies are known by group, version and kind.
func TestKindBodies(t *testing.T) {
	table := kindsForTest(t)
	for name, want := range map[string]string{
		"v1 ConfigMap": "ConfigMap", "v1 Event": "Event", "events.k8s.io/v1 Event": "events.Event", "v1 DeleteOptions": "meta.DeleteOptions", "example.com/v7 DeleteOptions": "meta.DeleteOptions",
		"autoscaling/v1 Scale": "autoscaling.Scale", "autoscaling/v2 Scale": "", "v1 Scale": "", "v2 ConfigMap": "", "apps/v1 ConfigMap": "", "v1 configmap": "", "v1 configmaps": "",
	} {
		gv, kind, _ := strings.Cut(name, " ")
		group, version := SplitAPIVersion(gv)
		got := ""
		if d := table.Body(group, version, kind); d != nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("%s has the body %q, want %q", name, got, want)
		}
	}
}

// TestQuantityNumbers: a number for a quantity becomes its text, which is a quantity; nulls
// in maps and lists become upstream's zero values.
func TestQuantityNumbers(t *testing.T) {
	shape := shapeForTest(t, kindsForTest(t), "v1 Node")
	for in, want := range map[string]string{"2": "2", "-3": "-3", "0.25": "250m", `"1Ki"`: "1Ki", `"1e3"`: "1e3", "9223372036854775807": "9223372036854775807", "null": "0"} {
		obj := treeOf(t, `{"status":{"capacity":{"x":`+in+`}}}`)
		if unknown, err := shape.Prune(obj); err != nil || unknown != nil {
			t.Errorf("%s: %q (%v)", in, unknown, err)
		}
		got := tree.Text(obj, "status", "capacity", "x")
		if got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
		if err := quantity.Check(got); err != nil {
			t.Errorf("%s became %q: %v", in, got, err)
		}
	}
}
