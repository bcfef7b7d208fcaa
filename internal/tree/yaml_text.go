package tree

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file makes of the bytes of a stream the text that the scanner reads: UTF-8, or UTF-16
// behind its byte order mark, without control characters, with line ends of one kind. So the
// scanner looks at bytes, no character beyond ASCII is an indicator, and a zero byte can mean
// the end. By the first bytes:
//
//	FF FE         UTF-16, the low byte of each unit first
//	FE FF         UTF-16, the high byte first
//	EF BB BF      UTF-8 with a mark, which is no part of the text
//	other         UTF-8
//
// Upstream's reader takes up its input in pieces of 512 bytes, and what is wrong in a piece is
// an error only once the scanner has come there. A text that is wrong in two places tells of
// the same one here, and what follows the first document may be anything.

// yamlPiece is the size in bytes of the pieces in which upstream's reader checks its input.
const yamlPiece = 512

// yamlEnd ends each text, so that the scanner may look four bytes ahead without a check.
const yamlEnd = "\x00\x00\x00\x00"

// decodeYAML returns the text of data as far as it is good, and yamlEnd behind it. bad says what
// follows it, and is nil if nothing does; the caller returns it if the scanner comes to the end
// of text.
func decodeYAML(data []byte) (text string, bad error) {
	switch {
	case len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe:
		return yamlUTF16(data[2:], binary.LittleEndian)
	case len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff:
		return yamlUTF16(data[2:], binary.BigEndian)
	}
	start := 0
	if strings.HasPrefix(string(data[:min(len(data), 3)]), "\ufeff") {
		start = 3
	}
	end, bad := yamlCheck(data, start)
	// One copy is made of what may be megabytes.
	var b strings.Builder
	b.Grow(end - start + len(yamlEnd))
	b.Write(data[start:end])
	b.WriteString(yamlEnd)
	return yamlLines(b.String()), bad
}

// yamlCheck returns the end of the pieces of data that are good, and what is wrong in the next. It
// returns len(data) and nil if nothing is. Of a wrong piece nothing is read, not even what stands
// before the mistake.
func yamlCheck(data []byte, start int) (end int, bad error) {
	// Most texts are printable ASCII to their end, which no piece cuts.
	i := start
	for i < len(data) && (data[i] >= ' ' && data[i] < 0x7f || data[i] == '\n') {
		i++
	}
	piece := i / yamlPiece * yamlPiece // where the piece that i is in begins
	for i < len(data) {
		size, err := 1, error(nil)
		if c := data[i]; c >= utf8.RuneSelf {
			size, err = yamlRune(data[i:])
		} else if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			err = errYAMLControl
		}
		// A character that is cut belongs to the next piece.
		if i+size > piece+yamlPiece {
			piece = i
		}
		// So does one that the end of the text cuts, and the next piece is wrong then.
		if err == errYAMLCut {
			return i, err
		}
		if err != nil {
			return max(piece, start), err
		}
		i += size
	}
	return len(data), nil
}

// errYAMLControl is the error for every character that is none of YAML's, however it is encoded.
var errYAMLControl = errors.New("yaml: control characters are not allowed")

// errYAMLCut is the error of a text that ends within a character.
var errYAMLCut = errors.New("yaml: incomplete UTF-8 octet sequence")

// yamlRune returns the size that a character of several bytes has by its first one, and what is
// wrong with it, in the words of upstream's reader. The checks come in its order: a character may
// be wrong in two ways.
func yamlRune(b []byte) (size int, err error) {
	c, n := utf8.DecodeRune(b)
	if n > 1 {
		return n, yamlPrintableRune(c)
	}
	switch lead := b[0]; {
	case lead < 0xc0 || lead >= 0xf8:
		return 1, errors.New("yaml: invalid leading UTF-8 octet")
	case lead < 0xe0:
		size = 2
	case lead < 0xf0:
		size = 3
	default:
		size = 4
	}
	if len(b) < size {
		return size, errYAMLCut
	}
	for _, c := range b[1:size] {
		if utf8.RuneStart(c) {
			return size, errors.New("yaml: invalid trailing UTF-8 octet")
		}
	}
	// What is left is a surrogate, a number beyond Unicode, or one with too many bytes.
	if b[0] == 0xed || b[0] > 0xf4 || b[0] == 0xf4 && b[1] >= 0x90 {
		return size, errors.New("yaml: invalid Unicode character")
	}
	return size, errors.New("yaml: invalid length of a UTF-8 sequence")
}

// yamlPrintableRune refuses what YAML 1.1 does not take for a printable character (5.1).
func yamlPrintableRune(c rune) error {
	if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c >= 0x7f && c < 0xa0 && c != 0x85 || c == 0xfffe || c == 0xffff {
		return errYAMLControl
	}
	return nil
}

// yamlUTF16 is decodeYAML for a text in UTF-16 without its mark. What is wrong anywhere in it is
// wrong at once, and text is empty then: nobody writes such files by hand.
func yamlUTF16(data []byte, order binary.ByteOrder) (text string, bad error) {
	b := make([]byte, 0, len(data)+len(yamlEnd))
	// An odd byte at the end is looked at behind the loop.
	for ; len(data) >= 2; data = data[2:] {
		c := rune(order.Uint16(data))
		if utf16.IsSurrogate(c) {
			if c >= 0xdc00 {
				return yamlEnd, errors.New("yaml: unexpected low surrogate area")
			}
			if data = data[2:]; len(data) < 2 {
				return yamlEnd, errors.New("yaml: incomplete UTF-16 surrogate pair")
			}
			if c = utf16.DecodeRune(c, rune(order.Uint16(data))); c == utf8.RuneError {
				return yamlEnd, errors.New("yaml: expected low surrogate area")
			}
		}
		if err := yamlPrintableRune(c); err != nil {
			return yamlEnd, err
		}
		b = utf8.AppendRune(b, c)
	}
	if len(data) > 0 {
		return yamlEnd, errors.New("yaml: incomplete UTF-16 character")
	}
	return yamlLines(string(append(b, yamlEnd...))), nil
}

// yamlLines makes a line feed of each line end but U+2028 and U+2029, which stay what they are
// in scalars. No rule of YAML tells the others apart.
func yamlLines(text string) string {
	// Most texts have none, and are not copied.
	if strings.Contains(text, "\r") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	if strings.Contains(text, "\u0085") {
		text = strings.ReplaceAll(text, "\u0085", "\n")
	}
	return text
}
