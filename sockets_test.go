package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// newListening is a program of which only the listeners are used; they close with the test.
func newListening(t testing.TB, args ...string) *program {
	t.Helper()
	o, f, wrong := parseFlags(t, args...)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	p := newProgram(o, f, io.Discard, io.Discard)
	t.Cleanup(func() {
		p.endBackground()
		for _, l := range p.listeners {
			_ = l.Close()
		}
	})
	return p
}

// roles are the listeners as role and network, + if they are inherited, and tls if that is
// the admin listener's choice.
func (p *program) roles() string {
	var out []string
	for _, l := range p.listeners {
		s := l.role + "/" + l.network
		if l.inherited {
			s += "+"
		}
		if l.role == "admin" && l.tls {
			s += "tls"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func listenOn(t testing.TB, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// closed reports whether a listener accepts no more.
func closed(l net.Listener) bool {
	if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
		return errors.Is(d.SetDeadline(time.Now()), net.ErrClosed)
	}
	return false
}

// TestInheritedRoles: who gets an inherited socket: the role it is named for, as often as
// it is, and then no address of that role is bound; or, without a name, the flag that has
// its address. What nobody claims, and what others can reach, ends the start, and closes
// what was open.
func TestInheritedRoles(t *testing.T) {
	const local, all = "127.0.0.1:0", "0.0.0.0:0"
	type socket struct{ name, network, address string }
	tcp := func(name, address string) socket { return socket{name, "tcp", address} }
	for name, c := range map[string]struct {
		sockets []socket
		args    string // #0 is the address of the first socket
		want    string // roles
		err     string
	}{
		"none":             {nil, "", "http/tcp https/tcp admin/tcp", ""},
		"named":            {[]socket{tcp("http", local)}, "", "http/tcp+ https/tcp admin/tcp", ""},
		"named for admin":  {[]socket{tcp("admin", local)}, "", "http/tcp https/tcp admin/tcp+", ""},
		"all named":        {[]socket{tcp("admin", local), tcp("https", local), tcp("http", local)}, "", "http/tcp+ https/tcp+ admin/tcp+", ""},
		"named twice":      {[]socket{tcp("http", local), tcp("http", local)}, "", "http/tcp+ http/tcp+ https/tcp admin/tcp", ""},
		"named though off": {[]socket{tcp("https", local)}, "--listen-https=off", "http/tcp https/tcp+ admin/tcp", ""},
		"named unix":       {[]socket{{"http", "unix", "s"}}, "", "http/unix+ https/tcp admin/tcp", ""},
		"by address":       {[]socket{tcp("", local)}, "--listen-https=#0", "http/tcp https/tcp+ admin/tcp", ""},
		"by unix address":  {[]socket{{"", "unix", "s"}}, "--listen-http=unix:#0", "http/unix+ https/tcp admin/tcp", ""},
		"one of several":   {[]socket{tcp("", local)}, "--listen-http=127.0.0.1:0,#0", "http/tcp http/tcp+ https/tcp admin/tcp", ""},
		"name and address": {[]socket{tcp("", local), tcp("admin", local)}, "--listen-http=#0", "http/tcp+ https/tcp admin/tcp+", ""},
		"TLS for others":   {[]socket{tcp("https", all)}, "", "http/tcp https/tcp+ admin/tcp", ""},
		"admin for others": {[]socket{tcp("admin", local), tcp("admin", all), {"admin", "unix", "s"}}, "", "http/tcp https/tcp admin/tcp+tls admin/tcp+tls admin/unix+", ""},
		"plain for others": {[]socket{tcp("http", all)}, "--insecure-allow-remote", "http/tcp+ https/tcp admin/tcp", ""},

		"nobody's":            {[]socket{tcp("", local)}, "", "", "LISTEN_FDS: the inherited socket #0 is for no listener"},
		"nobody's beside one": {[]socket{tcp("", local), tcp("http", local)}, "--listen-http=#0", "", "LISTEN_FDS: the inherited socket #0 is for no listener"},
		"plain, reachable":    {[]socket{tcp("http", all)}, "", "", "LISTEN_FDNAMES: the socket named http: #0 can be reached by others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var inherited []inheritedSocket
			first := ""
			for i, s := range c.sockets {
				l := listenOn(t, s.network, s.address)
				inherited = append(inherited, inheritedSocket{Listener: l, name: s.name})
				if i == 0 {
					first = l.Addr().String()
				}
			}
			args := []string{"--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0"}
			p := newListening(t, append(args, strings.Fields(strings.ReplaceAll(c.args, "#0", first))...)...)
			err := p.listen(slices.Clone(inherited))
			if want := strings.ReplaceAll(c.err, "#0", first); want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
				for _, l := range p.listeners {
					if !closed(l.Listener) {
						t.Errorf("%s is left open", l.address)
					}
				}
				for _, s := range inherited {
					if !closed(s.Listener) {
						t.Errorf("the inherited %s is left open", s.Addr())
					}
				}
				return
			}
			if got := p.roles(); err != nil || got != c.want {
				t.Errorf("got %q %v, want %q", got, err, c.want)
			}
			for _, l := range p.listeners {
				if l.conns != p.conns {
					t.Errorf("the connections of %s are not counted", l.address)
				}
			}
		})
	}
}

// TestInheritedSocketHas: which listen addresses stand for a socket.
func TestInheritedSocketHas(t *testing.T) {
	t.Chdir(t.TempDir())
	local, all, unix := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp4", "0.0.0.0:0"), listenOn(t, "unix", "s")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	_, localPort, _ := net.SplitHostPort(local.Addr().String())
	_, allPort, _ := net.SplitHostPort(all.Addr().String())
	for _, c := range []struct {
		l       net.Listener
		address string
		want    bool
	}{
		{local, "127.0.0.1:" + localPort, true},
		{local, "[::ffff:127.0.0.1]:" + localPort, true},
		{local, "127.0.0.2:" + localPort, false},
		{local, ":" + localPort, false},
		{local, "127.0.0.1:0", false},
		{local, "127.0.0.1:" + allPort, false},
		{local, "nonsense", false},
		{local, "unix:" + local.Addr().String(), false},
		{all, "0.0.0.0:" + allPort, true},
		{all, ":" + allPort, true},
		{all, "127.0.0.1:" + allPort, false},
		{unix, "unix:s", true},
		{unix, "unix:./s", true},
		{unix, "unix:" + filepath.Join(dir, "s"), true},
		{unix, "unix:other", false},
		{unix, "127.0.0.1:80", false},
	} {
		if got := (inheritedSocket{Listener: c.l}).has(c.address); got != c.want {
			t.Errorf("%s has %s: got %v, want %v", c.l.Addr(), c.address, got, c.want)
		}
	}
}

// TestDescriptors: what the variables of a service manager say of the descriptors from 3 on.
func TestDescriptors(t *testing.T) {
	a, b := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0")
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for name, c := range map[string]struct {
		env   string // NAME=value, by blanks
		files []interface{ File() (*os.File, error) }
		want  []string // names
		err   string
	}{
		"unset":              {"", nil, nil, ""},
		"names alone":        {"LISTEN_FDNAMES=http", nil, nil, ""},
		"none":               {"LISTEN_FDS=0", nil, nil, ""},
		"for another":        {"LISTEN_FDS=1 LISTEN_PID=8", nil, nil, ""},
		"for another's junk": {"LISTEN_FDS=junk LISTEN_PID=8", nil, nil, ""},
		"for us":             {"LISTEN_FDS=1 LISTEN_PID=7", []interface{ File() (*os.File, error) }{a.(*net.TCPListener)}, []string{""}, ""},
		"two":                {"LISTEN_FDS=2", []interface{ File() (*os.File, error) }{a.(*net.TCPListener), b.(*net.TCPListener)}, []string{"", ""}, ""},
		"named":              {"LISTEN_FDS=2 LISTEN_FDNAMES=admin:http", []interface{ File() (*os.File, error) }{a.(*net.TCPListener), b.(*net.TCPListener)}, []string{"admin", "http"}, ""},
		"a unit's name":      {"LISTEN_FDS=2 LISTEN_FDNAMES=apichain.socket:https", []interface{ File() (*os.File, error) }{a.(*net.TCPListener), b.(*net.TCPListener)}, []string{"", "https"}, ""},
		"fewer names":        {"LISTEN_FDS=2 LISTEN_FDNAMES=http", []interface{ File() (*os.File, error) }{a.(*net.TCPListener), b.(*net.TCPListener)}, []string{"http", ""}, ""},
		"more names":         {"LISTEN_FDS=1 LISTEN_FDNAMES=http:admin", []interface{ File() (*os.File, error) }{a.(*net.TCPListener)}, []string{"http"}, ""},
		"no number":          {"LISTEN_FDS=1x", nil, nil, `LISTEN_FDS: "1x" is no number of sockets`},
		"too many":           {"LISTEN_FDS=1001", nil, nil, `LISTEN_FDS: "1001" is no number of sockets`},
		"negative":           {"LISTEN_FDS=-1", nil, nil, `LISTEN_FDS: "-1" is no number of sockets`},
		"no stream":          {"LISTEN_FDS=2", []interface{ File() (*os.File, error) }{a.(*net.TCPListener), udp.(*net.UDPConn)}, nil, "LISTEN_FDS: descriptor 4 is no listening socket: "},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for word := range strings.FieldsSeq(c.env) {
				k, v, _ := strings.Cut(word, "=")
				env[k] = v
			}
			var taken []*os.File
			got, err := inheritedSockets(func(k string) string { return env[k] }, 7, func(fd uintptr, name string) *os.File {
				if int(fd) != 3+len(taken) {
					t.Errorf("descriptor %d is asked for, want %d", fd, 3+len(taken))
				}
				f, err := c.files[fd-3].File()
				if err != nil {
					t.Fatal(err)
				}
				taken = append(taken, f)
				return f
			})
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			var names []string
			for i, s := range got {
				names = append(names, s.name)
				if want := c.files[i].(net.Listener).Addr().String(); s.Addr().String() != want || s.claimed {
					t.Errorf("socket %d is %s (claimed %v), want %s", i, s.Addr(), s.claimed, want)
				}
				s.Close()
			}
			if err != nil || !slices.Equal(names, c.want) {
				t.Errorf("got %q %v, want %q", names, err, c.want)
			}
			for i, f := range taken {
				if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("descriptor %d is left open: %v", 3+i, err)
				}
			}
		})
	}
}

