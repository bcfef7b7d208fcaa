package cel

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	ours "apichain/internal/cel"
)

// folder returns where a package of upstream's is.
func folder(t testing.TB, path string) string {
	p, err := build.Default.Import(path, ".", build.FindOnly)
	if err != nil {
		t.Skip(err)
	}
	return p.Dir
}

// texts returns every string of the tests of a package, and of the tests of packages below it: many are expressions, and what is none
// has faults that are as good.
func texts(t testing.TB, path string) []string {
	var found []string
	seen := map[string]bool{}
	add := func(s string) {
		if !seen[s] && len(s) < 3000 && !strings.Contains(s, "\n\n") {
			seen[s] = true
			found = append(found, s)
		}
	}
	err := filepath.WalkDir(folder(t, path), func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					add(s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// conformance returns the expressions of the language's conformance tests.
func conformance(t testing.TB) []string {
	files, _ := filepath.Glob(filepath.Join(folder(t, "cel.dev/expr"), "tests/simple/testdata/*.textproto"))
	form := regexp.MustCompile(`(?m)^\s*expr: ((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+)`)
	var found []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range form.FindAllStringSubmatch(string(b), -1) {
			s := m[1]
			if s[0] == '\'' {
				s = `"` + strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`), `"`, `\"`) + `"`
			}
			if s, err := strconv.Unquote(s); err == nil {
				found = append(found, s)
			}
		}
	}
	return found
}

// TestUpstreamTexts compares types, faults and costs of all that upstream's tests evaluate, over a self and other variables that can
// be anything, and once more over such that are nothing.
func TestUpstreamTexts(t *testing.T) {
	env := ourBase()
	dyn := newPairOf(t, env, strings.Fields("self x y z a b c l list map object oldObject request params str m v")...)
	object := newPair(t, env, &ours.Type{Kind: ours.Object, Name: "Nothing", Fields: map[string]*ours.Field{}})
	total, bad := 0, 0
	sources := map[string][]string{"conformance": conformance(t)}
	for _, path := range []string{
		"github.com/google/cel-go/checker", "github.com/google/cel-go/parser", "github.com/google/cel-go/interpreter",
		"github.com/google/cel-go/cel", "github.com/google/cel-go/ext", "github.com/google/cel-go/common",
		"k8s.io/apiserver/pkg/cel", "k8s.io/apiserver/pkg/admission/plugin/cel",
		"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel",
	} {
		sources[path] = texts(t, path)
	}
	for path, list := range sources {
		for i, e := range list {
			if testing.Short() && i%20 > 0 {
				continue
			}
			for _, p := range []*pair{dyn, object} {
				total++
				if their, our := p.compare(t, e); their != our {
					if bad++; bad <= 30 {
						t.Errorf("%s: %s\ntheirs: %s\nours:   %s", path, e, brief(their), brief(our))
					}
				}
			}
		}
	}
	t.Logf("%d compared, %d differ", total, bad)
}
