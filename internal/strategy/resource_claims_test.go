package strategy

import (
	_ "embed"
	"strings"
	"testing"

	"apichain/internal/tree"
)

//go:embed testdata/devices.txt
var deviceAnswers string

// TestDeviceAnswers: claims, classes, slices and taints of devices are judged as the real server judges them.
func TestDeviceAnswers(t *testing.T) { checkAnswers(t, deviceAnswers, 60) }

// TestRequestDefaults: one device is wanted unless something else is said.
func TestRequestDefaults(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{``, `"allocationMode":"ExactCount","count":1`},
		{`"count":3`, `"allocationMode":"ExactCount","count":3`},
		{`"allocationMode":"All"`, `"allocationMode":"All"`},
		{`"derivedAttributes":[{"name":"a","expression":"1"}]`, `"allocationMode":"ExactCount","count":1`},
		{`"tolerations":[{"key":"a"}]`, `"allocationMode":"ExactCount","count":1,"tolerations":[{"key":"a","operator":"Equal"}]`},
	} {
		class := `{"deviceClassName":"c",`
		sent, want := strings.Replace(class+c.sent+`}`, ",}", "}", 1), objectForTest(t, class+c.want+`}`)
		claim := objectForTest(t, `{"spec":{"devices":{"requests":[{"name":"a","exactly":`+sent+`}]}}}`)
		shapeForTest(t, tableForTest(t), "resource.k8s.io/v1 ResourceClaim").SetDefaults(claim)
		requests := tree.List(claim, "spec", "devices", "requests")
		if got := tree.At(requests[0], "exactly"); !tree.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", sent, got, want)
		}
	}
}

// TestTaintTime: a taint has been there since it was added, and with another effect since that changed, unless the
// client says when.
func TestTaintTime(t *testing.T) {
	rule := func(effect, added string) map[string]any {
		obj := objectForTest(t, `{"spec":{"taint":{"key":"a","effect":"`+effect+`"}}}`)
		if added != "" {
			tree.Set(obj, added, "spec", "taint", "timeAdded")
		}
		shapeForTest(t, tableForTest(t), "resource.k8s.io/v1 DeviceTaintRule").SetDefaults(obj)
		return obj
	}
	const past, other = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
	if added := tree.Text(rule("None", ""), "spec", "taint", "timeAdded"); added <= other {
		t.Errorf("added at %q", added)
	}
	for _, c := range []struct {
		effect, added string
		kept          bool
	}{{"None", past, true}, {"NoSchedule", past, false}, {"NoSchedule", other, true}} {
		obj := rule(c.effect, c.added)
		prepareTaintRule(obj, rule("None", past))
		if got := tree.Text(obj, "spec", "taint", "timeAdded"); (got == c.added) != c.kept {
			t.Errorf("%v: %s", c, got)
		}
	}
	prepareTaintRule(rule("None", past), nil)
}

// TestGoneDevices: what a driver says of a device goes with the device, and stays where it never was given, for the
// rules to refuse.
func TestGoneDevices(t *testing.T) {
	const device = `{"driver":"a.b","pool":"p","device":"d"}`
	given := `{"status":{"allocation":{"devices":{"results":[` + device + `]}},"devices":[` + device + `]}}`
	for _, c := range []struct{ old, obj, want string }{
		{given, given, `[` + device + `]`},
		{given, `{"status":{"devices":[` + device + `]}}`, `null`},
		{given, `{"status":{"devices":[` + device + `,{"driver":"x"}]}}`, `[{"driver":"x"}]`},
		{`{}`, `{"status":{"devices":[` + device + `]}}`, `[` + device + `]`},
		{given, `{}`, `null`},
	} {
		obj := objectForTest(t, c.obj)
		prepareGiven(obj, objectForTest(t, c.old))
		want := objectForTest(t, `{"want":`+c.want+`}`)["want"]
		if got := tree.At(obj, "status", "devices"); !tree.Equal(got, want) {
			t.Errorf("%s after %s: got %v, want %s", c.obj, c.old, got, c.want)
		}
	}
}

// TestDriverWarnings: names of drivers are in lower case.
func TestDriverWarnings(t *testing.T) {
	for driver, want := range map[string]int{"a.b": 0, "": 0, "A.b": 1} {
		if got := deviceDriverWarnings(map[string]any{"spec": map[string]any{"driver": driver}}, nil); len(got) != want {
			t.Errorf("%q: %q", driver, got)
		}
	}
}

// TestVersions: a version is a semantic one.
func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"1.2.3": true, "0.0.0": true, "10.20.30": true, "1.0.0-alpha": true, "1.0.0-alpha.1": true, "1.0.0-0.3.7": true,
		"1.0.0+build.01": true,
		"1.0.0-a+b":      true, "1.0.0-a-b": true, "1.0.0--": true, "1.0.0-0a": true, "1.0.0+a-b": true,
		"": false, "1": false, "1.2": false, "1.2.3.4": false, "01.2.3": false, "1.02.3": false, "1.2.3-": false, "1.2.3+": false,
		"1.2.3-01":   false,
		"1.2.3-a..b": false, "1.2.3+a..b": false, "v1.2.3": false, "1.2.3 ": false, "1.2.3-é": false, "1.2.x": false, "1.2.3+a+b": false,
	} {
		if isVersion(version) != want {
			t.Errorf("%q: %t", version, !want)
		}
	}
}
