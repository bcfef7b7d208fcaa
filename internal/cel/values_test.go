package cel_test

import (
	"bufio"
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
	"apichain/internal/cel/library"
)

// The table of values: testdata/values.txt has expressions, each with what it is and what that costs. interop/cel asks upstream the
// same; with CEL_UPDATE=1 there, upstream writes the answers.

// row is an expression with its answer.
type row struct{ text, answer string }

// rows reads the table.
func rows(t testing.TB) []row {
	f, err := os.Open("testdata/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []row
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch answer, ok := strings.CutPrefix(line, "\t"); {
		case ok && len(all) > 0:
			all[len(all)-1].answer = answer
		case line != "" && line[0] != '#':
			all = append(all, row{text: line})
		}
	}
	return all
}

// selfType is the schema of the object that the table's last part is about.
func selfType() *cel.Type {
	field := func(key string, t *cel.Type) *cel.Field { return &cel.Field{Key: key, Type: t} }
	object := func(name string, fields map[string]*cel.Field) *cel.Type {
		return &cel.Type{Kind: cel.Object, Name: name, Fields: fields}
	}
	set, keyed := *cel.ListOf(cel.StringType), *cel.ListOf(object("Web.ports.@idx", map[string]*cel.Field{
		"name": field("name", cel.StringType), "port": field("port", cel.IntType)}))
	set.Listing, keyed.Listing, keyed.Keys = cel.Set, cel.Keyed, []string{"port"}
	day, either := *cel.TimestampType, *cel.DynType
	day.Format, either.Format = "date", "int-or-string"
	return object("Web", map[string]*cel.Field{
		"name": field("name", cel.StringType), "count": field("count", cel.IntType), "absent": field("absent", cel.StringType),
		"spec": field("spec", object("Web.spec", map[string]*cel.Field{"replicas": field("replicas", cel.IntType),
			"absent":        field("absent", object("Web.spec.absent", map[string]*cel.Field{"more": field("more", cel.IntType)})),
			"__namespace__": field("namespace", cel.StringType)})),
		"ports": field("ports", &keyed), "colors": field("colors", &set), "numbers": field("numbers", cel.ListOf(cel.IntType)),
		"labels": field("labels", cel.MapOf(cel.StringType, cel.StringType)), "ratio": field("ratio", cel.DoubleType),
		"whole": field("whole", cel.DoubleType), "when": field("when", cel.TimestampType), "day": field("day", &day),
		"wait": field("wait", cel.DurationType), "data": field("data", cel.BytesType), "either": field("either", &either),
		"nothing": field("nothing", cel.StringType), "__if__": field("if", cel.IntType), "broken": field("broken", cel.IntType),
	})
}

// selfTree is the object.
func selfTree() map[string]any {
	return map[string]any{
		"name": "web", "count": int64(3), "spec": map[string]any{"replicas": int64(2), "namespace": "prod"},
		"ports": []any{
			map[string]any{"name": "http", "port": int64(80)}, map[string]any{"name": "https", "port": int64(443)},
		},
		"colors": []any{"red", "green", "blue"}, "numbers": []any{int64(1), int64(2), int64(3)},
		"labels": map[string]any{"app": "web", "tier": "front"}, "ratio": 0.5, "whole": int64(3),
		"when": "2021-02-03T04:05:06Z", "day": "2021-02-03", "wait": "90s", "data": "aGVsbG8=", "either": int64(7),
		"nothing": nil, "if": int64(1), "broken": "text",
	}
}

// valueText writes a value so that its type shows; entries of maps are in order.
func valueText(v cel.Value) string {
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
		return doubleText(v.Double())
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
	case cel.Map:
		var entries []string
		v.Entries(func(k, x cel.Value) bool {
			if k.Kind() == cel.String {
				x = v.Get(k)
			}
			entries = append(entries, valueText(k)+": "+valueText(x))
			return true
		})
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case cel.List:
		var items []string
		v.Entries(func(_, x cel.Value) bool {
			items = append(items, valueText(x))
			return true
		})
		return "[" + strings.Join(items, ", ") + "]"
	}
	if v.IsOptional() {
		o, ok := v.Optional()
		if !ok {
			return "none"
		}
		return "some(" + valueText(o) + ")"
	}
	if s, ok := v.Ref().(fmt.Stringer); ok {
		return v.Type().TypeName() + " " + s.String()
	}
	return v.Type().TypeName()
}

// doubleText writes a double so that it is no int.
func doubleText(f float64) string {
	if f == 0 && math.Signbit(f) {
		return "-0.0"
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// everything is an Env of all libraries with an object of a schema.
func everything() *cel.Env {
	return cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true, Homogeneous: true, Literals: true,
		Variables: []cel.Variable{{Name: "self", Type: selfType()}}})
}

// answerOf evaluates an expression: what it is and what it costs, or why it is none. only keeps the first line of faults.
func answerOf(env *cel.Env, text string) string {
	checked, err := env.Check(text)
	if err != nil {
		only, _, _ := strings.Cut(err.Error(), "\n")
		return only
	}
	p, err := checked.Program()
	if err != nil {
		return "no program: " + err.Error()
	}
	v, cost := p.Eval([]cel.Value{cel.Of(selfTree(), selfType())}, cel.Limit{Cost: 1000000})
	if errors.Is(v.Err(), cel.ErrBudget) {
		return valueText(v)
	}
	return fmt.Sprintf("%s for %d", valueText(v), cost)
}

// TestTable evaluates the table.
func TestTable(t *testing.T) {
	env := everything()
	table := rows(t)
	for _, r := range table {
		if answer := answerOf(env, r.text); answer != r.answer {
			t.Errorf("%s\n\t%s, want\n\t%s", r.text, answer, r.answer)
		}
	}
	if len(table) < 500 {
		t.Errorf("%d rows", len(table))
	}
}
