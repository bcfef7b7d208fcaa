package schema

import (
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
)

// Formats: what the keyword format means for texts and numbers. The formats are those of the
// library that upstream validates with (go-openapi's strfmt, and two of Kubernetes' own), with its
// loose edges: an "email" is what net/mail can read, a "duration" is any text with "3 days" in it.
// Whoever tightens a format refuses objects that the real server accepts.
//
// The name of a format for texts may be written with or without its dashes: date-time and
// datetime are one. A format that is not in the table restricts nothing (a warning says so when
// the CRD is written), and neither does one that belongs to another type: int32 for a text.
//
//	type: string,  format: date-time    enforced
//	type: string,  format: quantity     not known: not enforced
//	type: integer, format: int32        enforced, as a range (numbers.go)
//	type: integer, format: date         not known for integers
//	no type,       format: uuid         enforced; the value has to be a text

// formatKnown reports whether a format means something for a value of these types.
func formatKnown(types schemaTypes, format string) bool {
	switch types {
	case typeInteger:
		return format == "int32" || format == "int64"
	case typeNumber:
		return format == "float" || format == "double"
	case typeBoolean, typeArray, typeObject:
		return false
	}
	// Texts, int-or-strings, and schemas without a type.
	return stringFormats[strings.ReplaceAll(format, "-", "")] != nil
}

// stringFormat returns the check of a known format of texts; nil for one of numbers, which
// numberInRange checks.
func stringFormat(types schemaTypes, format string) func(string) bool {
	if types == typeInteger || types == typeNumber {
		return nil
	}
	return stringFormats[strings.ReplaceAll(format, "-", "")]
}

// stringFormats holds the check of each format of texts, by its name without dashes.
var stringFormats = map[string]func(string) bool{
	"bsonobjectid": matches(`^[0-9a-fA-F]{24}$`),
	"byte":         matches(`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$`),
	"cidr":         isCIDRText,
	"creditcard":   isCreditCard,
	"date":         isDate,
	"datetime":     isDateTime,
	"duration":     isDuration,
	"email":        isEmail,
	"hexcolor":     matches(`^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`),
	"hostname":     isHostname,
	"ipv4":         isIPv4,
	"ipv6":         func(s string) bool { return net.ParseIP(s) != nil && strings.Contains(s, ":") },
	"isbn":         func(s string) bool { return isISBN10(s) || isISBN13(s) },
	"isbn10":       isISBN10,
	"isbn13":       isISBN13,
	"k8slongname":  field.IsDNSSubdomain,
	"k8sshortname": field.IsDNSLabel,
	"mac":          func(s string) bool { _, err := net.ParseMAC(s); return err == nil },
	"password":     func(string) bool { return true },
	"rgbcolor":     matches(`^rgb\(\s*` + colorByte + `\s*,\s*` + colorByte + `\s*,\s*` + colorByte + `\s*\)$`),
	"ssn":          func(s string) bool { return len(s) == 11 && socialNumber(s) },
	"uri":          func(s string) bool { _, err := url.ParseRequestURI(s); return err == nil },
	"uuid":         matches(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`),
	"uuid3":        matches(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`),
	"uuid4":        matches(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$`),
	"uuid5":        matches(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$`),
}

// Parts of patterns.
const (
	// colorByte is a number up to 255. As upstream has it, 1\d\d? takes 10 to 199.
	colorByte = `(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])`
	// hostChar is a character of a host name that is no dash and no dot. Letters and symbols
	// of all scripts are in it, for names that are not yet in Punycode.
	hostChar = `[a-zA-Z0-9\p{S}\p{L}]`
)

var (
	socialNumber = matches(`^\d{3}[- ]?\d{2}[- ]?\d{4}$`)
	// hostLabels matches one label, or labels with dots behind each and a top-level domain of
	// letters. That no label is longer than 63 bytes is checked by isHostname.
	hostLabels = matches(`^(?:` + hostChar + `(?:-?` + hostChar + `{0,62})?` +
		`|(?:` + hostChar + `(?:[a-zA-Z0-9-\p{S}\p{L}]{0,61}` + hostChar + `)?\.)+[a-zA-Z\p{L}]{2,63})$`)
	// clockTime is the part of a date-time behind the T, in lower case: its groups are hours,
	// minutes and seconds. Any character may stand before the fraction (upstream's dot is not
	// escaped).
	clockTime = regexp.MustCompile(`^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$`)
	// cardNumber knows the first digits and the lengths of Visa, MasterCard, Discover, American
	// Express, Diners Club and JCB.
	cardNumber = matches(`^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}` +
		`|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$`)
	// spanOfTime is a number and a unit in a text.
	spanOfTime = regexp.MustCompile(`(\d+)\s*([A-Za-zµ]+)`)
)

// matches returns a check for texts that match a pattern.
//
//go:noinline
func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// isIPv4 reports whether s is an IP address with dots in it: one of IPv4, or one embedded in IPv6.
func isIPv4(s string) bool { return net.ParseIP(unpadded(s)) != nil && strings.Contains(s, ".") }

