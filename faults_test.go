package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/api/apitest"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// startFaults is a program whose faults can be set, with a client of one kind.
func startFaults(t testing.TB, kind string, args ...string) *clients {
	t.Helper()
	return startClients(t, kind, append([]string{"--listen-admin=127.0.0.1:0"}, args...)...)
}

// putFaults sends a PUT, or without a body a DELETE, to the faults.
func (r *running) putFaults(body string) reply {
	r.t.Helper()
	method := "PUT"
	if body == "" {
		method = "DELETE"
	}
	return r.change(method, "/admin/v1/faults", body, "If-Match: *")
}

// inject sets rules, which are JSON, in the place of those there were.
func (r *running) inject(rules ...string) {
	r.t.Helper()
	if got := r.putFaults(`{"seed":7,"rules":[` + strings.Join(rules, ",") + `]}`); got.status != 200 {
		r.t.Fatalf("PUT: %d %s", got.status, got.body)
	}
}

// fired is what the rules have counted, by id: matched/hits.
func (r *running) fired() string {
	r.t.Helper()
	var v struct {
		Rules []struct {
			ID            string
			Matched, Hits int64
			LastHit       *string
		}
	}
	r.look("/admin/v1/faults", &v)
	var out []string
	for _, rule := range v.Rules {
		out = append(out, fmt.Sprintf("%s %d/%d", rule.ID, rule.Matched, rule.Hits))
		if (rule.LastHit != nil) != (rule.Hits > 0) {
			r.t.Errorf("rule %s: %d hits, the last at %v", rule.ID, rule.Hits, rule.LastHit)
		}
	}
	return strings.Join(out, ", ")
}

