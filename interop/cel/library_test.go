package cel

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	theirs "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	k8slibrary "k8s.io/apiserver/pkg/cel/library"

	ours "apichain/internal/cel"
	"apichain/internal/cel/library"
)

// The libraries of Kubernetes: each expression of upstream's own tests of them, those that its tests put together of lists, and
// random ones are checked, estimated and evaluated by both sides: type, static cost, value or error, and run-time cost are the same.

var update = flag.Bool("update", false, "write the table of internal/cel/library anew")

// rights answers for both sides: nobody may but a service account, and a bad selector is an error.
type rights struct{}

func (rights) answer(group, resource, sub, namespace, name, verb, path, account string) (bool, string, error) {
	text := strings.Join([]string{group, resource, sub, namespace, name, verb, path, account}, "|")
	if strings.Contains(text, "broken") {
		return false, "", errors.New("no answer: " + text)
	}
	return account != "" || verb == "get", text, nil
}

func (r rights) Authorize(a library.Attributes) (bool, string, error) {
	account := ""
	if a.ServiceAccount != "" {
		account = "system:serviceaccount:" + a.AccountNamespace + ":" + a.ServiceAccount
	}
	return r.answer(a.Group, a.Resource, a.Subresource, a.Namespace, a.Name, a.Verb, a.Path, account)
}

type theirRights struct{ rights }

func (r theirRights) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	account := ""
	if name := a.GetUser().GetName(); name != "somebody" {
		account = name
	}
	ok, reason, err := r.answer(a.GetAPIGroup(), a.GetResource(), a.GetSubresource(), a.GetNamespace(), a.GetName(), a.GetVerb(), a.GetPath(), account)
	if ok {
		return authorizer.DecisionAllow, reason, err
	}
	return authorizer.DecisionNoOpinion, reason, err
}

// libraryPair returns the environments for what is stored, or for what is new, with an authorizer and a value that can be anything.
func libraryPair(t testing.TB, stored bool) *pair {
	minor := uint(36)
	libraries := library.New()
	if stored {
		minor, libraries = 37, library.Stored()
	}
	set, err := environment.MustBaseEnvSet(version.MajorMinor(1, minor)).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []theirs.EnvOption{theirs.Variable("authorizer", k8slibrary.AuthorizerType), theirs.Variable("x", theirs.DynType),
			k8slibrary.JSONPatch()},
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := []ours.Variable{{Name: "authorizer", Type: library.AuthorizerType}, {Name: "x", Type: ours.DynType}}
	env := ours.NewEnv(ours.Options{Libraries: append(libraries, library.JSONPatch()), Optionals: true, Homogeneous: true, Literals: true})
	their := set.NewExpressionsEnv()
	if stored {
		their = set.StoredExpressionsEnv()
	}
	return &pair{theirs: their, ours: env.With(variables, nil).Measured(nil, ""), estimator: &k8slibrary.CostEstimator{}, variables: variables}
}

// row is what is known of an expression. Cost is -1 where it was not evaluated.
type row struct {
	Expression string
	Checked    string // type and static cost, or what is wrong
	Result     string `json:",omitempty"`
	Cost       int64
}

// both returns what each side says.
func (p *pair) both(t testing.TB, expression string) (their, our row) {
	their, our = row{Expression: expression, Cost: -1}, row{Expression: expression, Cost: -1}
	their.Checked, our.Checked = p.compare(t, expression)
	if their.Checked != our.Checked || strings.HasPrefix(their.Checked, "ERROR") || their.Checked == "panic" {
		return their, our
	}
	ast, _ := p.theirs.Compile(expression)
	x := map[string]any{"list": []any{int64(3), int64(1), int64(2)}, "text": "a1b22c", "empty": []any{}}
	if program, err := p.theirs.Program(ast); err != nil {
		their.Result = "program: " + err.Error()
	} else {
		their.evaluate(program, x)
	}
	checked, err := p.ours.Check(expression)
	if err != nil {
		t.Fatal(err)
	}
	if program, err := checked.Program(); err != nil {
		our.Result = "program: " + err.Error()
	} else {
		v, cost := program.Eval([]ours.Value{library.AuthorizerValue(rights{}), ours.Of(x, nil)}, ours.Limit{Cost: 1_000_000})
		our.Result, our.Cost = ourText(v), int64(cost)
	}
	// Their maps have no order; ours has one that theirs may have too.
	for range 100 {
		if their == our || their.Cost < 0 {
			break
		}
		if program, err := p.theirs.Program(ast); err == nil {
			their.evaluate(program, x)
		}
	}
	return their, our
}

