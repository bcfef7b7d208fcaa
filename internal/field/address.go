package field

import (
	"fmt"
	"net/netip"
	"strings"
)

// This file has the rules for addresses and ranges of addresses. Old fields of the API take an address
// in any form that has one meaning; newer ones take the canonical form of RFC 5952 only. What was
// stored under laxer rules is the caller's to let through.
//
// Upstream reads an address loosely first (zeros in front of a number, IPv4 within IPv6), and then says
// which of that is no longer allowed, so that the message tells what to mend.

// LooseAddress reads an address with zeros in front of its numbers, too. One of IPv4 written as IPv6
// stays one of IPv6 here. It is false for what is no address, and for one with a zone.
func LooseAddress(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		a, err = netip.ParseAddr(withoutZeros(s))
	}
	return a, err == nil && a.Zone() == ""
}

// withoutZeros returns a text without the zeros that stand in front of a digit and behind none.
func withoutZeros(s string) string {
	hex := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		inside := len(b) > 0 && hex(b[len(b)-1])
		if s[i] == '0' && !inside && i+1 < len(s) && hex(s[i+1]) {
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// IPErrors checks an address of an old field.
func IPErrors(s string) []string {
	a, ok := LooseAddress(s)
	if !ok {
		return []string{"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"}
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return []string{"must not have leading 0s"}
	}
	if a.Is4In6() {
		return []string{"must not be an IPv4-mapped IPv6 address"}
	}
	return nil
}

// CanonicalIPErrors checks an address of a new field.
func CanonicalIPErrors(s string) []string {
	errs := IPErrors(s)
	if a, _ := LooseAddress(s); errs == nil && a.String() != s {
		return []string{fmt.Sprintf("must be in canonical form (%q)", a)}
	}
	return errs
}

// EndpointIPErrors checks that an address can be one of an endpoint.
func EndpointIPErrors(s string) (errs []string) {
	a, ok := LooseAddress(s)
	if !ok {
		return []string{"must be a valid IP address"}
	}
	a = a.Unmap()
	for _, kind := range []struct {
		is  bool
		why string
	}{
		{a.IsUnspecified(), "may not be unspecified (" + s + ")"},
		{a.IsLoopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
		{a.IsLinkLocalUnicast(), "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
		{a.IsLinkLocalMulticast(), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
	} {
		if kind.is {
			errs = append(errs, kind.why)
		}
	}
	return errs
}

// IPWarnings returns the warning of an address that is good, or was once, and not in its canonical
// form. path is where it stands.
func IPWarnings(path, s string) []string {
	a, ok := LooseAddress(s)
	if !ok {
		return nil
	}
	if _, err := netip.ParseAddr(s); err != nil || a.Is4In6() {
		return []string{fmt.Sprintf("%s: non-standard IP address %q is invalid: use %q", path, s, a.Unmap())}
	}
	if a.Is6() && a.String() != s {
		return []string{fmt.Sprintf("%s: IPv6 address %q should be in RFC 5952 canonical format (%q)", path, s, a)}
	}
	return nil
}

// LooseCIDR reads a range as LooseAddress reads an address. The bits behind the prefix stay, and IPv4
// written as IPv6 becomes what it stands for.
func LooseCIDR(s string) (netip.Prefix, bool) {
	address, length, found := strings.Cut(s, "/")
	a, ok := LooseAddress(address)
	p, err := netip.ParsePrefix(a.String() + "/" + withoutZeros(length))
	if !found || !ok || err != nil {
		return netip.Prefix{}, false
	}
	if a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p, true
}

// CIDRErrors checks a range of an old field.
func CIDRErrors(s string) []string {
	if _, ok := LooseCIDR(s); !ok {
		return []string{"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"}
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return []string{"must not have leading 0s in IP or prefix length"}
	case p.Addr().Is4In6():
		return []string{"must not have an IPv4-mapped IPv6 address"}
	case p != p.Masked():
		return []string{"must not have bits set beyond the prefix length"}
	}
	return nil
}

// CanonicalCIDRErrors checks a range of a new field.
func CanonicalCIDRErrors(s string) []string {
	errs := CIDRErrors(s)
	if p, _ := LooseCIDR(s); errs == nil && p.String() != s {
		return []string{fmt.Sprintf("must be in canonical form (%q)", p)}
	}
	return errs
}

// CIDRWarnings returns the warnings of a range as IPWarnings does of an address.
func CIDRWarnings(path, s string) (warnings []string) {
	p, ok := LooseCIDR(s)
	if !ok {
		return nil
	}
	masked := p.Masked()
	if p != masked {
		single := netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
		warnings = append(warnings,
			fmt.Sprintf("%s: CIDR value %q is ambiguous in this context (should be %q or %q?)", path, s, masked, single))
	}
	strict, err := netip.ParsePrefix(s)
	if err != nil || strict.Addr().Is4In6() {
		return append(warnings, fmt.Sprintf("%s: non-standard CIDR value %q is invalid: use %q", path, s, masked))
	}
	if warnings == nil && strict.Addr().Is6() && strict.String() != s {
		warnings = []string{fmt.Sprintf("%s: IPv6 CIDR value %q should be in RFC 5952 canonical format (%q)", path, s, strict)}
	}
	return warnings
}
