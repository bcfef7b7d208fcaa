package backend

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"apichain/internal/request"
)

// A call. Where the target is a service, its address is looked up for each call, as upstream does it since 1.37,
// and the connection is one to that address: a service whose endpoints move is followed at once, and what is kept
// open goes to where it was dialled. Host and the name in the certificate are those of the service all the same.
//
// What differs by kind is upstream's choice:
//
//	                webhook by URL            webhook by service    aggregated server
//	HTTP            1.1; on this machine 2    1.1                   2 where it is offered
//	Host            that of the URL           NAME.NAMESPACE.svc    the address
//	User-Agent      kube-apiserver-admission  the same              the client's
//	shows itself    by a user of a kubeconfig the same              by --proxy-client-cert-file
//
// How long a call may take is its context's business: there is no other limit but those of the dial (dial.go).

// RoundTrip sends a request whose URL begins with BaseURL. It is counted as a call, which lasts until the header of
// the answer is there. A redirect is an answer like any other. The request is not changed.
func (b *Backend) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := b.send(r)
	b.ended(r.Context(), began, codeOf(res), err)
	return res, err
}

// codeOf returns the status of an answer, 0 for none.
func codeOf(res *http.Response) int {
	if res == nil {
		return 0
	}
	return res.StatusCode
}

// send is RoundTrip without the count.
func (b *Backend) send(r *http.Request) (*http.Response, error) {
	if err := b.intercept(r.Context()); err != nil {
		return nil, err
	}
	return b.transfer(r, b.link.Load())
}

// transfer sends a request by the transport of a link.
func (b *Backend) transfer(r *http.Request, l *link) (*http.Response, error) {
	if l.wrong != nil {
		return nil, l.wrong
	}
	r, err := b.addressed(r, l)
	if err != nil {
		return nil, err
	}
	if l.closed.Load() {
		once := *r
		once.Close = true
		r = &once
	}
	res, err := l.transport.RoundTrip(r)
	b.checkCertificate(r, res, err)
	return res, Short(err)
}

// intercept asks Config.Intercept.
func (b *Backend) intercept(ctx context.Context) error {
	if f := b.set.config.Intercept; f != nil {
		return f(ctx, b)
	}
	return nil
}

// addressed returns the request as it goes out: to the address of now, and with what the server's own user sends.
func (b *Backend) addressed(r *http.Request, l *link) (*http.Request, error) {
	if b.Target.URL != "" && l.header == nil {
		return r, nil
	}
	// A RoundTripper must not change the request that it is given.
	// Flat: what is changed below is replaced, and not written into.
	out := *r
	if b.Target.URL == "" {
		address, err := b.Resolve()
		if err != nil {
			return nil, err
		}
		// A webhook is told the name of the service as Host, an aggregated server the address, both as by upstream.
		if b.isWebhook() {
			out.Host = cmp.Or(out.Host, r.URL.Host)
		} else if out.Host == r.URL.Host {
			out.Host = address
		}
		u := *r.URL
		u.Host = address
		out.URL = &u
	}
	if l.header != nil {
		out.Header = r.Header.Clone()
		for name, values := range l.header {
			out.Header[name] = values
		}
	}
	return &out, nil
}

// userAgent is what webhooks are told, as by upstream.
const userAgent = "kube-apiserver-admission"

// Ask sends a request and reads its answer, of most bytes at most, as they are behind a compression. It is counted
// as a call, which lasts until the end of the answer. A redirect is an answer like any other. An error without a
// code has the words of net/http's client; one with a code is of the body. Ask may add headers to the request,
// which is its own from now on.
func (b *Backend) Ask(ctx context.Context, r *http.Request, most int64) (code int, h http.Header, body []byte, err error) {
	began := time.Now()
	if r.Context() != ctx {
		r = r.WithContext(ctx)
	}
	if b.isWebhook() && r.Header["User-Agent"] == nil {
		r.Header["User-Agent"] = []string{userAgent}
	}
	res, body, err := b.ask(r, most)
	b.ended(ctx, began, codeOf(res), err)
	if res == nil {
		// As net/http's client tells who speaks no TLS.
		if record := (tls.RecordHeaderError{}); errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" {
			err = http.ErrSchemeMismatch
		}
		return 0, nil, nil, &url.Error{Op: r.Method[:1] + strings.ToLower(r.Method[1:]), URL: r.URL.String(), Err: err}
	}
	return res.StatusCode, res.Header, body, err
}

