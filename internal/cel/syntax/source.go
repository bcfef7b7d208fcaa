package syntax

import "slices"

// Source is the text of an expression with the places of its lines. It is immutable. It is kept in runes, for everything that has a place
// counts in them: offsets of tokens, of nodes, and columns. Bytes that are no UTF-8 are a replacement rune each.
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
	if len(s.text) == 0 {
		return 1, -1 // upstream finds no place in an empty text
	}
	n, _ := slices.BinarySearch(s.lines, offset+1)
	if n == 0 {
		return 1, int(offset)
	}
	return n + 1, int(offset - s.lines[n-1])
}

// line returns a line, from 1, without its line feed; false where there is none, and in an empty text.
func (s *Source) line(line int) (string, bool) {
	if s == nil || len(s.text) == 0 || line < 1 || line > len(s.lines)+1 {
		return "", false
	}
	from, to := int32(0), int32(len(s.text))
	if line > 1 {
		from = s.lines[line-2]
	}
	if line <= len(s.lines) {
		to = s.lines[line-1] - 1
	}
	return string(s.text[from:to]), true
}

// offset returns that of a line, from 1, and a column.
func (s *Source) offset(line, column int) int32 {
	if line == 1 {
		return int32(column)
	}
	if line < 1 || line > len(s.lines)+1 {
		return nowhere
	}
	return s.lines[line-2] + int32(column)
}

// slice returns the text of a token.
func (s *Source) slice(t token) string { return string(s.text[t.start:t.end]) }
