package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"apichain/internal/tree"
)

// reviewsOf is a webhook that allows everything, and what it was asked by whom the test is.
type reviewsOf struct {
	*webhookServer
	mu    sync.Mutex
	asked []string
}

// startReviews starts one.
func startReviews(t *testing.T) *reviewsOf {
	h := &reviewsOf{webhookServer: &webhookServer{}}
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// ServeHTTP notes a review as "OPERATION resource/subresource Kind name Options", "-" for none, and whether it is dry and which
// objects it has.
func (h *reviewsOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review map[string]any
	_ = json.NewDecoder(r.Body).Decode(&review)
	q := tree.Object(review, "request")
	if tree.Text(q, "userInfo", "username") == "system:unsecured" {
		text := func(path ...string) string {
			if s := tree.Text(q, path...); s != "" {
				return s
			}
			return "-"
		}
		resource := strings.TrimSuffix(text("resource", "resource")+"/"+tree.Text(q, "subResource"), "/")
		line := strings.Join([]string{text("operation"), resource, text("kind", "kind"), text("name"), text("options", "kind")}, " ")
		if q["dryRun"] == true {
			line += " dry"
		}
		if q["oldObject"] != nil {
			line += " old"
		}
		if q["object"] != nil {
			line += " new"
		}
		h.mu.Lock()
		h.asked = append(h.asked, line)
		h.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`, tree.Text(q, "uid"))
}

// taken returns what it was asked since the last time.
func (h *reviewsOf) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// TestWritesThatWebhooksSee: a webhook for everything is asked about each write of each resource and subresource as kube-apiserver
// asks it, which was asked the same, and about nothing else.
func TestWritesThatWebhooksSee(t *testing.T) {
	h := startReviews(t)
	r := startProgram(t, nil, "--controllers=none")
	send := func(line, body string) {
		t.Helper()
		method, path, _ := strings.Cut(line, " ")
		contentType := "Content-Type: application/json"
		if method == "PATCH" {
			contentType = "Content-Type: application/merge-patch+json"
		}
		if _, err := r.send(r.client("http"), "http", method, path, strings.NewReader(body), contentType); err != nil {
			t.Fatal(line, err)
		}
	}
	send("POST /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", `{"metadata":{"name":"all"},"webhooks":[{"name":"all.example.com",
		"sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":{"url":"`+h.URL+`","caBundle":"`+h.caBundle()+`"},
		"rules":[{"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*/*"]}]}]}`)
	const core, apps = "/api/v1/namespaces/default", "/apis/apps/v1/namespaces/default"
	const pod = `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`
	for _, c := range []struct{ line, body, want string }{
		{"POST " + core + "/serviceaccounts", `{"metadata":{"name":"default"}}`, "CREATE serviceaccounts ServiceAccount default CreateOptions new"},
		{"POST " + core + "/pods?dryRun=All", pod, "CREATE pods Pod p CreateOptions dry new"},
		{"POST " + core + "/pods", pod, "CREATE pods Pod p CreateOptions new"},
		{"PATCH " + core + "/pods/p/status", `{"status":{"phase":"Running"}}`, "UPDATE pods/status Pod p UpdateOptions old new"},
		{"PATCH " + core + "/pods/p", `{}`, "UPDATE pods Pod p UpdateOptions old new"},
		{"PATCH " + core + "/pods/p/ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`,
			"UPDATE pods/ephemeralcontainers Pod p UpdateOptions old new"},
		{"POST " + core + "/pods/p/binding", `{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}`, "CREATE pods/binding Binding p CreateOptions new"},
		{"POST " + core + "/pods/p/exec?command=ls&stdout=true&container=c", "", "CONNECT pods/exec PodExecOptions p - new"},
		{"GET " + core + "/pods/p/attach?stdout=true", "", "CONNECT pods/attach PodAttachOptions p - new"},
		{"POST " + core + "/pods/p/portforward?ports=80", "", "CONNECT pods/portforward PodPortForwardOptions p - new"},
		{"GET " + core + "/pods/p/proxy/x", "", "CONNECT pods/proxy PodProxyOptions p - new"},
		{"GET " + core + "/pods/p/log", "", ""},
		{"POST " + core + "/pods/p/eviction?dryRun=All", `{"metadata":{"name":"p"}}`, "CREATE pods/eviction Eviction p CreateOptions dry new"},
		{"POST " + core + "/serviceaccounts/default/token", `{"spec":{"audiences":["x"],"expirationSeconds":600}}`,
			"CREATE serviceaccounts/token TokenRequest default CreateOptions new"},
		{"POST " + apps + "/deployments", `{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
			"spec":{"containers":[{"name":"c","image":"i"}]}}}}`, "CREATE deployments Deployment d CreateOptions new"},
		{"PATCH " + apps + "/deployments/d/scale", `{"spec":{"replicas":3}}`, "UPDATE deployments/scale Scale d UpdateOptions old new"},
		{"DELETE " + apps + "/deployments/d", "", "DELETE deployments Deployment d DeleteOptions old"},
		{"POST " + core + "/configmaps", `{"metadata":{"name":"a","finalizers":["x.example.com/y"]}}`, "CREATE configmaps ConfigMap a CreateOptions new"},
		{"POST " + core + "/configmaps", `{"metadata":{"name":"b"}}`, "CREATE configmaps ConfigMap b CreateOptions new"},
		{"PUT " + core + "/configmaps/zz", `{"metadata":{"name":"zz"}}`, ""},
		{"POST " + core + "/configmaps", `{"metadata":{"name":"a"}}`, "CREATE configmaps ConfigMap a CreateOptions new"},
		{"POST " + core + "/configmaps", `{"metadata":{"name":"c"},"data":{"no key!":""}}`, ""},
		{"DELETE " + core + "/configmaps/missing", "", ""},
		{"DELETE " + core + "/configmaps?fieldSelector=metadata.namespace%3Ddefault", "", "DELETE configmaps ConfigMap - DeleteOptions old, DELETE configmaps ConfigMap - DeleteOptions old"},
		{"PATCH " + core + "/configmaps/a", `{"metadata":{"finalizers":null}}`, "UPDATE configmaps ConfigMap a UpdateOptions old new"},
		{"POST /api/v1/nodes", `{"metadata":{"name":"node"}}`, "CREATE nodes Node node CreateOptions new"},
		{"GET /api/v1/nodes/node/proxy/healthz", "", "CONNECT nodes/proxy NodeProxyOptions node - new"},
		{"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}`, ""},
		{"POST /apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"x"}}`, ""},
		{"POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", `{"metadata":{"name":"other"}}`, ""},
		{"PUT /apis/coordination.k8s.io/v1/namespaces/default/leases/l", `{"metadata":{"name":"l"},"spec":{}}`, "CREATE leases Lease l CreateOptions new"},
		{"POST " + core + "/events", `{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","namespace":"default"}}`, "CREATE events Event e CreateOptions new"},
	} {
		send(c.line, c.body)
		if got := strings.Join(h.taken(), ", "); got != c.want {
			t.Errorf("%s: asked %q, want %q", c.line, got, c.want)
		}
	}
}
