package controller

import (
	"context"

	"apichain/internal/api"
)

// What is in the store from the start, and what namespaces do that no other kind does.

// Own is what the objects of a server's start say of it, and what the user has given.
type Own struct {
	Host     string // address of the TLS listener; "" without one on TCP
	Port     int64
	CA       string   // PEM by which clients trust the TLS listener
	Fixtures []string // manifests: files, and directories of files
}

// Start makes the objects that every server has, then the user's fixtures. What it
// returns does what a server does with objects on its own, until its context ends: the caller
// runs it in a goroutine and waits for it.
func Start(ctx context.Context, a *api.API, o Own) (run func(ctx context.Context), err error) {
	a.Customs.Follow()
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		if _, _, err := a.Apply(ctx, map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": name}}); err != nil {
			return nil, err
		}
	}
	for _, obj := range o.service() {
		if _, _, err := a.Apply(ctx, obj); err != nil {
			return nil, err
		}
	}
	c := newControllers(a, o.CA)
	// Fixtures may need what namespaces get; what they make is looked after before the server is ready.
	c.settle(ctx)
	if err := LoadFixtures(ctx, a, o.Fixtures); err != nil {
		return nil, err
	}
	c.settle(ctx)
	return c.run, nil
}

// service returns the Service and the Endpoints by which clients inside find the server.
func (o Own) service() []map[string]any {
	if o.Host == "" {
		return nil
	}
	meta := func() map[string]any {
		return map[string]any{"name": "kubernetes", "namespace": "default", "labels": map[string]any{"component": "apiserver", "provider": "kubernetes"}}
	}
	return []map[string]any{
		{"kind": "Service", "apiVersion": "v1", "metadata": meta(), "spec": map[string]any{
			"type": "ClusterIP", "clusterIP": o.Host, "clusterIPs": []any{o.Host}, "ports": []any{map[string]any{"name": "https", "port": o.Port, "protocol": "TCP", "targetPort": o.Port}}}},
		{"kind": "Endpoints", "apiVersion": "v1", "metadata": meta(), "subsets": []any{map[string]any{
			"addresses": []any{map[string]any{"ip": o.Host}}, "ports": []any{map[string]any{"name": "https", "port": o.Port, "protocol": "TCP"}}}}},
	}
}
