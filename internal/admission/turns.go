package admission

import (
	"context"
	"net/http"
	"sync"
	"time"

	"apichain/internal/field"
	"apichain/internal/status"
)

// quotaTime is how long a write waits for its turn (upstream).
const quotaTime = 10 * time.Second

// errQuotaTime is what upstream answers then.
var errQuotaTime = &status.Error{
	Code: http.StatusInternalServerError, Reason: "InternalError",
	Message: "Internal error occurred: resource quota evaluation timed out",
	Details: &status.Details{Causes: []field.Error{{Message: "resource quota evaluation timed out"}}},
}

// turns lets one at a time do something about a name. The zero value is ready.
type turns struct {
	mu sync.Mutex
	// of has the names that somebody is at or waits for.
	of map[string]*turn
}

// turn is that of one name: held, with room for one, is full while it is somebody's. many are at it or wait.
type turn struct {
	held chan struct{}
	many int
}

// take waits for the turn of a name, which the caller has until it calls done, for so long at most and no longer than ctx
// goes on. ok says that it has come.
func (t *turns) take(ctx context.Context, name string, patience time.Duration) (done func(), ok bool) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	one := t.of[name]
	if one == nil {
		one = &turn{held: make(chan struct{}, 1)}
		t.of[name] = one
	}
	one.many++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.many--; one.many == 0 {
			delete(t.of, name)
		}
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case one.held <- struct{}{}:
		return func() { <-one.held; leave() }, true
	case <-late.C:
	case <-ctx.Done():
	}
	leave()
	return nil, false
}
