package tree

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// yamlNodeCases are texts with anchors, aliases, merge keys, tags, directives and odd keys: the first
// document as JSON, or the error after "yaml: ", and what is told as repeated.
var yamlNodeCases = []struct{ name, in, want, repeated string }{
	// Anchors and aliases.
	{"alias", "a: &x {b: 1}\nc: *x\nd: [*x, *x]\n", `{"a":{"b":1},"c":{"b":1},"d":[{"b":1},{"b":1}]}`, ""},
	{"alias of a scalar", "a: &x 0777\nb: *x\n*x : c\n", `{"511":"c","a":511,"b":511}`, ""},
	{"anchor again", "- &x 1\n- *x\n- &x 2\n- *x\n", `[1,1,2,2]`, ""},
	{"anchor without a value", "a: &x\nb: *x\n", `{"a":null,"b":null}`, ""},
	{"anchor on a key", "&x a: 1\nb: *x\n", `{"a":1,"b":"a"}`, ""},
	{"anchor on a block", "a: &x\n  b: 1\nc: *x\n", `{"a":{"b":1},"c":{"b":1}}`, ""},
	{"anchor on a sequence below its key", "a: &x\n- 1\nc: *x\n", `{"a":[1],"c":[1]}`, ""},
	{"anchor on a literal", "a: &x |\n  t\nb: *x\n", `{"a":"t\n","b":"t\n"}`, ""},
	{"unknown alias", "a: *x\n", "unknown anchor 'x' referenced", ""},
	{"alias before its anchor", "a: *x\nb: &x 1\n", "unknown anchor 'x' referenced", ""},
	{"alias of another document", "a: &x 1\n---\nb: *x\n", `{"a":1}`, ""},
	{"alias in itself", "a: &x\n- *x\n", "anchor 'x' value contains itself", ""},
	{"merge of itself", "a: &x\n  <<: *x\n", "anchor 'x' value contains itself", ""},
	{"wrong syntax before what aliases mean", "a: &x [*x]\nb: c: d\n", "line 2: mapping values are not allowed in this context", ""},
	{"no name", "a: & b\n", "did not find expected alphabetic or numeric character", ""},
	{"alias with a tag", "a: &x 1\nb: !!str *x\n", "line 1: did not find expected key", ""},
	{"two anchors", "a: &x &y 1\n", "did not find expected key", ""},

	// Merge keys.
	{"merge", "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", `{"a":{"b":1,"c":2},"d":{"b":1,"c":3}}`, `line 2: key "c" already set in map`},
	{"merge behind a key", "a: &x {c: 2}\nd: {c: 3, <<: *x}\n", `{"a":{"c":2},"d":{"c":2}}`, `line 1: key "c" already set in map`},
	{"merge of a list", "a: &x {s: 1, x: 1}\nb: &y {s: 2, v: 2}\nc: {<<: [*x, *y, {s: 3, z: 3}]}\n",
		`{"a":{"s":1,"x":1},"b":{"s":2,"v":2},"c":{"s":1,"v":2,"x":1,"z":3}}`,
		`line 2: key "s" already set in map|line 1: key "s" already set in map`},
	{"merge of a merge", "a: &x {<<: {m: 1}, s: 2}\nb:\n  <<: *x\n", `{"a":{"m":1,"s":2},"b":{"m":1,"s":2}}`, ""},
	{"merge twice", "<<: {a: 1}\n<<: {b: 2}\n", `{"a":1,"b":2}`, ""},
	{"merge of a scalar", "<<: a\n", "map merge requires map or sequence of maps as the value", ""},
	{"merge of a list of scalars", "<<: [{a: 1}, b]\n", "map merge requires map or sequence of maps as the value", ""},
	{"merge of an alias of a list", "a: &x [{b: 1}]\n<<: *x\n", "map merge requires map or sequence of maps as the value", ""},
	{"merge key in quotes", "\"<<\": {a: 1}\n'<<': {b: 1}\n", `{"\u003c\u003c":{"b":1}}`, `line 2: key "<<" already set in map`},
	{"merge key by its tag", "!!merge <<: {a: 1}\n! \"<<\": {b: 2}\n", `{"a":1,"b":2}`, ""},
	{"merge key as a string", "!!str <<: {a: 1}\n", `{"\u003c\u003c":{"a":1}}`, ""},
	{"merge key as a value", "a: <<\n", `{"a":"\u003c\u003c"}`, ""},

	// Tags.
	{"tags", "[!!str 1, !!int \"0x1f\", !!float 1, !!bool yes, !!null '', !!str , ! 1, ! \"1\", !foo 1]",
		`["1",31,1,true,null,"","1","1","1"]`, ""},
	{"tags of collections", "a: !!map {b: !!seq [1]}\nc: !!set {d, e}\nf: !!omap [g: 1]\n",
		`{"a":{"b":[1]},"c":{"d":null,"e":null},"f":[{"g":1}]}`, ""},
	{"binary", "[!!binary YWJj, !!binary \"/w==\", !!binary |\n  YW\n  Jj\n]", "found character that cannot start any token", ""},
	{"binary in lines", "- !!binary YWJj\n- !!binary \"/w==\"\n- !!binary |\n  YW\n  Jj\n", `["abc","` + "\ufffd" + `","abc"]`, ""},
	{"binary that is none", "a: !!binary x", "!!binary value contains invalid base64 data", ""},
	{"timestamps", "[2001-01-01, !!timestamp 2001-1-1, !!timestamp '2001-12-14t21:59:43.10-05:00', !!str 2001-01-01]",
		`["2001-01-01","2001-1-1","2001-12-14t21:59:43.10-05:00","2001-01-01"]`, ""},
	{"no timestamp", "!!timestamp noon", "cannot decode !!str `noon` as a !!timestamp", ""},
	{"not the type of the tag", "!!int 1.5", "cannot decode !!float `1.5` as a !!int", ""},
	{"no float", "!!float x", "cannot decode !!str `x` as a !!float", ""},
	{"no bool", "!!bool 1", "cannot decode !!int `1` as a !!bool", ""},
	{"no null", "!!null 0x", "cannot decode !!str `0x` as a !!null", ""},
	{"too large for a float", "!!float 18446744073709551615", "cannot decode !!int `18446744073709551615` as a !!float", ""},
	{"verbatim tag", "[!<tag:yaml.org,2002:str> 1, !<!x> 1]", `["1","1"]`, ""},
	{"tag with escapes", "!%61%C3%A9 1", `"1"`, ""},
	{"wrong escape in a tag", "!%6 1", "did not find URI escaped octet", ""},
	{"wrong byte in a tag", "!%ff 1", "found an incorrect leading UTF-8 octet", ""},
	{"wrong byte behind in a tag", "!%c3%41 1", "found an incorrect trailing UTF-8 octet", ""},
	{"tag of nothing", "!<> 1", "did not find expected tag URI", ""},
	{"tag that goes on", "!a\"b\" 1", "did not find expected whitespace or line break", ""},
	{"tag that never ends", "!<a 1", "did not find the expected '>'", ""},
	{"unknown handle", "a: 1\nb: !x!y 1\n", "line 1: found undefined tag handle", ""},
	{"two tags", "!!str !!int 1", `""`, ""},

	// Directives.
	{"version", "%YAML 1.1 # c\n---\na: 1\n", `{"a":1}`, ""},
	{"handles", "%TAG !e! tag:yaml.org,2002:\n%TAG ! tag:yaml.org,2002:\n%TAG !! !foo\n---\n[!e!str 1, !str 1, !!int x]\n", `["1","1","x"]`,
		""},
	{"another version", "%YAML 1.2\n---\na\n", "found incompatible YAML document", ""},
	{"version twice", "%YAML 1.1\n%YAML 1.1\n---\na\n", "line 1: found duplicate %YAML directive", ""},
	{"handle twice", "%TAG !e! a\n%TAG !e! b\n---\na\n", "line 1: found duplicate %TAG directive", ""},
	{"no document behind", "%YAML 1.1\na: 1\n", "line 1: did not find expected <document start>", ""},
	{"unknown directive", "%FOO 1\n---\n", "found unknown directive name", ""},
	{"no directive", "% 1\n", "could not find expected directive name", ""},
	{"directive that goes on", "%YAML.1\n", "found unexpected non-alphabetical character", ""},
	{"version that is none", "%YAML x\n", "did not find expected version number", ""},
	{"half a version", "%YAML 1\n", "did not find expected digit or '.' character", ""},
	{"long version", "%YAML 111.1\n", "found extremely long version number", ""},
	{"text behind a version", "%YAML 1.1 x\n", "did not find expected comment or line break", ""},
	{"handle that is none", "%TAG x y\n", "did not find expected '!'", ""},
	{"handle that does not end", "%TAG !x y\n", "did not find expected '!'", ""},
	{"handle without a prefix", "%TAG !x!\n", "did not find expected whitespace", ""},

	// Keys.
	{"complex keys", "? a\n: b\n? c\n? [d]\n: e\n", "invalid map key: []interface {}{\"d\"}", ""},
	{"keys without a colon", "? a\n? b\n", `{"a":null,"b":null}`, ""},
	{"a template", "a: {{ .Values.x }}\n", `invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}`, ""},
	{"a merge in a key", "? {<<: {a: 1}}\n: b\n", `invalid map key: map[interface {}]interface {}{"a":1}`, ""},
	{"keys by type", "yes: a\nno: b\n0x10: c\n1.50: d\n-1: e\n1e3: f\n", `{"-1":"e","1.5":"d","1000":"f","16":"c","false":"b","true":"a"}`,
		""},
	{"keys that meet", "1: a\n\"1\": b\n", `{"1":"b"}`, ""},
	{"null as a key", "~: {a: [1, b]}", `unsupported map key of type: %!s(<nil>), key: <nil>, value: ` +
		`map[interface {}]interface {}{"a":[]interface {}{1, "b"}}`, ""},
	{"null as a key that goes", "a: {~: 1}\na: 2\n", `{"a":2}`, `line 2: key "a" already set in map`},
	{"great number as a key", "18446744073709551615: a", `unsupported map key of type: uint64, key: 0xffffffffffffffff, value: "a"`, ""},
	{"long key", strings.Repeat("k", 1024) + ": 1", `{"` + strings.Repeat("k", 1024) + `":1}`, ""},
	{"long key in characters", strings.Repeat("é", 1024) + ": 1", `{"` + strings.Repeat("é", 1024) + `":1}`, ""},
	{"too long a key", "\n" + strings.Repeat("k", 1025) + ": 1", "line 2: mapping values are not allowed in this context", ""},
	{"empty brackets as a key", "{}: a\n", `{}`, ""}, // upstream takes them for the document
	{"no JSON form", "a: [.inf]\nb: {c: .nan}\n", "json: unsupported value: +Inf", ""},

	// Line ends and marks.
	{"all line ends", "a: 1\rb: 2\r\nc: 3\u0085d: 4\u2028e: 5\u2029f: 6\n", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}`, ""},
	{"line ends that are kept", "a: b\u2028  c\n  d\u2029\n  e\nf: |\n  g\u2028  h\n", `{"a":"b\u2028c d\u2029\ne","f":"g\u2028h\n"}`, ""},
	{"byte order mark", "\ufeffa: 1\n", `{"a":1}`, ""},
	{"another mark", "a: \ufeffb\n", `{"a":"` + "\ufeff" + `b"}`, ""},
}

func TestYAMLNodes(t *testing.T) {
	for _, tc := range yamlNodeCases {
		obj, repeated, err := ParseYAMLObject([]byte(tc.in))
		got := string(AppendJSON(nil, obj))
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "yaml: ")
		}
		if got != tc.want || strings.Join(repeated, "|") != tc.repeated {
			t.Errorf("%s: %q\n got %s, repeated %q\nwant %s, repeated %q", tc.name, tc.in, got, repeated, tc.want, tc.repeated)
		}
	}
}

// TestYAMLAliasesShareNothing: a change to what one alias gave is none to another.
func TestYAMLAliasesShareNothing(t *testing.T) {
	obj, _, err := ParseYAMLObject([]byte("a: &x {b: [1]}\nc: *x\nd: {<<: *x}\n"))
	if err != nil {
		t.Fatal(err)
	}
	List(obj, "a", "b")[0] = "changed"
	Set(Object(obj, "c"), "changed", "e")
	if want := mustJSON(t, `{"a":{"b":["changed"]},"c":{"b":[1],"e":"changed"},"d":{"b":[1]}}`); !reflect.DeepEqual(obj, want) {
		t.Errorf("%v, want %v", obj, want)
	}
}

// TestYAMLAliasBounds: what aliases make of a text is bounded: the number of values by upstream's
// ratio, their text and depth by our own bounds; and a refusal takes no longer than what is taken.
func TestYAMLAliasBounds(t *testing.T) {
	nested := func(levels, width int) string {
		s := "a0: &a0 [" + strings.Repeat("x,", width) + "]\n"
		for i := 1; i < levels; i++ {
			s += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), width))
		}
		return s
	}
	deep := func(n, m int) string {
		return "a: &a " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\nb: " +
			strings.Repeat("[", m) + "*a" + strings.Repeat("]", m) + "\n"
	}
	for name, tc := range map[string]struct{ text, wrong string }{
		"few":             {nested(2, 9), ""},
		"some":            {nested(3, 9), ""},
		"billion laughs":  {nested(10, 9), "document contains excessive aliasing"},
		"doubled":         {nested(60, 2), "document contains excessive aliasing"},
		"a third of them": {"a: &a [" + strings.Repeat("x,", 200_000) + "]\nb: *a\n", ""},
		"too many":        {"a: &a [" + strings.Repeat("x,", 900_000) + "]\nb: [*a, *a]\n", "document contains excessive aliasing"},
		"text":            {"a: &a " + strings.Repeat("x", 1<<20) + "\nb: [*a, *a]\n", ""},
		"too much text": {"a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 200) + "]\n",
			"document contains excessive aliasing"},
		"depth":         {deep(600, 399), ""},
		"too deep":      {deep(600, 400), "exceeded max depth of 1000"},
		"too deep keys": {"a: " + strings.Repeat("{b: ", 1000), "exceeded max depth of 1000"},
	} {
		start := time.Now()
		_, _, err := ParseYAMLObject([]byte(tc.text))
		if wrong := strings.TrimPrefix(fmt.Sprint(err), "yaml: "); wrong != tc.wrong && !(err == nil && tc.wrong == "") {
			t.Errorf("%s: %.200s, want %q", name, wrong, tc.wrong)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// utf16Text returns s in UTF-16 behind its mark.
func utf16Text(s string, little bool) string {
	b := []byte{0xfe, 0xff}
	if little {
		b = []byte{0xff, 0xfe}
	}
	for _, c := range utf16.Encode([]rune(s)) {
		if little {
			b = append(b, byte(c), byte(c>>8))
		} else {
			b = append(b, byte(c>>8), byte(c))
		}
	}
	return string(b)
}

// TestYAMLEncodings: UTF-16 with its mark is read, what is no text is refused without a line, but
// only if the reader comes there: 512 bytes are looked at together.
func TestYAMLEncodings(t *testing.T) {
	long := "a: " + strings.Repeat("x", 505)
	for _, tc := range []struct{ in, want string }{
		{utf16Text("a: é🎉\r\nb: [1]\n", true), `{"a":"é🎉","b":[1]}`}, {utf16Text("a: é🎉\r\nb: [1]\n", false), `{"a":"é🎉","b":[1]}`},
		{utf16Text("a", true) + "x", "incomplete UTF-16 character"}, {utf16Text("", true) + "\x3d\xd8", "incomplete UTF-16 surrogate pair"},
		{utf16Text("", true) + "\x3d\xd8a\x00", "expected low surrogate area"},
		{utf16Text("", true) + "\x00\xdc", "unexpected low surrogate area"},
		{utf16Text("a\x01", false), "control characters are not allowed"},
		{"a: \x00", "control characters are not allowed"}, {"a: \x7f", "control characters are not allowed"},
		{"a: \u0080", "control characters are not allowed"},
		{"a: \uffff", "control characters are not allowed"}, {"a: \ufffd\u0085", `{"a":"` + "\ufffd" + `"}`},
		{"a: \x80", "invalid leading UTF-8 octet"}, {"a: \xff", "invalid leading UTF-8 octet"}, {"a: \xc3", "incomplete UTF-8 octet sequence"},
		{"a: \xe2\x80", "incomplete UTF-8 octet sequence"},
		{"a: \xc3a", "invalid trailing UTF-8 octet"}, {"a: \xc0\x80", "invalid length of a UTF-8 sequence"},
		{"a: \xe0\x80\x80", "invalid length of a UTF-8 sequence"},
		{"a: \xed\xa0\x80", "invalid Unicode character"}, {"a: \xf4\x90\x80\x80", "invalid Unicode character"},
		{"a: b: c\n\x01", "control characters are not allowed"},                         // in the same piece
		{"a: b: c\n" + long + "\x01", "mapping values are not allowed in this context"}, // in the next
		{long + "\n\x01", "control characters are not allowed"},
		{"--- a\n--- " + long + "\x01", `"a"`}, // in another document
	} {
		obj, _, err := ParseYAMLObject([]byte(tc.in))
		got := string(AppendJSON(nil, obj))
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "yaml: ")
		}
		if got != tc.want {
			t.Errorf("%.60q: %s, want %s", tc.in, got, tc.want)
		}
	}
}

// TestYAMLMessagesAreShort: an error quotes a little of a text, however much there is.
func TestYAMLMessagesAreShort(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	for _, text := range []string{"*" + strings.Repeat("a", 100_000), "!!int " + long, "{[" + strings.Repeat(long[:100]+",", 1000) + "]: 1}",
		"~: [" + strings.Repeat("a,", 10_000) + "]", "---" + long} {
		_, err := ParseYAML([]byte(text))
		if err == nil || len(err.Error()) > 2000 {
			t.Errorf("%.20q: %.100v of %d bytes", text, err, len(fmt.Sprint(err)))
		}
	}
}

// TestParseYAMLStreams: documents and JSON objects as kubectl's reader tells them apart.
func TestParseYAMLStreams(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"a\n---\nb", `["a","b"]`}, {"---\na\n--- # c\nb\n---\n", `["a","b"]`}, {"a\r\n---\r\nb\r\n", `["a","b"]`},
		{"# c\n---\na", `[null,"a"]`}, {"a\n---\n---\nb", `["a","b"]`}, {"a\n---\n---\n---\nb", `["a",null,"b"]`},
		{"a\n---\n\ufeffb\n", `["a","b"]`}, {"\ufeff---\na\n", `["a"]`}, {"a\n--- b\n", "line 2: invalid Yaml document separator: b"},
		{"a\n----\n", "line 2: invalid Yaml document separator: -"},
		{"a: |\n ---\n", `[{"a":"---\n"}]`}, {"a: b\n---\nc: d: e\n", "line 3: mapping values are not allowed in this context"},
		{"a: 1\n---\nb: 1\nc\n", "line 5: could not find expected ':'"},
		{`{"a":1}{"b":2}`, `[{"a":1},{"b":2}]`}, {" \n{\"a\":1.0}\n\t{\"b\":\"\\/\"} ", `[{"a":1},{"b":"/"}]`},
		{`{"a":1}` + "\n---\nb: yes\n", `[{"a":1},{"b":true}]`}, {"{a: yes}\n", `[{"a":true}]`},
		{`{"a":1}{"b":2}{c: 3}`, "invalid character 'c' looking for beginning of object key string"},
		{"{\"a\":1}\n---\n{b: 2}", `[{"a":1},{"b":2}]`}, {`{"a" 1}`, "did not find expected ',' or '}'"},
		// Nothing of a document is known to the next one.
		{"a: &x 1\n---\nb: *x\n", "unknown anchor 'x' referenced"},
		{"- &x a\n---\n- &x b\n- *x\n---\n- *x\n", "unknown anchor 'x' referenced"},
		{"- &x a\n---\n- &x b\n- *x\n", `[["a"],["b","b"]]`},
		{"[a, [b]]\n---\n- c: d\n  e: {f: [g]}\n---\nh\n---\n- i: [j, k]\n", `[["a",["b"]],[{"c":"d","e":{"f":["g"]}}],"h",[{"i":["j","k"]}]]`},
		{"a: 1\n---\n? b\n: !!str 2\n---\nc: 3\n", `[{"a":1},{"b":"2"},{"c":3}]`},
		{"", "[]"}, {"\n", "[null]"}, {"{", "line 1: did not find expected node content"},
	} {
		if got := yamlText(ParseYAML([]byte(tc.in))); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.in, got, tc.want)
		}
	}
}
