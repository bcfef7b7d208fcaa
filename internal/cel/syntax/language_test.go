package syntax

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestKinds has every kind of token by an example, its name in messages, and a text in which it ends before its last rune.
func TestKinds(t *testing.T) {
	for k, c := range [bad]struct{ name, whole, longer string }{
		end: {"<EOF>", "", ""}, equals: {"'=='", "==", "==="}, notEquals: {"'!='", "!=", "!=="}, in: {"'in'", "in", "in("},
		less: {"'<'", "<", "<<"}, lessEquals: {"'<='", "<=", "<=="}, greaterEquals: {"'>='", ">=", ">=="}, greater: {"'>'", ">", ">>"},
		and: {"'&&'", "&&", "&&&"}, or: {"'||'", "||", "|||"}, openBracket: {"'['", "[", "[["}, closeBracket: {"']'", "]", "]]"},
		openBrace: {"'{'", "{", "{{"}, closeBrace: {"'}'", "}", "}}"}, openParen: {"'('", "(", "(("}, closeParen: {"')'", ")", "))"},
		dot: {"'.'", ".", ".."}, comma: {"','", ",", ",,"}, minus: {"'-'", "-", "-1"}, exclam: {"'!'", "!", "!!"},
		question: {"'?'", "?", "?."}, colon: {"':'", ":", "::"}, plus: {"'+'", "+", "++"}, starSign: {"'*'", "*", "**"},
		slash: {"'/'", "/", "/*"}, percent: {"'%'", "%", "%%"}, kTrue: {"'true'", "true", "true)"}, kFalse: {"'false'", "false", "false."},
		kNull: {"'null'", "null", "null "}, space: {"WHITESPACE", " \t\r\n\f", " a"}, comment: {"COMMENT", "// a /* b", "// a\n"},
		float: {"NUM_FLOAT", "1.25e-7", "1.5."}, integer: {"NUM_INT", "0xaF", "12 "}, unsigned: {"NUM_UINT", "12U", "12uu"},
		text: {"STRING", "R'''\n\\'''", "'a' "}, binary: {"BYTES", `bR"\"`, `b'a'b`}, identifier: {"IDENTIFIER", "_A9", "in_-"},
		escaped: {"ESC_IDENTIFIER", "`a.b-c/d e`", "`a`b"},
	} {
		if names[k] != c.name {
			t.Errorf("kind %d is %s, want %s", k, names[k], c.name)
		}
		l := lexer{[]rune(c.whole)}
		if got := l.next(0); got.kind != kind(k) || int(got.end) != len(l.text) {
			t.Errorf("%q begins with %d up to %d, want all of it to be a %s", c.whole, got.kind, got.end, c.name)
		}
		if l = (lexer{[]rune(c.longer)}); c.longer != "" {
			if got := l.next(0); got.kind != kind(k) || int(got.end) >= len(l.text) {
				t.Errorf("%q begins with %d up to %d, want a %s that is shorter", c.longer, got.kind, got.end, c.name)
			}
		}
	}
}

// levels are the operators by how much they bind, from least to most. Those of a level are nested to the left, but for conditions,
// which are to the right, and for || and &&, which are balanced.
var levels = [][]string{{"||"}, {"&&"}, {"<", "<=", ">", ">=", "==", "!=", "in"}, {"+", "-"}, {"*", "/", "%"}}

// function returns what an operator calls.
func function(operator string) string {
	if operator == "in" {
		return "@in"
	}
	return "_" + operator + "_"
}

