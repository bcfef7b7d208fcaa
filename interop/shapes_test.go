package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

// Programs in the shape of those that most others are made after: one that follows all kinds, as
// kube-state-metrics does, and a controller of client-go alone, as sample-controller is.

// refusals are the requests that were answered with an error.
type refusals struct {
	mu   sync.Mutex
	list []string
}

// recorded is c with the requests that are refused written down.
func recorded(c *rest.Config) (*rest.Config, *refusals) {
	n := &refusals{}
	c = rest.CopyConfig(c)
	c.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err == nil && answer.StatusCode >= http.StatusBadRequest {
				n.mu.Lock()
				defer n.mu.Unlock()
				n.list = append(n.list, fmt.Sprintf("%s %s: %s", r.Method, r.URL.RequestURI(), answer.Status))
			}
			return answer, err
		})
	})
	return c, n
}

// none reports the requests that were refused.
func (n *refusals) none(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.list {
		t.Error(r)
	}
}

// TestEveryKindFollowed: informers over all kinds that typed clients know are filled and no request is refused.
func TestEveryKindFollowed(t *testing.T) {
	s := start(t)
	_, err := typed(t, s.config(t)).CoreV1().ConfigMaps("default").Create(t.Context(), configMap("a", "1"), metav1.CreateOptions{})
	check(t, "create", err)
	for _, contentType := range []string{jsonContent, protobufContent} {
		t.Run(contentType, func(t *testing.T) {
			config, refused := recorded(content(s.config(t), contentType))
			client := typed(t, config)
			factory := informers.NewSharedInformerFactory(client, 0)
			_, lists, err := client.Discovery().ServerGroupsAndResources()
			check(t, "discovery", err)
			followed, unknown := 0, []string{}
			for _, list := range lists {
				version, _ := schema.ParseGroupVersion(list.GroupVersion)
				for _, r := range list.APIResources {
					if !slices.Contains(r.Verbs, "watch") {
						continue
					}
					i, err := factory.ForResource(version.WithResource(r.Name))
					if err != nil {
						unknown = append(unknown, r.Name)
						continue
					}
					i.Informer()
					followed++
				}
			}
			slices.Sort(unknown)
			if followed < 60 || !slices.Equal(unknown, []string{"apiservices", "customresourcedefinitions"}) {
				t.Errorf("%d followed, but %v", followed, unknown)
			}
			ctx, stop := context.WithTimeout(t.Context(), patience)
			factory.StartWithContext(ctx)
			for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
				if !ok {
					t.Errorf("%v: not filled", kind)
				}
			}
			maps, err := factory.Core().V1().ConfigMaps().Lister().ConfigMaps("default").List(labels.Everything())
			if err != nil || len(maps) == 0 {
				t.Errorf("config maps: %v, %v", maps, err)
			}
			stop()
			factory.Shutdown()
			refused.none(t)
		})
	}
}

// one is the error of a call that answers with an object too.
func one[T any](_ T, err error) error { return err }

var foosResource = schema.GroupVersionResource{Group: "samplecontroller.k8s.io", Version: "v1alpha1", Resource: "foos"}

// sample keeps a Deployment for each Foo, with its name and replicas, and says in the Foo how many are available.
type sample struct {
	client   kubernetes.Interface
	foos     dynamic.NamespaceableResourceInterface
	recorder record.EventRecorder
	queue    workqueue.TypedRateLimitingInterface[cache.ObjectName]
	deployed informers.SharedInformerFactory
	wanted   dynamicinformer.DynamicSharedInformerFactory
}

// runSample runs the controller until the test ends.
func runSample(t *testing.T, config *rest.Config) {
	t.Helper()
	client := typed(t, config)
	free, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	events := record.NewBroadcaster(record.WithContext(ctx))
	events.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events("")})
	c := &sample{
		client: client, foos: free.Resource(foosResource),
		recorder: events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "sample-controller"}),
		queue:    workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()),
		deployed: informers.NewSharedInformerFactory(client, 0), wanted: dynamicinformer.NewDynamicSharedInformerFactory(free, 0),
	}
	// A Deployment counts for the Foo that owns it.
	owned := func(o any) {
		if d, ok := o.(*appsv1.Deployment); ok {
			if owner := metav1.GetControllerOf(d); owner != nil && owner.Kind == "Foo" {
				c.queue.Add(cache.NewObjectName(d.Namespace, owner.Name))
			}
		}
	}
	foo := func(o any) {
		if name, err := cache.DeletionHandlingObjectToName(o); err == nil {
			c.queue.Add(name)
		}
	}
	_, err = c.deployed.Apps().V1().Deployments().Informer().AddEventHandler(handlers(owned))
	_, err2 := c.wanted.ForResource(foosResource).Informer().AddEventHandler(handlers(foo))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	c.deployed.StartWithContext(ctx)
	c.wanted.Start(ctx.Done())
	c.deployed.WaitForCacheSync(ctx.Done())
	c.wanted.WaitForCacheSync(ctx.Done())
	var running sync.WaitGroup
	running.Go(func() { c.run(ctx) })
	t.Cleanup(func() {
		stop()
		c.queue.ShutDown()
		running.Wait()
		c.deployed.Shutdown()
		c.wanted.Shutdown()
		events.Shutdown()
	})
}

func handlers(f func(any)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, o any) { f(o) }, DeleteFunc: f}
}

