package discovery

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"

	"apichain/internal/tree"
)

// OpenAPI v2 in protobuf: the message Document of gnostic's openapiv2, which has a message for each
// kind of object in the JSON. The document is encoded from the same trees as the JSON is, by a table of the
// fields that ours have. Three things are not field by field:
//
//	a map        a message of entries, each with a name and a value
//	one of       a message around the value, in the field that says which it is; wrapped lists the
//	             numbers of such fields from the outside
//	any JSON     a message with the text of it, which may be any YAML
//
// Source: openapiv2/OpenAPIv2.proto of github.com/google/gnostic-models.

// messageForm describes a message: the number of each field by its JSON name, with the form of its
// value, and the number of what extensions (x-…) are in.
type messageForm struct {
	extensions uint64
	fields     map[string]fieldForm
}

// fieldForm is the number of a field and the form of its value, or of its elements if it is a list:
// a name in messageForms, or one that wrapped or appendValue knows. With map: before it, it is a map.
type fieldForm struct {
	number uint64
	form   string
}

// messageForms has the messages by the names that fields refer to them by.
var messageForms = map[string]messageForm{
	"document": {16, map[string]fieldForm{
		"swagger": {1, "string"}, "info": {2, "info"}, "parameters": {10, "map:shared parameter"},
		"security": {12, "map:texts"}, "securityDefinitions": {13, "map:security"},
	}},
	"info": {7, map[string]fieldForm{"title": {1, "string"}, "version": {2, "string"}}},
	"path": {10, map[string]fieldForm{
		"$ref": {1, "string"}, "get": {2, "operation"}, "put": {3, "operation"}, "post": {4, "operation"}, "delete": {5, "operation"},
		"options": {6, "operation"}, "head": {7, "operation"}, "patch": {8, "operation"}, "parameters": {9, "parameter"},
	}},
	"operation": {13, map[string]fieldForm{
		"tags": {1, "string"}, "summary": {2, "string"}, "description": {3, "string"}, "externalDocs": {4, "external"},
		"operationId": {5, "string"}, "produces": {6, "string"}, "consumes": {7, "string"}, "parameters": {8, "parameter"},
		"responses": {9, "map:response"}, "schemes": {10, "string"}, "deprecated": {11, "bool"}, "security": {12, "map:texts"},
	}},
	"response": {5, map[string]fieldForm{
		"description": {1, "string"}, "schema": {2, "answer"}, "headers": {3, "map:header"}, "examples": {4, "map:any"},
	}},
	"reference": {0, map[string]fieldForm{"$ref": {1, "string"}, "description": {2, "string"}}},
	"body": {6, map[string]fieldForm{
		"description": {1, "string"}, "name": {2, "string"}, "in": {3, "string"}, "required": {4, "bool"}, "schema": {5, "schema"},
	}},
	"in path":   {22, primitive(5, parameterFields)},
	"in header": {22, primitive(5, parameterFields)},
	"in query":  {23, primitive(6, parameterFields)},
	"in form":   {23, primitive(6, parameterFields)},
	"primitive": {18, primitive(1, nil)},
	"header":    {19, primitive(1, map[string]fieldForm{"description": {18, "string"}})},
	"security":  {5, map[string]fieldForm{"type": {1, "string"}, "name": {2, "string"}, "in": {3, "string"}, "description": {4, "string"}}},
	"schema": {31, map[string]fieldForm{
		"$ref": {1, "string"}, "format": {2, "string"}, "title": {3, "string"}, "description": {4, "string"}, "default": {5, "any"},
		"multipleOf": {6, "double"}, "maximum": {7, "double"}, "exclusiveMaximum": {8, "bool"}, "minimum": {9, "double"},
		"exclusiveMinimum": {10, "bool"}, "maxLength": {11, "int"}, "minLength": {12, "int"}, "pattern": {13, "string"},
		"maxItems": {14, "int"}, "minItems": {15, "int"}, "uniqueItems": {16, "bool"}, "maxProperties": {17, "int"},
		"minProperties": {18, "int"}, "required": {19, "string"}, "enum": {20, "any"}, "additionalProperties": {21, "others"},
		"type": {22, "type"}, "items": {23, "items"}, "allOf": {24, "schema"},
		"properties": {25, "map:schema"}, "discriminator": {26, "string"}, "readOnly": {27, "bool"}, "externalDocs": {29, "external"}, "example": {30, "any"},
	}},
	"external": {3, map[string]fieldForm{"description": {1, "string"}, "url": {2, "string"}}},
}

// parameterFields are the fields of a parameter in front of its type.
var parameterFields = map[string]fieldForm{
	"required": {1, "bool"}, "in": {2, "string"}, "description": {3, "string"}, "name": {4, "string"}, "allowEmptyValue": {5, "bool"},
}

