package admin

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTruncate: at most n bytes of the text, and never a broken character.
func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 0, ""}, {"abc", 0, ""}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 10, "abc"},
		{"é", 2, "é"}, {"é", 1, "\uFFFD"}, {"aé", 2, "a\uFFFD"}, {"你好", 4, "你\uFFFD"},
		{"\xff\xfe", 2, "\uFFFD"}, {"a\xffb", 3, "a\uFFFDb"}, {"a\x00b", 3, "a\x00b"},
	} {
		if got := truncate(c.s, c.n); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

// FuzzTruncate: what is valid and short enough stays; whatever comes is valid, begins as
// the text does as far as that is valid, and is its own truncation as far as it fits.
func FuzzTruncate(f *testing.F) {
	f.Add("aé\xff你", uint8(3))
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		got := truncate(s, int(n))
		if !utf8.ValidString(got) || utf8.ValidString(s) && len(s) <= int(n) && got != s {
			t.Fatalf("%q to %d: %q", s, n, got)
		}
		if begin, _, _ := strings.Cut(got, "\uFFFD"); !strings.HasPrefix(s, begin) || len(begin) > int(n) {
			t.Fatalf("%q to %d begins with %q", s, n, begin)
		}
		if len(got) <= int(n) && truncate(got, int(n)) != got {
			t.Fatalf("%q changes again", got)
		}
	})
}

// watcher is a fake that notes what its client had got when it was told something.
type watcher struct {
	*fake
	w    *httptest.ResponseRecorder
	told []string
}

func (s *watcher) Refused(r Refusal) {
	s.told = append(s.told, "refused")
	s.note()
	s.fake.Refused(r)
}

func (s *watcher) Changed(c Change) {
	s.told = append(s.told, "changed")
	s.note()
	s.fake.Changed(c)
}

func (s *watcher) note() {
	if s.w.Body.Len() > 0 {
		s.told = append(s.told, "answered before")
	}
}

// TestToldAfterTheAnswer: the program is told of refusals and changes once the client has
// its answer, so that a slow log holds up nobody; of reads it is told nothing, nor of
// refusals that say nothing about the caller.
func TestToldAfterTheAnswer(t *testing.T) {
	for _, c := range []struct {
		request string
		header  []string
		code    int
		told    string
	}{
		{"GET /admin/v1/build", nil, 200, ""},
		{"GET /admin/v1/nothing", nil, 404, ""},
		{"GET /admin/v1/build?x=1", nil, 400, ""},
		{"GET /admin/v1/build", []string{"Accept: image/png"}, 406, ""},
		{"GET /admin/v1/build", []string{"Host: evil.example"}, 403, "refused, answered before"},
		{"GET /admin/v1/build", []string{"Test-User: /"}, 401, "refused, answered before"},
		{"GET /admin/v1/build", []string{"Test-User: bob/none"}, 403, "refused, answered before"},
		{"GET /admin/v1/build", []string{"Test-User: bob/broken"}, 500, ""},
		{"POST /admin/v1/build", nil, 405, "refused, answered before"},
		{"PUT /admin/v1/drain", nil, 415, "refused, answered before"},
		{"PUT /admin/v1/drain", []string{json1}, 428, "refused, answered before"},
		{"PUT /admin/v1/drain", []string{json1, `If-Match: "1"`}, 412, "refused, answered before"},
		{"PUT /admin/v1/drain", []string{json1, match, "Accept: image/png"}, 406, ""},
		{"PUT /admin/v1/drain", []string{json1, match}, 200, "changed, answered before"},
		{"DELETE /admin/v1/drain", []string{match}, 200, "changed, answered before"},
		{"POST /admin/v1/reset", []string{json1}, 200, "changed, answered before"},
	} {
		src := &watcher{fake: newFake(t), w: httptest.NewRecorder()}
		method, target, _ := strings.Cut(c.request, " ")
		r := httptest.NewRequest(method, target, strings.NewReader("{}"))
		r.Host = "localhost"
		for _, line := range c.header {
			if name, value, _ := strings.Cut(line, ": "); name == "Host" {
				r.Host = value
			} else {
				r.Header.Set(name, value)
			}
		}
		handlerOf(t, src).ServeHTTP(src.w, r)
		if got := strings.Join(src.told, ", "); src.w.Code != c.code || got != c.told {
			t.Errorf("%s %q: %d, told %q; want %d, %q", c.request, c.header, src.w.Code, got, c.code, c.told)
		}
	}
}

