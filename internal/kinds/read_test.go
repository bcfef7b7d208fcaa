package kinds

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestKindsErrors: what is wrong with a table is told with its line.
func TestKindsErrors(t *testing.T) {
	const head = "package core io.k8s.api.core.v1\ntype A\n  x 1 string, m 2 {}string, o 3 []B, y 4 string\ntype B  a second one\n  k 1 string, n 2 int32\n"
	const row = "kind v1 A as - - namespaced label core -\n"
	if _, err := parseKinds(head + row + "group core 1 1\n"); err != nil {
		t.Fatal(err)
	}
	type bad struct{ text, want string }
	for _, c := range []bad{
		{"kinds v1", `1: "kinds" is not group, kind, package or type`},
		{"# c\n\n  x 1 string", "3: an indented line must belong"},
		{"package core", "1: a package has a name"},
		{"type A", "1: a type has a name, and is in a package"},
		{head + "type A", "6: the type A is there already"},
		{head + "type C\n  x", `7: "" is no number of a field`},
		{head + "type C\n  x 0 string", `7: "0" is no number`},
		{head + "type C\n  x 1", `7: the field "x" has no type`},
		{head + "type C\n  x 1 []", `7: the field "x" has no type`},
		{head + "type C\n  x 1 text", `7: "text" is no type`},
		{head + "type C\n  x 1 []D", "7: there is no type D"},
		{head + "type C\n  x 1 other.D", "7: there is no type other.D"},
		{head + "type C\n  x 1 string:X", `7: "string" is no type`},
		{head + "type C\n  x 1 A=1|int=2", `7: "int" is no other form of a type`},
		{head + "type C\n  x 1 A=1|bool", `7: "bool" is no form with its number`},
		{head + "type C\n  x 1 A=x|bool=2", `7: "A=x" is no form with its number`},
		{head + "type C\n  x 1 string join", `7: "join" is no merge strategy`},
		{head + "type C\n  x 1 bool =yes", "7: the default yes"},
		{head + "type C\n  x 1 string, y 1 string", "6: C has two fields of number 1"},
		{head + "type C\n  x 1 string, x 2 string", "6: C has two fields x"},
		{head + "type C\n  + A, y 1 string", "6: C has two fields y"},
		{head + "type C\n  + string", "6: C embeds what is no type"},
		{head + "type C\n  x 1 string =.z", "6: C.x takes its default from z"},
		{head + "type C\n  x 1 string =.x", "6: C.x takes its default from x"},
		{head + "type C\n  x 1 {}string >y, y 2 {}string", "6: C.x goes into y, which is no map of bytes"},
		{head + "type C\n  x 1 []B merge:z", "6: C.x is merged by z"},
		{head + "type C\n  x 1 []string merge:z", "6: C.x is merged by z"},
		{head + "kind v1 A as", "6: a kind has 9 columns, not 3"},
		{head + "kind v1 A as - - everywhere label core -", `6: "everywhere" is no scope: namespaced, cluster`},
		{head + "kind v1 A as - - cluster any core -", `6: "any" is no rule for names`},
		{head + "kind v1 A as - - cluster label main -", `6: "main" is no server`},
		{head + "kind v1 A as - - cluster label core fast", `6: "fast" is no flag`},
		{head + "kind v1 Z as - - cluster label core -", "6: there is no type Z"},
		{head + "kind apps/v1 A as - - cluster label core -", "6: there is no type apps.A"},
		{head + row + row, "7: v1 A is there already"},
		{head + row + "kind v1 B as - - namespaced label core -", "7: v1 B is there already"},
		{head + row + "  verbs", `7: "verbs" says nothing`},
		{head + row + "  colour red", `7: "colour" is nothing that a kind has`},
		{head + row + "  reset status spec", `7: "status" is no subresource with paths`},
		{head + row + "  own -", `7: "" is no subresource with paths`},
		{head + row + "  verbs get,fetch", `7: "fetch" is no verb`},
		{head + row + "  verbs list,get", "7: the verbs list,get are not in order"},
		{head + row + "  sub scale", "7: a subresource has a name, verbs"},
		{head + row + "  sub scale get Scale", `7: "Scale" is no group, version and kind`},
		{head + row + "  sub scale get autoscaling/v1/Scale", "6: the subresource scale has bodies of Scale, which is no type"},
		{head + row + "  stored bs.x", "6: there is no bs.x to store A as"},
		{head + row + "  stored as", "6: there is no as to store A as"},
		{head + row + "  select z", "6: A has no field z"},
		{head + row + "  select x.z", "6: A has no field x.z"},
		{head + row + "kind v2/v1 B bs - - namespaced label core -\n  stored as", "7: there is no type v2.B"},
		{head + row + "kind v2 B bs - - namespaced label core -\n  stored as\n  select x", "7: B is selectable by x, and as is not"},
		{head + row + "kind v2 B bs - - namespaced label core -\n  stored as\n  rename k = z", "7: B is stored as as, which does not have both fields k and z"},
		{head + row + "  initial x = {", "7: the initial x"},
		{head + row + "  freeze z x", "6: A has no field z"},
		{head + row + "  freeze x z", "6: A has no field z"},
		{head + row + "  fixed", `7: "fixed" says nothing`},
		{head + row + "  fixed z", "6: A has no field z"},
		{head + row + "  freeze x m,z", "6: A has no field z"},
		{head + row + "  drop", `7: "drop" says nothing`},
		{head + row + "  drop o z", "6: A has no field z of o"},
		{head + row + "  drop o k,z", "6: A has no field z of o"},
		{head + row + "  drop z k", "6: A has no field k of z"},
		{head + row + "  drop x k", "6: A has no field k of x"},
		{head + row + "  sub status get,get,create", "7: the verbs get,get,create are not in order"},
		{head + row + "  initial x =", "7: the initial x"},
		{head + row + "  select o.z", "6: A has no field o.z"},
		{head + row + "  select x = z", "6: A has no field z"},
		{head + "kind v1 A as - - cluster label core finalizers,name", `6: "name" is no flag`},
		{head + "kind v1 A as - - cluster label core statusalone,", `6: "" is no flag`},
		{head + "kind v1 A as - - cluster label core - x", "6: a kind has 9 columns, not 10"},
		{head + "type C\n  x 1 string null", `7: the field "x" is null where it is empty, and is no list`},
		{head + "type C\n  x 1 {}string null", `7: the field "x" is null where it is empty, and is no list`},
		{head + "type C\n  x 1 []string  null", `7: the words of the field "x" are not one space apart`},
		{head + "type C\n  x 1 []string nul", `7: "nul" is no merge strategy`},
		{head + "type C\n  x 1 []B merge+:k", `7: "" is no merge strategy`},
		{head + "type C\n  x 1 {}string >m", "6: C.x goes into m, which is no map of bytes"},
		{head + row + "  col Nothing", `7: there is no common column "Nothing"`},
		{head + row + "  col X: = x", `7: the column "X:`},
		{head + row + "  col X: string one = x", `7: the column "X: string one" has no name`},
		{head + row + "  col X: string = ", "7: "},
		{head + row + "  col X: string = sum(x)", `7: "sum(x)" is no cell`},
		{head + row + "  col X: string = age(x,y)", `7: "age(x,y)" is no cell`},
		{head + row + "  col X: string = count(x", `7: "count(x" is no cell`},
	} {
		if table, err := parseKinds(c.text); err == nil || table != nil || !strings.HasPrefix(err.Error(), "kinds.txt:"+c.want) {
			t.Errorf("%s\ngot %v, want %s", strings.TrimPrefix(c.text, head), err, c.want)
		}
	}
}