// TestFaults: what each action does to each request that it fits, over each protocol, and
// that it leaves the others alone.
func TestFaults(t *testing.T) {
	const (
		ok       = `{"do":"answer","status":503,"retryAfterSeconds":3}`
		one      = mapsPath + "/one"
		conflict = `Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your changes to the latest version and try again`
	)
	cases := []struct {
		action, method, path string
		body                 any
		status               int // 0: no answer
		says                 string
	}{
		{ok, "GET", one, nil, 503, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"injected fault f","reason":"ServiceUnavailable","details":{"retryAfterSeconds":3},"code":503}`},
		{ok, "GET", mapsPath + "?watch=1", nil, 503, `"injected fault f"`},
		{ok, "POST", mapsPath, mapObject("new"), 503, `"injected fault f"`},
		{ok, "DELETE", mapsPath, nil, 503, `"injected fault f"`},
		{ok, "GET", "/nothing", nil, 503, `"injected fault f"`},
		{`{"do":"answer","status":429,"reason":"Enough","message":"not now"}`, "GET", one, nil, 429, `"message":"not now","reason":"Enough","code":429`},
		{`{"do":"answer","status":418}`, "GET", one, nil, 418, `"message":"injected fault f","code":418`},
		{`{"do":"answer","status":599}`, "GET", one, nil, 599, `"reason":"InternalError"`},
		{`{"do":"delay","delayMs":1,"jitterMs":2}`, "GET", one, nil, 200, `"name":"one"`},
		{`{"do":"delay","delayMs":1}`, "PATCH", one, `{"data":{"k":"v"}}`, 200, `"k":"v"`},
		{`{"do":"delay","delayMs":0}`, "GET", "/nothing", nil, 404, "404 page not found"},
		{`{"do":"cut"}`, "GET", one, nil, 0, ""},
		{`{"do":"cut"}`, "POST", mapsPath, mapObject("new"), 0, ""},
		{`{"do":"cut"}`, "GET", mapsPath + "?watch=1", nil, 0, ""},
		{`{"do":"cut"}`, "GET", "/nothing", nil, 0, ""},
		{`{"do":"cut","afterBytes":1000000}`, "GET", one, nil, 200, `"name":"one"`},
		{`{"do":"expired"}`, "GET", one, nil, 410, `"message":"The resourceVersion for the provided list is too old.","reason":"Expired","code":410`},
		{`{"do":"expired"}`, "GET", mapsPath, nil, 410, `"reason":"Expired"`},
		{`{"do":"expired","afterEvents":5}`, "GET", "/api/v1/pods?limit=3", nil, 410, `"reason":"Expired"`},
		{`{"do":"conflict"}`, "PUT", one, mapObject("one"), 409, conflict},
		{`{"do":"conflict"}`, "PATCH", one, `{"data":{"k":"w"}}`, 409, `"reason":"Conflict","details":{"name":"one","kind":"configmaps"},"code":409`},
		{`{"do":"conflict"}`, "DELETE", one, nil, 409, conflict},
		{`{"do":"conflict"}`, "PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{}`, 409, `Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified`},
	}
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startFaults(t, kind)
			made := revision(c.Must(201, "POST", mapsPath, mapObject("one")))
			for _, tt := range cases {
				what := tt.action + " " + tt.method + " " + tt.path
				c.inject(`{"id":"f","action":` + tt.action + `}`)
				c.c.CloseIdleConnections() // on one that was used the client tries again
				var in io.Reader
				if s, isText := tt.body.(string); isText {
					in = strings.NewReader(s)
				} else if tt.body != nil {
					in = bytes.NewReader(tree.AppendJSON(nil, tt.body))
				}
				got, err := c.send(c.c, kind, tt.method, tt.path, in, "Content-Type: "+map[bool]string{true: apitest.MergePatch, false: "application/json"}[tt.method == "PATCH"])
				if tt.status == 0 {
					if err == nil {
						t.Errorf("%s: answered %d", what, got.status)
					}
				} else if err != nil || got.err != nil || got.status != tt.status || !strings.Contains(got.body, tt.says) || got.header.Get(faultHeader) != "f" {
					t.Errorf("%s: got %v %v %d %v %s", what, err, got.err, got.status, got.header, got.body)
				}
				if want := map[bool]string{true: "3"}[tt.action == ok]; err == nil && got.header.Get("Retry-After") != want {
					t.Errorf("%s: Retry-After %q", what, got.header.Get("Retry-After"))
				}
				if hits := c.fired(); hits != "f 1/1" {
					t.Errorf("%s: counted %s", what, hits)
				}
				c.putFaults("")
				o := c.Must(200, "GET", one, nil)
				if wrote := revision(o) != made; wrote != (tt.method == "PATCH" && tt.status == 200) || !c.Missing(mapsPath+"/new")() {
					t.Errorf("%s: the store has changed: %v", what, o)
				}
				made = revision(o)
			}

			// What an action does not fit does not match.
			for _, tt := range []struct {
				action, method, path string
				body                 any
				status               int
			}{
				{`{"do":"expired"}`, "POST", mapsPath, mapObject("two"), 201},
				{`{"do":"expired"}`, "DELETE", mapsPath + "/two", nil, 200},
				{`{"do":"expired"}`, "GET", "/api", nil, 200},
				{`{"do":"conflict"}`, "GET", one, nil, 200},
				{`{"do":"conflict"}`, "POST", mapsPath, mapObject("two"), 201},
				{`{"do":"conflict"}`, "DELETE", mapsPath + "?labelSelector=none", nil, 200},
				{`{"do":"drop-watch"}`, "GET", mapsPath, nil, 200},
				{`{"do":"drop-watch"}`, "GET", "/apis/no/v1/such?watch=1", nil, 404},
				{`{"do":"cut"}`, "GET", "/healthz", nil, 200},
				{`{"do":"cut"}`, "GET", "/livez/ping", nil, 200},
				{`{"do":"cut"}`, "GET", "/readyz", nil, 200},
				{`{"do":"cut"}`, "GET", "/version", nil, 200},
				{`{"do":"cut"}`, "GET", "/metrics", nil, 200},
			} {
				c.inject(`{"id":"f","match":{"method":["*"]},"action":` + tt.action + `}`)
				var in io.Reader
				if tt.body != nil {
					in = bytes.NewReader(tree.AppendJSON(nil, tt.body))
				}
				got, err := c.send(c.c, kind, tt.method, tt.path, in)
				if err != nil || got.status != tt.status || got.header.Get(faultHeader) != "" || c.fired() != "f 0/0" {
					t.Errorf("%s %s %s: got %v %d %s; counted %s", tt.action, tt.method, tt.path, err, got.status, got.body, c.fired())
				}
			}
			for _, path := range []string{"/healthz", "/livez/ping", "/version", "/metrics"} {
				c.inject(`{"match":{"path":["` + path[:4] + `*"]},"action":{"do":"answer","status":500}}`)
				if got := c.get(kind, path); got.status != 500 {
					t.Errorf("%s with a path in the match: %d %s", path, got.status, got.body)
				}
			}
		})
	}
}

// TestFaultCutsBodies: exactly so many bytes of the body come, and the answer does not
// look whole.
func TestFaultCutsBodies(t *testing.T) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startFaults(t, kind)
			c.Must(201, "POST", mapsPath, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "big"}, "data": map[string]any{"k": strings.Repeat("x", 200_000)}})
			whole := c.get(kind, mapsPath+"/big").body
			for _, n := range []int{1, 2047, 4096, 100_000, len(whole) - 1} {
				c.inject(`{"id":"c","action":{"do":"cut","afterBytes":` + itoa(n) + `}}`)
				got, err := c.send(c.c, kind, "GET", mapsPath+"/big", nil)
				if err != nil || got.status != 200 || got.err == nil || got.body != whole[:n] || got.header.Get(faultHeader) != "c" {
					t.Errorf("after %d bytes: %v, %d, %v, %d bytes came", n, err, got.status, got.err, len(got.body))
				}
			}
			// Written piece by piece: each event of a watch is one.
			c.inject(`{"id":"c","match":{"verb":["watch"]},"action":{"do":"cut","afterBytes":300}}`)
			w := c.Watch(t, mapsPath+"?watch=1&resourceVersion="+revision(c.Must(200, "GET", mapsPath, nil)))
			for i := range 5 {
				c.Must(201, "POST", mapsPath, mapObject("o"+itoa(i)))
			}
			b, err := io.ReadAll(w.Resp.Body)
			if err == nil || len(b) != 300 {
				t.Errorf("a watch: %d bytes, %v", len(b), err)
			}
			c.Soon("it is off the table", func() bool { return len(c.watchTable.list()) == 0 })
		})
	}
}

