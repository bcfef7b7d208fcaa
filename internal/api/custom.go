package api

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

// Customs is the custom resources that are served.
type Customs struct {
	api     *API
	catalog *discovery.Catalog
	Bucket  *store.Bucket // of the definitions
	strict  bool          // refuse rules that are not evaluated

	following   sync.Mutex // held by who brings the rest up to date
	cursor      *store.Cursor
	definitions map[string]*definition
	docs        map[string][]*discovery.Definition // of established ones by group, in order of their establishing; shared with the catalog

	mu           sync.RWMutex
	served       map[kinds.Key]*Resource // by plural
	byKind       map[kinds.Key]*Resource
	byBucket     map[string]*Resource       // of the stored version, or another one
	accepted     map[groupName]string       // name of the definition that has a name
	namesPending map[string]map[string]bool // by group, definitions that have not all names they want
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
	resources   []*Resource
	names       []groupName // accepted
}

func newCustoms(s *API, c *discovery.Catalog, strict bool) *Customs {
	return &Customs{
		api: s, catalog: c, strict: strict, Bucket: s.Store.Bucket("customresourcedefinitions.apiextensions.k8s.io"),
		definitions: map[string]*definition{}, docs: map[string][]*discovery.Definition{},
		served: map[kinds.Key]*Resource{}, byKind: map[kinds.Key]*Resource{}, byBucket: map[string]*Resource{}, accepted: map[groupName]string{}, namesPending: map[string]map[string]bool{},
	}
}

// Follow serves what has been committed so far.
func (c *Customs) Follow() {
	c.following.Lock()
	defer c.following.Unlock()
	if c.cursor == nil {
		sn := c.Bucket.Now()
		c.reset(&sn)
	}
	var room [64]*store.Event
	for {
		events, _, err := c.cursor.Next(room[:0], len(room))
		if err != nil { // the log has gone on without us
			sn := c.Bucket.Now()
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
func (c *Customs) changed() <-chan struct{} {
	for {
		c.Follow()
		c.following.Lock()
		_, changed, err := c.cursor.Next(nil, 0)
		c.following.Unlock()
		if err == nil && changed != nil {
			return changed
		}
	}
}

// Run serves definitions that come to the store without a request, until ctx ends.
func (s *API) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Customs.changed():
		}
	}
}

// reset serves what is in a snapshot and nothing else.
func (c *Customs) reset(sn *store.Snapshot) {
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
	c.cursor, _ = c.Bucket.Watch(sn.Rev)
	for c.cursor == nil {
		c.cursor, _ = c.Bucket.Watch(c.api.Store.Revision())
	}
}

// put serves a definition as it is now.
func (c *Customs) put(o *store.Object) {
	crd := o.Decode()
	was := c.definitions[o.Name()]
	spec := tree.AppendJSON(nil, map[string]any{"spec": crd["spec"], "names": tree.At(crd, "status", "acceptedNames"), "established": HasCondition(crd, "Established"), "accepted": HasCondition(crd, "NamesAccepted")})
	same := was != nil && bytes.Equal(was.spec, spec)
	if same && was.terminating == o.Meta.Deleting {
		return
	}
	d := &definition{name: o.Name(), group: tree.Text(crd, "spec", "group"), spec: spec, terminating: o.Meta.Deleting}
	if HasCondition(crd, "NamesAccepted") {
		d.names = wantedNames(d.group, tree.Object(crd, "status", "acceptedNames"))
	}
	if HasCondition(crd, "Established") {
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
		rev := c.api.Store.Settled()
		for _, r := range d.resources {
			r.schemaRevision = rev
		}
	}
	c.swap(was, d)
}

// retire ends the watches of a definition's resources, and what would write under them.
func (d *definition) retire() {
	for _, r := range d.resources {
		close(r.retired)
	}
}

// isRetired reports whether the definition has changed since.
func (r *Resource) isRetired() bool {
	select {
	case <-r.retired:
		return true
	default:
		return false
	}
}

