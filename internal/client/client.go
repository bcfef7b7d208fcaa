// Package client asks a server over HTTP: one question, one answer, one connection. The subcommands of
// the program ask its admin endpoint with it, and its kubectl asks an API server.
//
// In come where to dial and a request; out go the response and its whole body. Where to dial, whom to
// trust and who asks may be read of a kubeconfig.
//
//	k, err := client.ReadKubeconfig(path)
//	e := client.Endpoint{Network: "tcp", Address: "127.0.0.1:6443", TLS: k.TLS}
//	resp, body, err := e.Ask(ctx, request, 10*time.Second)
//
// It follows no redirect, uses no proxy, and keeps no connection. http.Client would do more, and be half a
// megabyte of the program. Everything here may be called concurrently.
package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// Endpoint is where a server listens.
type Endpoint struct {
	// Network and Address are what is dialled: tcp and HOST:PORT, or unix and a path.
	Network, Address string
	// TLS is nil for plain HTTP, and has a ServerName otherwise.
	TLS *tls.Config
}

// Ask sends a request over a new connection and reads its answer to the end, within limit, dialling
// included; 0 is no limit. The body of the response that it returns is closed. An error is that of the
// step that failed; after the end of ctx it says only that the connection was closed.
func (e Endpoint) Ask(ctx context.Context, req *http.Request, limit time.Duration) (*http.Response, []byte, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return e.Copy(ctx, req, nil)
}

// Copy is Ask without a limit, for an answer that may be large: the body of a 2xx answer is written to w while it
// comes, if w is not nil, and none is returned then. After an error behind the header the response is not nil, and w has a
// part of the body.
func (e Endpoint) Copy(ctx context.Context, req *http.Request, w io.Writer) (*http.Response, []byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, e.Network, e.Address)
	if err != nil {
		return nil, nil, err
	}
	if e.TLS != nil {
		conn = tls.Client(conn, e.TLS)
	}
	defer conn.Close()
	// A deadline long past ends whatever read or write is under way when the context ends.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	// There will be no second request: the server may close at once.
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if w != nil && resp.StatusCode/100 == 2 {
		_, err := io.Copy(w, resp.Body)
		return resp, nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}
