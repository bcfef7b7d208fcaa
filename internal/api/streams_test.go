package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// stream is the client of a watch inside the program. After each flush of the watch it takes
// its next step, while the watch waits, and goes when there is none left.
type stream struct {
	sink
	lines []map[string]any
	steps []func()
	onto  func(event map[string]any) // called with each line as it is written
	leave context.CancelFunc
}

func (s *stream) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		obj, _, err := tree.ParseJSONObject([]byte(line))
		if err != nil {
			obj = map[string]any{"text": line}
		}
		s.lines = append(s.lines, obj)
		if s.onto != nil {
			s.onto(obj)
		}
	}
	return len(b), nil
}

func (s *stream) Flush() {
	if len(s.steps) == 0 {
		s.leave()
		return
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	next()
}

// follow watches a path until the steps are done, or the watch ends by itself.
func (r *reviewed) follow(s *stream, path string, header ...string) []map[string]any {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.leave, s.h = cancel, http.Header{}
	r.p.ServeHTTP(s, administrator(ctx, "GET", path, "", header...))
	if s.status != 200 {
		r.t.Errorf("%s: status %d: %v", path, s.status, s.lines)
	}
	return s.lines
}

// stateNames are the states of watches as the admin API names them.
var stateNames = map[int32]string{api.WatchInitial: "initial", api.WatchLive: "live", api.WatchEnding: "ending"}

// forever is steps that never let the client go.
func forever() []func() {
	steps := make([]func(), 100)
	for i := range steps {
		steps[i] = func() {}
	}
	return steps
}

// TestBookmarkTimes: one where the state is complete, one each minute, one two seconds before the end, none for whoever has
// not asked; the end is at its time.
func TestBookmarkTimes(t *testing.T) {
	const state = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
	for _, c := range []struct{ query, want string }{
		{"allowWatchBookmarks=1&timeoutSeconds=150", "complete 0s 1m0s 2m0s 2m28s, 2m30s"},
		{"allowWatchBookmarks=true&timeoutSeconds=61", "complete 0s 59s, 1m1s"},
		{"allowWatchBookmarks=yes&timeoutSeconds=62", "complete 0s 1m0s, 1m2s"},
		{"allowWatchBookmarks&timeoutSeconds=63", "complete 0s 1m0s 1m1s, 1m3s"},
		{"allowWatchBookmarks=&timeoutSeconds=3", "complete 0s 1s, 3s"},
		{"allowWatchBookmarks=1&timeoutSeconds=2", "complete 0s 0s, 2s"},
		{"allowWatchBookmarks=1&timeoutSeconds=1", "complete 0s 0s, 1s"},
		{"allowWatchBookmarks=0&timeoutSeconds=61", ", 1m1s"},
		{"allowWatchBookmarks=False&timeoutSeconds=61", ", 1m1s"},
		{"timeoutSeconds=150", ", 2m30s"},
		{"allowWatchBookmarks=1&timeoutSeconds=61" + state, "complete 0s 59s, 1m1s"},
		{"allowWatchBookmarks=1&timeoutSeconds=5&sendInitialEvents=&resourceVersionMatch=NotOlderThan", "complete 0s 3s, 5s"},
		{"allowWatchBookmarks=1&timeoutSeconds=5&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", "3s, 5s"},
		{"timeoutSeconds=5" + state, ", 5s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReviewed(t)
			begun := time.Now()
			var got []string
			rev := r.p.Store.Revision()
			s := &stream{steps: forever(), onto: func(e map[string]any) {
				if e["type"] != "BOOKMARK" {
					return
				}
				if tree.At(e, "object", "metadata", "annotations", "k8s.io/initial-events-end") == "true" {
					got = append(got, "complete")
				}
				if at := tree.Text(e, "object", "metadata", "resourceVersion"); at != fmt.Sprint(rev) {
					t.Errorf("%s: a bookmark at %s of %d", c.query, at, rev)
				}
				got = append(got, time.Since(begun).String())
			}}
			r.follow(s, reviewMaps+"?watch=1&"+c.query)
			if all := strings.Join(got, " ") + ", " + time.Since(begun).String(); all != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.query, all, c.want)
			}
		})
	}
}

// TestWatchOfUnsaidLength ends within half an hour and an hour, after a bookmark each minute.
func TestWatchOfUnsaidLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReviewed(t)
		begun := time.Now()
		marks := 0
		r.follow(&stream{steps: forever(), onto: func(e map[string]any) {
			if e["type"] == "BOOKMARK" {
				marks++
			}
		}}, reviewMaps+"?watch=1&allowWatchBookmarks=1")
		took := time.Since(begun)
		least := 1 + int((took-1)/time.Minute) // and one before the end, unless the listener's own limit came first
		if took < 30*time.Minute || took >= time.Hour || marks < least || marks > least+1 {
			t.Errorf("%d bookmarks in %v, want %d", marks, took, least)
		}
	})
}

