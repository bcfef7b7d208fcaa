package tree

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// The second column of a row of scalars says what a plain scalar is when it is not a value.
const (
	itself  = "\x00itself"                               // a string
	noJSON  = "has no JSON form: quote it if it is text" // an error behind the scalar
	tooFar  = "is out of range: quote it if it is text"  // likewise
	merging = "is a merge key, which is not supported"   // likewise
)

// yamlScalars are plain scalars and their values: by YAML 1.2's core schema (10.3.2), but for
// a leading zero, which is octal, and for what JSON cannot hold.
var yamlScalars = []struct {
	in   string
	want any
}{
	// null
	{"~", nil}, {"null", nil}, {"Null", nil}, {"NULL", nil},
	{"nULL", itself}, {"nil", itself}, {"none", itself}, {"~~", itself}, {"null.", itself},
	// bool
	{"true", true}, {"True", true}, {"TRUE", true}, {"false", false}, {"False", false}, {"FALSE", false},
	{"tRUE", itself}, {"truE", itself}, {"t", itself}, {"truely", itself}, {"FALSE.", itself},
	{"yes", itself}, {"Yes", itself}, {"no", itself}, {"NO", itself}, {"on", itself}, {"off", itself}, {"y", itself}, {"N", itself},
	// decimal integers
	{"0", int64(0)}, {"-0", int64(0)}, {"+0", int64(0)}, {"7", int64(7)}, {"+7", int64(7)}, {"-7", int64(-7)}, {"8080", int64(8080)},
	{"9223372036854775807", int64(math.MaxInt64)}, {"-9223372036854775808", int64(math.MinInt64)},
	{"9223372036854775808", 9223372036854775808.0}, {"-9223372036854775809", -9223372036854775808.0},
	{"100000000000000000000000000000000000000000", 1e41},
	{"--1", itself}, {"+-1", itself}, {"-+1", itself}, {"++1", itself}, {"1-", itself}, {"1 2", itself}, {"1_000", itself}, {"1,5", itself},
	// octal: 1.2's, and a leading zero as in 1.1
	{"0o17", int64(15)}, {"0o0", int64(0)}, {"0o777", int64(511)},
	{"00", int64(0)}, {"07", int64(7)}, {"010", int64(8)}, {"0644", int64(420)}, {"-010", int64(-8)}, {"+010", int64(8)},
	{"08", int64(8)}, {"0189", int64(189)}, {"-09", int64(-9)}, // no octal digits: decimal
	{"0o", itself}, {"0o8", itself}, {"0O17", itself}, {"-0o17", itself}, {"+0o17", itself},
	{"0o7777777777777777777777", tooFar}, {"01777777777777777777777", tooFar},
	// hexadecimal
	{"0x0", int64(0)}, {"0x1F", int64(31)}, {"0xdeadBEEF", int64(3735928559)}, {"0x7fffffffffffffff", int64(math.MaxInt64)},
	{"0x", itself}, {"0xg", itself}, {"0X1F", itself}, {"-0x1", itself}, {"0x1.8", itself}, {"0x1p3", itself}, {"x1", itself},
	{"0x8000000000000000", tooFar},
	// 1.1's other integers
	{"0b11", itself}, {"1:30", itself}, {"190:20:30", itself}, {"0b", itself},
	// floats
	{"1.5", 1.5}, {"-1.5", -1.5}, {"+1.5", 1.5}, {"1.", 1.0}, {".5", 0.5}, {"-.5", -0.5}, {"+.5", 0.5}, {"0.0", 0.0}, {"00.5", 0.5}, {"1.50", 1.5},
	{"1e3", 1000.0}, {"1E3", 1000.0}, {"1e+3", 1000.0}, {"1e-3", 0.001}, {"1.e2", 100.0}, {".5e1", 5.0}, {"-1.5E-2", -0.015}, {"0e0", 0.0}, {"012e1", 120.0},
	{"1e308", 1e308}, {"1e-400", 0.0}, {"1e309", tooFar}, {"-1e309", tooFar},
	{".", itself}, {"-.", itself}, {"..", itself}, {"1..", itself}, {"1.2.3", itself}, {".e1", itself}, {"e1", itself}, {"1e", itself}, {"1e+", itself},
	{"1e1.5", itself}, {"1e3e3", itself}, {"1.5f", itself}, {"1.5 ", 1.5}, {"-.e3", itself}, {"1__0.5", itself},
	{".inf", noJSON}, {".Inf", noJSON}, {".INF", noJSON}, {"+.inf", noJSON}, {"-.inf", noJSON}, {".nan", noJSON}, {".NaN", noJSON}, {".NAN", noJSON},
	{".iNf", noJSON}, {"inf", itself}, {"nan", itself}, {"NaN", itself}, {".infinity", itself}, {"..inf", itself},
	// what is nearly something
	{"<<", merging}, {"<", itself}, {"<<<", itself}, {"=", itself}, {"2026-11-29", itself}, {"2026-11-29T12:00:00Z", itself}, {"12:00:59", itself},
	{"10.0.0.1", itself}, {"v1", itself}, {"v1.30.0", itself}, {"1.30", 1.3}, {"100m", itself}, {"1Gi", itself}, {"1e3Mi", itself}, {"5m30s", itself}, {"0.5s", itself},
	{"50%", itself}, {"+", itself}, {"a", itself}, {"é", itself}, {"-a", itself}, {"?a", itself}, {":a", itself}, {"1é", itself}, {"٣", itself},
}

