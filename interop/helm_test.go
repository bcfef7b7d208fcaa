package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// helmVersion is what TestHelm runs.
const helmVersion = "v4.3.2"

// TestHelm installs, upgrades, rolls back and uninstalls a chart with Helm 4 as it comes, which applies on the server, and looks who owns
// what at each step. It takes minutes to build, so APICHAIN_HELM names it, or is "build".
//
//	APICHAIN_HELM=build go test -run TestHelm .
func TestHelm(t *testing.T) {
	helm := os.Getenv("APICHAIN_HELM")
	if helm == "" {
		t.Skip("APICHAIN_HELM names no helm")
	}
	if helm == "build" {
		cmd := exec.Command("go", "install", "helm.sh/helm/v4/cmd/helm@"+helmVersion)
		cmd.Env = append(os.Environ(), "GOBIN="+binaries())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building helm: %v\n%s", err, out)
		}
		helm = filepath.Join(binaries(), "helm")
	}
	chart := t.TempDir()
	for name, content := range map[string]string{
		"Chart.yaml":           "{apiVersion: v2, name: web, version: 1.0.0}",
		"values.yaml":          "{image: 'web:1', replicas: 2, more: true}",
		"crds/things.yaml":     `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: helms.example.com}, spec: {group: example.com, scope: Namespaced, names: {plural: helms, kind: Helm}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`,
		"templates/thing.yaml": "{apiVersion: example.com/v1, kind: Helm, metadata: {name: web}, image: {{.Values.image}}}",
		"templates/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  {{if .Values.replicas}}replicas: {{.Values.replicas}}{{end}}
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: {{.Values.image}}, ports: [{containerPort: 80}]}]}}
`,
		"templates/config.yaml": `{{if .Values.more}}
apiVersion: v1
kind: ConfigMap
metadata: {name: more}
data: {image: {{.Values.image}}}
{{end}}`,
	} {
		path := filepath.Join(chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		f.must(t, "create namespace own", "")
		run := func(code int, args, want string) {
			t.Helper()
			cmd := exec.Command(helm, strings.Fields(strings.ReplaceAll(args, "CHART", chart)+" -n own")...)
			home := t.TempDir()
			cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + f.kubeconfig}
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
				t.Errorf("helm %s: %v, want %d and %q\n%s", args, cmd.ProcessState, code, want, out)
			}
		}
		const managers = `get deployment/web -n own --show-managed-fields -o 'jsonpath={range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource};{end}'`
		run(0, "install web CHART", "STATUS: deployed")
		f.run(t,
			call{managers, "", 0, "helm/Apply/;"},
			call{"get deployment/web -n own -o jsonpath={.spec.replicas}:{.spec.template.spec.containers[0].image}", "", 0, "2:web:1"},
			call{"get helm/web -n own -o jsonpath={.image}", "", 0, "web:1"},
		)
		run(0, "upgrade web CHART --set image=web:2 --set more=false", "STATUS: deployed")
		f.run(t,
			call{"get deployment/web -n own -o jsonpath={.spec.template.spec.containers[0].image}", "", 0, "web:2"},
			call{"get configmap/more -n own", "", 1, "not found"},
			call{"scale deployment/web -n own --replicas=5", "", 0, "scaled"},
		)
		// Another has taken the replicas: helm says so, leaves them to it when they are not in the chart any more, and takes them when it is told to.
		run(1, "upgrade web CHART --set image=web:3", `conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas`)
		run(0, "upgrade web CHART --set image=web:3 --set replicas=0", "STATUS: deployed")
		f.run(t, call{"get deployment/web -n own -o jsonpath={.spec.replicas}:{.spec.template.spec.containers[0].image}", "", 0, "5:web:3"})
		run(0, "upgrade web CHART --set image=web:4 --force-conflicts", "STATUS: deployed")
		f.run(t, call{"get deployment/web -n own -o jsonpath={.spec.replicas}:{.spec.template.spec.containers[0].image}", "", 0, "2:web:4"}, call{managers, "", 0, "helm/Apply/;\n!kubectl"})
		run(0, "rollback web 1", "Rollback was a success")
		f.run(t,
			call{"get deployment/web -n own -o jsonpath={.spec.replicas}:{.spec.template.spec.containers[0].image}", "", 0, "2:web:1"},
			call{"get configmap/more -n own -o jsonpath={.data.image}", "", 0, "web:1"},
			call{managers, "", 0, "helm/Apply/;"},
		)
		run(0, "history web", "Rollback to 1")
		run(0, "uninstall web", "uninstalled")
		f.run(t, call{"get deployment/web -n own", "", 1, "not found"})
	})
}
