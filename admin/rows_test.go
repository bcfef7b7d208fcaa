package admin

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// thing has a field of each kind that a list may have.
type thing struct {
	ID      string       `json:"id"`
	Count   int          `json:"count"`
	Hits    uint64       `json:"hits"`
	Bytes   int64        `json:"bytesOut"`
	On      bool         `json:"on"`
	Status  *int         `json:"status"`
	Owner   *string      `json:"owner"`
	Note    string       `json:"note"`
	Seen    Time         `json:"seen"`
	AgeMs   float64      `json:"ageMs"`
	TookMs  *float64     `json:"durationMs"`
	Tags    List[string] `json:"tags"`
	By      Map[int]     `json:"by"`
	Inside  Routes       `json:"inside"`
	Further *Ref         `json:"further"`
}

func things() []thing {
	at := func(s string) Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		return Time(v)
	}
	return []thing{
		{ID: "a", Count: 10, Hits: 3, On: true, Status: num(200), Owner: ptr("core"), Note: "5ab", Seen: at("2026-11-23T05:20:00Z"), AgeMs: 5.5},
		{ID: "b", Count: 9, Status: num(503), Owner: ptr("core-x"), Note: "5xx", AgeMs: 100},
		{ID: "c", Count: -1, Hits: 3, Status: nil, Owner: nil, Note: "", Seen: at("2026-11-23T05:19:00Z"), AgeMs: 99.9},
		{ID: "d", Count: 10, Status: num(500), Owner: ptr(""), Note: "null", AgeMs: 1e6},
	}
}

func ptr(s string) *string { return &s }
func num(n int) *int       { return &n }

func TestChoosing(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"", "a b c d"},
		{"id=a", "a"},
		{"id=a&id=c", "a c"},
		{"id=nope", ""},
		{"owner=core", "a"},
		{"owner=core*", "a b"},
		{"owner=*", "a b"},
		{"owner=", "c d"},
		{"owner=null", ""},
		{"note=null", "d"},
		{"note=5xx", "b"},
		{"note=", "c"},
		{"note=*", "a b d"},
		{"hits=0", "b d"},
		{"hits=3", "a c"},
		{"count=1*", "a d"},
		{"count=-1", "c"},
		{"on=true", "a"},
		{"on=false", "b c d"},
		{"status=5xx", "b d"},
		{"status=2xx&status=503", "a b"},
		{"status=xx", ""},
		{"status=5*", "b d"},
		{"status=*", "a b d"},
		{"seen=2026-11-23T05:20*", "a"},
		{"seen=*", "a c"},
		{"ageMs=5.5", "a"},
		{"ageMs=1000000", "d"},
		{"minMs=100", "b d"},
		{"minMs=99.9", "b c d"},
		{"minMs=-1", "a b c d"},
		{"id=b&id=c&minMs=100", "b"},
		{"owner=core&hits=0", ""},
		{"sort=count", "c b a d"},
		{"sort=-count", "a d b c"},
		{"sort=status", "c a d b"},
		{"sort=-status", "b d a c"},
		{"sort=seen", "b d c a"},
		{"sort=note", "c a b d"},
		{"sort=on", "b c d a"},
		{"limit=2", "a b"},
		{"limit=0", ""},
		{"limit=9", "a b c d"},
		{"sort=-id&limit=1", "d"},
		{"hits=3&sort=-id&limit=1", "c"},
		{"pretty=true&wide=false", "a b c d"},
	} {
		if got := chosen(t, c.query); got != c.want {
			t.Errorf("?%s: %q, want %q", c.query, got, c.want)
		}
	}
}

func chosen(t *testing.T, query string) string {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	c, refused := parseRowQuery(q, thing{})
	if refused != nil {
		t.Fatalf("?%s: %v", query, refused)
	}
	var out []string
	for _, row := range c.page(c.matching(toRows(things()))) {
		out = append(out, row.(thing).ID)
	}
	return strings.Join(out, " ")
}

