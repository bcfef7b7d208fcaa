package interop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

// TestLeaderElection: candidates with protobuf clients lead one after another, the second
// after the first gave the lease up, the third after the second was lost.
func TestLeaderElection(t *testing.T) {
	s := start(t)
	config := content(s.config(t), protobufContent)
	var r race
	stopFirst := r.enter(t, config, "first", true)
	r.led(t, "first")
	stopSecond := r.enter(t, config, "second", false)
	lease, err := typed(t, config).CoordinationV1().Leases("default").Get(t.Context(), "race", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "first" || *lease.Spec.LeaseDurationSeconds != 3 {
		t.Fatalf("lease: %+v %v", lease, err)
	}
	stopFirst()
	r.led(t, "first", "second")
	stopSecond()
	r.enter(t, config, "third", true)
	r.led(t, "first", "second", "third")
	lease, err = typed(t, config).CoordinationV1().Leases("default").Get(t.Context(), "race", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "third" || *lease.Spec.LeaseTransitions < 2 {
		t.Errorf("lease: %+v %v", lease, err)
	}
	eventually(t, "no events of the election", func() error {
		events, err := typed(t, config).CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "reason=LeaderElection,involvedObject.kind=Lease"})
		if err == nil && len(events.Items) < 3 {
			err = errors.New("too few")
		}
		return err
	})
}

// race records who led.
type race struct {
	mu      sync.Mutex
	leaders []string
}

// enter starts a candidate; its stop waits for the end.
func (r *race) enter(t *testing.T, config *rest.Config, name string, release bool) (stop func()) {
	t.Helper()
	client := typed(t, config)
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events("default")})
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, "default", "race", client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: name, EventRecorder: broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: name})})
	if err != nil {
		t.Fatal(err)
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: release, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.leaders = append(r.leaders, name)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		elector.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		stop()
		broadcaster.Shutdown()
	})
	return stop
}

// led waits until exactly these have led.
func (r *race) led(t *testing.T, names ...string) {
	t.Helper()
	eventually(t, "the leaders are not "+names[len(names)-1], func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Equal(r.leaders, names) {
			return errors.New("they are " + strings.Join(r.leaders, ", "))
		}
		return nil
	})
}
