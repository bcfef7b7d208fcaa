package controller

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/field"
	"apichain/internal/schema"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// A snapshot is read in two passes over its items, so that their order does not matter: first the
// definitions, then all objects, each of which is encoded at once and let go. What it says of an
// object is taken as it is, since it was in a store before: no defaults, no validation by schema.
// Only what the store and its readers rely on is checked: that there is a resource for it, that its
// key is its own, and its metadata (snapshot_check.go).
//
// Everything that is wrong is told at once, each with the path of its field:
//
//	items[3].kind: Invalid value: "Widget": nothing of this kind is stored in example.com/v1, ...
//	items[7].metadata.uid: Required value: a snapshot has it of every object

// snapshotReader turns the items of a snapshot into drafts. It is used by one goroutine.
type snapshotReader struct {
	api *api.API
	// crds are the definitions of the snapshot, by group and kind: "example.com/Widget".
	crds map[string]map[string]any
	// resources are those that were looked up, by apiVersion and kind; nil: there is none.
	resources map[[2]string]*api.Resource
	contents  store.Contents
	wrong     []field.Error
}

// snapshotKeys are the keys that a list may have.
var snapshotKeys = [...]string{"apiVersion", "kind", "metadata", "items"}

// readSnapshot returns what a body holds. It returns a 400 when the body is no JSON object or has
// keys that a list does not have, and a 422 when it is no snapshot.
func readSnapshot(a *api.API, body []byte) (store.Contents, *status.Error) {
	list, repeated, err := tree.ParseJSONObject(body)
	if err != nil {
		return nil, status.BadRequest("the body is not a JSON object: " + err.Error())
	}
	// Of two objects under one key one would silently be lost.
	if len(repeated) > 0 {
		return nil, status.BadRequest(fmt.Sprintf("the key %q is there twice", status.Shorten(repeated[0], 128)))
	}
	for _, key := range slices.Sorted(maps.Keys(list)) {
		if !slices.Contains(snapshotKeys[:], key) {
			known := strings.Join(snapshotKeys[:], ", ")
			return nil, status.BadRequest(fmt.Sprintf("unknown key %q: known are %s", status.Shorten(key, 128), known))
		}
	}
	r := &snapshotReader{
		api:       a,
		crds:      map[string]map[string]any{},
		resources: map[[2]string]*api.Resource{},
		contents:  store.Contents{},
	}
	r.read(list)
	if len(r.wrong) > 0 {
		return nil, notASnapshot(r.wrong)
	}
	return r.contents, nil
}

// notASnapshot returns the 422 with a cause for each field, of the first hundred. The message has
// the first one and says how many more there are.
func notASnapshot(wrong []field.Error) *status.Error {
	const shown = 100
	e := &status.Error{
		Code:    http.StatusUnprocessableEntity,
		Reason:  "Invalid",
		Message: "the snapshot is invalid: " + wrong[0].String(),
		Details: &status.Details{Causes: wrong[:min(len(wrong), shown)]},
	}
	if more := len(wrong) - 1; more > 0 {
		e.Message += fmt.Sprintf(", and %d more", more)
	}
	return e
}

// add notes what is wrong. Reading goes on.
func (r *snapshotReader) add(e ...field.Error) { r.wrong = append(r.wrong, e...) }

// read takes all items of a list. It empties the list: a large snapshot exists as a body, as trees
// and as drafts, and two of these are enough at a time.
func (r *snapshotReader) read(list map[string]any) {
	if list["apiVersion"] != "v1" {
		r.add(field.NotSupported("apiVersion", list["apiVersion"], "v1"))
	}
	if list["kind"] != "List" {
		r.add(field.NotSupported("kind", list["kind"], "List"))
	}
	// The revision in it is that of another store: nothing follows from it.
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
		if isDefinition(obj) {
			r.define(obj, path)
		}
	}
	for i, item := range items {
		if obj := tree.Object(item); obj != nil {
			r.take(obj, fmt.Sprintf("items[%d]", i))
			items[i] = nil // it is encoded now
		}
	}
}

// define notes a definition, which other items may be of, before it is in the store. It is checked
// as a client's is, since what it defines is served from it.
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

// take adds one item to the contents, or what is wrong with it: of its kind, else of its resource,
// else of its metadata, since each can be judged only when the one before is right.
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
		why := "nothing of this kind is stored in %s, and no CustomResourceDefinition of the snapshot has it"
		r.add(field.Invalid(path+".kind", kind, fmt.Sprintf(why, status.Shorten(apiVersion, 128))))
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
	// By bucket, not by kind: one object in two versions is twice the same.
	if _, twice := of[key]; twice {
		r.add(field.Duplicate(path, res.Bucket.Name+" "+key))
		return
	}
	d := res.Draft(obj)
	// Cloned, as a part of the body, which is large and would stay alive with the key.
	of[strings.Clone(key)] = store.Wanted{Draft: &d}
}

// resourceOf returns where objects of a kind are stored, nil if nowhere: a kind of the snapshot's
// own definitions, or a built-in one. A definition that is there now but not in the snapshot goes,
// so no object can be of it.
func (r *snapshotReader) resourceOf(apiVersion, kind string) *api.Resource {
	// Looked up once a kind: making the resource of a definition compiles its schema.
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
