// Package controller does what a server does with objects on its own, without a request. Before
// the server is ready it makes the objects that every server has and those of the user's
// fixtures. From then on it keeps a service account and the CA in every namespace, empties
// namespaces and definitions that are being deleted, and collects objects whose owners are gone.
// It also puts the whole store into a known state: back to what it was at ready (reset), or to
// what a snapshot holds.
//
// In come an api.API and the events of its store; out go writes, through the verbs of package
// api with every check that a client's write meets but for authorization. Upstream has most of
// this in kube-controller-manager; an API server for tests needs the part without which a deleted
// namespace would never go.
//
//	run, err := controller.Start(ctx, a, controller.Own{Host: "127.0.0.1", Port: 6443, CA: pem})
//	r := controller.NewRestorer(a)
//	r.Keep()                          // at ready: what Reset goes back to
//	go run(ctx)                       // the one goroutine; the caller waits for its end
//	written, failed := r.Reset(ctx)   // from any goroutine
//
// Start is called once, before anybody else writes. What it returns runs in one goroutine, which
// does one thing after the other and shares no state with anybody. The methods of a Restorer may be
// called concurrently. The package knows nothing of HTTP, of listeners and of who may do what. It
// is internal to this program: there is no promise of compatibility.
package controller

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// Own says what the objects of a server's start tell of it, and which objects the user adds.
type Own struct {
	// Host and Port are the address by which clients reach the TLS listener. Without one on TCP Host is
	// "": then no Service leads to the server.
	Host string
	Port int64
	// Services are the ranges of the addresses of services, those of the ServiceCIDR kubernetes. The
	// Service of the server has the first address, on port 443; without a range it gets any.
	Services []netip.Prefix
	// Objects are further ones that the server has of its own, whole.
	Objects []map[string]any

	// DefinitionsOnly leaves undone what upstream does in kube-controller-manager: namespaces are not
	// emptied and get no objects, and owners that are gone take nobody along.
	DefinitionsOnly bool

	// CA is the PEM by which clients trust the TLS listener. Every namespace has it.
	CA string

	// Listens reports whether somebody listens at an address, for tests; nil asks the address. It is asked over a
	// shared backend alone.
	Listens func(ctx context.Context, address string) bool

	// Fixtures are manifests to apply: files, and directories of files.
	Fixtures []string
}

// initialNamespaces are there from the start, as upstream's are. default comes first: the Service
// of the server is in it.
var initialNamespaces = [...]string{"default", "kube-system", "kube-public", "kube-node-lease"}

// Start makes the objects that every server has, then the user's fixtures, and returns when all
// that follows from them is done as well: a namespace of a fixture has its service account. An
// error ends the start; with fixtures that are wrong it is a WrongFixtures. An API that is read-only gets nothing.
//
// What it returns does what a server does with objects on its own, until its context ends: the
// caller runs it in a goroutine and waits for it. Objects that a backend has kept from an earlier
// run are looked at as new ones are.
func Start(ctx context.Context, a *api.API, o Own) (run func(ctx context.Context), err error) {
	// Definitions that the store holds already are served from here on: fixtures may be of them.
	a.Customs.Follow()
	if a.Config.ReadOnly != "" {
		return func(ctx context.Context) { <-ctx.Done() }, nil
	}
	for _, name := range initialNamespaces {
		obj := map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": name}}
		if err := a.Ensure(ctx, obj); err != nil {
			return nil, err
		}
	}
	if a.Store.IsShared() {
		return startShared(ctx, a, o)
	}
	for _, obj := range slices.Concat(o.serviceRanges(), o.service(), o.Objects) {
		// What is there keeps its addresses, be they of another range.
		if r := a.ForKind(tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")); r != nil {
			sn := r.Bucket.Now()
			there := sn.Get(r.Key(tree.Text(obj, "metadata", "namespace"), tree.Name(obj)))
			if there != nil && obj["kind"] == "ServiceCIDR" {
				continue
			} else if there != nil && obj["kind"] == "Service" {
				// Named as it is, and not left out: who owns the field goes on to.
				tree.Set(obj, tree.At(there.Decode(), "spec", "clusterIP"), "spec", "clusterIP")
			}
		}
		if _, _, err := a.Apply(ctx, obj); err != nil {
			return nil, err
		}
		if err := readyRange(ctx, a, obj); err != nil {
			return nil, err
		}
	}
	a.RepairAddresses(ctx)
	c := newControllers(a, o.CA)
	c.definitionsOnly = o.DefinitionsOnly
	// Fixtures may need what namespaces get; what they make is looked after before the server is ready.
	c.settle(ctx)
	if err := c.loadFixtures(ctx, o.Fixtures); err != nil {
		return nil, err
	}
	c.settle(ctx)
	return c.run, nil
}

