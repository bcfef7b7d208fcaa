package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"apichain/admin"
	"apichain/internal/certs"
	"apichain/internal/flags"
)

// The certificates themselves are the business of internal/certs. This is their flags, what can
// be wrong with those before a file is read, and what the admin endpoint shows of what was
// loaded.
//
// The flags are upstream's, with its values (VersionTLS12, TLS_ECDHE_…), so that a command line of
// kube-apiserver works here. Two things are left out: versions below TLS 1.2, and suites that are not
// AEAD, which upstream still takes and calls insecure.

// tlsOptions are the certificates of the TLS listener, whom it trusts, and what it speaks.
type tlsOptions struct {
	certFile, keyFile string      // both or none; none: they are generated
	sni               []certs.SNI // further certificates, by the name that the client asks for
	certDir           string      // where generated ones are kept; "": in memory
	pairName          string      // of the files in certDir; "": apichain
	minVersion        string      // as upstream spells it
	suites            []string    // of TLS 1.2; none: Go's choice
	curves            []string    // numbers; none: Go's choice

	clientCA, requestHeaders string // files
	proxiesNamed             bool   // derived: --requestheader-allowed-names says who is a front proxy
}

// Register declares the flags of certificates, trust and TLS.
func (o *tlsOptions) Register(f *flags.Set) {
	f.In("tls")
	f.Text(&o.certFile, "tls-cert-file", "",
		"serving certificate with its chain, PEM; none: a CA and a certificate are generated at start")
	f.Text(&o.keyFile, "tls-private-key-file", "", "key of --tls-cert-file, PEM")
	// Not f.List, whose last use wins.
	f.Var((*sniValue)(&o.sni), "tls-sni-cert-key",
		"further certificate: cert,key or cert,key:domain,*.domain; the flag may be repeated, and each use adds one")
	f.Text(&o.minVersion, "tls-min-version", "VersionTLS12", "lowest TLS version: VersionTLS12 or VersionTLS13")
	f.List(&o.suites, "tls-cipher-suites", nil,
		"cipher suites of TLS 1.2, all of them AEAD; none: Go's choice (the suites of TLS 1.3 may be named, and are always on)")
	f.List(&o.curves, "tls-curve-preferences", nil,
		"allowed key exchange mechanisms, as the numbers that Go's crypto/tls has for them (23: P-256, 24: P-384, 25: P-521, 29: X25519, "+
			"4588: X25519MLKEM768), whose order does not count; none: Go's choice")
	f.Text(&o.certDir, "cert-dir", "",
		"directory in which a generated CA and certificate are kept over restarts; none: they live in --data-dir or in memory")
	f.Text(&o.clientCA, "client-ca-file", "",
		"CAs of client certificates, PEM: a client's common name is its user, its organisations are its groups")
	f.Text(&o.requestHeaders, "requestheader-client-ca-file", "",
		"CAs of front proxies, PEM, which may name the user in header lines")
}

// sniValue is the value of --tls-sni-cert-key: unlike every other flag, it adds when it is repeated.
type sniValue []certs.SNI

// String writes all of them, each as Set reads it, with a space between.
func (v *sniValue) String() string {
	// The flag package asks the zero value, for its own usage text.
	if v == nil {
		return ""
	}
	var out []string
	for _, s := range *v {
		text := s.Cert + "," + s.Key
		if len(s.Names) > 0 {
			text += ":" + strings.Join(s.Names, ",")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// Set adds one certificate. A colon promises names: none after it is an error, as upstream.
func (v *sniValue) Set(s string) error {
	files, names, named := strings.Cut(s, ":")
	cert, key, _ := strings.Cut(files, ",")
	f := certs.SNI{Cert: strings.TrimSpace(cert), Key: strings.TrimSpace(key)}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			f.Names = append(f.Names, name)
		}
	}
	if f.Cert == "" || f.Key == "" || strings.Contains(f.Key, ",") || named && f.Names == nil {
		return errors.New("must be cert,key or cert,key:domain,domain")
	}
	*v = append(*v, f)
	return nil
}

// Check reports halves of pairs, and versions and suites that are not offered. Files are not read.
func (o *tlsOptions) Check(p *flags.Problems) {
	p.When(o.certFile != "" && o.keyFile == "", "tls-cert-file", "needs --tls-private-key-file")
	p.When(o.keyFile != "" && o.certFile == "", "tls-private-key-file", "needs --tls-cert-file")
	p.When(o.minVersion != "VersionTLS12" && o.minVersion != "VersionTLS13", "tls-min-version",
		"must be VersionTLS12 or VersionTLS13, is %q", o.minVersion)
	if _, err := o.curveIDs(); err != nil {
		p.Add("tls-curve-preferences", "%v", err)
	}
	// One line for each: who has a list from elsewhere learns of all at once.
	offered, wrong := certs.Suites(), false
	for _, name := range o.suites {
		if _, ok := offered[name]; !ok {
			wrong = true
			p.Add("tls-cipher-suites", "%q is not offered; offered are %s", name, strings.Join(slices.Sorted(maps.Keys(offered)), ", "))
		}
	}
	// Upstream does not start then either: its HTTP/2 wants a suite of TLS 1.2.
	if len(o.suites) > 0 && !wrong && o.version() < tls.VersionTLS13 && !slices.ContainsFunc(o.suiteIDs(), certs.IsTLS12) {
		p.Add("tls-cipher-suites", "names suites of TLS 1.3 alone, which are always on, and leaves clients of TLS 1.2 none: "+
			"name one of TLS 1.2 too, or say --tls-min-version=VersionTLS13")
	}
}

// suiteIDs returns the suites that were named; none were: nil.
func (o *tlsOptions) suiteIDs() []uint16 {
	offered := certs.Suites()
	var out []uint16
	for _, name := range o.suites {
		out = append(out, offered[name])
	}
	return out
}

// curveIDs returns the key exchange mechanisms that were named, nil for none, and what is wrong with the
// first of them that is not good, of numbers in upstream's words.
func (o *tlsOptions) curveIDs() (out []tls.CurveID, err error) {
	for _, text := range o.curves {
		n, err := strconv.ParseInt(text, 0, 32)
		id := tls.CurveID(n)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no number of 32 bits", text)
		case n < 1 || n > math.MaxUint16:
			return nil, fmt.Errorf("curve preference %d is out of range (must be 1-%d)", n, math.MaxUint16)
		case slices.Contains(out, id):
			return nil, fmt.Errorf("duplicate curve preference %d", n)
		case strings.HasPrefix(id.String(), "CurveID("): // Go has names for what it can do
			return nil, fmt.Errorf("curve preference %d is not supported by the current Go version", n)
		}
		out = append(out, id)
	}
	return out, nil
}

