package cel

import (
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"

	"apichain/internal/cel/library"
	"apichain/internal/cel/syntax"
)

var (
	mutants   = flag.Int("mutants", 3000, "how many mutated expressions TestSyntax parses with both parsers")
	keepFault = flag.String("keep-faults", "", "the file to which TestSyntax writes faulty expressions, each of another sort, and what upstream says")
)

// theirTree writes an expression of upstream's with the IDs and places of its nodes.
func theirTree(b *strings.Builder, e celast.Expr, info *celast.SourceInfo) {
	at := func(id int64) {
		o, ok := info.GetOffsetRange(id)
		if !ok {
			o.Start = -2
		}
		fmt.Fprintf(b, "#%d@%d ", id, o.Start)
	}
	list := func(args []celast.Expr) {
		for _, a := range args {
			b.WriteByte(' ')
			theirTree(b, a, info)
		}
		b.WriteByte(')')
	}
	at(e.ID())
	switch e.Kind() {
	case celast.LiteralKind:
		v := e.AsLiteral()
		if v == types.NullValue {
			b.WriteString("null")
			return
		}
		fmt.Fprintf(b, "%T %q", v.Value(), fmt.Sprint(v.Value()))
	case celast.IdentKind:
		b.WriteString(e.AsIdent())
	case celast.SelectKind:
		s := e.AsSelect()
		fmt.Fprintf(b, "select %s %v ", s.FieldName(), s.IsTestOnly())
		theirTree(b, s.Operand(), info)
	case celast.CallKind:
		c := e.AsCall()
		fmt.Fprintf(b, "call %s(", c.FunctionName())
		if c.IsMemberFunction() {
			theirTree(b, c.Target(), info)
			b.WriteByte('.')
		}
		list(c.Args())
	case celast.ListKind:
		fmt.Fprintf(b, "list %v(", append([]int32{}, e.AsList().OptionalIndices()...))
		list(e.AsList().Elements())
	case celast.MapKind:
		b.WriteString("map{")
		for _, n := range e.AsMap().Entries() {
			at(n.ID())
			theirTree(b, n.AsMapEntry().Key(), info)
			fmt.Fprintf(b, " %v: ", n.AsMapEntry().IsOptional())
			theirTree(b, n.AsMapEntry().Value(), info)
		}
	case celast.StructKind:
		fmt.Fprintf(b, "struct %s{", e.AsStruct().TypeName())
		for _, n := range e.AsStruct().Fields() {
			at(n.ID())
			fmt.Fprintf(b, "%s %v: ", n.AsStructField().Name(), n.AsStructField().IsOptional())
			theirTree(b, n.AsStructField().Value(), info)
		}
	case celast.ComprehensionKind:
		c := e.AsComprehension()
		fmt.Fprintf(b, "fold %q %q %q", c.IterVar(), c.IterVar2(), c.AccuVar())
		for _, p := range []celast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
			b.WriteString(" / ")
			theirTree(b, p, info)
		}
	}
}

// ourTree writes one of ours in the same way.
func ourTree(b *strings.Builder, e *syntax.Expr, offsets []int32) {
	at := func(id int32) { fmt.Fprintf(b, "#%d@%d ", id, offsets[id]) }
	list := func(args []*syntax.Expr) {
		for _, a := range args {
			b.WriteByte(' ')
			ourTree(b, a, offsets)
		}
		b.WriteByte(')')
	}
	at(e.ID)
	switch e.Kind {
	case syntax.Literal:
		if e.Value == nil {
			b.WriteString("null")
			return
		}
		fmt.Fprintf(b, "%T %q", e.Value, fmt.Sprint(e.Value))
	case syntax.Ident:
		b.WriteString(e.Name)
	case syntax.Select:
		fmt.Fprintf(b, "select %s %v ", e.Name, e.Test)
		ourTree(b, e.Operand, offsets)
	case syntax.Call:
		fmt.Fprintf(b, "call %s(", e.Name)
		if e.Operand != nil {
			ourTree(b, e.Operand, offsets)
			b.WriteByte('.')
		}
		list(e.Args)
	case syntax.List:
		fmt.Fprintf(b, "list %v(", append([]int32{}, e.Optional...))
		list(e.Args)
	case syntax.Map:
		b.WriteString("map{")
		for _, n := range e.Entries {
			at(n.ID)
			ourTree(b, n.Key, offsets)
			fmt.Fprintf(b, " %v: ", n.Optional)
			ourTree(b, n.Value, offsets)
		}
	case syntax.Struct:
		fmt.Fprintf(b, "struct %s{", e.Name)
		for _, n := range e.Entries {
			at(n.ID)
			fmt.Fprintf(b, "%s %v: ", n.Field, n.Optional)
			ourTree(b, n.Value, offsets)
		}
	case syntax.Fold:
		c := e.Fold
		fmt.Fprintf(b, "fold %q %q %q", c.Var, c.Var2, c.Accumulator)
		for _, p := range []*syntax.Expr{c.Range, c.Init, c.Condition, c.Step, c.Result} {
			b.WriteString(" / ")
			ourTree(b, p, offsets)
		}
	}
}

