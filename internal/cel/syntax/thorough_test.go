package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// soundTexts use every alternative of every rule of the grammar.
var soundTexts = []string{
	"1", "-1", "0x1F", "-0x1", "7u", "1.5", "-1.5e3", ".5", "null", "true", "false", "'a'", `b"a"`, "a", ".a", "(a)", "((a))", "f()", ".f(a)",
	"f(a, b, c)", "a.b", "a.b.c", "a.`b-c`", "a.?b", "a.?`b c`", "a.b()", "a.b(c).d(e, f)", "a[b]", "a[?b]", "a[0].b[1][2]", "!a", "!!a", "!!!a.b",
	"-a", "--a", "--1", "---1.5", "-a.b(c)", "-1.a.b(c)", "- 1", "!-1", "!(-a)", "a * b", "a / b % c", "a + b", "a - b", "a -1", "a - -1",
	"a * b + c * d - e", "a + b * c * d + e", "a < b", "a <= b", "a > b", "a >= b", "a == b", "a != b", "a in b", "a < b == c in d", "a + b < c - d",
	"a && b", "a && b && c", "a || b", "a || b && c || d", "a ? b : c", "a ? b : c ? d : e", "a ? b || c : d && e", "(a ? b : c) ? d : e",
	"[]", "[,]", "[a]", "[a,]", "[a, b]", "[?a, b, ?c,]", "[[a], [b]]", "{}", "{,}", "{a: b}", "{a: b,}", "{?a: b, c: d}", "{a: {b: c}}",
	"a{}", "a{,}", "a.b{}", ".a.b.c{}", "a{b: c}", "a{b: c,}", "a{?b: c, `d-e`: f}", "a{b: c}.d", "a.b{c: 1}[d]", "a.b.c{}.d.e()",
	"has(a.b)", "a.all(b, c)", "a.exists(b, c).exists_one(d, e)", "a.map(b, c).map(d, e, f)", "a.filter(b, has(b.c))", "a // b", "a.\n b\t[ c ]",
	"a.b.c(d)[e] in f{g: [h, ?i]} ? -1 : !j.k || {l: m}.n", "-(-(-a))", "a.b ? -1.5 : - 1", "'世界' + r'\\' == \"\"\"a\"b\"\"\"",
}

// places writes an expression with the IDs and the places of its nodes.
func places(e *Expr, offsets []int32) string {
	var b strings.Builder
	var walk func(e *Expr)
	walk = func(e *Expr) {
		if e == nil {
			return
		}
		fmt.Fprintf(&b, "#%d@%d ", e.ID, offsets[e.ID])
		walk(e.Operand)
		for _, a := range e.Args {
			walk(a)
		}
		for _, n := range e.Entries {
			fmt.Fprintf(&b, "#%d@%d: ", n.ID, offsets[n.ID])
			walk(n.Key)
			walk(n.Value)
		}
		if c := e.Fold; c != nil {
			for _, p := range []*Expr{c.Range, c.Init, c.Condition, c.Step, c.Result} {
				walk(p)
			}
		}
	}
	walk(e)
	return b.String()
}

// built is what the builder makes of the tree of one of the parsers.
func built(source *Source, root *node, tokens []token, f *Faults) string {
	b := builder{options: Options{Macros: Standard, Optionals: true}, source: source, tokens: tokens, faults: f, offsets: make([]int32, 1)}
	e := b.build(root)
	return show(e) + " " + places(e, b.offsets)
}

// TestBothParsers reads sound texts with the quick and with the thorough parser: both make the same tree of them.
func TestBothParsers(t *testing.T) {
	for _, text := range soundTexts {
		source := NewSource(text)
		f := &Faults{Source: source}
		quick, quickTokens := parseQuick(source.text)
		thorough, thoroughTokens := parseThorough(source, f)
		if quick == nil || thorough == nil || len(f.List) > 0 {
			t.Errorf("%s: %v, %v, %v", text, quick != nil, thorough != nil, f)
			continue
		}
		one, other := built(source, quick, quickTokens, f), built(source, thorough, thoroughTokens, f)
		if one != other {
			t.Errorf("%s: the quick parser makes\n%s, the thorough one\n%s", text, one, other)
		}
	}
}

// TestQuickGivesUp has the quick parser give up on every beginning of a sound text that is not sound itself, as the thorough one
// finds a fault in it; and only on those.
func TestQuickGivesUp(t *testing.T) {
	for _, text := range soundTexts {
		runes := []rune(text)
		for i := range runes {
			source := NewSource(string(runes[:i]) + string(runes[min(len(runes), i+1):]))
			f := &Faults{Source: source}
			quick, _ := parseQuick(source.text)
			parseThorough(source, f)
			if (quick != nil) != (len(f.List) == 0) {
				t.Errorf("%s: sound to the quick parser %v, to the thorough one %v", string(source.text), quick != nil, f)
			}
		}
	}
}

