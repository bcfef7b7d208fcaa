package library

import (
	"errors"
	"fmt"

	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// checkFormat reports what is wrong with a call of string.format whose format and list of arguments are literals: the same that the
// call would say, as far as types tell it, and arguments that no clause uses. It is called by the checker for each call of an expression
// that was checked, and reports at the argument that is wrong, or at the call. A call with a format or a list that is no literal is
// left to the evaluator, to which an argument too many is nothing. Upstream is stringFormatValidator of ext/formatting.go.
func checkFormat(c *cel.Checked, call *syntax.Expr, report func(id int32, text string)) {
	if call.Name != "format" || call.Operand == nil || call.Operand.Kind != syntax.Literal || len(call.Args) != 1 ||
		call.Args[0].Kind != syntax.List {
		return
	}
	// Bytes are literals, too.
	text, ok := call.Operand.Value.(string)
	if !ok {
		return
	}
	args := call.Args[0].Args
	at := call.ID
	used, err := eachClause(text, len(args), true, func(string) error { return nil }, func(i int, cl clause) error {
		// %s looks into literals of lists and maps, for it prints what is in them.
		bad := args[i]
		if cl.verb == 's' {
			bad = unprintable(c, args[i])
		} else if oneOf(c.Types[bad.ID], clauseKinds[cl.verb]) {
			bad = nil
		}
		if bad == nil {
			return nil
		}
		at = bad.ID
		return errors.New("error during formatting: " + clauseRules[cl.verb] + c.Types[bad.ID].TypeName())
	})
	switch {
	case err != nil:
		report(at, err.Error())
	case used < len(args):
		report(call.ID, fmt.Sprintf("too many arguments supplied to string.format (expected %d, got %d)", used, len(args)))
	}
}

// clauseKinds are the types that a clause may have, for all that the types tell: a string may be "NaN".
var clauseKinds = map[byte][]cel.Kind{
	'b': {cel.Int, cel.Uint, cel.Bool},
	'd': {cel.Int, cel.Uint},
	'e': {cel.Double, cel.String},
	'f': {cel.Double, cel.String},
	'o': {cel.Int, cel.Uint},
	's': {cel.List, cel.Map, cel.Int, cel.Uint, cel.Double, cel.Bool, cel.String, cel.Timestamp, cel.Bytes, cel.Duration, cel.TypeKind,
		cel.Null},
	'x': {cel.Int, cel.Uint, cel.String, cel.Bytes},
	'X': {cel.Int, cel.Uint, cel.String, cel.Bytes},
}

// A string that a variable has may be "NaN", and what is dyn may be anything; those are told when the call is made. The types of
// clauses are told by the ids of the arguments, so that the caret of an error stands below the argument, or the item within it.

// oneOf reports whether a type is of one of the kinds, or not known.
func oneOf(t *cel.Type, kinds []cel.Kind) bool {
	kind := t.Kind
	if kind == cel.Wrapper {
		kind = t.Params[0].Kind
	}
	for _, k := range kinds {
		if kind == k {
			return true
		}
	}
	return kind == cel.Dyn
}

// unprintable returns the first part of an expression that %s cannot print, nil if it can all of it.
func unprintable(c *cel.Checked, e *syntax.Expr) *syntax.Expr {
	if !oneOf(c.Types[e.ID], clauseKinds['s']) {
		return e
	}
	switch e.Kind {
	case syntax.List:
		for _, item := range e.Args {
			if bad := unprintable(c, item); bad != nil {
				return bad
			}
		}
	case syntax.Map:
		for _, entry := range e.Entries {
			for _, part := range []*syntax.Expr{entry.Key, entry.Value} {
				if bad := unprintable(c, part); bad != nil {
					return bad
				}
			}
		}
	}
	return nil
}
