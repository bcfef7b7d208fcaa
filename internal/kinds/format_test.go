package kinds

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTimes: times are brought into upstream's form, UTC with the digits that the type has.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		kind     FieldKind
		in, want string // want is "" for what is no time
	}{
		{FieldTime, "2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"},
		{FieldTime, "2024-05-01T12:00:00+00:00", "2024-05-01T12:00:00Z"},
		{FieldTime, "2024-05-01T12:00:00-00:00", "2024-05-01T12:00:00Z"},
		{FieldTime, "2024-05-01T01:30:00+02:00", "2024-04-30T23:30:00Z"},
		{FieldTime, "2024-12-31T23:30:00-05:30", "2025-01-01T05:00:00Z"},
		{FieldTime, "2024-05-01T12:00:00.999Z", "2024-05-01T12:00:00Z"},
		{FieldTime, "2024-05-01T12:00:00.5+02:00", "2024-05-01T10:00:00Z"},
		{FieldTime, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
		{FieldTime, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{FieldTime, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
		{FieldTime, "2023-02-29T00:00:00Z", ""},
		{FieldTime, "2024-05-01T24:00:00Z", ""},
		{FieldTime, "2024-05-01T12:60:00Z", ""},
		{FieldTime, "2024-05-01T12:00:00", ""},
		{FieldTime, "2024-05-01T12:00:00 Z", ""},
		{FieldTime, "2024-05-01 12:00:00Z", ""},
		{FieldTime, "2024-05-01", ""},
		{FieldTime, "2024-13-01T12:00:00Z", ""},
		{FieldTime, "1714564800", ""},
		{FieldTime, "now", ""},
		{FieldTime, "", ""},

		{FieldMicroTime, "2024-05-01T12:00:00.000000Z", "2024-05-01T12:00:00.000000Z"},
		{FieldMicroTime, "2024-05-01T12:00:00.123456Z", "2024-05-01T12:00:00.123456Z"},
		{FieldMicroTime, "2024-05-01T12:00:00.123456+01:00", "2024-05-01T11:00:00.123456Z"},
		{FieldMicroTime, "2024-05-01T12:00:00.000000-00:00", "2024-05-01T12:00:00.000000Z"},
		{FieldMicroTime, "2024-05-01T12:00:00Z", ""},
		{FieldMicroTime, "2024-05-01T12:00:00.123Z", ""},
		{FieldMicroTime, "2024-05-01T12:00:00.1234567Z", ""},
		{FieldMicroTime, "", ""},
	} {
		got, err := canonical(c.kind, c.in)
		switch {
		case c.want == "":
			if err == nil || !strings.HasPrefix(err.Error(), `parsing time "`+c.in+`"`) {
				t.Errorf("%v %q: got %q, %v", c.kind, c.in, got, err)
			}
		case err != nil || got != c.want:
			t.Errorf("%v %q: got %q, %v, want %s", c.kind, c.in, got, err, c.want)
		}
	}
}

// TestTimesStay: the form of a time names the same instant, and is its own form.
func TestTimesStay(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 15))
	for range 2000 {
		zone := time.FixedZone("", 60*(r.IntN(24*60)-12*60))
		at := time.Unix(r.Int64N(4e9), 1000*r.Int64N(1e6)).In(zone)
		for kind, layout := range map[FieldKind]string{FieldTime: time.RFC3339, FieldMicroTime: "2006-01-02T15:04:05.000000Z07:00"} {
			in := at.Format(layout)
			form, err := canonical(kind, in)
			if err != nil || !strings.HasSuffix(form, "Z") {
				t.Fatalf("%s: %q, %v", in, form, err)
			}
			back, err := time.Parse(time.RFC3339Nano, form)
			whole := at
			if kind == FieldTime {
				whole = at.Truncate(time.Second)
			}
			if err != nil || !back.Equal(whole) {
				t.Fatalf("%s became %s, another time (%v)", in, form, err)
			}
			if again, err := canonical(kind, form); err != nil || again != form {
				t.Fatalf("%s: %q, then %q, %v", in, form, again, err)
			}
		}
	}
}

