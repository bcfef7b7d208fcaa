package aggregation_test

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/aggregation"
	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// names returns those of the remotes there are.
func names(s *aggregation.Services) string {
	var out []string
	for _, r := range s.Remotes() {
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}

// TestFollowBehindTheLog: more has been written than the log of events holds, and what has come, gone and changed
// unseen is known all the same; what has not changed stays the same Remote, with its connections.
func TestFollowBehindTheLog(t *testing.T) {
	w := newWorld(t, apitest.Config{WindowEvents: 8}, nil)
	w.add(apiService("stays", "v1", "api", nil), "True")
	w.add(apiService("goes", "v1", "api", nil), "True")
	w.add(apiService("moves", "v1", "api", nil), "")
	stays, moves := w.services.Find("/apis/stays/v1/x"), w.services.Find("/apis/moves/v1/x")
	changed := w.services.Changed()
	w.Must(200, "DELETE", servicesPath+"/v1.goes", nil)
	moved := w.Must(200, "GET", servicesPath+"/v1.moves", nil)
	tree.Set(moved, "elsewhere", "spec", "service", "name")
	w.Must(200, "PUT", servicesPath+"/v1.moves", moved)
	w.Must(201, "POST", servicesPath, apiService("comes", "v2", "api", nil))
	w.setAvailable("v1.stays", "False")
	for i := range 20 {
		w.Must(201, "POST", servicesPath, apiService(fmt.Sprintf("local%d", i), "v1", "", nil))
	}
	if got := names(w.services); got != "v1.moves v1.stays v2.comes" {
		t.Errorf("remotes are %s", got)
	}
	apitest.Await(t, "a change", changed)
	if got := w.services.Find("/apis/stays/v1/x"); got != stays || got.Available() {
		t.Errorf("the one that stays is another: %t, available: %t", got != stays, got.Available())
	}
	if got := w.services.Find("/apis/moves/v1/x"); got == moves || got.Service.Name != "elsewhere" {
		t.Errorf("the one that moves is at %v", got.Service)
	}
	if w.services.Find("/apis/goes/v1/x") != nil || w.services.Find("/apis/local1/v1/x") != nil {
		t.Error("one that has gone, or has no Service, is found")
	}
}

// TestFollowIsWoken: whoever waits for a change is told of each that counts, and of no other.
func TestFollowIsWoken(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	for _, c := range []struct {
		what  string
		do    func()
		woken bool
	}{
		{"one that is served here", func() { w.add(apiService("local", "v1", "", nil), "True") }, false},
		{"one of another server", func() { w.add(apiService("foo", "v1", "api", nil), "") }, true},
		{"that cannot be used, as before", func() { w.setAvailable("v1.foo", "False") }, false},
		{"that can be used", func() { w.setAvailable("v1.foo", "True") }, true},
		{"of which that is said again", func() { w.setAvailable("v1.foo", "True") }, false},
		{"nothing that counts", func() {
			w.Must(200, "PATCH", servicesPath+"/v1.foo", `{"metadata":{"labels":{"a":"b"}}}`)
		}, false},
		{"another priority", func() {
			w.Must(200, "PATCH", servicesPath+"/v1.foo", `{"spec":{"versionPriority":7}}`)
		}, true},
		{"no Service any more", func() {
			w.Must(200, "PATCH", servicesPath+"/v1.foo", `{"spec":{"service":null}}`)
		}, true},
		{"one that was served here is deleted", func() { w.Must(200, "DELETE", servicesPath+"/v1.foo", nil) }, false},
	} {
		w.services.Follow()
		changed := w.services.Changed()
		c.do()
		w.services.Follow()
		select {
		case <-changed:
			if !c.woken {
				t.Errorf("%s: woken", c.what)
			}
		default:
			if c.woken {
				t.Errorf("%s: not woken", c.what)
			}
		}
	}
}

// TestCoreGroup: the core group has one root for all of its versions.
func TestCoreGroup(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	core := apiService("", "v1", "api", nil)
	tree.Set(core, "v1.", "metadata", "name")
	r := w.add(core, "True")
	if r == nil || r.Root() != "/api" || r.Group != "" || r.Version != "v1" {
		t.Fatalf("the core group is %+v", r)
	}
	for path, is := range map[string]bool{"/api": true, "/api/v1": true, "/api/v1/pods": true, "/apis": false, "/apis/v1/x": false, "/apix": false} {
		if (w.services.Find(path) == r) != is {
			t.Errorf("%s is of the core group: %t", path, !is)
		}
	}
}
