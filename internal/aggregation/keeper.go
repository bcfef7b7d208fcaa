package aggregation

import (
	"context"
	"sync"
	"time"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// The keeper looks at APIServices by name: it registers what is served here, and finds out whether what is served
// elsewhere can be used. It is driven by levels: an event says which name to look at, never what to do.
//
//	events: apiservices, definitions, services, endpointslices ─┐
//	every resyncTime: all remotes ──────────────────────────────┼──> ready ──> look (5 at a time) ──> writes
//	a failure, after a growing while ───────────────────────────┘
//
// One goroutine has all of its state and waits for the others, each of which looks at one name. Events are taken from
// the logs of the four resources, so other writes cost nothing here.
//
// A look writes the status, whose event leads here again. Upstream looks at once then, which is without end where two
// servers, or two failures, put it in other words each time; here a change of the status alone to what was found last needs
// no look, and to anything else a look statusTime after the last one.

const (
	workers    = 5
	resyncTime = 30 * time.Second
	statusTime = time.Second
	// firstRetry doubles with each failure up to lastRetry.
	firstRetry = 5 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// keeper is the state of that goroutine.
type keeper struct {
	s    *Services
	want map[string]*wanted
	defs definitions
	// atStart has the names of the objects that were there at the start, and once those that were looked at without an
	// error since.
	atStart, once map[string]bool
	// round counts how often everything was to be registered again.
	round int
	feeds [4]feed

	// ready has the names to look at, in order, and queued the same; later has those that wait, and until when.
	ready  []string
	queued map[string]bool
	later  map[string]time.Time
	busy   map[string]bool
	// looked is when the last look at a name was over.
	looked   map[string]time.Time
	failures map[string]int
	// done gets the outcome of each look.
	done chan outcome
}

// outcome is what has come of a look.
type outcome struct {
	name  string
	round int // in which it began
	err   error
}

// feed is the events of one resource.
type feed struct {
	bucket *store.Bucket
	cursor *store.Cursor // nil before the first scan
	take   func(k *keeper, e *store.Event)
}

// Start registers what is served here and is not registered yet, so that whoever comes next finds it, and returns what
// keeps it so and probes the others, until its context ends: the caller runs that in one goroutine and waits for it. What
// cannot be written is logged, told by Registered, and tried again. It is called once.
func (s *Services) Start(ctx context.Context) (run func(context.Context)) {
	k := &keeper{
		s: s, want: builtin(&s.Config), defs: definitions{map[string][]string{}, map[string]int{}},
		atStart: map[string]bool{}, once: map[string]bool{}, queued: map[string]bool{}, later: map[string]time.Time{},
		busy: map[string]bool{}, looked: map[string]time.Time{}, failures: map[string]int{}, done: make(chan outcome, workers),
	}
	k.feeds = [...]feed{
		{bucket: s.bucket, take: (*keeper).tookService},
		{bucket: s.API.Customs.Bucket, take: (*keeper).tookDefinition},
		{bucket: s.API.Store.Bucket("services"), take: (*keeper).tookTarget},
		{bucket: s.API.Store.Bucket("endpointslices.discovery.k8s.io"), take: (*keeper).tookTarget},
	}
	sn := s.bucket.Now()
	for o := range sn.Scan("", "") {
		k.atStart[o.Name()] = true
	}
	// Before anything is written, so that readiness waits for what is still to be made.
	s.await(k.want)
	for i := range k.feeds {
		k.follow(&k.feeds[i])
	}
	k.makeMissing(ctx)
	for name := range k.want {
		k.add(name)
	}
	return k.run
}

// Again lets what is served here be registered as if the server had just started: the whole store was put into another
// state, which may be of before there was anything registered.
func (s *Services) Again() {
	select {
	case s.again <- struct{}{}:
	default: // it is to be done already
	}
}

// await notes which objects must be there before the server is ready.
func (s *Services) await(want map[string]*wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = map[string]bool{}
	sn := s.bucket.Now()
	for name, w := range want {
		// One of another server may never be.
		if s.API.Config.ReadOnly != "" || w.spec["service"] != nil {
			continue
		}
		if o := sn.Get(s.resource().Key("", name)); o == nil || !isAvailable(o.Decode()) {
			s.missing[name] = true
		}
	}
}

// makeMissing makes the objects that are wanted and not there, side by side: storage that keeps writes keeps all of
// them at once then.
func (k *keeper) makeMissing(ctx context.Context) {
	if k.s.API.Config.ReadOnly != "" {
		return
	}
	var all sync.WaitGroup
	room := make(chan struct{}, 64)
	var mu sync.Mutex
	for name, want := range k.want {
		if k.atStart[name] {
			continue
		}
		// Bounded: each is a write under way, and there are as many as versions.
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			err := k.s.register(ctx, name, want, false, false)
			mu.Lock()
			defer mu.Unlock()
			// Whether it is done counts: the keeper tries again what failed here.
			if k.once[name] = err == nil; err != nil {
				k.s.Log.Warn("an APIService is not registered", "apiservice", name, "err", err)
			}
		})
	}
	all.Wait()
}

