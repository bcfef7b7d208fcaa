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

// Connections, as net/http does not know them: whether the peer takes what is written, what is under
// way on them, and which of them a stop must wait for. A conn lies below TLS, so that it sees the
// bytes that move, and every exchange has its own at hand (connFrom).
//
// net/http uses a connection from several goroutines: its handlers write, its background read waits
// for the next request or the end, and HTTP/2 has a reader and many writers. The progress check
// (progress.go) comes by beside them, several times a second. It can only interrupt: it sets a
// deadline in the past, the call that waits returns with a timeout, and resume tells an interruption
// without reason from one with.
//
//	Write ── waits ──> progress check, --write-progress-timeout after it began: interrupt(id)
//	  ^                 │
//	  └── resume: 1 KiB has moved, or it was another write's ── no: the caller gets the timeout

// conn is an accepted connection, below TLS. Its methods may be called concurrently, as those of
// every net.Conn.
type conn struct {
	net.Conn
	listener *listener
	unix     bool
	accepted time.Time

	// What is under way on it; busy says which of it a stop waits for.

	// state is an http.ConnState.
	state atomic.Int32
	// abandoned says that its handler goes on after the time limit.
	abandoned atomic.Bool
	// requests counts those that it has carried so far.
	requests atomic.Int32
	// longRunning counts the long-running requests under way.
	longRunning atomic.Int32
	// watches counts those of them that are watches, which have a time limit of their own.
	watches atomic.Int32

	// out is the write under way.
	out stall
	// mu guards the deadlines: what follows, and the calls that set them.
	mu sync.Mutex
	// interrupted is the number of the write that the progress check has interrupted; 0: none.
	interrupted uint32
	// readBy is a far read deadline, which the progress check keeps; zero: none.
	readBy time.Time
	// armed says that the socket has a read deadline.
	armed bool

	// got counts the bytes that were read, encrypted or not.
	got atomic.Int64
	// chunkedAt is what got was when the answer to a chunked body began, for the next request to
	// look at; 0: the last body was none such.
	chunkedAt atomic.Int64
	// head is for the goroutine that reads, and between two reads for the request of the head.
	head headScan
	// headAhead says that what is read next is the head of a request.
	headAhead atomic.Bool
}

// connKey is the key of a conn in the contexts of its requests.
type connKey struct{}

// connFrom returns the connection of a request, by its context; nil for one that came over none.
func connFrom(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connOf returns the conn below what net/http calls the connection; nil if there is none.
func connOf(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	oc, _ := c.(*conn)
	return oc
}

// withConn is http.Server.ConnContext: requests find their connection in the context, at one
// allocation for each connection, not for each request.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// Read reads, and looks at the heads of requests where they are not encrypted.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got.Add(int64(n))
	if n > 0 && c.headAhead.Load() {
		c.headAhead.Store(false)
		c.head.reset()
	}
	if !c.head.done {
		c.head.look(p[:n])
	}
	return n, err
}

// nextHead says that the answer is over, and that all of its request was read: what comes is the
// head of another one, if net/http has not read of it already.
func (c *conn) nextHead() {
	if c != nil && !c.listener.tls {
		c.headAhead.Store(true)
	}
}

// cameEarly reports whether a request was there before the answer to the one before it, whose body
// was chunked, began. Clients do not send on before they know what became of a write; a proxy that
// has found another end of that body does, without knowing.
func (c *conn) cameEarly() bool {
	if c == nil {
		return false
	}
	at := c.chunkedAt.Load()
	if at == 0 {
		return false
	}
	c.chunkedAt.Store(0)
	return c.got.Load() == at
}

// Write writes all of p. The progress check interrupts a write that has waited for the
// limit; if the peer has taken progressUnit bytes since, the write goes on, however long it takes in
// all: slow clients are served, stuck ones are not.
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

