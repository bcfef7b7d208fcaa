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

var securityLevels = []string{levelPrivileged, levelBaseline, levelRestricted}

// standard is a level as of a version of Kubernetes: latest, or v1.N.
type standard struct{ level, version string }

func (s standard) String() string { return s.level + ":" + s.version }

// violations returns what is wrong with a pod.
func (s standard) violations(p *securedPod) (reasons, details []string) {
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
		if v, ok := labels[key]; ok {
			given[mode.name] = true
			if mode.is.level = v; !slices.Contains(securityLevels, v) {
				mode.is.level = mode.unclear
				given[mode.name] = mode.name != "enforce"
				errs = append(errs, field.Invalid("metadata.labels["+key+"]", v, "must be one of privileged, baseline, restricted"))
			}
		}
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
func stricter(a, b string) bool {
	return slices.Index(securityLevels, a) > slices.Index(securityLevels, b)
}

// minorVersion returns N of v1.N without leading zeros.
func minorVersion(s string) (n int, ok bool) {
	minor, ok := strings.CutPrefix(s, "v1.")
	n, err := strconv.Atoi(minor)
	return n, ok && err == nil && strconv.Itoa(n) == minor && n >= 0
}

// labelsOf returns the labels of an object.
func labelsOf(obj map[string]any) map[string]string {
	labels := map[string]string{}
	for key, v := range tree.Object(obj, "metadata", "labels") {
		labels[key], _ = v.(string)
	}
	return labels
}

// checkNamespace is the act of PodSecurity on namespaces.
func (c *Chain) checkNamespace(ctx context.Context, a api.Admission) error {
	now, errs := standardsOf(labelsOf(a.Object))
	was, before := standardsOf(labelsOf(a.Old))
	// What was wrong in the same way before may stay.
	if len(errs) > 0 && (a.Old == nil || !slices.Equal(errs, before)) {
		return status.Invalid("", "Namespace", a.Name, errs)
	}
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
	mostSecuredPods = 3000
	mostSecuredTime = time.Second
)

// warnOfPods returns warnings of the pods of a namespace that a standard refuses, those that are refused
// for the same reasons in one. Of the pods of one owner the first is looked at before any other's second.
func (c *Chain) warnOfPods(ctx context.Context, namespace string, s standard) (warnings []string) {
	ctx, cancel := context.WithTimeout(ctx, mostSecuredTime)
	defer cancel()
	pods := firstOfEach(c.objects.List("pods", namespace))
	names := map[string][]string{} // by what is wrong
	checked := 0
	for _, pod := range pods[:min(len(pods), mostSecuredPods)] {
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
func (c *Chain) checkPodSecurity(_ context.Context, a api.Admission) error {
	labels, ok := c.objects.Labels("namespaces", "", a.Namespace)
	if !ok { // only where NamespaceLifecycle is off
		why := fmt.Sprintf("failed to lookup namespace %q", a.Namespace)
		return &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why,
			Details: &status.Details{Causes: []field.Error{{Message: why}}}}
	}
	if a.Operation == api.OperationUpdate && !bringsImage(a.Object, a.Old) {
		return nil
	}
	s, _ := standardsOf(labels)
	pod := newSecuredPod(tree.Object(a.Object, "metadata"), tree.Object(a.Object, "spec"))
	if _, details := s.enforce.violations(pod); len(details) > 0 {
		return status.Forbidden("", "pods", a.Name, fmt.Sprintf("violates PodSecurity %q: %s", s.enforce, strings.Join(details, ", ")))
	}
	warnOfPod(a, s, pod)
	return nil
}

// checkTemplate is the act of PodSecurity on what makes pods.
func (c *Chain) checkTemplate(_ context.Context, a api.Admission) error {
	labels, _ := c.objects.Labels("namespaces", "", a.Namespace)
	if s, _ := standardsOf(labels); s.warn.level != levelPrivileged {
		if template := templateOf(a.Object); template != nil {
			warnOfPod(a, s, newSecuredPod(tree.Object(template, "metadata"), tree.Object(template, "spec")))
		}
	}
	return nil
}

// templateOf returns the template of pods in an object, nil without one.
func templateOf(obj map[string]any) map[string]any {
	for _, path := range [...][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}, {"template"}} {
		if template := tree.Object(obj, path...); template != nil {
			return template
		}
	}
	return nil
}

// warnOfPod warns of what is wrong with a pod by the standard for warnings.
func warnOfPod(a api.Admission, s standards, pod *securedPod) {
	if _, details := s.warn.violations(pod); len(details) > 0 {
		a.Scope.Warn("", fmt.Sprintf("would violate PodSecurity %q: %s", s.warn, strings.Join(details, ", ")))
	}
}

// bringsImage reports whether a changed pod has another number of containers, another image, or an
// ephemeral container more.
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
