package kinds

import (
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The types of kinds.txt: the lines that begin with type and the fields below them.

// readType reads the line that begins a type.
func (r *kindReader) readType(text string) {
	name, doc, _ := strings.Cut(text, "  ")
	if name == "" || r.pack == "" {
		r.fail("a type has a name, and is in a package")
		return
	}
	t := &Type{Name: localType(r.pack + "." + name), Schema: r.schema + "." + name, Doc: doc}
	if r.table.Types[t.Name] != nil {
		r.fail("the type %s is there already", t.Name)
	}
	r.table.Types[t.Name] = t
	r.typ = t
	r.types = append(r.types, lineOf[*Type]{r.line, t})
}

// localType is a type's name in the table: those of the core are known without it.
func localType(name string) string { return strings.TrimPrefix(name, "core.") }

// refer has put filled in with a type that may stand further down.
func (r *kindReader) refer(name string, put **Type) {
	r.refs = append(r.refs, typeRef{r.line, localType(name), put})
}

// readFields reads a line of fields.
func (r *kindReader) readFields(line string) {
	line, doc, _ := strings.Cut(line, " -- ")
	var f *Field
	for more := true; more && r.err == nil; {
		var text string
		text, line, more = strings.Cut(line, ", ")
		if len(r.block) == 0 {
			r.block = make([]Field, 64)
		}
		f, r.block = &r.block[0], r.block[1:]
		r.readField(f, text)
		r.typ.Fields = append(r.typ.Fields, f)
	}
	f.Doc = doc
}

// readField reads NAME NUMBER TYPE WORD…, or + [NUMBER] TYPE.
func (r *kindReader) readField(f *Field, text string) {
	name, rest, _ := strings.Cut(text, " ")
	f.Name = name
	if name == "+" {
		f.Name, f.Inline = "", true
	}
	if !f.Inline || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
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

func (r *kindReader) readFieldType(f *Field, typ string) {
	if f.Required = strings.HasSuffix(typ, "!"); f.Required {
		typ = typ[:len(typ)-1]
	}
	if f.pointer = strings.HasSuffix(typ, "*"); f.pointer {
		typ = typ[:len(typ)-1]
	}
	if rest, ok := strings.CutPrefix(typ, "{}"); ok {
		f.IsMap, typ = true, rest
	}
	if rest, ok := strings.CutPrefix(typ, "[]"); ok {
		f.IsList, typ = true, rest
	}
	if typ == "" {
		r.fail("the field %q has no type", f.Name)
		return
	}
	if typ[0] >= 'a' && !strings.Contains(typ, ".") {
		typ, component, named := strings.Cut(typ, ":")
		if named {
			f.Component = r.schema + "." + component
		}
		kind, ok := scalarKind(typ)
		if !ok || named && kind != FieldRaw {
			r.fail("%q is no type", typ)
		}
		f.Kind = kind
		return
	}
	f.Kind = FieldMessage
	if first, second, either := strings.Cut(typ, "|"); either {
		typ, f.alternativeNumbers[0] = r.numbered(first)
		f.Alternative, f.alternativeNumbers[1] = r.numbered(second)
		r.oneOf("other form of a type", f.Alternative, "bool", "list", "strings")
	}
	if !strings.Contains(typ, ".") {
		typ = r.pack + "." + typ
	}
	r.refer(typ, &f.Message)
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

func scalarKind(word string) (FieldKind, bool) {
	switch word {
	case "string":
		return FieldString, true
	case "bool":
		return FieldBool, true
	case "int32":
		return FieldInt32, true
	case "int64":
		return FieldInt64, true
	case "double":
		return FieldDouble, true
	case "bytes":
		return FieldBytes, true
	case "time":
		return FieldTime, true
	case "microtime":
		return FieldMicroTime, true
	case "intstr":
		return FieldIntOrString, true
	case "quantity":
		return FieldQuantity, true
	case "raw":
		return FieldRaw, true
	}
	return 0, false
}

// other is a field of what may stand for f's message.
func (f *Field) other() *Field {
	switch f.Alternative {
	case "bool":
		return &Field{Name: f.Alternative, Kind: FieldBool}
	case "strings":
		return &Field{Name: f.Alternative, IsList: true}
	}
	return &Field{Name: f.Alternative, Kind: FieldMessage, Message: f.Message, IsList: true}
}

func (r *kindReader) readFieldWord(f *Field, word string) {
	switch {
	case strings.HasPrefix(word, "=."):
		f.DefaultFrom = word[2:]
	case word[0] == '=':
		f.Default = r.fallback(f.Kind, word[1:])
	case word[0] == '>':
		f.MovesInto = word[1:]
	default:
		strategy, key, _ := strings.Cut(word, ":")
		for _, s := range strings.Split(strategy, "+") {
			r.oneOf("merge strategy", s, "merge", "replace", "retainKeys")
		}
		f.Strategy, f.MergeKey = strings.ReplaceAll(strategy, "+", ","), key
	}
}

// fallback is a default, as a value of a kind.
func (r *kindReader) fallback(kind FieldKind, text string) any {
	switch kind {
	case FieldString, FieldQuantity:
		return text
	}
	v, _, err := tree.ParseJSON([]byte(text))
	if err != nil {
		r.fail("the default %s: %v", text, err)
	}
	return v
}

// index fills in byName and byNumber of t, whose inline fields may be those of types that
// have inline fields themselves.
func (r *kindReader) index(line int, t *Type) {
	if t.ByName != nil || r.err != nil {
		return
	}
	t.ByName = make(map[string]*Field, len(t.Fields)+2)
	t.byNumber = make(map[int]*Field, len(t.Fields))
	for _, f := range t.Fields {
		if f.number > 0 {
			if t.byNumber[f.number] != nil {
				r.failAt(line, "%s has two fields of number %d", t.Name, f.number)
			}
			t.byNumber[f.number] = f
		}
		if !f.Inline {
			r.addName(line, t, f)
			continue
		}
		if f.Kind != FieldMessage || f.IsList || f.IsMap {
			r.failAt(line, "%s embeds what is no type", t.Name)
			return
		}
		r.index(line, f.Message)
		for _, inner := range f.Message.ByName {
			r.addName(line, t, inner)
		}
	}
}

func (r *kindReader) addName(line int, t *Type, f *Field) {
	if t.ByName[f.Name] != nil {
		r.failAt(line, "%s has two fields %s", t.Name, f.Name)
	}
	t.ByName[f.Name] = f
}

// checkFields checks what fields of t say of others.
func (r *kindReader) checkFields(line int, t *Type) {
	for _, f := range t.Fields {
		if s := t.ByName[f.DefaultFrom]; f.DefaultFrom != "" && (s == nil || s == f) {
			r.failAt(line, "%s.%s takes its default from %s, which is not there", t.Name, f.Name, f.DefaultFrom)
		}
		if d := t.ByName[f.MovesInto]; f.MovesInto != "" && (d == nil || !d.IsMap || d.Kind != FieldBytes) {
			r.failAt(line, "%s.%s goes into %s, which is no map of bytes", t.Name, f.Name, f.MovesInto)
		}
		if f.MergeKey != "" && (!f.IsList || f.Kind != FieldMessage || f.Message.ByName[f.MergeKey] == nil) {
			r.failAt(line, "%s.%s is merged by %s, which its elements do not have", t.Name, f.Name, f.MergeKey)
		}
	}
}

// markDefaults sets Type.defaults; types may contain each other in circles, so it goes
// over them until nothing is new.
func (r *kindReader) markDefaults() {
	for again := true; again; {
		again = false
		for _, t := range r.types {
			if t.of.defaults {
				continue
			}
			for _, f := range t.of.Fields {
				if f.Default != nil || f.DefaultFrom != "" || f.MovesInto != "" || f.Kind == FieldMessage && f.Message != nil && f.Message.defaults {
					t.of.defaults, again = true, true
					break
				}
			}
		}
	}
}
