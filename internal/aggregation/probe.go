package aggregation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sort"
	"time"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/metrics"
	"apichain/internal/request"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// Whether a server can be used: the condition Available of its APIService, in upstream's order, reasons and words. What is
// served here always can. Of the others the Service must be there, listen on the port, and have ready endpoints; then
// the server must tell of the version, in one of five attempts at once.

// state is whether an APIService can be used, and why.
type state struct {
	status, reason, message string
}

// The times of a probe, which are upstream's.
const (
	attempts    = 5
	attemptTime = 5 * time.Second
)

// mostProbed is how much of the answer to a probe is read, so that its connection can be used again.
const mostProbed = 256 << 10

// resource returns that of APIServices.
func (s *Services) resource() *api.Resource {
	return s.API.Builtin("apiregistration.k8s.io", "v1", "APIService")
}

// check finds out whether the APIService of a name can be used and says so in its status. An error is to be tried again.
func (s *Services) check(ctx context.Context, name string) error {
	sn := s.bucket.Now()
	o := sn.Get(s.resource().Key("", name))
	if o == nil {
		return nil
	}
	// So that the remote is that of the object: an event of it may not have been taken yet.
	s.Follow()
	s.mu.Lock()
	r := s.remotes[name]
	s.mu.Unlock()
	if r == nil {
		return s.found(ctx, name, nil, state{"True", "Local", "Local APIServices are always available"})
	}
	st, failed := r.probe(ctx)
	// Nothing was found out, or only that the program ends: what the status says stays.
	if st == (state{}) || ctx.Err() != nil {
		return failed
	}
	// For the page of backends, also where no status may be written.
	r.Backend.Probed(backend.Probe{Available: st.status == "True", Reason: st.reason, Message: st.message, At: time.Now()})
	return errors.Join(s.found(ctx, name, r, st), failed)
}

// found keeps what was found, and writes it where it is another than before. r is nil for what is served here.
func (s *Services) found(ctx context.Context, name string, r *Remote, st state) error {
	readOnly := s.API.Config.ReadOnly != ""
	s.mu.Lock()
	// Before the write, whose event is compared with it.
	s.states[name] = st
	// Else the object says so, once it is written.
	if now := st.status == "True"; readOnly && r != nil && r.available.Swap(now) != now {
		s.wake()
	}
	s.mu.Unlock()
	if readOnly {
		return nil
	}
	turned, written := false, false
	_, err := s.API.Internal(s.resource(), "update", "", name, "status").Until(ctx).Modify(ctx, func(obj map[string]any) bool {
		was := tree.List(obj, "status", "conditions")
		// The function may run several times, when somebody else has written in between.
		written = !slices.ContainsFunc(was, st.is)
		// Only the turn from good to bad is counted, as by upstream.
		turned = isAvailable(obj) && st.status != "True"
		// Another spec has another answer, which is on its way.
		if written = written && (tree.At(obj, "spec", "service") == nil) == (r == nil); written {
			tree.Set(obj, schema.SetCondition(was, "Available", st.status, st.reason, st.message, time.Now()), "status", "conditions")
		}
		return written
	})
	if err != nil || !written {
		return err
	}
	s.Log.Info("an APIService has another condition",
		"apiservice", name, "available", st.status, "reason", st.reason, "message", st.message)
	if turned {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.turned[[2]string{name, st.reason}]++
	}
	return nil
}

// is reports whether a condition says st.
func (st state) is(condition any) bool {
	return tree.Text(condition, "type") == "Available" &&
		(state{tree.Text(condition, "status"), tree.Text(condition, "reason"), tree.Text(condition, "message")}) == st
}

// says reports whether an object says what was found last.
func (s *Services) says(name string, obj map[string]any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.states[name]
	return ok && slices.ContainsFunc(tree.List(obj, "status", "conditions"), st.is)
}

// has reports whether there is an object of a name.
func (s *Services) has(name string) bool {
	sn := s.bucket.Now()
	return sn.Get(s.resource().Key("", name)) != nil
}

// probe finds out whether the server can be used. The zero state says that nothing is known, which failed tells why of.
func (r *Remote) probe(ctx context.Context) (st state, failed error) {
	// Where the address is given, no Service need be there, and its endpoints say nothing.
	if s := r.services; r.Backend.Target.URL == "" && (s.HasAddress == nil || !s.HasAddress(r.Service.Namespace, r.Service.Name)) {
		if st := r.checkService(); st != (state{}) {
			return st, nil
		}
	}
	// No answer could change that. The status stays as it is, and the look is tried again.
	if err := r.Backend.Unusable(); err != nil {
		return state{}, err
	}
	// The others are ended by the first that succeeds.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// With room for all: those that come late find nobody, and must not wait.
	results := make(chan error, attempts)
	for range attempts {
		go func() { results <- r.attempt(ctx) }()
	}
	var last error
	for i := range attempts {
		err := <-results
		if err == nil {
			cancel()
			for range attempts - i - 1 {
				<-results
			}
			return state{"True", "Passed", "all checks passed"}, nil
		}
		// Of five errors the last one is told: they are mostly the same.
		last = err
	}
	return state{"False", "FailedDiscoveryCheck", last.Error()}, last
}

