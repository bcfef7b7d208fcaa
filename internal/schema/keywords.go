package schema

import (
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The keywords of a schema in a CRD. First their shapes: which keywords there are, and of what type
// their values have to be. Upstream refuses a wrong type when it reads the CRD, before any rule is
// asked; here the shape is checked first, and all other checks rely on it. Then the rules for
// keywords that hold in every schema, be it a structural part or an alternative.
//
// A keyword that is not in the table is no error: the resource API prunes it as an unknown field of
// the CRD before a check sees it.

// schemaKeywords holds the type of each keyword's value: a JSON type, or schema, schemas (a
// list), fields (an object of schemas), texts, count (an integer), items or extra (what
// items and additionalProperties take), any.
var schemaKeywords = map[string]string{
	// About the value as a whole.
	"type": "string", "format": "string", "nullable": "boolean", "enum": "array", "default": "any",
	"title": "string", "description": "string", "example": "any", "externalDocs": "object",

	// Numbers and texts.
	"maximum": "number", "exclusiveMaximum": "boolean", "minimum": "number", "exclusiveMinimum": "boolean", "multipleOf": "number",
	"maxLength": "count", "minLength": "count", "pattern": "string",

	// Lists.
	"items": "items", "additionalItems": "extra", "maxItems": "count", "minItems": "count", "uniqueItems": "boolean",

	// Objects.
	"properties": "fields", "patternProperties": "fields", "additionalProperties": "extra",
	"required": "texts", "maxProperties": "count", "minProperties": "count", "dependencies": "object",

	// Other schemas.
	"allOf": "schemas", "anyOf": "schemas", "oneOf": "schemas", "not": "schema",
	"definitions": "fields", "$ref": "string", "$schema": "string", "id": "string",

	// Kubernetes' own.
	"x-kubernetes-embedded-resource": "boolean", "x-kubernetes-int-or-string": "boolean",
	"x-kubernetes-preserve-unknown-fields": "boolean", "x-kubernetes-list-map-keys": "texts",
	"x-kubernetes-list-type": "string", "x-kubernetes-map-type": "string", "x-kubernetes-validations": "array",
}

// shapeWords holds what an error calls a type of schemaKeywords.
var shapeWords = map[string]string{
	"string": "a string", "boolean": "a boolean", "number": "a number", "count": "an integer",
	"array": "an array", "object": "an object", "texts": "an array of strings",
}

// pointerKeywords are those that upstream keeps apart from absent ones whatever their value is: fields
// of pointers, and an object of dependencies that need not have any.
var pointerKeywords = []string{
	"$ref", "default", "example", "externalDocs", "items", "not", "additionalProperties", "additionalItems", "dependencies",
	"x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-map-type",
}

// isGiven reports whether upstream takes a keyword with the value v for given: it reads a CRD into a
// struct in which false, "" and an empty list are what a missing keyword leaves.
func isGiven(keyword string, v any) bool {
	return v != nil && (slices.Contains(pointerKeywords, keyword) || !isZeroValue(v))
}

// isZeroValue reports whether v is what a missing field of a struct has that is no pointer.
func isZeroValue(v any) bool {
	switch v := v.(type) {
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	// Numbers are pointers upstream: 0 is there.
	return v == nil
}

// shape checks that v is a schema, and that the values of its keywords are of their types, at any
// depth. A keyword with null counts as absent.
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
			// A list of schemas has the right shape; that it is not supported is said below.
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
				c.invalid(at, v, "must be "+shapeWords[want])
			}
		}
	}
}

// shapeList checks that v is a list of schemas.
func (c *crdErrors) shapeList(p *field.Path, v any) {
	list, ok := v.([]any)
	if !ok {
		c.invalid(p, v, "must be an array")
	}
	for i, e := range list {
		c.shape(p.Index(i), e)
	}
}

// hasShape reports whether v is of a type of schemaKeywords that holds no schemas.
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

// keywordCheck checks the rules for keywords of one schema. Its errors come in the order in which
// upstream asks. Those of rules in CEL come after them.
type keywordCheck struct {
	crdErrors
	rules rulesCheck
}

// keywordScope is what a schema inherits from those around it.
type keywordScope struct {
	// noDefaults says why defaults are forbidden, in the words that end the error; "" when they
	// are not.
	noDefaults string
	// inMeta says that the schema is about apiVersion, kind or metadata of a resource.
	inMeta bool
	// place is where the rules of the schema are compiled.
	place *rulePlace
	// uncorrelated is the outermost place around it whose parts cannot be told apart from one object to the next, nil if there is
	// none: rules have no oldSelf there.
	uncorrelated *field.Path
}

