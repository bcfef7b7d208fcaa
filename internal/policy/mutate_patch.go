package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"apichain/internal/cel"
	"apichain/internal/matching"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// What becomes of the value of a mutation: a configuration is merged into the object by the schema of its kind, operations are done on
// it as a JSON patch. Both are told in upstream's words why they cannot be.

// configured returns what a configuration makes of the form's object.
func (m *mutator) configured(v cel.Value) (map[string]any, error) {
	if err := checkTypeNames(v); err != nil {
		return nil, fmt.Errorf("type mismatch: %w", err)
	}
	group, version, kind := m.Kind()
	if m.IsObject {
		version = m.form.Resource.Version
	}
	config, err := configurationOf(v)
	if err != nil {
		return nil, err
	}
	// It is of what it is applied to, whatever it says itself.
	for _, name := range [...]string{"apiVersion", "kind"} {
		config[name] = m.form.Object[name]
	}
	called := group + "/" + version + ", Kind=" + kind
	schema := m.Owned(m.form.Resource)
	if schema == nil {
		return nil, errors.New("error applying patch: failed to convert patch object to typed object: no corresponding type for " + called)
	}
	// Who owns what is text still, and no configuration may say it: it stays beside.
	live, metadata := maps.Clone(m.form.Object), maps.Clone(tree.Object(m.form.Object, "metadata"))
	owners, isOwned := metadata["managedFields"]
	if isOwned {
		delete(metadata, "managedFields")
		live["metadata"] = metadata
	}
	merged, err := patch.Configure(live, config, schema)
	if err != nil {
		return nil, fmt.Errorf("error applying patch: %w", err)
	}
	// Parts of it are the object's own still, which is completed in place.
	next := tree.Copy(merged).(map[string]any)
	if isOwned {
		tree.Set(next, owners, "metadata", "managedFields")
	}
	if err := m.Fit(next, m.form.Resource); err != nil {
		if isFinal(err) {
			return nil, err
		}
		return nil, errors.New("unable to convert unstructured object to " + called + ": " + err.Error())
	}
	return next, nil
}

// patched returns what operations make of the form's object. A test that fails leaves it as it is, which is no failure.
func (m *mutator) patched(v cel.Value) (map[string]any, error) {
	var operations []any
	var err error
	v.Entries(func(_, item cel.Value) bool {
		var o map[string]any
		o, err = operationOf(item)
		operations = append(operations, o)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	done, err := patch.Operations(tree.Copy(m.form.Object), operations)
	switch {
	case errors.Is(err, patch.ErrTestFailed):
		return maps.Clone(m.form.Object), nil // another map, as the object's own is filled anew in the end
	case err != nil:
		return nil, fmt.Errorf("JSON Patch: %w", err)
	}
	next, ok := done.(map[string]any)
	if !ok {
		const list = "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go value of type " +
			`struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`
		return nil, matching.InternalError(fmt.Errorf(list, tree.TypeName(done)))
	}
	if err := m.FitStrictly(next, m.form.Resource); err != nil {
		return nil, matching.ClientError(err)
	}
	return next, nil
}

// isFinal reports whether an error is the answer to the client already.
func isFinal(err error) bool { return matching.ClientError(err) == err }

// operationOf returns an operation as package patch reads it. Upstream writes its texts as Go does, and reads them as JSON: what JSON has
// no such escape for is no text.
func operationOf(v cel.Value) (map[string]any, error) {
	o := map[string]any{"op": "", "path": ""}
	for _, name := range [...]string{"op", "path", "from"} {
		f, ok := v.Field(name)
		if !ok || name == "from" && f.Str() == "" {
			continue
		}
		if o[name] = f.Str(); !json.Valid([]byte(strconv.Quote(f.Str()))) {
			o[name] = nil
		}
	}
	value, ok := v.Field("value")
	if !ok {
		return o, nil
	}
	if value.Kind() == cel.Object {
		if err := checkTypeNames(value); err != nil {
			return nil, fmt.Errorf("type mismatch: %w", err)
		}
	}
	t, err := jsonOf(value)
	if err != nil {
		return nil, fmt.Errorf("JSONPath valueExpression evaluated to a type that could not marshal to JSON: %w", err)
	}
	o["value"] = t
	return o, nil
}
