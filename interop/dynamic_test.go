package interop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/pager"
)

var (
	widgetsResource    = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	configMapsResource = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

func customWidget(name string, size int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": name, "labels": map[string]any{"app": "x"}},
		"spec":     map[string]any{"size": size},
	}}
}

// TestDynamic: the verbs of the dynamic client at a custom kind, which is used right after
// its creation, and its scale subresource by the scale client.
func TestDynamic(t *testing.T) {
	s := start(t)
	config := s.config(t)
	ctx := t.Context()
	install(t, config, "widgets.yaml")
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	widgets := client.Resource(widgetsResource).Namespace("default")
	made, err := widgets.Create(ctx, customWidget("w1", 3), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if color, _, _ := unstructured.NestedString(made.Object, "spec", "color"); color != "red" || made.GetGeneration() != 1 {
		t.Errorf("created: %v", made)
	}
	w, err := widgets.Watch(ctx, metav1.ListOptions{ResourceVersion: made.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	_, err = widgets.Create(ctx, customWidget("w2", 30), metav1.CreateOptions{})
	refused(t, "create what is not valid", apierrors.IsInvalid, err)
	made.Object["spec"].(map[string]any)["size"] = int64(4)
	made.Object["status"] = map[string]any{"phase": "ignored"}
	updated, err := widgets.Update(ctx, made, metav1.UpdateOptions{})
	if check(t, "update", err) && (updated.GetGeneration() != 2 || updated.Object["status"] != nil) {
		t.Errorf("updated: %v", updated)
	}
	_, err = widgets.Update(ctx, made, metav1.UpdateOptions{})
	refused(t, "stale update", apierrors.IsConflict, err)
	updated.Object["status"] = map[string]any{"phase": "Up"}
	updated.Object["spec"].(map[string]any)["size"] = int64(5)
	status, err := widgets.UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if check(t, "update status", err) {
		size, _, _ := unstructured.NestedInt64(status.Object, "spec", "size")
		phase, _, _ := unstructured.NestedString(status.Object, "status", "phase")
		if size != 4 || phase != "Up" || status.GetGeneration() != 2 {
			t.Errorf("status: %v", status)
		}
	}
	_, err = widgets.Patch(ctx, "w1", types.MergePatchType, []byte(`{"spec":{"size":6}}`), metav1.PatchOptions{})
	check(t, "merge patch", err)
	_, err = widgets.Patch(ctx, "w1", types.JSONPatchType, []byte(`[{"op":"add","path":"/status/replicas","value":1}]`), metav1.PatchOptions{}, "status")
	check(t, "JSON patch of status", err)
	_, err = widgets.Patch(ctx, "w1", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	refused(t, "strategic merge patch", apierrors.IsUnsupportedMediaType, err)
	scaled(t, s, "w1")
	check(t, "delete", widgets.Delete(ctx, "w1", metav1.DeleteOptions{}))
	var seen []string
	for {
		e, err := next(w)
		if err != nil {
			t.Fatalf("watch: %v after %v", err, seen)
		}
		size, _, _ := unstructured.NestedInt64(e.Object.(*unstructured.Unstructured).Object, "spec", "size")
		if seen = append(seen, fmt.Sprintf("%s %d", e.Type, size)); e.Type == watch.Deleted {
			break
		}
	}
	if want := []string{"MODIFIED 4", "MODIFIED 4", "MODIFIED 6", "MODIFIED 6", "MODIFIED 6", "DELETED 6"}; !slices.Equal(seen, want) {
		t.Errorf("the watch saw %v, want %v", seen, want)
	}

	for i := range 25 {
		_, err := widgets.Create(ctx, customWidget(fmt.Sprintf("many-%02d", i), 1), metav1.CreateOptions{})
		check(t, "create", err)
	}
	p := pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) { return widgets.List(ctx, o) }))
	p.PageSize = 4
	var names []string
	err = p.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		names = append(names, o.(*unstructured.Unstructured).GetName())
		return nil
	})
	if check(t, "pager", err) && (len(names) != 25 || !slices.IsSorted(names)) {
		t.Errorf("paged: %v", names)
	}
	check(t, "deletecollection", widgets.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "spec.color=red"}))
	if list, err := widgets.List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 0 || list.GetKind() != "WidgetList" {
		t.Errorf("after deletecollection: %v %v", list, err)
	}

	_, err = widgets.Create(ctx, customWidget("last", 1), metav1.CreateOptions{})
	check(t, "create", err)
	definitions, err := apiextensions.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	crds := definitions.ApiextensionsV1().CustomResourceDefinitions()
	check(t, "delete the definition", crds.Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}))
	gone(t, func(ctx context.Context) error {
		_, err := crds.Get(ctx, "widgets.example.com", metav1.GetOptions{})
		return err
	})
	_, err = widgets.List(ctx, metav1.ListOptions{})
	refused(t, "list of a kind that is gone", apierrors.IsNotFound, err)
}

