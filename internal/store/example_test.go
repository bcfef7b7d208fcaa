package store_test

import (
	"context"
	"fmt"
	"log"

	"apichain/internal/store"
)

// A write is a commit; a snapshot of before does not have it, and a cursor of before sends it.
func Example() {
	ctx := context.Background()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	maps := s.Bucket("configmaps")
	draft := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}}, nil)

	before := maps.Now()
	cursor, err := maps.Watch(before.Rev)
	if err != nil {
		log.Fatal(err)
	}
	objs, err := s.Commit(ctx, store.Change{Bucket: maps, Key: "ns/a", Next: &draft})
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Commit(ctx, store.Change{Bucket: maps, Key: "ns/a", Next: &draft})
	fmt.Println(err)

	now := maps.Now()
	fmt.Println(before.Count(), now.Count(), now.Get("ns/a") == objs[0])
	events, _, err := cursor.Next(nil, 100)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		fmt.Printf("%s", e.Object.Line)
	}
	// Output:
	// configmaps "ns/a" is at revision 2
	// 0 1 true
	// {"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"2"}}}
}

// A watcher takes what is there and waits when there is nothing. A revision that it was told by
// somebody else it can await first.
func ExampleCursor_Next() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	b := s.Bucket("things")
	cursor, err := b.Watch(s.Revision())
	if err != nil {
		log.Fatal(err)
	}
	draft := store.Encode(map[string]any{}, nil)
	go func() {
		for _, key := range []string{"a", "b", "c"} {
			_, _ = s.Commit(ctx, store.Change{Bucket: b, Key: key, Next: &draft})
		}
	}()
	for seen := 0; seen < 3; {
		events, wait, err := cursor.Next(nil, 100)
		if err != nil {
			log.Fatal(err) // a *store.Expired: list again
		}
		for _, e := range events {
			fmt.Printf("%c %s\n", e.Kind, e.Object.Key)
			seen++
		}
		if wait != nil {
			<-wait
		}
	}
	fmt.Println(s.Await(ctx, 4), s.Revision())
	// Output:
	// A a
	// A b
	// A c
	// <nil> 4
}

// Watchers that want the same form of an event send one encoding of it.
func ExampleEvent_Form() {
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	b := s.Bucket("things")
	draft := store.Encode(map[string]any{}, nil)
	resource := &struct{ plural string }{"things"}
	var watchers [3]*store.Cursor
	for i := range watchers {
		watchers[i], _ = b.Watch(s.Revision())
	}
	_, _ = s.Commit(context.Background(), store.Change{Bucket: b, Key: "a", Next: &draft})
	for _, w := range watchers {
		events, _, _ := w.Next(nil, 100)
		for _, e := range events {
			line := e.Form(store.FormKey{View: resource, Form: "Partial v1", Kind: e.Kind}, func() []byte {
				fmt.Println("encoding", e.Object.Key)
				return []byte("its metadata")
			})
			fmt.Printf("%s\n", line)
		}
	}
	// Output:
	// encoding a
	// its metadata
	// its metadata
	// its metadata
}
