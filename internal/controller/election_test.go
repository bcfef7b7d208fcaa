package controller

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api"
	"apichain/internal/discovery"
	"apichain/internal/store"
	"apichain/internal/store/storetest"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// process is one of several over the same objects, whose way to the backend can be cut.
type process struct {
	store.Shared
	api *api.API
	// away says that the backend does not answer this process.
	away atomic.Bool
	// end stops it in order, and waits.
	end func()
}

func (p *process) Transact(ctx context.Context, writes []store.Change) (int64, error) {
	if p.away.Load() {
		return 0, errors.New("etcdserver: request timed out")
	}
	return p.Shared.Transact(ctx, writes)
}

func (p *process) Newest(ctx context.Context) (int64, error) {
	if p.away.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return p.Shared.Newest(ctx)
}

// newProcess makes a process that follows the cluster until the test ends and does nothing yet.
func newProcess(t *testing.T, c *storetest.Cluster) *process {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Shared: c.Member()}
	s := store.New(store.Window{Events: 10_000, Bytes: 64 << 20})
	if err := s.Open(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	p.api = api.New(api.Config{
		Store: s, Kinds: table, Catalog: &discovery.Catalog{}, Bookmarks: time.Minute, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(p.goes(func(ctx context.Context) { s.Follow(ctx) }))
	return p
}

// goes runs f in a goroutine, and returns what ends it and waits. It may be called twice.
func (p *process) goes(f func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var owned sync.WaitGroup
	owned.Go(func() { f(ctx) })
	return func() {
		cancel()
		owned.Wait()
	}
}

// start starts the process as a server does, until its end is called or the test ends.
func (p *process) start(t *testing.T, own Own) {
	t.Helper()
	run, err := Start(context.Background(), p.api, own)
	if err != nil {
		t.Fatal(err)
	}
	p.end = p.goes(run)
	t.Cleanup(p.end)
}

// lagging is a cluster whose members hear of writes up to most later.
func lagging(most time.Duration) *storetest.Cluster {
	return &storetest.Cluster{Lag: func(int64) { time.Sleep(rand.N(most)) }}
}

// worker counts who works.
type worker struct {
	mu sync.Mutex
	// now and most are how many work, and ever did at once; began has when the last one began.
	now, most int
	by        string
	began     time.Time
}

// work works for a process until ctx ends.
func (w *worker) work(id string) func(context.Context) {
	return func(ctx context.Context) {
		w.mu.Lock()
		w.now++
		w.most, w.by, w.began = max(w.most, w.now), id, time.Now()
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}
}

// holder returns who works and since when, "" for nobody.
func (w *worker) holder() (string, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == 0 {
		return "", w.began
	}
	return w.by, w.began
}

// electing starts three processes that want to work.
func electing(t *testing.T, w *worker) map[string]*process {
	t.Helper()
	c := lagging(50 * time.Millisecond)
	all := map[string]*process{}
	for _, id := range []string{"a", "b", "c"} {
		p := newProcess(t, c)
		if err := p.api.Ensure(t.Context(), object(t, "{kind: Namespace, apiVersion: v1, metadata: {name: kube-system}}")); err != nil {
			t.Fatal(err)
		}
		e := &election{api: p.api, lease: controllersLease, id: id}
		p.end = p.goes(func(ctx context.Context) { e.run(ctx, w.work(id)) })
		t.Cleanup(p.end)
		all[id] = p
	}
	return all
}

// TestOneWorks cuts and stops the process that works, again and again: another one works within the time of a Lease,
// at once if the first stopped in order, and never two do.
func TestOneWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		all := electing(t, &w)
		time.Sleep(time.Hour)
		first, since := w.holder()
		if first == "" || time.Since(since) < 59*time.Minute {
			t.Fatalf("%q works since %v", first, since)
		}
		for range 10 {
			was, _ := w.holder()
			time.Sleep(rand.N(2 * retryPeriod))
			cut := time.Now()
			all[was].away.Store(true)
			time.Sleep(20 * time.Second)
			is, began := w.holder()
			if is == "" || is == was || began.Sub(cut) > 15*time.Second {
				t.Fatalf("%q works %v after %q was cut", is, began.Sub(cut), was)
			}
			all[was].away.Store(false)
		}
		was, _ := w.holder()
		stopped := time.Now()
		all[was].end()
		time.Sleep(time.Second)
		if is, began := w.holder(); is == "" || is == was || began.Sub(stopped) > 500*time.Millisecond {
			t.Errorf("%q works %v after %q has stopped", is, began.Sub(stopped), was)
		}
		if w.most != 1 {
			t.Errorf("%d worked at once", w.most)
		}
	})
}

