package backend

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// HTTP/1.1 to webhooks. A write waits for its webhooks, so what a call costs is what a write costs: net/http's transport
// hands each request to a goroutine that writes and the answer to one that reads, and asks the scheduler four times.
// Here the caller writes and reads by itself, over a connection that is its own meanwhile:
//
//	idle connection, looked at first ── or a new one ──> request ──> answer, read to its end ──> idle again
//
// Everything else is as the transport does it, in its words: compression is asked for and undone, 1xx answers are
// passed over, headers are bounded, what is idle for long is closed. A request is sent once. What cannot be done here
// is the transport's: proxies, HTTP/2, bodies that are streams.

// wire is the connections to one target over which HTTP/1.1 is spoken, and nobody speaks at the moment. It may be
// used concurrently.
type wire struct {
	conf *tls.Config
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	idle   []*wireConn // the one used last is last
	closed bool
	sweep  *time.Timer // closes what is idle for too long; nil: nothing was idle yet
}

// wireConn is one connection.
type wireConn struct {
	*tls.Conn
	raw     net.Conn
	address string
	in      *bufio.Reader
	out     *bufio.Writer
	// left is how many bytes the header that is read may still have; below 0: any.
	left  int64
	since time.Time
}

// wireBuffer is the size of a record of TLS: a review that fits is one write.
const wireBuffer = 16 << 10

var (
	// errHTTP2 says that the other side has chosen HTTP/2.
	errHTTP2 = errors.New("the server speaks HTTP/2")
	// errHeader has net/http's words.
	errHeader = fmt.Errorf("net/http: server response headers exceeded %d bytes; aborted", headerBytes)
)

// Read reads from the connection, within the bound of headers.
func (c *wireConn) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, errHeader
	}
	if c.left > 0 && int64(len(b)) > c.left {
		b = b[:c.left]
	}
	n, err := c.Conn.Read(b)
	if c.left > 0 {
		c.left -= int64(n)
	}
	return n, err
}

// get returns a connection to address: an idle one that the other side has not closed, or a new one. errHTTP2 says that
// it cannot be had.
func (w *wire) get(ctx context.Context, address string) (*wireConn, error) {
	for {
		c := w.take(address)
		if c == nil {
			break
		}
		if time.Since(c.since) < idleTime && isQuiet(c.raw) {
			return c, nil
		}
		_ = c.Close()
	}
	raw, err := w.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// A URL has its name in the address.
	conf := w.conf
	if conf.ServerName == "" {
		conf = conf.Clone()
		conf.ServerName, _, _ = net.SplitHostPort(address)
	}
	bounded, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	t := tls.Client(raw, conf)
	if err := t.HandshakeContext(bounded); err != nil {
		_ = raw.Close()
		if ctx.Err() == nil && bounded.Err() != nil {
			err = errors.New("net/http: TLS handshake timeout")
		}
		return nil, err
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		_ = t.Close()
		return nil, errHTTP2
	}
	c := &wireConn{Conn: t, raw: raw, address: address}
	c.in, c.out = bufio.NewReader(c), bufio.NewWriterSize(t, wireBuffer)
	return c, nil
}

// take returns the idle connection to address that was used last, nil for none.
func (w *wire) take(address string) *wireConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	// From the end: what was used last is the least likely to be closed, and the others may become old.
	for i := len(w.idle) - 1; i >= 0; i-- {
		if c := w.idle[i]; c.address == address {
			// It is the caller's alone until it is put back.
			w.idle = slices.Delete(w.idle, i, i+1)
			return c
		}
	}
	return nil
}

// put keeps a connection for the next call, or closes it.
func (w *wire) put(c *wireConn) {
	// Before the lock: the order of the list need not be exact to the nanosecond.
	c.since = time.Now()
	w.mu.Lock()
	// What is put back after the end of the target is closed, by whoever was using it.
	kept := !w.closed && len(w.idle) < idleConnections
	if kept {
		w.idle = append(w.idle, c)
		if w.sweep == nil {
			w.sweep = time.AfterFunc(idleTime, w.closeOld)
		}
	}
	w.mu.Unlock()
	// Without the lock: it is a write, which may wait.
	if !kept {
		_ = c.Close()
	}
}

