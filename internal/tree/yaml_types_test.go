package tree

import (
	"math/rand/v2"
	"reflect"
	"regexp"
	"testing"
)

// otherTypes are the plain scalars that readers of YAML 1.1 take for another type, from the
// type repository of yaml.org as its readers have it, and those of 1.2's core schema.
var otherTypes = map[string]*regexp.Regexp{
	"null":     regexp.MustCompile(`^(~|null|Null|NULL|)$`),
	"bool":     regexp.MustCompile(`^(y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`),
	"merge":    regexp.MustCompile(`^(<<|=)$`),
	"binary":   regexp.MustCompile(`^[-+]?0b[01][01_]*$`),
	"octal":    regexp.MustCompile(`^([-+]?0[0-7_]+|0o[0-7]+)$`),
	"decimal":  regexp.MustCompile(`^[-+]?[0-9][0-9_]*$`),
	"hex":      regexp.MustCompile(`^[-+]?0x[0-9a-fA-F][0-9a-fA-F_]*$`),
	"base 60":  regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`),
	"float":    regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)([eE][-+]?[0-9]+)?$`),
	"infinity": regexp.MustCompile(`^[-+]?\.(inf|Inf|INF)$`),
	"nan":      regexp.MustCompile(`^\.(nan|NaN|NAN)$`),
	"date":     regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`),
	"timestamp": regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)` +
		`[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?$`),
}

// TestYAMLOtherTypes: all texts of few characters that types are made of, and random longer
// ones. None that some reader takes for another type is written without quotes; of the
// others most are, and what this package's own reader makes of a plain one is the text.
func TestYAMLOtherTypes(t *testing.T) {
	found, plain := map[string]int{}, 0
	check := func(s string) {
		for name, form := range otherTypes {
			if form.MatchString(s) {
				found[name]++
				if !yamlOtherType(s) {
					t.Errorf("%q is %s to some", s, name)
				}
			}
		}
		if !yamlOtherType(s) {
			plain++
			if v := yamlResolve(s); !reflect.DeepEqual(v, s) {
				t.Errorf("%q without quotes is %v", s, v)
			}
		}
	}
	var all func(s string, left int)
	all = func(s string, left int) {
		check(s)
		if left > 0 {
			for _, c := range "0178_.:-+eEb" {
				all(s+string(c), left-1)
			}
		}
	}
	all("", 4)
	r := rand.New(rand.NewPCG(71, 72))
	parts := []string{"0", "1", "5", "9", "59", "60", "2024", "07", "-", "+", ":", ".", "_", "T", "t", " ", "Z", "e", "E", "0x", "0o", "0b",
		"f", "inf", "nan", "y", "no", "null", "true", "<<", "~"}
	dates := []string{"2024-05-01", "2024-5-1T1:02:03", "2024-05-01 12:00:00.5 +01:00", "0x1F", "0b_1", "1:59", "190:20:30.15", ".NaN",
		"-.INF", "0o17", "+1_0.5e-3", "Yes", "OFF"}
	for range 100_000 {
		s := ""
		if r.IntN(3) == 0 {
			s = dates[r.IntN(len(dates))]
		}
		for range r.IntN(6) {
			s += parts[r.IntN(len(parts))]
		}
		check(s)
	}
	for name := range otherTypes {
		if found[name] == 0 {
			t.Errorf("no text of type %s", name)
		}
	}
	if plain < 20_000 {
		t.Errorf("only %d texts need no quotes", plain)
	}
}

// TestYAMLTimes: dates and numbers to the base 60, and what only looks like them.
func TestYAMLTimes(t *testing.T) {
	for _, tc := range []struct {
		s               string
		date, sixtieths bool
	}{
		{"2024-05-01", true, false}, {"2024-5-1", true, false}, {"0000-00-00", true, false}, {"2024-05-01T12:00:00Z", true, false},
		{"2024-05-01t1", true, false},
		{"2024-05-01 12:00", true, false}, {"2024-05-01 \t 12", true, false},
		{"2024", false, false}, {"2024-05", false, false}, {"2024-05-", false, false}, {"2024--01", false, false}, {"24-05-01", false, false},
		{"2024-05-011", false, false},
		{"2024-005-01", false, false}, {"2024-05-01T", false, false}, {"2024-05-01 ", false, false}, {"2024-05-01x", false, false},
		{"2024-05-01 noon", false, false},
		{"2024-05-01-web", false, false}, {"x024-05-01", false, false}, {"2024-o5-01", false, false},
		{"1:30", false, true}, {"0:0", false, true}, {"190:20:30", false, true}, {"1:5", false, true}, {"1:59:59.5", false, true},
		{"1:30.", false, true},
		{"1:60", false, false}, {"1:30:60", false, false}, {"1:300", false, false}, {"1:", false, false}, {":30", false, false},
		{"1::30", false, false}, {"1:3x", false, false},
		{"1:30.5.5", false, false}, {"1.5:30", false, false}, {"1:30.x", false, false}, {"130", false, false}, {"fe80::1", false, false},
	} {
		if got := yamlTimestamp(tc.s); got != tc.date {
			t.Errorf("%q is a date: %t", tc.s, got)
		}
		if got := yamlSexagesimal(tc.s); got != tc.sixtieths {
			t.Errorf("%q is a number to the base 60: %t", tc.s, got)
		}
	}
}
