package etcd

import (
	"context"
	"io"
	"net/http"
	"sync"

	"apichain/internal/etcd/wire"
)

// A stream is one call with many messages in both directions. What is sent goes to a queue, which HTTP/2
// reads as the body of the request, so that sending never waits; a stream has few and small
// messages to send.

// stream is a call under way. send may be called concurrently, recv by one goroutine.
type stream struct {
	out    *queue
	cancel context.CancelFunc
	ctx    context.Context
	resp   *http.Response
}

// open begins a stream at a server with its first message, and waits for the header of the answer.
func (c *client) open(ctx context.Context, server, method string, first wire.Message) (*stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{out: newQueue(), ctx: ctx, cancel: cancel}
	s.send(first)
	resp, err := c.send(ctx, server, method, s.out, -1)
	if err != nil {
		cancel()
		return nil, err
	}
	s.resp = resp
	return s, nil
}

// send queues a message. After the end of the stream it goes nowhere.
func (s *stream) send(m wire.Message) { s.out.put(wire.Frame(nil, m)) }

// recv waits for the next message and decodes it into m, which is empty. The error is that with
// which the stream has ended.
func (s *stream) recv(m wire.Message) error {
	b, err := wire.ReadFrame(s.resp.Body, maxMessage)
	if err == nil {
		return wire.Parse(b, m)
	}
	if err := endOf(s.ctx, s.resp, err); err != nil {
		return err
	}
	return &Error{Code: wire.Unavailable, Message: "the stream was ended by the server"}
}

// close ends the stream; recv returns.
func (s *stream) close() {
	s.cancel()
	_ = s.out.Close()
	_ = s.resp.Body.Close()
}

// queue is the body of a request that is written while it is read.
type queue struct {
	mu     sync.Mutex
	ready  sync.Cond
	bytes  []byte
	closed bool
}

func newQueue() *queue {
	q := new(queue)
	q.ready.L = &q.mu
	return q
}

// put adds bytes.
func (q *queue) put(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes = append(q.bytes, b...)
	q.ready.Signal()
}

// Read waits for bytes, or for the end.
func (q *queue) Read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.bytes) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return 0, io.EOF
	}
	n := copy(p, q.bytes)
	q.bytes = append(q.bytes[:0], q.bytes[n:]...)
	return n, nil
}

// Close ends the body. HTTP/2 calls it, too.
func (q *queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
	return nil
}
