package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What the servers of the chain say of themselves: /api and /apis, for the whole chain
// and in two forms, and the documents of each group and version below them. They are
// encoded when they are first asked for after a change, and then served from bytes.

// apiGroup is a group of the API as a server has it. Higher priorities come first.
type apiGroup struct {
	name     string // "" is the core group
	priority int
	versions []apiVersion
}

type apiVersion struct {
	version   string
	priority  int
	resources []apiResource
	custom    []*crdDoc // custom resources, after those
}

// apiResource is one resource of a version; a subresource has a slash in its name.
type apiResource struct {
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

const aggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

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
		doc := groupDoc{Name: g.name}
		agg := tree.AppendJSONString([]byte(`{"metadata":{"name":`), g.name)
		if g.name == "" {
			agg = []byte(`{"metadata":{`)
		}
		agg = append(agg, `},"versions":[`...)
		for i, v := range g.versions {
			key := groupVersionKey(g.name, v.version)
			gv := key[strings.Index(key, "/")+1:]
			doc.Versions = append(doc.Versions, groupVersionDoc{gv, v.version})
			docs.byPath["/"+key] = append(v.list(gv, g.name), '\n')
			if i > 0 {
				agg = append(agg, ',')
			}
			agg = v.appendAggregated(agg, g.name)
		}
		docs.aggregated = append(agg, "]}"...)
		if g.name != "" {
			doc.PreferredVersion = doc.Versions[0]
			docs.entry = appendDocument(nil, doc)
			doc.Kind, doc.APIVersion = "APIGroup", "v1"
			docs.byPath["/apis/"+g.name] = append(appendDocument(nil, doc), '\n')
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
func (c *catalog) rootsNow() *rootDocuments {
	if r := c.roots.Load(); r != nil && r.at == c.change.Load() {
		return r
	}
	c.build.Lock()
	defer c.build.Unlock()
	if r := c.roots.Load(); r != nil && r.at == c.change.Load() {
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
		if g.name == "" {
			root = "/api"
			for _, v := range g.versions {
				api.Versions = append(api.Versions, v.version)
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
func orderGroups(groups []apiGroup) []apiGroup {
	var out []apiGroup
	for _, g := range groups {
		i := slices.IndexFunc(out, func(o apiGroup) bool { return o.name == g.name })
		if i < 0 {
			g.versions = slices.Clone(g.versions)
			out = append(out, g)
			continue
		}
		out[i].priority = max(out[i].priority, g.priority)
		for _, v := range g.versions {
			if !slices.ContainsFunc(out[i].versions, func(o apiVersion) bool { return o.version == v.version }) {
				out[i].versions = append(out[i].versions, v)
			}
		}
	}
	for _, g := range out {
		sort.SliceStable(g.versions, func(i, j int) bool {
			a, b := g.versions[i], g.versions[j]
			return cmp.Or(cmp.Compare(b.priority, a.priority), -compareVersions(a.version, b.version)) < 0
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].before(&out[j]) < 0 })
	return out
}

// compareVersions orders v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > any other name.
func compareVersions(a, b string) int {
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
func (v *apiVersion) list(gv, group string) []byte {
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
		b = append(b, d.encoded(v.version).plain...)
	}
	return append(b, "]}"...)
}

func appendResources(b []byte, resources []apiResource) []byte {
	for i, r := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDocument(b, resourceDoc{r.name, r.singular, r.namespaced, r.group, r.version, r.kind, slices.Sorted(slices.Values(r.verbs)), r.shortNames, r.categories, r.storageHash})
	}
	return b
}

// encoded is a version's resources as they stand in the lists, encoded once.
func (d *crdDoc) encoded(version string) *crdVersion {
	v := d.version(version)
	v.once.Do(func() {
		one := apiVersion{version: version, resources: d.resources(v)}
		v.plain, v.aggregated = appendResources(nil, one.resources), appendDocument(nil, one.aggregated(d.group)[0])
	})
	return v
}

// appendAggregated appends the version in the aggregated form.
func (v *apiVersion) appendAggregated(b []byte, group string) []byte {
	b = tree.AppendJSONString(append(b, `{"version":`...), v.version)
	next := `,"resources":[`
	for _, r := range v.aggregated(group) {
		b = appendDocument(append(b, next...), r)
		next = ","
	}
	for _, d := range v.custom {
		b = append(append(b, next...), d.encoded(v.version).aggregated...)
		next = ","
	}
	if next == "," {
		b = append(b, ']')
	}
	return append(b, `,"freshness":"Current"}`...)
}

// aggregated is the resources in the aggregated form, subresources below their
// resources. A subresource without its resource gets one that has nothing else (upstream).
func (v *apiVersion) aggregated(group string) []aggResource {
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
		kind := &kindDoc{cmp.Or(r.group, group), cmp.Or(r.version, v.version), r.kind}
		verbs := slices.Sorted(slices.Values(r.verbs))
		if isSub {
			resource.Subresources = append(resource.Subresources, aggSubresource{sub, kind, verbs})
			continue
		}
		resource.ResponseKind, resource.Singular, resource.Verbs, resource.ShortNames, resource.Categories = kind, r.singular, verbs, r.shortNames, r.categories
	}
	return out
}

// serve answers with the document of path, or where there is one and the client wants
// it, the aggregated form with its ETag. A group that is gone is not found.
func (c *catalog) serve(path string) http.Handler {
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

// document serves, with a slash at the end or none, /apis/GROUP of groups that are there
// only by custom resources, and /apis/GROUP/VERSION of versions that are; other paths are
// not its.
func (c *catalog) document(path string) (serve http.HandlerFunc, ok bool) {
	path = strings.TrimSuffix(path, "/")
	g := c.groupOf(path)
	if g == nil || !g.custom {
		return nil, false
	}
	_, version, isVersion := strings.Cut(strings.TrimPrefix(path, "/apis/"), "/")
	mine := !isVersion && !g.served
	for _, v := range g.versions {
		mine = mine || v.version == version && len(v.custom) > 0
	}
	if !mine {
		return nil, false
	}
	plain := g.encoded().byPath[path]
	return func(w http.ResponseWriter, r *http.Request) { serveDiscovery(w, r, plain, nil, "") }, true
}

// groupOf is the group that a path is in, nil where there is none.
func (c *catalog) groupOf(path string) *catalogGroup {
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

func (c *catalog) plainDocument(path string) []byte {
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
			writeDocument(w, r, aggregatedType, aggregated)
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
	h["Content-Type"], h["Content-Length"] = []string{contentType}, []string{itoa(len(b))}
	_, _ = w.Write(b)
}

// serveGroups registers the documents of the server's own groups, and below each version
// its resources.
func (s *Server) serveGroups() {
	for _, g := range s.groups {
		if g.name == "" {
			s.serveDocument("/api", "getAPIVersions", "get available API versions of the core group", versionsDoc{}, nil)
		} else {
			s.serveDocument("/apis/"+g.name, "get"+operationName(g.name)+"APIGroup", "get information of the group "+g.name, groupDoc{}, nil)
		}
		for _, v := range g.versions {
			root, operation := "/apis/"+g.name+"/"+v.version, "get"+operationName(g.name)+operationName(v.version)+"APIResources"
			if g.name == "" {
				root, operation = "/api/"+v.version, "getCore"+operationName(v.version)+"APIResources"
			}
			s.serveDocument(root, operation, "get available resources", resourceListDoc{}, s.resourceRoutes(g.name, v.version))
		}
	}
}

// resourceRoutes is the routes of the server's built-in kinds in one group and version.
func (s *Server) resourceRoutes(group, version string) (routes []Route) {
	for _, row := range s.program.rest.kinds.Kinds {
		if row.Server == s.name && row.Group == group && row.Version == version {
			routes = append(routes, s.program.rest.builtin[kinds.NewKey(group, version, row.Kind)].routeRows()...)
		}
	}
	return routes
}

func (s *Server) serveDocument(root, operation, doc string, writes any, more []Route) {
	_ = s.keep(s.container.add(&WebService{Root: root, Doc: doc, Routes: append([]Route{{
		Method: http.MethodGet, Operation: operation, Doc: doc, Writes: writes, Handler: s.program.catalog.serve(root),
	}}, more...)}, callSite(1)))
}

// publicAddress is host:port of the first listener that is no socket file, the TLS one
// before the plain one; "" without any.
func (p *program) publicAddress() string {
	for _, url := range append(p.urls("https"), p.urls("http")...) {
		if _, address, ok := strings.Cut(url, "://"); ok {
			return address
		}
	}
	return ""
}

// operationName is a group or version as part of an operation's name: apps.example ->
// AppsExample.
func operationName(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(s, ".") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// allGroups are the groups of s and all it delegates to.
func (s *Server) allGroups() []apiGroup {
	var out []apiGroup
	for ; s != nil; s = s.delegate {
		out = append(out, s.groups...)
	}
	return out
}
