// Package quantity reads, writes and adds quantities, upstream's numbers with a suffix: 100m, 1Gi,
// 1e3. A quantity is its text here, as objects have it; what is asked of it is a function.
//
//	err := quantity.Check("1.5Gi")           // in upstream's words
//	quantity.Canonical("1.5Gi")              // 1536Mi
//	quantity.Cmp("100m", "0.1")              // 0
//	quantity.Add("1Gi", "512Mi")             // 1536Mi
//
// All functions are pure. But for Check and Canonical they take texts that Check takes, and count
// any other as 0. The package is internal and promises no compatibility.
package quantity

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// How quantities are written. A quantity is a number with a decimal suffix (100m, 2k), a binary
// one (1Gi) or an exponent (1e3). Upstream reads it into a number and a sort of suffix, and writes
// the number with the largest suffix of that sort by which it stays whole:
//
//	0.5      500m         1000    1k        1024Ki   1Mi
//	1.5Gi    1536Mi       0.5Gi   512Mi     1500e-3  1500e-3
//
// but it keeps the text where that is in its form already, by a rule that lets some others pass:
// "+1" and "1.500" stay. Nothing is smaller than a nano (any rest is rounded up), and nothing with a
// binary suffix is larger than 2⁶³-1. Decimal numbers are handled as texts of digits and a power of
// ten, and binary ones are cut to the digits that can count, so that a text of any length costs no
// more than a walk over it.

// suffixPowers has the power of ten, or of two, of each suffix. No suffix is the power 0 of
// both.
var suffixPowers = map[string]int{
	"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
	"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60,
}

// decimalSuffixes and binarySuffixes are in the order of their powers, each a step after the other.
var (
	decimalSuffixes = [...]string{"n", "u", "m", "", "k", "M", "G", "T", "P", "E"}
	binarySuffixes  = [...]string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
)

// quantity is a text that Check takes, in its parts.
type quantity struct {
	negative bool
	// whole has no leading zeros, but one for none; fraction is as it stands.
	whole, fraction string
	suffix          string
	// power is that of the suffix or the exponent; exponent and binary say of which sort it is.
	power            int
	exponent, binary bool
}

// readQuantity takes a text apart that Check takes: sign, whole, fraction, suffix, in that
// order.
func readQuantity(s string) quantity {
	q := quantity{negative: strings.HasPrefix(s, "-")}
	s = strings.TrimLeft(strings.TrimLeft(s, "+-"), "0")
	rest := strings.TrimLeft(s, "0123456789")
	// A quantity may begin with its point, or be a suffix alone, which is 0.
	q.whole = s[:len(s)-len(rest)]
	if q.whole == "" {
		q.whole = "0"
	}
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		q.fraction = fraction[:len(fraction)-len(rest)]
	}
	q.suffix = rest
	// What is no suffix is an exponent, since Check has taken it; behind the e is a number.
	power, ok := suffixPowers[rest]
	if !ok {
		power, _ = strconv.Atoi(rest[1:])
	}
	q.power, q.exponent, q.binary = power, !ok, strings.HasSuffix(rest, "i")
	return q
}

// Canonical returns a text that Check takes in the form that upstream writes. It is what
// objects are stored with: 0.5 that is sent is read back as 500m.
func Canonical(s string) string {
	s = strings.TrimSpace(s)
	// Zero is kept for itself: its digit would not pass the rule of keepsText.
	if s == "0" {
		return s
	}
	q := readQuantity(s)
	switch {
	case q.keepsText():
		return s
	case q.binary:
		return q.binaryText()
	}
	return q.decimalText(q.whole+q.fraction, q.power-len(q.fraction))
}

// keepsText reports whether upstream keeps the text as it was sent: numbers of few digits that
// are in its form as far as a glance tells. Its fast path reads the number into an int64 and
// remembers the text; whatever misses that path is written anew.
func (q *quantity) keepsText() bool {
	digits := q.whole + q.fraction
	if q.binary {
		// Upstream guesses the digits that the product takes as three for each ten bits.
		if q.fraction != "" || 15-len(q.whole)-q.power*3/10-1 < 0 {
			return false
		}
		n, err := strconv.ParseInt(q.whole, 10, 64)
		// A number that is a multiple of 8 might have a larger suffix, and is written anew.
		return err == nil && n&7 != 0
	}
	// There is a suffix for each third power alone; zeros at the end might be one, too.
	scale := q.power - len(q.fraction)
	return len(digits) <= 18 && scale >= -9 && scale%3 == 0 && !strings.HasSuffix(digits, "000") && digits[0] != '0'
}

