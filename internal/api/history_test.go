package api_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// What lists and watches show of the past, beside a model that has kept all of it: a map of the
// objects at each revision, and nothing cleverer.

// entry is an object in the model.
type entry struct {
	key    string // namespace/name
	label  string // of "l", "" for none
	rev    int64
	author string // of "by", which no selector looks at
}

// history is the model: the state after each revision from first to last.
type history struct {
	first, last int64
	states      map[int64]map[string]entry
}

// at is the state at a revision, in the order of a list.
func (h *history) at(rev int64) []entry {
	return slices.SortedFunc(maps.Values(h.states[rev]), func(a, b entry) int { return cmp.Compare(a.key, b.key) })
}

// modelSelector is a selection as a query and as a function.
type modelSelector struct {
	query string
	takes func(e entry) bool
}

var modelSelectors = []modelSelector{
	{"", func(entry) bool { return true }},
	{"labelSelector=l", func(e entry) bool { return e.label != "" }},
	{"labelSelector=!l", func(e entry) bool { return e.label == "" }},
	{"labelSelector=l%3D1", func(e entry) bool { return e.label == "1" }},
	{"labelSelector=l!%3D1", func(e entry) bool { return e.label != "1" }},
	{"labelSelector=l%20in%20(1,2)", func(e entry) bool { return e.label == "1" || e.label == "2" }},
	{"labelSelector=l%3E1", func(e entry) bool { return e.label > "1" }},
	{"fieldSelector=metadata.name%3Db", func(e entry) bool { return strings.HasSuffix(e.key, "/b") }},
	{"fieldSelector=metadata.name!%3Db&labelSelector=l", func(e entry) bool { return e.label != "" && !strings.HasSuffix(e.key, "/b") }},
	{"fieldSelector=metadata.namespace%3Dkube-public", func(e entry) bool { return strings.HasPrefix(e.key, "kube-public/") }},
}

// secretsPath is where the model's objects live: the server makes none of its own there.
func secretsPath(ns string) string {
	if ns == "" {
		return "/api/v1/secrets"
	}
	return spacesPath + "/" + ns + "/secrets"
}

// writeHistory makes a number of random writes of a few secrets in two namespaces.
func writeHistory(t *testing.T, c *clients, seed uint64, writes int) *history {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	h := &history{first: c.Store.Revision(), states: map[int64]map[string]entry{}}
	now := map[string]entry{}
	h.states[h.first], h.last = maps.Clone(now), h.first
	for i := range writes {
		ns, name := []string{"default", "kube-public"}[rng.IntN(2)], string(rune('a'+rng.IntN(4)))
		e := entry{key: ns + "/" + name, label: []string{"", "1", "2", "3"}[rng.IntN(4)], author: itoa(i)}
		labels := map[string]any{"by": e.author}
		if e.label != "" {
			labels["l"] = e.label
		}
		body := map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": name, "labels": labels}}
		_, there := now[e.key]
		switch {
		case !there:
			c.Must(201, "POST", secretsPath(ns), body)
		case rng.IntN(3) == 0:
			c.Must(200, "DELETE", secretsPath(ns)+"/"+name, nil)
			delete(now, e.key)
			there = false
			e.key = ""
		default:
			c.Must(200, "PUT", secretsPath(ns)+"/"+name, body)
		}
		h.last = c.Store.Revision()
		if e.key != "" {
			e.rev = h.last
			now[e.key] = e
		}
		h.states[h.last] = maps.Clone(now)
	}
	if h.last != h.first+int64(writes) {
		t.Fatalf("%d writes led from revision %d to %d", writes, h.first, h.last)
	}
	return h
}

// shown is the items of a list as key@revision.
func shown(list map[string]any) string {
	var out []string
	for _, item := range tree.List(list, "items") {
		out = append(out, tree.Text(item, "metadata", "namespace")+"/"+tree.Text(item, "metadata", "name")+"@"+tree.Text(item, "metadata", "resourceVersion"))
	}
	return strings.Join(out, " ")
}

