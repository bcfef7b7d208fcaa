package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/features"
	featuretesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// TestInformers: shared informers of the typed, dynamic and metadata clients, with and
// without watch-list, over a network that cuts their connections and keeps them away until
// the server's window of events has moved on. What their handlers were told and what they
// hold must be what is there.
func TestInformers(t *testing.T) {
	for name, watchList := range map[string]bool{"watch-list": true, "list-and-watch": false} {
		t.Run(name, func(t *testing.T) {
			featuretesting.SetFeatureDuringTest(t, features.WatchListClient, watchList)
			s := start(t, "--watch-window-events=50")
			direct := typed(t, s.config(t))
			way := newNetwork(t, s.HTTPS[0])
			write(t, direct, 0, 20)
			followers := follow(t, way.config(s.config(t)))
			agree := func(what string) {
				t.Helper()
				for _, f := range followers {
					eventually(t, f.name+" informer, "+what, func() error { return f.compare(direct) })
				}
			}
			agree("at first")
			write(t, direct, 1, 30)
			agree("after writes")
			// Cut, and let in at once: the watch goes on where it was.
			for round := range 3 {
				way.cut()
				write(t, direct, 2+round, 10)
				agree("after a cut")
			}
			first := make([]int64, len(followers))
			for i, f := range followers {
				first[i] = f.requests.initial.Load()
			}
			// Kept away for longer than the window: the watch is told so, and the state comes
			// anew.
			way.close()
			for round := range 4 {
				write(t, direct, 5+round, 40)
			}
			way.open(t)
			agree("after the window has passed")
			write(t, direct, 9, 10)
			agree("after writes again")

			for i, f := range followers {
				// A client may read anew when its connection ended in the middle of a request.
				if first[i] > 3 {
					t.Errorf("%s: the state was read %d times: no watch went on after a cut", f.name, first[i])
				}
				if n, expired := f.requests.initial.Load(), f.requests.expired.Load(); n <= first[i] || expired == 0 {
					t.Errorf("%s: the state was read %d times, then %d; %d watches were expired", f.name, first[i], n-first[i], expired)
				}
				if lists := f.requests.lists.Load(); watchList && lists != 0 || !watchList && lists == 0 {
					t.Errorf("%s: watch-list %v: %d lists", f.name, watchList, lists)
				}
				for _, e := range f.errors() {
					t.Errorf("%s: %v", f.name, e)
				}
			}
		})
	}
}

// follow starts an informer over the labelled config maps of each kind of client, until
// the test ends.
func follow(t *testing.T, config *rest.Config) []*model {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	tweak := func(o *metav1.ListOptions) { o.LabelSelector = "app=x" }
	var list []*model
	for _, name := range []string{"typed", "dynamic", "metadata"} {
		config, requests := counted(config)
		m := &model{name: name, objects: map[string]string{}, requests: requests}
		switch name {
		case "typed":
			factory := informers.NewSharedInformerFactoryWithOptions(typed(t, config), 0, informers.WithNamespace("default"), informers.WithTweakListOptions(tweak))
			m.informer = factory.Core().V1().ConfigMaps().Informer()
		case "dynamic":
			client, err := dynamic.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			m.informer = dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, "default", tweak).ForResource(configMapsResource).Informer()
		case "metadata":
			client, err := metadata.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			m.informer = metadatainformer.NewFilteredSharedInformerFactory(client, 0, "default", tweak).ForResource(configMapsResource).Informer()
		}
		if _, err := m.informer.AddEventHandler(m); err != nil {
			t.Fatal(err)
		}
		running.Go(func() { m.informer.RunWithContext(ctx) })
		list = append(list, m)
	}
	return list
}

