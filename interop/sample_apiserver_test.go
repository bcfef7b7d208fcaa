package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// k8s.io/sample-apiserver, built from its module, behind a server: it keeps its objects in etcd, learns from the server
// whom to believe (extension-apiserver-authentication), asks it who a token is and who may do what, and follows
// its namespaces and admission policies. Its own audit log says who it thinks has asked.

var (
	sampleAPIServer = build(".", "k8s.io/sample-apiserver", "sample-apiserver")

	flunders = schema.GroupVersionResource{Group: "wardle.example.com", Version: "v1alpha1", Resource: "flunders"}
)

// wardle is a running sample-apiserver.
type wardle struct {
	*process
	url, audit string // audit is the file of its audit log
}

// startWardle starts sample-apiserver as the service account of its example, and has the front serve its two versions.
func startWardle(t *testing.T, f *front, etcd string) *wardle {
	t.Helper()
	path, err := sampleAPIServer()
	if err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(moduleDir(t, "k8s.io/sample-apiserver"), "artifacts", "example")
	for _, file := range []string{"ns", "sa", "auth-delegator", "auth-reader", "rbac", "rbac-bind"} {
		f.must(t, "create -f "+filepath.Join(example, file+".yaml"), "")
	}
	// Its role is older than the policies that its release follows.
	f.must(t, "create clusterrole policies --verb=get,list,watch --resource=mutatingadmissionpolicies.admissionregistration.k8s.io,"+
		"mutatingadmissionpolicybindings.admissionregistration.k8s.io", "")
	f.must(t, "create clusterrolebinding policies --clusterrole=policies --serviceaccount=wardle:apiserver", "")
	f.write(t, "wardle", kubeconfigOf(f.url, f.must(t, "create token apiserver -n wardle", "")))
	f.write(t, "policy", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
	trust, port := newAuthority(t, "services"), steadyPort(t)
	cert, key := trust.issue(t, "wardle", "wardle.aside.svc", "127.0.0.1")
	w := &wardle{url: fmt.Sprintf("https://127.0.0.1:%d", port), audit: filepath.Join(f.dir, "audit.log")}
	kubeconfig := filepath.Join(f.dir, "wardle")
	w.process = newProcess(t, answers(w.url+"/readyz"), path, "--etcd-servers="+etcd, "--kubeconfig="+kubeconfig,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig, "--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port), "--tls-cert-file="+cert, "--tls-private-key-file="+key,
		"--audit-log-path="+w.audit, "--audit-policy-file="+filepath.Join(f.dir, "policy"))
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	f.serve(t, "wardle.example.com/v1alpha1", "wardle", port, trust)
	f.serve(t, "wardle.example.com/v1beta1", "wardle", port, trust)
	return w
}

// TestSampleAPIServer: kubectl and client-go see one server.
func TestSampleAPIServer(t *testing.T) {
	etcd := startEtcd(t, 1).servers()
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, etcd, "--etcd-prefix=/"+filepath.Base(folder))
		w := startWardle(t, f, etcd)
		defer func() { // the next server has the same etcd
			_, _ = f.output(t, "delete flunders,fischers --all", "")
		}()
		kubectlWardle(t, f)
		followWardle(t, f)
		identitiesOf(t, f, w)
		askWardle(t, f, w)
		endWardle(t, f, w)
	})
}

