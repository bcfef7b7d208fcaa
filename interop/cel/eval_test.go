package cel

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	theirs "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/openapi"
	"k8s.io/kube-openapi/pkg/validation/spec"

	ours "apichain/internal/cel"
	"apichain/internal/cel/library"
)

// The oracle of evaluation: what kube-apiserver's environment makes of an expression over an object of a schema, and what ours
// makes of it. The same are the value, or the text of the error, and what it has cost.

// perCall is what one expression may cost in kube-apiserver, whose base environment sets it too.
const perCall = 1000000

// libraries is our Env with everything.
func libraries() *ours.Env {
	return ours.NewEnv(ours.Options{Libraries: library.Stored(), Optionals: true, Homogeneous: true, Literals: true})
}

// schemaOf returns the schema that kube-apiserver has for a type.
func schemaOf(t *ours.Type) *spec.Schema {
	of := func(kind, format string) *spec.Schema {
		return &spec.Schema{SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{kind}, Format: format}}
	}
	switch t.Kind {
	case ours.Bool:
		return of("boolean", "")
	case ours.Int:
		return of("integer", "")
	case ours.Double:
		return of("number", "")
	case ours.String:
		return of("string", "")
	case ours.Bytes:
		return of("string", "byte")
	case ours.Timestamp:
		if t.Format != "" {
			return of("string", t.Format)
		}
		return of("string", "date-time")
	case ours.Duration:
		return of("string", "duration")
	case ours.List:
		s := of("array", "")
		s.Items = &spec.SchemaOrArray{Schema: schemaOf(t.Params[0])}
		switch t.Listing {
		case ours.Set:
			s.AddExtension("x-kubernetes-list-type", "set")
		case ours.Keyed:
			s.AddExtension("x-kubernetes-list-type", "map")
			keys := make([]any, len(t.Keys))
			for i, k := range t.Keys {
				keys[i] = k
			}
			s.AddExtension("x-kubernetes-list-map-keys", keys)
		}
		return s
	case ours.Map:
		s := of("object", "")
		s.AdditionalProperties = &spec.SchemaOrBool{Allows: true, Schema: schemaOf(t.Params[1])}
		return s
	case ours.Object:
		s := of("object", "")
		s.Properties = map[string]spec.Schema{}
		for _, f := range t.Fields {
			s.Properties[f.Key] = *schemaOf(f.Type)
		}
		return s
	}
	s := &spec.Schema{}
	s.AddExtension("x-kubernetes-int-or-string", true)
	return s
}

// mark makes places that may be anything what they are in a schema: a number or a string. Some lists become sets or map lists.
func mark(g *Generator, t *ours.Type) {
	if t.Kind == ours.Dyn {
		t.Format = "int-or-string"
	}
	if t.Kind == ours.List && g.IntN(3) == 0 {
		switch item := t.Params[0]; item.Kind {
		case ours.Int, ours.String, ours.Bool:
			t.Listing = ours.Set
		case ours.Object:
			t.Listing, t.Keys = ours.Keyed, []string{sortedFields(item)[0]}
		}
	}
	for _, p := range t.Params {
		mark(g, p)
	}
	for _, name := range sortedFields(t) {
		mark(g, t.Fields[name].Type)
	}
}

