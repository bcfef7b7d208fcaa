// Package syntax reads CEL, the Common Expression Language, into a tree of expressions.
//
// In comes the text of an expression and the macros that it may use; out comes an AST whose nodes know where they stand in the
// text, or Faults, which print as cel-go's issues do: place, message, the line, and a caret below the place.
//
//	ast, err := syntax.Parse("self.items.all(i, i.port > 0)", syntax.Options{Macros: syntax.Standard})
//	ast.Root        // a Fold over self.items
//	_, err = syntax.Parse("self.items[", syntax.Options{})
//	err.Error()     // ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', …
//
// A text goes through these files, in this order:
//
//	source.go    runes, and where lines begin
//	lexer.go     runes become tokens: names, numbers, strings, operators
//	quick.go     tokens become a tree of nodes (node.go), if nothing is wrong with them
//	recover.go   the same where something is wrong: says what, and goes on behind it, as upstream's parser does. That one was
//	             generated of a grammar, so the grammar is a table here (grammar.go), with the looking ahead of the generator
//	             (predict.go)
//	build.go     nodes become expressions (expr.go), literals values (literal.go), calls of macros what they stand for (macro.go,
//	             standard.go)
//	fault.go     what was wrong, with line and caret
//
// What becomes of a text, by the example of has(a.b) ? a.b : -1:
//
//	tokens       has ( a . b ) ? a . b : - 1, each with where it begins and ends; the blanks are gone
//	nodes        an expr with three parts: a call with a selection, a selection, an int with a sign. The levels between, such as
//	             sums, leave no node, as nothing is added
//	expressions  (_?_:_ has(a.b) a.b -1): an operator is a call, has is the selection with Test, and the sign is part of the literal
//	offsets      of the condition 9, where its question mark is: errors of a checker point there, and not at its beginning
//
// Upstream is cel-go, whose package parser has the grammar in gen/CEL.g4, lexer and parser generated of it, and the visitor that
// builds the tree in parser.go. What the generated code calls is the runtime of ANTLR 4 for Go: error_strategy.go recovers,
// parser_atn_simulator.go predicts. Comments name the function that a rule comes from.
//
// The package knows no types and no values but those of literals: whether a name exists, and whether a function takes what it is
// given, is for those who check the tree. It keeps nothing but the grammar, so Parse may be called concurrently. An AST is never
// changed once it is returned, and may be read concurrently.
//
// The time and memory that a text takes grow with its length, which is limited, as is the depth to which it is nested: see
// hostile_test.go.
package syntax

// Kind says what an expression is.
type Kind uint8

// The kinds of expressions. Everything else that the language can say, operators included, is a call; a macro is what it
// expands to.
const (
	Literal Kind = iota + 1 // 1, "a", b"a", null: Value
	Ident                   // a: Name
	Select                  // Operand.Name, and has(Operand.Name) with Test
	Call                    // Name(Args), or Operand.Name(Args)
	List                    // [Args]
	Map                     // {Entries}
	Struct                  // Name{Entries}
	Fold                    // what macros over lists and maps expand to
)

// Expr is a node of an AST.
type Expr struct {
	ID   int32 // from 1, dense: AST.Offsets is by it
	Kind Kind
	// Test is true for the select that has(a.b) expands to.
	Test bool
	// Value is that of a literal: nil, bool, int64, uint64, float64, string or []byte.
	Value any
	// Name is that of an identifier (with a leading dot as it is written), the field of a select, the function of a call
	// (operators as upstream calls them: _+_, _?_:_, !_, _[_]), or the message of a struct.
	Name string
	// Operand is what is selected from, or the receiver of a call, nil where there is none.
	Operand *Expr
	// Args are those of a call, without the receiver, or the items of a list.
	Args []*Expr
	// Optional are the indices of the items of a list that are written [?item].
	Optional []int32
	Entries  []Entry
	Fold     *Comprehension
}

// Entry is one of a map, with a Key, or of a struct, with a Field.
type Entry struct {
	ID       int32
	Key      *Expr
	Field    string
	Value    *Expr
	Optional bool // {?key: value}
}

// Comprehension goes through a list or a map: Accumulator begins as Init; for each item, as long as Condition, it becomes Step;
// then the value is Result. Var2 is "" but for macros of two variables, in which Var is the index or the key.
type Comprehension struct {
	Range, Init, Condition, Step, Result *Expr
	Var, Var2, Accumulator               string
}

// AST is an expression that was read.
type AST struct {
	Root   *Expr
	Source *Source
	// Offsets are the places of the nodes by their ID, in runes from the beginning of the text. Of an operation it is the place of
	// the operator, of a call that of its parenthesis, of an index that of its bracket. The nodes that a macro became are where its
	// parenthesis is.
	Offsets []int32
}
