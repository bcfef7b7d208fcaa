package main

import (
	"context"
	"errors"
	"strings"
	"time"
)

// What other branches bring. This file goes when they are merged.

type resource struct {
	bucket     *bucket
	namespaced bool
}

func (r *resource) draft(obj map[string]any) draft { return encodeDraft(obj, nil) }

func (p *program) resourceOf(apiVersion, kind string) *resource {
	switch apiVersion + "/" + kind {
	case "v1/Namespace":
		return &resource{p.store.resource("namespaces"), false}
	case "v1/ConfigMap":
		return &resource{p.store.resource("configmaps"), true}
	case "v1/Secret":
		return &resource{p.store.resource("secrets"), true}
	case "apiextensions.k8s.io/v1/CustomResourceDefinition":
		return &resource{p.store.resource(crdResource), false}
	}
	group, version, _ := strings.Cut(apiVersion, "/")
	sn := p.store.resource(crdResource).now()
	for o := range sn.scan("", "") {
		if crd := o.decode(); textAt(crd, "spec", "group") == group && textAt(crd, "spec", "names", "kind") == kind {
			return p.customResource(crd, version)
		}
	}
	return nil
}

// customResource is the resource that a definition makes, whether it is served or not;
// nil when it has no such version.
func (p *program) customResource(crd map[string]any, version string) *resource {
	for _, v := range listAt(crd, "spec", "versions") {
		if textAt(v, "name") == version {
			return &resource{p.store.resource(textAt(crd, "spec", "names", "plural") + "." + textAt(crd, "spec", "group")), textAt(crd, "spec", "scope") == "Namespaced"}
		}
	}
	return nil
}

func (p *program) apply(ctx context.Context, _ *User, obj map[string]any) (*object, bool, error) {
	r := p.resourceOf(textAt(obj, "apiVersion"), textAt(obj, "kind"))
	if r == nil {
		return nil, false, &statusError{code: 404, reason: "NotFound", message: "the server could not find the requested resource"}
	}
	key := textAt(obj, "metadata", "name")
	if key == "" {
		return nil, false, errors.New("no name")
	}
	if r.namespaced {
		ns := textAt(obj, "metadata", "namespace")
		namespaces := p.store.resource("namespaces").now()
		if ns != "default" && namespaces.get(ns) == nil {
			return nil, false, &statusError{code: 404, reason: "NotFound", message: `namespaces "` + ns + `" not found`}
		}
		key = ns + "/" + key
	}
	now := r.bucket.now()
	was := now.get(key)
	obj = deepCopy(obj).(map[string]any)
	setMember(obj, newUUID(), "metadata", "uid")
	setMember(obj, time.Now().UTC().Format(time.RFC3339), "metadata", "creationTimestamp")
	if was != nil {
		setMember(obj, was.meta.uid, "metadata", "uid")
	}
	d := r.draft(obj)
	out, err := p.store.commit(ctx, change{bucket: r.bucket, key: key, expect: -1, next: &d})
	if err != nil {
		return nil, false, err
	}
	return out[0], was == nil, nil
}

// awaitServed returns when what is served follows the definitions up to a revision.
func (p *program) awaitServed(context.Context, int64) {}

// resourceWarnings is what a resource accepts but does not do.
func (p *program) resourceWarnings(string) []string { return nil }

func checkCRD(crd, _ map[string]any) []fieldError {
	if textAt(crd, "spec", "group") == "" {
		return []fieldError{fieldRequired("spec.group", "")}
	}
	return nil
}
