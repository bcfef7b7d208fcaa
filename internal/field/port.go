package field

import "strings"

// This file has the rules for ports.

// PortErrors checks a port's number.
func PortErrors(n int64) []string {
	if n < 1 || n > 65535 {
		return []string{"must be between 1 and 65535, inclusive"}
	}
	return nil
}

// PortNameErrors checks the name of a port of a container, by which services may find it (RFC 6335).
func PortNameErrors(s string) []string {
	errs := tooLongErrors(s, 15, "characters")
	letter, odd := false, s == ""
	for i := range len(s) {
		c := s[i]
		letter = letter || c >= 'a' && c <= 'z'
		odd = odd || !isLowerAlphanumeric(c) && c != '-'
	}
	if odd {
		errs = append(errs, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
	}
	if !letter {
		errs = append(errs, "must contain at least one letter (a-z)")
	}
	if strings.Contains(s, "--") {
		errs = append(errs, "must not contain consecutive hyphens")
	}
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		errs = append(errs, "must not begin or end with a hyphen")
	}
	return errs
}

// WildcardErrors checks a DNS name that begins with "*.".
func WildcardErrors(s string) []string {
	errs := tooLongErrors(s, maxSubdomain, "characters")
	if rest, ok := strings.CutPrefix(s, "*."); !ok || !isDottedDNSName(rest) {
		errs = append(errs, "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "+
			"which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "+
			`(e.g. '*.example.com', regex used for validation is '\*\.`+DNSSubdomainRegexp+"')")
	}
	return errs
}

// DomainPathErrors checks a name such as acme.io/foo. All errors are about the text that is wrong, which
// is the one in front of each.
func DomainPathErrors(path, s string) (errs []Error) {
	host, name, _ := strings.Cut(s, "/")
	switch {
	case s == "":
		return []Error{Required(path, "")}
	case host == "" || name == "":
		return []Error{Invalid(path, s, `must be a domain-prefixed path (such as "acme.io/foo")`)}
	}
	for _, why := range DNSSubdomainErrors(host) {
		errs = append(errs, Invalid(path, host, why))
	}
	for i := range len(name) {
		c := name[i]
		if !isLowerAlphanumeric(c) && (c < 'A' || c > 'Z') && strings.IndexByte(`/-._~%!$&'()*+,;=:`, c) < 0 {
			return append(errs, Invalid(path, name, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"))
		}
	}
	return errs
}
