package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The shape of custom resources: the schema of one version, and what upstream adds to a schema.
//
//   - Metadata, which schemas leave out, has the type that every kind has. It is decoded as such: a
//     value of a wrong type is an error, and what remains is as that type would write it.
//   - An object in a field with x-kubernetes-embedded-resource is an object like the one around it:
//     its metadata is decoded and checked too, but for its name, which may be any segment of a path.
//   - The paths of a scale subresource must lead to what a scale can show.
//
// Conversion between the versions of a definition is done by their shapes as well, unless a webhook does it:
//
//	a read    stored object, completed by the version it was stored in ──► pruned by this version
//	a write   object, complete in this version ──► pruned and completed by the storage version
//
// In both the version that is converted to removes what it does not know and nulls that it does not
// allow. Only the version of stored objects sets defaults, so that a read shows none but those that
// are stored, and what a client has not sent in its own version is not made up for it.

// customShape is the shape of a custom resource in one version. Its schema is compiled when something first
// asks for it: compiled it is three times as large as its text, and of a thousand definitions a process
// uses a few.
type customShape struct {
	// compile returns the schema; it is called once, and let go.
	compile  func() *schema.Schema
	once     sync.Once
	compiled *schema.Schema

	meta *kinds.Type
	// scale is nil for a version without that subresource. status says that the version, which is served or stored, has
	// a status that is written by itself.
	scale  *scalePaths
	status bool
}

// schema returns the compiled schema, which the first caller waits for.
func (s *customShape) schema() *schema.Schema {
	s.once.Do(func() {
		s.compiled, s.compile = s.compile(), nil
		s.compiled.MetadataErrors, s.compiled.Metadata = embeddedErrors, s.meta.Owned()
	})
	return s.compiled
}

// Rules returns the validation rules of a custom resource, each behind its place, at most as many as given; none for a built-in one.
func (r *Resource) Rules(most int) []string {
	if s, ok := r.shape.(*customShape); ok {
		return s.schema().Rules(most)
	}
	return nil
}

// SetDefaults fills in what is missing, by the schema.
func (s *customShape) SetDefaults(obj map[string]any) { s.schema().SetDefaults(obj) }

// Prune removes the fields that neither the schema nor metadata has, and returns their paths: those
// in metadata first, those in the metadata of embedded resources last. The error is of the types
// that metadata must have; what a schema says of types is checked by Validate, all at once.
func (s *customShape) Prune(obj map[string]any) ([]string, error) {
	unknown, err := s.pruneMetadata(obj)
	if err != nil {
		return nil, err
	}
	more, _ := s.schema().Prune(obj)
	unknown = append(unknown, more...)
	more, err = s.decodeEmbedded(obj, false)
	return append(unknown, more...), err
}

// pruneMetadata is Prune for metadata. What is there and no object is an error in the words of
// encoding/json, by which upstream decodes it.
func (s *customShape) pruneMetadata(obj map[string]any) ([]string, error) {
	if m, given := obj["metadata"]; given && m != nil {
		if _, ok := m.(map[string]any); !ok {
			return nil, fmt.Errorf("json: cannot unmarshal %s into Go value of type v1.ObjectMeta", tree.TypeName(m))
		}
	}
	unknown, err := s.pruneFields(tree.Metadata(obj))
	for i := range unknown {
		unknown[i] = "metadata." + unknown[i]
	}
	return unknown, err
}

// pruneFields is Prune for the fields of metadata. Upstream's custom objects have been trees before
// they are decoded, so that 2.0 is an integer here, which it is not in a built-in object.
func (s *customShape) pruneFields(m map[string]any) ([]string, error) {
	for _, name := range [...]string{"generation", "deletionGracePeriodSeconds"} {
		if f, ok := m[name].(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
			m[name] = int64(f)
		}
	}
	unknown, err := kinds.Prune(s.meta, m)
	if list, ok := m["managedFields"].([]any); ok && len(list) == 0 { // unlike in a built-in object it asks for nothing
		delete(m, "managedFields")
	}
	// Upstream's type leaves out no field of an owner reference that must be there.
	for _, o := range tree.List(m, "ownerReferences") {
		if o, ok := o.(map[string]any); ok && err == nil {
			for _, name := range [...]string{"apiVersion", "kind", "name", "uid"} {
				setOrDelete(o, name, tree.Text(o, name), true)
			}
		}
	}
	return unknown, err
}

// decodeEmbedded does to the metadata of embedded resources what pruneMetadata does to that of the
// object, and removes nulls before. With repair a field of a wrong type is removed and no error: of
// what is stored already nobody is to blame.
func (s *customShape) decodeEmbedded(obj map[string]any, repair bool) (unknown []string, err error) {
	if !s.schema().HasEmbedded() {
		return nil, nil
	}
	s.schema().DropNulls(obj)
	for at, o := range s.schema().Embedded(obj) {
		for _, name := range [...]string{"apiVersion", "kind"} {
			v, given := o[name]
			if _, ok := v.(string); given && !ok {
				if !repair {
					return nil, errors.New(field.Invalid(at.Child(name).String(), v, "must be a string").String())
				}
				delete(o, name)
			}
		}
		more, err := s.decodeMetadata(at.Child("metadata"), o, repair)
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, more...)
	}
	return unknown, nil
}

