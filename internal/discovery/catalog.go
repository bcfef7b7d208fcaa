package discovery

import (
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The groups, versions and resources that the chain serves, as discovery and OpenAPI
// show them. Nothing is encoded when something changes: a document is made when it is
// first asked for, and a change drops only what it is in. Ten thousand custom resources
// cost a change of one of them no more than its own group.

// Catalog is what there is now. Its zero value is empty;
// SetServers comes before SetCustom. All methods may be called
// concurrently; who reads sees all of a change whose call has returned.
type Catalog struct {
	mu           sync.Mutex                  // held by those who change
	address      string                      // host:port that clients are told
	table        *kinds.Table                // the built-in kinds; nil: none
	fixed        map[string][]Group          // of the servers, by name
	builtin      map[string]*openAPIDocument // of their groups and versions, by key
	rendererHash func() string               // rendererHash of table

	groups     sync.Map               // name: *catalogGroup
	pending    map[string]definitions // what SetCustom was told and groups has not yet; guarded by mu
	hasPending atomic.Bool            // there is some
	changes    atomic.Int64           // counts changes
	building   sync.Mutex             // held by who makes one of the following
	roots      atomic.Pointer[rootDocuments]
	index      atomic.Pointer[openAPIIndex]
}

// catalogGroup is one group at one time: what the servers have of it and the custom
// resources in it. It does not change, but is encoded late.
type catalogGroup struct {
	Group               // versions in order
	custom  bool        // has custom resources
	served  bool        // a server registers its documents
	docs    definitions // as given to SetCustom
	openapi map[string]*openAPIDocument

	once      sync.Once
	documents *groupDocuments
}

type definitions []*Definition

// SetServers says what the servers of the chain have, instead of what they had. Groups
// of the same name, from several servers, are one, and of versions of the same name the
// first counts. address, host:port, is where all clients are told to find the server; ""
// says nothing. table has their kinds.
func (c *Catalog) SetServers(groups []Group, address string, table *kinds.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUpLocked()
	c.address, c.table = address, table
	names := map[string]bool{}
	for name := range c.fixed {
		names[name] = true
	}
	c.rendererHash = sync.OnceValue(func() string { return rendererHash(table) })
	c.fixed, c.builtin = map[string][]Group{}, map[string]*openAPIDocument{}
	for _, g := range groups {
		c.fixed[g.Name] = append(c.fixed[g.Name], g)
		names[g.Name] = true
	}
	for _, d := range builtinDocuments(c.fixed, table) {
		c.builtin[d.key] = d
	}
	c.groups.Range(func(name, _ any) bool {
		names[name.(string)] = true
		return true
	})
	for name := range names {
		c.putLocked(name, c.customLocked(name))
	}
	c.changes.Add(1)
}

// SetCustom says which custom resources there are in a group, instead of those there
// were; none takes them away. Only established ones belong here. docs is kept.
func (c *Catalog) SetCustom(group string, docs []*Definition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		c.pending = map[string]definitions{}
	}
	c.pending[group] = docs
	c.hasPending.Store(true)
	c.changes.Add(1)
}

// catchUp makes the groups anew that have changed. It is done for who reads: definitions
// often come many at once.
func (c *Catalog) catchUp() {
	if !c.hasPending.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUpLocked()
}

func (c *Catalog) catchUpLocked() {
	for group, docs := range c.pending {
		c.putLocked(group, docs)
	}
	clear(c.pending)
	c.hasPending.Store(false)
}

// group is a group as it is now, nil where there is none.
func (c *Catalog) group(name string) *catalogGroup {
	c.catchUp()
	return c.load(name)
}

func (c *Catalog) load(name string) *catalogGroup {
	v, ok := c.groups.Load(name)
	if !ok {
		return nil
	}
	return v.(*catalogGroup)
}

func (c *Catalog) customLocked(name string) definitions {
	if g := c.load(name); g != nil {
		return g.docs
	}
	return nil
}

