package cel

import (
	"errors"
	"strings"
	"testing"
)

// TestCompileRegex: patterns that repeat much for their length are out of budget, others as the library compiles them.
func TestCompileRegex(t *testing.T) {
	for pattern, want := range map[string]error{
		"": nil, "^[a-z]{1,63}$": nil, "x{1000}": nil, strings.Repeat("abc", 10000): nil, `(\d{1,3}\.){3}\d{1,3}`: nil,
		"(abc){1000}": ErrBudget, "(?:" + strings.Repeat("a", 100) + "){1000}": ErrBudget, "((a{10}){10}){10}b{1000}c{1000}": ErrBudget,
	} {
		if _, err := CompileRegex(pattern); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%.40q: %v, want %v", pattern, err, want)
		}
	}
	if _, err := CompileRegex("("); err == nil || err == ErrBudget {
		t.Errorf("a pattern that is none: %v", err)
	}
}
