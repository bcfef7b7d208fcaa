package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The rules for the keywords that begin with x-kubernetes: what kind of map or list a value is, and
// what x-kubernetes-validations (CEL rules) have to say besides their expressions (rules_definition.go).
//
// A list of type map is the strictest: its items are objects, the keys are fields of theirs, every
// item has every key (by required or by default), and keys are scalars that are not null:
//
//	type: array
//	x-kubernetes-list-type: map
//	x-kubernetes-list-map-keys: [name]
//	items: {type: object, required: [name], properties: {name: {type: string}}}
//
// Otherwise two items could not be told apart, and neither Validate nor an apply could say
// which item of an old list became which of a new one.

// typeFor checks that a schema with this extension has the type want, and reports it.
func (c *keywordCheck) typeFor(p *field.Path, s map[string]any, want, extension string) (ok bool) {
	typ := tree.Text(s, "type")
	switch detail := "must be " + want + " if " + extension + " is specified"; typ {
	case want:
		return true
	case "":
		c.required(p.Child("type"), detail)
	default:
		c.invalid(p.Child("type"), typ, detail)
	}
	return false
}

// extensions checks the kinds of maps and lists of the schema s at p.
func (c *keywordCheck) extensions(p *field.Path, s map[string]any) {
	if s["x-kubernetes-preserve-unknown-fields"] == false {
		c.invalid(p.Child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined")
	}
	if m := s["x-kubernetes-map-type"]; m != nil {
		c.typeFor(p, s, "object", "x-kubernetes-map-type")
		if m != "atomic" && m != "granular" {
			c.notSupported(p.Child("x-kubernetes-map-type"), m, "atomic", "granular")
		}
	}
	list, items := s["x-kubernetes-list-type"], tree.Object(s, "items")
	if list != nil {
		// What is no array has no items to be looked at.
		if c.typeFor(p, s, "array", "x-kubernetes-list-type") && list == "set" {
			c.setItems(p.Child("items"), items)
		}
		if list != "atomic" && list != "set" && list != "map" {
			c.notSupported(p.Child("x-kubernetes-list-type"), list, "atomic", "set", "map")
		}
	}
	keys := tree.Strings(tree.List(s, "x-kubernetes-list-map-keys"))
	if len(keys) > 0 {
		at := p.Child("x-kubernetes-list-type")
		const detail = "must be map if x-kubernetes-list-map-keys is non-empty"
		if list == nil {
			c.required(at, detail)
		} else if list != "map" {
			c.invalid(at, list, detail)
		}
	}
	if list == "map" {
		c.mapItems(p, s, items, keys)
	}
	if items != nil && (list == "set" || list == "map") && tree.True(items["nullable"]) {
		c.forbidden(p.Child("items").Child("nullable"), "cannot be nullable when x-kubernetes-list-type is "+list.(string))
	}
	if items != nil && list == "map" {
		c.mapKeys(p.Child("items"), items, keys)
	}
}

// setItems checks that the items of a set, whose schema is at p, are compared as a whole.
func (c *keywordCheck) setItems(p *field.Path, items map[string]any) {
	const detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
	switch tree.Text(items, "type") {
	case "array":
		// A list is atomic when it does not say what it is; a map is not.
		if t := items["x-kubernetes-list-type"]; t != nil && t != "atomic" {
			c.invalid(p.Child("x-kubernetes-list-type"), t, detail)
		}
	case "object":
		if items["x-kubernetes-map-type"] != "atomic" {
			// The value shown is the list type, which is upstream's mistake.
			c.invalid(p.Child("x-kubernetes-map-type"), items["x-kubernetes-list-type"], detail)
		}
	}
}

// mapItems checks that a list of type map has keys, and that they are scalar fields of its items.
func (c *keywordCheck) mapItems(p *field.Path, s, items map[string]any, keys []string) {
	at := p.Child("x-kubernetes-list-map-keys")
	if len(keys) == 0 {
		c.required(at, "must not be empty if x-kubernetes-list-type is map")
	}
	switch {
	case s["items"] == nil:
		c.required(p.Child("items"), "must have a schema if x-kubernetes-list-type is map")
		return
	case items == nil:
		c.invalid(p.Child("items"), s["items"], "must only have a single schema if x-kubernetes-list-type is map")
		return
	case tree.Text(items, "type") != "object":
		const detail = "must be object if parent array's x-kubernetes-list-type is map"
		c.invalid(p.Child("items").Child("type"), tree.Text(items, "type"), detail)
		return
	}
	props, seen := tree.Object(items, "properties"), map[string]bool{}
	// Made once, since there may be many keys and each may have an error that shows all of them.
	shown := cutValue(tree.List(s, "x-kubernetes-list-map-keys"))
	for _, k := range keys {
		key, there := props[k]
		if typ := tree.Text(key, "type"); !there {
			c.invalid(at, shown, "entries must all be names of item properties")
		} else if typ == "array" || typ == "object" {
			const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
			// Upstream shows the type of the item, not that of the key.
			c.invalid(p.Child("items").Child("properties").Key(k).Child("type"), tree.Text(items, "type"), detail)
		}
		if seen[k] {
			c.invalid(at, shown, "must not contain duplicate entries")
		}
		seen[k] = true
	}
}

// mapKeys checks that every item of a list of type map, whose schema is at p, has every key.
func (c *keywordCheck) mapKeys(p *field.Path, items map[string]any, keys []string) {
	required := map[string]bool{}
	for _, name := range tree.Strings(tree.List(items, "required")) {
		required[name] = true
	}
	for _, k := range keys {
		prop := tree.Object(items, "properties", k)
		if prop == nil {
			// mapItems has said that there is no such field.
			continue
		}
		at := p.Child("properties").Key(k)
		if !required[k] && prop["default"] == nil {
			c.required(at.Child("default"),
				"this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property")
		}
		if tree.True(prop["nullable"]) {
			c.forbidden(at.Child("nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable")
		}
	}
}

// ruleReasons are the reasons that a CEL rule may give for the error that it makes.
var ruleReasons = []string{"FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"}

// ruleWords checks x-kubernetes-validations as far as that needs no CEL. s is the schema that has the rules.
func (c *keywordCheck) ruleWords(p *field.Path, rules []any, s map[string]any) {
	// Asked once, and only where a path leads nowhere.
	isKnown := sync.OnceValue(func() bool { return unsupported(s) == "" })
	for i, r := range rules {
		at := p.Index(i)
		rule, message := strings.TrimSpace(tree.Text(r, "rule")), tree.Text(r, "message")
		trimmed := strings.TrimSpace(message)
		// Without a message the rule itself is shown, which has to fit into one line.
		switch {
		case rule == "":
			c.required(at.Child("rule"), "rule is not specified")
		case message != "" && trimmed == "":
			c.invalid(at.Child("message"), message, "must be non-empty if specified")
		case strings.ContainsAny(trimmed, "\r\n"):
			c.invalid(at.Child("message"), message, "must not contain line breaks")
		case strings.ContainsAny(rule, "\r\n") && trimmed == "":
			c.required(at.Child("message"), "message must be specified if rule contains line breaks")
		}
		if e := tree.Text(r, "messageExpression"); e != "" && strings.TrimSpace(e) == "" {
			c.required(at.Child("messageExpression"), "messageExpression must be non-empty if specified")
		}
		if reason := tree.At(r, "reason"); reason != nil && !slices.Contains(ruleReasons, fmt.Sprint(reason)) {
			c.notSupported(at.Child("reason"), reason, ruleReasons...)
		}
		if f := tree.Text(r, "fieldPath"); f != "" {
			c.rulePath(at.Child("fieldPath"), f, s, isKnown)
		}
	}
}

// rulePath checks the path to the field that a rule of the schema s is about. One path may be wrong in
// several ways. A schema of which nothing structural can be made, for which isKnown returns false, has
// no fields to look for (upstream).
func (c *keywordCheck) rulePath(p *field.Path, path string, s map[string]any, isKnown func() bool) {
	if strings.TrimSpace(path) == "" {
		c.invalid(p, path, "must be non-empty if specified")
	}
	if strings.ContainsAny(path, "\r\n") {
		c.invalid(p, path, "must not contain line breaks")
	}
	if _, _, problem := schemaAtPath(path, s, true); problem != "" && isKnown() {
		c.invalid(p, path, "must be a valid path")
	}
}
