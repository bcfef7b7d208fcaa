package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkAgainstStd holds ParseJSON to encoding/json: the same value, or the same words.
func checkAgainstStd(t *testing.T, data []byte) {
	t.Helper()
	got, _, err := ParseJSON(data)
	if want, stdErr := stdJSON(data); stdErr == nil {
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v (%v), want %#v", data, got, err, want)
		}
		return
	}
	var v any
	stdErr := json.Unmarshal(data, &v)
	if err == nil || stdErr == nil {
		t.Errorf("%q: got %v and error %v, encoding/json has error %v", data, got, err, stdErr)
		return
	}
	text := err.Error()
	stdText := stdErr.Error()
	// Two details are told by encoding/json alone: which part of a number is wrong, and, for
	// a text that ends inside of a token, the space that it adds to find the token's end.
	for _, part := range []string{" after decimal point in ", " in exponent of "} {
		stdText = strings.Replace(stdText, part, " in ", 1)
	}
	if err == errJSONEnd && strings.HasPrefix(stdText, "invalid character ' ' in ") {
		stdText = text
	}
	if text != stdText {
		t.Errorf("%q: %q, encoding/json has %q", data, text, stdErr)
	}
}

// TestJSONErrors: each text that differs from a good one in one byte, has one more or
// one less, or ends early, reads as encoding/json reads it, errors included.
func TestJSONErrors(t *testing.T) {
	for _, whole := range []string{
		`{"a":[1,-2.5e+10,true,null],"b\n":{"c":"\u00e9x"}}`,
		" [ { } , [ ] , 0 , -0.0 , false ]\n",
		`{"abcdefgh":"ijklmnopq","r":"é"}`,
		`[0.5,1E5,10,"\ud83d\ude00"]`,
	} {
		bytesToTry := []byte("{}[]\",:\\ \n0a1-+.eEtu\x00\x1f\x7f\xc3\xff/")
		for i := range len(whole) + 1 {
			checkAgainstStd(t, []byte(whole[:i]))
			for _, c := range bytesToTry {
				checkAgainstStd(t, []byte(whole[:i]+string([]byte{c})+whole[i:]))
				if i < len(whole) {
					checkAgainstStd(t, []byte(whole[:i]+string([]byte{c})+whole[i+1:]))
				}
			}
			if i < len(whole) {
				checkAgainstStd(t, []byte(whole[:i]+whole[i+1:]))
			}
		}
	}
}

// TestJSONWhiteSpace: the four characters of RFC 8259 may stand between any two tokens, and
// nothing else may.
func TestJSONWhiteSpace(t *testing.T) {
	tokens := []string{"{", `"a"`, ":", "[", "1", ",", "{", "}", ",", "true", "]", ",", `"b"`, ":", "null", "}"}
	want := mustJSON(t, strings.Join(tokens, ""))
	for i := range len(tokens) + 1 {
		before, behind := strings.Join(tokens[:i], ""), strings.Join(tokens[i:], "")
		for _, space := range []string{" ", "\t", "\r", "\n", " \t\r\n \n\n"} {
			got, _, err := ParseJSON([]byte(before + space + behind))
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q in front of token %d: %v (%v)", space, i, got, err)
			}
		}
		for _, other := range []string{"\v", "\f", "\u00a0", "\ufeff", "\u2028", "/**/", "//\n", "#\n", "\x00"} {
			got, _, err := ParseJSON([]byte(before + other + behind))
			if err == nil {
				t.Errorf("%q in front of token %d is white space: %v", other, i, got)
			}
		}
	}
}

// TestJSONNumberGrammar: all texts of few characters that numbers are made of, against the
// grammar of RFC 8259, section 6.
func TestJSONNumberGrammar(t *testing.T) {
	number := regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	integer := regexp.MustCompile(`^-?[0-9]+$`)
	taken := 0
	var try func(s string, left int)
	try = func(s string, left int) {
		v, _, err := ParseJSON([]byte(s))
		want, rangeErr := strconv.ParseFloat(s, 64)
		if good := number.MatchString(s) && rangeErr == nil; good != (err == nil) {
			t.Errorf("%q: %v (%v), by the grammar %t", s, v, err, good)
		} else if good {
			taken++
			if _, isInt := v.(int64); asFloat(v) != want || isInt != integer.MatchString(s) {
				t.Errorf("%q is %#v, want %v", s, v, want)
			}
		}
		if left > 0 {
			for _, c := range "019.eE+-" {
				try(s+string(c), left-1)
			}
		}
	}
	try("", 5)
	if taken < 300 {
		t.Errorf("only %d numbers", taken)
	}
}

