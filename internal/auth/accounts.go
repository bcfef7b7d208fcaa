package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"apichain/internal/request"
)

// Tokens of service accounts: what the token subresource gives out. They are JSON web
// tokens (RFC 7519) signed with a key that lives as long as the process, so they need no
// storage; one counts until it expires, or its account goes.

const (
	ServerAudience  = "https://kubernetes.default.svc.cluster.local"
	Issuer          = ServerAudience
	CredentialIDKey = "authentication.kubernetes.io/credential-id"
)

// Accounts makes and reads tokens.
type Accounts struct {
	key             [32]byte
	account, secret Lookup
}

// Lookup finds the UID of the object of a name that there is now. It may be called
// concurrently.
type Lookup func(namespace, name string) (uid string, found bool)

// NewAccounts makes a key. The functions find service accounts and secrets.
func NewAccounts(account, secret Lookup) *Accounts {
	t := &Accounts{account: account, secret: secret}
	_, _ = rand.Read(t.key[:])
	return t
}

// Claims is what a token says.
type Claims struct {
	Audiences []string `json:"aud"`
	Expires   int64    `json:"exp"` // Unix seconds, as are the other two
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Issuer    string   `json:"iss"`
	ID        string   `json:"jti"`
	Subject   string   `json:"sub"`
	Account   struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"serviceaccount"`
		Secret *BoundSecret `json:"secret,omitempty"`
	} `json:"kubernetes.io"`
}

// BoundSecret is the secret with which a token ends.
type BoundSecret struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// joseHeader is the JOSE header of all tokens: HMAC with SHA-256.
var joseHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

func (t *Accounts) Sign(c *Claims) string {
	b, _ := json.Marshal(c)
	signed := joseHeader + "." + base64.RawURLEncoding.EncodeToString(b)
	return signed + "." + base64.RawURLEncoding.EncodeToString(t.mac(signed))
}

func (t *Accounts) mac(signed string) []byte {
	m := hmac.New(sha256.New, t.key[:])
	m.Write([]byte(signed))
	return m.Sum(nil)
}

// User is whose token it is, and for whom; nil for one that does not count (any more).
func (t *Accounts) User(token string) (*request.User, []string) {
	if t == nil {
		return nil, nil
	}
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !strings.HasPrefix(token, joseHeader+".") {
		return nil, nil
	}
	mac, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || !hmac.Equal(mac, t.mac(token[:i])) {
		return nil, nil
	}
	var c Claims
	b, err := base64.RawURLEncoding.DecodeString(token[len(joseHeader)+1 : i])
	if err != nil || json.Unmarshal(b, &c) != nil || time.Now().Unix() >= c.Expires {
		return nil, nil
	}
	ns, name := c.Account.Namespace, c.Account.ServiceAccount.Name
	uid, found := t.account(ns, name)
	if !found || uid != c.Account.ServiceAccount.UID {
		return nil, nil
	}
	if s := c.Account.Secret; s != nil {
		if uid, found := t.secret(ns, s.Name); !found || uid != s.UID {
			return nil, nil
		}
	}
	return &request.User{
		Name: request.ServiceAccountUserPrefix + ns + ":" + name, UID: uid, Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + ns, request.GroupAuthenticated},
		Extra: map[string][]string{CredentialIDKey: {"JTI=" + c.ID}},
	}, c.Audiences
}
