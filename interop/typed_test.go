package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"
)

// config is how Go clients reach the TLS listener as cluster-admin.
func (s *server) config(t *testing.T) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c.QPS = -1 // no limit of the client's own
	c.UserAgent = "interop/1"
	return c
}

// content is c with bodies and answers of this type; "" leaves it to the client, and typed clients
// prefer protobuf.
func content(c *rest.Config, contentType string) *rest.Config {
	c = rest.CopyConfig(c)
	if c.ContentType = contentType; contentType != "" {
		c.AcceptContentTypes = contentType
	}
	return c
}

const (
	jsonContent     = "application/json"
	protobufContent = "application/vnd.kubernetes.protobuf"
)

func typed(t *testing.T, c *rest.Config) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// definitions creates a custom kind, changes it and deletes it.
func definitions(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := apiextensions.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, crds := t.Context(), client.ApiextensionsV1().CustomResourceDefinitions()
	sent := definition(t, "widgets.yaml")
	made, err := crds.Create(ctx, sent, metav1.CreateOptions{})
	if !check(t, "definition", err) {
		return
	}
	if got, want := made.Spec.Versions[0].Schema, sent.Spec.Versions[0].Schema; !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("schema: %+v, want %+v", got, want)
	}
	made.Spec.Names.Categories = append(made.Spec.Names.Categories, "more")
	// The server may have written conditions since.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := crds.Get(ctx, made.Name, metav1.GetOptions{})
		if err == nil {
			made.ResourceVersion = current.ResourceVersion
			_, err = crds.Update(ctx, made, metav1.UpdateOptions{})
		}
		return err
	})
	check(t, "update definition", err)
	check(t, "delete definition", crds.Delete(ctx, made.Name, metav1.DeleteOptions{}))
	gone(t, func(ctx context.Context) error { _, err := crds.Get(ctx, made.Name, metav1.GetOptions{}); return err })
}

// definition is the custom kind of a file in testdata.
func definition(t *testing.T, file string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	b, err := os.ReadFile(testdata(t, file))
	if err == nil {
		err = yaml.UnmarshalStrict(b, crd)
	}
	if err != nil {
		t.Fatal(err)
	}
	return crd
}

// install creates the custom kind of a file in testdata.
func install(t *testing.T, c *rest.Config, file string) {
	t.Helper()
	client, err := apiextensions.NewForConfig(content(c, jsonContent))
	if err == nil {
		_, err = client.ApiextensionsV1().CustomResourceDefinitions().Create(t.Context(), definition(t, file), metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check reports what went wrong without ending the test, and whether nothing did.
func check(t *testing.T, what string, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return err == nil
}

// refused reports if err is not what the predicate of apierrors names.
func refused(t *testing.T, what string, is func(error) bool, err error) {
	t.Helper()
	if !is(err) {
		t.Errorf("%s: %v", what, err)
	}
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "x"}}, Data: map[string]string{"k": value}}
}

// TestTyped: the verbs of the typed clientsets, with bodies in JSON and in protobuf.
func TestTyped(t *testing.T) {
	s := start(t)
	for name, contentType := range map[string]string{"default": "", "json": jsonContent, "protobuf": protobufContent} {
		t.Run(name, func(t *testing.T) {
			config := content(s.config(t), contentType)
			ctx, client := t.Context(), typed(t, config)
			name := "in-" + name
			_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			verbs(t, client, name)
			kinds(t, client, name)
			reviews(t, client, name)
			definitions(t, config)
			namespaces(t, client, name)
		})
	}
}

