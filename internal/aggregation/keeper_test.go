package aggregation_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"apichain/internal/aggregation"
	"apichain/internal/api/apitest"
	"apichain/internal/metrics"
	"apichain/internal/store"
	"apichain/internal/tree"
)

const label = "kube-aggregator.kubernetes.io/automanaged"

// TestRegister: the table of what becomes of an object, with the rows of upstream's TestSync of the autoregister
// controller. What it does twice or takes back in one call is here the same call twice.
func TestRegister(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name          string
		there         string // the label of the object that is there; "-": it has none; "": there is no object
		other         bool   // its spec is another
		want          string // the label that is wanted
		once, atStart bool
		left          string // as there; "=": what there is
		corrected     bool
	}{
		{name: "not managed, not wanted", there: "-", left: "="},
		{name: "not managed, wanted", there: "-", want: "true", other: true, left: "="},
		{name: "not managed, wanted at the start", there: "-", want: "onstart", other: true, left: "=", atStart: true},
		{name: "not there, not wanted"},
		{name: "not there, not wanted, once", once: true},
		{name: "not there, wanted", want: "true", left: "true"},
		{name: "not there, wanted, once", want: "true", once: true, left: "true"},
		{name: "not there, wanted at the start", want: "onstart", left: "onstart"},
		{name: "not there, wanted at the start, once", want: "onstart", once: true},
		{name: "kept, as wanted", there: "true", want: "true", left: "="},
		{name: "kept, not wanted", there: "true"},
		{name: "kept, not wanted, once", there: "true", once: true},
		{name: "kept, another spec", there: "true", want: "true", other: true, left: "true", corrected: true},
		{name: "kept, another spec, wanted at the start", there: "true", want: "onstart", other: true, left: "true", corrected: true},
		{name: "kept, another spec, wanted at the start, once", there: "true", want: "onstart", other: true, once: true, left: "="},
		{name: "at the start, not wanted", there: "onstart", atStart: true},
		{name: "at the start, not wanted, once", there: "onstart", atStart: true, once: true, left: "="},
		{name: "made later, not wanted", there: "onstart", left: "="},
		{name: "at the start, another spec", there: "onstart", want: "onstart", other: true, atStart: true, left: "onstart", corrected: true},
		{name: "at the start, another spec, once", there: "onstart", want: "onstart", other: true, atStart: true, once: true, left: "="},
		{name: "made later, another spec", there: "onstart", want: "onstart", other: true, left: "="},
		{name: "made later, wanted by a definition", there: "onstart", want: "true", other: true, left: "="},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, apitest.Config{}, nil)
			if c.there != "" {
				obj := apiService("foo", "v1", "", map[string]any{"versionPriority": int64(100)})
				if c.there != "-" {
					tree.Set(obj, map[string]any{label: c.there}, "metadata", "labels")
				}
				if c.other {
					tree.Set(obj, int64(7), "spec", "versionPriority")
				}
				w.Must(201, "POST", servicesPath, obj)
			}
			before := w.API.Get("apiservices.apiregistration.k8s.io", "", "v1.foo")
			for range 2 {
				if err := w.services.Register(ctx, "foo", "v1", c.want, c.once, c.atStart); err != nil {
					t.Fatal(err)
				}
			}
			after := w.API.Get("apiservices.apiregistration.k8s.io", "", "v1.foo")
			switch {
			case c.left == "":
				if after != nil {
					t.Errorf("left %v", after)
				}
			case c.left == "=":
				if !tree.Equal(before, after) {
					t.Errorf("left %v, was %v", after, before)
				}
			case tree.Text(after, "metadata", "labels", label) != c.left || tree.At(after, "spec", "versionPriority") != int64(100):
				t.Errorf("left %v", after)
			case c.corrected != (before != nil):
				t.Errorf("corrected: %v", after)
			}
		})
	}
}

