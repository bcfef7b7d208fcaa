package kinds

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/fieldset"
)

// ownedTable has a field of every form that is owned in its own way.
const ownedTable = `package model x.kinds
type Port
  port 1 int32!, protocol 2 string ==TCP, name 3 string!
type Ref atomic
  name 1 string
type Nothing
type Head
  kind 1 string
type Whole
  + 1 Head
  text 2 string, data 3 bytes, on 4 bool, count 5 int64, part 6 double, time 7 time, size 8 quantity
  either 9 intstr, any 10 raw:JSON, object 11 raw:Fields{}, extension 12 raw:runtime.RawExtension, schema 13 Port|bool=2
  ref 14 Ref, port 15 Port, whole 16 Port atomic, parts 17 Ref granular, nothing 18 Nothing
  labels 19 {}string, selector 20 {}string atomic, lists 21 {}[]string, ports 22 {}Port
  words 23 []string, set 24 []string set, list 25 []Port atomic, keyed 26 []Port keys:port,protocol
`

// TestOwned: what is said of each form of a field, and of what is below it. Upstream's own kinds are compared in
// interop; here each form stands by itself.
func TestOwned(t *testing.T) {
	text := strings.ReplaceAll(ownedTable, "Port|bool=2", "Port=1|bool=2")
	root := typeForTest(t, text, "model.Whole").Owned()
	for path, want := range map[string]string{
		"":     "{0 0 2 [] false}",
		"kind": "named {3 0 0 [] false}", // of the type that is embedded
		"text": "named {3 0 0 [] false}", "data": "named {3 0 0 [] false}", "on": "named {4 0 0 [] false}",
		"count": "named {2 0 0 [] false}", "part": "named {2 0 0 [] false}",
		"time": "named {1 0 0 [] false}", "size": "named {1 0 0 [] false}",
		"either": "named {1 1 2 [] true}", "any": "named {1 1 2 [] true}", "schema": "named {1 1 2 [] true}",
		"object": "named {0 0 2 [] true}", "extension": "named {1 1 1 [] false}", "object x": "{1 1 2 [] true}",
		"extension x": "{1 1 1 [] false}", "extension []": "{1 1 1 [] false}", "schema x": "{1 1 2 [] true}",
		"ref": "named {0 0 1 [] false}", "port": "named {0 0 2 [] false}", "ref name": "named {3 0 0 [] false}", "ref x": "nil",
		"whole": "named {0 0 1 [] false}", "parts": "named {0 0 2 [] false}", "whole port": "named {2 0 0 [] false} 0",
		"nothing": "named {0 0 2 [] true}", "nothing x": "{1 1 2 [] true}",
		"labels": "named {0 0 2 [] false}", "labels x": "{3 0 0 [] false}", "selector": "named {0 0 1 [] false}",
		"lists": "named {0 0 2 [] false}", "lists x": "{0 1 0 [] false}", "lists x []": "{3 0 0 [] false}", "lists []": "nil",
		"lists x x": "nil", "ports x": "{0 0 2 [] false}", "ports x name": `named {3 0 0 [] false} ""`,
		"words": "named {0 1 0 [] false}", "words []": "{3 0 0 [] false}", "words x": "nil", "set": "named {0 2 0 [] false}",
		"list": "named {0 1 0 [] false}", "list []": "{0 0 2 [] false}", "keyed": "named {0 3 0 [port protocol] false}",
		"keyed [] port": "named {2 0 0 [] false} 0", "keyed [] protocol": `named {3 0 0 [] false} "TCP"`,
		"text x": "nil", "text []": "nil", "x": "nil", "[]": "nil",
	} {
		if got := placeAt(root, path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

// placeAt writes what is said of the place at a path of fields and, as [], of items.
func placeAt(s fieldset.Schema, path string) string {
	said := ""
	for _, step := range strings.Fields(path) {
		if said = ""; step == "[]" {
			s = s.Items()
		} else {
			var named bool
			if s, named = s.Field(step); named {
				said = "named "
			}
		}
		if s == nil {
			return "nil"
		}
	}
	if said += fmt.Sprint(s.Atom()); s.Default() != nil && len(fmt.Sprintf("%#v", s.Default())) < 9 {
		said += fmt.Sprintf(" %#v", s.Default())
	}
	return said
}

// TestOwnedDoesNotAllocate: a walk by the views costs no memory, nor does comparing them.
func TestOwnedDoesNotAllocate(t *testing.T) {
	table, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	pod := table.Kind("", "v1", "Pod").Type()
	if n := testing.AllocsPerRun(100, func() {
		spec, _ := pod.Owned().Field("spec")
		containers, _ := spec.Field("containers")
		ports, _ := containers.Items().Field("ports")
		a := ports.Atom()
		for _, key := range a.Keys {
			f, _ := ports.Items().Field(key)
			if f.Default() == nil || f == ports {
				t.Error(key, "has no default")
			}
		}
		meta, _ := pod.Owned().Field("metadata")
		if refs, _ := meta.Field("ownerReferences"); refs.Atom().List != fieldset.Keyed || refs.Atom().Keys[0] != "uid" {
			t.Error("references to owners are not told apart by uid")
		}
	}); n != 0 {
		t.Error(n, "allocations")
	}
}

// TestResets: what writes to the parts of some kinds own of an object with a field everywhere.
func TestResets(t *testing.T) {
	table, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := fieldset.Parse([]byte(`{"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}},"f:spec":{"f:x":{}},"f:status":{"f:x":{},"f:conditions":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	const metadata, spec, status = `"f:metadata":{"f:labels":{"f:a":{}},"f:ownerReferences":{}}`, `"f:spec":{"f:x":{}}`, `"f:status":{"f:conditions":{},"f:x":{}}`
	for _, c := range []struct{ resource, part, want string }{
		{"configmaps", "", metadata + "," + spec + "," + status},
		{"deployments.apps", "", metadata + "," + spec},
		{"deployments.apps", "scale", metadata + "," + spec + "," + status},
		{"deployments.apps", "status", `"f:metadata":{"f:ownerReferences":{}},` + status},
		{"jobs.batch", "status", metadata + "," + status},
		{"pods", "status", `"f:metadata":{"f:labels":{"f:a":{}}},` + status},
		{"namespaces", "finalize", metadata + "," + spec},
		{"flowschemas.flowcontrol.apiserver.k8s.io", "status", status},
		{"certificatesigningrequests.certificates.k8s.io", "", metadata},
		{"certificatesigningrequests.certificates.k8s.io", "status", metadata + `,"f:status":{"f:x":{}}`},
		{"subjectaccessreviews.authorization.k8s.io", "", metadata + "," + spec + "," + status},
	} {
		for _, row := range table.Kinds {
			if row.Qualified() != c.resource {
				continue
			}
			if got := string(row.Resets(c.part).Apply(all).AppendJSON(nil)); got != "{"+c.want+"}" {
				t.Errorf("%s/%s owns %s, want {%s}", c.resource, c.part, got, c.want)
			}
		}
	}
	custom := &Row{HasStatus: true}
	if got := string(custom.Resets("status").Apply(all).AppendJSON(nil)); got != "{"+status+"}" {
		t.Error("the status of a custom resource:", got)
	}
	if got := string(custom.Resets("").Apply(all).AppendJSON(nil)); got != "{"+metadata+","+spec+"}" {
		t.Error("a custom resource:", got)
	}
}
