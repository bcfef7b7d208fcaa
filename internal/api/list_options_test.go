package api

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/field"
	"apichain/internal/store"
)

// optionsText is what the options say, without what they do not.
func optionsText(o *listOptions) string {
	text := fmt.Sprintf("rev=%d", o.Revision)
	add := func(is bool, name string, v any) {
		if is {
			text += fmt.Sprintf(" %s=%v", name, v)
		}
	}
	add(!o.labels.Empty(), "labels", o.labels.String())
	add(!o.fields.Empty(), "fields", o.fields.String())
	add(o.converting != nil, "converting", true)
	add(o.match != "", "match", o.match)
	add(o.limit != 0, "limit", o.limit)
	add(o.bookmarks, "bookmarks", true)
	add(o.timeout != 0, "timeout", o.timeout)
	if o.sendInitial != nil {
		add(true, "initial", *o.sendInitial)
	}
	if o.From != nil {
		add(true, "from", fmt.Sprintf("%d%q", o.From.Revision, o.From.Start))
	}
	return text
}

// readOptions returns what a query says to a list or a watch, or the error as a client gets it.
func readOptions(s *readServer, query string, watching bool) string {
	var o listOptions
	if err := s.call(query).readListOptions(&o, watching); err != nil {
		return refused(err)
	}
	return optionsText(&o)
}

