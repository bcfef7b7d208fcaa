package aggregation

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/backend"
	"apichain/internal/metrics"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Parts of the package, one by one, without a server on either side.

// TestStaysHere: which headers of a request go on.
func TestStaysHere(t *testing.T) {
	for header, stays := range map[string]bool{
		"Accept": false, "Content-Type": false, "Cookie": false, "X-Forwarded-For": false, "If-None-Match": false, "X-Remote": false,
		"Authorization-Info": false, "X-Remote-User-Name": false, "Impersonat": false, "X-Remote-Extra": false, "Upgrade-Insecure-Requests": false,
		"Authorization": true, "authorization": true, "X-Remote-User": true, "X_remote-USER": true, "x_remote_user": true, "X-Remote-Uid": true,
		"X-Remote-Group": true, "X_Remote_Group": true, "X-Remote-Extra-": true, "X-Remote-Extra-Scopes": true, "X_remote_extra_scopes": true,
		"Impersonate-User": true, "Impersonate_user": true, "Impersonate-Extra-A": true, "Connection": true, "Te": true, "Trailer": true,
		"Transfer-Encoding": true, "Upgrade": true, "Keep-Alive": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	} {
		if got := staysHere(header); got != stays {
			t.Errorf("%s stays here: %t", header, got)
		}
	}
}

// TestDropNamed: what Connection names goes, in any case and wherever it stands in its lines; what begins alike stays.
func TestDropNamed(t *testing.T) {
	for _, c := range []struct{ lines, left string }{
		{"", "Connection X-Name X-Named X-Named-2"}, {"x-named", "Connection X-Name X-Named-2"}, {"close, X-NAMED ,x-name", "Connection X-Named-2"},
		{" , ,x-named-2,", "Connection X-Name X-Named"}, {"close|x-name|connection", "X-Named X-Named-2"}, {"x named", "Connection X-Name X-Named X-Named-2"},
	} {
		h := http.Header{"X-Name": {""}, "X-Named": {""}, "X-Named-2": {""}, "Connection": strings.Split(c.lines, "|")}
		dropNamed(h, h["Connection"])
		if got := strings.Join(slices.Sorted(maps.Keys(h)), " "); got != c.left {
			t.Errorf("%q leaves %s, want %s", c.lines, got, c.left)
		}
	}
}

// TestIsCORS: what other origins may do is for us to say, and nothing else is.
func TestIsCORS(t *testing.T) {
	for header, is := range map[string]bool{
		"Access-Control-Allow-Origin": true, "Access-Control-Allow-Methods": true, "Access-Control-Allow-Headers": true, "Access-Control-Allow-Credentials": true,
		"Access-Control-Allow-Private-Network": false, "Access-Control-Max-Age": false, "Access-Control-Expose-Headers": false, "Vary": false,
	} {
		if isCORS(header) != is {
			t.Errorf("%s: %t", header, !is)
		}
	}
}

// TestUpgradeOf: which requests ask for another protocol.
func TestUpgradeOf(t *testing.T) {
	for _, c := range []struct{ connection, upgrade, want string }{
		{"Upgrade", "websocket", "websocket"}, {"keep-alive, upgrade", "SPDY/3.1", "SPDY/3.1"}, {"UPGRADE", "a, b", "a, b"}, {"Upgrade", "", "?"},
		{"", "websocket", ""}, {"keep-alive", "h2c", ""}, {"x-upgrade", "h2c", "h2c"},
	} {
		h := http.Header{}
		if c.connection != "" {
			h.Set("Connection", c.connection)
		}
		if c.upgrade != "" {
			h.Set("Upgrade", c.upgrade)
		}
		if got := upgradeOf(h); got != c.want || IsUpgrade(h) != (c.want != "") {
			t.Errorf("Connection %q, Upgrade %q: %q, want %q", c.connection, c.upgrade, got, c.want)
		}
	}
}

