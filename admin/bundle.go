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

// The bundle is what somebody who reports a bug sends along. Source: the contract, GET
// /admin/v1/bundle.

const formGzip = "application/gzip"

// notBundled are the view pages that are about one question, or never end.
var notBundled = []string{"/admin/v1/explain", "/admin/v1/stream", "/admin/v1/bundle"}

// manifest is the last file of a bundle: what the others are.
type manifest struct {
	envelope
	Files []bundledFile `json:"files"`
}

type bundledFile struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// serveBundle answers with an archive of every view page, the metrics and where goroutines
// are, all of one moment. Nothing is in it that those pages do not show. It is put together
// compressed, one page at a time; HEAD puts none together. Errors: 400 for a parameter, 429
// while another one is put together.
func serveBundle(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	h := ans.w.Header()
	if !a.bundling.CompareAndSwap(false, true) {
		h.Set("Retry-After", "1")
		return &Error{Code: http.StatusTooManyRequests, Reason: "TooManyRequests", Message: "another bundle is being put together: try again in a second"}
	}
	defer a.bundling.Store(false)
	var archive []byte
	for tries := 0; ; tries++ {
		ans.holds(a.src.Generation(), a.Now())
		if ans.r.Method == http.MethodHead {
			break
		}
		var err *Error
		if archive, err = a.bundle(ans); err != nil {
			return err
		}
		if a.src.Generation() == ans.generation || tries == 3 {
			break
		}
	}
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="apichain-%s-%s.tar.gz"`, a.src.Status().Version, ans.at.UTC().Format("20060102T150405Z")))
	if ans.r.Method == http.MethodHead {
		h.Set("Content-Type", ans.form)
		ans.w.WriteHeader(http.StatusOK)
		return nil
	}
	ans.send(http.StatusOK, archive)
	return nil
}

// frozen is a Source whose answers all say the generation of one moment.
type frozen struct {
	Source
	generation int64
}

func (f frozen) Generation() int64 { return f.generation }

// bundle is the archive, of the moment that ans holds for.
func (a *api) bundle(ans *answer) ([]byte, *Error) {
	still := &api{Options: a.Options, src: frozen{a.src, ans.generation}, endpoints: a.endpoints}
	still.Now = func() time.Time { return ans.at }
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	m := manifest{envelope: envelope{ans.generation, Time(ans.at)}}
	add := func(name string, content []byte) {
		sum := sha256.Sum256(content)
		m.Files = append(m.Files, bundledFile{name, len(content), hex.EncodeToString(sum[:])})
		_ = archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: ans.at}) // a buffer takes everything
		_, _ = archive.Write(content)
	}
	for i := range a.endpoints {
		e := &a.endpoints[i]
		if e.roles[http.MethodGet] != "view" || slices.Contains(notBundled, e.path) {
			continue
		}
		p := &bundledPage{h: http.Header{}}
		r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: e.path}, Host: ans.r.Host, Header: http.Header{}}).WithContext(ans.r.Context())
		if err := e.serve(still, &answer{w: p, r: r, query: url.Values{}, form: e.forms[0], who: ans.who}); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(e.id(), ".json") + ".json"
		if e.forms[0] != formJSON {
			name = e.id() + ".txt"
		}
		add(name, p.Bytes())
	}
	var stacks bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	add("goroutines.txt", stacks.Bytes())
	list, _ := json.MarshalIndent(m, "", "  ") // text and numbers can be encoded
	add("MANIFEST.json", append(list, '\n'))
	_ = archive.Close()
	_ = packed.Close()
	return b.Bytes(), nil
}

// bundledPage takes the answer of a page.
type bundledPage struct {
	h http.Header
	bytes.Buffer
}

func (p *bundledPage) Header() http.Header { return p.h }
func (p *bundledPage) WriteHeader(int)     {}