// serviceRanges returns the ServiceCIDR from which services get their addresses, as upstream makes it; none
// without ranges.
func (o Own) serviceRanges() []map[string]any {
	if len(o.Services) == 0 {
		return nil
	}
	var cidrs []any
	for _, r := range o.Services {
		cidrs = append(cidrs, r.String())
	}
	return []map[string]any{{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1",
		"metadata": map[string]any{"name": "kubernetes"}, "spec": map[string]any{"cidrs": cidrs}}}
}

// readyRange says that obj, if it is a ServiceCIDR, can be used, unless something is said already: the services that
// follow it get their addresses from there.
func readyRange(ctx context.Context, a *api.API, obj map[string]any) error {
	r := a.ForKind(tree.Text(obj, "apiVersion"), tree.Text(obj, "kind"))
	if r == nil || r.Kind != "ServiceCIDR" || tree.At(a.Get(r.Bucket.Name, "", tree.Name(obj)), "status", "conditions") != nil {
		return nil
	}
	return configureStatus(ctx, a, r, managerOfRanges, tree.Name(obj), map[string]any{"conditions": []any{map[string]any{
		"type": "Ready", "status": "True", "message": "Kubernetes default Service CIDR is ready",
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}}})
}

// service returns the Service, the Endpoints and the EndpointSlice by which clients inside find the server
// (kubernetes.default.svc), none without an address. They are upstream's.
func (o Own) service() []map[string]any {
	if o.Host == "" {
		return nil
	}
	// Each object owns its own trees.
	meta := func(labels map[string]any) map[string]any {
		return map[string]any{"name": "kubernetes", "namespace": "default", "labels": labels}
	}
	port := func(n int64) map[string]any { return map[string]any{"name": "https", "port": n, "protocol": "TCP"} }
	servicePort := port(443)
	servicePort["targetPort"] = o.Port
	spec := map[string]any{"type": "ClusterIP", "ports": []any{servicePort}, "sessionAffinity": "None", "ipFamilyPolicy": "SingleStack"}
	if len(o.Services) > 0 {
		spec["clusterIP"] = o.Services[0].Addr().Next().String()
	}
	family := func(address string) string {
		if strings.Contains(address, ":") {
			return "IPv6"
		}
		return "IPv4"
	}
	return []map[string]any{
		{"kind": "Service", "apiVersion": "v1",
			"metadata": meta(map[string]any{"component": "apiserver", "provider": "kubernetes"}), "spec": spec},
		{"kind": "Endpoints", "apiVersion": "v1", "metadata": meta(map[string]any{"endpointslice.kubernetes.io/skip-mirror": "true"}),
			"subsets": []any{map[string]any{"addresses": []any{map[string]any{"ip": o.Host}}, "ports": []any{port(o.Port)}}}},
		{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
			"metadata":    meta(map[string]any{"kubernetes.io/service-name": "kubernetes"}),
			"addressType": family(o.Host), "ports": []any{port(o.Port)},
			"endpoints": []any{map[string]any{"addresses": []any{o.Host}, "conditions": map[string]any{"ready": true}}}},
	}
}
