package discovery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"

	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What the servers of the chain say of themselves: /api and /apis, for the whole chain
// and in two forms, and the documents of each group and version below them. They are
// encoded when they are first asked for after a change, and then served from bytes.

// Group is a group of the API as a server has it. Higher priorities come first.
type Group struct {
	Name     string // "" is the core group
	priority int
	Versions []Version
}

type Version struct {
	Version   string
	priority  int
	resources []resource
	custom    []*Definition // custom resources, after those
}

// resource is one resource of a version; a subresource has a slash in its name.
type resource struct {
	name, singular, kind string
	group, version       string // of the kind, where it is another's
	namespaced           bool
	verbs                []string
	shortNames           []string
	categories           []string
	storageHash          string // of the kind its objects are stored as
}

// The wire forms; keys in upstream's order.
type (
	groupVersionDoc struct {
		GroupVersion string `json:"groupVersion"`
		Version      string `json:"version"`
	}
	groupDoc struct {
		Kind             string            `json:"kind,omitempty"`
		APIVersion       string            `json:"apiVersion,omitempty"`
		Name             string            `json:"name"`
		Versions         []groupVersionDoc `json:"versions"`
		PreferredVersion groupVersionDoc   `json:"preferredVersion"`
	}
	groupListDoc struct {
		Kind       string     `json:"kind"`
		APIVersion string     `json:"apiVersion"`
		Groups     []groupDoc `json:"groups"`
	}
	versionsDoc struct {
		Kind     string          `json:"kind"`
		Versions []string        `json:"versions"`
		Servers  []serverAddress `json:"serverAddressByClientCIDRs"`
	}
	serverAddress struct {
		ClientCIDR string `json:"clientCIDR"`
		Address    string `json:"serverAddress"`
	}
	resourceDoc struct {
		Name         string   `json:"name"`
		SingularName string   `json:"singularName"`
		Namespaced   bool     `json:"namespaced"`
		Group        string   `json:"group,omitempty"`
		Version      string   `json:"version,omitempty"`
		Kind         string   `json:"kind"`
		Verbs        []string `json:"verbs"`
		ShortNames   []string `json:"shortNames,omitempty"`
		Categories   []string `json:"categories,omitempty"`
		StorageHash  string   `json:"storageVersionHash,omitempty"`
	}
	resourceListDoc struct {
		Kind         string        `json:"kind"`
		APIVersion   string        `json:"apiVersion,omitempty"`
		GroupVersion string        `json:"groupVersion"`
		Resources    []resourceDoc `json:"resources"`
	}
)

// The aggregated form, apidiscovery.k8s.io/v2.
type (
	kindDoc struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	}
	aggSubresource struct {
		Subresource  string   `json:"subresource"`
		ResponseKind *kindDoc `json:"responseKind,omitempty"`
		Verbs        []string `json:"verbs"`
	}
	aggResource struct {
		Resource     string           `json:"resource"`
		ResponseKind *kindDoc         `json:"responseKind"`
		Scope        string           `json:"scope"`
		Singular     string           `json:"singularResource"`
		Verbs        []string         `json:"verbs"`
		ShortNames   []string         `json:"shortNames,omitempty"`
		Categories   []string         `json:"categories,omitempty"`
		Subresources []aggSubresource `json:"subresources,omitempty"`
	}
)

const AggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// groupDocuments is a group, encoded.
type groupDocuments struct {
	byPath            map[string][]byte
	entry, aggregated []byte // in the lists of groups
}

// rootDocuments is the lists of all groups, encoded, of when change counted at.
type rootDocuments struct {
	at         int64
	plain      map[string][]byte // of /api and /apis
	aggregated map[string][]byte
	etags      map[string]string
}

// encoded encodes a group, once.
func (g *catalogGroup) encoded() *groupDocuments {
	g.once.Do(func() {
		docs := &groupDocuments{byPath: map[string][]byte{}}
		doc := groupDoc{Name: g.Name}
		agg := tree.AppendJSONString([]byte(`{"metadata":{"name":`), g.Name)
		if g.Name == "" {
			agg = []byte(`{"metadata":{`)
		}
		agg = append(agg, `},"versions":[`...)
		for i, v := range g.Versions {
			key := groupVersionKey(g.Name, v.Version)
			gv := key[strings.Index(key, "/")+1:]
			doc.Versions = append(doc.Versions, groupVersionDoc{gv, v.Version})
			docs.byPath["/"+key] = append(v.list(gv, g.Name), '\n')
			if i > 0 {
				agg = append(agg, ',')
			}
			agg = v.appendAggregated(agg, g.Name)
		}
		docs.aggregated = append(agg, "]}"...)
		if g.Name != "" {
			doc.PreferredVersion = doc.Versions[0]
			docs.entry = appendDocument(nil, doc)
			doc.Kind, doc.APIVersion = "APIGroup", "v1"
			docs.byPath["/apis/"+g.Name] = append(appendDocument(nil, doc), '\n')
		}
		g.documents = docs
	})
	return g.documents
}

