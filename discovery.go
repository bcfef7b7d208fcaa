package main

import (
	"bytes"
	"cmp"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
)

// What the servers of the chain say of themselves: /api and /apis, for the whole chain
// and in two forms, and the documents of each group and version below them. They are
// encoded when the groups change and served from bytes.

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
}

// apiResource is one resource of a version; a subresource has a slash in its name.
type apiResource struct {
	name, singular, kind string
	group, version       string // of the kind, where it is another's
	namespaced           bool
	verbs                []string
	shortNames           []string
	categories           []string
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
	aggVersion struct {
		Version   string        `json:"version"`
		Resources []aggResource `json:"resources,omitempty"`
		Freshness string        `json:"freshness"`
	}
	aggGroup struct {
		Metadata struct {
			Name string `json:"name,omitempty"`
		} `json:"metadata"`
		Versions []aggVersion `json:"versions,omitempty"`
	}
	aggList struct {
		Kind       string     `json:"kind"`
		APIVersion string     `json:"apiVersion"`
		Metadata   struct{}   `json:"metadata"`
		Items      []aggGroup `json:"items"`
	}
)

const aggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// discovery is the documents of the chain as they are now; set replaces them whole.
type discovery struct{ docs atomic.Pointer[discoveryDocs] }

type discoveryDocs struct {
	byPath     map[string][]byte
	aggregated map[string][]byte // of /api and /apis
	etags      map[string]string
}

// set encodes the documents of these groups. Groups of the same name, from several
// servers, are one; a group without versions is none. address, host:port, is where all
// clients are told to find the server; "" says nothing.
func (d *discovery) set(groups []apiGroup, address string) error {
	docs := &discoveryDocs{byPath: map[string][]byte{}, aggregated: map[string][]byte{}, etags: map[string]string{}}
	var failed error
	put := func(to map[string][]byte, path string, doc any) {
		b, err := json.Marshal(doc)
		failed = cmp.Or(failed, err)
		to[path] = append(b, '\n')
	}
	api := versionsDoc{Kind: "APIVersions", Versions: []string{}, Servers: []serverAddress{{"0.0.0.0/0", address}}}
	list := groupListDoc{Kind: "APIGroupList", APIVersion: "v1", Groups: []groupDoc{}}
	agg := map[string]*aggList{}
	for _, root := range []string{"/api", "/apis"} {
		agg[root] = &aggList{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2", Items: []aggGroup{}}
	}
	for _, g := range orderGroups(groups) {
		if len(g.versions) == 0 {
			continue
		}
		doc := groupDoc{Name: g.name}
		root, prefix := "/apis", g.name+"/"
		if g.name == "" {
			root, prefix = "/api", ""
		}
		ag := aggGroup{}
		ag.Metadata.Name = g.name
		for _, v := range g.versions {
			gv := prefix + v.version
			doc.Versions = append(doc.Versions, groupVersionDoc{gv, v.version})
			if g.name == "" {
				api.Versions = append(api.Versions, v.version)
			}
			put(docs.byPath, root+"/"+gv, v.list(gv, g.name))
			ag.Versions = append(ag.Versions, v.aggregated(g.name))
		}
		agg[root].Items = append(agg[root].Items, ag)
		if g.name == "" {
			continue
		}
		doc.PreferredVersion = doc.Versions[0]
		list.Groups = append(list.Groups, doc)
		doc.Kind, doc.APIVersion = "APIGroup", "v1"
		put(docs.byPath, "/apis/"+g.name, doc)
	}
	put(docs.byPath, "/api", api)
	put(docs.byPath, "/apis", list)
	for root, l := range agg {
		put(docs.aggregated, root, l)
		sum := sha512.Sum512(docs.aggregated[root])
		docs.etags[root] = `"` + strings.ToUpper(hex.EncodeToString(sum[:])) + `"`
	}
	if failed == nil {
		d.docs.Store(docs)
	}
	return failed
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
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmp.Compare(b.priority, a.priority), strings.Compare(a.name, b.name)) < 0
	})
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
func (v *apiVersion) list(gv, group string) resourceListDoc {
	doc := resourceListDoc{Kind: "APIResourceList", GroupVersion: gv, Resources: []resourceDoc{}}
	if group != "" {
		doc.APIVersion = "v1"
	}
	for _, r := range v.resources {
		doc.Resources = append(doc.Resources, resourceDoc{r.name, r.singular, r.namespaced, r.group, r.version, r.kind, slices.Sorted(slices.Values(r.verbs)), r.shortNames, r.categories})
	}
	return doc
}

