package api_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// What a changing definition does to stored objects, beside a model: an object is a set of fields
// that were written and the version that they are stored in, a version is a set of fields that it
// knows, and to read is to intersect all three: what the version that an object is stored in no longer
// knows, no other version shows (upstream).

// gearVersion is a version of the model's definition.
type gearVersion struct {
	served bool
	fields map[string]bool
}

// gears is the model: two versions, which of them is stored, and the objects as they are stored.
type gears struct {
	versions [2]gearVersion
	storage  int
	stored   map[string]gear
}

// gear is a stored object: the number of its version, and its fields.
type gear struct {
	version int
	fields  map[string]int64
}

// known is the fields of a set that a version has.
func (v *gearVersion) known(fields map[string]int64) map[string]int64 {
	out := maps.Clone(fields)
	maps.DeleteFunc(out, func(f string, _ int64) bool { return !v.fields[f] })
	return out
}

// write stores what a version was given, in the version that is stored. A field that either does
// not know is lost, also by a write that changes nothing that its version shows (upstream).
func (g *gears) write(name string, version int, fields map[string]int64) {
	g.stored[name] = gear{g.storage, g.versions[g.storage].known(g.versions[version].known(fields))}
}

// read returns what a version shows of an object.
func (g *gears) read(name string, version int) map[string]int64 {
	o := g.stored[name]
	return g.versions[version].known(g.versions[o.version].known(o.fields))
}

// definition is the model's as it is sent.
func (g *gears) definition() map[string]any {
	var list []string
	for i := range g.versions {
		v := &g.versions[i]
		var fields []string
		for _, f := range slices.Sorted(maps.Keys(v.fields)) {
			fields = append(fields, f+":integer")
		}
		text := version(fmt.Sprint("v", i+1), i == g.storage, fields...)
		if !v.served {
			text = strings.Replace(text, `"served":true`, `"served":false`, 1)
		}
		list = append(list, text)
	}
	return definitionOf("gears", "Gear", "Namespaced", versions(list...))
}

// gearFields is a random set of fields.
func gearFields(rng *rand.Rand) map[string]bool {
	out := map[string]bool{}
	for _, f := range []string{"a", "b", "c", "d"} {
		if rng.IntN(3) > 0 {
			out[f] = true
		}
	}
	return out
}

// TestObjectsOfAChangingDefinition: fields come and go, the stored version changes, versions are
// served and are not, and between that objects are written and read in both: each read is what the
// model says.
func TestObjectsOfAChangingDefinition(t *testing.T) {
	for seed := range uint64(6) {
		c := startClients(t)
		rng := rand.New(rand.NewPCG(seed, 7))
		g := &gears{stored: map[string]gear{}}
		for i := range g.versions {
			g.versions[i] = gearVersion{true, gearFields(rng)}
		}
		c.Must(201, "POST", definitionsPath, g.definition())
		path := func(v int) string { return fmt.Sprintf("/apis/example.com/v%d/namespaces/default/gears", v+1) }
		body := func(v int, name string, fields map[string]int64) map[string]any {
			spec := map[string]any{}
			for f, n := range fields {
				spec[f] = n
			}
			return map[string]any{"kind": "Gear", "apiVersion": fmt.Sprint("example.com/v", v+1), "metadata": map[string]any{"name": name}, "spec": spec}
		}
		check := func(when string) {
			t.Helper()
			for v := range g.versions {
				if !g.versions[v].served {
					c.Must(404, "GET", path(v), nil)
					continue
				}
				list := c.Must(200, "GET", path(v), nil)
				got := map[string]map[string]int64{}
				for _, item := range tree.List(list, "items") {
					fields := map[string]int64{}
					for f, n := range tree.Object(item, "spec") {
						fields[f], _ = n.(int64)
					}
					got[tree.Name(item.(map[string]any))] = fields
					if at := tree.Text(item, "apiVersion"); at != fmt.Sprint("example.com/v", v+1) {
						t.Errorf("an item of v%d says %s", v+1, at)
					}
				}
				want := map[string]map[string]int64{}
				for name := range g.stored {
					want[name] = g.read(name, v)
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("seed %d, %s: v%d shows\n got %v\nwant %v", seed, when, v+1, got, want)
				}
			}
		}
		for step := range 120 {
			v, name := rng.IntN(2), string(rune('x'+rng.IntN(3)))
			fields := map[string]int64{}
			for _, f := range []string{"a", "b", "c", "d"} {
				if rng.IntN(2) == 0 {
					fields[f] = int64(rng.IntN(3))
				}
			}
			when := fmt.Sprintf("step %d", step)
			switch action := rng.IntN(8); {
			case action == 0: // another schema
				g.versions[v].fields = gearFields(rng)
				when += fmt.Sprintf(": v%d has %v", v+1, g.versions[v].fields)
			case action == 1:
				g.storage = v
				when += fmt.Sprintf(": v%d is stored", v+1)
			case action == 2:
				g.versions[v].served = !g.versions[v].served
				when += fmt.Sprintf(": v%d is served: %t", v+1, g.versions[v].served)
			case !g.versions[v].served:
				c.Must(404, "POST", path(v), body(v, name, fields))
				when += ": nothing"
			case g.stored[name].fields == nil:
				c.Must(201, "POST", path(v), body(v, name, fields))
				g.write(name, v, fields)
				when += fmt.Sprintf(": %s is made of %v in v%d", name, fields, v+1)
			case action == 3:
				c.Must(200, "DELETE", path(v)+"/"+name, nil)
				delete(g.stored, name)
				when += ": " + name + " is deleted"
			case action < 6: // in the place of what is there
				obj := body(v, name, fields)
				tree.Metadata(obj)["resourceVersion"] = revision(c.Must(200, "GET", path(v)+"/"+name, nil))
				c.Must(200, "PUT", path(v)+"/"+name, obj)
				g.write(name, v, fields)
				when += fmt.Sprintf(": %s is %v by v%d", name, fields, v+1)
			default: // into what the version sees
				c.Must(200, "PATCH", path(v)+"/"+name, map[string]any{"spec": body(v, name, fields)["spec"]})
				next := g.read(name, v)
				maps.Copy(next, fields)
				g.write(name, v, next)
				when += fmt.Sprintf(": %s is patched with %v in v%d", name, fields, v+1)
			}
			if strings.Contains(when, "has") || strings.Contains(when, "stored") || strings.Contains(when, "served") {
				crd := g.definition()
				tree.Metadata(crd)["resourceVersion"] = revision(c.Must(200, "GET", definitionsPath+"/gears.example.com", nil))
				c.Must(200, "PUT", definitionsPath+"/gears.example.com", crd)
			}
			check(when)
		}
	}
}
