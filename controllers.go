package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What an API server does with objects on its own: it empties namespaces and definitions
// that are being deleted, collects objects whose owners are gone, and keeps a service
// account and the CA in each namespace. One goroutine does it all, one thing after the
// other, from the log of all events.

// controllers is that goroutine; nothing else uses it once run is called.
type controllers struct {
	rest     *rest
	ca       string // PEM by which clients trust the TLS listener
	seen     int64  // events up to this revision are taken
	queued   map[task]bool
	queue    []task
	failing  map[task]bool             // those that failed when they were tried last
	owned    map[string]map[place]bool // dependents, by the owner's uid
	gone     map[string]bool           // owners of some in owned that are known to have gone
	emptying map[string]bool           // namespaces under deletion
}

// place is where an object is, or was.
type place struct {
	bucket *bucket
	key    string
}

// task is one object to look at for one reason. Looking again does no harm.
type task struct {
	why taskKind
	at  place
}

type taskKind int

const (
	taskSpace      taskKind = iota // a namespace: its own objects, or its emptying
	taskDefinition                 // a CustomResourceDefinition: its emptying, its names
	taskOwner                      // an object that is deleted with a finalizer for its dependents
	taskDependent                  // an object with owners
)

func newControllers(s *rest, ca string) *controllers {
	return &controllers{rest: s, ca: ca, queued: map[task]bool{}, failing: map[task]bool{}, owned: map[string]map[place]bool{}, gone: map[string]bool{}, emptying: map[string]bool{}}
}

// taskRetry is when a task that failed is tried again.
const taskRetry = 100 * time.Millisecond