// Rows that are equal stay in the list's order, however many there are.
func TestSortIsStable(t *testing.T) {
	var rows []any
	for i := range 200 {
		rows = append(rows, thing{Count: i, On: i%2 == 0})
	}
	c, err := parseRowQuery(url.Values{"sort": {"-on"}}, thing{})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range c.page(rows) {
		if got, want := row.(thing).Count, i%100*2+i/100; got != want {
			t.Fatalf("row %d is %d, want %d", i, got, want)
		}
	}
}

func TestWrongQuery(t *testing.T) {
	for query, want := range map[string]string{
		"nope=1":           `unknown query parameter "nope": known are id, count, hits, bytesOut, on, status, owner, note, seen, ageMs, durationMs, sort, limit, minMs, pretty, wide`,
		"zz=1&aa=1":        `unknown query parameter "aa"`, // the same one each time
		"tags=x":           `unknown query parameter "tags"`,
		"by=x":             `unknown query parameter "by"`,
		"inside=x":         `unknown query parameter "inside"`,
		"further=x":        `unknown query parameter "further"`,
		"ID=a":             `unknown query parameter "ID"`,
		"=":                `unknown query parameter ""`,
		"sort=tags":        `query parameter sort: "tags" is not one of id, count`,
		"sort=":            `query parameter sort: "" is not`,
		"sort=--id":        `query parameter sort: "--id" is not`,
		"sort=id&sort=id":  `query parameter sort: "id, id" is not one value`,
		"limit=-1":         `query parameter limit: "-1" is not a number from 0 on`,
		"limit=1.5":        `query parameter limit: "1.5" is not`,
		"limit=":           `query parameter limit: "" is not`,
		"limit=1&limit=2":  `query parameter limit: "1, 2" is not one value`,
		"minMs=NaN":        `query parameter minMs: "NaN" is not a number of milliseconds`,
		"minMs=x":          `query parameter minMs: "x" is not`,
		"pretty=yes":       `query parameter pretty: "yes" is not true or false`,
		"wide=":            `query parameter wide: "" is not true or false`,
		"note=%0a&n%0a=1":  `unknown query parameter "n\n"`,
		"limit=1%0d%0aX:1": `"1\r\nX:1"`,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		_, refused := parseRowQuery(q, thing{})
		if refused == nil || refused.Code != 400 || refused.Reason != "BadRequest" || !strings.Contains(refused.Message, want) {
			t.Errorf("?%s: %v, want %q", query, refused, want)
		}
	}
	// Without an age there is no minMs.
	if _, err := parseRowQuery(url.Values{"minMs": {"1"}}, Option{}); err == nil || !strings.Contains(err.Message, `unknown query parameter "minMs"`) {
		t.Errorf("minMs on options: %v", err)
	}
}

