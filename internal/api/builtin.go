package api

import (
	"slices"
	"sync"

	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/store"
	"apichain/internal/strategy"
)

// The resources of the built-in kinds: rows of the kind table, and what no row can say. Most kinds
// are a row and no more. Those that do something of their own have hooks, all of which are in one
// table below, so that a reader of the verbs knows where special cases come from.
//
// Built-in resources are made once, and served by the containers of their servers. They are never
// retired, and may be used by any number of requests.

// New returns the API of the built-in kinds. Custom resources are served from the first
// Customs.Follow on. Config.Store, Kinds, Catalog, Changed and Log must be set.
func New(c Config) *API {
	s := &API{
		Config: c, Store: c.Store, Kinds: c.Kinds, meta: c.Kinds.Type("meta.ObjectMeta"),
		builtin: map[kinds.Key]*Resource{}, byBucket: map[*store.Bucket]*Resource{},
	}
	if s.converters = c.Converters; s.converters == nil {
		s.converters = noWebhooks{}
	}
	s.services = s.newPool(c.Services)
	s.Namespaces = s.Store.Bucket("namespaces")
	// A kind that is stored as another comes behind it in the table, so that the other's selectable
	// fields are there when it is made.
	same := map[*store.Bucket][]*Resource{}
	for _, row := range c.Kinds.Kinds {
		r := s.newBuiltin(row)
		s.builtin[kinds.NewKey(row.Group, row.Version, row.Kind)] = r
		if row.StoredAs == "" && r.Bucket != nil {
			s.byBucket[r.Bucket] = r
		}
		if r.Bucket != nil {
			same[r.Bucket] = append(same[r.Bucket], r)
		}
	}
	for _, all := range same {
		for _, r := range all {
			r.forms = all
		}
	}
	// The hooks need Customs, which needs the store alone.
	s.Customs = newCustoms(s, c.Catalog)
	for key, st := range strategy.All() {
		if r := s.builtin[key]; r != nil {
			r.Strategy = st
		}
	}
	for key, h := range s.hookTable() {
		if r := s.builtin[key]; r != nil { // a table of a test has not all kinds
			r.kindHooks = h
		}
	}
	for name, f := range c.AfterWrite {
		if r := s.byBucket[s.Store.Bucket(name)]; r != nil {
			r.afterWrite = func(*store.Object) { f() }
		}
	}
	for _, r := range s.builtin {
		if same := r.Row.Same; same != nil { // an earlier version does what its kind does
			of := s.builtin[kinds.NewKey(same.Group, same.Version, same.Kind)]
			r.Strategy, r.kindHooks = of.Strategy, of.kindHooks
		}
	}
	for _, r := range s.builtin {
		r.refuseUnserved()
	}
	definitions := s.builtin[kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition")]
	definitions.shape = definitionShape{definitions.shape}
	return s
}

// hookTable returns what built-in kinds do with requests and storage, by group, version and kind. Custom
// resources have no hooks.
func (s *API) hookTable() map[kinds.Key]kindHooks {
	return map[kinds.Key]kindHooks{
		kinds.NewKey("", "v1", "Namespace"): {
			beforeDelete: holdNamespace, preconditionFailed: "Precondition failed",
			special: map[string]func(q *Call) error{"finalize": finalizeNamespace},
		},
		kinds.NewKey("", "v1", "Pod"): {
			grace: podGrace,
			special: map[string]func(q *Call) error{
				"binding": bindPod, "eviction": evictPod, "log": connectPod, "exec": connectPod, "attach": connectPod,
				"portforward": connectPod, "proxy": connectProxy,
			},
		},
		kinds.NewKey("", "v1", "Binding"): {special: map[string]func(q *Call) error{"": bindPod}},
		kinds.NewKey("", "v1", "Node"):    {special: map[string]func(q *Call) error{"proxy": connectProxy}},
		kinds.NewKey("", "v1", "Service"): {
			claims:  s.services.Service,
			special: map[string]func(q *Call) error{"proxy": connectProxy},
		},
		kinds.NewKey("", "v1", "ServiceAccount"): {special: map[string]func(q *Call) error{"token": (*Call).requestToken}},
		kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition"): {
			prepare: s.Customs.prepareDefinition, settle: s.Customs.settleDefinition, validateStatus: schema.CheckCRDStatus,
			// Two that want one name must see each other.
			serial:       make(chan struct{}, 1),
			beforeDelete: holdDefinition, preconditionFailed: "precondition failed",
			// A client may use the resource as soon as its write is answered.
			afterWrite: func(*store.Object) { s.Customs.Follow() },
		},
		kinds.NewKey("certificates.k8s.io", "v1", "CertificateSigningRequest"): {prepare: stampRequester},
		kinds.NewKey("authentication.k8s.io", "v1", "TokenReview"):             {review: reviewToken},
		kinds.NewKey("authentication.k8s.io", "v1", "SelfSubjectReview"):       {review: reviewSelf},
		kinds.NewKey("authorization.k8s.io", "v1", "SubjectAccessReview"):      {review: reviewAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "LocalSubjectAccessReview"): {review: reviewAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "SelfSubjectAccessReview"):  {review: reviewSelfAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "SelfSubjectRulesReview"):   {review: reviewSelfRules},
	}
}

