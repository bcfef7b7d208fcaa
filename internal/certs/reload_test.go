package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// serveTLS answers every handshake with what the server saw: how many certificates the
// client showed, and whether it resumed. It ends with the test.
func serveTLS(t testing.TB, c *Loader) (address string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(inner, c.TLSConfig([]string{"h2", "http/1.1"}))
	var owned sync.WaitGroup
	owned.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			owned.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				tc := conn.(*tls.Conn)
				if tc.Handshake() == nil {
					s := tc.ConnectionState()
					fmt.Fprintf(tc, "%d %t", len(s.PeerCertificates), s.DidResume)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		owned.Wait()
	})
	return inner.Addr().String()
}

// shake is one connection: its state and what the server said.
func shake(address string, config *tls.Config) (tls.ConnectionState, string, error) {
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return tls.ConnectionState{}, "", err
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	config = config.Clone()
	config.InsecureSkipVerify = true
	c := tls.Client(raw, config)
	said, err := io.ReadAll(c)
	return c.ConnectionState(), string(said), err
}

// served is the common name of the certificate that a handshake gets.
func served(t testing.TB, address, serverName string) string {
	t.Helper()
	s, _, err := shake(address, &tls.Config{ServerName: serverName})
	if err != nil {
		t.Fatalf("%q: %v", serverName, err)
	}
	return s.PeerCertificates[0].Subject.CommonName
}

