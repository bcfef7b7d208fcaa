package aggregation

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The objects of what is served here. Upstream's server registers its own groups as every other server is registered,
// so that clients find all groups in one place, and a user may hand one to another server. There is an object for each
// version of a group, without a Service, with a label that says whose it is:
//
//	kube-aggregator.kubernetes.io/automanaged: onstart   a built-in group: made and corrected once, when the server starts
//	                                           true      served by a definition: kept, and deleted with the last definition
//
// What becomes of an object is upstream's table (k8s.io/kube-aggregator pkg/controllers/autoregister):
//
//	                               not wanted     wanted at the start   wanted as long as there is a definition
//	not there                      -              made once             made
//	without the label              -              -                     -
//	onstart, made after our start  -              -                     -
//	onstart, there at our start    deleted once   corrected once        corrected once
//	true                           deleted        corrected once        corrected
//
// Only the spec is compared. Over shared storage what is there stays as it is, but for what follows definitions: another server, perhaps of
// another version, has made it.

// managedLabel says that an object is kept by the server.
const managedLabel = "kube-aggregator.kubernetes.io/automanaged"

// The values of that label.
const (
	onStart = "onstart"
	always  = "true"
)

// wanted is an object that there should be.
type wanted struct {
	label string
	spec  map[string]any
}

// object returns a new object as wanted.
func (d *wanted) object(name string) map[string]any {
	return map[string]any{
		"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1",
		"metadata": map[string]any{"name": name, "labels": map[string]any{managedLabel: d.label}},
		"spec":     tree.Copy(d.spec),
	}
}

// nameOf returns the name of the APIService of a version of a group.
func nameOf(group, version string) string { return version + "." + group }

// newWanted returns what is wanted of a version.
func newWanted(group, version, label string, groupPriority, versionPriority int) *wanted {
	spec := map[string]any{
		"version": version, "groupPriorityMinimum": int64(groupPriority), "versionPriority": int64(versionPriority),
	}
	if group != "" {
		spec["group"] = group
	}
	return &wanted{label, spec}
}

// versionPriorities are those of built-in versions that are not the first of their group, by upstream's list; the table of
// kinds has that of the first.
var versionPriorities = map[string]int{
	"autoscaling/v1": 15, "admissionregistration.k8s.io/v1beta1": 12, "certificates.k8s.io/v1beta1": 9,
	"resource.k8s.io/v1beta2": 15, "storagemigration.k8s.io/v1beta1": 9,
}

// builtin returns what is wanted of the built-in groups that are served. The aggregator's own group is not registered.
func builtin(c *Config) map[string]*wanted {
	all := map[string]*wanted{}
	for _, row := range c.Kinds.Kinds {
		name := nameOf(row.Group, row.Version)
		// A version has a row for each of its kinds.
		if all[name] != nil || row.Server == "aggregator" {
			continue
		}
		g, _ := c.Kinds.Group(row.Group)
		priority := g.VersionPriority
		if p, ok := versionPriorities[row.Group+"/"+row.Version]; ok {
			priority = p
		}
		all[name] = newWanted(row.Group, row.Version, onStart, g.Priority, priority)
	}
	for i := range c.Given {
		g := &c.Given[i]
		w := newWanted(g.Group, g.Version, onStart, definedGroupPriority, definedVersionPriority)
		w.spec["service"] = map[string]any{"namespace": givenNamespace, "name": g.service(), "port": g.Port}
		if g.Insecure {
			w.spec["insecureSkipTLSVerify"] = true
		}
		if len(g.CABundle) > 0 {
			w.spec["caBundle"] = base64.StdEncoding.EncodeToString(g.CABundle)
		}
		// Over a built-in version of the name, if there is one: who starts the server has said so.
		all[nameOf(g.Group, g.Version)] = w
	}
	return all
}

// Given is a version of a group that a server has whose address is known, so that no Service leads there. Its APIService names
// one that stands for the address.
type Given struct {
	Group, Version string
	// URL is https://HOST:PORT, and Host and Port are of it.
	URL, Host string
	Port      int64
	// CABundle is PEM; empty: the authorities of the system.
	CABundle []byte
	Insecure bool
}

// givenNamespace is the namespace of those Services, which need not be there.
const givenNamespace = "apichain"

// service returns the name of the Service that stands for the address: 127-0-0-1-8443.
func (g *Given) service() string {
	fit := func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}
	return strings.Trim(strings.Map(fit, strings.ToLower(g.Host)), "-") + "-" + strconv.FormatInt(g.Port, 10)
}

