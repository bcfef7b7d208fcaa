package interop

import (
	"strings"
	"testing"
)

// widget is the manifest of one with the given name and spec.
func widget(name, spec string) string {
	return `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"` + name + `"},"spec":` + spec + `}`
}

// TestKubectlCustom drives the commands at a custom kind, from its definition on.
func TestKubectlCustom(t *testing.T) {
	k := newKube(t, start(t))
	t.Run("definition", func(t *testing.T) {
		k.run(t,
			call{"get widgets", "", 1, `the server doesn't have a resource type "widgets"`},
			call{"create --validate=false -f -", widget("w", `{"size":1}`), 1, `no matches for kind "Widget" in version "example.com/v1"`},
			call{"apply -f " + testdata(t, "widgets.yaml"), "", 0, "customresourcedefinition.apiextensions.k8s.io/widgets.example.com created"},
			call{"apply -f " + testdata(t, "widgets.yaml"), "", 0, "customresourcedefinition.apiextensions.k8s.io/widgets.example.com unchanged"},
			call{"diff -f " + testdata(t, "widgets.yaml"), "", 0, ""},
			call{"wait --for=condition=Established crd/widgets.example.com --timeout=10s", "", 0, "customresourcedefinition.apiextensions.k8s.io/widgets.example.com condition met"},
			call{"get crd", "", 0, "NAME SCOPE VERSIONS CREATED AT\nwidgets.example.com Namespaced v1(storage) 20"},
			call{"get crd widgets.example.com -o jsonpath={.status.acceptedNames.kind},{.status.storedVersions[0]},{.spec.names.listKind}", "", 0, "Widget,v1,WidgetList"},
			call{"describe crd widgets.example.com", "", 0, "Name: widgets.example.com\nKind: CustomResourceDefinition"},
			call{"create -f -", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"x.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"y","kind":"Y"},"versions":[{"name":"v1","served":true,"storage":true}]}}`, 1,
				"The CustomResourceDefinition \"x.example.com\" is invalid\nmetadata.name: Invalid value: \"x.example.com\": must be spec.names.plural+\".\"+spec.group\nspec.versions[0].schema.openAPIV3Schema: Required value"},
		)
		k.forget(t)
		k.run(t,
			call{"api-resources --api-group=example.com -o wide", "", 0, "widgets wd example.com/v1 true Widget delete,deletecollection,get,list,patch,create,update,watch all,toys"},
			call{"api-versions", "", 0, "example.com/v1"},
			call{"explain widget", "", 0, "GROUP: example.com\nKIND: Widget\nVERSION: v1\nWidget is a thing to test with.\nspec <Object> -required-\nstatus <Object>"},
			call{"explain widget.spec", "", 0, "FIELD: spec <Object>\ncolor <string>\nenum: red, green, blue\nparts <[]Object>\nsize <integer> -required-\nSize in inches."},
			call{"explain widget --recursive", "", 0, "parts <[]Object>\nnote <string>\napiVersion <string>\nmetadata <ObjectMeta>"},
			call{"auth can-i create widgets", "", 0, "yes"},
		)
	})
	t.Run("create", func(t *testing.T) {
		k.run(t,
			call{"create -f -", widget("w1", `{"size":3}`), 0, "widget.example.com/w1 created"},
			call{"create -f -", widget("w1", `{"size":3}`), 1, `widgets.example.com "w1" already exists`},
			call{"create -f -", widget("w2", `{"size":2,"color":"blue","extra":{"any":[1,{"thing":true}]},"port":"http","parts":[{"name":"a","note":"n"}]}`), 0, "widget.example.com/w2 created"},
			call{"create -f -", widget("w9", `{"size":99}`), 1, `The Widget "w9" is invalid: spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10`},
			call{"create -f -", widget("w9", `{"size":"x","color":"pink"}`), 1, "The Widget \"w9\" is invalid\nspec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"\nspec.color: Unsupported value: \"pink\": supported values: \"red\", \"green\", \"blue\""},
			call{"create -f -", widget("w9", `{}`), 1, "spec.size: Required value"},
			call{"create -f -", widget("w9", `{"size":1,"parts":[{"name":"a"},{"name":"a"}]}`), 1, `spec.parts[1]: Duplicate value: {"name":"a"}`},
			call{"create -f -", widget("w9", `{"size":1,"unk":1}`), 1, `Error from server (BadRequest): error when creating "STDIN": Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.unk"`},
			call{"create -f - --validate=warn", widget("w3", `{"size":1,"unk":1}`), 0, "Warning: unknown field \"spec.unk\"\nwidget.example.com/w3 created"},
			call{"create -f - --validate=false", widget("w4", `{"size":1,"unk":1}`), 0, "widget.example.com/w4 created\n!Warning"},
			call{"get widget w4 -o jsonpath={.spec}", "", 0, `{"color":"red","replicas":1,"size":1}`},
			call{"create -f - --dry-run=server -o jsonpath={.spec.color}", widget("dry", `{"size":1}`), 0, "red"},
		)
	})
	t.Run("get", func(t *testing.T) {
		k.run(t,
			call{"get widgets", "", 0, "NAME SIZE PHASE AGE\nw1 3\nw2 2"},
			call{"get wd w1", "", 0, "w1 3"},
			call{"get widgets.v1.example.com w1 -o name", "", 0, "widget.example.com/w1"},
			call{"get widget -o wide", "", 0, "NAME SIZE COLOR PHASE AGE\nw1 3 red\nw2 2 blue"},
			call{"get toys", "", 0, "w1 3"},
			call{"get all", "", 0, "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE\nservice/kubernetes\nwidget.example.com/w1 3"},
			call{"get widget w2 -o json", "", 0, `"apiVersion": "example.com/v1"` + "\n" + `"port": "http"` + "\n" + `"thing": true`},
			call{"get widget w2 -o yaml", "", 0, "kind: Widget\nport: http\n- name: a"},
			call{"get widget -o jsonpath={.items[*].spec.size}", "", 0, "3 2 1 1"},
			call{"get widget -o custom-columns=N:.metadata.name,S:.spec.size", "", 0, "N S\nw1 3"},
			call{"get widget w1 -o 'go-template={{.spec.size}}{{\"\\n\"}}'", "", 0, "3"},
			call{"get widget --sort-by=.spec.size -o jsonpath={.items[*].metadata.name}", "", 0, "w3 w4 w2 w1"},
			call{"get widget --chunk-size=1 -v=6", "", 0, "limit=1\ncontinue=\nw1 3\nw4 1"},
			call{"get widget --field-selector spec.color=blue", "", 0, "w2 2\n!w1 3"},
			call{"get widget --field-selector spec.size=3", "", 1, "field label not supported: spec.size"},
			call{"describe widget w1", "", 0, "Name: w1\nAPI Version: example.com/v1\nKind: Widget\nColor: red\nSize: 3\nEvents: <none>"},
			call{"get widget nope", "", 1, `Error from server (NotFound): widgets.example.com "nope" not found`},
		)
	})
	t.Run("change", func(t *testing.T) {
		k.run(t,
			call{`patch widget w1 --type=merge -p '{"spec":{"size":4}}' -o jsonpath={.metadata.generation}`, "", 0, "2"},
			call{`patch widget w1 --type=json -p '[{"op":"add","path":"/spec/parts","value":[{"name":"b","note":"befor"}]}]'`, "", 0, "widget.example.com/w1 patched"},
			call{`patch widget w1 -p '{"spec":{"size":5}}'`, "", 1, "application/strategic-merge-patch+json"},
			call{`patch widget w1 --type=merge -p '{"spec":{"size":50}}'`, "", 1, `The Widget "w1" is invalid: spec.size: Invalid value: 50: spec.size in body should be less than or equal to 10`},
			call{`patch widget w1 --type=merge -p '{"status":{"phase":"Up"}}'`, "", 0, "widget.example.com/w1 patched (no change)"},
			call{`patch widget w1 --subresource=status --type=merge -p '{"status":{"phase":"before","replicas":1,"conditions":[{"type":"Ready","status":"True"}]},"spec":{"size":9}}'`, "", 0, "widget.example.com/w1 patched"},
			call{"get widget w1", "", 0, "w1 4 before"},
			call{"edit widget w1 --subresource=status", "", 0, "widget.example.com/w1 edited"},
			call{"get widget w1 --subresource=status -o jsonpath={.status.phase},{.spec.size}", "", 0, "after,4"},
			call{"wait widget/w1 --for=condition=Ready --timeout=5s", "", 0, "widget.example.com/w1 condition met"},
			call{"label widget w1 app=x", "", 0, "widget.example.com/w1 labeled"},
			call{"get widget -l app=x -o name", "", 0, "widget.example.com/w1\n!w2"},
			call{"annotate widget w1 note=before", "", 0, "widget.example.com/w1 annotated"},
			call{"edit widget w1", "", 0, "widget.example.com/w1 edited"},
			call{"get widget w1 -o jsonpath={.metadata.annotations.note}", "", 0, "after"},
			call{"scale widget w1 --replicas=3", "", 0, "widget.example.com/w1 scaled"},
			call{"scale widget w1 --replicas=4 --current-replicas=9", "", 1, "xpected replicas to be 9, was 3"},
			call{"get widget w1 -o jsonpath={.spec.replicas}", "", 0, "3"},
			call{"get widget w1 --subresource=scale -o jsonpath={.kind},{.spec.replicas},{.status.replicas}", "", 0, "Scale,3,1"},
			call{"apply -f -", widget("w5", `{"size":1,"parts":[{"name":"a"}]}`), 0, "widget.example.com/w5 created"},
			call{"apply -f -", widget("w5", `{"size":1,"parts":[{"name":"a"}]}`), 0, "widget.example.com/w5 unchanged"},
			call{"diff -f -", widget("w5", `{"size":2,"parts":[{"name":"a"}]}`), 1, "- size: 1\n+ size: 2\n- generation: 1\n+ generation: 2"},
			call{"apply -f -", widget("w5", `{"size":2}`), 0, "widget.example.com/w5 configured"},
			call{"get widget w5 -o jsonpath={.spec}", "", 0, `{"color":"red","replicas":1,"size":2}`},
			call{"replace -f -", widget("w5", `{"size":7}`), 0, "widget.example.com/w5 replaced"},
			call{"apply --server-side -f -", widget("w5", `{"size":2}`), 1, `conflict with "kubectl-replace" using example.com/v1: .spec.size`},
			call{"apply --server-side --force-conflicts -f -", widget("w5", `{"size":2}`), 0, "widget.example.com/w5 serverside-applied"},
		)
	})
	t.Run("delete", func(t *testing.T) {
		k.run(t,
			call{`patch widget w5 --type=merge -p '{"metadata":{"finalizers":["example.com/hold"]}}'`, "", 0, "patched"},
			call{"delete widget w5 --wait=false", "", 0, `widget.example.com "w5" deleted`},
			call{"get widget w5 -o jsonpath={.metadata.deletionTimestamp}", "", 0, "20"},
			call{"wait widget/w5 --for=delete --timeout=1s", "", 1, "timed out waiting for the condition on widgets/w5"},
			call{`patch widget w5 --type=merge -p '{"metadata":{"finalizers":null}}'`, "", 0, "patched"},
			call{"wait widget/w5 --for=delete --timeout=10s", "", 0, ""},
			call{"get widget w5", "", 1, "NotFound"},
			call{"delete widgets w1 w2", "", 0, `widget.example.com "w1" deleted` + "\n" + `widget.example.com "w2" deleted`},
			call{"delete crd widgets.example.com", "", 0, `customresourcedefinition.apiextensions.k8s.io "widgets.example.com" deleted`},
			call{"get crd", "", 0, "No resources found"},
		)
		k.forget(t)
		k.run(t,
			call{"get widgets", "", 1, `the server doesn't have a resource type "widgets"`},
			call{"apply -f " + testdata(t, "widgets.yaml"), "", 0, "customresourcedefinition.apiextensions.k8s.io/widgets.example.com created"},
			call{"get widgets", "", 0, "No resources found in default namespace."},
		)
	})
}

