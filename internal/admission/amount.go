package admission

import (
	"strconv"

	"apichain/internal/quantity"
)

// amount is a quantity; "" is 0. It is a value, and what it says is package quantity's business.
type amount string

// one is what an object counts as.
var one = amount("1")

// amountOf reads a quantity as an object has it: a text or a number. What is none is 0.
// A number may stand wherever JSON has a quantity: cpu: 1 is one processor.
func amountOf(v any) amount {
	switch v := v.(type) {
	case string:
		return amount(v)
	case int64:
		return wholeAmount(v)
	}
	return ""
}

// wholeAmount returns a whole number as a quantity.
func wholeAmount(n int64) amount { return amount(strconv.FormatInt(n, 10)) }

// Arithmetic is exact. A sum has the sort of suffix that its first operand has, which a message shows.
func (a amount) plus(b amount) amount  { return amount(quantity.Add(string(a), string(b))) }
func (a amount) minus(b amount) amount { return amount(quantity.Sub(string(a), string(b))) }
func (a amount) cmp(b amount) int      { return quantity.Cmp(string(a), string(b)) }
func (a amount) sign() int             { return quantity.Sign(string(a)) }

// value returns the number, and milli a thousand times of it, both rounded up and within an int64.
func (a amount) value() int64 { return quantity.Units(string(a), 0) }
func (a amount) milli() int64 { return quantity.Units(string(a), -3) }

// ceil returns the next whole number, in the same form.
// What is whole stays as it is written.
func (a amount) ceil() amount { return a.plus(wholeAmount(a.value()).minus(a)) }

// String returns the quantity as it stands.
func (a amount) String() string {
	if a == "" {
		return "0"
	}
	return string(a)
}
