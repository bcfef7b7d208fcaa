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
	itself = "\x00itself"                // a string
	noJSON = "json: unsupported value: " // an error, before the value
)

// yamlScalars are plain scalars and their values, which are those of sigs.k8s.io/yaml: YAML 1.1's,
// but for numbers to the base 60.
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
	{"yes", true}, {"Yes", true}, {"YES", true}, {"y", true}, {"Y", true}, {"on", true}, {"On", true}, {"ON", true},
	{"no", false}, {"No", false}, {"NO", false}, {"n", false}, {"N", false}, {"off", false}, {"Off", false}, {"OFF", false},
	{"yES", itself}, {"oN", itself}, {"nO", itself}, {"oFF", itself}, {"ye", itself}, {"noo", itself},
	// decimal integers
	{"0", int64(0)}, {"-0", int64(0)}, {"+0", int64(0)}, {"7", int64(7)}, {"+7", int64(7)}, {"-7", int64(-7)}, {"8080", int64(8080)},
	{"9223372036854775807", int64(math.MaxInt64)}, {"-9223372036854775808", int64(math.MinInt64)},
	{"9223372036854775808", 9223372036854775808.0}, {"-9223372036854775809", -9223372036854775808.0},
	{"18446744073709551616", 18446744073709551616.0},
	{"100000000000000000000000000000000000000000", 1e41},
	{"--1", itself}, {"+-1", itself}, {"-+1", itself}, {"++1", itself}, {"1-", itself}, {"1 2", itself}, {"1,5", itself},
	{"1_000", int64(1000)}, {"1__0_", int64(10)}, {"+_1", int64(1)}, {"_1", itself}, {"1_", int64(1)},
	// octal
	{"0o17", int64(15)}, {"0o0", int64(0)}, {"0o777", int64(511)}, {"0O17", int64(15)}, {"-0o17", int64(-15)}, {"+0o17", int64(15)},
	{"00", int64(0)}, {"07", int64(7)}, {"010", int64(8)}, {"0644", int64(420)}, {"0777", int64(511)}, {"-010", int64(-8)},
	{"+010", int64(8)}, {"0_7", int64(7)},
	{"08", int64(8)}, {"0189", int64(189)}, {"-09", int64(-9)}, // no octal digits: a float
	{"0o", itself}, {"0o8", itself}, {"0o7777777777777777777777", itself}, {"01777777777777777777777", 18446744073709551615.0},
	{"07777777777777777777777", 7777777777777777777777.0},
	// hexadecimal and binary
	{"0x0", int64(0)}, {"0x1F", int64(31)}, {"0X1F", int64(31)}, {"-0x1", int64(-1)}, {"+0x1", int64(1)}, {"0xdeadBEEF", int64(3735928559)},
	{"0x7fffffffffffffff", int64(math.MaxInt64)},
	{"0x", itself}, {"0xg", itself}, {"0x1.8", itself}, {"0x1p3", itself}, {"x1", itself},
	{"0x8000000000000000", 9223372036854775808.0}, {"0xfffffffffffffffff", itself},
	{"0b11", int64(3)}, {"-0b11", int64(-3)}, {"0b-11", int64(-3)}, {"0B1", int64(1)}, {"0b2", itself}, {"0b", itself}, {"1:30", itself},
	{"190:20:30", itself},
	// floats, which are integers in JSON when they are whole
	{"1.5", 1.5}, {"-1.5", -1.5}, {"+1.5", 1.5}, {"1.", int64(1)}, {".5", 0.5}, {"-.5", -0.5}, {"+.5", 0.5}, {"0.0", int64(0)},
	{"-0.0", int64(0)}, {"00.5", 0.5}, {"1.50", 1.5},
	{"1e3", int64(1000)}, {"1E3", int64(1000)}, {"1e+3", int64(1000)}, {"1e-3", 0.001}, {"1.e2", int64(100)}, {".5e1", int64(5)},
	{"-1.5E-2", -0.015}, {"0e0", int64(0)}, {"012e1", int64(120)},
	{"9007199254740993.0", int64(9007199254740992)}, {"4611686018427387904.0", int64(4611686018427388000)}, {"1e18", int64(1e18)},
	{"1e19", 1e19}, {"1e21", 1e21},
	{"1e308", 1e308}, {"1e-400", int64(0)}, {"1e309", itself}, {"-1e309", itself}, {"1e400", itself}, {"1_0.5", 10.5}, {"._5", itself},
	{".", itself}, {"-.", itself}, {"..", itself}, {"1..", itself}, {"1.2.3", itself}, {".e1", itself}, {"e1", itself}, {"1e", itself},
	{"1e+", itself},
	{"1e1.5", itself}, {"1e3e3", itself}, {"1.5f", itself}, {"1.5 ", 1.5}, {"-.e3", itself}, {"1__0.5", 10.5},
	{".inf", noJSON + "+Inf"}, {".Inf", noJSON + "+Inf"}, {".INF", noJSON + "+Inf"}, {"+.inf", noJSON + "+Inf"}, {"-.inf", noJSON + "-Inf"},
	{".nan", noJSON + "NaN"}, {".NaN", noJSON + "NaN"}, {".NAN", noJSON + "NaN"},
	{".iNf", itself}, {"inf", itself}, {"+Inf", itself}, {"nan", itself}, {"NaN", itself}, {".infinity", itself}, {"..inf", itself},
	{"+.nan", itself},
	// what is nearly something
	{"<<", itself}, {"<", itself}, {"<<<", itself}, {"=", itself}, {"2026-11-29", itself}, {"2026-11-29T12:00:00Z", itself},
	{"12:00:59", itself},
	{"10.0.0.1", itself}, {"v1", itself}, {"v1.30.0", itself}, {"1.30", 1.3}, {"100m", itself}, {"1Gi", itself}, {"1e3Mi", itself},
	{"5m30s", itself}, {"0.5s", itself},
	{"50%", itself}, {"+", itself}, {"a", itself}, {"é", itself}, {"-a", itself}, {"?a", itself}, {":a", itself}, {"1é", itself},
	{"٣", itself},
}

