package api

import (
	"maps"
	"slices"
	"strings"

	"apichain/internal/discovery"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/storage"
	"apichain/internal/tree"
)

// The resources of a definition: one for each version that is served, and one for the version in
// which objects are stored, even if no client can reach it, since those objects must still be
// found, converted and deleted.
//
// All versions share a bucket and its objects. A version differs in its schema, its columns and
// subresources, and in the fields that selectors may name. Field selectors are matched by values
// that are kept beside each object, whichever version it was written in; so each version lists the
// selectable fields of all, and hides those that it does not have itself:
//
//	v1beta1   spec.color                  fields: spec.color, spec.size (hidden)
//	v1        spec.color, spec.size       fields: spec.color, spec.size
//
// Converting between versions is rewriting apiVersion and pruning by the other schema (custom_shape.go), or asking a
// webhook (convert.go).

// resources returns what a definition serves, given as a tree and, with its rows, as the catalog
// has it. The rows get their columns here. A schema that does not compile makes it nothing, and a
// line in the log: such a definition came to the store in another way than by a request. Nothing of crd
// is kept: kept is what keptOf makes of it, and again returns the same tree when a schema is needed.
func (c *Customs) resources(crd, kept map[string]any, doc *discovery.Definition, again func() map[string]any) []*Resource {
	compiled := c.compileVersions(crd, kept, again)
	if compiled == nil {
		return nil
	}
	var out []*Resource
	for _, v := range compiled.versions {
		name := tree.Text(v, "name")
		if tree.At(v, "served") == true || name == compiled.storage {
			out = append(out, c.newCustom(compiled, doc.Row(name), v))
		}
	}
	forms := slices.DeleteFunc(slices.Clone(out), func(r *Resource) bool { return r.unserved })
	for _, r := range out {
		r.forms = forms
	}
	return out
}

// compiledVersions is what the resources of a definition have in common.
type compiledVersions struct {
	// versions are those of the spec.
	versions []any
	// shapes are the schemas by version, and storage is the version that objects are stored in.
	shapes  map[string]*customShape
	storage string
	// fields are the selectable fields of all versions.
	fields []kinds.Selectable
	// terminating says that the definition is being deleted.
	terminating bool
}

// compileVersions makes sure that the schemas of a definition compile, and makes shapes that will. It
// returns nil, and logs why, if one does not: schema.CheckCRD takes no such definition.
func (c *Customs) compileVersions(crd, kept map[string]any, again func() map[string]any) *compiledVersions {
	d := &compiledVersions{versions: tree.List(kept, "spec", "versions"), shapes: map[string]*customShape{}}
	for i, full := range tree.List(crd, "spec", "versions") {
		v := d.versions[i]
		name := tree.Text(v, "name")
		if _, err := schema.Compile(tree.Object(full, "schema", "openAPIV3Schema")); err != nil {
			c.api.Config.Log.Error("a schema does not compile", "definition", tree.Name(crd), "version", name, "err", err)
			return nil
		}
		d.shapes[name] = &customShape{meta: c.api.meta, compile: func() *schema.Schema {
			// It has compiled before.
			s, _ := schema.Compile(tree.Object(tree.List(again(), "spec", "versions")[i], "schema", "openAPIV3Schema"))
			return s
		}}
		if tree.At(v, "storage") == true {
			d.storage = name
		}
		if scale := tree.Object(v, "subresources", "scale"); scale != nil {
			d.shapes[name].scale = scalePathsOf(scale)
		}
		kept := tree.At(v, "served") == true || tree.At(v, "storage") == true
		d.shapes[name].status = kept && tree.Object(v, "subresources", "status") != nil
	}
	d.fields = storage.AllSelectableFields(d.versions)
	d.terminating = tree.At(kept, "metadata", "deletionTimestamp") != nil
	return d
}

// keptOf returns what resources and discovery need of a definition as long as it is served: all but the
// schemas, which are nearly all of it. Its strings are its own: those of a tree that was parsed are parts
// of the text, which would stay with the first of them.
func keptOf(crd map[string]any) map[string]any {
	spec := maps.Clone(tree.Object(crd, "spec"))
	if versions := slices.Clone(tree.List(spec, "versions")); len(versions) > 0 {
		for i, v := range versions {
			v := maps.Clone(tree.Object(v))
			delete(v, "schema")
			versions[i] = v
		}
		spec["versions"] = versions
	}
	kept, _, _ := tree.ParseJSONObject(tree.AppendJSON(nil, map[string]any{ // what was written can be read
		"metadata": map[string]any{"name": tree.Name(crd), "deletionTimestamp": tree.At(crd, "metadata", "deletionTimestamp")},
		"spec":     spec, "status": map[string]any{"acceptedNames": tree.At(crd, "status", "acceptedNames")},
	}))
	return kept
}

