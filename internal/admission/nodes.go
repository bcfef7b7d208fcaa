package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// What pods and nodes get of each other: a pod tolerates for a while that its node is not ready, and
// has the labels that say where its node is; a new node is not ready; and a pod that is resized stays
// within what its node has.

const (
	// Both taints are set by the controller that watches the conditions of nodes, the first by
	// admission as well.
	taintNotReady    = "node.kubernetes.io/not-ready"
	taintUnreachable = "node.kubernetes.io/unreachable"
)

// setTolerations is the act of DefaultTolerationSeconds on new and changed pods.
// A pod that tolerates one of the taints in any way, be it for ever, gets nothing for that one.
func (c *Chain) setTolerations(_ context.Context, a api.Admission) error {
	spec := specOf(a.Object)
	given := tree.List(spec, "tolerations")
	// Clipped, so that appending makes a new list and leaves the client's as it is.
	all := slices.Clip(given)
	for _, t := range [...]struct {
		key     string
		seconds int64
	}{{taintNotReady, c.config.NotReadySeconds}, {taintUnreachable, c.config.UnreachableSeconds}} {
		tolerates := func(v any) bool {
			// Empty means every key, and every effect.
			key, effect := tree.Text(v, "key"), tree.Text(v, "effect")
			return (key == t.key || key == "") && (effect == "NoExecute" || effect == "")
		}
		if !slices.ContainsFunc(given, tolerates) {
			all = append(all, map[string]any{"key": t.key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": t.seconds})
		}
	}
	if len(all) > len(given) {
		spec["tolerations"] = all
	}
	return nil
}

// taintNode is the act of TaintNodesByCondition on new nodes: who watches their conditions takes it off.
// Until the taint is off nothing is scheduled onto the node; a node that comes with it already is left
// alone.
func (c *Chain) taintNode(_ context.Context, a api.Admission) error {
	spec := specOf(a.Object)
	taints := tree.List(spec, "taints")
	if !slices.ContainsFunc(taints, func(t any) bool {
		return tree.Text(t, "key") == taintNotReady && tree.Text(t, "effect") == "NoSchedule"
	}) {
		spec["taints"] = append(slices.Clip(taints), map[string]any{"key": taintNotReady, "effect": "NoSchedule"})
	}
	return nil
}

// topologyLabels say where a node is.
var topologyLabels = [...]string{"topology.kubernetes.io/zone", "topology.kubernetes.io/region"}

// setTopology is the act of PodTopologyLabels on a new pod that has a node, and on a binding to one.
// Labels of the pod are overwritten: where it is, is not for its writer to say. What the node does not
// say stays as it is.
func (c *Chain) setTopology(_ context.Context, a api.Admission) error {
	node := tree.Text(a.Object, "spec", "nodeName")
	// The labels of a binding go onto the pod when that is bound.
	if a.Subresource == "binding" {
		if node = tree.Text(a.Object, "target", "name"); tree.Text(a.Object, "target", "kind") != "Node" {
			return nil
		}
	}
	if node == "" {
		return nil
	}
	// A node that is not there yet has no labels; that the pod names it is no error.
	has, _ := c.objects.Labels("nodes", "", node)
	for _, key := range topologyLabels {
		if value, ok := has[key]; ok {
			tree.Set(a.Object, value, "metadata", "labels", key)
		}
	}
	return nil
}

// checkResize is the act of PodResizeValidator on a pod whose resources change.
// Nothing is said before there is a node. Refusals are 403 with a cause that has a reason alone, by
// which clients tell them apart.
func (c *Chain) checkResize(_ context.Context, a api.Admission) error {
	name := tree.Text(a.Object, "spec", "nodeName")
	// The generation grows exactly when the spec has changed.
	if name == "" || tree.Equal(tree.At(a.Object, "metadata", "generation"), tree.At(a.Old, "metadata", "generation")) {
		return nil
	}
	node := c.objects.Get("nodes", "", name)
	if node == nil {
		return a.Forbidden(fmt.Sprintf("node %q not found", name))
	}
	refuse := func(why, reason string) error {
		err := a.Forbidden(why)
		err.Details.Causes = append(err.Details.Causes, causeOf(reason))
		return err
	}
	// A node that does not say is taken for one of Linux.
	if os := tree.Text(node, "metadata", "labels", "kubernetes.io/os"); os != "" && os != "linux" {
		return refuse(fmt.Sprintf("pod resize is only supported on linux nodes, node %q is %q", name, os), "UnsupportedPlatform")
	}
	// All that is too much is told at once, in the order cpu, memory: the message goes on to whoever
	// asked for the resize.
	var over []string
	asked, has := podTotal(a.Object, "requests", podSums{overhead: true, hugePages: true}), amountsOf(tree.Object(node, "status",
		"allocatable"))
	for _, r := range [...]struct {
		name string
		unit func(amount) int64
	}{{"cpu", amount.milli}, {"memory", amount.value}} {
		if asked[r.name].cmp(has[r.name]) > 0 {
			over = append(over, fmt.Sprintf("%s, requested: %d, allocatable: %d", r.name, r.unit(asked[r.name]), r.unit(has[r.name])))
		}
	}
	if len(over) > 0 {
		return refuse("node didn't have enough allocatable resources: "+strings.Join(over, "; "), "NodeCapacity")
	}
	return nil
}
