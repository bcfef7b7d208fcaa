package strategy

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The verdicts on pods in testdata/pods.txt are those of a real kube-apiserver, without the admission plugins that
// change pods. A case is a line and those below it that are indented:
//
//	create PATH = JSON & PATH = JSON…      what is wrong with a pod that is changed so; nothing if it is good
//	update CHANGES => CHANGES              what is wrong with an update, by the second, of a pod by the first
//	status, resize, ephemeralcontainers    as update, through the subresource, with good writes between: CHANGES => GOOD => CHANGES
//	template CHANGES                       what is wrong with a template of such a pod, where that is something else
//	shows CHANGES                          the spec and the status of such a pod
//	warns CHANGES                          what its writer is warned of
//
// A null removes what is at a path, and {a254} is as many letters.

// podCase is one of them.
type podCase struct {
	verb, old, changes string
	// steps are good writes between old and changes, by the same verb.
	steps, want []string
}

// podCases reads the file.
func podCases(t *testing.T) (cases []podCase) {
	t.Helper()
	f, err := os.Open("testdata/pods.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "  "); ok {
			cases[len(cases)-1].want = append(cases[len(cases)-1].want, manyLetters(text))
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if verb == "#" {
			continue
		}
		steps := strings.Split(rest, " => ")
		c := podCase{verb: verb, changes: steps[len(steps)-1]}
		if len(steps) > 1 {
			c.old, c.steps = steps[0], steps[1:len(steps)-1]
		}
		cases = append(cases, c)
	}
	if lines.Err() != nil || len(cases) < 100 {
		t.Fatal(len(cases), lines.Err())
	}
	return cases
}

// manyLetters writes {a254} out.
func manyLetters(s string) string {
	return regexp.MustCompile(`\{([a-z])(\d+)\}`).ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(m[2 : len(m)-1])
		return strings.Repeat(m[1:2], n)
	})
}

// change applies changes to an object.
func change(t *testing.T, obj map[string]any, changes string) {
	t.Helper()
	step := regexp.MustCompile(`\[[^\]]*\]|[^.\[\]]+`)
	for one := range strings.SplitSeq(changes, " & ") {
		path, text, _ := strings.Cut(one, " = ")
		value, _, err := tree.ParseJSON([]byte(manyLetters(text)))
		if err != nil {
			t.Fatal(one, err)
		}
		steps := step.FindAllString(path, -1)
		setAt(obj, steps, value)
	}
}

// setAt puts a value where steps lead, in a list behind its end too, and returns what obj is then.
func setAt(obj any, steps []string, value any) any {
	if len(steps) == 0 {
		return value
	}
	if list, ok := obj.([]any); ok {
		i, _ := strconv.Atoi(strings.Trim(steps[0], "[]"))
		if i == len(list) {
			return append(list, setAt(map[string]any{}, steps[1:], value))
		}
		list[i] = setAt(list[i], steps[1:], value)
		if list[i] == nil {
			return slices.Delete(list, i, i+1)
		}
		return list
	}
	o, ok := obj.(map[string]any)
	if !ok {
		o = map[string]any{}
	}
	if v := setAt(o[steps[0]], steps[1:], value); v != nil {
		o[steps[0]] = v
	} else {
		delete(o, steps[0])
	}
	return o
}

// pod returns the pod of the cases, changed, and as a write decodes and completes it.
func decodedPod(t *testing.T, shape kinds.Shape, base map[string]any, changes string) map[string]any {
	t.Helper()
	pod, _ := tree.Copy(base).(map[string]any)
	change(t, pod, changes)
	if _, err := shape.Prune(pod); err != nil {
		t.Fatal(changes, err)
	}
	shape.SetDefaults(pod)
	return pod
}

// wrongText writes errors as the cases have them.
func wrongText(errs []field.Error) (said []string) {
	for _, e := range errs {
		text, _, _ := strings.Cut(e.String(), "\n")
		text = strings.TrimRight(shownObject.ReplaceAllString(text, "Invalid value: {}: $1"), " ")
		said = append(said, text)
	}
	slices.Sort(said)
	return slices.Compact(said)
}

