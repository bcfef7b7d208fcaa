package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// What is read from files: a certificate with its key, and CAs. Both come from PEM files as tools leave
// them, with comments, text before the blocks and blocks of other kinds, which are passed over. What is
// loaded is checked as a whole (the key fits the certificate, there is one CA at least) before it is
// handed on, so that a file which is being written never replaces one that was whole.

// Pair is a serving certificate with its key, as it was loaded. It does not change: a reload
// makes another.
type Pair struct {
	// Cert has its Leaf set.
	Cert *tls.Certificate
	// Names are given for SNI, in lower case; nil: those of the certificate count.
	Names []string
	// SNI says that it is of Config.SNI.
	SNI bool
	// Source is the certificate's file, or "generated".
	Source   string
	LoadedAt time.Time

	// pem is the chain, and nothing else that the file held.
	pem []byte
}

// rank says how well the pair serves a server name in lower case, as upstream ranks them: 4 for
// a given name, 3 for one of the certificate, 2 for a given wildcard, 1 for one of the
// certificate, 0 for not at all. So an exact name of a certificate beats a given wildcard.
// Given names replace those of the certificate. A wildcard stands for one label.
func (p *Pair) rank(name string) int {
	names, given := p.Names, 1
	if names == nil {
		names, given = p.Cert.Leaf.DNSNames, 0
	}
	best := 0
	for _, n := range names {
		n = strings.ToLower(n)
		if n == name {
			return 3 + given
		}
		if _, domain, ok := strings.Cut(name, "."); ok && n == "*."+domain {
			best = 1 + given
		}
	}
	return best
}

// loadPair reads a certificate with its key. The error names the file that is wrong, or both
// where they do not fit each other.
func loadPair(certFile, keyFile string) (*Pair, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	p, err := newPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certFile, keyFile, err)
	}
	p.Source = certFile
	return p, nil
}

// newPair makes a pair of PEM texts. Each may hold more than it is read for: comments, and the
// certificate its key.
func newPair(cert, key []byte) (*Pair, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	// With GODEBUG=x509keypairleaf=0 the leaf is left out, and everything here reads it.
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, err
		}
	}
	// Encoded anew: the file may hold the key too, which must not get into what clients are
	// given.
	p := &Pair{Cert: &c, LoadedAt: time.Now()}
	for _, der := range c.Certificate {
		p.pem = append(p.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return p, nil
}

// CAs is a file of CAs as it was loaded. It does not change: a reload makes another, with
// another pool.
type CAs struct {
	// Source is the file.
	Source string
	// Subjects are in the order of the file.
	Subjects []string
	LoadedAt time.Time

	certPool *x509.CertPool
	// certs are those of certPool.
	certs []*x509.Certificate
}

// pool returns the certificates as a pool; nil for a nil set.
func (t *CAs) pool() *x509.CertPool {
	if t == nil {
		return nil
	}
	return t.certPool
}

// overlaps reports whether the two share a CA; a nil one shares none.
func (t *CAs) overlaps(o *CAs) bool {
	return o != nil && slices.ContainsFunc(t.certs, func(ca *x509.Certificate) bool {
		return slices.ContainsFunc(o.certs, ca.Equal)
	})
}

// loadCAs reads CA certificates from a file that must hold one at least. The error names the
// file.
func loadCAs(file string) (*CAs, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := &CAs{certPool: x509.NewCertPool(), Source: file, LoadedAt: time.Now()}
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		// Keys and requests may stand in the file too. A certificate that is broken is an error,
		// unlike for AppendCertsFromPEM: to trust fewer than the file says surprises later.
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		t.certPool.AddCert(c)
		t.certs = append(t.certs, c)
		t.Subjects = append(t.Subjects, c.Subject.String())
	}
	if len(t.certs) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate in PEM form", file)
	}
	return t, nil
}