// evaluate sets what an evaluation of theirs gives.
func (r *row) evaluate(program theirs.Program, x any) {
	v, details, err := program.Eval(map[string]any{"x": x,
		"authorizer": k8slibrary.NewAuthorizerVal(&user.DefaultInfo{Name: "somebody"}, theirRights{})})
	if r.Cost = 0; details != nil && details.ActualCost() != nil {
		r.Cost = int64(*details.ActualCost())
	}
	if err != nil {
		r.Result = "error: " + err.Error()
	} else {
		r.Result = theirText(v)
	}
}

// theirOwn returns what a value of a library is.
func theirOwn(v ref.Val) string {
	switch v := v.(type) {
	case apiservercel.Quantity:
		d := v.AsDec()
		digits := d.UnscaledBig().String()
		short := strings.TrimRight(digits, "0")
		if short == "" {
			return " 0"
		}
		if power := -int(d.Scale()) + len(digits) - len(short); power != 0 {
			return " " + short + "e" + strconv.Itoa(power)
		}
		return " " + short
	case *apiservercel.Quantity:
		return theirOwn(*v)
	case apiservercel.IP:
		return " " + v.String()
	case apiservercel.CIDR:
		return " " + v.String()
	case apiservercel.URL:
		return " " + v.URL.String()
	case apiservercel.Semver:
		v.Build = nil
		return " " + v.Version.String()
	case apiservercel.Format:
		return " " + v.Name
	}
	return ""
}

// libraryExpressions returns all texts of upstream's tests of libraries, and then what is made of lists of values and calls.
func libraryExpressions(t testing.TB) (upstream, made []string) {
	for _, path := range []string{"k8s.io/apiserver/pkg/cel/library", "k8s.io/apiserver/pkg/cel/environment", "github.com/google/cel-go/ext"} {
		upstream = append(upstream, texts(t, path)...)
	}
	return upstream, madeExpressions()
}

// TestLibraryExpressions compares everything that is said of upstream's expressions, for what is stored and for what is new.
func TestLibraryExpressions(t *testing.T) {
	upstream, made := libraryExpressions(t)
	expressions := slices.Concat(upstream, made)
	for _, stored := range []bool{true, false} {
		p := libraryPair(t, stored)
		var rows []row
		bad, evaluated := 0, 0
		for i, e := range expressions {
			if testing.Short() && i%7 != 0 {
				continue
			}
			their, our := p.both(t, e)
			// What cannot be read is for the tests of the syntax, and where upstream panics it says nothing.
			if strings.Contains(their.Checked, "Syntax error") || strings.Contains(their.Result, "internal error") {
				continue
			}
			if their != our {
				if bad++; bad <= 60 {
					t.Errorf("%q\ntheirs: %.300s = %.300s, cost %d\nours:   %.300s = %.300s, cost %d", e, brief(their.Checked), their.Result, their.Cost, brief(our.Checked), our.Result, our.Cost)
				}
			}
			if their.Cost >= 0 {
				evaluated++
			}
			// The table has what upstream's tests have, and one of four of what is put together.
			if their.Checked != "panic" && (i < len(upstream) && their.Cost >= 0 || i >= len(upstream) && i%4 == 0) && len(e)+len(their.Checked)+len(their.Result) < 600 {
				rows = append(rows, their)
			}
		}
		t.Logf("stored %t: %d expressions, %d of them evaluated, %d differ", stored, len(expressions), evaluated, bad)
		if stored && *update {
			writeTable(t, rows)
		}
	}
}

// writeTable writes what cel-go says into the tests of our library.
func writeTable(t testing.TB, rows []row) {
	var b strings.Builder
	for _, r := range rows {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode([]any{r.Expression, r.Checked, r.Result, r.Cost}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("../../internal/cel/library/testdata/upstream.jsonl", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLibraryGenerated compares random expressions of all libraries.
func TestLibraryGenerated(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 300
	}
	n = count(t, n)
	g := NewGenerator(uint64(n))
	g.Rows = slices.Concat(Standard, Optionals, Libraries, Libraries, Libraries)
	p := libraryPair(t, true)
	bad, evaluated := 0, 0
	for range n {
		e := g.Expression(nil, nil, 1+g.IntN(5))
		their, our := p.both(t, e)
		if their != our && !strings.Contains(their.Result, "internal error") {
			if bad++; bad <= 10 {
				t.Errorf("%q\ntheirs: %.300s = %.300s, cost %d\nours:   %.300s = %.300s, cost %d", e, brief(their.Checked), their.Result, their.Cost, brief(our.Checked), our.Result, our.Cost)
			}
		}
		if their.Cost >= 0 {
			evaluated++
		}
	}
	t.Logf("%d expressions, %d of them evaluated, %d differ", n, evaluated, bad)
}
