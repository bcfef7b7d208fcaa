package kubeflags

import (
	"fmt"
	"io"
)

// WriteHelp writes the flags by section, in the form of upstream's help, on which drivers search for the
// names of flags. about says what a flag that is Taken does; it may return "". An error of w is not told.
func (t *Table) WriteHelp(w io.Writer, about func(name string) string) {
	section := ""
	for _, f := range t.flags {
		if f.Section == Hidden {
			continue
		}
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(w, "\n%s flags:\n\n", section)
		}
		// The two flags with a letter, in pflag's form. A driver looks for "--NAME" at the start of a line,
		// behind spaces and perhaps a letter, and for nothing else.
		name := "      --" + f.Name
		switch {
		case f.Name == "v":
			name = "  -v, --v"
		case f.Name == "help":
			name = "  -h, --help"
		}
		// A type says that a value is needed; a switch has none there either.
		if f.Type != "bool" {
			name += " " + f.Type
		}
		fmt.Fprintf(w, "%s\n                %s\n", name, f.usage(about))
	}
}

// usage returns the sentence of help for a flag: what it does, or why it does nothing, so that nobody has
// to try it.
func (f *Flag) usage(about func(name string) string) string {
	switch f.Action {
	case Taken:
		return about(f.Name)
	case Refused:
		return "refused: " + f.Note
	case Unused:
		return "read and without effect"
	case Moot:
		return "read; there is nothing here that it could change"
	}
	return f.Note
}