// TestListParameters: each parameter with the values that mean something, in a list and in a
// watch.
func TestListParameters(t *testing.T) {
	s := newReadServer(t, 100)
	token := continueToken{continueVersion, 30, "/d2\x00"}.String()
	const invalid = `ListOptions.meta.k8s.io "" is invalid: `
	const onContinue = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
	for _, c := range []struct{ query, list, watch string }{
		{"", "rev=-1", "rev=-1"},
		{"watch=1&unknown=x&pretty=true", "rev=-1", "rev=-1"},

		{"limit=", `400 BadRequest: strconv.ParseInt: parsing "": invalid syntax`, `400 BadRequest: strconv.ParseInt: parsing "": invalid syntax`},
		{"limit=0", "rev=-1", "rev=-1"},
		{"limit=-7", "rev=-1 limit=-7", "rev=-1 limit=-7"},
		{"limit=%2B7", "rev=-1 limit=7", "rev=-1 limit=7"},
		{"limit=3&limit=x", "rev=-1 limit=3", "rev=-1 limit=3"},
		{"limit=9223372036854775807", "rev=-1 limit=9223372036854775807", "rev=-1 limit=9223372036854775807"},
		{"limit=9223372036854775808", `400 BadRequest: strconv.ParseInt: parsing "9223372036854775808": value out of range`, `400 BadRequest: strconv.ParseInt: parsing "9223372036854775808": value out of range`},
		{"limit=1e3", `400 BadRequest: strconv.ParseInt: parsing "1e3": invalid syntax`, `400 BadRequest: strconv.ParseInt: parsing "1e3": invalid syntax`},
		{"limit=%2200%22", `400 BadRequest: strconv.ParseInt: parsing "\"00\"": invalid syntax`, `400 BadRequest: strconv.ParseInt: parsing "\"00\"": invalid syntax`},

		{"timeoutSeconds=7", "rev=-1 timeout=7s", "rev=-1 timeout=7s"},
		{"timeoutSeconds=0", "rev=-1", "rev=-1"},
		{"timeoutSeconds=-1", "rev=-1", "rev=-1"},
		// Longer than a duration can be is very long, and not the past.
		{"timeoutSeconds=9223372036854775807", "rev=-1 timeout=596523h14m8s", "rev=-1 timeout=596523h14m8s"},
		{"timeoutSeconds=7s", `400 BadRequest: strconv.ParseInt: parsing "7s": invalid syntax`, `400 BadRequest: strconv.ParseInt: parsing "7s": invalid syntax`},

		{"labelSelector=", "rev=-1", "rev=-1"},
		{"labelSelector=app%3Dx", "rev=-1 labels=app=x", "rev=-1 labels=app=x"},
		{"fieldSelector=", "rev=-1", "rev=-1"},
		{"fieldSelector=metadata.name%3Dx", "rev=-1 fields=metadata.name=x", "rev=-1 fields=metadata.name=x"},
		{"fieldSelector=data.k%3Dx", `400 BadRequest: "data.k" is not a known field selector: only "metadata.name", "metadata.namespace"`, `400 BadRequest: "data.k" is not a known field selector: only "metadata.name", "metadata.namespace"`},
		{"fieldSelector=metadata.name", `400 BadRequest: invalid selector: 'metadata.name'; can't understand 'metadata.name'`, `400 BadRequest: invalid selector: 'metadata.name'; can't understand 'metadata.name'`},

		{"allowWatchBookmarks", "rev=-1 bookmarks=true", "rev=-1 bookmarks=true"},
		{"allowWatchBookmarks=FALSE", "rev=-1", "rev=-1"},
		{"sendInitialEvents=0&resourceVersionMatch=NotOlderThan",
			"422 Invalid: " + invalid + "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]",
			"rev=-1 match=NotOlderThan initial=false"},
		{"sendInitialEvents&resourceVersionMatch=NotOlderThan&resourceVersion=4",
			"422 Invalid: " + invalid + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
			"rev=4 match=NotOlderThan initial=true"},

		{"resourceVersion=", "rev=-1", "rev=-1"},
		{"resourceVersion=0", "rev=0", "rev=0"},
		{"resourceVersion=007", "rev=7", "rev=7"},
		{"resourceVersion=9223372036854775807", "rev=9223372036854775807", "rev=9223372036854775807"},
		{"resourceVersion=9223372036854775808",
			`400 BadRequest: invalid resource version: resourceVersion: Invalid value: "9223372036854775808": strconv.ParseUint: parsing "9223372036854775808": value out of range`,
			`500 : resourceVersion: Invalid value: "9223372036854775808": strconv.ParseUint: parsing "9223372036854775808": value out of range`},
		{"resourceVersion=-1",
			`400 BadRequest: invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax`,
			`500 : resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax`},

		// A watch has no pages, and does not read the token; from no revision in particular it is refused.
		{"continue=" + token, `rev=-1 from=30"/d2\x00"`, "422 Invalid: " + invalid + onContinue},
		{"continue=" + token + "&resourceVersion=0", `rev=-1 from=30"/d2\x00"`, "422 Invalid: " + invalid + onContinue},
		{"continue=" + token + "&resourceVersion=30", "400 BadRequest: specifying resource version is not allowed when using continue", "rev=30"},
		{"continue=" + token + "&resourceVersion=x", "400 BadRequest: specifying resource version is not allowed when using continue", `500 : resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax`},
		{"continue=e30", `400 BadRequest: invalid continue token: continue key is not valid: server does not recognize this encoded version ""`, "422 Invalid: " + invalid + onContinue},
		{"continue=", "rev=-1", "rev=-1"},
	} {
		for _, watching := range []bool{false, true} {
			want := c.list
			if watching {
				want = c.watch
			}
			got := readOptions(s, c.query, watching)
			if got != want {
				t.Errorf("%q, watching %t:\n got %s\nwant %s", c.query, watching, got, want)
			}
		}
	}
}

// TestListParametersInOrder: of several parameters that are wrong, the first of the table is
// told, wherever they stand in the query; the rules of which ones go together come after all
// of them, and the position last.
func TestListParametersInOrder(t *testing.T) {
	s := newReadServer(t, 100)
	wrong := []struct{ query, tells string }{
		{"timeoutSeconds=b", `parsing "b"`},
		{"limit=a", `parsing "a"`},
		{"labelSelector=c%3D%3D%3D", "400 BadRequest: "},
		{"fieldSelector=spec.d%3De", `"spec.d" is not a known field selector`},
		{"sendInitialEvents=1", "422 Invalid: "},
		{"resourceVersion=f", `parsing "f"`},
	}
	for i, first := range wrong {
		for _, second := range wrong[i+1:] {
			for _, query := range []string{first.query + "&" + second.query, second.query + "&" + first.query} {
				if got := readOptions(s, query, false); !strings.Contains(got, first.tells) || strings.Contains(got, second.tells) && second.tells != "400 BadRequest: " {
					t.Errorf("%s: %s, want what is wrong with %s", query, got, first.query)
				}
			}
		}
	}
}

