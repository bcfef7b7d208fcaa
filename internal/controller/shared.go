package controller

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// The start beside other servers of the same objects, be they of this program or kube-apiservers. Nobody changes what
// somebody else has made, so that none of them fight and it does not matter who comes first:
//
//	namespaces, Service kubernetes,   made where they are missing, as kube-apiserver does
//	ServiceCIDR, further objects
//	Endpoints and EndpointSlice       left alone as long as somebody listens at an address of them; else they are
//	kubernetes                        made to lead to this server
//
// Upstream has a list of live servers in the store and writes all of them, every ten seconds. Here one is enough: the
// server whose controllers run looks whenever they begin to, which is within leaseDuration of the end of the
// one before. Where a kube-apiserver is among the servers it has the last word, since it writes and ours does not.

// startShared is Start over a shared backend, behind the namespaces.
func startShared(ctx context.Context, a *api.API, o Own) (run func(ctx context.Context), err error) {
	points, rest := o.endpoints()
	for _, obj := range slices.Concat(o.serviceRanges(), rest, o.Objects) {
		if err := a.Ensure(ctx, obj); err != nil {
			return nil, err
		}
		if err := readyRange(ctx, a, obj); err != nil {
			return nil, err
		}
	}
	c := newControllers(a, o.CA)
	c.definitionsOnly = o.DefinitionsOnly
	e := newElection(a, controllersLease)
	// A backend that does not answer now has answered above: who has the Lease is seen later.
	held, _ := e.try(ctx)
	begin := func(ctx context.Context) {
		a.RepairAddresses(ctx)
		o.lead(ctx, a, points)
	}
	if held {
		begin(ctx)
	}
	// Another process looks after what is there, but a fixture may need what that has not done yet: what every
	// controller does may be done twice.
	if held || len(o.Fixtures) > 0 {
		c.settle(ctx)
		if err := c.loadFixtures(ctx, o.Fixtures); err != nil {
			return nil, err
		}
		c.settle(ctx)
	}
	return func(ctx context.Context) {
		e.run(ctx, func(ctx context.Context) {
			begin(ctx)
			c.run(ctx)
		})
	}, nil
}

// endpoints returns apart what leads to the server, and what does not depend on which server it is.
func (o Own) endpoints() (points, rest []map[string]any) {
	for _, obj := range o.service() {
		if obj["kind"] == "Service" {
			rest = append(rest, obj)
		} else {
			points = append(points, obj)
		}
	}
	return points, rest
}

// lead makes the Service kubernetes lead to this server, unless it leads to one that lives. What fails is logged, and
// left for the next who begins.
func (o Own) lead(ctx context.Context, a *api.API, points []map[string]any) {
	if len(points) == 0 {
		return
	}
	if there := a.Get("endpoints", "default", "kubernetes"); there != nil && o.leads(ctx, there) {
		return
	}
	for _, obj := range points {
		if _, _, err := a.Apply(ctx, tree.Copy(obj).(map[string]any)); err != nil {
			a.Config.Log.Warn("the Service kubernetes does not lead to a server", "kind", obj["kind"], "err", err)
		}
	}
}

// leads reports whether somebody listens at an address of Endpoints.
func (o Own) leads(ctx context.Context, endpoints map[string]any) bool {
	for _, subset := range tree.List(endpoints, "subsets") {
		for _, address := range tree.List(subset, "addresses") {
			for _, port := range tree.List(subset, "ports") {
				n, _ := tree.At(port, "port").(int64)
				ip := tree.Text(address, "ip")
				if ip == o.Host && n == o.Port || o.listens(ctx, net.JoinHostPort(ip, strconv.FormatInt(n, 10))) {
					return true
				}
			}
		}
	}
	return false
}

// listens asks an address, a second long.
func (o Own) listens(ctx context.Context, address string) bool {
	if o.Listens != nil {
		return o.Listens(ctx, address)
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
