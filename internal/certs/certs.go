// Package certs holds the certificates that a TLS listener serves and the CAs that it trusts,
// and keeps them up to date while it serves.
//
// In goes a Config, which names files; what it names none for is generated. Out comes a Loader:
// a tls.Config for the listener, pools for those who judge client certificates, and what an
// admin page shows of both.
//
//	l, err := certs.New(certs.Config{CertFile: "tls.crt", KeyFile: "tls.key"}, nil, log)
//	…
//	go l.Watch(ctx)
//	serve(tls.NewListener(tcp, l.TLSConfig([]string{"h2", "http/1.1"})))
//
// Handshakes call a Loader concurrently with its reloads and take no lock: each thing that a
// file can change is behind an atomic pointer of its own. Files that belong together, a
// certificate and its key, are loaded together or not at all. A file that is wrong at the start
// ends New; one that becomes wrong later is logged, and what was loaded before stays in use.
//
// The package does not verify client certificates: the listener asks for one and lets any
// through, so that the authenticator can answer a wrong one with 401 (as upstream does), where a
// broken handshake would tell the user nothing.
//
// The package makes no promise of compatibility.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Config says what a Loader serves and trusts. Each file is named together with the flag that
// the program has for it, and errors begin with that flag, since it is what a user can change.
// A Config must not change once New has it.
type Config struct {
	// CertFile and KeyFile are the serving certificate with its chain, and its key, both PEM
	// (--tls-cert-file). The two may be one file. Empty: a CA and a certificate are generated.
	CertFile, KeyFile string
	// SNI are further certificates, chosen by the server name that a client asks for. Of those
	// that fit equally well the first wins.
	SNI []SNI
	// Dir keeps a generated CA and certificate over restarts (--cert-dir). Empty: they live in
	// memory. It counts only without CertFile.
	Dir string
	// PairName is the name of the pair's files in Dir, without .crt and .key. Empty: apichain, whose CA
	// is kept too, in ca.crt. A pair of another name is made anew: whoever finds one there names it as
	// CertFile.
	PairName string

	// MinVersion is the lowest version of TLS, as crypto/tls numbers them. Zero: TLS 1.2.
	MinVersion uint16
	// Suites are the cipher suites of TLS 1.2. Empty: DefaultSuites.
	Suites []uint16
	// Curves are the key exchange mechanisms that are allowed, in any order. Empty: Go's choice.
	Curves []tls.CurveID

	// ClientCAs are the CAs of client certificates, PEM (--client-ca-file). Empty: none.
	ClientCAs string
	// RequestHeaderCAs are the CAs of front proxies, PEM (--requestheader-client-ca-file). Empty:
	// none.
	RequestHeaderCAs string
	// ProxyCert and ProxyKey are who the server is to aggregated servers, PEM (--proxy-client-cert-file). Empty: nobody.
	ProxyCert, ProxyKey string
	// Also are further files that are read and kept up to date like those of certificates.
	Also []Also
	// ProxiesNamed says that front proxies are also known by their names. Without it the two
	// pools of CAs may have no certificate in common.
	ProxiesNamed bool
}

// SNI is one further certificate (--tls-sni-cert-key).
type SNI struct {
	// Cert and Key are files, PEM.
	Cert, Key string
	// Names are the server names that it is for, in lower case; *.domain stands for one label.
	// They replace the names in the certificate. None: those of the certificate.
	Names []string
}

// Also is files that somebody else reads.
type Also struct {
	// Files returns what is looked at, as it is after the last Load; the first of them stands for all.
	Files func() []string
	// Load reads the files and puts what they hold into use, or changes nothing. Its error names the flag.
	Load func() error
}

// Loader serves certificates and trusts CAs as its files have them now. Its methods may be
// called concurrently, but for OnReload. The zero value cannot be used: New makes a Loader.
type Loader struct {
	log      *slog.Logger
	config   Config
	onReload func(Event)

	// ca is the PEM of a generated certificate; nil for one from files.
	ca      []byte
	serving atomic.Pointer[Pair]
	// sni is in the order of config.SNI.
	sni           []atomic.Pointer[Pair]
	clients       atomic.Pointer[CAs]
	requestHeader atomic.Pointer[CAs]
	proxy         atomic.Pointer[Pair]

	// mu is for one reload at a time.
	mu sync.Mutex
	// files never change as a slice; mu guards what its entries have seen.
	files []*source
}