// closeOld closes what was idle for long, and comes again while something is idle.
func (w *wire) closeOld() {
	w.mu.Lock()
	// They are in the order in which they became idle.
	n := 0
	for n < len(w.idle) && time.Since(w.idle[n].since) >= idleTime {
		n++
	}
	old := slices.Clone(w.idle[:n])
	w.idle = slices.Delete(w.idle, 0, n)
	if w.sweep = nil; len(w.idle) > 0 {
		w.sweep = time.AfterFunc(idleTime-time.Since(w.idle[0].since), w.closeOld)
	}
	w.mu.Unlock()
	for _, c := range old {
		_ = c.Close()
	}
}

// close closes what is idle, and lets what is in use be closed when it is not any more.
func (w *wire) close() {
	w.mu.Lock()
	idle := w.idle
	w.idle, w.closed = nil, true
	if w.sweep != nil {
		w.sweep.Stop()
	}
	w.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}

// ask sends a request to address and reads its answer, of most bytes at most. The header of the request is the
// package's own. An error without an answer is of the call, as the transport has it; one with an answer is of its body.
func (w *wire) ask(ctx context.Context, r *http.Request, address string, most int64) (res *http.Response, body []byte, err error) {
	c, err := w.get(ctx, address)
	if err != nil {
		// A dial that was given up says so in the context's words.
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		return nil, nil, err
	}
	keep := false
	// There is no deadline of the socket beside it, which would have to be taken back for the next call.
	// The end of the context interrupts whatever read or write is under way.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		// A context that has ended may have set the deadline: such a connection is of no more use.
		if stop() && keep {
			w.put(c)
		} else {
			_ = c.Close()
		}
		if cause := ctx.Err(); cause != nil && err != nil {
			err = cause
		}
	}()
	r.Header["Accept-Encoding"] = []string{"gzip"}
	wrong := r.Write(c.out)
	if wrong == nil {
		wrong = c.out.Flush()
	}
	// Who refuses a long body answers without reading it, and closes: then the answer counts.
	if res, err = c.response(r); err != nil {
		if wrong != nil {
			err = broken(wrong)
		}
		return nil, nil, err
	}
	// For who looks at the certificate, as the transport gives it.
	state := c.ConnectionState()
	res.TLS = &state
	body, whole, err := readEncoded(res, most)
	// What came behind the answer was not asked for, and must not be taken for the next one.
	keep = whole && wrong == nil && !res.Close && c.in.Buffered() == 0
	return res, body, err
}

// broken has net/http's words.
func broken(err error) error {
	return fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
}

// readEncoded reads a body of most bytes at most, behind its compression. whole says that it was read to its end.
func readEncoded(res *http.Response, most int64) (body []byte, whole bool, err error) {
	if res.Header.Get("Content-Encoding") != "gzip" {
		body, err = readBody(res, most)
		return body, err == nil, err
	}
	packed := res.Body
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, false, err
	}
	res.Body, res.ContentLength = z, -1
	delete(res.Header, "Content-Encoding")
	delete(res.Header, "Content-Length")
	if body, err = readBody(res, most); err != nil {
		return nil, false, err
	}
	// The compressed data end before the last chunk does.
	// To that end, so that the connection can be used again.
	n, end := packed.Read(make([]byte, 1))
	return body, n == 0 && end == io.EOF, nil
}

// mostInterim is how many 1xx answers may come before the one that counts (net/http).
const mostInterim = 5

// response reads the header of an answer.
func (c *wireConn) response(r *http.Request) (*http.Response, error) {
	// For all headers together, those of 1xx answers too.
	c.left = headerBytes
	for range mostInterim + 1 {
		// An end before the first byte is told as it is, one later as a broken connection.
		if _, err := c.in.Peek(1); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(c.in, r)
		switch {
		case errors.Is(err, errHeader):
			return nil, errHeader
		case err != nil:
			return nil, broken(err)
		}
		if res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			c.left = -1
			// Nothing may follow a change of protocols that nobody has asked for.
			res.Close = res.Close || res.StatusCode == http.StatusSwitchingProtocols
			return res, nil
		}
	}
	return nil, errors.New("net/http: too many 1xx informational responses")
}
