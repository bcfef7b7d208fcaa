package cel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	ours "apichain/internal/cel"
)

// answersFile is what upstream says of expressions over a pet: the tests of internal/cel compare with it where upstream is not at hand.
const answersFile = "../../internal/cel/testdata/answers.txt"

func sized(t *ours.Type, most uint64) *ours.Type {
	n := *t
	n.Max = most
	return &n
}

// petType is the schema of the file, as internal/cel/answers_test.go has it.
func petType() *ours.Type {
	tag := &ours.Type{Kind: ours.Object, Name: "Pet.tags.@idx", Fields: map[string]*ours.Field{
		"k": {Key: "k", Type: sized(ours.StringType, 63)}, "n": {Key: "n", Type: sized(ours.IntType, 0)}}}
	return &ours.Type{Kind: ours.Object, Name: "Pet", Fields: map[string]*ours.Field{
		"a": {Key: "a", Type: sized(ours.StringType, 100)}, "b": {Key: "b", Type: sized(ours.IntType, 0)},
		"c": {Key: "c", Type: sized(ours.TimestampType, 32)}, "d": {Key: "d", Type: sized(ours.ListOf(tag), 10)},
		"e": {Key: "e", Type: sized(ours.MapOf(sized(ours.StringType, 0), sized(ours.StringType, 20)), 8)},
		"f": {Key: "f", Type: ours.ListOf(sized(ours.StringType, 50))}, "g": {Key: "g", Type: sized(ours.DynType, 0)},
		"h": {Key: "h", Type: sized(ours.BoolType, 0)}, "i": {Key: "i", Type: sized(ours.DoubleType, 0)},
	}}
}

// TestAnswers shows that the file is what upstream says. CEL_WRITE=1 makes it anew.
func TestAnswers(t *testing.T) {
	p := newPair(t, ourBase(), petType())
	if os.Getenv("CEL_WRITE") != "" {
		g := NewGenerator(16)
		g.Rows = slices.Concat(Standard, Optionals, Libraries)
		g.Wrong = 40
		var b strings.Builder
		for range 500 {
			e := "(" + g.Expression(p.variables, nil, 1+g.IntN(4)) + ")"
			if their, _ := p.compare(t, e); len(e) < 160 && !strings.Contains(their, "_var") {
				fmt.Fprintf(&b, "%s\n\t%s\n", e, strings.ReplaceAll(brief(their), "\n", "\n\t"))
			}
		}
		if err := os.WriteFile(answersFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range strings.Split("\n"+strings.TrimSuffix(string(b), "\n"), "\n(")[1:] {
		e, want, _ := strings.Cut("("+row, "\n\t")
		if their, _ := p.compare(t, e); strings.ReplaceAll(brief(their), "\n", "\n\t") != want {
			t.Errorf("%s\ntheirs: %s\nfile:   %s", e, their, want)
		}
	}
}
