package audit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/internal/request"
	"apichain/internal/tree"
)

// The model reads a policy as the documentation of upstream's kind has it, from the document
// itself and by regular expressions, and knows nothing of how policies are compiled.

// modelRule is a rule as a document has it.
type modelRule struct {
	Level             string          `json:"level"`
	Users             []string        `json:"users,omitempty"`
	UserGroups        []string        `json:"userGroups,omitempty"`
	Verbs             []string        `json:"verbs,omitempty"`
	Namespaces        []string        `json:"namespaces,omitempty"`
	Resources         []modelResource `json:"resources,omitempty"`
	NonResourceURLs   []string        `json:"nonResourceURLs,omitempty"`
	OmitStages        []string        `json:"omitStages,omitempty"`
	OmitManagedFields *bool           `json:"omitManagedFields,omitempty"`
}

type modelResource struct {
	Group         string   `json:"group,omitempty"`
	Resources     []string `json:"resources,omitempty"`
	ResourceNames []string `json:"resourceNames,omitempty"`
}

type modelPolicy struct {
	APIVersion        string      `json:"apiVersion"`
	Kind              string      `json:"kind"`
	OmitStages        []string    `json:"omitStages,omitempty"`
	OmitManagedFields bool        `json:"omitManagedFields,omitempty"`
	Rules             []modelRule `json:"rules"`
}

// pattern matches whole strings; the stars of a form have been replaced.
func pattern(text string) *regexp.Regexp { return regexp.MustCompile("^(?:" + text + ")$") }

// covers reports whether a resource form covers resource/subresource.
func covers(form, resource, sub string) bool {
	full := resource
	if sub != "" {
		full += "/" + sub
	}
	switch head, tail, _ := strings.Cut(form, "/"); {
	case form == "*":
		return true
	case head == "*":
		return pattern("[^/]+/"+regexp.QuoteMeta(tail)).MatchString(full) && tail != ""
	case tail == "*":
		return pattern(regexp.QuoteMeta(head) + "(/.*)?").MatchString(full)
	}
	return form == full
}

// holds reports whether a rule holds for a request.
func (r *modelRule) holds(u *request.User, i *request.Info) bool {
	about := len(r.Namespaces)+len(r.Resources) > 0
	conditions := []bool{
		r.Users == nil || u != nil && slices.Contains(r.Users, u.Name),
		r.UserGroups == nil || u != nil && slices.ContainsFunc(r.UserGroups, func(g string) bool { return slices.Contains(u.Groups, g) }),
		r.Verbs == nil || slices.Contains(r.Verbs, i.Verb),
		!about || i.IsResourceRequest,
		r.Namespaces == nil || slices.Contains(r.Namespaces, i.Namespace),
		r.Resources == nil || slices.ContainsFunc(r.Resources, func(m modelResource) bool {
			return m.Group == i.APIGroup && (m.ResourceNames == nil || slices.Contains(m.ResourceNames, i.Name)) &&
				(m.Resources == nil || slices.ContainsFunc(m.Resources, func(form string) bool { return covers(form, i.Resource, i.Subresource) }))
		}),
		r.NonResourceURLs == nil || !i.IsResourceRequest && slices.ContainsFunc(r.NonResourceURLs, func(url string) bool {
			if cut, ok := strings.CutSuffix(url, "*"); ok {
				return pattern(regexp.QuoteMeta(cut) + ".*").MatchString(i.Path)
			}
			return url == i.Path
		}),
	}
	return !slices.Contains(conditions, false)
}

// decide is the decision in words: level, omitted stages in order, managed fields.
func (p *modelPolicy) decide(u *request.User, i *request.Info) string {
	omit, fields, level := slices.Clone(p.OmitStages), p.OmitManagedFields, "None"
	for n := range p.Rules {
		r := &p.Rules[n]
		if !r.holds(u, i) {
			continue
		}
		level, omit = r.Level, append(omit, r.OmitStages...)
		if r.OmitManagedFields != nil {
			fields = *r.OmitManagedFields
		}
		break
	}
	var stages []string
	for _, name := range []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"} {
		if slices.Contains(omit, name) {
			stages = append(stages, name)
		}
	}
	return fmt.Sprintf("%s %v %t", level, stages, fields)
}

