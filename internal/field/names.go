package field

import (
	"fmt"
	"slices"
	"strings"
)

// This file has the rules for names: what may be the name of an object, of a namespace, of
// a label. Each function whose name ends in Errors returns what is wrong with a text, as
// details for Invalid, and nothing for a good one. The texts are upstream's, regular
// expression and all, but nothing here runs a regular expression: the names of every
// request are checked, and bytes are looked at one by one instead. A test holds the code to
// the expressions.
//
// A length is told of besides a wrong character, so a text can break two rules. Lengths are
// in bytes. One surprise: a subdomain is limited as a whole, not label by label, so that a
// name of 253 letters without a dot is a good subdomain, though no DNS would take it.

// The regular expressions that the messages quote. They match whole texts.
const (
	DNSLabelRegexp     = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
	DNSSubdomainRegexp = DNSLabelRegexp + `(\.` + DNSLabelRegexp + ")*"
	DNS1035Regexp      = "[a-z]([-a-z0-9]*[a-z0-9])?"
	LabelKeyRegexp     = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
)

// The rules in words. Two are exported for checks that find a wrong character by other
// means.
const (
	dnsLabelRule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
		"and must start and end with an alphanumeric character " +
		"(e.g. 'my-name',  or '123-abc', regex used for validation is '" + DNSLabelRegexp + "')"
	dnsSubdomainRule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
		"and must start and end with an alphanumeric character " +
		"(e.g. 'example.com', regex used for validation is '" + DNSSubdomainRegexp + "')"
	dns1035Rule = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
		"start with an alphabetic character, and end with an alphanumeric character " +
		"(e.g. 'my-name',  or 'abc-123', regex used for validation is '" + DNS1035Regexp + "')"

	// LabelKeyRule is the rule of the name part of a label's key, without "name part".
	LabelKeyRule = "must consist of alphanumeric characters, '-', '_' or '.', " +
		"and must start and end with an alphanumeric character " +
		"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" + LabelKeyRegexp + "')"

	// LabelValueRule is the rule of a label's value.
	LabelValueRule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
		"and must start and end with an alphanumeric character " +
		"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(" + LabelKeyRegexp + ")?')"
)

// The longest texts, in bytes: of a DNS label (RFC 1035, 2.3.4), which label names and values
// share, and of a DNS name with its dots.
const (
	maxLabel     = 63
	maxSubdomain = 253
)

// DNSLabelErrors checks the name of a namespace, and of whatever else becomes one label of
// a DNS name.
func DNSLabelErrors(s string) []string {
	errs := tooLongErrors(s, maxLabel, "characters")
	if !isDNSName(s) {
		// Who wrote a whole name hears of the dots and not of the alphabet (upstream).
		if isDottedDNSName(s) {
			return append(errs, "must not contain dots")
		}
		errs = append(errs, dnsLabelRule)
	}
	return errs
}

// DNSSubdomainErrors checks the name of an object of most kinds.
func DNSSubdomainErrors(s string) []string {
	return append(tooLongErrors(s, maxSubdomain, "characters"), subdomainRuleErrors(s)...)
}

// subdomainRuleErrors is DNSSubdomainErrors but for the length.
func subdomainRuleErrors(s string) []string {
	if isDottedDNSName(s) {
		return nil
	}
	return []string{dnsSubdomainRule}
}

// DNS1035LabelErrors checks the name of a service, which must begin with a letter: it goes
// into the names of environment variables too.
func DNS1035LabelErrors(s string) []string {
	errs := tooLongErrors(s, maxLabel, "characters")
	if !isDNSName(s) || s[0] <= '9' {
		errs = append(errs, dns1035Rule)
	}
	return errs
}

// PathSegmentErrors checks a name that need only fit into a path, as those of roles do:
// system:node. It takes an empty one; that a name is missing is found elsewhere.
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

// LabelKeyErrors checks the key of a label or an annotation, and a finalizer: a name of up
// to 63 bytes, with a DNS subdomain and a slash in front if it is not the user's own.
// Upstream calls it a qualified name.
func LabelKeyErrors(s string) []string {
	var errs []string
	name := s
	if prefix, rest, found := strings.Cut(s, "/"); found {
		// With two slashes nobody can tell the parts apart, so none of them is judged.
		if strings.Contains(rest, "/") {
			return []string{"a valid label key " + LabelKeyRule +
				" with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"}
		}
		name = rest
		if prefix == "" {
			errs = append(errs, "prefix part must be non-empty")
		} else {
			for _, e := range append(tooLongErrors(prefix, maxSubdomain, "bytes"), subdomainRuleErrors(prefix)...) {
				errs = append(errs, "prefix part "+e)
			}
		}
	}
	// An empty name breaks the rule about characters as well, and upstream tells both.
	if name == "" {
		errs = append(errs, "name part must be non-empty")
	}
	for _, e := range tooLongErrors(name, maxLabel, "bytes") {
		errs = append(errs, "name part "+e)
	}
	if !isLabelName(name) {
		errs = append(errs, "name part "+LabelKeyRule)
	}
	return errs
}

