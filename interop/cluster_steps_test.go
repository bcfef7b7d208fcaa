package interop

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What a round of the cluster's test does in a namespace of its own, which is empty and gone at its end.

// A pod of a workload that is named by its label.
func podTemplate(app, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}},
	}
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func selects(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func pointer[T any](v T) *T { return &v }

// round makes the workloads of a namespace, waits for what their controllers do, and deletes it.
func (c *cluster) round(ns string) {
	_, err := c.CoreV1().Namespaces().Create(c.ctx, &corev1.Namespace{ObjectMeta: named(ns)}, metav1.CreateOptions{})
	c.must(err)
	c.soon("the service account of the namespace", func() (bool, any) {
		_, err := c.CoreV1().ServiceAccounts(ns).Get(c.ctx, "default", metav1.GetOptions{})
		return err == nil, err
	})
	job := batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: podTemplate("tick", "tick")}}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	_, err = c.BatchV1().CronJobs(ns).Create(c.ctx, &batchv1.CronJob{
		ObjectMeta: named("tick"), Spec: batchv1.CronJobSpec{Schedule: "* * * * *", JobTemplate: job},
	}, metav1.CreateOptions{})
	c.must(err)
	c.deployment(ns)
	c.budget(ns)
	c.rollout(ns)
	c.job(ns)
	c.statefulSet(ns)
	c.daemonSet(ns)
	c.autoscaler(ns)
	c.soon("the cron job fires", func() (bool, any) {
		jobs, err := c.BatchV1().Jobs(ns).List(c.ctx, metav1.ListOptions{})
		c.must(err)
		return slices.ContainsFunc(jobs.Items, func(j batchv1.Job) bool {
			return strings.HasPrefix(j.Name, "tick-") && j.Status.Succeeded == 1
		}), jobs
	})
	c.must(c.CoreV1().Namespaces().Delete(c.ctx, ns, metav1.DeleteOptions{}))
	c.soon("the namespace empties", func() (bool, any) {
		n, err := c.CoreV1().Namespaces().Get(c.ctx, ns, metav1.GetOptions{})
		return apierrors.IsNotFound(err), n
	})
}

// deployment makes one of three pods behind a service.
func (c *cluster) deployment(ns string) {
	_, err := c.CoreV1().Services(ns).Create(c.ctx, &corev1.Service{
		ObjectMeta: named("web"),
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	c.must(err)
	_, err = c.AppsV1().Deployments(ns).Create(c.ctx, &appsv1.Deployment{
		ObjectMeta: named("web"),
		Spec:       appsv1.DeploymentSpec{Replicas: pointer(int32(3)), Selector: selects("web"), Template: podTemplate("web", "web:1")},
	}, metav1.CreateOptions{})
	c.must(err)
	c.rolledOut(ns, 3, "1")
	c.endpoints(ns, 3)
}

// rolledOut waits until all pods of the deployment are of its template and available.
func (c *cluster) rolledOut(ns string, replicas int32, revision string) {
	c.t.Helper()
	c.soon(fmt.Sprintf("%d replicas of revision %s", replicas, revision), func() (bool, any) {
		d, err := c.AppsV1().Deployments(ns).Get(c.ctx, "web", metav1.GetOptions{})
		c.must(err)
		s := d.Status
		return s.ObservedGeneration == d.Generation &&
			s.Replicas == replicas && s.UpdatedReplicas == replicas && s.AvailableReplicas == replicas && d.Annotations["deployment.kubernetes.io/revision"] == revision, d
	})
}

// endpoints waits until the endpoints and the slices of the service have as many addresses.
func (c *cluster) endpoints(ns string, n int) {
	c.t.Helper()
	c.soon(fmt.Sprint(n, " endpoints"), func() (bool, any) {
		e, err := c.CoreV1().Endpoints(ns).Get(c.ctx, "web", metav1.GetOptions{})
		if err != nil || len(e.Subsets) != 1 || len(e.Subsets[0].Addresses) != n {
			return false, e
		}
		slices, err := c.DiscoveryV1().EndpointSlices(ns).List(c.ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=web"})
		return err == nil && len(slices.Items) == 1 && len(slices.Items[0].Endpoints) == n, slices
	})
}

// budget has one that allows no eviction refuse it, and allow it when there is one pod more.
func (c *cluster) budget(ns string) {
	_, err := c.PolicyV1().PodDisruptionBudgets(ns).Create(c.ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: named("web"),
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: pointer(intstr.FromInt32(3)), Selector: selects("web")},
	}, metav1.CreateOptions{})
	c.must(err)
	allows := func(n int32) {
		c.soon(fmt.Sprint("a budget that allows ", n), func() (bool, any) {
			b, err := c.PolicyV1().PodDisruptionBudgets(ns).Get(c.ctx, "web", metav1.GetOptions{})
			c.must(err)
			return b.Status.CurrentHealthy == 3+n && b.Status.DisruptionsAllowed == n, b
		})
	}
	evict := func() error {
		pods, err := c.CoreV1().Pods(ns).List(c.ctx, metav1.ListOptions{LabelSelector: "app=web"})
		c.must(err)
		e := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pods.Items[0].Name, Namespace: ns}}
		return c.PolicyV1().Evictions(ns).Evict(c.ctx, e)
	}
	allows(0)
	if err := evict(); !apierrors.IsTooManyRequests(err) {
		c.t.Errorf("an eviction that a budget does not allow: %v", err)
	}
	c.scale(ns, 4)
	c.rolledOut(ns, 4, "1")
	allows(1)
	c.must(evict())
	c.rolledOut(ns, 4, "1")
	c.endpoints(ns, 4)
}

