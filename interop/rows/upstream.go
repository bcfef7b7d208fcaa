package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	// The sources of this module are read too, so it must be required.
	_ "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// The reading of upstream's types. What a row says of a field stands in three places of a Go
// struct, and none of them is left after compiling but the tags, so the sources are parsed:
//
//	// +listType=map                           comments: list types, what is optional, defaults, enums
//	// +listMapKey=type
//	Conditions []Condition                     the type, whose names lead to other packages
//	  `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"
//	    protobuf:"bytes,2,rep,name=conditions"`
//
// Types that a kind of the package reaches become rows, in the order of the source. Lists of kinds
// are left out: the server makes them.

// goPackage is a package of upstream's types.
type goPackage struct {
	name   string // as the rows call it
	path   string // of the import
	schema string // before its types in OpenAPI

	types     map[string]*goType
	order     []string            // names of types as they are declared
	enums     map[string][]string // values of the constants, by their type
	constants map[string]string   // values of all constants
	imports   map[string]string   // import paths by the names that files use
}

// goType is the declaration of a type.
type goType struct {
	expr    ast.Expr
	comment string
}

// sources are the packages that have types of served kinds, by the names of the rows.
func sources() map[string]string {
	list := map[string]string{
		"meta":            "k8s.io/apimachinery/pkg/apis/meta/v1",
		"apiextensions":   "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
		"apiregistration": "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1",
		"autoscalingv2":   "k8s.io/api/autoscaling/v2",
		"apidiscovery":    "k8s.io/api/apidiscovery/v2",
		// Fields of jobs are of types that have no stable version yet.
		"schedulingv1alpha3": "k8s.io/api/scheduling/v1alpha3",
	}
	for _, name := range []string{
		"core", "apps", "batch", "autoscaling", "networking", "policy", "rbac", "scheduling", "storage", "discovery", "admissionregistration",
		"certificates", "node", "flowcontrol", "resource", "storagemigration", "authentication", "authorization", "coordination", "events",
	} {
		list[name] = "k8s.io/api/" + name + "/v1"
	}
	return list
}

// partly are packages of which rows have only what others refer to, or what they have already.
var partly = []string{"meta", "apidiscovery", "schedulingv1alpha3"}

// leftOut are kinds of upstream's packages that no server has.
var leftOut = []string{"core.RangeAllocation", "core.PodStatusResult", "core.SerializedReference", "core.PodLogOptions", "apiextensions.ConversionReview"}

// upstream is all that is known of upstream's types. Its packages are read when first asked for.
type upstream struct {
	packages map[string]*goPackage // by name
}

// readUpstream reads all packages. It needs their sources in the module cache.
func readUpstream() (*upstream, error) {
	u := &upstream{packages: map[string]*goPackage{}}
	paths := sources()
	list := exec.Command("go", slices.Concat([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, slices.Collect(maps.Values(paths)))...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		dirs[path] = dir
	}
	for name, path := range paths {
		p, err := readPackage(name, path, dirs[path])
		if err != nil {
			return nil, err
		}
		u.packages[name] = p
	}
	return u, nil
}

// readPackage parses the files of a package that are not generated.
func readPackage(name, path, dir string) (*goPackage, error) {
	p := &goPackage{
		name: name, path: path, schema: "io.k8s." + strings.ReplaceAll(strings.TrimPrefix(path, "k8s.io/"), "/", "."),
		types: map[string]*goType{}, enums: map[string][]string{}, constants: map[string]string{}, imports: map[string]string{},
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	set := token.NewFileSet()
	for _, file := range files {
		base := filepath.Base(file)
		if strings.Contains(base, "generated") || strings.HasSuffix(base, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.readFile(set, f)
	}
	return p, nil
}

// before returns the comment that stands an empty line above another, where types are marked for the
// generators of clients.
func before(set *token.FileSet, f *ast.File, doc *ast.CommentGroup) *ast.CommentGroup {
	if doc == nil {
		return nil
	}
	for _, g := range f.Comments {
		if set.Position(g.End()).Line == set.Position(doc.Pos()).Line-2 {
			return g
		}
	}
	return nil
}

// readFile adds the declarations of a file.
func (p *goPackage) readFile(set *token.FileSet, f *ast.File) {
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		local := path[strings.LastIndexByte(path, '/')+1:]
		if i.Name != nil {
			local = i.Name.Name
		}
		p.imports[local] = path
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				doc := s.Doc
				if doc == nil {
					doc = g.Doc
				}
				p.types[s.Name.Name] = &goType{s.Type, markers(before(set, f, doc)) + markers(doc)}
				p.order = append(p.order, s.Name.Name)
			case *ast.ValueSpec:
				p.readConstants(g.Tok, s)
			}
		}
	}
}

