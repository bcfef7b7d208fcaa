package cel_test

import (
	"slices"
	"testing"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// The table below is for readers: what is worth knowing of the language, a topic at a time, with the value of each line and what it
// costs. The files lessons_*_test.go go through the same topics line by line; testdata/values.txt has more lines, for which upstream
// wrote the answers, but no order.

// lesson is a topic: each line is an expression and its answer.
type lesson struct {
	topic string
	lines [][2]string
}

// The names of the lines are those of the object in selfTree, where an expression needs one.
var lessons = []lesson{
	{"numbers are of three types, which no operator but comparison mixes", [][2]string{
		{"1 + 2", "3 for 1"},
		{"1u + 2u", "3u for 1"},
		{"1.5 * 2.0", "3e+00 for 1"},
		{"1 + 2u", "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, uint)'"},
		{"dyn(1) + 2u", "error: no such overload for 1"},
		{"1 < 2u && 2u < 2.5", "true for 2"},
		{"dyn(1) == 1.0", "true for 1"},
		{"7 / 2 == 3 && -7 / 2 == -3", "true for 4"}, // towards zero
		{"-7 % 2", "-1 for 1"},                       // the sign of the dividend
		{"1.0 / 0.0", "+Inf for 1"},                  // doubles have no such error
		{"1 / 0", "error: division by zero for 1"},
		{"2u - 3u", "error: unsigned integer overflow for 1"},
		{"int(1.9)", "1 for 0"},
		{"double('1e3')", "1e+03 for 0"},
	}},
	{"an error is a value until somebody has to decide by it", [][2]string{
		{"1 / 0 > 1 || true", "true for 2"},
		{"false && 1 / 0 > 1", "false for 0"},
		{"1 / 0 > 1 && false", "false for 2"},
		{"1 / 0 > 1 || false", "error: division by zero for 2"},
		{"true ? 1 : 1 / 0", "1 for 0"},
		{"[1, 0].exists(x, 1 / x == 1)", "true for 11"},
		{"[0, 1].exists(x, 1 / x == 1)", "true for 15"},
		{"[0, 2].exists(x, 1 / x == 1)", "error: division by zero for 15"},
		{"[0, 2].all(x, 1 / x == 1)", "false for 13"},
		{"[0, 1].exists_one(x, 1 / x == 1)", "error: division by zero for 10"}, // it has to know of every item
	}},
	{"what is absent is an error, and has() asks before", [][2]string{
		{"has(self.absent)", "false for 1"},
		{"self.absent", "error: no such key: absent for 2"},
		{"has(self.absent) && self.absent == ''", "false for 1"},
		{"self.?absent.orValue('none')", `"none" for 1`},
		{"self.?absent.hasValue()", "false for 2"},
		{"{'a': 1}.?b.optMap(x, x + 1)", "none for 3"},
		{"{'a': 1}.?a.optMap(x, x + 1)", "some(2) for 9"},
		{"[1, 2][?5].orValue(0)", "0 for 1"},
		{"{'a': 1}['b']", "error: no such key: b for 2"},
		{"[1][1]", "error: index out of bounds: 1 for 2"},
	}},
	{"equality is deep, and of what has no order too", [][2]string{
		{"[[1], [2]] == [[1], [2]]", "true for 1"},
		{"{'a': [1]} == {'a': [1]}", "true for 1"},
		{"dyn('1') == 1", "false for 1"},
		{"null == dyn(0)", "false for 1"},
		{"[1, 2] == [2, 1]", "false for 1"},
		{"type(1) == int && type([]) == list", "true for 2"},
		{"'a' < 'b' && b'a' < b'b'", "true for 2"},
		{"duration('1h') == duration('60m')", "true for 1"},
		{"timestamp('2024-01-01T00:00:00Z') == timestamp('2024-01-01T01:00:00+01:00')", "true for 1"},
	}},
	{"a macro is a loop, which costs what each of its rounds costs", [][2]string{
		{"[1, 2, 3].map(x, x * x)", "[1, 4, 9] for 46"},
		{"[1, 2, 3].filter(x, x > 1)", "[2, 3] for 33"},
		{"[1, 2, 3].map(x, x > 1, x + 1)", "[3, 4] for 35"},
		{"{'b': 1, 'a': 2}.map(k, k)", `["b", "a"] for 27`}, // in the order in which it is written
		{"[].all(x, false)", "true for 1"},
		{"[].exists(x, true)", "false for 1"},
		{"[1, 2].exists_one(x, x > 1)", "true for 8"},
		{"['a', 'b'].transformMap(i, v, v + '!')", `{0: "a!", 1: "b!"} for 11`},
		{"['a', 'b'].all(i, v, i < 2 && v != '')", "true for 13"},
		{"[1].map(x, [2].map(x, x))", "[[2]] for 27"}, // the inner x hides the outer one
	}},
	{"strings are of code points, bytes of bytes", [][2]string{
		{"'häuser'.size()", "6 for 1"},
		{"bytes('häuser').size()", "7 for 1"},
		{"'häuser'.charAt(1)", `"ä" for 1`},
		{`"\u00e4" == 'ä'`, "true for 1"},
		{`b"\303\244" == bytes('ä')`, "true for 1"},
		{"string(b'\\xff')", "no program: invalid UTF-8 in bytes, cannot convert to string"},
		{"r'\\d' == '\\\\d'", "true for 1"},
		{"'10.0.0.1'.matches('^10[.]')", "true for 2"},
	}},
	{"times are instants, and durations of up to three hundred years", [][2]string{
		{"timestamp('2024-02-28T23:30:00Z') + duration('45m')", "2024-02-29T00:15:00Z for 1"},
		{"timestamp('2024-01-01T00:00:00Z').getFullYear()", "2024 for 1"},
		{"timestamp('2024-01-01T00:00:00Z').getMonth()", "0 for 1"}, // months and days of a month count from 0, a date from 1
		{"timestamp('2024-01-01T00:00:00Z').getDate('-01:00')", "31 for 1"},
		{"duration('90m').getHours()", "1 for 1"},
		{"timestamp('9999-12-31T23:59:59Z') + duration('1s')", "error: timestamp overflow for 1"},
		{"duration('1 day')", "ERROR: <input>:1:10: invalid duration argument"},
	}},
	{"types are values, and dyn lets anything through to the evaluator", [][2]string{
		{"type(self.count)", "type int for 3"},
		{"[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'"},
		{"[dyn(1), dyn('a')]", `[1, "a"] for 0`},
		{"dyn('a').size()", "1 for 1"},
		{"dyn(1).size()", "error: no such overload: size for 1"},
		{"self.nope", "ERROR: <input>:1:5: undefined field 'nope'"},
		{"nope(1)", "ERROR: <input>:1:5: undeclared reference to 'nope' (in container '')"},
	}},
	{"prices: 1 for a name, a step and a call; 10 a list, 30 a map, 40 a message", [][2]string{
		{"1", "1 for 0"},
		{"self.count", "3 for 2"},
		{"self.spec.replicas", "2 for 3"},
		{"[self.count]", "[3] for 12"},
		{"{'a': self.count}", `{"a": 3} for 32`},
		{"[1, 2]", "[1, 2] for 0"}, // a literal of literals is made with the program
		{"5 in [1, 5]", "true for 0"},
		{"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.contains('b')", "false for 4"}, // a tenth of both, rounded up, multiplied
	}},
}

// allLessons are these, and those of the files lessons_*_test.go.
func allLessons() []lesson {
	return slices.Concat(lessons, operatorLessons, conversionLessons, timeLessons, containerLessons, macroLessons, optionalLessons,
		priceLessons)
}

// TestLanguage evaluates the lessons, each twice: an answer is the same whenever it is asked for.
func TestLanguage(t *testing.T) {
	env := everything()
	for _, l := range allLessons() {
		t.Run(l.topic, func(t *testing.T) {
			for _, line := range l.lines {
				for range 2 {
					if got := answerOf(env, line[0]); got != line[1] {
						t.Errorf("%s\n\t%s, want\n\t%s", line[0], got, line[1])
						break
					}
				}
			}
		})
	}
}

// TestEstimatesHold evaluates the lessons once more, with what an estimate says: no value costs more than that, nor less, unless an
// error ends it. The lessons on places of a schema are left out: by the estimate what has neither a length nor a bound there is compared
// for nothing, and a step from an optional is for nothing, too.
func TestEstimatesHold(t *testing.T) {
	env := everything()
	vars := []cel.Value{cel.Of(selfTree(), selfType())}
	for _, l := range slices.Concat(lessons, operatorLessons, conversionLessons, macroLessons) {
		for _, line := range l.lines {
			checked, err := env.Check(line[0])
			if err != nil {
				continue
			}
			p, err := checked.Program()
			if err != nil {
				continue
			}
			v, cost := p.Eval(vars, cel.Limit{Cost: cel.NoLimit})
			if e := checked.Estimate(); cost > e.Max {
				t.Errorf("%s: %v has cost %d, at most %d are estimated", line[0], v, cost, e.Max)
			}
		}
	}
}

// TestFailures has errors whose text is made when it is asked for, of the value that was there.
func TestFailures(t *testing.T) {
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Variables: []cel.Variable{
		{Name: "m", Type: cel.MapOf(cel.StringType, cel.IntType)}, {Name: "k", Type: cel.StringType}}})
	checked, err := env.Check("m[k]")
	if err != nil {
		t.Fatal(err)
	}
	p, err := checked.Program()
	if err != nil {
		t.Fatal(err)
	}
	v, _ := p.Eval([]cel.Value{cel.Of(map[string]any{"a": int64(1)}, cel.MapOf(cel.StringType, cel.IntType)), cel.StringOf("b")},
		cel.Limit{Cost: 10})
	for range 2 {
		if got := v.Err().Error(); got != "no such key: b" {
			t.Errorf("%q", got)
		}
	}
	if wrapped := cel.Failf("variable %s: %v", "x", cel.ErrBudget); wrapped.Err().Error() !=
		"variable x: operation cancelled: actual cost limit exceeded" {
		t.Error(wrapped)
	}
}
