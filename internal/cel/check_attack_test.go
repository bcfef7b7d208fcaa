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

// TestLongTexts shows that the time for an expression grows with its length, at the greatest that is read.
func TestLongTexts(t *testing.T) {
	env := standardEnv(t).With([]Variable{{"x", DynType}, {"m", OptionalOf(IntType)}}, nil)
	for name, text := range map[string]string{
		"and":       "true" + strings.Repeat(" && true", 12000),
		"list":      "[1" + strings.Repeat(", 1", 32000) + "]",
		"lists":     "[[]" + strings.Repeat(", []", 24000) + "]",
		"optional":  "[?m" + strings.Repeat(", ?m", 24000) + "]",
		"map":       "{1: []" + strings.Repeat(", 1: []", 12000) + "}",
		"missing":   "[y" + strings.Repeat(", y", 32000) + "]",
		"mixed":     "[1" + strings.Repeat(", 'a', [1]", 9000) + "]",
		"selects":   "[" + strings.Repeat("x"+strings.Repeat(".x", 200)+", ", 200) + "x]",
		"missed":    "[" + strings.Repeat("y"+strings.Repeat(".x", 200)+", ", 200) + "x]",
		"equal":     "[" + strings.Repeat("[] == [], ", 9000) + "true]",
		"generic":   "[" + strings.Repeat("x[x] in x, ", 8000) + "true]",
		"patterns":  "[" + strings.Repeat("'a'.matches('(a|b)*c'), ", 4000) + "true]",
		"durations": "[" + strings.Repeat("duration('x'), ", 6000) + "duration('1s')]",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c, err := env.Check(text)
			if err == nil {
				c.Estimate()
			} else if len(err.Error()) > 1<<25 {
				t.Errorf("the text of the faults has %d bytes", len(err.Error()))
			}
			took := time.Since(start)
			if t.Log(took); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
