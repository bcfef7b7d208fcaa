// Package schema holds the rules of custom resources: what a CustomResourceDefinition (CRD)
// says about its objects, and what a CRD itself has to obey.
//
// In come objects as trees (package tree) and CRDs that are such trees as well. Out come
// changed objects, field errors (package field) in the words of the real server, warnings,
// and conditions for a CRD's status. The package knows no requests, no storage and no other
// kinds; who serves the objects and when a CRD is served is decided elsewhere.
//
// There are five parts:
//
//   - a version's structural schema, compiled once (Compile), then used for every object that is
//     read or written: Prune removes unknown fields, SetDefaults fills in defaults, Validate
//     says what is wrong. Always in that order: an unknown field is not validated, and a
//     default has to be valid like anything that a client sends;
//   - rules in CEL (x-kubernetes-validations), which CheckRules asks after Validate;
//   - the CRD: DefaultCRD, CheckCRD and Warnings when one is written;
//   - the names of custom kinds: NameConflicts decides who gets one that two CRDs ask for;
//   - JSONPath, which printer columns, selectable fields and the scale subresource use.
//
// A short example; raw is the openAPIV3Schema of a version:
//
//	s, err := schema.Compile(raw)
//	if err != nil {
//		return err
//	}
//	unknown, _ := s.Prune(obj) // ["spec.colour"]
//	s.SetDefaults(obj)
//	errs := s.Validate(obj, nil)
//
// A compiled Schema and a compiled path never change and may be used concurrently; the object
// that is handed in belongs to the caller, who must not share it during the call. Package
// schema promises nothing to outsiders; it changes as the program needs.
package schema

import (
	"regexp"
	"strings"

	"apichain/internal/field"
	"apichain/internal/fieldset"
)

// The model that the rest of the package works on: a tree of nodes, one for each place in an
// object that the CRD describes. A node keeps what pruning and defaulting need in its own
// fields, and what only validation needs in rules, which most nodes do without. Of
//
//	type: object
//	properties:
//	  spec: {type: object, required: [size], properties: {size: {type: integer, default: 1}}}
//
// the root has one field, spec; spec has one field, size, which is also among its defaults, and
// rules, because a field is required; size has a default and no rules, since its type says all.
//
// Each of the three uses (prune.go, defaults.go, validate.go) walks the object and the nodes
// side by side. Pruning and validating walk twice when they must: first they ask the question
// that almost always has a good answer, and they ask it without building paths or messages, so
// that a good object costs no allocation. Only an object that has something wrong is walked
// again to say what (faults.go).
//
// Rules in CEL are texts in the model. They become programs, in a tree of their own beside the nodes, when the first object is
// checked (rules.go).
//
// Not in the model: descriptions, examples and external documentation, which only OpenAPI shows; and the metadata of the object
// itself, whose rules are the same for all kinds.

// Schema is the compiled schema of one version of a custom kind, made by Compile. It never
// changes and may be used concurrently. Its methods Prune, SetDefaults and Validate are what
// the resource API asks of every kind, built in or custom.
type Schema struct {
	root *schemaNode
	// MetadataErrors, if it is not nil, returns what is wrong with the metadata m of an embedded
	// resource at a path; fields of the errors begin with the path. It is set before the schema is
	// used, and is called concurrently.
	MetadataErrors func(at string, m map[string]any) []field.Error
	// Metadata says how metadata are owned, of the object and of embedded resources. It is set before Owned is called.
	Metadata fieldset.Schema

	// programs are the rules, compiled when they are first asked for.
	programs func() *ruleNode
}

// schemaNode is the schema of one place in an object. A nil node stands for a place about which
// the schema says nothing; the methods that may meet one say what it means to them.
type schemaNode struct {
	// What kind of value may stand here.

	types    schemaTypes
	nullable bool // null may stand for a value of the type
	embedded bool // x-kubernetes-embedded-resource: a whole object with apiVersion, kind and metadata
	embeds   bool // it is such a resource, or has some in its fields or items
	ruled    bool // it has rules (x-kubernetes-validations), or some in its fields or items

	// intOrString is x-kubernetes-int-or-string, which stands in types too, but where these are only what type says.
	intOrString bool

	// How a value is owned, as far as nothing else here tells.

	whole    bool    // x-kubernetes-map-type: atomic
	lax      bool    // a text with a format that makes it any scalar to server-side apply
	open     bool    // it, or a schema around it, has x-kubernetes-preserve-unknown-fields
	resource *Schema // the schema it belongs to, of the root and of embedded resources; nil for others

	// Which fields an object may have here.

	fields     map[string]*schemaNode // properties
	order      []schemaField          // the same by name, to be walked without a map's cost
	additional *schemaNode            // the schema of fields that are not in fields; nil: they may be anything
	extra      extraFields            // whether there may be such fields
	preserve   bool                   // x-kubernetes-preserve-unknown-fields: unknown fields stay

	// What a list may have here.

	list  listKind
	items *schemaNode // nil: items may be anything
	keys  []string    // x-kubernetes-list-map-keys, for a listMap

	// The default of the place itself, and which fields have one.

	def       any           // nil is none; the defaults of its own parts are filled in already
	defValues int           // how many values def holds, itself included
	defaults  []schemaField // those of order whose node has a default

	// What else a value has to obey; nil where the type says all.

	rules *schemaRules
}

