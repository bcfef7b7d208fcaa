package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// controlPaths are the endpoints of controls, with a body that each takes.
var controlPaths = map[string]string{"/admin/v1/drain": `{"endWatches":true}`, "/admin/v1/loglevel": `{"rules":[{"verbosity":4}]}`}

// What a control is set to is what it shows, and who and how long.
func TestControlsAreSet(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       string // of the answer: a part of it as JSON
	}{
		{"drain", `{}`, `{"active":true,"setBy":"system:unsecured","setAt":"2026-11-23T05:23:07.412Z","expiresAt":"2026-11-23T05:33:07.412Z","note":"","endWatches":false}`},
		{"drain", `{"endWatches":true,"expiresIn":"24h","note":"to b"}`, `{"expiresAt":"2026-11-24T05:23:07.412Z","note":"to b","endWatches":true}`},
		{"drain", `{"endWatches":null,"expiresIn":null,"note":null}`, `{"expiresAt":"2026-11-23T05:33:07.412Z","note":"","endWatches":false}`},
		{"drain", `{"expiresIn":"1h2m3.5s","note":"` + strings.Repeat("é", 200) + `"}`, `{"expiresAt":"2026-11-23T06:25:10.912Z","note":"` + strings.Repeat("é", 200) + `"}`},
		{"drain", `{"expiresIn":"1ms"}`, `{"expiresAt":"2026-11-23T05:23:07.413Z"}`},
		{"loglevel", `{"rules":[{"match":{"user":["alice"]},"verbosity":6},{"verbosity":0}],"expiresIn":"5m"}`,
			`{"expiresAt":"2026-11-23T05:28:07.412Z","default":2,"rules":[{"id":"1","match":{"user":["alice"]},"verbosity":6,"hits":0},{"id":"2","match":{},"verbosity":0,"hits":0}]}`},
		{"loglevel", `{"rules":[{"match":{"listener":["a"],"server":["a"],"route":["a"],"method":["a"],"path":["/*"],"verb":["a","b"],"resource":["a"],"namespace":[""],"name":["a"],"user":["*"],"group":["a"]},"verbosity":10}]}`,
			`{"rules":[{"id":"1","match":{"group":["a"],"listener":["a"],"method":["a"],"name":["a"],"namespace":[""],"path":["/*"],"resource":["a"],"route":["a"],"server":["a"],"user":["*"],"verb":["a","b"]},"verbosity":10,"hits":0}]}`},
		{"loglevel", `{"rules":[{"match":null,"verbosity":3},{"match":{},"verbosity":3}]}`, `{"rules":[{"id":"1","match":{},"verbosity":3,"hits":0},{"id":"2","match":{},"verbosity":3,"hits":0}]}`},
	} {
		src := newFake(t)
		h := handlerOf(t, src)
		w := askWith(t, h, "PUT /admin/v1/"+c.path, strings.NewReader(c.body), json1, match)
		got := decode(t, w)
		var want map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if w.Code != 200 || !reflect.DeepEqual(got[k], v) {
				t.Errorf("%s %.60s: %d, %s is\n got %v\nwant %v", c.path, c.body, w.Code, k, got[k], v)
			}
		}
		checkHeader(t, w.Header(), formJSON)
		if again := decode(t, ask(t, h, "/admin/v1/"+c.path)); !reflect.DeepEqual(got, again) {
			t.Errorf("%s: PUT answered\n%v\nand GET\n%v", c.path, got, again)
		}
		if len(src.changes) != 1 || src.changes[0].By.User != "system:unsecured" {
			t.Errorf("%s: told of %+v", c.path, src.changes)
		}
	}
}

