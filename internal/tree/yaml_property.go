package tree

import "strings"

// This file scans what stands before a node or a document and is no content: anchors (&name),
// aliases (*name), tags and directives. A tag is a handle and a suffix: !!str is the handle !!,
// which stands for "tag:yaml.org,2002:" unless a directive says otherwise, and str.
//
//	%YAML 1.1
//	%TAG !e! tag:example.com,2020:
//	---
//	- &a !!str 12
//	- *a
//	- !e!thing {}
//	- !<tag:yaml.org,2002:int> 12
//
// The scanner gives handles and suffixes as they are. What a handle stands for is known to the
// parser, which has read the directives of the document.

// fetchProperty adds an alias, an anchor or a tag, as c says. Each may begin a key.
func (s *yamlScanner) fetchProperty(c byte) error {
	if err := s.saveKey(); err != nil {
		return err
	}
	s.keyAllowed = false
	if c == '!' {
		return s.tag(s.add(yamlTag, s.line))
	}
	kind := yamlAnchor
	if c == '*' {
		kind = yamlAlias
	}
	t := s.add(kind, s.line)
	s.pos++
	t.text = s.name()
	// An indicator may stand right behind a name: [*a, *b]. A colon may, too, and is none of the name.
	if t.text == "" || !s.blankAt(s.pos) && strings.IndexByte("?:,]}%@`", s.src[s.pos]) < 0 {
		return s.errorf("did not find expected alphabetic or numeric character")
	}
	return nil
}

// name moves over the characters that a name may have, and returns them. There may be none.
func (s *yamlScanner) name() string {
	start := s.pos
	for yamlNameByte(s.src[s.pos]) {
		s.pos++
	}
	return s.src[start:s.pos]
}

// yamlNameByte reports whether a name may have c: those of anchors, handles and directives are of
// ASCII letters, digits, dashes and underscores, fewer than YAML allows.
func yamlNameByte(c byte) bool {
	return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_'
}

// tag scans a tag into t. A verbatim one, and a lone exclamation mark, have no handle.
func (s *yamlScanner) tag(t *yamlToken) error {
	var err error
	if s.src[s.pos+1] == '<' {
		s.pos += 2
		if t.suffix, err = s.uri(""); err != nil {
			return err
		}
		if s.src[s.pos] != '>' {
			return s.errorf("did not find the expected '>'")
		}
		s.pos++
	} else {
		if t.text, err = s.handle(false); err != nil {
			return err
		}
		head := ""
		if len(t.text) == 1 || t.text[len(t.text)-1] != '!' {
			// It was no handle but the begin of a suffix, whose handle is the mark alone.
			head, t.text = t.text, "!"
		}
		if t.suffix, err = s.uri(head); err != nil {
			return err
		}
		// A mark alone is a tag of its own, and not what the handle ! stands for.
		if t.suffix == "" {
			t.text, t.suffix = "", t.text
		}
	}
	if !s.blankAt(s.pos) {
		return s.errorf("did not find expected whitespace or line break")
	}
	return nil
}

// handle scans !name! or, where it is no directive's, !name, which turns out to be the begin of a
// suffix then. A mark alone is a handle for both.
func (s *yamlScanner) handle(directive bool) (string, error) {
	start := s.pos
	if s.src[s.pos] != '!' {
		return "", s.errorf("did not find expected '!'")
	}
	s.pos++
	s.name()
	if s.src[s.pos] == '!' {
		s.pos++
	} else if directive && s.pos != start+1 {
		return "", s.errorf("did not find expected '!'")
	}
	return s.src[start:s.pos], nil
}

