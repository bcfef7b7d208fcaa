package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// An operator as kubebuilder lays it out: a kind with a hub version that is stored and a spoke, a defaulter and a validator
// of the hub, a defaulter of pods, and a webhook by hand, which come from testdata/lathes_webhooks.yaml.
//
//	v1        spec {replicas: 2, parts: [a, b], mode: slow}    status {ready: 1}     hub, stored
//	v1alpha1  spec {size: "2", part: "a,b", mode: slow}        status {ready: "1"}   spoke

var (
	lathes    = schema.GroupVersion{Group: "tools.example.com", Version: "v1"}
	oldLathes = schema.GroupVersion{Group: "tools.example.com", Version: "v1alpha1"}
)

type latheSpec struct {
	Replicas *int32   `json:"replicas,omitempty"`
	Parts    []string `json:"parts,omitempty"`
	Mode     string   `json:"mode,omitempty"`
}

type latheStatus struct {
	Ready              int32 `json:"ready,omitempty"`
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// lathe is the hub.
type lathe struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              latheSpec   `json:"spec,omitempty"`
	Status            latheStatus `json:"status,omitempty"`
}

type latheList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []lathe `json:"items"`
}

type oldLatheSpec struct {
	Size string `json:"size,omitempty"`
	Part string `json:"part,omitempty"`
	Mode string `json:"mode,omitempty"`
}

type oldLatheStatus struct {
	Ready string `json:"ready,omitempty"`
}

// oldLathe is the spoke.
type oldLathe struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              oldLatheSpec   `json:"spec,omitempty"`
	Status            oldLatheStatus `json:"status,omitempty"`
}

type oldLatheList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []oldLathe `json:"items"`
}

func (l *lathe) DeepCopyObject() runtime.Object        { return copied(l) }
func (l *latheList) DeepCopyObject() runtime.Object    { return copied(l) }
func (l *oldLathe) DeepCopyObject() runtime.Object     { return copied(l) }
func (l *oldLatheList) DeepCopyObject() runtime.Object { return copied(l) }

// copied is a copy by way of JSON.
func copied[T any](v *T) *T {
	c := new(T)
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		panic(err)
	}
	return c
}

// Hub marks the version that is stored.
func (*lathe) Hub() {}

// ConvertTo refuses a size that is no number.
func (l *oldLathe) ConvertTo(hub conversion.Hub) error {
	to := hub.(*lathe)
	to.ObjectMeta, to.Spec.Mode = l.ObjectMeta, l.Spec.Mode
	if l.Spec.Size != "" {
		n, err := strconv.ParseInt(l.Spec.Size, 10, 32)
		if err != nil {
			return fmt.Errorf("size %q is no number", l.Spec.Size)
		}
		to.Spec.Replicas = pointer(int32(n))
	}
	if l.Spec.Part != "" {
		to.Spec.Parts = strings.Split(l.Spec.Part, ",")
	}
	if l.Status.Ready != "" {
		n, err := strconv.ParseInt(l.Status.Ready, 10, 32)
		if err != nil {
			return err
		}
		to.Status.Ready = int32(n)
	}
	return nil
}

// ConvertFrom refuses a part that has a comma.
func (l *oldLathe) ConvertFrom(hub conversion.Hub) error {
	from := hub.(*lathe)
	l.ObjectMeta, l.Spec.Mode, l.Spec.Part = from.ObjectMeta, from.Spec.Mode, strings.Join(from.Spec.Parts, ",")
	if slices.ContainsFunc(from.Spec.Parts, func(p string) bool { return strings.Contains(p, ",") }) {
		return fmt.Errorf("lathe %s has a part with a comma", from.Name)
	}
	if from.Spec.Replicas != nil {
		l.Spec.Size = fmt.Sprint(*from.Spec.Replicas)
	}
	if from.Status.Ready != 0 {
		l.Status.Ready = fmt.Sprint(from.Status.Ready)
	}
	return nil
}

// latheTypes is a scheme with both versions and the built-in kinds.
func latheTypes(t *testing.T) *runtime.Scheme {
	t.Helper()
	types := runtime.NewScheme()
	for gv, kinds := range map[schema.GroupVersion][2]runtime.Object{lathes: {&lathe{}, &latheList{}}, oldLathes: {&oldLathe{}, &oldLatheList{}}} {
		types.AddKnownTypeWithName(gv.WithKind("Lathe"), kinds[0])
		types.AddKnownTypeWithName(gv.WithKind("LatheList"), kinds[1])
		metav1.AddToGroupVersion(types, gv)
	}
	if err := scheme.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	return types
}

