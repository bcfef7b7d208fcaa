package api

import (
	"strconv"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// refuseConditions refuses configurations of webhooks with matchConditions, which are in CEL and not evaluated here: to ask such a
// webhook in any case could refuse what it is not about, and not to ask it could let pass what it is there for. What an
// earlier server has stored may stay as it is.
func refuseConditions(q *Call, obj, old map[string]any) error {
	kept := map[string]any{}
	for _, h := range tree.List(old, "webhooks") {
		kept[tree.Text(h, "name")] = tree.At(h, "matchConditions")
	}
	var errs []field.Error
	for i, h := range tree.List(obj, "webhooks") {
		conditions := tree.List(h, "matchConditions")
		if len(conditions) > 0 && !tree.Equal(any(conditions), kept[tree.Text(h, "name")]) {
			errs = append(errs, field.Forbidden("webhooks["+strconv.Itoa(i)+"].matchConditions",
				"expressions in CEL are not evaluated by this server; leave them out, and select by namespaceSelector, objectSelector and rules"))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return status.Invalid(q.Group, q.Kind, tree.Name(obj), errs)
}