// refuseUnserved gives the subresources of r that have no handler one that says so, and a kind of
// which nothing is stored an answer. status is served by the verbs.
func (r *Resource) refuseUnserved() {
	refuse := func(q *Call) error { return q.unsupported(q.info.Verb) }
	for _, sub := range r.Subresources {
		if sub.Name == "status" || r.special[sub.Name] != nil {
			continue
		}
		if r.special == nil {
			r.special = map[string]func(*Call) error{}
		}
		r.special[sub.Name] = refuse
	}
	if r.ReviewOnly && r.review == nil {
		r.review = func(q *Call, _ map[string]any) error { return refuse(q) }
	}
}

// newBuiltin returns another resource of a row of the table, without hooks. What it does is done to
// the same objects as through the one that is served; tests use it as another server's.
func (s *API) newBuiltin(row *kinds.Row) *Resource {
	r := &Resource{
		Row: row, api: s, shape: kinds.Shape{Row: row},
		zero:       sync.OnceValue(func() map[string]any { return row.Type().Zero() }),
		nameErrors: nameRules[row.NameRule], fields: row.Fields, deprecation: row.Deprecated,
	}
	if row.ReviewOnly {
		s.admit(r) // a binding is asked about
		return r
	}
	if slices.ContainsFunc(row.Subresources, func(s kinds.Subresource) bool { return s.Name == "scale" }) {
		r.scale = builtinScale(row)
	}
	r.initialize = kinds.Shape{Row: row}.Initialize
	name := row.Qualified()
	if row.StoredAs != "" {
		name = row.StoredAs
		r.ToStored, r.fromStored = row.ToStored, row.FromStored
		// Values are kept in the order of the stored kind's fields; each of ours is put where that
		// has its value, under our name for it. Those that only the stored kind has stay hidden.
		r.stored = s.byBucket[s.Store.Bucket(name)].fields
		r.fields = slices.Repeat([]kinds.Selectable{{Hidden: true}}, len(r.stored))
		for _, f := range row.Fields {
			r.fields[f.Index] = f
		}
	}
	r.Bucket = s.Store.Bucket(name)
	s.admit(r)
	return r
}

// admit gives a resource those who may change and refuse its writes. It must have its bucket, if it has one.
func (s *API) admit(r *Resource) {
	if s.Config.Admit != nil {
		r.admitters = s.Config.Admit(r)
	}
}

// Builtin returns the resource of a built-in kind, or nil if there is none.
func (s *API) Builtin(group, version, kind string) *Resource {
	return s.builtin[kinds.NewKey(group, version, kind)]
}

// ForKind returns the resource that serves a kind, built-in or custom, or nil if none does. Custom
// ones are those of the last Follow.
func (s *API) ForKind(apiVersion, kind string) *Resource {
	group, version := kinds.SplitAPIVersion(apiVersion)
	if r := s.Builtin(group, version, kind); r != nil {
		return r
	}
	return s.Customs.Kind(group, version, kind)
}

// ForBucket returns a resource of the objects in a bucket, or nil if nobody serves them now. Where
// there are several, it is the one that shows them as they are stored.
//
//go:noinline
func (s *API) ForBucket(b *store.Bucket) *Resource {
	if r := s.byBucket[b]; r != nil {
		return r
	}
	return s.Customs.ofBucket(b.Name)
}
