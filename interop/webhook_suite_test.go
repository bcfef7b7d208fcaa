package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// A suite in the shape of those of jobset, LeaderWorkerSet and RabbitMQ's operators: configurations made in code and
// installed by envtest, a server of webhooks without a manager, handlers by hand with a decoder, the suite waits by TLS, and then
// tables of objects, of custom and built-in kinds, with what must become of them.

// hook is an item of a configuration, as generators write it.
func hook(name, path, group, resource string, operations ...admissionregistrationv1.OperationType) admissionregistrationv1.ValidatingWebhook {
	return admissionregistrationv1.ValidatingWebhook{
		Name: name, AdmissionReviewVersions: []string{"v1", "v1beta1"}, SideEffects: pointer(admissionregistrationv1.SideEffectClassNone),
		FailurePolicy: pointer(admissionregistrationv1.Fail),
		ClientConfig:  admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "system", Name: "webhook-service", Path: &path}},
		Rules: []admissionregistrationv1.RuleWithOperations{{Operations: operations, Rule: admissionregistrationv1.Rule{
			APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: []string{resource},
		}}},
	}
}

// hooksByPath are the webhooks, by path. Each sees the review and answers as its name says.
func hooksByPath(decoder admission.Decoder, seen chan<- admission.Request) map[string]admission.HandlerFunc {
	return map[string]admission.HandlerFunc{
		"/validate-job": func(_ context.Context, r admission.Request) admission.Response {
			job := &batchv1.Job{}
			if err := decoder.Decode(r, job); err != nil {
				return admission.Errored(http.StatusBadRequest, err)
			}
			if job.Spec.Parallelism != nil && *job.Spec.Parallelism > 5 {
				return admission.Denied("too parallel")
			}
			return admission.Allowed("").WithWarnings("jobs are looked at")
		},
		"/mutate-job": func(_ context.Context, r admission.Request) admission.Response {
			job := &batchv1.Job{}
			if err := decoder.Decode(r, job); err != nil {
				return admission.Errored(http.StatusBadRequest, err)
			}
			job.Spec.Suspend = pointer(true)
			b, err := json.Marshal(job)
			if err != nil {
				return admission.Errored(http.StatusInternalServerError, err)
			}
			return admission.PatchResponseFromRaw(r.Object.Raw, b)
		},
		"/see": func(_ context.Context, r admission.Request) admission.Response {
			seen <- r
			return admission.Allowed("")
		},
		"/teapot": func(_ context.Context, r admission.Request) admission.Response {
			if strings.HasPrefix(r.Name, "tea") {
				return admission.Errored(http.StatusTeapot, fmt.Errorf("short and stout"))
			}
			return admission.Allowed("")
		},
	}
}

// hooksInCode are the configurations.
func hooksInCode() envtest.WebhookInstallOptions {
	const create, update, remove, connect = admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete, admissionregistrationv1.Connect
	see := hook("see.example.com", "see", "*", "*/*", create, update, remove, connect)
	see.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"see": "yes"}}
	mutating := hook("job.example.com", "mutate-job", "batch", "jobs", create)
	return envtest.WebhookInstallOptions{
		LocalServingHost: "127.0.0.1", LocalServingHostExternalName: "localhost",
		ValidatingWebhooks: []*admissionregistrationv1.ValidatingWebhookConfiguration{{ObjectMeta: named("validating"), Webhooks: []admissionregistrationv1.ValidatingWebhook{
			hook("job.example.com", "validate-job", "batch", "jobs", create, update), see, hook("gizmo.example.com", "teapot", "toys.example.com", "gizmos", create),
		}}},
		MutatingWebhooks: []*admissionregistrationv1.MutatingWebhookConfiguration{{ObjectMeta: named("mutating"), Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: mutating.Name, AdmissionReviewVersions: mutating.AdmissionReviewVersions, SideEffects: mutating.SideEffects, ClientConfig: mutating.ClientConfig, Rules: mutating.Rules,
		}}}},
	}
}

