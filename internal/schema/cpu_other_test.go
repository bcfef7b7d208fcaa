//go:build !unix

package schema

import "time"

var began = time.Now()

// processorTime returns the time, where the processor's is not known.
func processorTime() time.Duration { return time.Since(began) }