// TestFaultsOnWatches: how a watch ends by each action, whether it began under the rule or
// was open before it.
func TestFaultsOnWatches(t *testing.T) {
	const match = `{"id":"w","match":{"verb":["watch"]},"action":`
	tests := []struct {
		name, action string
		events       int
		how          string // clean, cut or expired
	}{
		{"drop at once", `{"do":"drop-watch"}`, 0, "clean"},
		{"drop after events", `{"do":"drop-watch","afterEvents":3}`, 3, "clean"},
		{"drop after time", `{"do":"drop-watch","afterMs":1}`, 0, "clean"},
		{"drop after time and events", `{"do":"drop-watch","afterMs":1,"afterEvents":2}`, 2, "clean"},
		{"cut at once", `{"do":"drop-watch","abrupt":true}`, 0, "cut"},
		{"cut after events", `{"do":"drop-watch","afterEvents":70,"abrupt":true}`, 70, "cut"},
		{"expire at once", `{"do":"expired"}`, 0, "expired"},
		{"expire after events", `{"do":"expired","afterEvents":2}`, 2, "expired"},
	}
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startFaults(t, kind)
			round := 0
			for _, tt := range tests {
				for _, open := range []bool{false, true} {
					what := fmt.Sprintf("%s, open before: %v", tt.name, open)
					round++
					path := mapsPath + "?watch=1&allowWatchBookmarks=true&labelSelector=round%3D" + itoa(round) + "&resourceVersion=" + revision(c.Must(200, "GET", mapsPath, nil))
					var w *apitest.Watch
					if open {
						w = c.Watch(t, path)
						c.Soon("it is on the table", func() bool { return len(c.watchTable.list()) == 1 })
					}
					c.inject(match + tt.action + `}`)
					if !open {
						w = c.Watch(t, path)
					}
					if got, want := w.Resp.Header.Get(faultHeader), map[bool]string{false: "w"}[open]; got != want {
						t.Errorf("%s: header %q", what, got)
					}
					for i := range tt.events + 3 {
						c.Must(201, "POST", mapsPath, mapObject("r"+itoa(round)+"-"+itoa(i), map[string]any{"labels": map[string]any{"round": itoa(round)}}))
					}
					var events []apitest.Event
					for {
						e, more := w.Take()
						if !more {
							break
						}
						events = append(events, e)
					}
					// After some time alone, how many came before is chance.
					timed := strings.Contains(tt.action, "afterMs")
					n := len(events)
					if tt.how == "expired" {
						n--
						if n < 0 || events[n].Type != "ERROR" || tree.Text(events[n].Obj, "reason") != "Expired" || events[n].Obj["code"] != int64(410) || !strings.HasPrefix(tree.Text(events[n].Obj, "message"), "too old resource version: ") {
							t.Errorf("%s: ended with %v", what, events)
						}
					}
					if n != tt.events && !(timed && n > tt.events) {
						t.Errorf("%s: %d events, want %d", what, n, tt.events)
					}
					if (w.Err != nil) != (tt.how == "cut") {
						t.Errorf("%s: ended with %v", what, w.Err)
					}
					if hits := c.fired(); hits != "w 1/1" {
						t.Errorf("%s: counted %s", what, hits)
					}
					c.putFaults("")
					c.Soon("it is off the table", func() bool { return len(c.watchTable.list()) == 0 })
				}
			}
		})
	}
}