// run looks at names until ctx ends, and returns when nobody looks any more.
func (k *keeper) run(ctx context.Context) {
	defer func() {
		// Who looks has the same context, and says so soon; nobody outlives run.
		for len(k.busy) > 0 {
			delete(k.busy, (<-k.done).name)
		}
	}()
	resync := time.NewTicker(resyncTime)
	defer resync.Stop()
	// It fires at once for nothing, and is set anew before each wait.
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var wait [len(k.feeds)]<-chan struct{}
		for i := range k.feeds {
			wait[i] = k.follow(&k.feeds[i])
		}
		// Whoever waits for Changed learns of it, also if nobody asks for a route.
		k.s.Follow()
		// After the events: who is queued by them is looked at in this turn.
		timer.Reset(k.dispatch(ctx))
		select {
		case <-ctx.Done():
			return
		case <-wait[0]:
		case <-wait[1]:
		case <-wait[2]:
		case <-wait[3]:
		case <-timer.C:
		case <-resync.C:
			for _, r := range k.s.Remotes() {
				k.add(r.Name)
			}
		case <-k.s.again:
			clear(k.once)
			// A look that began before this says nothing of the new state: its outcome has the old number.
			k.round++
			for name := range k.want {
				k.add(name)
			}
		case o := <-k.done:
			k.finish(o)
		}
	}
}

// follow takes the events of a feed, and returns a channel that is closed when there are others.
func (k *keeper) follow(f *feed) <-chan struct{} {
	var room [64]*store.Event
	for {
		// The first time, and after a gap.
		if f.cursor == nil {
			k.scan(f)
		}
		events, wait, err := f.cursor.Next(room[:0], len(room))
		if err != nil {
			f.cursor = nil // the log has dropped some
			continue
		}
		for _, e := range events {
			f.take(k, e)
		}
		if wait != nil {
			return wait
		}
	}
}

// scan takes all objects of a feed as if they had just come, and sets the cursor behind them. What has gone unseen is
// found by name: each is looked at.
func (k *keeper) scan(f *feed) {
	for f.cursor == nil {
		sn := f.bucket.Now()
		// Of definitions something is remembered here, so one that is gone must be found by what is remembered.
		if f.bucket == k.s.API.Customs.Bucket {
			for name := range k.defs.served {
				if sn.Get(name) == nil {
					k.replace(name, nil)
				}
			}
		}
		for o := range sn.Scan("", "") {
			// Added, without a Prev: whatever it was before, it is looked at.
			f.take(k, &store.Event{Kind: store.Added, Rev: sn.Rev, Object: o})
		}
		f.cursor, _ = f.bucket.Watch(sn.Rev)
	}
	for name := range k.want {
		k.add(name)
	}
}

// add queues a name, unless it is.
func (k *keeper) add(name string) {
	if !k.queued[name] {
		k.queued[name] = true
		k.ready = append(k.ready, name)
	}
}

