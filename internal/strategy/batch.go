package strategy

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// The kinds of batch: Job, whose pods are done one day, and CronJob, which makes Jobs. What a JobSpec
// must be is the same in both; what a Job must be besides (its selector, what an update may change) is
// not asked of the template in a CronJob, nor does that get any of a Job's defaults.
//
//	Job ──spec────────────────────► JobSpec ──template──► PodTemplateSpec
//	CronJob ──spec.jobTemplate.spec────┘
//
// A Job selects its pods by its own uid, so that no two Jobs share any. Selector and labels of the
// template are generated, and then judged as if they had been sent; only with manualSelector they are
// the client's.

// The most that there may be of something in a Job.
// All but one are upstream's own numbers; that of the text is what a status may have of the same.
const (
	maxIndexes              = 100000 // that an indexed Job works on at once, or may fail
	maxIndexesOfHuge        = 10000  // the same for one of more completions than that
	maxFailureRules         = 20
	maxExitCodes            = 255
	maxConditionPatterns    = 20
	maxManagedBy            = 63
	maxSuccessRules         = 20
	maxSucceededIndexesSize = 64 << 10
)

// The labels that a generated selector goes by. Each has an older name.
const (
	jobNameLabel       = "batch.kubernetes.io/job-name"
	oldJobNameLabel    = "job-name"
	jobUIDLabel        = "batch.kubernetes.io/controller-uid"
	oldJobUIDLabel     = "controller-uid"
	indexedCompletion  = "Indexed"
	completionsInWords = "requires indexed completion mode"
)

// batchRules are the rules of the types of these kinds.
// JobSpec is judged in Jobs and in the template of a CronJob alike; what is about a Job alone is a rule
// of batch.Job.
func batchRules() kinds.Rules {
	return kinds.Rules{
		"batch.Job":                  {Default: jobDefaults, Check: checkJob, Status: checkJobStatus},
		"batch.JobSpec":              {Default: jobSpecDefaults, Check: checkJobSpec},
		"batch.PodFailurePolicyRule": {Check: checkFailureRule},
		"batch.CronJob":              {Check: checkCronJobName},
		"batch.CronJobSpec":          {Check: checkCronJobSpec},
		"batch.JobTemplateSpec":      {Check: checkJobTemplate},
	}
}

// jobDefaults sets what depends on more than the row of a field. A Job that says neither how often nor
// how many at once runs once.
// They are those of upstream's SetDefaults_Job, and so not of a JobSpec: a CronJob's template stays as
// it was sent, and each Job made of it gets them then.
func jobDefaults(obj map[string]any) {
	spec := tree.Object(obj, "spec")
	if spec == nil {
		spec = map[string]any{}
		obj["spec"] = spec
	}
	// null and absent are the same, for a client of Go cannot tell them apart.
	setDefault := func(name string, value any) {
		if spec[name] == nil {
			spec[name] = value
		}
	}
	// Only with neither of both: one that says how many at once, and not how often, is a queue that
	// ends itself.
	if spec["parallelism"] == nil {
		setDefault("completions", int64(1))
	}
	setDefault("parallelism", int64(1))
	// With a limit of its own for each index the one for all of them is as good as none.
	limit := int64(6)
	if spec["backoffLimitPerIndex"] != nil {
		limit = math.MaxInt32
	}
	setDefault("backoffLimit", limit)
	setDefault("completionMode", "NonIndexed")
	setDefault("suspend", false)
	// A policy of failures must know how a pod ended before another takes its place.
	replacement := "TerminatingOrFailed"
	if spec["podFailurePolicy"] != nil {
		replacement = "Failed"
	}
	setDefault("podReplacementPolicy", replacement)
	setDefault("manualSelector", false)
	// One map for both, so that the object gets the labels that are generated too, as upstream's does.
	if labels := tree.Object(spec, "template", "metadata", "labels"); len(labels) > 0 && len(tree.Object(obj, "metadata", "labels")) == 0 {
		tree.Set(obj, labels, "metadata", "labels")
	}
}

