package api

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/tree"
)

// TestContinueTokenText: a token is upstream's, to the byte.
func TestContinueTokenText(t *testing.T) {
	const want = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzAsInN0YXJ0IjoiL2QyXHUwMDAwIn0"
	if got := (ContinueToken{"meta.k8s.io/v1", 30, "/d2\x00"}).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got, err := ParseContinue(want)
	if err != nil || *got != (ContinueToken{"meta.k8s.io/v1", 30, "/d2\x00"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestContinueTokenRoundTrip: whatever keys there are come back from a token as they were.
func TestContinueTokenRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	letters := []string{"a", "-", ".", "/", "\x00", "\"", "\\", "<", "é", "\u2028", "日", ":", "%"}
	for range 2000 {
		key := ""
		for range r.IntN(12) {
			key += letters[r.IntN(len(letters))]
		}
		want := ContinueToken{ContinueVersion, []int64{-1, 1, 1 + r.Int64N(1<<62)}[r.IntN(3)], "/" + key}
		text := want.String()
		if strings.ContainsAny(text, "+/=&? ") {
			t.Fatalf("%s cannot stand in a query", text)
		}
		if got, err := ParseContinue(text); err != nil || *got != want {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	}
}

// TestContinueTokenRefusals: each way in which a token can be none, with what is said of it.
func TestContinueTokenRefusals(t *testing.T) {
	const not = "400 BadRequest: invalid continue token: continue key is not valid: "
	const position = "incorrect encoded start resourceVersion or key"
	raw := base64.RawURLEncoding.EncodeToString
	for _, c := range []struct{ token, want string }{
		{"%", not + "illegal base64 data at input byte 0"},
		{raw([]byte("{}")) + "=", not + "illegal base64 data at input byte 3"},
		{raw([]byte("{")), not + "unexpected end of JSON input"},
		{raw([]byte(`{"v":1}`)), not + "json: cannot unmarshal number into Go struct field ContinueToken.v of type string"},
		{raw([]byte(`{"v":"meta.k8s.io/v2","rv":3,"start":"/a"}`)), not + `server does not recognize this encoded version "meta.k8s.io/v2"`},
		{raw([]byte(`{"rv":3,"start":"/a"}`)), not + `server does not recognize this encoded version ""`},
		{raw([]byte(`{"v":"meta.k8s.io/v1","start":"/a"}`)), not + position},
		{raw([]byte(`{"v":"meta.k8s.io/v1","rv":0,"start":"/a"}`)), not + position},
		{raw([]byte(`{"v":"meta.k8s.io/v1","rv":-2,"start":"/a"}`)), not + position},
		{raw([]byte(`{"v":"meta.k8s.io/v1","rv":3}`)), not + position},
		{raw([]byte(`{"v":"meta.k8s.io/v1","rv":3,"start":"a"}`)), not + position},
	} {
		if got, err := ParseContinue(c.token); got != nil || refused(err) != c.want {
			t.Errorf("%q: %+v\n got %v\nwant %s", c.token, got, err, c.want)
		}
	}
	// Unknown keys and another order are a later server's business.
	if got, err := ParseContinue(raw([]byte(`{"start":"/a","more":1,"rv":3,"v":"meta.k8s.io/v1"}`))); err != nil || got.Start != "/a" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzParseContinue: what is a token has a place to go on from, and is the same when it is
// written again.
func FuzzParseContinue(f *testing.F) {
	f.Add("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzAsInN0YXJ0IjoiL2QyXHUwMDAwIn0")
	f.Add("e30")
	f.Add(ContinueToken{ContinueVersion, -1, "/ns/\xff\x00"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseContinue(text)
		if err != nil {
			return
		}
		if got.Version != ContinueVersion || got.Revision != -1 && got.Revision < 1 || !strings.HasPrefix(got.Start, "/") {
			t.Fatalf("%q is %+v", text, got)
		}
		if again, err := ParseContinue(got.String()); err != nil || *again != *got {
			t.Fatalf("%q: %+v became %+v (%v)", text, got, again, err)
		}
	})
}

// pages goes through a list by a limit, and returns the names of all pages. between is called
// between two pages.
func (s *readServer) pages(path string, limit int, between func()) (names, versions []string) {
	s.Helper()
	query, before := fmt.Sprintf("?limit=%d", limit), 0
	for next := ""; ; {
		list := s.must(200, "GET "+path+query+next, "")
		names = append(names, itemNames(list)...)
		versions = append(versions, tree.Text(list, "metadata", "resourceVersion"))
		remaining, said := tree.At(list, "metadata", "remainingItemCount").(int64)
		token := tree.Text(list, "metadata", "continue")
		if said != (token != "") {
			s.Errorf("continue %q with remainingItemCount %v", token, tree.At(list, "metadata", "remainingItemCount"))
		}
		if before > 0 && int64(before-len(tree.List(list, "items"))) != remaining {
			s.Errorf("%d remained, a page of %d came, and %d remain", before, len(tree.List(list, "items")), remaining)
		}
		if token == "" {
			return names, versions
		}
		before, next = int(remaining), "&continue="+token
		between()
	}
}

// TestPagesOfOneState: pages of any size are the list, and stay of the first page's state
// however the objects change meanwhile.
func TestPagesOfOneState(t *testing.T) {
	s := newReadServer(t, 10_000)
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprintf("m-%02d", i))
	}
	s.addMaps(readMaps, want...)
	s.addMaps("/api/v1/namespaces/other/configmaps", "a", "m-05", "z")
	n := 0
	for limit := 1; limit <= len(want)+1; limit++ {
		names, versions := s.pages(readMaps, limit, func() {
			// One comes and goes before the page that is next, and one behind it.
			n++
			s.addMaps(readMaps, fmt.Sprint("a-", n), fmt.Sprint("z-", n))
			s.must(200, fmt.Sprint("DELETE ", readMaps, "/a-", n), "")
			s.must(200, fmt.Sprint("DELETE ", readMaps, "/z-", n), "")
			s.must(200, "PATCH "+readMaps+"/m-22", fmt.Sprintf(`{"data":{"n":"%d"}}`, n))
		})
		if !slices.Equal(names, want) {
			t.Errorf("limit %d: %v", limit, names)
		}
		if len(slices.Compact(versions)) != 1 {
			t.Errorf("limit %d: pages of revisions %v", limit, versions)
		}
	}
	// All namespaces, whose keys have slashes.
	names, _ := s.pages("/api/v1/configmaps", 4, func() {})
	if want := append(slices.Clone(want), "a", "m-05", "z"); !slices.Equal(names, want) {
		t.Errorf("all namespaces: %v", names)
	}
}

// TestForeignTokens: a token of another list, or one that a client has made, shows nothing that
// the list would not.
func TestForeignTokens(t *testing.T) {
	s := newReadServer(t, 1000)
	s.addMaps(readMaps, "b", "c")
	s.addMaps("/api/v1/namespaces/other/configmaps", "secret")
	s.must(201, "POST /api/v1/namespaces/default/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"d"}}`)
	rev := s.Store.Revision()
	for start, want := range map[string]string{
		"/":               "[b c]",
		"/b":              "[b c]",
		"/b\x00":          "[c]",
		"/c\x00":          "[]",
		"/other/":         "[]", // as a name behind the prefix of default, which has none such
		"//other/secret":  "[b c]",
		"/../other/":      "[b c]",
		"/\x00":           "[b c]",
		"/b/../../other/": "[c]",
		"/\xff":           "[]",
	} {
		for _, at := range []int64{rev, -1} {
			list := s.must(200, "GET "+readMaps+"?continue="+ContinueToken{ContinueVersion, at, start}.String(), "")
			if got := fmt.Sprint(itemNames(list)); got != want {
				t.Errorf("%q at %d: %s, want %s", start, at, got, want)
			}
		}
	}
	// The token of all namespaces in the list of one, and the other way round.
	all := s.must(200, "GET /api/v1/configmaps?limit=2", "")
	if got := fmt.Sprint(itemNames(s.must(200, "GET "+readMaps+"?continue="+tree.Text(all, "metadata", "continue"), ""))); got != "[]" {
		t.Errorf("the token of all namespaces shows %s", got)
	}
	one := s.must(200, "GET "+readMaps+"?limit=1", "")
	if got := fmt.Sprint(itemNames(s.must(200, "GET /api/v1/configmaps?continue="+tree.Text(one, "metadata", "continue"), ""))); got != "[b c secret]" {
		t.Errorf("the token of a namespace shows %s", got)
	}
}

// TestTokenOfTheFuture: a revision that is not there yet is waited for, as any.
func TestTokenOfTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReadServer(t, 1000)
		rev := s.Store.Revision()
		token := ContinueToken{ContinueVersion, rev + 1, "/a"}.String()
		if got, want := s.refusal(s.ask("GET "+readMaps+"?continue="+token, "")), fmt.Sprintf("504 Timeout: Timeout: Too large resource version: %d, current: %d", rev+1, rev); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		time.AfterFunc(time.Second, func() { s.addMaps(readMaps, "x") })
		if got := fmt.Sprint(itemNames(s.must(200, "GET "+readMaps+"?continue="+token, ""))); got != "[x]" {
			t.Errorf("after it has come: %s", got)
		}
	})
}

