package audit

import (
	"slices"
	"strings"

	"apichain/internal/request"
)

// A policy is a list of rules. The first rule that matches a request decides alone how much
// of it is recorded, so the order is the meaning; a request that no rule matches gives no
// event (upstream's kind Policy of audit.k8s.io/v1).
//
// A rule matches when all its conditions hold, and a list that is not there is no condition.
// Conditions on resources or namespaces make it a rule for resource requests alone, those on
// nonResourceURLs a rule for other paths alone; a rule with neither is for both. As upstream
// has it,
//
//	resources: [{group: "", resources: ["pods"]}]     matches pods, not pods/log
//	resources: [{group: "", resources: ["pods/*"]}]   matches pods/log, and pods too
//	resources: [{group: "apps"}]                      matches whatever the group has
//	users: ["bob"]                                    never matches a request without a user
//
// policy_read.go turns a file into a policy and says what is wrong with it.

// Level says how much an event tells. Higher levels tell more; the zero value is no event.
type Level uint8

// The levels, each with all that the ones before it tell.
const (
	LevelNone            Level = iota // no event
	LevelMetadata                     // everything but bodies
	LevelRequest                      // with the request's object
	LevelRequestResponse              // with both objects
)

var levelNames = [...]string{"None", "Metadata", "Request", "RequestResponse"}

// String returns the name of the level as policies and events spell it.
func (l Level) String() string { return levelNames[l] }

// MarshalText gives events the name instead of the number.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Stage is a moment in a request's life that may give an event. As a bit mask it is a set
// of them, empty when zero.
type Stage uint8

// The stages, in the order in which a request reaches them.
const (
	StageRequestReceived  Stage = 1 << iota
	StageResponseStarted        // long-running requests, and early failures
	StageResponseComplete       // the answer is out, or will never be
	StagePanic                  // instead of ResponseComplete
)

var stageNames = [...]string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}

// String returns the name of a single stage, and "" for any other set.
func (s Stage) String() string {
	for i, name := range stageNames {
		if s == 1<<i {
			return name
		}
	}
	return ""
}

// MarshalText gives events the name instead of the bit.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// decision holds what a policy says about one request.
type decision struct {
	level Level
	// omit holds the stages that give no event.
	omit Stage
	// omitManagedFields leaves metadata.managedFields out of recorded objects.
	omitManagedFields bool
}

// Policy decides about requests. It never changes after it was read and may be used
// concurrently.
type Policy struct {
	rules []rule
	// otherwise is for requests that no rule matches: level None, and the stages that the
	// policy omits everywhere.
	otherwise decision
}

// rule holds a decision with the conditions under which it is taken. An empty list is no
// condition.
type rule struct {
	// decision has the omissions of the whole policy worked in.
	decision

	users, groups []string
	verbs         []string
	namespaces    []string // "" in it is the cluster scope
	resources     []resources
	urls          []string // paths, and prefixes that end in *
}

// resources are resources of one API group, "" being the core group.
type resources struct {
	group string
	// resources are in the forms of matchesResource; empty means all of the group, and then
	// names must be empty too.
	resources []string
	// names are names of objects; empty means all.
	names []string
}

// decide returns the decision of the first rule that matches. user is nil when the request
// failed before it had one; rules that name users or groups then do not match. It does not
// allocate: every request passes here.
func (p *Policy) decide(user *request.User, info *request.Info) decision {
	for i := range p.rules {
		if p.rules[i].matches(user, info) {
			return p.rules[i].decision
		}
	}
	return p.otherwise
}

// matches reports whether all conditions hold. The cheap ones are asked first.
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
	// Namespaces alone speak of resources too: a path is in no namespace, not even in "".
	case len(r.namespaces) > 0 || len(r.resources) > 0:
		return info.IsResourceRequest && r.matchesResource(info)
	// "*" among the paths does not stretch to resources, which have paths as well.
	case len(r.urls) > 0:
		return !info.IsResourceRequest && matchesURL(r.urls, info.Path)
	}
	return true
}

// matchesResource asks the conditions of a resource request: its namespace, then one of the
// entries in resources with group, form and name together.
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
		// A list or a create names no object, so entries with names are not about it.
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

// matchesResource compares a resource and its subresource, "" for none, with one of the
// forms *, pods, pods/log, pods/* and */log. As upstream has it, pods means no subresource
// and pods/* means pods too, while */log needs the subresource.
func matchesResource(form, resource, sub string) bool {
	if form == "*" || sub == "" && form == resource {
		return true
	}
	head, tail, ok := strings.Cut(form, "/")
	switch {
	case !ok:
		return false
	case head == resource:
		// "pods/" has an empty tail, which must not match pods.
		return tail == "*" || sub != "" && tail == sub
	}
	return head == "*" && sub != "" && tail == sub
}

// matchesURL compares a path with exact paths and with prefixes that end in *. A prefix
// is one of text, not of segments: /a* matches /ab.
func matchesURL(urls []string, path string) bool {
	for _, u := range urls {
		if prefix, ok := strings.CutSuffix(u, "*"); u == path || ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
