package allocator

import (
	"encoding/base64"
	"math/big"
	"strconv"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// Ports on nodes over several processes. An address has an object of its own, which only one of two transactions can
// make; a port has none. Upstream keeps one object with a bit for each port of the range, and so does a pool over a
// shared backend: the transaction that stores a service sets the bits of its new ports and clears those that it
// no longer has. Of two that choose at once the second is overtaken, looks at the object that the first has
// written, and finds its port taken (Lost).
//
//	ranges/servicenodeports   {"range": "30000-32767", "data": base64 of a number, bit 0 is port 30000}
//
// A kube-apiserver beside us sets a bit before it stores the service, and clears it afterwards; what it leaves
// behind its repair loop puts right. So a port is free when no service has it and its bit is not set. Memory and
// a journal have one process, whose pool knows all: there is no such object, and nobody looks for one.

// PortRanges is the bucket of the object, and NodePortRange its key (upstream's path below /registry/ranges).
const (
	PortRanges    = "ranges"
	NodePortRange = "servicenodeports"
)

// bitmap is the ports that the object says are taken.
type bitmap struct {
	first int
	bits  *big.Int
}

// has reports whether a port is taken. The zero value has none.
func (b *bitmap) has(n int) bool { return b.bits != nil && n >= b.first && b.bits.Bit(n-b.first) == 1 }

// readBitmap reads the object, nil for none. One of another range than that of the pool is as good as none: upstream
// makes it anew, too.
func (p *Pool) readBitmap(o *store.Object) (b bitmap, ok bool) {
	if o == nil {
		return b, false
	}
	obj := o.Decode()
	data, err := base64.StdEncoding.DecodeString(tree.Text(obj, "data"))
	if err != nil || tree.Text(obj, "range") != p.Ports.String() {
		return b, false
	}
	return bitmap{p.Ports.First, new(big.Int).SetBytes(data)}, true
}

// takenLocked reports whether the object says that a port is taken. The caller holds mu.
func (p *Pool) takenLocked(n int) bool {
	bucket := p.PortRange()
	if bucket == nil {
		return false
	}
	sn := bucket.Now()
	if o := sn.Get(NodePortRange); o != p.rangeOf {
		p.rangeOf = o
		p.ports, _ = p.readBitmap(o)
	}
	return p.ports.has(n)
}

// PortChange returns the change of the object that goes with the write of a service: from old to next, either of
// which is nil for none. It is nil if no port comes or goes. lost is a port that somebody else has got, "" for
// none. It is called within the commit.
func (p *Pool) PortChange(old, next map[string]any) (change *store.Change, lost string) {
	bucket := p.PortRange()
	if bucket == nil {
		return nil, ""
	}
	had, has := nodePortsOf(old), nodePortsOf(next)
	if len(had) == 0 && len(has) == 0 {
		return nil, ""
	}
	sn := bucket.Latest()
	o := sn.Get(NodePortRange)
	b, ok := p.readBitmap(o)
	if !ok {
		b = p.portsInUse()
	}
	changed := !ok
	set := func(n int, bit uint) {
		if n >= p.Ports.First && n <= p.Ports.Last {
			b.bits.SetBit(b.bits, n-p.Ports.First, bit)
			changed = true
		}
	}
	for n := range has {
		switch {
		case had[n]:
		case b.has(n):
			return nil, portKey(n)
		default:
			set(n, 1)
		}
	}
	for n := range had {
		if !has[n] {
			set(n, 0)
		}
	}
	if !changed {
		return nil, ""
	}
	d := store.Encode(map[string]any{
		"kind": "RangeAllocation", "apiVersion": "v1", "metadata": map[string]any{},
		"range": p.Ports.String(), "data": base64.StdEncoding.EncodeToString(b.bits.Bytes()),
	}, nil)
	change = &store.Change{Bucket: bucket, Key: NodePortRange, Next: &d}
	if o != nil {
		change.Expect = o.Rev
	}
	return change, ""
}

// portsInUse returns the ports that stored services have.
func (p *Pool) portsInUse() bitmap {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.syncLocked()
	b := bitmap{p.Ports.First, new(big.Int)}
	for key := range p.used {
		if n, err := strconv.Atoi(key); err == nil && n >= p.Ports.First && n <= p.Ports.Last {
			b.bits.SetBit(b.bits, n-p.Ports.First, 1)
		}
	}
	return b
}

// nodePortsOf returns the ports on nodes that a service has, nil for none.
func nodePortsOf(service map[string]any) map[int]bool {
	if service == nil {
		return nil
	}
	var ports map[int]bool
	for _, key := range taken(service) {
		if n, err := strconv.Atoi(key); err == nil {
			if ports == nil {
				ports = map[int]bool{}
			}
			ports[n] = true
		}
	}
	return ports
}
