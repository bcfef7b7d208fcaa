package allocator

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// A claim is what one write takes. In a dry run it takes nothing, and its answers are upstream's
// guesses: the address of the network, and ports from 32769 on.

// Claim is what a write of a service takes, and is to let go. The zero value takes nothing.
type Claim struct {
	pool *Pool
	dry  bool
	keys []string
	// ports are those that a dry run has seen or made up.
	ports []int

	// Made are addresses that the service has with this write, Gone those that it no longer has.
	Made, Gone []string
}

// The reasons for which nothing is handed out, in upstream's words.
var (
	// The first three are told of a real write, the last one of a dry run, for which upstream asks
	// another part of itself.
	errFull      = errors.New("range is full")
	errTaken     = errors.New("provided IP is already allocated")
	errPortTaken = errors.New("provided port is already allocated")
	errMismatch  = errors.New("the provided network does not match the current range")
	errNotReady  = errors.New("allocator not ready")
)

// End lets go of what the claim holds: by then it is stored, or it is free again. Doing it twice is as
// good as once.
// It may be called on a claim that took nothing, and does not touch what is stored.
func (c *Claim) End() {
	// Most writes change neither address nor port, and need no lock.
	if len(c.keys) == 0 {
		return
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, key := range c.keys {
		delete(c.pool.held, key)
	}
	c.keys = nil
}

// Lost returns what of the claim somebody has got nevertheless, who does not ask the pool: by an IPAddress
// of their own, or by putting a whole store in place of this one. "" is nothing. It is asked within the commit.
// The claim's own keys are held, so nobody who asks the pool can have got them.
func (c *Claim) Lost() string {
	if len(c.keys) == 0 {
		return ""
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	// Up to the commit, which holds back every other one meanwhile.
	c.pool.syncLocked()
	sn := c.pool.Addresses.Latest()
	for _, key := range c.keys {
		if c.pool.used[key] > 0 || sn.Get(key) != nil {
			return key
		}
	}
	return ""
}

// holdLocked takes a key that is free.
// The caller holds the pool's mu.
func (c *Claim) holdLocked(key string) {
	c.pool.held[key] = true
	c.keys = append(c.keys, key)
}

// address takes the address that a client names.
// The address may be of any range of the cluster, reserved part or not. The error is what upstream's
// message ends with; nothing is held with one.
func (c *Claim) address(a netip.Addr) error {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	subnets := p.subnetsLocked()
	if c.dry {
		// Upstream asks any one of its ranges, and not whether the address is taken.
		return dryAddress(subnets, a)
	}
	// A range that is not ready keeps what it has given, and gives no more.
	in := false
	for i := range subnets {
		in = in || subnets[i].ready && subnets[i].contains(a)
	}
	if !in {
		return errMismatch
	}
	// Only now, since most that is refused is outside: what stored services have, and what has an object.
	p.syncLocked()
	sn := p.Addresses.Now()
	key := a.String()
	if !p.freeLocked(key) || sn.Get(key) != nil {
		return errTaken
	}
	c.holdLocked(key)
	c.Made = append(c.Made, key)
	return nil
}

// dryAddress says what is wrong with an address that is not to be taken.
// What is said is about the last range of the family that does not have it; without any that is ready,
// that none is.
func dryAddress(subnets []subnet, a netip.Addr) error {
	why := errNotReady
	for i := range subnets {
		s := &subnets[i]
		if a.Is4() != s.prefix.Addr().Is4() || !s.ready {
			continue
		}
		if s.contains(a) {
			return nil
		}
		why = fmt.Errorf("the provided IP (%s) is not in the valid range. The range of valid IPs is %s", a, s.prefix)
	}
	return why
}

// nextAddress takes any address of a family: from the dynamic part of a range if there is one.
// Ranges are asked in order, and the next one only when one is full. A dry run takes the address of the
// network itself, which no service can have.
func (c *Claim) nextAddress(v4 bool) (string, error) {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	subnets := p.subnetsLocked()
	if !c.dry {
		p.syncLocked()
	}
	for i := range subnets {
		s := &subnets[i]
		if !s.ready || s.prefix.Addr().Is4() != v4 {
			continue
		}
		if c.dry {
			return s.prefix.Addr().String(), nil
		}
		// The dynamic part first. What is reserved is for clients that name an address, as long as it can be.
		for _, part := range [...]struct {
			first netip.Addr
			size  uint64
		}{{plus(s.first, s.reserved), s.dynamic}, {s.first, s.reserved}} {
			if key := p.findLocked(part.size, func(n uint64) string { return plus(part.first, n).String() }); key != "" {
				c.holdLocked(key)
				c.Made = append(c.Made, key)
				return key, nil
			}
		}
	}
	return "", errFull
}

// findLocked returns the first free key of size ones, from a random one on; "" if there is none.
// A key that is "" is not free either. The caller holds mu and has synced. It looks at each key at most once, so a full range costs as many
// looks as it has addresses, and a nearly empty one costs one.
func (p *Pool) findLocked(size uint64, key func(n uint64) string) string {
	if size == 0 {
		return ""
	}
	sn := p.Addresses.Now()
	// From a random place on, so that an address is seldom given out again soon after it was let go.
	start := p.Random(size)
	for i := range size {
		k := key((start + i) % size)
		if k != "" && p.freeLocked(k) && sn.Get(k) == nil {
			return k
		}
	}
	return ""
}

// port takes the port that a client names.
// It must be within the range of the cluster, and nobody else's; the error is what upstream's message
// ends with.
func (c *Claim) port(n int) error {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	// A dry run takes a port of any range (upstream).
	if !c.dry && (n < p.Ports.First || n > p.Ports.Last) {
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %s", p.Ports)
	}
	p.syncLocked()
	// The claim's own ports count in a dry run, too, which holds none of them.
	if !p.freeLocked(portKey(n)) || p.takenLocked(n) || slices.Contains(c.ports, n) {
		return errPortTaken
	}
	c.ports = append(c.ports, n)
	if !c.dry {
		c.holdLocked(portKey(n))
	}
	return nil
}

// dryPort makes up a port that is not to be taken: the one after the highest so far, or a low one that is free.
// Upstream's dry run has an allocator of its own that begins at nothing; clients have come to see the
// numbers.
func (c *Claim) dryPort() int {
	// As high as no port of the usual range is.
	n := 32768
	if len(c.ports) > 0 {
		n = max(0, slices.Max(c.ports))
	}
	for low := n + 1; low < 100; low++ {
		if c.port(low) == nil {
			return low
		}
	}
	c.ports = append(c.ports, n+1)
	return n + 1
}

// nextPort takes any port: behind the reserved ones if there is one.
// The reserved ones, at the beginning of the range, are taken when all others are. In a dry run it
// never fails.
func (c *Claim) nextPort() (int, error) {
	if c.dry {
		return c.dryPort(), nil
	}
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.syncLocked()
	first := p.Ports.First + p.Ports.reserved()
	// Two parts that together are the range; the second is empty where nothing is reserved.
	for _, part := range [...]Ports{{first, p.Ports.Last}, {p.Ports.First, first - 1}} {
		n := 0
		key := p.findLocked(uint64(part.Last-part.First+1), func(i uint64) string {
			if n = part.First + int(i); p.takenLocked(n) {
				return ""
			}
			return portKey(n)
		})
		if key != "" {
			c.holdLocked(key)
			return n, nil
		}
	}
	return 0, errFull
}