// TestPrecedence has every operator beside every other one: a x b y c is (a x b) y c unless y binds more.
func TestPrecedence(t *testing.T) {
	for i, firsts := range levels {
		for j, seconds := range levels {
			for _, x := range firsts {
				for _, y := range seconds {
					f, g := function(x), function(y)
					want := fmt.Sprintf("(%s (%s a b) c)", g, f)
					if j > i {
						want = fmt.Sprintf("(%s a (%s b c))", f, g)
					}
					if got := expression("a " + x + " b " + y + " c"); got != want {
						t.Errorf("a %s b %s c is %s, want %s", x, y, got, want)
					}
					// Parentheses leave no trace but the order.
					if got, want := expression("a "+x+" (b "+y+" c)"), fmt.Sprintf("(%s a (%s b c))", f, g); got != want {
						t.Errorf("a %s (b %s c) is %s, want %s", x, y, got, want)
					}
				}
			}
		}
	}
	for _, c := range [][2]string{
		// Signs bind more than any operator of two operands, and less than what follows an operand.
		{"!a && b", "(_&&_ (!_ a) b)"}, {"!a == b", "(_==_ (!_ a) b)"}, {"!a.b", "(!_ a.b)"}, {"!a[0](b)", ""}, {"-a * b", "(_*_ (-_ a) b)"},
		{"-a.b(c)", "(-_ (b a / c))"}, {"-1.size()", "(size -1 / )"}, {"- 1", "-1"}, {"-(1)", "(-_ 1)"}, {"a-1", "(_-_ a 1)"},
		{"a--1", "(_-_ a -1)"}, {"a---1", "(_-_ a 1)"}, {"a - - b", "(_-_ a (-_ b))"}, {"!!!!a", "a"},
		// A condition binds least; its parts may be conditions, the first only in parentheses.
		{"a || b ? c : d", "(_?_:_ (_||_ a b) c d)"}, {"a ? b : c || d", "(_?_:_ a b (_||_ c d))"},
		{"a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"}, {"a ? (b ? c : d) : e", "(_?_:_ a (_?_:_ b c d) e)"}, {"a ? b ? c : d : e", ""},
		// What is balanced: half of the terms, rounded up, is on the left.
		{"a && b && c && d && e", "(_&&_ (_&&_ (_&&_ a b) c) (_&&_ d e))"}, {"a || (b || c)", "(_||_ a (_||_ b c))"},
		// A brace behind a name makes a message of all of the name.
		{"a.b{}.c", "a.b.c"}, {"a.b{c: d}.e[f]", "(_[_] a.b{c d}.e f)"}, {"a[b]{}", ""}, {"f(){}", ""},
	} {
		got := expression(c[0])
		if strings.HasPrefix(got, "ERROR") {
			got = ""
		}
		if got != c[1] {
			t.Errorf("%s is %q, want %q", c[0], got, c[1])
		}
	}
}

