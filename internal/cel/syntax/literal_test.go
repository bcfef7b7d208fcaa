package syntax

import (
	"fmt"
	"testing"
)

// TestNumbers has the values of numbers up to the ends of their ranges.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		form         form
		sign, digits string
		want         any // what it is, or what is wrong with it
	}{
		{formInt, "", "0", int64(0)}, {formInt, "", "007", int64(7)}, {formInt, "", "9223372036854775807", int64(9223372036854775807)},
		{formInt, "-", "9223372036854775808", int64(-9223372036854775808)}, {formInt, "", "9223372036854775808", "invalid int literal"},
		{formInt, "-", "9223372036854775809", "invalid int literal"}, {formInt, "", "0xfF", int64(255)}, {formInt, "-", "0x10", int64(-16)},
		{formInt, "-", "0x8000000000000000", int64(-9223372036854775808)}, {formInt, "", "0x8000000000000000", "invalid int literal"},
		{formUint, "", "0u", uint64(0)}, {formUint, "", "18446744073709551615U", uint64(18446744073709551615)},
		{formUint, "", "18446744073709551616u", "invalid uint literal"}, {formUint, "", "0xffffffffffffffffu", uint64(18446744073709551615)},
		{formUint, "", "0x10000000000000000u", "invalid uint literal"},
		{formDouble, "", "1.5", 1.5}, {formDouble, "-", ".5", -0.5}, {formDouble, "", "1e3", 1000.0}, {formDouble, "", "1E-3", 0.001},
		{formDouble, "", "1e308", 1e308}, {formDouble, "", "1e309", "invalid double literal"}, {formDouble, "-", "1e309", "invalid double literal"},
		{formDouble, "", "1e-400", 0.0},
	} {
		got, err := number(c.form, c.sign, c.digits)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s%s: %v (%T), want %v (%T)", c.sign, c.digits, got, got, c.want, c.want)
		}
	}
}

// TestStrings has the values of strings and of bytes of the same tokens: what stands between the quotes, with escapes where the
// string is not raw. In bytes an escape is a byte, in strings it is a code point.
func TestStrings(t *testing.T) {
	const bad, noRune = "ERROR unable to unescape string", "ERROR invalid unicode code point"
	for _, c := range []struct{ token, text, bytes string }{
		{`""`, "", ""}, {`'a'`, "a", "a"}, {`"'"`, "'", "'"}, {`""""""`, "", ""}, {`'''a''b'''`, "a''b", "a''b"}, {`""" " """`, ` " `, ` " `},
		{`r"\n\"`, `\n\`, `\n\`}, {`R'''a\'''`, `a\`, `a\`}, {`r""`, "", ""},
		{`"\a\b\f\n\r\t\v"`, "\a\b\f\n\r\t\v", "\a\b\f\n\r\t\v"}, {`"\\\"\'\?\` + "`" + `"`, "\\\"'?`", "\\\"'?`"},
		{`"\x41\X7a"`, "Az", "Az"}, {`"\xff"`, "ÿ", "\xff"}, {`"\377\101"`, "ÿA", "\xffA"}, {`"\000"`, "\x00", "\x00"},
		{`"\u00e9\U0001F600"`, "é😀", bad}, {`"\ud800"`, noRune, bad}, {`"\U00110000"`, noRune, bad}, {`"\Uffffffff"`, noRune, bad},
		{`"世"`, "世", "世"}, {"'''a\r\nb\rc\nd'''", "a\nb\nc\nd", "a\nb\nc\nd"}, {"r'''a\r\n'''", "a\n", "a\n"}, {`"\r\n"`, "\r\n", "\r\n"},
	} {
		for _, isBytes := range []bool{false, true} {
			want := c.text
			if isBytes {
				want = c.bytes
			}
			got, err := unquote(c.token, isBytes)
			if err != nil {
				got = fmt.Sprint("ERROR ", err)
			}
			if got != want {
				t.Errorf("%s (bytes %v): %q, want %q", c.token, isBytes, got, want)
			}
		}
	}
}
