package library

import (
	"errors"

	"apichain/internal/cel"
	"apichain/internal/quantity"
)

// QuantityType is the type of a quantity. Upstream has it for a message.
var QuantityType = cel.ObjectOf("kubernetes.Quantity")

// amount is the value of that type.
type amount struct{ quantity.Number }

// Equal reports whether two are as much as each other.
func (a amount) Equal(other cel.Value) cel.Value {
	if b, ok := other.Ref().(amount); ok {
		return cel.BoolOf(a.Cmp(b.Number) == 0)
	}
	return cel.NoSuchOverload()
}

// Size is 1: quantities have no length.
func (a amount) Size() uint64 { return 1 }

// Weight returns how long it takes to compute with it: numbers of more digits than upstream's fast path has are multiplied.
func (a amount) Weight() int64 { return int64(a.Words()) }

var errNoInteger = errors.New("cannot convert value to integer")

// amountOf returns the number that v is, 0 for a value that is none.
func amountOf(v cel.Value) quantity.Number {
	a, _ := v.Ref().(amount)
	return a.Number
}

// amountValue returns a number, or the error.
func amountValue(n quantity.Number, err error) cel.Value {
	if err != nil {
		return cel.Fail(err)
	}
	return cel.OpaqueValue(QuantityType, amount{n})
}

// Quantity has quantity(string), comparisons, sums and conversions. Answers are those of upstream's type: whether a quantity is an
// integer goes by how it was written, too: 2000m is 2, and yet none. Refused are what is no quantity, and asInteger of what is no
// integer or does not fit one; asApproximateFloat takes everything. Reading costs a walk, the others 1, however many digits there are;
// those digits are limited by the text, and computing with them takes steps (Weight). Upstream is quantity.go of the library of Kubernetes.
//
//	isQuantity('1.5Gi'), sign(quantity('-1'))                    true, -1
//	quantity('1k').compareTo(quantity('1Ki'))                    -1, and isLessThan, isGreaterThan
//	quantity('1Ki').asInteger()                                  1024; an error where isInteger() is false, as of 1000m
//	quantity('100m').asApproximateFloat()                        0.1
//	quantity('1Gi').add(quantity('1')).sub(5)                    with quantities and ints
func Quantity() *cel.Library {
	t := QuantityType
	asks := func(name string, o cel.Overload, f func(quantity.Number) cel.Value) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{one(o, func(v cel.Value) cel.Value { return f(amountOf(v)) })}}
	}
	compares := func(name, id string, result *cel.Type, f func(c int) cel.Value) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{two(member(id, result, t, t), func(a, b cel.Value) cel.Value {
			return f(amountOf(a).Cmp(amountOf(b)))
		})}}
	}
	// adds makes a sum or a difference, with a quantity or an int.
	adds := func(name, id string, f func(a, b quantity.Number) (quantity.Number, error)) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{
			two(member(id, t, t, t), func(a, b cel.Value) cel.Value { return amountValue(f(amountOf(a), amountOf(b))) }),
			two(member(id+"_int", t, t, cel.IntType), func(a, b cel.Value) cel.Value {
				return amountValue(f(amountOf(a), quantity.NumberOf(b.Int())))
			}),
		}}
	}
	return &cel.Library{
		Name:     "kubernetes.quantity",
		Equality: equality(t),
		Functions: []cel.Function{
			{Name: "quantity", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("string_to_quantity", t, cel.StringType), func(v cel.Value) cel.Value {
					return amountValue(quantity.Parse(v.Str()))
				})}},
			{Name: "isQuantity", Cost: walked, Estimate: mayWalk,
				Overloads: []cel.Overload{one(global("is_quantity_string", cel.BoolType, cel.StringType), func(v cel.Value) cel.Value {
					_, err := quantity.Parse(v.Str())
					return cel.BoolOf(err == nil)
				})}},
			asks("sign", global("quantity_sign", cel.IntType, t), func(n quantity.Number) cel.Value { return cel.IntOf(int64(n.Sign())) }),
			compares("isGreaterThan", "quantity_is_greater_than", cel.BoolType, func(c int) cel.Value { return cel.BoolOf(c > 0) }),
			compares("isLessThan", "quantity_is_less_than", cel.BoolType, func(c int) cel.Value { return cel.BoolOf(c < 0) }),
			compares("compareTo", "quantity_compare_to", cel.IntType, func(c int) cel.Value { return cel.IntOf(int64(c)) }),
			asks("asApproximateFloat", member("quantity_get_float", cel.DoubleType, t),
				func(n quantity.Number) cel.Value { return cel.DoubleOf(n.Float()) }),
			asks("asInteger", member("quantity_get_int", cel.IntType, t), func(n quantity.Number) cel.Value {
				if i, ok := n.Integer(); ok {
					return cel.IntOf(i)
				}
				return cel.Fail(errNoInteger)
			}),
			asks("isInteger", member("quantity_is_integer", cel.BoolType, t), func(n quantity.Number) cel.Value {
				_, ok := n.Integer()
				return cel.BoolOf(ok)
			}),
			adds("add", "quantity_add", quantity.Number.Add),
			adds("sub", "quantity_sub", quantity.Number.Sub),
		},
	}
}
