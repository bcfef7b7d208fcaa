package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var yamlErrorLine = regexp.MustCompile(`^line (\d+): `)

// TestYAMLErrorLines: lines in front move the line of each error and change nothing else. In the
// first line an error names none, and those of the grammar name the line before theirs.
func TestYAMLErrorLines(t *testing.T) {
	failing := 0
	for _, tc := range yamlCases {
		if strings.HasPrefix(tc.in, "\ufeff") || strings.HasPrefix(tc.in, "---") || strings.HasPrefix(strings.TrimSpace(tc.in), "{") {
			continue // it is a mark or JSON at the beginning only, and comments before a marker are a document
		}
		line, problem := 0, tc.want
		if m := yamlErrorLine.FindStringSubmatch(tc.want); m != nil {
			line, _ = strconv.Atoi(m[1])
			problem = tc.want[len(m[0]):]
			failing++
		}
		for _, front := range []string{"\n", "# c\n", " # c\n\n\n", "\r\n#\r\n"} {
			n := strings.Count(front, "\n")
			want := []string{tc.want, fmt.Sprintf("line %d: %s", n, problem), fmt.Sprintf("line %d: %s", n+1, problem)}
			if line > 0 {
				want = []string{fmt.Sprintf("line %d: %s", line+n, problem)}
			}
			if tc.want == "[]" {
				want = []string{"[null]"}
			}
			if got := yamlText(ParseYAML([]byte(front + tc.in))); !slices.Contains(want, got) {
				t.Errorf("%s behind %q:\n got %s\nwant %q", tc.name, front, got, want)
			}
		}
	}
	if failing < 20 {
		t.Errorf("only %d cases name a line", failing)
	}
}

// TestYAMLLineEnds: the three kinds of line ends read alike, errors included.
func TestYAMLLineEnds(t *testing.T) {
	for _, tc := range yamlCases {
		for _, end := range []string{"\r\n", "\r"} {
			if end == "\r" && strings.Contains(tc.in, "---") {
				continue // no line begins there to kubectl
			}
			text := strings.ReplaceAll(strings.ReplaceAll(tc.in, "\r\n", "\n"), "\n", end)
			if got := yamlText(ParseYAML([]byte(text))); got != tc.want {
				t.Errorf("%s with %q:\n got %s\nwant %s", tc.name, end, got, tc.want)
			}
		}
	}
}

// TestYAMLDocumentsInARow: documents between markers are what they are alone, and after one
// that fails those before it are there.
func TestYAMLDocumentsInARow(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	var single []string
	for _, tc := range yamlCases {
		text := strings.TrimSuffix(tc.in, "\n") + "\n"
		docs, err := ParseYAML([]byte(text))
		marked := strings.HasPrefix(text, "{") || text[0] == '\t' || strings.Contains(text, "---") || strings.Contains(text,
			"...") || strings.HasPrefix(text, "\ufeff")
		if err == nil && len(docs) == 1 && !marked {
			single = append(single, text)
		}
	}
	if len(single) < 50 {
		t.Fatalf("only %d cases have one document", len(single))
	}
	for range 500 {
		var text string
		var want []any
		for range 1 + r.IntN(4) {
			s := single[r.IntN(len(single))]
			docs, _ := ParseYAML([]byte(s))
			want = append(want, docs[0])
			text += "---\n" + s
			if r.IntN(3) == 0 && docs[0] != nil {
				text += "...\n"
			}
		}
		got, err := ParseYAML([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n got %v (%v)\nwant %v", text, got, err, want)
		}
		got, err = ParseYAML([]byte(text + "---\n*a\n"))
		if err == nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s and a wrong one: %v (%v)", text, got, err)
		}
	}
}

// TestYAMLObjectAgrees: the reader of request bodies reads the first document as the other
// one does.
func TestYAMLObjectAgrees(t *testing.T) {
	agreed := 0
	for _, tc := range yamlCases {
		if strings.Contains(tc.in, "---") || strings.HasPrefix(strings.TrimSpace(tc.in), "{") || tc.name == "no final line end in literal" {
			continue // several documents, or JSON; and the last line of a file gets an end
		}
		agreed++
		docs, err := ParseYAML([]byte(tc.in))
		obj, _, objErr := ParseYAMLObject([]byte(tc.in))
		if fmt.Sprint(err) != fmt.Sprint(objErr) || len(docs) > 0 && !reflect.DeepEqual(obj, docs[0]) {
			t.Errorf("%s: %v (%v), want %v (%v)", tc.name, obj, objErr, docs, err)
		}
	}
	if agreed < 100 {
		t.Errorf("only %d cases", agreed)
	}
}

