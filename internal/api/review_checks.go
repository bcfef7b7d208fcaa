package api

import (
	"fmt"
	"strings"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What an access review may say. It asks about one thing, a resource or a path, and has no metadata of its
// own, since it is never stored. A resource may be narrowed by selectors: those must have a form; what they
// say is not looked at, since no authorizer here decides by it, but what could not be read is told.

// wipeReview takes out of the metadata of a review what only the server says, and puts in where it is.
func (q *Call) wipeReview(obj map[string]any) {
	m := tree.Metadata(obj)
	for _, name := range [...]string{"uid", "selfLink", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		delete(m, name)
	}
	setOrDelete(m, "namespace", q.namespace, q.Namespaced)
}

// checkAccess refuses an access review that does not ask about exactly one thing, or has metadata. more are
// errors behind those of the spec, and last those behind all.
func (q *Call) checkAccess(obj map[string]any, more, last []field.Error) error {
	errs := append(append(accessErrors(tree.Object(obj, "spec")), more...), selectorErrors(obj)...)
	rest := tree.Copy(tree.Metadata(obj)).(map[string]any)
	delete(rest, "managedFields")
	except := ""
	if q.Namespaced {
		delete(rest, "namespace")
		except = " except for namespace"
	}
	if len(rest) > 0 {
		errs = append(errs, field.Invalid("metadata", tree.Metadata(obj), "must be empty"+except))
	}
	if errs = append(errs, last...); len(errs) > 0 {
		return status.Invalid(q.Group, q.Kind, "", errs)
	}
	return nil
}

// accessErrors returns what is wrong with a spec that does not ask about exactly one thing, a
// resource or a path.
func accessErrors(spec map[string]any) []field.Error {
	resource, path := tree.Object(spec, "resourceAttributes"), tree.Object(spec, "nonResourceAttributes")
	if (resource == nil) != (path == nil) {
		return nil
	}
	return []field.Error{field.Invalid("spec", shownPath(path),
		"exactly one of nonResourceAttributes or resourceAttributes must be specified")}
}

// shownPath returns what a spec asks about a path as upstream shows it.
func shownPath(path map[string]any) any {
	if path == nil {
		return nil
	}
	b := tree.AppendJSONString([]byte(`{"Path":`), tree.Text(path, "path"))
	return field.JSON(append(tree.AppendJSONString(append(b, `,"Verb":`...), tree.Text(path, "verb")), '}'))
}

// selectorErrors returns what is wrong with the form of the selectors of a review. Operators that nobody
// knows are let be, for the sake of newer clients.
func selectorErrors(obj map[string]any) (errs []field.Error) {
	for _, of := range [...]string{"fieldSelector", "labelSelector"} {
		s := tree.Object(obj, "spec", "resourceAttributes", of)
		if s == nil {
			continue
		}
		at := "spec.resourceAttributes." + of
		raw, requirements := tree.Text(s, "rawSelector"), tree.List(s, "requirements")
		if raw != "" && len(requirements) > 0 {
			errs = append(errs, field.Invalid(at+".rawSelector", raw, "may not specified at the same time as requirements"))
		}
		if raw == "" && len(requirements) == 0 {
			errs = append(errs, field.Required(at+".requirements", "when "+at+" is specified, requirements or rawSelector is required"))
		}
		for i, r := range requirements {
			errs = append(errs, requirementErrors(fmt.Sprintf("%s.requirements[%d]", at, i), r, of == "labelSelector")...)
		}
	}
	return errs
}

// requirementErrors returns what is wrong with one requirement, of labels or of fields.
func requirementErrors(at string, r any, labels bool) (errs []field.Error) {
	key, values := tree.Text(r, "key"), tree.Strings(tree.List(r, "values"))
	switch tree.Text(r, "operator") {
	case "In", "NotIn":
		if len(values) == 0 {
			errs = append(errs, field.Required(at+".values", "must be specified when `operator` is 'In' or 'NotIn'"))
		}
	case "Exists", "DoesNotExist":
		if len(values) > 0 {
			errs = append(errs, field.Forbidden(at+".values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
		}
	}
	if !labels {
		if key == "" {
			errs = append(errs, field.Required(at+".key", "must be specified"))
		}
		return errs
	}
	for _, why := range field.LabelKeyErrors(key) {
		errs = append(errs, field.Invalid(at+".key", key, why))
	}
	for i, value := range values {
		for _, why := range field.LabelValueErrors(value) {
			errs = append(errs, field.Invalid(fmt.Sprintf("%s.values[%d]", at, i), value, why))
		}
	}
	return errs
}

// unreadSelectors says which selectors of a review could not be read, or not as a whole.
func unreadSelectors(obj map[string]any) (told []string) {
	attributes := tree.Object(obj, "spec", "resourceAttributes")
	for _, of := range [...]struct {
		name  string
		parse func(string) error
		read  func(r any) bool
	}{
		{"fieldSelector", func(s string) error { _, err := selector.ParseFields(s); return err }, readsField},
		{"labelSelector", func(s string) error { _, err := selector.ParseLabels(s); return err }, readsLabel},
	} {
		s := tree.Object(attributes, of.name)
		read, all := 0, tree.List(s, "requirements")
		for _, r := range all {
			if of.read(r) {
				read++
			}
		}
		raw := tree.Text(s, "rawSelector")
		switch {
		case raw != "" && of.parse(raw) != nil, read == 0 && len(all) > 0:
			told = append(told, "spec.resourceAttributes."+of.name+" ignored due to parse error")
		case read < len(all):
			told = append(told, "spec.resourceAttributes."+of.name+" partially ignored due to parse error")
		}
	}
	return told
}

// readsField reports whether a requirement of a field is one that upstream has: one value, or not that.
func readsField(r any) bool {
	operator := tree.Text(r, "operator")
	return (operator == "In" || operator == "NotIn") && len(tree.List(r, "values")) == 1
}

// readsLabel reports whether a requirement of a label has an operator that upstream knows.
func readsLabel(r any) bool {
	switch tree.Text(r, "operator") {
	case "In", "NotIn", "Exists", "DoesNotExist":
		return true
	}
	return false
}

// decide asks the authorizer in force whether u may do what the spec of obj says, and sets the
// status of obj. The plain listener asks nobody, since its only user may do everything; here it is
// asked nevertheless, as the question may be about others. Of system:masters upstream gives no reason.
func (q *Call) decide(obj map[string]any, u *request.User) {
	d := q.api.Config.Authorizer.Authorize(q.req.Context(), u, askedInfo(tree.Object(obj, "spec")))
	status := map[string]any{"allowed": d.Verdict == auth.Allow}
	// No opinion is not allowed either, but only a Deny says that nobody else may allow it.
	if d.Verdict == auth.Deny {
		status["denied"] = true
	}
	if d.Reason != "" && d.Rule != "group "+request.GroupMasters {
		status["reason"] = d.Reason
	}
	var told []string
	if d.Err != nil {
		told = append(told, d.Err.Error())
	}
	if told = append(told, unreadSelectors(obj)...); len(told) > 0 {
		status["evaluationError"] = strings.Join(told, "; ")
	}
	obj["status"] = status
}
