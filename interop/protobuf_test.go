package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// TestUpstreamObjects has the tests of internal/kinds read the objects with every field that k8s.io/api
// has in both forms: they must be the same tree, and be written to the same bytes again. It is they
// who know the encoder; only this module knows the objects.
func TestUpstreamObjects(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-count=1", "-run=^TestUpstreamObjects$", "-v", "./internal/kinds")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "APICHAIN_TESTDATA="+filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD"))
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestUpstreamObjects")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestProtobufClient: a client that takes nothing but protobuf is told what one is told that takes
// JSON: an object, a list, a page, a watch, a write, a refusal, metadata alone.
func TestProtobufClient(t *testing.T) {
	s := start(t)
	wire, text := typed(t, content(s.config(t), protobufContent)), typed(t, content(s.config(t), jsonContent))
	ctx := t.Context()
	w, err := wire.AppsV1().Deployments("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	made, err := wire.AppsV1().Deployments("default").Create(ctx, richDeployment("web"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
	want, err2 := text.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
	if err != nil || err2 != nil || !equality.Semantic.DeepEqual(got, want) || !equality.Semantic.DeepEqual(got, made) {
		t.Errorf("%v, %v:\n got %+v\nwant %+v\nmade %+v", err, err2, got, want, made)
	}
	if e, err := next(w); err != nil || e.Type != watch.Added || !equality.Semantic.DeepEqual(e.Object, want) {
		t.Errorf("watch: %v %+v", err, e)
	}
	list, err := wire.AppsV1().Deployments("").List(ctx, metav1.ListOptions{Limit: 1})
	same, err2 := text.AppsV1().Deployments("").List(ctx, metav1.ListOptions{Limit: 1})
	// Only JSON names the kind of an item.
	for i := range same.Items {
		same.Items[i].TypeMeta = metav1.TypeMeta{}
	}
	if err != nil || err2 != nil || len(list.Items) != 1 || !equality.Semantic.DeepEqual(list.Items, same.Items) {
		t.Errorf("list: %v, %v: %+v, want %+v", err, err2, list, same)
	}
	_, err = wire.AppsV1().Deployments("default").Get(ctx, "none", metav1.GetOptions{})
	refused(t, "get of none", apierrors.IsNotFound, err)
	_, err = wire.CoreV1().ConfigMaps("default").Create(ctx, configMap("_", ""), metav1.CreateOptions{})
	refused(t, "bad name", apierrors.IsInvalid, err)
	if status := new(apierrors.StatusError); !errorAs(err, &status) || len(status.ErrStatus.Details.Causes) == 0 {
		t.Errorf("the causes are not there: %v", err)
	}
	check(t, "delete", wire.AppsV1().Deployments("default").Delete(ctx, "web", metav1.DeleteOptions{}))
	partialClient(t, s, content(s.config(t), protobufContent))
}

// errorAs is errors.As for a Status.
func errorAs(err error, to **apierrors.StatusError) bool {
	e, ok := err.(*apierrors.StatusError)
	*to = e
	return ok
}

// partialClient asks for the metadata of objects of a built-in and a custom kind.
func partialClient(t *testing.T, s *server, config *rest.Config) {
	t.Helper()
	install(t, s.config(t), "widgets.yaml")
	client, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []schema.GroupVersionResource{
		{Version: "v1", Resource: "namespaces"},
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	} {
		list, err := client.Resource(r).List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) == 0 || list.Items[0].Name == "" || list.Items[0].Kind != "PartialObjectMetadata" && list.Items[0].Kind != "" {
			t.Errorf("%v: %v %+v", r, err, list)
			continue
		}
		one, err := client.Resource(r).Get(t.Context(), list.Items[0].Name, metav1.GetOptions{})
		if err != nil || one.UID != list.Items[0].UID {
			t.Errorf("%v: %v %+v", r, err, one)
		}
	}
}

// richDeployment has fields of every sort.
func richDeployment(name string) *appsv1.Deployment {
	replicas, labels := int32(2), map[string]string{"app": name}
	port, most := intstr.FromString("http"), intstr.FromString("25%")
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{"b": "<2>", "a": "\"1\"\n"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &most}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, TerminationGracePeriodSeconds: new(int64(30)), SecurityContext: &corev1.PodSecurityContext{},
					Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
					Containers: []corev1.Container{{
						Name: "c", Image: "registry.example.com/c:1", ImagePullPolicy: corev1.PullIfNotPresent, TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
						Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("64Mi")}},
						LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: port, Scheme: "HTTP"}},
							TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3},
						VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
					}},
				},
			},
		},
	}
}

// unmarshaler is what upstream's types in protobuf are.
type unmarshaler interface{ Unmarshal([]byte) error }

// TestProtobufDiscovery: upstream's types read the documents of discovery in protobuf as they do in JSON.
func TestProtobufDiscovery(t *testing.T) {
	s := start(t)
	client := typed(t, s.config(t)).RESTClient()
	const aggregated = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	for _, c := range []struct {
		path, parameters string
		wire, text       unmarshaler
	}{
		{"/api", "", &metav1.APIVersions{}, &metav1.APIVersions{}},
		{"/apis", "", &metav1.APIGroupList{}, &metav1.APIGroupList{}},
		{"/apis/apps", "", &metav1.APIGroup{}, &metav1.APIGroup{}},
		{"/api/v1", "", &metav1.APIResourceList{}, &metav1.APIResourceList{}},
		{"/apis/apps/v1", "", &metav1.APIResourceList{}, &metav1.APIResourceList{}},
		{"/apis", aggregated, &apidiscoveryv2.APIGroupDiscoveryList{}, &apidiscoveryv2.APIGroupDiscoveryList{}},
	} {
		text, err := client.Get().AbsPath(c.path).SetHeader("Accept", jsonContent+c.parameters).DoRaw(t.Context())
		if err == nil {
			err = json.Unmarshal(text, c.text)
		}
		if err != nil {
			t.Fatal(err)
		}
		message, err := client.Get().AbsPath(c.path).SetHeader("Accept", protobufContent+c.parameters).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var envelope runtime.Unknown
		if err = envelope.Unmarshal(bytes.TrimPrefix(message, []byte("k8s\x00"))); err == nil {
			err = c.wire.Unmarshal(envelope.Raw)
		}
		// Protobuf has no kind in the message.
		got, _ := json.Marshal(c.wire)
		want, _ := json.Marshal(c.text)
		if err != nil || !sameDocument(got, want) {
			t.Errorf("%s%s: %v\n got %s\nwant %s", c.path, c.parameters, err, got, want)
		}
	}
}

// sameDocument compares two documents, but for what says their kind.
func sameDocument(a, b []byte) bool {
	var trees [2]map[string]any
	for i, text := range [][]byte{a, b} {
		if json.Unmarshal(text, &trees[i]) != nil {
			return false
		}
		delete(trees[i], "kind")
		delete(trees[i], "apiVersion")
	}
	return equality.Semantic.DeepEqual(trees[0], trees[1])
}