// TestKindsWords: each word of a row and of a field does what the head of kinds.txt says of it, and
// nothing else.
func TestKindsWords(t *testing.T) {
	const types = "package core s\ntype A\n  x 1 string, o 2 []B null, b 3 bool, p 4 B*, l 5 []string, n 6 []string null\ntype B\n  k 1 string, y 2 string\ngroup core 1 1\n"
	load := func(flags, below string) *Row {
		table, err := parseKinds(types + "kind v1 A as - - namespaced label core " + flags + "\n" + below)
		if err != nil {
			t.Fatalf("%s: %v", flags, err)
		}
		return table.Kind("", "v1", "A")
	}
	for flags, want := range map[string]string{
		"-":                "false false false false false",
		"generation":       "true false false false false",
		"labels":           "false true false false false",
		"statusalone":      "false false true false false",
		"finalizers":       "false false false true false",
		"names":            "false false false false true",
		"finalizers,names": "false false false true true",
	} {
		k := load(flags, "")
		if got := fmt.Sprint(k.HasGeneration, k.LabelsCount, k.StatusAlone, k.QualifiedFinalizers, k.RechecksNames); got != want {
			t.Errorf("%s: got %s, want %s", flags, got, want)
		}
	}
	if k := load("review", ""); !k.ReviewOnly || len(k.Verbs) != 1 || k.Verbs[0] != "create" {
		t.Errorf("a review: %v", k.Verbs)
	}
	for _, c := range []struct{ below, obj, want string }{
		{"", `{}`, `{"n":null,"o":null}`},
		{"", `{"n":[],"o":[{}],"l":[]}`, `{"l":[],"n":[],"o":[{}]}`},
		{"  drop o k", `{"n":[],"o":[{"k":"1","y":"2"},{"k":"3"}]}`, `{"n":null,"o":[{"y":"2"},{}]}`},
		{"  drop p k,y", `{"n":[],"o":[{"k":"1"}],"p":{"k":"1","y":"2"}}`, `{"n":null,"o":[{"k":"1"}],"p":{}}`},
		{"  drop p k", `{"n":[],"o":[],"x":"k"}`, `{"n":null,"o":null,"x":"k"}`},
	} {
		obj := objectForTest(t, c.obj)
		shape := Shape{load("-", c.below)}
		if shape.SetDefaults(obj); c.below != "" {
			shape.Reduce(obj)
		}
		if got := string(tree.AppendJSON(nil, obj)); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.below, c.obj, got, c.want)
		}
	}
	const still = ": Forbidden: field is immutable when `b` is set"
	for _, c := range []struct{ below, old, obj, want string }{
		{"  fixed x", `{"x":"1"}`, `{"x":"1","l":["a"]}`, ""},
		{"  fixed x", `{"x":"1"}`, `{"x":"2"}`, `x: Invalid value: "2": field is immutable`},
		{"  fixed x\n  fixed b", `{"x":"1","b":true}`, `{"x":"2","b":false}`,
			`x: Invalid value: "2": field is immutable|b: Invalid value: false: field is immutable`},
		{"  freeze b x,l", `{"x":"1"}`, `{"x":"2","b":true}`, ""},
		{"  freeze b x,l", `{"x":"1","b":true}`, `{"x":"1","b":true,"p":{}}`, ""},
		{"  freeze b x,l", `{"x":"1","b":true}`, `{"l":["a"]}`, "b" + still + "|x" + still + "|l" + still},
		{"  fixed x\n  freeze b l", `{"x":"1","b":true}`, `{"x":"2","b":true,"l":["a"]}`, `x: Invalid value: "2": field is immutable|l` + still},
	} {
		var said []string
		for _, e := range (Shape{load("-", c.below)}).Validate(objectForTest(t, c.obj), objectForTest(t, c.old), false) {
			said = append(said, e.String())
		}
		if got := strings.Join(said, "|"); got != c.want {
			t.Errorf("%s: %s after %s\n got %s\nwant %s", c.below, c.obj, c.old, got, c.want)
		}
	}
}