func (c *sample) run(ctx context.Context) {
	for {
		name, done := c.queue.Get()
		if done {
			return
		}
		if err := c.sync(ctx, name); err != nil {
			c.queue.AddRateLimited(name)
		} else {
			c.queue.Forget(name)
		}
		c.queue.Done(name)
	}
}

// sync brings the Deployment of a Foo to what the Foo says.
func (c *sample) sync(ctx context.Context, name cache.ObjectName) error {
	o, err := c.wanted.ForResource(foosResource).Lister().ByNamespace(name.Namespace).Get(name.Name)
	if err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	foo := o.(*unstructured.Unstructured).DeepCopy()
	want, _, _ := unstructured.NestedString(foo.Object, "spec", "deploymentName")
	replicas, _, _ := unstructured.NestedInt64(foo.Object, "spec", "replicas")
	d, err := c.deployed.Apps().V1().Deployments().Lister().Deployments(name.Namespace).Get(want)
	made := richDeployment(want)
	made.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(foo, foo.GroupVersionKind())}
	made.Spec.Replicas = new(int32(replicas))
	deployments := c.client.AppsV1().Deployments(name.Namespace)
	switch {
	case apierrors.IsNotFound(err):
		d, err = deployments.Create(ctx, made, metav1.CreateOptions{FieldManager: "sample-controller"})
	case err == nil && !metav1.IsControlledBy(d, foo):
		c.recorder.Event(foo, corev1.EventTypeWarning, "ErrResourceExists", "a Deployment of that name is somebody else's")
		return nil
	case err == nil && *d.Spec.Replicas != int32(replicas):
		d, err = deployments.Update(ctx, made, metav1.UpdateOptions{FieldManager: "sample-controller"})
	}
	if err != nil {
		return err
	}
	if err := unstructured.SetNestedField(foo.Object, int64(d.Status.AvailableReplicas), "status", "availableReplicas"); err != nil {
		return err
	}
	_, err = c.foos.Namespace(name.Namespace).UpdateStatus(ctx, foo, metav1.UpdateOptions{FieldManager: "sample-controller"})
	if err == nil {
		c.recorder.Event(foo, corev1.EventTypeNormal, "Synced", "Foo synced successfully")
	}
	return err
}

// TestSampleController takes a Foo from its Deployment to the status, and another to the Event that says that its
// Deployment is taken.
func TestSampleController(t *testing.T) {
	s := start(t)
	install(t, s.config(t), "foos.yaml")
	client := typed(t, s.config(t))
	free, err := dynamic.NewForConfig(s.config(t))
	if err != nil {
		t.Fatal(err)
	}
	foos, deployments, ctx := free.Resource(foosResource).Namespace("default"), client.AppsV1().Deployments("default"), t.Context()
	eventually(t, "foos are not served", func() error { return one(foos.List(ctx, metav1.ListOptions{})) })
	check(t, "a Deployment of nobody", one(deployments.Create(ctx, richDeployment("taken"), metav1.CreateOptions{})))
	runSample(t, s.config(t))
	foo := func(name, deployment string, replicas int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "samplecontroller.k8s.io/v1alpha1", "kind": "Foo",
			"metadata": map[string]any{"name": name}, "spec": map[string]any{"deploymentName": deployment, "replicas": replicas}}}
	}
	refused(t, "create a Foo with too many", apierrors.IsInvalid, one(foos.Create(ctx, foo("many", "many", 11), metav1.CreateOptions{})))
	check(t, "create", one(foos.Create(ctx, foo("second", "taken", 1), metav1.CreateOptions{})))
	made, err := foos.Create(ctx, foo("first", "web", 1), metav1.CreateOptions{})
	check(t, "create", err)
	deployed := func(replicas int32) (d *appsv1.Deployment) {
		t.Helper()
		eventually(t, "no such Deployment", func() (err error) {
			if d, err = deployments.Get(ctx, "web", metav1.GetOptions{}); err == nil && *d.Spec.Replicas != replicas {
				err = fmt.Errorf("%d replicas", *d.Spec.Replicas)
			}
			return err
		})
		return d
	}
	if d := deployed(1); !metav1.IsControlledBy(d, made) {
		t.Errorf("owners: %+v", d.OwnerReferences)
	}
	patch := []byte(`{"spec":{"replicas":2}}`)
	check(t, "patch", one(foos.Patch(ctx, "first", types.MergePatchType, patch, metav1.PatchOptions{})))
	d := deployed(2)
	d.Status.Replicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas, d.Status.ObservedGeneration = 2, 2, 2, d.Generation
	check(t, "status", one(deployments.UpdateStatus(ctx, d, metav1.UpdateOptions{})))
	eventually(t, "the status does not follow", func() error {
		foo, err := foos.Get(ctx, "first", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if n, _, _ := unstructured.NestedInt64(foo.Object, "status", "availableReplicas"); n != 2 || foo.GetGeneration() != 2 {
			return fmt.Errorf("%+v", foo.Object)
		}
		return nil
	})
	for name, reason := range map[string]string{"first": "Synced", "second": "ErrResourceExists"} {
		eventually(t, "no event", func() error {
			which := metav1.ListOptions{FieldSelector: "involvedObject.name=" + name + ",reason=" + reason}
			events, err := client.CoreV1().Events("default").List(ctx, which)
			if err == nil && len(events.Items) == 0 {
				err = errors.New(name + " " + reason)
			}
			return err
		})
	}
}
