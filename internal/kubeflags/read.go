package kubeflags

import (
	"slices"
	"strconv"
	"strings"
)

// Arguments are read as pflag reads them:
//
//	--name=value  --name value   both for every flag but bool ones, whose value only = can give
//	--name                       a bool flag; also a version
//	--some_name                  the same as --some-name
//	-v=4  -v 4  -v4              the one flag with a letter for its value
//	--                           ends the flags
//
// and two things besides, since drivers of test environments rely on them: a known name may have one
// dash (-cert-dir DIR; pflag takes that for letters), and an unknown flag is no error: it is named
// among those without effect, and the word behind it is taken for its value.

// Line is a command line that was read.
type Line struct {
	// Given holds the values of each known flag by its name, in the order in which they came.
	Given map[string][]string
	// Without names, sorted, the flags that were given and have no effect: those of the table that are
	// Unused, and those that it does not know.
	Without []string
	// Problems are what is wrong, one line for each, that begins with its flag.
	Problems []string

	table *Table
}

// Read reads the arguments of a program, without its name. It goes on after what is wrong.
func (t *Table) Read(args []string) *Line {
	l := &Line{Given: map[string][]string{}, table: t}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			l.words(args)
			break
		}
		name, value, hasValue, ok := t.split(arg)
		if !ok {
			l.words([]string{arg})
			continue
		}
		f := t.byName[name]
		switch {
		case name == "" || strings.HasPrefix(arg, "---"):
			l.Problems = append(l.Problems, strconv.Quote(arg)+": is no flag")
			continue
		case hasValue:
		case f != nil && f.Type == "bool", f != nil && f.Type == "version":
			value = "true"
		case f != nil && len(args) == 0:
			l.problem(name, "needs a value")
			continue
		// A known flag takes what follows, whatever it looks like; of an unknown one nobody knows
		// whether it takes a value, and what looks like a flag is one.
		case f != nil || len(args) > 0 && !strings.HasPrefix(args[0], "-"):
			value, args = args[0], args[1:]
		}
		l.take(f, name, value)
	}
	// Wrong only taken together, and may be spread over several arguments.
	if mixedGates(l.Given["feature-gates"]) {
		l.problem("feature-gates", "set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use")
	}
	// Who starts the program wants to be told of each name once.
	slices.Sort(l.Without)
	l.Without = slices.Compact(l.Without)
	return l
}

// split reads one argument as a flag: its name with dashes, and its value where that is in the same
// argument. ok is false for a word.
func (t *Table) split(arg string) (name, value string, hasValue, ok bool) {
	// A dash alone is a word, as programs take it for the standard input.
	long := strings.HasPrefix(arg, "--")
	if !long && (len(arg) < 2 || arg[0] != '-') {
		return "", "", false, false
	}
	name, value, hasValue = strings.Cut(strings.TrimLeft(arg, "-"), "=")
	name = strings.ReplaceAll(name, "_", "-")
	// Letters: only where no flag is called so, since a known name may have one dash.
	if !long && t.byName[name] == nil {
		switch {
		case name == "h":
			name = "help"
		case strings.HasPrefix(name, "v") && !hasValue:
			name, value, hasValue = "v", name[1:], true
		}
	}
	return name, value, hasValue, true
}

// take notes what a flag was given; f is nil for one that is not in the table.
func (l *Line) take(f *Flag, name, value string) {
	if f == nil {
		l.Without = append(l.Without, name)
		return
	}
	// Before the value, which does not matter where nothing may be given.
	if f.Action == Refused {
		l.problem(name, f.Note)
		return
	}
	if err := valueForms[f.Type](value); err != nil {
		l.problem(name, "invalid value "+strconv.Quote(value)+": "+err.Error())
		return
	}
	if f.Action == Unused {
		l.Without = append(l.Without, name)
	}
	l.Given[name] = append(l.Given[name], value)
}

// words notes arguments that are no flags: a program without subcommands has none. Empty ones, which a
// shell makes of a variable that is not set, pass (upstream).
func (l *Line) words(args []string) {
	for _, a := range args {
		if a != "" {
			l.Problems = append(l.Problems, strconv.Quote(a)+": unexpected argument")
		}
	}
}

// problem notes what is wrong with a flag, once for each flag.
func (l *Line) problem(name, what string) {
	line := "--" + name + ": " + what
	if !slices.Contains(l.Problems, line) {
		l.Problems = append(l.Problems, line)
	}
}

// Last returns the value of a flag that counts, the last; otherwise where it was not given.
func (l *Line) Last(name, otherwise string) string {
	if given := l.Given[name]; len(given) > 0 {
		return given[len(given)-1]
	}
	return otherwise
}

// list returns the items of a flag that was given lists, all together.
func (l *Line) list(name string) (items []string) {
	for _, g := range l.Given[name] {
		more, _ := splitList(g) // was checked
		items = append(items, more...)
	}
	return items
}

// Is reports whether a switch is on.
func (l *Line) Is(name string) bool {
	on, _ := strconv.ParseBool(l.Last(name, "false"))
	return on
}

// Options returns the flags that are Taken, in the order of the table, as arguments of the program
// that has them: lists and maps that were given in parts as one, where each use adds there.
func (l *Line) Options() []string {
	var out []string
	for _, f := range l.table.flags {
		given := l.Given[f.Name]
		if f.Action != Taken || len(given) == 0 {
			continue
		}
		// Where each use adds, ours would let the last one win: they become one.
		switch f.Type {
		case "strings", "plugins":
			given = []string{strings.Join(l.list(f.Name), ",")}
		case "map", "gates", "ints":
			given = []string{strings.Join(given, ",")}
		}
		for _, g := range given {
			out = append(out, "--"+f.Name+"="+g)
		}
	}
	return out
}