// TestReleaseIsSeenByANewcomer stops the process that works just after another one has come, which has seen no event
// of the Lease yet: it works at once.
func TestReleaseIsSeenByANewcomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(20 * time.Millisecond)
		old := newProcess(t, c)
		old.start(t, Own{CA: "ca"})
		time.Sleep(time.Minute)
		for range 5 {
			// The window of the newcomer begins at a write that is not of the Lease.
			obj := map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"generateName": "a-"}}
			if _, err := old.api.Internal(old.api.Builtin("", "v1", "ConfigMap"), "create", "default", "", "").Insert(obj); err != nil {
				t.Fatal(err)
			}
			next := newProcess(t, c)
			next.start(t, Own{CA: "ca"})
			time.Sleep(100 * time.Millisecond)
			old.end()
			time.Sleep(200 * time.Millisecond)
			spec := tree.Object(next.api.Get("leases.coordination.k8s.io", leaseNamespace, controllersLease), "spec")
			if tree.Text(spec, "holderIdentity") == "" {
				t.Fatalf("nobody has the Lease: %v", spec)
			}
			old = next
			time.Sleep(time.Minute)
		}
	})
}

// TestShortFailuresAreSurvived cuts the process that works for less than its deadline: it goes on.
func TestShortFailuresAreSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		all := electing(t, &w)
		time.Sleep(time.Minute)
		was, since := w.holder()
		for range 5 {
			all[was].away.Store(true)
			time.Sleep(renewDeadline - 2*retryPeriod - time.Second)
			all[was].away.Store(false)
			time.Sleep(2 * retryPeriod)
		}
		if is, began := w.holder(); is != was || began != since {
			t.Errorf("%q works since %v, want %q since %v", is, began, was, since)
		}
	})
}

// TestLeaseIsUpstreams looks at the Lease, by the fields that client-go fills and reads.
func TestLeaseIsUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w worker
		all := electing(t, &w)
		time.Sleep(time.Minute)
		was, _ := w.holder()
		lease := func() map[string]any {
			return tree.Object(all[was].api.Get("leases.coordination.k8s.io", leaseNamespace, controllersLease), "spec")
		}
		spec := lease()
		acquired, _ := time.Parse(microTime, tree.Text(spec, "acquireTime"))
		renewed, _ := time.Parse(microTime, tree.Text(spec, "renewTime"))
		if tree.Text(spec, "holderIdentity") != was || spec["leaseDurationSeconds"] != int64(14) || spec["leaseTransitions"] != int64(0) ||
			time.Since(acquired) < 50*time.Second || time.Since(renewed) > 3*time.Second {
			t.Errorf("the Lease is %v", spec)
		}
		// The holder last: else one that stands by takes it at once.
		for _, p := range all {
			if p != all[was] {
				p.end()
			}
		}
		all[was].end()
		spec = lease()
		if tree.Text(spec, "holderIdentity") != "" || spec["leaseDurationSeconds"] != int64(1) {
			t.Errorf("the released Lease is %v", spec)
		}
	})
}

// TestStartTogether starts several servers at once: each finds its objects, made once, and one has the controllers,
// which look after what is written to any.
func TestStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(20 * time.Millisecond)
		var all [3]*process
		var starting sync.WaitGroup
		for i := range all {
			all[i] = newProcess(t, c)
			starting.Go(func() {
				all[i].start(t, Own{
					CA: "ca", Host: "10.1.0." + string(rune('1'+i)), Port: 6443, Services: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
					Listens: func(context.Context, string) bool { return true },
				})
			})
		}
		starting.Wait()
		time.Sleep(time.Minute)
		service := all[0].api.Get("services", "default", "kubernetes")
		ip := tree.Text(all[0].api.Get("ipaddresses.networking.k8s.io", "", "10.0.0.1"), "spec", "parentRef", "name")
		if tree.Text(service, "spec", "clusterIP") != "10.0.0.1" || ip != "kubernetes" {
			t.Errorf("the Service is %v, its address is of %q", service, ip)
		}
		before := all[0].api.Store.Revision()
		for i, p := range all {
			name := "n" + string(rune('a'+i))
			obj := map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": name}}
			if err := p.api.Ensure(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if all[0].api.Get("serviceaccounts", name, "default") == nil || all[2].api.Get("configmaps", name, rootCAName) == nil {
				t.Errorf("namespace %s has not what every namespace has", name)
			}
		}
		// Nothing else was written but the Lease, every two seconds.
		if n := all[0].api.Store.Revision() - before; n > 9+4 {
			t.Errorf("%d writes", n)
		}
		// A process that comes later rewrites nothing.
		late := newProcess(t, c)
		points := all[0].api.Change("endpoints")
		late.start(t, Own{CA: "ca", Host: "10.1.0.9", Port: 6443, Listens: func(context.Context, string) bool { return true }})
		time.Sleep(time.Minute)
		if all[0].api.Change("endpoints") != points {
			t.Error("the Endpoints were rewritten")
		}
	})
}

