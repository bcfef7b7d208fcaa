package library

import (
	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// Bindings has cel.bind(x, value, result), which gives a value a name: the accumulator of a comprehension over nothing. Upstream has it
// for the expressions of devices alone. The value is computed at most once, when it is first asked for, and not at all if it never is.
// A macro takes calls on a receiver of any sort, so it looks whether that is cel; if not, the call stays one of a function, which
// nobody has. Upstream is celBind of ext/bindings.go.
func Bindings() *cel.Library {
	const message = "cel.bind() variable names must be simple identifiers"
	return &cel.Library{Name: "cel.lib.ext.cel.bindings", Macros: []syntax.Macro{{Name: "bind", Member: true, Args: 3,
		Expand: func(x *syntax.Expander, operand *syntax.Expr, args []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
			if operand.Kind != syntax.Ident || operand.Name != "cel" {
				return nil, nil
			}
			if args[0].Kind != syntax.Ident {
				return nil, x.Fault(args[0], message)
			}
			name := args[0].Name
			return x.Fold(syntax.Comprehension{
				Range: x.List(), Var: unused, Accumulator: name, Init: args[1], Condition: x.Literal(false), Step: x.Ident(name), Result: args[2],
			}), nil
		},
	}}}
}
