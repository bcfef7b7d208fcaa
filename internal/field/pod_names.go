package field

// This file has the rules for names that containers use: of variables and headers, and of domains to search.

// EnvNameErrors checks the name of a variable, or what stands in front of several.
func EnvNameErrors(s string) []string {
	if s == "" {
		return []string{"environment variable name must be non-empty"}
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '=' {
			return []string{"a valid environment variable name must consist only of printable ASCII characters other than '='"}
		}
	}
	return nil
}

// HeaderNameErrors checks the name of an HTTP header.
func HeaderNameErrors(s string) []string {
	good := s != ""
	for i := range len(s) {
		c := s[i] | 0x20 // letters in lower case
		good = good && (s[i] == '-' || isLowerAlphanumeric(c) && (c > '9' || c == s[i]))
	}
	if good {
		return nil
	}
	return []string{"a valid HTTP header must consist of alphanumeric characters or '-' " +
		"(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"}
}

// SearchDomainErrors checks a domain in which names are looked up. Unlike a DNS name it may have underscores, but
// for one at the end of a label, and two at its beginning.
func SearchDomainErrors(s string) []string {
	errs := tooLongErrors(s, maxSubdomain, "characters")
	good, label := true, 0
	for i := range len(s) + 1 {
		if i < len(s) && s[i] != '.' {
			good = good && (isLowerAlphanumeric(s[i]) || s[i] == '_' || s[i] == '-' && i > label)
			continue
		}
		if label < i && s[label] == '_' {
			label++
		}
		good = good && label < i && isLowerAlphanumeric(s[label]) && isLowerAlphanumeric(s[i-1])
		label = i + 1
	}
	if !good {
		const format = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
		errs = append(errs, "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "+
			"and must start and end with an alphanumeric character "+
			"(e.g. 'example.com', regex used for validation is '"+format+`(\.`+format+")*')")
	}
	return errs
}