// TestYAMLScalars: each plain scalar is the same at every place where one may stand, and
// text in quotes of both kinds.
func TestYAMLScalars(t *testing.T) {
	for _, tc := range yamlScalars {
		want, why := tc.want, ""
		if text, ok := tc.want.(string); ok && text == itself {
			want = tc.in
		} else if ok {
			want, why = nil, text
		}
		for name, place := range map[string]struct {
			text string
			want any
		}{
			"root":          {tc.in, want},
			"marker":        {"# c\n---\n" + tc.in + " # c\n", want},
			"value":         {"a: " + tc.in + "\nb: 0\n", map[string]any{"a": want, "b": int64(0)}},
			"value below":   {"a:\n  " + tc.in + "\n", map[string]any{"a": want}},
			"element":       {"- x\n- " + tc.in + "\n", []any{"x", want}},
			"compact":       {"- - " + tc.in, []any{[]any{want}}},
			"flow":          {"[x, \n " + flowForm(tc.in) + " ]", []any{"x", want}},
			"flow value":    {"{x: " + flowForm(tc.in) + "}", map[string]any{"x": want}},
			"alias":         {"[&x " + flowForm(tc.in) + ", *x]", []any{want, want}},
			"single quotes": {"'" + tc.in + "'", tc.in},
			"double quotes": {"[\"" + tc.in + "\"]", []any{tc.in}},
			"tag": {"[!!str " + flowForm(tc.in) + ", ! " + flowForm(tc.in) + "]",
				[]any{strings.TrimRight(tc.in, " "), strings.TrimRight(tc.in, " ")}},
		} {
			docs, err := ParseYAML([]byte(place.text))
			if why != "" && !strings.Contains(name, "quotes") && name != "tag" {
				if err == nil || err.Error() != why {
					t.Errorf("%s as %s: %v (%v), want error %s", tc.in, name, docs, err, why)
				}
				continue
			}
			if err != nil || len(docs) == 0 || !reflect.DeepEqual(docs[len(docs)-1], place.want) {
				t.Errorf("%s as %s: %#v (%v), want %#v", tc.in, name, docs, err, place.want)
			}
		}
	}
}

