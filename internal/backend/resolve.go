package backend

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"apichain/internal/tree"
)

// Where a service is. Upstream has two ways: by the address of the service, which is the default, and with
// --enable-aggregator-routing to a ready endpoint. Both are here, with its rules and texts (k8s.io/apiserver
// pkg/util/proxy). What is looked up is kept until a service changes, and of endpoints, which are looked up where one is
// to be dialled, until a slice does.
//
// Of a service with the address 10.0.0.7, whose port 443 is called web, and a ready endpoint 10.1.0.1:9443:
//
//	              by address                    to endpoints
//	ClusterIP     10.0.0.7:443                  10.1.0.1:9443, or another ready one
//	None          cannot route to service …     10.1.0.1:9443
//	ExternalName  its name, with the port       unsupported service type "ExternalName"
//	port 80       no service port 80 found …    no service port 80 found …
//	no endpoint   10.0.0.7:443                  no endpoints available for service …
//
// The default way needs somebody who forwards the addresses of services to pods, which is kube-proxy. Where nobody
// does, as in a test environment, an address leads nowhere; dial.go then turns to a ready endpoint.

// found is what was looked up of a service.
type found struct {
	// services is the state that it was read of.
	services int64

	// What the object says; it is nil for a service that is not there.

	object   map[string]any
	portName string
	hasPort  bool

	endpoints atomic.Pointer[endpoints] // as they were last looked up

	// direct says that an endpoint was reached when the address was not. It is set by dials.
	direct atomic.Bool
}

// endpoints are those of a service in one state of all slices.
type endpoints struct {
	change int64
	slices []slice
}

// slice is the ready endpoints of one EndpointSlice at the port of a name.
type slice struct {
	family string
	ready  []string // host:port
}

// Resolve returns host:port as it is dialled, by the objects of now, or why there is none in upstream's words. With
// endpoint routing each call may return another endpoint. Nothing is looked up in DNS.
func (b *Backend) Resolve() (string, error) {
	if b.Target.URL != "" {
		return b.hostPort(), nil
	}
	s, c := &b.Target.Service, &b.set.config
	// Who says where a service is means it, whether or not there is an object of it.
	if to, ok := c.Resolve[s.Name+"."+s.Namespace]; ok {
		return to, nil
	}
	if s.isSelf() && c.Self != nil {
		if to := c.Self(); to != "" {
			return to, nil
		}
	}
	f := b.lookUp()
	if f == nil || f.object == nil {
		return "", fmt.Errorf("service %q not found", s.Name)
	}
	if c.EndpointRouting {
		return b.endpointFor(f)
	}
	return f.address(s)
}

// lookUp returns what the objects say of the service now; nil: there are none to look in.
func (b *Backend) lookUp() *found {
	o, s, last := b.set.config.Objects, &b.Target.Service, b.found.Load()
	if o == nil {
		return nil
	}
	// Before the objects: what changes while they are read is then read again.
	services := o.Change("services")
	if last != nil && last.services == services {
		return last
	}
	f := &found{services: services, object: o.Get("services", s.Namespace, s.Name)}
	// The port of a slice has the name of the service's port, not its number.
	for _, p := range tree.List(f.object, "spec", "ports") {
		if port, _ := tree.Float(tree.At(p, "port")); int64(port) == s.port() {
			f.portName, f.hasPort = tree.Text(p, "name"), true
			break
		}
	}
	// What was learned by dialling is about an address, and most changes are of other services.
	if last != nil && last.direct.Load() && reflect.DeepEqual(last.object["spec"], f.object["spec"]) {
		f.direct.Store(true)
	}
	b.found.Store(f)
	return f
}

