// Package cel compiles and evaluates CEL, the Common Expression Language, as kube-apiserver has it: types, overloads, texts of
// errors and costs are those of cel-go.
package cel

import "apichain/internal/cel/syntax"

// Variable is one that expressions may name.
type Variable struct {
	Name string
	Type *Type
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

// Checked is an expression whose types are known.
type Checked struct {
	AST   *syntax.AST
	Types []*Type // by the ID of a node
	Refs  []*Ref  // by the ID of a node
}