// jobSpecDefaults drops what is of a feature that is off.
// As upstream does with fields of features that are off: they are taken and forgotten.
func jobSpecDefaults(spec map[string]any) { delete(spec, "scheduling") }

// prepareJob generates the selector of a new Job and the labels that it selects, unless the client says
// that it does so itself. What the client has put there already stays, to be judged. A Job without labels
// has those of its template.
// The name is set by then, generated or not, and so is the uid. An update generates nothing: what is
// stored is what its pods have.
func prepareJob(obj, old map[string]any) {
	prepareTemplate(obj, old)
	spec := tree.Object(obj, "spec")
	if old == nil && spec["manualSelector"] != true {
		// Both names of both labels, since controllers and users of before go by the older ones; the
		// selector has the newer one alone.
		name, uid := tree.Name(obj), tree.Text(obj, "metadata", "uid")
		for label, value := range map[string]string{jobNameLabel: name, oldJobNameLabel: name, jobUIDLabel: uid, oldJobUIDLabel: uid} {
			if _, ok := tree.Object(spec, "template", "metadata", "labels")[label]; !ok {
				tree.Set(spec, value, "template", "metadata", "labels", label)
			}
		}
		// What else is in the selector stays, to be refused.
		if _, ok := tree.Object(spec, "selector", "matchLabels")[jobUIDLabel]; !ok {
			tree.Set(spec, uid, "selector", "matchLabels", jobUIDLabel)
		}
	}
	// Not of a name that is no label: upstream does so when it reads what it has stored.
	labels := tree.Object(obj, "metadata", "labels")
	if len(labels) == 0 && len(field.LabelValueErrors(tree.Name(obj))) == 0 {
		labels = tree.Object(spec, "template", "metadata", "labels")
	}
	if len(labels) > 0 { // no longer the template's own map
		tree.Set(obj, maps.Clone(labels), "metadata", "labels")
	}
}

