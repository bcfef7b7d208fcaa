package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/schema"
)

// formatTable has, for each format of strings, texts that are of it and texts that are not.
// The formats are those of upstream's list for 1.37; where a rule is surprising the row says
// so. Each is checked under its name, and those with a dash also without it.
var formatTable = []struct {
	format    string
	good, bad []string
}{
	{"bsonobjectid",
		[]string{"507f1f77bcf86cd799439011", "507F1F77BCF86CD799439011", "000000000000000000000000"},
		[]string{"", "507f1f77bcf86cd79943901", "507f1f77bcf86cd7994390111", "507f1f77bcf86cd79943901g"}},
	{"byte",
		[]string{"aGk=", "YWJj", "YQ==", "AAAA", "+/+/", "YWJjZGVm"},
		[]string{"", "a", "aGk", "aGk==", "a-_=", "aGk= ", "====", "YWJj\n"}},
	{"cidr",
		[]string{"10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0", "255.255.255.255/32", "fd00::/8", "::/0", "::1/128", "010.000.0.01/8"}, // leading zeros as in Go before 1.17
		[]string{"", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/-1", "10.0.0.0/a", "256.0.0.0/8", "10.0.0.0/8/8"}},
	{"creditcard",
		[]string{"4111111111111111", "4111-1111-1111-1111", "4111 1111 1111 1111", "371449635398431", "5555555555554444", "6011111111111117", "30569309025904"},
		[]string{"", "4111111111111112", "411111111111111", "1234567812345670", "x"}},
	{"date",
		[]string{"2026-02-28", "2024-02-29", "0001-01-01", "9999-12-31"},
		[]string{"", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "26-01-01", "2026/01/01", "2026-01-01T00:00:00Z", " 2026-01-01"}},
	{"date-time",
		[]string{"2026-02-28T23:59:59Z", "2026-02-28T00:00:00+01:00", "2026-02-28T00:00:00.123456789-08:00", "2026-02-28t00:00:00z", "2024-02-29T12:00:00.0Z"},
		[]string{"", "2026-02-28", "2026-02-28 00:00:00Z", "2026-02-28T00:00:00", "2026-02-28T24:00:00Z", "2026-02-28T00:60:00Z", "2026-02-28T00:00:60Z", "2026-02-30T00:00:00Z", "2026-02-28T0:00:00Z"}},
	{"duration",
		[]string{"1h", "1h30m", "1.5h", "-1h", "0", "22ns", "22 ns", "3 days", "2 weeks", "5 hours", "10 s", "1w", "4 milliseconds", "7 µs"},
		[]string{"", "1", "x", "h", "3 parsecs", "3 months", "years"}},
	{"email",
		[]string{"a@b", "a@b.c", "first.last@example.com", "a+b@example.com", "Name <a@b.c>", `"a b"@example.com`},
		[]string{"", "a", "@b", "a@", "a@@b", "a b@c", "a@b c"}},
	{"hexcolor",
		[]string{"#fff", "fff", "#FFFFFF", "0a1B2c"},
		[]string{"", "#", "#ff", "#ffff", "#fffff", "#ggg", "##fff", "#fffffff"}},
	{"hostname",
		[]string{"a", "localhost", "example.com", "a-b.example.com", "1.example.com", "EXAMPLE.com", "bücher.example.com", "a.b.c.d.ef", "example.london"},
		[]string{"", "-a", ".", "a..b", "a.b-", "a_b.com", "example.c", "example.com.", "a b", strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 127) + "com"}},
	{"ipv4",
		[]string{"0.0.0.0", "10.0.0.1", "255.255.255.255"},
		[]string{"", "10.0.0", "10.0.0.256", "10.0.0.0.1", "::1", "10.0.0.1/8", "a.b.c.d", " 10.0.0.1"}},
	{"ipv6",
		[]string{"::", "::1", "fd00::1", "2001:db8:0:0:0:0:0:1", "2001:DB8::A", "::ffff:1.2.3.4"},
		[]string{"", "10.0.0.1", ":", ":::", "1::2::3", "2001:db8", "g::", "fe80::1%eth0", "::1/128"}},
	{"isbn",
		[]string{"0321751043", "978-0321751041", "9780321751041", "080442957X", "0-321-75104-3"},
		[]string{"", "0321751044", "978-0321751042", "X", "97803217510", "080442957x"}},
	{"isbn10",
		[]string{"0321751043", "0-321-75104-3", "080442957X", "0 321 75104 3"},
		[]string{"", "0321751044", "9780321751041", "X321751043", "032175104"}},
	{"isbn13",
		[]string{"9780321751041", "978-0-321-75104-1", "978 0321751041"},
		[]string{"", "9780321751042", "0321751043", "978032175104X", "97803217510411"}},
	{"k8s-long-name",
		[]string{"a", "a.b", "a-b.c1", "1", strings.Repeat("a", 253), strings.Repeat("a", 64) + ".b"}, // its parts may be long
		[]string{"", "A", "a..b", ".a", "a.", "-a", "a-", "a_b", strings.Repeat("a", 254)}},
	{"k8s-short-name",
		[]string{"a", "a-b", "1a", "a1", strings.Repeat("a", 63)},
		[]string{"", "A", "a.b", "-a", "a-", "a_b", strings.Repeat("a", 64)}},
	{"mac",
		[]string{"01:23:45:67:89:ab", "01-23-45-67-89-AB", "0123.4567.89ab", "01:23:45:67:89:ab:cd:ef"},
		[]string{"", "01:23", "01:23:45:67:89:ag", "01:23:45:67:89"}},
	{"password", []string{"", "x", "secret", "\n"}, nil}, // a word to the reader only
	{"rgbcolor",
		[]string{"rgb(0,0,0)", "rgb(255,255,255)", "rgb(1, 20 ,199)", "rgb( 1,2,3 )"},
		[]string{"", "rgb()", "rgb(1,2)", "rgb(1,2,3,4)", "rgb(256,0,0)", "rgb(-1,0,0)", "rgb(1,2,3", "RGB(1,2,3)", "rgb(00,0,0)", "#fff"}},
	{"ssn",
		[]string{"123-45-6789", "123 45 6789", "123-45 6789"},
		[]string{"", "123456789", "123-45-678", "12-345-6789", "123-45-67890", "abc-de-fghi"}}, // eleven characters
	{"uri",
		[]string{"https://example.com/x?y=z#f", "http://[::1]:80/", "/path", "urn:isbn:0321751043", "mailto:a@b.c", "file:///x"},
		[]string{"", "x", "example.com", "relative/path", "http://%zz", "://x", "http://[::1"}},
	{"uuid",
		[]string{"3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11", "3B5C8F2E-6D14-1F0E-0A77-CC3F5F7A1B11", "3b5c8f2e6d144f0e9a77cc3f5f7a1b11", "00000000-0000-0000-0000-000000000000"},
		[]string{"", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b1", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b111", "g0000000-0000-0000-0000-000000000000", "{3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11}"}},
	{"uuid3",
		[]string{"3b5c8f2e-6d14-3f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-3f0e-0a77-cc3f5f7a1b11", "3B5C8F2E6D143F0E9A77CC3F5F7A1B11"},
		[]string{"", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11"}},
	{"uuid4",
		[]string{"3b5c8f2e-6d14-4f0e-8a77-cc3f5f7a1b11", "3b5c8f2e-6d14-4f0e-Ba77-cc3f5f7a1b11"},
		[]string{"", "3b5c8f2e-6d14-3f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-4f0e-7a77-cc3f5f7a1b11", "3b5c8f2e-6d14-4f0e-ca77-cc3f5f7a1b11"}},
	{"uuid5",
		[]string{"3b5c8f2e-6d14-5f0e-9a77-cc3f5f7a1b11", "3B5C8F2E6D145F0EAA77CC3F5F7A1B11"},
		[]string{"", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-5f0e-0a77-cc3f5f7a1b11"}},
}

// validateText validates one text against a format.
func validateText(t *testing.T, format, text string) string {
	t.Helper()
	s := compile(t, `{"type":"object","properties":{"a":{"type":"string","format":"`+format+`"}}}`)
	return lines(s.Validate(map[string]any{"a": text}, nil))
}

// TestFormats: what is not of a format is of the wrong type, and the format is the type's name.
func TestFormats(t *testing.T) {
	for _, row := range formatTable {
		names := []string{row.format}
		if plain := strings.ReplaceAll(row.format, "-", ""); plain != row.format {
			names = append(names, plain)
		}
		for _, name := range names {
			for _, text := range row.good {
				if got := validateText(t, name, text); got != "" {
					t.Errorf("%s: %q is refused: %s", name, text, got)
				}
			}
			for _, text := range row.bad {
				want := fmt.Sprintf("TypeInvalid a: Invalid value: %q: a in body must be of type %s: %[1]q", text, name)
				if got := validateText(t, name, text); got != want {
					t.Errorf("%s: %q: got %q", name, text, got)
				}
			}
		}
	}
}

// TestFormatMessages: the exact text, which quotes the value twice.
func TestFormatMessages(t *testing.T) {
	for _, row := range []struct{ format, text, want string }{
		{"date", "soon", `TypeInvalid a: Invalid value: "soon": a in body must be of type date: "soon"`},
		{"date-time", "", `TypeInvalid a: Invalid value: "": a in body must be of type date-time: ""`},
		{"datetime", "x", `TypeInvalid a: Invalid value: "x": a in body must be of type datetime: "x"`},
		{"email", `a"b`, `TypeInvalid a: Invalid value: "a\"b": a in body must be of type email: "a\"b"`},
		{"uuid", "é\n", `TypeInvalid a: Invalid value: "é\n": a in body must be of type uuid: "é\n"`},
	} {
		if got := validateText(t, row.format, row.text); got != row.want {
			t.Errorf("%s of %q:\ngot  %s\nwant %s", row.format, row.text, got, row.want)
		}
	}
}

// TestFormatsKnown: every format of the table is known to Warnings, in every way of writing it,
// and a format that is not enforces nothing.
func TestFormatsKnown(t *testing.T) {
	warn := func(rules string) []string { return schema.Warnings(definition(t, fieldA(rules))) }
	for _, row := range formatTable {
		for _, name := range []string{row.format, strings.ReplaceAll(row.format, "-", "")} {
			if got := warn(`"type":"string","format":"` + name + `"`); got != nil {
				t.Errorf("%s: %q", name, got)
			}
			for _, typ := range []string{"integer", "number", "boolean", "object"} {
				if got := warn(`"type":"` + typ + `","format":"` + name + `"`); len(got) != 1 {
					t.Errorf("%s of %s: %q", name, typ, got)
				}
			}
		}
	}
	for _, name := range []string{"DATE", "int32", "float", "binary", "uri-reference", "time", "regex", "json-pointer", "ip"} {
		if got := warn(`"type":"string","format":"` + name + `"`); len(got) != 1 || got[0] != `unrecognized format "`+name+`"` {
			t.Errorf("%s: %q", name, got)
		}
		if got := validateText(t, name, "any text"); got != "" {
			t.Errorf("%s is enforced: %s", name, got)
		}
	}
}

// TestFormatsByPlace: a format of a place that may hold several types says something of texts
// only, and one of another type nothing at all.
func TestFormatsByPlace(t *testing.T) {
	keywordTable(t, []keywordRow{
		{`"x-kubernetes-int-or-string":true,"format":"date"`, `"2026-01-01"`, ""},
		{`"x-kubernetes-int-or-string":true,"format":"date"`, `5`, ""},
		{`"x-kubernetes-int-or-string":true,"format":"date"`, `"x"`, `TypeInvalid @: Invalid value: "x": @ in body must be of type date: "x"`},
		{`"type":"string","anyOf":[{"format":"ipv4"},{"format":"ipv6"}]`, `"10.0.0.1"`, ""},
		{`"type":"string","anyOf":[{"format":"ipv4"},{"format":"ipv6"}]`, `"::1"`, ""},
		{`"type":"string","not":{"format":"uuid"}`, `"x"`, ""},
		{`"type":"string","not":{"format":"uuid"}`, `"3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11"`, `Invalid <nil>: Invalid value: "": "@" must not validate the schema (not)`},
		{`"type":"array","items":{"type":"string","format":"ipv4"}`, `["10.0.0.1","x"]`, `TypeInvalid @[1]: Invalid value: "x": @[1] in body must be of type ipv4: "x"`},
		{`"type":"object","additionalProperties":{"type":"string","format":"ipv4"}`, `{"k":"x"}`, `TypeInvalid @.k: Invalid value: "x": @.k in body must be of type ipv4: "x"`},
		{`"type":"object","format":"date"`, `{}`, ""},
		{`"type":"boolean","format":"date"`, `true`, ""},
		{`"type":"array","items":{"type":"string"},"format":"date"`, `["x"]`, ""},
	})
}
