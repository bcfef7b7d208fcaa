package audit

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"apichain/internal/request"
	"apichain/internal/status"
)

// The whole line, so that keys, their order and every form of a value are held.
func TestEventJSON(t *testing.T) {
	r := httptest.NewRequest("GET", "/apis/apps/v1/namespaces/a/deployments/b/scale?x=1", nil)
	r.RemoteAddr = "192.0.2.1:99"
	r.Header.Set("User-Agent", "kubectl")
	received := time.Date(2026, 11, 23, 6, 20, 0, 1500, time.FixedZone("", 3600))
	info := &request.Info{IsResourceRequest: true, Verb: "get", APIGroup: "apps", APIVersion: "v1", Namespace: "a", Resource: "deployments", Subresource: "scale", Name: "b"}

	full := newEvent(r, "id-1", LevelRequestResponse, received)
	full.Stage, full.Verb = StageResponseComplete, info.Verb
	full.User = newUser(&request.User{Name: "alice", UID: "7", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}})
	bob := newUser(&request.User{Name: "bob"})
	full.ImpersonatedUser, full.ObjectRef = &bob, newObjectRef(info)
	full.ResponseStatus = statusOf(200, nil)
	full.RequestObject, full.ResponseObject = json.RawMessage("{\n \"a\": 1}"), json.RawMessage(`{"b":2}`)
	full.StageTime = Time(received.Add(time.Second))
	full.Annotations = map[string]string{"authorization.k8s.io/decision": "allow"}

	bare := newEvent(httptest.NewRequest("GET", "/version", nil), "id-2", LevelMetadata, time.Time{})
	bare.SourceIPs, bare.Stage, bare.ObjectRef = nil, StagePanic, newObjectRef(&request.Info{Path: "/version"})
	bare.User = newUser(nil)
	bare.ResponseStatus = statusOf(429, &status.Error{Code: 429, Reason: "TooManyRequests", Message: "wait", RetryAfter: 1})

	for _, tc := range []struct {
		event *Event
		want  string
	}{
		{full, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id-1","stage":"ResponseComplete",` +
			`"requestURI":"/apis/apps/v1/namespaces/a/deployments/b/scale?x=1","verb":"get","user":{"username":"alice","uid":"7","groups":["g"],"extra":{"k":["v"]}},` +
			`"impersonatedUser":{"username":"bob"},"sourceIPs":["192.0.2.1"],"userAgent":"kubectl",` +
			`"objectRef":{"resource":"deployments","namespace":"a","name":"b","apiGroup":"apps","apiVersion":"v1","subresource":"scale"},` +
			`"responseStatus":{"metadata":{},"code":200},"requestObject":{"a":1},"responseObject":{"b":2},` +
			`"requestReceivedTimestamp":"2026-11-23T05:20:00.000001Z","stageTimestamp":"2026-11-23T05:20:01.000001Z","annotations":{"authorization.k8s.io/decision":"allow"}}`},
		{bare, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id-2","stage":"Panic","requestURI":"/version","verb":"","user":{},` +
			`"responseStatus":{"metadata":{},"status":"Failure","message":"wait","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429},` +
			`"requestReceivedTimestamp":null,"stageTimestamp":null}`},
	} {
		line, err := encode(tc.event)
		if got := string(line); err != nil || got != tc.want+"\n" {
			t.Errorf("err %v\n got %s\nwant %s", err, got, tc.want)
		}
	}
}

// A body that is no JSON costs the body, not the event.
func TestEventWithBrokenObject(t *testing.T) {
	e := &Event{AuditID: "x", Stage: StagePanic, RequestObject: json.RawMessage("{"), ResponseObject: json.RawMessage("{}")}
	line, err := encode(e)
	if got := string(line); err != nil || strings.Contains(got, "requestObject") || !strings.Contains(got, `"responseObject":{}`) {
		t.Errorf("got %s, %v; want the response object alone", got, err)
	}
	if string(e.RequestObject) != "{" {
		t.Error("the caller's event was changed")
	}
}

func TestUserAgent(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1024: 1024, 1025: 1024 + len("...TRUNCATED"), 5000: 1024 + len("...TRUNCATED")} {
		got := cutUserAgent(strings.Repeat("a", n))
		if len(got) != want || n > 1024 && !strings.HasSuffix(got, "a...TRUNCATED") {
			t.Errorf("%d bytes: got %d, want %d", n, len(got), want)
		}
	}
}

