package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/admission"
	"apichain/internal/allocator"
	"apichain/internal/controller"
	"apichain/internal/flags"
	"apichain/internal/kubeflags"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// The objects that a server has from its start, and what it does with objects on its own: which of them
// there are is decided here, and internal/controller makes them.
//
// Under the name of kube-apiserver the objects are those that upstream makes, of the kinds that are
// served, and nothing is done that upstream leaves to kube-controller-manager: no namespace is emptied
// or given a service account, and no owner takes its dependents along.

// clusterOptions say what the server's own objects say of it, and which controllers run.
type clusterOptions struct {
	// serviceRange is one or two CIDRs, of two families.
	serviceRange string
	// nodePorts is a range of ports: from-to, from+more, or one.
	nodePorts string
	// advertise is the address of the Endpoints; "": the listener's.
	advertise string
	// controllers is all or none.
	controllers string
	// plugins and withoutPlugins are admission plugins that are on and off beside upstream's defaults.
	plugins, withoutPlugins []string
	// notReady and unreachable are the seconds of the tolerations that every pod gets.
	notReady, unreachable int
	// upstream adds the objects that kube-apiserver makes; it has no flag.
	upstream bool
}

// What services get where the flags are empty, as upstream has it.
const (
	defaultServiceRange = "10.0.0.0/24"
	defaultNodePorts    = "30000-32767"
)

// Register declares the flags of the cluster that the server is one of.
func (o *clusterOptions) Register(f *flags.Set) {
	f.In("cluster")
	f.Text(&o.serviceRange, "service-cluster-ip-range", defaultServiceRange,
		"CIDR of the addresses of services, or one of each family with a comma between; the Service kubernetes has the first one")
	f.Text(&o.nodePorts, "service-node-port-range", defaultNodePorts, "ports on every node that services are given: from-to, or from+more")
	f.Text(&o.advertise, "advertise-address", "", "address in the Endpoints of the Service kubernetes; none: that of the TLS listener")
	f.Text(&o.controllers, "controllers", "all",
		"what is done with objects that no client asks for: all, or none but for definitions, which take their instances along "+
			"(no garbage collection, no emptying of namespaces, no service account in them)")
	f.List(&o.plugins, "enable-admission-plugins", nil, "admission plugins that are on beside upstream's defaults, by their names")
	f.List(&o.withoutPlugins, "disable-admission-plugins", nil, "admission plugins that are left out, by their names")
	f.Int(&o.notReady, "default-not-ready-toleration-seconds", 300, "seconds for which a pod stays on a node that is not ready, unless it says so itself")
	f.Int(&o.unreachable, "default-unreachable-toleration-seconds", 300, "the same for a node that cannot be reached")
}

// Check reports what is no range, in upstream's sense, and no address.
func (o *clusterOptions) Check(p *flags.Problems) {
	const name = "service-cluster-ip-range"
	var families []bool
	for cidr := range strings.SplitSeq(cmp.Or(o.serviceRange, defaultServiceRange), ",") {
		r, err := netip.ParsePrefix(strings.TrimSpace(cidr))
		if err != nil {
			p.Add(name, "%q is no CIDR", cidr)
			continue
		}
		p.When(r.Addr().BitLen()-r.Bits() < 3, name, "%s has fewer than 8 addresses", cidr)
		families = append(families, r.Addr().Is4())
	}
	p.When(len(families) > 2 || len(families) == 2 && families[0] == families[1], name, "takes two CIDRs at most, one of each family")
	_, ok := o.ports()
	p.When(!ok, "service-node-port-range", "%q is no range of ports", o.nodePorts)
	if o.advertise != "" {
		_, err := netip.ParseAddr(o.advertise)
		p.When(err != nil, "advertise-address", "%q is no address", o.advertise)
	}
	for _, name := range o.withoutPlugins {
		p.When(!kubeflags.IsPlugin(name), "disable-admission-plugins", "plugin %q is unknown", name)
	}
	for _, name := range o.plugins {
		p.When(!kubeflags.IsPlugin(name), "enable-admission-plugins", "plugin %q is unknown", name)
		p.When(slices.Contains(o.withoutPlugins, name), "enable-admission-plugins", "%s is in --disable-admission-plugins too", name)
	}
	p.When(o.controllers != "all" && o.controllers != "none", "controllers", "must be all or none, is %q", o.controllers)
}

// ranges returns the ranges of the addresses of services.
func (o *clusterOptions) ranges() (list []netip.Prefix) {
	for cidr := range strings.SplitSeq(cmp.Or(o.serviceRange, defaultServiceRange), ",") {
		if r, err := netip.ParsePrefix(strings.TrimSpace(cidr)); err == nil {
			list = append(list, r.Masked())
		}
	}
	return list
}

// serviceIP returns the first address of the range, behind that of the network.
func (o *clusterOptions) serviceIP() string {
	list := o.ranges()
	if len(list) == 0 {
		return "" // the flag is wrong
	}
	return list[0].Addr().Next().String()
}

// ports returns the range of node ports, false for a text that is none.
func (o *clusterOptions) ports() (p allocator.Ports, ok bool) {
	text := cmp.Or(o.nodePorts, defaultNodePorts)
	// A minus counts before a plus, as upstream has it.
	from, to, between := strings.Cut(text, "-")
	more := false
	if !between {
		from, to, more = strings.Cut(text, "+")
	}
	if !between && !more {
		to = from
	}
	first, err := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if more { // the second number is a distance
		last += first
	}
	return allocator.Ports{First: first, Last: last}, errors.Join(err, err2) == nil && first > 0 && first <= last && last <= 65535
}

