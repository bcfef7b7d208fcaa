// Package envtest makes the folder that drivers of integration tests start their API server from: files
// named kube-apiserver, etcd and kubectl, which are this program. Go's envtest finds the folder by
// KUBEBUILDER_ASSETS, and its like in other languages where they keep what they download.
//
// In come the arguments of the subcommand envtest; out go the folder's path alone, or what a shell or a
// script wants to know of it.
//
//	code := envtest.Main(envtest.Program{Path: path, Version: "v0.1.0", Kubernetes: "v1.37.2"}, args, os.Stdout, os.Stderr)
//
// The folder outlives the program that made it: go run and go tool run theirs from places that are
// emptied, so that it is a copy. Nothing is downloaded. Several processes may make the same folder at once,
// and tests may be using it: every file appears whole and is replaced by a rename.
package envtest

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"apichain/internal/flags"
	"apichain/internal/tree"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // the folder could not be made
	exitUsage  = 2 // wrong usage; nothing was made
)

// Program is the program whose copies are in the folder.
type Program struct {
	// Path is its file, as os.Executable has it.
	Path string
	// Version is its own, and Kubernetes the release that it behaves as, both with a v.
	Version, Kubernetes string
}

// Main runs the subcommand with its arguments, without its name, and returns the exit code. What is wrong
// is one line on errOut, and out stays empty then.
func Main(p Program, args []string, out, errOut io.Writer) int {
	var form, layout string
	f := flag.NewFlagSet("envtest", flag.ContinueOnError)
	for _, name := range []string{"o", "output"} {
		f.StringVar(&form, name, "path", "")
	}
	f.StringVar(&layout, "layout", layouts[0].name, "")
	words, err := flags.Words(f, args)
	// Help first, whatever else is wrong; then the flags, in the order of help.
	l := slices.IndexFunc(layouts[:], func(l layoutOf) bool { return l.name == layout })
	switch {
	case errors.Is(err, flags.ErrHelp):
		fmt.Fprint(out, help())
		return exitDone
	case err != nil:
	case l < 0:
		err = fmt.Errorf("--layout: %q is not %s", layout, layoutNames())
	case !slices.Contains([]string{"path", "env", "json"}, form):
		err = fmt.Errorf("-o: %q is not path, env or json", form)
	case len(words) > 1:
		err = fmt.Errorf("%q: one folder is enough", words[1])
	case len(words) == 1 && words[0] == "":
		err = errors.New("the folder has no name")
	}
	if err != nil {
		fmt.Fprintf(errOut, "apichain: %v; see apichain envtest --help\n", err)
		return exitUsage
	}
	// From here on something may be made, and what fails is the machine's: another exit code.
	made, err := prepare(p, layouts[l], words)
	if err != nil {
		fmt.Fprintln(errOut, "apichain: envtest:", err)
		return exitFailed
	}
	// On the other stream, since $(...) takes the output for a path.
	for _, line := range made.notes {
		fmt.Fprintln(errOut, "apichain: envtest:", line)
	}
	if err := made.print(out, form); err != nil {
		fmt.Fprintln(errOut, "apichain: envtest:", err)
		return exitFailed
	}
	return exitDone
}

// result is a folder that was made.
type result struct {
	program Program
	// folder has the three files; shown is the path that is printed.
	folder, shown string
	// environment is what a driver has to be told, as name and value.
	environment [][2]string
	// notes say what is not as one might expect.
	notes []string
}

// prepare makes the folder of a layout below the one that words name, or below its default. The program
// is read whole, since its content is compared with what is there. An error may leave a part of the
// files, which the next run completes.
func prepare(p Program, l layoutOf, words []string) (*result, error) {
	content, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	root := ""
	if len(words) > 0 {
		root = words[0]
	} else if root, err = l.root(p, content); err != nil {
		return nil, fmt.Errorf("%w: name a folder", err)
	}
	// Absolute, since tests run in the folder of their package.
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	r := &result{program: p, folder: filepath.Join(root, filepath.FromSlash(l.below(p)))}
	if r.notes, err = fill(r.folder, content, os.Getenv("PATH")); err != nil {
		return nil, err
	}
	r.shown, r.environment = l.tell(p, root, r.folder)
	return r, nil
}

