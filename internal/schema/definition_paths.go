package schema

import (
	"strings"
	"unicode/utf8"
)

// Paths that lead to a place in a schema, and not to a value: those of selectable fields (.spec.mode)
// and the fieldPath of a CEL rule (.spec['my-map'].x). They are simpler than the JSONPath of columns:
// names behind dots, and where brackets are allowed names in single quotes inside of them. What is
// found is the schema of the place. Upstream cuts a path at every dot and bracket outside of quotes,
// and its messages show these pieces.

// schemaAtPath finds the schema of the place that a path, which is not empty, leads to in s. It
// returns the names on the way, a key of a map in brackets; found is nil for a place that a map holds
// and says nothing of. problem says why there is no such place, in upstream's words, and is "" if
// there is. brackets says that they are allowed.
func schemaAtPath(path string, s map[string]any, brackets bool) (steps []string, found map[string]any, problem string) {
	const ended, nowhere = "unexpected end of JSON path", "does not refer to a valid field"
	for path != "" {
		var piece, name string
		piece, path = nextPiece(path)
		switch {
		case piece == ".":
			if path == "" {
				return nil, nil, ended
			}
			name, path = nextPiece(path)
		case piece != "[":
			return nil, nil, "expected [ or . but got: " + piece
		case !brackets:
			return nil, nil, "array notation is not allowed"
		default:
			if name, path, problem = quotedPiece(path); problem != "" {
				return nil, nil, problem
			}
		}
		// Named fields win; a schema that names none may have one for all.
		props, _ := s["properties"].(map[string]any)
		switch extra := s["additionalProperties"]; {
		case len(props) > 0:
			s, _ = props[name].(map[string]any)
			if s == nil {
				return nil, nil, nowhere
			}
			steps = append(steps, name)
		case extra != nil:
			s, _ = extra.(map[string]any)
			steps = append(steps, "["+name+"]")
		default:
			return nil, nil, nowhere
		}
	}
	return steps, s, ""
}

// nextPiece cuts a path that is not empty behind its first piece: a dot, a bracket, a text in single
// quotes with them, or all up to the next dot or bracket. A quote without an end takes the rest.
func nextPiece(path string) (piece, rest string) {
	if path[0] == '\'' {
		for i := 1; i < len(path); i++ {
			if path[i] == '\'' && path[i-1] != '\\' {
				return path[:i+1], path[i+1:]
			}
		}
		return path, ""
	}
	end := strings.IndexAny(path, ".[]")
	switch {
	case end < 0:
		return path, ""
	case end == 0:
		end = 1
	}
	return path[:end], path[end:]
}

// quotedPiece reads a name in single quotes and the bracket behind it.
func quotedPiece(path string) (name, rest, problem string) {
	if path == "" {
		return "", "", "unexpected end of JSON path"
	}
	piece, rest := nextPiece(path)
	if len(piece) < 2 || piece[0] != '\'' || piece[len(piece)-1] != '\'' {
		return "", "", "expected single quoted string but got " + piece
	}
	if name, problem = unescapeQuoted(piece[1 : len(piece)-1]); problem != "" {
		return "", "", problem
	}
	if rest == "" {
		return "", "", "unexpected end of JSON path"
	}
	if piece, rest = nextPiece(rest); piece != "]" {
		return "", "", "expected ] but got " + piece
	}
	return name, rest, ""
}

// unescapeQuoted returns what is between quotes without its escapes, which are the short ones of CEL. A backslash at the end, or in
// front of a line break, stands for itself (upstream).
func unescapeQuoted(text string) (name, problem string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) || text[i+1] == '\n' {
			b.WriteByte(text[i])
			continue
		}
		i++
		at := strings.IndexByte(`abfnrtv'\`, text[i])
		if at < 0 {
			_, size := utf8.DecodeRuneInString(text[i:])
			return "", "invalid string literal: invalid escape char \\" + text[i:i+size]
		}
		b.WriteByte("\a\b\f\n\r\t\v'\\"[at])
	}
	return b.String(), ""
}
