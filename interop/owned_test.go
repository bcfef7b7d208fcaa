package interop

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Who owns which field is compared with kube-apiserver: an answer is written down with everything that both servers must
// agree on, and nothing that differs from one run to the next.
//
//	409 {"kind":"Status",...}                       a refusal is its whole status
//	200 written                                     a success says whether the resource version is another than before
//	warning 299 - "..."                             then what was warned of
//	{"apiVersion":"v1","fieldsType":...}             then each entry of metadata.managedFields without its time, its fields byte for byte
//	{"apiVersion":"v1",...}                         and the rest of the object
//
// Entries are in the order of their times on the wire, so here they are put into the order of their texts.

// ask is one request, and what it is said to be in reports.
type ask struct {
	name          string
	method, path  string // with the query
	kind          string // of the content: json, merge, strategic, jsonpatch, apply, or a whole media type
	agent         string // User-Agent, "" for the one of Go
	body          string
	authorization string // "" for that of the administrator
}

// mediaTypes are those of patches by their short names.
var mediaTypes = map[string]string{
	"": "application/json", "json": "application/json", "yaml": "application/yaml", "merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json",
	"jsonpatch": "application/json-patch+json", "apply": "application/apply-patch+yaml",
}

// owned asks one server, and remembers the resource version at each path.
type owned struct {
	a        *api
	versions map[string]string
	created  map[string]bool // by the last answer
}

func newOwned(a *api) *owned { return &owned{a, map[string]string{}, map[string]bool{}} }

// reply is an answer as it came: code, warnings and body.
type reply struct {
	code     int
	warnings []string
	body     []byte
}

// object is what the body has, with numbers as they were written, or nil.
func (r *reply) object() object {
	var o object
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	_ = d.Decode(&o)
	return o
}

// send sends a request. An error is one of the connection.
func (w *owned) send(ctx context.Context, q ask) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, w.a.url+q.path, strings.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.body != "" {
		kind, ok := mediaTypes[q.kind]
		if !ok {
			kind = q.kind
		}
		req.Header.Set("Content-Type", kind)
	}
	if q.agent != "" {
		req.Header.Set("User-Agent", q.agent)
	}
	req.Header.Set("Authorization", "Bearer "+w.a.token)
	if q.authorization != "" {
		req.Header.Set("Authorization", "Bearer "+q.authorization)
	}
	answer, err := w.a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return &reply{answer.StatusCode, answer.Header["Warning"], b}, err
}

// live is the object at a path, or nil if there is none.
func (w *owned) live(ctx context.Context, path string) (object, error) {
	r, err := w.send(ctx, ask{method: "GET", path: path})
	if err != nil || r.code == http.StatusNotFound {
		return nil, err
	}
	return r.object(), nil
}

// told is an answer as the comparison has it. The path is that of the object, whatever was asked for.
func (w *owned) told(path string, r *reply) string {
	var lines []string
	for _, text := range r.warnings {
		if aboutOwners.MatchString(text) {
			lines = append(lines, "warning "+unsteadyParts.Replace(text))
		}
	}
	var parsed struct {
		Kind     string
		Metadata map[string]json.RawMessage
	}
	if err := json.Unmarshal(r.body, &parsed); err != nil || parsed.Kind == "Status" {
		return strings.Join(append([]string{fmt.Sprintf("%d %s", r.code, unsteadyParts.Replace(steadyStatus(r.body)))}, lines...), "\n")
	}
	var entries []json.RawMessage
	_ = json.Unmarshal(parsed.Metadata["managedFields"], &entries)
	var texts []string
	for _, e := range entries {
		texts = append(texts, entryText(e))
	}
	slices.Sort(texts)
	o := r.object()
	m, _ := o["metadata"].(object)
	version, uid := textAt(m, "resourceVersion"), textAt(m, "uid")
	written := "kept"
	if w.versions[path] != version {
		written = "written"
	}
	if w.created[path] {
		written = "created before" // kube-apiserver writes some kinds once more, with nothing changed that can be seen
	}
	w.versions[path], w.created[path] = version, r.code == http.StatusCreated
	for _, name := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
		delete(m, name)
	}
	b, _ := json.Marshal(o)
	rest := unsteadyParts.Replace(string(b))
	if uid != "" {
		rest = strings.ReplaceAll(rest, uid, "UID")
	}
	return strings.Join(slices.Concat([]string{fmt.Sprintf("%d %s", r.code, written)}, lines, texts, []string{rest}), "\n")
}

