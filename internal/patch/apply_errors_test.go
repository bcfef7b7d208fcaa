package patch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// twoVersions is a kind whose v1 and v2 have one schema, where v2 says .old for what is .image in v1. A conversion to the version fails
// is an error, and one to the version breaks gives what no schema allows.
type twoVersions struct {
	schema        fieldset.Schema
	fails, breaks string
	asked         *int // conversions so far
}

func (v twoVersions) Schema(version string) (fieldset.Schema, bool) {
	return v.schema, version == "v1" || version == "v2"
}
func (v twoVersions) Convert(obj map[string]any, _, to string) (map[string]any, error) {
	if v.asked != nil {
		*v.asked++
	}
	if to == v.fails {
		return nil, errors.New("no way to " + to)
	}
	out := tree.Copy(obj).(map[string]any)
	from, into := "image", "old"
	if to == "v1" {
		from, into = into, from
	}
	if x, ok := out[from]; ok {
		delete(out, from)
		out[into] = x
	}
	if to == v.breaks {
		out["foo"] = "x"
	}
	return out, nil
}
func (v twoVersions) Reset(string) *fieldset.Filter { return nil }

const bothVersions = `
types:
- name: t
  map:
    fields:
    - {name: replicas, type: {scalar: numeric}}
    - {name: image, type: {scalar: string}}
    - {name: old, type: {scalar: string}}
    - {name: finalizers, type: {list: {elementType: {scalar: string}, elementRelationship: associative}}}
`

// ownerOf returns an owner of fields, which are FieldsV1.
func ownerOf(t testing.TB, version, fields string) Owner {
	t.Helper()
	set, err := fieldset.Parse(fields)
	if err != nil {
		t.Fatal(err)
	}
	return Owner{Set: set, Version: version}
}

// shown writes owners, one a line in the order of their names.
func shown(owners Owners) string {
	var lines []string
	for _, name := range tree.SortedKeys(map[string]any{"a": 1, "b": 1, "c": 1}) {
		if o, ok := owners[name]; ok {
			lines = append(lines, fmt.Sprintf("%s %s %s %v", name, o.Version, o.Set.AppendJSON(nil), o.Applied))
		}
	}
	return strings.Join(lines, "\n")
}

