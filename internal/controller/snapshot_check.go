package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// metadataCheck says what one field of the metadata in a snapshot must be. check gets the path of
// the field, its value, nil if it is absent or null, and whether the resource is namespaced.
type metadataCheck struct {
	key   string
	check func(path string, v any, namespaced bool) []field.Error
}

// metadataChecks are the fields on which the store and its readers rely, in the order in which
// problems are told: keys are made of names and namespaces, owners are found by uid, tables and
// deletion read the times, selectors the labels, the controllers finalizers and owners. All other
// fields are taken as they are.
var metadataChecks = [...]metadataCheck{
	{"name", checkName},
	{"namespace", checkNamespace},
	{"uid", checkUID},
	{"creationTimestamp", checkCreated},
	{"deletionTimestamp", checkDeleted},
	{"labels", checkTexts},
	{"annotations", checkTexts},
	{"finalizers", checkFinalizers},
	{"ownerReferences", checkOwners},
}

// checkStored returns what is wrong with the metadata of an object that is to be stored as it is;
// path is that of the metadata.
func checkStored(obj map[string]any, path string, namespaced bool) (wrong []field.Error) {
	meta := tree.Object(obj, "metadata")
	for _, c := range metadataChecks {
		wrong = append(wrong, c.check(path+"."+c.key, meta[c.key], namespaced)...)
	}
	return wrong
}

// checkText returns the string v, and what is wrong if it is none, or empty though required.
func checkText(path string, v any, required bool) (s string, wrong []field.Error) {
	s, ok := v.(string)
	switch {
	case v != nil && !ok:
		return "", []field.Error{field.Invalid(path, v, "must be a string")}
	case s == "" && required:
		return "", []field.Error{field.Required(path, "a snapshot has it of every object")}
	}
	return s, nil
}

// checkSlash refuses a name with a slash: it is what keeps namespace and name apart in a key.
func checkSlash(path, s string) []field.Error {
	if strings.Contains(s, "/") {
		return []field.Error{field.Invalid(path, s, "may not contain '/'")}
	}
	return nil
}

// checkName wants a name that can be a part of a key. The rules of the kind are not asked: the
// object had this name before.
func checkName(path string, v any, _ bool) []field.Error {
	s, wrong := checkText(path, v, true)
	return append(wrong, checkSlash(path, s)...)
}

// checkNamespace wants a namespace where the resource has them and none where not.
func checkNamespace(path string, v any, namespaced bool) []field.Error {
	s, wrong := checkText(path, v, namespaced)
	if s != "" && !namespaced {
		return []field.Error{field.Forbidden(path, "the resource has no namespaces")}
	}
	return append(wrong, checkSlash(path, s)...)
}

// checkUID wants a uid, of whatever form: owners compare it and nothing reads it.
func checkUID(path string, v any, _ bool) []field.Error {
	_, wrong := checkText(path, v, true)
	return wrong
}

// checkCreated wants a time.
func checkCreated(path string, v any, _ bool) []field.Error { return checkTime(path, v, true) }

// checkDeleted wants a time, if there is one: then the object is being deleted.
func checkDeleted(path string, v any, _ bool) []field.Error { return checkTime(path, v, false) }

// checkTime wants a time as metadata has it.
func checkTime(path string, v any, required bool) []field.Error {
	s, wrong := checkText(path, v, required)
	// What is missing or no string has been told, or is right.
	const right = "2006-01-02T15:04:05Z"
	if _, err := time.Parse(time.RFC3339, cmp.Or(s, right)); err != nil {
		return []field.Error{field.Invalid(path, s, "must be a time of RFC 3339")}
	}
	return wrong
}

// checkTexts wants an object of strings, if there is one; keys are told in their order.
func checkTexts(path string, v any, _ bool) (wrong []field.Error) {
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		return []field.Error{field.Invalid(path, v, "must be an object")}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if _, ok := m[k].(string); !ok {
			wrong = append(wrong, field.Invalid(path+"["+k+"]", m[k], "must be a string"))
		}
	}
	return wrong
}

// checkFinalizers wants names. An empty one could never be taken away by its name.
func checkFinalizers(path string, v any, _ bool) []field.Error {
	return checkEntries(path, v, func(v any) bool {
		s, ok := v.(string)
		return ok && s != ""
	})
}

// checkOwners wants references by which an owner is found. Without an apiVersion its kind is one
// that nobody serves, which is allowed.
func checkOwners(path string, v any, _ bool) []field.Error {
	return checkEntries(path, v, func(v any) bool {
		return tree.Text(v, "kind") != "" && tree.Text(v, "name") != "" && tree.Text(v, "uid") != ""
	})
}

// checkEntries wants a list, if there is one, whose elements are all complete.
func checkEntries(path string, v any, complete func(any) bool) (wrong []field.Error) {
	list, ok := v.([]any)
	if v != nil && !ok {
		return []field.Error{field.Invalid(path, v, "must be a list")}
	}
	for i, e := range list {
		if !complete(e) {
			wrong = append(wrong, field.Invalid(fmt.Sprintf("%s[%d]", path, i), e, "is not complete"))
		}
	}
	return wrong
}
