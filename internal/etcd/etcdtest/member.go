package etcdtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
)

// Member is a server of the cluster, with faults of its own. It is an http.Handler, too, for tests
// that need TLS.
type Member struct {
	// URL is where it listens. It stays the same when the member is stopped and started.
	URL string
	// FragmentBytes is how large an answer of a watch gets before it comes in fragments. It is set
	// before the first watch.
	FragmentBytes int

	c       *Cluster
	id      uint64
	version string
	addr    string

	mu     sync.Mutex
	srv    *http.Server
	served chan struct{}
	conns  map[net.Conn]bool
	faults map[string][]Fault
	calls  map[string]int
	// noQuorum refuses what needs a leader, and muted keeps watches from sending.
	noQuorum, muted bool
	// cut is closed and replaced by CutWatches, and by what watches must look at anew.
	cut, look chan struct{}
	streams   int
}

// Fault is what goes wrong with one call.
type Fault struct {
	// Wait holds the call before anything is done, and Hold its answer, until they are closed.
	Wait, Hold <-chan struct{}
	// Code refuses the call with Message: nothing is done.
	Code    wire.Code
	Message string
	// Lost aborts the stream of the call without an answer, after it was done.
	Lost bool
	// Dropped is Lost with the whole connection.
	Dropped bool
}

// Inject makes the next call of a method fail, after those that were injected before.
func (m *Member) Inject(method string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[method] = append(m.faults[method], f)
}

// Calls returns how often a method was called.
func (m *Member) Calls(method string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[method]
}

// Streams returns how many watches' streams are open.
func (m *Member) Streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams
}

// SetVersion sets the version that the member says it has.
func (m *Member) SetVersion(v string) { m.set(func() { m.version = v }) }

// SetQuorum says whether the member has a leader. Without one only serializable reads are answered.
func (m *Member) SetQuorum(there bool) { m.set(func() { m.noQuorum = !there }) }

// SetMuted keeps all watches from sending anything, while their connections stay.
func (m *Member) SetMuted(muted bool) { m.set(func() { m.muted = muted }) }

// set changes a setting, and lets watches look at it.
func (m *Member) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.look)
	m.look = make(chan struct{})
}

// CutWatches ends the streams of all watches without a word.
func (m *Member) CutWatches() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.cut)
	m.cut = make(chan struct{})
}

// DropConnections closes all connections.
func (m *Member) DropConnections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
	}
}

// Stop ends the member, with all its connections. It does nothing to one that is stopped.
func (m *Member) Stop() {
	m.mu.Lock()
	srv, served := m.srv, m.served
	m.srv = nil
	m.mu.Unlock()
	if srv != nil {
		_ = srv.Close()
		<-served
	}
}

// Start starts a member that was stopped.
func (m *Member) Start() error { return m.start(m.addr) }

func (m *Member) start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addr = l.Addr().String()
	m.URL = "http://" + m.addr
	m.conns, m.served = map[net.Conn]bool{}, make(chan struct{})
	if m.faults == nil {
		m.faults, m.calls, m.cut, m.look = map[string][]Fault{}, map[string]int{}, make(chan struct{}), make(chan struct{})
	}
	srv, served := &http.Server{Handler: m, Protocols: new(http.Protocols), ConnState: m.connState}, m.served
	srv.Protocols.SetUnencryptedHTTP2(true)
	m.srv = srv
	go func() {
		defer close(served)
		_ = srv.Serve(l) // ends with Close
	}()
	return nil
}

// connState notes which connections there are.
func (m *Member) connState(c net.Conn, s http.ConnState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s == http.StateClosed || s == http.StateHijacked {
		delete(m.conns, c)
	} else {
		m.conns[c] = true
	}
}

// call is one call under way.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	fault Fault
}

// failure is how a call ends that is not OK.
type failure struct {
	code    wire.Code
	message string
}

// Failures of etcd, by its codes and texts.
func (f *failure) Error() string { return f.code.String() + ": " + f.message }