// TestPrivateStaysPrivate: the reason that the client must not learn is reported, and is in
// no byte of the answer.
func TestPrivateStaysPrivate(t *testing.T) {
	src := newFake(t)
	w := ask(t, handlerOf(t, src), "/admin/", "Test-User: /")
	if told := src.refused(); len(told) != 1 || told[0].Private != "no name" || told[0].By.User != "" {
		t.Errorf("reported %+v", told)
	}
	if strings.Contains(w.Body.String(), "no name") {
		t.Errorf("the client got %s", w.Body)
	}
	if w := ask(t, handlerOf(t, src), "/admin/", "Test-User: bob/broken"); w.Code != 500 || strings.Contains(w.Body.String(), "rules are broken") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWhatCannotBeEncoded: a number that JSON does not have is a 500 with a Status, not half
// an answer, in both layouts; as text it is a cell like any other.
func TestWhatCannotBeEncoded(t *testing.T) {
	for _, n := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		src := newFake(t)
		src.build.Process.UptimeSeconds = n
		h := handlerOf(t, src)
		for _, query := range []string{"", "?pretty=true"} {
			w := ask(t, h, "/admin/v1/build"+query)
			if got := decode(t, w); w.Code != 500 || got["reason"] != "InternalError" || !strings.HasPrefix(got["message"].(string), "the answer cannot be encoded: ") {
				t.Errorf("%v%s: %d %s", n, query, w.Code, w.Body)
			}
			checkHeader(t, w.Header(), formJSON)
		}
	}
}

// TestAllow: the methods of each endpoint as Allow has them, with HEAD where GET is.
func TestAllow(t *testing.T) {
	want := map[string]string{
		"/admin/v1/reset": "POST", "/admin/v1/snapshot": "GET, HEAD, PUT",
		"/admin/v1/drain": "DELETE, GET, HEAD, PUT", "/admin/v1/loglevel": "DELETE, GET, HEAD, PUT", "/admin/v1/faults": "DELETE, GET, HEAD, PUT",
	}
	h := handlerOf(t, newFake(t))
	for _, e := range endpoints(true) {
		allow := want[e.path]
		if allow == "" {
			allow = "GET, HEAD"
		}
		w := ask(t, h, "PATCH "+e.path)
		if got := w.Header().Get("Allow"); w.Code != 405 || got != allow {
			t.Errorf("PATCH %s: %d, Allow %q, want %q", e.path, w.Code, got, allow)
		}
		// What Allow names is not refused for its method, and all else is.
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "get", "TRACE"} {
			allowed := strings.Contains(", "+allow+",", ", "+method+",")
			if err := e.checkMethod(method); (err == nil) != allowed {
				t.Errorf("%s %s: %v", method, e.path, err)
			}
		}
	}
}

// TestNamesOfEndpoints: every path has a name of its own, by which the bundle and the
// OpenAPI document call it.
func TestNamesOfEndpoints(t *testing.T) {
	want := "index servers chain admission backends routes hooks inflight timeline listeners build options watches store reset snapshot backup explain owners requests " +
		"stream drain loglevel faults bundle openapi.json metrics debug/pprof"
	var got []string
	for _, e := range endpoints(true) {
		got = append(got, e.id())
		if e.summary == "" || len(e.forms) == 0 || e.serve == nil && e.roles["GET"] != "" || e.change.serve == nil && len(e.roles) > 1 {
			t.Errorf("%s is not complete", e.path)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("\n got %q\nwant %q", strings.Join(got, " "), want)
	}
	if n := len(endpoints(false)); n != len(got)-1 {
		t.Errorf("without profiling there are %d endpoints, with it %d", n, len(got))
	}
}

// TestReadStable: what rests is read once; what changes is read again, four times at most;
// the moment is that before the reading which is shown.
func TestReadStable(t *testing.T) {
	for changes, want := range map[int]struct {
		reads      int
		generation int64
	}{0: {1, 10}, 1: {2, 11}, 2: {3, 12}, 3: {4, 13}, 4: {4, 13}, 100: {4, 13}} {
		src := newFake(t)
		generation, reads := int64(10), 0
		src.generation = func() int64 { return generation }
		a := handlerOf(t, src).(*api)
		ans := &answer{w: httptest.NewRecorder()}
		env := a.readStable(ans, func() {
			if reads++; reads <= changes {
				generation++
			}
		})
		if reads != want.reads || env.Generation != want.generation || ans.generation != want.generation || env.At != Time(exampleTime()) {
			t.Errorf("%d changes: read %d times, generation %d; want %+v", changes, reads, env.Generation, want)
		}
	}
}

// TestRolesAt: a role that cannot be decided is not held; they come in the contract's order.
func TestRolesAt(t *testing.T) {
	for held, want := range map[string]List[string]{
		"": nil, "view": {"view"}, "dangerous view": {"view", "dangerous"}, "dangerous operate view": {"view", "operate", "dangerous"}, "broken": nil,
	} {
		a := &api{Options: Options{Authorize: func(_ context.Context, _ Identity, role, path string) (bool, error) {
			if held == "broken" {
				return true, errors.New("nobody can tell")
			}
			return path == "/admin/" && strings.Contains(" "+held+" ", " "+role+" "), nil
		}}}
		ans := &answer{r: httptest.NewRequest(http.MethodGet, "/admin/", nil)}
		if got := a.rolesAt(ans, "/admin/"); !reflect.DeepEqual(got, want) {
			t.Errorf("%q holds %v, want %v", held, got, want)
		}
	}
}