// TestYAMLScalars: each plain scalar is the same at every place where one may stand, and
// text in quotes of both kinds.
func TestYAMLScalars(t *testing.T) {
	for _, tc := range yamlScalars {
		want, why := tc.want, ""
		switch tc.want {
		case itself:
			want = tc.in
		case noJSON, tooFar, merging:
			want, why = nil, tc.want.(string)
		}
		for name, place := range map[string]struct {
			text string
			line int
			want any
		}{
			"root":          {tc.in, 1, want},
			"marker":        {"# c\n--- " + tc.in + " # c\n", 2, want},
			"value":         {"a: " + tc.in + "\nb: 0\n", 1, map[string]any{"a": want, "b": int64(0)}},
			"value below":   {"a:\n  " + tc.in + "\n", 2, map[string]any{"a": want}},
			"element":       {"- x\n- " + tc.in + "\n", 2, []any{"x", want}},
			"compact":       {"- - " + tc.in, 1, []any{[]any{want}}},
			"flow":          {"[x, \n " + flowForm(tc.in) + " ]", 2, []any{"x", want}},
			"flow value":    {"{x: " + flowForm(tc.in) + "}", 1, map[string]any{"x": want}},
			"single quotes": {"'" + tc.in + "'", 1, tc.in},
			"double quotes": {"[\"" + tc.in + "\"]", 1, []any{tc.in}},
		} {
			docs, err := ParseYAML([]byte(place.text))
			if why != "" && !strings.Contains(name, "quotes") {
				want := "yaml: line " + strconv.Itoa(place.line) + ": " + strconv.Quote(tc.in) + " " + why
				if err == nil || err.Error() != want {
					t.Errorf("%s as %s: %v (%v), want error %s", tc.in, name, docs, err, want)
				}
				continue
			}
			if err != nil || len(docs) != 1 || !reflect.DeepEqual(docs[0], place.want) {
				t.Errorf("%s as %s: %#v (%v), want %#v", tc.in, name, docs, err, place.want)
			}
		}
	}
}

// flowForm quotes what would be two entries in brackets.
func flowForm(s string) string {
	if strings.Contains(s, ",") {
		return `"` + s + `"`
	}
	return s
}

// TestYAMLScalarsAgainstJSON: a number that is JSON is the same number in YAML, and a word of
// JSON the same word.
func TestYAMLScalarsAgainstJSON(t *testing.T) {
	both := 0
	for _, tc := range yamlScalars {
		v, _, err := ParseJSON([]byte(tc.in))
		if err != nil {
			continue
		}
		both++
		if docs, err := ParseYAML([]byte(tc.in)); err != nil || !reflect.DeepEqual(docs, []any{v}) {
			t.Errorf("%s: JSON %#v, YAML %#v (%v)", tc.in, v, docs, err)
		}
	}
	if both < 20 {
		t.Errorf("only %d scalars are JSON", both)
	}
}