// ServeHTTP serves one call.
func (m *Member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r}
	m.mu.Lock()
	m.calls[r.URL.Path]++
	if q := m.faults[r.URL.Path]; len(q) > 0 {
		c.fault, m.faults[r.URL.Path] = q[0], q[1:]
	}
	m.mu.Unlock()
	w.Header().Set("Content-Type", wire.ContentType)
	err := m.serve(c)
	var f *failure
	switch {
	case err == nil:
		f = &failure{}
	case !errors.As(err, &f):
		panic(http.ErrAbortHandler) // the client has gone, or shall think so of us
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(f.code)))
	w.Header().Set(http.TrailerPrefix+"Grpc-Message", wire.EscapeMessage(f.message))
}

// errLost is the error of a call whose answer is lost.
var errLost = errors.New("the answer is lost")

// serve does what a call asks for, with its fault. An error that is no *failure aborts the stream.
func (m *Member) serve(c *call) error {
	if err := c.wait(c.fault.Wait); err != nil {
		return err
	}
	if c.fault.Code != wire.OK {
		return &failure{c.fault.Code, c.fault.Message}
	}
	m.mu.Lock()
	noLeader := m.noQuorum && c.r.Header.Get("Hasleader") == "true"
	m.mu.Unlock()
	if noLeader {
		return &failure{wire.Unavailable, wire.TextNoLeader}
	}
	switch c.r.URL.Path {
	case wire.MethodWatch:
		return m.watch(c)
	case wire.MethodKeep:
		return m.keepAlive(c)
	}
	body, err := wire.ReadFrame(c.r.Body, 1<<30)
	if err != nil {
		return err
	}
	answer, err := m.unary(c.r, body)
	if err != nil {
		return err
	}
	if err := c.wait(c.fault.Hold); err != nil {
		return err
	}
	if c.fault.Dropped {
		m.DropConnections()
		return errLost
	}
	if c.fault.Lost {
		return errLost
	}
	return c.send(answer)
}

// wait waits until a fault ends, or the call.
func (c *call) wait(until <-chan struct{}) error {
	if until == nil {
		return nil
	}
	select {
	case <-until:
		return nil
	case <-c.r.Context().Done():
		return c.r.Context().Err()
	}
}

// send writes a message.
func (c *call) send(m wire.Message) error {
	if _, err := c.w.Write(wire.Frame(nil, m)); err != nil {
		return err
	}
	return http.NewResponseController(c.w).Flush()
}

// unary answers a call of one message.
func (m *Member) unary(r *http.Request, body []byte) (wire.Message, error) {
	switch r.URL.Path {
	case wire.MethodRange:
		return parsed(body, m.rangeKeys)
	case wire.MethodTxn:
		return parsed(body, m.txn)
	case wire.MethodCompact:
		return parsed(body, m.compact)
	case wire.MethodGrant:
		return parsed(body, m.grant)
	case wire.MethodRevoke:
		return parsed(body, m.revoke)
	case wire.MethodTTL:
		return parsed(body, m.timeToLive)
	case wire.MethodStatus:
		m.c.mu.Lock()
		header := m.c.header(m.c.rev)
		m.c.mu.Unlock()
		m.mu.Lock()
		a := &wire.StatusResponse{Header: header, Version: m.version, Size: 1 << 20, InUse: 1 << 19, Leader: 1}
		if m.noQuorum {
			a.Leader, a.Errors = 0, []string{wire.TextNoLeader}
		}
		m.mu.Unlock()
		return a, nil
	}
	return nil, &failure{wire.Unimplemented, "unknown method " + r.URL.Path}
}

// parsed gives a method its request.
func parsed[T any, M interface {
	*T
	wire.Message
}](body []byte, do func(M) (wire.Message, error)) (wire.Message, error) {
	in := M(new(T))
	if err := wire.Parse(bytes.Clone(body), in); err != nil {
		return nil, &failure{wire.Internal, err.Error()}
	}
	return do(in)
}

// needLeader is the error of what needs a quorum, when there is none.
func (m *Member) needLeader() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.noQuorum {
		return &failure{wire.Unavailable, "etcdserver: request timed out"}
	}
	return nil
}