// parsers are both parsers with the same options. Theirs returns the tree, or what is wrong.
type parsers struct {
	theirs func(text string) (*celast.AST, string)
	ours   syntax.Options
}

// newParsers returns the parsers with the standard macros.
func newParsers(t testing.TB, optionals bool) parsers {
	p, err := parser.NewParser(parser.Macros(cel.StandardMacros...), parser.EnableOptionalSyntax(optionals))
	if err != nil {
		t.Fatal(err)
	}
	return parsers{func(text string) (*celast.AST, string) {
		tree, errs := p.Parse(common.NewTextSource(text))
		return tree, errs.ToDisplayString()
	}, syntax.Options{Macros: syntax.Standard, Optionals: optionals}}
}

// kubeParsers returns those of kube-apiserver's environment, with the macros of its libraries.
func kubeParsers() parsers {
	env := base().NewExpressionsEnv()
	p := parsers{func(text string) (*celast.AST, string) {
		tree, issues := env.Parse(text)
		if issues.Err() != nil {
			return nil, issues.Err().Error()
		}
		return tree.NativeRep(), ""
	}, syntax.Options{Optionals: true}}
	for _, l := range library.New() {
		p.ours.Macros = append(p.ours.Macros, l.Macros...)
	}
	return p
}

// both returns what both parsers make of a text, a tree or what is wrong, and how long ours took.
func (p parsers) both(text string) (want, got string, took time.Duration) {
	var b strings.Builder
	tree, want := p.theirs(text)
	if want == "" {
		theirTree(&b, tree.Expr(), tree.SourceInfo())
		want = b.String()
		b.Reset()
	}
	begun := time.Now()
	ours, err := syntax.Parse(text, p.ours)
	took = time.Since(begun)
	if err != nil {
		return want, err.Error(), took
	}
	ourTree(&b, ours.Root, ours.Offsets)
	return want, b.String(), took
}

// moduleDir returns where the source of a module is.
func moduleDir(t testing.TB, module string) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Skip("no source of", module)
	}
	return strings.TrimSpace(string(out))
}

