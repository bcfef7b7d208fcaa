package main

import (
	"bytes"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/store"
)

// readyProgram is a test program at the moment after ready: it has the namespaces a and
// a-b, with two config maps, and a definition with one object of it.
func readyProgram(t testing.TB) *program {
	t.Helper()
	p := newTestProgram(t)
	for _, manifest := range []string{
		widgetCRD,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a-b"}}`,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}`,
		configMap("a", "one", "1"), configMap("a-b", "two", "2"), widget("a", "w", "3"),
	} {
		p.applied(t, manifest)
	}
	p.store.ExpireHistory()
	p.restorer.Keep()
	return p
}

// applied writes a manifest as a client would.
func (p *program) applied(t testing.TB, manifest string) *store.Object {
	t.Helper()
	return apitest.Apply(t, p.api, manifest)
}

// removed takes an object out of the store, whatever holds it.
func (p *program) removed(t testing.TB, resource, key string) {
	t.Helper()
	apitest.Remove(t, p.store, resource, key)
}

// held returns all objects without their revisions, by resource and key.
func (p *program) held() map[string]string { return apitest.Contents(p.store) }

// stored returns an object as it is stored, nil if there is none.
func (p *program) stored(resource, key string) *store.Object {
	return apitest.Stored(p.store, resource, key)
}

// snapshotText is the snapshot that the admin API gives.
func (p *program) snapshotText(t testing.TB) []byte {
	t.Helper()
	s, refused := source{p}.Snapshot()
	if refused != nil {
		t.Fatal(refused)
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != s.Size {
		t.Errorf("a snapshot of %d bytes says %d", b.Len(), s.Size)
	}
	return b.Bytes()
}