// reload gives a call its resource as it is defined now.
func (q *Call) reload() error {
	c := q.api.Customs
	c.Follow()
	c.mu.RLock()
	r := c.served[kinds.NewKey(q.Group, q.Version, q.Plural)]
	if q.unserved && r == nil {
		r = c.byBucket[q.Bucket.Name]
	}
	c.mu.RUnlock()
	if r == nil {
		return status.PlainText(http.StatusNotFound, "404 page not found")
	}
	q.Resource = r
	return nil
}

// remove no longer serves a definition.
func (c *Customs) remove(name string) {
	if was := c.definitions[name]; was != nil {
		was.retire()
		c.swap(was, nil)
	}
}

// swap puts one definition in the place of another; either may be nil.
func (c *Customs) swap(was, d *definition) {
	c.mu.Lock()
	if was != nil {
		for _, r := range was.resources {
			delete(c.served, kinds.NewKey(r.Group, r.Version, r.Plural))
			delete(c.byKind, kinds.NewKey(r.Group, r.Version, r.Kind))
			delete(c.byBucket, r.Bucket.Name)
		}
		for _, n := range was.names {
			if c.accepted[n] == was.name {
				delete(c.accepted, n)
			}
		}
		delete(c.definitions, was.name)
		delete(c.namesPending[was.group], was.name)
	}
	if d != nil {
		if len(d.names) == 0 {
			if c.namesPending[d.group] == nil {
				c.namesPending[d.group] = map[string]bool{}
			}
			c.namesPending[d.group][d.name] = true
		}
		for _, r := range d.resources {
			if !r.unserved {
				c.served[kinds.NewKey(r.Group, r.Version, r.Plural)] = r
				c.byKind[kinds.NewKey(r.Group, r.Version, r.Kind)] = r
			}
			if c.byBucket[r.Bucket.Name] == nil || r.storageVersion == "" {
				c.byBucket[r.Bucket.Name] = r
			}
		}
		for _, n := range d.names {
			c.accepted[n] = d.name
		}
		c.definitions[d.name] = d
	}
	c.mu.Unlock()
	c.publish(was, d)
	c.api.Config.Changed()
}

// publish tells the catalog of an exchange.
func (c *Customs) publish(was, d *definition) {
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

// conflicting is the other definitions that have a name which crd wants.
func (c *Customs) conflicting(crd map[string]any) []map[string]any {
	c.mu.RLock()
	found := map[string]bool{}
	for _, n := range wantedNames(tree.Text(crd, "spec", "group"), tree.Object(crd, "spec", "names")) {
		if name := c.accepted[n]; name != "" && name != tree.Name(crd) {
			found[name] = true
		}
	}
	c.mu.RUnlock()
	var out []map[string]any
	sn := c.Bucket.Now()
	for name := range found {
		if o := sn.Get(name); o != nil {
			out = append(out, o.Decode())
		}
	}
	return out
}

// Lookup returns the resource that is served under a group, a version and a plural name, nil if
// none is.
func (c *Customs) Lookup(group, version, plural string) *Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served[kinds.NewKey(group, version, plural)]
}

// All calls yield for every resource that is served, in no order, under the lock: yield must be
// short and must not ask c.
func (c *Customs) All(yield func(*Resource) bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, r := range c.served {
		if !yield(r) {
			return
		}
	}
}

// Kind is the resource that serves a custom kind, nil if none does.
func (c *Customs) Kind(group, version, kind string) *Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKind[kinds.NewKey(group, version, kind)]
}

// IsTerminating reports whether the definition of a resource is being deleted.
func (c *Customs) IsTerminating(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r := c.byBucket[name]
	return r != nil && r.terminating
}

// NamesPending is the names of the definitions of a group that have not got the names they
// want.
func (c *Customs) NamesPending(group string) (names []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for name := range c.namesPending[group] {
		names = append(names, name)
	}
	return names
}
