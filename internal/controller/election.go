package controller

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"time"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// Over a shared backend several processes have the same objects, and the controllers run in one of them at a time: in
// the one that holds a Lease. It is taken and kept through the calls that a client has, by the rules of client-go:
//
//	free, released or run out  ──► taken: its holder works, and renews it every retryPeriod
//	not renewed for renewDeadline ─► the holder stops working, and stands by like the others
//	not renewed for leaseDuration ─► it has run out, and whoever sees that first takes it
//	the holder stops in order ─────► released: somebody takes it at once
//
// No two clocks are compared: a Lease has run out when it has been seen unchanged for as long as it says. Since its
// holder stops before, by its own clock, two never work at once unless a clock runs half as fast as another. Even
// then nothing breaks: every write of a controller says which state of its object it is for.
//
// Who stands by follows the Lease's events and one timer, and asks nobody.

// The times are client-go's.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// The Leases are kube-system/apichain-controllers, of who runs the controllers, and kube-system/apichain-restore, of
// who changes the store as a whole.
const (
	leaseNamespace   = "kube-system"
	controllersLease = "apichain-controllers"
	restoreLease     = "apichain-restore"
)

// microTime is how times of a Lease are written.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// election is one process's part in the choice of who works. It belongs to one goroutine.
type election struct {
	api *api.API
	// lease is the name of the Lease.
	lease string
	// id is who this process is: no other has it, nor has this one after a restart.
	id string
	// seen is the resource version of the Lease as it was seen last, "" for none. It was first seen at since, and
	// runs out at expires.
	seen           string
	since, expires time.Time
	// holder is who had it when it was seen last.
	holder string
}

// newElection returns the election for a Lease of a name, in which this process takes part once.
func newElection(a *api.API, lease string) *election {
	host, _ := os.Hostname()
	return &election{api: a, lease: lease, id: fmt.Sprintf("%s_%d_%s", host, os.Getpid(), rand.Text())}
}

// run calls work whenever this process holds the Lease, with a context that ends with that, and waits for its end. It
// returns when ctx ends, and has let go of the Lease then.
func (e *election) run(ctx context.Context, work func(context.Context)) {
	log := e.api.Config.Log
	for e.acquire(ctx) {
		log.Info("the controllers run in this process", "lease", leaseNamespace+"/"+e.lease, "holder", e.id)
		working, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			work(working)
		}()
		why := e.renew(ctx)
		stop()
		<-ended
		if ctx.Err() != nil {
			break
		}
		log.Warn("the controllers stand by in this process", "lease", leaseNamespace+"/"+e.lease, "why", why)
	}
	e.release()
}

