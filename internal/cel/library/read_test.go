package library

import (
	"math"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"apichain/internal/cel"
)

// TestSemver: versions, in the order that semver.org gives, and what is wrong with others in upstream's words.
func TestSemver(t *testing.T) {
	ordered := []string{"0.0.1", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0", "1.0.1-rc.1",
		"1.0.1", "1.2.0", "1.10.0", "2.0.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			v, err := parseSemver(a)
			w, err2 := parseSemver(b + "+build." + a)
			if err != nil || err2 != nil {
				t.Fatal(a, b, err, err2)
			}
			want := map[bool]int{true: -1, false: 1}[i < j]
			if i == j {
				want = 0
			}
			if got := v.compare(w); got != want {
				t.Errorf("%s and %s compare as %d, want %d", a, b, got, want)
			}
			if v.String() != a || w.String() != b {
				t.Errorf("%s is %s, %s is %s", a, v, b, w)
			}
		}
	}
	for s, want := range map[string]string{
		"": "Version string empty", "1.2": "No Major.Minor.Patch elements found", "a.2.3": `Invalid character(s) found in major number "a"`,
		"1.b.3": `Invalid character(s) found in minor number "b"`, "1.2.c": `Invalid character(s) found in patch number "c"`,
		"01.2.3": `Major number must not contain leading zeroes "01"`, "1.02.3": `Minor number must not contain leading zeroes "02"`,
		"1.2.03": `Patch number must not contain leading zeroes "03"`, ".2.3": `strconv.ParseUint: parsing "": invalid syntax`,
		"1.2.3-": "Prerelease is empty", "1.2.3-a..b": "Prerelease is empty", "1.2.3-é": `Invalid character(s) found in prerelease "é"`,
		"1.2.3-01": `Numeric PreRelease version must not contain leading zeroes "01"`, "1.2.3+": "Build meta data is empty",
		"1.2.3+a_b":                    `Invalid character(s) found in build meta data "a_b"`,
		"18446744073709551616.0.0":     `strconv.ParseUint: parsing "18446744073709551616": value out of range`,
		"1.0.0-18446744073709551616.a": `strconv.ParseUint: parsing "18446744073709551616": value out of range`,
	} {
		if v, err := parseSemver(s); err == nil || err.Error() != want {
			t.Errorf("%q is %v, %v; want %s", s, v, err, want)
		}
	}
	for s, want := range map[string]string{"v1.2.3": "1.2.3", "1": "1.0.0", "v01.002": "1.2.0", "00.0.0": "0.0.0", "1.2.3-rc": "1.2.3-rc", "v1.2.03-01x": "1.2.3-01x",
		"": "", "1.2-rc": "", "1-a": "", "vv1": ""} {
		v, err := readSemver(s, true)
		if (err == nil) != (want != "") || err == nil && v.String() != want {
			t.Errorf("%q is normalized as %v, %v; want %q", s, v, err, want)
		}
	}
}

// FuzzSemver: what is read is written as it was, but for the build, and is equal to itself alone in its form.
func FuzzSemver(f *testing.F) {
	for _, s := range []string{"1.2.3", "v1", "1.2.3-rc.1+b", "01.0.0", "1.2.3-", "9.9.9-99999999999999999999", "1.2.3+a+b", "..-"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, normalize bool) {
		v, err := readSemver(s, normalize)
		if err != nil {
			return
		}
		again, err := parseSemver(v.String())
		if err != nil || again.compare(v) != 0 {
			t.Fatalf("%q is %s, which is %v, %v", s, v, again, err)
		}
		if before, _, _ := strings.Cut(s, "+"); !normalize && v.String() != before {
			t.Fatalf("%q is written %s", s, v)
		}
	})
}

// TestNumbersOfFormat: numbers as upstream's printer has them, whose odd sides are kept.
func TestNumbersOfFormat(t *testing.T) {
	for _, c := range []struct {
		f          float64
		digits     int
		fixed, sci string
	}{
		{0, 6, "0.000000", "0.000000×10⁰⁰"},
		{math.Copysign(0, -1), 2, "0.00", "0.000000×10⁰⁰"},
		{1052.032911275, 3, "1,052.033", "1.052033×10⁰³"},
		{-1234567.891, 1, "-1,234,567.9", "-1.234568×10⁰⁶"},
		{-1e-9, 2, "-0.00", "-1.000000×10⁻⁰⁹"},
		{2.5, 0, "2", "2.500000×10⁰⁰"},
		{1e21, 0, "1,000,000,000,000,000,000,000", "1.000000×10²¹"},
		{9.9999999e99, 14, "9,999,999,899,999,999,954,427,585,152,075,029,204,561,842,497,637,163,323,233,151,668,946,553,936,912,273,371,007,084,342,152,265,728.00000000000000",
			"1.000000×10¹⁰⁰"},
		{5e-324, 15, "0.000000000000000", " 4.940656×10⁻³²⁴"[1:]},
		{1.5, 20, "1.50000000000000000000", "       1.500000×10⁰⁰"},
		{math.NaN(), 6, "NaN", "   NaN"},
		{math.Inf(1), 6, "∞", "     ∞"},
		{math.Inf(-1), 0, "-∞", "-∞"},
		{0.5, 256 + 2, "0.50", ""},
		{0.5, 99_999_999, noVerb, noVerb},
	} {
		if got := fixed(c.f, c.digits); got != c.fixed {
			t.Errorf("%%.%df of %v is %q, want %q", c.digits, c.f, got, c.fixed)
		}
		if c.sci == "" {
			continue
		}
		if got := scientific(c.f, c.digits); got != c.sci {
			t.Errorf("%%.%de of %v is %q, want %q", c.digits, c.f, got, c.sci)
		}
	}
}

