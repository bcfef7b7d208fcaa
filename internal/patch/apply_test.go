package patch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/fieldset"
	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/tree"
)

// oneVersion is an object's kind that has one version, and perhaps fields that nobody owns.
type oneVersion struct {
	schema fieldset.Schema
	reset  *fieldset.Filter
}

func (v oneVersion) Schema(version string) (fieldset.Schema, bool) { return v.schema, version == "v1" }
func (v oneVersion) Convert(map[string]any, string, string) (map[string]any, error) {
	return nil, errors.New("there is no other version")
}
func (v oneVersion) Reset(string) *fieldset.Filter { return v.reset }

// schemaOf returns the type t of a schema in YAML.
func schemaOf(t testing.TB, text string) fieldset.Schema {
	t.Helper()
	s, err := fieldsettest.Schema(parsed(t, text), "t")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseYAMLObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tree.Object(obj)
}

const workload = `
types:
- name: t
  map:
    fields:
    - {name: replicas, type: {scalar: numeric}}
    - {name: image, type: {scalar: string}}
    - {name: paused, type: {scalar: boolean}}
    - {name: size, type: {scalar: untyped}}
    - {name: labels, type: {map: {elementType: {scalar: string}}}}
    - {name: selector, type: {map: {elementType: {scalar: string}, elementRelationship: atomic}}}
    - {name: args, type: {list: {elementType: {scalar: string}, elementRelationship: atomic}}}
    - {name: finalizers, type: {list: {elementType: {scalar: string}, elementRelationship: associative}}}
    - {name: ports, type: {list: {elementType: {namedType: port}, elementRelationship: associative, keys: [port, protocol]}}}
    - {name: status, type: {namedType: __untyped_deduced_}}
- name: port
  map:
    fields:
    - {name: port, type: {scalar: numeric}}
    - {name: protocol, type: {scalar: string}, default: TCP}
    - {name: name, type: {scalar: string}}
- name: __untyped_deduced_
  scalar: untyped
  list: {elementType: {namedType: __untyped_deduced_}, elementRelationship: atomic}
  map: {elementType: {namedType: __untyped_deduced_}}
`

func TestValidate(t *testing.T) {
	schema := schemaOf(t, workload)
	for _, c := range []struct {
		object, want string
		live         bool
	}{
		{object: `{}`},
		{object: `{replicas: null, labels: null, args: null, ports: [], size: 1}`},
		{object: `{size: "1", status: {a: [{b: 1}, [null]], c: x}}`},
		{object: `{ports: [{port: 1}, {port: 1, protocol: UDP}], finalizers: [a, b]}`},
		{object: `{foo: 1}`, want: `.foo: field not declared in schema`},
		{object: `{a: 1, b: 1}`, want: `.a: field not declared in schema`},
		{object: `{replicas: x}`, want: `.replicas: expected numeric (int or float), got string`},
		{object: `{replicas: [1]}`, want: `.replicas: expected numeric (int or float), got []interface {}`},
		{object: `{image: 12345678}`, want: `.image: expected string, got &value.valueUnstructured{Value:1.2345678e+07}`},
		{object: `{image: {a: 1}}`, want: `.image: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":1}}`},
		{object: `{paused: "true"}`, want: `.paused: expected boolean, got &{true}`},
		{object: `{size: {a: [1]}}`, want: `.size: expected any scalar, got &{map[a:[1]]}`},
		{object: `{labels: x}`, want: `.labels: expected map, got &{x}`},
		{object: `{args: {}}`, want: `.args: expected list, got &{map[]}`},
		{object: `{args: [a, 1]}`, want: `.args[1]: expected string, got &value.valueUnstructured{Value:1}`},
		{object: `{selector: {a: 1}}`, want: `.selector.a: expected string, got &value.valueUnstructured{Value:1}`},
		{object: `{finalizers: [a, b, a]}`, want: `.finalizers: duplicate entries for key [="a"]`},
		{object: `{finalizers: [a, b, a]}`, live: true},
		{object: `{finalizers: [null]}`, want: `.finalizers: element 0: associative list without keys has an element that's an explicit null`},
		{object: `{ports: [{port: 1}, {port: 1, protocol: TCP}]}`, want: `.ports: duplicate entries for key [port=1,protocol="TCP"]`},
		{object: `{ports: [1]}`, want: `.ports: element 0: associative list with keys may not have non-map elements`},
		{object: `{ports: [{port: 1, name: 2}], replicas: x}`, want: "errors:\n" +
			`  .ports[port=1,protocol="TCP"].name: expected string, got &value.valueUnstructured{Value:2}` + "\n" +
			`  .replicas: expected numeric (int or float), got string`},
	} {
		err := Validate(parsed(t, c.object), schema, c.live)
		var invalid *Invalid
		if errors.As(err, &invalid) && invalid.Live != c.live || err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", c.object, err, c.want)
		}
	}
	if err := Validate("x", schema, false); err == nil || err.Error() != "expected map, got &{x}" {
		t.Error(err)
	}
}

