package tree

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tables of YAML texts say what upstream's reader (sigs.k8s.io/yaml 1.6) makes of each: they
// were filled by asking it. Each row also goes through what must hold of every text: lines in
// front move its errors, other line ends change nothing, and what is read can be written and
// read again.

// yamlRow is a text, and as yamlAnswer has it what is read of it.
type yamlRow struct{ in, want string }

// yamlTables are all tables, by what they are about.
var yamlTables = map[string][]yamlRow{
	"anchors": yamlAnchors,
	"merges":  yamlMerges,
	"blocks":  yamlBlocks,
	"flow":    yamlFlows,
	"keys":    yamlKeys,
	"text":    yamlTexts,
	"bytes":   yamlBytes,
	"head":    yamlHeads,
}

// marked reports whether a text begins with a byte order mark.
func marked(text string) bool {
	return slices.ContainsFunc([]string{"\xff\xfe", "\xfe\xff", "\ufeff"}, func(mark string) bool { return strings.HasPrefix(text, mark) })
}

var yamlAgain = regexp.MustCompile(`^line (\d+): key (.*) already set in map$`)

// yamlAnswer returns what ParseYAMLObject makes of a text in one line: JSON and the keys that came
// again, each behind its line, as in {"a":2} again 2:"a"; or the error behind "yaml: ".
func yamlAnswer(in string) string {
	obj, repeated, err := ParseYAMLObject([]byte(in))
	if err != nil {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	answer := string(AppendJSON(nil, obj))
	for i, r := range repeated {
		if i == 0 {
			answer += " again"
		}
		answer += " " + yamlAgain.ReplaceAllString(r, "$1:$2")
	}
	return answer
}

// eachYAMLRow runs f for each row of each table.
func eachYAMLRow(t *testing.T, f func(t *testing.T, row yamlRow)) {
	for name, rows := range yamlTables {
		t.Run(name, func(t *testing.T) {
			for _, row := range rows {
				f(t, row)
			}
		})
	}
}

func TestYAMLTables(t *testing.T) {
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		if got := yamlAnswer(row.in); got != row.want {
			t.Errorf("%q\n got %s\nwant %s", row.in, got, row.want)
		}
	})
}

// moved returns what an answer may be behind n more lines. Upstream names no line in the first one,
// so of an error without a line both are possible, and none where it is of no line at all.
func moved(answer string, n int) []string {
	json, again, _ := strings.Cut(answer, " again ")
	if again != "" {
		lines := regexp.MustCompile(`(^| )(\d+):`)
		return []string{json + " again " + lines.ReplaceAllStringFunc(again, func(s string) string {
			digits := strings.Trim(s, " :")
			line, _ := strconv.Atoi(digits)
			return strings.Replace(s, digits, strconv.Itoa(line+n), 1)
		})}
	}
	if m := yamlErrorLine.FindStringSubmatch(answer); m != nil {
		line, _ := strconv.Atoi(m[1])
		return []string{fmt.Sprintf("line %d: %s", line+n, answer[len(m[0]):])}
	}
	return []string{answer, fmt.Sprintf("line %d: %s", n, answer), fmt.Sprintf("line %d: %s", n+1, answer)}
}

// TestYAMLMovedLines: lines in front of a text add to the line of its errors and of its repeated keys, and
// change nothing else.
func TestYAMLMovedLines(t *testing.T) {
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		if marked(row.in) {
			return // a mark is one at the beginning only
		}
		for _, front := range []string{"\n", "# c\n", "\n  # c\r\n\n", "\r\r", "\u2028", "\u0085\n"} {
			n := len([]rune(strings.ReplaceAll(strings.NewReplacer("# c", "", " ", "").Replace(front), "\r\n", "\n")))
			if got, want := yamlAnswer(front+row.in), moved(row.want, n); !slices.Contains(want, got) {
				t.Errorf("%q\n got %s\nwant %q", front+row.in, got, want)
			}
		}
	})
}

// TestYAMLOtherLineEnds: to YAML a line ends in a line feed, a carriage return, both, or the next
// line character, and an object is the same with each.
func TestYAMLOtherLineEnds(t *testing.T) {
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		if marked(row.in) || strings.Contains(row.in, "\r") {
			return
		}
		for _, end := range []string{"\r", "\r\n", "\u0085"} {
			if got := yamlAnswer(strings.ReplaceAll(row.in, "\n", end)); got != row.want {
				t.Errorf("%q with %q\n got %s\nwant %s", row.in, end, got, row.want)
			}
		}
	})
}

// TestYAMLInUTF16: a text is the same in UTF-16 of either order.
func TestYAMLInUTF16(t *testing.T) {
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		text := strings.TrimPrefix(row.in, "\ufeff")
		if JSONUTF8(text) != text || strings.HasPrefix(text, "\ufeff") || text == "" || strings.Contains(row.want, "control characters") {
			return // none of UTF-16; and there a wrong character is wrong wherever it is
		}
		for _, little := range []bool{true, false} {
			if got := yamlAnswer(utf16Text(text, little)); got != row.want && !strings.Contains(got, "control characters") {
				t.Errorf("%q in UTF-16\n got %s\nwant %s", text, got, row.want)
			}
		}
	})
}

// TestYAMLWrittenAgain: the value of each text is written as YAML that means it, and as JSON that
// does.
func TestYAMLWrittenAgain(t *testing.T) {
	written := 0
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		obj, _, err := ParseYAMLObject([]byte(row.in))
		if err != nil {
			return
		}
		written++
		checkYAMLReads(t, obj)
		text := AppendJSON(nil, obj)
		if v, _, err := ParseJSON(text); err != nil || !Equal(v, obj) {
			t.Errorf("%q is %#v, which JSON has as %s, and that is %#v (%v)", row.in, obj, text, v, err)
		}
	})
	if written < 600 {
		t.Errorf("only %d texts have a value", written)
	}
}

// TestYAMLStreamsAgree: what is wrong in an object is wrong in a stream, with the same words, and
// a value in the first document of a stream is what it is in an object.
func TestYAMLStreamsAgree(t *testing.T) {
	eachYAMLRow(t, func(t *testing.T, row yamlRow) {
		text := row.in
		if strings.Contains(text, "---") || strings.HasPrefix(strings.TrimSpace(text), "{") || strings.HasPrefix(text, "\xff\xfe") {
			return // other documents, JSON, and marks that are none of a stream's text
		}
		if !strings.HasSuffix(text, "\n") && !strings.HasPrefix(text, "\xfe\xff") {
			text += "\n" // as the last line of a stream has one
		}
		obj, _, wrong := ParseYAMLObject([]byte(text))
		docs, err := ParseYAML([]byte(text))
		if fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Errorf("%q: a stream has %v, an object %v", text, err, wrong)
		}
		if len(docs) > 0 && !Equal(docs[0], obj) {
			t.Errorf("%q: a stream has %#v, an object %#v", text, docs[0], obj)
		}
	})
}
