package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"apichain/internal/field"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The eviction of a pod: a delete that a PodDisruptionBudget may refuse. The budget's controller says
// in its status how many pods may go now; an eviction takes one of them, and notes the pod there so
// that the controller knows. A pod that has not started or has ended is nobody's loss and goes
// without being asked about, and one that is not ready may, as its budget says.

// maxDisrupted is how many pods a budget's status may name that have not gone yet (upstream).
const maxDisrupted = 2000

// evictPod serves the create of an Eviction below a pod.
func evictPod(q *Call) error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	e, err := q.readBelow(q.api.Kinds.Body("policy", "v1", "Eviction"), "policy/v1", "Eviction")
	if err != nil {
		return err
	}
	if err := q.ask(Mutating, OperationCreate, e, nil); err != nil {
		return err
	}
	if tree.Name(e) != q.name {
		return status.BadRequest("name in URL does not match name in Eviction object")
	}
	const unsafe = "ignoreStoreReadErrorWithClusterBreakingPotential"
	if tree.At(e, "deleteOptions", unsafe) == true {
		return status.Invalid("policy", "Eviction", q.name, []field.Error{
			field.Invalid("deleteOptions."+unsafe, true, "can not be set for pod eviction, try after removing the option")})
	}
	var o DeleteOptions
	if err := q.fillDeleteOptions(&o, tree.Object(e, "deleteOptions")); err != nil {
		return err
	}
	if err := q.ask(Validating, OperationCreate, e, nil); err != nil {
		return err
	}
	sn := q.Bucket.Now()
	pod := sn.Get(q.Resource.Key(q.namespace, q.name))
	if pod == nil {
		return q.notFound(q.name)
	}
	budget, unready, err := q.askBudget(pod)
	if err != nil {
		return err
	}
	given := o.ResourceVersion
	if unready { // the pod must be as it was when its budget let it go for that
		rev := strconv.FormatInt(pod.Rev, 10)
		o.ResourceVersion = &rev
	}
	if err := q.evict(&o); err != nil {
		var failed *status.Error
		if unready && errors.As(err, &failed) && failed.Reason == "Conflict" && given == nil {
			return tooManyEvictions(10, "The disruption budget "+budget+" is still being processed by the server.")
		}
		return err
	}
	return q.answerSuccess()
}

