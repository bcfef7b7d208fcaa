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
//  5. the rules for keywords (keywords.go, keyword_extensions.go);
//  6. if there is no error yet, whether it compiles, which finds what all of them missed: defaults
//     that multiply.

// schema checks the schema of a version or, hoisted, of all; p is the path of the field that
// holds openAPIV3Schema. status says that the version has the status subresource.
func (c *crdCheck) schema(p *field.Path, container any, status bool) {
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
	unsupported := hasUnsupported(s)
	if !unsupported {
		// Defaults are checked by their schemas, which only structural ones have for sure.
		errs := structuralErrors(p, s)
		if len(errs) == 0 {
			errs = defaultErrors(p, s)
		}
		c.addAll(errs)
	}
	keywords := keywordCheck{}
	keywords.node(p, s, true, keywordScope{})
	c.addAll(keywords.errs)
	if len(c.errs) == before && unsupported {
		c.invalid(p, "", "OpenAPIV3Schema 'schema' is not supported")
	}
	if len(c.errs) == before {
		if _, err := Compile(s); err != nil {
			c.invalid(p, "", "error building validator: "+err.Error())
		}
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

// hasUnsupported reports whether a schema has, at any depth, something of which no structural schema
// can be made. The rules for keywords then say so, and upstream does not ask whether the rest
// is structural.
func hasUnsupported(s map[string]any) (found bool) {
	walkSchema(nil, s, func(_ *field.Path, s map[string]any) {
		for _, k := range unsupportedKeywords {
			// Empty is as good as absent here, but for additionalItems.
			found = found || s[k] != nil && (k == "additionalItems" || !isZeroValue(s[k]))
		}
		found = found || tree.Text(s, "$schema") != "" || len(tree.List(s, "items")) > 0 || s["x-kubernetes-preserve-unknown-fields"] == false
	})
	return found
}
