package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"apichain/interop/workload"
)

// kube-apiserver and the program on one etcd at a time: what one writes is what the other one reads, byte for byte of
// its JSON but for the order of fields, whatever the kind, and when everything is over both show the same.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_BESIDE=10m go test -run TestBesideKubeAPIServer -v -timeout 30m .

// passing is an object that one server writes and the other one reads, watches, changes and deletes.
type passing struct {
	collection
	object    object
	namespace string
}

func (p *passing) one() string { return p.path(p.namespace, textAt(p.object, "metadata", "name")) }

// pass has one server write the object, and the other one read and watch, change and delete it.
func (p *passing) pass(ctx context.Context, writer, reader *api) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := reader.must(ctx, "GET", p.path(p.namespace, ""), nil)
	if err != nil {
		return err
	}
	from := textAt(list, "metadata", "resourceVersion")
	events, err := reader.do(ctx, "GET", p.path(p.namespace, "")+"?watch=1&timeoutSeconds=60&resourceVersion="+from, nil)
	if err != nil {
		return err
	}
	defer events.Body.Close()
	d := json.NewDecoder(events.Body)
	d.UseNumber()
	if _, err := writer.must(ctx, "POST", p.path(p.namespace, ""), p.object); err != nil {
		return err
	}
	if err := p.same(ctx, writer, reader); err != nil {
		return err
	}
	// The reader writes now, and the writer reads.
	if _, err := reader.must(ctx, "PATCH", p.one(), object{"metadata": object{"labels": object{"passed": reader.name}}}); err != nil {
		return err
	}
	if err := p.same(ctx, reader, writer); err != nil {
		return err
	}
	if err := p.remove(ctx, reader, writer); err != nil {
		return err
	}
	return p.told(d, reader.name)
}

// same compares what both servers show of the object, of which at least one writes nothing meanwhile.
func (p *passing) same(ctx context.Context, first, second *api) error {
	var err error
	for range 20 { // a server may write the status of an object between the two
		var a, b object
		if a, err = first.must(ctx, "GET", p.one(), nil); err != nil {
			return err
		}
		if b, err = second.must(ctx, "GET", p.one(), nil); err != nil {
			return err
		}
		d := difference("", a, b)
		if d == "" {
			return nil
		}
		err = fmt.Errorf("%s and %s show it differently:\n%s", first.name, second.name, d)
	}
	return err
}