// TestVariablesAreTakenAway: a child must not take the variables for its own.
func TestVariablesAreTakenAway(t *testing.T) {
	names := []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
	for i, v := range []string{"1", "1", "http"} { // for process 1: not for us
		t.Setenv(names[i], v)
	}
	p := newListening(t, "--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off")
	if err := p.openListeners(); err != nil || p.roles() != "http/tcp" {
		t.Errorf("got %q %v, want one listener of our own", p.roles(), err)
	}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			t.Errorf("%s is still %q", name, v)
		}
	}
}

// TestSocketFiles: what stands at the path of a unix socket, and what is done about it.
func TestSocketFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	live := listenOn(t, "unix", path("live"))
	stale := listenOn(t, "unix", path("stale"))
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	if err := os.WriteFile(path("file"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path("nowhere"), path("link")); err != nil {
		t.Fatal(err)
	}
	most := len(syscall.RawSockaddrUnix{}.Path) - 1
	long := path(strings.Repeat("l", most-len(dir)-1))
	for _, c := range []struct{ path, err string }{
		{path("new"), ""},
		{path("stale"), ""},
		{long, ""},
		{long + "x", "is too long for a socket file"},
		{path("live"), "is in use: stop what listens there"},
		{path("file"), "exists and is no socket"},
		{path("folder"), "exists and is no socket"},
		{path("link"), "exists and is no socket"},
		{path("none/s"), "no such file or directory"},
		{path(strings.Repeat("d", most) + "/s"), "no such file or directory"},
	} {
		l, info, err := listenUnix(c.path)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", c.path, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		now, err := os.Lstat(c.path)
		if err != nil || now.Mode()&os.ModeSocket == 0 || now.Mode().Perm() != 0o600 || !os.SameFile(now, info) {
			t.Errorf("%s: %v %v, want our socket with mode 0600", c.path, now, err)
		}
		conn, err := net.Dial("unix", c.path)
		if err != nil {
			t.Errorf("%s: nobody listens: %v", c.path, err)
		} else {
			conn.Close()
		}
		l.Close()
	}
	if c, err := net.Dial("unix", path("live")); err != nil {
		t.Errorf("the live socket was touched: %v", err)
	} else {
		c.Close()
	}
	live.Close()
	if b, err := os.ReadFile(path("file")); err != nil || string(b) != "mine" {
		t.Errorf("the file was touched: %q %v", b, err)
	}
	left, _ := filepath.Glob(path(".s*"))
	if len(left) > 0 {
		t.Errorf("folders %q are left", left)
	}
}

