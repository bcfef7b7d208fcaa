package main

// User is who a request acts as. It is set once by the authentication filter (and
// replaced, never changed, by the impersonation filter), so it may be read from any
// goroutine. Callers must not change its slices or map: a token's user is shared by
// every request that carries the token.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string // keys in lower case
}

// Names that upstream gives to identities which nobody configures.
const (
	userAnonymous   = "system:anonymous"
	userUnsecured   = "system:unsecured" // the plain listener's superuser
	userAPIServer   = "system:apiserver" // the program's own credentials
	groupMasters    = "system:masters"   // may do everything
	groupAuthed     = "system:authenticated"
	groupUnauthed   = "system:unauthenticated"
	groupAllSAs     = "system:serviceaccounts"
	prefixSAUser    = "system:serviceaccount:"
	prefixSAGroupNS = "system:serviceaccounts:"
)

// in reports whether the user is a member of group. A nil user is in none.
func (u *User) in(group string) bool {
	if u == nil {
		return false
	}
	for _, g := range u.Groups {
		if g == group {
			return true
		}
	}
	return false
}
