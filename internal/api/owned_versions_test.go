package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// definedVersions returns the resources of a definition by version, served or not, with the webhook if it is not nil.
func definedVersions(t *testing.T, hook Converter, texts ...string) map[string]*Resource {
	t.Helper()
	s, _ := testAPI(t, nil)
	crd := definitionText(t, "widgets", "Widget", texts...)
	tree.Set(crd, tree.Object(crd, "spec", "names"), "status", "acceptedNames")
	out := map[string]*Resource{}
	for _, r := range s.Customs.resources(crd, crd, newDoc(crd), func() map[string]any { return crd }) {
		out[r.Version] = r
		if hook != nil {
			r.webhook = &byWebhook{converter: hook}
		}
	}
	return out
}

// ownedVersion is a version of a definition whose spec has the one field named. rest goes on behind.
func ownedVersion(name, field, rest string) string {
	return `{"name":"` + name + `","schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"` +
		field + `":{"type":"string"}}}}}},` + rest + `}`
}

const (
	isServed, isStored = `"served":true,"storage":false`, `"served":true,"storage":true`
	withStatus         = `,"subresources":{"status":{}}`
	withScale          = `,"subresources":{"scale":{"specReplicasPath":".spec.wanted.replicas","statusReplicasPath":".status.replicas"}}`
)

// TestOwnedVersionsOfCustoms: each version has the schema of its own, is converted to as upstream does it, and no owner is dropped.
func TestOwnedVersionsOfCustoms(t *testing.T) {
	r := definedVersions(t, nil, ownedVersion("v1", "a", isServed+withStatus), ownedVersion("v2", "b", isStored+withStatus),
		ownedVersion("v3", "c", `"served":false,"storage":false`+withStatus), ownedVersion("v4", "d", isServed+withScale))["v2"]
	v := versions{r, "", context.Background()}
	for version, field := range map[string]string{"example.com/v1": "a", "example.com/v2": "b", "example.com/v3": "c"} {
		s, ok := v.Schema(version)
		spec, _ := s.Field("spec")
		if f, named := spec.Field(field); !ok || f == nil || !named {
			t.Errorf("%s: the spec has no %s", version, field)
		}
		meta, _ := s.Field("metadata")
		if list, _ := meta.Field("finalizers"); list.Atom().List != fieldset.SetList {
			t.Errorf("%s: finalizers are no set", version)
		}
	}
	obj := parsed(t, `{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"name":"x"},"spec":{"b":"1"}}`)
	got, err := v.Convert(obj, "example.com/v2", "example.com/v1")
	if err != nil || tree.Text(got, "apiVersion") != "example.com/v1" || tree.Text(got, "spec", "b") != "1" {
		t.Error("what v1 does not have is gone:", got, err)
	}
	if tree.Text(obj, "apiVersion") != "example.com/v2" {
		t.Error("the object was changed")
	}
	for version, want := range map[string]string{
		"example.com/v9": "request to convert CR to an invalid group/version: example.com/v9",
		"other.com/v1":   `example.com/v2, Kind=Widget is unstructured and is not suitable for converting to "other.com/v1"`,
		"v1":             `example.com/v2, Kind=Widget is unstructured and is not suitable for converting to "v1"`,
		"a/b/c":          "unexpected GroupVersion string: a/b/c",
	} {
		if _, ok := v.Schema(version); !ok {
			t.Errorf("an owner in %s is dropped", version)
		}
		if _, err := v.Convert(obj, "example.com/v2", version); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", version, err, want)
		}
	}
}