// TestCleaned: what a server is told of the path, which may have double slashes and no dots.
func TestCleaned(t *testing.T) {
	for path, want := range map[string]string{
		"/apis/g/v1": "/apis/g/v1", "/apis/g/v1/": "/apis/g/v1/", "/apis/g/v1//x": "/apis/g/v1/x", "/apis//g///v1//": "/apis/g/v1/",
		"/apis/g/v1/a%2F%2Fb": "/apis/g/v1/a%2F%2Fb", "/apis/g/v1//a%2Fb": "/apis/g/v1/a%2Fb",
	} {
		if got := cleaned(path); got != want {
			t.Errorf("%s is told as %s, want %s", path, got, want)
		}
	}
}

// TestAnswerError: which statuses cannot be answered with.
func TestAnswerError(t *testing.T) {
	for code, ok := range map[int]bool{0: false, 1: false, 99: false, 101: false, 200: true, 304: true, 404: true, 599: true, 600: true, 999: true} {
		if err := answerError(code); (err == nil) != ok {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// TestRewriteRefuses: what of an answer is no answer, and what is left as it is.
func TestRewriteRefuses(t *testing.T) {
	var zipped bytes.Buffer
	g := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(g, strings.Repeat("<a href=x>", 1000))
	_ = g.Close()
	p := &passage{url: url.URL{Scheme: "https", Host: "10.0.0.7:443"}}
	for _, c := range []struct {
		header, body string
		wrong        string // what refuses
		breaks       bool   // the body has no end
		isOther      bool
	}{
		{header: "Location: /a\x7f", wrong: "Internal error occurred: error trying to parse Location header: "},
		{header: "Location: http://[::1", wrong: "Internal error occurred: error trying to parse Location header: "},
		{header: "Content-Type: text/html\nContent-Encoding: gzip", body: "no gzip, but long enough", wrong: "error trying to reach service: the answer is no gzip: "},
		{header: "Content-Type: text/html\nContent-Encoding: gzip", body: zipped.String()[:zipped.Len()/2], breaks: true, isOther: true},
		{header: "Content-Type: text/html\nContent-Encoding: deflate", body: "\xff\xff", breaks: true, isOther: true},
		{header: "Content-Type: text/html\nContent-Encoding: br", body: "<a href=/x>"}, {header: "Content-Type: text/xhtml", body: "<a href=/x>"},
		{header: "", body: "<a href=/x>"}, {header: "Content-Type: TEXT/HTML", body: "<a href=/x>"},
		{header: "Content-Type: text/html", body: "<a href=/x>", isOther: true},
	} {
		res := &http.Response{Header: http.Header{"Content-Length": {"1"}}, ContentLength: 1, Body: io.NopCloser(strings.NewReader(c.body))}
		for line := range strings.Lines(c.header) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			res.Header.Set(name, value)
		}
		err := p.rewrite(res)
		if c.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Errorf("%q: %v, want %s", c.header, err, c.wrong)
			}
			continue
		}
		if _, broken := io.ReadAll(res.Body); err != nil || (broken != nil) != c.breaks {
			t.Errorf("%q: %v, the body ends with %v", c.header, err, broken)
		}
		// A page that may become longer has no length.
		if (res.Header.Get("Content-Length") == "") != c.isOther || (res.ContentLength < 0) != c.isOther {
			t.Errorf("%q: length %d, header %v", c.header, res.ContentLength, res.Header)
		}
	}
}

// TestParseTag: how a start tag is taken apart.
func TestParseTag(t *testing.T) {
	for tag, want := range map[string]string{
		`<a>`: "a", `<A/>`: "a /", `<a href>`: "a href=", `<a href=/b>`: "a href=/b", `<a  href = "/b c"  x='y"z' >`: `a href=/b c x=y"z`,
		`<a href="/b"/>`: "a href=/b /", `<a href=/b/>`: "a href=/b/", "<a\nhref\t=\f/b\r>": "a href=/b", `<a href="/b?x=1&amp;y=&#34;">`: `a href=/b?x=1&y="`,
		`<a "b>`: `a "b=`, `<a =b>`: "a =b=", `<a b="c>`: "a b=c", `<a/b>`: "a b=", `<a b=c b=d>`: "a b=c b=d",
	} {
		name, attributes, closes := parseTag(tag)
		got := name
		for _, a := range attributes {
			got += " " + a.name + "=" + a.value
		}
		if closes {
			got += " /"
		}
		if got != want {
			t.Errorf("%s is %q, want %q", tag, got, want)
		}
	}
}