// run works until ctx ends.
func (c *controllers) run(ctx context.Context) {
	c.rescan()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		failed := c.work(ctx)
		events, changed, ok := c.rest.store.after(c.seen, 1000)
		if !ok {
			c.rescan()
			continue
		}
		if len(events) > 0 {
			for _, k := range events {
				c.take(k.b, k.e)
			}
			continue
		}
		var again <-chan time.Time
		if failed {
			retry.Reset(taskRetry)
			again = retry.C
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// settle works until nothing is left to do, for what must be there before the server is
// ready. Tasks that fail are left to run.
func (c *controllers) settle(ctx context.Context) {
	c.rescan()
	for {
		failed := c.work(ctx)
		events, _, _ := c.rest.store.after(c.seen, 1000)
		if len(events) == 0 || failed || ctx.Err() != nil {
			return
		}
		for _, k := range events {
			c.take(k.b, k.e)
		}
	}
}

// rescan looks at everything there is.
func (c *controllers) rescan() {
	c.seen = c.rest.store.revision()
	clear(c.owned)
	for _, b := range c.rest.store.buckets() {
		sn := b.now()
		for o := range sn.scan("", "") {
			c.take(b, &logEvent{kind: eventAdded, rev: c.seen, obj: o})
		}
	}
}

func (c *controllers) add(why taskKind, at place) {
	t := task{why, at}
	if !c.queued[t] {
		c.queued[t] = true
		c.queue = append(c.queue, t)
	}
}

// take notes what an event asks for.
func (c *controllers) take(b *bucket, e *logEvent) {
	c.seen = max(c.seen, e.rev)
	at := place{b, e.obj.key}
	m := e.obj.meta
	if e.prev != nil {
		c.disown(at, e.prev.meta)
		for i := range e.prev.meta.owners { // an owner waits for those that block it
			o := &e.prev.meta.owners[i]
			kept := e.kind != eventDeleted && slices.ContainsFunc(m.owners, func(now ownerRef) bool { return now == *o })
			if r := c.rest.resourceOf(o.apiVersion, o.kind); !kept && r != nil && r.bucket != nil {
				c.add(taskOwner, place{r.bucket, r.key(e.obj.namespace(), o.name)})
			}
		}
	}
	if e.kind != eventDeleted {
		for _, o := range m.owners {
			if c.owned[o.uid] == nil {
				c.owned[o.uid] = map[place]bool{}
			}
			c.owned[o.uid][at] = true
		}
		if len(m.owners) > 0 {
			c.add(taskDependent, at)
		}
		if m.deleting && m.finalizers > 0 {
			c.add(taskOwner, at)
		}
	} else {
		if len(c.owned[m.uid]) > 0 {
			c.gone[m.uid] = true
		}
		for dependent := range c.owned[m.uid] {
			c.add(taskDependent, dependent)
		}
	}
	switch {
	case b == c.rest.spaces:
		c.add(taskSpace, at)
	case b == c.rest.customs.bucket:
		c.add(taskDefinition, at)
		if e.kind != eventAdded {
			c.waiting(at)
		}
	default:
		c.content(b, e)
	}
}

// content is an event of an object that may be in a namespace, or of a custom kind, that
// somebody waits for.
func (c *controllers) content(b *bucket, e *logEvent) {
	ns := e.obj.namespace()
	own := ns != "" && (b.name == "serviceaccounts" && e.obj.name() == "default" || b.name == "configmaps" && e.obj.name() == rootCAName)
	if ns != "" && (c.emptying[ns] || own && e.kind != eventAdded) {
		c.add(taskSpace, place{c.rest.spaces, ns})
	}
	if e.kind == eventDeleted {
		if c.rest.customs.isTerminating(b.name) {
			c.add(taskDefinition, place{c.rest.customs.bucket, b.name})
		}
	}
}

func (c *controllers) disown(at place, m *objectMeta) {
	for _, o := range m.owners {
		if set := c.owned[o.uid]; set != nil {
			delete(set, at)
			if len(set) == 0 {
				delete(c.owned, o.uid)
				delete(c.gone, o.uid)
			}
		}
	}
}

// work does what is queued. It reports whether something must be tried again.
func (c *controllers) work(ctx context.Context) (failed bool) {
	var again []task
	for len(c.queue) > 0 && ctx.Err() == nil {
		t := c.queue[0]
		c.queue = c.queue[1:]
		delete(c.queued, t)
		var err error
		switch t.why {
		case taskSpace:
			err = c.space(ctx, t.at.key)
		case taskDefinition:
			err = c.definition(ctx, t.at.key)
		case taskOwner:
			err = c.owner(ctx, t.at)
		case taskDependent:
			err = c.dependent(ctx, t.at)
		}
		if err == nil || ctx.Err() != nil {
			delete(c.failing, t)
			continue
		}
		if !c.failing[t] {
			c.failing[t] = true
			c.rest.program.log.Warn("an object could not be looked after; it is tried again", "resource", t.at.bucket.name, "key", t.at.key, "err", err)
		}
		again = append(again, t)
	}
	for _, t := range again {
		c.add(t.why, t.at)
	}
	return len(again) > 0
}

// Namespaces.

const (
	rootCAName  = "kube-root-ca.crt"
	rootCANote  = "kubernetes.io/description"
	spaceHolder = "kubernetes" // the finalizer in a namespace's spec
)

// space looks after a namespace: it has a service account and the CA, or is emptied.
func (c *controllers) space(ctx context.Context, name string) error {
	sn := c.rest.spaces.now()
	o := sn.get(name)
	if o == nil {
		delete(c.emptying, name)
		return nil
	}
	if !o.meta.deleting {
		return c.furnish(ctx, name)
	}
	c.emptying[name] = true
	left := false
	for _, b := range c.rest.store.buckets() {
		sn := b.now()
		r := c.rest.resourceFor(b)
		if r == nil || !r.namespaced {
			continue
		}
		for item := range sn.scan(name+"/", "") {
			if err := c.delete(r, item, background); err != nil {
				return err
			}
			now := b.now()
			left = left || now.get(item.key) != nil
		}
	}
	if left {
		return nil // the events of what is left bring us back
	}
	r := c.rest.builtin[kindKey{"", "v1", "Namespace"}]
	bare := false // somebody has taken the finalizers before us
	now, err := c.rest.internal(r, "update", name, name, "finalize").modify(ctx, func(obj map[string]any) bool {
		bare = len(listAt(obj, "spec", "finalizers")) == 0
		return dropString(objectAt(obj, "spec"), "finalizers", spaceHolder)
	})
	if err == nil && now != nil && bare {
		_, _, err = c.rest.internal(r, "delete", name, name, "").deleteObject(&deleteOptions{uid: &now.meta.uid})
	}
	return err
}

// dropString takes a string out of a list in obj and reports whether it was there.
func dropString(obj map[string]any, field, s string) bool {
	list := listAt(obj, field)
	var kept []any
	for _, v := range list {
		if v != s {
			kept = append(kept, v)
		}
	}
	if len(kept) == len(list) {
		return false
	}
	if kept == nil {
		delete(obj, field)
	} else {
		obj[field] = kept
	}
	return true
}

// furnish makes what every namespace has.
func (c *controllers) furnish(ctx context.Context, ns string) error {
	accounts := c.rest.builtin[kindKey{"", "v1", "ServiceAccount"}]
	sn := accounts.bucket.now()
	if sn.get(ns+"/default") == nil {
		obj := map[string]any{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": map[string]any{"name": "default"}}
		if err := c.create(accounts, ns, obj); err != nil {
			return err
		}
	}
	maps := c.rest.builtin[kindKey{"", "v1", "ConfigMap"}]
	data := map[string]any{"ca.crt": c.ca}
	sn = maps.bucket.now()
	if sn.get(ns+"/"+rootCAName) == nil {
		obj := map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "data": data,
			"metadata": map[string]any{"name": rootCAName, "annotations": map[string]any{rootCANote: "The certificates by which clients of this server trust it."}}}
		return c.create(maps, ns, obj)
	}
	_, err := c.rest.internal(maps, "update", ns, rootCAName, "").modify(ctx, func(obj map[string]any) bool {
		if deepEqual(obj["data"], data) {
			return false
		}
		obj["data"] = deepCopy(data)
		return true
	})
	return err
}

// create makes an object unless there is one already, or its namespace is going.
func (c *controllers) create(r *resource, ns string, obj map[string]any) error {
	_, err := c.rest.internal(r, "create", ns, "", "").insertObject(obj)
	var e *statusError
	if errors.As(err, &e) && (e.reason == "AlreadyExists" || e.reason == "NotFound" || e.reason == "Forbidden") {
		return nil
	}
	return err
}

// delete deletes an object, if it is still there.
func (c *controllers) delete(r *resource, o *object, policy string) error {
	return c.deleteAt(r, o, 0, policy)
}

// deleteAt is delete of an object that is as it was at a revision, 0 for any: who has
// changed it meanwhile may have given it another owner, and the event of that is to come.
func (c *controllers) deleteAt(r *resource, o *object, rev int64, policy string) error {
	if o.meta.deleting {
		return nil
	}
	uid := o.meta.uid
	q := c.rest.internal(r, "delete", o.namespace(), o.name(), "")
	options := deleteOptions{uid: &uid, propagation: policy}
	if rev != 0 {
		text := strconv.FormatInt(rev, 10)
		options.rev = &text
	}
	_, _, err := q.deleteObject(&options)
	var e *statusError
	if errors.As(err, &e) && (e.reason == "NotFound" || e.reason == "Conflict") {
		return nil
	}
	return err
}

// Definitions.

// definition empties one that is being deleted, and lets one whose names were taken try
// again.
func (c *controllers) definition(ctx context.Context, name string) error {
	customs := c.rest.customs
	customs.follow()
	sn := customs.bucket.now()
	o := sn.get(name)
	if o == nil || !o.meta.deleting {
		return nil
	}
	b := c.rest.store.resource(name)
	instances := b.now()
	if r := c.rest.resourceFor(b); r != nil {
		for item := range instances.scan("", "") {
			if err := c.delete(r, item, background); err != nil {
				return err
			}
		}
	}
	if now := b.now(); now.count() > 0 {
		return nil // its events bring us back
	}
	r := c.rest.builtin[kindKey{"apiextensions.k8s.io", "v1", "CustomResourceDefinition"}]
	_, err := c.rest.internal(r, "update", "", name, "").modify(ctx, func(obj map[string]any) bool {
		return dropString(metadataOf(obj), "finalizers", crdFinalizer)
	})
	return err
}

// waiting lets definitions of a group look again whether their names are free, when one
// has changed or gone.
func (c *controllers) waiting(changed place) {
	_, group, _ := strings.Cut(changed.key, ".")
	r := c.rest.builtin[kindKey{"apiextensions.k8s.io", "v1", "CustomResourceDefinition"}]
	c.rest.customs.follow()
	for _, name := range c.rest.customs.unaccepted(group) {
		_, _ = c.rest.internal(r, "update", "", name, "status").modify(context.Background(), func(map[string]any) bool {
			return true // the kind looks at the names before each write
		})
	}
}
