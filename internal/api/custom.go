package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"

	"apichain/internal/discovery"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Custom resources: what is served for the definitions that are in the store. The store is the
// only truth. Customs reads the event log of definitions like any watcher, and makes of each
// definition the resources that serve it, one for each version.
//
//	POST ──► names pending ──► established ──► terminating ──► gone
//
//	names pending   another definition has one of its names; nothing is served. Where all are free,
//	                the answer of the POST already says established
//	established     served, and never pending again (upstream), though later names may be refused;
//	                a change of its spec or names replaces its resources by others
//	terminating     deleted, and held by DefinitionFinalizer until its objects are gone: served, but
//	                nothing can be created
//
// Writers. Follow is called by whoever may have committed a definition or needs to know of all
// that were: the request that wrote one, before its answer, so that a client may use the resource
// as soon as its POST is answered; a request that finds its resource retired; Run, in the
// background, for definitions that no request wrote (fixtures, a restored snapshot). following
// makes them take turns. Whoever comes second finds nothing left to do, and since Follow returns
// only after its turn, everything committed before the call is served after it.
//
// Readers (a request that looks for its resource, the list of routes) hold mu for the time of a
// map lookup. mu is taken inside following, never around it, and nothing is called under it. The
// catalog and Config.Changed are told without mu, but within the turn, so that they see changes in
// the order of the log. following is not taken in a commit: reload and afterWrite come after it.
//
// A change of a definition ends what runs under the old one, in this order, and put has the
// reasons: old resources are retired; the store settles; the new ones take their place. A write
// looks at retired as part of its commit, so it is either in the store before the new resources
// are made, or refused and done again under them.

// Customs holds the custom resources that are served. All methods may be called concurrently.
type Customs struct {
	api     *API
	catalog *discovery.Catalog
	// Bucket is that of the definitions.
	Bucket *store.Bucket

	// following is held by whoever brings the rest up to date, and guards these three.
	following sync.Mutex
	// cursor is where the event log was left; nil before the first Follow.
	cursor *store.Cursor
	// definitions are those in the store, by name.
	definitions map[string]*definition
	// docs are those of established definitions by group, in the order of their establishing. The
	// slices are shared with the catalog, so elements are never changed in place.
	docs map[string][]*discovery.Definition

	// mu guards what follows. Only who holds following changes it.
	mu sync.RWMutex
	// served and byKind have the resources that requests can reach, by plural and by kind.
	served map[kinds.Key]*Resource
	byKind map[kinds.Key]*Resource
	// byBucket has one resource for each established definition, reachable or not: that of the
	// stored version.
	byBucket map[string]*Resource
	// accepted has the definition that a name belongs to.
	accepted map[groupName]string
	// namesPending has the definitions that did not get all names they want, by group.
	namesPending map[string]map[string]bool
}

// groupName is a name that only one definition of a group may have. Plurals, singulars and short
// names are one set of names; kinds, whose lists have kinds too, are another.
type groupName struct {
	group, name string
	isKind      bool
}

// definition is what was made of a definition in the store. It never changes.
type definition struct {
	name, group string
	terminating bool
	// made is a hash of all of the definition that its resources depend on. Where it is the same,
	// they are too.
	made [sha256.Size]byte
	// doc and resources are nil unless the definition is established.
	doc       *discovery.Definition
	resources []*Resource
	// names are those it has been given, and pending says that it asks for others too.
	names   []groupName
	pending bool
}

