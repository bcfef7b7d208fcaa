package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// The real kube-controller-manager and kube-scheduler at work on this server. They are not built here: the folder
// that APICHAIN_REFERENCE names has them, and without it there is no such test. Nodes are objects whose leases a
// loop renews, and a stand-in for their kubelets says of each pod that is bound to one that it runs, or that it
// has succeeded if it is a job's, and deletes those that have been told to end. What is checked besides the
// workloads (cluster_steps_test.go) is the log of both programs: no error in it but those that are expected.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_REFERENCE_TIME=10m go test -run TestCluster -v -timeout 20m .

// expectedErrors are the errors that the two programs may log, and why.
var expectedErrors = []struct{ text, why string }{
	{"is not as new as written version", "a controller has looked before its own write came back to it, and looks again"},
	{"the object has been modified", "two controllers have written at a time, and one of them tries again"},
	{"failed to compute desired number of replicas", "there are no metrics"},
	{"because it is being terminated", "a controller meets a namespace that is going"},
	{"legacy-service-account-token-tracking", "that config map is made under the name kube-apiserver alone"},
	{"The manifest file is empty, ignoring", "said of a configuration that is not given"},
	{"broadcaster already stopped", "it was told to end"},
}

// cluster is a server with the two programs and nodes.
type cluster struct {
	*kubernetes.Clientset
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	order []string // what the stand-in has seen and done, as "seen NAME" and "ready NAME"
	ips   int
}

// TestCluster has workloads come and go for a minute, or for as long as the environment says.
func TestCluster(t *testing.T) {
	folder := os.Getenv("APICHAIN_REFERENCE")
	if folder == "" {
		t.Skip("APICHAIN_REFERENCE names no folder with kube-controller-manager and kube-scheduler")
	}
	length := time.Minute
	if text := os.Getenv("APICHAIN_REFERENCE_TIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, "--controllers=none")
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	ctx, cancel := context.WithCancel(t.Context())
	c := &cluster{Clientset: kubernetes.NewForConfigOrDie(config), t: t, ctx: ctx}
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, program := range []string{"kube-controller-manager", "kube-scheduler"} {
		c.run(filepath.Join(folder, program), "--kubeconfig="+s.Kubeconfig, "--secure-port=0",
			"--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=40s") // a loaded machine is no reason to end
	}
	for _, name := range []string{"one", "two"} {
		c.addNode(name)
	}
	running.Go(c.renewLeases)
	c.standIn(&running)
	began := time.Now()
	rounds := 0
	for ; rounds == 0 || time.Since(began) < length && !t.Failed(); rounds++ {
		c.round(fmt.Sprint("round-", rounds))
	}
	t.Logf("%d rounds in %v", rounds, time.Since(began).Round(time.Second))
}

// run runs a program until the test ends, and then wants no error in its log but the expected ones.
func (c *cluster) run(path string, args ...string) {
	c.t.Helper()
	name := filepath.Base(path)
	file := filepath.Join(c.t.TempDir(), name)
	log, err := os.Create(file)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // both end with an error: the lease is lost
		_ = log.Close()
		b, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		counts := map[string]int{}
		for _, line := range logged.FindAllString(string(b), -1) {
			if why := expected(line); why != "" {
				counts[why]++
			} else {
				c.t.Errorf("%s: %s", name, line)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(counts)) {
			c.t.Logf("%s: %d expected errors: %s", name, counts[why], why)
		}
	})
}

// logged is an error, or the end of the program, in a log.
var logged = regexp.MustCompile(`(?m)^[EF]\d{4} .*$`)

// expected says why an error is expected, or "".
func expected(line string) string {
	if strings.Contains(line, "leaderelection lost") || strings.Contains(line, "finished without error") {
		return "it was told to end"
	}
	for _, e := range expectedErrors {
		if strings.Contains(line, e.text) {
			return e.why
		}
	}
	return ""
}

// must ends the test at an error.
func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// soon asks until the answer is yes. last is what to say of it when it never is.
func (c *cluster) soon(what string, ask func() (yes bool, last any)) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		yes, last := ask()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			b, _ := json.Marshal(last)
			c.t.Fatalf("%s: not so: %s", what, b)
		}
		<-tick.C
	}
}

// addNode makes a node that is ready, and its lease.
func (c *cluster) addNode(name string) {
	c.t.Helper()
	room := corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("16Gi"), "pods": resource.MustParse("100")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	node.Status.Capacity, node.Status.Allocatable = room, room
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}
	_, err := c.CoreV1().Nodes().Create(c.ctx, node, metav1.CreateOptions{})
	c.must(err)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}
	lease.Spec.HolderIdentity, lease.Spec.RenewTime = &name, &metav1.MicroTime{Time: time.Now()}
	_, err = c.CoordinationV1().Leases("kube-node-lease").Create(c.ctx, lease, metav1.CreateOptions{})
	c.must(err)
}

// renewLeases renews the leases of all nodes until the test ends.
func (c *cluster) renewLeases() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		leases, err := c.CoordinationV1().Leases("kube-node-lease").List(c.ctx, metav1.ListOptions{})
		for i := 0; err == nil && i < len(leases.Items); i++ {
			l := &leases.Items[i]
			l.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
			_, _ = c.CoordinationV1().Leases(l.Namespace).Update(c.ctx, l, metav1.UpdateOptions{}) // one that is lost is renewed next time
		}
	}
}

// standIn stands in for the kubelets of all nodes until the test ends.
func (c *cluster) standIn(running *sync.WaitGroup) {
	factory := informers.NewSharedInformerFactory(c, 0)
	pods := factory.Core().V1().Pods().Informer()
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { c.tend(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { c.tend(o.(*corev1.Pod)) },
	})
	c.must(err)
	factory.StartWithContext(c.ctx)
	running.Go(factory.Shutdown)
}

// tend does for a pod what its kubelet would do next.
func (c *cluster) tend(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		c.note("seen " + pod.Name)
		return
	}
	pods := c.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		_ = pods.Delete(c.ctx, pod.Name, *metav1.NewDeleteOptions(0)) // it may have gone
	case pod.Status.Phase == corev1.PodPending:
		c.note("ready " + pod.Name)
		patch, err := json.Marshal(map[string]any{"status": c.started(pod)})
		if err == nil {
			_, err = pods.Patch(c.ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		}
		if err != nil && c.ctx.Err() == nil {
			c.t.Logf("%s: %v", pod.Name, err)
		}
	}
}

// note keeps what has happened.
func (c *cluster) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = append(c.order, what)
}

// started returns the status of a pod that has started, or has ended already if it is one of a job.
func (c *cluster) started(pod *corev1.Pod) *corev1.PodStatus {
	c.mu.Lock()
	c.ips++
	ip := fmt.Sprintf("10.244.%d.%d", c.ips/250, c.ips%250+1)
	c.mu.Unlock()
	now := metav1.Now()
	s := &corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, HostIP: "10.1.0.1", StartTime: &now}
	ready, state := corev1.ConditionTrue, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "Job" {
		s.Phase, ready = corev1.PodSucceeded, corev1.ConditionFalse
		state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}}
	}
	for _, typ := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status := ready
		if typ == corev1.PodInitialized {
			status = corev1.ConditionTrue
		}
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: typ, Status: status, LastTransitionTime: now})
	}
	for _, k := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{
			Name: k.Name, Image: k.Image, ImageID: k.Image, Ready: ready == corev1.ConditionTrue, State: state,
		})
	}
	return s
}
