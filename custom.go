package main

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"

	"apichain/internal/discovery"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Custom resources: what is served for the definitions that are in the store. A definition
// is served as soon as the write of it is answered; whoever else commits one is followed
// through the event log.

// customs is the custom resources that are served.
type customs struct {
	rest    *rest
	catalog *discovery.Catalog
	bucket  *store.Bucket // of the definitions
	strict  bool          // refuse rules that are not evaluated

	following   sync.Mutex // held by who brings the rest up to date
	cursor      *store.Cursor
	definitions map[string]*definition
	docs        map[string][]*discovery.Definition // of established ones by group, in order of their establishing; shared with the catalog

	mu       sync.RWMutex
	served   map[kinds.Key]*resource // by plural
	byKind   map[kinds.Key]*resource
	byBucket map[string]*resource       // of the stored version, or another one
	accepted map[groupName]string       // name of the definition that has a name
	waiting  map[string]map[string]bool // by group, definitions that have not all names they want
}

// groupName is a name in a group: of a resource, or of a kind.
type groupName struct {
	group, name string
	kind        bool
}

// definition is one that is in the store.
type definition struct {
	name, group string
	terminating bool
	spec        []byte // what decides whether the resources are others, so that watches end
	doc         *discovery.Definition
	resources   []*resource
	names       []groupName // accepted
}

func newCustoms(s *rest, c *discovery.Catalog, strict bool) *customs {
	return &customs{
		rest: s, catalog: c, strict: strict, bucket: s.store.Bucket("customresourcedefinitions.apiextensions.k8s.io"),
		definitions: map[string]*definition{}, docs: map[string][]*discovery.Definition{},
		served: map[kinds.Key]*resource{}, byKind: map[kinds.Key]*resource{}, byBucket: map[string]*resource{}, accepted: map[groupName]string{}, waiting: map[string]map[string]bool{},
	}
}

// follow serves what has been committed so far.
func (c *customs) follow() {
	c.following.Lock()
	defer c.following.Unlock()
	if c.cursor == nil {
		sn := c.bucket.Now()
		c.reset(&sn)
	}
	var room [64]*store.Event
	for {
		events, _, err := c.cursor.Next(room[:0], len(room))
		if err != nil { // the log has gone on without us
			sn := c.bucket.Now()
			c.reset(&sn)
			continue
		}
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			if e.Kind == store.Deleted {
				c.remove(e.Object.Name())
			} else {
				c.put(e.Object)
			}
		}
	}
}

// changed returns a channel that is closed when a definition is written after the last
// follow.
func (c *customs) changed() <-chan struct{} {
	for {
		c.follow()
		c.following.Lock()
		_, changed, err := c.cursor.Next(nil, 0)
		c.following.Unlock()
		if err == nil && changed != nil {
			return changed
		}
	}
}

// run serves definitions that come to the store without a request, until ctx ends.
func (s *rest) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.customs.changed():
		}
	}
}

// reset serves what is in a snapshot and nothing else.
func (c *customs) reset(sn *store.Snapshot) {
	left := map[string]bool{}
	for name := range c.definitions {
		left[name] = true
	}
	for o := range sn.Scan("", "") {
		delete(left, o.Name())
		c.put(o)
	}
	for name := range left {
		c.remove(name)
	}
	c.cursor, _ = c.bucket.Watch(sn.Rev)
	for c.cursor == nil {
		c.cursor, _ = c.bucket.Watch(c.rest.store.Revision())
	}
}

// put serves a definition as it is now.
func (c *customs) put(o *store.Object) {
	crd := o.Decode()
	was := c.definitions[o.Name()]
	spec := tree.AppendJSON(nil, map[string]any{"spec": crd["spec"], "names": tree.At(crd, "status", "acceptedNames"), "established": hasCondition(crd, "Established"), "accepted": hasCondition(crd, "NamesAccepted")})
	same := was != nil && bytes.Equal(was.spec, spec)
	if same && was.terminating == o.Meta.Deleting {
		return
	}
	d := &definition{name: o.Name(), group: tree.Text(crd, "spec", "group"), spec: spec, terminating: o.Meta.Deleting}
	if hasCondition(crd, "NamesAccepted") {
		d.names = wantedNames(d.group, tree.Object(crd, "status", "acceptedNames"))
	}
	if hasCondition(crd, "Established") {
		d.doc = discovery.NewDefinition(o.Raw(), crd)
		d.resources = c.resources(crd)
	}
	switch {
	case same:
		for i, r := range d.resources {
			r.retired, r.schemaRevision = was.resources[i].retired, was.resources[i].schemaRevision
		}
	case was != nil:
		// Whoever has begun under the old schema sees that before it commits, or is done now.
		was.retire()
		rev := c.rest.store.Settled()
		for _, r := range d.resources {
			r.schemaRevision = rev
		}
	}
	c.exchange(was, d)
}

// retire ends the watches of a definition's resources, and what would write under them.
func (d *definition) retire() {
	for _, r := range d.resources {
		close(r.retired)
	}
}

