package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"apichain/internal/flags"
)

// Sockets: bound by us, or inherited from a service manager; TCP or a file of the file system. All of
// them are opened before anything is served, so that a port that is taken ends the start and not the
// running server, and an error closes those that were opened before.
//
// There are three roles. http is the plain listener, on which everybody is a superuser: it is bound to
// a loopback address or a socket file (of mode 0600) unless the user insists. https is the TLS
// listener. admin shows what the program does, and begins to want TLS and users as soon as one of
// its addresses can be reached by others (admin_access.go).
//
// Inherited sockets come by systemd's protocol (LISTEN_FDS). One whose name in LISTEN_FDNAMES is a
// role is for that role, which then binds no address of its own. Any other is for the --listen
// address that it is bound to, and one that is for none of them ends the start: it would have clients
// that wait for an answer. A process that was started anew inherits the same sockets while the old
// one still serves, so no connection is refused in between (handover).

// listenOptions are the addresses of the listeners and the options of their sockets.
type listenOptions struct {
	// Addresses: host:port, unix:PATH, or off alone.
	http, https, admin  []string
	insecureAllowRemote bool
	disableHTTP2        bool
	// upstream says that the TLS listener was asked for by kube-apiserver's flags.
	upstream bool
	// maxStreams is of one HTTP/2 connection; 0: 100.
	maxStreams int
	// keepAlive is the period of TCP probes; 0: none.
	keepAlive               time.Duration
	sharePort, shareAddress bool
}

// Register declares the flags of the sockets. All three roles are on by default, on loopback.
func (o *listenOptions) Register(f *flags.Set) {
	f.In("listeners")
	f.List(&o.http, "listen-http", []string{"127.0.0.1:8080"},
		"addresses of the plain listener, whose users are all superusers: host:port (port 0: any free one), unix:PATH, or off")
	f.List(&o.https, "listen-https", []string{"127.0.0.1:6443"}, "addresses of the TLS listener: host:port, unix:PATH, or off")
	f.List(&o.admin, "listen-admin", []string{"127.0.0.1:8081"}, "addresses of the admin listener: host:port, unix:PATH, or off")
	f.Bool(&o.insecureAllowRemote, "insecure-allow-remote", false,
		"let the plain listener be bound to an address that others can reach: each of them is a superuser then")
	f.Bool(&o.disableHTTP2, "disable-http2-serving", false, "offer HTTP/1.1 only")
	f.Int(&o.maxStreams, "http2-max-streams-per-connection", 100, "most requests at a time on one HTTP/2 connection; 0: 100")
	f.Duration(&o.keepAlive, "tcp-keepalive-period", 3*time.Minute, "period of TCP keep-alive probes; 0: none")
	f.Bool(&o.sharePort, "permit-port-sharing", false, "set SO_REUSEPORT, so that several processes may listen on the same port")
	f.Bool(&o.shareAddress, "permit-address-sharing", false, "set SO_REUSEADDR, so that the port can be bound while old connections linger")
}

// Check reports addresses that cannot be bound as they are written, and a server that serves nothing.
func (o *listenOptions) Check(p *flags.Problems) {
	for _, l := range o.roles() {
		if slices.Contains(l.addresses, "off") && len(l.addresses) > 1 {
			p.Add("listen-"+l.role, "off stands alone")
			continue
		}
		for _, a := range l.addresses {
			o.checkAddress(p, l.role, a)
		}
	}
	p.When(len(o.http)+len(o.https) == 0 || off(o.http) && off(o.https), "listen-http",
		"is off and so is --listen-https: nothing would be served")
	p.When(o.maxStreams < 0, "http2-max-streams-per-connection", "must not be negative, is %d", o.maxStreams)
	p.When(o.keepAlive < 0, "tcp-keepalive-period", "must not be negative, is %v", o.keepAlive)
}

// checkAddress reports what is wrong with one address of a role, as it is written.
func (o *listenOptions) checkAddress(p *flags.Problems, role, a string) {
	flag := "listen-" + role
	if a == "off" {
		return
	}
	if path, ok := strings.CutPrefix(a, "unix:"); ok {
		if path == "" {
			p.Add(flag, "%q names no socket file", a)
		}
		return
	}
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		p.Add(flag, "%q is not host:port, unix:PATH or off", a)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		p.Add(flag, "%q has no port from 0 to 65535", a)
	}
	if role == "http" && remote(host) && !o.insecureAllowRemote {
		p.Add(flag, "%q can be reached by others, and everybody on this listener is a superuser: "+
			"use a loopback address, or say --insecure-allow-remote", a)
	}
}

// remote reports whether a host of a listen address lets others in; an empty one is every address. A
// name is judged after it was bound (adopt): what it stands for is known then, and only then.
func remote(host string) bool {
	if host == "" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && !a.Unmap().IsLoopback()
}

// remoteAddress is remote for a whole listen address; others than host:port are not.
func remoteAddress(a string) bool {
	host, _, err := net.SplitHostPort(a)
	return err == nil && remote(host)
}

