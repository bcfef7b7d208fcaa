package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What a write may ask for besides: that it be tried only, that fields be known, that the object
// be in a state.

// masked is an object without what differs between a try and the write itself.
func masked(obj map[string]any) map[string]any {
	out := tree.Copy(obj).(map[string]any)
	m := tree.Metadata(out)
	for _, f := range []string{"resourceVersion", "uid", "creationTimestamp", "deletionTimestamp"} {
		delete(m, f)
	}
	if d := tree.Object(out, "details"); d != nil {
		delete(d, "uid")
	}
	return out
}

// TestDryRunOfEveryKind: a dry run answers what the write would, and leaves no trace: no revision,
// no event, no object, no name taken.
func TestDryRunOfEveryKind(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		item := s.path + "/a"
		begun := c.Store.Revision()
		events := c.Watch(t, s.path+"?watch=1&resourceVersion="+fmt.Sprint(begun))
		try := func(want int, method, path, body string) map[string]any {
			t.Helper()
			before, state := c.Store.Revision(), c.Must(200, "GET", s.path, nil)
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			tried := c.Must(want, method, path+separator+"dryRun=All", body)
			if now := c.Store.Revision(); now != before {
				t.Errorf("%s %s: a dry run made %d writes", method, path, now-before)
			}
			if now := c.Must(200, "GET", s.path, nil); !tree.Equal(now, state) {
				t.Errorf("%s %s: a dry run left %v", method, path, now)
			}
			return tried
		}
		both := func(want int, method, path, body string) (tried, done map[string]any) {
			t.Helper()
			tried, done = try(want, method, path, body), c.Must(want, method, path, body)
			if !tree.Equal(masked(tried), masked(done)) {
				t.Errorf("%s %s:\ntried %v\n done %v", method, path, tried, done)
			}
			return tried, done
		}
		try(404, "PATCH", item, "{"+s.changed+"}")
		try(404, "DELETE", item, "")
		try(201, "POST", s.path, s.named("a")) // the name stays free
		tried, made := both(201, "POST", s.path, s.named("a"))
		if tree.Text(tried, "metadata", "uid") == "" || tree.Text(tried, "metadata", "uid") == tree.Text(made, "metadata", "uid") || revision(tried) != "" {
			t.Errorf("tried to make %v", tried["metadata"])
		}
		try(409, "POST", s.path, s.named("a"))
		both(200, "PATCH", item, "{"+s.changed+"}")
		both(200, "PATCH", item, `{"metadata":{"finalizers":["example.com/f"]}}`)
		both(200, "DELETE", item, "")
		if s.custom { // of those that are held, a second delete changes nothing
			both(200, "DELETE", item+"?propagationPolicy=Background", "")
		}
		both(200, "PATCH", item, `{"metadata":{"finalizers":null}}`)
		try(404, "GET", item, "")
		c.Must(201, "POST", s.path, s.named("b"))
		try(200, "DELETE", s.path+"?labelSelector=!none&fieldSelector=metadata.name%3Db", "")
		c.Must(200, "DELETE", s.path+"/b", nil)

		var seen []string
		for range 7 {
			e := events.Next()
			seen = append(seen, e.Type+" "+tree.Name(e.Obj))
		}
		if got, want := strings.Join(seen, ", "), "ADDED a, MODIFIED a, MODIFIED a, MODIFIED a, DELETED a, ADDED b, DELETED b"; got != want {
			t.Errorf("watched %s, want %s", got, want)
		}
	})
}

// TestDryRunOfUpserts: an update that would create is tried as well.
func TestDryRunOfUpserts(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		want := map[bool]int{true: 201, false: 404}[s.upsert]
		for range 2 {
			c.Must(want, "PUT", s.path+"/a?dryRun=All", s.named("a"))
		}
		c.Must(404, "GET", s.path+"/a", nil)
		c.Must(want, "PUT", s.path+"/a", s.named("a"))
		if s.upsert { // to replace it is another question
			code, e := c.Try("PUT", s.path+"/a?dryRun=All", s.body(`"name":"a","labels":{"l":"v"}`, s.spec))
			if want := map[bool]int{true: 200, false: 422}[s.blind]; code != want {
				t.Errorf("tried to replace: %d %v, want %d", code, e, want)
			}
			if got := c.Must(200, "GET", s.path+"/a", nil); tree.Object(got, "metadata", "labels") != nil {
				t.Errorf("replaced: %v", got)
			}
		}
	})
}

