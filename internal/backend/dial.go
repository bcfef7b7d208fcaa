package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// How a connection is made. A name is looked up once, and each of its addresses is judged where it is dialled, by
// the socket's own hook: what was judged is what is connected to, whatever the name says a moment later.
//
// Where the target is the address of a service, and that cannot be connected to, a ready endpoint is:
//
//	address ── connected ─────────────────────────────────> used
//	   │  └─── refused, unreachable, or headStart has gone by ──> endpoint beside it; who is first is used
//	   └────── an endpoint was first before: it alone ─────────> used
//
// So a cluster with kube-proxy works as upstream does it, and one without pays once. When both fail the error is
// that of the address, as it is upstream's.

// The limits of a dial. All are upstream's but for the two of services.
const (
	dialTime      = 30 * time.Second
	handshakeTime = 10 * time.Second
	// headStart is how long the address of a service is tried alone.
	headStart = 250 * time.Millisecond
	// besideTime is how long it is tried where there is an endpoint.
	besideTime = 3 * time.Second
)

// dial connects to an address that Resolve has returned, or to the proxy that the environment names for it.
func (b *Backend) dial(ctx context.Context, network, address string) (net.Conn, error) {
	endpoint, f := b.beside(address)
	// Nothing beside it: a URL, an external name, a proxy, endpoint routing, or a service without endpoints.
	switch {
	case endpoint == "":
		return b.connect(ctx, network, address)
	case f.direct.Load():
		return b.connect(ctx, network, endpoint)
	}
	return b.race(ctx, network, address, endpoint, f)
}

// Both dials are bounded by besideTime together, and by the context. One that loses is cancelled, and closed if it was
// just made.

// attempt is what became of one of two dials.
type attempt struct {
	net.Conn
	err      error
	endpoint bool
}

// race dials the address of a service and, when that does not answer soon, an endpoint. It returns when both dials
// have ended.
func (b *Backend) race(ctx context.Context, network, address, endpoint string, f *found) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	// Without a buffer: each dial is waited for, so none can be left behind with a connection.
	ended := make(chan attempt)
	try := func(to string) {
		c, err := b.connect(ctx, network, to)
		ended <- attempt{c, err, to == endpoint}
	}
	go try(address)
	running, started := 1, false
	wait := time.NewTimer(headStart)
	defer wait.Stop()
	var won attempt
	var failure error // of the address, if it has failed
	for running > 0 {
		select {
		case <-wait.C:
		case a := <-ended:
			running--
			switch {
			case a.err != nil:
				// The address is what upstream dials, so its error is what people search for.
				if !a.endpoint || failure == nil {
					failure = a.err
				}
			case won.Conn == nil:
				won = a
				cancel() // the other dial
			default:
				_ = a.Close()
			}
		}
		// The first thing that happens, be it the timer or an error, brings the endpoint in, once.
		if !started && won.Conn == nil && ctx.Err() == nil {
			started = true
			running++
			go try(endpoint)
		}
	}
	if won.Conn == nil {
		return nil, failure
	}
	f.direct.Store(won.endpoint)
	return won.Conn, nil
}

// errRefused begins what is said of an address that is not dialled.
var errRefused = errors.New("refused to dial")

// connect dials one address or name.
func (b *Backend) connect(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime, KeepAlive: dialTime, Resolver: b.set.resolver}
	// A proxy is named by who runs the server, and judges by itself.
	if address != b.set.proxy {
		d.ControlContext = func(_ context.Context, _, to string, _ syscall.RawConn) error { return b.judge(to) }
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	b.counts.connections.Add(1)
	return &connection{Conn: c, open: &b.counts.connections}, nil
}

// connection is one that is counted while it is open.
type connection struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

// Close ends the count, once.
func (c *connection) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// judge returns why an address must not be connected to. It has been looked up already.
func (b *Backend) judge(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	// An IPv4 address in the clothes of IPv6 is the same address.
	ip := a.Addr().Unmap()
	switch {
	case ip.IsUnspecified():
		return fmt.Errorf("%w %v: it stands for no host", errRefused, ip)
	case ip.IsLinkLocalUnicast(), ip.IsMulticast():
		return fmt.Errorf("%w %v: it is an address of the link, not of a server", errRefused, ip)
	case b.Target.URL == "" && b.Target.Service.isSelf():
		return nil
	}
	if f := b.set.config.Refuse; f != nil {
		if err := f(netip.AddrPortFrom(ip, a.Port())); err != nil {
			return fmt.Errorf("%w %v: %w", errRefused, address, err)
		}
	}
	return nil
}
