package main

import (
	"strconv"
	"strings"
)

// The types of kinds.txt: the lines that begin with type and the fields below them.

// readType reads the line that begins a type.
func (r *kindReader) readType(text string) {
	name, doc, _ := strings.Cut(text, "  ")
	if name == "" || r.pack == "" {
		r.fail("a type has a name, and is in a package")
		return
	}
	t := &typeDef{name: localType(r.pack + "." + name), schema: r.schema + "." + name, doc: doc}
	if r.table.types[t.name] != nil {
		r.fail("the type %s is there already", t.name)
	}
	r.table.types[t.name] = t
	r.typ = t
	r.types = append(r.types, lineOf[*typeDef]{r.line, t})
}

// localType is a type's name in the table: those of the core are known without it.
func localType(name string) string { return strings.TrimPrefix(name, "core.") }

// refer has put filled in with a type that may stand further down.
func (r *kindReader) refer(name string, put **typeDef) {
	r.refs = append(r.refs, typeRef{r.line, localType(name), put})
}

// readFields reads a line of fields.
func (r *kindReader) readFields(line string) {
	line, doc, _ := strings.Cut(line, " -- ")
	var f *typeField
	for more := true; more && r.err == nil; {
		var text string
		text, line, more = strings.Cut(line, ", ")
		if len(r.block) == 0 {
			r.block = make([]typeField, 64)
		}
		f, r.block = &r.block[0], r.block[1:]
		r.readField(f, text)
		r.typ.fields = append(r.typ.fields, f)
	}
	f.doc = doc
}

// readField reads NAME NUMBER TYPE WORD…, or + [NUMBER] TYPE.
func (r *kindReader) readField(f *typeField, text string) {
	name, rest, _ := strings.Cut(text, " ")
	f.name = name
	if name == "+" {
		f.name, f.inline = "", true
	}
	if !f.inline || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		var number string
		number, rest, _ = strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			r.fail("%q is no number of a field", number)
			return
		}
		f.number = n
	}
	typ, rest, _ := strings.Cut(rest, " ")
	r.readFieldType(f, typ)
	for rest != "" {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		r.readFieldWord(f, word)
	}
}

func (r *kindReader) readFieldType(f *typeField, typ string) {
	if f.required = strings.HasSuffix(typ, "!"); f.required {
		typ = typ[:len(typ)-1]
	}
	if f.pointer = strings.HasSuffix(typ, "*"); f.pointer {
		typ = typ[:len(typ)-1]
	}
	if rest, ok := strings.CutPrefix(typ, "{}"); ok {
		f.dic, typ = true, rest
	}
	if rest, ok := strings.CutPrefix(typ, "[]"); ok {
		f.list, typ = true, rest
	}
	if typ == "" {
		r.fail("the field %q has no type", f.name)
		return
	}
	if typ[0] >= 'a' && !strings.Contains(typ, ".") {
		typ, component, named := strings.Cut(typ, ":")
		if named {
			f.component = r.schema + "." + component
		}
		kind, ok := scalarKind(typ)
		if !ok || named && kind != fieldRaw {
			r.fail("%q is no type", typ)
		}
		f.kind = kind
		return
	}
	f.kind = fieldMessage
	if first, second, either := strings.Cut(typ, "|"); either {
		typ, f.orNumbers[0] = r.numbered(first)
		f.or, f.orNumbers[1] = r.numbered(second)
		r.oneOf("other form of a type", f.or, "bool", "list", "strings")
	}
	if !strings.Contains(typ, ".") {
		typ = r.pack + "." + typ
	}
	r.refer(typ, &f.message)
}

// numbered splits WORD=N.
func (r *kindReader) numbered(text string) (word string, n int) {
	word, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		r.fail("%q is no form with its number", text)
	}
	return word, n
}

func scalarKind(word string) (fieldKind, bool) {
	switch word {
	case "string":
		return fieldString, true
	case "bool":
		return fieldBool, true
	case "int32":
		return fieldInt32, true
	case "int64":
		return fieldInt64, true
	case "double":
		return fieldDouble, true
	case "bytes":
		return fieldBytes, true
	case "time":
		return fieldTime, true
	case "microtime":
		return fieldMicroTime, true
	case "intstr":
		return fieldIntOrString, true
	case "quantity":
		return fieldQuantity, true
	case "raw":
		return fieldRaw, true
	}
	return 0, false
}