// rangeKeys answers a Range.
func (m *Member) rangeKeys(in *wire.RangeRequest) (wire.Message, error) {
	if !in.Serializable {
		if err := m.needLeader(); err != nil {
			return nil, err
		}
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if in.Revision > m.c.rev {
		return nil, &failure{wire.OutOfRange, wire.TextFuture}
	}
	if in.Revision > 0 && in.Revision < m.c.compacted {
		return nil, &failure{wire.OutOfRange, wire.TextCompacted}
	}
	return m.c.find(in), nil
}

// maxTxnOps is etcd's default of --max-txn-ops.
const maxTxnOps = 128

// txn answers a Txn.
func (m *Member) txn(in *wire.TxnRequest) (wire.Message, error) {
	if err := m.needLeader(); err != nil {
		return nil, err
	}
	if max(len(in.Compare), len(in.Success), len(in.Failure)) > maxTxnOps {
		return nil, &failure{wire.InvalidArgument, "etcdserver: too many operations in txn request"}
	}
	seen := map[string]bool{}
	for _, op := range in.Success {
		if op.Put == nil {
			continue
		}
		if seen[string(op.Put.Key)] {
			return nil, &failure{wire.InvalidArgument, "etcdserver: duplicate key given in txn request"}
		}
		seen[string(op.Put.Key)] = true
		m.c.mu.Lock()
		missing := op.Put.Lease != 0 && m.c.leases[op.Put.Lease] == nil
		m.c.mu.Unlock()
		if missing {
			return nil, &failure{wire.NotFound, wire.TextLeaseNotFound}
		}
	}
	return m.c.txn(in), nil
}

// compact answers a Compact.
func (m *Member) compact(in *wire.CompactRequest) (wire.Message, error) {
	switch compacted, future := m.c.Compact(in.Revision); {
	case compacted:
		return nil, &failure{wire.OutOfRange, wire.TextCompacted}
	case future:
		return nil, &failure{wire.OutOfRange, wire.TextFuture}
	}
	return &wire.HeaderOnly{Header: &wire.Header{ClusterID: 1}}, nil
}

// grant answers a LeaseGrant.
func (m *Member) grant(in *wire.LeaseGrantRequest) (wire.Message, error) {
	if err := m.needLeader(); err != nil {
		return nil, err
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.lastID++
	m.c.leases[m.c.lastID] = &lease{in.TTL, m.c.now.Add(time.Duration(in.TTL) * time.Second), map[string]bool{}}
	return &wire.Lease{Header: m.c.header(m.c.rev), ID: m.c.lastID, TTL: in.TTL}, nil
}

// revoke answers a LeaseRevoke.
func (m *Member) revoke(in *wire.LeaseID) (wire.Message, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.leases[in.ID] == nil {
		return nil, &failure{wire.NotFound, wire.TextLeaseNotFound}
	}
	m.c.revoke(in.ID)
	return &wire.HeaderOnly{Header: m.c.header(m.c.rev)}, nil
}

// timeToLive answers a LeaseTimeToLive.
func (m *Member) timeToLive(in *wire.LeaseID) (wire.Message, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	a := &wire.Lease{Header: m.c.header(m.c.rev), ID: in.ID, TTL: -1}
	if l := m.c.leases[in.ID]; l != nil {
		a.TTL = int64(l.end.Sub(m.c.now) / time.Second)
	}
	return a, nil
}

// keepAlive answers a stream of LeaseKeepAlive.
func (m *Member) keepAlive(c *call) error {
	for {
		body, err := wire.ReadFrame(c.r.Body, 1<<20)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := parsed(body, func(in *wire.LeaseID) (wire.Message, error) {
			m.c.mu.Lock()
			defer m.c.mu.Unlock()
			a := &wire.Lease{Header: m.c.header(m.c.rev), ID: in.ID}
			if l := m.c.leases[in.ID]; l != nil {
				a.TTL, l.end = l.ttl, m.c.now.Add(time.Duration(l.ttl)*time.Second)
			}
			return a, nil
		})
		if err != nil {
			return err
		}
		if err := c.send(answer); err != nil {
			return err
		}
	}
}