// readConstants adds the constants of a line to the values of their type, which stands before the
// value or around it. A constant of another package is noted by the name it has there.
func (p *goPackage) readConstants(tok token.Token, s *ast.ValueSpec) {
	for i, value := range s.Values {
		typ := s.Type
		if call, isCall := value.(*ast.CallExpr); isCall && len(call.Args) == 1 {
			typ, value = call.Fun, call.Args[0]
		}
		name, named := typ.(*ast.Ident)
		if tok != token.CONST || !named {
			continue
		}
		switch v := value.(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(v.Value)
			p.enums[name.Name] = append(p.enums[name.Name], text)
			p.constants[s.Names[i].Name] = text
		case *ast.SelectorExpr:
			p.enums[name.Name] = append(p.enums[name.Name], v.Sel.Name)
		}
	}
}

// markers returns the lines of a comment that begin with a plus, each with a line feed behind it.
func markers(g *ast.CommentGroup) string {
	if g == nil {
		return ""
	}
	var out strings.Builder
	for _, c := range g.List {
		if text := strings.TrimSpace(strings.TrimPrefix(c.Text, "//")); strings.HasPrefix(text, "+") {
			out.WriteString(text + "\n")
		}
	}
	return out.String()
}

// marked returns the values of a marker, which are empty for one without any.
func marked(comment, name string) []string {
	var out []string
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key == "+"+name {
			out = append(out, value)
		}
	}
	return out
}

// has reports whether a comment has a marker.
func has(comment, name string) bool { return marked(comment, name) != nil }

// types returns the types of a package as rows would have them: those that its kinds, and the kinds
// of other packages, reach.
func (u *upstream) types(roots []string) (map[string][]*rowType, error) {
	made := map[string]*rowType{}
	queue := slices.Clone(roots)
	for name, p := range u.packages {
		for typ, t := range p.types {
			if !slices.Contains(partly, name) && t.isKind() && !slices.Contains(leftOut, name+"."+typ) {
				queue = append(queue, name+"."+typ)
			}
		}
	}
	for len(queue) > 0 {
		name := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if made[name] != nil {
			continue
		}
		packageName, local, _ := strings.Cut(name, ".")
		p := u.packages[packageName]
		if p == nil || p.types[local] == nil {
			return nil, fmt.Errorf("upstream has no type %s", name)
		}
		t, refs, err := u.rowType(p, local)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made[name] = t
		queue = append(queue, refs...)
	}
	out := map[string][]*rowType{}
	for _, name := range slices.Sorted(maps.Keys(u.packages)) {
		for _, local := range u.packages[name].order {
			if t := made[name+"."+local]; t != nil {
				out[name] = append(out[name], t)
			}
		}
	}
	return out, nil
}

// isKind reports whether a type is one of whole objects, and no list.
func (t *goType) isKind() bool {
	s, ok := t.expr.(*ast.StructType)
	if !ok {
		return false
	}
	kind := false
	for _, f := range s.Fields.List {
		if x, ok := f.Type.(*ast.SelectorExpr); ok && len(f.Names) == 0 {
			if x.Sel.Name == "ListMeta" {
				return false
			}
			kind = kind || x.Sel.Name == "TypeMeta"
		}
	}
	return kind
}

// rowType makes the row of a struct, and the names of the types that its fields have.
func (u *upstream) rowType(p *goPackage, name string) (*rowType, []string, error) {
	t := p.types[name]
	s, ok := t.expr.(*ast.StructType)
	if !ok {
		return nil, nil, fmt.Errorf("%s is no struct", name)
	}
	row := &rowType{name: name, words: structWords(t.comment)}
	var refs []string
	for _, f := range s.Fields.List {
		field, ref, err := u.rowField(p, f)
		if err != nil {
			return nil, nil, fmt.Errorf("%v: %w", f.Names, err)
		}
		if field == nil {
			continue
		}
		row.fields = append(row.fields, field)
		if ref != "" {
			refs = append(refs, ref)
		}
	}
	return row, refs, nil
}

// structWords returns the words of a type's line.
func structWords(comment string) []string {
	if slices.Equal(marked(comment, "structType"), []string{"atomic"}) {
		return []string{"atomic"}
	}
	return nil
}

// rowField makes the row of a field; nil for one that JSON does not have.
func (u *upstream) rowField(p *goPackage, f *ast.Field) (field *rowField, ref string, err error) {
	if f.Tag == nil {
		return nil, "", nil
	}
	text, _ := strconv.Unquote(f.Tag.Value)
	tag := reflect.StructTag(text)
	name, options, _ := strings.Cut(tag.Get("json"), ",")
	if name == "-" {
		return nil, "", nil
	}
	form := formOf(u, p, f.Type)
	if form.err != nil {
		return nil, "", form.err
	}
	field = &rowField{name: name, number: protobufNumber(tag), typ: form.text}
	// An embedded field without a name gives its fields to the outer object.
	if name == "" {
		field.name = "+"
		return field, form.ref, nil
	}
	comment := markers(f.Doc)
	omitted := strings.Contains(options, "omitempty")
	switch {
	case strings.Contains(options, "omitzero"):
		field.typ += "*"
	case form.pointer:
		field.typ += "*"
	}
	if !omitted {
		field.typ += "!"
	}
	if omitted && has(comment, "required") {
		field.words = append(field.words, "must")
	}
	if !omitted && has(comment, "optional") {
		field.words = append(field.words, "optional")
	}
	field.words = append(field.words, p.fieldWords(tag, comment, form)...)
	return field, form.ref, nil
}

