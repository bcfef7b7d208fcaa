package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestKubectlConfigMaps drives every general command at a built-in kind.
func TestKubectlConfigMaps(t *testing.T) {
	k := newKube(t, start(t))
	const c2 = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c2","namespace":"a","labels":{"app":"y"}},"data":{"k":"1","gone":"soon"}}`
	const c2next = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c2","namespace":"a","labels":{"app":"y"}},"data":{"k":"2"}}`
	t.Run("create", func(t *testing.T) {
		k.run(t,
			call{"get namespaces", "", 0, "NAME STATUS AGE\ndefault Active\nkube-node-lease Active\nkube-public Active\nkube-system Active"},
			call{"create namespace a", "", 0, "namespace/a created"},
			call{"create ns a", "", 1, `Error from server (AlreadyExists): namespaces "a" already exists`},
			call{"create configmap c1 -n a --from-literal=k=v --from-literal=z=before", "", 0, "configmap/c1 created"},
			call{"create configmap c1 -n a", "", 1, `error: failed to create configmap: configmaps "c1" already exists`},
			call{"create configmap c1 -n nowhere", "", 1, `namespaces "nowhere" not found`},
			call{"create cm dry -n a --dry-run=server -o name", "", 0, "configmap/dry"},
			call{"create cm dry -n a --dry-run=client -o yaml", "", 0, "kind: ConfigMap"},
			call{"get cm dry -n a", "", 1, `Error from server (NotFound): configmaps "dry" not found`},
			call{"create -f -", c2, 0, "configmap/c2 created"},
			call{"create -f -", c2, 1, `Error from server (AlreadyExists): error when creating "STDIN": configmaps "c2" already exists`},
			call{"create -f - -n b", c2, 1, "the namespace from the provided object \"a\" does not match the namespace \"b\""},
			call{"create -n a -f -", strings.Replace(c2, `"name":"c2"`, `"name":"No_Name"`, 1), 1, `The ConfigMap "No_Name" is invalid: metadata.name: Invalid value: "No_Name":`},
			call{"create -n a -f -", strings.Replace(c2, `"data"`, `"unk":1,"data"`, 1), 1, `strict decoding error: unknown field "unk"`},
			call{"create -n a -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\ndata: 7\n", 1, "Error from server (BadRequest)"},
			call{"create -n a -f - -o name", strings.Replace(c2, `"name":"c2"`, `"generateName":"gen-"`, 1), 0, "configmap/gen-"},
			call{"create --validate=false -f -", "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1, namespace: a}, data: {num: '2'}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l2, namespace: a}, data: {num: '1'}}\n", 0, "configmap/l1 created\nconfigmap/l2 created"},
			call{"create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m1, namespace: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m2, namespace: a}\n", 0, "configmap/m1 created\nconfigmap/m2 created"},
			call{"create --raw /api/v1/namespaces/a/configmaps -f -", strings.Replace(c2, "c2", "raw", 1), 0, `"name":"raw"`},
		)
	})
	t.Run("get", func(t *testing.T) {
		k.run(t,
			call{"get cm c1 -n a", "", 0, "NAME DATA AGE\nc1 2"},
			call{"get configmaps -n a", "", 0, "c1 2\nc2 2\nkube-root-ca.crt 1"},
			call{"get cm c1 -n a -o name", "", 0, "configmap/c1"},
			call{"get cm c1 -n a -o json", "", 0, `"kind": "ConfigMap"` + "\n" + `"apiVersion": "v1"` + "\n" + `"k": "v"` + "\n" + `"uid": "` + "\n!managedFields"},
			call{"get cm c1 -n a -o yaml", "", 0, "kind: ConfigMap\napiVersion: v1\nk: v\nname: c1\nnamespace: a"},
			call{"get cm -n a -o yaml", "", 0, "kind: List\nname: c2"},
			call{"get cm c1 -n a -o wide", "", 0, "NAME DATA AGE\nc1 2"},
			call{"get cm c1 -n a -o jsonpath={.data.k}", "", 0, "v"},
			call{"get cm -n a -o 'jsonpath={range .items[*]}{.metadata.name}{\";\"}{end}'", "", 0, "c1;c2;gen-\nkube-root-ca.crt;l1;l2;m1;m2;raw;"},
			call{"get cm c1 -n a -o jsonpath-as-json={.data}", "", 0, `"k": "v"`},
			call{"get cm c1 -n a -o custom-columns=N:.metadata.name,K:.data.k,X:.data.x", "", 0, "N K X\nc1 v <none>"},
			call{"get cm c1 -n a -o 'go-template={{.data.k}}-{{.metadata.name}}'", "", 0, "v-c1"},
			call{"get cm l1 l2 -n a --sort-by=.data.num -o custom-columns=N:.metadata.name --no-headers", "", 0, "l2\nl1\n!NAME"},
			call{"get cm -n a --sort-by=.metadata.name", "", 0, "NAME DATA AGE\nc1 2"},
			call{"get cm -n a --chunk-size=2 -v=6", "", 0, "limit=2\ncontinue=\nc1 2\nkube-root-ca.crt 1\nraw 2"},
			call{"get cm -n a -l app=y", "", 0, "c2 2\n!c1 2"},
			call{"get cm -n a -l 'app in (x,y),app!=x'", "", 0, "c2 2\n!c1 2"},
			call{"get cm -n a -l !app", "", 0, "c1 2\n!c2 2"},
			call{"get cm -n a -l 'app in'", "", 1, "Error from server (BadRequest)\nunable to parse requirement"},
			call{"get cm -n a --field-selector metadata.name=c1", "", 0, "c1 2\n!c2 2"},
			call{"get cm -n a --field-selector data.k=v", "", 1, "Error from server (BadRequest)\ndata.k"},
			call{"get cm c2 -n a --show-labels", "", 0, "NAME DATA AGE LABELS\napp=y"},
			call{"get cm c2 -n a -L app", "", 0, "NAME DATA AGE APP"},
			call{"get cm -A", "", 0, "NAMESPACE NAME DATA AGE\na c1 2\nkube-system kube-root-ca.crt 1"},
			call{"get cm,ns -n a", "", 0, "configmap/c1 2\nnamespace/a Active"},
			call{"get cm/c1 ns/a -n a", "", 0, "configmap/c1 2\nnamespace/a Active"},
			call{"get -f -", c2, 0, "c2 2"},
			call{"get cm -n none", "", 0, "No resources found in none namespace."},
			call{"get cm nope -n a", "", 1, `Error from server (NotFound): configmaps "nope" not found`},
			call{"get cm nope -n a --ignore-not-found", "", 0, "!nope"},
			call{"get nosuch", "", 1, `error: the server doesn't have a resource type "nosuch"`},
			call{"get --raw /api/v1/namespaces/a/configmaps/c1", "", 0, `"name":"c1"`},
			call{"describe cm c1 -n a", "", 0, "Name: c1\nNamespace: a\nData\n====\nk:\nEvents: <none>"},
			call{"describe cm -n a -l app=y", "", 0, "Name: c2\nLabels: app=y\n!Name: c1"},
			call{"describe ns a", "", 0, "Name: a\nLabels: kubernetes.io/metadata.name=a\nStatus: Active"},
		)
		if names := k.must(t, "get cm l1 l2 -n a --sort-by=.data.num -o jsonpath={.items[*].metadata.name}", ""); names != "l2 l1" {
			t.Errorf("sorted by data: %s", names)
		}
	})
	t.Run("change", func(t *testing.T) {
		k.run(t,
			call{"edit cm c1 -n a", "", 0, "configmap/c1 edited"},
			call{"get cm c1 -n a -o jsonpath={.data.z}", "", 0, "after"},
			call{"edit cm c1 -n a", "", 0, "Edit cancelled, no changes made."},
			call{"label cm c1 -n a app=x", "", 0, "configmap/c1 labeled"},
			call{"label cm c1 -n a app=z", "", 1, "already has a value (x), and --overwrite is false"},
			call{"label cm c1 -n a app=z --overwrite", "", 0, "configmap/c1 labeled"},
			call{"label cm c1 -n a --list", "", 0, "app=z"},
			call{"label cm c1 -n a app-", "", 0, "configmap/c1 unlabeled"},
			call{"label cm c1 -n a app-", "", 0, "label \"app\" not found."},
			call{"annotate cm c1 -n a note='of all sorts'", "", 0, "configmap/c1 annotated"},
			call{"annotate cm c1 -n a note-", "", 0, "configmap/c1 annotated"},
			call{`patch cm c1 -n a -p '{"data":{"k":"w"}}'`, "", 0, "configmap/c1 patched"},
			call{`patch cm c1 -n a -p '{"data":{"k":"w"}}'`, "", 0, "configmap/c1 patched (no change)"},
			call{`patch cm c1 -n a --type=merge -p '{"data":{"k":null,"m":"1"}}' -o jsonpath={.data}`, "", 0, `"m":"1"` + "\n" + `!"k"`},
			call{`patch cm c1 -n a --type=json -p '[{"op":"replace","path":"/data/m","value":"q"}]' -o jsonpath={.data.m}`, "", 0, "q"},
			call{`patch cm c1 -n a --type=json -p '[{"op":"test","path":"/data/m","value":"no"}]'`, "", 1, "The request is invalid: the server rejected our request due to an error in our request"},
			call{`patch cm nope -n a -p {}`, "", 1, `configmaps "nope" not found`},
			call{`patch cm c1 -n a -p '{"metadata":{"resourceVersion":"1"}}'`, "", 1, `Error from server (Conflict): Operation cannot be fulfilled on configmaps "c1": the object has been modified; please apply your changes to the latest version and try again`},
			call{"replace -f -", c2next, 0, "configmap/c2 replaced"},
			call{"get cm c2 -n a -o jsonpath={.data}", "", 0, `{"k":"2"}`},
			call{"replace -f -", strings.Replace(c2next, "c2", "c99", 1), 1, `Error from server (NotFound): error when replacing "STDIN": configmaps "c99" not found`},
			call{"replace --force -f -", c2, 0, "configmap/c2 replaced"},
			call{`patch cm l1 -n a -p '{"immutable":true}'`, "", 0, "configmap/l1 patched"},
			call{`patch cm l1 -n a -p '{"data":{"num":"9"}}'`, "", 1, "field is immutable when `immutable` is set"},
			call{"wait cm/c2 -n a --for=jsonpath={.data.k}=1 --timeout=5s", "", 0, "configmap/c2 condition met"},
			call{"wait cm/c2 -n a --for=create --timeout=5s", "", 0, "configmap/c2 condition met"},
			call{"wait cm/c2 -n a --for=jsonpath={.data.k}=never --timeout=1s", "", 1, "error: timed out waiting for the condition on configmaps/c2"},
			call{"wait cm/nope -n a --for=delete --timeout=5s", "", 0, ""},
		)
	})
	t.Run("apply", func(t *testing.T) {
		a1 := strings.Replace(c2, "c2", "a1", 1)
		a1next := strings.Replace(c2next, "c2", "a1", 1)
		k.run(t,
			call{"diff -f -", a1, 1, "+ name: a1\n+ k: \"1\""},
			call{"apply -f -", a1, 0, "configmap/a1 created"},
			call{"apply -f -", a1, 0, "configmap/a1 unchanged"},
			call{"diff -f -", a1, 0, "!a1"},
			call{"diff -f -", a1next, 1, "- gone: soon\n- k: \"1\"\n+ k: \"2\""},
			call{"apply -f - --dry-run=server", a1next, 0, "configmap/a1 configured (server dry run)"},
			call{"apply -f - --dry-run=client", a1next, 0, "configmap/a1 configured (dry run)"},
			call{"get cm a1 -n a -o jsonpath={.data.k}", "", 0, "1"},
			call{"apply -f -", a1next, 0, "configmap/a1 configured"},
			call{"get cm a1 -n a -o jsonpath={.data}", "", 0, `{"k":"2"}`},
			call{"apply view-last-applied cm a1 -n a", "", 0, `k: "2"`},
			call{"apply set-last-applied -f -", a1, 0, "configmap/a1 configured"},
			call{"apply -f - -n a --prune -l app=y --prune-allowlist=core/v1/ConfigMap", strings.Replace(c2, "c2", "a2", 1), 0, "configmap/a2 created\nconfigmap/a1 pruned"},
			call{"apply --server-side -f -", a1, 0, "configmap/a1 serverside-applied"},
		)
	})
	t.Run("delete", func(t *testing.T) {
		k.run(t,
			call{"delete cm c1 -n a --dry-run=server", "", 0, `configmap "c1" deleted from a namespace (server dry run)`},
			call{"delete cm c1 -n a", "", 0, `configmap "c1" deleted`},
			call{"delete cm c1 -n a", "", 1, `Error from server (NotFound): configmaps "c1" not found`},
			call{"delete cm c1 -n a --ignore-not-found", "", 0, ""},
			call{"delete -f -", c2, 0, `configmap "c2" deleted`},
			call{"delete --raw /api/v1/namespaces/a/configmaps/raw", "", 0, `"status":"Success"`},
			call{"delete cm -n a -l app=y", "", 0, `configmap "a2" deleted`},
			call{"delete cm l1 l2 -n a --wait=false --grace-period=1", "", 0, `configmap "l1" deleted` + "\n" + `configmap "l2" deleted`},
			call{"delete cm m1 -n a --cascade=foreground", "", 0, `configmap "m1" deleted`},
			call{"delete cm m2 -n a --cascade=orphan --now", "", 0, `configmap "m2" deleted`},
			call{"delete cm --all -n a", "", 0, `configmap "kube-root-ca.crt" deleted`},
			call{"wait cm/kube-root-ca.crt -n a --for=create --timeout=10s", "", 0, "condition met"},
			call{"delete ns a", "", 0, `namespace "a" deleted`},
			call{"get ns a", "", 1, `namespaces "a" not found`},
			call{"get cm -n a", "", 0, "No resources found"},
		)
	})
}