// checkService returns why the Service cannot be used, the zero state for one that may.
func (r *Remote) checkService() state {
	s, objects := &r.Service, r.services.API
	which := fmt.Sprintf("service/%s in %q", s.Name, s.Namespace)
	service := objects.Get("services", s.Namespace, s.Name)
	if service == nil {
		return state{"False", "ServiceNotFound", which + " is not present"}
	}
	// Of other types nothing is checked here (upstream): the attempts tell.
	if tree.Text(service, "spec", "type") != "ClusterIP" {
		return state{}
	}
	var port map[string]any
	for _, p := range tree.List(service, "spec", "ports") {
		// Stored objects may have it as either kind of number.
		if n, _ := tree.Float(tree.At(p, "port")); int64(n) == s.Port {
			port, _ = p.(map[string]any)
			break
		}
	}
	if port == nil {
		return state{"False", "ServicePortError", fmt.Sprintf("%s is not listening on port %d", which, s.Port)}
	}
	// A slice knows the port by its name; what number it has there is the endpoint's affair.
	name, slices, active := tree.Text(port, "name"), 0, false
	for _, slice := range objects.List("endpointslices.discovery.k8s.io", s.Namespace) {
		if tree.Text(slice, "metadata", "labels", "kubernetes.io/service-name") == s.Name {
			slices++
			active = active || hasEndpoint(slice, name)
		}
	}
	switch {
	case slices == 0:
		return state{"False", "EndpointsNotFound", "cannot find endpointslices for " + which}
	case !active:
		return state{"False", "MissingEndpoints", fmt.Sprintf("endpointslices for %s have no addresses with port name %q", which, name)}
	}
	return state{}
}

// hasEndpoint reports whether a slice has a ready endpoint and the port of a name.
func hasEndpoint(slice map[string]any, port string) bool {
	ready, listens := false, false
	for _, e := range tree.List(slice, "endpoints") {
		// Who does not say is ready: it is what the field's absence means.
		is, said := tree.At(e, "conditions", "ready").(bool)
		ready = ready || is || !said
	}
	for _, p := range tree.List(slice, "ports") {
		name, named := tree.At(p, "name").(string)
		listens = listens || named && name == port && tree.At(p, "port") != nil
	}
	return ready && listens
}

// attempt asks the server for the document of the version once. The error has upstream's words.
func (r *Remote) attempt(ctx context.Context) error {
	// Anew for each attempt: with endpoint routing it may be another endpoint.
	address, err := r.Backend.Resolve()
	if err != nil {
		return err
	}
	url := "https://" + address + r.Root()
	if r.Group == "" {
		// The core group's root is that of all its versions.
		url += "/" + r.Version
	}
	if err := r.ask(ctx, url); err != nil {
		return fmt.Errorf("failing or missing response from %s: %w", url, err)
	}
	return nil
}

// ask sends one question of a probe.
func (r *Remote) ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	setIdentity(req.Header, &request.User{Name: "system:kube-aggregator", Groups: []string{request.GroupMasters}})
	// Its client and not the transport alone, for upstream's words of a timeout.
	client := http.Client{
		Transport: r.Backend, Timeout: attemptTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	// Nothing of the document counts but that it came.
	_, _ = io.CopyN(io.Discard, res.Body, mostProbed)
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("bad status from %s: %d", url, res.StatusCode)
	}
	return nil
}

// WriteMetrics writes upstream's families of availability.
func (s *Services) WriteMetrics(e *metrics.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Family("aggregator_unavailable_apiservice", "gauge", "Whether an APIService cannot be used, by name.")
	for _, name := range slices.Sorted(maps.Keys(s.states)) {
		v := 0.0
		if s.states[name].status != "True" {
			v = 1
		}
		e.Number(v, "name", name)
	}
	e.Family("aggregator_unavailable_apiservice_total", "counter",
		"How often an APIService has become one that cannot be used, by name and reason.")
	var turned [][2]string
	for k := range s.turned {
		turned = append(turned, k)
	}
	sort.Slice(turned, func(i, j int) bool { return slices.Compare(turned[i][:], turned[j][:]) < 0 })
	for _, k := range turned {
		e.Number(float64(s.turned[k]), "name", k[0], "reason", k[1])
	}
}
