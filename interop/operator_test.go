package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The operator of lathe_test.go under envtest, which installs its webhooks and its conversion as suites do.

// warned is what warnings a client was given since it was last asked.
type warned struct {
	mu   sync.Mutex
	list []string
}

// HandleWarningHeader keeps a warning.
func (w *warned) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, text)
}

func (w *warned) take() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, w.list = w.list, nil
	slices.Sort(list)
	return list
}

// operator is a running operator in a test environment.
type operator struct {
	client.Client // of a user who sees warnings, not cached
	warned        *warned
	cached        client.Client // the operator's own
	watching      client.WithWatch
	stop          func() // ends the operator with its webhooks; the server stays
}

// startOperator starts a test environment with the operator.
func startOperator(t *testing.T, folder string) *operator {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	ctrl.SetLogger(logr.Discard())
	e := newEnvironment(t, folder)
	e.Scheme = latheTypes(t)
	e.CRDInstallOptions = envtest.CRDInstallOptions{Paths: []string{testdata(t, "lathes.yaml")}, ErrorIfPathMissing: true}
	e.WebhookInstallOptions = envtest.WebhookInstallOptions{Paths: []string{testdata(t, "lathes_webhooks.yaml")}}
	config, err := e.Start()
	if err != nil {
		t.Fatal(err)
	}
	again := true
	w := &e.WebhookInstallOptions
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: e.Scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: ctrlconfig.Controller{SkipNameValidation: &again},
		WebhookServer: webhook.NewServer(webhook.Options{Host: w.LocalServingHost, Port: w.LocalServingPort, CertDir: w.LocalServingCertDir}),
	})
	if err != nil {
		t.Fatal(err)
	}
	manager.GetWebhookServer().Register("/label", &webhook.Admission{Handler: admission.HandlerFunc(label)})
	o := &operator{warned: &warned{}, cached: manager.GetClient()}
	user := rest.CopyConfig(config)
	user.WarningHandler = o.warned
	o.Client, err = client.New(user, client.Options{Scheme: e.Scheme})
	if err == nil {
		o.watching, err = client.NewWithWatch(config, client.Options{Scheme: e.Scheme})
	}
	if err := errors.Join(err,
		ctrl.NewWebhookManagedBy(manager, &lathe{}).WithDefaulter(latheDefaulter{}).WithValidator(latheValidator{}).Complete(),
		ctrl.NewWebhookManagedBy(manager, &corev1.Pod{}).WithDefaulter(podDefaulter{}).Complete(),
		ctrl.NewControllerManagedBy(manager).For(&lathe{}).Complete(&latheReconciler{manager.GetClient()}),
	); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	t.Cleanup(o.stop)
	eventually(t, "the webhook server", func() error { return manager.GetWebhookServer().StartedChecker()(nil) })
	return o
}

// TestOperator takes lathes of both versions through their lives.
func TestOperator(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		o := startOperator(t, folder)
		for _, step := range []struct {
			name string
			do   func(t *testing.T)
		}{
			{"defaulted", o.defaulted}, {"both versions", o.bothVersions}, {"refused", o.refused}, {"pods", o.pods}, {"watched", o.watched},
			{"selected", o.selected}, {"collections", o.collections}, {"not convertible", o.notConvertible}, {"without its operator", o.without},
		} {
			t.Run(step.name, step.do)
		}
	})
}

func newLathe(name string, replicas int32, parts ...string) *lathe {
	return &lathe{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: latheSpec{Replicas: &replicas, Parts: parts}}
}

