package library

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/cel"
)

// rights answers as the one does with which the table was made: nobody may but a service account.
type rights struct{}

func (rights) Authorize(a Attributes) (bool, string, error) {
	account := ""
	if a.ServiceAccount != "" {
		account = "system:serviceaccount:" + a.AccountNamespace + ":" + a.ServiceAccount
	}
	text := strings.Join([]string{a.Group, a.Resource, a.Subresource, a.Namespace, a.Name, a.Verb, a.Path, account}, "|")
	if strings.Contains(text, "broken") {
		return false, "", errors.New("no answer: " + text)
	}
	return account != "" || a.Verb == "get", text, nil
}

// testEnv has the libraries, an authorizer, and x, which can be anything.
func testEnv(libraries []*cel.Library) *cel.Env {
	env := cel.NewEnv(cel.Options{Libraries: append(libraries, JSONPatch()), Optionals: true, Homogeneous: true, Literals: true})
	return env.With([]cel.Variable{{Name: "authorizer", Type: AuthorizerType}, {Name: "x", Type: cel.DynType}}, nil).Measured(nil, "")
}

// testVariables are the values of its variables.
func testVariables() []cel.Value {
	x := map[string]any{"list": []any{int64(3), int64(1), int64(2)}, "text": "a1b22c", "empty": []any{}}
	return []cel.Value{AuthorizerValue(rights{}), cel.Of(x, nil)}
}

// budget is what Kubernetes lets one expression cost.
const budget = 1_000_000

// eval returns the value of an expression, or what is wrong with it as an error, and the cost.
func eval(env *cel.Env, expression string) (cel.Value, uint64) {
	c, err := env.Check(expression)
	if err != nil {
		return cel.Fail(err), 0
	}
	p, err := c.Program()
	if err != nil {
		return cel.Failf("program: %v", err), 0
	}
	return p.Eval(testVariables(), cel.Limit{Cost: budget})
}

// text returns a value as a text that tells all of it.
func text(v cel.Value) string {
	switch v.Kind() {
	case cel.Error:
		return "error: " + v.Err().Error()
	case cel.Null:
		return "null"
	case cel.Bool, cel.Int:
		return v.String()
	case cel.Uint:
		return v.String() + "u"
	case cel.Double:
		if f := v.Double(); f == 0 && math.Signbit(f) {
			return "-0.0"
		}
		return strconv.FormatFloat(v.Double(), 'e', -1, 64)
	case cel.String:
		return strconv.Quote(v.Str())
	case cel.Bytes:
		return "b" + strconv.Quote(string(v.Bytes()))
	case cel.Timestamp:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case cel.Duration:
		return v.Duration().String()
	case cel.TypeKind:
		return "type " + v.String()
	case cel.List:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = text(v.At(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case cel.Map:
		var entries []string
		v.Entries(func(k, e cel.Value) bool {
			entries = append(entries, text(k)+": "+text(e))
			return true
		})
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	}
	if o, ok := v.Optional(); ok {
		return "some(" + text(o) + ")"
	} else if v.IsOptional() {
		return "none"
	}
	if s, ok := v.Ref().(fmt.Stringer); ok {
		return v.Type().TypeName() + " " + s.String()
	}
	return v.Type().TypeName()
}

// TestUpstream holds what cel-go says, in the environment of kube-apiserver, of the expressions of upstream's tests and of many more:
// type and static cost, or what is wrong; value or error; run-time cost. interop/cel wrote the table and compares more than it has.
func TestUpstream(t *testing.T) {
	file, err := os.Open("testdata/upstream.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env := testEnv(Stored())
	rows, bad := 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); rows++ {
		var expression, checked, result, was, is string
		var cost int64
		if err := json.Unmarshal(lines.Bytes(), &[]any{&expression, &checked, &result, &cost}); err != nil {
			t.Fatal(err)
		}
		was, is = fmt.Sprint(checked, result, cost), ""
		c, err := env.Check(expression)
		if err != nil {
			is = fmt.Sprint(err, "", -1)
		} else if low := c.Estimate(); true {
			is = fmt.Sprintf("%s, cost %d to %d", c.Type(), low.Min, low.Max)
			if p, err := c.Program(); err != nil {
				is += fmt.Sprint("program: "+err.Error(), -1)
			} else {
				v, cost := p.Eval(testVariables(), cel.Limit{Cost: budget})
				is += fmt.Sprint(text(v), cost)
			}
		}
		if was != is {
			if bad++; bad <= 10 {
				t.Errorf("%s\nupstream: %s\nours:     %s", expression, was, is)
			}
		}
	}
	if rows < 2000 {
		t.Errorf("only %d rows", rows)
	}
}
