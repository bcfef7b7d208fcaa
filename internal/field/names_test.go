package field

import (
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	const (
		subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
		label     = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
		label1035 = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
		key       = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
		value     = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
		long63    = "must be no more than 63 bytes"
		long253   = "must be no more than 253 bytes"
		chars63   = "must be no more than 63 characters"
		chars253  = "must be no more than 253 characters"
		data      = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
		plain     = "name is neither a standard finalizer name nor is it fully qualified"
	)
	n := func(n int) string { return strings.Repeat("a", n) }
	for _, tc := range []struct {
		rule string
		f    func(string) []string
		good []string
		bad  map[string][]string
	}{
		{"label", DNSLabelErrors, []string{"a", "0", "a-b", "a--b", n(63)}, map[string][]string{
			"": {label}, "-a": {label}, "a-": {label}, "A": {label}, "a_b": {label}, "é": {label}, "a\n": {label}, "a.b": {"must not contain dots"}, "a..b": {label},
			n(64): {chars63}, n(63) + "-": {chars63, label}, n(63) + ".a": {chars63, "must not contain dots"},
		}},
		{"label1035", DNS1035LabelErrors, []string{"a", "a0", "a-b", n(63)}, map[string][]string{
			"": {label1035}, "0a": {label1035}, "-a": {label1035}, "a-": {label1035}, "a.b": {label1035}, "A": {label1035}, n(64): {chars63}, "0" + n(63): {chars63, label1035},
		}},
		{"subdomain", DNSSubdomainErrors, []string{"a", "a.b", "0.1-2.c", n(253)}, map[string][]string{
			"": {subdomain}, ".": {subdomain}, "a.": {subdomain}, ".a": {subdomain}, "a..b": {subdomain}, "a.-b": {subdomain}, "a-.b": {subdomain}, "B": {subdomain},
			n(254): {chars253}, n(253) + ".": {chars253, subdomain},
		}},
		{"segment", PathSegmentErrors, []string{"a", "", "A b", "...", "system:node:x", "é"}, map[string][]string{
			".": {"may not be '.'"}, "..": {"may not be '..'"}, "a/b": {"may not contain '/'"}, "a%b/": {"may not contain '/'", "may not contain '%'"},
		}},
		{"label key", LabelKeyErrors, []string{"a", "A_b.c-d", "example.com/A", "0/0", n(253) + "/" + n(63)}, map[string][]string{
			"": {"name part must be non-empty", "name part " + key}, "-a": {"name part " + key}, "a-": {"name part " + key}, "a b": {"name part " + key},
			"/a": {"prefix part must be non-empty"}, "A/a": {"prefix part " + subdomain}, "a/": {"name part must be non-empty", "name part " + key},
			"a/b/c": {"a valid label key " + key + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"},
			n(64):   {"name part " + long63}, n(254) + "/a": {"prefix part " + long253}, "A/" + n(64) + "-": {"prefix part " + subdomain, "name part " + long63, "name part " + key},
		}},
		{"data key", DataKeyErrors, []string{"a", "A_b.c-d", ".dockercfg", "-", "_", "0", "a..b", n(253)}, map[string][]string{
			"": {data}, "a b": {data}, "a/b": {data}, "é": {data}, "a@": {data}, "a\x10": {data}, "a[": {data}, n(254): {chars253},
			".": {"must not be '.'"}, "..": {"must not be '..'"}, "..a": {"must not start with '..'"}, "../": {data, "must not start with '..'"},
		}},
		{"finalizer", FinalizerErrors, []string{"kubernetes", "orphan", "foregroundDeletion", "example.com/a"}, map[string][]string{
			"a": {plain}, "example.com": {plain}, "": {"name part must be non-empty", "name part " + key, plain}, "a b/c": {"prefix part " + subdomain},
		}},
		{"local path", LocalPathErrors, []string{"", "a", "a/b", "a..", "a/..b", "./a"}, map[string][]string{
			"/a": {"must be a relative path"}, "..": {"must not contain '..'", "must not start with '..'"}, "../a": {"must not contain '..'"},
			"..a": {"must not start with '..'"}, "a/../b": {"must not contain '..'"}, "/..": {"must be a relative path", "must not contain '..'"},
		}},
		{"relative path", RelativePathErrors, []string{"", "..a", "a/b"}, map[string][]string{"/": {"must be a relative path"}, "a/..": {"must not contain '..'"}}},
		{"path without a step back", BackstepErrors, []string{"", "/", "/a/..b"}, map[string][]string{"/..": {"must not contain '..'"}, "../..": {"must not contain '..'"}}},
		{"label value", LabelValueErrors, []string{"", "a", "A_b.c-d", "0", n(63)}, map[string][]string{
			"-a": {value}, "a.": {value}, "a/b": {value}, "a b": {value}, "é": {value}, n(64): {long63}, n(64) + "-": {long63, value},
		}},
	} {
		for _, s := range tc.good {
			if errs := tc.f(s); errs != nil {
				t.Errorf("%s %q: %q", tc.rule, s, errs)
			}
		}
		for s, want := range tc.bad {
			if errs := tc.f(s); !slices.Equal(errs, want) {
				t.Errorf("%s %q: got %q, want %q", tc.rule, s, errs, want)
			}
		}
	}
}

// TestNameQuestions: the two rules that are asked for yes or no agree with the texts.
func TestNameQuestions(t *testing.T) {
	const letters = "a9-._A/"
	texts := []string{"", "é", "a\n", "a.b", "kube-system", "1.2.3.4"}
	for i := range len(letters) {
		for j := range len(letters) {
			for k := range len(letters) {
				texts = append(texts, string([]byte{letters[i], letters[j], letters[k]}))
			}
		}
	}
	for _, n := range []int{62, 63, 64, 252, 253, 254} {
		texts = append(texts, strings.Repeat("a", n), strings.Repeat("a", n-1)+"-", strings.Repeat("a.", n/2)+"b")
	}
	labels, subdomains := 0, 0
	for _, s := range texts {
		label, subdomain := len(DNSLabelErrors(s)) == 0, len(DNSSubdomainErrors(s)) == 0
		if IsDNSLabel(s) != label {
			t.Errorf("%q: label %t, but %q", s, !label, DNSLabelErrors(s))
		}
		if IsDNSSubdomain(s) != subdomain {
			t.Errorf("%q: subdomain %t, but %q", s, !subdomain, DNSSubdomainErrors(s))
		}
		// A label is a subdomain of one, and one that begins with a letter suits services.
		if label && !subdomain {
			t.Errorf("%q is a label, but no subdomain", s)
		}
		if suits := len(DNS1035LabelErrors(s)) == 0; suits != (label && s[0] >= 'a') {
			t.Errorf("%q: DNS 1035 %t, label %t", s, suits, label)
		}
		// A label's value may be all that its key's name may be, and nothing.
		if key := len(LabelKeyErrors(s)) == 0; !strings.Contains(s, "/") && key != (s != "" && len(LabelValueErrors(s)) == 0) {
			t.Errorf("%q: key %t, value %q", s, key, LabelValueErrors(s))
		}
		if label {
			labels++
		}
		if subdomain {
			subdomains++
		}
	}
	if labels < 10 || subdomains <= labels || subdomains == len(texts) {
		t.Errorf("of %d texts %d are labels and %d subdomains", len(texts), labels, subdomains)
	}
}

// TestNamesAllocate: good names, which nearly all are, cost nothing.
func TestNamesAllocate(t *testing.T) {
	for name, check := range map[string]func(string) []string{
		"label": DNSLabelErrors, "subdomain": DNSSubdomainErrors, "1035": DNS1035LabelErrors,
		"segment": PathSegmentErrors, "key": LabelKeyErrors, "value": LabelValueErrors,
	} {
		if n := testing.AllocsPerRun(100, func() { check("web-0") }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzNames: a label's key is judged by its parts, no text makes a check fail in another
// way than by saying what is wrong, and what is good fits into a path.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", "example.com/Name", "a/b/c", "-", "..", "%", "/", strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if IsDNSSubdomain(s) && PathSegmentErrors(s) != nil {
			t.Errorf("%q is a subdomain and fits into no path", s)
		}
		prefix, name, found := strings.Cut(s, "/")
		good := len(LabelKeyErrors(s)) == 0
		switch {
		case !found && good != (s != "" && len(LabelValueErrors(s)) == 0):
			t.Errorf("%q: key %q, value %q", s, LabelKeyErrors(s), LabelValueErrors(s))
		case found && good != (IsDNSSubdomain(prefix) && !strings.Contains(name, "/") && len(LabelKeyErrors(name)) == 0):
			t.Errorf("%q: key %q, its parts are %q and %q", s, LabelKeyErrors(s), DNSSubdomainErrors(prefix), LabelKeyErrors(name))
		}
		for _, errs := range [][]string{DNSLabelErrors(s), DNSSubdomainErrors(s), DNS1035LabelErrors(s), LabelKeyErrors(s), LabelValueErrors(s)} {
			if slices.Contains(errs, "") {
				t.Errorf("%q: %q", s, errs)
			}
		}
	})
}
