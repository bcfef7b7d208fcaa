package schema

import (
	"apichain/internal/field"
	"apichain/internal/tree"
)

// crdErrors collects the errors of a CRD and bounds them: beyond some thousand they help nobody, and
// a large schema could have one at every place. The checks of a CRD embed it. Its zero value is
// ready for use.
type crdErrors struct {
	errs  []field.Error
	bytes int // of errs
}

// Bounds of what one check of a CRD reports. A check that has collected this much stops.
const (
	maxCRDErrors     = 1000
	maxCRDErrorBytes = 1 << 20
)

// full reports whether there is no room for another error.
//
//go:noinline
func (c *crdErrors) full() bool { return len(c.errs) >= maxCRDErrors || c.bytes > maxCRDErrorBytes }

// add adds an error if there is room.
//
//go:noinline
func (c *crdErrors) add(e field.Error) {
	if !c.full() {
		c.errs = append(c.errs, e)
		c.bytes += len(e.Field) + len(e.Message)
	}
}

// addAll adds the errors of another check.
func (c *crdErrors) addAll(errs []field.Error) {
	for _, e := range errs {
		c.add(e)
	}
}

// invalid, required, forbidden and notSupported add an error about the place p in the CRD. They
// write the path and the value only when there is room, since both may be long.
func (c *crdErrors) invalid(p *field.Path, value any, detail string) {
	if !c.full() {
		c.add(field.Invalid(p.String(), cutValue(value), detail))
	}
}

func (c *crdErrors) required(p *field.Path, detail string) {
	if !c.full() {
		c.add(field.Required(p.String(), detail))
	}
}

func (c *crdErrors) forbidden(p *field.Path, detail string) {
	if !c.full() {
		c.add(field.Forbidden(p.String(), detail))
	}
}

func (c *crdErrors) notSupported(p *field.Path, value any, supported ...string) {
	if !c.full() {
		c.add(field.NotSupported(p.String(), cutValue(value), supported...))
	}
}

// maxShownValue is the most bytes of a value that an error of a CRD repeats.
const maxShownValue = 1024

// cutValue returns v, or the beginning of its text when that is long: an error repeats the value,
// and a schema that is wrong in a thousand places would be repeated a thousand times. A value that
// is no text is then shown as one.
func cutValue(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > maxShownValue {
			return v[:maxShownValue] + "..."
		}
	case map[string]any, []any:
		if s := tree.AppendJSON(nil, v); len(s) > maxShownValue {
			return string(s[:maxShownValue]) + "..."
		}
	}
	return v
}