// isCIDRText reports whether s is an address and the length of its prefix.
func isCIDRText(s string) bool {
	addr, bits, _ := strings.Cut(s, "/")
	_, _, err := net.ParseCIDR(unpadded(addr) + "/" + bits)
	return err == nil
}

// unpadded returns an IP address without the leading zeros of an IPv4 part: 010.0.0.1 as 10.0.0.1.
// Upstream takes, as decimal, what Go's parser took before it became strict.
func unpadded(addr string) string {
	at := strings.LastIndexByte(addr, ':') + 1
	parts := strings.Split(addr[at:], ".")
	if len(parts) != 4 {
		return addr
	}
	for i, p := range parts {
		// What is no byte is left as it is, for the parser to refuse.
		if n, err := strconv.ParseUint(p, 10, 8); err == nil {
			parts[i] = strconv.FormatUint(n, 10)
		}
	}
	return addr[:at] + strings.Join(parts, ".")
}

// isDate reports whether s is a full-date of RFC 3339 that exists: 2023-02-29 does not.
func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// isDateTime reports whether s is a date-time of RFC 3339, in letters of either case. The offset is
// any two digits and two digits, and a leap second is refused, as upstream does both.
func isDateTime(s string) bool {
	date, clock, ok := strings.Cut(strings.ToLower(s), "t")
	if !ok || !isDate(date) {
		return false
	}
	// The groups have two digits each, so comparing them as texts compares numbers.
	m := clockTime.FindStringSubmatch(clock)
	return m != nil && m[1] <= "23" && m[2] <= "59" && m[3] <= "59"
}

// isDuration reports whether s is a duration of Go (1h30m) or holds a number with a unit by name:
// "3 days", "about 2 wk". What else stands in the text does not matter, unless it is a number that
// no int can hold.
func isDuration(s string) bool {
	if _, err := time.ParseDuration(s); err == nil {
		return true
	}
	found := false
	for _, m := range spanOfTime.FindAllStringSubmatch(s, -1) {
		if _, err := strconv.Atoi(m[1]); err != nil {
			return false
		}
		found = found || isTimeUnit(strings.ToLower(m[2]))
	}
	return found
}

// isTimeUnit reports whether a word in lower case is a unit's short name, or begins with the
// first letters of a long one, which takes "minutes" and, as upstream does, "minister".
func isTimeUnit(unit string) bool {
	short := []string{"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"}
	long := []string{"nano", "micro", "milli", "sec", "min", "hour", "day", "week"}
	return slices.Contains(short, unit) ||
		slices.ContainsFunc(long, func(name string) bool { return strings.HasPrefix(unit, name) })
}

// isEmail reports whether s is an address of RFC 5322, with or without a name beside it:
// "Ann <ann@example.com>" is one.
func isEmail(s string) bool {
	addr, err := mail.ParseAddress(s)
	return err == nil && addr.Address != ""
}

// isHostname reports whether s is a host name of at most 255 bytes whose labels have at most 63.
func isHostname(s string) bool {
	// The pattern counts characters, and lets the only label of a name have 64 of them.
	if len(s) > 255 || !hostLabels(s) {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > 63 {
			return false
		}
	}
	return true
}

// digits returns s without the characters that people put between digits.
func digits(s string, drop func(r rune) bool) string {
	return strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, s)
}

// isCreditCard reports whether the digits of s, whatever stands between them, are a card number
// of a known issuer whose check digit is right (Luhn's formula, ISO/IEC 7812).
func isCreditCard(s string) bool {
	s = digits(s, func(r rune) bool { return r < '0' || r > '9' })
	if !cardNumber(s) {
		return false
	}
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		// From the right, every second digit counts twice, by the sum of its own digits.
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// isbnDigits returns an ISBN without its dashes and blanks.
func isbnDigits(s string) string {
	return digits(s, func(r rune) bool { return r == '-' || strings.ContainsRune(" \t\n\f\r", r) })
}

// isISBN10 reports whether s is an ISBN of ten digits whose check digit is right (ISO 2108): the
// digits times their positions make a multiple of 11. The last may be X, which is ten.
func isISBN10(s string) bool {
	s = isbnDigits(s)
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 10 {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			sum += (i + 1) * int(c-'0')
		case c == 'X' && i == 9:
			sum += 10 * 10
		default:
			return false
		}
	}
	return sum%11 == 0
}

// isISBN13 reports whether s is an ISBN of thirteen digits whose check digit is right (ISO 2108,
// EAN-13): the digits times 1 and 3 in turn make a multiple of 10.
func isISBN13(s string) bool {
	s = isbnDigits(s)
	if len(s) != 13 {
		return false
	}
	sum := 0
	for i := range 13 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		sum += int(s[i]-'0') * (1 + 2*(i%2))
	}
	return sum%10 == 0
}
