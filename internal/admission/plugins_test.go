package admission

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/tree"
)

const accountOfTests = `{"metadata":{"name":"default","namespace":"ns"},"imagePullSecrets":[{"name":"pull"}],"secrets":[{"name":"mine"}]}`

// TestAccountIsAwaited: the account default may come a moment later; any other, and one that never
// comes, is missing. Nobody waits longer than the client.
func TestAccountIsAwaited(t *testing.T) {
	const missing = `pods "p" is forbidden: error looking up service account ns/default: serviceaccount "default" not found`
	for _, c := range []struct {
		name        string
		after, gone time.Duration
		want        string
		took        time.Duration
	}{
		{"default", 200 * time.Millisecond, time.Minute, "", 200 * time.Millisecond},
		{"default", time.Hour, time.Minute, missing, time.Second},
		{"default", time.Hour, 100 * time.Millisecond, missing, 100 * time.Millisecond},
		{"other", time.Hour, time.Minute, strings.ReplaceAll(missing, "default", "other"), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newAsked(t, Config{})
			timer := time.AfterFunc(c.after, func() { k.put(t, "serviceaccounts", accountOfTests) })
			defer timer.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), c.gone)
			defer cancel()
			start := time.Now()
			a := api.Admission{Operation: api.OperationCreate, Resource: resourceOf("pods"), Namespace: "ns", Name: "p", Scope: k.writer,
				Object: parsed(t, pod(`,"serviceAccountName":"`+c.name+`"`))}
			err := k.chain.setAccount(ctx, a)
			if got := errorText(err); got != c.want {
				t.Errorf("%s after %v: %s, want %s", c.name, c.after, got, c.want)
			}
			if took := time.Since(start); took < c.took || took > c.took+2*accountPoll {
				t.Errorf("%s after %v took %v", c.name, c.after, took)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestMountedToken: each container gets the token once, of one volume, and nothing is mounted twice.
func TestMountedToken(t *testing.T) {
	k := newAsked(t, Config{Disabled: []string{"PodSecurity"}})
	k.put(t, "serviceaccounts", accountOfTests)
	for _, c := range []struct{ more, mounts, volumes string }{
		{`,"initContainers":[{"name":"i"}]`, "i c", "kube-api-access-"},
		{`,"volumes":[{"name":"kube-api-access-mine","emptyDir":{}}]`, "c", "kube-api-access-mine"},
		{`,"initContainers":[{"name":"i","volumeMounts":[{"name":"x","mountPath":"` + tokenPath + `"}]}]`, "c", "kube-api-access-"},
		{`,"automountServiceAccountToken":false`, "", ""},
	} {
		obj, wrong := k.write("pods", pod(c.more), "")
		var mounts []string
		for _, v := range slices.Concat(tree.List(obj, "spec", "initContainers"), tree.List(obj, "spec", "containers")) {
			for _, m := range tree.List(v, "volumeMounts") {
				if strings.HasPrefix(tree.Text(m, "name"), "kube-api-access-") {
					mounts = append(mounts, tree.Text(v, "name"))
				}
			}
		}
		volumes := tree.List(obj, "spec", "volumes")
		if wrong != "" || strings.Join(mounts, " ") != c.mounts || len(volumes) > 1 || c.volumes != "" && !strings.HasPrefix(tree.Text(volumes[0], "name"), c.volumes) {
			t.Errorf("%s: %s, %v, %s", c.more, wrong, mounts, text(volumes))
		}
		if got := text(tree.At(obj, "spec", "imagePullSecrets")); got != `[{"name":"pull"}]` {
			t.Errorf("%s: %s", c.more, got)
		}
	}
}

// TestEphemeralSecrets: what upstream says there is a failure, not a refusal.
func TestEphemeralSecrets(t *testing.T) {
	k := newAsked(t, Config{})
	k.put(t, "serviceaccounts", strings.Replace(accountOfTests, `"name":"default",`, `"name":"default","annotations":{"kubernetes.io/enforce-mountable-secrets":"true"},`, 1))
	k.put(t, "namespaces", `{"metadata":{"name":"ns"}}`)
	with := func(secret string) string {
		return pod(`,"serviceAccountName":"default","ephemeralContainers":[{"name":"e","envFrom":[{"secretRef":{"name":"` + secret + `"}}]}]`)
	}
	if _, got := k.write("pods/ephemeralcontainers", with("mine"), pod("")); got != "" {
		t.Error(got)
	}
	a := api.Admission{Operation: api.OperationUpdate, Resource: resourceOf("pods"), Subresource: "ephemeralcontainers", Namespace: "ns", Name: "p",
		Object: parsed(t, with("yours")), Old: parsed(t, pod("")), Scope: k.writer}
	var e *status.Error
	if err := k.chain.checkEphemeral(t.Context(), a); !errors.As(err, &e) || e.Code != 500 ||
		e.Message != `ephemeral container e with envFrom referencing secret.secretName="yours" is not allowed because service account default does not reference that secret` {
		t.Errorf("%v", err)
	}
}

// TestUsedSecrets: wherever a pod may name one.
func TestUsedSecrets(t *testing.T) {
	for spec, want := range map[string]bool{
		`{}`: false,
		`{"volumes":[{"name":"a","configMap":{"name":"m"}}]}`:                                         false,
		`{"volumes":[{"secret":{"secretName":"s"}}]}`:                                                 true,
		`{"volumes":[{"secret":{"secretName":""}}]}`:                                                  false,
		`{"volumes":[{"projected":{"sources":[{"secret":{"name":"s"}}]}}]}`:                           true,
		`{"volumes":[{"csi":{"nodePublishSecretRef":{"name":"s"}}}]}`:                                 true,
		`{"volumes":[{"rbd":{"secretRef":{"name":"s"}}}]}`:                                            true,
		`{"imagePullSecrets":[{"name":"s"}]}`:                                                         true,
		`{"imagePullSecrets":[{}]}`:                                                                   false,
		`{"containers":[{"env":[{"name":"a","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]}`: true,
		`{"initContainers":[{"envFrom":[{"secretRef":{"name":"s"}}]}]}`:                               true,
	} {
		if got := usesSecrets(parsed(t, spec)); got != want {
			t.Errorf("%s: %v", spec, got)
		}
	}
}

// TestTopology: a pod has the labels that say where its node is, be it bound by a binding.
func TestTopology(t *testing.T) {
	k := newAsked(t, Config{Disabled: []string{"ServiceAccount", "PodSecurity"}})
	k.put(t, "nodes", `{"metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r","other":"o"}}}`)
	for _, c := range []struct{ resource, obj, want string }{
		{"pods", pod(`,"nodeName":"n"`), `{"topology.kubernetes.io/region":"r","topology.kubernetes.io/zone":"z"}`},
		{"pods", pod(`,"nodeName":"none"`), `null`},
		{"pods", pod(``), `null`},
		{"pods/binding", `{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}`, `{"topology.kubernetes.io/region":"r","topology.kubernetes.io/zone":"z"}`},
		{"pods/binding", `{"metadata":{"name":"p"},"target":{"kind":"Pod","name":"n"}}`, `null`},
	} {
		obj, wrong := k.write(c.resource, c.obj, "")
		if got := text(tree.At(obj, "metadata", "labels")); wrong != "" || got != c.want {
			t.Errorf("%s %s: %s %s", c.resource, c.obj, wrong, got)
		}
	}
}

// TestResize: a pod that is resized stays within its node, which is one of Linux.
func TestResize(t *testing.T) {
	k := newAsked(t, Config{Disabled: []string{"PodSecurity"}})
	k.put(t, "nodes", `{"metadata":{"name":"n"},"status":{"allocatable":{"cpu":"2","memory":"1Gi"}}}`)
	k.put(t, "nodes", `{"metadata":{"name":"w","labels":{"kubernetes.io/os":"windows"}}}`)
	resized := func(node, cpu, memory, generation string) string {
		return `{"metadata":{"name":"p","generation":` + generation + `},"spec":{"nodeName":"` + node + `","containers":[{"name":"c","resources":{"requests":{"cpu":"` + cpu + `","memory":"` + memory + `"}}}]}}`
	}
	for _, c := range []struct{ node, cpu, memory, generation, want string }{
		{"n", "2", "1Gi", "2", ""},
		{"n", "3", "2Gi", "1", ""},
		{"", "3", "2Gi", "2", ""},
		{"n", "2001m", "2Gi", "2", `pods "p" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2001, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824`},
		{"w", "1", "1", "2", `pods "p" is forbidden: pod resize is only supported on linux nodes, node "w" is "windows"`},
		{"none", "1", "1", "2", `pods "p" is forbidden: node "none" not found`},
	} {
		if _, got := k.write("pods/resize", resized(c.node, c.cpu, c.memory, c.generation), resized(c.node, "1", "1", "1")); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestDefaultClass: the newest that is marked, of one second the first by name.
func TestDefaultClass(t *testing.T) {
	class := func(name, at, note, value string) string {
		return `{"metadata":{"name":"` + name + `","creationTimestamp":"2026-01-01T00:00:0` + at + `Z","annotations":{"` + note + `":"` + value + `"}}}`
	}
	k := newAsked(t, Config{})
	claim := func(more string) string { return `{"metadata":{"name":"c"` + more + `}` }
	said := func(obj string) string {
		got, wrong := k.write("persistentvolumeclaims", obj, "")
		return wrong + text(tree.At(got, "spec", "storageClassName"))
	}
	if got := said(claim("") + `,"spec":{}}`); got != `null` {
		t.Error(got)
	}
	k.put(t, "storageclasses.storage.k8s.io", class("b", "1", defaultStorageNote, "true"))
	k.put(t, "storageclasses.storage.k8s.io", class("a", "1", defaultStorageBetaNote, "true"))
	k.put(t, "storageclasses.storage.k8s.io", class("z", "0", defaultStorageNote, "true"))
	k.put(t, "storageclasses.storage.k8s.io", class("y", "9", defaultStorageNote, "false"))
	for obj, want := range map[string]string{
		claim("") + `}`: `"a"`,
		claim("") + `,"spec":{"storageClassName":""}}`:                                      `""`,
		claim("") + `,"spec":{"storageClassName":"z"}}`:                                     `"z"`,
		claim(`,"annotations":{"volume.beta.kubernetes.io/storage-class":""}`) + `}`:        `null`,
		claim(`,"annotations":{"volume.beta.kubernetes.io/other":""}`) + `,"spec":{"a":1}}`: `"a"`,
	} {
		if got := said(obj); got != want {
			t.Errorf("%s: %s, want %s", obj, got, want)
		}
	}
}

// TestMergedTolerations: what another one covers is left out, of equal ones the first stays.
func TestMergedTolerations(t *testing.T) {
	for given, want := range map[string]string{
		`[{"key":"a","operator":"Exists"},{"key":"a","operator":"Exists"}]`:                                                                                       "0",
		`[{"key":"a","operator":"Equal","value":"v"},{"key":"a","operator":"Exists"}]`:                                                                            "1",
		`[{"operator":"Exists"},{"key":"a","operator":"Equal","value":"v","effect":"NoSchedule"}]`:                                                                "0",
		`[{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":5},{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":6}]`: "1",
		`[{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":5},{"key":"a","operator":"Exists","effect":"NoExecute"}]`:                       "1",
		`[{"key":"a","operator":"Equal","value":"v"},{"key":"a","operator":"Equal","value":"w"},{"key":"b","operator":"Exists"}]`:                                 "0 1 2",
		`[{"key":"a","operator":"Exists","effect":"NoSchedule"},{"key":"a","operator":"Exists","effect":"NoExecute"},{"key":"a","operator":"Exists"}]`:            "2",
		`[{"key":"a","operator":"Odd"},{"key":"a","operator":"Equal","value":"v"}]`:                                                                               "0 1",
	} {
		all := tree.List(parsed(t, `{"l":`+given+`}`), "l")
		var which []string
		for _, m := range mergeTolerations(all) {
			which = append(which, string(rune('0'+slices.IndexFunc(all, func(v any) bool { return tree.Equal(v, m) }))))
		}
		if got := strings.Join(which, " "); got != want {
			t.Errorf("%s: %s stay, want %s", given, got, want)
		}
	}
}

// request returns a request for a certificate of an organization as an object has it.
func certificateRequest(t *testing.T, organization string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{Organization: []string{organization}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestCertificates: who writes for a signer must be allowed to, by its name or its domain, and nobody
// becomes a master.
func TestCertificates(t *testing.T) {
	const requests, bundles = "certificatesigningrequests.certificates.k8s.io", "clustertrustbundles.certificates.k8s.io"
	csr := func(signer, more string) string {
		return `{"metadata":{"name":"r"},"spec":{"signerName":"` + signer + `"` + more + `}}`
	}
	signed := func(signer, certificate string) string {
		return strings.TrimSuffix(csr(signer, ""), "}") + `,"status":{"certificate":"` + certificate + `"}}`
	}
	for _, c := range []struct{ user, resource, obj, old, want string }{
		{"approver", requests + "/approval", csr("x", ""), csr("example.com/a", ""), ""},
		{"approver", requests + "/approval", csr("example.com/a", ""), csr("example.com/b", ""), `user not permitted to approve requests with signerName "example.com/b"`},
		{"signer", requests + "/approval", csr("example.com/a", ""), csr("example.com/a", ""), `user not permitted to approve requests with signerName "example.com/a"`},
		{"signer", requests + "/status", signed("example.com/b", "c"), csr("example.com/b", ""), ""},
		{"alice", requests + "/status", signed("example.com/b", "c"), signed("example.com/b", "c"), ""},
		{"alice", requests + "/status", signed("example.com/b", "d"), signed("example.com/b", "c"), `user not permitted to sign requests with signerName "example.com/b"`},
		{"alice", requests, csr(clientSigner, `,"request":"`+certificateRequest(t, "dev")+`"`), "", ""},
		{"alice", requests, csr("example.com/a", `,"request":"`+certificateRequest(t, "system:masters")+`"`), "", ""},
		{"alice", requests, csr(clientSigner, `,"request":"`+certificateRequest(t, "system:masters")+`"`), "",
			"use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"},
		{"alice", requests, csr(clientSigner, `,"request":"bm8="`), "", "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST"},
		{"alice", bundles, csr("", ""), "", ""},
		{"attester", bundles, csr("example.com/a", ""), "", ""},
		{"alice", bundles, csr("example.com/a", ""), "", `user not permitted to attest for signerName "example.com/a"`},
		{"alice", bundles, strings.Replace(csr("example.com/a", ""), `"name"`, `"finalizers":["x/y"],"name"`, 1), csr("example.com/a", ""), ""},
		{"alice", bundles, csr("example.com/a", `,"trustBundle":"t"`), csr("example.com/a", ""), `user not permitted to attest for signerName "example.com/a"`},
	} {
		k := newAsked(t, Config{})
		k.user.Name = c.user
		if c.want != "" {
			name, _, _ := strings.Cut(c.resource, "/")
			c.want = name + ` "r" is forbidden: ` + c.want
		}
		if _, got := k.write(c.resource, c.obj, c.old); got != c.want {
			t.Errorf("%s writes %s: %s, want %s", c.user, c.resource, got, c.want)
		}
	}
}

// TestQuotaOfChanges: a change uses what it adds, and what is taken back is counted by somebody else.
func TestQuotaOfChanges(t *testing.T) {
	const quota = `{"metadata":{"name":"q","namespace":"ns"},"status":{"hard":{"services.nodeports":"3","requests.storage":"5Gi","requests.cpu":"2","pods":"9"},"used":{"services.nodeports":"1","requests.storage":"2Gi","requests.cpu":"1","pods":"1"}}}`
	service := func(typ, more string) string {
		return `{"metadata":{"name":"s"},"spec":{"type":"` + typ + `","ports":[{"port":1},{"port":2}` + more + `]}}`
	}
	claim := func(size, has string) string {
		return `{"metadata":{"name":"c"},"spec":{"resources":{"requests":{"storage":"` + size + `"}}},"status":{"allocatedResources":{"storage":"` + has + `"}}}`
	}
	cpu := func(n, more string) string {
		return `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"` + n + `"}}}]` + more + `}}`
	}
	for _, c := range []struct{ resource, obj, old, used, want string }{
		{"services", service("NodePort", ""), service("ClusterIP", ""), `"services.nodeports":"3"`, ""},
		{"services", service("ClusterIP", ""), service("NodePort", ""), `"services.nodeports":"1"`, ""},
		{"services", service("NodePort", `,{"port":3}`), service("ClusterIP", ""), "", `services "s" is forbidden: exceeded quota: q, requested: services.nodeports=3, used: services.nodeports=1, limited: services.nodeports=3`},
		{"persistentvolumeclaims/status", claim("1Gi", "9Gi"), claim("1Gi", "1Gi"), `"requests.storage":"10Gi"`, ""},
		{"persistentvolumeclaims/status", claim("1Gi", "9Gi"), claim("1Gi", "9Gi"), `"requests.storage":"2Gi"`, ""},
		{"pods/resize", cpu("2", ""), cpu("1", ""), `"requests.cpu":"2"`, ""},
		{"pods/resize", cpu("3", ""), cpu("1", ""), "", `pods "p" is forbidden: exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=1, limited: requests.cpu=2`},
		{"pods", cpu("2", ""), cpu("1", ""), `"requests.cpu":"1"`, ""},
		{"pods", cpu("2", `,"activeDeadlineSeconds":1`), cpu("1", ""), `"requests.cpu":"2"`, ""},
	} {
		k := newAsked(t, Config{Disabled: []string{"PodSecurity", "LimitRanger", "PodResizeValidator", "PersistentVolumeClaimResize"}})
		k.put(t, "resourcequotas", quota)
		_, got := k.write(c.resource, c.obj, c.old)
		used := text(tree.At(k.Get("resourcequotas", "ns", "q"), "status", "used"))
		if got != c.want || !strings.Contains(used, c.used) {
			t.Errorf("%s %s: %s\nwant %s, used %s", c.resource, c.obj, got, c.want, used)
		}
	}
}

// TestPodUsage: what a pod counts as: with what it holds while it is resized, not when it has ended.
func TestPodUsage(t *testing.T) {
	const spec = `"spec":{"overhead":{"cpu":"100m"},"containers":[{"name":"c","resources":{"requests":{"cpu":"1","hugepages-2Mi":"4Mi","x.io/gpu":"1"},"limits":{"cpu":"2"}}}],
		"initContainers":[{"name":"side","restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}},{"name":"first","resources":{"requests":{"cpu":"5","memory":"1Gi"}}}]}`
	for _, c := range []struct{ status, want string }{
		{`"status":{}`,
			"cpu=6100m,hugepages-2Mi=4Mi,limits.cpu=2100m,memory=1Gi,pods=1,requests.cpu=6100m,requests.hugepages-2Mi=4Mi,requests.memory=1Gi,requests.x.io/gpu=1"},
		{`"status":{"containerStatuses":[{"name":"c","resources":{"requests":{"cpu":"9"}}}]}`,
			"cpu=10100m,hugepages-2Mi=4Mi,limits.cpu=2100m,memory=1Gi,pods=1,requests.cpu=10100m,requests.hugepages-2Mi=4Mi,requests.memory=1Gi,requests.x.io/gpu=1"},
		{`"status":{"phase":"Succeeded"}`, ""},
		{`"status":{"phase":"Running","conditions":[{"type":"PodResizePending","reason":"Infeasible"}],"containerStatuses":[{"name":"c","allocatedResources":{"cpu":"1"}},{"name":"first","allocatedResources":{"cpu":"2"}},{"name":"side","allocatedResources":{"cpu":"1"}}]}`,
			"cpu=3100m,pods=1,requests.cpu=3100m"},
	} {
		if got := podUsage(parsed(t, `{`+spec+`,`+c.status+`}`)).String(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.status, got, c.want)
		}
	}
	deleted := parsed(t, `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":30}}`)
	at := time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC)
	if podEnded(deleted, at) || !podEnded(deleted, at.Add(time.Second)) {
		t.Error("a deleted pod counts too long, or not long enough")
	}
}

// TestScopes: which pods and claims a quota is for.
func TestScopes(t *testing.T) {
	for _, c := range []struct {
		resource, obj, scope string
		want                 bool
	}{
		{"pods", pod(""), `"scopes":["BestEffort","NotTerminating"]`, true},
		{"pods", pod(""), `"scopes":["NotBestEffort"]`, false},
		{"pods", pod(`,"resources":{"limits":{"cpu":"1"}}`), `"scopes":["NotBestEffort"]`, true},
		{"pods", pod(`,"priorityClassName":"a"`), `"scopes":["PriorityClass"]`, true},
		{"pods", pod(``), `"scopes":["PriorityClass"]`, false},
		{"pods", pod(`,"priorityClassName":"a"`), `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn","values":["a"]}]}`, false},
		{"pods", pod(``), `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn","values":["a"]}]}`, true},
		{"pods", pod(``), `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"DoesNotExist"}]}`, true},
		{"pods", pod(`,"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":{"namespaceSelector":{}}}]}}`), `"scopes":["CrossNamespacePodAffinity"]`, true},
		{"pods", pod(""), `"scopes":["VolumeAttributesClass"]`, false},
		{"persistentvolumeclaims", `{"status":{"currentVolumeAttributesClassName":"v"}}`, `"scopes":["VolumeAttributesClass"]`, true},
		{"persistentvolumeclaims", `{}`, `"scopes":["VolumeAttributesClass"]`, false},
		{"persistentvolumeclaims", `{"spec":{"volumeAttributesClassName":"w"}}`, `"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"In","values":["v"]}]}`, false},
		{"services", `{}`, `"scopes":["BestEffort"]`, false},
		{"services", `{}`, `"hard":{}`, true},
	} {
		if got := inScopes(c.resource, parsed(t, c.obj), parsed(t, `{"spec":{`+c.scope+`}}`)); got != c.want {
			t.Errorf("%s %s in %s: %v", c.resource, c.obj, c.scope, got)
		}
	}
}

// TestCountedNames: which names of a quota a resource uses.
func TestCountedNames(t *testing.T) {
	hard := amounts{}
	for name := range strings.FieldsSeq(`pods count/pods cpu limits.cpu requests.cpu requests.limits.cpu hugepages-2Mi requests.hugepages-1Gi requests.x.io/gpu limits.x.io/gpu requests.kubernetes.io/x
		requests.storage gold.storageclass.storage.k8s.io/requests.storage gold.storageclass.storage.k8s.io/pods persistentvolumeclaims services services.nodeports count/widgets.example.com
		gpu.deviceclass.resource.k8s.io/devices configmaps`) {
		hard[name] = one
	}
	for resource, want := range map[string]string{
		"pods":                           "count/pods cpu hugepages-2Mi limits.cpu pods requests.cpu requests.hugepages-1Gi requests.x.io/gpu",
		"persistentvolumeclaims":         "gold.storageclass.storage.k8s.io/requests.storage persistentvolumeclaims requests.storage",
		"services":                       "services services.nodeports",
		"widgets.example.com":            "count/widgets.example.com",
		"resourceclaims.resource.k8s.io": "gpu.deviceclass.resource.k8s.io/devices",
		"configmaps":                     "configmaps",
		"secrets":                        "",
	} {
		if got := strings.Join(countedNames(resource, hard), " "); got != want {
			t.Errorf("%s uses %s, want %s", resource, got, want)
		}
	}
	devices := parsed(t, `{"spec":{"devices":{"requests":[{"exactly":{"deviceClassName":"a","allocationMode":"ExactCount","count":2}},
		{"exactly":{"deviceClassName":"b","allocationMode":"All"}},{"firstAvailable":[{"deviceClassName":"a","count":3},{"deviceClassName":"c","count":1}]}]}}}`)
	if got := deviceUsage(devices).String(); got != "a.deviceclass.resource.k8s.io/devices=5,b.deviceclass.resource.k8s.io/devices=32,c.deviceclass.resource.k8s.io/devices=1" {
		t.Error(got)
	}
}
