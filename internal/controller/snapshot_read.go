package controller

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/field"
	"apichain/internal/schema"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Reading a snapshot. What it says of an object is taken as it is, since it was in a store
// before: only what the store and its readers rely on is checked.

// snapshotReader turns the items of a snapshot into drafts.
type snapshotReader struct {
	api       *api.API
	crds      map[string]map[string]any   // definitions of the snapshot, by group and kind: "example.com/Widget"
	resources map[[2]string]*api.Resource // by apiVersion and kind; nil: there is none
	contents  store.Contents
	wrong     []field.Error
}

// readSnapshot is what a body holds: 400 when it is no JSON, 422 when it is no snapshot.
func readSnapshot(a *api.API, body []byte) (store.Contents, *status.Error) {
	list, repeated, err := tree.ParseJSONObject(body)
	if err != nil {
		return nil, status.BadRequest("the body is not a JSON object: " + err.Error())
	}
	if len(repeated) > 0 {
		return nil, status.BadRequest(fmt.Sprintf("the key %q is there twice", status.Shorten(repeated[0], 128)))
	}
	for _, key := range slices.Sorted(maps.Keys(list)) {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "items"}, key) {
			return nil, status.BadRequest(fmt.Sprintf("unknown key %q: known are apiVersion, kind, metadata, items", status.Shorten(key, 128)))
		}
	}
	r := &snapshotReader{api: a, crds: map[string]map[string]any{}, resources: map[[2]string]*api.Resource{}, contents: store.Contents{}}
	r.read(list)
	if len(r.wrong) > 0 {
		return nil, notASnapshot(r.wrong)
	}
	return r.contents, nil
}

// notASnapshot is the 422 with a cause for each field, of the first hundred.
func notASnapshot(wrong []field.Error) *status.Error {
	const shown = 100
	e := &status.Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: "the snapshot is invalid: " + wrong[0].String(), Details: &status.Details{}}
	if more := len(wrong) - 1; more > 0 {
		e.Message += fmt.Sprintf(", and %d more", more)
	}
	e.Details.Causes = wrong[:min(len(wrong), shown)]
	return e
}

func (r *snapshotReader) add(e ...field.Error) { r.wrong = append(r.wrong, e...) }

func (r *snapshotReader) read(list map[string]any) {
	if list["apiVersion"] != "v1" {
		r.add(field.NotSupported("apiVersion", list["apiVersion"], "v1"))
	}
	if list["kind"] != "List" {
		r.add(field.NotSupported("kind", list["kind"], "List"))
	}
	if m, ok := list["metadata"]; ok {
		if _, ok := m.(map[string]any); !ok {
			r.add(field.Invalid("metadata", m, "must be an object"))
		}
	}
	items, ok := list["items"].([]any)
	if !ok {
		r.add(field.Required("items", "a list of objects, which may be empty"))
	}
	for i, item := range items {
		obj, path := tree.Object(item), fmt.Sprintf("items[%d]", i)
		if obj == nil {
			r.add(field.Invalid(path, item, "must be an object"))
			items[i] = nil
			continue
		}
		if isCRD(obj) {
			r.define(obj, path)
		}
	}
	for i, item := range items {
		if obj := tree.Object(item); obj != nil {
			r.take(obj, fmt.Sprintf("items[%d]", i))
			items[i] = nil // it is encoded now, and large snapshots are two copies less
		}
	}
}

func isCRD(obj map[string]any) bool {
	return obj["kind"] == "CustomResourceDefinition" && obj["apiVersion"] == "apiextensions.k8s.io/v1"
}

// define notes a definition, which other items may be of, before it is in the store.
func (r *snapshotReader) define(crd map[string]any, path string) {
	wrong := schema.CheckCRD(crd, nil)
	for _, e := range wrong {
		e.Field = path + "." + e.Field
		r.add(e)
	}
	if len(wrong) == 0 {
		r.crds[tree.Text(crd, "spec", "group")+"/"+tree.Text(crd, "spec", "names", "kind")] = crd
	}
}

