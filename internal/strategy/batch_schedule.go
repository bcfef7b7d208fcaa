package strategy

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// When a CronJob fires: the schedule and its time zone. Nothing here computes a time, since that is
// kube-controller-manager's work; a schedule is only read as robfig/cron reads it there, so that what
// is stored can fire. Two surprises are upstream's: a field without any element, as a comma alone, is
// taken, and Sunday is 0 and never 7.
//
//	schedule = [ "TZ=" ZONE " " ] ( "@" NAME | "@every " DURATION | MINUTE HOUR DAY MONTH WEEKDAY )
//	field    = element { "," element }
//	element  = ( "*" | "?" | number [ "-" number ] ) [ "/" STEP ]

// cronFields are the bounds of the five fields of a schedule in their order, and the names that stand
// for the numbers from the first one on.
// Minute, hour, day of the month, month, day of the week. Names are written in any case.
var cronFields = [...]struct {
	first, last int
	names       []string
}{
	{0, 59, nil}, {0, 23, nil}, {1, 31, nil},
	{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// scheduleError returns why a schedule can never fire, or nil.
// The error is the text of robfig/cron, which upstream puts into its message; only the first is told.
func scheduleError(s string) error {
	if s == "" {
		return fmt.Errorf("empty spec string")
	}
	// The zone is taken off first; what follows is a schedule like any other.
	if strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ=") {
		zone, rest, found := strings.Cut(s, " ")
		if !found { // upstream's reader panics, and tells of that
			return fmt.Errorf("invalid schedule format: runtime error: slice bounds out of range [:-1]")
		}
		_, zone, _ = strings.Cut(zone, "=")
		if !knownZone(zone) {
			return fmt.Errorf("provided bad location %s: unknown time zone %s", zone, zone)
		}
		s = strings.TrimSpace(rest)
	}
	if strings.HasPrefix(s, "@") {
		return descriptorError(s)
	}
	// Seconds, which that library can read too, are not switched on.
	fields := strings.Fields(s)
	if len(fields) != len(cronFields) {
		return fmt.Errorf("expected exactly %d fields, found %d: %s", len(cronFields), len(fields), fields)
	}
	for i, f := range fields {
		for element := range strings.SplitSeq(f, ",") {
			// A comma more than needed is no error (upstream).
			if element == "" {
				continue
			}
			if err := cronElementError(i, element); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesZone reports whether upstream takes a schedule for one that names its time zone.
// It looks for the letters anywhere, so a schedule that cannot be read may name one too.
func namesZone(s string) bool { return strings.Contains(s, "TZ") }

// descriptorError returns what is wrong with a schedule that is a name.
// Names are written in lower case; any duration that Go reads is one, be it negative.
func descriptorError(s string) error {
	switch s {
	case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
		return nil
	}
	if duration, found := strings.CutPrefix(s, "@every "); found {
		if _, err := time.ParseDuration(duration); err != nil {
			return fmt.Errorf("failed to parse duration %s: %s", s, err)
		}
		return nil
	}
	return fmt.Errorf("unrecognized descriptor: %s", s)
}

// cronElementError returns what is wrong with an element of the field at an index.
// The checks are in the library's order, and the element is shown as a whole.
func cronElementError(i int, element string) error {
	bounds := cronFields[i]
	// RANGE[/STEP], and within RANGE one end or two.
	parts := strings.Split(element, "/")
	ends := strings.Split(parts[0], "-")
	start, end := bounds.first, bounds.last
	// Behind a star nothing is looked at up to the slash (upstream).
	if ends[0] != "*" && ends[0] != "?" {
		var err error
		if start, err = cronNumber(i, ends[0]); err != nil {
			return err
		}
		switch len(ends) {
		// One number is a range of itself, unless a step follows.
		case 1:
			end = start
		case 2:
			if end, err = cronNumber(i, ends[1]); err != nil {
				return err
			}
		default:
			return fmt.Errorf("too many hyphens: %s", element)
		}
	}
	// Looked at after the range, whose error is told rather than the step's.
	step := 1
	switch len(parts) {
	case 1:
	case 2:
		var err error
		if step, err = cronInteger(parts[1]); err != nil {
			return err
		}
		if len(ends) == 1 { // N/STEP goes on to the end
			end = bounds.last
		}
	default:
		return fmt.Errorf("too many slashes: %s", element)
	}
	// Each bound by itself, since a range may be wrong in more than one way and only one is told.
	switch {
	case start < bounds.first:
		return fmt.Errorf("beginning of range (%d) below minimum (%d): %s", start, bounds.first, element)
	case end > bounds.last:
		return fmt.Errorf("end of range (%d) above maximum (%d): %s", end, bounds.last, element)
	case start > end:
		return fmt.Errorf("beginning of range (%d) beyond end of range (%d): %s", start, end, element)
	case step == 0:
		return fmt.Errorf("step of range should be a positive number: %s", element)
	}
	return nil
}

// cronNumber reads a number of the field at an index, or a name that stands for one.
// A field without names knows numbers alone.
func cronNumber(i int, s string) (int, error) {
	for n, name := range cronFields[i].names {
		if strings.ToLower(s) == name {
			return cronFields[i].first + n, nil
		}
	}
	return cronInteger(s)
}

// cronInteger reads an integer that is not negative.
func cronInteger(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("failed to parse int from %s: %s", s, err)
	}
	if n < 0 {
		return 0, fmt.Errorf("negative number (%d) not allowed: %s", n, s)
	}
	return n, nil
}

// zones has the names of the time zones of IANA's database 2025c, one a line and sorted: as much of
// time/tzdata, which kube-apiserver embeds for the same question, as the question needs.
//
//go:embed zones.txt
var zones string

// knownZone reports whether time.LoadLocation finds a zone where nothing but time/tzdata has any.
// Names are told apart by case, as in the database; a name with a line break would match two lines.
func knownZone(name string) bool {
	switch {
	case name == "" || name == "UTC" || name == "Local":
		return true
	case strings.ContainsAny(name, "\n"):
		return false
	}
	return strings.Contains("\n"+zones, "\n"+name+"\n")
}

// zoneErrors returns why the time zone of a CronJob is none, nil if it is one. The parts of a name are looked at
// before it is looked up, as upstream does, where they are names of files.
// A name of the wrong form has one error; one of the right form may have two, for Local is no zone of
// the database either way.
func zoneErrors(name string) (why []string) {
	if name == "" {
		return []string{"timeZone must be nil or non-empty string"}
	}
	// 14 characters is what POSIX allows for a file, and upstream for a part.
	for part := range strings.SplitSeq(name, "/") {
		if part == "." || part == ".." || part == "" || len(part) > 14 || part[0] == '-' || !zoneCharacters(part) {
			return []string{"unknown time zone " + name}
		}
	}
	// It would mean the zone of whichever machine the controller runs on.
	if strings.EqualFold(name, "Local") {
		why = []string{"timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"}
	}
	if !knownZone(name) {
		why = append(why, "unknown time zone "+name)
	}
	return why
}

// zoneCharacters reports whether a part of a name has only characters that one may have.
func zoneCharacters(part string) bool {
	for _, c := range part {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && !(c >= '0' && c <= '9') && !strings.ContainsRune(".-_+", c) {
			return false
		}
	}
	return true
}
