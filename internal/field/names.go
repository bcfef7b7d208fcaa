package field

import (
	"fmt"
	"strings"
)

// The rules for names. Each function gives what is wrong with a text, nothing when it
// may stand; the texts are upstream's, which clients show as they are. A length is
// told of besides a wrong character.

const (
	DNSLabelRegexp     = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
	DNSSubdomainRegexp = DNSLabelRegexp + `(\.` + DNSLabelRegexp + ")*"
	DNS1035Regexp      = "[a-z]([-a-z0-9]*[a-z0-9])?"
	LabelKeyRegexp     = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

	dnsLabelRule     = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '" + DNSLabelRegexp + "')"
	dnsSubdomainRule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '" + DNSSubdomainRegexp + "')"
	dns1035Rule      = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '" + DNS1035Regexp + "')"
	LabelKeyRule     = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" + LabelKeyRegexp + "')"
	LabelValueRule   = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(" + LabelKeyRegexp + ")?')"
)

// DNSLabelErrors is the rule of namespaces.
func DNSLabelErrors(s string) []string {
	errs := tooLongErrors(s, 63)
	if !isDNSName(s) {
		if areDNSNames(s) {
			return append(errs, "must not contain dots")
		}
		errs = append(errs, dnsLabelRule)
	}
	return errs
}

// DNSSubdomainErrors is the rule of most names.
func DNSSubdomainErrors(s string) []string {
	errs := tooLongErrors(s, 253)
	if !areDNSNames(s) {
		errs = append(errs, dnsSubdomainRule)
	}
	return errs
}

// DNS1035LabelErrors is the rule of services.
func DNS1035LabelErrors(s string) []string {
	errs := tooLongErrors(s, 63)
	if !isDNSName(s) || s[0] <= '9' {
		errs = append(errs, dns1035Rule)
	}
	return errs
}

// PathSegmentErrors is the rule of names that need only fit into a path.
func PathSegmentErrors(s string) []string {
	if s == "." || s == ".." {
		return []string{"may not be '" + s + "'"}
	}
	var errs []string
	for _, c := range []string{"/", "%"} {
		if strings.Contains(s, c) {
			errs = append(errs, "may not contain '"+c+"'")
		}
	}
	return errs
}

// LabelKeyErrors is the rule of the keys of labels and annotations, and of finalizers: a
// name, and before it a subdomain and a slash if wanted.
func LabelKeyErrors(s string) []string {
	var errs []string
	name := s
	if prefix, rest, found := strings.Cut(s, "/"); found {
		if strings.Contains(rest, "/") {
			return []string{"a valid label key " + LabelKeyRule + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"}
		}
		name = rest
		if prefix == "" {
			errs = append(errs, "prefix part must be non-empty")
		} else {
			for _, e := range DNSSubdomainErrors(prefix) {
				errs = append(errs, "prefix part "+e)
			}
		}
	}
	if name == "" {
		errs = append(errs, "name part must be non-empty")
	}
	for _, e := range tooLongErrors(name, 63) {
		errs = append(errs, "name part "+e)
	}
	if !isLabelName(name) {
		errs = append(errs, "name part "+LabelKeyRule)
	}
	return errs
}

func LabelValueErrors(s string) []string {
	errs := tooLongErrors(s, 63)
	if s != "" && !isLabelName(s) {
		errs = append(errs, LabelValueRule)
	}
	return errs
}

func tooLongErrors(s string, limit int) []string {
	if len(s) <= limit {
		return nil
	}
	return []string{fmt.Sprintf("must be no more than %d bytes", limit)}
}

// areDNSNames looks at the characters of names between dots, not at the length.
func areDNSNames(s string) bool {
	for {
		name, rest, more := strings.Cut(s, ".")
		if !isDNSName(name) || !more {
			return isDNSName(name)
		}
		s = rest
	}
}

// isLabelName looks at the characters of the name part of a label key.
func isLabelName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && c != '.' && !lowerAlphanumeric(c) && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != "" && strings.IndexByte("-_.", s[0]) < 0 && strings.IndexByte("-_.", s[len(s)-1]) < 0
}

func lowerAlphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// IsDNSLabel reports whether s is a label of RFC 1123 in lower case.
func IsDNSLabel(s string) bool { return len(s) <= 63 && isDNSName(s) }

// IsDNSSubdomain reports whether s is labels with dots between them, up to 253 bytes.
// As upstream has it, a label of one is not limited to 63 bytes.
func IsDNSSubdomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isDNSName(label) {
			return false
		}
	}
	return true
}

func isDNSName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 && i < len(s)-1) {
			return false
		}
	}
	return s != ""
}
