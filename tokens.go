package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Tokens of service accounts: what the token subresource gives out. They are JSON web
// tokens (RFC 7519) signed with a key that lives as long as the process, so they need no
// storage; one counts until it expires, or its account goes.

const (
	serverAudience  = "https://kubernetes.default.svc.cluster.local"
	tokenIssuer     = serverAudience
	tokenLifetime   = 3600    // seconds, unless told
	tokenLeast      = 600     // seconds
	tokenMost       = 1 << 32 // seconds
	credentialIDKey = "authentication.kubernetes.io/credential-id"
)

// accountTokens makes and reads tokens.
type accountTokens struct {
	key               [32]byte
	accounts, secrets *store.Bucket
}

func newAccountTokens(accounts, secrets *store.Bucket) *accountTokens {
	t := &accountTokens{accounts: accounts, secrets: secrets}
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
	sn := t.accounts.Now()
	account := sn.Get(ns + "/" + name)
	if account == nil || account.Meta.UID != c.Account.ServiceAccount.UID {
		return nil, nil
	}
	if s := c.Account.Secret; s != nil {
		sn := t.secrets.Now()
		if o := sn.Get(ns + "/" + s.Name); o == nil || o.Meta.UID != s.UID {
			return nil, nil
		}
	}
	return &request.User{
		Name: request.ServiceAccountUserPrefix + ns + ":" + name, UID: account.Meta.UID, Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + ns, request.GroupAuthenticated},
		Extra: map[string][]string{credentialIDKey: {"JTI=" + c.ID}},
	}, c.Audiences
}

// requestToken is the token subresource of a service account.
func (t *accountTokens) requestToken(q *call) error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readTyped(q.rest.kinds.Body("authentication.k8s.io", "v1", "TokenRequest"), "TokenRequest")
	if err != nil {
		return err
	}
	sn := q.bucket.Now()
	account := sn.Get(q.resource.key(q.namespace, q.name))
	if account == nil {
		return q.notFound(q.name)
	}
	seconds, given := tree.At(obj, "spec", "expirationSeconds").(int64)
	if !given {
		seconds = tokenLifetime
	}
	if errs := lifetimeErrors(seconds); len(errs) > 0 {
		return status.Invalid("authentication.k8s.io", "TokenRequest", q.name, errs)
	}
	var bound *boundSecret
	if ref := tree.Object(obj, "spec", "boundObjectRef"); ref != nil {
		if bound, err = q.bound(ref); err != nil {
			return err
		}
	}
	audiences := tree.Strings(tree.List(obj, "spec", "audiences"))
	if len(audiences) == 0 {
		audiences = []string{serverAudience}
	}
	now := time.Now()
	c := &claims{Audiences: audiences, Expires: now.Unix() + seconds, IssuedAt: now.Unix(), NotBefore: now.Unix(), Issuer: tokenIssuer, ID: request.NewUUID(), Subject: request.ServiceAccountUserPrefix + q.namespace + ":" + q.name}
	c.Account.Namespace, c.Account.ServiceAccount.Name, c.Account.ServiceAccount.UID = q.namespace, q.name, account.Meta.UID
	c.Account.Secret = bound
	answer := map[string]any{
		"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{"name": q.name, "namespace": q.namespace, "creationTimestamp": timeText(now)},
		"spec":     map[string]any{"audiences": anyStrings(audiences), "expirationSeconds": seconds, "boundObjectRef": tree.At(obj, "spec", "boundObjectRef")},
		"status":   map[string]any{"token": t.sign(c), "expirationTimestamp": timeText(now.Add(time.Duration(seconds) * time.Second))},
	}
	return q.answerTree(http.StatusCreated, answer)
}

func lifetimeErrors(seconds int64) []field.Error {
	switch {
	case seconds < tokenLeast:
		return []field.Error{field.Invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")}
	case seconds > tokenMost:
		return []field.Error{field.Invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")}
	}
	return nil
}

// bound is the secret to which a token is to be bound: it counts as long as that is there.
func (q *call) bound(ref map[string]any) (*boundSecret, error) {
	kind, name := tree.Text(ref, "kind"), tree.Text(ref, "name")
	if kind != "Secret" {
		return nil, status.Invalid("authentication.k8s.io", "TokenRequest", q.name, []field.Error{field.NotSupported("spec.boundObjectRef.kind", kind, "Secret")})
	}
	secrets := q.rest.builtin[kinds.NewKey("", "v1", "Secret")]
	sn := secrets.bucket.Now()
	o := sn.Get(q.namespace + "/" + name)
	if o == nil {
		return nil, secrets.notFound(name)
	}
	if uid := tree.Text(ref, "uid"); uid != "" && uid != o.Meta.UID {
		return nil, secrets.conflict(name, "the UID in the bound object reference ("+uid+") does not match the UID in record. The object might have been deleted and then recreated")
	}
	return &boundSecret{name, o.Meta.UID}, nil
}

// byToken is whose bearer token it is, and for which audiences; nil for a wrong one.
func (a *authenticator) byToken(token string) (*request.User, []string) {
	if u := a.tokens[token]; u != nil {
		return u, ownAudience[:]
	}
	return a.accounts.user(token)
}

// ownAudience is whom a token is for that says nothing of it. It is read by every request
// and never written.
var ownAudience = [1]string{serverAudience}

// bearer is the user of a token that is for this server.
func (a *authenticator) bearer(token string) *request.User {
	u, audiences := a.byToken(token)
	if u == nil || !slices.Contains(audiences, serverAudience) {
		return nil
	}
	return u
}
