package expression

import (
	"context"
	"errors"
	"strconv"
	"time"

	"apichain/internal/cel"
)

// Input is what the expressions of a policy see of one question. Nothing of it is changed, and nothing may change while they run.
type Input struct {
	// Object and Old are in the form that the policy's rule names; nil is null.
	Object, Old map[string]any
	// Request returns what request is. It is called at most once for a Run, when an expression names it.
	Request func() map[string]any
	// Namespace is the Namespace of the object; nil is null.
	Namespace map[string]any
	// Params are the parameters of the binding; nil is null.
	Params map[string]any
	// Authorizer and Resource are what library.NewAuthorizer makes.
	Authorizer, Resource cel.Value
}

// Run evaluates expressions of one unit about one question, one after another: the variables that they name are computed once. Make one
// with Unit.Run.
type Run struct {
	ctx    context.Context
	unit   *Unit
	in     *Input
	values [slots]cel.Value
	// computed are the variables that were named, whose cost since the last look is spent.
	computed map[string]cel.Value
	spent    uint64
}

// Run begins the evaluation of a list of expressions, which ends with ctx.
func (u *Unit) Run(ctx context.Context, in *Input) *Run {
	r := &Run{ctx: ctx, unit: u, in: in}
	r.values = [slots]cel.Value{
		slotObject: view(in.Object), slotOld: view(in.Old), slotNamespace: view(in.Namespace), slotParams: view(in.Params),
		slotRequest: cel.ObjectValue(nil, (*asked)(r)), slotAuthorizer: in.Authorizer, slotResource: in.Resource,
		slotVariables: cel.ObjectValue(u.types, r),
	}
	return r
}

// view returns an object as a value.
func view(obj map[string]any) cel.Value {
	if obj == nil {
		return cel.NullValue
	}
	return cel.Of(obj, nil)
}

// Result is what came of an expression: a value, or why there is none.
type Result struct {
	Value cel.Value
	Err   error
	// Took is the time of the evaluation.
	Took time.Duration
}

// ErrBudget ends a list of expressions that have cost too much together.
var ErrBudget = errors.New("validation failed due to running out of cost budget, no further validation rules will be run")

// Evaluate evaluates an expression, nil for none, and returns what is left of a budget. An error of the expression is the result's;
// err is ErrBudget, after which nothing may be evaluated any more.
func (r *Run) Evaluate(e *Expression, budget uint64) (result Result, left uint64, err error) {
	if e == nil {
		return result, budget, nil
	}
	if e.Fault != nil {
		result.Err = errors.New("compilation error: " + e.Fault.Detail)
		return result, budget, nil
	}
	begun := time.Now()
	v, cost := e.program.Eval(r.values[:], r.limit())
	result.Took = time.Since(begun)
	// What variables have cost is counted for who named them first.
	for _, n := range [...]uint64{r.spent, cost} {
		if n > budget {
			return result, 0, ErrBudget
		}
		budget -= n
	}
	r.spent = 0
	if result.Value = v; v.Kind() == cel.Error {
		result.Err = errors.New("expression '" + e.Text + "' resulted in error: " + textOf(v))
	}
	return result, budget, nil
}

func (r *Run) limit() cel.Limit { return cel.Limit{Cost: PerCall, Done: r.ctx.Done()} }

// textOf returns what an error says.
func textOf(v cel.Value) string {
	if err := v.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// Field implements cel.Fields: it computes a variable when it is first named. Its cost is not that of who names it, and has a bound of
// its own.
func (r *Run) Field(name string) (cel.Value, bool) {
	if v, ok := r.computed[name]; ok {
		return v, true
	}
	e := r.unit.variables[name]
	if e == nil {
		return cel.Value{}, false
	}
	v := cel.Value{}
	if e.Fault != nil {
		v = cel.Failf("composited variable %s fails to compile: %s", strconv.Quote(name), e.Fault.Detail)
	} else {
		var cost uint64
		v, cost = e.program.Eval(r.values[:], r.limit())
		r.spent += cost
		if v.Kind() == cel.Error {
			v = cel.Failf("composited variable %s fails to evaluate: %s", strconv.Quote(name), textOf(v))
		}
	}
	if r.computed == nil {
		r.computed = map[string]cel.Value{}
	}
	r.computed[name] = v
	return v, true
}

// asked is a Run as the fields of request.
type asked Run

// Field implements cel.Fields.
func (r *asked) Field(name string) (cel.Value, bool) {
	// From here on it is a tree as the others.
	tree := r.in.Request()
	r.values[slotRequest] = cel.Of(tree, nil)
	v, ok := tree[name]
	if !ok {
		return cel.Value{}, false
	}
	return cel.Of(v, nil), true
}

// ByHand returns what an expression of a policy is compiled against, with all that any may name, and the values of its variables for an
// input, whose Request may be nil. There are no variables of a policy.
func ByHand(in *Input) (*cel.Env, []cel.Value) {
	u := NewUnit(false)
	if in.Request == nil {
		in.Request = func() map[string]any { return map[string]any{} }
	}
	r := u.Run(context.Background(), in)
	return u.env(Declared{Params: true, Authorizer: true, Patches: true}, false), r.values[:]
}