// given returns the address that a Service stands for, nil for a Service that is looked up.
func (c *Config) given(s *backend.Service) *Given {
	for i := range c.Given {
		// By what the object says, so that a stored one leads there after a restart with the same flag.
		if g := &c.Given[i]; s.Namespace == givenNamespace && s.Port == g.Port && s.Name == g.service() {
			return g
		}
	}
	return nil
}

// The priorities of what definitions serve, which are upstream's.
const (
	definedGroupPriority   = 1000
	definedVersionPriority = 100
)

// definitions is which versions definitions serve. It belongs to the keeper's goroutine.
type definitions struct {
	// served has the names of APIServices by definition, and count how many definitions want each.
	served map[string][]string
	count  map[string]int
}

// versionsServed returns the names of the APIServices of what a definition serves.
func versionsServed(definition map[string]any) (names []string) {
	group := tree.Text(definition, "spec", "group")
	for _, v := range tree.List(definition, "spec", "versions") {
		if tree.True(tree.At(v, "served")) {
			names = append(names, nameOf(group, tree.Text(v, "name")))
		}
	}
	return names
}

// replace notes what a definition serves now, which is nothing once it is gone, and queues the objects that may have to
// change. A version that a built-in group has stays that group's.
func (k *keeper) replace(definition string, now []string) {
	// Added before others are taken away, so that what stays is wanted all the while.
	for _, name := range now {
		k.defs.count[name]++
		if k.want[name] == nil {
			// A version has no dot, so the first one is behind it.
			version, group, _ := strings.Cut(name, ".")
			k.want[name] = newWanted(group, version, always, definedGroupPriority, definedVersionPriority)
			k.add(name)
		}
	}
	for _, name := range k.defs.served[definition] {
		// Another definition serves it too: two of them may have one group.
		if k.defs.count[name]--; k.defs.count[name] > 0 {
			continue
		}
		delete(k.defs.count, name)
		// That of a built-in group is wanted whatever definitions say.
		if w := k.want[name]; w != nil && w.label == always {
			delete(k.want, name)
			k.add(name)
		}
	}
	if k.defs.served[definition] = now; len(now) == 0 {
		delete(k.defs.served, definition)
	}
}

// register makes, corrects or deletes the object of a name by the table above. once says that it has done so before
// without an error, and atStart that the object was there at the start.
func (s *Services) register(ctx context.Context, name string, want *wanted, once, atStart bool) error {
	r := s.resource()
	sn := s.bucket.Now()
	o := sn.Get(r.Key("", name))
	// Whose the object is: nothing is done to one without the label, which a user has made or taken over.
	label := ""
	if o != nil {
		label = o.Meta.Labels[managedLabel]
	}
	shared := s.API.Store.IsShared()
	switch {
	case o == nil && want == nil, want != nil && want.label == onStart && once:
		return nil
	case o == nil:
		_, err := s.API.Internal(r, "create", "", name, "").Until(ctx).Insert(want.object(name))
		return unless(err, "AlreadyExists")
	case label != onStart && label != always, label == onStart && (!atStart || once || shared):
		return nil
	case want == nil:
		// Of this object only: one that somebody has put in its place meanwhile is theirs.
		uid := o.Meta.UID
		_, _, err := s.API.Internal(r, "delete", "", name, "").Until(ctx).Delete(&api.DeleteOptions{UID: &uid})
		return unless(err, "NotFound", "Conflict")
	}
	_, err := s.API.Internal(r, "update", "", name, "").Until(ctx).Modify(ctx, func(obj map[string]any) bool {
		// Looked at once more, since a user may have taken it over between the look and the write.
		if tree.Text(obj, "metadata", "labels", managedLabel) != label || tree.Equal(obj["spec"], want.spec) {
			return false
		}
		obj["spec"] = tree.Copy(want.spec)
		return true
	})
	return err
}

// unless returns err, but nil for one with one of the reasons: somebody else was first, and the event of that leads here
// again.
func unless(err error, reasons ...string) error {
	var e *status.Error
	if errors.As(err, &e) && slices.Contains(reasons, e.Reason) {
		return nil
	}
	return err
}

// Registered is the check that the server is ready: it fails until each object of a built-in group was available once.
// The text is upstream's.
func (s *Services) Registered(context.Context) error {
	// What was written by now counts, whether or not the keeper has come to it.
	s.Follow()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing APIService: %v", slices.Sorted(maps.Keys(s.missing)))
}
