package tree

import "strings"

// This file reads block scalars, which are lines of text under a header:
//
//	literal: |      # "a\n  b\n"; each line end is kept
//	  a
//	    b
//	folded: >-      # "a b"; line ends are folded, and the last one goes
//	  a
//	  b
//	indented: |2+   # "  a\n"; the text is two columns in, and empty lines behind it would stay
//	    a
//
// The first line with content tells the indentation, so only a text that begins with white
// space needs the digit. Lines that are less deep end the scalar; empty ones never do, and
// belong to it or not as the header says.

// blockHeader is what stands behind the | or > of a block scalar: how its line ends are
// read, how its end is kept, and how deep it is indented.
type blockHeader struct {
	// folded says that line ends between lines of text stand for spaces (>).
	folded bool

	// chomp is '-' to drop all line ends at the end, '+' to keep all, 0 to keep one.
	chomp byte

	// indent is the column of the lines, and -1 if the first line with content tells it.
	indent int
}

// blockScalar reads a literal (|) or folded (>) scalar: its header, and the lines that are
// indented deeper than parent. The position is at the indicator. Nothing is an escape or a
// comment in the lines; spaces behind the indentation are text.
func (r *yamlReader) blockScalar(parent int) (any, error) {
	h, err := r.blockHeader(parent)
	if err != nil {
		return nil, err
	}
	var s blockText
	widest := 0 // the most spaces that an empty line before the first with content has
	for r.at(0) == '\n' {
		r.newline()
		for r.at(0) == ' ' && (h.indent < 0 || r.column() < h.indent) {
			r.pos++
		}
		n := r.column()
		// Spaces up to the indentation are nothing; beyond it they are text, even alone.
		if r.at(0) == '\n' {
			s.breaks++
			if h.indent < 0 {
				widest = max(widest, n)
			}
			continue
		}
		if r.atEnd() || n < h.indent || h.indent < 0 && n <= parent {
			break
		}
		if h.indent < 0 {
			// In hindsight such an empty line has spaces that are text, or its writer took
			// another line for the first one. Readers differ, so it is refused (YAML 1.2, 8.1.1.1).
			if h.indent = n; widest > n {
				return nil, r.errorf("an empty line before the first line of the block scalar is indented deeper than it")
			}
		}
		start := r.pos
		r.toLineEnd()
		s.add(r.src[start:r.pos], r.at(0) == '\n', h.folded)
	}
	return s.chomped(h.chomp), nil
}

// blockHeader reads the first line of a block scalar. Indentation and chomping may stand in
// either order.
func (r *yamlReader) blockHeader(parent int) (blockHeader, error) {
	h := blockHeader{folded: r.at(0) == '>', indent: -1}
	for r.pos++; !yamlBlank(r.at(0)); r.pos++ {
		switch c := r.at(0); {
		case (c == '-' || c == '+') && h.chomp == 0:
			h.chomp = c
		case c >= '1' && c <= '9' && h.indent < 0:
			// The digit counts from the column of the collection; a document has none.
			h.indent = max(parent, 0) + int(c-'0')
		default:
			return h, r.errorf("unexpected %s in the head of a block scalar", r.here())
		}
	}
	return h, r.endLine()
}

// blockText is the content of a block scalar as far as it was read. Line ends are added
// only when the next line with content is known, as it decides what they stand for.
type blockText struct {
	text []byte

	// breaks counts the empty lines since the last line with content.
	breaks int

	// These are of the last line with content: whether there is one, whether it begins with
	// white space, and its line end, which a text may lack at its end.
	some   bool
	spaced bool
	end    string
}

// add appends a line, which is not empty, and what separates it from the one before. In a
// folded scalar a line that begins with white space is left as it is, with the line ends
// around it: it may be a drawing or code.
func (s *blockText) add(line []byte, ended, folded bool) {
	spaced := line[0] == ' ' || line[0] == '\t'
	if folded && s.some && !s.spaced && !spaced {
		s.text = yamlFold(s.text, s.breaks+1)
	} else {
		s.text = append(append(s.text, s.end...), strings.Repeat("\n", s.breaks)...)
	}
	s.text = append(s.text, line...)
	s.some, s.spaced, s.breaks, s.end = true, spaced, 0, ""
	if ended {
		s.end = "\n"
	}
}

// chomped returns the text with as many of the line ends at its end as chomp keeps.
func (s *blockText) chomped(chomp byte) string {
	if chomp != '-' {
		s.text = append(s.text, s.end...)
	}
	if chomp == '+' {
		s.text = append(s.text, strings.Repeat("\n", s.breaks)...)
	}
	return string(s.text)
}
