package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// certificates are what the TLS listener serves and trusts now. Handshakes read it
// without a lock; files are read again when they change, and a file that is wrong
// leaves what it had before.
type certificates struct {
	log      *slog.Logger
	options  *tlsOptions
	suites   []uint16
	onChange func(certEvent) // set before watch; one call at a time for each reload, failed ones too; it must not reload

	ca            []byte // of a generated certificate
	serving       atomic.Pointer[pair]
	sni           []atomic.Pointer[pair]
	clients       atomic.Pointer[trust]
	requestHeader atomic.Pointer[trust]

	mu    sync.Mutex // one reload at a time
	files []*watched
}

// certEvent is a certificate file that was read again, or could not be.
type certEvent struct {
	file, detail string
	err          error
}

// trust is a pool of CAs as it was loaded. A new one replaces it: verdicts may be tied
// to the pool's address.
type trust struct {
	pool     *x509.CertPool
	certs    []*x509.Certificate // those of pool
	source   string
	subjects []string
	loadedAt time.Time
}

// watched is files that are loaded together.
type watched struct {
	names []string
	load  func() error

	seen    []os.FileInfo // the files when they were last loaded
	refused string        // digest of the content that was not taken; "": it was
	errText atomic.Pointer[loadError]
}

type loadError struct {
	text string
	at   time.Time
}

// newCertificates loads or makes everything. hosts are names and addresses that a
// generated certificate is also for. An error names the file.
func newCertificates(o *tlsOptions, hosts []string, log *slog.Logger) (*certificates, error) {
	c := &certificates{log: log, options: o, suites: o.suiteIDs(), sni: make([]atomic.Pointer[pair], len(o.sni)), onChange: func(certEvent) {}}
	if o.certFile == "" {
		p, ca, err := generated(o.certDir, hosts, log)
		if err != nil {
			if o.certDir != "" {
				return nil, fmt.Errorf("--cert-dir: %w", err)
			}
			return nil, fmt.Errorf("generating a serving certificate: %w", err)
		}
		c.ca = ca
		c.serving.Store(p)
	} else {
		c.watchPair("tls-cert-file", o.certFile, o.keyFile, &c.serving, sniFlag{}, false)
	}
	for i, s := range o.sni {
		c.watchPair("tls-sni-cert-key", s.cert, s.key, &c.sni[i], s, true)
	}
	c.watchPool("client-ca-file", o.clientCA, &c.clients)
	c.watchPool("requestheader-client-ca-file", o.requestHeaders, &c.requestHeader)
	for _, w := range c.files {
		w.seen = w.look()
		if err := w.load(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *certificates) watchPair(flag, cert, key string, to *atomic.Pointer[pair], s sniFlag, sni bool) {
	c.files = append(c.files, &watched{names: []string{cert, key}, load: func() error {
		p, err := loadPair(cert, key)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		p.sni, p.names = sni, s.names
		to.Store(p)
		return nil
	}})
}

func (c *certificates) watchPool(flag, file string, to *atomic.Pointer[trust]) {
	if file == "" {
		return
	}
	c.files = append(c.files, &watched{names: []string{file}, load: func() error {
		t, err := loadPool(file)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		other := &c.clients
		if to == other {
			other = &c.requestHeader
		}
		if !c.options.proxiesNamed && t.overlaps(other.Load()) {
			return errCAsOverlap
		}
		to.Store(t)
		return nil
	}})
}

// digest stands for what the files hold, or for why they cannot be read.
func (w *watched) digest() string {
	h := sha256.New()
	for _, name := range w.names {
		b, err := os.ReadFile(name)
		fmt.Fprintf(h, "%d %v\n%s", len(b), err, b)
	}
	return string(h.Sum(nil))
}

// look is the files as they are; nil for one that is not there.
func (w *watched) look() []os.FileInfo {
	out := make([]os.FileInfo, len(w.names))
	for i, name := range w.names {
		out[i], _ = os.Stat(name)
	}
	return out
}

// same reports whether nothing has changed: file, size and time.
func (w *watched) same(now []os.FileInfo) bool {
	for i, n := range now {
		o := w.seen[i]
		if n == nil || o == nil {
			if n != o {
				return false
			}
			continue
		}
		if !os.SameFile(n, o) || n.Size() != o.Size() || !n.ModTime().Equal(o.ModTime()) {
			return false
		}
	}
	return true
}

// watch reads changed files again, twice a second, until ctx ends.
func (c *certificates) watch(ctx context.Context) {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.check(false)
		}
	}
}

