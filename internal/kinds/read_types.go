package kinds

import (
	"maps"
	"strconv"
	"strings"
	"sync/atomic"

	"apichain/internal/tree"
)

// The reading of types: the lines of kinds.txt that begin with type, and the lines of fields
// below them. A line holds one field or several, so that a type of many plain fields takes a
// few lines instead of a page:
//
//	type ServicePort  One port of a service.
//	  name 1 string -- name of the port, unique within the service
//	  protocol 2 string =TCP -- TCP, UDP or SCTP
//	  port 3 int32!, targetPort 4 intstr =.port
//
// Scalar types are lower-case words and other types begin with a capital or have their
// package before a dot, which is all it takes to tell them apart.
//
// When the last line of a type and of those that it refers to is read, index makes the lookups by name and by number of each type.
// Embedded types make that a walk: TypeMeta's kind and apiVersion are fields of every kind in
// JSON, and the lookup by name has them without a detour.

// maxFieldNumber bounds the number of a field, for there is a slice with a place for each. No type
// of the API has one above a hundred.
const maxFieldNumber = 1000

// Type returns the type of that name, PodSpec or meta.ObjectMeta, nil if there is none. It is read
// when it is first asked for. Any number of goroutines may ask.
//
//go:noinline
func (t *Table) Type(name string) *Type {
	typ, err := t.read(name)
	if err != nil {
		// No request can bring this about: the tests have read every type.
		panic(err)
	}
	return typ
}

// read is Type with what is wrong with the lines. Whoever waits for another's reading holds nothing.
func (t *Table) read(name string) (*Type, error) {
	if t.types == nil { // the zero table
		return nil, nil
	}
	t.types.mu.Lock()
	defer t.types.mu.Unlock()
	if typ := t.types.read[name]; typ != nil || t.types.lines[name].text == "" {
		return typ, nil
	}
	r := kindReader{table: t}
	fresh := map[string]*Type{}
	r.readTypes(name, fresh)
	if r.err != nil {
		return nil, r.err
	}
	maps.Copy(t.types.read, fresh)
	return t.types.read[name], nil
}

// LazyType is a type that is read when it is first needed. A nil one is no type, and any number of
// goroutines may ask for that of another.
type LazyType struct {
	table *Table
	name  string
	typ   atomic.Pointer[Type]
}

// Known returns typ as one that need not be read.
func Known(typ *Type) *LazyType {
	l := &LazyType{}
	l.typ.Store(typ)
	return l
}

// get returns the type.
func (l *LazyType) get() *Type {
	if l == nil {
		return nil
	}
	typ := l.typ.Load()
	if typ == nil {
		typ = l.table.Type(l.name)
		l.typ.Store(typ)
	}
	return typ
}

// readTypes reads the type of that name and those that it refers to, as far as the table has not
// read them before, into fresh. The order of the steps matters: the index of a type's fields goes into
// embedded types, so all types must be found first.
func (r *kindReader) readTypes(name string, fresh map[string]*Type) {
	r.refs = []typeRef{{name: name, target: new(*Type)}}
	for i := 0; i < len(r.refs) && r.err == nil; i++ { // reading a type adds to them
		ref := r.refs[i]
		typ := r.table.types.read[ref.name]
		if typ == nil {
			typ = fresh[ref.name]
		}
		if typ == nil {
			lines := r.table.types.lines[ref.name]
			if lines.text == "" {
				r.failAt(ref.file, ref.line, "there is no type %s", ref.name)
				return
			}
			typ = r.readType(ref.name, lines)
			fresh[ref.name] = typ
		}
		*ref.target = typ
	}
	if r.err != nil {
		return
	}
	for _, t := range r.types {
		r.file = t.file
		r.index(t.line, t.of)
	}
	for _, t := range r.types {
		r.file = t.file
		r.checkFields(t.line, t.of)
	}
	if r.err == nil {
		r.markTypes()
	}
}

// readType reads the lines of a type: its name with words and, behind two spaces, what it is; then
// its fields.
func (r *kindReader) readType(name string, lines typeLines) *Type {
	r.file, r.line, r.packageName, r.schema = lines.file, lines.line, lines.packageName, lines.schema
	first, rest, _ := strings.Cut(lines.text, "\n")
	first, doc, _ := strings.Cut(strings.TrimPrefix(first, "type "), "  ")
	first, words, _ := strings.Cut(first, " ")
	t := &Type{Name: name, Schema: r.schema + "." + first, Doc: doc}
	for _, word := range strings.Fields(words) {
		r.readTypeWord(t, word)
	}
	t.rule = r.table.types.rules[name]
	r.typ = t
	r.types = append(r.types, lineOf[*Type]{r.file, r.line, t})
	for rest != "" && r.err == nil {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		r.line++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			r.readFields(line)
		}
	}
	return t
}

