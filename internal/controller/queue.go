package controller

import (
	"context"
	"slices"
	"time"

	"apichain/internal/api"
	"apichain/internal/store"
)

// Controllers here are driven by levels, as upstream's are: an event says which object to look
// at, never what to do. Whoever looks reads the present state and does what is missing in it, so
// that looking twice does no harm, the order does not matter, and events that were lost are made
// up for by looking at everything.
//
//	store's log ── observe ──► tasks (object, reason) ── sync ──► writes ──► store's log ...
//	                 │                                    ▲
//	                 └──► dependents by owner ────────────┘
//
// One goroutine does it all, one task after the other, so that no two tasks race. Clients race
// with them: a write that depends on what was read carries a precondition, and one that comes too
// late is no error, since the event of what came before it leads here again. Nothing polls; only
// a task that failed is tried again after a while.

// controllers is the state of that goroutine. Nothing else uses it once run is called.
type controllers struct {
	api *api.API
	// ca is the PEM that every namespace gets.
	ca string
	// definitionsOnly is Own.DefinitionsOnly.
	definitionsOnly bool

	// observed is the revision up to which events have been taken from the store's log.
	observed int64

	// Tasks wait in queue, each once: queued has the same ones.
	queue  []task
	queued map[task]bool
	// failing are the tasks that failed when they were tried last: only their first failure is logged.
	failing map[task]bool

	// dependents are the places of the objects that name an owner, by the owner's uid. An owner
	// need not be there, nor its kind.
	dependents map[string]map[place]bool
	// absent are uids of owners that have been deleted under our eyes, as long as somebody names
	// them. It outlives the kind: when a definition goes, nobody could look its objects up.
	absent map[string]bool

	// terminating are the names of namespaces under deletion. Any event in one of them may be that
	// of its last object.
	terminating map[string]bool
}

// place says where an object is, or was.
type place struct {
	bucket *store.Bucket
	key    string
}

// task is one object to look at for one reason.
type task struct {
	why taskKind
	at  place
}

// taskKind is the reason to look at an object; it says which rules are applied to it.
type taskKind int

// The reasons.
const (
	// taskNamespace is for a namespace: it needs its own objects, or is to be emptied.
	taskNamespace taskKind = iota
	// taskDefinition is for a CustomResourceDefinition that is to be emptied.
	taskDefinition
	// taskOwner is for an object that is deleted with a finalizer for its dependents.
	taskOwner
	// taskDependent is for an object with owners.
	taskDependent
	// taskCondition is for an object with a condition that the server writes.
	taskCondition
)

// taskRetry is how long after a task that failed is tried again.
const taskRetry = 100 * time.Millisecond

// eventBatch is how many events are taken from the log at once. Between two batches the tasks of
// the first are done, so that a flood of writes does not delay them without end.
const eventBatch = 1000

// newControllers returns controllers that have seen nothing yet: run and settle begin with all
// objects there are.
func newControllers(s *api.API, ca string) *controllers {
	return &controllers{
		api:         s,
		ca:          ca,
		queued:      map[task]bool{},
		failing:     map[task]bool{},
		dependents:  map[string]map[place]bool{},
		absent:      map[string]bool{},
		terminating: map[string]bool{},
	}
}

