package quantity

import (
	"math/big"
	"math/rand/v2"
	"regexp"
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
		if got := Canonical(s); got != want || Check(s) != nil {
			t.Errorf("%q: got %q, %v; want %q", s, got, Check(s), want)
		}
	}
}

// TestQuantityExponents: those that are no int32 are refused, as upstream means to.
func TestQuantityExponents(t *testing.T) {
	const suffix = "unable to parse quantity's suffix"
	for s, good := range map[string]bool{
		"1e2147483647": true, "1e2147483648": false, "1e-2147483648": true, "1e-2147483649": false, "1e+7": true, "1e++7": false, "1e1.5": false,
	} {
		if err := Check(s); (err == nil) != good || !good && err.Error() != suffix && !strings.HasPrefix(err.Error(), "quantities must match") {
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
		if len(s) > 1000 || Check(s) != nil {
			return
		}
		form := Canonical(s)
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

func TestQuantities(t *testing.T) {
	for s, good := range map[string]bool{"0": true, "1": true, "+1.5": true, "-.5Gi": true, "1.": true, "1e3": true, "1E-3": true, "12E": true, "100m": true, " 1Ki ": true,
		// Upstream's scanner passes over a number that is not there, but for the largest suffixes.
		".": true, "Ki": true, "-": true, "m": true, "Ei": false, "-Pi": false, "e-12": false,
		"": false, "--1": false, "1.2.3": false, "1KiB": false, "1e": false, "1ex": false, "0x1": false, "1 Ki": false, "1ee3": false, "1Mi3": false} {
		if err := Check(s); (err == nil) != good {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestCanonicalQuantities: upstream's form of each, as its library writes it.
func TestCanonicalQuantities(t *testing.T) {
	for s, want := range map[string]string{
		"0": "0", "0.0": "0", "0Ki": "0", "Ki": "0", "-0": "0", "00": "0",
		"0.5": "500m", "1000": "1k", "1024Ki": "1Mi", "1.5": "1500m", "100m": "100m", "1000m": "1", "1500": "1500", "1200000": "1200k", "12E": "12E",
		"0.5Gi": "512Mi", "1.5Gi": "1536Mi", "1Ki": "1Ki", "8Ki": "8Ki", "512Ki": "512Ki", "0.5Ki": "512", "1025Ki": "1025Ki", "1000Ki": "1000Ki", "2048Gi": "2Ti",
		// A text that is in its form at a glance stays.
		"+1": "+1", "01": "01", "1.": "1.", "1.500": "1.500", "1e3": "1e3", "+1025Ki": "+1025Ki",
		"1000e0": "1e3", "1e1": "10", "12e-2": "120e-3", "1e21": "1e21", "1000E": "1",
		// Nothing is smaller than a nano, and nothing binary larger than an int64.
		"0.0000000001": "1n", "1.0000000001": "1000000001n", "-0.0000000001": "-1n", "1e-400": "1e-9", "0.9999999999": "1",
		"9Ei": "9223372036854775807", "100000000000000000000Ki": "9223372036854775807", "-9Ei": "-9223372036854775807",
		"1.1Ki": "1126400m", "0.0000000001Ki": "103n", " 2.0 ": "2",
		strings.Repeat("9", 1000) + ".5":         strings.Repeat("9", 1000) + "500m",
		"0." + strings.Repeat("0", 1000) + "1Gi": "1n",
	} {
		if got := Canonical(s); got != want {
			t.Errorf("%.60q: %.60q, want %.60q", s, got, want)
		}
		if err := Check(want); err != nil || Canonical(want) != want && want != "-9223372036854775807" {
			t.Errorf("%.60q is not canonical: %.60q, %v", want, Canonical(want), err)
		}
	}
}

// FuzzQuantity: what is taken has a form, which is taken, and has itself as its form.
func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"1", "0.5Gi", "1e3", "-7.25Ki", "+.5E", "1e-400", "99999999999999999999999Ei", "0.00000000000000000001Ti"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10000 || Check(s) != nil {
			return
		}
		once := Canonical(s)
		if err := Check(once); err != nil {
			t.Fatalf("%q becomes %q: %v", s, once, err)
		}
		if twice := Canonical(once); Canonical(twice) != twice {
			t.Fatalf("%q becomes %q, then %q, then %q", s, once, twice, Canonical(twice))
		}
	})
}

// quantityForm is the grammar of quantities that upstream's scanner has: that of its documentation, but
// that the number may be missing. quantityNumber is what a missing one cannot stand before.
var (
	quantityForm   = regexp.MustCompile(`^[+-]?\d*(\.\d*)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?(\d+))?$`)
	quantityNumber = regexp.MustCompile(`^[+-]?\.?([PE]i|[eE]-0*[1-9]\d+)$`)
)

// TestQuantityGrammar: random texts are quantities where the grammar says so.
func TestQuantityGrammar(t *testing.T) {
	const alphabet = "0127..+-eEiimkKMGnuTPx "
	r, good := rand.New(rand.NewPCG(10, 12)), 0
	for range 60000 {
		b := make([]byte, 1+r.IntN(6))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		s := string(b)
		text := strings.TrimSpace(s)
		want := text != "" && quantityForm.MatchString(text) && !quantityNumber.MatchString(text)
		if got := Check(s) == nil; got != want {
			t.Fatalf("%q: taken is %v, and should be %v", s, got, want)
		} else if got {
			good++
		}
	}
	if good < 1000 {
		t.Errorf("only %d texts were quantities", good)
	}
}

// TestQuantityErrors: upstream has one error for what does not look like a quantity, one for a
// suffix that it does not know, and one for a number that is missing where it must be there.
func TestQuantityErrors(t *testing.T) {
	const form, suffix = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'", "unable to parse quantity's suffix"
	for in, want := range map[string]string{
		"":                  form,
		" ":                 form,
		"x":                 form,
		".":                 "",
		"-":                 "",
		"+-1":               suffix,
		"Gi":                "",
		"Ei":                "unable to parse numeric part of quantity",
		"1 Gi":              form,
		"1Gb":               form,
		"0x10":              form,
		"1,5":               form,
		"1ki":               suffix,
		"1K":                suffix,
		"1mi":               suffix,
		"1GiGi":             suffix,
		"1e":                suffix,
		"1e+":               suffix,
		"1E1E":              form,
		"1e99999999999":     suffix,
		"1Mi5":              suffix,
		"1":                 "",
		"1e2147483647":      "",
		"1E-2147483648":     "",
		"340282366920938E3": "",
	} {
		got := ""
		if err := Check(in); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestQuantityForms: what upstream's library makes of a text in JSON: its form, or one of the three errors.
func TestQuantityForms(t *testing.T) {
	const (
		form   = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
		suffix = "unable to parse quantity's suffix"
		number = "unable to parse numeric part of quantity"
	)
	for _, c := range []struct{ text, form, err string }{
		{"", "", form},
		{" ", "", form},
		{"+", "0", ""},
		{"-", "0", ""},
		{".", "0", ""},
		{"+.", "0", ""},
		{"k", "0", ""},
		{"Ki", "0", ""},
		{"n", "0", ""},
		{"Pi", "", number},
		{"Ei", "", number},
		{"e", "", suffix},
		{"E", "0", ""},
		{"e3", "0", ""},
		{"-E", "0", ""},
		{"1e", "", suffix},
		{"1E", "1E", ""},
		{"1E3", "1E3", ""},
		{"1e+", "", suffix},
		{"1e-", "", suffix},
		{"1e3i", "", form},
		{"1kk", "", suffix},
		{"1Kii", "", suffix},
		{"1K", "", suffix},
		{"1ki", "", suffix},
		{"1mi", "", suffix},
		{"1 Gi", "", form},
		{" 1Gi ", "1Gi", ""},
		{"1Gi1", "", suffix},
		{"1,5", "", form},
		{"1_000", "", form},
		{"0x10", "", form},
		{"1.2.3", "", form},
		{"1..", "", form},
		{"--1", "", suffix},
		{"+-1", "", suffix},
		{"1-", "", suffix},
		{"NaN", "", form},
		{"Inf", "", form},
		{"1e1e1", "", form},
		{"1g", "", form},
		{"1t", "", form},
		{"1B", "", form},
		{"1GB", "", form},
		{"１", "", form},
		{".5Gi", "512Mi", ""},
		{"5.Gi", "5.Gi", ""},
		{"-.5m", "-500u", ""},
		{"1p", "", form},
		{"1Gi+", "", suffix},
		{"00001", "00001", ""},
		{"0001.500", "0001.500", ""},
		{"1.e3", "1.e3", ""},
		{"+1", "+1", ""},
		{"+1.5Gi", "1536Mi", ""},
		{"-0.0001m", "-100n", ""},
	} {
		err := Check(c.text)
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: %v, want %s", c.text, err, c.err)
			}
			continue
		}
		if got := Canonical(c.text); got != c.form {
			t.Errorf("%q is %q, want %q", c.text, got, c.form)
		}
	}
}
