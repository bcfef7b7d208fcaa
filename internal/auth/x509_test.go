package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/request"
)

func TestCertUser(t *testing.T) {
	ca := newAuthority(t, nil)
	uid := func(values ...any) pkix.Name {
		n := pkix.Name{CommonName: "alice"}
		for _, v := range values {
			n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}, Value: v})
		}
		return n
	}
	for _, tc := range []struct {
		name    string
		subject pkix.Name
		want    *request.User
		err     bool
	}{
		{"name and groups", pkix.Name{CommonName: "alice", Organization: []string{"a", "b"}}, &request.User{Name: "alice", Groups: []string{"a", "b", request.GroupAuthenticated}}, false},
		{"name", pkix.Name{CommonName: "alice"}, &request.User{Name: "alice", Groups: []string{request.GroupAuthenticated}}, false},
		{"no name", pkix.Name{Organization: []string{"a"}}, nil, false},
		{"UID", uid("42"), &request.User{Name: "alice", UID: "42", Groups: []string{request.GroupAuthenticated}}, false},
		{"two UIDs", uid("42", "43"), nil, true},
		{"masters", pkix.Name{CommonName: "root", Organization: []string{request.GroupMasters}}, &request.User{Name: "root", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}, false},
	} {
		cert := ca.client(t, tc.subject, nil)
		v := certVerifier{pool: func() *x509.CertPool { return ca.pool }, identify: certUser}
		got, err := v.verify([]*x509.Certificate{cert})
		if tc.want != nil {
			sum := sha256.Sum256(cert.Raw)
			tc.want.Extra = map[string][]string{"authentication.kubernetes.io/credential-id": {"X509SHA256=" + hex.EncodeToString(sum[:])}}
		}
		if !reflect.DeepEqual(got, tc.want) || (err != nil) != tc.err {
			t.Errorf("%s: %+v, error %v; want %+v, error %t", tc.name, got, err, tc.want, tc.err)
		}
	}
}

// TestVerdictsHold: a certificate is verified once, and again whenever the answer could
// be another.
func TestVerdictsHold(t *testing.T) {
	root, other := newAuthority(t, nil), newAuthority(t, nil)
	between := newAuthority(t, root)
	short := root.client(t, pkix.Name{CommonName: "short"}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(20 * time.Minute) })
	future := root.client(t, pkix.Name{CommonName: "future"}, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(5*time.Minute), time.Now().Add(20*time.Minute)
	})
	// It outlives those that vouch for it.
	below := between.client(t, pkix.Name{CommonName: "below"}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(3 * time.Hour) })
	one := func(c ...*x509.Certificate) []*x509.Certificate { return c }

	pool, now, looked := root.pool, time.Now(), 0
	v := &certVerifier{pool: func() *x509.CertPool { return pool }, now: func() time.Time { return now },
		identify: func(c *x509.Certificate) (*request.User, error) { looked++; return certUser(c) }}
	for i, step := range []struct {
		why    string
		do     func()
		chain  []*x509.Certificate
		ok     bool
		looked int // certificates that were verified with success, in all
	}{
		{"first", nil, one(short), true, 1},
		{"again", nil, one(short), true, 1},
		{"another pool", func() { pool = other.pool }, one(short), false, 1},
		{"the refusal is remembered", nil, one(short), false, 1},
		{"the pool is back", func() { pool = root.pool }, one(short), true, 2},
		{"no pool", func() { pool = nil }, one(short), false, 2},
		{"not yet valid", func() { pool = root.pool }, one(future), false, 2},
		{"now it is", func() { now = now.Add(6 * time.Minute) }, one(future), true, 3},
		{"the last moment", func() { now = short.NotAfter }, one(short), true, 3},
		{"expired", func() { now = short.NotAfter.Add(time.Second) }, one(short), false, 3},
		{"without the intermediate", nil, one(below), false, 3},
		{"with the intermediate", nil, one(below, between.cert), true, 4},
		{"without it once more", nil, one(below), false, 4},
		{"and with it", nil, one(below, between.cert), true, 5},
		{"the path has expired", func() { now = between.cert.NotAfter.Add(time.Second) }, one(below, between.cert), false, 5},
	} {
		if step.do != nil {
			step.do()
		}
		u, err := v.verify(step.chain)
		if (u != nil) != step.ok || looked != step.looked || (err == nil) != (step.ok || pool == nil) {
			t.Fatalf("step %d, %s: user %v, error %v, %d verified; want user %t, %d", i, step.why, u, err, looked, step.ok, step.looked)
		}
	}
}

// TestVerdictsAreBounded sends more certificates than are remembered, from several
// goroutines.
func TestVerdictsAreBounded(t *testing.T) {
	ca := newAuthority(t, nil)
	v := &certVerifier{pool: func() *x509.CertPool { return ca.pool }, identify: certUser}
	original := ca.client(t, pkix.Name{CommonName: "alice"}, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range maxVerdicts / 2 {
				c := *original // a certificate parsed once more
				if u, err := v.verify([]*x509.Certificate{&c}); err != nil || u.Name != "alice" {
					t.Errorf("user %v, error %v", u, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(v.known); n != maxVerdicts {
		t.Errorf("%d verdicts, want %d", n, maxVerdicts)
	}
}

func TestCertErrorNamesTheCertificate(t *testing.T) {
	ca, other := newAuthority(t, nil), newAuthority(t, nil)
	cert := other.client(t, pkix.Name{CommonName: "mallory\nforged"}, nil)
	v := &certVerifier{pool: func() *x509.CertPool { return ca.pool }, identify: certUser}
	_, err := v.verify([]*x509.Certificate{cert})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(cert.SerialNumber)) || !strings.Contains(err.Error(), `CN=mallory\nforged`) {
		t.Errorf("error %v", err)
	}
}
