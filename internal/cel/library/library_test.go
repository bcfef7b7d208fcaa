package library

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/cel"
)

func Example() {
	env := cel.NewEnv(cel.Options{Libraries: New(), Optionals: true, Homogeneous: true, Literals: true})
	checked, err := env.Check("quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && cidr('10.0.0.0/8').containsIP('10.1.2.3')")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := checked.Program()
	if err != nil {
		fmt.Println(err)
		return
	}
	value, cost := program.Eval(nil, cel.Limit{Cost: 1_000_000})
	fmt.Println(checked.Type(), value, cost)
	// Output: bool true 6
}

// TestNewAndStored: what is new in 1.37 is for what is stored alone.
func TestNewAndStored(t *testing.T) {
	for _, c := range []struct {
		libraries []*cel.Library
		ok        bool
	}{{New(), false}, {Stored(), true}} {
		if v, _ := eval(testEnv(c.libraries), "[1, 2].includes(2)"); v.Bool() != c.ok {
			t.Errorf("includes is %v, want %v", v, c.ok)
		}
		// Everything else is in both.
		for _, e := range []string{"[3, 1].sort() == [1, 3]", "semver('v1.2', true).minor() == 2", "[1].all(i, v, v > i)", "optional.of(1).hasValue()"} {
			if v, _ := eval(testEnv(c.libraries), e); !v.Bool() {
				t.Errorf("%s is %v", e, v)
			}
		}
	}
}

// TestRows: every overload has an ID of its own and can be called, but for those of optionals that the evaluator knows.
func TestRows(t *testing.T) {
	lazy := "_?._ _[?_] _[_] or orValue"
	seen := map[string]string{}
	for _, l := range append(Stored(), JSONPatch()) {
		if l.Name == "stdlib" {
			continue
		}
		for _, f := range l.Functions {
			for _, o := range f.Overloads {
				if other := seen[o.ID]; other != "" {
					t.Errorf("%s is an overload of %s and of %s", o.ID, other, f.Name)
				}
				seen[o.ID] = f.Name
				can := o.Unary != nil || o.Binary != nil || o.Call != nil || f.Unary != nil || f.Binary != nil
				if can == strings.Contains(lazy, f.Name) && f.Name != "value" {
					t.Errorf("%s can be called: %t", o.ID, can)
				}
			}
		}
	}
	if len(seen) < 150 {
		t.Errorf("there are %d overloads", len(seen))
	}
}

// TestChecks: an authorizer gets all that an expression says, and what it answers comes back.
func TestChecks(t *testing.T) {
	env := testEnv(New())
	for expression, want := range map[string]string{
		"authorizer.group('g').resource('r').subresource('s').namespace('ns').name('n').check('get').reason()": `"g|r|s|ns|n|get||"`,
		"authorizer.path('/x').check('post').allowed()":                                                        "false",
		"authorizer.serviceAccount('a', 'b').path('/x').check('post').reason()":                                `"|||||post|/x|system:serviceaccount:a:b"`,
		"authorizer.path('/x').check('broken').error()":                                                        `"no answer: |||||broken|/x|"`,
		"authorizer.path('/x').check('broken').errored()":                                                      "true",
		"authorizer.path('/x').check('get').error()":                                                           `""`,
		"authorizer.path('').check('get').allowed()":                                                           "error: path must not be empty",
		"authorizer.group('').resource(' ')":                                                                   "error: resource must not be empty",
		"authorizer.serviceAccount('A', 'b').path('/')":                                                        "error: Invalid service account namespace",
		"authorizer.serviceAccount('a', 'B_').path('/')":                                                       "error: Invalid service account name",
		"authorizer == authorizer":                                                                             "error: no such overload",
	} {
		if v, _ := eval(env, expression); text(v) != want {
			t.Errorf("%s is %s, want %s", expression, text(v), want)
		}
	}
	// A check costs so much that there are two of them, and a third is out of budget.
	check := "authorizer.path('/x').check('get').allowed()"
	if v, cost := eval(env, check+" && "+check); !v.Bool() || cost != 700006 {
		t.Errorf("two checks: %v for %d", v, cost)
	}
	if v, _ := eval(env, check+" && "+check+" && "+check); v.Err() != cel.ErrBudget {
		t.Errorf("three checks: %v", v)
	}
}
