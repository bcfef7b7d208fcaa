package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// show writes an expression in prefix form: what the parser made of a text, with nothing left to guess.
func show(e *Expr) string {
	if e == nil {
		return "-"
	}
	list := func(args []*Expr) string {
		parts := make([]string, len(args))
		for i, a := range args {
			parts[i] = show(a)
		}
		return strings.Join(parts, " ")
	}
	entries := func() string {
		var b strings.Builder
		for _, n := range e.Entries {
			key := n.Field
			if n.Key != nil {
				key = show(n.Key)
			}
			if n.Optional {
				key = "?" + key
			}
			fmt.Fprintf(&b, "{%s %s}", key, show(n.Value))
		}
		return b.String()
	}
	switch e.Kind {
	case Literal:
		switch v := e.Value.(type) {
		case string:
			return strconv.Quote(v)
		case []byte:
			return "b" + strconv.Quote(string(v))
		case uint64:
			return fmt.Sprint(v, "u")
		case float64:
			return fmt.Sprintf("%gd", v)
		case nil:
			return "null"
		default:
			return fmt.Sprint(v)
		}
	case Ident:
		return e.Name
	case Select:
		if e.Test {
			return "has(" + show(e.Operand) + "." + e.Name + ")"
		}
		return show(e.Operand) + "." + e.Name
	case Call:
		if e.Operand != nil {
			return "(" + e.Name + " " + show(e.Operand) + " / " + list(e.Args) + ")"
		}
		return "(" + e.Name + " " + list(e.Args) + ")"
	case List:
		s := "[" + list(e.Args) + "]"
		if e.Optional != nil {
			s += fmt.Sprint("?", e.Optional)
		}
		return s
	case Map:
		return "map" + entries()
	case Struct:
		return e.Name + entries()
	case Fold:
		c := e.Fold
		return fmt.Sprintf("fold(%s,%s in %s; %s = %s; %s; %s; %s)", c.Var, c.Var2, show(c.Range), c.Accumulator, show(c.Init),
			show(c.Condition), show(c.Step), show(c.Result))
	}
	return "?"
}

// TestTrees reads what each rule of the grammar says.
func TestTrees(t *testing.T) {
	for _, c := range [][2]string{
		{"1", "1"}, {"-1", "-1"}, {"--1", "1"}, {"-x", "(-_ x)"}, {"--x", "x"}, {"---x", "(-_ x)"}, {"!x", "(!_ x)"}, {"!!x", "x"},
		{"-9223372036854775808", "-9223372036854775808"}, {"0x1F", "31"}, {"-0x1f", "-31"}, {"7u", "7u"}, {"0x7U", "7u"},
		{"1.5", "1.5d"}, {".5", "0.5d"}, {"-1e3", "-1000d"}, {"1.5E-2", "0.015d"}, {"null", "null"}, {"true", "true"}, {"false", "false"},
		{`"a\n\x41\u00e9\101"`, `"a\nAéA"`}, {`'''a"b'c'''`, `"a\"b'c"`}, {`r"\n"`, `"\\n"`}, {`b"\xff\377"`, `b"\xff\xff"`},
		{`br'\x'`, `b"\\x"`}, {`""`, `""`}, {`""""""`, `""`}, {"'''a\r\nb\rc'''", `"a\nb\nc"`}, {`rb`, "rb"}, {"b", "b"},
		{"a + b * c - d", "(_-_ (_+_ a (_*_ b c)) d)"}, {"(a + b) * c", "(_*_ (_+_ a b) c)"}, {"a*b/c%d", "(_%_ (_/_ (_*_ a b) c) d)"},
		{"a < b == c in d", "(@in (_==_ (_<_ a b) c) d)"}, {"a -1", "(_-_ a 1)"}, {"a+-1", "(_+_ a -1)"},
		{"a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"},
		{"a || b && c", "(_||_ a (_&&_ b c))"}, {"a || b || c || d", "(_||_ (_||_ a b) (_||_ c d))"},
		{"a && b && c", "(_&&_ (_&&_ a b) c)"},
		{"a.b.c", "a.b.c"}, {".a.b", ".a.b"}, {"a.`b-c`", "a.b-c"}, {"a.?b", `(_?._ a "b")`}, {"a[0]", "(_[_] a 0)"},
		{"a[?0]", "(_[?_] a 0)"}, {"f()", "(f )"}, {".f(a, b)", "(.f a b)"}, {"a.f(b)", "(f a / b)"}, {"a.b.f()", "(f a.b / )"},
		{"[]", "[]"}, {"[,]", "[]"}, {"[1, ?a, 2,]", "[1 a 2]?[1]"}, {"{}", "map"}, {"{,}", "map"}, {"{1: a, ?b: 2,}", "map{1 a}{?b 2}"},
		{"a.b{c: 1, ?d: 2, `e-f`: 3}", "a.b{c 1}{?d 2}{e-f 3}"}, {".a{}", ".a"}, {"a{}.b", "a.b"},
		{"a // b\n + c", "(_+_ a c)"}, {" \t\r\n\fa", "a"}, {"inn in in_", "(@in inn in_)"},
		{"has(a.b.c)", "has(a.b.c)"},
		{"a.all(i, i > 0)", "fold(i, in a; @result = true; (@not_strictly_false @result); (_&&_ @result (_>_ i 0)); @result)"},
		{"a.exists(i, i)", "fold(i, in a; @result = false; (@not_strictly_false (!_ @result)); (_||_ @result i); @result)"},
		{"a.exists_one(i, i)", "fold(i, in a; @result = 0; true; (_?_:_ i (_+_ @result 1) @result); (_==_ @result 1))"},
		{"a.map(i, f(i))", "fold(i, in a; @result = []; true; (_+_ @result [(f i)]); @result)"},
		{"a.map(i, p, i)", "fold(i, in a; @result = []; true; (_?_:_ p (_+_ @result [i]) @result); @result)"},
		{"a.filter(i, p)", "fold(i, in a; @result = []; true; (_?_:_ p (_+_ @result [i]) @result); @result)"},
		{"all(a, b)", "(all a b)"}, {"a.has(b)", "(has a / b)"}, {"a.map(b)", "(map a / b)"},
	} {
		ast, err := Parse(c[0], Options{Macros: Standard, Optionals: true})
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if got := show(ast.Root); got != c[1] {
			t.Errorf("%s:\n%s, want\n%s", c[0], got, c[1])
		}
	}
}
