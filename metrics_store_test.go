package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestStoreMetrics: what the gauges say of the store and of watches is what is there.
func TestStoreMetrics(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	r.applied(t, widgetCRD)
	r.api.Customs.Follow()
	r.applied(t, widget("default", "w", "1"))
	r.applied(t, configMap("default", "one", "1"))
	// What it writes moves the revision.
	r.awaitRegistration(t)
	read := func() exposed {
		t.Helper()
		out, err := parseExposition(r.look("/metrics", nil).body)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	m := read()
	maps, widgets := r.store.Bucket("configmaps").Now(), r.store.Bucket("widgets.example.com").Now()
	_, _, oldest := r.store.Window()
	for series, want := range map[string]float64{
		`apiserver_storage_objects{resource="widgets.example.com"}`:                                     1,
		`apiserver_storage_objects{resource="configmaps"}`:                                              float64(maps.Count()),
		`apiserver_resource_objects{group="example.com",resource="widgets"}`:                            1,
		`apiserver_resource_objects{group="",resource="configmaps"}`:                                    float64(maps.Count()),
		`apiserver_resource_size_estimate_bytes{group="example.com",resource="widgets"}`:                float64(widgets.Bytes()),
		`apiserver_resource_size_estimate_bytes{group="",resource="configmaps"}`:                        float64(maps.Bytes()),
		`apichain_store_revision{}`:                                                                     float64(r.store.Revision()),
		`apichain_store_window_oldest_revision{}`:                                                       float64(oldest),
		`apiserver_resource_objects{group="apiextensions.k8s.io",resource="customresourcedefinitions"}`: 1,
	} {
		if got, ok := m[series]; !ok || got != want {
			t.Errorf("%s: %v %v, want %v", series, got, ok, want)
		}
	}
	if m["apichain_store_window_events{}"] < 3 || m["apichain_store_window_bytes{}"] < 300 {
		t.Errorf("window: %v events, %v bytes", m["apichain_store_window_events{}"], m["apichain_store_window_bytes{}"])
	}
}

// TestWatchesAreSeen: a watch under way is in the gauge, among the requests in flight and
// their groups, and with the route it has taken; and no longer when it has ended.
func TestWatchesAreSeen(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	r.applied(t, widgetCRD)
	r.api.Customs.Follow()
	r.applied(t, widget("default", "w", "1"))
	type watch struct{ path, Resource, series, route string }
	all := []watch{
		{"/api/v1/namespaces/default/configmaps?watch=1", "configmaps", `{component="apiserver",group="",resource="configmaps",scope="namespace",subresource="",verb="WATCH",version="v1"}`, "core:container:GET:/api/v1/namespaces/{namespace}/configmaps"},
		{"/apis/example.com/v1/widgets?watch=1", "widgets.example.com", `{component="apiserver",group="example.com",resource="widgets",scope="cluster",subresource="",verb="WATCH",version="v1"}`, "extensions:container:GET:/apis/example.com/v1/widgets"},
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, w := range all {
		req, err := http.NewRequestWithContext(ctx, "GET", r.url("http", w.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.client("http").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil { // the first event has come
			t.Fatal(err)
		}
	}
	text := r.look("/metrics", nil).body
	m, err := parseExposition(text)
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Groups map[string]map[string]int
		Items  []struct {
			Resource, Verb, Server, Route, Filter string
			LongRunning                           bool
		}
	}
	r.look("/admin/v1/inflight?longRunning=true", &page)
	if len(page.Items) != len(all) || page.Groups["verb"]["watch"] != len(all) {
		t.Fatalf("in flight: %+v", page)
	}
	for i, w := range all {
		if m["apiserver_longrunning_requests"+w.series] != 1 {
			t.Errorf("no gauge %s in:\n%s", w.series, text)
		}
		item := page.Items[i]
		server, _, _ := strings.Cut(w.route, ":")
		if page.Groups["resource"][w.Resource] != 1 || item.Resource != w.Resource || item.Route != w.route || item.Server != server || item.Filter != "handler" || !item.LongRunning {
			t.Errorf("in flight: %+v, groups %v, want %+v", item, page.Groups["resource"], w)
		}
	}
	cancel()
	r.quiet(t, func() bool { return len(r.longRunning.list()) == 0 }, "the watches")
	if text := r.look("/metrics", nil).body; strings.Contains(text, "apiserver_longrunning_requests{") {
		t.Error("the gauge still counts them")
	}
}
