package cel

import (
	"math"
	"regexp"

	"apichain/internal/cel/syntax"
)

// Library is a set of functions, macros and constants that an Env may have.
// A Library is data: it is made once, and nobody changes it after it was given to an Env, so that Envs and
// goroutines may share it. What cel-go calls a Library with its CompileOptions and ProgramOptions is here one
// value.
type Library struct {
	Name      string
	Functions []Function
	Macros    []syntax.Macro
	Constants map[string]Value // identifiers with a value, as names of types

	// Mixed are functions below whose calls literals of lists and maps may mix types, wherever the Env refuses them: format.
	Mixed []string

	// Equality returns what == of two arguments of a type may cost; ok is false where the library has no word on it. nil has none.
	Equality func(t *Type, a, b Node) (cost Range, ok bool)
	// Validate, if set, is called for each call of an expression whose types are right, arguments before the calls that have them,
	// and reports what is wrong with literals, at the node of an ID: formats that do not fit their arguments. It may be called
	// concurrently.
	Validate func(c *Checked, call *syntax.Expr, report func(id int32, text string))
}

// Function is one or more overloads under a name. Operators have the names that upstream gives them: _+_, _in_ is @in.
// Which implementation a call uses is decided by what is set, in this order: the planner's own for lazy operators,
// Regex for a pattern that is a literal, Unary or Binary of the function, those of the overload.
type Function struct {
	Name      string
	Overloads []Overload

	// Unary and Binary are the implementation of all overloads together, as operators have it: they get whatever the arguments
	// are at run time, errors excepted, and judge that themselves. A Function has one of them or its overloads have theirs.
	Unary  func(Value) Value
	Binary func(a, b Value) Value

	// Cost and Estimate are those of all overloads that have none. Cost is also that of a call of which it is known at run time
	// alone which overload it is.
	Cost     func(args []Value, result Value) uint64
	Estimate func(args []Node) (Range, *Range)

	// Regex is the implementation of a function whose second argument is a regular expression, for one that is a literal: it is
	// compiled with the program.
	Regex func(re *regexp.Regexp, args []Value) Value

	// Makes is for a function that may make something long of arguments that are short, or at little cost: how many steps an
	// evaluation is charged for each item of the result, or each eight bytes.
	Makes int64

	refs []Ref // of a call of each overload alone, made with the Env: most calls have one
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

// Range is a number between two bounds: of cost, or of items, entries or bytes. What does not fit is math.MaxUint64, which is
// also the Max where nothing is known.
type Range struct{ Min, Max uint64 }

// Exactly returns the range of one number.
func Exactly(n uint64) Range { return Range{n, n} }

// Plus returns the sum. It is not inlined, as its like: every estimate would have copies of it, tens of KiB of program.
//
//go:noinline
func (r Range) Plus(o Range) Range {
	return Range{SaturatingSum(r.Min, o.Min), SaturatingSum(r.Max, o.Max)}
}

// Times returns the product.
//
//go:noinline
func (r Range) Times(o Range) Range {
	return Range{SaturatingProduct(r.Min, o.Min), SaturatingProduct(r.Max, o.Max)}
}

// Scale returns the product with a factor, rounded up.
//
//go:noinline
func (r Range) Scale(factor float64) Range { return Range{scale(r.Min, factor), scale(r.Max, factor)} }

// Union returns the range that has both.
//
//go:noinline
func (r Range) Union(o Range) Range { return Range{min(r.Min, o.Min), max(r.Max, o.Max)} }

// SaturatingSum returns a + b, or math.MaxUint64 where that does not fit.
func SaturatingSum(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}

// SaturatingProduct returns a * b, or math.MaxUint64 where that does not fit.
func SaturatingProduct(a, b uint64) uint64 {
	if b != 0 && a > math.MaxUint64/b {
		return math.MaxUint64
	}
	return a * b
}

// scale returns n times factor, rounded up, or math.MaxUint64 where that does not fit.
// It goes through a double, as upstream does (multiplyByCostFactor in checker/cost.go): sizes above 2^53 lose
// their last digits there, and what is refused as too expensive depends on it.
func scale(n uint64, factor float64) uint64 {
	x := math.Ceil(float64(n) * factor)
	if x >= float64(math.MaxUint64) {
		return math.MaxUint64
	}
	return uint64(x)
}

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

// Owned is what a library's value may be, the Ref of an opaque value.
type Owned interface {
	// Equal returns a bool, or an error.
	Equal(other Value) Value
	// Size returns what costs go by.
	Size() uint64
}

// Weighty is an Owned that may be long, though its costs do not say so.
type Weighty interface {
	// Weight returns how many steps it takes to go through it.
	Weight() int64
}