// TestMergedOrder: the elements of a merged list stand where the package says.
func TestMergedOrder(t *testing.T) {
	schema := schemaOf(t, workload)
	for _, c := range []struct{ live, config, want string }{
		{"a b", "c", "a b c"},
		{"a b c", "c a", "b c a"},
		{"a b", "b x a", "b x a"},
		{"a b c d", "d", "a b c d"},
		{"a b c d", "x c z", "a b x c d z"},
		{"a b", "a b", "a b"},
		{"", "b a", "b a"},
		{"a a b", "b", "a a b"},
		{"a a b", "b a", "b a"},
		{"a b a", "a", "a b"},
		{"a b c d e f", "e a x c", "b d e f a x c"},
	} {
		list := func(s string) map[string]any { return parsed(t, "finalizers: ["+strings.ReplaceAll(s, " ", ", ")+"]") }
		live, config := list(c.live), list(c.config)
		out, changed := merge(live, config, schema)
		if got := strings.Trim(fmt.Sprint(tree.List(out, "finalizers")), "[]"); got != c.want || changed == tree.Equal(out, live) {
			t.Errorf("%s with %s: %s, changed %v; want %s", c.live, c.config, got, changed, c.want)
		}
	}
}

// TestMergeShares: what does not change is the live object's own, also in one that changes elsewhere.
func TestMergeShares(t *testing.T) {
	schema := schemaOf(t, workload)
	live := parsed(t, `{labels: {a: x}, ports: [{port: 1}], args: [a], image: i}`)
	out, changed := merge(live, parsed(t, `{labels: {a: x}, ports: [{port: 1.0}], args: [a], selector: null}`), schema)
	tree.Object(live, "labels")["seen"] = "y"
	if !changed || tree.Text(out, "labels", "seen") != "y" || tree.At(live, "selector") != nil {
		t.Errorf("%v of %v", out, live)
	}
	if _, ok := live["selector"]; ok {
		t.Error("the live object was changed")
	}
	for _, config := range []string{`{}`, `{labels: null}`, `{labels: {}}`, `{ports: []}`, `{ports: null}`, `{image: i}`} {
		if _, changed := merge(live, parsed(t, config), schema); changed {
			t.Errorf("%s changes something", config)
		}
	}
}

// actors apply and update one object and keep what came of it.
type actors struct {
	t        *testing.T
	versions oneVersion
	live     map[string]any
	owners   Owners
}

func (a *actors) update(manager, object string) {
	a.t.Helper()
	next := parsed(a.t, object)
	owners, err := UpdateOwners(a.live, next, "v1", manager, a.owners, a.versions)
	if err != nil {
		a.t.Fatal(err)
	}
	a.live, a.owners = next, owners
}

func (a *actors) apply(manager, config string, force bool) error {
	a.t.Helper()
	merged, owners, err := Apply(a.live, parsed(a.t, config), "v1", manager, force, a.owners, a.versions)
	if err != nil {
		return err
	}
	if a.owners = owners; merged != nil {
		a.live = merged
	}
	return nil
}

// is compares the object and all owners.
func (a *actors) is(object string, owners map[string]string) {
	a.t.Helper()
	if want := parsed(a.t, object); !tree.Equal(a.live, want) {
		a.t.Errorf("the object is %v, want %v", a.live, want)
	}
	if len(owners) != len(a.owners) {
		a.t.Errorf("owners are %v, want %v", a.owners, owners)
	}
	for name, set := range owners {
		if got := string(a.owners[name].Set.AppendJSON(nil)); got != set {
			a.t.Errorf("%s owns %s, want %s", name, got, set)
		}
	}
}

// TestApplyInOnePage is the example at the head of apply.go.
func TestApplyInOnePage(t *testing.T) {
	a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload)}}
	if err := a.apply("helm", `{replicas: 3, image: a}`, false); err != nil {
		t.Fatal(err)
	}
	a.update("kubectl", `{replicas: 3, image: a, labels: {x: "1"}}`)
	if err := a.apply("helm", `{image: b, labels: {z: "2"}}`, false); err != nil {
		t.Fatal(err)
	}
	a.is(`{image: b, labels: {x: "1", z: "2"}}`, map[string]string{
		"helm": `{"f:image":{},"f:labels":{"f:z":{}}}`, "kubectl": `{"f:labels":{".":{},"f:x":{}}}`,
	})
}