// aggregated is the version in the aggregated form, subresources below their resources.
// A subresource without its resource gets one that has nothing else (upstream).
func (v *apiVersion) aggregated(group string) aggVersion {
	out := aggVersion{Version: v.version, Freshness: "Current"}
	for _, r := range v.resources {
		name, sub, isSub := strings.Cut(r.name, "/")
		i := slices.IndexFunc(out.Resources, func(o aggResource) bool { return o.Resource == name })
		if i < 0 {
			i = len(out.Resources)
			out.Resources = append(out.Resources, aggResource{Resource: name, ResponseKind: &kindDoc{}, Scope: "Cluster"})
		}
		resource := &out.Resources[i]
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
// it, the aggregated form with its ETag.
func (d *discovery) serve(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		docs := d.docs.Load()
		for _, c := range parseAccept(r.Header["Accept"]) {
			if !c.takes("application/json") {
				continue
			}
			agg, has := docs.aggregated[path]
			if has {
				w.Header()["Vary"] = []string{"Accept"}
			}
			switch {
			case c.as == "" && c.group == "" && c.version == "":
				writeDocument(w, r, "application/json", docs.byPath[path])
				return
			case has && c.as == "APIGroupDiscoveryList" && c.group == "apidiscovery.k8s.io" && c.version == "v2":
				h := w.Header()
				h["Etag"] = []string{docs.etags[path]}
				h["Cache-Control"] = []string{"public"}
				if r.Header.Get("If-None-Match") == docs.etags[path] {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				writeDocument(w, r, aggregatedType, agg)
				return
			}
		}
		writeStatus(w, r, &statusError{code: http.StatusNotAcceptable, reason: "NotAcceptable", message: "only the following media types are accepted: application/json", pretty: true})
	})
}

func writeDocument(w http.ResponseWriter, r *http.Request, contentType string, b []byte) {
	if wantsPretty(r) {
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b = out.Bytes()
		}
	}
	w.Header()["Content-Type"] = []string{contentType}
	_, _ = w.Write(b)
}

// serveGroups registers the documents of the server's own groups.
func (s *Server) serveGroups() {
	for _, g := range s.groups {
		if g.name == "" {
			s.serveDocument("/api", "getAPIVersions", "get available API versions of the core group", versionsDoc{})
		} else {
			s.serveDocument("/apis/"+g.name, "get"+operationName(g.name)+"APIGroup", "get information of the group "+g.name, groupDoc{})
		}
		for _, v := range g.versions {
			root, operation := "/apis/"+g.name+"/"+v.version, "get"+operationName(g.name)+operationName(v.version)+"APIResources"
			if g.name == "" {
				root, operation = "/api/"+v.version, "getCore"+operationName(v.version)+"APIResources"
			}
			s.serveDocument(root, operation, "get available resources", resourceListDoc{})
		}
	}
}

func (s *Server) serveDocument(root, operation, doc string, writes any) {
	_ = s.keep(s.container.add(&WebService{Root: root, Doc: doc, Routes: []Route{{
		Method: http.MethodGet, Operation: operation, Doc: doc, Writes: writes, Handler: s.program.discovery.serve(root),
	}}}, callSite(1)))
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
