package schema

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The keywords of a schema in a CRD: which there are and of what type their values are,
// and the rules for them that hold in every schema, structural part or alternative.

// schemaKeywords is the type of each keyword's value: a JSON type, or schema, schemas (a
// list), fields (an object of schemas), texts, count (an integer), items or extra (what
// items and additionalProperties take), any.
var schemaKeywords = map[string]string{
	"$ref": "string", "$schema": "string", "description": "string", "format": "string", "id": "string", "pattern": "string", "title": "string", "type": "string",
	"x-kubernetes-list-type": "string", "x-kubernetes-map-type": "string",
	"exclusiveMaximum": "boolean", "exclusiveMinimum": "boolean", "nullable": "boolean", "uniqueItems": "boolean",
	"x-kubernetes-embedded-resource": "boolean", "x-kubernetes-int-or-string": "boolean", "x-kubernetes-preserve-unknown-fields": "boolean",
	"maximum": "number", "minimum": "number", "multipleOf": "number",
	"maxItems": "count", "maxLength": "count", "maxProperties": "count", "minItems": "count", "minLength": "count", "minProperties": "count",
	"required": "texts", "x-kubernetes-list-map-keys": "texts",
	"enum": "array", "x-kubernetes-validations": "array", "dependencies": "object", "externalDocs": "object",
	"definitions": "fields", "patternProperties": "fields", "properties": "fields",
	"allOf": "schemas", "anyOf": "schemas", "oneOf": "schemas", "not": "schema",
	"items": "items", "additionalItems": "extra", "additionalProperties": "extra",
	"default": "any", "example": "any",
}

// shape says where the value of a keyword is not of its type. Other checks rely on it.
func (c *crdErrors) shape(p *field.Path, v any) {
	s, ok := v.(map[string]any)
	if !ok {
		c.invalid(p, v, "must be an object")
		return
	}
	for _, keyword := range tree.SortedKeys(s) {
		v, at := s[keyword], p.Child(keyword)
		if v == nil || c.full() {
			continue
		}
		switch want := schemaKeywords[keyword]; want {
		case "", "any":
		case "schema":
			c.shape(at, v)
		case "fields":
			o, ok := v.(map[string]any)
			if !ok {
				c.invalid(at, v, "must be an object")
			}
			for _, name := range tree.SortedKeys(o) {
				c.shape(at.Key(name), o[name])
			}
		case "schemas":
			c.shapeList(at, v)
		case "items":
			if _, ok := v.([]any); ok {
				c.shapeList(at, v)
			} else {
				c.shape(at, v)
			}
		case "extra":
			if _, ok := v.(bool); !ok {
				c.shape(at, v)
			}
		default:
			if !hasShape(v, want) {
				c.invalid(at, v, "must be "+map[string]string{"array": "an array", "object": "an object", "count": "an integer", "texts": "an array of strings"}[want]+
					map[string]string{"string": "a string", "boolean": "a boolean", "number": "a number"}[want])
			}
		}
	}
}

func (c *crdErrors) shapeList(p *field.Path, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalid(p, v, "must be an array")
	}
	for i, e := range list {
		c.shape(p.Index(i), e)
	}
}

func hasShape(v any, want string) bool {
	switch want {
	case "count":
		_, ok := v.(int64)
		return ok
	case "number":
		_, ok := tree.Float(v)
		return ok
	case "texts":
		list, ok := v.([]any)
		return ok && len(tree.Strings(list)) == len(list)
	case "boolean":
		return tree.TypeName(v) == "bool"
	}
	return tree.TypeName(v) == want
}

// keywordCheck checks the rules for keywords, in upstream's order.
type keywordCheck struct{ crdErrors }

// keywordScope is what is inherited from outer schemas.
type keywordScope struct {
	noDefaults string // why defaults are forbidden; "" when they are not
	inMeta     bool   // this is about apiVersion, kind or metadata
}

// unsupportedKeywords are not supported anywhere.
var unsupportedKeywords = []string{"id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"}

func (c *keywordCheck) node(p *field.Path, s map[string]any, root bool, scope keywordScope) {
	if s == nil || c.full() {
		return
	}
	c.plain(p, s, scope)
	props := tree.Object(s, "properties")
	if extra := s["additionalProperties"]; extra != nil {
		if len(props) > 0 && extra != true {
			c.forbidden(p.Child("additionalProperties"), "additionalProperties and properties are mutual exclusive")
		}
		sub := scope
		if scope.inMeta {
			sub.noDefaults = "inside additionalProperties applying to object metadata"
		}
		c.node(p.Child("additionalProperties"), tree.Object(s, "additionalProperties"), false, sub)
	}
	for _, name := range tree.SortedKeys(props) {
		sub := scope
		if (root || tree.True(s["x-kubernetes-embedded-resource"])) && isTypeOrMeta(name) {
			sub.inMeta = true
			if root {
				sub.noDefaults = "in top-level " + name
			}
		}
		c.node(p.Child("properties").Key(name), tree.Object(props, name), false, sub)
	}
	if not := tree.Object(s, "not"); not != nil {
		c.node(p.Child("not"), not, false, scope)
	}
	for _, keyword := range []string{"allOf", "oneOf", "anyOf", "items"} {
		for i, e := range tree.List(s, keyword) {
			sub, _ := e.(map[string]any)
			c.node(p.Child(keyword).Index(i), sub, false, scope)
		}
	}
	if items := tree.Object(s, "items"); items != nil {
		c.node(p.Child("items"), items, false, scope)
	}
	c.extensions(p, s)
	if rules := tree.List(s, "x-kubernetes-validations"); len(rules) > 0 {
		c.rules(p.Child("x-kubernetes-validations"), rules)
	}
}

