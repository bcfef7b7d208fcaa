package aggregation

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"apichain/internal/discovery"
	"apichain/internal/openapi"
	"apichain/internal/tree"
)

// OpenAPI of other servers. Of v3 only the index is asked for: documents are asked for by clients, through the proxy.
// Of v2 there is one document, so theirs become parts of ours.
//
//	/openapi/v3   index     ──> addresses of the version and its group; a client's request goes there
//	              404       ──> /openapi/v2, converted; from then on only that is asked for
//	/openapi/v2   document  ──> what it says of the version, merged by the catalog
//
// Documents are large and seldom change, so an answer is recognized by its tag, or by a sum of its bytes where it has
// none, before it is parsed; and one is parsed at a time, whatever number of servers there are.

const (
	// openAPITime is how long an answer may take, and openAPIMostBytes how large it may be: upstream's own document
	// has four megabytes.
	openAPITime      = time.Minute
	openAPIMostBytes = 32 << 20
	openAPIUser      = "system:aggregator"
)

// ownTag is what the tag of an answer begins with that came without one. It is not sent.
const ownTag = "sha256 "

// errUnavailable is why a server is not asked: its requests would not be sent there either.
var errUnavailable = errors.New("service unavailable")

// download asks a server for a document, gives it to use for each of the server's versions, and remembers its tag when
// all of them have taken it. What it said before, under the tag that it gave or without one the same bytes again, is
// not used again. It returns 200 also for that, and 404 without a document.
func (m *Merger) download(ctx context.Context, s *server, path string, header http.Header, use func(*Remote, []byte) error) (int, error) {
	r, versions := s.available(), s.versions()
	if r == nil {
		return 0, errUnavailable
	}
	if !slices.Equal(s.told, versions) {
		s.tag = "" // there may be one that has not been told
	}
	if s.tag != "" && !strings.HasPrefix(s.tag, ownTag) {
		header.Set("If-None-Match", s.tag)
	}
	// For the wait below as well, so that one whose turn does not come is asked anew later.
	ctx, cancel := context.WithTimeout(ctx, openAPITime)
	defer cancel()
	code, h, body, err := m.ask(r, ctx, path, header, openAPIUser, nil)
	switch {
	case err != nil:
		return 0, err
	case code == http.StatusNotFound:
		return code, nil
	// Who says so unasked has no document that we know, and falls to the errors below.
	case code == http.StatusNotModified && s.tag != "":
		return http.StatusOK, nil
	case code != http.StatusOK:
		return 0, fmt.Errorf("%s: the server answers %d", path, code)
	}
	if err := within(body, openAPIMostBytes); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	tag := h.Get("Etag")
	if tag == "" {
		tag = fmt.Sprintf("%s%x", ownTag, sha256.Sum256(body))
	}
	// Servers that heed no If-None-Match say the same again: parsing it would be the costly part.
	if tag == s.tag {
		return code, nil
	}
	select {
	case m.parsing <- struct{}{}:
		defer func() { <-m.parsing }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for _, r := range versions {
		if err := use(r, body); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	// Last, since a document that one of them could not use is to be had again.
	s.tag, s.told = tag, versions
	return code, nil
}

// askOpenAPI2 asks a server for its document of v2, and shows what it says of its own versions.
func (m *Merger) askOpenAPI2(ctx context.Context, s *server) error {
	code, err := m.downloadOpenAPI2(ctx, s, func(r *Remote, d openapi.Document) error {
		d.Filter(r.Root() + "/")
		// As text: the catalog parses it when it merges, and the tree would stay in memory until then.
		definitions := tree.AppendJSON(nil, map[string]any(d))
		m.learn(r, true, func(k *knowledge) { k.openAPI.Definitions = definitions })
		return nil
	})
	if code == http.StatusNotFound {
		return errNever
	}
	return err
}

// downloadOpenAPI2 gives use the document of v2, a new one for each of the server's versions, as download does.
func (m *Merger) downloadOpenAPI2(ctx context.Context, s *server, use func(*Remote, openapi.Document) error) (int, error) {
	return m.download(ctx, s, discovery.OpenAPI2Path, http.Header{"Accept": {"application/json"}}, func(r *Remote, body []byte) error {
		d, err := openapi.Read(body)
		if err == nil {
			err = use(r, d)
		}
		return err
	})
}

// askOpenAPI3 asks a server for its index of v3, and shows where it has the documents of its own versions. Of a server
// that has none, now and from then on, the document of v2 is converted. That one is not filtered (upstream).
func (m *Merger) askOpenAPI3(ctx context.Context, s *server) error {
	if !s.older {
		code, err := m.download(ctx, s, discovery.OpenAPIRoot, http.Header{}, func(r *Remote, body []byte) error {
			addresses, err := readIndex(body, r)
			if err == nil {
				m.learn(r, true, func(k *knowledge) { k.openAPI.Addresses, k.openAPI.Converted = addresses, nil })
			}
			return err
		})
		if code != http.StatusNotFound {
			return err
		}
		// The tag was of the index, and that of the other document is not known.
		s.older, s.tag = true, ""
	}
	_, err := m.downloadOpenAPI2(ctx, s, func(r *Remote, d openapi.Document) error {
		v3, err := d.ToV3()
		if err != nil {
			return err
		}
		// As text, since clients ask for it often and the tree is many times as large.
		converted := map[string][]byte{r.Root()[1:]: tree.AppendJSON(nil, v3)}
		m.learn(r, true, func(k *knowledge) { k.openAPI.Addresses, k.openAPI.Converted = nil, converted })
		return nil
	})
	return err
}

// readIndex returns where a server has the documents of a version and of its group, by their keys. Whatever else its
// index has is other servers' to say, and an address elsewhere is not believed.
func readIndex(body []byte, r *Remote) (map[string]string, error) {
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := json.Unmarshal(body, &index); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, key := range []string{r.Root()[1:], "apis/" + r.Group} {
		entry, ok := index.Paths[key]
		if !ok {
			continue
		}
		out[key] = discovery.OpenAPIRoot + "/" + key
		if strings.HasPrefix(entry.ServerRelativeURL, out[key]+"?") {
			out[key] = entry.ServerRelativeURL
		}
	}
	return out, nil
}
