package kubectl

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What TestGetForms expects was printed by kubectl v1.37.2 before the same server, and so were the messages
// of TestGetErrors but for three kinds: those that name this program, those about an answer that is no
// object, and a list that is refused, where kubectl's begins with "Unable to list".

// shop is an API server that has two resources and answers as its map says, by path and, for tables, by the
// form that is asked for. Questions are kept.
type shop struct {
	answers map[string]string
	asked   []string
}

// toys are the answers of a shop: some in namespace default, none in empty, and more than one kind of cell.
func toys() map[string]string {
	return map[string]string{
		"/api": `{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[
			{"resource":"toys","responseKind":{"kind":"Toy"},"scope":"Namespaced","singularResource":"toy","shortNames":["ty"]}]}]}]}`,
		"/apis": `{"items":[{"metadata":{"name":"shop.example.com"},"versions":[{"version":"v1","resources":[
			{"resource":"shelves","responseKind":{"kind":"Shelf"},"scope":"Cluster","singularResource":"shelf"}]}]}]}`,
		"/api/v1/namespaces/default/toys": `{"kind":"ToyList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[
			{"metadata":{"name":"car","namespace":"default","managedFields":[{"manager":"m"}]},"wheels":4},{"metadata":{"name":"doll",
				"namespace":"default"}}]}`,
		"/api/v1/namespaces/default/toys table": `{"kind":"Table","apiVersion":"meta.k8s.io/v1",
			"columnDefinitions":[{"name":"Name"},{"name":"V"},{"name":"Wide One","priority":2},{"name":"Last"}],
			"rows":[{"cells":["a",1,null,true]},{"cells":["y",10000000000000,"w","z","more"]},{"cells":["e\u001b[31m",["l"],{"a":1},"cr\rx"]},
			{"cells":["",1e21,null,"\n"]},{"cells":["é",1.5,null,"日本"]}]}`,
		"/api/v1/namespaces/default/toys/car": `{"kind":"Toy","apiVersion":"v1","metadata":{"name":"car",
			"managedFields":[{"manager":"m"}]},"a":"b\nc\n","n":"1","u":"é<>&"}`,
		"/api/v1/namespaces/default/toys/car table": `{"columnDefinitions":[{"name":"Name"},{"name":"W","priority":1}],
			"rows":[{"cells":["car","w"]}]}`,
		"/api/v1/namespaces/empty/toys":       `{"kind":"ToyList","apiVersion":"v1","items":[]}`,
		"/api/v1/namespaces/empty/toys table": `{"columnDefinitions":[{"name":"Name"}],"rows":[]}`,
		"/api/v1/toys":                        `{"kind":"ToyList","items":[{"metadata":{"name":"car","namespace":"n"}}]}`,
		"/api/v1/toys table": `{"columnDefinitions":[{"name":"Name"},{"name":"W","priority":1}],
			"rows":[{"cells":["car","w"],"object":{"metadata":{"name":"car","namespace":"n"}}}]}`,
		"/apis/shop.example.com/v1/shelves":           `{"kind":"ShelfList","items":[{"metadata":{"name":"top"}}]}`,
		"/apis/shop.example.com/v1/shelves table":     `{"columnDefinitions":[{"name":"Name"}],"rows":[]}`,
		"/apis/shop.example.com/v1/shelves/top":       `{"kind":"Shelf","apiVersion":"shop.example.com/v1","metadata":{"name":"top"}}`,
		"/apis/shop.example.com/v1/shelves/top table": `{"columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["top"]}]}`,
	}
}

// refusals are answers that are no objects, by the name that is asked for: their status and body.
func refusals() map[string]struct {
	code int
	body string
} {
	return map[string]struct {
		code int
		body string
	}{
		"forbidden": {403, `{"kind":"Status","reason":"Forbidden","message":"m: no"}`},
		"unauth":    {401, `{"kind":"Status","reason":"Unauthorized","message":"Unauthorized"}`},
		"internal":  {500, `{"kind":"Status","reason":"InternalError","message":"Internal error occurred: x"}`},
		"noreason":  {500, `{"kind":"Status","message":"why"}`},
		"nomessage": {409, `{"kind":"Status","reason":"Conflict"}`},
		"html":      {502, "<html>"},
		"list":      {500, "[]"},
		"nojson":    {200, "{"},
		"nothing":   {200, ""},
	}
}

