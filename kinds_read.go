package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed kinds.txt
var kindsText string

// loadKinds reads the embedded table, which takes well below a millisecond. Who wants the
// kinds calls it once and hands the table on.
func loadKinds() (*kindTable, error) { return parseKinds(kindsText) }

// parseKinds reads a table as the head of kinds.txt describes it, and resolves what it
// refers to. Errors name the line: "kinds.txt:7: …"; there is no table then.
func parseKinds(text string) (*kindTable, error) {
	r := kindReader{table: &kindTable{types: make(map[string]*typeDef, 256), byKind: map[kindKey]*kindRow{}, byResource: map[kindKey]*kindRow{}}}
	for text != "" && r.err == nil {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		r.line++
		r.read(line)
	}
	r.resolve()
	if r.err != nil {
		return nil, r.err
	}
	return r.table, nil
}

// kindReader is the reading of a table. A line that is not indented begins a kind, a
// package or a type; lines that are go on with it. What a line refers to may stand
// further down, so references are kept with their lines and resolved in the end. After
// the first error nothing more is read.
type kindReader struct {
	table *kindTable
	line  int
	err   error

	kind   *kindRow // being read, or nil
	typ    *typeDef // being read, or nil
	pack   string   // of the types being read
	schema string   // that package's beginning of names in OpenAPI

	types []lineOf[*typeDef]
	rows  []lineOf[*kindRow]
	refs  []typeRef
	block []typeField // where the next fields are put: there are hundreds
}

type lineOf[T any] struct {
	line int
	of   T
}

// typeRef is a place that a type is to be put, by its name.
type typeRef struct {
	line int
	name string
	put  **typeDef
}

func (r *kindReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("kinds.txt:%d: %s", r.line, fmt.Sprintf(format, args...))
	}
}

func (r *kindReader) read(line string) {
	if line == "" || line[0] == '#' {
		return
	}
	if strings.HasPrefix(line, "  ") {
		switch line = strings.TrimSpace(line); {
		case r.typ != nil:
			r.readFields(line)
		case r.kind != nil:
			r.readKindLine(line)
		default:
			r.fail("an indented line must belong to a kind or a type")
		}
		return
	}
	r.kind, r.typ = nil, nil
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "kind":
		r.readKind(strings.Fields(rest))
	case "package":
		r.pack, r.schema, _ = strings.Cut(rest, " ")
		if r.pack == "" || r.schema == "" {
			r.fail("a package has a name and a schema name")
		}
	case "type":
		r.readType(rest)
	default:
		r.fail("%q is not kind, package or type", word)
	}
}

const allVerbs = "create,delete,deletecollection,get,list,patch,update,watch"

// readKind reads the line that begins a kind; w is its columns.
func (r *kindReader) readKind(w []string) {
	if len(w) != 9 {
		r.fail("a kind has 9 columns, not %d", len(w))
		return
	}
	k := &kindRow{kind: w[1], plural: w[2], singular: strings.ToLower(w[1]), shortNames: listWord(w[3]), categories: listWord(w[4]), nameRule: w[6], server: w[7]}
	k.group, k.version = splitGroup(w[0])
	k.namespaced = r.oneOf("scope", w[5], "namespaced", "cluster") == "namespaced"
	r.oneOf("rule for names", k.nameRule, "label", "label1035", "subdomain", "segment")
	r.oneOf("server", k.server, "core", "extensions", "aggregator")
	for _, flag := range listWord(w[8]) {
		switch flag {
		case "object":
			k.deleteGivesObject = true
		case "blind":
			k.blindUpdate = true
		case "upsert":
			k.createOnUpdate = true
		case "generation":
			k.generation = true
		case "status":
			k.givenStatus = true
		case "review":
			k.reviewOnly = true
		default:
			r.fail("%q is no flag", flag)
		}
	}
	k.verbs = strings.Split(allVerbs, ",")
	if k.reviewOnly {
		k.verbs = []string{"create"}
	}
	byKind, byResource := kindKey{k.group, k.version, k.kind}, kindKey{k.group, k.version, k.plural}
	if r.table.byKind[byKind] != nil || r.table.byResource[byResource] != nil {
		r.fail("%s %s is there already", w[0], k.kind)
	}
	r.table.byKind[byKind], r.table.byResource[byResource] = k, k
	r.table.kinds = append(r.table.kinds, k)
	r.kind = k
	r.rows = append(r.rows, lineOf[*kindRow]{r.line, k})
	r.refer(bodyType(k.group, k.kind), &k.typ)
}

