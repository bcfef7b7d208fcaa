package library

import (
	"math"
	"strings"
	"unicode/utf8"

	"apichain/internal/cel"
)

// The functions of strings, as upstream's second version has them. Places are counted in code points, from 0, and what is out of
// range is an error. Costs go by the receiver alone: what may make much of little (replace, join, format) has a bound besides, and
// uses up steps.

// errRange returns the error of an index.
func errRange(i int64) cel.Value { return cel.Failf("index out of range: %d", i) }

// offsetOf returns the offset in bytes of a place, and false for one that is below 0 or behind the end. The end is a place. Strings are
// UTF-8, so that it has to count; upstream makes a slice of runes first.
func offsetOf(s string, place int64) (int, bool) {
	if place < 0 || place > int64(len(s)) {
		return 0, false
	}
	// A string has at least as many bytes as places, which ends most that are out of range above; here the rest.
	offset := 0
	for ; place > 0; place-- {
		if offset == len(s) {
			return 0, false
		}
		_, n := utf8.DecodeRuneInString(s[offset:])
		offset += n
	}
	return offset, true
}

// charAt returns the character at a place, "" at the end.
func charAt(text, place cel.Value) cel.Value {
	s := text.Str()
	offset, ok := offsetOf(s, place.Int())
	if !ok {
		return errRange(place.Int())
	}
	_, n := utf8.DecodeRuneInString(s[offset:])
	return cel.StringOf(s[offset : offset+n])
}

// search returns where a string is, from a place on, -1 for nowhere. An empty one is at once, or at the end.
func search(s, part string, from int64) cel.Value {
	if from < 0 {
		return errRange(from)
	}
	offset, ok := offsetOf(s, from)
	if part == "" {
		if !ok {
			from = int64(utf8.RuneCountInString(s))
		}
		return cel.IntOf(from)
	}
	// The library's search is linear in the length, where upstream compares at every place.
	i := -1
	if ok {
		i = strings.Index(s[offset:], part)
	}
	if i < 0 {
		return cel.IntOf(-1)
	}
	return cel.IntOf(from + int64(utf8.RuneCountInString(s[offset:offset+i])))
}

// searchBack is search from a place down.
func searchBack(s, part string, from int64) cel.Value {
	if from < 0 {
		return errRange(from)
	}
	length := int64(utf8.RuneCountInString(s))
	if part == "" {
		return cel.IntOf(min(from, length))
	}
	if from >= length {
		return cel.IntOf(-1)
	}
	// What begins at from or before ends by from and its own length.
	end, ok := offsetOf(s, from+int64(utf8.RuneCountInString(part)))
	if !ok {
		end = len(s)
	}
	i := strings.LastIndex(s[:end], part)
	if i < 0 {
		return cel.IntOf(-1)
	}
	return cel.IntOf(int64(utf8.RuneCountInString(s[:i])))
}

// searchLast is searchBack from the end. It is no special case of a place, since the place behind the last character is one at which
// nothing but an empty string can be.
func searchLast(text, part cel.Value) cel.Value {
	length := utf8.RuneCountInString(text.Str())
	if part.Str() == "" {
		return cel.IntOf(int64(length))
	}
	if length == 0 {
		return cel.IntOf(-1)
	}
	return searchBack(text.Str(), part.Str(), int64(length-1))
}

// substring returns what is from a place to another.
func substring(s string, start, end int64) cel.Value {
	if start > end {
		return cel.Failf("invalid substring range. start: %d, end: %d", start, end)
	}
	// The start is judged before the end, for its error comes first.
	from, ok := offsetOf(s, start)
	if !ok {
		return errRange(start)
	}
	n, ok := offsetOf(s[from:], end-start)
	if !ok {
		return errRange(end)
	}
	return cel.StringOf(s[from : from+n])
}

// ascii maps the letters of one alphabet to the other, and nothing else.
func ascii(first, last rune, by rune) func(cel.Value) cel.Value {
	return func(v cel.Value) cel.Value {
		return cel.StringOf(strings.Map(func(r rune) rune {
			if r >= first && r <= last {
				return r + by
			}
			return r
		}, v.Str()))
	}
}

// replaced puts another string in place of the first n that are found, of all for a negative n.
func replaced(s, old, with string, n int64) cel.Value {
	// The length is known before anything is made. An empty string is found around every character.
	times := int64(strings.Count(s, old))
	if n >= 0 && times > n {
		times = n
	}
	// The product may be beyond an int64 for strings that are in memory.
	if float64(len(s))+float64(times)*float64(len(with)-len(old)) > longest {
		return cel.Fail(cel.ErrBudget)
	}
	return cel.StringOf(strings.Replace(s, old, with, int(n)))
}

