package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/reference"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// A controller in the shape of the tutorial from which most are grown: a custom kind that makes Jobs on a
// schedule, finds them by their owner in an index of its cache, says in its status which run, and deletes the
// oldest that have ended. Nobody runs Jobs here; the test ends them.

var tutorial = schema.GroupVersion{Group: "tutorial.example.com", Version: "v1"}

// cronJob wants a Job for each minute; there is no other schedule.
type cronJob struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		Schedule    string                  `json:"schedule"`
		Limit       int                     `json:"successfulJobsHistoryLimit,omitempty"`
		JobTemplate batchv1.JobTemplateSpec `json:"jobTemplate"`
	} `json:"spec"`
	Status struct {
		Active           []corev1.ObjectReference `json:"active,omitempty"`
		LastScheduleTime *metav1.Time             `json:"lastScheduleTime,omitempty"`
	} `json:"status,omitempty"`
}

func (c *cronJob) DeepCopyObject() runtime.Object {
	d := *c
	c.ObjectMeta.DeepCopyInto(&d.ObjectMeta)
	c.Spec.JobTemplate.DeepCopyInto(&d.Spec.JobTemplate)
	d.Status.Active = slices.Clone(c.Status.Active)
	d.Status.LastScheduleTime = c.Status.LastScheduleTime.DeepCopy()
	return &d
}

type cronJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []cronJob `json:"items"`
}

func (l *cronJobList) DeepCopyObject() runtime.Object {
	c := *l
	l.ListMeta.DeepCopyInto(&c.ListMeta)
	c.Items = make([]cronJob, len(l.Items))
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*cronJob)
	}
	return &c
}

const (
	// byOwner is the index of Jobs by the name of the cronJob that they belong to.
	byOwner = ".metadata.controller"
	// minuteOf is the annotation of a Job with the minute that it is of, in seconds since 1970.
	minuteOf = "tutorial.example.com/minute"
)

// scheduler makes the Jobs. now is the time, in seconds since 1970.
type scheduler struct {
	client.Client
	now *atomic.Int64
}

func (r *scheduler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	c, jobs := &cronJob{}, &batchv1.JobList{}
	if err := r.Get(ctx, request.NamespacedName, c); err != nil || c.DeletionTimestamp != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if err := r.List(ctx, jobs, client.InNamespace(c.Namespace), client.MatchingFields{byOwner: c.Name}); err != nil {
		return ctrl.Result{}, err
	}
	slices.SortFunc(jobs.Items, func(a, b batchv1.Job) int { return cmp.Compare(a.Name, b.Name) })
	var ended []batchv1.Job
	before := c.DeepCopyObject().(*cronJob)
	c.Status.Active = nil
	for _, job := range jobs.Items {
		if slices.ContainsFunc(job.Status.Conditions, complete) {
			ended = append(ended, job)
			continue
		}
		ref, err := reference.GetReference(r.Scheme(), &job)
		if err != nil {
			return ctrl.Result{}, err
		}
		ref.ResourceVersion = "" // it would change with the Job
		c.Status.Active = append(c.Status.Active, *ref)
	}
	last := int64(0)
	if len(jobs.Items) > 0 {
		last, _ = strconv.ParseInt(jobs.Items[len(jobs.Items)-1].Annotations[minuteOf], 10, 64)
		at := metav1.Unix(last, 0)
		c.Status.LastScheduleTime = &at
	}
	if !slices.Equal(c.Status.Active, before.Status.Active) || !c.Status.LastScheduleTime.Equal(before.Status.LastScheduleTime) {
		if err := r.Status().Update(ctx, c); err != nil {
			return ctrl.Result{}, err
		}
	}
	for i := range len(ended) - c.Spec.Limit {
		err := r.Delete(ctx, &ended[i], client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
	}
	if due := r.now.Load() / 60 * 60; due > last {
		return ctrl.Result{}, r.make(ctx, c, due)
	}
	return ctrl.Result{}, nil
}

// make creates the Job of a minute. Its name is the minute's, so that there is one although the cache lags.
func (r *scheduler) make(ctx context.Context, c *cronJob, minute int64) error {
	job := &batchv1.Job{Spec: *c.Spec.JobTemplate.Spec.DeepCopy(), ObjectMeta: metav1.ObjectMeta{
		Namespace: c.Namespace, Name: fmt.Sprintf("%s-%d", c.Name, minute), Labels: c.Spec.JobTemplate.Labels,
		Annotations: map[string]string{minuteOf: strconv.FormatInt(minute, 10)},
	}}
	if err := ctrl.SetControllerReference(c, job, r.Scheme()); err != nil {
		return err
	}
	return client.IgnoreAlreadyExists(r.Create(ctx, job))
}

func complete(c batchv1.JobCondition) bool {
	return c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue
}

// runScheduler runs a manager with the scheduler until the test ends. It returns a client without a cache, and
// what tells the scheduler that the time of a cronJob has come.
func runScheduler(t *testing.T, config *rest.Config, types *runtime.Scheme, now *atomic.Int64) (client.Client, chan<- event.GenericEvent) {
	t.Helper()
	// Several managers in one process have controllers of one name.
	ticks, again := make(chan event.GenericEvent), true
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: types, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: ctrlconfig.Controller{SkipNameValidation: &again},
	})
	if err != nil {
		t.Fatal(err)
	}
	index := manager.GetFieldIndexer().IndexField(t.Context(), &batchv1.Job{}, byOwner, func(o client.Object) []string {
		if owner := metav1.GetControllerOf(o); owner != nil && owner.APIVersion == tutorial.String() && owner.Kind == "CronJob" {
			return []string{owner.Name}
		}
		return nil
	})
	built := ctrl.NewControllerManagedBy(manager).For(&cronJob{}).Owns(&batchv1.Job{}).
		WatchesRawSource(source.Channel(ticks, &handler.EnqueueRequestForObject{})).
		Complete(&scheduler{manager.GetClient(), now})
	direct, err := client.New(config, client.Options{Scheme: types})
	if err := errors.Join(err, index, built); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	return direct, ticks
}