// putLocked makes a group anew. OpenAPI documents whose resources are the same are kept
// with what they have encoded.
func (c *Catalog) putLocked(name string, docs definitions) {
	old, fixed := c.load(name), c.fixed[name]
	merged := orderGroups(append(slices.Clip(fixed), groupsOfDefinitions(docs)...))
	if len(merged) == 0 || len(merged[0].Versions) == 0 {
		c.groups.Delete(name)
		return
	}
	g := &catalogGroup{Group: merged[0], docs: docs, openapi: map[string]*openAPIDocument{}}
	for _, f := range fixed {
		g.served = g.served || len(f.Versions) > 0
	}
	for _, v := range g.Versions {
		key := groupVersionKey(name, v.Version)
		g.custom = g.custom || len(v.custom) > 0
		switch {
		case len(v.custom) == 0:
			g.openapi[v.Version] = c.builtin[key]
		case old != nil && old.openapi[v.Version] != nil && slices.Equal(old.openapi[v.Version].custom, v.custom):
			g.openapi[v.Version] = old.openapi[v.Version]
		default:
			g.openapi[v.Version] = customDocument(key, name, v, c.table, c.rendererHash)
		}
	}
	c.groups.Store(name, g)
}

// groupVersionKey is the path of a version below /: api/v1, apis/apps/v1.
func groupVersionKey(group, version string) string {
	if group == "" {
		return "api/" + version
	}
	return "apis/" + group + "/" + version
}

// ordered is all groups in the order of discovery, and the count of changes that they
// at least have in them.
func (c *Catalog) ordered() ([]*catalogGroup, int64) {
	at := c.changes.Load()
	c.catchUp()
	var out []*catalogGroup
	c.groups.Range(func(_, g any) bool {
		out = append(out, g.(*catalogGroup))
		return true
	})
	slices.SortFunc(out, func(a, b *catalogGroup) int { return a.before(&b.Group) })
	return out, at
}

// before compares two groups: by priority, then name.
func (g *Group) before(o *Group) int {
	return cmp.Or(cmp.Compare(o.priority, g.priority), strings.Compare(g.Name, o.Name))
}

// Built-in kinds.

// GroupsOf is what a server has by the table, resources by name.
func GroupsOf(t *kinds.Table, server string) []Group {
	var out []Group
	for _, row := range t.Kinds {
		if row.Server != server {
			continue
		}
		// Every group of a kind has priorities: a table without them is not loaded.
		priorities, _ := t.Group(row.Group)
		g := slices.IndexFunc(out, func(g Group) bool { return g.Name == row.Group })
		if g < 0 {
			g = len(out)
			out = append(out, Group{Name: row.Group, priority: priorities.Priority})
		}
		versions := &out[g].Versions
		v := slices.IndexFunc(*versions, func(v Version) bool { return v.Version == row.Version })
		if v < 0 {
			v = len(*versions)
			*versions = append(*versions, Version{Version: row.Version, priority: priorities.VersionPriority})
		}
		(*versions)[v].resources = append((*versions)[v].resources, resourcesOf(t, row)...)
	}
	for _, g := range out {
		for _, v := range g.Versions {
			slices.SortFunc(v.resources, func(a, b resource) int { return strings.Compare(a.name, b.name) })
		}
	}
	return out
}

// resources is a kind's resource and subresources.
func resourcesOf(t *kinds.Table, row *kinds.Row) []resource {
	out := []resource{{
		name: row.Plural, singular: row.Singular, kind: row.Kind, namespaced: row.Namespaced, verbs: row.Verbs,
		shortNames: row.ShortNames, categories: row.Categories, storageHash: storageHash(t, row),
	}}
	for _, s := range row.Subresources {
		r := resource{name: row.Plural + "/" + s.Name, kind: s.Kind, namespaced: row.Namespaced, verbs: s.Verbs}
		if s.Group != row.Group || s.Version != row.Version {
			r.group, r.version = s.Group, s.Version
		}
		out = append(out, r)
	}
	return out
}

// storageHash tells by which kind objects are stored: resources with the same hash are
// the same objects. What is not stored has none.
func storageHash(t *kinds.Table, row *kinds.Row) string {
	if row.ReviewOnly {
		return ""
	}
	for _, o := range t.Kinds {
		name := o.Plural
		if o.Group != "" {
			name += "." + o.Group
		}
		if row.StoredAs == name || row.StoredAs == "" && o.Group == row.Group && o.Plural == row.Plural {
			return storageVersionHash(o.Group, o.Version, o.Kind)
		}
	}
	return storageVersionHash(row.Group, row.Version, row.Kind)
}