// TestBuiltinServices: after a start there is one for each version that upstream registers, available, with its
// priorities, and the server is ready.
func TestBuiltinServices(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	w.keep(t)
	var got []string
	for _, obj := range w.API.List("apiservices.apiregistration.k8s.io", "") {
		spec := tree.Object(obj, "spec")
		got = append(got, strings.Join([]string{tree.Name(obj), string(tree.AppendJSON(nil, spec["groupPriorityMinimum"])),
			string(tree.AppendJSON(nil, spec["versionPriority"]))}, " "))
		if tree.Text(obj, "metadata", "labels", label) != "onstart" || w.condition(tree.Name(obj)) != [3]string{"True", "Local", "Local APIServices are always available"} {
			t.Errorf("%v", obj)
		}
	}
	// What v1.37.2 answers to kubectl get apiservices.
	want := `v1. 18000 1,v1.admissionregistration.k8s.io 16700 15,v1.apiextensions.k8s.io 16700 15,v1.apps 17800 15,v1.authentication.k8s.io 17700 15,` +
		`v1.authorization.k8s.io 17600 15,v1.autoscaling 17500 15,v1.batch 17400 15,v1.certificates.k8s.io 17300 15,v1.coordination.k8s.io 16500 15,` +
		`v1.discovery.k8s.io 16200 15,v1.events.k8s.io 17750 15,v1.flowcontrol.apiserver.k8s.io 16100 21,v1.networking.k8s.io 17200 15,v1.node.k8s.io 16300 15,` +
		`v1.policy 17100 15,v1.rbac.authorization.k8s.io 17000 15,v1.resource.k8s.io 16200 21,v1.scheduling.k8s.io 16600 15,v1.storage.k8s.io 16800 15,` +
		`v1.storagemigration.k8s.io 15800 15,v2.autoscaling 17500 30`
	if strings.Join(got, ",") != want {
		t.Errorf("there are\n%s, want\n%s", strings.Join(got, ","), want)
	}
	if err := w.services.Registered(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestNotRegistered: a built-in group that cannot be used holds the server up, by upstream's text.
func TestNotRegistered(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	w.add(apiService("apps", "v1", "elsewhere", nil), "False")
	w.keep(t)
	if err := w.services.Registered(context.Background()); err == nil || err.Error() != "missing APIService: [v1.apps]" {
		t.Errorf("%v", err)
	}
	w.setAvailable("v1.apps", "True")
	if err := w.services.Registered(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestDefinedServices: versions that definitions serve come and go with them.
func TestDefinedServices(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	w.keep(t)
	there := func(name string) func() bool {
		return func() bool {
			obj := w.API.Get("apiservices.apiregistration.k8s.io", "", name)
			return tree.Text(obj, "metadata", "labels", label) == "true" && tree.At(obj, "spec", "groupPriorityMinimum") == int64(1000) &&
				tree.At(obj, "spec", "versionPriority") == int64(100) && w.condition(name)[1] == "Local"
		}
	}
	gone := func(name string) func() bool {
		return func() bool { return w.API.Get("apiservices.apiregistration.k8s.io", "", name) == nil }
	}
	const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	two := func(names ...string) func(map[string]any) {
		var texts []string
		for i, name := range names {
			texts = append(texts, apitest.Version(name, i == 0))
		}
		return apitest.Versions(texts...)
	}
	a := apitest.DefinitionOf("as", "A", "Namespaced", two("v1", "v2"))
	b := apitest.DefinitionOf("bs", "B", "Namespaced", two("v1"))
	group := tree.Text(a, "spec", "group")
	w.Must(201, "POST", definitions, a)
	w.Soon("v1 and v2", func() bool { return there("v1."+group)() && there("v2."+group)() })
	w.Must(201, "POST", definitions, b)
	w.Must(200, "DELETE", definitions+"/"+tree.Name(a), nil)
	// Without controllers nobody takes the finalizer away.
	w.API.Customs.Follow()
	apitest.Remove(t, w.Store, "customresourcedefinitions.apiextensions.k8s.io", tree.Name(a))
	w.Soon("v1 alone", func() bool { return there("v1."+group)() && gone("v2."+group)() })
	// Whoever deletes it, or changes it, finds it again.
	w.Must(200, "DELETE", servicesPath+"/v1."+group, nil)
	w.Soon("v1 again", there("v1."+group))
	w.Must(200, "PATCH", servicesPath+"/v1."+group, `{"spec":{"versionPriority":1}}`)
	w.Soon("v1 as it was", there("v1."+group))
	// Without the label it is the user's, and goes to another server.
	w.Must(200, "PATCH", servicesPath+"/v1."+group, `{"metadata":{"labels":null},"spec":{"service":{"namespace":"a","name":"b"}}}`)
	w.Soon("v1 elsewhere", func() bool { return w.condition("v1." + group)[1] == "ServiceNotFound" })
	apitest.Remove(t, w.Store, "customresourcedefinitions.apiextensions.k8s.io", tree.Name(b))
	if r := w.services.Find("/apis/" + group + "/v1/bs"); r == nil || r.Available() {
		t.Errorf("v1 is sent to %v", r)
	}
	// A built-in one that was deleted comes back when the store was put into another state.
	w.Must(200, "DELETE", servicesPath+"/v1.apps", nil)
	w.services.Again()
	w.Soon("v1.apps", func() bool { return w.condition("v1.apps")[1] == "Local" })
}

// TestCheck: the condition, with the rows of upstream's TestSync of the remote controller.
func TestCheck(t *testing.T) {
	ca := newAuthority(t)
	const port = `,"ports":[{"name":"https","port":443,"targetPort":8443}]`
	service := func(more string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"api","namespace":"test-ns"},"spec":{"type":"ClusterIP"` + more + `}}`
	}
	slice := func(portName, endpoints string) string {
		return `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"s","namespace":"test-ns","labels":{"kubernetes.io/service-name":"api"}},
			"addressType":"IPv4","ports":[{"name":"` + portName + `","port":8443}],"endpoints":[` + endpoints + `]}`
	}
	const ready, unready = `{"addresses":["10.1.1.1"]}`, `{"addresses":["10.1.1.1"],"conditions":{"ready":false}}`
	failing := func(code string) [3]string {
		return [3]string{"False", "FailedDiscoveryCheck", "failing or missing response from https://ADDRESS/apis/foo/v1: bad status from https://ADDRESS/apis/foo/v1: " + code}
	}
	missing := [3]string{"False", "MissingEndpoints", `endpointslices for service/api in "test-ns" have no addresses with port name "https"`}
	passed := [3]string{"True", "Passed", "all checks passed"}
	for _, c := range []struct {
		name, remote   string
		service, slice string
		code           int
		want           [3]string
		fails          bool
	}{
		{"local", "", "", "", 200, [3]string{"True", "Local", "Local APIServices are always available"}, false},
		{"no service", "api", "", "", 200, [3]string{"False", "ServiceNotFound", `service/api in "test-ns" is not present`}, false},
		{"other port", "api", service(`,"ports":[{"port":6443}]`), slice("https", ready), 200, [3]string{"False", "ServicePortError", `service/api in "test-ns" is not listening on port 443`}, false},
		{"no endpoints", "api", service(port), "", 200, [3]string{"False", "EndpointsNotFound", `cannot find endpointslices for service/api in "test-ns"`}, false},
		{"no address", "api", service(port), slice("https", ""), 200, missing, false},
		{"other port name", "api", service(port), slice("other", ready), 200, missing, false},
		{"not ready", "api", service(port), slice("https", unready), 200, missing, false},
		{"passed", "api", service(port), slice("https", ready), 200, passed, false},
		{"external", "api", strings.Replace(service(`,"externalName":"api.example.com"`), "ClusterIP", "ExternalName", 1), "", 204, passed, false},
		{"forbidden", "api", service(port), slice("https", ready), 403, failing("403"), true},
		{"redirect", "api", service(port), slice("https", ready), 302, failing("302"), true},
		{"not modified", "api", service(port), slice("https", ready), 304, failing("304"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Remote-User") != "system:kube-aggregator" || r.Header.Get("X-Remote-Group") != "system:masters" {
					c.code = 500
				}
				w.Header().Set("Location", "/test")
				w.WriteHeader(c.code)
			}), ca.certificate(t, "api.test-ns.svc"))
			w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": address})
			w.config.HasAddress = nil
			w.services = aggregation.New(w.config)
			w.Must(201, "POST", "/api/v1/namespaces", apitest.Namespace("test-ns"))
			var more map[string]any
			if c.remote != "" {
				more = map[string]any{"caBundle": ca.bundle()}
			}
			w.add(apiService("foo", "v1", c.remote, more), "")
			for path, text := range map[string]string{"/api/v1/namespaces/test-ns/services": c.service, "/apis/discovery.k8s.io/v1/namespaces/test-ns/endpointslices": c.slice} {
				if text != "" {
					w.Must(201, "POST", path, text)
				}
			}
			c.want[2] = strings.ReplaceAll(c.want[2], "ADDRESS", address)
			for range 2 {
				if err := w.services.Check(context.Background(), "v1.foo"); (err != nil) != c.fails || c.fails && err.Error() != c.want[2] {
					t.Errorf("error %v", err)
				}
				if got := w.condition("v1.foo"); got != c.want {
					t.Errorf("the condition is %q, want %q", got, c.want)
				}
			}
			if r := w.services.Find("/apis/foo/v1/x"); c.remote != "" && r.Available() != (c.want[0] == "True") {
				t.Errorf("available: %t", r.Available())
			}
		})
	}
}

// TestAvailabilityOverTime: a server that goes and comes back is followed, and the metrics tell.
func TestAvailabilityOverTime(t *testing.T) {
	ca := newAuthority(t)
	var code atomic.Int32
	code.Store(200)
	address := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(int(code.Load())) }), ca.certificate(t, "api.test-ns.svc"))
	w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": address})
	w.keep(t)
	changed := w.services.Changed()
	r := w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "")
	w.Soon("passed", func() bool { return w.condition("v1.foo")[1] == "Passed" && r.Available() })
	apitest.Await(t, "a change", changed)
	code.Store(500)
	// A change of its Service lets the server be asked.
	w.Must(201, "POST", "/api/v1/namespaces", apitest.Namespace("test-ns"))
	w.Must(201, "POST", "/api/v1/namespaces/test-ns/services", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"api"},"spec":{"ports":[{"port":443}]}}`)
	w.Soon("failed", func() bool { return w.condition("v1.foo")[1] == "FailedDiscoveryCheck" && !r.Available() })
	code.Store(200)
	w.Soon("passed again", func() bool { return w.condition("v1.foo")[1] == "Passed" && r.Available() })
	var b strings.Builder
	e := metrics.NewWriter(&b)
	w.services.WriteMetrics(e)
	_ = e.Flush()
	for _, line := range []string{`aggregator_unavailable_apiservice{name="v1.foo"} 0`, `aggregator_unavailable_apiservice{name="v1.apps"} 0`} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, b.String())
		}
	}
	w.Must(200, "DELETE", servicesPath+"/v1.foo", nil)
	if w.services.Find("/apis/foo/v1/x") != nil || len(w.services.Remotes()) > 0 {
		t.Error("found after it was deleted")
	}
}