// TestWebhookSuite runs the suite on each server.
func TestWebhookSuite(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		t.Setenv("TMPDIR", t.TempDir())
		ctrl.SetLogger(logr.Discard())
		e := newEnvironment(t, folder)
		e.CRDInstallOptions = envtest.CRDInstallOptions{Paths: []string{testdata(t, "gizmos.yaml")}, ErrorIfPathMissing: true}
		e.Scheme = gizmoTypes(t)
		e.WebhookInstallOptions = hooksInCode()
		config, err := e.Start()
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(config, client.Options{Scheme: e.Scheme})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan admission.Request, 100)
		serveWebhooks(t, &e.WebhookInstallOptions, hooksByPath(admission.NewDecoder(e.Scheme), seen))
		for name, row := range map[string]struct {
			object client.Object
			want   string // the error, or ""
		}{
			"a job":              {newJob("a", 1), ""},
			"a parallel job":     {newJob("b", 6), `admission webhook "job.example.com" denied the request: too parallel`},
			"a wrong job":        {newJob("c", -1), `Job.batch "c" is invalid: spec.parallelism: Invalid value: -1: must be greater than or equal to 0`},
			"a gizmo":            {&gizmo{ObjectMeta: named("a")}, ""},
			"a gizmo that fails": {&gizmo{ObjectMeta: named("tea")}, `admission webhook "gizmo.example.com" denied the request: short and stout`},
		} {
			err := c.Create(t.Context(), row.object)
			if got := fmt.Sprint(err); row.want == "" && err != nil || row.want != "" && got != row.want {
				t.Errorf("%s: %s, want %s", name, got, row.want)
			}
			if job, ok := row.object.(*batchv1.Job); ok && err == nil && (job.Spec.Suspend == nil || !*job.Spec.Suspend) {
				t.Errorf("%s is not suspended", name)
			}
		}
		sawWrites(t, c, seen)
		// Once it is deleted a configuration is nobody's any more.
		check(t, "delete", c.Delete(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: named("validating")}))
		eventually(t, "the webhook is still asked", func() error {
			err := c.Create(t.Context(), newJob("d", 6))
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		})
		check(t, "stop", e.Stop())
	})
}

// serveWebhooks serves handlers with the certificates of envtest until the test ends, and waits until it does.
func serveWebhooks(t *testing.T, o *envtest.WebhookInstallOptions, all map[string]admission.HandlerFunc) {
	t.Helper()
	s := webhook.NewServer(webhook.Options{Host: o.LocalServingHost, Port: o.LocalServingPort, CertDir: o.LocalServingCertDir})
	for path, h := range all {
		s.Register(path, &webhook.Admission{Handler: h})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		check(t, "the server of webhooks", <-done)
	})
	eventually(t, "the webhooks", func() error {
		conn, err := tls.Dial("tcp", net.JoinHostPort(o.LocalServingHost, fmt.Sprint(o.LocalServingPort)), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func newJob(name string, parallelism int32) *batchv1.Job {
	job := &batchv1.Job{ObjectMeta: inNamespace("default", name), Spec: batchv1.JobSpec{Parallelism: &parallelism}}
	job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}}}
	return job
}

// sawWrites: a webhook of everything in a namespace has seen these writes, each with the objects that it is about.
func sawWrites(t *testing.T, c client.Client, seen <-chan admission.Request) {
	t.Helper()
	ctx := t.Context()
	for len(seen) > 0 {
		<-seen // of kinds that are in no namespace, which every selector of namespaces selects
	}
	check(t, "namespace", c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "seen", Labels: map[string]string{"see": "yes"}}}))
	account := &corev1.ServiceAccount{ObjectMeta: inNamespace("seen", "default")}
	check(t, "account", c.Create(ctx, account))
	job := newJob("j", 1)
	job.Namespace = "seen"
	check(t, "create", c.Create(ctx, job))
	job.Labels["x"] = "y"
	check(t, "update", c.Update(ctx, job))
	job.Status.Active = 0
	job.Status.StartTime = nil
	check(t, "status", c.Status().Update(ctx, job))
	pod := &corev1.Pod{ObjectMeta: inNamespace("seen", "p"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}, AutomountServiceAccountToken: pointer(false)}}
	check(t, "pod", c.Create(ctx, pod))
	check(t, "binding", c.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Name: "n"}}))
	check(t, "dry run", c.Delete(ctx, pod, client.DryRunAll))
	check(t, "delete", c.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	check(t, "delete", c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("seen")))
	for _, want := range []string{
		"CREATE namespaces  Namespace old=false new=true dry=false", "CREATE serviceaccounts  ServiceAccount old=false new=true dry=false",
		"CREATE jobs  Job old=false new=true dry=false", "UPDATE jobs  Job old=true new=true dry=false", "UPDATE jobs status Job old=true new=true dry=false",
		"CREATE pods  Pod old=false new=true dry=false", "CREATE pods binding Binding old=false new=true dry=false",
		"DELETE pods  Pod old=true new=false dry=true", "DELETE jobs  Job old=true new=false dry=false",
	} {
		select {
		case r := <-seen:
			got := fmt.Sprintf("%s %s %s %s old=%v new=%v dry=%v", r.Operation, r.Resource.Resource, r.SubResource, r.Kind.Kind, len(r.OldObject.Raw) > 0, len(r.Object.Raw) > 0, r.DryRun != nil && *r.DryRun)
			if got != want || r.UID == "" || r.UserInfo.Username == "" || len(r.Options.Raw) == 0 {
				t.Errorf("seen %s with options %s by %q, want %s", got, r.Options.Raw, r.UserInfo.Username, want)
			}
		default:
			t.Errorf("not seen: %s", want)
		}
	}
	select {
	case r := <-seen:
		t.Errorf("seen %s %s %s, too", r.Operation, r.Resource.Resource, r.Name)
	default:
	}
}
