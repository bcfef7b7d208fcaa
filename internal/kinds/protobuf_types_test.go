package kinds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// Protobuf of the real kinds: what is encoded of an object is decoded to it again.

// encoded returns obj as a message of type d.
func encoded(d *Type, obj map[string]any) []byte {
	var e ProtobufEncoder
	_, _, raw, _, _ := DecodeEnvelope(e.Object(d, "v1", "Any", tree.AppendJSON(nil, obj)))
	return raw
}

// onlyProtobuf takes away what protobuf does not have: fields that JSON alone has.
func onlyProtobuf(d *Type, obj map[string]any) {
	for name, v := range obj {
		f := d.ByName[name]
		if !inProtobuf(d, f) {
			delete(obj, name)
			continue
		}
		eachObject(v, f, onlyProtobuf)
	}
	// Objects that are always written and now are empty are left out.
	for name, v := range obj {
		f := d.ByName[name]
		if o, ok := v.(map[string]any); ok && len(o) == 0 && f.Kind == FieldMessage && !f.IsMap && !f.IsList && !f.pointer && !f.Required {
			delete(obj, name)
		}
	}
}

// inProtobuf says whether a message of type d has the field, in itself or in one that is
// embedded.
func inProtobuf(d *Type, f *Field) bool {
	return f.number != 0 && slices.ContainsFunc(d.Fields, func(g *Field) bool {
		return g == f || g.Inline && g.number != 0 && inProtobuf(g.Message, f)
	})
}

func eachObject(v any, f *Field, visit func(*Type, map[string]any)) {
	if f.Kind != FieldMessage {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachObject(e, &Field{Kind: f.Kind, Message: f.Message}, visit)
		}
	case map[string]any:
		if !f.IsMap {
			visit(f.Message, v)
			return
		}
		for _, e := range v {
			eachObject(e, &Field{Kind: f.Kind, Message: f.Message, IsList: f.IsList}, visit)
		}
	}
}

// TestProtobufOfEveryType: what is answered in protobuf is read as what JSON would have said.
func TestProtobufOfEveryType(t *testing.T) {
	eachType(t, 4, func(d *Type, m *objectMaker) {
		want := m.object(d, "", 3)
		onlyProtobuf(d, want)
		got, err := DecodeProtobuf(encoded(d, want), d)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			return
		}
		// What is always written is read as what it is where it is zero: compared is what was there.
		if g, w := string(tree.AppendJSON(nil, onlyThere(got, want))), string(tree.AppendJSON(nil, want)); g != w {
			t.Errorf("%s:\ngot  %.2000s\nwant %.2000s", d.Name, g, w)
		}
	})
}

// onlyThere returns got without the zeros that want does not have, at any depth.
func onlyThere(got, want any) any {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, v := range g {
			if _, there := w[name]; !there && isZeroTree(v) {
				delete(g, name)
				continue
			}
			g[name] = onlyThere(v, w[name])
		}
	case []any:
		g, _ := got.([]any)
		for i := range min(len(g), len(w)) {
			g[i] = onlyThere(g[i], w[i])
		}
	}
	return got
}

// isZeroTree says whether v is what the encoder writes where there is nothing.
func isZeroTree(v any) bool {
	if o, ok := v.(map[string]any); ok {
		for _, member := range o {
			if !isZeroTree(member) {
				return false
			}
		}
		return true
	}
	return v == nil || v == "" || v == "0" || v == int64(0) || v == false || v == 0.0
}

// TestProtobufCutAnywhere: a message that ends too early is an error, or is a good one that
// has less in it; it is never more and never panics.
func TestProtobufCutAnywhere(t *testing.T) {
	table := kindsForTest(t)
	for _, name := range []string{"v1 Service", "v1 Node", "apiextensions.k8s.io/v1 CustomResourceDefinition", "events.k8s.io/v1 Event"} {
		d := shapeForTest(t, table, name).Row.Type()
		m := &objectMaker{rand: rand.New(rand.NewPCG(21, 22))}
		obj := m.object(d, "", 2)
		onlyProtobuf(d, obj)
		whole := encoded(d, obj)
		read, err := DecodeProtobuf(whole, d)
		if err != nil {
			t.Fatal(err)
		}
		size, refused := schema.CountValues(read), 0
		for i := range whole {
			got, err := DecodeProtobuf(whole[:i], d)
			if err != nil {
				refused++
			} else if schema.CountValues(got) > size {
				t.Fatalf("%s cut at %d has more values than the whole", name, i)
			}
		}
		if refused < len(whole)/2 {
			t.Errorf("%s: %d of %d beginnings are refused", name, refused, len(whole))
		}
	}
}

