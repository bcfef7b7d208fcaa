package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The subresources that lead to a running container, or to what listens behind a service or on a
// node. Nothing runs here, so each is answered at once with what upstream says where there is nobody
// to ask; an object that is on a node gets as far as that node's kubelet, which is none.

// askConnect asks admission about a connection, in both phases, before anything of the object is looked at (upstream). Of a
// subresource that is none it asks nothing.
func (q *Call) askConnect() error {
	if !q.wants(Mutating, OperationConnect) && !q.wants(Validating, OperationConnect) {
		return nil
	}
	for i := range q.Subresources {
		sub := &q.Subresources[i]
		if sub.Name != q.info.Subresource || !strings.HasSuffix(sub.Kind, "Options") {
			continue
		}
		options := q.connectOptions(sub)
		for _, phase := range [...]Phase{Mutating, Validating} {
			if err := q.ask(phase, OperationConnect, options, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// connectOptions returns the options that a connection is asked for with, which are in the query and the path.
func (q *Call) connectOptions(sub *kinds.Subresource) map[string]any {
	o := map[string]any{"kind": sub.Kind, "apiVersion": sub.Version}
	for name, f := range sub.Type().ByName {
		given := q.query[name]
		if len(given) == 0 {
			continue
		}
		switch {
		case f.IsList:
			var list []any
			for _, s := range given {
				if n, err := strconv.ParseInt(s, 10, 32); f.Kind != kinds.FieldString && err == nil {
					list = append(list, n)
				} else {
					list = append(list, s)
				}
			}
			o[name] = list
		case f.Kind == kinds.FieldBool:
			if isTrue(given[0]) {
				o[name] = true
			}
		case given[0] != "":
			o[name] = given[0]
		}
	}
	if _, path, ok := strings.Cut(q.req.URL.Path, "/"+q.name+"/proxy"); ok && sub.Name == "proxy" && path != "" {
		o["path"] = path
	}
	return o
}

// connectPod serves log, exec, attach and portforward: who asks must name a container of the pod if it
// has several, and the pod must be on a node.
func connectPod(q *Call) error {
	if q.info.Subresource == "log" {
		if err := q.checkLogOptions(); err != nil {
			return err
		}
	}
	sn := q.Bucket.Now()
	o := sn.Get(q.Resource.Key(q.namespace, q.name))
	if o == nil {
		return q.notFound(q.name)
	}
	pod := q.decode(o)
	if q.info.Subresource != "portforward" {
		if err := q.checkContainer(pod); err != nil {
			return err
		}
	}
	node := tree.Text(pod, "spec", "nodeName")
	switch {
	case node != "":
		return q.unreachable(node)
	case q.info.Subresource == "log": // no host, no lines
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return status.BadRequest("pod " + q.name + " does not have a host assigned")
}

// checkLogOptions refuses parameters of log that are no numbers or times, as a 400 of the first, and
// those that make no sense, which are refused even for a pod that is not there.
func (q *Call) checkLogOptions() error {
	var errs []field.Error
	for _, p := range [...]struct {
		name string
		min  int64
		why  string
	}{
		{"tailLines", 0, "must be greater than or equal to 0"}, {"limitBytes", 1, "must be greater than 0"}, {"sinceSeconds", 1, "must be greater than 0"},
	} {
		text := q.param(p.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			return status.BadRequest(err.Error())
		case p.name == "sinceSeconds" && q.param("sinceTime") != "":
			errs = append(errs, field.Forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
		case n < p.min:
			errs = append(errs, field.Invalid(p.name, n, p.why))
		}
	}
	if q.param("stream") != "" { // of an alpha feature
		errs = append(errs, field.Forbidden("stream", "may not be specified"))
	}
	if len(errs) == 0 {
		return nil
	}
	return status.Invalid("", "PodLogOptions", q.name, errs)
}

// checkContainer refuses a container that the pod does not have, and none where there are several.
func (q *Call) checkContainer(pod map[string]any) error {
	wanted, names := q.param("container"), map[string][]string{}
	for _, list := range [...]string{"containers", "initContainers", "ephemeralContainers"} {
		for _, c := range tree.List(pod, "spec", list) {
			name := tree.Text(c, "name")
			if wanted != "" && name == wanted {
				return nil
			}
			names[list] = append(names[list], name)
		}
	}
	if wanted != "" {
		return status.BadRequest("container " + wanted + " is not valid for pod " + q.name)
	}
	if len(names["containers"]) == 1 {
		return nil
	}
	text := "a container name must be specified for pod " + q.name + ", choose one of: " + fmt.Sprint(names["containers"])
	if first := names["initContainers"]; len(first) > 0 {
		text += " or one of the init containers: " + fmt.Sprint(first)
	}
	return status.BadRequest(text)
}

// unreachable returns what is said of a node whose kubelet would have to answer: that there is no
// such node, in upstream's words, or that nobody is asked.
func (q *Call) unreachable(node string) error {
	nodes := q.api.Builtin("", "v1", "Node")
	if sn := nodes.Bucket.Now(); sn.Get(node) == nil {
		return q.notFound(node)
	}
	return internalError("error dialing backend: this server runs nothing and asks no kubelet, so node " +
		strconv.Quote(node) + " cannot be reached")
}

// connectProxy serves the subresource proxy of pods, services and nodes, whose name may have a scheme
// before it and a port behind it: https:web:443.
func connectProxy(q *Call) error {
	name := q.name
	switch parts := strings.Split(name, ":"); len(parts) {
	case 2:
		name = parts[0]
	case 3:
		name = parts[1]
	}
	if q.Plural == "services" {
		return &status.Error{Code: http.StatusServiceUnavailable, Reason: "ServiceUnavailable",
			Message: "no endpoints available for service " + strconv.Quote(name)}
	}
	sn := q.Bucket.Now()
	switch o := sn.Get(q.Resource.Key(q.namespace, name)); {
	case o == nil:
		return q.notFound(name)
	case q.Plural == "pods":
		return status.BadRequest("address not allowed")
	}
	return q.unreachable(name)
}
