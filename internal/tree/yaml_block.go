package tree

// This file scans block scalars, which are lines of text under a header:
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
// The widest of the lines up to the first one with content tells the indentation, so a text that
// begins with white space needs the digit. Lines that are less deep end the scalar; empty ones
// never do, and belong to it or not as the header says.

// yamlBlock is a block scalar as far as it was read. Line ends are added only when the next line
// with content is known, as it decides what they stand for.
type yamlBlock struct {
	// folded says that line ends between lines of text stand for spaces (>).
	folded bool

	// chomp is '-' to drop all line ends at the end, '+' to keep all, 0 to keep one.
	chomp byte

	// indent is the column of the lines, and 0 before it is known.
	indent int

	text []byte

	// end is the line end of the last line with content, empty those of the empty lines since.
	end   string
	empty []byte

	// spaced says that the last line with content begins with white space.
	spaced bool
}

// fetchBlockScalar adds a literal (|) or folded (>) scalar, as c says. It is no key; one may
// follow.
func (s *yamlScanner) fetchBlockScalar(c byte) error {
	if err := s.dropKey(s.lastKey()); err != nil {
		return err
	}
	s.keyAllowed = true
	t := s.add(yamlScalarToken, s.line)
	// The token is there already, and its text comes at the end: nothing is added to the queue in between.
	b := yamlBlock{folded: c == '>'}
	if err := s.blockHeader(&b); err != nil {
		return err
	}
	if err := s.blockBreaks(&b); err != nil {
		return err
	}
	// Nothing is an escape or a comment in the lines; spaces behind the indentation are text.
	for s.pos-s.bol == b.indent && s.src[s.pos] != 0 {
		start := s.pos
		s.toLineEnd()
		b.add(s.src[start:s.pos])
		if b.end = s.breakAt(s.pos); b.end != "" {
			s.newline()
		}
		if err := s.blockBreaks(&b); err != nil {
			return err
		}
	}
	// A text that ends with the text of the stream has no line end to keep.
	if b.chomp != '-' {
		b.text = append(b.text, b.end...)
	}
	if b.chomp == '+' {
		b.text = append(b.text, b.empty...)
	}
	t.text = string(b.text)
	return nil
}

// blockHeader scans the first line of a block scalar into b, as far as the line behind it.
// Indentation and chomping may stand in either order, each once, and a comment behind them.
func (s *yamlScanner) blockHeader(b *yamlBlock) error {
	s.pos++
	// Each of the two has one place at most; what is left over, or comes twice, is refused as text behind
	// the header.
	for range 2 {
		switch c := s.src[s.pos]; {
		case (c == '-' || c == '+') && b.chomp == 0:
			b.chomp = c
			s.pos++
		case c == '0' && b.indent == 0:
			return s.errorf("found an indentation indicator equal to 0")
		case isDigit(c) && b.indent == 0:
			// The digit counts from the column of the collection; a document has none.
			b.indent = max(s.indent, 0) + int(c-'0')
			s.pos++
		}
	}
	return s.endOfLine()
}

// endOfLine moves behind a line in which nothing but a comment is left.
func (s *yamlScanner) endOfLine() error {
	if s.skipBlanks(); s.src[s.pos] == '#' {
		s.toLineEnd()
	}
	switch {
	case s.breakAt(s.pos) != "":
		s.newline()
	case s.src[s.pos] != 0:
		return s.errorf("did not find expected comment or line break")
	}
	return nil
}

// blockBreaks moves over empty lines and over the indentation of the next line, and finds out
// the indentation where the header does not tell it.
func (s *yamlScanner) blockBreaks(b *yamlBlock) error {
	widest := 0
	for {
		for s.src[s.pos] == ' ' && (b.indent == 0 || s.pos-s.bol < b.indent) {
			s.pos++
		}
		// A line of white space that is deeper than the text makes it too deep for its first line, which then
		// ends the scalar: upstream has it so.
		widest = max(widest, s.pos-s.bol)
		if s.src[s.pos] == '\t' && (b.indent == 0 || s.pos-s.bol < b.indent) {
			return s.errorf("found a tab character where an indentation space is expected")
		}
		end := s.breakAt(s.pos)
		if end == "" {
			break
		}
		// An empty line counts by its end alone; what it has of white space was indentation.
		b.empty = append(b.empty, end...)
		s.newline()
	}
	if b.indent == 0 {
		b.indent = max(widest, s.indent+1, 1)
	}
	return nil
}

// add appends a line, which is not empty, and what separates it from the one before. In a folded
// scalar a line that begins with white space is left as it is, with the line ends around it: it
// may be a drawing or code. So is one that ends in U+2028 or U+2029.
func (b *yamlBlock) add(line string) {
	spaced := line[0] == ' ' || line[0] == '\t'
	switch {
	case !b.folded || b.spaced || spaced || b.end != "\n":
		b.text = append(b.text, b.end...)
	case len(b.empty) == 0:
		b.text = append(b.text, ' ')
	}
	b.text = append(append(b.text, b.empty...), line...)
	b.spaced, b.empty = spaced, b.empty[:0]
}