// TestFaultsWithInitialEvents: the objects that a watch begins with are events too; the
// bookmark after them is not sent when it has ended.
func TestFaultsWithInitialEvents(t *testing.T) {
	c := startFaults(t, "h2")
	for i := range 5 {
		c.Must(201, "POST", mapsPath, mapObject("o"+itoa(i)))
	}
	for n, action := range []string{`{"do":"drop-watch"}`, `{"do":"drop-watch","afterEvents":1}`, `{"do":"expired","afterEvents":2}`} {
		c.inject(`{"action":` + action + `}`)
		w := c.Watch(t, mapsPath+"?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
		for range n {
			if e := w.Next(); e.Type != "ADDED" {
				t.Errorf("%s: got %v", action, e)
			}
		}
		if n == 2 {
			if e := w.Next(); e.Type != "ERROR" {
				t.Errorf("%s: got %v", action, e)
			}
		}
		w.Ended()
	}
}

// TestFaultsTakeOpenWatchesInOrder: oldest first, so that a count or a sequence takes the
// same ones each time; and rules that are undone, or replaced, let go what they took.
func TestFaultsTakeOpenWatchesInOrder(t *testing.T) {
	c := startFaults(t, "https")
	rev := revision(c.Must(200, "GET", mapsPath, nil))
	var watches []*apitest.Watch
	for i := range 5 {
		watches = append(watches, c.Watch(t, mapsPath+"?watch=1&resourceVersion="+rev))
		c.Soon("it is on the table", func() bool { return len(c.watchTable.list()) == i+1 })
	}
	c.inject(`{"id":"two","action":{"do":"drop-watch"},"count":2}`)
	for _, w := range watches[:2] {
		w.Ended()
	}
	if got := c.fired(); got != "two 5/2" {
		t.Errorf("counted %s", got)
	}
	c.Soon("three are left", func() bool { return len(c.watchTable.list()) == 3 })

	// Taken, and let go: by DELETE, by other rules.
	c.inject(`{"id":"all","action":{"do":"drop-watch","afterEvents":1}}`)
	c.putFaults("")
	for _, name := range []string{"a", "b"} {
		c.Must(201, "POST", mapsPath, mapObject(name))
		for _, w := range watches[2:] {
			if e := w.Next(); tree.Name(e.Obj) != name {
				t.Errorf("after DELETE: got %v", e)
			}
		}
	}
	c.inject(`{"id":"all","action":{"do":"expired","afterEvents":1}}`)
	c.inject(`{"id":"later","action":{"do":"drop-watch","afterMs":3600000,"afterEvents":1}}`)
	if got := c.fired(); got != "later 3/3" {
		t.Errorf("counted %s", got)
	}
	for i := range 3 {
		c.Must(201, "POST", mapsPath, mapObject("o"+itoa(i)))
		for _, w := range watches[2:] {
			if e := w.Next(); tree.Name(e.Obj) != "o"+itoa(i) {
				t.Errorf("got %v", e)
			}
		}
	}
	c.putFaults("")
	if n := len(c.watchTable.list()); n != 3 {
		t.Errorf("%d watches are open, want 3", n)
	}
}

// TestFaultsMeetNewWatches: a watch that begins while rules are put is judged once,
// whichever comes first.
func TestFaultsMeetNewWatches(t *testing.T) {
	c := startFaults(t, "h2")
	rev := revision(c.Must(200, "GET", mapsPath, nil))
	const rounds = 30
	for range rounds {
		begun := make(chan *apitest.Watch, 1)
		go func() { begun <- c.Watch(t, mapsPath+"?watch=1&resourceVersion="+rev) }()
		c.inject(`{"id":"w","action":{"do":"drop-watch"}}`)
		await(t, "the watch", begun).Ended()
		if got := c.fired(); got != "w 1/1" {
			t.Fatalf("counted %s", got)
		}
		c.putFaults("")
	}
}

// TestFaultRulesInOrder: the first that fires acts alone, and those after it do not see
// the request; one that does not fire hands it on.
func TestFaultRulesInOrder(t *testing.T) {
	c := startFaults(t, "http")
	c.inject(
		`{"id":"others","match":{"user":["nobody"]},"action":{"do":"cut"}}`,
		`{"id":"twice","match":{"verb":["list"]},"action":{"do":"answer","status":503},"count":2}`,
		`{"action":{"do":"answer","status":429}}`,
		`{"action":{"do":"answer","status":500}}`)
	var got []int
	for range 3 {
		code, _ := c.Try("GET", mapsPath, nil)
		got = append(got, code)
	}
	code, _ := c.Try("GET", mapsPath+"/x", nil)
	if got = append(got, code); !slices.Equal(got, []int{503, 503, 429, 429}) {
		t.Errorf("answers %v", got)
	}
	if got := c.fired(); got != "others 0/0, twice 3/2, 3 2/2, 4 0/0" {
		t.Errorf("counted %s", got)
	}
	c.inject(`{"id":"twice","action":{"do":"answer","status":503},"count":2}`)
	if got := c.fired(); got != "twice 0/0" {
		t.Errorf("counted %s after another PUT", got)
	}
	metrics := c.get("http", "/metrics").body
	if !strings.Contains(metrics, "\napichain_fault_hits_total{rule=\"twice\"} 0\n") {
		t.Error("no metric of the rule")
	}
}

// TestFaultSequence: which matches are hits follows from seed, id and number alone, on
// every machine. The sequences are golden: they must never change within v1.
func TestFaultSequence(t *testing.T) {
	sequence := func(seed int64, id string, percent float64) string {
		rules := &faultRules{seed: seed}
		r := &faultRule{FaultRule: admin.FaultRule{ID: id, Percent: percent}, rules: rules}
		var b strings.Builder
		for range 40 {
			if _, hit := r.countMatch(); hit {
				b.WriteByte('x')
			} else {
				b.WriteByte('.')
			}
		}
		return b.String()
	}
	for _, tt := range []struct {
		seed    int64
		id      string
		percent float64
		want    string
	}{
		{7, "flaky-list", 25, "xx..........xxx..x..x...xx.....x.x.xx.x."},
		{7, "flaky-list", 50, "xxxxxxx..xx.xxx..xx.xxx.xx...x.xxxxxx.x."},
		{7, "other", 25, ".xx...x...x....x.x..x.x......x..x......."},
		{8, "flaky-list", 25, ".x..xx.xx.x..x....x...x..x.....x..x....."},
		{0, "1", 10, "....x........x.........................."},
		{1<<53 - 1, "1", 0.001, strings.Repeat(".", 40)},
		{7, "flaky-list", 100, strings.Repeat("x", 40)},
	} {
		if got := sequence(tt.seed, tt.id, tt.percent); got != tt.want {
			t.Errorf("seed %d, id %s, %v percent:\n got %s\nwant %s", tt.seed, tt.id, tt.percent, got, tt.want)
		}
	}
	if got := []float64{draw(7, "d", 1, drawJitter), draw(7, "d", 2, drawJitter), draw(7, "d", 1, drawHit)}; !slices.Equal(got, []float64{0.41606787653524513, 0.6077164542730984, 0.8763645959524178}) {
		t.Errorf("draws %v", got)
	}
	// Over many it is as often as it says, for ids and seeds that are alike.
	for seed := range int64(4) {
		for _, id := range []string{"1", "2", "rule-1"} {
			for _, percent := range []float64{1, 33.3, 90} {
				hits, n := 0, 20_000
				for i := range n {
					if draw(seed, id, int64(i+1), drawHit)*100 < percent {
						hits++
					}
				}
				if got := float64(hits) * 100 / float64(n); got < percent-1.5 || got > percent+1.5 {
					t.Errorf("seed %d, id %s: %v percent fired %v percent", seed, id, percent, got)
				}
			}
		}
	}
}

// TestFaultSequenceOverTheWire: the same seed gives the same answers again, whatever other
// rules and requests there are; without one a seed is chosen and shown.
func TestFaultSequenceOverTheWire(t *testing.T) {
	c := startFaults(t, "h2c")
	run := func(put string, noise bool) (string, string) {
		if got := c.putFaults(put); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		var b strings.Builder
		for range 30 {
			if noise {
				c.Try("GET", mapsPath+"/x", nil)
			}
			code, _ := c.Try("GET", mapsPath, nil)
			b.WriteString(map[int]string{200: ".", 503: "x"}[code])
		}
		var shown struct{ Seed json.Number }
		c.look("/admin/v1/faults", &shown)
		return b.String(), shown.Seed.String()
	}
	const rule = `{"id":"flaky-list","match":{"verb":["list"]},"action":{"do":"answer","status":503},"percent":25}`
	first, seed := run(`{"seed":7,"rules":[`+rule+`]}`, false)
	if seed != "7" {
		t.Errorf("seed %s", seed)
	}
	again, _ := run(`{"seed":7,"rules":[{"id":"noise","match":{"name":["x"]},"action":{"do":"delay","delayMs":0},"percent":50},`+rule+`]}`, true)
	if first != again || !strings.Contains(first, "x") {
		t.Errorf("\n%s, then\n%s", first, again)
	}
	chosen, seed := run(`{"rules":[`+rule+`]}`, false)
	if again, _ := run(`{"seed":`+seed+`,"rules":[`+rule+`]}`, false); again != chosen {
		t.Errorf("seed %s: %s, then %s", seed, chosen, again)
	}
}

// TestFaultCountsAreExact: many requests at once, over several connections.
func TestFaultCountsAreExact(t *testing.T) {
	c := startFaults(t, "https")
	c.inject(`{"id":"a","match":{"verb":["list"]},"action":{"do":"answer","status":503},"percent":50,"count":40}`, `{"id":"b","action":{"do":"answer","status":429}}`)
	var all sync.WaitGroup
	var first, second atomic.Int64
	const workers, each = 8, 25
	for range workers {
		all.Go(func() {
			for range each {
				switch code, _ := c.Try("GET", mapsPath, nil); code {
				case 503:
					first.Add(1)
				case 429:
					second.Add(1)
				}
			}
		})
	}
	all.Wait()
	if first.Load() != 40 || second.Load() != workers*each-40 {
		t.Errorf("%d of the first and %d of the second rule", first.Load(), second.Load())
	}
	if got, want := c.fired(), fmt.Sprintf("a %d/40, b %d/%d", workers*each, workers*each-40, workers*each-40); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}

// TestFaultDelayEnds: by whatever ends the request, and by the rules' end.
func TestFaultDelayEnds(t *testing.T) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startFaults(t, kind, "-v=3")
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the log:\n%s", c.err)
				}
			})
			inside := func() (n int) {
				for _, ch := range c.chains {
					ch.table.each(func(x *exchange) {
						if int(x.at.Load()) == len(ch.rows)-1 {
							n++
						}
					})
				}
				return n
			}
			delayed := func(send func()) chan struct{} {
				// The one before may have been answered and not have left yet.
				c.Soon("nothing is delayed", func() bool { return inside() == 0 })
				done := make(chan struct{})
				go func() { defer close(done); send() }()
				c.Soon("it is delayed", func() bool { return inside() == 1 })
				return done
			}
			const hour = `{"id":"d","action":{"do":"delay","delayMs":3600000}}`

			// The deadline.
			c.inject(hour)
			await(t, "the deadline", delayed(func() {
				got, err := c.send(c.c, kind, "GET", mapsPath+"?timeout=300ms", nil)
				if err != nil || got.status != 504 || got.header.Get(faultHeader) != "d" || !strings.Contains(got.body, "did not complete within the allotted timeout") {
					t.Errorf("the deadline: %v %d %v %s", err, got.status, got.header, got.body)
				}
			}))

			// The client. Its write does not happen; in HTTP/1 nobody knows that it has gone
			// while its body is not read.
			ctx, cancel := context.WithCancel(t.Context())
			gone := delayed(func() {
				req, _ := http.NewRequestWithContext(ctx, "GET", c.url(kind, mapsPath), nil)
				if strings.HasPrefix(kind, "h2") {
					req, _ = http.NewRequestWithContext(ctx, "POST", c.url(kind, mapsPath), bytes.NewReader(tree.AppendJSON(nil, mapObject("lost"))))
				}
				req.Header.Set("Authorization", "Bearer admin-token")
				if resp, err := c.c.Do(req); err == nil {
					t.Errorf("answered %s", resp.Status)
				}
			})
			cancel()
			await(t, "the client", gone)
			c.Soon("its end is logged", func() bool { return c.err.has("ended=client-gone in=fault-injection") })

			// DELETE, and other rules.
			undone := delayed(func() { c.Must(200, "GET", mapsPath, nil) })
			c.putFaults("")
			await(t, "DELETE", undone)
			c.inject(hour)
			undone = delayed(func() { c.Must(200, "GET", mapsPath, nil) })
			c.inject(`{"action":{"do":"cut"}}`)
			await(t, "other rules", undone)
			c.inject(hour)

			// A stop.
			stopped := delayed(func() { c.Must(201, "POST", mapsPath, mapObject("kept")) })
			begun := time.Now()
			if code := c.stop(); code != exitDrained {
				t.Errorf("exit code %d", code)
			}
			await(t, "a stop", stopped)
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("the stop took %v", took)
			}
			sn := c.api.ForKind("v1", "ConfigMap").Bucket.Now()
			if sn.Get("default/lost") != nil || sn.Get("default/kept") == nil {
				t.Error("the write of the client that left, or not that of the one that stayed")
			}
		})
	}
}

