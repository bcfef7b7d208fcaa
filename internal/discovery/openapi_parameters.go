package discovery

// The parameters of operations. Most are components, to which operations refer; a few of writes
// are repeated in each operation, since kubectl follows no reference where it looks whether the
// server does fieldValidation and dryRun.

// The names of parameters of requests. Nobody changes these.
var (
	listParameters = []string{
		"allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
		"resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch",
	}
	deleteParameters = []string{
		"dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents", "propagationPolicy",
	}
	// collectionParameters are those of a list too, but for the two of watches.
	collectionParameters = append([]string{
		"continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch", "sendInitialEvents",
		"shardSelector", "timeoutSeconds",
	}, deleteParameters...)
	writeParameters = []string{"dryRun", "fieldManager", "fieldValidation"}
	patchParameters = append([]string{"force"}, writeParameters...)

	// connectParameters are those of subresources that lead to a container or address, and of logs, by
	// the kind of options that discovery shows there, and by PodLogOptions.
	connectParameters = map[string][]string{
		"PodAttachOptions":      {"container", "stderr", "stdin", "stdout", "tty"},
		"PodExecOptions":        {"command", "container", "stderr", "stdin", "stdout", "tty"},
		"PodPortForwardOptions": {"ports"},
		"PodProxyOptions":       {"path"},
		"ServiceProxyOptions":   {"path"},
		"NodeProxyOptions":      {"path"},
		"PodLogOptions": {
			"container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "previous", "sinceSeconds", "stream", "tailLines", "timestamps",
		},
	}
)

// inlineParameters are never referred to.
var inlineParameters = map[string]bool{"dryRun": true, "fieldManager": true, "fieldValidation": true, "force": true}

// queryParameters says of each parameter of which type it is, and for people what it does. Names in
// braces are of paths.
var queryParameters = map[string]struct{ typ, doc string }{
	"{name}":      {"string", "the name of the object"},
	"{namespace}": {"string", "the namespace of the object"},
	"{path}":      {"string", "the path behind the proxy"},

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
	"shardSelector":        {"string", "only objects of a part of all, by hashes; not done here"},
	"timeoutSeconds":       {"integer", "ends the list or watch after so many seconds"},
	"watch":                {"boolean", "changes, one after another, instead of a list"},
	"gracePeriodSeconds":   {"integer", "how long the object may take to end; 0 is at once"},
	"ignoreStoreReadErrorWithClusterBreakingPotential": {"boolean", "delete also what cannot be read"},
	"orphanDependents":  {"boolean", "use propagationPolicy instead"},
	"propagationPolicy": {"string", "what becomes of the objects that this one owns: Orphan, Background or Foreground"},

	"command":                      {"string", "what to run, one parameter for each argument"},
	"container":                    {"string", "a container of the pod; may be left out where there is one"},
	"follow":                       {"boolean", "go on with what is logged from now on"},
	"insecureSkipTLSVerifyBackend": {"boolean", "do not ask the node for its certificate"},
	"limitBytes":                   {"integer", "at most so many bytes"},
	"path":                         {"string", "the path to ask for behind the proxy"},
	"ports":                        {"integer", "the ports to forward, with commas between"},
	"previous":                     {"boolean", "what the container before this one logged"},
	"sinceSeconds":                 {"integer", "only what is not older"},
	"stderr":                       {"boolean", "with the output of errors"},
	"stdin":                        {"boolean", "with an input"},
	"stdout":                       {"boolean", "with the output"},
	"stream":                       {"string", "which output: All, Stdout or Stderr"},
	"tailLines":                    {"integer", "only so many lines from the end"},
	"timestamps":                   {"boolean", "each line with its time"},
	"tty":                          {"boolean", "input and outputs are a terminal"},
}

// fieldValidationValues ends the text of that parameter.
const fieldValidationValues = "Ignore drops them, Warn (the default) also sends a warning for each, Strict refuses the request"
