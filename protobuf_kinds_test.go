package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Protobuf of the real kinds: an encoder that knows nothing but the types writes objects,
// and what is decoded is the object again.

// pbEncoder writes an object as a client does; zeros writes also what is not there, as the
// clients' encoders do with scalars that are no pointers.
type pbEncoder struct {
	t     testing.TB
	zeros bool
}

func (e pbEncoder) message(d *typeDef, obj map[string]any) pb {
	m := pb{}
	for _, f := range d.fields {
		v, there := obj[f.name]
		switch {
		case f.number == 0: // kind and apiVersion, which the envelope has
		case f.inline:
			m = m.message(f.number, e.message(f.message, obj))
		case !there && e.zeros && f.kind == fieldString && !f.pointer && !f.list && !f.dic && !f.required:
			m = m.text(f.number, "")
		case !there && e.zeros && (f.kind == fieldInt32 || f.kind == fieldInt64 || f.kind == fieldBool) && !f.pointer && !f.list && !f.dic && !f.required:
			m = m.number(f.number, 0)
		case there:
			m = e.field(m, f, v)
		}
	}
	return m
}

func (e pbEncoder) field(m pb, f *typeField, v any) pb {
	if !f.dic {
		return e.listed(m, f.number, f, v)
	}
	for _, k := range sortedKeys(v.(map[string]any)) {
		entry := pb{}.text(1, k)
		if member := v.(map[string]any)[k]; f.list {
			entry = entry.message(2, e.listed(pb{}, 1, f, member))
		} else {
			entry = e.one(entry, 2, f, member)
		}
		m = m.message(f.number, entry)
	}
	return m
}

func (e pbEncoder) listed(m pb, number int, f *typeField, v any) pb {
	if !f.list {
		return e.one(m, number, f, v)
	}
	for _, item := range v.([]any) {
		m = e.one(m, number, f, item)
	}
	return m
}

func (e pbEncoder) one(m pb, number int, f *typeField, v any) pb {
	switch f.kind {
	case fieldString:
		return m.text(number, v.(string))
	case fieldBool:
		n := int64(0)
		if v.(bool) {
			n = 1
		}
		return m.number(number, n)
	case fieldInt32, fieldInt64:
		return m.number(number, v.(int64))
	case fieldDouble:
		return m.double(number, v.(float64))
	case fieldBytes:
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			e.t.Fatal(err)
		}
		return m.text(number, string(b))
	case fieldTime, fieldMicroTime:
		at, err := time.Parse(time.RFC3339, v.(string))
		if err != nil {
			e.t.Fatal(err)
		}
		return m.message(number, pb{}.number(1, at.Unix()).number(2, int64(at.Nanosecond())))
	case fieldIntOrString:
		if n, ok := v.(int64); ok {
			return m.message(number, pb{}.number(1, 0).number(2, n).text(3, ""))
		}
		return m.message(number, pb{}.number(1, 1).number(2, 0).text(3, v.(string)))
	case fieldQuantity:
		return m.message(number, pb{}.text(1, v.(string)))
	case fieldRaw:
		return m.message(number, pb{}.text(1, string(appendJSON(nil, v))))
	case fieldMessage:
		in := e.message(f.message, v.(map[string]any))
		if f.or != "" {
			in = pb{}.message(f.orNumbers[0], in)
		}
		return m.message(number, in)
	}
	e.t.Fatalf("the field %s has the kind %v", f.name, f.kind)
	return m
}

// onlyProtobuf takes away what protobuf does not have: fields that JSON alone has.
func onlyProtobuf(d *typeDef, obj map[string]any) {
	for name, v := range obj {
		f := d.byName[name]
		if !inProtobuf(d, f) {
			delete(obj, name)
			continue
		}
		eachObject(v, f, onlyProtobuf)
	}
	// Objects that are always written and now are empty are left out.
	for name, v := range obj {
		f := d.byName[name]
		if o, ok := v.(map[string]any); ok && len(o) == 0 && f.kind == fieldMessage && !f.dic && !f.list && !f.pointer && !f.required {
			delete(obj, name)
		}
	}
}

// inProtobuf says whether a message of type d has the field, in itself or in one that is
// embedded.
func inProtobuf(d *typeDef, f *typeField) bool {
	return f.number != 0 && slices.ContainsFunc(d.fields, func(g *typeField) bool {
		return g == f || g.inline && g.number != 0 && inProtobuf(g.message, f)
	})
}

func eachObject(v any, f *typeField, visit func(*typeDef, map[string]any)) {
	if f.kind != fieldMessage {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachObject(e, &typeField{kind: f.kind, message: f.message}, visit)
		}
	case map[string]any:
		if !f.dic {
			visit(f.message, v)
			return
		}
		for _, e := range v {
			eachObject(e, &typeField{kind: f.kind, message: f.message, list: f.list}, visit)
		}
	}
}

// TestProtobufOfEveryType: what a client writes in protobuf is what it would write in JSON.
func TestProtobufOfEveryType(t *testing.T) {
	eachType(t, 2, func(d *typeDef, m *objectMaker) {
		want := m.object(d, "", 3)
		onlyProtobuf(d, want)
		for _, zeros := range []bool{false, true} {
			got, err := decodeProtobuf(pbEncoder{t, zeros}.message(d, want), d)
			if err != nil {
				t.Errorf("%s: %v", d.name, err)
				continue
			}
			// Embedded objects that the encoder always writes may be there and empty.
			if g, w := string(appendJSON(nil, any(got))), string(appendJSON(nil, any(want))); g != w {
				t.Errorf("%s (zeros %v):\ngot  %.2000s\nwant %.2000s", d.name, zeros, g, w)
			}
		}
	})
}

// TestProtobufCutAnywhere: a message that ends too early is an error, or is a good one that
// has less in it; it is never more and never panics.
func TestProtobufCutAnywhere(t *testing.T) {
	table := kindsForTest(t)
	for _, name := range []string{"v1 Service", "v1 Node", "apiextensions.k8s.io/v1 CustomResourceDefinition", "events.k8s.io/v1 Event"} {
		d := shapeForTest(t, table, name).row.typ
		m := &objectMaker{rand: rand.New(rand.NewPCG(21, 22))}
		obj := m.object(d, "", 2)
		onlyProtobuf(d, obj)
		whole := pbEncoder{t, true}.message(d, obj)
		size, refused := countValues(obj), 0
		for i := range whole {
			got, err := decodeProtobuf(whole[:i], d)
			if err != nil {
				refused++
			} else if countValues(got) > size {
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
	check := func(d *typeDef) error {
		seen := map[int]string{}
		for _, f := range d.fields {
			if f.number == 0 {
				continue
			}
			if other, there := seen[f.number]; there {
				return fmt.Errorf("%s and %s have the number %d", other, f.name, f.number)
			}
			if f.number >= 19000 && f.number < 20000 || f.number > 1<<29-1 {
				return fmt.Errorf("%s has the number %d", f.name, f.number)
			}
			seen[f.number] = f.name
		}
		return nil
	}
	for name, d := range kindsForTest(t).types {
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
		got, err := decodeProtobuf(row.in, shapeForTest(t, table, row.kind).row.typ)
		if err != nil {
			t.Errorf("%s: %v", row.kind, err)
			continue
		}
		delete(objectAt(got, "metadata"), "creationTimestamp")
		sameJSON(t, row.kind, any(got), row.want)
	}
}
