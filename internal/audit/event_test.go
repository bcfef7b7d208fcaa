package audit

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// The whole line, so that keys, their order and every form of a value are held.
func TestAuditEventJSON(t *testing.T) {
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
func TestAuditEventWithBrokenObject(t *testing.T) {
	e := &Event{AuditID: "x", Stage: StagePanic, RequestObject: json.RawMessage("{"), ResponseObject: json.RawMessage("{}")}
	line, err := encode(e)
	if got := string(line); err != nil || strings.Contains(got, "requestObject") || !strings.Contains(got, `"responseObject":{}`) {
		t.Errorf("got %s, %v; want the response object alone", got, err)
	}
	if string(e.RequestObject) != "{" {
		t.Error("the caller's event was changed")
	}
}

func TestAuditUserAgent(t *testing.T) {
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