// flowForm quotes what would be no scalar or two entries in brackets.
func flowForm(s string) string {
	if strings.ContainsAny(s, ",?") || s[0] == ':' {
		return `"` + s + `"`
	}
	return s
}

// TestYAMLScalarsAgainstJSON: a number that is JSON is the same number in YAML, and a word of
// JSON the same word. But a whole number is an integer in YAML however it is written.
func TestYAMLScalarsAgainstJSON(t *testing.T) {
	both := 0
	for _, tc := range yamlScalars {
		v, _, err := ParseJSON([]byte(tc.in))
		if err != nil {
			continue
		}
		both++
		docs, err := ParseYAML([]byte(tc.in))
		f, isFloat := v.(float64)
		if isFloat && f == math.Trunc(f) && math.Abs(f) < 1e18 {
			v = int64(f)
		}
		if tc.in == "4611686018427387904.0" { // the shortest text of a float64 in JSON is of another integer
			v = int64(4611686018427388000)
		}
		if tc.in == "1e18" {
			v = int64(1e18)
		}
		if err != nil || !reflect.DeepEqual(docs, []any{v}) {
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
		{"a", "a"}, {"'1'", "1"}, {"1", "1"}, {"+1", "1"}, {"0x10", "16"}, {"010", "8"}, {"1.0", "1"}, {"1.50", "1.5"}, {"1e3", "1000"},
		{"1e21", "1e+21"}, {"True", "true"},
		{"0.1", "0.1"}, {"16777217.0", "1.6777216e+07"}, {".inf", ".inf"}, {"-.INF", "-.inf"}, {".NaN", ".nan"}, // of 32 bits
		{"FALSE", "false"}, {"yes", "true"}, {"!!str yes", "yes"}, {"!!binary YQ==", "a"}, {`"null"`, "null"}, {"''", ""}, {"a b", "a b"},
		{"2026-11-29", "2026-11-29"}, {"-x", "-x"}, {"http://x", "http://x"},
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
		// Another type is another key to YAML, and the same one in JSON.
		obj, repeated, err := ParseYAMLObject([]byte(tc.in + ": v\n" + strconv.Quote(tc.want) + ": w\n"))
		if err != nil || Text(obj, tc.want) != "w" || (yamlResolve(tc.in) == tc.in || strings.HasPrefix(tc.in, "!!")) && len(repeated) != 1 {
			t.Errorf("%s and %q: %v, %q (%v)", tc.in, tc.want, obj, repeated, err)
		}
	}
}

// TestYAMLEscapes: what may stand behind a backslash in double quotes (YAML 1.1, 5.6).
func TestYAMLEscapes(t *testing.T) {
	good := map[byte]string{
		'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b", ' ': " ",
		'"': `"`, '\'': "'", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
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
		{`\x41`, "A"}, {`\xe9`, "é"}, {`\xFf`, "ÿ"}, {`\u00e9`, "é"}, {`\u20AC`, "€"}, {`\U0001f389`, "🎉"}, {`\U0010ffff`, "\U0010ffff"},
		{`\x410`, "A0"},
		{`\u0000`, "\x00"},
	} {
		if docs, err := ParseYAML([]byte(`"` + tc.in + `"`)); err != nil || !reflect.DeepEqual(docs, []any{tc.want}) {
			t.Errorf("%s: %q (%v), want %q", tc.in, docs, err, tc.want)
		}
	}
	for why, list := range map[string][]string{
		"found unknown escape character":              {`\c`, `\X41`, `\/`, `\é`, `\.`},
		"did not find expected hexdecimal number":     {`\x`, `\x4`, `\xg1`, `\u123`, `\u12 4`, `\U0001f38`, `\u+123`, `\x-1`},
		"found invalid Unicode character escape code": {`\U00110000`, `\Uffffffff`, `\ud83c\udf89`, `\ud83c`, `\udf89`},
	} {
		for _, in := range list {
			if docs, err := ParseYAML([]byte("\n\"" + in + `"`)); err == nil || err.Error() != "yaml: line 2: "+why {
				t.Errorf("%s: %q (%v)", in, docs, err)
			}
		}
	}
}