// addLater queues a name after a while, or earlier if that was said before.
func (k *keeper) addLater(name string, d time.Duration) {
	at := time.Now().Add(d)
	// The earlier time counts, or events in a row would put a look off for ever.
	if was, ok := k.later[name]; !ok || at.Before(was) {
		k.later[name] = at
	}
}

// tookService looks at an APIService that has changed.
func (k *keeper) tookService(e *store.Event) {
	name := e.Object.Name()
	// Without what it was before nothing can be compared.
	if e.Kind != store.Modified || e.Prev == nil {
		k.add(name)
		return
	}
	now := e.Object.Decode()
	switch {
	case !tree.Equal(e.Prev.Decode()["spec"], now["spec"]) || e.Prev.Meta.Labels[managedLabel] != e.Object.Meta.Labels[managedLabel]:
		k.add(name)
	// Not what was found last: not at once, since two servers that disagree would take turns.
	case !k.s.says(name, now):
		k.addLater(name, time.Until(k.looked[name].Add(statusTime)))
	}
}

// tookDefinition looks at the APIServices of a definition that has changed.
func (k *keeper) tookDefinition(e *store.Event) {
	var now []string
	if e.Kind != store.Deleted {
		now = versionsServed(e.Object.Decode())
	}
	k.replace(e.Object.Name(), now)
}

// tookTarget looks at the APIServices whose Service, or an endpoint of it, has changed.
func (k *keeper) tookTarget(e *store.Event) {
	remotes := k.s.Remotes()
	// Services and slices change all the time, and in most clusters concern nobody here.
	if len(remotes) == 0 {
		return
	}
	namespace, name, of := e.Object.Namespace(), e.Object.Name(), e.Object.Meta.Labels["kubernetes.io/service-name"]
	for _, r := range remotes {
		if r.Service.Namespace == namespace && (r.Service.Name == name || r.Service.Name == of) {
			k.add(r.Name)
		}
	}
}

// dispatch sets workers to what is ready, and returns how long nothing else will be.
func (k *keeper) dispatch(ctx context.Context) time.Duration {
	// At most that long: the ticker wakes run anyway.
	now, next := time.Now(), resyncTime
	for name, at := range k.later {
		if wait := at.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		delete(k.later, name)
		k.add(name)
	}
	// In place: what waits is never more than what there was.
	waiting := k.ready[:0]
	for _, name := range k.ready {
		// A name that is being looked at is looked at once more afterwards.
		if len(k.busy) == workers || k.busy[name] {
			waiting = append(waiting, name)
			continue
		}
		delete(k.queued, name)
		k.busy[name] = true
		want, once, atStart, round := k.want[name], k.once[name], k.atStart[name], k.round
		// With copies of what the keeper knows: its maps are its own goroutine's. done has room for all workers.
		go func() { k.done <- outcome{name, round, k.s.look(ctx, name, want, once, atStart)} }()
	}
	// The names behind would be kept in memory otherwise.
	clear(k.ready[len(waiting):])
	k.ready = waiting
	return next
}

// finish takes note of a look that is over.
func (k *keeper) finish(o outcome) {
	delete(k.busy, o.name)
	if !k.s.has(o.name) && k.want[o.name] == nil {
		// Nothing is kept of what is not there.
		delete(k.looked, o.name)
		delete(k.failures, o.name)
		return
	}
	// Also of one that failed: its status may have been written, and that event leads back here.
	k.looked[o.name] = time.Now()
	if o.err == nil {
		k.once[o.name] = k.once[o.name] || o.round == k.round
		delete(k.failures, o.name)
		return
	}
	// A shift without a bound would overflow.
	n := k.failures[o.name]
	k.failures[o.name] = n + 1
	k.addLater(o.name, min(firstRetry<<min(n, 20), lastRetry))
}

// look registers the object of a name, or finds out whether its server can be used. It runs in a goroutine of its own.
func (s *Services) look(ctx context.Context, name string, want *wanted, once, atStart bool) error {
	if s.API.Config.ReadOnly == "" {
		if err := s.register(ctx, name, want, once, atStart); err != nil {
			return err
		}
	}
	return s.check(ctx, name)
}
