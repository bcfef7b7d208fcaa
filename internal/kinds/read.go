package kinds

import (
	"apichain/internal/fieldset"
	"apichain/internal/tree"

	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The reading of the table's files. The head of kinds.txt describes their grammar; here is how
// they become a Table.
//
// A file is read line by line. A line that is not indented begins something (a group, a kind, a
// package, a type), and the indented lines below it belong to that. So the reader needs no more
// state than what was begun last. Rows of kinds are read by Load, since all of them are served.
// Of types there are many, and most are never asked for: Load notes where each stands, and
// Table.Type reads it, with those that it refers to, when it is first needed (read_types.go).
//
// The files are compiled into the program, so an error in them is one of whoever edits them. The
// reader therefore does not try to go on: it keeps the first error, with the line
//
//	core.txt:7: "fast" is no flag
//
// and the rest of the reading does nothing that could hide it. What only the whole table can
// show, every type and whether the rows fit them, is for Check, which the tests call.

// source is a file of the table: its name for errors, and its text.
type source struct{ name, text string }

// Load returns the table of the embedded files. The reading takes well below a millisecond; a
// program calls it once and hands the table on. rules are what no row can say, by the names of
// types, and may be nil. The error is not nil only in a program whose files are broken.
func Load(rules Rules) (*Table, error) { return load(files(), rules) }

// load reads a table as the head of kinds.txt describes it. Errors name the line, "core.txt:7: …";
// the table is nil then.
func load(files []source, rules Rules) (*Table, error) {
	r := kindReader{table: &Table{
		Groups: map[string]Group{}, ByKind: map[Key]*Row{}, ByResource: map[Key]*Row{},
		types: &types{files: files, lines: make(map[string]typeLines, 1024), rules: rules, read: map[string]*Type{}},
	}}
	for _, f := range files {
		r.file, r.line, r.packageName = f.name, 0, ""
		for rest := f.text; rest != "" && r.err == nil; {
			r.line++
			if name, ok := strings.CutPrefix(rest, "type "); ok {
				rest = rest[r.noteType(name, rest):]
				continue
			}
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			r.readLine(line)
		}
	}
	r.resolve()
	if r.err != nil {
		return nil, r.err
	}
	return r.table, nil
}

// typeLines are the lines of a type: the first says "type NAME", the others are indented.
type typeLines struct {
	text string
	// file and line say where the first stands; packageName and schema are those of its package.
	file                string
	line                int
	packageName, schema string
}

// noteType notes the lines of the type with which text begins, whose name begins rest, and returns
// how long they are. The line of the reader is the last of them then.
func (r *kindReader) noteType(rest, text string) int {
	lines := typeLines{file: r.file, line: r.line, packageName: r.packageName, schema: r.schema}
	end := strings.IndexByte(text, '\n') + 1
	for end > 0 && end < len(text) && (text[end] == ' ' || text[end] == '#' || text[end] == '\n') {
		r.line++
		n := strings.IndexByte(text[end:], '\n') + 1
		if n == 0 {
			end = 0
			break
		}
		end += n
	}
	if end <= 0 {
		end = len(text)
	}
	lines.text = text[:end]
	name, _, _ := strings.Cut(rest[:end-len(text)+len(rest)], "\n")
	name, _, _ = strings.Cut(name, " ")
	if name == "" || r.packageName == "" {
		r.fail("a type has a name, and is in a package")
		return end
	}
	name = localType(r.packageName + "." + name)
	if r.table.types.lines[name].text != "" {
		r.line = lines.line
		r.fail("the type %s is there already", name)
	}
	r.table.types.lines[name] = lines
	return end
}

// kindReader reads one table, or one type and those that it refers to. Its methods are called in
// the order of the lines, and report what is wrong by fail; once err is set, nothing that follows
// matters.
type kindReader struct {
	table *Table
	file  string
	line  int // of the file, from 1
	err   error

	// What the last line that was not indented began: at most one of kind and typ is set.
	// Types are in the package that was named last, whose OpenAPI names begin with schema.
	kind        *Row
	typ         *Type
	packageName string
	schema      string

	// What is gone over at the end, each with the line that its errors name.
	types []lineOf[*Type]
	refs  []typeRef

	// block is where the next fields are put: there are hundreds, and one allocation for
	// many of them halves the time that reading takes.
	block []Field
}

// lineOf is something that was read, and where it began.
type lineOf[T any] struct {
	file string
	line int
	of   T
}

// typeRef is a use of a type's name: the type is put into target when it has been read.
type typeRef struct {
	file   string
	line   int
	name   string
	target **Type
}

// fail keeps an error of the present line, unless there is one already: later ones are often
// only consequences of the first.
func (r *kindReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s", r.file, r.line, fmt.Sprintf(format, args...))
	}
}

