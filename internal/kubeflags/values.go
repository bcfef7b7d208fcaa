package kubeflags

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// valueForms holds, by the type of a flag, the check of a value's form. A value of a flag without any
// effect is checked as well: who misspells one learns of it here as there.
var valueForms = map[string]func(string) error{
	"string":   func(string) error { return nil },
	"array":    func(string) error { return nil },
	"bool":     func(s string) error { _, err := strconv.ParseBool(s); return cause(err) },
	"int":      func(s string) error { _, err := strconv.ParseInt(s, 0, 64); return cause(err) },
	"float":    func(s string) error { _, err := strconv.ParseFloat(s, 64); return cause(err) },
	"duration": func(s string) error { _, err := time.ParseDuration(s); return err },
	"ip":       checkIP,
	"strings":  func(s string) error { _, err := splitList(s); return err },
	"ints":     checkInts,
	"pair":     func(s string) error { return nil },
	"map":      checkPairs,
	"gates":    checkGates,
	"plugins":  checkPlugins,
	"ports":    checkPorts,
	"pattern":  checkPattern,
	"quantity": checkQuantity,
	"version":  checkVersion,
}

// cause returns the reason of an error of strconv, without the text that it was about: who reports a
// value quotes it.
func cause(err error) error {
	var e *strconv.NumError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// splitList reads commas as pflag does: a record of CSV, so that a quoted item may hold one.
func splitList(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	return csv.NewReader(strings.NewReader(s)).Read()
}

// checkIP takes no address for unset, as pflag does.
func checkIP(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	// Zones are refused: the address is written into objects.
	if a, err := netip.ParseAddr(s); err != nil || a.Zone() != "" {
		return errors.New("is no IP address")
	}
	return nil
}

func checkInts(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if _, err := strconv.ParseInt(item, 0, 32); err != nil {
			return cause(err)
		}
	}
	return nil
}

// checkPairs takes key=value with commas between; empty items are dropped, as there.
func checkPairs(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if item != "" && !strings.Contains(item, "=") {
			return fmt.Errorf("%q is not key=value", item)
		}
	}
	return nil
}

//go:embed names.txt
var names string

// named reports whether names.txt has a name of a kind.
func named(kind, name string) bool { return strings.Contains(names, "\n"+kind+" "+name+"\n") }

// checkGates takes gate=true, or kube:gate=true, with commas between.
func checkGates(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
		if component, gate, found := strings.Cut(name, ":"); found {
			if component != "kube" {
				return fmt.Errorf("component not registered: %s", component)
			}
			name = gate
		}
		_, err := strconv.ParseBool(value)
		switch {
		case item == "":
		case !named("gate", name):
			return fmt.Errorf("unrecognized feature gate: %s", name)
		case !ok || err != nil:
			return fmt.Errorf("%q is not gate=true or gate=false", item)
		}
	}
	return nil
}

// IsPlugin reports whether upstream has an admission plugin of that name.
func IsPlugin(name string) bool { return named("plugin", name) }

// checkPlugins takes names of admission plugins with commas between.
func checkPlugins(s string) error {
	items, err := splitList(s)
	for _, name := range items {
		if !IsPlugin(name) {
			return fmt.Errorf("plugin %q is unknown", name)
		}
	}
	return err
}

// checkPorts takes one port, from-to, or from+more.
func checkPorts(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	from, to, between := strings.Cut(s, "-")
	more := false
	if !between {
		from, to, more = strings.Cut(s, "+")
	}
	if !between && !more {
		to = from
	}
	low, err := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if err = errors.Join(err, err2); err != nil {
		return errors.New("is not from-to")
	}
	if more {
		high += low
	}
	if low < 0 || high > 65535 || high < low {
		return errors.New("is no range of ports")
	}
	return nil
}

// checkPattern takes file=level with commas between.
func checkPattern(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		name, level, ok := strings.Cut(item, "=")
		if item == "" {
			continue
		}
		if n, err := strconv.Atoi(level); !ok || name == "" || err != nil || n < 0 {
			return fmt.Errorf("%q is not file=level", item)
		}
	}
	return nil
}

// quantity is the form of a size, as in 64Ki.
var quantity = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$`)

func checkQuantity(s string) error {
	if !quantity.MatchString(s) {
		return errors.New("is no quantity")
	}
	return nil
}

// checkVersion takes a bool or raw. Upstream also takes a version of its own to pretend to be, which
// means nothing for a version that others gave.
func checkVersion(s string) error {
	if s == "raw" {
		return nil
	}
	_, err := strconv.ParseBool(s)
	return cause(err)
}
