package api

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"apichain/internal/allocator"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// What services have of the cluster, as steps of a write. A service claims addresses and ports before
// it is checked, since they are part of what is checked and admitted; and the objects that stand for its
// addresses are made and removed in the very commit that stores or removes the service. A write that ends in
// any other way, a dry run too, has taken nothing.

// ServiceNetwork is what services get their addresses and ports from. The zero value is upstream's.
type ServiceNetwork struct {
	// Ranges is one range of addresses, or one of each family; none is 10.0.0.0/24.
	Ranges []netip.Prefix
	// NodePorts are the ports on every node; none is 30000 to 32767.
	NodePorts allocator.Ports
}

// The bucket and the key of the object by which processes keep node ports apart.
const (
	PortRanges    = allocator.PortRanges
	NodePortRange = allocator.NodePortRange
)

// newPool returns the pool of what the configuration says.
func (s *API) newPool(n ServiceNetwork) *allocator.Pool {
	c := allocator.Config{
		Services: s.Store.Bucket("services"), Cluster: n.Ranges, Ports: n.NodePorts,
		Addresses: s.Store.Bucket("ipaddresses.networking.k8s.io"), Ranges: s.Store.Bucket("servicecidrs.networking.k8s.io"),
	}
	if len(c.Cluster) == 0 {
		c.Cluster = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	}
	if c.Ports.Last == 0 {
		c.Ports = allocator.Ports{First: 30000, Last: 32767}
	}
	c.PortRange = func() *store.Bucket {
		if !s.Store.IsShared() {
			return nil
		}
		return s.Store.Bucket(PortRanges)
	}
	return allocator.New(c)
}

// takeClaim claims what the object needs, if its kind needs anything. Only writes of the object itself
// do; those of its status change nothing that is claimed.
func (w *write) takeClaim() (err error) {
	if w.claims == nil || w.info.Subresource != "" {
		return nil
	}
	w.claim, err = w.claims(w.next, w.was, w.dryRun)
	return err
}

// endClaim lets go of what the write has claimed: it is stored by now, or free again.
func (w *write) endClaim() {
	if w.claim != nil {
		w.claim.End()
	}
}

// companions returns the changes that go with that of the write itself, within the commit: gone says that
// it removes the object. An error is the client's, and nothing is written.
func (w *write) companions(gone bool) ([]store.Change, error) {
	if w.claims == nil {
		return nil, nil
	}
	// Asked within the commit: what is free now stays free until the changes are made.
	var made, lost []string
	if w.claim != nil {
		if key := w.claim.Lost(); key != "" {
			return nil, w.allocated(key)
		}
		made, lost = w.claim.Made, w.claim.Gone
	}
	var changes []store.Change
	var was, next map[string]any
	if w.api.Store.IsShared() {
		if w.old != nil {
			was = w.old.Decode()
		}
		if !gone {
			next = w.next
		}
		change, lost := w.api.services.PortChange(was, next)
		if lost != "" {
			return nil, w.allocated(lost)
		}
		if change != nil {
			changes = append(changes, *change)
		}
	}
	// An object may go with a change of it, the one that takes its last finalizer: then all that was stored goes.
	if gone {
		made, lost = nil, allocator.Addresses(w.old.Decode())
	}
	r := w.api.Builtin("networking.k8s.io", "v1", "IPAddress")
	sn := r.Bucket.Latest()
	for _, ip := range made {
		d := r.Draft(r.ownMade(ipAddress(ip, w.namespace, tree.Name(w.next))))
		changes = append(changes, store.Change{Bucket: r.Bucket, Key: ip, Next: &d})
	}
	for _, ip := range lost {
		// Somebody may have removed it by hand.
		if o := sn.Get(ip); o != nil {
			changes = append(changes, store.Change{Bucket: r.Bucket, Key: ip, Expect: o.Rev})
		}
	}
	return changes, nil
}

// errAllocated is the cause of the 409 of a write that lost what it had claimed. Over a shared backend it is tried
// again, and claims something else.
var errAllocated = errors.New("what was claimed is somebody else's by now")

// allocated returns that 409. key is what was lost.
func (w *write) allocated(key string) error {
	e := status.Conflict(w.Group, w.Plural, tree.Name(w.next), key+" has been allocated meanwhile")
	e.Cause = errAllocated
	return e
}

// RepairAddresses makes the objects that are missing for addresses of stored services: of a store that was
// kept without them, or of a snapshot. What fails is logged, and left for the next time.
func (s *API) RepairAddresses(ctx context.Context) {
	services, r := s.Store.Bucket("services"), s.Builtin("networking.k8s.io", "v1", "IPAddress")
	all, have := services.Now(), r.Bucket.Now()
	for o := range all.Scan("", "") {
		for _, ip := range allocator.Addresses(o.Decode()) {
			if have.Get(ip) != nil {
				continue
			}
			d := r.Draft(r.ownMade(ipAddress(ip, o.Namespace(), o.Name())))
			_, err := s.Store.CommitFunc(ctx, func() []store.Change {
				if now := services.Latest(); now.Get(o.Key) != o {
					return nil // who has changed it has seen to that
				}
				return []store.Change{{Bucket: r.Bucket, Key: ip, Next: &d}}
			})
			// A conflict says that somebody has just made it.
			if raced := new(store.Conflict); err != nil && !errors.As(err, &raced) {
				s.Config.Log.Warn("an address of a service has no object", "service", o.Key, "address", ip, "err", err)
			}
		}
	}
}

// ipAddress returns the object that says which service has an address.
func ipAddress(ip, namespace, service string) map[string]any {
	family := "IPv6"
	if a, err := netip.ParseAddr(ip); err == nil && a.Is4() {
		family = "IPv4"
	}
	return map[string]any{
		"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
		"metadata": map[string]any{
			"name": ip, "uid": request.NewUUID(), "creationTimestamp": timeText(time.Now()),
			"labels": map[string]any{"ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"},
		},
		"spec": map[string]any{"parentRef": map[string]any{"resource": "services", "namespace": namespace, "name": service}},
	}
}
