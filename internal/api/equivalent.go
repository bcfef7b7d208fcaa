package api

import (
	"context"

	"apichain/internal/tree"
)

// The same objects may be served as several resources: in several versions, and events in two groups. What knows one of
// them, as a rule of a webhook may, is shown the objects of a request for another one in that one's form.

// Forms returns the served resources of the same objects, this one among them if it is served, in the order of the table of
// kinds or of the definition's versions. Nobody may change the slice.
func (r *Resource) Forms() []*Resource { return r.forms }

// As returns obj, which is an object of r, in the form of another resource of the same objects. It shares nothing with obj that
// is changed later. The error is of what cannot be converted.
func (r *Resource) As(ctx context.Context, obj map[string]any, to *Resource) (map[string]any, error) {
	obj = tree.Copy(obj).(map[string]any)
	if r.custom {
		if r.webhook != nil && tree.Text(obj, "apiVersion") != to.apiVersion() {
			converted, _, err := r.ask(ctx, []map[string]any{obj}, to.apiVersion())
			if err != nil {
				return nil, err
			}
			obj = converted[0]
		}
		// Nothing is removed that the other version has not: whoever changes the object in that must not lose it (upstream).
		obj["apiVersion"] = to.apiVersion()
		return obj, nil
	}
	if r.ToStored != nil {
		r.ToStored(obj)
	}
	if to.fromStored != nil {
		to.fromStored(obj)
	}
	obj["apiVersion"], obj["kind"] = to.apiVersion(), to.Kind
	_, err := to.shape.Prune(obj)
	if err == nil {
		to.shape.SetDefaults(obj)
	}
	return obj, err
}
