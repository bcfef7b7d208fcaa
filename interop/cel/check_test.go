package cel

import (
	"slices"
	"strings"
	"testing"

	theirs "github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	k8slibrary "k8s.io/apiserver/pkg/cel/library"

	ours "apichain/internal/cel"
	"apichain/internal/cel/library"
)

// base are the environments of a kube-apiserver 1.37: what is new has what one of 1.36 knows.
func base() *environment.EnvSet { return environment.MustBaseEnvSet(version.MajorMinor(1, 36)) }

// ourBase is our environment for what is stored, ourNew that for what is new.
func ourBase() *ours.Env { return ourEnv(library.Stored()) }
func ourNew() *ours.Env  { return ourEnv(library.New()) }

func ourEnv(libraries []*ours.Library) *ours.Env {
	return ours.NewEnv(ours.Options{Libraries: libraries, Optionals: true, Homogeneous: true, Literals: true})
}

// theirType returns a type as kube-apiserver has it for a schema.
func theirType(t *ours.Type) *apiservercel.DeclType {
	simple := func(c *theirs.Type) *apiservercel.DeclType {
		d := apiservercel.NewSimpleTypeWithMinSize(t.Name, c, nil, int64(t.Min))
		d.MaxElements = int64(t.Max)
		return d
	}
	switch t.Kind {
	case ours.Bool:
		return simple(theirs.BoolType)
	case ours.Int:
		return simple(theirs.IntType)
	case ours.Double:
		return simple(theirs.DoubleType)
	case ours.String:
		return simple(theirs.StringType)
	case ours.Bytes:
		return simple(theirs.BytesType)
	case ours.Timestamp:
		return simple(theirs.TimestampType)
	case ours.Duration:
		return simple(theirs.DurationType)
	case ours.Uint:
		return simple(theirs.UintType)
	case ours.Any:
		return simple(theirs.AnyType)
	case ours.Null:
		return simple(theirs.NullType)
	case ours.Wrapper:
		return simple(theirs.NullableType(theirType(t.Params[0]).CelType()))
	case ours.Opaque:
		return simple(theirs.OptionalType(theirType(t.Params[0]).CelType()))
	case ours.List:
		return apiservercel.NewListType(theirType(t.Params[0]), int64(t.Max))
	case ours.Map:
		return apiservercel.NewMapType(theirType(t.Params[0]), theirType(t.Params[1]), int64(t.Max))
	case ours.Object:
		fields := map[string]*apiservercel.DeclField{}
		for name, f := range t.Fields {
			fields[name] = apiservercel.NewDeclField(name, theirType(f.Type), f.Required, nil, nil)
		}
		return apiservercel.NewObjectType(t.Name, fields)
	}
	return simple(theirs.DynType)
}

// sizeEstimator is that of the definitions' schemas: everything is below one type.
type sizeEstimator struct{ root *apiservercel.DeclType }

func (s sizeEstimator) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	if len(element.Path()) == 0 {
		return nil
	}
	at := s.root
	for _, name := range element.Path()[1:] {
		switch field := at.Fields[name]; {
		case name == "@items" || name == "@values":
			at = at.ElemType
		case name == "@keys":
			at = at.KeyType
		case field != nil:
			at = field.Type
		default:
			return nil
		}
		if at == nil {
			return nil
		}
	}
	return &checker.SizeEstimate{Max: uint64(at.MaxElements)}
}

func (sizeEstimator) EstimateCallCost(function, overloadID string, target *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	return nil
}

// pair is an environment of theirs and of ours with the same variables.
type pair struct {
	theirs    *theirs.Env
	ours      *ours.Env
	estimator checker.CostEstimator
	variables []ours.Variable
}

// newPair returns the environments for what is stored, or for what is new, as our side has it.
func newPair(t testing.TB, ourBase *ours.Env, schema *ours.Type, fresh ...bool) *pair {
	decl := theirType(schema)
	set, err := base().Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []theirs.EnvOption{
			theirs.Variable("self", decl.CelType()), theirs.Variable("oldSelf", types.NewOptionalType(decl.CelType())),
		},
		DeclTypes: []*apiservercel.DeclType{decl},
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := []ours.Variable{{Name: "self", Type: schema}, {Name: "oldSelf", Type: ours.OptionalOf(schema)}}
	their := set.StoredExpressionsEnv()
	if len(fresh) > 0 && fresh[0] {
		their = set.NewExpressionsEnv()
	}
	return &pair{their, ourBase.With(variables, []*ours.Type{schema}), &k8slibrary.CostEstimator{SizeEstimator: sizeEstimator{decl}}, variables}
}

// newPairOf returns environments with variables that can be anything.
func newPairOf(t testing.TB, ourBase *ours.Env, names ...string) *pair {
	var options []theirs.EnvOption
	var variables []ours.Variable
	for _, name := range names {
		options = append(options, theirs.Variable(name, theirs.DynType))
		variables = append(variables, ours.Variable{Name: name, Type: ours.DynType})
	}
	set, err := base().Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options,
		DeclTypes: []*apiservercel.DeclType{theirType(&ours.Type{Kind: ours.Object, Name: "Nothing"})}})
	if err != nil {
		t.Fatal(err)
	}
	return &pair{set.StoredExpressionsEnv(), ourBase.With(variables, nil).Measured(nil, ""), &k8slibrary.CostEstimator{}, variables}
}

// compare returns what each side says of an expression: its type and cost, or the errors.
//
// Upstream panics at [?x] with an x that can be anything: their answer is then "panic".
func (p *pair) compare(t testing.TB, expression string) (their, our string) {
	defer func() {
		if recover() != nil {
			their, our = "panic", "panic"
		}
	}()
	ast, issues := p.theirs.Compile(expression)
	if issues.Err() != nil {
		their = issues.String()
	} else if cost, err := p.theirs.EstimateCost(ast, p.estimator); err != nil {
		t.Fatal(err)
	} else {
		their = answer(theirs.FormatCELType(ast.OutputType()), cost.Min, cost.Max)
	}
	if c, err := p.ours.Check(expression); err != nil {
		our = err.Error()
	} else {
		cost := c.Estimate()
		our = answer(c.Type().String(), cost.Min, cost.Max)
	}
	return their, our
}

// TestGenerated compares expressions that are made at random: types, faults and costs. CEL_COUNT, CEL_SEED and CEL_WRONG make it
// more, others, and more often wrong.
func TestGenerated(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 200
	}
	n = count(t, n)
	g := NewGenerator(uint64(setting(t, "CEL_SEED", 16)))
	g.Wrong = setting(t, "CEL_WRONG", g.Wrong)
	g.Rows = slices.Concat(Standard, Optionals, Libraries)
	stored, fresh := ourBase(), ourNew()
	bad, wrong := 0, 0
	var p *pair
	for i := range n {
		switch i % 100 {
		case 0:
			p = newPair(t, stored, g.Schema("Root", 4))
		case 50:
			p = newPair(t, fresh, g.Schema("Root", 4), true)
		}
		e := g.Expression(p.variables, nil, 1+g.IntN(6))
		their, our := p.compare(t, e)
		if strings.HasPrefix(their, "ERROR") {
			wrong++
		}
		if their != our {
			if bad++; bad <= 10 {
				t.Errorf("%s\ntheirs: %s\nours:   %s", e, brief(their), brief(our))
			}
		}
	}
	t.Logf("%d expressions, %d of them with errors, %d differ", n, wrong, bad)
}
