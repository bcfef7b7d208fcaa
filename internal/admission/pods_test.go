package admission

import (
	"testing"

	"apichain/internal/tree"
)

// TestPodAnswers: what kube-apiserver 1.37.2 makes of new pods by their runtime class, their priority and what
// they tolerate, or how it refuses them. set is the part of the spec that these plugins are about.
func TestPodAnswers(t *testing.T) {
	k := newAsked(t, Config{Disabled: []string{"ServiceAccount", "PodSecurity"}})
	k.chain.config.UnreachableSeconds = 300 // as the server that was asked
	for _, class := range []string{
		`{"metadata":{"name":"plain"},"handler":"h"}`,
		`{"metadata":{"name":"costs"},"handler":"h","overhead":{"podFixed":{"cpu":"10m","memory":"1Mi"}}}`,
		`{"metadata":{"name":"placed"},"handler":"h","scheduling":{"nodeSelector":{"a":"b","c":"d"},"tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute"}]}}`,
		`{"metadata":{"name":"wide"},"handler":"h","scheduling":{"tolerations":[{"operator":"Exists"}]}}`,
		`{"metadata":{"name":"timed"},"handler":"h","scheduling":{"tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute","tolerationSeconds":60}]}}`,
	} {
		k.put(t, "runtimeclasses.node.k8s.io", class)
	}
	for _, class := range SystemPriorityClasses() {
		k.put(t, "priorityclasses.scheduling.k8s.io", text(class))
	}
	for _, c := range []struct{ obj, want, set string }{
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"plain","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"plain","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"nope","containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: pod rejected: RuntimeClass "nope" not found`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"costs","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"overhead":{"cpu":"10m","memory":"1Mi"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"costs","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"costs","overhead":{"cpu":"10m","memory":"1Mi"},"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"overhead":{"cpu":"10m","memory":"1Mi"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"costs","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"costs","overhead":{"cpu":"10m"},"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"plain","overhead":{"cpu":"10m"},"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"overhead":{"cpu":"10m"},"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Exists","effect":"NoExecute"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","nodeSelector":{"a":"b","x":"y"},"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d","x":"y"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Exists","effect":"NoExecute"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","nodeSelector":{"a":"x","c":"y"},"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = x`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","nodeSelector":{"c":""},"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[c] = d; pod.spec.nodeSelector[c] = `,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Exists","effect":"NoExecute"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Exists"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Exists"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":5}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Exists","effect":"NoExecute"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"placed","tolerations":[{"key":"j","operator":"Exists","effect":"NoSchedule"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"nodeSelector":{"a":"b","c":"d"},"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"placed","tolerations":[{"key":"j","operator":"Exists","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Exists","effect":"NoExecute"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"wide","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"wide","tolerations":[{"operator":"Exists"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"wide","tolerations":[{"key":"k","operator":"Equal","value":"v"},{"key":"j","operator":"Exists","effect":"NoExecute","tolerationSeconds":3}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"wide","tolerations":[{"operator":"Exists"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"timed","tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute","tolerationSeconds":30}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"timed","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Equal","value":"v","effect":"NoExecute","tolerationSeconds":60}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"timed","tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"timed","tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"runtimeClassName":"timed","tolerations":[{"key":"k","operator":"Equal","value":"w","effect":"NoExecute","tolerationSeconds":60}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"runtimeClassName":"timed","tolerations":[{"key":"k","operator":"Equal","value":"w","effect":"NoExecute","tolerationSeconds":60},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"k","operator":"Equal","value":"v","effect":"NoExecute","tolerationSeconds":60}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute"},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"operator":"Exists","effect":"NoSchedule"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"operator":"Exists","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"operator":"Exists"}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoSchedule"}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"tolerations":[{"operator":"Exists","effect":"NoExecute","tolerationSeconds":7}],"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"operator":"Exists","effect":"NoExecute","tolerationSeconds":7}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priority":0,"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priority":5,"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"system-node-critical","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":2000001000,"priorityClassName":"system-node-critical","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"system-node-critical","priority":2000001000,"containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":2000001000,"priorityClassName":"system-node-critical","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"system-node-critical","priority":1,"containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: the integer value of priority (1) must not be provided in pod spec; priority admission controller computed 2000001000 from the given PriorityClass name`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"none-such","containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: no PriorityClass with name none-such was found`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"preemptionPolicy":"Never","containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"system-cluster-critical","preemptionPolicy":"Never","containers":[{"name":"c","image":"i"}]}}`,
			`pods "p" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name`,
			``},
		{`{"metadata":{"name":"p","namespace":"ns"},"spec":{"preemptionPolicy":"PreemptLowerPriority","containers":[{"name":"c","image":"i"}]}}`,
			``,
			`{"preemptionPolicy":"PreemptLowerPriority","priority":0,"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}`},
	} {
		obj, got := k.write("pods", c.obj, "")
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.obj, got, c.want)
		}
		if got != "" {
			continue
		}
		set := map[string]any{}
		for _, name := range []string{"runtimeClassName", "overhead", "nodeSelector", "tolerations", "priorityClassName", "priority", "preemptionPolicy"} {
			if v := tree.At(obj, "spec", name); v != nil {
				set[name] = v
			}
		}
		if want := parsed(t, c.set); !tree.Equal(set, want) {
			t.Errorf("%s\n set %s\nwant %s", c.obj, text(set), text(want))
		}
	}
}
