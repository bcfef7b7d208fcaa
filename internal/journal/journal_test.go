package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"apichain/internal/store"
)

// opened returns a journal in a folder of the disk.
func opened(tb testing.TB, dir string, o Options) *Journal {
	tb.Helper()
	j, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

// storeOf opens a store over a journal. Who calls closes it.
func storeOf(tb testing.TB, j *Journal) *store.Store {
	tb.Helper()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 30})
	if err := s.Open(tb.Context(), j); err != nil {
		tb.Fatal(err)
	}
	return s
}

// draftOf returns a draft of an object with all that a meta can have.
func draftOf(name, value string) *store.Draft {
	d := store.Encode(map[string]any{
		"kind": "Thing", "value": value,
		"metadata": map[string]any{
			"name": name, "uid": "uid of " + name, "labels": map[string]any{"app": name, "tier": "x"},
			"finalizers": []any{"a/b"}, "deletionTimestamp": "2026-01-01T00:00:00Z",
			"ownerReferences": []any{map[string]any{
				"apiVersion": "v1", "kind": "Thing", "name": "owner", "uid": "1", "blockOwnerDeletion": true,
			}},
		},
	}, []string{name, ""})
	return &d
}

// put commits one object, whatever was there.
func put(tb testing.TB, s *store.Store, bucket, key, value string) *store.Object {
	tb.Helper()
	objs, err := s.Commit(context.Background(), store.Change{Bucket: s.Bucket(bucket), Key: key, Expect: -1, Next: draftOf(key, value)})
	if err != nil {
		tb.Fatal(err)
	}
	return objs[0]
}

// remove deletes one object, which must be there.
func remove(tb testing.TB, s *store.Store, bucket, key string) {
	tb.Helper()
	if _, err := s.Commit(context.Background(), store.Change{Bucket: s.Bucket(bucket), Key: key, Expect: -1}); err != nil {
		tb.Fatal(err)
	}
}

// show returns all that a store holds as text: its revision, and each object with its meta.
func show(s *store.Store) string {
	rev, all := s.Snapshots()
	var b strings.Builder
	fmt.Fprintln(&b, "revision", rev)
	for _, h := range all {
		for o := range h.Now.Scan("", "") {
			fmt.Fprintf(&b, "%s %s %d %s %+v\n", h.Bucket.Name, o.Key, o.Rev, o.Raw(), o.Meta)
		}
	}
	return b.String()
}

// What was committed is there after a restart, with its revisions and metas, and a watch from before goes on.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := storeOf(t, opened(t, dir, Options{First: 1000}))
	if got := s.Revision(); got != 1000 {
		t.Errorf("an empty folder begins at %d", got)
	}
	put(t, s, "things", "ns/a", "1")
	put(t, s, "widgets.example.com", "b", "<1>")
	put(t, s, "things", "ns/a", "2")
	put(t, s, "things", "ns/c", "1")
	remove(t, s, "things", "ns/c")
	want := show(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s = storeOf(t, opened(t, dir, Options{First: 5, Log: slog.New(slog.NewTextHandler(&log, nil))}))
	defer s.Close()
	if got := show(s); got != want {
		t.Errorf("after a restart there is\n%s\nnot\n%s", got, want)
	}
	c, err := s.Bucket("things").Watch(1001)
	if err != nil {
		t.Fatal(err)
	}
	events, _, err := c.Next(nil, 10)
	if err != nil || len(events) != 3 || events[2].Kind != store.Deleted {
		t.Errorf("a watch of before goes on with %d events, %v", len(events), err)
	}
	if put(t, s, "things", "ns/d", "1").Rev != 1006 {
		t.Error("revisions do not go on")
	}
	if log.Len() > 0 {
		t.Errorf("a folder that is whole is no news: %s", log.String())
	}
}
