package kinds

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// benchDeployment is a Deployment as people write them, with what the server fills in.
const benchDeployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","uid":"84fe7018-fd60-4195-b212-ce9a3592bf66","resourceVersion":"218","generation":3,
"creationTimestamp":"2026-01-02T03:04:05Z","labels":{"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop"},"annotations":{"deployment.kubernetes.io/revision":"3"}},
"spec":{"replicas":3,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"selector":{"matchLabels":{"app.kubernetes.io/name":"web"}},
"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":0}},
"template":{"metadata":{"labels":{"app.kubernetes.io/name":"web","app.kubernetes.io/part-of":"shop"},"annotations":{"prometheus.io/scrape":"true","prometheus.io/port":"9090"}},
"spec":{"restartPolicy":"Always","dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler","terminationGracePeriodSeconds":30,"serviceAccountName":"web","serviceAccount":"web","securityContext":{"runAsNonRoot":true,"fsGroup":2000},
"volumes":[{"name":"config","configMap":{"name":"web-config","defaultMode":420}},{"name":"tmp","emptyDir":{"sizeLimit":"1Gi"}}],
"initContainers":[{"name":"migrate","image":"registry.example.com/shop/migrate:1.2.3","args":["up"],"env":[{"name":"DB","valueFrom":{"secretKeyRef":{"name":"db","key":"url"}}}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
"containers":[{"name":"web","image":"registry.example.com/shop/web:1.2.3","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"name":"metrics","containerPort":9090,"protocol":"TCP"}],
"env":[{"name":"A","value":"1"},{"name":"B","value":"two"},{"name":"NODE","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"spec.nodeName"}}}],
"resources":{"limits":{"cpu":"1","memory":"512Mi"},"requests":{"cpu":"250m","memory":"256Mi"}},"volumeMounts":[{"name":"config","mountPath":"/etc/web","readOnly":true},{"name":"tmp","mountPath":"/tmp"}],
"livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},
"readinessProbe":{"httpGet":{"path":"/readyz","port":8080,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},
"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}}],
"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":100,"podAffinityTerm":{"labelSelector":{"matchLabels":{"app.kubernetes.io/name":"web"}},"topologyKey":"kubernetes.io/hostname"}}]}}}}},
"status":{"observedGeneration":3,"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-02T03:05:05Z","lastTransitionTime":"2026-01-02T03:05:05Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."}]}}`

// BenchmarkEncode encodes a rich object as protobuf, and beside it what else could be done with its
// text.
func BenchmarkEncode(b *testing.B) {
	table := kindsForTest(b)
	row := table.Kind("apps", "v1", "Deployment")
	obj := objectForTest(b, strings.ReplaceAll(benchDeployment, "\n", ""))
	text := tree.AppendJSON(nil, obj)
	b.Run("protobuf", func(b *testing.B) {
		var e ProtobufEncoder
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			e.Object(row.Type(), "apps/v1", "Deployment", text)
		}
	})
	b.Run("decode alone", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = tree.ParseJSONObject(text)
		}
	})
}
