package kinds

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// defaultsTable has a default in every place where one can be.
const defaultsTable = `package model x.kinds
type Leaf
  name 1 string, mode 2 string =Open, count 3 int32 =3, copyOf 4 string =.name
type Bare
  name 1 string
type Deep
  leaf 1 Leaf, may 2 Leaf*
type Head
  tier 1 string =base
type Whole
  + 1 Head
  leaf 2 Leaf, may 3 Leaf*, leaves 4 []Leaf, by 5 {}Leaf, deep 6 Deep, bare 7 Bare
  on 8 bool =true, size 9 quantity =1Gi, list 10 []string, items 11 raw =[{"a":[1]}]
  port 12 int32, target 13 intstr =.port, texts 14 {}string >data, data 15 {}bytes
type Plain
  bare 1 Bare, bares 2 []Bare, by 3 {}Bare
`

// alwaysThere is what an empty Whole gets: structs that are no pointers have their defaults
// also where nobody sent them, and are written even without; an int-or-string is one.
const alwaysThere = `"tier":"base","leaf":{"mode":"Open","count":3},"deep":{"leaf":{"mode":"Open","count":3}},"bare":{},"on":true,"size":"1Gi","items":[{"a":[1]}],"target":0`

// TestDefaultsOfEveryForm: where defaults go and where they do not.
func TestDefaultsOfEveryForm(t *testing.T) {
	d := typeForTest(t, defaultsTable, "model.Whole")
	for _, c := range []struct {
		name, in, want string // want is with alwaysThere behind it, but for members of the same name
	}{
		{"nothing", `{}`, `{}`},
		{"given values stay", `{"on":false,"size":"2","tier":"x"}`, `{"on":false,"size":"2","tier":"x"}`},
		{"an empty text is given", `{"tier":"","size":""}`, `{"tier":"","size":""}`},
		{"a struct in part", `{"leaf":{"name":"n"}}`, `{"leaf":{"name":"n","mode":"Open","count":3,"copyOf":"n"}}`},
		{"a pointer that is not there", `{"may":null}`, `{"may":null}`},
		{"a pointer", `{"may":{}}`, `{"may":{"mode":"Open","count":3}}`},
		{"a list", `{"leaves":[{},{"count":4}]}`, `{"leaves":[{"mode":"Open","count":3},{"mode":"Open","count":4}]}`},
		{"an empty list", `{"leaves":[]}`, `{"leaves":[]}`},
		{"a map", `{"by":{"a":{},"b":{"mode":"Shut"}}}`, `{"by":{"a":{"mode":"Open","count":3},"b":{"mode":"Shut","count":3}}}`},
		{"an empty map", `{"by":{}}`, `{"by":{}}`},
		{"two levels", `{"deep":{"may":{}}}`, `{"deep":{"leaf":{"mode":"Open","count":3},"may":{"mode":"Open","count":3}}}`},
		{"a struct without defaults is not made", `{"bare":{"name":"x"}}`, `{"bare":{"name":"x"}}`},
		{"from another field", `{"port":80}`, `{"port":80,"target":80}`},
		{"from another field, zero counts as absent", `{"port":80,"target":0}`, `{"port":80,"target":80}`},
		{"from another field, empty counts as absent", `{"port":80,"target":""}`, `{"port":80,"target":80}`},
		{"from another field, given", `{"port":80,"target":"http"}`, `{"port":80,"target":"http"}`},
		{"from a field that is not there", `{"target":0}`, `{"target":0}`},
		{"texts move", `{"texts":{"a":"b","c":""}}`, `{"data":{"a":"Yg==","c":""}}`},
		{"texts move over what is there", `{"texts":{"a":"new"},"data":{"a":"b2xk","b":"b2xk"}}`, `{"data":{"a":"bmV3","b":"b2xk"}}`},
		{"no texts move", `{"texts":{},"data":{"b":"b2xk"}}`, `{"data":{"b":"b2xk"}}`},
		{"no texts make no map", `{"texts":{}}`, `{}`},
		{"what is no map of texts goes too", `{"texts":7}`, `{}`},
		{"a raw value stays whole", `{"items":{"b":1}}`, `{"items":{"b":1}}`},
	} {
		obj, want := objectForTest(t, c.in), objectForTest(t, "{"+alwaysThere+"}")
		for k, v := range objectForTest(t, c.want) {
			want[k] = v
		}
		for _, times := range []string{"once", "twice"} {
			setTypeDefaults(d, obj)
			if !tree.Equal(obj, want) {
				t.Errorf("%s, %s: got %s\nwant %s", c.name, times, tree.AppendJSON(nil, obj), tree.AppendJSON(nil, want))
			}
		}
	}
}

