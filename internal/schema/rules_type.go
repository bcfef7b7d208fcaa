package schema

import (
	"slices"
	"strings"

	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// How a schema looks to its rules: the type in CEL of each place that has one.
//
//	{type: object, properties: {size: {type: integer}, my-list: {type: array, items: {type: string}}}}
//
// is an object with the fields size, an int, and my__dash__list, a list of strings. What has no type (fields that are only
// preserved) and what has a name that no expression can write is not there. Each type also says how large a value of it may be,
// by the schema's limits or else by what fits into a request, which is what costs are estimated by. All of it is upstream's to
// the figure.

// Sizes that upstream assumes of values, in bytes of JSON.
const (
	// maxRequestSize is how large a request may be.
	maxRequestSize = 3 << 20

	maxDateSize, minDateSize         = 12, 12
	maxDateTimeSize, minDateTimeSize = 32, 21
	maxDurationSize, minDurationSize = 32, 3
	minTextSize, minBoolSize         = 2, 4
	minNumberSize, minAnySize        = 1, 1
	minListSize, minObjectSize       = 2, 2

	// maxNameSize is how long the name of an object may be, and with what is appended to it maxGeneratedSize.
	maxNameSize, maxGeneratedSize = 253, 252
)

// celType returns the type of a place whose objects are called name, and nil for one that rules do not see. resource says that
// the place is that of a whole object.
func (n *schemaNode) celType(name string, resource bool) *cel.Type {
	if n == nil {
		return nil
	}
	r := n.rules
	if r == nil {
		r = noRules()
	}
	var t *cel.Type
	switch {
	case n.intOrString:
		t = &cel.Type{Kind: cel.Dyn, Name: "dyn", Format: "int-or-string", Max: limitOr(r.maxLength, 4, maxRequestSize-2), Min: minAnySize}
	case n.types == typeArray:
		item := n.items.celType(below(name, ".@idx"), n.items != nil && n.items.embedded)
		if item == nil {
			return nil
		}
		t = cel.ListOf(item)
		t.Max, t.Min = limitOr(r.maxItems, 1, (maxRequestSize-2)/(item.Min+1)), minListSize
		t.Listing, t.Keys = cel.Listing(n.list), n.keys
	case n.types == typeObject && n.additional != nil:
		value := n.additional.celType(below(name, ".@elem"), n.additional.embedded)
		if value == nil {
			return nil
		}
		t = cel.MapOf(&cel.Type{Kind: cel.String, Name: "string", Min: minTextSize}, value)
		t.Max, t.Min = limitOr(r.maxProperties, 1, (maxRequestSize-2)/(value.Min+6)), minObjectSize
	case n.types == typeObject:
		t = n.celObject(name, r, resource)
	default:
		t = n.celScalar(r)
	}
	if t != nil {
		t.Nullable = n.nullable
	}
	return t
}

// maxTypeName is about how long the name of a type may be. Upstream has no bound, and names that grow with the square of a schema.
const maxTypeName = 1024

// below returns the name of a type in the place of another one. What is too deep has the name of what is around it.
func below(name, step string) string {
	if len(name)+len(step) > maxTypeName {
		return name
	}
	return name + step
}

// limitOr returns a limit of the schema, each of which stands for so many bytes, and other where there is none.
func limitOr(limit int64, bytes, other uint64) uint64 {
	if limit < 0 {
		return other
	}
	return uint64(limit) * bytes
}

// celScalar is celType for what is neither a list nor an object. Other formats than these leave a text a text.
func (n *schemaNode) celScalar(r *schemaRules) *cel.Type {
	switch n.types {
	case typeBoolean:
		return &cel.Type{Kind: cel.Bool, Name: "bool", Min: minBoolSize}
	case typeNumber:
		return &cel.Type{Kind: cel.Double, Name: "double", Min: minNumberSize}
	case typeInteger:
		return &cel.Type{Kind: cel.Int, Name: "int", Min: minNumberSize}
	case typeString:
	default:
		return nil
	}
	switch r.format {
	case "byte":
		return &cel.Type{Kind: cel.Bytes, Name: "bytes", Max: limitOr(r.maxLength, 1, maxRequestSize-2), Min: minTextSize}
	case "duration":
		return &cel.Type{Kind: cel.Duration, Name: cel.DurationType.Name, Max: maxDurationSize, Min: minDurationSize}
	case "date":
		return &cel.Type{Kind: cel.Timestamp, Name: cel.TimestampType.Name, Format: "date", Max: maxDateSize, Min: minDateSize}
	case "date-time":
		return &cel.Type{Kind: cel.Timestamp, Name: cel.TimestampType.Name, Max: maxDateTimeSize, Min: minDateTimeSize}
	}
	longest := uint64(maxRequestSize - 2)
	if len(r.enum) > 0 {
		longest = 0
		for _, e := range r.enum {
			s, _ := e.(string)
			longest = max(longest, uint64(len(s)))
		}
	}
	return &cel.Type{Kind: cel.String, Name: "string", Max: limitOr(r.maxLength, 4, longest), Min: minTextSize}
}

// celObject is celType for an object. Of a whole object the apiVersion, the kind and the name are there whatever the schema says,
// and no other metadata.
func (n *schemaNode) celObject(name string, r *schemaRules, resource bool) *cel.Type {
	t := &cel.Type{Kind: cel.Object, Name: name, Fields: make(map[string]*cel.Field, len(n.order)), Min: minObjectSize}
	put := func(key string, field *cel.Type, hasDefault bool) {
		if field == nil {
			return
		}
		required := slices.Contains(r.required, key)
		if escaped, ok := escapeName(key); ok {
			t.Fields[escaped] = &cel.Field{Type: field, Key: key, Required: required}
		}
		if required && !hasDefault {
			t.Min += uint64(len(key)) + field.Min + 4
		}
	}
	own := resource && !n.namesAll()
	for _, f := range n.order {
		if own && f.meta {
			continue
		}
		escaped, _ := escapeName(f.name)
		put(f.name, f.node.celType(below(name, "."+escaped), f.node.embedded), f.node.def != nil)
	}
	if own {
		put("apiVersion", textOf(maxRequestSize-2), false)
		put("kind", textOf(maxRequestSize-2), false)
		metadata := n.fields["metadata"]
		put("metadata", &cel.Type{Kind: cel.Object, Name: below(name, ".metadata"), Min: minObjectSize, Fields: map[string]*cel.Field{
			"name":         {Key: "name", Type: textOf(metadata.shorter("name", maxNameSize))},
			"generateName": {Key: "generateName", Type: textOf(metadata.shorter("generateName", maxGeneratedSize))},
		}}, false)
	}
	return t
}

// textOf returns the type of texts of at most size bytes.
func textOf(size uint64) *cel.Type {
	return &cel.Type{Kind: cel.String, Name: "string", Max: size, Min: minTextSize}
}

// namesAll reports whether the schema of a whole object itself says that what all objects have are texts: then it is left as it is.
func (n *schemaNode) namesAll() bool {
	isText := func(n *schemaNode, name string) bool {
		return n.fields[name] != nil && n.fields[name].types == typeString
	}
	m := n.fields["metadata"]
	return isText(n, "kind") && isText(n, "apiVersion") && m != nil && m.types == typeObject && isText(m, "name") && isText(m, "generateName")
}

// shorter returns the most bytes of a field of metadata: most characters, or fewer where the schema says so. n may be nil.
func (n *schemaNode) shorter(name string, most int64) uint64 {
	if n != nil && n.fields[name] != nil {
		if r := n.fields[name].rules; r != nil && r.maxLength >= 0 {
			most = min(most, r.maxLength)
		}
	}
	return uint64(most) * 4
}

// escapeName returns a field's name as expressions write it; ok is false for one that they cannot write.
func escapeName(name string) (escaped string, ok bool) {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "", false
	}
	if syntax.IsReserved(name) {
		return "__" + name + "__", true
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '_' && strings.HasPrefix(name[i:], "__"):
			b.WriteString("__underscores__")
			i++
		case c == '.':
			b.WriteString("__dot__")
		case c == '-':
			b.WriteString("__dash__")
		case c == '/':
			b.WriteString("__slash__")
		case c == '_', c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z':
			b.WriteByte(c)
		default:
			return "", false
		}
	}
	return b.String(), true
}
