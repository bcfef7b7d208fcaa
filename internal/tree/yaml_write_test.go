package tree

import (
	"reflect"
	"strings"
	"testing"
)

func TestAppendYAML(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"null", `null`, "null\n"},
		{"number", `1.5`, "1.5\n"},
		{"text", `"a"`, "a\n"},
		{"lines", `"a\nb\n"`, "|\n  a\n  b\n"},
		{"empty", `{}`, "{}\n"},
		{"empty list", `[]`, "[]\n"},
		{"sorted", `{"b":1,"a":true,"c":null}`, "a: true\nb: 1\nc: null\n"},
		{"nested", `{"a":{"b":{"c":"d"},"e":{}},"f":[]}`, "a:\n  b:\n    c: d\n  e: {}\nf: []\n"},
		{"list in its key's column", `{"a":{"b":["x",1]},"c":2}`, "a:\n  b:\n  - x\n  - 1\nc: 2\n"},
		{"objects in a list", `{"a":[{"b":1,"c":[{"d":2}]},{"e":{"f":3}}]}`, "a:\n- b: 1\n  c:\n  - d: 2\n- e:\n    f: 3\n"},
		{"lists in lists", `[[1,[2,3]],[],[{}]]`, "- - 1\n  - - 2\n    - 3\n- []\n- - {}\n"},
		{"literal", `{"a":"x\ny\n","b":["p\nq"],"c":"z\n\n"}`, "a: |\n  x\n  y\nb:\n- |-\n  p\n  q\nc: |+\n  z\n\n"},
		{"literal with empty lines", `{"a":{"b":"x\n\n\ny\n"}}`, "a:\n  b: |\n    x\n\n\n    y\n"},
		{"literal that begins with a space", `{"a":" x\ny"}`, "a: |2-\n   x\n  y\n"},
		{"literal that begins with a line end", `{"a":"\nx\n"}`, "a: |2\n\n  x\n"},
		{"literal that looks like a marker", `"---\na"`, "|-\n  ---\n  a\n"},
		{"line ends only", `{"a":"\n"}`, "a: \"\\n\"\n"},
		{"space before a line end", `{"a":"x \ny"}`, "a: \"x \\ny\"\n"},
		{"space at the end of lines", `{"a":"x\ny "}`, "a: \"x\\ny \"\n"},
		{"tab in lines", `{"a":"x\n\ty"}`, "a: \"x\\n\\ty\"\n"},
		{"line end in a key", `{"a\nb":1}`, "\"a\\nb\": 1\n"},
		{"keys", `{"":1,"a: b":2,"yes":3,"12":4,"- x":5,"<<":6,"a/b.c-d":7}`,
			"\"\": 1\n'- x': 5\n\"12\": 4\n\"<<\": 6\na/b.c-d: 7\n'a: b': 2\n\"yes\": 3\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, _, err := ParseJSON([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(AppendYAML(nil, v)); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			checkYAMLReads(t, v)
		})
	}
	long := strings.Repeat("k", 129)
	want := "a:\n  ? K\n  : x: 1\n    z:\n    - 1\n  ? K2\n  : - 1\n    - a: 1\n  ? K3\n  : t\n  ? K4\n  : {}\n  ? K5\n  : |\n    l1\n    l2\n"
	v := mustJSON(t, strings.ReplaceAll(`{"a":{"K":{"x":1,"z":[1]},"K2":[1,{"a":1}],"K3":"t","K4":{},"K5":"l1\nl2\n"}}`, "K", long))
	if got := strings.ReplaceAll(string(AppendYAML(nil, v)), long, "K"); got != want {
		t.Errorf("long keys:\n%s\nwant\n%s", got, want)
	}
	checkYAMLReads(t, v)
	checkYAMLReads(t, map[string]any{strings.Repeat("k", 5000): strings.Repeat("é", 5000), strings.Repeat("é: ", 500): []any{}})
	got := string(AppendYAML(nil, map[string]any{"a": []string{"x", "no"}, "b": []string{}, "c": 3}))
	if want := "a:\n- x\n- \"no\"\nb: []\nc: 3\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// checkYAMLReads makes sure that what is written reads as the same value, as a document,