// TestFormatErrors: the same errors for literals while an expression is checked, and while it runs.
func TestFormatErrors(t *testing.T) {
	env := testEnv(Stored())
	for format, want := range map[string]string{
		"'%d'.format(['a'])":            "decimal clause can only be used on integers, was given string",
		"'%f'.format([1])":              "fixed-point clause can only be used on doubles, was given int",
		"'%e'.format([true])":           "scientific clause can only be used on doubles, was given bool",
		"'%b'.format([1.5])":            "only integers and bools can be formatted as binary, was given double",
		"'%x'.format([1.5])":            "only integers, byte buffers, and strings can be formatted as hex, was given double",
		"'%o'.format(['7'])":            "octal clause can only be used on integers, was given string",
		"'%s'.format([ip('::1')])":      "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given net.IP",
		"'%q'.format([1])":              `could not parse formatting clause: unrecognized formatting clause "q"`,
		"'%.'.format([1])":              "could not parse formatting clause: error while parsing precision: could not find end of precision specifier",
		"'%.x'.format([1])":             `error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax`,
		"'%s'.format([])":               "index 0 out of range",
		"'a%'.format([1])":              "unexpected end of string",
		"'%s'.format([1, 2])":           "too many arguments supplied to string.format (expected 1, got 2)",
		"'%s'.format([[ip('::1')]])":    "was given net.IP",
		"'%s'.format([{1: ip('::1')}])": "was given net.IP",
	} {
		if _, err := env.Check(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is checked as %v, want %s", format, err, want)
		}
		// The same as variables, of which nothing is known: what is too many is nothing then, and what is within says less.
		v, _ := eval(env, strings.Replace(format, ".format([", ".format(dyn([", 1)+")")
		if strings.Contains(want, "too many") {
			if v.Str() != "1" {
				t.Errorf("%s is %v", format, v)
			}
		} else if v.Err() == nil || !strings.Contains(v.Err().Error(), want) && !strings.Contains(v.Err().Error(), "no formatting function for net.IP") {
			t.Errorf("%s is %v, want %s", format, v, want)
		}
	}
}

// FuzzFormat: any format ends with a text or an error, in which there is as much as there may be.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"%s", "%d and %.3f", "%.99999999999e", "%%%x", "%", "%.", "é%X", "%b%o%e"} {
		f.Add(s, int64(-7), 2.5, "text")
	}
	f.Fuzz(func(t *testing.T, text string, i int64, d float64, s string) {
		args := []cel.Value{cel.IntOf(i), cel.DoubleOf(d), cel.StringOf(s), cel.True, cel.ListValue([]cel.Value{cel.StringOf(s), cel.DoubleOf(d)})}
		for range len(args) {
			v := format(cel.StringOf(text), cel.ListValue(args))
			if v.Kind() != cel.String && v.Kind() != cel.Error {
				t.Fatalf("%q is %v", text, v)
			}
			if len(v.Str()) > len(text)*70000+10*len(s)+5000 {
				t.Fatalf("%q has %d bytes", text, len(v.Str()))
			}
			args = append(args[1:], args[0])
		}
	})
}

// FuzzRead: everything that reads strings ends, agrees with itself, and reads what it wrote.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "::1", "fe80::1%a", "10.0.0.0/8", "https://a.b:80/c?d=e#f", "/p", "a-b.c", "x/y", "2021-01-01T00:00:00Z", "%zz", strings.Repeat("0", 253) + "A/"} {
		f.Add(s)
	}
	library := formats()
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := parseIP(s); err == nil {
			if again, err := parseIP(a.String()); err != nil || again != a {
				t.Fatalf("%q is %s, which is %v, %v", s, a, again, err)
			}
		}
		if n, err := parseCIDR(s); err == nil {
			if again, err := parseCIDR(n.String()); err != nil || again != n || !containsCIDR(cel.OpaqueValue(CIDRType, network{n}), cel.OpaqueValue(CIDRType, network{n})).Bool() {
				t.Fatalf("%q is %s, which is %v, %v", s, n, again, err)
			}
		}
		if u, err := parseURL(s); (err == nil) != isURL(cel.StringOf(s)).Bool() && err == nil {
			t.Fatalf("%q is %s and no URL", s, u)
		} else if err == nil && query(u).Len() != len(u.Query()) {
			t.Fatalf("%q has %d parameters", s, query(u).Len())
		}
		for _, format := range library {
			if errs := format.check(s); len(errs) > 4 {
				t.Fatalf("%s says of %q: %q", format, s, errs)
			}
		}
	})
}

