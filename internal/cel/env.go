// Package cel compiles and evaluates CEL, the Common Expression Language, as kube-apiserver has it: types, overloads, texts of
// errors and costs are those of cel-go.
//
// In comes the text of an expression and an Env: libraries, variables with types, messages that may be built. Check reads it with
// package syntax and gives each node a type; Estimate says what it may cost at most; Program makes closures of it, and Eval runs
// them over values: views of the trees that objects are, which are never copied. Out come a Value and what it has cost.
//
//	base := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true}) // once
//	env := base.With([]cel.Variable{{Name: "self", Type: scale}}, nil)            // for each type
//	checked, err := env.Check("self.min <= self.max")
//	program, err := checked.Program()
//	value, cost := program.Eval([]cel.Value{cel.Of(object, scale)}, cel.Limit{Cost: 1000000})
//
// An error of an expression is a Value too, since || and && may absorb it. Env, Checked and Program are immutable: any number of
// goroutines may use them at once, and evaluate over trees that nobody changes meanwhile. Time and memory are bounded by the Limit,
// whatever the expression is.
//
// The room is laid out by what comes first: type, library (tables of functions), standard (the table that every Env has), env;
// check, validate, estimate; value (and how values are compared, converted, printed, made of trees); operators, zones; program.
package cel

import (
	"slices"
	"strings"

	"apichain/internal/cel/syntax"
)

// An Env is what the text of an expression is read against: functions, names of types, variables. The functions are in a table
// that is made once and never changed; With adds variables and types in front of it without a copy, so that each rule of a schema
// may have an Env of its own. Names are looked up from the newest addition to the oldest.

// Variable is one that expressions may name.
type Variable struct {
	Name string
	Type *Type
}

// Options are what an Env begins with.
type Options struct {
	// Libraries are in the order of upstream's options: the overloads of a function are tried in this order. Standard() is one.
	Libraries []*Library
	Variables []Variable
	// Types are the messages that expressions may build, by their Name.
	Types []*Type
	// Optionals allows a.?b, a[?b], [?a] and {?a: b}.
	Optionals bool
	// Homogeneous refuses literals of lists and maps whose items are not all of one type, and Literals those of durations, timestamps
	// and regular expressions that cannot be read. Both are validators of upstream: they run where all types agree.
	Homogeneous, Literals bool
	// Nesting is how many comprehensions may be within each other; 0 is any number.
	Nesting int
}

// Env is immutable and may be used concurrently.
type Env struct {
	*table
	parent    *Env
	variables []Variable
	first     int // the slot of variables[0]
	types     []*Type
	root      *Type  // where paths begin that estimates look for sizes: see Measured
	origin    string // the variable that they have to begin with, "" for any
}

// table is what all Envs that come from one NewEnv share.
type table struct {
	// All of these are written by NewEnv alone, and read by any number of goroutines afterwards.
	functions map[string]*Function
	constants map[string]*Ref  // what their names stand for
	kinds     map[string]*Type // their types
	mixed     map[string]bool  // the functions below which literals may mix types
	syntax    syntax.Options   // the macros of all libraries
	options   Options
}

// NewEnv returns an Env of libraries. It costs about as much as all of their functions are long, and is meant to be made once.
// Where two libraries declare one function, the order of o.Libraries is the order in which its overloads are
// tried, and so decides the type of a call with dyn arguments.
func NewEnv(o Options) *Env {
	t := &table{
		functions: map[string]*Function{}, constants: map[string]*Ref{}, kinds: map[string]*Type{}, mixed: map[string]bool{},
		options: o, syntax: syntax.Options{Optionals: o.Optionals},
	}
	for _, l := range o.Libraries {
		// Macros are looked up by name, receiver and number of arguments when the text is parsed: a library cannot
		// take one back.
		t.syntax.Macros = append(t.syntax.Macros, l.Macros...)
		for _, f := range l.Functions {
			t.add(f)
		}
		for name, v := range l.Constants {
			t.constants[name], t.kinds[name] = &Ref{Name: name, Slot: -1, Constant: &v}, typeOfConstant(v)
		}
		for _, name := range l.Mixed {
			t.mixed[name] = true
		}
	}
	// When all overloads are known, what a call of one of them stands for can be made once for all expressions.
	for _, f := range t.functions {
		f.refs = make([]Ref, len(f.Overloads))
		for i := range f.Overloads {
			f.refs[i] = Ref{Name: f.Name, Slot: -1, Overloads: []*Overload{&f.Overloads[i]}}
		}
	}
	// Wherever there are types of schemas, upstream knows these by a short name too.
	for name, typ := range map[string]*Type{"duration": DurationType, "timestamp": TimestampType} {
		v := TypeValue(typ)
		t.constants[name], t.kinds[name] = &Ref{Name: name, Slot: -1, Constant: &v}, TypeOf(typ)
	}
	return (&Env{table: t}).With(o.Variables, o.Types)
}

