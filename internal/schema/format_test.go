package schema

import (
	"strings"
	"testing"
)

// TestStringFormats: for each format texts that are of it and texts that are not.
func TestStringFormats(t *testing.T) {
	for format, texts := range map[string][2]string{
		"bsonobjectid":   {"507f1f77bcf86cd799439011", "507f1f77bcf86cd79943901 x"},
		"byte":           {"aGk= YWJj", "a aGk a===="},
		"cidr":           {"10.0.0.0/8 fd00::/8 010.0.0.0/8", "10.0.0.0 10.0.0.0/33 x/1 256.0.0.0/8"},
		"creditcard":     {"4111111111111111 4111-1111-1111-1111 371449635398431", "4111111111111112 1"},
		"date":           {"2026-02-28", "2026-02-30 26-1-1 2026-02-28T00:00:00Z"},
		"date-time":      {"2026-02-28T23:59:59Z 2026-02-28t00:00:00.123+01:00", "2026-02-28T24:00:00Z 2026-02-28 T 2026-02-28T00:60:00Z 2026-02-28T00:00:00"},
		"datetime":       {"2026-02-28T23:59:59Z", "x"},
		"duration":       {"1h30m 22ns 3days 2weeks 5hr", "1 x 3parsecs 99999999999999999999days"},
		"email":          {"a@b.c", "a @ a@"},
		"hexcolor":       {"#fff #FFFFFF abc", "#ffff #ggg"},
		"hostname":       {"example.com a localhost", "-a a..b " + strings.Repeat("a.", 150) + "com " + strings.Repeat("a", 64) + ".com"},
		"ipv4":           {"01.2.3.4 ::ffff:1.2.3.4 ::ffff:01.2.3.4 10.0.0.1", "10.0.0 ::1"},
		"ipv6":           {"::1 fd00::1", "10.0.0.1 x"},
		"isbn":           {"0321751043 978-0321751041 080442957X", "0321751044 978-0321751042 X"},
		"isbn10":         {"0321751043", "978-0321751041 X321751043"},
		"isbn13":         {"9780321751041", "0321751043 978032175104X"},
		"k8s-long-name":  {"a.b.c a", "a..b A -a " + strings.Repeat("a", 254)},
		"k8s-short-name": {"a a-b 1", "a.b A " + strings.Repeat("a", 64)},
		"mac":            {"01:23:45:67:89:ab", "01:23"},
		"password":       {"anything", ""},
		"rgbcolor":       {"rgb(255,0,12)", "rgb(256,0,0) rgb(1,2)"},
		"ssn":            {"123-45-6789", "123456789 123-45-678x"},
		"uri":            {"https://x/y /path urn:x", "x"},
		"uuid":           {"3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11 3B5C8F2E6D144F0E9A77CC3F5F7A1B11", "3b5c8f2e x"},
		"uuid3":          {"3b5c8f2e-6d14-3f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11"},
		"uuid4":          {"3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-3f0e-9a77-cc3f5f7a1b11 3b5c8f2e-6d14-4f0e-7a77-cc3f5f7a1b11"},
		"uuid5":          {"3b5c8f2e-6d14-5f0e-9a77-cc3f5f7a1b11", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11"},
	} {
		s := schemaOf(t, specSchema(`"a":{"type":"string","format":"`+format+`"}`))
		for i, list := range texts {
			for text := range strings.FieldsSeq(list) {
				errs := s.Validate(map[string]any{"spec": map[string]any{"a": text}}, nil)
				want := ""
				if i == 1 {
					want = `(type) spec.a: Invalid value: "` + text + `": spec.a in body must be of type ` + format + `: "` + text + `"`
				}
				if got := shown(errs); got != want {
					t.Errorf("%s: %q: got %q, want %q", format, text, got, want)
				}
			}
		}
	}
}

// TestFormatsByType: a format is known only for its type, and what is not known is not
// enforced.
func TestFormatsByType(t *testing.T) {
	for _, row := range []struct {
		types  schemaTypes
		format string
		want   bool
	}{
		{typeString, "date", true}, {typeString, "strange", false}, {typeString, "int32", false}, {0, "uuid", true}, {typeInteger | typeString, "int32", false},
		{typeInteger, "int32", true}, {typeInteger, "int64", true}, {typeInteger, "double", false}, {typeNumber, "double", true}, {typeNumber, "float", true}, {typeNumber, "int32", false},
		{typeBoolean, "date", false}, {typeObject, "date", false}, {typeArray, "byte", false},
	} {
		if got := formatKnown(row.types, row.format); got != row.want {
			t.Errorf("%s of %s: %v", row.format, row.types, got)
		}
	}
	s := schemaOf(t, specSchema(`"a":{"type":"string","format":"strange"},"n":{"type":"number","format":"float"}`))
	if got := shown(s.Validate(objectOf(t, `{"spec":{"a":"x","n":1e30}}`), nil)); got != "" {
		t.Error(got)
	}
	if got := shown(s.Validate(objectOf(t, `{"spec":{"n":1e39}}`), nil)); got != `<nil>: Invalid value: "": Checked value must be of type number with format float in spec.n` {
		t.Error(got)
	}
}
