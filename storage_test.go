package main

import (
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What keeps the objects, through whole programs.

// until waits for something to become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("20s have passed, and still not: %s", what)
		}
	}
}

// TestStandinIsMemory: under upstream's name our own stand-in means memory, also one that begins to answer after
// the server has begun to ask; the environment settles it where nobody answers.
func TestStandinIsMemory(t *testing.T) {
	args := []string{"--bind-address=127.0.0.1", "--authorization-mode=RBAC"}
	for name, by := range map[string]struct {
		servers string
		env     map[string]string
	}{
		"one that answers": {"http://127.0.0.1:" + startStandin(t), nil},
		"the second":       {"http://127.0.0.1:1,127.0.0.1:" + startStandin(t), nil},
		"by environment":   {"https://127.0.0.1:1", map[string]string{storageVariable: "memory"}},
	} {
		r := startUpstream(t, by.env, append(args, "--secure-port="+freePort(t), "--etcd-servers="+by.servers)...)
		if r.kept.kind != inMemory {
			t.Errorf("%s: kept in %s", name, r.kept.kind)
		}
		if code := r.stop(); code != exitDrained {
			t.Errorf("%s: exit code %d: %s", name, code, r.err)
		}
	}
}

// TestKeptSigner: the key is made once, for its owner alone, and a folder that may not be written gets none.
func TestKeptSigner(t *testing.T) {
	path := filepath.Join(t.TempDir(), signerFile)
	if key, err := keptSigner(path, false); key != nil || err != nil {
		t.Fatalf("without a file: %v %v", key, err)
	}
	first, err := keptSigner(path, true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keptSigner(path, false)
	if err != nil || !first.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(again.Public()) {
		t.Errorf("another key: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keptSigner(path, true); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := keptSigner(filepath.Join(path, "x"), true); err == nil {
		t.Error("a key below a file")
	}
}