// TestKindsRead: what the rows say arrives where it should.
func TestKindsRead(t *testing.T) {
	table, err := parseKinds(`# a comment
kind v1 A as a,aa all namespaced label1035 core object,blind,status
  sub status get
  sub scale get,update x.io/v1/S
  select x = deep.k|deep.other:none
  keep deep.k
  freeze b m
  col Deep: integer/int32 2 = deep.k|none -- how deep it is
package core s.core
type A
  x 1 string =d, b 9 bool* =true, m 2 {}bytes, texts 3 {}string >m, + 7 D, deep 4 D!
  i 5 []D* merge+retainKeys:k -- a list, that is merged
  u 6 D=1|strings=2, any 8 raw:Any{}
type D  the deep one
  k 1 int32 =3, other 2 D*, lists 3 {}[]string
package x s.x
type S
  a 1 core.A
group core 7 8
`)
	if err != nil {
		t.Fatal(err)
	}
	k := table.Kind("", "v1", "A")
	if k == nil || k != table.ByResource[NewKey("", "v1", "as")] || table.ByResource[NewKey("", "v1", "aa")] != nil || table.Kind("x", "v1", "A") != nil {
		t.Fatal("lookup by kind and resource")
	}
	got := strings.TrimSpace(fmt.Sprintln(k.Singular, k.ShortNames, k.Categories, k.Namespaced, k.NameRule, k.Server, k.ReturnsDeleted, k.UnconditionalUpdate, k.CreateOnUpdate, k.HasGeneration, k.HasStatus, k.KeepsGivenStatus, k.ReviewOnly, len(k.Verbs), k.Kept, k.immutableFlag, k.immutableFields, k.stored == k))
	if want := "a [a aa] [all] true label1035 core true true false false true true false 8 [[deep k]] b [m] true"; got != want {
		t.Errorf("kind: got %s\nwant %s", got, want)
	}
	if s := k.Subresources; len(s) != 2 || s[0].Type() != k.Type() || s[1].Type() != table.Type("x.S") || s[1].Group != "x.io" || s[1].Type().Fields[0].Message != k.Type() || table.Body("x.io", "v1", "S") != s[1].Type() {
		t.Errorf("subresources: %+v", s)
	}
	if c := k.Columns; len(c) != 1 || c[0].Name != "Deep" || c[0].Type != "integer" || c[0].Format != "int32" || c[0].Priority != 2 || c[0].Description != "how deep it is" {
		t.Errorf("columns: %+v", c)
	}
	a := k.Type()
	for name, want := range map[string]string{
		"x": "1 0 - - d", "b": "9 1 * true", "m": "2 5 {} - -", "texts": "3 0 {} - - m", "deep": "4 11 ! D", "i": "5 11 [] * D merge,retainKeys k a list, that is merged", "u": "6 11 D strings", "k": "1 2 - - 3", "other": "2 11 * D", "lists": "3 0 {} [] -",
	} {
		f := a.ByName[name]
		if f == nil {
			t.Errorf("no field %s", name)
			continue
		}
		if f.Alternative != "" && f.alternativeNumbers != [2]int{1, 2} {
			t.Errorf("%s: numbers %v", name, f.alternativeNumbers)
		}
		parts := []string{fmt.Sprint(f.number), fmt.Sprint(int(f.Kind))}
		for mark, on := range map[string]bool{"{}": f.IsMap, "[]": f.IsList, "*": f.pointer, "!": f.Required} {
			if on != slices.Contains(strings.Fields(want), mark) {
				t.Errorf("%s: %s is %v", name, mark, on)
			}
		}
		if f.Message != nil {
			parts = append(parts, f.Message.Name)
		}
		for _, s := range []string{f.Strategy, f.MergeKey, f.Alternative, f.MovesInto, f.Doc, fmt.Sprint(f.Default)} {
			if s != "" && s != "<nil>" {
				parts = append(parts, s)
			}
		}
		plain := slices.DeleteFunc(strings.Fields(want), func(s string) bool { return slices.Contains([]string{"-", "*", "!", "{}", "[]"}, s) })
		if strings.Join(parts, " ") != strings.Join(plain, " ") {
			t.Errorf("%s: got %q, want %q", name, parts, plain)
		}
	}
	if d := a.byNumber[7]; d == nil || !d.Inline || d.Message.Doc != "the deep one" || len(a.Fields) != 9 || !a.defaults || a.Schema != "s.core.A" {
		t.Errorf("the embedded type: %+v", d)
	}
	if f := a.ByName["any"]; f.Kind != FieldRaw || f.Component != "s.core.Any{}" {
		t.Errorf("JSON with a name: %+v", f)
	}
	for in, want := range map[string]string{`{}`: "none", `{"deep":{"k":5}}`: "5", `{"deep":{"other":"o"}}`: "o"} {
		if got := fieldValues(k, objectForTest(t, in)); len(got) != 1 || got[0] != want {
			t.Errorf("%s selects %q, want %s", in, got, want)
		}
	}
}

