package controller

import (
	"testing"

	"apichain/internal/tree"
)

// TestSetCondition: a condition is added, left alone or replaced, and its time is that of its status.
func TestSetCondition(t *testing.T) {
	condition := func(status, reason string) map[string]any {
		return map[string]any{"type": "A", "status": status, "reason": reason}
	}
	const then = "2026-01-01T00:00:00Z"
	obj := map[string]any{}
	if !setCondition(obj, condition("True", "a")) || len(tree.List(obj, "status", "conditions")) != 1 {
		t.Fatalf("a first condition leaves %v", obj)
	}
	has := func() map[string]any { return tree.List(obj, "status", "conditions")[0].(map[string]any) }
	has()["lastTransitionTime"] = then
	for _, c := range []struct {
		status, reason string
		changes, moves bool
	}{{"True", "a", false, false}, {"True", "b", true, false}, {"False", "b", true, true}} {
		if got := setCondition(obj, condition(c.status, c.reason)); got != c.changes {
			t.Errorf("%s, %s changes it: %v", c.status, c.reason, got)
		}
		if got := has(); got["reason"] != c.reason || (got["lastTransitionTime"] != then) != c.moves {
			t.Errorf("%s, %s leaves %v", c.status, c.reason, got)
		}
	}
	// Others stay.
	if setCondition(obj, map[string]any{"type": "B", "status": "True"}); len(tree.List(obj, "status", "conditions")) != 2 {
		t.Errorf("a second condition leaves %v", obj)
	}
}
