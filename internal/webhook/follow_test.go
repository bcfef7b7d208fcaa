package webhook

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/metrics"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestOrder: mutating webhooks are asked by the names of their configurations and in the order of their lists, whenever they were
// written; a change holds from the next write on, and so does a deletion.
func TestOrder(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"a1", "a2", "b1", "c1"} {
		s.says(path, `{"allowed":true}`)
	}
	inOrder := func() string {
		s.mu.Lock()
		s.asked = nil
		s.mu.Unlock()
		s.Must(201, "POST", apitest.MapsPath, `{"metadata":{"generateName":"m-"}}`)
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Join(s.asked, " ")
	}
	s.configure("Mutating", "c", s.hookOf("c1", "c1", ""))
	s.configure("Mutating", "a", s.hookOf("a2", "a2", ""), s.hookOf("a1", "a1", ""))
	s.configure("Mutating", "b", s.hookOf("b1", "b1", ""))
	if got := inOrder(); got != "a2 a1 b1 c1" {
		t.Errorf("asked %s", got)
	}
	s.Must(200, "PUT", pathOf("Mutating")+"/a", func() map[string]any {
		c := configurationOf("Mutating", "a", s.hookOf("a1", "a1", ""))
		tree.Set(c, tree.At(s.Must(200, "GET", pathOf("Mutating")+"/a", nil), "metadata", "resourceVersion"), "metadata", "resourceVersion")
		return c
	}())
	s.Must(200, "DELETE", pathOf("Mutating")+"/b", nil)
	if got := inOrder(); got != "a1 c1" {
		t.Errorf("asked %s after a change", got)
	}
	s.unconfigure()
	if got := inOrder(); got != "" {
		t.Errorf("asked %s of none", got)
	}
	if s.w.now.Load() != nil {
		t.Error("a table without configurations")
	}
}

// TestRun: what another server writes into a shared store, or a reset brings back, is followed without a request.
func TestRun(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.w.Run(ctx) })
	obj := configurationOf("Validating", "late", s.hookOf("a", "ok", ""))
	draft := store.Encode(obj, nil)
	b := s.Store.Bucket(buckets[api.Validating])
	if _, err := s.Store.Commit(ctx, store.Change{Bucket: b, Key: "late", Next: &draft}); err != nil {
		t.Fatal(err)
	}
	s.Soon("the configuration is in force", func() bool { return s.w.now.Load() != nil })
	apitest.Remove(t, s.Store, buckets[api.Validating], "late")
	s.Soon("it is no more", func() bool { return s.w.now.Load() == nil })
	cancel()
	running.Wait()
}

// TestExempt: nobody is asked about what says who is asked.
func TestExempt(t *testing.T) {
	s := start(t, nil)
	s.says("no", `{"allowed":false}`)
	s.configure("Validating", "all", s.hookOf("a", "no", ""))
	s.configure("Mutating", "all", s.hookOf("a", "no", ""))
	const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	s.Must(201, "POST", policies, `{"metadata":{"name":"p"},"spec":{"matchConstraints":{"resourceRules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}]},"validations":[{"expression":"true"}]}}`)
	s.Must(201, "POST", policies[:len(policies)-3]+"ybindings", `{"metadata":{"name":"p"},"spec":{"policyName":"p","validationActions":["Deny"]}}`)
	s.Must(400, "POST", apitest.MapsPath, apitest.MapObject("m"))
	s.unconfigure()
}