// TestKubectlGenerators makes one object of each built-in kind that kubectl has a
// generator for, and the other kinds from manifests, and reads them back as tables.
func TestKubectlGenerators(t *testing.T) {
	s := start(t)
	k := newKube(t, s)
	certificate, key := keyPair(t)
	k.write(t, "tls.crt", certificate)
	k.write(t, "tls.key", key)
	k.write(t, "file.txt", "of a file\n")
	k.write(t, "env.txt", "E1=one\nE2=two\n")
	k.must(t, "create ns a", "")
	k.must(t, "config set-context --current --namespace=a", "")
	t.Run("files", func(t *testing.T) {
		k.run(t,
			call{"create cm from-file --from-file=$DIR/file.txt --from-file=other=$DIR/file.txt", "", 0, "configmap/from-file created"},
			call{"create cm from-env --from-env-file=$DIR/env.txt", "", 0, "configmap/from-env created"},
			call{"create secret generic g --from-literal=p=w --from-file=$DIR/file.txt", "", 0, "secret/g created"},
			call{"create secret generic typed --type=example.com/mine --from-literal=p=w", "", 0, "secret/typed created"},
			call{"create secret tls t --cert=$DIR/tls.crt --key=$DIR/tls.key", "", 0, "secret/t created"},
			call{"create secret docker-registry d --docker-username=u --docker-password=p --docker-email=e@example.com", "", 0, "secret/d created"},
			call{"get cm from-file -o 'go-template={{index .data \"file.txt\"}}'", "", 0, "of a file"},
			call{"get cm from-env -o jsonpath={.data}", "", 0, `"E1":"one"`},
			call{"get secrets", "", 0, "NAME TYPE DATA AGE\ng Opaque 2\nt kubernetes.io/tls 2\nd kubernetes.io/dockerconfigjson 1\ntyped example.com/mine 1"},
			call{"get secret g -o jsonpath={.data.p}", "", 0, "dw=="},
			call{"get secrets --field-selector type=kubernetes.io/tls", "", 0, "t kubernetes.io/tls\n!Opaque"},
			call{"describe secret g", "", 0, "Name: g\nType: Opaque\np: 1 bytes"},
			call{"apply -f -", "apiVersion: v1\nkind: Secret\nmetadata: {name: plain}\nstringData: {a: b}\n", 0, "secret/plain created"},
			call{"get secret plain -o jsonpath={.data.a}{.stringData}", "", 0, "Yg==\n!b"},
		)
	})
	t.Run("services", func(t *testing.T) {
		k.run(t,
			call{"create service clusterip ip --tcp=80:8080", "", 0, "service/ip created"},
			call{"create service clusterip headless --clusterip=None", "", 0, "service/headless created"},
			call{"create service nodeport np --tcp=80 --node-port=30080", "", 0, "service/np created"},
			call{"create service externalname en --external-name=example.com", "", 0, "service/en created"},
			call{"create service loadbalancer lb --tcp=443", "", 0, "service/lb created"},
			call{"expose service ip --name=exposed --port=81", "", 0, "service/exposed exposed"},
			call{"get svc", "", 0, "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE\nip ClusterIP\n80/TCP\nheadless ClusterIP None\nnp NodePort\n80:30080/TCP\nen ExternalName <none> example.com <none>\nlb LoadBalancer"},
			call{"get svc ip -o wide", "", 0, "AGE SELECTOR\napp=ip"},
			call{"get svc ip -o jsonpath={.spec.ports[0].targetPort},{.spec.ports[0].protocol},{.spec.sessionAffinity}", "", 0, "8080,TCP,None"},
			call{"get svc exposed -o jsonpath={.spec.ports[0].targetPort}", "", 0, "81"},
			call{"describe svc ip", "", 0, "Name: ip\nSelector: app=ip\nType: ClusterIP\nTargetPort: 8080/TCP"},
			call{`patch svc ip -p '{"spec":{"ports":[{"name":"b","port":90}]}}' -o jsonpath={.spec.ports[*].port}`, "", 0, "90 80"},
			call{"set selector svc ip app=other", "", 0, "service/ip selector updated"},
			call{"get all", "", 0, "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE\nip ClusterIP"},
			call{"get svc,endpoints kubernetes -n default", "", 0, "service/kubernetes ClusterIP\nNAME ENDPOINTS AGE\nendpoints/kubernetes 127.0.0.1:"},
		)
	})
	t.Run("manifests", func(t *testing.T) {
		uid := k.must(t, "get cm from-env -o jsonpath={.metadata.uid}", "")
		manifests := strings.ReplaceAll(manifests, "$UID", uid)
		k.run(t,
			call{"apply -f -", manifests, 0, "endpoints/e created\nnode/n1 created\nlease.coordination.k8s.io/l created\nevent/ev created\nevent.events.k8s.io/ev2 created\napiservice.apiregistration.k8s.io/v1.remote.example.com created"},
			call{"apply -f -", manifests, 0, "endpoints/e configured\nnode/n1 unchanged\nlease.coordination.k8s.io/l unchanged"},
			call{"diff -f -", manifests, 0, ""},
			call{"get endpoints e", "", 0, "NAME ENDPOINTS AGE\ne 10.0.0.1:80"},
			call{"get nodes", "", 0, "NAME STATUS ROLES AGE VERSION\nn1 Ready worker"},
			call{"get nodes -o wide", "", 0, "INTERNAL-IP EXTERNAL-IP OS-IMAGE"},
			call{"cordon n1", "", 0, "node/n1 cordoned"},
			call{"get node n1", "", 0, "n1 Ready,SchedulingDisabled worker"},
			call{"uncordon n1", "", 0, "node/n1 uncordoned"},
			call{"taint node n1 a=b:NoSchedule", "", 0, "node/n1 tainted"},
			call{"taint node n1 a-", "", 0, "node/n1 untainted"},
			call{`patch node n1 --subresource=status -p '{"status":{"conditions":[{"type":"Ready","status":"False"}]}}'`, "", 0, "node/n1 patched"},
			call{`get node n1 -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status},{.status.conditions[?(@.type=="Disk")].status}'`, "", 0, "False,False"},
			call{"get leases", "", 0, "NAME HOLDER AGE\nl me"},
			call{"describe lease l", "", 0, "Name: l\nHolder Identity: me"},
			call{"get events", "", 0, "LAST SEEN TYPE REASON OBJECT MESSAGE\nNormal Tested configmap/from-env of a test"},
			call{"events", "", 0, "LAST SEEN TYPE REASON OBJECT MESSAGE\nNormal Tested ConfigMap/from-env of a test"},
			call{"events --for=configmap/from-env --types=Normal", "", 0, "of a test\n!second note"},
			call{"get events --field-selector involvedObject.name=from-env,reason=Tested", "", 0, "of a test"},
			call{"get events.events.k8s.io", "", 0, "Normal Tested configmap/from-env of a test\nsecond note"},
			call{"get events.events.k8s.io ev -o jsonpath={.note},{.regarding.name}", "", 0, "of a test,from-env"},
			call{"describe cm from-env", "", 0, "Events:\nNormal Tested"},
			call{"get apiservices", "", 0, "NAME SERVICE AVAILABLE AGE"},
			call{"delete -f -", manifests, 0, "deleted"},
		)
	})
}

