// Package allocator hands out what services have of the cluster: addresses from its service ranges,
// and ports on its nodes. No two services ever have the same.
//
// What is taken is what stored services say, and nothing else: a Pool keeps an index of it, which
// follows the store's events whenever it is asked. So nothing has to be given back: a service that is
// deleted, changed or replaced with the whole store has let go of what it had in that very commit. What
// a write has chosen and not yet stored is held by its Claim:
//
//	stored services ──events──► used ┐
//	claims that have not ended  held ┴─► neither: free
//
//	c, err := pool.Service(obj, old, dryRun)   // fills in addresses and ports, and holds them
//	defer c.End()
//	… obj is checked, and stored together with c.Made and without c.Gone, if c.Lost() says nothing
//
// An address has an object of its own besides, an IPAddress, by which others can take one that no
// service has. It counts as taken, too; whoever stores a service makes and removes those in the same commit.
//
// A Pool and its claims may be used by any number of goroutines; a Claim belongs to one. The package is
// internal and promises no compatibility.
package allocator

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// Ports is a range of ports, both ends included.
type Ports struct{ First, Last int }

// String writes the range as upstream's messages have it.
func (p Ports) String() string { return strconv.Itoa(p.First) + "-" + strconv.Itoa(p.Last) }

// reserved returns how many ports at the beginning are left for clients that choose their own, as
// long as there are others.
// It is between 16 and 128, a 32nd of the range (upstream): 86 of the usual 2768.
func (p Ports) reserved() int {
	size := p.Last - p.First + 1
	// A small range would have no others.
	if size <= 16 {
		return 0
	}
	return min(max(16, size/32), 128)
}

// Config says what there is to hand out. All but Random and PortRange must be set.
type Config struct {
	// Services, Addresses and Ranges are the buckets of Service, IPAddress and ServiceCIDR.
	Services, Addresses, Ranges *store.Bucket
	// PortRange returns the bucket of the object that keeps the ports of several processes apart; nil, as the function
	// may be, where there is one process.
	PortRange func() *store.Bucket
	// Cluster is one range, or one of each family; the first says which family services have that name
	// none. Its addresses are those of the ServiceCIDR kubernetes, and are there without it, too.
	Cluster []netip.Prefix
	Ports   Ports
	// Random returns a number below n; nil is math/rand.
	Random func(n uint64) uint64
}

// Pool knows what is free.
type Pool struct {
	Config

	// mu guards all below. It is taken within commits of the store, and none is made under it.
	mu sync.Mutex
	// used counts the services that have an address or a port, by its text.
	used map[string]int
	held map[string]bool
	// follow is where the index is in the log of services; nil before the first use.
	follow *store.Cursor

	// subnets are those of the ServiceCIDRs at a revision of their bucket.
	subnets  []subnet
	subnetAt int64

	// ports is what the object rangeOf of PortRange says.
	ports   bitmap
	rangeOf *store.Object
}

// New returns a pool of what c says.
// Nothing is read until the first claim, so it may be made before the store is filled.
func New(c Config) *Pool {
	if c.Random == nil {
		c.Random = rand.Uint64N
	}
	if c.PortRange == nil {
		c.PortRange = func() *store.Bucket { return nil }
	}
	return &Pool{Config: c, held: map[string]bool{}, subnetAt: -1}
}

// syncLocked brings the index up to now. The caller holds mu.
// It reads the events since the last time, or all services where there are too many of them. After it
// used says what the store has, as of a moment within the call.
func (p *Pool) syncLocked() {
	for p.follow != nil {
		events, wait, err := p.follow.Next(nil, 256)
		if err != nil {
			break // the log has gone on without us
		}
		for _, e := range events {
			// What it had goes and what it has comes: most writes change nothing of it.
			if e.Prev != nil {
				p.countLocked(e.Prev, -1)
			}
			if e.Kind != store.Deleted {
				p.countLocked(e.Object, 1)
			}
		}
		if wait != nil {
			return
		}
	}
	// Too far behind, or the first time: counting anew is as much work as there are services.
	for { // until no event is dropped between the snapshot and the place behind it
		sn := p.Services.Now()
		var err error
		if p.follow, err = p.Services.Watch(sn.Rev); err != nil {
			continue
		}
		p.used = make(map[string]int, sn.Count())
		for o := range sn.Scan("", "") {
			p.countLocked(o, 1)
		}
		return
	}
}

// countLocked adds n services that have what o has.
// n is 1 or -1. Two services may have the same port, so the index counts. The caller holds mu.
func (p *Pool) countLocked(o *store.Object, n int) {
	for _, key := range taken(o.Decode()) {
		if p.used[key] += n; p.used[key] == 0 {
			// So the index is never larger than what is taken.
			delete(p.used, key)
		}
	}
}

// taken returns what a service has, each once.
// Addresses are in their canonical form, ports as decimal numbers; sorted.
func taken(service map[string]any) []string {
	spec := tree.Object(service, "spec")
	keys := Addresses(service)
	for _, port := range tree.List(spec, "ports") {
		if n, _ := tree.At(port, "nodePort").(int64); n != 0 {
			keys = append(keys, portKey(int(n)))
		}
	}
	// The field may stay behind when the service no longer needs it; then the port is free.
	if n, _ := spec["healthCheckNodePort"].(int64); n != 0 && needsHealthCheck(spec) {
		keys = append(keys, portKey(int(n)))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// portKey returns the text of a port in the index. No address looks like it.
func portKey(n int) string { return strconv.Itoa(n) }

// freeLocked reports whether nobody has an address or a port. The caller holds mu, and has synced.
// Addresses that have an object of their own are not in the index: who asks about one looks there too.
func (p *Pool) freeLocked(key string) bool { return p.used[key] == 0 && !p.held[key] }
