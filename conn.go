package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/metrics"
)

// conn is an accepted connection, below TLS. It knows whether its peer takes what is
// written, which net/http has no limit for, and in which state net/http has it.
type conn struct {
	net.Conn
	listener  *listener
	unix      bool
	accepted  time.Time
	abandoned atomic.Bool // its handler goes on after the time limit: a stop does not wait for it
	state     atomic.Int32
	requests  atomic.Int32
	watches   atomic.Int32 // long-running requests on it
	watching  atomic.Int32 // those that are watches: they have a time limit of their own

	out         stall
	mu          sync.Mutex // guards the deadlines
	interrupted uint32     // the write that the progress watch has interrupted
	readBy      time.Time  // a far read deadline, which the progress watch keeps
	armed       bool       // the socket has a read deadline
	head        headWatch
}

type connKey struct{}

// connFrom is the connection of a request, by its context; nil for one that came over none.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connOf is the conn below what net/http calls the connection.
func connOf(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	oc, _ := c.(*conn)
	return oc
}

// withConn is http.Server.ConnContext: requests find their connection in the context.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// Read reads, and looks at the head of the first request where it is not encrypted.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.head.done {
		c.head.look(p[:n])
	}
	return n, err
}

// Write writes all of p. The progress watch interrupts a write that has waited for the
// limit; if the peer has taken progressUnit bytes since, the write goes on.
func (c *conn) Write(p []byte) (int, error) {
	total := 0
	for {
		id := c.out.enter(0)
		n, err := c.Conn.Write(p[total:])
		c.out.leave()
		total += n
		if err == nil || !c.resume(id, n, err) {
			return total, err
		}
	}
}

// resume reports whether a failed write was interrupted by the progress watch although
// there was progress, and lifts the interruption.
func (c *conn) resume(id uint32, n int, err error) bool {
	var t net.Error
	if !errors.As(err, &t) || !t.Timeout() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted == 0 || c.interrupted == id && n < progressUnit {
		return false
	}
	c.interrupted = 0
	return c.Conn.SetWriteDeadline(time.Time{}) == nil
}

// interrupt ends the write called id, if it is still the one under way.
func (c *conn) interrupt(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = id
	_ = c.Conn.SetWriteDeadline(time.Unix(1, 0))
}

// farDeadline is from when on a read deadline is the progress watch's to keep: well above
// its tick, at most a second.
const farDeadline = 3 * time.Second

// SetReadDeadline is cheap for far deadlines. net/http sets and lifts three of them for
// each request, all but a few for nothing, and each would start or stop a timer of the
// runtime.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !t.IsZero() && t.Sub(time.Unix(0, c.listener.conns.now.Load())) < farDeadline+time.Second {
		c.readBy, c.armed = time.Time{}, true
		return c.Conn.SetReadDeadline(t)
	}
	c.readBy = t
	if !c.armed {
		return nil
	}
	c.armed = false
	return c.Conn.SetReadDeadline(time.Time{})
}

// SetDeadline is both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

// arm hands a read deadline that is near to the socket.
func (c *conn) arm(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.readBy.IsZero() && c.readBy.Sub(now) < farDeadline {
		_ = c.Conn.SetReadDeadline(c.readBy)
		c.readBy, c.armed = time.Time{}, true
	}
}

// CloseWrite lets net/http end an answer while the client still sends.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection and strikes it off the list.
func (c *conn) Close() error {
	c.listener.conns.remove(c)
	return c.Conn.Close()
}

// abort closes the connection at once, whatever is under way on it.
func (c *conn) abort() { _ = c.Close() }

// sawTransferEncoding reports whether the first request of the connection was HTTP/1.0
// with Transfer-Encoding, or whether this is a later HTTP/1.0 request, of which we
// cannot know: a client that begins with HTTP/1.1 has no reason to go on with 1.0. On
// TLS, where nothing is known of the first request either, it knows of the later ones.
func (c *conn) sawTransferEncoding() bool {
	return c != nil && (c.head.found || c.requests.Load() > 1)
}

// headWatch looks through the head of a connection's first request for
// Transfer-Encoding in HTTP/1.0, which net/http removes before a handler can see it.
// Every HTTP/1.0 request ends its connection, so the first is the only one to look at.
type headWatch struct {
	done, found bool
	seen        []byte // the head so far; nil when the first chunk decided
}

func (h *headWatch) look(p []byte) {
	const most = 64 << 10
	buf := p
	if h.seen != nil {
		h.seen = append(h.seen, p...)
		buf = h.seen
	}
	line := bytes.IndexByte(buf, '\n')
	switch {
	case line < 0 && len(buf) < most:
		h.keep(buf)
		return
	case line < 0 || !bytes.HasSuffix(bytes.TrimRight(buf[:line], "\r"), []byte(" HTTP/1.0")):
		h.done, h.seen = true, nil
		return
	}
	for rest := buf[line+1:]; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			if len(buf) < most {
				h.keep(buf)
				return
			}
			break
		}
		text := bytes.TrimRight(rest[:end], "\r")
		if len(text) == 0 {
			break
		}
		const name = "transfer-encoding:"
		if len(text) >= len(name) && bytes.EqualFold(text[:len(name)], []byte(name)) {
			h.found = true
			break
		}
		rest = rest[end+1:]
	}
	h.done, h.seen = true, nil
}

func (h *headWatch) keep(buf []byte) {
	if h.seen == nil {
		h.seen = append(make([]byte, 0, 2*len(buf)), buf...)
	}
}

// conns are the connections of the program, by listener and state.
type conns struct {
	mu      sync.Mutex
	open    map[*conn]struct{}
	changed chan struct{} // has a token after a change of state while somebody waits
	now     atomic.Int64  // the last tick of the progress watch, a clock that costs nothing
}

func newConns() *conns {
	s := &conns{open: map[*conn]struct{}{}, changed: make(chan struct{}, 1)}
	s.now.Store(time.Now().UnixNano())
	return s
}

func (s *conns) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[c]; ok {
		delete(s.open, c)
		c.listener.closed.Add(1)
	}
}

// setState is http.Server.ConnState.
func (s *conns) setState(nc net.Conn, state http.ConnState) {
	c := connOf(nc)
	if c == nil {
		return
	}
	c.state.Store(int32(state))
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// list is the open connections.
func (s *conns) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.open))
	for c := range s.open {
		out = append(out, c)
	}
	return out
}

// busy counts connections of the serving listeners that are new or active, without
// those that a stop does not wait for: their handler was abandoned, or they carry a
// watch, which ends in its own way.
func (s *conns) busy() (n, idle int) {
	for _, c := range s.list() {
		if c.listener.role == "admin" || c.abandoned.Load() || c.watches.Load() > 0 {
			continue
		}
		switch http.ConnState(c.state.Load()) {
		case http.StateNew:
			// One that has said nothing for a second is a spare of its client.
			if time.Since(c.accepted) < time.Second {
				n++
			}
		case http.StateActive:
			n++
		case http.StateIdle:
			idle++
		}
	}
	return n, idle
}

// writeMetrics writes how many connections are open, by listener; those that have none are 0.
func (s *conns) writeMetrics(e *metrics.Writer) {
	open := map[string]int{}
	for _, c := range s.list() {
		open[c.listener.role]++
	}
	e.Family("apichain_connections", "gauge", "Open connections, by listener.")
	for _, role := range []string{"admin", "http", "https"} {
		e.Number(float64(open[role]), "listener", role)
	}
}
