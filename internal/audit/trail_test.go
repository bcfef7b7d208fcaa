package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// recorderTo is a recorder whose log is out; rules are of the policy, in JSON.
func recorderTo(t testing.TB, out io.Writer, policy string) *Recorder {
	t.Helper()
	p, err := parsePolicy([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Policy",` + policy + `}`))
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(Config{Path: "-"}, slog.New(slog.DiscardHandler), out)
	if err != nil {
		t.Fatal(err)
	}
	return NewRecorder(p, l)
}

// line is what the tests read of an event.
type line struct {
	Stage, AuditID, Verb string
	User                 User
	ImpersonatedUser     *User
	ObjectRef            *ObjectRef
	ResponseStatus       *struct {
		Code            int
		Reason, Message string
	}
	RequestObject, ResponseObject json.RawMessage
	Annotations                   map[string]string
}

// String is stage, user, and what was answered.
func (l line) String() string {
	s := l.Stage
	if l.User.Username != "" {
		s += " " + l.User.Username
	}
	if l.ImpersonatedUser != nil {
		s += " as " + l.ImpersonatedUser.Username
	}
	if r := l.ResponseStatus; r != nil {
		s += fmt.Sprint(" ", r.Code)
		if r.Reason != "" {
			s += " " + r.Reason
		}
	}
	return s
}

// readLines reads a log, of which every line must be an event.
func readLines(t testing.TB, log []byte) (out []line) {
	t.Helper()
	for text := range bytes.Lines(log) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out = append(out, l)
	}
	return out
}

// factsOf are those of a request for a resource, by alice.
func factsOf(method, target string) *Facts {
	r := httptest.NewRequest(method, target, nil)
	info := &request.Info{}
	if err := info.Resolve(method, r.URL.Path, r.URL.RawQuery); err != nil {
		panic(err)
	}
	return &Facts{Request: r, ID: "id", Received: time.Now(), User: &request.User{Name: "alice"}, Info: info, HasBody: true}
}

const everything = `"rules":[{"level":"RequestResponse"}]`

// TestTrailEvents tells trails the facts of requests of every kind, and reads what they say.
func TestTrailEvents(t *testing.T) {
	conflict := &status.Error{Code: 409, Reason: "Conflict", Message: "in the way"}
	late := &status.Error{Code: 504, Reason: "Timeout", Message: "too late"}
	for _, c := range []struct {
		name, policy string
		refused      bool
		tell         func(*Trail)
		want         []string
	}{
		{"ordinary", everything, false, func(tr *Trail) { tr.Received(); tr.Complete(End{Code: 200}) },
			[]string{"RequestReceived alice", "ResponseComplete alice 200"}},
		{"a failure", everything, false, func(tr *Trail) { tr.Received(); tr.Refused(conflict); tr.Complete(End{Code: 409}) },
			[]string{"RequestReceived alice", "ResponseComplete alice 409 Conflict"}},
		{"the last failure counts", everything, false, func(tr *Trail) { tr.Refused(conflict); tr.Refused(late); tr.Complete(End{Code: 504}) },
			[]string{"ResponseComplete alice 504 Timeout"}},
		{"a watch", everything, false, func(tr *Trail) { tr.Received(); tr.Started(200); tr.Complete(End{Code: 200}) },
			[]string{"RequestReceived alice", "ResponseStarted alice 200", "ResponseComplete alice 200"}},
		{"nothing was answered", everything, false, func(tr *Trail) { tr.Received(); tr.Complete(End{}) },
			[]string{"RequestReceived alice", "ResponseComplete alice"}},
		{"impersonation", everything, false, func(tr *Trail) {
			tr.Received()
			tr.Impersonated(&request.User{Name: "bob"})
			tr.Complete(End{Code: 200})
		}, []string{"RequestReceived alice", "ResponseComplete alice as bob 200"}},
		{"a panic", everything, false, func(tr *Trail) { tr.Received(); tr.Complete(End{Code: 201, Panicked: true, Panic: "boom"}) },
			[]string{"RequestReceived alice", "Panic alice 500 InternalError"}},
		{"out of time", everything, false, func(tr *Trail) { tr.Received(); tr.Complete(End{Code: 504, Failure: late, HandlerRuns: true}) },
			[]string{"RequestReceived alice", "ResponseComplete alice 504 Timeout"}},
		{"refused in front", everything, true, func(tr *Trail) { tr.Refused(conflict); tr.Complete(End{Code: 409}) },
			[]string{"ResponseStarted 409 Conflict"}},
		{"refused in front, then a panic", everything, true, func(tr *Trail) { tr.Refused(conflict); tr.Complete(End{Code: 409, Panicked: true}) },
			[]string{"ResponseStarted 409 Conflict"}},
		{"completed twice", everything, false, func(tr *Trail) { tr.Complete(End{Code: 200}); tr.Complete(End{Code: 500}) },
			[]string{"ResponseComplete alice 200"}},
		{"told too late", everything, false, func(tr *Trail) { tr.Complete(End{Code: 200}); tr.Started(200); tr.Received() },
			[]string{"ResponseComplete alice 200"}},
		{"first stage omitted", `"omitStages":["RequestReceived"],` + everything, false, func(tr *Trail) { tr.Received(); tr.Complete(End{Code: 200}) },
			[]string{"ResponseComplete alice 200"}},
		{"panics omitted", `"rules":[{"level":"Metadata","omitStages":["Panic"]}]`, false, func(tr *Trail) { tr.Received(); tr.Complete(End{Code: 500, Panicked: true}) },
			[]string{"RequestReceived alice"}},
		{"starts omitted are refusals too", `"rules":[{"level":"Metadata","omitStages":["ResponseStarted"]}]`, true, func(tr *Trail) { tr.Complete(End{Code: 401}) },
			nil},
	} {
		var log bytes.Buffer
		f := factsOf("GET", "/api/v1/pods")
		if f.Refused = c.refused; c.refused {
			f.User = nil
		}
		c.tell(recorderTo(t, &log, c.policy).Open(f))
		var got []string
		for _, l := range readLines(t, log.Bytes()) {
			got = append(got, l.String())
			if l.AuditID != "id" || l.Verb != "list" || l.ObjectRef == nil || l.ObjectRef.Resource != "pods" {
				t.Errorf("%s: %+v", c.name, l)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// TestTrailIsNotOpened where the policy says None, or where no rule matches.
func TestTrailIsNotOpened(t *testing.T) {
	for _, policy := range []string{`"rules":[{"level":"None"},{"level":"Metadata"}]`, `"rules":[{"level":"Metadata","users":["bob"]}]`} {
		var log bytes.Buffer
		a := recorderTo(t, &log, policy)
		if f := factsOf("GET", "/x"); a.Open(f) != nil || a.LevelOf(f.User, f.Info) != LevelNone || log.Len() > 0 {
			t.Errorf("%s: a trail was opened, or %q written", policy, &log)
		}
	}
}

// TestPanicInWords: the value is in the message, whatever it is, and the line stays one.
func TestPanicInWords(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"boom", "APIServer panic'd: boom"}, {nil, "APIServer panic'd: <nil>"}, {io.EOF, "APIServer panic'd: EOF"},
		{"two\nlines", "APIServer panic'd: two\nlines"}, {struct{ A int }{7}, "APIServer panic'd: {7}"},
	} {
		var log bytes.Buffer
		recorderTo(t, &log, everything).Open(factsOf("GET", "/x")).Complete(End{Panicked: true, Panic: c.value})
		lines := readLines(t, log.Bytes())
		if len(lines) != 1 || lines[0].ResponseStatus.Message != c.want {
			t.Errorf("%v: %+v", c.value, lines)
		}
	}
}

// TestTrailEventsStand: what becomes known later changes no event that is written, and is in
// all that follow.
func TestTrailEventsStand(t *testing.T) {
	var log bytes.Buffer
	tr := recorderTo(t, &log, everything).Open(factsOf("GET", "/api/v1/pods?watch=1"))
	tr.Received()
	tr.Decided(true, "by rule one")
	tr.Started(200)
	tr.Decided(false, "by rule two")
	tr.Complete(End{Code: 200})
	var got []string
	for _, l := range readLines(t, log.Bytes()) {
		got = append(got, fmt.Sprint(l.Annotations["authorization.k8s.io/decision"], " ", l.Annotations["authorization.k8s.io/reason"], len(l.Annotations)))
	}
	if want := []string{" 0", "allow by rule one2", "forbid by rule two2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTrailBodies: which bodies a trail asks for, by level, and which of them are in the last
// event.
func TestTrailBodies(t *testing.T) {
	const object, answer = `{"a":1}`, `[2]`
	for _, c := range []struct {
		level, target   string
		hasBody         bool
		request, answer bool // asked for
	}{
		{"Metadata", "/api/v1/pods", true, false, false},
		{"Request", "/api/v1/pods", true, true, false},
		{"Request", "/api/v1/pods", false, false, false},
		{"RequestResponse", "/api/v1/pods", true, true, true},
		{"RequestResponse", "/api/v1/pods", false, false, true},
		{"RequestResponse", "/version", true, false, false},
	} {
		for _, runs := range []bool{false, true} {
			var log bytes.Buffer
			f := factsOf("POST", c.target)
			f.HasBody = c.hasBody
			tr := recorderTo(t, &log, `"rules":[{"level":"`+c.level+`"}]`).Open(f)
			sent, answered := tr.Bodies()
			if (sent != nil) != c.request || (answered != nil) != c.answer {
				t.Errorf("%+v: asks for %t and %t", c, sent != nil, answered != nil)
				continue
			}
			if sent != nil {
				sent.Add([]byte(object))
			}
			if answered != nil {
				answered.Add([]byte(answer))
			}
			tr.Received()
			tr.Complete(End{Code: 200, HandlerRuns: runs})
			lines := readLines(t, log.Bytes())
			want := [2]string{}
			if c.request && !runs {
				want[0] = object
			}
			if c.answer && !runs {
				want[1] = answer
			}
			if got := [2]string{string(lines[1].RequestObject), string(lines[1].ResponseObject)}; got != want || lines[0].RequestObject != nil {
				t.Errorf("%+v, handler runs %t: %q, want %q", c, runs, got, want)
			}
		}
	}
}

// TestTrailWithoutOwners: a policy, or a rule of it, leaves out who owns the fields of objects, lists and tables, and
// nothing else. Upstream's copyWithoutManagedFields does that; a patch is kept as it was sent.
func TestTrailWithoutOwners(t *testing.T) {
	const owned = `{"kind":"X","metadata":{"name":"a","managedFields":[{"manager":"m"}],"uid":"<1>"},"spec":{"metadata":{"managedFields":[]},"n":1.50}}`
	const bare = `{"kind":"X","metadata":{"name":"a","uid":"<1>"},"spec":{"metadata":{"managedFields":[]},"n":1.50}}`
	for _, c := range []struct{ verb, policy, sent, want string }{
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, owned, bare},
		{"create", `"rules":[{"level":"RequestResponse","omitManagedFields":true}]`, owned, bare},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse","omitManagedFields":false}]`, owned, owned},
		{"create", `"rules":[{"level":"RequestResponse"}]`, owned, owned},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `{"metadata":{"managedFields":[]},"items":[` + owned + `,7,null,` + owned + `]}`, `{"items":[` + bare + `,7,null,` + bare + `],"metadata":{}}`},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `{"rows":[{"cells":["<"],"object":` + owned + `},{"object":null}]}`, `{"rows":[{"cells":["<"],"object":` + bare + `},{"object":null}]}`},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `{"z":1,"a":{"managedFields":1},"metadata":{"z":1,"a":2},"rows":{"object":3},"items":null}`, `{"z":1,"a":{"managedFields":1},"metadata":{"z":1,"a":2},"rows":{"object":3},"items":null}`},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `{"metadata":{"\u006danagedFields":1}}`, `{"metadata":{}}`},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `[{"metadata":{"managedFields":1}}]`, `[{"metadata":{"managedFields":1}}]`},
		{"create", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, `{"metadata":7,"items":[[]],"rows":"x"}`, `{"metadata":7,"items":[[]],"rows":"x"}`},
		{"patch", `"omitManagedFields":true,"rules":[{"level":"RequestResponse"}]`, owned, owned},
	} {
		var log bytes.Buffer
		f := factsOf("POST", "/api/v1/pods")
		f.HasBody, f.Info.Verb = true, c.verb
		tr := recorderTo(t, &log, c.policy).Open(f)
		sent, answered := tr.Bodies()
		sent.Add([]byte(c.sent))
		answered.Add([]byte(c.sent))
		tr.Complete(End{Code: 200})
		l := readLines(t, log.Bytes())[0]
		answer := c.want
		if c.verb == "patch" {
			answer = bare
		}
		same := func(got json.RawMessage, want string) bool {
			var a, b any
			return json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
		}
		if !same(l.RequestObject, c.want) || !same(l.ResponseObject, answer) || c.want == bare && !bytes.Contains(l.RequestObject, []byte("1.50")) {
			t.Errorf("%s by %s: of %s\nsent     %s\nanswered %s\nwant %s", c.verb, c.policy, c.sent, l.RequestObject, l.ResponseObject, c.want)
		}
	}
}

