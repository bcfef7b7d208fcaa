package tree

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// jsonCases are texts, and what ParseJSON makes of them or the error.
var jsonCases = []struct {
	name, in string
	want     any
	err      string
}{
	{name: "null", in: "null", want: nil},
	{name: "true", in: " true\n", want: true},
	{name: "false", in: "\tfalse\r\n", want: false},
	{name: "text", in: `"a b"`, want: "a b"},
	{name: "no text", in: `""`, want: ""},
	{name: "integer", in: "12", want: int64(12)},
	{name: "zero", in: "0", want: int64(0)},
	{name: "negative", in: "-7", want: int64(-7)},
	{name: "negative zero", in: "-0", want: int64(0)},
	{name: "largest", in: "9223372036854775807", want: int64(math.MaxInt64)},
	{name: "smallest", in: "-9223372036854775808", want: int64(math.MinInt64)},
	{name: "beyond int64", in: "9223372036854775808", want: float64(9223372036854775808)},
	{name: "fraction", in: "1.50", want: 1.5},
	{name: "whole fraction", in: "2.0", want: 2.0},
	{name: "exponent", in: "1e3", want: 1000.0},
	{name: "signed exponent", in: "-1.5E-3", want: -0.0015},
	{name: "underflow", in: "1e-999", want: 0.0},
	{name: "empty", in: "{}", want: map[string]any{}},
	{name: "empty list", in: "[ ]", want: []any{}},
	{name: "nested", in: ` { "a" : [ 1 , { "b" : null } , "x" ] } `,
		want: map[string]any{"a": []any{int64(1), map[string]any{"b": nil}, "x"}}},
	{name: "last of a key", in: `{"a":1,"a":2}`, want: map[string]any{"a": int64(2)}},
	{name: "escapes", in: `"\"\\\/\b\f\n\r\t"`, want: "\"\\/\b\f\n\r\t"},
	{name: "unicode escapes", in: `"\u0041\u00e9\u20AC\ud83d\ude00"`, want: "Aé€😀"},
	{name: "lone high surrogate", in: `"\ud83dx"`, want: "\ufffdx"},
	{name: "lone low surrogate", in: `"\ude00"`, want: "\ufffd"},
	{name: "high twice", in: `"\ud83d\ud83d\ude00"`, want: "\ufffd😀"},
	{name: "high and a letter", in: `"\ud83d\u0041"`, want: "\ufffdA"},
	{name: "raw text beyond ASCII", in: `"aé€😀"`, want: "aé€😀"},
	{name: "invalid UTF-8", in: "\"a\xff\xfe\xe2\x82b\"", want: "a\ufffd\ufffd\ufffd\ufffdb"},
	{name: "invalid UTF-8 after an escape", in: "\"\\n\xff\xfe\"", want: "\n\ufffd\ufffd"},
	{name: "escaped key", in: `{"\u0061":1}`, want: map[string]any{"a": int64(1)}},

	{name: "nothing", in: "", err: "unexpected end of JSON input"},
	{name: "white space", in: " \n", err: "unexpected end of JSON input"},
	{name: "open object", in: `{"a":1`, err: "unexpected end of JSON input"},
	{name: "open list", in: `[1,`, err: "unexpected end of JSON input"},
	{name: "open text", in: `"abc`, err: "unexpected end of JSON input"},
	{name: "open long text", in: `"abcdefghijklmnop`, err: "unexpected end of JSON input"},
	{name: "open escape", in: `"abc\`, err: "unexpected end of JSON input"},
	{name: "open unicode escape", in: `"\u00`, err: "unexpected end of JSON input"},
	{name: "open literal", in: `tru`, err: "unexpected end of JSON input"},
	{name: "wrong literal", in: `trux`, err: "invalid character 'x' in literal true (expecting 'e')"},
	{name: "two values", in: `1 2`, err: "invalid character '2' after top-level value"},
	{name: "no value", in: `x`, err: "invalid character 'x' looking for beginning of value"},
	{name: "quote mark", in: `'a'`, err: `invalid character '\'' looking for beginning of value`},
	{name: "comma at the end of a list", in: `[1,]`, err: "invalid character ']' looking for beginning of value"},
	{name: "comma at the end of an object", in: `{"a":1,}`, err: "invalid character '}' looking for beginning of object key string"},
	{name: "no key", in: `{1:2}`, err: "invalid character '1' looking for beginning of object key string"},
	{name: "no colon", in: `{"a" 1}`, err: "invalid character '1' after object key"},
	{name: "no comma", in: `{"a":1 "b":2}`, err: `invalid character '"' after object key:value pair`},
	{name: "no comma in a list", in: `[1 2]`, err: "invalid character '2' after array element"},
	{name: "line end in text", in: "\"a\nb\"", err: `invalid character '\n' in string literal`},
	{name: "control in long text", in: "\"abcdefgh\x01ijklmnop\"", err: `invalid character '\x01' in string literal`},
	{name: "unknown escape", in: `"\x"`, err: "invalid character 'x' in string escape code"},
	{name: "no hex", in: `"\u00g0"`, err: `invalid character 'g' in \u hexadecimal character escape`},
	{name: "no hex in the second half", in: `"\ud83d\u00g0"`, err: `invalid character 'g' in \u hexadecimal character escape`},
	{name: "leading zero", in: "01", err: "invalid character '1' after top-level value"},
	{name: "plus", in: "+1", err: "invalid character '+' looking for beginning of value"},
	{name: "only a sign", in: "-x", err: "invalid character 'x' in numeric literal"},
	{name: "no fraction", in: "1.", err: "unexpected end of JSON input"},
	{name: "no exponent", in: "1e}", err: "invalid character '}' in numeric literal"},
	{name: "too large", in: "1e999", err: "json: cannot unmarshal number 1e999 into Go value of type float64"},
	{name: "too large and long", in: strings.Repeat("9", 400), err: "json: cannot unmarshal number " + strings.Repeat("9",
		40) + "... into Go value of type float64"},
	{name: "too deep", in: strings.Repeat("[", MaxDepth+1), err: "exceeded max depth of 1000"},
}

func TestParseJSON(t *testing.T) {
	for _, tc := range jsonCases {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := ParseJSON([]byte(tc.in))
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("got %v and error %v, want error %s", got, err, tc.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Fatalf("got %#v (%v), want %#v", got, err, tc.want)
			}
		})
	}
}

