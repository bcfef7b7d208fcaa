package admin

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCheckObjectAtEveryDepth: keys are compared as they are meant, not as they are
// written, and only with those of their own object; the message has the path.
func TestCheckObjectAtEveryDepth(t *testing.T) {
	nested := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for _, c := range []struct{ body, want string }{
		{`{}`, ""},
		{` {"a" : 1 , "b" : [ ] } `, ""},
		{`{"a":{"a":{"a":1}}}`, ""},
		{`{"a":[{"x":1},{"x":1}]}`, ""},
		{`{"a":{"unknown":{"further":"in"}}}`, ""},
		{`{"a":"}","b":"{"}`, ""},
		{`{"a":1,"a":1}`, `the key "a" is there twice`},
		{`{"a":1,"\u0061":2}`, `the key "a" is there twice`},
		{`{"a":{"b":1,"c":2,"b":3}}`, `the key "a.b" is there twice`},
		{`{"a":[0,[{"x":1,"x":1}]]}`, `the key "a[1][0].x" is there twice`},
		{`{"A":1}`, `unknown key "A": known are a, b`},
		{`{"":1}`, `unknown key "": known are a, b`},
		{`{"a\u0000":1}`, "unknown key \"a\\x00\": known are a, b"},
		{nested(maxBodyDepth), ""},
		{nested(maxBodyDepth + 1), "the body nests deeper than 100"},
		{`{"a":`, "the body is not JSON: unexpected EOF"},
		{`{"a"`, "the body is not JSON: unexpected EOF"},
		{`{"a":[1,`, "the body is not JSON: unexpected EOF"},
		{`{"a":[1`, "the body is not JSON: unexpected EOF"},
		{`{"a":1,}`, "the body is not JSON: "},
		{`{"a":01}`, "the body is not JSON: "},
		{`{"a":1e999}`, "the body is not JSON: "},
		{`{'a':1}`, "the body is not JSON: "},
		{`{"a":1}x`, "the body goes on after its JSON object"},
		{`{"a":1},`, "the body goes on after its JSON object"},
		{``, "the body is not a JSON object"},
		{`null`, "the body is not a JSON object"},
		{`"a"`, "the body is not a JSON object"},
		{`[{"a":1}]`, "the body is not a JSON object"},
		{"\ufeff{}", "the body is not a JSON object"},
	} {
		err := checkObject([]byte(c.body), "a", "b")
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%.60s: %v", c.body, err)
		case c.want != "" && (err == nil || err.Code != 400 || !strings.HasPrefix(err.Message, c.want)):
			t.Errorf("%.60s: %v, want %q", c.body, err, c.want)
		}
	}
}

// countKeys counts the keys of a value that encoding/json has read.
func countKeys(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, in := range v {
			n += 1 + countKeys(in)
		}
	case []any:
		for _, in := range v {
			n += countKeys(in)
		}
	}
	return n
}

