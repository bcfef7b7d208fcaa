package library

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"apichain/internal/cel"
)

// string.format replaces clauses of a string by arguments: %s by any, %d by an integer, %.3f and %e by a double, %b, %o, %x and %X by
// an integer in another base (%b by a bool too, %x by a string or bytes), %% by a percent sign. Upstream writes numbers of %f and %e
// for readers of American English: 1,234.500000 and 1.234500×10⁰³. The texts of errors are upstream's, which has the same for
// an expression that is checked (formatcheck.go).
//
//	'%s'.format([1.5]), '%s'.format([[1.5]])     1.5, [1.500000]: within a list all is written with a type's own clause
//	'%s'.format([['a', b'c', null]])             ["a", b"c", null]
//	'%s'.format([{'b': 1, 'a': 2}])              {"a":2, "b":1}: in the order of keys
//	'%x %X'.format([-255, 'hi'])                 -ff 6869
//	'%.0f'.format([2.5])                         2: halves go to the even neighbour
//
// It costs a tenth of the format's length, whatever the arguments are; so the result has a greatest length (longest) and takes steps.
// Upstream is ext/formatting.go, as the second version of the strings has it.

// clause is one of a format: its verb, and the digits behind the point, which only %e and %f have and others ignore.
type clause struct {
	verb   byte
	digits int
}

// defaultDigits is the precision where a clause says none.
const defaultDigits = 6

// eachClause goes through a format. Text between clauses goes to put, and each clause with the index of its argument to use. An
// argument that is missing is an error: at once, or, when late, only once the clause has a verb.
func eachClause(format string, args int, late bool, put func(string) error, use func(i int, c clause) error) (used int, err error) {
	for format != "" {
		// Everything up to the next percent sign is text, and so is the first of two.
		text, rest, found := strings.Cut(format, "%")
		if err := put(text); err != nil || !found {
			return used, err
		}
		if strings.HasPrefix(rest, "%") {
			format = rest[1:]
			if err := put("%"); err != nil {
				return used, err
			}
			continue
		}
		// Upstream finds out that an argument is missing before it reads the clause when it runs, and after when it checks.
		missing := used >= args
		if missing && !late {
			return used, fmt.Errorf("index %d out of range", used)
		}
		if rest == "" {
			return used, errors.New("unexpected end of string")
		}
		if missing {
			return used, fmt.Errorf("index %d out of range", used)
		}
		c, n, err := parseClause(rest)
		if err != nil {
			return used, fmt.Errorf("could not parse formatting clause: %w", err)
		}
		if err := use(used, c); err != nil {
			return used, err
		}
		used, format = used+1, rest[n:]
	}
	return used, nil
}

// parseClause reads what follows the percent sign, which is not empty, and returns how many bytes it was.
func parseClause(s string) (c clause, n int, err error) {
	c.digits = defaultDigits
	if s[0] == '.' {
		// Only digits follow the point. None at all is an error of the conversion, and not of the clause.
		for n = 1; n < len(s) && '0' <= s[n] && s[n] <= '9'; n++ {
		}
		if n == len(s) {
			return c, 0, errors.New("error while parsing precision: could not find end of precision specifier")
		}
		if c.digits, err = strconv.Atoi(s[1:n]); err != nil {
			return c, 0, fmt.Errorf("error while parsing precision: error while converting precision to integer: %w", err)
		}
	}
	c.verb = s[n]
	if strings.IndexByte("sdfebxXo", c.verb) < 0 {
		return c, 0, fmt.Errorf("unrecognized formatting clause \"%c\"", rune(c.verb))
	}
	return c, n + 1, nil
}

// clauseRules say for each verb what may be formatted.
var clauseRules = map[byte]string{
	'b': "only integers and bools can be formatted as binary, was given ",
	'd': "decimal clause can only be used on integers, was given ",
	'e': "scientific clause can only be used on doubles, was given ",
	'f': "fixed-point clause can only be used on doubles, was given ",
	'o': "octal clause can only be used on integers, was given ",
	's': "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ",
	'x': "only integers, byte buffers, and strings can be formatted as hex, was given ",
	'X': "only integers, byte buffers, and strings can be formatted as hex, was given ",
}

