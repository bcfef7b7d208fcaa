package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// yamlCases are texts and the documents in them as JSON, or the error after "yaml: ", as upstream
// has them.
var yamlCases = []struct {
	name, in, want string
	differs        string // why kubectl's reader sees it otherwise
}{
	// Documents.
	{name: "nothing", in: "", want: `[]`},
	{name: "comments only", in: "# a\n\n  # b", want: `[null]`},
	{name: "byte order mark", in: "\ufeffa: 1\n", want: `[{"a":1}]`},
	{name: "marker first", in: "---\na: 1\n", want: `[{"a":1}]`},
	{name: "two documents", in: "a: 1\n---\nb: 2\n", want: `[{"a":1},{"b":2}]`},
	{name: "empty documents", in: "---\n---\n# c\n---\na: 1\n", want: `[null,null,{"a":1}]`},
	{name: "end marker", in: "a: 1\n...\n# c\n---\nb: 2\n...\n", want: `[{"a":1},{"b":2}]`},
	{name: "bare after end marker", in: "a\n...\nb\n", want: `["a"]`},
	{name: "value on the marker's line", in: "--- text\n--- [1]\n--- |\n x\n", want: `line 1: invalid Yaml document separator: text`},
	{name: "marker ends nested blocks", in: "a:\n  b:\n  - c\n---\nd\n", want: `[{"a":{"b":["c"]}},"d"]`},
	{name: "marker needs space", in: "a: 1\n---x: 2\n", want: `line 2: invalid Yaml document separator: x: 2`},
	{name: "mapping on the marker's line", in: "--- a: 1\n", want: `line 1: invalid Yaml document separator: a: 1`},
	{name: "directive", in: "%YAML 1.2\n---\na\n", want: `found incompatible YAML document`},
	{name: "two values", in: "[1]\n[2]\n", want: `[[1]]`},
	{name: "text after end marker", in: "a\n... b\n", want: `["a"]`},

	// Mappings.
	{name: "mapping", in: "a: 1\nb: x\n", want: `[{"a":1,"b":"x"}]`},
	{name: "no final line end", in: "a: 1\nb: x", want: `[{"a":1,"b":"x"}]`},
	{name: "CRLF", in: "a: 1\r\nb:\r\n- x\r\n- |\r\n  y\r\n", want: `[{"a":1,"b":["x","y\n"]}]`},
	{name: "nested", in: "a:\n  b:\n    c: 1\n  d: 2\ne: 3\n", want: `[{"a":{"b":{"c":1},"d":2},"e":3}]`},
	{name: "indented root", in: "  a: 1\n  b: 2\n", want: `[{"a":1,"b":2}]`},
	{name: "null values", in: "a:\nb: # c\nc: ~\n", want: `[{"a":null,"b":null,"c":null}]`},
	{name: "value on the next line", in: "a:\n  text\nb:\n  \"q\"\nc:\n  [1]\n", want: `[{"a":"text","b":"q","c":[1]}]`},
	{name: "keys that are no strings", in: "1: a\ntrue: b\n1.5: c\n0x10: d\n", want: `[{"1":"a","1.5":"c","16":"d","true":"b"}]`},
	{name: "quoted keys", in: "\"a b\": 1\n'c: d' : 2\n\"t\tab\": 3\n", want: `[{"a b":1,"c: d":2,"t\tab":3}]`},
	{name: "keys with odd characters", in: "a-b/c.d: 1\n-x: 2\n?y: 3\n:z: 4\na:b: 5\n", want: `[{"-x":2,":z":4,"?y":3,"a-b/c.d":1,"a:b":5}]`},
	{name: "tab behind the colon", in: "a:\t1\nb: \t2\t# c\n", want: `[{"a":1,"b":2}]`},
	{name: "duplicate key", in: "a: 1\nb: 2\na: 3\n", want: `[{"a":3,"b":2}]`},
	{name: "duplicate by value", in: "1: x\n\"1\": y\n", want: `[{"1":true}]`},
	{name: "null key", in: "a: 1\n~: 2\n", want: `unsupported map key of type: %!s(<nil>), key: <nil>, value: 2`},
	{name: "empty key", in: ": 2\n", want: `did not find expected key`},
	{name: "complex key", in: "? a\n: b\n", want: `[{"a":"b"}]`},
	{name: "collection as key", in: "{a: b}: c\n", want: `invalid map key: map[interface {}]interface {}{"a":"b"}`},
	{name: "merge key", in: "<<: {a: 1}\n", want: `[{"a":1}]`},
	{name: "no colon", in: "a: 1\nb\nc: 2\n", want: `line 3: could not find expected ':'`},
	{name: "two colons", in: "a: b: c\n", want: `mapping values are not allowed in this context`},
	{name: "deeper key", in: "a: 1\n  b: 2\n", want: `line 2: mapping values are not allowed in this context`},
	{name: "deeper after quotes", in: "a: \"1\"\n  b: 2\n", want: `line 1: did not find expected key`},
	{name: "between two columns", in: "a:\n    b: 1\n  c: 2\n", want: `line 2: did not find expected key`},
	{name: "left of the root", in: "  a: 1\nb: 2\n", want: `[{"a":1}]`},
	{name: "text behind quotes", in: "a: \"b\" c\n", want: `did not find expected key`},
	{name: "comment needs space", in: "a: \"b\"#c\n", want: `[{"a":"b"}]`},
	{name: "quoted key needs space", in: "\"a\":1\n", want: `["a"]`},

	// Sequences.
	{name: "sequence", in: "- a\n- 1\n-\n- b\n", want: `[["a",1,null,"b"]]`},
	{name: "sequence in its key's column", in: "a:\n- b\n- c\nd: 1\n", want: `[{"a":["b","c"],"d":1}]`},
	{name: "sequence deeper", in: "a:\n  - b\n  - c\nd: 1\n", want: `[{"a":["b","c"],"d":1}]`},
	{name: "mappings in a sequence", in: "- a: 1\n  b: 2\n- c:\n  - d\n  e:\n    - f\n", want: `[[{"a":1,"b":2},{"c":["d"],"e":["f"]}]]`},
	{name: "compact sequences", in: "- - a\n  - b\n- - - c\n", want: `[[["a","b"],[["c"]]]]`},
	{name: "wide dash", in: "-   a: 1\n    b: 2\n-\n  c: 3\n", want: `[[{"a":1,"b":2},{"c":3}]]`},
	{name: "value below the dash", in: "-\n  a\n-\n  - b\n", want: `[["a",["b"]]]`},
	{name: "dash as text", in: "- -a\n- a - b\n- --\n", want: `[["-a","a - b","--"]]`},
	{name: "sequence on its key's line", in: "a: - b\n", want: `block sequence entries are not allowed in this context`},
	{name: "entry among keys", in: "a: 1\n- b\n", want: `line 1: did not find expected key`},
	{name: "key among entries", in: "- a\nb: 1\n", want: `line 1: did not find expected '-' indicator`},
	{name: "key in a deeper sequence", in: "x:\n  - a\n  b: 1\n", want: `line 2: did not find expected '-' indicator`},

	// Flow collections.
	{name: "flow", in: "a: [b, 1, {c: d}, []]\ne: {f: [g], h: {}}\n", want: `[{"a":["b",1,{"c":"d"},[]],"e":{"f":["g"],"h":{}}}]`},
	{name: "flow over lines", in: "a: [b, # c\n  d,\n\n  e\n]\nf: {\n  g: h,\n}\n", want: `[{"a":["b","d","e"],"f":{"g":"h"}}]`},
	{name: "flow values left out", in: "{a, b: , c: 1, d:}\n", want: `[{"a":null,"b":null,"c":1,"d:":null}]`},
	{name: "flow adjacent values", in: "{\"a\":1, 'b':2, c:3}\n", want: `[{"a":1,"b":2,"c:3":null}]`},
	{name: "flow pair in a sequence", in: "[a: 1, \"b\":2, c]\n", want: `[[{"a":1},{"b":2},"c"]]`},
	{name: "flow plain scalars", in: "[http://x, a b, -1, a#b, -x, *]", want: `did not find expected alphabetic or numeric character`},
	{name: "flow plain text", in: "[http://x, a b, -1, a#b, -x, ?y]", want: `[["http://x","a b",-1,"a#b","-x",{"true":null}]]`},
	{name: "flow folded text", in: "[a\n  b,\n c]", want: `[["a b","c"]]`},
	{name: "flow tabs", in: "{\n\t\"a\":\t1,\n\t\"b\": [\n\t\t2\n\t]\n}", want: `[{"a":1,"b":[2]}]`},
	{name: "flow then comment", in: "a: [1] # c\nb: {} # d\n", want: `[{"a":[1],"b":{}}]`},
	{name: "flow never closed", in: "a:\n  b: [1,\n  2\n", want: `line 3: did not find expected ',' or ']'`},
	{name: "flow cut by a marker", in: "a: [1,\n---\n2]\n", want: `line 1: did not find expected node content`},
	{name: "flow wrong bracket", in: "[1}\n", want: `did not find expected ',' or ']'`},
	{name: "flow no comma", in: "{\"a\": 1 \"b\": 2}", want: `did not find expected ',' or '}'`},
	{name: "flow empty entry", in: "[1, , 2]", want: `did not find expected node content`},
	{name: "flow lone dash", in: "[-]", want: `[["-"]]`},
	{name: "flow duplicate", in: "{a: 1,\n a: 2}", want: `[{"a":2}]`},
	{name: "flow key over lines in a sequence", in: "[a\n: 1]", want: `line 1: did not find expected ',' or ']'`},
	{name: "text behind a flow", in: "[1] 2\n", want: `[[1]]`},

	// Plain scalars: types.
	{name: "null", in: "[null, Null, NULL, ~, nULL]", want: `[[null,null,null,null,"nULL"]]`},
	{name: "bool", in: "[true, True, TRUE, false, False, FALSE, tRUE]", want: `[[true,true,true,false,false,false,"tRUE"]]`},
	{name: "1.1's bools", in: "[yes, no, on, off, y, n]", want: `[[true,false,true,false,true,false]]`},
	{name: "integers", in: "[0, -0, +7, -12, 9223372036854775807, -9223372036854775808]",
		want: `[[0,0,7,-12,9223372036854775807,-9223372036854775808]]`},
	{name: "integers in other bases", in: "[0x1F, 0xdeadBEEF, 0o17, 0644, -010, 08, 00]", want: `[[31,3735928559,15,420,-8,8,0]]`},
	{name: "1.1's integers", in: "[0b11, 1_000, +0x1, 0X1]", want: `[[3,1000,1,1]]`},
	{name: "integer beyond 64 bits", in: "[18446744073709551616]", want: `[[18446744073709552000]]`},
	{name: "hex beyond 64 bits", in: "a: 0xffffffffffffffffff", want: `[{"a":"0xffffffffffffffffff"}]`},
	{name: "floats", in: "[1.5, -.5, 1., 1e3, 1.5E-2, +1.0, 6.02e+23]", want: `[[1.5,-0.5,1,1000,0.015,1,6.02e+23]]`},
	{name: "float out of range", in: "a: 1\nb: 1e999", want: `[{"a":1,"b":"1e999"}]`},
	{name: "no JSON form", in: "a: -.Inf", want: `json: unsupported value: -Inf`},
	{name: "not a number", in: "a: .NaN", want: `json: unsupported value: NaN`},
	{name: "nearly numbers", in: "[1.2.3, 1-2, 0x, 0xg, 0o8, 1e, e5, ., +, -, 12:30, 2026-11-23, 10.0.0.1, 5m, 1,2]",
		want: `[["1.2.3","1-2","0x","0xg","0o8","1e","e5",".","+","-","12:30","2026-11-23","10.0.0.1","5m",1,2]]`},
	{name: "texts like numbers", in: "[1.2.3, 1-2, 0x, 0xg, 0o8, 1e, e5, ., +, .e3, 12:30, 2026-11-23, 10.0.0.1, 5m, +-1, .5.]",
		want: `[["1.2.3","1-2","0x","0xg","0o8","1e","e5",".","+",".e3","12:30","2026-11-23","10.0.0.1","5m","+-1",".5."]]`},

	// Plain scalars: texts.
	{name: "colon and hash in text", in: "a: http://x:80/#y\nb: a#b\nc: a:b # d\n", want: `[{"a":"http://x:80/#y","b":"a#b","c":"a:b"}]`},
	{name: "brackets in text", in: "a: b[0], {c}\n", want: `[{"a":"b[0], {c}"}]`},
	{name: "unicode", in: "ключ: значение 漢字 🎉\n", want: `[{"ключ":"значение 漢字 🎉"}]`},
	{name: "folded plain", in: "a: b\n  c\n\n  d\n\n\n  e # x\nf: g\n", want: `[{"a":"b c\nd\n\ne","f":"g"}]`},
	{name: "folded plain with dashes", in: "a: b\n  - c\n  # d\nf: g\n", want: `[{"a":"b - c","f":"g"}]`},
	{name: "folded root", in: "a\nb\n c\n", want: `["a b c"]`},
	{name: "folded with tabs behind the indentation", in: "a: b\n  \tc\n", want: `[{"a":"b c"}]`},
	{name: "text behind a comment", in: "a: b # c\n  d\n", want: `line 1: did not find expected key`},
	{name: "folded sequence entry", in: "- a\n  b\n-  c\n d\n", want: `[["a b","c d"]]`},
	{name: "reserved first characters", in: "a: @b\n", want: `found character that cannot start any token`},
	{name: "percent", in: "a: %b\n", want: `found character that cannot start any token`},
	{name: "backquote", in: "- `b`\n", want: `found character that cannot start any token`},
	{name: "anchor", in: "a: 1\nb: &x 1\n", want: `[{"a":1,"b":1}]`},
	{name: "alias", in: "a: *x\n", want: `unknown anchor 'x' referenced`},
	{name: "tag", in: "a: !!str 1\n", want: `[{"a":"1"}]`},

	// Quotes.
	{name: "single quotes", in: "a: 'it''s \\n # {x}: \"y\"'\n", want: `[{"a":"it's \\n # {x}: \"y\""}]`},
	{name: "empty quotes", in: "['', \"\"]", want: `[["",""]]`},
	{name: "escapes", in: `"\0\a\b\t\n\v\f\r\e\ \"\/\\\N\_\L\P\x41\u263a\U0001F389"`, want: `found unknown escape character`},
	{name: "escaped tab", in: "\"a\\\tb\"", want: `["a\tb"]`},
	{name: "surrogates", in: `["\ud83c\udf89", "\ud83c", "\ud83cx", "\udf89\ud83c"]`, want: `found invalid Unicode character escape code`},
	{name: "quotes keep types away", in: "['1', \"true\", 'null', \"\"]", want: `[["1","true","null",""]]`},
	{name: "folded quotes", in: "a: \"b  \n   c\n\n  d\te\t\n\n\n f\"\nb: 'g \n  h\n\n  i'\n", want: `[{"a":"b c\nd\te\n\nf","b":"g h\ni"}]`},
	{name: "escaped line end", in: "a: \"b \\\n   c\\n\\\n  \\ d\\\n\n  e\"\n", want: `[{"a":"b c\n d\ne"}]`},
	{name: "escaped white space before a line end", in: "\"a\\t \n b\"", want: `["a\t b"]`},
	{name: "quote never closed", in: "a: 1\nb: \"x\n\nc: 2\n", want: `line 5: found unexpected end of stream`},
	{name: "quote cut by a marker", in: "a: 'x\n---\ny'\n", want: `line 2: found unexpected end of stream`},
	{name: "unknown escape", in: `"\q"`, want: `found unknown escape character`},
	{name: "short escape", in: "\n\"\\u12\"", want: `line 2: did not find expected hexdecimal number`},
	{name: "escape beyond unicode", in: `"\U00110000"`, want: `found invalid Unicode character escape code`},
	{name: "quoted key over lines", in: "\"a\n b\": 1\n", want: `line 2: mapping values are not allowed in this context`},
	{name: "second quoted key over lines", in: "x: 1\n\"a\n b\": 1\n", want: `line 3: could not find expected ':'`},

	// Block scalars.
	{name: "literal", in: "a: |\n  b\n   c\n\n  d\ne: 1\n", want: `[{"a":"b\n c\n\nd\n","e":1}]`},
	{name: "literal keeps what looks like YAML", in: "a: |\n  # b\n  c: \"d\n  - e\n", want: `[{"a":"# b\nc: \"d\n- e\n"}]`},
	{name: "strip, clip, keep", in: "- |-\n a\n\n- |\n a\n\n- |+\n a\n\n- b\n", want: `[["a","a\n","a\n\n","b"]]`},
	{name: "empty block scalars", in: "a: |\nb: |-\n\nc: |+\n\n\nd: >\n", want: `[{"a":"","b":"","c":"\n\n","d":""}]`},
	{name: "folded", in: "a: >\n  b\n  c\n\n  d\n    e\n  f\n\n\n  g\n", want: `[{"a":"b c\nd\n  e\nf\n\ng\n"}]`},
	{name: "folded around deeper lines", in: "a: >\n  b\n\n    c\n\n  d\n  \te\n  f\n", want: `[{"a":"b\n\n  c\n\nd\n\te\nf\n"}]`},
	{name: "folded and stripped", in: "a: >-\n  b\n  c\n\n", want: `[{"a":"b c"}]`},
	{name: "indentation indicator", in: "a: |2\n    b\n  c\nd: |1-\n  e\nf:\n- |2\n   g\n", want: `[{"a":"  b\nc\n","d":" e","f":[" g\n"]}]`},
	{name: "indicator both ways", in: "- |-1\n  a\n- >2+\n    b\n\n", want: `[[" a","  b\n\n"]]`},
	{name: "empty lines first", in: "a: |\n\n \n  b\n", want: `[{"a":"\n\nb\n"}]`},
	{name: "white lines inside", in: "a: |\n  b\n    \n  c\n \n", want: `[{"a":"b\n  \nc\n"}]`},
	{name: "comment on the head", in: "a: | # c\n  b\n", want: `[{"a":"b\n"}]`},
	{name: "comment behind", in: "a: |\n  b\n# c\nd: 1\n", want: `[{"a":"b\n","d":1}]`},
	{name: "no final line end in literal", in: "a: |\n  b", want: `[{"a":"b\n"}]`},
	{name: "literal at the root", in: "|\n a\n b\n", want: `["a\nb\n"]`},
	{name: "literal in column 0", in: "--- |\na\n---\nb\n", want: `line 1: invalid Yaml document separator: |`},
	{name: "tab in a literal", in: "a: |\n  \tb\n", want: `line 2: found a tab character where an indentation space is expected`},
	{name: "literal in a compact mapping", in: "- a: |\n    b\n  c: 1\n", want: `[[{"a":"b\n","c":1}]]`},
	{name: "wide empty line", in: "a: |\n    \n  b\n", want: `line 2: did not find expected key`},
	{name: "wrong head", in: "a: |x\n", want: `did not find expected comment or line break`},
	{name: "zero indicator", in: "a: |0\n", want: `found an indentation indicator equal to 0`},
	{name: "text on the head", in: "a: | b\n", want: `did not find expected comment or line break`},
	{name: "less than the indicator", in: "a: |4\n  b\n", want: `line 1: did not find expected key`},
	{name: "block scalar in a flow", in: "[|\n a\n]", want: `found character that cannot start any token`},

	// Tabs and characters.
	{name: "tab indents a key", in: "a:\n\tb: 1\n", want: `line 2: found character that cannot start any token`},
	{name: "tab behind spaces", in: "a:\n  b: 1\n \tc: 1\n", want: `line 3: found a tab character that violates indentation`},
	{name: "tab indents a scalar", in: "a:\n\tb\n", want: `line 2: found character that cannot start any token`},
	{name: "tab behind a dash", in: "-\ta: 1\n", want: `found character that cannot start any token`},
	{name: "tab before the root", in: "\t{\"a\": 1}", want: `[{"a":1}]`},
	{name: "tab before a root mapping", in: "\ta: 1", want: `found character that cannot start any token`},
	{name: "tabs on empty lines", in: "a: 1\n\t\n \t # c\nb: 2\n", want: `line 2: found a tab character that violates indentation`},
	{name: "tab goes on a scalar", in: "a: b\n\tc\n", want: `line 2: found a tab character that violates indentation`},
	{name: "control character", in: "a: 1\nb: \x01\n", want: `control characters are not allowed`},
	{name: "NUL", in: "a: 1\x00\n", want: `control characters are not allowed`},
	{name: "invalid UTF-8", in: "a: 1\n\nb: \xff\n", want: `invalid leading UTF-8 octet`},

	// JSON.
	{name: "JSON", in: `{"a":{"b":[1,-2.5e+3,true,null,"\u00e9\/"]},"c":""}`, want: `[{"a":{"b":[1,-2500,true,null,"é/"]},"c":""}]`},
	{name: "JSON in columns", in: "{\n\"a\"\n:\n1\n}\n", want: `[{"a":1}]`},
	{name: "JSON scalars", in: " \n12\n", want: `[12]`},
}

