package api

import (
	"errors"
	"maps"
	"net/http"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// An update replaces an object by the one in the body, or only its status. The client may say in
// the metadata of the body which object it takes to be there: by uid, by resource version, or
// both. With a resource version the update is made on that version or not at all, so a conflict
// is the client's to solve. Without one the last writer wins, and a conflict is no more than a
// reason to try again. Custom resources must say one; of the built-in kinds each has its rule.
//
// To an object that is not there an update is a 404, or for a few kinds a create.

// update serves PUT of an object or of its status.
func (q *Call) update() error {
	if err := q.writeOptions("UpdateOptions"); err != nil {
		return err
	}
	if q.name == "" {
		return status.BadRequest("name must be provided")
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	if err := q.checkTarget(obj); err != nil {
		return err
	}
	// Read once, before any attempt: the steps overwrite both fields.
	given, unread := readPreconditions(obj)
	tries := forever
	if given.revision != "" {
		tries = 0 // once overtaken, the condition can never hold again
	}
	return q.retry(tries, func(old *store.Object) error {
		// A condition that cannot be read comes after a missing object, before its creation.
		if old == nil && (unread == nil || !q.CreateOnUpdate) {
			return q.createInstead(obj, given)
		}
		if unread != nil {
			return unread
		}
		// Only of an object that is there, since a missing one is a 404 or a create whatever the
		// client says. The value that the error shows is upstream's zero.
		if err := given.check(q, old); err != nil {
			return err
		}
		if given.revision == "" && !q.UnconditionalUpdate {
			return q.revisionRequired()
		}
		next := obj
		if tries != 0 || q.api.Store.IsShared() {
			next = tree.Copy(obj).(map[string]any) // this one is consumed, and there may be another attempt
		}
		w := write{Call: q, old: old, was: q.decode(old), next: next}
		if err := w.replace(); err != nil {
			return err
		}
		return w.answer(http.StatusOK)
	})
}

// revisionRequired returns the 422 for a change of an object without a resource version, where the
// kind wants one. Upstream names the resource in it, not the kind.
func (q *Call) revisionRequired() error {
	e := field.Invalid("metadata.resourceVersion", 0, "must be specified for an update")
	return status.Invalid(q.Group, q.Plural, q.name, []field.Error{e})
}

// createInstead creates the object that an update did not find, where the kind allows that and
// the client does not say which object there was, by its uid. A resource version counts for
// nothing. When another client is quicker with that it returns a *store.Conflict, so that retry
// updates what is there then.
func (q *Call) createInstead(obj map[string]any, given preconditions) error {
	if !q.CreateOnUpdate || q.info.Subresource != "" {
		return q.notFound(q.name)
	}
	if err := given.checkUID(q, ""); err != nil {
		return err
	}
	if err := q.mayCreate(); err != nil {
		return err
	}
	// Of a copy, because a create consumes its object even if the name turns out to be taken.
	obj = tree.Copy(obj).(map[string]any)
	delete(tree.Metadata(obj), "resourceVersion")
	err := q.createAndAnswer(obj)
	var e *status.Error
	if errors.As(err, &e) && e.Reason == "AlreadyExists" {
		return &store.Conflict{Bucket: q.Bucket, Key: q.Resource.Key(q.namespace, q.name)}
	}
	return err
}

// throughStorage makes of next, a custom object, what it would be if it had been stored and read: in between the storage
// version has its say.
func (w *write) throughStorage() error {
	stored, err := w.convertToStored(w.req.Context(), w.next)
	if err != nil {
		return err
	}
	if w.webhook == nil || w.storageVersion == "" {
		w.convertFromStored(w.next)
		return nil
	}
	back, err := w.fromWebhook(w.req.Context(), stored)
	if err != nil {
		return err
	}
	m := tree.Metadata(w.next)
	version, has := m["resourceVersion"]
	// In the same map, which is the caller's.
	clear(w.next)
	maps.Copy(w.next, back)
	setOrDelete(tree.Metadata(w.next), "resourceVersion", version, has)
	return nil
}

// answer answers a write that has been made, with the code of the verb. Where nothing is stored
// (a dry run, or the object has gone) it shows next.
func (w *write) answer(code int) error {
	if w.done == nil {
		if w.custom {
			if err := w.throughStorage(); err != nil {
				return err
			}
		} else if w.ToStored != nil {
			w.ToStored(w.next)
			w.fromStored(w.next)
		}
		return w.answerTree(code, w.next)
	}
	return w.Call.answer(code, w.done)
}

// checkTarget refuses an object whose name or namespace is not that of the path. An update and
// the result of a patch must say the name; a namespace may be left out.
func (q *Call) checkTarget(obj map[string]any) error {
	m := tree.Metadata(obj)
	if err := q.checkNamespace(m); err != nil {
		return err
	}
	// The missing name first: it would not equal the path's either.
	switch name := tree.Text(m, "name"); {
	case name == "":
		return q.nameUndeterminable()
	case name != q.name:
		return q.wrongName(name)
	}
	return nil
}

// nameUndeterminable returns the 400 for an object that does not say its name.
func (q *Call) nameUndeterminable() *status.Error {
	return status.BadRequest("the name of the object (" + q.name + " based on URL) was undeterminable: name must be provided")
}

// wrongName returns the 400 for an object that has another name than the path.
func (q *Call) wrongName(name string) *status.Error {
	return status.BadRequest("the name of the object (" + name + ") does not match the name on the URL (" + q.name + ")")
}

// checkNamespace refuses metadata that says another namespace than the path. What an object of
// the cluster says of one is dropped later.
func (q *Call) checkNamespace(m map[string]any) error {
	if ns := tree.Text(m, "namespace"); q.Namespaced && ns != "" && ns != q.namespace {
		return status.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}

// preconditions are what the writer takes the stored object to be, as the metadata that it sends
// say. "" asks for nothing.
type preconditions struct {
	uid string
	// revision is the resource version. It is compared as text.
	revision string
}

// readPreconditions takes them from an object that is to replace another. A resource version of
// 0 is as good as none. One that is no number is upstream's bare 500, for once not a 400.
func readPreconditions(obj map[string]any) (preconditions, error) {
	p := preconditions{
		uid:      tree.Text(obj, "metadata", "uid"),
		revision: tree.Text(obj, "metadata", "resourceVersion"),
	}
	if p.revision == "" {
		return p, nil
	}
	if _, err := strconv.ParseUint(p.revision, 10, 63); err != nil {
		return p, status.Unexplained(err.Error())
	}
	if p.revision == "0" {
		p.revision = ""
	}
	return p, nil
}

// checkUID returns the 409 for an object of another uid than the client means; uid is "" where
// there is none. Its text shows what upstream's storage says, down to a resource version of 0.
func (p preconditions) checkUID(q *Call, uid string) error {
	if p.uid == "" || p.uid == uid {
		return nil
	}
	return q.storageConflict("UID", p.uid, uid)
}

// storageConflict returns the 409 in the words of upstream's storage.
func (q *Call) storageConflict(field, wanted, is string) error {
	return q.conflict(q.name, "StorageError: invalid object, Code: 4, Key: "+q.storageKey()+
		", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "+field+" in precondition: "+wanted+
		", "+field+" in object meta: "+is)
}

// checkStored is check where upstream leaves both to its storage.
func (p preconditions) checkStored(q *Call, old *store.Object) error {
	if err := p.checkUID(q, old.Meta.UID); err != nil {
		return err
	}
	if rev := strconv.FormatInt(old.Rev, 10); p.revision != "" && p.revision != rev {
		return q.storageConflict("ResourceVersion", p.revision, rev)
	}
	return nil
}

// storageKey returns the key that upstream's storage has for the object of the call: below
// /registry, which a dry run does not reach, and with the group for what the core server does not
// serve.
func (q *Call) storageKey() string {
	key := "/" + q.Plural + "/" + q.Resource.Key(q.namespace, q.name)
	if q.custom || q.Server != "core" {
		key = "/" + q.Group + key
	}
	if !q.dryRun {
		key = "/registry" + key
	}
	return key
}

// checkRevision returns the 409 for an object that has been written since the client read it.
func (p preconditions) checkRevision(q *Call, old *store.Object) error {
	if p.revision == "" || p.revision == strconv.FormatInt(old.Rev, 10) {
		return nil
	}
	return q.conflict(q.name, status.ChangedMeanwhile)
}

// check returns the first of both: an object that is another one is said to be so, although its
// resource version differs as well.
func (p preconditions) check(q *Call, old *store.Object) error {
	if err := p.checkUID(q, old.Meta.UID); err != nil {
		return err
	}
	return p.checkRevision(q, old)
}
