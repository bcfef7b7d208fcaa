package main

import (
	"bytes"
	"crypto"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/ctl"
	"apichain/internal/etcd/etcdtest"
	"apichain/internal/journal"
	"apichain/internal/tree"
)

// What keeps the objects, through whole programs.

// until waits for something to become true.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("20s have passed, and still not: %s", what)
		}
	}
}

// TestStandinIsMemory: under upstream's name our own stand-in means memory, also one that begins to answer after
// the server has begun to ask; the environment settles it where nobody answers.
func TestStandinIsMemory(t *testing.T) {
	args := []string{"--bind-address=127.0.0.1", "--authorization-mode=RBAC"}
	for name, by := range map[string]struct {
		servers string
		env     map[string]string
	}{
		"one that answers": {"http://127.0.0.1:" + startStandin(t), nil},
		"the second":       {"http://127.0.0.1:1,127.0.0.1:" + startStandin(t), nil},
		"by environment":   {"https://127.0.0.1:1", map[string]string{storageVariable: "memory"}},
	} {
		r := startUpstream(t, by.env, append(args, "--secure-port="+freePort(t), "--etcd-servers="+by.servers)...)
		if r.kept.kind != inMemory {
			t.Errorf("%s: kept in %s", name, r.kept.kind)
		}
		if code := r.stop(); code != exitDrained {
			t.Errorf("%s: exit code %d: %s", name, code, r.err)
		}
	}
}

