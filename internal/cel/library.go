package cel

import "apichain/internal/cel/syntax"

// Library is a set of functions, macros and constants that an Env may have.
type Library struct {
	Name      string
	Functions []Function
	Macros    []syntax.Macro
	Constants map[string]Value // identifiers with a value, as names of types

	// Mixed are functions below whose calls literals of lists and maps may mix types, wherever the Env refuses them: format.
	Mixed []string
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
	// Estimate returns the least and most that a call may cost beyond its arguments, and the size of what it returns, nil where
	// nothing is known; the receiver is args[0]. Without an Estimate a call costs 1.
	Estimate func(args []Node) (Range, *Range)
}

// Range is a number between two bounds: of cost, or of items, entries or bytes.
type Range struct{ Min, Max uint64 }

// Node is an argument as estimates see it.
type Node interface {
	// Type is what the checker has found.
	Type() *Type
	// Size returns how long the value may be, Unknown where nothing is known.
	Size() Range
	// Known is false where Size is Unknown because nothing is known.
	Known() bool
	// Item returns the items of a list, or the keys of a map, as a node of their own; nil for a type that has no parts.
	Item() Node
	// Literal returns the value of a literal.
	Literal() (v any, ok bool)
}
