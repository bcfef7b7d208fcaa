package strategy

import (
	"net/netip"
	"strings"
)

// looseIPErrors returns what is wrong with an IP address in a field that is older than the strict rules: it
// need not be in canonical form.
func looseIPErrors(s string) []string {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		if _, err := netip.ParseAddr(withoutZeros(s)); err == nil && strings.IndexByte(s, '.') > 0 {
			return []string{"must not have leading 0s"}
		}
		return []string{"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"}
	case addr.Zone() != "":
		return []string{"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"}
	case addr.Is4In6():
		return []string{"must not be an IPv4-mapped IPv6 address"}
	}
	return nil
}

// withoutZeros returns an IPv4 address, alone or behind a colon, without the zeros in front of its numbers.
func withoutZeros(s string) string {
	head := strings.LastIndexByte(s, ':') + 1
	parts := strings.Split(s[head:], ".")
	for i, p := range parts {
		if rest := strings.TrimLeft(p, "0"); rest != "" {
			parts[i] = rest
		} else if p != "" {
			parts[i] = "0"
		}
	}
	return s[:head] + strings.Join(parts, ".")
}
