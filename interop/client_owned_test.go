package interop

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	autoscalingv1apply "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestAppliedByClients applies as typed clients do: with configurations of client-go that are extracted again, and as the controllers
// of cert-manager and Flux keep secrets and config maps.
func TestAppliedByClients(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		f.must(t, "create namespace own", "")
		set, err := kubernetes.NewForConfig(f.config("admin-token"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run("extract", func(t *testing.T) {
			deployments, mine := set.AppsV1().Deployments("own"), metav1.ApplyOptions{FieldManager: "mine"}
			config := appsv1.Deployment("web", "own").WithLabels(map[string]string{"app": "web"}).WithSpec(appsv1.DeploymentSpec().WithReplicas(2).
				WithSelector(metav1apply.LabelSelector().WithMatchLabels(map[string]string{"app": "web"})).
				WithTemplate(corev1apply.PodTemplateSpec().WithLabels(map[string]string{"app": "web"}).WithSpec(corev1apply.PodSpec().WithContainers(
					corev1apply.Container().WithName("web").WithImage("web:1").WithPorts(corev1apply.ContainerPort().WithContainerPort(80).WithProtocol(corev1.ProtocolTCP))))))
			live, err := deployments.Apply(t.Context(), config, mine)
			if err != nil {
				t.Fatal(err)
			}
			got, err := appsv1.ExtractDeployment(live, "mine")
			if err != nil || !reflect.DeepEqual(got, config) {
				t.Errorf("extracted %+v, %v, want %+v", got, err, config)
			}
			// A status is applied and extracted on its own.
			status := appsv1.Deployment("web", "own").WithStatus(appsv1.DeploymentStatus().WithReplicas(2).WithReadyReplicas(1))
			if live, err = deployments.ApplyStatus(t.Context(), status, metav1.ApplyOptions{FieldManager: "keeper"}); err != nil {
				t.Fatal(err)
			}
			if got, err := appsv1.ExtractDeploymentStatus(live, "keeper"); err != nil || !reflect.DeepEqual(got, status) {
				t.Errorf("extracted status %+v, %v, want %+v", got, err, status)
			}
			// Read, change, write: what is extracted, with something else taken away and something added.
			got.Spec.Replicas = nil
			got.Spec.Template.Spec.Containers[0].WithImage("web:2")
			if live, err = deployments.Apply(t.Context(), got, mine); err != nil || *live.Spec.Replicas != 1 || live.Spec.Template.Spec.Containers[0].Image != "web:2" {
				t.Errorf("applied %+v, %v", live.Spec, err)
			}
			other := appsv1.Deployment("web", "own").WithSpec(appsv1.DeploymentSpec().WithTemplate(corev1apply.PodTemplateSpec().WithSpec(corev1apply.PodSpec().WithContainers(
				corev1apply.Container().WithName("web").WithImage("web:3")))))
			_, err = deployments.Apply(t.Context(), other, metav1.ApplyOptions{FieldManager: "other"})
			if !apierrors.IsConflict(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
				t.Errorf("another's image: %v", err)
			}
			if live, err = deployments.Apply(t.Context(), other, metav1.ApplyOptions{FieldManager: "other", Force: true}); err != nil {
				t.Fatal(err)
			}
			if got, err = appsv1.ExtractDeployment(live, "mine"); err != nil || got.Spec.Template.Spec.Containers[0].Image != nil || *got.Spec.Template.Spec.Containers[0].Name != "web" {
				t.Errorf("after another's image: %+v, %v", got, err)
			}
			// Nobody owned the replicas since they were taken away.
			scale, options := autoscalingv1apply.Scale().WithSpec(autoscalingv1apply.ScaleSpec().WithReplicas(4)), metav1.ApplyOptions{FieldManager: "scaler"}
			if _, err := deployments.ApplyScale(t.Context(), "web", scale, options); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "before-first-apply" with subresource "scale"`) {
				t.Errorf("a scale: %v", err)
			}
			options.Force = true
			if got, err := deployments.ApplyScale(t.Context(), "web", scale, options); err != nil || got.Spec.Replicas != 4 {
				t.Errorf("a forced scale: %v, %v", got, err)
			}
		})
		// As cert-manager keeps the secret of a certificate: by its own name, with force, and what others add stays.
		t.Run("a secret", func(t *testing.T) {
			secrets, options := set.CoreV1().Secrets("own"), metav1.ApplyOptions{FieldManager: "cert-manager-certificates-issuing", Force: true}
			secret := func(data string) *corev1apply.SecretApplyConfiguration {
				return corev1apply.Secret("tls", "own").WithAnnotations(map[string]string{"cert-manager.io/certificate-name": "tls"}).WithType(corev1.SecretTypeTLS).
					WithData(map[string][]byte{"tls.crt": []byte(data), "tls.key": []byte(data)}).
					WithOwnerReferences(metav1apply.OwnerReference().WithAPIVersion("v1").WithKind("ConfigMap").WithName("none").WithUID("u-1").WithBlockOwnerDeletion(true))
			}
			if _, err := secrets.Apply(t.Context(), secret("one"), options); err != nil {
				t.Fatal(err)
			}
			f.must(t, "annotate secret/tls -n own other=x", "")
			live, err := secrets.Apply(t.Context(), secret("two"), options)
			if err != nil || string(live.Data["tls.crt"]) != "two" || live.Annotations["other"] != "x" || len(live.OwnerReferences) != 1 {
				t.Errorf("%+v, %v", live, err)
			}
			if got, err := corev1apply.ExtractSecret(live, options.FieldManager); err != nil || got.Annotations["other"] != "" || len(got.Data) != 2 {
				t.Errorf("extracted %+v, %v", got, err)
			}
		})
		// As kustomize-controller keeps what it is told to: unstructured, first dry, then with force; it looks for drift by dry runs, and
		// takes the fields of kubectl over by renaming their owner.
		t.Run("unstructured", func(t *testing.T) {
			c, err := client.New(f.config("admin-token"), client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			f.must(t, "apply -f -", `{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: own}, data: {a: "1", gone: x}}`)
			wanted := corev1apply.ConfigMap("kept", "own").WithData(map[string]string{"a": "2"})
			owner := client.FieldOwner("kustomize-controller")
			if err := c.Apply(t.Context(), wanted, owner, client.ForceOwnership, client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			var live corev1.ConfigMap
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: "own", Name: "kept"}, &live); err != nil || live.Data["a"] != "1" {
				t.Errorf("after a dry run: %v, %v", live.Data, err)
			}
			patch, version := client.RawPatch("application/json-patch+json", []byte(`[{"op":"test","path":"/metadata/resourceVersion","value":"`+live.ResourceVersion+`"},`+
				`{"op":"replace","path":"/metadata/managedFields","value":`+strings.ReplaceAll(text(takenOver(live.ManagedFields)), "\n", "")+`}]`)), live.ResourceVersion
			if err := c.Patch(t.Context(), &live, patch, owner); err != nil || live.ResourceVersion == version {
				t.Fatalf("renaming owners: %v", err)
			}
			wanted = corev1apply.ConfigMap("kept", "own").WithData(map[string]string{"a": "2"}) // an answer is decoded into the other
			if err := c.Apply(t.Context(), wanted, owner, client.ForceOwnership); err != nil {
				t.Fatal(err)
			}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(&live), &live); err != nil || !reflect.DeepEqual(live.Data, map[string]string{"a": "2"}) || len(live.ManagedFields) != 1 {
				t.Errorf("%v, %v, %v", live.Data, live.ManagedFields, err)
			}
			version = live.ResourceVersion
			wanted = corev1apply.ConfigMap("kept", "own").WithData(map[string]string{"a": "2"})
			if err := c.Apply(t.Context(), wanted, owner, client.ForceOwnership); err != nil || *wanted.ResourceVersion != version {
				t.Errorf("the same again: %v, version %v after %s", err, wanted.ResourceVersion, version)
			}
		})
	})
}

// takenOver are entries that are kustomize-controller's now, as if it had applied.
func takenOver(entries []metav1.ManagedFieldsEntry) (all []any) {
	for i := range entries {
		e, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&entries[i])
		if err != nil {
			panic(err) // of a type that is known
		}
		e["manager"], e["operation"] = "kustomize-controller", "Apply"
		all = append(all, e)
	}
	return all
}