// TestTrailOfYAML: what is sent as YAML is recorded as JSON, as upstream has it; what is neither is not.
func TestTrailOfYAML(t *testing.T) {
	for _, c := range []struct{ media, sent, want string }{
		{"application/apply-patch+yaml", "kind: X\nmetadata: {name: a}\n", `{"kind":"X","metadata":{"name":"a"}}`},
		{"application/yaml; charset=utf-8", "a: [1, 2.0]", `{"a":[1,2]}`},
		{"application/yaml", `{"b": 1, "a": 2}`, `{"b":1,"a":2}`},
		{"application/yaml", "a: [", ""},
		{"application/json", "a: 1", ""},
		{"", "a: 1", ""},
	} {
		var log bytes.Buffer
		f := factsOf("PATCH", "/api/v1/namespaces/a/pods/b")
		f.HasBody = true
		f.Request.Header.Set("Content-Type", c.media)
		tr := recorderTo(t, &log, `"rules":[{"level":"Request"}]`).Open(f)
		sent, _ := tr.Bodies()
		sent.Add([]byte(c.sent))
		tr.Complete(End{Code: 200})
		if got := string(readLines(t, log.Bytes())[0].RequestObject); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.media, c.sent, got, c.want)
		}
	}
}

// TestBody: in whatever parts a body comes, it is kept whole up to the bound, and not at all
// beyond it or when it is no JSON.
func TestBody(t *testing.T) {
	seed := uint64(20261129)
	rng := rand.New(rand.NewPCG(seed, 1))
	text := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	for _, c := range []struct {
		name string
		body []byte
		kept bool
	}{
		{"nothing", nil, false}, {"a number", []byte("7"), true}, {"null", []byte("null"), true}, {"two values", []byte("1 2"), false},
		{"half an object", []byte(`{"a":`), false}, {"spaces around", []byte(" {}\n"), true},
		{"at the bound", text(mostBody), true}, {"one byte more", text(mostBody + 1), false}, {"twice the bound", text(2 * mostBody), false},
	} {
		for range 5 {
			b := &Body{}
			for rest := c.body; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(1+len(c.body)))
				b.Add(rest[:n])
				rest = rest[n:]
			}
			got := b.object(false)
			if (got != nil) != c.kept || c.kept && !bytes.Equal(got, c.body) {
				t.Errorf("%s: kept %d bytes of %d (seed %d)", c.name, len(got), len(c.body), seed)
			}
			if len(c.body) > mostBody && b.b != nil {
				t.Errorf("%s: %d bytes are still held", c.name, len(b.b))
			}
		}
	}
	if (*Body)(nil).object(false) != nil {
		t.Error("a body that nobody wanted has an object")
	}
	// What is added is copied: the caller uses its buffer again.
	b, buffer := &Body{}, []byte("17")
	b.Add(buffer)
	buffer[0] = '9'
	if got := string(b.object(false)); got != "17" {
		t.Errorf("kept %s, want 17", got)
	}
}

