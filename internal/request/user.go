package request

import (
	"encoding/hex"
	"math/rand/v2"
)

// User is who a request acts as. It is set once by the authentication filter (and
// replaced, never changed, by the impersonation filter), so it may be read from any
// goroutine. Callers must not change its slices or map: a token's user is shared by
// every request that carries the token. A nil *User is a request that was not
// authenticated yet.
type User struct {
	// Name is never empty. It decides who somebody is; UID only tells apart those who had the
	// same name one after the other, as service accounts may.
	Name   string
	UID    string
	Groups []string

	// Extra has what an authenticator knows besides, under keys in lower case, because they
	// travel as headers. Authorization may look at it, and the audit log has it.
	Extra map[string][]string
}

// The names that upstream gives to identities which nobody configures. A prefix is
// completed with the namespace, and for a user with a colon and the account's name.
const (
	UserAnonymous             = "system:anonymous"
	UserUnsecured             = "system:unsecured" // the plain listener's superuser
	UserAPIServer             = "system:apiserver" // the program's own credentials
	GroupMasters              = "system:masters"   // may do everything
	GroupAuthenticated        = "system:authenticated"
	GroupUnauthenticated      = "system:unauthenticated"
	GroupNodes                = "system:nodes"
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

// NewUUID returns a random UUID (RFC 9562, version 4) in lower case. It may be called
// concurrently. The generator is the runtime's ChaCha8: audit IDs and the uids of objects
// must not repeat, but they are no secret, so nothing may be allowed to who knows one.
func NewUUID() string {
	var b [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		b[i], b[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	// Version 4, and the variant of the RFC.
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