// TestMatching: who would be asked, and on what it depends; nobody is.
func TestMatching(t *testing.T) {
	s := start(t, nil)
	const hpas = `"rules":[{"operations":["CREATE"],"apiGroups":["autoscaling"],"apiVersions":["v2"],"resources":["*"]}]`
	s.configure("Mutating", "m", s.hookOf("a", "x", `"namespaceSelector":{"matchLabels":{"n":"s"}},"objectSelector":{"matchExpressions":[{"key":"k","operator":"Exists"}]}`), s.hookOf("b", "x", hpas))
	s.configure("Validating", "v", s.hookOf("c", "x", `"rules":[{"operations":["DELETE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}]`))
	for _, c := range []struct{ group, version, kind, sub, operation, want string }{
		{"", "v1", "ConfigMap", "", api.OperationCreate, "m/a.example.com if the namespace has labels n=s, if the object has labels k"},
		{"", "v1", "Node", "", api.OperationDelete, "m/a.example.com if the object has labels k; v/c.example.com"},
		{"", "v1", "Pod", "exec", api.OperationConnect, "m/a.example.com if the namespace has labels n=s, if the object has labels k"},
		{"autoscaling", "v1", "HorizontalPodAutoscaler", "", api.OperationCreate,
			"m/a.example.com if the namespace has labels n=s, if the object has labels k; m/b.example.com as horizontalpodautoscalers.v2.autoscaling"},
		{"autoscaling", "v2", "HorizontalPodAutoscaler", "status", api.OperationUpdate, "m/a.example.com if the namespace has labels n=s, if the object has labels k"},
		{"admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "", api.OperationCreate, ""},
	} {
		r := s.API.Builtin(c.group, c.version, c.kind)
		all := append(s.w.Matching(api.Mutating, r, c.sub, c.operation), s.w.Matching(api.Validating, r, c.sub, c.operation)...)
		if got := strings.Join(all, "; "); got != c.want {
			t.Errorf("%s of %s %s:\n got %s\nwant %s", c.operation, c.kind, c.sub, got, c.want)
		}
	}
	if asked, _ := s.look(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}

// TestMetrics: calls, refusals and failures are counted under upstream's names, and the time is spent in webhooks.
func TestMetrics(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.says("no", `{"allowed":false,"status":{"code":700}}`)
	s.patches("bad", `[{"op":"remove","path":"/none"}]`)
	s.does("odd", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"odd","code":-7}`)
	})
	rules := `"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`
	for _, c := range []struct {
		kind, name, path, more string
		code                   int
	}{
		{"Validating", "ok", "ok", "", 201}, {"Validating", "no", "no", "", 700}, {"Validating", "odd", "odd", "", 500}, {"Mutating", "gone", "gone", "", 500}, {"Validating", "open", "gone", ignore, 201}, {"Mutating", "bad", "bad", "", 500},
	} {
		s.configure(c.kind, "metrics", s.hookOf(c.name, c.path, rules+c.more))
		s.Must(c.code, "POST", apitest.MapsPath, `{"metadata":{"generateName":"m-"}}`)
		s.unconfigure()
	}
	var out bytes.Buffer
	e := metrics.NewWriter(&out)
	s.w.WriteMetrics(e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.SplitSeq(out.String(), "\n") {
		if line, ok := strings.CutPrefix(line, "apiserver_admission_"); ok && !strings.Contains(line, "_bucket{") && !strings.Contains(line, "_sum{") {
			got = append(got, line)
		}
	}
	want := []string{
		`webhook_admission_duration_seconds_count{name="bad.example.com",operation="CREATE",rejected="true",type="admit"} 1`,
		`webhook_admission_duration_seconds_count{name="gone.example.com",operation="CREATE",rejected="true",type="admit"} 1`,
		`webhook_admission_duration_seconds_count{name="no.example.com",operation="CREATE",rejected="true",type="validating"} 1`,
		`webhook_admission_duration_seconds_count{name="odd.example.com",operation="CREATE",rejected="true",type="validating"} 1`,
		`webhook_admission_duration_seconds_count{name="ok.example.com",operation="CREATE",rejected="false",type="validating"} 1`,
		`webhook_admission_duration_seconds_count{name="open.example.com",operation="CREATE",rejected="false",type="validating"} 1`,
		`webhook_request_total{code="0",name="bad.example.com",operation="CREATE",rejected="true",type="admit"} 1`,
		`webhook_request_total{code="404",name="gone.example.com",operation="CREATE",rejected="true",type="admit"} 1`,
		`webhook_request_total{code="600",name="no.example.com",operation="CREATE",rejected="true",type="validating"} 1`,
		`webhook_request_total{code="0",name="odd.example.com",operation="CREATE",rejected="true",type="validating"} 1`,
		`webhook_request_total{code="200",name="ok.example.com",operation="CREATE",rejected="false",type="validating"} 1`,
		`webhook_request_total{code="404",name="open.example.com",operation="CREATE",rejected="false",type="validating"} 1`,
		`webhook_rejection_count{error_type="apiserver_internal_error",name="bad.example.com",operation="CREATE",rejection_code="0",type="admit"} 1`,
		`webhook_rejection_count{error_type="calling_webhook_error",name="gone.example.com",operation="CREATE",rejection_code="404",type="admit"} 1`,
		`webhook_rejection_count{error_type="no_error",name="no.example.com",operation="CREATE",rejection_code="600",type="validating"} 1`,
		`webhook_rejection_count{error_type="calling_webhook_error",name="odd.example.com",operation="CREATE",rejection_code="0",type="validating"} 1`,
		`webhook_fail_open_count{name="open.example.com",type="validating"} 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spent <= 0 || s.spent > time.Minute {
		t.Errorf("spent %v", s.spent)
	}
}

// TestOwnStart: the server's own first writes are not asked about, those of clients are.
func TestOwnStart(t *testing.T) {
	s := start(t, nil)
	s.says("no", `{"allowed":false}`)
	s.configure("Validating", "all", s.hookOf("a", "no", `"rules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`))
	ctx := context.Background()
	if _, _, err := s.API.Apply(ctx, apitest.MapObject("own")); err != nil {
		t.Error(err)
	}
	s.Must(400, "POST", apitest.MapsPath, apitest.MapObject("theirs"))
	s.w.Bootstrapped()
	if _, _, err := s.API.Apply(ctx, apitest.MapObject("late")); err == nil {
		t.Error("the program's own write is not asked about")
	}
}

// TestReviewVersions: a webhook is asked in the first version that it and the server know, and not at all without one.
func TestReviewVersions(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	for _, c := range []struct{ versions, want string }{
		{`"v1"`, "admission.k8s.io/v1"}, {`"v1","v1beta1"`, "admission.k8s.io/v1"}, {`"v0","v1beta1","v1"`, "admission.k8s.io/v1beta1"}, {`"v0"`, ""},
	} {
		s.keep("Mutating", "versions", s.hookOf("a", "ok", `"admissionReviewVersions":[`+c.versions+`]`))
		code, got := s.Try("POST", apitest.MapsPath, `{"metadata":{"generateName":"m-"}}`)
		asked := ""
		if _, reviews := s.look(); len(reviews) > 0 {
			asked = tree.Text(reviews[0], "apiVersion")
		}
		const none = `Internal error occurred: failed calling webhook "a.example.com": could not create admission objects: ` +
			`webhook does not accept known AdmissionReview versions (v1, v1beta1)`
		if asked != c.want || (c.want == "") != (code == 500) || code == 500 && message(got) != none {
			t.Errorf("%s: %d %s, asked in %q", c.versions, code, message(got), asked)
		}
		s.unconfigure()
	}
}

// TestDeletionOfDefinition: the objects of a definition go with it, whatever webhooks say.
func TestDeletionOfDefinition(t *testing.T) {
	s := start(t, nil)
	s.says("no", `{"allowed":false}`)
	s.Must(201, "POST", apitest.DefinitionsPath, apitest.DefinitionOf("widgets", "Widget", "Namespaced"))
	s.Must(201, "POST", apitest.WidgetsPath, apitest.Custom("Widget", "w"))
	s.w.Bootstrapped()
	s.configure("Validating", "all", s.hookOf("a", "no", `"rules":[{"operations":["*"],"apiGroups":["example.com"],"apiVersions":["*"],"resources":["*/*"]}]`))
	s.Must(400, "DELETE", apitest.WidgetsPath+"/w", nil)
	s.Must(200, "DELETE", apitest.DefinitionsPath+"/widgets.example.com", nil)
	s.Soon("the definition is gone", s.Missing(apitest.DefinitionsPath+"/widgets.example.com"))
}

// TestTimeouts: a webhook has the time of its configuration, or what is left of the request's, and is told.
func TestTimeouts(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{4900 * time.Millisecond, "?timeout=5s"}, {2500 * time.Millisecond, "?timeout=3s"}, {10 * time.Millisecond, "?timeout=1s"}, {89 * time.Second, "?timeout=1m29s"}, {-time.Second, ""},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), c.left)
		if got := timeoutQuery(ctx); got != c.want {
			t.Errorf("%v: %s, want %s", c.left, got, c.want)
		}
		cancel()
	}
	if got := timeoutQuery(context.Background()); got != "" {
		t.Errorf("without a deadline: %s", got)
	}
	// The request's own end counts where it comes first, and then is the answer even if the webhook may fail.
	s := start(t, nil)
	over := make(chan struct{})
	s.does("hang", func(http.ResponseWriter, *http.Request) { <-over })
	s.configure("Mutating", "hang", s.hookOf("a", "hang", `"timeoutSeconds":30`+ignore))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	res, err := s.Send(ctx, "POST", apitest.MapsPath, strings.NewReader(`{"metadata":{"name":"a"}}`))
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 504 || !strings.Contains(string(body), `"message":"Timeout: request did not complete within requested timeout"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