// TestFaultsComeAfterRefusals: whoever may not do something learns nothing of a fault, and
// a rule does not count it.
func TestFaultsComeAfterRefusals(t *testing.T) {
	c := startFaults(t, "https")
	c.inject(`{"id":"f","action":{"do":"answer","status":503}}`)
	for header, want := range map[string]int{"Authorization: Bearer bob-token": 403, "Authorization: Bearer no-token": 401, "Authorization: Bearer admin-token": 503} {
		got := c.get("https", mapsPath, header)
		if got.status != want || (got.header.Get(faultHeader) != "") != (want == 503) {
			t.Errorf("%s: %d %v", header, got.status, got.header)
		}
	}
	if got := c.fired(); got != "f 1/1" {
		t.Errorf("counted %s", got)
	}
	// Who it is about is who acts.
	c.inject(`{"id":"f","match":{"user":["ann"],"group":["x","dev*"],"listener":["https"]},"action":{"do":"answer","status":503}}`)
	for _, headers := range [][]string{{"Impersonate-User: ann", "Impersonate-Group: system:masters"}, {"Impersonate-User: eve", "Impersonate-Group: developers"}} {
		if got := c.get("https", "/version", headers...); got.status != 200 {
			t.Errorf("%v: %d", headers, got.status)
		}
	}
}

