package aggregation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// The proxy. It is a reverse proxy as net/http/httputil has one, with upstream's rules for what becomes of headers, and
// less work for a request: headers are copied once, without those that are not to go on, instead of first copied and
// then cut.
//
//	client ── request ──> chain ──> Remote.ServeHTTP ──> backend.RoundTrip ──> server behind
//	                                    │ refused: 503, 500, 508 as plain text
//	       <── header, without what is between two ends <── answer
//	       <── body: what has come is sent on before more is waited for
//
// What is read of a request's body is sent on and never kept, so a request can be sent a second time by net/http's
// transport only where it has no body, and does that where the first cannot have been acted upon (a method that
// changes nothing, or nothing of it was sent). An answer that breaks off breaks off for the client, too: it must not look whole.
// But for a watch that we end ourselves, since its time is over or the server stops: that ends as ours do.
//
// Refusals come in upstream's order: not available, no transport, no user, no endpoint.

// hopsHeader counts the servers of this program that have sent a request on. Servers that aggregate each other would
// send it round for ever.
const hopsHeader = "Apichain-Hops"

// mostHops is how many servers may send a request on.
const mostHops = 8

// versionTime is how long a server may take to tell of a version, which clients ask many of at once.
const versionTime = 5 * time.Second

// ServeHTTP sends a request to the server and its answer back.
func (r *Remote) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scope := request.From(req.Context())
	user := scope.ActingUser()
	// What is no number is none: a client that writes one itself only shortens its own way.
	hops, _ := strconv.ParseUint(req.Header.Get(hopsHeader), 10, 32)
	wrong := r.Backend.Unusable()
	switch {
	case !r.Available():
		refuse(w, req, http.StatusServiceUnavailable, unavailable)
		return
	case wrong != nil:
		refuse(w, req, http.StatusInternalServerError, wrong.Error())
		return
	case user.Name == "":
		refuse(w, req, http.StatusInternalServerError, "missing user")
		return
	}
	address, err := r.Backend.Resolve()
	switch {
	case err != nil:
		// Why there is no endpoint is for the log and the page of backends; clients are told less, as by upstream.
		r.services.Log.Error("an aggregated server has no address", "apiservice", r.Name, "err", err)
		refuse(w, req, http.StatusServiceUnavailable, unavailable)
		return
	case hops >= mostHops:
		refuse(w, req, http.StatusLoopDetected,
			"the request was sent on "+strconv.FormatUint(hops, 10)+" times: servers aggregate each other's groups")
		return
	}
	p := &passage{remote: r, w: w, req: req}
	ctx := req.Context()
	// Clients ask for all versions before they do anything: one server that hangs must not hold them up.
	if isDiscovery(scope.RequestInfo()) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, versionTime)
		defer cancel()
	}
	p.prepare(user, address, hops)
	if protocol := upgradeOf(req.Header); protocol != "" {
		p.upgrade(ctx, protocol)
		return
	}
	p.pass(ctx)
}

// unavailable is what clients are told where a server cannot be used.
const unavailable = "service unavailable"

// isDiscovery reports whether a request is for the document of a version by upstream's rule: it is for no resource and
// has three segments.
func isDiscovery(info *request.Info) bool {
	return !info.IsResourceRequest && strings.Count(strings.Trim(info.Path, "/"), "/") == 2
}

// refuse answers with a text of one line, as upstream's proxy does.
//
//go:noinline
func refuse(w http.ResponseWriter, req *http.Request, code int, text string) {
	status.Write(w, req, status.PlainText(code, text))
}

// passage is one request on its way.
type passage struct {
	remote *Remote
	w      http.ResponseWriter
	req    *http.Request

	out  http.Request // to the server
	url  url.URL
	body sentBody
	// trace tells of answers that come before the answer, and hints counts them.
	trace httptrace.ClientTrace
	hints int
	// hinting is held while one of them is sent on, which the transport's goroutine does; answered says that it is too
	// late for that.
	hinting  sync.Mutex
	answered bool
}

