package aggregation

import (
	"bufio"
	"context"
	"io"
	"net/url"
	"strings"
)

// Check finds out whether an APIService can be used, once.
func (s *Services) Check(ctx context.Context, name string) error { return s.check(ctx, name) }

// Register does what the keeper does for a name that is wanted with a label; "": it is not.
func (s *Services) Register(ctx context.Context, group, version, label string, once, atStart bool) error {
	var want *wanted
	if label != "" {
		want = newWanted(group, version, label, 1000, 100)
	}
	return s.register(ctx, nameOf(group, version), want, once, atStart)
}

// These are for tests of single functions.
var (
	NormalQuery = normalQuery
	RootOf      = rootOf
	EscapeKey   = escapeKey
	ParseTag    = parseTag
	IsDiscovery = isDiscovery
)

// RewritePage rewrites a whole page.
func RewritePage(text string, moved func(*url.URL) string) (string, error) {
	p := &page{body: io.NopCloser(nil), moved: moved, in: bufio.NewReader(strings.NewReader(text)), end: func() error { return nil }}
	p.to = &p.out
	b, err := io.ReadAll(p)
	return string(b), err
}
