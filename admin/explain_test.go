package admin

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// The answer to the contract's question is the contract's example.
func TestExplainIsTheContractsExample(t *testing.T) {
	src := newFake(t)
	var want map[string]any
	example(t, "explain", &want)
	got := decode(t, ask(t, handlerOf(t, src), "/admin/v1/explain?method=GET&path=/apis/example.com/v1/namespaces/t1/widget&user=alice&group=system:masters&header=Accept:%20a&header=X:%20b"))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
	asked := ExplainRequest{"GET", "/apis/example.com/v1/namespaces/t1/widget", "", "alice", []string{"system:masters"}, []string{"Accept: a", "X: b"}}
	if !reflect.DeepEqual(src.asked, asked) {
		t.Errorf("asked %+v, want %+v", src.asked, asked)
	}
}

// A parameter that is wrong is named, as are those that there are.
func TestExplainParameters(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	for query, want := range map[string]string{
		"":                         "path is missing",
		"path=":                    "path is missing",
		"path=/&paths=/":           `unknown query parameter "paths": known are path, method, listener, user, group, header, pretty, wide`,
		"path=/&path=/a":           `path: "/, /a" is not one value`,
		"path=/&method=GET&method": `method: "GET, " is not one value`,
		"path=/&user=a&user=b":     `user: "a, b" is not one value`,
		"path=/&listener&listener": `listener: ", " is not one value`,
		"path=/&pretty=perhaps":    `pretty: "perhaps"`,
		"path=%zz":                 "the query cannot be read",
	} {
		w := ask(t, h, "/admin/v1/explain?"+query)
		if w.Code != http.StatusBadRequest || !strings.Contains(decode(t, w)["message"].(string), want) {
			t.Errorf("%q: %d %s, want %q", query, w.Code, w.Body, want)
		}
	}
	src.refusesToExplain = badRequest("query parameter listener: https is off")
	if w := ask(t, h, "/admin/v1/explain?path=/"); w.Code != 400 || decode(t, w)["message"] != src.refusesToExplain.Message {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, h, "POST /admin/v1/explain?path=/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// As text: the steps, what comes of it, and the routes that almost matched.
func TestExplainAsText(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	got := ask(t, h, "/admin/v1/explain?path=/none", "Accept: text/plain").Body.String()
	want := `POS  STAGE      NAME            DECISION  WHY
  1  filter     canonical-path  passed    nothing to refuse
 23  filter     authorization   passed    system:masters may do everything
  -  director   extensions      passed    no web service claims the path; the mux has no entry
  -  not-found  extensions      answered  last server of the chain
404 Not Found by not-found: 404 page not found

NEAR-MISS                                                     LACKS    WANT     GOT     REGISTERED
extensions:container:GET:/apis/example.com/v1/namespaces/{n…  segment  widgets  widget  extensions.go:88
`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	got = ask(t, h, "/admin/v1/explain?path="+reached, "Accept: text/plain").Body.String()
	want = `POS  STAGE      NAME            DECISION  WHY
  1  filter     canonical-path  passed    nothing to refuse
 23  filter     authorization   passed    system:masters may do everything
  -  container  aggregator      passed    registered at core.go:20
reaches aggregator:container:GET:/version, main.versionService.func1, registered at core.go:20
`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}

	// A message is whole, and on one line; the connection may be cut without any answer.
	long := strings.Repeat("secrets is forbidden ", 5)
	src.explanation.NearMisses = nil
	for want, answer := range map[string]WouldAnswer{
		"403 Forbidden by authorization: " + long + "\\nand more\n": {Status: 403, Reason: "Forbidden", Message: long + "\nand more", By: "authorization"},
		"cut by fault-injection: rule x cuts it\n":                  {Message: "rule x cuts it", By: "fault-injection"},
	} {
		src.explanation.WouldAnswer = &answer
		if got := ask(t, h, "/admin/v1/explain?path=/none", "Accept: text/plain").Body.String(); !strings.HasSuffix(got, "\n"+want) {
			t.Errorf("%q does not end with %q", got, want)
		}
	}
}
