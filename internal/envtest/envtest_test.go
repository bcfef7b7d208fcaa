package envtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// outcome is what a run left behind.
type outcome struct {
	code      int
	out, errs string
}

// subject is a program that has nothing to do but to be copied, and the environment of a user who has
// nothing else.
type subject struct {
	program    Program
	home, path string
}

// newSubject makes one, with a home and a PATH that are empty folders.
func newSubject(t *testing.T) *subject {
	t.Helper()
	s := &subject{home: t.TempDir(), path: t.TempDir()}
	s.program = Program{Path: filepath.Join(t.TempDir(), "apichain"), Version: "v0.1.0", Kubernetes: "v1.37.2"}
	put(t, s.program.Path, build(1))
	t.Setenv("HOME", s.home)
	t.Setenv("PATH", s.path)
	for _, name := range []string{"XDG_CACHE_HOME", "XDG_DATA_HOME", "KUBE_API_TEST_DIR"} {
		t.Setenv(name, "")
	}
	for _, name := range []string{"TEST_ASSET_KUBE_APISERVER", "TEST_ASSET_ETCD", "TEST_ASSET_KUBECTL"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// build returns what could be the n-th build of this program.
func build(n int) string { return fmt.Sprintf("#!/bin/sh\n# %s\necho build %d\n", mark, n) }

// put writes an executable file.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs the subcommand.
func (s *subject) run(args ...string) outcome {
	var out, errs strings.Builder
	code := Main(s.program, args, &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// holds checks what each file of a folder begins and ends with, and that nothing else is there.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[strings.TrimSuffix(e.Name(), ".exe")]; !ok {
			t.Errorf("%s has %s", dir, e.Name())
		}
	}
	for name, content := range want {
		path := filepath.Join(dir, fileName(name))
		b, err := os.ReadFile(path)
		if err != nil || string(b) != content {
			t.Errorf("%s: %q %v, want %q", path, b, err, content)
			continue
		}
		if info, err := os.Stat(path); err != nil || !executable(info) {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
}

// all is a folder of which every file is the n-th build.
func all(n int) map[string]string {
	return map[string]string{apiServer: build(n), etcd: build(n), kubectl: build(n)}
}

// TestDefaultFolder: without a word the folder is one of this build in the user's cache, the same each
// time, and its path alone is printed; another build has another folder.
func TestDefaultFolder(t *testing.T) {
	s := newSubject(t)
	first := s.run()
	dir := strings.TrimSuffix(first.out, "\n")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if first.code != 0 || first.errs != "" || !strings.HasPrefix(dir, filepath.Join(cache, "apichain", "envtest", "v0.1.0-")) ||
		strings.Contains(dir, "\n") {
		t.Fatalf("%+v", first)
	}
	holds(t, dir, all(1))
	before, err := os.Stat(filepath.Join(dir, fileName(apiServer)))
	if err != nil {
		t.Fatal(err)
	}
	if again := s.run(); again != first {
		t.Errorf("again: %+v, first: %+v", again, first)
	}
	after, err := os.Stat(filepath.Join(dir, fileName(apiServer)))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the second run made the file anew: %v", err)
	}
	for _, name := range []string{etcd, kubectl} {
		if link, err := os.Stat(filepath.Join(dir, fileName(name))); err != nil || !os.SameFile(link, after) {
			t.Errorf("%s takes space of its own: %v", name, err)
		}
	}
	put(t, s.program.Path, build(2))
	if other := s.run(); other.code != 0 || other.out == first.out {
		t.Errorf("another build: %+v", other)
	}
	holds(t, dir, all(1))
	// What go run made is gone by then; what was made of it is not.
	if err := os.Remove(s.program.Path); err != nil {
		t.Fatal(err)
	}
	if got := s.run(); got.code != 1 || got.out != "" || strings.Count(got.errs, "\n") != 1 {
		t.Errorf("without a program: %+v", got)
	}
}

// TestNamedFolder: a folder is made with what is above it and is printed absolute; files of other builds
// are replaced and what is broken is mended; other programs stay, and a kube-apiserver is not replaced.
func TestNamedFolder(t *testing.T) {
	s := newSubject(t)
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(here, "a", "b")
	if got := s.run(filepath.Join("a", "b")); got != (outcome{0, dir + "\n", ""}) {
		t.Fatalf("%+v", got)
	}
	holds(t, dir, all(1))
	put(t, s.program.Path, build(2))
	if got := s.run(dir); got != (outcome{0, dir + "\n", ""}) {
		t.Fatalf("%+v", got)
	}
	holds(t, dir, all(2))
	at := func(name string) string { return filepath.Join(dir, fileName(name)) }
	if err := os.Chmod(at(apiServer), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{etcd, kubectl} {
		if err := os.Remove(at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", at(etcd)); err != nil {
		t.Skip("no symbolic links here")
	}
	if got := s.run(dir); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	holds(t, dir, all(2))

	mixed := all(2)
	mixed[etcd], mixed[kubectl] = "real etcd", "real kubectl"
	for name, content := range mixed {
		_ = os.Remove(at(name))
		put(t, at(name), content)
	}
	if got := s.run(dir); got != (outcome{0, dir + "\n", "apichain: envtest: " + at(etcd) +
		" is another program, and stays: nothing will be stored in it\n"}) {
		t.Errorf("beside a real etcd: %+v", got)
	}
	holds(t, dir, mixed)

	mixed[apiServer] = "real kube-apiserver"
	put(t, at(apiServer), mixed[apiServer])
	if got := s.run(dir); got != (outcome{1, "", "apichain: envtest: " + at(apiServer) +
		" is another program, and would be replaced: name another folder\n"}) {
		t.Errorf("over a real one: %+v", got)
	}
	holds(t, dir, mixed)
	if got := s.run(at(apiServer)); got.code != 1 || got.out != "" {
		t.Errorf("a folder that is a file: %+v", got)
	}
}

// TestKubectlOfPath: the first one of the PATH that is another program is linked; a stand-in is not taken
// for it, and gives way to it later.
func TestKubectlOfPath(t *testing.T) {
	s := newSubject(t)
	dir, second := t.TempDir(), t.TempDir()
	t.Setenv("PATH", strings.Join([]string{"", "relative", filepath.Join(s.home, "none"), dir, s.path, second},
		string(filepath.ListSeparator)))
	put(t, filepath.Join(s.path, fileName(kubectl)), build(7))
	if got := s.run(dir); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	holds(t, dir, all(1))
	put(t, filepath.Join(second, fileName(kubectl)), "real kubectl")
	for range 2 {
		if got := s.run(dir); got != (outcome{0, dir + "\n", ""}) {
			t.Fatalf("%+v", got)
		}
		want := all(1)
		want[kubectl] = "real kubectl"
		holds(t, dir, want)
	}
	if to, err := os.Readlink(filepath.Join(dir, fileName(kubectl))); runtime.GOOS != "windows" && (err != nil ||
		to != filepath.Join(second, kubectl)) {
		t.Errorf("a link to %s: %v", to, err)
	}
	if err := os.Remove(filepath.Join(second, fileName(kubectl))); err != nil {
		t.Fatal(err)
	}
	if got := s.run(dir); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	holds(t, dir, all(1))
}

// TestLayouts: where each driver looks, with a folder and without, and what it is told.
func TestLayouts(t *testing.T) {
	s := newSubject(t)
	platform := "-" + runtime.GOOS + "-" + runtime.GOARCH
	elsewhere := t.TempDir()
	for name, c := range map[string]struct {
		env          [2]string
		args         []string
		folder, path string
		told         map[string]string
	}{
		"kubeapitest": {
			[2]string{}, []string{"--layout=kubeapitest"}, s.home + "/.kubeapitest/k8s/1.37.2" + platform, s.home + "/.kubeapitest",
			map[string]string{"KUBE_API_TEST_DIR": s.home + "/.kubeapitest", "KUBE_API_TEST_API_SERVER_VERSION": "1.37.2"},
		},
		"kubeapitest of its variable": {
			[2]string{"KUBE_API_TEST_DIR", elsewhere + "/k"}, []string{"--layout", "kubeapitest"}, elsewhere + "/k/k8s/1.37.2" + platform,
			elsewhere + "/k",
			map[string]string{"KUBE_API_TEST_DIR": elsewhere + "/k", "KUBE_API_TEST_API_SERVER_VERSION": "1.37.2"},
		},
		"kubeapitest in a folder": {
			[2]string{"KUBE_API_TEST_DIR", elsewhere + "/none"}, []string{elsewhere + "/d", "-layout=kubeapitest"}, elsewhere + "/d/k8s/1.37.2" +
				platform, elsewhere + "/d",
			map[string]string{"KUBE_API_TEST_DIR": elsewhere + "/d", "KUBE_API_TEST_API_SERVER_VERSION": "1.37.2"},
		},
		"envtest-js of its variable": {
			[2]string{"XDG_DATA_HOME", elsewhere + "/x"}, []string{"--layout", "envtest-js"}, elsewhere + "/x/envtest-js/k8s/v1.37.2" + platform,
			elsewhere + "/x/envtest-js/k8s/v1.37.2" + platform,
			map[string]string{"KUBEBUILDER_ASSETS": elsewhere + "/x/envtest-js/k8s/v1.37.2" + platform},
		},
		"a file of its own": {
			[2]string{"TEST_ASSET_KUBE_APISERVER", "/real"}, []string{elsewhere + "/it's"}, elsewhere + "/it's", elsewhere + "/it's",
			map[string]string{"KUBEBUILDER_ASSETS": elsewhere + "/it's", "TEST_ASSET_KUBE_APISERVER": filepath.Join(elsewhere, "it's",
				fileName(apiServer))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env[0] != "" {
				t.Setenv(c.env[0], c.env[1])
			}
			if got := s.run(c.args...); got != (outcome{0, filepath.FromSlash(c.path) + "\n", ""}) {
				t.Fatalf("%+v", got)
			}
			holds(t, filepath.FromSlash(c.folder), all(1))
			var told struct {
				Assets, Version, KubernetesVersion string
				Files, Env                         map[string]string
			}
			got := s.run(append(c.args, "-o=json")...)
			if err := json.Unmarshal([]byte(got.out), &told); err != nil || strings.Count(got.out, "\n") != 1 {
				t.Fatalf("%v: %+v", err, got)
			}
			if told.Assets != filepath.FromSlash(c.folder) || told.Version != "v0.1.0" || told.KubernetesVersion != "v1.37.2" ||
				told.Files[etcd] != filepath.Join(told.Assets, fileName(etcd)) || len(told.Files) != 3 || fmt.Sprint(told.Env) != fmt.Sprint(c.told) {
				t.Errorf("%+v", told)
			}
			checkShell(t, s.run(append(c.args, "--output", "env")...), c.told)
		})
	}
	for goos, want := range map[string]string{"linux": ".local/share/envtest-js", "darwin": "Library/Application Support/envtest-js",
		"windows": "AppData/Local/envtest-js"} {
		if got := dataFolder(goos); got != want {
			t.Errorf("%s: %s", goos, got)
		}
	}
}

// checkShell runs assignments with a shell and looks for what they should have set.
func checkShell(t *testing.T, got outcome, want map[string]string) {
	t.Helper()
	if strings.Count(got.out, "export ") != len(want) || got.code != 0 {
		t.Errorf("%+v, want %v", got, want)
	}
	for name, value := range want {
		out, err := exec.Command("/bin/sh", "-c", got.out+`printf %s "$`+name+`"`).Output()
		if err != nil || string(out) != filepath.FromSlash(value) {
			t.Errorf("%s is %q after\n%s(%v), want %s", name, out, got.out, err, value)
		}
	}
}

// TestUsage: what is wrong is one line with code 2, and nothing is made; help is output.
func TestUsage(t *testing.T) {
	s := newSubject(t)
	for args, want := range map[string]string{
		"--bogus":         "--bogus: unknown flag",
		"-o xml":          `-o: "xml" is not path, env or json`,
		"--layout=maven":  `--layout: "maven" is not kubebuilder, kubeapitest, envtest-js`,
		"one two":         `"two": one folder is enough`,
		"--layout":        "--layout: needs a value",
		"one -o xml more": `-o: "xml" is not path, env or json`,
	} {
		if got := s.run(strings.Fields(args)...); got != (outcome{2, "", "apichain: " + want + "; see apichain envtest --help\n"}) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
	if got := s.run(""); got.code != 2 {
		t.Errorf("a folder without a name: %+v", got)
	}
	got := s.run("--help", "x", "y")
	if got.code != 0 || got.errs != "" {
		t.Errorf("help: %+v", got)
	}
	for _, want := range []string{"KUBEBUILDER_ASSETS=$(apichain envtest)", "kubeapitest", "envtest-js", "rm -r"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("help has no %s:\n%s", want, got.out)
		}
	}
	if entries, err := os.ReadDir(s.home); err != nil || len(entries) > 0 {
		t.Errorf("something was made: %v %v", entries, err)
	}
	t.Setenv("HOME", "")
	if got := s.run(); got.code != 1 || !strings.HasSuffix(got.errs, ": name a folder\n") {
		t.Errorf("nowhere to make it: %+v", got)
	}
}

// TestEachLayout: every row of the table says all that a driver needs, and is in help.
func TestEachLayout(t *testing.T) {
	s := newSubject(t)
	root := t.TempDir()
	for i, l := range layouts {
		if l.name == "" || l.summary == "" || strings.Count(layoutNames(), l.name) != 1 || !strings.Contains(help(), "  "+l.name) {
			t.Errorf("%+v", l)
		}
		below := l.below(s.program)
		shown, environment := l.tell(s.program, root, filepath.Join(root, below))
		// Who prints the path and who reads the variables must end up at the same place.
		if !filepath.IsAbs(shown) || len(environment) == 0 || environment[0][1] != shown {
			t.Errorf("%s: %s, %v", l.name, shown, environment)
		}
		if named := strings.HasSuffix(below, platform()); named != (i > 0) {
			t.Errorf("%s: the files are in %q", l.name, below)
		}
		if dir, err := l.root(s.program, []byte(build(1))); err != nil || !strings.HasPrefix(dir, s.home) {
			t.Errorf("%s: by default in %q, %v", l.name, dir, err)
		}
		t.Setenv("HOME", "")
		if dir, err := l.root(s.program, nil); err == nil {
			t.Errorf("%s: nowhere is %q", l.name, dir)
		}
		t.Setenv("HOME", s.home)
	}
}

// closed is an output that nobody reads.
type closed struct{}

// Write fails.
func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestClosedOutput: a path that could not be told is a failure, in each form.
func TestClosedOutput(t *testing.T) {
	s := newSubject(t)
	for _, form := range []string{"path", "env", "json"} {
		var errs strings.Builder
		if code := Main(s.program, []string{"-o", form}, closed{}, &errs); code != 1 || errs.String() != "apichain: envtest: closed\n" {
			t.Errorf("%s: code %d, %q", form, code, errs.String())
		}
	}
}
