package cel_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

func sized(t *cel.Type, most uint64) *cel.Type {
	n := *t
	n.Max = most
	return &n
}

// pet is the schema that testdata/answers.txt is about.
func pet() *cel.Type {
	tag := &cel.Type{Kind: cel.Object, Name: "Pet.tags.@idx", Fields: map[string]*cel.Field{
		"k": {Key: "k", Type: sized(cel.StringType, 63)}, "n": {Key: "n", Type: sized(cel.IntType, 0)}}}
	return &cel.Type{Kind: cel.Object, Name: "Pet", Fields: map[string]*cel.Field{
		"a": {Key: "a", Type: sized(cel.StringType, 100)}, "b": {Key: "b", Type: sized(cel.IntType, 0)},
		"c": {Key: "c", Type: sized(cel.TimestampType, 32)}, "d": {Key: "d", Type: sized(cel.ListOf(tag), 10)},
		"e": {Key: "e", Type: sized(cel.MapOf(sized(cel.StringType, 0), sized(cel.StringType, 20)), 8)},
		"f": {Key: "f", Type: cel.ListOf(sized(cel.StringType, 50))}, "g": {Key: "g", Type: sized(cel.DynType, 0)},
		"h": {Key: "h", Type: sized(cel.BoolType, 0)}, "i": {Key: "i", Type: sized(cel.DoubleType, 0)},
	}}
}

// answer returns what is known of an expression, as the file has it: its type and cost, or its faults without the lines that show them.
func answer(env *cel.Env, text string) string {
	c, err := env.Check(text)
	var faults *syntax.Faults
	if errors.As(err, &faults) {
		var lines []string
		for line := range strings.SplitSeq(faults.Error(), "\n") {
			if !strings.HasPrefix(line, " | ") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "\n\t")
	}
	cost := c.Estimate()
	return fmt.Sprintf("%s, cost %d to %d", c.Type(), cost.Min, cost.Max)
}

// TestAnswers compares types, costs and faults of some hundred expressions with those that upstream gives for them: interop/cel, where
// upstream is at hand, has written the file and holds it against upstream.
func TestAnswers(t *testing.T) {
	b, err := os.ReadFile("testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	self := pet()
	env := kubernetes().With([]cel.Variable{{Name: "self", Type: self}, {Name: "oldSelf", Type: cel.OptionalOf(self)}}, []*cel.Type{self})
	rows := strings.Split("\n"+strings.TrimSuffix(string(b), "\n"), "\n(")[1:]
	for _, row := range rows {
		text, want, _ := strings.Cut("("+row, "\n\t")
		if got := answer(env, text); got != want {
			t.Errorf("%s\n%s\nnot\n%s", text, got, want)
		}
	}
	if len(rows) < 300 {
		t.Errorf("%d rows are left", len(rows))
	}
}
