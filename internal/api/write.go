package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// create adds an object.
func (q *Call) create() error {
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	if q.Namespaced && q.namespace == "" {
		return status.PlainText(http.StatusNotFound, "404 page not found")
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	return q.createAndAnswer(obj)
}

// createAndAnswer is create with its object read.
func (q *Call) createAndAnswer(obj map[string]any) error {
	o, err := q.Insert(obj)
	if err != nil {
		return err
	}
	if q.dryRun {
		return q.answerTree(http.StatusCreated, obj)
	}
	return q.answer(http.StatusCreated, o)
}

// Insert checks and stores a new object, and is the one way by which any comes to
// be. With dryRun nothing is stored, the result is nil, and obj is what it would be.
func (q *Call) Insert(obj map[string]any) (*store.Object, error) {
	defer q.lockAlone()()
	m := tree.Metadata(obj)
	name := tree.Text(m, "name")
	if q.name != "" && name != "" && name != q.name {
		return nil, q.wrongName(name)
	}
	if v := tree.Text(m, "resourceVersion"); v != "" && v != "0" {
		return nil, status.Unexplained("resourceVersion should not be set on objects to be created")
	}
	if err := q.checkNamespace(m); err != nil {
		return nil, err
	}
	if q.terminating {
		return nil, q.forbidden(name, definitionGoes)
	}
	generate := tree.Text(m, "generateName")
	if q.HasStatus && !q.KeepsGivenStatus {
		delete(obj, "status")
	}
	q.stampNew(obj)
	q.dedupeOwners(obj)
	if name == "" && generate != "" {
		m["name"] = generatedName(generate)
	}
	if q.initialize != nil {
		q.initialize(obj)
	}
	q.shape.SetDefaults(obj)
	if q.Prepare != nil {
		if err := q.Prepare(q, obj, nil); err != nil {
			return nil, err
		}
	}
	if errs := append(q.metadataErrors(obj), q.shape.Validate(obj, nil)...); len(errs) > 0 {
		return nil, status.Invalid(q.Group, q.Kind, tree.Name(obj), errs)
	}
	q.warnUnchecked()
	for try := 1; ; try++ {
		if err := q.checkNamespaceActive(tree.Name(obj)); err != nil {
			return nil, err
		}
		o, err := q.commitNew(obj)
		if err == nil {
			return o, nil
		}
		var taken *store.Conflict
		if !errors.As(err, &taken) {
			return nil, err
		}
		if name == "" && try < GeneratedTries {
			m["name"] = generatedName(generate)
			q.shape.SetDefaults(obj) // some are made of the name
			continue
		}
		e := q.exists(tree.Name(obj), taken.Current)
		if name == "" {
			e.RetryAfter = 1
		}
		return nil, e
	}
}

// lockAlone lets one write at a time go on, of a kind that asks for it. It returns what ends
// that.
func (r *Resource) lockAlone() (unlock func()) {
	if r.serial == nil {
		return func() {}
	}
	r.serial.Lock()
	return r.serial.Unlock
}

// commitNew stores obj, or with dryRun sees whether it could be.
func (q *Call) commitNew(obj map[string]any) (*store.Object, error) {
	key := q.Resource.Key(q.namespace, tree.Name(obj))
	if q.dryRun {
		sn := q.Bucket.Now()
		if o := sn.Get(key); o != nil {
			return nil, &store.Conflict{Bucket: q.Bucket, Key: key, Current: o}
		}
		return nil, nil
	}
	d := q.encode(obj)
	o, err := q.commit(store.Change{Bucket: q.Bucket, Key: key, Next: &d}, func() error { return q.checkPlace(tree.Name(obj)) })
	if !errors.Is(err, errRedefined) {
		return o, err
	}
	if err := q.reload(); err != nil {
		return nil, err
	}
	obj["apiVersion"] = q.apiVersion()
	if _, err := q.shape.Prune(obj); err != nil {
		return nil, status.BadRequest(err.Error())
	}
	return q.Insert(obj)
}

// errRedefined is that the definition of a custom resource has changed since a call began:
// what it checked may no longer hold.
var errRedefined = errors.New("the resource is defined anew")

// commit makes one change, and tells the kind. fits, if any, is asked while no other commit
// can come between. Nothing is written under a definition that has been replaced: that is
// errRedefined.
func (q *Call) commit(c store.Change, fits func() error) (*store.Object, error) {
	var refused error
	done, err := q.api.Store.CommitFunc(context.Background(), func() []store.Change {
		if q.isRetired() {
			refused = errRedefined
		} else if fits != nil {
			refused = fits()
		}
		if refused != nil {
			return nil
		}
		return []store.Change{c}
	})
	if err = cmp.Or(refused, err); err != nil {
		return nil, err
	}
	if q.afterWrite != nil {
		q.afterWrite(done[0])
	}
	return done[0], nil
}

// recommit is commit for the change of an object that is there. Who finds the resource
// defined anew gets it, and a *store.Conflict, as if somebody had changed the object.
func (q *Call) recommit(c store.Change) (*store.Object, error) {
	o, err := q.commit(c, nil)
	if errors.Is(err, errRedefined) {
		if err := q.reload(); err != nil {
			return nil, err
		}
		return nil, &store.Conflict{Bucket: c.Bucket, Key: c.Key}
	}
	return o, err
}

// checkPlace is what must hold when a new object is committed: nobody has begun to delete
// what it is in.
func (q *Call) checkPlace(name string) error {
	if q.custom {
		sn := q.api.Customs.Bucket.Now()
		if d := sn.Get(q.Bucket.Name); d == nil {
			return status.PlainText(http.StatusNotFound, "404 page not found")
		} else if d.Meta.Deleting {
			return q.forbidden(name, definitionGoes)
		}
	}
	return q.checkNamespaceActive(name)
}

const definitionGoes = "create not allowed while custom resource definition is terminating"

func (q *Call) exists(name string, current *store.Object) *status.Error {
	message := q.Qualified() + " " + strconv.Quote(name) + " already exists"
	if current != nil && current.Meta.Deleting {
		message = "object is being deleted: " + message
	}
	return &status.Error{Code: http.StatusConflict, Reason: "AlreadyExists", Message: message, Details: &status.Details{Name: name, Group: q.Group, Kind: q.Plural}}
}

func (r *Resource) forbidden(name, why string) *status.Error {
	return &status.Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: r.Qualified() + " " + strconv.Quote(name) + " is forbidden: " + why, Details: &status.Details{Name: name, Group: r.Group, Kind: r.Plural}}
}

