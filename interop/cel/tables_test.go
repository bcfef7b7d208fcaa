package cel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	theirs "github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	k8slibrary "k8s.io/apiserver/pkg/cel/library"

	ours "apichain/internal/cel"
)

// tableCase is an expression of a table of upstream's tests with the variables that it is checked with.
type tableCase struct {
	expression string
	variables  []ours.Variable
}

// tableCases returns the cases of a file of tests: composite literals that have an expression, and calls of decls.NewVariable.
func tableCases(t testing.TB, file string) []tableCase {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []tableCase
	named := map[string]*ours.Type{}
	ast.Inspect(f, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 {
			if name, ok := a.Lhs[0].(*ast.Ident); ok {
				named[name.Name] = typeOfSource(a.Rhs[0], named)
			}
		}
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		c := tableCase{}
		for _, e := range lit.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, _ := kv.Key.(*ast.Ident)
			if text, ok := kv.Value.(*ast.BasicLit); ok && key != nil && (key.Name == "in" || key.Name == "expr") {
				c.expression, _ = strconv.Unquote(text.Value)
			}
		}
		if c.expression == "" {
			return true
		}
		ast.Inspect(lit, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
				if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "NewVariable" {
					name, ok := call.Args[0].(*ast.BasicLit)
					if t := typeOfSource(call.Args[1], named); ok && t != nil {
						v := ours.Variable{Type: t}
						v.Name, _ = strconv.Unquote(name.Value)
						c.variables = append(c.variables, v)
					}
				}
			}
			return true
		})
		found = append(found, c)
		return false
	})
	return found
}

// typeOfSource returns the type that an expression of Go makes, nil for what is not one.
func typeOfSource(e ast.Expr, named map[string]*ours.Type) *ours.Type {
	if name, ok := e.(*ast.Ident); ok {
		return named[name.Name]
	}
	if s, ok := e.(*ast.SelectorExpr); ok {
		return map[string]*ours.Type{
			"IntType": ours.IntType, "UintType": ours.UintType, "DoubleType": ours.DoubleType, "BoolType": ours.BoolType,
			"StringType": ours.StringType, "BytesType": ours.BytesType, "DynType": ours.DynType, "AnyType": ours.AnyType,
			"NullType": ours.NullType, "TimestampType": ours.TimestampType, "DurationType": ours.DurationType, "TypeType": ours.TypeType,
		}[s.Sel.Name]
	}
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return nil
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if s.Sel.Name == "NewObjectType" {
		name, _ := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
		switch short := strings.TrimPrefix(name, "google.protobuf."); short {
		case "Struct":
			return ours.MapOf(ours.StringType, ours.DynType)
		case "ListValue":
			return ours.ListOf(ours.DynType)
		case "Value":
			return ours.DynType
		case "Int32Value":
			return ours.WrapperOf(ours.IntType)
		}
		if strings.HasSuffix(name, "TestAllTypes") {
			return allTypes(name)
		}
		return &ours.Type{Kind: ours.Object, Name: name, Fields: map[string]*ours.Field{}}
	}
	var params []*ours.Type
	for _, a := range call.Args {
		if t := typeOfSource(a, named); t != nil {
			params = append(params, t)
		}
	}
	if len(params) == 0 {
		return nil
	}
	switch s.Sel.Name {
	case "NewListType":
		return ours.ListOf(params[0])
	case "NewMapType":
		return ours.MapOf(params[0], params[1])
	case "NewNullableType":
		return ours.WrapperOf(params[0])
	case "NewOptionalType":
		return ours.OptionalOf(params[0])
	}
	return nil
}

// allTypes is much of the message that upstream's tests are about.
func allTypes(name string) *ours.Type {
	nested := &ours.Type{Kind: ours.Object, Name: name + ".NestedMessage", Fields: map[string]*ours.Field{"bb": {Type: ours.IntType}}}
	fields := map[string]*ours.Field{}
	for field, t := range map[string]*ours.Type{
		"single_int32": ours.IntType, "single_int64": ours.IntType, "single_uint32": ours.UintType, "single_uint64": ours.UintType,
		"single_double": ours.DoubleType, "single_float": ours.DoubleType, "single_bool": ours.BoolType, "single_string": ours.StringType,
		"single_bytes": ours.BytesType, "single_duration": ours.DurationType, "single_timestamp": ours.TimestampType,
		"single_any": ours.AnyType, "single_struct": ours.MapOf(ours.StringType, ours.DynType), "single_value": ours.DynType,
		"list_value": ours.ListOf(ours.DynType), "standalone_enum": ours.IntType, "single_int64_wrapper": ours.WrapperOf(ours.IntType),
		"single_int32_wrapper": ours.WrapperOf(ours.IntType), "single_string_wrapper": ours.WrapperOf(ours.StringType),
		"single_bool_wrapper": ours.WrapperOf(ours.BoolType), "single_double_wrapper": ours.WrapperOf(ours.DoubleType),
		"single_uint64_wrapper": ours.WrapperOf(ours.UintType), "repeated_int32": ours.ListOf(ours.IntType),
		"repeated_int64": ours.ListOf(ours.IntType), "repeated_string": ours.ListOf(ours.StringType),
		"repeated_nested_message": ours.ListOf(nested), "single_nested_message": nested, "standalone_message": nested,
		"map_int64_nested_type": ours.MapOf(ours.IntType, nested), "map_string_string": ours.MapOf(ours.StringType, ours.StringType),
		"map_int32_int64": ours.MapOf(ours.IntType, ours.IntType), "map_bool_int": ours.MapOf(ours.BoolType, ours.IntType),
		"map_string_int64": ours.MapOf(ours.StringType, ours.IntType),
	} {
		fields[field] = &ours.Field{Type: t}
	}
	return &ours.Type{Kind: ours.Object, Name: name, Fields: fields}
}

// TestUpstreamTables compares types, faults and costs of the tables of cel-go's checker, whose variables have types.
func TestUpstreamTables(t *testing.T) {
	env := ourBase()
	total, bad := 0, 0
	for _, file := range []string{"checker_test.go", "cost_test.go"} {
		for _, c := range tableCases(t, filepath.Join(folder(t, "github.com/google/cel-go/checker"), file)) {
			var options []theirs.EnvOption
			var decls []*apiservercel.DeclType
			for _, v := range c.variables {
				d := theirType(v.Type)
				options = append(options, theirs.Variable(v.Name, d.CelType()))
				decls = append(decls, d)
			}
			all := allTypes("google.expr.proto3.test.TestAllTypes")
			decls = append(decls, theirType(all))
			set, err := base().Extend(environment.VersionedOptions{
				IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options, DeclTypes: decls})
			if err != nil {
				t.Logf("%s: %v", c.expression, err)
				continue
			}
			p := &pair{set.StoredExpressionsEnv(), env.With(c.variables, []*ours.Type{all}).Measured(nil, ""),
				&k8slibrary.CostEstimator{}, c.variables}
			total++
			if their, our := p.compare(t, c.expression); their != our {
				if bad++; bad <= 30 {
					t.Errorf("%s: %s\ntheirs: %s\nours:   %s", file, c.expression, brief(their), brief(our))
				}
			}
		}
	}
	t.Logf("%d compared, %d differ", total, bad)
}
