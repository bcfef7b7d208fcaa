package admission

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// PodSecurity holds pods to the standard that the labels of their namespace name: one that is enforced,
// and one that whoever writes is only warned of. What makes pods (a Deployment) is held to nothing,
// and warned of alone. A namespace whose labels name no level or version is refused, and one that
// enforces more than before is warned of the pods that it has already.

// The levels, each with all that those before it refuse.
const (
	levelPrivileged = "privileged"
	levelBaseline   = "baseline"
	levelRestricted = "restricted"
)

// securityLevels are in the order of what they refuse, the least first.
var securityLevels = []string{levelPrivileged, levelBaseline, levelRestricted}

// standard is a level as of a version of Kubernetes: latest, or v1.N.
type standard struct{ level, version string }

// String writes it as messages show it: baseline:latest.
func (s standard) String() string { return s.level + ":" + s.version }

// violations returns what is wrong with a pod.
// reasons are short, details tell who does it; both are in the order of the rules and empty for a pod
// that is good.
func (s standard) violations(p *securedPod) (reasons, details []string) {
	// latest, and nothing else, has no number.
	minor, ok := minorVersion(s.version)
	if !ok {
		minor = newestSecurity
	}
	return violations(p, s.level, minor)
}

// standards are what the labels of a namespace ask for.
type standards struct{ enforce, audit, warn standard }

// standardsOf reads the labels of a namespace, and returns what is wrong with them. What cannot be read
// is the strictest level where it is enforced and none elsewhere (upstream).
// labels may be nil. The errors are those of a write of the namespace, in upstream's order; who reads a
// namespace that has them already takes the standards as they come.
func standardsOf(labels map[string]string) (s standards, errs []field.Error) {
	usual := standard{levelPrivileged, "latest"}
	s = standards{usual, usual, usual}
	given := map[string]bool{}
	for _, mode := range [...]struct {
		name    string
		is      *standard
		unclear string
	}{{"enforce", &s.enforce, levelRestricted}, {"audit", &s.audit, levelPrivileged}, {"warn", &s.warn, levelPrivileged}} {
		key := "pod-security.kubernetes.io/" + mode.name
		// An empty text is no level.
		if v, ok := labels[key]; ok {
			given[mode.name] = true
			if mode.is.level = v; !slices.Contains(securityLevels, v) {
				mode.is.level = mode.unclear
				// A level that cannot be read is enforced at its strictest, but then not also warned
				// of.
				given[mode.name] = mode.name != "enforce"
				errs = append(errs, field.Invalid("metadata.labels["+key+"]", v, "must be one of privileged, baseline, restricted"))
			}
		}
		// A version without a level is read, too, and has no effect with privileged.
		key += "-version"
		if v, ok := labels[key]; ok {
			given[mode.name+"-version"] = true
			mode.is.version = v
			if _, ok := minorVersion(v); !ok && v != "latest" {
				mode.is.version = "latest"
				errs = append(errs, field.Invalid("metadata.labels["+key+"]", v, `must be "latest" or "v1.x"`))
			}
		}
	}
	// What is enforced is warned of too, which tells of the templates of pods.
	if !given["warn"] && given["enforce"] && stricter(s.enforce.level, s.warn.level) {
		s.warn.level = s.enforce.level
		if !given["warn-version"] {
			s.warn.version = s.enforce.version
		}
	}
	return s, errs
}

// stricter reports whether level a refuses more than b.
// Both are levels; what is none would be the least strict.
func stricter(a, b string) bool {
	return slices.Index(securityLevels, a) > slices.Index(securityLevels, b)
}

// minorVersion returns N of v1.N without leading zeros.
// Any number is taken, of releases that are still to come too: those have the rules of the newest that
// is known.
func minorVersion(s string) (n int, ok bool) {
	minor, ok := strings.CutPrefix(s, "v1.")
	n, err := strconv.Atoi(minor)
	return n, ok && err == nil && strconv.Itoa(n) == minor && n >= 0
}

