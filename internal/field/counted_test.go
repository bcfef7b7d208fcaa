package field

import "testing"

// TestCountedErrors: a limit of one is said in the singular.
func TestCountedErrors(t *testing.T) {
	for want, got := range map[string]Error{
		"f: Too long: may not be more than 1 byte": TooLong("f", 1), "f: Too long: may not be more than 0 bytes": TooLong("f", 0),
		"f: Too long: may not be more than 128 bytes": TooLong("f", 128),
		"f: Too many: 3: must have at most 1 item":    TooMany("f", 3, 1), "f: Too many: 3: must have at most 2 items": TooMany("f", 3, 2),
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