// TestSocketFileIsRemoved: at its close, once, and if it is still ours.
func TestSocketFileIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, second := newListening(t), newListening(t)
	if err := first.bind("http", "unix:"+path); err != nil {
		t.Fatal(err)
	}
	old := first.listeners[0]
	old.Listener.Close() // its process has died: the file is stale
	if err := second.bind("http", "unix:"+path); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err == nil {
		t.Error("closing twice what was closed below it: no error")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other's socket was removed: %v", err)
	}
	for i := range 2 {
		if err := second.listeners[0].Close(); err != nil {
			t.Errorf("close %d: %v", i+1, err)
		}
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
}

// TestAddresses: how clients reach a listener, by where it is bound.
func TestAddresses(t *testing.T) {
	for _, c := range []struct{ role, network, address, want string }{
		{"http", "tcp", "127.0.0.1:80", "http://127.0.0.1:80"},
		{"https", "tcp", "127.0.0.1:443", "https://127.0.0.1:443"},
		{"admin", "tcp", "[::1]:81", "http://[::1]:81"},
		{"https", "tcp", "0.0.0.0:443", "https://127.0.0.1:443"},
		{"https", "tcp", "[::]:443", "https://127.0.0.1:443"},
		{"https", "unix", "unix:/run/s", "unix:/run/s"},
	} {
		if got := (&listener{tls: c.role == "https", network: c.network, address: c.address}).url(); got != c.want {
			t.Errorf("%s on %s: got %s, want %s", c.role, c.address, got, c.want)
		}
	}
	for host, want := range map[string]bool{"": true, "0.0.0.0": true, "::": true, "192.0.2.1": true, "::ffff:192.0.2.1": true, "fe80::1%lo": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "localhost": false, "example.com": false} {
		if got := remote(host); got != want {
			t.Errorf("remote(%q): got %v, want %v", host, got, want)
		}
	}
	for _, c := range []struct {
		args string
		want map[string]string
	}{
		{"", map[string]string{"http": "h2c http/1.1", "https": "h2 http/1.1", "admin": "http/1.1"}},
		{"--disable-http2-serving", map[string]string{"http": "http/1.1", "https": "http/1.1", "admin": "http/1.1"}},
	} {
		o, _, _ := parseFlags(t, strings.Fields(c.args)...)
		for role, want := range c.want {
			if got := strings.Join(o.listen.protocols(role), " "); got != want {
				t.Errorf("%s %s: got %q, want %q", role, c.args, got, want)
			}
		}
	}
}