// kubectlWardle uses the custom resources of an aggregated server as others.
func kubectlWardle(t *testing.T, f *front) {
	f.forget(t)
	f.run(t,
		call{"api-resources", "", 0, "flunders wardle.example.com/v1beta1 true Flunder\nfischers wardle.example.com/v1alpha1 false Fischer\nconfigmaps cm v1 true ConfigMap\napiservices apiregistration.k8s.io/v1 false APIService"},
		call{"api-versions", "", 0, "wardle.example.com/v1alpha1\nwardle.example.com/v1beta1\napps/v1"},
		call{"get apiservices v1alpha1.wardle.example.com", "", 0, "v1alpha1.wardle.example.com aside/wardle True"},
		call{"get apiservices v1.apps", "", 0, "v1.apps Local True"},
		call{"get flunders", "", 0, "No resources found in default namespace."},
		call{"create -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: a, labels: {of: kubectl}}, spec: {reference: b, referenceType: Fischer}}", 0, "flunder.wardle.example.com/a created"},
		call{"create -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: a}}", 1, `Error from server (AlreadyExists): error when creating "STDIN": flunders.wardle.example.com "a" already exists`},
		call{"create -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: b}, spec: {odd: 1}}", 1, `strict decoding error: unknown field "spec.odd"`},
		call{"get flunders", "", 0, "NAME CREATED AT\na 20"},
		call{"get flunder a -o jsonpath={.apiVersion}/{.spec.fischerReference}", "", 0, "wardle.example.com/v1beta1/b"},
		call{"get flunders.v1alpha1.wardle.example.com a -o jsonpath={.apiVersion}/{.spec.reference}", "", 0, "wardle.example.com/v1alpha1/b"},
		call{"get flunders -l of=kubectl -o name", "", 0, "flunder.wardle.example.com/a"},
		call{"get flunders -A --chunk-size=1 -o name", "", 0, "flunder.wardle.example.com/a"},
		call{"label flunder a of=me --overwrite", "", 0, "flunder.wardle.example.com/a labeled"},
		call{`patch flunder a --type=json -p '[{"op":"add","path":"/metadata/annotations","value":{"x":"y"}}]'`, "", 0, "flunder.wardle.example.com/a patched"},
		call{"apply --server-side -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: applied}, spec: {reference: a}}", 0, "Warning: wardle.example.com/v1alpha1 Flunder is deprecated in v1.3+, unavailable in v1.10+\nflunder.wardle.example.com/applied serverside-applied"},
		call{"apply -f -", "{apiVersion: wardle.example.com/v1beta1, kind: Flunder, metadata: {name: c}, spec: {flunderReference: a, referenceType: Flunder}}", 0, "flunder.wardle.example.com/c created"},
		call{"apply -f -", "{apiVersion: wardle.example.com/v1beta1, kind: Flunder, metadata: {name: c}, spec: {flunderReference: b, referenceType: Flunder}}", 0, "flunder.wardle.example.com/c configured"},
		call{"explain flunders.spec", "", 0, "GROUP: wardle.example.com\nVERSION: v1beta1\nfischerReference <string>\nflunderReference <string>"},
		call{"explain flunders.spec.reference --api-version=wardle.example.com/v1alpha1", "", 0, "FIELD: reference <string>\nA name of another flunder or fischer"},
		call{"explain pods.spec.nodeName", "", 0, "FIELD: nodeName <string>"},
		call{"create -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Fischer, metadata: {name: f}, disallowedFlunders: [bad]}", 0, "fischer.wardle.example.com/f created"},
		call{"delete flunder a c applied", "", 0, `flunder.wardle.example.com "a" deleted`},
		call{"get flunder a", "", 1, `Error from server (NotFound): flunders.wardle.example.com "a" not found`},
		call{"get --raw /apis/wardle.example.com/v1alpha1/nothing", "", 1, "the server could not find the requested resource"},
		call{"get --raw /openapi/v3", "", 0, `"apis/wardle.example.com/v1alpha1":{"serverRelativeURL":"/openapi/v3/apis/wardle.example.com/v1alpha1?hash=`},
	)
	// Its own admission plugin, which knows of a fischer from a watch of its own.
	eventually(t, "a flunder that no fischer wants", func() error {
		out, _ := f.output(t, "create --dry-run=server -f -", "{apiVersion: wardle.example.com/v1alpha1, kind: Flunder, metadata: {name: bad}}")
		if !strings.Contains(out, "this name may not be used, please change the resource name") {
			return errors.New(out)
		}
		return nil
	})
	// The document of OpenAPI 2 is made when it was downloaded.
	eventually(t, "OpenAPI 2", func() error {
		out, _ := f.output(t, "get --raw /openapi/v2", "")
		var doc struct {
			Paths, Definitions map[string]any
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			return err
		}
		for _, path := range []string{"/apis/wardle.example.com/v1alpha1/fischers/{name}", "/apis/wardle.example.com/v1beta1/namespaces/{namespace}/flunders", "/apis/apps/v1/deployments"} {
			if doc.Paths[path] == nil {
				return fmt.Errorf("no path %s among %d", path, len(doc.Paths))
			}
		}
		return nil
	})
	f.run(t, call{"explain flunders.spec --output plaintext-openapiv2", "", 0, "KIND: Flunder\nVERSION: wardle.example.com/v1beta1\nfischerReference <string>"})
}