// said compares the warnings of the last call.
func (o *operator) said(t *testing.T, want ...string) {
	t.Helper()
	if got := o.warned.take(); !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

const old = "tools.example.com/v1alpha1 Lathe is deprecated; use tools.example.com/v1 Lathe"

// settled waits until the operator has seen a lathe.
func (o *operator) settled(t *testing.T, l *lathe) {
	t.Helper()
	eventually(t, "not reconciled", func() error {
		if err := o.Get(t.Context(), client.ObjectKeyFromObject(l), l); err != nil || l.Status.ObservedGeneration == l.Generation {
			return err
		}
		return fmt.Errorf("%+v", l)
	})
}

// defaulted: the mutating webhooks see the hub, one after another and the first again, and dry runs as others.
func (o *operator) defaulted(t *testing.T) {
	ctx := t.Context()
	l := &oldLathe{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}, Spec: oldLatheSpec{Part: "x,y", Mode: "fast"}}
	dry := l.DeepCopyObject().(*oldLathe)
	check(t, "dry run", o.Create(ctx, dry, client.DryRunAll))
	o.said(t, "it was labelled", old)
	if dry.Spec.Size != "1" || dry.Annotations[madeBy] == "" {
		t.Errorf("dry run: %+v", dry)
	}
	refused(t, "a dry run makes nothing", apierrors.IsNotFound, o.Get(ctx, client.ObjectKeyFromObject(l), l))
	o.warned.take()
	check(t, "create", o.Create(ctx, l))
	o.said(t, "it was labelled", old)
	if want := (oldLatheSpec{"1", "x,y", "fast"}); l.Spec != want || l.Labels[labelled] != "default" || l.Annotations["reinvoked"] != "yes" || !strings.HasSuffix(l.Annotations[madeBy], " as v1alpha1") {
		t.Errorf("created: %+v", l)
	}
	hub := &lathe{}
	if err := o.Get(ctx, client.ObjectKeyFromObject(l), hub); err != nil {
		t.Fatal(err)
	}
	if *hub.Spec.Replicas != 1 || !slices.Equal(hub.Spec.Parts, []string{"x", "y"}) || hub.Spec.Mode != "fast" || hub.UID != l.UID || hub.Generation != 1 {
		t.Errorf("hub: %+v", hub)
	}
	o.settled(t, hub)
	// Without a mode the schema of the hub gives one.
	m := &oldLathe{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "made-"}}
	check(t, "create", o.Create(ctx, m))
	o.said(t, "it has no parts", "it was labelled", old)
	if !strings.HasPrefix(m.Name, "made-") || m.Spec.Mode != "slow" {
		t.Errorf("generated: %+v", m)
	}
}

