package tree

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads the strings of JSON texts, which are most of what an object is made of.
// Nearly all are ASCII without escapes. Such a string costs no memory and no copy: it is a
// part of the text, and plainPrefix finds its end eight bytes at a time. The first escape
// makes a buffer, and the rest of that string goes through escaped.
//
// Text that is not Unicode is repaired, not refused, as in encoding/json: each byte that is
// not UTF-8 becomes U+FFFD, and so does half of a surrogate pair. What leaves here is valid
// UTF-8; the writers rely on it only for speed.

// text reads a string; pos is at its opening quote.
func (r *jsonReader) text() (string, error) {
	r.pos++
	start, ascii := r.pos, true
	for {
		r.pos += plainPrefix(r.src[r.pos:])
		if r.pos >= len(r.src) {
			return "", errJSONEnd
		}
		switch c := r.src[r.pos]; {
		case c == '"':
			s := r.src[start:r.pos]
			r.pos++
			// Only now are the bytes known, so UTF-8 is checked once for the whole string.
			if !ascii {
				s = JSONUTF8(s)
			}
			return s, nil
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return "", r.unexpected("in string literal")
		default:
			// Text in another script has few ASCII bytes between: it is passed here byte by
			// byte, rather than with a call of plainPrefix for each.
			for ascii = false; r.pos < len(r.src) && r.src[r.pos] >= utf8.RuneSelf; r.pos++ {
			}
		}
	}
}

// plainPrefix returns how many bytes at the beginning of s stand for themselves in a string
// of JSON and are ASCII: all but quotes, backslashes and control characters.
func plainPrefix(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// (x - ones) &^ x has the top bit of each byte that is zero, and of bytes above one
		// whose borrow reached them. So the lowest bit is right, and only that is used. The
		// terms are: not ASCII, below a space, a quote, a backslash.
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hit := (w | (w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// JSONUTF8 returns s with each byte that is not UTF-8 replaced by U+FFFD, as encoding/json
// reads and writes it. A valid s is returned as it is.
func JSONUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// escaped reads the rest of a string that began at start; pos is at its first backslash.
func (r *jsonReader) escaped(start int) (string, error) {
	b := append(make([]byte, 0, r.pos-start+64), r.src[start:r.pos]...)
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c == '"':
			r.pos++
			// Bytes of characters were copied unchecked. An escape cannot complete one:
			// each stands for whole characters.
			return JSONUTF8(string(b)), nil
		case c < ' ':
			return "", r.unexpected("in string literal")
		case c >= utf8.RuneSelf:
			b = append(b, c)
			r.pos++
		case c != '\\':
			n := plainPrefix(r.src[r.pos:])
			b = append(b, r.src[r.pos:r.pos+n]...)
			r.pos += n
		default:
			var err error
			if b, err = r.escape(b); err != nil {
				return "", err
			}
		}
	}
	return "", errJSONEnd
}

// escape reads an escape sequence, whose backslash is at pos, and appends what it stands
// for.
func (r *jsonReader) escape(b []byte) ([]byte, error) {
	r.pos++
	if r.pos >= len(r.src) {
		return nil, errJSONEnd
	}
	if r.src[r.pos] == 'u' {
		c, err := r.unicodeEscape()
		if err != nil {
			return nil, err
		}
		return utf8.AppendRune(b, c), nil
	}
	i := strings.IndexByte(`"\/bfnrt`, r.src[r.pos])
	if i < 0 {
		return nil, r.unexpected("in string escape code")
	}
	r.pos++
	return append(b, "\"\\/\b\f\n\r\t"[i]), nil
}

// unicodeEscape reads uXXXX, and the second half of a surrogate pair where there is one.
// Half a pair is U+FFFD; what follows it is then read on its own, so \ud83d\u0041 is U+FFFD
// and A.
func (r *jsonReader) unicodeEscape() (rune, error) {
	c, err := r.hex()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	before := r.pos
	if r.pos+1 < len(r.src) && r.src[r.pos] == '\\' && r.src[r.pos+1] == 'u' {
		r.pos++
		low, err := r.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
			return pair, nil
		}
		r.pos = before
	}
	return utf8.RuneError, nil
}

// hex reads the four digits behind a u, which is at pos.
func (r *jsonReader) hex() (rune, error) {
	r.pos++
	var c rune
	for range 4 {
		if r.pos >= len(r.src) {
			return 0, errJSONEnd
		}
		d := r.src[r.pos]
		// A letter in upper case becomes lower case by one bit. No other byte becomes a
		// letter from a to f by it.
		switch {
		case isDigit(d):
			d -= '0'
		case d|0x20 >= 'a' && d|0x20 <= 'f':
			d = d | 0x20 - 'a' + 10
		default:
			return 0, r.unexpected("in \\u hexadecimal character escape")
		}
		c = c<<4 | rune(d)
		r.pos++
	}
	return c, nil
}
