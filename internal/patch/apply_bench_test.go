package patch

import (
	"fmt"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// deployment is one of 100 fields, as a chart writes them.
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: default
  labels: {app: web, tier: front, chart: web-1.2.3, release: one, heritage: Helm}
  annotations: {a: "1", b: "2", c: "3"}
spec:
  replicas: 3
  revisionHistoryLimit: 5
  minReadySeconds: 10
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: web, tier: front}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}
  template:
    metadata:
      labels: {app: web, tier: front}
      annotations: {checksum/config: abc, prometheus.io/scrape: "true"}
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 30
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      nodeSelector: {disk: ssd}
      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000}
      tolerations: [{key: a, operator: Exists}]
      initContainers:
      - name: init
        image: busybox
        command: [sh, -c, echo]
        volumeMounts: [{name: data, mountPath: /data}]
      containers:
      - name: web
        image: web:1
        imagePullPolicy: IfNotPresent
        args: [-v]
        ports: [{name: http, containerPort: 8080, protocol: TCP}, {name: metrics, containerPort: 9090, protocol: TCP}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: C, valueFrom: {secretKeyRef: {name: s, key: k}}},
          {name: D, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 200m, memory: 256Mi}}
        livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, initialDelaySeconds: 5}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 10, failureThreshold: 3}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /etc/web, readOnly: true}]
      - name: proxy
        image: proxy:1
        ports: [{name: proxy, containerPort: 8443, protocol: TCP}]
        env: [{name: UPSTREAM, value: "127.0.0.1:8080"}]
        resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 100m, memory: 128Mi}}
        volumeMounts: [{name: config, mountPath: /etc/proxy, readOnly: true}]
      volumes:
      - {name: data, emptyDir: {}}
      - {name: config, configMap: {name: web}}
`

// BenchmarkApply has a chart applied to a Deployment of which a second manager owns the number of replicas and the status:
// as it is, with another image, and without an argument that it had.
func BenchmarkApply(b *testing.B) {
	table, err := kinds.Load(nil)
	if err != nil {
		b.Fatal(err)
	}
	v := oneVersion{schema: table.Body("apps", "v1", "Deployment").Owned()}
	config := parsed(b, deployment)
	live, owners, err := Apply(nil, config, "v1", "helm", false, nil, v)
	if err != nil {
		b.Fatal(err)
	}
	next := tree.Copy(live).(map[string]any)
	tree.Set(next, int64(5), "spec", "replicas")
	tree.Set(next, map[string]any{"replicas": int64(5), "readyReplicas": int64(5)}, "status")
	if owners, err = UpdateOwners(live, next, "v1", "controller", owners, v); err != nil {
		b.Fatal(err)
	}
	delete(tree.Object(config, "spec"), "replicas")
	if live, owners, err = Apply(next, config, "v1", "helm", false, owners, v); err != nil || live != nil {
		b.Fatal(live, err)
	}
	image := tree.Copy(config).(map[string]any)
	tree.Object(tree.List(image, "spec", "template", "spec", "containers")[0])["image"] = "web:2"
	less := tree.Copy(config).(map[string]any)
	delete(tree.Object(tree.List(less, "spec", "template", "spec", "containers")[0]), "args")
	for _, c := range []struct {
		name   string
		config map[string]any
	}{{"same", config}, {"image", image}, {"less", less}} {
		b.Run(fmt.Sprintf("%s of %d fields", c.name, owners["helm"].Set.Len()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Apply(next, c.config, "v1", "helm", false, owners, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		more := tree.Copy(next).(map[string]any)
		tree.Set(more, int64(6), "spec", "replicas")
		for b.Loop() {
			if _, err := UpdateOwners(next, more, "v1", "controller", owners, v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