// TestServiceLeadsToTheLiving ends the server to which the Service kubernetes leads: soon it leads to another one.
func TestServiceLeadsToTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(20 * time.Millisecond)
		var dead atomic.Bool
		own := Own{CA: "ca", Port: 6443, Listens: func(_ context.Context, address string) bool {
			return !strings.HasPrefix(address, "10.1.0.1:") || !dead.Load()
		}}
		one, two := newProcess(t, c), newProcess(t, c)
		own.Host = "10.1.0.1"
		one.start(t, own)
		time.Sleep(time.Minute)
		own.Host = "10.1.0.2"
		two.start(t, own)
		leads := func() string {
			e := two.api.Get("endpoints", "default", "kubernetes")
			return tree.Text(tree.List(tree.List(e, "subsets")[0], "addresses")[0], "ip")
		}
		time.Sleep(time.Minute)
		if got := leads(); got != "10.1.0.1" {
			t.Errorf("it leads to %s, want the first", got)
		}
		dead.Store(true)
		one.away.Store(true)
		time.Sleep(leaseDuration + time.Second)
		if got := leads(); got != "10.1.0.2" {
			t.Errorf("it leads to %s, want the one that lives", got)
		}
		slice := two.api.Get("endpointslices.discovery.k8s.io", "default", "kubernetes")
		if got := tree.List(tree.List(slice, "endpoints")[0], "addresses")[0]; got != "10.1.0.2" {
			t.Errorf("the slice leads to %v", got)
		}
	})
}

// TestListWithoutRanges: the object that keeps node ports apart is in no snapshot, which it could not be loaded from.
func TestListWithoutRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, &storetest.Cluster{})
		p.start(t, Own{CA: "ca"})
		service := object(t, "{metadata: {name: s}, spec: {type: NodePort, ports: [{port: 80}]}}")
		service["kind"], service["apiVersion"] = "Service", "v1"
		if _, _, err := p.api.Apply(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		if now := p.api.Store.Bucket(api.PortRanges).Now(); now.Count() != 1 {
			t.Fatalf("%d objects of ports", now.Count())
		}
		var b strings.Builder
		if err := NewList(p.api.Store).Write(&b); err != nil || strings.Contains(b.String(), "RangeAllocation") {
			t.Errorf("the list has the object: %v", err)
		}
		if _, err := readSnapshot(p.api, []byte(b.String())); err != nil {
			t.Errorf("the list cannot be loaded: %v", err)
		}
	})
}

// TestNamespacesKeepWhatUsersSay starts on objects of before: what somebody has said of a namespace stays.
func TestNamespacesKeepWhatUsersSay(t *testing.T) {
	r := newRoom(t, 1000)
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: default, labels: {a: b}}}")
	if _, err := Start(t.Context(), r.api, Own{}); err != nil {
		t.Fatal(err)
	}
	if got := tree.Text(r.api.Get("namespaces", "", "default"), "metadata", "labels", "a"); got != "b" {
		t.Errorf("the label is %q", got)
	}
}

// TestReadOnlyStart starts over objects of others without a write, be the backend away.
func TestReadOnlyStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c storetest.Cluster
		c.Ask = func(_ context.Context, op string) error {
			if op == "transact" {
				return errors.New("a write")
			}
			return nil
		}
		p := newProcess(t, &c)
		p.api.Config.ReadOnly = "the server is read-only"
		p.start(t, Own{CA: "ca", Host: "10.1.0.1", Port: 6443})
		time.Sleep(time.Minute)
		if n := len(NewList(p.api.Store).objects); n != 0 {
			t.Errorf("%d objects", n)
		}
		r := NewRestorer(p.api)
		r.Keep()
		if _, err := r.Reset(t.Context()); err == nil || err.Code != 403 || !strings.HasSuffix(err.Message, "the server is read-only") {
			t.Errorf("a reset: %v", err)
		}
	})
}