// verbs does everything that can be done to config maps, beside a watch.
func verbs(t *testing.T, client *kubernetes.Clientset, namespace string) {
	ctx, maps := t.Context(), client.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "app=x"})
	if err != nil || list.ResourceVersion == "" || len(list.Items) != 0 {
		t.Fatalf("list: %+v %v", list, err)
	}
	w, err := maps.Watch(ctx, metav1.ListOptions{LabelSelector: "app=x", ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	created, err := maps.Create(ctx, configMap("one", "1"), metav1.CreateOptions{FieldManager: "interop"})
	if err != nil {
		t.Fatal(err)
	}
	if created.UID == "" || created.CreationTimestamp.IsZero() || created.ResourceVersion == "" || created.Namespace != namespace {
		t.Errorf("created: %+v", created.ObjectMeta)
	}
	_, err = maps.Create(ctx, configMap("one", "1"), metav1.CreateOptions{})
	refused(t, "create again", apierrors.IsAlreadyExists, err)
	dry, err := maps.Create(ctx, configMap("dry", "1"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if check(t, "dry run", err) && (dry.UID == "" || dry.ResourceVersion != "") {
		t.Errorf("dry run: %+v", dry.ObjectMeta)
	}
	_, err = maps.Get(ctx, "dry", metav1.GetOptions{})
	refused(t, "get after a dry run", apierrors.IsNotFound, err)

	changed := created.DeepCopy()
	changed.Data["k"] = "2"
	updated, err := maps.Update(ctx, changed, metav1.UpdateOptions{})
	if check(t, "update", err) && (updated.UID != created.UID || updated.ResourceVersion == created.ResourceVersion || updated.Data["k"] != "2") {
		t.Errorf("updated: %+v", updated)
	}
	same, err := maps.Update(ctx, updated.DeepCopy(), metav1.UpdateOptions{})
	if check(t, "update without a change", err) && same.ResourceVersion != updated.ResourceVersion {
		t.Errorf("an update without a change wrote: %s %s", updated.ResourceVersion, same.ResourceVersion)
	}
	changed.Data["k"] = "stale"
	_, err = maps.Update(ctx, changed, metav1.UpdateOptions{})
	refused(t, "stale update", apierrors.IsConflict, err)
	_, err = maps.Update(ctx, configMap("absent", ""), metav1.UpdateOptions{})
	refused(t, "update of what is not there", apierrors.IsNotFound, err)

	for _, p := range []struct {
		kind  types.PatchType
		patch string
	}{
		{types.JSONPatchType, `[{"op":"replace","path":"/data/k","value":"3"}]`},
		{types.MergePatchType, `{"data":{"k":"4","gone":null}}`},
		{types.StrategicMergePatchType, `{"data":{"k":"5"},"metadata":{"annotations":{"a":"b"}}}`},
	} {
		patched, err := maps.Patch(ctx, "one", p.kind, []byte(p.patch), metav1.PatchOptions{})
		if check(t, string(p.kind), err) {
			changed = patched
		}
	}
	if changed.Data["k"] != "5" || changed.Annotations["a"] != "b" {
		t.Errorf("patched: %+v", changed)
	}
	wrong, right := types.UID("wrong"), created.UID
	err = maps.Delete(ctx, "one", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}})
	refused(t, "delete of another uid", apierrors.IsConflict, err)
	err = maps.Delete(ctx, "one", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &right}})
	check(t, "delete", err)
	err = maps.Delete(ctx, "one", metav1.DeleteOptions{})
	refused(t, "delete again", apierrors.IsNotFound, err)

	seen := ""
	for _, want := range []watch.EventType{watch.Added, watch.Modified, watch.Modified, watch.Modified, watch.Modified, watch.Deleted} {
		e, err := next(w)
		if err != nil || e.Type != want {
			t.Fatalf("watch: %v %+v, want %s", err, e, want)
		}
		seen += e.Object.(*corev1.ConfigMap).Data["k"]
	}
	if seen != "123455" {
		t.Errorf("the watch saw the values %s", seen)
	}
	names := map[string]bool{}
	for range 20 {
		m := configMap("", "n")
		m.GenerateName = "many-"
		made, err := maps.Create(ctx, m, metav1.CreateOptions{})
		if check(t, "create with generateName", err) {
			names[made.Name] = true
		}
	}
	if len(names) != 20 {
		t.Errorf("%d generated names", len(names))
	}
	pages(t, func(o metav1.ListOptions) (*corev1.ConfigMapList, error) { return maps.List(ctx, o) }, 20)
	check(t, "deletecollection", maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=x"}))
	if list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "app=x"}); err != nil || len(list.Items) != 0 {
		t.Errorf("after deletecollection: %d %v", len(list.Items), err)
	}
}

