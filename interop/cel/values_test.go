package cel

import (
	"bufio"
	"os"
	"strings"
	"testing"

	theirs "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/openapi"

	ours "apichain/internal/cel"
)

// The table of values of internal/cel, asked of upstream. CEL_UPDATE=1 writes what upstream answers; then read the difference.

// tableRow is an expression with its answer.
type tableRow struct{ text, answer string }

// rows reads the table.
func rows(t testing.TB) []tableRow {
	f, err := os.Open("../../internal/cel/testdata/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []tableRow
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		switch answer, ok := strings.CutPrefix(line, "\t"); {
		case ok && len(all) > 0:
			all[len(all)-1].answer = answer
		case line != "" && line[0] != '#':
			all = append(all, tableRow{text: line})
		}
	}
	return all
}

// selfType is the schema of the object that the table's last part is about.
func selfType() *ours.Type {
	field := func(key string, t *ours.Type) *ours.Field { return &ours.Field{Key: key, Type: t} }
	object := func(name string, fields map[string]*ours.Field) *ours.Type {
		return &ours.Type{Kind: ours.Object, Name: name, Fields: fields}
	}
	set, keyed := *ours.ListOf(ours.StringType), *ours.ListOf(object("Web.ports.@idx", map[string]*ours.Field{
		"name": field("name", ours.StringType), "port": field("port", ours.IntType)}))
	set.Listing, keyed.Listing, keyed.Keys = ours.Set, ours.Keyed, []string{"port"}
	day, either := *ours.TimestampType, *ours.DynType
	day.Format, either.Format = "date", "int-or-string"
	return object("Web", map[string]*ours.Field{
		"name": field("name", ours.StringType), "count": field("count", ours.IntType), "absent": field("absent", ours.StringType),
		"spec": field("spec", object("Web.spec", map[string]*ours.Field{"replicas": field("replicas", ours.IntType),
			"absent":        field("absent", object("Web.spec.absent", map[string]*ours.Field{"more": field("more", ours.IntType)})),
			"__namespace__": field("namespace", ours.StringType)})),
		"ports": field("ports", &keyed), "colors": field("colors", &set), "numbers": field("numbers", ours.ListOf(ours.IntType)),
		"labels": field("labels", ours.MapOf(ours.StringType, ours.StringType)), "ratio": field("ratio", ours.DoubleType),
		"whole": field("whole", ours.DoubleType), "when": field("when", ours.TimestampType), "day": field("day", &day),
		"wait": field("wait", ours.DurationType), "data": field("data", ours.BytesType), "either": field("either", &either),
		"nothing": field("nothing", ours.StringType), "__if__": field("if", ours.IntType), "broken": field("broken", ours.IntType),
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

// answerRow returns what upstream makes of an expression, in the words of the table.
func answerRow(p *pair, text string, self map[string]any) string {
	ast, issues := p.theirs.Compile(text)
	if issues.Err() != nil {
		first, _, _ := strings.Cut(issues.String(), "\n")
		return first
	}
	program, err := p.theirs.Program(ast, theirs.InterruptCheckFrequency(100))
	if err != nil {
		return "no program: " + err.Error()
	}
	return programs{theirs: program}.theirEval(self)
}

// TestValueTable compares the table with upstream.
func TestValueTable(t *testing.T) {
	schema := selfType()
	p := newPair(t, libraries(), schema)
	self := map[string]any{"self": common.UnstructuredToVal(selfTree(), &openapi.Schema{Schema: schemaOf(schema)}), "oldSelf": types.OptionalNone}
	answers := map[string]string{}
	for _, r := range rows(t) {
		answer := answerRow(p, r.text, self)
		for i := 0; i < 100 && answer != r.answer; i++ {
			answer = answerRow(p, r.text, self) // which may go through a map in another order
		}
		answers[r.text] = answer
		if answer != r.answer && os.Getenv("CEL_UPDATE") == "" {
			t.Errorf("%s\n\ttheirs: %s\n\ttable:  %s", r.text, answer, r.answer)
		}
	}
	if os.Getenv("CEL_UPDATE") == "" {
		return
	}
	file := "../../internal/cel/testdata/values.txt"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSuffix(string(before), "\n"), "\n") {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		b.WriteString(line + "\n")
		if answer, ok := answers[line]; ok {
			b.WriteString("\t" + answer + "\n")
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
