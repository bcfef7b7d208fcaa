package tree

import (
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// yamlStyles writes trees as people do: in any style that YAML has for a value, with comments,
// with aliases of what was written before, and with merge keys.
type yamlStyles struct {
	trees

	// anchors are the values that have a name, by their number.
	anchors []any
}

func (w *yamlStyles) pick(list ...string) string { return list[w.IntN(len(list))] }

// comment returns the end of a line.
func (w *yamlStyles) comment() string {
	return w.pick("\n", "\n", "\n", " \n", " # c: [d\n", "\t# e\n", "\n\n", "\n# f\n", "\n      # g\n")
}

// alias returns an alias of a value that equals v, and "" if there is none.
func (w *yamlStyles) alias(v any) string {
	for i, a := range w.anchors {
		if reflect.DeepEqual(a, v) && w.IntN(2) == 0 {
			return "*n" + strconv.Itoa(i)
		}
	}
	return ""
}

// name returns an anchor for v, which is known from now on.
func (w *yamlStyles) name(v any) string {
	if w.IntN(4) > 0 {
		return ""
	}
	w.anchors = append(w.anchors, v)
	return "&n" + strconv.Itoa(len(w.anchors)-1) + " "
}

// scalarText writes a scalar that fits in any place, in one line.
func (w *yamlStyles) scalarText(v any, flow bool) string {
	switch v := v.(type) {
	case nil:
		return w.pick("~", "null", "NULL", "!!null ''")
	case bool:
		if v {
			return w.pick("true", "yes", "On", "Y", "!!bool 'true'")
		}
		return w.pick("false", "NO", "off", "n", "!!bool \"no\"")
	case int64:
		if v >= 0 && v < 1<<53 && w.IntN(2) == 0 {
			return fmt.Sprintf(w.pick("0x%x", "0x%X", "0%o", "0o%o", "+%d", "0b%b", "!!int '%d'", "!!float %d"), v)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		return string(appendJSONFloat(nil, v))
	}
	s := v.(string)
	// A plain scalar is what the writer of this package takes for one, but in brackets.
	if !yamlOtherType(s) && yamlPrintable(s) && !strings.Contains(s, "\n") && yamlPlain(s) &&
		!(flow && strings.ContainsAny(s, ",?[]{}:#&*!|>'\"%@`-")) {
		return s
	}
	if w.IntN(2) == 0 && yamlPrintable(s) && !strings.Contains(s, "\n") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return string(appendYAMLQuoted(nil, s))
}

// flow writes v in brackets or as a scalar.
func (w *yamlStyles) flow(v any) string {
	if a := w.alias(v); a != "" {
		return a + " "
	}
	gap := func() string { return w.pick("", " ", "\n    ", " # c, d\n   ", "\t") }
	switch v := v.(type) {
	case []any:
		s := "["
		for _, e := range v {
			s += gap() + w.flow(e) + gap() + ","
		}
		return w.name(v) + s + gap() + "]"
	case map[string]any:
		s := "{"
		for _, k := range SortedKeys(v) {
			s += gap() + w.pick("", "? ") + w.scalarText(k, true) + w.pick(": ", " : ", " :\n   ") + w.flow(v[k]) + gap() + ","
		}
		return w.name(v) + s + gap() + "}"
	}
	return w.name(v) + w.scalarText(v, true)
}

// block writes v behind a key or a dash, in lines that are deeper than column indent.
func (w *yamlStyles) block(v any, indent int) string {
	if a := w.alias(v); a != "" {
		return " " + a + w.comment()
	}
	deeper := indent + 1 + w.IntN(4)
	pad := "\n" + strings.Repeat(" ", deeper)
	s, _ := v.(string)
	list, _ := v.([]any)
	object, _ := v.(map[string]any)
	switch {
	case w.IntN(5) == 0 || size(v) == 1 && (list != nil || object != nil):
		return " " + w.flow(v) + w.comment()
	case len(list) > 0:
		text := " " + w.name(v) + w.pick("", "# c")
		for _, e := range list {
			text += pad + "-" + strings.TrimSuffix(w.block(e, deeper), "\n")
		}
		return text + "\n"
	case len(object) > 0:
		return " " + w.name(v) + w.pick("", "!!map", "!x") + w.members(object, deeper)
	case strings.Contains(s, "\n") && yamlLiteral(s):
		// The header tells the column if the text does not.
		header := "|"
		if s[0] == ' ' || s[0] == '\n' || w.IntN(2) == 0 {
			header += strconv.Itoa(deeper - max(indent, 0))
		}
		body := strings.TrimRight(s, "\n")
		header += []string{"-", "", "+"}[min(len(s)-len(body), 2)]
		text := " " + w.name(v) + header + w.pick("", " # c") + "\n"
		for line := range strings.Lines(s) {
			text += strings.Repeat(" ", deeper) + line
		}
		return strings.TrimSuffix(text, "\n") + "\n"
	}
	return w.pick(" ", " ", pad) + w.name(v) + w.scalarText(v, false) + w.comment()
}

// members writes the members of an object, some of them by a merge key, in the column.
func (w *yamlStyles) members(object map[string]any, column int) string {
	pad, text := strings.Repeat(" ", column), "\n"
	keys := SortedKeys(object)
	if n := len(keys); n > 1 && w.IntN(4) == 0 {
		// What is merged first is replaced by what follows.
		merged := map[string]any{keys[0]: object[keys[0]], keys[1]: "replaced"}
		text += pad + "<<: " + w.pick("", "[{}, ") + "\x00"
		flow := w.flow(merged)
		if strings.HasSuffix(text, "[{}, \x00") {
			flow += "]"
		}
		text = strings.TrimSuffix(text, "\x00") + flow + "\n"
		keys = keys[1:]
	}
	w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, k := range keys {
		key := w.scalarText(k, false)
		if w.IntN(6) == 0 {
			text += pad + "? " + key + w.comment() + pad + ":" + w.block(object[k], column)
			continue
		}
		if len(key) > 1000 {
			key = "? " + key + "\n" + pad
		}
		text += pad + key + w.pick(":", " :", "  :") + w.block(object[k], column)
	}
	return text
}

// TestYAMLStyles: a tree reads as itself however it is written.
func TestYAMLStyles(t *testing.T) {
	r := newTrees(81)
	aliased, merged := 0, 0
	for range 3000 {
		w := &yamlStyles{trees: r}
		v := r.tree(4)
		text := w.pick("", "---\n", "%YAML 1.1\n---\n", "# c\n") + "-" + w.block(v, 0)
		aliased += strings.Count(text, "*n")
		merged += strings.Count(text, "<<: ")
		got, repeated, err := ParseYAMLObject([]byte(text))
		if err != nil || !Equal(got, []any{v}) {
			t.Fatalf("%s\nreads as %#v (%v)\nwant %#v", text, got, err, v)
		}
		for _, again := range repeated {
			if merged == 0 {
				t.Fatalf("%s\nhas %s", text, again)
			}
		}
	}
	if aliased < 100 || merged < 100 {
		t.Errorf("only %d aliases and %d merge keys", aliased, merged)
	}
}

// yamlBombs are small texts that mean much, and texts of half a megabyte that cost a careless
// reader more than their size. Some are refused, and that must cost no more.
var yamlBombs = map[string]string{
	"laughs in lists":    bomb(12, 9, "[", "]", func(_ int, name string) string { return name }),
	"laughs in mappings": bomb(12, 9, "{", "}", func(i int, name string) string { return "k" + strconv.Itoa(i) + ": " + name }),
	"laughs in merges":   bomb(40, 9, "{<<: [", "]}", func(_ int, name string) string { return name }),
	"doubling":           bomb(64, 2, "[", "]", func(_ int, name string) string { return name }),
	"aliases as keys":    "k: &k " + strings.Repeat("x", 1<<18) + "\nm:\n" + strings.Repeat("- {*k : 1}\n", 20_000),
	"aliases of text":    "k: &k " + strings.Repeat("x", 1<<18) + "\nm: [" + strings.Repeat("*k,", 80_000) + "]",
	"merges of text":     "k: &k {" + strings.Repeat("x", 1<<18) + ": 1}\nm:\n" + strings.Repeat("- {<<: *k}\n", 20_000),
	"one anchor":         strings.Repeat("- &a x\n", 70_000),
	"many anchors":       numbered(40_000, "- &a%d x\n"),
	"aliases of null":    "- &a\n" + strings.Repeat("- *a\n", 100_000),
	"repeated keys":      strings.Repeat("a: 1\n", 100_000),
	"many keys":          numbered(40_000, "k%d: 1\n"),
	"many odd keys":      numbered(40_000, "%d: 1\n"),
	"long odd key":       "? [" + strings.Repeat("a,", 250_000) + "]\n: 1",
	"null keys":          strings.Repeat("- {~: [a, b]}\n", 40_000),
	"open lists":         strings.Repeat("[", 500_000),
	"open mappings":      strings.Repeat("{a: ", 120_000),
	"open dashes":        strings.Repeat("- ", 250_000),
	"open questions":     strings.Repeat("? ", 250_000),
	"open values":        strings.Repeat(": ", 250_000),
	"many markers":       strings.Repeat("---\n", 120_000),
	"many directives":    numbered(30_000, "%%TAG !a%d! x\n") + "---\na",
	"many tags":          strings.Repeat("- !a!b x\n", 1) + strings.Repeat("- !!str x\n", 50_000),
	"a long tag":         "!" + strings.Repeat("%41", 160_000) + " x",
	"a long name":        "- &" + strings.Repeat("a", 250_000) + " x\n- *" + strings.Repeat("a", 250_000),
	"a long number":      strings.Repeat("1", 500_000),
	"a long fraction":    "0." + strings.Repeat("1", 500_000),
	"underscores":        "1" + strings.Repeat("_", 500_000),
	"a long comment":     "#" + strings.Repeat(" #", 250_000),
	"long empty scalar":  "|+\n" + strings.Repeat("\n", 500_000),
	"a comb of columns":  comb(1000),
	"odd line ends":      strings.Repeat("a\u2028", 120_000),
	"returns":            strings.Repeat("a\r", 250_000),
	"quotes in quotes":   "'" + strings.Repeat("''", 250_000) + "'",
	"escaped line ends":  "\"" + strings.Repeat("\\\n", 250_000) + "\"",
	"binary":             "!!binary " + strings.Repeat("YWJj", 120_000),
	"UTF-16":             utf16Text(strings.Repeat("a: é\n", 50_000), true),
	"byte order marks":   strings.Repeat("\ufeff", 150_000),
}

// bomb returns levels of collections, each with width aliases of the one before.
func bomb(levels, width int, open, end string, entry func(i int, name string) string) string {
	s := "a0: &a0 {x: y}\n"
	for i := 1; i < levels; i++ {
		s += fmt.Sprintf("a%d: &a%d %s", i, i, open)
		for j := range width {
			s += entry(j, fmt.Sprintf("*a%d", i-1)+" ,")
		}
		s += end + "\n"
	}
	return s
}

// numbered returns n times the format with numbers.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// comb returns keys that are each a column deeper than the one before.
func comb(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i%500) + "a:\n")
	}
	return b.String()
}

// TestYAMLBombs: no text costs more than some seconds, and no more memory than the greatest text
// that is read.
func TestYAMLBombs(t *testing.T) {
	for name, text := range yamlBombs {
		for reader, read := range map[string]func(){
			"object": func() { ParseYAMLObject([]byte(text)) }, "stream": func() { ParseYAML([]byte(text)) },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			read()
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			used := (after.TotalAlloc - before.TotalAlloc) >> 20
			if used > 100 || took > 10*time.Second {
				t.Errorf("%s as %s: %d MB, %v for %d KB", name, reader, used, took, len(text)>>10)
			}
		}
	}
}
