package interop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/kube-openapi/pkg/schemaconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"

	"apichain/internal/fieldset"
	builtin "apichain/internal/kinds"
	compiled "apichain/internal/schema"
	"apichain/internal/tree"
)

// How objects are owned, by upstream's schemas and by ours: the two are walked side by side, by every path that upstream's
// has, and say the same of each place: what may stand there, how lists and maps are owned, by which keys elements are told
// apart, which defaults the keys have, and what is allowed beside the fields with names.

// ownedOracle walks upstream's schema beside ours.
type ownedOracle struct {
	t      *testing.T
	schema *smd.Schema
	seen   map[ownedPair]bool
	places int
}

// notServed are fields of a version that is about to go, of which we serve what the next one has.
var notServed = []string{"PodCertificateRequest.spec.pkixPublicKey", "PodCertificateRequest.spec.proofOfPossession"}

// ownedPair is a place of both that was compared before. A type that is declared in place has an atom of its own.
type ownedPair struct {
	name string
	list *smd.List
	kind *smd.Map
	over smd.ElementRelationship
	ours fieldset.Schema
}

// compare compares what both say of the place at a path, and of what is below it. In a place that is owned as a whole
// nobody asks how the parts of it are owned.
func (o *ownedOracle) compare(path string, ref smd.TypeRef, ours fieldset.Schema, whole bool) {
	atom, ok := o.schema.Resolve(ref)
	if !ok {
		o.t.Fatalf("%s: no type %v", path, ref)
	}
	pair := ownedPair{list: atom.List, kind: atom.Map, ours: ours}
	if ref.NamedType != nil {
		pair.name = *ref.NamedType
	}
	if ref.ElementRelationship != nil {
		pair.over = *ref.ElementRelationship
	}
	if o.seen[pair] {
		return
	}
	o.seen[pair], o.places = true, o.places+1
	if ours == nil {
		o.t.Errorf("%s: ours has no such place", path)
		return
	}
	got, want := ours.Atom(), wantAtom(atom)
	if whole {
		got, want = sortsOf(got), sortsOf(want)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		o.t.Errorf("%s: %+v, but upstream has %+v", path, got, want)
		return
	}
	if atom.List != nil {
		o.compare(path+"[]", atom.List.ElementType, ours.Items(), whole || atom.List.ElementRelationship == smd.Atomic)
	} else if ours.Items() != nil {
		o.t.Errorf("%s has items", path)
	}
	if atom.Map == nil {
		if f, _ := ours.Field("x"); f != nil {
			o.t.Errorf("%s has fields", path)
		}
		return
	}
	below := whole || atom.Map.ElementRelationship == smd.Atomic
	for _, f := range atom.Map.Fields {
		if slices.Contains(notServed, path+"."+f.Name) {
			continue
		}
		place, named := ours.Field(f.Name)
		if place == nil || !named {
			o.t.Errorf("%s.%s: ours has %v, named %v", path, f.Name, place, named)
			continue
		}
		// Only keys of lists are asked for their default, and an object is none.
		def := f.Default
		if m, ok := def.(map[string]any); ok && len(m) == 0 {
			def = nil
		}
		got := place.Default()
		if m, ok := got.(map[string]any); ok && len(m) == 0 {
			got = nil
		}
		if a, b := string(tree.AppendJSON(nil, got)), jsonOf(def); a != b {
			o.t.Errorf("%s.%s: the default is %s, but upstream's is %s", path, f.Name, a, b)
		}
		o.compare(path+"."+f.Name, f.Type, place, below)
	}
	other, named := ours.Field("no field of this name")
	switch any := atom.Map.ElementType; {
	case named:
		o.t.Errorf("%s: a field that nobody has named is named", path)
	case any == smd.TypeRef{} && other != nil:
		o.t.Errorf("%s: any field is allowed", path)
	case any != smd.TypeRef{}:
		o.compare(path+".*", any, other, below)
	}
}

// wantAtom is an atom of upstream's in our words.
func wantAtom(a smd.Atom) (out fieldset.Atom) {
	if a.Scalar != nil {
		out.Scalar = map[smd.Scalar]fieldset.Scalar{smd.Untyped: fieldset.AnyScalar, smd.Numeric: fieldset.Number,
			smd.String: fieldset.Text, smd.Boolean: fieldset.Bool}[*a.Scalar]
	}
	if a.List != nil {
		switch out.List = fieldset.AtomicList; {
		case a.List.ElementRelationship == smd.Associative && len(a.List.Keys) > 0:
			out.List, out.Keys = fieldset.Keyed, a.List.Keys
		case a.List.ElementRelationship == smd.Associative:
			out.List = fieldset.SetList
		}
	}
	if a.Map != nil {
		if out.Map = fieldset.Granular; a.Map.ElementRelationship == smd.Atomic {
			out.Map = fieldset.Atomic
		}
		e := a.Map.ElementType
		out.Untold = a.Map.Fields == nil && (e.NamedType != nil && *e.NamedType == "__untyped_deduced_" ||
			e.NamedType == nil && e.Inlined.Scalar != nil && *e.Inlined.Scalar == smd.Untyped)
	}
	return out
}

