package fieldset

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestElementOrder has elements in their order; each is compared with all others.
func TestElementOrder(t *testing.T) {
	order := []Element{
		{}, Field(""), Field("B"), Field("a"), Field("a.b"), Field("ä"),
		Key(`{}`), Key(`{"a":-1}`), Key(`{"a":2}`), Key(`{"a":2,"b":1}`), Key(`{"a":2,"b":"x"}`), Key(`{"a":10}`), Key(`{"a":""}`), Key(`{"a":"10"}`),
		Key(`{"a":"2"}`), Key(`{"a":"2\""}`), Key(`{"a":false}`), Key(`{"a":true}`), Key(`{"a":null}`), Key(`{"a!":1}`), Key(`{"b":1}`),
		Value(int64(-5)), Value(0.5), Value(int64(2)), Value(int64(10)), Value(1e21), Value(""), Value("10"), Value("a\n"), Value("a b"), Value("ä"), Value(false), Value(true),
		Value([]any{}), Value(map[string]any{}), Value(nil),
		Index(-1), Index(2), Index(10),
	}
	for i, a := range order {
		for j, b := range order {
			if got := a.Compare(b); got != sign(i-j) {
				t.Errorf("%v beside %v: %d, want %d", a, b, got, sign(i-j))
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestElementText(t *testing.T) {
	for want, e := range map[string]Element{
		"*": {}, ".spec": Field("spec"), ".a.b/c": Field("a.b/c"), ".": Field(""), "[0]": Index(0), "[-1]": Index(-1),
		`[="x"]`: Value("x"), `[=80]`: Value(int64(80)), `[=1.5]`: Value(1.5), `[=true]`: Value(true), `[=null]`: Value(nil), `[=0]`: Value(negativeZero()),
		`[=1e+06]`: Value(int64(1000000)), `[="\"\n\u2028<"]`: Value("\"\n\u2028<"), `[name="a"]`: Key(`{"name":"a"}`),
		`[a="x,]",b=2,c=null]`: Key(`{"a":"x,]","b":2,"c":null}`), `[]`: Key(`{}`),
	} {
		if got := e.String(); got != want {
			t.Errorf("%q %d is shown as %s, want %s", e.Text(), e.Kind(), got, want)
		}
	}
	if e := Field("a"); e.Kind() != FieldKind || e.Text() != "a" || e == Value("a") || e != Field("a") {
		t.Error("elements are told apart by kind and text")
	}
}

// TestKeyThatIsNone gives what is no key to Key, which promises nothing of it but that it does not panic.
func TestKeyThatIsNone(t *testing.T) {
	texts := []string{"", "x", "{", `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":}`, `{"a":]`, `{"a":"`, `{"a":"\`, `{"a":1,`, `{"a":1,"b"`, `{"a":{"b":[1`, `[1]`}
	for _, text := range texts {
		_ = Key(text).String()
		for _, other := range texts {
			if c := Key(text).Compare(Key(other)); text == other && c != 0 {
				t.Errorf("%s differs from itself", text)
			}
		}
		_ = New(Path{Key(text)}).AppendJSON(nil)
	}
}

func negativeZero() float64 { z := 0.0; return -z }

// TestSameValue checks that what is the same value has the same element, whatever its type.
func TestSameValue(t *testing.T) {
	for _, same := range [][]any{{int64(1), 1.0}, {0.0, negativeZero(), int64(0)}, {int64(1 << 40), float64(1 << 40)}} {
		for _, v := range same[1:] {
			if Value(v) != Value(same[0]) {
				t.Errorf("%v and %v: %v", same[0], v, Value(v))
			}
			key := func(v any) Element {
				e, err := KeyOf(map[string]any{"a": v}, []string{"a"}, nil)
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			if key(v) != key(same[0]) {
				t.Errorf("%v and %v: %v", same[0], v, key(v))
			}
		}
	}
}

// portPlace has a default for protocol.
type portPlace struct{ testPlace }

func (p *portPlace) Field(name string) (Schema, bool) {
	if name == "protocol" {
		return tcp{anyPlace}, true
	}
	return p.testPlace.Field(name)
}

type tcp struct{ Schema }

func (tcp) Default() any { return "TCP" }

func TestKeyOf(t *testing.T) {
	ports, names := []string{"port", "protocol"}, []string{"name"}
	port := &portPlace{testPlace{Atom{Map: Granular}}}
	for _, c := range []struct {
		item  string
		keys  []string
		items Schema
		want  string
	}{
		{`{"name":"a","x":1}`, names, anyPlace, `{"name":"a"}`},
		{`{"name":null}`, names, anyPlace, `{"name":null}`},
		{`{"name":"ä\"<"}`, names, anyPlace, `{"name":"ä\"\u003c"}`},
		{`{"port":80,"protocol":"UDP"}`, ports, port, `{"port":80,"protocol":"UDP"}`},
		{`{"port":80}`, ports, port, `{"port":80,"protocol":"TCP"}`},
		{`{}`, ports, port, `{"protocol":"TCP"}`},
		{`{"port":8e1}`, ports, anyPlace, `{"port":80}`},
		{`{"z":1,"a":true,"m":2.5}`, []string{"z", "m", "a"}, anyPlace, `{"a":true,"m":2.5,"z":1}`},
		{`{"a":1}`, []string{"a", "a"}, anyPlace, `{"a":1,"a":1}`},
		{`"x"`, nil, nil, `"x"`},
		{`1.50`, nil, nil, `1.5`},
		{`true`, nil, nil, `true`},
	} {
		item, _, err := tree.ParseJSON([]byte(c.item))
		if err != nil {
			t.Fatal(err)
		}
		e, err := KeyOf(item, c.keys, c.items)
		if err != nil || e.Text() != c.want || (e.Kind() == KeyKind) != (c.keys != nil) {
			t.Errorf("%s by %v is %v %v, want %s", c.item, c.keys, e, err, c.want)
		}
	}
	for _, c := range []struct {
		item  any
		keys  []string
		items Schema
		want  string
	}{
		{map[string]any{}, names, anyPlace, `associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)`},
		{map[string]any{}, ports, anyPlace, `omits all key fields ["port" "protocol"]`},
		{nil, names, anyPlace, "associative list with keys may not have a null element"},
		{"a", names, anyPlace, "associative list with keys may not have non-map elements"},
		{[]any{}, names, anyPlace, "associative list with keys may not have non-map elements"},
		{map[string]any{}, names, &testPlace{Atom{Scalar: Text}}, "couldn't find default value for name: associative list may not have non-map types"},
		{map[string]any{}, names, &testPlace{Atom{Map: Granular, Untold: true}}, "omits all key fields"},
		{map[string]any{}, nil, nil, "associative list without keys has an element that's a map type"},
		{[]any{}, nil, nil, "not supported: associative list with lists as elements"},
		{nil, nil, nil, "associative list without keys has an element that's an explicit null"},
	} {
		if e, err := KeyOf(c.item, c.keys, c.items); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v by %v is %v %v, want %s", c.item, c.keys, e, err, c.want)
		}
	}
}

func TestPaths(t *testing.T) {
	p := Path{Field("spec"), Key(`{"name":"a]b,c\"d"}`), Value("x"), Index(3), Key(`{"port":80,"protocol":"TCP"}`), Field("a.b/c"), Value(true)}
	if got, want := p.String(), `.spec[name="a]b,c\"d"][="x"][3][port=80,protocol="TCP"].a.b/c[=true]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := (Path{}).String(); got != "" {
		t.Error(got)
	}
	if !slices.Equal(Fields("a", "b"), Path{Field("a"), Field("b")}) {
		t.Error(Fields("a", "b"))
	}
}
