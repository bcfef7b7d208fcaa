package quantity

import (
	"math"
	"math/big"
	"testing"
)

// quantityTexts are quantities of all sorts of suffix, small ones and others.
var quantityTexts = []string{
	"0", "1", "-1", "1n", "-1n", "999999999n", "1u", "1m", "100m", "1500m", "-500m", "2", "1k", "1023", "1Ki", "1536Mi", "-1Gi", "64Gi",
	"1.5Gi",
	"7Ei", "8Ei", "9223372036854775807", "-9223372036854775807", "123456789012345678", "1e3", "1500e-3", "10e18", "1E", "999E", "100000E",
	"123456789012345678901234567890", "1e27", "1e30", "9108079886394091110400m", "1153433600m", "0e99", "0.0000000001", "x", "", "1e-12",
}

// TestSmallQuantities: what is asked of small quantities is what nanos say, which is by other means.
func TestSmallQuantities(t *testing.T) {
	for _, a := range quantityTexts {
		if got, want := Sign(a), nanos(a).Sign(); got != want {
			t.Errorf("sign of %s is %d, want %d", a, got, want)
		}
		for _, power := range []int{-9, -3, 0, 3} {
			unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power+9)), nil)
			n, rest := new(big.Int).QuoRem(nanos(a), unit, new(big.Int))
			n.Add(n, big.NewInt(int64(rest.Sign())))
			want := n.Int64()
			if !n.IsInt64() {
				want = map[int]int64{1: math.MaxInt64, -1: math.MinInt64}[n.Sign()]
			}
			if got := Units(a, power); got != want {
				t.Errorf("%s is %d times 10^%d, want %d", a, got, power, want)
			}
		}
		for _, b := range quantityTexts {
			if got, want := Cmp(a, b), nanos(a).Cmp(nanos(b)); signOf(int64(got)) != want {
				t.Errorf("%s cmp %s is %d, want %d", a, b, got, want)
			}
		}
	}
}

// TestSmallQuantitiesAllocate: comparing and counting quantities of usual size costs no memory.
func TestSmallQuantitiesAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if Cmp("1536Mi", "100m") <= 0 || Sign("1.5") != 1 || Units("250m", -3) != 250 {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
