package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// ruledDefinition is one whose schema of spec is the argument.
const ruledDefinition = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: gadgets.ruled.example.com}, spec: {group: ruled.example.com, scope: Namespaced,
  names: {plural: gadgets, kind: Gadget}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: %s}}}}]}}`

const ruledSpec = `{type: object, properties: {min: {type: integer, description: The least.}, max: {type: integer}, name: {type: string, maxLength: 20%s}},
  x-kubernetes-validations: [{rule: "self.min <= self.max", message: min is at most max}]}`

func gadget(spec string) string {
	return "{apiVersion: ruled.example.com/v1, kind: Gadget, metadata: {name: a}, spec: " + spec + "}"
}

// gadgetPolicy denies gadgets by a parameter, and is put into force by the binding.
const gadgetPolicy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: gadgets.example.com}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints: {resourceRules: [{apiGroups: [ruled.example.com], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [gadgets]}]}
  matchConditions: [{name: not-free, expression: "!(has(object.metadata.labels) && 'free' in object.metadata.labels)"}]
  variables: [{name: most, expression: "int(params.data.most)"}]
  validations:
  - {expression: "object.spec.max <= variables.most", messageExpression: "'max ' + string(object.spec.max) + ' is more than ' + string(variables.most)", reason: Forbidden}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: most}
data: {most: "10"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: gadgets.example.com}
spec: {policyName: gadgets.example.com, validationActions: [%s], paramRef: {name: most, namespace: default, parameterNotFoundAction: Deny}}
`

// TestRulesClients: what kubectl shows and controller-runtime's client returns where rules and policies refuse or warn.
func TestRulesClients(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		// A rule that cannot compile is shown with its place.
		out, code := f.output(t, "apply -f -", fmt.Sprintf(ruledDefinition, strings.Replace(fmt.Sprintf(ruledSpec, ""), "self.min", "self.mini", 1)))
		if code != 1 || !strings.Contains(out, "compilation failed: ERROR: <input>:1:5: undefined field 'mini'\n | self.mini <= self.max\n | ....^") {
			t.Errorf("%d %s", code, out)
		}
		f.must(t, "apply -f -", fmt.Sprintf(ruledDefinition, fmt.Sprintf(ruledSpec, "")))
		f.must(t, "wait --for=condition=Established crd/gadgets.ruled.example.com --timeout=30s", "")
		f.forget(t)
		eventually(t, "explain knows the definition", func() error {
			if out, _ := f.output(t, "explain gadgets.spec.min", ""); !strings.Contains(out, "The least.") {
				return errors.New(out)
			}
			return nil
		})
		for _, how := range []string{"apply -f -", "apply --server-side -f -", "create -f -", "apply --dry-run=server -f -"} {
			out, code := f.output(t, how, gadget("{min: 2, max: 1}"))
			if want := `The Gadget "a" is invalid: spec: Invalid value: min is at most max`; code != 1 || !strings.Contains(out, want) {
				t.Errorf("%s: %d %s", how, code, out)
			}
		}
		f.must(t, "apply -f -", gadget("{min: 1, max: 2, name: bad}"))
		f.must(t, "apply -f -", fmt.Sprintf(ruledDefinition, fmt.Sprintf(ruledSpec, `, x-kubernetes-validations: [{rule: "self != 'bad'", message: not so bad}]`)))
		eventually(t, "what was is warned of", func() error {
			out, code := f.output(t, "patch gadget a --type=merge --dry-run=server -p {\"spec\":{\"max\":3}}", "")
			if want := `Warning: spec.name: Invalid value: "bad": not so bad`; code != 0 || !strings.Contains(out, want) {
				return fmt.Errorf("%d %s", code, out)
			}
			return nil
		})
		f.ruledByPolicy(t)
	})
}