// TestParameterNames: the table has each parameter once, and none that is read elsewhere.
func TestParameterNames(t *testing.T) {
	var names []string
	for _, p := range listParameters {
		if slices.Contains(names, p.name) || p.name == "continue" || p.name == "resourceVersion" {
			t.Errorf("%s is read twice", p.name)
		}
		names = append(names, p.name)
	}
}

func TestIsTrue(t *testing.T) {
	for value, want := range map[string]bool{"": true, "1": true, "true": true, "yes": true, "no": true, "00": true, " ": true,
		"false": false, "False": false, "FALSE": false, "0": false} {
		if got := isTrue(value); got != want {
			t.Errorf("%q is %t", value, got)
		}
		q := &Call{query: url.Values{"p": {value, "false"}}}
		if is, given := q.flag("p"); is != want || !given {
			t.Errorf("?p=%s is %t, %t", value, is, given)
		}
	}
	if is, given := (&Call{query: url.Values{}}).flag("p"); is || given {
		t.Error("a parameter that is not there was given")
	}
	if is, given := (&Call{}).flag("p"); is || given {
		t.Error("a parameter of no query was given")
	}
}

// naiveMatchErrors is upstream's rules (metainternalversion validation), one sentence each.
func naiveMatchErrors(match, version, token string, initial *bool, watching bool) map[string]bool {
	told := map[string]bool{}
	rule := func(broken bool, text string) {
		if broken {
			told[text] = true
		}
	}
	const m = "resourceVersionMatch: Forbidden: "
	assumed := watching && initial == nil && (version == "" || version == "0")
	rule((match != "" || assumed) && token != "", m+"resourceVersionMatch is forbidden when continue is provided")
	if watching {
		rule(initial != nil && match != "NotOlderThan", m+"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
		rule(initial == nil && match != "", m+"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
		rule(match != "" && match != "NotOlderThan", `resourceVersionMatch: Unsupported value: "`+match+`": supported values: "NotOlderThan"`)
		return told
	}
	rule(match != "" && version == "", m+"resourceVersionMatch is forbidden unless resourceVersion is provided")
	rule(match != "" && match != "Exact" && match != "NotOlderThan", `resourceVersionMatch: Unsupported value: "`+match+`": supported values: "Exact", "NotOlderThan", ""`)
	rule(match == "Exact" && version == "0", m+`resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
	rule(initial != nil, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")
	return told
}

// TestMatchErrorsModel: every combination of the parameters that depend on each other, against
// upstream's rules.
func TestMatchErrorsModel(t *testing.T) {
	yes, no := true, false
	refused := 0
	for _, watching := range []bool{false, true} {
		for _, match := range []string{"", "Exact", "NotOlderThan", "exact"} {
			for _, version := range []string{"", "0", "00", "5", "x"} {
				for _, token := range []string{"", "t"} {
					for _, initial := range []*bool{nil, &yes, &no} {
						q := &Call{query: url.Values{"continue": {token}}}
						errs := q.matchErrors(&listOptions{match: match, sendInitial: initial}, version, watching)
						want := naiveMatchErrors(match, version, token, initial, watching)
						got := map[string]bool{}
						for _, e := range errs {
							got[e.String()] = true
						}
						if len(errs) != len(got) || fmt.Sprint(got) != fmt.Sprint(want) {
							t.Errorf("watching %t, match %q, version %q, continue %q, initial %v:\n got %v\nwant %v", watching, match, version, token, initial, errs, want)
						}
						if len(errs) > 0 {
							refused++
						}
					}
				}
			}
		}
	}
	// 120 combinations of each verb. A list may have no match (10 with any version or token),
	// Exact with three versions, or NotOlderThan with four; a watch no match (10, but
	// for two with a token) or NotOlderThan with sendInitialEvents and no token (10).
	if refused != 240-(10+3+4)-(8+10) {
		t.Errorf("%d were refused", refused)
	}
}

// TestMatchErrorsAtOnce: all that is wrong is told at once, in order.
func TestMatchErrorsAtOnce(t *testing.T) {
	yes := true
	q := &Call{query: url.Values{"continue": {"t"}}}
	errs := q.matchErrors(&listOptions{match: "no", sendInitial: &yes}, "", false)
	want := []field.Error{
		field.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
		field.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"),
		field.NotSupported("resourceVersionMatch", "no", "Exact", "NotOlderThan", ""),
		field.Forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"),
	}
	if fmt.Sprint(errs) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", errs, want)
	}
}

// TestSelectsOlderObjects: an object that was stored with other selectable fields than the
// definition has now is selected by those that it has now.
func TestSelectsOlderObjects(t *testing.T) {
	s := newWidgetServer(t)
	for name, spec := range map[string]string{"old-red": `{"size":1}`, "old-blue": `{"size":2,"color":"blue"}`} {
		s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"`+name+`"},"spec":`+spec+`}`)
	}
	if got := readOptions(s, "fieldSelector=metadata.name%3Dx", false); strings.Contains(got, "converting") {
		t.Errorf("a schema that never changed: %s", got)
	}
	// From now on by size, too: the objects that are there have no value for it.
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
	s.must(200, "PATCH "+path, strings.Replace(strings.Replace(readDefinition, `[{"jsonPath":".spec.color"}]`, `[{"jsonPath":".spec.size"},{"jsonPath":".spec.color"}]`, 1), `"kind":"CustomResourceDefinition",`, "", 1))
	s.must(201, "POST "+readWidgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"new-blue"},"spec":{"size":2,"color":"blue"}}`)
	for selector, want := range map[string]string{
		"spec.size=2":                  "[new-blue old-blue]",
		"spec.size=1":                  "[old-red]",
		"spec.size!=2":                 "[old-red]",
		"spec.size=2,spec.color=blue":  "[new-blue old-blue]",
		"spec.size=2,spec.color!=blue": "[]",
		"spec.color=red":               "[old-red]",
		"metadata.name=old-blue":       "[old-blue]",
	} {
		list := s.must(200, "GET "+readWidgets+"?fieldSelector="+url.QueryEscape(selector), "")
		if got := fmt.Sprint(itemNames(list)); got != want {
			t.Errorf("%s: %s, want %s", selector, got, want)
		}
	}
}

// TestOptionsInAnyOrder: what a query says does not depend on how its parameters are ordered.
func TestOptionsInAnyOrder(t *testing.T) {
	s := newReadServer(t, 100)
	r := rand.New(rand.NewPCG(5, 6))
	parts := []string{"limit=5", "timeoutSeconds=9", "labelSelector=a%3Db", "fieldSelector=metadata.name%3Dx", "allowWatchBookmarks=1",
		"sendInitialEvents=1", "resourceVersionMatch=NotOlderThan", "resourceVersion=12"}
	want := readOptions(s, strings.Join(parts, "&"), true)
	if want != "rev=12 labels=a=b fields=metadata.name=x match=NotOlderThan limit=5 bookmarks=true timeout="+(9*time.Second).String()+" initial=true" {
		t.Fatal(want)
	}
	for range 50 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		if got := readOptions(s, strings.Join(parts, "&"), true); got != want {
			t.Errorf("%v: %s, want %s", parts, got, want)
		}
	}
}

// TestReadingNoOptions costs nothing, as most requests have none.
func TestReadingNoOptions(t *testing.T) {
	s := newReadServer(t, 100)
	q := s.call("")
	o := new(listOptions)
	if n := testing.AllocsPerRun(100, func() { _ = q.readListOptions(o, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if o.Revision != -1 || !o.all() || !o.selects(&store.Object{Meta: &store.Meta{}}) {
		t.Errorf("%+v", o)
	}
}