// appendDocument appends one of the wire forms, which can all be encoded.
func appendDocument(b []byte, doc any) []byte {
	text, _ := json.Marshal(doc)
	return append(b, text...)
}

// rootsNow is the lists of all groups, made anew after a change.
func (c *Catalog) rootsNow() *rootDocuments {
	if r := c.roots.Load(); r != nil && r.at == c.changes.Load() {
		return r
	}
	c.building.Lock()
	defer c.building.Unlock()
	if r := c.roots.Load(); r != nil && r.at == c.changes.Load() {
		return r
	}
	groups, at := c.ordered()
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	r := encodeRoots(groups, address)
	r.at = at
	c.roots.Store(r)
	return r
}

func encodeRoots(groups []*catalogGroup, address string) *rootDocuments {
	r := &rootDocuments{plain: map[string][]byte{}, aggregated: map[string][]byte{}, etags: map[string]string{}}
	api := versionsDoc{Kind: "APIVersions", Versions: []string{}, Servers: []serverAddress{{"0.0.0.0/0", address}}}
	list := []byte(`{"kind":"APIGroupList","apiVersion":"v1","groups":[`)
	const head = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[`
	size := 0
	for _, g := range groups {
		size += len(g.encoded().aggregated) + 1
	}
	r.aggregated["/api"], r.aggregated["/apis"] = []byte(head), append(make([]byte, 0, size+len(head)+3), head...)
	comma := func(b []byte) []byte {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		return b
	}
	for _, g := range groups {
		docs, root := g.encoded(), "/apis"
		if g.Name == "" {
			root = "/api"
			for _, v := range g.Versions {
				api.Versions = append(api.Versions, v.Version)
			}
		} else {
			list = append(comma(list), docs.entry...)
		}
		r.aggregated[root] = append(comma(r.aggregated[root]), docs.aggregated...)
	}
	r.plain["/api"] = append(appendDocument(nil, api), '\n')
	r.plain["/apis"] = append(list, "]}\n"...)
	for root, b := range r.aggregated {
		b = append(b, "]}\n"...)
		r.aggregated[root], r.etags[root] = b, `"`+upperHash(b)+`"`
	}
	return r
}

// orderGroups merges and sorts: by priority, then name; versions by priority, then by
// age as Kubernetes reads version names.
func orderGroups(groups []Group) []Group {
	var out []Group
	for _, g := range groups {
		i := slices.IndexFunc(out, func(o Group) bool { return o.Name == g.Name })
		if i < 0 {
			g.Versions = slices.Clone(g.Versions)
			out = append(out, g)
			continue
		}
		out[i].priority = max(out[i].priority, g.priority)
		for _, v := range g.Versions {
			if !slices.ContainsFunc(out[i].Versions, func(o Version) bool { return o.Version == v.Version }) {
				out[i].Versions = append(out[i].Versions, v)
			}
		}
	}
	for _, g := range out {
		sort.SliceStable(g.Versions, func(i, j int) bool {
			a, b := g.Versions[i], g.Versions[j]
			return cmp.Or(cmp.Compare(b.priority, a.priority), -CompareVersions(a.Version, b.Version)) < 0
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].before(&out[j]) < 0 })
	return out
}

// CompareVersions orders v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > any other name.
func CompareVersions(a, b string) int {
	ra, rb := versionRank(a), versionRank(b)
	return cmp.Or(cmp.Compare(ra[0], rb[0]), cmp.Compare(ra[1], rb[1]), cmp.Compare(ra[2], rb[2]), strings.Compare(b, a))
}

// versionRank is stability (3 GA, 2 beta, 1 alpha, 0 no such name), major, minor.
func versionRank(s string) [3]int {
	digits := func(s string) (n int, rest string) {
		i := 0
		for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
			n = n*10 + int(s[i]-'0')
			i++
		}
		if i == 0 || s[0] == '0' {
			return -1, s
		}
		return n, s[i:]
	}
	rest, ok := strings.CutPrefix(s, "v")
	major, rest := digits(rest)
	if !ok || major < 0 {
		return [3]int{}
	}
	if rest == "" {
		return [3]int{3, major, 0}
	}
	for stability, word := range map[int]string{2: "beta", 1: "alpha"} {
		if tail, ok := strings.CutPrefix(rest, word); ok {
			if minor, end := digits(tail); minor > 0 && end == "" {
				return [3]int{stability, major, minor}
			}
		}
	}
	return [3]int{}
}

// list is the plain document of a version.
func (v *Version) list(gv, group string) []byte {
	b := []byte(`{"kind":"APIResourceList",`)
	if group != "" {
		b = append(b, `"apiVersion":"v1",`...)
	}
	b = append(tree.AppendJSONString(append(b, `"groupVersion":`...), gv), `,"resources":[`...)
	b = appendResources(b, v.resources)
	for i, d := range v.custom {
		if i > 0 || len(v.resources) > 0 {
			b = append(b, ',')
		}
		b = append(b, d.encoded(v.Version).plain...)
	}
	return append(b, "]}"...)
}

func appendResources(b []byte, resources []resource) []byte {
	for i, r := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDocument(b, resourceDoc{r.name, r.singular, r.namespaced, r.group, r.version, r.kind, slices.Sorted(slices.Values(r.verbs)), r.shortNames, r.categories, r.storageHash})
	}
	return b
}

// encoded is a version's resources as they stand in the lists, encoded once.
func (d *Definition) encoded(version string) *definitionVersion {
	v := d.version(version)
	v.once.Do(func() {
		one := Version{Version: version, resources: d.resources(v)}
		v.plain, v.aggregated = appendResources(nil, one.resources), appendDocument(nil, one.aggregated(d.group)[0])
	})
	return v
}

// appendAggregated appends the version in the aggregated form.
func (v *Version) appendAggregated(b []byte, group string) []byte {
	b = tree.AppendJSONString(append(b, `{"version":`...), v.Version)
	next := `,"resources":[`
	for _, r := range v.aggregated(group) {
		b = appendDocument(append(b, next...), r)
		next = ","
	}
	for _, d := range v.custom {
		b = append(append(b, next...), d.encoded(v.Version).aggregated...)
		next = ","
	}
	if next == "," {
		b = append(b, ']')
	}
	return append(b, `,"freshness":"Current"}`...)
}

// aggregated is the resources in the aggregated form, subresources below their
// resources. A subresource without its resource gets one that has nothing else (upstream).
func (v *Version) aggregated(group string) []aggResource {
	var out []aggResource
	for _, r := range v.resources {
		name, sub, isSub := strings.Cut(r.name, "/")
		i := slices.IndexFunc(out, func(o aggResource) bool { return o.Resource == name })
		if i < 0 {
			i = len(out)
			out = append(out, aggResource{Resource: name, ResponseKind: &kindDoc{}, Scope: "Cluster"})
		}
		resource := &out[i]
		if r.namespaced {
			resource.Scope = "Namespaced"
		}
		kind := &kindDoc{cmp.Or(r.group, group), cmp.Or(r.version, v.Version), r.kind}
		verbs := slices.Sorted(slices.Values(r.verbs))
		if isSub {
			resource.Subresources = append(resource.Subresources, aggSubresource{sub, kind, verbs})
			continue
		}
		resource.ResponseKind, resource.Singular, resource.Verbs, resource.ShortNames, resource.Categories = kind, r.singular, verbs, r.shortNames, r.categories
	}
	return out
}

// Serve answers with the document of path, or where there is one and the client wants
// it, the aggregated form with its ETag. A group that is gone is not found.
func (c *Catalog) Serve(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path == "/api" || path == "/apis" {
			roots := c.rootsNow()
			serveDiscovery(w, r, roots.plain[path], roots.aggregated[path], roots.etags[path])
			return
		}
		plain := c.plainDocument(path)
		if plain == nil {
			status.Write(w, r, status.PlainText(http.StatusNotFound, "404 page not found"))
			return
		}
		serveDiscovery(w, r, plain, nil, "")
	})
}

// Document serves, with a slash at the end or none, /apis/GROUP of groups that are there
// only by custom resources, and /apis/GROUP/VERSION of versions that are; other paths are
// not its.
func (c *Catalog) Document(path string) (serve http.HandlerFunc, ok bool) {
	path = strings.TrimSuffix(path, "/")
	g := c.groupOf(path)
	if g == nil || !g.custom {
		return nil, false
	}
	_, version, isVersion := strings.Cut(strings.TrimPrefix(path, "/apis/"), "/")
	mine := !isVersion && !g.served
	for _, v := range g.Versions {
		mine = mine || v.Version == version && len(v.custom) > 0
	}
	if !mine {
		return nil, false
	}
	plain := g.encoded().byPath[path]
	return func(w http.ResponseWriter, r *http.Request) { serveDiscovery(w, r, plain, nil, "") }, true
}

// groupOf is the group that a path is in, nil where there is none.
func (c *Catalog) groupOf(path string) *catalogGroup {
	if strings.HasPrefix(path, "/api/") {
		return c.group("")
	}
	name, ok := strings.CutPrefix(path, "/apis/")
	name, _, _ = strings.Cut(name, "/")
	if !ok || name == "" {
		return nil
	}
	return c.group(name)
}

func (c *Catalog) plainDocument(path string) []byte {
	if g := c.groupOf(path); g != nil {
		return g.encoded().byPath[path]
	}
	return nil
}

// serveDiscovery answers with a document, or where the client wants it and there is
// one, its aggregated form.
func serveDiscovery(w http.ResponseWriter, r *http.Request, plain, aggregated []byte, etag string) {
	has := aggregated != nil
	for _, c := range request.ParseAccept(r.Header["Accept"]) {
		if !c.Takes("application/json") {
			continue
		}
		if has {
			w.Header()["Vary"] = []string{"Accept"}
		}
		switch {
		case c.As == "" && c.Group == "" && c.Version == "":
			writeDocument(w, r, "application/json", plain)
			return
		case has && c.As == "APIGroupDiscoveryList" && c.Group == "apidiscovery.k8s.io" && c.Version == "v2":
			h := w.Header()
			h["Etag"] = []string{etag}
			h["Cache-Control"] = []string{"public"}
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			writeDocument(w, r, AggregatedType, aggregated)
			return
		}
	}
	status.Write(w, r, notAcceptableJSON())
}

func notAcceptableJSON() *status.Error {
	return &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "only the following media types are accepted: application/json", Pretty: true}
}

func writeDocument(w http.ResponseWriter, r *http.Request, contentType string, b []byte) {
	if status.WantsPretty(r) {
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b = out.Bytes()
		}
	}
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = []string{contentType}, []string{strconv.Itoa(len(b))}
	_, _ = w.Write(b)
}

// Document is one discovery document, as data from which a server makes a route.
type Document struct {
	Root           string // its path
	Operation      string // its name in OpenAPI
	Doc            string
	Writes         any    // a value of the type it answers with
	Group, Version string // of the documents of a version: those whose resources are below Root; else both are empty
}

// GroupList returns the document of all groups of the chain, which the outermost server has.
func GroupList() Document {
	return Document{Root: "/apis", Operation: "getAPIVersions", Doc: "get available API groups of the whole chain", Writes: groupListDoc{}}
}

// Documents returns the documents of the groups of a server, and below each group its versions.
func Documents(groups []Group) (out []Document) {
	for _, g := range groups {
		if g.Name == "" {
			out = append(out, Document{Root: "/api", Operation: "getAPIVersions", Doc: "get available API versions of the core group", Writes: versionsDoc{}})
		} else {
			out = append(out, Document{Root: "/apis/" + g.Name, Operation: "get" + OperationName(g.Name) + "APIGroup", Doc: "get information of the group " + g.Name, Writes: groupDoc{}})
		}
		for _, v := range g.Versions {
			root, operation := "/apis/"+g.Name+"/"+v.Version, "get"+OperationName(g.Name)+OperationName(v.Version)+"APIResources"
			if g.Name == "" {
				root, operation = "/api/"+v.Version, "getCore"+OperationName(v.Version)+"APIResources"
			}
			out = append(out, Document{Root: root, Operation: operation, Doc: "get available resources", Writes: resourceListDoc{}, Group: g.Name, Version: v.Version})
		}
	}
	return out
}

// OperationName is a group or version as part of an operation's name: apps.example ->
// AppsExample.
func OperationName(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, ".") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
