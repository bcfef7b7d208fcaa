package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestStrictCRDs: a start that asks for what there is no longer goes on, and is told.
func TestStrictCRDs(t *testing.T) {
	for _, args := range [][]string{nil, {"--strict-crds"}, {"--strict-crds=false"}} {
		var told bytes.Buffer
		o, f := newOptions()
		if wrong, err := o.parse(f, append([]string{"--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off"}, args...)); err != nil || len(wrong) > 0 {
			t.Fatal(wrong, err)
		}
		p := newProgram(o, f, io.Discard, &told)
		if err := errors.Join(p.readNamedFiles(), p.loadIdentity()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(told.String(), "--strict-crds: deprecated, has no effect"); got != o.customs.strict {
			t.Errorf("%q is told %q", args, told.String())
		}
	}
}
