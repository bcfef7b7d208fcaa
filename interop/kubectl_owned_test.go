package interop

import (
	"strings"
	"testing"
)

// TestKubectlOwned drives everything of kubectl that is about owners, at both servers.
func TestKubectlOwned(t *testing.T) {
	const (
		web = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: own, labels: {app: web}}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, ` +
			`template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1", ports: [{containerPort: 80}]}]}}}}`
		conf = `{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: own}, data: {a: before, b: "1"}}`
	)
	webOf := strings.NewReplacer("replicas: 2, ", "", "web:1", "web:2").Replace(web)
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		managers := func(kind string) string {
			return "get " + kind + ` -n own --show-managed-fields -o 'jsonpath={range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource};{end}'`
		}
		f.run(t,
			call{"create namespace own", "", 0, "created"},
			call{"apply --server-side -f -", web, 0, "deployment.apps/web serverside-applied"},
			call{"get deployment web -n own -o yaml", "", 0, "!managedFields"},
			call{"get deployment web -n own -o yaml --show-managed-fields", "", 0, "managedFields:\nmanager: kubectl\noperation: Apply\nk:{\"containerPort\":80,\"protocol\":\"TCP\"}:\nf:containerPort: {}"},
			call{managers("deployment/web"), "", 0, "kubectl/Apply/;"},
			call{"scale deployment/web -n own --replicas=5", "", 0, "deployment.apps/web scaled"},
			call{managers("deployment/web"), "", 0, "kubectl/Apply/;kubectl/Update/scale;"},
			call{"apply --server-side -f -", web, 1, "error: Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas\nPlease review the fields above--they currently have other managers."},
			call{"apply --server-side --dry-run=server --force-conflicts -f -", web, 0, "deployment.apps/web serverside-applied (server dry run)"},
			call{"get deployment web -n own -o jsonpath={.spec.replicas}", "", 0, "5"},
			call{"diff --server-side --force-conflicts -f -", web, 1, "- replicas: 5\n+ replicas: 2"},
			call{"diff --server-side -f -", web, 2, `Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas`},
			call{"apply --server-side --force-conflicts -f -", web, 0, "deployment.apps/web serverside-applied"},
			call{managers("deployment/web"), "", 0, "kubectl/Apply/;"},
			call{"diff --server-side -f -", web, 0, "!replicas"},
			call{"apply --server-side --field-manager=other -f -", webOf, 1, `error: Apply failed with 1 conflict: conflict with "kubectl": .spec.template.spec.containers[name="web"].image`},
			call{"apply --server-side --field-manager=other --force-conflicts -f -", webOf, 0, "serverside-applied"},
			call{managers("deployment/web"), "", 0, "kubectl/Apply/;\nother/Apply/;"},
			call{"set image deployment/web -n own web=web:3 --field-manager=setter", "", 0, "deployment.apps/web image updated"},
			call{"label deployment/web -n own tier=front --field-manager=labeller", "", 0, "deployment.apps/web labeled"},
			call{"annotate deployment/web -n own note=x", "", 0, "deployment.apps/web annotated"},
			call{`patch deployment/web -n own --field-manager=patcher -p '{"spec":{"paused":true}}'`, "", 0, "deployment.apps/web patched"},
			call{"rollout resume deployment/web -n own", "", 0, "deployment.apps/web resumed"},
			call{managers("deployment/web"), "", 0, "kubectl/Apply/;other/Apply/;\nsetter/Update/;\nlabeller/Update/;\nkubectl-annotate/Update/;\n!patcher"},
		)
		f.run(t,
			call{"apply -f -", conf, 0, "configmap/conf created"},
			call{"apply view-last-applied configmap/conf -n own", "", 0, "a: before\nb: \"1\""},
			call{"apply -f -", strings.Replace(conf, "name: conf", "name: edited", 1), 0, "configmap/edited created"},
			call{"apply edit-last-applied configmap/edited -n own", "", 0, "configmap/edited edited"},
			call{"apply view-last-applied configmap/edited -n own", "", 0, "a: after"},
			call{"apply set-last-applied -f -", strings.Replace(conf, "name: conf", "name: edited", 1), 0, "configmap/edited configured"},
			call{managers("configmap/edited"), "", 0, "kubectl-client-side-apply/Update/;\nkubectl/Update/;"},
			// From one way of applying to the other: what kubectl owned by updates it owns by applying.
			call{"apply --server-side -f -", strings.Replace(conf, "before", "other", 1), 0, "configmap/conf serverside-applied"},
			call{managers("configmap/conf"), "", 0, "kubectl/Apply/;\n!kubectl-client-side-apply"},
			call{"get configmap conf -n own -o jsonpath={.data}", "", 0, `{"a":"other","b":"1"}`},
			call{"apply --server-side -f -", strings.Replace(conf, `, b: "1"`, "", 1), 0, "serverside-applied"},
			call{"get configmap conf -n own -o jsonpath={.data}", "", 0, `{"a":"before"}`},
			call{"apply view-last-applied configmap/conf -n own", "", 0, "a: before\n!b:"},
			// And back, as the annotation was kept.
			call{"apply -f -", conf, 0, "configmap/conf configured"},
			call{"get configmap conf -n own -o jsonpath={.data}", "", 0, `{"a":"before","b":"1"}`},
			call{"apply --server-side --validate=false -f -", strings.Replace(conf, ", data:", ", odd: 1, data:", 1), 1, ".odd: field not declared in schema"},
			call{"apply --server-side -f -", strings.Replace(conf, "name: conf", "name: conf, managedFields: []", 1), 1, "metadata.managedFields must be nil"},
			call{"apply --server-side -f -", strings.Replace(conf, "name: conf", "name: conf, managedFields: [{}]", 1), 1, "metadata.managedFields must be nil"},
			call{"replace -f - --field-manager=replacer", conf, 0, "configmap/conf replaced"},
			call{"create configmap made -n own --from-literal=a=b", "", 0, "created"},
			call{managers("configmap/made"), "", 0, "kubectl-create/Update/;"},
			call{"edit configmap/conf -n own", "", 0, "configmap/conf edited"},
			call{managers("configmap/conf"), "", 0, "kubectl-edit/Update/;"},
		)
	})
}
