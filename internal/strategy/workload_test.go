package strategy

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// workloadAnswers are objects of these kinds, changes of them, and what the real server said: its head
// describes the form.
//
//go:embed testdata/workloads.txt
var workloadAnswers string

// shownValue is the value of an object in a message, which upstream shows in its own form of it, and any
// value that may not change.
var shownValue = regexp.MustCompile(`value: (\{.*\}|\[.*\]|map\[.*\]|null|.*(: field is immutable))(: |$)`)

// plain returns the text of an error, without the value of an object, and with the values that are supported
// in order: upstream's is that of its code.
func plain(e string) string {
	e = shownValue.ReplaceAllString(e, "value: {}$2$3")
	if head, values, ok := strings.Cut(e, ": supported values: "); ok {
		list := strings.Split(values, ", ")
		slices.Sort(list)
		return head + ": supported values: " + strings.Join(list, ", ")
	}
	return e
}

// TestWorkloadAnswers: new objects, changed ones and written statuses are judged as the real server judges
// them, causes in any order.
func TestWorkloadAnswers(t *testing.T) { checkAnswers(t, workloadAnswers, 250) }

// checkAnswers judges the cases of a text in the form of testdata/workloads.txt, of which there are as many as
// least. A letter that is there many times is written {a*63}.
func checkAnswers(t *testing.T, answers string, least int) {
	w := workloadTest{T: t, table: tableForTest(t)}
	for line := range strings.Lines(written(answers)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "  > "):
			w.want = append(w.want, line[4:])
		case strings.HasPrefix(line, "+ "), strings.HasPrefix(line, "~ "), strings.HasPrefix(line, "? "):
			w.judge()
			w.change, w.want = line, nil
		default:
			w.judge()
			gv, rest, _ := strings.Cut(line, " ")
			kind, obj, _ := strings.Cut(rest, " ")
			w.change, w.kind, w.base = "", gv+" "+kind, obj
		}
	}
	w.judge()
	if w.cases < least {
		t.Errorf("%d cases", w.cases)
	}
}

// workloadTest is a case on its way: the kind and the object that it is about, the line of the change, and
// what is said of it.
type workloadTest struct {
	*testing.T
	table              *kinds.Table
	kind, base, change string
	want               []string
	cases              int
}

// object returns the base with its metadata, as it is before it is judged: with a change, which may be nil, and
// all that a write to old would set.
func (w *workloadTest) object(change, old map[string]any) map[string]any {
	shape := shapeForTest(w.T, w.table, w.kind)
	var obj map[string]any
	if old == nil {
		obj = objectForTest(w.T, w.base)
		obj["metadata"] = map[string]any{"name": "t", "uid": "u"}
	} else {
		obj = tree.Copy(old).(map[string]any)
	}
	obj = patch.Merge(obj, change)
	if _, err := shape.Prune(obj); err != nil {
		w.Fatalf("%s %s: %v", w.kind, w.change, err)
	}
	shape.SetDefaults(obj)
	if prepare := All()[kinds.NewKey(shape.Row.Group, shape.Row.Version, shape.Row.Kind)].Prepare; prepare != nil {
		prepare(obj, old)
	}
	return obj
}

// judge judges the change that was read last, if any.
func (w *workloadTest) judge() {
	if w.change == "" {
		return
	}
	w.cases++
	change := objectForTest(w.T, w.change[2:])
	var old map[string]any
	if w.change[0] != '+' {
		old = w.object(nil, nil)
	}
	var got []string
	for _, e := range shapeForTest(w.T, w.table, w.kind).Validate(w.object(change, old), old, w.change[0] == '?') {
		got = append(got, strings.ReplaceAll(plain(e.String()), "\n", `\n`))
	}
	slices.Sort(got)
	got = slices.Compact(got)
	if !slices.Equal(got, w.want) {
		w.Errorf("%s\n%s\n got %s\nwant %s", w.kind, w.change, strings.Join(got, "\n     "), strings.Join(w.want, "\n     "))
	}
}
