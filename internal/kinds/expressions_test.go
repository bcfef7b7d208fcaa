package kinds

import (
	"testing"
)

// TestExpressions: what each expression of a cell shows of an object, of one without the field, and of
// values of other sorts.
func TestExpressions(t *testing.T) {
	for _, c := range []struct {
		cell, in string
		want     any
	}{
		{"int(a.b)", `{"a":{"b":3}}`, int64(3)},
		{"int(a.b)", `{"a":{"b":"3"}}`, int64(0)},
		{"int(a.b)", `{}`, int64(0)},
		{"bool(a)", `{"a":true}`, true},
		{"bool(a)", `{}`, false},
		{"bool(a|true)", `{}`, true},
		{"bool(a|true)", `{"a":false}`, false},
		{"bool(a|true)", `{"a":"false"}`, true},
		{"join(a)", `{"a":["x","y"]}`, "x,y"},
		{"join(a)", `{}`, ""},
		{"join(a|<none>)", `{"a":[]}`, "<none>"},
		{"join(a.b|<none>)", `{"a":{"b":["x"]}}`, "x"},
		{"each(a,n)", `{"a":[{"n":"x"},{"n":"y"}]}`, "x,y"},
		{"each(a,n)", `{"a":[{"n":"x"},3,{}]}`, "x,,"},
		{"each(a,n)", `{}`, ""},
		{"count(a,b)", `{"a":[1],"b":{"c":1,"d":2}}`, int64(3)},
		{"labels(a)", `{"a":{"k":"v"}}`, "k=v"},
		{"selector(s)", `{}`, "<none>"},
		{"selector(s)", `{"s":{}}`, "<none>"},
		{"selector(s)", `{"s":{"matchLabels":{"b":"1","a":"2"}}}`, "a=2,b=1"},
		{"selector(s)", `{"s":{"matchLabels":{"b":"1"},"matchExpressions":[{"key":"c","operator":"In","values":["y","x"]},` +
			`{"key":"a","operator":"NotIn","values":["z"]},{"key":"d","operator":"Exists"},{"key":"e","operator":"DoesNotExist"},{"key":"f","operator":"Odd"}]}}`,
			"a notin (z),b=1,c in (x,y),d,!e"},
		{"selector(s)", `{"s":[1]}`, "<none>"},
		{"nobodyKnows", `{}`, ""},
	} {
		cell, err := parseCell(c.cell)
		if err != nil {
			t.Errorf("%s: %v", c.cell, err)
		} else if got := cell(objectForTest(t, c.in)); got != c.want {
			t.Errorf("%s of %s: got %v, want %v", c.cell, c.in, got, c.want)
		}
	}
	for _, wrong := range []string{"int(a,b)", "each(a)", "selector(a,b)", "int(a", "what(a)"} {
		if _, err := parseCell(wrong); err == nil {
			t.Errorf("%s is a cell", wrong)
		}
	}
}
