package tree

import "strings"

// yamlOtherType reports whether s without quotes is no string to some reader of YAML 1.1 or
// 1.2: nothing, null, a boolean, a number, a time, a merge key. It errs on the safe side:
// quotes around a string that would have been one without them harm nobody. What it lets
// pass is what people write all day: names, versions (1.2.3), quantities (100Mi), times
// without a date's form (5m), addresses.
func yamlOtherType(s string) bool {
	if s == "" {
		return true
	}
	// No word is longer than false, and most texts are.
	if len(s) <= 5 {
		switch strings.ToLower(s) {
		case "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=":
			return true
		}
	}
	// All other types begin with a digit or a dot, behind a sign if any.
	unsigned := s
	if s[0] == '+' || s[0] == '-' {
		unsigned = strings.TrimLeft(s[1:], "_") // -_1 is a number to some
	}
	if unsigned == "" || unsigned[0] != '.' && !isDigit(unsigned[0]) {
		return false
	}
	switch strings.ToLower(unsigned) {
	case ".inf", ".nan":
		return true
	}
	// YAML 1.1 has underscores between digits wherever they please the writer.
	digits := strings.ReplaceAll(unsigned, "_", "")
	if len(digits) > 2 && digits[0] == '0' {
		switch tail := digits[2:]; digits[1] {
		case 'x', 'X':
			return consistsOf(tail, "0123456789abcdefABCDEF")
		case 'o', 'O':
			return consistsOf(tail, "01234567")
		case 'b', 'B':
			return consistsOf(tail, "01")
		}
	}
	return yamlFloat(digits) || yamlSexagesimal(digits) || yamlTimestamp(unsigned)
}

// yamlSexagesimal reports whether s is a number to the base 60, as YAML 1.1 has them: 1:30,
// 12:00:59.5. It need not be a time of day, 190:20:30 is one too; but every part behind the
// first is below 60.
func yamlSexagesimal(s string) bool {
	whole, fraction, found := strings.Cut(s, ".")
	if found && fraction != "" && !consistsOf(fraction, "0123456789") || !strings.Contains(whole, ":") {
		return false
	}
	first := true
	for part := range strings.SplitSeq(whole, ":") {
		if !consistsOf(part, "0123456789") || !first && (len(part) > 2 || len(part) == 2 && part[0] > '5') {
			return false
		}
		first = false
	}
	return true
}

// yamlTimestamp reports whether s is a date, or begins with one and a time. What follows the
// hour's first digit is not looked at: readers differ there, and no name looks like that.
func yamlTimestamp(s string) bool {
	year, rest, _ := strings.Cut(s, "-")
	month, rest, found := strings.Cut(rest, "-")
	if !found || len(year) != 4 || len(month) > 2 || !consistsOf(year+month, "0123456789") || month == "" {
		return false
	}
	// A year has four digits, as 1.1 wants it: 24-05-01 is text to every reader.
	day := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if day == 0 || day > 2 {
		return false
	}
	if day == len(rest) {
		return true
	}
	// Between date and time stands a T or white space.
	clock := strings.TrimLeft(rest[day:], " \tTt")
	return len(clock) < len(rest)-day && clock != "" && isDigit(clock[0])
}
