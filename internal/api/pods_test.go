package api_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What the real server answered about pods: bindings, grace periods, evictions, and the way to a container. A file
// has the requests in order, each with what it was answered. A line is a comment, a request (the verb, what
// follows the path of the namespace, and a body), or the answer to it: the code, and of a pod or a budget what the
// requests are about, with TIME for each time, or the reason and the message, its causes behind bars, and when to
// ask again. ANY is an identifier or a revision.

// podsPath and budgetsPath are before what a line of the file has.
const (
	podsPath    = "/api/v1/namespaces/default/"
	budgetsPath = "/apis/policy/v1/namespaces/default/"
)

// TestPodAnswers asks what the real server was asked, and wants its answers.
func TestPodAnswers(t *testing.T) {
	b, err := os.ReadFile("testdata/pods.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := apitest.Start(t, apitest.Config{})
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(s string) bool { return s == "" || s[0] == '#' })
	if len(lines)%2 != 0 || len(lines) < 300 {
		t.Fatalf("%d lines", len(lines))
	}
	for i := 0; i < len(lines); i += 2 {
		if got := podAnswer(c, lines[i]); got != lines[i+1] {
			t.Errorf("%s\n got %s\nwant %s", lines[i], got, lines[i+1])
		}
	}
}

// podAnswer sends a request of the file and returns the answer as the file has it.
func podAnswer(c *apitest.Server, line string) string {
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	root := podsPath
	if strings.HasPrefix(path, "poddisruptionbudgets") {
		root = budgetsPath
	}
	contentType := "application/json"
	if method == "PATCH" {
		contentType = apitest.MergePatch
		if strings.Contains(path, "/status") {
			contentType = apitest.StrategicPatch
		}
	}
	resp, err := c.Send(context.Background(), method, root+path, strings.NewReader(body), "Content-Type: "+contentType)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	if len(b) == 0 {
		return fmt.Sprintf("%d ", resp.StatusCode)
	}
	obj, _, err := tree.ParseJSONObject(b)
	if err != nil {
		c.T.Fatalf("%s: %v: %s", line, err, b)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, podShown(obj))
}

// Times of a server, and what differs in each run, behind the words that come before it.
var (
	timesOf  = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]{8}Z`)
	chanceOf = regexp.MustCompile(`(in object meta: |in record \()[^.)]*`)
)

// podShown is what of an answer is in the file.
func podShown(obj map[string]any) string {
	switch obj["kind"] {
	case "Status":
		text := tree.Text(obj, "status")
		if obj["message"] != nil {
			text = chanceOf.ReplaceAllString(tree.Text(obj, "reason")+": "+tree.Text(obj, "message"), "${1}ANY")
		}
		if obj["code"] == int64(429) {
			for _, cause := range tree.List(obj, "details", "causes") {
				text += " | " + tree.Text(cause, "message")
			}
		}
		if after := tree.At(obj, "details", "retryAfterSeconds"); after != nil {
			text += fmt.Sprintf(" (after %d s)", after)
		}
		return text
	case "Pod", "PodDisruptionBudget":
		meta := map[string]any{}
		for _, name := range [...]string{"generation", "deletionGracePeriodSeconds", "finalizers", "labels", "annotations"} {
			if v := tree.At(obj, "metadata", name); v != nil {
				meta[name] = v
			}
		}
		shown := map[string]any{"metadata": meta, "status": obj["status"]}
		if node := tree.At(obj, "spec", "nodeName"); node != nil {
			shown["nodeName"] = node
		}
		return timesOf.ReplaceAllString(string(tree.AppendJSON(nil, shown)), "TIME")
	}
	return tree.Text(obj, "kind")
}

// TestPodEnds: what a watch sees of pods that are deleted. One that nobody has to stop is changed before it goes.
func TestPodEnds(t *testing.T) {
	c := apitest.Start(t, apitest.Config{})
	w := c.Watch(t, podsPath+"pods?watch=1")
	const object = `POST pods {"metadata":{"name":"NAME"},"spec":{MORE"containers":[{"name":"c","image":"i"}]}}`
	for i, row := range []struct {
		node     bool
		requests []string
		want     string
	}{
		{false, []string{"DELETE pods/NAME"}, "ADDED 1 - MODIFIED 2 0 DELETED 2 0"},
		{true, []string{"DELETE pods/NAME", "DELETE pods/NAME?gracePeriodSeconds=0"}, "ADDED 1 - MODIFIED 2 30 MODIFIED 2 0 DELETED 2 0"},
		{true, []string{"DELETE pods/NAME?gracePeriodSeconds=0"}, "ADDED 1 - MODIFIED 2 0 DELETED 2 0"},
		{false, []string{`POST pods/NAME/eviction {"metadata":{"name":"NAME"}}`}, "ADDED 1 - MODIFIED 1 - MODIFIED 2 0 DELETED 2 0"},
	} {
		name, more := fmt.Sprint("w", i), ""
		if row.node {
			more = `"nodeName":"n",`
		}
		for _, line := range append([]string{strings.Replace(object, "MORE", more, 1)}, row.requests...) {
			if got := podAnswer(c, strings.ReplaceAll(line, "NAME", name)); got[0] != '2' {
				t.Fatal(got)
			}
		}
		var got []string
		for range len(strings.Fields(row.want)) / 3 {
			e := w.Next()
			left := tree.At(e.Obj, "metadata", "deletionGracePeriodSeconds")
			if left == nil {
				left = "-"
			}
			got = append(got, e.Type, fmt.Sprint(tree.At(e.Obj, "metadata", "generation")), fmt.Sprint(left))
		}
		if got := strings.Join(got, " "); got != row.want {
			t.Errorf("%v: %s, want %s", row.requests, got, row.want)
		}
	}
}
