package main

import (
	"encoding/json"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestVersionDocument holds the keys of /version, their order and the indentation, with
// what the build decides taken out.
func TestVersionDocument(t *testing.T) {
	p := newTestProgram(t)
	want := `{
  "major": "1",
  "minor": "37",
  "emulationMajor": "1",
  "emulationMinor": "37",
  "minCompatibilityMajor": "1",
  "minCompatibilityMinor": "36",
  "gitVersion": "v1.37.2+apichain.v0.1.0",
  "gitCommit": "*",
  "gitTreeState": "*",
  "buildDate": "*",
  "goVersion": "` + runtime.Version() + `",
  "compiler": "` + runtime.Compiler + `",
  "platform": "` + runtime.GOOS + "/" + runtime.GOARCH + `"
}`
	stamped := regexp.MustCompile(`("(?:gitCommit|gitTreeState|buildDate)": )"[^"]*"`)
	for _, path := range []string{"/version", "/version/"} {
		got := p.through("http", "GET", path)
		if text := stamped.ReplaceAllString(got.Body.String(), `$1"*"`); got.Code != 200 || text != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, got.Code, text, want)
		}
		if c := got.Header().Get("Content-Type"); c != "application/json" {
			t.Errorf("%s: Content-Type %q", path, c)
		}
	}
	for method, code := range map[string]int{"POST": 405, "DELETE": 405} {
		if got := p.through("http", method, "/version"); got.Code != code {
			t.Errorf("%s: %d, want %d", method, got.Code, code)
		}
	}
}

// TestVersionHonest: the version is a semantic one, of upstream's release, with ours
// behind the plus sign; and a tree that nothing was stamped of has no state.
func TestVersionHonest(t *testing.T) {
	v := newVersionInfo(readBuild())
	semantic := regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$`)
	m := semantic.FindStringSubmatch(v.GitVersion)
	if m == nil || m[1] != v.Major || m[2] != v.Minor || !strings.HasSuffix(v.GitVersion, "+apichain."+programVersion) {
		t.Errorf("gitVersion %q of %s.%s", v.GitVersion, v.Major, v.Minor)
	}
	b := readBuild()
	if (v.GitTreeState == "") != (b.revision == "" && !b.modified) || v.GitCommit != b.revision || v.BuildDate != b.time {
		t.Errorf("%+v of %+v", v, b)
	}
	var back versionInfo
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back != v {
		t.Errorf("came back as %+v, %v", back, err)
	}
}