// TestKindsTable: the embedded table says of each kind what the rest relies on.
func TestKindsTable(t *testing.T) {
	table := kindsForTest(t)
	reached := map[*Type]bool{}
	var reach func(*Type)
	reach = func(d *Type) {
		if reached[d] {
			return
		}
		reached[d] = true
		for _, f := range d.Fields {
			if f.Message != nil {
				reach(f.Message)
			}
			if f.number == 0 && !f.Inline {
				t.Errorf("%s.%s has no number", d.Name, f.Name)
			}
		}
	}
	for _, k := range table.Kinds {
		if k.stored == nil || k.Type() == nil || k.Type().Doc == "" || len(k.Columns) == 0 || !slices.IsSorted(k.Verbs) || !strings.HasPrefix(k.Columns[0].Name+k.Columns[len(k.Columns)-1].Name, "Name") && k.Plural != "events" {
			t.Errorf("%s: %+v", k.Kind, k)
		}
		for _, path := range []string{"kind", "apiVersion", "metadata.name"} {
			if !k.Type().hasPath(strings.Split(path, ".")) {
				t.Errorf("%s has no %s", k.Kind, path)
			}
		}
		if k.ListKind != k.Kind+"List" {
			t.Errorf("%s: lists are of kind %s", k.Kind, k.ListKind)
		}
		if k.HasStatus && k.Type().ByName["status"] == nil || k.ReviewOnly != (len(k.Verbs) == 1) {
			t.Errorf("%s: status or verbs", k.Kind)
		}
		for _, c := range k.Columns {
			if c.Description == "" || c.Cell == nil {
				t.Errorf("%s: the column %s", k.Kind, c.Name)
			}
			switch c.Cell(map[string]any{}).(type) {
			case string, bool, int64, nil:
			default:
				t.Errorf("%s: the cell of %s", k.Kind, c.Name)
			}
		}
		reach(k.Type())
		for _, s := range k.Subresources {
			reach(s.Type())
			if table.Body(s.Group, s.Version, s.Kind) != s.Type() {
				t.Errorf("%s/%s: body", k.Plural, s.Name)
			}
		}
	}
	for _, name := range []string{"meta.DeleteOptions", "meta.CreateOptions", "meta.UpdateOptions", "meta.PatchOptions", "meta.Status", "meta.ListMeta", "meta.LabelSelector", "autoscaling.Scale",
		"meta.Patch", "meta.WatchEvent", "meta.APIVersions", "meta.APIGroupList", "meta.APIResourceList", "version.Info",
		"meta.PartialObjectMetadata", "apidiscovery.APIGroupDiscoveryList", "RangeAllocation"} {
		if table.Type(name) == nil {
			t.Fatalf("no %s", name)
		}
		reach(table.Type(name))
	}
	for name := range table.types.lines {
		d := table.Type(name)
		if !reached[d] {
			t.Errorf("nothing has a %s", name)
		}
	}
	if table.Body("apps", "v1", "DeleteOptions") != table.Type("meta.DeleteOptions") || table.Body("autoscaling", "v1", "Scale") != table.Type("autoscaling.Scale") || table.Body("", "v1", "Carp") != nil {
		t.Error("bodies that are of no kind here")
	}
}