// followWardle watches with an informer what a client writes.
func followWardle(t *testing.T, f *front) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client, err := dynamic.NewForConfig(f.config("admin-token"))
	check(t, "client", err)
	told := make(chan string, 100)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, "default", nil)
	informer := factory.ForResource(flunders).Informer()
	tell := func(what string) func(any) {
		return func(o any) {
			u := o.(*unstructured.Unstructured)
			told <- what + " " + u.GetName() + " " + u.GetLabels()["n"]
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: tell("+"), UpdateFunc: func(_, o any) { tell("~")(o) }, DeleteFunc: tell("-"),
	})
	check(t, "handler", err)
	factory.Start(ctx.Done())
	defer func() { cancel(); factory.Shutdown() }()
	factory.WaitForCacheSync(ctx.Done())
	items := client.Resource(flunders).Namespace("default")
	u := &unstructured.Unstructured{Object: object{"apiVersion": "wardle.example.com/v1alpha1", "kind": "Flunder", "metadata": object{"name": "followed"}}}
	u, err = items.Create(ctx, u, metav1.CreateOptions{})
	check(t, "create", err)
	stale := u.DeepCopy()
	u.SetLabels(map[string]string{"n": "1"})
	_, err = items.Update(ctx, u, metav1.UpdateOptions{})
	check(t, "update", err)
	stale.SetLabels(map[string]string{"n": "2"})
	_, err = items.Update(ctx, stale, metav1.UpdateOptions{})
	refused(t, "update what is stale", apierrors.IsConflict, err)
	_, err = items.Patch(ctx, "followed", types.MergePatchType, []byte(`{"metadata":{"labels":{"n":"3"}}}`), metav1.PatchOptions{})
	check(t, "patch", err)
	check(t, "delete", items.Delete(ctx, "followed", metav1.DeleteOptions{}))
	late := time.After(patience)
	for _, want := range []string{"+ followed ", "~ followed 1", "~ followed 3", "- followed 3"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-late:
			t.Fatalf("not told: %q", want)
		}
	}
}