// New loads or generates everything that c asks for. hosts are names and addresses that a
// generated certificate is for, beside the usual ones. The error names the flag and the file, of
// each file that is wrong.
func New(c Config, hosts []string, log *slog.Logger) (*Loader, error) {
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if len(c.Suites) == 0 {
		c.Suites = DefaultSuites()
	}
	l := &Loader{log: log, config: c, sni: make([]atomic.Pointer[Pair], len(c.SNI)), onReload: func(Event) {}}
	var wrong []error
	if c.CertFile == "" {
		p, ca, err := generated(c.Dir, c.PairName, hosts, log)
		if err != nil {
			// Without a directory no flag led here, and none is named.
			where := "generating a serving certificate"
			if c.Dir != "" {
				where = "--cert-dir"
			}
			wrong = append(wrong, fmt.Errorf("%s: %w", where, err))
		}
		l.ca = ca
		l.serving.Store(p)
	} else {
		l.addPair("tls-cert-file", SNI{Cert: c.CertFile, Key: c.KeyFile}, false, &l.serving)
	}
	for i, s := range c.SNI {
		l.addPair("tls-sni-cert-key", s, true, &l.sni[i])
	}
	l.addCAs("client-ca-file", c.ClientCAs, &l.clients, &l.requestHeader)
	l.addCAs("requestheader-client-ca-file", c.RequestHeaderCAs, &l.requestHeader, &l.clients)
	if c.ProxyCert != "" {
		l.addPair("proxy-client-cert-file", SNI{Cert: c.ProxyCert, Key: c.ProxyKey}, false, &l.proxy)
	}
	for _, a := range c.Also {
		l.files = append(l.files, &source{first: a.Files()[0], names: a.Files(), load: a.Load, files: a.Files})
	}
	for _, f := range l.files {
		// Looked at before it is read: a file that changes in between is then read once more,
		// where the other order would miss the change.
		f.seen = f.look()
		if err := f.load(); err != nil {
			wrong = append(wrong, err)
		}
		f.follow()
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return l, nil
}

// addPair makes the files of a certificate a source that loads into to.
func (l *Loader) addPair(flag string, s SNI, sni bool, to *atomic.Pointer[Pair]) {
	l.files = append(l.files, &source{first: s.Cert, names: []string{s.Cert, s.Key}, load: func() error {
		p, err := loadPair(s.Cert, s.Key)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		p.SNI, p.Names = sni, s.Names
		to.Store(p)
		return nil
	}})
}

// addCAs makes a file of CAs, where one is named, a source that loads into to, unless it shares
// a CA with other. Files are loaded one after another, so the one loaded second finds it out.
func (l *Loader) addCAs(flag, file string, to, other *atomic.Pointer[CAs]) {
	if file == "" {
		return
	}
	l.files = append(l.files, &source{first: file, names: []string{file}, load: func() error {
		t, err := loadCAs(file)
		if err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		if !l.config.ProxiesNamed && t.overlaps(other.Load()) {
			return errCAsOverlap
		}
		to.Store(t)
		return nil
	}})
}

// errCAsOverlap refuses pools with a CA in common: a client certificate of that CA could then
// pass for a front proxy and name any user. Upstream refuses it at the start, since 1.35; here a
// reload is refused as well, and what was trusted before stays.
var errCAsOverlap = errors.New("--requestheader-client-ca-file: shares a CA with --client-ca-file, so every client could name any user: " +
	"needs --requestheader-allowed-names")

// TLSConfig returns the configuration of a listener. protos are the protocols for ALPN, the best
// first. The configuration follows reloads, also those after the call.
func (l *Loader) TLSConfig(protos []string) *tls.Config {
	config := &tls.Config{
		MinVersion:       l.config.MinVersion,
		CipherSuites:     l.config.Suites,
		CurvePreferences: l.config.Curves,
		NextProtos:       protos,
		// Asked for and not verified: the authenticator judges it, also when a session is
		// resumed, by the CAs of that moment.
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: l.choose,
	}
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.namingCAs(base), nil }
	return config
}

// namingCAs returns base with the CAs that are trusted now, whose names a handshake tells the client, so
// that it knows which certificate to send; nil where there are none.
func (l *Loader) namingCAs(base *tls.Config) *tls.Config {
	clients, headers := l.clients.Load(), l.requestHeader.Load()
	pool := clients.pool()
	switch {
	case clients == nil && headers == nil:
		return nil
	case clients == nil:
		pool = headers.pool()
	case headers != nil:
		pool = pool.Clone()
		for _, c := range headers.certs {
			pool.AddCert(c)
		}
	}
	config := base.Clone()
	config.ClientCAs = pool
	return config
}