// TestOwnersOfVersions: what an owner loses, and what conflicts, is found in the version in which it wrote.
func TestOwnersOfVersions(t *testing.T) {
	for _, tt := range []struct {
		name, live, config string
		owners             map[string]string // version and fields
		force              bool
		merged, want, err  string
	}{
		{name: "the same field by another name", live: `{image: x}`, config: `{image: z}`, owners: map[string]string{"b": `v2 {"f:old":{}}`},
			err: "b .old"},
		{name: "taken by another name", live: `{image: x}`, config: `{image: z}`, owners: map[string]string{"b": `v2 {"f:old":{}}`}, force: true,
			merged: `{image: z}`, want: `a v1 {"f:image":{}} true`},
		{name: "a field of that name which is not there", live: `{image: x}`, config: `{image: z}`, owners: map[string]string{"b": `v2 {"f:image":{}}`},
			merged: `{image: z}`, want: "a v1 {\"f:image\":{}} true\nb v2 {\"f:image\":{}} false"},
		{name: "the same value is shared", live: `{image: x}`, config: `{image: x}`, owners: map[string]string{"b": `v2 {"f:old":{}}`},
			want: "a v1 {\"f:image\":{}} true\nb v2 {\"f:old\":{}} false"},
		{name: "pruned in the version of the last apply", live: `{image: x, replicas: 1}`, config: `{replicas: 1}`,
			owners: map[string]string{"a": `v2 {"f:old":{},"f:replicas":{}}`}, merged: `{replicas: 1}`, want: `a v1 {"f:replicas":{}} true`},
		{name: "kept, since another owns it", live: `{image: x, replicas: 1}`, config: `{replicas: 1}`,
			owners: map[string]string{"a": `v1 {"f:image":{},"f:replicas":{}}`, "b": `v2 {"f:old":{}}`},
			want:   "a v1 {\"f:replicas\":{}} true\nb v2 {\"f:old\":{}} false"},
		{name: "a last apply in a version that is gone prunes nothing", live: `{image: x}`, config: `{replicas: 1}`,
			owners: map[string]string{"a": `v9 {"f:image":{}}`}, merged: `{image: x, replicas: 1}`, want: `a v1 {"f:replicas":{}} true`},
		{name: "owners in a version that is gone are none", live: `{image: x}`, config: `{image: z}`, owners: map[string]string{"b": `v9 {"f:image":{}}`},
			merged: `{image: z}`, want: `a v1 {"f:image":{}} true`},
		{name: "an empty configuration takes away its manager", live: `{image: x}`, config: `{}`, owners: map[string]string{"a": `v1 {"f:image":{}}`},
			merged: `{}`, want: ""},
		{name: "of two managers, by their names", live: `{image: x, replicas: 1}`, config: `{image: z, replicas: 2}`,
			owners: map[string]string{"c": `v1 {"f:image":{},"f:replicas":{}}`, "b": `v2 {"f:old":{}}`}, err: "b .old, c .image, c .replicas"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owners := Owners{}
			for name, text := range tt.owners {
				version, fields, _ := strings.Cut(text, " ")
				owners[name] = ownerOf(t, version, fields)
			}
			before := shown(owners)
			merged, got, err := Apply(parsed(t, tt.live), parsed(t, tt.config), "v1", "a", tt.force, owners, twoVersions{schema: schemaOf(t, bothVersions)})
			if shown(owners) != before {
				t.Errorf("the owners that were given have become\n%s", shown(owners))
			}
			if c := new(Conflicts); errors.As(err, &c) {
				var lines []string
				for _, of := range c.Conflicts {
					of.Each(func(path string) bool {
						lines = append(lines, of.Manager+" "+path)
						return true
					})
				}
				if text := strings.Join(lines, ", "); text != tt.err || merged != nil || got != nil {
					t.Errorf("conflicts %s, want %s", text, tt.err)
				}
				return
			}
			if err != nil || tt.err != "" {
				t.Fatalf("%v, want %s", err, tt.err)
			}
			if shown(got) != tt.want {
				t.Errorf("owners are\n%s\nwant\n%s", shown(got), tt.want)
			}
			if (merged == nil) != (tt.merged == "") || merged != nil && !tree.Equal(merged, parsed(t, tt.merged)) {
				t.Errorf("merged is %v, want %s", merged, tt.merged)
			}
		})
	}
}

// TestFaultsOfVersions: what is no conversion, and what comes of one and fits no schema, fails a write and changes nothing.
func TestFaultsOfVersions(t *testing.T) {
	const undeclared = ".foo: field not declared in schema"
	owners := Owners{"a": ownerOf(t, "v2", `{"f:old":{}}`), "b": ownerOf(t, "v1", `{"f:replicas":{}}`)}
	for _, tt := range []struct {
		name          string
		fails, breaks string
		live          string
		want          string
	}{
		{name: "no way for the live object", fails: "v2", live: `{image: x}`, want: "no way to v2"},
		{name: "the live object fits no schema", breaks: "v2", live: `{image: x}`, want: undeclared},
		{name: "no way for a new object", fails: "v2", want: "no way to v2"},
		{name: "a new object fits no schema", breaks: "v2", want: undeclared},
		{name: "no way back", fails: "v1", live: `{image: x}`, want: "no way to v1"},
		{name: "what comes back fits no schema", breaks: "v1", live: `{image: x}`, want: undeclared},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := twoVersions{schema: schemaOf(t, bothVersions), fails: tt.fails, breaks: tt.breaks}
			var live map[string]any
			if tt.live != "" {
				live = parsed(t, tt.live)
			}
			merged, got, err := Apply(live, parsed(t, `{replicas: 1}`), "v1", "a", false, owners, v)
			if merged != nil || got != nil || err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("apply: %v, want %s", err, tt.want)
			}
			if invalid := new(Invalid); errors.As(err, &invalid) {
				t.Errorf("%v is told of what is applied", err)
			}
			got, err = UpdateOwners(live, parsed(t, `{replicas: 1}`), "v1", "b", owners, v)
			if toOwner := tt.fails == "v2" || tt.breaks == "v2"; toOwner && (got != nil || err == nil || !strings.HasSuffix(err.Error(), tt.want)) || !toOwner && err != nil {
				t.Errorf("update: %v, want %s", err, tt.want)
			}
		})
	}
}