// TestKubectlWatch: get -w prints what is there and then each change, in order.
func TestKubectlWatch(t *testing.T) {
	k := newKube(t, start(t))
	k.must(t, "create cm c0 --from-literal=a=b", "")
	k.must(t, "apply -f "+testdata(t, "widgets.yaml"), "")
	events := k.follow(t, "get cm --field-selector metadata.name!=kube-root-ca.crt -w --output-watch-events --no-headers")
	events.expect(t, `ADDED c0 1 \S+`)
	names := k.follow(t, "get cm -l app=x -w -o name")
	later := k.follow(t, "get cm -w --watch-only -o jsonpath={.metadata.name}={.data}{\"\\n\"}")
	widgets := k.follow(t, "get widgets -w")
	single := k.follow(t, "get cm c0 -w -o custom-columns=N:.metadata.name,A:.data.a --no-headers")
	single.expect(t, "c0 b")
	// What a watch without initial objects sees depends on when it began: a label is put
	// until it was seen.
	n := 0
	eventually(t, "watch-only did not begin", func() error {
		n++
		k.must(t, "label cm c0 --overwrite n="+strings.Repeat("x", n), "")
		select {
		case <-later.lines:
			return nil
		default:
			return errUnseen
		}
	})
	for range n {
		events.expect(t, `MODIFIED c0 1 \S+`)
	}
	k.must(t, "create cm c1 --from-literal=a=b", "")
	k.must(t, "label cm c1 app=x", "")
	names.expect(t, "configmap/c1")
	k.must(t, `patch cm c0 -p '{"data":{"a":"c","d":"e"}}'`, "")
	k.must(t, "delete cm c1", "")
	events.expect(t, `ADDED c1 1 \S+`, `MODIFIED c1 1 \S+`, `MODIFIED c0 2 \S+`, `DELETED c1 1 \S+`)
	names.expect(t, "configmap/c1")
	for range n {
		single.expect(t, "c0 b")
	}
	single.expect(t, "c0 c")
	k.must(t, "create -f -", widget("w1", `{"size":3}`))
	widgets.expect(t, "NAME SIZE PHASE AGE", `w1 3 \S+`)
	k.must(t, `patch widget w1 --subresource=status --type=merge -p '{"status":{"phase":"Up"}}'`, "")
	widgets.expect(t, `w1 3 Up \S+`)
}