// sortsOf leaves of an atom what sorts of values there may be.
func sortsOf(a fieldset.Atom) fieldset.Atom {
	return fieldset.Atom{Scalar: a.Scalar, List: min(a.List, 1), Map: min(a.Map, 1)}
}

// jsonOf writes a value.
func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// upstreamModels are the components of all documents of OpenAPI v3 that upstream publishes; kube-apiserver makes its
// schemas of the same definitions.
func upstreamModels(t *testing.T) map[string]*spec.Schema {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(kubernetesDir(t), "api", "openapi-spec", "v3", "*.json"))
	if len(found) == 0 {
		t.Fatal("no documents of OpenAPI v3")
	}
	models := map[string]*spec.Schema{}
	for _, file := range found {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc := struct {
			Components struct {
				Schemas map[string]*spec.Schema `json:"schemas"`
			} `json:"components"`
		}{}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(file, err)
		}
		for name, s := range doc.Components.Schemas {
			models[name] = s
		}
	}
	return models
}

// TestBuiltinKindsAreOwnedAsUpstreamHasIt walks each kind that we serve in each of its versions.
func TestBuiltinKindsAreOwnedAsUpstreamHasIt(t *testing.T) {
	models := upstreamModels(t)
	schema, err := schemaconv.ToSchemaFromOpenAPI(models, false)
	if err != nil {
		t.Fatal(err)
	}
	table, err := builtin.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	table = table.WithAlso(func(string, string, string) bool { return true })
	o := &ownedOracle{t: t, schema: schema, seen: map[ownedPair]bool{}}
	walked := 0
	for _, row := range table.Kinds {
		name := modelOf(models, row.Group, row.Version, row.Kind)
		if name == "" {
			t.Errorf("upstream has no %s/%s %s", row.Group, row.Version, row.Kind)
			continue
		}
		walked++
		o.compare(row.Kind, smd.TypeRef{NamedType: &name}, row.Type().Owned(), false)
		for _, s := range row.Subresources {
			if name := modelOf(models, s.Group, s.Version, s.Kind); name != "" && s.Type() != nil {
				o.compare(row.Kind+"/"+s.Name, smd.TypeRef{NamedType: &name}, s.Type().Owned(), false)
			}
		}
	}
	t.Logf("%d kinds, %d places", walked, o.places)
}

// objectMeta says how metadata are owned.
func objectMeta(t *testing.T) fieldset.Schema {
	t.Helper()
	table, err := builtin.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return table.Type("meta.ObjectMeta").Owned()
}

// compareDefinition compares how the objects of a definition with the schema are owned, which is JSON and may be nil.
func compareDefinition(t *testing.T, raw map[string]any, meta fieldset.Schema) (places int) {
	t.Helper()
	version := extensions.CustomResourceDefinitionVersion{Name: "v1", Served: true, Storage: true}
	if raw != nil {
		props := &extensions.JSONSchemaProps{}
		if err := json.Unmarshal(tree.AppendJSON(nil, raw), props); err != nil {
			t.Fatal(err)
		}
		version.Schema = &extensions.CustomResourceValidation{OpenAPIV3Schema: props}
	}
	crd := &extensions.CustomResourceDefinition{Spec: extensions.CustomResourceDefinitionSpec{
		Group: "example.com", Scope: extensions.NamespaceScoped, Versions: []extensions.CustomResourceDefinitionVersion{version},
		Names: extensions.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
	}}
	doc, err := builder.BuildOpenAPIV3(crd, "v1", builder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	name := modelOf(doc.Components.Schemas, "example.com", "v1", "Widget")
	if got := doc.Components.Schemas[name].Properties; raw != nil && len(got) == 0 {
		t.Fatalf("upstream does not find it structural: %s", tree.AppendJSON(nil, raw))
	}
	schema, err := schemaconv.ToSchemaFromOpenAPI(doc.Components.Schemas, false)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := compiled.Compile(raw)
	if err != nil {
		t.Fatal(err)
	}
	ours.Metadata = meta
	o := &ownedOracle{t: t, schema: schema, seen: map[ownedPair]bool{}}
	o.compare("", smd.TypeRef{NamedType: &name}, ours.Owned(), false)
	return o.places
}

// TestDefinitionsAreOwnedAsUpstreamHasIt walks random structural schemas, as upstream's handler of custom resources has them
// by way of OpenAPI.
func TestDefinitionsAreOwnedAsUpstreamHasIt(t *testing.T) {
	meta, places := objectMeta(t), 0
	compareDefinition(t, nil, meta)
	for seed := range uint64(1000) {
		a := structuralAuthor{rand.New(rand.NewPCG(seed, 15))}
		properties := map[string]any{"metadata": map[string]any{"type": "object"}}
		for i := range 12 {
			properties[fmt.Sprint("part", i)] = a.schema(4)
		}
		raw := map[string]any{"type": "object", "properties": properties}
		if a.IntN(4) == 0 {
			raw["x-kubernetes-preserve-unknown-fields"] = true
		}
		places += compareDefinition(t, raw, meta)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, tree.AppendJSON(nil, raw))
		}
	}
	t.Logf("%d places", places)
}

