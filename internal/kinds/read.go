package kinds

import (
	"apichain/internal/tree"

	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The reading of kinds.txt. The head of that file describes its grammar; here is how it
// becomes a Table.
//
// The file is read line by line. A line that is not indented begins something (a group, a
// kind, a package, a type), and the indented lines below it belong to that. So the reader
// needs no more state than what was begun last. Names may be used before the line that
// defines them: readers note what they referred to, and resolve looks it all up when the
// last line is read, and then makes the checks that need the whole table.
//
// The file is compiled into the program, so an error in it is one of whoever edits it. The
// reader therefore does not try to go on: it keeps the first error, with the line
//
//	kinds.txt:7: "fast" is no flag
//
// and the rest of the reading does nothing that could hide it.

//go:embed kinds.txt
var kindsText string

// Load returns the table of the embedded kinds.txt. It reads the text anew, which takes well
// below a millisecond; a program calls it once and hands the table on. The error is not nil
// only in a program whose kinds.txt is broken.
func Load() (*Table, error) { return parseKinds(kindsText) }

// parseKinds reads a table as the head of kinds.txt describes it, and resolves what it
// refers to. Errors name the line, "kinds.txt:7: …"; the table is nil then.
func parseKinds(text string) (*Table, error) {
	r := kindReader{table: &Table{
		Types:  make(map[string]*Type, 256),
		Groups: map[string]Group{},
		ByKind: map[Key]*Row{}, ByResource: map[Key]*Row{},
	}}
	for text != "" && r.err == nil {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		r.line++
		r.readLine(line)
	}
	r.resolve()
	if r.err != nil {
		return nil, r.err
	}
	return r.table, nil
}

// kindReader reads one table. Its methods are called in the order of the lines, and report
// what is wrong by fail; once err is set, nothing that follows matters.
type kindReader struct {
	table *Table
	line  int // of the text, from 1
	err   error

	// What the last line that was not indented began: at most one of kind and typ is set.
	// Types are in the package that was named last, whose OpenAPI names begin with schema.
	kind        *Row
	typ         *Type
	packageName string
	schema      string

	// What resolve goes over, each with the line that its errors name.
	types []lineOf[*Type]
	rows  []lineOf[*Row]
	refs  []typeRef

	// block is where the next fields are put: there are hundreds, and one allocation for
	// many of them halves the time that Load takes.
	block []Field
}

// lineOf is something that was read, and the line where it began.
type lineOf[T any] struct {
	line int
	of   T
}

// typeRef is a use of a type's name: resolve puts the type into target.
type typeRef struct {
	line   int
	name   string
	target **Type
}

// fail keeps an error of the present line, unless there is one already: later ones are often
// only consequences of the first.
func (r *kindReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("kinds.txt:%d: %s", r.line, fmt.Sprintf(format, args...))
	}
}

// failAt is fail for an error of an earlier line.
func (r *kindReader) failAt(line int, format string, args ...any) {
	if r.err == nil {
		r.line = line
		r.fail(format, args...)
	}
}

// readLine reads one line of any sort.
func (r *kindReader) readLine(line string) {
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
	case "group":
		r.readGroup(strings.Fields(rest))
	case "kind":
		r.readKind(strings.Fields(rest))
	case "package":
		r.packageName, r.schema, _ = strings.Cut(rest, " ")
		if r.packageName == "" || r.schema == "" {
			r.fail("a package has a name and a schema name")
		}
	case "type":
		r.readType(rest)
	default:
		r.fail("%q is not group, kind, package or type", word)
	}
}

// readGroup reads the columns of a group: name, priority, priority of its versions.
func (r *kindReader) readGroup(columns []string) {
	if len(columns) != 3 {
		r.fail("a group has 3 columns, not %d", len(columns))
		return
	}
	name := columns[0]
	if name == coreGroup {
		// The name of the core group is empty everywhere else; a line of words cannot
		// show that.
		name = ""
	}
	if _, twice := r.table.Groups[name]; twice {
		r.fail("the group %s is there already", columns[0])
	}
	r.table.Groups[name] = Group{Priority: r.priority(columns[1]), VersionPriority: r.priority(columns[2])}
}

// coreGroup is how the table calls the group whose name is empty.
const coreGroup = "core"

// priority reads a priority, a positive number as upstream's APIServices must have.
func (r *kindReader) priority(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		r.fail("%q is no priority", text)
	}
	return n
}