// TestTrailOfSlowRequests: from over half a second on the last event says where the time
// went, and only what is known of it.
func TestTrailOfSlowRequests(t *testing.T) {
	for _, c := range []struct {
		took time.Duration
		runs bool
		want string // total, authentication, authorization
	}{
		{0, false, ""}, {500 * time.Millisecond, false, ""}, {500*time.Millisecond + 1, false, "500.000001ms 10ms 0s"},
		{time.Minute, false, "1m0s 10ms 0s"}, {time.Minute, true, "1m0s"},
	} {
		var log bytes.Buffer
		tr := recorderTo(t, &log, everything).Open(factsOf("GET", "/x"))
		tr.Complete(End{Code: 200, Took: c.took, Authentication: 10 * time.Millisecond, HandlerRuns: c.runs})
		notes := readLines(t, log.Bytes())[0].Annotations
		var got []string
		for _, key := range []string{"total", "authentication", "authorization"} {
			if v, ok := notes["apiserver.latency.k8s.io/"+key]; ok {
				got = append(got, v)
			}
		}
		if text := strings.Join(got, " "); text != c.want || len(notes) != len(got) {
			t.Errorf("after %v, handler runs %t: %q, want %q (%v)", c.took, c.runs, text, c.want, notes)
		}
	}
}

