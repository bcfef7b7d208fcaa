package kinds

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// A JSON text taken apart for who writes it as protobuf: what stands where, in one pass and
// without a tree. The text is one that this program has written itself (tree.AppendJSON or
// encoding/json): there is no white space in it, and it is right. Nobody else's may be given.

// jsonNode is a value of a text, or the key of a member, which stands in front of its value.
type jsonNode struct {
	// The value is text[start:end], with its quotes or brackets.
	start, end int32
	// next is the index of the node behind the value and all that is in it. The first node in a
	// list or an object, if there is any, comes right behind it.
	next int32
}

// absentNode stands for a value that is not there: an object without members. The first value of
// a text has the index behind it.
const absentNode = 0

// scan fills e.nodes from e.text.
func (e *ProtobufEncoder) scan(text []byte) {
	e.text = text
	e.nodes = append(e.nodes[:0], jsonNode{next: 1})
	e.value(0)
}

// value scans the value at i, and returns the position behind it.
func (e *ProtobufEncoder) value(i int) int {
	n := len(e.nodes)
	e.nodes = append(e.nodes, jsonNode{start: int32(i)})
	switch e.text[i] {
	case '{', '[':
		end := e.text[i] + 2 // } and ] stand two behind { and [ in ASCII
		isObject := end == '}'
		if i++; e.text[i] == end {
			break
		}
		for {
			if isObject {
				i = e.value(i) + 1 // the key, and the colon
			}
			if i = e.value(i); e.text[i] == end {
				break
			}
			i++
		}
	case '"':
		i = stringEnd(e.text, i+1)
	default:
		// A number, true, false or null ends where the structure goes on.
		for i+1 < len(e.text) && e.text[i+1] != ',' && e.text[i+1] != '}' && e.text[i+1] != ']' {
			i++
		}
	}
	i++
	e.nodes[n].end, e.nodes[n].next = int32(i), int32(len(e.nodes))
	return i
}

// stringEnd returns the position of the quote that ends the string whose content begins at i.
func stringEnd(text []byte, i int) int {
	for begin := i; ; i++ {
		i += bytes.IndexByte(text[i:], '"')
		// A quote behind an odd number of backslashes is part of the string.
		escapes := i
		for escapes > begin && text[escapes-1] == '\\' {
			escapes--
		}
		if (i-escapes)%2 == 0 {
			return i
		}
	}
}

// content returns the text of a string without its quotes, escapes resolved: a part of e.text
// where there are none, else one in e.unescaped, which is good until the next call.
func (e *ProtobufEncoder) content(node int32) []byte {
	s := e.text[e.nodes[node].start+1 : e.nodes[node].end-1]
	i := bytes.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	out := e.unescaped[:0]
	for ; i >= 0; i = bytes.IndexByte(s, '\\') {
		out = append(out, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		if c != 'u' {
			out = append(out, unescape(c))
			continue
		}
		// What the writers escape so is no half of a pair: they write those as they are.
		n, _ := strconv.ParseUint(string(s[:4]), 16, 16)
		out, s = utf8.AppendRune(out, rune(n)), s[4:]
	}
	e.unescaped = append(out, s...)
	return e.unescaped
}

// unescape returns what a backslash and c stand for.
func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