// ask is Ask without the count and the words of an error: without an answer it is of the call.
func (b *Backend) ask(r *http.Request, most int64) (res *http.Response, body []byte, err error) {
	if err := b.intercept(r.Context()); err != nil {
		return nil, nil, err
	}
	// One link for the whole call: a renewal meanwhile counts from the next one on.
	l := b.link.Load()
	if l.wire != nil && !l.http2.Load() && (r.Body == nil || r.ContentLength > 0) {
		address, err := b.Resolve()
		if err != nil {
			return nil, nil, err
		}
		for name, values := range l.header {
			r.Header[name] = values
		}
		res, body, err = l.wire.ask(r.Context(), r, address, most)
		if !errors.Is(err, errHTTP2) {
			b.checkCertificate(r, res, err)
			return res, body, Short(err)
		}
		// Nothing was sent: the transport makes connections of its own.
		l.http2.Store(true)
	}
	if res, err = b.transfer(r, l); err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	// The transport ends a connection whose time is over, and a server that hears of it may end its answer in good order
	// before the reader does: what has come until then is not all of it.
	if body, err = readBody(res, most); err == nil {
		err = r.Context().Err()
	}
	return res, body, err
}

// readBody reads the body of an answer, of most bytes at most.
func readBody(res *http.Response, most int64) ([]byte, error) {
	tooLong := fmt.Errorf("the answer has more than %d bytes", most)
	if n := res.ContentLength; n > most {
		return nil, tooLong
	} else if n >= 0 {
		// One allocation of the right size; the length is kept to by net/http.
		body := make([]byte, n)
		if _, err := io.ReadFull(res.Body, body); err != nil && n > 0 {
			return nil, err
		}
		return body, nil
	}
	// One byte more than may be, so that the end is told from a bound.
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, tooLong
	}
	return body, err
}

// Dial returns a connection to the target over which HTTP/1.1 is spoken, behind TLS, for a request that is an
// upgrade. It is the caller's, who closes it. ctx bounds the dial and the handshake, and nothing after them. It is
// counted as a call.
func (b *Backend) Dial(ctx context.Context) (net.Conn, error) {
	began := time.Now()
	c, err := b.dialTLS(ctx)
	b.ended(ctx, began, 0, err)
	return c, err
}

// dialTLS is Dial without the count.
func (b *Backend) dialTLS(ctx context.Context) (net.Conn, error) {
	if err := b.intercept(ctx); err != nil {
		return nil, err
	}
	l := b.link.Load()
	if l.wrong != nil {
		return nil, l.wrong
	}
	address, err := b.Resolve()
	if err != nil {
		return nil, err
	}
	raw, err := b.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A copy: the transport's own offers HTTP/2 too, which has no upgrades.
	conf := l.transport.TLSClientConfig.Clone()
	conf.NextProtos = []string{"http/1.1"}
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(address)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// The annotations of the audit event for certificates that will be refused one day, and what they say. Upstream's words.
const (
	missingSAN     = "missing-san.invalid-cert.kubernetes.io/"
	missingSANText = "relies on a legacy Common Name field instead of the SAN extension for subject validation"
	sha1Signed     = "insecure-sha1.invalid-cert.kubernetes.io/"
	sha1SignedText = "uses an insecure SHA-1 signature"
)

// checkCertificate counts serving certificates of a kind that is going out of use, refused or not.
func (b *Backend) checkCertificate(r *http.Request, res *http.Response, err error) {
	var noSAN, sha1 bool
	switch {
	case err != nil:
		var host x509.HostnameError
		var authority x509.UnknownAuthorityError
		noSAN = errors.As(err, &host) && strings.Contains(err.Error(), "x509: certificate relies on legacy Common Name field")
		_, algorithm, found := strings.Cut(err.Error(), "x509: cannot verify signature: insecure algorithm")
		sha1 = found && errors.As(err, &authority) && strings.Contains(algorithm, "SHA1")
	case res != nil && res.TLS != nil && len(res.TLS.PeerCertificates) > 0:
		noSAN = !hasSAN(res.TLS.PeerCertificates[0])
		sha1 = slices.ContainsFunc(res.TLS.PeerCertificates, isSHA1)
	}
	if !noSAN && !sha1 {
		return
	}
	counts := &b.set.webhooks
	if !b.isWebhook() {
		counts = &b.set.servers
	}
	scope, name := request.From(r.Context()), r.URL.Hostname()
	if noSAN {
		counts.missingSAN.Inc()
		scope.Annotate(missingSAN+name, missingSANText, false)
	}
	if sha1 {
		counts.sha1.Inc()
		scope.Annotate(sha1Signed+name, sha1SignedText, false)
	}
}

// hasSAN reports whether a certificate has the extension of subject alternative names, whatever is in it.
func hasSAN(c *x509.Certificate) bool {
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			return true
		}
	}
	return false
}

// isSHA1 reports whether a certificate is signed with SHA-1 by another one.
func isSHA1(c *x509.Certificate) bool {
	return (c.SignatureAlgorithm == x509.SHA1WithRSA || c.SignatureAlgorithm == x509.ECDSAWithSHA1) &&
		c.Issuer.String() != c.Subject.String()
}