func (q *Call) wrongName(name string) *status.Error {
	return status.BadRequest("the name of the object (" + name + ") does not match the name on the URL (" + q.name + ")")
}

func (q *Call) noName() *status.Error {
	return status.BadRequest("the name of the object (" + q.name + " based on URL) was undeterminable: name must be provided")
}

func (q *Call) wrongUID(old *store.Object, uid string) *status.Error {
	return q.conflict(q.name, "StorageError: invalid object, Code: 4, Key: "+old.Key+", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: "+uid+", UID in object meta: "+old.Meta.UID)
}

// checkNamespace sees to it that the object says the namespace of the path, or none.
func (q *Call) checkNamespace(m map[string]any) error {
	if ns := tree.Text(m, "namespace"); ns != "" && ns != q.namespace {
		return status.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}

// checkNamespaceActive refuses a new object whose namespace is not there, or on its way out.
func (q *Call) checkNamespaceActive(name string) error {
	if !q.Namespaced {
		return nil
	}
	sn := q.api.Namespaces.Now()
	space := sn.Get(q.namespace)
	if space == nil {
		return &status.Error{Code: http.StatusNotFound, Reason: "NotFound", Message: "namespaces " + strconv.Quote(q.namespace) + " not found", Details: &status.Details{Name: q.namespace, Kind: "namespaces"}}
	}
	if space.Meta.Deleting {
		why := "unable to create new content in namespace " + q.namespace + " because it is being terminated"
		e := q.forbidden(name, why)
		e.Details.Causes = []field.Error{{Reason: "NamespaceTerminating", Message: "namespace " + q.namespace + " is being terminated", Field: "metadata.namespace"}}
		return e
	}
	return nil
}

// warnUnchecked tells whoever writes that there are rules nobody evaluates.
func (q *Call) warnUnchecked() {
	for _, rule := range q.unchecked {
		q.scope.Warn("", rule)
	}
}

// update replaces an object, or its status.
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
	m := tree.Metadata(obj)
	switch name := tree.Text(m, "name"); {
	case name == "":
		return q.noName()
	case name != q.name:
		return q.wrongName(name)
	}
	if err := q.checkNamespace(m); err != nil {
		return err
	}
	given, err := givenRevision(obj)
	if err != nil {
		return err
	}
	uid := tree.Text(m, "uid")
	for {
		sn := q.Bucket.Now()
		old := sn.Get(q.Resource.Key(q.namespace, q.name))
		if old == nil {
			if !q.CreateOnUpdate || uid != "" || given != "" || q.info.Subresource != "" {
				return q.notFound(q.name)
			}
			err := q.createAndAnswer(tree.Copy(obj).(map[string]any))
			var e *status.Error
			if errors.As(err, &e) && e.Reason == "AlreadyExists" {
				continue // somebody else made it meanwhile
			}
			return err
		}
		if given == "" && !q.UnconditionalUpdate {
			return status.Invalid(q.Group, q.Kind, q.name, []field.Error{field.Invalid("metadata.resourceVersion", 0, "must be specified for an update")})
		}
		if uid != "" && uid != old.Meta.UID {
			return q.wrongUID(old, uid)
		}
		if given != "" && given != strconv.FormatInt(old.Rev, 10) {
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
		next := obj
		if given == "" {
			next = tree.Copy(obj).(map[string]any) // it may be written again
		}
		was := q.decode(old)
		done, err := q.replace(old, was, next)
		var raced *store.Conflict
		if errors.As(err, &raced) {
			if given != "" {
				return q.conflict(q.name, status.ChangedMeanwhile)
			}
			continue
		}
		if err != nil {
			return err
		}
		return q.answerWritten(done, next)
	}
}

// givenRevision is the revision on condition of which obj is written, "" for whatever one:
// that is what 0 means too.
func givenRevision(obj map[string]any) (string, error) {
	given := tree.Text(obj, "metadata", "resourceVersion")
	if given == "" {
		return "", nil
	}
	if _, err := strconv.ParseUint(given, 10, 63); err != nil {
		return "", status.Unexplained(parseUintText(given, err))
	}
	if given == "0" {
		return "", nil
	}
	return given, nil
}

// answerWritten answers an update or a patch; o is nil when nothing was
// stored, or the object has gone with this write.
func (q *Call) answerWritten(o *store.Object, next map[string]any) error {
	if o == nil {
		return q.answerTree(http.StatusOK, next)
	}
	return q.answer(http.StatusOK, o)
}

// replace writes next in the place of old, whose tree is was. Both trees are consumed. A
// write that changes nothing is none. With dryRun nothing is written, the result is nil and
// next is what it would be. Who raced gets a *store.Conflict.
func (q *Call) replace(old *store.Object, was, next map[string]any) (*store.Object, error) {
	defer q.lockAlone()()
	if q.info.Subresource == "status" {
		merged := tree.Copy(was).(map[string]any)
		if s, ok := next["status"]; ok {
			merged["status"] = s
		} else {
			delete(merged, "status")
		}
		clear(next)
		for k, v := range merged {
			next[k] = v
		}
	} else if q.info.Subresource == "" && q.HasStatus {
		if s, ok := was["status"]; ok {
			next["status"] = s
		} else {
			delete(next, "status")
		}
	}
	if q.info.Subresource == "" || q.info.Subresource == "status" {
		for _, path := range q.Kept {
			if v := tree.At(was, path...); v != nil {
				tree.Set(next, v, path...)
			}
		}
	}
	m := tree.Metadata(next)
	keepSystemFields(next, was)
	m["name"] = old.Name()
	if q.Namespaced {
		m["namespace"] = q.namespace
	}
	q.dedupeOwners(next)
	q.shape.SetDefaults(next)
	if q.Prepare != nil {
		if err := q.Prepare(q, next, was); err != nil {
			return nil, err
		}
	}
	errs := q.metadataErrors(next)
	errs = append(errs, immutableErrors(next, was)...)
	if errs = append(errs, q.shape.Validate(next, was)...); len(errs) > 0 {
		return nil, status.Invalid(q.Group, q.Kind, q.name, errs)
	}
	if q.HasGeneration && !q.sameGeneration(next, was) {
		n, _ := tree.At(was, "metadata", "generation").(int64)
		m["generation"] = n + 1
	}
	m["resourceVersion"] = strconv.FormatInt(old.Rev, 10)
	tree.Metadata(was)["resourceVersion"] = m["resourceVersion"]
	if tree.Equal(next, was) && q.asStored(old) {
		return q.unlessDry(old), nil
	}
	q.warnUnchecked()
	if old.Meta.Deleting && len(tree.List(m, "finalizers")) == 0 && q.mayGo(next) {
		if q.dryRun {
			return nil, nil
		}
		return nil, q.remove(old, next) // the answer is what was written last, at the revision of before (upstream)
	}
	if q.dryRun {
		return nil, nil
	}
	d := q.encode(next)
	if d.Same(old) { // as another version shows it, it was not as it is stored
		return old, nil
	}
	return q.recommit(store.Change{Bucket: q.Bucket, Key: old.Key, Expect: old.Rev, Next: &d})
}

func (q *Call) unlessDry(o *store.Object) *store.Object {
	if q.dryRun {
		return nil
	}
	return o
}

// mayGo reports whether nothing but finalizers in metadata holds a deleted object: a
// namespace has others in its spec.
func (r *Resource) mayGo(obj map[string]any) bool {
	return len(tree.List(obj, "spec", "finalizers")) == 0 || r.Plural != "namespaces" || r.Group != ""
}

// remove takes an object out, which was in the state last at its end.
func (q *Call) remove(old *store.Object, last map[string]any) error {
	d := q.encode(tree.Copy(last).(map[string]any))
	_, err := q.recommit(store.Change{Bucket: q.Bucket, Key: old.Key, Expect: old.Rev, Last: &d})
	return err
}
