// Package discovery shows clients which groups, versions and resources there are, and what
// their objects look like: the discovery documents at /api and /apis and below them, plain and
// aggregated, and OpenAPI v3.
//
// What comes in are the built-in kinds of each server, as rows of the kind table, and the
// definitions of custom resources, which come and go while requests are served. What goes out
// are handlers, and the list of documents (Documents) from which a server makes its routes. The
// package does not route, and it does not decide what is served: whoever calls it does, and
// tells the catalog afterwards.
//
//	var c discovery.Catalog
//	c.SetServers(discovery.GroupsOf(table, "core"), "10.0.0.1:6443", table)
//	c.SetCustom("example.com", []*discovery.Definition{discovery.NewDefinition(raw, crd)})
//	c.Serve("/apis").ServeHTTP(w, r) // has example.com
//
// A Catalog may be used by any number of goroutines. The documents' bytes matter: clients cache
// them by tags and hashes, and kubectl keeps them on disk for hours, so the same content always
// encodes to the same bytes. The package is internal, and promises no compatibility.
package discovery

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/internal/kinds"
)

// The catalog is lazy three times over. Nothing is encoded when something changes: a document
// is made when it is first asked for, and a change drops only the documents it is in. Nor is
// the group made anew at once, since definitions often come many at a time: SetCustom notes
// what it was told, and the next reader applies all of it. So among ten thousand definitions a
// change costs well below a millisecond, and only who asks for a list of everything pays for
// one.
//
// Who makes what when:
//
//   - Writers (SetServers, SetCustom) hold mu, briefly. They count the change last, so a reader
//     that sees the count also sees the change.
//   - A reader of one group applies pending changes under mu, if there are any, and then needs no
//     lock: groups is a sync.Map of *catalogGroup, each of which never changes.
//   - The documents of a group are encoded by the first who asks, under the group's sync.Once.
//   - The documents of the whole chain (the lists of groups, the index of OpenAPI) are cached
//     values: the first reader after a change makes a new one while others wait for it. A cached
//     value's lock is taken before mu, never after.
//
// For example, with example.com and other.io served, a change of one definition in example.com:
// other.io keeps its encoded documents; so does each version of example.com in OpenAPI whose
// definitions are the same pointers; the lists of groups are put together again, of groups that
// are encoded but for one.

// Catalog holds the groups there are now. The zero value is empty and ready for use. SetServers
// must come before the first SetCustom. All methods may be called concurrently; a reader sees
// all of a change whose call has returned. A Catalog must not be copied after first use.
type Catalog struct {
	// groups has the *catalogGroup of each name. It is written under mu, and read without.
	groups sync.Map

	// hasPending is true while pending has entries, so that readers need no lock to know.
	// changes counts the calls of SetServers and SetCustom.
	hasPending atomic.Bool
	changes    atomic.Int64

	// The documents of the whole chain.
	rootCache  cached[*rootDocuments]
	indexCache cached[*openAPIIndex]
	v2Cache    cached[*openAPI2Document]

	// mu guards what follows.
	mu sync.Mutex
	// address is host:port, as clients are told to find the server.
	address string
	// table has the types of the built-in kinds; nil where there are none.
	table *kinds.Table
	// fixed are the groups of the servers by name, several where several servers have one, and
	// builtin are the OpenAPI documents of those by key.
	fixed   map[string][]Group
	builtin map[string]*openAPIDocument
	// remote are the groups of other servers by name, and remoteOpenAPI what those servers say of them in
	// OpenAPI, in the order in which they count. remoteDocuments are of v3, by key.
	remote          map[string]Group
	remoteOpenAPI   []*RemoteOpenAPI
	remoteDocuments map[string]*openAPIDocument
	// rendererHash is rendererHash of table, computed when it is first needed.
	rendererHash func() string
	// pending is what SetCustom was told and groups does not have yet, by group.
	pending map[string][]*Definition
}

// catalogGroup is a group at one time: what the servers have of it, and the custom resources in
// it. It never changes; a change of the group makes another one.
type catalogGroup struct {
	// Group has the versions in the order of discovery.
	Group
	// definitions are as SetCustom was given them, and openapi has the document of each version.
	definitions []*Definition
	openapi     map[string]*openAPIDocument
	// isRouted says that a server of the chain has routes for the documents of the group.
	isRouted bool

	once      sync.Once
	documents *groupDocuments
}

// SetServers says what the servers of the chain have, instead of what they had. Groups of the
// same name, from several servers, are one, and of versions of the same name the first counts.
// address, host:port, is where all clients are told to find the server; "" says nothing. table
// has the types of their kinds, and may be nil.
func (c *Catalog) SetServers(groups []Group, address string, table *kinds.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUpLocked()
	c.address, c.table = address, table
	// Groups that only the old servers had, or that are there by definitions, change too.
	names := map[string]bool{}
	for name := range c.fixed {
		names[name] = true
	}
	c.groups.Range(func(name, _ any) bool {
		names[name.(string)] = true
		return true
	})
	c.rendererHash = sync.OnceValue(func() string { return rendererHash(table) })
	c.fixed, c.builtin = map[string][]Group{}, map[string]*openAPIDocument{}
	for _, g := range groups {
		c.fixed[g.Name] = append(c.fixed[g.Name], g)
		names[g.Name] = true
	}
	for _, d := range builtinDocuments(c.fixed, table, c.rendererHash) {
		c.builtin[d.key] = d
	}
	for name := range names {
		c.putLocked(name, c.definitionsLocked(name))
	}
	c.changes.Add(1)
}