// As deep as is allowed, and siblings do not add up.
func TestParseJSONDepth(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth-1) + strings.Repeat("{},", 50) + "{}" + strings.Repeat("]", MaxDepth-1)
	if _, _, err := ParseJSON([]byte(deep)); err != nil {
		t.Error(err)
	}
	wide := "[" + strings.Repeat("[{}],", 2*MaxDepth) + "[]]"
	if _, _, err := ParseJSON([]byte(wide)); err != nil {
		t.Error(err)
	}
}

func TestParseJSONRepeatedKeys(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{`{"a":1,"b":2}`, nil},
		{`{"a":1,"a":2}`, []string{"a"}},
		{`{"a":1,"a":2,"a":3}`, []string{"a", "a"}},
		{`{"a":{"x":1},"b":{"x":1}}`, nil},
		{`{"spec":{"items":[{"size":1},{"size":1,"size":2}],"n":1,"n":2},"spec":{}}`, []string{"spec.items[1].size", "spec.n", "spec"}},
		{`{"a":null,"a":[[{"b":1,"\u0062":2}]]}`, []string{"a", "a[0][0].b"}},
		{`[{"a":1,"a":2}]`, []string{"[0].a"}},
	} {
		if _, got, err := ParseJSON([]byte(tc.in)); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %q (%v), want %q", tc.in, got, err, tc.want)
		}
	}
	many := "{" + strings.Repeat(`"a":1,`, 1000) + `"b":1}`
	if _, got, err := ParseJSON([]byte(many)); err != nil || len(got) != 100 {
		t.Errorf("%d paths (%v), want the first 100", len(got), err)
	}
}