// askBudget asks the budget that is about the pod, if there is one. unready says that it has let the
// pod go without a disruption, for it is not ready. The error is the refusal.
func (q *Call) askBudget(o *store.Object) (budget string, unready bool, err error) {
	pod := q.decode(o)
	switch phase := tree.Text(pod, "status", "phase"); {
	case phase == "Succeeded", phase == "Failed", phase == "Pending", o.Meta.Deleting:
		return "", false, nil
	}
	var found []*store.Object
	budgets := q.api.Builtin("policy", "v1", "PodDisruptionBudget")
	sn := budgets.Bucket.Now()
	for b := range sn.Scan(q.namespace+"/", "") {
		if s := tree.Object(budgets.decode(b), "spec", "selector"); s != nil {
			if l, err := selector.FromObject(s); err == nil && l.Matches(o.Meta.Labels) {
				found = append(found, b)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", false, &status.Error{Code: http.StatusInternalServerError,
			Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."}
	}
	name := found[0].Name()
	b := budgets.decode(found[0])
	if !isPodReady(pod) {
		healthy, wanted := integer(b, "status", "currentHealthy"), integer(b, "status", "desiredHealthy")
		if tree.Text(b, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow" || healthy >= wanted && wanted > 0 {
			return name, true, nil
		}
	}
	c := q.api.on(q, budgets, name)
	c.info.Subresource = "status"
	return name, false, c.retry(forever, func(old *store.Object) error {
		if old == nil {
			return nil // it has gone meanwhile
		}
		w := write{Call: c, old: old, was: c.decode(old), next: c.decode(old)}
		if err := takeDisruption(w.next, q.name, time.Now()); err != nil || q.dryRun {
			return err
		}
		return w.commit()
	})
}

// isPodReady reports whether the pod's condition Ready is true.
func isPodReady(pod map[string]any) bool {
	for _, c := range tree.List(pod, "status", "conditions") {
		if tree.Text(c, "type") == "Ready" {
			return tree.Text(c, "status") == "True"
		}
	}
	return false
}

// integer returns the integer at a path, 0 for none.
//
//go:noinline
func integer(obj map[string]any, path ...string) int64 {
	n, _ := tree.At(obj, path...).(int64)
	return n
}

// takeDisruption takes one of the disruptions that a budget allows for the pod, in place. The error is
// the refusal of one that allows none now.
func takeDisruption(b map[string]any, pod string, now time.Time) error {
	name, left := tree.Name(b), integer(b, "status", "disruptionsAllowed")
	switch {
	case integer(b, "status", "observedGeneration") < integer(b, "metadata", "generation"):
		return tooManyEvictions(10, "The disruption budget "+name+" is still being processed by the server.")
	case left < 0:
		return evictionForbidden(name, "pdb disruptions allowed is negative", "pdb disruptions allowed is negative")
	case len(tree.Object(b, "status", "disruptedPods")) > maxDisrupted:
		return evictionForbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
			"too many pending evictions not confirmed by PDB controller")
	case left == 0:
		return tooManyEvictions(0, whyNoDisruption(b))
	}
	tree.Set(b, left-1, "status", "disruptionsAllowed")
	if left == 1 {
		setAllowedCondition(b, now)
	}
	tree.Set(b, timeText(now), "status", "disruptedPods", pod)
	return nil
}

// setAllowedCondition says in the status of a budget that no disruption is allowed any more.
func setAllowedCondition(b map[string]any, now time.Time) {
	condition := map[string]any{
		"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
		"lastTransitionTime": timeText(now), "observedGeneration": integer(b, "status", "observedGeneration"),
	}
	list := tree.List(b, "status", "conditions")
	for i, c := range list {
		if tree.Text(c, "type") == "DisruptionAllowed" {
			if tree.Text(c, "status") == "False" {
				condition["lastTransitionTime"] = tree.At(c, "lastTransitionTime")
			}
			list[i] = condition
			return
		}
	}
	tree.Set(b, append(list, condition), "status", "conditions")
}

// whyNoDisruption says why a budget allows no disruption.
func whyNoDisruption(b map[string]any) string {
	head := "The disruption budget " + tree.Name(b)
	why, because := "", ""
	for _, c := range tree.List(b, "status", "conditions") {
		if tree.Text(c, "type") == "DisruptionAllowed" && tree.Text(c, "status") == "False" {
			why, because = tree.Text(c, "message"), tree.Text(c, "reason")
		}
	}
	healthy, wanted := integer(b, "status", "currentHealthy"), integer(b, "status", "desiredHealthy")
	switch {
	case why != "" && because == "SyncFailed":
		return head + " does not allow evicting pods currently because it failed sync: " + why
	case healthy <= wanted:
		return fmt.Sprintf("%s needs %d healthy pods and has %d currently", head, wanted, healthy)
	case why != "":
		return head + " does not allow evicting pods currently (" + because + "): " + why
	}
	return head + " does not allow evicting pods currently"
}

// tooManyEvictions returns the 429 of a budget, with when to ask again, in seconds.
func tooManyEvictions(retry int, why string) error {
	return &status.Error{Code: http.StatusTooManyRequests, Reason: "TooManyRequests", RetryAfter: retry,
		Message: "Cannot evict pod as it would violate the pod's disruption budget.",
		Details: &status.Details{Causes: []field.Error{{Reason: "DisruptionBudget", Message: why}}},
	}
}

// evictionForbidden returns the 403 of a budget whose status makes no sense.
func evictionForbidden(name, why, cause string) error {
	return &status.Error{Code: http.StatusForbidden, Reason: "Forbidden",
		Message: "poddisruptionbudget.policy " + strconv.Quote(name) + " is forbidden: " + why,
		Details: &status.Details{Name: name, Group: "policy", Kind: "poddisruptionbudget", Causes: []field.Error{{
			Reason: "DisruptionBudget", Message: "The disruption budget " + name + " does not allow evicting pods currently: " + cause}}},
	}
}

// evict says in the pod's status why it goes, and deletes it.
func (q *Call) evict(o *DeleteOptions) error {
	c := q.api.on(q, q.Resource, q.name)
	if !q.dryRun {
		var marked *store.Object
		err := c.retry(forever, func(old *store.Object) error {
			if old == nil {
				return q.notFound(q.name)
			}
			if err := o.check(q, old); err != nil {
				return err
			}
			w := write{Call: c, old: old, was: c.decode(old), next: c.decode(old)}
			setPodCondition(w.next, map[string]any{
				"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
			}, time.Now())
			err := w.commit()
			marked = w.done
			return err
		})
		if err != nil {
			return err
		}
		if o.ResourceVersion != nil && marked != nil { // it was the one that is marked
			rev := strconv.FormatInt(marked.Rev, 10)
			o.ResourceVersion = &rev
		}
	}
	_, _, err := c.Delete(o)
	return err
}