// TestKeptSigner: the key is made once, for its owner alone, and a folder that may not be written gets none.
func TestKeptSigner(t *testing.T) {
	path := filepath.Join(t.TempDir(), signerFile)
	if key, err := keptSigner(path, false); key != nil || err != nil {
		t.Fatalf("without a file: %v %v", key, err)
	}
	first, err := keptSigner(path, true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keptSigner(path, false)
	if err != nil || !first.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(again.Public()) {
		t.Errorf("another key: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keptSigner(path, true); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := keptSigner(filepath.Join(path, "x"), true); err == nil {
		t.Error("a key below a file")
	}
}

// allOf is every object of a store as it is stored, with its revision, by resource and key.
func allOf(p *program) map[string]string {
	all := map[string]string{}
	_, buckets := p.store.Snapshots()
	for _, h := range buckets {
		for o := range h.Now.Scan("", "") {
			all[h.Bucket.Name+" "+o.Key] = string(o.Raw())
		}
	}
	return all
}

// sameAll reports what two of them differ in.
func sameAll(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for key, text := range want {
		if got[key] != text {
			t.Errorf("%s: %s is\n     %s\nwant %s", what, key, got[key], text)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: there is %s", what, key)
		}
	}
}

// startKept runs a program on a folder, by the same ports as the one before, which are the zero value at first.
func startKept(t testing.TB, dir string, more ...string) *clients {
	t.Helper()
	return startClients(t, "https", append([]string{"--data-dir=" + dir, "--authorization-mode=RBAC"}, more...)...)
}

// account is a request for a token of the account default of the namespace default.
const account = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`

// TestRestart: a program goes on where the one before ended: objects with their uids and revisions, addresses, tokens,
// certificates, definitions, and the events that an open watch has not seen. Its start writes nothing but where it listens.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := startKept(t, dir)
	first.applied(t, widgetCRD)
	first.applied(t, widget("default", "w", "1"))
	service := first.Must(201, "POST", "/api/v1/namespaces/default/services", `{"metadata":{"name":"s"},"spec":{"type":"NodePort","ports":[{"port":80}]}}`)
	token := tree.Text(first.Must(201, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", account), "status", "token")
	seen := revision(first.Must(201, "POST", mapsPath, mapObject("a")))
	first.Must(201, "POST", mapsPath, mapObject("b"))
	first.Must(200, "DELETE", mapsPath+"/a", nil)
	rev, held, ca := first.store.Revision(), allOf(first.program), first.certs.CAPEM()
	if code := first.stop(); code != exitDrained {
		t.Fatalf("exit code %d: %s", code, first.err)
	}

	second := startKept(t, dir)
	// The port is another one each time, and the objects of the service kubernetes say which.
	now := allOf(second.program)
	for key := range now {
		if strings.HasSuffix(key, " default/kubernetes") {
			delete(now, key)
			delete(held, key)
		}
	}
	sameAll(t, "after a restart", now, held)
	if moved := second.store.Revision() - rev; moved < 0 || moved > 3 {
		t.Errorf("a restart moves the revision by %d", moved)
	}
	if !bytes.Equal(second.certs.CAPEM(), ca) {
		t.Error("another CA")
	}
	if got := second.get("https", "/api/v1/namespaces/default", "Authorization: Bearer "+token); got.status != 200 {
		t.Errorf("the token of the process before: %d %s", got.status, got.body)
	}
	second.Must(200, "GET", "/apis/example.com/v1/namespaces/default/widgets/w", nil)
	ports := tree.List(service, "spec", "ports")[0]
	second.Must(422, "POST", "/api/v1/namespaces/default/services", fmt.Sprintf(
		`{"metadata":{"name":"t"},"spec":{"type":"NodePort","clusterIP":%q,"ports":[{"port":80,"nodePort":%d}]}}`, tree.Text(service, "spec", "clusterIP"), tree.At(ports, "nodePort")))

	// The watch begins in the process before, where its client was.
	watched := second.get("https", mapsPath+"?watch=1&timeoutSeconds=1&resourceVersion="+seen)
	var events []string
	for line := range strings.Lines(watched.body) {
		e := decoded(t, line)
		events = append(events, tree.Text(e, "type")+" "+tree.Text(e, "object", "metadata", "name"))
	}
	if want := []string{"ADDED b", "DELETED a"}; !slices.Equal(events, want) {
		t.Errorf("the watch goes on with %q, want %q: %s", events, want, watched.body)
	}
}

// TestFolderIsTaken: a second process on the folder is told who has it, and changes nothing there.
func TestFolderIsTaken(t *testing.T) {
	dir := t.TempDir()
	startKept(t, dir)
	files := func() (all []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(e.Name(), info.Size(), info.ModTime()))
		}
		return all
	}
	before := files()
	second := launchProgram(t, nil, "--data-dir="+dir)
	if code := second.wait(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	want := fmt.Sprintf(`(?m)^apichain: --data-dir: .*%s.* %d\b.*$`, regexp.QuoteMeta(dir), os.Getpid())
	if !regexp.MustCompile(want).MatchString(second.err.String()) {
		t.Errorf("%q does not match %s", second.err, want)
	}
	if now := files(); !slices.Equal(now, before) {
		t.Errorf("the folder has changed:\n %q\n %q", before, now)
	}
}

// TestWrongFolder: what is no folder, or has what nobody can read, ends the start with one line.
func TestWrongFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "00000000000000000007.snapshot"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, newer} {
		r := launchProgram(t, nil, "--data-dir="+dir)
		if code := r.wait(); code != exitFailed || strings.Count(r.err.String(), "apichain: ") != 1 || !r.err.has("apichain: --data-dir: ") || !r.err.has(dir) {
			t.Errorf("%s: exit code %d: %s", dir, code, r.err)
		}
	}
}

// TestStopWhileLoading: a signal that comes while nobody answers at --etcd-servers ends the start, in order.
func TestStopWhileLoading(t *testing.T) {
	r := launchProgram(t, nil, "--etcd-servers=http://127.0.0.1:1")
	until(t, "the storage is opened", func() bool {
		events, _ := r.timeline.list()
		return slices.ContainsFunc(events, func(e event) bool { return e.name == "storage" })
	})
	r.signal <- syscall.SIGTERM
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d: %s", code, r.err)
	}
}

// brokenDisk is a folder whose disk fails from a moment on.
type brokenDisk struct {
	dir    string
	broken atomic.Bool
}

// brokenFile is a file of it.
type brokenFile struct {
	*os.File
	d *brokenDisk
}

func (f brokenFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f brokenFile) Sync() error {
	if f.d.broken.Load() {
		return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
	}
	return f.File.Sync()
}

func (d *brokenDisk) open(name string, flag int) (journal.File, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), flag, 0o600)
	return brokenFile{f, d}, err
}

func (d *brokenDisk) Lock() (io.Closer, error) { return io.NopCloser(nil), nil }
func (d *brokenDisk) List() (names []string, err error) {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
func (d *brokenDisk) Open(name string) (journal.File, error) { return d.open(name, os.O_RDONLY) }
func (d *brokenDisk) Append(name string) (journal.File, error) {
	return d.open(name, os.O_WRONLY|os.O_APPEND)
}
func (d *brokenDisk) Create(name string) (journal.File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}
func (d *brokenDisk) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to))
}
func (d *brokenDisk) Remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }
func (d *brokenDisk) Sync() error              { return nil }

// TestBrokenDisk: once the disk fails, nothing is acknowledged any more, what is kept is read on, and readyz
// and the pages say why; the next process has what was acknowledged.
func TestBrokenDisk(t *testing.T) {
	disk := &brokenDisk{dir: t.TempDir()}
	o, f := newOptions()
	wrong, _ := o.parse(f, []string{"--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=127.0.0.1:0", "--data-dir=" + disk.dir, "--cert-dir=" + t.TempDir()})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	o.storage.disk = disk
	r := launchOptions(t, nil, o, f)
	r.awaitReady(t)
	c := r.clients("http")
	c.Must(201, "POST", mapsPath, mapObject("kept"))
	if got := r.get("http", "/readyz/storage"); got.status != 200 {
		t.Fatalf("readyz: %d %s", got.status, got.body)
	}
	disk.broken.Store(true)
	for range 2 {
		got, err := r.send(r.client("http"), "http", "POST", mapsPath, strings.NewReader(`{"metadata":{"name":"lost"}}`), "Content-Type: application/json")
		if err != nil || got.status != 500 || !strings.Contains(got.body, `"reason":"InternalError"`) {
			t.Errorf("a write: %d %s %v", got.status, got.body, err)
		}
	}
	disk.broken.Store(false) // too late
	if got, err := r.send(r.client("http"), "http", "POST", mapsPath, strings.NewReader(`{"metadata":{"name":"late"}}`), "Content-Type: application/json"); err != nil || got.status != 500 {
		t.Errorf("a write after it: %d %s %v", got.status, got.body, err)
	}
	c.Must(200, "GET", mapsPath+"/kept", nil)
	c.Must(404, "GET", mapsPath+"/lost", nil)
	if got := r.get("http", "/readyz/storage"); got.status != 500 || !strings.Contains(got.body, "input/output error") {
		t.Errorf("readyz/storage: %d %s", got.status, got.body)
	}
	for path, want := range map[string]int{"/readyz": 500, "/livez": 200, "/healthz": 200} {
		if got := r.get("http", path); got.status != want {
			t.Errorf("%s: %d, want %d: %s", path, got.status, want, got.body)
		}
	}
	if got := r.look("/admin/v1/store", nil); !strings.Contains(got.body, `"error":"`) || !strings.Contains(got.body, "input/output error") {
		t.Errorf("the page: %s", got.body)
	}
	if got := r.get("http", "/metrics"); !strings.Contains(got.body, "\napichain_journal_failed 1\n") {
		t.Error("the metrics say nothing")
	}
	if code := r.stop(); code != exitFailed || !r.err.has("apichain: the storage could not be closed: ") {
		t.Errorf("exit code %d: %s", code, r.err)
	}
	again := startKept(t, disk.dir)
	again.Must(200, "GET", mapsPath+"/kept", nil)
	again.Must(404, "GET", mapsPath+"/lost", nil)
}