// isRetired reports whether the definition has changed since.
func (r *resource) isRetired() bool {
	select {
	case <-r.retired:
		return true
	default:
		return false
	}
}

// renew gives a call its resource as it is defined now.
func (q *call) renew() error {
	c := q.rest.customs
	c.follow()
	c.mu.RLock()
	r := c.served[kinds.NewKey(q.Group, q.Version, q.Plural)]
	if q.unserved && r == nil {
		r = c.byBucket[q.bucket.Name]
	}
	c.mu.RUnlock()
	if r == nil {
		return status.PlainText(http.StatusNotFound, "404 page not found")
	}
	q.resource = r
	return nil
}

// remove no longer serves a definition.
func (c *customs) remove(name string) {
	if was := c.definitions[name]; was != nil {
		was.retire()
		c.exchange(was, nil)
	}
}

// exchange puts one definition in the place of another; either may be nil.
func (c *customs) exchange(was, d *definition) {
	c.mu.Lock()
	if was != nil {
		for _, r := range was.resources {
			delete(c.served, kinds.NewKey(r.Group, r.Version, r.Plural))
			delete(c.byKind, kinds.NewKey(r.Group, r.Version, r.Kind))
			delete(c.byBucket, r.bucket.Name)
		}
		for _, n := range was.names {
			if c.accepted[n] == was.name {
				delete(c.accepted, n)
			}
		}
		delete(c.definitions, was.name)
		delete(c.waiting[was.group], was.name)
	}
	if d != nil {
		if len(d.names) == 0 {
			if c.waiting[d.group] == nil {
				c.waiting[d.group] = map[string]bool{}
			}
			c.waiting[d.group][d.name] = true
		}
		for _, r := range d.resources {
			if !r.unserved {
				c.served[kinds.NewKey(r.Group, r.Version, r.Plural)] = r
				c.byKind[kinds.NewKey(r.Group, r.Version, r.Kind)] = r
			}
			if c.byBucket[r.bucket.Name] == nil || r.storageVersion == "" {
				c.byBucket[r.bucket.Name] = r
			}
		}
		for _, n := range d.names {
			c.accepted[n] = d.name
		}
		c.definitions[d.name] = d
	}
	c.mu.Unlock()
	c.show(was, d)
	c.rest.config.changed()
}

// show tells the catalog of an exchange.
func (c *customs) show(was, d *definition) {
	var old, now *discovery.Definition
	group := ""
	if was != nil {
		old, group = was.doc, was.group
	}
	if d != nil {
		now, group = d.doc, d.group
	}
	docs := c.docs[group]
	at := slices.Index(docs, old)
	switch {
	case old == nil && now == nil:
		return
	case old == nil:
		docs = append(docs, now) // the catalog does not see behind its end
	case now == nil:
		docs = slices.Concat(docs[:at], docs[at+1:])
	default:
		docs = slices.Clone(docs)
		docs[at] = now
	}
	c.docs[group] = docs
	c.catalog.SetCustom(group, docs)
}

// wantedNames is the names of a definition.
func wantedNames(group string, names map[string]any) []groupName {
	var out []groupName
	for _, n := range append([]any{names["plural"], names["singular"]}, tree.List(names, "shortNames")...) {
		if s, _ := n.(string); s != "" {
			out = append(out, groupName{group, s, false})
		}
	}
	for _, f := range []string{"kind", "listKind"} {
		if s := tree.Text(names, f); s != "" {
			out = append(out, groupName{group, s, true})
		}
	}
	return out
}

// rivals is the other definitions that have a name which crd wants.
func (c *customs) rivals(crd map[string]any) []map[string]any {
	c.mu.RLock()
	found := map[string]bool{}
	for _, n := range wantedNames(tree.Text(crd, "spec", "group"), tree.Object(crd, "spec", "names")) {
		if name := c.accepted[n]; name != "" && name != tree.Name(crd) {
			found[name] = true
		}
	}
	c.mu.RUnlock()
	var out []map[string]any
	sn := c.bucket.Now()
	for name := range found {
		if o := sn.Get(name); o != nil {
			out = append(out, o.Decode())
		}
	}
	return out
}

// lookup returns the resource that is served under a group, a version and a plural name, nil if
// none is.
func (c *customs) lookup(group, version, plural string) *resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served[kinds.NewKey(group, version, plural)]
}

// all calls yield for every resource that is served, in no order, under the lock: yield must be
// short and must not ask c.
func (c *customs) all(yield func(*resource) bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, r := range c.served {
		if !yield(r) {
			return
		}
	}
}

// kind is the resource that serves a custom kind, nil if none does.
func (c *customs) kind(group, version, kind string) *resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKind[kinds.NewKey(group, version, kind)]
}

// isTerminating reports whether the definition of a resource is being deleted.
func (c *customs) isTerminating(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r := c.byBucket[name]
	return r != nil && r.terminating
}

// unaccepted is the names of the definitions of a group that have not got the names they
// want.
func (c *customs) unaccepted(group string) (names []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for name := range c.waiting[group] {
		names = append(names, name)
	}
	return names
}
