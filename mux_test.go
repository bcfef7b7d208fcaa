package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func muxOf(t testing.TB, paths ...string) *mux {
	t.Helper()
	m := newMux("core")
	for _, p := range paths {
		add, path := m.handle, p
		if s, ok := strings.CutSuffix(p, "*"); ok {
			add, path = m.handlePrefix, s
		}
		if err := add(path, nothing, true, "here.go:1"); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// found is the pattern that serves path, with * after a prefix.
func found(m *mux, path string) string {
	r := m.find(path)
	switch {
	case r == nil:
		return ""
	case r.kind == kindPrefix:
		return r.pattern + "*"
	}
	return r.pattern
}

// TestMuxFind has the facts of upstream's TestPrefixHandlers first.
func TestMuxFind(t *testing.T) {
	m := muxOf(t, "/prefix/*", "/prefix/sub/*", "/prefix/sub/exact", "/other/*", "/prefix", "/dir/", "/both/", "/both/*", "/e//*", "/{x}/*")
	for _, row := range []struct{ path, want string }{
		{"/other", ""},
		{"/other/", "/other/*"},
		{"/prefix", "/prefix"},
		{"/prefix/", "/prefix/*"},
		{"/prefix/su", "/prefix/*"},
		{"/prefix/sub", "/prefix/*"},
		{"/prefix/sub/", "/prefix/sub/*"},
		{"/prefix/sub/x/y", "/prefix/sub/*"},
		{"/prefix/subx/y", "/prefix/*"},
		{"/prefix/sub/exact", "/prefix/sub/exact"},
		{"/prefix/sub/exact/", "/prefix/sub/*"},
		{"/prefix//sub/exact", "/prefix/*"},
		{"/dir", ""},
		{"/dir/", "/dir/"},
		{"/dir/x", ""},
		{"/both/", "/both/"},
		{"/both/x", "/both/*"},
		{"/e/x", ""},
		{"/e//x", "/e//*"},
		{"/{x}/y", "/{x}/*"}, // a brace is a letter here
		{"/z/y", ""},
		{"/", ""}, {"", ""}, {"*", ""}, {"prefix/", ""},
	} {
		if got := found(m, row.path); got != row.want {
			t.Errorf("%q is for %q, want %q", row.path, got, row.want)
		}
	}
	m = muxOf(t, "/*", "/a/*")
	for path, want := range map[string]string{"/": "/*", "/x": "/*", "/a": "/*", "/a/": "/a/*", "*": "", "": ""} {
		if got := found(m, path); got != want {
			t.Errorf("with a prefix of everything: %q is for %q, want %q", path, got, want)
		}
	}
}

// TestMuxSecret: upstream's TestSecretHandlers.
func TestMuxSecret(t *testing.T) {
	m := muxOf(t, "/swagger", "/b/*", "/b/")
	if err := m.handle("/secret", nothing, false, "x"); err != nil {
		t.Fatal(err)
	}
	if found(m, "/secret") != "/secret" {
		t.Error("an unlisted path is not served")
	}
	if got := strings.Join(m.listedPaths(), " "); got != "/b/ /swagger" {
		t.Errorf("listed: %s", got)
	}
	if got := len(m.routes()); got != 4 {
		t.Errorf("%d routes, want 4, the unlisted one too", got)
	}
}

func TestMuxRefuses(t *testing.T) {
	m := muxOf(t, "/a", "/p/*")
	for _, row := range []struct {
		err  error
		want string
	}{
		{m.handle("/a", nothing, false, "b.go:2"), `the path "/a" (b.go:2) was already registered at here.go:1`},
		{m.handlePrefix("/p/", nothing, true, "b.go:2"), `the path "/p/" (b.go:2) was already registered at here.go:1`},
		{m.handlePrefix("/q", nothing, true, "b.go:2"), `the prefix "/q" (b.go:2) must begin and end with a slash`},
		{m.handlePrefix("", nothing, true, "b.go:2"), `the prefix "" (b.go:2) must begin and end with a slash`},
		{m.handle("", nothing, true, "b.go:2"), `the path "" (b.go:2) must begin with a slash`},
		{m.handle("q", nothing, true, "b.go:2"), `the path "q" (b.go:2) must begin with a slash`},
		{m.handle("/q", nil, true, "b.go:2"), `the path "/q" (b.go:2) has no handler`},
	} {
		if row.err == nil || row.err.Error() != row.want {
			t.Errorf("got %v, want %s", row.err, row.want)
		}
	}
	if got := len(m.routes()); got != 2 {
		t.Errorf("%d routes after refusals, want 2", got)
	}
}

func TestMuxProperty(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	word := func() string {
		s := ""
		for range rnd.IntN(5) {
			s += "/" + []string{"a", "b", "ab", ""}[rnd.IntN(4)]
		}
		return s
	}
	for range 100 {
		m, exact, prefixes := newMux("core"), []string{}, []string{}
		for range rnd.IntN(40) {
			path := word() + "/"
			if rnd.IntN(2) == 0 && m.handle(path, nothing, true, "x") == nil {
				exact = append(exact, path)
			} else if m.handlePrefix(path, nothing, true, "x") == nil {
				prefixes = append(prefixes, path)
			}
			path, want := word(), ""
			for _, p := range prefixes {
				if strings.HasPrefix(path, p) && len(p) >= len(want) {
					want = p + "*"
				}
			}
			if slices.Contains(exact, path) {
				want = path
			}
			if got := found(m, path); got != want {
				t.Fatalf("%q with %q and prefixes %q: %q, want %q", path, exact, prefixes, got, want)
			}
		}
	}
}

// TestMuxManyPaths: registering before the first lookup is linear, so this ends at once.
func TestMuxManyPaths(t *testing.T) {
	m := newMux("core")
	for i := range 100_000 {
		if err := m.handle(fmt.Sprintf("/healthz/%d", i), nothing, true, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if m.table.now.Load() != nil {
		t.Error("compiled before anybody looked")
	}
	if found(m, "/healthz/99999") == "" || len(m.listedPaths()) != 100_000 {
		t.Error("paths are missing")
	}
}
