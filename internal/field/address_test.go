package field

import (
	"slices"
	"testing"
)

// Every text of upstream's is here once, with what leads to it.
func TestAddresses(t *testing.T) {
	const (
		noIP      = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
		zeros     = "must not have leading 0s"
		mapped    = "must not be an IPv4-mapped IPv6 address"
		canonical = `must be in canonical form ("2001:db8::1")`
	)
	for _, c := range []struct{ in, old, new, warning string }{
		{"10.0.0.1", "", "", ""},
		{"2001:db8::1", "", "", ""},
		{"", noIP, noIP, ""},
		{"10.0.0", noIP, noIP, ""},
		{"10.0.0.256", noIP, noIP, ""},
		{"10.0.0.1 ", noIP, noIP, ""},
		{"fe80::1%eth0", noIP, noIP, ""},
		{"None", noIP, noIP, ""},
		{"010.000.0.01", zeros, zeros, `p: non-standard IP address "010.000.0.01" is invalid: use "10.0.0.1"`},
		{"2001:00db8::1", zeros, zeros, `p: non-standard IP address "2001:00db8::1" is invalid: use "2001:db8::1"`},
		{"::ffff:10.0.0.1", mapped, mapped, `p: non-standard IP address "::ffff:10.0.0.1" is invalid: use "10.0.0.1"`},
		{"2001:DB8:0::1", "", canonical, `p: IPv6 address "2001:DB8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")`},
	} {
		check := func(what string, got []string, want string) {
			if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
				t.Errorf("%s of %q = %q, want %q", what, c.in, got, want)
			}
		}
		check("old", IPErrors(c.in), c.old)
		check("new", CanonicalIPErrors(c.in), c.new)
		check("warning", IPWarnings("p", c.in), c.warning)
	}
}

func TestRanges(t *testing.T) {
	const (
		none      = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
		zeros     = "must not have leading 0s in IP or prefix length"
		bits      = "must not have bits set beyond the prefix length"
		mapped    = "must not have an IPv4-mapped IPv6 address"
		canonical = `must be in canonical form ("2001:db8::/64")`
	)
	for _, c := range []struct {
		in, old, new string
		warnings     []string
	}{
		{"10.0.0.0/24", "", "", nil},
		{"::/0", "", "", nil},
		{"", none, none, nil},
		{"10.0.0.0", none, none, nil},
		{"10.0.0.0/33", none, none, nil},
		{"10.0.0.0/-1", none, none, nil},
		{"10.0.0.0/24/1", none, none, nil},
		{"010.0.0.0/24", zeros, zeros, []string{`p: non-standard CIDR value "010.0.0.0/24" is invalid: use "10.0.0.0/24"`}},
		{"10.0.0.0/08", zeros, zeros, []string{`p: non-standard CIDR value "10.0.0.0/08" is invalid: use "10.0.0.0/8"`}},
		{"10.0.0.5/24", bits, bits,
			[]string{`p: CIDR value "10.0.0.5/24" is ambiguous in this context (should be "10.0.0.0/24" or "10.0.0.5/32"?)`}},
		{"::ffff:10.0.0.0/104", mapped, mapped,
			[]string{`p: non-standard CIDR value "::ffff:10.0.0.0/104" is invalid: use "10.0.0.0/8"`}},
		{"2001:DB8:0::/64", "", canonical,
			[]string{`p: IPv6 CIDR value "2001:DB8:0::/64" should be in RFC 5952 canonical format ("2001:db8::/64")`}},
	} {
		check := func(what string, got []string, want string) {
			if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
				t.Errorf("%s of %q = %q, want %q", what, c.in, got, want)
			}
		}
		check("old", CIDRErrors(c.in), c.old)
		check("new", CanonicalCIDRErrors(c.in), c.new)
		if got := CIDRWarnings("p", c.in); !slices.Equal(got, c.warnings) {
			t.Errorf("warnings of %q = %q, want %q", c.in, got, c.warnings)
		}
	}
}

func TestEndpointAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "", "2001:db8::1": "", "224.0.1.1": "",
		"x":           "must be a valid IP address",
		"0.0.0.0":     "may not be unspecified (0.0.0.0)",
		"::":          "may not be unspecified (::)",
		"127.1.2.3":   "may not be in the loopback range (127.0.0.0/8, ::1/128)",
		"::1":         "may not be in the loopback range (127.0.0.0/8, ::1/128)",
		"169.254.1.1": "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
		"224.0.0.9":   "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
	} {
		if got := EndpointIPErrors(in); want == "" && got != nil || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("EndpointIPErrors(%q) = %q, want %q", in, got, want)
		}
	}
}
