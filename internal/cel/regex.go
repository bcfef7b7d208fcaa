package cel

import (
	"math"
	"regexp"
	"regexp/syntax"
)

// Go's regular expressions take time by the length of the text times the number of instructions of the pattern,
// and never more: RE2, which the specification of CEL demands. So the only way to make one slow is to make it
// large, and that is what is bounded here.

// repeated is how many instructions a regular expression may have beyond what its length pays for, and perPattern how many a byte of
// it pays for: x{1000} asks for a thousand times as many as x.
const (
	repeated   = 2000
	perPattern = 20
)

// CompileRegex compiles a pattern that is no literal, which happens at each call. Costs go by the length of a pattern; one that
// repeats so much that it becomes far longer is ErrBudget. Upstream compiles that, too.
func CompileRegex(pattern string) (*regexp.Regexp, error) {
	if patternSize(pattern) > int64(repeated+perPattern*len(pattern)) {
		return nil, ErrBudget
	}
	return regexp.Compile(pattern)
}

// patternSize returns about how many instructions a regular expression becomes, 1 for what is none.
func patternSize(pattern string) int64 {
	// Parsing is cheap: x{1000} is one node here, and a thousand instructions once it is compiled.
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 1
	}
	return instructions(re)
}

// instructions is patternSize of what is parsed. It calls itself as deep as the parser allows: 1,000.
// Repetitions within each other multiply; the sum is capped, so that products of capped numbers do not overflow.
func instructions(re *syntax.Regexp) int64 {
	n := int64(max(len(re.Rune), 1))
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= int64(max(re.Min, re.Max, 1))
	}
	return min(n, math.MaxInt32)
}
