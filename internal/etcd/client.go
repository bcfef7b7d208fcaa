package etcd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"apichain/internal/etcd/wire"
)

// A client has one connection to the member in use, as HTTP/2 has it, and opens one to the next when
// that one fails. Which one is in use is a number that everybody moves on who found it failing.
//
// What may be done twice is tried again, at each member at once and then with pauses that grow, until
// the call's deadline: upstream's requests wait as long for an etcd that is away. A transaction is
// only tried again when nothing of it has left this process, or when the member says that it has no
// leader to give it to: whether another one was made is not known, and etcd has no way to ask.

// A member that hangs is found out by one of three: the connection is not accepted (dialTimeout), the
// connection gives no sign of life (pingAfter and pingTimeout), or the attempt takes too long.

const (
	// dialTimeout is how long a member may take to accept a connection.
	dialTimeout = 3 * time.Second
	// A connection that is silent for pingAfter is asked for a sign of life, and ends without one
	// after pingTimeout.
	pingAfter   = 5 * time.Second
	pingTimeout = 5 * time.Second
	// patience is how long a call goes on trying that has no deadline.
	patience = 8 * time.Second
	// maxMessage is the limit of messages, in bytes. Pages of a list get shorter when they meet it.
	maxMessage = 64 << 20
	// maxRequest is what upstream's client sends at most, and what etcd takes by default.
	maxRequest = 2 << 20
	// The pauses between attempts once all members have failed.
	minPause, maxPause = 50 * time.Millisecond, time.Second
)

// client calls the members of one cluster.
type client struct {
	transport *http.Transport
	servers   []string
	// inUse is the number of a server, modulo how many there are.
	inUse atomic.Uint64
	// anyLeader lets members answer that have no leader.
	anyLeader bool
	// maxMessage is the longest message that is read, in bytes.
	maxMessage int64
}

// newClient checks the URLs of a Config and makes a client of it.
func newClient(c Config) (*client, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("etcd: no server is given")
	}
	cl := &client{anyLeader: c.ReadOnly, maxMessage: cmp.Or(c.maxMessage, maxMessage)}
	for _, s := range c.Servers {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("etcd: %q is not the URL of a server, as https://host:2379 is", s)
		}
		cl.servers = append(cl.servers, u.Scheme+"://"+u.Host)
	}
	conf := c.TLS
	if conf == nil {
		conf = new(tls.Config)
	}
	cl.transport = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		TLSClientConfig:     conf.Clone(),
		Protocols:           new(http.Protocols),
		DisableCompression:  true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	cl.transport.Protocols.SetHTTP2(true)
	cl.transport.Protocols.SetUnencryptedHTTP2(true)
	return cl, nil
}

// close closes the connections that are idle, which are all when no call is under way.
func (c *client) close() { c.transport.CloseIdleConnections() }

// server returns the server in use, and the number by which it is left.
func (c *client) server() (url string, number uint64) {
	n := c.inUse.Load()
	return c.servers[n%uint64(len(c.servers))], n
}

// leave goes on to the next server, unless somebody else has done so.
func (c *client) leave(number uint64) { c.inUse.CompareAndSwap(number, number+1) }

// policy is how a call is made.
type policy struct {
	// repeatable says that it may be done twice.
	repeatable bool
	// attempt is how long one attempt may take.
	attempt time.Duration
	// persistent tries again for ever without a deadline.
	persistent bool
}

// The policies there are. A write is answered by etcd within 7 s, with whatever it knows.
var (
	reading = policy{repeatable: true, attempt: 3 * time.Second}
	listing = policy{repeatable: true, attempt: 30 * time.Second, persistent: true}
	writing = policy{attempt: 15 * time.Second}
)

// call makes a call with one message in each direction. The error is an *Error, that of ctx, or of
// an answer that is no message.
func (c *client) call(ctx context.Context, method string, in, out wire.Message, p policy) error {
	body := wire.Frame(nil, in)
	if n := len(body) - wire.HeadSize; n > maxRequest {
		return &Error{Code: wire.ResourceExhausted, Message: fmt.Sprintf("trying to send message larger than max (%d vs. %d)", n, maxRequest)}
	}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		server, number := c.server()
		// Each attempt has less time than the call, or a member that hangs would take all of it.
		attemptCtx, cancel := context.WithTimeout(ctx, p.attempt)
		err := c.once(attemptCtx, server, method, body, out)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return outOfTime(ctx, err)
		case !elsewhere(err, p.repeatable):
			return err
		}
		c.leave(number)
		if _, ends := ctx.Deadline(); !ends && !p.persistent && time.Since(began) > patience {
			return err
		}
		// All members get their chance before anybody waits.
		if attempt%len(c.servers) == 0 && pause(ctx, attempt/len(c.servers)) != nil {
			return outOfTime(ctx, err)
		}
	}
}