// TestConvertsOnce: the live object is converted once for all owners in a version, and not at all where all are in that of the request.
func TestConvertsOnce(t *testing.T) {
	asked := 0
	v := twoVersions{schema: schemaOf(t, bothVersions), asked: &asked}
	live, next := parsed(t, `{image: x}`), parsed(t, `{image: z}`)
	for _, tt := range []struct {
		version string
		want    int
	}{{"v1", 0}, {"v2", 2}} {
		asked = 0
		owners := Owners{}
		for i := range 5 {
			owners[fmt.Sprint("m", i)] = ownerOf(t, tt.version, `{"f:replicas":{}}`)
		}
		got, err := UpdateOwners(live, next, "v1", "a", owners, v)
		if err != nil || len(got) != 6 || asked != tt.want {
			t.Errorf("%d conversions for owners in %s, want %d: %v", asked, tt.version, tt.want, err)
		}
	}
}

// TestInvalid: an error tells whether the live object or the configuration is at fault, which of both is looked at first.
func TestInvalid(t *testing.T) {
	v := oneVersion{schema: schemaOf(t, workload)}
	for _, tt := range []struct {
		live, config, want string
		isLive             bool
	}{
		{`{foo: 1}`, `{image: i}`, ".foo: field not declared in schema", true},
		{`{}`, `{foo: 1}`, ".foo: field not declared in schema", false},
		{`{foo: 1}`, `{bar: 1}`, ".bar: field not declared in schema", false},
		{`{finalizers: [a, a]}`, `{finalizers: [b, b]}`, `.finalizers: duplicate entries for key [="b"]`, false},
		{`{finalizers: [null]}`, `{}`, ".finalizers: element 0: associative list without keys has an element that's an explicit null", true},
	} {
		_, _, err := Apply(parsed(t, tt.live), parsed(t, tt.config), "v1", "a", true, nil, v)
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Live != tt.isLive || err.Error() != tt.want {
			t.Errorf("%s on %s: %v, want %s", tt.config, tt.live, err, tt.want)
		}
	}
}

