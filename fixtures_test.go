package main

import (
	"apichain/internal/api/apitest"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFixturesNamedTwice(t *testing.T) {
	o, f := newOptions()
	wrong, err := o.parse(f, []string{"--fixtures=a,./a,b"})
	if err != nil || len(wrong) != 1 || !strings.HasPrefix(wrong[0], `--fixtures: "./a" is named twice`) {
		t.Errorf("%v %q", err, wrong)
	}
}

// A program with fixtures has them before it is ready, and reset goes back to them; one
// whose fixtures are wrong exits with 1 and says each.
func TestFixturesAtStart(t *testing.T) {
	dir := apitest.Files(t, map[string]string{"a.yaml": configMap("default", "x", "1")})
	r := startProgram(t, nil, "--fixtures="+dir)
	if r.stored("configmaps", "default/x") == nil {
		t.Error("ready without the fixture")
	}
	r.removed(t, "configmaps", "default/x")
	if _, refused := r.restorer.Reset(context.Background()); refused != nil || r.stored("configmaps", "default/x") == nil {
		t.Errorf("reset: %+v", refused)
	}

	wrong := apitest.Files(t, map[string]string{"a.yaml": "kind: X\n---\n[", "b.yaml": "7"})
	r = launchProgram(t, nil, "--fixtures="+wrong)
	select {
	case code := <-r.code:
		if r.exited = true; code != exitFailed {
			t.Errorf("exited with %d", code)
		}
	case <-time.After(time.Minute):
		t.Fatal("still running")
	}
	for _, want := range []string{filepath.Join(wrong, "a.yaml") + ": yaml: line ", filepath.Join(wrong, "b.yaml") + ": document 1 is no object"} {
		if n := strings.Count(r.err.String(), "\napichain: --fixtures: "+want); n != 1 {
			t.Errorf("%d lines with %q in:\n%s", n, want, r.err)
		}
	}
}
