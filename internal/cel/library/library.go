// Package library holds the functions that kube-apiserver adds to CEL: each library in a file, with upstream's costs.
package library

import (
	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// Optionals are the functions and macros of values that may not be there.
func Optionals() *cel.Library {
	return &cel.Library{Name: "optional", Macros: []syntax.Macro{}}
}
