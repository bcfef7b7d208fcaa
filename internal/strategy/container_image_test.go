package strategy

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestImageTags: the tag of an image as upstream's library reads it, "" for what is no image or has a digest alone.
func TestImageTags(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for image, want := range map[string]string{
		"nginx": "latest", "nginx:latest": "latest", "nginx:1": "1", "nginx:": "", "": "", "a/b": "latest", "a/b:v": "v", "host:5000": "5000",
		"host:5000/a": "latest", "host:5000/a:v": "v", "host:/a": "", "host:x/a": "", "a.b/c": "latest", "A/b": "latest", "A/B": "", "Nginx": "",
		"localhost/a": "latest", "a_b/c__d:v": "v", "a___b": "", "a..b": "", "a--b": "latest", "a-": "", "-a": "", "a/": "", "/a": "", "a//b": "",
		"[::1]:5000/a:v": "v", "[::1]/a": "latest", "[x]/a": "", "a b": "", "a:b c": "", "a:-b": "", "a:b@" + sum: "", "a@sha256:" + sum: "",
		"a:v@sha256:" + sum: "v", "a@sha256:" + sum[1:]: "", "a@md5:" + sum: "", "a@sha256:" + strings.ToUpper(sum): "", "a@": "", sum: "",
		sum + "0":                       "latest",
		"a:" + strings.Repeat("b", 128): strings.Repeat("b", 128), "a:" + strings.Repeat("b", 129): "", strings.Repeat("a", 247): "latest",
		strings.Repeat("a", 248): "", "foo_bar.com/x": "latest", "a.-b/c": "", "index.docker.io/a": "latest", "é": "",
	} {
		if got := imageTag(image); got != want {
			t.Errorf("the tag of %q is %q, want %q", image, got, want)
		}
	}
}

// richPod is a pod with most of what pods usually have, and nothing wrong.
const richPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","labels":{"app":"a"}},"spec":{"serviceAccountName":"s",
 "nodeSelector":{"a":"b"},
 "securityContext":{"runAsUser":1,"seccompProfile":{"type":"RuntimeDefault"}},"tolerations":[{"key":"a","operator":"Exists"}],
 "affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a",
 "labelSelector":{"matchLabels":{"app":"a"}}}]}},
 "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"a","whenUnsatisfiable":"DoNotSchedule",
 "labelSelector":{"matchLabels":{"app":"a"}}}],
 "initContainers":[{"name":"i","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"}]}],
 "containers":[{"name":"c","image":"c:1","ports":[{"name":"http","containerPort":80}],"env":[{"name":"A",
 "value":"1"},{"name":"B","valueFrom":
 {"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"C","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],
 "resources":{"limits":{"cpu":"1","memory":"1Gi"}},
 "volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"c","mountPath":"/c"}],"livenessProbe":{"httpGet":{"port":"http"}},
 "securityContext":{"runAsUser":1}}],
 "volumes":[{"name":"v","emptyDir":{}},{"name":"c","configMap":{"name":"c"}}]}}`

// TestGoodPodsAllocate: to judge a pod in which all is well costs next to no memory.
func TestGoodPodsAllocate(t *testing.T) {
	table := tableForTest(t)
	shape := shapeForTest(t, table, "v1 Pod")
	pod := decodedPod(t, shape, objectForTest(t, richPod), "spec.hostname = null")
	if errs := shape.Validate(pod, nil, false); len(errs) > 0 {
		t.Fatal(errs)
	}
	if n := testing.AllocsPerRun(100, func() { shape.Validate(pod, nil, false) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
	old, _ := tree.Copy(pod).(map[string]any)
	if n := testing.AllocsPerRun(100, func() { shape.Validate(pod, old, false) }); n > 20 {
		t.Errorf("%v allocations of an update", n)
	}
}

// TestSets: a set has what was added, few or many.
func TestSets(t *testing.T) {
	var s set[int]
	for i := range 20 {
		if s.has(i) || s.add(i) || !s.add(i) || !s.has(i) {
			t.Errorf("%d", i)
		}
	}
}