// TestYAMLReadsJSON: nearly all JSON is YAML of the same value, in one line, indented, and
// as the value of a key in a block.
func TestYAMLReadsJSON(t *testing.T) {
	r := newTrees(51)
	for range 400 {
		v := r.tree(4)
		// YAML takes the one for a control character and the other for a line end.
		text := []byte(strings.NewReplacer("\x7f", `\u007f`, "\u0085", `\u0085`).Replace(string(AppendJSON(nil, v))))
		want := mustJSON(t, string(text))
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			text string
			want any
		}{
			{string(text), want}, {indented.String(), want}, {"---\n# c\n" + indented.String() + "\n", want},
			{"k: " + string(text) + " # c\nl: 1\n", map[string]any{"k": want, "l": int64(1)}},
			{"- " + string(text) + "\n- x", []any{want, "x"}},
		} {
			docs, err := ParseYAML([]byte(tc.text))
			if err != nil || len(docs) != 1 || !Equal(docs[0], tc.want) {
				t.Fatalf("%s\nreads as %v (%v)", tc.text, docs, err)
			}
		}
	}
}

// TestYAMLRoundTrip: random trees read back as themselves, and are written the same again.
func TestYAMLRoundTrip(t *testing.T) {
	r := newTrees(52)
	for range 400 {
		v := r.tree(4)
		checkYAMLReads(t, v)
		text := AppendYAML(nil, v)
		docs, err := ParseYAML(text)
		if err != nil {
			t.Fatal(err)
		}
		if again := AppendYAML(nil, docs[0]); !bytes.Equal(again, text) {
			t.Fatalf("%s\nis written again as\n%s", text, again)
		}
		// No line of block text ends in white space, and none begins with a tab: editors
		// would spoil it, or a reader refuse it.
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if line != strings.TrimRight(line, " \t") || strings.HasPrefix(line, "\t") {
				t.Fatalf("the line %q in\n%s", line, text)
			}
		}
	}
}

// TestYAMLWriteOrder: keys are written sorted, at every depth, as they are in JSON.
func TestYAMLWriteOrder(t *testing.T) {
	r := newTrees(53)
	for range 200 {
		o := map[string]any{}
		for range r.IntN(20) {
			o["k"+strconv.Itoa(r.IntN(100))] = map[string]any{"z": int64(1), "a": r.scalar()}
		}
		var got []string
		for line := range strings.Lines(string(AppendYAML(nil, o))) {
			if key, _, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(key, "k") {
				got = append(got, key)
			}
		}
		if !slices.Equal(got, SortedKeys(o)) {
			t.Fatalf("%q, want %q", got, SortedKeys(o))
		}
	}
}

// foldLines is folding by its definition: n line ends in a row are a space if n is 1, and
// n-1 line ends otherwise. Empty lines are those between.
func foldLines(lines []string) string {
	out, breaks := lines[0], 0
	for _, l := range lines[1:] {
		breaks++
		if l == "" {
			continue
		}
		if breaks == 1 {
			out += " "
		} else {
			out += strings.Repeat("\n", breaks-1)
		}
		out, breaks = out+l, 0
	}
	return out
}

// TestYAMLFolding: plain and quoted scalars over several lines, at any indentation, with
// white space around the line ends, are folded by the definition.
func TestYAMLFolding(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	words := []string{"a", "bc", "d-e", "f:g", "h#i", "é", "-x", "1", "j k"}
	blanks := func() string { return strings.Repeat(" ", r.IntN(3)) }
	for range 2000 {
		lines := []string{"first"}
		for range r.IntN(6) {
			if r.IntN(3) == 0 {
				lines = append(lines, "")
			}
			lines = append(lines, words[r.IntN(len(words))])
		}
		want := foldLines(lines)
		text := func(open, close, indent string) string {
			s := open + lines[0]
			for _, l := range lines[1:] {
				s += blanks() + "\n"
				if l != "" {
					s += indent + blanks() + l
				}
			}
			return s + close
		}
		for _, tc := range []struct{ name, text string }{
			{"plain", "k: " + text("", "", " ") + "\n"},
			{"plain with a comment behind", "k: " + text("", "", "  ") + " # c\n"},
			{"plain with tabs behind the indentation", "k: " + text("", "", " \t")},
			{"single quotes", "k: " + text("'", "'", " ") + "\n"},
			{"double quotes", "k: " + text(`"`, `"`, "") + " # c\n"},
			{"flow", "{k: " + text("", "}", "") + "\n"},
			{"quotes in flow", "{k: " + text("'", "',}", "\t") + "\n"},
		} {
			docs, err := ParseYAML([]byte(tc.text))
			if err != nil || len(docs) != 1 || !reflect.DeepEqual(docs[0], map[string]any{"k": want}) {
				t.Fatalf("%s: %q\nreads as %q (%v)\nwant %q", tc.name, tc.text, docs, err, want)
			}
		}
	}
}

