package controller

import (
	"context"
	"fmt"
	"time"

	"apichain/internal/api"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Conditions that upstream's API server itself writes into the status of objects: whether the priority level of
// a flow schema is there, and whether the server of an API service is. Of the latter it is told only that there is no
// Service in front of it, since none is asked here.

// The buckets of the objects that the conditions are about, and of those that they depend on.
const (
	flowSchemas    = "flowschemas.flowcontrol.apiserver.k8s.io"
	priorityLevels = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
	apiServices    = "apiservices.apiregistration.k8s.io"
	services       = "services"
)

// observeConditions queues the objects whose conditions an event may change.
func (c *controllers) observeConditions(b *store.Bucket, e *store.Event) {
	about := ""
	switch b.Name {
	case flowSchemas, apiServices:
		if e.Kind != store.Deleted {
			c.add(taskCondition, place{b, e.Object.Key})
		}
	case priorityLevels:
		about = flowSchemas
	case services:
		about = apiServices
	}
	// Only whether the other is there counts.
	if about == "" || e.Kind == store.Modified {
		return
	}
	bucket := c.api.Store.Bucket(about)
	sn := bucket.Now()
	for o := range sn.Scan("", "") {
		c.add(taskCondition, place{bucket, o.Key})
	}
}

// syncCondition writes the condition of an object, unless it is as it should be.
func (c *controllers) syncCondition(ctx context.Context, at place) error {
	r, want := c.api.ForBucket(at.bucket), c.dangling
	if at.bucket.Name == apiServices {
		want = c.available
	}
	if r == nil {
		return nil
	}
	_, err := c.api.Internal(r, "update", "", at.key, "status").Modify(ctx, func(obj map[string]any) bool {
		condition := want(obj)
		return condition != nil && setCondition(obj, condition)
	})
	return err
}

// has reports whether there is an object of a kind.
func (c *controllers) has(r *api.Resource, namespace, name string) bool {
	sn := r.Bucket.Now()
	return sn.Get(r.Key(namespace, name)) != nil
}

// dangling returns the condition of a flow schema.
func (c *controllers) dangling(obj map[string]any) map[string]any {
	level := tree.Text(obj, "spec", "priorityLevelConfiguration", "name")
	text := fmt.Sprintf("This FlowSchema references the PriorityLevelConfiguration object named %q ", level)
	if c.has(c.api.Builtin("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration"), "", level) {
		return map[string]any{"type": "Dangling", "status": "False", "reason": "Found", "message": text + "and it exists"}
	}
	return map[string]any{"type": "Dangling", "status": "True", "reason": "NotFound", "message": text + "but there is no such object"}
}

// available returns the condition of an API service, nil for one that nothing is known of.
func (c *controllers) available(obj map[string]any) map[string]any {
	service := tree.Object(obj, "spec", "service")
	namespace, name := tree.Text(service, "namespace"), tree.Text(service, "name")
	switch {
	case service == nil:
		return map[string]any{"type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available"}
	case c.has(c.api.Builtin("", "v1", "Service"), namespace, name):
		return nil
	}
	return map[string]any{"type": "Available", "status": "False", "reason": "ServiceNotFound",
		"message": fmt.Sprintf("service/%s in %q is not present", name, namespace)}
}

// setCondition puts a condition in the place of the one of its type, and reports whether that was another. The
// time is that of the last change of status.
func setCondition(obj, condition map[string]any) bool {
	conditions := tree.List(obj, "status", "conditions")
	at := len(conditions)
	for i, had := range conditions {
		if tree.Text(had, "type") == condition["type"] {
			at = i
		}
	}
	condition["lastTransitionTime"] = time.Now().UTC().Format(time.RFC3339)
	if at == len(conditions) {
		tree.Set(obj, append(conditions, condition), "status", "conditions")
		return true
	}
	if had, _ := conditions[at].(map[string]any); had["status"] == condition["status"] {
		condition["lastTransitionTime"] = had["lastTransitionTime"]
	}
	if tree.Equal(conditions[at], condition) {
		return false
	}
	conditions[at] = condition
	return true
}
