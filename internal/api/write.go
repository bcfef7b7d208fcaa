package api

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"apichain/internal/allocator"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// Every object that is created, changed or removed goes through the steps in this file, in
// their order, whatever verb or subresource asks. A step is a method of write, which holds the
// object as it is stored and as it is to be; each says what holds before it and after it.
//
//	create         update, patch, status,         delete
//	               scale, finalize, Modify
//
//	read           read                           read
//	               ┌► old                         ┌► old
//	mutate         │  mutate                      │  admit
//	carryOver      │  carryOver                   │  mark, if something holds it
//	setDefaults    │  setDefaults                 └─ commit, or a conflict
//	setName        │
//	check          │  check
//	               │  bump
//	admit          │  admit
//	settle         │  settle
//	add            └─ commit, or a conflict
//
// Nothing is locked from read to commit. The store's commit is the one place where two writers
// meet: it says which revision it replaces, and who comes second gets a *store.Conflict, upon
// which retry begins again with the object as it has become. A kind whose check depends on
// other objects (a definition's on the names of all others) has a lock of its own, serial, for
// the steps from settle on.
//
// A step here never answers the request. It leaves in write what the answer will be made of.

// write is one attempt to write one object. Which trees there are says what kind of write it is,
// as it does in upstream's admission reviews: a create has no old state, a delete no new one.
// It lives on the stack of the verb that makes it and is used by one goroutine.
type write struct {
	// Call has the options and the target, and takes warnings.
	*Call

	// old is the object as it is stored, and was its tree in the version of the call; both are
	// nil in a create. old.Rev is what the commit expects to replace.
	old *store.Object
	was map[string]any
	// next is the object on its way into the store. The steps change it in place, and it is the
	// caller's to read when they are done: in a dry run it is what would have been stored.
	next map[string]any

	// uid is what a new object gets. It is chosen once, so that carryOver may be repeated.
	uid string
	// generated says that the name of a new object was made from its generateName.
	generated bool

	// view returns what admission sees of an object in the place of it; nil is the object itself. deletes are the options
	// of a delete, and mutated says that mutating admission has been asked.
	view    func(obj map[string]any) map[string]any
	deletes *DeleteOptions
	mutated bool

	// sent is what was sent where that is not next, nil elsewhere: it is what owners are counted by. owned says that next has its
	// owners.
	sent  map[string]any
	owned bool

	// claim is what the write takes for the object; nil for nothing.
	claim *allocator.Claim

	// done is the object after the write, which may be old when nothing had to change. It is
	// nil when nothing is stored: in a dry run, or when the object has gone with this write.
	done *store.Object
}

// forever is the number of tries for a write that sets no condition. Each conflict means that
// another write has been made, so it ends when the others do.
const forever = -1

