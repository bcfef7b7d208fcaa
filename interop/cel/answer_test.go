package cel

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

func answer(t string, low, high uint64) string { return fmt.Sprintf("%s, cost %d to %d", t, low, high) }

// count returns how many expressions a test makes: CEL_COUNT, or n.
func count(t testing.TB, n int) int { return setting(t, "CEL_COUNT", n) }

// setting returns a number that the environment may set.
func setting(t testing.TB, name string, n int) int {
	if s := os.Getenv(name); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// brief leaves out the lines of an error that show the expression.
func brief(answer string) string {
	var kept []string
	for _, line := range strings.Split(answer, "\n") {
		if !strings.HasPrefix(line, " | ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
