package syntax

import (
	"fmt"
	"slices"
	"strings"
)

// Source is the text of an expression with the places of its lines. It is immutable.
type Source struct {
	text  []rune
	lines []int32 // the offset behind each line feed
}

// NewSource returns the source of a text.
func NewSource(text string) *Source {
	s := &Source{text: []rune(text)}
	for i, r := range s.text {
		if r == '\n' {
			s.lines = append(s.lines, int32(i+1))
		}
	}
	return s
}

// Place returns the line, from 1, and the column, from 0 in runes, of an offset.
func (s *Source) Place(offset int32) (line, column int) {
	n, _ := slices.BinarySearch(s.lines, offset+1)
	if n == 0 {
		return 1, int(offset)
	}
	return n + 1, int(offset - s.lines[n-1])
}

// Line returns a line, from 1, without its line feed; "" where there is none.
func (s *Source) Line(line int) string {
	from, to := int32(0), int32(len(s.text))
	if line < 1 || line > len(s.lines)+1 {
		return ""
	}
	if line > 1 {
		from = s.lines[line-2]
	}
	if line <= len(s.lines) {
		to = s.lines[line-1] - 1
	}
	return string(s.text[from:to])
}

// Fault is one thing that is wrong with an expression.
type Fault struct {
	Line, Column int // from 1, and from 0 in runes; a Column below 0 has no place
	Message      string
}

// Faults are what is wrong with an expression, in the order of their places. As an error they print as cel-go prints issues,
// which users and test suites compare.
type Faults struct {
	Source *Source
	List   []Fault
}

// Error returns all faults, each with its line and a caret.
func (f *Faults) Error() string {
	var b strings.Builder
	for i, e := range f.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "ERROR: <input>:%d:%d: %s", e.Line, e.Column+1, e.Message)
	}
	return b.String()
}
