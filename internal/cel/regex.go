package cel

import (
	"regexp"
	"regexp/syntax"
)

// repeated is how many instructions a regular expression may have beyond what its length pays for, and perPattern how many a byte of
// it pays for: x{1000} asks for a thousand times as many as x.
const (
	repeated   = 2000
	perPattern = 20
)

// CompileRegex compiles a pattern that is no literal, which happens at each call. Costs go by the length of a pattern; one that
// repeats so much that it becomes far longer is ErrBudget. Upstream compiles that, too.
func CompileRegex(pattern string) (*regexp.Regexp, error) {
	if read, err := syntax.Parse(pattern, syntax.Perl); err == nil && instructions(read) > repeated+perPattern*len(pattern) {
		return nil, ErrBudget
	}
	return regexp.Compile(pattern)
}

// instructions returns about how many a program for re has.
func instructions(re *syntax.Regexp) int {
	n := max(len(re.Rune), 1)
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}