// TestKindsSelect: labels of both shapes of events find the one stored value.
func TestKindsSelect(t *testing.T) {
	table := kindsForTest(t)
	event := objectForTest(t, `{"involvedObject":{"kind":"Pod","name":"p","fieldPath":"f"},"reason":"r","reportingComponent":"rc","type":"Normal"}`)
	for _, c := range []struct{ kind, label, object, want string }{
		{"v1 Event", "involvedObject.kind", "", "Pod"}, {"v1 Event", "involvedObject.uid", "", ""}, {"v1 Event", "source", "", "rc"}, {"v1 Event", "reportingComponent", "", "rc"}, {"v1 Event", "regarding.kind", "", "no"}, {"v1 Event", "metadata.name", "", "no"},
		{"events.k8s.io/v1 Event", "regarding.kind", "", "Pod"}, {"events.k8s.io/v1 Event", "regarding.fieldPath", "", "f"}, {"events.k8s.io/v1 Event", "reportingController", "", "rc"}, {"events.k8s.io/v1 Event", "type", "", "Normal"}, {"events.k8s.io/v1 Event", "source", "", "no"},
		{"v1 Event", "source", `{"source":{"component":"c"},"reportingComponent":"rc"}`, "c"}, {"v1 Node", "spec.unschedulable", `{}`, "false"}, {"v1 Node", "spec.unschedulable", `{"spec":{"unschedulable":true}}`, "true"},
		{"v1 Secret", "type", `{"type":"Opaque"}`, "Opaque"}, {"v1 Namespace", "status.phase", `{"status":{"phase":"Active"}}`, "Active"}, {"v1 Service", "spec.clusterIP", `{"spec":{"clusterIP":"None"}}`, "None"}, {"v1 Service", "spec.type", `{}`, ""},
		{"v1 ConfigMap", "data", `{}`, "no"}, {"coordination.k8s.io/v1 Lease", "spec.holderIdentity", `{}`, "no"},
	} {
		obj := event
		if c.object != "" {
			obj = objectForTest(t, c.object)
		}
		row, got := shapeForTest(t, table, c.kind).Row, "no"
		if i, ok := fieldIndex(row, c.label); ok {
			got = fieldValues(row.stored, obj)[i]
		}
		if got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.kind, c.label, got, c.want)
		}
	}
}

