package request

import (
	"encoding/hex"
	"math/rand/v2"
)

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
	UserAnonymous             = "system:anonymous"
	UserUnsecured             = "system:unsecured" // the plain listener's superuser
	UserAPIServer             = "system:apiserver" // the program's own credentials
	GroupMasters              = "system:masters"   // may do everything
	GroupAuthenticated        = "system:authenticated"
	GroupUnauthenticated      = "system:unauthenticated"
	GroupServiceAccounts      = "system:serviceaccounts"
	ServiceAccountUserPrefix  = "system:serviceaccount:"
	ServiceAccountGroupPrefix = "system:serviceaccounts:"
)

// In reports whether the user is a member of group. A nil user is in none.
func (u *User) In(group string) bool {
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

// NewUUID is a random (version 4) UUID. The generator is the runtime's ChaCha8: audit
// IDs must not repeat, but they are no secret.
func NewUUID() string {
	var b [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		b[i], b[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