// outOfTime returns the error of a call whose context has ended, after an attempt that ended with last, nil for none.
func outOfTime(ctx context.Context, last error) error {
	if last == nil || errors.Is(last, ctx.Err()) {
		return ctx.Err()
	}
	return &ended{ctx.Err(), last}
}

// pause waits before the nth round of attempts, with jitter, or until ctx ends, whose error it returns.
func pause(ctx context.Context, n int) error {
	d := min(minPause<<min(n-1, 10), maxPause)
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once makes one attempt.
func (c *client) once(ctx context.Context, server, method string, body []byte, out wire.Message) error {
	resp, err := c.send(ctx, server, method, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	msg, err := wire.ReadFrame(resp.Body, c.maxMessage)
	if err == nil {
		// The trailers come with the end of the body.
		if _, err = wire.ReadFrame(resp.Body, 0); err == nil {
			err = errors.New("grpc: a second message where one was to come")
		}
	}
	if err := endOf(ctx, resp, err); err != nil {
		return err
	}
	if msg == nil {
		return &Error{Code: wire.Internal, Message: "no message where one was to come"}
	}
	if err := wire.Parse(msg, out); err != nil {
		return fmt.Errorf("answer of %s to %s: %w", server, method, err)
	}
	return nil
}

// send sends a request and returns the answer, whose header says that messages are to come. size is
// that of the body, -1 for a stream.
func (c *client) send(ctx context.Context, server, method string, body io.Reader, size int64) (*http.Response, error) {
	var sent atomic.Bool
	// Without headers there is no body: what has not got so far was not done. HTTP/2 itself sends again
	// what the server says it has not looked at, as one does that stops in order.
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	r, err := http.NewRequestWithContext(traced, http.MethodPost, server+method, body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	r.Header = http.Header{"Content-Type": {wire.ContentType}, "Te": {"trailers"}, "User-Agent": {"apichain"}}
	// A member without a leader refuses at once then, instead of waiting until its own time is over.
	if !c.anyLeader {
		r.Header["Hasleader"] = []string{"true"}
	}
	if end, ok := ctx.Deadline(); ok {
		r.Header["Grpc-Timeout"] = []string{wire.Timeout(time.Until(end))}
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		// A context that ends leaves its request to others, which may send it still.
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Error{Code: wire.Unavailable, Message: fmt.Sprintf("connection error: desc = %q", err.Error()), unsent: !sent.Load()}
	}
	if err := refusal(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// refusal returns the error of an answer without messages, nil for one that may have some.
func refusal(resp *http.Response) error {
	if resp.Header.Get("Grpc-Status") != "" {
		return status(resp.Header)
	}
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), wire.ContentType) {
		return nil
	}
	// What is no gRPC comes from a proxy, or from something else altogether.
	code := wire.UnknownCode
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = wire.Unavailable
	}
	return &Error{Code: code, Message: fmt.Sprintf("unexpected HTTP status code received from server: %d (%s), content type %q",
		resp.StatusCode, http.StatusText(resp.StatusCode), resp.Header.Get("Content-Type"))}
}

// endOf returns how a call has ended whose body gave an error, which is io.EOF if all went well.
func endOf(ctx context.Context, resp *http.Response, err error) error {
	var large *wire.TooLarge
	switch {
	case errors.Is(err, io.EOF) && resp.Trailer.Get("Grpc-Status") != "":
		return status(resp.Trailer)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &large):
		return large
	}
	return &Error{Code: wire.Unavailable, Message: "error reading from server: " + err.Error()}
}

// status returns the error that a header or trailer tells, nil for OK.
func status(h http.Header) error {
	code, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil {
		return &Error{Code: wire.Internal, Message: "malformed grpc-status: " + h.Get("Grpc-Status")}
	}
	if code == int(wire.OK) {
		return nil
	}
	return &Error{Code: wire.Code(code), Message: wire.UnescapeMessage(h.Get("Grpc-Message"))}
}
