package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"apichain/internal/tree"
)

// secrets are what must never be seen, by where they were planted.
type secrets map[string]string

// in names the secrets that a text has, as they were planted, in base64, or escaped for a URL.
func (s secrets) in(text string) (found []string) {
	for where, secret := range s {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
			if strings.Contains(text, form) {
				found = append(found, where)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// plantedProgram is a program with secrets in its files, flags, objects, and in requests that
// have ended, were refused, and are under way.
func plantedProgram(t *testing.T) (*running, secrets, string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := secrets{}
	plant := func(where string) string {
		s[where] = "pl4nted+" + strings.ReplaceAll(where, " ", "/") + "/3f9c=" // what URLs and base64 escape is in it
		return s[where]
	}
	token := plant("token file")
	release, stuck := make(chan struct{}), make(chan struct{}, 10)
	stay := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 4))
		stuck <- struct{}{}
		<-release
	})
	auditLog := filepath.Join(dir, "audit.log")
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/stuck", stay)
		_ = s.HandlePrefix("/apis/g.io/", stay)
		_ = s.Handle("/panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("as it should") }))
		_ = s.AddPreShutdownHook("slow", func(context.Context) error { <-release; return nil })
	}, "--listen-admin=127.0.0.1:0", "--profiling", "--request-stacks", "--v=10", "--token-auth-file="+file("tokens.csv", "\""+token+"\",planted,1,\"system:masters\"\n"),
		"--kubeconfig="+filepath.Join(dir, "kubeconfig"), "--ready-file="+filepath.Join(dir, "ready"), "--cert-dir="+filepath.Join(dir, "certs"), "--audit-log-path="+auditLog,
		"--audit-policy-file="+file("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n"),
		"--cors-allowed-origins=^https?://somebody:"+url.QueryEscape(plant("password in a flag"))+"@example.com$", "--shutdown-watch-termination-grace-period=1m", "--shutdown-timeout=5m")
	t.Cleanup(func() {
		close(release)
		r.stopAndLook()
	})
	s["kubeconfig"] = r.adminToken
	key, err := os.ReadFile(filepath.Join(dir, "certs", "apichain.key"))
	if err != nil {
		list, _ := filepath.Glob(filepath.Join(dir, "certs", "*"))
		t.Fatalf("%v: there are %q", err, list)
	}
	s["private key"] = strings.Split(string(key), "\n")[1]

	send := func(kind, method, path, body string, want int, header ...string) reply {
		t.Helper()
		got, err := r.send(r.client(kind), kind, method, path, strings.NewReader(body), append([]string{"Authorization: Bearer " + token, "Content-Type: application/json"}, header...)...)
		if err != nil || got.status != want {
			t.Errorf("%s %s: %d %v, want %d\n%s", method, path, got.status, err, want, got.body)
		}
		return got
	}
	const core = "/api/v1/namespaces/default/"
	secret := plant("data of a secret")
	send("https", "POST", core+"secrets", `{"metadata":{"name":"s"},"data":{"a":"`+base64.StdEncoding.EncodeToString([]byte(secret))+`"}}`, 201)
	send("https", "POST", core+"configmaps", `{"metadata":{"name":"c","annotations":{"a":"`+plant("an annotation")+`"}},"data":{"a":"`+plant("data of a config map")+`"}}`, 201)
	send("https", "PATCH", core+"configmaps/c", `{"data":{"b":"`+plant("a patch")+`"}}`, 200, "Content-Type: application/merge-patch+json")
	send("https", "POST", core+"configmaps", `{"metadata":{"name":"x"},"data":["`+plant("a refused object")+`"]}`, 400)
	send("https", "POST", core+"configmaps", `{"data":"`+plant("a body that is not read"), 400)
	issued := decoded(t, send("https", "POST", core+"serviceaccounts/default/token", `{"spec":{}}`, 201).body)
	s["token of a service account"] = tree.Text(issued, "status", "token")
	send("https", "GET", core+"configmaps/c", "", 200, "Authorization: Bearer "+s["token of a service account"], "Impersonate-User: x", "Authorization: Bearer "+token, "Impersonate-Group: system:masters")
	for _, kind := range clientKinds {
		want := map[bool]int{true: 200, false: 401}[kind == "http" || kind == "h2c"]
		send(kind, "GET", "/version?sig="+url.QueryEscape(plant("query of "+kind)), "", want, "Authorization: Bearer "+plant("a wrong token on "+kind), "Cookie: session="+plant("cookie on "+kind), "X-Api-Key: "+plant("another header on "+kind), "User-Agent: ag\tent")
	}
	send("https", "GET", "/version", "", 200, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+plant("a password"))))
	send("https", "GET", "/nowhere?token="+url.QueryEscape(plant("query of nobody's path")), "", 404)
	send("https", "GET", "/panics?token="+url.QueryEscape(plant("query of a panic")), "", 500)
	send("https", "GET", "/version/../version", "", 400, "Cookie: a="+plant("cookie beside a doubtful path"), "Range: "+plant("a range"))
	for i, q := range []struct{ kind, path string }{{"https", "/stuck"}, {"h2", "/stuck"}, {"http", "/apis/g.io/v1/things?watch=1&"}, {"h2", "/apis/g.io/v1/things?watch=1&"}} {
		c, target := r.client(q.kind), q.path
		if !strings.Contains(target, "?") {
			target += "?"
		}
		target += "token=" + url.QueryEscape(plant(fmt.Sprint("query of a request under way ", i)))
		body := strings.NewReader("1234" + plant(fmt.Sprint("body of a request under way ", i)))
		header := []string{"Authorization: Bearer " + token, "Cookie: a=" + plant(fmt.Sprint("cookie of a request under way ", i))}
		go func() { _, _ = r.send(c, q.kind, "POST", target, body, header...) }()
		await(t, target, stuck)
	}
	return r, s, auditLog
}

