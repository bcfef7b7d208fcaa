package expression

import (
	"bytes"
	"strings"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/cel"
	"apichain/internal/metrics"
)

// dear costs 700,000 as upstream counts it: two questions to the authorizer.
const dear = "authorizer.path('/a').check('get').allowed() && authorizer.path('/b').check('get').allowed()"

// TestConditionsMatch: the first that is false decides whatever the others are, if all can be paid; else errors do, each told once and
// counted each time. What stands behind a false one says nothing, but costs.
func TestConditionsMatch(t *testing.T) {
	const nope, no = "expression 'object.nope' resulted in error: no such key: nope", "expression 'object.no' resulted in error: no such key: no"
	for _, c := range []struct {
		what  string
		list  string // separated by semicolons
		holds bool
		err   string
		count string // errors that are counted, "" for none
	}{
		{"one", "true", true, "", ""},
		{"all", "true; object.metadata.name == 'endpoints1'; 1 < 2", true, "", ""},
		{"a false one", "true; false; true", false, "", ""},
		{"an error", "object.nope == 1", false, strings.Replace(nope, "nope'", "nope == 1'", 1), "1"},
		{"an error before a false one", "object.nope == 1; false", false, "", "1"},
		{"an error behind a false one", "false; object.nope == 1", false, "", ""},
		{"the same error twice", "object.nope == 1; object.nope == 1", false, strings.Replace(nope, "nope'", "nope == 1'", 1), "2"},
		{"two errors", "object.nope == 1; true; object.no == 1", false,
			"[" + strings.Replace(nope, "nope'", "nope == 1'", 1) + ", " + strings.Replace(no, "no'", "no == 1'", 1) + "]", "2"},
		{"three errors, two of them the same", "object.nope == 1; object.no == 1; object.nope == 1", false,
			"[" + strings.Replace(nope, "nope'", "nope == 1'", 1) + ", " + strings.Replace(no, "no'", "no == 1'", 1) + "]", "3"},
		{"one that does not compile", "nope; true", false,
			"compilation error: compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^", "1"},
		{"one that does not compile, and a false one", "nope; false", false, "", "1"},
		{"what may be spent", strings.Repeat(dear+"; ", 3) + "true", true, "", ""},
		{"more", strings.Repeat(dear+"; ", 4) + "true", false, ErrBudget.Error(), ""},
		{"more before a false one", strings.Repeat(dear+"; ", 4) + "false", false, ErrBudget.Error(), ""},
		{"more behind a false one", "false; " + strings.Repeat(dear+"; ", 4) + "true", false, ErrBudget.Error(), ""},
		{"more behind an error", "object.nope == 1; " + strings.Repeat(dear+"; ", 4) + "true", false, ErrBudget.Error(), ""},
	} {
		var list []any
		for e := range strings.SplitSeq(c.list, "; ") {
			list = append(list, map[string]any{"expression": e})
		}
		var n Counts
		in := pods(t, &deciding{says: auth.Decision{Verdict: auth.Allow}})
		holds, err := NewConditions(NewUnit(false), list, all).Match(t.Context(), in, &n, Labels{Name: "x", Kind: "webhook"})
		said := ""
		if err != nil {
			said = err.Error()
		}
		if holds != c.holds || said != c.err {
			t.Errorf("%s: %v, %s\nwant %v, %s", c.what, holds, said, c.holds, c.err)
		}
		const family = `apiserver_admission_match_condition_evaluation_errors_total{kind="webhook",name="x",operation="",type=""} `
		text := written(t, &n)
		if _, rest, _ := strings.Cut(text, family); !strings.HasPrefix(rest, c.count+"\n") && rest+c.count != "" {
			t.Errorf("%s: want %s counted in\n%s", c.what, c.count, text)
		}
		if !strings.Contains(text, `evaluation_seconds_count{kind="webhook",name="x",operation="",type=""} 1`) {
			t.Errorf("%s: the time is not counted:\n%s", c.what, text)
		}
	}
}

// written returns the metrics of counts.
func written(t testing.TB, n *Counts) string {
	t.Helper()
	var b bytes.Buffer
	w := metrics.NewWriter(&b)
	n.WriteMetrics(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCountsWritten: series are in the order of their labels, whatever the order of their first use.
func TestCountsWritten(t *testing.T) {
	var n Counts
	for _, l := range []Labels{
		{"b", "webhook", "admit", "CREATE"}, {"a", "webhook", "validating", "UPDATE"}, {"a", "webhook", "validating", "CREATE"}, {"a", "policy", "validate", "UPDATE"},
		{"a", "webhook", "admit", "UPDATE"}, {"b", "webhook", "admit", "CREATE"},
	} {
		n.Excluded(l)
	}
	const family = "apiserver_admission_match_condition_exclusions_total"
	var got []string
	for line := range strings.Lines(written(t, &n)) {
		if rest, ok := strings.CutPrefix(line, family+"{"); ok {
			got = append(got, strings.TrimSpace(rest))
		}
	}
	want := []string{
		`kind="policy",name="a",operation="UPDATE",type="validate"} 1`,
		`kind="webhook",name="a",operation="UPDATE",type="admit"} 1`,
		`kind="webhook",name="a",operation="CREATE",type="validating"} 1`,
		`kind="webhook",name="a",operation="UPDATE",type="validating"} 1`,
		`kind="webhook",name="b",operation="CREATE",type="admit"} 2`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("written\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestByHand: what is tried by hand may name all that any expression may, and no request is an empty one.
func TestByHand(t *testing.T) {
	env, values := ByHand(&Input{Object: parse(t, `{"spec":{"replicas":3}}`)})
	for text, want := range map[string]string{
		"object.spec.replicas":        "3",
		"has(request.operation)":      "false",
		"oldObject == null":           "true",
		"params == null":              "true",
		"namespaceObject == null":     "true",
		"JSONPatch{op: 'test'}.op":    "test",
		"Object{spec: Object.spec{}}": "Object{spec: Object.spec{}}",
	} {
		checked, err := env.Check(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		program, err := checked.Program()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if v, _ := program.Eval(values, cel.Limit{Cost: PerCall}); v.Err() != nil || want[0] != 'O' && v.String() != want {
			t.Errorf("%s is %s, want %s", text, v.String(), want)
		}
	}
}