// next is a watch's next event that is no bookmark.
func next(w watch.Interface) (watch.Event, error) {
	timeout := time.After(patience)
	for {
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return e, io.EOF
			}
			if e.Type != watch.Bookmark {
				return e, nil
			}
		case <-timeout:
			return watch.Event{}, errors.New("no event")
		}
	}
}

// pages reads a list of want items three at a time, and it must be of one revision.
func pages(t *testing.T, list func(metav1.ListOptions) (*corev1.ConfigMapList, error), want int) {
	t.Helper()
	o, n, revision := metav1.ListOptions{LabelSelector: "app=x", Limit: 3}, 0, ""
	for {
		page, err := list(o)
		if !check(t, "page", err) {
			return
		}
		if revision == "" {
			revision = page.ResourceVersion
		}
		if n += len(page.Items); page.ResourceVersion != revision || len(page.Items) > 3 {
			t.Errorf("page of %d at %s, want %s", len(page.Items), page.ResourceVersion, revision)
		}
		if o.Continue = page.Continue; o.Continue == "" {
			break
		}
	}
	if n != want {
		t.Errorf("%d items over pages, want %d", n, want)
	}
}

// kinds creates one object of each built-in kind, changes it, its status where it has one,
// and deletes it.
func kinds(t *testing.T, client *kubernetes.Clientset, namespace string) {
	ctx, create, update := t.Context(), metav1.CreateOptions{}, metav1.UpdateOptions{}
	core := client.CoreV1()
	object := metav1.ObjectMeta{Name: "a", Labels: map[string]string{"l": "1"}}
	now := metav1.NewMicroTime(time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC))

	secret, err := core.Secrets(namespace).Create(ctx, &corev1.Secret{ObjectMeta: object, Data: map[string][]byte{"bin": {0, 1, 255}}, StringData: map[string]string{"text": "t"}}, create)
	if check(t, "secret", err) && (secret.Type != corev1.SecretTypeOpaque || string(secret.Data["bin"]) != "\x00\x01\xff" || string(secret.Data["text"]) != "t") {
		t.Errorf("secret: %+v", secret)
	}
	binary, err := core.ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: object, BinaryData: map[string][]byte{"bin": {0, 255}}}, create)
	if check(t, "binary data", err) && string(binary.BinaryData["bin"]) != "\x00\xff" {
		t.Errorf("binary data: %+v", binary)
	}
	account, err := core.ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: object, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "s"}}}, create)
	if check(t, "service account", err) && len(account.ImagePullSecrets) != 1 {
		t.Errorf("service account: %+v", account)
	}
	service, err := core.Services(namespace).Create(ctx, &corev1.Service{ObjectMeta: object, Spec: corev1.ServiceSpec{Selector: map[string]string{"a": "b"}, Ports: []corev1.ServicePort{{Port: 80}}}}, create)
	if check(t, "service", err) {
		if p := service.Spec.Ports[0]; service.Spec.Type != corev1.ServiceTypeClusterIP || service.Spec.SessionAffinity != corev1.ServiceAffinityNone || p.Protocol != corev1.ProtocolTCP || p.TargetPort.IntValue() != 80 {
			t.Errorf("service: %+v", service.Spec)
		}
		service.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Tested", LastTransitionTime: metav1.Now()}}
		service.Spec.Selector = nil
		service, err = core.Services(namespace).UpdateStatus(ctx, service, update)
		if check(t, "service status", err) && (len(service.Status.Conditions) != 1 || service.Spec.Selector == nil) {
			t.Errorf("service status: %+v", service)
		}
	}
	_, err = core.Endpoints(namespace).Create(ctx, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Subsets: []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "10.0.0.1"}}, Ports: []corev1.EndpointPort{{Port: 1}}}}}, create)
	check(t, "endpoints", err)
	node, err := core.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + namespace}}, create)
	if check(t, "node", err) {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		_, err = core.Nodes().UpdateStatus(ctx, node, update)
		check(t, "node status", err)
		check(t, "delete node", core.Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{}))
	}
	event, err := core.Events(namespace).Create(ctx, &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e1"}, InvolvedObject: corev1.ObjectReference{Kind: "ConfigMap", Namespace: namespace, Name: "a"}, Reason: "R", Message: "m", Type: "Normal"}, create)
	if check(t, "event", err) {
		event.Count = 2
		_, err = core.Events(namespace).Update(ctx, event, update)
		check(t, "update event", err)
	}
	_, err = client.EventsV1().Events(namespace).Create(ctx, &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e2"}, Regarding: corev1.ObjectReference{Kind: "ConfigMap", Namespace: namespace, Name: "a"}, EventTime: now,
		Reason: "R", Note: "m", Type: "Normal", Action: "A", ReportingController: "c/d", ReportingInstance: "i"}, create)
	check(t, "event of events.k8s.io", err)
	events, err := core.Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=a,reason=R"})
	if check(t, "events", err) && len(events.Items) != 2 {
		t.Errorf("%d events in the core group", len(events.Items))
	}
	regarding, err := client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "regarding.name=a"})
	if check(t, "events of events.k8s.io", err) && (len(regarding.Items) != 2 || regarding.Items[0].Note != "m") {
		t.Errorf("events of events.k8s.io: %+v", regarding.Items)
	}
	holder, seconds := "me", int32(15)
	lease, err := client.CoordinationV1().Leases(namespace).Create(ctx, &coordinationv1.Lease{ObjectMeta: object, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now}}, create)
	if check(t, "lease", err) && (!lease.Spec.RenewTime.Equal(&now) || *lease.Spec.HolderIdentity != holder) {
		t.Errorf("lease: %+v", lease.Spec)
	}
}

