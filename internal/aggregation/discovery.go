package aggregation

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"apichain/internal/discovery"
)

// What a server has is asked for in the aggregated form, for all of its versions at once, and else version by
// version in the plain one.

const (
	// askTime is how long an answer may take, and discoveryMostBytes how large it may be: a server that
	// has ten thousand resources says so in a tenth.
	askTime            = 5 * time.Second
	discoveryMostBytes = 16 << 20
)

// Who asks for discovery, and in which groups for the aggregated form.
const discoveryUser = "system:kube-aggregator"

var discoveryGroups = []string{"system:masters"}

// askDiscovery asks a server what it has, and shows it. The error is of whichever question has failed.
func (m *Merger) askDiscovery(ctx context.Context, s *server) error {
	versions := s.versions()
	// One question for all versions, by the first of them: they differ in no trust, else they were two servers.
	known, err := m.aggregated(ctx, s, versions[0])
	var wrong []error
	for _, r := range versions {
		// What the document does not have of a version is nothing, and no error.
		resources, failed := known[r.Group+"/"+r.Version], err
		if err == nil && known == nil {
			resources, failed = m.plain(ctx, r)
		}
		// The server has gone or the program ends: that says nothing of what the server has.
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.learn(r, false, func(k *knowledge) {
			k.resources, k.fresh, k.asked = resources, failed == nil, true
		})
		wrong = append(wrong, failed)
	}
	return errors.Join(wrong...)
}

// aggregated asks a server for all that it has in the aggregated form, by group and version; nil without an error if
// it has none in that form.
func (m *Merger) aggregated(ctx context.Context, s *server, r *Remote) (known map[string][]byte, err error) {
	header := http.Header{"Accept": {discovery.AggregatedType}}
	if s.tag != "" {
		header.Set("If-None-Match", s.tag)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	code, h, body, err := m.ask(r, ctx, "/apis", header, discoveryUser, discoveryGroups)
	switch {
	case err != nil:
		return nil, err
	case code == http.StatusNotModified && s.last != nil:
		return s.last, nil
	// Who is not ready yet is asked again, and not taken for one that has only the plain form (upstream).
	case code == http.StatusServiceUnavailable:
		return nil, fmt.Errorf("/apis: the server answers %d", code)
	case code != http.StatusOK || !isAggregated(h.Get("Content-Type")):
		// It may be another server by now.
		s.tag, s.last = "", nil
		return nil, nil
	}
	if err = within(body, discoveryMostBytes); err == nil {
		known, err = discovery.ReadRemote(body)
	}
	if err != nil {
		return nil, fmt.Errorf("/apis: %w", err)
	}
	// Only now: a document that could not be read must be sent again.
	s.tag, s.last = h.Get("Etag"), known
	return known, nil
}

// isAggregated reports whether a media type is that of the aggregated form.
func isAggregated(contentType string) bool {
	_, p, err := mime.ParseMediaType(contentType)
	return err == nil && p["g"] == "apidiscovery.k8s.io" && p["v"] == "v2" && p["as"] == "APIGroupDiscoveryList"
}

// plain asks a server for the resources of one version.
func (m *Merger) plain(ctx context.Context, r *Remote) (resources []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	path := r.Root()
	code, _, body, err := m.ask(r, ctx, path, http.Header{"Accept": {"application/json"}}, discoveryUser, nil)
	switch {
	case err != nil:
		return nil, err
	case code != http.StatusOK:
		return nil, fmt.Errorf("%s: the server answers %d", path, code)
	}
	if err = within(body, discoveryMostBytes); err == nil {
		resources, err = discovery.ReadRemoteVersion(body)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return resources, nil
}