// bodyType is the name of a kind's type: packages are called by the first part of the
// group.
func bodyType(group, kind string) string {
	if group == "" {
		return "core." + kind
	}
	pack, _, _ := strings.Cut(group, ".")
	return pack + "." + kind
}

// splitGroup splits group/version; without a slash the group is the core one.
func splitGroup(text string) (group, version string) {
	if g, v, ok := strings.Cut(text, "/"); ok {
		return g, v
	}
	return "", text
}

// listWord is a list with commas; - is the empty one.
func listWord(w string) []string {
	if w == "-" {
		return nil
	}
	return strings.Split(w, ",")
}

func (r *kindReader) oneOf(what, word string, known ...string) string {
	if !slices.Contains(known, word) {
		r.fail("%q is no %s: %s", word, what, strings.Join(known, ", "))
	}
	return word
}

// readVerbs is a list of verbs, which must be sorted, as discovery shows them.
func (r *kindReader) readVerbs(list string) []string {
	verbs := listWord(list)
	for _, v := range verbs {
		r.oneOf("verb", v, strings.Split(allVerbs, ",")...)
	}
	if !slices.IsSorted(verbs) {
		r.fail("the verbs %s are not in order", list)
	}
	return verbs
}

// readKindLine reads what is said of a kind below its first line.
func (r *kindReader) readKindLine(line string) {
	k := r.kind
	word, rest, _ := strings.Cut(line, " ")
	if rest == "" {
		r.fail("%q says nothing", word)
		return
	}
	switch word {
	case "verbs":
		k.verbs = r.readVerbs(rest)
	case "sub":
		r.readSubresource(strings.Fields(rest))
	case "stored":
		k.storedAs = rest
	case "rename":
		own, stored, _ := strings.Cut(rest, " = ")
		k.renames = append(k.renames, [2]string{own, stored})
	case "select":
		k.fields = append(k.fields, readSelect(rest))
	case "initial":
		r.readInitial(rest)
	case "keep":
		k.keeps = append(k.keeps, strings.Split(rest, "."))
	case "namelabel":
		k.nameLabel = rest
	case "freeze":
		flag, list, _ := strings.Cut(rest, " ")
		k.freezer, k.frozen = flag, listWord(list)
	case "col":
		c, err := parseColumn(rest)
		if err != nil {
			r.fail("%v", err)
		}
		k.columns = append(k.columns, c)
	default:
		r.fail("%q is nothing that a kind has", word)
	}
}

func (r *kindReader) readSubresource(w []string) {
	k := r.kind
	if len(w) != 2 && len(w) != 3 {
		r.fail("a subresource has a name, verbs and perhaps a kind")
		return
	}
	s := subresourceRow{name: w[0], group: k.group, version: k.version, kind: k.kind, verbs: r.readVerbs(w[1])}
	if len(w) == 3 {
		i := strings.LastIndexByte(w[2], '/')
		if i < 0 {
			r.fail("%q is no group, version and kind", w[2])
			return
		}
		s.kind = w[2][i+1:]
		s.group, s.version = splitGroup(w[2][:i])
	}
	k.hasStatus = k.hasStatus || s.name == "status"
	k.subresources = append(k.subresources, s)
}

