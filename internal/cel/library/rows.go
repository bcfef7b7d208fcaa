package library

import "apichain/internal/cel"

// The idea: an overload is a row: its ID, by which upstream knows it as well, the types that it takes and returns, and what it does. Types
// are looked at by the checker, and again before the call for what was dyn, so a function may take it that its arguments are of these
// types. Those that are called in another way have to look by themselves: find, whose pattern is compiled before, and functions with
// one implementation for all their overloads.
//
// Nothing here is inlined: there are hundreds of rows, each of which would be larger than the call.

// The forms of rows: global is a function of its arguments, member one that is called on the first of them.
//
//go:noinline
func global(id string, result *cel.Type, args ...*cel.Type) cel.Overload {
	return cel.Overload{ID: id, Args: args, Result: result}
}

//go:noinline
func member(id string, result *cel.Type, args ...*cel.Type) cel.Overload {
	return cel.Overload{ID: id, Member: true, Args: args, Result: result}
}

// one, two and more give a row what it does: with one argument, with two, with any number.
//
//go:noinline
func one(o cel.Overload, f func(cel.Value) cel.Value) cel.Overload {
	o.Unary = f
	return o
}

//go:noinline
func two(o cel.Overload, f func(a, b cel.Value) cel.Value) cel.Overload {
	o.Binary = f
	return o
}

//go:noinline
func more(o cel.Overload, f func(args []cel.Value) cel.Value) cel.Overload {
	o.Call = f
	return o
}

// texts returns a list of strings.
func texts(list []string) cel.Value {
	values := make([]cel.Value, len(list))
	for i, s := range list {
		values[i] = cel.StringOf(s)
	}
	return cel.ListValue(values)
}
