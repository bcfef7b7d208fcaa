package quantity

import (
	"math"
	"math/big"
	"strings"
)

// What is asked of quantities: which is larger, how much they are together, and how much one is
// as a number. What is not small (small.go) is done in nanos, since nothing is smaller:
//
//	Add("1Gi", "512Mi")      1536Mi    the suffix is of the first one's sort
//	Add("100m", "1Gi")       1073741824100m
//	Units("1500m", 0)        2         rounded up, as upstream's Value does

// furthest is the largest power of ten that is counted: what is larger is as large as any number that
// is compared with it, and a short text could ask for a number of any length (1e999999999).
const furthest = 40

// nanos returns the number in nanos, rounded up (away from zero) as Canonical does. The caller
// owns it. A text that is no quantity is 0.
func nanos(s string) *big.Int {
	if Check(s) != nil {
		return new(big.Int)
	}
	q := readQuantity(strings.TrimSpace(s))
	// A text of any length comes here; the request that has it is bounded.
	n, _ := new(big.Int).SetString(q.whole+q.fraction, 10)
	if n.Sign() == 0 {
		return n
	}
	power := 9 - len(q.fraction)
	if q.binary {
		n.Lsh(n, uint(q.power))
	} else {
		// The bounds keep a short text from asking for a long number; what is below them rounds
		// to a nano.
		power += min(max(q.power, -1000), furthest)
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil)
	if power >= 0 {
		n.Mul(n, ten)
		// The size is rounded before the sign is set, and so away from zero.
	} else if _, rest := n.QuoRem(n, ten, new(big.Int)); rest.Sign() != 0 {
		n.Add(n, big.NewInt(1))
	}
	if q.negative {
		n.Neg(n)
	}
	return n
}

// Cmp returns a number below, equal to or above 0 as a is less than, equal to or greater than
// b. Texts do not count: 1000m and 1 are equal.
func Cmp(a, b string) int {
	if a == b {
		return 0
	}
	// Nearly all are small, and are compared without memory.
	if c, ok := cmpSmall(a, b); ok {
		return c
	}
	return nanos(a).Cmp(nanos(b))
}

// Sign returns -1, 0 or 1 for a number below, equal to or above 0.
func Sign(s string) int {
	if n, _, ok := small(s); ok {
		return signOf(n)
	}
	return nanos(s).Sign()
}

// Add returns a+b, with a suffix of a's sort, or of b's where a is 0, as upstream's sums do
// which begin with nothing.
func Add(a, b string) string {
	n := nanos(a)
	like := a
	if n.Sign() == 0 {
		like = b
	}
	return write(n.Add(n, nanos(b)), like)
}

// Sub returns a-b, with a suffix of a's sort, or of b's where a is 0.
func Sub(a, b string) string {
	n := nanos(a)
	like := a
	if n.Sign() == 0 {
		like = b
	}
	return write(n.Sub(n, nanos(b)), like)
}

// Units returns the number in units of ten to the power: 0 for a whole number, -3 for milli.
// What is between is rounded up (away from zero), and what does not fit is the largest or
// smallest number there is. The power is at least -9.
func Units(s string, power int) int64 {
	// Nothing is rounded where the unit is no larger than that of the text.
	if n, of, ok := small(s); ok && of >= power && of-power <= smallDigits {
		if hi, lo := times(n, of-power); hi == 0 && lo <= math.MaxInt64 {
			return int64(lo) * int64(signOf(n))
		}
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power+9)), nil)
	n, rest := new(big.Int).QuoRem(nanos(s), unit, new(big.Int))
	// The rest has the sign of the number, so that this is away from zero for both.
	n.Add(n, big.NewInt(int64(rest.Sign())))
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// Of returns the quantity of a number of units of ten to the power, with a decimal suffix.
func Of(n int64, power int) string {
	q := quantity{negative: n < 0}
	return q.decimalText(new(big.Int).Abs(big.NewInt(n)).String(), power)
}

// write returns n nanos as a quantity with a suffix of the sort that like has. Where like is no
// quantity it is decimal.
func write(n *big.Int, like string) string {
	q := quantity{negative: n.Sign() < 0}
	if Check(like) == nil {
		form := readQuantity(strings.TrimSpace(like))
		q.exponent, q.binary = form.exponent, form.binary
	}
	digits := new(big.Int).Abs(n).String()
	if !q.binary {
		return q.decimalText(digits, -9)
	}
	// There is at least one digit before the point: 5 nanos are 0.000000005.
	if short := 10 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	q.whole, q.fraction = digits[:len(digits)-9], digits[len(digits)-9:]
	return q.binaryText()
}
