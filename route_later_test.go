package main

import (
	"net/http"
	"strings"
	"testing"
)

// Routes that are made when somebody asks for one of their service.

// laterService is a service at root whose routes are made later; made counts how often.
func laterService(root string, made *int, routes ...string) *WebService {
	ws := &WebService{Root: root}
	ws.later = func() []Route { *made++; return webService(root, routes...).Routes }
	return ws
}

// TestLaterRoutes: they are made once, by the first request for their service, and not by one for
// another or by the index of roots.
func TestLaterRoutes(t *testing.T) {
	c, apps, batch := newContainer("core"), 0, 0
	mustAdd(t, c, laterService("/apis/apps/v1", &apps, "GET /things", "GET /things/{name}"))
	mustAdd(t, c, laterService("/apis/batch/v1", &batch, "GET /jobs"))
	if n := len(c.roots()); n != 2 || apps+batch != 0 {
		t.Fatalf("%d roots, %d and %d made", n, apps, batch)
	}
	for _, path := range []string{"/apis/apps/v1/things", "/apis/apps/v1/things/a"} {
		if r, err := c.find(lookup("GET", path)); r == nil || err != nil || apps != 1 || batch != 0 {
			t.Errorf("%s: %v, %v; made %d and %d", path, r, err, apps, batch)
		}
	}
	if _, err := c.find(lookup("POST", "/apis/batch/v1/jobs")); err == nil || err.Code != http.StatusMethodNotAllowed {
		t.Errorf("a refusal is %v", err)
	}
	if n := len(c.routes()); n != 3 || apps != 1 || batch != 1 {
		t.Errorf("%d routes, made %d and %d", n, apps, batch)
	}
}

// TestLaterRoutesConflict: a service whose routes are known is compared with those that make theirs later,
// above it and below it, whichever of them comes first; others stay unmade.
func TestLaterRoutesConflict(t *testing.T) {
	for _, row := range []struct {
		root, route string
		conflict    bool
		made        int
	}{
		{"/apis/apps/v1/things", "GET /{id}", true, 1},
		{"/apis/apps", "GET /v1/things/{id}", true, 1},
		{"/apis/apps", "PUT /v1/things/{id}", false, 1},
		{"/", "GET /apis/apps/v1/things/{id}", true, 1},
		{"/apis/apps/v10", "GET /things/{id}", false, 0},
		{"/apis/app", "GET /s/v1/things/{id}", false, 0},
	} {
		for _, laterFirst := range []bool{true, false} {
			c, made := newContainer("core"), 0
			services := []*WebService{laterService("/apis/apps/v1", &made, "GET /things/{name}"), webService(row.root, row.route)}
			if !laterFirst {
				services[0], services[1] = services[1], services[0]
			}
			mustAdd(t, c, services[0])
			err := c.add(services[1], "here.go:1")
			if (err != nil) != row.conflict || made != row.made || err != nil && !strings.Contains(err.Error(), "already registered") {
				t.Errorf("%s at %s, later first %v: %v, made %d times", row.route, row.root, laterFirst, err, made)
			}
		}
	}
	// What is wrong with a route shows as soon as it is made for comparison.
	c, made := newContainer("core"), 0
	mustAdd(t, c, laterService("/apis", &made, "GET /{a}/{a}"))
	if err := c.add(webService("/apis/x", "GET /y"), "here.go:1"); err == nil || !strings.Contains(err.Error(), "names {a} twice") {
		t.Errorf("a wrong route is %v", err)
	}
}

// TestBuiltinRoutes: the routes that the program makes later are well-formed, and no two take the same
// method and path.
func TestBuiltinRoutes(t *testing.T) {
	p := newTestProgram(t)
	for _, s := range p.servers {
		seen := map[string]*route{}
		for _, r := range s.container.routes() {
			if o := seen[r.key()]; o != nil {
				t.Errorf("%s %s is there twice: %s, %s", r.method, r.pattern, r.operation, o.operation)
			}
			seen[r.key()] = r
		}
		for root, service := range s.container.services {
			if service.made().wrong != nil || len(service.routes) == 0 {
				t.Errorf("%s has %d routes: %v", root, len(service.routes), service.wrong)
			}
		}
	}
}

// TestStartAllocations holds what it costs to build the servers: most of some 1,300 routes and of the
// types are made when they are first asked for.
func TestStartAllocations(t *testing.T) {
	if raceFactor > 1 {
		t.Skip("the race detector allocates")
	}
	if n := testing.AllocsPerRun(3, func() { newTestProgram(t) }); n > 12_000 {
		t.Errorf("%v allocations until the servers are built, want at most 12000", n)
	}
}
