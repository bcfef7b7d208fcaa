package cel

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// chain returns an expression within comprehensions over nothing, whose variables are maps of the one before.
func chain(name string, n int, within string) string {
	for i := n - 1; i >= 0; i-- {
		if i > 0 {
			within = fmt.Sprintf("{%s%d: %s%d} == %s%d && %s", name, i-1, name, i-1, name, i, within)
		}
		within = fmt.Sprintf("[].all(%s%d, %s)", name, i, within)
	}
	return within
}

// TestTypesStaySmall shows that no short text makes types that fill the memory or take long to compare.
func TestTypesStaySmall(t *testing.T) {
	env := standardEnv(t).With([]Variable{{"d", DynType}, {"l", ListOf(DynType)}}, nil)
	double := strings.Repeat(".map(a, {a: a})", 40)
	for name, text := range map[string]string{
		"known":    "[1]" + double,
		"free":     "[]" + double,
		"compared": "[]" + double + " == [1]" + double,
		"lists":    "[]" + strings.Repeat(".map(a, [[a], [a]])", 60),
		"bound":    "[" + strings.Repeat("[].map(a, {a: a}).map(a, {a: a}).map(a, {a: a}), ", 40) + "[]]",
		"two":      chain("x", 30, chain("y", 30, "x29 == y29")),
		"deep":     strings.Repeat("[", 90) + strings.Repeat("]", 90) + " == " + strings.Repeat("[", 90) + strings.Repeat("]", 90),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c, err := env.Check(text)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if err == nil && len(c.Type().String()) > 1<<20 {
				t.Error("the type has no end")
			}
			if err != nil && !strings.Contains(err.Error(), "too large") && !strings.Contains(err.Error(), "recursion") {
				t.Errorf("%.300s", err)
			}
		})
	}
}