// want is the same of the model.
func (h *history) want(rev int64, ns string, s modelSelector) string {
	var out []string
	for _, e := range h.at(rev) {
		if s.takes(e) && (ns == "" || strings.HasPrefix(e.key, ns+"/")) {
			out = append(out, fmt.Sprintf("%s@%d", e.key, e.rev))
		}
	}
	return strings.Join(out, " ")
}

// TestListsOfThePast: what a list shows, by the revision it asks for, how that is to match, and
// whether it is paged.
func TestListsOfThePast(t *testing.T) {
	c := startClients(t)
	h := writeHistory(t, c, 1, 60)
	for _, s := range modelSelectors {
		for _, ns := range []string{"", "default", "kube-public"} {
			for rev := h.first; rev <= h.last; rev += 7 {
				n := strconv.FormatInt(rev, 10)
				for query, at := range map[string]int64{
					"":                                  h.last,
					"resourceVersion=":                  h.last,
					"resourceVersion=0":                 h.last,
					"resourceVersion=" + n:              h.last,
					"resourceVersion=" + n + "&limit=0": h.last,
					"resourceVersion=0&resourceVersionMatch=NotOlderThan":                   h.last,
					"resourceVersion=0&resourceVersionMatch=NotOlderThan&limit=100":         h.last,
					"resourceVersion=" + n + "&resourceVersionMatch=NotOlderThan":           h.last,
					"resourceVersion=" + n + "&resourceVersionMatch=NotOlderThan&limit=100": h.last,
					"resourceVersion=" + n + "&resourceVersionMatch=Exact":                  rev,
					"resourceVersion=" + n + "&resourceVersionMatch=Exact&limit=100":        rev,
					"resourceVersion=" + n + "&limit=100":                                   rev, // upstream's older rule
					"limit=100":                                                             h.last,
				} {
					path := secretsPath(ns) + "?" + query + "&" + s.query
					list := c.Must(200, "GET", path, nil)
					if got, want := shown(list), h.want(at, ns, s); got != want || revision(list) != strconv.FormatInt(at, 10) {
						t.Errorf("%s at %s:\n got %s\nwant %s at %d", path, revision(list), got, want, at)
					}
				}
			}
		}
	}
}

// TestPagesOfEverySize: pages of any size, with any selection, are together the list at the
// revision of the first page, whatever is written between two of them.
func TestPagesOfEverySize(t *testing.T) {
	c := startClients(t)
	h := writeHistory(t, c, 2, 60)
	noise := 0
	for _, s := range modelSelectors {
		for _, ns := range []string{"", "default"} {
			whole := strings.Fields(h.want(h.last, ns, s))
			for limit := 1; limit <= len(whole)+1; limit++ {
				var got []string
				token, pages, left := "", 0, int64(len(whole))
				for {
					path := secretsPath(ns) + "?limit=" + itoa(limit) + "&" + s.query
					if pages == 0 {
						path += "&resourceVersionMatch=Exact&resourceVersion=" + strconv.FormatInt(h.last, 10)
					} else {
						path += "&continue=" + token
					}
					page := c.Must(200, "GET", path, nil)
					items := strings.Fields(shown(page))
					got, left, pages = append(got, items...), left-int64(len(items)), pages+1
					if token = tree.Text(page, "metadata", "continue"); token == "" {
						break
					}
					if len(items) != limit {
						t.Errorf("%s: a page of %d items that is not the last", path, len(items))
					}
					// How many are left is said where nothing is selected.
					if rest := tree.At(page, "metadata", "remainingItemCount"); s.query == "" && rest != left || s.query != "" && rest != nil {
						t.Errorf("%s: %v items are left, want %d", path, rest, left)
					}
					if revision(page) != strconv.FormatInt(h.last, 10) {
						t.Errorf("%s: a page at %s", path, revision(page))
					}
					noise++
					c.Must(201, "POST", secretsPath("default"), `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a-noise-`+itoa(noise)+`","labels":{"l":"1"}}}`)
				}
				if !slices.Equal(got, whole) {
					t.Errorf("%s of %q by %d:\n got %v\nwant %v", secretsPath(ns), s.query, limit, got, whole)
				}
				if want := max(1, (len(whole)+limit-1)/limit); pages != want && !(s.query != "" && pages == want+1) {
					t.Errorf("%s of %q by %d: %d pages, want %d", secretsPath(ns), s.query, limit, pages, want)
				}
			}
		}
	}
}