// take adds one item to the contents, or what is wrong with it.
func (r *snapshotReader) take(obj map[string]any, path string) {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	before := len(r.wrong)
	if apiVersion == "" {
		r.add(field.Required(path+".apiVersion", ""))
	}
	if kind == "" {
		r.add(field.Required(path+".kind", ""))
	}
	if len(r.wrong) > before {
		return
	}
	res := r.resourceOf(apiVersion, kind)
	if res == nil {
		r.add(field.Invalid(path+".kind", kind, fmt.Sprintf("nothing of this kind is stored in %s, and no CustomResourceDefinition of the snapshot has it", status.Shorten(apiVersion, 128))))
		return
	}
	if r.add(checkStored(obj, path+".metadata", res.Namespaced)...); len(r.wrong) > before {
		return
	}
	key := tree.Text(obj, "metadata", "name")
	if ns := tree.Text(obj, "metadata", "namespace"); ns != "" {
		key = ns + "/" + key
	}
	of := r.contents[res.Bucket]
	if of == nil {
		of = map[string]store.Wanted{}
		r.contents[res.Bucket] = of
	}
	if _, twice := of[key]; twice {
		r.add(field.Duplicate(path, res.Bucket.Name+" "+key))
		return
	}
	d := res.Draft(obj)
	of[strings.Clone(key)] = store.Wanted{Draft: &d} // a part of the body, which is large
}

// resourceOf is where objects of a kind are stored: a kind of the snapshot's own
// definitions, or a built-in one. A definition that is there now but not in the snapshot
// goes, and so none can be of it.
func (r *snapshotReader) resourceOf(apiVersion, kind string) *api.Resource {
	id := [2]string{apiVersion, kind}
	if res, ok := r.resources[id]; ok {
		return res
	}
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group, version = "", apiVersion
	}
	var res *api.Resource
	if crd := r.crds[group+"/"+kind]; crd != nil {
		res = r.api.Customs.OfDefinition(crd, version)
	} else if res = r.api.ForKind(apiVersion, kind); res != nil {
		definitions := r.api.Store.Bucket(CrdResource).Now()
		if res.Bucket == nil || definitions.Get(res.Bucket.Name) != nil {
			res = nil
		}
	}
	r.resources[id] = res
	return res
}

// checkStored is what is wrong with the metadata of an object that is to be stored as it
// is.
func checkStored(obj map[string]any, path string, namespaced bool) (wrong []field.Error) {
	meta := tree.Object(obj, "metadata")
	text := func(key string, required bool) string {
		v, there := meta[key]
		s, ok := v.(string)
		switch {
		case there && v != nil && !ok:
			wrong = append(wrong, field.Invalid(path+"."+key, v, "must be a string"))
		case s == "" && required:
			wrong = append(wrong, field.Required(path+"."+key, "a snapshot has it of every object"))
		}
		return s
	}
	if name := text("name", true); strings.Contains(name, "/") {
		wrong = append(wrong, field.Invalid(path+".name", name, "may not contain '/'"))
	}
	switch ns := text("namespace", namespaced); {
	case ns != "" && !namespaced:
		wrong = append(wrong, field.Forbidden(path+".namespace", "the resource has no namespaces"))
	case strings.Contains(ns, "/"):
		wrong = append(wrong, field.Invalid(path+".namespace", ns, "may not contain '/'"))
	}
	text("uid", true)
	for _, key := range []string{"creationTimestamp", "deletionTimestamp"} {
		at := text(key, key == "creationTimestamp")
		if _, err := time.Parse(time.RFC3339, cmp.Or(at, "2006-01-02T15:04:05Z")); err != nil {
			wrong = append(wrong, field.Invalid(path+"."+key, at, "must be a time of RFC 3339"))
		}
	}
	for _, key := range []string{"labels", "annotations"} {
		switch m := meta[key].(type) {
		case nil:
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(m)) {
				if _, ok := m[k].(string); !ok {
					wrong = append(wrong, field.Invalid(path+"."+key+"["+k+"]", m[k], "must be a string"))
				}
			}
		default:
			wrong = append(wrong, field.Invalid(path+"."+key, m, "must be an object"))
		}
	}
	entries := func(key string, complete func(any) bool) {
		list, ok := meta[key].([]any)
		if meta[key] != nil && !ok {
			wrong = append(wrong, field.Invalid(path+"."+key, meta[key], "must be a list"))
		}
		for i, v := range list {
			if !complete(v) {
				wrong = append(wrong, field.Invalid(fmt.Sprintf("%s.%s[%d]", path, key, i), v, "is not complete"))
			}
		}
	}
	entries("finalizers", func(v any) bool { s, ok := v.(string); return ok && s != "" })
	entries("ownerReferences", func(v any) bool {
		return tree.Text(v, "kind") != "" && tree.Text(v, "name") != "" && tree.Text(v, "uid") != ""
	})
	return wrong
}
