package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/discovery"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// readServer is an API with a small router in front of it and no program around it: what is
// read is tested with it.
type readServer struct {
	testing.TB
	*API
}

// The paths of what the tests read.
const (
	readMaps    = "/api/v1/namespaces/default/configmaps"
	readWidgets = "/apis/example.com/v1/namespaces/default/widgets"
	readOld     = "/apis/example.com/v1beta1/namespaces/default/widgets"
)

// readDefinition defines widgets in two versions, of which v1beta1 is not the stored one and
// has no color.
const readDefinition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
"names":{"plural":"widgets","kind":"Widget"},"versions":[
{"name":"v1","served":true,"storage":true,"selectableFields":[{"jsonPath":".spec.color"}],"additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}],
 "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"},"color":{"type":"string","default":"red"}}}}}}},
{"name":"v1beta1","served":true,"storage":false,"deprecated":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}]}}`

// newReadServer returns a server with the namespaces default and other, and no further objects.
// Its log keeps as many events as the window says.
func newReadServer(t testing.TB, window int) *readServer {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Store: store.New(store.Window{Events: window, Bytes: 64 << 20}), Kinds: table, Catalog: &discovery.Catalog{},
		Bookmarks: time.Minute, Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	s := &readServer{t, a}
	for _, name := range []string{"default", "other"} {
		s.must(201, "POST /api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
	}
	return s
}

// newWidgetServer returns a server that serves widgets too.
func newWidgetServer(t testing.TB) *readServer {
	t.Helper()
	s := newReadServer(t, 10_000)
	s.must(201, "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions", readDefinition)
	return s
}

// readScope is the scope of a request of a test.
type readScope struct {
	info     request.Info
	warnings []string
}

func (s *readScope) RequestInfo() *request.Info { return &s.info }
func (s *readScope) ActingUser() *request.User  { return &request.User{Name: "tester"} }
func (s *readScope) Warn(_, text string)        { s.warnings = append(s.warnings, text) }

func (s *readScope) Annotate(_, _ string, _ bool)          {}
func (s *readScope) Spend(_ request.Part, _ time.Duration) {}

// resource returns what serves a request.
func (s *readServer) resource(info *request.Info) *Resource {
	for _, row := range s.Kinds.Kinds {
		if row.Group == info.APIGroup && row.Version == info.APIVersion && row.Plural == info.Resource {
			return s.Builtin(row.Group, row.Version, row.Kind)
		}
	}
	r := s.Customs.Lookup(info.APIGroup, info.APIVersion, info.Resource)
	if r == nil {
		s.Fatalf("nobody serves %+v", info)
	}
	return r
}

// request returns a request ("GET /path?query") with its scope. header is names and values.
func (s *readServer) request(line, body string, header ...string) (*http.Request, *readScope) {
	s.Helper()
	method, target, _ := strings.Cut(line, " ")
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", mergePatchType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	scope := &readScope{}
	if err := scope.info.Resolve(method, req.URL.Path, req.URL.RawQuery); err != nil {
		s.Fatal(err)
	}
	return req.WithContext(request.With(req.Context(), scope)), scope
}

// ask serves one request.
func (s *readServer) ask(line, body string, header ...string) *httptest.ResponseRecorder {
	s.Helper()
	req, scope := s.request(line, body, header...)
	w := httptest.NewRecorder()
	s.resource(&scope.info).ServeHTTP(w, req)
	return w
}

// must is ask for an answer with a status, as a tree.
func (s *readServer) must(code int, line, body string, header ...string) map[string]any {
	s.Helper()
	w := s.ask(line, body, header...)
	if w.Code != code {
		s.Fatalf("%s: status %d, want %d: %s", line, w.Code, code, w.Body)
	}
	obj, _, err := tree.ParseJSONObject(w.Body.Bytes())
	if err != nil {
		s.Fatalf("%s: %v: %s", line, err, w.Body)
	}
	return obj
}

// refusal returns an answer that is a Status as code, reason and message.
func (s *readServer) refusal(w *httptest.ResponseRecorder) string {
	s.Helper()
	var told status.Status
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told.Kind != "Status" {
		s.Fatalf("no Status (%v): %d %s", err, w.Code, w.Body)
	}
	if told.Code != w.Code {
		s.Errorf("the Status says %d and the answer %d", told.Code, w.Code)
	}
	return fmt.Sprintf("%d %s: %s", told.Code, told.Reason, told.Message)
}

// refused returns an error that a client gets as code, reason and message, and any other as a
// bare one.
func refused(err error) string {
	var e *status.Error
	if !errors.As(err, &e) {
		return fmt.Sprint("no refusal: ", err)
	}
	return fmt.Sprintf("%d %s: %s", e.Code, e.Reason, e.Message)
}

// call returns a GET of config maps that is negotiated and has not been served.
func (s *readServer) call(query string, header ...string) *Call {
	s.Helper()
	req, scope := s.request("GET "+readMaps+"?"+query, "", header...)
	q := &Call{Resource: s.resource(&scope.info), w: httptest.NewRecorder(), req: req, scope: scope, info: &scope.info}
	q.target()
	if query != "" {
		q.query = req.URL.Query()
	}
	return q
}

// names returns the names of the items of a list.
func itemNames(list map[string]any) []string {
	names := []string{}
	for _, item := range tree.List(list, "items") {
		names = append(names, tree.Name(tree.Object(item)))
	}
	return names
}

// addMaps creates config maps by these names, each with labels that its name says: n is its
// place, and even is there for every other one.
func (s *readServer) addMaps(path string, names ...string) {
	s.Helper()
	for i, name := range names {
		labels := fmt.Sprintf(`{"n":"%d"}`, i)
		if i%2 == 0 {
			labels = fmt.Sprintf(`{"n":"%d","even":"yes"}`, i)
		}
		s.must(201, "POST "+path, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","labels":`+labels+`}}`)
	}
}

