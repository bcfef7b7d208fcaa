package tree

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// YAML of objects, as kubectl's readers expect it: block style, keys sorted, two spaces, a
// list in the column of its key. Readers differ in what a plain scalar is, so a string is
// quoted when YAML 1.1 or 1.2 takes it for something else.

// AppendYAML appends v as one document. v is made of what ParseJSON gives; ParseYAML
// reads it back, if it is not nested too deep for that.
func AppendYAML(b []byte, v any) []byte { return appendYAMLNode(b, v, 0) }

// appendYAMLNode writes a value whose lines, but for the first, begin in column indent;
// where the first begins is the caller's affair.
func appendYAMLNode(b []byte, v any, indent int) []byte {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			return appendYAMLMap(b, v, indent)
		}
		return append(b, "{}\n"...)
	case []any:
		if len(v) == 0 {
			return append(b, "[]\n"...)
		}
		for i, e := range v {
			if i > 0 {
				b = appendSpaces(b, indent)
			}
			b = appendYAMLNode(append(b, "- "...), e, indent+2)
		}
		return b
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return appendYAMLNode(b, list, indent)
	case string:
		if yamlLiteral(v) {
			// The lines must be deeper than what the scalar is in, which a document is not.
			return appendYAMLLiteral(b, v, max(indent, 2))
		}
		return append(appendYAMLString(b, v), '\n')
	}
	return append(AppendJSON(b, v), '\n')
}

func appendYAMLMap(b []byte, m map[string]any, indent int) []byte {
	members := make([]jsonMember, 0, len(m))
	for k, v := range m {
		members = append(members, jsonMember{k, v})
	}
	sortMembers(members)
	for i, e := range members {
		if i > 0 {
			b = appendSpaces(b, indent)
		}
		b = append(appendYAMLString(b, e.key), ':')
		deeper, block := indent+2, false
		switch v := e.value.(type) {
		case map[string]any:
			block = len(v) > 0
		case []any:
			if block = len(v) > 0; block {
				deeper = indent
			}
		case []string:
			if block = len(v) > 0; block {
				deeper = indent
			}
		}
		if block {
			b = appendSpaces(append(b, '\n'), deeper)
		} else {
			b = append(b, ' ')
		}
		b = appendYAMLNode(b, e.value, deeper)
	}
	return b
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// yamlLiteral reports whether s is written as lines: it has several, or an end of one, and
// nothing that would be lost to the eye.
func yamlLiteral(s string) bool {
	return strings.Contains(s, "\n") && strings.Trim(s, "\n") != "" && yamlPrintable(s) &&
		!strings.Contains(s, " \n") && !strings.HasSuffix(s, " ")
}

// appendYAMLLiteral writes a literal block scalar, each line in column indent.
func appendYAMLLiteral(b []byte, s string, indent int) []byte {
	b = append(b, '|')
	if s[0] == ' ' || s[0] == '\n' {
		b = append(b, '2') // else the first line would tell the indentation
	}
	switch lines := strings.TrimRight(s, "\n"); len(s) - len(lines) {
	case 0:
		b = append(b, '-')
	case 1:
	default:
		b = append(b, '+')
	}
	b = append(b, '\n')
	for line := range strings.Lines(s) {
		if line != "\n" {
			b = appendSpaces(b, indent)
		}
		b = append(b, line...)
	}
	if !strings.HasSuffix(s, "\n") {
		b = append(b, '\n')
	}
	return b
}

// appendYAMLString writes s on one line: plain if every reader takes it for this string,
// in double quotes if it looks like another type or holds what must be escaped, else in
// single quotes.
func appendYAMLString(b []byte, s string) []byte {
	switch {
	case yamlOtherType(s) || strings.Contains(s, "\n") || !yamlPrintable(s):
		return appendYAMLQuoted(b, s)
	case yamlPlain(s):
		return append(b, s...)
	}
	return append(append(append(b, '\''), strings.ReplaceAll(s, "'", "''")...), '\'')
}

// appendYAMLQuoted writes s in double quotes.
func appendYAMLQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case yamlPrint(c):
			b = utf8.AppendRune(b, c)
		case c <= 0xff:
			b = fmt.Appendf(b, "\\x%02x", c)
		case c <= 0xffff:
			b = fmt.Appendf(b, "\\u%04x", c)
		default:
			b = fmt.Appendf(b, "\\U%08x", c)
		}
	}
	return append(b, '"')
}

