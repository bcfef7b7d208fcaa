package allocator

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// world is a store with a pool over it.
type world struct {
	t    *testing.T
	s    *store.Store
	pool *Pool
}

// newWorld returns an empty store whose pool has ranges and ports, and always takes the first that is free of
// a part.
func newWorld(t *testing.T, ports Ports, cidrs ...string) *world {
	t.Helper()
	s := store.New(store.Window{Events: 16, Bytes: 1 << 20})
	c := Config{
		Services: s.Bucket("services"), Addresses: s.Bucket("ipaddresses"), Ranges: s.Bucket("servicecidrs"),
		Ports: ports, Random: func(uint64) uint64 { return 0 },
	}
	for _, cidr := range cidrs {
		c.Cluster = append(c.Cluster, netip.MustParsePrefix(cidr))
	}
	return &world{t, s, New(c)}
}

// object reads an object in YAML.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	v, _, err := tree.ParseYAMLObject([]byte(text))
	obj, ok := v.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("%s: %v", text, err)
	}
	return obj
}

// put stores an object under a key; nil removes it.
func (w *world) put(b *store.Bucket, key string, obj map[string]any) {
	w.t.Helper()
	c := store.Change{Bucket: b, Key: key, Expect: -1}
	if obj != nil {
		d := store.Encode(obj, nil)
		c.Next = &d
	}
	if _, err := w.s.Commit(context.Background(), c); err != nil {
		w.t.Fatal(err)
	}
}

// create takes what a new service asks for, stores it and returns its spec in short; or the error.
func (w *world) create(name, spec string) string {
	w.t.Helper()
	obj := object(w.t, "{metadata: {name: "+name+"}, spec: "+spec+"}")
	c, err := w.pool.Service(obj, nil, false)
	if err != nil {
		return err.Error()
	}
	defer c.End()
	w.put(w.pool.Services, "default/"+name, obj)
	return short(obj)
}

// short returns the addresses and ports of a service.
func short(obj map[string]any) string { return strings.Join(taken(obj), " ") }

const plain = "{type: ClusterIP, ports: [{port: 80}]}"

// TestSubnets: which addresses there are, and which of them are handed out first.
func TestSubnets(t *testing.T) {
	for _, c := range []struct {
		cidr            string
		first, dynamic  string
		reserved, rest  uint64
		inside, outside []string
		tooLong         bool
	}{
		{cidr: "10.0.0.0/24", first: "10.0.0.1", dynamic: "10.0.0.17", reserved: 16, rest: 238,
			inside: []string{"10.0.0.1", "10.0.0.254"}, outside: []string{"10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1"}},
		{cidr: "10.0.0.0/12", first: "10.0.0.1", dynamic: "10.0.1.1", reserved: 256, rest: 1<<20 - 2 - 256},
		{cidr: "10.0.0.0/28", first: "10.0.0.1", dynamic: "10.0.0.1", rest: 14},
		{cidr: "10.0.0.0/29", first: "10.0.0.1", dynamic: "10.0.0.1", rest: 6},
		{cidr: "10.0.0.0/32", first: "10.0.0.1", dynamic: "10.0.0.1", outside: []string{"10.0.0.0"}},
		{cidr: "10.0.0.9/24", first: "10.0.0.1", dynamic: "10.0.0.17", reserved: 16, rest: 238},
		{cidr: "fd00::/112", first: "fd00::1", dynamic: "fd00::101", reserved: 256, rest: 1<<16 - 1 - 256,
			inside: []string{"fd00::1", "fd00::ffff"}, outside: []string{"fd00::", "fd00::1:0"}},
		{cidr: "fd00::/64", first: "fd00::1", dynamic: "fd00::101", reserved: 256, rest: 1<<63 - 1 - 256},
		{cidr: "fd00::/63", tooLong: true},
	} {
		s, ok := newSubnet(netip.MustParsePrefix(c.cidr), true)
		if ok == c.tooLong {
			t.Errorf("%s: a range: %t", c.cidr, ok)
		}
		if !ok {
			continue
		}
		if s.first.String() != c.first || plus(s.first, s.reserved).String() != c.dynamic || s.reserved != c.reserved || s.dynamic != c.rest {
			t.Errorf("%s: first %s, dynamic %s, %d reserved, %d others", c.cidr, s.first, plus(s.first, s.reserved), s.reserved, s.dynamic)
		}
		for i, list := range [][]string{c.inside, c.outside} {
			for _, a := range list {
				if got := s.contains(netip.MustParseAddr(a)); got != (i == 0) {
					t.Errorf("%s contains %s: %t", c.cidr, a, got)
				}
			}
		}
	}
}