// prepare makes the request that is sent to an address. The path is decoded as it was routed by, and encoded again.
func (p *passage) prepare(user *request.User, address string, hops uint64) {
	in := p.req
	p.url = url.URL{Scheme: "https", Host: address, Path: in.URL.Path, RawQuery: normalQuery(in.URL.RawQuery)}
	// The values are shared with the client's request, and none of them is changed.
	h := make(http.Header, len(in.Header)+8)
	for k, v := range in.Header {
		if !staysHere(k) {
			h[k] = v
		}
	}
	dropNamed(h, in.Header["Connection"])
	// The one thing between two ends that says something of the request: gRPC needs it.
	if hasToken(in.Header["Te"], "trailers") {
		h["Te"] = []string{"trailers"}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // net/http would set its own
	}
	// As httputil's proxy says it: whom the request has come from, behind those that it has passed before.
	if ip, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		if before := h["X-Forwarded-For"]; len(before) > 0 {
			ip = strings.Join(before, ", ") + ", " + ip
		}
		h["X-Forwarded-For"] = []string{ip}
	}
	h[hopsHeader] = []string{strconv.FormatUint(hops+1, 10)}
	// Last, so that nothing of the client's can stand there.
	setIdentity(h, user)
	// Made by hand: http.NewRequest would parse the URL, and wrap the body.
	p.out = http.Request{
		Method: in.Method, URL: &p.url, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: in.ContentLength,
	}
	if in.ContentLength != 0 && in.Body != nil {
		p.body.rc = in.Body
		p.out.Body = &p.body
		// What is announced has no value before the body ends.
		if in.Trailer != nil {
			p.body.came, p.body.sent = in.Trailer, make(http.Header, len(in.Trailer))
			p.body.takeTrailers()
			p.out.Trailer = p.body.sent
		}
	}
}

// sentBody is the body of a request as the transport reads it. The transport may go on reading while an answer comes,
// and after it; the client's body is read by nobody once the answer has begun, where net/http says so.
type sentBody struct {
	rc     io.ReadCloser
	mu     sync.Mutex
	closed bool
	// came are the trailers, which net/http fills in when the body ends, with those too that nobody has announced. sent
	// are those of them that go on, which the transport looks at when the body has ended. nil: none.
	came, sent http.Header
}

// errAnswered is why no more of a body is sent.
var errAnswered = errors.New("the request has been answered")

// Read reads the client's body.
func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return 0, errAnswered
	}
	n, err := b.rc.Read(p)
	if err == io.EOF {
		b.takeTrailers()
	}
	return n, err
}

// takeTrailers has those trailers go on that may as headers: there are servers that make one of both.
func (b *sentBody) takeTrailers() {
	for k, v := range b.came {
		if !staysHere(k) && k != hopsHeader {
			b.sent[k] = v
		}
	}
}