// decimalText writes digits times ten to the power, with the largest suffix (or exponent) by
// which it stays whole. The digits may have zeros on both sides.
func (q *quantity) decimalText(digits string, power int) string {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return "0"
	}
	// What is below a nano is rounded up, however small it is.
	if cut := -9 - power; cut > 0 {
		rest := ""
		if cut < len(digits) {
			digits, rest = digits[:len(digits)-cut], digits[len(digits)-cut:]
		} else {
			digits, rest = "0", "1"
		}
		if power = -9; strings.Trim(rest, "0") != "" {
			digits = increment(digits)
		}
	}
	// First all zeros go into the power, and then as many come back as it takes to a suffix.
	trimmed := strings.TrimRight(digits, "0")
	power += len(digits) - len(trimmed)
	for ; power%3 != 0; power-- {
		trimmed += "0"
	}
	if q.negative {
		trimmed = "-" + trimmed
	}
	switch {
	case q.exponent && power != 0:
		return trimmed + "e" + strconv.Itoa(power)
	case !q.exponent && power <= 18: // beyond that upstream has no suffix, and writes none
		return trimmed + decimalSuffixes[power/3+3]
	}
	return trimmed
}

// increment adds one to a number in decimal digits, which may be of any length.
func increment(digits string) string {
	b := []byte(digits)
	for i := range slices.Backward(b) {
		if b[i]++; b[i] <= '9' {
			return string(b)
		}
		b[i] = '0'
	}
	return "1" + string(b)
}

// Of the digits of a binary quantity these can count: more before the point are beyond the largest
// number, and more behind it are below a nano even times 2⁶⁰.
const (
	binaryWhole    = 20
	binaryFraction = 40
)

// binaryText writes the number with a binary suffix, or with a decimal one where it is below
// 1024 or not whole. What is above the largest number becomes that, as upstream caps it.
func (q *quantity) binaryText() string {
	largest := new(big.Int).SetUint64(1<<63 - 1)
	ten := big.NewInt(10)
	n, scale := largest, 0
	// Numbers are cut before they are multiplied, so that the work is bounded.
	if len(q.whole) <= binaryWhole {
		fraction := q.fraction
		if len(fraction) > binaryFraction {
			if strings.Trim(fraction[binaryFraction:], "0") != "" {
				fraction = fraction[:binaryFraction] + "1" // it is rounded up at the end
			} else {
				fraction = fraction[:binaryFraction]
			}
		}
		n, _ = new(big.Int).SetString(q.whole+fraction, 10)
		n.Lsh(n, uint(q.power))
		scale = len(fraction)
	}
	if scale > 9 { // to a nano, up
		rest := new(big.Int)
		n.QuoRem(n, new(big.Int).Exp(ten, big.NewInt(int64(scale-9)), nil), rest)
		if scale = 9; rest.Sign() > 0 {
			n.Add(n, big.NewInt(1))
		}
	}
	unit := new(big.Int).Exp(ten, big.NewInt(int64(scale)), nil)
	// Both sides have the same scale, so that nothing is lost in a division.
	if new(big.Int).Mul(largest, unit).Cmp(n) < 0 {
		n, scale, unit = largest, 0, big.NewInt(1)
	}
	whole, rest := new(big.Int).QuoRem(n, unit, new(big.Int))
	if rest.Sign() != 0 || whole.Cmp(big.NewInt(1024)) < 0 {
		return q.decimalText(n.String(), -scale)
	}
	// The suffix grows as long as the number stays whole.
	v, step := whole.Uint64(), 0
	for ; v%1024 == 0 && step < len(binarySuffixes)-1; step++ {
		v /= 1024
	}
	text := strconv.FormatUint(v, 10) + binarySuffixes[step]
	if q.negative {
		return "-" + text
	}
	return text
}

// Check returns an error, in upstream's words, unless s is a quantity: a decimal number with a
// decimal or binary suffix or an exponent. It accepts white space around the number, which
// upstream's unmarshalling trims, and mostly no number at all for 0 (upstream). Its time grows
// with the length of s.
func Check(s string) error {
	s = strings.TrimSpace(s)
	rest := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		rest = s[1:]
	}
	rest = strings.TrimLeft(rest, "0123456789")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "."), "0123456789")
	number := s[:len(s)-len(rest)]
	// Upstream has three errors: for a text that its scanner does not get through, for an end that
	// means nothing, and for a missing number that it cannot pass over.
	end := strings.TrimLeft(rest, "eEinumkKMGTP")
	if end != "" && (end[0] == '+' || end[0] == '-') {
		end = end[1:]
	}
	if s == "" || strings.Trim(end, "0123456789") != "" {
		return formError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
	}
	power, ok := suffixPowers[rest]
	if !ok {
		// A lone E is the suffix exa; with digits behind it, it is an exponent.
		n, err := strconv.ParseInt(strings.TrimLeft(rest, "eE"), 10, 32)
		if err != nil || rest[0] != 'e' && rest[0] != 'E' || len(rest) < 2 || strings.IndexByte("+-0123456789", rest[1]) < 0 {
			return formError("unable to parse quantity's suffix")
		}
		power = int(n)
	}
	// Without a digit the number is 0 on upstream's fast path; its slow one, which these
	// suffixes take, refuses it.
	if strings.Trim(number, "+-.") == "" && (power < -9 || strings.HasSuffix(rest, "i") && power >= 50) {
		return formError("unable to parse numeric part of quantity")
	}
	return nil
}

// formError is an error in the words of upstream's unmarshaller: clients compare such texts, so
// nothing is put around it.
type formError string

// Error returns the text.
func (e formError) Error() string { return string(e) }