// inWords is a decision as the model says it.
func inWords(d decision) string {
	var stages []string
	for n := range stageNames {
		if d.omit&(1<<n) != 0 {
			stages = append(stages, Stage(1<<n).String())
		}
	}
	return fmt.Sprintf("%v %v %t", d.level, stages, d.omitManagedFields)
}

// policies makes policies and requests of few words, so that they often meet.
type policies struct{ *rand.Rand }

func (g policies) one(words ...string) string { return words[g.IntN(len(words))] }

// some is a few of the words or, mostly, nil.
func (g policies) some(words ...string) (out []string) {
	if g.IntN(3) > 0 {
		return nil
	}
	for range 1 + g.IntN(2) {
		out = append(out, g.one(words...))
	}
	return out
}

func (g policies) rule() modelRule {
	r := modelRule{Level: g.one(levelNames[:]...), Users: g.some("alice", "bob"), UserGroups: g.some("dev", "ops"), Verbs: g.some("get", "list", "create"), OmitStages: g.some(stageNames[:]...)}
	if g.IntN(4) == 0 {
		yes := g.IntN(2) == 0
		r.OmitManagedFields = &yes
	}
	if g.IntN(3) == 0 {
		r.NonResourceURLs = []string{g.one("*", "/*", "/version", "/healthz*", "/healthz/*"), g.one("/", "/healthz")}
		return r
	}
	r.Namespaces = g.some("default", "kube-system", "")
	for range g.IntN(3) {
		m := modelResource{Group: g.one("", "apps"), Resources: g.some("*", "pods", "pods/log", "pods/*", "*/log", "*/scale", "deployments", "pods/", "*/")}
		if m.Resources != nil {
			m.ResourceNames = g.some("a", "b")
		}
		r.Resources = append(r.Resources, m)
	}
	return r
}

func (g policies) policy() *modelPolicy {
	p := &modelPolicy{APIVersion: "audit.k8s.io/v1", Kind: "Policy", OmitStages: g.some(stageNames[:]...), OmitManagedFields: g.IntN(2) == 0}
	for range 1 + g.IntN(4) {
		p.Rules = append(p.Rules, g.rule())
	}
	return p
}

func (g policies) request() (*request.User, *request.Info) {
	var u *request.User
	if g.IntN(5) > 0 {
		u = &request.User{Name: g.one("alice", "bob", "eve"), Groups: g.some("dev", "ops")}
	}
	i := &request.Info{Verb: g.one("get", "list", "create", "delete"), Path: g.one("/", "/version", "/healthz", "/healthz/ping", "/healthzz")}
	if g.IntN(3) > 0 {
		i.IsResourceRequest, i.APIGroup, i.Namespace, i.Name = true, g.one("", "apps"), g.one("", "default", "kube-system"), g.one("", "a", "b")
		i.Resource, i.Subresource = g.one("pods", "deployments"), g.one("", "", "log", "scale")
	}
	return u, i
}

