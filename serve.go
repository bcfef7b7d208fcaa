package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/status"
)

// The http.Server of each role, and how it ends. net/http's own Shutdown is the last step and not the
// first: it closes connections that have just been opened, and a request whose header is arriving then
// is lost. So a stop closes the listeners, waits until no connection is new or active (waitQuiet), and
// only then shuts the servers down.

// front is the http.Server of one role, over all listeners of that role.
type front struct {
	role      string
	server    *http.Server
	listeners []*listener
	// loops are the accept loops.
	loops sync.WaitGroup
	// stopped is set by stopAccepting.
	stopped atomic.Bool
}

// newFront sets an http.Server up: time limits against slow clients, protocols, and
// where its complaints go. It has no limits for whole requests, which would end watches: those are in
// the chain and in the progress check. The admin role speaks HTTP/1.1 alone.
func (p *program) newFront(role string, h http.Handler) *front {
	o := &p.opt.listen
	s := &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            p.opt.progress.header,
		IdleTimeout:                  p.opt.progress.idle,
		MaxHeaderBytes:               1 << 20,
		DisableGeneralOptionsHandler: true,
		ConnContext:                  withConn,
		ConnState:                    p.conns.setState,
		ErrorLog:                     log.New(complaints{p, role}, "", 0),
		Protocols:                    new(http.Protocols),
	}
	// HTTP/2 on the plain listener is for clients that begin with it; there is no upgrade to it.
	s.Protocols.SetHTTP1(true)
	if !o.disableHTTP2 && role != "admin" {
		s.Protocols.SetHTTP2(role == "https")
		s.Protocols.SetUnencryptedHTTP2(role == "http")
		streams := o.maxStreams
		if streams == 0 {
			streams = 100
		}
		// Upstream's sizes. The connection has room for all its streams, up to 1 GiB, so that one
		// whose handler does not read holds up no other.
		const window = 256 << 10
		s.HTTP2 = &http.HTTP2Config{
			MaxConcurrentStreams:          streams,
			MaxReadFrameSize:              window,
			MaxReceiveBufferPerStream:     window,
			MaxReceiveBufferPerConnection: min(streams*window, 1<<30),
			WriteByteTimeout:              p.opt.progress.write,
		}
	}
	f := &front{role: role, server: s}
	for _, l := range p.listeners {
		if l.role == role {
			f.listeners = append(f.listeners, l)
		}
	}
	return f
}

// protocols returns the names of what a role speaks, as ALPN has them, the best first.
func (o *listenOptions) protocols(role string) []string {
	switch {
	case role == "admin" || o.disableHTTP2:
		return []string{"http/1.1"}
	case role == "http":
		return []string{"h2c", "http/1.1"}
	}
	return []string{"h2", "http/1.1"}
}

// serve starts the accept loops. Each ends with its listener, which stopAccepting
// closes; broken gets an error when one ends before.
func (f *front) serve(p *program, broken chan<- error) {
	for _, l := range f.listeners {
		var nl net.Listener = l
		if l.tls {
			nl = tls.NewListener(l, p.certs.TLSConfig(p.opt.listen.protocols(f.role)))
		}
		f.loops.Go(func() {
			err := f.server.Serve(nl)
			// Not l.done: Serve closes what it served, whatever ended it.
			if f.stopped.Load() {
				return
			}
			select {
			case broken <- fmt.Errorf("listener %s stopped accepting: %w", l.address, err):
			default: // another one broke before
			}
		})
	}
}

// stopAccepting closes the listeners. Connections go on. It may be called again.
func (f *front) stopAccepting() error {
	f.stopped.Store(true)
	var errs []error
	for _, l := range f.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// shut ends the server: what is idle is closed, what still answers may end until ctx
// does, and the rest is broken off. It waits for the accept loops.
func (f *front) shut(ctx context.Context, conns *conns) {
	// Keep-alive off first: what is idle is closed, and an answer from here on is its connection's last.
	_ = f.stopAccepting()
	f.server.SetKeepAlivesEnabled(false)
	for {
		round, cancel := context.WithTimeout(ctx, goAwayTime)
		err := f.server.Shutdown(round)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			_ = f.server.Close()
			break
		}
		// Told to go away and without a request, a client of HTTP/2 need not close its connection, and
		// net/http would wait a second for it.
		conns.closeIdle(f.role)
	}
	f.loops.Wait()
}

// complaints takes net/http's log lines: TLS handshakes that failed and the like. They
// are about clients, so they appear with -v 4 only; handshakes are counted always, but
// those of the admin listener are in no metric.
type complaints struct {
	p    *program
	role string
}

// Write takes one line of net/http's. What says that we are at fault, a panic that no filter caught or
// a listener that cannot accept, is an error.
func (c complaints) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	level := slog.LevelDebug
	switch {
	case strings.Contains(text, "TLS handshake error") && c.role != "admin":
		c.p.metrics.tlsErrors.Inc()
	case strings.HasPrefix(text, "http: panic serving"), strings.HasPrefix(text, "http: Accept error"):
		level = slog.LevelError
	}
	c.p.log.Log(context.Background(), level, status.Shorten(text, 4096))
	return len(b), nil
}

// waitQuiet waits until no connection of the serving listeners is new or active: then,
// and not before, http.Server.Shutdown loses no request whose header is just arriving.
// With idle set it also waits for idle ones, at most that long. It reports false when
// ctx ended first.
func (p *program) waitQuiet(ctx context.Context, idle time.Duration) bool {
	until := time.Now().Add(idle)
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	// The states tell of changes; the ticker is for what changes with time alone.
	for {
		busy, spare := p.conns.busy()
		if busy == 0 && (spare == 0 || time.Now().After(until)) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-p.conns.changed:
		case <-t.C: // a connection may have become a spare by its age alone
		}
	}
}