// The contract's own examples, on its own data.
func TestChoosingOverHTTP(t *testing.T) {
	src := newFake(t)
	r := src.routes[0]
	r.ID, r.Hits, r.Server = "never-hit", 0, "extensions"
	src.routes = append(src.routes, r)
	h := handlerOf(t, src)
	for _, c := range []struct{ path, want string }{
		{"/admin/v1/routes?hits=0", "never-hit"},
		{"/admin/v1/routes?server=core&hits=0", ""},
		{"/admin/v1/routes?shadowedBy=*", ""},
		{"/admin/v1/routes?sort=-hits&limit=1", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps"},
		{"/admin/v1/inflight?id=48211", "48211"},
		{"/admin/v1/inflight?minMs=431.3", ""},
		{"/admin/v1/inflight?status=2xx", "48211"},
		{"/admin/v1/hooks?id=post-start/warm-cache&state=running", "post-start/warm-cache"},
		{"/admin/v1/timeline?kind=signal", "31"},
		{"/admin/v1/timeline?minMs=0.5", "12"},
		{"/admin/v1/timeline?minMs=0", "12"}, // an instant has no duration
		{"/admin/v1/chain?listener=http", ""},
		{"/admin/?path=/admin/*&sort=-path&limit=2", "watches timeline"},
		{"/admin/?path=/debug*", "debug/pprof"},
	} {
		if got := ids(t, ask(t, h, c.path)); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	for _, name := range lists {
		body := decode(t, ask(t, h, "/admin/v1/"+name+"?limit=0"))
		if total, items := body["total"].(float64), body["items"].([]any); total < 1 || len(items) != 0 {
			t.Errorf("%s?limit=0: total %v with %d items, want all counted and none shown", name, total, len(items))
		}
	}
}

// Every key of an item that JSON shows as a string, number, truth value or null of one
// can be chosen, and no other.
func TestScalarsAreWhatJSONShows(t *testing.T) {
	_, names := scalarFields(reflect.TypeFor[thing]())
	want := []string{"id", "count", "hits", "bytesOut", "on", "status", "owner", "note", "seen", "ageMs", "durationMs"}
	if !slices.Equal(names, want) {
		t.Errorf("names\n got %v\nwant %v", names, want)
	}
}

// Whatever a query holds, it is refused with 400 or keeps a part of the rows, each once:
// those of one condition more are among those of one less, and order and limit lose none.
func FuzzChoice(f *testing.F) {
	for _, s := range []string{"", "id=a", "owner=core*&sort=-count", "status=5xx&limit=1", "minMs=1e3", "sort=-seen&pretty=true", "a=%zz", "limit=99999999999999999999", "note=*&note=", "tags=x;id=a", "status=*xx"} {
		f.Add(s)
	}
	all := toRows(things())
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		c, refused := parseRowQuery(q, thing{})
		if refused != nil {
			if refused.Code != 400 || len(refused.Message) > 1024 {
				t.Fatalf("refused with %d %q", refused.Code, refused.Message)
			}
			return
		}
		kept := c.matching(all)
		shown := c.page(slices.Clone(kept))
		if want := len(kept); len(shown) != want && len(shown) != c.limit || len(shown) > want {
			t.Fatalf("%d shown of %d, limit %d", len(shown), want, c.limit)
		}
		seen := map[string]bool{}
		for _, row := range shown {
			id := row.(thing).ID
			if seen[id] || !slices.ContainsFunc(kept, func(k any) bool { return k.(thing).ID == id }) {
				t.Fatalf("%s is shown twice or was not kept", id)
			}
			seen[id] = true
		}
		for _, name := range slices.Sorted(maps.Keys(q)) {
			less := maps.Clone(q)
			delete(less, name)
			wider, refused := parseRowQuery(less, thing{})
			if refused != nil {
				t.Fatalf("without %s: %v", name, refused)
			}
			if n := len(wider.matching(all)); n < len(kept) {
				t.Fatalf("without %s %d rows match, with it %d", name, n, len(kept))
			}
		}
	})
}

// asJSON returns the fields of a row by key as JSON shows them: a text without its quotes,
// "" for null. What is an object or a list is left out.
func asJSON(t testing.TB, row any) map[string]string {
	t.Helper()
	b, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, v := range raw {
		var s string
		switch {
		case v[0] == '[' || v[0] == '{':
			continue
		case v[0] == '"':
			if err := json.Unmarshal(v, &s); err != nil {
				t.Fatal(err)
			}
		case string(v) != "null":
			s = string(v)
		}
		out[key] = s
	}
	return out
}

