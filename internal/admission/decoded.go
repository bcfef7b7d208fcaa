package admission

import (
	"sync/atomic"

	"apichain/internal/tree"
)

// decoded keeps the objects of a resource that is read much more often than written: classes, limits,
// quotas. They are read anew after a change. Its zero value needs the resource's name.
type decoded struct {
	resource string
	last     atomic.Pointer[generation]
}

// generation is the objects as they are since a change, by namespace. It never changes.
type generation struct {
	change int64
	in     map[string][]map[string]any
}

// of returns the objects of a namespace ("" of the cluster), sorted by name. Nobody may change them.
// A change that is made meanwhile may be in them or not.
// It is safe for many goroutines at once: two that find it old both read, and the later one stays.
func (d *decoded) of(o Objects, namespace string) []map[string]any {
	change := o.Change(d.resource)
	// The number is asked first: objects that are newer than it do no harm, older ones would stay.
	g := d.last.Load()
	if g == nil || g.change != change {
		// The number is older than the objects at most: then they are read once more the next time.
		g = &generation{change, map[string][]map[string]any{}}
		for _, obj := range o.List(d.resource, "") {
			ns := tree.Text(obj, "metadata", "namespace")
			g.in[ns] = append(g.in[ns], obj)
		}
		d.last.Store(g)
	}
	return g.in[namespace]
}
