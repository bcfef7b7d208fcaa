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
// a flow schema is there. Those of APIServices are internal/aggregation's.

// The buckets of the objects that the conditions are about, and of those that they depend on.
const (
	flowSchemas    = "flowschemas.flowcontrol.apiserver.k8s.io"
	priorityLevels = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
)

// observeConditions queues the objects whose conditions an event may change.
func (c *controllers) observeConditions(b *store.Bucket, e *store.Event) {
	switch {
	case b.Name == flowSchemas && e.Kind != store.Deleted:
		c.add(taskCondition, place{b, e.Object.Key})
	// Only whether the other is there counts.
	case b.Name == priorityLevels && e.Kind != store.Modified:
		bucket := c.api.Store.Bucket(flowSchemas)
		sn := bucket.Now()
		for o := range sn.Scan("", "") {
			c.add(taskCondition, place{bucket, o.Key})
		}
	}
}

// syncCondition writes the condition of an object, unless it is as it should be.
func (c *controllers) syncCondition(ctx context.Context, at place) error {
	r := c.api.ForBucket(at.bucket)
	if r == nil {
		return nil
	}
	obj := c.api.Get(at.bucket.Name, "", at.key)
	if obj == nil {
		return nil
	}
	condition := c.dangling(obj)
	if !setCondition(obj, condition) {
		return nil
	}
	return configureStatus(ctx, c.api, r, managerOfFlows, at.key, map[string]any{"conditions": []any{condition}})
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
