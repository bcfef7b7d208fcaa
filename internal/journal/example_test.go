package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"apichain/internal/journal"
	"apichain/internal/store"
)

// What one process has committed is there for the next.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "data-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	draft := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}}, nil)
	for range 2 {
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			log.Fatal(err)
		}
		s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
		if err := s.Open(ctx, j); err != nil {
			log.Fatal(err)
		}
		maps := s.Bucket("configmaps")
		now := maps.Now()
		fmt.Println("at", s.Revision(), "there are", now.Count())
		_, err = s.Commit(ctx, store.Change{Bucket: maps, Key: "ns/a", Next: &draft})
		fmt.Println(err)
		if err := s.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// at 1 there are 0
	// <nil>
	// at 2 there are 1
	// configmaps "ns/a" is at revision 2
}

// A backup is a file, and a folder with nothing else is one to begin with.
func ExampleBackup() {
	ctx := context.Background()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	draft := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}}, nil)
	if _, err := s.Commit(ctx, store.Change{Bucket: s.Bucket("configmaps"), Key: "ns/a", Next: &draft}); err != nil {
		log.Fatal(err)
	}
	var backup bytes.Buffer
	rev, err := journal.Backup(s, &backup)
	fmt.Println("backup of", rev, err)

	dir, err := os.MkdirTemp("", "data-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "tuesday"), backup.Bytes(), 0o600); err != nil {
		log.Fatal(err)
	}
	report, err := journal.Check(dir)
	fmt.Println(report.Whole(), report.Objects, report.Revision, err)
	err = journal.Dump(dir, os.Stdout)
	fmt.Println(err)
	// Output:
	// backup of 2 <nil>
	// true 1 2 <nil>
	// {"revision":2,"type":"SNAPSHOT","bucket":"configmaps","key":"ns/a","object":{"metadata":{"name":"a","resourceVersion":"2"}}}
	// <nil>
}
