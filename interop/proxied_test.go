package interop

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a client and an aggregated server see of a proxied request, byte for byte, is what they see through kube-apiserver.
// The golden file has that: with APICHAIN_REFERENCE kube-apiserver is compared with it, too, and with APICHAIN_WRITE
// besides it is written anew.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_WRITE=1 go test -run TestProxied/kube-apiserver .

// proxied is what is compared: what the client was told, and what the aggregated server has seen.
type proxied struct {
	Answer []string `json:"answer"`
	Seen   []string `json:"seen,omitempty"`
}

// differently are requests that the program answers or passes on differently, with why and some lines of what it does.
var differently = map[string]struct {
	why string
	has []string
}{
	"a path with an escaped slash": {"such a path is refused, whoever it is for", []string{"400 Bad Request"}},
	"a path with dots":             {"such a path is refused, whoever it is for", []string{"400 Bad Request"}},
	"identities that a client claims": {"a server that reads _ as - would believe them",
		[]string{"200 OK", "X-Remote-User: admin", "!X_remote_user", "!X-Remote_group"}},
	"a page":                       {"it is rewritten while it passes", []string{"200 OK -1", `<html><head></head><body><a href="https://localhost:PORT/x">x</a><img src="y.png">`}},
	"a page with a character set":  {"it is rewritten while it passes", []string{"200 OK -1", `<a href="https://localhost:PORT/x">x</a>`}},
	"early hints":                  {"what was hinted is not in the answer", []string{"103 Early Hints", "Link: </a>; rel=preload", "200 OK 4"}},
	"trailers":                     {"a client that asks for them is told", []string{"200 OK -1", "body", "X-After: late", "X-Unsaid: later"}},
	"it says too little":           {"what there is, is passed on", []string{"200 OK 100", "short", "unexpected EOF"}},
	"an upgrade that is forbidden": {"the answer is written as any other", []string{"403 Forbidden", "X-Own: 1", "no"}},
	"an upgrade that fails":        {"the answer is written as any other", []string{"500 Internal Server Error", "no"}},
}

// TestProxied sends each request of the table on a connection of its own.
func TestProxied(t *testing.T) {
	g := openGolden[proxied](t, "proxied.json")
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		trust := newAuthority(t, "services")
		e := startEcho(t, trust)
		f.serve(t, "echo.example.com/v1", "echo", e.port, trust)
		f.broken(t, e.port)
		f.documents(t)
		got := map[string]proxied{}
		for _, text := range proxiedRequests {
			name, request, _ := strings.Cut(text, "\n")
			e.take()
			answer, err := f.raw(request)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			p := proxied{answer, e.take()}
			for _, list := range [][]string{p.Answer, p.Seen} {
				for i := range list {
					list[i] = streamID.ReplaceAllString(list[i], "stream ID N")
					list[i] = strings.NewReplacer(fmt.Sprint(e.port), "PORT", strings.TrimPrefix(f.url, "https://"), "FRONT").Replace(list[i])
				}
			}
			got[name] = p
			if d, ok := differently[name]; ok && folder == folderOf(t) {
				for _, line := range d.has {
					line, absent := strings.CutPrefix(line, "!")
					if slices.ContainsFunc(append(p.Answer, p.Seen...), func(l string) bool { return strings.HasPrefix(l, line) }) == absent {
						t.Errorf("%s (%s): want %q in\n\t%s", name, d.why, line, strings.Join(append(p.Answer, p.Seen...), "\n\t"))
					}
				}
				continue
			}
			if want := g.want[name]; !g.writing && !slices.Equal(append(want.Answer, want.Seen...), append(p.Answer, p.Seen...)) {
				t.Errorf("%s: answer\n\t%s\nseen\n\t%s\nwant answer\n\t%s\nseen\n\t%s", name,
					strings.Join(p.Answer, "\n\t"), strings.Join(p.Seen, "\n\t"), strings.Join(want.Answer, "\n\t"), strings.Join(want.Seen, "\n\t"))
			}
		}
		g.keep(t, folder, got)
	})
}

