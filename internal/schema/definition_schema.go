package schema

import (
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The check of a version's schema. It is made of stages, each of which may rely on those before it:
//
//  1. the shape of the keywords' values (keywords.go): without it nothing else is asked;
//  2. rules for the root, which are in this file;
//  3. whether the schema is structural (structural.go), unless it has what cannot be;
//  4. if it is, whether its defaults obey it (definition_defaults.go);
//  5. the rules for keywords (keywords.go, keyword_extensions.go), and in a schema that is structural so far the CEL rules
//     (rules_definition.go);
//  6. if there is no error yet, whether it compiles, which finds what all of them missed: defaults
//     that multiply.

// schema checks the schema of a version or, hoisted, of all; p is the path of the field that
// holds openAPIV3Schema. status says that the version has the status subresource, name is what it is called.
func (c *crdCheck) schema(p *field.Path, container any, status bool, name string) {
	raw := tree.At(container, "openAPIV3Schema")
	if raw == nil {
		// Reported by versions.
		return
	}
	p = p.Child("openAPIV3Schema")
	before := len(c.errs)
	if c.shape(p, raw); len(c.errs) > before {
		// Upstream could not even read it.
		return
	}
	s := raw.(map[string]any)
	if status {
		c.statusRoot(p, s)
	}
	if tree.True(s["nullable"]) {
		c.forbidden(p.Child("nullable"), "nullable cannot be true at the root")
	}
	why := unsupported(s)
	keywords := keywordCheck{rules: rulesCheck{
		stored: storedExpressions(c.old), unchanged: func() bool { return c.hasSameSchema(name) }, note: c.note,
	}}
	var scope keywordScope
	var broken error
	if why == "" {
		// Defaults are checked by their schemas, which only structural ones have for sure.
		errs := structuralErrors(p, s)
		if len(errs) == 0 {
			errs = defaultErrors(p, s)
		}
		c.addAll(errs)
		if len(errs) == 0 {
			// Only of a schema that is good so far are there types for its rules.
			var compiled *Schema
			if compiled, broken = Compile(s); broken == nil && compiled.root.ruled {
				scope.place = &rulePlace{&ruleScope{node: compiled.root, resource: true}, placeTimes{times: 1}}
			}
		}
	}
	keywords.node(p, s, true, scope)
	c.addAll(keywords.errs)
	if len(c.errs) == before && why != "" {
		c.invalid(p, "", why)
	}
	keywords.rules.all(p)
	c.addAll(keywords.rules.errs)
	if len(c.errs) == before && broken != nil {
		c.invalid(p, "", "error building validator: "+broken.Error())
	}
}

// rootKeywords are what the root of a schema may say where status is a subresource: what holds of
// the whole object would not be seen by a write of the status.
var rootKeywords = []string{
	"description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
	"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items",
	"properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
}

// rootKeywordsShown is rootKeywords as the error shows them, by the names of upstream's fields.
const rootKeywordsShown = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum " +
	"MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items " +
	"Properties ExternalDocs Example XPreserveUnknownFields XValidations]"

// statusRoot checks the root of a schema where status is a subresource.
func (c *crdCheck) statusRoot(p *field.Path, s map[string]any) {
	const enabled = "if the status subresource is enabled"
	// What stands before the type in upstream's struct is looked at before it.
	before := isGiven("id", s["id"]) || isGiven("$schema", s["$schema"]) || isGiven("$ref", s["$ref"])
	if typ := tree.Text(s, "type"); typ != "" && typ != "object" && !before {
		c.invalid(p.Child("type"), typ, `only "object" is allowed as the type at the root of the schema `+enabled)
		return
	}
	for k, v := range s {
		if _, known := schemaKeywords[k]; known && isGiven(k, v) && !slices.Contains(rootKeywords, k) {
			// The same error for each: one is enough.
			c.invalid(p, s, "only "+rootKeywordsShown+" fields are allowed at the root of the schema "+enabled)
			return
		}
	}
}

// unstructurable are the keywords of which no structural schema can be made, in upstream's order, and
// what the error calls them.
var unstructurable = [][2]string{
	{"id", "id"}, {"$schema", "schema"}, {"$ref", "$ref"}, {"patternProperties", "patternProperties"}, {"dependencies", "dependencies"},
	{"additionalItems", "additionalItems"}, {"definitions", "definitions"},
}

// unsupported returns why no structural schema can be made of s, in upstream's words, and "" if one
// can: whether it has at any depth what cannot be in one. The rules for keywords say so as well, but
// for $schema, and upstream does not ask then whether the rest is structural.
func unsupported(s map[string]any) string {
	for _, k := range unstructurable {
		// Empty is as good as absent here, but for additionalItems.
		if v := s[k[0]]; v != nil && (k[0] == "additionalItems" || !isZeroValue(v)) {
			return "OpenAPIV3Schema '" + k[1] + "' is not supported"
		}
	}
	below := []any{s["not"]}
	below = slices.Concat(below, tree.List(s, "allOf"), tree.List(s, "anyOf"), tree.List(s, "oneOf"))
	if why := firstUnsupported(below); why != "" {
		return why
	}
	if s["x-kubernetes-preserve-unknown-fields"] == false {
		return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
	}
	if len(tree.List(s, "items")) > 0 {
		return "OpenAPIV3Schema 'items' must be a schema, but is an array"
	}
	below = []any{s["items"]}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		below = append(below, props[name])
	}
	return firstUnsupported(append(below, s["additionalProperties"]))
}

// firstUnsupported is unsupported of several schemas. What is none is passed over.
func firstUnsupported(schemas []any) string {
	for _, v := range schemas {
		if s, ok := v.(map[string]any); ok {
			if why := unsupported(s); why != "" {
				return why
			}
		}
	}
	return ""
}
