// Package openapi works on documents of OpenAPI v2 that other servers have written: it reads them, takes the
// paths of one group and version out, merges two, and says the same in v3. It is what an aggregator needs to show
// one document for many servers.
//
// In come bytes of whoever answers, of which nothing is believed: Read checks every value and bounds the depth,
// and what it returns is safe for all else. Out go trees as package tree has them, to be encoded. Nothing is
// looked up, downloaded or remembered here, and there is no state, so that all functions may be called at once
// with different documents; a document itself belongs to one goroutine.
//
//	remote, err := openapi.Read(body)
//	remote.Filter("/apis/wardle.example.com/v1alpha1/")
//	local.Merge(remote)
//	body = tree.AppendJSON(nil, map[string]any(local))
//
// What happens to a document is what kube-openapi does to it (pkg/aggregator, pkg/openapiconv). The package is
// internal to this program and promises no compatibility.
package openapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The objects of OpenAPI v2 are data: shapes says which members each has and of which kind. Reading, walking over
// references and converting all follow that one table, so that no function knows how documents nest.
//
//	text, bool, number, integer, any    values; any is not looked into
//	type                                a text, or a list of several
//	NAME                                an object of that shape
//	[]KIND, {}KIND                      a list, an object by names
//	KIND|KIND                           whichever the value is of
//
// As upstream reads documents into types and writes them from those, members that say nothing (null, "", false,
// nothing in a list) are as good as absent, and Read takes them away: so two documents that say the same are equal.

// Document is a document of OpenAPI v2 that Read has returned, or that is made of the same values.
type Document map[string]any

// shape is an object: the kinds of its members, and that of those which are not listed, "" if they are dropped;
// with named, only names for which it holds are of that kind. Extensions (x-…) are of any kind in every shape.
type shape struct {
	members map[string]string
	other   string
	named   func(string) bool
}

// shapes has the objects by their names.
var shapes = map[string]shape{
	"document": {members: members(`id text, consumes []text, produces []text, schemes []text, swagger text, info info, host text,
		basePath text, paths paths, definitions {}schema, parameters {}parameter, responses {}response, securityDefinitions {}security,
		security []any, tags []tag, externalDocs external`)},
	"info":     {members: members(`description text, title text, termsOfService text, contact any, license any, version text`)},
	"external": {members: members(`description text, url text`)},
	"tag":      {members: members(`description text, name text, externalDocs external`)},
	"security": {members: members(`description text, type text, name text, in text, flow text, authorizationUrl text, tokenUrl text,
		scopes {}text`)},
	"paths": {other: "path", named: func(name string) bool { return strings.HasPrefix(name, "/") }},
	"path": {members: members(`$ref text, get operation, put operation, post operation, delete operation, options operation,
		head operation, patch operation, parameters []parameter`)},
	"operation": {members: members(`description text, consumes []text, produces []text, schemes []text, tags []text, summary text,
		externalDocs external, operationId text, deprecated bool, security []any, parameters []parameter, responses responses`)},
	"responses": {other: "response", named: isCode},
	"response":  {members: members(`$ref text, description text, schema schema, headers {}header, examples any`)},
	"parameter": {members: members(`$ref text, description text, name text, in text, required bool, schema schema,
		allowEmptyValue bool,` + simple + bounds)},
	"header": {members: members(`description text,` + simple + bounds)},
	"items":  {members: members(`$ref text,` + simple + bounds)},
	"schema": {members: members(`id text, $ref text, $schema text, description text, type type, nullable bool, format text, title text,
		default any, maxProperties integer, minProperties integer, required []text, items schema|[]schema, allOf []schema,
		oneOf []schema, anyOf []schema, not schema, properties {}schema, additionalProperties schema|bool,
		patternProperties {}schema, dependencies any, additionalItems schema|bool, definitions {}schema, discriminator text,
		readOnly bool, externalDocs external, example any,` + bounds), other: "any"},
}

// What several objects have: the type of a value that is no schema, and its bounds.
const (
	simple = `type text, nullable bool, format text, items items, collectionFormat text, default any, example any,`
	bounds = `maximum number, exclusiveMaximum bool, minimum number, exclusiveMinimum bool, maxLength integer, minLength integer,
		pattern text, maxItems integer, minItems integer, uniqueItems bool, multipleOf number, enum []any`
)

// members reads a list of members, each a name and a kind.
func members(list string) map[string]string {
	out := map[string]string{}
	for member := range strings.SplitSeq(list, ",") {
		words := strings.Fields(member)
		out[words[0]] = words[1]
	}
	return out
}

// kindOf returns the kind of a member of an object, "" for one that the object has not.
func (s *shape) kindOf(name string) string {
	if kind, ok := s.members[name]; ok {
		return kind
	}
	switch {
	case isExtension(name):
		return "any"
	case s.named != nil && !s.named(name):
		return ""
	}
	return s.other
}

