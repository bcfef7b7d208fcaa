package strategy

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // what kube-apiserver knows of zones
)

// TestSchedules: what kube-apiserver v1.37.2 says of schedules; "" where it takes them.
func TestSchedules(t *testing.T) {
	for _, tc := range [][2]string{
		{"* * * * *", ""}, {"*/5 * * * *", ""}, {"0 0 1 1 0", ""}, {"? ? ? ? ?", ""}, {"* * ? * MON-FRI", ""},
		{"* * * jan-Mar SUN,mon", ""}, {"\t0 0 * * *", ""}, {"5/15 * * * *", ""}, {"*/99 * * * *", ""}, {"2-4/2 * * * *", ""},
		{"@hourly", ""}, {"@every 1h30m", ""}, {"TZ=UTC 0 0 * * *", ""}, {"TZ= 0 0 * * *", ""}, {"TZ=Europe/Berlin @daily", ""},
		// What no crontab of other programs takes.
		{", * * * *", ""}, {"1,2,,3 * * * *", ""}, {"*-3 * * * *", ""}, {"*-x-y/2 * * * *", ""},
		{"", "empty spec string"},
		{" ", "expected exactly 5 fields, found 0: []"},
		{"* * * *", "expected exactly 5 fields, found 4: [* * * *]"},
		{"* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"},
		{"60 * * * *", "end of range (60) above maximum (59): 60"},
		{"* 24 * * *", "end of range (24) above maximum (23): 24"},
		{"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
		{"* * 32 * *", "end of range (32) above maximum (31): 32"},
		{"* * * 0 *", "beginning of range (0) below minimum (1): 0"},
		{"* * * 13 *", "end of range (13) above maximum (12): 13"},
		{"0 0 1 1 7", "end of range (7) above maximum (6): 7"},
		{"* * * foo *", `failed to parse int from foo: strconv.Atoi: parsing "foo": invalid syntax`},
		{"* * * * fri-mon", "beginning of range (5) beyond end of range (1): fri-mon"},
		{"1-2-3 * * * *", "too many hyphens: 1-2-3"},
		{"5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"},
		{"1-70 * * * *", "end of range (70) above maximum (59): 1-70"},
		{"70/5 * * * *", "beginning of range (70) beyond end of range (59): 70/5"},
		{"1/2/3 * * * *", "too many slashes: 1/2/3"},
		{"*/0 * * * *", "step of range should be a positive number: */0"},
		{"*/-1 * * * *", "negative number (-1) not allowed: -1"},
		{"-1 * * * *", `failed to parse int from : strconv.Atoi: parsing "": invalid syntax`},
		{"2-/2 * * * *", `failed to parse int from : strconv.Atoi: parsing "": invalid syntax`},
		{"*/x * * * *", `failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax`},
		{"99999999999999999999 * * * *",
			`failed to parse int from 99999999999999999999: strconv.Atoi: parsing "99999999999999999999": value out of range`},
		{"@every x", `failed to parse duration @every x: time: invalid duration "x"`},
		{"@every", "unrecognized descriptor: @every"},
		{"@bogus", "unrecognized descriptor: @bogus"},
		{"@Daily", "unrecognized descriptor: @Daily"},
		{"@daily ", "unrecognized descriptor: @daily "},
		{"TZ=0", "invalid schedule format: runtime error: slice bounds out of range [:-1]"},
		{"TZ=UTC ", "expected exactly 5 fields, found 0: []"},
		{"CRON_TZ=Bogus/X 0 0 * * *", "provided bad location Bogus/X: unknown time zone Bogus/X"},
	} {
		got := ""
		if err := scheduleError(tc[0]); err != nil {
			got = err.Error()
		}
		if got != tc[1] {
			t.Errorf("%q: got %q, want %q", tc[0], got, tc[1])
		}
	}
}

// TestZones: what kube-apiserver says of time zones, where a machine adds none.
func TestZones(t *testing.T) {
	const local = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
	for name, want := range map[string][]string{
		"UTC": nil, "Europe/Berlin": nil, "Etc/GMT+5": nil, "Etc/GMT-14": nil, "EST5EDT": nil,
		"America/Argentina/ComodRivadavia": nil, "America/North_Dakota/New_Salem": nil,
		"":      {"timeZone must be nil or non-empty string"},
		"Local": {local},
		"LOCAL": {local, "unknown time zone LOCAL"}, "local": {local, "unknown time zone local"},
	} {
		if got := zoneErrors(name); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Bogus", "europe/berlin", "a//b", "../x", "-a", "x y", "é", "Etc", "abcdefghijklmno", "a/", "/", "."} {
		if got := zoneErrors(name); !slices.Equal(got, []string{"unknown time zone " + name}) {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

// TestZonesLoad: every name in the list is one that Go knows, and the list is sorted. That none is
// missing shows when the list is made anew from lib/time/zoneinfo.zip of a Go release.
func TestZonesLoad(t *testing.T) {
	names := strings.Split(strings.TrimSuffix(zones, "\n"), "\n")
	if len(names) < 590 || !slices.IsSorted(names) {
		t.Errorf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
	for _, name := range names {
		if _, err := time.LoadLocation(name); err != nil || zoneErrors(name) != nil {
			t.Errorf("%s: %v, %v", name, err, zoneErrors(name))
		}
	}
	if knownZone("Europe/Berlin\nEurope/Brussels") {
		t.Error("two lines are one name")
	}
}

// FuzzSchedule: no schedule makes the reader fail, or takes long.
func FuzzSchedule(f *testing.F) {
	f.Add("TZ=UTC 1-2/3,* ? L jan mon")
	f.Fuzz(func(_ *testing.T, s string) { _ = scheduleError(s) })
}
