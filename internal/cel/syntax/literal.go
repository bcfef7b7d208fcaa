package syntax

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// number returns the value of a number's token and its sign: an int64, uint64 or float64, by the form. Zeros in front mean nothing, and
// there are no octal numbers. The errors are those of VisitInt, VisitUint and VisitDouble in parser.go, which do not say why: out of
// range is the only way a token can be wrong. A double that is too small is 0, one that is too great an error.
func number(f form, sign, digits string) (any, error) {
	// The sign is read with the digits, since the least int has no positive counterpart.
	base := 10
	if f != formDouble && strings.HasPrefix(digits, "0x") {
		base, digits = 16, digits[2:]
	}
	switch f {
	case formInt:
		n, err := strconv.ParseInt(sign+digits, base, 64)
		if err != nil {
			return nil, errors.New("invalid int literal")
		}
		return n, nil
	case formUint:
		n, err := strconv.ParseUint(digits[:len(digits)-1], base, 64)
		if err != nil {
			return nil, errors.New("invalid uint literal")
		}
		return n, nil
	}
	n, err := strconv.ParseFloat(sign+digits, 64)
	if err != nil {
		return nil, errors.New("invalid double literal")
	}
	return n, nil
}

// What can be wrong with the escapes of a string that the lexer took.
var (
	errUnescape = errors.New("unable to unescape string")
	errRune     = errors.New("invalid unicode code point")
)

// lineEnds are written as line feeds in every string, raw ones too: an expression means the same, whichever system its file is from.
// Only strings of three quotes can have them, and what \r\n stands for is not touched.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// unquote returns the value of a string's token without the b of bytes. In bytes \x and octal digits are a byte, in strings a code
// point, so that '\xff' has two bytes and b'\xff' one; \u and \U are refused in bytes. The rules are those of unescape.go.
//
//	'a\x41'      aA           r'a\x41'     a\x41: raw, and a backslash before a quote does not hide it
//	'''a'b'''    a'b          '\101'       A: three octal digits, up to \377
//	'\?\`'       ?`           '\ud800'     an error: half of a pair of UTF-16 is no rune
func unquote(s string, bytes bool) (string, error) {
	s = lineEnds.Replace(s)
	raw := s[0] == 'r' || s[0] == 'R'
	if raw {
		s = s[1:]
	}
	// Three quotes begin a string only if they end it as well: "" is empty.
	n := 1
	if len(s) >= 6 && s[0] == s[1] && s[1] == s[2] {
		n = 3
	}
	if s = s[n : len(s)-n]; raw || !strings.Contains(s, `\`) {
		return s, nil
	}
	// An escape is never shorter than what it means.
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		if s[0] != '\\' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		var err error
		if b, s, err = unescape(b, s[1:], bytes); err != nil {
			return "", err
		}
	}
	return string(b), nil
}

// escapes are the runes that a letter behind a backslash means; every other single rune means itself.
var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unescape appends what stands behind a backslash to b, and returns the rest of s. The lexer has seen that the digits are there; they
// are counted again all the same, as the function does not know where its text is from. Like unescapeChar in unescape.go it says only
// of runes out of range that they are, and of the rest that the string cannot be read.
func unescape(b []byte, s string, bytes bool) ([]byte, string, error) {
	from, digits, base := 1, 0, 16
	switch c := s[0]; c {
	case 'x', 'X':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3':
		from, digits, base = 0, 3, 8
	default:
		if e, ok := escapes[c]; ok {
			c = e
		}
		return append(b, c), s[1:], nil
	}
	if digits > 3 && bytes || len(s) < from+digits {
		return nil, "", errUnescape
	}
	v, err := strconv.ParseUint(s[from:from+digits], base, 32)
	switch s = s[from+digits:]; {
	case err != nil:
		return nil, "", errUnescape
	case bytes:
		return append(b, byte(v)), s, nil
	case v > utf8.MaxRune || !utf8.ValidRune(rune(v)):
		return nil, "", errRune
	}
	return utf8.AppendRune(b, rune(v)), s, nil
}