// broken makes APIServices that cannot be available.
func (f *front) broken(t *testing.T, port int) {
	other := newAuthority(t, "others")
	f.must(t, "create service clusterip still -n aside --tcp=443", "")
	for name, service := range map[string]string{
		"gone":  "service: {name: gone, namespace: aside}",
		"port":  "service: {name: still, namespace: aside, port: 1}",
		"idle":  "service: {name: still, namespace: aside}",
		"trust": fmt.Sprintf("service: {name: echo, namespace: aside, port: %d}, caBundle: %s", port, base64Of(other.pem)),
	} {
		f.must(t, "create -f -", fmt.Sprintf(`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.%[1]s.example.com},
  spec: {group: %[1]s.example.com, version: v1, groupPriorityMinimum: 1000, versionPriority: 15, %[2]s}}`, name, service))
		f.must(t, "wait --for=condition=Available=False --timeout=30s apiservice/v1."+name+".example.com", "")
	}
}

// documents checks what is said of aggregated servers in the documents that are made of all.
func (f *front) documents(t *testing.T) {
	const mergedV2 = `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`
	for _, c := range []struct{ path, accept, want string }{
		{"/apis", "application/json", `"name":"echo.example.com","versions":[{"groupVersion":"echo.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"echo.example.com/v1","version":"v1"}}`},
		{"/apis", "application/json", `"name":"gone.example.com","versions":[{"groupVersion":"gone.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"gone.example.com/v1","version":"v1"}}`},
		{"/apis", mergedV2, `{"metadata":{"name":"gone.example.com"},"versions":[{"version":"v1","freshness":"Stale"}]}`},
		{"/apis", mergedV2, `{"metadata":{"name":"echo.example.com"},"versions":[{"version":"v1","resources":[{"resource":"echoes",` +
			`"responseKind":{"group":"","version":"","kind":"Echo"},"scope":"Namespaced","singularResource":"echo","verbs":["get","list","create"],"shortNames":["ec"],"categories":["all"],` +
			`"subresources":[{"subresource":"status","responseKind":{"group":"","version":"","kind":"Echo"},"verbs":["get"]}]}],"freshness":"Current"}]}`},
		{"/openapi/v3", "application/json", `"apis/echo.example.com/v1":{"serverRelativeURL":"/openapi/v3/apis/echo.example.com/v1?hash=AB"}`},
		{"/openapi/v2", "application/json", `"/apis/echo.example.com/v1/echoes":{"get":{`},
		{"/openapi/v2", "application/json", `"$ref":"#/definitions/com.example.Echo"`},
		{"/openapi/v2", "application/json", `{"said":{"type":"string"}}`},
	} {
		eventually(t, c.path+" as "+c.accept, func() error {
			req, err := http.NewRequestWithContext(t.Context(), "GET", f.url+c.path, nil)
			if err != nil {
				return err
			}
			req.Header.Set("Accept", c.accept)
			req.Header.Set("Authorization", "Bearer "+f.token)
			answer, err := f.ask("front").http.Do(req)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			b, err := io.ReadAll(answer.Body)
			if strings.Contains(string(b), "/apis/other.example.com") {
				t.Errorf("%s has paths of another group", c.path)
			}
			if err != nil || !strings.Contains(string(b), c.want) {
				i := max(strings.Index(string(b), c.want[:20]), 0)
				return fmt.Errorf("%s %v: want %s in\n%s", answer.Status, err, c.want, b[i:min(len(b), i+2000)])
			}
			return nil
		})
	}
	f.run(t,
		call{"get apiservice v1.gone.example.com -o jsonpath={.status.conditions[0].reason}:{.status.conditions[0].message}", "", 0, `ServiceNotFound:service/gone in "aside" is not present`},
		call{"get apiservice v1.port.example.com -o jsonpath={.status.conditions[0].reason}:{.status.conditions[0].message}", "", 0, `ServicePortError:service/still in "aside" is not listening on port 1`},
		call{"get apiservice v1.idle.example.com -o jsonpath={.status.conditions[0].reason}:{.status.conditions[0].message}", "", 0, `EndpointsNotFound:cannot find endpointslices for service/still in "aside"`},
		call{"get apiservice v1.trust.example.com -o jsonpath={.status.conditions[0].reason}:{.status.conditions[0].message}", "", 0, `FailedDiscoveryCheck:failing or missing response from https://localhost:`},
		call{"get apiservice v1.echo.example.com -o jsonpath={.status.conditions[0].reason}:{.status.conditions[0].message}", "", 0, `Passed:all checks passed`},
		call{"get apiservice v1.gone.example.com", "", 0, "v1.gone.example.com aside/gone False (ServiceNotFound)"},
	)
}

// unsteady are fields of answers that differ from one server to the next, or that only a server with flow control has.
var unsteady = regexp.MustCompile(`^(Date|X-Kubernetes-Pf-[A-Za-z-]+): |^Strict-Transport`)

