package kubeflags

import (
	"strings"
	"testing"
)

// TestValues: what each type takes and what not, as kube-apiserver v1.37.2 was asked; the text is what
// the problem says of a value that is wrong, and no text that the value is right.
func TestValues(t *testing.T) {
	const (
		syntax   = "invalid syntax"
		big      = "value out of range"
		noIP     = "is no IP address"
		noRange  = "is no range of ports"
		noPorts  = "is not from-to"
		noAmount = "is no quantity"
	)
	for _, tt := range []struct{ typ, value, wrong string }{
		{"string", "", ""},
		{"string", "a=b, \"c\n", ""},
		{"array", "a,b", ""},
		{"pair", "cert,key:domain", ""},

		{"bool", "true", ""},
		{"bool", "T", ""},
		{"bool", "0", ""},
		{"bool", "", syntax},
		{"bool", "yes", syntax},
		{"bool", "tRUE", syntax},
		{"bool", " true", syntax},

		{"int", "-1", ""},
		{"int", "+1", ""},
		{"int", "0x10", ""},
		{"int", "0b1", ""},
		{"int", "010", ""},
		{"int", "1_000", ""},
		{"int", "9999999999", ""},
		{"int", "99999999999999999999", big},
		{"int", "1.0", syntax},
		{"int", "1e3", syntax},
		{"int", " 1", syntax},
		{"int", "", syntax},

		{"level", "0", ""},
		{"level", "007", ""},
		{"level", "2147483647", ""},
		{"level", "2147483648", big},
		{"level", "-1", syntax},
		{"level", "+1", syntax},
		{"level", "0x1", syntax},
		{"level", "1_0", syntax},
		{"level", "", syntax},

		{"float", "1e-3", ""},
		{"float", "NaN", ""},
		{"float", "-inf", ""},
		{"float", "1e400", big},
		{"float", "a", syntax},

		{"duration", "0", ""},
		{"duration", "-5s", ""},
		{"duration", "1h2m3.5s", ""},
		{"duration", "5", `time: missing unit in duration "5"`},
		{"duration", "1h1", `time: missing unit in duration "1h1"`},
		{"duration", "1d", `time: unknown unit "d" in duration "1d"`},
		{"duration", "", `time: invalid duration ""`},

		{"ip", "", ""},
		{"ip", " 10.0.0.1 ", ""},
		{"ip", "::ffff:1.2.3.4", ""},
		{"ip", "010.0.0.1", noIP},
		{"ip", "10.0.0", noIP},
		{"ip", "10.0.0.1:80", noIP},
		{"ip", "fe80::1%eth0", noIP},
		{"ip", "localhost", noIP},

		{"strings", "", ""},
		{"strings", ",", ""},
		{"strings", `"a,b",c`, ""},
		{"strings", "a\nb", ""},
		{"strings", `a"b`, `parse error on line 1, column 2: bare " in non-quoted-field`},
		{"strings", `"a`, `parse error on line 1, column 3: extraneous or missing " in quoted-field`},

		{"ints", "1,-2,0x3", ""},
		{"ints", "", syntax},
		{"ints", "1,", syntax},
		{"ints", "1, 2", syntax},
		{"ints", "2147483648", big},

		{"map", "", ""},
		{"map", "a=b,c,d=", ""},

		{"labels", "a=b", ""},
		{"labels", "=", ""},
		{"labels", "a=b,c=d", ""},
		{"labels", `a="x,y",`, ""},
		{"labels", "a=b,c", ""},
		{"labels", "", " must be formatted as key=value"},
		{"labels", "a", "a must be formatted as key=value"},
		{"labels", "a=1,,b=2", " must be formatted as key=value"},
		{"labels", `a="1",b=2`, `parse error on line 1, column 3: bare " in non-quoted-field`},

		{"gates", "", ""},
		{"gates", " , ", ""},
		{"gates", "AllAlpha=true,,AllBeta=0,", ""},
		{"gates", "kube:AllBeta=true", ""},
		{"gates", " kube : AllBeta = true ", ""},
		{"gates", ":AllBeta=true", ""},
		{"gates", "AllBeta", "missing bool value for AllBeta"},
		{"gates", "Foo=true", "unrecognized feature gate: Foo"},
		{"gates", "allbeta=true", "unrecognized feature gate: allbeta"},
		{"gates", "=true", "unrecognized feature gate: "},
		{"gates", "kube:kube:AllBeta=true", "unrecognized feature gate: kube:AllBeta"},
		{"gates", "other:AllBeta=true", "component not registered: other"},
		{"gates", "AllBeta=yes", `invalid value of AllBeta=yes, err: strconv.ParseBool: parsing "yes": invalid syntax`},
		{"gates", "plugin PodSecurity=true", "unrecognized feature gate: plugin PodSecurity"},

		{"plugins", "", ""},
		{"plugins", "PodSecurity,ServiceAccount", ""},
		{"plugins", `"PodSecurity"`, ""},
		{"plugins", "podsecurity", `plugin "podsecurity" is unknown`},
		{"plugins", "PodSecurity,", `plugin "" is unknown`},
		{"plugins", "AllAlpha", `plugin "AllAlpha" is unknown`},
		{"plugins", "PodSecurity\nplugin ServiceAccount", ""}, // what is behind a line's end is no part of a list
		{"plugins", `a"`, `parse error on line 1, column 2: bare " in non-quoted-field`},

		{"ports", "", ""},
		{"ports", " 80 ", ""},
		{"ports", "0-0", ""},
		{"ports", "30000-32767", ""},
		{"ports", "30000+10", ""},
		{"ports", "65535+0", ""},
		{"ports", "2-1", noRange},
		{"ports", "1+70000", noRange},
		{"ports", "70000", noRange},
		{"ports", "1-2-3", noPorts},
		{"ports", "1-2+3", noPorts},
		{"ports", "30000 - 40000", noPorts},
		{"ports", "-", noPorts},
		{"ports", "-1", noPorts},
		{"ports", "a", noPorts},

		{"pattern", "", ""},
		{"pattern", ",", ""},
		{"pattern", "a*=1,,b=007", ""},
		{"pattern", "[=2147483647", ""},
		{"pattern", "a", `"a" is not file=level`},
		{"pattern", "=1", `"=1" is not file=level`},
		{"pattern", "a=", `"a=" is not file=level`},
		{"pattern", "a=-1", `"a=-1" is not file=level`},
		{"pattern", "a=1=2", `"a=1=2" is not file=level`},
		{"pattern", "a=2147483648", `"a=2147483648" is not file=level`},

		{"quantity", "0", ""},
		{"quantity", "64Ki", ""},
		{"quantity", "-.5n", ""},
		{"quantity", "1.", ""},
		{"quantity", "1E", ""},
		{"quantity", "1e+3", ""},
		{"quantity", "Ki", ""},
		{"quantity", "+.", ""},
		{"quantity", "", noAmount},
		{"quantity", "1K", noAmount},
		{"quantity", "1e", noAmount},
		{"quantity", "1e1.5", noAmount},
		{"quantity", "1.2.3", noAmount},
		{"quantity", "1 ", noAmount},
		{"quantity", "1Ki\n", noAmount},

		{"version", "true", ""},
		{"version", "raw", ""},
		{"version", "F", ""},
		{"version", "RAW", syntax},
		{"version", "", syntax},
	} {
		got := ""
		if err := valueForms[tt.typ](tt.value); err != nil {
			got = err.Error()
		}
		if got != tt.wrong {
			t.Errorf("%s %q: %q, want %q", tt.typ, tt.value, got, tt.wrong)
		}
	}
}

