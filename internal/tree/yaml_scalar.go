package tree

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads plain and quoted scalars and gives plain ones their type. Three rules of
// YAML are behind most of it:
//
//   - Folding: inside of a scalar a line end means a space, and n of them in a row mean
//     n-1 line ends. White space around them goes.
//   - Only plain scalars have a type; what is quoted is a string. So "8080" stays a text
//     where 8080 is a number, as in the env of a container.
//   - What a plain scalar may contain depends on where it is: a comma ends it in brackets
//     only, a colon only in front of white space, a hash only behind it.
//
// A plain scalar that is nearly a number is a string without a word: 1.2.3, 5m, 0x, 12:30.
// A number that JSON cannot hold is refused instead, because neither a string nor a
// rounded value would be what its writer meant.

// plain reads an unquoted scalar and gives it its type. It goes on over lines that are
// indented deeper than parent.
func (r *yamlReader) plain(parent int) (any, error) {
	line := r.line
	text := r.plainLine()
	var folded []byte
	for r.at(0) == '\n' {
		// Whether the scalar goes on shows only behind the white space. If not, the
		// position goes back, for the caller wants to see the line end.
		before := *r
		breaks := r.plainBreaks(parent)
		if r.endsPlainScalar(parent) {
			*r = before
			break
		}
		// Most scalars have one line, which needs no copy.
		if folded == nil {
			folded = append(folded, text...)
		}
		folded = append(yamlFold(folded, breaks), r.plainLine()...)
	}
	if folded != nil {
		text = folded
	}
	v, why := yamlScalar(string(text))
	if why != "" {
		return nil, r.errorfAt(line, "%s %s", strconv.Quote(string(text)), why)
	}
	return v, nil
}

// plainBreaks moves over line ends and indentation inside of a plain scalar, as far as a
// document's marker, and counts the line ends.
func (r *yamlReader) plainBreaks(parent int) int {
	breaks := 0
	for r.at(0) == '\n' {
		r.newline()
		breaks++
		if r.atMarker('-') || r.atMarker('.') {
			break
		}
		for r.at(0) == ' ' {
			r.pos++
		}
		// White space behind deep enough an indentation may hold tabs.
		if r.inFlow > 0 || r.column() > parent {
			r.skipBlanks()
		}
	}
	return breaks
}

// endsPlainScalar reports whether a plain scalar cannot go on in the line that the position
// is in, at its first token: the document ends, a comment begins, or in brackets an
// indicator, or else a line that is not indented deeper than parent.
func (r *yamlReader) endsPlainScalar(parent int) bool {
	c := r.at(0)
	switch {
	case r.atEnd() || c == '#' || c == ':' && r.separatorAt(1):
		return true
	case r.inFlow > 0:
		return yamlFlowIndicator(c)
	}
	return r.column() <= parent
}

// plainLine reads what one line has of a plain scalar, up to a comment, a key's colon or
// what ends it in a flow collection, and moves there. White space at the end is left out.
func (r *yamlReader) plainLine() []byte {
	start, end := r.pos, r.pos
	for ; ; r.pos++ {
		c := r.at(0)
		switch {
		case c == ' ' || c == '\t':
			continue
		// A hash counts behind white space only; none comes first, as callers looked.
		case c == 0, c == '\n',
			c == '#' && r.pos > start && yamlBlank(r.src[r.pos-1]),
			c == ':' && r.separatorAt(1),
			r.inFlow > 0 && yamlFlowIndicator(c):
			return r.src[start:end]
		}
		end = r.pos + 1
	}
}

// yamlScalar gives a plain scalar its type. why is empty or tells what is wrong with s, to
// be read behind the quoted scalar.
func yamlScalar(s string) (v any, why string) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil, ""
	case "true", "True", "TRUE":
		return true, ""
	case "false", "False", "FALSE":
		return false, ""
	case "<<":
		return nil, "is a merge key, which is not supported"
	}
	// One sign goes; two are text. Nearly all texts are told apart from numbers by the character then.
	unsigned := strings.TrimLeft(s[:1], "+-") + s[1:]
	if unsigned == "" || !isDigit(unsigned[0]) && unsigned[0] != '.' {
		return s, ""
	}
	switch strings.ToLower(unsigned) {
	case ".inf", ".nan":
		return nil, "has no JSON form: quote it if it is text"
	}
	if n, base := yamlInteger(s, unsigned); base != 0 {
		if i, err := strconv.ParseInt(n, base, 64); err == nil {
			return i, ""
		}
		// A decimal integer beyond int64 becomes a float64, as in JSON. In other bases it is
		// a mask or a mode, which must not be rounded.
		if base != 10 {
			return nil, "is out of range: quote it if it is text"
		}
	} else if !yamlFloat(unsigned) {
		return s, ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, "is out of range: quote it if it is text"
	}
	return f, ""
}

