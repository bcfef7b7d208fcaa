package admin

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// Each request fails the check of its row and every later one that it can fail: where
// identity and role stand among the checks. Who was asked already is reported with it.
func TestOrderOfIdentityAndRole(t *testing.T) {
	const nobody, viewer, operator, danger = "Test-User: /", "Test-User: v/view", "Test-User: o/view,operate", "Test-User: d/view,dangerous"
	image := "Accept: image/png"
	for _, c := range []struct {
		name    string
		request string
		header  []string
		code    int
		reason  string
		message string // part of it; of a 403 for a role the whole
		who     string
	}{
		{"Host before identity", "PUT /nowhere", []string{nobody, "Host: evil.example"}, 403, "Forbidden", "Host", ""},
		{"Origin before identity", "PUT /nowhere", []string{nobody, "Origin: null"}, 403, "Forbidden", "Origin", ""},
		{"identity before path", "PUT /nowhere", []string{nobody, image}, 401, "Unauthorized", "nobody", ""},
		{"identity before method", "POST /admin/v1/routes?x=1", []string{nobody, image}, 401, "Unauthorized", "nobody", ""},
		{"path before role", "GET /nowhere", []string{"Test-User: n/none", image}, 404, "NotFound", "/admin/ lists", ""},
		{"method before role", "DELETE /admin/v1/snapshot?x=1", []string{"Test-User: n/none", image}, 405, "MethodNotAllowed", "takes GET, HEAD, PUT", "n"},
		{"role before Accept", "GET /admin/v1/routes?x=1", []string{"Test-User: n/none", image}, 403, "Forbidden", `User "n" lacks role "view" for GET /admin/v1/routes`, "n"},
		{"role before query and Content-Type", "POST /admin/v1/reset?x=1", []string{viewer, "Content-Type: text/plain"}, 403, "Forbidden", `User "v" lacks role "operate" for POST /admin/v1/reset`, "v"},
		{"role before If-Match", "PUT /admin/v1/snapshot", []string{viewer, json1, `If-Match: "1"`}, 403, "Forbidden", `User "v" lacks role "operate" for PUT /admin/v1/snapshot`, "v"},
		{"HEAD needs the role of GET", "HEAD /admin/v1/snapshot", []string{operator}, 403, "Forbidden", `User "o" lacks role "dangerous" for HEAD /admin/v1/snapshot`, "o"},
		{"dangerous does not operate", "PUT /admin/v1/snapshot", []string{danger, json1, match}, 403, "Forbidden", `User "d" lacks role "operate" for PUT /admin/v1/snapshot`, "d"},
		{"profiles", "GET /debug/pprof/", []string{operator}, 403, "Forbidden", `User "o" lacks role "dangerous" for GET /debug/pprof/`, "o"},
		{"below an endpoint its own path counts", "GET /debug/pprof/heap", []string{"Test-User: p/dangerous/debug/pprof/heap"}, 403, "Forbidden", `User "p" lacks role "dangerous" for GET /debug/pprof/`, "p"},
		{"a role elsewhere", "GET /admin/v1/hooks", []string{"Test-User: e/view/admin/v1/routes"}, 403, "Forbidden", `User "e" lacks role "view" for GET /admin/v1/hooks`, "e"},
		{"rules that fail", "GET /admin/v1/hooks", []string{"Test-User: b/broken"}, 500, "InternalError", `"view" cannot be decided`, ""},
		{"passes: view", "GET /admin/v1/hooks", []string{viewer}, 200, "", "", ""},
		{"passes: a role here", "GET /admin/v1/routes", []string{"Test-User: e/view/admin/v1/routes"}, 200, "", "", ""},
		{"passes: below its own path", "HEAD /debug/pprof/heap", []string{"Test-User: p/dangerous/debug/pprof/"}, 200, "", "", ""},
		{"passes: dangerous", "GET /admin/v1/snapshot", []string{danger}, 200, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFake(t)
			w := askWith(t, handlerOf(t, src), c.request, strings.NewReader("["), c.header...)
			reported := src.refused()
			if w.Code != c.code {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.code)
			}
			if c.code == 200 {
				if len(reported) > 0 {
					t.Errorf("reported %+v", reported)
				}
				return
			}
			status := decode(t, w)
			message := status["message"].(string)
			exact := c.code == 403 && c.who != ""
			if status["reason"] != c.reason || !strings.Contains(message, c.message) || exact && message != c.message {
				t.Errorf("%s, want %s with %q", w.Body, c.reason, c.message)
			}
			if told := c.code != 404 && c.code != 500; (len(reported) == 1) != told {
				t.Fatalf("reported %+v", reported)
			}
			for _, r := range reported {
				if r.By.User != c.who || (r.Private == "no name") != (c.code == 401) {
					t.Errorf("reported %+v, want the user %q", r, c.who)
				}
				if strings.Contains(w.Body.String(), "no name") {
					t.Errorf("the client is told: %s", w.Body)
				}
			}
			if len(src.changes)+len(src.loaded) > 0 {
				t.Error("it was done")
			}
		})
	}
}

// Who changes something is reported with the change.
func TestChangesHaveUsers(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	if w := askWith(t, h, "POST /admin/v1/reset", strings.NewReader("{}"), json1, "Test-User: o/operate,x"); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if len(src.changes) != 1 || !reflect.DeepEqual(src.changes[0].By, Identity{User: "o", Groups: []string{"operate", "x"}}) {
		t.Errorf("told of %+v", src.changes)
	}
}

// The index says who asks and what they may.
func TestIndexSaysWhoAsks(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for user, want := range map[string][]any{
		"v/view": {"view"}, "o/view,operate": {"view", "operate"}, "m/system:masters": {"view", "operate", "dangerous"},
		"h/view/admin/,dangerous/admin/,operate/admin/v1/reset": {"view", "dangerous"},
	} {
		w := ask(t, h, "/admin/", "Test-User: "+user)
		got := decode(t, w)
		if name, _, _ := strings.Cut(user, "/"); w.Code != http.StatusOK || got["user"] != name || !reflect.DeepEqual(got["userRoles"], want) {
			t.Errorf("%s: %d, %v may %v, want %v", user, w.Code, got["user"], got["userRoles"], want)
		}
	}
}