// everyForm is every page of the admin listener in every form, by request: the index says
// what pages there are.
func everyForm(t *testing.T, r *running, s secrets) map[string]string {
	t.Helper()
	out := map[string]string{}
	ask := func(method, path, accept, body string, header ...string) reply {
		t.Helper()
		limit := time.Minute
		if accept == "text/event-stream" {
			limit = 2 * time.Second // a stream has no end
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, r.url("admin", path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		head, _ := json.Marshal(resp.Header)
		out[method+" "+path+" as "+accept+" "+body] = string(head) + "\n" + string(b)
		return reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
	}
	var index struct {
		Items []struct {
			ID, Path string
			Methods  []string
		}
	}
	r.look("/admin/", &index)
	hidden := url.QueryEscape(s["query of http"])
	for _, e := range index.Items {
		if e.ID == "snapshot" || e.ID == "backup" {
			continue // the two answers that have objects
		}
		query := map[string]string{
			"inflight": "stack=true&", "requests": "limit=10000&", "stream": "topics=requests,hooks,lifecycle,certificates,drain,faults,loglevel&",
			"owners":  "resource=secrets&name=s&",
			"explain": "path=" + url.QueryEscape("/version?token="+hidden) + "&header=" + url.QueryEscape("X-Api-Key: "+s["another header on http"]) + "&",
		}[e.ID]
		for _, method := range e.Methods {
			if method == "GET" {
				for _, accept := range []string{"*/*", "application/json", "text/plain", "text/html", "text/event-stream", "application/gzip", "application/yaml"} {
					for _, more := range []string{"", "pretty=true", "wide=true", "token=" + hidden} {
						if more == "token="+hidden && accept != "*/*" || e.ID == "stream" && (more != "" || accept == "*/*") {
							continue // one refusal is as good as another; and a stream takes its time
						}
						got := ask("GET", e.Path+"?"+query+more, accept, "", "Last-Event-ID: 1", "Cookie: a="+s["cookie on http"])
						if got.status == 200 && got.header.Get("Content-Type") == "application/gzip" {
							unpacked(t, got.body, func(name, content string) { out["bundle, "+name] = content })
						}
					}
				}
				if e.ID == "owners" {
					ask("GET", e.Path+"?resource=configmaps&name=c", "application/json", "")
				}
				if e.ID == "requests" {
					ask("GET", e.Path+"?set=slowest&limit=10000", "application/json", "")
				}
				continue
			}
			// What is sent to be refused is not shown either.
			ask(method, e.Path, "application/json", `{"a":"`+s["a body that is not read"]+`"}`, "Content-Type: text/plain", "If-Match: *", "Authorization: Bearer "+s["token file"])
			delete(out, method+" "+e.Path+" as application/json "+`{"a":"`+s["a body that is not read"]+`"}`) // what is compared is what others see of it
		}
	}
	for _, profile := range []string{"goroutine?debug=1", "goroutine?debug=2", "heap?debug=1"} {
		ask("GET", "/debug/pprof/"+profile, "*/*", "")
	}
	return out
}

func unpacked(t *testing.T, archive string, f func(name, content string)) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		f(h.Name, string(b))
	}
}

