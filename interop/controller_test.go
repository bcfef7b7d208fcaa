package interop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

var gizmos = schema.GroupVersion{Group: "toys.example.com", Version: "v1alpha1"}

// gizmo wants a config map with its text. (A cluster-scoped owner may own namespaced
// objects.)
type gizmo struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		Text string `json:"text,omitempty"`
	} `json:"spec,omitempty"`
	Status gizmoStatus `json:"status,omitempty"`
}

type gizmoStatus struct {
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
	Child              string `json:"child,omitempty"`
}

func (g *gizmo) DeepCopyObject() runtime.Object {
	c := *g
	g.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	return &c
}

type gizmoList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []gizmo `json:"items"`
}

func (l *gizmoList) DeepCopyObject() runtime.Object {
	c := *l
	l.ListMeta.DeepCopyInto(&c.ListMeta)
	c.Items = make([]gizmo, len(l.Items))
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*gizmo)
	}
	return &c
}

const hold = "toys.example.com/hold"

// reconciler keeps each gizmo's config map, reports in the status, and deletes the config
// map before it lets the gizmo go.
type reconciler struct{ client.Client }

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	g := &gizmo{}
	if err := r.Get(ctx, request.NamespacedName, g); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "gizmo-" + g.Name}}
	if g.DeletionTimestamp != nil {
		if err := client.IgnoreNotFound(r.Delete(ctx, child)); err != nil {
			return ctrl.Result{}, err
		}
		if !controllerutil.RemoveFinalizer(g, hold) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, g))
	}
	if before := g.DeepCopyObject().(*gizmo); controllerutil.AddFinalizer(g, hold) {
		if err := r.Patch(ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		child.Data = map[string]string{"text": g.Spec.Text}
		return controllerutil.SetControllerReference(g, child, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	before := g.DeepCopyObject().(*gizmo)
	g.Status = gizmoStatus{ObservedGeneration: g.Generation, Child: child.Name}
	if g.Status == before.Status {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.Status().Patch(ctx, g, client.MergeFrom(before))
}

// gizmoTypes is a scheme with the custom kind and the built-in ones.
func gizmoTypes(t *testing.T) *runtime.Scheme {
	t.Helper()
	types := runtime.NewScheme()
	types.AddKnownTypeWithName(gizmos.WithKind("Gizmo"), &gizmo{})
	types.AddKnownTypeWithName(gizmos.WithKind("GizmoList"), &gizmoList{})
	metav1.AddToGroupVersion(types, gizmos)
	if err := scheme.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	return types
}

// runManager runs a manager, elected leader, with the reconciler, until stop is called, which waits. It
// returns the manager's own client beside one that is not cached.
func runManager(t *testing.T, config *rest.Config, types *runtime.Scheme) (direct, cached client.Client, stop func()) {
	t.Helper()
	// Several managers in one process have controllers of one name.
	again := true
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: types, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: ctrlconfig.Controller{SkipNameValidation: &again},
		LeaderElection: true, LeaderElectionID: "gizmos", LeaderElectionNamespace: "default", LeaderElectionReleaseOnCancel: true,
	})
	if err == nil {
		err = ctrl.NewControllerManagedBy(manager).For(&gizmo{}).Owns(&corev1.ConfigMap{}).Complete(&reconciler{manager.GetClient()})
	}
	if err == nil {
		direct, err = client.New(config, client.Options{Scheme: types})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	return direct, manager.GetClient(), sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
}

// TestController: a manager of controller-runtime, elected leader, with a reconciler over
// a custom kind that envtest installed.
func TestController(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	s := start(t)
	types, existing := gizmoTypes(t), true
	environment := &envtest.Environment{
		UseExistingCluster: &existing, Config: s.config(t), Scheme: types,
		CRDInstallOptions: envtest.CRDInstallOptions{Paths: []string{filepath.Join("testdata", "gizmos.yaml")}, ErrorIfPathMissing: true, CleanUpAfterUse: true},
	}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	direct, cached, stop := runManager(t, config, types)
	defer stop()
	reconcileGizmo(t, direct, cached)
	if err := environment.Stop(); err != nil {
		t.Errorf("uninstalling: %v", err)
	}
	gone(t, func(ctx context.Context) error { return direct.List(ctx, &gizmoList{}) })
}

// reconcileGizmo takes a gizmo through its life; cached is the manager's own client.
func reconcileGizmo(t *testing.T, direct, cached client.Client) {
	t.Helper()
	ctx := t.Context()
	g := &gizmo{ObjectMeta: metav1.ObjectMeta{Name: "g"}}
	g.Spec.Text = "one"
	if err := direct.Create(ctx, g); err != nil {
		t.Fatal(err)
	}
	key, childKey := client.ObjectKeyFromObject(g), client.ObjectKey{Namespace: "default", Name: "gizmo-g"}
	child := &corev1.ConfigMap{}
	settled := func(text string) {
		t.Helper()
		eventually(t, "not reconciled", func() error {
			if err := errors.Join(direct.Get(ctx, key, g), direct.Get(ctx, childKey, child)); err != nil {
				return err
			}
			if g.Status.ObservedGeneration != g.Generation || child.Data["text"] != text || child.DeletionTimestamp != nil {
				return fmt.Errorf("%+v %+v", g, child.Data)
			}
			return nil
		})
	}
	settled("one")
	if g.Generation != 1 || !controllerutil.ContainsFinalizer(g, hold) || g.Status.Child != "gizmo-g" || !metav1.IsControlledBy(child, g) {
		t.Errorf("gizmo: %+v, child: %+v", g, child)
	}
	g.Spec.Text = "two"
	check(t, "update", direct.Update(ctx, g))
	settled("two")
	if g.Generation != 2 {
		t.Errorf("generation %d", g.Generation)
	}
	old := child.UID
	check(t, "delete the child", direct.Delete(ctx, child))
	eventually(t, "the child is not made again", func() error {
		if err := direct.Get(ctx, childKey, child); err != nil {
			return err
		}
		if child.UID == old {
			return errors.New("it is the old one")
		}
		return nil
	})
	// An informer of metadata alone.
	partial := &metav1.PartialObjectMetadataList{}
	partial.SetGroupVersionKind(gizmos.WithKind("GizmoList"))
	if err := cached.List(ctx, partial); err != nil || len(partial.Items) != 1 || partial.Items[0].Name != "g" {
		t.Errorf("metadata: %+v %v", partial, err)
	}
	invalid := &gizmo{ObjectMeta: metav1.ObjectMeta{Name: "Not A Name"}}
	refused(t, "create what is not valid", apierrors.IsInvalid, direct.Create(ctx, invalid))

	check(t, "delete", direct.Delete(ctx, g))
	gone(t, func(ctx context.Context) error { return direct.Get(ctx, key, g) })
	gone(t, func(ctx context.Context) error { return direct.Get(ctx, childKey, child) })
}