// reviews asks the reviews, which are answered and not kept.
func reviews(t *testing.T, client *kubernetes.Clientset, namespace string) {
	ctx, create := t.Context(), metav1.CreateOptions{}
	seconds := int64(3600)
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "a", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, create)
	if !check(t, "token", err) {
		return
	}
	if left := time.Until(token.Status.ExpirationTimestamp.Time); left < 50*time.Minute || left > 70*time.Minute {
		t.Errorf("the token lives for %s", left)
	}
	user := fmt.Sprintf("system:serviceaccount:%s:a", namespace)
	review, err := client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}, create)
	if check(t, "token review", err) && (!review.Status.Authenticated || review.Status.User.Username != user) {
		t.Errorf("token review: %+v", review.Status)
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, create)
	if check(t, "who am I", err) && self.Status.UserInfo.Username != "cluster-admin" {
		t.Errorf("who am I: %+v", self.Status)
	}
	get := &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Resource: "configmaps"}
	may, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: get}}, create)
	if check(t, "may I", err) && !may.Status.Allowed {
		t.Errorf("may I: %+v", may.Status)
	}
	subject, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: get}}, create)
	if check(t, "may it", err) && subject.Status.Allowed {
		t.Errorf("may it: %+v", subject.Status)
	}
	local, err := client.AuthorizationV1().LocalSubjectAccessReviews(namespace).Create(ctx, &authorizationv1.LocalSubjectAccessReview{ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: get}}, create)
	if check(t, "may it here", err) && local.Status.Allowed {
		t.Errorf("may it here: %+v", local.Status)
	}
	rules, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, create)
	if check(t, "what may I", err) && len(rules.Status.ResourceRules) == 0 {
		t.Errorf("what may I: %+v", rules.Status)
	}
}