// Each wrong value is named by its field, all in one answer, and an unknown or repeated key
// comes before any of them.
func TestControlsAreRefused(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"verbosity":1},`, 101), ",")
	for _, c := range []struct {
		path, body string
		code       int
		want       string // the causes, or a part of the message
	}{
		{"drain", ``, 400, "not a JSON object"},
		{"drain", `null`, 400, "not a JSON object"},
		{"drain", `[]`, 400, "not a JSON object"},
		{"drain", `{"endWatches":tru}`, 400, "not JSON"},
		{"drain", `{}{}`, 400, "goes on"},
		{"drain", `{"rules":[]}`, 400, `unknown key "rules": known are endWatches, expiresIn, note`},
		{"drain", `{"EndWatches":true}`, 400, `unknown key "EndWatches"`},
		{"drain", `{"note":"a","note":5}`, 400, `"note" is there twice`},
		{"drain", `{"active":true,"note":5}`, 400, `unknown key "active"`},
		{"drain", `{"endWatches":"true"}`, 422, "endWatches FieldValueTypeInvalid"},
		{"drain", `{"endWatches":1,"note":2,"expiresIn":3}`, 422, "expiresIn FieldValueTypeInvalid; note FieldValueTypeInvalid; endWatches FieldValueTypeInvalid"},
		{"drain", `{"note":"` + strings.Repeat("é", 201) + `"}`, 422, "note FieldValueTooLong"},
		{"drain", `{"expiresIn":""}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"10"}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"ten minutes"}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"0s"}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"-1m"}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"24h0m0.000000001s"}`, 422, "expiresIn FieldValueInvalid"},
		{"drain", `{"expiresIn":"99999999999999999h"}`, 422, "expiresIn FieldValueInvalid"},
		{"loglevel", `{}`, 422, "rules FieldValueRequired"},
		{"loglevel", `{"rules":null}`, 422, "rules FieldValueRequired"},
		{"loglevel", `{"rules":[]}`, 422, "rules FieldValueRequired"},
		{"loglevel", `{"rules":{}}`, 422, "rules FieldValueTypeInvalid"},
		{"loglevel", `{"rules":[` + many + `]}`, 422, "rules FieldValueTooMany"},
		{"loglevel", `{"rules":[5,null,[]]}`, 422, "rules[0] FieldValueTypeInvalid; rules[1] FieldValueTypeInvalid; rules[2] FieldValueTypeInvalid"},
		{"loglevel", `{"rules":[{"verbosity":1,"match":{"user":["a"` + strings.Repeat(`,"a"`, maxMatchValues) + `]}}]}`, 422, "rules[0].match.user FieldValueTooMany"},
		{"loglevel", `{"rules":[{}]}`, 422, "rules[0].verbosity FieldValueRequired"},
		{"loglevel", `{"rules":[{"verbosity":-1},{"verbosity":11},{"verbosity":2.5},{"verbosity":"3"}]}`, 422, "rules[0].verbosity FieldValueInvalid; rules[1].verbosity FieldValueInvalid; rules[2].verbosity FieldValueTypeInvalid; rules[3].verbosity FieldValueTypeInvalid"},
		{"loglevel", `{"rules":[{"verbosity":1,"match":{"verb":"list","user":[1],"name":[],"group":["a",null],"path":{},"method":null}}]}`, 422,
			"rules[0].match.group FieldValueTypeInvalid; rules[0].match.method FieldValueRequired; rules[0].match.name FieldValueRequired; rules[0].match.path FieldValueTypeInvalid; rules[0].match.user FieldValueTypeInvalid; rules[0].match.verb FieldValueTypeInvalid"},
		{"loglevel", `{"rules":[{"verbosity":1,"match":[]}]}`, 422, "rules[0].match FieldValueTypeInvalid"},
		{"loglevel", `{"rules":[{"verbosity":1,"match":{"vreb":["list"]}}]}`, 400, `unknown key "rules[0].match.vreb": known are listener, server`},
		{"loglevel", `{"rules":[{"verbosity":99},{"verbosity":1,"level":2}]}`, 400, `unknown key "rules[1].level": known are match, verbosity`},
		{"loglevel", `{"rules":[{"verbosity":1,"verbosity":2}]}`, 400, `"rules[0].verbosity" is there twice`},
		{"loglevel", `{"rules":[{"verbosity":1,"id":"mine"}]}`, 400, `unknown key "rules[0].id"`},
		{"loglevel", `{"rules":[{"verbosity":1,"match":{"user":["a"],"user":["b"]}}]}`, 400, `"rules[0].match.user" is there twice`},
	} {
		src := newFake(t)
		h := handlerOf(t, src)
		before := ask(t, h, "/admin/v1/"+c.path).Body.String()
		w := askWith(t, h, "PUT /admin/v1/"+c.path, strings.NewReader(c.body), json1, match)
		var s struct {
			Message, Reason string
			Details         struct{ Causes []Cause }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		var causes []string
		for _, cause := range s.Details.Causes {
			causes = append(causes, cause.Field+" "+cause.Reason)
			if cause.Message == "" || !strings.Contains(s.Message, cause.Field) {
				t.Errorf("%.60s: %+v is not told", c.body, cause)
			}
		}
		got, reason := strings.Join(causes, "; "), "Invalid"
		ok := got == c.want
		if c.code == 400 {
			got, reason = s.Message, "BadRequest"
			ok = strings.Contains(got, c.want)
		}
		if w.Code != c.code || s.Reason != reason || !ok {
			t.Errorf("%s %.80s:\n got %d %s %s\nwant %d %s", c.path, c.body, w.Code, s.Reason, got, c.code, c.want)
		}
		if after := ask(t, h, "/admin/v1/"+c.path).Body.String(); after != before || len(src.changes) > 0 {
			t.Errorf("%s %.60s: refused, but now\n%s\ntold of %v", c.path, c.body, after, src.changes)
		}
	}
}

// The checks before the body are those of every change, for each control and method.
func TestChecksOfControls(t *testing.T) {
	for path, body := range controlPaths {
		for _, c := range []struct {
			request string
			header  []string
			body    string
			code    int
			state   *Error
		}{
			{"POST", []string{json1, match}, body, 405, nil},
			{"PATCH", []string{json1, match}, body, 405, nil},
			{"OPTIONS", nil, "", 405, nil},
			{"PUT", []string{"Accept: image/png"}, "[", 406, nil},
			{"PUT?x=1", []string{"Content-Type: text/plain"}, "[", 400, nil},
			{"PUT?limit=1", []string{json1, match}, body, 400, nil},
			{"GET?limit=1", nil, "", 400, nil},
			{"PUT", []string{"Content-Type: text/plain"}, "[", 415, nil},
			{"PUT", nil, "[", 415, nil},
			{"PUT", []string{json1}, "[", 428, nil},
			{"PUT", []string{json1, `If-Match: "1"`}, "[", 412, nil},
			{"PUT", []string{json1, match}, "[", 400, nil},
			{"PUT", []string{json1, match}, strings.Repeat(" ", bodyLimit) + body, 413, nil},
			{"PUT", []string{json1, match}, `{"note":1,"rules":[]}`, 422, nil},
			{"PUT", []string{json1, match}, body, 409, &Error{Code: 409, Reason: "Conflict", Message: "stopping"}},
			{"PUT", []string{json1, match}, body, 200, nil},
			{"PUT?pretty=true", []string{json1, "If-Match: *"}, body, 200, nil},
			{"DELETE", nil, "", 428, nil},
			{"DELETE", []string{`If-Match: "1"`}, "", 412, nil},
			{"DELETE", []string{match}, "", 200, nil},
			{"DELETE", []string{match}, "", 200, &Error{Code: 409, Reason: "Conflict", Message: "stopping"}},
			{"GET", nil, "", 200, nil},
			{"HEAD", nil, "", 200, nil},
		} {
			src := newFake(t)
			src.stopping = c.state
			method, query, _ := strings.Cut(c.request, "?")
			if query != "" {
				query = "?" + query
			}
			if path == "/admin/v1/drain" && strings.Contains(c.body, "rules") {
				c.code = 400
			}
			w := askWith(t, handlerOf(t, src), method+" "+path+query, strings.NewReader(c.body), c.header...)
			if w.Code != c.code || w.Header().Get("ETag") != `"1795411387412"` {
				t.Errorf("%s %s %q: %d %v %s, want %d", c.request, path, c.header, w.Code, w.Header(), w.Body, c.code)
			}
			if changed := w.Code == 200 && method != "GET" && method != "HEAD"; len(src.changes) > 0 != changed {
				t.Errorf("%s %s %q: told of %v", c.request, path, c.header, src.changes)
			}
			told := slices.Contains([]int{405, 412, 415, 428}, c.code)
			if got := src.refused(); (len(got) == 1) != told || told && got[0].By.User != "system:unsecured" {
				t.Errorf("%s %s %q: refusals %+v", c.request, path, c.header, got)
			}
			if w.Code == 405 && w.Header().Get("Allow") != "DELETE, GET, HEAD, PUT" {
				t.Errorf("%s: Allow %q", path, w.Header().Get("Allow"))
			}
		}
	}
}

// DELETE answers with the control as it is then.
func TestControlsAreCleared(t *testing.T) {
	for path := range controlPaths {
		src := newFake(t)
		got := decode(t, ask(t, handlerOf(t, src), "DELETE "+path, match))
		want := map[string]any{"active": false, "setBy": "", "setAt": nil, "expiresAt": nil, "note": ""}
		for k, v := range want {
			if have, there := got[k]; !there || have != v {
				t.Errorf("%s: %s is %v, want %v", path, k, have, v)
			}
		}
		if want := []string{strings.TrimPrefix(path, "/admin/v1/") + " cleared by system:unsecured"}; !slices.Equal(src.log, want) {
			t.Errorf("%q", src.log)
		}
	}
}

// Of many changes at once with one generation, whatever the control, one wins; the others
// are 412, with the generation that the winner has made.
func TestOneOfManyWins(t *testing.T) {
	src := newFake(t)
	var generation atomic.Int64
	generation.Store(exampleGeneration)
	src.generation = generation.Load
	src.changed = func() { generation.Add(1) }
	h := handlerOf(t, src)
	var wg, read sync.WaitGroup // read: everybody's If-Match was right when it came
	codes := make([]*httptest.ResponseRecorder, 40)
	paths := slices.Sorted(maps.Keys(controlPaths))
	read.Add(len(codes))
	for i := range codes {
		path := paths[i%len(paths)]
		wg.Go(func() {
			late := sync.OnceFunc(func() { read.Done(); read.Wait() })
			body := io.MultiReader(readerFunc(func([]byte) (int, error) { late(); return 0, io.EOF }), strings.NewReader(controlPaths[path]))
			codes[i] = askWith(t, h, "PUT "+path, body, json1, match)
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, w := range codes {
		count[w.Code]++
		if tag := w.Header().Get("ETag"); tag != fmt.Sprintf(`"%d"`, exampleGeneration+1) {
			t.Errorf("%d with ETag %s", w.Code, tag)
		}
	}
	if count[200] != 1 || count[412] != len(codes)-1 {
		t.Errorf("answers %v, want one 200 and the rest 412", count)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// As text a control is its values, and below them what it lists.
func TestControlsAsText(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for path, want := range map[string]string{
		"/admin/v1/drain": `