// newCustoms returns a Customs that serves nothing before the first Follow.
func newCustoms(s *API, c *discovery.Catalog) *Customs {
	return &Customs{
		api: s, catalog: c, Bucket: s.Store.Bucket("customresourcedefinitions.apiextensions.k8s.io"),
		definitions: map[string]*definition{}, docs: map[string][]*discovery.Definition{},
		served: map[kinds.Key]*Resource{}, byKind: map[kinds.Key]*Resource{}, byBucket: map[string]*Resource{},
		accepted: map[groupName]string{}, namesPending: map[string]map[string]bool{},
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

// changed follows, and returns a channel that is closed when a definition is written after that.
func (c *Customs) changed() <-chan struct{} {
	for {
		c.Follow()
		c.following.Lock()
		_, changed, err := c.cursor.Next(nil, 0)
		c.following.Unlock()
		// Without a channel there are events again, or the log has dropped some.
		if err == nil && changed != nil {
			return changed
		}
	}
}

// Follow serves what has been committed so far: when it returns, requests, discovery and OpenAPI
// know all definitions that were in the store when it was called, and nothing is served for those
// that were not. It must not be called in a commit or by Config.Changed.
func (c *Customs) Follow() {
	c.following.Lock()
	defer c.following.Unlock()
	if c.cursor == nil {
		c.reset()
	}
	var room [64]*store.Event
	for {
		events, _, err := c.cursor.Next(room[:0], len(room))
		if err != nil {
			// The log has dropped events before we took them, but the state has them all.
			c.reset()
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

// reset serves what is in the store and nothing else, and sets the cursor behind it. The caller holds
// following.
func (c *Customs) reset() {
	for {
		sn := c.Bucket.Now()
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
		// If the whole window of the log has been written during the scan, the log no longer reaches
		// back to the snapshot. What was put already is passed over quickly the next time.
		if c.cursor, _ = c.Bucket.Watch(sn.Rev); c.cursor != nil {
			return
		}
	}
}

// put serves a definition as it is now. The caller holds following.
func (c *Customs) put(o *store.Object) {
	crd := o.Decode()
	was := c.definitions[o.Name()]
	made := sha256.Sum256(tree.AppendJSON(nil, map[string]any{
		"spec": crd["spec"], "names": tree.At(crd, "status", "acceptedNames"),
		"established": hasCondition(crd, "Established"), "accepted": hasCondition(crd, "NamesAccepted"),
	}))
	isSame := was != nil && was.made == made
	// Most writes of a definition are of its labels or conditions, and end no watch.
	if isSame && was.terminating == o.Meta.Deleting {
		return
	}
	kept := keptOf(crd)
	d := &definition{name: o.Name(), group: tree.Text(kept, "spec", "group"), made: made, terminating: o.Meta.Deleting}
	// Those that it was given are its own, also while others that it asks for are refused.
	d.names, d.pending = namesOf(d.group, tree.Object(kept, "status", "acceptedNames")), !hasCondition(crd, "NamesAccepted")
	if hasCondition(crd, "Established") {
		d.doc = discovery.NewDefinition(o.Raw(), kept)
		d.resources = c.resources(crd, kept, d.doc, o.Decode)
	}
	switch {
	case isSame:
		// It only begins to terminate. Watches and writes go on, so the channel that will end them
		// is handed on: with one of their own, the new resources could be retired later without
		// those that began under the old ones hearing of it. The same spec makes the same list.
		for i, r := range d.resources {
			w := was.resources[i]
			r.retired, r.schemaRevision, r.webhook = w.retired, w.schemaRevision, w.webhook
		}
	case was != nil:
		was.retire()
		// A write that looked at retired just before may still be in its commit. Once the store has
		// settled, it is in; whoever looks from now on is refused. So everything up to this revision
		// may be of the old schema, and is read through the new one; nothing after it is.
		rev := c.api.Store.Settled()
		for _, r := range d.resources {
			r.schemaRevision = rev
		}
	case tree.At(crd, "metadata", "generation") != int64(1):
		// It has been changed before it is served first, since it was kept from an earlier process or written by another
		// one: objects that are older than its last write may be of a schema before this one.
		for _, r := range d.resources {
			r.schemaRevision = o.Rev
		}
	}
	if !isSame {
		c.connect(was, d, kept)
	}
	c.swap(was, d)
	if was != nil && !isSame {
		was.dropViews()
	}
}

// remove no longer serves a definition, if it did. The caller holds following.
func (c *Customs) remove(name string) {
	if was := c.definitions[name]; was != nil {
		was.retire()
		c.swap(was, nil)
		if was.converts() {
			c.api.converters.Drop(name)
		}
	}
}

// retire ends the watches of a definition's resources, and refuses what would be written under
// them. It is called once in the life of each channel.
func (d *definition) retire() {
	for _, r := range d.resources {
		close(r.retired)
	}
}

// isRetired reports whether the definition has changed since. A built-in resource never is: its
// channel is nil, which no receive gets past.
func (r *Resource) isRetired() bool {
	select {
	case <-r.retired:
		return true
	default:
		return false
	}
}

// reload gives a call its resource as it is defined now, or returns a 404, in the text of a path
// that nobody serves, if it no longer is.
func (q *Call) reload() error {
	c := q.api.Customs
	c.Follow()
	c.mu.RLock()
	r := c.served[kinds.NewKey(q.Group, q.Version, q.Plural)]
	// The controllers' calls about stored objects need no version that clients can reach.
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

// swap puts one definition in the place of another, for requests, then for discovery, then for
// Config.Changed. Either may be nil. The caller holds following.
func (c *Customs) swap(was, d *definition) {
	c.mu.Lock()
	// First out, then in, since most keys are the same. Readers see neither step.
	if was != nil {
		c.dropLocked(was)
	}
	if d != nil {
		c.addLocked(d)
	}
	c.mu.Unlock()
	c.publish(was, d)
	c.api.Config.Changed()
}

// dropLocked takes a definition out of all maps. The caller holds mu.
func (c *Customs) dropLocked(d *definition) {
	for _, r := range d.resources {
		delete(c.served, kinds.NewKey(r.Group, r.Version, r.Plural))
		delete(c.byKind, kinds.NewKey(r.Group, r.Version, r.Kind))
		delete(c.byBucket, r.Bucket.Name)
	}
	for _, n := range d.names {
		// Another definition may have the name by now.
		if c.accepted[n] == d.name {
			delete(c.accepted, n)
		}
	}
	delete(c.definitions, d.name)
	delete(c.namesPending[d.group], d.name)
}

// addLocked puts a definition into the maps. The caller holds mu.
func (c *Customs) addLocked(d *definition) {
	if d.pending {
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
		// Any version finds the bucket; the stored one, which converts nothing, is the best.
		if c.byBucket[r.Bucket.Name] == nil || r.storageVersion == "" {
			c.byBucket[r.Bucket.Name] = r
		}
	}
	for _, n := range d.names {
		c.accepted[n] = d.name
	}
	c.definitions[d.name] = d
}

// publish tells the catalog of a swap: one element of the group's list comes, goes or is replaced
// in its place. The caller holds following.
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
	// The catalog reads the old list while this makes the new one. It does not look behind its
	// end, so appending needs no copy: ten thousand definitions one after another cost no more.
	switch {
	case old == nil && now == nil:
		return
	case old == nil:
		docs = append(docs, now)
	case now == nil:
		docs = slices.Concat(docs[:at], docs[at+1:])
	default:
		docs = slices.Clone(docs)
		docs[at] = now
	}
	c.docs[group] = docs
	c.catalog.SetCustom(group, docs)
}

// namesOf returns the names in a spec.names or status.acceptedNames. A singular that is the plural
// too is there twice, which does no harm.
func namesOf(group string, names map[string]any) []groupName {
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

// conflicting returns the other definitions that have a name which crd wants, as trees that the
// caller owns. It goes by the names that were given at the last Follow; the lock of definitions'
// writes sees to it that no other has been given one since.
func (c *Customs) conflicting(crd map[string]any) []map[string]any {
	c.mu.RLock()
	found := map[string]bool{}
	for _, n := range namesOf(tree.Text(crd, "spec", "group"), tree.Object(crd, "spec", "names")) {
		if name := c.accepted[n]; name != "" && name != tree.Name(crd) {
			found[name] = true
		}
	}
	c.mu.RUnlock()
	var out []map[string]any
	sn := c.Bucket.Now()
	for name := range found {
		// One that has gone has given its names back, though nobody may have followed yet.
		if o := sn.Get(name); o != nil {
			out = append(out, o.Decode())
		}
	}
	return out
}

// Lookup returns the resource that is served under a group, a version and a plural name, or nil if
// none is. It costs a request one map lookup, however many resources there are.
func (c *Customs) Lookup(group, version, plural string) *Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served[kinds.NewKey(group, version, plural)]
}

// All calls yield for every resource that is served, in no order, until it returns false. It holds
// the lock of readers all the while: yield must be short, and must not ask c for anything, since a
// writer that waits in between would wait for ever.
func (c *Customs) All(yield func(*Resource) bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, r := range c.served {
		if !yield(r) {
			return
		}
	}
}

// Kind returns the resource that serves a custom kind in a version, or nil if none does.
func (c *Customs) Kind(group, version, kind string) *Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKind[kinds.NewKey(group, version, kind)]
}

// ofBucket returns the resource of a bucket by its name, or nil if no definition in effect has it.
func (c *Customs) ofBucket(name string) *Resource {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byBucket[name]
}

// IsTerminating reports whether the definition with the name of a bucket, plural.group, is being
// deleted. One that is not established does not count: it has no objects.
func (c *Customs) IsTerminating(name string) bool {
	r := c.ofBucket(name)
	return r != nil && r.terminating
}

// NamesPending returns the names of the definitions of a group that did not get the names they
// want, in no order. Some may get them when another definition changes or goes.
func (c *Customs) NamesPending(group string) (names []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for name := range c.namesPending[group] {
		names = append(names, name)
	}
	return names
}
