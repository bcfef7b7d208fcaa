package tree

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// This file has the position in a text of YAML and what moves it over white space. Line ends
// are one byte here, whatever they were; a tab is white space between tokens, but never
// indentation, since nobody can see how deep it is. What can be said of a text as a whole is
// checked before anything is read: that it is UTF-8 without control characters. So the
// methods look at bytes, and no character beyond ASCII is an indicator.
//
// Errors name the line that they are about, and nothing else of the place: a column helps
// nobody whose editor counts tabs otherwise.

// yamlReader is a position in a text. Columns are byte offsets in the line: they matter
// in the indentation only, which is spaces. Its methods read one thing that begins at pos
// and leave pos behind it. After an error the reader is of no further use.
type yamlReader struct {
	src    []byte
	pos    int
	line   int // number of pos's line, from 1
	bol    int // offset of that line's first byte
	depth  int // collections around pos
	inFlow int // flow collections around pos

	// lastWins says that a key may come again. repeated then tells of those that did.
	lastWins bool
	repeated []string
}

// newYAMLReader refuses what may stand nowhere and makes every line end one byte. It leaves
// no zero byte in the text, so that one can mean the end.
func newYAMLReader(data []byte) (*yamlReader, error) {
	src := bytes.TrimPrefix(data, []byte("\ufeff"))
	// Lines may end as on any system. In quotes the reader would see no difference anyway: all
	// line ends are folded alike (YAML 1.2, 5.4).
	if bytes.IndexByte(src, '\r') >= 0 {
		src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
		src = bytes.ReplaceAll(src, []byte("\r"), []byte("\n"))
	}
	r := &yamlReader{src: src, line: 1}
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		switch {
		case c == '\n':
			r.line++
		case c == utf8.RuneError && size == 1:
			return nil, r.errorf("invalid UTF-8")
		case c < ' ' && c != '\t':
			return nil, r.errorf("control character %U", c)
		}
		i += size
	}
	r.line = 1 // it counted for the errors
	return r, nil
}

// skipToToken moves over white space, line ends and comments to the next token.
func (r *yamlReader) skipToToken() {
	for {
		r.skipBlanks()
		// A hash right behind a token is a part of it.
		if r.at(0) == '#' && (r.pos == r.bol || yamlBlank(r.src[r.pos-1])) {
			r.toLineEnd()
		}
		if r.at(0) != '\n' {
			return
		}
		r.newline()
	}
}

// endLine makes sure that nothing but a comment stands in the rest of the line.
func (r *yamlReader) endLine() error {
	r.skipBlanks()
	switch c := r.at(0); {
	case c == 0 || c == '\n':
		return nil
	case c == '#' && yamlBlank(r.src[r.pos-1]):
		r.toLineEnd()
		return nil
	}
	return r.errorf("unexpected %s after the value", r.here())
}

// skipToColon reports whether a colon that ends a key comes next in this line, and moves
// to it. It is one only with white space behind it: a:b is a text.
func (r *yamlReader) skipToColon() bool {
	r.skipBlanks()
	return r.at(0) == ':' && r.separatorAt(1)
}

// atDash reports whether a block sequence's entry begins here. In brackets none does.
func (r *yamlReader) atDash() bool { return r.at(0) == '-' && r.inFlow == 0 && r.separatorAt(1) }

// atEnd reports whether the document ends here, with the text or at a marker. A marker
// counts in quotes and brackets too (YAML 1.2, 9.1.2): a forgotten quote spoils one
// document only.
func (r *yamlReader) atEnd() bool { return r.at(0) == 0 || r.atMarker('-') || r.atMarker('.') }

// atMarker reports whether the line begins with --- or with three dots, as c says.
func (r *yamlReader) atMarker(c byte) bool {
	return r.pos == r.bol && r.at(0) == c && r.at(1) == c && r.at(2) == c && yamlBlank(r.at(3))
}

// noTab refuses a tab before a token whose column counts.
func (r *yamlReader) noTab() error {
	if bytes.IndexByte(r.src[r.bol:r.pos], '\t') >= 0 {
		return r.errorf("a tab cannot indent: use spaces")
	}
	return nil
}

// at returns the byte i behind the position, and 0 at the end of the text or beyond.
func (r *yamlReader) at(i int) byte {
	if r.pos+i < len(r.src) {
		return r.src[r.pos+i]
	}
	return 0
}

func (r *yamlReader) column() int { return r.pos - r.bol }

// skipBlanks moves over spaces and tabs.
func (r *yamlReader) skipBlanks() {
	for r.at(0) == ' ' || r.at(0) == '\t' {
		r.pos++
	}
}

// toLineEnd moves to the line end, or to the end of the text.
func (r *yamlReader) toLineEnd() {
	if i := bytes.IndexByte(r.src[r.pos:], '\n'); i >= 0 {
		r.pos += i
	} else {
		r.pos = len(r.src)
	}
}

// newline moves over the line end at the position.
func (r *yamlReader) newline() {
	r.pos++
	r.line++
	r.bol = r.pos
}

// separatorAt reports whether the byte i behind the position separates tokens, and so makes
// the character before it an indicator: the colon of a key, the dash of an entry. In brackets
// a comma or a bracket does so too.
func (r *yamlReader) separatorAt(i int) bool {
	c := r.at(i)
	return yamlBlank(c) || r.inFlow > 0 && yamlFlowIndicator(c)
}

// here quotes the character at the position.
func (r *yamlReader) here() string {
	c, _ := utf8.DecodeRune(r.src[r.pos:])
	return strconv.QuoteRune(c)
}

// errorf returns an error of the line that the position is in.
func (r *yamlReader) errorf(format string, args ...any) error {
	return r.errorfAt(r.line, format, args...)
}

// errorfAt returns an error of a line before, where what is wrong began.
func (r *yamlReader) errorfAt(line int, format string, args ...any) error {
	return fmt.Errorf("yaml: line %d: %s", line, fmt.Sprintf(format, args...))
}

// yamlBlank reports whether c separates tokens: white space, a line end, the end of the
// text.
func yamlBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == 0 }

// yamlFlowIndicator reports whether c ends a plain scalar in a flow collection.
func yamlFlowIndicator(c byte) bool {
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}'
}
