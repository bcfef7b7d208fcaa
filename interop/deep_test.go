package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Servers behind servers: the first sends a group to the second, which sends it to the third, which has a definition of it.

// audited is an event of an audit log.
type audited struct {
	AuditID    string                    `json:"auditID"`
	RequestURI string                    `json:"requestURI"`
	Verb       string                    `json:"verb"`
	User       authenticationv1.UserInfo `json:"user"`
	SourceIPs  []string                  `json:"sourceIPs"`
}

// find reads from an audit log what has an ID.
func (e *audited) find(file, id string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Buffer(nil, 1<<20); s.Scan(); {
		*e = audited{}
		if err := json.Unmarshal(s.Bytes(), e); err == nil && e.AuditID == id {
			return nil
		}
	}
	return errUnseen
}

// startDeep starts n servers with an audit log each, which all believe in the same front proxies.
func startDeep(t *testing.T, folder string, n int, trust *authority) (all []*front, logs []string) {
	t.Helper()
	proxies := newAuthority(t, "proxies")
	for i := range n {
		dir := t.TempDir()
		policy, log := filepath.Join(dir, "policy"), filepath.Join(dir, "log")
		rules := "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
		if err := os.WriteFile(policy, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("deep-", i)
		cert, key := trust.issue(t, name, name+".aside.svc", "127.0.0.1")
		all = append(all, startFrontOf(t, folder, startEtcd(t, 1).servers(), proxies,
			"--tls-cert-file="+cert, "--tls-private-key-file="+key, "--audit-policy-file="+policy, "--audit-log-path="+log))
		logs = append(logs, log)
	}
	return all, logs
}

// port is where the server listens.
func (f *front) port() int {
	n, _ := strconv.Atoi(f.url[strings.LastIndex(f.url, ":")+1:])
	return n
}

// TestDeep: a client of the first of three servers works with the objects of the third, which knows who it is.
func TestDeep(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		trust := newAuthority(t, "services")
		all, logs := startDeep(t, folder, 3, trust)
		first, last := all[0], all[2]
		last.must(t, "create -f "+testdata(t, "widgets.yaml"), "")
		last.must(t, "wait --for=condition=Established --timeout=30s crd/widgets.example.com", "")
		all[1].serve(t, "example.com/v1", "deep-2", last.port(), trust)
		first.serve(t, "example.com/v1", "deep-1", all[1].port(), trust)
		first.show(t, "api-resources --api-group=example.com", "widgets")
		first.run(t,
			call{"create -f -", widget("deep", "{size: 3}"), 0, "widget.example.com/deep created"},
			call{"get widgets", "", 0, "NAME"},
		)
		first.show(t, "explain widgets.spec", "size <integer>")
		as := rest.ImpersonationConfig{
			UserName: "zoë", UID: "7", Groups: []string{"system:masters", "odd"}, Extra: map[string][]string{"example.com/scope": {"x", "y"}},
		}
		const id = "99999999-1111-4222-8333-444444444444"
		config := first.config("admin-token")
		config.Impersonate = as
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				if r.Method == "PATCH" {
					r.Header.Set("Audit-Id", id)
				}
				r.Header["X-remote-USER"] = []string{"root"}
				return next.RoundTrip(r)
			})
		})
		useDeep(t, config)
		for i, log := range logs {
			eventually(t, "the audit log of "+fmt.Sprint(i), func() error {
				var e audited
				if err := e.find(log, id); err != nil {
					return err
				}
				u := e.User
				scope := slices.Equal(u.Extra["example.com/scope"], authenticationv1.ExtraValue{"x", "y"})
				if i > 0 && (u.Username != as.UserName || u.UID != as.UID || !slices.Contains(u.Groups, "odd") || !scope) {
					t.Errorf("server %d thinks that it is %+v", i, u)
				}
				if e.Verb != "patch" {
					t.Errorf("server %d: %+v", i, e)
				}
				return nil
			})
		}
	})
}

// useDeep writes and watches objects as a client does.
func useDeep(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	check(t, "client", err)
	items := client.Resource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}).Namespace("default")
	list, err := items.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("list: %v %v", list, err)
	}
	w, err := items.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	_, err = items.Patch(t.Context(), "deep", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	check(t, "patch", err)
	check(t, "delete", items.Delete(t.Context(), "deep", metav1.DeleteOptions{}))
	for _, want := range []string{"MODIFIED", "DELETED"} {
		e, err := next(w)
		if err != nil || string(e.Type) != want || e.Object.(*unstructured.Unstructured).GetLabels()["a"] != "b" {
			t.Errorf("watched %v %v, want %s", e, err, want)
		}
	}
}

// TestLoop: two servers that send a group to each other answer with an error.
func TestLoop(t *testing.T) {
	trust := newAuthority(t, "services")
	all, logs := startDeep(t, folderOf(t), 2, trust)
	for i, f := range all {
		other := 1 - i
		f.aggregate(t, "round.example.com/v1", fmt.Sprint("deep-", other), all[other].port(), trust)
	}
	for range 3 {
		answer, err := all[0].ask("the first").do(t.Context(), "GET", "/apis/round.example.com/v1/things", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode < 500 {
			t.Errorf("answered with %s", answer.Status)
		}
	}
	for _, log := range logs {
		b, err := os.ReadFile(log)
		if n := bytes.Count(b, []byte("/apis/round.example.com/v1/things")); err != nil || n > 100 {
			t.Errorf("%d requests for 3: %v", n, err)
		}
	}
}
