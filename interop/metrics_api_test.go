package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// metricsAPI is what metrics-server serves, of one node and one pod, and nothing of k8s.io/apiserver: it knows no
// aggregated discovery and no OpenAPI.
var metricsAPI = map[string]string{
	"": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[
		{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]},
		{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}`,
	"/nodes": `{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
		{"metadata":{"name":"node"},"timestamp":"2026-01-01T00:00:00Z","window":"10s","usage":{"cpu":"250m","memory":"512Mi"}}]}`,
	"/namespaces/default/pods": `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
		{"metadata":{"name":"p","namespace":"default"},"timestamp":"2026-01-01T00:00:00Z","window":"10s","containers":[
			{"name":"a","usage":{"cpu":"10m","memory":"20Mi"}},{"name":"b","usage":{"cpu":"5m","memory":"10Mi"}}]}]}`,
}

// startMetricsAPI serves metricsAPI with a certificate for metrics.aside.svc and 127.0.0.1, and returns its port.
func startMetricsAPI(t *testing.T, trust *authority) int {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/apis/metrics.k8s.io/v1beta1")
		body := metricsAPI[rest]
		if !ok || body == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{trust.pair(t, "metrics", "metrics.aside.svc", "127.0.0.1")}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port
}

const measured = `
apiVersion: v1
kind: Node
metadata: {name: node}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: default}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec: {automountServiceAccountToken: false, containers: [{name: a, image: i}, {name: b, image: i}]}
`

// top checks what kubectl top shows.
func top(t *testing.T, k *kube) {
	t.Helper()
	k.must(t, "create -f -", measured)
	k.must(t, `patch node node --subresource=status --type=merge -p '{"status":{"capacity":{"cpu":"1","memory":"1Gi","pods":"9"},"allocatable":{"cpu":"1","memory":"1Gi","pods":"9"}}}'`, "")
	k.show(t, "api-resources --api-group=metrics.k8s.io", "nodes metrics.k8s.io/v1beta1 false NodeMetrics\npods metrics.k8s.io/v1beta1 true PodMetrics")
	k.run(t,
		call{"top nodes", "", 0, "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)\nnode 250m 25% 512Mi 50%"},
		call{"top pods", "", 0, "NAME CPU(cores) MEMORY(bytes)\np 15m 30Mi"},
		call{"top pods --containers", "", 0, "p a 10m 20Mi\np b 5m 10Mi"},
		call{"get --raw /apis/metrics.k8s.io/v1beta1/nodes", "", 0, `"kind":"NodeMetricsList"`},
		call{"get nodes", "", 0, "node Unknown"},
		call{"top pods -n kube-system", "", 1, "the server could not find the requested resource"},
	)
}

// TestKubectlTop: kubectl top shows what a server of metrics says, of the nodes and pods that there are.
func TestKubectlTop(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		trust := newAuthority(t, "services")
		f.serve(t, "metrics.k8s.io/v1beta1", "metrics", startMetricsAPI(t, trust), trust)
		top(t, f.kube)
	})
}

// TestAggregateFlags: other servers without a cluster, by the program's own flags.
func TestAggregateFlags(t *testing.T) {
	trust := newAuthority(t, "services")
	port := startMetricsAPI(t, trust)
	t.Run("aggregate", func(t *testing.T) {
		k := newKube(t, start(t, "--controllers=none", fmt.Sprintf("--aggregate=metrics.k8s.io/v1beta1=https://127.0.0.1:%d,ca=%s", port, trust.file)))
		k.must(t, "wait --for=condition=Available --timeout=30s apiservice/v1beta1.metrics.k8s.io", "")
		top(t, k)
	})
	t.Run("resolve", func(t *testing.T) {
		f := &front{kube: newKube(t, start(t, "--controllers=none", fmt.Sprintf("--resolve=metrics.aside=127.0.0.1:%d", port)))}
		f.must(t, "create namespace aside", "")
		f.must(t, fmt.Sprintf("create service clusterip metrics -n aside --tcp=%d", port), "")
		f.serve(t, "metrics.k8s.io/v1beta1", "metrics", port, trust) // its own service is there already
		top(t, f.kube)
	})
}
