package syntax

// Options say what an expression may be.
type Options struct {
	Macros []Macro
	// Optionals allows a.?b, a[?b], [?a] and {?a: b}.
	Optionals bool
}

// Macro is a call that becomes another expression while it is read.
type Macro struct {
	Name   string
	Member bool // it is called on a receiver
	Args   int  // how many it has, below 0 any number
	// Expand returns what the call becomes; nil, nil leaves it as it is.
	Expand func(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault)
}

// Expander makes the nodes of an expansion. All of them are at the place of the call.
type Expander struct{ next int32 }