// bootstrap makes the objects that every server has, then the user's fixtures, and sets the
// controllers to work. It is a post-start hook: the server is not ready before.
func (p *program) bootstrap(ctx context.Context) error {
	o := &p.opt.cluster
	own := controller.Own{
		CA: string(p.certs.CAPEM()), Fixtures: p.opt.fixtures.paths,
		Services: o.ranges(), DefinitionsOnly: o.controllers == "none",
	}
	if host, port, err := net.SplitHostPort(p.advertisedAddress()); err == nil {
		own.Host = host
		own.Port, _ = strconv.ParseInt(port, 10, 64)
	}
	if o.upstream {
		own.Objects = p.upstreamObjects(own)
	}
	if p.api.Builtin("scheduling.k8s.io", "v1", "PriorityClass") != nil {
		own.Objects = append(own.Objects, admission.SystemPriorityClasses()...)
	}
	run, err := controller.Start(ctx, p.api, own)
	if err != nil {
		return err
	}
	// Not ctx: that ends with the start, and these go on until the last request has ended.
	p.owned.Go(func() { run(p.background) })
	p.owned.Go(func() { p.api.Run(p.background) })
	p.followPolicies()
	p.followWebhooks()
	if o.upstream && !p.opt.storage.readOnly {
		p.owned.Go(func() { p.renewLease(p.background, own.Objects[0]) })
	}
	return nil
}

// advertisedAddress returns host:port by which others find the TLS listener: the address that is advertised
// or, as upstream has it, for a listener on loopback or on every address that of a network interface. Where
// there is none, and under the program's own name, it is the one that clients on this machine use. It is ""
// without such a listener on TCP.
func (p *program) advertisedAddress() string {
	o := &p.opt.cluster
	for _, u := range p.urls("https") {
		host, port, err := net.SplitHostPort(strings.TrimPrefix(u, "https://"))
		a, notAddress := netip.ParseAddr(host)
		// A name could not be an endpoint.
		if err != nil || notAddress != nil {
			continue
		}
		if o.advertise != "" {
			host = o.advertise
		} else if o.upstream && a.IsLoopback() {
			host = interfaceAddress(host)
		}
		return net.JoinHostPort(host, port)
	}
	return ""
}

// interfaceAddress returns the first IPv4 address of this machine that others may reach, or otherwise.
func interfaceAddress(otherwise string) string {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return otherwise
}

// leaseRenewal is the time between two renewals of the server's lease, which is upstream's.
const leaseRenewal = 10 * time.Second

// renewLease keeps the server's lease until ctx ends: each leaseRenewal it gets the time of then, and is
// made again if it is gone. A failure is logged, and the next renewal tries again.
func (p *program) renewLease(ctx context.Context, lease map[string]any) {
	tick := time.NewTicker(leaseRenewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			tree.Set(lease, microTime(now), "spec", "renewTime")
			if _, _, err := p.api.Apply(ctx, lease); err != nil {
				p.log.Warn("the lease of this server is not renewed", "err", err)
			}
		}
	}
}

// microTime writes a time as fields of leases have it.
func microTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// upstreamObjects returns what kube-apiserver makes besides, of the kinds that are served: first the lease
// by which it shows that it is there, then what others need to verify its clients.
func (p *program) upstreamObjects(own controller.Own) []map[string]any {
	now := time.Now().UTC()
	meta := func(name string) map[string]any { return map[string]any{"name": name, "namespace": "kube-system"} }
	configMap := func(name string, data map[string]any) map[string]any {
		return map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta(name), "data": data}
	}
	host, _ := os.Hostname()
	lease := meta(serverIdentity(host))
	lease["labels"] = map[string]any{"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": host}
	lease["annotations"] = map[string]any{
		"kubernetes.io/peer-advertise-address": net.JoinHostPort(own.Host, strconv.FormatInt(own.Port, 10)),
	}
	objects := []map[string]any{
		{"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": lease, "spec": map[string]any{
			"holderIdentity": lease["name"].(string) + "_" + request.NewUUID(), "leaseDurationSeconds": int64(3600),
			"renewTime": microTime(now),
		}},
		configMap("kube-apiserver-legacy-service-account-token-tracking", map[string]any{"since": now.Format(time.DateOnly)}),
	}
	if data := p.clientVerification(); len(data) > 0 {
		objects = append(objects, configMap("extension-apiserver-authentication", data))
	}
	return objects
}

// clientVerification returns by which CAs and headers the server knows its clients, as the ConfigMap
// has it by which servers behind it know theirs.
func (p *program) clientVerification() map[string]any {
	data := map[string]any{}
	for key, file := range map[string]string{
		"client-ca-file": p.opt.tls.clientCA, "requestheader-client-ca-file": p.opt.tls.requestHeaders,
	} {
		// The loader has read it a moment ago.
		if b, err := os.ReadFile(file); file != "" && err == nil {
			data[key] = string(b)
		}
	}
	if p.opt.tls.requestHeaders == "" {
		return data
	}
	c := &p.opt.authentication.Config
	for key, list := range map[string][]string{
		"requestheader-username-headers": c.UserHeaders, "requestheader-uid-headers": c.UIDHeaders,
		"requestheader-group-headers":        c.GroupHeaders,
		"requestheader-extra-headers-prefix": c.ExtraPrefixes, "requestheader-allowed-names": c.ProxyNames,
	} {
		text, _ := json.Marshal(slices.Concat([]string{}, list)) // never null
		data[key] = string(text)
	}
	return data
}

// serverIdentity returns the name by which a server on a host shows that it is there, which is upstream's.
func serverIdentity(host string) string {
	var b []byte
	for _, part := range []string{host, "kube-apiserver"} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return "apiserver-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}
