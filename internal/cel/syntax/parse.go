package syntax

import (
	"fmt"
	"unicode/utf8"
)

// sizeLimit is how many runes an expression may have: cel-go's expressionSizeCodePointLimit. Longer ones are not looked at at all.
const sizeLimit = 100_000

// Options say what an expression may be.
type Options struct {
	// Macros are the calls that are expanded. Of two that a call fits, the later one is taken; one that says how many arguments it
	// has goes before one that does not.
	Macros []Macro
	// Optionals allows a.?b, a[?b], [?a] and {?a: b}.
	Optionals bool
}

// Parse reads an expression. The error is *Faults, and the AST nil then: a tree with holes is for nobody. It may be called concurrently,
// also with the same Options, of which it keeps nothing. A sound text is read once, a faulty one twice, the second time slowly:
// expressions are checked when they are written and are sound ever after.
func Parse(text string, o Options) (*AST, error) {
	if n := len(text); n > sizeLimit {
		// It has that many bytes. What counts is the runes.
		if n = utf8.RuneCountInString(text); n > sizeLimit {
			message := fmt.Sprintf("expression code point size exceeds limit: size: %d, limit %d", n, sizeLimit)
			return nil, &Faults{List: []Fault{{-1, -1, message}}}
		}
	}
	source := NewSource(text)
	b := builder{options: o, source: source, faults: &Faults{Source: source}}
	var root *node
	if root, b.tokens = parseQuick(source.text); root == nil {
		if root, b.tokens = parseThorough(source, b.faults); root == nil {
			return nil, b.faults
		}
	}
	// There are about as many nodes as tokens; those of macros come in addition.
	b.offsets = make([]int32, 1, len(b.tokens)+8)
	e := b.build(root)
	if len(b.faults.List) > 0 {
		return nil, b.faults
	}
	return &AST{Root: e, Source: source, Offsets: b.offsets}, nil
}
