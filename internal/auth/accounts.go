package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"apichain/internal/request"
)

// Tokens of service accounts, which the token subresource gives out, are JSON web tokens
// (RFC 7519) with upstream's claims, so that a client can read when its own expires. They are
// signed with a key that lives as long as the process (HMAC with SHA-256, RFC 7515), and
// nothing is stored: a token counts as long as
//
//	its signature is ours          none of an earlier process counts
//	it has not expired
//	its account is there           by UID: another account of the same name is another one
//	the secret it is bound to is   if it is bound to one
//
// Deleting the account, or that secret, is how a token is taken back. Without a key pair others can
// verify a token only by a TokenReview.

// ServerAudience is the audience of tokens that are for this server, upstream's default.
const ServerAudience = "https://kubernetes.default.svc.cluster.local"

// credentialIDKey is the extra fact of a user that names its credential (upstream).
const credentialIDKey = "authentication.kubernetes.io/credential-id"

// Accounts makes and reads tokens of service accounts. It may be used concurrently, and its
// nil value knows no token.
type Accounts struct {
	key             [32]byte
	pair            *keyPair // nil: key signs
	account, secret Lookup
	// issuers and audiences are those of a Signing, complete.
	issuers, audiences []string
}

// Lookup finds the UID of the object of a name, as it is there now. It may be called
// concurrently, by every request that brings a token.
type Lookup func(namespace, name string) (uid string, found bool)

// NewAccounts returns accounts with a new key. The functions find service accounts and
// secrets.
func NewAccounts(account, secret Lookup) *Accounts {
	t := &Accounts{account: account, secret: secret, issuers: ownAudience[:], audiences: ownAudience[:]}
	// It never fails: the runtime ends the program first.
	_, _ = rand.Read(t.key[:])
	return t
}

// Use signs and verifies by s from now on. It is called before the first token is issued. The error is
// about a key of a kind that tokens are not signed with.
func (t *Accounts) Use(s Signing) (err error) {
	if t.pair, err = newKeyPair(s); err != nil {
		return err
	}
	if len(s.Issuers) > 0 {
		t.issuers = s.Issuers
	}
	t.audiences = t.issuers
	if len(s.Audiences) > 0 {
		t.audiences = s.Audiences
	}
	return nil
}

// Audiences returns the names of this server: a token that asks for nobody else is for all of them, and
// one counts here that is for one of them. The caller must not change the list.
func (t *Accounts) Audiences() []string {
	if t == nil {
		return ownAudience[:]
	}
	return t.audiences
}

// Issuer returns in whose name tokens are issued.
func (t *Accounts) Issuer() string { return t.issuers[0] }

// PublicKeys returns the keys by which others can verify tokens, as a JWK set, and the algorithms of
// them; nil where there are none.
func (t *Accounts) PublicKeys() (set []byte, algorithms []string) {
	if t.pair == nil {
		return nil, nil
	}
	return t.pair.keySet()
}

// Grant says what a token is to be good for.
type Grant struct {
	// Namespace and Account name the service account, UID is the one it has now.
	Namespace, Account, UID string
	// Secret is what the token is bound to; nil binds it to the account alone.
	Secret *BoundSecret
	// Audiences are whom the token is for; one for none of Accounts.Audiences is none here.
	Audiences []string
	// Issued and Expires bound its time; fractions of a second are cut off.
	Issued, Expires time.Time
}

// BoundSecret is the secret with which a token ends.
type BoundSecret struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// claims are what a token says, by the names of RFC 7519, section 4.1, and upstream's own
// one. The order of the fields is the order in the token.
type claims struct {
	Audiences audienceList  `json:"aud"`
	Expires   int64         `json:"exp"` // Unix seconds, as are the other two
	IssuedAt  int64         `json:"iat"`
	NotBefore int64         `json:"nbf"`
	Issuer    string        `json:"iss"`
	ID        string        `json:"jti"`
	Subject   string        `json:"sub"`
	Account   accountClaims `json:"kubernetes.io"`
}