// TestPagesAfterTheWindow: when the revision of a token is no longer kept the client is told, and
// given a token that goes on with what there is now.
func TestPagesAfterTheWindow(t *testing.T) {
	c := startClients(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		c.Must(201, "POST", secretsPath("default"), `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"`+name+`"}}`)
	}
	first := c.Must(200, "GET", secretsPath("default")+"?limit=2", nil)
	c.Must(200, "DELETE", secretsPath("default")+"/c", nil)
	c.Must(201, "POST", secretsPath("default"), `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"aa"}}`)
	c.Must(201, "POST", secretsPath("default"), `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"e"}}`)
	c.Store.ExpireHistory()
	gone := c.Must(410, "GET", secretsPath("default")+"?limit=2&continue="+tree.Text(first, "metadata", "continue"), nil)
	token := tree.Text(gone, "metadata", "continue")
	if tree.Text(gone, "reason") != "Expired" || token == "" {
		t.Fatalf("%v", gone)
	}
	// Nothing is shown twice, and what came before the place is not seen.
	rest := c.Must(200, "GET", secretsPath("default")+"?limit=1&continue="+token, nil)
	if got := names(rest); got != "d" || revision(rest) != fmt.Sprint(c.Store.Revision()) {
		t.Errorf("the rest begins with %q at %s", got, revision(rest))
	}
	last := c.Must(200, "GET", secretsPath("default")+"?limit=5&continue="+tree.Text(rest, "metadata", "continue"), nil)
	if got := names(last); got != "e" || tree.Text(last, "metadata", "continue") != "" {
		t.Errorf("the rest ends with %q %v", got, last["metadata"])
	}
	// A list at a revision that is gone has no other to go on with.
	for _, path := range []string{"?resourceVersionMatch=Exact&resourceVersion=", "?limit=1&resourceVersion="} {
		if e := c.Must(410, "GET", secretsPath("default")+path+revision(first), nil); tree.Text(e, "reason") != "Expired" || tree.Text(e, "metadata", "continue") != "" {
			t.Errorf("%s: %v", path, e)
		}
	}
}

// events is what a watch of the selection sees from a state on: the state as additions, if that
// is wanted, and then each change as it looks to who knows only what is selected.
func (h *history) events(from int64, withState bool, ns string, s modelSelector) []string {
	in := func(e entry, there bool) bool {
		return there && s.takes(e) && (ns == "" || strings.HasPrefix(e.key, ns+"/"))
	}
	var out []string
	if withState {
		for _, e := range h.at(from) {
			if in(e, true) {
				out = append(out, fmt.Sprintf("ADDED %s@%d", e.key, e.rev))
			}
		}
	}
	for rev := from + 1; rev <= h.last; rev++ {
		was, is := h.states[rev-1], h.states[rev]
		for _, key := range slices.Sorted(maps.Keys(was)) {
			if _, there := is[key]; !there && in(was[key], true) {
				out = append(out, fmt.Sprintf("DELETED %s@%d by %s", key, rev, was[key].author))
			}
		}
		for key, e := range is {
			old, there := was[key]
			if there && old.rev == e.rev {
				continue
			}
			switch before, after := in(old, there), in(e, true); {
			case before && after:
				out = append(out, fmt.Sprintf("MODIFIED %s@%d", key, rev))
			case after:
				out = append(out, fmt.Sprintf("ADDED %s@%d", key, rev))
			case before: // the client is shown what it knows
				out = append(out, fmt.Sprintf("DELETED %s@%d by %s", key, rev, old.author))
			}
		}
	}
	return out
}

