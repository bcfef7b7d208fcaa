package syntax

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// The limits of what is told.
const (
	// faultLimit is how many faults are kept; of the others only the number is.
	faultLimit = 100
	// lineLimit is the longest line, in bytes, that is shown below a fault.
	lineLimit = 16384
)

// Fault is one thing that is wrong with an expression.
type Fault struct {
	Line, Column int // from 1, and from 0 in runes; Line -1, Column -1 is no place
	Message      string
}

// Faults are what is wrong with an expression. As an error they print as cel-go prints issues, which users and test suites
// compare. The zero Faults has none and no source. The checker adds its own to the same kind, so that one that reads well and means
// nothing prints alike:
//
//	ERROR: <input>:1:6: undeclared reference to 'b' (in container '')
//	 | a && b
//	 | .....^
//
// Lines and columns are from 1 where they are printed, and columns from 0 in a Fault. Not safe for use by several while faults are added.
type Faults struct {
	Source *Source
	List   []Fault // in the order in which they were found, at most 100
	More   int     // how many there were beyond those
}

// Add adds a fault.
func (f *Faults) Add(line, column int, message string) {
	if len(f.List) == faultLimit {
		f.More++
		return
	}
	f.List = append(f.List, Fault{line, column, message})
}

// AddAt adds a fault at an offset, as those of AST.Offsets.
func (f *Faults) AddAt(offset int32, message string) {
	line, column := f.Source.Place(offset)
	f.Add(line, column, message)
}

// Error returns all faults in the order of their places, each with its line and a caret below the place.
func (f *Faults) Error() string {
	list := slices.Clone(f.List)
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "ERROR: <input>:%d:%d: %s", e.Line, e.Column+1, e.Message)
		f.mark(&b, e)
	}
	if f.More > 0 {
		fmt.Fprintf(&b, "\n%d more errors were truncated", f.More)
	}
	return b.String()
}

// mark writes the line of a fault and a caret below its column. Runes of more than one byte are as wide as two columns, so what
// stands below them is as wide. A tab is shown as a blank, since it would be wider than its point. A fault without a place has no line,
// and neither has one of a line that is too long to be shown (ToDisplayString in common/error.go).
func (f *Faults) mark(b *strings.Builder, e Fault) {
	line, ok := f.Source.line(e.Line)
	if !ok || len(line) > lineLimit {
		return
	}
	line = strings.ReplaceAll(line, "\t", " ")
	b.WriteString("\n | " + line + "\n | ")
	for range e.Column {
		if line == "" {
			break
		}
		_, size := utf8.DecodeRuneInString(line)
		if line = line[size:]; size > 1 {
			b.WriteString("\uff0e")
		} else {
			b.WriteByte('.')
		}
	}
	if _, size := utf8.DecodeRuneInString(line); size > 1 {
		b.WriteString("\uff3e")
	} else {
		b.WriteByte('^')
	}
}
