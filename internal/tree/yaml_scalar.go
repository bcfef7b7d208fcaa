package tree

import (
	"strings"
	"unicode/utf8"
)

// This file scans plain and quoted scalars. Two rules of YAML are behind most of it:
//
//   - Folding: inside of a scalar a line end means a space, and n of them in a row mean
//     n-1 line ends. White space around them goes.
//   - What a plain scalar may contain depends on where it is: a comma or a question mark ends
//     it in a flow collection only, a colon only in front of white space, a hash only behind it.
//
// A scalar that stands in one line without escape sequences, as most do, is a part of the text
// and costs no memory; whoever keeps it keeps the text. What type a plain one has is
// yaml_types.go's question.

// fetchScalar adds a plain or, by its first byte, a quoted scalar. Each may be a key, if it is all
// in one line.
func (s *yamlScanner) fetchScalar(c byte) error {
	if err := s.saveKey(); err != nil {
		return err
	}
	t := s.add(yamlScalarToken, s.line)
	s.keyAllowed = false
	var err error
	if c == '"' || c == '\'' {
		t.text, err = s.quoted(c)
	} else {
		t.plain = true
		t.text, err = s.plain()
	}
	return err
}

// yamlFolded is the text of a scalar as far as it was read: what was copied, and a part of src
// that is not yet.
type yamlFolded struct {
	// copied is nil as long as the scalar is a part of src and nothing else.
	copied []byte

	// src[from:upTo] follows it. What is between upTo and the position is white space, which counts
	// only if more of the scalar follows it in the same line.
	from, upTo int
}

// flush copies the part of src, and makes it begin again at from.
func (f *yamlFolded) flush(src string, from int) {
	f.copied = append(f.copied, src[f.from:f.upTo]...)
	f.from, f.upTo = from, from
}

// text returns the whole text, without a copy if it is a part of src.
func (f *yamlFolded) text(src string) string {
	if f.copied == nil {
		return src[f.from:f.upTo]
	}
	return string(append(f.copied, src[f.from:f.upTo]...))
}

// yamlFold appends what line ends in a row stand for. They are line feeds and the two that are
// kept: none goes where the first is one of those.
func yamlFold(b []byte, breaks []byte) []byte {
	switch {
	case len(breaks) == 0 || breaks[0] != '\n':
		return append(b, breaks...)
	case len(breaks) == 1:
		return append(b, ' ')
	}
	return append(b, breaks[1:]...)
}

// plain scans a scalar without quotes. It goes on over lines that are indented deeper than the
// block collection around, and stops behind the white space that follows it.
func (s *yamlScanner) plain() (string, error) {
	f := yamlFolded{from: s.pos, upTo: s.pos}
	var breaks []byte
	newLine := false // since the last word
	for !(s.pos == s.bol && s.atMarker()) && s.src[s.pos] != '#' {
		// The hash is looked for in front of each word, as it is none in a word.
		word := s.pos
		if s.word(); s.pos > word {
			if newLine {
				f.flush(s.src, word)
				f.copied = yamlFold(f.copied, breaks)
				breaks, newLine = breaks[:0], false
			}
			f.upTo = s.pos
		}
		// An indicator ended the word, and with it the scalar.
		if !s.blankAt(s.pos) || s.src[s.pos] == 0 {
			break
		}
		for s.src[s.pos] != 0 && s.blankAt(s.pos) {
			if end := s.breakAt(s.pos); end != "" {
				s.newline()
				breaks, newLine = append(breaks, end...), true
				continue
			}
			if newLine && s.src[s.pos] == '\t' && s.pos-s.bol <= s.indent {
				return "", s.errorf("found a tab character that violates indentation")
			}
			s.pos++
		}
		// What is before the position in a new line is ASCII.
		if newLine && !s.inFlow() && s.pos-s.bol <= s.indent {
			break
		}
	}
	// A key may begin in the line that the scalar did not go on in.
	s.keyAllowed = s.keyAllowed || newLine
	return f.text(s.src), nil
}

