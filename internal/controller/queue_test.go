package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/store"
)

// ready returns a room with the namespace default, in which nothing is left to do.
func ready(t testing.TB) *room {
	t.Helper()
	r := newRoom(t, 100_000)
	r.settle(t.Context())
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: default}}")
	r.follow()
	return r
}

// TestAddOnce: a task waits once, however often it is asked for, and can be asked for again when
// it has begun.
func TestAddOnce(t *testing.T) {
	r := newRoom(t, 100)
	a, b := place{r.api.Namespaces, "a"}, place{r.api.Namespaces, "b"}
	for _, c := range []task{{taskNamespace, a}, {taskOwner, a}, {taskNamespace, a}, {taskNamespace, b}, {taskOwner, a}} {
		r.add(c.why, c.at)
	}
	if want := []task{{taskNamespace, a}, {taskOwner, a}, {taskNamespace, b}}; !slices.Equal(r.queue, want) {
		t.Errorf("queued %v, want %v", r.queue, want)
	}
	if r.work(t.Context()) || len(r.queue) > 0 || len(r.queued) > 0 {
		t.Errorf("left %v, %v", r.queue, r.queued)
	}
	if r.add(taskOwner, a); len(r.queue) != 1 {
		t.Error("a task is not queued a second time")
	}
}

// TestObserve: the tasks that an event asks for, by what kind of object it is of and what has
// changed in it.
func TestObserve(t *testing.T) {
	r := newRoom(t, 100)
	bucket := r.api.Store.Bucket
	owner := func(uid string, block bool) store.Owner {
		return store.Owner{APIVersion: "v1", Kind: "ConfigMap", Name: "o-" + uid, UID: uid, BlockOwnerDeletion: block}
	}
	object := func(key, uid string, deleting bool, finalizers int, owners ...store.Owner) *store.Object {
		return &store.Object{Key: key, Meta: &store.Meta{UID: uid, Deleting: deleting, Finalizers: finalizers, Owners: owners}}
	}
	plain := object("n/x", "u", false, 0)
	for name, c := range map[string]struct {
		bucket string
		kind   byte
		obj    *store.Object
		prev   *store.Object
		want   string
	}{
		"a plain object":          {"configmaps", store.Added, plain, nil, ""},
		"it is changed":           {"configmaps", store.Modified, plain, plain, ""},
		"it goes":                 {"configmaps", store.Deleted, plain, plain, ""},
		"a namespace":             {"namespaces", store.Added, object("n", "u", false, 0), nil, "namespace namespaces n"},
		"a namespace goes":        {"namespaces", store.Deleted, object("n", "u", false, 0), object("n", "u", false, 0), "namespace namespaces n"},
		"a definition":            {crdResource, store.Added, object("a.b", "u", false, 0), nil, "definition " + crdResource + " a.b"},
		"an account":              {"serviceaccounts", store.Added, object("n/default", "u", false, 0), nil, ""},
		"an account is changed":   {"serviceaccounts", store.Modified, object("n/default", "u", false, 0), plain, "namespace namespaces n"},
		"an account goes":         {"serviceaccounts", store.Deleted, object("n/default", "u", false, 0), plain, "namespace namespaces n"},
		"another account":         {"serviceaccounts", store.Deleted, object("n/other", "u", false, 0), plain, ""},
		"the CA goes":             {"configmaps", store.Deleted, object("n/"+rootCAName, "u", false, 0), plain, "namespace namespaces n"},
		"the CA, of another kind": {"secrets", store.Deleted, object("n/"+rootCAName, "u", false, 0), plain, ""},
		"in one that is emptied":  {"secrets", store.Added, object("t/x", "u", false, 0), nil, "namespace namespaces t"},
		"an owner":                {"configmaps", store.Added, object("n/x", "u", false, 0, owner("1", false)), nil, "dependent configmaps n/x"},
		"the same owner":          {"configmaps", store.Modified, object("n/x", "u", false, 0, owner("1", false)), object("n/x", "u", false, 0, owner("1", false)), "dependent configmaps n/x"},
		"an owner less": {"configmaps", store.Modified, plain, object("n/x", "u", false, 0, owner("1", false)),
			"owner configmaps n/o-1"},
		"blocked no longer": {"configmaps", store.Modified, object("n/x", "u", false, 0, owner("1", false)), object("n/x", "u", false, 0, owner("1", true)),
			"owner configmaps n/o-1, dependent configmaps n/x"},
		"gone with two owners": {"configmaps", store.Deleted, plain, object("n/x", "u", false, 0, owner("1", false), owner("2", true)),
			"owner configmaps n/o-1, owner configmaps n/o-2"},
		"deleted and held":     {"configmaps", store.Modified, object("n/x", "u", true, 1), plain, "owner configmaps n/x"},
		"deleted and not held": {"configmaps", store.Modified, object("n/x", "u", true, 0), plain, ""},
		"held":                 {"configmaps", store.Modified, object("n/x", "u", false, 1), plain, ""},
		"it has dependents":    {"configmaps", store.Deleted, object("n/x", "owner", false, 0), plain, "dependent secrets n/d"},
	} {
		c1 := newControllers(r.api, "")
		c1.terminating["t"] = true
		c1.dependents["owner"] = map[place]bool{{bucket("secrets"), "n/d"}: true}
		c1.observe(bucket(c.bucket), &store.Event{Kind: c.kind, Rev: 7, Object: c.obj, Prev: c.prev})
		var got []string
		for _, task := range c1.queue {
			why := [...]string{"namespace", "definition", "owner", "dependent"}[task.why]
			got = append(got, why+" "+task.at.bucket.Name+" "+task.at.key)
		}
		if strings.Join(got, ", ") != c.want || c1.observed != 7 {
			t.Errorf("%s: %q at %d, want %s", name, got, c1.observed, c.want)
		}
		if gone := c.kind == store.Deleted && c.obj.Meta.UID == "owner"; c1.absent["owner"] != gone {
			t.Errorf("%s: the owner is absent: %v", name, !gone)
		}
	}
}

