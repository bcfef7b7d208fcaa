package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"apichain/interop/history"
	"apichain/interop/workload"
)

// Two of the program on an etcd of three members: each of the five is restarted in turn, and some are killed, while clients
// work. What fails was in flight to what has failed, and nothing else.
//
//	APICHAIN_RESTARTS=100 APICHAIN_SEVERAL_KILLS=20 go test -run TestSeveral -v -timeout 40m .

// disturbance is the time in which one of them was away.
type disturbance struct {
	what, url    string // url is where clients reach it, "" for a member of etcd
	began, ended time.Time
}

// explains says whether a request failed for it: it was sent to the one that was away, or was in flight when a member of
// etcd went, which takes with it what it was asked to write.
func (d *disturbance) explains(f workload.Failure) bool {
	if d.url == "" {
		return f.Start.Before(d.began) && f.End.After(d.began)
	}
	return f.Server == d.url && f.Start.Before(d.ended) && f.End.After(d.began)
}

// target is one of those that are disturbed. url is where clients reach it, "" for a member of etcd.
type target struct {
	name, url string
	*process
}

// disturb ends the target, by a kill or by asking it, and starts it again.
func (g *target) disturb(kill bool) (*disturbance, error) {
	d := &disturbance{what: "restart of " + g.name, url: g.url, began: time.Now()}
	end := g.stop
	if kill {
		d.what, end = "kill of "+g.name, g.kill
	}
	err := end()
	if err == nil {
		err = g.start()
	}
	if d.ended = time.Now(); err != nil {
		err = fmt.Errorf("%s: %w", d.what, err)
	}
	return d, err
}

// TestSeveral: nothing that was acknowledged is lost, no request fails that has no reason to, watches go on at the other
// server, and an informer behind a proxy sees every change.
func TestSeveral(t *testing.T) {
	restarts, _ := environment(t, "APICHAIN_RESTARTS", 5)
	kills, _ := environment(t, "APICHAIN_SEVERAL_KILLS", 5)
	etcd := startEtcd(t, 3)
	one, two := startProgram(t, "--etcd-servers="+etcd.servers()), startProgram(t, "--etcd-servers="+etcd.servers())
	all := []target{{"apichain 0", one.url, one.process}, {"apichain 1", two.url, two.process}}
	for i, m := range etcd {
		all = append(all, target{fmt.Sprint("etcd member ", i), "", m.process})
	}
	isKill := append(slices.Repeat([]bool{true}, kills), slices.Repeat([]bool{false}, restarts)...)
	rand.Shuffle(len(isKill), func(i, j int) { isKill[i], isKill[j] = isKill[j], isKill[i] })

	way := newNetwork(t, one.url)
	way.others = []string{strings.TrimPrefix(two.url, "http://")}
	seen := watchRevisions(t, way.as(one.url), "several-0")
	var disturbances []*disturbance
	w := &workload.Workload{
		Servers: []string{one.url, two.url}, Name: "several", Writers: 4, Readers: 2, Watchers: 4, Pace: 5 * time.Millisecond, Patience: 20 * time.Second,
	}
	result := underLoad(t, w, func(ctx context.Context) {
		seen.begin(ctx)
		for i, kill := range isKill {
			d, err := all[i%len(all)].disturb(kill)
			if disturbances = append(disturbances, d); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(rand.N(time.Second)):
			}
		}
	})
	right(t, result.History)
	unexplained := 0
	for _, f := range result.Failures {
		if !slices.ContainsFunc(disturbances, func(d *disturbance) bool { return d.explains(f) }) {
			if unexplained++; unexplained < 20 {
				t.Errorf("it failed for no reason: %v", f)
			}
		}
	}
	t.Logf("%d restarts, %d kills; %d requests failed, %d of them for no reason", restarts, kills, len(result.Failures), unexplained)
	seen.all(t, result.History, "several-0/")
}

// revisions are those that an informer has told its handlers.
type revisions struct {
	mu    sync.Mutex
	seen  map[string]bool
	first chan struct{} // closed when there is one
	*requests
}

// begin waits for the first one: a reflector lists anew after a watch of less than a second that has told nothing.
func (r *revisions) begin(ctx context.Context) {
	select {
	case <-r.first:
	case <-ctx.Done():
	}
}

// watchRevisions starts an informer over the config maps of a namespace until the test ends.
func watchRevisions(t *testing.T, url, namespace string) *revisions {
	t.Helper()
	r := &revisions{seen: map[string]bool{}, first: make(chan struct{})}
	config, requests := counted(&rest.Config{Host: url, QPS: -1})
	r.requests = requests
	factory := informers.NewSharedInformerFactoryWithOptions(typed(t, config), 0, informers.WithNamespace(namespace))
	note := func(o any) {
		_, revision := version(o)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.seen[revision] = true; len(r.seen) == 1 {
			close(r.first)
		}
	}
	_, err := factory.Core().V1().ConfigMaps().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, o any) { note(o) },
	})
	check(t, "handler", err)
	ctx, stop := context.WithCancel(t.Context())
	factory.StartWithContext(ctx)
	t.Cleanup(func() { stop(); factory.Shutdown() })
	// It begins before all writes, so that it must see all of them.
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			t.Fatalf("%v: not filled", kind)
		}
	}
	return r
}

// all waits until the informer has told of every write that was acknowledged. One that was told to list anew may have
// missed what was overwritten meanwhile.
func (r *revisions) all(t *testing.T, h history.History, prefix string) {
	t.Helper()
	check := func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		missing, of := 0, 0
		var last *history.Op
		for _, op := range h.Ops {
			if op.Outcome == history.OK && (op.Verb == history.Create || op.Verb == history.Update) && strings.HasPrefix(op.Key, prefix) {
				if of++; !r.seen[fmt.Sprint(op.Rev)] {
					missing++
					last = op
				}
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d changes were not seen, as %v; it has read the state %d times, and %d watches were expired",
				missing, of, last, r.initial.Load(), r.expired.Load())
		}
		return nil
	}
	if r.expired.Load() > 0 {
		t.Logf("the informer had to list anew: %v", check())
		return
	}
	eventually(t, "the informer", check)
}
