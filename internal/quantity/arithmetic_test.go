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
