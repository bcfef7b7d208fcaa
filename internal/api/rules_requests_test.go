package api_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestRuleRequests sends the requests of testdata/rules.txt to a server, one after another, and compares with what kube-apiserver
// v1.37.2 has answered to the same ones: the status, the reason and the message, and the warnings, which come in any order there. A
// block of the file is a verb and a path, a body, "= " and the answer, and "! " and a warning each.
func TestRuleRequests(t *testing.T) {
	data, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{
		"PATCH": "application/merge-patch+json", "JSON": "application/json-patch+json", "APPLY": "application/apply-patch+yaml",
	}
	generated := regexp.MustCompile(`"a-[a-z0-9]{5}"`)
	r, sent := newReviewed(t), 0
	for block := range strings.SplitSeq(string(data), "\n\n") {
		var verb, path, body, want string
		var warnings []string
		for line := range strings.Lines(block) {
			switch line = strings.TrimSuffix(line, "\n"); {
			case strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, "= "):
				if err := json.Unmarshal([]byte(line[2:]), &want); err != nil {
					t.Fatal(line, err)
				}
			case strings.HasPrefix(line, "! "):
				warnings = append(warnings, line[2:])
			case verb == "":
				verb, path, _ = strings.Cut(line, " ")
			default:
				body += line
			}
		}
		method := verb
		if types[verb] != "" {
			method = "PATCH"
		}
		w := r.send(method, path, types[verb], body)
		got := w.Result().Status[:3]
		if w.Code >= 400 {
			got += " " + r.at(w, "reason") + ": " + tree.Text(r.tree(w), "message")
		}
		if got = generated.ReplaceAllString(got, `"a-xxxxx"`); got != want {
			t.Errorf("%s %s %s\n got %s\nwant %s", verb, path, body, got, want)
		}
		told := w.Header()["Warning"]
		slices.Sort(told)
		if !slices.Equal(told, warnings) {
			t.Errorf("%s %s %s\n got %q\nwant %q", verb, path, body, told, warnings)
		}
		sent++
	}
	if sent < 70 {
		t.Errorf("only %d requests", sent)
	}
}