// schemaField is a field of an object together with its schema.
type schemaField struct {
	name string
	meta bool // the name is one of apiVersion, kind, metadata, which mean more in a resource
	node *schemaNode
}

// sparse reports whether an object of this many fields has few of those that the schema knows.
// Then it costs less to look up the object's fields in the schema than the other way round. The
// margin of four keeps small schemas on the way that needs no iteration over a map.
func (n *schemaNode) sparse(size int) bool { return len(n.order) > 2*size+4 }

// child returns the schema of a field of an object; known is false where the schema has no place
// for such a field, which is what makes it unknown and pruned. A known field may have a nil
// child: additionalProperties: true allows a field and says nothing about it. A nil node knows
// no field.
func (n *schemaNode) child(name string) (child *schemaNode, known bool) {
	if n == nil {
		return nil, false
	}
	if child = n.fields[name]; child != nil {
		return child, true
	}
	return n.additional, n.extra != extraUnknown
}

// schemaRules are the constraints on a value beside its type. noRules gives the ones that allow
// everything; the zero value does not, since a limit of 0 is a limit.
type schemaRules struct {
	// Any value.

	typeName string // the type of typeOther
	enum     []any
	allOf    []*schemaNode
	anyOf    []*schemaNode
	oneOf    []*schemaNode
	not      *schemaNode

	// Text. Lengths count characters, not bytes; -1 is no limit, as it is everywhere below.

	format               string            // only one that formatKnown knows
	formatOK             func(string) bool // nil for formats of numbers
	pattern              *regexp.Regexp    // not anchored: it matches anywhere
	minLength, maxLength int64

	// Numbers. A nil pointer is no rule.

	minimum, maximum, multiple *float64
	exclusiveMin, exclusiveMax bool
	// badBounds names the bounds that the type itself cannot hold (a maximum of 1.5 for an
	// integer). Upstream reports such a bound at every value, good or not, in these words.
	badBounds []string

	// Lists and objects.

	minItems, maxItems           int64
	minProperties, maxProperties int64
	required                     []string

	// What else is said in CEL; see rules.go.
	validations []rule
}

// noRules returns rules that allow every value.
func noRules() *schemaRules {
	return &schemaRules{minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minProperties: -1, maxProperties: -1}
}

// schemaTypes is a set of JSON types. The empty set stands for a schema without a type: any
// value is of it. More than one type is possible only for x-kubernetes-int-or-string.
type schemaTypes uint8

// The types, one bit each, in the order of schemaTypeNames.
const (
	typeInteger schemaTypes = 1 << iota
	typeString
	typeNumber
	typeBoolean
	typeArray
	typeObject
	// typeOther is a type that does not exist. No value is of it, and no schema that is in use has it:
	// defaults are checked by schemas that are not good yet.
	typeOther
)

// schemaTypeNames are the words that type may have in a CRD. "null" is none of them: a schema
// says nullable instead.
var schemaTypeNames = []string{"integer", "string", "number", "boolean", "array", "object"}

// String joins the names of the types as upstream does in messages: integer,string.
func (t schemaTypes) String() string {
	var names []string
	for i, name := range schemaTypeNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// extraFields says what additionalProperties makes of the fields that are not in properties.
type extraFields uint8

const (
	extraUnknown   extraFields = iota // not specified: they are unknown, and pruned
	extraAllowed                      // true, or a schema for them
	extraForbidden                    // false: they are kept and then refused
)

// listKind is x-kubernetes-list-type, which decides what two versions of a list have in common.
type listKind uint8

const (
	listAtomic listKind = iota // the list is one value (the default)
	listSet                    // each item stands once
	listMap                    // each item is an object with keys that no other item has
)

// Limits. A CRD and an object come from clients, and small ones can ask for much: defaults inside
// of defaults, and alternatives inside of alternatives, multiply. What goes beyond a limit
// is refused with an error that says so, never accepted unchecked.
const (
	// schemaMaxDefault is the number of values that one default may hold once the defaults
	// of its own parts are filled in. Compile refuses more.
	schemaMaxDefault = 10_000
	// schemaMaxDefaults is the number of values that one call of SetDefaults may add.
	schemaMaxDefaults = 1 << 20
	// schemaMaxSteps is the number of pairs of a value and a schema that one call of Validate
	// may look at. A request of 3 MiB, the most there is, has 1.5 million values at most, so
	// an object without alternatives never gets there.
	schemaMaxSteps = 8 << 20
)
