package webhook

import (
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// shown returns of a review what a row says: the operation, the kind, the resource, the name, the namespace, the options, and what is
// in the object and the old one, without what is different each time.
func shown(review map[string]any) string {
	r := tree.Object(review, "request")
	object := func(name string) string {
		obj := tree.Object(r, name)
		if obj == nil {
			return "null"
		}
		for _, f := range [...]string{"uid", "creationTimestamp", "resourceVersion"} {
			if tree.Text(obj, "metadata", f) != "" {
				tree.Set(obj, "*", "metadata", f)
			}
		}
		delete(obj, "spec")
		delete(tree.Object(obj, "metadata"), "annotations")
		delete(tree.Object(obj, "metadata"), "managedFields") // TestReviewsHaveOwners
		return string(tree.AppendJSON(nil, obj))
	}
	options := tree.Object(r, "options")
	if tree.Text(options, "preconditions", "uid") != "" {
		tree.Set(options, "*", "preconditions", "uid")
	}
	said := "null"
	if options != nil {
		said = tree.Text(options, "kind")
		delete(options, "kind")
		delete(options, "apiVersion")
		if len(options) > 0 {
			said += string(tree.AppendJSON(nil, options))
		}
	}
	plural := tree.Text(r, "resource", "resource")
	if sub := tree.Text(r, "subResource"); sub != "" {
		plural += "/" + sub
	}
	return strings.Join([]string{tree.Text(r, "operation"), plural, tree.Text(r, "kind", "kind"), "name=" + tree.Text(r, "name"), "ns=" + tree.Text(r, "namespace"), said,
		object("object"), object("oldObject")}, " ")
}

// TestReviews: what webhooks are sent about each kind of write. The rows were compared with kube-apiserver's reviews.
func TestReviews(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.Must(201, "POST", "/api/v1/nodes", `{"metadata":{"name":"n"}}`)
	rules := `"rules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"],"scope":"*"}],"namespaceSelector":{"matchLabels":{"runlevel":"0"}}`
	s.configure("Mutating", "forms", s.hookOf("m", "ok", rules))
	s.configure("Validating", "forms", s.hookOf("v", "ok", rules))
	const pods = "/api/v1/namespaces/default/pods"
	const deployments = "/apis/apps/v1/namespaces/default/deployments"
	const system = `"metadata":{"creationTimestamp":"*","name":"a","namespace":"default","resourceVersion":"*","uid":"*"}`
	for _, c := range []struct {
		what, method, path, body string
		code                     int
		mutating, validating     string
	}{
		{"create", "POST", apitest.MapsPath + "?fieldManager=fm&fieldValidation=Strict", `{"metadata":{"name":"a","uid":"x"}}`, 201,
			`CREATE configmaps ConfigMap name=a ns=default CreateOptions{"fieldManager":"fm","fieldValidation":"Strict"} {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}} null`,
			`CREATE configmaps ConfigMap name=a ns=default CreateOptions{"fieldManager":"fm","fieldValidation":"Strict"} {"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"*","name":"a","namespace":"default","uid":"*"}} null`},
		{"create without a name", "POST", apitest.MapsPath + "?dryRun=All", `{"metadata":{"generateName":"g-"}}`, 201,
			`CREATE configmaps ConfigMap name= ns=default CreateOptions{"dryRun":["All"]} {"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"g-","namespace":"default"}} null`, ""},
		{"update", "PUT", apitest.MapsPath + "/a", `{"metadata":{"name":"a"}}`, 200,
			`UPDATE configmaps ConfigMap name=a ns=default UpdateOptions {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}} {"apiVersion":"v1","kind":"ConfigMap",` + system + `}`,
			`UPDATE configmaps ConfigMap name=a ns=default UpdateOptions {"apiVersion":"v1","kind":"ConfigMap",` + system + `} {"apiVersion":"v1","kind":"ConfigMap",` + system + `}`},
		{"patch", "PATCH", apitest.MapsPath + "/a?fieldManager=fm", `{"data":{"k":"v"}}`, 200,
			`UPDATE configmaps ConfigMap name=a ns=default UpdateOptions{"fieldManager":"fm"} {"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap",` + system + `} {"apiVersion":"v1","kind":"ConfigMap",` + system + `}`, "="},
		{"a missing object", "PUT", apitest.MapsPath + "/zz", `{"metadata":{"name":"zz"}}`, 404, "", ""},
		{"delete", "DELETE", apitest.MapsPath + "/a", `{"propagationPolicy":"Background","gracePeriodSeconds":3}`, 200,
			`DELETE configmaps ConfigMap name=a ns=default DeleteOptions{"gracePeriodSeconds":3,"propagationPolicy":"Background"} null {"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap",` + system + `}`, "="},
		{"create by update", "PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", `{"metadata":{"name":"l"}}`, 201,
			`CREATE leases Lease name=l ns=default CreateOptions {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l","namespace":"default"}} null`, ""},
		{"delete of several", "DELETE", "/apis/coordination.k8s.io/v1/namespaces/default/leases", "", 200,
			`DELETE leases Lease name= ns=default DeleteOptions null {"apiVersion":"coordination.k8s.io/v1","kind":"Lease",` + strings.Replace(system, `"a"`, `"l"`, 1) + `}`, "="},
		{"pod", "POST", pods, `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`, 201, "", ""},
		{"binding", "POST", pods + "/p/binding", `{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}`, 201,
			`CREATE pods/binding Binding name=p ns=default CreateOptions {"apiVersion":"v1","kind":"Binding","metadata":{"name":"p","namespace":"default"},"target":{"kind":"Node","name":"n"}} null`, "="},
		{"binding by itself", "POST", "/api/v1/namespaces/default/bindings", `{"metadata":{"name":"q"},"target":{"kind":"Node","name":"n"}}`, 404,
			`CREATE bindings Binding name=q ns=default CreateOptions {"apiVersion":"v1","kind":"Binding","metadata":{"name":"q","namespace":"default"},"target":{"kind":"Node","name":"n"}} null`, "="},
		{"exec", "POST", pods + "/p/exec?command=ls&command=x&stdin=1&tty=true&stdout=false&container=c", "", 500,
			`CONNECT pods/exec PodExecOptions name=p ns=default null {"apiVersion":"v1","command":["ls","x"],"container":"c","kind":"PodExecOptions","stdin":true,"tty":true} null`, "="},
		{"attach", "GET", pods + "/p/attach?stdout=true", "", 500, `CONNECT pods/attach PodAttachOptions name=p ns=default null {"apiVersion":"v1","kind":"PodAttachOptions","stdout":true} null`, "="},
		{"port-forward", "GET", pods + "/p/portforward?ports=80&ports=90", "", 500,
			`CONNECT pods/portforward PodPortForwardOptions name=p ns=default null {"apiVersion":"v1","kind":"PodPortForwardOptions","ports":[80,90]} null`, "="},
		{"proxy", "GET", pods + "/p/proxy/x/y", "", 400, `CONNECT pods/proxy PodProxyOptions name=p ns=default null {"apiVersion":"v1","kind":"PodProxyOptions","path":"/x/y"} null`, "="},
		{"proxy of a service", "GET", "/api/v1/namespaces/default/services/s:80/proxy/x", "", 503,
			`CONNECT services/proxy ServiceProxyOptions name=s:80 ns=default null {"apiVersion":"v1","kind":"ServiceProxyOptions","path":"/x"} null`, "="},
		{"proxy of a node", "GET", "/api/v1/nodes/n/proxy/x", "", 500, `CONNECT nodes/proxy NodeProxyOptions name=n ns= null {"apiVersion":"v1","kind":"NodeProxyOptions","path":"/x"} null`, "="},
		{"log is no connection", "GET", pods + "/p/log", "", 500, "", ""},
		{"eviction", "POST", pods + "/p/eviction", `{"metadata":{"name":"p"},"deleteOptions":{"gracePeriodSeconds":0}}`, 201,
			`CREATE pods/eviction Eviction name=p ns=default CreateOptions {"apiVersion":"policy/v1","deleteOptions":{"gracePeriodSeconds":0},"kind":"Eviction","metadata":{"name":"p","namespace":"default"}} null`, "="},
		{"token", "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", `{"spec":{"audiences":["x"]}}`, 201,
			`CREATE serviceaccounts/token TokenRequest name=default ns=default CreateOptions {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{"namespace":"default"},"status":{"expirationTimestamp":null,"token":""}} null`,
			`CREATE serviceaccounts/token TokenRequest name=default ns=default CreateOptions {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{"creationTimestamp":"*","name":"default","namespace":"default","uid":"*"},"status":{"expirationTimestamp":null,"token":""}} null`},
		{"deployment", "POST", deployments, deployment, 201, "", ""},
		{"scale", "PUT", deployments + "/d/scale", `{"metadata":{"name":"d"},"spec":{"replicas":2}}`, 200,
			`UPDATE deployments/scale Scale name=d ns=default UpdateOptions {"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d","namespace":"default"},"status":{"replicas":0}} {"apiVersion":"autoscaling/v1","kind":"Scale",` +
				strings.Replace(system, `"a"`, `"d"`, 1) + `,"status":{"replicas":0,"selector":"a=b"}}`,
			`UPDATE deployments/scale Scale name=d ns=default UpdateOptions {"apiVersion":"autoscaling/v1","kind":"Scale",` + strings.Replace(system, `"a"`, `"d"`, 1) + `,"status":{"replicas":0,"selector":"a=b"}} {"apiVersion":"autoscaling/v1","kind":"Scale",` +
				strings.Replace(system, `"a"`, `"d"`, 1) + `,"status":{"replicas":0,"selector":"a=b"}}`},
		{"status", "PATCH", deployments + "/d/status", `{"status":{"replicas":3}}`, 200,
			`UPDATE deployments/status Deployment name=d ns=default UpdateOptions {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"creationTimestamp":"*","generation":2,"name":"d","namespace":"default","resourceVersion":"*","uid":"*"},"status":{"replicas":3}} ` +
				`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"creationTimestamp":"*","generation":2,"name":"d","namespace":"default","resourceVersion":"*","uid":"*"},"status":{}}`, "="},
		{"a review", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}`, 201, "", ""},
		{"a namespace", "POST", apitest.NamespacesPath, `{"metadata":{"name":"o","labels":{"runlevel":"0"}}}`, 201,
			`CREATE namespaces Namespace name=o ns=o CreateOptions {"apiVersion":"v1","kind":"Namespace","metadata":{"labels":{"kubernetes.io/metadata.name":"o","runlevel":"0"},"name":"o"},"status":{"phase":"Active"}} null`, ""},
		{"a configuration", "DELETE", pathOf("Validating") + "/none", "", 404, "", ""},
	} {
		s.look()
		var body any
		if c.body != "" {
			body = c.body
		}
		code, got := s.Try(c.method, c.path, body)
		_, reviews := s.look()
		var own []string
		for _, r := range reviews {
			if tree.Text(r, "request", "userInfo", "username") == "admin" { // not those of the server itself
				own = append(own, shown(r))
			}
		}
		if code != c.code {
			t.Errorf("%s: %d %s", c.what, code, message(got))
		}
		switch {
		case c.mutating == "" && c.code >= 400 && len(own) > 0:
			t.Errorf("%s: asked %q", c.what, own)
		case c.mutating != "" && (len(own) != 2 || own[0] != c.mutating):
			t.Errorf("%s, mutating:\n got %s\nwant %s", c.what, strings.Join(own, "\n     "), c.mutating)
		case c.validating == "=" && own[1] != c.mutating, len(c.validating) > 1 && own[1] != c.validating:
			t.Errorf("%s, validating:\n got %s\nwant %s", c.what, own[1], c.validating)
		}
	}
}

// TestReviewOfUser: who writes is told whole, and the server's own writes have upstream's name for it.
func TestReviewOfUser(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.configure("Validating", "user", s.hookOf("a", "ok", `"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("a"))
	_, reviews := s.look()
	if len(reviews) != 1 || string(tree.AppendJSON(nil, tree.At(reviews[0], "request", "userInfo"))) != `{"groups":["system:masters","system:authenticated"],"uid":"1","username":"admin"}` {
		t.Errorf("%v", reviews)
	}
	// The controllers write a config map into each namespace.
	s.w.Bootstrapped()
	s.Must(201, "POST", apitest.NamespacesPath, apitest.Namespace("b"))
	s.Soon("the config map is asked about", func() bool {
		_, reviews := s.look()
		return len(reviews) == 1 && string(tree.AppendJSON(nil, tree.At(reviews[0], "request", "userInfo"))) == `{"groups":["system:authenticated","system:masters"],"username":"system:apiserver"}`
	})
}

// TestReviewsHaveOwners: webhooks are shown who owns the fields of what a client sends.
func TestReviewsHaveOwners(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	rules := `"rules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["*"],"resources":["configmaps"]}]`
	s.configure("Mutating", "owned", s.hookOf("m", "ok", rules))
	s.configure("Validating", "owned", s.hookOf("v", "ok", rules))
	s.look()
	s.Must(201, "POST", apitest.MapsPath+"?fieldManager=fm", `{"metadata":{"name":"a"},"data":{"a":"b"}}`)
	_, reviews := s.look()
	if len(reviews) != 2 {
		t.Fatalf("%d reviews", len(reviews))
	}
	for _, r := range reviews {
		list := tree.List(r, "request", "object", "metadata", "managedFields")
		if len(list) != 1 || tree.Text(list[0], "manager") != "fm" || string(tree.AppendJSON(nil, tree.At(list[0], "fieldsV1"))) != `{"f:data":{".":{},"f:a":{}}}` {
			t.Errorf("a review has the owners %s", tree.AppendJSON(nil, list))
		}
	}
}