// bothVersions: what is written in one version is read in the other one, its status too.
func (o *operator) bothVersions(t *testing.T) {
	ctx := t.Context()
	hub := newLathe("both", 2, "p")
	check(t, "create", o.Create(ctx, hub))
	o.settled(t, hub)
	spoke := &oldLathe{}
	check(t, "get", o.Get(ctx, client.ObjectKeyFromObject(hub), spoke))
	if spoke.Spec.Size != "2" || spoke.Status.Ready != "2" || spoke.ResourceVersion != hub.ResourceVersion {
		t.Errorf("spoke: %+v", spoke)
	}
	before := spoke.DeepCopyObject().(*oldLathe)
	spoke.Spec.Size = "3"
	check(t, "patch", o.Patch(ctx, spoke, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
	o.settled(t, hub)
	if *hub.Spec.Replicas != 3 || hub.Generation != 2 || hub.Status.Ready != 3 {
		t.Errorf("hub: %+v", hub)
	}
	check(t, "get", o.Get(ctx, client.ObjectKeyFromObject(hub), spoke))
	spoke.Spec.Part = "p,q"
	check(t, "update", o.Update(ctx, spoke))
	refused(t, "update what is stale", apierrors.IsConflict, o.Update(ctx, hub))
	o.settled(t, hub)
	check(t, "get", o.Get(ctx, client.ObjectKeyFromObject(hub), spoke))
	spoke.Status.Ready, spoke.Spec.Size = "4", "9"
	check(t, "status", o.Status().Update(ctx, spoke))
	if spoke.Status.Ready != "4" || spoke.Spec.Size != "3" {
		t.Errorf("spoke: %+v", spoke)
	}
	patch := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/size","value":"3"},{"op":"replace","path":"/spec/size","value":"5"}]`))
	check(t, "JSON patch", o.Patch(ctx, spoke, patch))
	o.settled(t, hub)
	if *hub.Spec.Replicas != 5 || !slices.Equal(hub.Spec.Parts, []string{"p", "q"}) || hub.Annotations[madeBy] == "" {
		t.Errorf("hub: %+v", hub)
	}
	list, oldList := &latheList{}, &oldLatheList{}
	if err := errors.Join(o.List(ctx, list), o.List(ctx, oldList)); err != nil || len(list.Items) != len(oldList.Items) || len(list.Items) != 3 || list.ResourceVersion == "" {
		t.Errorf("%v: %d and %d of them", err, len(list.Items), len(oldList.Items))
	}
	for i := range oldList.Items {
		if s, h := &oldList.Items[i], &list.Items[i]; s.UID != h.UID || s.Spec.Size != fmt.Sprint(*h.Spec.Replicas) || s.Spec.Part != strings.Join(h.Spec.Parts, ",") {
			t.Errorf("%+v is %+v", s, h)
		}
	}
	o.warned.take()
}

// refused: what the validator says is what a client reads, in either version, for status and deletion too.
func (o *operator) refused(t *testing.T) {
	ctx := t.Context()
	const by = `admission webhook "vlathe-v1.kb.io" denied the request: `
	many := newLathe("many", 11)
	for _, l := range []client.Object{many, &oldLathe{ObjectMeta: many.ObjectMeta, Spec: oldLatheSpec{Size: "11"}}} {
		err := o.Create(ctx, l)
		refused(t, "too many", apierrors.IsInvalid, err)
		if want := by + `Lathe.tools.example.com "many" is invalid: spec.replicas: Invalid value: 11: must be at most 10`; err != nil && err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if got := o.warned.take(); !slices.Contains(got, "it has no parts") {
			t.Errorf("warnings with a refusal: %q", got)
		}
	}
	// The schema is asked after the mutating webhooks and before the others.
	err := o.Create(ctx, newLathe("few", -1))
	if !apierrors.IsInvalid(err) || strings.Contains(err.Error(), "webhook") {
		t.Errorf("less than none: %v", err)
	}
	l := newLathe("a", 1)
	check(t, "get", o.Get(ctx, client.ObjectKeyFromObject(l), l))
	o.warned.take()
	before := l.DeepCopyObject().(*lathe)
	l.Spec.Mode = "backwards"
	err = o.Update(ctx, l)
	refused(t, "another mode", apierrors.IsForbidden, err)
	if err != nil && err.Error() != by+"mode is fast and stays" {
		t.Errorf("another mode: %v", err)
	}
	o.said(t, "modes stay")
	err = o.Patch(ctx, &oldLathe{ObjectMeta: inNamespace("default", "a")}, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"mode":"b"}}`)))
	refused(t, "another mode", apierrors.IsForbidden, err)
	err = o.Status().Patch(ctx, &oldLathe{ObjectMeta: inNamespace("default", "a")}, client.RawPatch(types.MergePatchType, []byte(`{"status":{"ready":"11"}}`)))
	if err == nil || err.Error() != by+"11 are not ready" {
		t.Errorf("status: %v", err)
	}
	check(t, "protect", o.Patch(ctx, before, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+protected+`":"y"}}}`))))
	err = o.Delete(ctx, before)
	refused(t, "delete what is protected", apierrors.IsForbidden, err)
	if err != nil && !strings.HasPrefix(err.Error(), by+`lathes.tools.example.com "a" is forbidden: it is protected from `) {
		t.Errorf("protected: %v", err)
	}
	check(t, "still there", o.Get(ctx, client.ObjectKeyFromObject(l), l))
	o.warned.take()
}

// notConvertible: an object that the webhook cannot convert is not written, and not shown in the version it has no form in.
func (o *operator) notConvertible(t *testing.T) {
	ctx := t.Context()
	const failed = "conversion webhook for tools.example.com/v1alpha1, Kind=Lathe failed: "
	err := o.Create(ctx, &oldLathe{ObjectMeta: inNamespace("default", "odd"), Spec: oldLatheSpec{Size: "some"}})
	if err == nil || !strings.Contains(err.Error(), failed+`size "some" is no number`) {
		t.Errorf("create: %v", err)
	}
	odd := newLathe("odd", 1, "a,b")
	check(t, "create", o.Create(ctx, odd))
	const other = "conversion webhook for tools.example.com/v1, Kind=Lathe failed: lathe odd has a part with a comma"
	for what, err := range map[string]error{
		"get":   o.Get(ctx, client.ObjectKeyFromObject(odd), &oldLathe{}),
		"list":  o.List(ctx, &oldLatheList{}),
		"patch": o.Patch(ctx, &oldLathe{ObjectMeta: odd.ObjectMeta}, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":"2"}}`))),
	} {
		if err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("%s: %v, want %s", what, err, other)
		}
	}
	check(t, "list in the hub's version", o.List(ctx, &latheList{}))
	check(t, "delete", o.Delete(ctx, odd))
	o.warned.take()
}

// pods: a webhook of a built-in kind, which is asked for those it selects.
func (o *operator) pods(t *testing.T) {
	for label, want := range map[string]int{latheOf: 1, "other": 0} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "p-", Labels: map[string]string{label: "a"}}}
		pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
		pod.Spec.AutomountServiceAccountToken = pointer(false)
		err := o.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: inNamespace("default", "default")})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Error(err)
		}
		check(t, "create", o.Create(t.Context(), pod))
		if env := pod.Spec.Containers[0].Env; len(env) != want || pod.Spec.Containers[0].TerminationMessagePath == "" {
			t.Errorf("%s: %+v", label, pod.Spec.Containers[0])
		}
	}
	o.warned.take()
}

