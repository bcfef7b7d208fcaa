package syntax_test

import (
	"fmt"

	"apichain/internal/cel/syntax"
)

// ExampleParse reads an expression, and says of another what is wrong with it.
func ExampleParse() {
	ast, err := syntax.Parse("self.min <= self.max", syntax.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	root := ast.Root
	line, column := ast.Source.Place(ast.Offsets[root.ID])
	fmt.Println(root.Kind == syntax.Call, root.Name, root.Args[0].Name, root.Args[1].Name, line, column)

	_, err = syntax.Parse("self.min <=", syntax.Options{})
	fmt.Println(err)
	// Output:
	// true _<=_ min max 1 9
	// ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
	//  | self.min <=
	//  | ...........^
}

// ExampleMacro gives expressions a macro: a call that is written out while it is read, and that nobody behind the parser knows of.
func ExampleMacro() {
	between := syntax.Macro{Name: "between", Member: true, Args: 2,
		Expand: func(x *syntax.Expander, operand *syntax.Expr, args []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
			if operand.Kind != syntax.Ident {
				return nil, x.Fault(operand, "between() is called on a name")
			}
			// The operand is used twice, so the second time it is a copy: each node has an ID of its own.
			least := x.Call("_<=_", args[0], operand)
			most := x.Call("_<=_", x.Copy(operand), args[1])
			return x.Call("_&&_", least, most), nil
		}}
	options := syntax.Options{Macros: []syntax.Macro{between}}
	ast, err := syntax.Parse("n.between(1, 3)", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	least, most := ast.Root.Args[0], ast.Root.Args[1]
	fmt.Println(ast.Root.Name, least.Args[0].Value, least.Args[1].Name, most.Args[0].Name, most.Args[1].Value)

	_, err = syntax.Parse("2.between(1, 3)", options)
	fmt.Println(err)
	// Output:
	// _&&_ 1 n n 3
	// ERROR: <input>:1:1: between() is called on a name
	//  | 2.between(1, 3)
	//  | ^
}