// TestWatchesFromEveryStart: a watch sees what the model says, from each revision and from the
// state, on each of its paths, with each selection.
func TestWatchesFromEveryStart(t *testing.T) {
	const initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
	synctest.Test(t, func(t *testing.T) {
		r := newReviewed(t)
		h := writeHistory(t, &clients{r.p}, 3, 40)
		check := func(path string, from int64, withState bool, ns string, s modelSelector) {
			t.Helper()
			var got []string
			for _, e := range r.follow(&stream{steps: forever()}, path+"&timeoutSeconds=1&"+s.query) {
				m := tree.Object(e, "object", "metadata")
				text := fmt.Sprintf("%s %s/%s@%s", tree.Text(e, "type"), m["namespace"], m["name"], m["resourceVersion"])
				if e["type"] == "DELETED" {
					text += " by " + tree.Text(m, "labels", "by")
				}
				got = append(got, text)
			}
			if want := h.events(from, withState, ns, s); !slices.Equal(got, want) {
				t.Errorf("%s %s:\n got %q\nwant %q", path, s.query, got, want)
			}
		}
		for _, s := range modelSelectors {
			for _, ns := range []string{"", "default"} {
				old := strings.Replace(secretsPath(ns), "/api/v1/", "/api/v1/watch/", 1)
				for rev := h.first; rev <= h.last; rev += 3 {
					n := strconv.FormatInt(rev, 10)
					check(secretsPath(ns)+"?watch=1&resourceVersion="+n, rev, false, ns, s)
					check(old+"?resourceVersion="+n, rev, false, ns, s)
					check(secretsPath(ns)+"?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion="+n, rev, false, ns, s)
					check(secretsPath(ns)+"?watch=1&"+initial+"resourceVersion="+n, h.last, true, ns, s)
				}
				for _, path := range []string{
					secretsPath(ns) + "?watch=1", secretsPath(ns) + "?watch=1&resourceVersion=0", secretsPath(ns) + "?watch=1&" + initial, secretsPath(ns) + "?watch=1&" + initial + "resourceVersion=0", old + "?x=y",
				} {
					check(path, h.last, true, ns, s)
				}
				check(secretsPath(ns)+"?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", h.last, false, ns, s)
			}
		}
		// The deprecated path of one object sees that object alone.
		one := modelSelector{"", func(e entry) bool { return e.key == "default/b" }}
		for rev := h.first; rev <= h.last; rev += 5 {
			check("/api/v1/watch/namespaces/default/secrets/b?resourceVersion="+strconv.FormatInt(rev, 10), rev, false, "default", one)
		}
	})
}

// TestWatchesAreResumed: whoever goes on from the last revision it has seen, wherever it was cut,
// has seen in the end what one uninterrupted watch sees.
func TestWatchesAreResumed(t *testing.T) {
	r := newReviewed(t)
	h := writeHistory(t, &clients{r.p}, 4, 50)
	for _, s := range modelSelectors {
		want := h.events(h.first, false, "", s)
		for piece := 1; piece <= len(want); piece += 1 + len(want)/4 {
			var got []string
			for last := h.first; len(got) < len(want); {
				at := fmt.Sprintf("%s?watch=1&resourceVersion=%d&%s", secretsPath(""), last, s.query)
				begun := len(got)
				_, w := r.watch(at, min(piece, len(want)-len(got)))
				for line := range strings.Lines(w.Body.String()) {
					e, _, err := tree.ParseJSONObject([]byte(line))
					if err != nil {
						t.Fatal(err)
					}
					ev := apitest.Event{Type: tree.Text(e, "type"), Obj: tree.Object(e, "object")}
					if ev.Revision() <= last {
						t.Fatalf("%s: an event at %d", at, ev.Revision())
					}
					text := fmt.Sprintf("%s %s/%s@%d", ev.Type, tree.Text(ev.Obj, "metadata", "namespace"), tree.Name(ev.Obj), ev.Revision())
					if ev.Type == "DELETED" {
						text += " by " + tree.Text(ev.Obj, "metadata", "labels", "by")
					}
					got, last = append(got, text), ev.Revision()
				}
				if len(got) == begun {
					t.Fatalf("%s: nothing", at)
				}
			}
			if !slices.Equal(got[:len(want)], want) {
				t.Errorf("%q in pieces of %d:\n got %q\nwant %q", s.query, piece, got, want)
			}
		}
	}
}
