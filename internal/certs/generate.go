package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"apichain/internal/atomicfile"
)

// A server without a certificate makes one, signed by a CA that it makes too, so that clients
// have something to trust that is not the certificate itself. The CA signs once: its key is
// dropped when generate returns. So a certificate that no longer fits (it ends soon, or the
// server listens on a host that it does not name) is replaced together with its CA, and clients
// need the new CA. With a directory both survive restarts for as long as they fit.

const (
	generatedLife = 365 * 24 * time.Hour
	// leastLife is what kept certificates must have left to be taken again, so that a server does
	// not outlive its certificate soon after its start.
	leastLife = 30 * 24 * time.Hour
)

// generatedNames are the names in a generated certificate, beside the hosts of the listen
// addresses: those by which clients in a cluster know an API server.
var generatedNames = []string{
	"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
}

// generated returns a serving certificate for hosts and its CA as PEM: those that dir keeps
// while they fit, and else new ones, which dir then keeps. Why kept ones do not fit is logged.
// An empty dir keeps nothing; one with a name for the pair keeps that alone.
func generated(dir, pairName string, hosts []string, log *slog.Logger) (*Pair, []byte, error) {
	names, ips := generatedFor(hosts)
	if dir == "" || pairName != "" {
		p, key, ca, err := generate(names, ips)
		if err == nil && dir != "" {
			p.Source = filepath.Join(dir, pairName+".crt")
			err = errors.Join(os.MkdirAll(dir, 0o755), atomicfile.Write(filepath.Join(dir, pairName+".key"), key),
				atomicfile.Write(p.Source, p.pem))
		}
		return p, ca, err
	}
	caFile, certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "apichain.crt"), filepath.Join(dir, "apichain.key")
	p, err := loadPair(certFile, keyFile)
	ca, caErr := os.ReadFile(caFile)
	if err = errors.Join(err, caErr); err == nil {
		if err = stillGood(p, ca, names, ips); err == nil {
			return p, ca, nil
		}
	}
	log.Info("a new certificate is generated", "dir", dir, "why", err)
	p, key, ca, err := generate(names, ips)
	if err != nil {
		return nil, nil, err
	}
	p.Source = certFile
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	// If the process dies between two of these, what is there does not fit together, and the
	// next start generates once more.
	return p, ca, errors.Join(atomicfile.Write(keyFile, key), atomicfile.Write(certFile, p.pem), atomicfile.Write(caFile, ca))
}

// generatedFor returns the names and the addresses of a certificate for hosts, each once.
func generatedFor(hosts []string) (names []string, ips []net.IP) {
	names, ips = slices.Clone(generatedNames), []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, h := range hosts {
		// A zone is the business of one machine: certificates know none. To listen on every
		// address says nothing about the one that clients use.
		if a, err := netip.ParseAddr(h); err == nil {
			ip := net.IP(a.WithZone("").AsSlice())
			if !ip.IsUnspecified() && !slices.ContainsFunc(ips, ip.Equal) {
				ips = append(ips, ip)
			}
		} else if !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	return names, ips
}

// stillGood returns why kept certificates cannot be used any more, or nil.
func stillGood(p *Pair, ca []byte, names []string, ips []net.IP) error {
	if left := time.Until(p.Cert.Leaf.NotAfter); left < leastLife {
		return fmt.Errorf("it ends in %v", left.Round(time.Hour))
	}
	// The files were written one after another: a CA may be left from before.
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if _, err := p.Cert.Leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		return err
	}
	for _, n := range names {
		if err := p.Cert.Leaf.VerifyHostname(n); err != nil {
			return err
		}
	}
	for _, ip := range ips {
		if err := p.Cert.Leaf.VerifyHostname(ip.String()); err != nil {
			return err
		}
	}
	return nil
}

// generate makes a CA and a certificate for servers signed by it, with ECDSA keys on P-256,
// good for generatedLife. It returns the pair, its key and the CA as PEM.
func generate(names []string, ips []net.IP) (p *Pair, keyPEM, caPEM []byte, err error) {
	caKey, caErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err = errors.Join(caErr, err); err != nil {
		return nil, nil, nil, err
	}
	ca := template("apichain-ca")
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage |= x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	// The parent must be the CA as it was made, which has a key identifier: without that in
	// the leaf, clients that verify strictly (RFC 5280, 4.2.1.1; Python 3.13) refuse it.
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return nil, nil, nil, err
	}
	leaf := template("apichain")
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = names, ips
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	if keyPEM, err = marshalKey(key); err != nil {
		return nil, nil, nil, err
	}
	caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	// The chain ends in the CA, so that a client can read there which one it would have to trust.
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), caPEM...)
	p, err = newPair(chain, keyPEM)
	if err == nil {
		p.Source = "generated"
	}
	return p, keyPEM, caPEM, err
}

// template returns what the two generated certificates have in common.
func template(commonName string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: commonName},
		// A minute back, for clients whose clock is a little behind.
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(generatedLife),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// marshalKey returns a private key as PEM, in PKCS #8.
func marshalKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// serial returns a random serial number of 127 bits: positive, as RFC 5280, 4.1.2.2 wants it.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(bytes.TrimLeft(b[:], "\x00"))
}
