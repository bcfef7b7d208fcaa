package controller_test

import (
	"bytes"
	"strconv"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/controller"
	"apichain/internal/store"
	"apichain/internal/tree"
)

func TestMain(m *testing.M) { apitest.Main(m) }

// clients is a server with its controllers at work, and a client of it.
type clients struct{ *apitest.Server }

// startClients runs a server until the test ends.
func startClients(t testing.TB, change ...func(*apitest.Config)) *clients {
	t.Helper()
	var c apitest.Config
	for _, f := range change {
		f(&c)
	}
	return &clients{apitest.Start(t, c)}
}

// windowOf bounds the log of events.
func windowOf(n int) func(*apitest.Config) {
	return func(c *apitest.Config) { c.WindowEvents = n }
}

// What the tests say often.
var (
	mapObject    = apitest.MapObject
	space        = apitest.Namespace
	custom       = apitest.Custom
	held         = apitest.Held
	ownedBy      = apitest.OwnedBy
	ref          = apitest.Ref
	revision     = apitest.Revision
	definitionOf = apitest.DefinitionOf
	configMap    = apitest.MapManifest
	widget       = apitest.WidgetManifest
	sameHeld     = apitest.SameContents
	itoa         = strconv.Itoa
)

const (
	definitionsPath = apitest.DefinitionsPath
	mapsPath        = apitest.MapsPath
	spacesPath      = apitest.NamespacesPath
	widgetsPath     = apitest.WidgetsPath
	widgetCRD       = apitest.WidgetDefinition
)

// is reports whether a condition has a status and a reason.
func is(condition map[string]any, status, reason string) bool {
	return tree.Text(condition, "status") == status && tree.Text(condition, "reason") == reason
}

// emptyServer is a server in whose store nothing is, before anything works on it.
type emptyServer struct {
	*apitest.Server
	restorer *controller.Restorer
}

func newEmptyServer(t testing.TB) *emptyServer {
	t.Helper()
	s := apitest.Start(t, apitest.Config{Empty: true})
	return &emptyServer{s, controller.NewRestorer(s.API)}
}

// applied writes a manifest as a client would.
func (p *emptyServer) applied(t testing.TB, manifest string) *store.Object {
	t.Helper()
	return apitest.Apply(t, p.API, manifest)
}

// removed takes an object out of the store, whatever holds it.
func (p *emptyServer) removed(t testing.TB, resource, key string) {
	t.Helper()
	apitest.Remove(t, p.Store, resource, key)
}

// held returns all objects without their revisions, by resource and key.
func (p *emptyServer) held() map[string]string { return apitest.Contents(p.Store) }

// stored returns an object as it is stored, nil if there is none.
func (p *emptyServer) stored(resource, key string) *store.Object {
	return apitest.Stored(p.Store, resource, key)
}

// snapshotText is the snapshot of the store as a list.
func (p *emptyServer) snapshotText(t testing.TB) []byte {
	t.Helper()
	l := controller.NewList(p.Store)
	var b bytes.Buffer
	if err := l.Write(&b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != l.Size() {
		t.Errorf("a snapshot of %d bytes says %d", b.Len(), l.Size())
	}
	return b.Bytes()
}
