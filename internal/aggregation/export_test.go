package aggregation

import "context"

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
)

// Look lets the keeper look at a name again.
const ResyncTime = resyncTime
