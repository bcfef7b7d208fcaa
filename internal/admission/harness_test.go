package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// cluster is the objects that plugins see, by resource and key.
type cluster struct {
	mu      sync.Mutex
	objects map[string]map[string]map[string]any
	changes int64
}

// parsed reads an object.
func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	v, _, err := tree.ParseYAMLObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	obj, _ := v.(map[string]any)
	return obj
}

func (c *cluster) put(t testing.TB, resource, text string) {
	t.Helper()
	obj := parsed(t, text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects[resource] == nil {
		c.objects[resource] = map[string]map[string]any{}
	}
	c.objects[resource][tree.Text(obj, "metadata", "namespace")+"/"+tree.Name(obj)] = obj
	c.changes++
}

func (c *cluster) Get(resource, namespace, name string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if obj := c.objects[resource][namespace+"/"+name]; obj != nil {
		return tree.Copy(obj).(map[string]any)
	}
	return nil
}

func (c *cluster) List(resource, namespace string) (all []map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []string
	for key := range c.objects[resource] {
		if namespace == "" || strings.HasPrefix(key, namespace+"/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		all = append(all, tree.Copy(c.objects[resource][key]).(map[string]any))
	}
	return all
}

func (c *cluster) Labels(resource, namespace, name string) (map[string]string, bool) {
	obj := c.Get(resource, namespace, name)
	return labelsOf(obj), obj != nil
}

func (c *cluster) Change(string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

func (c *cluster) Write(_ context.Context, resource, namespace, name, _ string, change func(map[string]any) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if obj := c.objects[resource][namespace+"/"+name]; obj != nil {
		next := tree.Copy(obj).(map[string]any)
		if change(next) {
			c.objects[resource][namespace+"/"+name] = next
			c.changes++
		}
	}
	return nil
}

// writer is a user, and keeps what it is warned of.
type writer struct {
	user     request.User
	warnings []string
}

func (w *writer) RequestInfo() *request.Info { return &request.Info{} }
func (w *writer) ActingUser() *request.User  { return &w.user }
func (w *writer) Warn(_, text string)        { w.warnings = append(w.warnings, text) }

func (w *writer) Annotate(_, _ string, _ bool)          {}
func (w *writer) Spend(_ request.Part, _ time.Duration) {}

// asked is a chain with a cluster behind it, and who writes.
type asked struct {
	*cluster
	*writer
	t     testing.TB
	chain *Chain
}

// signerOf lets a user do what verb says for a signer.
type signerOf map[string]string

func (s signerOf) Authorize(_ context.Context, u *request.User, i *request.Info) auth.Decision {
	if i.Resource == "signers" && i.APIGroup == "certificates.k8s.io" && s[u.Name] == i.Verb+" "+i.Name {
		return auth.Decision{Verdict: auth.Allow}
	}
	return auth.Decision{}
}

// newAsked returns a chain of the plugins that are on by default, or as c says.
func newAsked(t testing.TB, c Config) *asked {
	t.Helper()
	c.Authorizer = signerOf{"signer": "sign example.com/*", "approver": "approve example.com/a", "attester": "attest example.com/a"}
	c.NotReadySeconds, c.UnreachableSeconds = 300, 20
	chain, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{&cluster{objects: map[string]map[string]map[string]any{}}, &writer{user: request.User{Name: "alice"}}, t, chain}
	chain.Look(a.cluster)
	return a
}

// resourceOf returns a resource of a name, plural.group; those of a few names are the cluster's.
func resourceOf(name string) *api.Resource {
	plural, group, _ := strings.Cut(name, ".")
	of := []string{"namespaces", "nodes", "persistentvolumes", "priorityclasses", "certificatesigningrequests", "clustertrustbundles", "volumeattributesclasses"}
	return &api.Resource{Row: &kinds.Row{Group: group, Version: "v1", Plural: plural, Namespaced: !slices.Contains(of, plural)}}
}

// write asks about a write in the namespace ns in both phases: of a new object, or of old as obj.
// resource may have a subresource behind a slash. It returns the object as it has become, and the
// message of the refusal.
func (k *asked) write(resource, obj, old string) (map[string]any, string) {
	k.t.Helper()
	name, subresource, _ := strings.Cut(resource, "/")
	r := resourceOf(name)
	a := api.Admission{Operation: api.OperationCreate, Resource: r, Subresource: subresource, Object: parsed(k.t, obj), Scope: k.writer}
	if old != "" {
		a.Operation, a.Old = api.OperationUpdate, parsed(k.t, old)
	}
	a.Name = tree.Name(a.Object)
	if r.Namespaced {
		a.Namespace = "ns"
	}
	return a.Object, k.ask(a)
}

// ask asks one question in both phases.
func (k *asked) ask(a api.Admission) string {
	who := k.chain.For(a.Resource)
	for a.Phase = api.Mutating; a.Phase <= api.Validating; a.Phase++ {
		if who.Wants == nil || !who.Wants(a.Phase, a.Subresource, a.Operation) {
			continue
		}
		if err := who.Ask(context.Background(), a); err != nil {
			return err.Error()
		}
	}
	return ""
}

// text writes a part of an object.
func text(v any) string { return string(tree.AppendJSON(nil, v)) }

// pod returns a pod of one container with more in its spec.
func pod(more string) string {
	return fmt.Sprintf(`{"metadata":{"name":"p","namespace":"ns"},"spec":{"containers":[{"name":"c","image":"i"}]%s}}`, more)
}
