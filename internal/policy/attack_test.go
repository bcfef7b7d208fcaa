package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// burning is an expression that spends all that a call may.
const burning = `[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2,3,4,5,6,7,8,9].all(e, [0,1,2,3,4,5,6,7,8,9].all(f, a + b + c + d + e + f >= 0))))))`

// question returns a question about a new config map of the namespace default.
func (s *judged) question() api.Admission {
	a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationCreate, apitest.MapObject("m"), nil)
	a.Namespace, a.Name = "default", "m"
	return a
}

// isTimeout reports whether an error is upstream's answer to a request whose time is over.
func isTimeout(err error) bool {
	var e *status.Error
	return errors.As(err, &e) && e.Code == http.StatusGatewayTimeout
}

// TestBurning: policies that spend all that they may, a thousand of them, are given no more time than the request has. Nothing of what they
// have begun goes on.
func TestBurning(t *testing.T) {
	s := start(t)
	validations := `{"validations":[` + strings.TrimSuffix(strings.Repeat(`{"expression":"`+burning+`"},`, 12), ",") + `]}`
	s.fill(t, 1000, "CREATE:/v1/configmaps", validations, `{"validationActions":["Warn"]}`)
	s.p.Bootstrapped()
	for _, c := range []struct {
		what  string
		limit time.Duration
	}{{"a request of 200ms", 200 * time.Millisecond}, {"a client that is gone", 0}} {
		ctx, cancel := context.WithTimeout(t.Context(), c.limit)
		begun := time.Now()
		err := s.p.Validate(ctx, s.question())
		cancel()
		// On a machine with nothing else to do it is a few milliseconds.
		if over := time.Since(begun) - c.limit; !isTimeout(err) || over > 5*time.Second {
			t.Errorf("%s: %v after %v", c.what, err, over)
		}
	}
}

// TestOneBurning: what one policy costs at most, whatever it says. Its conditions, validations and annotations have a budget each.
func TestOneBurning(t *testing.T) {
	s := start(t)
	list := strings.TrimSuffix(strings.Repeat(`{"expression":"`+burning+`"},`, 100), ",")
	annotations := make([]string, 20)
	for i := range annotations {
		annotations[i] = fmt.Sprintf(`{"key":"k%d","valueExpression":"string(%s)"}`, i, burning)
	}
	s.fill(t, 1, "CREATE:/v1/configmaps", `{"validations":[`+list+`],"auditAnnotations":[`+strings.Join(annotations, ",")+`]}`, `{}`)
	s.p.Bootstrapped()
	err := s.p.Validate(t.Context(), s.question())
	if err == nil || !strings.HasSuffix(err.Error(), "validation failed due to running out of cost budget, no further validation rules will be run") {
		t.Error(err)
	}
}

// TestDoubling: variables that double each other end by the budget, in bounded memory.
func TestDoubling(t *testing.T) {
	s := start(t)
	for _, first := range []string{"'0123456789abcdef'", "b'0123456789abcdef'", "[1, 2, 3, 4]"} {
		variables := []string{`{"name":"v0","expression":"` + first + `"}`}
		for i := 1; i < 60; i++ {
			variables = append(variables, fmt.Sprintf(`{"name":"v%d","expression":"variables.v%d + variables.v%d"}`, i, i-1, i-1))
		}
		obj := apitest.PolicyOf("p", "CREATE:/v1/configmaps", `{"variables":[`+strings.Join(variables, ",")+`],"validations":[{"expression":"variables.v59 == variables.v58"}]}`)
		s.Must(201, "POST", policiesPath, obj)
		s.Must(201, "POST", bindingsPath, apitest.BindingOf("p", "p", "{}"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.Must(422, "POST", apitest.MapsPath, apitest.MapObject("m"))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%s: %d MiB", first, used>>20)
		}
		s.unput()
	}
}

// TestManyParams: a thousand objects of parameters are a thousand evaluations, and no more is kept of them than of a few.
func TestManyParams(t *testing.T) {
	s := start(t)
	const many = mostSeen + 500
	for i := range many {
		name := fmt.Sprintf("p%05d", i)
		obj := apitest.MapObject(name, map[string]any{"labels": map[string]any{"is": "param"}, "namespace": "default"})
		s.keep(t, "configmaps", "default/"+name, obj)
	}
	s.put("p", `{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},"validations":[{"expression":"object.metadata.name != params.metadata.name","messageExpression":"params.metadata.name + ' is taken'"}]}`,
		`{"paramRef":{"selector":{"matchLabels":{"is":"param"}},"parameterNotFoundAction":"Deny"}}`)
	for _, name := range []string{"m", "p04000", "m"} {
		code, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject(name))
		if want := map[string]int{"m": 201, "p04000": 422}[name]; code != want {
			t.Errorf("%s: %d %s", name, code, tree.Text(got, "message"))
		}
	}
	if n := len(s.p.seen.all); n > mostSeen {
		t.Errorf("%d objects are kept", n)
	}
}

// TestDeepObjects: an object of any depth that is taken is judged.
func TestDeepObjects(t *testing.T) {
	s := start(t)
	s.put("p", `{"validations":[{"expression":"object == object && string(object.metadata.annotations.a).size() > 0"}]}`, "{}")
	obj := apitest.MapObject("m", map[string]any{"annotations": map[string]any{"a": strings.Repeat("x", 200<<10)}})
	s.Must(201, "POST", apitest.MapsPath, obj)
}
