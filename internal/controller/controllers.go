package controller

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// What an API server does with objects on its own: it empties namespaces and definitions
// that are being deleted, collects objects whose owners are gone, and keeps a service
// account and the CA in each namespace. One goroutine does it all, one thing after the
// other, from the log of all events.

// controllers is that goroutine; nothing else uses it once run is called.
type controllers struct {
	api      *api.API
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
	bucket *store.Bucket
	key    string
}

// task is one object to look at for one reason. Looking again does no harm.
type task struct {
	why taskKind
	at  place
}

type taskKind int

const (
	taskNamespace  taskKind = iota // a namespace: its own objects, or its emptying
	taskDefinition                 // a CustomResourceDefinition: its emptying, its names
	taskOwner                      // an object that is deleted with a finalizer for its dependents
	taskDependent                  // an object with owners
)

func newControllers(s *api.API, ca string) *controllers {
	return &controllers{api: s, ca: ca, queued: map[task]bool{}, failing: map[task]bool{}, owned: map[string]map[place]bool{}, gone: map[string]bool{}, emptying: map[string]bool{}}
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
		events, changed, ok := c.api.Store.After(c.seen, 1000)
		if !ok {
			c.rescan()
			continue
		}
		if len(events) > 0 {
			for _, k := range events {
				c.take(k.Bucket, k.Event)
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
		events, _, _ := c.api.Store.After(c.seen, 1000)
		if len(events) == 0 || failed || ctx.Err() != nil {
			return
		}
		for _, k := range events {
			c.take(k.Bucket, k.Event)
		}
	}
}

// rescan looks at everything there is.
func (c *controllers) rescan() {
	c.seen = c.api.Store.Revision()
	clear(c.owned)
	for _, b := range c.api.Store.Buckets() {
		sn := b.Now()
		for o := range sn.Scan("", "") {
			c.take(b, &store.Event{Kind: store.Added, Rev: c.seen, Object: o})
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
func (c *controllers) take(b *store.Bucket, e *store.Event) {
	c.seen = max(c.seen, e.Rev)
	at := place{b, e.Object.Key}
	m := e.Object.Meta
	if e.Prev != nil {
		c.disown(at, e.Prev.Meta)
		for i := range e.Prev.Meta.Owners { // an owner waits for those that block it
			o := &e.Prev.Meta.Owners[i]
			kept := e.Kind != store.Deleted && slices.ContainsFunc(m.Owners, func(now store.Owner) bool { return now == *o })
			if r := c.api.ForKind(o.APIVersion, o.Kind); !kept && r != nil && r.Bucket != nil {
				c.add(taskOwner, place{r.Bucket, r.Key(e.Object.Namespace(), o.Name)})
			}
		}
	}
	if e.Kind != store.Deleted {
		for _, o := range m.Owners {
			if c.owned[o.UID] == nil {
				c.owned[o.UID] = map[place]bool{}
			}
			c.owned[o.UID][at] = true
		}
		if len(m.Owners) > 0 {
			c.add(taskDependent, at)
		}
		if m.Deleting && m.Finalizers > 0 {
			c.add(taskOwner, at)
		}
	} else {
		if len(c.owned[m.UID]) > 0 {
			c.gone[m.UID] = true
		}
		for dependent := range c.owned[m.UID] {
			c.add(taskDependent, dependent)
		}
	}
	switch {
	case b == c.api.Namespaces:
		c.add(taskNamespace, at)
	case b == c.api.Customs.Bucket:
		c.add(taskDefinition, at)
		if e.Kind != store.Added {
			c.retryNames(at)
		}
	default:
		c.content(b, e)
	}
}

// content is an event of an object that may be in a namespace, or of a custom kind, that
// somebody waits for.
func (c *controllers) content(b *store.Bucket, e *store.Event) {
	ns := e.Object.Namespace()
	own := ns != "" && (b.Name == "serviceaccounts" && e.Object.Name() == "default" || b.Name == "configmaps" && e.Object.Name() == RootCAName)
	if ns != "" && (c.emptying[ns] || own && e.Kind != store.Added) {
		c.add(taskNamespace, place{c.api.Namespaces, ns})
	}
	if e.Kind == store.Deleted {
		if c.api.Customs.IsTerminating(b.Name) {
			c.add(taskDefinition, place{c.api.Customs.Bucket, b.Name})
		}
	}
}

func (c *controllers) disown(at place, m *store.Meta) {
	for _, o := range m.Owners {
		if set := c.owned[o.UID]; set != nil {
			delete(set, at)
			if len(set) == 0 {
				delete(c.owned, o.UID)
				delete(c.gone, o.UID)
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
		case taskNamespace:
			err = c.syncNamespace(ctx, t.at.key)
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
			c.api.Config.Log.Warn("an object could not be looked after; it is tried again", "resource", t.at.bucket.Name, "key", t.at.key, "err", err)
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
	RootCAName = "kube-root-ca.crt"
	rootCANote = "kubernetes.io/description"
)

// syncNamespace looks after a namespace: it has a service account and the CA, or is emptied.
func (c *controllers) syncNamespace(ctx context.Context, name string) error {
	sn := c.api.Namespaces.Now()
	o := sn.Get(name)
	if o == nil {
		delete(c.emptying, name)
		return nil
	}
	if !o.Meta.Deleting {
		return c.ensureDefaults(ctx, name)
	}
	c.emptying[name] = true
	left := false
	for _, b := range c.api.Store.Buckets() {
		sn := b.Now()
		r := c.api.ForBucket(b)
		if r == nil || !r.Namespaced {
			continue
		}
		for item := range sn.Scan(name+"/", "") {
			if err := c.delete(r, item, api.PropagationBackground); err != nil {
				return err
			}
			now := b.Now()
			left = left || now.Get(item.Key) != nil
		}
	}
	if left {
		return nil // the events of what is left bring us back
	}
	r := c.api.Builtin("", "v1", "Namespace")
	bare := false // somebody has taken the finalizers before us
	now, err := c.api.Internal(r, "update", name, name, "finalize").Modify(ctx, func(obj map[string]any) bool {
		bare = len(tree.List(obj, "spec", "finalizers")) == 0
		return dropString(tree.Object(obj, "spec"), "finalizers", api.NamespaceFinalizer)
	})
	if err == nil && now != nil && bare {
		_, _, err = c.api.Internal(r, "delete", name, name, "").Delete(&api.DeleteOptions{UID: &now.Meta.UID})
	}
	return err
}

// dropString takes a string out of a list in obj and reports whether it was there.
func dropString(obj map[string]any, field, s string) bool {
	list := tree.List(obj, field)
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

// ensureDefaults makes what every namespace has.
func (c *controllers) ensureDefaults(ctx context.Context, ns string) error {
	accounts := c.api.Builtin("", "v1", "ServiceAccount")
	sn := accounts.Bucket.Now()
	if sn.Get(ns+"/default") == nil {
		obj := map[string]any{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": map[string]any{"name": "default"}}
		if err := c.create(accounts, ns, obj); err != nil {
			return err
		}
	}
	maps := c.api.Builtin("", "v1", "ConfigMap")
	data := map[string]any{"ca.crt": c.ca}
	sn = maps.Bucket.Now()
	if sn.Get(ns+"/"+RootCAName) == nil {
		obj := map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "data": data,
			"metadata": map[string]any{"name": RootCAName, "annotations": map[string]any{rootCANote: "The certificates by which clients of this server trust it."}}}
		return c.create(maps, ns, obj)
	}
	_, err := c.api.Internal(maps, "update", ns, RootCAName, "").Modify(ctx, func(obj map[string]any) bool {
		if tree.Equal(obj["data"], data) {
			return false
		}
		obj["data"] = tree.Copy(data)
		return true
	})
	return err
}

// create makes an object unless there is one already, or its namespace is going.
func (c *controllers) create(r *api.Resource, ns string, obj map[string]any) error {
	_, err := c.api.Internal(r, "create", ns, "", "").Insert(obj)
	var e *status.Error
	if errors.As(err, &e) && (e.Reason == "AlreadyExists" || e.Reason == "NotFound" || e.Reason == "Forbidden") {
		return nil
	}
	return err
}

// delete deletes an object, if it is still there.
func (c *controllers) delete(r *api.Resource, o *store.Object, policy string) error {
	return c.deleteAt(r, o, 0, policy)
}

// deleteAt is delete of an object that is as it was at a revision, 0 for any: who has
// changed it meanwhile may have given it another owner, and the event of that is to come.
func (c *controllers) deleteAt(r *api.Resource, o *store.Object, rev int64, policy string) error {
	if o.Meta.Deleting {
		return nil
	}
	uid := o.Meta.UID
	q := c.api.Internal(r, "delete", o.Namespace(), o.Name(), "")
	options := api.DeleteOptions{UID: &uid, Propagation: policy}
	if rev != 0 {
		text := strconv.FormatInt(rev, 10)
		options.ResourceVersion = &text
	}
	_, _, err := q.Delete(&options)
	var e *status.Error
	if errors.As(err, &e) && (e.Reason == "NotFound" || e.Reason == "Conflict") {
		return nil
	}
	return err
}

// Definitions.

// definition empties one that is being deleted, and lets one whose names were taken try
// again.
func (c *controllers) definition(ctx context.Context, name string) error {
	customs := c.api.Customs
	customs.Follow()
	sn := customs.Bucket.Now()
	o := sn.Get(name)
	if o == nil || !o.Meta.Deleting {
		return nil
	}
	b := c.api.Store.Bucket(name)
	instances := b.Now()
	if r := c.api.ForBucket(b); r != nil {
		for item := range instances.Scan("", "") {
			if err := c.delete(r, item, api.PropagationBackground); err != nil {
				return err
			}
		}
	}
	if now := b.Now(); now.Count() > 0 {
		return nil // its events bring us back
	}
	r := c.api.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	_, err := c.api.Internal(r, "update", "", name, "").Modify(ctx, func(obj map[string]any) bool {
		return dropString(tree.Metadata(obj), "finalizers", api.DefinitionFinalizer)
	})
	return err
}

// retryNames lets definitions of a group look again whether their names are free, when one
// has changed or gone.
func (c *controllers) retryNames(changed place) {
	_, group, _ := strings.Cut(changed.key, ".")
	r := c.api.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	c.api.Customs.Follow()
	for _, name := range c.api.Customs.NamesPending(group) {
		_, _ = c.api.Internal(r, "update", "", name, "status").Modify(context.Background(), func(map[string]any) bool {
			return true // the kind looks at the names before each write
		})
	}
}