// TestYAMLScalarKeys: a key is the text of its value, so different texts can meet.
func TestYAMLScalarKeys(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"a", "a"}, {"'1'", "1"}, {"1", "1"}, {"+1", "1"}, {"0x10", "16"}, {"010", "8"}, {"1.0", "1"}, {"1.50", "1.5"}, {"1e3", "1000"}, {"1e21", "1e+21"}, {"True", "true"},
		{"FALSE", "false"}, {"yes", "yes"}, {`"null"`, "null"}, {"''", ""}, {"a b", "a b"}, {"2026-11-29", "2026-11-29"}, {"-x", "-x"}, {"http://x", "http://x"},
	} {
		for _, text := range []string{tc.in + ": v\n", "{" + tc.in + ": v}", "x: y\n" + tc.in + ": v\n", "[" + tc.in + ": v]"} {
			docs, err := ParseYAML([]byte(text))
			if err != nil || len(docs) != 1 {
				t.Errorf("%q: %v (%v)", text, docs, err)
				continue
			}
			doc := docs[0]
			if list, ok := doc.([]any); ok {
				doc = list[0]
			}
			if Text(doc, tc.want) != "v" {
				t.Errorf("%q: %v, want the key %q", text, doc, tc.want)
			}
		}
		_, err := ParseYAML([]byte(tc.in + ": v\n" + strconv.Quote(tc.want) + ": w\n"))
		if err == nil || !strings.HasSuffix(err.Error(), " is there twice") {
			t.Errorf("%s and %q: %v", tc.in, tc.want, err)
		}
	}
}

// TestYAMLEscapes: what may stand behind a backslash in double quotes (YAML 1.2, 5.7).
func TestYAMLEscapes(t *testing.T) {
	good := map[byte]string{
		'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b", ' ': " ",
		'"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
		'\n': "", '\r': "", // a line end that is not there
	}
	for c := byte(1); c < 0x7f; c++ {
		if c < ' ' && good[c] == "" && c != '\n' && c != '\r' {
			continue // no text may have it
		}
		docs, err := ParseYAML([]byte{'"', '<', '\\', c, '>', '"'})
		if want, ok := good[c]; ok != (err == nil) || ok && !reflect.DeepEqual(docs, []any{"<" + want + ">"}) {
			t.Errorf("%q: %q (%v)", c, docs, err)
		}
		// In single quotes a backslash is one.
		if c >= ' ' && c != '\'' {
			if docs, err := ParseYAML([]byte{'\'', '\\', c, '\''}); err != nil || !reflect.DeepEqual(docs, []any{`\` + string(rune(c))}) {
				t.Errorf("%q in single quotes: %q (%v)", c, docs, err)
			}
		}
	}
	for _, tc := range []struct{ in, want string }{
		{`\x41`, "A"}, {`\xe9`, "é"}, {`\xFf`, "ÿ"}, {`\u00e9`, "é"}, {`\u20AC`, "€"}, {`\U0001f389`, "🎉"}, {`\U0010ffff`, "\U0010ffff"}, {`\x410`, "A0"},
		{`\ud83c\udf89`, "🎉"}, {`\ud83c`, "\ufffd"}, {`\udf89`, "\ufffd"}, {`\ud83c\u0041`, "\ufffdA"}, {`\ud83c\n`, "\ufffd\n"}, {`\ud83c\ud83c\udf89`, "\ufffd🎉"},
		{`\U0000d83c\U0000df89`, "\ufffd\ufffd"}, // pairs are JSON's, and eight digits are not
	} {
		if docs, err := ParseYAML([]byte(`"` + tc.in + `"`)); err != nil || !reflect.DeepEqual(docs, []any{tc.want}) {
			t.Errorf("%s: %q (%v), want %q", tc.in, docs, err, tc.want)
		}
	}
	for _, in := range []string{`\x`, `\x4`, `\xg1`, `\u123`, `\u12 4`, `\U0001f38`, `\U00110000`, `\Uffffffff`, `\u+123`, `\x-1`, `\c`, `\X41`} {
		if docs, err := ParseYAML([]byte("\n\"" + in + `"`)); err == nil || err.Error() != "yaml: line 2: wrong escape sequence in quotes" {
			t.Errorf("%s: %q (%v)", in, docs, err)
		}
	}
}
