package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAppliedFigures measures what it costs the processor to apply a Deployment of some 100 fields, whose replicas are 1 and 2 in turns, and
// to apply the same again: on etcd, and in memory besides.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin go test -run TestAppliedFigures -v .
func TestAppliedFigures(t *testing.T) {
	if os.Getenv("APICHAIN_REFERENCE") == "" {
		t.Skip("APICHAIN_REFERENCE names no folder with kube-apiserver and etcd")
	}
	const applies = 2000
	per := map[string]time.Duration{}
	measure := func(t *testing.T, name string, a *api, pid int) {
		w := newOwned(a)
		for _, c := range []struct {
			name     string
			replicas [2]int
		}{{"changing", [2]int{1, 2}}, {"the same", [2]int{3, 3}}} {
			before, err := cpuTime(pid)
			if err != nil {
				t.Skip(err)
			}
			began := time.Now()
			for i := range applies {
				r, err := w.send(t.Context(), ask{method: "PATCH", path: "/apis/apps/v1/namespaces/default/deployments/figures?fieldManager=figures", kind: "apply", body: hundredFields(c.replicas[i%2])})
				if err != nil || r.code >= 300 {
					t.Fatalf("%v %.500s", err, r.body)
				}
			}
			after, err := cpuTime(pid)
			if err != nil {
				t.Fatal(err)
			}
			per[name+c.name] = (after - before) / applies
			t.Logf("%s: %d applies, %s: %v of the processor each, took %v", name, applies, c.name, per[name+c.name], time.Since(began)/applies)
		}
	}
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		measure(t, folder, f.ask("the server"), f.cmd.Process.Pid)
	})
	p := startProgram(t)
	measure(t, "memory", p.ask("the program"), p.cmd.Process.Pid)
	for _, c := range []string{"changing", "the same"} {
		ours, theirs := per[folderOf(t)+c], per[os.Getenv("APICHAIN_REFERENCE")+c]
		t.Logf("%s: kube-apiserver's processor %.1f times ours on etcd, %.1f times ours in memory", c, float64(theirs)/float64(ours), float64(theirs)/float64(per["memory"+c]))
	}
}

// hundredFields is a Deployment with about as many fields.
func hundredFields(replicas int) string {
	var containers []string
	for i := range 3 {
		containers = append(containers, fmt.Sprintf(`{"name":"c%d","image":"i:%[1]d","args":["a","b"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"},{"name":"C","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
"ports":[{"containerPort":80%[1]d,"protocol":"TCP"},{"containerPort":90%[1]d,"name":"n%[1]d"}],"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},
"readinessProbe":{"httpGet":{"path":"/ready","port":8080},"periodSeconds":5},"securityContext":{"runAsNonRoot":true,"capabilities":{"drop":["ALL"]}},"volumeMounts":[{"name":"tmp","mountPath":"/tmp"}]}`, i))
	}
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"figures","labels":{"app":"figures","tier":"front"},"annotations":{"a":"b","c":"d"}},"spec":{"replicas":%d,"revisionHistoryLimit":5,
"selector":{"matchLabels":{"app":"figures"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}},"template":{"metadata":{"labels":{"app":"figures","tier":"front"}},
"spec":{"serviceAccountName":"default","terminationGracePeriodSeconds":20,"nodeSelector":{"disk":"ssd"},"tolerations":[{"key":"a","operator":"Exists"}],"volumes":[{"name":"tmp","emptyDir":{}}],"containers":[%s]}}}}`,
		replicas, strings.Join(containers, ","))
}
