package fieldset

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Keys and values of elements are JSON in one line, in the form in which tree writes it. What this file does, it does on
// that text: to take it apart would cost a tree for each comparison. The text is one that we have written or checked, so
// nothing here can fail; what is no JSON gives some order, and no panic.

// The order of values by the first byte of their JSON: numbers, texts, booleans, lists, maps, null.
const valueOrder = `-0123456789"ft[{n`

// rank returns where values of that text's sort stand.
func rank(text string) int {
	if text == "" {
		return -1
	}
	return max(strings.IndexByte(valueOrder, text[0]), 10)
}

// compareValues orders two values. Lists and maps, which no schema allows here, are ordered by their text.
func compareValues(a, b string) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 || a == b {
		return c
	}
	switch rank(a) {
	case 10:
		// Integers are compared as such: two near 2^60 are the same float64.
		n, err := strconv.ParseInt(a, 10, 64)
		m, err2 := strconv.ParseInt(b, 10, 64)
		if err == nil && err2 == nil {
			return cmp.Compare(n, m)
		}
		f, _ := strconv.ParseFloat(a, 64)
		g, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(f, g)
	// The bytes of the JSON would be in another order, for what is escaped.
	case 11:
		return strings.Compare(unquote(a), unquote(b))
	}
	return strings.Compare(a, b)
}

// compareKeys orders two keys by their first fields that differ, names before values; what has fewer fields is less.
func compareKeys(a, b string) int {
	for {
		var nameA, valueA, nameB, valueB string
		nameA, valueA, a = nextField(a)
		nameB, valueB, b = nextField(b)
		// One of them has ended: the shorter key is less.
		if nameA == "" || nameB == "" {
			return cmp.Compare(len(nameA), len(nameB))
		}
		if nameA != nameB {
			return strings.Compare(unquote(nameA), unquote(nameB))
		}
		if valueA != valueB {
			return compareValues(valueA, valueB)
		}
	}
}

// eachField calls f for each field of a key, with the JSON of its name and value.
func eachField(key string, f func(name, value string)) {
	for {
		var name, value string
		if name, value, key = nextField(key); name == "" {
			return
		}
		f(name, value)
	}
}

// nextField returns the JSON of the first name and value of a key, which begins with its brace or the comma before the
// field, and what is behind them. The name is empty if there is none.
func nextField(key string) (name, value, rest string) {
	if len(key) < 2 || key[1] != '"' {
		return "", "", ""
	}
	key = key[1:]
	n := valueEnd(key)
	if n >= len(key) || key[n] != ':' {
		return "", "", ""
	}
	name, key = key[:n], key[n+1:]
	n = valueEnd(key)
	return name, key[:n], key[n:]
}

// valueEnd returns how long the JSON value is that s begins with. It finds the end and does not check what is before:
// a value that does not end is all of s.
func valueEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			// What is in a text is passed over, brackets included.
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return len(s)
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// unquote returns the text of which s is the JSON. What stands for itself is a part of s.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return strings.Trim(s, `"`)
	}
	v, _, _ := tree.ParseJSON([]byte(s))
	text, _ := v.(string)
	return text
}

// showValue returns a value as messages have it: texts in Go's quotes, and numbers as Go prints a float64, which is what
// upstream has when it reads FieldsV1: a million is 1e+06.
func showValue(json string) string {
	switch rank(json) {
	case 10:
		f, _ := strconv.ParseFloat(json, 64)
		return strconv.FormatFloat(f, 'g', -1, 64)
	case 11:
		return strconv.Quote(unquote(json))
	}
	return json
}

// appendValue appends v as FieldsV1 has it. That is JSON but for the numbers: upstream writes two digits at least for an
// exponent.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return tree.AppendJSONString(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		format, abs := byte('f'), math.Abs(v)
		switch {
		case abs == 0:
			return append(b, '0')
		case abs < 1e-6 || abs >= 1e21:
			format = 'e'
		}
		return strconv.AppendFloat(b, v, format, -1, 64)
	}
	// What is rare gets memory of its own, so that b can be on the stack.
	return append(b, tree.AppendJSON(nil, v)...)
}

// appendField appends a field to those of a key, which have no brace behind them yet.
func appendField(key []byte, name string, v any) []byte {
	if len(key) == 0 {
		key = append(key, '{')
	} else {
		key = append(key, ',')
	}
	return appendValue(append(tree.AppendJSONString(key, name), ':'), v)
}

// isPlain reports whether json is a scalar that we would write as it is, and nobody has to look at twice: a text without
// anything to escape, an integer that each float64 near it tells from others, true, false, null.
func isPlain(json string) bool {
	switch n := len(json); {
	case n >= 2 && json[0] == '"' && json[n-1] == '"':
		for i := 1; i < n-1; i++ {
			if c := json[i]; !plain(c) || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	case 0 < n && n < 16 && '0' <= json[0] && json[0] <= '9':
		for i := 1; i < n; i++ {
			if json[i] < '0' || json[i] > '9' {
				return false
			}
		}
		return json[0] != '0' || n == 1
	}
	return json == "true" || json == "false" || json == "null"
}

// isPlainKey reports whether json is a key that we would write as it is.
func isPlainKey(json string) bool {
	// A key is plain if each part of it is, its names are sorted and none comes twice.
	for before, rest := "", json; ; {
		var name, value string
		name, value, rest = nextField(rest)
		if name == "" || !isPlain(name) || !isPlain(value) || before != "" && unquote(name) <= unquote(before) {
			return false
		}
		if before = name; rest == "}" {
			return json[0] == '{'
		}
		if rest == "" || rest[0] != ',' {
			return false
		}
	}
}

// canonical returns JSON that somebody has sent in the form that we write. That of a key is an object, or null for an
// empty one.
func canonical(json string, key bool) (string, error) {
	if !key && isPlain(json) || key && isPlainKey(json) {
		return json, nil
	}
	v, _, err := tree.ParseJSON([]byte(json))
	if err != nil {
		return "", err
	}
	if !key {
		return string(appendValue(nil, v)), nil
	}
	// A null decodes to a map without fields in Go, and so passes upstream.
	fields, ok := v.(map[string]any)
	if !ok && v != nil {
		return "", errors.New("fields: a key must be an object")
	}
	return keyText(fields), nil
}

// keyText returns the text of the key that has these fields.
func keyText(fields map[string]any) string {
	var b []byte
	for _, name := range tree.SortedKeys(fields) {
		b = appendField(b, name, fields[name])
	}
	if len(b) == 0 {
		return "{}"
	}
	return string(append(b, '}'))
}
