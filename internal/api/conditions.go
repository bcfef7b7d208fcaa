package api

import (
	"slices"
	"time"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// hasCondition reports whether obj has a condition of a type in its status whose status is True.
// Unknown and False are as good as absent. obj may be any tree.
func hasCondition(obj map[string]any, typ string) bool {
	return slices.ContainsFunc(tree.List(obj, "status", "conditions"), func(c any) bool {
		return tree.Text(c, "type") == typ && tree.Text(c, "status") == "True"
	})
}

// putCondition sets the condition of a type in a status object, in place or at the end. value is
// True, False or Unknown; reason is one word for programs, message a text for people. The time of
// the last transition stays unless value is another than before.
func putCondition(status map[string]any, typ, value, reason, message string) {
	status["conditions"] = schema.SetCondition(tree.List(status, "conditions"), typ, value, reason, message, time.Now())
}

// dropCondition takes the conditions of a type out of a status object. A list that has become
// empty stays.
func dropCondition(status map[string]any, typ string) {
	if list := tree.List(status, "conditions"); list != nil {
		status["conditions"] = slices.DeleteFunc(list, func(c any) bool { return tree.Text(c, "type") == typ })
	}
}