// LabelValueErrors checks the value of a label, which may be empty.
func LabelValueErrors(s string) []string {
	errs := tooLongErrors(s, maxLabel, "bytes")
	if s != "" && !isLabelName(s) {
		errs = append(errs, LabelValueRule)
	}
	return errs
}

// dataKeyRule is the rule of the keys of config maps and secrets, which become names of files.
const dataKeyRule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' " +
	"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

// DataKeyErrors checks the key of a value in a config map or a secret.
func DataKeyErrors(s string) []string {
	errs := tooLongErrors(s, maxSubdomain, "characters")
	good := s != ""
	for i := range len(s) {
		c := s[i] | 0x20 // letters in lower case
		good = good && (isLowerAlphanumeric(c) && (c > '9' || s[i] == c) || s[i] == '-' || s[i] == '_' || s[i] == '.')
	}
	if !good {
		errs = append(errs, dataKeyRule)
	}
	switch {
	case s == "." || s == "..":
		errs = append(errs, "must not be '"+s+"'")
	case strings.HasPrefix(s, ".."):
		errs = append(errs, "must not start with '..'")
	}
	return errs
}

// standardFinalizers are those that need not say by a prefix whose they are.
var standardFinalizers = [...]string{"kubernetes", "orphan", "foregroundDeletion"}

// IsPlainFinalizer reports whether a finalizer is neither the server's own nor has a prefix.
func IsPlainFinalizer(s string) bool {
	return !strings.Contains(s, "/") && !slices.Contains(standardFinalizers[:], s)
}

// FinalizerErrors checks a finalizer that must say whose it is.
func FinalizerErrors(s string) []string {
	errs := LabelKeyErrors(s)
	if IsPlainFinalizer(s) {
		errs = append(errs, PlainFinalizer)
	}
	return errs
}

// PlainFinalizer says what is wrong with a finalizer without a prefix.
const PlainFinalizer = "name is neither a standard finalizer name nor is it fully qualified"

// IsDNSLabel reports whether DNSLabelErrors finds nothing, for callers that have their own
// words.
func IsDNSLabel(s string) bool { return len(s) <= maxLabel && isDNSName(s) }

// IsDNSSubdomain reports whether DNSSubdomainErrors finds nothing.
func IsDNSSubdomain(s string) bool { return len(s) <= maxSubdomain && isDottedDNSName(s) }

// tooLongErrors checks the length of s in bytes. unit is how upstream calls them: characters in
// names, bytes in labels.
//
//go:noinline
func tooLongErrors(s string, limit int, unit string) []string {
	if len(s) <= limit {
		return nil
	}
	return []string{fmt.Sprintf("must be no more than %d %s", limit, unit)}
}

// isDottedDNSName reports whether s is DNS names with dots between them, however long.
func isDottedDNSName(s string) bool {
	for {
		name, rest, more := strings.Cut(s, ".")
		if !isDNSName(name) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

// isDNSName reports whether s is lower-case letters, digits and inner hyphens, at least one
// character and however long.
func isDNSName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLowerAlphanumeric(c) && (c != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != ""
}

// isLabelName reports whether s has the characters of a label's name or value, at least one
// and however long.
func isLabelName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && c != '.' && !isLowerAlphanumeric(c) && (c < 'A' || c > 'Z') {
			return false
		}
	}
	// What is left is ASCII, so the first and the last byte are characters.
	return s != "" && strings.IndexByte("-_.", s[0]) < 0 && strings.IndexByte("-_.", s[len(s)-1]) < 0
}

func isLowerAlphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// LocalPathErrors returns what is wrong with the path of a file below a directory that somebody else
// chooses: it is relative, leads nowhere else, and does not begin as the names of data that are
// being written do.
func LocalPathErrors(s string) (errs []string) {
	errs = RelativePathErrors(s)
	if strings.HasPrefix(s, "..") && !strings.HasPrefix(s, "../") {
		errs = append(errs, "must not start with '..'")
	}
	return errs
}

// RelativePathErrors returns what is wrong with a path below a directory that somebody else chooses.
func RelativePathErrors(s string) (errs []string) {
	if strings.HasPrefix(s, "/") {
		errs = append(errs, "must be a relative path")
	}
	return append(errs, BackstepErrors(s)...)
}

// BackstepErrors returns what is wrong with a path that has a step to the directory above.
func BackstepErrors(s string) []string {
	for step := range strings.SplitSeq(s, "/") {
		if step == ".." {
			return []string{"must not contain '..'"}
		}
	}
	return nil
}
