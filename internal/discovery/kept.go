package discovery

import (
	"sync"
	"time"
)

// keepFor is how long the bytes of a document of OpenAPI are kept when nobody asks for them: long
// enough for the many requests of one command, or of a job that runs many.
const keepFor = time.Minute

// kept holds bytes that can be made again at any time, as long as they are asked for now and then. The
// zero value has none. Methods may be called concurrently.
type kept struct {
	mu    sync.Mutex
	bytes []byte
	timer *time.Timer
}

// get returns the bytes, which nobody may change. If there are none, make makes them, and who asks
// meanwhile waits. They are let go of when nobody has asked for keepFor.
func (k *kept) get(make func() []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes == nil {
		k.bytes = make()
	}
	if k.timer == nil {
		k.timer = time.AfterFunc(keepFor, k.drop)
	} else {
		k.timer.Reset(keepFor)
	}
	return k.bytes
}

// drop lets go of the bytes. Whoever has got them may go on to use them.
func (k *kept) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes = nil
}
