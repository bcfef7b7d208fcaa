package kinds

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// TestTables: the rows that the real server made of the objects of testdata/tables.txt, cell by cell
// with their types.
func TestTables(t *testing.T) {
	table := kindsForTest(t)
	data, err := os.ReadFile("testdata/tables.txt")
	if err != nil {
		t.Fatal(err)
	}
	times, now := regexp.MustCompile(`"-\d+m"`), time.Now()
	kinds := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		obj := objectForTest(t, times.ReplaceAllStringFunc(parts[1], func(s string) string {
			ago, err := time.ParseDuration(strings.Trim(s, `"`))
			if err != nil {
				t.Fatal(err)
			}
			return `"` + now.Add(ago).UTC().Format(time.RFC3339) + `"`
		}))
		row := shapeForTest(t, table, parts[0]).Row
		before := tree.Copy(obj)
		var cells []any
		for _, col := range row.Columns {
			cells = append(cells, col.Cell(obj))
		}
		if got := string(tree.AppendJSON(nil, cells)); got != string(tree.AppendJSON(nil, parsedForTest(t, parts[2]))) {
			t.Errorf("%s %s\n got %s\nwant %s", parts[0], parts[1], got, parts[2])
		}
		want := ""
		if len(parts) > 3 {
			want = string(tree.AppendJSON(nil, parsedForTest(t, parts[3])))
		}
		got := ""
		if conditions := row.RowConditions(obj); conditions != nil {
			got = string(tree.AppendJSON(nil, conditions))
		}
		if got != want {
			t.Errorf("%s %s: conditions %s, want %s", parts[0], parts[1], got, want)
		}
		if !tree.Identical(obj, before) {
			t.Errorf("%s %s is changed", parts[0], parts[1])
		}
		kinds[parts[0]]++
	}
	if kinds["v1 Pod"] < 30 || len(kinds) < 20 {
		t.Errorf("the file has few rows: %v", kinds)
	}
}

func parsedForTest(t *testing.T, text string) any {
	t.Helper()
	v, _, err := tree.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestCellsNeverFail: an object may have anything of any type where a cell looks, and the cell shows
// something that a table can hold.
func TestCellsNeverFail(t *testing.T) {
	odd := []any{nil, "", "x", int64(-1), 1.5, true, []any{}, []any{nil, "x", int64(1), map[string]any{}}, map[string]any{}, map[string]any{"type": int64(1)}}
	for _, row := range kindsForTest(t).Kinds {
		for _, top := range []string{"spec", "status", "metadata", "subjects", "conditions", "roleRef"} {
			for _, below := range []string{"", "conditions", "containers", "containerStatuses", "initContainerStatuses", "metrics", "accessModes", "annotations", "paramRef", "hard"} {
				for _, v := range odd {
					obj := map[string]any{top: v}
					if below != "" {
						obj[top] = map[string]any{below: v}
					}
					for _, col := range ListColumns(row.Columns, []map[string]any{obj}) {
						switch got := col.Cell(obj).(type) {
						case string, int64, bool, nil:
						default:
							t.Fatalf("%s of %v is a %T", col.Name, obj, got)
						}
					}
					row.RowConditions(obj)
				}
			}
		}
	}
}

// TestExpressionForms: those that no kind needs in all their forms, and what is none.
func TestExpressionForms(t *testing.T) {
	const obj = `{"a":{"n":2,"t":"x","u":"y","time":"","list":[{"f":"1"},{"f":"2"}]},"status":{"conditions":[{"type":"T","status":"False"}]},"subjects":[{"kind":"User","name":"u"},{"kind":"ServiceAccount","namespace":"n","name":"s"}]}`
	for cell, want := range map[string]any{
		"int(a.n)": int64(2), "int(a.n|-)": int64(2), "int(a.x)": int64(0), "int(a.x|-)": "-", "ratio(a.n,a.x)": "2/0",
		"pair(a,t,u)": "x/y", "pair(a,t,x|-)": "x/", "pair(b,t,u)": "", "pair(b,t,u|-)": "-",
		"cond(T)": "False", "cond(U)": "", "cond(U|?)": "?", "age(a.time)": "<unknown>", "age(a.x)": "<unknown>", "age(a.x|)": "", "age(a.x|-)": "-",
		"each(a.list,f)": "1,2", "each(a.none,f|-)": "-", "subjects(User)": "u", "subjects(ServiceAccount)": "n/s", "subjects(Group)": "", "modes(a.list)": "",
	} {
		f, err := parseCell(cell)
		if err != nil {
			t.Fatal(err)
		}
		if got := f(objectForTest(t, obj)); got != want {
			t.Errorf("%s: got %v, want %v", cell, got, want)
		}
	}
	for _, cell := range []string{"int(a,b)", "pair(a,b)", "ratio(a)", "each(a)", "cond(a", "none(a)", "cond(a,b)"} {
		if _, err := parseCell(cell); err == nil {
			t.Errorf("%s is a cell", cell)
		}
	}
}