// readyEndpoints returns the endpoints of a service that are ready, of those slices that have the port. Only the
// first address of an endpoint counts, and one that does not say whether it is ready is.
func readyEndpoints(slices []map[string]any, service, portName string) (all []slice) {
	for _, o := range slices {
		if tree.Text(o, "metadata", "labels", "kubernetes.io/service-name") != service {
			continue
		}
		s := slice{family: tree.Text(o, "addressType")}
		for _, p := range tree.List(o, "ports") {
			port, ok := tree.Float(tree.At(p, "port"))
			if !ok || tree.Text(p, "name") != portName {
				continue
			}
			for _, e := range tree.List(o, "endpoints") {
				addresses := tree.List(e, "addresses")
				if ready, ok := tree.At(e, "conditions", "ready").(bool); ok && !ready || len(addresses) == 0 {
					continue
				}
				address, _ := addresses[0].(string)
				s.ready = append(s.ready, net.JoinHostPort(address, strconv.FormatInt(int64(port), 10)))
			}
		}
		if len(s.ready) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// endpointsOf returns the endpoints of f now.
func (b *Backend) endpointsOf(f *found) []slice {
	const resource = "endpointslices.discovery.k8s.io"
	o, s := b.set.config.Objects, &b.Target.Service
	change, last := o.Change(resource), f.endpoints.Load()
	if last == nil || last.change != change {
		last = &endpoints{change, readyEndpoints(o.List(resource, s.Namespace), s.Name, f.portName)}
		f.endpoints.Store(last)
	}
	return last.slices
}

// endpoint returns a ready endpoint, any of a random slice, those of the first family before others; "": there is
// none.
func (b *Backend) endpoint(f *found) string {
	first, all := "", b.endpointsOf(f)
	if families := tree.List(f.object, "spec", "ipFamilies"); len(families) > 0 {
		first, _ = families[0].(string)
	}
	from := slices.DeleteFunc(slices.Clone(all), func(s slice) bool { return s.family != first })
	if len(from) == 0 {
		from = all
	}
	if len(from) == 0 {
		return ""
	}
	ready := from[rand.IntN(len(from))].ready
	return ready[rand.IntN(len(ready))]
}

// endpointFor is upstream's endpoint routing: it has no external names, and nothing but ready endpoints.
func (b *Backend) endpointFor(f *found) (string, error) {
	s := &b.Target.Service
	switch kind := tree.Text(f.object, "spec", "type"); kind {
	case "ClusterIP", "LoadBalancer", "NodePort":
	default:
		return "", fmt.Errorf("unsupported service type %q", kind)
	}
	if !f.hasPort {
		return "", noPort(s)
	}
	to := b.endpoint(f)
	if to == "" {
		return "", fmt.Errorf("no endpoints available for service %q", s.Name)
	}
	return to, nil
}

// address is upstream's cluster routing.
func (f *found) address(s *Service) (string, error) {
	kind, ip := tree.Text(f.object, "spec", "type"), tree.Text(f.object, "spec", "clusterIP")
	port := strconv.FormatInt(s.port(), 10)
	// Upstream's order: an external name has whatever port is asked for, and a headless service no address at all.
	switch {
	case kind == "ExternalName":
		return net.JoinHostPort(tree.Text(f.object, "spec", "externalName"), port), nil
	case kind == "ClusterIP" && ip == "None":
		return "", fmt.Errorf(`cannot route to service with ClusterIP "None"`)
	case kind != "ClusterIP" && kind != "LoadBalancer" && kind != "NodePort":
		return "", fmt.Errorf("unsupported service type %q", kind)
	case !f.hasPort:
		return "", noPort(s)
	}
	return net.JoinHostPort(ip, port), nil
}

// noPort has upstream's words for a port that the service does not have.
func noPort(s *Service) error {
	return fmt.Errorf("no service port %d found for service %q", s.port(), s.Name)
}

// beside returns a ready endpoint that may be dialled where address, which Resolve has returned, leads nowhere, and
// what to note there; "": there is none, or the address is not that of a service.
func (b *Backend) beside(address string) (string, *found) {
	f := b.found.Load()
	if b.Target.URL != "" || b.set.config.EndpointRouting || f == nil || f.object == nil {
		return "", nil
	}
	if own, err := f.address(&b.Target.Service); err != nil || own != address || tree.Text(f.object, "spec", "type") == "ExternalName" {
		return "", nil
	}
	return b.endpoint(f), f
}

// ParseResolve reads SERVICE.NAMESPACE=HOST:PORT, a value of --resolve. The host may be a name.
func ParseResolve(text string) (service, to string, err error) {
	wrong := fmt.Errorf("must be SERVICE.NAMESPACE=HOST:PORT, is %q", text)
	service, to, _ = strings.Cut(text, "=")
	name, namespace, _ := strings.Cut(service, ".")
	if name == "" || namespace == "" || strings.Contains(namespace, ".") {
		return "", "", wrong
	}
	host, port, err := net.SplitHostPort(to)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || host == "" {
		return "", "", wrong
	}
	// What a URL cannot have as its host cannot be dialled either.
	if u, err := url.Parse("https://" + to); err != nil || u.Host != to {
		return "", "", wrong
	}
	return service, to, nil
}
