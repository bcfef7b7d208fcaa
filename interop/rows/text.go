package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The text of rows: what internal/kinds/kinds.txt describes as type lines and lines of fields, read
// and written again. Only what a row has in common with upstream's struct is compared; docs, rules
// and defaults that a person gave are carried along:
//
//	port 3 int32! range:1-65535 -- port of the service
//
// of which name, number and type come from the struct, and what is behind them from the person.

// rowType is a type line with its fields.
type rowType struct {
	name   string
	words  []string
	doc    string
	fields []*rowField
	// above are the comments in front of it.
	above string
}

// rowField is a field, or an embedded type where the name is +.
type rowField struct {
	name   string
	number int // 0 for none
	typ    string
	words  []string
	doc    string
}

// rowPackage is a package line with its types.
type rowPackage struct {
	name, schema string
	types        []*rowType
}

// readRows reads the packages of a file, and returns the lines in front of the first one as they are.
func readRows(text string) (head string, packages []*rowPackage, err error) {
	var p *rowPackage
	var t *rowType
	above := ""
	for line := range strings.Lines(text) {
		plain := strings.TrimSuffix(line, "\n")
		switch word, rest, _ := strings.Cut(plain, " "); {
		case word == "package":
			p = &rowPackage{}
			p.name, p.schema, _ = strings.Cut(rest, " ")
			packages = append(packages, p)
		case p == nil:
			head += line
		case plain == "":
		case plain[0] == '#':
			above += line
		case word == "type":
			t = readTypeLine(rest)
			t.above, above = above, ""
			p.types = append(p.types, t)
		case strings.HasPrefix(plain, "  ") && t != nil:
			if err := t.readFields(plain[2:]); err != nil {
				return "", nil, fmt.Errorf("%s: %w", t.name, err)
			}
		default:
			return "", nil, fmt.Errorf("%q is no line of a package", plain)
		}
	}
	return head, packages, nil
}

// readTypeLine reads NAME WORD… and, behind two spaces, what the type is.
func readTypeLine(text string) *rowType {
	t := &rowType{}
	text, t.doc, _ = strings.Cut(text, "  ")
	words := strings.Fields(text)
	t.name, t.words = words[0], words[1:]
	return t
}

// readFields reads a line of fields.
func (t *rowType) readFields(line string) error {
	line, doc, _ := strings.Cut(line, " -- ")
	var f *rowField
	for _, text := range strings.Split(line, ", ") {
		words := strings.Split(text, " ")
		f = &rowField{name: words[0]}
		words = words[1:]
		if len(words) > 1 {
			if n, err := strconv.Atoi(words[0]); err == nil {
				f.number, words = n, words[1:]
			}
		}
		if len(words) == 0 || words[0] == "" {
			return fmt.Errorf("%q is no field", text)
		}
		f.typ, f.words = words[0], words[1:]
		t.fields = append(t.fields, f)
	}
	f.doc = doc
	return nil
}

// String returns the field as rows have it, without its doc.
func (f *rowField) String() string {
	parts := []string{f.name}
	if f.number > 0 {
		parts = append(parts, strconv.Itoa(f.number))
	}
	return strings.Join(slices.Concat(parts, []string{f.typ}, f.words), " ")
}

// maxLine is how long a line of several fields gets.
const maxLine = 140

// String returns the type with its fields: one with a doc ends its line.
func (t *rowType) String() string {
	var out strings.Builder
	out.WriteString(t.above)
	out.WriteString(strings.Join(append([]string{"type", t.name}, t.words...), " "))
	if t.doc != "" {
		out.WriteString("  " + t.doc)
	}
	out.WriteString("\n")
	line := ""
	flush := func() {
		if line != "" {
			out.WriteString("  " + line + "\n")
		}
		line = ""
	}
	for _, f := range t.fields {
		text := f.String()
		if f.doc != "" {
			text += " -- " + f.doc
		}
		// What has a doc is easier to find at the beginning of a line.
		if f.doc != "" || len("  "+line+", "+text) > maxLine {
			flush()
		}
		if line != "" {
			line += ", "
		}
		line += text
		if f.doc != "" {
			flush()
		}
	}
	flush()
	return out.String()
}

// String returns the package with its types.
func (p *rowPackage) String() string {
	out := fmt.Sprintf("package %s %s\n", p.name, p.schema)
	for _, t := range p.types {
		out += t.String()
	}
	return out
}

// describes reports whether upstream's struct says the word, and no person may.
func describes(word string) bool {
	switch word {
	case "atomic", "set", "granular", "must", "optional":
		return true
	}
	for _, prefix := range []string{"merge", "replace", "retainKeys", "keys:", "values:", "=="} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// isDefault reports whether the word is a default of any sort.
func isDefault(word string) bool { return strings.HasPrefix(word, "=") }

// merge carries over from was what upstream does not know of the type.
func (t *rowType) merge(was *rowType) {
	t.doc, t.above = was.doc, was.above
	for _, w := range was.words {
		if !describes(w) {
			t.words = append(t.words, w)
		}
	}
	for _, f := range t.fields {
		i := slices.IndexFunc(was.fields, func(o *rowField) bool { return o.name == f.name && (f.name != "+" || o.typ == f.typ) })
		if i < 0 {
			continue
		}
		o := was.fields[i]
		f.doc = o.doc
		for _, w := range o.words {
			if describes(w) || isDefault(w) && slices.ContainsFunc(f.words, isDefault) {
				continue
			}
			f.words = append(f.words, w)
		}
	}
}

// update takes the types that p has from upstream's, and returns the others.
func (p *rowPackage) update(upstream []*rowType) (others []*rowType) {
	was := p.types
	p.types = nil
	for _, t := range upstream {
		i := slices.IndexFunc(was, func(o *rowType) bool { return o.name == t.name })
		if i < 0 {
			others = append(others, t)
			continue
		}
		t.merge(was[i])
		p.types = append(p.types, t)
	}
	return others
}

// differences tells what of a type's row is not as upstream has it.
func (t *rowType) differences(row *rowType) []string {
	var out []string
	if want, got := describing(t.words), describing(row.words); !slices.Equal(got, want) {
		out = append(out, fmt.Sprintf("has the words %q, want %q", got, want))
	}
	for i, f := range t.fields {
		if i >= len(row.fields) {
			out = append(out, "lacks "+f.String())
			continue
		}
		o := row.fields[i]
		if f.name != o.name || f.number != o.number || f.typ != o.typ || !slices.Equal(describing(f.words), describing(o.words)) {
			out = append(out, fmt.Sprintf("has %s, want %s", o, f))
		}
	}
	for _, o := range row.fields[min(len(t.fields), len(row.fields)):] {
		out = append(out, "has "+o.String()+", which is not there")
	}
	return out
}

// describing returns the words that upstream says.
func describing(words []string) []string {
	var out []string
	for _, w := range words {
		if describes(w) {
			out = append(out, w)
		}
	}
	return out
}