// TestLiterals reads literals as they stand in a text, with the type that each has.
func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"0", int64(0)}, {"-0", int64(0)}, {"00012", int64(12)}, {"9223372036854775807", int64(math.MaxInt64)},
		{"-9223372036854775808", int64(math.MinInt64)}, {"0xffff", int64(65535)}, {"-0xFf", int64(-255)}, {"0u", uint64(0)},
		{"0xFFFFFFFFFFFFFFFFu", uint64(math.MaxUint64)}, {"1.0", 1.0}, {"-2.5", -2.5}, {".25", 0.25}, {"6.02e23", 6.02e23}, {"1e3", 1000.0},
		{"1E+2", 100.0}, {"1e-400", 0.0}, {"true", true}, {"false", false}, {"null", nil}, {"''", ""}, {`"it's"`, "it's"},
		{`'\'\"\\\?'`, `'"\?`}, {`'\a\b\f\n\r\t\v'`, "\a\b\f\n\r\t\v"}, {`'\x41\101A\U00000041'`, "AAAA"}, {`'\u0041'`, "A"},
		{`'\xe9'`, "é"}, {`r'\x41'`, `\x41`}, {`R"a\"`, `a\`}, {"'''a\n'b' \"c\"'''", "a\n'b' \"c\""}, {"'''\r\n'''", "\n"},
		{`"""a\"""b"""`, `a"""b`}, {`b'\xe9'`, []byte{0xe9}}, {`b'é'`, []byte("é")}, {`b'\377\000'`, []byte{255, 0}}, {`br'\n'`, []byte(`\n`)},
		{`B"""a"""`, []byte("a")},
	} {
		ast, err := Parse(c.text, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got, same := ast.Root.Value, false
		if b, ok := c.want.([]byte); ok {
			have, isBytes := got.([]byte)
			same = isBytes && slices.Equal(have, b)
		} else {
			same = got == c.want
		}
		if ast.Root.Kind != Literal || !same {
			t.Errorf("%s is %#v, want %#v", c.text, got, c.want)
		}
	}
}

// TestExpansions has what the standard macros stand for, by parts: Init, Condition, Step and Result of a fold over the receiver. What
// has another number of arguments, or no receiver, is a call as any other.
func TestExpansions(t *testing.T) {
	for _, c := range []struct{ text, init, condition, step, result string }{
		{"l.all(x, p)", "true", "(@not_strictly_false @result)", "(_&&_ @result p)", "@result"},
		{"l.exists(x, p)", "false", "(@not_strictly_false (!_ @result))", "(_||_ @result p)", "@result"},
		{"l.exists_one(x, p)", "0", "true", "(_?_:_ p (_+_ @result 1) @result)", "(_==_ @result 1)"},
		{"l.map(x, f)", "[]", "true", "(_+_ @result [f])", "@result"},
		{"l.map(x, p, f)", "[]", "true", "(_?_:_ p (_+_ @result [f]) @result)", "@result"},
		{"l.filter(x, p)", "[]", "true", "(_?_:_ p (_+_ @result [x]) @result)", "@result"},
	} {
		ast, err := Parse(c.text, Options{Macros: Standard})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		f := ast.Root.Fold
		if ast.Root.Kind != Fold || show(f.Range) != "l" || f.Var != "x" || f.Var2 != "" || f.Accumulator != Accumulator {
			t.Errorf("%s is %s", c.text, show(ast.Root))
			continue
		}
		for _, part := range []struct {
			name, want string
			e          *Expr
		}{{"Init", c.init, f.Init}, {"Condition", c.condition, f.Condition}, {"Step", c.step, f.Step}, {"Result", c.result, f.Result}} {
			if got := show(part.e); got != part.want {
				t.Errorf("%s of %s is %s, want %s", part.name, c.text, got, part.want)
			}
		}
	}
	for _, c := range [][2]string{
		{"has(a.b)", "has(a.b)"}, {"has(a.b.c)", "has(a.b.c)"}, {"has(f(x).b)", "has((f x).b)"}, {"has(has(a.b).c)", "has(has(a.b).c)"},
		{"has()", "(has )"}, {"has(a, b)", "(has a b)"}, {"a.has(b)", "(has a / b)"}, {"all(x, p)", "(all x p)"}, {"l.all(p)", "(all l / p)"},
		{"l.all(x, y, p)", "(all l / x y p)"}, {"l.exists(x)", "(exists l / x)"}, {"l.exists_one()", "(exists_one l / )"}, {"l.map(f)", "(map l / f)"},
		{"l.filter(x, p, f)", "(filter l / x p f)"}, {"l.existsOne(x, p)", "(existsOne l / x p)"},
	} {
		if got := expression(c[0], Standard...); got != c[1] {
			t.Errorf("%s is %s, want %s", c[0], got, c[1])
		}
	}
	// The variable of an inner fold hides the one of an outer fold: both keep the name that they have.
	ast, err := Parse("l.all(x, x.all(x, x))", Options{Macros: Standard})
	if err != nil {
		t.Fatal(err)
	}
	if inner := ast.Root.Fold.Step.Args[1].Fold; inner == nil || inner.Var != "x" || show(inner.Range) != "x" {
		t.Errorf("nested: %s", show(ast.Root))
	}
}

// TestWorkedExample is the example of recover.go, and what becomes of it when the fault is put right step by step.
func TestWorkedExample(t *testing.T) {
	for _, c := range [][2]string{
		{"[a b, c d]", "1:4: Syntax error: extraneous input 'b' expecting {']', ','}\n1:7: Syntax error: mismatched input 'c' expecting ']'"},
		{"[a, c d]", "1:7: Syntax error: extraneous input 'd' expecting {']', ','}"},
		{"[a, c, d", "1:9: Syntax error: mismatched input '<EOF>' expecting {']', ','}"},
		{"[a, c, d,", "1:10: Syntax error: missing ']' at '<EOF>'"},
		{"[a, c, d,]", ""},
	} {
		if got := messages(t, c[0], false); got != c[1] {
			t.Errorf("%s:\n%s, want\n%s", c[0], got, c[1])
		}
	}
}

// TestHowFarPredictionsLook has how many tokens a prediction looks at before one alternative is left: the example of predict.go, and
// what decides sooner. Nothing is taken, and what is behind is not looked at: a bad piece there is not told yet.
func TestHowFarPredictionsLook(t *testing.T) {
	for _, c := range []struct {
		rule      rule
		text      string
		alt, look int
	}{
		{rulePrimary, "a.b{ #", 6, 4}, {rulePrimary, "a.b.c.d{ #", 6, 8}, {rulePrimary, "a.b", 1, 4}, {rulePrimary, "a( #", 2, 2},
		{rulePrimary, "a[ #", 1, 2}, {rulePrimary, "a.b( #", 1, 4}, {rulePrimary, "[ #", 4, 1}, {rulePrimary, "( #", 3, 1},
		{rulePrimary, ".a.b + #", 1, 5}, {rulePrimary, "'a' #", 7, 1}, {rulePrimary, "-1 #", 7, 1},
		{ruleUnary, "a #", 1, 1}, {ruleUnary, "! #", 2, 1}, {ruleUnary, "-a #", 3, 2}, {ruleUnary, "--1 #", 3, 2},
		{ruleLiteral, "-1.5 #", 3, 2}, {ruleLiteral, "null #", 8, 1},
	} {
		source := NewSource(c.text)
		p := newThorough(source, &Faults{Source: source})
		p.lex()
		p.fetch(1)
		p.frame = &frame{rule: ruleStart, node: &node{}}
		p.frame = &frame{rule: c.rule, parent: p.frame, invoking: p.g.rules[ruleStart].parts[0].state, node: &node{}}
		if alt := p.predict(p.g.rules[c.rule].parts[0].state); alt != c.alt || p.fetched != c.look || len(p.faults.List) > 0 {
			t.Errorf("rule %d at %q: %d after %d tokens, want %d after %d (%v)", c.rule, c.text, alt, p.fetched, c.alt, c.look, p.faults.List)
		}
	}
}

// TestNestedTooDeep counts the limit of depth by what nests: the deepest expression that is read, and that one more is refused.
func TestNestedTooDeep(t *testing.T) {
	const nested, long = "expression recursion limit exceeded: 250", "max recursion depth exceeded"
	for _, c := range []struct {
		open, middle, shut string
		deepest            int
		message            string
	}{
		// What is in brackets is one expression more; the one around them is the first.
		{"(", "a", ")", 249, nested}, {"[", "a", "]", 249, nested}, {"f(", "a", ")", 249, nested}, {"a ? b : ", "c", "", 249, nested},
		// What is read by a loop is bounded when the tree is built, as deep as that is.
		{"", "a", ".b", 250, long}, {"", "a", "[0]", 250, long}, {"", "a", " + b", 250, long},
	} {
		text := func(n int) string { return strings.Repeat(c.open, n) + c.middle + strings.Repeat(c.shut, n) }
		deepest := 0
		for n := 1; n < 300; n++ {
			if _, err := Parse(text(n), Options{}); err != nil {
				if !strings.Contains(err.Error(), c.message) {
					t.Errorf("%s: %.200v, want %s", text(2), err, c.message)
				}
				break
			}
			deepest = n
		}
		if deepest != c.deepest {
			t.Errorf("%s is read %d deep, want %d", text(2), deepest, c.deepest)
		}
	}
}