// longest is the most bytes that a function may make of short arguments: 16 MiB. Upstream has no bound but the memory. What is longer
// is out of budget.
const longest = 16 << 20

// writer gathers a text that has a longest.
type writer struct{ strings.Builder }

// put adds s, unless there is too much.
//
//go:noinline
func (w *writer) put(s string) error {
	if w.Len()+len(s) > longest {
		return cel.ErrBudget
	}
	w.WriteString(s)
	return nil
}

// format is string.format.
func format(text, args cel.Value) cel.Value {
	var w writer
	_, err := eachClause(text.Str(), args.Len(), false, w.put, func(i int, c clause) error {
		// Being out of budget is no error of a clause: it has to stay the error that it is.
		err := w.clause(c, args.At(i))
		if err == nil || err == cel.ErrBudget {
			return err
		}
		return fmt.Errorf("error during formatting: %w", err)
	})
	if err != nil {
		return cel.Fail(err)
	}
	return cel.StringOf(w.String())
}

// clause writes one argument.
func (w *writer) clause(c clause, v cel.Value) error {
	// The type is that at run time: list, map, and the name of a library's own.
	wrong := func() error { return errors.New(clauseRules[c.verb] + v.Type().TypeName()) }
	switch c.verb {
	case 's':
		return w.value(v, false)
	case 'e', 'f':
		f, ok := floatOf(v)
		if !ok {
			return wrong()
		}
		if c.verb == 'f' {
			return w.put(fixed(f, c.digits))
		}
		return w.put(scientific(f, c.digits))
	case 'b':
		if v.Kind() == cel.Bool {
			return w.put(map[bool]string{false: "0", true: "1"}[v.Bool()])
		}
	case 'x', 'X':
		switch v.Kind() {
		case cel.String:
			return w.put(fmt.Sprintf("%"+string(c.verb), v.Str()))
		case cel.Bytes:
			return w.put(fmt.Sprintf("%"+string(c.verb), v.Bytes()))
		}
	}
	// What is left are integers, which all of b, d, o, x and X print as Go does, the sign in front.
	switch v.Kind() {
	case cel.Int:
		return w.put(fmt.Sprintf("%"+string(c.verb), v.Int()))
	case cel.Uint:
		return w.put(fmt.Sprintf("%"+string(c.verb), v.Uint()))
	}
	return wrong()
}