func BenchmarkLoadKinds(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKindsFacts: some of upstream's, so that an edit of the table does not change them
// unseen: protobuf number, merge strategy, and ! for what is always written.
func TestKindsFacts(t *testing.T) {
	table := kindsForTest(t)
	for field, want := range map[string]string{
		"meta.ObjectMeta.name": "1", "meta.ObjectMeta.uid": "5", "meta.ObjectMeta.labels": "11", "meta.ObjectMeta.ownerReferences": "13 merge:uid", "meta.ObjectMeta.finalizers": "14 merge", "meta.ObjectMeta.managedFields": "17", "meta.OwnerReference.apiVersion": "5!",
		"meta.DeleteOptions.propagationPolicy": "4", "meta.DeleteOptions.dryRun": "5", "ConfigMap.data": "2", "ConfigMap.binaryData": "3", "ConfigMap.immutable": "4", "Secret.type": "3", "Secret.stringData": "4", "Secret.immutable": "5", "Namespace.spec": "2", "NamespaceCondition.lastTransitionTime": "4",
		"ServiceAccount.secrets": "2 merge:name", "ServiceSpec.ports": "1 merge:port", "ServiceSpec.type": "4", "ServiceSpec.clusterIPs": "18", "ServicePort.port": "3!", "ServicePort.targetPort": "4", "ServiceStatus.conditions": "2 merge:type", "NodeSpec.podCIDRs": "7 merge", "NodeStatus.addresses": "5 merge:type", "DaemonEndpoint.Port": "1!",
		"Event.involvedObject": "2!", "Event.reportingComponent": "14!", "Event.eventTime": "10", "events.Event.eventTime": "2!", "events.Event.note": "10", "events.Event.deprecatedCount": "15", "coordination.LeaseSpec.renewTime": "4", "coordination.LeaseSpec.leaseTransitions": "5",
		"authentication.TokenRequestSpec.expirationSeconds": "4!", "authentication.TokenRequestSpec.boundObjectRef": "3!", "authentication.UserInfo.extra": "4", "authorization.SubjectAccessReviewSpec.groups": "4", "authorization.SubjectAccessReviewSpec.extra": "5", "authorization.ResourceAttributes.resource": "5",
		"autoscaling.ScaleStatus.replicas": "1!", "apiextensions.JSONSchemaProps.x-kubernetes-validations": "44 merge:rule", "apiextensions.JSONSchemaProps.properties": "29", "apiextensions.CustomResourceDefinitionSpec.versions": "7!", "apiregistration.APIServiceSpec.versionPriority": "8!",
	} {
		i := strings.LastIndexByte(field, '.')
		d := table.Type(field[:i])
		if d == nil || d.ByName[field[i+1:]] == nil {
			t.Errorf("there is no %s", field)
			continue
		}
		f := d.ByName[field[i+1:]]
		got := fmt.Sprint(f.number)
		if f.Required {
			got += "!"
		}
		if f.Strategy != "" {
			got += " " + f.Strategy
		}
		if f.MergeKey != "" {
			got += ":" + f.MergeKey
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	for kind, want := range map[string]string{
		"v1 Namespace": "namespaces namespace [ns] [] false label true true false false true", "v1 Secret": "secrets secret [] [] true subdomain false true false false false", "v1 Service": "services service [svc] [all] true label true true true false true", "v1 Endpoints": "endpoints endpoints [ep] [] true subdomain false true true false false",
		"coordination.k8s.io/v1 Lease": "leases lease [] [] true subdomain false false true false false", "authorization.k8s.io/v1 LocalSubjectAccessReview": "localsubjectaccessreviews localsubjectaccessreview [] [] true segment false false false false false",
		"apiextensions.k8s.io/v1 CustomResourceDefinition": "customresourcedefinitions customresourcedefinition [crd crds] [api-extensions] false subdomain false false false true true",
	} {
		k := shapeForTest(t, table, kind).Row
		if got := strings.TrimSpace(fmt.Sprintln(k.Plural, k.Singular, k.ShortNames, k.Categories, k.Namespaced, k.NameRule, k.ReturnsDeleted, k.UnconditionalUpdate, k.CreateOnUpdate, k.HasGeneration, k.HasStatus)); got != want {
			t.Errorf("%s: got %s\nwant %s", kind, got, want)
		}
	}
}

// parseKinds reads a table of one file, whole.
func parseKinds(text string) (*Table, error) {
	table, err := load([]source{{"kinds.txt", text}}, nil)
	if err == nil {
		err = table.Check()
	}
	if err != nil {
		return nil, err
	}
	return table, nil
}

// TestDigest: a table that was read has a hash of its text; a copy has the same, and another text another.
func TestDigest(t *testing.T) {
	table, other := kindsForTest(t), kindsForTest(t)
	if !table.WasRead() || string(table.Digest()) != string(other.Digest()) || (&Table{}).WasRead() {
		t.Error("digests of the same table")
	}
	less := *table
	if string(less.Digest()) != string(table.Digest()) {
		t.Error("a copy has another digest")
	}
	changed, err := load(append(files(), source{"more.txt", "# more\n"}), nil)
	if err != nil || string(changed.Digest()) == string(table.Digest()) {
		t.Errorf("another text has the same digest: %v", err)
	}
}

// TestUnionsOfTypes: the fields of which one is meant, with and without one that says which.
func TestUnionsOfTypes(t *testing.T) {
	table := kindsForTest(t)
	for name, want := range map[string]string{"SeccompProfile": "type localhostProfile", "PodSchedulingGroup": " podGroupName", "flowcontrol.Subject": "kind group serviceAccount user"} {
		u := table.Type(name).Union
		if u == nil || u.Discriminator+" "+strings.Join(u.Fields, " ") != want {
			t.Errorf("%s: %+v", name, u)
		}
	}
	if u := table.Type("PodSpec").Union; u != nil {
		t.Errorf("PodSpec: %+v", u)
	}
}