// TestSelectingIsOfWhatJSONShows compares the rows that a query keeps with a model that
// knows nothing of Go types: it compares the texts of the JSON.
func TestSelectingIsOfWhatJSONShows(t *testing.T) {
	const seed = 20261130
	r := rand.New(rand.NewPCG(seed, 0))
	rows := toRows(things())
	var shown []map[string]string
	for _, row := range rows {
		shown = append(shown, asJSON(t, row))
	}
	_, names := scalarFields(reflect.TypeFor[thing]())
	for n := range 5000 {
		query := url.Values{}
		for range 1 + r.IntN(3) {
			name := names[r.IntN(len(names))]
			// A value that is there, a part of it as a prefix, or one that is nowhere.
			value := shown[r.IntN(len(shown))][name]
			switch r.IntN(4) {
			case 0:
				value = value[:r.IntN(len(value)+1)] + "*"
			case 1:
				value = []string{"*", "", "null", "5xx", "0", "zz"}[r.IntN(6)]
			}
			query.Add(name, value)
		}
		q, refused := parseRowQuery(query, thing{})
		if refused != nil {
			t.Fatal(refused)
		}
		var want []any
		for i, row := range rows {
			keeps := true
			for name, values := range query {
				have := shown[i][name]
				keeps = keeps && slices.ContainsFunc(values, func(value string) bool {
					prefix, starred := strings.CutSuffix(value, "*")
					return have == value || starred && have != "" && strings.HasPrefix(have, prefix) ||
						name == "status" && len(have) == 3 && value == have[:1]+"xx"
				})
			}
			if keeps {
				want = append(want, row)
			}
		}
		if got := q.matching(rows); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, %d: ?%s keeps %d rows, want %d", seed, n, query.Encode(), len(got), len(want))
		}
	}
}

// TestSortingEveryField: rising is an order of the values (null first, numbers by size,
// times and texts by their text), falling is its mirror, and neither loses a row.
func TestSortingEveryField(t *testing.T) {
	fields, names := scalarFields(reflect.TypeFor[thing]())
	for _, name := range names {
		values := func(query string) (out []scalar) {
			q, refused := parseRowQuery(url.Values{"sort": {query}}, thing{})
			if refused != nil {
				t.Fatal(refused)
			}
			for _, row := range q.page(toRows(things())) {
				out = append(out, scalarOf(reflect.ValueOf(row).FieldByIndex(fields[name])))
			}
			return out
		}
		rising, falling := values(name), values("-"+name)
		if len(rising) != len(things()) {
			t.Errorf("sort=%s shows %d rows", name, len(rising))
		}
		for i := 1; i < len(rising); i++ {
			a, b := rising[i-1], rising[i]
			if b.null && !a.null || !a.null && a.isNumber && a.number > b.number || !a.null && !a.isNumber && a.text > b.text {
				t.Errorf("sort=%s: %+v comes before %+v", name, a, b)
			}
			if a.compare(b) > 0 || b.compare(a) < 0 || a.compare(a) != 0 {
				t.Errorf("%+v and %+v compare as %d and %d", a, b, a.compare(b), b.compare(a))
			}
		}
		slices.Reverse(falling)
		if !reflect.DeepEqual(rising, falling) {
			t.Errorf("sort=%s is no mirror of sort=-%s:\n%v\n%v", name, name, rising, falling)
		}
	}
}

// TestMatchesAny: the star is special at the end alone, and nothing else ever is.
func TestMatchesAny(t *testing.T) {
	for _, c := range []struct {
		values string // with |
		have   string
		want   bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"a|b", "b", true}, {"a|b", "c", false},
		{"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"a*", "", false},
		{"*", "a", true}, {"*", "", false}, {"*|", "", true}, {"", "", true}, {"", "a", false},
		{"**", "*a", true}, {"**", "a", false}, {"*a", "ba", false}, {"*a", "*a", true}, {"a*b", "axb", false}, {"a*b", "a*b", true},
		{"[ab]", "a", false}, {"a.", "ab", false}, {"null", "", false}, {"é*", "éa", true}, {"5xx", "503", false},
	} {
		if got := MatchesAny(strings.Split(c.values, "|"), c.have); got != c.want {
			t.Errorf("%q among %q: %v", c.have, c.values, got)
		}
	}
	if MatchesAny(nil, "") || MatchesAny(nil, "a") {
		t.Error("no value matches something")
	}
}
