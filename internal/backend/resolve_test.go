package backend

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The objects of the tests: a service of each kind, and slices of endpoints.
const (
	servicesYAML = `
{metadata: {namespace: ns, name: plain}, spec: {type: ClusterIP, clusterIP: 10.0.0.7, ipFamilies: [IPv4, IPv6], ports: [{name: web, port: 443}, {name: admin, port: 8443}]}}
---
{metadata: {namespace: ns, name: six}, spec: {type: ClusterIP, clusterIP: "fd00::7", ipFamilies: [IPv6], ports: [{port: 443}]}}
---
{metadata: {namespace: ns, name: headless}, spec: {type: ClusterIP, clusterIP: None, ports: [{port: 443}]}}
---
{metadata: {namespace: ns, name: node}, spec: {type: NodePort, clusterIP: 10.0.0.8, ports: [{port: 443, nodePort: 30000}]}}
---
{metadata: {namespace: ns, name: balanced}, spec: {type: LoadBalancer, clusterIP: 10.0.0.9, ports: [{port: 443}]}}
---
{metadata: {namespace: ns, name: external}, spec: {type: ExternalName, externalName: api.example.com}}
---
{metadata: {namespace: ns, name: strange}, spec: {type: Strange, ports: [{port: 443}]}}
---
{metadata: {namespace: default, name: kubernetes}, spec: {type: ClusterIP, clusterIP: 10.0.0.1, ports: [{name: https, port: 443}]}}
`
	slicesYAML = `
{metadata: {namespace: ns, name: a, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4, ports: [{name: web, port: 9443}, {name: admin, port: 9444}],
 endpoints: [{addresses: [10.1.0.1, 10.1.0.9], conditions: {ready: true}}, {addresses: [10.1.0.2]}, {addresses: [10.1.0.3], conditions: {ready: false}}, {addresses: [10.1.0.4], conditions: {}}]}
---
{metadata: {namespace: ns, name: b, labels: {kubernetes.io/service-name: plain}}, addressType: IPv6, ports: [{name: web, port: 9443}], endpoints: [{addresses: ["fd01::1"]}]}
---
{metadata: {namespace: ns, name: c, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4, ports: [{name: web, port: 9445}], endpoints: [{addresses: [10.1.1.1]}]}
---
{metadata: {namespace: ns, name: d, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4, ports: [{name: web}], endpoints: [{addresses: [10.1.2.1]}]}
---
{metadata: {namespace: ns, name: e, labels: {kubernetes.io/service-name: other}}, addressType: IPv4, ports: [{name: web, port: 1}], endpoints: [{addresses: [10.1.3.1]}]}
---
{metadata: {namespace: elsewhere, name: f, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4, ports: [{name: web, port: 1}], endpoints: [{addresses: [10.1.4.1]}]}
---
{metadata: {namespace: ns, name: g, labels: {kubernetes.io/service-name: six}}, addressType: IPv4, ports: [{name: "", port: 1}], endpoints: [{addresses: [10.1.5.1]}]}
---
{metadata: {namespace: ns, name: h, labels: {kubernetes.io/service-name: node}}, addressType: IPv4, ports: [{port: 2}], endpoints: [{addresses: [10.1.6.1], conditions: {ready: false}}]}
---
{metadata: {namespace: ns, name: i, labels: {kubernetes.io/service-name: headless}}, addressType: IPv4, ports: [{port: 2}], endpoints: [{addresses: [10.1.7.1]}]}
`
)

func cluster(t testing.TB) *objects {
	o := &objects{}
	o.put(t, "services", servicesYAML)
	o.put(t, "endpointslices.discovery.k8s.io", slicesYAML)
	return o
}

// TestResolve looks up services of each kind, both ways. The texts are upstream's.
func TestResolve(t *testing.T) {
	o := cluster(t)
	for _, row := range []struct {
		service string
		port    int64
		// What is found by address, and by endpoints: any of those, by spaces.
		address, endpoints string
	}{
		{"plain", 0, "10.0.0.7:443", "10.1.0.1:9443 10.1.0.2:9443 10.1.0.4:9443 10.1.1.1:9445"},
		{"plain", 8443, "10.0.0.7:8443", "10.1.0.1:9444 10.1.0.2:9444 10.1.0.4:9444"},
		{"plain", 80, `no service port 80 found for service "plain"`, `no service port 80 found for service "plain"`},
		{"six", 443, "[fd00::7]:443", "10.1.5.1:1"},
		{"headless", 443, `cannot route to service with ClusterIP "None"`, "10.1.7.1:2"},
		{"node", 443, "10.0.0.8:443", `no endpoints available for service "node"`},
		{"balanced", 443, "10.0.0.9:443", `no endpoints available for service "balanced"`},
		{"external", 8443, "api.example.com:8443", `unsupported service type "ExternalName"`},
		{"strange", 443, `unsupported service type "Strange"`, `unsupported service type "Strange"`},
		{"missing", 443, `service "missing" not found`, `service "missing" not found`},
		{"given", 443, "127.0.0.1:8443", "127.0.0.1:8443"},
	} {
		for _, routing := range []bool{false, true} {
			s := New(Config{Objects: o, EndpointRouting: routing, Resolve: map[string]string{"given.ns": "127.0.0.1:8443"}})
			b := s.Use(APIServer, "v1.g", Target{Service: Service{Namespace: "ns", Name: row.service, Port: row.port}})
			want := row.address
			if routing {
				want = row.endpoints
			}
			seen := map[string]bool{}
			for range 200 {
				got, err := b.Resolve()
				if err != nil {
					got = err.Error()
				}
				seen[got] = true
			}
			if strings.Contains(want, "10.1.") {
				if got := strings.Join(slices.Sorted(maps.Keys(seen)), " "); got != want {
					t.Errorf("%s:%d by endpoints: got %s, want %s", row.service, row.port, got, want)
				}
			} else if !seen[want] || len(seen) != 1 {
				t.Errorf("%s:%d, endpoints %v: got %v, want %s", row.service, row.port, routing, seen, want)
			}
		}
	}
}