// TestTrailBetweenTwo: the time limit completes a trail while the handler still tells it
// facts. Whoever comes first, there is one last event, and the log stays whole. The race
// detector sees the rest.
func TestTrailBetweenTwo(t *testing.T) {
	var log bytes.Buffer
	a := recorderTo(t, &log, everything)
	const rounds = 50
	for range rounds {
		tr := a.Open(factsOf("GET", "/api/v1/pods?watch=1"))
		tr.Received()
		var all sync.WaitGroup
		all.Go(func() {
			_, answered := tr.Bodies()
			answered.Add([]byte("1"))
			tr.Decided(true, "x")
			tr.Impersonated(&request.User{Name: "bob"})
			tr.Started(200)
			tr.Refused(&status.Error{Code: 500, Reason: "InternalError"})
		})
		all.Go(func() {
			tr.Complete(End{Code: 504, Failure: &status.Error{Code: 504, Reason: "Timeout"}, HandlerRuns: true})
		})
		all.Wait()
		tr.Complete(End{Code: 200})
	}
	stages := map[string]int{}
	for _, l := range readLines(t, log.Bytes()) {
		stages[l.Stage]++
	}
	if stages["RequestReceived"] != rounds || stages["ResponseComplete"] != rounds || stages["ResponseStarted"] > rounds {
		t.Errorf("%v, want %d of each but ResponseStarted, which may be less", stages, rounds)
	}
}