func storageVersionHash(group, version, kind string) string {
	sum := sha256.Sum256([]byte(group + "/" + version + "/" + kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// Custom resources.

const (
	customGroupPriority   = 1000
	customVersionPriority = 100
)

// Definition is a CustomResourceDefinition as far as documents show it. It is not changed;
// the same definition must be the same pointer, since that is how unchanged ones are
// told, and a changed one another.
type Definition struct {
	group, plural, singular string
	kind, listKind          string
	shortNames, categories  []string
	namespaced, terminating bool
	storage                 string // the version that is stored
	versions                []*definitionVersion
	raw                     []byte // the definition, JSON: schemas are read from it when asked for

	once sync.Once
	sum  [sha512.Size]byte
}

// definitionVersion is a version of a definition.
type definitionVersion struct {
	name                  string
	served, status, scale bool

	once              sync.Once
	plain, aggregated []byte // its resources, encoded for lists
}

// NewDefinition reads a definition that has been defaulted. raw is its JSON, and is kept; crd
// is the same, and is not. Names are those accepted, or wished for before any are.
func NewDefinition(raw []byte, crd map[string]any) *Definition {
	names := tree.Object(crd, "status", "acceptedNames")
	if tree.Text(names, "plural") == "" {
		names = tree.Object(crd, "spec", "names")
	}
	d := &Definition{
		group: tree.Text(crd, "spec", "group"), plural: tree.Text(names, "plural"), singular: tree.Text(names, "singular"),
		kind: tree.Text(names, "kind"), listKind: tree.Text(names, "listKind"), raw: raw,
		shortNames: stringsIn(tree.List(names, "shortNames")), categories: stringsIn(tree.List(names, "categories")),
		namespaced: tree.Text(crd, "spec", "scope") == "Namespaced", terminating: tree.At(crd, "metadata", "deletionTimestamp") != nil,
	}
	d.listKind = cmp.Or(d.listKind, d.kind+"List")
	for _, v := range tree.List(crd, "spec", "versions") {
		sub := tree.Object(v, "subresources")
		cv := &definitionVersion{name: tree.Text(v, "name"), served: tree.At(v, "served") == true, status: sub["status"] != nil, scale: sub["scale"] != nil}
		if tree.At(v, "storage") == true {
			d.storage = cv.name
		}
		d.versions = append(d.versions, cv)
	}
	return d
}

// stringsIn is the strings of a list.
func stringsIn(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (d *Definition) version(name string) *definitionVersion {
	for _, v := range d.versions {
		if v.name == name {
			return v
		}
	}
	return nil
}

// digest tells definitions apart.
func (d *Definition) digest() []byte {
	d.once.Do(func() { d.sum = sha512.Sum512(d.raw) })
	return d.sum[:]
}

// resources is what a version serves. While the definition is being deleted, nothing new
// can be written.
func (d *Definition) resources(v *definitionVersion) []resource {
	verbs := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	if d.terminating {
		verbs = []string{"delete", "deletecollection", "get", "list", "watch"}
	}
	out := []resource{{
		name: d.plural, singular: d.singular, kind: d.kind, namespaced: d.namespaced, verbs: verbs,
		shortNames: d.shortNames, categories: d.categories, storageHash: storageVersionHash(d.group, d.storage, d.kind),
	}}
	write := []string{"get", "patch", "update"}
	if v.status {
		out = append(out, resource{name: d.plural + "/status", kind: d.kind, namespaced: d.namespaced, verbs: write})
	}
	if v.scale {
		out = append(out, resource{name: d.plural + "/scale", kind: "Scale", group: "autoscaling", version: "v1", namespaced: d.namespaced, verbs: write})
	}
	return out
}

// groupsOfDefinitions is the groups and served versions of definitions.
func groupsOfDefinitions(docs []*Definition) []Group {
	var out []Group
	at, versions := map[string]int{}, map[string]int{}
	for _, d := range docs {
		for _, v := range d.versions {
			if !v.served {
				continue
			}
			g, ok := at[d.group]
			if !ok {
				g = len(out)
				at[d.group] = g
				out = append(out, Group{Name: d.group, priority: customGroupPriority})
			}
			key := d.group + "/" + v.name
			i, ok := versions[key]
			if !ok {
				i = len(out[g].Versions)
				versions[key] = i
				out[g].Versions = append(out[g].Versions, Version{Version: v.name, priority: customVersionPriority})
			}
			out[g].Versions[i].custom = append(out[g].Versions[i].custom, d)
		}
	}
	return out
}

// upperHash is SHA-512 as tags and addresses of documents have it.
func upperHash(b []byte) string {
	sum := sha512.Sum512(b)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