// TestOwnedVersionsReset: a write of a custom object says of its own version what it leaves alone, one of the status of each
// version that is served or stored and has one.
func TestOwnedVersionsReset(t *testing.T) {
	r := definedVersions(t, nil, ownedVersion("v1", "a", isServed+withStatus), ownedVersion("v2", "b", isStored+withStatus),
		ownedVersion("v3", "c", `"served":false,"storage":false`+withStatus), ownedVersion("v4", "d", isServed))
	all := fieldset.New(fieldset.Fields("metadata", "labels"), fieldset.Fields("spec"), fieldset.Fields("status"))
	for _, c := range []struct{ of, part, version, want string }{
		{"v2", "", "v2", "metadata spec"},
		{"v2", "", "v1", "metadata spec status"},
		{"v2", "status", "v2", "status"},
		{"v2", "status", "v1", "status"},
		{"v2", "status", "v3", "metadata spec status"},
		{"v2", "status", "v4", "metadata spec status"},
		{"v2", "status", "v9", "metadata spec status"},
		{"v2", "scale", "v2", "metadata spec status"},
		{"v4", "", "v4", "metadata spec status"},
	} {
		v, got := versions{r[c.of], c.part, context.Background()}, []string{}
		v.Reset("example.com/" + c.version).Apply(all).Elements(func(e fieldset.Element, _ bool, _ fieldset.Set) { got = append(got, e.Text()) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("a write of %s %s owns in %s %v, want %s", c.of, c.part, c.version, got, c.want)
		}
	}
}

// TestOwnedReplicas: where each version has the replicas.
func TestOwnedReplicas(t *testing.T) {
	r := definedVersions(t, nil, ownedVersion("v1", "a", isServed), ownedVersion("v2", "b", isStored+withScale),
		ownedVersion("v3", "c", `"served":false,"storage":false`+withScale))["v2"]
	if got, want := fmt.Sprint(r.ownedReplicas()), "map[example.com/v1:[] example.com/v2:[spec wanted replicas] example.com/v3:[spec wanted replicas]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s, _ := testAPI(t, nil)
	if got := s.Builtin("apps", "v1", "Deployment").ownedReplicas()["apps/v1"]; !slices.Equal(got, []string{"spec", "replicas"}) {
		t.Error("deployments have their replicas at", got)
	}
	if got := s.Builtin("", "v1", "ReplicationController").ownedReplicas()["v1"]; !slices.Equal(got, []string{"spec", "replicas"}) {
		t.Error("replication controllers have their replicas at", got)
	}
}

// askedConverter notes the version that is asked for, and fails if it has an error.
type askedConverter struct {
	asked string
	err   error
}

func (c *askedConverter) Convert(_ context.Context, objs []map[string]any, apiVersion string) ([]map[string]any, bool, error) {
	c.asked = apiVersion
	obj := tree.Copy(objs[0]).(map[string]any)
	obj["apiVersion"] = apiVersion
	tree.Set(obj, tree.At(obj, "spec", "b"), "spec", "a")
	return []map[string]any{obj}, true, c.err
}

// TestOwnedVersionsByWebhook: a webhook is asked, and what it cannot do is an error in its words.
func TestOwnedVersionsByWebhook(t *testing.T) {
	hook := &askedConverter{}
	r := definedVersions(t, hook, ownedVersion("v1", "a", isServed), ownedVersion("v2", "b", isStored))["v2"]
	v := versions{r, "", context.Background()}
	obj := parsed(t, `{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"name":"x"},"spec":{"b":"1"}}`)
	got, err := v.Convert(obj, "example.com/v2", "example.com/v1")
	if err != nil || hook.asked != "example.com/v1" || tree.Text(got, "spec", "a") != "1" || tree.At(obj, "spec", "a") != nil {
		t.Error(hook.asked, got, err)
	}
	hook.err = errors.New("conversion webhook for example.com/v2, Kind=Widget failed: no")
	if _, err := v.Convert(obj, "example.com/v2", "example.com/v1"); err != hook.err {
		t.Error(err)
	}
	hook.asked = ""
	if _, err := v.Convert(obj, "example.com/v2", "example.com/v9"); err == nil || hook.asked != "" {
		t.Error("the webhook was asked for a version that is not there:", err)
	}
}

// TestOwnedVersionsOfBuiltins: an owner in a version that is not served is dropped, as is one of the other group of events;
// what is the same kind in another version of the group is converted.
func TestOwnedVersionsOfBuiltins(t *testing.T) {
	s, _ := testAPI(t, nil)
	hpa := versions{s.Builtin("autoscaling", "v2", "HorizontalPodAutoscaler"), "", context.Background()}
	for version, want := range map[string]bool{"autoscaling/v2": true, "autoscaling/v1": true, "autoscaling/v2beta2": false, "v1": false, "": false} {
		if _, ok := hpa.Schema(version); ok != want {
			t.Errorf("%s is served: %v", version, ok)
		}
	}
	obj := parsed(t, `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"x"},"spec":{"maxReplicas":3,
		"scaleTargetRef":{"kind":"Deployment","name":"d"},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}`)
	got, err := hpa.Convert(obj, "autoscaling/v2", "autoscaling/v1")
	if err != nil || tree.At(got, "spec", "targetCPUUtilizationPercentage") != int64(50) || tree.Text(got, "apiVersion") != "autoscaling/v1" {
		t.Error(got, err)
	}
	back, err := hpa.Convert(got, "autoscaling/v1", "autoscaling/v2")
	if err != nil || len(tree.List(back, "spec", "metrics")) != 1 || tree.At(obj, "spec", "metrics") == nil {
		t.Error(back, err)
	}
	first, _ := hpa.Schema("autoscaling/v1")
	spec, _ := first.Field("spec")
	if f, _ := spec.Field("metrics"); f != nil {
		t.Error("v1 has metrics")
	}
	for _, group := range []string{"", "events.k8s.io"} {
		v := versions{s.Builtin(group, "v1", "Event"), "", context.Background()}
		for _, version := range []string{"v1", "events.k8s.io/v1"} {
			if _, ok := v.Schema(version); ok != (version == v.apiVersion()) {
				t.Errorf("in group %q an owner of %s is kept: %v", group, version, ok)
			}
		}
	}
	if _, err := hpa.Convert(obj, "autoscaling/v2", "a/b/c"); err == nil || err.Error() != "unexpected GroupVersion string: a/b/c" {
		t.Error(err)
	}
	if s := hpa.Reset("autoscaling/v1").Apply(fieldset.New(fieldset.Fields("status"))); !s.IsEmpty() {
		t.Error("a write owns", s)
	}
}
