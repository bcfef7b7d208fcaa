package main

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
	serverAudience  = "https://kubernetes.default.svc.cluster.local"
	tokenIssuer     = serverAudience
	credentialIDKey = "authentication.kubernetes.io/credential-id"
)

// accountTokens makes and reads tokens.
type accountTokens struct {
	key             [32]byte
	account, secret tokenLookup
}

// tokenLookup finds the UID of the object of a name that there is now. It may be called
// concurrently.
type tokenLookup func(namespace, name string) (uid string, found bool)

// newAccountTokens makes a key. The functions find service accounts and secrets.
func newAccountTokens(account, secret tokenLookup) *accountTokens {
	t := &accountTokens{account: account, secret: secret}
	_, _ = rand.Read(t.key[:])
	return t
}

// claims is what a token says.
type claims struct {
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
		Secret *boundSecret `json:"secret,omitempty"`
	} `json:"kubernetes.io"`
}

// boundSecret is the secret with which a token ends.
type boundSecret struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// tokenHeader is the JOSE header of all tokens: HMAC with SHA-256.
var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

func (t *accountTokens) sign(c *claims) string {
	b, _ := json.Marshal(c)
	signed := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(b)
	return signed + "." + base64.RawURLEncoding.EncodeToString(t.mac(signed))
}

func (t *accountTokens) mac(signed string) []byte {
	m := hmac.New(sha256.New, t.key[:])
	m.Write([]byte(signed))
	return m.Sum(nil)
}

// user is whose token it is, and for whom; nil for one that does not count (any more).
func (t *accountTokens) user(token string) (*request.User, []string) {
	if t == nil {
		return nil, nil
	}
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !strings.HasPrefix(token, tokenHeader+".") {
		return nil, nil
	}
	mac, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || !hmac.Equal(mac, t.mac(token[:i])) {
		return nil, nil
	}
	var c claims
	b, err := base64.RawURLEncoding.DecodeString(token[len(tokenHeader)+1 : i])
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
		Extra: map[string][]string{credentialIDKey: {"JTI=" + c.ID}},
	}, c.Audiences
}