// ownFields are fields by which a server says who it is: to bound loops, or by not saying another name.
var ownFields = regexp.MustCompile(`^(Apichain-Hops: |User-Agent: Go-http-client/)`)

// streamID is of the connection between the two servers.
var streamID = regexp.MustCompile(`stream ID \d+`)

// written is a request of the table as it is sent, with its method and what is sent after an answer of 101.
func (f *front) written(request string) (method, sent, after string) {
	head, body, _ := strings.Cut(request, "\n\n")
	head, after, _ = strings.Cut(head, "\n>")
	first, rest, _ := strings.Cut(head, "\n")
	if strings.HasSuffix(rest, "chunked") {
		body += "\n\n"
	}
	fields := []string{first + " HTTP/1.1", "Host: front.example.com", "Audit-Id: 11111111-2222-4333-8444-555555555555"}
	if rest != "" {
		fields = append(fields, strings.Split(rest, "\n")...)
	}
	if !strings.HasPrefix(rest, "Authorization:") {
		fields = append(fields, "Authorization: Bearer "+f.token)
	}
	if strings.Contains(rest, "chunked") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	} else if body != "" {
		fields = append(fields, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	method, _, _ = strings.Cut(first, " ")
	return method, strings.Join(fields, "\r\n") + "\r\n\r\n" + body, after
}

// raw sends a request as it is written but for what each has, and returns the lines of the answer. A line that begins
// with > is sent after an answer of 101, and what comes back is the last line.
func (f *front) raw(request string) (lines []string, err error) {
	method, sent, after := f.written(request)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(f.url, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, sent); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return append(lines, "no answer: "+err.Error()), nil
		}
		lines = append(lines, answer.Status+fmt.Sprintf(" %d %q", answer.ContentLength, answer.TransferEncoding))
		lines = append(lines, slices.DeleteFunc(headerLines(answer.Header), unsteady.MatchString)...)
		if answer.StatusCode == http.StatusSwitchingProtocols {
			_, _ = io.WriteString(conn, after)
			b, err := io.ReadAll(r)
			return append(lines, fmt.Sprintf("%q", b), fmt.Sprint(err)), nil
		}
		if answer.StatusCode == http.StatusContinue {
			lines = nil // whose it is and how many of them, depends on who reads when
		}
		if answer.StatusCode < 200 {
			continue
		}
		b, err := io.ReadAll(answer.Body)
		if answer.Header.Get("Content-Encoding") == "gzip" {
			z, _ := gzip.NewReader(bytes.NewReader(b))
			b, err = io.ReadAll(z)
			lines = append(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Content-Length") })[1:], "unpacked:")
		}
		lines = append(lines, string(b))
		lines = append(lines, headerLines(answer.Trailer)...)
		if err != nil {
			lines = append(lines, err.Error())
		}
		return lines, nil
	}
}

