package main

import (
	"apichain/internal/backend"
	"apichain/internal/conversion"
)

// Conversion webhooks of definitions: who calls them is internal/conversion, over the backends that the program
// shares with other callers. Nothing is asked before a definition that names a webhook is served, which is after
// the backends are there.

// newConversions makes what converts by webhooks.
func (p *program) newConversions() *conversion.Webhooks {
	p.conversions = conversion.New(func() *backend.Set { return p.backends })
	return p.conversions
}
