package main

import (
	"sync"
	"time"

	"apichain/internal/metrics"
)

// What the metrics and the admin endpoint show of what keeps the objects.

// etcdRequests counts the requests to etcd, by upstream's names of the operations. The zero value is
// ready, and its methods may be called concurrently.
type etcdRequests struct {
	// took has all of them, since the start.
	took metrics.Durations

	mu sync.Mutex
	by map[string]*etcdOperation
}

// etcdOperation is what is counted of one operation.
type etcdOperation struct {
	took   *metrics.Histogram
	failed metrics.Counter
}

// etcdBounds are upstream's buckets of the time that a request to etcd takes, in microseconds.
var etcdBounds = []int64{5e3, 25e3, 5e4, 1e5, 2e5, 4e5, 6e5, 8e5, 1e6, 125e4, 15e5, 2e6, 3e6, 4e6, 5e6, 6e6, 8e6, 1e7, 15e6, 2e7, 3e7, 45e6, 6e7}

// observe counts one request.
func (r *etcdRequests) observe(operation string, took time.Duration, err error) {
	r.took.Add(took)
	r.mu.Lock()
	o := r.by[operation]
	if o == nil {
		if r.by == nil {
			r.by = map[string]*etcdOperation{}
		}
		o = &etcdOperation{took: metrics.NewHistogram(etcdBounds, func(v int64) float64 { return float64(v) / 1e6 })}
		r.by[operation] = o
	}
	r.mu.Unlock()
	o.took.Observe(took.Microseconds())
	if err != nil {
		o.failed.Inc()
	}
}
