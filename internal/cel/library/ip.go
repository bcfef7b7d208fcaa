package library

import (
	"fmt"
	"net/netip"

	"apichain/internal/cel"
)

// IPType is the type of an address: net.IP.
var IPType = cel.OpaqueOf("net.IP")

// address is the value of that type. It is IPv4 or IPv6 and has no zone.
type address struct{ netip.Addr }

// Equal reports whether two addresses are the same one.
func (a address) Equal(other cel.Value) cel.Value {
	if b, ok := other.Ref().(address); ok {
		return cel.BoolOf(a == b)
	}
	return cel.NoSuchOverload()
}

// Size returns the bytes.
func (a address) Size() uint64 { return uint64(a.BitLen() / 8) }

// parseIP returns an address, or an error in upstream's words.
func parseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, fmt.Errorf("IP Address %q parse error during conversion from string: %v", s, err)
	case a.Zone() != "":
		return a, fmt.Errorf("IP address %q with zone value is not allowed", s)
	case a.Is4In6():
		return a, fmt.Errorf("IPv4-mapped IPv6 address %q is not allowed", s)
	}
	return a, nil
}

// addressValue returns an address as a value.
func addressValue(a netip.Addr) cel.Value { return cel.OpaqueValue(IPType, address{a}) }

// addressOf returns the address that v is. A value that is none is no address at all, of which everything is false.
func addressOf(v cel.Value) netip.Addr {
	a, _ := v.Ref().(address)
	return a.Addr
}

// stringToIP is ip(string).
func stringToIP(v cel.Value) cel.Value {
	a, err := parseIP(v.Str())
	if err != nil {
		return cel.Fail(err)
	}
	return addressValue(a)
}

// IP has ip(string) and what is asked of addresses. A zone, and an IPv4 address in the form of IPv6, is an error.
//
//	isIP('10.0.0.1'), ip('::1').family()        true, 6
//	ip.isCanonical('::0001')                    false: it is written ::1
//	ip('127.0.0.1').isLoopback()                true, and isUnspecified, isLinkLocalMulticast, isLinkLocalUnicast, isGlobalUnicast
//	string(ip('::0001'))                        '::1'
//
// It is stricter than what services and pods may have in their fields: zeros in front, 10.01.0.1, are refused as well, since some read
// them as octal. A call costs 1, those that read a text a walk over it, isCanonical two, as it writes the address, too. ip is a function
// and the beginning of the name ip.isCanonical; the checker tries the longer name first. Upstream is ip.go of the library of Kubernetes.
func IP() *cel.Library {
	// is makes a question of an address.
	is := func(name, id string, f func(netip.Addr) bool) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{one(member(id, cel.BoolType, IPType), func(v cel.Value) cel.Value {
			return cel.BoolOf(f(addressOf(v)))
		})}}
	}
	return &cel.Library{
		Name:      "kubernetes.net.ip",
		Constants: map[string]cel.Value{IPType.Name: cel.TypeValue(IPType)},
		Equality:  equality(IPType),
		Functions: []cel.Function{
			{Name: "ip", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("string_to_ip", IPType, cel.StringType), stringToIP)}},
			{Name: "isIP", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("is_ip", cel.BoolType, cel.StringType), func(v cel.Value) cel.Value {
					_, err := parseIP(v.Str())
					return cel.BoolOf(err == nil)
				})}},
			{Name: "ip.isCanonical", Cost: walkedTwice, Estimate: mayWalkTwice,
				Overloads: []cel.Overload{one(global("ip_is_canonical", cel.BoolType, cel.StringType), func(v cel.Value) cel.Value {
					a, err := parseIP(v.Str())
					if err != nil {
						return cel.Fail(err)
					}
					return cel.BoolOf(a.String() == v.Str())
				})}},
			{Name: "family", Overloads: []cel.Overload{one(member("ip_family", cel.IntType, IPType), func(v cel.Value) cel.Value {
				if addressOf(v).Is4() {
					return cel.IntOf(4)
				}
				return cel.IntOf(6)
			})}},
			is("isUnspecified", "ip_is_unspecified", netip.Addr.IsUnspecified),
			is("isLoopback", "ip_is_loopback", netip.Addr.IsLoopback),
			is("isLinkLocalMulticast", "ip_is_link_local_multicast", netip.Addr.IsLinkLocalMulticast),
			is("isLinkLocalUnicast", "ip_is_link_local_unicast", netip.Addr.IsLinkLocalUnicast),
			is("isGlobalUnicast", "ip_is_global_unicast", netip.Addr.IsGlobalUnicast),
			{Name: "string", Overloads: []cel.Overload{one(global("ip_to_string", cel.StringType, IPType), func(v cel.Value) cel.Value {
				return cel.StringOf(addressOf(v).String())
			})}},
		},
	}
}