// TestWatchFallsBehind: a watch whose client is slower than the log gets what it has begun
// with, then an error that says so, and is shown as ending meanwhile.
func TestWatchFallsBehind(t *testing.T) {
	r := newReviewed(t, windowOf(10))
	put := func(name string) {
		if w := r.ask("POST "+reviewMaps, strings.Replace(answerMap, `"a"`, `"`+name+`"`, 1)); w.Code != 201 {
			t.Fatal(w.Body)
		}
	}
	states := map[string]string{}
	s := &stream{steps: append([]func(){func() { put("first") }}, forever()...)}
	s.onto = func(e map[string]any) {
		name := tree.Text(e, "object", "metadata", "name") + tree.Text(e, "object", "reason")
		states[name] = stateNames[r.p.Watching.List()[0].State.Load()]
		if name == "first" {
			for i := range 30 {
				put("later-" + itoa(i))
			}
		}
	}
	got := r.follow(s, reviewMaps+"?watch=1")
	last := got[len(got)-1]
	if last["type"] != "ERROR" || tree.At(last, "object", "code") != int64(410) || tree.Text(last, "object", "status") != "Failure" || !strings.HasPrefix(tree.Text(last, "object", "message"), "too old resource version: ") {
		t.Errorf("the last line: %v", last)
	}
	if before := got[len(got)-2]; tree.Text(before, "object", "metadata", "name") != "first" {
		t.Errorf("before it: %v", before)
	}
	if states["kube-root-ca.crt"] != "initial" || states["first"] != "live" || states["Expired"] != "ending" {
		t.Errorf("states %v", states)
	}
	if rows := r.p.Watching.List(); len(rows) != 0 {
		t.Errorf("still there: %v", rows)
	}
}

// TestWatchInForms: the columns of a table come with its first event alone, whatever that is,
// and each event is in the form that was asked for.
func TestWatchInForms(t *testing.T) {
	r := newReviewed(t)
	patch := func() {
		r.ask("PATCH "+reviewMaps+"/kube-root-ca.crt", `{"metadata":{"labels":{"n":"`+fmt.Sprint(r.p.Store.Revision())+`"}}}`)
	}
	steps := func() []func() { return []func(){patch, patch} }
	const begin = "&allowWatchBookmarks=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan"
	for _, c := range []struct {
		query, accept string
		want          string // type, kind, and of a table whether it has columns and what its row holds
	}{
		{begin, asTable, "ADDED Table columns PartialObjectMetadata, BOOKMARK Table - PartialObjectMetadata, MODIFIED Table - PartialObjectMetadata, MODIFIED Table - PartialObjectMetadata"},
		{begin + "&includeObject=None", asTable, "ADDED Table columns none, BOOKMARK Table - none, MODIFIED Table - none, MODIFIED Table - none"},
		{begin + "&includeObject=Object", asTable1, "ADDED Table columns ConfigMap, BOOKMARK Table - ConfigMap, MODIFIED Table - ConfigMap, MODIFIED Table - ConfigMap"},
		{begin + "&labelSelector=n", asTable, "ADDED Table columns PartialObjectMetadata, BOOKMARK Table - PartialObjectMetadata, MODIFIED Table - PartialObjectMetadata, MODIFIED Table - PartialObjectMetadata"},
		{begin + "&labelSelector=none", asTable + ",application/json", "BOOKMARK Table columns PartialObjectMetadata"},
		{begin, asPartial, "ADDED PartialObjectMetadata, BOOKMARK PartialObjectMetadata, MODIFIED PartialObjectMetadata, MODIFIED PartialObjectMetadata"},
		{begin, asParts, "ADDED PartialObjectMetadata, BOOKMARK PartialObjectMetadata, MODIFIED PartialObjectMetadata, MODIFIED PartialObjectMetadata"},
		{begin, "application/json;stream=watch", "ADDED ConfigMap, BOOKMARK ConfigMap, MODIFIED ConfigMap, MODIFIED ConfigMap"},
	} {
		s := &stream{steps: steps()}
		if strings.Contains(c.query, "=none") {
			s.steps = nil
		}
		var got []string
		for _, e := range r.follow(s, reviewMaps+"?watch=1"+c.query, "Accept", c.accept) {
			text := tree.Text(e, "type") + " " + tree.Text(e, "object", "kind")
			if columns, given := tree.Object(e, "object")["columnDefinitions"]; given {
				text += map[bool]string{true: " columns ", false: " - "}[columns != nil]
				row := tree.Object(tree.List(e, "object", "rows")[0])
				if row["object"] == nil {
					text += "none"
				}
				text += tree.Text(row, "object", "kind")
			}
			got = append(got, text)
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%s as %s:\n got %s\nwant %s", c.query, c.accept, all, c.want)
		}
	}
}

