package kinds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// objectMaker makes random objects of types of the table, all of whose values are as they
// would be written; planted are the paths of fields that the type does not have.
type objectMaker struct {
	rand    *rand.Rand
	spoil   bool // plant unknown fields and what is written in another form
	planted []string
	wrong   int  // countdown to the value that is to have a wrong type; 0: none
	wronged bool // there was one
}

func (m *objectMaker) object(d *Type, path string, depth int) map[string]any {
	obj := map[string]any{}
	names := make([]string, 0, len(d.ByName))
	for name := range d.ByName {
		names = append(names, name)
	}
	slices.Sort(names) // so that a seed gives the same object again
	for _, name := range names {
		f := d.ByName[name]
		if m.rand.IntN(3) == 0 || f.Kind == FieldMessage && depth <= 0 && !f.Required {
			continue
		}
		obj[name] = m.field(f, strings.TrimPrefix(path+"."+name, "."), depth)
	}
	if m.spoil && m.rand.IntN(3) == 0 {
		name := fmt.Sprintf("unknown%d", m.rand.IntN(5))
		obj[name] = m.rand.IntN(2) == 0
		m.planted = append(m.planted, strings.TrimPrefix(path+"."+name, "."))
	}
	if m.spoil && m.rand.IntN(4) == 0 && len(names) > 0 {
		if name := names[m.rand.IntN(len(names))]; obj[name] == nil {
			obj[name] = nil
		}
	}
	return obj
}

func (m *objectMaker) field(f *Field, path string, depth int) any {
	if !f.IsMap {
		return m.listed(f, path, depth)
	}
	out := map[string]any{}
	for i := range 1 + m.rand.IntN(2) {
		key := fmt.Sprint("key", i)
		out[key] = m.listed(f, path+"."+key, depth)
	}
	return out
}

func (m *objectMaker) listed(f *Field, path string, depth int) any {
	if !f.IsList {
		return m.one(f, path, depth)
	}
	var out []any
	n := 1 + m.rand.IntN(2)
	if f.Kind != FieldMessage || depth <= 1 && m.rand.IntN(8) == 0 {
		n = 11 // indices of two digits
	}
	for i := range n {
		out = append(out, m.one(f, fmt.Sprintf("%s[%d]", path, i), depth))
	}
	return out
}

func (m *objectMaker) one(f *Field, path string, depth int) any {
	if f.Kind == FieldRaw {
		return map[string]any{"any": []any{nil, "x"}}
	}
	if m.wrong--; m.wrong == 0 {
		m.wronged = true
		if f.Kind == FieldBool || f.Alternative == "bool" {
			return "no"
		}
		return true
	}
	switch f.Kind {
	case FieldBool:
		return true
	case FieldInt32, FieldInt64:
		return 1 + m.rand.Int64N(1<<30)
	case FieldDouble:
		return 0.5
	case FieldBytes:
		return "YWI="
	case FieldTime:
		return "2024-02-29T23:59:59Z"
	case FieldMicroTime:
		return "2024-02-29T23:59:59.000001Z"
	case FieldIntOrString:
		return []any{int64(1), "name"}[m.rand.IntN(2)]
	case FieldQuantity:
		return "1500m"
	case FieldMessage:
		before := m.planted
		obj := m.object(f.Message, path, depth-1)
		if f.Alternative != "" { // below it, upstream tells nothing
			m.planted = before
		}
		return obj
	}
	return "text"
}

// eachType calls f with each type of the table and a maker of its own.
func eachType(t *testing.T, rounds int, f func(d *Type, m *objectMaker)) {
	table := kindsForTest(t)
	for name, d := range table.types.read {
		for round := range rounds {
			f(d, &objectMaker{rand: rand.New(rand.NewPCG(uint64(round), uint64(len(name))))})
		}
	}
}

