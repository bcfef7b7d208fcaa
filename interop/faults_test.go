package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/features"
	featuretesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// subject is who the faults are for; the test itself is somebody else.
const subject = "subject"

// faulty is the server's faults, as its admin listener has them.
type faulty struct{ url string }

// faultRule is a rule as it is set and shown.
type faultRule struct {
	ID      string              `json:"id"`
	Match   map[string][]string `json:"match"`
	Action  map[string]any      `json:"action"`
	Percent float64             `json:"percent,omitempty"`
	Count   int                 `json:"count,omitempty"`
	Hits    int                 `json:"hits,omitempty"`
}

func (f *faulty) send(t *testing.T, method string, body any, into any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, f.url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("If-Match", "*")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err = io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %d %s", method, err, answer.StatusCode, b)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
}

// set puts rules; those that are for nobody are for the subject.
func (f *faulty) set(t *testing.T, rules ...faultRule) {
	t.Helper()
	for i := range rules {
		of := map[string][]string{"user": {subject}}
		maps.Copy(of, rules[i].Match)
		rules[i].Match = of
	}
	f.send(t, "PUT", map[string]any{"seed": 11, "rules": rules, "expiresIn": "2m"}, nil)
}

func (f *faulty) hits(t *testing.T) map[string]int {
	t.Helper()
	var shown struct{ Rules []faultRule }
	f.send(t, "GET", nil, &shown)
	out := map[string]int{}
	for _, r := range shown.Rules {
		out[r.ID] = r.Hits
	}
	return out
}

func ofVerbs(verbs ...string) map[string][]string { return map[string][]string{"verb": verbs} }

// TestFaults: a manager of controller-runtime and informers of client-go meet a fault while
// others write. When it is over, what they hold is what is there, and all is reconciled.
func TestFaults(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	drop := map[string]any{"do": "drop-watch"}
	for _, tt := range []struct {
		name string
		kick map[string]any // what ends the watches that are open, where the fault is about what begins
		rule faultRule
	}{
		{"delay", drop, faultRule{Action: map[string]any{"do": "delay", "delayMs": 100, "jitterMs": 300}}},
		{"answer 503", drop, faultRule{Action: map[string]any{"do": "answer", "status": 503}, Percent: 60, Count: 15}},
		{"answer 429", drop, faultRule{Action: map[string]any{"do": "answer", "status": 429, "retryAfterSeconds": 1}, Percent: 60, Count: 10}},
		{"cut", drop, faultRule{Action: map[string]any{"do": "cut"}, Percent: 60, Count: 15}},
		{"cut in the body", drop, faultRule{Action: map[string]any{"do": "cut", "afterBytes": 700}, Percent: 60, Count: 15}},
		{"drop-watch", nil, faultRule{Action: map[string]any{"do": "drop-watch", "afterEvents": 1, "afterMs": 200}}},
		{"drop-watch, abrupt", nil, faultRule{Action: map[string]any{"do": "drop-watch", "afterEvents": 2, "abrupt": true}}},
		{"expired", nil, faultRule{Match: ofVerbs("watch"), Action: map[string]any{"do": "expired", "afterEvents": 1}, Count: 12}},
		{"expired at once", drop, faultRule{Match: ofVerbs("watch"), Action: map[string]any{"do": "expired"}, Count: 10}},
		{"conflict", nil, faultRule{Action: map[string]any{"do": "conflict"}, Percent: 70, Count: 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			survive(t, tt.kick, tt.rule)
		})
	}
	t.Run("retry on conflict", func(t *testing.T) {
		t.Parallel()
		s := start(t)
		retryOnConflict(t, &faulty{s.Admin[0] + "/admin/v1/faults"}, typed(t, asSubject(s.config(t))))
	})
}

// TestExpiredLists: clients that list and watch meet 410 on both.
func TestExpiredLists(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	featuretesting.SetFeatureDuringTest(t, features.WatchListClient, false)
	survive(t, map[string]any{"do": "expired"}, faultRule{Match: ofVerbs("list"), Action: map[string]any{"do": "expired"}, Count: 8})
}

// survive starts a manager and informers, lets them meet the fault, and takes it back.
func survive(t *testing.T, kick map[string]any, rule faultRule) {
	t.Helper()
	s := start(t)
	config := s.config(t)
	install(t, config, "gizmos.yaml")
	c := newCast(t, config)
	c.work(t, 0)
	c.agree(t, 0)

	faults := &faulty{s.Admin[0] + "/admin/v1/faults"}
	rule.ID = "fault"
	rules := []faultRule{rule}
	if kick != nil {
		rules = []faultRule{{ID: "kick", Match: ofVerbs("watch"), Action: kick, Count: s.watches(t)}, rule}
	}
	faults.set(t, rules...)
	c.work(t, 1)
	eventually(t, "no hit", func() error {
		if n := faults.hits(t)["fault"]; n < 3 {
			return fmt.Errorf("%d hits", n)
		}
		return nil
	})
	c.work(t, 2)
	t.Logf("hits: %v", faults.hits(t))
	faults.send(t, "DELETE", nil, nil)
	c.agree(t, 2)
	for _, f := range c.followers {
		for _, e := range f.errors() {
			t.Errorf("%s: %v", f.name, e)
		}
	}
}

func asSubject(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.Impersonate = rest.ImpersonationConfig{UserName: subject, Groups: []string{"system:masters"}}
	return c
}

