package cel

import "apichain/internal/cel/syntax"

// Library is a set of functions, macros and constants that an Env may have.
type Library struct {
	Name      string
	Functions []Function
	Macros    []syntax.Macro
	Constants map[string]Value // identifiers with a value, as names of types
}

// Function is one or more overloads under a name. Operators have the names that upstream gives them: _+_, _in_ is @in.
type Function struct {
	Name      string
	Overloads []Overload

	// Unary and Binary are the implementation of all overloads together, as operators have it: they get whatever the arguments
	// are at run time, errors excepted, and judge that themselves. A Function has one of them or its overloads have theirs.
	Unary  func(Value) Value
	Binary func(a, b Value) Value
}

// Overload is one way to call a function. Its arguments are never errors. One of Unary, Binary and Call is set, but for the
// operators that the evaluator knows itself.
type Overload struct {
	ID     string // as upstream calls it: add_int64
	Member bool   // the first of Args is the receiver
	Args   []*Type
	Result *Type

	Unary  func(Value) Value
	Binary func(a, b Value) Value
	Call   func(args []Value) Value

	// Cost returns what a call has cost beyond its arguments' costs; nil is 1.
	Cost func(args []Value, result Value) uint64
	// Estimate returns the least and most that a call may cost, and the size of what it returns; nil is 1 and unknown.
	Estimate func(args []Node) (Range, *Range)
}

// Range is a number between two bounds: of cost, or of items, entries or bytes.
type Range struct{ Min, Max uint64 }

// Node is an argument as estimates see it.
type Node interface {
	Type() *Type
	// Size returns how long the value may be; ok is false where nothing is known.
	Size() (size Range, ok bool)
	// Literal returns the value of a literal.
	Literal() (v any, ok bool)
}