// TestRangesRunOut: the part that is free for all comes first, then the reserved one, then nothing; what a
// service that is gone had is free again.
func TestRangesRunOut(t *testing.T) {
	w := newWorld(t, Ports{30000, 30001}, "10.0.0.0/27")
	if got := w.create("a", plain); got != "10.0.0.17" {
		t.Errorf("the first is %s", got)
	}
	for i := range 29 {
		if got := w.create(fmt.Sprint("s", i), plain); !strings.HasPrefix(got, "10.0.0.") {
			t.Fatalf("%d: %s", i, got)
		}
	}
	const full = `Internal error occurred: failed to allocate a serviceIP for Service "x": range is full`
	if got := w.create("x", plain); got != full {
		t.Errorf("the last but one is %s", got)
	}
	w.put(w.pool.Services, "default/s3", nil)
	if got := w.create("x", plain); !strings.HasPrefix(got, "10.0.0.") {
		t.Errorf("after one is free: %s", got)
	}
}

// TestPortsRunOut is the same of ports, which are taken together with the address or not at all.
func TestPortsRunOut(t *testing.T) {
	const node = "{type: NodePort, ports: [{port: 80}]}"
	w := newWorld(t, Ports{30000, 30001}, "10.0.0.0/24")
	for i, want := range []string{"10.0.0.17 30000", "10.0.0.18 30001", "Internal error occurred: failed to allocate a nodePort: range is full"} {
		if got := w.create(fmt.Sprint("s", i), node); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if got := w.create("plain", plain); got != "10.0.0.19" {
		t.Errorf("the address of a service that failed is not free: %s", got)
	}
	if n := (Ports{30000, 32767}).reserved(); n != 86 {
		t.Errorf("%d ports are reserved", n)
	}
	if n := (Ports{1, 16}).reserved(); n != 0 {
		t.Errorf("of 16 ports %d are reserved", n)
	}
}

// TestIndexFollows: the index knows what is stored, changed and removed, however far the log has gone on
// meanwhile.
func TestIndexFollows(t *testing.T) {
	w := newWorld(t, Ports{30000, 32767}, "10.0.0.0/24")
	at := func(ip string) string { return "{type: ClusterIP, clusterIP: " + ip + ", clusterIPs: [" + ip + "]}" }
	w.create("a", at("10.0.0.2"))
	for i := range 40 { // more than the log holds
		w.put(w.pool.Services, fmt.Sprint("default/f", i), object(t, fmt.Sprintf("{spec: {clusterIPs: [10.0.1.%d]}}", i)))
	}
	if got := w.create("b", at("10.0.0.2")); !strings.Contains(got, "already allocated") {
		t.Errorf("taken: %s", got)
	}
	w.put(w.pool.Services, "default/a", object(t, "{spec: {clusterIPs: [10.0.0.3]}}"))
	if got := w.create("b", at("10.0.0.2")); got != "10.0.0.2" {
		t.Errorf("changed: %s", got)
	}
	if got := w.create("c", at("10.0.0.3")); !strings.Contains(got, "already allocated") {
		t.Errorf("changed to: %s", got)
	}
	w.put(w.pool.Addresses, "10.0.0.4", object(t, "{}"))
	if got := w.create("c", at("10.0.0.4")); !strings.Contains(got, "already allocated") {
		t.Errorf("an address with an object: %s", got)
	}
}

// TestHeldUntilTheEnd: what a claim has nobody else gets, stored or not, and after its end it is free if it is
// not stored. What is taken past the pool is told.
func TestHeldUntilTheEnd(t *testing.T) {
	w := newWorld(t, Ports{30000, 32767}, "10.0.0.0/24")
	ask := func() (*Claim, error) {
		return w.pool.Service(object(t, "{metadata: {name: x}, spec: {type: NodePort, clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2], ports: [{port: 80, nodePort: 30005}]}}"), nil, false)
	}
	c, err := ask()
	if err != nil || c.Lost() != "" || len(c.Made) != 1 {
		t.Fatal(c, err)
	}
	if _, err := ask(); err == nil {
		t.Error("it is given out twice")
	}
	c.End()
	c.End()
	if c, err = ask(); err != nil {
		t.Fatal("it is not free after the end:", err)
	}
	w.put(w.pool.Services, "default/y", object(t, "{spec: {type: NodePort, ports: [{nodePort: 30005}]}}"))
	if got := c.Lost(); got != "30005" {
		t.Errorf("lost %q", got)
	}
	if dry, err := w.pool.Service(object(t, "{spec: "+plain+"}"), nil, true); err != nil || len(dry.keys) > 0 || dry.Lost() != "" {
		t.Error("a dry run holds", dry, err)
	}
	(&Claim{}).End()
}

// TestRangesOfObjects: the ranges are those of the ServiceCIDRs that are ready, and the cluster's own where
// nobody has said so yet.
func TestRangesOfObjects(t *testing.T) {
	w := newWorld(t, Ports{30000, 32767}, "10.0.0.0/28")
	cidr := func(name, rest string) {
		w.put(w.pool.Ranges, name, object(t, "{metadata: {name: "+name+"}, "+rest+"}"))
	}
	expect := func(when, want string) {
		t.Helper()
		if got := w.create(fmt.Sprint("s", w.s.Revision()), plain); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("at first", "10.0.0.1")
	cidr("more", "spec: {cidrs: [10.1.0.0/24, x, 'fd00::/56']}")
	expect("with another one", "10.0.0.2")
	cidr(DefaultCIDR, "spec: {cidrs: [10.0.0.0/28]}, status: {conditions: [{type: Ready, status: 'False'}]}")
	expect("not ready", "10.1.0.17")
	cidr(DefaultCIDR, "spec: {cidrs: [10.0.0.0/28]}, status: {conditions: [{type: Other, status: 'False'}, {type: Ready, status: 'True'}]}")
	expect("ready", "10.0.0.3")
	w.put(w.pool.Ranges, DefaultCIDR, object(t, "{metadata: {deletionTimestamp: x}, spec: {cidrs: [10.0.0.0/28]}}"))
	expect("going", "10.1.0.18")
	w.put(w.pool.Ranges, "more", nil)
	expect("none", "Internal error")
}

// TestManyAsk: of many who ask at once, some of whom store what they get, no two ever hold the same.
func TestManyAsk(t *testing.T) {
	w := newWorld(t, Ports{30000, 30999}, "10.0.0.0/22")
	w.pool.Random = func(n uint64) uint64 { return n / 2 } // all begin at one place
	var mu sync.Mutex
	owner := map[string]int{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := g*1000 + i + 1
				obj := map[string]any{"metadata": map[string]any{"name": "x"}, "spec": map[string]any{
					"type": "NodePort", "ports": []any{map[string]any{"port": int64(80), "protocol": "TCP"}},
				}}
				c, err := w.pool.Service(obj, nil, false)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, key := range taken(obj) {
					if owner[key] != 0 {
						t.Errorf("%s is of %d and %d", key, owner[key], id)
					}
					owner[key] = id
				}
				if i%2 == 0 {
					for _, key := range taken(obj) {
						delete(owner, key)
					}
				}
				mu.Unlock()
				if i%2 != 0 {
					d := store.Encode(obj, nil)
					if _, err := w.s.Commit(context.Background(), store.Change{Bucket: w.pool.Services, Key: fmt.Sprint("a/", id), Next: &d}); err != nil {
						t.Error(err)
					}
				}
				c.End()
			}
		})
	}
	wg.Wait()
	if len(owner) != 2*8*25 || len(w.pool.held) != 0 {
		t.Errorf("%d are taken, %d held", len(owner), len(w.pool.held))
	}
}

// BenchmarkService is what giving a service an address and a port costs beside a thousand others.
func BenchmarkService(b *testing.B) {
	s := store.New(store.Window{Events: 4096, Bytes: 1 << 24})
	p := New(Config{
		Services: s.Bucket("services"), Addresses: s.Bucket("ipaddresses"), Ranges: s.Bucket("servicecidrs"),
		Ports: Ports{30000, 32767}, Cluster: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
	})
	for i := range 1000 {
		obj := map[string]any{"spec": map[string]any{"clusterIPs": []any{fmt.Sprintf("10.0.%d.%d", i/250+1, i%250+1)}}}
		d := store.Encode(obj, nil)
		if _, err := s.Commit(context.Background(), store.Change{Bucket: p.Services, Key: fmt.Sprint("a/", i), Next: &d}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		obj := map[string]any{"metadata": map[string]any{"name": "x"}, "spec": map[string]any{
			"type": "NodePort", "ports": []any{map[string]any{"port": int64(80)}},
		}}
		c, err := p.Service(obj, nil, false)
		if err != nil {
			b.Fatal(err)
		}
		c.End()
	}
}