// TestTokensExpire: when the log no longer reaches back, the list can go on at the same key
// with the present, by a token that is in the refusal.
func TestTokensExpire(t *testing.T) {
	s := newReadServer(t, 5)
	s.addMaps(readMaps, "b", "d", "f", "h")
	token := tree.Text(s.must(200, "GET "+readMaps+"?limit=2", ""), "metadata", "continue")
	s.addMaps(readMaps, "a", "c", "e", "g", "i", "k")
	w := s.ask("GET "+readMaps+"?limit=2&continue="+token, "")
	const want = "410 Expired: The provided continue token is too old: it can no longer show the list as it was at its first page. Begin again without it, or go on with the token in this answer, which shows what remains of the list as it is now."
	if got := s.refusal(w); got != want {
		t.Errorf("got %s", got)
	}
	told, _, _ := tree.ParseJSONObject(w.Body.Bytes())
	next, err := ParseContinue(tree.Text(told, "metadata", "continue"))
	if err != nil || *next != (ContinueToken{ContinueVersion, -1, "/d\x00"}) {
		t.Fatalf("%+v, %v", next, err)
	}
	list := s.must(200, "GET "+readMaps+"?limit=3&continue="+next.String(), "")
	if got := fmt.Sprint(itemNames(list)); got != "[e f g]" || tree.Text(list, "metadata", "resourceVersion") != fmt.Sprint(s.Store.Revision()) {
		t.Errorf("it goes on with %s: %v", got, list["metadata"])
	}
	// From there it is of one state again.
	again, err := ParseContinue(tree.Text(list, "metadata", "continue"))
	if err != nil || again.Revision != s.Store.Revision() || again.Start != "/g\x00" {
		t.Errorf("%+v, %v", again, err)
	}
	// Without a token there is none to go on with.
	w = s.ask("GET "+readMaps+"?resourceVersionMatch=Exact&resourceVersion=3", "")
	if got := s.refusal(w); got != "410 Expired: The resourceVersion for the provided list is too old." || strings.Contains(w.Body.String(), "continue") {
		t.Errorf("got %s", w.Body)
	}
}

// TestFirstOf: a limit at, below and above the number of objects; the room is not the client's
// to choose.
func TestFirstOf(t *testing.T) {
	s := newReadServer(t, 100)
	s.addMaps(readMaps, "a", "b", "c")
	for limit, want := range map[int64]string{1: "1 true", 2: "2 true", 3: "3 false", 4: "3 false", 1 << 60: "3 false"} {
		sn := s.Store.Bucket("configmaps").Now()
		page, more := firstOf(sn.Scan("default/", ""), limit)
		if got := fmt.Sprint(len(page), more); got != want {
			t.Errorf("limit %d: %s, want %s", limit, got, want)
		}
		if cap(page) > 1000 {
			t.Errorf("limit %d made room for %d", limit, cap(page))
		}
	}
}
