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
// A request on a kept-alive connection brings the same certificate again, and verifying one
// costs as much as the rest of a request; what was found is remembered until the certificate
// expires or the pool is replaced. It may be used concurrently.
type certVerifier struct {
	// pool gives the CAs; when it is nil, or gives nil, no certificate is looked at. Another
	// pointer means other CAs.
	pool func() *x509.CertPool
	// identify finds the user of a verified certificate, nil for nobody. When it is nil,
	// verify gives an empty user.
	identify func(leaf *x509.Certificate) (*request.User, error)
	// now is the clock; nil means time.Now.
	now func() time.Time

	mu    sync.RWMutex                       // guards known
	known map[*x509.Certificate]*certVerdict // by leaf
}

// certVerdict holds what was found of a leaf. It holds for these very certificates: a parsed
// certificate never changes, and its address is not reused while it stands here.
type certVerdict struct {
	chain []*x509.Certificate
	pool  *x509.CertPool
	until time.Time // the first moment at which it may be another
	user  *request.User
	err   error
}

const (
	// maxVerdicts bounds the memory that clients can take with certificates of their own
	// making; an arbitrary one gives way.
	maxVerdicts = 1024
	// refusedFor is how long a refusal is remembered. It may be the clock's fault (not yet
	// valid), so it must not last.
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
	// The intermediates are compared too: with others the same leaf may lead to no CA.
	if d == nil || d.pool != pool || !now.Before(d.until) || !slices.Equal(d.chain, chain) {
		d = v.examine(chain, pool, now)
		v.remember(d)
	}
	return d.user, d.err
}

// examine verifies a chain, and says how long that holds. The error names the certificate,
// which the log needs when clients have several; its subject is quoted.
func (v *certVerifier) examine(chain []*x509.Certificate, pool *x509.CertPool, now time.Time) *certVerdict {
	d := &certVerdict{chain: chain, pool: pool}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	// A server's certificate of the same CA must not pass as a client's.
	paths, err := chain[0].Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		// The verdict holds as long as one of the paths does.
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
		leaf := chain[0]
		d.user, d.err = nil, fmt.Errorf("client certificate (serial %v, subject %q): %w", leaf.SerialNumber, leaf.Subject.String(), err)
		d.until = now.Add(refusedFor)
	}
	return d
}

// firstExpiry returns the first moment at which the path is no longer valid. NotAfter itself
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

// remember keeps a verdict in the place of an older one of the same leaf. Two requests may
// have found the same at the same time; the last one stays.
func (v *certVerifier) remember(d *certVerdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[*x509.Certificate]*certVerdict{}
	}
	if _, ok := v.known[d.chain[0]]; !ok && len(v.known) >= maxVerdicts {
		// A map begins anywhere, which is as good as any order here: whoever floods us
		// cannot choose what is forgotten.
		for old := range v.known {
			delete(v.known, old)
			break
		}
	}
	v.known[d.chain[0]] = d
}

// certUser returns the user a certificate names: the common name, the organizations as
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
	// Upstream's name for the credential: it tells apart two certificates of one user.
	sum := sha256.Sum256(c.Raw)
	u.Extra = map[string][]string{extraPrefix + "credential-id": {"X509SHA256=" + hex.EncodeToString(sum[:])}}
	return authenticated(u), nil
}