// join returns the strings of a list, with another between them.
func join(list cel.Value, between string) cel.Value {
	var w writer
	for i := range list.Len() {
		if i > 0 {
			if err := w.put(between); err != nil {
				return cel.Fail(err)
			}
		}
		// The checker wants strings, but a list of dyn may have anything behind its first item.
		item := list.At(i)
		if item.Kind() != cel.String {
			return cel.Failf("join: invalid input: %v", item)
		}
		if err := w.put(item.Str()); err != nil {
			return cel.Fail(err)
		}
	}
	return cel.StringOf(w.String())
}

// escapes are the characters that have a name within quotes.
var escapes = strings.NewReplacer("\a", `\a`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`, `\`, `\\`,
	`"`, `\"`)

// quote puts a string into quotes. What is no code point becomes the one that stands for such.
func quote(v cel.Value) cel.Value {
	return cel.StringOf(`"` + escapes.Replace(strings.ToValidUTF8(v.Str(), "\uFFFD")) + `"`)
}

// Strings has them. Upstream is ext/strings.go at version 2, and cost.go of Kubernetes, by the names of the functions:
//
//	                      costs                                     refuses
//	charAt                1                                         a place below 0 or behind the end; the end itself is ""
//	indexOf, lastIndexOf  a tenth of the bytes, rounded down        a place below 0; one behind the end finds nothing
//	substring             a tenth of the characters, rounded up     places out of range, and a start behind the end
//	lowerAscii, trim …    a tenth of the characters, rounded up     nothing; letters beyond ASCII stay as they are
//	replace, split        a fifth of the characters, rounded up     nothing; a number of 0 does nothing, or splits into nothing
//	join                  a fifth of the result, rounded up         an item that is no string
//	format                a tenth of the format, rounded up         see formatting.go
//
//	'abc'.charAt(1), 'abc'.substring(1, 3)              'b', 'bc'
//	'abcb'.indexOf('b'), .lastIndexOf('b', 2)           1, 1: the last one that begins at 2 or before; -1 for none
//	'aB'.lowerAscii(), .upperAscii(), ' a '.trim()      'ab', 'AB', 'a'
//	'a-b-c'.replace('-', '+', 1)                        'a+b-c'; without a number all
//	'a,b'.split(','), ['a', 'b'].join('-')              ['a', 'b'], 'a-b'
//	'%s is %.1f'.format(['x', 2.5])                     'x is 2.5': see formatting.go
//	strings.quote('a"')                                 '"a\\""'
func Strings() *cel.Library {
	s, i, list := cel.StringType, cel.IntType, cel.ListOf(cel.StringType)
	return &cel.Library{Name: "cel.lib.ext.strings", Mixed: []string{"format"}, Validate: checkFormat, Functions: []cel.Function{
		{Name: "charAt", Overloads: []cel.Overload{two(member("string_char_at_int", s, s, i), charAt)}},
		{Name: "indexOf", Cost: traverse, Estimate: mayTraverse, Overloads: []cel.Overload{
			two(member("string_index_of_string", i, s, s), func(a, b cel.Value) cel.Value { return search(a.Str(), b.Str(), 0) }),
			more(member("string_index_of_string_int", i, s, s, i), func(a []cel.Value) cel.Value {
				return search(a[0].Str(), a[1].Str(), a[2].Int())
			}),
		}},
		{Name: "lastIndexOf", Cost: traverse, Estimate: mayTraverse, Overloads: []cel.Overload{
			two(member("string_last_index_of_string", i, s, s), searchLast),
			more(member("string_last_index_of_string_int", i, s, s, i), func(a []cel.Value) cel.Value {
				return searchBack(a[0].Str(), a[1].Str(), a[2].Int())
			}),
		}},
		{Name: "lowerAscii", Cost: walked, Estimate: mayCopy,
			Overloads: []cel.Overload{one(member("string_lower_ascii", s, s), ascii('A', 'Z', 'a'-'A'))}},
		{Name: "upperAscii", Cost: walked, Estimate: mayCopy,
			Overloads: []cel.Overload{one(member("string_upper_ascii", s, s), ascii('a', 'z', 'A'-'a'))}},
		{Name: "replace", Makes: 2, Cost: walkedTwice, Estimate: mayReplace, Overloads: []cel.Overload{
			more(member("string_replace_string_string", s, s, s, s), func(a []cel.Value) cel.Value {
				return replaced(a[0].Str(), a[1].Str(), a[2].Str(), -1)
			}),
			more(member("string_replace_string_string_int", s, s, s, s, i), func(a []cel.Value) cel.Value {
				return replaced(a[0].Str(), a[1].Str(), a[2].Str(), a[3].Int())
			}),
		}},
		{Name: "split", Cost: walkedTwice, Estimate: maySplit, Overloads: []cel.Overload{
			two(member("string_split_string", list, s, s), func(a, b cel.Value) cel.Value { return texts(strings.Split(a.Str(), b.Str())) }),
			more(member("string_split_string_int", list, s, s, i), func(a []cel.Value) cel.Value {
				return texts(strings.SplitN(a[0].Str(), a[1].Str(), int(a[2].Int())))
			}),
		}},
		{Name: "substring", Cost: walked, Estimate: mayCopy, Overloads: []cel.Overload{
			two(member("string_substring_int", s, s, i), func(a, b cel.Value) cel.Value {
				offset, ok := offsetOf(a.Str(), b.Int())
				if !ok {
					return errRange(b.Int())
				}
				return cel.StringOf(a.Str()[offset:])
			}),
			more(member("string_substring_int_int", s, s, i, i), func(a []cel.Value) cel.Value {
				return substring(a[0].Str(), a[1].Int(), a[2].Int())
			}),
		}},
		{Name: "trim", Cost: walked, Estimate: mayCopy,
			Overloads: []cel.Overload{one(member("string_trim", s, s), func(v cel.Value) cel.Value {
				return cel.StringOf(strings.TrimSpace(v.Str()))
			})}},
		{Name: "format", Makes: 10, Overloads: []cel.Overload{formatRow()}},
		{Name: "strings.quote", Overloads: []cel.Overload{quoteRow()}},
		{Name: "join", Makes: 1, Cost: joined, Estimate: mayJoin, Overloads: []cel.Overload{
			one(member("list_join", s, list), func(v cel.Value) cel.Value { return join(v, "") }),
			two(member("list_join_string", s, list, s), func(v, between cel.Value) cel.Value { return join(v, between.Str()) }),
		}},
	}}
}

// formatRow and quoteRow have costs by overload, since upstream's language has them and not Kubernetes.
func formatRow() cel.Overload {
	o := two(member("string_format", cel.StringType, cel.StringType, cel.ListOf(cel.DynType)), format)
	o.Cost, o.Estimate = walked, mayWalk
	return o
}

// quoteRow makes the row of strings.quote: two quotes more, and each character may need a backslash.
func quoteRow() cel.Overload {
	o := one(global("strings_quote", cel.StringType, cel.StringType), quote)
	o.Cost, o.Estimate = walked, func(args []cel.Node) (cel.Range, *cel.Range) {
		size := args[0].Size()
		escaped := cel.Range{Min: size.Min + 2, Max: size.Max*2 + 2}
		return size.Scale(perByte), &escaped
	}
	return o
}

// joined is by the length of the result, since the receiver is a list, whose length says little of the strings in it.
func joined(_ []cel.Value, result cel.Value) uint64 { return walkTwice(result.Size()) }

// mayReplace says how long the result may be, which is a guess of upstream's that its successors go by: of 4 to 8 for a text of 4 in which
// 2 are replaced by 4. Where something empty is replaced, the other goes around every byte; where the other
// is not longer, the string is as long as it was; otherwise as many as there can be are replaced.
func mayReplace(args []cel.Node) (cel.Range, *cel.Range) {
	size, old, with := args[0].Size(), args[1].Size(), args[2].Size()
	var count, kept cel.Range
	switch {
	case old.Min == 0:
		count.Max, kept.Max = cel.SaturatingSum(size.Max, 1), size.Max
	case with.Max <= old.Min:
		kept.Max = size.Max
	default:
		count.Max = uint64(math.Ceil(float64(size.Max) / float64(old.Min)))
	}
	switch {
	case old.Max == 0:
		count.Min, kept.Min = cel.SaturatingSum(size.Min, 1), size.Min
	case old.Max <= with.Min:
		kept.Min = size.Min
	default:
		count.Min = uint64(math.Ceil(float64(size.Min) / float64(old.Max)))
	}
	// What is not replaced is counted where everything around it is, and else is part of the count.
	result := count.Times(with).Plus(kept)
	return size.Scale(2 * perByte), &result
}

// maySplit says how many parts there may be: one for each byte, or the number that is asked for.
func maySplit(args []cel.Node) (cel.Range, *cel.Range) {
	size := args[0].Size()
	parts := cel.Range{Max: size.Max}
	if len(args) > 2 {
		if v, ok := args[2].Literal(); ok {
			if n, ok := v.(int64); ok {
				parts.Max = uint64(n)
			}
		}
	}
	return size.Scale(2 * perByte), &parts
}

// mayJoin says how long all strings are, and what is between them.
func mayJoin(args []cel.Node) (cel.Range, *cel.Range) {
	count := args[0].Size()
	var size cel.Range
	if item := args[0].Item(); item != nil {
		size = count.Times(item.Size())
	}
	if len(args) > 1 {
		gaps := cel.Range{Min: max(count.Min, 1) - 1, Max: max(count.Max, 1) - 1}
		size = size.Plus(args[1].Size().Times(gaps))
	}
	return size.Scale(perByte), &size
}
