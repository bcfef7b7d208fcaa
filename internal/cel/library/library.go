// Package library holds the functions that kube-apiserver adds to CEL: each library in a file, as rows of a table with upstream's
// names, ids of overloads, texts of errors and costs.
//
//	env := cel.NewEnv(cel.Options{Libraries: library.New(), Optionals: true, Homogeneous: true, Literals: true})
//	checked, err := env.Check("quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && '10.0.0.1'.matches('^10')")
//
// In go values of package cel, out come values; what an expression is told is an error as a value, and no input panics. New has what
// an expression may use that is written today, Stored what one may use that is stored already. Everything here is made once, is
// immutable then, and may be used by any number of expressions at once; an Authorizer has to stand that too.
//
// Memory and time of a call are bounded by its arguments, whose costs were paid, or by a limit of its own: see longest, mostRange and
// mostCompared. Beyond it a call is out of budget, as it would be if it had been done.
package library

import "apichain/internal/cel"

// New returns the libraries for expressions that are new. A server of version 1.37 lets them use what one of 1.36 knows, which it may
// be replaced by.
func New() []*cel.Library { return libraries(false) }

// Stored returns the libraries for expressions that are stored, of which a newer server may have taken some.
func Stored() []*cel.Library { return libraries(true) }

// libraries are in upstream's order, which is that in which overloads of one name are tried.
func libraries(newest bool) []*cel.Library {
	l := []*cel.Library{cel.Standard(), URLs(), Regex()}
	if !newest {
		l = append(l, Lists(false))
	}
	l = append(l, Authz(), Optionals(), Quantity(), Strings(), Sets(), IP(), CIDR(), Format(), AuthzSelectors(), Comprehensions(), Semver(),
		ExtLists())
	if newest {
		l = append(l, Lists(true))
	}
	return l
}