// print writes what is wanted: the path, assignments for a POSIX shell, or JSON in one line. An error is
// that of w.
func (r *result) print(w io.Writer, form string) error {
	switch form {
	case "env":
		// Between single quotes a shell reads everything as it stands but a single quote.
		for _, v := range r.environment {
			if _, err := fmt.Fprintf(w, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`)); err != nil {
				return err
			}
		}
		return nil
	case "json":
		// Keys are ours but those of env and files, which are names of variables and programs.
		environment, files := map[string]any{}, map[string]any{}
		for _, v := range r.environment {
			environment[v[0]] = v[1]
		}
		for _, name := range []string{apiServer, etcd, kubectl} {
			files[name] = filepath.Join(r.folder, fileName(name))
		}
		_, err := fmt.Fprintf(w, "%s\n", tree.AppendJSON(nil, map[string]any{
			"assets": r.folder, "files": files, "env": environment,
			"version": r.program.Version, "kubernetesVersion": r.program.Kubernetes,
		}))
		return err
	}
	_, err := fmt.Fprintln(w, r.shown)
	return err
}

// layoutOf is how a driver expects the folder to be placed and to be told of it.
type layoutOf struct {
	name, summary string
	// root returns the folder that stands for the driver's where none is named.
	root func(p Program, content []byte) (string, error)
	// below returns the path of the files below it, with slashes.
	below func(p Program) string
	// tell returns the path to print, and the variables that lead to it.
	tell func(p Program, root, folder string) (shown string, environment [][2]string)
}

// layouts are all of them; the first is the default. A driver looks in its folder and nowhere else: what
// differs by a letter in the version, the operating system or the architecture is not found, and
// downloaded instead. The files themselves are the same in all of them. They do not change while the
// program runs.
var layouts = [...]layoutOf{
	{
		"kubebuilder", "the files are in DIR, for $KUBEBUILDER_ASSETS", cacheFolder,
		func(Program) string { return "." },
		tellAssets,
	},
	{
		"kubeapitest", "fabric8's kube-api-test: DIR/k8s/" + "VERSION-OS-ARCH below $KUBE_API_TEST_DIR or ~/.kubeapitest",
		func(Program, []byte) (string, error) { return inHome("KUBE_API_TEST_DIR", "", ".kubeapitest") },
		// Versions are compared as numbers there, which a v is none of.
		func(p Program) string { return "k8s/" + strings.TrimPrefix(p.Kubernetes, "v") + platform() },
		func(p Program, root, _ string) (string, [][2]string) {
			// The driver takes the newest there is unless it is told. Its offline mode needs not be on: what is
			// found is not downloaded.
			version := strings.TrimPrefix(p.Kubernetes, "v")
			return root, [][2]string{{"KUBE_API_TEST_DIR", root}, {"KUBE_API_TEST_API_SERVER_VERSION", version}}
		},
	},
	{
		"envtest-js", "envtest-js with that version: DIR/k8s/vVERSION-OS-ARCH below its data folder",
		func(Program, []byte) (string, error) {
			return inHome("XDG_DATA_HOME", "envtest-js", dataFolder(runtime.GOOS))
		},
		func(p Program) string { return "k8s/" + p.Kubernetes + platform() },
		tellAssets,
	},
}

// layoutNames lists the names, for messages.
func layoutNames() string {
	var names []string
	for _, l := range layouts {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}

// platform is how envtest's folders and archives end.
func platform() string { return "-" + runtime.GOOS + "-" + runtime.GOARCH }

// dataFolder is where envtest-js keeps its data below the home directory.
func dataFolder(goos string) string {
	switch goos {
	case "windows":
		return "AppData/Local/envtest-js"
	case "darwin":
		return "Library/Application Support/envtest-js"
	}
	return ".local/share/envtest-js"
}

// inHome returns the folder of an environment variable, with below in it, or else one of the home
// directory. An empty variable is none. The error is that there is no home directory.
func inHome(variable, below, otherwise string) (string, error) {
	if dir := os.Getenv(variable); dir != "" {
		return filepath.Join(dir, below), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, filepath.FromSlash(otherwise)), err
}

// cacheFolder returns the folder of this build in the user's cache. What is in it depends on its name
// alone, so that builds do not disturb each other's tests.
func cacheFolder(p Program, content []byte) (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "apichain", "envtest", fmt.Sprintf("%s-%.6x", p.Version, sha256.Sum256(content))), err
}

// tellAssets tells Go's envtest and whoever follows it. A file's own variable counts more with them than
// the folder's, so that one that is set must lead here too.
func tellAssets(_ Program, _, folder string) (string, [][2]string) {
	environment := [][2]string{{"KUBEBUILDER_ASSETS", folder}}
	for _, name := range []string{apiServer, etcd, kubectl} {
		// One that is not set is left so: it would say nothing new.
		variable := "TEST_ASSET_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if _, set := os.LookupEnv(variable); set {
			environment = append(environment, [2]string{variable, filepath.Join(folder, fileName(name))})
		}
	}
	return folder, environment
}

// help describes the subcommand.
func help() string {
	var b strings.Builder
	b.WriteString(`apichain envtest: make the folder of kube-apiserver, etcd and kubectl that test drivers start.

Usage:
  KUBEBUILDER_ASSETS=$(apichain envtest) go test ./...
  apichain envtest [DIR] [flags]

The files are copies of this program, which is what each name says. A kubectl on the PATH is linked, and
otherwise a small one runs get and version. A file that is another program is never replaced. Without DIR
the folder is in the user's cache, one for each build; it is safe to remove at any time but during tests:

  rm -r "$(dirname "$(apichain envtest)")"

Flags:
  -o, --output path|env|json
        print the path, assignments for a shell (eval "$(apichain envtest -o env)"), or JSON (default path)
  --layout NAME
        place the files as a driver expects them (default `)
	b.WriteString(layouts[0].name + "):\n")
	for _, l := range layouts {
		fmt.Fprintf(&b, "        %-11s  %s\n", l.name, l.summary)
	}
	b.WriteString(`
Exit codes:
  0  made, or there already
  1  the folder could not be made
  2  wrong usage
`)
	return b.String()
}
