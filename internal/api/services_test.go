package api_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What the real server answered about services and the network, as files of questions and answers. A line
// is a comment; a request: the verb, what follows the path of its namespace or the cluster, and a body without
// kind and apiVersion; the answer to the request above: the code, and what the object says or the message, whose
// causes are sorted; or behind a ! a warning that came with it. {ip}, {ip6} and {port} are any that no request of the
// file names: those that are named lie in the parts that are not handed out before the rest.

// asked has, by resource, the kind, the path and what of an object is in an answer.
var asked = map[string]struct{ kind, path, shown string }{
	"services":        {`"kind":"Service","apiVersion":"v1",`, "/api/v1/namespaces/default/", "spec"},
	"endpoints":       {`"kind":"Endpoints","apiVersion":"v1",`, "/api/v1/namespaces/default/", "subsets"},
	"endpointslices":  {`"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",`, "/apis/discovery.k8s.io/v1/namespaces/default/", "endpoints"},
	"ingresses":       {`"kind":"Ingress","apiVersion":"networking.k8s.io/v1",`, "/apis/networking.k8s.io/v1/namespaces/default/", "spec"},
	"networkpolicies": {`"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1",`, "/apis/networking.k8s.io/v1/namespaces/default/", "spec"},
	"ingressclasses":  {`"kind":"IngressClass","apiVersion":"networking.k8s.io/v1",`, "/apis/networking.k8s.io/v1/", "spec"},
	"ipaddresses":     {`"kind":"IPAddress","apiVersion":"networking.k8s.io/v1",`, "/apis/networking.k8s.io/v1/", "spec"},
	"servicecidrs":    {`"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1",`, "/apis/networking.k8s.io/v1/", "spec"},
}

// TestNetworkAnswers asks what the real server was asked, and wants its answers.
func TestNetworkAnswers(t *testing.T) {
	for file, cidrs := range map[string][]string{
		"services-single": {"10.0.0.0/24"}, "services-dual": {"10.0.0.0/24", "fd00:10::/108"}, "networking": {"10.0.0.0/24"},
	} {
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + file + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			c := startNetwork(t, cidrs...)
			normal := normalised(string(b))
			lines := strings.Split(string(b), "\n")
			for i := 0; i < len(lines); i++ {
				line := lines[i]
				if line == "" || line[0] < 'A' || line[0] > 'Z' {
					continue
				}
				var want []string
				for i+1 < len(lines) && lines[i+1] != "" && (lines[i+1][0] == '!' || lines[i+1][0] >= '0' && lines[i+1][0] <= '9') {
					i++
					want = append(want, lines[i])
				}
				got := answered(c, line)
				got[0] = normal(got[0])
				if !slices.Equal(got, want) {
					t.Errorf("%s\n got %s\nwant %s", line, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			}
		})
	}
}

// answered sends a request of a file and returns the answer and its warnings as the file has them.
func answered(c *apitest.Server, line string) []string {
	verb, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	resource, _, _ := strings.Cut(strings.Split(path, "?")[0], "/")
	about := asked[resource]
	contentType := "Content-Type: application/json"
	if verb == "PATCH" {
		contentType = "Content-Type: application/merge-patch+json"
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(strings.Replace(body, "{", "{"+about.kind, 1))
	}
	resp, err := c.Send(context.Background(), verb, about.path+path, r, contentType)
	if err != nil {
		return []string{err.Error()}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	obj, _, err := tree.ParseJSONObject(text)
	if err != nil {
		return []string{err.Error() + ": " + string(text)}
	}
	shown := about.shown
	if strings.Contains(path, "/status") {
		shown = "status"
	}
	out := []string{strconv.Itoa(resp.StatusCode) + " " + brief(obj, shown)}
	for _, w := range resp.Header["Warning"] {
		w, _ = strconv.Unquote(strings.SplitN(w, " ", 3)[2])
		out = append(out, "! "+w)
	}
	return out
}

// brief says what an answer is: what a list holds, the message of a Status, or a field of an object.
func brief(obj map[string]any, shown string) string {
	items, isList := obj["items"].([]any)
	switch {
	case isList:
		var list []string
		for _, item := range items {
			list = append(list, brieflyListed(item))
		}
		return strings.Join(list, " ")
	case obj["kind"] != "Status":
		b, _ := json.Marshal(obj[shown])
		return string(b)
	case obj["status"] == "Success":
		return "Success"
	}
	message := tree.Text(obj, "message")
	if causes := tree.List(obj, "details", "causes"); len(causes) > 1 {
		var texts []string
		for _, c := range causes {
			texts = append(texts, tree.Text(c, "field")+": "+tree.Text(c, "message"))
		}
		slices.Sort(texts)
		what, _, _ := strings.Cut(message, " is invalid: ")
		return what + " is invalid: [" + strings.Join(texts, ", ") + "]"
	}
	return message
}

// brieflyListed says of an IPAddress whose it is, and of a ServiceCIDR what it has.
func brieflyListed(item any) string {
	if parent := tree.Object(item, "spec", "parentRef"); parent != nil {
		return tree.Text(item, "metadata", "name") + "=" + tree.Text(parent, "name") + ":" +
			tree.Text(item, "metadata", "labels", "ipaddress.kubernetes.io/ip-family")
	}
	s := tree.Text(item, "metadata", "name") + "=" + strings.Join(tree.Strings(tree.List(item, "spec", "cidrs")), ",") + ":"
	for _, c := range tree.List(item, "status", "conditions") {
		s += tree.Text(c, "type") + "/" + tree.Text(c, "status") + "/" + tree.Text(c, "reason") + "/" + tree.Text(c, "message")
	}
	return s
}

// normalised returns what puts placeholders in an answer for what no request of the file names, and puts
// what they make equal in order.
func normalised(file string) func(string) string {
	named := map[string]bool{"10.0.0.0": true, "10.0.0.1": true}
	texts := regexp.MustCompile(`10\.0\.0\.\d+|fd00:10::[0-9a-f:]*[0-9a-f]|\b3[0-2]\d{3}\b`)
	for line := range strings.SplitSeq(file, "\n") {
		if line != "" && line[0] >= 'A' && line[0] <= 'Z' {
			for _, s := range texts.FindAllString(line, -1) {
				named[s] = true
			}
		}
	}
	for _, s := range []string{"30000", "32767", "32769", "32770", "32771"} {
		named[s] = true
	}
	return func(s string) string {
		s = texts.ReplaceAllStringFunc(s, func(s string) string {
			switch {
			case named[s]:
				return s
			case strings.Contains(s, ":"):
				return "{ip6}"
			case strings.Contains(s, "."):
				return "{ip}"
			}
			return "{port}"
		})
		if words := strings.Split(s, " "); strings.Contains(s, ":IPv") {
			slices.Sort(words[1:])
			return strings.Join(words, " ")
		}
		return s
	}
}
