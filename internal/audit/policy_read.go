package audit

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// A policy file is read strictly and to its end: everything that is wrong with it is one
// error of one line, each problem with the path of its field, as in
//
//	rules[0].level: want one of None, Metadata, Request, RequestResponse, not "Some"; rules[1].user: unknown field
//
// Upstream reads a policy again leniently when the strict reading fails. Here a field that
// does not exist is an error, since a rule whose misspelt condition is dropped matches more
// than it says: it records too much, or, with the level None, hides too much.

// ReadPolicy reads a policy file in YAML or JSON. The error names the file and has everything
// that is wrong with it; it is meant for the operator, at start.
func ReadPolicy(path string) (*Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit policy: %w", err)
	}
	p, err := parsePolicy(data)
	if err != nil {
		return nil, fmt.Errorf("audit policy %s: %w", path, err)
	}
	return p, nil
}

// parsePolicy reads one Policy, and nothing beside it. With an error there is no policy.
func parsePolicy(data []byte) (*Policy, error) {
	docs, err := tree.ParseYAML(data)
	if err != nil {
		return nil, err
	}
	// What is commented out, as before the first marker, is no document here.
	docs = slices.DeleteFunc(docs, func(doc any) bool { return doc == nil })
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

// policyReader turns a document into a policy and collects what is wrong with it. Its methods
// take the path of a field and its value, go on after a problem with the zero value, and
// report each problem once.
type policyReader struct{ wrong []string }

// add reports a problem of the field at path. It must stay on one line: texts of the file
// are quoted.
//
//go:noinline
func (r *policyReader) add(path, format string, args ...any) {
	r.wrong = append(r.wrong, path+": "+fmt.Sprintf(format, args...))
}

// policy reads a whole document; nil is one that is no object.
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
	// Before the rules, which take these omissions over.
	p.otherwise.omit = r.stages("omitStages", m["omitStages"])
	p.otherwise.omitManagedFields = r.bool("omitManagedFields", m["omitManagedFields"], false)
	rules := r.list("rules", m["rules"])
	// A policy without rules would record nothing, which nobody writes a file for.
	if len(rules) == 0 {
		r.add("rules", "at least one rule is needed")
	}
	for i, v := range rules {
		p.rules = append(p.rules, r.rule(fmt.Sprintf("rules[%d]", i), v, p.otherwise))
	}
	return p
}

// rule reads one rule. Of the policy's decision it takes over the omissions: stages add up,
// while omitManagedFields of the rule, where it is given, replaces the policy's.
func (r *policyReader) rule(path string, v any, policy decision) (out rule) {
	m := r.object(path, path+".", v,
		"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields")
	if m == nil {
		return out
	}
	out.level = r.level(path+".level", m["level"])
	out.omit = policy.omit | r.stages(path+".omitStages", m["omitStages"])
	out.omitManagedFields = r.bool(path+".omitManagedFields", m["omitManagedFields"], policy.omitManagedFields)
	out.users = r.texts(path+".users", m["users"])
	out.groups = r.texts(path+".userGroups", m["userGroups"])
	out.verbs = r.texts(path+".verbs", m["verbs"])
	out.namespaces = r.texts(path+".namespaces", m["namespaces"])
	for i, v := range r.list(path+".resources", m["resources"]) {
		out.resources = append(out.resources, r.resources(fmt.Sprintf("%s.resources[%d]", path, i), v))
	}
	out.urls = r.urls(path+".nonResourceURLs", m["nonResourceURLs"])
	// No request is about a resource and about another path, so both could never match.
	if len(out.urls) > 0 && (len(out.resources) > 0 || len(out.namespaces) > 0) {
		r.add(path+".nonResourceURLs", "a rule cannot have both these and resources or namespaces")
	}
	return out
}

// resources reads one entry of a rule's resources.
func (r *policyReader) resources(path string, v any) (g resources) {
	m := r.object(path, path+".", v, "group", "resources", "resourceNames")
	g.group = r.text(path+".group", m["group"])
	g.resources = r.texts(path+".resources", m["resources"])
	g.names = r.texts(path+".resourceNames", m["resourceNames"])
	// "apps/v1" is the usual slip: it would match no group at all.
	if g.group != "" && !field.IsDNSSubdomain(g.group) {
		r.add(path+".group", "%q is not a group: want a DNS name in lower case without a version, or \"\"", g.group)
	}
	// Names are names of something: of all resources of a group they would be a guess.
	if len(g.names) > 0 && len(g.resources) == 0 {
		r.add(path+".resourceNames", "needs at least one entry in resources")
	}
	return g
}

// urls reads paths and prefixes of paths. A * anywhere but at the end would be taken for
// itself and match nothing, so it is refused.
func (r *policyReader) urls(path string, v any) []string {
	urls := r.texts(path, v)
	for i, u := range urls {
		at := fmt.Sprintf("%s[%d]", path, i)
		if u != "*" && !strings.HasPrefix(u, "/") {
			r.add(at, "%q must begin with / or be *", u)
		}
		if j := strings.IndexByte(u, '*'); j >= 0 && j < len(u)-1 {
			r.add(at, "in %q * must be the last character", u)
		}
	}
	return urls
}

// level reads the name of a level, which a rule must have.
func (r *policyReader) level(path string, v any) Level {
	s := r.text(path, v)
	i := slices.Index(levelNames[:], s)
	if i < 0 {
		r.add(path, "want one of %s, not %q", strings.Join(levelNames[:], ", "), s)
		return LevelNone
	}
	return Level(i)
}

// stages reads a list of stages as a set.
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

// object reads v as an object that has no other fields than those named; others are
// reported with prefix in front, in the order of their names. Null is no object: an item
// of a list that somebody has left empty is a slip.
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
	// A map has no order, and the same file must give the same text.
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

// text reads a string. Null, and a field that is not there, is "".
func (r *policyReader) text(path string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		r.add(path, "must be a string")
	}
	return s
}

// bool reads a truth value. Null, and a field that is not there, is otherwise.
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

// list reads a list of anything. Null, and a field that is not there, is the empty list.
func (r *policyReader) list(path string, v any) []any {
	l, ok := v.([]any)
	if !ok && v != nil {
		r.add(path, "must be a list")
	}
	return l
}

// texts reads a list of strings. An item that is none is reported, and "" in the result, so
// that the positions of the others stay right.
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
