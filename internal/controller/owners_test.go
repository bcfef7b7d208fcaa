package controller

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestStateOf: what a reference leads to, by what is there.
func TestStateOf(t *testing.T) {
	r := ready(t)
	there := r.owned("there", "")
	waits := r.owned("waits", "x.io/hold")
	r.erase("ConfigMap", "default", "waits", api.PropagationForeground)
	held := r.owned("held", "x.io/hold")
	r.erase("ConfigMap", "default", "held", api.PropagationBackground)
	ns := r.at("namespaces", "default")
	// One that a reset has brought back is there, whatever was known of it.
	r.absent["known"], r.absent[waits.Meta.UID] = true, true
	in, out := r.owned("in", ""), r.at("namespaces", "default")
	for name, c := range map[string]struct {
		o    *store.Object
		ref  store.Owner
		want ownerState
	}{
		"there":                       {in, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "there", UID: there.Meta.UID}, ownerSolid},
		"there, with another uid":     {in, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "there", UID: "x"}, ownerDangling},
		"not there":                   {in, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "none", UID: there.Meta.UID}, ownerDangling},
		"deleted in the foreground":   {in, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "waits", UID: waits.Meta.UID}, ownerWaiting},
		"deleted, and held by others": {in, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "held", UID: held.Meta.UID}, ownerSolid},
		"in no namespace":             {in, store.Owner{APIVersion: "v1", Kind: "Namespace", Name: "default", UID: ns.Meta.UID}, ownerSolid},
		"of no known kind":            {in, store.Owner{APIVersion: "x.io/v1", Kind: "Thing", Name: "a", UID: "u"}, ownerSolid},
		"of no known version":         {in, store.Owner{APIVersion: "v9", Kind: "ConfigMap", Name: "there", UID: there.Meta.UID}, ownerSolid},
		"of a kind that is gone":      {in, store.Owner{APIVersion: "x.io/v1", Kind: "Thing", Name: "a", UID: "known"}, ownerDangling},
		"of a kind without objects":   {in, store.Owner{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview", Name: "a", UID: "u"}, ownerSolid},
		"which namespace?":            {out, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "there", UID: "x"}, ownerSolid},
		"which namespace, though":     {out, store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "there", UID: "known"}, ownerSolid},
		"in none, of one in none":     {out, store.Owner{APIVersion: "v1", Kind: "Namespace", Name: "none", UID: "x"}, ownerDangling},
	} {
		if got := r.stateOf(c.o, &c.ref); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestOwnerComesBack: a reset puts an owner and its dependent back after both have gone, and the
// dependent stays, also when it is looked at before the event of its owner is.
func TestOwnerComesBack(t *testing.T) {
	r := ready(t)
	owner := r.owned("owner", "")
	r.owned("child", "", owner)
	r.follow()
	restorer := NewRestorer(r.api)
	restorer.Keep()
	r.erase("ConfigMap", "default", "owner", api.PropagationBackground)
	r.follow()
	if r.at("configmaps", "default/child") != nil {
		t.Fatal("the dependent is still there")
	}
	other := r.owned("other", "", owner)
	if _, err := restorer.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.absent[owner.Meta.UID] = true
	events, _, _ := r.api.Store.After(r.observed, eventBatch)
	for _, e := range events {
		if e.Event.Object.Meta.UID != owner.Meta.UID {
			r.observe(e.Bucket, e.Event)
		}
	}
	r.work(t.Context())
	for _, e := range events {
		r.observe(e.Bucket, e.Event)
	}
	r.follow()
	if r.at("configmaps", "default/child") == nil || r.at("configmaps", "default/owner") == nil || r.at("configmaps", other.Key) != nil {
		t.Error("the reset did not bring back the owner and its dependent, and them alone")
	}
	if r.absent[owner.Meta.UID] {
		t.Error("the owner is still known to be gone")
	}
}

// TestDependentByStates: the table at the head of owners.go, cell by cell: what becomes of an
// object with owners in these states, with and without a dependent of its own.
func TestDependentByStates(t *testing.T) {
	const solid, waiting, dangling = "s", "w", "d"
	for _, c := range []struct {
		owners string
		child  bool
		want   string // gone, foreground, or the owners that are left
	}{
		{solid, false, solid},
		{solid + solid, true, solid + solid},
		{dangling, false, "gone"},
		{dangling, true, "gone"},
		{waiting, false, "gone"},
		{waiting, true, "foreground"},
		{waiting + dangling, false, "gone"},
		{waiting + dangling, true, "foreground"},
		{dangling + dangling, true, "gone"},
		{solid + dangling, false, solid},
		{solid + dangling, true, solid},
		{solid + waiting, false, solid},
		{solid + waiting, true, solid},
		{solid + waiting + dangling, true, solid},
		{waiting + solid + dangling + solid, false, solid + solid},
	} {
		r := ready(t)
		var owners []*store.Object
		state := map[string]string{}
		for i, s := range strings.Split(c.owners, "") {
			hold := map[string]string{waiting: "x.io/hold"}[s]
			o := r.owned(fmt.Sprintf("owner%d", i), hold)
			owners, state[o.Meta.UID] = append(owners, o), s
		}
		o := r.owned("object", "", owners...)
		if c.child {
			r.owned("child", "x.io/hold", o)
		}
		// Seen before anything is deleted, as by a server that runs.
		r.follow()
		for i, s := range strings.Split(c.owners, "") {
			switch name := fmt.Sprintf("owner%d", i); s {
			case waiting:
				r.erase("ConfigMap", "default", name, api.PropagationForeground)
			case dangling:
				r.erase("ConfigMap", "default", name, api.PropagationBackground)
			}
		}
		at := place{r.api.Store.Bucket("configmaps"), "default/object"}
		if err := r.syncDependent(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		now, got := r.at("configmaps", "default/object"), ""
		switch {
		case now == nil:
			got = "gone"
		case now.Meta.Deleting && hasFinalizer(now, api.FinalizerForeground):
			got = "foreground"
		default:
			for _, ref := range now.Meta.Owners {
				got += state[ref.UID]
			}
		}
		if got != c.want {
			t.Errorf("owners %s, child %v: %s, want %s", c.owners, c.child, got, c.want)
		}
		// A second look does nothing more.
		before := r.api.Store.Revision()
		if err := r.syncDependent(t.Context(), at); err != nil || r.api.Store.Revision() != before {
			t.Errorf("owners %s, child %v: a second look writes: %v", c.owners, c.child, err)
		}
	}
}

// TestDependentChangedMeanwhile: what has another revision than the one that was looked at stays.
func TestDependentChangedMeanwhile(t *testing.T) {
	r := ready(t)
	old := r.owned("x", "")
	r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: x, namespace: default}, data: {a: b}}")
	maps := r.api.Builtin("", "v1", "ConfigMap")
	if err := r.deleteAt(maps, old, old.Rev, api.PropagationBackground); err != nil || r.at("configmaps", "default/x") == nil {
		t.Errorf("at an old revision: %v", err)
	}
	if err := r.deleteAt(maps, old, 0, api.PropagationBackground); err != nil || r.at("configmaps", "default/x") != nil {
		t.Errorf("at any: %v", err)
	}
	again := r.owned("x", "")
	if err := r.delete(maps, old, api.PropagationBackground); err != nil || r.at("configmaps", "default/x") != again {
		t.Errorf("another one of its name: %v", err)
	}
}

