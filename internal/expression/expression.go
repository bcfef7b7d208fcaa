// Package expression compiles and evaluates the expressions of admission: those of policies and their variables, and the conditions
// of webhooks. It knows what such an expression may name, what it may cost, and what is said where it fails.
//
//	u := expression.NewUnit(true)                               // of one policy
//	u.Variable("replicas", "object.spec.replicas", d, false)    // nil, or why it does not compile
//	e := u.Compile("variables.replicas <= 5", d, false, cel.BoolType)
//	run := u.Run(ctx, &expression.Input{Object: obj})           // for a question
//	result, left, err := run.Evaluate(e, expression.Budget)
//
// A Unit is made by one goroutine, and may be used by any number afterwards; a Run belongs to one. The package is internal to this
// program and promises no compatibility.
package expression

import (
	"slices"
	"strings"
	"sync"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// What an expression may name, each in a slot of its own, so that the values of a question are one array for all expressions about it:
//
//	object, oldObject          the object in the form that a rule names; null where there is none
//	request                    who wants what, as a review says it, without the objects
//	namespaceObject            the Namespace of the object; null for what is in none
//	params                     the parameters of the binding, where the policy has a kind of them
//	authorizer                 who may do what, and authorizer.requestResource for what is asked about
//	variables                  the variables of the policy, each computed when it is first named
const (
	slotObject = iota
	slotOld
	slotNamespace
	slotRequest
	slotParams
	slotAuthorizer
	slotResource
	slotVariables // last, since a unit adds it to what all have
	slots
)

// Budget and ConditionsBudget are what the expressions of one list may cost together: of the validations, the audit annotations or one
// mutation of a policy with one binding and one object of parameters; and of the conditions of a webhook or a policy. PerCall is what
// a single one may cost (upstream's pkg/apis/cel).
const (
	Budget           = 10_000_000
	ConditionsBudget = 2_500_000
	PerCall          = 1_000_000
)

// Declared says what an expression may name beyond what all may.
type Declared struct {
	Params, Authorizer bool
	// Patches are the types of mutations: Object and all below it, and JSONPatch.
	Patches bool
}

// Fault is why an expression is none.
type Fault struct {
	// Detail is said to the writer of the policy.
	Detail string
	// Internal says that it is not the writer's fault.
	Internal bool
}

func (f *Fault) Error() string { return f.Detail }

// Expression is one that was compiled, or could not be. It never changes.
type Expression struct {
	Text    string
	Fault   *Fault
	Type    *cel.Type // of the result, nil with a Fault
	program *cel.Program
}

// Unit is what the expressions of one policy share: its variables.
type Unit struct {
	composed  bool
	variables map[string]*Expression
	// types has the declared type of variables: a new one for each that is added.
	types *cel.Type
	envs  map[envKey]*cel.Env
}

// envKey is what environments differ by.
type envKey struct {
	Declared
	stored bool
}

// NewUnit begins the expressions of a policy. composed says whether they may name variables.
func NewUnit(composed bool) *Unit {
	u := &Unit{composed: composed, variables: map[string]*Expression{}, envs: map[envKey]*cel.Env{}}
	u.types = &cel.Type{Kind: cel.Object, Name: "kubernetes.variables", Fields: map[string]*cel.Field{}, Max: cel.Unbounded}
	return u
}

// Variable compiles a variable, which expressions that are compiled later may name. It returns why it does not compile; it may be named
// even so, and then is an error.
func (u *Unit) Variable(name, text string, d Declared, stored bool) *Fault {
	e := u.Compile(text, d, stored)
	u.variables[name] = e
	fields := make(map[string]*cel.Field, len(u.types.Fields)+1)
	for n, f := range u.types.Fields {
		fields[n] = f
	}
	fields[name] = &cel.Field{Type: declared(e.Type), Key: name, Required: true}
	u.types = &cel.Type{Kind: cel.Object, Name: u.types.Name, Fields: fields, Max: cel.Unbounded}
	clear(u.envs)
	return e.Fault
}

// declared returns the type that a variable has for others: lists and maps keep the types of their items, and what is no simple type is
// dyn (upstream).
func declared(t *cel.Type) *cel.Type {
	if t == nil {
		return cel.DynType
	}
	switch t.Kind {
	case cel.Any, cel.Bool, cel.Bytes, cel.Double, cel.Duration, cel.Int, cel.Null, cel.String, cel.Timestamp, cel.Uint:
		return &cel.Type{Kind: t.Kind, Name: t.Name, Max: cel.Unbounded}
	case cel.List:
		return cel.ListOf(declared(t.Params[0]))
	case cel.Map:
		return cel.MapOf(declared(t.Params[0]), declared(t.Params[1]))
	}
	return cel.DynType
}

// Len returns how many variables there are.
func (u *Unit) Len() int { return len(u.variables) }

// Compile compiles an expression whose result is of one of the types; none is any. stored says that it is in force already, and may
// have what new ones may not.
func (u *Unit) Compile(text string, d Declared, stored bool, results ...*cel.Type) *Expression {
	e := &Expression{Text: text}
	checked, err := u.env(d, stored).Check(text)
	if err != nil {
		e.Fault = &Fault{Detail: "compilation failed: " + err.Error()}
		return e
	}
	t := checked.Type()
	if e.Fault = mismatch(t, results); e.Fault != nil {
		return e
	}
	program, err := checked.Program()
	if err != nil {
		e.Fault = &Fault{"program instantiation failed: " + err.Error(), true}
		return e
	}
	e.Type, e.program = t, program
	return e
}

// mismatch says that a type is none of those that are wanted.
func mismatch(t *cel.Type, want []*cel.Type) *Fault {
	if len(want) == 0 {
		return nil
	}
	var names []string
	for _, w := range want {
		if w.Kind == t.Kind && w.String() == t.String() {
			return nil
		}
		names = append(names, nameOf(w))
	}
	if len(want) == 1 {
		return &Fault{Detail: "must evaluate to " + names[0] + " but got " + nameOf(t)}
	}
	return &Fault{Detail: "must evaluate to one of [" + strings.Join(names, " ") + "] but got " + nameOf(t)}
}

// nameOf returns a type as upstream's String has it, which calls null and times otherwise than the checker.
func nameOf(t *cel.Type) string {
	if t.Kind == cel.Wrapper {
		return t.String()
	}
	name := t.TypeName()
	for i, p := range t.Params {
		name += [...]string{"(", ", "}[min(i, 1)] + nameOf(p)
	}
	if len(t.Params) > 0 {
		name += ")"
	}
	return name
}

// env returns the environment of an expression.
func (u *Unit) env(d Declared, stored bool) *cel.Env {
	key := envKey{d, stored}
	if env := u.envs[key]; env != nil {
		return env
	}
	env := base()[key]
	if u.composed {
		env = env.With([]cel.Variable{{Name: "variables", Type: u.types}}, []*cel.Type{u.types})
	}
	u.envs[key] = env
	return env
}

// base returns the environments that all units begin with. They are made when the first expression comes: what they know of functions
// is the same in all that have the same libraries.
var base = sync.OnceValue(func() map[envKey]*cel.Env {
	envs := map[envKey]*cel.Env{}
	request, namespace := requestType(), namespaceType()
	for i := range 4 {
		stored, patches := i&1 != 0, i&2 != 0
		o := cel.Options{
			Libraries: library.New(), Types: []*cel.Type{request, namespace}, Optionals: true, Homogeneous: true, Literals: true,
		}
		if stored {
			o.Libraries = library.Stored()
		}
		if patches {
			o.Libraries, o.Types = append(slices.Clip(o.Libraries), library.JSONPatch()), append(o.Types, patchTypes()...)
		}
		env := cel.NewEnv(o)
		for j := range 4 {
			d := Declared{Params: j&1 != 0, Authorizer: j&2 != 0, Patches: patches}
			envs[envKey{d, stored}] = env.With(variables(d, request, namespace), nil)
		}
	}
	return envs
})

// variables returns what may be named, by slot. What may not has a name that no expression can say.
func variables(d Declared, request, namespace *cel.Type) []cel.Variable {
	all := [slotVariables]cel.Variable{
		slotObject: {Name: "object", Type: cel.DynType}, slotOld: {Name: "oldObject", Type: cel.DynType},
		slotNamespace: {Name: "namespaceObject", Type: namespace}, slotRequest: {Name: "request", Type: request},
	}
	if d.Params {
		all[slotParams] = cel.Variable{Name: "params", Type: cel.DynType}
	}
	if d.Authorizer {
		all[slotAuthorizer] = cel.Variable{Name: "authorizer", Type: library.AuthorizerType}
		all[slotResource] = cel.Variable{Name: "authorizer.requestResource", Type: library.ResourceCheckType}
	}
	return all[:]
}