// uri scans the rest of a tag, or a prefix, behind head, an exclamation mark with the suffix's
// first characters or nothing. It ends at the first character that no URI has, a comma being one
// that it may have, and returns the text with its escapes undone.
func (s *yamlScanner) uri(head string) (string, error) {
	start := s.pos
	var b []byte
	if head != "" {
		b = append(b, head[1:]...)
	}
	for {
		c := s.src[s.pos]
		if c == '%' {
			if err := s.uriEscape(&b); err != nil {
				return "", err
			}
			continue
		}
		if !yamlNameByte(c) && (c == 0 || strings.IndexByte(";/?:@&=+$,.!~*'()[]", c) < 0) {
			break
		}
		b = append(b, c)
		s.pos++
	}
	if s.pos == start && head == "" {
		return "", s.errorf("did not find expected tag URI")
	}
	return string(b), nil
}

// uriEscape scans %XX for each byte of one character and appends them. The first byte tells how
// many there are. That they make a character of Unicode is not looked at, as upstream does not.
func (s *yamlScanner) uriEscape(b *[]byte) error {
	// The number of bytes is not known before the first one.
	for left, first := 1, true; left > 0; left-- {
		high, low := -1, -1
		if s.src[s.pos] == '%' {
			if high = yamlHex(s.src[s.pos+1]); high >= 0 {
				low = yamlHex(s.src[s.pos+2])
			}
		}
		if low < 0 {
			return s.errorf("did not find URI escaped octet")
		}
		c := byte(high<<4 | low)
		switch {
		case !first && c&0xc0 != 0x80:
			return s.errorf("found an incorrect trailing UTF-8 octet")
		case !first || c < 0x80:
		case c < 0xc0 || c >= 0xf8:
			return s.errorf("found an incorrect leading UTF-8 octet")
		case c < 0xe0:
			left = 2
		case c < 0xf0:
			left = 3
		default:
			left = 4
		}
		first = false
		*b = append(*b, c)
		s.pos += 3
	}
	return nil
}

// yamlHex returns the value of a hexadecimal digit, and -1 for what is none.
func yamlHex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// directive adds a directive, which is a line of its own. YAML wants those with other names to be
// passed over; upstream refuses them.
func (s *yamlScanner) directive() error {
	line := s.line
	s.pos++
	name := s.name()
	if name == "" {
		return s.errorf("could not find expected directive name")
	}
	if !s.blankAt(s.pos) {
		return s.errorf("found unexpected non-alphabetical character")
	}
	var t *yamlToken
	var err error
	// The token is added before the rest of its line is read, so an error in there is of this line.
	switch name {
	case "YAML":
		s.skipBlanks()
		t = s.add(yamlVersion, line)
		t.text, err = s.version()
	case "TAG":
		s.skipBlanks()
		t = s.add(yamlTagPrefix, line)
		t.text, t.suffix, err = s.tagPrefix()
	default:
		err = s.errorf("found unknown directive name")
	}
	if err != nil {
		return err
	}
	return s.endOfLine()
}

// version scans two numbers of at most two digits with a dot between, and returns them as they are
// written. Which ones are known is the parser's question.
func (s *yamlScanner) version() (string, error) {
	start := s.pos
	for part := range 2 {
		digits := s.pos
		for ; isDigit(s.src[s.pos]); s.pos++ {
			if s.pos-digits == 2 {
				return "", s.errorf("found extremely long version number")
			}
		}
		if s.pos == digits {
			return "", s.errorf("did not find expected version number")
		}
		if part == 0 {
			if s.src[s.pos] != '.' {
				return "", s.errorf("did not find expected digit or '.' character")
			}
			s.pos++
		}
	}
	return s.src[start:s.pos], nil
}

// tagPrefix scans a handle and what it stands for, which may be any begin of a tag: %TAG !e! tag:x
// makes tag:xy of !e!y.
func (s *yamlScanner) tagPrefix() (handle, prefix string, err error) {
	if handle, err = s.handle(true); err != nil {
		return "", "", err
	}
	if c := s.src[s.pos]; c != ' ' && c != '\t' {
		return "", "", s.errorf("did not find expected whitespace")
	}
	s.skipBlanks()
	if prefix, err = s.uri(""); err != nil {
		return "", "", err
	}
	if !s.blankAt(s.pos) {
		return "", "", s.errorf("did not find expected whitespace or line break")
	}
	return handle, prefix, nil
}
