package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"apichain/internal/auth"
	"apichain/internal/request"
)

// adminUsers are the flags of users for the admin listener: tokens whose name is the role
// they hold, CAs of clients and of front proxies, and certificates of both.
func adminUsers(t testing.TB) (args []string, certs map[string]*tls.Certificate) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put(t, at("tokens.csv"), []byte(`master-token,root,1,system:masters
view-token,viewer,2,apichain:view
operate-token,operator,3,apichain:operate
dangerous-token,danger,4,apichain:dangerous
none-token,bob,5,dev
anonymous-token,system:anonymous,6,system:masters
unauthenticated-token,eve,7,"system:masters,system:unauthenticated"
`))
	clients, proxies, strangers := newTestCA(t, nil), newTestCA(t, nil), newTestCA(t, nil)
	put(t, at("clients.crt"), certPEM(clients.cert))
	put(t, at("proxies.crt"), certPEM(proxies.cert))
	return []string{"--token-auth-file=" + at("tokens.csv"), "--client-ca-file=" + at("clients.crt"), "--requestheader-client-ca-file=" + at("proxies.crt")}, map[string]*tls.Certificate{
		"viewer":   clients.pair(t, pkix.Name{CommonName: "vera", Organization: []string{auth.GroupView}}),
		"operator": clients.pair(t, pkix.Name{CommonName: "olga", Organization: []string{auth.GroupOperate}}),
		"proxy":    proxies.pair(t, pkix.Name{CommonName: "front"}),
		"stranger": strangers.pair(t, pkix.Name{CommonName: "root", Organization: []string{request.GroupMasters}}),
	}
}

// dialAdmin is a raw connection to the admin listener; with TLS it shows cert, if any.
func (r *running) dialAdmin(cert *tls.Certificate) *rawConn {
	r.t.Helper()
	scheme, address, _ := strings.Cut(r.url("admin", ""), "://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if scheme == "https" {
		config := &tls.Config{InsecureSkipVerify: true}
		if cert != nil {
			config.Certificates = []tls.Certificate{*cert}
		}
		c = tls.Client(c, config)
	}
	return &rawConn{c, bufio.NewReader(c)}
}

// attack is one request to the admin listener, and what becomes of it.
type attack struct {
	name    string
	request string   // method and target
	header  []string // Host and Authorization replace those of a good request; "Authorization:" sends none
	body    string   // its length is sent unless a header line says one
	code    int
	reason  string // of the Status; "": not looked at
	audited string // the user of its one event and log line: USER is who is meant to ask, NOBODY one who was not asked; "": no event
	cert    string // of adminUsers
}

// cutAll is a body of faults with nothing wrong.
const cutAll = `{"rules":[{"action":{"do":"cut"}}]}`

