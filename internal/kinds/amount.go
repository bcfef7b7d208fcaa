package kinds

import (
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Amounts: the numbers that quantities stand for, for rules that compare and add them. A number is a
// mantissa times a power of ten where both are small, as those of nearly all objects are, and else a
// big number of nanos, which is the least part that a quantity can have; so nothing overflows, and
// the common case allocates nothing.

// Amount is the value of a quantity. The zero value is 0. An Amount never changes.
type Amount struct {
	mantissa int64
	power    int
	// nanos is nil where mantissa and power hold the value.
	nanos *big.Int
	// binary and exponent are the sort of suffix that the amount is written with.
	binary, exponent bool
}

// amountPower is the highest power of ten that an Amount has without a big number: the sum of the
// digits of two of them is then below those of two words.
const amountPower = 18

// ParseAmount returns the value of a quantity as a tree has it, which is a string in canonical form;
// a whole number in a tree is taken too. Anything else is 0: objects with such values are refused
// before rules are asked.
func ParseAmount(v any) Amount {
	switch v := v.(type) {
	case int64:
		return Amount{mantissa: v}
	case string:
		s := strings.TrimSpace(v)
		if checkQuantity(s) == nil {
			return readQuantity(s).amount()
		}
	}
	return Amount{}
}

// amount returns the value of q.
func (q quantity) amount() Amount {
	a := Amount{binary: q.binary, exponent: q.exponent}
	digits := int64(0)
	if len(q.whole)+len(q.fraction) > 18 {
		return q.bigAmount()
	}
	for _, part := range [...]string{q.whole, q.fraction} {
		for i := range len(part) {
			digits = digits*10 + int64(part[i]-'0')
		}
	}
	if q.negative {
		digits = -digits
	}
	a.mantissa, a.power = digits, q.power-len(q.fraction)
	if q.binary {
		if shifted := digits << q.power; q.fraction == "" && shifted>>q.power == digits {
			a.mantissa, a.power = shifted, 0
			return a
		}
		return q.bigAmount()
	}
	if digits == 0 {
		a.power = 0
	}
	if a.power < -9 || a.power > amountPower {
		return q.bigAmount()
	}
	return a
}

// bigAmount returns the value of q as a number of nanos, where what is below a nano is rounded up in
// size and nothing is larger than bigPower digits.
func (q quantity) bigAmount() Amount {
	n, _ := new(big.Int).SetString(q.whole+q.fraction, 10)
	power := 9 - len(q.fraction)
	if q.binary {
		n.Lsh(n, uint(q.power))
	} else {
		power += q.power
	}
	// A body may say 1e2147483647: beyond this no two amounts are told apart.
	power = min(power, bigPower)
	if power >= 0 {
		n.Mul(n, powerOfTen(power))
	} else if power < -len(q.whole)-len(q.fraction)-20 {
		n.SetInt64(int64(n.Sign()))
	} else {
		rest := new(big.Int)
		if n.QuoRem(n, powerOfTen(-power), rest); rest.Sign() != 0 {
			n.Add(n, big.NewInt(1))
		}
	}
	if q.negative {
		n.Neg(n)
	}
	return Amount{nanos: n, binary: q.binary, exponent: q.exponent}
}

// bigPower bounds the zeros behind the digits of a big amount.
const bigPower = 400

// powerOfTen returns ten to the power n, which is not negative.
func powerOfTen(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// inNanos returns a as a big number of nanos, which the caller may not change.
func (a Amount) inNanos() *big.Int {
	if a.nanos != nil {
		return a.nanos
	}
	n := big.NewInt(a.mantissa)
	return n.Mul(n, powerOfTen(a.power+9))
}

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int {
	switch {
	case a.nanos != nil:
		return a.nanos.Sign()
	case a.mantissa < 0:
		return -1
	case a.mantissa > 0:
		return 1
	}
	return 0
}

// Cmp returns -1, 0 or 1 as a is less than, equal to or more than b.
func (a Amount) Cmp(b Amount) int {
	if a.nanos == nil && b.nanos == nil {
		if as, bs := a.Sign(), b.Sign(); as != bs {
			return cmpInt(as, bs)
		} else if as == 0 {
			return 0
		}
		if d := a.power - b.power; d >= -amountPower && d <= amountPower {
			ahi, alo := scaled(a.mantissa, max(d, 0))
			bhi, blo := scaled(b.mantissa, max(-d, 0))
			c := cmpInt(ahi, bhi)
			if c == 0 {
				c = cmpInt(alo, blo)
			}
			return c * a.Sign()
		}
	}
	return a.inNanos().Cmp(b.inNanos())
}

// cmpInt returns -1, 0 or 1 as a is less than, equal to or more than b.
func cmpInt[T int | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// scaled returns the size of m times ten to the power, which is at most amountPower, in two words.
func scaled(m int64, power int) (hi, lo uint64) {
	u := uint64(m)
	if m < 0 {
		u = -u
	}
	factor := uint64(1)
	for range power {
		factor *= 10
	}
	return bits.Mul64(u, factor)
}

// Add returns a+b, written as a is, or as b where a is 0.
func (a Amount) Add(b Amount) Amount {
	if a.Sign() == 0 {
		a.binary, a.exponent = b.binary, b.exponent
	}
	if a.nanos == nil && b.nanos == nil {
		low := min(a.power, b.power)
		ahi, alo := scaled(a.mantissa, min(a.power-low, amountPower))
		bhi, blo := scaled(b.mantissa, min(b.power-low, amountPower))
		const half = 1 << 62 // the sum of two below it is an int64
		if a.power-low <= amountPower && b.power-low <= amountPower && ahi == 0 && bhi == 0 && alo < half && blo < half {
			sum := int64(alo) * int64(a.Sign())
			sum += int64(blo) * int64(b.Sign())
			return Amount{mantissa: sum, power: low, binary: a.binary, exponent: a.exponent}
		}
	}
	return Amount{nanos: new(big.Int).Add(a.inNanos(), b.inNanos()), binary: a.binary, exponent: a.exponent}
}

// Neg returns -a.
func (a Amount) Neg() Amount {
	if a.nanos != nil {
		a.nanos = new(big.Int).Neg(a.nanos)
	}
	a.mantissa = -a.mantissa
	return a
}

// Max returns the larger of a and b, a where they are equal.
func (a Amount) Max(b Amount) Amount {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

// Whole returns the least whole number that is not below a, the largest int64 where that is none.
func (a Amount) Whole() int64 { return a.scaledUp(0) }

// Milli returns a in thousandths as Whole does.
func (a Amount) Milli() int64 { return a.scaledUp(-3) }

// scaledUp returns a as a number of tens to the power, rounded up in size and bounded to an int64.
func (a Amount) scaledUp(power int) int64 {
	if d := a.power - power; a.nanos == nil && d >= 0 && d <= amountPower {
		if hi, lo := scaled(a.mantissa, d); hi == 0 && lo < 1<<63 {
			return int64(lo) * int64(a.Sign())
		}
	}
	rest := new(big.Int)
	n, _ := new(big.Int).QuoRem(a.inNanos(), powerOfTen(9+power), rest)
	if rest.Sign() != 0 {
		n.Add(n, big.NewInt(int64(rest.Sign())))
	}
	if !n.IsInt64() {
		return int64(n.Sign()) * (1<<63 - 1)
	}
	return n.Int64()
}

// String returns the amount as a quantity in canonical form.
func (a Amount) String() string {
	q := quantity{negative: a.Sign() < 0, binary: a.binary, exponent: a.exponent, whole: "0"}
	var digits string
	power := -9
	if a.nanos != nil {
		digits = new(big.Int).Abs(a.nanos).String()
	} else {
		_, size := scaled(a.mantissa, 0)
		digits, power = strconv.FormatUint(size, 10), a.power
	}
	if !q.binary {
		return q.decimalText(digits, power)
	}
	// Binary text is made of a number with a point.
	for ; power > 0; power-- {
		digits += "0"
	}
	for len(digits) <= -power {
		digits = "0" + digits
	}
	q.whole, q.fraction = digits[:len(digits)+power], strings.TrimRight(digits[len(digits)+power:], "0")
	return q.binaryText()
}