// TestFaultsAreShown: on the chain, in the index, in the endpoint; on, off and over.
func TestFaultsAreShown(t *testing.T) {
	c := startFaults(t, "http")
	row := func() (string, map[string]any) {
		var p page
		c.look("/admin/v1/chain?listener=http", &p)
		filters := p.Items[0]["filters"].([]any)
		f := filters[len(filters)-1].(map[string]any)
		return fmt.Sprint(f["name"], " ", f["enabled"], " ", f["offReason"]), f
	}
	active := func() (bool, string) {
		var v struct {
			Active bool
			SetBy  string
			Rules  []any
		}
		got := c.look("/admin/v1/faults", &v)
		if v.Active != (len(v.Rules) > 0) {
			t.Errorf("%s", got.body)
		}
		return v.Active, got.body
	}
	if on, body := active(); on || !strings.Contains(body, `"setBy":"","setAt":null,"expiresAt":null,"note":"","seed":null,"rules":[]}`) {
		t.Errorf("before: %s", body)
	}
	if got, _ := row(); got != "fault-injection false no rule is set" {
		t.Errorf("before: %s", got)
	}
	c.inject(`{"id":"f","match":{"verb":["get"]},"action":{"do":"answer","status":503}}`)
	c.Must(503, "GET", mapsPath+"/x", nil)
	c.Must(200, "GET", mapsPath, nil)
	got, f := row()
	if got != "fault-injection true " || f["rejected"] != 1.0 || f["answered"].(map[string]any)["503"] != 1.0 {
		t.Errorf("on: %s %v", got, f)
	}
	if on, body := active(); !on || !strings.Contains(body, `"seed":7,"rules":[{"id":"f","match":{"verb":["get"]},"action":{"do":"answer","message":"injected fault f","reason":"ServiceUnavailable","retryAfterSeconds":null,"status":503},"percent":100,"count":null,"matched":1,"hits":1,"lastHit":"`) {
		t.Errorf("on: %s", body)
	}
	if got := c.look("/admin/", nil); !strings.Contains(got.body, `"control":"faults"`) {
		t.Errorf("index: %s", got.body)
	}
	c.putFaults("")
	c.Must(404, "GET", mapsPath+"/x", nil)
	if on, body := active(); on {
		t.Errorf("after DELETE: %s", body)
	}
	// Time undoes them.
	if got := c.putFaults(`{"rules":[{"action":{"do":"cut"}}],"expiresIn":"1ms"}`); got.status != 200 {
		t.Fatal(got.body)
	}
	c.Soon("they are over", func() bool { on, _ := active(); return !on })
	c.Must(404, "GET", mapsPath+"/x", nil)
	if got, _ := row(); got != "fault-injection false no rule is set" {
		t.Errorf("after their time: %s", got)
	}
	// A body that is wrong changes nothing.
	c.inject(`{"id":"f","action":{"do":"answer","status":503}}`)
	if got := c.putFaults(`{"rules":[{"action":{"do":"answer"}}]}`); got.status != 422 {
		t.Errorf("%d %s", got.status, got.body)
	}
	c.Must(503, "GET", mapsPath, nil)
}