// labelsOf returns the labels of an object.
// They are texts in all that has passed its kind's rules; anything else is "".
func labelsOf(obj map[string]any) map[string]string {
	labels := map[string]string{}
	for key, v := range tree.Object(obj, "metadata", "labels") {
		labels[key], _ = v.(string)
	}
	return labels
}

// checkNamespace is the act of PodSecurity on namespaces.
// The answer to labels that cannot be read is a 422 of the kind, unlike all other answers of plugins.
func (c *Chain) checkNamespace(ctx context.Context, a api.Admission) error {
	now, errs := standardsOf(labelsOf(a.Object))
	was, before := standardsOf(labelsOf(a.Old))
	// What was wrong in the same way before may stay.
	if len(errs) > 0 && (a.Old == nil || !slices.Equal(errs, before)) {
		return status.Invalid("", "Namespace", a.Name, errs)
	}
	// A new namespace has no pods. One that enforces less, or the same of the same version, refuses
	// none that it did not refuse before.
	if a.Old == nil || now.enforce == was.enforce || now.enforce.level == levelPrivileged ||
		now.enforce.version == was.enforce.version && !stricter(now.enforce.level, was.enforce.level) {
		return nil
	}
	for _, text := range c.warnOfPods(ctx, a.Name, now.enforce) {
		a.Scope.Warn("", text)
	}
	return nil
}

// A change of a namespace looks at so many of its pods, and so long.
const (
	// Both bounds are upstream's.
	mostSecuredPods = 3000
	mostSecuredTime = time.Second
)

