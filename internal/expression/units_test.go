package expression

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/cel"
)

// holds evaluates an expression of a unit in a run and returns "true", "false", or what is said in their place.
func holds(run *Run, e *Expression) string {
	result, _, err := run.Evaluate(e, Budget)
	switch {
	case err != nil:
		return err.Error()
	case result.Err != nil:
		return result.Err.Error()
	}
	return fmt.Sprint(result.Value.Bool())
}

// TestRunsApart: what variables are belongs to one run: the next one computes them anew, of its own input. A variable that fails is not
// tried again in a run either.
func TestRunsApart(t *testing.T) {
	u := NewUnit(true)
	u.Variable("may", "authorizer.path('/a').check('get').allowed()", all, false)
	u.Variable("fails", "authorizer.path('/b').check('get').allowed() && object.nope", all, false)
	u.Variable("name", "object.metadata.name", all, false)
	may, fails := u.Compile("variables.may && variables.may", all, false), u.Compile("variables.fails", all, false)
	name := u.Compile("variables.name == 'endpoints1'", all, false)
	d := &deciding{says: auth.Decision{Verdict: auth.Allow}}
	const failed = `expression 'variables.fails' resulted in error: composited variable "fails" fails to evaluate: no such key: nope`
	for i := range 3 {
		in := pods(t, d)
		wantName := "true"
		if i == 1 {
			in.Object = parse(t, `{"metadata":{"name":"other"}}`)
			wantName = "false"
		}
		run := u.Run(t.Context(), in)
		for range 2 {
			for _, c := range []struct {
				e    *Expression
				want string
			}{{may, "true"}, {fails, failed}, {name, wantName}} {
				if got := holds(run, c.e); got != c.want {
					t.Errorf("run %d: %s, want %s", i, got, c.want)
				}
			}
		}
		// Each thing is asked once a run.
		if len(d.got) != 2*(i+1) {
			t.Errorf("run %d: asked %q", i, d.got)
		}
	}
}

// TestRunsConcurrent: a unit may be evaluated by any number of goroutines, each with a run of its own.
func TestRunsConcurrent(t *testing.T) {
	u := NewUnit(true)
	u.Variable("n", "object.n", all, false)
	u.Variable("double", "variables.n + variables.n", all, false)
	e := u.Compile("variables.double == params.n * 2 && request.name == string(params.n)", all, false, cel.BoolType)
	var running sync.WaitGroup
	for i := range 16 {
		running.Go(func() {
			for j := range 20 {
				n := int64(i*100 + j)
				in := &Input{
					Object: map[string]any{"n": n}, Params: map[string]any{"n": n},
					Request: func() map[string]any { return map[string]any{"name": fmt.Sprint(n)} },
				}
				if got := holds(u.Run(t.Context(), in), e); got != "true" {
					t.Errorf("%d: %s", n, got)
					return
				}
			}
		})
	}
	running.Wait()
}

// TestRequestAsked: what a request is, is put together when an expression names it first, and once a run, however many look.
func TestRequestAsked(t *testing.T) {
	for _, c := range []struct {
		text  string
		asked int
	}{
		{"object == null", 0},
		{"true || request.name == 'x'", 0},
		{"has(request.name)", 1},
		{"request.name == 'x' && request.operation == 'CREATE'", 1},
	} {
		n := 0
		in := &Input{Request: func() map[string]any {
			n++
			return map[string]any{"name": "x", "operation": "CREATE"}
		}}
		u := NewUnit(false)
		if got := holds(u.Run(t.Context(), in), u.Compile(c.text, all, false)); got != "true" || n != c.asked {
			t.Errorf("%s: %s, put together %d times, want %d", c.text, got, n, c.asked)
		}
	}
}

// TestDeclared: what expressions may name is what their place declares, and nothing else.
func TestDeclared(t *testing.T) {
	for _, c := range []struct {
		text    string
		d       Declared
		missing string // "" if it compiles
	}{
		{"object == oldObject", Declared{}, ""},
		{"request.operation == '' && namespaceObject == null", Declared{}, ""},
		{"params == null", Declared{}, "params"},
		{"params == null", Declared{Params: true}, ""},
		{"authorizer.path('/').check('get').allowed()", Declared{}, "authorizer"},
		{"authorizer.requestResource.check('get').allowed()", Declared{Authorizer: true}, ""},
		{"Object{} == Object{}", Declared{}, "Object"},
		{"Object{} == Object{}", Declared{Patches: true}, ""},
		{"JSONPatch{op: 'a'}.op == 'a'", Declared{Patches: true}, ""},
		{"jsonpatch.escapeKey('a/b') == 'a~1b'", Declared{Patches: true}, ""},
		{"self == null", Declared{Params: true, Authorizer: true, Patches: true}, "self"},
		{"device.driver == ''", Declared{Params: true, Authorizer: true, Patches: true}, "device"},
	} {
		said := fault(NewUnit(true).Compile(c.text, c.d, false, cel.BoolType).Fault)
		if c.missing == "" && said != "" || !strings.Contains(said, "undeclared reference to '"+c.missing) && c.missing != "" {
			t.Errorf("%s with %+v: %s, want %q missing", c.text, c.d, said, c.missing)
		}
	}
}

// TestDeviceFaults: what is wrong with an expression about a device, and what a good one may cost: more if it looks at more, and for what
// is bounded by the sizes of devices never more than there may be in one.
func TestDeviceFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>'",
		"device":                          "must evaluate to bool or the unknown type, not kubernetes.DRADevice",
		"device.driver":                   "must evaluate to bool or the unknown type, not string",
		"device.capacity['d'].memory":     "must evaluate to bool or the unknown type, not kubernetes.Quantity",
		"device.attributes":               "must evaluate to bool or the unknown type, not map(string, map(string, any))",
		"device.name == 'a'":              "compilation failed: ERROR: <input>:1:7: undefined field 'name'",
		"object == null":                  "compilation failed: ERROR: <input>:1:1: undeclared reference to 'object'",
		"device.driver == 1":              "found no matching overload for '_==_' applied to '(string, int)'",
		"device.driver.matches('(')":      "invalid matches argument",
		"device.capacity['d'].memory > 1": "found no matching overload for '_>_' applied to '(kubernetes.Quantity, int)'",
	} {
		if f, most := CompileDevice(text); f == nil || !strings.Contains(f.Detail, want) || most != 0 {
			t.Errorf("%q: %v, costs %d, want %s", text, f, most, want)
		}
	}
	last := uint64(0)
	for _, text := range []string{
		"true",
		"device.driver == 'd'",
		"device.driver == 'd' && device.attributes['d'].model == 'm'",
		"device.attributes.all(d, d != 'x')",
		"device.attributes.all(d, device.attributes[d].all(a, a != 'x'))",
		"device.attributes.all(d, device.attributes[d].all(a, device.capacity.all(e, e != a)))",
	} {
		f, most := CompileDevice(text)
		if f != nil || text != "true" && most <= last {
			t.Errorf("%s: %v, costs %d, the one before it %d", text, f, most, last)
		}
		last = most
	}
}
