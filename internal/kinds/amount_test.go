package kinds

import (
	"math/big"
	"testing"
)

// amountTexts are quantities in canonical form, of all sorts of suffix and beyond what an int64 holds.
var amountTexts = []string{
	"0", "1", "-1", "1n", "-1n", "999999999n", "1u", "1m", "100m", "1500m", "-500m", "2", "1k", "1023", "1Ki", "1536Mi", "-1Gi", "64Gi", "1Ti",
	"7Ei", "9223372036854775807", "-9223372036854775807", "123456789012345678", "1e3", "1500e-3", "10e18", "1E", "999E", "100000E",
	"123456789012345678901234567890", "1e27", "1e30", "9108079886394091110400m", "1153433600m",
}

// rat returns the exact value of a canonical quantity.
func rat(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := quantityValue(s)
	if !ok {
		t.Fatalf("%s has no value", s)
	}
	return r
}

// TestAmounts: comparing, adding and negating amounts is as with the numbers, and what is read from a
// canonical text is written as it.
func TestAmounts(t *testing.T) {
	for _, s := range amountTexts {
		a, x := ParseAmount(s), rat(t, s)
		if got := a.String(); got != canonicalQuantity(s) && rat(t, got).Cmp(x) != 0 {
			t.Errorf("%s is written %s", s, got)
		}
		if a.Sign() != x.Sign() || a.Neg().Cmp(ParseAmount("0")) != -x.Sign() {
			t.Errorf("%s: sign %d", s, a.Sign())
		}
		for _, u := range amountTexts {
			b, y := ParseAmount(u), rat(t, u)
			if got := a.Cmp(b); got != x.Cmp(y) {
				t.Errorf("%s cmp %s = %d", s, u, got)
			}
			if got, want := a.Add(b), new(big.Rat).Add(x, y); new(big.Rat).SetFrac(got.inNanos(), powerOfTen(9)).Cmp(want) != 0 {
				t.Errorf("%s + %s = %s, want %s", s, u, got, want)
			}
			if got := a.Max(b); got.Cmp(a) < 0 || got.Cmp(b) < 0 {
				t.Errorf("max of %s and %s is %s", s, u, got)
			}
		}
	}
}

// TestAmountForms: a sum has the suffix of its first part, or of the second where the first is 0.
func TestAmountForms(t *testing.T) {
	for _, c := range []struct{ a, b, sum string }{
		{"1Gi", "1Gi", "2Gi"}, {"512Mi", "512Mi", "1Gi"}, {"100m", "900m", "1"}, {"1", "1Ki", "1025"}, {"1Ki", "1000", "2024"},
		{"0", "1Ki", "1Ki"}, {"1k", "1", "1001"}, {"1e3", "1e3", "2e3"}, {"1Gi", "500m", "1073741824500m"}, {"-1Gi", "1Gi", "0"},
	} {
		if got := ParseAmount(c.a).Add(ParseAmount(c.b)).String(); got != c.sum {
			t.Errorf("%s + %s = %s, want %s", c.a, c.b, got, c.sum)
		}
	}
}

// TestAmountWholes: parts are rounded up, and what no int64 holds is bounded.
func TestAmountWholes(t *testing.T) {
	for _, c := range []struct {
		v            any
		whole, milli int64
	}{
		{"1500m", 2, 1500}, {"1n", 1, 1}, {"1Gi", 1 << 30, 1 << 30 * 1000}, {int64(7), 7, 7000}, {"x", 0, 0}, {nil, 0, 0}, {"-1500m", -2, -1500},
		{"1e30", 1<<63 - 1, 1<<63 - 1}, {"9223372036854775807", 1<<63 - 1, 1<<63 - 1}, {" 1Ki ", 1024, 1024000}, {"1e2147483647", 1<<63 - 1, 1<<63 - 1},
	} {
		if a := ParseAmount(c.v); a.Whole() != c.whole || a.Milli() != c.milli {
			t.Errorf("%v: %d, %d", c.v, a.Whole(), a.Milli())
		}
	}
}

// TestAmountAllocates: amounts of usual size cost no memory to compare and to add.
func TestAmountAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		a, b := ParseAmount("1536Mi"), ParseAmount("100m")
		if a.Cmp(b) <= 0 || a.Add(b).Sign() != 1 || b.Milli() != 100 {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