// TestPods: each case has the verdict of the real server.
func TestPods(t *testing.T) {
	table := tableForTest(t)
	shape := shapeForTest(t, table, "v1 Pod")
	pods := All()[kinds.NewKey("", "v1", "Pod")]
	base := objectForTest(t,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`)
	for _, c := range podCases(t) {
		var got []string
		if c.verb == "template" {
			continue
		}
		if c.old == "" {
			pod := decodedPod(t, shape, base, c.changes)
			pods.Prepare(pod, nil)
			switch c.verb {
			case "create":
				got = wrongText(shape.Validate(pod, nil, false))
			case "warns":
				got = pods.Warnings(pod, nil)
			case "shows":
				got = []string{shownPod(pod)}
			}
		} else {
			old := decodedPod(t, shape, base, c.old)
			pods.Prepare(old, nil)
			for _, step := range c.steps {
				next, errs := writtenPod(t, shape, pods, old, c.verb, step)
				if len(errs) > 0 {
					t.Errorf("%s %s => %s: %s", c.verb, c.old, step, wrongText(errs))
				}
				old = next
			}
			_, errs := writtenPod(t, shape, pods, old, c.verb, c.changes)
			got = wrongText(errs)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %s => %s\n got %s\nwant %s", c.verb, c.old, c.changes, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// writtenPod makes a write to old, and returns what comes of it and what is wrong with that.
func writtenPod(t *testing.T, shape kinds.Shape, pods Strategy, old map[string]any, verb, changes string) (map[string]any, []field.Error) {
	t.Helper()
	pod := decodedPod(t, shape, old, changes)
	switch verb {
	case "update":
		pods.Prepare(pod, old)
		return pod, shape.Validate(pod, old, false)
	case "status":
		spec := tree.Copy(old["spec"])
		pods.PrepareStatus(pod, old)
		if pod["spec"] = spec; tree.At(pod, "metadata", "name") != "x" {
			t.Error("metadata are gone")
		}
		return pod, shape.Validate(pod, old, true)
	}
	part := pods.Parts[verb]
	part.Merge(pod, old)
	return pod, shape.Row.CheckPart(pod, old, part.Check)
}

// shownPod is the spec and the status of a pod as the cases write them.
func shownPod(pod map[string]any) string {
	for _, c := range each(tree.At(pod, "status", "conditions")) {
		c["lastTransitionTime"] = "T"
	}
	text := tree.AppendJSON(nil, map[string]any{"spec": pod["spec"], "status": pod["status"]})
	var v any
	_ = json.Unmarshal(text, &v)
	b, _ := json.Marshal(v)
	return string(b)
}

// TestTemplates: a template is judged as the pods that are made from it, but for what the cases say.
func TestTemplates(t *testing.T) {
	table := tableForTest(t)
	shape := shapeForTest(t, table, "v1 PodTemplate")
	base := objectForTest(t, `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}`)
	cases := podCases(t)
	others := map[string][]string{}
	for _, c := range cases {
		if c.verb == "template" {
			others[c.changes] = append([]string{}, c.want...)
		}
	}
	for _, c := range cases {
		// The server that was asked about templates let no container have privileges.
		if c.verb != "create" || strings.Contains(c.changes, `"privileged":true`) || strings.Contains(c.changes, "hostProcess") {
			continue
		}
		want, ok := others[c.changes]
		if !ok {
			for _, text := range c.want {
				want = append(want, "template."+text)
			}
		}
		pod, _ := tree.Copy(base).(map[string]any)
		change(t, pod, c.changes)
		obj := map[string]any{"apiVersion": "v1", "kind": "PodTemplate", "metadata": map[string]any{"name": "x"}, "template": pod}
		if _, err := shape.Prune(obj); err != nil {
			t.Fatal(c.changes, err)
		}
		shape.SetDefaults(obj)
		if got := wrongText(shape.Validate(obj, nil, false)); !slices.Equal(got, want) {
			t.Errorf("%s\n got %s\nwant %s", c.changes, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}
