package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// The real etcd, built from its module of the release that kube-apiserver's is tested with, and the tool that
// makes its data from a backup.
var (
	etcd    = build(".", "go.etcd.io/etcd/server/v3", "etcd")
	etcdutl = build(".", "go.etcd.io/etcd/etcdutl/v3", "etcdutl")
)

// etcdCluster is an etcd of one or several members on loopback. Each is a process that can be ended and started again.
type etcdCluster []*etcdMember

type etcdMember struct {
	*process
	url, dir string // where clients reach it, and its data
}

// servers are the addresses of all members, as a flag takes them.
func (c etcdCluster) servers() string {
	var urls []string
	for _, m := range c {
		urls = append(urls, m.url)
	}
	return strings.Join(urls, ",")
}

// startEtcd starts an etcd of n members, empty, until the test ends.
func startEtcd(t *testing.T, n int) etcdCluster {
	t.Helper()
	return runEtcd(t, n, "")
}

// restoreEtcd starts an etcd of n members with what a backup has (see backup), until the test ends.
func restoreEtcd(t *testing.T, n int, file string) etcdCluster {
	t.Helper()
	return runEtcd(t, n, file)
}

func runEtcd(t *testing.T, n int, from string) etcdCluster {
	t.Helper()
	path, err := etcd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var peers, all []string
	for i := range n {
		peer := fmt.Sprintf("http://127.0.0.1:%d", steadyPort(t))
		peers = append(peers, peer)
		all = append(all, fmt.Sprintf("m%d=%s", i, peer))
	}
	var c etcdCluster
	for i, peer := range peers {
		m := &etcdMember{url: fmt.Sprintf("http://127.0.0.1:%d", steadyPort(t)), dir: filepath.Join(dir, fmt.Sprint("m", i))}
		identity := []string{
			"--name", fmt.Sprint("m", i), "--data-dir", m.dir,
			"--initial-advertise-peer-urls", peer, "--initial-cluster", strings.Join(all, ","),
		}
		if from != "" {
			restore(t, from, identity)
		}
		// A process that is killed leaves what it wrote to the system: only a machine that fails needs fsync.
		// A member that is away is noticed soon: tests wait for it.
		m.process = newProcess(t, answers(m.url+"/health"), path, append(identity,
			"--listen-client-urls", m.url, "--advertise-client-urls", m.url, "--listen-peer-urls", peer,
			"--log-level", "error", "--unsafe-no-fsync", "--heartbeat-interval", "50", "--election-timeout", "500")...)
		if err := m.launch(); err != nil {
			t.Fatal(err)
		}
		c = append(c, m)
	}
	for _, m := range c {
		if err := m.await(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// restore makes the data of a member from a backup.
func restore(t *testing.T, file string, identity []string) {
	t.Helper()
	path, err := etcdutl()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, append([]string{"snapshot", "restore", file}, identity...)...).CombinedOutput(); err != nil {
		t.Fatalf("etcdutl snapshot restore: %v\n%s", err, out)
	}
}

// etcdClient is a client of an etcd until the test ends.
func etcdClient(t *testing.T, servers string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(servers, ","), DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// everything are the options of a request for all keys below another one, answered by the member that is asked.
var everything = []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithSerializable()}

// backup takes a backup of an etcd, as etcdctl snapshot save does, and returns its file.
func backup(t *testing.T, servers string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := etcdClient(t, servers).Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err == nil {
		_, err = io.Copy(f, r)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEtcdOfTheTests: what the other tests rely on. A member that is killed or paused comes back with all, and
// a backup opens as another etcd with the same keys at the same revisions.
func TestEtcdOfTheTests(t *testing.T) {

	c := startEtcd(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := etcdClient(t, c.servers())
	// An attempt may meet the member that is away, or have been made when the answer is lost.
	put := func(key string) (rev int64) {
		t.Helper()
		eventually(t, "put "+key, func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			answer, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
				Then(clientv3.OpPut(key, "of "+key)).Else(clientv3.OpGet(key)).Commit()
			if err != nil {
				return err
			}
			if rev = answer.Header.Revision; !answer.Succeeded {
				rev = answer.Responses[0].GetResponseRange().Kvs[0].ModRevision
			}
			return nil
		})
		return rev
	}
	first := put("/a")
	for i, m := range c {
		how := [][2]func() error{{m.kill, m.start}, {m.stop, m.start}, {m.pause, m.resume}}[i]
		for step, f := range how {
			if err := f(); err != nil {
				t.Fatal(err)
			}
			put(fmt.Sprintf("/b/%d-%d", i, step))
		}
	}
	last := put("/c")
	if last != first+7 {
		t.Errorf("seven writes after revision %d are at %d", first, last)
	}
	restored := restoreEtcd(t, 1, backup(t, c[0].url))
	all, err := etcdClient(t, restored.servers()).Get(ctx, "/", clientv3.WithPrefix())
	if err != nil || len(all.Kvs) != 8 || all.Kvs[0].ModRevision != first || all.Kvs[7].ModRevision != last {
		t.Errorf("restored: %v %v", all, err)
	}
}