// TestProtobufNumbersAreUnique: no two fields of a type have one number, in the message that
// they stand in, and none is of the range that protobuf keeps for itself.
func TestProtobufNumbersAreUnique(t *testing.T) {
	check := func(d *Type) error {
		seen := map[int]string{}
		for _, f := range d.Fields {
			if f.number == 0 {
				continue
			}
			if other, there := seen[f.number]; there {
				return fmt.Errorf("%s and %s have the number %d", other, f.Name, f.number)
			}
			if f.number >= 19000 && f.number < 20000 || f.number > 1<<29-1 {
				return fmt.Errorf("%s has the number %d", f.Name, f.number)
			}
			seen[f.number] = f.Name
		}
		return nil
	}
	for name, d := range kindsForTest(t).types.read {
		if err := check(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProtobufOfKnownObjects: bytes that an upstream client writes, by their numbers, of
// objects that everybody knows.
func TestProtobufOfKnownObjects(t *testing.T) {
	table := kindsForTest(t)
	meta := func(name, ns string) pb {
		return pb{}.text(1, name).text(2, "").text(3, ns).text(4, "").text(5, "").text(6, "").number(7, 0).message(8, pb{})
	}
	for _, row := range []struct {
		kind string
		in   pb
		want string
	}{
		{"v1 ConfigMap", pb{}.message(1, meta("c", "n")).entry(2, "k", pb{}.text(2, "v")).entry(3, "b", pb{}.text(2, "\x00\x01")),
			`{"metadata":{"name":"c","namespace":"n"},"data":{"k":"v"},"binaryData":{"b":"AAE="}}`},
		{"v1 ConfigMap", pb{}.message(1, meta("c", "")).number(4, 0), `{"metadata":{"name":"c"},"immutable":false}`},
		{"v1 Secret", pb{}.message(1, meta("s", "n")).entry(2, "k", pb{}.text(2, "pw")).text(3, "Opaque").entry(4, "s", pb{}.text(2, "x")),
			`{"metadata":{"name":"s","namespace":"n"},"data":{"k":"cHc="},"type":"Opaque","stringData":{"s":"x"}}`},
		{"v1 Namespace", pb{}.message(1, meta("n", "")).message(2, pb{}.text(1, "kubernetes")).message(3, pb{}.text(1, "Active")),
			`{"metadata":{"name":"n"},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}`},
		{"v1 Service", pb{}.message(1, meta("s", "n")).message(2, pb{}.message(1, pb{}.text(1, "web").text(2, "TCP").number(3, 80).message(4, pb{}.number(1, 1).number(2, 0).text(3, "http")).number(5, 0)).
			entry(2, "app", pb{}.text(2, "w")).text(3, "10.0.0.1").text(4, "ClusterIP")),
			`{"metadata":{"name":"s","namespace":"n"},"spec":{"ports":[{"name":"web","protocol":"TCP","port":80,"targetPort":"http"}],"selector":{"app":"w"},"clusterIP":"10.0.0.1","type":"ClusterIP"}}`},
		{"coordination.k8s.io/v1 Lease", pb{}.message(1, meta("l", "n")).message(2, pb{}.text(1, "me").number(2, 15).message(4, pb{}.number(1, 1714564800).number(2, 5000)).number(5, 0)),
			`{"metadata":{"name":"l","namespace":"n"},"spec":{"holderIdentity":"me","leaseDurationSeconds":15,"renewTime":"2024-05-01T12:00:00.000005Z","leaseTransitions":0}}`},
	} {
		got, err := DecodeProtobuf(row.in, shapeForTest(t, table, row.kind).Row.Type())
		if err != nil {
			t.Errorf("%s: %v", row.kind, err)
			continue
		}
		delete(tree.Object(got, "metadata"), "creationTimestamp")
		sameJSON(t, row.kind, any(got), row.want)
	}
}
