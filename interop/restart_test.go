package interop

import (
	"strings"
	"testing"

	"k8s.io/client-go/features"
	featuretesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/rest"
)

// TestInformersLiveThroughARestart: the server ends, and another one serves at its address, whose
// objects are others. Informers keep nothing of the first one, however much the second one has
// written when they come back: fewer writes than the first, and more.
func TestInformersLiveThroughARestart(t *testing.T) {
	for name, watchList := range map[string]bool{"watch-list": true, "list-and-watch": false} {
		t.Run(name, func(t *testing.T) {
			featuretesting.SetFeatureDuringTest(t, features.WatchListClient, watchList)
			first := start(t)
			address := strings.TrimPrefix(first.HTTP[0], "http://")
			// The plain listener: the second server has another certificate.
			config := &rest.Config{Host: first.HTTP[0], QPS: -1}
			direct := typed(t, config)
			write(t, direct, 0, 300)
			followers := follow(t, config)
			for _, f := range followers {
				eventually(t, f.name+" informer, at first", func() error { return f.compare(direct) })
			}
			for round, writes := range []int{3, 900} {
				first.stop()
				first = start(t, "--listen-http="+address)
				write(t, direct, 1+round, writes)
				for _, f := range followers {
					eventually(t, f.name+" informer, after a restart", func() error { return f.compare(direct) })
				}
			}
			for _, f := range followers {
				// Once at first, and once of each server.
				if n := f.requests.initial.Load(); n < 3 {
					t.Errorf("%s: the state was read %d times", f.name, n)
				}
				for _, e := range f.errors() {
					t.Errorf("%s: %v", f.name, e)
				}
			}
		})
	}
}