// reload reads every file again now: for SIGHUP.
func (c *certificates) reload() { c.check(true) }

// check reads the files that have changed, or all. Content that was refused before is
// reported again only when somebody asks by a signal.
func (c *certificates) check(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.files {
		now := w.look()
		if w.same(now) && !all {
			continue
		}
		w.seen = now
		err, before := w.load(), w.refused
		if w.refused = ""; err != nil {
			if w.refused = w.digest(); w.refused == before && !all {
				continue
			}
			w.errText.Store(&loadError{err.Error(), time.Now()})
			c.log.Error("a certificate file is wrong; the certificate before it stays in use", "file", w.names[0], "err", err)
		} else {
			w.errText.Store(nil)
			c.log.Info("certificate reloaded", "file", w.names[0])
		}
		c.onChange(certEvent{file: w.names[0], detail: strings.Join(w.names, ", "), err: err})
	}
}

// config is the TLS configuration of the listener: TLS 1.2 or later with AEAD suites;
// client certificates are asked for and judged by the authenticator, not here, so that
// a wrong one is 401 and not a broken handshake (upstream).
func (c *certificates) config(protos []string) *tls.Config {
	return &tls.Config{
		MinVersion:     c.options.version(),
		CipherSuites:   c.suites,
		NextProtos:     protos,
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: c.choose,
	}
}

// choose finds the certificate for a handshake: by server name the one of
// --tls-sni-cert-key that fits best, of equals the first given; without a name one given
// for the address the client came to, or where the serving certificate is not for that
// address one that is; else the serving certificate.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	serving := c.serving.Load()
	name, byAddress := strings.ToLower(hello.ServerName), false
	if name == "" {
		a, ok := hello.Conn.LocalAddr().(*net.TCPAddr)
		if !ok {
			return serving.cert, nil
		}
		name = a.IP.String()
		byAddress = serving.cert.Leaf.VerifyHostname(name) != nil
	}
	best, score := serving, 0
	for i := range c.sni {
		p := c.sni[i].Load()
		s := p.serves(name)
		if s == 0 && byAddress && p.cert.Leaf.VerifyHostname(name) == nil {
			s = 1
		}
		if s > score {
			best, score = p, s
		}
	}
	return best.cert, nil
}

// clientCAs are the CAs of client certificates now; nil: none are configured.
func (c *certificates) clientCAs() *x509.CertPool { return c.clients.Load().get() }

// requestHeaderCAs are the CAs of front proxies now; nil: none are configured.
func (c *certificates) requestHeaderCAs() *x509.CertPool { return c.requestHeader.Load().get() }

func (t *trust) get() *x509.CertPool {
	if t == nil {
		return nil
	}
	return t.pool
}

// overlaps reports whether the two share a CA; a nil one shares none.
func (t *trust) overlaps(o *trust) bool {
	return o != nil && slices.ContainsFunc(t.certs, func(ca *x509.Certificate) bool {
		return slices.ContainsFunc(o.certs, ca.Equal)
	})
}

// errCAsOverlap: with a CA in common any client could name any user (upstream refuses
// it at start since 1.35). A reload is refused as well, and what was trusted stays.
var errCAsOverlap = errors.New("--requestheader-client-ca-file: shares a CA with --client-ca-file, so every client could name any user: needs --requestheader-allowed-names")

// caPEM is what a client must trust: the generated CA, or the chain that was given.
func (c *certificates) caPEM() []byte {
	if c.ca != nil {
		return c.ca
	}
	return c.serving.Load().pem
}

// fault is why the files of a certificate, as they are now, are not in use.
func (c *certificates) fault(file string) *loadError {
	for _, w := range c.files {
		if w.names[0] == file {
			return w.errText.Load()
		}
	}
	return nil
}

// pairs are the certificates in use: the serving one first.
func (c *certificates) pairs() []*pair {
	out := []*pair{c.serving.Load()}
	for i := range c.sni {
		out = append(out, c.sni[i].Load())
	}
	return out
}