// readTypeWord reads one of the words behind a type's name.
func (r *kindReader) readTypeWord(t *Type, word string) {
	name, value, _ := strings.Cut(word, ":")
	switch name {
	case "atomic":
		t.Atomic = true
	case "one":
		t.union = strings.ReplaceAll(value, "_", " ")
	case "union":
		discriminator, fields, _ := strings.Cut(value, ":")
		t.Union = &Union{discriminator, strings.Split(fields, "|")}
	default:
		r.fail("%q is nothing that is said of a type", word)
	}
}

// localType returns the name that a type has in the table, given the one with its package:
// those of the core group are known without it.
func localType(name string) string { return strings.TrimPrefix(name, coreGroup+".") }

// refer notes that the type of that name, with its package, is to be put into target when all
// types are read.
func (r *kindReader) refer(name string, target **Type) {
	r.refs = append(r.refs, typeRef{r.file, r.line, localType(name), target})
}

// readFields reads a line of fields, separated by a comma and a space. The text behind " -- "
// is about the last of them.
func (r *kindReader) readFields(line string) {
	// The text is cut off first, as it may have commas of its own.
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

// readField reads NAME NUMBER TYPE WORD…, or + [NUMBER] TYPE for an embedded field, into f.
func (r *kindReader) readField(f *Field, text string) {
	name, rest, _ := strings.Cut(text, " ")
	f.Name = name
	if name == "+" {
		f.Name, f.Inline = "", true
	}
	// No type begins with a digit, so a number is known by its first character.
	if !f.Inline || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		var number string
		number, rest, _ = strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxFieldNumber {
			r.fail("%q is no number of a field", number)
			return
		}
		f.number = n
	}
	typ, rest, _ := strings.Cut(rest, " ")
	r.readFieldType(f, typ)
	f.Demanded = f.Required
	for rest != "" {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		r.readFieldWord(f, word)
	}
}

// readFieldType reads the type of a field with the marks around it: {} and [] in front, * and
// ! behind.
func (r *kindReader) readFieldType(f *Field, typ string) {
	// The marks are in one order, outermost first on both sides: {}[]T*!.
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
	// A lower-case word is a scalar, unless it is the package of a type: meta.ObjectMeta.
	if scalar, _, _ := strings.Cut(typ, ":"); typ[0] >= 'a' && !strings.Contains(scalar, ".") {
		typ, component, named := strings.Cut(typ, ":")
		if named {
			f.Component = r.schema + "." + component
			if strings.HasPrefix(component, "runtime.") {
				f.Component = runtimeSchemas + component
			}
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
		typ, f.alternativeNumbers[0] = r.splitNumbered(first)
		f.Alternative, f.alternativeNumbers[1] = r.splitNumbered(second)
		r.oneOf("other form of a type", f.Alternative, "bool", "list", "strings")
	}
	if !strings.Contains(typ, ".") {
		typ = r.packageName + "." + typ
	}
	r.refer(typ, &f.Message)
}

// runtimeSchemas begins the name in OpenAPI of what any package may embed, runtime.RawExtension.
const runtimeSchemas = "io.k8s.apimachinery.pkg."

// splitNumbered splits WORD=N, a form of an alternative with its number in protobuf.
func (r *kindReader) splitNumbered(text string) (word string, n int) {
	word, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		r.fail("%q is no form with its number", text)
	}
	return word, n
}

// scalarKind returns the kind of a value by its name in the file; false if it is none.
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

// readFieldWord reads one of the words behind a field's type: a default, where the value
// moves, or the strategy of a strategic merge.
func (r *kindReader) readFieldWord(f *Field, word string) {
	switch {
	case word == "":
		r.fail("the words of the field %q are not one space apart", f.Name)
	case strings.HasPrefix(word, "=."):
		f.DefaultFrom = word[2:]
	case strings.HasPrefix(word, "=="):
		// What a Go field is without being set is no default, but OpenAPI shows it.
		f.ShownDefault = r.parseDefault(f.Kind, word[2:])
		if f.pointer || !isEmpty(f.ShownDefault) {
			f.Default = f.ShownDefault
		}
	case word[0] == '=':
		f.Default = r.parseDefault(f.Kind, word[1:])
	case word == "null":
		if f.nullable = true; !f.IsList {
			r.fail("the field %q is null where it is empty, and is no list", f.Name)
		}
	case word == "emptyasks":
		f.emptyAsks = true
	case word == "omitzero":
		if f.zeroInProtobuf = true; !f.pointer {
			r.fail("the field %q is in protobuf where it is zero even so", f.Name)
		}
	case word == "wrapped":
		if f.wrapped = true; !f.IsList || f.IsMap {
			r.fail("the field %q is wrapped, and is no list", f.Name)
		}
	case word[0] == '>':
		f.MovesInto = word[1:]
	case r.readDescription(f, word) || r.readRule(f, word):
	default:
		strategy, key, _ := strings.Cut(word, ":")
		for _, s := range strings.Split(strategy, "+") {
			r.oneOf("merge strategy", s, "merge", "replace", "retainKeys")
		}
		// OpenAPI and upstream's struct tags join two strategies with a comma; here that
		// would end the field.
		f.Strategy, f.MergeKey = strings.ReplaceAll(strategy, "+", ","), key
	}
}