// TestFaultsPredicted: a dry run is told of what is sure, and moves no count.
func TestFaultsPredicted(t *testing.T) {
	p := newTestProgram(t)
	put := func(rules ...admin.FaultRule) {
		t.Helper()
		if err := (source{p}).SetFaults(admin.Setting{For: time.Minute}, admin.FaultSet{Rules: rules}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { p.faults.clear("the test") })
	none := int64(1)
	answer := admin.FaultAction{Do: "answer", Status: 503, Message: "m"}
	for name, tt := range map[string]struct {
		rules     []admin.FaultRule
		passes    bool
		err       string
		rule, why string
	}{
		"answers":       {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 100}}, false, "m", "a", "answers: m"},
		"may answer":    {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 99}}, true, "", "", "rule a may answer (99 percent)"},
		"second":        {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 99}, {ID: "b", Action: admin.FaultAction{Do: "expired"}, Percent: 100}}, false, status.TooOldForList, "b", "; before it rule a may answer (99 percent)"},
		"second waits":  {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 1}, {ID: "b", Action: answer, Percent: 2}, {ID: "c", Action: admin.FaultAction{Do: "delay", DelayMs: 1000}, Percent: 100}}, true, "", "c", "a fault delays it by 1s; before it rule a may answer (1 percent); rule b may answer (2 percent)"},
		"delays":        {[]admin.FaultRule{{ID: "a", Action: admin.FaultAction{Do: "delay", DelayMs: 1000}, Percent: 100}, {ID: "b", Action: answer, Percent: 100}}, true, "", "a", "delays it by 1s"},
		"cuts":          {[]admin.FaultRule{{ID: "a", Action: admin.FaultAction{Do: "cut"}, Percent: 100}}, false, "", "a", "without an answer"},
		"cuts later":    {[]admin.FaultRule{{ID: "a", Action: admin.FaultAction{Do: "cut", AfterBytes: 1}, Percent: 100}}, true, "", "a", "cut"},
		"does not fit":  {[]admin.FaultRule{{ID: "a", Action: admin.FaultAction{Do: "conflict"}, Percent: 100}}, true, "", "", "no rule takes it"},
		"of another":    {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 100, Match: admin.Match{"verb": {"watch"}}}}, true, "", "", "no rule takes it"},
		"once, not yet": {[]admin.FaultRule{{ID: "a", Action: answer, Percent: 100, Count: &none}}, false, "m", "a", "answers"},
	} {
		put(tt.rules...)
		x := &exchange{chain: p.chain("http"), path: mapsPath}
		x.dry, x.header = &dryRun{reasons: map[int]reason{}}, http.Header{}
		x.info = request.Info{IsResourceRequest: true, Verb: "list", Resource: "configmaps"}
		passed := false
		err := faultInjection(p).step(x, func(*exchange) error { passed = true; return nil })
		var e string
		if err != nil {
			e = err.Error()
		}
		if passed != tt.passes || e != tt.err {
			t.Errorf("%s: passed %v, %v", name, passed, err)
		}
		for _, r := range (source{p}).Faults().Rules {
			if r.Matched != 0 || r.Hits != 0 {
				t.Errorf("%s: rule %s has counted", name, r.ID)
			}
		}
		said := x.dry.reasons[0]
		if x.fault.Load() != nil || said.rule != tt.rule || !strings.Contains(said.why, tt.why) || said.waits != (name == "delays" || name == "second waits") || x.header.Get(faultHeader) != tt.rule {
			t.Errorf("%s: %+v %v", name, said, x.header)
		}
	}
}

