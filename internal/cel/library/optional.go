package library

import (
	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// unused is the variable of a comprehension over nothing, which is there for its accumulator alone.
const unused = "#unused"

// Optionals has the functions and macros of values that may not be there. What a.?b and a[?b] mean is the evaluator's.
//
//	optional.of(1), optional.none()                      there, and not
//	optional.ofNonZeroValue('')                          not there: nor is null, 0, [], {} …
//	o.hasValue(), o.value(), o.orValue(2), o.or(p)       value() of nothing is an error
//	o.optMap(v, v + 1), o.optFlatMap(v, v.?field)        of the value if it is there
//	[1].first(), [].last()                               optional.of(1), optional.none()
//	optional.unwrap([o, p]), [o, p].unwrapOpt()          those that are there
//
// Those without an implementation are the evaluator's, which
// does not look at the right side of an or whose left side is there.
//
// Only value() of nothing and unwrap of what is no optional are refused when they run. A call costs 1; or and orValue cost what is
// evaluated of them; optMap costs the receiver twice and a fold over nothing: optional.of(3).optMap(v, v * 2) is 7. An optional within
// a list or map has no place there: [?o] and {?k: o} take its value, or leave the item out. Upstream is optionalLib of cel/library.go.
func Optionals() *cel.Library {
	k, v := cel.ParamOf("K"), cel.ParamOf("V")
	list, dict, maybe := cel.ListOf(v), cel.MapOf(k, v), cel.OptionalOf(v)
	unwrap := cel.ListOf(maybe)
	return &cel.Library{
		Name:      "optional",
		Constants: map[string]cel.Value{"optional_type": cel.TypeValue(cel.OptionalOf(cel.DynType))},
		Macros: []syntax.Macro{
			{Name: "optMap", Member: true, Args: 2, Expand: expandOptMap("optMap() variable name must be a simple identifier", "optional.of")},
			{Name: "optFlatMap", Member: true, Args: 2, Expand: expandOptMap("optFlatMap() variable name must be a simple identifier", "")},
		},
		Functions: []cel.Function{
			{Name: "optional.of", Overloads: []cel.Overload{one(global("optional_of", maybe, v), cel.Some)}},
			{Name: "optional.ofNonZeroValue", Overloads: []cel.Overload{one(global("optional_ofNonZeroValue", maybe, v), nonZero)}},
			{Name: "optional.none", Overloads: []cel.Overload{more(global("optional_none", maybe),
				func([]cel.Value) cel.Value { return cel.None })}},
			{Name: "value", Overloads: []cel.Overload{one(member("optional_value", v, maybe), func(o cel.Value) cel.Value {
				value, ok := o.Optional()
				if !ok {
					return cel.Failf("optional.none() dereference")
				}
				return value
			})}},
			{Name: "hasValue", Overloads: []cel.Overload{one(member("optional_hasValue", cel.BoolType, maybe), func(o cel.Value) cel.Value {
				_, ok := o.Optional()
				return cel.BoolOf(ok)
			})}},
			{Name: "or", Overloads: []cel.Overload{member("optional_or_optional", maybe, maybe, maybe)}},
			{Name: "orValue", Overloads: []cel.Overload{member("optional_orValue_value", v, maybe, v)}},
			{Name: "_?._", Overloads: []cel.Overload{global("select_optional_field", maybe, cel.DynType, cel.StringType)}},
			{Name: "_[?_]", Overloads: []cel.Overload{
				global("list_optindex_optional_int", maybe, list, cel.IntType),
				global("optional_list_optindex_optional_int", maybe, cel.OptionalOf(list), cel.IntType),
				global("map_optindex_optional_value", maybe, dict, k),
				global("optional_map_optindex_optional_value", maybe, cel.OptionalOf(dict), k),
			}},
			{Name: "_[_]", Overloads: []cel.Overload{
				global("optional_list_index_int", maybe, cel.OptionalOf(list), cel.IntType),
				global("optional_map_index_value", maybe, cel.OptionalOf(dict), k),
			}},
			{Name: "first", Overloads: []cel.Overload{one(member("list_first", maybe, list), func(l cel.Value) cel.Value {
				return itemAt(l, 0)
			})}},
			{Name: "last", Overloads: []cel.Overload{one(member("list_last", maybe, list), func(l cel.Value) cel.Value {
				return itemAt(l, l.Len()-1)
			})}},
			{Name: "optional.unwrap", Overloads: []cel.Overload{one(global("optional_unwrap", list, unwrap), unwrapped)}},
			{Name: "unwrapOpt", Overloads: []cel.Overload{one(member("optional_unwrapOpt", list, unwrap), unwrapped)}},
		},
	}
}

// nonZero returns an optional that is there unless the value is empty: false, 0, "", null, a list, map or message without anything in it,
// a duration of nothing.
func nonZero(v cel.Value) cel.Value {
	if v.IsZero() {
		return cel.None
	}
	return cel.Some(v)
}

// itemAt returns an item of a list if there is one: that of first or last, which an empty list does not have.
func itemAt(list cel.Value, i int) cel.Value {
	if i < 0 || i >= list.Len() {
		return cel.None
	}
	return cel.Some(list.At(i))
}

// unwrapped returns those that are there.
func unwrapped(list cel.Value) cel.Value {
	var items []cel.Value
	for i := range list.Len() {
		item := list.At(i)
		if !item.IsOptional() {
			return cel.Failf("value %v is not optional", item)
		}
		if v, ok := item.Optional(); ok {
			items = append(items, v)
		}
	}
	return cel.ListValue(items)
}

// expandOptMap makes o.optMap(x, f) a condition: if o is there, f of its value, within the function wrap if that is not "", otherwise
// nothing. The value has the name x as the accumulator of a comprehension over nothing.
//
//go:noinline
func expandOptMap(message, wrap string) func(*syntax.Expander, *syntax.Expr, []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
	return func(x *syntax.Expander, operand *syntax.Expr, args []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
		if args[0].Kind != syntax.Ident {
			return nil, x.Fault(args[0], message)
		}
		name := args[0].Name
		// The operand is evaluated, and paid for, twice.
		there := x.Member("hasValue", operand)
		result := x.Fold(syntax.Comprehension{
			Range: x.List(), Var: unused, Accumulator: name, Init: x.Member("value", x.Copy(operand)), Condition: x.Literal(false),
			Step: x.Ident(name), Result: args[1],
		})
		if wrap != "" {
			result = x.Call(wrap, result)
		}
		return x.Call("_?_:_", there, result, x.Call("optional.none")), nil
	}
}
