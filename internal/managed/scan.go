package managed

import (
	"slices"
	"strings"
	"unicode/utf8"

	"apichain/internal/fieldset"
)

// A stored list, taken apart as text. It has the form in which write writes it; whatever has not is left to the reader of trees.

// scanner is a place in the text of a list.
type scanner struct {
	text string
	at   int
}

// scan appends the entries of a stored list to into, which is empty; ok is false where it has not the form of one.
// Entries have parts of the text, which is immutable: a list that is kept by an entry keeps all of the stored line.
func scan(into []entry, text string) (entries []entry, ok bool) {
	s := scanner{text: text}
	if !s.take("[") {
		return nil, false
	}
	// Each entry has that name once, and a set can have it only as a part of a longer one, so the room is never too small.
	entries = slices.Grow(into, 1+strings.Count(text, `"fieldsType"`)) // one more is likely
	for {
		start := s.at
		e, ordered, ok := s.entry()
		if !ok {
			return nil, false
		}
		if ordered { // else it was written for a Scale, and is written anew with the next write (upstream)
			e.text = text[start:s.at]
		}
		entries = append(entries, e)
		if s.take("]") {
			return entries, s.at == len(text)
		}
		if !s.take(",") {
			return nil, false
		}
	}
}

// take moves over a text, if that is what comes.
func (s *scanner) take(text string) bool {
	if !strings.HasPrefix(s.text[s.at:], text) {
		return false
	}
	s.at += len(text)
	return true
}

// entry reads an entry. It is ordered if its set is written in the order of elements.
func (s *scanner) entry() (e entry, ordered, ok bool) {
	if !s.take(`{"apiVersion":`) {
		return e, false, false
	}
	if e.version, ok = s.string(); !ok || e.version == "" || !s.take(`,"fieldsType":"FieldsV1","fieldsV1":`) {
		return e, false, false
	}
	// The set is found first and parsed then, so that its texts are parts of the stored one, and nothing is copied.
	from := s.at
	if !s.object() {
		return e, false, false
	}
	// A set that the parser refuses is left to the reader of trees, which says why.
	var err error
	if e.set, ordered, err = fieldset.ParseOrdered(s.text[from:s.at]); err != nil {
		return e, false, false
	}
	// Each of these may be missing, but none may stand elsewhere: another order is not the one that is written here.
	for _, f := range [...]struct {
		name string
		into *string
	}{{`,"manager":`, &e.manager}, {`,"operation":`, &e.operation}, {`,"subresource":`, &e.subresource}, {`,"time":`, &e.time}} {
		if s.take(f.name) {
			if *f.into, ok = s.string(); !ok {
				return e, false, false
			}
		}
	}
	return e, ordered, s.take("}") && (e.operation == opApply || e.operation == opUpdate)
}

// string reads a string that has no escapes, and is no string for a reader of trees to mend.
func (s *scanner) string() (string, bool) {
	if !s.take(`"`) {
		return "", false
	}
	// The first quote ends it, even an escaped one: then there is a backslash before it, and the text is not taken.
	n := strings.IndexByte(s.text[s.at:], '"')
	if n < 0 {
		return "", false
	}
	v := s.text[s.at : s.at+n]
	s.at += n + 1
	return v, strings.IndexByte(v, '\\') < 0 && utf8.ValidString(v)
}

// object moves over an object.
func (s *scanner) object() bool {
	depth := 0
	for ; s.at < len(s.text); s.at++ {
		// Braces and brackets are counted alike, since the parser of sets looks at what is in between.
		switch s.text[s.at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				s.at++
				return depth == 0
			}
		case '"':
			// Within a text they are only characters; a quote behind a backslash does not end it.
			for s.at++; s.at < len(s.text) && s.text[s.at] != '"'; s.at++ {
				if s.text[s.at] == '\\' {
					s.at++
				}
			}
		}
	}
	return false
}