// newCustom returns the resource of one version, whose row it completes.
func (c *Customs) newCustom(d *compiledVersions, row *kinds.Row, version any) *Resource {
	row.Columns = printerColumns(tree.Object(version))
	r := &Resource{
		Row: row, api: c.api, custom: true,
		shape: d.shapes[row.Version], shapes: d.shapes, nameErrors: nameRules["subdomain"],
		fields: fieldsAmong(d.fields, storage.SelectableFields(tree.Object(version))), stored: d.fields,
		Bucket:      c.api.Store.Bucket(row.Qualified()),
		deprecation: deprecationOf(row, version, d.versions),
		unserved:    tree.At(version, "served") != true,
		terminating: d.terminating,
		retired:     make(chan struct{}),
		scale:       d.shapes[row.Version].scale,
	}
	// Objects are converted on their way to and from the store, by decode and encode.
	if row.Version != d.storage {
		r.storageVersion = d.storage
	} else if len(d.versions) > 1 {
		// Keys are sorted. An object with one in front of this is not found to be as stored, and decoded, which costs time alone.
		r.storedHead = []byte(`{"apiVersion":"` + r.apiVersion() + `"`)
	}
	c.api.admit(r)
	return r
}

// OfDefinition returns the resource that a definition makes in a version, served or not, whether
// the definition is in the store or not, and whoever has its names; nil if it has no such version
// or no valid schema. A restore asks for it before it stores the definition. The resource is not
// served, and is never retired.
func (c *Customs) OfDefinition(crd map[string]any, version string) *Resource {
	// As if every version were served and every name accepted: then no version is left out.
	shown := tree.Copy(crd).(map[string]any)
	for _, v := range tree.List(shown, "spec", "versions") {
		v.(map[string]any)["served"] = true
	}
	tree.Set(shown, tree.Object(shown, "spec", "names"), "status", "acceptedNames")
	for _, r := range c.resources(shown, shown, discovery.NewDefinition(nil, shown), func() map[string]any { return shown }) {
		if r.Version == version {
			return r
		}
	}
	return nil
}

// deprecationOf returns the warning of a deprecated version, "" for one that is not. Unless the
// definition gives a text, it is upstream's: it names the best of the newer versions that are
// served and not deprecated themselves, if there is one.
func deprecationOf(row *kinds.Row, version any, versions []any) string {
	if tree.At(version, "deprecated") != true {
		return ""
	}
	// A text that is given counts even if it is empty: then there is no warning.
	if given, ok := tree.At(version, "deprecationWarning").(string); ok {
		return given
	}
	best := ""
	for _, o := range versions {
		name := tree.Text(o, "name")
		isBetter := discovery.CompareVersions(name, row.Version) > 0 && (best == "" || discovery.CompareVersions(name, best) > 0)
		if isBetter && tree.At(o, "served") == true && tree.At(o, "deprecated") != true {
			best = name
		}
	}
	text := row.Group + "/" + row.Version + " " + row.Kind + " is deprecated"
	if best != "" {
		text += "; use " + row.Group + "/" + best + " " + row.Kind
	}
	return text
}

// scalePathsOf returns where a version keeps what its scale subresource shows, each path as the
// names on it; nil for a path that is not given.
func scalePathsOf(scale map[string]any) *scalePaths {
	split := func(f string) []string {
		if p := strings.Trim(tree.Text(scale, f), "."); p != "" {
			return strings.Split(p, ".")
		}
		return nil
	}
	return &scalePaths{
		spec: split("specReplicasPath"), status: split("statusReplicasPath"), selector: split("labelSelectorPath"),
	}
}

// fieldsAmong returns all, in which those that are not among some are hidden.
func fieldsAmong(all, some []kinds.Selectable) []kinds.Selectable {
	out := slices.Clone(all)
	for i := range out {
		out[i].Hidden = !slices.ContainsFunc(some, func(f kinds.Selectable) bool { return f.Label == all[i].Label })
	}
	return out
}
