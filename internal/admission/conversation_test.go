package admission_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/admission"
	"apichain/internal/api/apitest"
	"apichain/internal/auth"
	"apichain/internal/tree"
)

// step is a line of a conversation: a request, and what kube-apiserver 1.37.2 answers to it where that
// is the business of plugins.
type step struct {
	Method, Path, Type string
	Body               json.RawMessage
	Code               int
	Message            string
	Causes             []map[string]any
	// Warnings are those of pods and their standards.
	Warnings []string
	// Has are parts of the answer, by their paths.
	Has map[string]any
}

// generated are names that no two servers share.
var generated = regexp.MustCompile(`(kube-api-access-|gen-)[a-z0-9]{5}\b`)

// TestConversations: what the real server has answered, this one answers too.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, admission.Config{})
			n := 0
			for line := range strings.Lines(string(data)) {
				var c step
				if err := json.Unmarshal([]byte(line), &c); err != nil {
					t.Fatal(err)
				}
				n++
				if wrong := c.play(t, s); wrong != "" {
					t.Errorf("line %d: %s %s %.200s\n%s", n, c.Method, c.Path, c.Body, wrong)
				}
			}
		})
	}
}

// serve starts a server with plugins, the system's priority classes, and nobody who makes objects.
func serve(t testing.TB, c admission.Config) *apitest.Server {
	t.Helper()
	c.Authorizer, c.NotReadySeconds, c.UnreachableSeconds = auth.DefaultAuthorizer(), 300, 300
	chain, err := admission.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := apitest.Start(t, apitest.Config{Empty: true, Admit: chain.For})
	chain.Look(s.API)
	own := append(admission.SystemPriorityClasses(), map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": "kube-system"}})
	for _, obj := range own {
		if _, _, err := s.API.Apply(context.Background(), obj); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// play sends the step's request and says how the answer differs.
func (c *step) play(t *testing.T, s *apitest.Server) string {
	t.Helper()
	typ := c.Type
	if typ == "" {
		typ = "application/json"
	}
	answer, err := s.Send(t.Context(), c.Method, c.Path, strings.NewReader(string(c.Body)), "Content-Type: "+typ)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var obj map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&obj); err != nil {
		t.Fatal(err)
	}
	message, _ := obj["message"].(string)
	message = generated.ReplaceAllString(message, "${1}X")
	if answer.StatusCode != c.Code || message != c.Message {
		return strconv.Itoa(answer.StatusCode) + " " + message + "\nwant " + strconv.Itoa(c.Code) + " " + c.Message
	}
	var wrong []string
	differ := func(what string, got, want any) {
		g, _ := json.Marshal(got)
		g = generated.ReplaceAll(g, []byte("${1}X"))
		if w, _ := json.Marshal(want); string(g) != string(w) {
			wrong = append(wrong, what+": "+string(g)+"\nwant "+string(w))
		}
	}
	if c.Causes != nil {
		differ("causes", tree.At(obj, "details", "causes"), c.Causes)
	}
	// Of others than namespaces the kinds warn too.
	texts := warnings(answer.Header)
	if strings.Count(c.Path, "/") > 4 {
		texts = slices.DeleteFunc(texts, func(text string) bool { return !strings.Contains(text, "PodSecurity") })
	}
	if len(texts)+len(c.Warnings) > 0 {
		differ("warnings", texts, c.Warnings)
	}
	for path, want := range c.Has {
		got := tree.At(obj, strings.Split(path, ".")...)
		if path == "spec.volumes" {
			list, _ := got.([]any)
			got = slices.DeleteFunc(list, func(v any) bool { return !strings.HasPrefix(tree.Text(v, "name"), "kube-api-access-") })
		}
		differ(path, got, want)
	}
	return strings.Join(wrong, "\n")
}

// warnings returns the texts of warnings.
func warnings(h http.Header) (texts []string) {
	for _, v := range h.Values("Warning") {
		if text, err := strconv.Unquote(strings.TrimPrefix(v, "299 - ")); err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

// TestQuotaIsExact: of many who write at once so many pass as there is room for, and what is used is
// what there is.
func TestQuotaIsExact(t *testing.T) {
	s := serve(t, admission.Config{})
	const maps, quotas = "/api/v1/namespaces/n/configmaps", "/api/v1/namespaces/n/resourcequotas"
	const room, writers, each = 25, 8, 10
	s.Must(201, "POST", "/api/v1/namespaces", `{"metadata":{"name":"n"}}`, "Content-Type: application/json")
	for _, name := range []string{"a", "b"} {
		s.Must(201, "POST", quotas, `{"metadata":{"name":"`+name+`"},"spec":{"hard":{"configmaps":"25"}}}`, "Content-Type: application/json")
		s.Must(200, "PATCH", quotas+"/"+name+"/status", `{"status":{"hard":{"configmaps":"25"},"used":{"configmaps":"0"}}}`, "Content-Type: application/merge-patch+json")
	}
	codes := make(chan int, writers*each)
	for w := range writers {
		go func() {
			for i := range each {
				code, _ := s.Try("POST", maps, `{"metadata":{"name":"m`+strconv.Itoa(w*each+i)+`"}}`, "Content-Type: application/json")
				codes <- code
			}
		}()
	}
	count := map[int]int{}
	for range writers * each {
		count[<-codes]++
	}
	if want := map[int]int{201: room, 403: writers*each - room}; !reflect.DeepEqual(count, want) {
		t.Errorf("answered %v, want %v", count, want)
	}
	stored := tree.List(s.Must(200, "GET", maps, ""), "items")
	for _, name := range []string{"a", "b"} {
		if used := tree.Text(s.Must(200, "GET", quotas+"/"+name, ""), "status", "used", "configmaps"); used != "25" || len(stored) != room {
			t.Errorf("%s says %s of %d", name, used, len(stored))
		}
	}
}

// BenchmarkConfigMap: a create with the plugins and without them, in turns, so that one run tells the ratio.
func BenchmarkConfigMap(b *testing.B) {
	servers := map[string]*apitest.Server{"with": serve(b, admission.Config{}), "without": apitest.Start(b, apitest.Config{Empty: true})}
	for _, s := range servers {
		s.Must(201, "POST", "/api/v1/namespaces", `{"metadata":{"name":"n"}}`, "Content-Type: application/json")
	}
	for round := range 3 {
		for _, name := range []string{"with", "without"} {
			s := servers[name]
			b.Run(name+"/"+strconv.Itoa(round), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					body := strings.NewReader(`{"metadata":{"generateName":"m-"},"data":{"a":"b"}}`)
					if _, err := s.Send(b.Context(), "POST", "/api/v1/namespaces/n/configmaps", body, "Content-Type: application/json"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
