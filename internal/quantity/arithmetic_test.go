package quantity

import (
	"math"
	"testing"
)

// TestArithmetic: sums, differences and comparisons, with the suffix that upstream's library gives.
func TestArithmetic(t *testing.T) {
	for _, c := range []struct {
		a, b, sum, difference string
		cmp                   int
	}{
		{"100m", "0.1", "200m", "0", 0}, {"1Gi", "512Mi", "1536Mi", "512Mi", 1}, {"1", "1Ki", "1025", "-1023", -1},
		{"1Ki", "1", "1025", "1023", 1}, {"0", "1Gi", "1Gi", "-1Gi", -1}, {"1e3", "1", "1001", "999", 1}, {"2", "3", "5", "-1", -1},
		{"-1", "1", "0", "-2", -1}, {"1n", "1n", "2n", "0", 0}, {"1.5Gi", "0.5Gi", "2Gi", "1Gi", 1}, {"1k", "1", "1001", "999", 1},
		{"1e999999999", "1", "", "", 1}, {"x", "1", "1", "-1", -1}, {"8Ei", "1", "", "", 1},
	} {
		if got := Cmp(c.a, c.b); got != c.cmp {
			t.Errorf("Cmp(%s, %s) is %d, want %d", c.a, c.b, got, c.cmp)
		}
		if got := Cmp(c.b, c.a); got != -c.cmp {
			t.Errorf("Cmp(%s, %s) is %d, want %d", c.b, c.a, got, -c.cmp)
		}
		if c.sum == "" {
			continue
		}
		if got := Add(c.a, c.b); got != c.sum {
			t.Errorf("%s + %s is %s, want %s", c.a, c.b, got, c.sum)
		}
		if got := Sub(c.a, c.b); got != c.difference {
			t.Errorf("%s - %s is %s, want %s", c.a, c.b, got, c.difference)
		}
	}
}

// TestUnits: whole numbers and millis, rounded away from zero and held at the ends.
func TestUnits(t *testing.T) {
	for _, c := range []struct {
		s             string
		whole, millis int64
	}{
		{"1", 1, 1000}, {"1.2", 2, 1200}, {"100m", 1, 100}, {"-1.2", -2, -1200}, {"1Gi", 1 << 30, 1000 << 30}, {"1n", 1, 1}, {"0", 0, 0},
		{"1e30", math.MaxInt64, math.MaxInt64}, {"-1e30", math.MinInt64, math.MinInt64}, {"1e-99", 1, 1}, {"9223372036854775807", math.MaxInt64, math.MaxInt64},
	} {
		if w, m := Units(c.s, 0), Units(c.s, -3); w != c.whole || m != c.millis {
			t.Errorf("%s is %d and %d millis, want %d and %d", c.s, w, m, c.whole, c.millis)
		}
	}
	for s, want := range map[string]int{"1": 1, "-1m": -1, "0Ki": 0, "": 0} {
		if got := Sign(s); got != want {
			t.Errorf("the sign of %q is %d", s, got)
		}
	}
	for want, n := range map[string]int64{"1500m": 1500, "2": 2000, "-1": -1000, "0": 0} {
		if got := Of(n, -3); got != want {
			t.Errorf("%d millis are %s, want %s", n, got, want)
		}
	}
}