func TestParseJSONObject(t *testing.T) {
	for in, want := range map[string]string{
		`null`: "null", `true`: "bool", `"a"`: "string", `[]`: "array", `1`: "number", `1.5`: "number",
	} {
		_, _, err := ParseJSONObject([]byte(in))
		if want := "json: cannot unmarshal " + want + " into Go value of type map[string]interface {}"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	if o, repeated, err := ParseJSONObject([]byte(`{"a":1,"a":2}`)); err != nil || o["a"] != int64(2) || len(repeated) != 1 {
		t.Errorf("%v %q %v", o, repeated, err)
	}
	if _, _, err := ParseJSONObject([]byte(`{`)); err != errJSONEnd {
		t.Error(err)
	}
}

// What is parsed must not change with the bytes it came from.
func TestParseJSONKeepsNothing(t *testing.T) {
	data := []byte(`{"name":"value"}`)
	v, _, _ := ParseJSON(data)
	for i := range data {
		data[i] = 'x'
	}
	if !reflect.DeepEqual(v, map[string]any{"name": "value"}) {
		t.Error(v)
	}
}

func TestAppendJSON(t *testing.T) {
	var many []any
	wide := map[string]any{}
	for _, c := range "zyxwvutsrqponmlkjihgfedcba" {
		many = append(many, string(c))
		wide[string(c)] = int64(c)
	}
	for _, v := range []any{
		nil, true, false, "", "plain", int64(0), int64(math.MinInt64), int64(math.MaxInt64),
		0.0, math.Copysign(0, -1), 1.5, 1e20, 1e21, 1e-6, 1e-7, 123456789e-15, math.MaxFloat64, math.SmallestNonzeroFloat64,
		"<a href='x'>&</a>", "\"\\\b\f\n\r\t\x00\x1f\x7f", "é€😀", "\u2028 \u2029 \u2027", "a\xff\xfeb\xe2\x82", "12345678<", "1234567\"8",
		"12345678é\x80abcdefgh",
		[]any{}, map[string]any{}, many, wide,
		map[string]any{"b": []any{int64(1), nil, map[string]any{"x<": "y"}}, "a": "z", "": false},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendJSON([]byte("x"), v); string(got) != "x"+string(want) {
			t.Errorf("%#v: got %s, want x%s", v, got, want)
		}
	}
	for _, tc := range []struct {
		v    any
		want string
	}{
		{3, "3"}, {[]string{"b", "a"}, `["b","a"]`}, {[]string{}, "[]"}, {math.NaN(), "null"}, {math.Inf(1), "null"}, {struct{}{}, "null"},
	} {
		if got := string(AppendJSON(nil, tc.v)); got != tc.want {
			t.Errorf("%#v: got %s, want %s", tc.v, got, tc.want)
		}
	}
}

func TestMembers(t *testing.T) {
	v, _, _ := ParseJSON([]byte(`{"a":{"b":"c","l":[1],"n":null},"s":"t"}`))
	if Text(v, "a", "b") != "c" || Text(v, "a") != "" || Text(v, "s", "t") != "" || Text(nil, "a") != "" {
		t.Error("textAt")
	}
	if len(Object(v, "a")) != 3 || Object(v, "s") != nil || Object(v, "a", "l") != nil {
		t.Error("objectAt")
	}
	if len(List(v, "a", "l")) != 1 || List(v, "a") != nil {
		t.Error("listAt")
	}
	if At(v, "a", "n") != nil || At(v, "a", "l") == nil || !reflect.DeepEqual(At(v), v) {
		t.Error("member")
	}
	o := map[string]any{"s": "t"}
	Set(o, int64(1), "a", "b")
	Set(o, int64(2), "a", "c")
	Set(o, int64(3), "s", "x")
	if want := `{"a":{"b":1,"c":2},"s":{"x":3}}`; string(AppendJSON(nil, o)) != want {
		t.Errorf("got %s, want %s", AppendJSON(nil, o), want)
	}
}

func TestDeepCopyAndEqual(t *testing.T) {
	v, _, _ := ParseJSON([]byte(`{"a":{"b":[1,{"c":2.5}]},"d":"e","f":null}`))
	w := Copy(v)
	if !Equal(v, w) || !reflect.DeepEqual(v, w) {
		t.Fatalf("%v is not %v", w, v)
	}
	Set(w.(map[string]any), "x", "a", "b")
	List(v, "a", "b")[1].(map[string]any)["c"] = int64(3)
	if Equal(v, w) || Text(w, "a", "b") != "x" {
		t.Error("the copy shares something")
	}
	for _, tc := range []struct {
		a, b any
		want bool
	}{
		{int64(1), 1.0, true}, {1.0, int64(1), true}, {int64(1), 1.5, false}, {1.5, int64(1), false}, {int64(1), "1", false}, {nil, nil, true},
		{nil, false, false}, {[]any{}, nil, false}, {nil, []any{}, false}, {"a", map[string]any{}, false}, {int64(1), []any{}, false},
		{map[string]any{"a": nil}, map[string]any{"b": nil}, false}, {[]any{int64(1)}, []any{1.0}, true}, {[]any{int64(1)}, []any{}, false},
		{map[string]any{}, []any{}, false},
	} {
		if got := Equal(tc.a, tc.b); got != tc.want {
			t.Errorf("deepEqual(%v, %v) = %v", tc.a, tc.b, got)
		}
	}
}

// stdJSON is what encoding/json makes of a text, with numbers as ParseJSON has them.
func stdJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if !json.Valid(data) {
		return nil, errJSONEnd
	}
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return stdNumbers(v)
}

func stdNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && !strings.ContainsAny(string(v), ".eE") {
			return n, nil
		}
		return v.Float64()
	case map[string]any:
		for k, e := range v {
			if v[k], err = stdNumbers(e); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, e := range v {
			if v[i], err = stdNumbers(e); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// FuzzJSON: ParseJSON takes what encoding/json takes and gives the same value; AppendJSON
// writes it as json.Marshal does, and that reads back as the value.
func FuzzJSON(f *testing.F) {
	for _, tc := range jsonCases {
		f.Add([]byte(tc.in))
	}
	f.Add([]byte(configMapJSON))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, repeated, err := ParseJSON(data)
		want, wantErr := stdJSON(data)
		if err != nil {
			if wantErr == nil && !strings.Contains(err.Error(), "max depth") {
				t.Fatalf("%q: %v, but it is JSON", data, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("%q: got %#v, but it is no JSON: %v", data, got, wantErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, want %#v", data, got, want)
		}
		for _, path := range repeated {
			if path == "" && !bytes.Contains(data, []byte(`""`)) {
				t.Fatalf("%q: a key without a path is repeated", data)
			}
		}
		text := AppendJSON(nil, got)
		if std, _ := json.Marshal(got); !bytes.Equal(text, std) {
			t.Fatalf("%q: wrote %s, encoding/json has %s", data, text, std)
		}
		again, repeated, err := ParseJSON(text)
		if err != nil || repeated != nil || !Equal(again, got) {
			t.Fatalf("%q: wrote %s, read again %#v (%v)", data, text, again, err)
		}
	})
}

// configMapJSON is 1.2 KB, as an object of a small cluster has it.
const configMapJSON = `{"apiVersion":"v1","data":{"application.properties":"` +
	`server.port=8080\nserver.host=0.0.0.0\nlog.level=info\nlog.format=json\n` +
	`cache.size=1024\ncache.ttl=300s\nfeature.a=true\nfeature.b=false\n",` +
	`"banner":"welcome to the service; please read the manual before you ask for help, and then ask in the channel of the team",` +
	`"endpoint":"https://api.example.com/v1/things?limit=100","mode":"production","region":"eu-central-1","retries":"5","timeout":"30s"},` +
	`"kind":"ConfigMap","metadata":{"annotations":{` +
	`"example.com/checksum":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","example.com/owner":"team-a"},` +
	`"creationTimestamp":"2024-05-01T12:00:00Z","labels":{"app.kubernetes.io/name":"service",` +
	`"app.kubernetes.io/part-of":"platform","tier":"backend"},` +
	`"managedFields":[{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:banner":{},"f:endpoint":{},` +
	`"f:mode":{}}},"manager":"kubectl-create","operation":"Update","time":"2024-05-01T12:00:00Z"}],` +
	`"name":"service-config","namespace":"default","resourceVersion":"123456","uid":"7b0c2f0e-52a7-4b8e-9d3c-0f1f6f9a1f11"}}`

func BenchmarkJSON(b *testing.B) {
	data := []byte(configMapJSON)
	v, _, err := ParseJSON(data)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			ParseJSON(data)
		}
	})
	b.Run("parse encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var v any
			json.Unmarshal(data, &v)
		}
	})
	buf := make([]byte, 0, 2*len(data))
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			buf = AppendJSON(buf[:0], v)
		}
	})
	b.Run("append encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			json.Marshal(v)
		}
	})
}