// watched: watches in both versions tell the same objects, each in its own form.
func (o *operator) watched(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	hubs, err := o.watching.Watch(ctx, &latheList{}, client.MatchingLabels{"watched": "yes"})
	check(t, "watch", err)
	defer hubs.Stop()
	spokes, err := o.watching.Watch(ctx, &oldLatheList{}, client.MatchingLabels{"watched": "yes"})
	check(t, "watch", err)
	defer spokes.Stop()
	l := newLathe("w", 1, "p", "q")
	l.Labels = map[string]string{"watched": "yes"}
	check(t, "create", o.Create(ctx, l))
	o.settled(t, l)
	check(t, "patch", o.Patch(ctx, &oldLathe{ObjectMeta: inNamespace("default", "w")}, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":"2"}}`))))
	o.settled(t, l)
	check(t, "delete", o.Delete(ctx, l))
	var told [2][]string
	for i, events := range []watch.Interface{hubs, spokes} {
	telling:
		for e := range events.ResultChan() {
			switch l := e.Object.(type) {
			case *lathe:
				told[i] = append(told[i], fmt.Sprint(e.Type, " ", *l.Spec.Replicas, " ", strings.Join(l.Spec.Parts, ","), " ", l.ResourceVersion))
			case *oldLathe:
				told[i] = append(told[i], fmt.Sprint(e.Type, " ", l.Spec.Size, " ", l.Spec.Part, " ", l.ResourceVersion))
			default:
				t.Errorf("told %v %+v", e.Type, e.Object)
			}
			if e.Type == watch.Deleted {
				break telling
			}
		}
	}
	if len(told[0]) < 4 || !slices.Equal(told[0], told[1]) {
		t.Errorf("told\n%q\n%q", told[0], told[1])
	}
	o.warned.take()
}

// selected: a namespace that a webhook does not select.
func (o *operator) selected(t *testing.T) {
	l := newLathe("s", 1, "p")
	l.Namespace = "kube-system"
	check(t, "create", o.Create(t.Context(), l))
	o.said(t)
	if l.Labels[labelled] != "" || l.Annotations[madeBy] == "" {
		t.Errorf("%+v", l)
	}
}

// collections: each object of a collection is asked for before it is deleted.
func (o *operator) collections(t *testing.T) {
	ctx := t.Context()
	err := o.DeleteAllOf(ctx, &lathe{}, client.InNamespace("default"))
	refused(t, "one is protected", apierrors.IsForbidden, err)
	list := &latheList{}
	check(t, "list", o.List(ctx, list, client.InNamespace("default"), client.HasLabels{protected}))
	if len(list.Items) != 1 {
		t.Errorf("%d are protected", len(list.Items))
	}
	check(t, "the others", o.DeleteAllOf(ctx, &oldLathe{}, client.InNamespace("kube-system")))
	check(t, "list", o.List(ctx, list, client.InNamespace("kube-system")))
	if len(list.Items) != 0 {
		t.Errorf("%d are left", len(list.Items))
	}
	o.warned.take()
}

// without: while the operator is away the stored version is read, and writes fail or do not as each webhook says.
func (o *operator) without(t *testing.T) {
	ctx := t.Context()
	l := newLathe("left", 1, "p")
	check(t, "create", o.Create(ctx, l))
	o.settled(t, l)
	o.stop()
	check(t, "get", o.Get(ctx, client.ObjectKeyFromObject(l), l))
	check(t, "list", o.List(ctx, &latheList{}))
	err := o.Update(ctx, l)
	refused(t, "update", apierrors.IsInternalError, err)
	if want := `Internal error occurred: failed calling webhook "mlathe-v1.kb.io": failed to call webhook: Post "https://`; err != nil && !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	err = o.Get(ctx, client.ObjectKeyFromObject(l), &oldLathe{})
	if want := `conversion webhook for tools.example.com/v1, Kind=Lathe failed: Post "https://`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "open", Labels: map[string]string{latheOf: "a"}}}
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
	check(t, "a failure that is ignored", o.Create(ctx, pod))

}

func inNamespace(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}