// TestArithmeticOfUpstream: what upstream's library answers for the same two texts.
func TestArithmeticOfUpstream(t *testing.T) {
	for _, c := range []struct {
		a, b, sum, difference string
		cmp                   int
	}{
		{"100m", "1Gi", "1073741824100m", "-1073741823900m", -1},
		{"1Gi", "100m", "1073741824100m", "1073741823900m", 1},
		{"0", "500m", "500m", "-500m", -1},
		{"0", "1e3", "1e3", "-1e3", -1},
		{"1e3", "1e3", "2e3", "0", 0},
		{"1500e-3", "1", "2500e-3", "500e-3", 1},
		{"1Ki", "1024", "2Ki", "0", 0},
		{"1023Ki", "1Ki", "1Mi", "1022Ki", 1},
		{"1Mi", "1n", "1048576000000001n", "1048575999999999n", 1},
		{"-1Gi", "1Gi", "0", "-2Gi", -1},
		{"1Gi", "2Gi", "3Gi", "-1Gi", -1},
		{"500m", "500m", "1", "0", 0},
		{"999", "1", "1k", "998", 1},
		{"999k", "1k", "1M", "998k", 1},
		{"1E", "1E", "2E", "0", 0},
		{"9E", "1E", "10E", "8E", 1},
		{"1u", "999u", "1m", "-998u", -1},
		{"1n", "-2n", "-1n", "3n", 1},
		{"0.5", "0.5Gi", "536870912500m", "-536870911500m", -1},
		{"1.5Gi", "512Mi", "2Gi", "1Gi", 1},
		{"7Ei", "1", "8070450532247928833", "8070450532247928831", 1},
		{"123456789012345678", "1", "123456789012345679", "123456789012345677", 1},
		{"9223372036854775807", "1", "9223372036854775808", "9223372036854775806", 1},
		{"9223372036854775807", "-1", "9223372036854775806", "9223372036854775808", 1},
		{"1e18", "1e18", "2e18", "0", 0},
		{"-500m", "1", "500m", "-1500m", -1},
		{"10Gi", "-1Ki", "10485759Ki", "10485761Ki", 1},
		{"1k", "24", "1024", "976", 1},
		{"1M", "1Mi", "2048576", "-48576", -1},
		{"4Ti", "4Ti", "8Ti", "0", 0},
		{"0", "0", "0", "0", 0},
		{"0Gi", "1k", "1k", "-1k", -1},
		{"0m", "1Ki", "1Ki", "-1Ki", -1},
		{"1e30", "1", "1000000000000000000000000000001", "999999999999999999999999999999", 1},
		{"999999999999999999", "1", "1E", "999999999999999998", 1},
	} {
		if sum, difference, cmp := Add(c.a, c.b), Sub(c.a, c.b), Cmp(c.a, c.b); sum != c.sum || difference != c.difference || cmp != c.cmp {
			t.Errorf("%s and %s are %s together and %s apart, and compare as %d; want %s, %s and %d", c.a, c.b, sum, difference, cmp, c.sum,
				c.difference, c.cmp)
		}
	}
}

// TestUnitsOfUpstream: Value, MilliValue and Sign of upstream's library, where its numbers do not overflow.
func TestUnitsOfUpstream(t *testing.T) {
	for _, c := range []struct {
		text          string
		value, millis int64
		sign          int
	}{
		{"1001m", 2, 1001, 1},
		{"-1001m", -2, -1001, -1},
		{"999u", 1, 1, 1},
		{"-1n", -1, -1, -1},
		{"1.0005", 2, 1001, 1},
		{"0.0001", 1, 1, 1},
		{"1Ki", 1024, 1024000, 1},
		{"1.5Ki", 1536, 1536000, 1},
		{"0.5Ki", 512, 512000, 1},
		{"9223372036854775m", 9223372036855, 9223372036854775, 1},
		{"9223372036854776m", 9223372036855, 9223372036854776, 1},
		{"9223372036854775807m", 9223372036854776, 9223372036854775807, 1},
		{"1e15", 1000000000000000, 1000000000000000000, 1},
		{"1e-3", 1, 1, 1},
		{"15e-4", 1, 2, 1},
		{"0Gi", 0, 0, 0},
		{"-0", 0, 0, 0},
		{"1000000000000000001n", 1000000001, 1000000000001, 1},
	} {
		if value, millis, sign := Units(c.text, 0), Units(c.text, -3), Sign(c.text); value != c.value || millis != c.millis || sign != c.sign {
			t.Errorf("%s is %d, %d millis, sign %d; want %d, %d and %d", c.text, value, millis, sign, c.value, c.millis, c.sign)
		}
	}
}