// TestKubectlIdentity: service accounts, their tokens, and who may what.
func TestKubectlIdentity(t *testing.T) {
	k := newKube(t, start(t))
	k.run(t,
		call{"create ns a", "", 0, ""},
		call{"create serviceaccount robot -n a", "", 0, "serviceaccount/robot created"},
		call{"get sa -n a", "", 0, "NAME AGE\ndefault\nrobot"},
		call{"describe sa robot -n a", "", 0, "Name: robot"},
		call{"create token nobody -n a", "", 1, `error: failed to create token: serviceaccounts "nobody" not found`},
		call{"create token robot -n a --duration=1h -o jsonpath={.kind}", "", 0, "TokenRequest"},
		call{"auth whoami", "", 0, "ATTRIBUTE VALUE\nUsername cluster-admin\nsystem:masters system:authenticated"},
		call{"auth whoami -o json", "", 0, `"kind": "SelfSubjectReview"` + "\n" + `"username": "cluster-admin"`},
		call{"auth whoami --as=alice --as-group=dev", "", 0, "Username alice\ndev"},
		call{"auth can-i create configmaps", "", 0, "yes"},
		call{"auth can-i '*' '*' -A", "", 0, "yes"},
		call{"auth can-i get /healthz", "", 0, "yes"},
		call{"auth can-i create cm --as=alice", "", 1, "no"},
		call{"auth can-i get /livez --as=alice", "", 0, "yes"},
		call{"auth can-i get cm/c1 --subresource=status -n a", "", 0, "yes"},
		call{"auth can-i --list", "", 0, "Resources Non-Resource URLs Resource Names Verbs\n*.* [] [] [*]\n[*] [] [*]"},
		call{"auth can-i --list --as=alice", "", 0, "/livez\n!*.*"},
		call{"get cm --as=alice", "", 1, `Error from server (Forbidden): configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" in the namespace "default"`},
	)
	// Without OpenAPI v2, kubectl cannot validate kinds that take no PATCH.
	token := k.must(t, "create token robot -n a", "")
	k.run(t,
		call{"auth whoami --token=" + token, "", 0, "Username system:serviceaccount:a:robot\nsystem:serviceaccounts system:serviceaccounts:a system:authenticated"},
		call{"get cm -n a --token=" + token, "", 1, `User "system:serviceaccount:a:robot" cannot list resource "configmaps"`},
		call{"auth whoami --token=" + token + "x", "", 1, "error: You must be logged in to the server (Unauthorized)"},
		call{"create --validate=false -f - -o jsonpath={.status.user.username}", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"` + token + `"}}`, 0, "system:serviceaccount:a:robot"},
		call{"create --validate=false -f - -o jsonpath={.status.authenticated}", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"x"}}`, 0, "!true"},
		call{"create --validate=false -f - -o jsonpath={.status.allowed}", `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"alice","resourceAttributes":{"verb":"get","resource":"configmaps"}}}`, 0, "false"},
		call{"create --validate=false -f - -o jsonpath={.status.allowed}", `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"alice","groups":["system:masters"],"resourceAttributes":{"verb":"get","resource":"configmaps"}}}`, 0, "true"},
		call{"create --validate=false -f - -n a -o jsonpath={.status.allowed}", `{"apiVersion":"authorization.k8s.io/v1","kind":"LocalSubjectAccessReview","metadata":{"namespace":"a"},"spec":{"user":"alice","resourceAttributes":{"namespace":"a","verb":"get","resource":"configmaps"}}}`, 0, "false"},
	)
}

