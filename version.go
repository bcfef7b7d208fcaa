package main

import (
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/debug"

	"apichain/internal/kinds"
	"apichain/internal/metrics"
)

// Two versions: clients of Kubernetes want to know which release they speak with, and we have one of
// our own. programVersion is ours; kubernetesVersion is the release whose behaviour we follow. The
// build is what the Go tool stamped into the binary; nothing is set by linker flags.
const (
	programVersion    = "v0.1.0"
	kubernetesVersion = kinds.KubernetesVersion
)

// versionInfo is /version, in upstream's order of keys. gitVersion is upstream's release
// with ours behind the plus sign, so that clients compare it as that release.
type versionInfo struct {
	Major                 string `json:"major"`
	Minor                 string `json:"minor"`
	EmulationMajor        string `json:"emulationMajor"`
	EmulationMinor        string `json:"emulationMinor"`
	MinCompatibilityMajor string `json:"minCompatibilityMajor"`
	MinCompatibilityMinor string `json:"minCompatibilityMinor"`
	GitVersion            string `json:"gitVersion"`
	GitCommit             string `json:"gitCommit"`
	GitTreeState          string `json:"gitTreeState"`
	BuildDate             string `json:"buildDate"`
	GoVersion             string `json:"goVersion"`
	Compiler              string `json:"compiler"`
	Platform              string `json:"platform"`
}

// buildInfo is what the Go tool stamped into the binary; "" where it stamped nothing.
type buildInfo struct {
	revision, time string
	modified       bool
}

// readBuild reads the build of the running binary, which is empty for one built outside a checkout.
func readBuild() buildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return buildInfo{}
	}
	return stamped(info.Settings)
}

// stamped returns what the settings say of the state of the source tree.
func stamped(settings []debug.BuildSetting) (b buildInfo) {
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.time":
			b.time = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

// newVersionInfo returns the version of a build, for /version and the metrics. Its tree has no state
// where nothing was stamped.
func newVersionInfo(b buildInfo) versionInfo {
	state := ""
	switch {
	case b.modified:
		state = "dirty"
	case b.revision != "":
		state = "clean"
	}
	// Upstream's rule for a release that emulates none but itself: compatible with the one before.
	return versionInfo{
		Major: "1", Minor: "37", EmulationMajor: "1", EmulationMinor: "37", MinCompatibilityMajor: "1", MinCompatibilityMinor: "36",
		GitVersion: kubernetesVersion + "+apichain." + programVersion, GitCommit: b.revision, GitTreeState: state, BuildDate: b.time,
		GoVersion: runtime.Version(), Compiler: runtime.Compiler, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// versionService returns what serves /version, and /version/ as upstream does, indented. The answer
// is made once: nothing of it changes.
func versionService() *WebService {
	// The types are ours and always encode.
	text, _ := json.MarshalIndent(newVersionInfo(readBuild()), "", "  ")
	return &WebService{Root: "/version", Doc: "the version of this server", Produces: []string{"application/json"}, Routes: []Route{{
		Method: http.MethodGet, Operation: "getCodeVersion", Doc: "get the version", Writes: versionInfo{},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, text) }),
	}}}
}

// writeJSON writes a document that is ready. An error means that the client has gone.
func writeJSON(w http.ResponseWriter, b []byte) {
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(b)
}

// writeBuild writes what is running, as labels of a constant: first under upstream's name, then what
// is ours.
func writeBuild(e *metrics.Writer) {
	v := newVersionInfo(readBuild())
	e.Family("kubernetes_build_info", "gauge", "The Kubernetes release whose behaviour this is; always 1.")
	e.Number(1, "build_date", v.BuildDate, "compiler", v.Compiler, "git_commit", v.GitCommit, "git_tree_state", v.GitTreeState,
		"git_version", v.GitVersion, "go_version", v.GoVersion, "major", v.Major, "minor", v.Minor, "platform", v.Platform)
	e.Family("apichain_build_info", "gauge", "What is running; always 1.")
	e.Number(1, "go_version", v.GoVersion, "revision", v.GitCommit, "version", programVersion)
}