// uidsOf are the dependents of each owner as text, for comparison.
func uidsOf(index map[string]map[place]bool) map[string]string {
	out := map[string]string{}
	for uid, set := range index {
		var all []string
		for at := range set {
			all = append(all, at.bucket.Name+"/"+at.key)
		}
		slices.Sort(all)
		out[uid] = strings.Join(all, " ")
	}
	return out
}

// TestIndexIsThatOfARescan: the index of dependents, kept event by event through random writes, is
// the one that looking at everything makes; and no owner is known to be absent whom nobody names.
func TestIndexIsThatOfARescan(t *testing.T) {
	r := ready(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		name := func() string { return fmt.Sprint("o", rnd.IntN(8)) }
		var owners []*store.Object
		for range rnd.IntN(3) {
			if o := r.at("configmaps", "default/"+name()); o != nil && !slices.Contains(owners, o) {
				owners = append(owners, o)
			}
		}
		switch n := name(); rnd.IntN(4) {
		case 0:
			if r.at("configmaps", "default/"+n) != nil {
				r.erase("ConfigMap", "default", n, [...]string{api.PropagationBackground, api.PropagationForeground, api.PropagationOrphan}[rnd.IntN(3)])
			}
		default:
			if o := r.at("configmaps", "default/"+n); o == nil || !o.Meta.Deleting {
				r.owned(n, "", owners...)
			}
		}
		if rnd.IntN(3) == 0 {
			continue // several events at once
		}
		r.follow()
		fresh := newControllers(r.api, "")
		fresh.rescan()
		if got, want := uidsOf(r.dependents), uidsOf(fresh.dependents); !maps.Equal(got, want) {
			t.Fatalf("the index is\n%v\nwant\n%v", got, want)
		}
		for uid := range r.absent {
			if len(r.dependents[uid]) == 0 {
				t.Fatalf("%s is absent, and nobody names it", uid)
			}
		}
	}
}

// refusing is a journal that keeps nothing, and refuses writes while it is on.
type refusing struct {
	on   bool
	kept int64
}

var errRefused = errors.New("the disk is full")

func (b *refusing) Load(context.Context, *store.Feed) error { return nil }
func (b *refusing) Sync() (int64, error)                    { return b.kept, nil }
func (b *refusing) Close() error                            { return nil }

func (b *refusing) Append(commit []store.Entry) error {
	if b.on {
		return errRefused
	}
	b.kept = commit[len(commit)-1].Event.Rev
	return nil
}

