package main

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEtcdEndpoints: what each text stands for, in upstream's forms; a scheme that is missing follows from what
// there is to trust or to show.
func TestEtcdEndpoints(t *testing.T) {
	for text, want := range map[string]struct{ plain, secure string }{
		"http://127.0.0.1:2379":     {"http://127.0.0.1:2379", "http://127.0.0.1:2379"},
		"https://etcd.example:2379": {"https://etcd.example:2379", "https://etcd.example:2379"},
		"https://etcd.example:1/":   {"https://etcd.example:1", "https://etcd.example:1"},
		"127.0.0.1:2379":            {"http://127.0.0.1:2379", "https://127.0.0.1:2379"},
		"localhost:65535":           {"http://localhost:65535", "https://localhost:65535"},
		"[::1]:2379":                {"http://[::1]:2379", "https://[::1]:2379"},
		"HTTP://h:1":                {"http://h:1", "http://h:1"},
	} {
		for secure, want := range map[bool]string{false: want.plain, true: want.secure} {
			o := storageOptions{servers: []string{text, "wrong"}}
			if secure {
				o.caFile = "ca"
			}
			if got, err := o.endpoint(text); got != want || err != nil {
				t.Errorf("%s, with a CA %t: %q %v, want %q", text, secure, got, err, want)
			}
			if got := o.endpoints(); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %q", text, got)
			}
		}
	}
	var o storageOptions
	for _, text := range []string{"", "h", "h:", ":1", "h:0", "h:65536", "h:http", "http://h:1/x", "http://h:1?x", "http://h:1#x", "http://u@h:1", "unix:///a", "://h:1", "http://h:1\x00"} {
		if got, err := o.endpoint(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestDataSync: the three forms of the flag.
func TestDataSync(t *testing.T) {
	for text, want := range map[string]time.Duration{"always": 0, "never": -1, "100ms": 100 * time.Millisecond, "1h": time.Hour} {
		o := storageOptions{syncText: text}
		if got, ok := o.sync(); got != want || !ok {
			t.Errorf("%s: %v %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "0", "0s", "-1s", "Always", "sometimes", "1"} {
		o := storageOptions{syncText: text}
		if got, ok := o.sync(); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// FuzzEtcdEndpoint: whatever is given is an error, or a URL of scheme, host and port that is the same once more.
func FuzzEtcdEndpoint(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:2379", "[::1]:1", "h:1", "https://h:65535/", "http://[fe80::1%25x]:1", "//h:1", "http://h:1//", "http://h:+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o storageOptions
		got, err := o.endpoint(text)
		if err != nil {
			if got != "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %q %q", text, got, err)
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.User != nil {
			t.Fatalf("%q is %q: %v", text, got, err)
		}
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			t.Errorf("%q is %q: %v", text, got, err)
		}
		if again, err := o.endpoint(got); again != got || err != nil {
			t.Errorf("%q is %q, and that %q %v", text, got, again, err)
		}
	})
}