// readDescription reads a word that says how OpenAPI shows a field, and reports whether it is one.
func (r *kindReader) readDescription(f *Field, word string) bool {
	name, value, _ := strings.Cut(word, ":")
	switch name {
	case "atomic", "set", "granular":
		f.ListType = name
	case "optional", "must":
		f.Demanded = name == "must"
	case "keys":
		f.ListType, f.ListKeys = "map", splitList(value)
	case "values":
		f.Values = strings.Split(strings.ReplaceAll(value, "_", " "), "|")
	default:
		return false
	}
	return true
}

// parseDefault returns a default as a value of a kind: text as it stands, all else as JSON.
func (r *kindReader) parseDefault(kind FieldKind, text string) any {
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

// index makes the lookups of t by name and by number, and those of the types that it embeds,
// which may stand further down and embed others themselves. It fails for two fields of one
// name or number.
func (r *kindReader) index(line int, t *Type) {
	// A type that others embed comes by more than once. After an error the walk ends, which
	// it might not do for types that embed each other.
	if t.ByName != nil || r.err != nil {
		return
	}
	t.ByName = make(map[string]*Field, len(t.Fields)+2)
	last := 0
	for _, f := range t.Fields {
		last = max(last, f.number)
	}
	t.byNumber = make([]*Field, last+1)
	for _, f := range t.Fields {
		if f.number > 0 {
			if t.byNumber[f.number] != nil {
				r.failAt(r.file, line, "%s has two fields of number %d", t.Name, f.number)
			}
			t.byNumber[f.number] = f
		}
		if !f.Inline {
			r.addName(line, t, f)
			continue
		}
		if f.Kind != FieldMessage || f.IsList || f.IsMap {
			r.failAt(r.file, line, "%s embeds what is no type", t.Name)
			return
		}
		r.index(line, f.Message)
		for _, inner := range f.Message.ByName {
			r.addName(line, t, inner)
		}
	}
}

// addName adds a field to the lookup by name. Upstream's Go would let an outer field hide an
// embedded one; no type of the API needs that, so it is an error here.
func (r *kindReader) addName(line int, t *Type, f *Field) {
	if t.ByName[f.Name] != nil {
		r.failAt(r.file, line, "%s has two fields %s", t.Name, f.Name)
	}
	t.ByName[f.Name] = f
}

// checkFields checks what the fields of t say of other fields: where defaults come from,
// where texts move to, and by which key a list is merged.
func (r *kindReader) checkFields(line int, t *Type) {
	for _, f := range t.Fields {
		if s := t.ByName[f.DefaultFrom]; f.DefaultFrom != "" && (s == nil || s == f) {
			r.failAt(r.file, line, "%s.%s takes its default from %s, which is not there", t.Name, f.Name, f.DefaultFrom)
		}
		if d := t.ByName[f.MovesInto]; f.MovesInto != "" && (d == nil || !d.IsMap || d.Kind != FieldBytes) {
			r.failAt(r.file, line, "%s.%s goes into %s, which is no map of bytes", t.Name, f.Name, f.MovesInto)
		}
		if f.MergeKey != "" && (!f.IsList || f.Kind != FieldMessage || f.Message.ByName[f.MergeKey] == nil) {
			r.failAt(r.file, line, "%s.%s is merged by %s, which its elements do not have", t.Name, f.Name, f.MergeKey)
		}
	}
}

// markTypes sets Type.defaults and Type.checks of every type that was read. Types may contain each
// other in circles (a JSON schema has properties that are schemas), so it goes over all of them
// until a round marks nothing more.
func (r *kindReader) markTypes() {
	for again := true; again; {
		again = false
		for _, t := range r.types {
			if !t.of.defaults && t.of.needsDefaulting() {
				t.of.defaults, again = true, true
			}
			if !t.of.checks && t.of.needsChecking() {
				t.of.checks, again = true, true
			}
		}
	}
}

// needsDefaulting reports whether a field of t has a default, is moved or written even if it is
// empty, or holds a type that is marked already.
func (t *Type) needsDefaulting() bool {
	// The metadata of every object would be walked for fields of its owners, which are refused
	// where they are empty.
	if t.Name == "meta.ObjectMeta" {
		return false
	}
	if t.rule.Default != nil {
		return true
	}
	for _, f := range t.Fields {
		if f.Default != nil || f.DefaultFrom != "" || f.MovesInto != "" {
			return true
		}
		if f.alwaysWritten() && (f.Kind != FieldMessage || f.Message == nil || f.Message.Name != "meta.ObjectMeta") {
			return true
		}
		if f.Kind == FieldMessage && f.Message != nil && f.Message.defaults {
			return true
		}
	}
	return false
}