// alternative returns the scope of what is below not, allOf and the like.
func (s keywordScope) alternative() keywordScope {
	s.place = nil
	return s
}

// within returns the scope of a part whose place is given; isKept says that it corresponds to a part of the old object. p is the
// path of the schema that s is of.
func (s keywordScope) within(p *field.Path, place *rulePlace, isKept bool) keywordScope {
	if s.place = place; !isKept && s.uncorrelated == nil {
		s.uncorrelated = p
	}
	return s
}

// unsupportedKeywords are parts of JSON Schema that no CRD may use. $schema is another, of which
// upstream speaks only where it has nothing else to say.
var unsupportedKeywords = []string{"id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"}

// node checks one schema and all below it; root says that it is the schema of the whole object.
func (c *keywordCheck) node(p *field.Path, s map[string]any, root bool, scope keywordScope) {
	if s == nil || c.full() {
		return
	}
	before := len(c.errs)
	c.plain(p, s, scope)
	c.fields(p, s, root, scope)
	// The order from here on is upstream's: not, allOf, oneOf, anyOf, items, then the extensions.
	if not := tree.Object(s, "not"); not != nil {
		c.node(p.Child("not"), not, false, scope.alternative())
	}
	for _, keyword := range []string{"allOf", "oneOf", "anyOf", "items"} {
		for i, e := range tree.List(s, keyword) {
			sub, _ := e.(map[string]any)
			c.node(p.Child(keyword).Index(i), sub, false, scope.alternative())
		}
	}
	// Both are refused, and gone into all the same.
	for _, keyword := range []string{"definitions", "dependencies"} {
		below := tree.Object(s, keyword)
		for _, name := range tree.SortedKeys(below) {
			c.node(p.Child(keyword).Key(name), tree.Object(below, name), false, scope.alternative())
		}
	}
	if items := tree.Object(s, "items"); items != nil {
		c.node(p.Child("items"), items, false, scope.within(p, scope.place.items(), s["x-kubernetes-list-type"] == "map"))
	}
	c.extensions(p, s)
	if rules := tree.List(s, "x-kubernetes-validations"); len(rules) > 0 {
		at := p.Child("x-kubernetes-validations")
		c.ruleWords(at, rules, s)
		// What is wrong with a schema is wrong with the types of its rules.
		if scope.place != nil && len(c.errs) == before {
			c.rules.check(at, scope.place, rules, scope.uncorrelated)
		}
	}
}

// fields checks additionalProperties and properties, and what they hand down: the metadata of a
// resource has no defaults, because the server fills it in itself.
func (c *keywordCheck) fields(p *field.Path, s map[string]any, root bool, scope keywordScope) {
	props := tree.Object(s, "properties")
	if extra := s["additionalProperties"]; extra != nil {
		// true beside properties passes: the other fields are known and may be anything.
		if len(props) > 0 && extra != true {
			c.forbidden(p.Child("additionalProperties"), "additionalProperties and properties are mutual exclusive")
		}
		sub := scope
		sub.place = scope.place.additional()
		if scope.inMeta {
			sub.noDefaults = "inside additionalProperties applying to object metadata"
		}
		c.node(p.Child("additionalProperties"), tree.Object(s, "additionalProperties"), false, sub)
	}
	mapType := s["x-kubernetes-map-type"]
	for _, name := range tree.SortedKeys(props) {
		sub := scope.within(p, scope.place.field(name), mapType == nil || mapType == "granular" || mapType == "atomic")
		if (root || tree.True(s["x-kubernetes-embedded-resource"])) && isTypeOrMeta(name) {
			sub.inMeta = true
			if root {
				sub.noDefaults = "in top-level " + name
			}
		}
		c.node(p.Child("properties").Key(name), tree.Object(props, name), false, sub)
	}
}

// plain checks the keywords that OpenAPI has as well.
func (c *keywordCheck) plain(p *field.Path, s map[string]any, scope keywordScope) {
	typ := tree.Text(s, "type")
	if typ != "" && !slices.Contains(schemaTypeNames, typ) {
		c.notSupported(p.Child("type"), typ, "array", "boolean", "integer", "number", "object", "string")
	}
	if s["default"] != nil && scope.noDefaults != "" {
		c.forbidden(p.Child("default"), "must not be set "+scope.noDefaults)
	}
	for _, k := range unsupportedKeywords {
		if isGiven(k, s[k]) {
			c.forbidden(p.Child(k), k+" is not supported")
		}
	}
	// In addition to the error above: a hint for those who come from JSON Schema.
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