// scaled reads and writes the scale subresource of a widget as an autoscaler does.
func scaled(t *testing.T, s *server, name string) {
	t.Helper()
	ctx, config := t.Context(), s.config(t)
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco))
	client, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(disco))
	if err != nil {
		t.Fatal(err)
	}
	scales, resource := client.Scales("default"), widgetsResource.GroupResource()
	got, err := scales.Get(ctx, resource, name, metav1.GetOptions{})
	if !check(t, "get scale", err) {
		return
	}
	if got.Spec.Replicas != 1 || got.Status.Replicas != 1 {
		t.Errorf("scale: %+v", got)
	}
	got.Spec.Replicas = 5
	got, err = scales.Update(ctx, resource, got, metav1.UpdateOptions{})
	if check(t, "update scale", err) && got.Spec.Replicas != 5 {
		t.Errorf("scaled: %+v", got)
	}
}

// TestMetadata: the metadata client sees and changes metadata alone, of built-in and
// custom kinds.
func TestMetadata(t *testing.T) {
	s := start(t)
	config := s.config(t)
	ctx := t.Context()
	install(t, config, "widgets.yaml")
	client, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	source, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{configMapsResource, widgetsResource} {
		t.Run(resource.Resource, func(t *testing.T) {
			o := customWidget("a", 1)
			if resource == configMapsResource {
				o = &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "labels": map[string]any{"app": "x"}}, "data": map[string]any{"k": "v"}}}
			}
			made, err := source.Resource(resource).Namespace("default").Create(ctx, o, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			items := client.Resource(resource).Namespace("default")
			list, err := items.List(ctx, metav1.ListOptions{LabelSelector: "app=x", Limit: 10})
			if err != nil || len(list.Items) != 1 || list.Items[0].UID != made.GetUID() || list.ResourceVersion == "" {
				t.Fatalf("list: %+v %v", list, err)
			}
			w, err := items.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			got, err := items.Patch(ctx, "a", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"y"}}}`), metav1.PatchOptions{})
			if check(t, "patch", err) && (got.Labels["app"] != "y") {
				t.Errorf("patched: %+v", got)
			}
			got, err = items.Get(ctx, "a", metav1.GetOptions{})
			if check(t, "get", err) && got.Labels["app"] != "y" {
				t.Errorf("got: %+v", got)
			}
			check(t, "delete", items.Delete(ctx, "a", metav1.DeleteOptions{}))
			for _, want := range []watch.EventType{watch.Modified, watch.Deleted} {
				e, err := next(w)
				if err != nil || e.Type != want || e.Object.(*metav1.PartialObjectMetadata).Labels["app"] != "y" {
					t.Fatalf("watch: %+v %v, want %s", e, err, want)
				}
			}
			check(t, "deletecollection", items.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
		})
	}
}

// TestDiscoveryClient: both forms of the discovery documents agree and lead from kind to
// resource; every group's OpenAPI document can be read.
func TestDiscoveryClient(t *testing.T) {
	s := start(t)
	config := s.config(t)
	install(t, config, "widgets.yaml")
	var forms [2]string
	for i, legacy := range []bool{false, true} {
		client, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		client.UseLegacyDiscovery = legacy
		_, lists, err := client.ServerGroupsAndResources()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, list := range lists {
			for _, r := range list.APIResources {
				slices.Sort(r.Verbs)
				if strings.Contains(r.Name, "/") {
					r.SingularName = "" // the client makes one up from the aggregated form
				}
				lines = append(lines, fmt.Sprintln(list.GroupVersion, r.Name, r.Kind, r.Namespaced, r.Verbs, r.ShortNames, r.Categories, r.SingularName))
			}
		}
		slices.Sort(lines)
		forms[i] = strings.Join(lines, "")
	}
	if forms[0] != forms[1] || !strings.Contains(forms[0], "example.com/v1 widgets Widget true [create delete deletecollection get list patch update watch] [wd] [all toys] widget\n") {
		t.Errorf("aggregated:\n%s\nlegacy:\n%s", forms[0], forms[1])
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client)).RESTMapping(schema.GroupKind{Group: "example.com", Kind: "Widget"})
	if err != nil || mapping.Resource != widgetsResource {
		t.Errorf("mapping: %+v %v", mapping, err)
	}
	root := openapi3.NewRoot(client.OpenAPIV3())
	versions, err := root.GroupVersions()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []schema.GroupVersion{{Version: "v1"}, {Group: "example.com", Version: "v1"}, {Group: "coordination.k8s.io", Version: "v1"}} {
		if !slices.Contains(versions, want) {
			t.Errorf("no OpenAPI document of %s: %v", want, versions)
		}
	}
	for _, gv := range versions {
		doc, err := root.GVSpec(gv)
		if check(t, "OpenAPI of "+gv.String(), err) && (doc.Paths == nil || len(doc.Paths.Paths) == 0) {
			t.Errorf("OpenAPI of %s has no paths", gv)
		}
	}
}