// TestFieldValidation: of fields that a kind has not, and of those that are there twice, the
// client is told as it wants to be, and they are never kept.
func TestFieldValidation(t *testing.T) {
	type row struct {
		how     string
		refused bool
		warned  bool
	}
	hows := []row{{how: "", warned: true}, {how: "?fieldValidation=", warned: true}, {how: "?fieldValidation=Warn", warned: true}, {how: "?fieldValidation=Ignore"}, {how: "?fieldValidation=Strict", refused: true}}
	each(t, func(t *testing.T, c *clients, s subject) {
		r := &reviewed{t, c.Server}
		n := 0
		for _, how := range hows {
			for _, verb := range []string{"POST", "PUT", "merge", "json", "strategic"} {
				if verb == "strategic" && s.custom {
					continue
				}
				n++
				name := "o" + itoa(n)
				item := s.path + "/" + name
				const odd, oddMeta = `"bogus":1`, `"strange":true`
				// A patch in JSON is a list of operations and cannot say a field twice.
				want := []string{`unknown field "bogus"`, `unknown field "metadata.strange"`}
				var method, path, typ, body string
				switch verb {
				case "POST":
					method, path, body = "POST", s.path, s.body(`"name":"`+name+`",`+oddMeta+`,"labels":{"l":"1","l":"2"}`, s.spec+","+odd)
					want = append(want, `duplicate field "metadata.labels.l"`)
				case "PUT":
					made := c.Must(201, "POST", s.path, s.named(name))
					method, path, body = "PUT", item, s.body(`"name":"`+name+`","resourceVersion":"`+revision(made)+`",`+oddMeta+`,"labels":{"l":"1","l":"2"}`, s.spec+","+odd)
					want = append(want, `duplicate field "metadata.labels.l"`)
				case "merge", "strategic":
					c.Must(201, "POST", s.path, s.named(name))
					method, path, typ, body = "PATCH", item, patchTypes[verb], `{"metadata":{`+oddMeta+`,"labels":{"l":"1","l":"2"}},`+odd+`}`
					want = append(want, `duplicate field "metadata.labels.l"`)
				case "json":
					c.Must(201, "POST", s.path, s.named(name))
					method, path, typ = "PATCH", item, apitest.JSONPatch
					body = `[{"op":"add","path":"/bogus","value":1},{"op":"add","path":"/metadata/strange","value":true},{"op":"add","path":"/metadata/labels","value":{"l":"2"}}]`
				}
				w := r.send(method, path+how.how, typ, body)
				warnings := strings.ReplaceAll(strings.Join(w.Header()["Warning"], "\n"), `\"`, `"`)
				what := verb + how.how
				if how.refused {
					code := map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusBadRequest}[method == "PATCH"]
					if w.Code != code || !strings.Contains(w.Body.String(), "strict decoding error") {
						t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, code)
					}
					if got, obj := c.Try("GET", item, nil); (got == 200) != (method != "POST") || tree.Object(obj, "metadata", "labels") != nil {
						t.Errorf("%s: refused, and there is %v", what, obj)
					}
					continue
				}
				if w.Code/100 != 2 || strings.Contains(w.Body.String(), "bogus") || strings.Contains(w.Body.String(), "strange") {
					t.Errorf("%s: %d %s", what, w.Code, w.Body)
				}
				if got := r.at(r.ask("GET "+item, ""), "metadata", "labels", "l"); got != "2" {
					t.Errorf("%s: of a field that is there twice %q is kept", what, got)
				}
				for _, text := range want {
					if strings.Contains(warnings, text) != how.warned {
						t.Errorf("%s: warnings %q, is %s in them: %t", what, warnings, text, !how.warned)
					}
				}
				if !how.warned && warnings != "" && !strings.Contains(warnings, "is deprecated in") {
					t.Errorf("%s: warned %q", what, warnings)
				}
			}
		}
	})
}

// TestPreconditions: an update, a patch and a delete may say which object and which state they
// mean. What is said and does not hold is a conflict; what is no version is an error.
func TestPreconditions(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		item := s.path + "/a"
		past := c.Must(201, "POST", s.path, s.named("a"))
		now := c.Must(200, "PATCH", item, "{"+s.changed+"}")
		uid, rev, old := tree.Text(now, "metadata", "uid"), revision(now), revision(past)
		const another = "00000000-0000-4000-8000-000000000000"
		q := func(s string) string { return `"` + s + `"` }
		for _, row := range []struct {
			uid, rev           string // JSON, "" for unsaid
			put, patch, delete int
		}{
			{"", q(old), 409, 409, 409},
			{"", q("1"), 409, 409, 409},
			{"", q("999999999"), 409, 409, 409},
			{"", q("x"), 500, 500, 409}, // a delete compares texts
			{"", q("-1"), 500, 500, 409},
			{q(another), "", 409, 422, 409},
			{q(another), q(rev), 409, 422, 409},
			{q(uid), q(old), 409, 409, 409},
			{"", "7", 400, 422, 400},
			{"7", "", 400, 422, 400},
			{"", q(rev), 200, 200, 200},
			{q(uid), q(rev), 200, 200, 200},
			{"null", q(rev), 200, 200, 200},
		} {
			var said []string
			if row.uid != "" {
				said = append(said, `"uid":`+row.uid)
			}
			if row.rev != "" {
				said = append(said, `"resourceVersion":`+row.rev)
			}
			text := strings.Join(said, ",")
			// Each is tried, so that the state stays.
			put, e1 := c.Try("PUT", item+"?dryRun=All", s.body(`"name":"a",`+text, s.spec))
			patch, e2 := c.Try("PATCH", item+"?dryRun=All", `{"metadata":{`+text+`}}`)
			gone, e3 := c.Try("DELETE", item, `{"dryRun":["All"],"preconditions":{`+text+`}}`)
			for _, got := range []struct {
				verb      string
				got, want int
				e         map[string]any
			}{{"PUT", put, row.put, e1}, {"PATCH", patch, row.patch, e2}, {"DELETE", gone, row.delete, e3}} {
				if got.got != got.want {
					t.Errorf("%s with %s: %d %v, want %d", got.verb, text, got.got, got.e, got.want)
				}
			}
		}
		if got := c.Must(200, "GET", item, nil); !tree.Equal(got, now) {
			t.Errorf("now it is %v, was %v", got, now)
		}
	})
}
