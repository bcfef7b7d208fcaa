package tree

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// This file says what type a plain scalar has: for the reader that of upstream's reader, which is
// YAML 1.1's but for numbers to the base 60, and for the writer whether any reader has another.
//
//	yes, no, on, off, y, n       booleans, in lower case, upper case and Title Case
//	0777, 0o777, 0x1ff, 0b11     integers, with _ anywhere behind the first digit
//	1e3, .5, 1.                  floats; 1e400 is a string, as are numbers in other bases that
//	                             64 bits cannot hold
//	.inf, .nan                   floats that JSON has not
//	2001-01-01, 12:30            strings
//
// A tag asks for a type (!!int "12"), and gets it or refuses the scalar: nothing is converted but
// integers to floats. The writer must know more types than the reader, as others read its text
// who take 12:30 for 750 and 2001-01-01 for a time.

// yamlTagPrefixText begins the tags of YAML's own types.
const yamlTagPrefixText = "tag:yaml.org,2002:"

// yamlResolve returns the value of a plain scalar: nil, or a bool, string, int64, uint64 if it is
// too large for that, or float64.
func yamlResolve(s string) any {
	if s == "" {
		return nil
	}
	if yamlSurelyText(s) {
		return s
	}
	if len(s) <= 5 {
		switch s {
		case "~", "null", "Null", "NULL":
			return nil
		case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
			return true
		case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
			return false
		case ".nan", ".NaN", ".NAN":
			return math.NaN()
		case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
			return math.Inf(1)
		case "-.inf", "-.Inf", "-.INF":
			return math.Inf(-1)
		}
	}
	switch c := s[0]; {
	case c == '.':
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case c == '+' || c == '-' || isDigit(c):
		return yamlNumber(s)
	}
	return s
}

// yamlSurelyText reports whether the first byte and the size of a plain scalar are enough to know
// that it is a string: all numbers begin with a digit, a dot or a sign, and no word that means a
// value is longer than false. Of the others most are strings as well.
func yamlSurelyText(s string) bool {
	if s == "" {
		return false
	}
	switch c := s[0]; c {
	case '.', '+', '-':
		return false
	case '~', 'n', 'N', 'y', 'Y', 't', 'T', 'o', 'O', 'f', 'F':
		return len(s) > 5
	default:
		return !isDigit(c)
	}
}

// yamlNumber returns the value of a scalar that begins as a number does: int64, uint64 or float64,
// or the text itself if it goes on otherwise, or if its number fits in none of them.
func yamlNumber(s string) any {
	// No number ends in another letter than a digit's. That spares the effort for 100Mi and 5m.
	if last := s[len(s)-1]; yamlHex(last) < 0 && last != '.' && last != '_' {
		return s
	}
	digits := strings.ReplaceAll(s, "_", "")
	// Base 0 has the prefixes, and a zero in front for octal; 08 is none of that, and a float below.
	if n, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(digits, 0, 64); err == nil {
		return n
	}
	if yamlFloat(strings.TrimLeft(digits[:min(len(digits), 1)], "+-") + digits[min(len(digits), 1):]) {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return f
		}
	}
	// Upstream cuts the prefix first, and so takes a sign behind it.
	if binary, ok := strings.CutPrefix(digits, "0b"); ok {
		if n, err := strconv.ParseInt(binary, 2, 64); err == nil {
			return n // 0b-11 (upstream)
		}
	}
	return s
}

// yamlTagged returns the value of a scalar with a tag. It is resolved as if it were plain, quotes
// or not, and must be of the type that the tag asks for; an integer is good for a float. Tags that
// are not of a type of scalars leave it a string.
func yamlTagged(tag, s string) (any, error) {
	want, ok := strings.CutPrefix(tag, yamlTagPrefixText)
	if !ok {
		return s, nil
	}
	switch want {
	case "bool", "int", "float", "null":
	case "timestamp":
		if yamlTime(s) {
			return s, nil
		}
	default:
		return s, nil
	}
	v := yamlResolve(s)
	have := "str"
	switch n := v.(type) {
	case nil:
		have = "null"
	case bool:
		have = "bool"
	case int64:
		if want == "float" {
			return float64(n), nil
		}
		have = "int"
	case uint64:
		have = "int"
	case float64:
		have = "float"
	}
	if have != want {
		return nil, yamlError(0, "cannot decode !!"+have+" `"+s+"` as a !!"+want)
	}
	return v, nil
}