// TestFirst has the tokens that may begin each rule.
func TestFirst(t *testing.T) {
	of := setOf(openBracket, openBrace, openParen, dot, minus, exclam, kTrue, kFalse, kNull, float, integer, unsigned, text, binary, identifier)
	member := of &^ setOf(exclam)
	g := theGrammar()
	for r, want := range map[rule]set{ruleStart: of, ruleExpr: of, ruleOr: of, ruleAnd: of, ruleRelation: of, ruleCalc: of, ruleUnary: of,
		ruleMember: member, rulePrimary: member, ruleExprList: of, ruleListInit: of | setOf(question), ruleOptExpr: of | setOf(question),
		ruleMapInits: of | setOf(question), ruleFieldInits: setOf(question, identifier, escaped), ruleField: setOf(question, identifier, escaped),
		ruleEscapeIdent: setOf(identifier, escaped),
		ruleLiteral:     setOf(minus, kTrue, kFalse, kNull, float, integer, unsigned, text, binary)} {
		if got := g.starts[r].first; got != want {
			t.Errorf("rule %d: %v, want %v", r, got, want)
		}
	}
	for r := range rules {
		if g.starts[r].first&nothing != 0 {
			t.Errorf("rule %d may be nothing", r)
		}
	}
	if s := setOf(end, escaped, equals).String(); s != "{<EOF>, '==', ESC_IDENTIFIER}" {
		t.Error(s)
	}
	if s := (setOf(colon) | nothing).String(); s != "':'" {
		t.Error(s)
	}
}

// TestPredictions decides at the beginning of texts: between the alternatives of a rule, by number, as far as it must look.
func TestPredictions(t *testing.T) {
	for _, c := range []struct {
		rule rule
		text string
		want int
	}{
		// An identifier, a call, a message: they differ at their ends.
		{rulePrimary, "a", 1}, {rulePrimary, "a.b.c.d", 1}, {rulePrimary, ".a(b", 2}, {rulePrimary, "(", 3}, {rulePrimary, "[", 4},
		{rulePrimary, "{", 5}, {rulePrimary, "a.b.c.d{", 6}, {rulePrimary, ".a{", 6}, {rulePrimary, "1", 7}, {rulePrimary, "-1", 7},
		{rulePrimary, "a.b.", 1}, {rulePrimary, "a.b.c.?d{", 1},
		// A sign belongs to a number. Of several, none does.
		{ruleUnary, "a", 1}, {ruleUnary, "-1", 1}, {ruleUnary, "-1.5.a.b", 1}, {ruleUnary, "-1u", 3}, {ruleUnary, "-a", 3}, {ruleUnary, "--1", 3},
		{ruleUnary, "!!-1", 2},
		{ruleLiteral, "-1", 1}, {ruleLiteral, "1u", 2}, {ruleLiteral, "-1.5", 3}, {ruleLiteral, "''", 4}, {ruleLiteral, "b''", 5}, {ruleLiteral, "true", 6},
		// Nothing fits.
		{rulePrimary, ")", 0}, {ruleUnary, "", 0}, {ruleLiteral, "-a", 0},
	} {
		source := NewSource(c.text)
		p := newThorough(source, &Faults{Source: source})
		p.lex()
		p.fetch(1)
		p.frame = &frame{rule: ruleStart, node: &node{}}
		p.state = p.g.rules[ruleStart].parts[0].state
		p.frame = &frame{rule: c.rule, parent: p.frame, invoking: p.state, node: &node{}}
		if got := p.predict(p.g.rules[c.rule].parts[0].state); got != c.want || p.pos != 1 {
			t.Errorf("rule %d at %q: %d (at %d), want %d", c.rule, c.text, got, p.pos, c.want)
		} else if (got == 0) != (p.failed.problem == noViable) {
			t.Errorf("rule %d at %q: %v", c.rule, c.text, p.failed)
		}
	}
}

// TestRecovery goes on behind errors: it drops a token, makes one up, skips to one that may follow; not for ever.
func TestRecovery(t *testing.T) {
	for _, c := range []struct {
		name, text string
		faults     int
		last       string
	}{
		{"a token too many, then another fault", "f(a b) + + c", 2, "extraneous input '+'"},
		{"a token that is missing", "[a[1, b]", 1, "missing ']' at ','"},
		{"nothing is told twice of one place", "a ) ) )", 1, "mismatched input ')' expecting <EOF>"},
		{"it drops one, and then it must skip", "[a b, c d, e f]", 2, "mismatched input 'c' expecting ']'"},
		{"faults of the builder come as well", "while + (if", 3, "missing ')' at '<EOF>'"},
		{"not more often than 30 times", "[" + strings.Repeat("f(a b),", 40) + "c]", 31, "error recovery attempt limit exceeded: 30"},
		{"not more than 256 tokens at once", "a ) " + strings.Repeat("b ", 300), 2, "mismatched input ')' expecting <EOF>"},
		{"not more than 100 faults", "a " + strings.Repeat("# ", 200), 100, "1 more errors were truncated"},
		{"a piece that is no token is told when it is met", "a b c & # d", 3, "token recognition error at: '#'"},
		{"but not where reading has ended before", strings.Repeat("(", 300) + "#", 1, "expression recursion limit exceeded: 250"},
	} {
		_, err := Parse(c.text, Options{Macros: Standard})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if n := len(err.(*Faults).List); n != c.faults || !strings.Contains(err.Error(), c.last) {
			t.Errorf("%s: %d faults, want %d with %q:\n%.3000v", c.name, n, c.faults, c.last, err)
		}
	}
}