// Over TLS and without, with credentials that may do everything.
var attacks = []attack{
	// Web pages.
	{"foreign Host", "GET /admin/", []string{"Host: evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"foreign Host with our port", "GET /admin/", []string{"Host: evil.example:8081"}, "", 403, "Forbidden", "NOBODY", ""},
	{"a Host that begins like ours", "GET /admin/", []string{"Host: localhost.evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"a Host of ours with more behind the port", "GET /admin/", []string{"Host: localhost:8081.evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"a literal with a name behind it", "GET /admin/", []string{"Host: [::1].evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"a literal with more behind it", "GET /admin/", []string{"Host: [::1]x"}, "", 403, "Forbidden", "NOBODY", ""},
	{"two ports", "GET /admin/", []string{"Host: 127.0.0.1:80:90"}, "", 403, "Forbidden", "NOBODY", ""},
	{"a port that is no number", "GET /admin/", []string{"Host: 127.0.0.1:x"}, "", 403, "Forbidden", "NOBODY", ""},
	{"no Host", "GET /admin/", []string{"Host: "}, "", 403, "Forbidden", "NOBODY", ""},
	{"foreign Origin", "GET /admin/", []string{"Origin: https://evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"the Origin of another port", "GET /admin/", []string{"Origin: https://localhost:6443"}, "", 403, "Forbidden", "NOBODY", ""},
	{"an Origin the serving side allows", "GET /admin/", []string{"Origin: https://app.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"Origin null", "POST /admin/v1/reset", []string{"Origin: null", "Content-Type: application/json"}, "{}", 403, "Forbidden", "NOBODY", ""},
	{"cross-site without Origin", "GET /admin/v1/build", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, "", 403, "Forbidden", "NOBODY", ""},
	{"no-cors fetch", "POST /admin/v1/reset", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Content-Type: text/plain"}, "{}", 403, "Forbidden", "NOBODY", ""},
	{"websocket of a page", "GET /admin/v1/build", []string{"Origin: https://evil.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, "", 403, "Forbidden", "NOBODY", ""},
	{"preflight", "OPTIONS /admin/v1/reset", []string{"Access-Control-Request-Method: POST"}, "", 405, "MethodNotAllowed", "USER", ""},

	// Methods.
	{"GET on what changes", "GET /admin/v1/reset", nil, "", 405, "MethodNotAllowed", "USER", ""},
	{"HEAD on what changes", "HEAD /admin/v1/reset", nil, "", 405, "", "USER", ""},
	{"POST on a view", "POST /admin/v1/routes", []string{"Content-Type: application/json"}, "{}", 405, "MethodNotAllowed", "USER", ""},
	{"an override of the method", "GET /admin/v1/reset", []string{"X-HTTP-Method-Override: POST", "Content-Type: application/json"}, "", 405, "MethodNotAllowed", "USER", ""},
	{"the method in lower case", "get /admin/v1/build", nil, "", 405, "MethodNotAllowed", "USER", ""},
	{"a role as the method", "VIEW /admin/v1/build", nil, "", 405, "MethodNotAllowed", "USER", ""},
	{"TRACE", "TRACE /admin/", nil, "", 405, "MethodNotAllowed", "USER", ""},
	{"OPTIONS *", "OPTIONS *", nil, "", 400, "BadRequest", "", ""},
	{"CONNECT", "CONNECT localhost:80", nil, "", 405, "MethodNotAllowed", "NOBODY", ""},

	// Bodies and conditions.
	{"text body", "POST /admin/v1/reset", []string{"Content-Type: text/plain"}, "{}", 415, "UnsupportedMediaType", "USER", ""},
	{"form", "POST /admin/v1/reset", []string{"Content-Type: application/x-www-form-urlencoded"}, "a=b", 415, "UnsupportedMediaType", "USER", ""},
	{"a body without a type", "POST /admin/v1/reset", nil, "{}", 415, "UnsupportedMediaType", "USER", ""},
	{"no If-Match", "PUT /admin/v1/snapshot", []string{"Content-Type: application/json"}, "{}", 428, "PreconditionRequired", "USER", ""},
	{"stale If-Match", "PUT /admin/v1/snapshot", []string{"Content-Type: application/json", `If-Match: "1"`}, "{}", 412, "PreconditionFailed", "USER", ""},
	{"If-None-Match instead", "PUT /admin/v1/snapshot", []string{"Content-Type: application/json", "If-None-Match: *"}, "{}", 428, "PreconditionRequired", "USER", ""},
	{"oversized body", "POST /admin/v1/reset", []string{"Content-Type: application/json", "Content-Length: 1048577"}, "", 413, "RequestEntityTooLarge", "", ""},
	{"oversized snapshot", "PUT /admin/v1/snapshot", []string{"Content-Type: application/json", "If-Match: *", "Content-Length: 268435457"}, "", 413, "RequestEntityTooLarge", "", ""},
	{"a key twice", "POST /admin/v1/reset", []string{"Content-Type: application/json"}, `{"a":1,"a":2}`, 400, "BadRequest", "", ""},
	{"257 header lines", "GET /admin/", strings.Fields(strings.Repeat("X-A:1 ", 257)), "", 431, "RequestHeaderFieldsTooLarge", "", ""},
	{"cookies without end", "GET /admin/", []string{"Cookie: " + strings.Repeat("a=1; ", 128) + "a=1"}, "", 431, "RequestHeaderFieldsTooLarge", "", ""},

	{"POST on a control", "POST /admin/v1/drain", []string{"Content-Type: application/json", "If-Match: *"}, "{}", 405, "MethodNotAllowed", "USER", ""},
	{"text body for a control", "PUT /admin/v1/drain", []string{"Content-Type: text/plain", "If-Match: *"}, "{}", 415, "UnsupportedMediaType", "USER", ""},
	{"no If-Match for a control", "PUT /admin/v1/loglevel", []string{"Content-Type: application/json"}, "{}", 428, "PreconditionRequired", "USER", ""},
	{"stale If-Match for a control", "PUT /admin/v1/drain", []string{"Content-Type: application/json", `If-Match: "1"`}, "{}", 412, "PreconditionFailed", "USER", ""},
	{"undoing unseen", "DELETE /admin/v1/drain", nil, "", 428, "PreconditionRequired", "USER", ""},
	{"undoing what was seen before", "DELETE /admin/v1/drain", []string{`If-Match: "1"`}, "", 412, "PreconditionFailed", "USER", ""},
	{"a control of a page", "PUT /admin/v1/drain", []string{"Origin: null", "Content-Type: application/json", "If-Match: *"}, "{}", 403, "Forbidden", "NOBODY", ""},
	{"a control for longer than a day", "PUT /admin/v1/drain", []string{"Content-Type: application/json", "If-Match: *"}, `{"expiresIn":"25h"}`, 422, "Invalid", "", ""},

	{"POST on faults", "POST /admin/v1/faults", []string{"Content-Type: application/json", "If-Match: *"}, cutAll, 405, "MethodNotAllowed", "USER", ""},
	{"faults by GET", "GET /admin/v1/faults?rules=cut", []string{"X-HTTP-Method-Override: PUT"}, "", 400, "BadRequest", "", ""},
	{"text body for faults", "PUT /admin/v1/faults", []string{"Content-Type: text/plain", "If-Match: *"}, cutAll, 415, "UnsupportedMediaType", "USER", ""},
	{"no If-Match for faults", "PUT /admin/v1/faults", []string{"Content-Type: application/json"}, cutAll, 428, "PreconditionRequired", "USER", ""},
	{"stale If-Match for faults", "PUT /admin/v1/faults", []string{"Content-Type: application/json", `If-Match: "1"`}, cutAll, 412, "PreconditionFailed", "USER", ""},
	{"undoing faults unseen", "DELETE /admin/v1/faults", nil, "", 428, "PreconditionRequired", "USER", ""},
	{"undoing faults seen before", "DELETE /admin/v1/faults", []string{`If-Match: "1"`}, "", 412, "PreconditionFailed", "USER", ""},
	{"faults of another page", "PUT /admin/v1/faults", []string{"Origin: https://evil.example", "Content-Type: application/json", "If-Match: *"}, cutAll, 403, "Forbidden", "NOBODY", ""},
	{"faults without asking", "PUT /admin/v1/faults", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Content-Type: application/json", "If-Match: *"}, cutAll, 403, "Forbidden", "NOBODY", ""},
	{"faults for longer than a day", "PUT /admin/v1/faults", []string{"Content-Type: application/json", "If-Match: *"}, `{"expiresIn":"25h",` + cutAll[1:], 422, "Invalid", "", ""},
	{"a fault whose id is a header line", "PUT /admin/v1/faults", []string{"Content-Type: application/json", "If-Match: *"}, `{"rules":[{"id":"a\r\nX-A: 1","action":{"do":"cut"}}]}`, 422, "Invalid", "", ""},
	{"a fault of a serving page", "PUT /admin/v1/faults", []string{"Origin: https://app.example", "Content-Type: application/json", "If-Match: *"}, cutAll, 403, "Forbidden", "NOBODY", ""},
	{"faults without end", "PUT /admin/v1/faults", []string{"Content-Type: application/json", "If-Match: *"}, `{"rules":[` + strings.Repeat(`{"action":{"do":"cut"}},`, 100) + `{"action":{"do":"cut"}}]}`, 422, "Invalid", "", ""},

	// Two readings of a path or a message.
	{"absolute form", "GET http://localhost/admin/v1/build", nil, "", 200, "", "", ""},
	{"absolute form of another", "GET http://evil.example/admin/v1/build", nil, "", 421, "", "", ""},
	{"two slashes in front", "GET //admin/", nil, "", 404, "NotFound", "", ""},
	{"two slashes within", "GET /admin//v1/build", nil, "", 404, "NotFound", "", ""},
	{"dot segments", "GET /nowhere/../admin/", nil, "", 400, "BadRequest", "", ""},
	{"dot segment", "GET /admin/./v1/build", nil, "", 400, "BadRequest", "", ""},
	{"encoded dots", "GET /admin/v1/%2e%2e/v1/build", nil, "", 400, "BadRequest", "", ""},
	{"encoded slash", "GET /admin%2fv1/build", nil, "", 400, "BadRequest", "", ""},
	{"encoded backslash", "GET /admin/v1%5cbuild", nil, "", 400, "BadRequest", "", ""},
	{"encoded NUL", "GET /admin/v1/build%00", nil, "", 400, "BadRequest", "", ""},
	{"encoded letter", "GET /%61dmin/v1/build", nil, "", 200, "", "", ""},
	{"encoded letter of what is refused", "GET /admin/v1/%72eset", nil, "", 405, "MethodNotAllowed", "USER", ""},
	{"a slash behind", "GET /admin/v1/build/", nil, "", 404, "NotFound", "", ""},
	{"a parameter of the path", "GET /admin/v1/build;x=y", nil, "", 404, "NotFound", "", ""},
	{"another case", "GET /Admin/v1/build", nil, "", 404, "NotFound", "", ""},
	{"a serving path", "GET /api/v1/secrets", nil, "", 404, "NotFound", "", ""},
	{"two lengths", "POST /admin/v1/reset", []string{"Content-Type: application/json", "Content-Length: 2", "Content-Length: 3"}, "{}", 400, "", "", ""},
	{"negative length", "POST /admin/v1/reset", []string{"Content-Length: -2"}, "", 400, "", "", ""},
	{"unknown coding", "POST /admin/v1/reset", []string{"Transfer-Encoding: gzip"}, "", 501, "", "", ""},
	{"a space before the colon", "GET /admin/", []string{"X-A : 1"}, "", 400, "", "", ""},
	{"two Hosts", "GET /admin/", []string{"Host: localhost\r\nHost: evil.example"}, "", 400, "", "", ""},
	{"websocket", "GET /admin/v1/build", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, "", 200, "", "", ""},
	{"HTTP/2 by upgrade", "GET /admin/v1/build", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}, "", 200, "", "", ""},

	// Several at once: the first check answers.
	{"path, Host, Origin, method", "PUT /admin/../", []string{"Host: evil.example", "Origin: null"}, "", 400, "BadRequest", "", ""},
	{"Host, Origin, path unknown", "PUT /nowhere", []string{"Host: evil.example", "Origin: null"}, "", 403, "Forbidden", "NOBODY", ""},
	{"path unknown, Accept", "PUT /nowhere?x=1", []string{"Accept: image/png"}, "", 404, "NotFound", "", ""},
	{"method, Accept, query", "PUT /admin/v1/routes?x=1", []string{"Accept: image/png", "Content-Type: text/plain"}, "x", 405, "MethodNotAllowed", "USER", ""},
	{"Accept, query, Content-Type", "PUT /admin/v1/snapshot?x=1", []string{"Accept: image/png", "Content-Type: text/plain"}, "x", 406, "NotAcceptable", "", ""},
	{"query, Content-Type", "PUT /admin/v1/snapshot?x=1", []string{"Content-Type: text/plain"}, "x", 400, "BadRequest", "", ""},
	{"Content-Type, If-Match", "PUT /admin/v1/snapshot", []string{"Content-Type: text/plain"}, "x", 415, "UnsupportedMediaType", "USER", ""},
	{"If-Match, body", "PUT /admin/v1/snapshot", []string{"Content-Type: application/json", `If-Match: "1"`}, "[", 412, "PreconditionFailed", "USER", ""},

	{"what is allowed", "POST /admin/v1/reset", []string{"Content-Type: application/json"}, "{}", 200, "", "USER", ""},
}

// Over TLS alone.
var identityAttacks = []attack{
	{"no credentials", "GET /admin/", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"no credentials, metrics", "GET /metrics", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"wrong token", "GET /admin/", []string{"Authorization: Bearer wrong"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"half a token", "GET /admin/", []string{"Authorization: Bearer master-toke"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"another scheme", "GET /admin/", []string{"Authorization: Basic bWFzdGVyLXRva2VuOg=="}, "", 401, "Unauthorized", "NOBODY", ""},
	{"token in the query", "GET /admin/v1/build?access_token=master-token", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"token in a cookie", "GET /admin/", []string{"Authorization:", "Cookie: token=master-token; access_token=master-token"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"the token of anonymous", "GET /admin/", []string{"Authorization: Bearer anonymous-token"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"a token of the unauthenticated", "GET /admin/", []string{"Authorization: Bearer unauthenticated-token"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"front proxy's lines", "GET /admin/", []string{"Authorization:", "X-Remote-User: root", "X-Remote-Group: system:masters"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"front proxy", "GET /admin/", []string{"Authorization:", "X-Remote-User: root", "X-Remote-Group: system:masters"}, "", 401, "Unauthorized", "NOBODY", "proxy"},
	{"front proxy with a user's token", "GET /admin/", []string{"X-Remote-User: root", "X-Remote-Group: system:masters"}, "", 401, "Unauthorized", "NOBODY", "proxy"},
	{"front proxy itself", "GET /admin/", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", "proxy"},
	{"certificate of a stranger", "GET /admin/", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", "stranger"},
	{"no credentials, a large body", "PUT /admin/v1/snapshot", []string{"Authorization:", "Content-Type: application/json", "If-Match: *", "Content-Length: 200000000"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"Host before identity", "GET /admin/", []string{"Authorization:", "Host: evil.example"}, "", 403, "Forbidden", "NOBODY", ""},
	{"Origin before identity", "GET /admin/", []string{"Authorization:", "Origin: null"}, "", 403, "Forbidden", "NOBODY", ""},
	{"identity before path", "GET /nowhere", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", ""},
	{"identity before method", "TRACE /admin/", []string{"Authorization:"}, "", 401, "Unauthorized", "NOBODY", ""},

	{"nobody's viewer", "GET /admin/v1/build", []string{"Authorization: Bearer none-token"}, "", 403, "Forbidden", "bob", ""},
	{"nobody's viewer, metrics", "GET /metrics", []string{"Authorization: Bearer none-token"}, "", 403, "Forbidden", "bob", ""},
	{"who lies about the groups", "GET /admin/v1/build", []string{"Authorization: Bearer none-token", "X-Remote-Group: system:masters", "Impersonate-User: root", "Impersonate-Group: system:masters"}, "", 403, "Forbidden", "bob", ""},
	{"viewer on operate", "POST /admin/v1/reset", []string{"Authorization: Bearer view-token", "Content-Type: application/json"}, "{}", 403, "Forbidden", "viewer", ""},
	{"viewer on operate, everything else wrong", "PUT /admin/v1/snapshot?x=1", []string{"Authorization: Bearer view-token", "Accept: image/png", "Content-Type: text/plain"}, "x", 403, "Forbidden", "viewer", ""},
	{"viewer on dangerous", "GET /admin/v1/snapshot", []string{"Authorization: Bearer view-token"}, "", 403, "Forbidden", "viewer", ""},
	{"viewer on profiles", "GET /debug/pprof/heap", []string{"Authorization: Bearer view-token"}, "", 403, "Forbidden", "viewer", ""},
	{"viewer as another", "POST /admin/v1/reset", []string{"Authorization: Bearer view-token", "Impersonate-Group: system:masters", "Impersonate-User: root", "Content-Type: application/json"}, "{}", 403, "Forbidden", "viewer", ""},
	{"operator on dangerous", "GET /admin/v1/snapshot", []string{"Authorization: Bearer operate-token"}, "", 403, "Forbidden", "operator", ""},
	{"dangerous on operate", "POST /admin/v1/reset", []string{"Authorization: Bearer dangerous-token", "Content-Type: application/json"}, "{}", 403, "Forbidden", "danger", ""},
	{"certificate of a viewer on operate", "POST /admin/v1/reset", []string{"Authorization:", "Content-Type: application/json"}, "{}", 403, "Forbidden", "vera", "viewer"},
	{"viewer on a control", "PUT /admin/v1/drain", []string{"Authorization: Bearer view-token", "Content-Type: text/plain"}, "x", 403, "Forbidden", "viewer", ""},
	{"viewer undoes a control", "DELETE /admin/v1/loglevel", []string{"Authorization: Bearer view-token"}, "", 403, "Forbidden", "viewer", ""},
	{"dangerous on a control", "PUT /admin/v1/drain", []string{"Authorization: Bearer dangerous-token", "Content-Type: application/json", "If-Match: *"}, "{}", 403, "Forbidden", "danger", ""},
	{"viewer on faults", "PUT /admin/v1/faults", []string{"Authorization: Bearer view-token", "Content-Type: text/plain"}, "x", 403, "Forbidden", "viewer", ""},
	{"viewer undoes faults", "DELETE /admin/v1/faults", []string{"Authorization: Bearer view-token", "If-Match: *"}, "", 403, "Forbidden", "viewer", ""},
	{"dangerous on faults", "PUT /admin/v1/faults", []string{"Authorization: Bearer dangerous-token", "Content-Type: application/json", "If-Match: *"}, cutAll, 403, "Forbidden", "danger", ""},
	{"nobody's viewer, faults", "GET /admin/v1/faults", []string{"Authorization: Bearer none-token"}, "", 403, "Forbidden", "bob", ""},
	{"path before role", "GET /nowhere", []string{"Authorization: Bearer none-token"}, "", 404, "NotFound", "", ""},
	{"method before role", "DELETE /admin/v1/reset", []string{"Authorization: Bearer none-token"}, "", 405, "MethodNotAllowed", "bob", ""},

	{"viewer", "GET /admin/v1/build", []string{"Authorization: Bearer view-token"}, "", 200, "", "", ""},
	{"viewer looks at a control", "GET /admin/v1/drain", []string{"Authorization: Bearer view-token"}, "", 200, "", "", ""},
	{"operator drains", "PUT /admin/v1/drain", []string{"Authorization: Bearer operate-token", "Content-Type: application/json", "If-Match: *"}, "{}", 200, "", "operator", ""},
	{"operator undoes it", "DELETE /admin/v1/drain", []string{"Authorization: Bearer operate-token", "If-Match: *"}, "", 200, "", "operator", ""},
	{"viewer looks at faults", "GET /admin/v1/faults", []string{"Authorization: Bearer view-token"}, "", 200, "", "", ""},
	{"operator injects faults", "PUT /admin/v1/faults", []string{"Authorization: Bearer operate-token", "Content-Type: application/json", "If-Match: *"}, cutAll, 200, "", "operator", ""},
	{"operator undoes them", "DELETE /admin/v1/faults", []string{"Authorization: Bearer operate-token", "If-Match: *"}, "", 200, "", "operator", ""},
	{"viewer, metrics", "GET /metrics", []string{"Authorization: Bearer view-token"}, "", 200, "", "", ""},
	{"operator views", "GET /admin/v1/build", []string{"Authorization: Bearer operate-token"}, "", 200, "", "", ""},
	{"operator", "POST /admin/v1/reset", []string{"Authorization: Bearer operate-token", "Content-Type: application/json"}, "{}", 200, "", "operator", ""},
	{"dangerous", "GET /admin/v1/snapshot", []string{"Authorization: Bearer dangerous-token"}, "", 200, "", "", ""},
	{"dangerous, profiles", "GET /debug/pprof/heap", []string{"Authorization: Bearer dangerous-token"}, "", 200, "", "", ""},
	{"dangerous views", "GET /admin/v1/build", []string{"Authorization: Bearer dangerous-token"}, "", 200, "", "", ""},
	{"certificate of a viewer", "GET /admin/v1/build", []string{"Authorization:"}, "", 200, "", "", "viewer"},
	{"certificate before token", "POST /admin/v1/reset", []string{"Authorization: Bearer view-token", "Content-Type: application/json"}, "{}", 200, "", "olga", "operator"},
	{"token beside a stranger's certificate", "GET /admin/v1/build", []string{"Authorization: Bearer view-token"}, "", 200, "", "", "stranger"},
	{"token of a websocket", "GET /admin/v1/build", []string{"Authorization:", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Protocol: x, base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte("view-token"))}, "", 200, "", "", ""},
}

// text is the request with an Audit-ID, and with good credentials where the row says none.
func (a *attack) text(id string) string {
	host, authorization, length, b := "Host: localhost", "Authorization: Bearer master-token", a.body != "", "Audit-ID: "+id+"\r\n"
	for _, line := range a.header {
		switch name, value, _ := strings.Cut(line, ":"); {
		case name == "Host":
			host = line
		case name == "Authorization" && value == "":
			authorization = "X-Nothing: x"
		case name == "Authorization":
			authorization = line
		default:
			length = length && name != "Content-Length"
			b += line + "\r\n"
		}
	}
	if length {
		b += fmt.Sprintf("Content-Length: %d\r\n", len(a.body))
	}
	return a.request + " HTTP/1.1\r\n" + host + "\r\n" + authorization + "\r\n" + b + "\r\n" + a.body
}

// TestAttacks: requests that want what they may not have, over TLS and without: status and
// reason, and exactly one audit event and one log line of each refusal and each change,
// although the policy wants none.
func TestAttacks(t *testing.T) {
	users, certs := adminUsers(t)
	for _, mode := range []string{"plain", "tls"} {
		t.Run(mode, func(t *testing.T) {
			args, log := auditFiles(t, "rules:\n- level: None\n")
			rows, user := attacks, request.UserUnsecured
			if mode == "tls" {
				rows, user = append(append([]attack{}, attacks...), identityAttacks...), "root"
				args = append(args, "--admin-tls")
			}
			r := startProgram(t, nil, append(append(args, users...), "--listen-admin=127.0.0.1:0", "--profiling", `--cors-allowed-origins=^https://app\.example$`)...)
			for i, a := range rows {
				resp, body := r.attack(&a, fmt.Sprint("row-", i, "."), certs[a.cert])
				var s struct{ Kind, Reason, Message string }
				if a.reason != "" {
					if err := json.Unmarshal([]byte(body), &s); err != nil || s.Kind != "Status" || s.Message == "" {
						t.Errorf("%s: no Status: %q", a.name, body)
					}
				}
				if resp.StatusCode != a.code || s.Reason != a.reason {
					t.Errorf("%s: %d %s %q, want %d %s", a.name, resp.StatusCode, s.Reason, body, a.code, a.reason)
				}
				for name := range resp.Header {
					if name == "Www-Authenticate" || name == "Strict-Transport-Security" || strings.HasPrefix(name, "Access-Control-") || name == "Upgrade" {
						t.Errorf("%s: %s is sent", a.name, name)
					}
				}
			}
			if code := r.stop(); code != exitDrained {
				t.Errorf("exit code %d", code)
			}
			events := readAudit(t, log)
			for i, a := range rows {
				id, want := fmt.Sprint("row-", i, "."), 0
				if a.audited != "" {
					want = 1
				}
				if n := strings.Count(r.err.String(), "auditID="+id); n != want {
					t.Errorf("%s: %d lines in the log, want %d", a.name, n, want)
				}
				if len(events[id]) != want {
					t.Errorf("%s: audited as %q, want %d events", a.name, texts(events[id]), want)
					continue
				}
				for _, e := range events[id] {
					who := strings.NewReplacer("USER", user, "NOBODY", "").Replace(a.audited)
					method, target, _ := strings.Cut(a.request, " ")
					if e.User.Username != who || e.Level != "Metadata" || e.Stage != "ResponseComplete" || e.ResponseStatus.Code != a.code || a.reason != "" && e.ResponseStatus.Reason != a.reason || e.Verb != strings.ToLower(method) {
						t.Errorf("%s: audited %+v, want the user %q", a.name, e, who)
					}
					if len(e.SourceIPs) != 1 || e.SourceIPs[0] != "127.0.0.1" || strings.Contains(e.RequestURI, "?") || method != "CONNECT" && !strings.HasPrefix(target, "/admin/v1/%72") && !strings.HasPrefix(target, e.RequestURI) {
						t.Errorf("%s: audited %q from %q", a.name, e.RequestURI, e.SourceIPs)
					}
				}
				delete(events, id)
			}
			if len(events) > 0 {
				t.Errorf("events of no row: %v", events)
			}
			for _, secret := range []string{"-token", "Bearer"} {
				if r.err.has(secret) {
					t.Errorf("the log has %q", secret)
				}
			}
		})
	}
}

// attack sends one request on a connection of its own. After an answer from which it is not
// sure where the next request begins there is none.
func (r *running) attack(a *attack, id string, cert *tls.Certificate) (*http.Response, string) {
	r.t.Helper()
	c := r.dialAdmin(cert)
	defer c.Close()
	method, _, _ := strings.Cut(a.request, " ")
	if _, err := io.WriteString(c, a.text(id)); err != nil {
		r.t.Fatalf("%s: %v", a.name, err)
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: strings.Replace(method, "CONNECT", "GET", 1)})
	if err != nil {
		r.t.Fatalf("%s: %v", a.name, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s: %v", a.name, err)
	}
	switch {
	case resp.StatusCode == 413 || resp.StatusCode == 421 || resp.StatusCode == 501 || method == "CONNECT" || resp.Header.Get("Audit-Id") == "":
		if !resp.Close {
			r.t.Errorf("%s: the connection is not closed", a.name)
		}
	case resp.Header.Get("Audit-Id") != id:
		r.t.Errorf("%s: Audit-Id %q", a.name, resp.Header.Get("Audit-Id"))
	}
	return resp, string(body)
}
