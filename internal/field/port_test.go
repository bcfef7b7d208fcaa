package field

import (
	"regexp"
	"strings"
	"testing"
)

func TestPorts(t *testing.T) {
	const (
		odd    = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
		letter = "must contain at least one letter (a-z)"
		double = "must not contain consecutive hyphens"
		edge   = "must not begin or end with a hyphen"
	)
	for in, want := range map[string]string{
		"http": "", "a": "", "8080-x": "", "abcdefghijklmno": "",
		"":                 odd + "; " + letter,
		"8080":             letter,
		"HTTP":             odd + "; " + letter,
		"a_b":              odd,
		"a--b":             double,
		"-a":               edge,
		"a-":               edge,
		"abcdefghijklmnop": "must be no more than 15 characters",
	} {
		if got := strings.Join(PortNameErrors(in), "; "); got != want {
			t.Errorf("PortNameErrors(%q) = %q, want %q", in, got, want)
		}
	}
	for n, good := range map[int64]bool{-1: false, 0: false, 1: true, 65535: true, 65536: false} {
		if (PortErrors(n) == nil) != good {
			t.Errorf("PortErrors(%d) = %q", n, PortErrors(n))
		}
	}
}

func TestWildcards(t *testing.T) {
	like := regexp.MustCompile(`^\*\.` + DNSSubdomainRegexp + `$`)
	for _, s := range []string{"*.example.com", "*.a", "*", "*.", "example.com", "*.*.com", "a.*.com", "*.-a", "", "*." + strings.Repeat("a", 252)} {
		got := WildcardErrors(s)
		if good := like.MatchString(s) && len(s) <= 253; good != (got == nil) {
			t.Errorf("WildcardErrors(%q) = %q", s, got)
		}
	}
}

func TestDomainPaths(t *testing.T) {
	const prefixed = `p: Invalid value: "X": must be a domain-prefixed path (such as "acme.io/foo")`
	for in, want := range map[string]string{
		"acme.io/foo": "", "acme.io/a/b-c_d": "",
		"":          "p: Required value",
		"foo":       strings.ReplaceAll(prefixed, "X", "foo"),
		"/foo":      strings.ReplaceAll(prefixed, "X", "/foo"),
		"acme.io/":  strings.ReplaceAll(prefixed, "X", "acme.io/"),
		"a/b c":     `p: Invalid value: "b c": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')`,
		"a/b[":      `p: Invalid value: "b[": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')`,
		"a/b\x10":   `p: Invalid value: "b\x10": Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')`,
		"acme_io/b": `p: Invalid value: "acme_io": ` + dnsSubdomainRule,
	} {
		var texts []string
		for _, e := range DomainPathErrors("p", in) {
			texts = append(texts, e.String())
		}
		if got := strings.Join(texts, "; "); got != want {
			t.Errorf("DomainPathErrors(%q) = %s, want %s", in, got, want)
		}
	}
}
