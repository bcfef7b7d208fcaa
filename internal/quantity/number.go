package quantity

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Number is a quantity that was read once and is asked many things, as expressions do. Its answers are those of upstream's type, down
// to how it is held: a number of up to eighteen digits and a power of ten, or a large one in nanos. What is whole only in the second
// form is no integer, and a float is computed from the form. The zero Number is 0. Numbers are immutable.
//
//	n, _ := quantity.Parse("1.5Gi")
//	n.Float()     // 1610612736
//	n.Integer()   // 1610612736, true
type Number struct {
	n     int64
	power int
	large *big.Int // if not nil it counts in place of n
}

// farthest is the most powers of ten by which a number is written out to be added to another: a short text (1e999999999) could ask
// for a number of any length. errFar is what becomes of more.
const farthest = 10000

var errFar = errors.New("quantities are too far apart")

// Parse returns the number that a text is, or an error in upstream's words. White space is an error. Its time grows a little faster
// than the length of the text.
func Parse(s string) (Number, error) {
	if s == "" || strings.TrimSpace(s) != s {
		return Number{}, Check("")
	}
	if err := Check(s); err != nil {
		return Number{}, err
	}
	q := readQuantity(s)
	// Which form a number has decides what it answers later, so that the short one is tried by upstream's rules, not by whether the
	// number would fit.
	if n, ok := q.short(); ok {
		return n, nil
	}
	return q.long(), nil
}

// short returns what upstream reads on its fast path: few digits, and nothing below a nano.
func (q *quantity) short() (Number, bool) {
	digits, power, shift := q.whole+q.fraction, q.power-len(q.fraction), 0
	if q.binary {
		// Upstream guesses the digits that the product takes as three for each ten bits.
		if q.fraction != "" || 15-len(q.whole)-q.power*3/10-1 < 0 {
			return Number{}, false
		}
		power, shift = 0, q.power
	}
	if len(digits) > 18 || power < -9 {
		return Number{}, false
	}
	// The shift back shows whether bits were lost.
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n<<shift>>shift != n {
		return Number{}, false
	}
	if n <<= shift; q.negative {
		n = -n
	}
	return Number{n: n, power: power}, true
}

// long returns any number: in nanos, rounded away from zero, but for 0, which keeps its power, and for what is too far up to be
// written out. A binary one has a largest.
func (q *quantity) long() Number {
	// Zero is not rounded to a nano by upstream, and its power shows as NaN where a float is made of it.
	if strings.Trim(q.whole+q.fraction, "0") == "" {
		power := -len(q.fraction)
		if !q.binary {
			power += q.power
		}
		return Number{large: new(big.Int), power: power}
	}
	var n Number
	if q.binary {
		n = q.longBinary()
	} else {
		n = nanosOf(q.whole+q.fraction, q.power-len(q.fraction))
	}
	if q.negative {
		n.large.Neg(n.large)
	}
	return n
}

// longBinary is cut before it is multiplied, as binaryText does.
func (q *quantity) longBinary() Number {
	most := big.NewInt(math.MaxInt64)
	if len(q.whole) > binaryWhole {
		return Number{large: most}
	}
	fraction := q.fraction
	if len(fraction) > binaryFraction {
		fraction = fraction[:binaryFraction] + "1" // it is rounded up at the end, whatever it is
		if strings.Trim(q.fraction[binaryFraction:], "0") == "" {
			fraction = fraction[:binaryFraction]
		}
	}
	n := readDigits(q.whole + fraction)
	n.Lsh(n, uint(q.power))
	// Both sides have the same power, so that nothing is lost in a division.
	if unit := ten(len(fraction)); n.Cmp(new(big.Int).Mul(most, unit)) > 0 {
		return Number{large: most}
	}
	return nanosOf(n.String(), -len(fraction))
}

// nanosOf returns digits times a power of ten in nanos.
func nanosOf(digits string, power int) Number {
	up := power + 9
	if up > farthest {
		return Number{large: readDigits(digits), power: power}
	}
	if up >= 0 {
		n := readDigits(digits)
		return Number{large: n.Mul(n, ten(up)), power: -9}
	}
	// What is below a nano is cut as text, whatever its length, and counts as one nano if it is anything.
	kept := max(len(digits)+up, 0)
	n := readDigits("0" + digits[:kept])
	if strings.Trim(digits[kept:], "0") != "" {
		n.Add(n, big.NewInt(1))
	}
	return Number{large: n, power: -9}
}

// readDigits returns the number that digits are. Halves are read one by one, since the library's time grows with the square.
func readDigits(s string) *big.Int {
	if len(s) < 5000 {
		n, _ := new(big.Int).SetString(s, 10)
		return n
	}
	half := len(s) / 2
	n := readDigits(s[:len(s)-half])
	n.Mul(n, ten(half))
	return n.Add(n, readDigits(s[len(s)-half:]))
}

// ten returns ten to a power that is not negative.
func ten(power int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power)), nil)
}