// audienceList is a list that may also be written as its one item.
type audienceList []string

// UnmarshalJSON takes both forms of RFC 7519, section 4.1.3.
func (l *audienceList) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		*l = audienceList{""}
		return json.Unmarshal(b, &(*l)[0])
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// accountClaims are upstream's own claim: what the token ends with.
type accountClaims struct {
	Namespace      string       `json:"namespace"`
	ServiceAccount namedUID     `json:"serviceaccount"`
	Secret         *BoundSecret `json:"secret,omitempty"`
}

// namedUID tells an object from a later one of the same name.
type namedUID struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Issue makes a token. It trusts its argument: whoever calls it has looked the account and
// the secret up, and has bounded the time.
func (t *Accounts) Issue(g Grant) string {
	return t.sign(&claims{
		Audiences: g.Audiences,
		Expires:   g.Expires.Unix(),
		IssuedAt:  g.Issued.Unix(),
		NotBefore: g.Issued.Unix(),
		Issuer:    t.issuers[0],
		ID:        request.NewUUID(),
		Subject:   request.ServiceAccountUserPrefix + g.Namespace + ":" + g.Account,
		Account:   accountClaims{Namespace: g.Namespace, ServiceAccount: namedUID{g.Account, g.UID}, Secret: g.Secret},
	})
}

// joseHeader is the first part of all tokens (RFC 7515, section 4). It is compared as it
// stands and never read, so that no token can choose another algorithm, or none.
var joseHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// sign returns the claims as a token: header, claims and signature in base64url.
func (t *Accounts) sign(c *claims) string {
	b, _ := json.Marshal(c)
	if p := t.pair; p != nil && p.signer != nil {
		signed := p.header + "." + base64.RawURLEncoding.EncodeToString(b)
		// The kinds of keys that Use takes do not fail for a sum of the right size.
		signature, _ := p.own.sign(p.signer, signed)
		return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	signed := joseHeader + "." + base64.RawURLEncoding.EncodeToString(b)
	return signed + "." + base64.RawURLEncoding.EncodeToString(t.mac(signed))
}

// mac returns the signature of header and claims.
func (t *Accounts) mac(signed string) []byte {
	m := hmac.New(sha256.New, t.key[:])
	m.Write([]byte(signed))
	return m.Sum(nil)
}

// User returns whose token it is, and for which audiences; nil for one that does not count,
// or not any more, whatever the reason.
func (t *Accounts) User(token string) (*request.User, []string) {
	if t == nil {
		return nil, nil
	}
	c := t.read(token)
	now := time.Now().Unix()
	if c == nil || now >= c.Expires || !slices.Contains(t.issuers, c.Issuer) {
		return nil, nil
	}
	// Only who has the key of another signer can bring one that is not valid yet. Its clock may be a
	// minute ahead, as upstream allows.
	if c.NotBefore > now+60 {
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
		Name:   request.ServiceAccountUserPrefix + ns + ":" + name,
		UID:    uid,
		Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + ns, request.GroupAuthenticated},
		Extra:  map[string][]string{credentialIDKey: {"JTI=" + c.ID}},
	}, c.Audiences
}

// read returns the claims of a token that is signed with our key; nil for any other.
// Nothing of a token is decoded before its signature is known to be right.
func (t *Accounts) read(token string) *claims {
	if t.pair != nil {
		if c := t.pair.read(token); c != nil || t.pair.signer != nil {
			return c
		}
	}
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !strings.HasPrefix(token, joseHeader+".") {
		return nil
	}
	mac, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	// In constant time: how far a guess was right must not show.
	if err != nil || !hmac.Equal(mac, t.mac(token[:i])) {
		return nil
	}
	// From here on an error would be our own: the text is what sign has made.
	var c claims
	b, err := base64.RawURLEncoding.DecodeString(token[len(joseHeader)+1 : i])
	if err != nil || json.Unmarshal(b, &c) != nil {
		return nil
	}
	return &c
}
