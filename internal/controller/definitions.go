package controller

import (
	"context"
	"slices"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/schema"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// A definition that is deleted takes its instances along: they are deleted, and when none is left
// its finalizer goes, and with it the definition (upstream: customresourcecleanup). Meanwhile
// package api serves them still, but refuses new ones.
//
// One whose names are taken by another of its group waits: it is not served, and says so in its
// status. That is decided when it is written, so when a name may have become free, it is written.

// crdResource is the resource of definitions, as the store's buckets are called.
const crdResource = "customresourcedefinitions.apiextensions.k8s.io"

// isDefinition reports whether obj is a CustomResourceDefinition.
func isDefinition(obj map[string]any) bool {
	return obj["kind"] == "CustomResourceDefinition" && obj["apiVersion"] == "apiextensions.k8s.io/v1"
}

// definitions returns the resource of definitions.
func (c *controllers) definitions() *api.Resource {
	return c.api.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
}

// syncDefinition empties a definition that is being deleted and lets it go. One that lives needs
// nothing.
func (c *controllers) syncDefinition(ctx context.Context, name string) error {
	customs := c.api.Customs
	// The resource that is served may be older than the event that brought us here.
	customs.Follow()
	sn := customs.Bucket.Now()
	o := sn.Get(name)
	// Without the finalizer this is done, and others hold it.
	if o == nil || !o.Meta.Deleting || !hasFinalizer(o, api.DefinitionFinalizer) {
		return nil
	}
	if err := c.reportTermination(ctx, o, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"); err != nil {
		return err
	}
	// Another process may have made some that are not shown here yet.
	if err := c.api.Store.Consistent(ctx); err != nil {
		return err
	}
	b := c.api.Store.Bucket(name)
	instances := b.Now()
	if r := c.api.ForBucket(b); r != nil {
		for item := range instances.Scan("", "") {
			// Webhooks have no say in it (upstream).
			if err := c.deleteUnasked(r, item); err != nil {
				return err
			}
		}
	}
	// Counted anew: what has a finalizer is still there.
	if now := b.Now(); now.Count() > 0 {
		return nil // its events bring us back
	}
	reason, message := "InstanceDeletionCompleted", "removed all instances"
	if !isEstablished(o.Decode()) {
		reason, message = "NeverEstablished", "resource was never established"
	}
	return c.reportTermination(ctx, o, "False", reason, message)
}

// reportTermination says in the status of a definition how far its deletion has come. With False it has
// come to its end, and the finalizer goes in the same write. It is a write of the status, since a spec
// that is no longer good must not keep a definition from going.
func (c *controllers) reportTermination(ctx context.Context, o *store.Object, value, reason, message string) error {
	_, err := c.api.Internal(c.definitions(), "update", "", o.Name(), "status").Modify(ctx, func(crd map[string]any) bool {
		old := tree.List(crd, "status", "conditions")
		tree.Set(crd, schema.SetCondition(slices.Clone(old), "Terminating", value, reason, message, time.Now()), "status", "conditions")
		if value == "False" {
			return dropString(tree.Metadata(crd), "finalizers", api.DefinitionFinalizer)
		}
		return !tree.Equal(tree.List(crd, "status", "conditions"), old)
	})
	return err
}

// isEstablished reports whether a definition is or was served.
func isEstablished(crd map[string]any) bool {
	return slices.ContainsFunc(tree.List(crd, "status", "conditions"), func(c any) bool {
		return tree.Text(c, "type") == "Established" && tree.Text(c, "status") == "True"
	})
}

// retryNames lets the definitions of a group that wait for names look again whether these are
// free, when one of the group has changed or gone.
func (c *controllers) retryNames(changed place) {
	// A definition is called plural.group.
	_, group, _ := strings.Cut(changed.key, ".")
	c.api.Customs.Follow()
	// In order: which of two gets a name that both wait for must not be chance.
	for _, name := range slices.Sorted(slices.Values(c.api.Customs.NamesPending(group))) {
		// Without an error of its own: whoever is refused now is looked at when the next one changes.
		_, _ = c.api.Internal(c.definitions(), "update", "", name, "status").Modify(context.Background(), func(map[string]any) bool {
			return true // the kind looks at the names before each write
		})
	}
}
