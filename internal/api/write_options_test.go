package api

import (
	"net/url"
	"strings"
	"testing"
)

// TestReadOptions: what a query says of a write, and what it may not say, all at once.
func TestReadOptions(t *testing.T) {
	for _, c := range []struct {
		kind, query string
		want        options
		err         string
	}{
		{"CreateOptions", "", options{strict: "Warn"}, "<nil>"},
		{"CreateOptions", "pretty=1", options{strict: "Warn"}, "<nil>"},
		{"CreateOptions", "dryRun=All&dryRun=All&fieldManager=me&fieldValidation=Strict", options{dryRun: true, strict: "Strict", manager: "me"}, "<nil>"},
		{"UpdateOptions", "fieldValidation=Ignore", options{strict: "Ignore"}, "<nil>"},
		{"UpdateOptions", "fieldValidation=&fieldManager=", options{strict: "Warn"}, "<nil>"},
		{"UpdateOptions", "dryRun=", options{dryRun: true, strict: "Warn"},
			`422 Invalid: UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: [""]: supported values: "All"`},
		{"UpdateOptions", "dryRun=All&dryRun=no&dryRun=never", options{dryRun: true, strict: "Warn"},
			`422 Invalid: UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["All","no","never"]: supported values: "All"`},
		{"PatchOptions", "force=true", options{strict: "Warn"},
			`422 Invalid: PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch`},
		{"CreateOptions", "force=true", options{strict: "Warn"}, "<nil>"},
		{"PatchOptions", "dryRun=x&fieldManager=%00&fieldValidation=strict&force=", options{dryRun: true, strict: "strict", manager: "\x00"},
			`422 Invalid: PatchOptions.meta.k8s.io "" is invalid: [force: Forbidden: may not be specified for non-apply patch, ` +
				`fieldManager: Invalid value: "\x00": invalid character U+0000 (at position 0), dryRun: Unsupported value: ["x"]: supported values: "All", ` +
				`fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"]`},
	} {
		q := newSteps(t).call("create", "", "").As("")
		if c.query != "" {
			q.query, _ = url.ParseQuery(c.query)
		}
		if got := brief(q.writeOptions(c.kind)); got != c.err || q.options != c.want {
			t.Errorf("%s %s: %+v\n got %s\nwant %s", c.kind, c.query, q.options, got, c.err)
		}
	}
}

// TestManagerErrors: 128 bytes, not characters; and each character that does not print, by
// its offset in bytes.
func TestManagerErrors(t *testing.T) {
	const long = "fieldManager: Too long: may not be more than 128 bytes"
	for manager, want := range map[string]string{
		"":                              "",
		"kubectl-client-side-apply v1/": "",
		strings.Repeat("x", 128):        "",
		strings.Repeat("x", 129):        long,
		strings.Repeat("é", 64):         "",
		strings.Repeat("é", 65):         long,
		"é\ta\n": "fieldManager: Invalid value: \"é\\ta\\n\": invalid character U+0009 (at position 2)\n" +
			"fieldManager: Invalid value: \"é\\ta\\n\": invalid character U+000A (at position 4)",
	} {
		if got := said(managerErrors(manager)); got != want {
			t.Errorf("%q: %s", manager, got)
		}
	}
}