// off reports whether a role has no listener.
func off(addresses []string) bool { return slices.Equal(addresses, []string{"off"}) }

// roleAddresses is what the flag of a role says.
type roleAddresses struct {
	role, flag string
	addresses  []string
}

// roles returns the roles in the order in which they are opened and shown.
func (o *listenOptions) roles() []roleAddresses {
	https := "listen-https"
	if o.upstream {
		https = "secure-port"
	}
	return []roleAddresses{{"http", "listen-http", o.http}, {"https", https, o.https}, {"admin", "listen-admin", o.admin}}
}

// listener is one open socket of a role: http, https or admin. Its connections are conns.
type listener struct {
	net.Listener
	role string
	// network is tcp or unix.
	network string
	// address is host:port or unix:PATH, as bound.
	address   string
	inherited bool
	// tls is set when all listeners are known.
	tls bool
	// keepAlive is the period of TCP probes; 0: none.
	keepAlive time.Duration
	conns     *conns
	// socket is a socket file of ours, to remove no other; nil: none.
	socket os.FileInfo

	// Counters of connections.
	accepted, closed atomic.Uint64
	// done says that Close was called.
	done atomic.Bool
}

// Accept hands out the next connection, counted and with TCP keep-alive. It is below TLS, so a
// handshake takes place in the connection's own goroutine and holds nobody up.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: l.keepAlive > 0, Idle: l.keepAlive, Interval: l.keepAlive})
	}
	l.accepted.Add(1)
	oc := &conn{Conn: c, listener: l, unix: l.network == "unix", accepted: time.Now()}
	oc.head.done = l.tls // nothing to see: the bytes are encrypted
	l.conns.add(oc)
	return oc, nil
}

// Close stops accepting, once, and removes a socket file of ours. Later calls do nothing: a stop and
// net/http each close a listener.
func (l *listener) Close() error {
	if l.done.Swap(true) {
		return nil
	}
	err := l.Listener.Close()
	if l.socket != nil {
		// Another process may have put its own there since, as in a handover.
		path := strings.TrimPrefix(l.address, "unix:")
		if now, e := os.Lstat(path); e == nil && os.SameFile(now, l.socket) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// url returns how clients reach the listener: http://host:port, https://host:port, unix:/path. For
// one on every address it is the loopback address, of which certificates and Host checks know.
func (l *listener) url() string {
	if l.network == "unix" {
		return l.address
	}
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(l.address)
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// openListeners opens the listeners of all roles.
func (p *program) openListeners() error {
	inherited, err := inheritedSockets(os.Getenv, os.Getpid(), os.NewFile)
	if err != nil {
		return err
	}
	// No child of ours is to take the sockets for its own.
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	return p.listen(inherited)
}

// listen opens every address of every role, or none: what was bound or inherited before an
// error is closed again.
func (p *program) listen(inherited []inheritedSocket) (err error) {
	defer func() {
		if err != nil {
			for _, l := range p.listeners {
				_ = l.Close()
			}
			for _, s := range inherited {
				_ = s.Close()
			}
		}
	}()
	for _, r := range p.opt.listen.roles() {
		if err := p.listenRole(r, inherited); err != nil {
			return err
		}
	}
	for _, s := range inherited {
		if !s.claimed {
			return fmt.Errorf("LISTEN_FDS: the inherited socket %s is for no listener: "+
				"name it http, https or admin in LISTEN_FDNAMES, or give its address to a --listen flag", s.Addr())
		}
	}
	// Not before all are known: one admin address that others reach is enough for TLS on all.
	for _, l := range p.listeners {
		l.tls = l.role == "https" || l.role == "admin" && l.network == "tcp" && p.opt.adminAccess.tls
	}
	return nil
}

// listenRole takes the inherited sockets that are named after the role or, if there are none, opens
// its addresses: each by an inherited socket without a name that is bound to it, or by a new one. It
// marks the sockets that it takes.
func (p *program) listenRole(r roleAddresses, inherited []inheritedSocket) error {
	byName := false
	for i, s := range inherited {
		if s.name == r.role {
			byName = true
			inherited[i].claimed = true
			if err := p.adopt(r.role, s.Listener, true); err != nil {
				return fmt.Errorf("LISTEN_FDNAMES: the socket named %s: %w", r.role, err)
			}
		}
	}
	if byName || off(r.addresses) {
		return nil
	}
	for _, a := range r.addresses {
		var err error
		i := slices.IndexFunc(inherited, func(s inheritedSocket) bool { return s.name == "" && !s.claimed && s.has(a) })
		if i >= 0 {
			inherited[i].claimed = true
			err = p.adopt(r.role, inherited[i].Listener, true)
		} else {
			err = p.bind(r.role, a)
		}
		if err != nil {
			return fmt.Errorf("--%s: %w", r.flag, err)
		}
	}
	return nil
}

// bind opens one address of a role, which nobody else may have.
func (p *program) bind(role, address string) error {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, info, err := listenUnix(path)
		if err != nil {
			return err
		}
		p.listeners = append(p.listeners, &listener{
			Listener: l, role: role, network: "unix", address: "unix:" + absolute(path), conns: p.conns, socket: info,
		})
		return nil
	}
	// Keep-alive is set by Accept, for inherited sockets too.
	o := &p.opt.listen
	lc := net.ListenConfig{KeepAlive: -1, Control: shareControl(o.sharePort, o.shareAddress)}
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use: stop what listens there, or choose another address (port 0: any free one)", address)
		}
		return err
	}
	return p.adopt(role, l, false)
}