// TestGetSendsWhatIsStored: the stored bytes and a line end, with their length.
func TestGetSendsWhatIsStored(t *testing.T) {
	s := newReadServer(t, 100)
	s.addMaps(readMaps, "a")
	sn := s.Store.Bucket("configmaps").Now()
	want := string(sn.Get("default/a").Raw()) + "\n"
	w := s.ask("GET "+readMaps+"/a", "")
	if got := w.Body.String(); w.Code != 200 || got != want {
		t.Errorf("%d %s, want %s", w.Code, got, want)
	}
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(len(want)) {
		t.Errorf("length %s, want %d", got, len(want))
	}
}

// TestGetRefusals: what is no revision is a 500 without a reason, as upstream has it, and
// comes before the search for the object.
func TestGetRefusals(t *testing.T) {
	s := newWidgetServer(t)
	s.addMaps(readMaps, "a")
	for _, c := range []struct{ path, want string }{
		{readMaps + "/b", `404 NotFound: configmaps "b" not found`},
		{"/api/v1/namespaces/other/configmaps/a", `404 NotFound: configmaps "a" not found`},
		{readWidgets + "/b", `404 NotFound: widgets.example.com "b" not found`},
		{readWidgets + "/b/status", `404 NotFound: widgets.example.com "b" not found`},
		{readMaps + "/a/scale", `404 NotFound: configmaps "a" not found`},
		{readMaps + "/b?resourceVersion=x", `500 : resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax`},
		{readMaps + "/a?resourceVersion=-1", `500 : resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax`},
		{readMaps + "/a?resourceVersion=%221%22", `500 : resourceVersion: Invalid value: "\"1\"": strconv.ParseUint: parsing "\"1\"": invalid syntax`},
		{readMaps + "/a?resourceVersion=9223372036854775808", `500 : resourceVersion: Invalid value: "9223372036854775808": strconv.ParseUint: parsing "9223372036854775808": value out of range`},
	} {
		if got := s.refusal(s.ask("GET "+c.path, "")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.path, got, c.want)
		}
	}
	// None of these says anything about the state that is read.
	for _, query := range []string{"", "?resourceVersion=", "?resourceVersion=0", "?resourceVersion=00", "?resourceVersion=1", "?limit=x", "?fieldSelector=nonsense"} {
		if w := s.ask("GET "+readMaps+"/a"+query, ""); w.Code != 200 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// TestVerbsThatAreNot: a verb that the resource has not is a 405 in the words of custom
// resources.
func TestVerbsThatAreNot(t *testing.T) {
	s := newWidgetServer(t)
	for line, want := range map[string]string{
		"POST /api/v1/namespaces/default/status":              `create is not supported on resources of kind "namespaces"`,
		"DELETE /api/v1/namespaces/default/status":            `delete is not supported on resources of kind "namespaces"`,
		"OPTIONS " + readMaps:                                 ` is not supported on resources of kind "configmaps"`,
		"OPTIONS " + readWidgets + "/a":                       ` is not supported on resources of kind "widgets.example.com"`,
		"GET /api/v1/proxy/namespaces/default/configmaps/a/x": `proxy is not supported on resources of kind "configmaps"`,
	} {
		if got := s.refusal(s.ask(line, "")); got != "405 MethodNotAllowed: "+want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestDeprecatedVersion: the warning comes with every answer of the version, refusals too.
func TestDeprecatedVersion(t *testing.T) {
	s := newWidgetServer(t)
	for path, want := range map[string]string{
		readOld:                          "[example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget]",
		readOld + "/none":                "[example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget]",
		readOld + "?labelSelector===":    "[example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget]",
		readWidgets + "?labelSelector==": "[]",
		readMaps:                         "[]",
	} {
		req, scope := s.request("GET "+path, "")
		s.resource(&scope.info).ServeHTTP(httptest.NewRecorder(), req)
		if got := fmt.Sprint(scope.warnings); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestAwait: a revision that is there is not waited for; one that comes is waited for just as
// long; and after three seconds, or with the request, the answer is a 504 that says when to
// try again.
func TestAwait(t *testing.T) {
	for _, c := range []struct {
		ahead   int64         // of the store
		comes   time.Duration // 0: it does not
		request time.Duration // how long the request may take
		took    time.Duration
		fails   bool
	}{
		{-1, 0, time.Hour, 0, false},
		{0, 0, time.Hour, 0, false},
		{1, time.Second, time.Hour, time.Second, false},
		{2, time.Second, time.Hour, 3 * time.Second, true},
		{1, 2999 * time.Millisecond, time.Hour, 2999 * time.Millisecond, false},
		{1, 0, time.Hour, 3 * time.Second, true},
		{1, 0, 500 * time.Millisecond, 500 * time.Millisecond, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newReadServer(t, 100)
			if c.comes > 0 {
				time.AfterFunc(c.comes, func() { s.addMaps(readMaps, "new") })
			}
			q := s.call("")
			ctx, cancel := context.WithTimeout(q.req.Context(), c.request)
			defer cancel()
			q.req = q.req.WithContext(ctx)
			begun, asked := time.Now(), s.Store.Revision()+c.ahead
			err := q.await(asked)
			if took := time.Since(begun); took != c.took || (err != nil) != c.fails {
				t.Errorf("%+v: %v after %v", c, err, took)
			}
			if err == nil {
				return
			}
			var e *status.Error
			want := fmt.Sprintf("Timeout: Too large resource version: %d, current: %d", asked, s.Store.Revision())
			if !errors.As(err, &e) || e.Code != 504 || e.Reason != "Timeout" || e.Message != want || e.RetryAfter != 1 || e.Details.Causes[0].Reason != "ResourceVersionTooLarge" {
				t.Errorf("%+v: %+v, want %s", c, e, want)
			}
		})
	}
}

// TestListFrame: what stands around the items of a list, to the byte. The keys of a custom
// list are sorted, and continue is always there.
func TestListFrame(t *testing.T) {
	s := newWidgetServer(t)
	seven := int64(7)
	maps, widgets := s.Builtin("", "v1", "ConfigMap"), s.Customs.Lookup("example.com", "v1", "widgets")
	for _, c := range []struct {
		r    *Resource
		l    listing
		want string
	}{
		{maps, listing{revision: 5}, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[|]}`},
		{maps, listing{revision: 5, next: "abc"}, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"abc"},"items":[|]}`},
		{maps, listing{5, "abc", &seven}, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"abc","remainingItemCount":7},"items":[|]}`},
		{widgets, listing{revision: 5}, `{"apiVersion":"example.com/v1","items":[|],"kind":"WidgetList","metadata":{"continue":"","resourceVersion":"5"}}`},
		{widgets, listing{5, "abc", &seven}, `{"apiVersion":"example.com/v1","items":[|],"kind":"WidgetList","metadata":{"continue":"abc","remainingItemCount":7,"resourceVersion":"5"}}`},
	} {
		head, tail := (&Call{Resource: c.r}).listFrame(c.l)
		if got := head + "|" + tail; got != c.want+"\n" {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		// The tree of the same list says the same.
		var whole struct{ Metadata map[string]any }
		if err := json.Unmarshal([]byte(head+tail), &whole); err != nil {
			t.Fatal(err)
		}
		m := c.l.metadata()
		if n, ok := m["remainingItemCount"].(int64); ok {
			m["remainingItemCount"] = float64(n)
		}
		if whole.Metadata["continue"] == "" {
			delete(whole.Metadata, "continue")
		}
		if fmt.Sprint(m) != fmt.Sprint(whole.Metadata) {
			t.Errorf("as a tree %v, as text %v", m, whole.Metadata)
		}
	}
}

// TestListsAgree: a list shows the objects of its namespace in the order of their keys, in each
// version and form, and an empty one shows an empty list.
func TestListsAgree(t *testing.T) {
	s := newWidgetServer(t)
	for _, path := range []string{readMaps, readWidgets, readOld, "/api/v1/configmaps"} {
		if w := s.ask("GET "+path, ""); !strings.Contains(w.Body.String(), `"items":[]`) {
			t.Errorf("%s is empty and shows %s", path, w.Body)
		}
	}
	s.addMaps(readMaps, "b", "a-b", "a", "a.b")
	s.addMaps("/api/v1/namespaces/other/configmaps", "a", "z")
	for _, name := range []string{"w2", "w1"} {
		s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"`+name+`"},"spec":{"size":3,"color":"blue"}}`)
	}
	for _, c := range []struct{ path, want string }{
		{readMaps, "[a a-b a.b b]"},
		{"/api/v1/namespaces/other/configmaps", "[a z]"},
		{"/api/v1/namespaces/none/configmaps", "[]"},
		{"/api/v1/configmaps", "[a a-b a.b b a z]"},
		{readWidgets, "[w1 w2]"},
		{readOld, "[w1 w2]"},
		{readMaps + "?labelSelector=even", "[a b]"},
		{readMaps + "?labelSelector=!even", "[a-b a.b]"},
		{readMaps + "?fieldSelector=metadata.name%3Da-b", "[a-b]"},
		{"/api/v1/configmaps?fieldSelector=metadata.name%3Da", "[a a]"},
		{"/api/v1/configmaps?fieldSelector=metadata.name%3Da,metadata.namespace!%3Dother", "[a]"},
		{readWidgets + "?fieldSelector=spec.color%3Dblue", "[w1 w2]"},
		{readWidgets + "?fieldSelector=spec.color%3Dred", "[]"},
	} {
		list := s.must(200, "GET "+c.path, "")
		if got := fmt.Sprint(itemNames(list)); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
		// Decoded and encoded again as a tree, it is the same list.
		sep := "?"
		if strings.Contains(c.path, "?") {
			sep = "&"
		}
		pretty := s.must(200, "GET "+c.path+sep+"pretty=true", "")
		if pretty["metadata"].(map[string]any)["continue"] == nil {
			delete(tree.Metadata(list), "continue")
		}
		if !tree.Equal(list, pretty) {
			t.Errorf("%s:\nstreamed %v\n    tree %v", c.path, list, pretty)
		}
	}
	// The older version has no color, and says its own apiVersion.
	for _, item := range tree.List(s.must(200, "GET "+readOld, ""), "items") {
		if tree.Text(item, "apiVersion") != "example.com/v1beta1" || tree.At(item, "spec", "color") != nil || tree.At(item, "spec", "size") != int64(3) {
			t.Errorf("in the older version: %v", item)
		}
	}
}

// TestSelectedModel: selectors, limits and pages of random lists, against filtering by hand.
func TestSelectedModel(t *testing.T) {
	s := newReadServer(t, 1000)
	r := rand.New(rand.NewPCG(3, 4))
	labels := map[string]string{}
	for i := range 60 {
		name, app := fmt.Sprintf("m-%02d", i), string(rune('a'+r.IntN(3)))
		labels[name] = app
		s.must(201, "POST "+readMaps, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","labels":{"app":"`+app+`"}}}`)
	}
	for range 200 {
		wanted, not := string(rune('a'+r.IntN(4))), fmt.Sprintf("m-%02d", r.IntN(70))
		limit := r.IntN(70) - 5
		var want []string
		for i := range 60 {
			if name := fmt.Sprintf("m-%02d", i); labels[name] == wanted && name != not {
				want = append(want, name)
			}
		}
		query := url.Values{"labelSelector": {"app=" + wanted}, "fieldSelector": {"metadata.name!=" + not}, "limit": {fmt.Sprint(limit)}}
		var got []string
		for {
			list := s.must(200, "GET "+readMaps+"?"+query.Encode(), "")
			page := itemNames(list)
			if limit > 0 && len(page) > limit {
				t.Fatalf("a page of %d with limit %d", len(page), limit)
			}
			if tree.At(list, "metadata", "remainingItemCount") != nil {
				t.Fatal("with selectors nobody knows what remains")
			}
			got = append(got, page...)
			token := tree.Text(list, "metadata", "continue")
			if token == "" {
				break
			}
			if len(page) != limit {
				t.Fatalf("a page of %d with limit %d and more behind it", len(page), limit)
			}
			query.Set("continue", token)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v:\n got %v\nwant %v", query, got, want)
		}
	}
}

// TestListsOfThePast: which state a list shows, by what it asks for.
func TestListsOfThePast(t *testing.T) {
	s := newReadServer(t, 100)
	s.addMaps(readMaps, "a")
	past := s.Store.Revision()
	s.addMaps(readMaps, "b", "c")
	now := s.Store.Revision()
	for _, c := range []struct {
		query string
		rev   int64
		names string
	}{
		{"", now, "[a b c]"},
		{"resourceVersion=0", now, "[a b c]"},
		{fmt.Sprint("resourceVersion=", past), now, "[a b c]"},
		{fmt.Sprint("resourceVersionMatch=NotOlderThan&resourceVersion=", past), now, "[a b c]"},
		{"resourceVersionMatch=NotOlderThan&resourceVersion=0", now, "[a b c]"},
		{fmt.Sprint("resourceVersionMatch=Exact&resourceVersion=", past), past, "[a]"},
		{fmt.Sprint("resourceVersionMatch=Exact&resourceVersion=", past+1), past + 1, "[a b]"},
		{fmt.Sprint("resourceVersionMatch=Exact&resourceVersion=", now), now, "[a b c]"},
		{fmt.Sprint("limit=5&resourceVersion=", past), past, "[a]"},
		{fmt.Sprint("limit=5&resourceVersionMatch=NotOlderThan&resourceVersion=", past), now, "[a b c]"},
		{"limit=5&resourceVersion=0", now, "[a b c]"},
		{fmt.Sprint("limit=0&resourceVersion=", past), now, "[a b c]"},
		{fmt.Sprint("limit=-1&resourceVersion=", past), now, "[a b c]"},
	} {
		list := s.must(200, "GET "+readMaps+"?"+c.query, "")
		if rev, names := tree.Text(list, "metadata", "resourceVersion"), fmt.Sprint(itemNames(list)); rev != fmt.Sprint(c.rev) || names != c.names {
			t.Errorf("%s: %s at %s, want %s at %d", c.query, names, rev, c.names, c.rev)
		}
	}
}

// TestListAsPartial: the form of one object is refused for a list, after its options are read.
func TestListAsPartial(t *testing.T) {
	s := newReadServer(t, 100)
	const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	for query, want := range map[string]string{
		"":         "406 NotAcceptable: you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
		"?limit=x": `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`,
		"?resourceVersionMatch=Exact&resourceVersion=99": "406 NotAcceptable: you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
	} {
		if got := s.refusal(s.ask("GET "+readMaps+query, "", "Accept", accept)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", query, got, want)
		}
	}
}

// BenchmarkListParameters is what reading the parameters of a list costs.
func BenchmarkListParameters(b *testing.B) {
	s := newReadServer(b, 100)
	for _, query := range []string{"", "limit=500&resourceVersion=0", "labelSelector=app%3Dx&allowWatchBookmarks=true"} {
		b.Run(query, func(b *testing.B) {
			q := s.call(query)
			b.ReportAllocs()
			for b.Loop() {
				var o listOptions
				if err := q.readListOptions(&o, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