// plain checks the keywords of OpenAPI.
func (c *keywordCheck) plain(p *field.Path, s map[string]any, scope keywordScope) {
	typ := tree.Text(s, "type")
	if typ != "" && !slices.Contains(schemaTypeNames, typ) {
		c.notSupported(p.Child("type"), typ, "array", "boolean", "integer", "number", "object", "string")
	}
	if s["default"] != nil && scope.noDefaults != "" {
		c.forbidden(p.Child("default"), "must not be set "+scope.noDefaults)
	}
	for _, k := range unsupportedKeywords {
		if v := s[k]; v != nil && (v == false || k == "$ref" || k == "dependencies" || !isZeroValue(v)) {
			c.forbidden(p.Child(k), k+" is not supported")
		}
	}
	if typ == "null" {
		c.forbidden(p.Child("type"), "type cannot be set to null, use nullable as an alternative")
	}
	if len(tree.List(s, "items")) > 0 {
		c.forbidden(p.Child("items"), "items must be a schema object and not an array")
	}
	if scope.inMeta && tree.True(s["x-kubernetes-embedded-resource"]) {
		c.forbidden(p.Child("x-kubernetes-embedded-resource"), "must not be used inside of resource meta")
	}
	if tree.True(s["uniqueItems"]) {
		c.forbidden(p.Child("uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic")
	}
}

// typeFor checks that a schema with this extension is of a type.
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

// extensions checks the keywords that begin with x-kubernetes.
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

// setItems checks that the items of a set are compared as a whole.
func (c *keywordCheck) setItems(p *field.Path, items map[string]any) {
	const detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
	switch tree.Text(items, "type") {
	case "array":
		if t := items["x-kubernetes-list-type"]; t != nil && t != "atomic" {
			c.invalid(p.Child("x-kubernetes-list-type"), t, detail)
		}
	case "object":
		if items["x-kubernetes-map-type"] != "atomic" {
			c.invalid(p.Child("x-kubernetes-map-type"), items["x-kubernetes-list-type"], detail)
		}
	}
}

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
		c.invalid(p.Child("items").Child("type"), tree.Text(items, "type"), "must be object if parent array's x-kubernetes-list-type is map")
		return
	}
	props, seen := tree.Object(items, "properties"), map[string]bool{}
	shown := cutValue(tree.List(s, "x-kubernetes-list-map-keys")) // once: there may be many
	for _, k := range keys {
		key, there := props[k]
		if typ := tree.Text(key, "type"); !there {
			c.invalid(at, shown, "entries must all be names of item properties")
		} else if typ == "array" || typ == "object" {
			c.invalid(p.Child("items").Child("properties").Key(k).Child("type"), tree.Text(items, "type"), "must be a scalar type if parent array's x-kubernetes-list-type is map")
		}
		if seen[k] {
			c.invalid(at, shown, "must not contain duplicate entries")
		}
		seen[k] = true
	}
}

// mapKeys checks that every item of a map has its keys.
func (c *keywordCheck) mapKeys(p *field.Path, items map[string]any, keys []string) {
	required := map[string]bool{}
	for _, name := range tree.Strings(tree.List(items, "required")) {
		required[name] = true
	}
	for _, k := range keys {
		prop := tree.Object(items, "properties", k)
		if prop == nil {
			continue
		}
		at := p.Child("properties").Key(k)
		if !required[k] && prop["default"] == nil {
			c.required(at.Child("default"), "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property")
		}
		if tree.True(prop["nullable"]) {
			c.forbidden(at.Child("nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable")
		}
	}
}

// rules checks x-kubernetes-validations as far as that needs no CEL.
func (c *keywordCheck) rules(p *field.Path, rules []any) {
	for i, r := range rules {
		at := p.Index(i)
		rule, message := strings.TrimSpace(tree.Text(r, "rule")), tree.Text(r, "message")
		trimmed := strings.TrimSpace(message)
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
		reasons := []string{"FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"}
		if reason := tree.At(r, "reason"); reason != nil && !slices.Contains(reasons, fmt.Sprint(reason)) {
			c.notSupported(at.Child("reason"), reason, reasons...)
		}
		if f := tree.Text(r, "fieldPath"); f != "" && strings.TrimSpace(f) == "" {
			c.invalid(at.Child("fieldPath"), f, "must be non-empty if specified")
		} else if strings.ContainsAny(f, "\r\n") {
			c.invalid(at.Child("fieldPath"), f, "must not contain line breaks")
		}
	}
}
