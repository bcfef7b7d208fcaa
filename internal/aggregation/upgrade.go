package aggregation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"apichain/internal/backend"
	"apichain/internal/request"
)

// Upgrades, by which exec, attach, port-forward and WebSockets go. The server behind is asked over a connection of its
// own, and only a 101 of it makes the client's connection a pipe. With any other answer the client has an answer as to
// every other request, and its connection ends: a client that took its own upgrade for granted has sent on, and that
// must not be read as another request. Of the server's connection nothing behind such an answer is read.
//
//	101            bytes both ways, until one side ends or the request's context does
//	below 400      503, upstream's text
//	from 400 on    the answer, within refusalTime

// upgradeTime is how long a server may take to agree, or not: the request has no other limit, since the connection that it asks for
// has none.
const upgradeTime = time.Minute

// refusalTime is how long the answer that refuses an upgrade may take.
const refusalTime = 10 * time.Second

// mostPreface is how many bytes of the server's answer may come before the end of its header.
const mostPreface = 1 << 20

// upgrade sends a request that asks for another protocol.
func (p *passage) upgrade(ctx context.Context, protocol string) {
	began := time.Now()
	p.out.Header["Connection"] = []string{"Upgrade"}
	if protocol != "?" {
		p.out.Header["Upgrade"] = []string{protocol}
	}
	server, err := p.remote.Backend.Dial(ctx)
	if err != nil {
		p.refuseUpgrade("error dialing backend: " + err.Error())
		return
	}
	// The end of the request's time, a stop, and a client that leaves end both connections.
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	// Whatever comes of it: a connection that has been an upgrade is used for nothing else.
	defer func() { _ = server.Close() }()
	// For request and answer; a pipe has none.
	_ = server.SetDeadline(time.Now().Add(upgradeTime))
	if err := p.out.WithContext(ctx).Write(server); err != nil {
		p.refuseUpgrade("error sending request: " + err.Error())
		return
	}
	_ = p.body.Close()
	// net/http's client bounds a header, its reader alone does not.
	limited := &bounded{server, mostPreface}
	from := bufio.NewReader(limited)
	// By the same reader that is piped from later: it may have bytes of the other protocol already.
	res, err := http.ReadResponse(from, &p.out)
	// What comes behind the header is of the pipe, or of an answer that is sent on as it comes.
	limited.left = -1
	request.From(ctx).Spend(request.InProxy, time.Since(began))
	switch {
	case err != nil:
		p.refuseUpgrade(backend.Short(err).Error())
	case res.StatusCode == http.StatusSwitchingProtocols:
		p.join(ctx, server, from, res)
	// A success without an upgrade, or a redirect: neither is an answer that the client could go on with (upstream).
	case res.StatusCode < 400:
		p.refuseUpgrade(fmt.Sprintf("invalid upgrade response: status code %d", res.StatusCode))
	default:
		_ = server.SetDeadline(time.Now().Add(refusalTime))
		p.endConnection()
		p.answer(ctx, res)
	}
}

// bounded is a connection that says no more than so many bytes, until that is lifted.
type bounded struct {
	net.Conn
	left int64 // below 0: any number
}

var errHeaderTooLong = errors.New("the header of the answer has more than " + strconv.Itoa(mostPreface) + " bytes")

// Read reads what is left at most.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errHeaderTooLong
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.Conn.Read(p)
	b.left = max(b.left-int64(n), min(b.left, 0))
	return n, err
}

// endConnection lets the client's connection end with the answer.
func (p *passage) endConnection() {
	if p.req.ProtoMajor == 1 {
		p.w.Header()["Connection"] = []string{"close"}
	}
}

// refuseUpgrade answers in the place of the server.
func (p *passage) refuseUpgrade(text string) {
	p.endConnection()
	refuse(p.w, p.req, http.StatusServiceUnavailable, text)
}

// join makes the client's connection and the server's one, once the server has agreed. Bytes that either has sent behind
// its header go first.
func (p *passage) join(ctx context.Context, server net.Conn, from *bufio.Reader, res *http.Response) {
	client, buffered, err := http.NewResponseController(p.w).Hijack()
	if err != nil {
		refuse(p.w, p.req, http.StatusServiceUnavailable, "error hijacking connection: "+err.Error())
		return
	}
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	defer func() { _ = client.Close() }()
	// What was to be in time was.
	_ = client.SetDeadline(time.Time{})
	_ = server.SetDeadline(time.Time{})
	// The header in one write: small pieces would be as many packets.
	w := bufio.NewWriter(client)
	fmt.Fprintf(w, "HTTP/1.1 %s\r\n", res.Status)
	_ = res.Header.Write(w)
	_, _ = w.WriteString("\r\n")
	if w.Flush() != nil {
		return
	}
	// Room for both, so that neither pipe waits for a reader.
	over := make(chan struct{}, 2)
	pipe := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		over <- struct{}{}
	}
	go pipe(server, io.MultiReader(io.LimitReader(buffered, int64(buffered.Reader.Buffered())), client))
	go pipe(client, io.MultiReader(io.LimitReader(from, int64(from.Buffered())), server))
	// One end is the end of both, as upstream has it. The other pipe returns when its connection is closed.
	<-over
	_ = client.Close()
	_ = server.Close()
	<-over
}
