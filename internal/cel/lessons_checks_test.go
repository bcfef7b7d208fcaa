package cel_test

import (
	"testing"

	"apichain/internal/cel"
)

// The lessons on what is known before anything is evaluated: the least and the most that an expression may cost, and what is wrong with
// it, at which line and column. The schema is pet() of answers_test.go: a is a text of 100, b an int, c an instant, d a list of 10 objects
// with k, a text of 63, and n, an int, e a map of 8 texts of 20, f a list without a bound, g anything, h a bool, i a double.

// estimateLessons are types and costs by what the schema says of sizes.
var estimateLessons = []lesson{
	{"names, steps and literals are known to the unit", [][2]string{
		{"self", "Pet, cost 1 to 1"},
		{"self.a", "string, cost 2 to 2"},
		{"self.d[0].k", "string, cost 4 to 4"},
		{"[1, self.b]", "list(int), cost 12 to 12"},
		{"{'a': self.b}", "map(string, int), cost 32 to 32"},
		{"has(self.a)", "bool, cost 1 to 1"},
		{"has(self.d[0].k)", "bool, cost 3 to 3"},
		{"1 + 2", "int, cost 1 to 1"},
		{"Pet{a: 'x'}", "Pet, cost 40 to 40"},
	}},
	{"a text is as long as its schema allows, a literal as long as it is", [][2]string{
		{"self.a == 'x'", "bool, cost 3 to 3"},
		{"self.a == self.a", "bool, cost 5 to 14"},
		{"self.a + self.a", "string, cost 4 to 24"},
		{"self.a + self.a + self.a", "string, cost 6 to 56"},
		{"self.a < 'abcdefghijklmnopqrstuvwxyz'", "bool, cost 3 to 5"},
		{"self.a.startsWith('abcdefghijk')", "bool, cost 4 to 4"},
		{"self.a.contains(self.a)", "bool, cost 4 to 104"},
		{"self.a.matches('^a')", "bool, cost 3 to 13"},
		{"self.a.matches(self.a)", "bool, cost 4 to 279"},
		{"self.a.size()", "int, cost 3 to 3"},
		{"self.e.x == self.a", "bool, cost 6 to 15"},
		{"self.e['x'] == self.a", "bool, cost 6 to 7"},
		{"bytes(self.a)", "bytes, cost 2 to 12"},
		{"string(bytes(self.a)) + ''", "string, cost 2 to 92"},
		{"string(self.b) + ''", "string, cost 3 to 1844674407370955267"}, // nobody knows how long the text of a number is
		{"self.a + string(self.g)", "string, cost 4 to 15"},
	}},
	{"a loop is at most as many rounds as its list may have items, and at least none", [][2]string{
		{"self.d.all(t, true)", "bool, cost 3 to 33"},
		{"self.d.all(t, t.n > 0)", "bool, cost 3 to 63"},
		{"self.d.all(t, t.k == 'x')", "bool, cost 3 to 63"},
		{"self.d.all(t, t.k == t.k)", "bool, cost 3 to 143"},
		{"self.d.exists(t, self.d.exists(u, t.n == u.n))", "bool, cost 3 to 873"},
		{"self.e.all(k, k == 'x')", "bool, cost 3 to 35"},
		{"self.e.all(k, v, v == 'x')", "bool, cost 3 to 43"},
		{"[1, 2, 3].all(x, x > 0)", "bool, cost 20 to 26"},
		{"[self.a, 'x'].all(x, x == self.a)", "bool, cost 19 to 25"},
		{"self.f.all(x, true)", "bool, cost 3 to 18446744073709551615"}, // a list without a bound has no most
		{"self.f.map(x, x)", "list(string), cost 13 to 18446744073709551615"},
		{"self.d.map(t, t.k)", "list(string), cost 13 to 153"},
		{"self.d.map(t, t.k).map(k, k + k)", "list(string), cost 24 to 304"},
		{"self.d.filter(t, t.n > 0).size() == 1", "bool, cost 15 to 175"},
		{"self.d.map(t, [t.k]).all(l, l[0] == 'x')", "bool, cost 14 to 314"},
		{"(self.d + self.d).all(t, true)", "bool, cost 6 to 66"},
	}},
	{"what may not be evaluated counts in the most, not in the least", [][2]string{
		{"true || self.a == self.a", "bool, cost 0 to 14"},
		{"self.h && self.a == self.a", "bool, cost 2 to 16"},
		{"self.h ? self.a : 'x'", "string, cost 2 to 4"},
		{"(self.h ? self.a : 'abcdefghijklmnopqrstuvwxyz') == self.a", "bool, cost 5 to 16"},
		{"self.h ? self.a == self.a : true", "bool, cost 2 to 16"},
		{"optional.of(self.a).orValue('x')", "string, cost 4 to 4"},
		{"oldSelf.?a.orValue('x') == self.a", "bool, cost 6 to 15"},
	}},
	{"times and dyn: an instant has no size, and of dyn all overloads may be meant", [][2]string{
		{"self.c < self.c", "bool, cost 5 to 5"},
		{"self.c == self.c", "bool, cost 5 to 8"},
		{"self.c - self.c > duration('1h')", "bool, cost 7 to 7"},
		{"self.g + self.g", "dyn, cost 4 to 5"},
		{"self.g == self.g", "bool, cost 4 to 4"},
		{"self.g in self.g", "bool, cost 4 to 5"},
		{"dyn(self.a) + dyn(self.a)", "dyn, cost 6 to 26"},
	}},
}