// primitive returns the fields of a value that is no object: those given, but for numbers that are taken, and what
// all such values have, with numbers from first on.
func primitive(first uint64, fields map[string]fieldForm) map[string]fieldForm {
	out := map[string]fieldForm{}
	const all = `type string, format string, items primitive, collectionFormat string, default any, maximum double,
		exclusiveMaximum bool, minimum double, exclusiveMinimum bool, maxLength int, minLength int, pattern string, maxItems int,
		minItems int, uniqueItems bool, enum any, multipleOf double`
	number := first
	for field := range strings.SplitSeq(all, ",") {
		words := strings.Fields(field)
		out[words[0]] = fieldForm{number, words[1]}
		number++
	}
	for name, f := range fields {
		if f.number < first || f.number >= number {
			out[name] = f
		}
	}
	return out
}

// wrapped returns the form of a value that is in messages of one field each, and the numbers of those
// fields from the outside; other forms as they are.
func wrapped(form string, v any) (string, []uint64) {
	switch form {
	case "shared parameter", "parameter":
		inner, fields := "in query", []uint64{1, 2, 3}
		switch {
		case tree.Text(v, "$ref") != "":
			inner, fields = "reference", []uint64{2}
		case tree.Text(v, "in") == "body":
			inner, fields = "body", []uint64{1, 1}
		case tree.Text(v, "in") == "path":
			inner, fields = "in path", []uint64{1, 2, 4}
		case tree.Text(v, "in") == "header":
			inner, fields = "in header", []uint64{1, 2, 1}
		case tree.Text(v, "in") == "formData":
			inner, fields = "in form", []uint64{1, 2, 2}
		}
		if form == "shared parameter" {
			// It cannot be a reference, so there is no message that says that it is none.
			fields = fields[1:]
		}
		return inner, fields
	case "others":
		if _, ok := v.(bool); ok {
			return "bool", []uint64{2}
		}
		return "schema", []uint64{1}
	case "response":
		if tree.Text(v, "$ref") != "" {
			return "reference", []uint64{2}
		}
		return "response", []uint64{1}
	case "answer", "items":
		return "schema", []uint64{1}
	case "type", "texts":
		return "string", []uint64{1}
	case "security":
		return "security", []uint64{2}
	}
	return form, nil
}

// appendMessage appends the fields of a message. What the form does not have is left out.
func appendMessage(b []byte, form messageForm, v map[string]any) []byte {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		field, ok := form.fields[name]
		switch {
		case ok:
			b = appendElements(b, field, v[name])
		case strings.HasPrefix(name, "x-") && form.extensions != 0:
			b = appendEntry(b, form.extensions, name, "any", v[name])
		}
	}
	return b
}

// appendElements appends a field, of a list once for each element.
func appendElements(b []byte, field fieldForm, v any) []byte {
	list, isList := v.([]any)
	entry, isMap := strings.CutPrefix(field.form, "map:")
	switch {
	case isList && field.form != "texts" && field.form != "type":
		for _, e := range list {
			b = appendElements(b, field, e)
		}
		return b
	case !isMap:
		return appendField(b, field.number, field.form, v)
	}
	var entries []byte
	m, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		entries = appendEntry(entries, 1, name, entry, m[name])
	}
	return appendLength(b, field.number, entries)
}

// appendEntry appends a field that holds a name and a value.
func appendEntry(b []byte, number uint64, name, form string, v any) []byte {
	return appendLength(b, number, appendField(appendLength(nil, 1, name), 2, form, v))
}

// appendField appends one field with its number.
func appendField(b []byte, number uint64, form string, v any) []byte {
	inner, around := wrapped(form, v)
	if len(around) == 0 {
		return appendValue(b, number, inner, v)
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	last := len(around) - 1
	var value []byte
	for _, e := range list {
		value = appendValue(value, around[last], inner, e)
	}
	for _, n := range slices.Backward(around[:last]) {
		value = appendLength(nil, n, value)
	}
	return appendLength(b, number, value)
}

// appendValue appends a field whose form is not in another message. A value of another type than
// its form is left out.
func appendValue(b []byte, number uint64, form string, v any) []byte {
	const varint, fixed64 = 0, 1
	switch form {
	case "string":
		s, _ := v.(string)
		return appendLength(b, number, s)
	case "bool":
		b = binary.AppendUvarint(b, number<<3|varint)
		if v == true {
			return append(b, 1)
		}
		return append(b, 0)
	case "int":
		n, _ := v.(int64)
		return binary.AppendUvarint(binary.AppendUvarint(b, number<<3|varint), uint64(n))
	case "double":
		f, isFloat := v.(float64)
		if n, ok := v.(int64); !isFloat && ok {
			f = float64(n)
		}
		return binary.LittleEndian.AppendUint64(binary.AppendUvarint(b, number<<3|fixed64), math.Float64bits(f))
	case "any":
		return appendLength(b, number, appendLength(nil, 2, tree.AppendJSON(nil, v)))
	}
	m, _ := v.(map[string]any)
	return appendLength(b, number, appendMessage(nil, messageForms[form], m))
}

// appendLength appends a field of bytes, which a text and a message are.
func appendLength[T string | []byte](b []byte, number uint64, value T) []byte {
	return append(appendHeader(b, number, len(value)), value...)
}

// appendHeader appends what stands before the bytes of a field that has so many.
//
//go:noinline
func appendHeader(b []byte, number uint64, size int) []byte {
	const length = 2
	return binary.AppendUvarint(binary.AppendUvarint(b, number<<3|length), uint64(size))
}