// TestMixedGates: gates with a component beside gates without one, in one list or in several.
func TestMixedGates(t *testing.T) {
	for lists, want := range map[string]bool{
		"":                                    false,
		"AllAlpha=true":                       false,
		"AllAlpha=true,AllBeta=true":          false,
		"kube:AllAlpha=true,kube:AllBeta=1":   false,
		"kube:AllAlpha=true,":                 false,
		"kube:AllAlpha=true| ":                false,
		":AllAlpha=true,AllBeta=true":         false,
		"kube:AllAlpha=true,AllBeta=true":     true,
		"AllBeta=true, kube : AllAlpha=true ": true,
		"kube:AllAlpha=true|AllBeta=true":     true,
		"kube:AllAlpha=true|:AllBeta=true":    true,
	} {
		if got := mixedGates(strings.Split(lists, "|")); got != want {
			t.Errorf("%q: %t", lists, got)
		}
	}
}

// TestNamed: a name counts for its kind alone, and whole.
func TestNamed(t *testing.T) {
	for _, tt := range []struct {
		kind, name string
		want       bool
	}{
		{"gate", "AllAlpha", true},
		{"plugin", "PodSecurity", true},
		{"plugin", "AllAlpha", false},
		{"gate", "PodSecurity", false},
		{"gate", "AllAlph", false},
		{"gate", "lAlpha", false},
		{"gate", "", false},
		{"", "gate AllAlpha", false},
		{"#", "Names", false},
	} {
		if got := named(tt.kind, tt.name); got != tt.want {
			t.Errorf("%s %q: %t", tt.kind, tt.name, got)
		}
	}
}

// TestNames: names.txt is sorted within its two kinds, so that no name stands there twice, and ends with
// a line's end, without which its last name would not be found.
func TestNames(t *testing.T) {
	last, counts := "", map[string]int{}
	for line := range strings.Lines(names) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			t.Errorf("%q is not ended", line)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		kind, name, _ := strings.Cut(line, " ")
		counts[kind]++
		if kind != "gate" && kind != "plugin" || name == "" || strings.ContainsAny(name, " =,:") || line <= last {
			t.Errorf("%q after %q", line, last)
		}
		if !named(kind, name) {
			t.Errorf("%q is not found", line)
		}
		last = line
	}
	if len(counts) != 2 || counts["gate"] < 100 || counts["plugin"] < 30 {
		t.Errorf("so many names: %v", counts)
	}
}

// FuzzValues: no value makes a check panic, and what is wrong is said in words; a list that is right is
// made of items that are right alone.
func FuzzValues(f *testing.F) {
	for _, value := range []string{"", "a,b", "kube:AllBeta=true", `"a,b",c`, "1-2", "1+2", "64Ki", "1h", "::1", "a=1,b=2", "raw", "\n"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for typ, check := range valueForms {
			err := check(value)
			if err != nil && err.Error() == "" {
				t.Errorf("%s %q: an error without words", typ, value)
			}
			if err != nil || typ != "gates" && typ != "ints" && typ != "pattern" {
				continue
			}
			for item := range strings.SplitSeq(value, ",") {
				if err := check(item); err != nil {
					t.Errorf("%s %q is right, and its item %q is not: %v", typ, value, item, err)
				}
			}
		}
	})
}