// TestIsAggregated: which answers are in the aggregated form.
func TestIsAggregated(t *testing.T) {
	const form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	for contentType, is := range map[string]bool{
		form: true, form + ";charset=utf-8": true, "application/json; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io": true,
		strings.Replace(form, "v2", "v2beta1", 1): false, strings.Replace(form, "List", "", 1): false, "application/json": false, "": false,
		form + ";;": false, form + ";v=v3": false, strings.Replace(form, ".k8s.io", "", 1): false,
	} {
		if isAggregated(contentType) != is {
			t.Errorf("%q: %t", contentType, !is)
		}
	}
}

// TestWithin: how large an answer may be, in bytes and in values.
func TestWithin(t *testing.T) {
	for _, c := range []struct {
		body string
		most int
		ok   bool
	}{
		{"", 0, true}, {"x", 0, false}, {"0123456789", 10, true}, {"0123456789a", 10, false},
		{strings.Repeat("[", mostValues), mostValues, true}, {strings.Repeat("[,{", mostValues/3+1), 4 * mostValues, false},
		{strings.Repeat("1", 2*mostValues), 2 * mostValues, true},
	} {
		if err := within([]byte(c.body), c.most); (err == nil) != c.ok {
			t.Errorf("%d bytes of %d: %v", len(c.body), c.most, err)
		}
	}
}

// TestReadIndex: of an index a server is believed what is of its own version and group, with addresses of its own.
func TestReadIndex(t *testing.T) {
	for _, c := range []struct{ paths, want string }{
		{``, ""}, {`"apis/g/v1":{}`, "apis/g/v1=/openapi/v3/apis/g/v1"}, {`"apis/g":null`, "apis/g=/openapi/v3/apis/g"},
		{`"apis/g/v1":{"serverRelativeURL":"/openapi/v3/apis/g/v1?hash=A"}`, "apis/g/v1=/openapi/v3/apis/g/v1?hash=A"},
		{`"apis/g/v1":{"serverRelativeURL":"/openapi/v3/apis/g/v10?hash=A"}`, "apis/g/v1=/openapi/v3/apis/g/v1"},
		{`"apis/g/v1":{"serverRelativeURL":"//evil/openapi/v3/apis/g/v1?"}`, "apis/g/v1=/openapi/v3/apis/g/v1"},
		{`"apis/g/v1":{"serverRelativeURL":"/openapi/v3/apis/g/v1/../../../secrets?x"}`, "apis/g/v1=/openapi/v3/apis/g/v1"},
		{`"apis/h/v1":{"serverRelativeURL":"/openapi/v3/apis/h/v1?hash=A"},"apis":{},"api/v1":{},"apis/g/v2":{},"":{}`, ""},
		{`"apis/g/v1":[]`, "error"}, {`"apis/g/v1":{"serverRelativeURL":1}`, "error"},
	} {
		out, err := readIndex([]byte(`{"paths":{`+c.paths+`}}`), &Remote{Group: "g", Version: "v1"})
		var got []string
		for _, key := range slices.Sorted(maps.Keys(out)) {
			got = append(got, key+"="+out[key])
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.paths, got, c.want)
		}
	}
}

// TestHasEndpoint: which slices of a Service have somebody who listens.
func TestHasEndpoint(t *testing.T) {
	const port = `"ports":[{"name":"https","port":1}]`
	for text, has := range map[string]bool{
		`{` + port + `,"endpoints":[{"addresses":["10.0.0.1"]}]}`: true, `{` + port + `,"endpoints":[{"conditions":{"ready":false}},{"conditions":{"ready":true}}]}`: true,
		`{` + port + `,"endpoints":[{"conditions":{"serving":true}}]}`: true, `{` + port + `,"endpoints":[{"conditions":{"ready":false,"serving":true}}]}`: false,
		`{` + port + `}`: false, `{"endpoints":[{}]}`: false, `{"ports":[{"port":1}],"endpoints":[{}]}`: false, `{"ports":[{"name":"https"}],"endpoints":[{}]}`: false,
		`{"ports":[{"name":"http","port":1},{"name":"https","port":2}],"endpoints":[{}]}`: true, `{}`: false,
	} {
		slice, _, err := tree.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if hasEndpoint(slice.(map[string]any), "https") != has {
			t.Errorf("%s: %t", text, !has)
		}
	}
}