// theirText returns a value in a form that both have: what is in it, with types.
func theirText(v ref.Val) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case *types.Err:
		return "error: " + v.Error()
	case types.Null:
		return "null"
	case types.Bool, types.Int:
		return fmt.Sprint(v)
	case types.Uint:
		return fmt.Sprint(v) + "u"
	case types.Double:
		return doubleText(float64(v))
	case types.String:
		return strconv.Quote(string(v))
	case types.Bytes:
		return "b" + strconv.Quote(string(v))
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano)
	case types.Duration:
		return v.Duration.String()
	case *types.Type:
		return "type " + v.TypeName()
	case *types.Optional:
		if !v.HasValue() {
			return "none"
		}
		return "some(" + theirText(v.GetValue()) + ")"
	case traits.Mapper:
		var entries []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			entries = append(entries, theirText(k)+": "+theirText(v.Get(k)))
		}
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case traits.Lister:
		var items []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			items = append(items, theirText(it.Next()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return v.Type().TypeName() + theirOwn(v)
}

func doubleText(f float64) string {
	if f == 0 && math.Signbit(f) {
		return "-0.0"
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// ourText is theirText for ours.
func ourText(v ours.Value) string {
	switch v.Kind() {
	case ours.Error:
		return "error: " + v.Err().Error()
	case ours.Null:
		return "null"
	case ours.Bool, ours.Int:
		return v.String()
	case ours.Uint:
		return v.String() + "u"
	case ours.Double:
		return doubleText(v.Double())
	case ours.String:
		return strconv.Quote(v.Str())
	case ours.Bytes:
		return "b" + strconv.Quote(string(v.Bytes()))
	case ours.Timestamp:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case ours.Duration:
		return v.Duration().String()
	case ours.TypeKind:
		return "type " + v.String()
	case ours.Map:
		var entries []string
		v.Entries(func(k, x ours.Value) bool {
			if k.Kind() == ours.String {
				x = v.Get(k)
			}
			entries = append(entries, ourText(k)+": "+ourText(x))
			return true
		})
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case ours.List:
		var items []string
		v.Entries(func(_, x ours.Value) bool {
			items = append(items, ourText(x))
			return true
		})
		return "[" + strings.Join(items, ", ") + "]"
	}
	if v.IsOptional() {
		o, ok := v.Optional()
		if !ok {
			return "none"
		}
		return "some(" + ourText(o) + ")"
	}
	if s, ok := v.Ref().(fmt.Stringer); ok {
		return v.Type().TypeName() + " " + s.String()
	}
	return v.Type().TypeName()
}

// programs are an expression planned by both.
type programs struct {
	theirs theirs.Program
	ours   *ours.Program
}

// programs plans an expression; ok is false if it is none, or if making the program is an error for both.
func (p *pair) programs(t testing.TB, e string) (made programs, ok bool) {
	// Upstream panics at [?x] with an x that can be anything.
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	ast, issues := p.theirs.Compile(e)
	checked, err := p.ours.Check(e)
	if (issues.Err() != nil) != (err != nil) {
		t.Errorf("%s\ntheirs: %v\nours:   %v", e, issues.Err(), err)
		return made, false
	}
	if err != nil {
		return made, false
	}
	their, theirErr := p.theirs.Program(ast, theirs.InterruptCheckFrequency(100))
	our, ourErr := checked.Program()
	if fmt.Sprint(theirErr) != fmt.Sprint(ourErr) {
		t.Errorf("%s\ntheir program: %v\nours:          %v", e, theirErr, ourErr)
	}
	return programs{their, our}, theirErr == nil && ourErr == nil
}

// theirEval returns what their program makes of variables. What they panic at is "panic".
func (p programs) theirEval(vars map[string]any) string {
	out, details, err := p.theirs.Eval(vars)
	text := ""
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "internal error"):
		return "panic: " + err.Error()
	case err != nil:
		text = "error: " + err.Error()
	default:
		text = theirText(out)
	}
	cost := details.ActualCost()
	if err != nil && strings.Contains(err.Error(), "cost limit") {
		return text
	}
	return fmt.Sprintf("%s for %d", text, *cost)
}

// ourEval is theirEval for ours.
func (p programs) ourEval(vars []ours.Value) string {
	v, cost := p.ours.Eval(vars, ours.Limit{Cost: perCall})
	if errors.Is(v.Err(), ours.ErrBudget) {
		return ourText(v)
	}
	return fmt.Sprintf("%s for %d", ourText(v), cost)
}

// evalBoth compares an evaluation. Upstream goes through maps in any order: where it gives several answers, ours must be one of
// them.
func (p programs) evalBoth(their map[string]any, our []ours.Value) (theirAnswer, ourAnswer string) {
	ourAnswer = p.ourEval(our)
	for range 100 {
		if theirAnswer = p.theirEval(their); theirAnswer == ourAnswer || strings.HasPrefix(theirAnswer, "panic") {
			return ourAnswer, ourAnswer
		}
	}
	return theirAnswer, ourAnswer
}

// objects returns a self and an oldSelf of a schema for both.
func objects(g *Generator, t *ours.Type) (map[string]any, []ours.Value) {
	schema := schemaOf(t)
	self := g.Tree(t)
	their := map[string]any{"self": common.UnstructuredToVal(self, &openapi.Schema{Schema: schema}), "oldSelf": types.OptionalNone}
	our := []ours.Value{ours.Of(self, t), ours.None}
	if g.IntN(2) == 0 {
		old := g.Tree(t)
		if g.IntN(3) == 0 {
			old = self
		}
		their["oldSelf"] = types.OptionalOf(common.UnstructuredToVal(old, &openapi.Schema{Schema: schema}))
		our[1] = ours.Some(ours.Of(old, t))
	}
	return their, our
}

// TestEvaluation compares values and costs of generated expressions.
func TestEvaluation(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	n = count(t, n)
	g := NewGenerator(uint64(n) + 1)
	g.Wrong = 0
	g.Rows = slices.Concat(Standard, Optionals, Libraries)
	env := libraries()
	evaluated, failed, bad := 0, 0, 0
	var p *pair
	var schema *ours.Type
	for i := 0; evaluated < n && i < 4*n; i++ {
		if i%50 == 0 {
			schema = g.Schema("Root", 4)
			mark(g, schema)
			p = newPair(t, env, schema)
		}
		e := g.Expression(p.variables, nil, 1+g.IntN(5))
		made, ok := p.programs(t, e)
		if !ok {
			continue
		}
		for range 3 {
			evaluated++
			their, our := objects(g, schema)
			theirAnswer, ourAnswer := made.evalBoth(their, our)
			if strings.HasPrefix(ourAnswer, "error") {
				failed++
			}
			if theirAnswer != ourAnswer {
				if bad++; bad <= 15 {
					t.Errorf("%s\ntheirs: %s\nours:   %s", e, theirAnswer, ourAnswer)
				}
				break
			}
		}
	}
	t.Logf("%d evaluations, %d of them errors, %d differ", evaluated, failed, bad)
}

// TestUpstreamEvaluation evaluates every string of upstream's tests that is an expression, over variables of many kinds.
func TestUpstreamEvaluation(t *testing.T) {
	names := []string{"self", "x", "y", "z", "a", "b", "c", "l", "list", "map", "object", "oldObject", "request", "params", "str", "m", "v", "val", "val1", "val2", "intList", "i", "k"}
	p := newPairOf(t, libraries(), names...)
	g := NewGenerator(7)
	expressions := conformance(t)
	for _, path := range []string{
		"github.com/google/cel-go/checker", "github.com/google/cel-go/parser", "github.com/google/cel-go/interpreter",
		"github.com/google/cel-go/cel", "github.com/google/cel-go/ext", "github.com/google/cel-go/common", "k8s.io/apiserver/pkg/cel",
		"k8s.io/apiserver/pkg/admission/plugin/cel", "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel",
	} {
		expressions = append(expressions, texts(t, path)...)
	}
	evaluated, failed, bad := 0, 0, 0
	for _, e := range expressions {
		made, ok := p.programs(t, e)
		if !ok {
			continue
		}
		for range 3 {
			evaluated++
			their, our := map[string]any{}, make([]ours.Value, len(names))
			for i, name := range names {
				tree := anything(g, 3)
				their[name], our[i] = tree, ours.Of(tree, nil)
			}
			theirAnswer, ourAnswer := made.evalBoth(their, our)
			if strings.HasPrefix(ourAnswer, "error") {
				failed++
			}
			if theirAnswer != ourAnswer {
				if bad++; bad <= 15 {
					t.Errorf("%s\nself %v x %v\ntheirs: %s\nours:   %s", e, their["self"], their["x"], theirAnswer, ourAnswer)
				}
				break
			}
		}
	}
	t.Logf("%d evaluations, %d of them errors, %d differ", evaluated, failed, bad)
}

// anything returns a tree of any form.
func anything(g *Generator, depth int) any {
	n := g.IntN(8)
	if depth == 0 {
		n %= 5
	}
	switch n {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return int64(g.IntN(9) - 3)
	case 3:
		return float64(g.IntN(9)) / 2
	case 4:
		return g.word()
	case 5:
		list := []any{}
		for range g.IntN(4) {
			list = append(list, anything(g, depth-1))
		}
		return list
	}
	m := map[string]any{}
	for range g.IntN(5) {
		m[string(rune('a'+g.IntN(6)))] = anything(g, depth-1)
	}
	return m
}

// loose makes parts of an expression dyn, so that what they are is found out when it is evaluated.
func loose(g *Generator, e string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(e); i++ {
		if e[i] == '\'' {
			quoted = !quoted
		}
		// A bracket that follows no name begins an expression of its own.
		if !quoted && e[i] == '(' && (i == 0 || strings.IndexByte(" ([{,!-", e[i-1]) >= 0) && g.IntN(3) == 0 {
			b.WriteString("dyn")
		}
		b.WriteByte(e[i])
	}
	return b.String()
}

// TestLooseEvaluation compares expressions whose types are known only when they are evaluated, over trees without a schema, as
// those of policies are.
func TestLooseEvaluation(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	n = count(t, n)
	g := NewGenerator(uint64(n) + 3)
	g.Wrong = 0
	g.Rows = slices.Concat(Standard, Optionals, Libraries)
	names := []string{"x", "y", "z"}
	p := newPairOf(t, libraries(), names...)
	variables := append([]ours.Variable{{Name: "x.a", Type: ours.DynType}, {Name: "y.b.c", Type: ours.DynType}, {Name: "z[0]", Type: ours.DynType},
		{Name: "x", Type: ours.StringType}, {Name: "y", Type: ours.IntType}, {Name: "z", Type: ours.ListOf(ours.StringType)}}, p.variables...)
	evaluated, failed, bad := 0, 0, 0
	for i := 0; evaluated < n && i < 10*n; i++ {
		e := loose(g, g.Expression(variables, nil, 1+g.IntN(4)))
		made, ok := p.programs(t, e)
		if !ok {
			continue
		}
		for range 3 {
			evaluated++
			their, our := map[string]any{}, make([]ours.Value, len(names))
			for i, name := range names {
				tree := anything(g, 3)
				their[name], our[i] = tree, ours.Of(tree, nil)
			}
			theirAnswer, ourAnswer := made.evalBoth(their, our)
			if strings.HasPrefix(ourAnswer, "error") {
				failed++
			}
			if theirAnswer != ourAnswer {
				if bad++; bad <= 15 {
					t.Errorf("%s\nx %v y %v z %v\ntheirs: %s\nours:   %s", e, their["x"], their["y"], their["z"], theirAnswer, ourAnswer)
				}
				break
			}
		}
	}
	t.Logf("%d evaluations, %d of them errors, %d differ", evaluated, failed, bad)
}
