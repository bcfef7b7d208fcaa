package backend

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// What goes over a connection to a target: whom it must be, who the server says that it is itself, and which HTTP is
// spoken. All of it is one link, which is made when a target is first used, and again when the server's certificates
// change: sessions and connections of the old one are then of another identity.
//
//	caBundle   that and nothing else, also beside authorities of the system
//	none       the authorities of the system
//	insecure   whoever answers; with a bundle it is an error, as for upstream
//
// HTTP is 1.1 to webhooks, so that the connections of one server spread over the pods of a service, and 2 where it is
// offered to webhooks on this machine and to aggregated servers. That is upstream's choice.

// link is a transport, or why there is none.
type link struct {
	transport *http.Transport
	wire      *wire // nil: the transport alone
	// http2 says that the other side has chosen HTTP/2, which the wire cannot.
	http2 atomic.Bool
	// closed says that no connection is kept any more.
	closed atomic.Bool
	wrong  error
	// header is what the server's own user sends; nil: nothing.
	header http.Header
}

// The bounds of a transport. Upstream keeps 25 idle connections to a host, which a busy server closes and opens all
// the time.
const (
	idleConnections = 100
	idleTime        = 90 * time.Second
	// headerBytes bounds the header of an answer.
	headerBytes = 1 << 20
	// sessions is how many TLS sessions are remembered for a target, so that a connection after the first is cheaper.
	sessions = 16
	// pingAfter and pingTime are when a silent connection of HTTP/2 is tried, and how long an answer may take.
	pingAfter, pingTime = 30 * time.Second, 15 * time.Second
)

// newLink makes what requests to the target go over.
func (b *Backend) newLink() *link {
	conf, header, err := b.tlsConfig()
	if err != nil {
		return &link{wrong: err}
	}
	// Limits of time are the context's: an answer may take as long as the caller can wait, and a watch for ever.
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: b.dial, TLSClientConfig: conf, TLSHandshakeTimeout: handshakeTime,
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: headerBytes,
		ForceAttemptHTTP2: len(conf.NextProtos) == 0,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTime},
	}
	l := &link{transport: t, header: header}
	// A proxy must be asked to connect first, which the transport knows.
	if canAsk && b.isWebhook() && b.set.proxy == "" {
		conf = conf.Clone()
		// As the transport offers them: who answers to HTTP/2 is the transport's from the first call on.
		if len(conf.NextProtos) == 0 {
			conf.NextProtos = []string{"h2", "http/1.1"}
		}
		l.wire = &wire{conf: conf, dial: b.dial}
	}
	return l
}

// close lets go of what nobody uses. What is under way goes on, and is closed by who uses it; so is what is sent later, by who
// has not heard of the end yet.
func (l *link) close() {
	l.closed.Store(true)
	if l.transport != nil {
		l.transport.CloseIdleConnections()
	}
	if l.wire != nil {
		l.wire.close()
	}
}

// tlsConfig returns how the target is spoken to, and what the server's own user sends with each request.
func (b *Backend) tlsConfig() (*tls.Config, http.Header, error) {
	t := &b.Target
	if t.InsecureSkipTLSVerify && len(t.CABundle) > 0 {
		return nil, nil, errors.New("specifying a root certificates file with the insecure flag is not allowed")
	}
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipTLSVerify, //nolint:gosec // The APIService says so.
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
	// By its name, whatever address is dialled; for a URL the name is that of the URL, which the dial knows.
	if t.URL == "" {
		conf.ServerName = t.Service.host()
	} else if _, err := url.Parse(t.URL); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", unparsable, err)
	}
	if len(t.CABundle) > 0 {
		roots, err := parseRoots(t.CABundle)
		if err != nil {
			return nil, nil, fmt.Errorf("unable to load root certificates: %w", err)
		}
		conf.RootCAs = roots
	}
	if b.isWebhook() && !isLocal(t.URL) {
		conf.NextProtos = []string{"http/1.1"}
	}
	certificate, header, err := b.identity()
	if err != nil {
		return nil, nil, err
	}
	if certificate != nil {
		// By this function, so that it is shown whichever authorities the other side asks for.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return conf, header, nil
}

// identity returns who the server is to the target: a certificate, what goes into the header, or nothing of both.
func (b *Backend) identity() (*tls.Certificate, http.Header, error) {
	c := &b.set.config
	if !b.isWebhook() {
		if c.ClientCertificate == nil {
			return nil, nil, nil
		}
		return c.ClientCertificate(), nil, nil
	}
	if c.Users == nil {
		return nil, nil, nil
	}
	return c.Users(b.Kind).identityFor(b.hostPort())
}

// unparsable is what upstream says of such a URL.
const unparsable = "Unparsable URL"

// parseRoots reads authorities in PEM. The errors are upstream's.
func parseRoots(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	// One good certificate is enough, as for upstream, whatever else the text has.
	if pool.AppendCertsFromPEM(text) {
		return pool, nil
	}
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("unable to parse bytes as PEM block")
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("failed to parse certificate: %w", err)
		}
	}
	return nil, errors.New("no valid certificate authority data seen")
}

// isLocal reports whether a URL is of this machine.
func isLocal(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || err == nil && a.Unmap().IsLoopback()
}

// environmentProxy returns host:port of the proxy that the environment names for https, "" for none.
func environmentProxy() string {
	// Any host that is not on this machine: the exceptions of NO_PROXY are the transport's business.
	u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "proxied.invalid"}})
	if err != nil || u == nil {
		return ""
	}
	return proxyAddress(u)
}

// proxyAddress returns host:port of a proxy, as net/http dials it.
func proxyAddress(u *url.URL) string {
	port := u.Port()
	for _, usual := range [...][2]string{{"http", "80"}, {"https", "443"}, {"socks5", "1080"}, {"socks5h", "1080"}} {
		if port == "" && u.Scheme == usual[0] {
			port = usual[1]
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// ShownAs says how the server tells the target who it is: "certificate", "header", "certificate+header" or "" for not
// at all.
func (b *Backend) ShownAs() string {
	l := b.link.Load()
	switch certificate := l.transport != nil && l.transport.TLSClientConfig.GetClientCertificate != nil; {
	case certificate && l.header != nil:
		return "certificate+header"
	case certificate:
		return "certificate"
	case l.header != nil:
		return "header"
	}
	return ""
}

// Trust says by what the target is trusted: "insecure", "system", or how many certificates its bundle has, as
// "bundle of 2".
func (b *Backend) Trust() string {
	switch {
	case b.Target.InsecureSkipTLSVerify:
		return "insecure"
	case len(b.Target.CABundle) == 0:
		return "system"
	}
	n := 0
	for rest := b.Target.CABundle; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return fmt.Sprintf("bundle of %d", n)
		}
	}
}
