package tree

import (
	"math"
	"math/rand/v2"
	"strings"
)

// trees makes random trees for properties. The seed is fixed, so a failure comes again.
type trees struct{ *rand.Rand }

func newTrees(seed uint64) trees { return trees{rand.New(rand.NewPCG(seed, 77))} }

// oddTexts are strings that one of the readers or writers has a rule for.
var oddTexts = []string{
	"", " ", "a", "a b", " a", "a ", "a: b", "a:", "a #b", "#a", "- a", "-", "?", ":", "---", "...", "--- a", "{", "}", "[", "]", ",", "&a",
	"*a", "!a", "|", ">", "%a", "@a", "`a`",
	"'", "''", `"`, `\`, `\n`, "a'b", `a"b`, "\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", "a\n b", " a\nb", "a\n\nb\n", "a \nb", "a\tb", "\t",
	"a\n\tb", "\r", "a\r\nb", "\x00", "\x1f", "\x7f",
	"null", "Null", "~", "true", "yes", "no", "on", "0", "-1", "1.5", "1e3", "0x1f", "0o17", "017", "08", "1_000", "1:30", "2024-05-01",
	".inf", ".nan", "<<", "=", "1e999",
	"é", "漢字", "🎉", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffd", "<a href='x'>&</a>", "12345678", "1234567\"", "abcdefgh\\",
	strings.Repeat("long ", 40),
}

// text returns a string, one of the odd ones or several of them in a row.
func (r trees) text() string {
	s := oddTexts[r.IntN(len(oddTexts))]
	for r.IntN(4) == 0 {
		s += oddTexts[r.IntN(len(oddTexts))]
	}
	return s
}

// scalar returns anything but a collection.
func (r trees) scalar() any {
	switch r.IntN(9) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.IntN(10))
	case 3:
		return int64(r.Uint64())
	case 4:
		return float64(r.IntN(100)) / 4
	case 5:
		// Any float that JSON can hold.
		// Great whole numbers read back from JSON as the integer of their shortest text.
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) && (math.Abs(f) < 1<<53 || math.Abs(f) >= 1e21) {
			return f
		}
	}
	return r.text()
}

// tree returns a tree of at most depth collections in each other.
func (r trees) tree(depth int) any {
	if depth == 0 || r.IntN(4) == 0 {
		return r.scalar()
	}
	n := r.IntN(5)
	if r.IntN(10) == 0 {
		n = 20 // beyond fewMembers
	}
	if r.IntN(2) == 0 {
		list := []any{}
		for range n {
			list = append(list, r.tree(depth-1))
		}
		return list
	}
	return r.object(n, depth-1)
}

// object returns an object of at most n members whose values are of the given depth.
func (r trees) object(n, depth int) map[string]any {
	o := map[string]any{}
	for range n {
		o[r.text()] = r.tree(depth)
	}
	return o
}

// leaves calls f with each scalar and each empty collection of v and a function that puts
// another value in its place. It is not called for v itself.
func leaves(v any, f func(leaf any, put func(any))) {
	visit := func(e any, put func(any)) {
		if size(e) == 1 {
			f(e, put)
		} else {
			leaves(e, f)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range SortedKeys(v) {
			visit(v[k], func(w any) { v[k] = w })
		}
	case []any:
		for i := range v {
			visit(v[i], func(w any) { v[i] = w })
		}
	}
}

// size counts the values of a tree, collections included.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += size(e)
		}
	case []any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}
