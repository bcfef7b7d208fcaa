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

// The form of a value is checked here, by the type of its flag, and its meaning nowhere in this package.
// What is taken and what is refused was asked of kube-apiserver v1.37.2, value by value: a command line
// that starts one of the two must start the other. The words of an error are ours, but where somebody
// may search for upstream's.
//
// Two checks of upstream need more than one value, and stand in Table.Read: a plugin that is both
// enabled and disabled, and feature gates with a component beside others without.

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
	"pair":     func(string) error { return nil },
	"map":      func(string) error { return nil },
	"labels":   checkLabels,
	"level":    checkLevel,
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

// checkInts takes int32 numbers with commas between, and no empty item.
func checkInts(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if _, err := strconv.ParseInt(item, 0, 32); err != nil {
			return cause(err)
		}
	}
	return nil
}

// checkLabels takes key=value with commas between, as pflag does for a map of strings.
func checkLabels(s string) error {
	items := []string{s}
	// With a single = all that follows it is one value, commas among it.
	if strings.Count(s, "=") > 1 {
		var err error
		if items, err = splitList(s); err != nil {
			return err
		}
	}
	for _, item := range items {
		if !strings.Contains(item, "=") {
			return fmt.Errorf("%s must be formatted as key=value", item)
		}
	}
	return nil
}

// checkLevel takes a verbosity: decimal alone, unlike the numbers of other flags, and none below zero.
func checkLevel(s string) error {
	_, err := strconv.ParseUint(s, 10, 31)
	return cause(err)
}

//go:embed names.txt
var names string

// named reports whether names.txt has a name of a kind.
func named(kind, name string) bool { return strings.Contains(names, "\n"+kind+" "+name+"\n") }

// checkGates takes gate=true, or kube:gate=true, with commas between and spaces around each part. All
// gates are of the component kube, which no name before the colon means too.
func checkGates(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		component, gate := splitGate(item)
		name, value, ok := strings.Cut(gate, "=")
		name = strings.TrimSpace(name)
		_, err := strconv.ParseBool(strings.TrimSpace(value))
		switch {
		case component != "" && component != "kube":
			return fmt.Errorf("component not registered: %s", component)
		case !ok:
			return fmt.Errorf("missing bool value for %s", name)
		case !named("gate", name):
			return fmt.Errorf("unrecognized feature gate: %s", name)
		case err != nil:
			return fmt.Errorf("invalid value of %s, err: %w", gate, err)
		}
	}
	return nil
}

// splitGate splits an item of checkGates at its first colon. Without one the component is "".
func splitGate(item string) (component, gate string) {
	component, gate, found := strings.Cut(item, ":")
	if !found {
		component, gate = "", item
	}
	return strings.TrimSpace(component), strings.TrimSpace(gate)
}

// mixedGates reports whether the items of lists name the component kube in some places and leave it out
// in others, which upstream refuses.
func mixedGates(lists []string) bool {
	var with, without bool
	for item := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		if component, gate := splitGate(item); gate != "" {
			with, without = with || component != "", without || component == ""
		}
	}
	return with && without
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

// checkPorts takes one port, from-to, or from+more; nothing is no range, which upstream reads as none set.
func checkPorts(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	// A minus counts before a plus: 1-2+3 is no range of either form.
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
		// The second number was a distance.
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
		// An empty item may stand at the end of a list, and everywhere else.
		if item == "" {
			continue
		}
		if name, level, _ := strings.Cut(item, "="); name == "" || checkLevel(level) != nil {
			return fmt.Errorf("%q is not file=level", item)
		}
	}
	return nil
}

// quantity is the form of a size, as in 64Ki. The digits may be missing: Ki is 0Ki there.
var quantity = regexp.MustCompile(`^[+-]?[0-9]*\.?[0-9]*([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$`)

// checkQuantity takes a quantity of resources, which is never empty.
func checkQuantity(s string) error {
	if s == "" || !quantity.MatchString(s) {
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
