package interop

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"apichain/internal/fieldset"
	builtin "apichain/internal/kinds"
)

// What writes set back and so do not own, by upstream's source: each strategy of a registry says it by a method that makes a
// literal, which is read here, for no module that can be imported has all of the strategies.

// upstreamResets returns the paths that upstream's strategies reset, by folder of the registry and type of the strategy, then
// by version. Those of pods' parts, which let through instead, begin with an only.
func upstreamResets(t *testing.T) map[string]map[string][]string {
	t.Helper()
	var files []string
	for _, pattern := range []string{
		filepath.Join(kubernetesDir(t), "pkg/registry/*/*/strategy.go"),
		filepath.Join(moduleDir(t, "k8s.io/apiextensions-apiserver"), "pkg/registry/*/strategy.go"),
		filepath.Join(moduleDir(t, "k8s.io/kube-aggregator"), "pkg/registry/*/strategy.go"),
	} {
		found, _ := filepath.Glob(pattern)
		if len(found) == 0 {
			t.Fatal("no strategies are ", pattern)
		}
		files = append(files, found...)
	}
	out := map[string]map[string][]string{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "GetResetFields" {
				continue
			}
			typ := f.Recv.List[0].Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			out[filepath.Base(filepath.Dir(file))+" "+strings.ToLower(typ.(*ast.Ident).Name)] = resetLiteral(f.Body)
		}
	}
	return out
}

// resetLiteral returns the paths that a method tells, by version: those of the literal of a map, and those that are inserted
// into one of its sets, if a feature is on, which those of releases that we know are.
func resetLiteral(body *ast.BlockStmt) map[string][]string {
	out := map[string][]string{}
	paths := func(version string, n ast.Node) {
		out[version] = slices.Clip(out[version])
		ast.Inspect(n, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "MakePathOrDie" {
					var path []string
					for _, a := range call.Args {
						path = append(path, textOf(a))
					}
					out[version] = append(out[version], strings.Join(path, "."))
				}
			}
			return true
		})
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			paths(textOf(n.Key), n.Value)
			return false
		case *ast.CallExpr: // fields["networking.k8s.io/v1"].Insert(…)
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Insert" {
				paths(textOf(f.X.(*ast.IndexExpr).Index), n)
				return false
			}
		}
		return true
	})
	return out
}

// textOf returns what a literal of a text says, "" for what is none.
func textOf(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}

// TestResetsOfUpstream: each subresource of each kind that we serve, in each version, and each strategy of upstream whose
// kind we serve.
func TestResetsOfUpstream(t *testing.T) {
	upstream := upstreamResets(t)
	table, err := builtin.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	table = table.WithAlso(func(string, string, string) bool { return true })
	compared, used := 0, map[string]bool{}
	for _, row := range table.Kinds {
		folder := strings.ToLower(row.Kind)
		if folder == "certificatesigningrequest" {
			folder = "certificates"
		}
		if folder == "storageversionmigration" {
			folder = "storagemigration"
		}
		version := strings.TrimPrefix(row.Group+"/"+row.Version, "/")
		parts := []string{""}
		for _, s := range row.Subresources {
			parts = append(parts, s.Name)
		}
		for _, part := range parts {
			var want []string
			for name, resets := range upstream {
				if f, strategy, _ := strings.Cut(name, " "); f == folder && partOf(strategy) == part {
					used[name], want = true, resets[version]
				}
			}
			slices.Sort(want)
			if part == "ephemeralcontainers" || part == "resize" {
				continue // they let through instead: see TestPartsOfPodsOwnTheirs
			}
			var set fieldset.Set
			for _, path := range want {
				set = set.Union(fieldset.New(fieldset.Fields(strings.Split(path, ".")...)))
			}
			compared++
			if got := leftOut(row.Resets(part)); !got.Equal(set) {
				t.Errorf("%s of %s %s: %v, but upstream resets %v", part, version, row.Kind, got, set)
			}
		}
	}
	for name := range upstream {
		if !used[name] {
			t.Log("of no kind that is served: ", name)
		}
	}
	t.Log(compared, "compared")
}

// partOf returns the subresource that a strategy is for, by its name.
func partOf(strategy string) string {
	for _, part := range []string{"status", "finalize", "approval"} {
		if strings.HasSuffix(strategy, part+"strategy") {
			return part
		}
	}
	return ""
}

// leftOut returns which of some fields a filter leaves out.
func leftOut(f *fieldset.Filter) (out fieldset.Set) {
	for _, name := range []string{"spec", "status", "metadata", "metadata.labels", "metadata.annotations", "metadata.finalizers",
		"metadata.deletionTimestamp", "metadata.ownerReferences", "status.conditions", "status.certificate", "spec.x", "status.x"} {
		if s := fieldset.New(fieldset.Fields(strings.Split(name, ".")...)); f.Apply(s).IsEmpty() && (out.IsEmpty() || !coversAny(out, name)) {
			out = out.Union(s)
		}
	}
	return out
}

// coversAny reports whether a set has a field that the named one is below.
func coversAny(s fieldset.Set, name string) bool {
	top, _, below := strings.Cut(name, ".")
	return below && s.Has(fieldset.Fields(top))
}

// TestPartsOfPodsOwnTheirs: the two parts of a pod that may be written let through what they are of, by the patterns of
// upstream's strategies and by its filters.
func TestPartsOfPodsOwnTheirs(t *testing.T) {
	table, err := builtin.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	row := table.Kind("", "v1", "Pod")
	const text = `{"f:metadata":{"f:labels":{"f:a":{}}},"f:status":{"f:x":{}},"f:spec":{"f:nodeName":{},
		"f:ephemeralContainers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}},
		"f:initContainers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:resources":{".":{},"f:limits":{"f:cpu":{}}},"f:resizePolicy":{}}},
		"f:containers":{".":{},"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:resources":{"f:limits":{"f:cpu":{}}},"f:resizePolicy":{}}}}}`
	all, err := fieldset.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	prefix, each := fieldpath.MakePrefixMatcherOrDie, fieldpath.MatchAnyPathElement()
	for part, filter := range map[string]fieldpath.Filter{
		"ephemeralcontainers": fieldpath.NewIncludeMatcherFilter(prefix("spec", "ephemeralContainers")),
		"resize": fieldpath.NewIncludeMatcherFilter(prefix("spec", "containers", each, "resources"),
			prefix("spec", "containers", each, "resizePolicy"), prefix("spec", "initContainers", each, "resources"),
			prefix("spec", "initContainers", each, "resizePolicy")),
	} {
		want, err := filter.Filter(set).ToJSON()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(row.Resets(part).Apply(all).AppendJSON(nil)); got != string(want) {
			t.Errorf("%s owns %s, want %s", part, got, want)
		}
	}
}