// TestPlaces: strings are counted in code points, whatever their bytes.
func TestPlaces(t *testing.T) {
	const s = "aé€😀éb"
	runes := []rune(s)
	for i := -2; i <= len(runes)+2; i++ {
		v := charAt(cel.StringOf(s), cel.IntOf(int64(i)))
		switch {
		case i < 0 || i > len(runes):
			if v.Err() == nil {
				t.Errorf("charAt(%d) is %v", i, v)
			}
		case i == len(runes):
			if v.Str() != "" {
				t.Errorf("charAt(%d) is %v", i, v)
			}
		case v.Str() != string(runes[i]):
			t.Errorf("charAt(%d) is %v", i, v)
		}
		for j := i; j <= len(runes)+2; j++ {
			part := substring(s, int64(i), int64(j))
			if i < 0 || j > len(runes) {
				if part.Err() == nil {
					t.Errorf("substring(%d, %d) is %v", i, j, part)
				}
				continue
			}
			if part.Str() != string(runes[i:j]) {
				t.Errorf("substring(%d, %d) is %v", i, j, part)
			}
			if at := search(s, part.Str(), int64(i)); at.Int() != int64(i) {
				t.Errorf("%q is found at %v from %d on", part, at, i)
			}
			if at := searchBack(s, part.Str(), int64(i)); at.Int() != int64(i) {
				t.Errorf("%q is found back at %v from %d", part, at, i)
			}
		}
	}
	if at := searchLast(cel.StringOf(s), cel.StringOf("é")); at.Int() != 4 {
		t.Errorf("the last é is at %v", at)
	}
}

// TestOwned: values of libraries are equal to their like alone; anything else is no such overload, and sizes are bytes or 1.
func TestOwned(t *testing.T) {
	u, err := url.Parse("/a")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := readSemver("1.2.3", false)
	owned := []cel.Value{addressValue(netip.MustParseAddr("::1")), cel.OpaqueValue(CIDRType, network{netip.MustParsePrefix("10.0.0.0/9")}),
		cel.OpaqueValue(URLType, location{u}), cel.OpaqueValue(SemverType, n), cel.OpaqueValue(FormatType, formats()[0]), cel.OpaqueValue(QuantityType, amount{})}
	sizes := []uint64{16, 2, 1, 1, 1, 1}
	for i, a := range owned {
		if a.Size() != sizes[i] {
			t.Errorf("%v has size %d", a, a.Size())
		}
		for j, b := range owned {
			if v := cel.Equal(a, b); i == j && !v.Bool() || i != j && (v.Err() == nil || v.Err().Error() != "no such overload") {
				t.Errorf("%v == %v is %v", a, b, v)
			}
		}
	}
	for _, a := range []cel.Value{AuthorizerValue(rights{}), ResourceValue(rights{}, Attributes{Resource: "pods"})} {
		if v := cel.Equal(a, a); v.Err() == nil || a.Size() != 1 {
			t.Errorf("%v == itself is %v", a, v)
		}
	}
	if d := ask(ResourceValue(rights{}, Attributes{Resource: "pods"}), cel.StringOf("get")); d.Type() != DecisionType || cel.Equal(d, d).Err() == nil || d.Size() != 1 {
		t.Errorf("the answer is %v", d)
	}
}

// sized is an argument of which the length is known.
type sized struct{ cel.Range }

func (s sized) Type() *cel.Type      { return cel.StringType }
func (s sized) Size() cel.Range      { return s.Range }
func (s sized) Known() bool          { return true }
func (s sized) Item() cel.Node       { return nil }
func (s sized) Literal() (any, bool) { return nil, false }

// TestReplaceSize: how long upstream takes the result of replace for.
func TestReplaceSize(t *testing.T) {
	exactly := func(n uint64) cel.Range { return cel.Exactly(n) }
	for _, c := range []struct{ text, old, with, want cel.Range }{
		{exactly(3), exactly(0), exactly(1), exactly(7)}, // _a_b_c_
		{exactly(3), exactly(1), exactly(0), cel.Range{Min: 0, Max: 3}},
		{exactly(4), exactly(2), exactly(4), cel.Range{Min: 4, Max: 8}},
		{exactly(4), cel.Range{Min: 0, Max: 1}, cel.Range{Min: 0, Max: 2}, cel.Range{Min: 0, Max: 14}},
		{exactly(4), exactly(1), cel.Range{Min: 1, Max: 2}, cel.Range{Min: 4, Max: 8}},
		{exactly(4), cel.Range{Min: 1, Max: 2}, exactly(1), cel.Range{Min: 2, Max: 4}},
		{cel.UnknownRange(), cel.UnknownRange(), cel.UnknownRange(), cel.Range{Min: 0, Max: math.MaxUint64}},
	} {
		cost, size := mayReplace([]cel.Node{sized{c.text}, sized{c.old}, sized{c.with}})
		if *size != c.want || cost != c.text.Scale(0.2) {
			t.Errorf("%v with %v for %v has %v for %v, want %v", c.text, c.with, c.old, *size, cost, c.want)
		}
	}
}