// TestPruneKeepsGood: an object as it would be written stays as it is.
func TestPruneKeepsGood(t *testing.T) {
	eachType(t, 4, func(d *Type, m *objectMaker) {
		obj := m.object(d, "", 3)
		want := tree.Copy(obj)
		if unknown, err := Prune(d, obj); err != nil || unknown != nil || !tree.Equal(obj, want) {
			t.Errorf("%s: unknown %q, error %v, got %s\nwant %s", d.Name, unknown, err, tree.AppendJSON(nil, any(obj)), tree.AppendJSON(nil, want))
		}
	})
}

// TestPruneFindsPlanted: just the unknown fields are told, and after one walk there is
// nothing left to do.
func TestPruneFindsPlanted(t *testing.T) {
	eachType(t, 4, func(d *Type, m *objectMaker) {
		m.spoil = true
		obj := m.object(d, "", 2)
		unknown, err := Prune(d, obj)
		slices.SortFunc(m.planted, comparePaths)
		if want := m.planted; err != nil || len(want) <= maxUnknown && !slices.Equal(unknown, want) || len(want) > maxUnknown && len(unknown) != maxUnknown {
			t.Errorf("%s: error %v, unknown %q\nwant %q", d.Name, err, unknown, want)
		}
		once := tree.Copy(obj)
		if unknown, err = Prune(d, obj); err != nil || unknown != nil || !tree.Equal(obj, once) {
			t.Errorf("%s: the second time: unknown %q, error %v", d.Name, unknown, err)
		}
	})
}

// TestPruneFindsWrong: one value of a wrong type, wherever it is, is an error.
func TestPruneFindsWrong(t *testing.T) {
	found := 0
	eachType(t, 4, func(d *Type, m *objectMaker) {
		m.wrong = 1 + m.rand.IntN(12)
		obj := m.object(d, "", 3)
		if _, err := Prune(d, obj); (err != nil) != m.wronged {
			t.Errorf("%s: error %v for %s", d.Name, err, tree.AppendJSON(nil, any(obj)))
		} else if err != nil {
			found++
		}
	})
	if found < 100 {
		t.Errorf("only %d objects had a wrong value", found)
	}
}

// TestComparePaths: by text, but indices by number.
func TestComparePaths(t *testing.T) {
	sorted := []string{"a", "a.b", "a[0]", "a[0].x", "a[1].x", "a[2].x[3]", "a[2].x[10]", "a[10].x", "a[11]", "b", "b.c[0", "b[0][1]", "b[0][2]"}
	for i, a := range sorted {
		for j, b := range sorted {
			if c := comparePaths(a, b); (c < 0) != (i < j) || (c > 0) != (i > j) {
				t.Errorf("%s and %s: %d", a, b, c)
			}
		}
	}
}

// TestDeepTrail: objects may be deeper than the trail's own steps.
func TestDeepTrail(t *testing.T) {
	shape := shapeForTest(t, kindsForTest(t), "apiextensions.k8s.io/v1 CustomResourceDefinition")
	schema, path := map[string]any{"unknown": true, "type": "string"}, ""
	for i := range 40 {
		key := fmt.Sprint("p", i)
		schema, path = map[string]any{"properties": map[string]any{key: schema}, "zz": nil}, ".properties."+key+path
		delete(schema, "zz")
	}
	obj := map[string]any{"spec": map[string]any{"versions": []any{map[string]any{"schema": map[string]any{"openAPIV3Schema": schema}}}}}
	unknown, err := shape.Prune(obj)
	if want := "spec.versions[0].schema.openAPIV3Schema" + path + ".unknown"; err != nil || !slices.Equal(unknown, []string{want}) {
		t.Errorf("got %q, %v, want %s", unknown, err, want)
	}
	leaf := schema
	for range 39 {
		for _, v := range leaf["properties"].(map[string]any) {
			leaf = v.(map[string]any)
		}
	}
	leaf["maxLength"] = "long"
	const tail = ".properties.maxLength of type int64"
	if _, err = shape.Prune(obj); err == nil || !strings.HasSuffix(err.Error(), tail) || !strings.HasPrefix(err.Error(), "json: cannot unmarshal string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.properties") {
		t.Errorf("got %v", err)
	}
}