// choose finds the certificate for a handshake: by server name the one of Config.SNI that fits
// best (see Pair.rank), of equals the first given. A client that sends no name, as for an
// address in its URL (RFC 6066, section 3), gets one given for the address that it came to, or,
// where the serving certificate is not for that address, one that is. Else it is the serving
// certificate. It never fails: a client that wants another name can tell by itself.
func (l *Loader) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	serving := l.serving.Load()
	name, byAddress := strings.ToLower(hello.ServerName), false
	if name == "" {
		a, ok := hello.Conn.LocalAddr().(*net.TCPAddr)
		if !ok {
			return serving.Cert, nil
		}
		name = a.IP.String()
		byAddress = serving.Cert.Leaf.VerifyHostname(name) != nil
	}
	best, score := serving, 0
	for i := range l.sni {
		p := l.sni[i].Load()
		s := p.rank(name)
		// An address in the certificate is no DNS name, which rank looks at. It beats only a
		// serving certificate that does not have it.
		if s == 0 && byAddress && p.Cert.Leaf.VerifyHostname(name) == nil {
			s = 1
		}
		if s > score {
			best, score = p, s
		}
	}
	return best.Cert, nil
}

// ClientCAs returns the CAs of client certificates now; nil: none are configured. A reload makes
// another pool, so who caches verdicts may tie them to the pool's address.
func (l *Loader) ClientCAs() *x509.CertPool { return l.clients.Load().pool() }

// RequestHeaderCAs returns the CAs of front proxies now, as ClientCAs does those of clients.
func (l *Loader) RequestHeaderCAs() *x509.CertPool { return l.requestHeader.Load().pool() }

// CAPEM returns what a client must trust, as PEM: the generated CA, or the chain of the serving
// certificate as it is now. It never holds a key. The caller must not change it.
func (l *Loader) CAPEM() []byte {
	if l.ca != nil {
		return l.ca
	}
	return l.serving.Load().pem
}

// Pairs returns the certificates in use: the serving one first, then those of Config.SNI in
// their order. The caller must not change them.
func (l *Loader) Pairs() []*Pair {
	out := []*Pair{l.serving.Load()}
	for i := range l.sni {
		out = append(out, l.sni[i].Load())
	}
	return out
}

// ProxyClient returns who the server is to aggregated servers now; nil: nobody.
func (l *Loader) ProxyClient() *tls.Certificate {
	if p := l.proxy.Load(); p != nil {
		return p.Cert
	}
	return nil
}

// ClientCASet returns what was loaded of Config.ClientCAs; nil: none are configured. The caller
// must not change it.
func (l *Loader) ClientCASet() *CAs { return l.clients.Load() }

// MinVersion returns the lowest version of TLS that is spoken, as crypto/tls numbers them.
func (l *Loader) MinVersion() uint16 { return l.config.MinVersion }

// suitesOf13 are the suites of TLS 1.3, which crypto/tls always offers, in its order.
var suitesOf13 = [...]uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}

// SuiteNames returns the cipher suites that the listener offers: those of TLS 1.3, which cannot
// be switched off, and behind them those of TLS 1.2 if that is spoken, each once.
func (l *Loader) SuiteNames() []string {
	var out []string
	for _, id := range suitesOf13 {
		out = append(out, tls.CipherSuiteName(id))
	}
	if l.config.MinVersion >= tls.VersionTLS13 {
		return out
	}
	for _, id := range l.config.Suites {
		// A suite of TLS 1.3 may be named among those of TLS 1.2, as upstream's list has them all.
		if name := tls.CipherSuiteName(id); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Suites returns the cipher suites that may be named, by name: the AEAD ones. Those of TLS 1.3
// are among them, as upstream has them in its list, but they are always on.
func Suites() map[string]uint16 {
	out := map[string]uint16{}
	for _, s := range tls.CipherSuites() {
		if strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "CHACHA20_POLY1305") {
			out[s.Name] = s.ID
		}
	}
	return out
}

// DefaultSuites returns the suites of a Config that names none: the AEAD ones with forward
// secrecy. crypto/tls decides their order by itself.
func DefaultSuites() []uint16 {
	all := Suites()
	var out []uint16
	for _, s := range tls.CipherSuites() {
		if _, ok := all[s.Name]; ok && !strings.HasPrefix(s.Name, "TLS_RSA_") {
			out = append(out, s.ID)
		}
	}
	return out
}

// IsTLS12 reports whether a suite that crypto/tls offers is one of TLS 1.2.
func IsTLS12(id uint16) bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
		return s.ID == id && slices.Contains(s.SupportedVersions, tls.VersionTLS12)
	})
}
