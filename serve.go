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

// front is the http.Server of one role, over all listeners of that role.
type front struct {
	role      string
	server    *http.Server
	listeners []*listener
	loops     sync.WaitGroup // the accept loops
	stopped   atomic.Bool    // by stopAccepting
}

// newFront sets an http.Server up: time limits against slow clients, protocols, and
// where its complaints go.
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
	s.Protocols.SetHTTP1(true)
	if !o.disableHTTP2 && role != "admin" {
		s.Protocols.SetHTTP2(role == "https")
		s.Protocols.SetUnencryptedHTTP2(role == "http")
		streams := o.maxStreams
		if streams == 0 {
			streams = 100
		}
		const window = 256 << 10 // upstream's, each stream
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

// protocols are the names of what a role speaks, as ALPN has them.
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
			if f.stopped.Load() { // not l.done: Serve closes what it served, whatever ended it
				return
			}
			select {
			case broken <- fmt.Errorf("listener %s stopped accepting: %w", l.address, err):
			default: // another one broke before
			}
		})
	}
}

// stopAccepting closes the listeners. Connections go on.
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
func (f *front) shut(ctx context.Context) {
	_ = f.stopAccepting()
	f.server.SetKeepAlivesEnabled(false)
	if err := f.server.Shutdown(ctx); err != nil {
		_ = f.server.Close()
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
