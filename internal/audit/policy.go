package audit

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// The audit policy: a list of rules, of which the first that matches a request decides
// what is recorded of it (upstream's kind Policy of audit.k8s.io/v1). No list in a rule
// means no condition.

// Level is how much an event tells; higher levels tell more.
type Level uint8

const (
	LevelNone            Level = iota // no event
	LevelMetadata                     // everything but bodies
	LevelRequest                      // with the request's object
	LevelRequestResponse              // with both objects
)

var levelNames = [...]string{"None", "Metadata", "Request", "RequestResponse"}

func (l Level) String() string               { return levelNames[l] }
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Stage is a moment in a request's life, and as a bit mask a set of them.
type Stage uint8

const (
	StageRequestReceived Stage = 1 << iota
	StageResponseStarted       // long-running requests, and early failures
	StageResponseComplete
	StagePanic
)

var stageNames = [...]string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}

// String is the name of a single stage.
func (s Stage) String() string {
	for i, name := range stageNames {
		if s == 1<<i {
			return name
		}
	}
	return ""
}

func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// decision is what a policy says about one request.
type decision struct {
	level             Level
	omit              Stage // the stages that give no event
	omitManagedFields bool  // leave metadata.managedFields out of objects
}

// Policy never changes after it was read and may be used concurrently.
type Policy struct {
	rules []rule
	rest  decision // for requests that no rule matches
}

type rule struct {
	decision // with the policy's own omissions worked in

	users, groups, verbs, namespaces, urls []string
	resources                              []resources
}

// resources are resources of one API group, "" being the core group.
type resources struct {
	group            string
	resources, names []string
}

// decide finds the first rule that matches. user is nil when the request failed before it
// had one; rules that name users or groups then do not match. It does not allocate.
func (p *Policy) decide(user *request.User, info *request.Info) decision {
	for i := range p.rules {
		if p.rules[i].matches(user, info) {
			return p.rules[i].decision
		}
	}
	return p.rest
}

func (r *rule) matches(user *request.User, info *request.Info) bool {
	if len(r.users) > 0 && (user == nil || !slices.Contains(r.users, user.Name)) {
		return false
	}
	if len(r.groups) > 0 && (user == nil || !slices.ContainsFunc(r.groups, user.In)) {
		return false
	}
	if len(r.verbs) > 0 && !slices.Contains(r.verbs, info.Verb) {
		return false
	}
	switch {
	case len(r.namespaces) > 0 || len(r.resources) > 0:
		return info.IsResourceRequest && r.matchesResource(info)
	case len(r.urls) > 0:
		return !info.IsResourceRequest && matchesURL(r.urls, info.Path)
	}
	return true
}

func (r *rule) matchesResource(info *request.Info) bool {
	if len(r.namespaces) > 0 && !slices.Contains(r.namespaces, info.Namespace) {
		return false
	}
	if len(r.resources) == 0 {
		return true
	}
	for i := range r.resources {
		g := &r.resources[i]
		if g.group != info.APIGroup {
			continue
		}
		if len(g.resources) == 0 {
			return true
		}
		if len(g.names) > 0 && !slices.Contains(g.names, info.Name) {
			continue
		}
		for _, form := range g.resources {
			if matchesResource(form, info.Resource, info.Subresource) {
				return true
			}
		}
	}
	return false
}

// matchesResource compares with the forms *, pods, pods/log, pods/* and */log. As
// upstream has it, pods means no subresource and pods/* means pods too.
func matchesResource(form, resource, sub string) bool {
	if form == "*" || sub == "" && form == resource {
		return true
	}
	head, tail, ok := strings.Cut(form, "/")
	switch {
	case !ok:
		return false
	case head == resource:
		return tail == "*" || sub != "" && tail == sub
	}
	return head == "*" && sub != "" && tail == sub
}

