package library

import (
	"fmt"
	"net/netip"

	"apichain/internal/cel"
)

// CIDRType is the type of a range of addresses: net.CIDR.
var CIDRType = cel.OpaqueOf("net.CIDR")

// network is the value of that type. Its address may have bits behind the prefix.
type network struct{ netip.Prefix }

// Equal reports whether two are the same, those bits and all.
func (n network) Equal(other cel.Value) cel.Value {
	if b, ok := other.Ref().(network); ok {
		return cel.BoolOf(n == b)
	}
	return cel.NoSuchOverload()
}

// Size returns the bytes of the prefix.
func (n network) Size() uint64 { return uint64(n.Bits()+7) / 8 }

// parseCIDR returns a range, or an error in upstream's words.
func parseCIDR(s string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return n, fmt.Errorf("network address parse error during conversion from string: %v", err)
	}
	if n.Addr().Is4In6() {
		return n, fmt.Errorf("IPv4-mapped IPv6 address %q is not allowed", s)
	}
	return n, nil
}

// networkOf returns the range that v is.
func networkOf(v cel.Value) netip.Prefix {
	n, _ := v.Ref().(network)
	return n.Prefix
}

// stringToCIDR is cidr(string).
func stringToCIDR(v cel.Value) cel.Value {
	n, err := parseCIDR(v.Str())
	if err != nil {
		// Upstream says it twice.
		return cel.Failf("network address parse error during conversion from string: %v", err)
	}
	return cel.OpaqueValue(CIDRType, network{n})
}

// containsIP and containsCIDR ask of addresses and ranges.
func containsIP(a, b cel.Value) cel.Value {
	return cel.BoolOf(networkOf(a).Contains(addressOf(b)))
}

// containsCIDR reports whether all addresses of one range are in another.
func containsCIDR(a, b cel.Value) cel.Value {
	// Two ranges of which one is not in the other do not overlap; the shorter prefix is the outer one.
	outer, inner := networkOf(a), networkOf(b)
	return cel.BoolOf(outer.Overlaps(inner) && outer.Bits() <= inner.Bits())
}

// containsIPText and containsCIDRText parse before. Upstream tells what is wrong with a range, but not with an address.
func containsIPText(a, b cel.Value) cel.Value {
	ip, err := parseIP(b.Str())
	if err != nil {
		return cel.NoSuchOverload()
	}
	return cel.BoolOf(networkOf(a).Contains(ip))
}

// containsCIDRText is containsCIDR of a range that is written.
func containsCIDRText(a, b cel.Value) cel.Value {
	if b = stringToCIDR(b); b.Kind() == cel.Error {
		return b
	}
	return containsCIDR(a, b)
}

// comparedIP and comparedCIDR are the costs of what is in a range: two walks over bytes, and one more and a mask for ranges. What is
// a string is parsed before, for a walk more.
func comparedIP(args []cel.Value, _ cel.Value) uint64 { return walk(2 * args[0].Size()) }

// comparedCIDR is comparedIP for a range: the walk over its mask, and 1 for the lengths of the prefixes.
func comparedCIDR(args []cel.Value, _ cel.Value) uint64 {
	return walk(2*args[0].Size()) + walk(args[0].Size()) + 1
}

// andParsed adds the walk to a cost.
func andParsed(f cost) cost {
	return func(args []cel.Value, result cel.Value) uint64 { return f(args, result) + walk(args[1].Size()) }
}

// mayCompareIP and mayCompareCIDR are the estimates: a range has 4 or 16 bytes.
func mayCompareIP([]cel.Node) (cel.Range, *cel.Range) {
	return cel.Range{Min: 8, Max: 32}.Scale(perByte), nil
}

// mayCompareCIDR is the estimate of comparedCIDR.
func mayCompareCIDR([]cel.Node) (cel.Range, *cel.Range) {
	c := cel.Range{Min: 8, Max: 32}.Scale(perByte)
	return c.Plus(cel.Range{Min: 4, Max: 16}.Scale(perByte)).Plus(cel.Exactly(1)), nil
}