// scale writes the scale of the deployment.
func (c *cluster) scale(ns string, n int32) {
	s, err := c.AppsV1().Deployments(ns).GetScale(c.ctx, "web", metav1.GetOptions{})
	c.must(err)
	s.Spec.Replicas = n
	_, err = c.AppsV1().Deployments(ns).UpdateScale(c.ctx, "web", s, metav1.UpdateOptions{})
	c.must(err)
}

// rollout changes the template of the deployment and changes it back, which brings back the replica set that was there.
func (c *cluster) rollout(ns string) {
	for i, image := range []string{"web:2", "web:1"} {
		patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
		_, err := c.AppsV1().Deployments(ns).Patch(c.ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		c.must(err)
		c.rolledOut(ns, 4, fmt.Sprint(i+2))
	}
	sets, err := c.AppsV1().ReplicaSets(ns).List(c.ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if c.must(err); len(sets.Items) != 2 {
		c.t.Errorf("%d replica sets", len(sets.Items))
	}
	c.scale(ns, 1)
	c.rolledOut(ns, 1, "3")
	c.endpoints(ns, 1)
}

// job has one of two pods complete.
func (c *cluster) job(ns string) {
	job := &batchv1.Job{ObjectMeta: named("once")}
	job.Spec.Completions, job.Spec.Template = pointer(int32(2)), podTemplate("once", "once")
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	_, err := c.BatchV1().Jobs(ns).Create(c.ctx, job, metav1.CreateOptions{})
	c.must(err)
	c.soon("the job is complete", func() (bool, any) {
		j, err := c.BatchV1().Jobs(ns).Get(c.ctx, "once", metav1.GetOptions{})
		c.must(err)
		return j.Status.Succeeded == 2 && slices.ContainsFunc(j.Status.Conditions, func(k batchv1.JobCondition) bool {
			return k.Type == batchv1.JobComplete && k.Status == corev1.ConditionTrue
		}), j
	})
}

// statefulSet has the pods of one come one behind the other.
func (c *cluster) statefulSet(ns string) {
	name := "db-" + ns
	_, err := c.AppsV1().StatefulSets(ns).Create(c.ctx, &appsv1.StatefulSet{
		ObjectMeta: named(name),
		Spec:       appsv1.StatefulSetSpec{Replicas: pointer(int32(3)), Selector: selects("db"), Template: podTemplate("db", "db")},
	}, metav1.CreateOptions{})
	c.must(err)
	c.soon("three pods of the stateful set", func() (bool, any) {
		s, err := c.AppsV1().StatefulSets(ns).Get(c.ctx, name, metav1.GetOptions{})
		c.must(err)
		return s.Status.ReadyReplicas == 3, s
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range 2 {
		before := slices.Index(c.order, fmt.Sprintf("ready %s-%d", name, i))
		after := slices.Index(c.order, fmt.Sprintf("seen %s-%d", name, i+1))
		if before < 0 || after >= 0 && after < before {
			c.t.Errorf("pod %d came before pod %d was ready: %v", i+1, i, c.order)
		}
	}
}

// daemonSet has one follow the nodes.
func (c *cluster) daemonSet(ns string) {
	_, err := c.AppsV1().DaemonSets(ns).Create(c.ctx, &appsv1.DaemonSet{
		ObjectMeta: named("agent"), Spec: appsv1.DaemonSetSpec{Selector: selects("agent"), Template: podTemplate("agent", "agent")},
	}, metav1.CreateOptions{})
	c.must(err)
	on := func(desired, ready int32) {
		c.soon(fmt.Sprint("agents on ", desired, " nodes"), func() (bool, any) {
			d, err := c.AppsV1().DaemonSets(ns).Get(c.ctx, "agent", metav1.GetOptions{})
			c.must(err)
			return d.Status.DesiredNumberScheduled == desired && d.Status.NumberReady >= ready, d
		})
	}
	on(2, 2)
	c.addNode(ns)
	on(3, 3)
	c.must(c.CoreV1().Nodes().Delete(c.ctx, ns, metav1.DeleteOptions{}))
	c.must(c.CoordinationV1().Leases("kube-node-lease").Delete(c.ctx, ns, metav1.DeleteOptions{}))
	on(2, 2)
}

// autoscaler has one find the scale of the deployment, for which there are no metrics.
func (c *cluster) autoscaler(ns string) {
	found := func(k autoscalingv2.HorizontalPodAutoscalerCondition) bool {
		return k.Type == autoscalingv2.AbleToScale && k.Reason == "SucceededGetScale" && k.Status == corev1.ConditionTrue
	}
	_, err := c.AutoscalingV2().HorizontalPodAutoscalers(ns).Create(c.ctx, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: named("web"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MaxReplicas:    5,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		},
	}, metav1.CreateOptions{})
	c.must(err)
	c.soon("the autoscaler has read the scale", func() (bool, any) {
		h, err := c.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(c.ctx, "web", metav1.GetOptions{})
		c.must(err)
		return h.Status.CurrentReplicas == 1 && slices.ContainsFunc(h.Status.Conditions, found), h
	})
}