// add adds a function. Functions of one name are one function: a library may add overloads to another's; what is said of all
// overloads is taken from the first that says it.
// The overloads are copied, since a Library may be used by several Envs, each of which appends to its own.
func (t *table) add(f Function) {
	known := t.functions[f.Name]
	if known == nil {
		f.Overloads = slices.Clone(f.Overloads)
		t.functions[f.Name] = &f
		return
	}
	known.Overloads = append(known.Overloads, f.Overloads...)
	known.Makes = max(known.Makes, f.Makes)
	if known.Unary == nil {
		known.Unary = f.Unary
	}
	if known.Binary == nil {
		known.Binary = f.Binary
	}
	if known.Cost == nil {
		known.Cost = f.Cost
	}
	if known.Estimate == nil {
		known.Estimate = f.Estimate
	}
	if known.Regex == nil {
		known.Regex = f.Regex
	}
}

// With returns e with more variables, whose slots follow those of e, and more messages. It shares everything with e.
func (e *Env) With(variables []Variable, types []*Type) *Env {
	n := &Env{table: e.table, parent: e, variables: variables, first: e.first + len(e.variables), types: types,
		root: e.root, origin: e.origin}
	// The first variable that anybody declared is what sizes are looked up in, until Measured says another.
	if n.root == nil && len(variables) > 0 {
		n.root = variables[0].Type
	}
	return n
}

// Measured returns e with another type that estimates take their sizes from. A size is found by the path of a value: self.a.b is b
// of a of root, whatever variable the path begins with, and even if it begins with a literal, as upstream's estimator for schemas
// has it. If origin is not "", only paths that begin with that variable have sizes. Without Measured, the root is the type of the
// first variable.
func (e *Env) Measured(root *Type, origin string) *Env {
	n := *e
	n.root, n.origin = root, origin
	return &n
}

// variable returns the variable of a name, its slot, and whether there is one.
// The walk is from the newest With to the oldest, so that a variable hides one of the same name that was declared
// before; both have a slot, and a caller of Eval gives values for both.
func (e *Env) variable(name string) (*Type, int, bool) {
	for ; e != nil; e = e.parent {
		for i := len(e.variables) - 1; i >= 0; i-- {
			if e.variables[i].Name == name {
				return e.variables[i].Type, e.first + i, true
			}
		}
	}
	return nil, 0, false
}

// message returns the message of a name, nil where there is none.
func (e *Env) message(name string) *Type {
	for ; e != nil; e = e.parent {
		for _, t := range e.types {
			if t.Name == name {
				return t
			}
			// An open type has messages below it for every name that a dotted path may spell. They are made here
			// at each look, and agree with each other because types of messages are compared by name.
			if t.Open && len(name) > len(t.Name) && name[len(t.Name)] == '.' && strings.HasPrefix(name, t.Name) {
				return &Type{Kind: Object, Name: name, Open: true, Max: Unbounded}
			}
		}
	}
	return nil
}

// Ref says what the checker found for an identifier or a call.
type Ref struct {
	// Name is the full name of a variable or a constant. Slot is the index of the variable among those of the Env, -1 for one of a
	// comprehension or a constant.
	Name      string
	Slot      int
	Constant  *Value
	Overloads []*Overload
}

// Checked is an expression whose types are known. It is immutable.
//
// Its AST is what was read, but for names: a.b that is one name is an identifier, and a.f(x) that calls a function of the name a.f
// has no receiver any more.
type Checked struct {
	AST   *syntax.AST
	Types []*Type // by the ID of a node
	Refs  []*Ref  // by the ID of a node
	env   *Env    // whose functions its calls are
}

// Type returns the type of the result.
func (c *Checked) Type() *Type { return c.Types[c.AST.Root.ID] }

// Check reads an expression and finds its types. The error is *syntax.Faults and prints as cel-go's issues.
// All errors of the text are in the one that is returned: those of the parser alone, if it does not read, and
// otherwise those of the checker, or, if it has none, those of the validators. A panic is no way out of here,
// however long or deep the text is: the parser bounds its depth, and the checker its types.
func (e *Env) Check(text string) (*Checked, error) {
	ast, err := syntax.Parse(text, e.syntax)
	if err != nil {
		return nil, err
	}
	n := len(ast.Offsets)
	// IDs are dense, so that notes by ID are slices; each node has an offset, and nothing else has.
	c := &checker{env: e, ast: ast, types: make([]*Type, n), refs: make([]*Ref, n)}
	c.faults.Source = ast.Source
	return c.run()
}

// typeOfConstant returns the type of a constant. That of the name of a type is type(int), which prints as that, and agrees with all
// other types of types.
// It is the difference between type(1), whose type is type(int), and a value that the evaluator holds, of which
// Type says no more than type.
func typeOfConstant(v Value) *Type {
	if t, ok := v.ref.(*Type); ok {
		return TypeOf(t)
	}
	return v.Type()
}
