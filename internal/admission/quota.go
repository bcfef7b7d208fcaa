package admission

import (
	"context"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// ResourceQuota counts what the objects of a namespace use, and refuses the one that is too many. What is
// used and what is the bound is in the status of each quota: somebody else sets the bound there, once he
// has counted what there is (upstream's controller of quotas, or ours), and admission counts up from
// then on, before the object is stored. So a write that fails after that has been counted, until
// somebody counts anew.
//
// In a namespace one question is answered at a time, so two writers that each would fit, but not together, do not both
// pass. What the count is compared with is read in the write of the status, so a client or controller
// that writes it meanwhile is not overwritten. That write is asked about as every other: a webhook may take its time, or write
// what is counted itself, so nobody waits for longer than upstream lets him, and other namespaces not at all.

// checkQuota is the act of ResourceQuota.
// It returns the first refusal, a 403, or the error of the write of a status. In a dry run all is asked
// and nothing counted.
func (c *Chain) checkQuota(ctx context.Context, a api.Admission) error {
	// Most namespaces have none: this is all that a write in them costs.
	if len(c.quotas.of(c.objects, a.Namespace)) == 0 || !charges(a) {
		return nil
	}
	// Read again below, in turn: what was read before it may have been counted up since.
	done, ok := c.quotaTurns.take(ctx, a.Namespace, quotaTime)
	if !ok {
		return errQuotaTime
	}
	defer done()
	var due []charge
	for _, quota := range c.quotas.of(c.objects, a.Namespace) {
		// Without room in one quota none of them may be counted up, so each is asked first.
		ch, err := chargeOf(a, quota)
		if err == nil && ch != nil {
			_, err = ch.onto(a, quota)
		}
		if err != nil {
			return err
		}
		if ch != nil {
			due = append(due, *ch)
		}
	}
	// All of them have room: only now any is counted up.
	if a.DryRun {
		return nil
	}
	// A quota that has changed meanwhile refuses here still; those before it stay counted until
	// somebody counts anew, which errs on the side of less.
	for i := range due {
		if err := c.count(ctx, a, &due[i]); err != nil {
			return err
		}
	}
	return nil
}

// charges reports whether a write can change what is used: most count only when they are made, and
// events never do.
// It is asked before the lock is taken, as most updates are none of the quota's business.
func charges(a api.Admission) bool {
	group, plural := a.Resource.Group, a.Resource.Plural
	switch {
	case plural == "events" && (group == "" || group == "events.k8s.io"), plural == "bindings" && group == "":
		return false
	case a.Operation == api.OperationCreate:
		return true
	// A pod comes into a scope, or goes out of one, by its deadline.
	case plural == "pods":
		return a.Subresource == "resize" || podTerminates(a.Object) != podTerminates(a.Old)
	// The volume behind a claim grows, or changes its class, by what its driver writes here.
	case a.Subresource == "status": // of a claim
		return !tree.Equal(tree.At(a.Object, "status", "allocatedResources"), tree.At(a.Old, "status", "allocatedResources")) ||
			!slices.Equal(claimClasses(a.Object), claimClasses(a.Old))
	}
	return true
}

// charge is what a write uses of a quota.
type charge struct {
	quota string
	used  amounts
}

// chargeOf returns what a write uses of a quota, nil for nothing, or the 403 of an object that does not
// say enough or of a quota that nobody has counted.
// The steps are upstream's, and so is which refusal comes first: what the object lacks, then what of
// the quota is not counted.
func chargeOf(a api.Admission, quota map[string]any) (*charge, error) {
	resource := a.Resource.Qualified()
	hard := amountsOf(tree.Object(quota, "status", "hard"))
	names := countedNames(resource, hard)
	if len(names) == 0 || !inScopes(resource, a.Object, quota) {
		return nil, nil
	}
	name := tree.Name(quota)
	// An object that does not say how much it wants cannot be counted; 0 would be a way around the
	// bound.
	if lacks := usages[resource].lacks; lacks != nil {
		if why := lacks(a.Object, names); why != "" {
			return nil, a.Forbidden("failed quota: " + name + ": " + why)
		}
	}
	// All of the names are needed, even those of which this object uses nothing.
	used := tree.Object(quota, "status", "used")
	for _, n := range names {
		if _, known := used[n]; !known {
			return nil, a.Forbidden("status unknown for quota: " + name + ", resources: " + strings.Join(names, ","))
		}
	}
	uses := usageOf(resource, a.Object)
	// An object that was not in the scopes before comes with all that it uses.
	if a.Old != nil && inScopes(resource, a.Old, quota) {
		uses = uses.beyond(usageOf(resource, a.Old))
	}
	uses = uses.only(names)
	for n, v := range uses {
		// Only a quantity that is negative itself gets here, from a kind that does not refuse it.
		if v.sign() < 0 {
			return nil, a.Forbidden("quota usage is negative for resource(s): " + n)
		}
		if v.sign() == 0 {
			delete(uses, n)
		}
	}
	if len(uses) == 0 {
		return nil, nil
	}
	return &charge{name, uses}, nil
}

// beyond returns by how much a is more than b.
// What is less or the same is left out: admission never counts down, that is the controller's.
func (a amounts) beyond(b amounts) amounts {
	more := amounts{}
	for name, v := range a {
		if is, ok := b[name]; ok {
			v = v.minus(is)
		}
		if v.sign() > 0 {
			more[name] = v
		}
	}
	return more
}

// onto returns what is used of a quota with the charge, or the 403 where that is too much. A status that
// says more than before is counted in any case: it has happened.
// Each name counts by itself. What the quota bounds is read from its status, which is behind the spec
// until somebody has counted.
func (ch *charge) onto(a api.Admission, quota map[string]any) (amounts, error) {
	hard, used := amountsOf(tree.Object(quota, "status", "hard")), amountsOf(tree.Object(quota, "status", "used"))
	sum := amounts{}
	sum.add(used)
	sum.add(ch.used)
	var over []string
	for _, name := range ch.used.names() {
		// Names that have no bound are counted all the same.
		if bound, ok := hard[name]; ok && sum[name].cmp(bound) > 0 {
			over = append(over, name)
		}
	}
	if len(over) == 0 || a.Subresource == "status" {
		return sum, nil
	}
	return nil, a.Forbidden("exceeded quota: " + ch.quota + ", requested: " + ch.used.only(over).String() +
		", used: " + used.only(over).String() + ", limited: " + hard.only(over).String())
}

// count writes the charge into the status of its quota, as that is then.
// It returns why the charge has no room any more, or what the write failed by.
func (c *Chain) count(ctx context.Context, a api.Admission, ch *charge) (err error) {
	wrong := c.objects.Write(ctx, "resourcequotas", a.Namespace, ch.quota, "status", func(quota map[string]any) bool {
		var sum amounts
		if sum, err = ch.onto(a, quota); err == nil {
			tree.Set(quota, sum.object(), "status", "used")
		}
		return err == nil
	})
	// The refusal first: the write has failed by it.
	if err == nil {
		err = wrong
	}
	return err
}