// TestDefaultsAreMarked: a type is walked for defaults only where there are some below it.
func TestDefaultsAreMarked(t *testing.T) {
	table, err := parseKinds(defaultsTable)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"Leaf": true, "Bare": false, "Deep": true, "Head": true, "Whole": true, "Plain": true} {
		if got := table.Type("model." + name).defaults; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestDefaultsOfCircles: types that contain each other are marked, whichever comes first.
func TestDefaultsOfCircles(t *testing.T) {
	const a, b, c = "type A\n  b 1 B*\n", "type B\n  c 1 []C\n", "type C\n  a 1 {}A, x 2 string =y\n"
	for _, text := range []string{a + b + c, c + b + a, b + c + a, b + a + c} {
		table, err := parseKinds("package model x.kinds\n" + text)
		if err != nil {
			t.Fatal(err)
		}
		for name, d := range table.types.read {
			if !d.defaults {
				t.Errorf("%s is not marked in\n%s", name, text)
			}
		}
		obj := objectForTest(t, `{"b":{"c":[{"a":{"k":{"b":{"c":[{}]}}}}]}}`)
		setTypeDefaults(table.Type("model.A"), obj)
		sameJSON(t, text, any(obj), `{"b":{"c":[{"x":"y","a":{"k":{"b":{"c":[{"x":"y"}]}}}}]}}`)
	}
}

// TestDefaultsAreCopies: what one object does with its defaults, another does not see.
func TestDefaultsAreCopies(t *testing.T) {
	d := typeForTest(t, defaultsTable, "model.Whole")
	first := map[string]any{}
	setTypeDefaults(d, first)
	tree.List(first, "items")[0].(map[string]any)["a"] = "scribble"
	second := map[string]any{}
	setTypeDefaults(d, second)
	sameJSON(t, "the second", second["items"].([]any)[0], `{"a":[1]}`)
}

// TestDefaultsOfKinds: defaults of the real kinds are values of their types, none of them is
// set twice, and none takes away what was there.
func TestDefaultsOfKinds(t *testing.T) {
	table := kindsForTest(t)
	for _, row := range table.Kinds {
		shape := Shape{row}
		for round := range 20 {
			m := &objectMaker{rand: rand.New(rand.NewPCG(uint64(round), uint64(len(row.Kind))))}
			obj := m.object(row.Type(), "", 3)
			delete(obj, "stringData") // which is to go
			before := tree.Copy(obj).(map[string]any)
			shape.SetDefaults(obj)
			for _, d := range row.dropped { // which are to go as well
				delete(before, d.path[0])
			}
			if path := missing(before, obj); path != "" && !strings.HasSuffix(path, "kubernetes.io/metadata.name") {
				t.Errorf("%s: defaults changed %s", row.Kind, path)
			}
			once := tree.Copy(obj)
			if unknown, err := shape.Prune(obj); err != nil || unknown != nil || !tree.Equal(obj, once) {
				t.Errorf("%s: defaults do not pass as an object: %q, %v", row.Kind, unknown, err)
			}
			if shape.SetDefaults(obj); !tree.Equal(obj, once) {
				t.Errorf("%s: the second time there were more defaults", row.Kind)
			}
		}
	}
}

// missing returns the path of a value of a that b does not have, "" if it has all.
func missing(a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		for k, v := range a {
			if p := missing(v, tree.At(b, k)); p != "" {
				return k + "." + strings.TrimSuffix(p, ".")
			}
		}
		return ""
	case []any:
		l, _ := b.([]any)
		for i, v := range a {
			if i >= len(l) || missing(v, l[i]) != "" {
				return "[]"
			}
		}
		return ""
	}
	if tree.Equal(a, b) {
		return ""
	}
	return "."
}

// TestStoredShapes: an object in one shape and back is the object, and the stored shape is
// one that the stored kind's own clients could have written.
func TestStoredShapes(t *testing.T) {
	table := kindsForTest(t)
	stored := 0
	for _, row := range table.Kinds {
		for round := range 20 {
			m := &objectMaker{rand: rand.New(rand.NewPCG(uint64(round), 77))}
			obj := m.object(row.Type(), "", 2)
			row.identify(obj)
			Shape{row}.SetDefaults(obj)
			// A conversion may add what is a default of the stored kind.
			if to, _ := row.conversion(); to != nil {
				row.ToStored(obj)
				row.FromStored(obj)
			}
			before := tree.Copy(obj)
			row.ToStored(obj)
			if row.StoredAs == "" {
				if !tree.Equal(obj, before) {
					t.Fatalf("%s: storing changed it", row.Kind)
				}
				continue
			}
			stored++
			if group, version := SplitAPIVersion(tree.Text(obj, "apiVersion")); group != row.stored.Group || version != row.stored.Version || obj["kind"] != row.stored.Kind {
				t.Errorf("%s is stored as %v %v", row.Kind, obj["apiVersion"], obj["kind"])
			}
			if unknown, err := Prune(row.stored.Type(), tree.Copy(obj).(map[string]any)); err != nil || unknown != nil {
				t.Errorf("%s is stored with %q, %v", row.Kind, unknown, err)
			}
			row.FromStored(obj)
			_, _ = Prune(row.Type(), obj) // what the stored kind alone writes though it is empty
			if !tree.Equal(obj, before) {
				t.Errorf("%s came back as %s, was %s", row.Kind, tree.AppendJSON(nil, obj), tree.AppendJSON(nil, before))
			}
		}
	}
	if stored != 40 {
		t.Errorf("%d objects were stored in another shape", stored)
	}
}

