package etcd

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
)

// What is counted is for people who look: nothing here decides anything. Round trips are those of whole
// calls, with all their attempts, as upstream measures them; the percentiles are of the last 256
// of each operation, which are few enough to be sorted when somebody asks.

// Stats is what a Backend knows of itself and its etcd, for those who look at it.
type Stats struct {
	// Server is the member in use.
	Server  string
	Members []Member
	// Applied is the revision up to which the store was told, and Wanted the newest known to exist.
	// They are the same unless the watch is behind.
	Applied, Wanted int64
	// Lag is how long the watch has been behind, 0 if it is not.
	Lag time.Duration
	// Heard is when the watch told something last; of an etcd in which nothing happens it is long ago.
	Heard time.Time
	// Restarts is how often the watch was taken up again, Reloads how often with all there is.
	Restarts, Reloads int64
	// Skipped is how many values are not served, by reason.
	Skipped map[string]int
	// Leases is how many leases of this process have not ended.
	Leases int
	// Operations are the round trips by operation, sorted by name.
	Operations []Operation
}

// Member is a server as it was when it was asked last.
type Member struct {
	URL     string
	Version string
	// Err is why it did not answer, empty for one that did. What else is here is then older.
	Err string
	// Size is that of its database file, and InUse what of it is not free. Both are bytes.
	Size, InUse int64
	// Cluster is the id of its cluster. Leader and Learner say what it is in it; Led, whether it
	// has a leader.
	Cluster              uint64
	Leader, Learner, Led bool
	Asked                time.Time
}

// Operation is the round trips of one operation: how many, and what the last of them took.
type Operation struct {
	Name     string
	Count    int64
	P50, P99 time.Duration
}

// Stats returns what is known now. It asks nobody, and may be called concurrently.
func (b *Backend) Stats() Stats {
	server, _ := b.c.server()
	s := Stats{
		Server: server, Members: b.members.all(), Applied: b.applied.Load(), Wanted: b.wanted.Load(),
		Restarts: b.restarts.Load(), Reloads: b.reloads.Load(),
		Skipped: b.skipped.counts(), Leases: b.leases.outstanding(), Operations: b.trips.all(),
	}
	if ns := b.heard.Load(); ns != 0 {
		s.Heard = time.Unix(0, ns)
	}
	if ns := b.behind.Load(); ns != 0 && s.Wanted > s.Applied {
		s.Lag = time.Since(time.Unix(0, ns))
	}
	return s
}

const (
	// memberInterval is how often members are asked, as upstream does it, and memberTimeout how
	// long one may take.
	memberInterval = 30 * time.Second
	memberTimeout  = 2 * time.Second
)

// members are the servers, as they were. The zero value is ready.
type members struct {
	mu   sync.Mutex
	list []Member
}

func (m *members) all() []Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list)
}

// watchMembers asks all members now and then, until Close.
func (b *Backend) watchMembers() {
	t := time.NewTicker(memberInterval)
	defer t.Stop()
	for {
		b.askMembers(b.ctx)
		select {
		case <-t.C:
		case <-b.ctx.Done():
			return
		}
	}
}

// askMembers asks all members at the same time.
func (b *Backend) askMembers(ctx context.Context) {
	// A copy, which keeps what was known of those that do not answer.
	list := b.members.all()
	if list == nil {
		list = make([]Member, len(b.c.servers))
	}
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { b.askMember(ctx, b.c.servers[i], &list[i]) })
	}
	all.Wait()
	b.members.mu.Lock()
	defer b.members.mu.Unlock()
	b.members.list = list
}

// askMember brings what is known of a member up to date.
func (b *Backend) askMember(ctx context.Context, server string, m *Member) {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	m.URL, m.Err, m.Asked = server, "", time.Now()
	var a wire.StatusResponse
	if err := b.c.once(ctx, server, wire.MethodStatus, wire.Frame(nil, &wire.Empty{}), &a); err != nil {
		m.Err = err.Error()
		return
	}
	m.Version, m.Size, m.InUse, m.Learner, m.Led = a.Version, a.Size, a.InUse, a.IsLearner, a.Leader != 0
	if a.Header != nil {
		m.Cluster, m.Leader = a.Header.ClusterID, a.Leader == a.Header.MemberID && a.Leader != 0
	}
}

// trips are the round trips by operation. The zero value is ready.
type trips struct {
	mu sync.Mutex
	by map[string]*trip
}

// trip has the last round trips of an operation, in a ring.
type trip struct {
	count int64
	last  [256]time.Duration
}

// add notes a round trip.
func (t *trips) add(operation string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[string]*trip)
	}
	o := t.by[operation]
	if o == nil {
		o = new(trip)
		t.by[operation] = o
	}
	o.last[o.count%int64(len(o.last))] = took
	o.count++
}

// all returns the operations, sorted.
func (t *trips) all() (list []Operation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(t.by)) {
		o := t.by[name]
		took := slices.Clone(o.last[:min(o.count, int64(len(o.last)))])
		slices.Sort(took)
		list = append(list, Operation{Name: name, Count: o.count, P50: took[len(took)/2], P99: took[len(took)*99/100]})
	}
	return list
}