// TestFaultsAreRecorded: how a request that a rule touched has ended, and where, for the
// access record and whoever else is told.
func TestFaultsAreRecorded(t *testing.T) {
	for _, kind := range clientKinds {
		c := startFaults(t, kind, "-v=3")
		c.Must(201, "POST", mapsPath, mapObject("one"))
		for action, want := range map[string]string{
			`{"do":"answer","status":503}`:          "resp=503 bytes=%d ended=refused in=fault-injection",
			`{"do":"expired"}`:                      "resp=410 bytes=%d ended=refused in=fault-injection",
			`{"do":"cut"}`:                          "resp=0 bytes=0 ended=cut in=fault-injection",
			`{"do":"cut","afterBytes":9}`:           "resp=200 bytes=9 ended=cut in=handler",
			`{"do":"delay","delayMs":0}`:            "resp=200 bytes=%d ended=completed in=handler",
			`{"do":"drop-watch","abrupt":true}`:     "resp=200 bytes=0 ended=cut in=handler",
			`{"do":"drop-watch"}`:                   "resp=200 bytes=0 ended=completed in=handler",
			`{"do":"expired","afterEvents":100000}`: "resp=410 bytes=%d ended=refused in=fault-injection",
		} {
			path := mapsPath + "/one"
			if strings.Contains(action, "drop-watch") {
				path = mapsPath + "?watch=1"
			}
			c.inject(`{"action":` + action + `}`)
			c.c.CloseIdleConnections()
			begun := len(c.err.String())
			got, _ := c.send(c.c, kind, "GET", path, nil)
			if strings.Contains(want, "%d") {
				want = fmt.Sprintf(want, len(got.body))
			}
			c.Soon(kind+" "+action+" is recorded: "+want, func() bool { return strings.Contains(c.err.String()[begun:], want) })
		}
	}
}

// TestFaultsAreExplained: explain names the rule and predicts the answer that the request
// then gets, and the rule counts the request alone.
func TestFaultsAreExplained(t *testing.T) {
	c := startFaults(t, "https")
	explained := func() (step, would map[string]any) {
		var v struct {
			Steps       []map[string]any
			WouldAnswer map[string]any
		}
		c.look("/admin/v1/explain?user=ann&group=system:masters&path="+mapsPath, &v)
		for _, s := range v.Steps {
			if s["name"] == "fault-injection" {
				return s, v.WouldAnswer
			}
		}
		return nil, v.WouldAnswer
	}
	if step, would := explained(); step != nil || would != nil {
		t.Errorf("without rules: %v %v", step, would)
	}
	c.inject(`{"id":"f","action":{"do":"answer","status":429,"retryAfterSeconds":2}}`)
	step, would := explained()
	got := c.get("https", mapsPath)
	if step["decision"] != "answered" || step["rule"] != "f" || would["status"] != float64(got.status) || would["by"] != "fault-injection" || !strings.Contains(got.body, would["message"].(string)) || !strings.Contains(got.body, would["reason"].(string)) {
		t.Errorf("%v %v, then %s", step, would, got.body)
	}
	for _, name := range []string{faultHeader, "Retry-After"} {
		if h := would["headers"].(map[string]any)[name]; h != got.header.Get(name) {
			t.Errorf("%s: %v, then %q", name, h, got.header.Get(name))
		}
	}
	if got := c.fired(); got != "f 1/1" {
		t.Errorf("counted %s", got)
	}
	c.inject(`{"id":"d","action":{"do":"delay","delayMs":3600000}}`)
	if step, _ := explained(); step["decision"] != "would-wait" || step["rule"] != "d" {
		t.Errorf("a delay: %v", step)
	}
	if got := c.fired(); got != "d 0/0" {
		t.Errorf("counted %s", got)
	}
}

// TestFaultsLeakNothing: watches that were taken and have ended leave no timer and no row,
// whatever they still waited for.
func TestFaultsLeakNothing(t *testing.T) {
	c := startFaults(t, "http")
	before := goroutines()
	c.inject(`{"id":"w","action":{"do":"drop-watch","afterMs":3600000}}`)
	rev := revision(c.Must(200, "GET", mapsPath, nil))
	for range 20 {
		w := c.Watch(t, mapsPath+"?watch=1&resourceVersion="+rev)
		c.Soon("it is on the table", func() bool { return len(c.watchTable.list()) == 1 })
		var f *fault
		c.watchTable.each(func(r *watchRow) { f = r.x.fault.Load() })
		w.Cancel()
		c.Soon("it has ended", func() bool {
			n := 0
			c.chain("http").table.each(func(*exchange) { n++ })
			return n == 0
		})
		if f.end.timer.Stop() {
			t.Fatal("its timer goes on")
		}
	}
	c.putFaults("")
	c.c.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	c.Soon("no goroutine is left", func() bool {
		for id, stack := range goroutines() {
			if before[id] == "" && (strings.Contains(stack, "fault") || strings.Contains(stack, "watching")) {
				return false
			}
		}
		return true
	})
}
