package conversion

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"apichain/internal/backend"
	"apichain/internal/tree"
)

// TestRetryThatNobodyWaitsFor: who asks for another try in an hour is told as what it answered, once the client's time
// is over, and is not asked again.
func TestRetryThatNobodyWaitsFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The answer is there when the backend is told of it: then the client goes.
	set := backend.New(backend.Config{Changed: func(b *backend.Backend) {
		if b.Report().State == backend.Answering {
			cancel()
		}
	}})
	var n atomic.Int32
	h := startHook(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, answered, err := h.connect(New(func() *backend.Set { return set }), "v1").Convert(ctx, []map[string]any{widget(t, "a")}, "example.com/v2")
	const want = "conversion webhook for example.com/v1, Kind=Widget failed: the server is currently unable to handle the request"
	if answered || err == nil || err.Error() != want || n.Load() != 1 {
		t.Errorf("answered %t, %d tries, %v", answered, n.Load(), err)
	}
}

// TestWhatAReviewSaysItIs: the version of a review, and the two sorts of errors: of something else, and of a version that
// was not asked for.
func TestWhatAReviewSaysItIs(t *testing.T) {
	const registered = "is registered for version"
	for _, c := range []struct{ asked, apiVersion, kind, version, mismatch, wrong string }{
		{"v1", "apiextensions.k8s.io/v1", "ConversionReview", "v1", "", ""},
		{"v1", "", "", "v1", "", ""}, {"v1beta1", "", "", "v1beta1", "", ""}, {"v1", "", "ConversionReview", "v1", "", ""},
		{"v1", "apiextensions.k8s.io/v1beta1", "ConversionReview", "v1beta1", "(v1beta1.ConversionReview) to (v1.ConversionReview)", ""},
		{"v1beta1", "apiextensions.k8s.io/v1", "", "v1", "(v1.ConversionReview) to (v1beta1.ConversionReview)", ""},
		{"v1", "v1", "Status", "", "", "(v1.Status) to (v1.ConversionReview)"}, {"v1", "v1", "", "", "", registered},
		{"v1", "apiextensions.k8s.io/v2", "ConversionReview", "", "", registered}, {"v1", "apiextensions.k8s.io/v1", "Status", "", "", registered},
		{"v1", "apiextensions.k8s.io/", "", "", "", registered}, {"v1", "apiextensions.k8s.io", "", "", "", registered}, {"v1", "admission.k8s.io/v1", "", "", "", registered},
	} {
		version, mismatch, err := (&converter{version: c.asked}).typeOf(c.apiVersion, c.kind)
		has := func(err error, want string) bool {
			return (err == nil) == (want == "") && strings.Contains(fmt.Sprint(err), want)
		}
		if version != c.version || !has(mismatch, c.mismatch) || !has(err, c.wrong) {
			t.Errorf("%s asked, %q %q: %q, %v, %v", c.asked, c.apiVersion, c.kind, version, mismatch, err)
		}
	}
}

// TestMetadataIsTheOriginals: whatever a webhook makes of any field of metadata but two, and whatever it adds, the object
// keeps what it had.
func TestMetadataIsTheOriginals(t *testing.T) {
	original := parsed(t, `{"apiVersion":"g/v1","kind":"K","metadata":{"name":"a","uid":"u","resourceVersion":"7","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z",
		"deletionTimestamp":"2026-01-02T00:00:00Z","deletionGracePeriodSeconds":5,"finalizers":["x"],"ownerReferences":[{"uid":"o"}],"managedFields":[{"manager":"m"}]}}`)
	for _, change := range []any{nil, "x", int64(1), []any{}, map[string]any{"a": "b"}} {
		given := map[string]any{"name": "a", "uid": "u", "selfLink": change, "generateName": change}
		for field := range tree.Metadata(original) {
			if field != "name" && field != "uid" {
				given[field] = change
			}
		}
		obj := map[string]any{"apiVersion": "g/v2", "kind": "K", "metadata": given, "spec": change}
		got, err := checked(original, obj, "g/v2", place{kind: "x"})
		if err != nil {
			t.Fatalf("%v: %v", change, err)
		}
		if !tree.Equal(got["metadata"], original["metadata"]) || !tree.Equal(got["spec"], change) {
			t.Errorf("%v made %s", change, tree.AppendJSON(nil, got))
		}
	}
}

// TestKindText: what an object says it is, also where it says less.
func TestKindText(t *testing.T) {
	for text, want := range map[string]string{
		`{"apiVersion":"g/v1","kind":"K"}`: "g/v1, Kind=K", `{"apiVersion":"v1","kind":"K"}`: "/v1, Kind=K", `{"kind":"K"}`: "/, Kind=K", `{}`: "/, Kind=",
		`{"apiVersion":"a/b/c"}`: "a/b/c, Kind=", `{"apiVersion":1,"kind":[]}`: "/, Kind=",
	} {
		if got := kindText(parsed(t, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
