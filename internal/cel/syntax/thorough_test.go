package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// soundTexts use every alternative of every rule of the grammar. They have the tree that show writes, and the IDs and places of its
// nodes, from top to bottom.
var soundTexts = []struct{ text, tree, places string }{
	{"1", "1", "#1@0"},
	{"-1", "-1", "#1@0"},
	{"0x1F", "31", "#1@0"},
	{"-0x1", "-1", "#1@0"},
	{"7u", "7u", "#1@0"},
	{"1.5", "1.5d", "#1@0"},
	{"-1.5e3", "-1500d", "#1@0"},
	{".5", "0.5d", "#1@0"},
	{"null", "null", "#1@0"},
	{"true", "true", "#1@0"},
	{"false", "false", "#1@0"},
	{"'a'", "\"a\"", "#1@0"},
	{"b\"a\"", "b\"a\"", "#1@0"},
	{"a", "a", "#1@0"},
	{".a", ".a", "#1@1"},
	{"(a)", "a", "#1@1"},
	{"((a))", "a", "#1@2"},
	{"f()", "(f )", "#1@1"},
	{".f(a)", "(.f a)", "#1@2 #2@3"},
	{"f(a, b, c)", "(f a b c)", "#1@1 #2@2 #3@5 #4@8"},
	{"a.b", "a.b", "#2@1 #1@0"},
	{"a.b.c", "a.b.c", "#3@3 #2@1 #1@0"},
	{"a.`b-c`", "a.b-c", "#2@1 #1@0"},
	{"a.?b", "(_?._ a \"b\")", "#3@1 #1@0 #2@3"},
	{"a.?`b c`", "(_?._ a \"b c\")", "#3@1 #1@0 #2@3"},
	{"a.b()", "(b a / )", "#2@3 #1@0"},
	{"a.b(c).d(e, f)", "(d (b a / c) / e f)", "#4@8 #2@3 #1@0 #3@4 #5@9 #6@12"},
	{"a[b]", "(_[_] a b)", "#2@1 #1@0 #3@2"},
	{"a[?b]", "(_[?_] a b)", "#2@1 #1@0 #3@3"},
	{"a[0].b[1][2]", "(_[_] (_[_] (_[_] a 0).b 1) 2)", "#7@9 #5@6 #4@4 #2@1 #1@0 #3@2 #6@7 #8@10"},
	{"!a", "(!_ a)", "#1@0 #2@1"},
	{"!!a", "a", "#1@2"},
	{"!!!a.b", "(!_ a.b)", "#1@0 #3@4 #2@3"},
	{"-a", "(-_ a)", "#1@0 #2@1"},
	{"--a", "a", "#1@2"},
	{"--1", "1", "#1@2"},
	{"---1.5", "(-_ 1.5d)", "#1@0 #2@3"},
	{"-a.b(c)", "(-_ (b a / c))", "#1@0 #3@4 #2@1 #4@5"},
	{"-1.a.b(c)", "(b -1.a / c)", "#3@6 #2@2 #1@0 #4@7"},
	{"- 1", "-1", "#1@0"},
	{"!-1", "(!_ -1)", "#1@0 #2@1"},
	{"!(-a)", "(!_ (-_ a))", "#1@0 #2@2 #3@3"},
	{"a * b", "(_*_ a b)", "#2@2 #1@0 #3@4"},
	{"a / b % c", "(_%_ (_/_ a b) c)", "#4@6 #2@2 #1@0 #3@4 #5@8"},
	{"a + b", "(_+_ a b)", "#2@2 #1@0 #3@4"},
	{"a - b", "(_-_ a b)", "#2@2 #1@0 #3@4"},
	{"a -1", "(_-_ a 1)", "#2@2 #1@0 #3@3"},
	{"a - -1", "(_-_ a -1)", "#2@2 #1@0 #3@4"},
	{"a * b + c * d - e", "(_-_ (_+_ (_*_ a b) (_*_ c d)) e)", "#8@14 #4@6 #2@2 #1@0 #3@4 #6@10 #5@8 #7@12 #9@16"},
	{"a + b * c * d + e", "(_+_ (_+_ a (_*_ (_*_ b c) d)) e)", "#8@14 #2@2 #1@0 #6@10 #4@6 #3@4 #5@8 #7@12 #9@16"},
	{"a < b", "(_<_ a b)", "#2@2 #1@0 #3@4"},
	{"a <= b", "(_<=_ a b)", "#2@2 #1@0 #3@5"},
	{"a > b", "(_>_ a b)", "#2@2 #1@0 #3@4"},
	{"a >= b", "(_>=_ a b)", "#2@2 #1@0 #3@5"},
	{"a == b", "(_==_ a b)", "#2@2 #1@0 #3@5"},
	{"a != b", "(_!=_ a b)", "#2@2 #1@0 #3@5"},
	{"a in b", "(@in a b)", "#2@2 #1@0 #3@5"},
	{"a < b == c in d", "(@in (_==_ (_<_ a b) c) d)", "#6@11 #4@6 #2@2 #1@0 #3@4 #5@9 #7@14"},
	{"a + b < c - d", "(_<_ (_+_ a b) (_-_ c d))", "#4@6 #2@2 #1@0 #3@4 #6@10 #5@8 #7@12"},
	{"a && b", "(_&&_ a b)", "#3@2 #1@0 #2@5"},
	{"a && b && c", "(_&&_ (_&&_ a b) c)", "#5@7 #3@2 #1@0 #2@5 #4@10"},
	{"a || b", "(_||_ a b)", "#3@2 #1@0 #2@5"},
	{"a || b && c || d", "(_||_ (_||_ a (_&&_ b c)) d)", "#7@12 #5@2 #1@0 #4@7 #2@5 #3@10 #6@15"},
	{"a ? b : c", "(_?_:_ a b c)", "#2@2 #1@0 #3@4 #4@8"},
	{"a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))", "#2@2 #1@0 #3@4 #5@10 #4@8 #6@12 #7@16"},
	{"a ? b || c : d && e", "(_?_:_ a (_||_ b c) (_&&_ d e))", "#2@2 #1@0 #5@6 #3@4 #4@9 #8@15 #6@13 #7@18"},
	{"(a ? b : c) ? d : e", "(_?_:_ (_?_:_ a b c) d e)", "#5@12 #2@3 #1@1 #3@5 #4@9 #6@14 #7@18"},
	{"[]", "[]", "#1@0"},
	{"[,]", "[]", "#1@0"},
	{"[a]", "[a]", "#1@0 #2@1"},
	{"[a,]", "[a]", "#1@0 #2@1"},
	{"[a, b]", "[a b]", "#1@0 #2@1 #3@4"},
	{"[?a, b, ?c,]", "[a b c]?[0 2]", "#1@0 #2@2 #3@5 #4@9"},
	{"[[a], [b]]", "[[a] [b]]", "#1@0 #2@1 #3@2 #4@6 #5@7"},
	{"{}", "map", "#1@0"},
	{"{,}", "map", "#1@0"},
	{"{a: b}", "map{a b}", "#1@0 #2@2: #3@1 #4@4"},
	{"{a: b,}", "map{a b}", "#1@0 #2@2: #3@1 #4@4"},
	{"{?a: b, c: d}", "map{?a b}{c d}", "#1@0 #2@3: #3@2 #4@5 #5@9: #6@8 #7@11"},
	{"{a: {b: c}}", "map{a map{b c}}", "#1@0 #2@2: #3@1 #4@4 #5@6: #6@5 #7@8"},
	{"a{}", "a", "#1@1"},
	{"a{,}", "a", "#1@1"},
	{"a.b{}", "a.b", "#1@3"},
	{".a.b.c{}", ".a.b.c", "#1@6"},
	{"a{b: c}", "a{b c}", "#1@1 #2@3: #3@5"},
	{"a{b: c,}", "a{b c}", "#1@1 #2@3: #3@5"},
	{"a{?b: c, `d-e`: f}", "a{?b c}{d-e f}", "#1@1 #2@4: #3@6 #4@14: #5@16"},
	{"a{b: c}.d", "a{b c}.d", "#4@7 #1@1 #2@3: #3@5"},
	{"a.b{c: 1}[d]", "(_[_] a.b{c 1} d)", "#4@9 #1@3 #2@5: #3@7 #5@10"},
	{"a.b.c{}.d.e()", "(e a.b.c.d / )", "#3@11 #2@7 #1@5"},
	{"has(a.b)", "has(a.b)", "#4@3 #2@4"},
	{"a.all(b, c)", "fold(b, in a; @result = true; (@not_strictly_false @result); (_&&_ @result c); @result)", "#11@5 #1@0 #5@5 #7@5 #6@5 #9@5 #8@5 #4@9 #10@5"},
	{"a.exists(b, c).exists_one(d, e)", "fold(d, in fold(b, in a; @result = false; (@not_strictly_false (!_ @result)); (_||_ @result c); @result); @result = 0; true; (_?_:_ e (_+_ @result 1) @result); (_==_ @result 1))", "#26@25 #12@8 #1@0 #5@8 #8@8 #7@8 #6@8 #10@8 #9@8 #4@12 #11@8 #16@25 #17@25 #22@25 #15@29 #20@25 #18@25 #19@25 #21@25 #25@25 #23@25 #24@25"},
	{"a.map(b, c).map(d, e, f)", "fold(d, in fold(b, in a; @result = []; true; (_+_ @result [c]); @result); @result = []; true; (_?_:_ e (_+_ @result [f]) @result); @result)", "#24@15 #11@5 #1@0 #5@5 #6@5 #9@5 #7@5 #8@5 #4@9 #10@5 #16@15 #17@15 #22@15 #14@19 #20@15 #18@15 #19@15 #15@22 #21@15 #23@15"},
	{"a.filter(b, has(b.c))", "fold(b, in a; @result = []; true; (_?_:_ has(b.c) (_+_ @result [b]) @result); @result)", "#16@8 #1@0 #8@8 #9@8 #14@8 #7@15 #5@16 #12@8 #10@8 #11@8 #3@9 #13@8 #15@8"},
	{"a // b", "a", "#1@0"},
	{"a.\n b\t[ c ]", "(_[_] a.b c)", "#3@6 #2@1 #1@0 #4@8"},
	{"a.b.c(d)[e] in f{g: [h, ?i]} ? -1 : !j.k || {l: m}.n", "(_?_:_ (@in (_[_] (c a.b / d) e) f{g [h i]?[1]}) -1 (_||_ (!_ j.k) map{l m}.n))", "#13@29 #7@12 #5@8 #3@5 #2@1 #1@0 #4@6 #6@9 #8@16 #9@18: #10@20 #11@21 #12@25 #14@31 #23@41 #15@36 #17@38 #16@37 #22@50 #18@44 #19@46: #20@45 #21@48"},
	{"-(-(-a))", "(-_ (-_ (-_ a)))", "#1@0 #2@2 #3@4 #4@5"},
	{"a.b ? -1.5 : - 1", "(_?_:_ a.b -1.5d -1)", "#3@4 #2@1 #1@0 #4@6 #5@13"},
	{"'世界' + r'\\' == \"\"\"a\"b\"\"\"", "(_==_ (_+_ \"世界\" \"\\\\\") \"a\\\"b\")", "#4@12 #2@5 #1@0 #3@7 #5@15"},
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
	return strings.TrimSpace(b.String())
}