// Close lets nothing more be read. The body itself is net/http's to close.
func (b *sentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// pass sends the request and the answer back.
func (p *passage) pass(ctx context.Context) {
	defer func() { _ = p.body.Close() }()
	// Upstream does not say these where the request is an upgrade. The host is that of the server: a fact of upstream's.
	p.out.Header["X-Forwarded-Uri"] = []string{cleaned(p.url.EscapedPath())}
	p.out.Header["X-Forwarded-Host"] = []string{p.url.Host}
	p.out.Header["X-Forwarded-Proto"] = []string{"https"}
	p.trace.Got1xxResponse = p.informational
	began := time.Now()
	res, err := p.remote.Backend.RoundTrip(p.out.WithContext(httptrace.WithClientTrace(ctx, &p.trace)))
	request.From(ctx).Spend(request.InProxy, time.Since(began))
	// The transport may still be reading where it has given up: from here on the answer is this goroutine's.
	p.hinting.Lock()
	p.answered = true
	p.hinting.Unlock()
	if err != nil {
		refuse(p.w, p.req, http.StatusServiceUnavailable, "error trying to reach service: "+err.Error())
		return
	}
	defer func() { _ = res.Body.Close() }()
	if err := answerError(res.StatusCode); err != nil {
		refuse(p.w, p.req, http.StatusServiceUnavailable, "error trying to reach service: "+err.Error())
		return
	}
	if err := p.rewrite(res); err != nil {
		refuse(p.w, p.req, http.StatusServiceUnavailable, err.Error())
		return
	}
	// Behind rewriting, which refuses a Location that cannot be read (upstream's order).
	if res.StatusCode >= 300 && res.StatusCode <= 399 && res.Header.Get("Location") != "" {
		refuseRedirect(p.w)
		return
	}
	p.answer(ctx, res)
}

// answerError returns why a status cannot be answered with: nobody has asked for an upgrade, and net/http reads codes that it does
// not write.
func answerError(code int) error {
	switch {
	case code == http.StatusSwitchingProtocols:
		return errors.New("the answer is an upgrade that was not asked for")
	case code < 100:
		return fmt.Errorf("the answer has the status %03d, which is none", code)
	}
	return nil
}

// cleaned returns the path that a server is told, which upstream cleans: without double slashes, but with one at its end.
func cleaned(escaped string) string {
	if !strings.Contains(escaped, "//") {
		return escaped // paths with dots are refused before
	}
	told := path.Clean(escaped)
	if strings.HasSuffix(escaped, "/") {
		told += "/"
	}
	return told
}

// refuseRedirect answers in the place of a redirect: a client would follow it with its credentials.
func refuseRedirect(w http.ResponseWriter) {
	const text = "the backend attempted to redirect this request, which is not permitted"
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	w.WriteHeader(http.StatusBadGateway)
	_, _ = io.WriteString(w, text)
}

// mostHints is how many answers may come before the answer. net/http bounds them only where nobody wants them.
const mostHints = 32

// informational sends on an answer that comes before the answer, such as 103 Early Hints. The transport calls it.
func (p *passage) informational(code int, header textproto.MIMEHeader) error {
	p.hinting.Lock()
	defer p.hinting.Unlock()
	// The error ends the request, so a server cannot send hints for ever.
	if p.hints++; p.answered || p.hints > mostHints {
		return errors.New("too many informational responses")
	}
	h := p.w.Header()
	// What the chain has set for the answer stays for the answer.
	own := maps.Clone(h)
	for k, v := range header {
		if !isHop(k) && own[k] == nil {
			h[k] = v
		}
	}
	p.w.WriteHeader(code)
	// What it said is not said again, and what we say is.
	clear(h)
	maps.Copy(h, own)
	return nil
}

// answer sends the server's answer on.
func (p *passage) answer(ctx context.Context, res *http.Response) {
	h := p.w.Header()
	dropNamed(res.Header, res.Header["Connection"])
	for k, v := range res.Header {
		if !isHop(k) && !isCORS(k) {
			h[k] = append(h[k], v...)
		}
	}
	// What was announced is in the header; net/http adds to the map what comes unannounced.
	announced := len(res.Trailer)
	for k := range res.Trailer {
		h["Trailer"] = append(h["Trailer"], k)
	}
	if p.req.ProtoMajor == 1 {
		// From here on net/http reads what is left of the client's body, and nobody else may.
		_ = p.body.Close()
	}
	p.w.WriteHeader(res.StatusCode)
	if err := p.copyBody(res); err != nil {
		if ctx.Err() != nil && request.From(ctx).RequestInfo().Verb == "watch" {
			return // its end is ours
		}
		// The header is out: only an end in disorder tells the client that the answer is not whole.
		panic(http.ErrAbortHandler)
	}
	if len(res.Trailer) == 0 {
		return
	}
	// With trailers the answer has no length, whatever the server said; net/http must be told before it is over.
	flush(p.w)
	for k, v := range res.Trailer {
		if len(res.Trailer) != announced {
			// The only way to send one that was not announced.
			k = http.TrailerPrefix + k
		}
		h[k] = v
	}
}

// bufferSize is how much of an answer is read at once: more than a record of TLS has.
const bufferSize = 32 << 10

// buffers has *[bufferSize]byte.
type buffers struct{ sync.Pool }

// get returns a buffer, to be put back.
func (b *buffers) get() *[bufferSize]byte {
	if room, ok := b.Get().(*[bufferSize]byte); ok {
		return room
	}
	return new([bufferSize]byte)
}

// copyBody sends the body of an answer on. What has come is sent before more is waited for, so an event of a watch
// waits for nothing.
func (p *passage) copyBody(res *http.Response) error {
	// Without a buffer from the pool, and without a flush.
	if res.Body == http.NoBody || res.ContentLength == 0 {
		return nil
	}
	pool := &p.remote.services.buffers
	room := pool.get()
	defer pool.Put(room)
	left := res.ContentLength
	if left < 0 {
		flush(p.w) // a watch without events has a header
	}
	for {
		n, err := res.Body.Read(room[:])
		if n > 0 {
			if _, err := p.w.Write(room[:n]); err != nil {
				return err
			}
			// The last piece goes with the end of the answer, unless that is none.
			if left -= int64(n); left != 0 && err != io.EOF {
				flush(p.w)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// flush sends what is written.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// normalQuery returns a query as upstream sends it on: sorted by key, each pair with a =, encoded in one way, without what
// is malformed.
func normalQuery(raw string) string {
	if isNormal(raw) {
		return raw
	}
	// Its error is about pairs that are left out, as upstream leaves them out.
	q, _ := url.ParseQuery(raw)
	return q.Encode()
}

// isNormal reports whether a query is certain to be so already: its keys are sorted, and no byte of it is encoded.
func isNormal(raw string) bool {
	before := ""
	for raw != "" {
		pair, rest, more := strings.Cut(raw, "&")
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || key < before || more && rest == "" || !isPlain(key) || !isPlain(value) {
			return false
		}
		before, raw = key, rest
	}
	return true
}

// isPlain reports whether s is the same when it is encoded.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || bytes.IndexByte([]byte("-_.~"), c) >= 0) {
			return false
		}
	}
	return true
}