// TestNothingSecretIsShown: with secrets planted everywhere no page in any form, no log, no
// audit event of level Metadata has one. What the snapshot has is what was planted in objects.
func TestNothingSecretIsShown(t *testing.T) {
	r, s, auditLog := plantedProgram(t)
	var seen int
	look := func(when string) {
		pages := everyForm(t, r, s)
		for page, content := range pages {
			seen += len(content)
			if found := s.in(content); len(found) > 0 {
				t.Errorf("%s, %s shows %q", when, page, found)
			}
		}
		for _, must := range []string{"GET /admin/v1/options? as text/plain ", "bundle, inflight.json", "bundle, goroutines.txt", "GET /metrics? as */* "} {
			if pages[must] == "" {
				t.Errorf("%s, %s was not looked at", when, must)
			}
		}
	}
	look("while it works")
	r.signal <- syscall.SIGTERM
	await(t, "ShutdownInitiated", r.signals.shutdownInitiated.ch)
	look("while it stops")
	audit, err := os.ReadFile(auditLog)
	if err != nil || !bytes.Contains(audit, []byte(`"level":"Metadata"`)) {
		t.Fatalf("the audit log: %v\n%.300s", err, audit)
	}
	for _, line := range strings.Split(string(audit), "\n") {
		// The URI is as it was sent, as upstream's is: who keeps an audit log keeps that.
		var event map[string]any
		if json.Unmarshal([]byte(line), &event) == nil {
			delete(event, "requestURI")
		}
		rest, _ := json.Marshal(event)
		if found := s.in(string(rest)); len(found) > 0 {
			t.Errorf("an audit event has %q: %s", found, line)
		}
	}
	for name, text := range map[string]string{"log": r.err.String(), "standard output": r.out.String()} {
		if found := s.in(text); len(found) > 0 || name == "log" && text == "" {
			t.Errorf("the %s has %q", name, found)
		}
	}
	// The test can fail: what was planted is there.
	planted := s.in(r.look("/admin/v1/snapshot", nil).body)
	if want := []string{"a patch", "an annotation", "data of a config map", "data of a secret"}; !slices.Equal(planted, want) {
		t.Errorf("the snapshot has %q, want %q", planted, want)
	}
	if !strings.Contains(string(audit), url.QueryEscape(s["query of a panic"])) {
		t.Error("the audit log has no query: what was sent has not arrived")
	}
	if options := r.look("/admin/v1/options?name=cors-allowed-origins", nil).body; !strings.Contains(options, "somebody:REDACTED@example.com") {
		t.Errorf("the option with a password: %s", options)
	}
	t.Logf("%d bytes hold none of %d secrets", seen, len(s))
}