// TestRecord: what an event of the admin listener has, whatever the policy says.
func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := recorderTo(t, &log, `"omitStages":["ResponseComplete"],"rules":[{"level":"None"}]`)
		a.Record(Action{
			ID: "1", Method: "PUT", Path: "/admin/v1/drain", User: &request.User{Name: "olga", Groups: []string{"g"}},
			RemoteAddr: "192.0.2.1:9", UserAgent: "curl", Code: 200,
		})
		a.Record(Action{ID: "2", Method: "GET", Path: "/admin/", RemoteAddr: "@", Code: 401, Failure: &status.Error{Code: 401, Reason: "Unauthorized", Message: "no"}})
		const now = `"requestReceivedTimestamp":"2000-01-01T00:00:00.000000Z","stageTimestamp":"2000-01-01T00:00:00.000000Z"}` // where a bubble's clock begins
		const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"`
		want := head + `1","stage":"ResponseComplete","requestURI":"/admin/v1/drain","verb":"put","user":{"username":"olga","groups":["g"]},` +
			`"sourceIPs":["192.0.2.1"],"userAgent":"curl","responseStatus":{"metadata":{},"code":200},` + now + "\n" +
			head + `2","stage":"ResponseComplete","requestURI":"/admin/","verb":"get","user":{},` +
			`"responseStatus":{"metadata":{},"status":"Failure","message":"no","reason":"Unauthorized","code":401},` + now + "\n"
		if got := log.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// TestRecorderCounts: by level, and those that were lost.
func TestRecorderCounts(t *testing.T) {
	a := recorderTo(t, io.Discard, `"rules":[{"level":"Metadata","verbs":["get"]},{"level":"Request"}]`)
	for _, method := range []string{"GET", "POST", "POST"} {
		f := factsOf(method, "/x")
		if want := map[string]Level{"GET": LevelMetadata, "POST": LevelRequest}[method]; a.LevelOf(f.User, f.Info) != want {
			t.Errorf("%s: level %v, want %v", method, a.LevelOf(f.User, f.Info), want)
		}
		tr := a.Open(f)
		tr.Received()
		tr.Complete(End{Code: 200})
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	a.Open(factsOf("GET", "/x")).Complete(End{Code: 200})
	got := []uint64{a.Written(LevelNone), a.Written(LevelMetadata), a.Written(LevelRequest), a.Written(LevelRequestResponse), a.Lost()}
	if want := []uint64{0, 2, 4, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("written by level, and lost: %v, want %v", got, want)
	}
}

// TestFactsStay: opening a trail and completing it changes nothing that it was told.
func TestFactsStay(t *testing.T) {
	f := factsOf("GET", "/api/v1/pods?limit=1")
	f.User = &request.User{Name: "alice", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v"}}}
	f.Request.Header.Set("X-Forwarded-For", "10.0.0.1")
	user, info, header := fmt.Sprintf("%+v", *f.User), *f.Info, f.Request.Header.Clone()
	tr := recorderTo(t, io.Discard, everything).Open(f)
	tr.Received()
	tr.Complete(End{Code: 200})
	if fmt.Sprintf("%+v", *f.User) != user || *f.Info != info || fmt.Sprint(f.Request.Header) != fmt.Sprint(header) {
		t.Error("the facts were changed")
	}
}

func BenchmarkTrail(b *testing.B) {
	a := recorderTo(b, io.Discard, `"omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]`)
	f := factsOf("GET", "/api/v1/namespaces/default/pods/x")
	f.Request.Header = http.Header{"User-Agent": {"kubectl/v1.33"}}
	b.ReportAllocs()
	for b.Loop() {
		tr := a.Open(f)
		tr.Received()
		tr.Decided(true, "system:masters may do everything")
		tr.Complete(End{Code: 200})
	}
}