// entryText is an entry without its time, with its names in an order and what it owns as it was written.
func entryText(entry json.RawMessage) string {
	var parts map[string]json.RawMessage
	if json.Unmarshal(entry, &parts) != nil {
		return string(entry)
	}
	delete(parts, "time")
	var b strings.Builder
	for i, name := range keys(parts) {
		_, _ = fmt.Fprintf(&b, "%c%q:%s", "{,"[min(i, 1)], name, parts[name])
	}
	return b.String() + "}"
}

// steadyStatus is a status without what is not compared: in which order names are written, and conflicts and errors of typed
// values come, which kube-apiserver reads from maps; and how a validation puts what it refuses, which is not about owners.
func steadyStatus(body []byte) string {
	var o object
	if json.Unmarshal(body, &o) != nil {
		return string(body)
	}
	causes, _ := at(o, "details", "causes").([]any)
	message := textAt(o, "message")
	head, list, several := strings.Cut(message, "errors:\n")
	switch kind := textAt(o, "details", "kind"); {
	case strings.HasPrefix(message, "Apply failed with"):
		slices.SortStableFunc(causes, func(a, b any) int { return strings.Compare(textAt(a, "message"), textAt(b, "message")) })
	case several:
		all := strings.Split(list, "\n")
		slices.Sort(all)
		o["message"] = head + "errors:\n" + strings.Join(all, "\n")
	case o["reason"] == "Invalid" && kind != "" && kind != "PatchOptions":
		return "Invalid " + kind
	case len(causes) > 0 && textAt(causes[0], "field") == "patch": // whose text is the whole object
		return "Invalid patch"
	}
	return text(o)
}

// aboutOwners are the warnings that are compared.
var aboutOwners = regexp.MustCompile(`managedFields|unknown field|duplicate field|already set`)

// timeOfEntry is the time of an entry of managedFields.
var timeOfEntry = regexp.MustCompile(`"time":"20\d\d-[^"]*",|,"time":"20\d\d-[^"]*"`)

// unsteady parts of answers: what the server chose.
type patterns []struct {
	pattern *regexp.Regexp
	with    string
}

// Replace replaces each of them.
func (p patterns) Replace(s string) string {
	for _, x := range p {
		s = x.pattern.ReplaceAllString(s, x.with)
	}
	return s
}

var unsteadyParts = patterns{
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC`), "TIME"},
	{regexp.MustCompile(`(error decoding set: ).*`), "$1..."}, // a parser's words
	{regexp.MustCompile(`(resourceVersion\\*":\\*")\d+`), "${1}N"},
	{regexp.MustCompile(`10\.0\.0\.\d+`), "10.0.0.N"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
}

// recording is what kube-apiserver answered, a line of JSON for each thing that was recorded, with its name.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_WRITE=1 go test -run 'TestOwned.*/kube-apiserver' .
type recording struct {
	file string
	want map[string][]string
}

// openRecording reads a recording. One that is not there is empty where it is to be written.
func openRecording(t *testing.T, name string) *recording {
	t.Helper()
	c := &recording{file: testdata(t, name), want: map[string][]string{}}
	f, err := os.Open(c.file)
	if err != nil {
		if os.Getenv("APICHAIN_WRITE") == "" {
			t.Fatal(err)
		}
		return c
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(z); ; {
		var line struct {
			Name    string
			Answers []string
		}
		if err := d.Decode(&line); err == io.EOF {
			return c
		} else if err != nil {
			t.Fatal(err)
		}
		c.want[line.Name] = line.Answers
	}
}

// keep writes what kube-apiserver answered, if it is to be written.
func (c *recording) keep(t *testing.T, folder string, got map[string][]string) {
	t.Helper()
	if os.Getenv("APICHAIN_WRITE") == "" || folder == folderOf(t) {
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	j := json.NewEncoder(z)
	j.SetEscapeHTML(false)
	for _, name := range keys(got) {
		_ = j.Encode(map[string]any{"name": name, "answers": got[name]})
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// firstDifference shows the first line of each of two answers that the other does not have, from a little before they part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	lacks := func(of []string, others []string) string {
		i := slices.IndexFunc(of, func(line string) bool { return !slices.Contains(others, line) })
		if i < 0 {
			return "(nothing else)"
		}
		return of[i]
	}
	a, b := lacks(g, w), lacks(w, g)
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	n = min(max(0, n-300), len(a), len(b))
	return fmt.Sprintf("from byte %d\n\t got %.3000s\n\twant %.3000s", n, a[n:], b[n:])
}