// TestConflicts: texts and order are upstream's, and force takes the fields.
func TestConflicts(t *testing.T) {
	a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload)}}
	a.update("b", `{replicas: 1, labels: {x: "1"}, ports: [{port: 1}]}`)
	a.update("a", `{replicas: 1, labels: {x: "1"}, ports: [{port: 1, name: o}], image: i}`)
	conflicts := func(config string) (lines []string) {
		var c *Conflicts
		if err := a.apply("c", config, false); !errors.As(err, &c) {
			t.Fatal(err)
		}
		for _, of := range c.Conflicts {
			of.Each(func(path string) bool {
				lines = append(lines, of.Manager+" "+path)
				return true
			})
		}
		if want := fmt.Sprintf("%d fields of other managers would change", len(lines)); c.Error() != want {
			t.Errorf("%v, want %s", c, want)
		}
		return lines
	}
	if got := conflicts(`{replicas: 2}`); !slices.Equal(got, []string{"b .replicas"}) {
		t.Error(got)
	}
	got := conflicts(`{replicas: 2, labels: {x: "2"}, ports: [{port: 1, name: m}], image: j}`)
	if want := []string{"a .image", `a .ports[port=1,protocol="TCP"].name`, "b .replicas", "b .labels.x"}; !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	if err := a.apply("c", `{replicas: 2, labels: {x: "2"}, ports: [{port: 1, name: m}], image: j}`, true); err != nil {
		t.Fatal(err)
	}
	a.is(`{replicas: 2, labels: {x: "2"}, ports: [{port: 1, name: m}], image: j}`, map[string]string{
		"b": `{"f:labels":{},"f:ports":{".":{},"k:{\"port\":1,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}`,
		"c": `{"f:image":{},"f:labels":{"f:x":{}},` +
			`"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}},"f:replicas":{}}`,
	})
}

// TestNothingNew: an apply that changes nothing has no object, and owners all the same.
func TestNothingNew(t *testing.T) {
	v := oneVersion{schema: schemaOf(t, workload)}
	live := parsed(t, `{replicas: 1}`)
	merged, owners, err := Apply(live, parsed(t, `{replicas: 1.0}`), "v1", "a", false, nil, v)
	if merged != nil || err != nil || len(owners) != 1 || !owners["a"].Applied {
		t.Error(merged, owners, err)
	}
	if _, _, err := Apply(live, live, "v2", "a", false, nil, v); err != errNotServed {
		t.Error(err)
	}
	if _, err := UpdateOwners(live, live, "v2", "a", nil, v); err != errNotServed {
		t.Error(err)
	}
}

// TestReset: what a write never changes it does not own, whoever it is of, and does not prune.
func TestReset(t *testing.T) {
	a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload), reset: fieldset.Exclude(fieldset.New(fieldset.Fields("status")))}}
	if err := a.apply("a", `{image: i, status: {x: 1}}`, false); err != nil {
		t.Fatal(err)
	}
	a.update("b", `{image: i, replicas: 1, status: {x: 2}}`)
	a.is(`{image: i, replicas: 1, status: {x: 2}}`, map[string]string{"a": `{"f:image":{}}`, "b": `{"f:replicas":{}}`})
}

// TestLongLists: what many elements cost grows with their number.
func TestLongLists(t *testing.T) {
	v := oneVersion{schema: schemaOf(t, workload)}
	list := func(from, to int) map[string]any {
		ports := make([]any, 0, to-from)
		for i := from; i < to; i++ {
			ports = append(ports, map[string]any{"port": int64(i), "name": "o"})
		}
		return map[string]any{"ports": ports}
	}
	begin := time.Now()
	const n = 50_000
	merged, owners, err := Apply(nil, list(0, n), "v1", "a", false, nil, v)
	if err != nil {
		t.Fatal(err)
	}
	merged, owners, err = Apply(merged, list(n/2, n+n/2), "v1", "a", false, owners, v)
	if err != nil || len(tree.List(merged, "ports")) != n {
		t.Fatal(len(tree.List(merged, "ports")), err)
	}
	if _, _, err = Apply(merged, list(n, n+1), "v1", "b", true, owners, v); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("took %v", took)
	} else {
		t.Log(took)
	}
}

