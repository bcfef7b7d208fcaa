package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Go's envtest, unmodified, on the folder that the subcommand envtest makes. What is started here is
// started by controller-runtime, with its flags and its patience.

// assets is that folder, made without a kubectl on the PATH.
var assets = sync.OnceValues(func() (string, error) {
	path, err := apichain()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, "envtest", filepath.Join(binaries(), "assets"))
	cmd.Env = append(os.Environ(), "PATH=")
	out, err := cmd.Output()
	return strings.TrimSuffix(string(out), "\n"), err
})

// newEnvironment is a test environment with the files of a folder, which is stopped at the latest when the
// test ends.
func newEnvironment(t *testing.T, folder string) *envtest.Environment {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	e := &envtest.Environment{ControlPlane: envtest.ControlPlane{
		APIServer:   &envtest.APIServer{Path: filepath.Join(folder, "kube-apiserver")},
		Etcd:        &envtest.Etcd{Path: filepath.Join(folder, "etcd")},
		KubectlPath: filepath.Join(folder, "kubectl"),
	}}
	t.Cleanup(func() { _ = e.Stop() })
	return e
}

// folderOf is assets, or the end of the test.
func folderOf(t *testing.T) string {
	t.Helper()
	folder, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// running lists the processes that were started from a folder, by their command lines. Where the system
// does not tell, there are none.
func running(folder string) (all []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(b), folder) {
			all = append(all, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return all
}

// nothingLeft checks that no process of the folder runs and that the folder of temporary files is empty.
func nothingLeft(t *testing.T, folder, temporary string) {
	t.Helper()
	if all := running(folder); len(all) > 0 {
		t.Errorf("these still run: %q", all)
	}
	entries, err := os.ReadDir(temporary)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// TestEnvtest: Start with a definition, users, a manager with its reconciler, kubectl, Stop; and again.
func TestEnvtest(t *testing.T) {
	folder, temporary := folderOf(t), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	types := gizmoTypes(t)
	for range 2 {
		e := newEnvironment(t, folder)
		e.Scheme = types
		e.CRDInstallOptions = envtest.CRDInstallOptions{Paths: []string{filepath.Join("testdata", "gizmos.yaml")}, ErrorIfPathMissing: true}
		config, err := e.Start()
		if err != nil {
			t.Fatal(err)
		}
		direct, cached, stop := runManager(t, config, types)
		reconcileGizmo(t, direct, cached)
		envtestUsers(t, e)
		envtestKubectl(t, e, folder)
		stop()
		if err := e.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		nothingLeft(t, folder, temporary)
	}
}

// envtestUsers adds users as suites do, and lets the server say who they are.
func envtestUsers(t *testing.T, e *envtest.Environment) {
	t.Helper()
	for _, u := range []envtest.User{{Name: "root", Groups: []string{"system:masters"}}, {Name: "ann", Groups: []string{"dev"}}} {
		user, err := e.AddUser(u, nil)
		if err != nil {
			t.Fatal(err)
		}
		review, err := typed(t, user.Config()).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Errorf("%s: %v", u.Name, err)
			continue
		}
		if got := review.Status.UserInfo; got.Username != u.Name || !slices.Equal(got.Groups, append(u.Groups, "system:authenticated")) {
			t.Errorf("%s is %+v", u.Name, got)
		}
	}
	stranger := rest.AnonymousClientConfig(e.Config)
	if _, err := typed(t, stranger).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("a stranger reads secrets: %v", err)
	}
}

// envtestKubectl asks with kubectl as envtest does, with a kubeconfig, and as fabric8's driver does, with
// the files of a client certificate.
func envtestKubectl(t *testing.T, e *envtest.Environment, folder string) {
	t.Helper()
	out, _, err := e.ControlPlane.KubeCtl().Run("get", "namespaces", "-o", "name")
	if err != nil {
		t.Fatalf("kubectl: %v", err)
	}
	b, err := io.ReadAll(out)
	if want := "namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n"; string(b) != want || err != nil {
		t.Errorf("kubectl: %q %v, want %q", b, err, want)
	}
	args, dir := []string{"--server=" + e.Config.Host, "--request-timeout=5s"}, t.TempDir()
	for flag, content := range map[string][]byte{"client-certificate": e.Config.CertData, "client-key": e.Config.KeyData, "certificate-authority": e.Config.CAData} {
		path := filepath.Join(dir, flag)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--"+flag+"="+path)
	}
	cmd := exec.Command(filepath.Join(folder, "kubectl"), append(args, "get", "ns", "default")...)
	cmd.Env = []string{"KUBECONFIG=" + filepath.Join(dir, "none")}
	if b, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(b), "default   Active") {
		t.Errorf("kubectl with a certificate: %v\n%s", err, b)
	}
}

