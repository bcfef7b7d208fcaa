package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestRevisionsOfAnotherProcess: what a client remembers of an earlier process is never taken for a
// revision of this one, however much either has written: a watch, a list of that very state and the
// next page are 410, and a list that must not be older is the present one. A process whose clock was
// ahead has revisions that are not there yet: nobody waits for them in silence.
func TestRevisionsOfAnotherProcess(t *testing.T) {
	first := startClients(t, "http")
	for i := range 20 {
		first.Must(201, "POST", mapsPath, mapObject(fmt.Sprint("a", i)))
	}
	list := first.Must(200, "GET", mapsPath+"?limit=2", nil)
	rev, token := revision(list), tree.Text(list, "metadata", "continue")
	first.stop()
	second := startProgram(t, nil)
	past := []string{rev, "1", "42"}
	for _, kind := range clientKinds {
		c := second.clients(kind)
		c.Must(201, "POST", mapsPath, mapObject("b-"+kind))
		ask := func(query string) reply { return second.get(kind, mapsPath+"?"+query) }
		for _, rev := range past {
			watch := ask("watch=1&timeoutSeconds=1&resourceVersion=" + rev)
			if !strings.HasPrefix(watch.body, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: `+rev+` (`) || strings.Count(watch.body, "\n") != 1 {
				t.Errorf("%s: a watch at %s: %d %s", kind, rev, watch.status, watch.body)
			}
			for _, query := range []string{"resourceVersionMatch=Exact&resourceVersion=" + rev, "limit=1&resourceVersion=" + rev} {
				if got := ask(query); got.status != 410 || !strings.Contains(got.body, `"message":"The resourceVersion for the provided list is too old.","reason":"Expired"`) {
					t.Errorf("%s %s: %d %s", kind, query, got.status, got.body)
				}
			}
			for _, query := range []string{"resourceVersion=" + rev, "resourceVersionMatch=NotOlderThan&resourceVersion=" + rev} {
				if got := ask(query); got.status != 200 || !strings.Contains(got.body, `"name":"b-`+kind+`"`) || strings.Contains(got.body, `"name":"a1"`) {
					t.Errorf("%s %s: %d %s", kind, query, got.status, got.body)
				}
			}
		}
		if got := ask("continue=" + url.QueryEscape(token)); got.status != 410 || !strings.Contains(got.body, `"reason":"Expired"`) || !strings.Contains(got.body, `"continue":"`) {
			t.Errorf("%s: the next page: %d %s", kind, got.status, got.body)
		}
		ahead := fmt.Sprint(second.store.Revision() + 3_600_000_000)
		if got := ask("watch=1&resourceVersion=" + ahead); !strings.Contains(got.body, `"message":"Too large resource version: `+ahead+`, current: `) || !strings.Contains(got.body, `"code":410`) {
			t.Errorf("%s: a watch of the future: %d %s", kind, got.status, got.body)
		}
	}
	// JavaScript and jq read numbers as float64: what the admin endpoint says must come through.
	if rev := second.store.Revision(); rev != int64(float64(rev)) || rev >= 1<<53 {
		t.Errorf("revision %d does not fit a number of JSON", rev)
	}
}