active                  true
setBy                   alice
setAt                   2026-11-23T05:23:00.000Z
expiresAt               2026-11-23T05:33:00.000Z
note                    moving to node b
endWatches              true
idle                    false
remaining.requests      1
remaining.watches       0
remaining.connections   2

KIND     AGE    WHAT                                       AUDIT-ID
request  431ms  GET /api/v1/namespaces/default/configmaps  0c6a4f6e-58a5-4b0e-8a3e-0f6f1a1f2f11
`,
		"/admin/v1/loglevel": `
active                  true
setBy                   system:unsecured
setAt                   2026-11-23T05:23:07.000Z
expiresAt               2026-11-23T05:28:07.000Z
note                    -
default                 2

RULE  VERBOSITY  HITS  MATCH
1             6    31  user=alice
`,
	} {
		want = strings.TrimPrefix(want, "\n")
		w := ask(t, h, path, asText)
		if w.Code != 200 || w.Header().Get("Content-Type") != formText || w.Body.String() != want {
			t.Errorf("%s: %d\n got\n%s\nwant\n%s", path, w.Code, w.Body, want)
		}
		w = askWith(t, h, "PUT "+path, strings.NewReader(controlPaths[path]), json1, match, asText)
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "active                  true\n") {
			t.Errorf("PUT %s: %d %s", path, w.Code, w.Body)
		}
		if got := ask(t, h, "DELETE "+path, match, asText).Body.String(); !strings.HasPrefix(got, "active                  false\nsetBy                   -\nsetAt                   -\nexpiresAt               -\n") {
			t.Errorf("off:\n%s", got)
		}
	}
}

// While something is on, every text answer begins with it, and no other form has it.
func TestTextSaysWhatIsOn(t *testing.T) {
	const line = "control faults is on: set by system:unsecured, 6m52s left (retry test)\n"
	src := controlled(t)
	h := handlerOf(t, src)
	for _, item := range decode(t, ask(t, h, "/admin/"))["items"].([]any) {
		item := item.(map[string]any)
		path := item["path"].(string)
		if !slices.Contains(item["methods"].([]any), any("GET")) || slices.Contains([]string{"/admin/v1/snapshot", "/metrics", "/debug/pprof/"}, path) {
			continue
		}
		with := ask(t, h, path, asText)
		if with.Header().Get("Content-Type") != formText {
			continue // it has no text
		}
		if !strings.HasPrefix(with.Body.String(), line) || with.Header().Get("Content-Length") != fmt.Sprint(with.Body.Len()) {
			t.Errorf("%s begins with %.120q, %s bytes", path, with.Body, with.Header().Get("Content-Length"))
		}
		if got := ask(t, h, path).Body.String(); !strings.HasPrefix(got, "{") {
			t.Errorf("%s as JSON begins with %.80q", path, got)
		}
	}
	if got := ask(t, h, "/metrics").Body.String(); got != "up 1\n" {
		t.Errorf("/metrics: %q", got)
	}
	if w := ask(t, h, "/admin/v1/nothing", asText); !strings.HasPrefix(w.Body.String(), "{") {
		t.Errorf("a refusal: %q", w.Body)
	}
	src.status.Controls = append(src.status.Controls, Control{Control: "drain", SetBy: "a\nb", ExpiresAt: Time(exampleTime().Add(-time.Second)), Note: "\x1b[31m" + strings.Repeat("n", 100)})
	want := line + `control drain is on: set by a\nb, 0s left (\x1b[31m` + strings.Repeat("n", 51) + "…)\n"
	if got := ask(t, h, "/admin/v1/build", asText).Body.String(); !strings.HasPrefix(got, want) {
		t.Errorf("two controls: got\n%.300s\nwant\n%s", got, want)
	}
}

// Whatever a body says, a control is set to something within its bounds, or the body is
// refused with a Status and nothing is changed.
func FuzzControlBody(f *testing.F) {
	for _, body := range controlPaths {
		f.Add(body)
	}
	f.Add(`{"rules":[{"match":{"user":["alice",""],"verb":["*"]},"verbosity":6}],"expiresIn":"5m","note":"n"}`)
	f.Add(`{"endWatches":true,"expiresIn":"24h","note":"\ud800"}`)
	f.Add(`{"rules":[{"match":{"user":[null]}},5],"rules":1}`)
	src := newFake(f)
	h := handlerOf(f, src)
	f.Fuzz(func(t *testing.T, body string) {
		for path := range controlPaths {
			src.drain, src.logLevel, src.changes = Drain{}, LogLevel{}, nil
			w := askWith(t, h, "PUT "+path, strings.NewReader(body), json1, match)
			answer := decode(t, w)
			state := src.drain.ControlState
			if path == "/admin/v1/loglevel" {
				state = src.logLevel.ControlState
			}
			switch {
			case w.Code == http.StatusOK:
				left := time.Time(state.ExpiresAt).Sub(exampleTime())
				if !state.Active || left <= 0 || left > 24*time.Hour || len([]rune(state.Note)) > 200 || len(src.changes) != 1 || answer["active"] != true {
					t.Errorf("%q sets %+v", body, state)
				}
				for _, r := range src.logLevel.Rules {
					for k, v := range r.Match {
						if !slices.Contains(matchKeys, k) || len(v) == 0 {
							t.Errorf("%q matches %v", body, r.Match)
						}
					}
					if r.Verbosity < 0 || r.Verbosity > 10 {
						t.Errorf("%q has verbosity %d", body, r.Verbosity)
					}
				}
			case w.Code != 400 && w.Code != 422 && w.Code != 413:
				t.Errorf("%q: %d", body, w.Code)
			case state.Active || len(src.changes) > 0 || answer["status"] != "Failure":
				t.Errorf("%q: refused, but %+v", body, state)
			}
		}
	})
}