// yamlPrintable reports whether s can stand unescaped, line ends aside.
func yamlPrintable(s string) bool {
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		if c != '\n' && !yamlPrint(c) || c == utf8.RuneError && size == 1 {
			return false
		}
		i += size
	}
	return true
}

// yamlPrint takes the no-break space as printable, as YAML does.
func yamlPrint(c rune) bool { return unicode.IsPrint(c) || c == '\u00a0' }

// yamlPlain reports whether s, printable and in one line, reads as a scalar without
// quotes.
func yamlPlain(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || s[len(s)-1] == ':' || strings.Contains(s, ": ") || strings.Contains(s, " #") ||
		strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	if strings.IndexByte("-?:", s[0]) >= 0 {
		return len(s) > 1 && s[1] != ' '
	}
	return strings.IndexByte("#,[]{}&*!|>'\"%@`", s[0]) < 0
}

// yamlOtherType reports whether s without quotes is no string to a reader of YAML 1.1 or
// 1.2: nothing, null, a boolean, a number, a time, a merge key.
func yamlOtherType(s string) bool {
	if s == "" {
		return true
	}
	if len(s) <= 5 {
		switch strings.ToLower(s) {
		case "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=":
			return true
		}
	}
	unsigned := s
	if s[0] == '+' || s[0] == '-' {
		unsigned = strings.TrimLeft(s[1:], "_") // -_1 is a number to some
	}
	if unsigned == "" || unsigned[0] != '.' && (unsigned[0] < '0' || unsigned[0] > '9') {
		return false
	}
	switch strings.ToLower(unsigned) {
	case ".inf", ".nan":
		return true
	}
	digits := strings.ReplaceAll(unsigned, "_", "")
	if len(digits) > 2 && digits[0] == '0' {
		switch tail := digits[2:]; digits[1] {
		case 'x', 'X':
			return only(tail, "0123456789abcdefABCDEF")
		case 'o', 'O':
			return only(tail, "01234567")
		case 'b', 'B':
			return only(tail, "01")
		}
	}
	return yamlFloat(digits) || yamlSexagesimal(digits) || yamlTimestamp(unsigned)
}

// yamlSexagesimal reports whether s is a number to the base 60: 1:30, 12:00:59.5.
func yamlSexagesimal(s string) bool {
	whole, fraction, found := strings.Cut(s, ".")
	if found && fraction != "" && !only(fraction, "0123456789") || !strings.Contains(whole, ":") {
		return false
	}
	first := true
	for part := range strings.SplitSeq(whole, ":") {
		if !only(part, "0123456789") || !first && (len(part) > 2 || len(part) == 2 && part[0] > '5') {
			return false
		}
		first = false
	}
	return true
}

// yamlTimestamp reports whether s is a date, or begins with one and a time.
func yamlTimestamp(s string) bool {
	year, rest, _ := strings.Cut(s, "-")
	month, rest, found := strings.Cut(rest, "-")
	if !found || len(year) != 4 || len(month) > 2 || !only(year+month, "0123456789") || month == "" {
		return false
	}
	day := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if day == 0 || day > 2 {
		return false
	}
	if day == len(rest) {
		return true
	}
	clock := strings.TrimLeft(rest[day:], " \tTt")
	return len(clock) < len(rest)-day && clock != "" && clock[0] >= '0' && clock[0] <= '9'
}
