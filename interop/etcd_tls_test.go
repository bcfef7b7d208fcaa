package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	etcdstore "apichain/internal/etcd"
	"apichain/internal/etcd/etcdtest"
	"apichain/internal/store"
)

// certificate writes a certificate for loopback that is its own authority, with its key, and returns their files.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestEtcdTLS: an etcd that asks for certificates is followed with them.
func TestEtcdTLS(t *testing.T) {
	path, err := etcd()
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t, "etcd")
	clientCert, clientKey := certificate(t, "client")
	address := fmt.Sprintf("127.0.0.1:%d", steadyPort(t))
	peer := fmt.Sprintf("http://127.0.0.1:%d", steadyPort(t))
	m := newProcess(t, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err
	}, path, "--data-dir", t.TempDir(), "--listen-client-urls", "https://"+address, "--advertise-client-urls", "https://"+address,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", clientCert,
		"--log-level", "error", "--unsafe-no-fsync")
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}}
	conf.RootCAs.AppendCertsFromPEM(authority)
	s := etcdStore(t, etcdBackend(t, "https://"+address, func(c *etcdstore.Config) { c.TLS = conf }))
	if _, err := s.Commit(t.Context(), thing(s, "things", "a", 1)); err != nil {
		t.Fatal(err)
	}
	if sn := s.Bucket("things").Now(); etcdtest.Number(sn.Get("a")) != 1 {
		t.Error("the object is not there")
	}
	// Without a certificate of ours etcd lets nobody in.
	b := etcdBackend(t, "https://"+address, func(c *etcdstore.Config) {
		c.TLS = conf.Clone()
		c.TLS.Certificates = nil
	})
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := store.New(store.Window{Events: 1, Bytes: 1}).Open(ctx, b); err == nil {
		t.Error("it is open to everybody")
	}
}
