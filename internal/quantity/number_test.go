package quantity

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// parse is Parse of a text that is a quantity.
func parse(t testing.TB, s string) Number {
	n, err := Parse(s)
	if err != nil {
		t.Fatalf("%.40q: %v", s, err)
	}
	return n
}

// TestNumberOfUpstream: what upstream's type answers for each text. Whether a number is an integer depends on how it is held.
func TestNumberOfUpstream(t *testing.T) {
	for _, c := range []struct {
		text, number string
		sign         int
		integer      int64
		ok           bool
		float        string
	}{
		{"0", "0", 0, 0, true, "0"},
		{"1", "1", 1, 1, true, "1"},
		{"-1", "-1", -1, -1, true, "-1"},
		{"1000m", "1", 1, 0, false, "1"},
		{"1500m", "15e-1", 1, 0, false, "1.5"},
		{"1Ki", "1024", 1, 1024, true, "1024"},
		{"1.5Gi", "1610612736", 1, 0, false, "1.610612736e+09"},
		{"0.5Ki", "512", 1, 0, false, "512"},
		{"1e3", "1e3", 1, 1000, true, "1000"},
		{"1e-3", "1e-3", 1, 0, false, "0.001"},
		{"1e-12", "1e-9", 1, 0, false, "1e-09"},
		{"1E", "1e18", 1, 1000000000000000000, true, "1e+18"},
		{"7Ei", "8070450532247928832", 1, 0, false, "8.070450532247929e+18"},
		{"8Ei", "9223372036854775807", 1, 0, false, "9.223372036854776e+18"},
		{"-9Ei", "-9223372036854775807", -1, 0, false, "-9.223372036854776e+18"},
		{"9223372036854775807", "9223372036854775807", 1, 0, false, "9.223372036854776e+18"},
		{"-9223372036854775808", "-9223372036854775808", -1, 0, false, "-9.223372036854776e+18"},
		{"123456789012345678901234", "123456789012345678901234", 1, 0, false, "1.2345678901234569e+23"},
		{"0.0000000001", "1e-9", 1, 0, false, "1e-09"},
		{"1.0000000001", "1000000001e-9", 1, 0, false, "1.000000001"},
		{"100u", "1e-4", 1, 0, false, "9.999999999999999e-05"},
		{"0.1n", "1e-9", 1, 0, false, "1e-09"},
		{"1e18", "1e18", 1, 1000000000000000000, true, "1e+18"},
		{"1e19", "1e19", 1, 0, false, "1e+19"},
		{"1e400", "1e400", 1, 0, false, "+Inf"},
		{"0e400", "0", 0, 0, true, "NaN"},
		{".5", "5e-1", 1, 0, false, "0.5"},
		{"5.", "5", 1, 5, true, "5"},
		{"+7", "7", 1, 7, true, "7"},
		{".", "0", 0, 0, true, "0"},
	} {
		n := parse(t, c.text)
		integer, ok := n.Integer()
		float := strconv.FormatFloat(n.Float(), 'g', -1, 64)
		if n.String() != c.number || n.Sign() != c.sign || integer != c.integer || ok != c.ok || float != c.float {
			t.Errorf("%s is %s, sign %d, integer %d %t, float %s; want %s, %d, %d %t, %s", c.text, n, n.Sign(), integer, ok, float, c.number, c.sign,
				c.integer, c.ok, c.float)
		}
		if again := parse(t, n.String()); again.Cmp(n) != 0 {
			t.Errorf("%s is read back as %s", n, again)
		}
	}
	for _, s := range []string{"", " 1", "1 ", "1Mo", "--1", "1e", "1e99999999999"} {
		if n, err := Parse(s); err == nil {
			t.Errorf("%q is %s", s, n)
		}
	}
	if n := NumberOf(-3); n.String() != "-3" || (Number{}).String() != "0" {
		t.Errorf("-3 is %s, nothing is %s", n, Number{})
	}
}

