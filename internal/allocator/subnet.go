package allocator

import (
	"encoding/binary"
	"net/netip"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The arithmetic of a range of addresses. Its beginning is left for services that name their address,
// as long as the rest has others:
//
//	10.0.0.0/24   .0 network   .1 … .16 reserved   .17 … .254 dynamic   .255 broadcast
//
// An IPv6 range has no broadcast address, and is counted up to 2^63 addresses.

// subnet is a range from which addresses may be taken.
type subnet struct {
	prefix netip.Prefix
	// ready is that of its ServiceCIDR: those of others are known, and not handed out.
	ready bool
	first netip.Addr
	// reserved and dynamic are how many addresses the parts have; dynamic is 0 for a range without any.
	reserved, dynamic uint64
}

// newSubnet returns the range of a prefix, false for one of IPv6 that is shorter than 64 bits.
// The prefix may have bits of a host, which are cut off. The reserved part is a 16th, at least 16 and
// at most 256 addresses (upstream).
func newSubnet(prefix netip.Prefix, ready bool) (subnet, bool) {
	host := prefix.Addr().BitLen() - prefix.Bits()
	if host > 64 {
		return subnet{}, false
	}
	s := subnet{prefix: prefix.Masked(), ready: ready}
	s.first = s.prefix.Addr().Next()
	// One bit less than there is, as upstream counts in an int64.
	size := uint64(1) << min(host, 63)
	// A range that is smaller has no reserved part at all.
	if size > 16 {
		s.reserved = min(max(16, size/16), 256)
	}
	unused := uint64(1) // the network itself
	// IPv4 alone has a broadcast address.
	if prefix.Addr().Is4() {
		unused++
	}
	// A range of one or two addresses has none that a service may have.
	s.dynamic = size - min(size, unused+s.reserved)
	return s, true
}

// contains reports whether an address is one that a service may have.
// Neither the network's own address nor the broadcast address is one.
func (s *subnet) contains(a netip.Addr) bool {
	if !s.prefix.Contains(a) || a == s.prefix.Addr() {
		return false
	}
	// In IPv4 the last address is the one behind which the range ends.
	return a.Is6() || s.prefix.Contains(a.Next())
}

// plus returns the n-th address after a.
// n is at most the size of a range, so nothing overflows into the upper half.
func plus(a netip.Addr, n uint64) netip.Addr {
	// In 16 bytes an address of IPv4 stands at the end: the lower half is enough for ranges of both families,
	// none of which is longer than 64 bits.
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	out := netip.AddrFrom16(b)
	if a.Is4() {
		return out.Unmap()
	}
	return out
}

// subnetsLocked returns the ranges of the ServiceCIDRs, in the order of their names; those of the
// cluster come first, if there is no ServiceCIDR kubernetes. The caller holds mu.
// It is read anew after any write of a ServiceCIDR, and otherwise kept.
func (p *Pool) subnetsLocked() []subnet {
	if p.Ranges.Head() == p.subnetAt {
		return p.subnets
	}
	p.subnetAt, p.subnets = p.Ranges.Head(), nil
	sn := p.Ranges.Now()
	if sn.Get(DefaultCIDR) == nil {
		// It comes back at once where upstream is, whoever has deleted it.
		for _, prefix := range p.Cluster {
			p.addSubnet(prefix, true)
		}
	}
	for o := range sn.Scan("", "") {
		obj := o.Decode()
		for _, cidr := range tree.Strings(tree.List(obj, "spec", "cidrs")) {
			if prefix, ok := field.LooseCIDR(cidr); ok {
				p.addSubnet(prefix, rangeReady(obj))
			}
		}
	}
	return p.subnets
}

// addSubnet appends a range, once.
// Two ServiceCIDRs may have the same one; it is ready if either is. One that is too large for services
// is left out.
func (p *Pool) addSubnet(prefix netip.Prefix, ready bool) {
	for i := range p.subnets {
		if s := &p.subnets[i]; s.prefix == prefix.Masked() {
			s.ready = s.ready || ready
			return
		}
	}
	if s, ok := newSubnet(prefix, ready); ok {
		p.subnets = append(p.subnets, s)
	}
}

// DefaultCIDR is the name of the ServiceCIDR that has the ranges of the cluster's flag.
const DefaultCIDR = "kubernetes"

// rangeReady reports whether addresses of a ServiceCIDR may be handed out. One about which nobody has
// said anything yet is ready: the controller that says so may not be there.
// One that is being deleted gives no more, so that it becomes empty and can go.
func rangeReady(obj map[string]any) bool {
	if tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return false
	}
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == "Ready" {
			return tree.Text(c, "status") == "True"
		}
	}
	return true
}
