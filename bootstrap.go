package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// What is in the store from the start, and what namespaces do that no other kind does.

// bootstrap makes the objects that every server has, then the user's fixtures, and sets
// the controllers to work. It is a post-start hook: the server is not ready before.
func (p *program) bootstrap(ctx context.Context) error {
	p.rest.customs.follow()
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		if _, _, err := p.apply(ctx, nil, map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": name}}); err != nil {
			return err
		}
	}
	for _, obj := range p.ownService() {
		if _, _, err := p.apply(ctx, nil, obj); err != nil {
			return err
		}
	}
	c := newControllers(p.rest, string(p.certs.CAPEM()))
	c.settle(ctx)
	if err := p.loadFixtures(ctx); err != nil {
		return err
	}
	c.settle(ctx)
	p.owned.Go(func() { c.run(p.background) })
	p.owned.Go(func() { p.followCustoms(p.background) })
	return nil
}

// followCustoms serves definitions that come to the store without a request.
func (p *program) followCustoms(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.rest.customs.changed():
		}
	}
}

// ownService is the Service and the Endpoints by which clients inside find this server: the
// TLS listener; none without one on TCP.
func (p *program) ownService() []map[string]any {
	for _, url := range p.urls("https") {
		host, port, err := net.SplitHostPort(strings.TrimPrefix(url, "https://"))
		n, _ := strconv.ParseInt(port, 10, 64)
		if err != nil || net.ParseIP(host) == nil {
			continue
		}
		meta := func() map[string]any {
			return map[string]any{"name": "kubernetes", "namespace": "default", "labels": map[string]any{"component": "apiserver", "provider": "kubernetes"}}
		}
		return []map[string]any{
			{"kind": "Service", "apiVersion": "v1", "metadata": meta(), "spec": map[string]any{
				"type": "ClusterIP", "clusterIP": host, "clusterIPs": []any{host}, "ports": []any{map[string]any{"name": "https", "port": n, "protocol": "TCP", "targetPort": n}}}},
			{"kind": "Endpoints", "apiVersion": "v1", "metadata": meta(), "subsets": []any{map[string]any{
				"addresses": []any{map[string]any{"ip": host}}, "ports": []any{map[string]any{"name": "https", "port": n, "protocol": "TCP"}}}}},
		}
	}
	return nil
}

// permanentSpaces cannot be deleted (upstream).
var permanentSpaces = [...]string{"default", "kube-system", "kube-public"}

// holdSpace marks a deleted namespace, which stays until it is empty.
func holdSpace(q *call, obj map[string]any) (stays bool, err error) {
	for _, name := range permanentSpaces {
		if q.name == name {
			return false, q.forbidden(q.name, "this namespace may not be deleted")
		}
	}
	if len(tree.List(obj, "spec", "finalizers")) == 0 && tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return false, nil
	}
	tree.Set(obj, "Terminating", "status", "phase")
	return true, nil
}

// finalizeSpace is the finalize subresource: it sets the finalizers in spec, and the last
// one that goes lets the namespace go.
func finalizeSpace(q *call) error {
	if q.info.Verb != "update" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("UpdateOptions"); err != nil {
		return err
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	if name := tree.Name(obj); name != q.name {
		return q.wrongName(name)
	}
	given, err := givenRevision(obj)
	if err != nil {
		return err
	}
	uid := tree.Text(obj, "metadata", "uid")
	for {
		sn := q.bucket.Now()
		old := sn.Get(q.name)
		if old == nil {
			return q.notFound(q.name)
		}
		if uid != "" && uid != old.Meta.UID {
			return q.wrongUID(old, uid)
		}
		if given != "" && given != strconv.FormatInt(old.Rev, 10) {
			return q.conflict(q.name, changedMeanwhile)
		}
		was, next := q.decode(old), q.decode(old)
		if list := tree.List(obj, "spec", "finalizers"); len(list) > 0 {
			tree.Set(next, tree.Copy(list), "spec", "finalizers")
		} else {
			delete(tree.Object(next, "spec"), "finalizers")
		}
		done, err := q.replace(old, was, next)
		var raced *store.Conflict
		if errors.As(err, &raced) {
			continue
		}
		if err != nil {
			return err
		}
		if done == nil {
			return q.answerTree(http.StatusOK, next)
		}
		return q.answer(http.StatusOK, done)
	}
}