// TestJSONNumberTypes: where the type of a number changes, and what happens there.
func TestJSONNumberTypes(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want any
	}{
		{"9007199254740993", int64(9007199254740993)}, // beyond 2^53: a float64 would be even
		{"9007199254740993.0", 9007199254740992.0},
		{"9223372036854775807", int64(math.MaxInt64)},
		{"9223372036854775808", 9223372036854775808.0},
		{"-9223372036854775808", int64(math.MinInt64)},
		{"-9223372036854775809", -9223372036854775808.0},
		{"18446744073709551615", 18446744073709551616.0},
		{"1e0", 1.0},
		{"1E+0", 1.0},
		{"10e-1", 1.0},
		{"0e999", 0.0}, // nothing, ten times as much, is in range
		{"-0.0", math.Copysign(0, -1)},
		{"1.7976931348623157e308", math.MaxFloat64},
		{"4.9e-324", math.SmallestNonzeroFloat64},
		{"1e-400", 0.0},
		{"0.1", 0.1},
		{"0.30000000000000004", 0.30000000000000004},
		{"123456789012345678901234567890", 1.2345678901234568e29},
	} {
		got, _, err := ParseJSON([]byte(tc.in))
		if err != nil || !reflect.DeepEqual(got, tc.want) || math.Signbit(asFloat(got)) != math.Signbit(asFloat(tc.want)) {
			t.Errorf("%s: %#v (%v), want %#v", tc.in, got, err, tc.want)
		}
	}
	for _, in := range []string{"1e309", "-1e309", "1.8e308", "9" + strings.Repeat("0", 309)} {
		if v, _, err := ParseJSON([]byte("[" + in + "]")); err == nil || !strings.HasPrefix(err.Error(), "json: cannot unmarshal number ") {
			t.Errorf("%s: %v (%v)", in, v, err)
		}
	}
}

func asFloat(v any) float64 {
	f, _ := Float(v)
	return f
}

// TestJSONStringBytes: each byte at each place in strings of up to 20 bytes, so that it is
// met by the steps of eight bytes, by their rest and behind an escape sequence.
func TestJSONStringBytes(t *testing.T) {
	for _, frame := range []string{"%s", `\n%s`, "é%s"} {
		for length := range 20 {
			for place := range length {
				for c := range 256 {
					inner := bytes.Repeat([]byte("x"), length)
					inner[place] = byte(c)
					text := []byte(`"` + fmt.Sprintf(frame, inner) + `"`)
					got, _, err := ParseJSON(text)
					var want string
					if stdErr := json.Unmarshal(text, &want); (stdErr == nil) != (err == nil) || err == nil && got != want {
						t.Fatalf("%q: %q (%v), encoding/json has %q (%v)", text, got, err, want, stdErr)
					}
				}
			}
		}
	}
}