func TestParseYAML(t *testing.T) {
	for _, tc := range yamlCases {
		t.Run(tc.name, func(t *testing.T) {
			if got := yamlText(ParseYAML([]byte(tc.in))); got != tc.want {
				t.Errorf("parseYAML(%q)\n got %s\nwant %s", tc.in, got, tc.want)
			}
		})
	}
}

// yamlText is the documents as JSON, or the error without its first word.
func yamlText(docs []any, err error) string {
	if err != nil {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if docs == nil {
		docs = []any{}
	}
	if err := enc.Encode(docs); err != nil {
		return "not JSON: " + err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Types are part of the contract: JSON does not tell 1 from 1.0.
func TestYAMLTypes(t *testing.T) {
	got, err := ParseYAML([]byte("[a, true, 1, 1.0, ~, 18446744073709551615, [], {}]"))
	want := []any{[]any{"a", true, int64(1), int64(1), nil, float64(18446744073709551615), []any{}, map[string]any{}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v; want %#v", got, err, want)
	}
}

func TestYAMLDepth(t *testing.T) {
	nests := map[string]func(n int) string{
		"flow sequences": func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) },
		"flow mappings":  func(n int) string { return strings.Repeat("{a: ", n) + strings.Repeat("}", n) },
		"dashes":         func(n int) string { return strings.Repeat("- ", n) },
		"keys": func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
			}
			return b.String()
		},
	}
	for name, nest := range nests {
		if _, err := ParseYAML([]byte(nest(MaxDepth))); err != nil {
			t.Errorf("%s: %d deep: %v", name, MaxDepth, err)
		}
		_, err := ParseYAML([]byte(nest(MaxDepth + 1)))
		if err == nil || !strings.Contains(err.Error(), "exceeded max depth") {
			t.Errorf("%s: %d deep: got %v, want a refusal", name, MaxDepth+1, err)
		}
		// Depth is given back: siblings do not add up.
		if _, err := ParseYAML([]byte(strings.Repeat("- "+strings.Repeat("[", 50)+strings.Repeat("]", 50)+"\n", 3))); err != nil {
			t.Errorf("siblings: %v", err)
		}
	}
}