// readSelect reads LABEL [= PATH[|PATH]][:ZERO].
func readSelect(text string) selectableField {
	var f selectableField
	text, f.zero, _ = strings.Cut(text, ":")
	label, path, other := strings.Cut(text, " = ")
	if !other {
		path = label
	}
	path, second, _ := strings.Cut(path, "|")
	f.label, f.path = label, strings.Split(path, ".")
	if second != "" {
		f.other = strings.Split(second, ".")
	}
	return f
}

func (r *kindReader) readInitial(text string) {
	path, value, _ := strings.Cut(text, " = ")
	v, _, err := parseJSON([]byte(value))
	if err != nil {
		r.fail("the initial %s: %v", path, err)
	}
	r.kind.initial = append(r.kind.initial, initialValue{strings.Split(path, "."), v})
}

// resolve puts in what was referred to, and checks what can be only when all is read.
func (r *kindReader) resolve() {
	if r.err != nil {
		return
	}
	for _, ref := range r.refs {
		if *ref.put = r.table.types[ref.name]; *ref.put == nil {
			r.failAt(ref.line, "there is no type %s", ref.name)
			return
		}
	}
	for _, t := range r.types {
		r.index(t.line, t.of)
	}
	for _, t := range r.types {
		r.checkFields(t.line, t.of)
	}
	r.markDefaults()
	for _, k := range r.rows {
		r.resolveKind(k.line, k.of)
	}
}

func (r *kindReader) failAt(line int, format string, args ...any) {
	if r.err == nil {
		r.line = line
		r.fail(format, args...)
	}
}

func (r *kindReader) resolveKind(line int, k *kindRow) {
	k.stored = k
	if k.storedAs != "" {
		if k.stored = r.table.storage(k.storedAs); k.stored == nil || k.stored == k {
			r.failAt(line, "there is no %s to store %s as", k.storedAs, k.kind)
			return
		}
		k.columns = k.stored.columns
	}
	for _, names := range k.renames {
		if k.typ.byName[names[0]] == nil || k.stored.typ.byName[names[1]] == nil {
			r.failAt(line, "%s is stored as %s, which does not have both fields %s and %s", k.kind, k.storedAs, names[0], names[1])
		}
	}
	if len(k.columns) == 0 {
		k.columns = defaultColumns()
	}
	for i := range k.subresources {
		s := &k.subresources[i]
		if s.typ = r.table.types[localType(bodyType(s.group, s.kind))]; s.typ == nil {
			r.failAt(line, "the subresource %s has bodies of %s, which is no type", s.name, s.kind)
		}
	}
	for i := range k.fields {
		f := &k.fields[i]
		f.index = slices.IndexFunc(k.stored.fields, func(s selectableField) bool { return slices.Equal(s.path, f.path) })
		if f.index < 0 {
			r.failAt(line, "%s is selectable by %s, and %s is not", k.kind, f.label, k.storedAs)
		} else if !k.stored.typ.hasPath(f.path) {
			r.failAt(line, "%s has no field %s", k.kind, strings.Join(f.path, "."))
		}
	}
	for _, name := range append(k.frozen, k.freezer) {
		if name != "" && k.typ.byName[name] == nil {
			r.failAt(line, "%s has no field %s", k.kind, name)
		}
	}
}

// storage is the kind of a resource called plural.group that stores its own objects.
func (t *kindTable) storage(resource string) *kindRow {
	plural, group, _ := strings.Cut(resource, ".")
	for _, k := range t.kinds {
		if k.plural == plural && k.group == group && k.storedAs == "" {
			return k
		}
	}
	return nil
}

// hasPath tells whether objects of the type may have the field.
func (t *typeDef) hasPath(path []string) bool {
	for i, name := range path {
		f := t.byName[name]
		if f == nil {
			return false
		}
		if i == len(path)-1 || f.dic {
			return true
		}
		if f.kind != fieldMessage {
			return false
		}
		t = f.message
	}
	return true
}