// adopt takes an open socket as a listener of a role, if its address may be one. Now the address is
// known, whatever name it was given by: it is judged here, and not by the flag.
func (p *program) adopt(role string, l net.Listener, inherited bool) error {
	nl := &listener{
		Listener: l, role: role, network: "tcp", address: l.Addr().String(), inherited: inherited,
		keepAlive: p.opt.listen.keepAlive, conns: p.conns,
	}
	switch {
	case l.Addr().Network() == "unix":
		nl.network, nl.address = "unix", "unix:"+absolute(l.Addr().String())
	case loopbackAddress(l.Addr()):
	case role == "admin":
		p.opt.adminAccess.force(p.flags)
	case role == "http" && !p.opt.listen.insecureAllowRemote:
		_ = l.Close()
		return fmt.Errorf("%s can be reached by others: use a loopback address or a unix socket", l.Addr())
	}
	p.listeners = append(p.listeners, nl)
	p.hosts.add(hostOnly(nl.address))
	return nil
}

// absolute returns the path from the root on; as it is where the working directory is unknown.
//
//go:noinline
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// listenUnix opens a socket file of mode 0600. It is made under another name in a
// folder that only we can enter and then moved, so that there is no moment in which
// others could connect, and so that a stale file is replaced in one step. A socket that
// somebody serves is left alone.
func listenUnix(path string) (net.Listener, os.FileInfo, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, nil, fmt.Errorf("%s exists and is no socket", path)
		}
		// A file without anybody behind it is left from a process that was killed.
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, nil, fmt.Errorf("%s is in use: stop what listens there, or choose another path", path)
		}
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	// The names are as short as can be: a socket's path has room for some hundred bytes. The system
	// would say "invalid argument".
	made := filepath.Join(dir, "s")
	if n, most := max(len(path), len(made)), len(syscall.RawSockaddrUnix{}.Path)-1; n > most {
		return nil, nil, fmt.Errorf(
			"%s is too long for a socket file, or its folder's name is: %d bytes, of at most %d", path, n, most)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	// It would remove what is at the first name; listener.Close does it, at the last.
	l.SetUnlinkOnClose(false)
	info, err := os.Lstat(made)
	if err = errors.Join(err, os.Chmod(made, 0o600)); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return l, info, nil
}

// inheritedSocket is one that the service manager has opened for us.
type inheritedSocket struct {
	net.Listener
	// name is a role, from LISTEN_FDNAMES; "" for another name or none.
	name    string
	claimed bool
}

// has reports whether the socket is bound to a listen address; a name in it is looked up.
func (s inheritedSocket) has(address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return s.Addr().Network() == "unix" && absolute(s.Addr().String()) == absolute(path)
	}
	want, err := net.ResolveTCPAddr("tcp", address)
	have, ok := s.Addr().(*net.TCPAddr)
	// ":8080" and a socket on every address are the same, of whatever family.
	return err == nil && ok && want.Port == have.Port && (want.IP.Equal(have.IP) || len(want.IP) == 0 && have.IP.IsUnspecified())
}

// inheritedSockets reads systemd's protocol (sd_listen_fds(3)): LISTEN_FDS sockets from descriptor 3
// on, for us if LISTEN_PID is our process or unset, with names in LISTEN_FDNAMES. Unset is an
// addition: a test that starts us cannot know our process id before. file makes a file of a
// descriptor.
func inheritedSockets(
	getenv func(string) string, pid int, file func(fd uintptr, name string) *os.File,
) ([]inheritedSocket, error) {
	if getenv("LISTEN_FDS") == "" {
		return nil, nil
	}
	if s := getenv("LISTEN_PID"); s != "" && s != strconv.Itoa(pid) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1000 {
		return nil, fmt.Errorf("LISTEN_FDS: %q is no number of sockets", getenv("LISTEN_FDS"))
	}
	var names []string
	if s := getenv("LISTEN_FDNAMES"); s != "" {
		names = strings.Split(s, ":")
	}
	var out []inheritedSocket
	for i := range n {
		// The listener has a descriptor of its own, so the file can go.
		f := file(uintptr(3+i), "inherited")
		l, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("LISTEN_FDS: descriptor %d is no listening socket: %w", 3+i, err)
		}
		s := inheritedSocket{Listener: l}
		if i < len(names) {
			s.name = names[i]
		}
		// systemd gives every socket some name, such as its unit's.
		if s.name != "" && s.name != "http" && s.name != "https" && s.name != "admin" {
			s.name = ""
		}
		out = append(out, s)
	}
	return out, nil
}