// failAt is fail for an error of another line.
//
//go:noinline
func (r *kindReader) failAt(file string, line int, format string, args ...any) {
	if r.err == nil {
		r.file, r.line = file, line
		r.fail(format, args...)
	}
}

// readLine reads one line of any sort.
func (r *kindReader) readLine(line string) {
	if line == "" || line[0] == '#' {
		return
	}
	if strings.HasPrefix(line, "  ") {
		if r.kind == nil {
			r.fail("an indented line must belong to a kind or a type")
			return
		}
		r.readKindLine(strings.TrimSpace(line))
		return
	}
	r.kind = nil
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
	r.oneOf("rule for names", k.NameRule, "label", "label1035", "subdomain", "segment", "ip")
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
	k.file, k.line = r.file, r.line
	k.Body = r.body(k.Group, k.Version, k.Kind)
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

// body returns the type of a kind's bodies, unread. It fails if none of the lines is about it, but
// only when the whole table is read: the lines of the type may be further down.
func (r *kindReader) body(group, version, kind string) *LazyType {
	return &LazyType{table: r.table, name: localType(bodyType(group, version, kind))}
}

// bodyType returns the name that the type of a kind has in the files. Packages are called by
// the first part of the group, as upstream's Go packages are: apiextensions.k8s.io is
// apiextensions. Those of other versions than v1 have that behind: autoscalingv2.
func bodyType(group, version, kind string) string {
	if group == "" {
		return coreGroup + "." + kind
	}
	packageName, _, _ := strings.Cut(group, ".")
	if version != "v1" {
		packageName += version
	}
	return packageName + "." + kind
}

// splitList splits a list with commas. A column cannot be empty, so - stands for no elements.
//
//go:noinline
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
	case "also":
		version, since, _ := strings.Cut(rest, " ")
		k.also = append(k.also, otherVersion{version, since})
	case "hash":
		k.HashVersion = rest
	case "reads":
		k.reads = splitList(rest)
	case "etcd":
		k.StoragePath = rest
	case "rename":
		own, stored, _ := strings.Cut(rest, " = ")
		k.renames = append(k.renames, [2]string{own, stored})
	case "select":
		k.Fields = append(k.Fields, parseSelectable(rest))
	case "initial":
		r.readInitial(rest)
	case "keep":
		k.Kept = append(k.Kept, strings.Split(rest, "."))
	case "reset", "own":
		sub, list, _ := strings.Cut(rest, " ")
		r.readReset(strings.TrimPrefix(sub, "-"), splitList(list), word == "own")
	case "namelabel":
		k.nameLabel = rest
	case "deprecated":
		k.Deprecated = k.Version + " " + k.Kind + " is deprecated in " + rest
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

// readReset reads what a write to a subresource does not own, or with only what it owns.
func (r *kindReader) readReset(sub string, list []string, only bool) {
	known := slices.ContainsFunc(r.kind.Subresources, func(s Subresource) bool { return s.Name == sub })
	if len(list) == 0 || list[0] == "" || sub != "" && !known {
		r.fail("%q is no subresource with paths", sub)
		return
	}
	var paths []fieldset.Path
	for _, text := range list {
		paths = append(paths, fieldset.Fields(strings.Split(text, ".")...))
		for i, e := range paths[len(paths)-1] {
			if e == fieldset.Field("*") {
				paths[len(paths)-1][i] = fieldset.Element{}
			}
		}
	}
	if r.kind.resets == nil {
		r.kind.resets = map[string]*fieldset.Filter{}
	}
	if r.kind.resets[sub] = fieldset.Exclude(fieldset.New(paths...)); only {
		r.kind.resets[sub] = fieldset.Include(paths...)
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
	s.Body = r.body(s.Group, s.Version, s.Kind)
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

// resolve completes the rows by what others say, and makes the checks that need no type.
func (r *kindReader) resolve() {
	for _, k := range r.table.Kinds {
		if r.err != nil {
			return
		}
		r.file, r.line = k.file, k.line
		r.resolveKind(k)
	}
}

// resolveKind completes a row, and checks what it says of the kind that it is stored as.
func (r *kindReader) resolveKind(k *Row) {
	k.stored = k
	if k.StoredAs != "" {
		if k.stored = r.table.storage(k.StoredAs); k.stored == nil || k.stored == k {
			r.fail("there is no %s to store %s as", k.StoredAs, k.Kind)
			return
		}
		// Cells are computed from stored objects, so the columns must be of that shape.
		k.Columns = k.stored.Columns
	}
	switch {
	case k.StoragePath != "":
	case k.Server == "core":
		k.StoragePath = "/" + k.Plural
	default:
		k.StoragePath = "/" + k.Group + "/" + k.Plural
	}
	if len(k.Columns) == 0 {
		k.Columns = defaultColumns()
	}
	if r.table.types.lines[k.Body.name].text == "" {
		r.fail("there is no type %s", k.Body.name)
	}
	for i := range k.Subresources {
		if s := &k.Subresources[i]; r.table.types.lines[s.Body.name].text == "" {
			r.fail("the subresource %s has bodies of %s, which is no type", s.Name, s.Kind)
		}
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		f.Index = slices.IndexFunc(k.stored.Fields, func(s Selectable) bool { return slices.Equal(s.Path, f.Path) })
		if f.Index < 0 {
			r.fail("%s is selectable by %s, and %s is not", k.Kind, f.Label, k.StoredAs)
			return
		}
	}
}

// Check reads all types, and returns what is wrong with them or with what the rows say of their
// fields. A program need not call it: what it finds is an error of whoever edited the files.
func (t *Table) Check() error {
	// In a fixed order, so that the same files have the same error.
	for _, name := range slices.Sorted(maps.Keys(t.types.lines)) {
		if _, err := t.read(name); err != nil {
			return err
		}
	}
	r := kindReader{table: t}
	for _, k := range t.Kinds {
		if r.err == nil {
			r.file, r.line = k.file, k.line
			r.checkKind(k)
		}
	}
	// A kind in a group without a row would be listed before or behind all others, and
	// nobody would notice before a client preferred the wrong version.
	for _, k := range t.Kinds {
		if _, known := t.Groups[k.Group]; !known {
			r.failAt(k.file, k.line, "%s is in the group %q, which has no row", k.Kind, k.Group)
		}
	}
	return r.err
}

// checkKind checks what a row says of the fields of its type.
func (r *kindReader) checkKind(k *Row) {
	for _, names := range k.renames {
		if k.Type().ByName[names[0]] == nil || k.stored.Type().ByName[names[1]] == nil {
			r.fail("%s is stored as %s, which does not have both fields %s and %s", k.Kind, k.StoredAs, names[0], names[1])
		}
	}
	for _, d := range k.dropped {
		for _, name := range d.fields {
			if !k.Type().hasPath(append(slices.Clip(d.path), name)) {
				r.fail("%s has no field %s of %s", k.Kind, name, strings.Join(d.path, "."))
			}
		}
	}
	for _, name := range slices.Concat(k.immutableFields, k.fixed, []string{k.immutableFlag}) {
		if name != "" && k.Type().ByName[name] == nil {
			r.fail("%s has no field %s", k.Kind, name)
		}
	}
	for _, f := range k.Fields {
		if !k.stored.Type().hasPath(f.Path) {
			r.fail("%s has no field %s", k.Kind, strings.Join(f.Path, "."))
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
