package matching

import (
	"context"
	"maps"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// What selectors look at, found when the first one does:
//
//	namespaceSelector   of an object in a namespace, that namespace's labels; of a Namespace, its own, the new ones of a
//	                    write and the stored ones of a delete; what else is of the cluster is always selected
//	objectSelector      the labels of the object as it is to be, or as it was

// Objects is what is looked up for selectors. Package api has it.
type Objects interface {
	// Labels returns the labels of an object, which nobody may change, and whether there is one.
	Labels(resource, namespace, name string) (labels map[string]string, ok bool)
}

// Question is one question of admission on its way to those who may want to hear of it. It belongs to one goroutine, but for its forms,
// which others may read. Make one with Ask.
type Question struct {
	// Admission is the question as it was asked; a mutation changes its Object.
	*api.Admission
	// Within is the namespace of the object; a Namespace is in itself.
	Within string
	// IsObject says that what is asked about is of the resource's kind, and so has other forms.
	IsObject bool

	objects   Objects
	selectors *Selectors

	labels, old       map[string]string
	hasLabels, hasOld bool
	namespaceLabels   map[string]string
	noNamespace       bool
	// said are the verdicts of selectors about the object, by number, and saidOf those about the namespace: 0 for none yet.
	said, saidOf []verdict
}

// verdict is what a selector says.
type verdict int8

const (
	selected verdict = iota + 1
	unselected
)

// Ask begins a question.
func Ask(a *api.Admission, o Objects, s *Selectors) Question {
	q := Question{Admission: a, objects: o, selectors: s, Within: a.Namespace}
	// Upstream says of a Namespace that it is in itself, in reviews and to selectors.
	if a.Resource.Group == "" && a.Resource.Plural == "namespaces" {
		q.Within = a.Name
	}
	// A Scale, a Binding or the options of a connection are the same in all forms of the resource.
	group, _, kind := a.Kind()
	q.IsObject = group == a.Resource.Group && kind == a.Resource.Kind
	return q
}

// Changed says that the object has become another one.
func (q *Question) Changed(obj map[string]any) { q.Object, q.said, q.saidOf = obj, nil, nil }

// RulesOut reports whether one of two selectors, of the object and of the namespace, was tried before and does not select. That it was
// not says nothing.
func (q *Question) RulesOut(object, namespace int32) bool {
	return object >= 0 && q.said != nil && q.said[object] == unselected ||
		namespace >= 0 && q.saidOf != nil && q.saidOf[namespace] == unselected
}

// ObjectMatches reports whether a selector selects the labels of the object, those that it is to have or those that it had. Below 0
// is the number of one that selects everything.
func (q *Question) ObjectMatches(n int32) bool {
	if n < 0 {
		return true
	}
	// The labels are taken out of the tree for the first selector, and not at all where there is none.
	if q.said == nil {
		q.said = make([]verdict, len(q.selectors.list))
		q.labels, q.hasLabels = labelsOf(q.Object)
		q.old, q.hasOld = labelsOf(q.Old)
	}
	if q.said[n] == 0 {
		l := &q.selectors.list[n]
		q.said[n] = unselected
		// Either will do: a webhook also hears of an object that leaves what it selects.
		if q.hasLabels && l.Matches(q.labels) || q.hasOld && l.Matches(q.old) {
			q.said[n] = selected
		}
	}
	return q.said[n] == selected
}

// labelsOf returns the labels of an object, and whether it is one that may have some: the options of a connection are not.
func labelsOf(obj map[string]any) (labels map[string]string, ok bool) {
	m := tree.Object(obj, "metadata")
	if m == nil {
		return nil, false
	}
	// Metadata was decoded, so that a label is a string.
	given := tree.Object(m, "labels")
	labels = make(map[string]string, len(given))
	for k, v := range given {
		labels[k], _ = v.(string)
	}
	return labels, true
}

// NamespaceMatches reports whether a selector selects the labels of the namespace. What is of the cluster and no namespace always
// is selected. The error is a 404 for a namespace that is not there.
func (q *Question) NamespaceMatches(n int32) (bool, error) {
	if n < 0 || q.Within == "" && q.Resource.Plural != "namespaces" {
		return true, nil
	}
	// A new Namespace is not stored yet, and a changed one counts as it will be.
	if q.saidOf == nil {
		q.saidOf = make([]verdict, len(q.selectors.list))
		isWrite := q.Operation == api.OperationCreate || q.Operation == api.OperationUpdate
		if q.Resource.Plural == "namespaces" && q.Subresource == "" && isWrite {
			q.namespaceLabels, _ = labelsOf(q.Object)
		} else {
			var ok bool
			q.namespaceLabels, ok = q.objects.Labels("namespaces", "", q.Within)
			q.noNamespace = !ok
		}
	}
	if q.noNamespace {
		return false, NoNamespace(q.Within)
	}
	if q.saidOf[n] == 0 {
		q.saidOf[n] = unselected
		if q.selectors.list[n].Matches(q.namespaceLabels) {
			q.saidOf[n] = selected
		}
	}
	return q.saidOf[n] == selected, nil
}

// Form is a question as it is seen in one form of its resource.
type Form struct {
	Resource *api.Resource
	// Object and Old are nil where the question has none.
	Object, Old map[string]any
}

// In returns the question in another form, as the client has asked it. What is no object of the resource is the same in all. The
// error says that the object cannot be converted, or that the webhook that converts it cannot be asked.
func (q *Question) In(ctx context.Context, r *api.Resource) (f Form, err error) {
	f = Form{r, q.Object, q.Old}
	// The form of the request itself needs no copy: nobody changes the trees of a form.
	if r == q.Resource || !q.IsObject {
		return f, nil
	}
	if q.Object != nil {
		if f.Object, err = q.Resource.As(ctx, q.Object, r); err != nil {
			return f, err
		}
	}
	if q.Old != nil {
		f.Old, err = q.Resource.As(ctx, q.Old, r)
	}
	return f, err
}

// Move returns a form whose object was changed as another form: the question goes on with it.
func (q *Question) Move(ctx context.Context, f Form, r *api.Resource) (next Form, err error) {
	next.Resource = r
	if next.Object, err = f.Resource.As(ctx, f.Object, r); err != nil {
		return next, err
	}
	if f.Old != nil {
		if next.Old, err = f.Resource.As(ctx, f.Old, r); err != nil {
			return next, err
		}
	}
	q.Object = next.Object
	return next, nil
}

// Settle makes own, the object that the question came with, what those who were asked have made of it in a form. The error is a
// *status.Error for the client, or says why the object cannot be converted.
func (q *Question) Settle(ctx context.Context, own map[string]any, f Form) error {
	obj := f.Object
	if f.Resource != q.Resource && q.IsObject {
		var err error
		if obj, err = f.Resource.As(ctx, obj, q.Resource); err == nil {
			err = q.Fit(obj, q.Resource)
		}
		if err != nil {
			return err
		}
	}
	// In the map that was given, since the write and the plugins hold on to that.
	clear(own)
	maps.Copy(own, obj)
	q.Object = own
	return nil
}