// TestGivenServices: the name that stands for an address is fit for a Service, and leads back to it.
func TestGivenServices(t *testing.T) {
	c := Config{}
	for host, want := range map[string]string{
		"127.0.0.1": "127-0-0-1-8443", "::1": "1-8443", "fe80::1%eth0": "fe80--1-eth0-8443", "API.Example.COM": "api-example-com-8443", "a_b": "a-b-8443",
	} {
		g := Given{Group: "g", Version: "v1", URL: "https://" + host, Host: host, Port: 8443}
		if got := g.service(); got != want {
			t.Errorf("%s has the Service %s, want %s", host, got, want)
		}
		c.Given = append(c.Given, g)
	}
	for i := range c.Given {
		s := backend.Service{Namespace: givenNamespace, Name: c.Given[i].service(), Port: 8443}
		if g := c.given(&s); g == nil || g.URL != c.Given[i].URL {
			t.Errorf("%v leads to %v", s, g)
		}
		for _, other := range []backend.Service{{Namespace: "default", Name: s.Name, Port: 8443}, {Namespace: givenNamespace, Name: s.Name, Port: 443}} {
			if g := c.given(&other); g != nil {
				t.Errorf("%v leads to %v", other, g)
			}
		}
	}
}

// TestDefinitionsThatShareVersions: the APIService of a version is wanted as long as one definition serves it, and that of
// a built-in group whatever definitions say.
func TestDefinitionsThatShareVersions(t *testing.T) {
	k := &keeper{
		defs: definitions{map[string][]string{}, map[string]int{}}, queued: map[string]bool{},
		want: map[string]*wanted{"v1.apps": newWanted("apps", "v1", onStart, 1, 1)},
	}
	for i, c := range []struct {
		definition, now string
		want, queued    string
	}{
		{"a", "v1.g", "v1.apps v1.g", "v1.g"}, {"a", "v1.g", "v1.apps v1.g", ""}, {"b", "v1.g v2.g", "v1.apps v1.g v2.g", "v2.g"},
		{"a", "", "v1.apps v1.g v2.g", ""}, {"b", "v2.g", "v1.apps v2.g", "v1.g"}, {"c", "v1.apps", "v1.apps v2.g", ""}, {"c", "", "v1.apps v2.g", ""},
		{"b", "v3.g v3.g", "v1.apps v3.g", "v3.g v2.g"}, {"b", "", "v1.apps", "v3.g"}, {"none", "", "v1.apps", ""},
	} {
		k.ready, k.queued = nil, map[string]bool{}
		k.replace(c.definition, strings.Fields(c.now))
		if got := strings.Join(slices.Sorted(maps.Keys(k.want)), " "); got != c.want {
			t.Errorf("step %d: wanted are %s, want %s", i, got, c.want)
		}
		if got := strings.Join(k.ready, " "); got != c.queued {
			t.Errorf("step %d: looked at are %s, want %s", i, got, c.queued)
		}
	}
	if len(k.defs.served) > 0 || len(k.defs.count) > 0 {
		t.Errorf("of definitions that are gone are kept %v", k.defs)
	}
}