// TestBackupAndRestore: the backup of a running program is a folder that another one begins with.
func TestBackupAndRestore(t *testing.T) {
	first := startClients(t, "http", "--listen-admin=127.0.0.1:0", "--data-dir="+t.TempDir())
	first.applied(t, widgetCRD)
	first.applied(t, widget("default", "w", "1"))
	first.Must(201, "POST", mapsPath, mapObject("a"))
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := ctl.Data(t.Context(), programVersion, []string{"backup", first.url("admin", ""), filepath.Join(dir, "my.backup")}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	held := allOf(first.program)
	first.Must(201, "POST", mapsPath, mapObject("later"))
	second := startKept(t, dir)
	now := allOf(second.program)
	for key := range now {
		// It has a CA of its own and listens elsewhere.
		if strings.HasSuffix(key, " default/kubernetes") || strings.HasSuffix(key, "/"+apitest.RootCAName) {
			delete(now, key)
			delete(held, key)
		}
	}
	sameAll(t, "after a restore", now, held)
}

// TestReadOnlyFolder: everything is read and nothing written: each write is 403 and says why, the start makes nothing,
// and the folder is as it was.
func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	first := startKept(t, dir)
	first.applied(t, widgetCRD)
	first.applied(t, widget("default", "w", "1"))
	first.Must(201, "POST", mapsPath, mapObject("a"))
	held, rev := allOf(first.program), first.store.Revision()
	first.stop()
	for _, kind := range []string{"http", "https"} {
		r := startProgram(t, nil, "--data-dir="+dir, "--read-only", "--listen-admin=127.0.0.1:0")
		c := r.clients(kind)
		sameAll(t, "read-only", allOf(r.program), held)
		c.Must(200, "GET", mapsPath+"/a", nil)
		c.Must(200, "GET", "/apis/example.com/v1/namespaces/default/widgets/w", nil)
		for _, w := range []struct{ method, path, body, name string }{
			{"POST", mapsPath, `{"metadata":{"name":"b"}}`, `configmaps`},
			{"PUT", mapsPath + "/a", `{"metadata":{"name":"a"},"data":{"x":"y"}}`, `configmaps \"a\"`},
			{"PATCH", mapsPath + "/a", `{"data":{"x":"y"}}`, `configmaps \"a\"`},
			{"DELETE", mapsPath + "/a", "", `configmaps \"a\"`},
			{"POST", "/api/v1/namespaces", `{"metadata":{"name":"n"}}`, `namespaces`},
			{"DELETE", "/apis/example.com/v1/namespaces/default/widgets/w", "", `widgets.example.com \"w\"`},
			{"DELETE", definitionsPath + "/widgets.example.com", "", `customresourcedefinitions.apiextensions.k8s.io \"widgets.example.com\"`},
		} {
			contentType := "Content-Type: application/json"
			if w.method == "PATCH" {
				contentType = "Content-Type: application/merge-patch+json"
			}
			got, err := r.send(r.client(kind), kind, w.method, w.path, strings.NewReader(w.body), contentType)
			want := fmt.Sprintf(`"message":"%s is forbidden: the server is read-only (--read-only)","reason":"Forbidden"`, w.name)
			if err != nil || got.status != 403 || !strings.Contains(got.body, want) {
				t.Errorf("%s %s %s: %d %s %v", kind, w.method, w.path, got.status, got.body, err)
			}
		}
		c.Must(201, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}`)
		if r.store.Revision() != rev {
			t.Errorf("revision %d, was %d", r.store.Revision(), rev)
		}
		var page struct {
			Keeping struct {
				Backend  string
				ReadOnly bool
			}
		}
		if err := json.Unmarshal([]byte(r.look("/admin/v1/store", nil).body), &page); err != nil || page.Keeping.Backend != "journal" || !page.Keeping.ReadOnly {
			t.Errorf("the page: %+v %v", page, err)
		}
		if code := r.stop(); code != exitDrained {
			t.Errorf("exit code %d: %s", code, r.err)
		}
	}
}

// startShared runs a program on an etcd until the test ends.
func startShared(t testing.TB, c *etcdtest.Cluster, more ...string) *clients {
	t.Helper()
	return startClients(t, "http", append([]string{"--etcd-servers=" + strings.Join(c.URLs(), ","), "--listen-admin=127.0.0.1:0"}, more...)...)
}

// TestSharedEtcd: two programs on one etcd are one service: what one writes the other reads, watches and changes, in
// upstream's layout; a third one, later, has all of it, and the pages and metrics say what it is kept in.
func TestSharedEtcd(t *testing.T) {
	etcd := etcdtest.Start(t, 3)
	one, two := startShared(t, etcd), startShared(t, etcd, "--storage-media-type="+mediaProtobuf)
	made := one.Must(201, "POST", mapsPath, mapObject("a"))
	if kv := etcd.Get("/registry/configmaps/default/a"); kv == nil || fmt.Sprint(kv.ModRevision) != revision(made) || kv.Value[0] != '{' {
		t.Errorf("in etcd: %+v", kv)
	}
	if got := two.Must(200, "GET", mapsPath+"/a", nil); revision(got) != revision(made) {
		t.Errorf("the other reads %v, want %v", got, made)
	}
	two.Must(201, "POST", mapsPath, mapObject("b"))
	if kv := etcd.Get("/registry/configmaps/default/b"); kv == nil || !strings.HasPrefix(string(kv.Value), "k8s\x00") {
		t.Errorf("in etcd: %+v", kv)
	}
	one.Must(200, "PATCH", mapsPath+"/b", `{"data":{"x":"y"}}`)
	watched := two.get("http", mapsPath+"?watch=1&timeoutSeconds=1&resourceVersion="+revision(made))
	if strings.Count(watched.body, "\n") != 2 || !strings.Contains(watched.body, `"type":"MODIFIED"`) {
		t.Errorf("the other watches %s", watched.body)
	}
	two.applied(t, widgetCRD)
	until(t, "the definition is served by the first", func() bool {
		code, _ := one.Try("GET", "/apis/example.com/v1/namespaces/default/widgets", nil)
		return code == 200
	})
	one.applied(t, widget("default", "w", "1"))
	held := allOf(one.program)
	three := startShared(t, etcd, "--read-only")
	until(t, "the third has all", func() bool { return maps.Equal(allOf(three.program), allOf(one.program)) })
	if len(held) < 10 {
		t.Errorf("all is %d objects", len(held))
	}
	if got, err := three.send(three.client("http"), "http", "DELETE", mapsPath+"/a", nil); err != nil || got.status != 403 {
		t.Errorf("read-only: %d %s %v", got.status, got.body, err)
	}
	var page struct {
		Keeping struct {
			Backend, Where string
			Etcd           struct {
				Lag        int64
				Members    []struct{ Version string }
				Operations []struct{ Name string }
			}
		}
	}
	one.look("/admin/v1/store", &page)
	if k := page.Keeping; k.Backend != "etcd" || k.Where != strings.Join(etcd.URLs(), ",") || len(k.Etcd.Operations) == 0 || len(k.Etcd.Members) != 3 {
		t.Errorf("the page: %+v", k)
	}
	text := one.get("http", "/metrics").body
	for _, want := range []string{
		`etcd_requests_total{group="",operation="create",resource="configmaps"} `, `etcd_request_duration_seconds_bucket{group="",operation="create",resource="configmaps",le="0.005"} `,
		`apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} `, "apichain_etcd_lag_revisions 0\n",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for name, r := range map[string]*clients{"one": one, "two": two, "three": three} {
		began := time.Now()
		if code := r.stop(); code != exitDrained {
			t.Errorf("%s: exit code %d: %s", name, code, r.err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: the stop takes %v", name, took)
		}
	}
}

// TestEtcdAway: while nobody answers in etcd, readyz and healthz say so in upstream's words and livez stays, reads
// that may be old are served; it is all well when etcd is back.
func TestEtcdAway(t *testing.T) {
	etcd := etcdtest.Start(t, 1)
	r := startShared(t, etcd)
	r.Must(201, "POST", mapsPath, mapObject("a"))
	for _, path := range []string{"/readyz/etcd", "/readyz/etcd-readiness", "/healthz/etcd", "/readyz", "/livez"} {
		if got := r.get("http", path); got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := r.get("http", "/livez/etcd"); got.status != 404 {
		t.Errorf("livez has etcd: %d", got.status)
	}
	etcd.Members[0].Stop()
	if got := r.get("http", "/readyz/etcd"); got.status != 500 || !strings.HasPrefix(got.body, "internal server error: error getting data from etcd: ") {
		t.Errorf("etcd is away: %d %s", got.status, got.body)
	}
	if got := r.get("http", "/readyz"); !strings.Contains(got.body, "[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\n") {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
	for path, want := range map[string]int{"/healthz": 500, "/livez": 200, mapsPath + "/a?resourceVersion=0": 200, mapsPath + "?resourceVersion=0": 200} {
		if got := r.get("http", path); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if err := etcd.Members[0].Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "etcd is back", func() bool { return r.get("http", "/readyz").status == 200 })
	r.Must(201, "POST", mapsPath, mapObject("b"))
}

// TestEtcdFiles: files of certificates that cannot be read are named with their flags.
func TestEtcdFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--etcd-cafile=/none": "apichain: --etcd-cafile: open /none: ", "--etcd-cafile=" + empty: "apichain: --etcd-cafile: " + empty + ": has no certificate",
		"--etcd-certfile=/none --etcd-keyfile=/none": "apichain: --etcd-certfile: open /none: ",
	} {
		r := launchProgram(t, nil, append(strings.Fields(args), "--etcd-servers=https://127.0.0.1:1")...)
		if code := r.wait(); code != exitFailed || !r.err.has(want) {
			t.Errorf("%s: exit code %d: %s", args, code, r.err)
		}
	}
}
