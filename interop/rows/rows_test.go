package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder has the rows that are compared.
const folder = "../../internal/kinds"

// upstreamForTest reads the rows and upstream's types.
func upstreamForTest(t *testing.T) ([]*rowFile, *upstream, map[string][]*rowType) {
	t.Helper()
	files, err := readFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	u, err := readUpstream()
	if err != nil {
		t.Fatal(err)
	}
	types, err := u.types(rootTypes(files))
	if err != nil {
		t.Fatal(err)
	}
	return files, u, types
}

// TestRowsAreUpstreams: every type that a kind reaches is a row, in the package and under the name of
// upstream's, and its fields have upstream's names, numbers, types, list types, merge keys, values and
// defaults in upstream's order; there are no others.
func TestRowsAreUpstreams(t *testing.T) {
	files, u, types := upstreamForTest(t)
	rows := map[string]*rowType{}
	for _, f := range files {
		for _, p := range f.packages {
			known := u.packages[p.name]
			if p.name == "version" {
				continue // upstream has no protobuf for it, and rows want numbers
			}
			if known == nil {
				t.Errorf("%s: upstream has no package %s", f.path, p.name)
				continue
			}
			if p.schema != known.schema {
				t.Errorf("%s: the package %s begins with %s in OpenAPI, want %s", f.path, p.name, p.schema, known.schema)
			}
			for _, row := range p.types {
				rows[p.name+"."+row.name] = row
			}
		}
	}
	count := 0
	for name, list := range types {
		for _, typ := range list {
			row := rows[name+"."+typ.name]
			delete(rows, name+"."+typ.name)
			if row == nil {
				t.Errorf("%s.%s has no row; go run ./rows ../internal/kinds writes it", name, typ.name)
				continue
			}
			count += len(typ.fields)
			for _, d := range typ.differences(row) {
				t.Errorf("%s.%s %s", name, typ.name, d)
			}
		}
	}
	// What etcd keeps of node ports is no kind that anybody is served.
	delete(rows, "core.RangeAllocation")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		t.Errorf("%s is a type that no kind has", name)
	}
	if count < 2000 {
		t.Errorf("only %d fields were compared", count)
	}
}