// faultLessons are the errors of the parser, of the checker and of the validators, in the order in which they are told.
var faultLessons = []lesson{
	{"names that nobody has declared", [][2]string{
		{"x", "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')"},
		{"x.y", "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')"},
		{"self.x", "ERROR: <input>:1:5: undefined field 'x'"},
		{"self.d.k", "ERROR: <input>:1:7: type 'list(Pet.tags.@idx)' does not support field selection"},
		{"self.d[0].x", "ERROR: <input>:1:10: undefined field 'x'"},
		{"self.a.b", "ERROR: <input>:1:7: type 'string' does not support field selection"},
		{"x(1)", "ERROR: <input>:1:2: undeclared reference to 'x' (in container '')"},
		{"self.x(1)", "ERROR: <input>:1:7: undeclared reference to 'x' (in container '')"},
		{"self.a.x(1)", "ERROR: <input>:1:9: undeclared reference to 'x' (in container '')"},
		{"x + y", "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n\tERROR: <input>:1:5: undeclared reference to 'y' (in container '')"},
		{"[x, y, z]", "ERROR: <input>:1:2: undeclared reference to 'x' (in container '')\n\tERROR: <input>:1:5: undeclared reference to 'y' (in container '')\n\tERROR: <input>:1:8: undeclared reference to 'z' (in container '')"},
		{"{x: y}", "ERROR: <input>:1:2: undeclared reference to 'x' (in container '')\n\tERROR: <input>:1:5: undeclared reference to 'y' (in container '')"},
		{"self.d.all(t, u.k == 'x')", "ERROR: <input>:1:15: undeclared reference to 'u' (in container '')"},
		{"X{}", "ERROR: <input>:1:2: undeclared reference to 'X' (in container '')"},
		{"X{a: 1}", "ERROR: <input>:1:2: undeclared reference to 'X' (in container '')"},
		{"Pet{x: 1}", "ERROR: <input>:1:6: undefined field 'x'"},
		{"Pet{a: 1}", "ERROR: <input>:1:6: expected type of field 'a' is 'string' but provided type is 'int'"},
		{"int{}", "ERROR: <input>:1:4: 'int' is not a message type"},
	}},
	{"operators and functions that no overload fits, by the types that they got", [][2]string{
		{"1 + 'a'", "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'"},
		{"self.a + self.b", "ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(string, int)'"},
		{"self.a - 'b'", "ERROR: <input>:1:8: found no matching overload for '_-_' applied to '(string, string)'"},
		{"!self.b", "ERROR: <input>:1:1: found no matching overload for '!_' applied to '(int)'"},
		{"-self.a", "ERROR: <input>:1:1: found no matching overload for '-_' applied to '(string)'"},
		{"-1u", "ERROR: <input>:1:1: found no matching overload for '-_' applied to '(uint)'"},
		{"self.b in self.a", "ERROR: <input>:1:8: found no matching overload for '@in' applied to '(int, string)'"},
		{"self.d[self.a]", "ERROR: <input>:1:7: found no matching overload for '_[_]' applied to '(list(Pet.tags.@idx), string)'"},
		{"self.e[1]", "ERROR: <input>:1:7: found no matching overload for '_[_]' applied to '(map(string, string), int)'"},
		{"self.a[0]", "ERROR: <input>:1:7: found no matching overload for '_[_]' applied to '(string, int)'"},
		{"self.b < self.a", "ERROR: <input>:1:8: found no matching overload for '_<_' applied to '(int, string)'"},
		{"self.b == self.a", "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'"},
		{"self.d == self.e", "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(list(Pet.tags.@idx), map(string, string))'"},
		{"size(self.b)", "ERROR: <input>:1:5: found no matching overload for 'size' applied to '(int)'"},
		{"self.b.size()", "ERROR: <input>:1:12: found no matching overload for 'size' applied to 'int.()'"},
		{"self.a.size(1)", "ERROR: <input>:1:12: found no matching overload for 'size' applied to 'string.(int)'"},
		{"self.a.matches(1)", "ERROR: <input>:1:15: found no matching overload for 'matches' applied to 'string.(int)'"},
		{"duration(1)", "ERROR: <input>:1:9: found no matching overload for 'duration' applied to '(int)'"},
		{"[1] + ['a']", "ERROR: <input>:1:5: found no matching overload for '_+_' applied to '(list(int), list(string))'"},
		{"[[]] + [{}]", "ERROR: <input>:1:6: found no matching overload for '_+_' applied to '(list(list(dyn)), list(map(dyn, dyn)))'"},
		{"optional.of(1).orValue('a')", "ERROR: <input>:1:23: found no matching overload for 'orValue' applied to 'optional_type(int).(string)'"},
	}},
	{"places where a bool is expected", [][2]string{
		{"self.a && true", "ERROR: <input>:1:5: expected type 'bool' but found 'string'"},
		{"true || self.b", "ERROR: <input>:1:13: expected type 'bool' but found 'int'"},
		{"self.a ? 1 : 2", "ERROR: <input>:1:8: found no matching overload for '_?_:_' applied to '(string, int, int)'"},
		{"true ? 1 : 'a'", "ERROR: <input>:1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'"},
		{"self.d.all(t, t.k)", "ERROR: <input>:1:16: expected type 'bool' but found 'string'"},
		{"self.d.exists(t, t.n)", "ERROR: <input>:1:19: expected type 'bool' but found 'int'"},
		{"self.d.filter(t, t.n)", "ERROR: <input>:1:14: found no matching overload for '_?_:_' applied to '(int, list(Pet.tags.@idx), list(Pet.tags.@idx))'"},
		{"self.d.map(t, t.n, t)", "ERROR: <input>:1:11: found no matching overload for '_?_:_' applied to '(int, list(Pet.tags.@idx), list(Pet.tags.@idx))'"},
	}},
	{"ranges of macros, and their variables", [][2]string{
		{"self.b.all(x, true)", "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)"},
		{"self.a.map(x, x)", "ERROR: <input>:1:5: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)"},
		{"self.all(x, true)", "ERROR: <input>:1:1: expression of type 'Pet' cannot be range of a comprehension (must be list, map, or dynamic)"},
		{"self.d.all(1, true)", "ERROR: <input>:1:12: argument must be a simple name"},
		{"self.d.all(t.k, true)", "ERROR: <input>:1:13: argument must be a simple name"},
		{"self.d.all(t)", "ERROR: <input>:1:11: undeclared reference to 'all' (in container '')\n\tERROR: <input>:1:12: undeclared reference to 't' (in container '')"},
		{"has(self)", "ERROR: <input>:1:5: invalid argument to has() macro"},
		{"has(self.d[0])", "ERROR: <input>:1:11: invalid argument to has() macro"},
	}},
	{"literals that cannot be read", [][2]string{
		{"duration('1')", "ERROR: <input>:1:10: invalid duration argument"},
		{"duration('1 day')", "ERROR: <input>:1:10: invalid duration argument"},
		{"timestamp('yesterday')", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"timestamp('2024-13-01T00:00:00Z')", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"self.a.matches('(')", "ERROR: <input>:1:16: invalid matches argument"},
		{"self.a.matches('[a-')", "ERROR: <input>:1:16: invalid matches argument"},
		{"self.a.matches('a{2,1}')", "ERROR: <input>:1:16: invalid matches argument"},
		{"'('.matches(self.a)", "bool, cost 2 to 27"}, // upstream's validator takes the first argument for the pattern, which the receiver is not
		{"matches(self.a, '(')", "bool, cost 3 to 13"},
		{"matches('(', self.a)", "ERROR: <input>:1:9: invalid matches argument"}, // here it is
	}},
	{"lists and maps whose parts are of several types", [][2]string{
		{"[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'"},
		{"[1, 1u]", "ERROR: <input>:1:5: expected type 'int' but found 'uint'"},
		{"[1, dyn('a')]", "ERROR: <input>:1:8: expected type 'int' but found 'dyn'"},
		{"[dyn(1), dyn('a')]", "list(dyn), cost 12 to 12"},
		{"[1, 2, 'a', 'b']", "ERROR: <input>:1:8: expected type 'int' but found 'string'"}, // the first that differs, and no other
		{"{'a': 1, 'b': 'x'}", "ERROR: <input>:1:15: expected type 'int' but found 'string'"},
		{"{'a': 1, 1: 'x'}", "ERROR: <input>:1:10: expected type 'string' but found 'int'\n\tERROR: <input>:1:13: expected type 'int' but found 'string'"}, // a map reports all of them
		{"{'a': [1], 'b': ['x']}", "ERROR: <input>:1:17: expected type 'list(int)' but found 'list(string)'"},
		{"[[1], ['a']]", "ERROR: <input>:1:7: expected type 'list(int)' but found 'list(string)'"},
		{"[[], [1]]", "list(list(int)), cost 30 to 30"},
		{"[{}, {'a': 1}]", "list(map(string, int)), cost 70 to 70"},
		{"[1, null]", "ERROR: <input>:1:5: expected type 'int' but found 'null'"},
		{"[self.c, null]", "ERROR: <input>:1:10: expected type 'timestamp' but found 'null'"},
	}},
	{"the text does not even read", [][2]string{
		{"1 +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"},
		{"(1", "ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'"},
		{"[1, 2", "ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}"},
		{"self.", "ERROR: <input>:1:6: Syntax error: no viable alternative at input '.'"},
		{"self..a", "ERROR: <input>:1:6: Syntax error: no viable alternative at input '..'"},
		{"'a", "ERROR: <input>:1:1: Syntax error: token recognition error at: ''a'\n\tERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"},
		{"1 = 2", "ERROR: <input>:1:3: Syntax error: token recognition error at: '= '\n\tERROR: <input>:1:5: Syntax error: extraneous input '2' expecting <EOF>"},
		{"a b", "ERROR: <input>:1:3: Syntax error: extraneous input 'b' expecting <EOF>"},
		{"if", "ERROR: <input>:1:1: reserved identifier: if"},
	}},
}

// TestChecks checks and estimates the lessons, all of them against one Env.
func TestChecks(t *testing.T) {
	self := pet()
	env := kubernetes().With([]cel.Variable{{Name: "self", Type: self}, {Name: "oldSelf", Type: cel.OptionalOf(self)}}, []*cel.Type{self})
	for _, lessons := range [][]lesson{estimateLessons, faultLessons} {
		for _, l := range lessons {
			t.Run(l.topic, func(t *testing.T) {
				for _, line := range l.lines {
					if got := answer(env, line[0]); got != line[1] {
						t.Errorf("%s\n\t%s, want\n\t%s", line[0], got, line[1])
					}
				}
			})
		}
	}
}