// retry calls attempt with the object of the call as it is now, nil if there is none, and again
// for as long as the attempt ends with a *store.Conflict: then somebody has written the object
// between its read and its write. After that many tries beyond the first it gives up with the
// 409 that asks the client to start again. Any other outcome is returned as it is.
//
// Each attempt must make a write of its own from what it is given. It may answer the request,
// since a call that has no conflict is the last one.
func (q *Call) retry(tries int, attempt func(old *store.Object) error) error {
	for try := 0; ; try++ {
		err := q.believe(func() error {
			sn := q.Bucket.Now()
			old := sn.Get(q.Resource.Key(q.namespace, q.name))
			if err := q.look(old); err != nil {
				return err
			}
			return attempt(old)
		})
		if err == nil {
			return nil
		}
		var raced *store.Conflict
		if !errors.As(err, &raced) && !q.lost(err) {
			return err
		}
		if try == tries {
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
	}
}

// insert takes a new object through all steps. Before it, next is what the body says, pruned.
// After it, done is the stored object, or nil in a dry run; next has been consumed unless it is
// one.
func (w *write) insert() error {
	if !w.api.Store.IsShared() {
		return w.insertOnce()
	}
	given, again := tree.Copy(w.next), false
	attempt := func() error {
		if again {
			// In the same map, which is the caller's.
			clear(w.next)
			maps.Copy(w.next, tree.Copy(given).(map[string]any))
			w.generated, w.claim, w.done = false, nil, nil
		}
		again = true
		return w.insertOnce()
	}
	for {
		// Each time somebody else has got something, so it ends when they have enough or there is no more.
		if err := w.believe(attempt); !w.lost(err) {
			return err
		}
	}
}

// insertOnce is insert by what the store shows.
func (w *write) insertOnce() error {
	if err := w.checkNew(); err != nil {
		return err
	}
	// Before anything of the object is judged: upstream's admission asks for the namespace.
	if err := w.checkNamespaceActive(tree.Text(w.next, "metadata", "name"), w.api.Namespaces.Now()); err != nil {
		return err
	}
	w.uid = request.NewUUID()
	w.own()
	if err := w.mutate(); err != nil {
		return err
	}
	w.complete()
	w.setName()
	defer w.endClaim()
	if err := w.check(); err != nil {
		return err
	}
	if err := w.admit(Validating); err != nil {
		return err
	}
	return w.store(w.add)
}

// replace takes a change of the object old through all steps. Before it, was is old's tree and
// next the whole object that is wanted, as far as the writer may say; both are consumed. After
// it, done and next are as write says. The error is a *store.Conflict when old is no longer what
// is stored: see retry.
func (w *write) replace() error {
	w.own()
	if err := w.mutate(); err != nil {
		return err
	}
	w.complete()
	defer w.endClaim()
	if err := w.check(); err != nil {
		return err
	}
	w.bump()
	if err := w.admit(Validating); err != nil {
		return err
	}
	return w.store(w.commit)
}

// store settles what is about to be stored, and stores it by commit: of a kind that asks for it (serial) one write at a
// time. That is the outermost lock of a write: the store's are taken inside of it. Nobody outside is asked under
// it, since a webhook may take long, or write such an object itself before it answers. A create that begins again
// (addAnew) takes it twice, but that happens to custom resources only, which have none.
func (w *write) store(commit func() error) error {
	if w.serial != nil {
		w.serial <- struct{}{}
		defer func() { <-w.serial }()
	}
	if w.settle != nil {
		if err := w.settle(w.Call, w.next, w.was); err != nil {
			return err
		}
	}
	err := commit()
	// Owners are the first that may go where what keeps the objects has no room for one, unless they are what is asked for (upstream).
	if owners := tree.Object(w.next, "metadata")["managedFields"]; err != nil && owners != nil && !w.owned &&
		strings.Contains(err.Error(), "request is too large") {
		delete(tree.Metadata(w.next), "managedFields")
		err = commit()
	}
	return err
}

// complete does carryOver and setDefaults. Defaults of a custom resource come first: they are of
// what the client sends, and must not find their way into what is carried over, which may be stored
// in a version that has other ones. A scale sends no custom object, and changes one number of it.
func (w *write) complete() {
	if s, ok := w.shape.(kinds.Shape); ok {
		s.Reduce(w.next)
	}
	if w.custom {
		if w.info.Subresource != "scale" {
			w.setDefaults()
		}
		w.carryOver()
		return
	}
	w.carryOver()
	w.setDefaults()
}

// carryOver gives next what is not the writer's to say: for a new object the stamp of the
// server, for a changed one all that the old one has and this path may not change. After it
// metadata is an object, and its system fields are the server's. Doing it twice changes nothing
// more.
func (w *write) carryOver() {
	if w.old == nil {
		w.begin()
	} else {
		w.mergeSubresource()
		w.inherit()
	}
	w.dedupeOwners(w.next)
}

// begin makes of what the client sent a new object: stamped, without a status where that is
// written apart, and with what its kind always begins with.
func (w *write) begin() {
	if w.HasStatus && !w.KeepsGivenStatus {
		delete(w.next, "status")
	}
	w.stampNew(w.next, w.uid)
	// After the status has gone, since a namespace begins with a phase of its own in it.
	if w.initialize != nil {
		w.initialize(w.next)
	}
}

// mergeSubresource makes next a whole object of which only that part differs from was which the
// path writes: status below /status, with the metadata for most built-in kinds, and all but status
// at the object itself. Other subresources
// (scale, finalize) have made next from the stored object already, status and all.
func (w *write) mergeSubresource() {
	// The owners are those of the write, whatever part it writes.
	owners, has := tree.Object(w.next, "metadata")["managedFields"]
	defer func() {
		if m := tree.Object(w.next, "metadata"); m != nil {
			setOrDelete(m, "managedFields", owners, has)
		}
	}()
	switch {
	case w.part() != nil:
		w.part().Merge(w.next, w.was)
	case w.info.Subresource == "status":
		given, has := w.next["status"]
		m, hasMeta := w.next["metadata"]
		// next stays the same map, because the caller answers it after a dry run.
		clear(w.next)
		for k, v := range tree.Copy(w.was).(map[string]any) {
			w.next[k] = v
		}
		setOrDelete(w.next, "status", given, has)
		if !w.custom && !w.StatusAlone {
			setOrDelete(w.next, "metadata", m, hasMeta)
		}
	case w.info.Subresource == "" && w.HasStatus:
		kept, has := w.was["status"]
		setOrDelete(w.next, "status", kept, has)
	}
}

// setOrDelete makes m[key] equal to what another map has: v, or nothing.
func setOrDelete(m map[string]any, key string, v any, has bool) {
	if has {
		m[key] = v
	} else {
		delete(m, key)
	}
}

// inherit carries over what no update changes: the paths that the kind keeps, the system fields,
// and the identity. The name is the stored one even when the body has none, as a patch may leave
// it.
func (w *write) inherit() {
	// Paths are kept from writes of the object and of its status. A subresource with rules of
	// its own (finalize) is there to change just these.
	if w.info.Subresource == "" || w.info.Subresource == "status" {
		for _, path := range w.Kept {
			if v := tree.At(w.was, path...); v != nil {
				tree.Set(w.next, v, path...)
			}
		}
	}
	keepSystemFields(w.next, w.was)
	m := tree.Metadata(w.next)
	setText(m, "name", w.old.Name())
	w.setNamespace(m)
}

// setDefaults fills in what next leaves out. Before it next is pruned; after it the kind's
// checks find every field that they look at. What comes of an apply to a custom object has not been read as one, so that
// its nulls are refused (upstream): it has some where nothing is left of a struct.
func (w *write) setDefaults() {
	if s, ok := w.shape.(*customShape); ok && w.owned {
		s.schema().SetDefaultsOnly(w.next)
		return
	}
	w.shape.SetDefaults(w.next)
}

// setName gives a new object that has none the name that its generateName asks for. It comes
// after mutate, since admission sees such an object without a name (upstream), and before check,
// which demands one. After it, defaults that are made of the name are there too.
func (w *write) setName() {
	m := tree.Metadata(w.next)
	base := tree.Text(m, "generateName")
	if base == "" || tree.Text(m, "name") != "" {
		return
	}
	w.generated = true
	w.rename(generatedName(base))
}

// rename gives a new object another name, with the defaults that are made of it.
func (w *write) rename(name string) {
	tree.Metadata(w.next)["name"] = name
	w.setDefaults()
}

// check refuses an object that its kind, or all kinds, do not allow. Before it next is whole and
// has its defaults; after it, it may be stored as far as its content goes. The kind's prepare
// comes first, because it completes the object (a definition's defaults) for the checks behind it. All errors of
// metadata and kind are one 422; warnings come when there are none.
func (w *write) check() error {
	if prepare := w.strategyStep(); prepare != nil {
		prepare(w.next, w.was)
	}
	if w.prepare != nil {
		if err := w.prepare(w.Call, w.next, w.was); err != nil {
			return err
		}
	}
	if err := w.takeClaim(); err != nil {
		return err
	}
	name, errs := w.name, w.contentErrors()
	if w.old == nil {
		// A create knows its name from the body, perhaps just generated.
		name, errs = tree.Name(w.next), append(w.metadataErrors(w.next), errs...)
	} else {
		errs = w.metadataUpdateErrors(w.next, w.was, errs)
	}
	if s, ok := w.shape.(*customShape); ok && s.schema().HasRules() {
		begun := time.Now()
		errs = s.schema().CheckRules(w.next, w.was, errs, w.req.Context().Done(), func(text string) { w.scope.Warn("", text) })
		w.scope.Spend(request.InRules, time.Since(begun))
	}
	if len(errs) > 0 {
		group := w.Group
		if w.StoredAs != "" { // upstream checks what it stores
			_, group, _ = strings.Cut(w.StoredAs, ".")
		}
		return status.Invalid(group, w.Kind, name, errs)
	}
	if w.custom {
		w.warnFinalizers(w.next, w.was)
	}
	if w.Warnings != nil {
		for _, text := range w.Warnings(w.next, w.was) {
			w.scope.Warn("", text)
		}
	}
	return nil
}

// contentErrors returns what is wrong with next beside its metadata.
func (w *write) contentErrors() []field.Error {
	if part := w.part(); part != nil {
		return w.Row.CheckPart(w.next, w.was, part.Check)
	}
	status := w.info.Subresource == "status"
	if status && w.validateStatus != nil {
		return w.validateStatus(w.next)
	}
	return w.shape.Validate(w.next, w.was, status)
}

// part returns the subresource of the write that writes a part of the object, nil if it is none.
func (q *Call) part() *strategy.Part {
	if q.info.Subresource == "" {
		return nil
	}
	if p, ok := q.Parts[q.info.Subresource]; ok {
		return &p
	}
	return nil
}

// strategyStep returns what the strategy of the kind does with such a write, nil for nothing.
func (w *write) strategyStep() func(obj, old map[string]any) {
	switch w.info.Subresource {
	case "":
		return w.Prepare
	case "status":
		return w.PrepareStatus
	}
	return nil
}

// bump counts the change: generation goes up by one when anything but metadata (and status,
// where that is written apart) differs from what was. Both trees get old's resource version,
// so that they differ only by what the write changes; the store puts the new one in.
func (w *write) bump() {
	m := tree.Metadata(w.next)
	if w.HasGeneration && w.counts() {
		n, _ := tree.At(w.was, "metadata", "generation").(int64)
		m["generation"] = n + 1
	}
	revision := strconv.FormatInt(w.old.Rev, 10)
	setText(m, "resourceVersion", revision)
	setText(tree.Metadata(w.was), "resourceVersion", revision)
}

// counts reports whether the change is one that generation counts: what the kind says, and where it
// says nothing anything but metadata, for some kinds the labels too.
func (w *write) counts() bool {
	if w.Changes != nil && w.info.Subresource != "status" {
		return w.Changes(w.next, w.was)
	}
	sameLabels := !w.LabelsCount || tree.Equal(tree.At(w.next, "metadata", "labels"), tree.At(w.was, "metadata", "labels"))
	return !sameLabels || !w.sameGeneration(w.next, w.was)
}

// sameGeneration reports whether two objects are the same but for metadata, and for status where
// that is written apart: then the generation stays.
func (r *Resource) sameGeneration(a, b map[string]any) bool {
	// What a client sends again is another number to upstream if it is written otherwise, be it the
	// same: built-in kinds have been decoded by then, and the numbers are those of their types.
	same := tree.Equal
	if r.custom {
		same = tree.Identical
	}
	uncounted := func(k string) bool { return k == "metadata" || k == "status" && r.HasStatus }
	for k, v := range a {
		if w, ok := b[k]; !uncounted(k) && (!ok || !same(v, w)) {
			return false
		}
	}
	// What a has is equal in b: only a field that b alone has can still differ.
	for k := range b {
		if _, ok := a[k]; !uncounted(k) && !ok {
			return false
		}
	}
	return true
}
