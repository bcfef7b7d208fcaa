//go:build !linux

package parent

import "context"

// await is for systems whose kernel tells at once; here it does not.
func await(context.Context, int) (died, ok bool) { return false, false }
