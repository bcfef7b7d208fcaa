package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// treeObject is an object of a key whose JSON has size bytes.
func treeObject(key string, rev int64, size int) *Object {
	return &Object{Key: key, Rev: rev, Line: make([]byte, size+2)}
}

// checkTree verifies what must hold of every tree and returns its objects in order.
func checkTree(t *testing.T, root *treeNode) []*Object {
	t.Helper()
	if root == nil {
		return nil
	}
	depth := -1
	var all []*Object
	var visit func(n *treeNode, level int, low, high string)
	visit = func(n *treeNode, level int, low, high string) {
		first := len(all)
		if n.size() == 0 || n.size() > treeWidth {
			t.Fatalf("a node has %d entries", n.size())
		}
		if n.kids == nil {
			if depth < 0 {
				depth = level
			}
			if level != depth {
				t.Fatalf("leaves are %d and %d deep", depth, level)
			}
			for _, o := range n.objs {
				if o.Key < low || high != "" && o.Key >= high {
					t.Fatalf("%q is not in [%q, %q)", o.Key, low, high)
				}
			}
			all = append(all, n.objs...)
		} else {
			if len(n.keys) != len(n.kids)-1 {
				t.Fatalf("%d keys and %d children", len(n.keys), len(n.kids))
			}
			for i, kid := range n.kids {
				from, to := low, high
				if i > 0 {
					from = n.keys[i-1]
				}
				if i < len(n.keys) {
					to = n.keys[i]
				}
				visit(kid, level+1, from, to)
			}
		}
		if n.count != len(all)-first {
			t.Fatalf("a node of %d objects says %d", len(all)-first, n.count)
		}
	}
	visit(root, 0, "", "")
	for i := 1; i < len(all); i++ {
		if all[i-1].Key >= all[i].Key {
			t.Fatalf("%q is before %q", all[i-1].Key, all[i].Key)
		}
	}
	return all
}

// Random edits agree with a map, and the roots of before stay what they were.
func TestTreeAgainstMap(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		rng := rand.New(rand.NewPCG(seed, 0))
		model := map[string]*Object{}
		type moment struct {
			root *treeNode
			objs []*Object
		}
		var past []moment
		e := treeEdit{}
		for step := range 6000 {
			if rng.IntN(3) == 0 { // several changes may be one edit
				if e.id++; rng.IntN(40) == 0 {
					past = append(past, moment{e.root, checkTree(t, e.root)})
				}
			}
			// It grows, then shrinks to nothing.
			key := fmt.Sprintf("ns-%d/%d", rng.IntN(4), rng.IntN(700))
			if remove := 2; step > 3000 && rng.IntN(10) < 9 || rng.IntN(10) < remove {
				if step > 3000 {
					key = anyKey(model, rng, key)
				}
				if got := e.remove(key); got != model[key] {
					t.Fatalf("removed %v, want %v", got, model[key])
				}
				delete(model, key)
			} else {
				o := treeObject(key, int64(step), rng.IntN(50))
				if got := e.set(o); got != model[key] {
					t.Fatalf("replaced %v, want %v", got, model[key])
				}
				model[key] = o
			}
			if step%97 == 0 {
				compareTree(t, &e, model)
			}
		}
		compareTree(t, &e, model)
		for i, m := range past {
			if !slices.Equal(checkTree(t, m.root), m.objs) {
				t.Errorf("seed %d: root %d was changed by a later edit", seed, i)
			}
		}
		for key := range model {
			e.remove(key)
		}
		if e.root != nil || e.bytes != 0 {
			t.Errorf("emptied, the tree is %v of %d bytes", e.root, e.bytes)
		}
	}
}

func anyKey(model map[string]*Object, rng *rand.Rand, otherwise string) string {
	keys := make([]string, 0, len(model))
	for k := range model {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return otherwise
	}
	slices.Sort(keys)
	return keys[rng.IntN(len(keys))]
}

