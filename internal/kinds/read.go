package kinds

import (
	"apichain/internal/tree"

	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed kinds.txt
var kindsText string

// Load reads the embedded table, which takes well below a millisecond. Who wants the
// kinds calls it once and hands the table on.
func Load() (*Table, error) { return parseKinds(kindsText) }

// parseKinds reads a table as the head of kinds.txt describes it, and resolves what it
// refers to. Errors name the line: "kinds.txt:7: …"; there is no table then.
func parseKinds(text string) (*Table, error) {
	r := kindReader{table: &Table{Types: make(map[string]*Type, 256), ByKind: map[Key]*Row{}, ByResource: map[Key]*Row{}}}
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
	table *Table
	line  int
	err   error

	kind   *Row   // being read, or nil
	typ    *Type  // being read, or nil
	pack   string // of the types being read
	schema string // that package's beginning of names in OpenAPI

	types []lineOf[*Type]
	rows  []lineOf[*Row]
	refs  []typeRef
	block []Field // where the next fields are put: there are hundreds
}

type lineOf[T any] struct {
	line int
	of   T
}

// typeRef is a place that a type is to be put, by its name.
type typeRef struct {
	line int
	name string
	put  **Type
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
	k := &Row{Kind: w[1], ListKind: w[1] + "List", Plural: w[2], Singular: strings.ToLower(w[1]), ShortNames: listWord(w[3]), Categories: listWord(w[4]), NameRule: w[6], Server: w[7]}
	k.Group, k.Version = splitGroup(w[0])
	k.Namespaced = r.oneOf("scope", w[5], "namespaced", "cluster") == "namespaced"
	r.oneOf("rule for names", k.NameRule, "label", "label1035", "subdomain", "segment")
	r.oneOf("server", k.Server, "core", "extensions", "aggregator")
	for _, flag := range listWord(w[8]) {
		switch flag {
		case "object":
			k.ReturnsDeleted = true
		case "blind":
			k.UnconditionalUpdate = true
		case "upsert":
			k.CreateOnUpdate = true
		case "generation":
			k.HasGeneration = true
		case "status":
			k.KeepsGivenStatus = true
		case "review":
			k.ReviewOnly = true
		default:
			r.fail("%q is no flag", flag)
		}
	}
	k.Verbs = strings.Split(allVerbs, ",")
	if k.ReviewOnly {
		k.Verbs = []string{"create"}
	}
	byKind, byResource := Key{k.Group, k.Version, k.Kind}, Key{k.Group, k.Version, k.Plural}
	if r.table.ByKind[byKind] != nil || r.table.ByResource[byResource] != nil {
		r.fail("%s %s is there already", w[0], k.Kind)
	}
	r.table.ByKind[byKind], r.table.ByResource[byResource] = k, k
	r.table.Kinds = append(r.table.Kinds, k)
	r.kind = k
	r.rows = append(r.rows, lineOf[*Row]{r.line, k})
	r.refer(bodyType(k.Group, k.Kind), &k.Type)
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
		k.Verbs = r.readVerbs(rest)
	case "sub":
		r.readSubresource(strings.Fields(rest))
	case "stored":
		k.StoredAs = rest
	case "rename":
		own, stored, _ := strings.Cut(rest, " = ")
		k.renames = append(k.renames, [2]string{own, stored})
	case "select":
		k.Fields = append(k.Fields, readSelect(rest))
	case "initial":
		r.readInitial(rest)
	case "keep":
		k.Kept = append(k.Kept, strings.Split(rest, "."))
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
		k.Columns = append(k.Columns, c)
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
	s := Subresource{Name: w[0], Group: k.Group, Version: k.Version, Kind: k.Kind, Verbs: r.readVerbs(w[1])}
	if len(w) == 3 {
		i := strings.LastIndexByte(w[2], '/')
		if i < 0 {
			r.fail("%q is no group, version and kind", w[2])
			return
		}
		s.Kind = w[2][i+1:]
		s.Group, s.Version = splitGroup(w[2][:i])
	}
	k.HasStatus = k.HasStatus || s.Name == "status"
	k.Subresources = append(k.Subresources, s)
}

// readSelect reads LABEL [= PATH[|PATH]][:ZERO].
func readSelect(text string) Selectable {
	var f Selectable
	text, f.zero, _ = strings.Cut(text, ":")
	label, path, other := strings.Cut(text, " = ")
	if !other {
		path = label
	}
	path, second, _ := strings.Cut(path, "|")
	f.Label, f.Path = label, strings.Split(path, ".")
	if second != "" {
		f.other = strings.Split(second, ".")
	}
	return f
}

func (r *kindReader) readInitial(text string) {
	path, value, _ := strings.Cut(text, " = ")
	v, _, err := tree.ParseJSON([]byte(value))
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
		if *ref.put = r.table.Types[ref.name]; *ref.put == nil {
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

func (r *kindReader) resolveKind(line int, k *Row) {
	k.stored = k
	if k.StoredAs != "" {
		if k.stored = r.table.storage(k.StoredAs); k.stored == nil || k.stored == k {
			r.failAt(line, "there is no %s to store %s as", k.StoredAs, k.Kind)
			return
		}
		k.Columns = k.stored.Columns
	}
	for _, names := range k.renames {
		if k.Type.ByName[names[0]] == nil || k.stored.Type.ByName[names[1]] == nil {
			r.failAt(line, "%s is stored as %s, which does not have both fields %s and %s", k.Kind, k.StoredAs, names[0], names[1])
		}
	}
	if len(k.Columns) == 0 {
		k.Columns = defaultColumns()
	}
	for i := range k.Subresources {
		s := &k.Subresources[i]
		if s.Type = r.table.Types[localType(bodyType(s.Group, s.Kind))]; s.Type == nil {
			r.failAt(line, "the subresource %s has bodies of %s, which is no type", s.Name, s.Kind)
		}
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		f.Index = slices.IndexFunc(k.stored.Fields, func(s Selectable) bool { return slices.Equal(s.Path, f.Path) })
		if f.Index < 0 {
			r.failAt(line, "%s is selectable by %s, and %s is not", k.Kind, f.Label, k.StoredAs)
		} else if !k.stored.Type.hasPath(f.Path) {
			r.failAt(line, "%s has no field %s", k.Kind, strings.Join(f.Path, "."))
		}
	}
	for _, name := range append(k.frozen, k.freezer) {
		if name != "" && k.Type.ByName[name] == nil {
			r.failAt(line, "%s has no field %s", k.Kind, name)
		}
	}
}

// storage is the kind of a resource called plural.group that stores its own objects.
func (t *Table) storage(resource string) *Row {
	plural, group, _ := strings.Cut(resource, ".")
	for _, k := range t.Kinds {
		if k.Plural == plural && k.Group == group && k.StoredAs == "" {
			return k
		}
	}
	return nil
}

// hasPath tells whether objects of the type may have the field.
func (t *Type) hasPath(path []string) bool {
	for i, name := range path {
		f := t.ByName[name]
		if f == nil {
			return false
		}
		if i == len(path)-1 || f.IsMap {
			return true
		}
		if f.Kind != FieldMessage {
			return false
		}
		t = f.Message
	}
	return true
}
