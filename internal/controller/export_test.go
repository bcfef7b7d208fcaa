package controller

import (
	"context"

	"apichain/internal/api"
)

// What the tests outside of the package want of its inside.

// LoadFixtures applies manifests with controllers of their own.
func LoadFixtures(ctx context.Context, a *api.API, paths []string) error {
	return newControllers(a, "").loadFixtures(ctx, paths)
}

// Hold keeps a Restorer as busy as a change does, until release is called.
func (r *Restorer) Hold() (release func()) {
	r.busy.Lock()
	return r.busy.Unlock
}