// resume reports whether a failed write, called id, of which n bytes were taken, was interrupted by
// the progress check although there was progress, and lifts the interruption.
func (c *conn) resume(id uint32, n int, err error) bool {
	var t net.Error
	if !errors.As(err, &t) || !t.Timeout() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// An interruption may come when the write that it was meant for has just ended, and hit the
	// next one, which has done nothing wrong. A deadline that we have not set is the caller's.
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

// farDeadline is from when on a read deadline is the progress check's to keep: well above
// its tick, which is at most a second.
const farDeadline = 3 * time.Second

// SetReadDeadline is cheap for far deadlines. net/http sets and lifts three of them for
// each request, all but a few for nothing, and each would start or stop a timer of the
// runtime. A far one is only noted; the progress check hands it to the socket when it is near. The
// clock is the check's last tick, since to ask for the time costs more than the rest.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A second more than farDeadline, for what has passed since that tick.
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

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

// arm hands a read deadline that is near to the socket. The progress check calls it at each tick.
func (c *conn) arm(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.readBy.IsZero() && c.readBy.Sub(now) < farDeadline {
		_ = c.Conn.SetReadDeadline(c.readBy)
		c.readBy, c.armed = time.Time{}, true
	}
}

// CloseWrite lets net/http end an answer while the client still sends, for a connection that is no
// TLS: it looks for the method.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection and strikes it off the list, once.
func (c *conn) Close() error {
	c.listener.conns.remove(c)
	return c.Conn.Close()
}

// abort closes the connection at once, whatever is under way on it.
func (c *conn) abort() { _ = c.Close() }

// sawTransferEncoding reports whether an HTTP/1.0 request may have had Transfer-Encoding, which
// proxies read in different ways (RFC 9112, 6.1): the first of the connection if it had, and a later
// one always: a client that begins with HTTP/1.1 has no reason to go on with 1.0. Of the first one on
// TLS nothing is known.
func (c *conn) sawTransferEncoding() bool {
	return c != nil && (c.head.coding || c.requests.Load() > 1)
}

// sawTwoLengths reports whether a request with a chunked body had Content-Length too (RFC 9112, 6.3),
// or may have had. On TLS nothing is known.
func (c *conn) sawTwoLengths() bool {
	return c != nil && (c.head.coding && c.head.length || c.head.tooLong)
}

// headScan looks through the head of a request for the lines that say where its body ends, since
// net/http removes those that it does not go by before a handler can see them: Transfer-Encoding in
// HTTP/1.0, and Content-Length beside it in HTTP/1.1. The zero value is at the beginning of a head.
type headScan struct {
	// done says that the head is over, or is none.
	done bool
	// coding and length say which of the two lines were there.
	coding, length bool
	// tooLong says that it gave up.
	tooLong bool

	begun bool // the first line was read
	size  int
	// line is the beginning of a line whose end was not read yet.
	line []byte
}

// mostHead is how many bytes of a head are looked at.
const mostHead = 64 << 10

// reset makes h ready for the next head. The room for a line stays, unless it is large.
func (h *headScan) reset() {
	line := h.line[:0]
	if cap(line) > 4<<10 {
		line = nil
	}
	*h = headScan{line: line}
}

// look takes the bytes that were read next.
func (h *headScan) look(p []byte) {
	for !h.done {
		if h.size > mostHead {
			h.done, h.tooLong = true, true
			return
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			h.size += len(p)
			h.line = append(h.line, p...)
			return
		}
		line := p[:end]
		if len(h.line) > 0 {
			h.line = append(h.line, line...)
			line = h.line
		}
		h.take(bytes.TrimRight(line, "\r"))
		h.line, p, h.size = h.line[:0], p[end+1:], h.size+end+1
	}
}

// take looks at a whole line.
func (h *headScan) take(line []byte) {
	switch {
	// net/http skips empty lines in front of a request.
	case len(line) == 0:
		h.done = h.begun
	case !h.begun:
		h.begun = true
		h.done = !bytes.HasSuffix(line, []byte(" HTTP/1.1")) && !bytes.HasSuffix(line, []byte(" HTTP/1.0"))
	case isLine(line, "transfer-encoding:"):
		h.coding = true
	case isLine(line, "content-length:"):
		h.length = true
	}
}

// isLine reports whether a line of a header begins with a name, which is in small letters and ends
// in a colon.
func isLine(line []byte, name string) bool {
	return len(line) >= len(name) && line[len(name)-1] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}

// conns are the open connections of the program, of all listeners.
type conns struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	// changed has a token when a state has changed since the last one was taken.
	changed chan struct{}
	// now is the last tick of the progress check in Unix nanoseconds, a clock that costs nothing.
	now atomic.Int64
}

// newConns makes an empty set, whose clock is right.
func newConns() *conns {
	s := &conns{open: map[*conn]struct{}{}, changed: make(chan struct{}, 1)}
	s.now.Store(time.Now().UnixNano())
	return s
}

// add puts a connection on the list.
func (s *conns) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

// remove strikes a connection off the list, and counts it as closed the first time.
func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// net/http, TLS and a stop may each close it.
	if _, ok := s.open[c]; ok {
		delete(s.open, c)
		c.listener.closed.Add(1)
	}
}

// setState is http.Server.ConnState: net/http calls it at each change of a connection's state.
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

// list returns the open connections, in no order.
func (s *conns) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.open))
	for c := range s.open {
		out = append(out, c)
	}
	return out
}

// busy counts connections of the serving listeners that are new or active, and those that are idle,
// without those that a stop does not wait for: their handler was abandoned, or they carry a
// long-running request, which ends in its own way.
func (s *conns) busy() (n, idle int) {
	for _, c := range s.list() {
		if c.listener.role == "admin" || c.abandoned.Load() || c.longRunning.Load() > 0 {
			continue
		}
		switch http.ConnState(c.state.Load()) {
		case http.StateNew:
			// One that has said nothing for a second is a spare of its client: it may stay so for
			// ever, and net/http's Shutdown waits five seconds for it.
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

// closeIdle closes the connections of a role that have no request, among them those that never had one.
// Who calls it has told their clients that they are to go away.
func (s *conns) closeIdle(role string) {
	for _, c := range s.list() {
		state := http.ConnState(c.state.Load())
		if c.listener.role == role && (state == http.StateIdle || state == http.StateNew) {
			_ = c.Close()
		}
	}
}
