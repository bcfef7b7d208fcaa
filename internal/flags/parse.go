package flags

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrHelp is what parsing returns when help was asked for, with --help or -h.
var ErrHelp = flag.ErrHelp

// Problems is what is wrong with a command line, one line for each, so that a user sees all of them at
// once: what could not be read, in the order of the arguments, then what the groups found. A line
// begins with its flag, or with a quoted argument that is none.
type Problems []string

// Add notes a problem of one flag, named without dashes. Where the value could not be read at all, what
// it lacks besides is not worth a line: the default stands in its place.
func (p *Problems) Add(name, format string, args ...any) {
	for _, line := range *p {
		if strings.HasPrefix(line, "--"+name+": invalid value") {
			return
		}
	}
	*p = append(*p, "--"+name+": "+fmt.Sprintf(format, args...))
}

// When is Add for what is wrong if so.
//
//go:noinline
func (p *Problems) When(wrong bool, name, format string, args ...any) {
	if wrong {
		p.Add(name, format, args...)
	}
}

// Parse reads the arguments of a program, without its name, and lets every group check its values. It
// goes on after what is wrong, so that all of it is in the result; the variables of what could not be
// read keep what they had. The error is ErrHelp when help was among the arguments, whatever else was
// wrong, and nil otherwise.
func (s *Set) Parse(args []string) (Problems, error) {
	var p Problems
	for len(args) > 0 {
		err := s.std.Parse(args)
		args = s.std.Args()
		switch {
		case errors.Is(err, ErrHelp):
			return nil, ErrHelp
		case err != nil:
			p = append(p, Problem(err))
			args = args[skipped(err, args):]
		case len(args) > 0:
			// Every option is a flag: a word is a mistake, and flags may follow it.
			p = append(p, strconv.Quote(args[0])+": unexpected argument")
			args = args[1:]
		}
	}
	s.std.Visit(func(f *flag.Flag) { s.byName[f.Name].Given = true })
	for _, g := range s.groups {
		g.Check(&p)
	}
	return p, nil
}

// Words reads the arguments of a subcommand or another small program, flags and words in any order, as
// kubectl takes them: "off --admin A" and "--admin A off" are the same, where the flag package stops at
// the first word. It returns the words. The error is ErrHelp when help was asked for, or says in our
// words what is wrong first. Nothing is printed.
func Words(f *flag.FlagSet, args []string) (words []string, err error) {
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for len(args) > 0 {
		if err := f.Parse(args); errors.Is(err, ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, errors.New(Problem(err))
		}
		// What stopped the flag package is a word; flags may follow it.
		if args = f.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
}

// skipped returns how many of the arguments that the flag package left behind an error belong to it.
func skipped(err error, rest []string) int {
	switch text := err.Error(); {
	// The one error that takes nothing: without this it would come again for ever.
	case strings.HasPrefix(text, badSyntax):
		return 1
	// The value of an unknown flag is not a problem of its own.
	case strings.HasPrefix(text, notDefined) && len(rest) > 0 && !strings.HasPrefix(rest[0], "-"):
		return 1
	}
	return 0
}

// Beginnings of the flag package's errors, which have no types.
const (
	badSyntax  = "bad flag syntax: "
	notDefined = "flag provided but not defined: -"
	noArgument = "flag needs an argument: -"
)

// Problem says in our words what the flag package found: the flag with two dashes, as help writes it,
// then what is wrong. It serves whoever parses with the flag package alone, too. What it does not
// recognise it returns as it is. The package's sentences are read; a test asks it for each of them,
// since another version of Go may word them otherwise.
//
//	flag provided but not defined: -x               --x: unknown flag
//	invalid value "y" for flag -x: parse error      --x: invalid value "y": parse error
func Problem(err error) string {
	text := err.Error()
	if arg, ok := strings.CutPrefix(text, badSyntax); ok {
		return strconv.Quote(arg) + ": is no flag"
	}
	if name, ok := strings.CutPrefix(text, notDefined); ok {
		return "--" + strings.TrimPrefix(name, "-") + ": unknown flag"
	}
	if name, ok := strings.CutPrefix(text, noArgument); ok {
		return "--" + strings.TrimPrefix(name, "-") + ": needs a value"
	}
	// The second form is that of boolean flags: invalid boolean value "y" for -x: parse error.
	for _, before := range []string{" for flag -", " for -"} {
		if head, tail, ok := strings.Cut(text, before); ok {
			name, why, _ := strings.Cut(tail, ":")
			return "--" + name + ": " + head + ":" + why
		}
	}
	return text
}
