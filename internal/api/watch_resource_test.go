package api_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestWatchAndState: a list and a watch from its revision, or a watch that begins with the
// state, lead to what a list shows later; bookmarks never say too much.
func TestWatchAndState(t *testing.T) {
	c := startClients(t)
	for i := range 20 {
		c.Must(201, "POST", mapsPath, mapObject("o-"+itoa(i)))
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := "o-" + itoa(rand.N(30))
				switch rand.N(3) {
				case 0:
					c.Try("POST", mapsPath, mapObject(name))
				case 1:
					c.Try("PATCH", mapsPath+"/"+name, fmt.Sprintf(`{"data":{"i":"%d-%d"}}`, w, i))
				default:
					c.Try("DELETE", mapsPath+"/"+name, nil)
				}
			}
		})
	}
	type follower struct {
		watch *apitest.Watch
		state map[string]string
	}
	var followers []*follower
	for i := range 6 {
		f := &follower{state: map[string]string{}}
		if i%2 == 0 {
			list := c.Must(200, "GET", mapsPath, nil)
			for _, item := range tree.List(list, "items") {
				f.state[tree.Name(item.(map[string]any))] = tree.Text(item, "metadata", "resourceVersion")
			}
			f.watch = c.Watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&resourceVersion="+revision(list))
		} else {
			f.watch = c.Watch(t, mapsPath+"?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
			for {
				e := f.watch.Next()
				if e.Type == "BOOKMARK" {
					if tree.At(e.Obj, "metadata", "annotations", "k8s.io/initial-events-end") != "true" || e.Obj["kind"] != "ConfigMap" {
						t.Fatalf("the bookmark: %v", e.Obj)
					}
					break
				}
				if e.Type != "ADDED" {
					t.Fatalf("%s before the state was complete", e.Type)
				}
				f.state[tree.Name(e.Obj)] = revision(e.Obj)
			}
		}
		followers = append(followers, f)
		for range 20 { // let the writers go on
			c.Must(200, "GET", spacesPath+"/default", nil)
		}
	}
	close(stop)
	all.Wait()
	end := c.Must(201, "POST", mapsPath, mapObject("the-end"))
	list := c.Must(200, "GET", mapsPath, nil)
	want := map[string]string{}
	for _, item := range tree.List(list, "items") {
		want[tree.Name(item.(map[string]any))] = tree.Text(item, "metadata", "resourceVersion")
	}
	for i, f := range followers {
		for done := false; !done; {
			e := f.watch.Next()
			switch done = revision(e.Obj) == revision(end); e.Type {
			case "DELETED":
				delete(f.state, tree.Name(e.Obj))
			default:
				f.state[tree.Name(e.Obj)] = revision(e.Obj)
			}
		}
		if fmt.Sprint(f.state) != fmt.Sprint(want) {
			t.Errorf("follower %d:\n got %v\nwant %v", i, f.state, want)
		}
	}
}

// TestBookmarks come in order with the events, and say no less than has been sent.
func TestBookmarks(t *testing.T) {
	c := startClients(t, everyFewMilliseconds)
	watch := c.Watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
	without := c.Watch(t, mapsPath+"?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name=last")
	other := c.Watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&resourceVersion="+revision(c.Must(200, "GET", mapsPath, nil))+"&fieldSelector=metadata.name%3Dnone")
	var all sync.WaitGroup
	var end int64
	// The writes go on until a bookmark has come between them, however fast they are.
	var marked atomic.Bool
	all.Go(func() {
		for i := 0; i < 200 || !marked.Load() && i < 20_000; i++ {
			c.Try("POST", mapsPath, mapObject("o-"+itoa(i)))
			c.Try("POST", spacesPath+"/kube-system/secrets", map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": "s-" + itoa(i)}})
		}
		_, last := c.Try("POST", mapsPath, mapObject("last"))
		end, _ = strconv.ParseInt(revision(last), 10, 64)
	})
	var last int64
	for name := ""; name != "last"; {
		e := watch.Next()
		if e.Type == "BOOKMARK" {
			marked.Store(true)
			if e.Revision() < last {
				t.Errorf("a bookmark of %d after %d", e.Revision(), last)
			}
			if m := tree.Object(e.Obj, "metadata"); len(e.Obj) != 3 || len(m) != 1 {
				t.Errorf("a bookmark: %v", e.Obj)
			}
		} else if name = tree.Name(e.Obj); e.Revision() <= last {
			t.Errorf("revision %d after %d", e.Revision(), last)
		}
		last = max(last, e.Revision())
	}
	all.Wait()
	if !marked.Load() {
		t.Error("no bookmark")
	}
	if e := without.Next(); tree.Name(e.Obj) != "last" {
		t.Errorf("who asked for no bookmarks got %v", e)
	}
	// A watch that selects nothing gets on by bookmarks alone.
	for {
		e := other.Next()
		if e.Type != "BOOKMARK" {
			t.Fatalf("got %v", e)
		}
		if e.Revision() >= end {
			break
		}
	}
}

// TestWatchTimeout: it ends in order at its time, with a bookmark two seconds before, and
// events until the end.
func TestWatchTimeout(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	begun := time.Now()
	watch := c.Watch(t, mapsPath+"?watch=1&timeoutSeconds=3&allowWatchBookmarks=1&resourceVersion="+revision(c.Must(200, "GET", mapsPath, nil)))
	if e := watch.Next(); e.Type != "BOOKMARK" {
		t.Errorf("got %v, want a bookmark", e)
	}
	c.Must(201, "POST", mapsPath, mapObject("late"))
	if e := watch.Next(); tree.Name(e.Obj) != "late" {
		t.Errorf("got %v, want what came after the bookmark", e)
	}
	watch.Ended()
	if took := time.Since(begun); took < 3*time.Second {
		t.Errorf("ended after %v", took)
	}
}

// TestWatchExpired: what is before the window, or falls out of it, is a 410 in the stream.
func TestWatchExpired(t *testing.T) {
	c := startClients(t, windowOf(10))
	first := revision(c.Must(200, "GET", mapsPath, nil))
	for i := range 30 {
		c.Must(201, "POST", mapsPath, mapObject("o-"+itoa(i)))
	}
	for _, rev := range []string{"1", first} {
		watch := c.Watch(t, mapsPath+"?watch=1&resourceVersion="+rev)
		if e := watch.Next(); e.Type != "ERROR" || e.Obj["reason"] != "Expired" || e.Obj["code"] != int64(410) || !strings.HasPrefix(tree.Text(e.Obj, "message"), "too old resource version: "+rev+" (") {
			t.Errorf("from %s: %v", rev, e)
		}
		watch.Ended()
	}
	page := c.Must(200, "GET", mapsPath+"?limit=5", nil)
	for i := range 30 {
		c.Must(200, "DELETE", mapsPath+"/o-"+itoa(i), nil)
	}
	gone := c.Must(410, "GET", mapsPath+"?limit=5&continue="+tree.Text(page, "metadata", "continue"), nil)
	rest := c.Must(200, "GET", mapsPath+"?limit=5&continue="+tree.Text(gone, "metadata", "continue"), nil)
	if len(tree.List(rest, "items")) > 5 {
		t.Errorf("%v", rest)
	}
	c.Must(410, "GET", mapsPath+"?resourceVersionMatch=Exact&resourceVersion="+first, nil)
	// The beginning of the window is where the server became ready.
	fresh := startClients(t)
	watch := fresh.Watch(t, mapsPath+"?watch=1&resourceVersion=1")
	if e := watch.Next(); e.Type != "ERROR" {
		t.Errorf("from 1: %v", e)
	}
}