// in an object and in a list.
func checkYAMLReads(t *testing.T, v any) {
	t.Helper()
	for _, v := range []any{v, map[string]any{"k": v, "l": "x"}, []any{v, "x"},
		map[string]any{"k": []any{map[string]any{"m": v}, []any{v}}}} {
		text := AppendYAML(nil, v)
		docs, err := ParseYAML(text)
		if err != nil || len(docs) != 1 || !Equal(docs[0], v) {
			t.Fatalf("%s\nwritten as\n%s\nreads as %v (%v)", AppendJSON(nil, v), text, docs, err)
		}
	}
}

// Which texts need quotes, and which.
func TestYAMLQuotes(t *testing.T) {
	plain := strings.Split("a|a b|_1|-_|a\u00a0b|a-b|a:b|a#b|-a|-1a|?a|:a|a,b|a [b] {c}|http://x/y?z=1|1.2.3|1-2|1.2.3.4|v1|10m|"+
		"100Mi|1e|0x|0b2|0o8|0xg|.|..|.a|+|+a|é€😀|nulls|Yesterday|nope|"+
		"2024-05|2024-05-01x|1:2:3x|1:60|::1|fe80::1|a'b|a\"b|infinity|nan|inf|+inf|1_a|_1|==|0x1p-2|"+
		"application/json; charset=utf-8|0123456789abcdef", "|")
	double := strings.Split("|~|null|Null|NULL|true|True|TRUE|false|yes|Yes|YES|no|NO|on|On|off|OFF|y|Y|n|N|<<|=|0|1|-1|+1|007|"+
		"0x1F|0o17|0b11|-0b1|1_000|1.|.5|-.5|1.5|1e3|1E-3|+1.5e+3|1e999|.inf|-.Inf|+.INF|.nan|.NaN|123e4567|"+
		"1:30|190:20:30|-1:30|12:00:59.5|2024-05-01|2024-5-1|2024-05-01T12:00:00Z|2024-05-01 12:00:00|2024-05-01t12:00:00.5+01:00|"+
		"a\tb|-_1|+__0.5|\u2028|\ufeff|\x00|\x7f|a\rb|\u0085|\U000e0001|12345678901234567890", "|")
	double = append(double, "\n", "a \nb")
	single := strings.Split(" a|a |a: b|a:|a #b|#a|,a|[a]|{a}|]|}|&a|*a|*.example|!a|'a'|\"a\"|%a|@a|`a`|>|>a|- a|-|?|? a|:|: a|"+
		"---|---a|...|...a", "|")
	single = append(single, "|", "|a")
	for quote, texts := range map[string][]string{"": plain, `"`: double, "'": single} {
		for _, s := range texts {
			got := strings.TrimSuffix(string(AppendYAML(nil, s)), "\n")
			if quote == "" && got != s || quote != "" && !strings.HasPrefix(got, quote) {
				t.Errorf("%q is written %s", s, got)
			}
			if key := string(AppendYAML(nil, map[string]any{s: nil})); key != got+": null\n" {
				t.Errorf("%q as a key: %s", s, key)
			}
			checkYAMLReads(t, s)
			checkYAMLReads(t, map[string]any{s: s})
		}
	}
}