// word moves over what has no white space in it of a plain scalar, which is nothing where an
// indicator ends the scalar.
func (s *yamlScanner) word() {
	flow := s.inFlow()
	for ; ; s.pos++ {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', 0:
			return
		case 0xe2:
			if s.breakAt(s.pos) != "" {
				return
			}
		case ':':
			if s.blankAt(s.pos + 1) {
				return
			}
		case ',', '?', '[', ']', '{', '}':
			if flow {
				return
			}
		}
	}
}

// quoted scans a scalar in quotes of kind q. No escape sequence counts in single quotes, where
// two of them stand for one. Its lines may begin in any column, but none with a document's marker.
func (s *yamlScanner) quoted(q byte) (string, error) {
	s.pos++
	f := yamlFolded{from: s.pos, upTo: s.pos}
	for {
		// White space at the end of a line goes, so the part of src ends before it for now.
		switch c := s.src[s.pos]; {
		case c == 0:
			return "", s.errorf("found unexpected end of stream")
		case c == q && q == '\'' && s.src[s.pos+1] == q:
			f.upTo = s.pos
			s.pos += 2
			f.flush(s.src, s.pos)
			f.copied = append(f.copied, q)
		case c == q:
			f.upTo = s.pos
			s.pos++
			return f.text(s.src), nil
		case c == '\\' && q == '"' && s.breakAt(s.pos+1) != "":
			// An escaped line end is not there, nor the white space behind it; those behind are.
			f.upTo = s.pos
			s.pos++
			s.newline()
			f.flush(s.src, s.pos)
			f.copied = append(f.copied, s.breaks()...)
			f.flush(s.src, s.pos)
		case c == '\\' && q == '"':
			f.upTo = s.pos
			f.flush(s.src, s.pos)
			if err := s.escape(&f.copied); err != nil {
				return "", err
			}
			f.from, f.upTo = s.pos, s.pos
		case s.blankAt(s.pos):
			f.upTo = s.pos
			if s.skipBlanks(); s.breakAt(s.pos) != "" {
				f.flush(s.src, s.pos)
				f.copied = yamlFold(f.copied, s.breaks())
				f.flush(s.src, s.pos)
			}
		default:
			s.pos++
			continue
		}
		if s.pos == s.bol && s.atMarker() {
			return "", s.errorf("found unexpected document indicator")
		}
	}
}

// breaks moves over line ends and the white space around each, and returns the line ends, which
// are none if the position is at none.
func (s *yamlScanner) breaks() []byte {
	var breaks []byte
	for {
		s.skipBlanks()
		end := s.breakAt(s.pos)
		if end == "" {
			return breaks
		}
		breaks = append(breaks, end...)
		s.newline()
	}
}

// escape scans the escape sequence at the position and appends what it stands for. The slash
// of JSON is none of them, and half of a surrogate pair is refused: YAML 1.1 has neither.
func (s *yamlScanner) escape(b *[]byte) error {
	const names, values = "0abt\tnvfre \"'\\N_LP", "\x00\a\b\t\t\n\v\f\r\x1b \"'\\\u0085\u00a0\u2028\u2029"
	c := s.src[s.pos+1]
	if i := strings.IndexByte(names, c); i >= 0 && c != 0 {
		s.pos += 2
		*b = utf8.AppendRune(*b, []rune(values)[i])
		return nil
	}
	// The index of each letter is its number of digits.
	size := strings.IndexByte("..x.u...U", c)
	if size < 0 || c == '.' {
		return s.errorf("found unknown escape character")
	}
	s.pos += 2
	n := rune(0)
	for range size {
		digit := yamlHex(s.src[s.pos])
		if digit < 0 {
			return s.errorf("did not find expected hexdecimal number")
		}
		// Eight digits may be beyond what a rune holds, and a number beyond Unicode stays one.
		n = min(n<<4|rune(digit), utf8.MaxRune+1)
		s.pos++
	}
	if !utf8.ValidRune(n) {
		return s.errorf("found invalid Unicode character escape code")
	}
	*b = utf8.AppendRune(*b, n)
	return nil
}