// FuzzApply applies any body to any object of a manager that owns anything and of another that owns something. Neither object is
// changed, what comes out can be written, owners are sets that are read again as they are written, and who applies the same again is
// in nobody's way.
func FuzzApply(f *testing.F) {
	for _, c := range [][4]string{
		{`{replicas: 1, labels: {x: "1"}}`, `{replicas: 2, labels: {y: "1"}}`, `{"f:labels":{"f:x":{}}}`, `{"f:replicas":{}}`},
		{`{ports: [{port: 1}, {port: 2, protocol: UDP}], finalizers: [a, b]}`, `{ports: [{port: 2, protocol: UDP, name: n}], finalizers: [b, c]}`,
			`{"f:finalizers":{"v:\"a\"":{}},"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}`, `{"f:ports":{".":{}}}`},
		{`{args: [a], selector: {a: b}, status: {a: [1, {b: null}]}}`, `{args: [], selector: null, status: {a: [], c: {}}}`,
			`{"f:args":{},"f:selector":{},"f:status":{".":{},"f:a":{}}}`, `{"f:args":{"i:0":{}},"f:status":{}}`},
		{`{finalizers: [a, a, b]}`, `{finalizers: [b, a]}`, `{"f:finalizers":{".":{},"v:\"a\"":{}}}`, `{"f:finalizers":{"v:1":{}},"f:gone":{"f:x":{}}}`},
		{``, `{image: i}`, `{}`, `{"f:image":{}}`},
	} {
		f.Add(c[0], c[1], c[2], c[3], true)
		f.Add(c[0], c[1], c[2], c[3], false)
	}
	v := oneVersion{schema: schemaOf(f, workload)}
	object := func(text string) (map[string]any, bool) {
		obj, _, err := tree.ParseYAMLObject([]byte(text))
		m, ok := obj.(map[string]any)
		return m, err == nil && (ok || obj == nil)
	}
	f.Fuzz(func(t *testing.T, before, body, mine, theirs string, force bool) {
		live, ok := object(before)
		config, good := object(body)
		own, errOwn := fieldset.Parse(mine)
		others, errOthers := fieldset.Parse(theirs)
		if !ok || !good || errOwn != nil || errOthers != nil {
			return
		}
		liveText, configText := tree.AppendJSON(nil, any(live)), tree.AppendJSON(nil, any(config))
		owners := Owners{"me": {own, "v1", true}, "you": {others, "v1", false}}
		merged, owners, err := Apply(live, config, "v1", "me", force, owners, v)
		if string(tree.AppendJSON(nil, any(live))) != string(liveText) || string(tree.AppendJSON(nil, any(config))) != string(configText) {
			t.Fatalf("%s with %s: became %v with %v", liveText, configText, live, config)
		}
		if err != nil {
			return
		}
		for name, o := range owners {
			written := o.Set.AppendJSON(nil)
			if again, err := fieldset.Parse(written); err != nil || !again.Equal(o.Set) || o.Set.IsEmpty() {
				t.Errorf("%s owns %s, which is read as %v: %v", name, written, again, err)
			}
		}
		if merged == nil {
			merged = live
		}
		checkPatchEncodable(t, any(merged))
		if _, _, err := Apply(merged, config, "v1", "me", false, owners, v); err != nil {
			t.Errorf("%s with %s is %v; the same again: %v", liveText, configText, merged, err)
		}
	})
}

// TestManyOwners: owners beyond a handful are held beside what is contested alone, which changes nothing of what they lose.
func TestManyOwners(t *testing.T) {
	const n = 10 * fewOwners
	a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload)}}
	want := map[string]string{}
	for i := range n {
		if err := a.apply(fmt.Sprint("m", i), fmt.Sprintf(`{labels: {k%d: a, k%d: a}}`, i, (i+1)%n), false); err != nil {
			t.Fatal(err)
		}
	}
	err := a.apply("x", `{labels: {k0: b, k7: b}}`, false)
	if c := new(Conflicts); !errors.As(err, &c) || len(c.Conflicts) != 4 {
		t.Fatal(err)
	}
	if err := a.apply("x", `{labels: {k0: b, k7: b}}`, true); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		set := fieldset.New(fieldset.Fields("labels", fmt.Sprint("k", i)), fieldset.Fields("labels", fmt.Sprint("k", (i+1)%n)))
		set = set.Difference(fieldset.New(fieldset.Fields("labels", "k0"), fieldset.Fields("labels", "k7")))
		want[fmt.Sprint("m", i)] = string(set.AppendJSON(nil))
	}
	want["x"] = `{"f:labels":{"f:k0":{},"f:k7":{}}}`
	live := a.live
	a.is(string(tree.AppendJSON(nil, live)), want)
	// An update takes from them what it removes, and they are no owners then.
	a.update("y", `{}`)
	a.is(`{}`, nil)
}

// TestManyFaults: a long name above many faults costs no more than a multiple of both.
func TestManyFaults(t *testing.T) {
	schema := schemaOf(t, workload)
	wrong := make([]any, 100_000)
	for i := range wrong {
		wrong[i] = map[string]any{"port": int64(i), "name": true}
	}
	for _, c := range []struct {
		object any
		most   int
	}{
		{map[string]any{"ports": wrong}, 100 * len(wrong)},
		{map[string]any{"ports": []any{map[string]any{"port": strings.Repeat("x", 1<<20), "name": true, "protocol": int64(1)}}}, 4 << 20},
	} {
		err := Validate(c.object, schema, false)
		if err == nil || len(err.Error()) > c.most || !strings.Contains(err.Error(), "expected ") {
			t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
		}
	}
}