// TestRun: a folder gets all packages, keeps what stands before them and what a person gave, and is
// the same after a second time.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "scheduling.txt")
	const head = "kind scheduling.k8s.io/v1 PriorityClass priorityclasses pc - cluster subdomain core -\n\n"
	const stale = "package scheduling io.k8s.api.scheduling.v1\ntype PriorityClass  Ours.\n  gone 1 string, value 7 int64 fixed -- the value\n"
	if err := os.WriteFile(path, []byte(head+stale), 0o600); err != nil {
		t.Fatal(err)
	}
	var first string
	for round := range 2 {
		if err := run(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		if !strings.HasPrefix(got, head) || !strings.Contains(got, "type PriorityClass  Ours.\n") || strings.Contains(got, "gone") ||
			!strings.Contains(got, "  value 2 int32! optional fixed -- the value\n") {
			t.Errorf("got\n%s", got)
		}
		if round > 0 && got != first {
			t.Errorf("the second time\n%s\nthe first\n%s", got, first)
		}
		first = got
	}
	files, err := readFolder(dir)
	if err != nil || len(files) < 20 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// TestKindsOfTheClient: each kind that client-go has a client for, in a version that is served, has a
// row, with the scope and the plural of the client.
func TestKindsOfTheClient(t *testing.T) {
	files, u, _ := upstreamForTest(t)
	kinds := map[string]string{}
	for _, f := range files {
		for line := range strings.Lines(f.head) {
			if w := strings.Fields(line); len(w) > 6 && w[0] == "kind" {
				group, version, ok := strings.Cut(w[1], "/")
				if !ok {
					group, version = "core", group
				}
				name, _, _ := strings.Cut(group, ".")
				if version != "v1" {
					name += version
				}
				kinds[name+"."+w[2]] = w[6]
			}
		}
	}
	clients := 0
	for name, p := range u.packages {
		if name == "schedulingv1alpha3" {
			continue
		}
		for typ, decl := range p.types {
			if !has(decl.comment, "genclient") || slices.Contains(leftOut, name+"."+typ) {
				continue
			}
			clients++
			scope := "namespaced"
			if has(decl.comment, "genclient:nonNamespaced") {
				scope = "cluster"
			}
			if served := name + "." + typ; !slices.Contains([]string{"policy.Eviction"}, served) && kinds[served] != scope {
				t.Errorf("%s is %q, want %s", served, kinds[served], scope)
			}
		}
	}
	if clients < 60 {
		t.Errorf("only %d clients were looked for", clients)
	}
}

// TestRowText: rows are read and written again as they were.
func TestRowText(t *testing.T) {
	const text = `package x io.x
type A atomic one:sort  What it is.
  + meta.TypeMeta, + 2 B, name 1 string* ==a req, list 3 []B! merge:key+x keys:a,b
  doc 4 {}string -- a doc, with a comma
type B
`
	_, packages, err := readRows("kind v1 A\n  col Name\n\n" + text)
	if err != nil || len(packages) != 1 {
		t.Fatal(err, packages)
	}
	if got := packages[0].String(); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
	for _, wrong := range []string{"type A\n  name\n", "  name 1 string\n", "what\n"} {
		if _, _, err := readRows("package x io.x\n" + wrong); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

// TestRowMerge: what a person gave stays, what upstream says goes, and differences are told.
func TestRowMerge(t *testing.T) {
	read := func(lines string) *rowType {
		_, packages, err := readRows("package x io.x\n" + lines)
		if err != nil {
			t.Fatal(err)
		}
		return packages[0].types[0]
	}
	was := read("type A one:sort  Ours.\n  gone 9 string, name 1 string atomic req =x -- a name\n")
	now := read("type A atomic\n  name 2 string* set ==y, other 3 bool\n")
	if d := now.differences(was); len(d) != 3 {
		t.Errorf("differences %q", d)
	}
	now.merge(was)
	const want = "type A atomic one:sort  Ours.\n  name 2 string* set ==y req -- a name\n  other 3 bool\n"
	if now.String() != want {
		t.Errorf("got\n%s\nwant\n%s", now, want)
	}
	if d := read("type A atomic\n  name 2 string* set ==y, other 3 bool\n").differences(now); d != nil {
		t.Errorf("differences %q", d)
	}
}

// TestFieldsOfSources: each sort of field of a Go struct is the row that it should be.
func TestFieldsOfSources(t *testing.T) {
	const source = `package v1
import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
// +enum
type Phase string
const (
	One Phase = "b c"
	Two Phase = "a"
)
type Names []string
type Many map[string]Names
// +structType=atomic
type A struct {
	metav1.TypeMeta ` + "`json:\",inline\"`" + `
	B               ` + "`json:\",inline\" protobuf:\"bytes,2,opt,name=b\"`" + `
	// +optional
	// +default=ref(Two)
	Phase *Phase ` + "`json:\"phase\" protobuf:\"bytes,3,opt,name=phase\"`" + `
	// +required
	Many Many ` + "`json:\"many,omitempty\" protobuf:\"bytes,4,opt,name=many\"`" + `
	Raw []byte ` + "`json:\"raw,omitempty\" protobuf:\"bytes,5,opt,name=raw\"`" + `
	// +listType=map
	// +listMapKey=x
	// +listMapKey=y
	List []B ` + "`json:\"list\" patchStrategy:\"merge,retainKeys\" patchMergeKey:\"x\" protobuf:\"bytes,6,opt,name=list\"`" + `
	At metav1.Time ` + "`json:\"at,omitempty,omitzero\" protobuf:\"bytes,7,opt,name=at\"`" + `
	Hidden int ` + "`json:\"-\"`" + `
	Number int ` + "`json:\"number,omitempty\" protobuf:\"varint,8,opt,name=number\"`" + `
}
type B struct{}
`
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "types.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	newPackage := func(name, path string) *goPackage {
		return &goPackage{
			name: name, path: path, types: map[string]*goType{}, enums: map[string][]string{}, constants: map[string]string{},
			imports: map[string]string{},
		}
	}
	p := newPackage("x", "example.com/x")
	p.readFile(set, f)
	meta := newPackage("meta", sources()["meta"])
	meta.types["TypeMeta"] = &goType{expr: &ast.StructType{}}
	u := &upstream{packages: map[string]*goPackage{"x": p, "meta": meta, "core": newPackage("core", "example.com/core")}}
	row, refs, err := u.rowType(p, "A")
	if err != nil {
		t.Fatal(err)
	}
	const want = `type A atomic
  + meta.TypeMeta, + 2 B, phase 3 string*! optional values:a|b_c ==a, many 4 {}[]string must, raw 5 bytes
  list 6 []B! merge+retainKeys:x keys:x,y, at 7 time*, number 8 int32
`
	if row.String() != want {
		t.Errorf("got\n%s\nwant\n%s", row, want)
	}
	if !slices.Equal(refs, []string{"meta.TypeMeta", "x.B", "x.B"}) {
		t.Errorf("it refers to %q", refs)
	}
}