// FuzzCheckObject: what is taken is JSON to encoding/json too, and has as many keys there
// as are written; what encoding/json does not read is refused.
func FuzzCheckObject(f *testing.F) {
	for _, s := range []string{
		`{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":[{"c":1,"c":2}]}}`, `{`, `{}{}`, `[`, `{"a":"\ud800","a":"\udc00"}`, `{"a":1e400}`, `{"b":[[[[]]]]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		refused := checkObject([]byte(body), "a", "b")
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			if refused == nil {
				t.Fatalf("%q is taken, but %v", body, err)
			}
			return
		}
		object, isObject := v.(map[string]any)
		if !isObject {
			if refused == nil {
				t.Fatalf("%q is no object", body)
			}
			return
		}
		for key := range object {
			if refused == nil && key != "a" && key != "b" {
				t.Fatalf("%q has the key %q", body, key)
			}
		}
		// A colon outside of strings follows each key that is written.
		written, inString := 0, false
		for i := 0; i < len(body); i++ {
			switch {
			case inString && body[i] == '\\':
				i++
			case body[i] == '"':
				inString = !inString
			case !inString && body[i] == ':':
				written++
			}
		}
		if refused == nil && countKeys(v) != written {
			t.Fatalf("%q: %d keys are left of %d", body, countKeys(v), written)
		}
		if refused != nil && strings.Contains(refused.Message, "twice") && countKeys(v) == written {
			t.Fatalf("%q: %v, but %d keys are different", body, refused, written)
		}
	})
}

// one is the value of a key k, as a body has it.
func one(t testing.TB, value string) values {
	t.Helper()
	v, err := parseBody([]byte(`{"k":`+value+`}`), "k")
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return v
}

// TestValues: each type with its bounds, what counts as no value, and the cause of what is
// wrong.
func TestValues(t *testing.T) {
	boolean := func(v values) any { return v.boolean("k") }
	text := func(v values) any { return v.text("k", 3) }
	number := func(v values) any { n, ok := v.number("k", 0.5, 2); return fmt.Sprint(n, ok) }
	integer := func(v values) any { n, ok := v.integer("k", -1, 5); return fmt.Sprint(n, ok) }
	lifetime := func(v values) any { return v.lifetime("k") }
	for _, c := range []struct {
		take   func(values) any
		value  string
		want   any
		reason string // of the cause; empty: nothing is wrong
		says   string // the message
	}{
		{boolean, `true`, true, "", ""},
		{boolean, `null`, false, "", ""},
		{boolean, `"true"`, false, fieldTypeInvalid, "must be true or false"},
		{boolean, `1`, false, fieldTypeInvalid, "must be true or false"},
		{text, `"abc"`, "abc", "", ""},
		{text, `"öäü"`, "öäü", "", ""},
		{text, `null`, "", "", ""},
		{text, `"abcd"`, "abcd", fieldTooLong, "must be of at most 3 characters"},
		{text, `5`, "", fieldTypeInvalid, "must be a text"},
		{number, `0.5`, "0.5 true", "", ""},
		{number, `2`, "2 true", "", ""},
		{number, `2e0`, "2 true", "", ""},
		{number, `null`, "0 false", "", ""},
		{number, `0.49`, "0 false", fieldInvalid, "must be from 0.5 to 2, is 0.49"},
		{number, `2.01`, "0 false", fieldInvalid, "must be from 0.5 to 2, is 2.01"},
		{number, `"1"`, "0 false", fieldTypeInvalid, "must be a number"},
		{integer, `-1`, "-1 true", "", ""},
		{integer, `5`, "5 true", "", ""},
		{integer, `0`, "0 true", "", ""},
		{integer, `-2`, "0 false", fieldInvalid, "must be from -1 to 5, is -2"},
		{integer, `6`, "0 false", fieldInvalid, "must be from -1 to 5, is 6"},
		{integer, `1.5`, "0 false", fieldTypeInvalid, "must be a whole number"},
		{integer, `1.0`, "0 false", fieldTypeInvalid, "must be a whole number"},
		{integer, `9223372036854775808`, "0 false", fieldTypeInvalid, "must be a whole number"},
		{lifetime, `null`, 10 * time.Minute, "", ""},
		{lifetime, `"24h"`, 24 * time.Hour, "", ""},
		{lifetime, `"1ns"`, time.Nanosecond, "", ""},
		{lifetime, `"24h0m0.000000001s"`, 24*time.Hour + 1, fieldInvalid, "must be above 0 and at most 24h0m0s, is 24h0m0.000000001s"},
		{lifetime, `"0"`, time.Duration(0), fieldInvalid, "must be above 0 and at most 24h0m0s, is 0s"},
		{lifetime, `"-1m"`, -time.Minute, fieldInvalid, "must be above 0 and at most 24h0m0s, is -1m0s"},
		{lifetime, `"1d"`, time.Duration(0), fieldInvalid, `must be a duration, such as "10m", is "1d"`},
		{lifetime, `600`, time.Duration(0), fieldTypeInvalid, `must be a duration, such as "10m"`},
	} {
		v := one(t, c.value)
		if got := c.take(v); got != c.want {
			t.Errorf("%s: %v, want %v", c.value, got, c.want)
		}
		refused := v.problems.refusal()
		if c.reason == "" {
			if refused != nil {
				t.Errorf("%s: %v", c.value, refused)
			}
			continue
		}
		want := []Cause{{c.reason, c.says, "k"}}
		if refused == nil || refused.Code != 422 || refused.Reason != "Invalid" || !reflect.DeepEqual(refused.Causes, want) ||
			refused.Message != "the body is invalid: k: "+c.says {
			t.Errorf("%s: %+v, want %v", c.value, refused, want)
		}
	}
}

// TestValuesOfObjects: objects, lists of them and matches share the problems of the body,
// each with its whole path, in the order in which they are taken.
func TestValuesOfObjects(t *testing.T) {
	body := `{"a":{"n":"x"},"list":[{"n":1},5,{"n":true,"m":{"user":["u",null],"verb":[],"path":["/"]}}]}`
	v, err := parseBody([]byte(body), "a", "list")
	if err != nil {
		t.Fatal(err)
	}
	v.object("a", "n").integer("n", 0, 9)
	rows := v.objects("list", "n", "m")
	if len(rows) != 2 {
		t.Fatalf("%d objects are taken, want 2", len(rows))
	}
	for _, row := range rows {
		row.integer("n", 0, 9)
	}
	if m := rows[1].match("m"); !reflect.DeepEqual(m, Match{"path": {"/"}}) {
		t.Errorf("the match is %v", m)
	}
	want := []Cause{
		{fieldTypeInvalid, "must be a whole number", "a.n"},
		{fieldTypeInvalid, "must be an object", "list[1]"},
		{fieldTypeInvalid, "must be a whole number", "list[2].n"},
		{fieldTypeInvalid, "must be a list of texts", "list[2].m.user"},
		{fieldRequired, "must have at least one value", "list[2].m.verb"},
	}
	if got := v.problems.refusal(); !reflect.DeepEqual(got.Causes, want) {
		t.Errorf("\n got %v\nwant %v", got.Causes, want)
	}
	// A key that is not known comes before all of that, and only the first of them is told.
	v.object("list", "n")
	v.objects("list", "m")
	v.objects("list", "n")
	if got := v.problems.refusal(); got.Code != 400 || got.Message != `unknown key "list[0].n": known are m` || got.Causes != nil {
		t.Errorf("%+v", got)
	}
}

// TestLongRefusals: many causes are all there, while the message is cut.
func TestLongRefusals(t *testing.T) {
	v := one(t, "1")
	for range 500 {
		v.report(strings.Repeat("k", 300), fieldInvalid, "must be %s", "shorter")
	}
	got := v.problems.refusal()
	if len(got.Causes) != 500 || len(got.Causes[0].Field) != 256 || len(got.Message) != 1024 || !strings.HasPrefix(got.Message, "the body is invalid: kkk") {
		t.Errorf("%d causes, field of %d bytes, message of %d", len(got.Causes), len(got.Causes[0].Field), len(got.Message))
	}
	if none := one(t, "1").problems.refusal(); none != nil {
		t.Errorf("nothing is wrong, but %v", none)
	}
}

// TestMatchInAndOut: what a match is sent as is what it is shown as, for any keys and
// values, and its text has every value.
func TestMatchInAndOut(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	texts := []string{"", "*", "alice", "x*", "é\"\\", "a,b", " ", "\u2028"}
	for n := range 2000 {
		sent := Match{}
		for _, key := range matchKeys {
			for range r.IntN(3) {
				sent[key] = append(sent[key], texts[r.IntN(len(texts))])
			}
		}
		b, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		v := one(t, string(b))
		got := v.match("k")
		if refused := v.problems.refusal(); refused != nil || !reflect.DeepEqual(got, sent) {
			t.Fatalf("seed %d, %d: %s is read as %v, %v", seed, n, b, got, refused)
		}
		text := got.String()
		if len(sent) == 0 && text != "all" {
			t.Errorf("%s is called %q", b, text)
		}
		for key, values := range sent {
			if !strings.Contains(" "+text, " "+key+"="+strings.Join(values, ",")) {
				t.Errorf("%q lacks %s=%q", text, key, values)
			}
		}
	}
}
