package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The names, in the order a request meets them. The admin contract has the same list.
var (
	wantPlain = []string{"canonical-path", "host-and-origin", "panic-recovery", "cache-control", "warning-recorder", "request-info",
		"wait-group", "timeout", "cors", "authentication", "audit", "max-in-flight", "fault-injection"}
	wantSecure = []string{"canonical-path", "audit-init", "panic-recovery", "mux-and-discovery-complete", "received-timestamp", "request-info",
		"latency-tracking", "access-record", "retry-after", "hsts", "cache-control", "goaway", "watch-termination", "wait-group", "deadline", "timeout",
		"warning-recorder", "cors", "authentication", "audit", "impersonation", "max-in-flight", "authorization", "fault-injection"}
)

func TestChainOrder(t *testing.T) {
	p := newTestProgram(t)
	for listener, want := range map[string][]string{"http": wantPlain, "https": wantSecure} {
		var got []string
		for _, r := range p.chain(listener).rows {
			got = append(got, r.name)
			if r.why == "" {
				t.Errorf("%s: row %s does not say why it stands where it stands", listener, r.name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: order\n got %q\nwant %q", listener, got, want)
		}
	}
}

// TestChainConstraints holds the order by its reasons, so that a new filter finds its place.
func TestChainConstraints(t *testing.T) {
	p := newTestProgram(t)
	for _, c := range []struct{ outer, inner, why string }{
		{"canonical-path", "request-info", "what is decided on must have one spelling"},
		{"canonical-path", "authorization", "the string that is authorised is the string that is routed"},
		{"host-and-origin", "authentication", "a web page must not become the superuser"},
		{"panic-recovery", "request-info", "a panic anywhere inside is contained"},
		{"panic-recovery", "wait-group", "a panic must not lose a count"},
		{"request-info", "wait-group", "long-running requests do not count"},
		{"request-info", "timeout", "long-running requests have no limit"},
		{"request-info", "audit", "the policy asks for verb and resource"},
		{"request-info", "max-in-flight", "the verb says which limit"},
		{"retry-after", "wait-group", "429 is the answer while stopping, not 503"},
		{"hsts", "authentication", "a 401 carries it too"},
		{"cache-control", "authentication", "a 401 must not be cached"},
		{"wait-group", "timeout", "a stop waits for the answer of the time limit"},
		{"deadline", "timeout", "one sets what the other enforces"},
		{"deadline", "authentication", "identity must be found within the deadline"},
		{"timeout", "max-in-flight", "an abandoned handler keeps its place"},
		{"cors", "authentication", "a preflight carries no credentials"},
		{"authentication", "audit", "the event names the user"},
		{"audit", "impersonation", "the event keeps the real user"},
		{"audit", "max-in-flight", "a 429 is recorded"},
		{"audit", "authorization", "a 403 is recorded"},
		{"impersonation", "max-in-flight", "masters pass above the limit"},
		{"impersonation", "authorization", "the effective user is judged"},
		{"max-in-flight", "authorization", "a flood costs no decisions"},
		{"authorization", "fault-injection", "a refusal stays a refusal"},
		{"timeout", "fault-injection", "a delayed request has its time limit"},
		{"max-in-flight", "fault-injection", "a delayed request holds its place"},
		{"audit", "fault-injection", "what a fault answers is recorded"},
	} {
		for _, ch := range p.chains {
			o, i := ch.position(c.outer), ch.position(c.inner)
			if o >= 0 && i >= 0 && o >= i {
				t.Errorf("%s: %s (row %d) must be outside %s (row %d): %s", ch.listener, c.outer, o, c.inner, i, c.why)
			}
			if ch.listener == "https" && c.outer != "host-and-origin" && (o < 0 || i < 0) {
				t.Errorf("https: no row %s or %s", c.outer, c.inner)
			}
		}
	}
}

// TestChainRunsItsRows: what is shown is what runs. Each row is entered once, in order,
// by a request that passes; rows that are off are not.
func TestChainRunsItsRows(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	for _, listener := range []string{"http", "https"} {
		var entered []string
		rows := map[string][]row{"http": plainRows(p), "https": secureRows(p)}[listener]
		for i := range rows {
			r := &rows[i]
			if r.off != "" {
				continue
			}
			inner := r.step
			r.step = func(x *exchange, next handler) error {
				entered = append(entered, r.name)
				if inner == nil {
					return next(x)
				}
				return inner(x, next)
			}
		}
		c := newChain(p, listener, rows)
		var want []string
		for _, r := range rows {
			if r.off == "" {
				want = append(want, r.name)
			}
		}
		w := &sink{h: http.Header{}}
		r, _ := http.NewRequest("GET", "http://localhost/nowhere", nil)
		r.Header.Set("Authorization", "Bearer admin-token")
		c.ServeHTTP(w, r)
		if !slices.Equal(entered, want) {
			t.Errorf("%s: entered\n got %q\nwant %q", listener, entered, want)
		}
	}
}

// TestChainCounts: passed and answered are derived from where requests end, so they
// must add up: what passed a row and what it answered is what passed the row before.
func TestChainCounts(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	c := p.chain("https")
	sent := uint64(0)
	send := func(method, path, token string) {
		sent++
		r, err := http.NewRequest(method, "https://localhost"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		c.ServeHTTP(&sink{h: http.Header{}}, r)
	}
	send("GET", "/livez/ping", "admin-token")
	send("GET", "/nowhere", "admin-token")
	send("GET", "/nowhere", "wrong")
	send("GET", "/nowhere", "bob-token")
	send("GET", "/a/../b", "admin-token")
	send("GET", "/livez/ping?timeout=x", "admin-token")
	want := map[string]string{
		"canonical-path": "5 passed, 400:1", "audit-init": "5 passed,", "deadline": "4 passed, 400:1",
		"authentication": "3 passed, 401:1", "authorization": "2 passed, 403:1",
	}
	passed := c.passed()
	before := sent
	for i, r := range c.rows {
		answered, rejected := c.answered[i].counts()
		text := fmt.Sprintf("%d passed,", passed[i])
		var sum uint64
		for code, n := range answered {
			text += fmt.Sprintf(" %s:%d", code, n)
			sum += n
		}
		if w, ok := want[r.name]; ok && text != w {
			t.Errorf("%s: got %q, want %q", r.name, text, w)
		}
		if passed[i]+sum != before {
			t.Errorf("%s: %d passed and %d answered of %d that came", r.name, passed[i], sum, before)
		}
		if rejected != sum {
			t.Errorf("%s: rejected %d, want %d", r.name, rejected, sum)
		}
		before = passed[i]
	}
	n := 0
	c.table.each(func(*exchange) { n++ })
	if n != 0 {
		t.Errorf("%d requests are still in the table", n)
	}
}

// TestMapOfTheHouse: the package comment names every file once, the embedded one too, and
// no file that is not there.
func TestMapOfTheHouse(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\npackage main")
	var listed []string
	for line := range strings.SplitSeq(head, "\n") {
		if f := strings.Fields(strings.TrimPrefix(line, "//\t")); len(f) > 1 && strings.HasPrefix(line, "//\t") && (filepath.Ext(f[0]) == ".go" || strings.HasPrefix(f[0], "internal/")) {
			if slices.Contains(listed, f[0]) {
				t.Errorf("main.go's map names %s twice", f[0])
			}
			listed = append(listed, f[0])
		}
	}
	var there []string
	for _, pattern := range []string{"*.go", "internal/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if strings.HasSuffix(f, "_test.go") || strings.HasPrefix(f, "listen_") {
				continue
			}
			there = append(there, filepath.ToSlash(f))
			if !slices.Contains(listed, filepath.ToSlash(f)) {
				t.Errorf("main.go's map does not name %s", f)
			}
		}
	}
	for _, f := range listed {
		if !slices.Contains(there, f) {
			t.Errorf("main.go's map names %s, which is not there", f)
		}
	}
}

// layers holds which package of the program may import which other one, and why. Arrows go
// down only. A new one is a decision: it is made here, with its reason.
var layers = map[string]map[string]string{
	"internal/tree":        {},
	"internal/field":       {"internal/tree": "an error shows the wrong value as JSON"},
	"internal/status":      {"internal/field": "the causes of a Status are errors of fields", "internal/tree": "a Status is also written as YAML"},
	"internal/selector":    {"internal/status": "a selector that cannot be read is a 400", "internal/field": "labels obey the rules for names"},
	"internal/request":     {"internal/selector": "a field selector may name one object", "internal/status": "a path may be refused"},
	"internal/quantity":    {},
	"internal/cel":         {"internal/cel/syntax": "it checks and evaluates what was read"},
	"internal/cel/syntax":  {},
	"internal/cel/library": {"internal/cel": "functions are overloads over its values", "internal/cel/syntax": "some are macros", "internal/quantity": "quantities are values"},
	"internal/kinds":       {"internal/fieldset": "a type says how its fields are owned", "internal/field": "a value without the form of its type is an error of a field", "internal/quantity": "a quantity has a form", "internal/tree": "rules of kinds read and change trees"},
	"internal/strategy": {
		"internal/cel":        "an expression is of a type",
		"internal/expression": "expressions of policies compile",
		"internal/field":      "what is wrong with an object is errors of fields",
		"internal/kinds":      "rules belong to types, strategies to kinds",
		"internal/quantity":   "resources are quantities",
		"internal/schema":     "definitions have defaults",
		"internal/selector":   "selectors select labels",
		"internal/tree":       "objects are trees",
	},
	"internal/schema": {
		"internal/cel":         "rules of schemas are expressions",
		"internal/cel/library": "they call its functions",
		"internal/cel/syntax":  "some names are reserved",
		"internal/field":       "what is wrong with an object is errors of fields",
		"internal/fieldset":    "a schema says how its fields are owned",
		"internal/tree":        "schemas are trees, and are asked about trees",
	},
	"internal/fieldset": {
		"internal/tree": "objects are trees",
	},
	"internal/patch": {
		"internal/fieldset": "apply counts who owns which fields",
		"internal/kinds":    "strategic merge follows the types of kinds",
		"internal/status":   "a patch that cannot be applied is a 4xx",
		"internal/tree":     "patches are trees that change trees",
	},
	"internal/store": {
		"internal/tree": "an object is encoded once, when it is written",
	},
	"internal/journal": {
		"internal/store": "it keeps the commits of a store",
	},
	"internal/etcd": {
		"internal/etcd/wire": "etcd is spoken to in its messages",
		"internal/store":     "it keeps the writes of a store",
	},
	"internal/openapi": {
		"internal/tree": "documents are trees",
	},
	"internal/managed": {
		"internal/fieldset": "an entry has a set of fields",
		"internal/patch":    "who owns what after a write is its matter",
		"internal/tree":     "objects are trees",
	},
	"internal/discovery": {
		"internal/kinds":   "built-in kinds are shown from their table",
		"internal/openapi": "documents of other servers are merged into ours",
		"internal/request": "the Accept header chooses the form",
		"internal/status":  "refusals",
		"internal/tree":    "schemas of definitions are trees",
	},
	"internal/audit": {
		"internal/field":   "a rule names API groups",
		"internal/request": "rules and events tell of requests and users",
		"internal/status":  "an event has the Status of its answer",
		"internal/tree":    "a policy is a file in YAML",
	},
	"internal/auth": {
		"internal/field":   "a service account's name obeys the rules for names",
		"internal/request": "it finds users and judges what they ask for",
		"internal/status":  "a refusal is a 401 or a 403",
		"internal/tree":    "its configuration is YAML",
	},
	"internal/allocator": {
		"internal/field": "addresses have a form", "internal/status": "refusals", "internal/store": "stored services say what is taken", "internal/strategy": "what of a service's addresses goes together",
		"internal/tree": "services are trees",
	},
	"internal/storage": {
		"internal/kinds": "a kind's row says where its objects are, and its type how they are read", "internal/schema": "a definition has defaults and selectable fields",
		"internal/store": "drafts are what is written and read", "internal/tree": "what is read is checked as a tree",
	},
	"internal/api": {
		"internal/allocator": "services get addresses and ports", "internal/auth": "access reviews ask the authorizer, token requests are signed", "internal/discovery": "a definition that is served is put into the catalog",
		"internal/fieldset": "a resource says how its objects are owned", "internal/managed": "each write counts who owns which fields",
		"internal/field": "what is wrong with an object is errors of fields", "internal/kinds": "a resource is a row of kinds", "internal/patch": "the patch verb",
		"internal/request": "a call has the scope of its request", "internal/schema": "the shape of a custom resource is a schema", "internal/selector": "lists and watches select",
		"internal/status": "refusals", "internal/storage": "of a definition, the values that are kept beside objects", "internal/store": "the verbs are over the store", "internal/strategy": "a built-in kind has rules that no row can say", "internal/tree": "objects are trees while they change",
	},
	harness: {
		"internal/api": "it serves an API without a chain", "internal/auth": "requests are authenticated", "internal/controller": "controllers run beside it",
		"internal/discovery": "an API has a catalog", "internal/strategy": "an API has the table of kinds", "internal/request": "it puts a scope into the context", "internal/status": "refusals of the handler in front", "internal/store": "an API has a store",
		"internal/tree": "answers are read as trees",
	},
	"internal/admission": {
		"internal/api": "questions come from the steps of a write", "internal/auth": "some writes need a right beside that to write",
		"internal/field": "a label of a namespace may be invalid", "internal/kinds": "plugins are found by a resource's row", "internal/metrics": "questions are counted", "internal/quantity": "resources are counted",
		"internal/request": "the right is asked for as a request would", "internal/status": "refusals", "internal/tree": "objects are trees while they change",
	},
	"internal/controller": {
		"internal/api": "controllers write as clients do", "internal/field": "what is wrong with a snapshot is errors of fields", "internal/schema": "a snapshot may hold definitions",
		"internal/status": "refusals", "internal/store": "controllers follow the log", "internal/tree": "objects are trees while they change",
	},
	"internal/backend": {"internal/metrics": "calls are counted", "internal/request": "a wrong certificate is told the audit", "internal/tree": "services are trees"},
	"internal/expression": {
		"internal/auth": "expressions ask who may do what", "internal/cel": "expressions are compiled and evaluated", "internal/cel/library": "functions and the authorizer",
		"internal/metrics": "conditions are counted", "internal/request": "the authorizer is asked about requests", "internal/selector": "a selector that cannot be read is none",
		"internal/tree": "conditions are trees",
	},
	"internal/matching": {
		"internal/api": "questions come from the steps of a write", "internal/expression": "expressions see the question", "internal/field": "a refusal has causes", "internal/request": "who asks",
		"internal/selector": "selectors select by labels", "internal/status": "a namespace may be missing", "internal/tree": "rules are trees",
	},
	"internal/policy": {
		"internal/api": "questions come from the steps of a write", "internal/auth": "expressions ask who may do what", "internal/cel": "values are looked at", "internal/expression": "expressions are compiled and evaluated",
		"internal/field": "a refusal has causes", "internal/matching": "policies say which writes they are about", "internal/metrics": "evaluations are counted", "internal/patch": "a mutation is merged, or a JSON patch", "internal/request": "the time of a request is counted", "internal/selector": "parameters are selected by labels",
		"internal/status": "refusals", "internal/store": "policies are followed in the store", "internal/tree": "objects are trees",
	},
	"internal/webhook": {
		"internal/api": "questions come from the steps of a write", "internal/auth": "conditions ask who may do what", "internal/backend": "webhooks are backends", "internal/expression": "conditions are evaluated", "internal/field": "a refusal has causes", "internal/kinds": "objects say their group and version", "internal/matching": "webhooks say which writes they are about",
		"internal/metrics": "calls are counted", "internal/patch": "a webhook answers a patch", "internal/request": "a review names the user", "internal/selector": "selectors select by labels", "internal/status": "refusals",
		"internal/store": "configurations are followed in the store", "internal/tree": "objects are trees",
	},
	"internal/aggregation": {
		"internal/api": "the objects are looked up and written", "internal/backend": "other servers are backends",
		"internal/discovery": "what they have is put into the catalog", "internal/kinds": "built-in groups have priorities", "internal/metrics": "availability is a metric",
		"internal/openapi": "their documents are merged", "internal/request": "who asks is told them", "internal/schema": "a condition keeps its time",
		"internal/status": "refusals", "internal/store": "objects are followed", "internal/tree": "objects are trees",
	},
	"internal/conversion": {
		"internal/api": "it converts for the verbs", "internal/backend": "webhooks are backends", "internal/field": "what is wrong with labels is errors of fields",
		"internal/metrics": "calls are counted", "internal/request": "a review has a uid", "internal/tree": "objects are trees",
	},
	"internal/client": {"internal/tree": "a kubeconfig is YAML"},
	"internal/ctl": {
		"admin": "what is shown of an answer looks as the endpoint's own tables do", "internal/client": "it asks the admin endpoint", "internal/journal": "data is about the folder of one",
		"internal/cel": "an expression is evaluated by hand", "internal/expression": "one of a policy", "internal/field": "what is wrong with a definition is errors of fields",
		"internal/flags": "wrong flags are told in the words of the server", "internal/schema": "the rules of a definition are looked at", "internal/tree": "values are printed",
	},
	"internal/envtest": {"internal/flags": "wrong flags are told in the words of the server", "internal/tree": "JSON is printed"},
	"internal/standin": {"internal/client": "it is asked whether it is one"},
	"internal/kubectl": {
		"internal/client": "it asks an API server", "internal/flags": "flags and words come in any order", "internal/tree": "objects are trees while they are printed",
	},
	"admin": {},

	// What the serving core stands on and knows nothing of objects.
	"internal/atomicfile": {},
	"internal/flags":      {},
	"internal/kubeflags":  {},
	"internal/parent":     {},
	"internal/certs":      {"internal/atomicfile": "a generated certificate may be kept"},
	"internal/hub":        {},
	"internal/metrics":    {},
}

// harness is what tests of resources and controllers share. No file but tests may import it.
const harness = "internal/api/apitest"

// TestLayers: packages import what the table of layers lets them, and all of that. The root may
// import every room.
func TestLayers(t *testing.T) {
	folders, err := filepath.Glob("internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range folders {
		folders[i] = filepath.ToSlash(folders[i])
	}
	folders = append(folders, "admin", harness, "internal/cel/syntax", "internal/cel/library")
	for _, folder := range folders {
		allowed, ok := layers[folder]
		if !ok {
			t.Errorf("%s is not in the table of layers", folder)
		}
		used := map[string]bool{}
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				path, _ := strconv.Unquote(spec.Path.Value)
				room, ours := strings.CutPrefix(path, "apichain/")
				if !ours {
					// The rooms get their settings as a Config. The subcommands and the program under other names are
					// programs of their own, and internal/flags, which parses, has no flag of its own.
					if path == "flag" && !slices.Contains([]string{"internal/ctl", "internal/envtest", "internal/kubectl", "internal/flags"}, folder) {
						t.Errorf("%s imports flag: flags are registered in the root alone", name)
					}
					if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
						t.Errorf("%s imports %s, which is not of the standard library", name, path)
					}
					continue
				}
				used[room] = true
				if allowed[room] == "" {
					t.Errorf("%s imports %s: if that is wanted, say why in the table of layers", name, path)
				}
			}
		}
		for room := range allowed {
			if !used[room] {
				t.Errorf("the table of layers lets %s import %s, which it does not", folder, room)
			}
		}
	}
	own, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range own {
		if text, err := os.ReadFile(name); err != nil || !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), harness) {
			t.Errorf("%s imports %s (%v)", name, harness, err)
		}
	}
	for folder := range layers {
		if !slices.Contains(folders, folder) {
			t.Errorf("the table of layers has %s, which is not there", folder)
		}
	}
}
