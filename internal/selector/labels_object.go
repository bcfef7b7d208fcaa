package selector

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
)

// A selector need not be a text: the objects that select others (a Deployment its pods) have one in
// fields, whose operators have names of their own.

// FromObject returns the selector that an object of the API's type LabelSelector is. One without any
// requirement selects everything, as upstream has it; that one which is not there selects nothing is the
// caller's to know. The error is of what is no selector.
func FromObject(obj map[string]any) (l Labels, err error) {
	labels, _ := obj["matchLabels"].(map[string]any)
	for k, v := range labels {
		s, _ := v.(string)
		if err := l.Require(k, "=", s); err != nil {
			return l, err
		}
	}
	expressions, _ := obj["matchExpressions"].([]any)
	for _, e := range expressions {
		e, _ := e.(map[string]any)
		key, _ := e["key"].(string)
		operator, _ := e["operator"].(string)
		list, _ := e["values"].([]any)
		values := make([]string, len(list))
		for i, v := range list {
			values[i], _ = v.(string)
		}
		if err := l.Require(key, operator, values...); err != nil {
			return l, err
		}
	}
	return l, nil
}

// Require adds a requirement to the selector, which must not be in use yet. operator is one of the API's:
// In, NotIn, Exists or DoesNotExist, or = for one of matchLabels. The error says, in upstream's words, why
// there is no such requirement; the selector is as it was then.
func (l *Labels) Require(key, operator string, values ...string) error {
	r := requirement{key: key, values: slices.Compact(slices.Sorted(slices.Values(values)))}
	if errs := field.LabelKeyErrors(key); errs != nil {
		return fmt.Errorf("key: Invalid value: %q: %s", key, strings.Join(errs, "; "))
	}
	switch operator {
	case "=":
		r.op = "="
	case "In":
		r.op = opIn
	case "NotIn":
		r.op = opNotIn
	case "Exists":
		r.op = opExists
	case "DoesNotExist":
		r.op = opAbsent
	default:
		return fmt.Errorf("%q is not a valid label selector operator", operator)
	}
	switch needs := r.op != opExists && r.op != opAbsent; {
	case needs && len(values) == 0:
		return fmt.Errorf("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
	case !needs && len(values) > 0:
		return fmt.Errorf("values: Invalid value: %q: values set must be empty for exists and does not exist", values)
	}
	if err := r.check(); err != nil {
		return err
	}
	// Sorted by key, behind those of the same key.
	at := slices.IndexFunc(l.all, func(o requirement) bool { return o.key > key })
	if at < 0 {
		at = len(l.all)
	}
	l.all = slices.Insert(l.all, at, r)
	return nil
}
