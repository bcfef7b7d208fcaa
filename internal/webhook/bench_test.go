package webhook

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"

	"strings"
	"syscall"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/request"
)

// configured compiles n configurations that name what rules say, with a selector that a config map in namespace default does not
// meet.
func (s *served) configured(n int, rules func(i int) string, selects ...string) {
	s.T.Helper()
	for i := range n {
		label := "so"
		if len(selects) > 0 {
			label = selects[i]
		}
		s.keep("Validating", fmt.Sprintf("c%04d", i), s.hookOf("a", "ok", `"rules":[`+rules(i)+`],"objectSelector":{"matchLabels":{"never":"`+label+`"}}`))
	}
}

// TestUnwantedCostsNothing: a write that no rule names is not asked about, for no memory.
func TestUnwantedCostsNothing(t *testing.T) {
	s := start(t, nil)
	maps := s.API.Builtin("", "v1", "ConfigMap")
	events := s.API.Builtin("", "v1", "Event")
	for _, n := range []int{0, 100} {
		s.configured(n, func(i int) string {
			return fmt.Sprintf(`{"operations":["CREATE"],"apiGroups":["g%d"],"apiVersions":["*"],"resources":["configmaps"]}`, i)
		})
		for _, r := range []*api.Resource{maps, events} {
			if n := testing.AllocsPerRun(100, func() {
				if s.w.Wants(api.Validating, r, "", api.OperationCreate) || s.w.Wants(api.Mutating, r, "", api.OperationCreate) {
					t.Fatal("it is wanted")
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations", r.Plural, n)
			}
		}
	}
}

// BenchmarkWants: what it costs a write to learn that nobody wants to know of it.
func BenchmarkWants(b *testing.B) {
	for _, n := range []int{0, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := start(b, nil)
			s.configured(n, func(i int) string {
				return fmt.Sprintf(`{"operations":["CREATE"],"apiGroups":["g%d"],"apiVersions":["*"],"resources":["*"]}`, i)
			})
			r := s.API.Builtin("", "v1", "ConfigMap")
			b.ReportAllocs()
			for b.Loop() {
				if s.w.Wants(api.Validating, r, "", api.OperationCreate) {
					b.Fatal("wanted")
				}
			}
		})
	}
}

// BenchmarkMatch: a thousand configurations, of which one is about the resource and does not select the object; all of which are
// about it, with one selector or a thousand.
func BenchmarkMatch(b *testing.B) {
	all := func(int) string {
		return `{"operations":["CREATE","UPDATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}`
	}
	for name, rules := range map[string]func(i int) string{
		"1000 selectors": all,
		"one of 1000": func(i int) string {
			return fmt.Sprintf(`{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["*"],"resources":["%s%s"]}`, "configmaps", strings.Repeat("x", i))
		},
		"1000 of 1000": all,
	} {
		b.Run(name, func(b *testing.B) {
			s := start(b, nil)
			var selects []string
			for i := range 1000 {
				if name == "1000 selectors" {
					selects = append(selects, fmt.Sprint("n", i))
				}
			}
			s.configured(1000, rules, selects...)
			obj := apitest.MapObject("m", map[string]any{"labels": map[string]any{"a": "b", "c": "d"}})
			a := api.Admission{Phase: api.Validating, Operation: api.OperationCreate, Resource: s.API.Builtin("", "v1", "ConfigMap"), Namespace: "default", Name: "m", Object: obj}
			a.Scope = bench{}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.w.Validate(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// handlerVariable has the test binary be a webhook: the file into which it writes its URLs, of HTTP/1.1 and 2, and its CA.
const handlerVariable = "APICHAIN_BENCH_WEBHOOK"

// TestBenchHandler is the process of a webhook for BenchmarkWrite, and nothing in other runs.
func TestBenchHandler(t *testing.T) {
	file := os.Getenv(handlerVariable)
	if file == "" {
		t.Skip("it is the webhook of BenchmarkWrite")
	}
	var lines []string
	for _, is2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(bareHandler())
		s.EnableHTTP2 = is2
		s.StartTLS()
		t.Cleanup(s.Close)
		lines = append(lines, s.URL)
		if is2 {
			lines = append(lines, (&served{hooks: s}).ca())
		}
	}
	if err := os.WriteFile(file+".new", []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	// Until the parent closes its end.
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// cpu returns the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite: what one validating webhook, a bare handler in another process, adds to the processor time of a create.
func BenchmarkWrite(b *testing.B) {
	file := filepath.Join(b.TempDir(), "webhook")
	c := exec.Command(os.Args[0], "-test.run=^TestBenchHandler$")
	c.Env = append(os.Environ(), handlerVariable+"="+file)
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	var where []byte
	for deadline := time.Now().Add(time.Minute); where == nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		where, _ = os.ReadFile(file)
	}
	lines := strings.Split(string(where), "\n")
	if len(lines) != 3 {
		b.Fatal("there is no webhook")
	}
	// A single writer that waits has the scheduler look for work in vain, which counts as our time: that is told apart.
	for i, name := range []string{"without", "over HTTP 1.1", "over HTTP 2"} {
		write := func(b *testing.B, writers int) {
			s := start(b, nil)
			if i > 0 {
				s.configure("Validating", "bench", s.hookOf("a", "ok", `"clientConfig":{"url":"`+lines[i-1]+`/ok","caBundle":"`+lines[2]+`"},"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`))
			}
			body := `{"metadata":{"generateName":"m-"},"data":{"k":"` + strings.Repeat("v", 200) + `"}}`
			b.ReportAllocs()
			began := cpu(b)
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.Must(201, "POST", apitest.MapsPath, body)
				}
			})
			b.ReportMetric(float64(cpu(b)-began)/float64(b.N)/1000, "cpu-µs/op")
		}
		b.Run(name+"/1 a processor", func(b *testing.B) { write(b, 1) })
		b.Run(name+"/8 a processor", func(b *testing.B) { write(b, 8) })
	}
}

// bareHandler allows everything by as little as it can.
func bareHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, uid, _ := strings.Cut(string(body[:min(len(body), 300)]), `"uid":"`)
		uid, _, _ = strings.Cut(uid, `"`)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = io.WriteString(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"`+uid+`","allowed":true}}`)
	})
}

// bench is a Scope that drops everything.
type bench struct{}

func (bench) RequestInfo() *request.Info        { return &request.Info{} }
func (bench) ActingUser() *request.User         { return &request.User{Name: "u"} }
func (bench) Warn(_, _ string)                  {}
func (bench) Annotate(_, _ string, _ bool)      {}
func (bench) Spend(request.Part, time.Duration) {}
