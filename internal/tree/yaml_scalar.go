package tree

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// plain reads an unquoted scalar and gives it its type. Over several lines it is folded:
// a line end is a space, n of them are n-1 line ends.
func (r *yamlReader) plain(parent int) (any, error) {
	line := r.line
	text := r.plainLine()
	var folded []byte
	for r.at(0) == '\n' {
		before := *r
		breaks := 0
		for r.at(0) == '\n' {
			r.newline()
			breaks++
			if r.marker('-') || r.marker('.') {
				break
			}
			for r.at(0) == ' ' {
				r.pos++
			}
			// White space behind deep enough an indentation may hold tabs.
			if r.inFlow > 0 || r.column() > parent {
				r.spaces()
			}
		}
		if r.ended() || r.at(0) == '#' || r.inFlow > 0 && yamlFlowIndicator(r.at(0)) ||
			r.inFlow == 0 && r.column() <= parent || r.at(0) == ':' && r.endsPlain(1) {
			*r = before
			break
		}
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

// plainLine reads what one line has of a plain scalar, up to a comment, a key's colon or
// what ends it in a flow collection, and moves there.
func (r *yamlReader) plainLine() []byte {
	start, end := r.pos, r.pos
	for ; ; r.pos++ {
		c := r.at(0)
		switch {
		case c == ' ' || c == '\t':
			continue
		case c == 0, c == '\n',
			c == '#' && r.pos > start && yamlBlank(r.src[r.pos-1]),
			c == ':' && r.endsPlain(1),
			r.inFlow > 0 && yamlFlowIndicator(c):
			return r.src[start:end]
		}
		end = r.pos + 1
	}
}

// yamlScalar gives a plain scalar its type. why tells what is wrong with it.
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
	unsigned := strings.TrimLeft(s[:1], "+-") + s[1:]
	if unsigned == "" || (unsigned[0] < '0' || unsigned[0] > '9') && unsigned[0] != '.' {
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

// yamlInteger is the digits of an integer, with their sign, and their base; 0 is none.
func yamlInteger(s, unsigned string) (digits string, base int) {
	if tail, ok := strings.CutPrefix(s, "0x"); ok && only(tail, "0123456789abcdefABCDEF") {
		return tail, 16
	}
	if tail, ok := strings.CutPrefix(s, "0o"); ok && only(tail, "01234567") {
		return tail, 8
	}
	switch {
	case len(unsigned) > 1 && unsigned[0] == '0' && only(unsigned, "01234567"):
		return s, 8
	case only(unsigned, "0123456789"):
		return s, 10
	}
	return "", 0
}

// yamlFloat reports whether s is digits with at most one dot among or beside them, and an
// exponent if any.
func yamlFloat(s string) bool {
	mantissa, exponent, found := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent, found = s[:i], s[i+1:], true
	}
	if found {
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if !only(exponent, "0123456789") {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return only(whole+fraction, "0123456789") && (whole != "" || fraction != "")
}

// only reports whether s is not empty and made of chars.
func only(s, chars string) bool { return s != "" && strings.Trim(s, chars) == "" }

// quoted reads a scalar in quotes of kind q. Line ends in it are folded.
func (r *yamlReader) quoted(q byte) (any, error) {
	open := r.line
	var b []byte
	keep := 0 // white space behind it was written as such and goes at a line end
	for r.pos++; ; {
		c := r.at(0)
		switch {
		case r.ended():
			return nil, r.errorfAt(open, "the quote is never closed")
		case c == '\n':
			for len(b) > keep && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
				b = b[:len(b)-1]
			}
			b = yamlFold(b, r.breaks())
			keep = len(b)
		case c == q && q == '\'' && r.at(1) == '\'':
			b = append(b, c)
			r.pos += 2
		case c == q:
			r.pos++
			return string(b), nil
		case c == '\\' && q == '"' && r.at(1) == '\n': // a line end that is not there
			r.pos++
			b = append(b, strings.Repeat("\n", r.breaks()-1)...)
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

// breaks moves over line ends and the white space around them and counts them.
func (r *yamlReader) breaks() int {
	n := 0
	for r.at(0) == '\n' {
		r.newline()
		r.spaces()
		n++
	}
	return n
}

// yamlFold adds to b what stands for n line ends.
func yamlFold(b []byte, n int) []byte {
	if n == 1 {
		return append(b, ' ')
	}
	return append(b, strings.Repeat("\n", n-1)...)
}

// escape reads the escape sequence at the position and adds what it means to b. Half a
// surrogate pair is U+FFFD, as in encoding/json.
func (r *yamlReader) escape(b []byte) ([]byte, error) {
	const names, values = "0abt\tnvfre \"/\\N_LP", "\x00\a\b\t\t\n\v\f\r\x1b \"/\\\u0085\u00a0\u2028\u2029"
	c := r.at(1)
	if i := strings.IndexByte(names, c); i >= 0 {
		r.pos += 2
		return utf8.AppendRune(b, []rune(values)[i]), nil
	}
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
			if pair := utf16.DecodeRune(n, low); pair != utf8.RuneError {
				r.pos += 6
				n = pair
			}
		}
	}
	return utf8.AppendRune(b, n), nil
}

// hex is the number written in size digits, i bytes behind the position.
func (r *yamlReader) hex(i, size int) (rune, bool) {
	if size == 0 || r.pos+i+size > len(r.src) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.src[r.pos+i:r.pos+i+size]), 16, 32)
	return rune(min(n, utf8.MaxRune+1)), err == nil
}

// blockScalar reads a literal (|) or folded (>) scalar: its header, and the lines that are
// indented deeper than parent.
func (r *yamlReader) blockScalar(parent int) (any, error) {
	folded := r.at(0) == '>'
	r.pos++
	var chomp byte
	indent := -1 // not known until the first line that is not empty
	for ; !yamlBlank(r.at(0)); r.pos++ {
		switch c := r.at(0); {
		case (c == '-' || c == '+') && chomp == 0:
			chomp = c
		case c >= '1' && c <= '9' && indent < 0:
			indent = max(parent, 0) + int(c-'0')
		default:
			return nil, r.errorf("unexpected %s in the head of a block scalar", r.here())
		}
	}
	if err := r.endLine(); err != nil {
		return nil, err
	}

	var b []byte
	breaks := 0                            // empty lines since the last one with content
	widest := 0                            // the most spaces an empty line before the first one has
	some, spaced, ends := false, false, "" // of the last line with content: is there one, did it begin with white space, its line end
	for r.at(0) == '\n' {
		r.newline()
		for r.at(0) == ' ' && (indent < 0 || r.column() < indent) {
			r.pos++
		}
		n := r.column()
		if r.at(0) == '\n' {
			breaks++
			if !some {
				widest = max(widest, n)
			}
			continue
		}
		if r.ended() || n < indent || indent < 0 && n <= parent {
			break
		}
		if indent < 0 {
			if indent = n; widest > n {
				return nil, r.errorf("an empty line before the first line of the block scalar is indented deeper than it")
			}
		}
		white := r.at(0) == ' ' || r.at(0) == '\t'
		if folded && some && !spaced && !white {
			b = yamlFold(b, breaks+1)
		} else {
			b = append(append(b, ends...), strings.Repeat("\n", breaks)...)
		}
		start := r.pos
		r.toLineEnd()
		b = append(b, r.src[start:r.pos]...)
		some, spaced, ends, breaks = true, white, "", 0
		if r.at(0) == '\n' {
			ends = "\n"
		}
	}
	if chomp != '-' {
		b = append(b, ends...)
	}
	if chomp == '+' {
		b = append(b, strings.Repeat("\n", breaks)...)
	}
	return string(b), nil
}
