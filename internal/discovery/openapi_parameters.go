package discovery

import "slices"

// The parameters of operations. Most are components, to which operations refer; those of writes
// are repeated in each operation, since kubectl follows no reference where it looks whether the
// server does fieldValidation and dryRun.

// The names of parameters, in the order in which operations have them. Nobody changes these.
var (
	listParameters = []string{
		"allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
		"resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
	}
	deleteParameters = []string{"dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"}
)

// queryParameters says of each query parameter of which type it is, and for people what it does.
var queryParameters = map[string]struct{ typ, doc string }{
	"pretty":               {"string", "true: the answer is indented"},
	"dryRun":               {"string", "All: everything is done except that nothing is stored"},
	"fieldManager":         {"string", "who makes the change, at most 128 printable characters"},
	"fieldValidation":      {"string", "what becomes of unknown and repeated fields: " + fieldValidationValues},
	"force":                {"boolean", "take fields over from other managers; only for an apply patch"},
	"allowWatchBookmarks":  {"boolean", "a watch may get events of type BOOKMARK, which tell how far it has come"},
	"continue":             {"string", "the token of the list before, for what follows it"},
	"fieldSelector":        {"string", "only objects whose fields are so"},
	"labelSelector":        {"string", "only objects whose labels are so"},
	"limit":                {"integer", "at most so many objects, and a token for more"},
	"resourceVersion":      {"string", "how new the answer must be, or from where a watch begins"},
	"resourceVersionMatch": {"string", "how resourceVersion is meant: Exact or NotOlderThan"},
	"sendInitialEvents":    {"boolean", "a watch begins with an event for each object there is, and a bookmark"},
	"timeoutSeconds":       {"integer", "ends the list or watch after so many seconds"},
	"watch":                {"boolean", "changes, one after another, instead of a list"},
	"gracePeriodSeconds":   {"integer", "how long the object may take to end; 0 is at once"},
	"orphanDependents":     {"boolean", "use propagationPolicy instead"},
	"propagationPolicy":    {"string", "what becomes of the objects that this one owns: Orphan, Background or Foreground"},
}

// fieldValidationValues ends the text of that parameter.
const fieldValidationValues = "Ignore drops them, Warn (the default) also sends a warning for each, Strict refuses the request"

// queryParameter returns a parameter of a query by its name, which queryParameters must have.
func queryParameter(name string) map[string]any {
	p := queryParameters[name]
	return map[string]any{
		"name": name, "in": "query", "description": p.doc, "schema": map[string]any{"type": p.typ, "uniqueItems": true},
	}
}

// parameterRef returns a reference to a shared parameter.
func parameterRef(name string) map[string]any {
	return map[string]any{"$ref": "#/components/parameters/" + name}
}

// parameterRefs returns references to shared parameters.
func parameterRefs(names []string) []any {
	var out []any
	for _, name := range names {
		out = append(out, parameterRef(name))
	}
	return out
}

// writeParameters returns the parameters of a write, or of a patch.
func writeParameters(patch bool) []any {
	names := []string{"dryRun", "fieldManager", "fieldValidation"}
	if patch {
		names = append(names, "force")
	}
	var out []any
	for _, name := range names {
		out = append(out, queryParameter(name))
	}
	return out
}

// sharedParameters returns the parameters that operations and paths refer to.
func sharedParameters() map[string]any {
	out := map[string]any{}
	for _, name := range slices.Concat([]string{"pretty"}, listParameters, deleteParameters) {
		out[name] = queryParameter(name)
	}
	for name, doc := range map[string]string{"name": "the name of the object", "namespace": "the namespace of the object"} {
		out[name] = map[string]any{
			"name": name, "in": "path", "required": true, "description": doc, "schema": map[string]any{"type": "string"},
		}
	}
	return out
}