// TestSumsOfUpstream: sums and differences, and whether they are integers.
func TestSumsOfUpstream(t *testing.T) {
	for _, c := range []struct {
		a, b, sum, difference string
		cmp                   int
		ok, alsoOk            bool
	}{
		{"1", "2", "3", "-1", -1, true, true},
		{"1500m", "1", "25e-1", "5e-1", 1, false, false},
		{"1Gi", "512Mi", "1610612736", "536870912", 1, true, true},
		{"0", "1Ki", "1024", "-1024", -1, true, true},
		{"9223372036854775807", "1", "9223372036854775808", "9223372036854775806", 1, false, false},
		{"-9223372036854775808", "-1", "-9223372036854775809", "-9223372036854775807", -1, false, false},
		{"8Ei", "1", "9223372036854775808", "9223372036854775806", 1, false, false},
		{"1e18", "1n", "1000000000000000000000000001e-9", "999999999999999999999999999e-9", 1, false, false},
		{"1e-12", "1e-12", "2e-9", "0", 0, false, false},
		{"123456789012345678901234", "-1", "123456789012345678901233", "123456789012345678901235", 1, false, false},
		{"1e19", "1e19", "2e19", "0", 0, false, true},
		{"1E", "-1E", "0", "2e18", 1, true, true},
		{"5m", "0", "5e-3", "5e-3", 1, false, false},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		sum, err := a.Add(b)
		difference, err2 := a.Sub(b)
		_, ok := sum.Integer()
		_, alsoOk := difference.Integer()
		if err != nil || err2 != nil || sum.String() != c.sum || difference.String() != c.difference || ok != c.ok || alsoOk != c.alsoOk {
			t.Errorf("%s and %s are %s %t together and %s %t apart (%v, %v); want %s %t and %s %t", c.a, c.b, sum, ok, difference, alsoOk, err, err2,
				c.sum, c.ok, c.difference, c.alsoOk)
		}
		if got := a.Cmp(b); got != c.cmp || b.Cmp(a) != -c.cmp {
			t.Errorf("%s and %s compare as %d, want %d", c.a, c.b, got, c.cmp)
		}
	}
	// The smallest int64 has no negative: upstream's fast path adds it where it should be taken away.
	if d, err := NumberOf(1).Sub(NumberOf(math.MinInt64)); err != nil || d.String() != "-9223372036854775807" {
		t.Errorf("1 less the smallest is %s, %v", d, err)
	}
}

// TestFarNumbers: a short text may be a number of any length, which is never written out.
func TestFarNumbers(t *testing.T) {
	begin := time.Now()
	huge, tiny := parse(t, "12345678901234567890e2147483600"), parse(t, "1e-2147483648")
	small := parse(t, "1e2147483647")
	if huge.Cmp(tiny) != 1 || tiny.Cmp(huge) != -1 || huge.Cmp(small) != -1 || small.Cmp(huge) != 1 || tiny.String() != "1e-9" {
		t.Errorf("%s, %s and %s are out of order", huge, tiny, small)
	}
	if _, err := huge.Add(tiny); err != errFar {
		t.Errorf("the sum of what is far apart: %v", err)
	}
	if _, err := small.Sub(tiny); err != errFar {
		t.Errorf("the difference of what is far apart: %v", err)
	}
	if _, ok := small.Integer(); ok || !math.IsInf(small.Float(), 1) || !math.IsInf(huge.Float(), 1) {
		t.Errorf("%s is an integer, or no infinite float", small)
	}
	long := parse(t, strings.Repeat("9", 1_000_000)+"."+strings.Repeat("9", 1_000_000))
	if sum, err := long.Add(long); err != nil || sum.Cmp(long) != 1 || long.Sign() != 1 {
		t.Errorf("the double of a long number is no more: %v", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("that took %v", took)
	}
}

// FuzzNumber: Parse takes what Check takes, sums and differences undo each other, and the order is one.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "0.5Gi", "1e3", "-7.25Ki", "+.5E", "1e-400", "9.9999999999", "1023.9Ei", "-", "00100.00m", "1e2147483647", "123456789012345678901"} {
		f.Add(s, "1500m")
		f.Add("-2e5", s)
	}
	f.Fuzz(func(t *testing.T, s, u string) {
		a, err := Parse(s)
		if trimmed := strings.TrimSpace(s) == s; (err == nil) != (Check(s) == nil && trimmed) {
			t.Fatalf("%q: Parse says %v, Check %v", s, err, Check(s))
		}
		b, err2 := Parse(u)
		if err != nil || err2 != nil || len(s)+len(u) > 1000 {
			return
		}
		if a.Cmp(b) != -b.Cmp(a) || a.Cmp(a) != 0 || a.Cmp(Number{}) != a.Sign() {
			t.Fatalf("%q and %q have no order", s, u)
		}
		sum, err := a.Add(b)
		if err != nil {
			return
		}
		// The smallest int64 is no number that can be taken away: see TestSumsOfUpstream.
		if back, err := sum.Sub(b); err == nil && back.Cmp(a) != 0 && b.n != math.MinInt64 {
			t.Fatalf("%q + %q - the second is %s", s, u, back)
		}
		if again, err := Parse(sum.String()); err != nil || again.Sign() != sum.Sign() {
			t.Fatalf("%s is read back as %s, %v", sum, again, err)
		}
	})
}