// TestResolveFollows looks up again when an object has changed, and only then.
func TestResolveFollows(t *testing.T) {
	o := cluster(t)
	b := New(Config{Objects: o}).Use(APIServer, "v1.g", Target{Service: Service{Namespace: "ns", Name: "plain"}})
	for range 10 {
		if got, err := b.Resolve(); got != "10.0.0.7:443" {
			t.Fatal(got, err)
		}
	}
	if o.reads != 1 {
		t.Errorf("%d reads for ten calls, want one of the service and none of endpoints", o.reads)
	}
	o.put(t, "services", strings.ReplaceAll(servicesYAML, "10.0.0.7", "10.0.0.77"))
	if got, err := b.Resolve(); got != "10.0.0.77:443" {
		t.Error(got, err)
	}
	o.put(t, "services", "")
	if _, err := b.Resolve(); err == nil {
		t.Error("a service that is gone is found")
	}
}

// TestResolveSelf finds this server by the name that a cluster has for it.
func TestResolveSelf(t *testing.T) {
	self := "127.0.0.1:6443"
	s := New(Config{Objects: cluster(t), Self: func() string { return self }})
	b := s.Use(APIServer, "v1.g", Target{Service: Service{Namespace: "default", Name: "kubernetes", Port: 443}})
	if got, err := b.Resolve(); got != self {
		t.Error(got, err)
	}
	self = ""
	if got, err := b.Resolve(); got != "10.0.0.1:443" {
		t.Error(got, err)
	}
}

// TestResolveNothing finds no services without objects.
func TestResolveNothing(t *testing.T) {
	b := New(Config{}).Use(MutatingWebhook, "c/w", Target{Service: Service{Namespace: "ns", Name: "web"}})
	if got, err := b.Resolve(); err == nil || err.Error() != `service "web" not found` {
		t.Error(got, err)
	}
	if _, err := ask(t, within(t, time.Minute), b, 1); err == nil || err.Error() != `Post "https://web.ns.svc:443": service "web" not found` {
		t.Error(err)
	}
}

// TestServiceMoves asks a service whose endpoint moves: the next call goes where it is now, whatever is still open.
func TestServiceMoves(t *testing.T) {
	ca := newAuthority(t, "ca")
	o := cluster(t)
	b := New(Config{Objects: o, EndpointRouting: true}).Use(ValidatingWebhook, "c/w", Target{Service: Service{Namespace: "ns", Name: "plain"}, CABundle: ca.pem})
	for i := range 3 {
		address := ca.serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, i) }, "plain.ns.svc")
		o.put(t, "endpointslices.discovery.k8s.io", `{metadata: {namespace: ns, name: a, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4,
  ports: [{name: web, port: `+address[strings.LastIndex(address, ":")+1:]+`}], endpoints: [{addresses: [127.0.0.1]}]}`)
		if got, err := ask(t, within(t, time.Minute), b, 9); got != fmt.Sprint("OK ", i) {
			t.Error(got, err)
		}
	}
}

// TestParseResolve reads values of --resolve.
func TestParseResolve(t *testing.T) {
	for text, want := range map[string]string{
		"web.ns=127.0.0.1:8443": "web.ns 127.0.0.1:8443", "web.ns=[::1]:1": "web.ns [::1]:1", "web.ns=host:65535": "web.ns host:65535",
		"": "", "web.ns": "", "=a:1": "", "web=a:1": "", ".ns=a:1": "", "web.=a:1": "", "web.ns.svc=a:1": "", "web.ns=a": "", "web.ns=a:": "",
		"web.ns=a:0": "", "web.ns=a:65536": "", "web.ns=a:http": "", "web.ns=:1": "", "web.ns=::1:1": "", "web.ns=u@a:1": "", "web.ns=a/b:1": "",
	} {
		service, to, err := ParseResolve(text)
		if got := strings.TrimSpace(service + " " + to); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "must be SERVICE.NAMESPACE=HOST:PORT") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseResolve(f *testing.F) {
	for _, text := range []string{"a.b=c:1", "a.b=[::1]:443", "a.b", "=", "a.b=c", "a.b.c=d:1", "a.b=c:99999", "a.b=c@d:1", "a.b=c/:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		service, to, err := ParseResolve(text)
		if err != nil {
			return
		}
		if service+"="+to != text || strings.Count(service, ".") != 1 || !strings.Contains(to, ":") {
			t.Errorf("%q was read as %q, %q", text, service, to)
		}
	})
}
