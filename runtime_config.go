package main

import (
	"regexp"
	"slices"
	"strings"

	"apichain/internal/flags"
	"apichain/internal/kinds"
)

// Which of the built-in API groups, versions and resources are served: --runtime-config switches them off
// and on. What is off has no route and stands in no discovery document; its objects are kept all the same,
// since another version may show them and the server has some of its own.
//
//	api/all, api/ga, api/beta, api/alpha   every version, or those of one stage
//	GROUP/VERSION                          one version; api/v1 or v1 is the core group's
//	GROUP/VERSION/RESOURCE                 one resource of it
//
// What is said of less counts more. Beta versions are those that have the shape of their kind's GA version; they
// are off unless they are asked for. Custom resources are not asked.

// runtimeOptions hold the pairs of --runtime-config.
type runtimeOptions struct{ pairs []string }

// Register declares the flag, which is upstream's.
func (o *runtimeOptions) Register(f *flags.Set) {
	f.In("cluster")
	f.List(&o.pairs, "runtime-config", nil,
		"what is served of the built-in APIs, as key=true or key=false; keys are api/all, api/ga, api/beta, api/alpha, "+
			"group/version and group/version/resource")
}

// upstreamGroups are the built-in groups of the release that is followed but for the core group: a name of
// one that is not built here changes nothing, and any other is a slip.
const upstreamGroups = "apiregistration.k8s.io apps events.k8s.io authentication.k8s.io authorization.k8s.io autoscaling batch " +
	"certificates.k8s.io networking.k8s.io policy rbac.authorization.k8s.io storage.k8s.io admissionregistration.k8s.io " +
	"apiextensions.k8s.io scheduling.k8s.io coordination.k8s.io node.k8s.io discovery.k8s.io resource.k8s.io " +
	"flowcontrol.apiserver.k8s.io internal.apiserver.k8s.io storagemigration.k8s.io"

// Check reports keys that name nothing, and values that are neither true nor false. Which versions a group
// has is not asked: those that are not here have nothing to switch.
func (o *runtimeOptions) Check(p *flags.Problems) {
	const name = "runtime-config"
	for _, pair := range o.pairs {
		// A key alone is on, as upstream has it.
		key, value, _ := strings.Cut(pair, "=")
		if value != "" && value != "true" && value != "false" {
			p.Add(name, "%q is not key=true or key=false", pair)
			continue
		}
		if slices.Contains([]string{"api/all", "api/ga", "api/beta", "api/alpha"}, key) {
			continue
		}
		group, version, _ := runtimeKey(key)
		switch {
		case !apiVersion.MatchString(version):
			p.Add(name, "%q is no group/version", key)
		case group != "" && !slices.Contains(strings.Fields(upstreamGroups), group):
			p.Add(name, "%q: there is no built-in group %q", key, group)
		}
	}
}

// apiVersion is the form of the versions that upstream has.
var apiVersion = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)

// runtimeKey splits group/version or group/version/resource. The core group is "".
func runtimeKey(key string) (group, version, resource string) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) == 1 && key == "v1" {
		return "", "v1", ""
	}
	parts = append(parts, "", "")
	if group = parts[0]; group == "api" {
		group = ""
	}
	return group, parts[1], parts[2]
}

// serves reports whether a resource of the built-in ones is on.
func (o *runtimeOptions) serves(group, version, resource string) bool {
	stage := "api/ga"
	for _, s := range []string{"alpha", "beta"} {
		if strings.Contains(version, s) {
			stage = "api/" + s
		}
	}
	// The later of two equal keys counts. Ranks: nothing said, all, stage, version, resource.
	on, rank := stage == "api/ga", 0
	for _, pair := range o.pairs {
		key, value, _ := strings.Cut(pair, "=")
		g, v, r := runtimeKey(key)
		now := 0
		switch {
		case key == "api/all":
			now = 1
		case key == stage:
			now = 2
		case g == group && v == version && r == "":
			now = 3
		case g == group && v == version && r == resource:
			now = 4
		}
		if now > 0 && now >= rank {
			on, rank = value != "false", now
		}
	}
	return on
}

// absent returns the keys that switch on what the table does not have: alpha versions, of which there is
// none, and versions and resources that are not built here.
func (o *runtimeOptions) absent(all *kinds.Table) (keys []string) {
	for _, pair := range o.pairs {
		key, value, _ := strings.Cut(pair, "=")
		if value == "false" || strings.HasPrefix(key, "api/") && key != "api/alpha" && key != "api/v1" {
			continue
		}
		group, version, resource := runtimeKey(key)
		if !slices.ContainsFunc(all.Kinds, func(r *kinds.Row) bool {
			return r.Group == group && r.Version == version && (resource == "" || r.Plural == resource)
		}) {
			keys = append(keys, key)
		}
	}
	return keys
}

// served returns the table of the kinds that are served.
func (o *runtimeOptions) served(all *kinds.Table) *kinds.Table {
	if len(o.pairs) == 0 {
		return all
	}
	out := *all
	out.Kinds = slices.DeleteFunc(slices.Clone(all.Kinds), func(r *kinds.Row) bool { return !o.serves(r.Group, r.Version, r.Plural) })
	return &out
}