func TestParseYAMLObject(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
		repeated       []string
		err            string
	}{
		{name: "nothing", in: "", want: `null`},
		{name: "comments", in: "# a\n", want: `null`},
		{name: "empty document", in: "---\n---\na: 1\n", want: `null`},
		{name: "one", in: "a: 1\n", want: `{"a":1}`},
		{name: "the first of two", in: "---\na: 1\n---\n*b\n", want: `{"a":1}`},
		{name: "the first of two on the marker's line", in: "--- [1, !!str 2]\n--- 3\n", want: `[1,"2"]`},
		{name: "end marker before", in: "...\n---\na: 1\n...\n", err: "yaml: did not find expected node content"},
		{name: "JSON", in: `{"a": 1, "a": 2}`, want: `{"a":2}`, repeated: []string{`line 1: key "a" already set in map`}},
		{name: "repeated", in: "kind: A\nspec:\n  size: 1\n  list:\n  - x: 1\n    x: 2\n  size: 3\n  size: 4\nkind: B\n",
			want: `{"kind":"B","spec":{"list":[{"x":2}],"size":4}}`,
			repeated: []string{`line 6: key "x" already set in map`, `line 7: key "size" already set in map`,
				`line 8: key "size" already set in map`, `line 9: key "kind" already set in map`}},
		{name: "repeated below its key", in: "a: 1\na:\n  b: 2\n", want: `{"a":{"b":2}}`,
			repeated: []string{`line 3: key "a" already set in map`}},
		{name: "repeated with types", in: "1: a\n0x1: b\n\"1\": c\ntrue: d\nyes: e\n1.5: f\n1.50: g\n", want: `{"1":"c","1.5":"g","true":"e"}`,
			repeated: []string{"line 2: key 1 already set in map", "line 5: key true already set in map", "line 7: key 1.5 already set in map"}},
		{name: "repeated by a merge", in: "a: 1\n<<: {a: 2, b: 3}\nb: 4\n", want: `{"a":2,"b":4}`,
			repeated: []string{`line 2: key "a" already set in map`, `line 3: key "b" already set in map`}},
		{name: "repeated in an alias", in: "a: &a {b: 1, b: 2}\nc: *a\n", want: `{"a":{"b":2},"c":{"b":2}}`,
			repeated: []string{`line 1: key "b" already set in map`, `line 1: key "b" already set in map`}},
		{name: "repeated with nothing", in: "a: 1\na:\n", want: `{"a":null}`, repeated: []string{`line 2: key "a" already set in map`}},
		{name: "repeated in flow", in: "a: {b: 1, b: 2, b}\n", want: `{"a":{"b":null}}`,
			repeated: []string{`line 1: key "b" already set in map`, `line 1: key "b" already set in map`}},
		{name: "the second is not read", in: "a: 1\n---\na: 1\na: 2\n", want: `{"a":1}`},
		{name: "wrong", in: "a: [\n", err: "yaml: line 1: did not find expected node content"},
		{name: "invalid UTF-8", in: "a\n\xff", err: "yaml: invalid leading UTF-8 octet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, repeated, err := ParseYAMLObject([]byte(tc.in))
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("got %v and error %v, want error %s", got, err, tc.err)
				}
				return
			}
			if text := string(AppendJSON(nil, got)); err != nil || text != tc.want || !reflect.DeepEqual(repeated, tc.repeated) {
				t.Fatalf("got %s, %q (%v), want %s, %q", text, repeated, err, tc.want, tc.repeated)
			}
		})
	}
	many := strings.Repeat("a: 1\n", 1000)
	if _, repeated, err := ParseYAMLObject([]byte(many)); err != nil || len(repeated) != 100 {
		t.Errorf("told of %d (%v)", len(repeated), err)
	}
}

// FuzzYAMLWrite: what is written reads as the same value.
func FuzzYAMLWrite(f *testing.F) {
	for _, tc := range jsonCases {
		if len(tc.in) < 1000 {
			f.Add([]byte(tc.in), "a: b")
		}
	}
	f.Add([]byte(configMapJSON), " \nx")
	f.Fuzz(func(t *testing.T, data []byte, s string) {
		// A text on its own, too, as few mutations of JSON make an interesting one.
		s = JSONUTF8(s)
		checkYAMLReads(t, s)
		checkYAMLReads(t, map[string]any{s: s})
		v, _, err := ParseJSON(data)
		if err != nil || strings.Count(string(data), "{")+strings.Count(string(data), "[") > 90 {
			return
		}
		checkYAMLReads(t, v)
	})
}

func BenchmarkAppendYAML(b *testing.B) {
	v, _, _ := ParseJSON([]byte(configMapJSON))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendYAML(buf[:0], v)
	}
}
