// Package kubeflags reads the command line of kube-apiserver: every flag of one release, in the forms
// that pflag takes, which upstream parses with.
//
// Which flags there are is data (flags.txt), a row for each with the type of its value and what the
// program does with it. In go the arguments; out comes a Line: what was given to each flag, which
// flags have no effect here, and every problem. The caller gives the flags that it has itself to its
// own options (Line.Options), reads the few others by name, and tells the user of the rest.
//
//	line := kubeflags.Load().Read(os.Args[1:])
//	line.Problems                     // --secure-port: invalid value "x": invalid syntax
//	line.Without                      // [bogus enable-garbage-collector]
//	line.Options()                    // [--v=4 --client-ca-file=ca.crt]
//	line.Last("secure-port", "6443")
//
// The package opens no file and keeps no state. What a value means beyond its form is the caller's
// business. It is part of apichain, without a promise of compatibility.
package kubeflags

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed flags.txt
var text string

// Action says what becomes of a flag; flags.txt describes each.
type Action string

// The actions.
const (
	Taken   Action = "taken"
	Start   Action = "start"
	Moot    Action = "moot"
	Unused  Action = "unused"
	Refused Action = "refused"
)

// Hidden is the section of flags that help does not list, Own that of flags which upstream does not have.
const (
	Hidden = "Hidden"
	Own    = "Apichain"
)

// Flag is one flag of kube-apiserver.
type Flag struct {
	Name, Type, Section string
	Action              Action
	// Note says of a Refused flag why, and what to do instead, and of a Start flag what it does; "" for
	// others.
	Note string
}

// Table is the flags, in the order of help. It does not change, and may be read by many.
type Table struct {
	flags  []*Flag
	byName map[string]*Flag
}

// Load reads the embedded table. A row that cannot be read is a mistake of the program, which a test
// finds: it is left out.
func Load() *Table {
	t, _ := parse(text)
	return t
}

// parse reads rows as flags.txt describes them. What is wrong with it is in the error, the last one
// only; the table has all rows that are right.
func parse(text string) (t *Table, err error) {
	t = &Table{byName: map[string]*Flag{}}
	section := ""
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if s, ok := strings.CutPrefix(line, "section "); ok {
			section = s
			continue
		}
		f := &Flag{Section: section}
		name, rest, _ := strings.Cut(line, " ")
		typ, rest, _ := strings.Cut(rest, " ")
		action, note, _ := strings.Cut(rest, " ")
		f.Name, f.Type, f.Action, f.Note = name, typ, Action(action), note
		switch f.Action {
		case Taken, Start, Moot, Unused, Refused:
		default:
			err = fmt.Errorf("%q: no action", line)
			continue
		}
		if valueForms[f.Type] == nil || t.byName[f.Name] != nil || (f.Note != "") != (f.Action == Refused || f.Action == Start) {
			err = fmt.Errorf("%q: unknown type, second row, or a note where none belongs", line)
			continue
		}
		t.flags = append(t.flags, f)
		t.byName[f.Name] = f
	}
	return t, err
}

// All returns the flags in the order of help, hidden ones last. The caller must not change them.
func (t *Table) All() []*Flag { return t.flags }
