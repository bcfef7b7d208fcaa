package policy

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// withExpressions are the objects of the server's own whose expressions are compiled before they are stored, by a word for each: where
// they are made, and what they have beside what a row says.
var withExpressions = map[string]struct{ path, kind, spec string }{
	"validating": {policiesPath, "ValidatingAdmissionPolicy", `"failurePolicy":"Fail",` + aboutMaps},
	"mutating":   {mutatingPath, "MutatingAdmissionPolicy", `"reinvocationPolicy":"Never","failurePolicy":"Fail",` + aboutMaps},
	"class":      {"/apis/resource.k8s.io/v1/deviceclasses", "DeviceClass", ""},
}

const aboutMaps = `"matchConstraints":{"resourceRules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},`

// TestRefused: an expression that does not compile, or is of another type than its place asks for, refuses the object that has it, with a
// cause at that place. The same are told by a real kube-apiserver at the URL of APICHAIN_SERVER.
func TestRefused(t *testing.T) {
	var c *apitest.Client
	if url := os.Getenv("APICHAIN_SERVER"); url != "" {
		web := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		c = &apitest.Client{T: t, Do: web.Do, URL: url, Token: "admin-token"}
	} else {
		c = start(t).Client
	}
	const good = `"validations":[{"expression":"true"}]`
	const undeclared = "compilation failed: ERROR: <input>:1:1: undeclared reference to '"
	for _, row := range []struct {
		kind, spec string
		causes     string // each as FIELD: what its message has; none for what is stored
	}{
		// Where expressions may name what.
		{"validating", good, ""},
		{"validating", `"validations":[{"expression":"object == oldObject && request.dryRun && namespaceObject == null && authorizer.path('/').check('get').allowed()"}]`, ""},
		{"validating", `"validations":[{"expression":"params == null"}]`, "spec.validations[0].expression: " + undeclared + "params'"},
		{"validating", `"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},"validations":[{"expression":"params == null"}]`, ""},
		{"validating", `"validations":[{"expression":"variables.a"}]`, "spec.validations[0].expression: " + undeclared + "variables'"},
		{"validating", `"variables":[{"name":"a","expression":"true"}],"validations":[{"expression":"variables.a"}]`, ""},
		{"validating", `"variables":[{"name":"a","expression":"1"}],"validations":[{"expression":"variables.a"}]`, "spec.validations[0].expression: must evaluate to bool"},
		{"validating", `"variables":[{"name":"a","expression":"true"}],"validations":[{"expression":"variables.b"}]`, "spec.validations[0].expression: undefined field 'b'"},
		{"validating", `"variables":[{"name":"a","expression":"variables.b"},{"name":"b","expression":"true"}],` + good, "spec.variables[0].expression: undefined field 'b'"},
		{"validating", `"variables":[{"name":"a","expression":"nope"}],` + good, "spec.variables[0].expression: " + undeclared + "nope'"},
		{"validating", `"validations":[{"expression":"Object{} == object"}]`, "spec.validations[0].expression: undeclared reference to 'Object'"},
		// Messages and annotations are text, and messages ask nobody.
		{"validating", `"validations":[{"expression":"true","messageExpression":"'a' + object.metadata.name"}]`, ""},
		{"validating", `"validations":[{"expression":"true","messageExpression":"1"}]`, "spec.validations[0].messageExpression: must evaluate to string"},
		{"validating", `"validations":[{"expression":"true","messageExpression":"authorizer.path('/').check('get').reason()"}]`, "spec.validations[0].messageExpression: " + undeclared + "authorizer'"},
		{"validating", `"auditAnnotations":[{"key":"a","valueExpression":"'x'"},{"key":"b","valueExpression":"null"}]`, ""},
		{"validating", `"auditAnnotations":[{"key":"a","valueExpression":"true"}]`, "spec.auditAnnotations[0].valueExpression: must evaluate to one of [string null_type]"},
		// Conditions are evaluated before there are variables.
		{"validating", `"matchConditions":[{"name":"a","expression":"object != null"}],` + good, ""},
		{"validating", `"matchConditions":[{"name":"a","expression":"1"}],` + good, "spec.matchConditions[0].expression: must evaluate to bool"},
		{"validating", `"variables":[{"name":"a","expression":"true"}],"matchConditions":[{"name":"c","expression":"variables.a"}],` + good, "spec.matchConditions[0].expression: " + undeclared + "variables'"},
		// Each one that is wrong is told.
		{"validating", `"validations":[{"expression":"nope"},{"expression":"true"},{"expression":"1"}]`,
			"spec.validations[0].expression: nope\nspec.validations[2].expression: must evaluate to bool"},
		// Mutations are objects, or lists of operations.
		{"mutating", `"mutations":[` + applied("Object{}") + `,` + patched("[]") + `]`, "spec.mutations[1].jsonPatch.expression: must evaluate to"},
		{"mutating", `"mutations":[` + applied("Object{metadata: Object.metadata{labels: {'a': 'b'}}}") + `]`, ""},
		{"mutating", `"mutations":[` + applied("object") + `]`, "spec.mutations[0].applyConfiguration.expression: must evaluate to"},
		{"mutating", `"mutations":[` + applied("{'metadata': 1}") + `]`, "spec.mutations[0].applyConfiguration.expression: must evaluate to"},
		{"mutating", `"mutations":[` + patched("[JSONPatch{op: 'add', path: '/a', value: 1}]") + `]`, ""},
		{"mutating", `"mutations":[` + patched("JSONPatch{op: 'add', path: '/a', value: 1}") + `]`, "spec.mutations[0].jsonPatch.expression: must evaluate to"},
		{"mutating", `"mutations":[` + patched("[JSONPatch{op: 1, path: '/a'}]") + `]`, "spec.mutations[0].jsonPatch.expression: expected type of field 'op' is 'string' but provided type is 'int'"},
		{"mutating", `"variables":[{"name":"o","expression":"Object{}"}],"mutations":[` + applied("variables.o") + `]`, "spec.variables[0].expression: undeclared reference to 'Object'\nspec.mutations[0].applyConfiguration.expression: "},
		{"mutating", `"mutations":[` + applied("nope") + `,` + patched("nope") + `]`,
			"spec.mutations[0].applyConfiguration.expression: " + undeclared + "nope'\nspec.mutations[1].jsonPatch.expression: " + undeclared + "nope'"},
		// Devices are selected by what they are.
		{"class", `"selectors":[{"cel":{"expression":"device.driver == 'd' && device.attributes['d'].model == 'm'"}}]`, ""},
		{"class", `"selectors":[{"cel":{"expression":"device.capacity['d'].memory.isGreaterThan(quantity('1Gi'))"}}]`, ""},
		{"class", `"selectors":[{"cel":{"expression":"device.driver"}}]`, "spec.selectors[0].cel.expression: must evaluate to bool or the unknown type, not string"},
		{"class", `"selectors":[{"cel":{"expression":"object.metadata"}}]`, "spec.selectors[0].cel.expression: " + undeclared + "object'"},
		{"class", `"selectors":[{"cel":{"expression":"true"}},{"cel":{"expression":"device.nope"}}]`, "spec.selectors[1].cel.expression: undefined field 'nope'"},
		{"class", `"selectors":[{"cel":{"expression":"device.attributes.all(a, device.attributes[a].all(b, device.attributes.all(c, device.attributes[c].all(d, b == d))))"}}]`,
			"spec.selectors[0].cel.expression: too complex"},
	} {
		k := withExpressions[row.kind]
		body := `{"metadata":{"name":"p.example.com"},"spec":{` + k.spec + row.spec + `}}`
		code, got := c.Try("POST", k.path+"?dryRun=All", body)
		var told []string
		for _, cause := range tree.List(got, "details", "causes") {
			told = append(told, tree.Text(cause, "field")+": "+tree.Text(cause, "message"))
		}
		var want []string
		if row.causes != "" {
			want = strings.Split(row.causes, "\n")
		}
		same := len(told) == len(want) && (code == 201) == (want == nil)
		for i := range want {
			at, has, _ := strings.Cut(want[i], ": ")
			same = same && strings.HasPrefix(told[i], at+": ") && strings.Contains(told[i], has)
		}
		if !same {
			t.Errorf("%s %s: %d %s\n\tgot  %s\n\twant %s", row.kind, row.spec, code, tree.Text(got, "reason"), strings.Join(told, "\n\t     "), row.causes)
		}
	}
}