// namespaces deletes the namespace, which first holds a finalizer of ours, and everything
// in it.
func namespaces(t *testing.T, client *kubernetes.Clientset, name string) {
	ctx, all := t.Context(), client.CoreV1().Namespaces()
	n, err := all.Get(ctx, name, metav1.GetOptions{})
	if !check(t, "get namespace", err) {
		return
	}
	if n.Status.Phase != corev1.NamespaceActive || len(n.Spec.Finalizers) != 1 || n.Labels["kubernetes.io/metadata.name"] != name {
		t.Errorf("namespace: %+v", n)
	}
	n.Spec.Finalizers = append(n.Spec.Finalizers, "example.com/ours")
	n, err = all.Finalize(ctx, n, metav1.UpdateOptions{})
	check(t, "put finalizer", err)
	check(t, "delete namespace", all.Delete(ctx, name, metav1.DeleteOptions{}))
	_, err = client.CoreV1().ConfigMaps(name).Create(ctx, configMap("late", ""), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("create in a namespace that is deleted: %v", err)
	}
	eventually(t, "the namespace is not emptied", func() error {
		if n, err = all.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		if len(n.Spec.Finalizers) != 1 {
			return fmt.Errorf("finalizers %v", n.Spec.Finalizers)
		}
		return nil
	})
	if n.Status.Phase != corev1.NamespaceTerminating || n.Spec.Finalizers[0] != "example.com/ours" {
		t.Errorf("namespace that is deleted: %+v", n)
	}
	n.Spec.Finalizers = nil
	_, err = all.Finalize(ctx, n, metav1.UpdateOptions{})
	check(t, "take finalizer", err)
	gone(t, func(ctx context.Context) error { _, err := all.Get(ctx, name, metav1.GetOptions{}); return err })
	list, err := client.CoreV1().Secrets(name).List(ctx, metav1.ListOptions{})
	if check(t, "list", err) && len(list.Items) != 0 {
		t.Errorf("%d secrets are left", len(list.Items))
	}
}

// gone waits until get says that there is nothing.
func gone(t *testing.T, get func(context.Context) error) {
	t.Helper()
	eventually(t, "it is still there", func() error {
		switch err := get(t.Context()); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return errors.New("found")
	})
}

// TestOwners: what a delete does to dependents, by policy.
func TestOwners(t *testing.T) {
	s := start(t)
	client := typed(t, s.config(t))
	ctx, maps := t.Context(), client.CoreV1().ConfigMaps("default")
	get := func(name string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := maps.Get(ctx, name, metav1.GetOptions{}); return err }
	}
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		t.Run(string(policy), func(t *testing.T) {
			owner, err := maps.Create(ctx, configMap("owner", ""), metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			block := true
			child := configMap("child", "")
			child.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID, BlockOwnerDeletion: &block}}
			child.Finalizers = []string{"example.com/hold"}
			if child, err = maps.Create(ctx, child, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			check(t, "delete", maps.Delete(ctx, "owner", metav1.DeleteOptions{PropagationPolicy: &policy}))
			if policy == metav1.DeletePropagationForeground {
				eventually(t, "the child is not deleted", func() error {
					if child, err = maps.Get(ctx, "child", metav1.GetOptions{}); err == nil && child.DeletionTimestamp == nil {
						err = errors.New("no deletionTimestamp")
					}
					return err
				})
				// The child holds on, and so does its owner.
				owner, err = maps.Get(ctx, "owner", metav1.GetOptions{})
				if check(t, "owner", err) && (owner.DeletionTimestamp == nil || owner.Finalizers[0] != metav1.FinalizerDeleteDependents) {
					t.Errorf("owner: %+v", owner.ObjectMeta)
				}
			} else {
				gone(t, get("owner"))
			}
			_, err = maps.Patch(ctx, "child", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			check(t, "let go", err)
			if policy == metav1.DeletePropagationOrphan {
				child, err = maps.Get(ctx, "child", metav1.GetOptions{})
				if check(t, "orphan", err) && (len(child.OwnerReferences) != 0 || child.DeletionTimestamp != nil) {
					t.Errorf("orphan: %+v", child.ObjectMeta)
				}
				check(t, "delete orphan", maps.Delete(ctx, "child", metav1.DeleteOptions{}))
			}
			gone(t, get("child"))
			gone(t, get("owner"))
		})
	}
	t.Run("absent", func(t *testing.T) {
		child := configMap("stray", "")
		child.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "never", UID: "8c1f3e0a-0000-4000-8000-000000000000"}}
		_, err := maps.Create(ctx, child, metav1.CreateOptions{})
		check(t, "create", err)
		gone(t, get("stray"))
	})
}