// mayParse adds it to an estimate.
func mayParse(f estimate) estimate {
	return func(args []cel.Node) (cel.Range, *cel.Range) {
		c, size := f(args)
		return c.Plus(args[1].Size().Scale(perByte)), size
	}
}

// CIDR has cidr(string) and what is asked of ranges:
//
//	cidr('10.0.0.0/8').containsIP('10.1.2.3')          true, as of ip('10.1.2.3')
//	cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')     true
//	cidr('10.1.2.3/8').ip(), .masked()                 10.1.2.3, 10.0.0.0/8
//	cidr('10.0.0.0/8').prefixLength()                  8
//
// Refused are what is no range, IPv4 in the form of IPv6, and an address that is none as the text of containsIP; there it is only said
// that there is no such overload. An address of the other family is in no range. Sizes are bytes of the prefix: a /8 has 1, a /24 has 3,
// so a comparison with a longer one may cost more. Equal are ranges that are written alike: 10.1.2.3/8 is not 10.0.0.0/8, though both
// contain the same. Upstream is cidr.go of the library of Kubernetes.
func CIDR() *cel.Library {
	inIP := two(member("cidr_contains_ip_string", cel.BoolType, CIDRType, cel.StringType), containsIPText)
	inIP.Cost, inIP.Estimate = andParsed(comparedIP), mayParse(mayCompareIP)
	inCIDR := two(member("cidr_contains_cidr_string", cel.BoolType, CIDRType, cel.StringType), containsCIDRText)
	inCIDR.Cost, inCIDR.Estimate = andParsed(comparedCIDR), mayParse(mayCompareCIDR)
	// The address of a range is no string to walk over, though the function is called ip as the one of a string.
	address := one(member("cidr_ip", IPType, CIDRType), func(v cel.Value) cel.Value { return addressValue(networkOf(v).Addr()) })
	address.Cost = func([]cel.Value, cel.Value) uint64 { return 1 }
	address.Estimate = func([]cel.Node) (cel.Range, *cel.Range) { return cel.Exactly(1), nil }
	return &cel.Library{
		Name:      "kubernetes.net.cidr",
		Constants: map[string]cel.Value{CIDRType.Name: cel.TypeValue(CIDRType)},
		Equality:  equality(CIDRType),
		Functions: []cel.Function{
			{Name: "cidr", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("string_to_cidr", CIDRType, cel.StringType), stringToCIDR)}},
			{Name: "isCIDR", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("is_cidr", cel.BoolType, cel.StringType), func(v cel.Value) cel.Value {
					_, err := parseCIDR(v.Str())
					return cel.BoolOf(err == nil)
				})}},
			{Name: "containsIP", Cost: comparedIP, Estimate: mayCompareIP, Overloads: []cel.Overload{
				inIP, two(member("cidr_contains_ip_ip", cel.BoolType, CIDRType, IPType), containsIP),
			}},
			{Name: "containsCIDR", Cost: comparedCIDR, Estimate: mayCompareCIDR, Overloads: []cel.Overload{
				inCIDR, two(member("cidr_contains_cidr", cel.BoolType, CIDRType, CIDRType), containsCIDR),
			}},
			{Name: "ip", Overloads: []cel.Overload{address}},
			{Name: "prefixLength", Overloads: []cel.Overload{one(member("cidr_prefix_length", cel.IntType, CIDRType),
				func(v cel.Value) cel.Value { return cel.IntOf(int64(networkOf(v).Bits())) })}},
			{Name: "masked", Overloads: []cel.Overload{one(member("cidr_masked", CIDRType, CIDRType), func(v cel.Value) cel.Value {
				return cel.OpaqueValue(CIDRType, network{networkOf(v).Masked()})
			})}},
			{Name: "string", Overloads: []cel.Overload{one(global("cidr_to_string", cel.StringType, CIDRType),
				func(v cel.Value) cel.Value { return cel.StringOf(networkOf(v).String()) })}},
		},
	}
}
