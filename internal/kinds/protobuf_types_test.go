package kinds

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// Protobuf of the real kinds: an encoder that knows nothing but the types writes objects,
// and what is decoded is the object again.

// pbEncoder writes an object as a client does; zeros writes also what is not there, as the
// clients' encoders do with scalars that are no pointers.
type pbEncoder struct {
	t     testing.TB
	zeros bool
}

func (e pbEncoder) message(d *Type, obj map[string]any) pb {
	m := pb{}
	for _, f := range d.Fields {
		v, there := obj[f.Name]
		switch {
		case f.number == 0: // kind and apiVersion, which the envelope has
		case f.Inline:
			m = m.message(f.number, e.message(f.Message, obj))
		case !there && e.zeros && f.Kind == FieldString && !f.pointer && !f.IsList && !f.IsMap && !f.Required:
			m = m.text(f.number, "")
		case !there && e.zeros && (f.Kind == FieldInt32 || f.Kind == FieldInt64 || f.Kind == FieldBool) && !f.pointer && !f.IsList && !f.IsMap && !f.Required:
			m = m.number(f.number, 0)
		case there:
			m = e.field(m, f, v)
		}
	}
	return m
}

func (e pbEncoder) field(m pb, f *Field, v any) pb {
	if !f.IsMap {
		return e.listed(m, f.number, f, v)
	}
	for _, k := range tree.SortedKeys(v.(map[string]any)) {
		entry := pb{}.text(1, k)
		if member := v.(map[string]any)[k]; f.IsList {
			entry = entry.message(2, e.listed(pb{}, 1, f, member))
		} else {
			entry = e.one(entry, 2, f, member)
		}
		m = m.message(f.number, entry)
	}
	return m
}

func (e pbEncoder) listed(m pb, number int, f *Field, v any) pb {
	if !f.IsList {
		return e.one(m, number, f, v)
	}
	for _, item := range v.([]any) {
		m = e.one(m, number, f, item)
	}
	return m
}

func (e pbEncoder) one(m pb, number int, f *Field, v any) pb {
	switch f.Kind {
	case FieldString:
		return m.text(number, v.(string))
	case FieldBool:
		n := int64(0)
		if v.(bool) {
			n = 1
		}
		return m.number(number, n)
	case FieldInt32, FieldInt64:
		return m.number(number, v.(int64))
	case FieldDouble:
		return m.double(number, v.(float64))
	case FieldBytes:
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			e.t.Fatal(err)
		}
		return m.text(number, string(b))
	case FieldTime, FieldMicroTime:
		at, err := time.Parse(time.RFC3339, v.(string))
		if err != nil {
			e.t.Fatal(err)
		}
		return m.message(number, pb{}.number(1, at.Unix()).number(2, int64(at.Nanosecond())))
	case FieldIntOrString:
		if n, ok := v.(int64); ok {
			return m.message(number, pb{}.number(1, 0).number(2, n).text(3, ""))
		}
		return m.message(number, pb{}.number(1, 1).number(2, 0).text(3, v.(string)))
	case FieldQuantity:
		return m.message(number, pb{}.text(1, v.(string)))
	case FieldRaw:
		return m.message(number, pb{}.text(1, string(tree.AppendJSON(nil, v))))
	case FieldMessage:
		in := e.message(f.Message, v.(map[string]any))
		if f.Alternative != "" {
			in = pb{}.message(f.alternativeNumbers[0], in)
		}
		return m.message(number, in)
	}
	e.t.Fatalf("the field %s has the kind %v", f.Name, f.Kind)
	return m
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

// TestProtobufOfEveryType: what a client writes in protobuf is what it would write in JSON.
func TestProtobufOfEveryType(t *testing.T) {
	eachType(t, 2, func(d *Type, m *objectMaker) {
		want := m.object(d, "", 3)
		onlyProtobuf(d, want)
		for _, zeros := range []bool{false, true} {
			got, err := DecodeProtobuf(pbEncoder{t, zeros}.message(d, want), d)
			if err != nil {
				t.Errorf("%s: %v", d.Name, err)
				continue
			}
			// Embedded objects that the encoder always writes may be there and empty.
			if g, w := string(tree.AppendJSON(nil, any(got))), string(tree.AppendJSON(nil, any(want))); g != w {
				t.Errorf("%s (zeros %v):\ngot  %.2000s\nwant %.2000s", d.Name, zeros, g, w)
			}
		}
	})
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
		whole := pbEncoder{t, true}.message(d, obj)
		size, refused := schema.CountValues(obj), 0
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
