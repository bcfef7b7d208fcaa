package request

import (
	"fmt"
	"strings"
	"testing"
)

func (c Clause) String() string {
	return fmt.Sprintf("%s|%s|%s|%s|%v", c.MediaType, c.Group, c.Version, c.As, c.Weight)
}

func TestParseAccept(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, "*/*||||1"},
		{[]string{""}, "*/*||||1"},
		{[]string{" , ,"}, "*/*||||1"},
		{[]string{"garbage"}, ""},
		{[]string{"application/json;q=0"}, ""},
		{[]string{"Application/JSON"}, "application/json||||1"},
		{[]string{"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"},
			"application/json|apidiscovery.k8s.io|v2|APIGroupDiscoveryList|1 application/json|apidiscovery.k8s.io|v2beta1|APIGroupDiscoveryList|1 application/json||||1"},
		{[]string{"application/json ; AS=Table ; V=\"v1\" ; G=meta.k8s.io"}, "application/json|meta.k8s.io|v1|Table|1"},
		{[]string{"a/a;q=0.1", "b/b;q=0.9, c/c"}, "c/c||||1 b/b||||0.9 a/a||||0.1"},
		{[]string{"*/*,a/*,b/b,a/a"}, "b/b||||1 a/a||||1 a/*||||1 */*||||1"},
		{[]string{"*/*,b/b;q=0.5"}, "*/*||||1 b/b||||0.5"},
		{[]string{"a/a;q=2,a/b;q=-1,a/c;q=x,a/d;q=NaN,a/e;q=,/x,x/,a b/c,a/f"}, "a/f||||1"},
	} {
		var got []string
		for _, clause := range ParseAccept(c.lines) {
			got = append(got, clause.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.lines, strings.Join(got, " "), c.want)
		}
	}
}

func TestAcceptTakes(t *testing.T) {
	for accept, want := range map[string]bool{"application/json": true, "*/*": true, "application/*": true, "text/*": false, "*/json": false,
		"application/jsonx": false, "app/*": false, "application/yaml": false} {
		if c, ok := parseClause(accept); !ok || c.Takes("application/json") != want {
			t.Errorf("%s: %t, want %t", accept, !want, want)
		}
	}
}

func TestParseAcceptAllocations(t *testing.T) {
	lines := []string{"application/json"}
	if n := testing.AllocsPerRun(100, func() { _ = ParseAccept(lines) }); n > 1 {
		t.Errorf("%v allocations for one clause, want 1", n)
	}
}

// FuzzAcceptClauses: clauses are in order, have a type and a weight that counts, and say
// nothing that the header does not.
func FuzzAcceptClauses(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "a/b;q=0.5,c/d;q=0.50", "a/b;;;=;q", `a/b;as="x,y"`, "a/b;q=1e-1", "\x00/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := ParseAccept([]string{header})
		for i, c := range got {
			kind, sub, ok := strings.Cut(c.MediaType, "/")
			if !ok || kind == "" || sub == "" || !(c.Weight > 0 && c.Weight <= 1) {
				t.Fatalf("%q: clause %v", header, c)
			}
			if i > 0 && (got[i-1].Weight < c.Weight || got[i-1].Weight == c.Weight && got[i-1].wildcards() > c.wildcards()) {
				t.Fatalf("%q: %v before %v", header, got[i-1], c)
			}
			for _, said := range []string{c.Group, c.Version, c.As} {
				if !strings.Contains(header, said) {
					t.Fatalf("%q: %q is not in it", header, said)
				}
			}
		}
		if len(got) > 1+strings.Count(header, ",") {
			t.Fatalf("%q: %d clauses", header, len(got))
		}
	})
}