// yamlTime reports whether s is what upstream takes for a time where a tag asks for one.
func yamlTime(s string) bool {
	layouts := [...]string{
		"2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2",
	}
	for _, layout := range layouts {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// yamlOtherType reports whether s without quotes is no string to some reader of YAML 1.1 or
// 1.2: nothing, null, a boolean, a number, a time, a merge key. It errs on the safe side:
// quotes around a string that would have been one without them harm nobody. What it lets
// pass is what people write all day: names, versions (1.2.3), quantities (100Mi), times
// without a date's form (5m), addresses.
func yamlOtherType(s string) bool {
	if s == "" {
		return true
	}
	// No word is longer than false, and most texts are.
	if len(s) <= 5 {
		switch strings.ToLower(s) {
		case "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=":
			return true
		}
	}
	// All other types begin with a digit or a dot, behind a sign if any.
	unsigned := s
	if s[0] == '+' || s[0] == '-' {
		unsigned = strings.TrimLeft(s[1:], "_") // -_1 is a number to some
	}
	if unsigned == "" || unsigned[0] != '.' && !isDigit(unsigned[0]) {
		return false
	}
	switch strings.ToLower(unsigned) {
	case ".inf", ".nan":
		return true
	}
	// YAML 1.1 has underscores between digits wherever they please the writer.
	digits := strings.ReplaceAll(unsigned, "_", "")
	if len(digits) > 2 && digits[0] == '0' {
		switch tail := digits[2:]; digits[1] {
		case 'x', 'X':
			return consistsOf(tail, "0123456789abcdefABCDEF")
		case 'o', 'O':
			return consistsOf(tail, "01234567")
		case 'b', 'B':
			return consistsOf(strings.TrimLeft(tail, "+-"), "01") // with a sign for upstream's reader
		}
	}
	return yamlFloat(digits) || yamlSexagesimal(digits) || yamlTimestamp(unsigned)
}

// yamlSexagesimal reports whether s is a number to the base 60, as YAML 1.1 has them: 1:30,
// 12:00:59.5. It need not be a time of day, 190:20:30 is one too; but every part behind the
// first is below 60.
func yamlSexagesimal(s string) bool {
	whole, fraction, found := strings.Cut(s, ".")
	if found && fraction != "" && !consistsOf(fraction, "0123456789") || !strings.Contains(whole, ":") {
		return false
	}
	first := true
	for part := range strings.SplitSeq(whole, ":") {
		if !consistsOf(part, "0123456789") || !first && (len(part) > 2 || len(part) == 2 && part[0] > '5') {
			return false
		}
		first = false
	}
	return true
}

// yamlTimestamp reports whether s is a date, or begins with one and a time. What follows the
// hour's first digit is not looked at: readers differ there, and no name looks like that.
func yamlTimestamp(s string) bool {
	year, rest, _ := strings.Cut(s, "-")
	month, rest, found := strings.Cut(rest, "-")
	if !found || len(year) != 4 || len(month) > 2 || !consistsOf(year+month, "0123456789") || month == "" {
		return false
	}
	// A year has four digits, as 1.1 wants it: 24-05-01 is text to every reader.
	day := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if day == 0 || day > 2 {
		return false
	}
	if day == len(rest) {
		return true
	}
	// Between date and time stands a T or white space.
	clock := strings.TrimLeft(rest[day:], " \tTt")
	return len(clock) < len(rest)-day && clock != "" && isDigit(clock[0])
}

// yamlFloat reports whether s, without its sign, is digits with at most one dot among or
// beside them, and an exponent if any: 1.5, .5, 1., 2e3.
func yamlFloat(s string) bool {
	mantissa, exponent, found := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent, found = s[:i], s[i+1:], true
	}
	if found {
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if !consistsOf(exponent, "0123456789") {
			return false
		}
	}
	// A second dot stays in the fraction and is no digit.
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return consistsOf(whole+fraction, "0123456789")
}

// consistsOf reports whether s is made of chars and is not empty.
//
//go:noinline
func consistsOf(s, chars string) bool { return s != "" && strings.Trim(s, chars) == "" }