// watches is how many the subject has open.
func (s *server) watches(t *testing.T) int {
	t.Helper()
	answer, err := http.Get(s.Admin[0] + "/admin/v1/watches?user=" + subject)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var open struct{ Total int }
	if err := json.NewDecoder(answer.Body).Decode(&open); err != nil || open.Total < 5 {
		t.Fatalf("%d watches are open: %v", open.Total, err)
	}
	return open.Total
}

// cast is who meets the faults, and who does not.
type cast struct {
	followers []*model
	cached    client.Client // the manager's
	direct    client.Client
	plain     *kubernetes.Clientset
}

// newCast starts a manager and informers that act as the subject, until the test ends.
func newCast(t *testing.T, config *rest.Config) *cast {
	t.Helper()
	types := runtime.NewScheme()
	types.AddKnownTypeWithName(gizmos.WithKind("Gizmo"), &gizmo{})
	types.AddKnownTypeWithName(gizmos.WithKind("GizmoList"), &gizmoList{})
	metav1.AddToGroupVersion(types, gizmos)
	check(t, "scheme", scheme.AddToScheme(types))
	again := true
	manager, err := ctrl.NewManager(asSubject(config), ctrl.Options{Scheme: types, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: ctrlconfig.Controller{SkipNameValidation: &again}})
	if err == nil {
		err = ctrl.NewControllerManagedBy(manager).For(&gizmo{}).Owns(&corev1.ConfigMap{}).Complete(&reconciler{manager.GetClient()})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		check(t, "manager", <-done)
	})
	direct, err := client.New(config, client.Options{Scheme: types})
	if err != nil {
		t.Fatal(err)
	}
	return &cast{follow(t, asSubject(config)), manager.GetClient(), direct, typed(t, config)}
}

// work writes config maps that the informers follow, and gizmos for the manager.
func (c *cast) work(t *testing.T, round int) {
	t.Helper()
	write(t, c.plain, round, 10)
	for i := range 3 {
		g := &gizmo{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("g%d", i)}}
		check(t, "gizmo", retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			err := c.direct.Get(t.Context(), client.ObjectKeyFromObject(g), g)
			g.Spec.Text = fmt.Sprintf("round %d", round)
			if apierrors.IsNotFound(err) {
				return c.direct.Create(t.Context(), g)
			} else if err != nil {
				return err
			}
			return c.direct.Update(t.Context(), g)
		}))
	}
}

// agree waits until everybody holds what a round has left.
func (c *cast) agree(t *testing.T, round int) {
	t.Helper()
	for _, f := range c.followers {
		eventually(t, f.name+" informer", func() error { return f.compare(c.plain) })
	}
	eventually(t, "reconciling", func() error { return reconciled(c.direct, c.cached, round) })
}

// reconciled says what is not as a round has left it, in the store or in the manager's cache.
func reconciled(direct, cached client.Client, round int) error {
	ctx, all, seen := context.Background(), &gizmoList{}, &gizmoList{}
	if err := direct.List(ctx, all); err != nil {
		return err
	}
	if err := cached.List(ctx, seen); err != nil {
		return err
	}
	if a, b := versions(all), versions(seen); !maps.Equal(a, b) || len(a) != 3 {
		return fmt.Errorf("gizmos: there is %v, the cache has %v", a, b)
	}
	for _, g := range all.Items {
		child := &corev1.ConfigMap{}
		if err := direct.Get(ctx, client.ObjectKey{Namespace: "default", Name: "gizmo-" + g.Name}, child); err != nil {
			return err
		}
		if want := fmt.Sprintf("round %d", round); g.Status.ObservedGeneration != g.Generation || child.Data["text"] != want {
			return fmt.Errorf("%s: %d of %d observed, the child says %q", g.Name, g.Status.ObservedGeneration, g.Generation, child.Data["text"])
		}
	}
	children, kept := &corev1.ConfigMapList{}, &corev1.ConfigMapList{}
	if err := direct.List(ctx, children); err != nil {
		return err
	}
	if err := cached.List(ctx, kept); err != nil {
		return err
	}
	if a, b := versions(children), versions(kept); !maps.Equal(a, b) {
		return fmt.Errorf("config maps: there is %v, the cache has %v", a, b)
	}
	return nil
}

// versions are the objects of a list with their revisions.
func versions(list runtime.Object) map[string]string {
	out := map[string]string{}
	_ = meta.EachListItem(list, func(o runtime.Object) error {
		name, revision := version(o)
		out[name] = revision
		return nil
	})
	return out
}

// retryOnConflict: the loop that every client has for a stale object ends as it should,
// after as many conflicts as were asked for, and its write is done once.
func retryOnConflict(t *testing.T, faults *faulty, c *kubernetes.Clientset) {
	t.Helper()
	items := c.CoreV1().ConfigMaps("default")
	made, err := items.Create(t.Context(), configMap("contended", "0"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	faults.set(t, faultRule{ID: "stale", Match: map[string][]string{"verb": {"update"}, "name": {"contended"}}, Action: map[string]any{"do": "conflict"}, Count: 3})
	tries := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		tries++
		made.Data["tries"] = fmt.Sprint(tries)
		_, err := items.Update(t.Context(), made, metav1.UpdateOptions{})
		return err
	})
	got, getErr := items.Get(t.Context(), "contended", metav1.GetOptions{})
	if err != nil || getErr != nil || tries != 4 || faults.hits(t)["stale"] != 3 || got.Data["tries"] != "4" {
		t.Errorf("%v, %v after %d tries: %v", err, getErr, tries, got)
	}
	faults.send(t, "DELETE", nil, nil)
}