// version returns the lowest version of TLS as crypto/tls numbers it.
func (o *tlsOptions) version() uint16 {
	if o.minVersion == "VersionTLS13" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// config returns what the flags say, for a loader. They must have been checked.
func (o *tlsOptions) config() certs.Config {
	curves, _ := o.curveIDs()
	return certs.Config{
		CertFile: o.certFile, KeyFile: o.keyFile, SNI: o.sni, Dir: o.certDir, PairName: o.pairName,
		MinVersion: o.version(), Suites: o.suiteIDs(), Curves: curves,
		ClientCAs: o.clientCA, RequestHeaderCAs: o.requestHeaders, ProxiesNamed: o.proxiesNamed,
	}
}

// certificateChanged notes a reload on the timeline, and tells the streams what is served now.
// The loader calls it under its lock, which the listeners' pages do not need.
func (p *program) certificateChanged(e certs.Event) {
	detail := "reloaded: " + e.Detail
	if e.Err != nil {
		detail = "not taken: " + e.Err.Error()
	}
	p.timeline.add("certificate", e.File, detail)
	// It may be who the server is to others, and new links cost little. There are none while the program starts.
	if p.backends != nil && e.Err == nil {
		p.backends.Renew()
	}
	for _, l := range (source{p}).Listeners() {
		if l.TLS != nil {
			p.publish("certificates", "certificate", l)
		}
	}
}

// shownTLS returns what a TLS listener serves and trusts now, for the admin endpoint. A file
// that is wrong now is an error beside what was loaded of it before. CAs of front proxies have
// no place on the page.
func shownTLS(l *certs.Loader) *admin.TLS {
	// The slice is made, since a page must show [] and not null.
	t := &admin.TLS{
		MinVersion:   map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[l.MinVersion()],
		CipherSuites: l.SuiteNames(), Certificates: []admin.Certificate{},
	}
	if ca := l.ClientCASet(); ca != nil {
		t.ClientCA = &admin.ClientCA{Source: ca.Source, Subjects: ca.Subjects, LoadedAt: admin.Time(ca.LoadedAt)}
		if f := l.Failure(ca.Source); f != nil {
			t.ClientCA.Error, t.ClientCA.ErrorAt = f.Text, admin.Time(f.At)
		}
	}
	for _, p := range l.Pairs() {
		leaf := p.Cert.Leaf
		a := admin.Certificate{
			Names: p.Names, SNI: p.SNI, Issuer: leaf.Issuer.String(), Serial: leaf.SerialNumber.Text(16),
			NotBefore: admin.Time(leaf.NotBefore), NotAfter: admin.Time(leaf.NotAfter), Source: p.Source, LoadedAt: admin.Time(p.LoadedAt),
		}
		// Given names replace those of the certificate, addresses too, as in a handshake.
		if a.Names == nil {
			a.Names = noNil(slices.Clone(leaf.DNSNames))
			for _, ip := range leaf.IPAddresses {
				a.Names = append(a.Names, ip.String())
			}
		}
		if f := l.Failure(p.Source); f != nil {
			a.Error, a.ErrorAt = f.Text, admin.Time(f.At)
		}
		t.Certificates = append(t.Certificates, a)
	}
	return t
}