// floatOf returns a double, or one of the three that have no digits, which may be strings.
func floatOf(v cel.Value) (float64, bool) {
	if v.Kind() == cel.String {
		switch v.Str() {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
	}
	return v.Double(), v.Kind() == cel.Double
}

// value writes any value as %s does; within a list or a map, quoted is true, strings are quoted and times say what they are.
func (w *writer) value(v cel.Value, quoted bool) error {
	switch v.Kind() {
	case cel.List:
		return w.list(v)
	case cel.Map, cel.Object:
		return w.mapping(v)
	case cel.Null:
		return w.put("null")
	case cel.Int:
		return w.put(strconv.FormatInt(v.Int(), 10))
	case cel.Uint:
		return w.put(strconv.FormatUint(v.Uint(), 10))
	case cel.String, cel.Bytes, cel.Bool, cel.Double, cel.Timestamp, cel.Duration, cel.TypeKind:
	default:
		if quoted {
			return errors.New("no formatting function for " + v.Type().TypeName())
		}
		return errors.New(clauseRules['s'] + v.Type().TypeName())
	}
	// Alone a double is as short as it can be, but in a list it has six digits, as %f has, though without commas.
	if quoted && v.Kind() == cel.Double {
		s := strconv.FormatFloat(v.Double(), 'f', defaultDigits, 64)
		if f := v.Double(); math.IsInf(f, 0) || math.IsNaN(f) {
			s = strconv.Quote(s)
		}
		return w.put(s)
	}
	// Bytes that are no UTF-8 are no string.
	s := cel.Convert(v, cel.StringType)
	if err := s.Err(); err != nil {
		return fmt.Errorf("could not convert argument %q to string", err)
	}
	text := s.Str()
	if quoted {
		switch v.Kind() {
		case cel.String:
			text = strconv.Quote(text)
		case cel.Bytes:
			text = "b" + strconv.Quote(text)
		case cel.Timestamp:
			text = "timestamp(" + strconv.Quote(text) + ")"
		case cel.Duration:
			text = "duration(" + strconv.Quote(text) + ")"
		}
	}
	return w.put(text)
}

// list writes a list.
func (w *writer) list(v cel.Value) error {
	// All of it is put, and nothing written past the bound: a list may have more items than any memory, and none of them a letter.
	if err := w.put("["); err != nil {
		return err
	}
	var failed error
	v.Entries(func(i, item cel.Value) bool {
		if i.Int() > 0 {
			failed = w.put(", ")
		}
		if failed == nil {
			failed = w.value(item, true)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return w.put("]")
}

// mapping writes a map by the order of its keys as texts.
func (w *writer) mapping(v cel.Value) error {
	type entry struct{ key, value string }
	var entries []entry
	var failed error
	v.Entries(func(key, value cel.Value) bool {
		switch key.Kind() {
		case cel.String, cel.Bool, cel.Int, cel.Uint:
		default:
			failed = errors.New("no formatting function for map key of type " + key.Type().TypeName())
			return false
		}
		// Entries are kept until their order is known. Each has the bound of the whole.
		var k, of writer
		if failed = k.value(key, true); failed == nil {
			failed = of.value(value, true)
		}
		if failed != nil {
			return false
		}
		entries = append(entries, entry{k.String(), of.String()})
		return true
	})
	if failed != nil {
		return failed
	}
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].key < entries[j].key })
	if err := w.put("{"); err != nil {
		return err
	}
	for i, e := range entries {
		if i > 0 {
			if err := w.put(", "); err != nil {
				return err
			}
		}
		if err := w.put(e.key + ":" + e.value); err != nil {
			return err
		}
	}
	return w.put("}")
}

// noVerb is what upstream's printer writes for a number of a clause that it cannot read: one over 10,000,009.
const noVerb = "%!(NOVERB)"

// readable reports whether it can.
func readable(digits int) bool { return digits/10 <= 1e6 }

// special returns how what has no digits is written.
func special(f float64) (string, bool) {
	switch {
	case math.IsNaN(f):
		return "NaN", true
	case math.IsInf(f, 1):
		return "∞", true
	case math.IsInf(f, -1):
		return "-∞", true
	}
	return "", false
}

// fixed writes a number as %f: with a comma between thousands. Upstream's printer keeps the digits behind the point in 8 bits where
// they are the fewest and in 16 where they are the most, and writes as many as are needed where that is negative.
func fixed(f float64, digits int) string {
	if !readable(digits) {
		return noVerb
	}
	if s, ok := special(f); ok {
		return s
	}
	// A float has no more digits than that.
	most := min(max(int(int16(digits)), -1), 1100)
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'f', most, 64), ".")
	var b strings.Builder
	if f < 0 {
		b.WriteByte('-')
	}
	// A comma stands where what is left is a number of thousands.
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	b.WriteString(point(fraction, int(uint8(digits))))
	return b.String()
}

// scientific writes a number as %e: as a number below ten, with six digits behind the point, times a power of ten. What should be the
// digits upstream has for the width, filled with spaces, and keeps it in 16 bits.
func scientific(f float64, width int) string {
	if !readable(width) {
		return noVerb
	}
	s, ok := special(f)
	if !ok {
		// Go writes 1.5e+03, with two digits in the power at least, as upstream's printer has too.
		number, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'e', defaultDigits, 64), "e")
		s = number + "×10" + superscript.Replace(strings.TrimPrefix(power, "+"))
		if f < 0 {
			s = "-" + s
		}
	}
	return strings.Repeat(" ", max(int(uint16(width))-utf8.RuneCountInString(s), 0)) + s
}

// point returns the digits behind the point, without zeros at the end but for those that make them the fewest.
func point(fraction string, fewest int) string {
	fraction = strings.TrimRight(fraction, "0")
	if short := fewest - len(fraction); short > 0 {
		fraction += strings.Repeat("0", short)
	}
	if fraction == "" {
		return ""
	}
	return "." + fraction
}

// superscript raises the digits of a power.
var superscript = strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶",
	"7", "⁷", "8", "⁸", "9", "⁹")