const (
	latheOf   = "tools.example.com/lathe"   // label of pods
	madeBy    = "tools.example.com/made-by" // annotation: who has made it
	protected = "tools.example.com/protected"
	labelled  = "tools.example.com/labelled" // the label of the webhook by hand
)

// latheDefaulter gives one replica, says who has asked, and counts the parts once the label of a later webhook is there.
type latheDefaulter struct{}

func (latheDefaulter) Default(ctx context.Context, l *lathe) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	if l.Spec.Replicas == nil {
		l.Spec.Replicas = pointer(int32(1))
	}
	if l.Annotations == nil {
		l.Annotations = map[string]string{}
	}
	if request.Operation == admissionv1.Create {
		l.Annotations[madeBy] = request.UserInfo.Username + " as " + request.RequestKind.Version
	}
	if l.Labels[labelled] != "" {
		l.Annotations["reinvoked"] = "yes"
	}
	return nil
}

// latheValidator refuses more than ten replicas, another mode, and the deletion of what is protected.
type latheValidator struct{}

func (latheValidator) ValidateCreate(_ context.Context, l *lathe) (w admission.Warnings, err error) {
	if len(l.Spec.Parts) == 0 {
		w = admission.Warnings{"it has no parts"}
	}
	if *l.Spec.Replicas > 10 {
		err = apierrors.NewInvalid(lathes.WithKind("Lathe").GroupKind(), l.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "replicas"), *l.Spec.Replicas, "must be at most 10"),
		})
	}
	return w, err
}

func (v latheValidator) ValidateUpdate(ctx context.Context, old, l *lathe) (admission.Warnings, error) {
	if old.Spec.Mode != l.Spec.Mode {
		return admission.Warnings{"modes stay"}, fmt.Errorf("mode is %s and stays", old.Spec.Mode)
	}
	if l.Status.Ready > 10 {
		return nil, fmt.Errorf("%d are not ready", l.Status.Ready)
	}
	return v.ValidateCreate(ctx, l)
}

func (latheValidator) ValidateDelete(ctx context.Context, l *lathe) (admission.Warnings, error) {
	if l.Labels[protected] != "" {
		request, err := admission.RequestFromContext(ctx)
		if err != nil {
			return nil, err
		}
		return nil, apierrors.NewForbidden(lathes.WithResource("lathes").GroupResource(), l.Name, fmt.Errorf("it is protected from %s", request.UserInfo.Username))
	}
	return nil, nil
}

// podDefaulter puts pods that say so into a lathe.
type podDefaulter struct{}

func (podDefaulter) Default(_ context.Context, pod *corev1.Pod) error {
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Env = append(pod.Spec.Containers[i].Env, corev1.EnvVar{Name: "LATHE", Value: pod.Labels[latheOf]})
	}
	return nil
}

// label is the webhook by hand. It answers with a patch of its own, and audit annotations.
func label(_ context.Context, request admission.Request) admission.Response {
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(request.Object.Raw, &o); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	patch := []object{}
	if o.Labels == nil {
		patch = append(patch, object{"op": "add", "path": "/metadata/labels", "value": object{}})
	}
	b, err := json.Marshal(append(patch, object{"op": "add", "path": "/metadata/labels/tools.example.com~1labelled", "value": request.Namespace}))
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: true, Patch: b, PatchType: pointer(admissionv1.PatchTypeJSONPatch), AuditAnnotations: map[string]string{"labelled": "yes"}, Warnings: []string{"it was labelled"},
	}}
}

// latheReconciler says in the status of each lathe that its replicas are ready.
type latheReconciler struct{ client.Client }

func (r *latheReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	l := &lathe{}
	if err := r.Get(ctx, request.NamespacedName, l); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if want := (latheStatus{*l.Spec.Replicas, l.Generation}); want != l.Status {
		l.Status = want
		return ctrl.Result{}, r.Status().Update(ctx, l)
	}
	return ctrl.Result{}, nil
}