func compareTree(t *testing.T, e *treeEdit, model map[string]*Object) {
	t.Helper()
	all := checkTree(t, e.root)
	if len(all) != len(model) {
		t.Fatalf("%d objects, want %d", len(all), len(model))
	}
	bytes := int64(0)
	for _, o := range all {
		if model[o.Key] != o || e.root.get(o.Key) != o {
			t.Fatalf("%q is not what was set", o.Key)
		}
		bytes += int64(len(o.Raw()))
	}
	if bytes != e.bytes {
		t.Fatalf("%d bytes, want %d", e.bytes, bytes)
	}
	if e.root.get("absent") != nil {
		t.Fatal("an absent key was found")
	}
}

// Objects often come in the order of their names; that must not leave half the room empty.
func TestTreeFilledInOrder(t *testing.T) {
	e := treeEdit{}
	for i := range 10_000 {
		e.id++
		e.set(treeObject(fmt.Sprintf("ns/%05d", i), 1, 10))
	}
	checkTree(t, e.root)
	leaves := 0
	var visit func(n *treeNode)
	visit = func(n *treeNode) {
		if n.kids == nil {
			leaves++
		}
		for _, kid := range n.kids {
			visit(kid)
		}
	}
	visit(e.root)
	if least := 10_000 / treeWidth; leaves > least*5/4 {
		t.Errorf("%d leaves, with at best %d", leaves, least)
	}
}

func TestSnapshotScan(t *testing.T) {
	var keys []string
	e := treeEdit{}
	for _, ns := range []string{"a", "a-b", "b", "ba"} {
		for i := range 50 {
			keys = append(keys, fmt.Sprintf("%s/%02d", ns, i))
			e.set(treeObject(keys[len(keys)-1], 1, 1))
		}
	}
	slices.Sort(keys)
	tests := []struct{ name, prefix, from string }{
		{"all", "", ""}, {"all from the middle", "", "b/25"}, {"all from between", "", "b/25a"},
		{"from behind the end", "", "c"}, {"a namespace", "a/", ""}, {"its neighbour", "a-b/", ""},
		{"the last", "ba/", ""}, {"from within", "b/", "b/10"}, {"from before", "b/", "a/40"},
		{"from behind", "a/", "b/00"}, {"its last", "b/", "b/49"}, {"behind its last", "b/", "b/49\x00"},
		{"absent", "c/", ""}, {"absent between", "aa/", ""}, {"a part of a name", "b/1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want, got []string
			for _, k := range keys {
				if strings.HasPrefix(k, tt.prefix) && k >= tt.from {
					want = append(want, k)
				}
			}
			sn := Snapshot{root: e.root}
			for o := range sn.Scan(tt.prefix, tt.from) {
				got = append(got, o.Key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if n := sn.Remaining(tt.prefix, tt.from); n != len(want) {
				t.Errorf("%d remain, want %d", n, len(want))
			}
			for o := range sn.Scan(tt.prefix, tt.from) { // a loop may end early
				if o.Key != want[0] {
					t.Errorf("the first is %s", o.Key)
				}
				break
			}
		})
	}
	empty := Snapshot{}
	for o := range empty.Scan("", "") {
		t.Errorf("an empty snapshot has %s", o.Key)
	}
	if empty.Count() != 0 || empty.Remaining("a/", "") != 0 || empty.Get("a") != nil {
		t.Error("an empty snapshot is not empty")
	}
}

// A range that is deleted between full leaves, which cannot be merged, leaves no empty one.
func TestTreeRangeRemoved(t *testing.T) {
	key := func(i int) string { return fmt.Sprintf("ns/%05d", i) }
	const all = 2000
	for from := 0; from < all; from += 155 {
		for _, n := range []int{31, 62, all - from} {
			e := treeEdit{id: 1}
			for i := range all {
				e.set(treeObject(key(i), 1, 1))
			}
			e.id++
			to := min(from+n, all)
			for i := from; i < to; i++ {
				if e.remove(key(i)) == nil {
					t.Fatalf("%s is not there", key(i))
				}
			}
			if e.remove(key(from)) != nil {
				t.Fatal("an object was removed twice")
			}
			if left := checkTree(t, e.root); len(left) != all-(to-from) {
				t.Fatalf("%d objects are left of %d to %d", len(left), from, to)
			}
			for i := from; i < to; i++ {
				e.set(treeObject(key(i), 2, 1))
			}
			if again := checkTree(t, e.root); len(again) != all || e.bytes != all {
				t.Fatalf("%d objects of %d bytes", len(again), e.bytes)
			}
		}
	}
}