// TestSoundTexts has the trees, IDs and places of sound texts.
func TestSoundTexts(t *testing.T) {
	for _, c := range soundTexts {
		ast, err := Parse(c.text, Options{Macros: Standard, Optionals: true})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if tree, at := show(ast.Root), places(ast.Root, ast.Offsets); tree != c.tree || at != c.places {
			t.Errorf("%s:\n%s\n%s, want\n%s\n%s", c.text, tree, at, c.tree, c.places)
		}
	}
}

// built is what the builder makes of the tree of one of the parsers.
func built(source *Source, root *node, tokens []token, f *Faults) string {
	b := builder{options: Options{Macros: Standard, Optionals: true}, source: source, tokens: tokens, faults: f, offsets: make([]int32, 1)}
	e := b.build(root)
	return show(e) + " " + places(e, b.offsets)
}

// TestBothParsers reads sound texts with the quick and with the thorough parser: both make the same tree of them.
func TestBothParsers(t *testing.T) {
	for _, c := range soundTexts {
		text := c.text
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
	for _, c := range soundTexts {
		runes := []rune(c.text)
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
	of := setOf(openBracket, openBrace, openParen, dot, minus, exclam, kTrue, kFalse, kNull, float, integer,
		unsigned, text, binary, identifier)
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
		{ruleLiteral, "-1", 1}, {ruleLiteral, "1u", 2}, {ruleLiteral, "-1.5", 3},
		{ruleLiteral, "''", 4}, {ruleLiteral, "b''", 5}, {ruleLiteral, "true", 6},
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

// decisions returns the states of the elements that look ahead as far as it takes.
func decisions(e *element) (all []*state) {
	if e.state != nil && !e.plain {
		switch e.act {
		case choice, option, star:
			all = append(all, e.state)
		case repeat:
			all = append(all, e.back)
		}
	}
	for i := range e.parts {
		all = append(all, decisions(&e.parts[i])...)
	}
	return all
}

// TestStacks follows every decision without callers through all tokens that can come, until it is decided: no alternative comes to
// the same state in two ways, so that no stacks need to be merged; and there are few steps, so that predictions are soon known.
func TestStacks(t *testing.T) {
	g := theGrammar()
	steps, found := 0, 0
	for r := range rules {
		for _, at := range decisions(&g.rules[r]) {
			found++
			for level := range int8(4) {
				p := newThorough(NewSource(""), &Faults{})
				p.levels, p.predictor.at = []int8{level}, at
				todo, known := []*step{p.predictor.start()}, map[*step]bool{}
				for len(todo) > 0 {
					now := todo[0]
					todo = todo[1:]
					for k := range bad {
						next := p.predictor.step(p.predictor.reach(now.configs, k))
						if next == p.predictor.nowhere || known[next] {
							continue
						}
						known[next] = true
						for i, f := range next.configs {
							for _, h := range next.configs[:i] {
								if f.state == h.state && f.alt == h.alt {
									t.Fatalf("rule %d: alternative %d comes to state %d in two ways", r, f.alt, f.state.number)
								}
							}
						}
						if next.alt == 0 && !next.conflict {
							todo = append(todo, next)
						}
					}
				}
				steps += len(known)
			}
		}
	}
	if found != 12 || steps > 2000 {
		t.Errorf("%d decisions, %d steps", found, steps)
	}
	t.Logf("%d decisions, %d steps", found, steps)
}