// TestBytes: what the standard library decodes is taken and written as it encodes it, and
// the shortcut for what needs no change says so of just those texts.
func TestBytes(t *testing.T) {
	const alphabet = "AAQQgwyz09+/==\n\r.-_ "
	r, kept := rand.New(rand.NewPCG(64, 0)), 0
	for range 60000 {
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		s := string(b)
		decoded, wantErr := base64.StdEncoding.DecodeString(s)
		want := base64.StdEncoding.EncodeToString(decoded)
		got, err := canonical(FieldBytes, s)
		if (err != nil) != (wantErr != nil) || err == nil && got != want {
			t.Fatalf("%q: got %q, %v, want %q, %v", s, got, err, want, wantErr)
		}
		if is := isCanonicalBase64(s); is != (wantErr == nil && want == s) {
			t.Fatalf("%q: in its form is %v, and Go writes %q, %v", s, is, want, wantErr)
		} else if is {
			kept++
		}
	}
	if kept < 100 {
		t.Errorf("only %d texts were in their form", kept)
	}
}

// TestBytesErrors: the place of the first bad byte is told, as the standard library does.
func TestBytesErrors(t *testing.T) {
	for in, want := range map[string]string{
		"a":        "illegal base64 data at input byte 0",
		"ab":       "illegal base64 data at input byte 0",
		"abc":      "illegal base64 data at input byte 0",
		"abcd?":    "illegal base64 data at input byte 4",
		"ab=c":     "illegal base64 data at input byte 2",
		"=abc":     "illegal base64 data at input byte 0",
		"YQ==YQ==": "illegal base64 data at input byte 4",
		"a-b_":     "illegal base64 data at input byte 1", // that is the alphabet of URLs
	} {
		if _, err := canonical(FieldBytes, in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}

// TestCanonicalLeavesOthers: kinds without a form keep any text, also one that would be
// changed as a time or as bytes.
func TestCanonicalLeavesOthers(t *testing.T) {
	for _, kind := range []FieldKind{FieldString, FieldBool, FieldInt32, FieldInt64, FieldDouble, FieldIntOrString, FieldRaw, FieldMessage} {
		for _, s := range []string{"", "x", "2024-05-01T12:00:00+01:00", "Y\nQ==", " 1Gi"} {
			if got, err := canonical(kind, s); got != s || err != nil {
				t.Errorf("%v %q: got %q, %v", kind, s, got, err)
			}
		}
	}
}

// TestCanonicalAllocates: nothing, for texts in their form, which nearly all are.
func TestCanonicalAllocates(t *testing.T) {
	for kind, s := range map[FieldKind]string{
		FieldBytes:     base64.StdEncoding.EncodeToString([]byte(strings.Repeat("secret", 100))),
		FieldTime:      "2024-05-01T12:00:00Z",
		FieldMicroTime: "2024-05-01T12:00:00.123456Z",
		FieldQuantity:  "1500m",
		FieldString:    "x",
	} {
		if n := testing.AllocsPerRun(50, func() {
			if _, err := canonical(kind, s); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%v: allocates %v times", kind, n)
		}
	}
}

// parseHuman reads a duration back: the least that the text can stand for, and the unit that
// it was cut to.
func parseHuman(s string) (least, unit time.Duration, err error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour}
	for s != "" {
		i := strings.IndexAny(s, "smhdy")
		if i < 0 {
			return 0, 0, fmt.Errorf("%q ends without a unit", s)
		}
		n, err := strconv.Atoi(s[:i])
		if err != nil {
			return 0, 0, err
		}
		unit = units[s[i]]
		least += time.Duration(n) * unit
		s = s[i+1:]
	}
	return least, unit, nil
}

// TestHumanDurationSaysTheTruth: a text never stands for more than the duration, nor for so
// little that a person would be misled, and is short.
func TestHumanDurationSaysTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(24, 60))
	for range 20000 {
		// Durations of all magnitudes, up to some thirty years.
		d := time.Duration(r.Int64N(1 << (30 + r.IntN(31))))
		s := HumanDuration(d)
		least, _, err := parseHuman(s)
		if err != nil || len(s) > 6 {
			t.Fatalf("%v: %q, %v", d, s, err)
		}
		if lost := d - least; lost < 0 || lost >= time.Second && float64(lost) > 0.13*float64(d) {
			t.Fatalf("%v is told as %s, which is %v less", d, s, lost)
		}
	}
}

// TestHumanDurationGrows: what took longer is never told as less.
func TestHumanDurationGrows(t *testing.T) {
	last := time.Duration(0)
	for d := time.Duration(0); d < 10*365*24*time.Hour; d += 1 + d/500 + 300*time.Millisecond {
		least, _, err := parseHuman(HumanDuration(d))
		if err != nil || least < last {
			t.Fatalf("%v is told as %s, and something shorter as %v (%v)", d, HumanDuration(d), last, err)
		}
		last = least
	}
}
