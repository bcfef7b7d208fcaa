package syntax

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// messages returns what is wrong with a text, a line each: place and message.
func messages(t *testing.T, text string, optionals bool) string {
	t.Helper()
	_, err := Parse(text, Options{Macros: Standard, Optionals: optionals})
	if err == nil {
		return ""
	}
	var f *Faults
	if !errors.As(err, &f) {
		t.Fatalf("%s: %T", text, err)
	}
	// A message may have a line feed in it, which it quotes.
	text = snippets.ReplaceAllString(err.Error(), "")
	return strings.ReplaceAll(strings.ReplaceAll(text, "ERROR: <input>:", ""), operand, "OPERAND")
}

// snippets are the lines that show where a fault is.
var snippets = regexp.MustCompile(`\n \| .*`)

// operand is what may begin an operand, as messages have it.
const operand = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

// argument is what may stand behind the parenthesis of a call.
const argument = "{'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

// TestFaults reads texts with one fault or several of every sort. Upstream says the same of them.
func TestFaults(t *testing.T) {
	for _, c := range [][2]string{
		{"a +", "1:4: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{"a b", "1:3: Syntax error: extraneous input 'b' expecting <EOF>"},
		{"(a", "1:3: Syntax error: missing ')' at '<EOF>'"},
		{"[1, 2", "1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}"},
		{"{1: 2", "1:6: Syntax error: mismatched input '<EOF>' expecting {'}', ','}"},
		{"{1}", "1:3: Syntax error: mismatched input '}' expecting ':'"},
		{"f(a b)", "1:5: Syntax error: extraneous input 'b' expecting ')'"},
		{"a ? b", "1:6: Syntax error: mismatched input '<EOF>' expecting ':'"},
		{"a.", "1:3: Syntax error: no viable alternative at input '.'"},
		{"a..b", "1:3: Syntax error: no viable alternative at input '..'"},
		{"a.true", "1:3: Syntax error: mismatched input 'true' expecting IDENTIFIER"},
		{"a b c", "1:3: Syntax error: mismatched input 'b' expecting <EOF>"},
		{"a[1", "1:4: Syntax error: missing ']' at '<EOF>'"},
		{"a{b 1}", "1:5: Syntax error: missing ':' at '1'"},
		{"a{b: 1,, c: 2}", "1:8: Syntax error: mismatched input ',' expecting '}'"},
		{"*a", "1:1: Syntax error: extraneous input '*' expecting OPERAND"},
		{"a**b", "1:3: Syntax error: extraneous input '*' expecting OPERAND"},
		{")", "1:1: Syntax error: mismatched input ')' expecting OPERAND"},
		{"a)", "1:2: Syntax error: extraneous input ')' expecting <EOF>"},
		{"", "1:0: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{"& a", "1:1: Syntax error: token recognition error at: '& '"},
		{"a = b", "1:3: Syntax error: token recognition error at: '= '\n1:5: Syntax error: extraneous input 'b' expecting <EOF>"},
		{"'abc", "1:1: Syntax error: token recognition error at: ''abc'\n1:5: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{"\"a\\q\"", "1:1: Syntax error: token recognition error at: '\"a\\q'\n1:5: Syntax error: token recognition error at: '\"'\n1:6: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{"a == 'x\ny'", "1:6: Syntax error: token recognition error at: ''x\n'\n2:2: Syntax error: token recognition error at: '''"},
		{"-1.a.b.(c)", "1:8: Syntax error: no viable alternative at input '.('"},
		{"a.b.c @ d", "1:7: Syntax error: token recognition error at: '@'\n1:9: Syntax error: extraneous input 'd' expecting <EOF>"},
		{"[1 2 3]", "1:4: Syntax error: mismatched input '2' expecting {']', ','}"},
		{"x.all(1, y)", "1:7: argument must be a simple name"},
		{"x.exists(a.b, y)", "1:11: argument must be a simple name"},
		{"x.map(1, y)", "1:7: argument is not an identifier"},
		{"x.filter(x.y, y)", "1:11: argument is not an identifier"},
		{"x.all(__result__, y)", "1:7: iteration variable overwrites accumulator variable"},
		{"has(a)", "1:5: invalid argument to has() macro"},
		{"has(a.b())", "1:8: invalid argument to has() macro"},
		{"while", "1:1: reserved identifier: while"},
		{"if(a)", "1:1: reserved identifier: if"},
		{".as.b", "1:1: reserved identifier: as"},
		{"99999999999999999999", "1:1: invalid int literal"},
		{"-99999999999999999999", "1:1: invalid int literal"},
		{"99999999999999999999u", "1:1: invalid uint literal"},
		{"1e999", "1:1: invalid double literal"},
		{"\"\\ud800\"", "1:1: invalid unicode code point"},
		{"b\"\\u0041\"", "1:1: unable to unescape string"},
		{"'\\U00110000'", "1:1: invalid unicode code point"},
		{"a.?b", "1:2: unsupported syntax '.?'"},
		{"a[?b]", "1:2: unsupported syntax '[?'"},
		{"[?a]", "1:2: unsupported syntax '?'"},
		{"{?a: b}", "1:2: unsupported syntax '?'"},
		{"a{?b: c}", "1:3: unsupported syntax '?'"},
		{"`a`", "1:1: Syntax error: mismatched input '`a`' expecting OPERAND"},
		{"a ? : b", "1:5: Syntax error: extraneous input ':' expecting OPERAND\n1:8: Syntax error: mismatched input '<EOF>' expecting ':'"},
		{"1 +\n  2 *\n", "3:1: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{"{a: 1, b c}", "1:10: Syntax error: missing ':' at 'c'"},
		{"f(,)", "1:3: Syntax error: extraneous input ',' expecting " + argument},
		{"[1,,2]", "1:4: Syntax error: mismatched input ',' expecting ']'"},
		{"a.b(", "1:5: Syntax error: mismatched input '<EOF>' expecting " + argument},
	} {
		if got := messages(t, c[0], false); got != c[1] {
			t.Errorf("%q:\n%s, want\n%s", c[0], got, c[1])
		}
	}
	for _, sound := range []string{"a.`b c`", "null.f()", "a.?b", "[?a]"} {
		if got := messages(t, sound, true); got != "" {
			t.Errorf("%q: %s", sound, got)
		}
	}
}

// TestUpstreamsFaults has of each of these texts what upstream says of it: faults of some hundred sorts that TestSyntax of interop/cel
// met, and wrote with -keep-faults. A row is: with optional syntax or without, text, messages.
func TestUpstreamsFaults(t *testing.T) {
	data, err := os.ReadFile("testdata/faults.txt")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(data)) {
		var optionals bool
		var text, want string
		if _, err := fmt.Sscanf(row, "%t\t%q\t%q", &optionals, &text, &want); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		if got := messages(t, text, optionals); got != want {
			t.Errorf("%q:\n%s, want\n%s", text, got, want)
		}
	}
}

// TestCarets prints faults: the caret stands below the rune, whatever stands before it.
func TestCarets(t *testing.T) {
	for _, c := range [][2]string{
		{"a +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting OPERAND\n | a +\n | ...^"},
		{"\ta b", "ERROR: <input>:1:4: Syntax error: extraneous input 'b' expecting <EOF>\n |  a b\n | ...^"},
		{"'世é' b", "ERROR: <input>:1:6: Syntax error: extraneous input 'b' expecting <EOF>\n | '世é' b\n | .\uff0e\uff0e..^"},
		{"a 世", "ERROR: <input>:1:3: Syntax error: token recognition error at: '世'\n | a 世\n | ..\uff3e"},
		{"a ||\n  while ||\n b c", "ERROR: <input>:2:3: reserved identifier: while\n |   while ||\n | ..^\n" +
			"ERROR: <input>:3:4: Syntax error: extraneous input 'c' expecting <EOF>\n |  b c\n | ...^"},
		{"", "ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting OPERAND"},
		{strings.Repeat(" ", 17_000) + ")", "ERROR: <input>:1:17001: Syntax error: mismatched input ')' expecting OPERAND"},
	} {
		_, err := Parse(c[0], Options{})
		if err == nil {
			t.Errorf("%.50q is no error", c[0])
		} else if got := strings.ReplaceAll(err.Error(), operand, "OPERAND"); got != c[1] {
			t.Errorf("%.50q:\n%.1000s, want\n%s", c[0], got, c[1])
		}
	}
}

// TestManyFaults prints faults in the order of their places, those that were found first at the same place first, and no more than
// a hundred.
func TestManyFaults(t *testing.T) {
	f := &Faults{Source: NewSource("abc")}
	f.AddAt(2, "third")
	f.AddAt(0, "first")
	f.AddAt(0, "second")
	f.Add(-1, -1, "nowhere")
	want := "ERROR: <input>:-1:0: nowhere\nERROR: <input>:1:1: first\n | abc\n | ^\nERROR: <input>:1:1: second\n | abc\n | ^\n" +
		"ERROR: <input>:1:3: third\n | abc\n | ..^"
	if got := f.Error(); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	for range 98 {
		f.Add(9, 0, "one more")
	}
	if got := f.Error(); len(f.List) != faultLimit || !strings.HasSuffix(got, "one more\n2 more errors were truncated") {
		t.Errorf("%d faults: %s", len(f.List), got)
	}
}

// TestNoSource prints a fault of Faults that have no source.
func TestNoSource(t *testing.T) {
	f := &Faults{List: []Fault{{-1, -1, "nothing"}}}
	if got := f.Error(); got != "ERROR: <input>:-1:0: nothing" {
		t.Error(got)
	}
}