// yamlGrowing are texts of a length that make careless readers quadratic.
var yamlGrowing = map[string]func(n int) string{
	"open brackets":  func(n int) string { return strings.Repeat("[", n) },
	"spaces":         func(n int) string { return strings.Repeat(" ", n) },
	"empty lines":    func(n int) string { return "a: b" + strings.Repeat("\n", n) + "c: d" },
	"nested ends":    func(n int) string { return strings.Repeat("- ", 99) + "a" + strings.Repeat("\n", n) + "- b" },
	"white lines":    func(n int) string { return "a: |\n  b\n" + strings.Repeat(" \n", n/2) },
	"folded words":   func(n int) string { return "a: b" + strings.Repeat("\n c", n/3) },
	"folded quotes":  func(n int) string { return `"` + strings.Repeat("a \n", n/3) + `"` },
	"trailing space": func(n int) string { return `"` + strings.Repeat(" ", n) + "\n\"" },
	"spaced text":    func(n int) string { return "a: " + strings.Repeat("b ", n/2) },
	"comments":       func(n int) string { return strings.Repeat("#\n", n/2) },
	"markers":        func(n int) string { return strings.Repeat("---\n", n/4) },
	"keys":           func(n int) string { return strings.Repeat("a", n) + ": b" },
	"entries":        func(n int) string { return strings.Repeat("- a\n", n/4) },
	"flow entries":   func(n int) string { return "[" + strings.Repeat("a,", n/2) + "]" },
	"escapes":        func(n int) string { return `"` + strings.Repeat(`\n`, n/2) + `"` },
	"carriage":       func(n int) string { return "a: |\n" + strings.Repeat(" b\r", n/3) },
}

