package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

func TestMain(m *testing.M) { apitest.Main(m) }

// clients is a server and a client of it, for tests of what many requests make.
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
	version      = apitest.Version
	versions     = apitest.Versions
	itoa         = strconv.Itoa
)

const (
	definitionsPath = apitest.DefinitionsPath
	mapsPath        = apitest.MapsPath
	spacesPath      = apitest.NamespacesPath
	widgetsPath     = apitest.WidgetsPath
)

// is reports whether a condition has a status and a reason.
func is(condition map[string]any, status, reason string) bool {
	return tree.Text(condition, "status") == status && tree.Text(condition, "reason") == reason
}

// sink is a ResponseWriter that keeps nothing: its header map stays.
type sink struct {
	h      http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(code int)        { s.status = code }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }
func (s *sink) Flush()                      {}

// administrator makes a request that an administrator sends; header is names and values.
func administrator(ctx context.Context, method, path, body string, header ...string) *http.Request {
	req := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(ctx)
	req.Host = "localhost"
	req.Header.Set("Authorization", "Bearer admin-token")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// everyFewMilliseconds has a bookmark come so often.
func everyFewMilliseconds(c *apitest.Config) { c.Bookmarks = 3 * time.Millisecond }