// TestReadOnly: where nothing may be written, what was found counts all the same.
func TestReadOnly(t *testing.T) {
	ca := newAuthority(t)
	address := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), ca.certificate(t, "api.test-ns.svc"))
	w := newWorld(t, apitest.Config{ReadOnly: "the server is read-only"}, map[string]string{"api.test-ns": address})
	obj := apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()})
	draft := store.Encode(obj, nil)
	if _, err := w.Store.Commit(context.Background(), store.Change{Bucket: w.Store.Bucket("apiservices.apiregistration.k8s.io"), Key: "v1.foo", Next: &draft}); err != nil {
		t.Fatal(err)
	}
	w.keep(t)
	if err := w.services.Registered(context.Background()); err != nil {
		t.Error(err)
	}
	w.Soon("available", func() bool { return w.services.Find("/apis/foo/v1/x").Available() })
	if n := len(w.API.List("apiservices.apiregistration.k8s.io", "")); n != 1 {
		t.Errorf("there are %d objects", n)
	}
}

// TestGiven: a group that is given with an address has an APIService whose Service stands for it, and the
// certificate is of the address.
func TestGiven(t *testing.T) {
	ca, target := newAuthority(t), &seen{}
	s := httptest.NewUnstartedServer(target)
	cert := ca.certificate(t, "localhost")
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	w := newWorld(t, apitest.Config{}, nil)
	n, _ := strconv.ParseInt(port, 10, 64)
	w.config.Given = []aggregation.Given{{Group: "foo", Version: "v1", URL: "https://localhost:" + port, Host: "localhost", Port: n, CABundle: ca.pem}}
	w.services = aggregation.New(w.config)
	w.keep(t)
	w.Soon("available", func() bool { return w.condition("v1.foo")[1] == "Passed" })
	obj := w.API.Get("apiservices.apiregistration.k8s.io", "", "v1.foo")
	if got := tree.Text(obj, "spec", "service", "name"); got != "localhost-"+port || tree.Text(obj, "spec", "service", "namespace") != "apichain" {
		t.Errorf("%v", obj)
	}
}