// readKind reads the columns of a kind. Its further lines add to the row.
func (r *kindReader) readKind(columns []string) {
	if len(columns) != 9 {
		r.fail("a kind has 9 columns, not %d", len(columns))
		return
	}
	k := &Row{
		Kind: columns[1], ListKind: columns[1] + "List", Plural: columns[2], Singular: strings.ToLower(columns[1]),
		ShortNames: splitList(columns[3]), Categories: splitList(columns[4]),
		NameRule: columns[6], Server: columns[7],
	}
	k.Group, k.Version = SplitAPIVersion(columns[0])
	k.Namespaced = r.oneOf("scope", columns[5], "namespaced", "cluster") == "namespaced"
	r.oneOf("rule for names", k.NameRule, "label", "label1035", "subdomain", "segment")
	r.oneOf("server", k.Server, "core", "extensions", "aggregator")
	r.readFlags(k, splitList(columns[8]))
	k.Verbs = AllVerbs
	if k.ReviewOnly {
		// There is nothing stored that any other verb could be about.
		k.Verbs = []string{"create"}
	}
	byKind, byResource := Key{k.Group, k.Version, k.Kind}, Key{k.Group, k.Version, k.Plural}
	if r.table.ByKind[byKind] != nil || r.table.ByResource[byResource] != nil {
		r.fail("%s %s is there already", columns[0], k.Kind)
	}
	r.table.ByKind[byKind], r.table.ByResource[byResource] = k, k
	r.table.Kinds = append(r.table.Kinds, k)
	r.kind = k
	r.rows = append(r.rows, lineOf[*Row]{r.line, k})
	r.refer(bodyType(k.Group, k.Kind), &k.Type)
}

// readFlags sets what the last column of a kind says.
func (r *kindReader) readFlags(k *Row, flags []string) {
	for _, flag := range flags {
		switch flag {
		case "object":
			k.ReturnsDeleted = true
		case "blind":
			k.UnconditionalUpdate = true
		case "upsert":
			k.CreateOnUpdate = true
		case "generation":
			k.HasGeneration = true
		case "labels":
			k.LabelsCount = true
		case "status":
			k.KeepsGivenStatus = true
		case "review":
			k.ReviewOnly = true
		case "statusalone":
			k.StatusAlone = true
		case "finalizers":
			k.QualifiedFinalizers = true
		case "names":
			k.RechecksNames = true
		default:
			r.fail("%q is no flag", flag)
		}
	}
}

// bodyType returns the name that the type of a kind has in the file. Packages are called by
// the first part of the group, as upstream's Go packages are: apiextensions.k8s.io is
// apiextensions.
func bodyType(group, kind string) string {
	if group == "" {
		return coreGroup + "." + kind
	}
	packageName, _, _ := strings.Cut(group, ".")
	return packageName + "." + kind
}

// splitList splits a list with commas. A column cannot be empty, so - stands for no elements.
func splitList(word string) []string {
	if word == "-" {
		return nil
	}
	return strings.Split(word, ",")
}

// oneOf fails unless word is one of the known ones, which the error lists under the name
// what. It returns word.
func (r *kindReader) oneOf(what, word string, known ...string) string {
	if !slices.Contains(known, word) {
		r.fail("%q is no %s: %s", word, what, strings.Join(known, ", "))
	}
	return word
}

// readVerbs reads a list of verbs. It must be sorted, because discovery shows it as it is.
func (r *kindReader) readVerbs(list string) []string {
	// A wrong verb would be served as one that nobody can ask for.
	verbs := splitList(list)
	for _, v := range verbs {
		r.oneOf("verb", v, AllVerbs...)
	}
	if !slices.IsSorted(verbs) {
		r.fail("the verbs %s are not in order", list)
	}
	return verbs
}

// readKindLine reads an indented line below a kind.
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
		k.Fields = append(k.Fields, parseSelectable(rest))
	case "initial":
		r.readInitial(rest)
	case "keep":
		k.Kept = append(k.Kept, strings.Split(rest, "."))
	case "namelabel":
		k.nameLabel = rest
	case "fixed":
		k.fixed = append(k.fixed, rest)
	case "drop":
		path, list, _ := strings.Cut(rest, " ")
		k.dropped = append(k.dropped, droppedFields{strings.Split(path, "."), splitList(list)})
	case "freeze":
		flag, list, _ := strings.Cut(rest, " ")
		k.immutableFlag, k.immutableFields = flag, splitList(list)
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