// seeds returns the strings of upstream's tests: expressions, and much that is none.
func seeds(t testing.TB) (all []string) {
	add := func(s string) {
		if s != "" && len(s) < 2000 {
			all = append(all, s)
		}
	}
	quoted := regexp.MustCompile(`(?m)expr: ?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
	files, _ := filepath.Glob(filepath.Join(moduleDir(t, "cel.dev/expr"), "tests/simple/testdata/*.textproto"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllSubmatch(text, -1) {
			s := string(m[1])
			if s[0] == '\'' {
				s = `"` + strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`), `"`, `\"`) + `"`
			}
			if s, err := strconv.Unquote(s); err == nil {
				add(s)
			}
		}
	}
	goFiles := []string{}
	for module, patterns := range map[string][]string{
		"github.com/google/cel-go":       {"parser/*_test.go", "checker/*_test.go", "cel/*_test.go", "ext/*_test.go", "interpreter/*_test.go"},
		"k8s.io/apiextensions-apiserver": {"pkg/apiserver/schema/cel/*_test.go"},
		"k8s.io/apiserver":               {"pkg/cel/library/*_test.go", "pkg/admission/plugin/cel/*_test.go"},
	} {
		dir := moduleDir(t, module)
		for _, p := range patterns {
			found, _ := filepath.Glob(filepath.Join(dir, p))
			goFiles = append(goFiles, found...)
		}
	}
	for _, f := range goFiles {
		tree, err := goparser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					add(s)
				}
			}
			return true
		})
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pieces are what mutations put into texts.
var pieces = strings.Split(`== != in < <= >= > && || [ ] { } ( ) . , - ! ? : + * / % true false null 1 1u 1.5 0x1f "s" 'q' b"b" r'\' x y.z f( .f(x) `+
	"`a-b` `` & | = @ # \\ \" ' \"\"\" ''' // \n \t \r \f é 世 😀 while if as has(a.b) has(1) .optMap(x,x+1) .optFlatMap(y,?z) .all(i,v,i) .transformList(i,v,v) .transformMap(k,v,w,v) .existsOne(k,v,k) .all(i,i) .map(1,2) .filter(@,x) {a:1} {?a:b} [?x] a.?b "+
	"a[?b] a{b:1} a.b{?c:d} .a{} 99999999999999999999 1e999 \"\\q\" '\\400' \"\\ud800\" -1 --1 -x !! __result__ .exists_one(__result__,x) 18446744073709551616u ;",
	" ")

// mutate changes a text in one to four places.
func mutate(r *rand.Rand, texts []string) string {
	s := []rune(texts[r.IntN(len(texts))])
	for range 1 + r.IntN(4) {
		at := r.IntN(len(s) + 1)
		to := min(len(s), at+1+r.IntN(6))
		switch r.IntN(7) {
		case 0:
			s = slices.Concat(s[:at], s[to:])
		case 1, 2, 3:
			s = slices.Concat(s[:at], []rune(pieces[r.IntN(len(pieces))]), s[at:])
		case 4:
			s = slices.Concat(s[:at], []rune(" "+pieces[r.IntN(len(pieces))]+" "), s[to:])
		case 5:
			s = slices.Concat(s[:to], s[at:])
		case 6:
			other := []rune(texts[r.IntN(len(texts))])
			from := r.IntN(len(other) + 1)
			s = slices.Concat(s[:at], other[from:min(len(other), from+1+r.IntN(20))], s[at:])
		}
		if len(s) > 3000 {
			s = s[:3000]
		}
	}
	return string(s)
}

// soup returns a row of pieces.
func soup(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(25) {
		b.WriteString(pieces[r.IntN(len(pieces))])
		if r.IntN(3) == 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// sorts are the sorts of faults that were met: messages without what they quote.
type sorts map[string]bool

var (
	quotes   = regexp.MustCompile(`(input|at:|at|identifier:) .*?( expecting|$)`)
	snippets = regexp.MustCompile(`\n \| .*`)
)

// short returns what is wrong without the lines that show it, "" if it is long.
func short(faults string) string {
	faults = strings.ReplaceAll(snippets.ReplaceAllString(faults, ""), "ERROR: <input>:", "")
	faults = strings.ReplaceAll(faults, "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}", "OPERAND")
	if len(faults) > 300 {
		return ""
	}
	return faults
}

// sort says that a short text has a fault of a sort that was not met before.
func (s sorts) sort(text, faults string) bool {
	faults = short(faults)
	if len(text) > 40 || faults == "" || len(s) == 600 {
		return false
	}
	var parts []string
	for line := range strings.SplitSeq(faults, "\n") {
		_, message, _ := strings.Cut(line, ": ")
		parts = append(parts, quotes.ReplaceAllString(message, "$1$2"))
	}
	slices.Sort(parts)
	sort := strings.Join(slices.Compact(parts), "\n")
	met := s[sort]
	s[sort] = true
	return !met
}

// TestSyntax parses upstream's expressions and mutations of them with both parsers: trees, IDs, places and messages are the same.
// A longer run: go test ./cel -run TestSyntax -mutants 100000.
func TestSyntax(t *testing.T) {
	all := []parsers{newParsers(t, true), newParsers(t, false), kubeParsers()}
	texts := seeds(t)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	differences, sound, slow, slowest := 0, 0, time.Duration(0), ""
	keep, kept := sorts{}, []string{}
	check := func(i int, text string) {
		want, got, took := all[i%3].both(text)
		if took > slow {
			slow, slowest = took, text
		}
		if !strings.HasPrefix(want, "ERROR") {
			sound++
		} else if i%3 != 2 && keep.sort(text, want) {
			kept = append(kept, fmt.Sprintf("%v\t%q\t%q\n", i%3 == 0, text, short(want)))
		}
		if want != got {
			if differences++; differences <= 20 {
				t.Errorf("%q\nours:\n%s\nupstream's:\n%s", text, got, want)
			}
		}
	}
	for _, text := range texts {
		check(0, text)
		check(1, text)
		check(2, text)
	}
	for i := range *mutants {
		if i%10 == 0 {
			check(i/10, soup(r))
		} else {
			check(i, mutate(r, texts))
		}
	}
	if *keepFault != "" {
		slices.Sort(kept)
		if err := os.WriteFile(*keepFault, []byte(strings.Join(kept, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d texts of upstream's and %d mutations (seed %d), %d of them sound: %d differences; slowest of ours %v: %.200q",
		len(texts), *mutants, seed, sound, differences, slow, slowest)
}

// rule is one as people write them.
const rule = `has(self.spec.template) && self.spec.replicas >= 0 && self.spec.items.all(i, i.name.startsWith('a') || i.port in [80, 443, 8080]) ` +
	`? self.metadata.name.size() <= 63 : oldSelf.spec.?mode.orValue("x") != 'y'`

func BenchmarkSyntax(b *testing.B) {
	p := newParsers(b, true)
	for name, text := range map[string]string{"sound": rule, "faulty": rule + ")"} {
		b.Run(name+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = syntax.Parse(text, p.ours)
			}
		})
		b.Run(name+"/upstream", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.theirs(text)
			}
		})
	}
}
