package aggregation

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFailuresAreSaidOnce: what a server does not say is logged when it changes, however long the reason is, and again when it
// comes back after an answer.
func TestFailuresAreSaidOnce(t *testing.T) {
	for name, bad := range map[string]http.Handler{
		"short": failing(http.StatusForbidden),
		"long":  openAPI(tagged("", "", []byte(`{"paths":{"/`+strings.Repeat("x", 100_000)+`":1}}`)), nil),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.serve("one", bad)
				w.have("v1.a.example 10 1 one")
				w.run(&w.m.OpenAPI2)
				time.Sleep(12 * time.Hour)
				synctest.Wait()
				if n := strings.Count(w.said.String(), "does not say what it has"); n != 1 || len(w.said.String()) > 10_000 {
					t.Errorf("said %d times in %d bytes", n, len(w.said.String()))
				}
				w.serve("one", openAPI(tagged("", "", swagger("", "/apis/a.example/v1/things")), nil))
				time.Sleep(2 * time.Hour)
				w.serve("one", bad)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if n := strings.Count(w.said.String(), "does not say what it has"); n != 2 {
					t.Errorf("said %d times, with an answer in between", n)
				}
			})
		})
	}
}
