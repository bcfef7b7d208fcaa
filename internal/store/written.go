package store

import "context"

// WhenWritten calls see at once, and again whenever something in one of the buckets, at most four, may have changed: by a write here or of
// another server, by a reset, or by what was restored. What is written while see runs ends the next wait. It waits for the event log and
// looks at nothing in between. It returns when ctx has ended; the calls of see are one after another, in the caller's goroutine.
func (s *Store) WhenWritten(ctx context.Context, buckets []string, see func()) {
	woken := make(chan struct{})
	close(woken)
	waits := make([]<-chan struct{}, len(buckets))
	for {
		for i, name := range buckets {
			b := s.Bucket(name)
			// From what is there now on, which see sees.
			cursor, err := b.Watch(b.Now().Rev)
			if err == nil {
				_, waits[i], err = cursor.Next(nil, 0)
			}
			if err != nil || waits[i] == nil { // there is something new already, or the log was reset
				waits[i] = woken
			}
		}
		// Behind the cursors, so that what is written from here on ends the wait.
		see()
		if !first(ctx, waits) {
			return
		}
	}
}

// first waits until one of the channels is closed, and returns false if ctx ends before.
func first(ctx context.Context, waits []<-chan struct{}) bool {
	// There are two buckets of webhooks and four of policies; one that is not there waits for ever.
	var four [4]<-chan struct{}
	copy(four[:], waits)
	select {
	case <-ctx.Done():
		return false
	case <-four[0]:
	case <-four[1]:
	case <-four[2]:
	case <-four[3]:
	}
	return true
}