// TestPrune: what a manager leaves out goes, with what is below it, but for what somebody owns and what never was its own.
func TestPrune(t *testing.T) {
	const mine = `{ports: [{port: 1, name: a}, {port: 2, name: b}], labels: {x: "1", y: "1"}, finalizers: [p, q], selector: {a: b}}`
	for _, tt := range []struct{ name, other, config, want string }{
		{"all", ``, `{}`, `{}`},
		{"one element", ``, `{ports: [{port: 2, name: b}]}`, `{ports: [{port: 2, name: b}]}`},
		{"a field of an element", ``, `{ports: [{port: 1}]}`, `{ports: [{port: 1}]}`},
		{"an element of a set", ``, `{finalizers: [q]}`, `{finalizers: [q]}`},
		{"an entry of a map", ``, `{labels: {y: "1"}}`, `{labels: {y: "1"}}`},
		{"owned by another as well", `{labels: {x: "1"}}`, `{}`, `{labels: {x: "1"}}`},
		{"a key of another", `{ports: [{port: 1}]}`, `{}`, `{ports: [{port: 1}]}`},
		{"a whole of another", `{selector: {a: b}}`, `{}`, `{selector: {a: b}}`},
		{"in the order of who applied last", `{finalizers: [q, p]}`, `{}`, `{finalizers: [q, p]}`},
		{"beside what another adds", `{labels: {z: "1"}}`, `{labels: {x: "1"}}`, `{labels: {x: "1", z: "1"}}`},
		{"an element of another's stays", `{ports: [{port: 3}]}`, `{ports: [{port: 2}]}`, `{ports: [{port: 2}, {port: 3}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload)}}
			for _, step := range [][2]string{{"a", mine}, {"b", tt.other}, {"a", tt.config}} {
				if step[1] == "" {
					continue
				}
				if err := a.apply(step[0], step[1], false); err != nil {
					t.Fatal(err)
				}
			}
			if want := parsed(t, tt.want); !tree.Equal(a.live, want) {
				t.Errorf("the object is %v, want %v", a.live, want)
			}
			if _, ok := a.owners["a"]; ok != (tt.config != `{}`) {
				t.Errorf("owners are %v", a.owners)
			}
		})
	}
}

// TestDangling: what nobody owns goes with an element that goes, and stays in what stays.
func TestDangling(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"its element goes", `{labels: {x: "1"}}`, `{labels: {x: "1", free: "1"}}`},
		{"its element stays", `{ports: [{port: 1}], labels: {x: "1"}}`, `{ports: [{port: 1, name: free}], labels: {x: "1", free: "1"}}`},
		{"its map goes by name", `{ports: [{port: 1}]}`, `{ports: [{port: 1, name: free}]}`},
	} {
		a := &actors{t: t, versions: oneVersion{schema: schemaOf(t, workload)}}
		if err := a.apply("a", `{ports: [{port: 1}], labels: {x: "1"}}`, false); err != nil {
			t.Fatal(err)
		}
		a.live = parsed(t, `{ports: [{port: 1, name: free}], labels: {x: "1", free: "1"}}`) // by somebody of whom nothing is kept
		if err := a.apply("a", tt.config, false); err != nil {
			t.Fatal(tt.name, err)
		}
		if want := parsed(t, tt.want); !tree.Equal(a.live, want) {
			t.Errorf("%s: %v, want %v", tt.name, a.live, want)
		}
	}
}

// TestEachStops: paths come level by level, and none behind the one at which the callee has enough.
func TestEachStops(t *testing.T) {
	set, err := fieldset.Parse(`{"f:a":{".":{},"f:b":{".":{},"f:c":{}}},"f:d":{"f:e":{}},"f:f":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{".a", ".f", ".a.b", ".a.b.c", ".d.e"}
	for n := range all {
		var got []string
		Conflict{Set: set}.Each(func(path string) bool {
			got = append(got, path)
			return len(got) <= n
		})
		if strings.Join(got, " ") != strings.Join(all[:n+1], " ") {
			t.Errorf("%v, want %v", got, all[:n+1])
		}
	}
}

// TestAddBack: in which step of pruning a conversion fails is said before why.
func TestAddBack(t *testing.T) {
	for _, tt := range []struct {
		name, last, other, breaks, live string
		want                            string
	}{
		{"to the last applied version", "v2", "", "v2", `{image: x}`, "to v2"},
		{"back to the version of the request", "v2", "", "v1", `{image: x}`, "failed to prune fields: failed add back owned items: failed to convert merged object at version v1: no way to v1"},
		{"to the version of another owner", "v1", "v2", "v2", ``, "no way to v2"},
	} {
		owners := Owners{"a": ownerOf(t, tt.last, `{"f:image":{},"f:old":{}}`)}
		if tt.other != "" {
			owners["b"] = ownerOf(t, tt.other, `{"f:finalizers":{}}`)
		}
		var live map[string]any
		if tt.live != "" {
			live = parsed(t, tt.live)
		}
		_, _, err := Apply(live, parsed(t, `{replicas: 1}`), "v1", "a", true, owners, twoVersions{schema: schemaOf(t, bothVersions), fails: tt.breaks})
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestRemove: what is taken away of each sort of value, and null where nothing is left or nothing can be told apart.
func TestRemove(t *testing.T) {
	schema := schemaOf(t, workload)
	for _, tt := range []struct{ object, set, want string }{
		{`{image: i, replicas: 1}`, `{"f:image":{}}`, `{replicas: 1}`},
		{`{image: i, replicas: 1}`, `{"f:paused":{}}`, `{image: i, replicas: 1}`},
		{`{image: i}`, `{"f:image":{"f:x":{}}}`, `{image: i}`},
		{`{image: i}`, `{"f:image":{}}`, ``},
		{`{labels: {a: x}}`, `{"f:labels":{"f:a":{}}}`, `{labels: null}`},
		{`{labels: {a: x, b: x}}`, `{"f:labels":{"f:a":{}}}`, `{labels: {b: x}}`},
		{`{selector: {a: x, b: x}}`, `{"f:selector":{"f:a":{}}}`, `{selector: null}`},
		{`{args: [a, b]}`, `{"f:args":{"i:0":{}}}`, `{args: null}`},
		{`{finalizers: [a, b, a]}`, `{"f:finalizers":{"v:\"a\"":{}}}`, `{finalizers: [b]}`},
		{`{finalizers: [a]}`, `{"f:finalizers":{"v:\"a\"":{}}}`, `{finalizers: null}`},
		{`{ports: [{port: 1, name: x}, {port: 2}]}`, `{"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{"f:name":{}}}}`, `{ports: [{port: 1}, {port: 2}]}`},
		{`{ports: [{port: 1}, {port: 2}]}`, `{"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{"f:port":{}}}}`, `{ports: [{port: 2}]}`},
		{`{ports: [{port: 1}, {port: 1, protocol: UDP}]}`, `{"f:ports":{"k:{\"port\":1,\"protocol\":\"TCP\"}":{}}}`, `{ports: [{port: 1, protocol: UDP}]}`},
		{`{labels: {a: x}}`, `{"f:labels":{"v:\"a\"":{}}}`, `{labels: {a: x}}`},
		{`{status: {a: {b: 1, c: 2}}}`, `{"f:status":{"f:a":{"f:b":{}}}}`, `{status: {a: {c: 2}}}`},
	} {
		object := parsed(t, tt.object)
		set, err := fieldset.Parse(tt.set)
		if err != nil {
			t.Fatal(tt.set, err)
		}
		got := removeFrom(object, set, schema)
		if (got == nil) != (tt.want == "") || got != nil && !tree.Equal(got, parsed(t, tt.want)) {
			t.Errorf("%s less %s is %v, want %s", tt.object, tt.set, got, tt.want)
		}
		if !tree.Equal(object, parsed(t, tt.object)) {
			t.Errorf("%s has become %v", tt.object, object)
		}
	}
}

// TestMergedSorts: what is merged by the sort of what is applied, whatever the live value was, and what null and nothing take away: nothing.
func TestMergedSorts(t *testing.T) {
	schema := schemaOf(t, workload)
	for _, tt := range []struct {
		live, config, want string
		changed            bool
	}{
		{`{status: {a: 1}}`, `{status: {b: 1}}`, `{status: {a: 1, b: 1}}`, true},
		{`{status: {a: 1}}`, `{status: x}`, `{status: x}`, true},
		{`{status: x}`, `{status: {a: 1}}`, `{status: {a: 1}}`, true},
		{`{status: {a: [1]}}`, `{status: {a: [2]}}`, `{status: {a: [2]}}`, true},
		{`{args: [a, b]}`, `{args: [b]}`, `{args: [b]}`, true},
		{`{args: [a]}`, `{args: null}`, `{args: null}`, true},
		{`{selector: {a: x}}`, `{selector: {b: x}}`, `{selector: {b: x}}`, true},
		{`{selector: {a: x}}`, `{selector: {a: x}}`, `{selector: {a: x}}`, false},
		{`{labels: {a: x}}`, `{labels: null}`, `{labels: {a: x}}`, false},
		{`{ports: [{port: 1}]}`, `{ports: null}`, `{ports: [{port: 1}]}`, false},
		{`{replicas: 1}`, `{replicas: null}`, `{replicas: null}`, true},
		{`{}`, `{labels: null}`, `{labels: null}`, true},
		{`{ports: [{port: 1, name: a}]}`, `{ports: [{port: 1, protocol: TCP}]}`, `{ports: [{port: 1, name: a, protocol: TCP}]}`, true},
	} {
		live := parsed(t, tt.live)
		got, changed := merge(live, parsed(t, tt.config), schema)
		if !tree.Equal(got, parsed(t, tt.want)) || changed != tt.changed {
			t.Errorf("%s with %s is %v, changed %v, want %s", tt.live, tt.config, got, changed, tt.want)
		}
		if !tree.Equal(live, parsed(t, tt.live)) {
			t.Errorf("%s has become %v", tt.live, live)
		}
	}
}
