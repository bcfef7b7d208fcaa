// Package flags reads the command line of a program whose options are many, belong to its parts, and
// are shown while it runs. It is the flag package of the standard library, and adds what that lacks:
// sections of help, lists, all problems at once, and of each value where it is from.
//
// Each part of the program declares its flags in a Group of its own. A start goes through three steps:
// New registers the groups, Parse reads the arguments and asks each group what is wrong, and the
// program uses the variables that were registered. All that is wrong is reported, each with its flag:
//
//	--bogus: unknown flag
//	--v: must be from 0 to 10, is 99
//
// A short example:
//
//	type logging struct{ verbosity int }
//
//	func (o *logging) Register(s *flags.Set) {
//		s.In("logging")
//		s.Int(&o.verbosity, "v", 2, "how much is logged, 0 to 10")
//	}
//
//	func (o *logging) Check(p *flags.Problems) {
//		p.When(o.verbosity < 0 || o.verbosity > 10, "v", "must be from 0 to 10, is %d", o.verbosity)
//	}
//
//	s := flags.New("program", &o)
//	problems, err := s.Parse(os.Args[1:])
//
// It prints nothing of its own accord, ends no process and keeps no global state: which flags there
// are is the caller's alone. One goroutine registers and parses; from then on a Set only changes where
// its owner marks a value as derived, and may be read by many.
//
// The package is part of apichain, without a promise of compatibility.
package flags

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Group is the options of one part of a program.
type Group interface {
	// Register declares the group's flags with their defaults. It must not read files.
	Register(s *Set)
	// Check reports every wrong value. Files are not read here either: the content of a named file
	// is a failure of the start, not a wrong flag.
	Check(p *Problems)
}

// Set is the flags of a program, in the order of registration. It is made with New.
type Set struct {
	// std parses, and holds values and defaults.
	std    *flag.FlagSet
	groups []Group
	// section is that of the flags registered next.
	section string
	all     []*Flag
	byName  map[string]*Flag
}

// Flag is one flag: the name, help, value and default that the standard library keeps, and what it
// does not.
type Flag struct {
	*flag.Flag

	// Section is the section of help that it stands in, in lower case.
	Section string
	// Secret says that the value is shown as REDACTED. Whoever registers sets it.
	Secret bool
	// Derived says that the program computed the value, from other flags or from what it found;
	// help says how. Whoever computes sets it.
	Derived bool
	// Given says that Parse found it among the arguments, be it with the value of its default.
	Given bool
}

// New makes a set and registers each group, which stand in help in this order. Variables have their
// defaults from then on. Name is that of the program. A name that is registered twice is a panic.
func New(name string, groups ...Group) *Set {
	s := &Set{std: flag.NewFlagSet(name, flag.ContinueOnError), groups: groups, byName: map[string]*Flag{}}
	// The flag package would print each error, and its own usage behind it; both are the caller's.
	s.std.SetOutput(io.Discard)
	s.std.Usage = func() {}
	for _, g := range groups {
		g.Register(s)
	}
	return s
}

// In sets the section that the flags registered next belong to. Several groups may name the same one.
func (s *Set) In(section string) { s.section = section }

// Text registers a flag that takes any text.
func (s *Set) Text(p *string, name, value, help string) *Flag {
	s.std.StringVar(p, name, value, help)
	return s.add(name)
}

// Bool registers a switch, whose value may be left out: --profiling is --profiling=true.
func (s *Set) Bool(p *bool, name string, value bool, help string) *Flag {
	s.std.BoolVar(p, name, value, help)
	return s.add(name)
}

// Int registers a flag that takes a whole number, in any form of a Go literal.
func (s *Set) Int(p *int, name string, value int, help string) *Flag {
	s.std.IntVar(p, name, value, help)
	return s.add(name)
}

// Float registers a flag that takes a number. NaN and the infinities are numbers too: a check of bounds
// is to be written such that they fail it.
func (s *Set) Float(p *float64, name string, value float64, help string) *Flag {
	s.std.Float64Var(p, name, value, help)
	return s.add(name)
}

