package tree

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file writes YAML as kubectl shows it: block style, keys sorted, two spaces, a list in
// the column of its key:
//
//	metadata:
//	  finalizers:
//	  - a.example.com
//
// The text is for every reader, not only for the one beside it. Readers differ in what a
// plain scalar is: YAML 1.1 takes yes for true, 1:30 for 90 and 2024-05-01 for a time. A
// string that any of them takes for another type is quoted (yaml_types.go); so is one that
// would change on the way: white space at an end, control characters, a byte order mark.
// Double quotes tell of such a string; single quotes only keep an indicator from counting.
//
// Text of several lines is a literal (|), as people write it in a ConfigMap, unless a
// literal would hide something: white space at the end of a line, tabs, line ends alone. Its
// header tells what a reader could not see: how deep lines are that begin with white space, and
// how many line ends there are behind the last one.
//
//	a: |         # "x\n"
//	  x
//	b: |2-       # " x\ny"
//	   x
//	  y

// AppendYAML appends v as one document, without markers, and returns the extended slice. v
// is a tree; what AppendJSON takes besides is taken here. ParseYAML reads it back as a
// value that Equal takes for the same, if it is nested no deeper than that allows. A byte
// of a string that is not UTF-8 becomes U+FFFD.
func AppendYAML(b []byte, v any) []byte { return appendYAMLNode(b, v, 0) }

// appendYAMLNode appends a value and the line end behind it. Its lines begin in column
// indent, but for the first, which begins where b ends.
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
	case Raw:
		return appendYAMLNode(b, Expand(v), indent)
	case string:
		if yamlLiteral(v) {
			// The lines must be deeper than what the scalar is in, which a document is not.
			return appendYAMLLiteral(b, v, max(indent, 2))
		}
		return append(appendYAMLString(b, v), '\n')
	}
	// The scalars of JSON are YAML: numbers, true, false and null.
	return append(AppendJSON(b, v), '\n')
}

// yamlShortKey is the most bytes of a key that is written without a question mark, as upstream
// writes it: readers look for the colon behind a key no further than 1024 characters.
const yamlShortKey = 128

// appendYAMLMap appends an object that has members.
func appendYAMLMap(b []byte, m map[string]any, indent int) []byte {
	// Members are sorted together with their values, which spares a look-up for each.
	members := make([]jsonMember, 0, len(m))
	for k, v := range m {
		members = append(members, jsonMember{k, v})
	}
	sortMembers(members)
	for i, e := range members {
		if i > 0 {
			b = appendSpaces(b, indent)
		}
		if len(e.key) > yamlShortKey {
			b = appendYAMLString(append(b, "? "...), e.key)
			b = append(appendSpaces(append(b, '\n'), indent), ": "...)
			b = appendYAMLNode(b, e.value, indent+2)
			continue
		}
		b = append(appendYAMLString(b, e.key), ':')
		// A collection begins on the next line, a list in the column of its key. Empty ones
		// have no block form and stay on this line.
		deeper, block := indent+2, false
		e.value = Expand(e.value)
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

// appendSpaces appends n spaces, the indentation of a line.
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

// appendYAMLLiteral appends s as a literal block scalar, each line in column indent.
func appendYAMLLiteral(b []byte, s string, indent int) []byte {
	b = append(b, '|')
	// A reader takes the indentation from the first line with content. If spaces or empty
	// lines stand there, the header tells it, counted from the collection around.
	if s[0] == ' ' || s[0] == '\n' {
		b = append(b, '2')
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
		// An empty line stays empty: white space at its end would be spoilt by editors.
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

// appendYAMLString appends s on one line: plain if every reader takes it for this string,
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

// appendYAMLQuoted appends s in double quotes, with what cannot be seen escaped.
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

// yamlPrintable reports whether s can stand unescaped, line ends aside. A byte that is not
// UTF-8 cannot, though U+FFFD itself can.
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

// yamlPrint reports whether c can stand unescaped. It takes the no-break space as
// printable, as YAML does and Go does not; a tab is not, since it cannot be seen.
func yamlPrint(c rune) bool { return unicode.IsPrint(c) || c == '\u00a0' }

// yamlPlain reports whether s, printable and in one line, reads as a scalar without
// quotes. That it reads as a string is yamlOtherType's question.
func yamlPlain(s string) bool {
	// White space at the ends would be dropped; a colon or a hash would end the scalar; a
	// marker would end the document.
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || s[len(s)-1] == ':' || strings.Contains(s, ": ") || strings.Contains(s, " #") ||
		strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	if strings.IndexByte("-?:", s[0]) >= 0 {
		return len(s) > 1 && s[1] != ' '
	}
	// Brackets and commas count at the beginning only: the writer puts no scalar in brackets.
	return strings.IndexByte("#,[]{}&*!|>'\"%@`", s[0]) < 0
}
