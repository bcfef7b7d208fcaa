package apitest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"apichain/internal/tree"
)

// Scenarios are texts in which requests follow each other, each with what a real kube-apiserver has answered: they are written by playing
// them to one, and played to the server that is tested.
//
//	== a name that ends so
//	policy p CREATE:/v1/namespaces {"validations":[{"expression":"object.metadata.name.endsWith('k8s')"}]}
//	binding b p {}
//	try POST /api/v1/namespaces {"metadata":{"name":"x"}}
//	< 422 Invalid namespaces "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: ...
//	< {"name":"x","kind":"namespaces","causes":[...]}
//
// policy and binding make objects with what all of them have; make sends a request for good, and try one in a dry run. What make, policy
// and binding have made is deleted at the end of the scenario.

// Scenario is one of a text.
type Scenario struct {
	Name  string
	Steps []Step
}

// Step is a line, and the answer to it.
type Step struct {
	Line string
	Want []string
}

// ReadScenarios returns the scenarios of a text, in which a line that begins with # is a remark.
func ReadScenarios(text string) (all []Scenario) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "== "):
			all = append(all, Scenario{Name: line[3:]})
		case strings.HasPrefix(line, "< "):
			steps := all[len(all)-1].Steps
			last := &steps[len(steps)-1]
			last.Want = append(last.Want, line[2:])
		default:
			s := &all[len(all)-1]
			s.Steps = append(s.Steps, Step{Line: line})
		}
	}
	return all
}

// AppendTo appends a scenario as ReadScenarios reads it, with the answers given.
func (s *Scenario) AppendTo(b []byte, answers [][]string) []byte {
	b = append(b, "\n== "+s.Name+"\n"...)
	for i, step := range s.Steps {
		b = append(b, step.Line+"\n"...)
		for _, line := range answers[i] {
			b = append(b, "< "+line+"\n"...)
		}
	}
	return b
}

// Play sends the requests of a scenario and returns the answers. Before each that is tried wait is called, as a real server takes its time
// to see what is made.
func (s *Scenario) Play(c *Client, wait func()) (answers [][]string) {
	var made []string
	wait() // for what the scenario before has deleted
	isNew := false
	for _, step := range s.Steps {
		word, rest, _ := strings.Cut(step.Line, " ")
		method, path, body := "POST", "", ""
		switch word {
		case "policy":
			name, rest, _ := strings.Cut(rest, " ")
			rules, spec, _ := strings.Cut(rest, " ")
			path, body = policiesPath, string(tree.AppendJSON(nil, PolicyOf(name, rules, spec)))
		case "binding":
			name, rest, _ := strings.Cut(rest, " ")
			policy, spec, _ := strings.Cut(rest, " ")
			path, body = strings.TrimSuffix(policiesPath, "ies")+"ybindings", string(tree.AppendJSON(nil, BindingOf(name, policy, spec)))
		default:
			method, rest, _ = strings.Cut(rest, " ")
			path, body, _ = strings.Cut(rest, " ")
		}
		if word == "try" {
			if isNew {
				wait()
				isNew = false
			}
			path += "?dryRun=All"
		} else {
			isNew = true
		}
		lines, name := c.told(method, path, body)
		if word != "try" && method == "POST" && name != "" {
			made = append(made, path+"/"+name)
		}
		answers = append(answers, lines)
	}
	slices.Reverse(made)
	for _, path := range made {
		c.told("DELETE", path, "")
	}
	return answers
}

const policiesPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

// told sends a request and returns what is told in lines, and the name of the object.
func (c *Client) told(method, path, body string) (lines []string, name string) {
	header := []string{"Content-Type: application/json"}
	if method == "PATCH" {
		header = []string{"Content-Type: " + MergePatch}
	}
	resp, err := c.Send(context.Background(), method, path, strings.NewReader(body), header...)
	if err != nil {
		return []string{err.Error()}, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	obj, _, err := tree.ParseJSONObject(text)
	// A name that is made is another one each time.
	if _, rest, ok := strings.Cut(body, `"generateName":"`); ok {
		prefix, _, _ := strings.Cut(rest, `"`)
		text = regexp.MustCompile(`"`+prefix+`[a-z0-9]{5}"`).ReplaceAll(text, []byte(`"`+prefix+`....."`))
		text = regexp.MustCompile(`\\"`+prefix+`[a-z0-9]{5}\\"`).ReplaceAll(text, []byte(`\"`+prefix+`.....\"`))
		obj, _, err = tree.ParseJSONObject(text)
	}
	lines = []string{fmt.Sprint(resp.StatusCode)}
	switch {
	case err != nil:
		lines[0] += " " + string(text)
	case resp.StatusCode >= http.StatusBadRequest:
		lines[0] += " " + tree.Text(obj, "reason") + " " + strings.ReplaceAll(tree.Text(obj, "message"), "\n", "\\n")
		lines = append(lines, string(tree.AppendJSON(nil, obj["details"])))
	default:
		name = tree.Name(obj)
	}
	for _, w := range resp.Header["Warning"] {
		lines = append(lines, "warning "+w)
	}
	return lines, name
}

// PolicyOf returns a validating policy with a name, rules as OPERATIONS:GROUP/VERSION/RESOURCES joined by semicolons, and the rest of its
// spec as JSON.
func PolicyOf(name, rules, spec string) map[string]any {
	s := parsed(spec)
	constraints := tree.Object(s, "matchConstraints")
	if constraints == nil {
		constraints = map[string]any{}
		s["matchConstraints"] = constraints
	}
	var list []any
	for r := range strings.SplitSeq(rules, ";") {
		operations, r, _ := strings.Cut(r, ":")
		parts := strings.SplitN(r, "/", 3)
		list = append(list, map[string]any{
			"operations": texts(operations), "apiGroups": []any{parts[0]}, "apiVersions": []any{parts[1]}, "resources": texts(parts[2]),
		})
	}
	if constraints["resourceRules"] == nil {
		constraints["resourceRules"] = list
	}
	return policyPart("ValidatingAdmissionPolicy", name, s)
}

// BindingOf returns a binding of a validating policy, with the rest of its spec as JSON.
func BindingOf(name, policy, spec string) map[string]any {
	s := parsed(spec)
	s["policyName"] = policy
	if s["validationActions"] == nil {
		s["validationActions"] = []any{"Deny"}
	}
	return policyPart("ValidatingAdmissionPolicyBinding", name, s)
}

func policyPart(kind, name string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}
}

// texts returns what is between commas.
func texts(s string) (list []any) {
	for t := range strings.SplitSeq(s, ",") {
		list = append(list, t)
	}
	return list
}

// parsed returns JSON as a tree, "" as an empty one. It panics for what is none: the text is the test's.
func parsed(text string) map[string]any {
	obj, _, err := tree.ParseJSONObject([]byte(cmp.Or(text, "{}")))
	if err != nil {
		panic(text + ": " + err.Error())
	}
	return obj
}

// Settled returns what waits until a real kube-apiserver has seen what was made: it looks once a second.
func Settled() func() {
	return func() { <-time.After(2500 * time.Millisecond) }
}