// proxiedRequests are a name, the request line, fields, and after an empty line the body.
var proxiedRequests = strings.Split(strings.TrimSpace(`
plain
GET /apis/echo.example.com/v1/echoes
---
namespaced
GET /apis/echo.example.com/v1/namespaces/default/echoes/a
---
a path with escapes
GET /apis/echo.example.com/v1/namespaces/default/echoes/a%20b%3fc%25
---
a path with an escaped slash
GET /apis/echo.example.com/v1/namespaces/default/echoes/a%2Fb
---
a path with two slashes
GET /apis/echo.example.com/v1//echoes
---
a path with dots
GET /apis/echo.example.com/v1/x/../echoes
---
a path that ends with a slash
GET /apis/echo.example.com/v1/echoes/
---
a path in another case
GET /apis/ECHO.example.com/v1/echoes
---
query parameters are sorted and written anew
GET /apis/echo.example.com/v1/echoes?b=2&a=x+y%20z&a=%c3%a4&c&=d&e=;
---
a malformed parameter
GET /apis/echo.example.com/v1/echoes?a=1&b=%zz&c=3
---
fields of a client
GET /apis/echo.example.com/v1/echoes
User-Agent: interop/1
Accept: application/json;as=Table;g=meta.k8s.io;v=v1, application/json
Accept-Encoding: br
Cookie: a=b
X-Custom: one
X-Custom: two
x-lower: three
If-None-Match: "1"
Range: bytes=0-1
Origin: https://elsewhere.example
Referer: https://elsewhere.example/x
Forwarded: for=1.2.3.4
Via: 1.1 before
Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
---
identities that a client claims
GET /apis/echo.example.com/v1/echoes
X-Remote-User: root
x-remote-user: root
X-REMOTE-GROUP: system:masters
X-Remote-Uid: 0
X-Remote-Extra-Scopes: all
x-remote-extra-%73copes: all
X_Remote_User: root
X-Remote_Group: odd
---
identities that Connection names
GET /apis/echo.example.com/v1/echoes
Connection: X-Remote-User, X-Remote-Group, X-Custom, close
X-Custom: mine
---
forwarding that a client claims
GET /apis/echo.example.com/v1/echoes
X-Forwarded-For: 1.2.3.4
X-Forwarded-Host: evil.example
X-Forwarded-Proto: gopher
X-Forwarded-Uri: /evil
X-Real-Ip: 1.2.3.4
---
fields of one hop
GET /apis/echo.example.com/v1/echoes
Connection: keep-alive, X-Hop
Keep-Alive: timeout=5
X-Hop: 1
Te: trailers, deflate
Proxy-Authorization: Basic eA==
Proxy-Connection: keep-alive
---
impersonation
GET /apis/echo.example.com/v1/echoes
Impersonate-User: zoë/%
Impersonate-Uid: 7
Impersonate-Group: a
Impersonate-Group: b c
Impersonate-Group: system:masters
Impersonate-Extra-Example.com%2fscope: x
Impersonate-Extra-Odd%25key: y
---
an unknown token
GET /apis/echo.example.com/v1/echoes
Authorization: Bearer nobody
---
a body
POST /apis/echo.example.com/v1/namespaces/default/echoes?dryRun=All
Content-Type: application/json

{"kind":"Echo"}
---
a body of unknown length
POST /apis/echo.example.com/v1/namespaces/default/echoes
Content-Type: application/octet-stream
Transfer-Encoding: chunked

5
hello
0

---
a body that waits
PUT /apis/echo.example.com/v1/namespaces/default/echoes/a
Expect: 100-continue
Content-Type: application/json

{"kind":"Echo"}
---
a body of GET
GET /apis/echo.example.com/v1/echoes

odd
---
HEAD
HEAD /apis/echo.example.com/v1/echoes
---
OPTIONS
OPTIONS /apis/echo.example.com/v1/echoes
---
DELETE
DELETE /apis/echo.example.com/v1/namespaces/default/echoes/a
Content-Type: application/json

{"propagationPolicy":"Orphan"}
---
a method of its own
BREW /apis/echo.example.com/v1/echoes
---
an error
GET /apis/echo.example.com/v1/echoes?do=status&code=409
---
a failure
GET /apis/echo.example.com/v1/echoes?do=status&code=500
---
not available there
GET /apis/echo.example.com/v1/echoes?do=status&code=503&header=Retry-After:7
---
too many requests there
GET /apis/echo.example.com/v1/echoes?do=status&code=429&header=Retry-After:1
---
unauthorized there
GET /apis/echo.example.com/v1/echoes?do=status&code=401&header=WWW-Authenticate:Basic
---
not modified
GET /apis/echo.example.com/v1/echoes?do=status&code=304&header=Etag:1
---
no content
DELETE /apis/echo.example.com/v1/namespaces/default/echoes/a?do=status&code=204
---
a code of its own
GET /apis/echo.example.com/v1/echoes?do=status&code=299
---
fields of an answer
GET /apis/echo.example.com/v1/echoes?header=Access-Control-Allow-Origin:*&header=Access-Control-Allow-Methods:GET&header=Access-Control-Allow-Headers:X&header=Access-Control-Allow-Credentials:true&header=Access-Control-Expose-Headers:Y&header=Access-Control-Max-Age:5&header=Warning:299%20-%20%22mind%22&header=Set-Cookie:a=b&header=Server:echo&header=Cache-Control:max-age=1&header=Audit-Id:other&header=X-Two:1&header=X-Two:2&header=Etag:%22x%22&header=Vary:Accept&header=Content-Location:/x
---
a redirect to itself
GET /apis/echo.example.com/v1/echoes?do=status&code=302&header=Location:https://HERE/apis/echo.example.com/v1/echoes/b?x=y
---
a redirect by path
GET /apis/echo.example.com/v1/echoes?do=status&code=307&header=Location:/apis/echo.example.com/v1/echoes/b
---
a relative redirect
GET /apis/echo.example.com/v1/echoes?do=status&code=301&header=Location:b
---
a redirect to elsewhere
GET /apis/echo.example.com/v1/echoes?do=status&code=302&header=Location:https://elsewhere.example/x
---
a redirect of a write
POST /apis/echo.example.com/v1/namespaces/default/echoes?do=status&code=308&header=Location:https://HERE/x

{}
---
a page
GET /apis/echo.example.com/v1/echoes?type=text/html&text=<html><head></head><body><a+href="/x">x</a><img+src="y.png"><a+href="https://elsewhere.example/">z</a><form+action="/f"></form></body></html>
---
a page with a character set
GET /apis/echo.example.com/v1/echoes?type=text/html;+charset=utf-8&text=<a+href="/x">x</a>
---
a packed page
GET /apis/echo.example.com/v1/echoes?do=gzip&type=text/html&text=<a+href="/x">x</a>
Accept-Encoding: gzip
---
a packed answer that was not asked for
GET /apis/echo.example.com/v1/echoes?do=gzip&type=text/plain&text=hello
Accept-Encoding: identity
---
an answer in parts
GET /apis/echo.example.com/v1/echoes?do=stream&text=one,two,three&watch=1
---
trailers
GET /apis/echo.example.com/v1/echoes?do=trailer
Te: trailers
---
early hints
GET /apis/echo.example.com/v1/echoes?do=hints
---
it hangs up
GET /apis/echo.example.com/v1/echoes?do=abort
---
it says too little
GET /apis/echo.example.com/v1/echoes?do=short
---
an upgrade
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+101+Switching%0aConnection:+Upgrade%0aUpgrade:+echo%0aX-Own:+1%0a%0a
Connection: Upgrade
Upgrade: echo
X-Forwarded-For: 1.2.3.4
X-Remote-User: root
Origin: https://elsewhere.example
>ping
---
an upgrade to another protocol
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+101+Switching%0aConnection:+Upgrade%0aUpgrade:+other%0a%0a
Connection: Upgrade
Upgrade: echo
>ping
---
an upgrade that is answered
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+200+OK%0aContent-Length:+4%0a%0afine
Connection: Upgrade
Upgrade: echo
---
an upgrade that is redirected
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+302+Found%0aLocation:+/x%0aContent-Length:+0%0a%0a
Connection: Upgrade
Upgrade: echo
---
an upgrade that is forbidden
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+403+Forbidden%0aX-Own:+1%0aContent-Length:+2%0a%0ano
Connection: Upgrade
Upgrade: echo
---
an upgrade that fails
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+500+Oh%0aContent-Length:+2%0a%0anoHTTP/1.1+200+OK%0a%0a
Connection: Upgrade
Upgrade: echo
---
an upgrade with hints
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=HTTP/1.1+103+Early%0aLink:+x%0a%0aHTTP/1.1+101+Switching%0aConnection:+Upgrade%0aUpgrade:+echo%0a%0a
Connection: Upgrade
Upgrade: echo
>ping
---
an upgrade that is answered with nothing
GET /apis/echo.example.com/v1/namespaces/default/echoes/a/attach?do=upgrade&text=
Connection: Upgrade
Upgrade: echo
---
Upgrade without Connection
GET /apis/echo.example.com/v1/echoes
Upgrade: echo
---
the group's document
GET /apis/echo.example.com
Accept: application/json
---
the version's document
GET /apis/echo.example.com/v1
Accept: application/json
---
the version's document with a parameter
GET /apis/echo.example.com/v1?x=y
Accept: application/json
---
the version's document with a slash
GET /apis/echo.example.com/v1/
---
a version that is not there
GET /apis/echo.example.com/v2/echoes
---
OpenAPI 3
GET /openapi/v3/apis/echo.example.com/v1
---
OpenAPI 3 by its hash
GET /openapi/v3/apis/echo.example.com/v1?hash=AB
---
a service that is not there
GET /apis/gone.example.com/v1/things
---
a service without that port
GET /apis/port.example.com/v1/things
---
a service without endpoints
GET /apis/idle.example.com/v1/things
---
a certificate of another authority
GET /apis/trust.example.com/v1/things
---
an upgrade to what is not there
GET /apis/gone.example.com/v1/things
Connection: Upgrade
Upgrade: echo
---
the group of a service that is not there
GET /apis/gone.example.com
Accept: application/json
`), "\n---\n")
