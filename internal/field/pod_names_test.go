package field

import (
	"regexp"
	"strings"
	"testing"
)

// TestPodNames: names that containers use, against upstream's expressions.
func TestPodNames(t *testing.T) {
	const search = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
	for _, rule := range []struct {
		name   string
		format string
		errors func(string) []string
	}{
		{"variable", `[ -<>-~]+`, EnvNameErrors},
		{"header", `[-A-Za-z0-9]+`, HeaderNameErrors},
		{"search domain", search + `(\.` + search + `)*`, SearchDomainErrors},
	} {
		re := regexp.MustCompile("^" + rule.format + "$")
		for _, s := range []string{"", "a", "A", "a.b", "a..b", ".a", "a.", "_a", "__a", "a_", "_", "-a", "a-", "a-_b", "a_.b", "_a._b",
			"a=b", "a b", "é",
			"\n", "X-Y", "x/y", "0", "_0.a", "a.-b", "a.b-", "~", "\x7f"} {
			if got, want := len(rule.errors(s)) == 0, re.MatchString(s); got != want {
				t.Errorf("%s %q: good is %v, want %v", rule.name, s, got, want)
			}
		}
	}
	if got := SearchDomainErrors(strings.Repeat("a", 254)); len(got) != 1 || got[0] != "must be no more than 253 characters" {
		t.Errorf("a long domain: %q", got)
	}
}
