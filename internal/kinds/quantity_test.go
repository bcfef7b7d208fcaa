package kinds

import (
	"math/big"
	"strconv"
	"strings"
	"testing"
)

// TestQuantityBounds: forms at the edges of what upstream keeps, writes shorter, rounds and caps, as
// its library writes each.
func TestQuantityBounds(t *testing.T) {
	for s, want := range map[string]string{
		"0m": "0", "-0m": "0", "+0": "0", "0e5": "0", "0.000": "0", ".5": "500m", "5.": "5.", "-.5": "-500m", "+.5k": "500",
		"0.1m": "100u", "0.0001u": "1n", "1n": "1n", "0.1n": "1n", "1.5n": "2n", "999n": "999n", "1000n": "1u", "1001n": "1001n",
		"1000u": "1m", "1000000u": "1", "999m": "999m", "1000m": "1", "1001m": "1001m", "1000k": "1M", "1000M": "1G", "1000G": "1T",
		"1000T": "1P", "1000P": "1E", "999P": "999P", "1001P": "1001P", "1000E": "1", "1500m": "1500m", "1.5k": "1500",
		"1.50k": "1500", "1.500k": "1.500k", "1.5000k": "1500", "123456789012345678": "123456789012345678",
		"1234567890123456789": "1234567890123456789", "123456789012345678m": "123456789012345678m",
		"999999999999999999999": "999999999999999999999", "100000000000000000000": "100E", "1023Ki": "1023Ki", "1024": "1024",
		"1024Ki": "1Mi", "1025Ki": "1025Ki", "1026Ki": "1026Ki", "1032Ki": "1032Ki", "1048576": "1048576", "1048576Ki": "1Gi",
		"1.5Ki": "1536", "0.001Ki": "1024m", "0.5Mi": "512Ki", "1.25Gi": "1280Mi", "1.1Mi": "1153433600m", "-1Ki": "-1Ki",
		"-1024Ki": "-1Mi", "-0.5Ki": "-512", "7Ei": "7Ei", "8Ei": "9223372036854775807", "7.9Ei": "9108079886394091110400m",
		"9223372036854775807": "9223372036854775807", "9223372036854775808": "9223372036854775808",
		"9007199254740992Ki": "9223372036854775807", "9007199254740991Ki": "9007199254740991Ki",
		"8796093022207Mi": "8796093022207Mi", "1e0": "1e0", "1e1": "10", "1e2": "100", "1e3": "1e3", "1E3": "1E3", "1e+3": "1e+3",
		"1e-3": "1e-3", "1e-9": "1e-9", "1e-10": "1e-9", "1e-1": "100e-3", "10e-1": "1", "100e-2": "1", "1.5e3": "1500",
		"1.5e2": "150", "12e5": "1200e3", "1000e3": "1e6", "1e18": "1e18", "1e19": "10e18", "1e27": "1e27", "-1e-10": "-1e-9",
		"0.99999999999m": "1m", "3.0000000001": "3000000001n",
	} {
		if got, err := canonical(FieldQuantity, s); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", s, got, err, want)
		}
	}
}

// TestQuantityExponents: those that are no int32 are refused, as upstream means to.
func TestQuantityExponents(t *testing.T) {
	const suffix = "unable to parse quantity's suffix"
	for s, good := range map[string]bool{
		"1e2147483647": true, "1e2147483648": false, "1e-2147483648": true, "1e-2147483649": false, "1e+7": true, "1e++7": false, "1e1.5": false,
	} {
		if err := checkQuantity(s); (err == nil) != good || !good && err.Error() != suffix && !strings.HasPrefix(err.Error(), "quantities must match") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// quantityValue returns the exact value of a quantity, by other means than the code's. It is false for
// exponents that would take long.
func quantityValue(s string) (*big.Rat, bool) {
	s = strings.TrimSpace(s)
	number := strings.TrimRight(s, "numkKMGTPEi")
	suffix := s[len(number):]
	exponent := 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		n, err := strconv.Atoi(number[i+1:])
		if err != nil || n > 1000 || n < -1000 {
			return nil, false
		}
		number, exponent = number[:i], n
	}
	if strings.Trim(number, "+-.") == "" {
		number = "0"
	}
	v, ok := new(big.Rat).SetString(strings.TrimSuffix(number, "."))
	if !ok {
		return nil, false
	}
	base := int64(10)
	if power := suffixPowers[suffix]; strings.HasSuffix(suffix, "i") {
		base, exponent = 2, power
	} else {
		exponent += power
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(max(exponent, -exponent))), nil))
	if exponent < 0 {
		scale.Inv(scale)
	}
	return v.Mul(v, scale), true
}

// FuzzQuantityValue: the form of a quantity has its value, but for what is rounded up to a nano and
// what is beyond the largest binary number or suffix.
func FuzzQuantityValue(f *testing.F) {
	for _, s := range []string{"1", "0.5Gi", "1e3", "-7.25Ki", "+.5E", "1e-400", "9.9999999999", "1023.9Ei", "0.00000000000000000001Ti", "-", "00100.00m"} {
		f.Add(s)
	}
	nano := big.NewRat(1, 1e9)
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 || checkQuantity(s) != nil {
			return
		}
		form := canonicalQuantity(s)
		before, ok := quantityValue(s)
		after, still := quantityValue(form)
		if !ok || !still { // the power in a form may be larger
			return
		}
		was, is := before.Abs(before), after.Abs(after)
		if strings.Contains(s, "i") && was.Cmp(new(big.Rat).SetInt64(1<<63-1)) > 0 {
			was.SetInt64(1<<63 - 1)
		}
		if was.Cmp(new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil))) > 0 {
			return // whole numbers of more than exas have no suffix, and upstream leaves the power out
		}
		if less := new(big.Rat).Sub(is, was); less.Sign() < 0 || less.Cmp(nano) >= 0 {
			t.Fatalf("%q becomes %q, which is %s more", s, form, less.FloatString(12))
		}
	})
}