// TestLater: a name waits as long as was said first, unless less is said; and is queued once, whoever wants it.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{queued: map[string]bool{}, later: map[string]time.Time{}, busy: map[string]bool{"a": true, "b": true}}
		k.addLater("a", 3*time.Second)
		k.addLater("a", 5*time.Second)
		k.addLater("b", time.Second)
		k.addLater("c", time.Hour)
		for i, want := range []struct {
			next  time.Duration
			ready string
		}{{time.Second, ""}, {2 * time.Second, "b"}, {resyncTime, "b a"}} {
			// Names that are being looked at stay queued, and nobody is set to them.
			if next := k.dispatch(t.Context()); next != want.next || strings.Join(k.ready, " ") != want.ready {
				t.Errorf("step %d: nothing else for %v, ready %v, want %v", i, next, k.ready, want)
			}
			time.Sleep(want.next)
		}
		k.add("a")
		k.addLater("b", 0)
		if k.dispatch(t.Context()); strings.Join(k.ready, " ") != "b a" {
			t.Errorf("ready are %v", k.ready)
		}
	})
}

// TestBounded: of a connection no more is read than it may say, until that is lifted.
func TestBounded(t *testing.T) {
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, "0123456789abcdef")
		_ = far.Close()
	}()
	b := &bounded{near, 10}
	r := bufio.NewReader(b)
	head := make([]byte, 10)
	if n, err := io.ReadFull(r, head); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, errHeaderTooLong) {
		t.Errorf("behind the bound: %v", err)
	}
	b.left = -1
	if rest, err := io.ReadAll(b); string(rest) != "abcdef" || err != nil || b.left != -1 {
		t.Errorf("when it is lifted %q %v, left %d", rest, err, b.left)
	}
}

// TestSentBody: nothing of a body is read once the request has been answered, and trailers go on as headers do.
func TestSentBody(t *testing.T) {
	came := http.Header{"X-Sum": nil}
	b := &sentBody{rc: io.NopCloser(strings.NewReader("body")), came: came, sent: http.Header{}}
	came["X-Remote-User"], came["Authorization"], came[hopsHeader] = []string{"root"}, []string{"Bearer t"}, []string{"0"}
	came["X-Sum"] = []string{"1"}
	if text, err := io.ReadAll(b); string(text) != "body" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if got := fmt.Sprint(b.sent); got != "map[X-Sum:[1]]" {
		t.Errorf("trailers %s go on", got)
	}
	_ = b.Close()
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != errAnswered {
		t.Errorf("read %d %v of a closed body", n, err)
	}
}

// TestUnless: an error that says that somebody else was first is none.
func TestUnless(t *testing.T) {
	conflict := &status.Error{Code: 409, Reason: "Conflict", Message: "m"}
	other := errors.New("Conflict")
	for _, c := range []struct {
		err, want error
		reasons   []string
	}{
		{nil, nil, nil}, {conflict, nil, []string{"NotFound", "Conflict"}}, {conflict, conflict, []string{"NotFound"}}, {other, other, []string{"Conflict"}},
		{fmt.Errorf("wrapped: %w", conflict), nil, []string{"Conflict"}},
	} {
		if got := unless(c.err, c.reasons...); got != c.want {
			t.Errorf("%v unless %v: %v", c.err, c.reasons, got)
		}
	}
}

// TestMetrics: the text of upstream's families, sorted.
func TestMetrics(t *testing.T) {
	s := &Services{
		states: map[string]state{"v1.b": {"False", "MissingEndpoints", "m"}, "v1.a": {"True", "Passed", ""}, "v1.c": {"Unknown", "", ""}},
		turned: map[[2]string]int{{"v1.b", "MissingEndpoints"}: 2, {"v1.b", "FailedDiscoveryCheck"}: 3, {"v1.a", "ServiceNotFound"}: 1},
	}
	var b strings.Builder
	e := metrics.NewWriter(&b)
	s.WriteMetrics(e)
	_ = e.Flush()
	var got []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") {
			got = append(got, strings.TrimPrefix(strings.TrimSpace(line), "aggregator_unavailable_apiservice"))
		}
	}
	want := []string{
		`{name="v1.a"} 0`, `{name="v1.b"} 1`, `{name="v1.c"} 1`,
		`_total{name="v1.a",reason="ServiceNotFound"} 1`, `_total{name="v1.b",reason="FailedDiscoveryCheck"} 3`, `_total{name="v1.b",reason="MissingEndpoints"} 2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("metrics\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
