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
)

// The formats of strings and numbers that schemas may name. A string's format is known
// with or without its dashes; others are only a note to the reader.

// formatKnown says whether a format means something for a value of these types.
func formatKnown(types schemaTypes, format string) bool {
	switch types {
	case typeInteger:
		return format == "int32" || format == "int64"
	case typeNumber:
		return format == "float" || format == "double"
	case typeBoolean, typeArray, typeObject:
		return false
	}
	return stringFormats[strings.ReplaceAll(format, "-", "")] != nil
}

// stringFormat is the check of a known format of strings, nil for one of numbers.
func stringFormat(types schemaTypes, format string) func(string) bool {
	if types == typeInteger || types == typeNumber {
		return nil
	}
	return stringFormats[strings.ReplaceAll(format, "-", "")]
}

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
	"ipv4": func(s string) bool {
		return net.ParseIP(s) != nil && strings.Contains(s, ".") && !strings.Contains(s, ":")
	},
	"ipv6":         func(s string) bool { return net.ParseIP(s) != nil && strings.Contains(s, ":") },
	"isbn":         func(s string) bool { return isISBN10(s) || isISBN13(s) },
	"isbn10":       isISBN10,
	"isbn13":       isISBN13,
	"k8slongname":  func(s string) bool { return len(s) <= 253 && longName(s) },
	"k8sshortname": func(s string) bool { return len(s) <= 63 && shortName(s) },
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

const (
	colorByte    = `(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])`
	labelPattern = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
)

var (
	shortName    = matches(`^` + labelPattern + `$`)
	longName     = matches(`^` + labelPattern + `(\.` + labelPattern + `)*$`)
	socialNumber = matches(`^\d{3}[- ]?\d{2}[- ]?\d{4}$`)
	hostLabels   = matches(`^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$`)
	clockTime    = regexp.MustCompile(`^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$`)
	cardNumber   = matches(`^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$`)
	spanOfTime   = regexp.MustCompile(`(\d+)\s*([A-Za-zµ]+)`)
)

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// isCIDRText also takes what older Go took: bytes of an IPv4 address with leading zeros.
func isCIDRText(s string) bool {
	if _, _, err := net.ParseCIDR(s); err == nil {
		return true
	}
	addr, bits, _ := strings.Cut(s, "/")
	parts := strings.Split(addr, ".")
	if len(parts) != 4 {
		return false
	}
	for i, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 8); err == nil {
			parts[i] = strconv.FormatUint(n, 10)
		}
	}
	_, _, err := net.ParseCIDR(strings.Join(parts, ".") + "/" + bits)
	return err == nil
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isDateTime(s string) bool {
	date, clock, ok := strings.Cut(strings.ToLower(s), "t")
	if !ok || !isDate(date) {
		return false
	}
	m := clockTime.FindStringSubmatch(clock)
	return m != nil && m[1] <= "23" && m[2] <= "59" && m[3] <= "59"
}

// isDuration takes Go's durations, and text with a number and a unit by name: "3 days".
func isDuration(s string) bool {
	if _, err := time.ParseDuration(s); err == nil {
		return true
	}
	found := false
	for _, m := range spanOfTime.FindAllStringSubmatch(s, -1) {
		if _, err := strconv.Atoi(m[1]); err != nil {
			return false
		}
		unit := strings.ToLower(m[2])
		found = found || slices.Contains([]string{"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"}, unit) ||
			slices.ContainsFunc([]string{"nano", "micro", "milli", "sec", "min", "hour", "day", "week"}, func(name string) bool {
				return strings.HasPrefix(unit, name)
			})
	}
	return found
}

func isEmail(s string) bool {
	addr, err := mail.ParseAddress(s)
	return err == nil && addr.Address != ""
}

func isHostname(s string) bool {
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

// digits is s without the characters that people put between digits.
func digits(s string, drop func(r rune) bool) string {
	return strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, s)
}

func isCreditCard(s string) bool {
	s = digits(s, func(r rune) bool { return r < '0' || r > '9' })
	if !cardNumber(s) {
		return false
	}
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func isbnDigits(s string) string {
	return digits(s, func(r rune) bool { return r == '-' || strings.ContainsRune(" \t\n\f\r", r) })
}

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
