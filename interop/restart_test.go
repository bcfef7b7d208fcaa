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

// TestInformersResume: a server that keeps its data in a folder ends or is killed and comes back, and informers go on
// where they were: they never read the state a second time, and miss nothing.
func TestInformersResume(t *testing.T) {
	for name, watchList := range map[string]bool{"watch-list": true, "list-and-watch": false} {
		t.Run(name, func(t *testing.T) {
			featuretesting.SetFeatureDuringTest(t, features.WatchListClient, watchList)
			p := startProgram(t, "--data-dir="+t.TempDir())
			config := &rest.Config{Host: p.url, QPS: -1}
			direct := typed(t, config)
			write(t, direct, 0, 300)
			followers := follow(t, config)
			for round, trouble := range []trouble{restarting("the server", p.process), killing("the server", p.process), restarting("the server", p.process)} {
				// Reflectors list anew after a watch of less than a second that has told nothing: it has told something.
				for i := range 2 {
					for _, f := range followers {
						eventually(t, f.name+" informer, before: "+trouble.name, func() error { return f.compare(direct) })
					}
					write(t, direct, 1+10*round+i, 30)
				}
				check(t, trouble.name, trouble.do())
				write(t, direct, 5+10*round, 30)
			}
			for _, f := range followers {
				eventually(t, f.name+" informer, after all", func() error { return f.compare(direct) })
				if n, expired := f.requests.initial.Load(), f.requests.expired.Load(); n != 1 || expired != 0 {
					t.Errorf("%s: the state was read %d times, and %d watches were expired", f.name, n, expired)
				}
				for _, e := range f.errors() {
					t.Errorf("%s: %v", f.name, e)
				}
			}
		})
	}
}