// acquire waits until the Lease is this process's. It returns false when ctx has ended.
func (e *election) acquire(ctx context.Context) bool {
	leases := e.leases().Bucket
	for ctx.Err() == nil {
		// The place in the log comes first: what is written after the look wakes us.
		cursor, err := leases.Watch(e.api.Store.Revision())
		held, failed := e.try(ctx)
		if held {
			return true
		}
		// Others that stand by fail together: they are not to ask again together.
		wait := retryPeriod + mathrand.N(retryPeriod)
		var changed <-chan struct{}
		if err == nil && failed == nil {
			if _, changed, err = cursor.Next(nil, 1); changed == nil {
				continue // there is something already
			}
			wait = time.Until(e.expires)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// renew keeps the Lease until ctx ends, or it is lost: then it returns why.
func (e *election) renew(ctx context.Context) (why string) {
	timer := time.NewTimer(retryPeriod)
	defer timer.Stop()
	for renewed := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ""
		case <-timer.C:
		}
		until, cancel := context.WithDeadline(ctx, renewed.Add(renewDeadline))
		began := time.Now()
		held, err := e.try(until)
		cancel()
		switch {
		case held:
			renewed = began
		case err == nil:
			return "another process has it"
		case time.Since(renewed) >= renewDeadline:
			return "it could not be renewed: " + err.Error()
		}
		timer.Reset(min(retryPeriod, time.Until(renewed.Add(renewDeadline))))
	}
}

// keep renews a Lease that this process has just taken, until ended is called, which lets go of it. The context ends when
// it is lost; ended returns why it was, "" if it was not.
func (e *election) keep(ctx context.Context) (held context.Context, ended func() (why string)) {
	held, lost := context.WithCancel(ctx)
	renewing, stop := context.WithCancel(ctx)
	why := make(chan string, 1)
	go func() {
		defer lost()
		why <- e.renew(renewing)
	}()
	return held, func() string {
		stop()
		defer e.release()
		return <-why
	}
}

// try takes or renews the Lease, unless somebody else has it. After an error nobody knows.
func (e *election) try(ctx context.Context) (held bool, err error) {
	o, err := e.call("update").Until(ctx).Modify(ctx, func(lease map[string]any) bool {
		held = e.claim(lease)
		return held
	})
	if err != nil {
		return false, err
	}
	if o == nil {
		lease := map[string]any{"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": map[string]any{"name": e.lease}}
		e.fill(lease, time.Now(), 0)
		if o, err = e.call("create").Until(ctx).Insert(lease); err != nil {
			return false, err
		}
		held = true
	}
	e.observe(o.Decode())
	return held, nil
}

// observe notes the Lease, and when it was seen first as it is.
func (e *election) observe(lease map[string]any) {
	if rev := tree.Text(lease, "metadata", "resourceVersion"); rev != e.seen {
		e.seen, e.since = rev, time.Now()
	}
	e.holder = tree.Text(lease, "spec", "holderIdentity")
	seconds, _ := tree.At(lease, "spec", "leaseDurationSeconds").(int64)
	e.expires = e.since.Add(time.Duration(seconds) * time.Second)
}

// claim makes of the Lease as it is one of this process, and reports whether it may be had.
func (e *election) claim(lease map[string]any) bool {
	e.observe(lease)
	holder := tree.Text(lease, "spec", "holderIdentity")
	transitions, _ := tree.At(lease, "spec", "leaseTransitions").(int64)
	acquired, err := time.Parse(time.RFC3339, tree.Text(lease, "spec", "acquireTime"))
	switch {
	case holder != "" && holder != e.id && time.Now().Before(e.expires):
		return false
	case holder != e.id || err != nil:
		acquired, transitions = time.Now(), transitions+1
	}
	e.fill(lease, acquired, transitions)
	return true
}

// fill says in a Lease that this process holds it.
func (e *election) fill(lease map[string]any, acquired time.Time, transitions int64) {
	lease["spec"] = map[string]any{
		"holderIdentity": e.id, "leaseDurationSeconds": int64(leaseDuration / time.Second), "leaseTransitions": transitions,
		"acquireTime": acquired.UTC().Format(microTime), "renewTime": time.Now().UTC().Format(microTime),
	}
}

// release lets go of the Lease, if this process holds it, so that another one need not wait until it runs out. The
// server is stopping: what fails is logged, and costs leaseDuration.
func (e *election) release() {
	ctx, cancel := context.WithTimeout(context.Background(), retryPeriod)
	defer cancel()
	_, err := e.call("update").Until(ctx).Modify(ctx, func(lease map[string]any) bool {
		if tree.Text(lease, "spec", "holderIdentity") != e.id {
			return false
		}
		transitions, _ := tree.At(lease, "spec", "leaseTransitions").(int64)
		e.fill(lease, time.Now(), transitions)
		tree.Set(lease, "", "spec", "holderIdentity")
		tree.Set(lease, int64(1), "spec", "leaseDurationSeconds")
		return true
	})
	if err != nil {
		e.api.Config.Log.Warn("the Lease of the controllers was not released: others wait until it runs out", "err", err)
	}
}

// leases returns the resource of Leases.
func (e *election) leases() *api.Resource { return e.api.Builtin("coordination.k8s.io", "v1", "Lease") }

// call returns a call about the Lease.
func (e *election) call(verb string) *api.Call {
	name := e.lease
	if verb == "create" {
		name = ""
	}
	return e.api.Internal(e.leases(), verb, leaseNamespace, name, "")
}