// warnOfPods returns warnings of the pods of a namespace that a standard refuses, those that are refused
// for the same reasons in one. Of the pods of one owner the first is looked at before any other's second.
//
//	existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"
//	a (and 2 other pods): privileged, hostPort
//
// The first warning of all says so if not all pods were looked at.
func (c *Chain) warnOfPods(ctx context.Context, namespace string, s standard) (warnings []string) {
	ctx, cancel := context.WithTimeout(ctx, mostSecuredTime)
	defer cancel()
	// The pods of one owner are alike: where not all can be looked at, more is found this way.
	pods := firstOfEach(c.objects.List("pods", namespace))
	names := map[string][]string{} // by what is wrong
	checked := 0
	for _, pod := range pods[:min(len(pods), mostSecuredPods)] {
		// Counted before the time is asked for, so that one is always looked at.
		checked++
		reasons, _ := s.violations(newSecuredPod(tree.Object(pod, "metadata"), tree.Object(pod, "spec")))
		if why := strings.Join(reasons, ", "); why != "" {
			names[why] = append(names[why], tree.Name(pod))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if checked < len(pods) {
		warnings = append(warnings, fmt.Sprintf("new PodSecurity enforce level only checked against the first %d of %d existing pods",
			checked, len(pods)))
	}
	if len(names) > 0 {
		warnings = append(warnings, fmt.Sprintf("existing pods in namespace %q violate the new PodSecurity enforce level %q", namespace, s))
	}
	var texts []string
	for why, which := range names {
		// One name stands for all; which one does not depend on the order of the map.
		text := slices.Min(which)
		switch n := len(which) - 1; n {
		case 0:
		case 1:
			text += " (and 1 other pod)"
		default:
			text += fmt.Sprintf(" (and %d other pods)", n)
		}
		texts = append(texts, text+": "+why)
	}
	slices.Sort(texts)
	return append(warnings, texts...)
}

// firstOfEach puts the pods that are not the first of their controller behind the others.
// Both parts keep their order. A pod without a controller counts as the first of its own.
func firstOfEach(pods []map[string]any) []map[string]any {
	var first, rest []map[string]any
	seen := map[string]bool{}
	for _, pod := range pods {
		owner := ""
		for _, ref := range tree.List(pod, "metadata", "ownerReferences") {
			if tree.True(tree.At(ref, "controller")) {
				owner = tree.Text(ref, "uid")
			}
		}
		if owner != "" && seen[owner] {
			rest = append(rest, pod)
			continue
		}
		seen[owner] = true
		first = append(first, pod)
	}
	return append(first, rest...)
}

// checkPodSecurity is the act of PodSecurity on pods. A change is looked at only if it brings another
// image, or another container.
// The refusal is a 403 that names the standard; what passes may still be warned of.
func (c *Chain) checkPodSecurity(_ context.Context, a api.Admission) error {
	labels, ok := c.objects.Labels("namespaces", "", a.Namespace)
	if !ok { // only where NamespaceLifecycle is off
		why := fmt.Sprintf("failed to lookup namespace %q", a.Namespace)
		return &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why,
			Details: &status.Details{Causes: []field.Error{{Message: why}}}}
	}
	// All else of a pod that counts here cannot change, and labels of the namespace that have become
	// stricter do not reach pods that run.
	if a.Operation == api.OperationUpdate && !bringsImage(a.Object, a.Old) {
		return nil
	}
	// What is wrong with the labels was told to who wrote them.
	s, _ := standardsOf(labels)
	pod := newSecuredPod(tree.Object(a.Object, "metadata"), tree.Object(a.Object, "spec"))
	if _, details := s.enforce.violations(pod); len(details) > 0 {
		return status.Forbidden("", "pods", a.Name, fmt.Sprintf("violates PodSecurity %q: %s", s.enforce, strings.Join(details, ", ")))
	}
	warnOfPod(a, s, pod)
	return nil
}

// checkTemplate is the act of PodSecurity on what makes pods.
// It never refuses: the pods will be refused themselves, where their controller sees it.
func (c *Chain) checkTemplate(_ context.Context, a api.Admission) error {
	labels, _ := c.objects.Labels("namespaces", "", a.Namespace)
	// Most namespaces warn of nothing, and a template is looked for only where one does.
	if s, _ := standardsOf(labels); s.warn.level != levelPrivileged {
		if template := templateOf(a.Object); template != nil {
			warnOfPod(a, s, newSecuredPod(tree.Object(template, "metadata"), tree.Object(template, "spec")))
		}
	}
	return nil
}

// templateOf returns the template of pods in an object, nil without one.
// The places are those of deployments and the like, of cron jobs, and of pod templates.
func templateOf(obj map[string]any) map[string]any {
	for _, path := range [...][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}, {"template"}} {
		if template := tree.Object(obj, path...); template != nil {
			return template
		}
	}
	return nil
}

// warnOfPod warns of what is wrong with a pod by the standard for warnings.
// The warning goes to who writes, with the answer, whatever that will be.
func warnOfPod(a api.Admission, s standards, pod *securedPod) {
	if _, details := s.warn.violations(pod); len(details) > 0 {
		a.Scope.Warn("", fmt.Sprintf("would violate PodSecurity %q: %s", s.warn, strings.Join(details, ", ")))
	}
}

// bringsImage reports whether a changed pod has another number of containers, another image, or an
// ephemeral container more.
// Containers are compared by their place, ephemeral ones by their name, as upstream does.
func bringsImage(pod, old map[string]any) bool {
	for _, list := range [...]string{"containers", "initContainers"} {
		now, was := tree.List(pod, "spec", list), tree.List(old, "spec", list)
		if !slices.EqualFunc(now, was, func(a, b any) bool { return tree.Text(a, "image") == tree.Text(b, "image") }) {
			return true
		}
	}
	images := map[string]string{}
	for _, c := range tree.List(old, "spec", "ephemeralContainers") {
		images[tree.Text(c, "name")] = tree.Text(c, "image")
	}
	return slices.ContainsFunc(tree.List(pod, "spec", "ephemeralContainers"), func(c any) bool {
		image, was := images[tree.Text(c, "name")]
		return !was || image != tree.Text(c, "image")
	})
}