// TestKubectlDiscovery: the documents that tell what is served.
func TestKubectlDiscovery(t *testing.T) {
	k := newKube(t, start(t))
	k.run(t,
		call{"api-versions", "", 0, "apiextensions.k8s.io/v1\napiregistration.k8s.io/v1\nauthentication.k8s.io/v1\nauthorization.k8s.io/v1\ncoordination.k8s.io/v1\nevents.k8s.io/v1\nv1"},
		call{"api-resources", "", 0, "NAME SHORTNAMES APIVERSION NAMESPACED KIND\nconfigmaps cm v1 true ConfigMap\nnamespaces ns v1 false Namespace\nserviceaccounts sa v1 true ServiceAccount\nservices svc v1 true Service\nendpoints ep v1 true Endpoints\nnodes no v1 false Node\nevents ev v1 true Event\nevents ev events.k8s.io/v1 true Event\n" +
			"leases coordination.k8s.io/v1 true Lease\ncustomresourcedefinitions crd,crds apiextensions.k8s.io/v1 false CustomResourceDefinition\napiservices apiregistration.k8s.io/v1 false APIService\ntokenreviews authentication.k8s.io/v1 false TokenReview\nselfsubjectreviews authentication.k8s.io/v1 false SelfSubjectReview\n" +
			"localsubjectaccessreviews authorization.k8s.io/v1 true LocalSubjectAccessReview\nselfsubjectrulesreviews authorization.k8s.io/v1 false SelfSubjectRulesReview"},
		call{"api-resources -o name --api-group=coordination.k8s.io", "", 0, "leases.coordination.k8s.io\n!configmaps"},
		call{"api-resources --namespaced=false", "", 0, "nodes no\n!configmaps"},
		call{"api-resources --verbs=list,watch -o wide", "", 0, "VERBS CATEGORIES\ncreate,delete,deletecollection,get,list,patch,update,watch\n!tokenreviews"},
		call{"api-resources --categories=all", "", 0, "services svc\n!configmaps"},
		call{"api-resources --sort-by=kind", "", 0, "configmaps"},
		call{"explain configmap", "", 0, "KIND: ConfigMap\nVERSION: v1\nFIELDS:\nbinaryData <map[string]string>\ndata <map[string]string>\nimmutable <boolean>\nmetadata <ObjectMeta>"},
		call{"explain cm.metadata.ownerReferences", "", 0, "FIELD: ownerReferences <[]OwnerReference>\nblockOwnerDeletion <boolean>\nuid <string> -required-"},
		call{"explain service.spec.ports", "", 0, "FIELD: ports <[]ServicePort>\nport <integer> -required-\ntargetPort <IntOrString>"},
		call{"explain lease.spec --recursive", "", 0, "GROUP: coordination.k8s.io\nholderIdentity <string>"},
		call{"explain events --api-version=events.k8s.io/v1", "", 0, "GROUP: events.k8s.io\nnote <string>"},
		call{"explain crd.spec.versions", "", 0, "additionalPrinterColumns <[]CustomResourceColumnDefinition>"},
		call{"explain cm.nope", "", 1, `field "nope" does not exist`},
		call{"cluster-info", "", 0, "is running at"},
		call{"get --raw /openapi/v3", "", 0, `"serverRelativeURL":"/openapi/v3/api/v1?hash=`},
	)
}

