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
//	what it is bound to is there   a pod, a secret or a node, if it is bound to one, by UID too
//
// Deleting the account, or that object, is how a token is taken back. Without a key pair others can
// verify a token only by a TokenReview.

// ServerAudience is the audience of tokens that are for this server, upstream's default.
const ServerAudience = "https://kubernetes.default.svc.cluster.local"

// extraPrefix begins the names of the extra facts of a user that its token tells (upstream):
// credential-id, and the names and UIDs of the pod and the node.
const extraPrefix = "authentication.kubernetes.io/"

// Accounts makes and reads tokens of service accounts. It may be used concurrently, and its
// nil value knows no token.
type Accounts struct {
	key  [32]byte
	pair *keyPair // nil: key signs
	find Lookups
	// issuers and audiences are those of a Signing, complete.
	issuers, audiences []string
}

// Lookup finds the UID of the object of a name, as it is there now. It may be called
// concurrently, by every request that brings a token.
type Lookup func(namespace, name string) (uid string, found bool)

// Lookups find what tokens are of and may be bound to. Nodes have no namespace, which is "" for them.
// A nil one finds nothing.
type Lookups struct{ Account, Pod, Secret, Node Lookup }

// has reports whether the object that a token was bound to is still there.
func (l Lookup) has(namespace string, r *Ref) bool {
	if l == nil {
		return false
	}
	uid, found := l(namespace, r.Name)
	return found && uid == r.UID
}

// NewAccounts returns accounts with a new key.
func NewAccounts(find Lookups) *Accounts {
	t := &Accounts{find: find, issuers: ownAudience[:], audiences: ownAudience[:]}
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
	// Bound is what the token ends with beside the account.
	Bound Bound
	// Audiences are whom the token is for; one for none of Accounts.Audiences is none here.
	Audiences []string
	// Issued and Expires bound its time; fractions of a second are cut off.
	Issued, Expires time.Time
}

// Bound is what a token is bound to: a pod, a secret or a node. Beside a pod the node is the one that
// the pod is on, which the token tells and does not end with. The zero value is nothing.
type Bound struct {
	Node   *Ref `json:"node,omitempty"`
	Pod    *Ref `json:"pod,omitempty"`
	Secret *Ref `json:"secret,omitempty"`
}

// Ref tells an object from a later one of the same name. UID is "" for a pod's node that is not there.
type Ref struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
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
	Namespace      string `json:"namespace"`
	ServiceAccount Ref    `json:"serviceaccount"`
	Bound
}

// Issue makes a token. It trusts its argument: whoever calls it has looked the account and
// what it is bound to up, and has bounded the time.
func (t *Accounts) Issue(g Grant) string {
	return t.sign(&claims{
		Audiences: g.Audiences,
		Expires:   g.Expires.Unix(),
		IssuedAt:  g.Issued.Unix(),
		NotBefore: g.Issued.Unix(),
		Issuer:    t.issuers[0],
		ID:        request.NewUUID(),
		Subject:   request.ServiceAccountUserPrefix + g.Namespace + ":" + g.Account,
		Account:   accountClaims{g.Namespace, Ref{g.Account, g.UID}, g.Bound},
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
	ns, account := c.Account.Namespace, &c.Account.ServiceAccount
	if !t.find.Account.has(ns, account) || !t.stillBound(ns, &c.Account.Bound) {
		return nil, nil
	}
	extra := map[string][]string{extraPrefix + "credential-id": {"JTI=" + c.ID}}
	tell := func(what string, r *Ref) {
		if r != nil {
			extra[extraPrefix+what+"-name"], extra[extraPrefix+what+"-uid"] = []string{r.Name}, []string{r.UID}
		}
	}
	tell("pod", c.Account.Pod)
	tell("node", c.Account.Node)
	return &request.User{
		Name:   request.ServiceAccountUserPrefix + ns + ":" + account.Name,
		UID:    account.UID,
		Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + ns, request.GroupAuthenticated},
		Extra:  extra,
	}, c.Audiences
}

// stillBound reports whether what a token of a namespace is bound to is there.
func (t *Accounts) stillBound(namespace string, b *Bound) bool {
	switch {
	case b.Secret != nil:
		return t.find.Secret.has(namespace, b.Secret)
	case b.Pod != nil:
		return t.find.Pod.has(namespace, b.Pod)
	case b.Node != nil:
		return t.find.Node.has("", b.Node)
	}
	return true
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