// fieldWords returns the words that tags and comments give.
func (p *goPackage) fieldWords(tag reflect.StructTag, comment string, form goForm) []string {
	var words []string
	if s := tag.Get("patchStrategy"); s != "" {
		s = strings.ReplaceAll(s, ",", "+")
		if key := tag.Get("patchMergeKey"); key != "" {
			s += ":" + key
		}
		words = append(words, s)
	}
	for _, value := range slices.Concat(marked(comment, "listType"), marked(comment, "mapType"), marked(comment, "structType")) {
		switch value {
		case "atomic", "set", "granular":
			words = append(words, value)
		case "map":
			words = append(words, "keys:"+strings.Join(marked(comment, "listMapKey"), ","))
		}
	}
	if form.values != nil {
		words = append(words, "values:"+strings.ReplaceAll(strings.Join(form.values, "|"), " ", "_"))
	}
	for _, value := range marked(comment, "default") {
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		if name, named := strings.CutPrefix(value, "ref("); named {
			value = p.constants[strings.TrimSuffix(name, ")")]
		}
		words = append(words, "=="+value)
	}
	return words
}

// protobufNumber returns the number of a field in protobuf, 0 for none.
func protobufNumber(tag reflect.StructTag) int {
	parts := strings.Split(tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// goForm is the form of a field's value as rows tell it.
type goForm struct {
	text    string   // the type with what is before it: {}[]core.Pod
	pointer bool     // outermost
	ref     string   // the type in full, "" for a scalar
	values  []string // of an enum, sorted
	err     error
}

// special are the types that are no structs in JSON, by their names in full.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":                     "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":                "microtime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":                 "raw:FieldsV1{}",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                 "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":               "intstr",
	"k8s.io/apimachinery/pkg/types.UID":                             "string",
	"k8s.io/apimachinery/pkg/types.NodeName":                        "string",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":                  "raw:runtime.RawExtension{}",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON": "raw:JSON",

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":       "JSONSchemaProps=1|list=2",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool":        "JSONSchemaProps=2|bool=1",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "JSONSchemaProps=1|strings=2",
}

// scalars are Go's own types.
var scalars = map[string]string{
	"string": "string", "bool": "bool", "int": "int32", "int32": "int32", "int64": "int64", "float64": "double", "uint8": "byte", "byte": "byte",
}

// formOf returns the form of a type that p's sources name.
func formOf(u *upstream, p *goPackage, expr ast.Expr) goForm {
	switch x := expr.(type) {
	case *ast.StarExpr:
		f := formOf(u, p, x.X)
		f.pointer = true
		return f
	case *ast.ArrayType:
		f := formOf(u, p, x.Elt)
		if f.text == "byte" {
			return goForm{text: "bytes"}
		}
		f.text, f.pointer = "[]"+f.text, false
		return f
	case *ast.MapType:
		f := formOf(u, p, x.Value)
		f.text, f.pointer = "{}"+f.text, false
		return f
	case *ast.Ident:
		if t := p.types[x.Name]; t != nil {
			return u.named(p, p, x.Name)
		}
		if s := scalars[x.Name]; s != "" {
			return goForm{text: s}
		}
	case *ast.SelectorExpr:
		local, _ := x.X.(*ast.Ident)
		path := p.imports[local.Name]
		if s := special[path+"."+x.Sel.Name]; s != "" {
			return goForm{text: s}
		}
		for _, other := range u.packages {
			if other.path == path {
				return u.named(p, other, x.Sel.Name)
			}
		}
	}
	return goForm{err: fmt.Errorf("cannot tell the type %T %v", expr, expr)}
}

// named returns the form of a type with a name, which user's sources use.
func (u *upstream) named(user, p *goPackage, name string) goForm {
	if s := special[p.path+"."+name]; s != "" {
		f := goForm{text: s}
		if typ, _, either := strings.Cut(s, "="); either {
			f.ref = p.name + "." + typ
		}
		return f
	}
	t := p.types[name]
	if t == nil {
		return goForm{err: fmt.Errorf("%s has no type %s", p.path, name)}
	}
	if _, isStruct := t.expr.(*ast.StructType); isStruct {
		text := p.name + "." + name
		f := goForm{text: text, ref: text}
		if user == p {
			f.text = name
		}
		return f
	}
	f := formOf(u, p, t.expr)
	if has(t.comment, "enum") {
		for _, value := range p.enums[name] {
			if other, known := u.packages["core"].constants[value]; known {
				value = other
			}
			f.values = append(f.values, value)
		}
		slices.Sort(f.values)
	}
	return f
}