// openOver gives the store of a room that has begun a backend that keeps nothing of it.
func (r *room) openOver(b store.Backend) {
	r.t.Helper()
	if err := r.api.Store.Open(r.t.Context(), b); err != nil {
		r.t.Fatal(err)
	}
}

// TestTasksThatFail: they are tried again behind the others, logged once until they succeed, and
// forgotten then.
func TestTasksThatFail(t *testing.T) {
	r := ready(t)
	var logged strings.Builder
	r.api.Config.Log = slog.New(slog.NewTextHandler(&logged, nil))
	disk := &refusing{}
	r.openOver(disk)
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: a}}")
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: b}}")
	events, _, _ := r.api.Store.After(r.observed, eventBatch)
	for _, e := range events {
		r.observe(e.Bucket, e.Event)
	}
	disk.on = true
	for range 3 {
		if !r.work(t.Context()) || len(r.queue) != 2 || len(r.failing) != 2 {
			t.Fatalf("queued %v, failing %v", r.queue, r.failing)
		}
	}
	for _, key := range []string{"key=a", "key=b"} {
		if n := strings.Count(logged.String(), key); n != 1 || !strings.Contains(logged.String(), errRefused.Error()) {
			t.Errorf("%s is logged %d times:\n%s", key, n, &logged)
		}
	}
	// When the server stops, every write fails; that is nobody's fault.
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r.work(over) || len(r.queue) != 2 {
		t.Errorf("after the end: queued %v", r.queue)
	}
	disk.on = false
	if r.follow(); len(r.failing) > 0 || r.at("serviceaccounts", "a/default") == nil || r.at("configmaps", "b/"+rootCAName) == nil {
		t.Errorf("failing %v", r.failing)
	}
	logged.Reset()
	disk.on = true
	r.add(taskNamespace, place{r.api.Namespaces, "a"})
	if r.work(t.Context()) || logged.Len() > 0 {
		t.Errorf("nothing is to be written:\n%s", &logged)
	}
}

// TestSettleWithoutWriting: what fails is left, so that the start does not hang.
func TestSettleWithoutWriting(t *testing.T) {
	r := newRoom(t, 1000)
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: a}}")
	disk := &refusing{on: true}
	r.openOver(disk)
	if r.settle(t.Context()); len(r.failing) != 1 || len(r.queue) != 1 {
		t.Errorf("failing %v, queued %v", r.failing, r.queue)
	}
	disk.on = false
	if r.settle(t.Context()); len(r.failing) > 0 || r.at("serviceaccounts", "a/default") == nil {
		t.Errorf("failing %v", r.failing)
	}
}

// TestRunSeesEverything: run makes up for events that the log has lost, and ends with its context.
func TestRunSeesEverything(t *testing.T) {
	r := newRoom(t, 8) // fewer than one round of writes
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for i := range 20 {
		r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: n%d}}", i)
	}
	go func() {
		defer close(ended)
		r.run(ctx)
	}()
	for i := range 20 {
		r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: m%d}}", i)
	}
	// Each namespace gets two objects.
	want := map[string]bool{}
	for i := range 20 {
		for _, ns := range []string{"n", "m"} {
			want[fmt.Sprint(ns, i)] = true
		}
	}
	deadline := time.After(time.Minute)
	for {
		// Without events there is a channel to wait for; it is taken before anything is looked at.
		events, changed, ok := r.api.Store.After(r.api.Store.Revision(), 1)
		if len(events) > 0 || !ok {
			continue
		}
		missing := 0
		for ns := range want {
			if r.at("serviceaccounts", ns+"/default") == nil || r.at("configmaps", ns+"/"+rootCAName) == nil {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d namespaces lack something", missing)
		}
	}
	cancel()
	select {
	case <-ended:
	case <-deadline:
		t.Fatal("run goes on")
	}
}

// TestRescanForgets: a dependent whose end was not seen is one no longer.
func TestRescanForgets(t *testing.T) {
	r := ready(t)
	owner := r.owned("owner", "")
	r.owned("dependent", "", owner)
	r.follow()
	if len(r.dependents[owner.Meta.UID]) != 1 {
		t.Fatalf("dependents %v", r.dependents)
	}
	r.erase("ConfigMap", "default", "dependent", "")
	if r.rescan(); len(r.dependents) > 0 || r.observed != r.api.Store.Revision() {
		t.Errorf("dependents %v at %d", r.dependents, r.observed)
	}
}
