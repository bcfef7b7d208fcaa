package controller

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// configMaps returns what config maps of the namespace default a process shows, as "name=value" in order.
func (p *process) configMaps() string {
	b := p.api.Store.Bucket("configmaps")
	now := b.Now()
	var all []string
	for o := range now.Scan("default/", "") {
		if obj := o.Decode(); o.Name() != rootCAName {
			all = append(all, o.Name()+"="+tree.Text(obj, "data", "v"))
		}
	}
	return strings.Join(all, " ")
}

// applied writes a config map of the namespace default.
func applied(t *testing.T, a *api.API, name, value string) {
	t.Helper()
	obj := map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"name": name}, "data": map[string]any{"v": value}}
	if _, _, err := a.Apply(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

// TestResetOfSharedObjects: a reset over a shared backend does what one of memory does, other processes see it, and the
// Leases of those who work are left alone.
func TestResetOfSharedObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(10 * time.Millisecond)
		a, b := newProcess(t, c), newProcess(t, c)
		a.start(t, Own{})
		b.start(t, Own{})
		for i := range 20 {
			applied(t, a.api, fmt.Sprint("m", i), "1")
		}
		time.Sleep(time.Minute)
		r := NewRestorer(a.api)
		r.Keep()
		want := a.configMaps()
		for i := range 10 {
			applied(t, b.api, fmt.Sprint("m", 2*i), "2")
			applied(t, b.api, fmt.Sprint("n", i), "2")
		}
		time.Sleep(time.Minute)
		before := tree.Text(a.api.Get("leases.coordination.k8s.io", leaseNamespace, controllersLease), "spec", "holderIdentity")
		w, refused := r.Reset(t.Context())
		if refused != nil || w.Updated != 10 || w.Deleted < 10 {
			t.Fatalf("%+v %+v", w, refused)
		}
		time.Sleep(time.Minute)
		for name, p := range map[string]*process{"a": a, "b": b} {
			if got := p.configMaps(); got != want {
				t.Errorf("%s has %s, want %s", name, got, want)
			}
			if holder := tree.Text(p.api.Get("leases.coordination.k8s.io", leaseNamespace, controllersLease), "spec", "holderIdentity"); holder != before {
				t.Errorf("the controllers run in %q, and before in %q", holder, before)
			}
		}
	})
}

// TestOneResetAtATime: while one process changes the whole store, another is told who does; a process that cannot
// reach the backend any more stops, says how far it has come, and another one completes it.
func TestOneResetAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(10 * time.Millisecond)
		var slow atomic.Bool
		c.Ask = func(_ context.Context, op string) error {
			if op == "transact" && slow.Load() {
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}
		a, b := newProcess(t, c), newProcess(t, c)
		a.start(t, Own{})
		time.Sleep(time.Second)
		ra, rb := NewRestorer(a.api), NewRestorer(b.api)
		ra.Keep()
		rb.Keep()
		for i := range 30 {
			applied(t, a.api, fmt.Sprint("m", i), "1")
		}
		slow.Store(true)
		done := make(chan string)
		go func() {
			_, refused := ra.Reset(t.Context())
			done <- fmt.Sprint(refused)
		}()
		time.Sleep(time.Second) // it is under way, ten objects a second
		if _, refused := rb.Reset(t.Context()); refused == nil || refused.Code != 409 || !strings.Contains(refused.Message, "is changing the whole store") {
			t.Errorf("beside another one: %+v", refused)
		}
		a.away.Store(true)
		if got := <-done; !strings.Contains(got, "the store was changed in part, in ") {
			t.Errorf("cut off: %s", got)
		}
		slow.Store(false)
		// It has not let go of the Lease, which counts from when it was seen last.
		if _, refused := rb.Reset(t.Context()); refused == nil || !strings.Contains(refused.Message, "15 s from now if it has ended") {
			t.Errorf("right after the end of the other: %+v", refused)
		}
		time.Sleep(leaseDuration)
		if _, refused := rb.Reset(t.Context()); refused != nil {
			t.Fatal(refused)
		}
		if got := b.configMaps(); got != "" {
			t.Errorf("left are %s", got)
		}
		a.away.Store(false)
	})
}
