package quantity

import (
	"math/bits"
	"strings"
)

// Small quantities, which nearly all are: a number of up to eighteen digits times a power of
// ten. What is asked of them needs no memory: 1536Mi is 1610612736 times 10⁰, and 100m is 100
// times 10⁻³. Two of them are compared by making their powers alike, in two words of 64 bits.
// What does not fit goes the long way (arithmetic.go), with the same answer.

// smallDigits bounds the digits of a small number, and the power of ten that it is multiplied with, so that the
// product has two words.
const smallDigits = 18

// small returns a quantity as n times ten to the power, and false for one that is not small. A
// text that is no quantity is 0, and small. The power is from -9 to smallDigits.
func small(s string) (n int64, power int, ok bool) {
	if s = strings.TrimSpace(s); Check(s) != nil {
		return 0, 0, true
	}
	q := readQuantity(s)
	if len(q.whole)+len(q.fraction) > smallDigits {
		return 0, 0, false
	}
	for _, digits := range [...]string{q.whole, q.fraction} {
		for i := range len(digits) {
			n = n*10 + int64(digits[i]-'0')
		}
	}
	power = q.power - len(q.fraction)
	if q.binary {
		// The shift back shows whether bits were lost.
		shifted := n << q.power
		if power = 0; q.fraction != "" || shifted>>q.power != n {
			return 0, 0, false
		}
		n = shifted
	}
	if q.negative {
		n = -n
	}
	// Zero has one form, whatever its suffix, so that it never is out of bounds.
	if n == 0 {
		power = 0
	}
	// Below a nano the number would have to be rounded, which is for nanos to do.
	return n, power, power >= -9 && power <= smallDigits
}

// times returns the size of n times ten to the power, of 0 to smallDigits, in two words.
func times(n int64, power int) (hi, lo uint64) {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	factor := uint64(1)
	for range power {
		factor *= 10
	}
	return bits.Mul64(u, factor)
}

// signOf returns -1, 0 or 1 for a number below, equal to or above 0.
func signOf(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// cmpSmall is Cmp for two small quantities, and false where one is not, or where they are too
// far apart to be brought to one power.
func cmpSmall(a, b string) (c int, ok bool) {
	n, power, small1 := small(a)
	m, other, small2 := small(b)
	d := power - other
	if !small1 || !small2 || d > smallDigits || d < -smallDigits {
		return 0, false
	}
	// Signs differ, or one is nothing: sizes do not count.
	if n == 0 || m == 0 || n < 0 != (m < 0) {
		return signOf(int64(signOf(n) - signOf(m))), true
	}
	// The one with the larger power is multiplied; sizes are compared, and the sign turns the
	// answer.
	nhi, nlo := times(n, max(d, 0))
	mhi, mlo := times(m, max(-d, 0))
	switch {
	case nhi == mhi && nlo == mlo:
		return 0, true
	case nhi > mhi || nhi == mhi && nlo > mlo:
		return signOf(n), true
	}
	return -signOf(n), true
}