// other is a field of what may stand for f's message.
func (f *typeField) other() *typeField {
	switch f.or {
	case "bool":
		return &typeField{name: f.or, kind: fieldBool}
	case "strings":
		return &typeField{name: f.or, list: true}
	}
	return &typeField{name: f.or, kind: fieldMessage, message: f.message, list: true}
}

func (r *kindReader) readFieldWord(f *typeField, word string) {
	switch {
	case strings.HasPrefix(word, "=."):
		f.sibling = word[2:]
	case word[0] == '=':
		f.fallback = r.fallback(f.kind, word[1:])
	case word[0] == '>':
		f.into = word[1:]
	default:
		strategy, key, _ := strings.Cut(word, ":")
		for _, s := range strings.Split(strategy, "+") {
			r.oneOf("merge strategy", s, "merge", "replace", "retainKeys")
		}
		f.strategy, f.mergeKey = strings.ReplaceAll(strategy, "+", ","), key
	}
}

// fallback is a default, as a value of a kind.
func (r *kindReader) fallback(kind fieldKind, text string) any {
	switch kind {
	case fieldString, fieldQuantity:
		return text
	}
	v, _, err := parseJSON([]byte(text))
	if err != nil {
		r.fail("the default %s: %v", text, err)
	}
	return v
}

// index fills in byName and byNumber of t, whose inline fields may be those of types that
// have inline fields themselves.
func (r *kindReader) index(line int, t *typeDef) {
	if t.byName != nil || r.err != nil {
		return
	}
	t.byName = make(map[string]*typeField, len(t.fields)+2)
	t.byNumber = make(map[int]*typeField, len(t.fields))
	for _, f := range t.fields {
		if f.number > 0 {
			if t.byNumber[f.number] != nil {
				r.failAt(line, "%s has two fields of number %d", t.name, f.number)
			}
			t.byNumber[f.number] = f
		}
		if !f.inline {
			r.addName(line, t, f)
			continue
		}
		if f.kind != fieldMessage || f.list || f.dic {
			r.failAt(line, "%s embeds what is no type", t.name)
			return
		}
		r.index(line, f.message)
		for _, inner := range f.message.byName {
			r.addName(line, t, inner)
		}
	}
}

func (r *kindReader) addName(line int, t *typeDef, f *typeField) {
	if t.byName[f.name] != nil {
		r.failAt(line, "%s has two fields %s", t.name, f.name)
	}
	t.byName[f.name] = f
}

// checkFields checks what fields of t say of others.
func (r *kindReader) checkFields(line int, t *typeDef) {
	for _, f := range t.fields {
		if s := t.byName[f.sibling]; f.sibling != "" && (s == nil || s == f) {
			r.failAt(line, "%s.%s takes its default from %s, which is not there", t.name, f.name, f.sibling)
		}
		if d := t.byName[f.into]; f.into != "" && (d == nil || !d.dic || d.kind != fieldBytes) {
			r.failAt(line, "%s.%s goes into %s, which is no map of bytes", t.name, f.name, f.into)
		}
		if f.mergeKey != "" && (!f.list || f.kind != fieldMessage || f.message.byName[f.mergeKey] == nil) {
			r.failAt(line, "%s.%s is merged by %s, which its elements do not have", t.name, f.name, f.mergeKey)
		}
	}
}

// markDefaults sets typeDef.defaults; types may contain each other in circles, so it goes
// over them until nothing is new.
func (r *kindReader) markDefaults() {
	for again := true; again; {
		again = false
		for _, t := range r.types {
			if t.of.defaults {
				continue
			}
			for _, f := range t.of.fields {
				if f.fallback != nil || f.sibling != "" || f.into != "" || f.kind == fieldMessage && f.message != nil && f.message.defaults {
					t.of.defaults, again = true, true
					break
				}
			}
		}
	}
}
