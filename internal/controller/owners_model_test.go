package controller_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// Which objects are left when owners go, beside a model: names and the names of their owners.

// family is the model. An object that never had an owner has none.
type family map[string]map[string]bool

// remove takes an object away, and what it owned alone; orphaned dependents only forget it.
func (f family) remove(name string, orphan bool) {
	delete(f, name)
	for _, child := range slices.Sorted(maps.Keys(f)) {
		owners, there := f[child]
		if !there || !owners[name] {
			continue
		}
		if delete(owners, name); len(owners) == 0 && !orphan {
			f.remove(child, false)
		}
	}
}

// text is what is left and who owns it.
func (f family) text() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, name+"("+strings.Join(slices.Sorted(maps.Keys(f[name])), " ")+")")
	}
	return strings.Join(out, " ")
}

// TestFamilies: random families of objects of three kinds, from which members are deleted in each
// way, one after the other: those are left that the model leaves, with the owners that it says.
func TestFamilies(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", definitionsPath, definitionOf("globes", "Globe", "Cluster"))
	paths := []string{"/apis/example.com/v1/globes", mapsPath, widgetsPath}
	make := []func(name string, more ...map[string]any) map[string]any{
		func(name string, more ...map[string]any) map[string]any { return custom("Globe", name, more...) },
		mapObject,
		func(name string, more ...map[string]any) map[string]any { return custom("Widget", name, more...) },
	}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 11))
		f, objects, kinds := family{}, map[string]map[string]any{}, map[string]int{}
		for i := range 14 {
			name, kind := fmt.Sprintf("m%d-%02d", seed, i), rng.IntN(3)
			var refs []any
			owners := map[string]bool{}
			for _, other := range slices.Sorted(maps.Keys(f)) {
				// An object of the cluster can only be owned by another one.
				if rng.IntN(3) == 0 && (kind > 0 || kinds[other] == 0) {
					var more []string
					if rng.IntN(2) == 0 {
						more = append(more, "blockOwnerDeletion")
					}
					refs, owners[other] = append(refs, ref(objects[other], more...)), true
				}
			}
			objects[name] = c.Must(201, "POST", paths[kind], make[kind](name, ownedBy(refs...)))
			f[name], kinds[name] = owners, kind
		}
		state := func() string {
			now := family{}
			for _, path := range paths {
				for _, item := range tree.List(c.Must(200, "GET", path, nil), "items") {
					name := tree.Name(item.(map[string]any))
					if !strings.HasPrefix(name, fmt.Sprintf("m%d-", seed)) {
						continue
					}
					now[name] = map[string]bool{}
					for _, o := range tree.List(item, "metadata", "ownerReferences") {
						now[name][tree.Text(o, "name")] = true
					}
				}
			}
			return now.text()
		}
		if got := state(); got != f.text() {
			t.Fatalf("seed %d, at first:\n got %s\nwant %s", seed, got, f.text())
		}
		for len(f) > 0 {
			names := slices.Sorted(maps.Keys(f))
			name, policy := names[rng.IntN(len(names))], []string{"Background", "Foreground", "Orphan"}[rng.IntN(3)]
			c.Must(200, "DELETE", paths[kinds[name]]+"/"+name+"?propagationPolicy="+policy, nil)
			f.remove(name, policy == "Orphan")
			c.Soon(fmt.Sprintf("seed %d, %s of %s: %s", seed, policy, name, f.text()), func() bool { return state() == f.text() })
		}
	}
}
