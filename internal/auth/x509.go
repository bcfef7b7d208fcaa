package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"apichain/internal/request"
)

// certVerifier verifies client certificates against the CAs that count now. The
// handshake only asks for a certificate, so that a wrong one is a 401 with a body and
// not a broken connection.
//
// A request on a kept-alive connection brings the same certificate again; what was found
// is remembered until the certificate expires or the pool is replaced.
type certVerifier struct {
	pool     func() *x509.CertPool                               // nil, or giving nil: no certificate is looked at
	identify func(leaf *x509.Certificate) (*request.User, error) // nil: verify gives an empty user
	now      func() time.Time                                    // nil: time.Now

	mu    sync.RWMutex
	known map[*x509.Certificate]*certVerdict
}

// certVerdict is what was found of a leaf. It holds for these very certificates (a parsed
// certificate never changes, and its address is not reused while it stands here).
type certVerdict struct {
	chain []*x509.Certificate
	pool  *x509.CertPool
	until time.Time
	user  *request.User
	err   error
}

const (
	// maxVerdicts bounds the memory that clients can take with certificates of their own
	// making; an arbitrary one gives way.
	maxVerdicts = 1024
	// refusedFor is how long a refusal is remembered.
	refusedFor = 10 * time.Second
)

// verify returns the user of a verified certificate, chain[0]; the others are
// intermediates the client sent. nil without an error means that there are no CAs to
// verify against, or that the certificate names nobody.
func (v *certVerifier) verify(chain []*x509.Certificate) (*request.User, error) {
	if v.pool == nil {
		return nil, nil
	}
	pool := v.pool()
	if pool == nil {
		return nil, nil
	}
	now := time.Now()
	if v.now != nil {
		now = v.now()
	}
	v.mu.RLock()
	d := v.known[chain[0]]
	v.mu.RUnlock()
	if d == nil || d.pool != pool || !now.Before(d.until) || !slices.Equal(d.chain, chain) {
		d = v.judge(chain, pool, now)
		v.remember(d)
	}
	return d.user, d.err
}

func (v *certVerifier) judge(chain []*x509.Certificate, pool *x509.CertPool, now time.Time) *certVerdict {
	d := &certVerdict{chain: chain, pool: pool}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	paths, err := chain[0].Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		for _, path := range paths {
			if t := firstExpiry(path); t.After(d.until) {
				d.until = t
			}
		}
		d.user = &request.User{}
		if v.identify != nil {
			d.user, err = v.identify(chain[0])
		}
	}
	if err != nil {
		d.user, d.err = nil, fmt.Errorf("client certificate (serial %v, subject %q): %w", chain[0].SerialNumber, chain[0].Subject.String(), err)
		d.until = now.Add(refusedFor)
	}
	return d
}

// firstExpiry is the first moment at which the path is no longer valid. NotAfter itself
// is still inside (RFC 5280, section 4.1.2.5).
func firstExpiry(path []*x509.Certificate) time.Time {
	t := path[0].NotAfter
	for _, c := range path[1:] {
		if c.NotAfter.Before(t) {
			t = c.NotAfter
		}
	}
	return t.Add(1)
}

func (v *certVerifier) remember(d *certVerdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[*x509.Certificate]*certVerdict{}
	}
	if _, ok := v.known[d.chain[0]]; !ok && len(v.known) >= maxVerdicts {
		for old := range v.known {
			delete(v.known, old)
			break
		}
	}
	v.known[d.chain[0]] = d
}

// certUser is the user a certificate names: the common name, the organizations as
// groups, and upstream's element for a UID. Without a common name it names nobody.
func certUser(c *x509.Certificate) (*request.User, error) {
	if c.Subject.CommonName == "" {
		return nil, nil
	}
	uidElement := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}
	u := &request.User{Name: c.Subject.CommonName, Groups: slices.Clone(c.Subject.Organization)}
	found := false
	for _, element := range c.Subject.Names {
		if !element.Type.Equal(uidElement) {
			continue
		}
		uid, ok := element.Value.(string)
		if !ok || found {
			return nil, errors.New("the subject must have one UID and as a string")
		}
		u.UID, found = uid, true
	}
	sum := sha256.Sum256(c.Raw)
	u.Extra = map[string][]string{"authentication.kubernetes.io/credential-id": {"X509SHA256=" + hex.EncodeToString(sum[:])}}
	return authenticated(u), nil
}