func TestSourceIPs(t *testing.T) {
	for _, tc := range []struct {
		name, forwarded, real, remote string
		want                          []string
	}{
		{"remote", "", "", "192.0.2.1:80", []string{"192.0.2.1"}},
		{"all", "10.0.0.1, 10.0.0.2", "10.0.0.3", "192.0.2.1:80", []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"}},
		{"real listed", "10.0.0.1,10.0.0.2", "10.0.0.1", "192.0.2.1:80", []string{"10.0.0.1", "10.0.0.2", "192.0.2.1"}},
		{"remote last", "10.0.0.1,192.0.2.1", "", "192.0.2.1:80", []string{"10.0.0.1", "192.0.2.1"}},
		{"no addresses", "a, ,1.2.3, 10.0.0.1\n", "x", "192.0.2.1:80", []string{"10.0.0.1", "192.0.2.1"}},
		{"IPv6", "2001:DB8:0::1", "::ffff:10.0.0.1", "[fe80::1%eth0]:80", []string{"2001:db8::1", "10.0.0.1", "fe80::1"}},
		{"no port", "", "", "192.0.2.1", []string{"192.0.2.1"}},
		{"unix socket", "", "", "@", nil},
	} {
		r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{}}
		r.Header.Set("X-Forwarded-For", tc.forwarded)
		r.Header.Set("X-Real-Ip", tc.real)
		if got := sourceIPs(r); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestTime: upstream's MicroTime is UTC, cut and not rounded, and null for no time.
func TestTime(t *testing.T) {
	zone := time.FixedZone("", -5*3600-1800)
	for want, at := range map[string]time.Time{
		`null`:                          {},
		`"2026-11-23T05:20:00.000000Z"`: time.Date(2026, 11, 23, 5, 20, 0, 999, time.UTC),
		`"2026-11-23T05:20:00.999999Z"`: time.Date(2026, 11, 23, 5, 20, 0, 999_999_999, time.UTC),
		`"2026-11-24T05:20:00.000001Z"`: time.Date(2026, 11, 23, 23, 50, 0, 1000, zone),
		`"1970-01-01T00:00:00.000000Z"`: time.Unix(0, 0),
	} {
		if got, err := Time(at).MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%v: %s %v, want %s", at, got, err, want)
		}
	}
}

// TestObjectRef: what is about no resource refers to none.
func TestObjectRef(t *testing.T) {
	for target, want := range map[string]string{
		"/api/v1/pods":                                          `{"resource":"pods","apiVersion":"v1"}`,
		"/api/v1/namespaces/a":                                  `{"resource":"namespaces","namespace":"a","name":"a","apiVersion":"v1"}`,
		"/api/v1/namespaces/a/pods/b/log":                       `{"resource":"pods","namespace":"a","name":"b","apiVersion":"v1","subresource":"log"}`,
		"/apis/apps/v1/deployments?fieldSelector=":              `{"resource":"deployments","apiGroup":"apps","apiVersion":"v1"}`,
		"/apis/apps/v1/namespaces/n/deployments/\u00e9\u2028/x": `{"resource":"deployments","namespace":"n","name":"é\u2028","apiGroup":"apps","apiVersion":"v1","subresource":"x"}`,
		"/version":  "null",
		"/apis":     "null",
		"/healthz/": "null",
	} {
		info := &request.Info{}
		path, query, _ := strings.Cut(target, "?")
		if err := info.Resolve("GET", path, query); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(newObjectRef(info)); err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", target, got, err, want)
		}
	}
}

// FuzzEventLine: whatever a client puts into a request, its event is one line of JSON that
// holds it, and addresses are addresses.
func FuzzEventLine(f *testing.F) {
	f.Add("/api/v1/pods", "limit=1", "kubectl", "alice", "10.0.0.1, 10.0.0.2", "192.0.2.1:99", []byte(`{"a":1}`))
	f.Add("/x\n{}", "a=\r\n", "\u2028\x00\x1b[31m", "bob\n", "::1,,x", "[fe80::1%eth0]:1", []byte("{}\n{}"))
	f.Add("", "\xff", strings.Repeat("é", 600), "\xff", "10.0.0.1%a", "@", []byte("1\n"))
	f.Fuzz(func(t *testing.T, path, query, agent, name, forwarded, remote string, object []byte) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"User-Agent": {agent}, "X-Forwarded-For": {forwarded}}, RemoteAddr: remote}
		e := newEvent(r, name, LevelRequest, time.Unix(1, 0))
		e.User, e.RequestObject = newUser(&request.User{Name: name}), object
		if !json.Valid(object) {
			e.ResponseObject = object // encode drops both
		}
		line, err := encode(e)
		if err != nil || bytes.IndexByte(line, '\n') != len(line)-1 || bytes.IndexByte(line, '\r') >= 0 {
			t.Fatalf("%v: %q", err, line)
		}
		var back struct {
			AuditID, UserAgent string
			User               User
			SourceIPs          []string
			RequestObject      any
		}
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if utf8.ValidString(name) && (back.User.Username != name || back.AuditID != name) {
			t.Errorf("user %q and ID %q, want %q", back.User.Username, back.AuditID, name)
		}
		if len(back.UserAgent) > 0 && len(e.UserAgent) > 1024+len("...TRUNCATED") {
			t.Errorf("a user agent of %d bytes", len(e.UserAgent))
		}
		if (back.RequestObject != nil) && !json.Valid(object) {
			t.Errorf("an object from %q", object)
		}
		for _, ip := range back.SourceIPs {
			if net.ParseIP(ip) == nil {
				t.Errorf("%q is no address", ip)
			}
		}
	})
}
