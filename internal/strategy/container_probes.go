package strategy

import (
	"fmt"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Handlers: what a kubelet does to ask a container how it is, or to tell it something. A probe
// and a hook of the life cycle have one each, of a few sorts: exec, httpGet and tcpSocket, and
// grpc in a probe or sleep in a hook. For example, livenessProbe: {httpGet: {port: http}} asks
// the port that the container calls so; that there is one is not checked, since images say it
// too.

// handlers checks the probes and the hooks of a container that may have them (upstream's
// validateLifecycle and the three of probes).
func (p *podSpec) handlers(c *container) {
	if life, ok := c.obj["lifecycle"].(map[string]any); ok {
		for _, f := range [...]string{"postStart", "preStop"} {
			if hook, ok := life[f].(map[string]any); ok {
				p.handler(hook, "sleep", c.list, c.i, "lifecycle", f)
			}
		}
	}
	for _, f := range [...]string{"livenessProbe", "readinessProbe", "startupProbe"} {
		probe, ok := c.obj[f].(map[string]any)
		if !ok {
			continue
		}
		p.handler(probe, "grpc", c.list, c.i, f)
		if n, ok := probe["terminationGracePeriodSeconds"].(int64); ok && n <= 0 {
			p.Add(field.Invalid(p.Path(c.list, c.i, f, "terminationGracePeriodSeconds"), n, "must be greater than 0"))
		}
		// One success is enough to live and to have started; only to be ready may take more.
		// The default of 1 has been set before.
		if n := number(probe["successThreshold"]); n != 1 && f != "readinessProbe" {
			p.Add(field.Invalid(p.Path(c.list, c.i, f, "successThreshold"), n, "must be 1"))
		}
		// A container that is not ready is not ended, and needs no time for that.
		if n, ok := probe["terminationGracePeriodSeconds"]; ok && f == "readinessProbe" {
			p.Add(field.Invalid(p.Path(c.list, c.i, f, "terminationGracePeriodSeconds"), n, "must not be set for readinessProbes"))
		}
	}
}

// handler checks that there is one handler, of a sort that all have or of the last. at is its
// path. The rest of what is in a handler is a word of its row.
func (p *podSpec) handler(h map[string]any, last string, at ...any) {
	found := ""
	for _, f := range [...]string{"exec", "httpGet", "tcpSocket", last} {
		if h[f] == nil {
			continue
		}
		// What is in the second one is not looked at (upstream).
		if found != "" {
			p.Add(field.Forbidden(p.Path(at...)+"."+f, "may not specify more than 1 handler type"))
			continue
		}
		found = f
		action := tree.Object(h, f)
		switch f {
		case "httpGet", "tcpSocket", "grpc":
			p.port(action["port"], f, at)
		case "sleep":
			// A hook that sleeps longer than the pod is given to end would be cut off.
			if n := number(action["seconds"]); p.graced && (n < 0 || n > p.grace) {
				p.Add(field.Invalid(p.Path(at...)+".sleep", n,
					fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", p.grace)))
			}
		}
		if f == "httpGet" {
			// The path is that of all headers (upstream).
			for _, h := range each(action["httpHeaders"]) {
				name := tree.Text(h, "name")
				for _, why := range field.HeaderNameErrors(name) {
					p.Add(field.Invalid(p.Path(at...)+".httpGet.httpHeaders", name, why))
				}
			}
		}
	}
	if found == "" {
		p.Add(field.Required(p.Path(at...), "must specify a handler type"))
	}
}

// port checks the port of an action, by number or by name; absent, it is the number 0, which is
// none. A port by name is looked up by the kubelet when it asks.
func (p *podSpec) port(v any, action string, at []any) {
	var errs []string
	switch n := v.(type) {
	case string:
		errs = field.PortNameErrors(n)
	default:
		v = number(v)
		errs = field.PortErrors(number(v))
	}
	for _, why := range errs {
		p.Add(field.Invalid(p.Path(at...)+"."+action+".port", v, why))
	}
}
