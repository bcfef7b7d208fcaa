package admin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// unpack is the files of a bundle, and their names in order.
func unpack(t testing.TB, archive []byte) (files map[string]string, names []string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, names
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name] != "" || h.Typeflag != tar.TypeReg || h.Mode != 0o600 {
			t.Errorf("%s: type %c, mode %o, there before: %v", h.Name, h.Typeflag, h.Mode, files[h.Name] != "")
		}
		files[h.Name] = string(b)
		names = append(names, h.Name)
	}
}

// TestBundle: every view page as it is by itself, the metrics, the goroutines, and a list of
// them all.
func TestBundle(t *testing.T) {
	h := handlerOf(t, newFake(t))
	w := ask(t, h, "/admin/v1/bundle")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/gzip", "Content-Disposition": `attachment; filename="apichain-v0.3.0-20261123T052307Z.tar.gz"`, "ETag": `"1795411387412"`,
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Audit-Id": "the-audit-id",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	files, names := unpack(t, w.Body.Bytes())
	var want []string
	for _, item := range decode(t, ask(t, h, "/admin/"))["items"].([]any) {
		item := item.(map[string]any)
		id, path := item["id"].(string), item["path"].(string)
		if item["roles"].(map[string]any)["GET"] != "view" || id == "explain" || id == "owners" || id == "stream" || id == "bundle" {
			continue
		}
		name := strings.TrimSuffix(id, ".json") + ".json"
		if id == "metrics" {
			name = "metrics.txt"
		}
		want = append(want, name)
		if got, alone := files[name], ask(t, h, path).Body.String(); got != alone {
			t.Errorf("%s is not what %s shows:\n%.300s\n%.300s", name, path, got, alone)
		}
	}
	if want = append(want, "goroutines.txt", "MANIFEST.json"); !slices.Equal(names, want) {
		t.Errorf("files\n%q, want\n%q", names, want)
	}
	if text := files["goroutines.txt"]; !strings.HasPrefix(text, "goroutine profile: total ") || !strings.Contains(text, "TestBundle") {
		t.Errorf("goroutines: %.300s", text)
	}
	for _, never := range []string{"snapshot.json", "reset.json", "debug/pprof.json", "bundle.json"} {
		if files[never] != "" {
			t.Errorf("%s is in the bundle", never)
		}
	}
	var m struct {
		Generation int64
		At         string
		Files      []struct {
			Name, SHA256 string
			Bytes        int
		}
	}
	if err := json.Unmarshal([]byte(files["MANIFEST.json"]), &m); err != nil || m.Generation != exampleGeneration || m.At != exampleAt || len(m.Files) != len(names)-1 {
		t.Fatalf("%v\n%s", err, files["MANIFEST.json"])
	}
	for _, f := range m.Files {
		sum := sha256.Sum256([]byte(files[f.Name]))
		if f.Bytes != len(files[f.Name]) || f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d bytes with %s are listed, there are %d with %x", f.Name, f.Bytes, f.SHA256, len(files[f.Name]), sum)
		}
	}
}

// TestBundleIsOfOneMoment: when the process changes meanwhile the bundle is put together
// again, and all its pages say the same.
func TestBundleIsOfOneMoment(t *testing.T) {
	for name, c := range map[string]struct {
		changes int // times that it is seen to have changed
		want    int64
	}{"at rest": {0, 1}, "once": {1, 2}, "without rest": {100, 4}} {
		t.Run(name, func(t *testing.T) {
			src := newFake(t)
			changed, generation := 0, int64(1)
			src.generation = func() int64 { return generation }
			h := handlerOf(t, changing{src, func() {
				if changed < c.changes {
					changed++
					generation++
				}
			}})
			w := ask(t, h, "/admin/v1/bundle")
			files, _ := unpack(t, w.Body.Bytes())
			for name, text := range files {
				if !strings.HasSuffix(name, ".json") || name == "openapi.json" {
					continue
				}
				var page struct{ Generation int64 }
				if err := json.Unmarshal([]byte(text), &page); err != nil || page.Generation != c.want {
					t.Errorf("%s: generation %d, want %d; %v", name, page.Generation, c.want, err)
				}
			}
		})
	}
}

// changing is a fake that changes whenever its options are read.
type changing struct {
	*fake
	change func()
}

func (c changing) Options() []Option {
	c.change()
	return c.fake.Options()
}

// TestOneBundleAtATime: a second one is told to come again, and gets it when the first is
// done.
func TestOneBundleAtATime(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	h := handlerOf(t, changing{newFake(t), func() { began <- struct{}{}; <-release }})
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- ask(t, h, "/admin/v1/bundle") }()
	<-began
	w := ask(t, h, "/admin/v1/bundle")
	if got := decode(t, w); w.Code != 429 || got["reason"] != "TooManyRequests" || w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("a second: %d %v %v", w.Code, got, w.Header())
	}
	close(release)
	if w := <-first; w.Code != 200 {
		t.Errorf("the first: %d %s", w.Code, w.Body)
	}
	go func() { <-began }()
	if w := ask(t, h, "/admin/v1/bundle"); w.Code != 200 {
		t.Errorf("the next: %d %s", w.Code, w.Body)
	}
}

func TestBundleRefusals(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	for _, tt := range []struct {
		request string
		code    int
		header  []string
	}{
		{"/admin/v1/bundle?pretty=true", 400, nil},
		{"/admin/v1/bundle?limit=1", 400, nil},
		{"/admin/v1/bundle", 406, []string{"Accept: application/json"}},
		{"POST /admin/v1/bundle", 405, nil},
		{"HEAD /admin/v1/bundle", 200, nil},
		{"/admin/v1/bundle", 200, []string{"Accept: application/gzip"}},
		{"/admin/v1/bundle", 403, []string{"Host: evil.example"}},
	} {
		w := ask(t, h, tt.request, tt.header...)
		if w.Code != tt.code {
			t.Errorf("%s %q: %d, want %d: %s", tt.request, tt.header, w.Code, tt.code, w.Body)
		}
		if strings.HasPrefix(tt.request, "HEAD") && (w.Body.Len() > 0 || w.Header().Get("Content-Type") != "application/gzip" || w.Header().Get("Content-Disposition") == "") {
			t.Errorf("HEAD: %d bytes, %v", w.Body.Len(), w.Header())
		}
	}
	src.metrics = io.ErrUnexpectedEOF
	if w := ask(t, h, "/admin/v1/bundle"); w.Code != 500 || decode(t, w)["reason"] != "InternalError" {
		t.Errorf("a page that fails: %d %s", w.Code, w.Body)
	}
	src.metrics = nil
	if w := ask(t, h, "/admin/v1/bundle"); w.Code != 200 {
		t.Errorf("after it: %d %s", w.Code, w.Body)
	}
}

// BenchmarkBundle is a bundle of a program with 10,000 routes.
func BenchmarkBundle(b *testing.B) {
	src := newFake(b)
	for len(src.routes) < 10_000 {
		src.routes = append(src.routes, src.routes[0])
	}
	h := handlerOf(b, src)
	for b.Loop() {
		if w := ask(b, h, "/admin/v1/bundle"); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