// TestWatchOptions: what a list or a watch may not ask for is refused, and says why.
func TestWatchOptions(t *testing.T) {
	r := newReviewed(t)
	const head = `422 Invalid: ListOptions.meta.k8s.io "" is invalid: `
	const only = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
	watch := "GET " + reviewMaps + "?watch=1&"
	list := "GET " + reviewMaps + "?"
	r.refuses([]refusal{
		{watch + "sendInitialEvents=", "", head + "resourceVersionMatch: Forbidden: " + only},
		{watch + "sendInitialEvents=false", "", head + "resourceVersionMatch: Forbidden: " + only},
		{watch + "sendInitialEvents=1&resourceVersionMatch=Exact", "", head + `[resourceVersionMatch: Forbidden: ` + only + `, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]`},
		{watch + "resourceVersionMatch=NotOlderThan", "", head + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"},
		{watch + "resourceVersion=x", "", `500 : resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax`},
		{watch + "resourceVersion=-1", "", `500 : resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax`},
		{watch + "timeoutSeconds=x", "", `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`},
		{watch + "labelSelector=a%3D%3D%3Db", "", "400 BadRequest: …"},
		{watch + "fieldSelector=spec.x%3Db", "", `400 BadRequest: "spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"`},
		{"GET " + reviewWidgets + "?watch=1&fieldSelector=spec.x%3Db", "", "400 BadRequest: field label not supported: spec.x"},
		{list + "sendInitialEvents=false", "", head + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"},
		{list + "resourceVersionMatch=Exact", "", head + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"},
		{list + "resourceVersionMatch=exact&resourceVersion=5", "", head + `resourceVersionMatch: Unsupported value: "exact": supported values: "Exact", "NotOlderThan", ""`},
		{list + "resourceVersionMatch=Exact&resourceVersion=0", "", head + `resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`},
		{list + "resourceVersionMatch=Exact&continue=x&resourceVersion=1", "", head + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"},
		{list + "continue=x&resourceVersion=1", "", "400 BadRequest: specifying resource version is not allowed when using continue"},
		{list + "continue=!", "", "400 BadRequest: invalid continue token: continue key is not valid: …"},
		{list + "continue=e30", "", `400 BadRequest: invalid continue token: continue key is not valid: server does not recognize this encoded version ""`},
		{list + "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "", "400 BadRequest: invalid continue token: continue key is not valid: incorrect encoded start resourceVersion or key"},
		{list + "resourceVersion=x", "", `400 BadRequest: invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax`},
		{list + "resourceVersion=99999999999999999999", "", `400 BadRequest: invalid resource version: resourceVersion: Invalid value: "99999999999999999999": strconv.ParseUint: parsing "99999999999999999999": value out of range`},
		{list + "limit=99999999999999999999", "", `400 BadRequest: strconv.ParseInt: parsing "99999999999999999999": value out of range`},
		{list + "limit=x", "", `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`},
		{"GET " + reviewMaps + "/a?resourceVersion=x", "", `500 : resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax`},
		{"GET /api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db", "", "400 BadRequest: fieldSelector metadata.name doesn't match requested name"},
		{"DELETE " + reviewMaps + "?limit=x", "", `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`},
		{"DELETE " + reviewMaps + "?gracePeriodSeconds=x", "", `400 BadRequest: strconv.ParseInt: parsing "x": invalid syntax`},
		{"DELETE " + reviewMaps + "?orphanDependents=&propagationPolicy=Foreground", "", `422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Foreground": orphanDependents and deletionPropagation cannot be both set`},
	})
}

// TestReadsOfTheFuture wait three seconds for a revision, and no longer.
func TestReadsOfTheFuture(t *testing.T) {
	for _, path := range []string{reviewMaps + "/a?", reviewMaps + "?", reviewMaps + "?resourceVersionMatch=Exact&", reviewMaps + "?limit=1&", reviewMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"} {
		for _, comes := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				r := newReviewed(t)
				r.ask("POST "+reviewMaps, answerMap)
				begun, due := time.Now(), r.p.Store.Revision()+1
				if comes {
					time.AfterFunc(time.Second, func() { r.ask("PATCH "+reviewMaps+"/a", `{"data":{"k":"v"}}`) })
				}
				w := r.ask("GET "+path+"timeoutSeconds=1&resourceVersion="+fmt.Sprint(due), "")
				took := time.Since(begun).Truncate(100 * time.Millisecond)
				if comes {
					if w.Code != 200 || !strings.Contains(w.Body.String(), `"k":"v"`) {
						t.Errorf("%s: %d %s after %v", path, w.Code, w.Body, took)
					}
					return
				}
				want := fmt.Sprintf("504 Timeout: Timeout: Too large resource version: %d, current: %d", due, due-1)
				if strings.Contains(path, "watch") {
					// A watch hears of it in its stream.
					if w.Code != 200 || !strings.Contains(w.Body.String(), strings.TrimPrefix(want, "504 Timeout: ")) || took != 3*time.Second {
						t.Errorf("%s: %d %s after %v, want %s", path, w.Code, w.Body, took, want)
					}
					return
				}
				if got := r.refusalOf(w); got != chance.ReplaceAllString(want, "ANY") || took != 3*time.Second || w.Header().Get("Retry-After") != "1" {
					t.Errorf("%s: %s after %v, want %s", path, got, took, want)
				}
			})
		}
	}
}
