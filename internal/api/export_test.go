package api

import (
	"apichain/internal/kinds"
	"apichain/internal/store"
)

// What the tests outside of the package want of its inside.

const (
	ContinueVersion = continueVersion
	GeneratedTries  = generatedTries
	PatchTries      = patchTries
)

type ListOptions = listOptions

var (
	HasCondition  = hasCondition
	ParseContinue = parseContinue
)

// NewBuiltin makes another resource of a built-in kind, which shares nothing but the objects with
// the one that is served.
func (s *API) NewBuiltin(row *kinds.Row) *Resource { return s.newBuiltin(row) }

// OnPrepare has a function called where the kind has the last word before a write; old is nil on
// create.
func (r *Resource) OnPrepare(f func(q *Call, obj, old map[string]any) error) { r.prepare = f }

// Snapshot returns the state that a list with the options shows.
func (q *Call) Snapshot(o *ListOptions) (store.Snapshot, error) { return q.snapshot(o) }

// Prefix returns what the keys of the list begin with.
func (q *Call) Prefix() string { return q.prefix() }

// ContinueToken is the type of continue tokens.
type ContinueToken = continueToken