// yamlInteger returns the digits of an integer, with their sign, and their base. The base
// is 0 for what is none. Only octal with a leading zero and decimal may have a sign.
func yamlInteger(s, unsigned string) (digits string, base int) {
	if tail, ok := strings.CutPrefix(s, "0x"); ok && consistsOf(tail, "0123456789abcdefABCDEF") {
		return tail, 16
	}
	if tail, ok := strings.CutPrefix(s, "0o"); ok && consistsOf(tail, "01234567") {
		return tail, 8
	}
	switch {
	case len(unsigned) > 1 && unsigned[0] == '0' && consistsOf(unsigned, "01234567"):
		return s, 8
	case consistsOf(unsigned, "0123456789"):
		return s, 10 // 08 as well
	}
	return "", 0
}

// yamlFloat reports whether s, without its sign, is digits with at most one dot among or
// beside them, and an exponent if any: 1.5, .5, 1., 2e3.
func yamlFloat(s string) bool {
	mantissa, exponent, found := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent, found = s[:i], s[i+1:], true
	}
	if found {
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if !consistsOf(exponent, "0123456789") {
			return false
		}
	}
	// A second dot stays in the fraction and is no digit.
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return consistsOf(whole+fraction, "0123456789")
}

// consistsOf reports whether s is made of chars and is not empty.
func consistsOf(s, chars string) bool { return s != "" && strings.Trim(s, chars) == "" }

// quoted reads a scalar in quotes of kind q. Line ends in it are folded, and no escape
// sequence counts in single quotes, where two of them stand for one.
func (r *yamlReader) quoted(q byte) (any, error) {
	open := r.line
	var b []byte
	// White space at a line end goes, but not if it was written as an escape sequence, or
	// stands for line ends before: b[:keep] stays in any case.
	keep := 0
	for r.pos++; ; {
		c := r.at(0)
		switch {
		case r.atEnd():
			return nil, r.errorfAt(open, "the quote is never closed")
		case c == '\n':
			for len(b) > keep && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
				b = b[:len(b)-1]
			}
			b = yamlFold(b, r.lineBreaks())
			keep = len(b)
		case c == q && q == '\'' && r.at(1) == '\'':
			b = append(b, c)
			r.pos += 2
		case c == q:
			r.pos++
			return string(b), nil
		case c == '\\' && q == '"' && r.at(1) == '\n':
			// An escaped line end is not there; those behind it are.
			r.pos++
			b = append(b, strings.Repeat("\n", r.lineBreaks()-1)...)
			keep = len(b)
		case c == '\\' && q == '"':
			var err error
			if b, err = r.escape(b); err != nil {
				return nil, err
			}
			keep = len(b)
		default:
			start := r.pos
			for c != 0 && c != q && c != '\n' && (c != '\\' || q == '\'') {
				r.pos++
				c = r.at(0)
			}
			b = append(b, r.src[start:r.pos]...)
		}
	}
}

// lineBreaks moves over line ends and the white space behind each, and counts them.
func (r *yamlReader) lineBreaks() int {
	n := 0
	for r.at(0) == '\n' {
		r.newline()
		r.skipBlanks()
		n++
	}
	return n
}

// yamlFold appends what n line ends in a row stand for; n is at least 1.
func yamlFold(b []byte, n int) []byte {
	if n == 1 {
		return append(b, ' ')
	}
	return append(b, strings.Repeat("\n", n-1)...)
}

// escape reads the escape sequence at the position and appends what it stands for. Half of
// a surrogate pair is U+FFFD, as in encoding/json; other readers of YAML refuse it, but
// JSON is to be read as JSON is.
func (r *yamlReader) escape(b []byte) ([]byte, error) {
	const names, values = "0abt\tnvfre \"/\\N_LP", "\x00\a\b\t\t\n\v\f\r\x1b \"/\\\u0085\u00a0\u2028\u2029"
	c := r.at(1)
	if i := strings.IndexByte(names, c); i >= 0 {
		r.pos += 2
		return utf8.AppendRune(b, []rune(values)[i]), nil
	}
	// What is none of the three has a size of 0, and hex refuses it.
	size := 0
	switch c {
	case 'x':
		size = 2
	case 'u':
		size = 4
	case 'U':
		size = 8
	}
	n, ok := r.hex(2, size)
	if !ok || n > utf8.MaxRune {
		return nil, r.errorf("wrong escape sequence in quotes")
	}
	r.pos += 2 + size
	if c == 'u' && utf16.IsSurrogate(n) && r.at(0) == '\\' && r.at(1) == 'u' {
		if low, ok := r.hex(2, 4); ok {
			// If the two are no pair, the second is read again, on its own.
			if pair := utf16.DecodeRune(n, low); pair != utf8.RuneError {
				r.pos += 6
				n = pair
			}
		}
	}
	return utf8.AppendRune(b, n), nil
}

// hex returns the number written in size digits, i bytes behind the position, without
// moving. It is false for a size of 0, which is that of an unknown sequence.
func (r *yamlReader) hex(i, size int) (rune, bool) {
	if size == 0 || r.pos+i+size > len(r.src) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.src[r.pos+i:r.pos+i+size]), 16, 32)
	return rune(min(n, utf8.MaxRune+1)), err == nil
}
