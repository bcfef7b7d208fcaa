package library

import "apichain/internal/cel"

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