// remove deletes the object at one server until the other one has it no more.
func (p *passing) remove(ctx context.Context, at, other *api) error {
	for {
		// What protects it is not there to let it go.
		_, _, err := at.send(ctx, "PATCH", p.one(), object{"metadata": object{"finalizers": nil}})
		if err != nil {
			return err
		}
		status, answer, err := at.send(ctx, "DELETE", p.one(), object{"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
		// A namespace waits for its controller.
		if err != nil || status >= 300 && status != http.StatusNotFound && status != http.StatusConflict {
			return errors.Join(err, fmt.Errorf("DELETE %s: %d %v", p.one(), status, answer["message"]))
		}
		status, _, err = other.send(ctx, "GET", p.one(), nil)
		if err != nil || status == http.StatusNotFound {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// told reads what the watch has told of the object: that it came, that it was changed by the reader, and that it went.
func (p *passing) told(d *json.Decoder, reader string) error {
	var told []string
	changed := false
	for {
		var e struct {
			Type   string
			Object object
		}
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("the watch told %v, and then: %w", told, err)
		}
		if textAt(e.Object, "metadata", "name") != textAt(p.object, "metadata", "name") {
			continue
		}
		told = append(told, e.Type)
		changed = changed || e.Type == "MODIFIED" && textAt(e.Object, "metadata", "labels", "passed") == reader
		if e.Type == "DELETED" {
			break
		}
	}
	if told[0] != "ADDED" || !changed || slices.Contains(told[1:], "ADDED") {
		return fmt.Errorf("the watch told %v, and the change: %v", told, changed)
	}
	return nil
}

// makeKind makes a custom kind at one server, and waits until all list its objects.
func makeKind(t *testing.T, maker *api, all ...*api) {
	t.Helper()
	_, err := maker.must(t.Context(), "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(t, "widgets.yaml"))
	check(t, "definition", err)
	for _, a := range append(all, maker) {
		eventually(t, "widgets of "+a.name, func() error {
			_, err := a.must(t.Context(), "GET", "/apis/example.com/v1/namespaces/every/widgets", nil)
			return err
		})
	}
}

// passings are all objects that both servers keep, and must be of all kinds that can be made.
func passings(t *testing.T, a *api) (all []*passing) {
	t.Helper()
	collections, err := a.collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, c := range collections {
		missing[c.version+" "+c.kind] = slices.Contains(c.verbs, "create")
	}
	for _, o := range append(everyKind(t), customWidget("every", 3).Object) {
		i := slices.IndexFunc(collections, func(c collection) bool {
			return c.version == o["apiVersion"] && c.kind == o["kind"]
		})
		if i < 0 {
			continue // not served without a flag
		}
		delete(missing, collections[i].version+" "+collections[i].kind)
		p := &passing{collection: collections[i], object: o}
		if p.namespaced {
			p.namespace = "every"
		}
		all = append(all, p)
	}
	for kind, creatable := range missing {
		// An earlier version has the same objects.
		if creatable && kind != "autoscaling/v1 HorizontalPodAutoscaler" {
			t.Errorf("no object of kind %s is tested", kind)
		}
	}
	return all
}

// makeNamespace makes the namespace of the objects of every kind, with the service account that pods need.
func (a *api) makeNamespace(ctx context.Context, name string) error {
	_, err := a.must(ctx, "POST", "/api/v1/namespaces", object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}})
	if err != nil {
		return err
	}
	account := object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "default"}}
	status, answer, err := a.send(ctx, "POST", "/api/v1/namespaces/"+name+"/serviceaccounts", account)
	if err != nil || status >= 300 && status != http.StatusConflict {
		return errors.Join(err, fmt.Errorf("service account: %d %v", status, answer["message"]))
	}
	return nil
}

// listTheSame waits until two servers list the same objects of all collections.
func listTheSame(t *testing.T, collections []collection, a, b *api) {
	t.Helper()
	for _, c := range collections {
		eventually(t, c.path("", ""), func() error {
			first, err := a.shown(t.Context(), c)
			if err != nil {
				return err
			}
			second, err := b.shown(t.Context(), c)
			if err != nil {
				return err
			}
			if d := differences(first, second); d != "" {
				return fmt.Errorf("%s and %s list different objects:\n%s", a.name, b.name, d)
			}
			return nil
		})
	}
}

// TestBesideKubeAPIServer: both serve one etcd under load, with either way of keeping objects.
func TestBesideKubeAPIServer(t *testing.T) {
	length := 20 * time.Second
	if text := os.Getenv("APICHAIN_BESIDE"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, mediaType := range map[string]string{"json": "application/json", "protobuf": "application/vnd.kubernetes.protobuf"} {
		t.Run(name, func(t *testing.T) {
			etcd := startEtcd(t, 1)
			reference := startReference(t, etcd.servers())
			program := startProgram(t, "--etcd-servers="+etcd.servers(), "--storage-media-type="+mediaType)
			theirs, ours := reference.ask("kube-apiserver"), program.ask("apichain")
			ctx := t.Context()
			check(t, "the namespace", theirs.makeNamespace(ctx, "every"))
			makeKind(t, theirs, ours)
			all := passings(t, theirs)
			collections, err := theirs.collections(ctx)
			check(t, "discovery", err)
			// Both see each other's writes of config maps all the time.
			loads, stop := context.WithCancel(ctx)
			var loading sync.WaitGroup
			for _, i := range []*instance{reference, program} {
				loading.Go(func() { workBeside(t, loads, i) })
			}
			began, rounds := time.Now(), 0
			failed := map[string]bool{}
			for ; rounds < 2 || time.Since(began) < length && len(failed) < 5; rounds++ {
				for _, p := range all {
					writer, reader := theirs, ours
					if rounds%2 == 1 {
						writer, reader = ours, theirs
					}
					what := fmt.Sprintf("%s written by %s", p.one(), writer.name)
					if err := p.pass(ctx, writer, reader); err != nil && !failed[what] {
						failed[what] = true
						t.Errorf("%s: %v", what, err)
					}
				}
			}
			stop()
			loading.Wait()
			t.Logf("%d rounds of %d kinds in %v", rounds, len(all), time.Since(began).Round(time.Second))
			// One object of each kind is left there by either.
			for i, p := range all {
				writer := []*api{theirs, ours}[i%2]
				_, err := writer.must(ctx, "POST", p.path(p.namespace, ""), p.object)
				check(t, "left there", err)
			}
			listTheSame(t, collections, theirs, ours)
		})
	}
}

// workBeside is a workload at one of two servers until ctx ends: load for the etcd that both follow.
func workBeside(t *testing.T, ctx context.Context, server *instance) {
	w := &workload.Workload{
		Servers: []string{server.url}, Token: server.token, Name: fmt.Sprint("load-", server.pid()), Writers: 2, Readers: 1, Watchers: 1, Pace: 20 * time.Millisecond,
	}
	result, err := w.Run(ctx)
	if err != nil {
		t.Errorf("load: %v", err)
		return
	}
	right(t, result.History)
	for _, f := range result.Failures {
		t.Errorf("load: %v", f)
	}
}

// TestBackup: the backup of a cluster's etcd is opened read-only. Each kind is shown as kube-apiserver showed it, writes
// are refused with a word why, and that goes on, and begins, with a single member that has no quorum.
func TestBackup(t *testing.T) {
	etcd := startEtcd(t, 1)
	reference := startReference(t, etcd.servers())
	theirs, ctx := reference.ask("kube-apiserver"), t.Context()
	check(t, "the namespace", theirs.makeNamespace(ctx, "every"))
	makeKind(t, theirs)
	collections, err := theirs.collections(ctx)
	check(t, "discovery", err)
	for _, p := range passings(t, theirs) {
		_, err := theirs.must(ctx, "POST", p.path(p.namespace, ""), p.object)
		check(t, p.one(), err)
	}
	// It writes nothing while the backup is taken, and nothing but leases after it.
	check(t, "etcd's end", reference.pause())
	file := backup(t, etcd.servers())
	check(t, "resume", reference.resume())
	want := map[string]map[string]object{}
	for _, c := range collections {
		want[c.path("", "")], err = theirs.shown(ctx, c)
		check(t, c.path("", ""), err)
	}
	check(t, "stop", reference.stop())

	members := restoreEtcd(t, 3, file)
	program := startProgram(t, "--etcd-servers="+members.servers(), "--read-only")
	compare := func(what string, ours *api) {
		t.Helper()
		for _, c := range collections {
			got, err := ours.shown(ctx, c)
			if d := differences(want[c.path("", "")], got); err != nil || d != "" && c.plural != "leases" {
				t.Errorf("%s: %s: %v\n%s", what, c.path("", ""), err, d)
			}
		}
	}
	compare("of three members", program.ask("apichain"))
	refusesWrites(t, program.ask("apichain"))
	before := keysOf(t, members[0])
	check(t, "kill", errors.Join(members[1].kill(), members[2].kill()))
	compare("of one member of three", program.ask("apichain"))
	late := startProgram(t, "--etcd-servers="+members.servers(), "--read-only")
	compare("begun with one member of three", late.ask("apichain"))
	check(t, "start", errors.Join(members[1].launch(), members[2].launch(), members[1].await(), members[2].await()))
	if after := keysOf(t, members[0]); !maps.Equal(before, after) {
		t.Errorf("something was written: %d keys, then %d", len(before), len(after))
	}
}

// refusesWrites wants each kind of write to be refused, and says how.
func refusesWrites(t *testing.T, a *api) {
	t.Helper()
	maps := "/api/v1/namespaces/every/configmaps"
	for _, w := range []struct {
		method, path string
		body         any
	}{
		{"POST", maps, object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": "new"}}},
		{"PATCH", maps + "/every-rich", object{"data": object{"a": "b"}}},
		{"PUT", maps + "/every-rich", object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": "every-rich"}}},
		{"DELETE", maps + "/every-rich", nil},
		{"DELETE", maps, nil},
	} {
		status, answer, err := a.send(t.Context(), w.method, w.path, w.body)
		if err != nil || status != http.StatusForbidden || textAt(answer, "message") == "" {
			t.Errorf("%s %s: %d %v %v", w.method, w.path, status, answer, err)
		}
	}
}

// keysOf are the keys of a member with their revisions.
func keysOf(t *testing.T, m *etcdMember) map[string]int64 {
	t.Helper()
	all, err := etcdClient(t, m.url).Get(t.Context(), "/registry/", everything...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, kv := range all.Kvs {
		out[string(kv.Key)] = kv.ModRevision
	}
	return out
}

// TestAddressesBesideKubeAPIServer: both give out addresses and node ports of services at a time, of the same ranges, and
// none twice. Each address has the object that says whose it is, whoever made it, and goes with its service.
func TestAddressesBesideKubeAPIServer(t *testing.T) {
	etcd := startEtcd(t, 1)
	reference := startReference(t, etcd.servers())
	program := startProgram(t, "--etcd-servers="+etcd.servers())
	theirs, ours := reference.ask("kube-apiserver"), program.ask("apichain")
	ctx, services := t.Context(), "/api/v1/namespaces/default/services"
	var making sync.WaitGroup
	for _, a := range []*api{theirs, ours} {
		for maker := range 2 {
			making.Go(func() {
				for i := range 20 {
					_, err := a.must(ctx, "POST", services, object{
						"apiVersion": "v1", "kind": "Service", "metadata": object{"name": fmt.Sprintf("%s-%d-%d", a.name, maker, i)},
						"spec": object{"type": "NodePort", "ports": []any{object{"port": 80}}},
					})
					check(t, "service", err)
				}
			})
		}
	}
	making.Wait()
	list, err := ours.must(ctx, "GET", services, nil)
	check(t, "services", err)
	addresses, err := theirs.shown(ctx, collection{version: "networking.k8s.io/v1", plural: "ipaddresses"})
	check(t, "addresses", err)
	taken := map[string]string{}
	for _, s := range list["items"].([]any) {
		name, ip := textAt(s, "metadata", "name"), textAt(s, "spec", "clusterIP")
		port := fmt.Sprint(at(at(s, "spec", "ports").([]any)[0], "nodePort"))
		for _, what := range []string{ip, port} {
			if other := taken[what]; other != "" && what != "<nil>" {
				t.Errorf("%s is given to %s and %s", what, other, name)
			}
			taken[what] = name
		}
		if of := textAt(addresses["/"+ip], "spec", "parentRef", "name"); of != name {
			t.Errorf("%s of service %s is an address of %q", ip, name, of)
		}
	}
	if n := len(list["items"].([]any)); n < 80 {
		t.Errorf("%d services", n)
	}
	// Each deletes what the other one has made.
	for i := range 20 {
		for maker := range 2 {
			_, err := theirs.must(ctx, "DELETE", fmt.Sprintf("%s/apichain-%d-%d", services, maker, i), nil)
			check(t, "delete", err)
			_, err = ours.must(ctx, "DELETE", fmt.Sprintf("%s/kube-apiserver-%d-%d", services, maker, i), nil)
			check(t, "delete", err)
		}
	}
	eventually(t, "addresses", func() error {
		left, err := ours.shown(ctx, collection{version: "networking.k8s.io/v1", plural: "ipaddresses"})
		if err == nil && len(left) > len(addresses)-80 {
			err = fmt.Errorf("%d addresses are left of %d", len(left), len(addresses))
		}
		return err
	})
}