// ServeHTTP answers as the maps say, and with the 404 of an API server otherwise.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Path
	if strings.Contains(r.Header.Get("Accept"), "as=Table") {
		key += " table"
	}
	s.asked = append(s.asked, r.Method+" "+key)
	if text, ok := s.answers[key]; ok {
		fmt.Fprint(w, text)
		return
	}
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if no, ok := refusals()[last]; ok {
		w.WriteHeader(no.code)
		fmt.Fprint(w, no.body)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"kind":"Status","reason":"NotFound","message":"toys \"%s\" not found"}`, last)
}

// open returns a shop and its URL.
func open(t *testing.T) (*shop, string) {
	t.Helper()
	s := &shop{answers: toys()}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// TestGetForms: one, many, those of all namespaces and none, in each form of output.
func TestGetForms(t *testing.T) {
	_, url := open(t)
	const (
		car = "{\n    \"a\": \"b\\nc\\n\",\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Toy\",\n" +
			"    \"metadata\": {\n        \"name\": \"car\"\n    },\n    \"n\": \"1\",\n    \"u\": \"é\\u003c\\u003e\\u0026\"\n}\n"
		carYAML = "a: |\n  b\n  c\napiVersion: v1\nkind: Toy\nmetadata:\n  name: car\n\"n\": \"1\"\nu: é<>&\n"
		many    = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Toy\n  metadata:\n    name: car\n    namespace: default\n  wheels: 4\n" +
			"- apiVersion: v1\n  kind: Toy\n  metadata:\n    name: doll\n    namespace: default\nkind: List\nmetadata:\n  resourceVersion: \"\"\n"
		anywhere = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Toy\n  metadata:\n    name: car\n    namespace: \"n\"\n" +
			"kind: List\nmetadata:\n  resourceVersion: \"\"\n"
		none     = "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n"
		noneJSON = "{\n    \"apiVersion\": \"v1\",\n    \"items\": [],\n    \"kind\": \"List\",\n    \"metadata\": {\n" +
			"        \"resourceVersion\": \"\"\n    }\n}\n"
		header = "NAME      V                LAST\n"
		rows   = "a         1                true\ny         10000000000000   z\ne^[[31m   [l]              cr...\n" +
			"          1e+21            ...\né         1.5              日本\n"
		wide = "NAME      V                WIDE ONE   LAST\na         1                           true\n" +
			"y         10000000000000   w          z\n" +
			"e^[[31m   [l]              map[a:1]   cr...\n          1e+21                       ...\né         1.5                         日本\n"
		noToys = "No resources found in empty namespace.\n"
	)
	for args, want := range map[string]outcome{
		"get toy car":                   {0, "NAME\ncar\n", ""},
		"get toy/car":                   {0, "NAME\ncar\n", ""},
		"get TOYS/car":                  {0, "NAME\ncar\n", ""},
		"get ty car":                    {0, "NAME\ncar\n", ""},
		"get toys.v1. car":              {0, "NAME\ncar\n", ""},
		"get toy car -n default":        {0, "NAME\ncar\n", ""},
		"get toy car -o wide":           {0, "NAME   W\ncar    w\n", ""},
		"get toy car --no-headers":      {0, "car\n", ""},
		"get toy car -o json":           {0, car, ""},
		"get toy/car --output=json":     {0, car, ""},
		"get toy car -o yaml":           {0, carYAML, ""},
		"get toy car -o name":           {0, "toy/car\n", ""},
		"get toys":                      {0, header + rows, ""},
		"get toys --no-headers":         {0, rows, ""},
		"get toys -o wide":              {0, wide, ""},
		"get toys -o name":              {0, "toy/car\ntoy/doll\n", ""},
		"get toys -o yaml":              {0, many, ""},
		"get toys -A":                   {0, "NAMESPACE   NAME\nn           car\n", ""},
		"get toys --all-namespaces":     {0, "NAMESPACE   NAME\nn           car\n", ""},
		"get toys -A -o wide":           {0, "NAMESPACE   NAME   W\nn           car    w\n", ""},
		"get toys -A --no-headers":      {0, "n     car\n", ""},
		"get toys -A -n elsewhere":      {0, "NAMESPACE   NAME\nn           car\n", ""},
		"get toys -A -o name":           {0, "toy/car\n", ""},
		"get toys -A -o yaml":           {0, anywhere, ""},
		"get toys -n empty":             {0, "", noToys},
		"get toys --namespace=empty":    {0, "", noToys},
		"get toys -n empty -o wide":     {0, "", noToys},
		"get toys -n empty -o name":     {0, "", ""},
		"get toys -n empty -o yaml":     {0, none, ""},
		"get toys -n empty -o json":     {0, noneJSON, ""},
		"get shelves":                   {0, "", "No resources found\n"},
		"get shelves -A":                {0, "", "No resources found\n"},
		"get shelf top -A":              {0, "NAME\ntop\n", ""},
		"get shelf top -o name":         {0, "shelf.shop.example.com/top\n", ""},
		"get shelves -o name -n empty":  {0, "shelf.shop.example.com/top\n", ""},
		"get shelf.shop.example.com":    {0, "", "No resources found\n"},
		"get shelf.v1.shop.example.com": {0, "", "No resources found\n"},
	} {
		if got := run(t, nil, append(strings.Fields(args), "--server="+url)...); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", args, got, want)
		}
	}
}

// TestGetErrors: what a server refuses and what cannot be asked for, one line with code 1 and no output.
func TestGetErrors(t *testing.T) {
	_, url := open(t)
	const noSuch = "error: the server doesn't have a resource type "
	for args, want := range map[string]string{
		"get toy nope":                     `Error from server (NotFound): toys "nope" not found`,
		"get toy nope -o json":             `Error from server (NotFound): toys "nope" not found`,
		"get toys -n nowhere":              `Error from server (NotFound): toys "toys" not found`,
		"get toy forbidden":                "Error from server (Forbidden): m: no",
		"get toy unauth":                   "error: You must be logged in to the server (Unauthorized)",
		"get toy internal":                 "Error from server (InternalError): Internal error occurred: x",
		"get toy noreason":                 "Error from server: why",
		"get toy nomessage":                "Error from server (Conflict): ",
		"get balls":                        noSuch + `"balls"`,
		"get TY":                           noSuch + `"TY"`,
		"get toys.shop.example.com":        noSuch + `"toys" in group "shop.example.com"`,
		"get toys.v1":                      noSuch + `"toys" in group "v1"`,
		"get shelf.v2.shop.example.com":    noSuch + `"shelf" in group "v2.shop.example.com"`,
		"get shelf.Shop.example.com":       noSuch + `"shelf" in group "Shop.example.com"`,
		"get toy car -A":                   "error: a resource cannot be retrieved by name across all namespaces",
		"get toy/car -A -o name":           "error: a resource cannot be retrieved by name across all namespaces",
		"get toy ..":                       `error: invalid resource name "..": [may not be '..']`,
		"get toy/.":                        `error: invalid resource name ".": [may not be '.']`,
		"get toy a%2Fb":                    `error: invalid resource name "a%2Fb": [may not contain '%']`,
		"get shelf ..":                     `error: invalid resource name "..": [may not be '..']`,
		"get toys -n ..":                   `error: invalid namespace "..": [may not be '..']`,
		"get toy car -n a/b%":              `error: invalid namespace "a/b%": [may not contain '/' may not contain '%']`,
		"get toy html":                     "Error from server: " + url + " answers 502 Bad Gateway",
		"get toy list":                     "Error from server: " + url + " answers 500 Internal Server Error",
		"get toy nojson":                   "Error from server: " + url + " answers 200 OK",
		"get toy nothing -o yaml":          "Error from server: " + url + " answers 200 OK",
		"get toy/car/x":                    `error: "toy/car/x" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get toy a/b":                      `error: "toy a/b" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get toy/car x":                    `error: "toy/car x" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get /car":                         `error: "/car" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get toy car doll":                 `error: "toy car doll" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get toys,shelves":                 `error: "toys,shelves" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere,
		"get toy car -o xml":               `error: --output "xml": ` + elsewhere,
		"get toy car -o JSON":              `error: --output "JSON": ` + elsewhere,
		"get toys --selector=a":            "error: --selector: unknown flag; " + elsewhere,
		"get toys --no-headers=maybe":      `error: --no-headers: invalid boolean value "maybe": parse error; ` + elsewhere,
		"get toys --request-timeout=1h1":   `error: --request-timeout: "1h1" is no time such as 1s, 2m or 3`,
		"get toys --certificate-authority": "error: --certificate-authority: needs a value; " + elsewhere,
		"delete toy car":                   `error: "delete toy car": ` + elsewhere,
		"toys":                             `error: "toys": ` + elsewhere,
	} {
		// Before the flags under test, one of which may lack its value.
		got := run(t, nil, append([]string{"--server=" + url}, strings.Fields(args)...)...)
		if got != (outcome{1, "", want + "\n"}) {
			t.Errorf("%s:\n got %+v\nwant %s", args, got, want)
		}
	}
}

// TestQuestions: what the server is asked, in order, and that it is asked nothing where the line is wrong.
func TestQuestions(t *testing.T) {
	s, url := open(t)
	for args, want := range map[string]string{
		"get toy car":            "GET /api|GET /apis|GET /api/v1/namespaces/default/toys/car table",
		"get toy car -o wide":    "GET /api|GET /apis|GET /api/v1/namespaces/default/toys/car table",
		"get toy car -o json":    "GET /api|GET /apis|GET /api/v1/namespaces/default/toys/car",
		"get toys -o name -A":    "GET /api|GET /apis|GET /api/v1/toys",
		"get toys -n a-b":        "GET /api|GET /apis|GET /api/v1/namespaces/a-b/toys table",
		"get shelf a:b":          "GET /api|GET /apis|GET /apis/shop.example.com/v1/shelves/a:b table",
		"get shelf a?b#c":        "GET /api|GET /apis|GET /apis/shop.example.com/v1/shelves/a?b#c table",
		"get balls":              "GET /api|GET /apis",
		"get toy ..":             "GET /api|GET /apis",
		"get toy car -A":         "GET /api|GET /apis",
		"version":                "GET /version",
		"version --client":       "",
		"get":                    "",
		"get toys -o xml":        "",
		"get toy/car/x":          "",
		"get toys --bogus":       "",
		"get --help":             "",
		"apply -f x":             "",
		"get toys --kubeconfig=": "GET /api|GET /apis|GET /api/v1/namespaces/default/toys table",
	} {
		s.asked = nil
		run(t, nil, append(strings.Fields(args), "--server="+url)...)
		if got := strings.Join(s.asked, "|"); got != want {
			t.Errorf("%s asks\n     %s\nwant %s", args, got, want)
		}
	}
}

// TestCells: each kind of value that a cell may have.
func TestCells(t *testing.T) {
	for _, tt := range []struct {
		cell any
		want string
	}{
		{nil, ""},
		{"", ""},
		{"text", "text"},
		{"a\tb", "a\tb"},
		{"a\nb", "a..."},
		{"a\r\nb", "a..."},
		{"a\fb", "a..."},
		{"\n", "..."},
		{"\x1b[31mred\x1b[0m", "^[[31mred^[[0m"},
		{true, "true"},
		{int64(-7), "-7"},
		{1.5, "1.5"},
		{1e21, "1e+21"},
		{[]any{"a", int64(1)}, "[a 1]"},
		// A line's end within a value that is no text stays, but for the one that a terminal obeys.
		{[]any{"a\rb\x1b"}, `[a\rb^[]`},
		{map[string]any{"a": nil}, "map[a:<nil>]"},
	} {
		if got := cellText(tt.cell); got != tt.want {
			t.Errorf("%#v: %q, want %q", tt.cell, got, tt.want)
		}
	}
}

// TestCheckSegment: what may be one part of a path.
func TestCheckSegment(t *testing.T) {
	for name, want := range map[string]string{
		"a":       "",
		"...":     "",
		"a.b:c":   "",
		"système": "",
		".":       `invalid thing ".": [may not be '.']`,
		"..":      `invalid thing "..": [may not be '..']`,
		"a/b":     `invalid thing "a/b": [may not contain '/']`,
		"/":       `invalid thing "/": [may not contain '/']`,
		"%2e":     `invalid thing "%2e": [may not contain '%']`,
		"../%":    `invalid thing "../%": [may not contain '/' may not contain '%']`,
	} {
		got := ""
		if err := checkSegment("thing", name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestContextEnds: a run ends with its context, while the server says nothing.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-done
	}))
	defer s.Close()
	defer close(done)
	var out, errs strings.Builder
	began := time.Now()
	code := Main(ctx, "v1.37.2", []string{"get", "toys", "--server", s.URL}, func(string) string { return "" }, &out, &errs)
	if code != 1 || out.Len() > 0 || !strings.HasPrefix(errs.String(), "Unable to connect to the server: ") ||
		time.Since(began) > time.Minute {
		t.Errorf("code %d, %q, %q", code, out.String(), errs.String())
	}
}

// full is an output that takes no more.
type full struct{}

// Write fails.
func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestFullOutput: an object or a table that could not be written whole is an error. Not asked of kubectl,
// which ends by the signal of a broken pipe.
func TestFullOutput(t *testing.T) {
	_, url := open(t)
	for _, form := range []string{"", "wide", "json", "yaml"} {
		var errs strings.Builder
		code := Main(t.Context(), "v1.37.2", []string{"get", "toys", "-o", form, "--server", url}, func(string) string { return "" }, full{},
			&errs)
		if code != 1 || errs.String() != "error: no space left\n" {
			t.Errorf("-o %s: code %d, %q", form, code, errs.String())
		}
	}
}