// SetCustom says which custom resources there are in a group, instead of those there were; none
// takes them away. Only established ones belong here. The catalog keeps the slice, whose elements
// must not be changed; appending behind its end is fine.
func (c *Catalog) SetCustom(group string, definitions []*Definition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		c.pending = map[string][]*Definition{}
	}
	c.pending[group] = definitions
	// The order matters: who sees the new count must find that something is pending.
	c.hasPending.Store(true)
	c.changes.Add(1)
}

// catchUp applies what SetCustom was told. Every reader calls it first.
func (c *Catalog) catchUp() {
	if !c.hasPending.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUpLocked()
}

// catchUpLocked is catchUp for who holds mu.
func (c *Catalog) catchUpLocked() {
	for group, definitions := range c.pending {
		c.putLocked(group, definitions)
	}
	clear(c.pending)
	// Last, or another reader could pass by before the groups are there.
	c.hasPending.Store(false)
}

// group returns a group as it is now, or nil if there is none of the name.
func (c *Catalog) group(name string) *catalogGroup {
	c.catchUp()
	return c.load(name)
}

// load returns a group without what is pending, or nil.
func (c *Catalog) load(name string) *catalogGroup {
	v, ok := c.groups.Load(name)
	if !ok {
		return nil
	}
	return v.(*catalogGroup)
}

// definitionsLocked returns the definitions of a group, nil for one that is not there.
func (c *Catalog) definitionsLocked(name string) []*Definition {
	if g := c.load(name); g != nil {
		return g.definitions
	}
	return nil
}

// putLocked makes a group anew from what the servers have and the definitions, or deletes it if
// there is neither.
func (c *Catalog) putLocked(name string, definitions []*Definition) {
	old, fixed := c.load(name), c.fixed[name]
	groups := slices.Concat(fixed, groupsOfDefinitions(definitions))
	if remote, ok := c.remote[name]; ok {
		// First, since requests for these versions go there whoever else has them. Who has nothing else has no say.
		groups = append([]Group{remote}, slices.DeleteFunc(groups, remote.hasAll)...)
	}
	merged := orderGroups(groups)
	// A group is shown if it has a version.
	if len(merged) == 0 || len(merged[0].Versions) == 0 {
		c.groups.Delete(name)
		return
	}
	g := &catalogGroup{Group: merged[0], definitions: definitions, openapi: map[string]*openAPIDocument{}}
	for _, f := range fixed {
		g.isRouted = g.isRouted || len(f.Versions) > 0
	}
	for _, v := range g.Versions {
		if v.remote == nil {
			g.openapi[v.Version] = c.openAPIOfLocked(old, name, v)
		}
	}
	c.groups.Store(name, g)
}

// hasAll reports whether g has all versions of o.
func (g *Group) hasAll(o Group) bool {
	return !slices.ContainsFunc(o.Versions, func(v Version) bool {
		return !slices.ContainsFunc(g.Versions, func(mine Version) bool { return mine.Version == v.Version })
	})
}

// openAPIOfLocked returns the OpenAPI document of a version of a group. It is the document that
// old had, with what it has encoded, if the version still has the same definitions: then it
// would render the same bytes.
func (c *Catalog) openAPIOfLocked(old *catalogGroup, group string, v Version) *openAPIDocument {
	key := groupVersionKey(group, v.Version)
	if len(v.custom) == 0 {
		return c.builtin[key]
	}
	if old != nil {
		if d := old.openapi[v.Version]; d != nil && slices.Equal(d.custom, v.custom) {
			return d
		}
	}
	return customDocument(key, group, v, c.table, c.rendererHash)
}

// groupVersionKey returns the path of a version below /, which is also its key in OpenAPI:
// api/v1, apis/apps/v1.
func groupVersionKey(group, version string) string {
	if group == "" {
		return "api/" + version
	}
	return "apis/" + group + "/" + version
}

// ordered returns all groups in the order of discovery.
func (c *Catalog) ordered() []*catalogGroup {
	c.catchUp()
	var out []*catalogGroup
	c.groups.Range(func(_, g any) bool {
		out = append(out, g.(*catalogGroup))
		return true
	})
	slices.SortFunc(out, func(a, b *catalogGroup) int { return a.compare(&b.Group) })
	return out
}

// compare orders two groups as discovery does: higher priorities first, then by name. The
// results are those of cmp.Compare.
func (g *Group) compare(o *Group) int {
	return cmp.Or(cmp.Compare(o.priority, g.priority), strings.Compare(g.Name, o.Name))
}