// blockModel is a block scalar by YAML 1.2, 8.1.3: lines are joined by their ends, which in a
// folded one become a space or go where no line around begins with white space.
func blockModel(lines []string, folded bool, chomp string) string {
	content := len(lines)
	for content > 0 && lines[content-1] == "" {
		content--
	}
	out := ""
	for i := 0; i < content; {
		out += lines[i]
		next := i + 1
		for next < content && lines[next] == "" {
			next++
		}
		breaks := next - i
		white := func(l string) bool { return l == "" || l[0] == ' ' || l[0] == '\t' }
		switch {
		case next == content:
		case !folded || white(lines[i]) || white(lines[next]):
			out += strings.Repeat("\n", breaks)
		case breaks == 1:
			out += " "
		default:
			out += strings.Repeat("\n", breaks-1)
		}
		i = next
	}
	switch {
	case chomp == "+":
		if content > 0 {
			out += "\n"
		}
		out += strings.Repeat("\n", len(lines)-content)
	case chomp == "" && content > 0:
		out += "\n"
	}
	return out
}

// TestYAMLBlockScalars: random lines in literal and folded scalars, with each way to end
// them, in mappings and lists, with and without the indentation in the header.
func TestYAMLBlockScalars(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	words := []string{"a", "b c", "# d", "- e", "f: g", "\"h", " i", "  j", "\tk", "é ", "---", "'", "|"}
	for range 4000 {
		lines := []string{"x"}
		if r.IntN(3) == 0 {
			lines = []string{"", "y"} // an empty line in front
		}
		for range r.IntN(7) {
			if r.IntN(3) == 0 {
				lines = append(lines, "")
			} else {
				lines = append(lines, words[r.IntN(len(words))])
			}
		}
		kind, chomp := []string{"|", ">"}[r.IntN(2)], []string{"", "-", "+"}[r.IntN(3)]
		want := blockModel(lines, kind == ">", chomp)
		indent := 1 + r.IntN(4)
		header := kind + chomp
		if r.IntN(2) == 0 {
			header = []string{kind + chomp + strconv.Itoa(indent), kind + strconv.Itoa(indent) + chomp}[r.IntN(2)]
		}
		text := header + "\n"
		for _, l := range lines {
			if l != "" {
				l = strings.Repeat(" ", indent) + l
			}
			text += l + "\n"
		}
		for _, tc := range []struct {
			text string
			want any
		}{
			{"k: " + text, map[string]any{"k": want}},
			{"k: " + text + "l: 1\n", map[string]any{"k": want, "l": int64(1)}},
			{"- " + text + "- 1\n", []any{want, int64(1)}},
			{"k: " + text + "# comment\nl: 1\n", map[string]any{"k": want, "l": int64(1)}},
		} {
			docs, err := ParseYAML([]byte(tc.text))
			if err != nil || len(docs) != 1 || !reflect.DeepEqual(docs[0], tc.want) {
				t.Fatalf("%q\nreads as %q (%v)\nwant %q", tc.text, docs, err, tc.want)
			}
		}
	}
}

// TestYAMLIndentation: a block read at any indentation of its collections is the same.
func TestYAMLIndentation(t *testing.T) {
	v := mustJSON(t, `{"a":{"b":{"c":[1,{"d":"e","f":[true]},[2,[3]]]},"g":null},"h":"i"}`)
	for n := 1; n <= 9; n++ {
		for _, listDeeper := range []bool{false, true} {
			text := string(appendIndented(nil, v, n, listDeeper, 0))
			docs, err := ParseYAML([]byte(text))
			if err != nil || len(docs) != 1 || !Equal(docs[0], v) {
				t.Errorf("%s\nreads as %v (%v)", text, docs, err)
			}
		}
	}
}

// appendIndented writes v in block style with n spaces a level, lists in the column of their
// key or deeper.
func appendIndented(b []byte, v any, n int, listDeeper bool, column int) []byte {
	pad := bytes.Repeat([]byte(" "), column)
	switch v := v.(type) {
	case map[string]any:
		for _, k := range SortedKeys(v) {
			b = append(append(b, pad...), k+":"...)
			switch e := v[k].(type) {
			case map[string]any:
				b = appendIndented(append(b, '\n'), e, n, listDeeper, column+n)
			case []any:
				deeper := column
				if listDeeper {
					deeper += n
				}
				b = appendIndented(append(b, '\n'), e, n, listDeeper, deeper)
			default:
				b = append(append(append(b, ' '), AppendJSON(nil, e)...), '\n')
			}
		}
	case []any:
		for _, e := range v {
			b = append(append(b, pad...), '-')
			switch e.(type) {
			case map[string]any, []any:
				b = appendIndented(append(b, '\n'), e, n, listDeeper, column+n)
			default:
				b = append(append(append(b, ' '), AppendJSON(nil, e)...), '\n')
			}
		}
	}
	return b
}