func TestSNI(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for name, c := range map[string]*x509.Certificate{
		"serving":   {DNSNames: []string{"serving.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
		"noaddress": {DNSNames: []string{"serving.example"}},
		"a":         {DNSNames: []string{"a.example", "*.wild.example"}},
		"b":         {DNSNames: []string{"a.example", "x.wild.example", "serving.example"}},
		"address":   {DNSNames: []string{"address.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
	} {
		cert, key := putPair(t, dir, name, c)
		files[name] = cert + "," + key
	}
	for _, tt := range []struct {
		name       string
		serving    string // "": serving
		sni        []string
		serverName string
		want       string
	}{
		{name: "no pair for it", sni: []string{"a", "b"}, serverName: "other.example", want: "serving"},
		{name: "name of the certificate", sni: []string{"a"}, serverName: "a.example", want: "a"},
		{name: "upper case", sni: []string{"a"}, serverName: "A.Example", want: "a"},
		{name: "first of equals", sni: []string{"b", "a"}, serverName: "a.example", want: "b"},
		{name: "first of given equals", sni: []string{"a:g.example", "b:g.example"}, serverName: "g.example", want: "a"},
		{name: "given beats that of a certificate", sni: []string{"a", "b:a.example"}, serverName: "a.example", want: "b"},
		{name: "given replaces those of the certificate", sni: []string{"a:g.example"}, serverName: "a.example", want: "serving"},
		{name: "exact beats wildcard", sni: []string{"a", "b"}, serverName: "x.wild.example", want: "b"},
		{name: "exact of a certificate beats given wildcard", sni: []string{"a:*.wild.example", "b"}, serverName: "x.wild.example", want: "b"},
		{name: "given wildcard beats that of a certificate", sni: []string{"a", "b:*.wild.example"}, serverName: "y.wild.example", want: "b"},
		{name: "wildcard of a certificate", sni: []string{"b", "a"}, serverName: "y.wild.example", want: "a"},
		{name: "a wildcard is one label", sni: []string{"a"}, serverName: "z.y.wild.example", want: "serving"},
		{name: "a wildcard is not its domain", sni: []string{"a"}, serverName: "wild.example", want: "serving"},
		{name: "a pair beats the serving certificate", sni: []string{"b"}, serverName: "serving.example", want: "b"},
		{name: "no name", sni: []string{"a", "address"}, want: "serving"},
		{name: "no name, given address", sni: []string{"a", "b:127.0.0.1"}, want: "b"},
		{name: "no name, address of a certificate", serving: "noaddress", sni: []string{"a", "address"}, want: "address"},
		{name: "no name, given address first", serving: "noaddress", sni: []string{"address", "b:127.0.0.1"}, want: "b"},
		{name: "no name, nobody has the address", serving: "noaddress", sni: []string{"a", "b"}, want: "noaddress"},
		{name: "no pairs", serverName: "other.example", want: "serving"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, key, _ := strings.Cut(files[cmp.Or(tt.serving, "serving")], ",")
			config := Config{CertFile: cert, KeyFile: key}
			for _, s := range tt.sni {
				name, given, named := strings.Cut(s, ":")
				var pair SNI
				pair.Cert, pair.Key, _ = strings.Cut(files[name], ",")
				if named {
					pair.Names = []string{given}
				}
				config.SNI = append(config.SNI, pair)
			}
			if got := served(t, serveTLS(t, newTestLoader(t, io.Discard, config)), tt.serverName); got != tt.want {
				t.Errorf("%q: got %s, want %s", tt.serverName, got, tt.want)
			}
		})
	}
}

// TestHandshakes: what is refused is refused with an alert that says so.
func TestHandshakes(t *testing.T) {
	cbc := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
	chosen := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	for _, tt := range []struct {
		name   string
		config Config
		client *tls.Config
		want   string // version and suite, or the refusal
	}{
		{"newest", Config{}, &tls.Config{}, "TLS 1.3 TLS_AES_128_GCM_SHA256"},
		{"1.2", Config{}, &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{"1.1", Config{}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version not supported"},
		{"1.0", Config{}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "protocol version not supported"},
		{"1.2 below the minimum", Config{MinVersion: tls.VersionTLS13}, &tls.Config{MaxVersion: tls.VersionTLS12}, "protocol version not supported"},
		{"CBC", Config{}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: cbc}, "handshake failure"},
		{"a chosen suite", Config{Suites: chosen}, &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		{"a suite not chosen", Config{Suites: chosen}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, "handshake failure"},
		{"a chosen key exchange", Config{Curves: []tls.CurveID{tls.X25519, tls.CurveP256}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, "TLS 1.3"},
		{"in 1.2 too", Config{Curves: []tls.CurveID{tls.X25519}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}, MaxVersion: tls.VersionTLS12}, "TLS 1.2"},
		{"any is left to Go", Config{}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, "TLS 1.3"},
		{"a key exchange not chosen", Config{Curves: []tls.CurveID{tls.X25519}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, "handshake failure"},
		{"nor in 1.2", Config{Curves: []tls.CurveID{tls.X25519}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}, MaxVersion: tls.VersionTLS12}, "handshake failure"},
		{"1.3 has its suites whatever is chosen", Config{Suites: chosen}, &tls.Config{MinVersion: tls.VersionTLS13}, "TLS 1.3 TLS_AES_128_GCM_SHA256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, err := shake(serveTLS(t, newTestLoader(t, io.Discard, tt.config)), tt.client)
			got := tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestClientCertificates: one is asked for and not judged, and it is there again when the
// client resumes, for the authenticator to judge by the CAs of then.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := newTestCA(t)
	caFile := filepath.Join(dir, "ca.crt")
	put(t, caFile, certPEM(ca.cert))
	address := serveTLS(t, newTestLoader(t, io.Discard, Config{ClientCAs: caFile}))
	stranger, key := signTestCert(t, newTestCA(t), &x509.Certificate{Subject: pkix.Name{CommonName: "stranger"}})
	certs := []tls.Certificate{{Certificate: [][]byte{stranger.Raw}, PrivateKey: key}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			certs []tls.Certificate
			n     int
		}{{nil, 0}, {certs, 1}} {
			config := &tls.Config{ServerName: "localhost", MinVersion: version, MaxVersion: version, Certificates: tt.certs, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for _, resumed := range []bool{false, true} {
				want := fmt.Sprintf("%d %t", tt.n, resumed)
				if _, got, err := shake(address, config); err != nil || got != want {
					t.Errorf("%s: the server saw %q %v, want %q (certificates, resumed)", tls.VersionName(version), got, err, want)
				}
			}
		}
	}
}

// TestReloadUnderHandshakes: while certificates change, one file after the other, no
// handshake fails, and each new one is served as soon as its pair is whole.
func TestReloadUnderHandshakes(t *testing.T) {
	dir := t.TempDir()
	cert, key := putPair(t, dir, "0", &x509.Certificate{})
	c := newTestLoader(t, io.Discard, Config{CertFile: cert, KeyFile: key})
	address := serveTLS(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	done := make([]int, 3)
	started := make(chan struct{}, len(done))
	for i := range done {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := shake(address, &tls.Config{ServerName: "localhost"}); err != nil {
					t.Errorf("a handshake failed: %v", err)
				}
				if done[i]++; done[i] == 1 {
					started <- struct{}{}
				}
			}
		})
	}
	for range done {
		<-started
	}
	last := "0"
	for i := 1; i <= 20; i++ {
		name := fmt.Sprint(i)
		newCert, newKey := putPair(t, dir, name, &x509.Certificate{})
		for _, step := range []struct{ from, to, want string }{{newKey, key, last}, {newCert, cert, name}} {
			if err := os.Rename(step.from, step.to); err != nil {
				t.Fatal(err)
			}
			c.Reload()
			if got := served(t, address, ""); got != step.want {
				t.Errorf("after %s changed: got %s, want %s", filepath.Base(step.to), got, step.want)
			}
		}
		last = name
	}
	cancel()
	load.Wait()
	t.Logf("%d handshakes beside 40 reloads", done[0]+done[1]+done[2])
}

// TestBadFile: what cannot be loaded changes nothing but the log and the failures that are told; each
// bad content is reported once, and again for a signal; the next good one ends it.
func TestBadFile(t *testing.T) {
	type state struct{ serial, sni, clients, proxies string }
	for _, tt := range []struct {
		name, file string
		spoil      func(t *testing.T, path string)
		want       string
	}{
		{"garbage", "tls.crt", spoilWith("garbage"), "PEM"},
		{"empty", "tls.crt", spoilWith(""), "PEM"},
		{"missing", "tls.crt", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		{"key of another", "tls.key", func(t *testing.T, path string) {
			_, key := putPair(t, t.TempDir(), "other", &x509.Certificate{})
			if err := os.Rename(key, path); err != nil {
				t.Fatal(err)
			}
		}, "does not match"},
		{"name's pair", "sni.crt", spoilWith("garbage"), "PEM"},
		{"client CA", "clients.crt", spoilWith("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "x509"},
		{"client CA emptied", "clients.crt", spoilWith(""), "holds no certificate"},
		{"front proxy CA", "proxies.crt", spoilWith("garbage"), "holds no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, log := t.TempDir(), &lines{}
			cert, key := putPair(t, dir, "tls", &x509.Certificate{})
			sniCert, sniKey := putPair(t, dir, "sni", &x509.Certificate{})
			clients, _ := putPair(t, dir, "clients", &x509.Certificate{})
			proxies, _ := putPair(t, dir, "proxies", &x509.Certificate{})
			c := newTestLoader(t, log, Config{
				CertFile: cert, KeyFile: key, SNI: []SNI{{sniCert, sniKey, []string{"sni.example"}}}, ClientCAs: clients, RequestHeaderCAs: proxies,
			})
			var events []Event
			c.OnReload(func(e Event) { events = append(events, e) })
			now := func() state {
				pairs := c.Pairs()
				return state{pairs[0].Cert.Leaf.SerialNumber.String(), pairs[1].Cert.Leaf.SerialNumber.String(), fmt.Sprintf("%p", c.ClientCAs()), fmt.Sprintf("%p", c.RequestHeaderCAs())}
			}
			path := filepath.Join(dir, tt.file)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			was := now()
			if c.check(false); len(events) > 0 {
				t.Fatalf("nothing changed: got %+v", events)
			}

			tt.spoil(t, path)
			c.check(false)
			if got := now(); got != was {
				t.Errorf("got %+v, want %+v still", got, was)
			}
			if len(events) != 1 || events[0].Err == nil || !strings.Contains(events[0].Err.Error(), path) || !strings.Contains(events[0].Err.Error(), tt.want) {
				t.Fatalf("got events %+v, want one with %s and %q", events, path, tt.want)
			}
			if !log.has(path) || !log.has(tt.want) {
				t.Errorf("log %q, want %s and %q", log, path, tt.want)
			}
			if tt.file != "proxies.crt" { // nobody asks for those of front proxies
				if got := failures(c); len(got) != 1 || !strings.Contains(got[0], path) {
					t.Errorf("it has failures %q, want one that names %s", got, path)
				}
			}

			touch(t, path)
			if c.check(false); len(events) != 1 {
				t.Errorf("the same content again: got events %+v, want no further one", events[1:])
			}
			c.Reload()
			failed := slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Err == nil })
			if len(failed) != 2 || strings.Count(log.String(), "level=ERROR") != 2 {
				t.Errorf("a signal: got %d failures and log %q, want it reported again", len(failed), log)
			}

			put(t, path, good)
			events = nil
			if c.check(false); len(events) != 1 || events[0].Err != nil {
				t.Errorf("good again: got events %+v, want one reload", events)
			}
			if got := failures(c); len(got) > 0 {
				t.Errorf("it still has failures %q", got)
			}
			tt.spoil(t, path)
			if c.check(false); len(events) != 2 || events[1].Err == nil {
				t.Errorf("bad after good: got events %+v, want it reported", events)
			}
		})
	}
}

func spoilWith(content string) func(*testing.T, string) {
	return func(t *testing.T, path string) { put(t, path, []byte(content)) }
}

// touch changes the time of a file; one that is not there has none.
func touch(t *testing.T, path string) {
	t.Helper()
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// failures are those of the certificates and the client CAs in use.
func failures(l *Loader) (out []string) {
	if f := l.Failure(l.ClientCASet().Source); f != nil {
		out = append(out, f.Text)
	}
	for _, p := range l.Pairs() {
		if f := l.Failure(p.Source); f != nil {
			out = append(out, f.Text)
		}
	}
	return out
}

// TestWatch: a change is seen within a second, also one of the time alone or through a
// symbolic link as Kubernetes mounts secrets, and the watch ends with its context.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	ca, _ := putPair(t, dir, "v1", &x509.Certificate{})
	next, _ := putPair(t, dir, "v2", &x509.Certificate{})
	link := filepath.Join(dir, "ca.crt")
	if err := os.Symlink(ca, link); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{ClientCAs: link}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		events := make(chan Event, 10)
		c.OnReload(func(e Event) { events <- e })
		ctx, cancel := context.WithCancel(t.Context())
		var owned sync.WaitGroup
		owned.Go(func() { c.Watch(ctx) })
		<-time.After(time.Hour)
		if len(events) > 0 {
			t.Errorf("nothing changed in an hour: got %+v", <-events)
		}
		for _, change := range []struct {
			name    string
			do      func() error
			subject string
		}{
			{"link moved", func() error {
				if err := os.Symlink(next, link+".new"); err != nil {
					return err
				}
				return os.Rename(link+".new", link)
			}, "CN=v2"},
			{"time", func() error { return os.Chtimes(next, time.Now(), time.Now()) }, "CN=v2"},
			{"link moved back", func() error {
				if err := os.Symlink(ca, link+".new"); err != nil {
					return err
				}
				return os.Rename(link+".new", link)
			}, "CN=v1"},
		} {
			before := c.ClientCAs()
			start := time.Now()
			if err := change.do(); err != nil {
				t.Fatal(err)
			}
			e := <-events
			if took := time.Since(start); e.Err != nil || took > time.Second {
				t.Errorf("%s: got %+v after %v, want a reload within a second", change.name, e, took)
			}
			if got := c.ClientCASet().Subjects; !slices.Equal(got, []string{change.subject}) || c.ClientCAs() == before {
				t.Errorf("%s: CAs %q, want a new pool of %s", change.name, got, change.subject)
			}
		}
		cancel()
		owned.Wait()
	})
}