// TestIdentify: the kind and the apiVersion, which has no group in the core one.
func TestIdentify(t *testing.T) {
	table := kindsForTest(t)
	for name, want := range map[string]string{
		"v1 ConfigMap":                         `{"apiVersion":"v1","kind":"ConfigMap","x":1}`,
		"coordination.k8s.io/v1 Lease":         `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","x":1}`,
		"events.k8s.io/v1 Event":               `{"apiVersion":"events.k8s.io/v1","kind":"Event","x":1}`,
		"apiregistration.k8s.io/v1 APIService": `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","x":1}`,
	} {
		obj := objectForTest(t, `{"kind":"Other","x":1}`)
		shapeForTest(t, table, name).Row.identify(obj)
		sameJSON(t, name, any(obj), want)
	}
}

// TestInitialOfOtherKinds: only kinds with initial values get any, and getting them twice is
// getting them once.
func TestInitialOfOtherKinds(t *testing.T) {
	for _, row := range kindsForTest(t).Kinds {
		shape, obj := Shape{row}, map[string]any{}
		shape.Initialize(obj)
		if (len(obj) > 0) != (row.Kind == "Namespace") {
			t.Errorf("%s begins with %v", row.Kind, obj)
		}
		once := tree.Copy(obj)
		if shape.Initialize(obj); !tree.Equal(obj, once) {
			t.Errorf("%s begins with %v the second time", row.Kind, obj)
		}
	}
}

// TestImmutableAgainstModel: an update is refused for just the fields that differ, once the
// flag is set.
func TestImmutableAgainstModel(t *testing.T) {
	table := kindsForTest(t)
	values := []string{``, `"data":{},`, `"data":{"a":"MQ=="},`, `"data":{"a":"Mg=="},`, `"data":{"a":"MQ==","b":"MQ=="},`}
	flags := []string{``, `"immutable":false,`, `"immutable":true,`}
	for _, kind := range []string{"v1 ConfigMap", "v1 Secret"} {
		shape := shapeForTest(t, table, kind)
		for _, oldData := range values {
			for _, newData := range values {
				for _, oldFlag := range flags {
					for _, newFlag := range flags {
						before := objectForTest(t, "{"+oldData+oldFlag+`"kind":"x"}`)
						after := objectForTest(t, "{"+newData+newFlag+`"kind":"x"}`)
						var want, got []string
						if strings.Contains(oldFlag, "true") {
							if newFlag != oldFlag {
								want = append(want, "immutable")
							}
							if newData != oldData {
								want = append(want, "data")
							}
						}
						for _, e := range shape.Validate(after, before, false) {
							got = append(got, e.Field)
						}
						if !slices.Equal(got, want) {
							t.Errorf("%s: %v to %v: refused for %q, want %q", kind, before, after, got, want)
						}
					}
				}
			}
		}
	}
}

// TestNameLabel: the label follows the name, and is not set before there is one.
func TestNameLabel(t *testing.T) {
	shape := shapeForTest(t, kindsForTest(t), "v1 Namespace")
	obj := objectForTest(t, `{"metadata":{"generateName":"a-"},"spec":{},"status":{"phase":"Active"}}`)
	shape.SetDefaults(obj)
	sameJSON(t, "without a name", any(obj), `{"metadata":{"generateName":"a-"},"spec":{},"status":{"phase":"Active"}}`)
	tree.Set(obj, "a-1", "metadata", "name")
	shape.SetDefaults(obj)
	sameJSON(t, "with a name", any(obj), `{"metadata":{"generateName":"a-","name":"a-1","labels":{"kubernetes.io/metadata.name":"a-1"}},"spec":{},"status":{"phase":"Active"}}`)
	// A client that takes the label away or changes it gets it back.
	tree.Set(obj, "other", "metadata", "labels", "kubernetes.io/metadata.name")
	shape.SetDefaults(obj)
	if got := tree.Object(obj, "metadata", "labels")["kubernetes.io/metadata.name"]; got != "a-1" {
		t.Errorf("the label is %v", got)
	}
}