// Duration registers a flag that takes a time with its unit, such as 1m30s.
func (s *Set) Duration(p *time.Duration, name string, value time.Duration, help string) *Flag {
	s.std.DurationVar(p, name, value, help)
	return s.add(name)
}

// List registers a flag whose value is a comma-separated list. Given twice, the last wins, as for
// every other flag; an empty value is the empty list. The default is not copied, and never changed.
//
//go:noinline
func (s *Set) List(p *[]string, name string, value []string, help string) *Flag {
	*p = value
	return s.Var((*list)(p), name, help)
}

// Var registers a flag whose value reads itself. Its String is the default as it stands now, and must
// not fail on a zero value, which the flag package asks.
func (s *Set) Var(value flag.Value, name, help string) *Flag {
	s.std.Var(value, name, help)
	return s.add(name)
}

// add notes a flag that std was just given.
func (s *Set) add(name string) *Flag {
	f := &Flag{Flag: s.std.Lookup(name), Section: s.section}
	s.all = append(s.all, f)
	s.byName[name] = f
	return f
}

// All returns the flags in the order of registration. The caller must not change the list.
func (s *Set) All() []*Flag { return s.all }

// Lookup returns a flag by its name without dashes, or nil.
func (s *Set) Lookup(name string) *Flag { return s.byName[name] }

// Shown returns the value as it may be shown to others: that of a secret is not, nor is a password in
// a URL, which may stand within a longer text.
func (f *Flag) Shown() string {
	if f.Secret {
		return "REDACTED"
	}
	return urlPassword.ReplaceAllString(f.Value.String(), "$1:REDACTED@")
}

// urlPassword finds the password in a URL, with what is in front of it.
var urlPassword = regexp.MustCompile(`(//[^/@:\s]*):[^/@\s]*@`)

// Kind returns what help calls the value: string, int, float, duration or list. It is "" for a switch,
// which takes no value, and for a value that reads itself, whose form is in its help.
func (f *Flag) Kind() string {
	if _, ok := f.Value.(*list); ok {
		return "list"
	}
	kind, _ := flag.UnquoteUsage(f.Flag)
	if kind == "value" {
		return ""
	}
	return kind
}

// WriteHelp writes the flags by section, each with the kind of its value, its help and its default.
// Sections stand in the order of first registration, and so do the flags of each. An error of w is not
// told.
func (s *Set) WriteHelp(w io.Writer) {
	var sections []string
	for _, f := range s.all {
		if !slices.Contains(sections, f.Section) {
			sections = append(sections, f.Section)
		}
	}
	for _, section := range sections {
		title := strings.ToUpper(section[:1]) + section[1:]
		if section == "tls" {
			title = "TLS"
		}
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, f := range s.all {
			if f.Section == section {
				f.writeHelp(w)
			}
		}
	}
}

// writeHelp writes two lines: name and kind, then help and default.
func (f *Flag) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "  --%s", f.Name)
	if kind := f.Kind(); kind != "" {
		fmt.Fprintf(w, " %s", kind)
	}
	fmt.Fprintf(w, "\n        %s", f.Usage)
	// A default that is nothing says nothing.
	if !slices.Contains([]string{"", "false", "0", "0s"}, f.DefValue) {
		fmt.Fprintf(w, " (default %s)", f.DefValue)
	}
	fmt.Fprintln(w)
}

// list is the value of a flag that List registered.
type list []string

// String writes the list as Set reads it.
func (l *list) String() string {
	// The flag package asks the zero value, for its own usage text.
	if l == nil {
		return ""
	}
	return strings.Join(*l, ",")
}

// Set replaces the list. Spaces around items and empty items are dropped; no text is wrong.
func (l *list) Set(s string) error {
	// A new one: what is here may be the default, which is its owner's.
	*l = nil
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}