// TestReachableAddress: a name is judged by what it was bound to; all that was bound before
// an error is closed.
func TestReachableAddress(t *testing.T) {
	p := newListening(t, "--listen-http=127.0.0.1:0")
	for _, c := range []struct {
		role, address string
		insecure, ok  bool
	}{
		{"http", "localhost:0", false, true},
		{"http", "0.0.0.0:0", false, false},
		{"http", "0.0.0.0:0", true, true},
		{"https", "0.0.0.0:0", false, true},
		{"admin", "0.0.0.0:0", false, true}, // with TLS
		{"admin", "localhost:0", false, true},
	} {
		p.opt.listen.insecureAllowRemote = c.insecure
		n := len(p.listeners)
		err := p.bind(c.role, c.address)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "can be reached by others") || (len(p.listeners) > n) != c.ok {
			t.Errorf("%s on %s, insecure %v: got %v, want ok %v", c.role, c.address, c.insecure, err, c.ok)
		}
	}
	p = newListening(t, "--listen-http=127.0.0.1:0,127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin="+listenOn(t, "tcp", "127.0.0.1:0").Addr().String())
	err := p.listen(nil)
	if err == nil || !strings.HasPrefix(err.Error(), "--listen-admin: 127.0.0.1:") || !strings.Contains(err.Error(), "is in use: stop what listens there, or choose another address (port 0: any free one)") {
		t.Errorf("a port that is taken: %v", err)
	}
	if len(p.listeners) != 3 {
		t.Fatalf("%d listeners were bound before, want 3", len(p.listeners))
	}
	for _, l := range p.listeners {
		if !closed(l.Listener) {
			t.Errorf("%s %s is left open", l.role, l.address)
		}
	}
}

// TestPortIsShared: with SO_REUSEPORT on both, the kernel gives connections to each.
func TestPortIsShared(t *testing.T) {
	first := newListening(t, "--permit-port-sharing")
	if err := first.bind("http", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	address := first.listeners[0].address
	second := newListening(t, "--permit-port-sharing", "--permit-address-sharing")
	if err := second.bind("http", address); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"", "--permit-address-sharing"} {
		if err := newListening(t, strings.Fields(args)...).bind("http", address); err == nil || !strings.Contains(err.Error(), "is in use") {
			t.Errorf("%s without port sharing: %v", args, err)
		}
	}
	accepted := make(chan int, 1000)
	var loops sync.WaitGroup
	defer loops.Wait()
	for i, p := range []*program{first, second} {
		defer p.listeners[0].Close()
		loops.Go(func() {
			for {
				c, err := p.listeners[0].Accept()
				if err != nil {
					return
				}
				c.Close()
				accepted <- i
			}
		})
	}
	var count [2]int
	for n := 0; n < 500 && (count[0] == 0 || count[1] == 0); n++ {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		count[await(t, "the connection to be accepted", accepted)]++
		c.Close()
	}
	if count[0] == 0 || count[1] == 0 {
		t.Errorf("of all connections the first took %d, the second %d", count[0], count[1])
	}
	for i, p := range []*program{first, second} {
		if got := p.listeners[0].accepted.Load(); got != uint64(count[i]) {
			t.Errorf("listener %d counts %d connections, want %d", i, got, count[i])
		}
	}
}
