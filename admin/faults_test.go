package admin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// putFaults sends a PUT with a body.
func putFaults(t testing.TB, src *fake, body string) (code int, answer map[string]any) {
	t.Helper()
	w := askWith(t, handlerOf(t, src), "PUT /admin/v1/faults", strings.NewReader(body), "Content-Type: application/json", "If-Match: *")
	return w.Code, decode(t, w)
}

// TestFaultRulesAreFilledIn: what a rule does not say is shown as what holds.
func TestFaultRulesAreFilledIn(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"a","match":{"verb":["list","watch"],"name":["x*"]},"action":{"do":"answer","status":503},"percent":0.5,"count":3}`: `{"action":{"do":"answer","message":"injected fault a","reason":"ServiceUnavailable","retryAfterSeconds":null,"status":503},"count":3,"hits":0,"id":"a","lastHit":null,"match":{"name":["x*"],"verb":["list","watch"]},"matched":0,"percent":0.5}`,
		`{"action":{"do":"answer","status":429,"reason":"Mine","message":"no","retryAfterSeconds":7}}`:                             `{"action":{"do":"answer","message":"no","reason":"Mine","retryAfterSeconds":7,"status":429},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"percent":null,"count":null,"action":{"do":"delay","delayMs":1.5}}`:                                                      `{"action":{"delayMs":1.5,"do":"delay","jitterMs":0},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"action":{"do":"cut"}}`:                                 `{"action":{"afterBytes":0,"do":"cut"},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"action":{"do":"drop-watch"}}`:                          `{"action":{"abrupt":false,"afterEvents":0,"afterMs":0,"do":"drop-watch"},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"action":{"do":"expired","afterEvents":2}}`:             `{"action":{"afterEvents":2,"do":"expired"},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"action":{"do":"conflict"}}`:                            `{"action":{"do":"conflict"},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
		`{"action":{"do":"answer","status":418,"message":"<é>"}}`: `{"action":{"do":"answer","message":"\u003cé\u003e","reason":"","retryAfterSeconds":null,"status":418},"count":null,"hits":0,"id":"1","lastHit":null,"match":{},"matched":0,"percent":100}`,
	} {
		src := newFake(t)
		code, got := putFaults(t, src, `{"seed":9007199254740991,"rules":[`+body+`],"expiresIn":"90s","note":"n"}`)
		if code != 200 {
			t.Errorf("%s: %d %v", body, code, got)
			continue
		}
		b, _ := json.Marshal(got["rules"].([]any)[0])
		if string(b) != want {
			t.Errorf("%s:\n got %s\nwant %s", body, b, want)
		}
		if got["active"] != true || got["setBy"] != "system:unsecured" || got["note"] != "n" || got["expiresAt"] != "2026-11-23T05:24:37.412Z" || *src.set.Seed != maxSafeInteger {
			t.Errorf("%s: %v", body, got)
		}
	}
	for status, want := range map[int]string{400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable", 409: "Conflict", 410: "Gone", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests", 499: "", 500: "InternalError", 502: "InternalError", 503: "ServiceUnavailable", 504: "Timeout", 599: "InternalError"} {
		if got := reasonOf(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

// TestFaultBodiesThatAreWrong: 400 for a body that cannot be meant, 422 with a cause for
// each value that is wrong; nothing is set.
func TestFaultBodiesThatAreWrong(t *testing.T) {
	rule := func(s string) string { return `{"rules":[` + s + `]}` }
	action := func(s string) string { return rule(`{"action":` + s + `}`) }
	many := strings.TrimSuffix(strings.Repeat(`{"action":{"do":"cut"}},`, 101), ",")
	for _, tt := range []struct {
		body string
		code int
		want string // the message of a 400; fields of a 422, in order
	}{
		{``, 400, "not a JSON object"},
		{`[]`, 400, "not a JSON object"},
		{`{"rules":[{"action":{"do":"cut"}}]`, 400, "not JSON"},
		{`{"rules":[],"rule":1}`, 400, `unknown key "rule"`},
		{`{"rules":[],"rules":[]}`, 400, `"rules" is there twice`},
		{rule(`{"action":{"do":"cut"},"percentage":5}`), 400, `unknown key "rules[0].percentage": known are id, match, action, percent, count`},
		{rule(`{"action":{"do":"cut"},"match":{"verbs":["get"]}}`), 400, `unknown key "rules[0].match.verbs": known are listener, server`},
		{action(`{"do":"cut","after":5}`), 400, `unknown key "rules[0].action.after": known are abrupt, afterBytes, afterEvents, afterMs, delayMs, do, jitterMs, message, reason, retryAfterSeconds, status`},
		{action(`{"do":"cut","do":"delay"}`), 400, `"rules[0].action.do" is there twice`},
		{action(`{"do":"answer","status":1,"after":5}`), 400, `unknown key`}, // before what is wrong

		{`{}`, 422, "rules"},
		{`{"rules":null}`, 422, "rules"},
		{`{"rules":[]}`, 422, "rules"},
		{`{"rules":{}}`, 422, "rules"},
		{`{"rules":[1]}`, 422, "rules[0]"},
		{rule(many), 422, "rules"},
		{rule(`{}`), 422, "rules[0].action.do"},
		{rule(`{"action":{"do":"cut"}},{"id":"1","action":{"do":"cut"}}`), 422, "rules[1].id"},
		{rule(`{"id":"","action":{"do":"cut"}}`), 422, "rules[0].id"},
		{rule(`{"id":"a b","action":{"do":"cut"}}`), 422, "rules[0].id"},
		{rule(`{"id":"a\r\nb","action":{"do":"cut"}}`), 422, "rules[0].id"},
		{rule(`{"id":"` + strings.Repeat("a", 64) + `","action":{"do":"cut"}}`), 422, "rules[0].id"},
		{rule(`{"id":5,"action":{"do":"cut"}}`), 422, "rules[0].id"},
		{rule(`{"percent":0,"action":{"do":"cut"}}`), 422, "rules[0].percent"},
		{rule(`{"percent":-1,"action":{"do":"cut"}}`), 422, "rules[0].percent"},
		{rule(`{"percent":100.1,"action":{"do":"cut"}}`), 422, "rules[0].percent"},
		{rule(`{"percent":"5","action":{"do":"cut"}}`), 422, "rules[0].percent"},
		{rule(`{"count":0,"action":{"do":"cut"}}`), 422, "rules[0].count"},
		{rule(`{"count":1.5,"action":{"do":"cut"}}`), 422, "rules[0].count"},
		{rule(`{"match":{"verb":"get"},"action":{"do":"cut"}}`), 422, "rules[0].match.verb"},
		{rule(`{"match":{"verb":[]},"action":{"do":"cut"}}`), 422, "rules[0].match.verb"},
		{rule(`{"match":[],"action":{"do":"cut"}}`), 422, "rules[0].match"},
		{rule(`{"action":"cut"}`), 422, "rules[0].action rules[0].action.do"},
		{action(`{"do":"explode"}`), 422, "rules[0].action.do"},
		{action(`{"do":5}`), 422, "rules[0].action.do rules[0].action.do"},
		{action(`{"do":"delay"}`), 422, "rules[0].action.delayMs"},
		{action(`{"do":"delay","delayMs":-1}`), 422, "rules[0].action.delayMs"},
		{action(`{"do":"delay","delayMs":86400001,"jitterMs":-0.5}`), 422, "rules[0].action.delayMs rules[0].action.jitterMs"},
		{action(`{"do":"answer"}`), 422, "rules[0].action.status"},
		{action(`{"do":"answer","status":399}`), 422, "rules[0].action.status"},
		{action(`{"do":"answer","status":600}`), 422, "rules[0].action.status"},
		{action(`{"do":"answer","status":503.5}`), 422, "rules[0].action.status"},
		{action(`{"do":"answer","status":503,"retryAfterSeconds":0}`), 422, "rules[0].action.retryAfterSeconds"},
		{action(`{"do":"answer","status":503,"reason":5,"message":{}}`), 422, "rules[0].action.reason rules[0].action.message"},
		{action(`{"do":"answer","status":503,"message":"` + strings.Repeat("m", 1025) + `"}`), 422, "rules[0].action.message"},
		{action(`{"do":"cut","afterBytes":-1}`), 422, "rules[0].action.afterBytes"},
		{action(`{"do":"cut","afterEvents":1}`), 422, "rules[0].action.afterEvents"},
		{action(`{"do":"conflict","status":409,"delayMs":1}`), 422, "rules[0].action.delayMs rules[0].action.status"},
		{action(`{"do":"drop-watch","afterEvents":-1,"afterMs":-1,"abrupt":1}`), 422, "rules[0].action.afterEvents rules[0].action.afterMs rules[0].action.abrupt"},
		{action(`{"do":"expired","afterMs":1}`), 422, "rules[0].action.afterMs"},
		{`{"seed":-1,"rules":[{"action":{"do":"cut"}}],"expiresIn":"25h","note":"` + strings.Repeat("n", 201) + `"}`, 422, "expiresIn note seed"},
		{`{"seed":9007199254740992,"rules":[{"action":{"do":"cut"}}]}`, 422, "seed"},
		{rule(`{"action":{"do":"cut"}},{"percent":0,"count":0,"action":{"do":"delay"}}`), 422, "rules[1].percent rules[1].count rules[1].action.delayMs"},
	} {
		src := newFake(t)
		before := src.faults
		code, got := putFaults(t, src, tt.body)
		if code != tt.code || !reflect.DeepEqual(src.faults, before) {
			t.Errorf("%.200s: %d, want %d: %v", tt.body, code, tt.code, got["message"])
			continue
		}
		if code == 400 {
			if !strings.Contains(got["message"].(string), tt.want) {
				t.Errorf("%s: %v, want %q", tt.body, got["message"], tt.want)
			}
			continue
		}
		var fields []string
		for _, c := range got["details"].(map[string]any)["causes"].([]any) {
			c := c.(map[string]any)
			fields = append(fields, c["field"].(string))
			if c["message"] == "" || !strings.HasPrefix(c["reason"].(string), "FieldValue") {
				t.Errorf("%s: cause %v", tt.body, c)
			}
		}
		if got := strings.Join(fields, " "); got != tt.want {
			t.Errorf("%.200s:\n got %s\nwant %s", tt.body, got, tt.want)
		}
	}
}

// TestFaultsAreCleared: by whom is told; and a program that stops refuses new ones.
func TestFaultsAreCleared(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	w := ask(t, h, "DELETE /admin/v1/faults", "If-Match: *")
	if got := decode(t, w); w.Code != 200 || got["active"] != false || got["seed"] != nil || fmt.Sprint(got["rules"]) != "[]" || src.by != "system:unsecured" {
		t.Errorf("%d %v", w.Code, got)
	}
	src.faultsFail = &Error{Code: 409, Reason: "Conflict", Message: "it stops"}
	if code, got := putFaults(t, src, `{"rules":[{"action":{"do":"cut"}}]}`); code != 409 || got["message"] != "it stops" {
		t.Errorf("%d %v", code, got)
	}
}

// TestFaultsAsText: one line a rule.
func TestFaultsAsText(t *testing.T) {
	got := ask(t, handlerOf(t, newFake(t)), "/admin/v1/faults?wide=true", "Accept: text/plain").Body.String()
	_, table, _ := strings.Cut(got, "\n\n")
	want := strings.TrimPrefix(`
RULE        PERCENT  COUNT  MATCHED  HITS  LAST   MATCH                                   ACTION
flaky-list  25          10       16     4  112ms  resource=widgets.example.com verb=list  answer status=503 reason="ServiceUnavailable" message="injected fault flaky-list" retryAfterSeconds=1
2           12.5         -        0     0  -      all                                     delay delayMs=250.5 jitterMs=100
3           100          1        2     1  112ms  verb=get                                cut afterBytes=100
4           100          -        0     0  -      user=alice                              drop-watch afterEvents=3 afterMs=1000 abrupt=true
5           100          -        0     0  -      name=a*                                 expired afterEvents=2
6           100          -        0     0  -      group=dev                               conflict
`, "\n")
	if table != want {
		t.Errorf("\n%s\nwant\n%s", table, want)
	}
}

// FuzzFaults: no body panics, and what is taken is within the bounds and says the same when
// it is sent again as it is shown.
func FuzzFaults(f *testing.F) {
	for _, s := range []string{
		`{"seed":7,"rules":[{"id":"a","match":{"verb":["list"]},"action":{"do":"answer","status":503,"retryAfterSeconds":1},"percent":25,"count":10}],"expiresIn":"5m","note":"n"}`,
		`{"rules":[{"action":{"do":"delay","delayMs":1e3,"jitterMs":0.5}},{"action":{"do":"cut","afterBytes":9}},{"action":{"do":"conflict"}}]}`,
		`{"rules":[{"action":{"do":"drop-watch","afterEvents":1,"afterMs":2,"abrupt":true}},{"action":{"do":"expired","afterEvents":3}}]}`,
		`{"rules":[{"id":null,"match":{"x":[null]},"action":null,"percent":1e999}]}`, `{"rules":[[]]}`, `{`, `null`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := parseBody([]byte(body), "seed", "rules", "expiresIn", "note")
		if err != nil {
			return
		}
		set := readFaults(v)
		if err := v.problems.refusal(); err != nil {
			if err.Code == 422 && len(err.Causes) == 0 || err.Code != 422 && err.Code != 400 {
				t.Fatalf("%+v", err)
			}
			return
		}
		ids := map[string]bool{}
		for _, r := range set.Rules {
			if ids[r.ID] || !faultID.MatchString(r.ID) || !(r.Percent > 0 && r.Percent <= 100) || r.Count != nil && *r.Count < 1 || faultFields[r.Action.Do] == nil {
				t.Fatalf("taken: %+v", r)
			}
			ids[r.ID] = true
			if a := r.Action; a.Do == "answer" && (a.Status < 400 || a.Status > 599 || a.Message == "") || a.DelayMs < 0 || a.DelayMs+a.JitterMs > 2*maxFaultMs || a.AfterBytes < 0 || a.AfterEvents < 0 {
				t.Fatalf("taken: %+v", a)
			}
		}
		type said struct {
			ID      string      `json:"id"`
			Match   Match       `json:"match"`
			Action  FaultAction `json:"action"`
			Percent float64     `json:"percent"`
			Count   *int64      `json:"count"`
		}
		again := map[string]any{"seed": set.Seed}
		var rules []said
		for _, r := range set.Rules {
			rules = append(rules, said{r.ID, r.Match, r.Action, r.Percent, r.Count})
		}
		again["rules"] = rules
		b, bad := json.Marshal(again)
		if bad != nil {
			t.Fatal(bad)
		}
		v, err = parseBody(b, "seed", "rules")
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got := readFaults(v); v.problems.refusal() != nil || !reflect.DeepEqual(got, set) {
			t.Fatalf("%s: %v\n got %+v\nwant %+v", b, v.problems.refusal(), got, set)
		}
	})
}
