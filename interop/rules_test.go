package interop

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/interop/rules"
)

// TestRules asks for all that testdata/rules has: definitions with validation rules, good and bad ones, and what happens to their
// objects; and what is refused of policies, webhooks' conditions and device selectors. What kube-apiserver answers is recorded.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_WRITE=1 go test -run TestRules/kube-apiserver .
func TestRules(t *testing.T) {
	all, err := rules.Read(testdata(t, "rules"))
	check(t, "reading", err)
	check(t, "the texts", rules.Check(all))
	c := openRecording(t, "rules.jsonl.gz")
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		got := playRules(t, &rules.Server{URL: f.url, Token: f.token, HTTP: f.ask("rules").http}, all)
		requests := 0
		for _, d := range all {
			name := d.File + "/" + d.Name
			requests += len(got[name])
			if want := c.want[name]; !slices.Equal(got[name], want) && os.Getenv("APICHAIN_WRITE") == "" {
				reportRules(t, d, got[name], want)
			}
		}
		t.Logf("%d definitions and sets of policies, %d requests", len(all), requests)
		c.keep(t, folder, got)
	})
}

// playRules plays each definition, three at a time.
func playRules(t *testing.T, s *rules.Server, all []*rules.Definition) map[string][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	got, places := map[string][]string{}, make(chan bool, 3)
	for _, d := range all {
		group.Go(func() {
			places <- true
			defer func() { <-places }()
			answers, err := s.Play(ctx, d)
			if err != nil {
				t.Errorf("%s/%s: %v", d.File, d.Name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[d.File+"/"+d.Name] = answers
		})
	}
	group.Wait()
	return got
}

// reportRules reports the first answer that differs; those after it may differ because of it.
func reportRules(t *testing.T, d *rules.Definition, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		step := "the definition"
		k := i
		if d.Head != nil {
			k-- // the first answer is of the definition
		}
		if k >= 0 && k < len(d.Steps) {
			step = d.Steps[k].Text
		}
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s/%s: %.300s\n\tgot  %s\n\twant %s", d.File, d.Name, step, strings.ReplaceAll(g, "\n", "\n\t     "), strings.ReplaceAll(w, "\n", "\n\t     "))
			return
		}
	}
}