// readSubresource reads NAME VERBS [GROUP/VERSION/KIND].
func (r *kindReader) readSubresource(words []string) {
	k := r.kind
	if len(words) != 2 && len(words) != 3 {
		r.fail("a subresource has a name, verbs and perhaps a kind")
		return
	}
	s := Subresource{Name: words[0], Group: k.Group, Version: k.Version, Kind: k.Kind, Verbs: r.readVerbs(words[1])}
	if len(words) == 3 {
		// The kind is behind the last slash; what is before it is an apiVersion, which has
		// no slash of its own in the core group.
		i := strings.LastIndexByte(words[2], '/')
		if i < 0 {
			r.fail("%q is no group, version and kind", words[2])
			return
		}
		s.Kind = words[2][i+1:]
		s.Group, s.Version = SplitAPIVersion(words[2][:i])
	}
	// There is no flag for it: who has the subresource writes the status there and only there.
	k.HasStatus = k.HasStatus || s.Name == "status"
	k.Subresources = append(k.Subresources, s)
}

// parseSelectable reads LABEL [= PATH[|PATH]][:ZERO]. Without a path, the label is the path.
// Its Index is set when the row is resolved.
func parseSelectable(text string) Selectable {
	var f Selectable
	text, f.absent, _ = strings.Cut(text, ":")
	label, path, given := strings.Cut(text, " = ")
	if !given {
		path = label
	}
	path, second, _ := strings.Cut(path, "|")
	f.Label, f.Path = label, strings.Split(path, ".")
	if second != "" {
		f.fallbackPath = strings.Split(second, ".")
	}
	return f
}

// readInitial reads PATH = JSON.
func (r *kindReader) readInitial(text string) {
	path, value, _ := strings.Cut(text, " = ")
	v, _, err := tree.ParseJSON([]byte(value))
	if err != nil {
		r.fail("the initial %s: %v", path, err)
	}
	r.kind.initial = append(r.kind.initial, initialValue{strings.Split(path, "."), v})
}

// resolve looks up what lines referred to, and makes the checks that need the whole table.
// It does nothing after an error. The order matters: the index of a type's fields goes into
// embedded types, so all types must be found first; rows are checked against the fields.
func (r *kindReader) resolve() {
	if r.err != nil {
		return
	}
	for _, ref := range r.refs {
		if *ref.target = r.table.Types[ref.name]; *ref.target == nil {
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
	// A kind in a group without a row would be listed before or behind all others, and
	// nobody would notice before a client preferred the wrong version.
	for _, k := range r.rows {
		if _, known := r.table.Groups[k.of.Group]; !known {
			r.failAt(k.line, "%s is in the group %q, which has no row", k.of.Kind, k.of.Group)
		}
	}
}

// resolveKind completes a row, and checks what it says of its own fields and of the kind that
// it is stored as.
func (r *kindReader) resolveKind(line int, k *Row) {
	k.stored = k
	if k.StoredAs != "" {
		if k.stored = r.table.storage(k.StoredAs); k.stored == nil || k.stored == k {
			r.failAt(line, "there is no %s to store %s as", k.StoredAs, k.Kind)
			return
		}
		// Cells are computed from stored objects, so the columns must be of that shape.
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
	r.resolveSelectable(line, k)
	k.rule = ruleOf(k.Group, k.Kind)
	for _, d := range k.dropped {
		for _, name := range d.fields {
			if !k.Type.hasPath(append(slices.Clip(d.path), name)) {
				r.failAt(line, "%s has no field %s of %s", k.Kind, name, strings.Join(d.path, "."))
			}
		}
	}
	for _, name := range slices.Concat(k.immutableFields, k.fixed, []string{k.immutableFlag}) {
		if name != "" && k.Type.ByName[name] == nil {
			r.failAt(line, "%s has no field %s", k.Kind, name)
		}
	}
}

// resolveSelectable finds each selectable field of a row among those of the stored kind, and
// checks that objects of that kind have it.
func (r *kindReader) resolveSelectable(line int, k *Row) {
	for i := range k.Fields {
		f := &k.Fields[i]
		f.Index = slices.IndexFunc(k.stored.Fields, func(s Selectable) bool { return slices.Equal(s.Path, f.Path) })
		if f.Index < 0 {
			r.failAt(line, "%s is selectable by %s, and %s is not", k.Kind, f.Label, k.StoredAs)
		} else if !k.stored.Type.hasPath(f.Path) {
			r.failAt(line, "%s has no field %s", k.Kind, strings.Join(f.Path, "."))
		}
	}
}

// storage returns the row of a resource, plural.group, that stores its own objects, or nil.
// A kind cannot be stored as one that is itself stored as another.
func (t *Table) storage(resource string) *Row {
	for _, k := range t.Kinds {
		if k.StoredAs == "" && k.Qualified() == resource {
			return k
		}
	}
	return nil
}

// hasPath reports whether objects of the type may have a value at path. Below a map every
// name is a key, so nothing more is checked there; lists are not gone into.
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