// TestEnvtestGoRun: what go run runs is gone when it ends, and the folder stays.
func TestEnvtestGoRun(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "assets")
	cmd := exec.Command("go", "run", ".", "envtest", folder)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(goTool(t)), "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != folder+"\n" {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string]string{"etcd": "etcd Version: 3.", "kube-apiserver": "Kubernetes " + kubernetesVersion + "\n"} {
		if out, err := exec.Command(filepath.Join(folder, name), "--version").Output(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v %q, want %q", name, err, out, want)
		}
	}
}

// goTool is the path of the command go.
func goTool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEnvtestSeveral: environments at once in one process; each has its own objects. There are eight, or as
// many as ENVTEST_STARTS says.
func TestEnvtestSeveral(t *testing.T) {
	folder, temporary := folderOf(t), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	n := 8
	if text := os.Getenv("ENVTEST_STARTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var working sync.WaitGroup
	for i := range n {
		e := newEnvironment(t, folder)
		working.Go(func() {
			if err := aloneIn(t.Context(), e, fmt.Sprint("only-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	t.Logf("%d environments started, used and stopped in %v", n, time.Since(began))
	nothingLeft(t, folder, temporary)
}

// aloneIn starts an environment, creates an object, and wants to find it alone; then it stops it.
func aloneIn(ctx context.Context, e *envtest.Environment, name string) (err error) {
	config, err := e.Start()
	if err != nil {
		return err
	}
	defer func() {
		if stopped := e.Stop(); err == nil {
			err = stopped
		}
	}()
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	if err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}); err != nil {
		return err
	}
	// As kube-apiserver alone: no controller puts kube-root-ca.crt there.
	list := &corev1.ConfigMapList{}
	if err := c.List(ctx, list, client.InNamespace("default")); err != nil || len(list.Items) != 1 || list.Items[0].Name != name {
		return fmt.Errorf("%s is not alone: %v %v", name, list.Items, err)
	}
	return nil
}

// TestEnvtestTimes measures Start and Stop, beside the real pair where it is there. The bounds are for
// machines that do something else; the figures are in the log.
func TestEnvtestTimes(t *testing.T) {
	// The folder is made before, since it outlives the test.
	ours := folderOf(t)
	t.Setenv("TMPDIR", t.TempDir())
	start, stop := medians(t, ours, 10)
	t.Logf("ours: Start %v, Stop %v (median of 10)", start, stop)
	if start > 2*time.Second || stop > time.Second {
		t.Errorf("Start %v, Stop %v", start, stop)
	}
	folder := os.Getenv("OUT")
	if folder == "" {
		cache, _ := os.UserCacheDir()
		folder = filepath.Join(cache, "reference-bin")
	}
	if _, err := os.Stat(filepath.Join(folder, "kube-apiserver")); err != nil {
		t.Skipf("no real kube-apiserver and etcd in %s (OUT names another folder): nothing to compare with", folder)
	}
	realStart, realStop := medians(t, folder, 3)
	t.Logf("the real pair: Start %v, Stop %v (median of 3): %.1f times ours", realStart, realStop, float64(realStart)/float64(start))
	if start > realStart/3 {
		t.Errorf("Start takes %v, with the real pair %v", start, realStart)
	}
}

// medians starts and stops the files of a folder n times.
func medians(t *testing.T, folder string, n int) (start, stop time.Duration) {
	t.Helper()
	var starts, stops []time.Duration
	for range n {
		e := newEnvironment(t, folder)
		e.ControlPlaneStartTimeout = time.Minute // of the real ones, on a busy machine
		began := time.Now()
		if _, err := e.Start(); err != nil {
			t.Fatal(err)
		}
		starts = append(starts, time.Since(began))
		began = time.Now()
		if err := e.Stop(); err != nil {
			t.Fatal(err)
		}
		stops = append(stops, time.Since(began))
	}
	slices.Sort(starts)
	slices.Sort(stops)
	return starts[n/2], stops[n/2]
}

// freePort is a port of loopback that was free a moment ago, as drivers choose theirs.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// healthy asks until an address answers 200, and says how long it took.
func healthy(t *testing.T, url string) time.Duration {
	t.Helper()
	asking := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	began := time.Now()
	for time.Since(began) < patience {
		if resp, err := asking.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	t.Fatalf("%s is not healthy", url)
	return 0
}

// TestEnvtestExec measures each of the two files from exec to healthy, and from SIGTERM to the end.
func TestEnvtestExec(t *testing.T) {
	folder, dir := folderOf(t), t.TempDir()
	// The server asks it what it is.
	beside := "http://127.0.0.1:" + freePort(t)
	etcd := exec.Command(filepath.Join(folder, "etcd"), "--listen-client-urls="+beside)
	if err := etcd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = etcd.Process.Signal(syscall.SIGTERM)
		_ = etcd.Wait()
	}()
	healthy(t, beside+"/health")
	for _, name := range []string{"etcd", "kube-apiserver"} {
		var up, down []time.Duration
		for range 11 {
			port := freePort(t)
			args, url := []string{"--listen-client-urls=http://127.0.0.1:" + port}, "http://127.0.0.1:"+port+"/health"
			if name == "kube-apiserver" {
				// The first run makes the pair that the others serve, as drivers do.
				args, url = []string{"--bind-address=127.0.0.1", "--secure-port=" + port, "--cert-dir=" + dir, "--authorization-mode=RBAC", "--etcd-servers=" + beside}, "https://127.0.0.1:"+port+"/healthz"
			}
			cmd := exec.Command(filepath.Join(folder, name), args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			up = append(up, healthy(t, url))
			began := time.Now()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			down = append(down, time.Since(began))
		}
		slices.Sort(up)
		slices.Sort(down)
		t.Logf("%s: exec to healthy %v, SIGTERM to the end %v (median of 11)", name, up[5], down[5])
		if up[5] > time.Second || down[5] > time.Second {
			t.Errorf("%s: up in %v, down in %v", name, up[5], down[5])
		}
	}
}

// TestEnvtestOrphans: the two files end when the suite that has started them is killed.
func TestEnvtestOrphans(t *testing.T) {
	folder, dir := folderOf(t), t.TempDir()
	one, two := freePort(t), freePort(t)
	// The shell becomes the sleep, which stays their parent.
	suite := exec.Command("/bin/sh", "-c", fmt.Sprintf(
		"%[1]s/etcd --listen-client-urls=http://127.0.0.1:%[2]s 2>/dev/null & %[1]s/kube-apiserver --bind-address=127.0.0.1 --secure-port=%[3]s --cert-dir=%[4]s --authorization-mode=RBAC --etcd-servers=http://127.0.0.1:%[2]s 2>/dev/null & exec sleep 1000",
		folder, one, two, dir))
	if err := suite.Start(); err != nil {
		t.Fatal(err)
	}
	healthy(t, "http://127.0.0.1:"+one+"/health")
	healthy(t, "https://127.0.0.1:"+two+"/healthz")
	_ = suite.Process.Kill()
	_ = suite.Wait()
	eventually(t, "they outlive their suite", func() error {
		for _, port := range []string{one, two} {
			if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
				conn.Close()
				return fmt.Errorf("somebody listens on %s", port)
			}
		}
		return nil
	})
}

// ages are the cells that another second changes.
var ages = regexp.MustCompile(`\b[0-9]+s`)

// TestEnvtestKubectl: the small kubectl prints what the real one prints, of a server with some objects.
func TestEnvtestKubectl(t *testing.T) {
	s := start(t, "--fixtures="+filepath.Join("testdata", "gizmos.yaml"))
	real := newKube(t, s)
	small := *real
	small.path = filepath.Join(folderOf(t), "kubectl")
	real.must(t, "create -f -", "apiVersion: toys.example.com/v1alpha1\nkind: Gizmo\nmetadata: {name: one}\nspec: {text: some}\n")
	for _, args := range []string{
		"get ns default", "get ns", "get Namespace/default -o name", "get gizmos", "get gizmo one -o yaml", "get gizmos -o name", "get gizmos.toys.example.com -o json",
		"get gizmos.v1alpha1.toys.example.com", "get cm -A", "get cm -A -o wide", "get cm -n kube-system", "get secrets", "get nodes", "get ns nope", "get nothing", "get cm x -A",
		"get ns --no-headers", "get sa default -o yaml", "get svc -A -o json", "--request-timeout=5s get ns default -o yaml",
	} {
		want, code := real.output(t, args, "")
		if got, n := small.output(t, args, ""); ages.ReplaceAllString(got, "age") != ages.ReplaceAllString(want, "age") || n != code {
			t.Errorf("kubectl %s: code %d\n%s\nthe real one: code %d\n%s", args, n, got, code, want)
		}
	}
	// With what fabric8's driver passes, of files and not of a kubeconfig.
	small.kubeconfig = filepath.Join(t.TempDir(), "none")
	config := s.config(t)
	small.write(t, "ca", string(config.CAData))
	if out, code := small.output(t, "--server="+config.Host+" --certificate-authority=$DIR/ca --token="+config.BearerToken+" --request-timeout=5s get ns default", ""); code != 0 || !strings.Contains(out, "Active") {
		t.Errorf("code %d: %s", code, out)
	}
	if out, code := small.output(t, "apply -f x", ""); code != 1 || !strings.Contains(out, "https://kubernetes.io/docs/tasks/tools/") {
		t.Errorf("what it does not do: code %d: %s", code, out)
	}
}
