package admin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// The bundle is what somebody who reports a bug sends along: GET /admin/v1/bundle answers
// with an archive of every view page, the metrics and the goroutines, all of one moment.
//
// It is made of the table of endpoints: each page is served once more, by the same handler
// as for a client, into memory. So nothing is in a bundle that those pages do not show, and
// a page that is added is in the next bundle. It is compressed as it is made, one page at a
// time. Source: the contract, GET /admin/v1/bundle.

// formGzip is offered by the bundle alone.
const formGzip = "application/gzip"

// notBundled are the view pages that answer one question, never end, or are the bundle.
var notBundled = []string{"/admin/v1/explain", "/admin/v1/owners", "/admin/v1/stream", "/admin/v1/bundle"}

// maxBundleTries is how often a bundle is made of a process that changes meanwhile.
const maxBundleTries = 4

// serveBundle answers with the archive. It returns 400 for a parameter and 429 while
// another bundle is put together. HEAD puts none together and so has no Content-Length.
func serveBundle(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	// Refused and not queued: each holds all pages in memory, and whoever waits for one may
	// have gone.
	if !a.bundling.CompareAndSwap(false, true) {
		return ans.tooMany("another bundle is being put together: try again in a second")
	}
	defer a.bundling.Store(false)
	isHead := ans.r.Method == http.MethodHead
	archive, err := a.stableBundle(ans, isHead)
	if err != nil {
		return err
	}
	h := ans.w.Header()
	name := fmt.Sprintf("apichain-%s-%s.tar.gz", a.src.Status().Version, ans.at.UTC().Format("20060102T150405Z"))
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, name))
	if isHead {
		h.Set("Content-Type", ans.form)
		ans.w.WriteHeader(http.StatusOK)
		return nil
	}
	ans.send(http.StatusOK, archive)
	return nil
}

// stableBundle returns an archive whose pages are of one generation, and sets the moment it
// holds for. A process that changes without pause gets the last of maxBundleTries. With
// momentOnly nothing is put together.
func (a *api) stableBundle(ans *answer, momentOnly bool) (archive []byte, err *Error) {
	for tries := 1; ; tries++ {
		// Before the pages are read: a change while they are read must be seen below.
		ans.setMoment(a.src.Generation(), a.Now())
		if momentOnly {
			return nil, nil
		}
		if archive, err = a.bundle(ans); err != nil {
			return nil, err
		}
		if a.src.Generation() == ans.generation || tries == maxBundleTries {
			return archive, nil
		}
	}
}

// pinnedSource is a Source whose answers all say the generation of one moment, so that no
// page is read again on its own: the bundle is made again as a whole.
type pinnedSource struct {
	Source
	generation int64
}

// Generation returns the generation of the moment.
func (p pinnedSource) Generation() int64 { return p.generation }

// bundle returns the archive of the moment that ans holds for. It returns what a page was
// refused with: an archive that lacks one would not say so.
func (a *api) bundle(ans *answer) ([]byte, *Error) {
	pinned := &api{Options: a.Options, src: pinnedSource{a.src, ans.generation}, endpoints: a.endpoints}
	// Every "at" and every age in the archive are of one moment too.
	pinned.Now = func() time.Time { return ans.at }
	b := newBundleWriter(ans)
	for i := range a.endpoints {
		e := &a.endpoints[i]
		// By role and not by name, so that an endpoint with secrets is never bundled by default.
		if e.roles[http.MethodGet] != RoleView || slices.Contains(notBundled, e.path) {
			continue
		}
		content, err := pinned.renderPage(e, ans)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(e.id(), ".json") + ".json"
		if e.forms[0] != formJSON {
			name = e.id() + ".txt"
		}
		b.add(name, content)
	}
	var stacks bytes.Buffer
	// debug=1 has functions and lines, but no arguments, which may hold secrets.
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	b.add("goroutines.txt", stacks.Bytes())
	return b.finish(), nil
}

// renderPage returns what an endpoint answers to a GET without a query, in its default
// form, to the caller of ans. The checks were made for the bundle; whoever may read it may
// read its pages, which have the same role.
func (a *api) renderPage(e *endpoint, ans *answer) ([]byte, *Error) {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: e.path}, Host: ans.r.Host, Header: http.Header{}}
	w := &pageRecorder{header: http.Header{}}
	inner := &answer{w: w, r: r.WithContext(ans.r.Context()), query: url.Values{}, form: e.forms[0], who: ans.who}
	if err := e.serve(a, inner); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

// pageRecorder is a ResponseWriter that keeps the body of a page.
type pageRecorder struct {
	header http.Header
	bytes.Buffer
}

// Header returns a header that nobody reads.
func (p *pageRecorder) Header() http.Header { return p.header }

// WriteHeader does nothing: what is served without an error is a 200.
func (p *pageRecorder) WriteHeader(int) {}

// manifest is the last file of a bundle and says what the others are.
type manifest struct {
	envelope
	Files []bundledFile `json:"files"`
}

// bundledFile is one file of a bundle. SHA256 is hexadecimal.
type bundledFile struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// bundleWriter packs files in memory, which cannot fail.
type bundleWriter struct {
	packed   bytes.Buffer
	gzip     *gzip.Writer
	tar      *tar.Writer
	manifest manifest
	at       time.Time
}

// newBundleWriter returns a writer for the moment that ans holds for.
func newBundleWriter(ans *answer) *bundleWriter {
	b := &bundleWriter{manifest: manifest{envelope: envelope{ans.generation, Time(ans.at)}}, at: ans.at}
	b.gzip = gzip.NewWriter(&b.packed)
	b.tar = tar.NewWriter(b.gzip)
	return b
}

// add adds a file and its line in the manifest.
func (b *bundleWriter) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	b.manifest.Files = append(b.manifest.Files, bundledFile{name, len(content), hex.EncodeToString(sum[:])})
	b.write(name, content)
}

// write adds a file that only its owner may read once it is unpacked.
func (b *bundleWriter) write(name string, content []byte) {
	_ = b.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: b.at})
	_, _ = b.tar.Write(content)
}

// finish adds the manifest, which does not list itself, and returns the archive.
func (b *bundleWriter) finish() []byte {
	text, _ := json.MarshalIndent(b.manifest, "", "  ")
	b.write("MANIFEST.json", append(text, '\n'))
	// The tar first: closing it writes its end through the compressor.
	_ = b.tar.Close()
	_ = b.gzip.Close()
	return b.packed.Bytes()
}