// run works until ctx ends. It never fails: what goes wrong is logged and tried again.
func (c *controllers) run(ctx context.Context) {
	c.rescan()
	// Reset drops what the timer has sent before, so the first firing is of no meaning.
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		failed := c.work(ctx)
		events, changed, ok := c.api.Store.After(c.observed, eventBatch)
		if !ok {
			// The log has forgotten some that we did not see: a burst was larger than its window.
			c.rescan()
			continue
		}
		if len(events) > 0 {
			for _, e := range events {
				c.observe(e.Bucket, e.Event)
			}
			continue
		}
		// Only now, with nothing left to see: new events may be what a failing task waits for.
		var again <-chan time.Time
		if failed {
			retry.Reset(taskRetry)
			again = retry.C
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// settle works until nothing is left to do, for what must be there before the server is ready. It
// does not wait: a task that fails is left to run, with what follows from it.
func (c *controllers) settle(ctx context.Context) {
	c.rescan()
	for {
		failed := c.work(ctx)
		// If the log has lost some, there are none here: run begins with a rescan.
		events, _, _ := c.api.Store.After(c.observed, eventBatch)
		if len(events) == 0 || failed || ctx.Err() != nil {
			return
		}
		for _, e := range events {
			c.observe(e.Bucket, e.Event)
		}
	}
}

// rescan looks at everything there is, as if each object had just been added.
func (c *controllers) rescan() {
	// The revision first: an object that is written meanwhile is seen twice, and never not at all.
	c.observed = c.api.Store.Revision()
	// Objects that have gone unseen must not be dependents for ever. absent stays, but for what is
	// there: the rest of what it knows cannot be found out again.
	clear(c.dependents)
	for _, b := range c.api.Store.Buckets() {
		sn := b.Now()
		for o := range sn.Scan("", "") {
			c.observe(b, &store.Event{Kind: store.Added, Rev: c.observed, Object: o})
		}
	}
}

// add queues a task, unless it waits already: one look will see whatever has happened by then.
func (c *controllers) add(why taskKind, at place) {
	if c.definitionsOnly && why != taskDefinition && why != taskCondition {
		return
	}
	t := task{why, at}
	if !c.queued[t] {
		c.queued[t] = true
		c.queue = append(c.queue, t)
	}
}

// observe keeps the index of dependents and queues the tasks that an event asks for. It changes no
// object itself, but that definitions which wait for names are written again at once.
func (c *controllers) observe(b *store.Bucket, e *store.Event) {
	c.observed = max(c.observed, e.Rev)
	at := place{b, e.Object.Key}
	if e.Prev != nil {
		// Before the new owners are added, since most of them are the same.
		c.removeDependent(at, e.Prev.Meta)
		c.wakeOwners(e)
	}
	m := e.Object.Meta
	if e.Kind == store.Deleted {
		c.ownerGone(m.UID)
	} else {
		// A reset brings back what was gone, under its uid.
		delete(c.absent, m.UID)
		c.addDependent(at, m)
		if len(m.Owners) > 0 {
			c.add(taskDependent, at)
		}
		if m.Deleting && m.Finalizers > 0 {
			c.add(taskOwner, at)
		}
	}
	switch {
	case b == c.api.Namespaces:
		c.add(taskNamespace, at)
	case b == c.api.Customs.Bucket:
		c.add(taskDefinition, at)
		// A new one takes names and frees none.
		if e.Kind != store.Added {
			c.retryNames(at)
		}
	default:
		c.observeContent(b, e)
		c.observeConditions(b, e)
	}
}

// wakeOwners queues each owner that the object of an event no longer names in the same way: it may
// have waited for this very dependent. Which owners wait is for the task to find out.
func (c *controllers) wakeOwners(e *store.Event) {
	for i := range e.Prev.Meta.Owners {
		o := &e.Prev.Meta.Owners[i]
		// As a whole: an owner that is named still, but blocked no longer, is to be woken too.
		kept := e.Kind != store.Deleted &&
			slices.ContainsFunc(e.Object.Meta.Owners, func(now store.Owner) bool { return now == *o })
		if r := c.api.ForKind(o.APIVersion, o.Kind); !kept && r != nil && r.Bucket != nil {
			c.add(taskOwner, place{r.Bucket, r.Key(e.Object.Namespace(), o.Name)})
		}
	}
}

// observeContent queues whatever waits for an object like that of an event: its namespace or its
// definition, if that is being emptied, or the namespace that must have it.
func (c *controllers) observeContent(b *store.Bucket, e *store.Event) {
	ns, name := e.Object.Namespace(), e.Object.Name()
	// One of those that every namespace has: if somebody has changed or deleted it, it is put right.
	own := ns != "" && (b.Name == "serviceaccounts" && name == defaultAccount || b.Name == "configmaps" && name == rootCAName)
	if ns != "" && (c.terminating[ns] || own && e.Kind != store.Added) {
		c.add(taskNamespace, place{c.api.Namespaces, ns})
	}
	if e.Kind == store.Deleted && c.api.Customs.IsTerminating(b.Name) {
		// A bucket of custom resources is called as their definition is.
		c.add(taskDefinition, place{c.api.Customs.Bucket, b.Name})
	}
}

// work does what is queued, with what that queues in turn, until ctx ends. It reports whether
// something failed; that is queued again, behind all else.
func (c *controllers) work(ctx context.Context) (failed bool) {
	var again []task
	for len(c.queue) > 0 && ctx.Err() == nil {
		t := c.queue[0]
		c.queue = c.queue[1:]
		// Before it is done: what it changes may be a reason to look once more.
		delete(c.queued, t)
		err := c.sync(ctx, t)
		// Every write fails when the server stops: that is no failure of the task.
		if err == nil || ctx.Err() != nil {
			delete(c.failing, t)
			continue
		}
		if !c.failing[t] {
			c.failing[t] = true
			c.api.Config.Log.Warn("an object could not be looked after; it is tried again",
				"resource", t.at.bucket.Name, "key", t.at.key, "err", err)
		}
		again = append(again, t)
	}
	// Only here, or a task that fails at once would keep the loop going.
	for _, t := range again {
		c.add(t.why, t.at)
	}
	return len(again) > 0
}

// sync looks at the object of a task and does what is missing. An object that is no longer there
// needs nothing.
func (c *controllers) sync(ctx context.Context, t task) error {
	switch t.why {
	case taskNamespace:
		return c.syncNamespace(ctx, t.at.key)
	case taskDefinition:
		return c.syncDefinition(ctx, t.at.key)
	case taskOwner:
		return c.syncOwner(ctx, t.at)
	case taskDependent:
		return c.syncDependent(ctx, t.at)
	case taskCondition:
		return c.syncCondition(ctx, t.at)
	}
	return nil
}