// keyPair is a certificate that signs itself, and its key.
func keyPair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// manifests has an object of each kind without a generator; $UID is of a config map that
// exists.
const manifests = `
apiVersion: v1
kind: Endpoints
metadata: {name: e, namespace: a}
subsets:
- addresses: [{ip: 10.0.0.1}]
  ports: [{port: 80}]
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {node-role.kubernetes.io/worker: ""}
status:
  conditions:
  - {type: Disk, status: "False"}
  - {type: Ready, status: "True"}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: l, namespace: a}
spec: {holderIdentity: me, leaseDurationSeconds: 15, renewTime: "2026-01-02T03:04:05.000000Z"}
---
apiVersion: v1
kind: Event
metadata: {name: ev, namespace: a}
involvedObject: {apiVersion: v1, kind: ConfigMap, name: from-env, namespace: a, uid: $UID}
type: Normal
reason: Tested
message: of a test
count: 1
firstTimestamp: "2026-01-02T03:04:05Z"
lastTimestamp: "2026-01-02T03:04:05Z"
source: {component: interop}
---
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: ev2, namespace: a}
regarding: {apiVersion: v1, kind: ConfigMap, name: from-file, namespace: a}
type: Normal
reason: Tested
note: second note
action: Test
eventTime: "2026-01-02T03:04:05.000000Z"
reportingController: example.com/interop
reportingInstance: one
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.remote.example.com}
spec:
  group: remote.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: remote, namespace: a}
`