// TestCronJob takes a cronJob through three minutes and its end.
func TestCronJob(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	s, types, existing := start(t), runtime.NewScheme(), true
	types.AddKnownTypeWithName(tutorial.WithKind("CronJob"), &cronJob{})
	types.AddKnownTypeWithName(tutorial.WithKind("CronJobList"), &cronJobList{})
	metav1.AddToGroupVersion(types, tutorial)
	check(t, "types", scheme.AddToScheme(types))
	environment := &envtest.Environment{
		UseExistingCluster: &existing, Config: s.config(t), Scheme: types,
		CRDInstallOptions: envtest.CRDInstallOptions{Paths: []string{filepath.Join("testdata", "crons.yaml")}, ErrorIfPathMissing: true},
	}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	var now atomic.Int64
	now.Store(1_800_000_000)
	direct, ticks := runScheduler(t, config, types, &now)
	ctx := t.Context()
	c := &cronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c"}}
	c.Spec.Schedule = "* * * * *"
	template := &c.Spec.JobTemplate.Spec.Template.Spec
	template.Containers = []corev1.Container{{Name: "hello", Image: "busybox", Command: []string{"date"}}}
	refused(t, "create a Job without a restart policy", apierrors.IsInvalid, (&scheduler{direct, &now}).make(ctx, withUID(c), 60))
	template.RestartPolicy = corev1.RestartPolicyOnFailure
	check(t, "create", direct.Create(ctx, c))
	for minute := range 3 {
		if minute > 0 {
			now.Add(60)
			ticks <- event.GenericEvent{Object: c}
		}
		job := activeJob(t, direct, c, now.Load())
		completeJob(t, direct, job)
		eventually(t, "not found to have ended", func() error {
			jobs := &batchv1.JobList{}
			err := errors.Join(direct.Get(ctx, client.ObjectKeyFromObject(c), c), direct.List(ctx, jobs, client.InNamespace("default")))
			if err != nil {
				return err
			}
			if len(c.Status.Active) != 0 || len(jobs.Items) != 1 {
				return fmt.Errorf("%+v, %d Jobs", c.Status, len(jobs.Items))
			}
			return nil
		})
	}
	check(t, "delete", direct.Delete(ctx, c))
	eventually(t, "the Jobs stay", func() error {
		jobs := &batchv1.JobList{}
		if err := direct.List(ctx, jobs, client.InNamespace("default")); err != nil || len(jobs.Items) > 0 {
			return fmt.Errorf("%d Jobs, %v", len(jobs.Items), err)
		}
		return nil
	})
}

// withUID is c with the identity that an owner has.
func withUID(c *cronJob) *cronJob {
	c = c.DeepCopyObject().(*cronJob)
	c.UID = "00000000-0000-0000-0000-000000000001"
	return c
}

// activeJob waits until the status of c names one Job, that of a minute, and returns it.
func activeJob(t *testing.T, direct client.Client, c *cronJob, minute int64) *batchv1.Job {
	t.Helper()
	job := &batchv1.Job{}
	eventually(t, "no Job runs", func() error {
		if err := direct.Get(t.Context(), client.ObjectKeyFromObject(c), c); err != nil {
			return err
		}
		want := fmt.Sprintf("%s-%d", c.Name, minute)
		if len(c.Status.Active) != 1 || c.Status.Active[0].Name != want || c.Status.LastScheduleTime.Unix() != minute {
			return fmt.Errorf("%+v", c.Status)
		}
		return direct.Get(t.Context(), client.ObjectKey{Namespace: c.Namespace, Name: want}, job)
	})
	// What the server adds to a Job.
	labels := job.Spec.Template.Labels
	if !metav1.IsControlledBy(job, c) || job.UID != c.Status.Active[0].UID || labels[batchv1.JobNameLabel] != job.Name ||
		labels[batchv1.ControllerUidLabel] != string(job.UID) || job.Spec.Selector.MatchLabels[batchv1.ControllerUidLabel] != string(job.UID) ||
		*job.Spec.BackoffLimit != 6 || *job.Spec.CompletionMode != batchv1.NonIndexedCompletion || job.Generation != 1 {
		t.Errorf("%+v", job)
	}
	return job
}

// completeJob says that job has run, as the controller of Jobs does: in two steps, of which the second must follow.
func completeJob(t *testing.T, direct client.Client, job *batchv1.Job) {
	t.Helper()
	at := metav1.NewTime(time.Unix(1_800_000_000, 0))
	condition := func(is batchv1.JobConditionType) batchv1.JobCondition {
		return batchv1.JobCondition{Type: is, Status: corev1.ConditionTrue, LastProbeTime: at, LastTransitionTime: at}
	}
	job.Status.StartTime, job.Status.CompletionTime = &at, &at
	job.Status.UncountedTerminatedPods = &batchv1.UncountedTerminatedPods{}
	job.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobComplete)}
	refused(t, "complete a Job at once", apierrors.IsInvalid, direct.Status().Update(t.Context(), job.DeepCopy()))
	job.Status.CompletionTime = nil
	job.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobSuccessCriteriaMet)}
	check(t, "status", direct.Status().Update(t.Context(), job))
	job.Status.CompletionTime, job.Status.Succeeded = &at, 1
	job.Status.Conditions = append(job.Status.Conditions, condition(batchv1.JobComplete))
	check(t, "status", direct.Status().Update(t.Context(), job))
}