// checkJob is about the selector, the name, and what an update changes.
// It is what a CronJob's template is not asked. The name is judged by what its pods are called.
func checkJob(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	sel := tree.Object(spec, "selector")
	// A new one lacks it only with manualSelector.
	if sel == nil {
		v.Add(field.Required("spec.selector", ""))
	} else if spec["manualSelector"] != true && !v.Update() {
		checkGeneratedSelector(v, sel)
	}
	// Values that were taken once are taken again.
	checkLabelSelector(v, sel, func() bool {
		return len(labelSelectorErrors(tree.Object(v.Old, "spec", "selector"), never)) > 0
	}, "selector", []any{"spec"})
	// Judged even where it was generated, because the template may have other labels under those names.
	labels := tree.Object(spec, "template", "metadata", "labels")
	if l, err := selector.FromObject(sel); err == nil && (sel == nil || !l.Matches(labelTexts(labels))) {
		v.Add(field.Invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
	}
	if v.Update() {
		checkJobUpdate(v, spec, tree.Object(v.Old, "spec"))
	}
	// The pods of an indexed Job are hosts, called by its name and a number.
	if n := numberAt(spec, "completions"); spec["completionMode"] == indexedCompletion && n > 0 {
		host := tree.Name(v.Obj) + "-" + strconv.FormatInt(n-1, 10)
		if !field.IsDNSLabel(host) {
			v.Add(field.Invalid("metadata.name", tree.Name(v.Obj), "will not able to create pod with invalid DNS label: "+host))
		}
	}
}

// checkGeneratedSelector demands that selector and labels are those that would have been generated.
// Order and paths are upstream's: the two older labels, the two newer ones, then the selector, which
// must select them.
func checkGeneratedSelector(v *kinds.Visit, sel map[string]any) {
	uid, name := tree.Text(v.Obj, "metadata", "uid"), tree.Name(v.Obj)
	labels := tree.Object(v.Obj, "spec", "template", "metadata", "labels")
	expected := map[string]string{}
	for _, l := range [...][2]string{{oldJobUIDLabel, uid}, {oldJobNameLabel, name}, {jobUIDLabel, uid}, {jobNameLabel, name}} {
		label, want := l[0], l[1]
		// The selector is held against what would be, not against what the template has.
		expected[label] = want
		at := "spec.template.metadata.labels[" + label + "]"
		switch got, ok := labels[label]; {
		case !ok:
			v.Add(field.Required(at, "must be '"+want+"'"))
		case got != want:
			v.Add(field.Invalid(at, labels, "must be '"+want+"'"))
		}
	}
	if l, err := selector.FromObject(sel); err == nil && !l.Matches(expected) {
		v.Add(field.Invalid("spec.selector", sel, "`selector` not auto-generated"))
	}
}

// checkJobSpec is about the numbers and what they say of each other, wherever a JobSpec stands.
// Fields are judged in upstream's order; a mode decides which of them may be there.
//
//	completionMode: Indexed      completions must be there, and each index may have a limit of its own
//	completionMode: NonIndexed   neither a limit by index nor a policy of success
func checkJobSpec(v *kinds.Visit) {
	spec := v.Obj
	// Whatever the mode, a bound of failures needs something that fails by index.
	if spec["maxFailedIndexes"] != nil && spec["backoffLimitPerIndex"] == nil {
		v.Add(field.Required(v.Path("backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
	}
	// Another controller than Kubernetes' own, named by a domain and a path.
	if by, ok := spec["managedBy"].(string); ok {
		v.Add(domainPathErrors(v.Path("managedBy"), by)...)
		if len(by) > maxManagedBy {
			v.Add(field.TooLong(v.Path("managedBy"), maxManagedBy))
		}
	}
	mode := tree.Text(spec, "completionMode")
	switch mode {
	case indexedCompletion:
		checkIndexedJob(v)
	case "NonIndexed", "":
		// In a template of a CronJob the mode may be absent, and is NonIndexed then.
		for _, name := range [...]string{"backoffLimitPerIndex", "maxFailedIndexes"} {
			if spec[name] != nil {
				v.Add(field.Invalid(v.Path(name), spec[name], completionsInWords))
			}
		}
	default:
		v.Add(field.NotSupported(v.Path("completionMode"), mode, "NonIndexed", indexedCompletion))
	}
	// Both policies look at other fields, so they are asked where those are.
	if policy, ok := spec["podFailurePolicy"].(map[string]any); ok {
		checkFailurePolicy(v, policy)
	}
	if policy, ok := spec["successPolicy"].(map[string]any); ok && mode != indexedCompletion {
		v.Add(field.Invalid(v.Path("successPolicy"), policy, completionsInWords))
	} else if ok {
		checkSuccessPolicy(v, policy)
	}
	// The template is judged by its own types; last comes what a Job demands of it.
	checkReplacement(v)
	checkRestarts(v)
}

// checkReplacement is about when a pod that failed is replaced.
// With a policy of failures a pod that is still terminating is not replaced, and another choice is not
// supported at all.
func checkReplacement(v *kinds.Visit) {
	policy, ok := v.Obj["podReplacementPolicy"].(string)
	switch at := v.Path("podReplacementPolicy"); {
	case !ok || policy == "Failed":
	case v.Obj["podFailurePolicy"] != nil:
		v.Add(field.NotSupported(at, policy, "Failed"))
	case policy != "TerminatingOrFailed":
		v.Add(field.NotSupported(at, policy, "Failed", "TerminatingOrFailed"))
	}
}

// checkRestarts demands pods that can be done. Upstream cannot tell a policy that was defaulted from one
// that was sent.
// A container that is restarted in its pod would never be counted as failed, which is why a policy of
// failures demands Never.
func checkRestarts(v *kinds.Visit) {
	policy := tree.Text(v.Obj, "template", "spec", "restartPolicy")
	switch at := v.Path("template", "spec", "restartPolicy"); {
	case policy == "Always" || policy == "":
		v.Add(field.Required(at, `valid values: "OnFailure", "Never"`))
	case policy != "OnFailure" && policy != "Never":
		v.Add(field.NotSupported(at, policy, "OnFailure", "Never"))
	case policy != "Never" && v.Obj["podFailurePolicy"] != nil:
		v.Add(field.Invalid(at, policy, `only "Never" is supported when podFailurePolicy is specified`))
	}
}

// checkIndexedJob is about the numbers of a Job whose pods are numbered.
// The bounds are there because the status lists indexes as a text, which would grow without end. They
// are narrower where more than 100000 are to be done and each may fail by itself.
// An error is told for each bound that is passed, the wide one and the narrow one alike.
func checkIndexedJob(v *kinds.Visit) {
	completions, counted := v.Obj["completions"].(int64)
	parallelism := numberAt(v.Obj, "parallelism")
	failed, limited := v.Obj["maxFailedIndexes"].(int64)
	// All but one of the bounds are told in this form.
	add := func(name string, value int64, limit int, more string) {
		v.Add(field.Invalid(v.Path(name), value, fmt.Sprintf("must be less than or equal to %d%s", limit, more)))
	}
	if !counted {
		v.Add(field.Required(v.Path("completions"), "when completion mode is Indexed"))
	}
	if parallelism > maxIndexes {
		add("parallelism", parallelism, maxIndexes, " when completion mode is Indexed")
	}
	// More than there are could never be reached.
	if counted && limited && failed > completions {
		v.Add(field.Invalid(v.Path("maxFailedIndexes"), failed, "must be less than or equal to completions"))
	}
	if failed > maxIndexes {
		add("maxFailedIndexes", failed, maxIndexes, "")
	}
	if completions <= maxIndexes || v.Obj["backoffLimitPerIndex"] == nil {
		return
	}
	// From here on all of them are judged once more, by the narrow bounds.
	const huge = " when completions are above 100000 and used with backoff limit per index"
	if !limited {
		v.Add(field.Required(v.Path("maxFailedIndexes"), "must be specified when completions is above 100000"))
	}
	if parallelism > maxIndexesOfHuge {
		add("parallelism", parallelism, maxIndexesOfHuge, huge)
	}
	if failed > maxIndexesOfHuge {
		add("maxFailedIndexes", failed, maxIndexesOfHuge, huge)
	}
}

// checkFailurePolicy is about what the rules say of other fields of the spec.
// What a rule is by itself is judged by its type, wherever it stands; at what it points is known only
// here.
func checkFailurePolicy(v *kinds.Visit, policy map[string]any) {
	rules := tree.List(policy, "rules")
	if n := len(rules); n > maxFailureRules {
		v.Add(field.TooMany(v.Path("podFailurePolicy", "rules"), n, maxFailureRules))
	}
	// Ephemeral containers are none of a template.
	var names []string
	for _, list := range [...]string{"containers", "initContainers"} {
		for _, c := range tree.List(v.Obj, "template", "spec", list) {
			names = append(names, tree.Text(c, "name"))
		}
	}
	for i, rule := range rules {
		at := v.Path("podFailurePolicy", "rules", i)
		if action := tree.Text(rule, "action"); action == "FailIndex" && v.Obj["backoffLimitPerIndex"] == nil {
			v.Add(field.Invalid(at+".action", action, "requires the backoffLimitPerIndex to be set"))
		}
		// null means every container, "" is a name that none has.
		if name, ok := tree.At(rule, "onExitCodes", "containerName").(string); ok && !slices.Contains(names, name) {
			v.Add(field.Invalid(at+".onExitCodes.containerName", name,
				"must be one of the container or initContainer names in the pod template"))
		}
	}
}

// checkFailureRule is about a rule by itself.
// It looks either at exit codes or at conditions of the pod, and says what happens then.
// A rule has exactly one of the two; upstream asks so last, after all that is wrong in either.
func checkFailureRule(v *kinds.Visit) {
	switch action := tree.Text(v.Obj, "action"); action {
	case "Count", "FailIndex", "FailJob", "Ignore":
	// The one text in which upstream lists words within brackets.
	case "":
		v.Add(field.Required(v.Path("action"), `valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`))
	default:
		v.Add(field.NotSupported(v.Path("action"), action, "Count", "FailIndex", "FailJob", "Ignore"))
	}
	codes, byCode := v.Obj["onExitCodes"].(map[string]any)
	if byCode {
		checkExitCodes(v, codes)
	}
	conditions := tree.List(v.Obj, "onPodConditions")
	if n := len(conditions); n > maxConditionPatterns {
		v.Add(field.TooMany(v.Path("onPodConditions"), n, maxConditionPatterns))
	}
	// Types are names as those of labels, since any controller may have its own.
	for i, c := range conditions {
		for _, why := range field.LabelKeyErrors(tree.Text(c, "type")) {
			v.Add(field.Invalid(v.Path("onPodConditions", i, "type"), tree.Text(c, "type"), why))
		}
		if s := tree.Text(c, "status"); s != "True" && s != "False" && s != "Unknown" {
			v.Add(field.NotSupported(v.Path("onPodConditions", i, "status"), s, "False", "True", "Unknown"))
		}
	}
	// The error stands at the rule, and shows nothing of it.
	const both, neither = "specifying both OnExitCodes and OnPodConditions is not supported",
		"specifying one of OnExitCodes and OnPodConditions is required"
	if byCode && len(conditions) > 0 {
		v.Add(withoutValue(v.Path(), both))
	} else if !byCode && len(conditions) == 0 {
		v.Add(withoutValue(v.Path(), neither))
	}
}

// withoutValue returns the error for a value that breaks a rule and is not shown.
// Upstream makes it of an object that it does not want to print.
func withoutValue(at, why string) field.Error {
	return field.Error{Reason: "FieldValueInvalid", Message: "Invalid value: " + why, Field: at}
}

// checkExitCodes is about the codes of a rule, which are a set in order.
// Order and uniqueness are judged beside each value, so a list may have several errors. A list of any
// length is read once.
func checkExitCodes(v *kinds.Visit, codes map[string]any) {
	operator := tree.Text(codes, "operator")
	switch operator {
	case "In", "NotIn":
	case "":
		v.Add(field.Required(v.Path("onExitCodes", "operator"), `valid values: ["In" "NotIn"]`))
	default:
		v.Add(field.NotSupported(v.Path("onExitCodes", "operator"), operator, "In", "NotIn"))
	}
	values := tree.List(codes, "values")
	at := v.Path("onExitCodes", "values")
	if n := len(values); n == 0 {
		v.Add(field.Invalid(at, values, "at least one value is required"))
	} else if n > maxExitCodes {
		v.Add(field.TooMany(at, n, maxExitCodes))
	}
	// Below any code, so that the first is in order.
	seen, ordered, last := make(map[int64]bool, len(values)), true, int64(math.MinInt64)
	for i, value := range values {
		code, _ := value.(int64)
		// 0 is success, and no rule of failures is asked about that.
		if operator == "In" && code == 0 {
			v.Add(field.Invalid(v.Path("onExitCodes", "values", i), code, "must not be 0 for the In operator"))
		}
		if seen[code] {
			v.Add(field.Duplicate(v.Path("onExitCodes", "values", i), code))
		}
		ordered = ordered && last <= code
		seen[code], last = true, code
	}
	if !ordered {
		v.Add(field.Invalid(at, values, "must be ordered"))
	}
}

// checkSuccessPolicy is about when an indexed Job succeeds before all of it is done.
// A rule is met by so many indexes, by these indexes, or by so many of these. What cannot be read
// counts as no index at all, so a count beside it is too high as well (upstream).
func checkSuccessPolicy(v *kinds.Visit, policy map[string]any) {
	rules := tree.List(policy, "rules")
	at := v.Path("successPolicy", "rules")
	if n := len(rules); n == 0 {
		v.Add(field.Required(at, "at least one rules must be specified when the successPolicy is specified"))
	} else if n > maxSuccessRules {
		v.Add(field.TooMany(at, n, maxSuccessRules))
	}
	completions := numberAt(v.Obj, "completions")
	for i, rule := range rules {
		at := v.Path("successPolicy", "rules", i)
		count, counted := tree.At(rule, "succeededCount").(int64)
		indexes, listed := tree.At(rule, "succeededIndexes").(string)
		if !counted && !listed {
			v.Add(field.Required(at, "at least one of succeededCount or succeededIndexes must be specified"))
		}
		// Read before the count, which is held against it.
		total, err := int64(0), error(nil)
		if listed {
			if len(indexes) > maxSucceededIndexesSize {
				v.Add(field.TooLong(at+".succeededIndexes", maxSucceededIndexesSize))
			}
			if total, err = countIndexes(indexes, completions); err != nil {
				v.Add(field.Invalid(at+".succeededIndexes", indexes, "error parsing succeededIndexes: "+err.Error()))
			}
		}
		if !counted {
			continue
		}
		// The last of upstream's checks, three of which may fail at once.
		at += ".succeededCount"
		const least = "must be less than or equal to %d (the number of "
		if count < 0 {
			v.Add(field.Invalid(at, count, "must be greater than or equal to 0"))
		}
		if count > completions {
			v.Add(field.Invalid(at, count, fmt.Sprintf(least+"specified completions)", completions)))
		}
		if listed && count > total {
			v.Add(field.Invalid(at, count, fmt.Sprintf(least+"indexes in the specified succeededIndexes field)", total)))
		}
	}
}

// countIndexes returns how many indexes a text like 0,2-5 has, or why it has none: they rise, and are
// below completions.
// It keeps nothing of the list, whose text is bounded by its field, and gives the first reason only.
func countIndexes(text string, completions int64) (total int64, err error) {
	if text == "" {
		return 0, nil
	}
	// total is 0 only before the first interval: each has one index at least.
	last := int64(-1)
	for interval := range strings.SplitSeq(text, ",") {
		first, end, err := readInterval(interval, completions)
		if err != nil {
			return 0, err
		}
		if total > 0 && last >= first {
			return 0, fmt.Errorf("non-increasing order, previous: %d, current: %d", last, first)
		}
		total, last = total+end-first+1, end
	}
	return total, nil
}

// readInterval reads an index, or two with a hyphen between them.
// An index is a decimal number below completions, as it is written by strconv.
//
//	"3" -> 3, 3    "2-5" -> 2, 5    "5-2", "1-2-3", "-1", "x" -> why not
func readInterval(text string, completions int64) (first, last int64, err error) {
	parts := strings.Split(text, "-")
	// A minus has no other meaning here, so a negative index is an empty part.
	if len(parts) > 2 {
		return 0, 0, fmt.Errorf("the fragment %q violates the requirement that an index interval "+
			"can have at most two parts separated by '-'", text)
	}
	var ends [2]int64
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return 0, 0, fmt.Errorf("cannot convert string to integer for index: %q", part)
		}
		if int64(n) >= completions {
			return 0, 0, fmt.Errorf("too large index: %q", part)
		}
		ends[i] = int64(n)
	}
	if len(parts) == 1 {
		return ends[0], ends[0], nil
	}
	// One index alone is written without a hyphen.
	if ends[0] >= ends[1] {
		return 0, 0, fmt.Errorf("non-increasing order, previous: %d, current: %d", ends[0], ends[1])
	}
	return ends[0], ends[1], nil
}

// domainPathErrors returns what is wrong with a path below a domain: example.com/thing.
// The errors are of the whole text where it has not two parts, and else of the part that is wrong.
func domainPathErrors(at, s string) (errs []field.Error) {
	if s == "" {
		return []field.Error{field.Required(at, "")}
	}
	host, path, _ := strings.Cut(s, "/")
	if host == "" || path == "" {
		return []field.Error{field.Invalid(at, s, `must be a domain-prefixed path (such as "acme.io/foo")`)}
	}
	for _, why := range field.DNSSubdomainErrors(host) {
		errs = append(errs, field.Invalid(at, host, why))
	}
	// By character, so that one beyond ASCII is refused whole.
	for _, c := range path {
		if c >= 0x80 || !strings.ContainsRune("/-._~!$&'()*+,;=:%", c) && !isLetterOrDigit(byte(c)) {
			const rule = `Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')`
			return append(errs, field.Invalid(at, path, rule))
		}
	}
	return errs
}

// isLetterOrDigit reports whether a byte is a letter or a digit of ASCII.
func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