// compiled is a model's policy, read as a file.
func (p *modelPolicy) compiled(t testing.TB) *Policy {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := parsePolicy(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return out
}

// TestPolicyAgainstModel compares decisions of random policies with the model's. It makes
// sure that the requests met the rules: every level and a rule that is not the first decide.
func TestPolicyAgainstModel(t *testing.T) {
	const seed = 20261129
	g := policies{rand.New(rand.NewPCG(seed, 0))}
	met := map[string]int{}
	for range 3000 {
		p := g.policy()
		c := p.compiled(t)
		for range 10 {
			u, i := g.request()
			got, want := inWords(c.decide(u, i)), p.decide(u, i)
			if got != want {
				b, _ := json.MarshalIndent(p, "", " ")
				t.Fatalf("%+v by %+v: %s, want %s (seed %d)\n%s", i, u, got, want, seed, b)
			}
			level, _, _ := strings.Cut(got, " ")
			met[level]++
		}
	}
	for _, level := range levelNames {
		if met[level] < 1000 {
			t.Errorf("%s decided %d times: the requests miss the rules", level, met[level])
		}
	}
}

// TestPolicyOrder: what stands behind a rule that matches all changes nothing, and neither
// does a rule in front that matches nothing.
func TestPolicyOrder(t *testing.T) {
	g := policies{rand.New(rand.NewPCG(20261130, 0))}
	for range 500 {
		p := g.policy()
		longer := *p
		longer.Rules = slices.Concat([]modelRule{{Level: "RequestResponse", Users: []string{"nobody"}}}, p.Rules, []modelRule{{Level: "None"}}, []modelRule{g.rule()})
		short, long := p.compiled(t), longer.compiled(t)
		for range 10 {
			u, i := g.request()
			if got, want := inWords(long.decide(u, i)), inWords(short.decide(u, i)); got != want {
				t.Fatalf("%+v by %+v: %s with the other rules, %s without", i, u, got, want)
			}
		}
	}
}

// TestPolicyInYAML: the same document in YAML and in JSON is the same policy.
func TestPolicyInYAML(t *testing.T) {
	g := policies{rand.New(rand.NewPCG(20261131, 0))}
	for range 300 {
		p := g.policy()
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := tree.ParseYAML(b)
		if err != nil {
			t.Fatal(err)
		}
		text := tree.AppendYAML(nil, docs[0])
		got, err := parsePolicy(text)
		if err != nil || !reflect.DeepEqual(got, p.compiled(t)) {
			t.Fatalf("%v\n%s\nis not\n%s", err, text, b)
		}
	}
}

// TestResourceForms holds upstream's forms one by one, the model's too.
func TestResourceForms(t *testing.T) {
	for _, c := range []struct {
		form  string
		match string // of pods, pods/log, pods/status, nodes and nodes/log
	}{
		{"*", "pods pods/log pods/status nodes nodes/log"}, {"pods", "pods"}, {"pods/log", "pods/log"}, {"pods/*", "pods pods/log pods/status"},
		{"*/log", "pods/log nodes/log"}, {"*/*", ""}, {"pods/", ""}, {"*/", ""}, {"/log", ""}, {"", ""}, {"Pods", ""}, {"pods/log/x", ""}, {"pod*", ""},
	} {
		var got, model []string
		for _, full := range []string{"pods", "pods/log", "pods/status", "nodes", "nodes/log"} {
			resource, sub, _ := strings.Cut(full, "/")
			if matchesResource(c.form, resource, sub) {
				got = append(got, full)
			}
			if covers(c.form, resource, sub) {
				model = append(model, full)
			}
		}
		if text := strings.Join(got, " "); text != c.match || !slices.Equal(got, model) {
			t.Errorf("%s: %s, want %s; the model says %s", c.form, text, c.match, model)
		}
	}
}

// TestPolicyNames: levels and stages are written as they are read, and a set of stages has no
// name.
func TestPolicyNames(t *testing.T) {
	for i, name := range levelNames {
		if b, err := json.Marshal(Level(i)); err != nil || string(b) != `"`+name+`"` {
			t.Errorf("level %d: %s %v, want %q", i, b, err, name)
		}
		p := parseTestPolicyOf(t, name)
		if got := p.decide(nil, &request.Info{}).level; got != Level(i) {
			t.Errorf("level %s is read as %v", name, got)
		}
	}
	for i, name := range stageNames {
		if b, err := json.Marshal(Stage(1 << i)); err != nil || string(b) != `"`+name+`"` {
			t.Errorf("stage %d: %s %v, want %q", i, b, err, name)
		}
	}
	for _, set := range []Stage{0, StageRequestReceived | StagePanic, 1 << 4} {
		if got := set.String(); got != "" {
			t.Errorf("the set %b has the name %q", set, got)
		}
	}
	if !(LevelNone < LevelMetadata && LevelMetadata < LevelRequest && LevelRequest < LevelRequestResponse) {
		t.Error("levels are compared, and do not stand in order")
	}
}

// parseTestPolicyOf is a policy that records everything at a level.
func parseTestPolicyOf(t *testing.T, level string) *Policy {
	t.Helper()
	return mustParse(t, `{"level":"`+level+`"}`)
}
