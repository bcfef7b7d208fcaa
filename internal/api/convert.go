package api

import "context"

// Converter makes objects of one version of a custom resource ones of another by asking a webhook. It is called
// concurrently.
type Converter interface {
	// Convert returns the objects in the version of apiVersion, GROUP/VERSION, in the same order. It asks once for
	// all that are of another one, and not at all for none. The objects are its caller's: those given are not changed,
	// and those returned share nothing with them that is changed later. The error is the client's, a *status.Error.
	Convert(ctx context.Context, objs []map[string]any, apiVersion string) ([]map[string]any, error)
}