// NumberOf returns a whole number.
func NumberOf(n int64) Number { return Number{n: n} }

// Sign returns -1, 0 or 1.
func (a Number) Sign() int {
	if a.large != nil {
		return a.large.Sign()
	}
	return signOf(a.n)
}

// Integer returns the number if it is held as a whole one: 1000m is not, and neither is what has too many digits.
func (a Number) Integer() (int64, bool) {
	if a.large != nil || a.power < 0 {
		return 0, false
	}
	n := a.n
	// A power may be in the billions: zero ends it at once, anything else after nineteen rounds.
	for i := 0; i < a.power && n != 0; i++ {
		if n > math.MaxInt64/10 || n < math.MinInt64/10 {
			return 0, false
		}
		n *= 10
	}
	return n, true
}

// Float returns the number as a float that is close to it.
func (a Number) Float() float64 {
	base := float64(a.n)
	if a.large != nil {
		base, _ = new(big.Float).SetInt(a.large).Float64()
	}
	if a.power == 0 {
		return base
	}
	return base * math.Pow10(a.power)
}

// String returns the number as digits and a power of ten, without zeros at the end: 1e3, 15e-1. It is a quantity again.
func (a Number) String() string {
	digits := a.unscaled().String()
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return "0"
	}
	if power := a.power + len(digits) - len(short); power != 0 {
		return short + "e" + strconv.Itoa(power)
	}
	return short
}

// Words returns how long the number is, in words of the computer, 0 for one of few digits.
func (a Number) Words() int {
	if a.large == nil {
		return 0
	}
	return len(a.large.Bits())
}

// unscaled returns the number without its power. The caller owns it not.
func (a Number) unscaled() *big.Int {
	if a.large != nil {
		return a.large
	}
	return big.NewInt(a.n)
}

// Cmp returns -1, 0 or 1 as a is less than, equal to or greater than b. It is exact however far apart they are.
func (a Number) Cmp(b Number) int {
	// Signs decide first, so that below both numbers are on one side of zero.
	if s := a.Sign(); s != b.Sign() || s == 0 {
		return signOf(int64(s - b.Sign()))
	}
	x, y := a.unscaled(), b.unscaled()
	// A number of n bits has more than 0.301(n-1) digits, and at most 0.302n+1: where that does not decide, the powers are no farther
	// apart than there are digits.
	low := func(n *big.Int, power int) float64 { return 0.301*float64(n.BitLen()-1) + float64(power) }
	high := func(n *big.Int, power int) float64 { return 0.302*float64(n.BitLen()) + 1 + float64(power) }
	switch {
	case low(x, a.power) > high(y, b.power):
		return a.Sign()
	case low(y, b.power) > high(x, a.power):
		return -a.Sign()
	}
	// With equal powers the digits decide.
	x, y, _, _ = align(x, y, a.power, b.power)
	return x.Cmp(y)
}

// align returns both numbers with the smaller of their powers; ok is false where they are farther apart than farthest, and than both
// have digits.
func align(x, y *big.Int, a, b int) (xs, ys *big.Int, power int, ok bool) {
	if d := max(a-b, b-a); d > farthest && d > x.BitLen()+y.BitLen() {
		return x, y, 0, false
	}
	if a > b {
		x = new(big.Int).Mul(x, ten(a-b))
	} else if b > a {
		y = new(big.Int).Mul(y, ten(b-a))
	}
	return x, y, min(a, b), true
}

// Add returns a+b. An error says that they are too far apart.
func (a Number) Add(b Number) (Number, error) {
	if sum, ok := a.addShort(b); ok {
		return sum, nil
	}
	x, y, power, ok := align(a.unscaled(), b.unscaled(), a.power, b.power)
	if !ok {
		return Number{}, errFar
	}
	return Number{large: new(big.Int).Add(x, y), power: power}, nil
}

// Sub returns a-b, as Add does. Upstream's fast path takes the smallest int64 for its own negative.
func (a Number) Sub(b Number) (Number, error) {
	if difference, ok := a.addShort(Number{n: -b.n, power: b.power, large: b.large}); ok {
		return difference, nil
	}
	return a.Add(Number{large: new(big.Int).Neg(b.unscaled()), power: b.power})
}

// addShort adds two short numbers if the sum is one.
func (a Number) addShort(b Number) (Number, bool) {
	switch {
	case a.large != nil || b.large != nil:
		return Number{}, false
	case b.n == 0:
		return a, true
	case a.n == 0:
		return b, true
	case a.power < b.power:
		a, b = b, a
	}
	// A number that has a power more has a digit more.
	n, ok := Number{n: a.n, power: a.power - b.power}.Integer()
	sum := n + b.n
	if !ok || n > 0 && b.n > 0 && sum < 0 || n < 0 && b.n < 0 && sum >= 0 {
		return Number{}, false
	}
	return Number{n: sum, power: b.power}, true
}
