package discovery

import (
	"slices"
	"strings"

	"apichain/internal/tree"
)

// What OpenAPI v2 leaves out of the schemas that v3 has (upstream: kube-openapi's conversion for
// built-in types, and apiextensions' for those of definitions). Clients that check objects by v2
// refuse what they do not understand, so less is said where more would be misread:
//
//	                              v3                               v2
//	default                       as it is                         not there
//	a reference with more beside  allOf of one reference           the reference, beside the rest
//	one of several types          oneOf                            string
//	allOf, anyOf, oneOf, not      as they are                      not there
//	nullable                      nullable: true                   of no type, and not required
//	any fields                    what is known of them            nothing but that
//	a list of nothing             type: array                      of no type

// reduce changes a schema of v3 to one of v2, and all below it.
func reduce(s map[string]any) {
	delete(s, "default")
	if all := tree.List(s, "allOf"); len(all) == 1 && tree.Text(all[0], "$ref") != "" {
		delete(s, "allOf")
		s["$ref"] = tree.Text(all[0], "$ref")
	}
	if s["oneOf"] != nil {
		delete(s, "oneOf")
		s["type"] = "string"
	}
	eachBelow(s, reduce)
}

// reduceCustom changes a schema of a definition to what v2 says of it, and all below it. What reduce
// does is left to do.
func reduceCustom(s map[string]any) {
	for _, key := range []string{"allOf", "anyOf", "oneOf", "not"} {
		delete(s, key)
	}
	nullable, anything := s["nullable"] == true, s["x-kubernetes-preserve-unknown-fields"] == true
	delete(s, "nullable")
	if nullable || anything {
		delete(s, "items")
		delete(s, "properties")
	}
	if nullable || anything && s["type"] == "object" || s["type"] == "array" && s["items"] == nil {
		delete(s, "type")
	}
	// What may be null may also be absent to a client that knows no null.
	required := slices.DeleteFunc(tree.List(s, "required"), func(name any) bool {
		return tree.At(s, "properties", name.(string), "nullable") == true
	})
	if len(required) == 0 || tree.At(s, "additionalProperties", "nullable") == true {
		delete(s, "required")
	} else {
		s["required"] = required
	}
	eachBelow(s, reduceCustom)
}

// eachBelow calls do for each schema directly below one: of its properties, elements and other keys.
func eachBelow(s map[string]any, do func(map[string]any)) {
	for _, p := range tree.Object(s, "properties") {
		if p, ok := p.(map[string]any); ok {
			do(p)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if p, ok := s[key].(map[string]any); ok {
			do(p)
		}
	}
}

// renameReferences changes the references of v3 in a tree to those of v2.
func renameReferences(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if ref, ok := e.(string); ok && key == "$ref" {
				v[key] = references2.Replace(ref)
				continue
			}
			renameReferences(e)
		}
	case []any:
		for _, e := range v {
			renameReferences(e)
		}
	}
}

// references2 has the beginnings of references in both versions.
var references2 = strings.NewReplacer("#/components/schemas/", "#/definitions/", "#/components/parameters/", "#/parameters/")