// ruledByPolicy puts the policy into force, first to warn and then to deny.
func (f *front) ruledByPolicy(t *testing.T) {
	t.Helper()
	f.must(t, "apply -f -", fmt.Sprintf(gadgetPolicy, "Warn"))
	const said = "ValidatingAdmissionPolicy 'gadgets.example.com' with binding 'gadgets.example.com' "
	eventually(t, "the policy warns", func() error {
		out, code := f.output(t, "apply --dry-run=server -f -", gadget("{min: 1, max: 11, name: good}"))
		if want := "Warning: Validation failed for " + strings.TrimSuffix(said, " ") + ": max 11 is more than 10"; code != 0 || !strings.Contains(out, want) {
			return fmt.Errorf("%d %s", code, out)
		}
		return nil
	})
	f.must(t, "apply -f -", fmt.Sprintf(gadgetPolicy, "Deny"))
	eventually(t, "the policy denies", func() error {
		out, code := f.output(t, "apply --dry-run=server -f -", gadget("{min: 1, max: 11, name: good}"))
		if want := "gadgets.ruled.example.com \"a\" is forbidden: " + said + "denied request: max 11 is more than 10"; code != 1 || !strings.Contains(out, want) {
			return fmt.Errorf("%d %s", code, out)
		}
		return nil
	})
	c, err := client.New(f.config("admin-token"), client.Options{})
	check(t, "a client", err)
	made := func(name string, labels map[string]string, min, max int64) error {
		o := &unstructured.Unstructured{Object: object{"apiVersion": "ruled.example.com/v1", "kind": "Gadget", "spec": object{"min": min, "max": max}}}
		o.SetName(name)
		o.SetNamespace("default")
		o.SetLabels(labels)
		return c.Create(t.Context(), o)
	}
	check(t, "a good one", made("b", nil, 1, 10))
	check(t, "one that the conditions leave out", made("c", map[string]string{"free": ""}, 1, 100))
	if err := made("d", nil, 1, 100); !apierrors.IsForbidden(err) {
		t.Errorf("of the policy: %v", err)
	}
	err = made("e", nil, 3, 2)
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid)
	if !apierrors.IsInvalid(err) || !ok || cause.Field != "spec" || cause.Message != "Invalid value: min is at most max" {
		t.Errorf("of the rules: %v, %+v", err, cause)
	}
	f.must(t, "delete configmap most", "")
	eventually(t, "there is no parameter", func() error {
		if err := made("f", nil, 1, 2); err == nil || !strings.Contains(err.Error(), "no params found for policy binding with `Deny` parameterNotFoundAction") {
			return fmt.Errorf("%w", errors.Join(err, c.DeleteAllOf(t.Context(), gadgetList(), client.InNamespace("default"))))
		}
		return nil
	})
}

// gadgetList is the kind whose objects are deleted.
func gadgetList() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{"apiVersion": "ruled.example.com/v1", "kind": "Gadget"}}
}

// TestEnvtestRules: a suite of controller-runtime installs a definition with rules and a policy from files.
func TestEnvtestRules(t *testing.T) {
	e := newEnvironment(t, folderOf(t))
	k := &kube{dir: t.TempDir()}
	k.write(t, "gadgets.yaml", fmt.Sprintf(ruledDefinition, fmt.Sprintf(ruledSpec, "")))
	e.CRDInstallOptions = envtest.CRDInstallOptions{Paths: []string{k.dir}, ErrorIfPathMissing: true}
	config, err := e.Start()
	check(t, "the environment", err)
	c, err := client.New(config, client.Options{})
	check(t, "a client", err)
	o := &unstructured.Unstructured{Object: object{"apiVersion": "ruled.example.com/v1", "kind": "Gadget", "metadata": object{"name": "a", "namespace": "default"},
		"spec": object{"min": int64(2), "max": int64(1)}}}
	if err := c.Create(t.Context(), o); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "min is at most max") {
		t.Errorf("a bad one: %v", err)
	}
	check(t, "a good one", unstructured.SetNestedField(o.Object, int64(2), "spec", "max"))
	check(t, "a good one", c.Create(t.Context(), o))
	check(t, "stop", e.Stop())
}
