package interop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"apichain/interop/history"
	"apichain/interop/workload"
)

// What is kept is kept, whatever is done to who keeps it: the program with a journal, several of it on one etcd, and, where
// it is built, kube-apiserver, which shows that the checks ask for no more than what it does. Clients work
// meanwhile (package workload), and what they have seen is checked as a whole (package history).
//
// By hand, for as long as it takes to believe it:
//
//	APICHAIN_KILLS=1000 go test -run TestJournalKills -v -timeout 30m .
//	APICHAIN_HISTORY=10m go test -run TestHistory -v -timeout 40m .

// instance is a program of the API that is killed and started again at the same address.
type instance struct {
	*process
	url, token string
}

// startProgram starts the program at an address that it keeps, until the test ends.
func startProgram(t *testing.T, args ...string) *instance {
	t.Helper()
	path, err := apichain()
	if err != nil {
		t.Fatal(err)
	}
	return startAt(t, path, append([]string{"--listen-https=off", "--listen-admin=off"}, args...)...)
}

// startAt starts a build of the program with a plain listener that keeps its address.
func startAt(t *testing.T, path string, args ...string) *instance {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", steadyPort(t))
	r := &instance{url: "http://" + address}
	r.process = newProcess(t, answers(r.url+"/readyz"), path, append([]string{"--listen-http=" + address}, args...)...)
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// startReference starts kube-apiserver on an etcd at an address that it keeps, until the test ends. It skips the test
// where kube-apiserver is not built.
func startReference(t *testing.T, etcd string, args ...string) *instance {
	t.Helper()
	folder := os.Getenv("APICHAIN_REFERENCE")
	if folder == "" {
		t.Skip("APICHAIN_REFERENCE names no folder with kube-apiserver")
	}
	return startServer(t, folder, etcd, args...)
}

// startServer starts the kube-apiserver of a folder, which may be the program under that name.
func startServer(t *testing.T, folder, etcd string, args ...string) *instance {
	t.Helper()
	dir := t.TempDir()
	tokens, key := filepath.Join(dir, "tokens.csv"), filepath.Join(dir, "sa.key")
	err := os.WriteFile(tokens, []byte("admin-token,admin,admin-uid,\"system:masters\"\nuser-token,alice,alice-uid,\"dev\"\n"), 0o600)
	if err := errors.Join(err, writeKey(key)); err != nil {
		t.Fatal(err)
	}
	port := steadyPort(t)
	r := &instance{url: fmt.Sprintf("https://127.0.0.1:%d", port), token: "admin-token"}
	r.process = newProcess(t, answers(r.url+"/readyz"), filepath.Join(folder, "kube-apiserver"), append([]string{
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--etcd-servers=" + etcd,
		"--cert-dir=" + filepath.Join(dir, "certs"), "--token-auth-file=" + tokens, "--service-account-issuer=https://reference.local",
		"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key, "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
	}, args...)...)
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// trouble is something that happens to a system while clients work. do returns when it is over.
type trouble struct {
	name string
	do   func() error
}

// killing kills a process and starts it again.
func killing(name string, p *process) trouble {
	return trouble{"kill " + name, func() error { return errors.Join(p.kill(), p.start()) }}
}

// restarting lets a process end and starts it again.
func restarting(name string, p *process) trouble {
	return trouble{"restart " + name, func() error { return errors.Join(p.stop(), p.start()) }}
}

// pausing stops a process for a while, and waits until it serves again.
func pausing(name string, p *process) trouble {
	return trouble{"pause " + name, func() error {
		err := p.pause()
		<-time.After(time.Duration(50+rand.IntN(1500)) * time.Millisecond) // the trouble itself
		return errors.Join(err, p.resume(), p.await())
	}}
}

// cutting breaks the connections there are.
func cutting(name string, n *network) trouble {
	return trouble{"cut " + name, func() error { n.cut(); return nil }}
}

// closing breaks the connections there are, and refuses others for a while.
func closing(name string, n *network) trouble {
	return trouble{"keep away " + name, func() error {
		n.close()
		<-time.After(time.Duration(50+rand.IntN(1500)) * time.Millisecond) // the trouble itself
		return n.reopen()
	}}
}

// suffer makes trouble, one at a time, until ctx ends or a number of them is over (0 is any number), and returns how
// often it made which. Between two of them there is a pause of up to the longest.
func suffer(ctx context.Context, t *testing.T, number int, longest time.Duration, all ...trouble) map[string]int {
	counts := map[string]int{}
	for n := 0; ctx.Err() == nil && (number == 0 || n < number); n++ {
		select {
		case <-ctx.Done():
			continue
		case <-time.After(rand.N(longest)):
		}
		trouble := all[rand.IntN(len(all))]
		counts[trouble.name]++
		if err := trouble.do(); err != nil {
			t.Errorf("%s: %v", trouble.name, err)
			break
		}
	}
	return counts
}

// underLoad runs a workload while f makes trouble, and stops it when f has returned.
func underLoad(t *testing.T, w *workload.Workload, f func(ctx context.Context)) *workload.Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var trouble sync.WaitGroup
	trouble.Go(func() { defer cancel(); f(ctx) })
	result, err := w.Run(ctx)
	cancel()
	trouble.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
	return result
}

// right reports the faults of a history.
func right(t *testing.T, h history.History) {
	t.Helper()
	for _, f := range history.Check(h) {
		t.Error(f)
	}
}

// environment is a number from the environment, or the one for everyday.
func environment(t *testing.T, name string, everyday int) (n int, byHand bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return everyday, false
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n, true
}

// TestJournalKills: the program with a journal is killed again and again under four writers. Nothing that was acknowledged is
// lost, revisions never go back, each restart takes at most a second, and watches go on where they were.
func TestJournalKills(t *testing.T) {
	kills, byHand := environment(t, "APICHAIN_KILLS", 60)
	folder := t.TempDir()
	p := startProgram(t, "--data-dir="+folder)
	// So large that kills meet snapshots, of which there is one each 16 MiB.
	w := &workload.Workload{Servers: []string{p.url}, Name: "kills", Writers: 4, Readers: 1, Watchers: 2, Pace: 2 * time.Millisecond, Padding: 16 << 10}
	var restarts []time.Duration
	result := underLoad(t, w, func(ctx context.Context) {
		counts := suffer(ctx, t, kills, 500*time.Millisecond, trouble{"kill", func() error {
			if err := p.kill(); err != nil {
				return err
			}
			began := time.Now()
			err := p.start()
			restarts = append(restarts, time.Since(began))
			return err
		}})
		t.Log(counts)
	})
	slices.Sort(restarts)
	if len(restarts) == 0 {
		t.Fatal("it was never killed")
	}
	median, longest := restarts[len(restarts)/2], restarts[len(restarts)-1]
	t.Logf("%d restarts: median %v, 99 of 100 within %v, longest %v", len(restarts), median, restarts[len(restarts)*99/100], longest)
	if median > time.Second || byHand && longest > time.Second {
		t.Errorf("a restart takes %v, and up to %v", median, longest)
	}
	result.History.Resumable = true
	right(t, result.History)
	if result.Resumed == 0 {
		t.Error("no watch was resumed")
	}
	check(t, "kill", p.kill())
	out, err := exec.Command(p.path, "data", "check", folder).CombinedOutput()
	if t.Logf("data check: %s", out); err != nil {
		t.Error(err)
	}
}

// TestHistory: what clients see through kills, pauses and broken connections is what one correct server could have
// shown: with a journal, of two programs on an etcd of three members, and of kube-apiserver on one like it.
func TestHistory(t *testing.T) {
	length := 30 * time.Second
	if text := os.Getenv("APICHAIN_HISTORY"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, system := range map[string]func(t *testing.T) ([]*instance, []trouble){
		"journal": func(t *testing.T) ([]*instance, []trouble) {
			return []*instance{startProgram(t, "--data-dir="+t.TempDir())}, nil
		},
		"etcd": func(t *testing.T) ([]*instance, []trouble) {
			servers, troubles := troubledEtcd(t)
			return []*instance{startProgram(t, "--etcd-servers="+servers), startProgram(t, "--etcd-servers="+servers)}, troubles
		},
		"kube-apiserver": func(t *testing.T) ([]*instance, []trouble) {
			if os.Getenv("APICHAIN_REFERENCE") == "" {
				t.Skip("APICHAIN_REFERENCE names no folder with kube-apiserver")
			}
			servers, troubles := troubledEtcd(t)
			return []*instance{startReference(t, servers)}, troubles
		},
	} {
		t.Run(name, func(t *testing.T) {
			instances, troubles := system(t)
			w := &workload.Workload{Token: instances[0].token, Name: "history", Writers: 4, Readers: 4, Watchers: 4, Pace: 5 * time.Millisecond}
			for i, p := range instances {
				way := newNetwork(t, p.url)
				w.Servers = append(w.Servers, way.as(p.url))
				name, clients := fmt.Sprint("server ", i), fmt.Sprint("clients of ", i)
				troubles = append(troubles, killing(name, p.process), restarting(name, p.process), pausing(name, p.process),
					cutting(clients, way), closing(clients, way))
			}
			ctx, cancel := context.WithTimeout(t.Context(), length)
			defer cancel()
			result := underLoad(t, w, func(working context.Context) {
				context.AfterFunc(working, cancel)
				t.Log(suffer(ctx, t, 0, 3*time.Second, troubles...))
			})
			right(t, result.History)
		})
	}
}

// troubledEtcd starts an etcd of three members behind networks, and what may happen to it.
func troubledEtcd(t *testing.T) (servers string, troubles []trouble) {
	c := startEtcd(t, 3)
	for i, m := range c {
		way := newNetwork(t, m.url)
		if servers += "," + way.as(m.url); i == 0 {
			servers = servers[1:]
		}
		name := fmt.Sprint("etcd member ", i)
		troubles = append(troubles, killing(name, m.process), pausing(name, m.process), cutting(name, way), closing(name, way))
	}
	client := etcdClient(t, c.servers())
	compact := trouble{"compact etcd", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		// Whoever is behind has lost his history. An etcd that is away already has it otherwise.
		if now, err := client.Get(ctx, "/"); err == nil {
			_, _ = client.Compact(ctx, now.Header.Revision)
		}
		return nil
	}}
	return servers, append(troubles, slices.Repeat([]trouble{compact}, 4)...)
}