// decodeMetadata is decodeEmbedded for the metadata of one of them, o, which are at a path.
func (s *customShape) decodeMetadata(at *field.Path, o map[string]any, repair bool) (unknown []string, err error) {
	given, there := o["metadata"]
	if !there {
		return nil, nil
	}
	m, ok := tree.Copy(given).(map[string]any) // the error shows it as it was sent
	switch {
	case ok:
		unknown, err = s.pruneFields(m)
	case given == nil:
		m = map[string]any{}
	default:
		err = fmt.Errorf("json: cannot unmarshal %s into Go value of type v1.ObjectMeta", tree.TypeName(given))
	}
	switch {
	case err == nil:
		o["metadata"] = m
	case repair:
		o["metadata"] = s.repairMetadata(given)
		return nil, nil
	default:
		return nil, errors.New(field.Invalid(at.String(), given, err.Error()).String())
	}
	for i := range unknown {
		unknown[i] = at.String() + "." + unknown[i]
	}
	return unknown, nil
}

// repairMetadata returns the fields of given, each of which is taken or left by itself.
func (s *customShape) repairMetadata(given any) map[string]any {
	repaired := map[string]any{}
	fields, _ := given.(map[string]any)
	for name, v := range fields {
		one := map[string]any{name: tree.Copy(v)}
		if _, err := s.pruneFields(one); err == nil && len(one) > 0 {
			repaired[name] = one[name]
		}
	}
	return repaired
}

// Validate returns what is wrong with obj as schema.Schema.Validate does, with what is wrong with
// the fields that a scale shows.
func (s *customShape) Validate(obj, old map[string]any, status bool) []field.Error {
	if status { // of which upstream looks at less
		return s.schema().ValidateStatus(obj, old, s.scale.statusErrors(obj)...)
	}
	return s.schema().Validate(obj, old, append(s.scale.specErrors(obj), s.scale.statusErrors(obj)...)...)
}

// embeddedErrors returns what is wrong with the metadata of an embedded resource, which have been
// decoded. Fields of the errors begin with at, the path of the resource.
func embeddedErrors(at string, m map[string]any) (errs []field.Error) {
	// Unlike a whole object it need not have a name; the rule for one would not be met without.
	named := map[string]any{"name": cmp.Or(tree.Text(m, "name"), "x"), "generateName": m["generateName"]}
	errs = nameFieldErrors(named, segmentName)
	if ns := tree.Text(m, "namespace"); ns != "" {
		for _, why := range field.DNSLabelErrors(ns) {
			errs = append(errs, field.Invalid("metadata.namespace", ns, why))
		}
	}
	errs = append(errs, contentErrors(m)...)
	errs = append(errs, managedFieldsErrors(tree.List(m, "managedFields"))...)
	for i := range errs {
		errs[i].Field = at + "." + errs[i].Field
	}
	return errs
}

// managedFieldsErrors returns what is wrong with the entries of metadata.managedFields. Of a whole
// object they are not looked at, since what a client sends of them is dropped.
func managedFieldsErrors(entries []any) (errs []field.Error) {
	for i, e := range entries {
		at := fmt.Sprintf("metadata.managedFields[%d]", i)
		switch operation := tree.Text(e, "operation"); operation {
		case "":
			errs = append(errs, field.Required(at+".operation", "must not be empty"))
		case "Apply", "Update":
		default:
			errs = append(errs, field.NotSupported(at+".operation", operation, "Apply", "Update"))
		}
		if typ := tree.Text(e, "fieldsType"); typ != "" && typ != "FieldsV1" {
			errs = append(errs, field.Invalid(at+".fieldsType", typ, "must be `FieldsV1`"))
		}
	}
	return errs
}

// convertFromStored makes of a stored object one in the version of r, in place.
func (r *Resource) convertFromStored(obj map[string]any) {
	stored := r.completeStored(obj)
	if obj["apiVersion"] = r.apiVersion(); stored == r.Version {
		return
	}
	if s := r.shapes[r.Version]; s != nil {
		_, _ = s.schema().Prune(obj)
		s.schema().DropNulls(obj)
		_, _ = s.decodeEmbedded(obj, true)
	}
}

// completeStored makes of a stored object what it would be if it were stored now, in place: the schema of the version
// that it is stored in may have changed since. It returns that version.
func (r *Resource) completeStored(obj map[string]any) (stored string) {
	_, stored, _ = strings.Cut(tree.Text(obj, "apiVersion"), "/")
	if s := r.shapes[stored]; s != nil {
		_, _ = s.pruneMetadata(obj)
		_, _ = s.schema().Prune(obj)
		_, _ = s.decodeEmbedded(obj, true)
		s.SetDefaults(obj)
	}
	return stored
}

// convertToStored makes of an object in the version of r one to be stored, in place, or where a webhook is asked in
// another object. It is valid in the version of r; where the storage version disagrees, what is left is stored (upstream),
// but for an embedded resource that cannot be decoded, which is an error.
func (r *Resource) convertToStored(ctx context.Context, obj map[string]any) (map[string]any, error) {
	version := r.Version
	if r.storageVersion != "" {
		version = r.storageVersion
		if r.webhook != nil {
			converted, err := r.toStored(ctx, obj)
			if err != nil {
				return nil, err
			}
			obj = converted
		}
		obj["apiVersion"] = r.Group + "/" + version
	}
	s := r.shapes[version]
	if s == nil { // of a resource that no definition made
		return obj, nil
	}
	if r.storageVersion != "" {
		_, _ = s.schema().Prune(obj)
		if _, err := s.decodeEmbedded(obj, false); err != nil {
			return nil, status.Unexplained(err.Error())
		}
	}
	// In the version itself too: the status, which a write of the object may not set, gets its
	// defaults here.
	s.SetDefaults(obj)
	return obj, nil
}