// TestJSONEscapes: what may stand behind a backslash (RFC 8259, section 7).
func TestJSONEscapes(t *testing.T) {
	good := map[byte]string{'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}
	for c := range 256 {
		text := []byte{'"', 'a', '\\', byte(c), 'z', '"'}
		want, ok := good[byte(c)]
		got, _, err := ParseJSON(text)
		if ok != (err == nil) || ok && got != "a"+want+"z" {
			t.Errorf("%q: %q (%v)", text, got, err)
		}
	}
	for c := range 0x10000 {
		for _, form := range []string{"%04x", "%04X"} {
			text := `"` + `\u` + fmt.Sprintf(form, c) + `"`
			want := string(rune(c)) // half a surrogate pair is no rune: U+FFFD
			if got, _, err := ParseJSON([]byte(text)); err != nil || got != want {
				t.Fatalf("%s: %q (%v), want %q", text, got, err, want)
			}
		}
	}
	// Pairs: the first and last of each half, and one from a common block.
	for _, c := range []rune{0x10000, 0x103ff, 0x10400, 0x1f600, 0x10fc00, 0x10ffff} {
		b, _ := json.Marshal(string(c))
		high, low := (c-0x10000)>>10+0xd800, (c-0x10000)&0x3ff+0xdc00
		escaped := fmt.Sprintf(`"\u%04x\u%04x"`, high, low)
		swapped := fmt.Sprintf(`"\u%04x\u%04x"`, low, high)
		if got := mustJSON(t, escaped); got != string(c) || got != mustJSON(t, string(b)) {
			t.Errorf("%s: %q, want %q", escaped, got, string(c))
		}
		if got := mustJSON(t, swapped); got != "\ufffd\ufffd" {
			t.Errorf("%s: %q", swapped, got)
		}
	}
}

// TestJSONUTF8: each byte that is no part of a character is replaced, as encoding/json does.
func TestJSONUTF8(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""}, {"a", "a"}, {"é漢🎉", "é漢🎉"}, {"\ufffd", "\ufffd"},
		{"\x80", "\ufffd"}, {"a\xc3", "a\ufffd"}, {"\xc3a", "\ufffda"}, {"\xe2\x82", "\ufffd\ufffd"}, {"\xe2\x82\xac", "€"},
		{"\xc0\xaf", "\ufffd\ufffd"},                 // a slash in two bytes
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},       // half a surrogate pair
		{"\xf4\x90\x80\x80", strings.Repeat("�", 4)}, // beyond Unicode
		{"\xff\xfe", "\ufffd\ufffd"},
	} {
		if got := JSONUTF8(tc.in); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
		var std string
		if err := json.Unmarshal([]byte(`"`+tc.in+`"`), &std); err != nil || std != tc.want {
			t.Errorf("%q: encoding/json has %q (%v)", tc.in, std, err)
		}
		if got := mustJSON(t, `"`+tc.in+`"`); got != tc.want {
			t.Errorf("%q is read as %q", tc.in, got)
		}
		if !utf8.ValidString(JSONUTF8(tc.in)) {
			t.Errorf("%q stays invalid", tc.in)
		}
	}
}

// TestJSONRepeatedPaths: paths of repeated keys in odd places.
func TestJSONRepeatedPaths(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{`{"":1,"":2}`, []string{""}},
		{`{"a":{"":1,"":2}}`, []string{"a."}},
		{`{"a.b":1,"a.b":2}`, []string{"a.b"}}, // not told from a.b in an object a
		{`{"a":[[],[{"b":0,"b":0}]]}`, []string{"a[1][0].b"}},
		{`[[{"a":0},{"a":0,"a":0}]]`, []string{"[0][1].a"}},
		{`{"a":{"b":1},"a":{"b":1}}`, []string{"a"}},                 // another object, another b
		{`{"a":{"b":1,"b":2},"a":0}`, []string{"a.b", "a"}},          // though its value is gone
		{`{"a":0,"a":{"b":1,"b":2}}`, []string{"a", "a.b"}},          // the key comes before what is in it
		{`{"x":{"y":{}},"z":0,"z":[],"w":0}`, []string{"z"}},         // the path is taken back
		{`{"a":"\u0062","\u0061":1}`, []string{"a"}},                 // by the key's text
		{`{"A":1,"a":2}`, nil},                                       // case counts, unlike for encoding/json's structs
		{"{\"\xff\":1,\"\ufffd\":2,\"\xfe\":3}", []string{"�", "�"}}, // repaired keys may meet
	} {
		_, got, err := ParseJSON([]byte(tc.in))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %q (%v), want %q", tc.in, got, err, tc.want)
		}
	}
	// An error in the text is all that is told.
	if v, repeated, err := ParseJSON([]byte(`{"a":1,"a":2`)); v != nil || repeated != nil || err != errJSONEnd {
		t.Errorf("%v, %q, %v", v, repeated, err)
	}
	if o, repeated, err := ParseJSONObject([]byte(`[{"a":1,"a":2}]`)); o != nil || repeated != nil || err == nil {
		t.Errorf("%v, %q, %v", o, repeated, err)
	}
}

func TestTypeName(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
	}{
		{nil, "null"}, {false, "bool"}, {"", "string"}, {map[string]any{}, "object"}, {map[string]any(nil), "object"}, {[]any{}, "array"},
		{int64(0), "number"}, {0.5, "number"}, {0, "number"},
	} {
		if got := TypeName(tc.v); got != tc.want {
			t.Errorf("%#v is a %s, want %s", tc.v, got, tc.want)
		}
	}
}