// A text 32 times as long may take some 32 times as long; a quadratic reader needs a thousand times.
func TestYAMLIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	for name, grow := range yamlGrowing {
		t.Run(name, func(t *testing.T) {
			best := func(n int) time.Duration {
				text := []byte(grow(n))
				least := time.Hour
				for range 5 {
					start := time.Now()
					ParseYAML(text)
					least = min(least, time.Since(start))
				}
				return least
			}
			small, large := best(1<<13), best(1<<18)
			if large > 400*small && large > 50*time.Millisecond {
				t.Errorf("%v for 8 KiB, %v for 256 KiB", small, large)
			}
		})
	}
}

// FuzzYAML: no input panics; what is read can be encoded as JSON and as YAML, which reads back as
// the same value; JSON objects read as encoding/json reads them.
func FuzzYAML(f *testing.F) {
	for _, tc := range yamlCases {
		f.Add([]byte(tc.in))
	}
	for _, tc := range yamlNodeCases {
		f.Add([]byte(tc.in))
	}
	for _, rows := range yamlTables {
		for _, row := range rows {
			f.Add([]byte(row.in))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ParseYAMLObject(data)
		docs, err := ParseYAML(data)
		object := json.Valid(data) && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
		if err != nil {
			if object && !strings.Contains(err.Error(), "max depth") && !strings.Contains(err.Error(), "cannot unmarshal number") {
				t.Fatalf("parseYAML(%q): %v, but it is JSON", data, err)
			}
			return
		}
		b, err := json.Marshal(docs)
		if err != nil {
			t.Fatalf("parseYAML(%q): %v", data, err)
		}
		for _, doc := range docs {
			checkYAMLReads(t, doc)
		}
		if object {
			var got, want any
			json.Unmarshal(b, &got)
			json.Unmarshal(data, &want)
			if list := got.([]any); len(list) != 1 || !reflect.DeepEqual(list[0], want) {
				t.Fatalf("parseYAML(%q) = %s, encoding/json has %v", data, b, want)
			}
		}
	})
}

// yamlManifests returns a stream of n small documents, as a file of manifests has them.
func yamlManifests(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%d
  labels: {app: web, tier: "front end"} # both
  annotations:
    note: 'it''s a note'
    text: |
      first line
      second line
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: web
        image: nginx:1.27
        args: ["--port=80", --quiet]
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
`, i)
	}
	return b.Bytes()
}

// TestYAMLMemory: a stream costs some times its size, however many documents are in it.
func TestYAMLMemory(t *testing.T) {
	for _, n := range []int{10, 1000} {
		text := yamlManifests(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		docs, err := ParseYAML(text)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err != nil || len(docs) != n || used > 20*uint64(len(text)) {
			t.Errorf("%d documents of %d bytes: %d bytes (%v)", len(docs), len(text), used, err)
		}
	}
}

func BenchmarkParseYAML(b *testing.B) {
	entry := "- level: Metadata\n  verbs: [get, list]\n  resources:\n  - group: \"\"\n    resources:\n    - pods/log\n"
	for name, text := range map[string][]byte{
		"one": []byte(strings.Repeat(entry, 10_000)), "stream": yamlManifests(2000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseYAML(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