// isExtension reports whether a member is an extension.
func isExtension(name string) bool {
	return len(name) > 1 && (name[0] == 'x' || name[0] == 'X') && name[1] == '-'
}

// Read parses a document. What it does not know is dropped; a value of a wrong kind, or kinds of an object
// that are no list, is an error that names it, and the document is worth nothing then.
func Read(data []byte) (Document, error) {
	v, _, err := tree.ParseJSON(data)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, errors.New("must be an object")
	}
	// In place: documents are large, and the tree is nobody else's.
	v, err = clean(v, "document")
	if err != nil {
		return nil, err
	}
	d := Document(v.(map[string]any))
	// An extension is of any kind, but by this one definitions are merged, so it must be what it should.
	for name, schema := range d.part("definitions") {
		if _, err := kindsOf(schema); err != nil {
			return nil, fmt.Errorf("definitions.%s: %w", name, err)
		}
	}
	return d, nil
}

// clean returns a value of a kind without all that says nothing, nil if nothing is left. Objects and lists are
// changed in place.
func clean(v any, kind string) (any, error) {
	if v == nil {
		return nil, nil
	}
	// The first that fits the value in its form: a schema or a list of them, a schema or a bool.
	for alternatives := kind; alternatives != ""; {
		var one string
		one, alternatives, _ = strings.Cut(alternatives, "|")
		switch element, isList := strings.CutPrefix(one, "[]"); {
		case isList:
			if list, ok := v.([]any); ok {
				return cleanList(list, element)
			}
		case strings.HasPrefix(one, "{}"):
			if object, ok := v.(map[string]any); ok {
				return cleanObject(object, &shape{other: one[2:]}, true)
			}
		case shapes[one].members != nil || shapes[one].other != "":
			if object, ok := v.(map[string]any); ok {
				s := shapes[one]
				return cleanObject(object, &s, false)
			}
		default:
			if v, ok := cleanValue(v, one); ok {
				return v, nil
			}
		}
	}
	return nil, fmt.Errorf("must be %s, not %s", kind, tree.TypeName(v))
}

// cleanList returns a list with its elements cleaned, of which none goes; nil for an empty one.
func cleanList(list []any, kind string) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	for i, e := range list {
		c, err := clean(e, kind)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		if c == nil {
			c = blank(kind)
		}
		list[i] = c
	}
	return list, nil
}

// blank returns what an element is that says nothing.
func blank(kind string) any {
	switch {
	case kind == "text":
		return ""
	case shapes[kind].members != nil:
		return map[string]any{}
	}
	return nil
}

// cleanObject returns an object with its members cleaned. isMap says that its members are names of the author's:
// those that say nothing stay, and an empty one is nothing.
func cleanObject(object map[string]any, s *shape, isMap bool) (any, error) {
	for name, v := range object {
		kind := s.kindOf(name)
		if isMap {
			kind = s.other
		}
		// Upstream's types have no field for it.
		if kind == "" {
			delete(object, name)
			continue
		}
		c, err := clean(v, kind)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s.%w", name, err)
		case c == nil && isMap:
			// A name of the author's stays with nothing behind it, such as a property of any type.
			c = blank(kind)
		case c == nil:
			delete(object, name)
			continue
		}
		object[name] = c
	}
	// A map without names says nothing; an object of a shape does, by being there.
	if isMap && len(object) == 0 {
		return nil, nil
	}
	return object, nil
}

// isCode reports whether a member of responses names an answer.
func isCode(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil || name == "default"
}

// cleanValue returns a value that is neither list nor object of a shape, and whether it is of the kind.
func cleanValue(v any, kind string) (any, bool) {
	switch kind {
	case "any":
		return v, true
	case "text":
		s, ok := v.(string)
		// As upstream leaves it out when it writes.
		if s == "" {
			return nil, ok
		}
		return s, ok
	case "bool":
		b, ok := v.(bool)
		// The same of a truth.
		if !b {
			return nil, ok
		}
		return b, ok
	case "number":
		_, ok := tree.Float(v)
		return v, ok
	case "integer":
		// 1.0 and 1e3 are read as numbers, and upstream refuses them here.
		_, ok := v.(int64)
		return v, ok
	case "type":
		return cleanType(v)
	}
	return nil, false
}

// cleanType returns a type: one is a text.
func cleanType(v any) (any, bool) {
	list, isList := v.([]any)
	if !isList {
		s, ok := v.(string)
		return s, ok
	}
	for _, e := range list {
		if _, ok := e.(string); !ok {
			return nil, false
		}
	}
	// As upstream writes it, so that two documents that spell it in two ways are the same.
	if len(list) == 1 {
		return list[0], true
	}
	return list, true
}

// part returns a member of the document that is an object by names; nil for one that there is not.
func (d Document) part(name string) map[string]any {
	part, _ := d[name].(map[string]any)
	return part
}
