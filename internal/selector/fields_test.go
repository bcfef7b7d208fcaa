package selector

import (
	"fmt"
	"testing"
)

// TestSelectedName: the name that a selector asks for before anybody parsed it.
func TestSelectedName(t *testing.T) {
	for _, tc := range []struct {
		selector, name string
		ok             bool
	}{
		{"", "", false},
		{",,", "", false},
		{"metadata.name=a", "a", true},
		{"metadata.name==a", "a", true},
		{"metadata.name=", "", true}, // the name "" is asked for, which nothing has
		{"metadata.name!=a", "", false},
		{"metadata.namespace=a", "", false},
		{"metadata.name=a,metadata.name=b", "a", true}, // the first counts; nothing is selected
		{"metadata.name!=a,metadata.name=b", "b", true},
		{",spec.x=y,,metadata.name=a,", "a", true},
		{`metadata.name=a\,b`, "a,b", true},
		{`metadata.name=a\=b\\`, `a=b\`, true},
		{`spec.x=\,metadata.name\=a`, "", false}, // one value, and no second term
		// A wrong term spoils the selector, in front of the name and behind it.
		{"metadata.name=a,x", "", false},
		{"x,metadata.name=a", "", false},
		{`metadata.name=a,spec.x=b\c`, "", false},
		{`metadata.name=a\`, "", false},
		{"metadata.name=a=b", "", false},
		{"metadata.name===a", "", false},
		{"metadata.name!==a", "", false},
	} {
		name, ok := SelectedName(tc.selector)
		if ok != tc.ok || ok && name != tc.name {
			t.Errorf("%q: got %q, %t, want %q, %t", tc.selector, name, ok, tc.name, tc.ok)
		}
		// Where it names an object, so does the parsed selector; it is false for all others.
		f, err := ParseFields(tc.selector)
		if ok != (err == nil && hasName(f)) {
			t.Errorf("%q: %t, but parsed it is %q (%v)", tc.selector, ok, f.String(), err)
		}
	}
	plain := "metadata.name=web-0,status.phase!=Failed"
	if n := testing.AllocsPerRun(100, func() { SelectedName(plain) }); n != 0 {
		t.Errorf("%v allocations for a selector without a backslash", n)
	}
}

func hasName(f Fields) bool {
	_, ok := f.Name()
	return ok
}

func ExampleParseLabels() {
	l, err := ParseLabels("env in (prod, test),!canary , tier = web")
	fmt.Println(l, err)
	fmt.Println(l.Matches(map[string]string{"env": "prod", "tier": "web"}))
	fmt.Println(l.Matches(map[string]string{"env": "prod", "tier": "web", "canary": ""}))
	// Output:
	// !canary,env in (prod,test),tier=web <nil>
	// true
	// false
}
