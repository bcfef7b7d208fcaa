package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"apichain/internal/api"
	"apichain/internal/selector"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Parameters are objects of any kind that is served, as the store has them when a write is judged: a change of one counts for the write
// that begins after its answer. A binding names one, or selects several by labels, each of which is a case of its own that the write must
// pass.

// paramRef says which parameters a binding means.
type paramRef struct {
	name, namespace string
	// selects is nil where a name is meant.
	selects *selector.Labels
	// denies says that a write is refused if there are none.
	denies bool
}

// newParamRef reads the object of a binding, nil for none.
func newParamRef(obj map[string]any) *paramRef {
	if obj == nil {
		return nil
	}
	r := &paramRef{
		name: tree.Text(obj, "name"), namespace: tree.Text(obj, "namespace"), denies: tree.Text(obj, "parameterNotFoundAction") == "Deny",
	}
	if s := tree.Object(obj, "selector"); s != nil {
		l, _ := selector.FromObject(s)
		r.selects = &l
	}
	return r
}

// paramResource returns the resource of a policy's parameters, nil for a policy without. The error is one of the policy.
func (p *Policies) paramResource(x *policy) (*api.Resource, error) {
	if x.paramKind == "" {
		return nil, nil
	}
	if r := p.api.ForKind(x.paramVersion, x.paramKind); r != nil && r.Bucket != nil {
		return r, nil
	}
	// Of the core group upstream prints no more than the slash.
	version := x.paramVersion
	if !strings.Contains(version, "/") {
		version = "/" + version
	}
	return nil, fmt.Errorf("failed to find resource referenced by paramKind: '%s, Kind=%s'", version, x.paramKind)
}

// params returns the parameters of a binding for a write in a namespace, "" for one of the cluster; nil in the list is a case without
// parameters. Nobody may change them. r is nil for a policy that has no kind of parameters. The error is one of the binding.
func (p *Policies) params(ctx context.Context, r *api.Resource, ref *paramRef, namespace string) ([]map[string]any, error) {
	if r == nil || ref == nil {
		return []map[string]any{nil}, nil
	}
	if r.Namespaced {
		if namespace = cmp.Or(ref.namespace, namespace); namespace == "" {
			return nil, errors.New("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
		}
	} else if namespace = ""; ref.namespace != "" {
		return nil, errors.New("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
	}
	var all []map[string]any
	sn := r.Bucket.Now()
	if ref.selects == nil {
		if o := sn.Get(r.Key(namespace, ref.name)); o != nil {
			obj, err := p.seen.of(ctx, r, o)
			if err != nil {
				return nil, err
			}
			all = append(all, obj)
		}
	} else {
		prefix := ""
		if r.Namespaced {
			prefix = namespace + "/"
		}
		for o := range sn.Scan(prefix, "") {
			if !ref.selects.Matches(o.Meta.Labels) {
				continue
			}
			// There may be a hundred thousand, and none is needed when the time is over.
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			obj, err := p.seen.of(ctx, r, o)
			if err != nil {
				return nil, err
			}
			all = append(all, obj)
		}
	}
	if len(all) == 0 && ref.denies {
		return nil, errors.New("no params found for policy binding with `Deny` parameterNotFoundAction")
	}
	return all, nil
}

// objects are parameters and namespaces that were decoded for one write, and are kept for the next. The zero value has none. It is safe
// for many goroutines at once.
type objects struct {
	mu  sync.RWMutex
	all map[place]decoded
	// size is how many bytes of JSON they were decoded of.
	size int
}

// place is an object in a form.
type place struct {
	resource *api.Resource
	key      string
}

// decoded is an object as it was at a revision, and how large it was. Nobody changes it.
type decoded struct {
	rev  int64
	size int
	obj  map[string]any
}

// mostSeen and mostSeenSize bound how many objects are kept, and of how many bytes of JSON, each of which becomes some ten of a tree. All
// go at once when there would be more, with those of resources that are no more.
const (
	mostSeen     = 4096
	mostSeenSize = 8 << 20
)

// of returns an object as a resource shows it, which nobody may change.
func (s *objects) of(ctx context.Context, r *api.Resource, o *store.Object) (map[string]any, error) {
	at := place{r, o.Key}
	s.mu.RLock()
	d, ok := s.all[at]
	s.mu.RUnlock()
	if ok && d.rev == o.Rev {
		return d.obj, nil
	}
	obj, err := r.Shown(ctx, o)
	if err != nil {
		return nil, err
	}
	// Owners are read once, and of a Namespace expressions see none (upstream).
	if m := tree.Object(obj, "metadata"); m != nil {
		m["managedFields"] = tree.Expand(m["managedFields"])
		if r.Group == "" && r.Plural == "namespaces" || m["managedFields"] == nil {
			delete(m, "managedFields")
		}
	}
	s.keep(at, decoded{o.Rev, len(o.Line), obj})
	return obj, nil
}

// keep keeps an object in the place of what was there of it. One that is larger than all may be is not kept.
func (s *objects) keep(at place, d decoded) {
	if d.size > mostSeenSize {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size -= s.all[at].size
	delete(s.all, at)
	if s.all == nil || len(s.all) >= mostSeen || s.size+d.size > mostSeenSize {
		s.all, s.size = map[place]decoded{}, 0
	}
	s.all[at] = d
	s.size += d.size
}
