package auth

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTokenExpires at its second, by the clock.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := func(namespace, name string) (string, bool) { return "u", namespace == "n" && name == "a" }
		tokens := NewAccounts(account, nil)
		c := &claims{Audiences: []string{"x"}, Expires: time.Now().Unix() + 600}
		c.Account.Namespace, c.Account.ServiceAccount.Name, c.Account.ServiceAccount.UID = "n", "a", "u"
		token := tokens.sign(c)
		for _, step := range []struct {
			after time.Duration
			valid bool
		}{{0, true}, {599 * time.Second, true}, {time.Second, false}, {time.Hour, false}} {
			time.Sleep(step.after) // of the bubble's clock
			u, audiences := tokens.User(token)
			if (u != nil) != step.valid || step.valid && !slices.Equal(audiences, []string{"x"}) {
				t.Errorf("after %v more: %v, want %v", step.after, u, step.valid)
			}
		}
	})
}
