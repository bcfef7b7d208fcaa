package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// viewed returns an object, and a view of it that says what.
func viewed(t *testing.T, name, what string) (o, view *Object) {
	obj := mustObject(t, `{"metadata":{"name":"`+name+`"}}`)
	d := Encode(obj, nil)
	o = newObject(Added, name, 7, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
	obj["said"] = what
	v := Encode(obj, []string{what})
	return o, v.ViewOf(o)
}

// found returns the view of an object that is kept for by, nil for none.
func found(o *Object, by any) *Object {
	list := []*Object{o}
	if len(UseViews(list, by, func(*Object) bool { return false })) > 0 {
		return nil
	}
	return list[0]
}

// TestViews: a view is an object of the same key and revision, is found by who made it alone, replaces the one before, and
// goes when who made it has no more use for it.
func TestViews(t *testing.T) {
	fresh := func(any) bool { return false }
	o, v := viewed(t, "a", "one")
	if o.IsView() || !v.IsView() || v.Key != "a" || v.Rev != 7 || v.EventKind() != Added || v.Meta.Fields[0] != "one" ||
		string(v.Raw()) != `{"metadata":{"name":"a","resourceVersion":"7"},"said":"one"}` {
		t.Fatalf("%+v %s", v, v.Raw())
	}
	first, second := new(int), new(int)
	if found(o, first) != nil {
		t.Error("a view that nobody has made")
	}
	o.KeepView(first, v, fresh)
	if found(o, first) != v || found(o, second) != nil {
		t.Error("the view is not found by who made it, or by another one")
	}
	_, again := viewed(t, "a", "again")
	o.KeepView(first, again, fresh)
	_, other := viewed(t, "a", "other")
	o.KeepView(second, other, fresh)
	if found(o, first) != again || found(o, second) != other {
		t.Error("the views of two")
	}
	n := 0
	for v := o.Meta.views.Load(); v != nil; v = v.next {
		n++
	}
	if n != 2 {
		t.Errorf("%d views are kept, want 2", n)
	}
	// Whoever keeps another one forgets what is stale.
	third := new(int)
	o.KeepView(third, v, func(by any) bool { return by == any(first) })
	if found(o, first) != nil || found(o, second) != other || found(o, third) != v {
		t.Error("a stale view is kept")
	}
	o.DropViews(func(by any) bool { return by == any(second) })
	if found(o, second) != nil || found(o, third) != v {
		t.Error("a view that was dropped is kept, or another one is not")
	}
	o.DropViews(func(any) bool { return true })
	if o.Meta.views.Load() != nil {
		t.Error("views are left")
	}
}

// TestViewsOfOneDraft: two objects that share what is known of them, as one draft may be committed twice and a deleted object
// has the facts of the one before, do not share their views.
func TestViewsOfOneDraft(t *testing.T) {
	o, v := viewed(t, "a", "one")
	later := &Object{Key: o.Key, Rev: 8, Line: o.Line, Meta: o.Meta}
	o.KeepView(t, v, func(any) bool { return false })
	if found(later, t) != nil || found(o, t) != v {
		t.Error("the later one is shown as the earlier one was")
	}
}

// TestUseViews: of a list of any length each object gets its own view, and those that have none are told in order.
func TestUseViews(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 200} {
		list, want, missing := make([]*Object, n), make([]*Object, n), []*Object(nil)
		for i := range n {
			o, v := viewed(t, fmt.Sprint(i), "x")
			list[i], want[i] = o, o
			switch i % 4 {
			case 0:
				o.KeepView(t, v, func(any) bool { return false })
				want[i] = v
			case 1:
				missing = append(missing, o)
			case 2:
				list[i], want[i] = nil, nil
			case 3:
				list[i], want[i] = v, v // is fine
			}
		}
		got := UseViews(list, t, (*Object).IsView)
		if !slices.Equal(got, missing) || !slices.Equal(list, want) {
			t.Errorf("%d objects: another list, or others are missing", n)
		}
	}
}

// TestViewsConcurrently: whoever keeps and drops at the same time, no view is found for another one, and none is lost but by
// a drop.
func TestViewsConcurrently(t *testing.T) {
	o, v := viewed(t, "a", "one")
	var all sync.WaitGroup
	for i := range 8 {
		by := &[1]int{i}
		all.Go(func() {
			for range 500 {
				o.KeepView(by, v, func(any) bool { return false })
				if found(o, by) != v {
					t.Error("a view has gone")
				}
				o.DropViews(func(b any) bool { return b == any(by) })
				if found(o, by) != nil {
					t.Error("a view is there")
				}
			}
		})
	}
	all.Wait()
	if o.Meta.views.Load() != nil {
		t.Error("views are left")
	}
}