// TestStoredExpressions: an object whose expressions were good once can be written with them, whatever else changes in it; one that is
// changed to be wrong is refused, and leaves in force what was.
func TestStoredExpressions(t *testing.T) {
	s := start(t)
	maps := apitest.MapsPath + "?dryRun=All"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("p", "CREATE:/v1/configmaps", `{"validations":[{"expression":"object.metadata.name != 'no'","message":"no"}]}`), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("p", "{}"), 201, "", ""},
		{"labels of it", "PATCH", policiesPath + "/p", `{"metadata":{"labels":{"a":"b"}}}`, 200, "", ""},
		{"a wrong one", "PATCH", policiesPath + "/p", `{"spec":{"validations":[{"expression":"object.metadata.name !="}]}}`, 422, "spec.validations[0].expression: Invalid value", ""},
		{"a kind of parameters", "PATCH", policiesPath + "/p", `{"spec":{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},"validations":[{"expression":"params != null || object.metadata.name != 'no'","message":"no"}]}}`, 200, "", ""},
		{"which goes without the expression that names it", "PATCH", policiesPath + "/p", `{"spec":{"paramKind":null}}`, 422, "undeclared reference to 'params'", ""},
		{"and with it", "PATCH", policiesPath + "/p", `{"spec":{"paramKind":null,"validations":[{"expression":"object.metadata.name != 'no'","message":"no"}]}}`, 200, "", ""},
		{"it is in force", "POST", maps, mapBody("no", "{}"), 422, "denied request: no", ""},
		{"for what it is about", "POST", maps, mapBody("yes", "{}"), 201, "", ""},
	})
}