// model is a naive garbage collector over names: who has owners of which none is left goes.
type model map[string][]string

// collect removes what has to go, until nothing has.
func (m model) collect() {
	for again := true; again; {
		again = false
		for name, owners := range m {
			gone := func(o string) bool { _, there := m[o]; return !there }
			if len(owners) > 0 && !slices.ContainsFunc(owners, func(o string) bool { return !gone(o) }) {
				delete(m, name)
				again = true
			}
		}
	}
}

// TestBackgroundAgainstAModel: random graphs of owners, of which random objects are deleted in the
// background: what is left is what the model leaves, in whatever order tasks are done.
func TestBackgroundAgainstAModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for round := range 40 {
		r, m := ready(t), model{}
		var all []*store.Object
		for i := range 12 {
			name, owners, names := fmt.Sprint("o", i), []*store.Object(nil), []string(nil)
			for _, o := range all {
				if rnd.IntN(4) == 0 {
					owners, names = append(owners, o), append(names, o.Name())
				}
			}
			m[name] = names
			all = append(all, r.owned(name, "", owners...))
		}
		r.follow()
		for range 1 + rnd.IntN(4) {
			name := fmt.Sprint("o", rnd.IntN(12))
			if _, there := m[name]; there {
				delete(m, name)
				r.erase("ConfigMap", "default", name, api.PropagationBackground)
			}
		}
		m.collect()
		for range 100 {
			events, _, _ := r.api.Store.After(r.observed, eventBatch)
			if len(events) == 0 && len(r.queue) == 0 {
				break
			}
			for _, e := range events {
				r.observe(e.Bucket, e.Event)
			}
			rnd.Shuffle(len(r.queue), func(i, j int) { r.queue[i], r.queue[j] = r.queue[j], r.queue[i] })
			r.work(t.Context())
		}
		for i := range 12 {
			name := fmt.Sprint("o", i)
			o := r.at("configmaps", "default/"+name)
			_, want := m[name]
			if (o != nil) != want {
				t.Fatalf("round %d: %s is there: %v, want %v", round, name, o != nil, want)
			}
			if o == nil {
				continue
			}
			// Of an object that stays, references to what is gone are gone too.
			var left []string
			for _, ref := range o.Meta.Owners {
				left = append(left, ref.Name)
			}
			wanted := slices.DeleteFunc(slices.Clone(m[name]), func(o string) bool { _, there := m[o]; return !there })
			if !slices.Equal(left, wanted) {
				t.Fatalf("round %d: %s has owners %v, want %v", round, name, left, wanted)
			}
		}
	}
}