// matchesURL compares with exact paths and with prefixes that end in *.
func matchesURL(urls []string, path string) bool {
	for _, u := range urls {
		if prefix, ok := strings.CutSuffix(u, "*"); u == path || ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// ReadPolicy reads a policy file in YAML or JSON. The error has everything that is
// wrong with the file; it is meant for the operator, at start.
func ReadPolicy(path string) (*Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit policy: %w", err)
	}
	p, err := ParsePolicy(data)
	if err != nil {
		return nil, fmt.Errorf("audit policy %s: %w", path, err)
	}
	return p, nil
}

// ParsePolicy reads one Policy. Stricter than upstream, which reads a policy again
// leniently: a field that does not exist is an error, since a rule whose misspelt
// condition is dropped records or hides too much.
func ParsePolicy(data []byte) (*Policy, error) {
	docs, err := tree.ParseYAML(data)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 {
		return nil, fmt.Errorf("want one document, not %d", len(docs))
	}
	r := &policyReader{}
	p := r.policy(docs[0])
	if len(r.wrong) > 0 {
		return nil, errors.New(strings.Join(r.wrong, "; "))
	}
	return p, nil
}

// policyReader turns a document into a policy and collects what is wrong with it,
// each with the path of its field.
type policyReader struct{ wrong []string }

func (r *policyReader) add(path, format string, args ...any) {
	r.wrong = append(r.wrong, path+": "+fmt.Sprintf(format, args...))
}

func (r *policyReader) policy(doc any) *Policy {
	m := r.object("policy", "", doc, "apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
	if m == nil {
		return nil
	}
	if v := r.text("apiVersion", m["apiVersion"]); v != "audit.k8s.io/v1" {
		r.add("apiVersion", "want audit.k8s.io/v1, not %q", v)
	}
	if v := r.text("kind", m["kind"]); v != "Policy" {
		r.add("kind", "want Policy, not %q", v)
	}
	p := &Policy{}
	p.rest.omit = r.stages("omitStages", m["omitStages"])
	p.rest.omitManagedFields = r.bool("omitManagedFields", m["omitManagedFields"], false)
	rules := r.list("rules", m["rules"])
	if len(rules) == 0 {
		r.add("rules", "at least one rule is needed")
	}
	for i, v := range rules {
		p.rules = append(p.rules, r.rule(fmt.Sprintf("rules[%d]", i), v, p.rest))
	}
	return p
}

func (r *policyReader) rule(path string, v any, rest decision) (rule rule) {
	m := r.object(path, path+".", v, "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields")
	if m == nil {
		return rule
	}
	rule.level = r.level(path+".level", m["level"])
	rule.omit = rest.omit | r.stages(path+".omitStages", m["omitStages"])
	rule.omitManagedFields = r.bool(path+".omitManagedFields", m["omitManagedFields"], rest.omitManagedFields)
	rule.users = r.texts(path+".users", m["users"])
	rule.groups = r.texts(path+".userGroups", m["userGroups"])
	rule.verbs = r.texts(path+".verbs", m["verbs"])
	rule.namespaces = r.texts(path+".namespaces", m["namespaces"])
	for i, v := range r.list(path+".resources", m["resources"]) {
		rule.resources = append(rule.resources, r.resources(fmt.Sprintf("%s.resources[%d]", path, i), v))
	}
	rule.urls = r.texts(path+".nonResourceURLs", m["nonResourceURLs"])
	for i, u := range rule.urls {
		at := fmt.Sprintf("%s.nonResourceURLs[%d]", path, i)
		if u != "*" && !strings.HasPrefix(u, "/") {
			r.add(at, "%q must begin with / or be *", u)
		}
		if j := strings.IndexByte(u, '*'); j >= 0 && j < len(u)-1 {
			r.add(at, "in %q * must be the last character", u)
		}
	}
	if len(rule.urls) > 0 && (len(rule.resources) > 0 || len(rule.namespaces) > 0) {
		r.add(path+".nonResourceURLs", "a rule cannot have both these and resources or namespaces")
	}
	return rule
}

func (r *policyReader) resources(path string, v any) (g resources) {
	m := r.object(path, path+".", v, "group", "resources", "resourceNames")
	g.group = r.text(path+".group", m["group"])
	g.resources = r.texts(path+".resources", m["resources"])
	g.names = r.texts(path+".resourceNames", m["resourceNames"])
	if g.group != "" && !field.IsDNSSubdomain(g.group) {
		r.add(path+".group", "%q is not a group: want a DNS name in lower case without a version, or \"\"", g.group)
	}
	if len(g.names) > 0 && len(g.resources) == 0 {
		r.add(path+".resourceNames", "needs at least one entry in resources")
	}
	return g
}

func (r *policyReader) level(path string, v any) Level {
	s := r.text(path, v)
	i := slices.Index(levelNames[:], s)
	if i < 0 {
		r.add(path, "want one of %s, not %q", strings.Join(levelNames[:], ", "), s)
		return LevelNone
	}
	return Level(i)
}

func (r *policyReader) stages(path string, v any) (set Stage) {
	for i, s := range r.texts(path, v) {
		n := slices.Index(stageNames[:], s)
		if n < 0 {
			r.add(fmt.Sprintf("%s[%d]", path, i), "want one of %s, not %q", strings.Join(stageNames[:], ", "), s)
			continue
		}
		set |= 1 << n
	}
	return set
}

// object is v with the fields named; others are reported, behind prefix. Null is no
// object.
func (r *policyReader) object(path, prefix string, v any, fields ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.add(path, "must be an object")
		return nil
	}
	var unknown []string
	for k := range m {
		if !slices.Contains(fields, k) {
			unknown = append(unknown, k)
		}
	}
	slices.Sort(unknown)
	for _, k := range unknown {
		r.add(prefix+shownField(k), "unknown field")
	}
	return m
}

// shownField quotes what is no plain name, so that a problem stays on one line.
func shownField(k string) string {
	if k != "" && strings.Trim(k, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return k
	}
	return fmt.Sprintf("%q", k)
}

// The zero value stands for null and for a field that is not there.

func (r *policyReader) text(path string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		r.add(path, "must be a string")
	}
	return s
}

func (r *policyReader) bool(path string, v any, otherwise bool) bool {
	b, ok := v.(bool)
	if ok {
		return b
	}
	if v != nil {
		r.add(path, "must be true or false")
	}
	return otherwise
}

func (r *policyReader) list(path string, v any) []any {
	l, ok := v.([]any)
	if !ok && v != nil {
		r.add(path, "must be a list")
	}
	return l
}

func (r *policyReader) texts(path string, v any) (out []string) {
	for i, item := range r.list(path, v) {
		s, ok := item.(string)
		if !ok {
			r.add(fmt.Sprintf("%s[%d]", path, i), "must be a string")
		}
		out = append(out, s)
	}
	return out
}