// write makes, changes and deletes n config maps by turns; the round is in their data.
func write(t *testing.T, client *kubernetes.Clientset, round, n int) {
	t.Helper()
	ctx, items := t.Context(), client.CoreV1().ConfigMaps("default")
	for i := range n {
		name := fmt.Sprintf("m-%02d", i%17)
		value := fmt.Sprintf("%d-%d", round, i)
		if i%5 == 4 {
			_ = items.Delete(ctx, name, metav1.DeleteOptions{}) // it need not be there
			continue
		}
		_, err := items.Update(ctx, configMap(name, value), metav1.UpdateOptions{})
		if err != nil {
			_, err = items.Create(ctx, configMap(name, value), metav1.CreateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// model is an informer, and the state as its handlers are told it.
type model struct {
	name     string
	informer cache.SharedIndexInformer
	requests *requests

	mu      sync.Mutex
	objects map[string]string // name to revision
	wrong   []error
}

// version is an object's name and revision.
func version(o any) (name, revision string) {
	m, err := meta.Accessor(o)
	if err != nil {
		return "", err.Error()
	}
	return m.GetName(), m.GetResourceVersion()
}

func (m *model) OnAdd(o any, _ bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, revision := version(o)
	if old, ok := m.objects[name]; ok {
		m.wrong = append(m.wrong, fmt.Errorf("added twice: %s, %s and %s", name, old, revision))
	}
	m.objects[name] = revision
}

func (m *model) OnUpdate(before, after any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, old := version(before)
	name, revision := version(after)
	if m.objects[name] != old {
		m.wrong = append(m.wrong, fmt.Errorf("updated %s from %q, which was %q", name, old, m.objects[name]))
	}
	m.objects[name] = revision
}

func (m *model) OnDelete(o any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	name, _ := version(o)
	if _, ok := m.objects[name]; !ok {
		m.wrong = append(m.wrong, fmt.Errorf("deleted %s, which was not there", name))
	}
	delete(m.objects, name)
}

func (m *model) errors() []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wrong
}

// compare says in what the model or the informer's store differ from what a list says.
func (m *model) compare(client *kubernetes.Clientset) error {
	list, err := client.CoreV1().ConfigMaps("default").List(context.Background(), metav1.ListOptions{LabelSelector: "app=x"})
	if err != nil {
		return err
	}
	want, stored := map[string]string{}, map[string]string{}
	for i := range list.Items {
		name, revision := version(&list.Items[i])
		want[name] = revision
	}
	for _, o := range m.informer.GetStore().List() {
		name, revision := version(o)
		stored[name] = revision
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !maps.Equal(want, stored) || !maps.Equal(want, m.objects) {
		return fmt.Errorf("there is %v, the store has %v, the handlers were told %v", want, stored, m.objects)
	}
	return nil
}

// requests counts how a client read whole states.
type requests struct {
	lists   atomic.Int64 // lists
	initial atomic.Int64 // lists that were no further page, and watch-lists
	expired atomic.Int64 // watches that ended with 410
}

// stream is a watch's body, in which the reason of 410 is looked for: it is the same text in JSON and in protobuf.
type stream struct {
	io.ReadCloser
	expired *atomic.Int64
}

func (s stream) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	if bytes.Contains(b[:n], []byte("Expired")) {
		s.expired.Add(1)
	}
	return n, err
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// counted counts the requests that c's clients get an answer to.
func counted(c *rest.Config) (*rest.Config, *requests) {
	n := &requests{}
	c = rest.CopyConfig(c)
	c.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			q := r.URL.Query()
			if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/configmaps") {
				return answer, err
			}
			if q.Get("watch") == "" {
				n.lists.Add(1)
			} else {
				answer.Body = stream{answer.Body, &n.expired}
			}
			if q.Get("sendInitialEvents") == "true" || q.Get("watch") == "" && q.Get("continue") == "" {
				n.initial.Add(1)
			}
			return answer, nil
		})
	})
	return c, n
}

// network is a way to a server that can be cut.
type network struct {
	target, address string
	others          []string // where it goes when the target refuses

	mu       sync.Mutex
	listener net.Listener // nil: connections are refused
	conns    map[net.Conn]struct{}
	carriers sync.WaitGroup
}

func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{target: u.Host, address: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	n.open(t)
	t.Cleanup(func() {
		n.close()
		n.carriers.Wait()
	})
	return n
}

// config is c by way of n.
func (n *network) config(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.Host = "https://" + n.address
	return c
}

// as is a URL of the server by way of n.
func (n *network) as(server string) string {
	scheme, _, _ := strings.Cut(server, "://")
	return scheme + "://" + n.address
}

// open lets connections in, after close at the same address as before.
func (n *network) open(t *testing.T) {
	t.Helper()
	if err := n.reopen(); err != nil {
		t.Fatal(err)
	}
}

// reopen is open for a goroutine that is not the test's.
func (n *network) reopen() error {
	l, err := net.Listen("tcp", n.address)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener, n.address = l, l.Addr().String()
	n.carriers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.carriers.Go(func() { n.carry(c) })
		}
	})
	return nil
}

// carry takes bytes both ways until either side or cut ends it.
func (n *network) carry(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", n.target, 5*time.Second)
	for i := 0; err != nil && i < len(n.others); i++ {
		server, err = net.DialTimeout("tcp", n.others[i], 5*time.Second)
	}
	if err != nil {
		return
	}
	defer server.Close()
	n.mu.Lock()
	open := n.listener != nil
	n.conns[client] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.conns, client)
		n.mu.Unlock()
	}()
	if !open {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close()
	back.Wait()
}

// cut ends the connections there are.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutLocked()
}

func (n *network) cutLocked() {
	for c := range n.conns {
		_ = c.Close()
	}
}

// close refuses new connections, and cuts those there are.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener != nil {
		_ = n.listener.Close()
		n.listener = nil
	}
	n.cutLocked()
}