// TestOwnerHeld: what an owner that is deleted waits for, by its finalizers and its dependents.
func TestOwnerHeld(t *testing.T) {
	for _, c := range []struct {
		policy string
		blocks bool
		hold   bool // the dependent has a finalizer of somebody's
		want   string
	}{
		{api.PropagationForeground, true, false, "owner gone, dependent gone"},
		{api.PropagationForeground, true, true, "owner deleting, dependent deleting"},
		{api.PropagationForeground, false, false, "owner gone, dependent gone"},
		{api.PropagationForeground, false, true, "owner gone, dependent deleting"},
		{api.PropagationBackground, true, true, "owner gone, dependent deleting"},
		{api.PropagationBackground, true, false, "owner gone, dependent gone"},
		{api.PropagationOrphan, true, false, "owner gone, dependent there without owner"},
		{api.PropagationOrphan, true, true, "owner gone, dependent there without owner"},
	} {
		r := ready(t)
		owner := r.owned("owner", "")
		finalizer := ""
		if c.hold {
			finalizer = "x.io/hold"
		}
		r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: dependent, namespace: default, finalizers: [%s], "+
			"ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: %s, blockOwnerDeletion: %v}]}}", finalizer, owner.Meta.UID, c.blocks)
		r.follow()
		r.erase("ConfigMap", "default", "owner", c.policy)
		r.follow()
		var got []string
		for _, name := range []string{"owner", "dependent"} {
			switch o := r.at("configmaps", "default/"+name); {
			case o == nil:
				got = append(got, name+" gone")
			case o.Meta.Deleting:
				got = append(got, name+" deleting")
			case len(o.Meta.Owners) == 0:
				got = append(got, name+" there without owner")
			default:
				got = append(got, name+" there")
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		// When the finalizer of somebody's goes, nothing is left but orphans.
		if d := r.at("configmaps", "default/dependent"); d != nil && d.Meta.Deleting {
			if err := r.removeFinalizer(t.Context(), r.api.Builtin("", "v1", "ConfigMap"), d, "x.io/hold"); err != nil {
				t.Fatal(err)
			}
			if r.follow(); r.at("configmaps", "default/owner") != nil || r.at("configmaps", "default/dependent") != nil {
				t.Errorf("%+v: something is left", c)
			}
		}
	}
}

// TestOwnersInACircle: objects that own each other, all blocking, go when one of them is deleted in
// the foreground, however many there are.
func TestOwnersInACircle(t *testing.T) {
	for n := 2; n <= 5; n++ {
		r := ready(t)
		var all []*store.Object
		for i := range n {
			all = append(all, r.owned(fmt.Sprint("o", i), ""))
		}
		for i, o := range all {
			r.owned(o.Name(), "", all[(i+1)%n])
		}
		r.follow()
		r.erase("ConfigMap", "default", "o0", api.PropagationForeground)
		r.follow()
		for i := range n {
			if o := r.at("configmaps", fmt.Sprint("default/o", i)); o != nil {
				t.Errorf("%d in a circle: %s is left: %s", n, o.Name(), o.Raw())
			}
		}
	}
}

// TestFilterList: what is kept, what is deleted with its last element, and what counts as changed.
func TestFilterList(t *testing.T) {
	for _, c := range []struct {
		list any
		want any
		drop bool
	}{
		{[]any{"a", "b", "a"}, []any{"b"}, true},
		{[]any{"a"}, nil, true},
		{[]any{"b", "c"}, []any{"b", "c"}, false},
		{[]any{}, []any{}, false},
		{nil, nil, false},
		{"a", "a", false},
		{[]any{map[string]any{"a": "a"}, []any{"a"}, 1, nil, "a"}, []any{map[string]any{"a": "a"}, []any{"a"}, 1, nil}, true},
	} {
		obj := map[string]any{"other": "x"}
		if c.list != nil {
			obj["list"] = c.list
		}
		was := tree.Copy(obj["list"])
		if got := dropString(obj, "list", "a"); got != c.drop || !tree.Equal(obj["list"], c.want) || obj["other"] != "x" {
			t.Errorf("%v: %v %v, want %v %v", was, got, obj["list"], c.drop, c.want)
		}
		if _, there := obj["list"]; there != (c.want != nil) {
			t.Errorf("%v: the key is there: %v", was, there)
		}
	}
	if dropString(nil, "list", "a") {
		t.Error("something is dropped from nothing")
	}
}

// TestDeleteOnce: what is being deleted already is not deleted again, which would change what
// becomes of its dependents.
func TestDeleteOnce(t *testing.T) {
	r := ready(t)
	r.owned("x", "x.io/hold")
	r.erase("ConfigMap", "default", "x", api.PropagationOrphan)
	before := r.at("configmaps", "default/x")
	if err := r.delete(r.api.Builtin("", "v1", "ConfigMap"), before, api.PropagationForeground); err != nil || r.at("configmaps", "default/x") != before {
		t.Errorf("%s, %v", r.at("configmaps", "default/x").Raw(), err)
	}
}