// identitiesOf checks by the audit log of sample-apiserver who it thinks has asked, and under which audit ID.
func identitiesOf(t *testing.T, f *front, w *wardle) {
	f.must(t, "create clusterrole flunders --verb=* --resource=flunders.wardle.example.com", "")
	f.must(t, "create clusterrolebinding flunders --clusterrole=flunders --group=dev --group=odd", "")
	extra := rest.ImpersonationConfig{UserName: "Zoë/%", UID: "7", Groups: []string{"odd", "a b"}, Extra: map[string][]string{"example.com/Scope%": {"x", "y"}}}
	for _, c := range []struct {
		name  string
		token string
		as    rest.ImpersonationConfig
		want  authenticationv1.UserInfo
	}{
		{"admin", "admin-token", rest.ImpersonationConfig{}, authenticationv1.UserInfo{Username: "admin", UID: "admin-uid", Groups: []string{"system:masters", "system:authenticated"}}},
		{"alice", "user-token", rest.ImpersonationConfig{}, authenticationv1.UserInfo{Username: "alice", UID: "alice-uid", Groups: []string{"dev", "system:authenticated"}}},
		{"impersonated", "admin-token", extra, authenticationv1.UserInfo{Username: extra.UserName, UID: "7", Groups: []string{"odd", "a b", "system:authenticated"}}},
	} {
		config := f.config(c.token)
		config.Impersonate = c.as
		id := "00000000-1111-4222-8333-" + fmt.Sprintf("%012d", time.Now().UnixNano()%1e12)
		// What a client says of identities is for nobody behind.
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header["X-Remote-User"], r.Header["x-remote-group"], r.Header["X-Remote-Extra-Evil"] = []string{"root"}, []string{"system:masters"}, []string{"1"}
				r.Header.Set("Audit-Id", id)
				return next.RoundTrip(r)
			})
		})
		client, err := dynamic.NewForConfig(config)
		check(t, "client", err)
		_, err = client.Resource(flunders).Namespace("default").List(t.Context(), metav1.ListOptions{})
		check(t, c.name+": list", err)
		eventually(t, c.name+": the audit log", func() error {
			var e audited
			if err := e.find(w.audit, id); err != nil {
				return err
			}
			slices.Sort(e.User.Groups)
			slices.Sort(c.want.Groups)
			if e.User.Username != c.want.Username || e.User.UID != c.want.UID || !slices.Equal(e.User.Groups, c.want.Groups) || e.User.Extra["evil"] != nil {
				t.Errorf("%s: %+v, want %+v", c.name, e.User, c.want)
			}
			if c.as.Extra != nil && !slices.Equal(e.User.Extra["example.com/scope%"], authenticationv1.ExtraValue{"x", "y"}) {
				t.Errorf("%s: extra %q", c.name, e.User.Extra)
			}
			if !slices.Contains(e.SourceIPs, "127.0.0.1") {
				t.Errorf("%s: from %q", c.name, e.SourceIPs)
			}
			return nil
		})
	}
}

// askWardle asks sample-apiserver itself, which asks the server who that is, and whether he may.
func askWardle(t *testing.T, f *front, w *wardle) {
	for _, c := range []struct {
		token string
		code  int
	}{{"admin-token", 200}, {"user-token", 200}, {"nobody", 401}, {"", 403}} {
		a := (&instance{url: w.url, token: c.token}).ask("sample-apiserver")
		code, body, err := a.send(t.Context(), "GET", "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders", nil)
		if err != nil || code != c.code {
			t.Errorf("with token %q: %d %v %v, want %d", c.token, code, err, body["message"], c.code)
		}
	}
	a := (&instance{url: f.url}).ask("the front")
	code, _, err := a.send(t.Context(), "GET", "/apis/wardle.example.com/v1alpha1/flunders", nil)
	if err != nil || code != 403 && code != 401 {
		t.Errorf("a stranger is let through: %d %v", code, err)
	}
}

// endWardle: while it is away its requests are answered with 503 and others as ever, and it is back when it is.
func endWardle(t *testing.T, f *front, w *wardle) {
	check(t, "stop", w.stop())
	a := f.ask("the front")
	answer, err := a.do(t.Context(), "GET", "/apis/wardle.example.com/v1alpha1/flunders", nil)
	check(t, "get", err)
	_ = answer.Body.Close()
	if answer.StatusCode != 503 {
		t.Errorf("while it is away: %s", answer.Status)
	}
	f.run(t, call{"get cm -n kube-system -o name", "", 0, "configmap/extension-apiserver-authentication"})
	check(t, "start", w.start())
	eventually(t, "back", func() error {
		_, err := a.must(t.Context(), "GET", "/apis/wardle.example.com/v1alpha1/flunders", nil)
		return err
	})
}