// structuralAuthor writes structural schemas.
type structuralAuthor struct{ *rand.Rand }

// schema writes one of at most so many levels.
func (a structuralAuthor) schema(depth int) map[string]any {
	switch n := a.IntN(10); {
	case n < 4 || depth == 0:
		return a.scalar()
	case n < 6:
		return a.list(depth)
	case n == 6:
		s := map[string]any{"x-kubernetes-preserve-unknown-fields": true}
		if a.IntN(2) == 0 {
			s["type"] = "object"
		}
		if a.IntN(3) == 0 {
			s["properties"] = a.properties(depth)
		}
		return s
	case n == 7:
		s := map[string]any{"type": "object", "x-kubernetes-embedded-resource": true}
		if a.IntN(2) == 0 {
			s["properties"] = a.properties(depth)
		} else {
			s["x-kubernetes-preserve-unknown-fields"] = true
		}
		return s
	}
	s := map[string]any{"type": "object"}
	switch a.IntN(6) {
	case 0:
		s["additionalProperties"] = a.schema(depth - 1)
	case 1:
		s["additionalProperties"] = true
	case 2: // nothing is said
	default:
		s["properties"] = a.properties(depth)
	}
	if a.IntN(4) == 0 {
		s["x-kubernetes-map-type"] = []string{"atomic", "granular"}[a.IntN(2)]
	}
	return s
}

// properties writes those of an object.
func (a structuralAuthor) properties(depth int) map[string]any {
	out := map[string]any{}
	for _, name := range []string{"a", "b", "kind", "metadata", "spec"}[a.IntN(4):] {
		if name == "kind" || name == "metadata" {
			// The definition of a resource may say no more of them.
			out[name] = map[string]any{"type": map[string]string{"kind": "string", "metadata": "object"}[name]}
			continue
		}
		out[name] = a.schema(depth - 1)
	}
	return out
}

// scalar writes a schema of values without parts.
func (a structuralAuthor) scalar() map[string]any {
	switch a.IntN(6) {
	case 0:
		return map[string]any{"type": "integer", "default": int64(a.IntN(9))}
	case 1:
		return map[string]any{"type": "boolean", "nullable": true}
	case 2:
		return map[string]any{"type": "number", "format": "double"}
	case 3:
		return map[string]any{"x-kubernetes-int-or-string": true}
	case 4:
		return map[string]any{"type": "string", "format": []string{"byte", "date-time", "uuid", "what"}[a.IntN(4)]}
	}
	return map[string]any{"type": "string", "default": "x"}
}

// list writes a schema of lists.
func (a structuralAuthor) list(depth int) map[string]any {
	s := map[string]any{"type": "array"}
	switch a.IntN(5) {
	case 0:
		s["x-kubernetes-list-type"], s["items"] = "atomic", a.schema(depth-1)
	case 1:
		s["x-kubernetes-list-type"], s["items"] = "set", map[string]any{"type": []string{"string", "integer", "boolean"}[a.IntN(3)]}
	case 2:
		properties := a.properties(depth)
		properties["name"] = map[string]any{"type": "string"}
		properties["protocol"] = map[string]any{"type": "string", "default": "TCP"}
		properties["port"] = map[string]any{"type": "integer", "default": int64(80)}
		items := map[string]any{"type": "object", "properties": properties, "required": []any{"name"}}
		if a.IntN(3) == 0 {
			items["x-kubernetes-map-type"] = "atomic"
		}
		s["x-kubernetes-list-type"], s["items"] = "map", items
		s["x-kubernetes-list-map-keys"] = []any{"name", "protocol", "port"}[a.IntN(3):]
	default:
		s["items"] = a.schema(depth - 1)
	}
	if a.IntN(6) == 0 {
		s["x-kubernetes-preserve-unknown-fields"] = true
	}
	return s
}

// modelOf returns the name of the model of a kind, "" for none.
func modelOf(models map[string]*spec.Schema, group, version, kind string) string {
	for name, s := range models {
		list, _ := s.Extensions["x-kubernetes-group-version-kind"].([]any)
		if slices.ContainsFunc(list, func(e any) bool {
			m, _ := e.(map[string]any)
			return m["group"] == group && m["version"] == version && m["kind"] == kind
		}) {
			return name
		}
	}
	return ""
}
